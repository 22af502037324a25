//! `migrate`: roles, schema and grants, as the owner.

use serde_json::json;
use store::migrate::{self, Login, SchemaState};

use super::{CliError, MigrateArgs, login, print, print_json};
use crate::config::{Config, DatabaseUrl};

pub async fn run(config: Config, args: MigrateArgs) -> Result<(), CliError> {
    let url = config.require_owner_url()?;
    login::refuse_refused(&config, "DATABASE_OWNER_URL", url).await?;
    if args.check {
        check(url, args.report.json).await
    } else {
        bring(&config, url, args).await
    }
}

async fn check(url: &DatabaseUrl, as_json: bool) -> Result<(), CliError> {
    let state = migrate::check(url.reveal())
        .await
        .map_err(|error| CliError::failed("can't read the schema's version", &error))?;
    let sentence = describe(&state);
    let is_current = matches!(state, SchemaState::Current { .. });
    if as_json {
        print_json(&json!({ "current": is_current, "detail": sentence }))?;
    } else {
        print(format!("{sentence}\n").as_bytes())?;
    }
    if is_current {
        Ok(())
    } else {
        Err(CliError::CheckFailed)
    }
}

async fn bring(config: &Config, url: &DatabaseUrl, args: MigrateArgs) -> Result<(), CliError> {
    let done = migrate::migrate(url.reveal(), &logins(config))
        .await
        .map_err(|error| CliError::failed("can't migrate the database", &error))?;
    if args.report.json {
        return print_json(&json!({ "migrations": done.migrations, "roles": done.roles }));
    }
    let roles = done
        .roles
        .iter()
        .map(|role| format!("created role {role}\n"));
    let migrations = done
        .migrations
        .iter()
        .map(|name| format!("applied {name}\n"));
    let report: String = roles.chain(migrations).collect();
    print(format!("{report}the schema is current\n").as_bytes())
}

/// The logins of this configuration: roles that are created get their passwords.
pub(crate) fn logins(config: &Config) -> Vec<Login> {
    let database = &config.database;
    [&database.url, &database.monitor_url, &database.backup_url]
        .into_iter()
        .flatten()
        .filter_map(|url| Login::of_url(url.reveal()))
        .collect()
}

/// What a state of the schema means and what to do.
pub(crate) fn describe(state: &SchemaState) -> String {
    match state {
        SchemaState::Current { version } => format!("the schema is current (version {version})"),
        SchemaState::Behind { version, wanted } => format!(
            "the schema is at version {version}, this program needs {wanted}: \
             run `stagedoor migrate`"
        ),
        SchemaState::Newer { version, wanted } => format!(
            "the schema is at version {version}, newer than this program's {wanted}: \
             install the newer stagedoor"
        ),
    }
}
