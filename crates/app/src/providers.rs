//! The port to whoever takes buyers' money, and all that the product knows of them.
//!
//! A provider is only ever asked from jobs. What it tells comes back as [`Event`]s, by its webhook or
//! because it was asked, and `domain::payment` says what each means.
//! Absent on purpose: transactions, and any decision about tickets.

pub mod sandbox;
pub mod stripe;

use std::fmt;

use domain::id::{PaymentId, ReservationId};
use domain::language::Language;
use domain::money::{Currency, Money};
use domain::payment::Fact;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use jiff::Timestamp;

/// What the buyer is asked to pay for.
#[derive(Clone, Debug)]
pub struct Order {
    pub payment: PaymentId,
    pub reservation: ReservationId,
    pub amount: Money,
    pub currency: Currency,
    /// On the provider's page: the concert and the number of tickets.
    pub title: String,
    pub customer_email: String,
    pub language: Language,
    /// Where the provider sends a buyer who has paid, or tried to.
    pub return_url: String,
    /// Where it sends one who goes back without.
    pub cancel_url: String,
    /// When the hold ends.
    pub held_until: Timestamp,
}

/// A page of the provider's at which one order can be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The provider's name for it: `payments.provider_ref`.
    pub reference: String,
    pub url: String,
}

/// Something that a provider says about one payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The provider's name for it, the same each time it is delivered.
    pub id: String,
    pub of: Subject,
    pub news: News,
    /// Why, where it says so in words.
    pub words: Option<String>,
}

impl Event {
    /// No money came by this attempt: what an order that ended without any is told as.
    pub(crate) fn failed(payment: &PaymentId, why: &str) -> Self {
        Self {
            id: format!("asked-{payment}-{why}"),
            of: Subject::Payment(payment.clone()),
            news: News::Told {
                fact: Fact::Failed,
                money: None,
            },
            words: None,
        }
    }
}

/// Which payment is meant, in the words that the provider has for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// By our own name, which it was given.
    Payment(PaymentId),
    /// By its name for the money, as [`News::Told`] brought it.
    Money(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    Told {
        fact: Fact,
        /// The provider's name for the money that moved: `payments.provider_money`.
        money: Option<String>,
    },
    /// Somebody contests the payment at their bank: for people, not for rules.
    Disputed,
}

/// What a webhook's body turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    Event(Event),
    /// Genuine, and nothing that concerns us.
    Ignored {
        id: String,
    },
}

/// Why a webhook's body isn't believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Disbelief {
    #[error("the signature is missing or can't be read")]
    Unsigned,
    #[error("no secret that is known made the signature")]
    Forged,
    #[error("the signature is too old, or from the future")]
    Stale,
    #[error("the body isn't an event of the provider")]
    Unreadable,
}

/// Why a provider didn't do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It may work later: no answer, too many requests, trouble on its side.
    #[error("the payment provider didn't answer: {0}")]
    Unavailable(String),
    /// It never will.
    #[error("the payment provider refuses: {0}")]
    Refused(String),
}

/// Somebody who takes money.
///
/// Every call may be repeated with the same arguments and then does nothing new: a job runs at least
/// once. Each has a deadline of its own below a job's minute.
pub trait Provider: Send + Sync + fmt::Debug {
    /// `payments.provider`, and the last part of the webhook's path.
    fn name(&self) -> &'static str;

    /// Makes the page for an order, or finds the one that was made.
    fn open<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<Opened, ProviderError>>;

    /// Sees to it that an order's page takes no more money. `Ok` also when it was paid before.
    fn close<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<(), ProviderError>>;

    /// What became of an order; `None` while that is open.
    fn ask<'a>(
        &'a self,
        payment: &'a PaymentId,
        reference: &'a str,
    ) -> BoxFuture<'a, Result<Option<Event>, ProviderError>>;

    /// Sends all the money of a payment back; what became of it, or `None` while that is open.
    fn refund<'a>(
        &'a self,
        payment: &'a PaymentId,
        money: &'a str,
        amount: (Money, Currency),
    ) -> BoxFuture<'a, Result<Option<Event>, ProviderError>>;

    /// What became of a payment's money that was to be sent back, by whomever; `None` while that is open,
    /// and when nobody asked for it.
    fn ask_refund<'a>(
        &'a self,
        payment: &'a PaymentId,
        money: &'a str,
        amount: (Money, Currency),
    ) -> BoxFuture<'a, Result<Option<Event>, ProviderError>>;

    /// Reads a webhook's raw body, if it is signed as it must be.
    fn read(&self, headers: &HeaderMap, body: &[u8], now: Timestamp)
    -> Result<Delivery, Disbelief>;
}
