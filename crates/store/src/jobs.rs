//! Jobs: effects that wait for a worker, leased to one worker at a time.
//!
//! Absent on purpose: which tasks exist and when a job is tried again (`app::jobs`).

use jiff::Timestamp;
use serde_json::Value;

use crate::client::Params as _;
use crate::connection::Connection;
use crate::error::StoreError;
use crate::generated::queries::jobs as statements;
use crate::time::{from_column, to_column};

/// What the column of errors takes, in characters.
pub const ERROR_LENGTH_MAX: usize = 500;

/// A job to be written.
#[derive(Clone, Debug)]
pub struct NewJob<'a> {
    pub task: &'a str,
    pub payload: &'a Value,
    /// While a job of this task and key is pending, a second one is none.
    pub dedup_key: Option<&'a str>,
    pub run_at: Timestamp,
    pub attempts_max: i32,
    pub now: Timestamp,
}

/// A job that this worker has until its lease ends.
#[derive(Clone, Debug, PartialEq)]
pub struct TakenJob {
    pub lease: Lease,
    pub task: String,
    pub payload: Value,
    pub attempts_max: i32,
}

/// The right to say what became of a job; it is void once somebody else has taken the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub id: i64,
    /// Which attempt this is, from 1.
    pub attempt: i32,
}

/// Which jobs a worker wants.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub tasks: &'a [&'a str],
    pub limit: i64,
    pub now: Timestamp,
    pub leased_until: Timestamp,
}

/// `false` when a pending job has the key already.
pub async fn insert(connection: &Connection, new: &NewJob<'_>) -> Result<bool, StoreError> {
    let parameters = statements::InsertParams {
        task: new.task,
        payload: new.payload.to_string(),
        dedup_key: new.dedup_key,
        run_at: to_column(new.run_at),
        attempts_max: new.attempts_max,
        now: to_column(new.now),
    };
    Ok(statements::insert().params(connection, &parameters).await? == 1)
}

/// Leases due jobs; what another worker has is passed over.
pub async fn take(
    connection: &Connection,
    wanted: &Wanted<'_>,
) -> Result<Vec<TakenJob>, StoreError> {
    let parameters = statements::TakeParams {
        tasks: wanted.tasks,
        now: to_column(wanted.now),
        limit: wanted.limit,
        leased_until: to_column(wanted.leased_until),
    };
    let rows = statements::take()
        .params(connection, &parameters)
        .all()
        .await?;
    rows.into_iter().map(taken).collect()
}

fn taken(row: statements::TakenJob) -> Result<TakenJob, StoreError> {
    let payload = serde_json::from_str(&row.payload).map_err(|_| StoreError::Unreadable {
        table: "jobs",
        detail: format!("payload of job {}", row.id),
    })?;
    Ok(TakenJob {
        lease: Lease {
            id: row.id,
            attempt: row.attempts,
        },
        task: row.task,
        payload,
        attempts_max: row.attempts_max,
    })
}

/// Whether a worker has the job under this key now, in a lease that ends until then.
pub async fn exists_leased(
    connection: &Connection,
    (task, dedup_key): (&str, &str),
    now: Timestamp,
    leased_until: Timestamp,
) -> Result<bool, StoreError> {
    let (now, until) = (to_column(now), to_column(leased_until));
    let is_leased = statements::exists_leased()
        .bind(connection, &task, &dedup_key, &now, &until)
        .one()
        .await?;
    Ok(is_leased)
}

/// `false` when the lease was lost: another worker decides what becomes of the job.
pub async fn update_done(
    connection: &Connection,
    lease: Lease,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let changed = statements::update_done()
        .bind(connection, &to_column(now), &lease.id, &lease.attempt)
        .await?;
    Ok(changed == 1)
}

/// The job is done, and the next of its task, payload and key is due at `run_at`, in one statement: there
/// is never none of them and never a second. `false` as in [`update_done`].
pub async fn update_again(
    connection: &Connection,
    lease: Lease,
    run_at: Timestamp,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (now, run_at) = (to_column(now), to_column(run_at));
    let written = statements::update_again()
        .bind(connection, &now, &lease.id, &lease.attempt, &run_at)
        .await?;
    Ok(written == 1)
}

/// The job is due again at `run_at`. `false` as in [`update_done`].
pub async fn update_retry(
    connection: &Connection,
    lease: Lease,
    run_at: Timestamp,
    error: &str,
) -> Result<bool, StoreError> {
    let run_at = to_column(run_at);
    let changed = statements::update_retry()
        .bind(connection, &run_at, &error, &lease.id, &lease.attempt)
        .await?;
    Ok(changed == 1)
}

/// The job is given up and stays visible with its error. `false` as in [`update_done`].
pub async fn update_dead(
    connection: &Connection,
    lease: Lease,
    now: Timestamp,
    error: &str,
) -> Result<bool, StoreError> {
    let now = to_column(now);
    let changed = statements::update_dead()
        .bind(connection, &now, &error, &lease.id, &lease.attempt)
        .await?;
    Ok(changed == 1)
}

/// Since when the longest waiting job of each task has been due; tasks without one are absent.
pub async fn list_oldest(
    connection: &Connection,
    tasks: &[&str],
    now: Timestamp,
) -> Result<Vec<(String, Timestamp)>, StoreError> {
    let rows = statements::list_oldest()
        .bind(connection, &tasks, &to_column(now))
        .all()
        .await?;
    let oldest = |row: statements::Oldest| (row.task, from_column(row.run_at));
    Ok(rows.into_iter().map(oldest).collect())
}

/// How many jobs were given up and are still kept.
pub async fn count_dead(connection: &Connection) -> Result<i64, StoreError> {
    Ok(statements::count_dead().bind(connection).one().await?)
}

/// Deletes up to `limit` jobs that ended so long ago; returns how many there were.
pub async fn delete_finished(
    connection: &Connection,
    done_before: Timestamp,
    dead_before: Timestamp,
    limit: i64,
) -> Result<u64, StoreError> {
    let (done_before, dead_before) = (to_column(done_before), to_column(dead_before));
    Ok(statements::delete_finished()
        .bind(connection, &done_before, &dead_before, &limit)
        .await?)
}

/// Lets one transaction at a time have `key`, however many servers there are.
pub async fn try_lock(connection: &Connection, key: i64) -> Result<bool, StoreError> {
    Ok(statements::try_lock().bind(connection, &key).one().await?)
}
