//! Payments, and what their providers told.

use domain::id::{ConcertId, PaymentId, ReservationId};
use domain::language::Language;
use domain::payment::{Payment, PaymentState, RefundReason};
use domain::reservation::PaymentStatus;
use domain::text::RefundNote;
use jiff::Timestamp;

use crate::client::Params as _;
use crate::connection::Connection;
use crate::error::{StoreError, expect_rows};
use crate::generated::queries::payments as statements;
use crate::money;
use crate::time::{from_column, to_column};

/// A payment with what its provider calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub payment: Payment,
    pub provider: String,
    pub language: Language,
    /// The provider's page at which it can be paid, once there is one.
    pub page: Option<Page>,
    /// The provider's name for the money that came.
    pub money: Option<String>,
    /// Why the money couldn't be sent back yet.
    pub refund_error: Option<String>,
    /// How staff paid it back another way.
    pub refund_note: Option<String>,
    /// When the provider is asked what became of it; `None` once that is known.
    pub ask_at: Option<Timestamp>,
    pub updated_at: Timestamp,
}

/// A provider's page at which one payment can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub reference: String,
    pub url: String,
}

/// What becomes of a payment.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    pub state: PaymentState,
    /// `None` leaves what was known.
    pub money: Option<&'a str>,
    /// `None` leaves what was said.
    pub refund_reason: Option<RefundReason>,
    pub refund_error: Option<&'a str>,
    pub ask_at: Option<Timestamp>,
}

/// The columns take so many characters of an error.
pub const ERROR_LENGTH_MAX: usize = 500;

/// Something that a provider told, or staff noted, by the words of `payment_events`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub payment: PaymentId,
    pub news: String,
    pub consequence: String,
    /// As whoever told it said it.
    pub words: Option<String>,
    pub received_at: Timestamp,
}

pub async fn insert(connection: &Connection, new: &Stored) -> Result<(), StoreError> {
    let parameters = statements::InsertParams {
        id: new.payment.id.as_str(),
        reservation_id: new.payment.reservation_id.as_str(),
        provider: new.provider.as_str(),
        amount: money::to_column(new.payment.amount),
        currency: new.payment.currency.as_str(),
        status: new.payment.state.as_str(),
        language: new.language.as_str(),
        provider_money: new.money.as_deref(),
        refund_reason: new.payment.refund_reason.map(RefundReason::as_str),
        ask_at: new.ask_at.map(to_column),
        now: to_column(new.payment.created_at),
    };
    let inserted = statements::insert().params(connection, &parameters).await?;
    expect_rows("payments.insert", inserted, 1)
}

pub async fn find(connection: &Connection, id: &PaymentId) -> Result<Option<Stored>, StoreError> {
    let found = statements::find()
        .bind(connection, &id.as_str())
        .opt()
        .await?;
    found.map(read).transpose()
}

/// The payment that brought the money which a provider names.
pub async fn find_id_by_money(
    connection: &Connection,
    provider: &str,
    money: &str,
) -> Result<Option<PaymentId>, StoreError> {
    let found = statements::find_id_by_money()
        .bind(connection, &provider, &money)
        .opt()
        .await?;
    found.map(|id| parse("id", &id)).transpose()
}

/// All attempts to pay for a reservation, the newest first.
pub async fn list(
    connection: &Connection,
    reservation: &ReservationId,
) -> Result<Vec<Stored>, StoreError> {
    let rows = statements::list()
        .bind(connection, &reservation.as_str())
        .all()
        .await?;
    rows.into_iter().map(read).collect()
}

/// What of a reservation's money can go back: so many payments, and how much that is in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Returnable {
    /// That were made, to staff too.
    pub paid: i64,
    pub paid_minor: i64,
    /// Of those the ones to staff.
    pub by_hand: i64,
    pub hand_minor: i64,
    /// Whose provider couldn't send the money back.
    pub stuck: i64,
    pub stuck_minor: i64,
    /// That staff must pay back by hand.
    pub owed: i64,
}

/// Those of these reservations of which anything can.
pub async fn list_returnable(
    connection: &Connection,
    reservations: &[ReservationId],
) -> Result<Vec<(ReservationId, Returnable)>, StoreError> {
    let ids: Vec<&str> = reservations.iter().map(ReservationId::as_str).collect();
    let rows = statements::list_returnable()
        .bind(connection, &ids)
        .all()
        .await?;
    let returnable = |row: &statements::Returnable| {
        let counted = Returnable {
            paid: row.paid,
            paid_minor: row.paid_minor,
            by_hand: row.by_hand,
            hand_minor: row.hand_minor,
            stuck: row.stuck,
            stuck_minor: row.stuck_minor,
            owed: row.owed,
        };
        Ok((parse("reservation_id", &row.reservation_id)?, counted))
    };
    rows.iter().map(returnable).collect()
}

/// What providers told of a reservation's payments, the oldest first.
pub async fn list_events(
    connection: &Connection,
    reservation: &ReservationId,
) -> Result<Vec<Told>, StoreError> {
    let rows = statements::list_events()
        .bind(connection, &reservation.as_str())
        .all()
        .await?;
    let told = |row: statements::Told| {
        Ok(Told {
            payment: parse("id", &row.payment_id)?,
            news: row.news,
            consequence: row.consequence,
            words: row.words,
            received_at: from_column(row.received_at),
        })
    };
    rows.into_iter().map(told).collect()
}

/// Locks the payment's row; its concert and its reservation are locked before.
pub async fn lock(connection: &Connection, id: &PaymentId) -> Result<Option<Stored>, StoreError> {
    let found = statements::lock()
        .bind(connection, &id.as_str())
        .opt()
        .await?;
    found.map(read).transpose()
}

pub async fn update_opened(
    connection: &Connection,
    id: &PaymentId,
    page: &Page,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed = statements::update_opened()
        .bind(
            connection,
            &page.reference.as_str(),
            &page.url.as_str(),
            &to_column(now),
            &id.as_str(),
        )
        .await?;
    expect_rows("payments.update_opened", changed, 1)
}

pub async fn update_state(
    connection: &Connection,
    id: &PaymentId,
    change: &Change<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let parameters = statements::UpdateStateParams {
        status: change.state.as_str(),
        provider_money: change.money,
        refund_reason: change.refund_reason.map(RefundReason::as_str),
        refund_error: change.refund_error,
        ask_at: change.ask_at.map(to_column),
        now: to_column(now),
        id: id.as_str(),
    };
    let changed = statements::update_state()
        .params(connection, &parameters)
        .await?;
    expect_rows("payments.update_state", changed, 1)
}

/// Staff have paid it back another way.
pub async fn update_settled(
    connection: &Connection,
    id: &PaymentId,
    note: &RefundNote,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed = statements::update_settled()
        .bind(connection, &note.as_str(), &to_column(now), &id.as_str())
        .await?;
    expect_rows("payments.update_settled", changed, 1)
}

/// Asks the provider again then, or no more; one that is decided meanwhile is left alone.
pub async fn update_ask_at(
    connection: &Connection,
    id: &PaymentId,
    at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let at = at.map(to_column);
    statements::update_ask_at()
        .bind(connection, &at, &to_column(now), &id.as_str())
        .await?;
    Ok(())
}

/// Payments whose provider is to be asked what became of them, the longest due first.
pub async fn list_due(
    connection: &Connection,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<PaymentId>, StoreError> {
    let rows = statements::list_due()
        .bind(connection, &to_column(now), &limit)
        .all()
        .await?;
    rows.iter().map(|id| parse("id", id)).collect()
}

/// The same of money that goes back; none that waits for a job of `refund_task` that sends it.
pub async fn list_due_refunds(
    connection: &Connection,
    refund_task: &str,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<PaymentId>, StoreError> {
    let rows = statements::list_due_refunds()
        .bind(connection, &to_column(now), &refund_task, &limit)
        .all()
        .await?;
    rows.iter().map(|id| parse("id", id)).collect()
}

/// Something that a provider told.
#[derive(Clone, Copy, Debug)]
pub struct NewEvent<'a> {
    pub provider: &'a str,
    pub id: &'a str,
    /// `None` when it is about none of ours.
    pub payment: Option<&'a PaymentId>,
    pub news: &'static str,
    pub consequence: &'static str,
    /// At most [`ERROR_LENGTH_MAX`] characters.
    pub words: Option<&'a str>,
    pub now: Timestamp,
}

/// Keeps an event; `false` when the provider had told it before.
pub async fn insert_event(connection: &Connection, new: &NewEvent<'_>) -> Result<bool, StoreError> {
    let parameters = statements::InsertEventParams {
        provider: new.provider,
        event_id: new.id,
        payment_id: new.payment.map(PaymentId::as_str),
        news: new.news,
        consequence: new.consequence,
        words: new.words,
        now: to_column(new.now),
    };
    let inserted = statements::insert_event()
        .params(connection, &parameters)
        .await?;
    Ok(inserted == 1)
}

pub async fn exists_event(
    connection: &Connection,
    provider: &str,
    id: &str,
) -> Result<bool, StoreError> {
    let is_known = statements::exists_event()
        .bind(connection, &provider, &id)
        .one()
        .await?;
    Ok(is_known)
}

/// How a reservation's payment stands, as the reservation says it.
pub async fn update_reservation_payment(
    connection: &Connection,
    id: &ReservationId,
    status: PaymentStatus,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed = statements::update_reservation_payment()
        .bind(connection, &status.as_str(), &to_column(now), &id.as_str())
        .await?;
    expect_rows("payments.update_reservation_payment", changed, 1)
}

/// Whether money of a concert may still come or go back.
pub async fn has_open_of_concert(
    connection: &Connection,
    concert: ConcertId,
) -> Result<bool, StoreError> {
    let has_open = statements::has_open_of_concert()
        .bind(connection, &concert.get())
        .one()
        .await?;
    Ok(has_open)
}

/// How much money can't go back without somebody's help, in payments.
pub async fn count_stuck(connection: &Connection) -> Result<i64, StoreError> {
    Ok(statements::count_stuck().bind(connection).one().await?)
}

/// Up to `limit` of them, whoever waits longest first.
pub async fn list_stuck(connection: &Connection, limit: i64) -> Result<Vec<Stored>, StoreError> {
    let list_stuck = statements::list_stuck();
    let stuck = list_stuck.bind(connection, &limit).all().await?;
    stuck.into_iter().map(read).collect()
}

fn read(row: statements::Payment) -> Result<Stored, StoreError> {
    let page = row.provider_ref.zip(row.redirect_url);
    Ok(Stored {
        payment: Payment {
            id: parse("id", &row.id)?,
            reservation_id: parse("reservation_id", &row.reservation_id)?,
            amount: money::from_column("payments", row.amount)?,
            currency: parse("currency", &row.currency)?,
            state: parse("status", &row.status)?,
            refund_reason: row
                .refund_reason
                .map(|reason| parse("refund_reason", &reason))
                .transpose()?,
            created_at: from_column(row.created_at),
        },
        provider: row.provider,
        language: parse("language", &row.language)?,
        page: page.map(|(reference, url)| Page { reference, url }),
        money: row.provider_money,
        refund_error: row.refund_error,
        refund_note: row.refund_note,
        ask_at: row.ask_at.map(from_column),
        updated_at: from_column(row.updated_at),
    })
}

fn parse<T: std::str::FromStr>(column: &str, value: &str) -> Result<T, StoreError> {
    value.parse().map_err(|_| StoreError::Unreadable {
        table: "payments",
        detail: format!("{column} {value:?}"),
    })
}
