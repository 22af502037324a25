//! Staff accounts in the database.

use domain::id::AdminUserId;
use domain::role::Role;
use domain::text::{EmailAddress, Username};
use jiff::Timestamp;

use crate::connection::Connection;
use crate::error::StoreError;
use crate::generated::queries::admin_users as statements;
use crate::time::to_column;

/// An account to be made.
#[derive(Clone)]
#[allow(
    missing_debug_implementations,
    reason = "a password hash has no place in a log"
)]
pub struct NewAdminUser<'a> {
    pub username: &'a Username,
    pub email: &'a EmailAddress,
    pub role: Role,
    /// bcrypt's text, never the password.
    pub password_hash: &'a str,
}

pub async fn insert(
    connection: &Connection,
    new: &NewAdminUser<'_>,
    now: Timestamp,
) -> Result<AdminUserId, StoreError> {
    let id = statements::insert()
        .bind(
            connection,
            &new.username.as_str(),
            &new.password_hash,
            &new.email.as_str(),
            &new.role.as_str(),
            &to_column(now),
        )
        .one()
        .await?;
    AdminUserId::new(id).ok_or_else(|| StoreError::Unreadable {
        table: "admin_users",
        detail: format!("id {id}"),
    })
}

/// Whether there never was an account.
pub async fn is_empty(connection: &Connection) -> Result<bool, StoreError> {
    Ok(!statements::exist().bind(connection).one().await?)
}

/// Replaces an account's password hash; `false` when there is no such account.
pub async fn set_password(
    connection: &Connection,
    username: &Username,
    password_hash: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let changed = statements::set_password()
        .bind(
            connection,
            &password_hash,
            &to_column(now),
            &username.as_str(),
        )
        .await?;
    Ok(changed == 1)
}
