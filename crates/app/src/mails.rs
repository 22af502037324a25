//! Mails to buyers: wished for in the transaction that makes one necessary, sent by a job.
//!
//! ```text
//! use case ──enqueue──> mails, jobs ──commit──> job: write the words, hand them to the mail server
//! ```
//!
//! Absent on purpose: the words of mails and the way to a mail server, which the front has behind the
//! two ports below.

mod own;
mod send;
mod sign_in;
mod staff;

use std::fmt;
use std::sync::Arc;

use domain::concert::Concert;
use domain::erasure::is_pseudonym;
use domain::id::{MailId, ReservationId};
use domain::language::Language;
use domain::mail::{MailKind, MailStatus};
use domain::money::Currency;
use domain::reservation::Reservation;
use domain::text::EmailAddress;
use futures_util::future::BoxFuture;
use jiff::{Timestamp, Zoned};
use serde_json::json;
use store::mails::{self as stored, Mail};
use store::{StoreError, Transaction, payments as payment_rows, reservations};

use crate::tickets::Issue;
use crate::{App, jobs, payments};

pub use own::{OwnResendError, resend_own};
pub use send::{SEND, SEND_IN_BULK, SEND_SIGN_IN, Written, list_written, send};
pub(crate) use send::{bury_orphans, forget_old};
pub(crate) use staff::resend_in;
pub use staff::{LIMIT_MAX, Page, ResendError, RetryError, list, resend, retry};

/// How the product writes to people.
#[derive(Clone, Debug)]
pub struct Post {
    pub words: Arc<dyn Words>,
    /// None keeps mails, to be looked at.
    pub carrier: Option<Arc<dyn Carrier>>,
    /// Where the shop is for buyers, without a slash at its end.
    pub base_url: String,
    /// Whether whoever asks may read all mails: in development alone.
    pub is_open: bool,
}

/// What a mail tells of, as it stands when the mail is written.
#[derive(Clone, Debug)]
pub struct Story {
    pub kind: MailKind,
    pub language: Language,
    pub reservation: Reservation,
    /// None where it was deleted.
    pub concert: Option<Concert>,
    /// Whether the reservation was cancelled because the concert was.
    pub is_concert_cancelled: bool,
    /// With which it says that the tickets are the buyer's; none where it doesn't.
    pub tickets: Vec<Issue>,
    /// Until when the buyer may give them back, while that isn't over.
    pub cancel_until: Option<Zoned>,
    /// The payment whose money went back, in a mail that tells so.
    pub refund: Option<payment_rows::Stored>,
    pub currency: Currency,
    /// Where the shop is, without a slash at its end.
    pub base_url: String,
    /// The reservation's page, which whoever has the link may open.
    pub link: String,
}

/// A mail in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letter {
    pub subject: String,
    pub text: String,
    pub html: String,
    pub attachments: Vec<Attachment>,
}

/// A file that goes with a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub filename: String,
    pub content_type: &'static str,
    pub content: Vec<u8>,
}

/// What a mail about no reservation tells: the link that signs its reader in.
#[derive(Clone, Debug)]
pub struct Invitation {
    pub language: Language,
    pub link: String,
}

/// The port to whoever puts things into words.
pub trait Words: fmt::Debug + Send + Sync {
    /// Takes a processor for a tenth of a second or two where there are tickets to draw.
    fn write(&self, story: &Story) -> Letter;

    fn invite(&self, invitation: &Invitation) -> Letter;
}

/// A letter with all that goes on its outside.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// With its angle brackets.
    pub message_id: String,
    /// The person's name as they wrote it.
    pub name: String,
    pub address: String,
    pub date: Timestamp,
    pub letter: Letter,
}

/// The port to a mail server.
pub trait Carrier: fmt::Debug + Send + Sync {
    /// Ends within half a minute; `Ok` once the server has taken the mail.
    fn carry<'a>(&'a self, sealed: &'a Sealed) -> BoxFuture<'a, Result<(), CarryError>>;
}

/// Why a mail didn't leave. `words` are for staff and may quote the address; the message isn't.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CarryError {
    /// It may work later.
    #[error("the mail server doesn't take it now: {code}")]
    Later { code: String, words: String },
    /// It never will.
    #[error("the mail server refuses it: {code}")]
    Never { code: String, words: String },
}

/// Writes a mail about a reservation, and its job, in the caller's transaction; none where there is
/// no such reservation, or its customer was erased.
pub(crate) async fn enqueue(
    app: &App,
    transaction: &Transaction,
    kind: MailKind,
    id: &ReservationId,
) -> Result<(), StoreError> {
    let language = language_of(transaction, id).await?;
    let about = (kind, language, task_of(kind));
    enqueue_mail(app, transaction, about, id).await.map(drop)
}

async fn enqueue_mail(
    app: &App,
    transaction: &Transaction,
    (kind, language, task): (MailKind, Language, &'static str),
    id: &ReservationId,
) -> Result<Option<Mail>, StoreError> {
    let Some(reservation) = reservations::find_in(transaction, id).await? else {
        return Ok(None);
    };
    if is_pseudonym(&reservation.customer_email) {
        return Ok(None);
    }
    let now = app.ctx().now();
    let mail_id = MailId::new(now, app.ctx().random_u64());
    let mail = Mail {
        kind,
        language,
        recipient: reservation.customer_email,
        reservation_id: Some(id.clone()),
        message_id: message_id(&mail_id, host(app)),
        status: MailStatus::Pending,
        sent_at: None,
        last_error: None,
        created_at: now,
        id: mail_id,
    };
    stored::insert(transaction, &mail).await?;
    enqueue_sending(transaction, (&mail.id, task), now).await?;
    Ok(Some(mail))
}

/// Writes a mail that is about no reservation, and its job, in the caller's transaction.
pub(crate) async fn enqueue_to(
    app: &App,
    transaction: &Transaction,
    (kind, language): (MailKind, Language),
    recipient: &EmailAddress,
) -> Result<MailId, StoreError> {
    let now = app.ctx().now();
    let id = MailId::new(now, app.ctx().random_u64());
    let mail = Mail {
        kind,
        language,
        recipient: recipient.to_string(),
        reservation_id: None,
        message_id: message_id(&id, host(app)),
        status: MailStatus::Pending,
        sent_at: None,
        last_error: None,
        created_at: now,
        id,
    };
    stored::insert(transaction, &mail).await?;
    enqueue_sending(transaction, (&mail.id, task_of(kind)), now).await?;
    Ok(mail.id)
}

async fn enqueue_sending(
    transaction: &Transaction,
    (id, task): (&MailId, &'static str),
    now: Timestamp,
) -> Result<(), StoreError> {
    let names = json!({ "mail": id.as_str() });
    jobs::enqueue(transaction, &jobs::new(task, &names, now))
        .await
        .map(drop)
}

/// What sends mails of a kind, where nobody has asked for this one.
const fn task_of(kind: MailKind) -> &'static str {
    match kind {
        MailKind::SignIn => SEND_SIGN_IN,
        MailKind::Confirmed | MailKind::PaymentFailed => SEND,
        MailKind::Cancelled | MailKind::Refunded => SEND_IN_BULK,
    }
}

/// The language in which the buyer last wished to pay, where what staff wrote down by hand says nothing;
/// else that of the last mail: what is free gets its first one in the language of the booking.
async fn language_of(
    transaction: &Transaction,
    id: &ReservationId,
) -> Result<Language, StoreError> {
    let attempts = payment_rows::list(transaction, id).await?;
    let mut own = attempts
        .iter()
        .filter(|attempt| attempt.provider != payments::MANUAL);
    if let Some(last) = own.next() {
        return Ok(last.language);
    }
    Ok(stored::find_language(transaction, id)
        .await?
        .unwrap_or_default())
}

/// A mail's Message-ID (RFC 5322, 3.6.4).
pub(crate) fn message_id(id: &MailId, host: &str) -> String {
    format!("<{id}@{host}>")
}

/// The host that mails are from.
pub(crate) fn host(app: &App) -> &str {
    app.post().map_or("localhost", Post::host)
}

impl Post {
    fn host(&self) -> &str {
        host_of(&self.base_url)
    }
}

/// The host of the shop's address, without its port.
pub fn host_of(base_url: &str) -> &str {
    let rest = base_url
        .split_once("://")
        .map_or(base_url, |(_, rest)| rest);
    let end = rest.find([':', '/']).unwrap_or(rest.len());
    &rest[..end]
}
