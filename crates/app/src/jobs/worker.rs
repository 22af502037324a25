//! The worker: leases due jobs, runs each outside any transaction, and writes what became of it.
//!
//! A worker that dies loses nothing: its leases end, and another one begins the jobs anew.

use std::sync::Arc;
use std::time::Duration;

use store::StoreError;
use store::jobs::{self, ERROR_LENGTH_MAX, TakenJob, Wanted};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::outage::Outage;
use super::{Attempt, Outcome, Tasks, backoff};
use crate::App;

/// Jobs at one time: a fifth of the pool's connections, so that sales never wait for jobs.
const RUNNING_MAX: usize = 4;
/// Of those, the ones that wait for servers which may be slow for hours and keep nobody's money: so
/// many, that refunds and payments always have the rest.
const PATIENT_MAX: usize = 2;
/// How late a job of another process, or one that waited for its time, is found.
const POLL_EVERY: Duration = Duration::from_secs(2);
/// Longer than any answer of others is worth waiting for.
const RUN_MAX: Duration = Duration::from_mins(1);
/// How often an outcome is written that the database doesn't take: a short outage should not
/// send a mail twice.
const SETTLE_TRIES: u32 = 5;
const SETTLE_AGAIN: Duration = Duration::from_secs(1);
/// [`RUN_MAX`] and all tries to settle, each with the pool's two seconds, end before it does.
pub const LEASE: Duration = Duration::from_secs(90);
/// What a server that was told to stop has for its jobs, of ten seconds in all.
const STOP_WITHIN: Duration = Duration::from_secs(8);

/// Runs jobs of `tasks` until `stopped`; then finishes what runs. Ends at once without tasks.
pub async fn work(app: App, tasks: Tasks, mut stopped: watch::Receiver<bool>) {
    if tasks.is_empty() {
        return;
    }
    let mut running = JoinSet::new();
    let patient = Arc::new(Semaphore::new(PATIENT_MAX));
    let mut outage = Outage::none("the job worker");
    loop {
        let free = RUNNING_MAX - running.len();
        let rest = match take(&app, &tasks, free, &patient).await {
            Ok(taken) => {
                outage.worked();
                for (job, place) in taken {
                    let span = tracing::info_span!("job", id = job.lease.id, task = job.task);
                    let work = run(app.clone(), tasks.clone(), job).instrument(span);
                    running.spawn(async move {
                        work.await;
                        drop(place);
                    });
                }
                POLL_EVERY
            }
            Err(error) => outage.failed(&error),
        };
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => break,
            () = app.job_committed().notified(), if !outage.is_on() => {}
            Some(_) = running.join_next(), if !outage.is_on() => {}
            () = tokio::time::sleep(rest) => {}
        }
    }
    let finish = async { while running.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_WITHIN, finish).await.is_err() {
        tracing::warn!("jobs under way were cut off; they run again when their leases end");
    }
}

type Place = Option<OwnedSemaphorePermit>;

/// Urgent jobs first; then patient ones, task by task, as many as there is room for.
///
/// INVARIANT: whatever a mail server does, other jobs have room, and the other way round; guarded by
/// `a_mail_server_that_stalls_keeps_no_other_job_waiting`.
async fn take(
    app: &App,
    tasks: &Tasks,
    free: usize,
    patient: &Arc<Semaphore>,
) -> Result<Vec<(TakenJob, Place)>, StoreError> {
    // One place waits for a patient job, whatever a payment provider does.
    let is_idle = patient.available_permits() == PATIENT_MAX && !tasks.patient().is_empty();
    let urgent = take_of(app, &tasks.urgent(), free.saturating_sub(is_idle.into())).await?;
    let mut taken: Vec<(TakenJob, Place)> = urgent.into_iter().map(|job| (job, None)).collect();
    for task in tasks.patient() {
        let free = free.saturating_sub(taken.len());
        match take_of(app, &[task], free.min(patient.available_permits())).await {
            Ok(jobs) => {
                let place = || Arc::clone(patient).try_acquire_owned().ok();
                taken.extend(jobs.into_iter().map(|job| (job, place())));
            }
            // What was taken must run.
            Err(error) if taken.is_empty() => return Err(error),
            Err(error) => tracing::debug!(%error, "patient jobs weren't taken"),
        }
    }
    Ok(taken)
}

async fn take_of(app: &App, tasks: &[&str], free: usize) -> Result<Vec<TakenJob>, StoreError> {
    if free == 0 || tasks.is_empty() {
        return Ok(Vec::new());
    }
    let now = app.ctx().now();
    let wanted = Wanted {
        tasks,
        limit: i64::try_from(free).unwrap_or(i64::MAX),
        now,
        leased_until: now + LEASE,
    };
    let connection = app.writer().get_to_write().await?;
    jobs::take(&connection, &wanted).await
}

async fn run(app: App, tasks: Tasks, job: TakenJob) {
    let outcome = if job.lease.attempt > job.attempts_max {
        // Such a job may be what kills its workers.
        Outcome::GiveUp("the worker died during the last attempt".to_owned())
    } else {
        attempt(&app, &tasks, &job).await
    };
    for _ in 0..SETTLE_TRIES {
        match settle(&app, &job, &outcome).await {
            Ok(true) => return,
            Ok(false) => return tracing::warn!("the lease was lost; another worker has the job"),
            Err(error) => tracing::debug!(%error, "the outcome isn't written yet"),
        }
        tokio::time::sleep(SETTLE_AGAIN).await;
    }
    tracing::warn!(
        ?outcome,
        "the outcome wasn't written; the job runs again when its lease ends"
    );
}

/// The task in a place of its own, where a panic is only its own end.
async fn attempt(app: &App, tasks: &Tasks, job: &TakenJob) -> Outcome {
    let attempt = Attempt {
        job_id: job.lease.id,
        number: job.lease.attempt,
        payload: job.payload.clone(),
    };
    let (app, tasks, task) = (app.clone(), tasks.clone(), job.task.clone());
    let mut place = JoinSet::new();
    let work = async move {
        match tasks.begin(&task, app, attempt) {
            Some(running) => running.await,
            None => Outcome::Retry("this worker doesn't know the task".to_owned()),
        }
    };
    place.spawn(work.in_current_span());
    match tokio::time::timeout(RUN_MAX, place.join_next()).await {
        Ok(Some(Ok(outcome))) => outcome,
        // What it said may hold a secret; it is in the log of the panic.
        Ok(_) => Outcome::Retry("the task panicked; the server's log says where".to_owned()),
        Err(_) => Outcome::Retry(format!("the task took longer than {} s", RUN_MAX.as_secs())),
    }
}

/// Writes what became of an attempt; `false` when the lease was lost.
///
/// INVARIANT: only the worker that has the lease says so; guarded by
/// `whoever_lost_the_lease_has_no_say`.
async fn settle(app: &App, job: &TakenJob, outcome: &Outcome) -> Result<bool, StoreError> {
    let TakenJob {
        lease,
        attempts_max,
        ..
    } = *job;
    let now = app.ctx().now();
    let connection = app.writer().get_to_write().await?;
    match outcome {
        Outcome::Done => jobs::update_done(&connection, lease, now).await,
        Outcome::Retry(reason) if lease.attempt < attempts_max => {
            let reason = readable(reason);
            let pause = backoff::pause(lease.attempt, app.ctx().random_u64());
            let is_ours = jobs::update_retry(&connection, lease, now + pause, &reason).await?;
            if is_ours {
                tracing::info!(reason, ?pause, "an attempt failed");
            }
            Ok(is_ours)
        }
        Outcome::Retry(reason) | Outcome::GiveUp(reason) => {
            let reason = readable(reason);
            let is_ours = jobs::update_dead(&connection, lease, now, &reason).await?;
            if is_ours {
                tracing::error!(reason, "a job was given up; `stagedoor doctor` counts them");
            }
            Ok(is_ours)
        }
    }
}

/// One line that fits its column.
fn readable(reason: &str) -> String {
    let line = reason.replace(char::is_control, " ");
    line.chars().take(ERROR_LENGTH_MAX).collect()
}
