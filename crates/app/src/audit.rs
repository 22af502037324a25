//! The audit log's proof: rows are sealed with a key that the database doesn't have, so that nobody
//! changes, removes or adds one unnoticed, a superuser included.
//!
//! Absent on purpose: writing the log, which triggers do in whoever's transaction changes something.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::id::ConcertId;
use jiff::Timestamp;
use store::audit_logs;
pub use store::audit_logs::{Entry, Filter, Unsealed};
use store::audit_seals::{self, Covered};
use store::{Acting, StoreError, Transaction};

use crate::App;

mod entries;
mod erased;
mod head;
mod key;
mod pace;
mod verify;

pub use entries::{Difference, PAGE_ROWS, differences};
pub use erased::Erased;
pub(crate) use head::Head;
pub use key::SealKey;
pub use pace::Sealed;
pub use verify::{Report, SealHead, Wrong, verify};

/// Rows under one seal: digested in some 25 ms, so that a sale beside it waits for no longer.
const ROWS_MAX: i32 = 4_000;

/// Seals the next rows of the log, at most [`ROWS_MAX`]. Of several servers one does it at a time; the
/// others find nothing.
///
/// The head of the chain goes to the log of the process as well, so that a cut end shows.
pub async fn seal(app: &App, key: &SealKey) -> Result<Sealed, StoreError> {
    let transaction = Transaction::begin(app.writer(), &Acting::system("seal")).await?;
    if !audit_seals::try_lock(&transaction).await? {
        transaction.rollback().await;
        return Ok(Sealed::NOTHING);
    }
    let has_lost_head = app.sealed_head().is_lost(&transaction).await?;
    let began = Instant::now();
    let rows = audit_logs::list_unsealed(&transaction, ROWS_MAX).await?;
    let cluster_id = audit_seals::find_cluster(&transaction).await?;
    let Some(covered) = Covered::of(cluster_id, &rows) else {
        transaction.rollback().await;
        return Ok(Sealed {
            has_lost_head,
            ..Sealed::NOTHING
        });
    };
    let before = audit_seals::find_last_mac(&transaction).await?;
    let signature = key.sign(before.as_ref(), &covered);
    let now = app.ctx().now();
    let seal = audit_seals::insert(&transaction, &covered, &signature, now).await?;
    let took = began.elapsed();
    transaction.commit().await?;
    app.sealed_head().keep(seal, signature.mac);
    let (until, head) = (covered.until.id, STANDARD.encode(signature.mac));
    tracing::info!(seal, rows = rows.len(), until, head, "audit rows sealed");
    let oldest = rows.iter().map(|(_, written_at)| *written_at).min();
    let age = oldest.map(|written_at| now.duration_since(written_at));
    Ok(Sealed {
        rows: rows.len(),
        is_full: rows.len() >= ROWS_MAX as usize,
        age: age.map_or(Duration::ZERO, |age| age.try_into().unwrap_or_default()),
        took,
        has_lost_head,
    })
}

/// A page of the log, newest first, for whoever acts; they must be an active admin.
pub async fn list(
    app: &App,
    by: &Acting,
    filter: &Filter,
    (behind, limit): (Option<(Timestamp, i32)>, i32),
) -> Result<Vec<Entry>, StoreError> {
    let transaction = Transaction::begin_reading(app.writer(), by).await?;
    let entries = audit_logs::list(&transaction, filter, behind, limit).await;
    transaction.rollback().await;
    entries
}

/// Who last edited a concert, and when, for whoever acts; they must be an active admin.
pub async fn last_edit(
    app: &App,
    by: &Acting,
    id: ConcertId,
) -> Result<Option<(String, Timestamp)>, StoreError> {
    let transaction = Transaction::begin_reading(app.writer(), by).await?;
    let found = audit_logs::find_last_edit(&transaction, id, &EDITED).await;
    transaction.rollback().await;
    found
}

/// What staff edit of a concert; sales and opening change others.
const EDITED: [&str; 8] = [
    "name",
    "artist",
    "date",
    "venue",
    "total_tickets",
    "price",
    "image_url",
    "description",
];

/// Whether anything was ever sealed; that is known without the key.
pub async fn has_seals(app: &App) -> Result<bool, StoreError> {
    let last = read(app, async |transaction| {
        audit_seals::find_last_mac(transaction).await
    })
    .await;
    Ok(last?.is_some())
}

/// The longest waiting of the rows without a seal.
pub async fn unsealed(app: &App) -> Result<Option<Unsealed>, StoreError> {
    let connection = app.writer().get().await?;
    audit_logs::find_unsealed(&connection).await
}

/// Reads in a transaction of its own, so that no snapshot is kept for longer than one page takes.
async fn read<T>(
    app: &App,
    ask: impl AsyncFnOnce(&Transaction) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = Transaction::begin(app.writer(), &Acting::system("audit")).await?;
    let answer = ask(&transaction).await;
    transaction.rollback().await;
    answer
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
