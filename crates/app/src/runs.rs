//! Runs: what staff do to many reservations at once, and cancelling a whole concert, which is one.
//!
//! ```text
//! start ──commit──> run with its rows, job ──> each row in a transaction of its own, until none is left
//! ```
//!
//! INVARIANT: what is done to a reservation, its refund's job, its mail and the row's outcome are one
//! commit, so that a server that dies loses and doubles nothing; guarded by
//! `a_kill_in_the_middle_of_cancelling_a_concert_refunds_everybody_once`.

mod concert;
mod work;

use std::collections::HashSet;

use domain::id::{AdminUserId, ReservationId};
use domain::reservation::Reservation;
use domain::run::{RunId, RunKind, RunRefusal};
use serde_json::json;
use store::staff_runs::{self as stored, NewRun};
pub use store::staff_runs::{Counts, Extent, Run, Trouble};
use store::{Acting, StoreError, Transaction, payments, reservations};

use crate::{App, jobs, task};

pub use concert::{CancelConcertError, ConcertToCancel, cancel_concert, preview_concert};
pub use work::{RUN, work};

/// The most reservations of one run that staff have chosen one by one: what a form can carry.
pub const ROWS_MAX: usize = 1_000;
/// So many that were left as they are can be read on a run's page.
const TROUBLES_MAX: i64 = 200;

/// What a run would do to one reservation.
#[derive(Clone, Debug)]
pub struct PreviewRow {
    pub reservation: Reservation,
    pub verdict: Result<(), RunRefusal>,
}

/// What a run would do, and to which of these reservations it can't; those that aren't there are left
/// out. At most [`ROWS_MAX`] of them.
pub async fn preview(
    app: &App,
    kind: RunKind,
    ids: &[ReservationId],
    by: &Acting,
) -> Result<Vec<PreviewRow>, StoreError> {
    let ids = &ids[..ids.len().min(ROWS_MAX)];
    let transaction = Transaction::begin_reading(app.writer(), by).await?;
    let read = read_preview(&transaction, ids).await;
    transaction.rollback().await;
    let (found, refundable) = read?;
    let now = app.ctx().now();
    let judged = found.into_iter().map(|reservation| PreviewRow {
        verdict: kind.check(&reservation, refundable.contains(&reservation.id), now),
        reservation: Reservation {
            status: reservation.status_at(now),
            ..reservation
        },
    });
    Ok(judged.collect())
}

async fn read_preview(
    transaction: &Transaction,
    ids: &[ReservationId],
) -> Result<(Vec<Reservation>, HashSet<ReservationId>), StoreError> {
    let found = reservations::list_by_ids(transaction, ids).await?;
    let refundable = payments::list_refundable(transaction, ids).await?;
    Ok((found, refundable.into_iter().collect()))
}

/// A run that somebody of the staff wishes for.
#[derive(Clone, Debug)]
pub struct NewBulk {
    pub kind: RunKind,
    /// At most [`ROWS_MAX`]; more are left out.
    pub ids: Vec<ReservationId>,
    /// Of the form that was sent, as [`new_key`] made it: sent twice, it is one run.
    pub key: String,
}

/// What marks a form, so that a second click starts nothing.
pub fn new_key(app: &App) -> String {
    let random = || app.ctx().random_u64();
    format!("{:016x}{:016x}", random(), random())
}

/// Starts a run over chosen reservations; returns at once. None is started without reservations.
pub async fn start(
    app: &App,
    who: AdminUserId,
    bulk: NewBulk,
    by: Acting,
) -> Result<Option<RunId>, StoreError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = task::begin(&app, &by).await?;
        let started = start_in(&app, &transaction, (who, &bulk), &by).await;
        let started = task::end(transaction, started).await?;
        jobs::wake(&app);
        Ok(started)
    })
    .await
}

async fn start_in(
    app: &App,
    transaction: &Transaction,
    (who, bulk): (AdminUserId, &NewBulk),
    by: &Acting,
) -> Result<Option<RunId>, StoreError> {
    let ids = &bulk.ids[..bulk.ids.len().min(ROWS_MAX)];
    if ids.is_empty() || bulk.kind == RunKind::CancelConcert {
        return Ok(None);
    }
    // Another account's form is another one, whatever it says.
    let key = format!("{who}-{}", bulk.key.chars().take(40).collect::<String>());
    let new = NewRun {
        kind: bulk.kind,
        concert: None,
        started_by: who,
        key: &key,
        now: app.ctx().now(),
    };
    let Some(run) = stored::insert(transaction, new, by).await? else {
        return stored::find_by_key(transaction, &key).await;
    };
    stored::insert_rows(transaction, run, ids).await?;
    enqueue(app, transaction, run).await?;
    Ok(Some(run))
}

async fn enqueue(app: &App, transaction: &Transaction, run: RunId) -> Result<(), StoreError> {
    let names = json!({ "run": run.get() });
    let job = jobs::new(RUN, &names, app.ctx().now());
    jobs::enqueue(transaction, &job).await.map(drop)
}

/// How a run stands, and what it left as it was.
#[derive(Clone, Debug)]
pub struct Progress {
    pub run: Run,
    pub counts: Counts,
    pub troubles: Vec<Trouble>,
}

/// A run for staff who may see it.
pub async fn show(app: &App, id: RunId, by: &Acting) -> Result<Option<Progress>, StoreError> {
    let transaction = Transaction::begin_reading(app.writer(), by).await?;
    let read = show_in(&transaction, id).await;
    transaction.rollback().await;
    read
}

async fn show_in(transaction: &Transaction, id: RunId) -> Result<Option<Progress>, StoreError> {
    let Some(run) = stored::find(transaction, id).await? else {
        return Ok(None);
    };
    Ok(Some(Progress {
        counts: stored::count(transaction, &run).await?,
        troubles: stored::list_troubles(transaction, id, TROUBLES_MAX).await?,
        run,
    }))
}
