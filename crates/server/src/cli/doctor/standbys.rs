//! Whether what is sold outlives the primary, and whether the read replicas serve.

use std::time::Duration;

use app::{App, standing};
use store::Replicas;
use store::replicas::{Report, Standing};
use store::replication::{Primary, Standby};

use super::super::login;
use super::{Finding, Severity, unreadable};
use crate::config::{Config, DatabaseUrl};
use crate::serve;

/// How often a replica is looked at until it has what the primary had at the beginning.
const LOOKS: u64 = 4;
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// Bytes behind from which a standby is worth a look.
const BEHIND_MAX: i64 = 16 * 1024 * 1024;

pub(super) async fn findings(config: &Config, app: &App) -> Vec<Finding> {
    let mut findings = vec![match standing::ask_primary(app).await {
        Ok(Some((primary, standbys))) => {
            judge(primary, &standbys, config.environment.is_production())
        }
        Ok(None) => {
            let mend = "let DATABASE_URL name the primary, or every node with \
                        target_session_attrs=read-write";
            Finding::new(
                "standbys",
                Severity::Error,
                "DATABASE_URL leads to a standby",
                mend,
            )
        }
        Err(error) => unreadable("standbys", &error),
    }];
    findings.extend(replicas(config, app).await);
    findings
}

fn judge(primary: Primary, standbys: &[Standby], is_production: bool) -> Finding {
    const ID: &str = "standbys";
    if primary.lacks_standby() {
        let detail = "no synchronous standby streams, so that nothing is sold: a sale would be lost \
                      with the primary";
        let mend = "start the standbys and see with `patronictl list` that one streams; selling goes \
                    on by itself";
        return Finding::new(ID, Severity::Error, detail, mend);
    }
    if standbys.iter().any(|standby| standby.state.is_none()) {
        let mend = "as a superuser: GRANT pg_read_all_stats TO stagedoor_owner";
        return Finding::unchecked(ID, "how standbys stand can't be seen", mend);
    }
    if primary.needs_standby && !primary.has_spare {
        let detail = format!(
            "no standby to spare: when the next one goes nothing is sold any more ({})",
            each(standbys)
        );
        let mend = "start the missing standby; `patronictl list` shows every member";
        return Finding::new(ID, Severity::Warning, detail, mend);
    }
    if primary.needs_standby {
        return late(standbys).unwrap_or_else(|| Finding::good(ID, each(standbys)));
    }
    let (detail, mend) = if standbys.is_empty() {
        (
            "no standby: what was sold is lost with this machine's disk, up to the last backup"
                .to_owned(),
            "set up a synchronous standby, see docs/operations.md",
        )
    } else {
        (
            format!("no standby must confirm a sale ({})", each(standbys)),
            "set synchronous_mode: quorum and synchronous_mode_strict: true in Patroni",
        )
    };
    let severity = if is_production {
        Severity::Warning
    } else {
        Severity::Info
    };
    Finding::new(ID, severity, detail, mend)
}

fn late(standbys: &[Standby]) -> Option<Finding> {
    let late = standbys
        .iter()
        .find(|standby| standby.behind.is_none_or(|behind| behind > BEHIND_MAX))?;
    let mend = "see its log and its disk; Patroni promotes nobody who is over 1 MB behind";
    Some(Finding::new(
        "standbys",
        Severity::Warning,
        format!("{} is far behind ({})", late.name, each(standbys)),
        mend,
    ))
}

fn each(standbys: &[Standby]) -> String {
    let one = |standby: &Standby| {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".to_owned());
        let behind = standby
            .behind
            .map_or("?".to_owned(), |behind| behind.to_string());
        format!(
            "{}: {}, {}, {behind} bytes behind",
            standby.name,
            text(&standby.state),
            text(&standby.sync_state)
        )
    };
    standbys.iter().map(one).collect::<Vec<_>>().join("; ")
}

async fn replicas(config: &Config, app: &App) -> Vec<Finding> {
    // One that can't be used at all is told about the configuration.
    let Ok(Some(replicas)) = serve::open_replicas(config, app) else {
        return Vec::new();
    };
    look(app, &replicas).await;
    let mut findings = Vec::new();
    for (report, url) in replicas.reports().iter().zip(&config.database.replica_urls) {
        findings.push(match refusal(config, report, url).await {
            Some(refusal) => refusal,
            None => replica(report),
        });
    }
    findings
}

/// Why a replica that runs is none to us, where it says so.
async fn refusal(config: &Config, report: &Report, url: &DatabaseUrl) -> Option<Finding> {
    let name = &report.name;
    match report.standing {
        Standing::Away => {
            let found = login::find_refusal(config, "DATABASE_REPLICA_URLS", url).await?;
            let (detail, mend) = (found.detail, found.mend);
            Some(Finding::new("replica", Severity::Warning, detail, &mend))
        }
        Standing::Standby if login::is_unmigrated(config, url).await => {
            let detail = format!("{name} has none of our tables in the database that is named");
            let mend = "correct the database's name in DATABASE_REPLICA_URLS";
            Some(Finding::new("replica", Severity::Warning, detail, mend))
        }
        Standing::Standby | Standing::Primary => None,
    }
}

/// Where the primary is now, and then how long replicas take to be there too.
async fn look(app: &App, replicas: &Replicas) {
    let primary = standing::ask_primary(app).await.ok().flatten();
    replicas.learn(primary.map(|(primary, _)| primary.position));
    for _ in 0..LOOKS {
        replicas.look().await;
        let is_there =
            |report: &Report| report.standing != Standing::Standby || report.lag.is_known;
        if replicas.reports().iter().all(is_there) {
            return;
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

fn replica(report: &Report) -> Finding {
    let name = &report.name;
    match report.standing {
        Standing::Primary => Finding::good(
            "replica",
            format!("{name} is the primary now, and serves as no replica"),
        ),
        Standing::Standby if report.lag.is_known => {
            Finding::good("replica", format!("{name} serves lists"))
        }
        Standing::Standby => {
            let detail = format!(
                "{name} lacks {} bytes of the primary's log, and still did {} s later",
                report.lag.bytes,
                LOOKS * LOOK_PAUSE.as_secs()
            );
            let mend = "see its log, its disk and its network; it serves nobody while it is ten \
                        seconds behind";
            Finding::new("replica", Severity::Warning, detail, mend)
        }
        Standing::Away => {
            let detail = format!("{name} doesn't answer; the primary serves its share");
            let mend = "start it, or take it out of DATABASE_REPLICA_URLS";
            Finding::new("replica", Severity::Warning, detail, mend)
        }
    }
}

#[cfg(test)]
mod tests {
    use store::replication::Position;

    use super::*;

    fn primary(needs_standby: bool, is_confirmed: bool) -> Primary {
        Primary {
            position: Position::new(1),
            needs_standby,
            is_confirmed,
            has_spare: true,
        }
    }

    fn standby(behind: i64) -> Standby {
        let text = |value: &str| Some(value.to_owned());
        Standby {
            name: "two".to_owned(),
            state: text("streaming"),
            sync_state: text("quorum"),
            behind: Some(behind),
        }
    }

    #[test]
    fn only_what_stops_the_sale_is_an_error() {
        let severity = |primary, standbys: &[Standby], is_production| {
            judge(primary, standbys, is_production).severity
        };
        assert_eq!(severity(primary(true, false), &[], false), Severity::Error);
        assert_eq!(
            severity(primary(true, true), &[standby(0)], true),
            Severity::Info
        );
        let last = Primary {
            has_spare: false,
            ..primary(true, true)
        };
        assert_eq!(severity(last, &[standby(0)], true), Severity::Warning);
        let far = standby(1 << 30);
        assert_eq!(
            severity(primary(true, true), &[far], true),
            Severity::Warning
        );
        assert_eq!(severity(primary(false, false), &[], false), Severity::Info);
        assert_eq!(
            severity(primary(false, false), &[], true),
            Severity::Warning
        );
        assert_eq!(
            severity(primary(false, false), &[standby(0)], true),
            Severity::Warning
        );
    }

    #[test]
    fn standbys_that_the_server_may_not_see_are_told_apart_from_none() {
        let hidden = Standby {
            state: None,
            ..standby(0)
        };
        let found = judge(primary(true, true), &[hidden], true);
        assert!(
            !found.is_checked && found.mend.contains("pg_read_all_stats"),
            "{found:?}"
        );
    }
}
