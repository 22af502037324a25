//! `audit verify`: following the seals over the audit log, and double entry.

use std::fmt::Write as _;

use app::audit;
use serde_json::{Value, json};

use super::{AuditCommand, AuditVerifyArgs, CliError, demo, login, print, print_json};
use crate::config::Config;

pub(super) async fn run(config: Config, command: AuditCommand) -> Result<(), CliError> {
    let AuditCommand::Verify(args) = command;
    verify(config, args).await
}

async fn verify(config: Config, args: AuditVerifyArgs) -> Result<(), CliError> {
    let app = login::open_patient_app(&config).await?;
    let key = app.seal_key().ok_or_else(|| {
        CliError::Usage(format!(
            "seals can be checked with the key alone that they were made with: {}",
            how_to_give_the_key()
        ))
    })?;
    let unreadable = |error| CliError::failed("can't read the audit log", &error);
    let report = audit::verify(&app, key, &args.heads)
        .await
        .map_err(unreadable)?;
    let differences = audit::differences(&app, audit::PAGE_ROWS).await;
    let differences: Vec<_> = differences
        .map_err(unreadable)?
        .iter()
        .map(ToString::to_string)
        .collect();
    let is_ok = report.wrong.is_none() && report.has_heads && differences.is_empty();
    if args.report.json {
        print_json(&json!({
            "ok": is_ok,
            "sealed_to": report.sealed_to,
            "unsealed": report.unsealed,
            "has_heads": report.has_heads,
            "first_bad_id": report.wrong.map(audit::Wrong::id),
            "detail": report.wrong.map(|wrong| wrong.to_string()),
            "differences": differences,
            "erased": report.erased.iter().map(erased).collect::<Vec<_>>(),
        }))?;
    } else {
        print(text(&report, &differences).as_bytes())?;
    }
    if is_ok {
        Ok(())
    } else {
        Err(CliError::CheckFailed)
    }
}

/// One erasure: which rows are blanked, and which row tells who asked for it.
fn erased(one: &audit::Erased) -> Value {
    json!({
        "erasure": one.erasure,
        "audit_row": one.log_id,
        "erased_at": one.erased_at.to_string(),
        "row_ids": one.row_ids,
    })
}

/// What to set, and where its value is found; never the value.
pub(super) fn how_to_give_the_key() -> String {
    let wanted = "set STAGEDOOR_SECRET_KEY to the key that the server runs with";
    demo::secrets_file().map_or_else(
        || wanted.to_owned(),
        |file| {
            format!(
                "{wanted}; for the demonstration in this folder it is `secret_key` in {}",
                file.display()
            )
        },
    )
}

fn text(report: &audit::Report, differences: &[String]) -> String {
    let sealed = report.sealed_to.map_or_else(
        || "no row is sealed yet".to_owned(),
        |id| format!("sealed to row {id}"),
    );
    let verdict = report.wrong.map_or_else(
        || "every sealed row is as it was".to_owned(),
        |wrong| format!("NOT ok: {wrong}"),
    );
    let unsealed = report.unsealed;
    let mut text = format!("{sealed}, {unsealed} wait for their seal; {verdict}\n");
    if !report.has_heads {
        text.push_str(
            "NOT ok: no seal has the head that was given: the end of the log, or all of it, was \
             removed together with its seals, unless it was restored from an older backup since\n",
        );
    }
    for one in &report.erased {
        let (erasure, rows, log_id) = (one.erasure, one.row_ids.len(), one.log_id);
        let _ = writeln!(
            text,
            "erasure {erasure} blanked {rows} rows lawfully, which row {log_id} tells of"
        );
    }
    for difference in differences {
        text.push_str("NOT ok: ");
        text.push_str(difference);
        text.push('\n');
    }
    text
}
