//! `doctor`: what is wrong with an installation, and what mends it.

mod certificate;

use std::time::Duration;

use app::{App, audit, health};
use jiff::SignedDuration;
use serde_json::json;
use store::migrate::SchemaState;

use super::{CliError, ReportArgs, migrate as migrate_command, print, print_json};
use crate::config::{self, Config};
use crate::serve;

/// A clock further from the database's than this makes times on pages wrong.
const CLOCK_MAX: SignedDuration = SignedDuration::from_secs(5);

/// A row is sealed within seconds, unless a rush goes on or nobody does it.
const UNSEALED_MAX: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Severity {
    Error,
    Warning,
    Info,
}

impl Severity {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// One thing that was looked at, with what to do about it.
#[derive(Debug)]
struct Finding {
    id: &'static str,
    severity: Severity,
    detail: String,
    mend: String,
}

pub async fn run(config: Config, args: ReportArgs) -> Result<(), CliError> {
    let url = config.require_database_url()?.clone();
    let app = serve::open_patient_app(&config, url.reveal())
        .map_err(|error| CliError::Usage(format!("DATABASE_URL is {error}")))?;
    let mut findings = configuration(&config);
    findings.extend(database(&app).await);
    findings.extend(certificate::finding(&config, app.ctx().now()));
    let is_ok = findings
        .iter()
        .all(|finding| finding.severity != Severity::Error);
    if args.json {
        let findings: Vec<_> = findings.iter().map(Finding::to_json).collect();
        print_json(&json!({ "ok": is_ok, "findings": findings }))?;
    } else {
        let report: String = findings.iter().map(Finding::to_line).collect();
        let verdict = if is_ok {
            "all is well\n"
        } else {
            "there is something to mend\n"
        };
        print(format!("{report}{verdict}").as_bytes())?;
    }
    if is_ok {
        Ok(())
    } else {
        Err(CliError::CheckFailed)
    }
}

impl Finding {
    fn new(id: &'static str, severity: Severity, detail: impl Into<String>, mend: &str) -> Self {
        Self {
            id,
            severity,
            detail: detail.into(),
            mend: mend.to_owned(),
        }
    }

    fn good(id: &'static str, detail: impl Into<String>) -> Self {
        Self::new(id, Severity::Info, detail, "")
    }

    fn to_json(&self) -> serde_json::Value {
        json!({
            "id": self.id,
            "severity": self.severity.as_str(),
            "detail": self.detail,
            "mend": self.mend,
        })
    }

    fn to_line(&self) -> String {
        let mend = if self.mend.is_empty() {
            String::new()
        } else {
            format!("\n         {}", self.mend)
        };
        format!(
            "{:8} {}: {}{mend}\n",
            self.severity.as_str(),
            self.id,
            self.detail
        )
    }
}

fn configuration(config: &Config) -> Vec<Finding> {
    let read = |finding: config::Finding| Finding {
        id: finding.id,
        severity: match finding.severity {
            config::Severity::Error => Severity::Error,
            config::Severity::Warning => Severity::Warning,
        },
        detail: finding.detail,
        mend: finding.mend,
    };
    let mut findings: Vec<Finding> = config::findings(config).into_iter().map(read).collect();
    if !config.environment.is_production() {
        let mend = "set STAGEDOOR_ENV=production for real sales";
        let development = Finding::new("environment", Severity::Info, "development", mend);
        findings.insert(0, development);
    }
    findings
}

async fn database(app: &App) -> Vec<Finding> {
    let login = match health::login(app).await {
        Ok(login) => login,
        Err(error) => {
            let mend = "check that PostgreSQL runs and that DATABASE_URL names it";
            return vec![Finding::new(
                "database",
                Severity::Error,
                error.to_string(),
                mend,
            )];
        }
    };
    let mut findings = vec![Finding::good(
        "database",
        format!("PostgreSQL {}", login.server_version),
    )];
    findings.push(if login.is_superuser || login.owns_tables {
        let detail = format!(
            "the server's login {} has more rights than it needs",
            login.name
        );
        let mend = "let DATABASE_URL log in as stagedoor_app";
        Finding::new("login", Severity::Error, detail, mend)
    } else {
        Finding::good("login", format!("{} owns nothing", login.name))
    });
    findings.push(schema(app).await);
    findings.push(inventory(app).await);
    findings.push(clock(app).await);
    findings.push(jobs(app).await);
    findings.extend(audit_findings(app).await);
    findings
}

async fn schema(app: &App) -> Finding {
    match health::schema_state(app).await {
        Ok(state @ SchemaState::Current { .. }) => {
            Finding::good("schema", migrate_command::describe(&state))
        }
        Ok(state) => {
            let detail = migrate_command::describe(&state);
            Finding::new("schema", Severity::Error, detail, "stagedoor migrate")
        }
        Err(error) => unreadable("schema", &error),
    }
}

async fn inventory(app: &App) -> Finding {
    match health::broken_inventory(app).await {
        Ok(broken) if broken.is_empty() => {
            Finding::good("inventory", "every concert's tickets add up")
        }
        Ok(broken) => {
            let each = broken.iter().map(|concert| {
                format!(
                    "concert {}: {} of {} available, {} held or sold",
                    concert.concert_id,
                    concert.available_tickets,
                    concert.total_tickets,
                    concert.held
                )
            });
            let detail = each.collect::<Vec<_>>().join("; ");
            let mend = "close these concerts, find in the audit log who changed them, and set \
                        available_tickets to the total less what is held or sold";
            Finding::new("inventory", Severity::Error, detail, mend)
        }
        Err(error) => unreadable("inventory", &error),
    }
}

async fn clock(app: &App) -> Finding {
    match health::clock_offset(app).await {
        Ok(offset) if offset.abs() > CLOCK_MAX => {
            let detail = format!("this machine's clock is {offset:#} away from the database's");
            let mend = "synchronise both clocks (timedatectl set-ntp true)";
            Finding::new("clock", Severity::Error, detail, mend)
        }
        Ok(_) => Finding::good("clock", "this machine's clock agrees with the database's"),
        Err(error) => unreadable("clock", &error),
    }
}

async fn jobs(app: &App) -> Finding {
    match app::jobs::count_dead(app).await {
        Ok(0) => Finding::good("jobs", "no background job was given up"),
        Ok(dead) => {
            let mend = "read their errors (SELECT id, task, last_error FROM jobs WHERE status = \
                        'dead'), mend the cause, and do by hand what they should have done";
            let detail = format!("{dead} background jobs were given up");
            Finding::new("jobs", Severity::Warning, detail, mend)
        }
        Err(error) => unreadable("jobs", &error),
    }
}

/// The audit log: whole, sealed in time, agreeing with the tables, and with room left.
async fn audit_findings(app: &App) -> Vec<Finding> {
    vec![
        chain(app).await,
        unsealed(app).await,
        double_entry(app).await,
    ]
}

async fn chain(app: &App) -> Finding {
    let Some(key) = app.seal_key() else {
        let mend = "set STAGEDOOR_SECRET_KEY, so that seals outlive the server";
        let detail = "nothing is sealed: there is no secret key that lasts";
        return Finding::new("audit", Severity::Warning, detail, mend);
    };
    match audit::verify(app, key).await {
        Ok(report) => match (report.wrong, report.last_id) {
            (Some(wrong), _) => {
                let mend = "compare the row with a backup (stagedoor backup restore), and find out \
                            who had a superuser's password";
                Finding::new("audit", Severity::Error, wrong.to_string(), mend)
            }
            (None, Some(last)) if last > i32::MAX / 2 => {
                let detail = format!("{last} of {} ids of audit_logs are used", i32::MAX);
                let mend = "plan to archive old rows into a table of their own before they end";
                Finding::new("audit", Severity::Warning, detail, mend)
            }
            (None, _) => Finding::good("audit", "every sealed row is as it was"),
        },
        Err(error) => unreadable("audit", &error),
    }
}

async fn unsealed(app: &App) -> Finding {
    match audit::unsealed(app).await {
        Ok(Some(oldest)) if oldest.age > UNSEALED_MAX => {
            let since = oldest.written_at;
            let detail = format!("audit rows wait for their seal since {since:.0}");
            let mend = "run `stagedoor serve` or `stagedoor worker` with STAGEDOOR_SECRET_KEY set";
            Finding::new("audit_unsealed", Severity::Warning, detail, mend)
        }
        Ok(_) => Finding::good("audit_unsealed", "audit rows are sealed in time"),
        Err(error) => unreadable("audit_unsealed", &error),
    }
}

async fn double_entry(app: &App) -> Finding {
    match audit::differences(app, audit::PAGE_ROWS).await {
        Ok(all) if all.is_empty() => {
            Finding::good("audit_entries", "the audit log and the tables agree")
        }
        Ok(all) => {
            let each = all.iter().map(ToString::to_string);
            let detail = each.collect::<Vec<_>>().join("; ");
            let mend = "somebody changed rows with triggers off: compare with a backup";
            Finding::new("audit_entries", Severity::Error, detail, mend)
        }
        Err(error) => unreadable("audit_entries", &error),
    }
}

fn unreadable(id: &'static str, error: &store::StoreError) -> Finding {
    let mend = "grant what is missing with `stagedoor migrate`";
    Finding::new(id, Severity::Error, error.to_string(), mend)
}
