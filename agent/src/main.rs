//! The agent's program.

use std::process::ExitCode;

fn main() -> ExitCode {
    botswain_agent::cli::main(botswain_agent::runner::Registry::standard())
}
