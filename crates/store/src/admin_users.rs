//! Staff accounts in the database.
//!
//! A password hash is read by [`find_credentials`] alone, one name at a time, for the server's login
//! may not read the column.

use domain::id::AdminUserId;
use domain::role::Role;
use domain::text::{EmailAddress, Username};
use jiff::Timestamp;

use crate::connection::Connection;
use crate::error::{StoreError, expect_rows};
use crate::generated::queries::admin_users as statements;
use crate::time::{from_column, to_column};

/// An account that wasn't deleted, as staff see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaffMember {
    pub id: AdminUserId,
    pub username: String,
    pub email: String,
    pub role: Role,
    pub is_active: bool,
    /// Whether a second factor is asked for.
    pub has_totp: bool,
    pub last_login: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What a sign-in is checked against.
#[derive(Clone, PartialEq, Eq)]
#[allow(
    missing_debug_implementations,
    reason = "a password hash has no place in a log"
)]
pub struct Credentials {
    pub id: AdminUserId,
    pub password_hash: String,
    /// Neither disabled nor deleted.
    pub may_sign_in: bool,
}

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
    read_id(id)
}

/// Whether there is an active superadmin, who can make every other account.
pub async fn exist_superadmins(connection: &Connection) -> Result<bool, StoreError> {
    Ok(statements::exist_superadmins()
        .bind(connection)
        .one()
        .await?)
}

/// The credentials of a name, those of disabled and deleted accounts included.
pub async fn find_credentials(
    connection: &Connection,
    username: &Username,
) -> Result<Option<Credentials>, StoreError> {
    let found = statements::find_credentials()
        .bind(connection, &username.as_str())
        .opt()
        .await?;
    let Some(row) = found else { return Ok(None) };
    Ok(Some(Credentials {
        id: read_id(row.id)?,
        password_hash: row.password_hash,
        may_sign_in: row.is_active && row.deleted_at.is_none(),
    }))
}

pub async fn find(
    connection: &Connection,
    id: AdminUserId,
) -> Result<Option<StaffMember>, StoreError> {
    let found = statements::find().bind(connection, &id.get()).opt().await?;
    found.map(read).transpose()
}

pub async fn find_by_username(
    connection: &Connection,
    username: &Username,
) -> Result<Option<StaffMember>, StoreError> {
    let found = statements::find_by_username()
        .bind(connection, &username.as_str())
        .opt()
        .await?;
    found.map(read).transpose()
}

/// Up to `limit` accounts with a number above `after`.
pub async fn list(
    connection: &Connection,
    after: i32,
    limit: i64,
) -> Result<Vec<StaffMember>, StoreError> {
    let rows = statements::list()
        .bind(connection, &after, &limit)
        .all()
        .await?;
    rows.into_iter().map(read).collect()
}

/// Locks every active superadmin until the transaction ends.
pub async fn lock_superadmins(connection: &Connection) -> Result<Vec<AdminUserId>, StoreError> {
    let ids = statements::lock_superadmins()
        .bind(connection)
        .all()
        .await?;
    ids.into_iter().map(read_id).collect()
}

pub async fn lock(
    connection: &Connection,
    id: AdminUserId,
) -> Result<Option<StaffMember>, StoreError> {
    let found = statements::lock().bind(connection, &id.get()).opt().await?;
    found.map(read).transpose()
}

/// Writes what of `member` can be changed; the row must be locked.
pub async fn update(
    connection: &Connection,
    member: &StaffMember,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed = statements::update()
        .bind(
            connection,
            &member.email.as_str(),
            &member.role.as_str(),
            &member.is_active,
            &to_column(now),
            &member.id.get(),
        )
        .await?;
    expect_rows("admin_users.update", changed, 1)
}

pub async fn update_password(
    connection: &Connection,
    id: AdminUserId,
    password_hash: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed = statements::update_password()
        .bind(connection, &password_hash, &to_column(now), &id.get())
        .await?;
    expect_rows("admin_users.update_password", changed, 1)
}

pub async fn update_last_login(
    connection: &Connection,
    id: AdminUserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed = statements::update_last_login()
        .bind(connection, &to_column(now), &id.get())
        .await?;
    expect_rows("admin_users.update_last_login", changed, 1)
}

/// Deletes softly: nobody can sign in or be shown by it, but its row and its name stay taken.
pub async fn delete(
    connection: &Connection,
    id: AdminUserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed = statements::delete()
        .bind(connection, &to_column(now), &id.get())
        .await?;
    expect_rows("admin_users.delete", changed, 1)
}

pub(crate) fn read_id(id: i32) -> Result<AdminUserId, StoreError> {
    AdminUserId::new(id).ok_or_else(|| unreadable(format!("id {id}")))
}

pub(crate) fn read(row: statements::StaffMember) -> Result<StaffMember, StoreError> {
    let role = row.role.parse();
    Ok(StaffMember {
        id: read_id(row.id)?,
        role: role.map_err(|_| unreadable(format!("role {:?}", row.role)))?,
        username: row.username,
        email: row.email,
        is_active: row.is_active,
        has_totp: row.has_totp,
        last_login: row.last_login.map(from_column),
        created_at: from_column(row.created_at),
        updated_at: from_column(row.updated_at),
    })
}

fn unreadable(detail: String) -> StoreError {
    StoreError::Unreadable {
        table: "admin_users",
        detail,
    }
}
