//! The audit log: what triggers wrote. It is read by staff through a function that looks their role
//! up, and by its digests alone for everything else.

use jiff::Timestamp;
use uuid::Uuid;

use crate::connection::Connection;
use crate::error::StoreError;
use crate::generated::queries::audit_logs as statements;
use crate::receipts::Digest;
use crate::time::{from_column, to_column};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: i32,
    pub user_id: Option<i32>,
    /// Of that account, as it is called today.
    pub username: Option<String>,
    pub action: String,
    pub table_name: String,
    pub record_id: Option<String>,
    /// JSON objects.
    pub old_values: Option<String>,
    pub new_values: Option<String>,
    pub ip_address: Option<String>,
    pub created_at: Timestamp,
    pub actor_kind: Option<String>,
    pub actor: Option<String>,
    pub request_id: Option<Uuid>,
}

/// Which changes; everything may be left open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub table_name: Option<String>,
    pub record_id: Option<String>,
    pub user_id: Option<i32>,
    pub action: Option<String>,
    pub from: Option<Timestamp>,
    /// Not included.
    pub to: Option<Timestamp>,
}

/// A page of changes, newest first, behind one of them. Whoever acts must be an active admin.
pub async fn list(
    connection: &Connection,
    filter: &Filter,
    behind: Option<(Timestamp, i32)>,
    limit: i32,
) -> Result<Vec<Entry>, StoreError> {
    let rows = statements::list()
        .bind(
            connection,
            &filter.table_name.as_deref(),
            &filter.record_id.as_deref(),
            &filter.user_id,
            &filter.action.as_deref(),
            &filter.from.map(to_column),
            &filter.to.map(to_column),
            &behind.map(|(at, _)| to_column(at)),
            &behind.map(|(_, id)| id),
            &limit,
        )
        .all()
        .await?;
    let entries = rows.into_iter().map(|row| Entry {
        id: row.id,
        user_id: row.user_id,
        username: row.username,
        action: row.action,
        table_name: row.table_name,
        record_id: row.record_id,
        old_values: row.old_values,
        new_values: row.new_values,
        ip_address: row.ip_address,
        created_at: from_column(row.created_at),
        actor_kind: row.actor_kind,
        actor: row.actor,
        request_id: row.request_id,
    });
    Ok(entries.collect())
}

/// Writes that rows of a table left, and what was asked for, as JSON.
pub async fn log_export(
    connection: &Connection,
    table: &str,
    asked: &str,
) -> Result<(), StoreError> {
    let log_export = statements::log_export();
    log_export.bind(connection, &table, &asked).one().await?;
    Ok(())
}

/// Where a row stands in the order of the seals: by the end of its transaction's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub tx: u64,
    pub id: i32,
}

/// A row of the log by what proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    pub position: Position,
    pub digest: Digest,
}

/// The next rows that no seal covers, in the order of their positions.
pub async fn list_unsealed(
    connection: &Connection,
    rows_max: i32,
) -> Result<Vec<Proof>, StoreError> {
    let list_unsealed = statements::list_unsealed();
    let rows = list_unsealed.bind(connection, &rows_max).all().await?;
    rows.into_iter()
        .map(|row| proof(row.id, Some(&row.tx), &row.digest))
        .collect()
}

/// When the longest waiting of the rows that no seal covers was written; `None` if all are sealed.
pub async fn find_unsealed_since(connection: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let next = statements::list_unsealed();
    let next = next.bind(connection, &1).opt().await?;
    Ok(next.map(|row| from_column(row.written_at)))
}

/// A page of the log by id, behind one of them.
pub async fn list_proofs(
    connection: &Connection,
    after_id: i32,
    rows_max: i32,
) -> Result<Vec<Proof>, StoreError> {
    let list_digests = statements::list_digests();
    let rows = list_digests.bind(connection, &after_id, &rows_max);
    rows.all()
        .await?
        .into_iter()
        .map(|row| proof(row.id, row.tx.as_deref(), &row.digest))
        .collect()
}

/// A row without a transaction's number is older than seals are.
fn proof(id: i32, tx: Option<&str>, digest: &[u8]) -> Result<Proof, StoreError> {
    let unreadable = || StoreError::Unreadable {
        table: "audit_logs",
        detail: format!("the proof of row {id}"),
    };
    let tx = tx.unwrap_or("0").parse().map_err(|_| unreadable())?;
    Ok(Proof {
        position: Position { tx, id },
        digest: digest.try_into().map_err(|_| unreadable())?,
    })
}

/// A record that stands otherwise than the log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub table_name: String,
    pub record_id: String,
    /// Tickets left, or the status.
    pub by_log: String,
    pub by_table: String,
}

/// Double entry: up to so many records whose last change in the log isn't how they stand.
pub async fn list_differences(
    connection: &Connection,
    rows_max: i32,
) -> Result<Vec<Difference>, StoreError> {
    let list_differences = statements::list_differences();
    let rows = list_differences.bind(connection, &rows_max).all().await?;
    let differences = rows.into_iter().map(|row| Difference {
        table_name: row.table_name,
        record_id: row.record_id,
        by_log: row.by_log,
        by_table: row.by_table,
    });
    Ok(differences.collect())
}
