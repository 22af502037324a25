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

/// Jobs at one time: less than a third of the pool's connections, so that sales never wait for jobs, and
/// most of them wait for others without one.
const RUNNING_MAX: usize = 6;
/// Of those, the ones that wait for servers which may be slow for hours and keep nobody's money: so
/// many, that refunds and payments always have the rest.
const PATIENT_MAX: usize = 2;
/// And those of which thousands come at once, refunds and runs: so many, that whoever waits for a page to
/// pay at has two places of his own.
const BULK_MAX: usize = 2;
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
    let mut places = Places::new(&tasks);
    let mut outage = Outage::none("the job worker");
    loop {
        let free = RUNNING_MAX - running.len();
        let rest = match take(&app, &tasks, free, &mut places).await {
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

/// The places that are bounded for one kind of jobs.
#[derive(Debug)]
struct Places {
    patient: Arc<Semaphore>,
    bulk: Arc<Semaphore>,
    /// Each task in bulk, in the order of their turns, with what its running jobs share.
    turns: Vec<(&'static str, Arc<()>)>,
}

/// A job's place, and what tells that its task has one.
type Place = (Option<OwnedSemaphorePermit>, Option<Arc<()>>);

impl Places {
    fn new(tasks: &Tasks) -> Self {
        let turn = |name: &&'static str| (*name, Arc::new(()));
        Self {
            patient: Arc::new(Semaphore::new(PATIENT_MAX)),
            bulk: Arc::new(Semaphore::new(BULK_MAX)),
            turns: tasks.bulk().iter().map(turn).collect(),
        }
    }

    /// Of each kind that has none running one place waits for it, whatever the others do.
    fn kept(&self, tasks: &Tasks) -> (usize, usize) {
        let is_idle = |places: &Semaphore, max| places.available_permits() == max;
        let patient = !tasks.patient().is_empty() && is_idle(&self.patient, PATIENT_MAX);
        let bulk = !tasks.bulk().is_empty() && is_idle(&self.bulk, BULK_MAX);
        (patient.into(), bulk.into())
    }

    fn had_its_turn(&mut self, task: &str) {
        let at = self.turns.iter().position(|(name, _)| *name == task);
        if let Some(at) = at.filter(|at| *at > 0) {
            self.turns[at..].rotate_left(1);
        }
    }
}

/// Urgent jobs first; then those that come in bulk; then patient ones, task by task, as many as there is
/// room for.
///
/// INVARIANT: whatever a mail server does, other jobs have room, and the other way round; guarded by
/// `a_mail_server_that_stalls_keeps_no_other_job_waiting`. However many refunds there are, whoever wants
/// to pay has room; guarded by `thousands_of_refunds_keep_nobody_from_paying`. And so has a run; guarded
/// by `a_run_does_not_wait_behind_its_refunds`.
async fn take(
    app: &App,
    tasks: &Tasks,
    free: usize,
    places: &mut Places,
) -> Result<Vec<(TakenJob, Place)>, StoreError> {
    let (for_patient, for_bulk) = places.kept(tasks);
    let of_urgent = free.saturating_sub(for_patient + for_bulk);
    let urgent = take_of(app, &tasks.urgent(), of_urgent).await?;
    let mut taken: Vec<(TakenJob, Place)> =
        urgent.into_iter().map(|job| (job, (None, None))).collect();
    take_bulk(app, free.saturating_sub(for_patient), places, &mut taken).await?;
    for task in tasks.patient() {
        let rooms = free.saturating_sub(taken.len());
        let rooms = rooms.min(places.patient.available_permits());
        let jobs = take_beside(app, task, rooms, &taken).await?;
        let place = || Arc::clone(&places.patient).try_acquire_owned().ok();
        taken.extend(jobs.into_iter().map(|job| (job, (place(), None))));
    }
    Ok(taken)
}

/// One job of each task that has none running, and then what else there is room for. Of the tasks behind
/// the first, the one that had its turn goes behind the others.
async fn take_bulk(
    app: &App,
    free: usize,
    places: &mut Places,
    taken: &mut Vec<(TakenJob, Place)>,
) -> Result<(), StoreError> {
    for each_max in [1, BULK_MAX] {
        for (task, running) in places.turns.clone() {
            // Beside those of its jobs: the one here, and that of the turns.
            let rooms = each_max.saturating_sub(Arc::strong_count(&running) - 2);
            let rooms = rooms.min(free.saturating_sub(taken.len()));
            let rooms = rooms.min(places.bulk.available_permits());
            let jobs = take_beside(app, task, rooms, taken).await?;
            if jobs.is_empty() {
                continue;
            }
            let place = || Arc::clone(&places.bulk).try_acquire_owned().ok();
            let with_place = |job| (job, (place(), Some(Arc::clone(&running))));
            taken.extend(jobs.into_iter().map(with_place));
            places.had_its_turn(task);
        }
    }
    Ok(())
}

/// Where something was taken already a failure is no more than nothing: what was taken must run.
async fn take_beside(
    app: &App,
    task: &str,
    free: usize,
    taken: &[(TakenJob, Place)],
) -> Result<Vec<TakenJob>, StoreError> {
    match take_of(app, &[task], free).await {
        Err(error) if !taken.is_empty() => {
            tracing::debug!(%error, task, "jobs weren't taken");
            Ok(Vec::new())
        }
        jobs => jobs,
    }
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
        Outcome::Again(pause) => jobs::update_again(&connection, lease, now + *pause, now).await,
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
