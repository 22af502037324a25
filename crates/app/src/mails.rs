//! Mails to buyers: wished for in the transaction that makes one necessary, sent by a job.
//!
//! ```text
//! use case ──enqueue──> mails, jobs ──commit──> job: write the words, hand them to the mail server
//! ```
//!
//! Absent on purpose: the words of mails and the way to a mail server, which the front has behind the
//! two ports below.

mod send;
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
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::json;
use store::mails::{self as stored, Mail};
use store::{StoreError, Transaction, payments as payment_rows, reservations};

use crate::{App, jobs, payments};

pub(crate) use send::forget_old;
pub use send::{SEND, Written, list_written, send};
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
    pub currency: Currency,
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

/// The port to whoever puts things into words.
pub trait Words: fmt::Debug + Send + Sync {
    fn write(&self, story: &Story) -> Letter;
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
    enqueue_mail(app, transaction, kind, id).await.map(drop)
}

async fn enqueue_mail(
    app: &App,
    transaction: &Transaction,
    kind: MailKind,
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
        language: language_of(transaction, id).await?,
        recipient: reservation.customer_email,
        reservation_id: Some(id.clone()),
        message_id: format!("<{mail_id}@{}>", app.post().map_or("localhost", Post::host)),
        status: MailStatus::Pending,
        sent_at: None,
        last_error: None,
        created_at: now,
        id: mail_id,
    };
    stored::insert(transaction, &mail).await?;
    enqueue_sending(transaction, &mail.id, now).await?;
    Ok(Some(mail))
}

async fn enqueue_sending(
    transaction: &Transaction,
    id: &MailId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let names = json!({ "mail": id.as_str() });
    jobs::enqueue(transaction, &jobs::new(SEND, &names, now))
        .await
        .map(drop)
}

/// The language in which the buyer last wished to pay; what staff wrote down by hand says nothing.
async fn language_of(
    transaction: &Transaction,
    id: &ReservationId,
) -> Result<Language, StoreError> {
    let attempts = payment_rows::list(transaction, id).await?;
    let mut own = attempts
        .iter()
        .filter(|attempt| attempt.provider != payments::MANUAL);
    Ok(own
        .next()
        .map_or_else(Language::default, |last| last.language))
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
