//! `doctor`: how old the last backup, the last archived log and the last drill are.

use app::App;
use app::backups::{self, State};
use jiff::{SignedDuration, Timestamp};

use super::{Finding, Severity, unreadable};
use crate::config::Config;

/// One a day, and two hours for making it.
const BACKUP_AGE_MAX: SignedDuration = SignedDuration::from_hours(26);
/// Two that failed in a row: somebody must look.
const BACKUP_AGE_ERROR: SignedDuration = SignedDuration::from_hours(74);
/// A file a minute, and some patience.
const WAL_AGE_MAX: SignedDuration = SignedDuration::from_mins(5);
/// One every night; a week of failures has a cause.
const DRILL_AGE_MAX: SignedDuration = SignedDuration::from_hours(8 * 24);

pub(super) async fn findings(config: &Config, app: &App) -> Vec<Finding> {
    match backups::state(app).await {
        Ok(state) if config.environment.is_production() => judge(&state, app.ctx().now()),
        Ok(state) => vec![describe(&state)],
        Err(error) => vec![unreadable("backups", &error)],
    }
}

/// What development has is told, and what it lacks is no fault.
fn describe(state: &State) -> Finding {
    let at = |at: Option<Timestamp>| at.map_or("never".to_owned(), |at| at.to_string());
    let archive = if state.archiving.is_on { "on" } else { "off" };
    let drill_at = state.last_drill().map(|run| run.finished_at);
    let detail = format!(
        "last backup {}, last drill {}, archiving {archive}",
        at(state.last_backup_at()),
        at(drill_at)
    );
    Finding::good("backups", detail)
}

fn judge(state: &State, now: Timestamp) -> Vec<Finding> {
    let drill_at = state.last_drill().map(|run| run.finished_at);
    let findings = [
        backup(state.last_backup_at(), now),
        archive(state),
        drill(drill_at, now),
    ];
    let findings: Vec<_> = findings.into_iter().flatten().collect();
    if findings.is_empty() {
        vec![describe(state)]
    } else {
        findings
    }
}

fn backup(last_at: Option<Timestamp>, now: Timestamp) -> Option<Finding> {
    let Some(last_at) = last_at else {
        let mend = "set pgBackRest up on the database's machine and run `stagedoor backup run` daily, \
                    with DATABASE_BACKUP_URL set";
        return Some(warning("no backup was ever written down", mend));
    };
    let age = now.duration_since(last_at);
    if age <= BACKUP_AGE_MAX {
        return None;
    }
    let severity = if age > BACKUP_AGE_ERROR {
        Severity::Error
    } else {
        Severity::Warning
    };
    let mend = "run `stagedoor backup run` on the database's machine, and see why its timer didn't";
    let detail = format!(
        "the last backup is of {last_at}, {} hours ago",
        age.as_hours()
    );
    Some(Finding::new("backups", severity, detail, mend))
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
    let age = SignedDuration::try_from(archiving.age).unwrap_or(SignedDuration::MAX);
    if !archiving.is_failing && age <= WAL_AGE_MAX {
        return None;
    }
    let detail = format!(
        "the last file of the log was archived {} s ago{}",
        age.as_secs(),
        if archiving.is_failing {
            ", and the next one fails"
        } else {
            ""
        }
    );
    let mend = "read PostgreSQL's log and pgBackRest's on the primary, and run `stagedoor backup \
                check` there";
    Some(Finding::new("backups", Severity::Error, detail, mend))
}

fn drill(last_at: Option<Timestamp>, now: Timestamp) -> Option<Finding> {
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

    use store::backup_runs::{Archiving, Kind, LastSuccess};

    use super::*;

    fn state(backup_h: i64, wal_s: u64, drill_h: i64) -> (State, Timestamp) {
        let now: Timestamp = "2027-01-31T12:00:00Z".parse().unwrap();
        let run = |kind, hours| {
            let finished_at = now - SignedDuration::from_hours(hours);
            LastSuccess {
                kind,
                repo: Some(1),
                started_at: finished_at,
                finished_at,
            }
        };
        let state = State {
            last: vec![run(Kind::Incr, backup_h), run(Kind::Drill, drill_h)],
            archiving: Archiving {
                is_on: true,
                age: Duration::from_secs(wal_s),
                is_failing: false,
            },
        };
        (state, now)
    }

    fn severities(state: &State, now: Timestamp) -> Vec<Severity> {
        let findings = judge(state, now);
        findings.iter().map(|finding| finding.severity).collect()
    }

    #[test]
    fn age_makes_a_warning_and_more_of_it_an_error() {
        use Severity::{Error, Info, Warning};
        for (backup_h, wal_s, drill_h, expected) in [
            (26, 300, 192, vec![Info]),
            (27, 0, 0, vec![Warning]),
            (75, 0, 0, vec![Error]),
            (0, 301, 0, vec![Error]),
            (0, 0, 193, vec![Warning]),
            (27, 301, 193, vec![Warning, Error, Warning]),
        ] {
            let (state, now) = state(backup_h, wal_s, drill_h);
            assert_eq!(severities(&state, now), expected, "{state:?}");
        }
    }

    #[test]
    fn what_was_never_done_is_told() {
        let (mut state, now) = state(0, 0, 0);
        state.archiving.is_failing = true;
        assert_eq!(severities(&state, now), [Severity::Error]);
        state.archiving.is_on = false;
        state.last.clear();
        assert_eq!(severities(&state, now), [Severity::Warning; 3]);
    }
}
