//! One refund that stands open: what staff see of it, and what they can do about it. They have its provider
//! asked once more, or say that they paid the money back another way, which ends it.
//!
//! Absent on purpose: all the money of a reservation at once, which is `refund`'s.

use std::time::Duration;

use domain::concert::Concert;
use domain::id::PaymentId;
use domain::mail::MailKind;
use domain::reservation::Reservation;
use domain::text::RefundNote;
use store::payments::{self as stored, NewEvent, Stored, Told};
use store::{
    Acting, StoreError, Transaction, concerts, jobs as job_rows, reservations as reservation_rows,
};

use super::MANUAL;
use super::refund::{ask_once_more, is_stuck};
use super::tell::say_refunded;
use super::work::REFUND;
use crate::{App, jobs, mails, reservations, task};

/// Why nothing became of it.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    #[error("there is no such payment")]
    NotFound,
    #[error("its money isn't stuck on its way back")]
    NotStuck,
    #[error("staff had the money, and no provider can send it back")]
    ByHand,
    #[error("its provider is being asked at this moment")]
    BeingSent,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A payment with all that staff need to know to give its money back.
#[derive(Clone, Debug)]
pub struct Case {
    pub payment: Stored,
    pub reservation: Reservation,
    /// Whether staff have deleted the reservation, which has no page any more.
    pub is_deleted: bool,
    /// None where it was deleted.
    pub concert: Option<Concert>,
    /// What was told of this payment, the oldest first.
    pub told: Vec<Told>,
}

impl Case {
    /// Whether its money can't go back without somebody's help.
    pub fn is_stuck(&self) -> bool {
        is_stuck(&self.payment)
    }

    /// Whether its provider can be asked once more.
    pub fn can_be_asked(&self) -> bool {
        self.is_stuck() && self.payment.provider != MANUAL
    }
}

/// A payment for staff who may send money back.
pub async fn find_case(app: &App, id: &PaymentId, by: &Acting) -> Result<Option<Case>, StoreError> {
    let transaction = Transaction::begin_reading(app.writer(), by).await?;
    let found = find_case_in(&transaction, id).await;
    transaction.rollback().await;
    found
}

async fn find_case_in(
    transaction: &Transaction,
    id: &PaymentId,
) -> Result<Option<Case>, StoreError> {
    let Some(payment) = stored::find(transaction, id).await? else {
        return Ok(None);
    };
    let reservation = &payment.payment.reservation_id;
    let told = stored::list_events(transaction, reservation).await?;
    let is_deleted = reservation_rows::find_in(transaction, reservation)
        .await?
        .is_none();
    let Some(reservation) = reservation_rows::find_even_deleted(transaction, reservation).await?
    else {
        return Ok(None);
    };
    Ok(Some(Case {
        told: told.into_iter().filter(|one| one.payment == *id).collect(),
        concert: concerts::find(transaction, reservation.concert_id).await?,
        payment,
        reservation,
        is_deleted,
    }))
}

/// Has the provider asked again for one payment's money, whatever else was paid for its reservation.
pub async fn ask_again(app: &App, id: PaymentId, by: Acting) -> Result<(), SettleError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = Transaction::begin_hurried(app.writer(), &by).await?;
        let asked = ask_again_in(&app, &transaction, &id).await;
        task::end(transaction, asked).await?;
        jobs::wake(&app);
        Ok(())
    })
    .await
}

async fn ask_again_in(
    app: &App,
    transaction: &Transaction,
    id: &PaymentId,
) -> Result<(), SettleError> {
    let (stuck, _) = lock_stuck(transaction, id).await?;
    if stuck.provider == MANUAL {
        return Err(SettleError::ByHand);
    }
    Ok(ask_once_more(transaction, &stuck, app.ctx().now()).await?)
}

/// More than the clocks of two servers differ by, for both follow the database's.
const CLOCKS_APART: Duration = Duration::from_secs(5);

/// Notes for staff who may that they have paid the money back another way. Nobody is asked for it any more.
///
/// INVARIANT: money that staff settle is sent by no job that begins after it, and not settled while one sends
/// it; guarded by `nobody_settles_what_is_being_sent`. What the provider sends all the same is told as such.
pub async fn settle(
    app: &App,
    id: PaymentId,
    note: RefundNote,
    by: Acting,
) -> Result<(), SettleError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = Transaction::begin_hurried(app.writer(), &by).await?;
        let settled = settle_in(&app, &transaction, (&id, &note)).await;
        task::end(transaction, settled).await?;
        jobs::wake(&app);
        Ok(())
    })
    .await
}

async fn settle_in(
    app: &App,
    transaction: &Transaction,
    (id, note): (&PaymentId, &RefundNote),
) -> Result<(), SettleError> {
    let (stuck, reservation) = lock_stuck(transaction, id).await?;
    let now = app.ctx().now();
    // Behind the payment's lock, which a job that sends money waits for before it begins. The worker's clock
    // may be ahead of this one.
    let lease_end = now + jobs::LEASE + CLOCKS_APART;
    if job_rows::exists_leased(transaction, (REFUND, id.as_str()), now, lease_end).await? {
        return Err(SettleError::BeingSent);
    }
    stored::update_settled(transaction, id, note, now).await?;
    let event = NewEvent {
        provider: &stuck.provider,
        id: &format!("settled-{id}"),
        payment: Some(id),
        news: "settled",
        consequence: "refunded",
        words: None,
        now,
    };
    stored::insert_event(transaction, &event).await?;
    if let Some(reservation) = reservation {
        say_refunded(transaction, &reservation, now).await?;
        mails::enqueue(app, transaction, MailKind::Refunded, &reservation.id).await?;
    }
    Ok(())
}

/// The payment and its reservation behind their locks; `None` there where staff have deleted it.
async fn lock_stuck(
    transaction: &Transaction,
    id: &PaymentId,
) -> Result<(Stored, Option<Reservation>), SettleError> {
    let found = stored::find(transaction, id).await?;
    let found = found.ok_or(SettleError::NotFound)?;
    let reservation = &found.payment.reservation_id;
    let reservation = reservations::lock_behind_concert(transaction, reservation).await?;
    let locked = stored::lock(transaction, id).await?;
    let locked = locked.ok_or(SettleError::NotFound)?;
    if is_stuck(&locked) {
        Ok((locked, reservation))
    } else {
        Err(SettleError::NotStuck)
    }
}
