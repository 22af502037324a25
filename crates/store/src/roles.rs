//! The database roles of the product: made where they are missing, their grants stated anew.

use postgres_protocol::escape::escape_literal;
use postgres_protocol::password::scram_sha_256;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::database_url::DatabaseUrl;

/// Grants and revokes as one statement of the whole.
const GRANTS: &str = include_str!("../roles.sql");

/// The role that owns the tables; it doesn't log in in normal life.
pub(crate) const OWNER: &str = "stagedoor_owner";
pub(crate) const APP: &str = "stagedoor_app";
pub(crate) const REPORT: &str = "stagedoor_report";
pub(crate) const MONITOR: &str = "stagedoor_monitor";
pub(crate) const BACKUP: &str = "stagedoor_backup";

/// Settings that hold for the server's login however it connects.
const APP_SETTINGS: [(&str, &str); 2] = [("statement_timeout", "120s"), ("timezone", "UTC")];

/// A login that `migrate` may create, with the password it shall have then.
///
/// An existing role keeps its password.
#[derive(Clone)]
pub struct Login {
    pub role: String,
    pub password: Option<String>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

impl Login {
    /// The login that a connection URL names.
    pub fn of_url(url: &str) -> Option<Self> {
        let url: DatabaseUrl = url.parse().ok()?;
        Some(Self {
            role: url.last("user")?.to_owned(),
            password: url.last("password").map(str::to_owned),
        })
    }
}

/// Creates the roles that don't exist; returns their names.
pub(crate) async fn create_missing(
    client: &Client,
    logins: &[Login],
) -> Result<Vec<&'static str>, tokio_postgres::Error> {
    let mut created = Vec::new();
    for role in [OWNER, APP, REPORT, MONITOR, BACKUP] {
        let exists = client
            .query_opt("SELECT 1 FROM pg_roles WHERE rolname = $1", &[&role])
            .await?
            .is_some();
        if exists {
            continue;
        }
        let login = logins.iter().find(|login| login.role == role);
        if create(client, role, login).await? {
            created.push(role);
        }
    }
    show_standbys(client).await?;
    Ok(created)
}

/// Lets the owner's function `list_standbys` see them. Where nobody may grant it here, the server
/// sees only whether there are any, and `doctor` says so.
async fn show_standbys(client: &Client) -> Result<(), tokio_postgres::Error> {
    let sees = format!("SELECT pg_has_role('{OWNER}', 'pg_read_all_stats', 'USAGE')");
    if client.query_one(&sees, &[]).await?.get(0) {
        return Ok(());
    }
    let grant = format!("GRANT pg_read_all_stats TO {OWNER}");
    match client.batch_execute(&grant).await {
        // Not allowed, or another database's `migrate` on this cluster was faster.
        Err(error)
            if [
                Some(&SqlState::INSUFFICIENT_PRIVILEGE),
                Some(&SqlState::UNIQUE_VIOLATION),
            ]
            .contains(&error.code()) =>
        {
            Ok(())
        }
        granted => granted,
    }
}

/// `false` when another database's `migrate` on this cluster was faster.
async fn create(
    client: &Client,
    role: &'static str,
    login: Option<&Login>,
) -> Result<bool, tokio_postgres::Error> {
    let mut statement = format!("CREATE ROLE {role} NOSUPERUSER NOCREATEDB NOCREATEROLE");
    statement.push_str(if role == OWNER { " NOLOGIN" } else { " LOGIN" });
    if let Some(password) = login.and_then(|login| login.password.as_deref()) {
        // The verifier, not the password, so that the server's log can never show it.
        let verifier = escape_literal(&scram_sha_256(password.as_bytes()));
        statement.push_str(" PASSWORD ");
        statement.push_str(&verifier);
    }
    statement.push_str(&completion(role));
    // Several statements in one string are one transaction: a role is whole or not there.
    match client.batch_execute(&statement).await {
        Ok(()) => Ok(true),
        Err(error)
            if [
                Some(&SqlState::DUPLICATE_OBJECT),
                Some(&SqlState::UNIQUE_VIOLATION),
            ]
            .contains(&error.code()) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// What belongs to a role beside its creation.
fn completion(role: &str) -> String {
    match role {
        APP => APP_SETTINGS
            .map(|(setting, value)| format!("; ALTER ROLE {APP} SET {setting} = '{value}'"))
            .concat(),
        MONITOR => format!("; GRANT pg_monitor TO {MONITOR}"),
        _ => String::new(),
    }
}

/// Brings every privilege in this database to what `roles.sql` says, in one transaction.
pub(crate) async fn apply_grants(client: &Client) -> Result<(), tokio_postgres::Error> {
    client
        .batch_execute(&format!("BEGIN;\n{GRANTS}\nCOMMIT;"))
        .await
}
