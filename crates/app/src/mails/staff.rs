//! What staff see of mails and do about them: dead ones are tried again, and a reservation's mail is
//! written anew for whoever lost it.

use domain::id::{MailId, ReservationId};
use domain::mail::{MailKind, MailStatus};
use store::mails::{self as stored, Mail, Position};
use store::{Acting, StoreError, Transaction, reservations};

use super::{SEND, enqueue_mail, enqueue_sending, language_of, task_of};
use crate::{App, jobs, task};

/// The most that one page of the list may have.
pub const LIMIT_MAX: u16 = 200;

/// A page of mails, newest first.
#[derive(Clone, Debug)]
pub struct Page {
    pub items: Vec<Mail>,
    pub next: Option<Position>,
}

/// A page for staff who may see it, of one status or of all.
pub async fn list(
    app: &App,
    status: Option<MailStatus>,
    (behind, limit): (Option<Position>, u16),
    by: &Acting,
) -> Result<Page, StoreError> {
    let limit = limit.clamp(1, LIMIT_MAX);
    let transaction = Transaction::begin_reading(app.writer(), by).await?;
    // One more than asked for tells whether there is a next page.
    let more = i64::from(limit) + 1;
    let items = stored::list(&transaction, status, behind.as_ref(), more).await;
    transaction.rollback().await;
    let mut items = items?;
    let has_more = items.len() > usize::from(limit);
    items.truncate(usize::from(limit));
    let next = items.last().filter(|_| has_more).map(|last| Position {
        created_at: last.created_at,
        id: last.id.clone(),
    });
    Ok(Page { items, next })
}

/// Why a mail isn't tried again.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    #[error("there is no such mail")]
    NotFound,
    #[error("the mail is {0}, not given up")]
    NotDead(MailStatus),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Tries a mail again that was given up, as often as a new one.
pub async fn retry(app: &App, id: MailId, by: Acting) -> Result<Mail, RetryError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = task::begin(&app, &by).await?;
        let tried = retry_in(&app, &transaction, &id).await;
        let tried = task::end(transaction, tried).await?;
        tracing::info!(mail = %id, "staff try a mail again");
        jobs::wake(&app);
        Ok(tried)
    })
    .await
}

async fn retry_in(app: &App, transaction: &Transaction, id: &MailId) -> Result<Mail, RetryError> {
    let locked = stored::lock(transaction, id).await?;
    let mail = locked.ok_or(RetryError::NotFound)?;
    if mail.status != MailStatus::Dead {
        return Err(RetryError::NotDead(mail.status));
    }
    let now = app.ctx().now();
    stored::update_pending(transaction, id, now).await?;
    enqueue_sending(transaction, (id, task_of(mail.kind)), now).await?;
    Ok(Mail {
        status: MailStatus::Pending,
        ..mail
    })
}

/// Why no mail is written anew.
#[derive(Debug, thiserror::Error)]
pub enum ResendError {
    #[error("there is no such reservation")]
    NotFound,
    #[error("no mail tells of a reservation that stands so")]
    NothingToTell,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes a new mail about how a reservation stands now.
pub async fn resend(app: &App, id: ReservationId, by: Acting) -> Result<Mail, ResendError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = task::begin(&app, &by).await?;
        let written = resend_in(&app, &transaction, &id, SEND).await;
        let written = task::end(transaction, written).await?;
        jobs::wake(&app);
        Ok(written)
    })
    .await
}

/// The same in the caller's transaction; `task` sends it.
pub(crate) async fn resend_in(
    app: &App,
    transaction: &Transaction,
    id: &ReservationId,
    task: &'static str,
) -> Result<Mail, ResendError> {
    let locked = reservations::lock(transaction, id).await?;
    let reservation = locked.ok_or(ResendError::NotFound)?;
    let now = app.ctx().now();
    let reservation = domain::reservation::Reservation {
        status: reservation.status_at(now),
        ..reservation
    };
    let kind = MailKind::about(&reservation).ok_or(ResendError::NothingToTell)?;
    let language = language_of(transaction, id).await?;
    let written = enqueue_mail(app, transaction, (kind, language, task), id).await?;
    written.ok_or(ResendError::NotFound)
}
