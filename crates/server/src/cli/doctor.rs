//! `doctor`: what is wrong with an installation, and what mends it.

use app::{App, health};
use jiff::SignedDuration;
use serde_json::json;
use store::migrate::SchemaState;

use super::login::{self, Refusal};
use super::{CliError, ReportArgs, migrate as migrate_command, print, print_json};
use crate::config::{self, Config};
use crate::serve;

mod audit;
mod backups;
mod certificate;
mod running;
mod shape;
mod standbys;

/// A clock further from the database's than this makes times on pages wrong.
const CLOCK_MAX: SignedDuration = SignedDuration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
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
pub(super) struct Finding {
    id: &'static str,
    pub(super) severity: Severity,
    detail: String,
    mend: String,
    /// Whether it could be looked at.
    is_checked: bool,
}

pub async fn run(config: Config, args: ReportArgs) -> Result<(), CliError> {
    let url = config.require_database_url()?;
    let app = serve::open_patient_app(&config, url.reveal())
        .map_err(|error| CliError::Usage(error.to_string()))?;
    let mut findings = configuration(&config);
    if let Some(Refusal { detail, mend }) = login::find_refusal(&config, "DATABASE_URL", url).await
    {
        findings.push(Finding::new("database", Severity::Error, detail, &mend));
    } else {
        findings.extend(database(&app).await);
        if findings.iter().any(|finding| finding.id == "login") {
            let is_production = config.environment.is_production();
            findings.push(shape::durability(&app, is_production).await);
            findings.extend(standbys::findings(&config, &app).await);
            findings.extend(backups::findings(&config, &app).await);
        }
    }
    findings.extend(other_logins(&config).await);
    findings.extend(running::findings(&config).await);
    findings.extend(certificate::finding(&config, app.ctx().now()));
    let is_ok = findings
        .iter()
        .all(|finding| finding.severity != Severity::Error);
    if args.json {
        let findings: Vec<_> = findings.iter().map(Finding::to_json).collect();
        print_json(&json!({ "ok": is_ok, "findings": findings }))?;
    } else {
        let report: String = findings.iter().map(Finding::to_line).collect();
        print(format!("{report}{}\n", verdict(&findings)).as_bytes())?;
    }
    if is_ok {
        Ok(())
    } else {
        Err(CliError::CheckFailed)
    }
}

/// The logins beside the server's, where they are named: health's figures and backups' records need them.
async fn other_logins(config: &Config) -> Vec<Finding> {
    let database = &config.database;
    let mut findings = Vec::new();
    for (variable, url) in [
        ("DATABASE_MONITOR_URL", &database.monitor_url),
        ("DATABASE_BACKUP_URL", &database.backup_url),
    ] {
        let Some(url) = url else { continue };
        if database.url.as_ref() == Some(url) {
            continue;
        }
        if let Some(Refusal { detail, mend }) = login::find_refusal(config, variable, url).await {
            findings.push(Finding::new("login", Severity::Error, detail, &mend));
        }
    }
    findings
}

/// All findings in one line.
fn verdict(findings: &[Finding]) -> &'static str {
    let has = |severity| findings.iter().any(|finding| finding.severity == severity);
    let is_complete = findings.iter().all(|finding| finding.is_checked);
    if has(Severity::Error) {
        "there is something to mend"
    } else if has(Severity::Warning) {
        "nothing is broken; the warnings say what to mend"
    } else if is_complete {
        "all is well"
    } else {
        "nothing wrong was found, but not everything could be checked"
    }
}

impl Finding {
    fn new(id: &'static str, severity: Severity, detail: impl Into<String>, mend: &str) -> Self {
        Self {
            id,
            severity,
            detail: detail.into(),
            mend: mend.to_owned(),
            is_checked: true,
        }
    }

    /// What this process can't look at, which is neither good nor bad.
    fn unchecked(id: &'static str, detail: impl Into<String>, mend: &str) -> Self {
        Self {
            is_checked: false,
            ..Self::new(id, Severity::Info, detail, mend)
        }
    }

    fn good(id: &'static str, detail: impl Into<String>) -> Self {
        Self::new(id, Severity::Info, detail, "")
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        json!({
            "id": self.id,
            "severity": self.severity.as_str(),
            "detail": self.detail,
            "mend": self.mend,
        })
    }

    pub(super) fn to_line(&self) -> String {
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
        is_checked: true,
    };
    let mut findings: Vec<Finding> = config::findings(config).into_iter().map(read).collect();
    if !config.environment.is_production() {
        let mend = "set STAGEDOOR_ENV=production for real sales";
        let development = Finding::new("environment", Severity::Info, "development", mend);
        findings.insert(0, development);
    }
    findings
}

/// What a database has in itself, be it a restored copy.
pub(super) async fn database(app: &App) -> Vec<Finding> {
    let login = match health::login(app).await {
        Ok(login) => login,
        Err(error) => {
            let mend = "check that PostgreSQL runs and that DATABASE_URL names it; of a cluster \
                        under Patroni `patronictl list` says whether there is a primary";
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
    let schema = schema(app).await;
    let is_current = schema.severity == Severity::Info;
    findings.push(schema);
    // Of another version's database other parts are right.
    if is_current {
        findings.extend(shape::findings(app).await);
    }
    findings.push(inventory(app).await);
    findings.push(clock(app).await);
    findings.push(jobs(app).await);
    findings.push(refunds(app).await);
    findings.extend(audit::findings(app).await);
    findings
}

/// The same of a restored copy, whose schema may be older: it is from before a migration, and whoever goes
/// on with it migrates it.
pub(super) async fn copy(app: &App) -> Vec<Finding> {
    let mut findings = database(app).await;
    findings.iter_mut().for_each(excuse_what_nobody_does);
    let state = health::schema_state(app).await;
    // Version 0 is no database of ours.
    if matches!(state, Ok(SchemaState::Behind { version: 1.., .. })) {
        findings.iter_mut().for_each(excuse_older_schema);
    }
    findings
}

/// No server works on a copy: what waited or was given up when it was taken says nothing of it.
fn excuse_what_nobody_does(finding: &mut Finding) {
    if finding.is_checked && ["audit_unsealed", "jobs", "refunds"].contains(&finding.id) {
        finding.severity = Severity::Info;
        finding.mend.clear();
    }
}

/// What an older schema lacks can't be read.
fn excuse_older_schema(finding: &mut Finding) {
    if finding.id == "schema" || !finding.is_checked {
        finding.severity = Severity::Info;
        "run `stagedoor migrate` on the copy if it is to be used".clone_into(&mut finding.mend);
    }
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
            Finding::new("jobs", Severity::Error, detail, mend)
        }
        Err(error) => unreadable("jobs", &error),
    }
}

async fn refunds(app: &App) -> Finding {
    match app::payments::count_stuck(app).await {
        Ok(0) => Finding::good("refunds", "no refund waits for help"),
        Ok(stuck) => {
            let mend = "read why (SELECT id, reservation_id, refund_error FROM payments WHERE \
                        refund_error IS NOT NULL), mend that or send the money back at the \
                        provider, then refund the reservation once more: nothing is sent twice; or \
                        note at /staff/refunds how you paid it back another way";
            let detail = format!("{stuck} refunds can't go back without help");
            Finding::new("refunds", Severity::Error, detail, mend)
        }
        Err(error) => unreadable("refunds", &error),
    }
}

fn unreadable(id: &'static str, error: &store::StoreError) -> Finding {
    let mend = "grant what is missing with `stagedoor migrate`";
    Finding {
        is_checked: false,
        ..Finding::new(id, Severity::Error, error.to_string(), mend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_well_only_when_everything_was_looked_at() {
        let good = || Finding::good("inventory", "adds up");
        let unchecked = || Finding::unchecked("audit", "no key", "set it");
        let of = |severity| Finding::new("clock", severity, "off", "mend it");
        assert_eq!(verdict(&[good(), of(Severity::Info)]), "all is well");
        let verdict_of = |last| verdict(&[good(), unchecked(), last]);
        assert!(verdict_of(good()).contains("not everything could be checked"));
        assert!(verdict_of(of(Severity::Warning)).contains("warnings"));
        assert!(verdict_of(of(Severity::Error)).contains("something to mend"));
    }

    #[test]
    fn an_older_schema_excuses_what_it_lacks_and_nothing_else() {
        let severity_of = |mut finding: Finding| {
            excuse_older_schema(&mut finding);
            finding.severity
        };
        let wrong = |id| Finding::new(id, Severity::Error, "wrong", "mend it");
        let unread = Finding {
            is_checked: false,
            ..wrong("audit_entries")
        };
        assert_eq!(severity_of(wrong("schema")), Severity::Info);
        assert_eq!(severity_of(unread), Severity::Info);
        assert_eq!(severity_of(wrong("inventory")), Severity::Error);
    }
}
