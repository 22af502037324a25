//! The provider where there is none: a card network of our own for development and trials, whose pay
//! page lets one choose what goes wrong. It stands behind the same port as a real one.
//!
//! Absent on purpose: any short cut. What it tells comes signed to the webhook's code, or because it
//! was asked, as from everybody else.

use std::fmt::{self, Write as _};

use domain::id::PaymentId;
use domain::money::{Currency, Money};
use domain::payment::Fact;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use store::{Acting, Pool, StoreError, Transaction, sandbox_orders as books};
use subtle::ConstantTimeEq as _;

use super::{Delivery, Disbelief, Event, News, Opened, Order, Provider, ProviderError, Subject};
use crate::Ctx;

pub const NAME: &str = "sandbox";
pub const SIGNATURE_HEADER: &str = "stagedoor-signature";
/// How old a signature may be, and how far its clock ahead.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
/// How long after the hold's end late money is told of.
const LATE_BY: SignedDuration = SignedDuration::from_secs(5);
const ACTING: Acting = Acting::system("sandbox");
/// What it says of money that it can't send back.
const REFUSAL: &str = "the card was closed";

/// The make-believe network. Its books are in the same database, in a table of its own.
#[derive(Clone)]
pub struct Sandbox {
    pub pool: Pool,
    pub ctx: Ctx,
    pub base_url: String,
    /// Signs what it tells: the installation's secret key.
    pub secret: Vec<u8>,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sandbox(…)")
    }
}

/// What somebody chooses on its pay page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    Pay,
    Decline,
    /// The money comes, and is told of when the hold is over.
    Late,
    /// It is told of three times, once under another name.
    Twice,
    /// The buyer goes away.
    Never,
    /// The money comes, and can't be sent back.
    RefundFails,
}

impl Choice {
    pub const ALL: [Self; 6] = [
        Self::Pay,
        Self::Decline,
        Self::Late,
        Self::Twice,
        Self::Never,
        Self::RefundFails,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pay => "pay",
            Self::Decline => "decline",
            Self::Late => "late",
            Self::Twice => "twice",
            Self::Never => "never",
            Self::RefundFails => "refund_fails",
        }
    }

    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.as_str() == text)
    }

    /// Whether its money comes, sooner or later.
    pub const fn pays(self) -> bool {
        !matches!(self, Self::Decline | Self::Never)
    }
}

/// A webhook's body.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    payment_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
}

/// Something to be sent to the webhook.
#[derive(Clone, Debug)]
pub struct Letter {
    pub signature: String,
    pub body: String,
}

impl Sandbox {
    /// An order for its pay page.
    pub async fn find(&self, id: &PaymentId) -> Result<Option<books::Order>, StoreError> {
        let transaction = Transaction::begin_reading(&self.pool, &ACTING).await?;
        let found = books::find(&transaction, id).await;
        transaction.rollback().await;
        found
    }

    /// Notes a choice; what is to be sent to the webhook at once. `None` when the order is closed, paid
    /// already or unknown.
    pub async fn choose(
        &self,
        id: &PaymentId,
        choice: Choice,
    ) -> Result<Option<Vec<Letter>>, StoreError> {
        let transaction = Transaction::begin(&self.pool, &ACTING).await?;
        let chosen = self.choose_in(&transaction, id, choice).await;
        match &chosen {
            Ok(Some(_)) => transaction.commit().await?,
            _ => transaction.rollback().await,
        }
        let now = self.ctx.now();
        Ok(chosen?.map(|order| self.letters(&order, choice, now)))
    }

    async fn choose_in(
        &self,
        transaction: &Transaction,
        id: &PaymentId,
        choice: Choice,
    ) -> Result<Option<books::Order>, StoreError> {
        let Some(order) = books::find(transaction, id).await? else {
            return Ok(None);
        };
        let now = self.ctx.now();
        let told_at = match choice {
            Choice::Never => None,
            Choice::Late => Some(now.max(order.held_until) + LATE_BY),
            _ => Some(now),
        };
        let is_taken = books::update_outcome(transaction, id, choice.as_str(), told_at).await?;
        Ok(is_taken.then_some(order))
    }

    fn letters(&self, order: &books::Order, choice: Choice, now: Timestamp) -> Vec<Letter> {
        let paid = |id: &str| self.letter(&paid_body(order, id), now);
        let first = event_id(&order.payment, "paid");
        match choice {
            Choice::Pay | Choice::RefundFails => vec![paid(&first)],
            Choice::Twice => {
                let again = event_id(&order.payment, "paid-again");
                vec![paid(&first), paid(&first), paid(&again)]
            }
            Choice::Decline => {
                let declined = Body {
                    id: format!(
                        "{}-{}",
                        event_id(&order.payment, "failed"),
                        now.as_millisecond()
                    ),
                    kind: "payment.failed".to_owned(),
                    payment_id: order.payment.to_string(),
                    amount: None,
                    currency: None,
                };
                vec![self.letter(&declined, now)]
            }
            Choice::Late | Choice::Never => Vec::new(),
        }
    }

    fn letter(&self, body: &Body, now: Timestamp) -> Letter {
        let body = serde_json::to_string(body).unwrap_or_default();
        let at = now.as_second();
        let mac = self.mac(at, body.as_bytes());
        let mut signature = format!("t={at},v1=");
        for byte in mac {
            let _ = write!(signature, "{byte:02x}");
        }
        Letter { signature, body }
    }

    fn mac(&self, at: i64, body: &[u8]) -> Vec<u8> {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.secret) else {
            // HMAC takes keys of every length.
            return Vec::new();
        };
        mac.update(format!("{at}.").as_bytes());
        mac.update(body);
        mac.finalize().into_bytes().to_vec()
    }

    /// What it says of an order when it is asked.
    fn answer(&self, order: &books::Order) -> Option<Event> {
        let now = self.ctx.now();
        let choice = order.outcome.as_deref().and_then(Choice::read);
        let is_told = order.told_at.is_some_and(|at| at <= now);
        match choice {
            Some(choice) if choice.pays() => is_told.then(|| Event {
                id: event_id(&order.payment, "paid"),
                of: Subject::Payment(order.payment.clone()),
                news: told(paid_fact(order), Some(money(&order.payment))),
                words: None,
            }),
            Some(Choice::Decline) => Some(Event::failed(&order.payment, "declined")),
            _ if order.is_closed => Some(Event::failed(&order.payment, "closed")),
            _ => None,
        }
    }

    fn refunded(order: &books::Order) -> Option<Event> {
        let fails = order.outcome.as_deref() == Some(Choice::RefundFails.as_str());
        let (name, fact) = if fails {
            ("refund-failed", Fact::RefundFailed)
        } else {
            order.refunded_at?;
            ("refunded", Fact::Refunded)
        };
        Some(Event {
            id: event_id(&order.payment, name),
            of: Subject::Payment(order.payment.clone()),
            news: told(fact, None),
            words: fails.then(|| REFUSAL.to_owned()),
        })
    }

    async fn find_or_refuse(&self, id: &PaymentId) -> Result<books::Order, ProviderError> {
        let found = self.find(id).await.map_err(unavailable)?;
        found.ok_or_else(|| ProviderError::Refused("no such order".to_owned()))
    }

    async fn in_books(
        &self,
        write: impl for<'a> FnOnce(&'a Transaction) -> BoxFuture<'a, Result<(), StoreError>>,
    ) -> Result<(), ProviderError> {
        let transaction = Transaction::begin(&self.pool, &ACTING).await;
        let transaction = transaction.map_err(unavailable)?;
        let written = write(&transaction).await;
        match written {
            Ok(()) => transaction.commit().await.map_err(unavailable),
            Err(error) => {
                transaction.rollback().await;
                Err(unavailable(error))
            }
        }
    }
}

impl Provider for Sandbox {
    fn name(&self) -> &'static str {
        NAME
    }

    fn open<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<Opened, ProviderError>> {
        async move {
            let entry = books::Order {
                payment: order.payment.clone(),
                amount: order.amount,
                currency: order.currency,
                title: order.title.chars().take(600).collect(),
                return_url: order.return_url.clone(),
                cancel_url: order.cancel_url.clone(),
                held_until: order.held_until,
                outcome: None,
                told_at: None,
                is_closed: false,
                refunded_at: None,
            };
            let now = self.ctx.now();
            self.in_books(|books| async move { books::insert(books, &entry, now).await }.boxed())
                .await?;
            Ok(Opened {
                reference: order.payment.to_string(),
                url: format!("{}/sandbox/pay/{}", self.base_url, order.payment),
            })
        }
        .boxed()
    }

    fn close<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<(), ProviderError>> {
        async move {
            let id = read_id(reference)?;
            self.in_books(|books| async move { books::close(books, &id).await }.boxed())
                .await
        }
        .boxed()
    }

    fn ask<'a>(
        &'a self,
        payment: &'a PaymentId,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Option<Event>, ProviderError>> {
        async move { Ok(self.answer(&self.find_or_refuse(payment).await?)) }.boxed()
    }

    fn refund<'a>(
        &'a self,
        payment: &'a PaymentId,
        _: &'a str,
        _: (Money, Currency),
    ) -> BoxFuture<'a, Result<Option<Event>, ProviderError>> {
        async move {
            let order = self.find_or_refuse(payment).await?;
            if order.outcome.as_deref() != Some(Choice::RefundFails.as_str()) {
                let (id, now) = (payment.clone(), self.ctx.now());
                self.in_books(|books| async move { books::refund(books, &id, now).await }.boxed())
                    .await?;
            }
            Ok(Self::refunded(&self.find_or_refuse(payment).await?))
        }
        .boxed()
    }

    fn ask_refund<'a>(
        &'a self,
        payment: &'a PaymentId,
        _: &'a str,
        _: (Money, Currency),
    ) -> BoxFuture<'a, Result<Option<Event>, ProviderError>> {
        async move { Ok(Self::refunded(&self.find_or_refuse(payment).await?)) }.boxed()
    }

    fn read(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Delivery, Disbelief> {
        let header = headers.get(SIGNATURE_HEADER).ok_or(Disbelief::Unsigned)?;
        let header = header.to_str().map_err(|_| Disbelief::Unsigned)?;
        let part = |name| {
            let mut parts = header
                .split(',')
                .filter_map(|part| part.trim().split_once('='));
            parts.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let at: i64 = part("t")
            .and_then(|text| text.parse().ok())
            .ok_or(Disbelief::Unsigned)?;
        let claimed = part("v1").and_then(unhex).ok_or(Disbelief::Unsigned)?;
        if !bool::from(self.mac(at, body).ct_eq(&claimed)) {
            return Err(Disbelief::Forged);
        }
        let at = Timestamp::from_second(at).map_err(|_| Disbelief::Stale)?;
        if now.duration_since(at).abs() > TOLERANCE {
            return Err(Disbelief::Stale);
        }
        let body: Body = serde_json::from_slice(body).map_err(|_| Disbelief::Unreadable)?;
        event_of(&body).ok_or(Disbelief::Unreadable)
    }
}

fn event_of(body: &Body) -> Option<Delivery> {
    let payment: PaymentId = body.payment_id.parse().ok()?;
    let fact = match body.kind.as_str() {
        "payment.paid" => Fact::Paid {
            amount: body.amount.as_deref()?.parse().ok()?,
            currency: body.currency.as_deref()?.parse().ok()?,
        },
        "payment.failed" => Fact::Failed,
        "payment.refunded" => Fact::Refunded,
        "payment.refund_failed" => Fact::RefundFailed,
        _ => {
            return Some(Delivery::Ignored {
                id: body.id.clone(),
            });
        }
    };
    let has_id = (1..=255).contains(&body.id.len());
    let money = matches!(fact, Fact::Paid { .. }).then(|| money(&payment));
    has_id.then(|| {
        Delivery::Event(Event {
            id: body.id.clone(),
            of: Subject::Payment(payment),
            news: told(fact, money),
            words: None,
        })
    })
}

fn paid_body(order: &books::Order, id: &str) -> Body {
    Body {
        id: id.to_owned(),
        kind: "payment.paid".to_owned(),
        payment_id: order.payment.to_string(),
        amount: Some(order.amount.to_string()),
        currency: Some(order.currency.to_string()),
    }
}

const fn paid_fact(order: &books::Order) -> Fact {
    Fact::Paid {
        amount: order.amount,
        currency: order.currency,
    }
}

const fn told(fact: Fact, money: Option<String>) -> News {
    News::Told { fact, money }
}

fn event_id(payment: &PaymentId, what: &str) -> String {
    format!("evt-{payment}-{what}")
}

fn money(payment: &PaymentId) -> String {
    format!("money-{payment}")
}

fn read_id(reference: &str) -> Result<PaymentId, ProviderError> {
    let parsed = reference.parse();
    parsed.map_err(|_| ProviderError::Refused("no such order".to_owned()))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unavailable(error: StoreError) -> ProviderError {
    ProviderError::Unavailable(error.to_string())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| {
        let pairs = (0..text.len()).step_by(2).map(|at| &text[at..at + 2]);
        pairs
            .filter_map(|pair| u8::from_str_radix(pair, 16).ok())
            .collect()
    })
}
