//! The audit log's proof: rows are sealed with a key that the database doesn't have, so that nobody
//! changes, removes or adds one unnoticed, a superuser included.
//!
//! Absent on purpose: writing the log, which triggers do in whoever's transaction changes something.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;
use store::audit_logs::{self, Difference};
pub use store::audit_logs::{Entry, Filter};
use store::audit_seals::{self, Covered, Mac};
use store::{Acting, StoreError, Transaction};
use subtle::ConstantTimeEq as _;

use crate::App;

mod verify;

pub use verify::{Report, Wrong, verify};

/// Keeps this use of the secret key apart from every other.
const PURPOSE: &[u8] = b"stagedoor audit seal v1\0";
/// Rows under one seal: digested in about a tenth of a second, and 240 KB to store.
const ROWS_MAX: i32 = 10_000;

/// The key that makes and checks seals (HMAC-SHA-256, RFC 2104).
#[derive(Clone)]
pub struct SealKey(Vec<u8>);

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(…)")
    }
}

impl SealKey {
    pub fn new(secret: &[u8]) -> Self {
        Self(secret.to_vec())
    }

    /// The MAC of what a seal covers, behind the one before it.
    fn mac(&self, before: Option<&Mac>, covered: &Covered) -> Mac {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes any length");
        mac.update(PURPOSE);
        mac.update(before.unwrap_or(&[0; 32]));
        mac.update(&covered.cluster_id.to_be_bytes());
        mac.update(&covered.until.tx.to_be_bytes());
        mac.update(&covered.until.id.to_be_bytes());
        mac.update(&(covered.row_ids.len() as u64).to_be_bytes());
        for id in &covered.row_ids {
            mac.update(&id.to_be_bytes());
        }
        mac.update(&covered.digests);
        mac.finalize().into_bytes().into()
    }

    fn fits(&self, before: Option<&Mac>, covered: &Covered, mac: &Mac) -> bool {
        self.mac(before, covered).ct_eq(mac).into()
    }
}

/// Seals the next rows of the log; returns how many, at most [`ROWS_MAX`] unless the database was
/// restored from elsewhere. Of several servers one does it at a time; the others find 0.
///
/// The head of the chain goes to the log of the process as well, so that a cut end shows.
pub async fn seal(app: &App, key: &SealKey) -> Result<usize, StoreError> {
    let transaction = Transaction::begin(app.writer(), &Acting::system("seal")).await?;
    if !audit_seals::try_lock(&transaction).await? {
        transaction.rollback().await;
        return Ok(0);
    }
    let rows = audit_logs::list_unsealed(&transaction, ROWS_MAX).await?;
    let cluster_id = audit_seals::find_cluster(&transaction).await?;
    let Some(covered) = Covered::of(cluster_id, &rows) else {
        transaction.rollback().await;
        return Ok(0);
    };
    let before = audit_seals::find_last_mac(&transaction).await?;
    let mac = key.mac(before.as_ref(), &covered);
    let seal = audit_seals::insert(&transaction, &covered, &mac, app.ctx().now()).await?;
    transaction.commit().await?;
    let (until, head) = (covered.until.id, STANDARD.encode(mac));
    tracing::info!(seal, rows = rows.len(), until, head, "audit rows sealed");
    Ok(rows.len())
}

/// Whether so many rows mean that there may be more.
pub(crate) const fn may_have_more(sealed: usize) -> bool {
    sealed >= ROWS_MAX as usize
}

/// A page of the log, newest first, for whoever acts; they must be an active admin.
pub async fn list(
    app: &App,
    by: &Acting,
    filter: &Filter,
    (behind, limit): (Option<(Timestamp, i32)>, i32),
) -> Result<Vec<Entry>, StoreError> {
    let transaction = Transaction::begin(app.writer(), by).await?;
    let entries = audit_logs::list(&transaction, filter, behind, limit).await;
    transaction.rollback().await;
    entries
}

/// Whether anything was ever sealed; that is known without the key.
pub async fn has_seals(app: &App) -> Result<bool, StoreError> {
    let transaction = Transaction::begin(app.writer(), &Acting::system("audit")).await?;
    let last = audit_seals::find_last_mac(&transaction).await;
    transaction.rollback().await;
    Ok(last?.is_some())
}

/// When the longest waiting of the rows without a seal was written.
pub async fn unsealed_since(app: &App) -> Result<Option<Timestamp>, StoreError> {
    let transaction = Transaction::begin(app.writer(), &Acting::system("audit")).await?;
    let since = audit_logs::find_unsealed_since(&transaction).await;
    transaction.rollback().await;
    since
}

/// Records that stand otherwise than the log says; at most a hundred. Empty is good.
pub async fn differences(app: &App) -> Result<Vec<Difference>, StoreError> {
    let transaction = Transaction::begin(app.writer(), &Acting::system("audit")).await?;
    let differences = audit_logs::list_differences(&transaction, 100).await;
    transaction.rollback().await;
    differences
}

/// Writes that rows of a table left the building; `asked` is a JSON object.
pub async fn log_export(
    app: &App,
    by: &Acting,
    table: &str,
    asked: &serde_json::Value,
) -> Result<(), StoreError> {
    let transaction = Transaction::begin(app.writer(), by).await?;
    audit_logs::log_export(&transaction, table, &asked.to_string()).await?;
    transaction.commit().await
}
