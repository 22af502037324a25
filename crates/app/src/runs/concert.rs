//! Cancelling a whole concert: its sale is closed for good, and everybody who has tickets is cancelled,
//! refunded and written to by a run.

use domain::concert::{Concert, ConcertStatus};
use domain::id::{AdminUserId, ConcertId, RunId};
use domain::run::RunKind;
use store::staff_runs::{self as stored, Extent, NewRun};
use store::{Acting, StoreError, Transaction, concerts};

use super::{enqueue, new_key};
use crate::{App, jobs, task};

/// Why a concert wasn't cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelConcertError {
    #[error("there is no such concert")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A concert, and what cancelling it would do.
#[derive(Clone, Debug)]
pub struct ConcertToCancel {
    pub concert: Concert,
    pub extent: Extent,
    /// The run that cancelled it, where it was cancelled before.
    pub run: Option<RunId>,
}

/// What cancelling a concert would do now, for staff who may see it.
pub async fn preview_concert(
    app: &App,
    id: ConcertId,
    by: &Acting,
) -> Result<Option<ConcertToCancel>, StoreError> {
    let transaction = Transaction::begin_reading(app.writer(), by).await?;
    let read = preview_in(&transaction, id).await;
    transaction.rollback().await;
    read
}

async fn preview_in(
    transaction: &Transaction,
    id: ConcertId,
) -> Result<Option<ConcertToCancel>, StoreError> {
    let Some(concert) = concerts::find(transaction, id).await? else {
        return Ok(None);
    };
    Ok(Some(ConcertToCancel {
        extent: stored::count_of_concert(transaction, id).await?,
        run: stored::find_of_concert(transaction, id).await?,
        concert,
    }))
}

/// Cancels a concert for staff who may: from the commit on nobody can buy, and a run has everybody who
/// has tickets. Cancelled once more it has whoever the first run left out, or else does nothing.
///
/// INVARIANT: nobody gets in between, for a sale decides behind the same lock, and a concert that was
/// cancelled is never opened again; guarded by `a_concert_that_is_cancelled_in_a_rush_keeps_no_buyer`.
pub async fn cancel_concert(
    app: &App,
    who: AdminUserId,
    id: ConcertId,
    by: Acting,
) -> Result<(Concert, RunId), CancelConcertError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = Transaction::begin_hurried(app.writer(), &by).await?;
        let cancelled = cancel_in(&app, &transaction, (who, id), &by).await;
        let cancelled = task::end(transaction, cancelled).await?;
        app.live().changed(id);
        jobs::wake(&app);
        Ok(cancelled)
    })
    .await
}

async fn cancel_in(
    app: &App,
    transaction: &Transaction,
    (who, id): (AdminUserId, ConcertId),
    by: &Acting,
) -> Result<(Concert, RunId), CancelConcertError> {
    let locked = concerts::lock_whole(transaction, id).await?;
    let mut concert = locked.ok_or(CancelConcertError::NotFound)?;
    let now = app.ctx().now();
    if let Some(run) = find_enough(app, transaction, id).await? {
        return Ok((concert, run));
    }
    if concert.status == ConcertStatus::Open {
        concerts::update_status(transaction, id, ConcertStatus::Closed, now).await?;
        concert.status = ConcertStatus::Closed;
        concert.updated_at = now;
    }
    let key = new_key(app);
    let new = NewRun {
        kind: RunKind::CancelConcert,
        concert: Some(id),
        started_by: who,
        key: &key,
        now,
    };
    let run = stored::insert(transaction, new, by).await?;
    let run = run.ok_or(StoreError::RowCount {
        statement: "staff_runs.insert",
        expected: 1,
        actual: 0,
    })?;
    stored::insert_rows_of_concert(transaction, run, id).await?;
    enqueue(app, transaction, run).await?;
    Ok((concert, run))
}

/// The run that does all there is to do, or has done it.
async fn find_enough(
    app: &App,
    transaction: &Transaction,
    id: ConcertId,
) -> Result<Option<RunId>, StoreError> {
    let Some(run) = stored::find_of_concert(transaction, id).await? else {
        return Ok(None);
    };
    let found = stored::find(transaction, run).await?;
    if found.is_some_and(|run| run.finished_at.is_none()) {
        // Its job may have been given up.
        enqueue(app, transaction, run).await?;
        return Ok(Some(run));
    }
    let left = stored::count_of_concert(transaction, id).await?;
    Ok((left.confirmed + left.held == 0).then_some(run))
}
