//! Sessions of staff in the database, found by the digest of their token.

use std::net::IpAddr;

use domain::id::AdminUserId;
use domain::text::Username;
use jiff::Timestamp;

use crate::acting;
use crate::admin_users::{self, StaffMember};
use crate::connection::Connection;
use crate::error::{StoreError, expect_rows};
use crate::generated::queries::admin_sessions as statements;
use crate::generated::queries::admin_users as users;
use crate::sign_in_failures::Digest;
use crate::time::{from_column, to_column};

/// A session to be begun.
#[derive(Clone, Copy, Debug)]
pub struct NewSession<'a> {
    pub token_digest: &'a Digest,
    pub admin_user_id: AdminUserId,
    pub now: Timestamp,
    pub expires_at: Timestamp,
    pub address: Option<IpAddr>,
    /// What failures from the same place are counted under.
    pub address_digest: &'a Digest,
}

/// A session that nobody revoked, of an account that may sign in; whether its time is over is for
/// the caller to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub last_used_at: Timestamp,
    pub expires_at: Timestamp,
    pub member: StaffMember,
}

pub async fn insert(connection: &Connection, new: &NewSession<'_>) -> Result<(), StoreError> {
    let changed = statements::insert()
        .bind(
            connection,
            &new.token_digest.as_slice(),
            &new.admin_user_id.get(),
            &to_column(new.now),
            &to_column(new.expires_at),
            &new.address.map(|address| address.to_string()),
            &new.address_digest.as_slice(),
        )
        .await?;
    expect_rows("admin_sessions.insert", changed, 1)
}

pub async fn find(
    connection: &Connection,
    token_digest: &Digest,
) -> Result<Option<Session>, StoreError> {
    let found = statements::find()
        .bind(connection, &token_digest.as_slice())
        .opt()
        .await?;
    let Some(row) = found else { return Ok(None) };
    let member = admin_users::read(users::StaffMember {
        id: row.id,
        username: row.username,
        email: row.email,
        role: row.role,
        is_active: row.is_active,
        has_totp: row.has_totp,
        last_login: row.last_login,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })?;
    Ok(Some(Session {
        last_used_at: from_column(row.last_used_at),
        expires_at: from_column(row.expires_at),
        member,
    }))
}

pub async fn update_last_used(
    connection: &Connection,
    token_digest: &Digest,
    now: Timestamp,
) -> Result<(), StoreError> {
    statements::update_last_used()
        .bind(connection, &to_column(now), &token_digest.as_slice())
        .await?;
    Ok(())
}

pub async fn revoke(
    connection: &Connection,
    token_digest: &Digest,
    now: Timestamp,
) -> Result<(), StoreError> {
    statements::revoke()
        .bind(connection, &to_column(now), &token_digest.as_slice())
        .await?;
    Ok(())
}

/// Ends every session of an account, whose row is locked, when nothing is under way in them.
pub async fn revoke_all(
    connection: &Connection,
    id: AdminUserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    acting::hold(connection, id).await?;
    statements::revoke_all()
        .bind(connection, &to_column(now), &id.get())
        .await?;
    Ok(())
}

/// The same but for one of them.
pub async fn revoke_others(
    connection: &Connection,
    id: AdminUserId,
    kept: &Digest,
    now: Timestamp,
) -> Result<(), StoreError> {
    acting::hold(connection, id).await?;
    statements::revoke_others()
        .bind(connection, &to_column(now), &id.get(), &kept.as_slice())
        .await?;
    Ok(())
}

/// Where an account's owner signed in after `since`, as digests.
pub async fn list_addresses(
    connection: &Connection,
    id: AdminUserId,
    since: Timestamp,
) -> Result<Vec<Digest>, StoreError> {
    let rows = statements::list_addresses()
        .bind(connection, &id.get(), &to_column(since))
        .all()
        .await?;
    let digests = rows.iter().map(|row| {
        Digest::try_from(row.as_slice()).map_err(|_| StoreError::Unreadable {
            table: "admin_sessions",
            detail: format!("an address digest of {} bytes", row.len()),
        })
    });
    digests.collect()
}

/// Whether the owner of the account signed in from there after `since`.
pub async fn is_address_known(
    connection: &Connection,
    username: &Username,
    address_digest: &Digest,
    since: Timestamp,
) -> Result<bool, StoreError> {
    Ok(statements::is_address_known()
        .bind(
            connection,
            &username.as_str(),
            &address_digest.as_slice(),
            &to_column(since),
        )
        .one()
        .await?)
}

/// Deletes up to `limit` sessions that began before; returns how many.
pub async fn delete_old(
    connection: &Connection,
    before: Timestamp,
    limit: i64,
) -> Result<u64, StoreError> {
    Ok(statements::delete_old()
        .bind(connection, &to_column(before), &limit)
        .await?)
}
