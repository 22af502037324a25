//! Backups, checks of them and restore drills as whoever ran them wrote down, and how PostgreSQL keeps
//! the primary's log.
//!
//! Absent on purpose: making one. pgBackRest does, on the database's machine.

use std::time::Duration;

use jiff::Timestamp;

use crate::client::Params as _;
use crate::connection::Connection;
use crate::error::{StoreError, expect_rows};
use crate::generated::queries::backup_runs as statements;
use crate::time::{from_column, to_column};

/// What the column takes, in characters.
const DETAIL_LENGTH_MAX: usize = 500;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A backup of everything.
    Full,
    /// A backup of what changed since the last full one.
    Diff,
    /// A backup of what changed since the last one.
    Incr,
    /// Reading a repository through.
    Check,
    /// Looking for gaps in the archived log.
    Log,
    /// Restoring the newest backup to a scratch folder.
    Drill,
    /// Nothing: pgBackRest's configuration has this repository. Each time all that it has are written
    /// down with one instant, so that one whose rows are all older is there no more.
    Known,
}

impl Kind {
    pub const ALL: [Self; 7] = [
        Self::Full,
        Self::Diff,
        Self::Incr,
        Self::Check,
        Self::Log,
        Self::Drill,
        Self::Known,
    ];

    /// The name in the database, in metrics, and pgBackRest's own of a backup.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Diff => "diff",
            Self::Incr => "incr",
            Self::Check => "check",
            Self::Log => "log",
            Self::Drill => "drill",
            Self::Known => "known",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether something can be restored from it.
    pub const fn is_backup(self) -> bool {
        matches!(self, Self::Full | Self::Diff | Self::Incr)
    }

    /// Whether one of these going well makes good that the other failed: one backup is as good as another,
    /// and a check looks at the log too.
    pub fn makes_good(self, failed: Self) -> bool {
        self == failed
            || (self.is_backup() && failed.is_backup())
            || (self, failed) == (Self::Check, Self::Log)
    }
}

/// How one ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub kind: Kind,
    /// The repository's number in pgBackRest's configuration.
    pub repo: Option<i32>,
    /// pgBackRest's name of the backup.
    pub label: Option<String>,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    pub is_ok: bool,
    /// Why it failed; what is longer than 500 characters is cut.
    pub detail: String,
}

/// How the primary's log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Archiving {
    /// With a command or a library that does it.
    pub is_on: bool,
    /// Since the last file was kept; since PostgreSQL's figures began, where none was yet.
    pub age: Duration,
    /// A file that isn't full is closed and kept after this; zero is never.
    pub closed_after: Duration,
    /// The last attempt failed.
    pub is_failing: bool,
    /// The last file that was kept, or the one that fails, tells how far the log is kept.
    pub is_position_known: bool,
    /// Written since what was kept, the file under way included; 0 where that isn't known.
    pub waiting_bytes: u64,
    /// Of one file of the log.
    pub file_bytes: u64,
}

/// Writes down how one ended, as `stagedoor_backup`.
pub async fn insert(connection: &Connection, run: &Run) -> Result<(), StoreError> {
    let detail: String = run.detail.chars().take(DETAIL_LENGTH_MAX).collect();
    let parameters = statements::InsertParams {
        kind: run.kind.as_str(),
        repo: run.repo,
        label: run.label.as_deref(),
        started_at: to_column(run.started_at),
        // A clock that was set back in between would else be refused.
        finished_at: to_column(run.finished_at.max(run.started_at)),
        is_ok: run.is_ok,
        detail,
    };
    let changed = statements::insert().params(connection, &parameters).await?;
    expect_rows("backup_runs.insert", changed, 1)
}

/// The last success and the last failure of each kind in each repository, up to `until`.
pub async fn list_last(connection: &Connection, until: Timestamp) -> Result<Vec<Run>, StoreError> {
    let until = to_column(until);
    let rows = statements::list_last()
        .bind(connection, &until)
        .all()
        .await?;
    let known = rows.into_iter().filter_map(|row| {
        Some(Run {
            // A newer program's kind is none of ours.
            kind: Kind::parse(&row.kind)?,
            repo: row.repo,
            label: row.label,
            started_at: from_column(row.started_at),
            finished_at: from_column(row.finished_at),
            is_ok: row.is_ok,
            detail: row.detail,
        })
    });
    Ok(known.collect())
}

/// How the primary's log is kept.
pub async fn find_archiving(connection: &Connection) -> Result<Archiving, StoreError> {
    let row = statements::find_archiving().bind(connection).one().await?;
    let seconds = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    Ok(Archiving {
        is_on: row.is_on,
        age: seconds(row.age_s),
        closed_after: seconds(row.closed_after_s),
        is_failing: row.is_failing,
        is_position_known: row.is_position_known,
        waiting_bytes: u64::try_from(row.waiting_bytes).unwrap_or_default(),
        file_bytes: u64::try_from(row.file_bytes).unwrap_or_default(),
    })
}
