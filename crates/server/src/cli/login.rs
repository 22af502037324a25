//! Opens the product on a database after trying its login once, so that a wrong password reads as
//! a wrong password.
//!
//! A pool only knows that no connection came in time; it has to, for it outlives outages.

use app::{App, standing};
use store::migrate::{self, MigrateError, SchemaState};
use store::pool::ConnectError;

use super::CliError;
use crate::config::{Config, DatabaseUrl};
use crate::serve::{self, OpenError};

/// PostgreSQL answered, and lets nobody in with this URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) detail: String,
    pub(super) mend: String,
}

/// The product on the database that `DATABASE_URL` names.
pub(super) async fn open_app(config: &Config) -> Result<App, CliError> {
    open(config, serve::open_app).await
}

/// The same with its read replicas.
pub(super) async fn open_reading_app(config: &Config) -> Result<App, CliError> {
    open(config, serve::open_reading_app).await
}

/// The same for work on whole tables.
pub(super) async fn open_patient_app(config: &Config) -> Result<App, CliError> {
    open(config, serve::open_patient_app).await
}

async fn open(
    config: &Config,
    open: impl Fn(&Config, &str) -> Result<App, OpenError>,
) -> Result<App, CliError> {
    let url = config.require_database_url()?;
    refuse_refused(config, "DATABASE_URL", url).await?;
    let app = open(config, url.reveal());
    let app = app.map_err(|error| CliError::Usage(error.to_string()))?;
    standing::look_once(&app).await;
    Ok(app)
}

/// An error when PostgreSQL refuses the login; `variable` is what it was configured by.
pub(super) async fn refuse_refused(
    config: &Config,
    variable: &str,
    url: &DatabaseUrl,
) -> Result<(), CliError> {
    match find_refusal(config, variable, url).await {
        None => Ok(()),
        Some(Refusal { detail, mend }) => Err(CliError::Failed(format!("{detail}: {mend}"))),
    }
}

/// Why PostgreSQL refuses the login; `None` when it doesn't, and when nothing answers in the time
/// for connecting, which the pool then tells.
pub(super) async fn find_refusal(
    config: &Config,
    variable: &str,
    url: &DatabaseUrl,
) -> Option<Refusal> {
    let within = config.database.pool.connect_timeout;
    let tried = tokio::time::timeout(within, migrate::check(url.reveal())).await;
    let Ok(Err(
        MigrateError::Connect(ConnectError::Refused(error)) | MigrateError::Database(error),
    )) = tried
    else {
        return None;
    };
    if store::is_about_tls(&error) {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        return Some(explain_tls(&cause.unwrap_or_default(), variable, url));
    }
    let Some(answer) = error.as_db_error() else {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        return is_password_missing(cause.as_deref()).then(|| Refusal {
            detail: format!("PostgreSQL asks for a password, and {variable} has none"),
            mend: format!("write it there, as in postgresql://USER:PASSWORD@HOST/DATABASE ({url})"),
        });
    };
    explain(answer.code().code(), answer.message(), variable)
}

/// Whether nothing of ours is in the database.
pub(super) async fn is_unmigrated(config: &Config, url: &DatabaseUrl) -> bool {
    let within = config.database.pool.connect_timeout;
    let asked = tokio::time::timeout(within, migrate::check(url.reveal())).await;
    matches!(asked, Ok(Ok(SchemaState::Behind { version: 0, .. })))
}

/// The driver's words when a server asks for a password that it wasn't given.
fn is_password_missing(cause: Option<&str>) -> bool {
    cause.is_some_and(|cause| cause.contains("password missing"))
}

/// The server has no TLS, or shows a certificate that isn't believed.
fn explain_tls(cause: &str, variable: &str, url: &DatabaseUrl) -> Refusal {
    Refusal {
        detail: format!("no connection by TLS to the database of {variable} ({url}): {cause}"),
        mend: "let the host in the URL be a name that the server's certificate has, and \
               sslrootcert the file with the certificate of the authority that signed it; a server \
               without TLS needs ssl = on"
            .to_owned(),
    }
}

/// By SQLSTATE (PostgreSQL, appendix A); what PostgreSQL says has no password in it.
fn explain(sqlstate: &str, said: &str, variable: &str) -> Option<Refusal> {
    let (what, mend) = match sqlstate {
        "28P01" => (
            "PostgreSQL refuses the user or the password",
            format!(
                "correct {variable}, or let a superuser set the password (ALTER ROLE … PASSWORD …)"
            ),
        ),
        "28000" => (
            "PostgreSQL doesn't admit this login",
            format!(
                "correct the user in {variable}, let the role log in (ALTER ROLE … LOGIN), or let \
                 pg_hba.conf admit it from here; where it admits none without encryption, add \
                 sslmode=verify-full and sslrootcert=FILE"
            ),
        ),
        "3D000" => (
            "PostgreSQL has no such database",
            format!(
                "correct the database's name in {variable}, or make it as a superuser (CREATE \
                 DATABASE … OWNER stagedoor_owner) and run `stagedoor migrate`"
            ),
        ),
        _ => return None,
    };
    Some(Refusal {
        detail: format!("{what} ({said})"),
        mend,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_refused_logins_are_explained_and_each_says_what_to_correct() {
        for (sqlstate, what) in [
            ("28P01", "user or the password"),
            ("28000", "doesn't admit"),
            ("3D000", "no such database"),
        ] {
            let refusal = explain(sqlstate, "as PostgreSQL said", "DATABASE_OWNER_URL").unwrap();
            assert!(refusal.detail.contains(what), "{refusal:?}");
            assert!(refusal.detail.contains("as PostgreSQL said"), "{refusal:?}");
            assert!(refusal.mend.contains("DATABASE_OWNER_URL"), "{refusal:?}");
        }
        // Starting up, and too many connections: both pass.
        for passing in ["57P03", "53300"] {
            assert_eq!(explain(passing, "later", "DATABASE_URL"), None);
        }
    }
}
