//! Jobs: effects such as mail and refunds, written in the transaction that makes them necessary
//! and run by a worker afterwards, at least once.
//!
//! ```text
//! use case ──enqueue──> its own transaction ──commit──> wake ──> worker ──> task
//!                                                         polls, for what others enqueued
//! ```
//!
//! Absent on purpose: the tasks themselves, which live beside the use cases that they belong to.

mod backoff;
mod outage;
mod periodic;
mod tasks;
mod worker;

use jiff::Timestamp;
use serde_json::Value;
use store::{StoreError, Transaction, jobs};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::App;
pub use periodic::{measure_backups, measure_oldest, measure_unsealed};
pub use store::jobs::NewJob;
pub use tasks::{Attempt, Outcome, Tasks};
pub use worker::{LEASE, work};

/// About eight hours of tries by the pauses of `backoff`: most outages of others are shorter.
pub(crate) const ATTEMPTS_MAX: i32 = 25;

/// A job for as soon as its transaction is committed.
///
/// The payload names rows by their ids; whatever else is personal or secret stays where it is.
/// A wish beyond that is a field: `NewJob { dedup_key: Some(id), ..jobs::new(SEND_MAIL, &payload, now) }`.
/// A key stands for one effect that is wanted once. It is none for "look again", because a job
/// that runs at this moment still has it.
pub fn new<'a>(task: &'static str, payload: &'a Value, now: Timestamp) -> NewJob<'a> {
    NewJob {
        task,
        payload,
        dedup_key: None,
        run_at: now,
        attempts_max: ATTEMPTS_MAX,
        now,
    }
}

/// Writes a job in the caller's transaction; `false` when its key's job is pending already.
///
/// After the commit, [`wake`] lets it run at once; without, the worker finds it when it polls.
///
/// INVARIANT: a job runs at least once after the commit, and never without one; guarded by
/// `a_job_runs_exactly_when_its_transaction_is_committed`.
pub async fn enqueue(transaction: &Transaction, job: &NewJob<'_>) -> Result<bool, StoreError> {
    jobs::insert(transaction, job).await
}

/// Tells this process' worker that a job was committed. Costs nothing where there is none.
pub fn wake(app: &App) {
    app.job_committed().notify_one();
}

/// How many jobs were given up and are still kept.
pub async fn count_dead(app: &App) -> Result<i64, StoreError> {
    let connection = app.writer().get().await?;
    jobs::count_dead(&connection).await
}

/// Starts the worker and the periodic work of this process; each ends soon after `stopped`.
pub fn start(app: &App, tasks: Tasks, stopped: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
    let mut started = periodic::start(app, stopped);
    started.push(tokio::spawn(work(app.clone(), tasks, stopped.clone())));
    started
}
