//! Makes logins and the database on a private PostgreSQL, as its superuser.
//!
//! For the demonstration and for tests; in production an operator does this once.

use postgres_protocol::escape::{escape_identifier, escape_literal};
use postgres_protocol::password::scram_sha_256;
use tokio_postgres::{Client, NoTls};

use crate::roles::{self, Login};

/// Creates every role of the product, sets the given passwords, and creates `database` with
/// `stagedoor_owner` as its owner. What exists stays; passwords are set again.
pub async fn prepare(
    superuser_url: &str,
    database: &str,
    logins: &[Login],
) -> Result<(), tokio_postgres::Error> {
    let (client, socket) = tokio_postgres::connect(superuser_url, NoTls).await?;
    let driver = tokio::spawn(socket);
    roles::create_missing(&client, logins).await?;
    for login in logins {
        set_password(&client, login).await?;
    }
    let exists = "SELECT 1 FROM pg_database WHERE datname = $1";
    if client.query_opt(exists, &[&database]).await?.is_none() {
        let (name, owner) = (escape_identifier(database), roles::OWNER);
        client
            .batch_execute(&format!("CREATE DATABASE {name} OWNER {owner}"))
            .await?;
    }
    drop(client);
    let _ = driver.await;
    Ok(())
}

async fn set_password(client: &Client, login: &Login) -> Result<(), tokio_postgres::Error> {
    let Some(password) = &login.password else {
        return Ok(());
    };
    let role = escape_identifier(&login.role);
    let verifier = escape_literal(&scram_sha_256(password.as_bytes()));
    client
        .batch_execute(&format!("ALTER ROLE {role} LOGIN PASSWORD {verifier}"))
        .await
}
