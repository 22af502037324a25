//! What the product knows of its backups: how they ended, and whether the log between them is kept.
//!
//! Each repository is judged on its own: a fresh one hides none that is dead.
//! Absent on purpose: making and restoring them, which happens on the database's machine.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use store::StoreError;
use store::backup_runs::{self, Archiving, Kind, Run};

use crate::App;

/// A repository that nothing was done with for so long, while others went on, isn't in use any more:
/// what it had is older than what is kept.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The last success and the last failure of everything, and how the log is kept.
#[derive(Clone, Debug)]
pub struct State {
    pub runs: Vec<Run>,
    pub archiving: Archiving,
}

impl State {
    /// Every repository that something was done with, or tried.
    pub fn repositories(&self) -> BTreeSet<i32> {
        let newest = |repo: Option<i32>| {
            let runs = self.runs.iter();
            let runs = runs.filter(|run| repo.is_none() || run.repo == repo);
            runs.map(|run| run.finished_at).max().unwrap_or_default()
        };
        let last = newest(None);
        let all: BTreeSet<i32> = self.runs.iter().filter_map(|run| run.repo).collect();
        let is_in_use = |repo: &i32| last.duration_since(newest(Some(*repo))) < FORGOTTEN_AFTER;
        all.into_iter().filter(is_in_use).collect()
    }

    /// The last backup of any type that is in a repository.
    pub fn last_backup(&self, repo: i32) -> Option<&Run> {
        let of_repo = |run: &&Run| run.kind.is_backup() && run.repo == Some(repo);
        let successes = self.successes().filter(of_repo);
        successes.max_by_key(|run| run.finished_at)
    }

    /// The last drill that restored everything.
    pub fn last_drill(&self) -> Option<&Run> {
        let drills = self.successes().filter(|run| run.kind == Kind::Drill);
        drills.max_by_key(|run| run.finished_at)
    }

    /// What failed and was not made good since: the newest of its kind in each repository. Of a failure
    /// before a repository was reached, success in any makes good.
    pub fn failures(&self) -> Vec<&Run> {
        let known = self.repositories();
        let is_known = |run: &Run| run.repo.is_none_or(|repo| known.contains(&repo));
        let failed = self.runs.iter().filter(|run| !run.is_ok && is_known(run));
        let stands = |failed: &&Run| {
            !self.runs.iter().any(|later| {
                let is_same = later.repo == failed.repo || (later.is_ok && failed.repo.is_none());
                is_same
                    && later.kind.makes_good(failed.kind)
                    && later.finished_at > failed.finished_at
            })
        };
        failed.filter(stands).collect()
    }

    fn successes(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(|run| run.is_ok)
    }

    /// How old the oldest log may be that isn't kept. PostgreSQL closes a file that isn't full in time,
    /// if anything was written to it; so while no closed one waits, the silence of an idle system isn't
    /// age.
    pub fn archive_age(&self) -> Duration {
        let archiving = &self.archiving;
        let is_closed_in_time = !archiving.closed_after.is_zero();
        if archiving.is_failing
            || !is_closed_in_time
            || archiving.waiting_bytes >= archiving.file_bytes
        {
            return archiving.age;
        }
        archiving.age.min(archiving.closed_after)
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
        runs: backup_runs::list_last(&connection).await?,
        archiving: backup_runs::find_archiving(&connection).await?,
    })
}

/// Makes the series exist before anything was measured; those of repositories need a look.
pub(crate) fn register() {
    metrics::gauge!("stagedoor_wal_archive_age_seconds").set(f64::INFINITY);
    metrics::gauge!("stagedoor_wal_archive_waiting_bytes").set(0.0);
    metrics::gauge!("stagedoor_restore_drill_seconds").set(0.0);
}

pub(crate) fn measure(state: &State) {
    measure_runs(state);
    // A log that isn't kept at all is as bad as one that was kept long ago.
    let is_on = state.archiving.is_on;
    let age = is_on.then(|| state.archive_age().as_secs_f64());
    metrics::gauge!("stagedoor_wal_archive_age_seconds").set(age.unwrap_or(f64::INFINITY));
    #[expect(
        clippy::cast_precision_loss,
        reason = "a figure to look at; exact up to 9 PB"
    )]
    metrics::gauge!("stagedoor_wal_archive_waiting_bytes")
        .set(state.archiving.waiting_bytes as f64);
    let took = state.last_drill().map(|run| {
        let took = run.finished_at.duration_since(run.started_at);
        Duration::try_from(took).unwrap_or_default()
    });
    metrics::gauge!("stagedoor_restore_drill_seconds").set(took.unwrap_or_default().as_secs_f64());
}

/// 0 is "never" of a success, and "none that wasn't made good" of a failure.
fn measure_runs(state: &State) {
    let known = state.repositories();
    // The first repository is the one that a beginner has not set up yet.
    let first = known.first().copied().unwrap_or(1);
    let mut successes = vec![(Some(first), Kind::Drill)];
    let mut failures = vec![(Some(first), Kind::Drill)];
    for repo in known
        .iter()
        .copied()
        .chain(known.is_empty().then_some(first))
    {
        successes.push((Some(repo), Kind::Full));
        failures.push((Some(repo), Kind::Full));
    }
    for run in &state.runs {
        if run.repo.is_none_or(|repo| known.contains(&repo)) {
            let of = if run.is_ok {
                &mut successes
            } else {
                &mut failures
            };
            of.push((run.repo, run.kind));
        }
    }
    let at = |run: Option<&Run>| run.map_or(0.0, |run| seconds(run.finished_at));
    for (repo, kind) in successes {
        let run = state
            .successes()
            .find(|run| (run.repo, run.kind) == (repo, kind));
        let labels = [("repo", number(repo)), ("type", kind.as_str().to_owned())];
        metrics::gauge!("stagedoor_backup_last_success_timestamp_seconds", &labels).set(at(run));
    }
    let standing = state.failures();
    for (repo, kind) in failures {
        let mut standing = standing.iter().copied();
        let run = standing.find(|run| (run.repo, run.kind) == (repo, kind));
        let labels = [("repo", number(repo)), ("type", kind.as_str().to_owned())];
        metrics::gauge!("stagedoor_backup_last_failure_timestamp_seconds", &labels).set(at(run));
    }
}

/// Empty of what failed before it reached a repository.
fn number(repo: Option<i32>) -> String {
    repo.map_or_else(String::new, |repo| repo.to_string())
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(kind: Kind, repo: Option<i32>, is_ok: bool, hour: i64) -> Run {
        let finished_at = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour);
        Run {
            kind,
            repo,
            label: None,
            started_at: finished_at,
            finished_at,
            is_ok,
            detail: String::new(),
        }
    }

    fn state(runs: Vec<Run>) -> State {
        let archiving = Archiving {
            is_on: true,
            age: Duration::from_hours(1),
            closed_after: Duration::from_mins(1),
            is_failing: false,
            waiting_bytes: 4000,
            file_bytes: 1 << 24,
        };
        State { runs, archiving }
    }

    #[test]
    fn a_repository_is_known_until_others_go_on_without_it_for_a_month() {
        let of = |hour| {
            let tried = run(Kind::Full, Some(2), false, 0);
            let other = run(Kind::Incr, Some(1), true, hour);
            let drill = run(Kind::Drill, None, false, hour);
            let known = state(vec![tried, other, drill]).repositories();
            known.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(of(719), [1, 2]);
        assert_eq!(of(720), [1]);
    }

    #[test]
    fn a_failure_stands_until_the_same_goes_well_where_it_failed() {
        use Kind::{Check, Drill, Full, Incr};
        for (failed, later, stands) in [
            ((Full, Some(1)), (Incr, Some(1)), false),
            ((Full, Some(1)), (Full, Some(2)), true),
            ((Full, None), (Full, Some(2)), false),
            ((Check, Some(1)), (Full, Some(1)), true),
            ((Drill, Some(2)), (Drill, Some(2)), false),
        ] {
            let runs = vec![
                run(failed.0, failed.1, false, 1),
                run(later.0, later.1, true, 2),
            ];
            assert_eq!(
                state(runs).failures().len(),
                usize::from(stands),
                "{failed:?} {later:?}"
            );
            let before = vec![
                run(failed.0, failed.1, false, 2),
                run(later.0, later.1, true, 1),
            ];
            assert_eq!(state(before).failures().len(), 1);
        }
        let twice = vec![run(Full, Some(1), false, 1), run(Incr, Some(1), false, 2)];
        assert_eq!(state(twice).failures().len(), 1, "the newest");
    }

    #[test]
    fn silence_is_no_age_and_what_waits_is() {
        let hour = Duration::from_hours(1);
        let age = |change: fn(&mut Archiving)| {
            let mut state = state(Vec::new());
            change(&mut state.archiving);
            state.archive_age()
        };
        assert_eq!(age(|_| {}), Duration::from_mins(1));
        assert_eq!(age(|it| it.is_failing = true), hour);
        assert_eq!(age(|it| it.waiting_bytes = 1 << 24), hour);
        assert_eq!(
            age(|it| it.closed_after = Duration::ZERO),
            hour,
            "never closed"
        );
        assert_eq!(
            age(|it| it.age = Duration::from_secs(9)),
            Duration::from_secs(9)
        );
    }
}
