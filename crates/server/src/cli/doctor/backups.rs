//! `doctor`: how old the last backup of each repository, the last archived log and the last drill are,
//! and what of it failed.

use app::App;
use app::backups::{self, State};
use jiff::{SignedDuration, Timestamp};
use store::backup_runs::{Kind, Run};

use super::{Finding, Severity, unreadable};
use crate::config::Config;

/// One a day, and two hours for making it.
const BACKUP_AGE_MAX: SignedDuration = SignedDuration::from_hours(26);
/// One every night: two that weren't made, or weren't good, and nobody looked.
const CHECK_AGE_MAX: SignedDuration = SignedDuration::from_hours(74);
/// A file a minute, and some patience.
const WAL_AGE_MAX: SignedDuration = SignedDuration::from_mins(5);
/// One every night: three that nobody saw end well. The alert has the same.
const DRILL_AGE_MAX: SignedDuration = SignedDuration::from_hours(74);

pub(super) async fn findings(config: &Config, app: &App) -> Vec<Finding> {
    match backups::state(app).await {
        Ok(state) if config.environment.is_production() => judge(&state, app.ctx().now()),
        Ok(state) => vec![describe(&state)],
        Err(error) => vec![unreadable("backups", &error)],
    }
}

/// What development has is told, and what it lacks is no fault.
fn describe(state: &State) -> Finding {
    let at = |run: Option<&Run>| run.map_or("never".to_owned(), |run| run.finished_at.to_string());
    let archive = if state.archiving.is_on { "on" } else { "off" };
    let of_repo = |repo| {
        format!(
            "repository {repo}: last backup {}",
            at(state.last_backup(repo))
        )
    };
    let backups: Vec<String> = state.repositories().into_iter().map(of_repo).collect();
    let backups = if backups.is_empty() {
        "last backup never".to_owned()
    } else {
        backups.join(", ")
    };
    let drill = state.last_drill().map_or("never".to_owned(), |run| {
        let took = run.finished_at.duration_since(run.started_at);
        format!("{} (restored in {} s)", run.finished_at, took.as_secs())
    });
    let detail = format!("{backups}, last drill {drill}, archiving {archive}");
    Finding::good("backups", detail)
}

fn judge(state: &State, now: Timestamp) -> Vec<Finding> {
    let known = state.repositories();
    let mut findings: Vec<Finding> = Vec::new();
    if known.is_empty() {
        let mend = "set pgBackRest up on the database's machine and run `stagedoor backup run` daily, \
                    with DATABASE_BACKUP_URL set";
        findings.push(warning("no backup was ever written down", mend));
    }
    let ages = known.iter();
    findings.extend(ages.filter_map(|repo| backup(*repo, state.last_backup(*repo), now)));
    let ages = known.iter().filter_map(|repo| check(*repo, state, now));
    findings.extend(ages);
    findings.extend(state.failures().into_iter().map(failure));
    findings.extend(archive(state));
    findings.extend(drill(state, now));
    if findings.is_empty() {
        findings.push(describe(state));
    }
    findings
}

fn backup(repo: i32, last: Option<&Run>, now: Timestamp) -> Option<Finding> {
    let mend = format!(
        "run `stagedoor backup run --repo {repo}` on the database's machine, and see why its timer didn't"
    );
    let Some(last) = last else {
        let detail = format!("repository {repo} has no backup");
        return Some(Finding::new("backups", Severity::Error, detail, &mend));
    };
    let age = now.duration_since(last.finished_at);
    if age <= BACKUP_AGE_MAX {
        return None;
    }
    let detail = format!(
        "repository {repo}: the last backup is of {}, {} hours ago",
        last.finished_at,
        age.as_hours()
    );
    Some(Finding::new("backups", Severity::Error, detail, &mend))
}

/// Of a repository that has something to be read.
fn check(repo: i32, state: &State, now: Timestamp) -> Option<Finding> {
    state.last_backup(repo)?;
    let last_at = state.last_check(repo).map(|run| run.finished_at);
    let is_recent = |at: Timestamp| now.duration_since(at) <= CHECK_AGE_MAX;
    if last_at.is_some_and(is_recent) {
        return None;
    }
    let detail = last_at.map_or_else(
        || format!("repository {repo} was never read through"),
        |at| format!("repository {repo}: the last check that found it good is of {at}"),
    );
    let mend = format!(
        "run `stagedoor backup check --repo {repo}` on the database's machine, and every night from a timer"
    );
    Some(warning(&detail, &mend))
}

/// A backup that failed leaves the one before it; a check and a drill that failed say that there may
/// be nothing to restore.
fn failure(run: &Run) -> Finding {
    let (severity, what, command) = match run.kind {
        // That a repository is known never fails.
        Kind::Full | Kind::Diff | Kind::Incr | Kind::Known => (Severity::Warning, "backup", "run"),
        Kind::Check => (Severity::Error, "check", "check"),
        Kind::Log => (Severity::Error, "check of the log", "check --log"),
        Kind::Drill => (Severity::Error, "drill", "drill"),
    };
    let place = run.repo.map(|repo| format!("repository {repo}: "));
    let option = run.repo.map(|repo| format!(" --repo {repo}"));
    let of = run
        .label
        .as_ref()
        .map(|label| format!(" of backup {label}"));
    let detail = format!(
        "{}the last {what}{} failed at {}: {}",
        place.unwrap_or_default(),
        of.unwrap_or_default(),
        run.finished_at,
        run.detail
    );
    let mend = format!(
        "mend that, and run `stagedoor backup {command}{}` on the database's machine",
        option.unwrap_or_default()
    );
    Finding::new("backups", severity, detail, &mend)
}

fn archive(state: &State) -> Option<Finding> {
    let archiving = state.archiving;
    if !archiving.is_on {
        let mend = "set archive_mode and archive_command, and restart PostgreSQL";
        return Some(warning(
            "the log isn't archived: what was sold since the last backup is lost with the disk",
            mend,
        ));
    }
    let age = SignedDuration::try_from(state.archive_age()).unwrap_or(SignedDuration::MAX);
    if !archiving.is_failing && age <= WAL_AGE_MAX {
        return None;
    }
    let failing = if archiving.is_failing {
        ", and the next one fails"
    } else {
        ""
    };
    let detail = format!(
        "the last file of the log was archived {} s ago{failing}; {} MB of it wait on the database's disk",
        age.as_secs(),
        archiving.waiting_bytes >> 20
    );
    let mend = "read PostgreSQL's log and pgBackRest's on the primary, and run `stagedoor backup \
                check --log` there; when one repository is away for long, take it out of pgBackRest's \
                configuration before the disk is full";
    Some(Finding::new("backups", Severity::Error, detail, mend))
}

fn drill(state: &State, now: Timestamp) -> Option<Finding> {
    let last_at = state.last_drill().map(|run| run.finished_at);
    let is_recent = |at: Timestamp| now.duration_since(at) <= DRILL_AGE_MAX;
    if last_at.is_some_and(is_recent) {
        return None;
    }
    let detail = last_at.map_or_else(
        || "nobody has ever tried whether a backup can be restored".to_owned(),
        |at| format!("the last drill that restored a backup is of {at}"),
    );
    let mend =
        "run `stagedoor backup drill` on the database's machine, and every night from a timer";
    Some(warning(&detail, mend))
}

fn warning(detail: &str, mend: &str) -> Finding {
    Finding::new("backups", Severity::Warning, detail, mend)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use store::backup_runs::Archiving;

    use super::*;

    fn run(kind: Kind, repo: i32, is_ok: bool, hours: i64) -> Run {
        let finished_at = now() - SignedDuration::from_hours(hours);
        Run {
            kind,
            repo: Some(repo),
            label: None,
            started_at: finished_at - SignedDuration::from_secs(42),
            finished_at,
            is_ok,
            detail: if is_ok { "" } else { "a disk is full: free it" }.to_owned(),
        }
    }

    fn now() -> Timestamp {
        "2027-01-31T12:00:00Z".parse().unwrap()
    }

    fn state(backup_h: i64, wal_s: u64, drill_h: i64) -> State {
        State {
            runs: vec![
                run(Kind::Incr, 1, true, backup_h),
                run(Kind::Check, 1, true, 74),
                run(Kind::Drill, 1, true, drill_h),
            ],
            archiving: Archiving {
                is_on: true,
                age: Duration::from_secs(wal_s),
                closed_after: Duration::from_mins(1),
                is_failing: false,
                is_position_known: true,
                waiting_bytes: 1 << 24,
                file_bytes: 1 << 24,
            },
        }
    }

    fn severities(state: &State) -> Vec<Severity> {
        let findings = judge(state, now());
        findings.iter().map(|finding| finding.severity).collect()
    }

    #[test]
    fn a_good_drill_is_told_with_its_seconds() {
        let detail = describe(&state(0, 0, 0)).detail;
        let drill = "last drill 2027-01-31T12:00:00Z (restored in 42 s)";
        assert!(detail.contains(drill), "{detail}");
    }

    #[test]
    fn what_is_too_old_is_told() {
        use Severity::{Error, Info, Warning};
        for (backup_h, wal_s, drill_h, expected) in [
            (26, 300, 74, vec![Info]),
            (27, 0, 0, vec![Error]),
            (0, 301, 0, vec![Error]),
            (0, 0, 75, vec![Warning]),
            (27, 301, 75, vec![Error, Error, Warning]),
        ] {
            let state = state(backup_h, wal_s, drill_h);
            assert_eq!(severities(&state), expected, "{state:?}");
        }
    }

    #[test]
    fn what_was_never_done_is_told() {
        let mut state = state(0, 0, 0);
        state.archiving.is_failing = true;
        assert_eq!(severities(&state), [Severity::Error]);
        state.archiving.is_on = false;
        state.runs.clear();
        assert_eq!(severities(&state), [Severity::Warning; 3]);
    }

    #[test]
    fn an_idle_system_keeps_all_of_its_log() {
        let mut state = state(0, 100_000, 0);
        assert_eq!(severities(&state), [Severity::Error]);
        state.archiving.waiting_bytes = 500;
        assert_eq!(severities(&state), [Severity::Info]);
    }

    #[test]
    fn a_fresh_repository_hides_no_dead_one() {
        use Severity::{Error, Warning};
        for (second, expected, said) in [
            (
                vec![run(Kind::Full, 2, true, 80), run(Kind::Check, 2, true, 2)],
                vec![Error],
                "repository 2: the last backup",
            ),
            (
                vec![run(Kind::Full, 2, false, 1)],
                vec![Error, Warning],
                "repository 2 has no backup",
            ),
            (
                vec![
                    run(Kind::Full, 2, true, 2),
                    run(Kind::Incr, 2, false, 1),
                    run(Kind::Check, 2, true, 2),
                ],
                vec![Warning],
                "repository 2: the last backup failed at 2027-01-31T11:00:00Z: a disk is full",
            ),
            (
                vec![run(Kind::Check, 1, false, 1)],
                vec![Error],
                "repository 1: the last check failed",
            ),
            (
                vec![run(Kind::Log, 1, false, 1)],
                vec![Error],
                "repository 1: the last check of the log failed",
            ),
            (
                vec![run(Kind::Full, 2, true, 2), run(Kind::Check, 2, true, 75)],
                vec![Warning],
                "repository 2: the last check that found it good is of 2027-01-28T09:00:00Z",
            ),
            (
                vec![run(Kind::Full, 2, true, 2), run(Kind::Log, 2, true, 1)],
                vec![Warning],
                "repository 2 was never read through",
            ),
            (
                vec![run(Kind::Drill, 1, false, 1)],
                vec![Error],
                "repository 1: the last drill failed",
            ),
        ] {
            let mut state = state(0, 0, 2);
            state.runs.extend(second);
            let findings = judge(&state, now());
            let lines: String = findings.iter().map(Finding::to_line).collect();
            assert!(lines.contains(said), "{lines}");
            assert_eq!(severities(&state), expected, "{lines}");
        }
    }
}
