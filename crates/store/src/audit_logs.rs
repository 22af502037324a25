//! The audit log: what triggers wrote. It is read by staff through a function that looks their role
//! up, and by its digests alone for everything else.

use std::time::Duration;

use domain::id::ConcertId;
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
    /// Without what the product did by itself.
    pub by_people: bool,
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
            &filter.by_people,
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

/// Who last changed a concert themselves, by name, and when.
pub async fn find_last_edit(
    connection: &Connection,
    concert: ConcertId,
    columns: &[&str],
) -> Result<Option<(String, Timestamp)>, StoreError> {
    let found = statements::find_last_edit()
        .bind(connection, &concert.to_string(), &CHANGES_MAX, &columns)
        .opt()
        .await?;
    Ok(found.map(|row| (row.username, from_column(row.created_at))))
}

/// More than a sale of a large house makes; they are read in some 50 ms.
const CHANGES_MAX: i32 = 20_000;

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

/// Writes that failed sign-ins were forgotten, and whose, as JSON.
pub async fn log_unlock(connection: &Connection, asked: &str) -> Result<(), StoreError> {
    let log_unlock = statements::log_unlock();
    log_unlock.bind(connection, &asked).one().await?;
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

/// The next rows that no seal covers, in the order of their positions, with when each was written.
pub async fn list_unsealed(
    connection: &Connection,
    rows_max: i32,
) -> Result<Vec<(Proof, Timestamp)>, StoreError> {
    let list_unsealed = statements::list_unsealed();
    let rows = list_unsealed.bind(connection, &rows_max).all().await?;
    rows.into_iter()
        .map(|row| {
            let proof = proof(row.id, Some(&row.tx), &row.digest)?;
            Ok((proof, from_column(row.written_at)))
        })
        .collect()
}

/// The longest waiting of the rows that no seal covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsealed {
    pub written_at: Timestamp,
    /// By the database's clock, which wrote it.
    pub age: Duration,
}

/// `None` if all are sealed.
pub async fn find_unsealed(connection: &Connection) -> Result<Option<Unsealed>, StoreError> {
    let found = statements::find_unsealed().bind(connection).one().await?;
    Ok(found.written_at.map(|written_at| Unsealed {
        written_at: from_column(written_at),
        age: Duration::try_from_secs_f64(found.age_seconds.unwrap_or_default()).unwrap_or_default(),
    }))
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

/// One row of the log by what it changed: columns with numbers that are the same for the same value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub id: i32,
    pub table_name: String,
    pub record_id: String,
    /// The record came with it.
    pub is_new: bool,
    pub old_values: Vec<(String, i64)>,
    /// None where the record went for good.
    pub new_values: Vec<(String, i64)>,
    /// The table of concerts or reservations doesn't have it, nor was it emptied at once since.
    pub is_lost: bool,
    /// With a record's last change, all that its table says of it; else nothing.
    pub standing: Vec<(String, i64)>,
}

/// A page of the changes, by record and in each record's order, behind a row of a record. Numbers
/// for values compare within one seed.
pub async fn list_changes(
    connection: &Connection,
    (after_record, after_id): (&str, i32),
    seed: i64,
    rows_max: i32,
) -> Result<Vec<Change>, StoreError> {
    let list_changes = statements::list_changes();
    let rows = list_changes.bind(connection, &after_record, &after_id, &seed, &rows_max);
    Ok(rows.map(change).all().await?)
}

/// The same of one record of a table, behind a row of it.
pub async fn list_record_changes(
    connection: &Connection,
    (table, record, after_id): (&str, &str, i32),
    seed: i64,
    rows_max: i32,
) -> Result<Vec<Change>, StoreError> {
    let list_changes = statements::list_record_changes();
    let rows = list_changes.bind(connection, &table, &record, &after_id, &seed, &rows_max);
    Ok(rows.map(change).all().await?)
}

fn change(row: statements::ChangeBorrowed<'_>) -> Change {
    let row = statements::Change::from(row);
    let pairs = |columns: Vec<String>, hashes| columns.into_iter().zip(hashes).collect();
    Change {
        id: row.id,
        table_name: row.table_name,
        record_id: row.record_id,
        is_new: row.is_new,
        old_values: pairs(row.old_columns, row.old_hashes),
        new_values: pairs(row.new_columns, row.new_hashes),
        is_lost: row.is_lost,
        standing: pairs(row.standing_columns, row.standing_hashes),
    }
}

/// Staff accounts whose making isn't in the log.
pub async fn list_untold_accounts(connection: &Connection) -> Result<Vec<i32>, StoreError> {
    Ok(statements::list_untold_accounts()
        .bind(connection)
        .all()
        .await?)
}

/// What the log and a table say of the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair<Id> {
    pub id: Id,
    /// Tickets left, or the status; `None` where the log doesn't know.
    pub by_log: Option<String>,
    pub by_table: String,
}

/// A page of concerts, with the tickets that are left of them.
pub async fn list_concert_entries(
    connection: &Connection,
    after_id: i32,
    rows_max: i32,
) -> Result<Vec<Pair<i32>>, StoreError> {
    let list = statements::list_concert_entries();
    let rows = list.bind(connection, &after_id, &rows_max).all().await?;
    let pairs = rows.into_iter().map(|row| Pair {
        id: row.id,
        by_log: row.by_log,
        by_table: row.by_table,
    });
    Ok(pairs.collect())
}

/// A page of reservations, with how they stand.
pub async fn list_reservation_entries(
    connection: &Connection,
    after_id: &str,
    rows_max: i32,
) -> Result<Vec<Pair<String>>, StoreError> {
    let list = statements::list_reservation_entries();
    let rows = list.bind(connection, &after_id, &rows_max).all().await?;
    let pairs = rows.into_iter().map(|row| Pair {
        id: row.id,
        by_log: row.by_log,
        by_table: row.by_table,
    });
    Ok(pairs.collect())
}
