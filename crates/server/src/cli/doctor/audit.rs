//! What `doctor` finds at the audit log: whole, sealed in time, agreeing with the tables, and with
//! room left.

use std::time::Duration;

use app::audit::{self, Report, Wrong};
use app::{App, SealKey};
use store::StoreError;

use super::super::audit::how_to_give_the_key;
use super::{Finding, Severity, unreadable};

/// A row is sealed within seconds, unless a rush goes on or nobody does it.
const UNSEALED_MAX: Duration = Duration::from_secs(30);

pub(super) async fn findings(app: &App) -> Vec<Finding> {
    let chain = match app.seal_key() {
        Some(key) => chain(app, key).await,
        None => chain_without_key(app).await,
    };
    vec![
        chain.unwrap_or_else(|error| unreadable("audit", &error)),
        unsealed(app).await,
        double_entry(app).await,
    ]
}

async fn chain(app: &App, key: &SealKey) -> Result<Finding, StoreError> {
    let report = audit::verify(app, key, &[]).await?;
    let Report {
        sealed_to, last_id, ..
    } = report;
    Ok(match (report.wrong, last_id, sealed_to) {
        (Some(wrong), ..) => {
            let mend = match wrong {
                Wrong::UnknownKey { .. } => {
                    "if the key was changed, set STAGEDOOR_SECRET_KEY_PREVIOUS to the former ones"
                }
                _ => {
                    "compare the row with one in a backup of the database, and find out who had a \
                     superuser's password"
                }
            };
            Finding::new("audit", Severity::Error, wrong.to_string(), mend)
        }
        (None, Some(last), _) if last > i32::MAX / 2 => {
            let detail = format!("{last} of {} ids of audit_logs are used", i32::MAX);
            let mend = "plan to archive old rows into a table of their own before they end";
            Finding::new("audit", Severity::Warning, detail, mend)
        }
        (None, _, Some(sealed_to)) => Finding::good(
            "audit",
            match report.erased.len() {
                0 => format!("every row that is sealed, up to row {sealed_to}, is as it was"),
                customers => format!(
                    "every row that is sealed, up to row {sealed_to}, is as it was, or as the \
                     erasure of one of {customers} customers left it"
                ),
            },
        ),
        (None, ..) => Finding::good(
            "audit",
            "no row is sealed yet, so that there is none to check",
        ),
    })
}

/// Seals outlive the server that made them, so that they tell whether there is a key elsewhere.
async fn chain_without_key(app: &App) -> Result<Finding, StoreError> {
    Ok(if audit::has_seals(app).await? {
        let detail = "rows are sealed, but their seals can't be checked here: STAGEDOOR_SECRET_KEY \
                      isn't set for this command";
        Finding::unchecked("audit", detail, &how_to_give_the_key())
    } else {
        let mend = "run `stagedoor serve` or `stagedoor worker` with STAGEDOOR_SECRET_KEY set, so \
                    that rows are sealed";
        let detail = "no row was ever sealed: a change to the audit log itself would not show";
        Finding::new("audit", Severity::Warning, detail, mend)
    })
}

async fn unsealed(app: &App) -> Finding {
    match audit::unsealed(app).await {
        Ok(Some(oldest)) if oldest.age > UNSEALED_MAX => {
            let since = oldest.written_at;
            let detail = format!("audit rows wait for their seal since {since:.0}");
            let mend = "run `stagedoor serve` or `stagedoor worker` with STAGEDOOR_SECRET_KEY set";
            Finding::new("audit_unsealed", Severity::Error, detail, mend)
        }
        Ok(Some(_)) => Finding::good("audit_unsealed", "new audit rows wait for their seal"),
        Ok(None) => Finding::good("audit_unsealed", "no audit row waits for its seal"),
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
