//! The binary `stagedoor`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    stagedoor::cli::run(stagedoor::cli::parse(std::env::args_os())).await
}
