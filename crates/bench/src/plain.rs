//! Reserving the plain way, as the product is measured against: lock the concert, decide, take the
//! tickets, write the reservation, commit; one transaction for each buyer.
//!
//! It gives the same answers as the engine, to the same requests, with the same guards.

use app::App;

use app::idempotency::{self, IdempotencyKey};
use app::reserve::{ReserveError, ReserveRequest, Reserved};
use domain::allotment::{self, Allotment};
use domain::concert::is_on_sale;
use domain::id::ReservationId;
use domain::reservation::{Reservation, initial_status};
use store::concerts::LockedConcert;
use store::receipts::{self, Digest, NewReceipt, Receipt};
use store::{Acting, StoreError, Transaction, concerts, reservations};
use tracing::Instrument as _;

/// The name of this use case among those that take an `Idempotency-Key`.
const ROUTE: &str = "reserve";

/// Reserves tickets, or says why not. Once `Ok` is returned the reservation is durable.
pub(crate) async fn reserve(app: App, request: ReserveRequest) -> Result<Reserved, ReserveError> {
    let work = async move {
        allotment::check_order(app.settings().limits, request.quantity)?;
        match attempt(&app, &request).await {
            // Another request won the key or the id meanwhile, or a deadlock chose this one: the
            // second attempt sees what the first could not.
            Err(Attempt::Again) => attempt(&app, &request).await,
            outcome => outcome,
        }
        .map_err(|failure| match failure {
            Attempt::Again => ReserveError::Store(StoreError::Conflict),
            Attempt::Failed(error) => error,
        })
    };
    // A task of its own: a client that hangs up can't cut a transaction in two.
    match tokio::spawn(work.in_current_span()).await {
        Ok(outcome) => outcome,
        Err(failure) => std::panic::resume_unwind(failure.into_panic()),
    }
}

/// How one attempt ended without an answer.
enum Attempt {
    Again,
    Failed(ReserveError),
}

impl<E: Into<ReserveError>> From<E> for Attempt {
    fn from(error: E) -> Self {
        match error.into() {
            ReserveError::Store(StoreError::Conflict) => Self::Again,
            ReserveError::Store(StoreError::Constraint { name }) if name == "reservations_pkey" => {
                Self::Again
            }
            error => Self::Failed(error),
        }
    }
}

async fn attempt(app: &App, request: &ReserveRequest) -> Result<Reserved, Attempt> {
    let transaction = Transaction::begin(app.writer(), &Acting::system("engine")).await?;
    match lock_and_decide(app, &transaction, request).await {
        Ok(reserved) if reserved.replayed => {
            transaction.rollback().await;
            Ok(reserved)
        }
        Ok(reserved) => {
            transaction.commit().await?;
            Ok(reserved)
        }
        Err(refusal) => {
            transaction.rollback().await;
            Err(refusal)
        }
    }
}

/// Keys and limits are looked up in statements after the row lock, whose snapshots see what the
/// lock waited for.
async fn lock_and_decide(
    app: &App,
    transaction: &Transaction,
    request: &ReserveRequest,
) -> Result<Reserved, Attempt> {
    let concert = concerts::lock(transaction, request.concert_id).await?;
    let digests = request.key.as_ref().map(|key| Digests::of(request, key));
    let customer = &request.customer_email;
    // Sent together: the fewer round trips under the lock, the better the plain way is.
    let (earlier, held) = tokio::join!(
        find_earlier(app, transaction, digests.as_ref()),
        reservations::sum_held(transaction, customer, request.concert_id),
    );
    if let Some(reservation) = earlier? {
        return Ok(Reserved {
            reservation,
            replayed: true,
        });
    }
    let concert = concert.ok_or(ReserveError::UnknownConcert)?;
    let reservation = decide(app, request, concert, held?)?;
    let (id, now) = (request.concert_id, reservation.created_at);
    let client_ip = request.client_ip.map(|address| address.to_string());
    let (taken, inserted, receipt) = tokio::join!(
        concerts::take_tickets(transaction, id, request.quantity, now),
        reservations::insert(transaction, &reservation, client_ip.as_deref()),
        write_receipt(transaction, request, digests.as_ref(), &reservation),
    );
    taken?;
    inserted?;
    receipt?;
    Ok(Reserved {
        reservation,
        replayed: false,
    })
}

/// The decision itself, without any input or output.
fn decide(
    app: &App,
    request: &ReserveRequest,
    concert: LockedConcert,
    held: i32,
) -> Result<Reservation, ReserveError> {
    if !is_on_sale(concert.status, concert.date, app.today()) {
        return Err(ReserveError::SaleClosed);
    }
    let mut allotment = Allotment::new(concert.available_tickets, app.settings().limits);
    allotment.admit(&request.customer_email, held, request.quantity)?;
    let total_price = concert
        .price
        .times(request.quantity.get())
        .ok_or(ReserveError::TotalTooLarge)?;
    let (status, payment_status) = initial_status(total_price);
    let now = app.ctx().now();
    let expires_at = (!total_price.is_zero()).then(|| now + app.settings().hold_ttl);
    Ok(Reservation {
        id: ReservationId::new(now, app.ctx().random_u64()),
        concert_id: request.concert_id,
        customer_name: request.customer_name.as_str().to_owned(),
        customer_email: request.customer_email.as_str().to_owned(),
        quantity: request.quantity.get(),
        total_price,
        status,
        payment_status,
        google_auth: request.caller.proved_by_google(&request.customer_email),
        reserved_at: now,
        expires_at,
        extensions: 0,
        created_at: now,
        updated_at: now,
    })
}

/// What a key is kept under, and what it is bound to.
struct Digests {
    key: Digest,
    values: Digest,
}

impl Digests {
    fn of(request: &ReserveRequest, key: &IdempotencyKey) -> Self {
        Self {
            key: idempotency::key_digest(ROUTE, &request.caller, key),
            values: idempotency::values_digest(&[
                &request.concert_id.to_string(),
                &request.quantity.get().to_string(),
                request.customer_name.as_str(),
                request.customer_email.as_str(),
            ]),
        }
    }
}

/// The reservation that an earlier request with this key was answered with, as it was then.
async fn find_earlier(
    app: &App,
    transaction: &Transaction,
    digests: Option<&Digests>,
) -> Result<Option<Reservation>, ReserveError> {
    let Some(digests) = digests else {
        return Ok(None);
    };
    let since = app.ctx().now() - idempotency::KEPT_FOR;
    let Some(receipt) = receipts::find(transaction, &digests.key, since).await? else {
        return Ok(None);
    };
    if receipt.values_digest != digests.values {
        return Err(ReserveError::KeyReused);
    }
    let id = &receipt.reservation_id;
    let found = reservations::find_even_deleted(transaction, id).await?;
    Ok(found.map(|reservation| as_first_answered(reservation, &receipt)))
}

/// Rebuilds the first answer: all that changes later is known from the total and the receipt.
fn as_first_answered(reservation: Reservation, receipt: &Receipt) -> Reservation {
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

async fn write_receipt(
    transaction: &Transaction,
    request: &ReserveRequest,
    digests: Option<&Digests>,
    reservation: &Reservation,
) -> Result<(), Attempt> {
    let Some(digests) = digests else {
        return Ok(());
    };
    let receipt = Receipt {
        values_digest: digests.values,
        reservation_id: reservation.id.clone(),
        expires_at: reservation.expires_at,
    };
    let new = NewReceipt {
        key_digest: &digests.key,
        receipt: &receipt,
        request_id: request.request_id,
        now: reservation.created_at,
        since: reservation.created_at - idempotency::KEPT_FOR,
    };
    if receipts::insert(transaction, &new).await? {
        Ok(())
    } else {
        Err(Attempt::Again)
    }
}
