//! Sign-ins that wait for a provider's answer.

use domain::customer::ReturnPath;
use domain::language::Language;
use jiff::Timestamp;

use crate::connection::Connection;
use crate::customers::unreadable;
use crate::error::{StoreError, expect_rows};
use crate::generated::queries::customer_sign_ins as statements;
use crate::sign_in_failures::Digest;
use crate::time::to_column;

/// What is known of a sign-in while the provider has the browser.
#[derive(Clone, PartialEq, Eq)]
pub struct Pending {
    pub nonce: String,
    pub pkce_verifier: String,
    pub return_to: ReturnPath,
    pub language: Language,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

/// `digests`: of the state and of what the browser keeps.
pub async fn insert(
    connection: &Connection,
    (state, browser): (&Digest, &Digest),
    pending: &Pending,
    (now, expires_at): (Timestamp, Timestamp),
) -> Result<(), StoreError> {
    let changed = statements::insert()
        .bind(
            connection,
            &state.as_slice(),
            &browser.as_slice(),
            &pending.nonce.as_str(),
            &pending.pkce_verifier.as_str(),
            &pending.return_to.as_str(),
            &pending.language.as_str(),
            &to_column(now),
            &to_column(expires_at),
        )
        .await?;
    expect_rows("customer_sign_ins.insert", changed, 1)
}

/// Uses one up, if this browser began it and its time isn't over.
pub async fn take(
    connection: &Connection,
    (state, browser): (&Digest, &Digest),
    now: Timestamp,
) -> Result<Option<Pending>, StoreError> {
    let taken = statements::take()
        .bind(
            connection,
            &state.as_slice(),
            &browser.as_slice(),
            &to_column(now),
        )
        .opt()
        .await?;
    let Some(row) = taken else { return Ok(None) };
    let table = "customer_sign_ins";
    Ok(Some(Pending {
        return_to: ReturnPath::parse(&row.return_to)
            .ok_or_else(|| unreadable(table, "return_to", &row.return_to))?,
        language: row
            .language
            .parse()
            .map_err(|_| unreadable(table, "language", &row.language))?,
        nonce: row.nonce,
        pkce_verifier: row.pkce_verifier,
    }))
}

/// Deletes up to `limit` that nobody came back from; returns how many.
pub async fn delete_old(
    connection: &Connection,
    now: Timestamp,
    limit: i64,
) -> Result<u64, StoreError> {
    Ok(statements::delete_old()
        .bind(connection, &to_column(now), &limit)
        .await?)
}
