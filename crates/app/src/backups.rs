//! What the product knows of its backups: how they ended, and whether the log between them is kept.
//!
//! Absent on purpose: making and restoring them, which happens on the database's machine.

use std::time::Duration;

use jiff::Timestamp;
use store::StoreError;
use store::backup_runs::{self, Archiving, Kind, LastSuccess, Run};

use crate::App;

/// The last success of everything, and how the log is kept.
#[derive(Clone, Debug)]
pub struct State {
    pub last: Vec<LastSuccess>,
    pub archiving: Archiving,
}

impl State {
    /// When the last backup of any type was ready, in whatever repository.
    pub fn last_backup_at(&self) -> Option<Timestamp> {
        let backups = self.last.iter().filter(|run| run.kind.is_backup());
        backups.map(|run| run.finished_at).max()
    }

    /// The last drill that restored everything.
    pub fn last_drill(&self) -> Option<&LastSuccess> {
        let drills = self.last.iter().filter(|run| run.kind == Kind::Drill);
        drills.max_by_key(|run| run.finished_at)
    }
}

/// Writes down how a backup, a check or a drill ended; `app` is on a login as `stagedoor_backup`.
pub async fn record(app: &App, run: &Run) -> Result<(), StoreError> {
    let connection = app.writer().get().await?;
    backup_runs::insert(&connection, run).await
}

/// What is known of them.
pub async fn state(app: &App) -> Result<State, StoreError> {
    let connection = app.writer().get().await?;
    Ok(State {
        last: backup_runs::list_last(&connection).await?,
        archiving: backup_runs::find_archiving(&connection).await?,
    })
}

/// Makes the series exist before anything was measured: 0 is "never".
pub(crate) fn register() {
    for kind in [Kind::Full, Kind::Drill] {
        last_success("1", kind, 0.0);
    }
    metrics::gauge!("stagedoor_wal_archive_age_seconds").set(f64::INFINITY);
    metrics::gauge!("stagedoor_restore_drill_seconds").set(0.0);
}

pub(crate) fn measure(state: &State) {
    for run in &state.last {
        // Of a check that didn't get as far as a repository.
        let repo = run.repo.map_or_else(String::new, |repo| repo.to_string());
        let at = run.finished_at.as_duration().as_secs_f64();
        last_success(&repo, run.kind, at);
    }
    // A log that isn't kept at all is as bad as one that was kept long ago.
    let archiving = state.archiving;
    let age = archiving.is_on.then_some(archiving.age);
    metrics::gauge!("stagedoor_wal_archive_age_seconds")
        .set(age.map_or(f64::INFINITY, |age| age.as_secs_f64()));
    let took = state.last_drill().map(|run| {
        let took = run.finished_at.duration_since(run.started_at);
        Duration::try_from(took).unwrap_or_default()
    });
    metrics::gauge!("stagedoor_restore_drill_seconds").set(took.unwrap_or_default().as_secs_f64());
}

fn last_success(repo: &str, kind: Kind, at: f64) {
    metrics::gauge!(
        "stagedoor_backup_last_success_timestamp_seconds",
        "repo" => repo.to_owned(), "type" => kind.as_str()
    )
    .set(at);
}
