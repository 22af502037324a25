//! Sessions of customers in the database, found by the digest of their token.

use domain::id::CustomerId;
use domain::text::EmailAddress;
use futures_util::TryFutureExt as _;
use jiff::Timestamp;

use crate::acting::Acting;
use crate::connection::Connection;
use crate::customers::{read_email, read_id};
use crate::error::{StoreError, expect_rows};
use crate::generated::queries::customer_sessions as statements;
use crate::pool::Pool;
use crate::sign_in_failures::Digest;
use crate::time::to_column;

/// A session to be begun.
#[derive(Clone, Copy, Debug)]
pub struct NewSession<'a> {
    pub token_digest: &'a Digest,
    pub customer_id: CustomerId,
    pub is_google: bool,
    pub now: Timestamp,
    pub expires_at: Timestamp,
}

/// A session that isn't over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub customer_id: CustomerId,
    pub email: EmailAddress,
    pub name: Option<String>,
    pub is_google: bool,
}

pub async fn insert(connection: &Connection, new: &NewSession<'_>) -> Result<(), StoreError> {
    let changed = statements::insert()
        .bind(
            connection,
            &new.token_digest.as_slice(),
            &new.customer_id.get(),
            &new.is_google,
            &to_column(new.now),
            &to_column(new.expires_at),
        )
        .await?;
    expect_rows("customer_sessions.insert", changed, 1)
}

/// In one round trip, for every page of somebody who is signed in asks.
///
/// INVARIANT: everything is prepared before it is pipelined, as in `reservations::find`.
pub async fn find(
    pool: &Pool,
    acting: &Acting,
    token_digest: &Digest,
    now: Timestamp,
) -> Result<Option<Session>, StoreError> {
    let lease = pool.get().await?;
    tokio::try_join!(
        Acting::prepare(&lease),
        statements::find().prepare(&*lease).map_ok(drop),
    )?;
    let (find, digest, now) = (statements::find(), token_digest.as_slice(), to_column(now));
    let (begun, declared, found, ended) = tokio::join!(
        biased;
        lease.begin(),
        acting.declare(&lease),
        find.bind(&*lease, &digest, &now).opt(),
        lease.end("COMMIT"),
    );
    begun?;
    declared?;
    let found = found?;
    ended?;
    found.map(read).transpose()
}

/// Ends one.
pub async fn delete(connection: &Connection, token_digest: &Digest) -> Result<(), StoreError> {
    statements::delete()
        .bind(connection, &token_digest.as_slice())
        .await?;
    Ok(())
}

/// Deletes up to `limit` that are over; returns how many.
pub async fn delete_old(
    connection: &Connection,
    now: Timestamp,
    limit: i64,
) -> Result<u64, StoreError> {
    Ok(statements::delete_old()
        .bind(connection, &to_column(now), &limit)
        .await?)
}

fn read(row: statements::Session) -> Result<Session, StoreError> {
    Ok(Session {
        customer_id: read_id(row.customer_id)?,
        email: read_email("customers", &row.email)?,
        name: row.name,
        is_google: row.is_google,
    })
}
