//! The job that does a run, a slice at a time: one row after the other, each in a transaction of its own,
//! as whoever started the run.

use std::time::Duration;

use domain::id::{ConcertId, ReservationId, RunId};
use domain::payment::RefundReason;
use domain::run::{RunKind, RunRefusal};
use jiff::SignedDuration;
use serde::Deserialize;
use store::staff_runs::{self as stored, OpenRow, RowOutcome, Run};
use store::{Acting, StoreError, Transaction, payments as payment_rows};

use crate::cancel::{CancelError, lock_and_cancel};
use crate::jobs::{Attempt, Outcome};
use crate::mails::{ResendError, SEND_IN_BULK, resend_in};
use crate::payments::{ByHand, RefundError, refund_in};
use crate::{App, jobs, task};

/// Does a slice of a run.
pub const RUN: &str = "staff.run";

const ACTING: Acting = Acting::system("runs");
/// Rows and time of one slice: a server that is told to stop has eight seconds for its jobs, and what it
/// cuts off waits for the end of a lease.
const SLICE_ROWS: i64 = 200;
const SLICE_TIME: SignedDuration = SignedDuration::from_secs(5);
/// How long a run rests whose concert is locked by somebody else.
const REST: Duration = Duration::from_secs(1);
/// Slices in a row that settle nothing and are failed attempts, with pauses up to some minutes; then the
/// run begins with all its attempts, for a lock must not use them up.
const FAILED_MAX: i32 = 6;

/// Which run a job is about.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Named {
    run: i64,
}

/// Does the next rows of a run; those behind them are the next job's.
///
/// INVARIANT: a run has one job at a time, whoever dies; guarded by
/// `a_run_whose_server_died_has_one_job_still`.
pub async fn work(app: App, attempt: Attempt<Named>) -> Outcome {
    let Some(id) = RunId::new(attempt.payload.run) else {
        return Outcome::GiveUp("the payload names no run".to_owned());
    };
    match work_in(&app, id).await {
        Ok(Slice::Ended) => Outcome::Done,
        Ok(Slice::GoesOn(rest)) => Outcome::Again(rest),
        Ok(Slice::Locked) if attempt.number < FAILED_MAX => {
            Outcome::Retry("somebody else keeps the concert locked".to_owned())
        }
        Ok(Slice::Locked) => Outcome::Again(REST),
        Err(error) => Outcome::Retry(error.to_string()),
    }
}

/// What became of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slice {
    Ended,
    GoesOn(Duration),
    /// Not one of its rows could be settled.
    Locked,
}

async fn work_in(app: &App, id: RunId) -> Result<Slice, StoreError> {
    let transaction = Transaction::begin_reading(app.writer(), &ACTING).await?;
    let read = read_slice(&transaction, id).await;
    transaction.rollback().await;
    let Some((run, rows)) = read? else {
        return Ok(Slice::Ended);
    };
    let begun_at = app.ctx().now();
    let mut rest = Duration::ZERO;
    let mut settled = 0_usize;
    for row in rows {
        let reservation = row.reservation.clone();
        match settle(app, &run, row).await {
            Ok(Step::Settled) => settled += 1,
            Ok(Step::Stopped) => break,
            // Somebody else has its concert: sales go first.
            Err(error @ (StoreError::LockTimeout | StoreError::Conflict)) => {
                let (run, row) = (id.get(), reservation.as_str());
                tracing::warn!(%error, run, row, settled, "a run waits for a lock of somebody else");
                if settled == 0 {
                    return Ok(Slice::Locked);
                }
                rest = REST;
                break;
            }
            Err(error) => return Err(error),
        }
        if app.ctx().now().duration_since(begun_at) > SLICE_TIME {
            break;
        }
    }
    go_on(app, id, rest).await
}

async fn read_slice(
    transaction: &Transaction,
    id: RunId,
) -> Result<Option<(Run, Vec<OpenRow>)>, StoreError> {
    let Some(run) = stored::find(transaction, id).await? else {
        return Ok(None);
    };
    let rows = stored::list_open(transaction, id, SLICE_ROWS).await?;
    Ok(Some((run, rows)))
}

/// Ends the run where nothing is left to do, or has the next slice done.
async fn go_on(app: &App, id: RunId, rest: Duration) -> Result<Slice, StoreError> {
    let transaction = task::begin(app, &ACTING).await?;
    let went_on = go_on_in(app, &transaction, id, rest).await;
    task::end(transaction, went_on).await
}

async fn go_on_in(
    app: &App,
    transaction: &Transaction,
    id: RunId,
    rest: Duration,
) -> Result<Slice, StoreError> {
    if stored::finish(transaction, id, app.ctx().now()).await?
        || stored::list_open(transaction, id, 1).await?.is_empty()
    {
        return Ok(Slice::Ended);
    }
    Ok(Slice::GoesOn(rest))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// This row has an outcome.
    Settled,
    /// All of them have.
    Stopped,
}

/// Does one row. What fails because of the row is told of it, so that it keeps no other row waiting.
async fn settle(app: &App, run: &Run, row: OpenRow) -> Result<Step, StoreError> {
    let transaction = Transaction::begin_hurried(app.writer(), &run.acting).await?;
    let settled = settle_in(app, &transaction, run, &row).await;
    let settled = match settled {
        Ok(Some(settled)) => {
            transaction.commit().await?;
            settled
        }
        // Another worker was faster; what was done here is undone.
        Ok(None) => {
            transaction.rollback().await;
            return Ok(Step::Settled);
        }
        Err(error) if error.is_about_rows() || matches!(error, StoreError::RowCount { .. }) => {
            transaction.rollback().await;
            let (run, row) = (run.id.get(), row.reservation.as_str());
            tracing::error!(
                error = error.in_full(),
                run,
                row,
                "a row of a run is broken"
            );
            Settled::broken()
        }
        Err(error) => {
            transaction.rollback().await;
            return Err(error);
        }
    };
    if settled.is_broken {
        note_broken(app, &row).await?;
    }
    if let Some(concert) = settled.returned {
        app.tickets_returned(concert);
        metrics::counter!("stagedoor_reservations_total", "outcome" => "cancelled").increment(1);
    }
    jobs::wake(app);
    Ok(settled.step)
}

/// What a row's transaction did.
#[derive(Clone, Copy, Debug)]
struct Settled {
    step: Step,
    /// The concert whose tickets are on sale again.
    returned: Option<ConcertId>,
    is_broken: bool,
}

impl Settled {
    const fn broken() -> Self {
        Self {
            step: Step::Settled,
            returned: None,
            is_broken: true,
        }
    }
}

/// `None` where somebody else has settled the row meanwhile.
async fn settle_in(
    app: &App,
    transaction: &Transaction,
    run: &Run,
    row: &OpenRow,
) -> Result<Option<Settled>, StoreError> {
    let now = app.ctx().now();
    // As it is at this moment: a right that was taken away ends the run.
    let asked = stored::find(transaction, run.id).await?;
    let role = asked.and_then(|run| run.role);
    if !role.is_some_and(|role| role.may(run.kind.permission())) {
        let refusal = RunRefusal::NotAllowed;
        stored::refuse_rest(transaction, run.id, refusal, now).await?;
        return Ok(Some(Settled {
            step: Step::Stopped,
            returned: None,
            is_broken: false,
        }));
    }
    let (outcome, returned) = match act(app, transaction, run.kind, row).await? {
        Ok(returned) => (RowOutcome::Done, returned),
        Err(refusal) => (RowOutcome::Refused(refusal), None),
    };
    let is_ours = stored::settle(transaction, row, outcome, now).await?;
    Ok(is_ours.then_some(Settled {
        step: Step::Settled,
        returned,
        is_broken: false,
    }))
}

/// Does it, with the concert whose tickets came back by it. Refusals come before anything is written.
async fn act(
    app: &App,
    transaction: &Transaction,
    kind: RunKind,
    row: &OpenRow,
) -> Result<Result<Option<ConcertId>, RunRefusal>, StoreError> {
    let id = &row.reservation;
    let reason = match kind {
        RunKind::Resend => {
            return match resend_in(app, transaction, id, SEND_IN_BULK).await {
                Ok(_) => Ok(Ok(None)),
                Err(ResendError::NotFound) => Ok(Err(RunRefusal::Gone)),
                Err(ResendError::NothingToTell) => Ok(Err(RunRefusal::NothingToTell)),
                Err(ResendError::Store(error)) => Err(error),
            };
        }
        RunKind::Refund => {
            return match refund_in(app, transaction, id, ByHand::Owed).await {
                Ok((refunded, is_cancelled)) => Ok(Ok(is_cancelled.then_some(refunded.concert_id))),
                Err(RefundError::NotFound) => Ok(Err(RunRefusal::Gone)),
                Err(RefundError::NothingPaid) => Ok(Err(why_unpaid(transaction, id).await?)),
                Err(RefundError::Store(error)) => Err(error),
            };
        }
        RunKind::Cancel => RefundReason::ByStaff,
        RunKind::CancelConcert => RefundReason::ConcertCancelled,
    };
    match lock_and_cancel(app, transaction, id, reason).await {
        Ok(cancelled) => Ok(Ok(Some(cancelled.concert_id))),
        Err(CancelError::NotFound) => Ok(Err(RunRefusal::Gone)),
        Err(CancelError::Transition(error)) => Ok(Err(error.into())),
        Err(CancelError::Store(error)) => Err(error),
    }
}

/// Of what was given back already staff may still have some by hand.
async fn why_unpaid(
    transaction: &Transaction,
    id: &ReservationId,
) -> Result<RunRefusal, StoreError> {
    let found = payment_rows::list_returnable(transaction, std::slice::from_ref(id)).await?;
    let is_owed = found.iter().any(|(_, money)| money.owed > 0);
    Ok(if is_owed {
        RunRefusal::OwedByHand
    } else {
        RunRefusal::NothingPaid
    })
}

/// That a row can't be done, in a transaction that has nothing else to do.
async fn note_broken(app: &App, row: &OpenRow) -> Result<(), StoreError> {
    let transaction = task::begin(app, &ACTING).await?;
    let now = app.ctx().now();
    let noted = stored::settle(&transaction, row, RowOutcome::Failed, now).await;
    task::end(transaction, noted).await.map(drop)
}
