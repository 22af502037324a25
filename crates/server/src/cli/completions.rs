//! `completions`: a script that teaches a shell our commands and flags.

use clap::CommandFactory as _;

use super::{Cli, CliError, print};

pub(super) fn run(shell: clap_complete::Shell) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "stagedoor", &mut script);
    print(&script)
}
