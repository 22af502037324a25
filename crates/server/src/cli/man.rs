//! `man`: the manual of the program and of every command, as one roff document.

use clap::CommandFactory as _;

use super::{Cli, CliError, print};

pub(super) fn run() -> Result<(), CliError> {
    let manual = manual().map_err(|error| CliError::failed("can't write the manual", &error))?;
    print(&manual)
}

/// One page per command, the program's own first; man(1) shows them one after the other.
pub(super) fn manual() -> std::io::Result<Vec<u8>> {
    let mut root = Cli::command().disable_help_subcommand(true);
    // Building gives every command its full name and the global flags.
    root.build();
    let mut pages = Vec::new();
    render(&root, &mut pages)?;
    Ok(pages)
}

fn render(command: &clap::Command, pages: &mut Vec<u8>) -> std::io::Result<()> {
    clap_mangen::Man::new(command.clone())
        .source(concat!("stagedoor ", env!("CARGO_PKG_VERSION")))
        .manual("Stagedoor")
        .render(pages)?;
    for child in command.get_subcommands() {
        render(child, pages)?;
    }
    Ok(())
}
