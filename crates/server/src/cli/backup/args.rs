//! What `backup` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use store::backup_runs::Kind;

use crate::cli::ReportArgs;

#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Make a backup in every repository
    #[command(
        long_about = "Make a backup, in every repository or in one, and remove those that pgBackRest's \
            configuration calls too old.\n\n\
            Run it on the database's machine as PostgreSQL's user. How it ended is written to the \
            database through DATABASE_BACKUP_URL.",
        after_long_help = "Example:\n  sudo -u postgres stagedoor backup run --type diff --repo 1"
    )]
    Run(RunArgs),

    /// List the backups of every repository
    #[command(
        long_about = "List the backups of every repository, the oldest first. Times are UTC.",
        after_long_help = "Example:\n  sudo -u postgres stagedoor backup list --json"
    )]
    List(ReportArgs),

    /// Check that the log is archived and that nothing in the repositories is damaged
    #[command(
        long_about = "Check that PostgreSQL's log reaches every repository, that no file in them is \
            damaged or missing, and that the archived log has no gap.\n\n\
            Every file is read, so it takes as long as reading the repositories does; --log looks at the \
            archived log alone, which takes seconds. Exits 1 when something is wrong.",
        after_long_help = "Example:\n  sudo -u postgres stagedoor backup check --repo 2"
    )]
    Check(CheckArgs),

    /// Restore the database as it was at a time, beside the running system or as the primary
    #[command(
        long_about = "Restore the database as it was at a time, or as new as the archived log is, to a \
            folder of its own, beside the running system: with the log that was archived until then, \
            but without archiving its own. It is started on a socket that nobody else reaches, looked \
            at as `stagedoor doctor` would, stopped again, and left there with the commands that start \
            it and connect to it.\n\n\
            With --as-primary the folder is for PostgreSQL to go on with: its log isn't replayed \
            before you start it, so that everything from then on is archived.\n\n\
            Refuses a folder that isn't empty; --replace makes it overwrite a data folder of \
             PostgreSQL, but never one that may be in use or is another cluster's, and one that has \
             what no archive has (a newer timeline, or log that was not archived) only with \
             --discard-newer-timeline. What a restore that fails has put into a new or empty folder is \
             removed.",
        after_long_help = "Example:\n  \
            sudo -u postgres stagedoor backup restore --to \"2026-11-22 13:00:00+00\" --into /var/lib/postgresql/copy\n  \
            sudo -u postgres stagedoor backup restore --to latest --as-primary --replace --into /var/lib/postgresql/15/main"
    )]
    Restore(RestoreArgs),

    /// Prove that the newest backup can be restored
    #[command(
        long_about = "Restore the newest backup and all log since to a scratch folder, look at the \
            result as `stagedoor doctor` would, and remove it. The running system isn't touched.\n\n\
            The scratch folder needs as much space as the database has, and for the log a tenth more \
            and 1 GiB (as much again as the database where that is less).",
        after_long_help = "Example:\n  sudo -u postgres stagedoor backup drill --scratch /var/lib/postgresql"
    )]
    Drill(DrillArgs),
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// What to back up: everything, or what changed since the last full or the last backup
    #[arg(long = "type", value_name = "TYPE", default_value = "full")]
    pub kind: BackupType,

    #[command(flatten)]
    pub repo: RepoArgs,

    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BackupType {
    Full,
    Diff,
    Incr,
}

impl BackupType {
    pub const fn kind(self) -> Kind {
        match self {
            Self::Full => Kind::Full,
            Self::Diff => Kind::Diff,
            Self::Incr => Kind::Incr,
        }
    }
}

#[derive(Debug, Clone, Copy, Args)]
pub struct RepoArgs {
    /// Only this repository, by its number in pgBackRest's configuration
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=256))]
    pub repo: Option<i32>,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Only that the log arrives and has no gap
    #[arg(long)]
    pub log: bool,

    #[command(flatten)]
    pub repo: RepoArgs,

    #[command(flatten)]
    pub report: ReportArgs,
}

/// How far the log is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    At(Timestamp),
    /// As far as it was archived.
    Latest,
}

impl Moment {
    pub const fn at(self) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(at),
            Self::Latest => None,
        }
    }
}

#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// An instant with its time zone, such as "2026-11-22 13:00:00+00", or `latest`: all that was archived
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub to: Moment,

    /// The folder for the copy
    #[arg(long, value_name = "DIR")]
    pub into: PathBuf,

    #[command(flatten)]
    pub repo: RepoArgs,

    /// For PostgreSQL to go on with as before, archiving; DIR is its own folder, pg1-path
    #[arg(long)]
    pub as_primary: bool,

    /// Overwrite the data folder of a PostgreSQL that is stopped
    #[arg(long)]
    pub replace: bool,

    /// With --replace: also where the folder has what no archive has, on a newer timeline or on the same
    #[arg(long, requires = "replace")]
    pub discard_newer_timeline: bool,

    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, Args)]
pub struct DrillArgs {
    /// Where the scratch folder is made; by default where temporary files are
    #[arg(long, value_name = "DIR")]
    pub scratch: Option<PathBuf>,

    #[command(flatten)]
    pub repo: RepoArgs,

    #[command(flatten)]
    pub report: ReportArgs,
}

/// Half the world would read a time without a zone otherwise than it was meant.
fn moment(text: &str) -> Result<Moment, String> {
    let text = text.trim();
    if text == "latest" {
        return Ok(Moment::Latest);
    }
    text.parse().map(Moment::At).map_err(|_| {
        "write date, time and time zone, such as \"2026-11-22 13:00:00+00\" or \
         2026-11-22T20:00:00+07:00, or `latest`"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_needs_its_zone() {
        let noon: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        for text in [
            "2026-11-22 12:00:00+00",
            "2026-11-22T12:00:00Z",
            "2026-11-22 19:00:00+07:00",
            "2026-11-22T19:00:00.000+07",
        ] {
            assert_eq!(moment(text), Ok(Moment::At(noon)), "{text}");
        }
        for text in ["2026-11-22 12:00:00", "2026-11-22", "yesterday", ""] {
            assert!(moment(text).is_err(), "{text}");
        }
        assert_eq!(moment("latest"), Ok(Moment::Latest));
    }
}
