//! What the product knows of its backups: how they ended, and whether the log between them is kept.
//!
//! Each repository is judged on its own: a fresh one hides none that is dead.
//! Absent on purpose: making and restoring them, which happens on the database's machine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use store::StoreError;
use store::backup_runs::{self, Archiving, Kind, Run};

use crate::App;

/// A repository that nothing was done with for so long, while others went on, isn't in use any more:
/// what it had is older than what is kept.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A row that is further ahead of us was dated by a clock that is wrong.
const AHEAD_MAX: SignedDuration = SignedDuration::from_hours(1);

const SUCCESS: &str = "stagedoor_backup_last_success_timestamp_seconds";
const FAILURE: &str = "stagedoor_backup_last_failure_timestamp_seconds";

/// A metric, the repository and what was done with it.
type Series = (&'static str, Option<i32>, &'static str);

/// What was measured last: a series that is gone would else keep its value.
static SHOWN: Mutex<BTreeSet<Series>> = Mutex::new(BTreeSet::new());

/// The last success and the last failure of everything, and how the log is kept.
#[derive(Clone, Debug)]
pub struct State {
    pub runs: Vec<Run>,
    pub archiving: Archiving,
}

impl State {
    /// Every repository that something was done with, or tried, and that pgBackRest's configuration has,
    /// as far as whoever made a backup wrote that down.
    pub fn repositories(&self) -> BTreeSet<i32> {
        let newest = |repo: Option<i32>| {
            let runs = self.runs.iter();
            let runs = runs.filter(|run| repo.is_none() || run.repo == repo);
            runs.map(|run| run.finished_at).max().unwrap_or_default()
        };
        let last = newest(None);
        let all: BTreeSet<i32> = self.runs.iter().filter_map(|run| run.repo).collect();
        let known = self.runs.iter().filter(|run| run.kind == Kind::Known);
        let known_at = known.map(|run| run.finished_at).max().unwrap_or_default();
        let is_in_use = |repo: &i32| {
            let newest = newest(Some(*repo));
            newest >= known_at && last.duration_since(newest) < FORGOTTEN_AFTER
        };
        all.into_iter().filter(is_in_use).collect()
    }

    /// The last backup of any type that is in a repository.
    pub fn last_backup(&self, repo: i32) -> Option<&Run> {
        let of_repo = |run: &&Run| run.kind.is_backup() && run.repo == Some(repo);
        let successes = self.successes().filter(of_repo);
        successes.max_by_key(|run| run.finished_at)
    }

    /// The last time that a whole repository was read and was good.
    pub fn last_check(&self, repo: i32) -> Option<&Run> {
        let mut successes = self.successes();
        successes.find(|run| run.kind == Kind::Check && run.repo == Some(repo))
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
    /// age. Where no file tells how far the log is kept, one may wait.
    pub fn archive_age(&self) -> Duration {
        let archiving = &self.archiving;
        let is_closed_in_time = !archiving.closed_after.is_zero();
        if archiving.is_failing
            || !archiving.is_position_known
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
        runs: backup_runs::list_last(&connection, app.ctx().now() + AHEAD_MAX).await?,
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

fn measure_runs(state: &State) {
    let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let figures = figures(state, &shown);
    for ((metric, repo, kind), figure) in &figures {
        let labels = [("repo", number(*repo)), ("type", (*kind).to_owned())];
        metrics::gauge!(*metric, &labels).set(*figure);
    }
    shown.extend(figures.into_keys());
}

/// 0 is "never" of a success, and "none that wasn't made good" of a failure; no number is what was
/// shown of a repository that isn't in use any more.
fn figures(state: &State, shown: &BTreeSet<Series>) -> BTreeMap<Series, f64> {
    let known = state.repositories();
    // The first repository is the one that a beginner has not set up yet.
    let first = known.first().copied().unwrap_or(1);
    let mut figures: BTreeMap<Series, f64> = shown.iter().map(|of| (*of, f64::NAN)).collect();
    let mut begin = |repo: i32, kind: Kind| {
        for metric in [SUCCESS, FAILURE] {
            figures.insert((metric, Some(repo), kind.as_str()), 0.0);
        }
    };
    begin(first, Kind::Full);
    begin(first, Kind::Drill);
    for repo in &known {
        begin(*repo, Kind::Full);
    }
    let standing = state.failures();
    for run in &state.runs {
        let is_shown = run.repo.is_none_or(|repo| known.contains(&repo));
        if !is_shown || run.kind == Kind::Known {
            continue;
        }
        let stands = standing.contains(&run);
        let at = if run.is_ok || stands {
            seconds(run.finished_at)
        } else {
            0.0
        };
        let metric = if run.is_ok { SUCCESS } else { FAILURE };
        figures.insert((metric, run.repo, run.kind.as_str()), at);
    }
    figures
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
            is_position_known: true,
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
    fn a_repository_that_the_configuration_has_no_more_is_retired_by_the_next_backup() {
        let mut runs = vec![
            run(Kind::Full, Some(2), false, 2),
            run(Kind::Incr, Some(1), true, 2),
            run(Kind::Known, Some(1), true, 1),
            run(Kind::Known, Some(2), true, 1),
        ];
        let known = |runs: &[Run]| state(runs.to_vec()).repositories();
        assert_eq!(known(&runs), BTreeSet::from([1, 2]));
        runs[2] = run(Kind::Known, Some(1), true, 3);
        assert_eq!(known(&runs), BTreeSet::from([1]));
        assert!(state(runs.clone()).failures().is_empty());
        runs[3] = run(Kind::Known, Some(2), true, 3);
        assert_eq!(known(&runs), BTreeSet::from([1, 2]), "it is back");
    }

    #[test]
    fn what_was_shown_of_a_retired_repository_is_no_number() {
        let both = vec![
            run(Kind::Full, Some(1), true, 1),
            run(Kind::Check, Some(2), false, 1),
        ];
        let none = BTreeSet::new();
        let before = figures(&state(both.clone()), &none);
        assert!(before[&(FAILURE, Some(2), "check")] > 1.0);
        let shown: BTreeSet<Series> = before.into_keys().collect();
        let later = [both, vec![run(Kind::Known, Some(1), true, 3)]].concat();
        let after = figures(&state(later.clone()), &shown);
        for metric in [SUCCESS, FAILURE] {
            assert!(after[&(metric, Some(2), "full")].is_nan(), "{after:?}");
            assert!(!after[&(metric, Some(1), "full")].is_nan(), "{after:?}");
        }
        assert!(after[&(FAILURE, Some(2), "check")].is_nan());
        let of_known = |series: &&Series| series.2 == "known";
        let fresh = figures(&state(later), &none);
        assert_eq!(fresh.keys().filter(of_known).count(), 0);
        assert!(fresh.keys().all(|series| series.1 != Some(2)));
    }

    #[test]
    fn a_failure_stands_until_the_same_goes_well_where_it_failed() {
        use Kind::{Check, Drill, Full, Incr, Log};
        for (failed, later, stands) in [
            ((Full, Some(1)), (Incr, Some(1)), false),
            ((Full, Some(1)), (Full, Some(2)), true),
            ((Full, None), (Full, Some(2)), false),
            ((Check, Some(1)), (Full, Some(1)), true),
            ((Check, Some(1)), (Log, Some(1)), true),
            ((Log, Some(1)), (Check, Some(1)), false),
            ((Log, Some(1)), (Log, Some(1)), false),
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
        assert_eq!(age(|it| it.is_position_known = false), hour);
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
