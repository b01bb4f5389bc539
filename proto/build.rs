//! Generates the messages and services from the `.proto` files, without any outside program.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["agent.proto", "worker.proto"];
    for file in files {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(files, ["."])?;
    // Payloads are `Bytes`: a slice of the received frame, not a copy of it.
    tonic_prost_build::configure()
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
