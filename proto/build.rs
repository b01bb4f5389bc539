//! Generates the messages and services from the `.proto` files, without any outside program.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["agent.proto", "worker.proto"];
    for file in files {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(files, ["."])?;
    // The wire's shape, which a test compares with the one that was released.
    let shape = std::path::Path::new(&std::env::var("OUT_DIR")?).join("wire.bin");
    std::fs::write(shape, prost::Message::encode_to_vec(&descriptors))?;
    // Payloads are `Bytes`: a slice of the received frame, not a copy of it.
    tonic_prost_build::configure()
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
