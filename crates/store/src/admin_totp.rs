//! Second factors of staff in the database: secrets that are encrypted already, digests of codes.

use domain::id::AdminUserId;
use jiff::Timestamp;

use crate::connection::Connection;
use crate::error::{StoreError, expect_rows};
use crate::generated::queries::admin_totp as statements;
use crate::sign_in_failures::Digest;
use crate::time::{from_column, to_column};

/// A second factor as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totp {
    /// Nonce, encrypted secret and tag.
    pub secret: Vec<u8>,
    /// When it was begun.
    pub created_at: Timestamp,
    /// Whether a code of it was shown once, so that it is asked for.
    pub is_confirmed: bool,
    /// The last step whose code was accepted.
    pub last_step: Option<i64>,
}

pub async fn lock(connection: &Connection, id: AdminUserId) -> Result<Option<Totp>, StoreError> {
    let found = statements::lock().bind(connection, &id.get()).opt().await?;
    Ok(found.map(|row| Totp {
        secret: row.secret,
        created_at: from_column(row.created_at),
        is_confirmed: row.confirmed_at.is_some(),
        last_step: row.last_step,
    }))
}

/// Keeps a secret that isn't in use yet; `false` when a confirmed one is there.
pub async fn upsert_unconfirmed(
    connection: &Connection,
    id: AdminUserId,
    secret: &[u8],
    now: Timestamp,
) -> Result<bool, StoreError> {
    let changed = statements::upsert_unconfirmed()
        .bind(connection, &id.get(), &secret, &to_column(now))
        .await?;
    Ok(changed == 1)
}

/// Puts the secret in use; the code of `step` is spent.
pub async fn update_confirmed(
    connection: &Connection,
    id: AdminUserId,
    step: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed = statements::update_confirmed()
        .bind(connection, &to_column(now), &step, &id.get())
        .await?;
    expect_rows("admin_totp.update_confirmed", changed, 1)
}

pub async fn update_last_step(
    connection: &Connection,
    id: AdminUserId,
    step: i64,
) -> Result<(), StoreError> {
    let changed = statements::update_last_step()
        .bind(connection, &step, &id.get())
        .await?;
    expect_rows("admin_totp.update_last_step", changed, 1)
}

/// Keeps the same secret, encrypted anew.
pub async fn update_encrypted(
    connection: &Connection,
    id: AdminUserId,
    secret: &[u8],
) -> Result<(), StoreError> {
    let changed = statements::update_encrypted()
        .bind(connection, &secret, &id.get())
        .await?;
    expect_rows("admin_totp.update_encrypted", changed, 1)
}

/// Takes an account's second factor away, with its recovery codes.
pub async fn delete(connection: &Connection, id: AdminUserId) -> Result<(), StoreError> {
    statements::delete().bind(connection, &id.get()).await?;
    delete_recovery_codes(connection, id).await
}

pub async fn insert_recovery_codes(
    connection: &Connection,
    id: AdminUserId,
    digests: &[Digest],
    now: Timestamp,
) -> Result<(), StoreError> {
    let digests: Vec<&[u8]> = digests.iter().map(<[u8; 32]>::as_slice).collect();
    let inserted = statements::insert_recovery_codes()
        .bind(connection, &id.get(), &to_column(now), &digests)
        .await?;
    let expected = u64::try_from(digests.len()).unwrap_or(u64::MAX);
    expect_rows("admin_totp.insert_recovery_codes", inserted, expected)
}

/// Spends a recovery code; `false` when there is no such code or it is spent.
pub async fn use_recovery_code(
    connection: &Connection,
    id: AdminUserId,
    code_digest: &Digest,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let changed = statements::use_recovery_code()
        .bind(
            connection,
            &to_column(now),
            &id.get(),
            &code_digest.as_slice(),
        )
        .await?;
    Ok(changed == 1)
}

pub async fn delete_recovery_codes(
    connection: &Connection,
    id: AdminUserId,
) -> Result<(), StoreError> {
    statements::delete_recovery_codes()
        .bind(connection, &id.get())
        .await?;
    Ok(())
}
