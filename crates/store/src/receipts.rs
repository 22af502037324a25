//! Receipts of admitted requests: what an `Idempotency-Key` was used for.

use domain::id::ReservationId;
use jiff::Timestamp;
use uuid::Uuid;

use crate::client::Params;
use crate::connection::Connection;
use crate::error::{StoreError, expect_rows};
use crate::generated::queries::receipts as statements;
use crate::time::{from_column, to_column};

/// The first 16 bytes of a SHA-256.
pub type Digest = [u8; 16];

/// What an admitted request left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub values_digest: Digest,
    pub reservation_id: ReservationId,
    /// The end of the hold as it was first answered.
    pub expires_at: Option<Timestamp>,
}

/// What a key was used for after `since`.
///
/// Only the benchmark's plain way uses it; the engine has `admission`.
pub async fn find(
    connection: &Connection,
    key_digest: &Digest,
    since: Timestamp,
) -> Result<Option<Receipt>, StoreError> {
    let found = statements::find()
        .bind(connection, &key_digest.as_slice(), &to_column(since))
        .opt()
        .await?;
    let Some(row) = found else { return Ok(None) };
    let unreadable = |detail: String| StoreError::Unreadable {
        table: "admission_receipts",
        detail,
    };
    Ok(Some(Receipt {
        values_digest: Digest::try_from(row.values_digest.as_slice())
            .map_err(|_| unreadable("values_digest".to_owned()))?,
        reservation_id: row
            .reservation_id
            .parse()
            .map_err(|_| unreadable(format!("reservation_id {:?}", row.reservation_id)))?,
        expires_at: row.expires_at.map(from_column),
    }))
}

/// A receipt to be written, with when it was earned and by which request.
#[derive(Clone, Debug)]
pub struct NewReceipt<'a> {
    pub key_digest: &'a Digest,
    pub receipt: &'a Receipt,
    pub request_id: Uuid,
    pub now: Timestamp,
    /// Receipts up to here no longer count and are overwritten.
    pub since: Timestamp,
}

/// `false` when another transaction has used the key meanwhile.
///
/// Only the benchmark's plain way uses it; the engine has `admission`.
pub async fn insert(connection: &Connection, new: &NewReceipt<'_>) -> Result<bool, StoreError> {
    let parameters = statements::InsertParams {
        key_digest: new.key_digest.as_slice(),
        values_digest: new.receipt.values_digest.as_slice(),
        reservation_id: new.receipt.reservation_id.as_str(),
        request_id: new.request_id,
        expires_at: new.receipt.expires_at.map(to_column),
        now: to_column(new.now),
        since: to_column(new.since),
    };
    Ok(statements::insert().params(connection, &parameters).await? == 1)
}

/// Deletes up to `limit` receipts that no longer count; returns how many there were.
pub async fn delete_before(
    connection: &Connection,
    before: Timestamp,
    limit: i64,
) -> Result<u64, StoreError> {
    Ok(statements::delete_before()
        .bind(connection, &to_column(before), &limit)
        .await?)
}

/// Forgets what a key was used for that nobody has but whoever asks.
pub async fn delete(connection: &Connection, key_digest: &Digest) -> Result<(), StoreError> {
    let deleted = statements::delete()
        .bind(connection, &key_digest.as_slice())
        .await?;
    expect_rows("receipts.delete", deleted, 1)
}
