//! `config print`, `config check` and `config template`.

use serde_json::json;

use super::{CliError, ConfigCommand, ReportArgs, print, print_json};
use crate::config::{self, Config, DEFAULT_FILE, Finding, Overrides, Settings, Severity};

pub(super) fn run(overrides: &Overrides, command: &ConfigCommand) -> Result<(), CliError> {
    match command {
        ConfigCommand::Print(report) => show(&Config::load(overrides)?.settings, *report),
        ConfigCommand::Check(report) => check(overrides, *report),
        ConfigCommand::Template => print(template().as_bytes()),
    }
}

fn show(settings: &Settings, report: ReportArgs) -> Result<(), CliError> {
    if report.json {
        let rows = settings.iter().map(|(key, setting)| {
            json!({
                "key": key.name,
                "environment": key.environment,
                "value": setting.shown(),
                "source": setting.source.to_string(),
            })
        });
        return print_json(&json!({ "settings": rows.collect::<Vec<_>>() }));
    }
    let rows = settings.iter().map(|(key, setting)| {
        let value = format!("{:?}", setting.shown());
        format!("{:<25} {value:<28} {}\n", key.name, setting.source)
    });
    print(rows.collect::<String>().as_bytes())
}

/// With `--json` a configuration that can't be read is a report as well, still with exit code 2.
fn check(overrides: &Overrides, report: ReportArgs) -> Result<(), CliError> {
    let config = match Config::load(overrides) {
        Ok(config) => config,
        Err(errors) if report.json => {
            let rows = errors.iter().map(|error| {
                let mend = "stagedoor config template explains every key";
                row("configuration", "error", &error.to_string(), mend)
            });
            print_json(&json!({ "ok": false, "findings": rows.collect::<Vec<_>>() }))?;
            return Err(CliError::from(errors));
        }
        Err(errors) => return Err(CliError::from(errors)),
    };
    let findings = config::findings(&config);
    let ok = findings
        .iter()
        .all(|finding| finding.severity != Severity::Error);
    if report.json {
        let rows = findings.iter().map(|finding| {
            row(
                finding.id,
                finding.severity.as_str(),
                &finding.detail,
                &finding.mend,
            )
        });
        print_json(&json!({ "ok": ok, "findings": rows.collect::<Vec<_>>() }))?;
    } else {
        print(sentences(&findings).as_bytes())?;
    }
    if ok {
        Ok(())
    } else {
        Err(CliError::CheckFailed)
    }
}

fn row(id: &str, severity: &str, detail: &str, mend: &str) -> serde_json::Value {
    json!({ "id": id, "severity": severity, "detail": detail, "mend": mend })
}

fn sentences(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "the configuration is good\n".to_owned();
    }
    let line = |finding: &Finding| {
        let Finding {
            severity,
            detail,
            mend,
            ..
        } = finding;
        format!("{}: {detail}\n  mend: {mend}\n", severity.as_str())
    };
    findings.iter().map(line).collect()
}

/// The default file with every key commented out.
pub(super) fn template() -> String {
    let commented = |line: &str| {
        let mark = if line.starts_with('#') || line.is_empty() {
            ""
        } else {
            "#"
        };
        format!("{mark}{line}\n")
    };
    DEFAULT_FILE.lines().map(commented).collect()
}
