//! Reserving tickets: what can be refused at once is refused here, the rest is the engine's.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use domain::allotment::{self, Refusal};
use domain::id::ConcertId;
use domain::language::Language;
use domain::reservation::{Quantity, Reservation, initial_status};
use domain::text::{CustomerName, EmailAddress};
use store::admission::Key;
use store::receipts::{self, Receipt};
use store::{Connection, StoreError};
use uuid::Uuid;

use crate::App;
use crate::idempotency::{self, Caller, IdempotencyKey};
use crate::rates::Rates;

/// The name of this use case among those that take an `Idempotency-Key`.
const ROUTE: &str = "reserve";
/// What refuses a second receipt for one key.
const RECEIPTS_KEY: &str = "admission_receipts_pkey";

/// A buyer's wish, already parsed.
#[derive(Clone, Debug)]
pub struct ReserveRequest {
    pub concert_id: ConcertId,
    pub quantity: Quantity,
    pub customer_name: CustomerName,
    pub customer_email: EmailAddress,
    pub caller: Caller,
    /// In which the buyer is written to before there is a payment.
    pub language: Language,
    pub key: Option<IdempotencyKey>,
    pub client_ip: Option<IpAddr>,
    pub request_id: Uuid,
}

/// An admitted request. It is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// As it was when it was admitted, also in a replay.
    pub reservation: Reservation,
    /// Whether an earlier request with the same key had made it.
    pub replayed: bool,
}

/// Why a request got no tickets.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    #[error("there is no such concert")]
    UnknownConcert,
    #[error("the concert is not on sale")]
    SaleClosed,
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the total is more than one order may cost")]
    TotalTooLarge,
    #[error("the key was used for another request")]
    KeyReused,
    #[error("the reservation that the key was used for was removed from the database")]
    KeyOrphaned,
    #[error("a request with the same key is still under way")]
    InFlight,
    #[error("more requests are waiting than can be decided in time")]
    Overloaded,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Another way to decide requests than the engine; see [`App::decided_by`].
#[derive(Clone)]
pub struct ReserveFn(Arc<dyn Fn(App, ReserveRequest) -> Deciding + Send + Sync>);

type Deciding = Pin<Box<dyn Future<Output = Result<Reserved, ReserveError>> + Send>>;

impl ReserveFn {
    pub fn new<F>(decide: impl Fn(App, ReserveRequest) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Reserved, ReserveError>> + Send + 'static,
    {
        Self(Arc::new(move |app, request| Box::pin(decide(app, request))))
    }
}

impl fmt::Debug for ReserveFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReserveFn").finish_non_exhaustive()
    }
}

/// Reserves tickets, or says why not. Once `Ok` is returned the reservation is durable.
pub async fn reserve(app: &App, request: ReserveRequest) -> Result<Reserved, ReserveError> {
    let concert = request.concert_id;
    let outcome = decide(app, request).await;
    count(&outcome, concert, app.rates());
    outcome
}

/// Counts an answer, whether or not it reaches anybody. The write probe is no buyer.
pub(crate) fn count(outcome: &Result<Reserved, ReserveError>, concert: ConcertId, rates: &Rates) {
    if concert.is_probe() {
        return;
    }
    rates.count(concert, outcome);
    let counted = outcome_name(outcome);
    metrics::counter!("stagedoor_reservations_total", "outcome" => counted).increment(1);
}

async fn decide(app: &App, request: ReserveRequest) -> Result<Reserved, ReserveError> {
    if let Some(ReserveFn(instead)) = &app.reserver {
        return instead(app.clone(), request).await;
    }
    app.writer().check_primary()?;
    let engine = app.engine();
    let Some(key) = &request.key else {
        allotment::check_order(app.settings().limits, request.quantity)?;
        let refusal = engine.notes().refuse(request.concert_id, request.quantity);
        return match refusal {
            Some(refusal) => Err(refusal.into()),
            None => engine.submit(request, None).await,
        };
    };
    // With a key the request may be a repeated one, made while the limit was higher or the
    // concert not sold out. Only behind the lock of the concert's row is known what became of it.
    let key = digests(&request, key);
    engine.submit(request, Some(key)).await.map_err(name_orphan)
}

/// The engine tries a key twice that somebody else was faster with: the second time it finds their
/// receipt with its reservation. A receipt that is in the way and isn't found has lost it, which
/// nothing of ours does.
fn name_orphan(error: ReserveError) -> ReserveError {
    match error {
        ReserveError::Store(StoreError::Constraint { name }) if name == RECEIPTS_KEY => {
            ReserveError::KeyOrphaned
        }
        error => error,
    }
}

/// What a key is kept under, and what it is bound to.
pub(crate) fn digests(request: &ReserveRequest, key: &IdempotencyKey) -> Key {
    Key {
        key_digest: idempotency::key_digest(ROUTE, &request.caller, key),
        values_digest: idempotency::values_digest(&[
            &request.concert_id.to_string(),
            &request.quantity.get().to_string(),
            request.customer_name.as_str(),
            request.customer_email.as_str(),
        ]),
    }
}

/// Rebuilds the first answer: all that changes later is known from the total and the receipt.
pub(crate) fn as_first_answered(reservation: Reservation, receipt: &Receipt) -> Reservation {
    let (status, payment_status) = initial_status(reservation.total_price);
    Reservation {
        status,
        payment_status,
        expires_at: receipt.expires_at,
        extensions: 0,
        updated_at: reservation.created_at,
        ..reservation
    }
}

/// Every outcome that `stagedoor_reservations_total` counts under a name of its own.
pub const OUTCOMES: [&str; 14] = [
    "admitted",
    "replayed",
    "confirmed",
    "cancelled",
    "expired",
    "sold_out",
    "not_enough_tickets",
    "purchase_limit",
    "sale_closed",
    "key_reused",
    "in_flight",
    "overloaded",
    "invalid",
    "failed",
];

fn outcome_name(outcome: &Result<Reserved, ReserveError>) -> &'static str {
    match outcome {
        Ok(Reserved {
            replayed: false, ..
        }) => "admitted",
        Ok(Reserved { replayed: true, .. }) => "replayed",
        Err(ReserveError::Refused(Refusal::SoldOut)) => "sold_out",
        Err(ReserveError::Refused(Refusal::NotEnoughTickets { .. })) => "not_enough_tickets",
        Err(ReserveError::Refused(
            Refusal::OverOrderLimit { .. } | Refusal::OverCustomerLimit { .. },
        )) => "purchase_limit",
        Err(ReserveError::SaleClosed) => "sale_closed",
        Err(ReserveError::KeyReused | ReserveError::KeyOrphaned) => "key_reused",
        Err(ReserveError::InFlight) => "in_flight",
        Err(ReserveError::Overloaded) => "overloaded",
        Err(ReserveError::UnknownConcert | ReserveError::TotalTooLarge) => "invalid",
        Err(ReserveError::Store(_)) => "failed",
    }
}

/// Forgets up to `limit` keys that are too old to count; returns how many.
pub async fn forget_old_keys(
    app: &App,
    connection: &Connection,
    limit: i64,
) -> Result<u64, StoreError> {
    let before = app.ctx().now() - idempotency::KEPT_FOR;
    receipts::delete_before(connection, before, limit).await
}
