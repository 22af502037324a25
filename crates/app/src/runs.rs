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

use std::collections::HashMap;

use domain::concert::Concert;
use domain::id::{AdminUserId, ReservationId, RunId};
use domain::reservation::Reservation;
use domain::run::{MoneyBack, RunKind, RunRefusal};
use jiff::Timestamp;
use serde_json::json;
use store::payments::{self, Returnable};
use store::staff_runs::{self as stored, NewRun};
pub use store::staff_runs::{Counts, Extent, RecentRun, RowOutcome, Run, RunRow, Trouble};
use store::{Acting, StoreError, Transaction, concerts, reservations};

use crate::{App, jobs, task};

pub use concert::{CancelConcertError, ConcertToCancel, cancel_concert, preview_concert};
pub use work::{RUN, work};

/// The most reservations of one run that staff have chosen one by one: what a form can carry.
pub const ROWS_MAX: usize = 1_000;
/// So many that were left as they are can be read on a run's page.
const TROUBLES_MAX: i64 = 200;

/// So many rows of a run can be read on its page.
pub const ROWS_SHOWN: i64 = 200;
/// So many runs are listed: some weeks of a busy house.
const NEWEST_MAX: i64 = 50;

/// What a run would do to one reservation.
#[derive(Clone, Debug)]
pub struct PreviewRow {
    pub reservation: Reservation,
    pub verdict: Result<(), RunRefusal>,
    /// Payments that staff had by hand and would have to pay back by hand, and how much that is, in minor
    /// units.
    pub by_hand: i64,
    pub hand_minor: i64,
    /// What goes back the way it came, in minor units.
    pub back_minor: i64,
}

impl PreviewRow {
    /// `reservation` as it stands at `now`.
    fn new(kind: RunKind, reservation: Reservation, money: Returnable, now: Timestamp) -> Self {
        let back = if money.paid + money.stuck > 0 {
            MoneyBack::Possible
        } else if money.owed > 0 {
            MoneyBack::Owed
        } else {
            MoneyBack::Nothing
        };
        let verdict = kind.check(&reservation, back, now);
        let gives_back = match kind {
            RunKind::Cancel | RunKind::CancelConcert => true,
            // What is stuck is tried again, and nothing else.
            RunKind::Refund => money.stuck == 0,
            RunKind::Resend => false,
        };
        let is_given = gives_back && verdict.is_ok();
        Self {
            verdict,
            by_hand: if is_given { money.by_hand } else { 0 },
            hand_minor: if is_given { money.hand_minor } else { 0 },
            back_minor: match kind {
                _ if verdict.is_err() => 0,
                RunKind::Refund if money.stuck > 0 => money.stuck_minor,
                _ if is_given => money.paid_minor - money.hand_minor,
                _ => 0,
            },
            reservation: Reservation {
                status: reservation.status_at(now),
                ..reservation
            },
        }
    }
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
    let (found, money) = read?;
    let now = app.ctx().now();
    let judged = found.into_iter().map(|reservation| {
        let money = money.get(&reservation.id).copied().unwrap_or_default();
        PreviewRow::new(kind, reservation, money, now)
    });
    Ok(judged.collect())
}

async fn read_preview(
    transaction: &Transaction,
    ids: &[ReservationId],
) -> Result<(Vec<Reservation>, HashMap<ReservationId, Returnable>), StoreError> {
    let found = reservations::list_by_ids(transaction, ids).await?;
    let money = payments::list_returnable(transaction, ids).await?;
    Ok((found, money.into_iter().collect()))
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
        let run = stored::find_by_key(transaction, &key).await?;
        if let Some(run) = run {
            enqueue(app, transaction, run).await?;
        }
        return Ok(run);
    };
    stored::insert_rows(transaction, run, ids).await?;
    enqueue(app, transaction, run).await?;
    Ok(Some(run))
}

/// A run has one job, which is written anew where it was given up; of a run that is over it does nothing.
async fn enqueue(app: &App, transaction: &Transaction, run: RunId) -> Result<(), StoreError> {
    let names = json!({ "run": run.get() });
    let key = run.to_string();
    let job = jobs::NewJob {
        dedup_key: Some(&key),
        ..jobs::new(RUN, &names, app.ctx().now())
    };
    jobs::enqueue(transaction, &job).await.map(drop)
}

/// How a run stands, and what it left as it was.
#[derive(Clone, Debug)]
pub struct Progress {
    pub run: Run,
    pub counts: Counts,
    pub troubles: Vec<Trouble>,
    /// The first [`ROWS_SHOWN`] of its rows.
    pub rows: Vec<RunRow>,
    /// The concert that it cancels, unless that was deleted.
    pub concert: Option<Concert>,
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
        rows: stored::list_rows(transaction, id, ROWS_SHOWN).await?,
        concert: match run.concert {
            Some(concert) => concerts::find(transaction, concert).await?,
            None => None,
        },
        run,
    }))
}

/// The newest runs, for staff who may see them.
pub async fn list_newest(app: &App, by: &Acting) -> Result<Vec<RecentRun>, StoreError> {
    let transaction = Transaction::begin_reading(app.writer(), by).await?;
    let read = stored::list_newest(&transaction, NEWEST_MAX).await;
    transaction.rollback().await;
    read
}
