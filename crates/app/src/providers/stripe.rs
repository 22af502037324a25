//! Stripe as a payment provider: its Checkout page takes the money, its refunds send it back.
//!
//! <https://docs.stripe.com/api/checkout/sessions>, <https://docs.stripe.com/api/refunds>.
//! Absent on purpose: Stripe's other objects. A session's name is the payment's reference, and the
//! name of its payment intent is the name of the money.

mod amount;
mod client;
mod object;
mod signature;
mod webhook;

use std::fmt;
use std::time::Duration;

use domain::id::PaymentId;
use domain::money::{Currency, Money};
use domain::payment::Fact;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use jiff::Timestamp;

use self::amount::Unpayable;
pub use self::client::API_VERSION;
use self::client::{Client, Failure};
use self::object::{
    Expandable, IntentStatus, List, Metadata, Refund, RefundStatus, Session, SessionStatus,
};
use self::webhook::is_name;
use super::{Delivery, Disbelief, Event, News, Opened, Order, Provider, ProviderError, Subject};

/// One operation may need three exchanges, and has an end below a job's minute.
const OPERATION_MAX: Duration = Duration::from_secs(45);
/// Stripe's shortest life of a page, from when it is made (`expires_at` of a session).
const PAGE_LIFE_MIN: Duration = Duration::from_mins(30);
/// How much later than the payment its page may be made, and what clocks differ by.
const PAGE_DELAY_MAX: Duration = Duration::from_mins(15);
/// Stripe's longest is 24 hours; the rest is for clocks.
const PAGE_LIFE_MAX: Duration = Duration::from_mins(23 * 60 + 30);
/// Stripe takes more and shows less.
const TITLE_CHARACTERS_MAX: usize = 250;
/// Refunds of one payment that are looked at: a page of Stripe's. Ours is the newest or nearly so.
const REFUNDS_MAX: usize = 100;

/// What Stripe must be told about this installation, and the other way round.
pub struct StripeSettings {
    /// `sk_test_…`, `sk_live_…`, or a restricted key, `rk_…`.
    pub secret_key: String,
    /// `whsec_…`, several while one is rolled.
    pub webhook_secrets: Vec<String>,
    /// `https://api.stripe.com`; `http` to this machine alone.
    pub api_base: String,
    /// How long a reservation is held. A page of Stripe's lives longer and is closed at its end.
    pub hold_time: Duration,
    /// How long one exchange may take.
    pub patience: Duration,
}

impl StripeSettings {
    /// [`StripeSettings::patience`] outside of tests: Stripe itself gives up a little later.
    pub const PATIENCE: Duration = Duration::from_secs(20);
}

impl fmt::Debug for StripeSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StripeSettings({})", self.api_base)
    }
}

/// Why Stripe can't be used as it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("Stripe's API key must begin with sk_test_, sk_live_, rk_test_ or rk_live_")]
    Key,
    #[error("without a webhook's secret nothing that Stripe tells can be believed")]
    NoWebhookSecret,
    #[error("Stripe's address must be an https URL (http only to this machine)")]
    ApiBase,
    #[error("this system has no root certificates: install its package ca-certificates")]
    NoRoots,
}

pub struct Stripe {
    client: Client,
    webhook_secrets: Vec<Vec<u8>>,
    /// Whether the key moves real money.
    is_live: bool,
    page_life: Duration,
}

/// Without secrets.
impl fmt::Debug for Stripe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stripe")
            .field("client", &self.client)
            .field("is_live", &self.is_live)
            .finish_non_exhaustive()
    }
}

impl Stripe {
    /// # Errors
    /// Which setting is wrong.
    pub fn new(settings: &StripeSettings) -> Result<Self, SettingsError> {
        let is_live = is_live(&settings.secret_key).ok_or(SettingsError::Key)?;
        let secrets = settings.webhook_secrets.iter().map(|it| it.trim());
        let secrets: Vec<_> = secrets
            .filter(|secret| !secret.is_empty())
            .map(|secret| secret.as_bytes().to_vec())
            .collect();
        if secrets.is_empty() {
            return Err(SettingsError::NoWebhookSecret);
        }
        let page_life = settings.hold_time + PAGE_DELAY_MAX + PAGE_LIFE_MIN;
        Ok(Self {
            client: Client::new(settings)?,
            webhook_secrets: secrets,
            is_live,
            page_life: page_life.min(PAGE_LIFE_MAX),
        })
    }

    async fn open_page(&self, order: &Order) -> Result<Opened, ProviderError> {
        let form = self.form(order)?;
        let key = format!("open:{}", order.payment);
        let made = self.client.post_once(SESSIONS, &form, &key).await;
        let session: Session = match made {
            // An address that we take and Stripe doesn't: the page asks the buyer for one.
            Err(Failure::Told(told)) if told.param == CUSTOMER_EMAIL => {
                let form: Vec<_> = form
                    .into_iter()
                    .filter(|(name, _)| *name != CUSTOMER_EMAIL)
                    .collect();
                let key = format!("{key}:without-email");
                self.client.post_once(SESSIONS, &form, &key).await?
            }
            made => made?,
        };
        let is_secure = |url: &String| url.starts_with("https://") || !self.client.is_secure();
        match session.url.filter(is_secure) {
            Some(url) if is_name(&session.id) => Ok(Opened {
                reference: session.id,
                url,
            }),
            _ => Err(refused("the page that was made has no address")),
        }
    }

    /// A function of the order alone, and of nothing in it that changes between two attempts: Stripe
    /// takes other fields under the same key for a mistake.
    fn form(&self, order: &Order) -> Result<Vec<(&'static str, String)>, ProviderError> {
        let amount = amount::to_stripe(order.amount, order.currency);
        let amount = amount.map_err(|why: Unpayable| refused(&why.to_string()))?;
        let title: String = order.title.chars().take(TITLE_CHARACTERS_MAX).collect();
        let payment = order.payment.to_string();
        let mut form = vec![
            ("mode", "payment".into()),
            ("line_items[0][quantity]", "1".into()),
            (
                "line_items[0][price_data][currency]",
                order.currency.as_str().to_ascii_lowercase(),
            ),
            ("line_items[0][price_data][unit_amount]", amount.to_string()),
            ("line_items[0][price_data][product_data][name]", title),
            // What comes must be what was asked for, also when the buyer's bank is abroad.
            ("adaptive_pricing[enabled]", "false".into()),
            ("client_reference_id", payment.clone()),
            ("metadata[payment_id]", payment.clone()),
            ("metadata[reservation_id]", order.reservation.to_string()),
            // Stripe copies these to the charge, which refunds and disputes are about.
            ("payment_intent_data[metadata][payment_id]", payment),
            (CUSTOMER_EMAIL, order.customer_email.clone()),
            ("locale", order.language.as_str().into()),
            ("success_url", order.return_url.clone()),
            ("cancel_url", order.cancel_url.clone()),
        ];
        if let Some(made_at) = made_at(&order.payment) {
            let expires_at = made_at.as_second() + self.page_life.as_secs().cast_signed();
            form.push(("expires_at", expires_at.to_string()));
        }
        Ok(form)
    }

    async fn close_page(&self, reference: &str) -> Result<(), ProviderError> {
        let path = format!("{}/expire", path_of(reference)?);
        match self.client.post::<Session>(&path, &[], None).await {
            Ok(_) => Ok(()),
            Err(failure) => match ProviderError::from(failure) {
                // A page that is paid or over already can't be closed, and Stripe has no code for it.
                ProviderError::Refused(why) => {
                    let session = self.session(reference).await?;
                    match session.status {
                        Some(SessionStatus::Complete | SessionStatus::Expired) => Ok(()),
                        _ => Err(ProviderError::Refused(why)),
                    }
                }
                passing @ ProviderError::Unavailable(_) => Err(passing),
            },
        }
    }

    async fn session(&self, reference: &str) -> Result<Session, ProviderError> {
        let query = [("expand[]", "payment_intent".to_owned())];
        Ok(self.client.get(&path_of(reference)?, &query).await?)
    }

    async fn ask_page(
        &self,
        payment: &PaymentId,
        reference: &str,
    ) -> Result<Option<Event>, ProviderError> {
        let session = self.session(reference).await?;
        if session.payment().as_ref() != Some(payment) {
            return Err(refused("the page is another payment's"));
        }
        let (word, fact) = if session.payment_status.is_settled() {
            let fact = webhook::paid_fact(&session)
                .ok_or_else(|| refused("the page was paid with an amount that can't be read"))?;
            ("paid", fact)
        } else if is_over(&session) {
            ("failed", Fact::Failed)
        } else {
            return Ok(None);
        };
        let money = session.money().filter(|_| fact != Fact::Failed);
        let id = format!("asked:{reference}:{word}");
        Ok(Some(event(id, payment, fact, money)))
    }

    /// Looks before it asks: Stripe forgets a key after a day, and a job may come back later.
    async fn send_back(
        &self,
        payment: &PaymentId,
        money: &str,
        amount: (Money, Currency),
    ) -> Result<Option<Event>, ProviderError> {
        let refunds = self.refunds_of(money).await?;
        if refunds.iter().any(|refund| is_ours(refund, payment)) {
            return Ok(standing_of_all(payment, (money, amount), &refunds));
        }
        // Without an amount it is all that is left. So a second one can't send more back than came,
        // whatever became of the first.
        let form = [
            ("payment_intent", money.to_owned()),
            ("metadata[payment_id]", payment.to_string()),
        ];
        let key = format!("refund:{payment}");
        let mut sent = self.client.post_once::<Refund>(REFUNDS, &form, &key).await;
        for attempt in 2..=ATTEMPTS_A_DAY {
            // What Stripe refused it refuses for a day, though the reason may be mended. There is no refund
            // of ours, and no two can send back more than came.
            let is_old = matches!(&sent, Err(Failure::Told(told)) if told.is_replayed);
            if !is_old {
                break;
            }
            let next = format!("{key}:{attempt}");
            sent = self.client.post(REFUNDS, &form, Some(&next)).await;
        }
        match sent {
            Ok(refund) => Ok(standing(payment, money, &refund)),
            Err(Failure::Told(told)) if told.code == "charge_already_refunded" => {
                let id = format!("asked:{money}:refunded");
                Ok(Some(event(id, payment, Fact::Refunded, Some(money.into()))))
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// What was sent back of some money, the newest first; people may have sent some by hand.
    async fn refunds_of(&self, money: &str) -> Result<Vec<Refund>, ProviderError> {
        if !is_name(money) {
            return Err(refused("the money's name isn't one of Stripe's"));
        }
        let query = [
            ("payment_intent", money.to_owned()),
            ("limit", REFUNDS_MAX.to_string()),
        ];
        let list: List<Refund> = self.client.get(REFUNDS, &query).await?;
        Ok(list.data)
    }
}

const SESSIONS: &str = "/v1/checkout/sessions";
const REFUNDS: &str = "/v1/refunds";
/// As often staff may have a refused refund tried again within the day for which Stripe keeps answers.
const ATTEMPTS_A_DAY: u32 = 10;
const CUSTOMER_EMAIL: &str = "customer_email";

impl Provider for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn open<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<Opened, ProviderError>> {
        Box::pin(in_time(self.open_page(order)))
    }

    fn close<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(in_time(self.close_page(reference)))
    }

    fn ask<'a>(
        &'a self,
        payment: &'a PaymentId,
        reference: &'a str,
    ) -> BoxFuture<'a, Result<Option<Event>, ProviderError>> {
        Box::pin(in_time(self.ask_page(payment, reference)))
    }

    fn refund<'a>(
        &'a self,
        payment: &'a PaymentId,
        money: &'a str,
        amount: (Money, Currency),
    ) -> BoxFuture<'a, Result<Option<Event>, ProviderError>> {
        Box::pin(in_time(self.send_back(payment, money, amount)))
    }

    fn ask_refund<'a>(
        &'a self,
        payment: &'a PaymentId,
        money: &'a str,
        amount: (Money, Currency),
    ) -> BoxFuture<'a, Result<Option<Event>, ProviderError>> {
        Box::pin(in_time(async move {
            let refunds = self.refunds_of(money).await?;
            Ok(standing_of_all(payment, (money, amount), &refunds))
        }))
    }

    fn read(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Delivery, Disbelief> {
        signature::check(headers, body, &self.webhook_secrets, now)?;
        webhook::read(body, self.is_live)
    }
}

async fn in_time<T>(
    work: impl Future<Output = Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    let result = tokio::time::timeout(OPERATION_MAX, work).await;
    result.unwrap_or_else(|_| {
        let why = format!("not done within {OPERATION_MAX:?}");
        Err(ProviderError::Unavailable(why))
    })
}

/// <https://docs.stripe.com/keys>
fn is_live(key: &str) -> Option<bool> {
    let rest = key
        .strip_prefix("sk_")
        .or_else(|| key.strip_prefix("rk_"))?;
    if rest.len() > "live_".len() && rest.starts_with("live_") {
        Some(true)
    } else if rest.len() > "test_".len() && rest.starts_with("test_") {
        Some(false)
    } else {
        None
    }
}

/// A payment's name tells when it was made, the same at each attempt. The hold's end isn't: it moves
/// when the buyer asks for more time.
fn made_at(payment: &PaymentId) -> Option<Timestamp> {
    let (millis, _) = payment.as_str().strip_prefix("PAY")?.split_once('-')?;
    Timestamp::from_millisecond(millis.parse().ok()?).ok()
}

fn path_of(reference: &str) -> Result<String, ProviderError> {
    if is_name(reference) {
        Ok(format!("{SESSIONS}/{reference}"))
    } else {
        Err(refused("the page's name isn't one of Stripe's"))
    }
}

/// Whether a page that wasn't paid won't be any more.
///
/// One with a method that takes its time is `complete` from when the buyer was told how to pay, and
/// stays so when nothing came: then only the intent is back where it was before.
fn is_over(session: &Session) -> bool {
    match (session.status, &session.payment_intent) {
        (Some(SessionStatus::Expired), _) => true,
        (Some(SessionStatus::Complete), Some(Expandable::Object(intent))) => matches!(
            intent.status,
            IntentStatus::RequiresPaymentMethod | IntentStatus::Canceled
        ),
        _ => false,
    }
}

/// What a refund's status says; `None` while it is under way.
fn standing(payment: &PaymentId, money: &str, refund: &Refund) -> Option<Event> {
    match refund.standing() {
        RefundStatus::Succeeded => Some(ended(payment, money, (refund, Fact::Refunded))),
        status if status.is_failed() => Some(ended(payment, money, (refund, Fact::RefundFailed))),
        _ => None,
    }
}

/// What the refunds of some money, the newest first, say together: ours is always of all that is left,
/// and where it failed, or there is none, people may have sent all of it back by hand.
fn standing_of_all(
    payment: &PaymentId,
    (money, (amount, currency)): (&str, (Money, Currency)),
    refunds: &[Refund],
) -> Option<Event> {
    let ours = refunds.iter().find(|refund| is_ours(refund, payment));
    if let Some(ours) = ours.filter(|refund| !refund.standing().is_failed()) {
        return standing(payment, money, ours);
    }
    let is_back = |refund: &&Refund| refund.standing() == RefundStatus::Succeeded;
    let back: i64 = refunds.iter().filter(is_back).map(|it| it.amount).sum();
    let all = amount::to_stripe(amount, currency).ok()?;
    if let Some(last) = refunds.iter().find(is_back).filter(|_| back >= all) {
        return Some(ended(payment, money, (last, Fact::Refunded)));
    }
    if refunds.iter().any(|refund| refund.standing().is_open()) {
        return None;
    }
    let failed = refunds.iter().find(|refund| refund.standing().is_failed());
    failed.and_then(|failed| standing(payment, money, failed))
}

fn is_ours(refund: &Refund, payment: &PaymentId) -> bool {
    Metadata::payment(refund.metadata.as_ref()).as_ref() == Some(payment)
}

fn ended(payment: &PaymentId, money: &str, (refund, fact): (&Refund, Fact)) -> Event {
    let word = if fact == Fact::Refunded {
        "succeeded"
    } else {
        "failed"
    };
    let id = format!("asked:{}:{word}", refund.id);
    let words = refund.failure().map(str::to_owned);
    Event {
        words,
        ..event(id, payment, fact, Some(money.to_owned()))
    }
}

fn event(id: String, payment: &PaymentId, fact: Fact, money: Option<String>) -> Event {
    Event {
        id,
        of: Subject::Payment(payment.clone()),
        news: News::Told { fact, money },
        words: None,
    }
}

fn refused(why: &str) -> ProviderError {
    ProviderError::Refused(why.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings() -> StripeSettings {
        StripeSettings {
            secret_key: "sk_test_51secret".into(),
            webhook_secrets: vec!["whsec_secret".into()],
            api_base: "http://127.0.0.1:1".into(),
            hold_time: Duration::from_mins(10),
            patience: StripeSettings::PATIENCE,
        }
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let with = |change: fn(&mut StripeSettings)| {
            let mut settings = settings();
            change(&mut settings);
            Stripe::new(&settings).err()
        };
        assert_eq!(with(|_| {}), None);
        let keys: [fn(&mut StripeSettings); 5] = [
            |it| it.secret_key = String::new(),
            |it| it.secret_key = "pk_test_1".into(),
            |it| it.secret_key = "sk_test_".into(),
            |it| it.secret_key = "whsec_1".into(),
            |it| it.secret_key = "sk_test_1\n".into(),
        ];
        for wrong in keys {
            assert_eq!(with(wrong), Some(SettingsError::Key));
        }
        let none = with(|it| it.webhook_secrets = vec![" ".into()]);
        assert_eq!(none, Some(SettingsError::NoWebhookSecret));
        let plain = with(|it| it.api_base = "http://example.com".into());
        assert_eq!(plain, Some(SettingsError::ApiBase));
    }

    #[test]
    fn no_secret_is_ever_printed() {
        let settings = settings();
        let stripe = Stripe::new(&settings).unwrap();
        let printed = format!("{settings:?} {stripe:?} {:?}", stripe.client);
        assert!(!printed.contains("secret"), "{printed}");
    }

    proptest! {
        #[test]
        fn whatever_is_posted_to_the_webhook_is_only_disbelieved(
            header in "\\PC{0,80}|t=[0-9]{0,20},v1=[0-9a-f]{0,70}(,v[01]=[0-9a-f]{64}){0,20}",
            body in prop::collection::vec(any::<u8>(), 0..500),
            second in -100_000_000_000..100_000_000_000i64,
        ) {
            let stripe = Stripe::new(&settings()).unwrap();
            let mut headers = HeaderMap::new();
            if let Ok(value) = http::HeaderValue::from_str(&header) {
                headers.insert("stripe-signature", value);
            }
            let now = Timestamp::from_second(second).unwrap();
            prop_assert!(stripe.read(&headers, &body, now).is_err());
        }
    }
}
