//! What was blanked in the audit log when customers were erased, with what proves it.

use jiff::Timestamp;

use crate::audit_seals::{KeyId, Mac, Signature};
use crate::connection::Connection;
use crate::error::StoreError;
use crate::generated::queries::personal_data as statements;
use crate::receipts::Digest;
use crate::time::{from_column, to_column};

/// The erasure of one customer, as far as the audit log goes: everything of it but its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    pub id: i64,
    pub pseudonym: String,
    /// The row of the log that tells of it.
    pub log_id: i32,
    pub row_ids: Vec<i32>,
    /// 16 bytes for each row, as it was.
    pub befores: Vec<u8>,
    /// And as it is since.
    pub afters: Vec<u8>,
    pub erased_at: Timestamp,
}

/// A row of the log that was blanked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blanked {
    pub id: i32,
    pub before: Digest,
    pub after: Digest,
}

impl Erasure {
    /// Each row with its digests.
    pub fn rows(&self) -> impl Iterator<Item = Blanked> {
        let (befores, _) = self.befores.as_chunks::<16>();
        let (afters, _) = self.afters.as_chunks::<16>();
        let digests = befores.iter().zip(afters);
        let rows = self.row_ids.iter().zip(digests);
        rows.map(|(id, (before, after))| Blanked {
            id: *id,
            before: *before,
            after: *after,
        })
    }
}

/// Signs an erasure in the transaction that made it.
pub async fn sign(
    connection: &Connection,
    id: i64,
    signature: &Signature,
) -> Result<(), StoreError> {
    let key_id = signature.key_id.unwrap_or_default();
    statements::sign_erasure()
        .bind(
            connection,
            &id,
            &key_id.as_slice(),
            &signature.mac.as_slice(),
        )
        .one()
        .await?;
    Ok(())
}

/// The erasures in order, behind one of them; without a signature where nobody signed one.
pub async fn list(
    connection: &Connection,
    after_id: i64,
    rows_max: i64,
) -> Result<Vec<(Erasure, Option<Signature>)>, StoreError> {
    let list = statements::list_erasures();
    let rows = list.bind(connection, &after_id, &rows_max).all().await?;
    let rows = rows.into_iter().map(|row| {
        let signature = row.mac.and_then(|mac| {
            let key_id = row.key_id.map(|id| KeyId::try_from(id.as_slice()));
            Some(Signature {
                key_id: key_id.transpose().ok()?,
                mac: Mac::try_from(mac.as_slice()).ok()?,
            })
        });
        let erasure = Erasure {
            id: row.id,
            pseudonym: row.pseudonym,
            log_id: row.log_id,
            row_ids: row.row_ids,
            befores: row.befores,
            afters: row.afters,
            erased_at: from_column(row.erased_at),
        };
        (erasure, signature)
    });
    Ok(rows.collect())
}

/// Blanks what is kept about a customer whose reservations are locked; `None` where nothing is.
pub async fn erase(
    connection: &Connection,
    ids: &[&str],
    (email, pseudonym): (&str, &str),
    now: Timestamp,
) -> Result<Option<Erasure>, StoreError> {
    let erased = statements::erase()
        .bind(connection, &ids, &email, &pseudonym, &to_column(now))
        .opt()
        .await?;
    Ok(erased.map(|row| Erasure {
        id: row.erasure_id,
        pseudonym: pseudonym.to_owned(),
        log_id: row.log_row,
        row_ids: row.rows_blanked,
        befores: row.digests_before,
        afters: row.digests_after,
        erased_at: now,
    }))
}
