//! What is kept about one person: a copy of all of it for them, and its erasure.
//!
//! Erasing keeps the books: amounts, ids, states and times stay under a pseudonym that leads to nobody.
//! Absent on purpose: what is blanked where, which is one function of the database, and how a copy
//! looks, which is the fronts'.

use domain::erasure::{Obstacle, Pseudonym, find_obstacles};
use domain::id::ReservationId;
use domain::text::EmailAddress;
use jiff::Timestamp;
use serde_json::json;
use store::personal_data as stored;
pub use store::personal_data::{
    KeptAccount, KeptConcert, KeptMail, KeptPayment, KeptReservation, KeptTicket,
};
use store::{Acting, StoreError, Transaction, audit_erasures, audit_logs};

use crate::{App, SealKey, task};

/// The most reservations, and the most mails, in a copy: some megabytes.
const ROWS_MAX: i32 = 5_000;

/// All that is kept under an e-mail address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonalData {
    pub email: EmailAddress,
    pub exported_at: Timestamp,
    /// `false` where there is more than a copy holds.
    pub is_complete: bool,
    /// None for who never signed in.
    pub account: Option<KeptAccount>,
    /// The newest first.
    pub reservations: Vec<KeptReservation>,
    pub payments: Vec<KeptPayment>,
    pub tickets: Vec<KeptTicket>,
    pub mails: Vec<KeptMail>,
}

/// A copy for whoever may have it: the customer themselves, or an operator who was asked for it. That
/// it left is in the audit log.
pub async fn export(
    app: &App,
    by: Acting,
    email: EmailAddress,
) -> Result<PersonalData, StoreError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = task::begin(&app, &by).await?;
        let copy = export_in(&app, &transaction, email).await;
        task::end(transaction, copy).await
    })
    .await
}

async fn export_in(
    app: &App,
    transaction: &Transaction,
    email: EmailAddress,
) -> Result<PersonalData, StoreError> {
    // One more than a copy holds tells whether there is more.
    let mut reservations =
        stored::list_reservations(transaction, &email, i64::from(ROWS_MAX) + 1).await?;
    let ids: Vec<ReservationId> = reservations.iter().map(|one| one.id.clone()).collect();
    let ids: Vec<&str> = ids.iter().map(ReservationId::as_str).collect();
    let ids = &ids[..ids.len().min(ROWS_MAX as usize)];
    let mut mails = stored::list_mails(transaction, ids, &email, i64::from(ROWS_MAX) + 1).await?;
    let is_complete = reservations.len().max(mails.len()) <= ROWS_MAX as usize;
    reservations.truncate(ROWS_MAX as usize);
    mails.truncate(ROWS_MAX as usize);
    let copy = PersonalData {
        exported_at: app.ctx().now(),
        is_complete,
        account: stored::find_account(transaction, &email).await?,
        payments: stored::list_payments(transaction, ids).await?,
        tickets: stored::list_tickets(transaction, ids).await?,
        reservations,
        mails,
        email,
    };
    // Whose they are stands in the values, where an erasure blanks it.
    let asked = json!({
        "customer_email": copy.email.as_str(), "reservations": copy.reservations.len(),
        "payments": copy.payments.len(), "tickets": copy.tickets.len(), "mails": copy.mails.len(),
    });
    audit_logs::log_export(transaction, "customers", &asked.to_string()).await?;
    Ok(copy)
}

/// What an erasure did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// `None` where nothing was kept under the address.
    pub erasure: Option<i64>,
    pub reservations: usize,
    /// Rows of the audit log that were blanked.
    pub audit_rows: usize,
}

/// Why nobody was erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// All of it, never empty.
    #[error("{}", told(.0))]
    Living(Vec<Obstacle>),
    /// Without it the blanked rows of the audit log would count as changed.
    #[error("the key of the audit log's seals isn't known here")]
    NoKey,
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn told(obstacles: &[Obstacle]) -> String {
    let each = obstacles.iter().map(ToString::to_string);
    each.collect::<Vec<_>>().join("; ")
}

/// Erases a customer: what names them, everywhere and at once, or nothing.
///
/// A sale under the same address at that moment is either seen, and erased or in the way; or it comes
/// after, and is new data that stays.
pub async fn erase(app: &App, by: Acting, email: EmailAddress) -> Result<Erased, EraseError> {
    let key = app.seal_key().cloned().ok_or(EraseError::NoKey)?;
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = Transaction::begin_hurried(app.writer(), &by).await?;
        let erased = erase_in(&app, &transaction, &key, &email).await;
        let erased = task::end(transaction, erased).await?;
        if let Some(erasure) = erased.erasure {
            // By its number: whom it was about is what must be forgotten.
            let reservations = erased.reservations;
            tracing::info!(erasure, reservations, "a customer was erased");
        }
        Ok(erased)
    })
    .await
}

/// INVARIANT: reservations are locked before their payments, in the order of their ids, and no concert
/// is locked behind them; guarded by `a_customer_is_erased_beside_their_own_cancelling`.
async fn erase_in(
    app: &App,
    transaction: &Transaction,
    key: &SealKey,
    email: &EmailAddress,
) -> Result<Erased, EraseError> {
    let business = stored::lock_reservations(transaction, email).await?;
    let ids: Vec<&str> = business.iter().map(|one| one.id.as_str()).collect();
    let money = stored::lock_payments(transaction, &ids).await?;
    let obstacles = find_obstacles(&business, &money, app.today());
    if !obstacles.is_empty() {
        return Err(EraseError::Living(obstacles));
    }
    let pseudonym = Pseudonym::new(u128::from_be_bytes(app.ctx().random_bytes()));
    let names = (email.as_str(), pseudonym.as_str());
    let now = app.ctx().now();
    let erasure = audit_erasures::erase(transaction, &ids, names, now).await?;
    if let Some(erasure) = &erasure {
        let signature = key.sign_erasure(erasure);
        audit_erasures::sign(transaction, erasure.id, &signature).await?;
    }
    let audit_rows = erasure.as_ref().map_or(0, |erasure| erasure.row_ids.len());
    Ok(Erased {
        erasure: erasure.map(|erasure| erasure.id),
        reservations: ids.len(),
        audit_rows,
    })
}
