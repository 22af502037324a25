//! What a provider tells is done, each event once, in the transaction that keeps the event.

use domain::concert::ConcertStatus;
use domain::id::{ConcertId, PaymentId};
use domain::mail::MailKind;
use domain::payment::{
    Consequence, Fact, PaymentState, RefundReason, Standing, decide, decide_settled,
};
use domain::reservation::{PaymentStatus, Quantity, Reservation, ReservationStatus};
use domain::text::EmailAddress;
use http::HeaderMap;
use jiff::Timestamp;
use store::payments::{self as stored, Change, ERROR_LENGTH_MAX, NewEvent, Stored};
use store::{
    Acting, StoreError, Transaction, concerts, reservations as reservation_rows, staff_runs,
};

use super::refund;
use crate::providers::{Delivery, Disbelief, Event, News, Subject};
use crate::{App, jobs, mails, reservations, task};

const ACTING: Acting = Acting::system("payments");

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It was acted on, or needed nothing.
    New,
    /// The provider had told it before.
    Known,
    /// It speaks of no payment of ours.
    Unknown,
}

/// Why a webhook's body was not taken.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    #[error("there is no such provider")]
    NoProvider,
    #[error(transparent)]
    Disbelief(#[from] Disbelief),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes what a provider sent to its webhook.
pub async fn deliver(
    app: &App,
    provider: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Told, DeliverError> {
    let till = app.till().filter(|till| till.provider.name() == provider);
    let till = till.ok_or(DeliverError::NoProvider)?;
    match till.provider.read(headers, body, app.ctx().now())? {
        Delivery::Event(event) => Ok(tell_from(app, event, Source::Webhook).await?),
        Delivery::Ignored { id } => {
            tracing::debug!(id, provider, "an event that concerns no payment");
            Ok(Told::Unknown)
        }
    }
}

/// How something was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// At any time after it was true, and in any order.
    Webhook,
    /// Because it was asked: how things stand now.
    Answer,
}

/// Acts on what the provider answered to a question.
pub async fn tell(app: &App, event: Event) -> Result<Told, StoreError> {
    tell_from(app, event, Source::Answer).await
}

/// Acts on something that the provider said.
///
/// INVARIANT: an event that is delivered again, to any server at any time, does nothing; guarded by
/// `a_hundred_deliveries_of_one_event_act_once`.
async fn tell_from(app: &App, event: Event, source: Source) -> Result<Told, StoreError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = Transaction::begin_hurried(app.writer(), &ACTING).await?;
        let done = tell_in(&app, &transaction, &event, source).await;
        let done = task::end(transaction, done).await?;
        done.follow(&app);
        Ok(done.told)
    })
    .await
}

/// What was done, for whoever must hear of it after the commit.
struct Done {
    told: Told,
    /// The concert whose stock changed, and whether tickets came back.
    stock: Option<(ConcertId, bool)>,
    outcome: Option<&'static str>,
}

impl Done {
    const fn nothing(told: Told) -> Self {
        Self {
            told,
            stock: None,
            outcome: None,
        }
    }

    fn follow(&self, app: &App) {
        match self.stock {
            Some((concert, true)) => app.tickets_returned(concert),
            Some((concert, false)) => app.live().changed(concert),
            None => {}
        }
        if let Some(outcome) = self.outcome {
            metrics::counter!("stagedoor_reservations_total", "outcome" => outcome).increment(1);
        }
        jobs::wake(app);
    }
}

async fn tell_in(
    app: &App,
    transaction: &Transaction,
    event: &Event,
    source: Source,
) -> Result<Done, StoreError> {
    let Some(till) = app.till() else {
        return Ok(Done::nothing(Told::Unknown));
    };
    let provider = till.provider.name();
    // Most repetitions end here, without waiting for anybody's lock.
    if stored::exists_event(transaction, provider, &event.id).await? {
        return Ok(Done::nothing(Told::Known));
    }
    let now = app.ctx().now();
    let words = event.words.as_deref().map(shortened);
    let keep = |payment, consequence| NewEvent {
        provider,
        id: &event.id,
        payment,
        news: event.news.name(),
        consequence,
        words: words.as_deref(),
        now,
    };
    let found = match find(transaction, provider, &event.of).await? {
        Some(id) => stored::find(transaction, &id).await?,
        None => None,
    };
    // What another provider took isn't this one's to speak of.
    let Some(payment) = found.filter(|payment| payment.provider == provider) else {
        // Perhaps another installation's, on the same account.
        tracing::warn!(
            event = event.id,
            "the provider speaks of a payment that isn't ours"
        );
        let is_new = stored::insert_event(transaction, &keep(None, "unknown")).await?;
        return Ok(Done::nothing(if is_new {
            Told::Unknown
        } else {
            Told::Known
        }));
    };
    let reservation_id = payment.payment.reservation_id.clone();
    let reservation = reservations::lock_behind_concert(transaction, &reservation_id).await?;
    let Some(payment) = stored::lock(transaction, &payment.payment.id).await? else {
        return Ok(Done::nothing(Told::Unknown));
    };
    let consequence = match &event.news {
        News::Disputed => Consequence::Nothing,
        News::Told { fact, .. } => {
            let told = (*fact, source);
            decide_behind_locks(app, transaction, told, (&payment, reservation.as_ref())).await?
        }
    };
    let id = &payment.payment.id;
    if !stored::insert_event(transaction, &keep(Some(id), name(consequence))).await? {
        return Ok(Done::nothing(Told::Known));
    }
    if event.news == News::Disputed {
        tracing::warn!(payment = %id, "a payment is disputed; answer it at the provider's");
    }
    act(
        app,
        transaction,
        (event, &payment, reservation),
        consequence,
    )
    .await
}

async fn find(
    transaction: &Transaction,
    provider: &str,
    subject: &Subject,
) -> Result<Option<PaymentId>, StoreError> {
    match subject {
        Subject::Payment(id) => Ok(Some(id.clone())),
        Subject::Money(money) => stored::find_id_by_money(transaction, provider, money).await,
    }
}

async fn decide_behind_locks(
    app: &App,
    transaction: &Transaction,
    (fact, source): (Fact, Source),
    (payment, reservation): (&Stored, Option<&Reservation>),
) -> Result<Consequence, StoreError> {
    let state = payment.payment.state;
    if payment.refund_note.is_some() && state == PaymentState::Refunded {
        return Ok(decide_settled(fact));
    }
    let is_refund_doubtful = payment.refund_error.is_some() && source == Source::Webhook;
    let of_concert = match reservation {
        Some(one) => staff_runs::find_of_concert(transaction, one.concert_id).await?,
        None => None,
    };
    let expired = reservation.filter(|one| one.status == ReservationStatus::Expired);
    let (available, is_within_limit) = match expired {
        Some(expired) => find_room(app, transaction, expired).await?,
        None => (0, true),
    };
    Ok(decide(
        fact,
        Standing {
            payment: &payment.payment,
            reservation,
            available,
            is_concert_cancelled: of_concert.is_some(),
            is_within_limit,
            is_refund_doubtful,
        },
    ))
}

/// Tickets that an expired reservation could take anew, and whether its customer may.
async fn find_room(
    app: &App,
    transaction: &Transaction,
    reservation: &Reservation,
) -> Result<(i32, bool), StoreError> {
    let concert = concerts::find(transaction, reservation.concert_id).await?;
    let available = concert
        .filter(|concert| concert.status != ConcertStatus::Archived && concert.date >= app.today())
        .map_or(0, |concert| concert.available_tickets);
    let Ok(customer) = EmailAddress::parse(&reservation.customer_email) else {
        // Erased: nobody could open the tickets, so the money goes back.
        return Ok((0, true));
    };
    let held = reservation_rows::sum_held(transaction, &customer, reservation.concert_id).await?;
    let limit = app.settings().limits.per_customer;
    Ok((available, held + reservation.quantity <= limit))
}

async fn act(
    app: &App,
    transaction: &Transaction,
    (event, payment, reservation): (&Event, &Stored, Option<Reservation>),
    consequence: Consequence,
) -> Result<Done, StoreError> {
    let now = app.ctx().now();
    let id = &payment.payment.id;
    let money = match &event.news {
        News::Told { money, .. } => money.as_deref(),
        News::Disputed => None,
    };
    let change = |state| Change {
        state,
        money,
        refund_reason: None,
        refund_error: None,
        ask_at: None,
    };
    let mut done = Done::nothing(Told::New);
    match consequence {
        Consequence::Nothing => {}
        Consequence::PaidTwice => {
            tracing::warn!(payment = %id, "a provider sent money back that staff had paid back already");
        }
        Consequence::Ask => ask_soon(transaction, payment, now).await?,
        Consequence::Confirm { take } => {
            stored::update_state(transaction, id, &change(PaymentState::Completed), now).await?;
            if let Some(reservation) = reservation {
                confirm(transaction, &reservation, take, now).await?;
                mails::enqueue(app, transaction, MailKind::Confirmed, &reservation.id).await?;
                done.stock = Some((reservation.concert_id, false));
                done.outcome = Some("confirmed");
            }
        }
        Consequence::GiveBack(reason) => {
            let stored = Stored {
                money: money.map(str::to_owned).or_else(|| payment.money.clone()),
                ..payment.clone()
            };
            give_back(transaction, &stored, (reason, reservation), now).await?;
        }
        Consequence::Fail => {
            stored::update_state(transaction, id, &change(PaymentState::Failed), now).await?;
            // Whose hold has run out, swept or not, has nothing left to pay, and no failed payment.
            let is_held = |one: &Reservation| one.status_at(now) == ReservationStatus::Pending;
            if let Some(held) = reservation.filter(is_held) {
                let failed = PaymentStatus::Failed;
                stored::update_reservation_payment(transaction, &held.id, failed, now).await?;
                mails::enqueue(app, transaction, MailKind::PaymentFailed, &held.id).await?;
            }
        }
        Consequence::SettleRefund { cancel } => {
            stored::update_state(transaction, id, &change(PaymentState::Refunded), now).await?;
            if let Some(reservation) = reservation {
                done = settle_refund(transaction, &reservation, cancel, now).await?;
                mails::enqueue(app, transaction, MailKind::Refunded, &reservation.id).await?;
            }
        }
        Consequence::ReportRefund => {
            let why =
                "the provider could not send the money back; look there, and pay it back by hand";
            refund::report(transaction, payment, why, now).await?;
            if let Some(given_up) = reservation.filter(|one| !one.status.holds_tickets()) {
                let paid = PaymentStatus::Completed;
                stored::update_reservation_payment(transaction, &given_up.id, paid, now).await?;
            }
        }
    }
    Ok(done)
}

/// The reservation tells of the money, unless its tickets are the buyer's by other money or it can still
/// be paid.
async fn give_back(
    transaction: &Transaction,
    payment: &Stored,
    (reason, reservation): (RefundReason, Option<Reservation>),
    now: Timestamp,
) -> Result<(), StoreError> {
    refund::give_back(transaction, payment, reason, now).await?;
    let is_lost =
        |one: &Reservation| !one.status.holds_tickets() || reason == RefundReason::ConcertCancelled;
    if let Some(lost) = reservation.filter(is_lost) {
        let paid = PaymentStatus::Completed;
        stored::update_reservation_payment(transaction, &lost.id, paid, now).await?;
    }
    Ok(())
}

/// The provider is asked at the next look.
async fn ask_soon(
    transaction: &Transaction,
    payment: &Stored,
    now: Timestamp,
) -> Result<(), StoreError> {
    let change = Change {
        state: payment.payment.state,
        money: None,
        refund_reason: None,
        refund_error: payment.refund_error.as_deref(),
        ask_at: Some(now),
    };
    stored::update_state(transaction, &payment.payment.id, &change, now).await
}

async fn confirm(
    transaction: &Transaction,
    reservation: &Reservation,
    take: i32,
    now: Timestamp,
) -> Result<(), StoreError> {
    if let Some(tickets) = Quantity::new(take) {
        concerts::take_tickets(transaction, reservation.concert_id, tickets, now).await?;
    }
    reservation_rows::confirm(transaction, &reservation.id, now).await
}

/// The reservation says so too, unless another payment keeps it.
async fn settle_refund(
    transaction: &Transaction,
    reservation: &Reservation,
    cancel: bool,
    now: Timestamp,
) -> Result<Done, StoreError> {
    let mut done = Done::nothing(Told::New);
    if cancel {
        let cancelled = ReservationStatus::Cancelled;
        reservation_rows::update_status(transaction, &reservation.id, cancelled, now).await?;
        let tickets = reservation.quantity;
        concerts::return_tickets(transaction, reservation.concert_id, tickets, now).await?;
        done.stock = Some((reservation.concert_id, true));
        done.outcome = Some("cancelled");
    }
    if !cancel {
        say_refunded(transaction, reservation, now).await?;
        return Ok(done);
    }
    let refunded = PaymentStatus::Refunded;
    stored::update_reservation_payment(transaction, &reservation.id, refunded, now).await?;
    Ok(done)
}

/// That money went back, on a reservation that isn't paid by other money or can be paid yet.
pub(super) async fn say_refunded(
    transaction: &Transaction,
    reservation: &Reservation,
    now: Timestamp,
) -> Result<(), StoreError> {
    let is_kept = match reservation.status {
        ReservationStatus::Confirmed => true,
        // Its concert was cancelled, and its own turn hasn't come.
        ReservationStatus::Pending => reservation.payment_status != PaymentStatus::Completed,
        ReservationStatus::Cancelled | ReservationStatus::Expired => false,
    };
    if is_kept {
        return Ok(());
    }
    let refunded = PaymentStatus::Refunded;
    stored::update_reservation_payment(transaction, &reservation.id, refunded, now).await
}

/// As much of somebody's words as is kept.
pub(super) fn shortened(words: &str) -> String {
    words.chars().take(ERROR_LENGTH_MAX).collect()
}

const fn name(consequence: Consequence) -> &'static str {
    match consequence {
        Consequence::Nothing => "nothing",
        Consequence::Confirm { .. } => "confirmed",
        Consequence::GiveBack(_) => "given_back",
        Consequence::Fail => "failed",
        Consequence::SettleRefund { .. } => "refunded",
        Consequence::ReportRefund => "reported",
        Consequence::Ask => "asked",
        Consequence::PaidTwice => "paid_twice",
    }
}

impl News {
    const fn name(&self) -> &'static str {
        match self {
            Self::Told { fact, .. } => match fact {
                Fact::Paid { .. } => "paid",
                Fact::Failed => "failed",
                Fact::Refunded => "refunded",
                Fact::RefundMoved => "refund_moved",
                Fact::RefundFailed => "refund_failed",
            },
            Self::Disputed => "disputed",
        }
    }
}
