//! The token that makes the first superadmin, by its digest.

use jiff::Timestamp;

use crate::connection::Connection;
use crate::error::{StoreError, expect_rows};
use crate::generated::queries::admin_setup as statements;
use crate::sign_in_failures::Digest;
use crate::time::to_column;

/// Puts a token in the place of the one before.
pub async fn upsert(
    connection: &Connection,
    token_digest: &Digest,
    (now, expires_at): (Timestamp, Timestamp),
) -> Result<(), StoreError> {
    let changed = statements::upsert()
        .bind(
            connection,
            &token_digest.as_slice(),
            &to_column(now),
            &to_column(expires_at),
        )
        .await?;
    expect_rows("admin_setup.upsert", changed, 1)
}

/// Whether the token counts: it is the last one, in time, and there is no superadmin.
pub async fn is_open(
    connection: &Connection,
    token_digest: &Digest,
    now: Timestamp,
) -> Result<bool, StoreError> {
    Ok(statements::is_open()
        .bind(connection, &token_digest.as_slice(), &to_column(now))
        .one()
        .await?)
}

/// Spends a token; `false` when it isn't the last one, or its time is over.
pub async fn delete(
    connection: &Connection,
    token_digest: &Digest,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let deleted = statements::delete()
        .bind(connection, &token_digest.as_slice(), &to_column(now))
        .await?;
    Ok(deleted == 1)
}
