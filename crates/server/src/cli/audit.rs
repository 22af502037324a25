//! `audit verify`: following the seals over the audit log.

use app::audit;
use serde_json::json;

use super::{AuditCommand, CliError, ReportArgs, demo, login, print, print_json};
use crate::config::Config;

pub(super) async fn run(config: Config, command: AuditCommand) -> Result<(), CliError> {
    let AuditCommand::Verify(args) = command;
    verify(config, args).await
}

async fn verify(config: Config, args: ReportArgs) -> Result<(), CliError> {
    let app = login::open_patient_app(&config).await?;
    let key = app.seal_key().ok_or_else(|| {
        CliError::Usage(format!(
            "seals can be checked with the key alone that they were made with: {}",
            how_to_give_the_key()
        ))
    })?;
    let report = audit::verify(&app, key)
        .await
        .map_err(|error| CliError::failed("can't read the audit log", &error))?;
    let is_ok = report.wrong.is_none();
    if args.json {
        print_json(&json!({
            "ok": is_ok,
            "sealed_to": report.sealed_to,
            "unsealed": report.unsealed,
            "first_bad_id": report.wrong.map(audit::Wrong::id),
            "detail": report.wrong.map(|wrong| wrong.to_string()),
        }))?;
    } else {
        let sealed = report.sealed_to.map_or_else(
            || "no row is sealed yet".to_owned(),
            |id| format!("sealed to row {id}"),
        );
        let verdict = report.wrong.map_or_else(
            || "every sealed row is as it was".to_owned(),
            |wrong| format!("NOT ok: {wrong}"),
        );
        let unsealed = report.unsealed;
        print(format!("{sealed}, {unsealed} wait for their seal; {verdict}\n").as_bytes())?;
    }
    if is_ok {
        Ok(())
    } else {
        Err(CliError::CheckFailed)
    }
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
