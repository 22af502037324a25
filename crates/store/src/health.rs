//! The figures that a database tells of itself, what is kept of them, and the tables' statistics.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::client::Params as _;
use crate::connection::Connection;
use crate::error::StoreError;
use crate::generated::queries::health as statements;
use crate::pool::Lease;
use crate::time::{from_column, to_column};

/// Longer than any of these statements takes; who locks a whole table keeps nobody from the others.
const LOOK: &str =
    "BEGIN READ ONLY; SET LOCAL lock_timeout = 100; SET LOCAL statement_timeout = 2000";

/// What the server tells without touching a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    pub started_at: Timestamp,
    /// Since then, by its own clock.
    pub up: Duration,
    pub active: i64,
    pub idle: i64,
    pub idle_in_transaction: i64,
    /// All of them, also those of which the login sees no more than that they are there.
    pub sessions: i64,
    pub connections_max: i32,
    pub oldest_transaction: Duration,
    /// Of those that keep old rows from being cleared.
    pub oldest_snapshot: Duration,
    /// Sessions that wait for a lock, and the longest wait.
    pub lock_waiting: i64,
    pub lock_wait: Duration,
    /// Since statistics were reset.
    pub deadlocks: i64,
    pub bytes: i64,
}

/// A session for which others wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocker {
    pub pid: i32,
    pub application: String,
    pub username: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub name: String,
    /// With its indexes.
    pub bytes: i64,
    /// An estimate.
    pub rows: i64,
    pub scans: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    pub name: String,
    pub bytes: i64,
}

/// Where the database keeps its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDirectory {
    pub path: String,
    /// Whether it was reached without a network.
    pub is_near: bool,
}

pub async fn look_at_server(connection: &Connection) -> Result<Server, StoreError> {
    let row = statements::look_at_server().bind(connection).one().await?;
    Ok(Server {
        started_at: from_column(row.started_at),
        up: seconds(Some(row.up_s)),
        active: row.active,
        idle: row.idle,
        idle_in_transaction: row.idle_in_transaction,
        sessions: row.everybody,
        connections_max: row.connections_max,
        oldest_transaction: seconds(row.oldest_transaction_s),
        oldest_snapshot: seconds(row.oldest_snapshot_s),
        lock_waiting: row.lock_waiting,
        lock_wait: seconds(Some(row.lock_wait_s)),
        deadlocks: row.deadlocks,
        bytes: row.bytes,
    })
}

/// Clocks of a snapshot and of a session may cross by a moment.
fn seconds(seconds: Option<f64>) -> Duration {
    let seconds = seconds.unwrap_or_default().max(0.0);
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// Whom the longest waiting session waits for; `None` while nobody waits for over a second.
pub async fn find_blocker(connection: &Connection) -> Result<Option<Blocker>, StoreError> {
    let row = statements::find_blocker().bind(connection).opt().await?;
    Ok(row.map(|row| Blocker {
        pid: row.pid,
        application: row.application.unwrap_or_default(),
        username: row.username.unwrap_or_default(),
    }))
}

/// The size of everything; an error while somebody locks a whole table.
pub async fn list_sizes(lease: &Lease) -> Result<(Vec<Table>, Vec<Index>), StoreError> {
    lease.begin_with(LOOK).await?;
    let read = async {
        let tables = statements::list_tables().bind(&**lease).all().await?;
        let indexes = statements::list_indexes().bind(&**lease).all().await?;
        Ok::<_, StoreError>((tables, indexes))
    };
    let read = read.await;
    lease.end("ROLLBACK").await?;
    let (tables, indexes) = read?;
    let table = |row: statements::ListTables| Table {
        name: row.name,
        bytes: row.bytes,
        rows: row.live_rows,
        scans: row.scans,
    };
    let index = |row: statements::ListIndexes| Index {
        name: row.name,
        bytes: row.bytes,
    };
    Ok((
        tables.into_iter().map(table).collect(),
        indexes.into_iter().map(index).collect(),
    ))
}

/// `None` where the login may not know, as all but the monitor's.
pub async fn find_data_directory(
    connection: &Connection,
) -> Result<Option<DataDirectory>, StoreError> {
    let statement = statements::find_data_directory();
    let row = statement.bind(connection).one().await?;
    let is_near = row.is_near;
    Ok(row.path.map(|path| DataDirectory { path, is_near }))
}

/// The next `limit` concerts on sale with the tickets that are left.
pub async fn list_on_sale(
    connection: &Connection,
    today: Date,
    limit: i64,
) -> Result<Vec<(i32, i32)>, StoreError> {
    let rows = statements::list_on_sale()
        .bind(connection, &today, &limit)
        .all()
        .await?;
    let read = |row: statements::ListOnSale| (row.id, row.available_tickets);
    Ok(rows.into_iter().map(read).collect())
}

/// Concerts with unpaid reservations, and the tickets that these hold.
pub async fn list_held(connection: &Connection) -> Result<Vec<(i32, i64)>, StoreError> {
    let rows = statements::list_held().bind(connection).all().await?;
    let read = |row: statements::ListHeld| (row.concert_id, row.tickets);
    Ok(rows.into_iter().map(read).collect())
}

/// The next `limit` concerts behind one, in the order of their ids, each with its taken tickets.
pub async fn list_taken(
    connection: &Connection,
    after: i32,
    limit: i64,
) -> Result<Vec<(i32, i64)>, StoreError> {
    let rows = statements::list_taken()
        .bind(connection, &after, &limit)
        .all()
        .await?;
    let read = |row: statements::ListTaken| (row.id, row.taken);
    Ok(rows.into_iter().map(read).collect())
}

/// Up to `limit` concerts of a stretch, without its first and with its last, that don't add up.
pub async fn list_broken(
    connection: &Connection,
    (after, up_to): (i32, i32),
    limit: i64,
) -> Result<Vec<i32>, StoreError> {
    let broken = statements::list_broken()
        .bind(connection, &after, &up_to, &limit)
        .all()
        .await?;
    Ok(broken)
}

/// How long the stretch is of which a sample is the peak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Minute,
    Hour,
}

impl Step {
    const fn minutes(self) -> i16 {
        match self {
            Self::Minute => 1,
            Self::Hour => 60,
        }
    }
}

/// Keeps the peaks of a stretch, or what was higher already.
pub async fn keep_samples(
    connection: &Connection,
    (step, at): (Step, Timestamp),
    peaks: &[(&str, f64)],
) -> Result<(), StoreError> {
    let series: Vec<&str> = peaks.iter().map(|(name, _)| *name).collect();
    let values: Vec<f64> = peaks.iter().map(|(_, peak)| *peak).collect();
    let parameters = statements::KeepSampleParams {
        step_minutes: step.minutes(),
        at: to_column(at),
        series,
        values,
    };
    statements::keep_sample()
        .params(connection, &parameters)
        .await?;
    Ok(())
}

/// A kept peak: the series, when its stretch began, and the value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub series: String,
    pub at: Timestamp,
    pub value: f64,
}

/// Series by series, the oldest first.
pub async fn list_samples(
    connection: &Connection,
    series: &[&str],
    (step, since): (Step, Timestamp),
) -> Result<Vec<Sample>, StoreError> {
    let rows = statements::list_samples()
        .bind(connection, &series, &step.minutes(), &to_column(since))
        .all()
        .await?;
    let read = |row: statements::ListSamples| Sample {
        series: row.series,
        at: from_column(row.at),
        value: row.value,
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Minutes, hours and table sizes from before these; how many rows that were.
pub async fn forget(
    connection: &Connection,
    (minutes, hours, sizes): (Timestamp, Timestamp, Date),
) -> Result<u64, StoreError> {
    let samples = statements::forget_samples()
        .bind(connection, &to_column(minutes), &to_column(hours))
        .await?;
    let sizes = statements::forget_table_sizes()
        .bind(connection, &sizes)
        .await?;
    Ok(samples + sizes)
}

/// Keeps today's sizes, unless there are some.
pub async fn keep_table_sizes(
    connection: &Connection,
    (day, measured_at): (Date, Timestamp),
    tables: &[(String, i64)],
) -> Result<(), StoreError> {
    let names: Vec<&str> = tables.iter().map(|(name, _)| name.as_str()).collect();
    let sizes: Vec<i64> = tables.iter().map(|(_, bytes)| *bytes).collect();
    let parameters = statements::KeepTableSizesParams {
        day,
        measured_at: to_column(measured_at),
        names,
        sizes,
    };
    statements::keep_table_sizes()
        .params(connection, &parameters)
        .await?;
    Ok(())
}

/// How big a table once was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldSize {
    pub table: String,
    pub bytes: i64,
    pub measured_at: Timestamp,
}

/// The oldest measure of each table since a day.
pub async fn list_table_sizes(
    connection: &Connection,
    since: Date,
) -> Result<Vec<OldSize>, StoreError> {
    let rows = statements::list_table_sizes()
        .bind(connection, &since)
        .all()
        .await?;
    let read = |row: statements::ListTableSizes| OldSize {
        table: row.table_name,
        bytes: row.bytes,
        measured_at: from_column(row.measured_at),
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Gathers a table's statistics; `false` where there is no such table of ours.
pub async fn analyze_table(connection: &Connection, name: &str) -> Result<bool, StoreError> {
    let statement = statements::analyze_table();
    let analyze = statement.bind(connection, &name);
    Ok(connection.patiently(analyze.one()).await?)
}
