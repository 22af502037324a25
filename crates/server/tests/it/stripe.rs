//! The real client of Stripe against a Stripe of our own: what is asked, what is understood, and what
//! becomes of the money when something on the way breaks.

mod refunds;
mod strictness;
mod trouble;
mod webhooks;

use std::time::Duration;

use app::providers::stripe::{Stripe, StripeSettings};
use app::providers::{Event, News, Opened, Order, Provider as _, ProviderError, Subject};
use domain::id::{PaymentId, ReservationId};
use domain::language::Language;
use domain::money::{Currency, Money};
use domain::payment::Fact;
use jiff::{SignedDuration, Timestamp};

use crate::support::fake_stripe::{FakeStripe, KEY, Page};

const SECRET: &str = "whsec_new";
const OLD_SECRET: &str = "whsec_old";

fn now() -> Timestamp {
    "2026-11-22T05:00:00Z".parse().unwrap()
}

fn client(fake: &FakeStripe, patience: Duration) -> Stripe {
    let settings = StripeSettings {
        secret_key: KEY.into(),
        webhook_secrets: vec![SECRET.into(), OLD_SECRET.into()],
        api_base: fake.base(),
        hold_time: Duration::from_mins(10),
        patience,
    };
    Stripe::new(&settings).unwrap()
}

async fn start() -> (FakeStripe, Stripe) {
    let fake = FakeStripe::start(now()).await;
    let stripe = client(&fake, StripeSettings::PATIENCE);
    (fake, stripe)
}

fn payment() -> PaymentId {
    PaymentId::new(now(), 1)
}

fn order() -> Order {
    Order {
        payment: payment(),
        reservation: ReservationId::new(now(), 2),
        amount: "2500.00".parse().unwrap(),
        currency: Currency::THB,
        title: "Palmy — Live in Bangkok, 2 tickets".into(),
        customer_email: "som@example.com".into(),
        language: Language::Th,
        return_url: "https://tickets.example.com/th/r/RES1-00000002/paid".into(),
        cancel_url: "https://tickets.example.com/th/r/RES1-00000002".into(),
        held_until: now() + SignedDuration::from_mins(10),
    }
}

/// A page that was paid, and the name of its money.
async fn paid(fake: &FakeStripe, stripe: &Stripe) -> (Opened, String) {
    let opened = stripe.open(&order()).await.unwrap();
    fake.with(|account| account.turn(&opened.reference, Page::Paid));
    let money = opened.reference.replacen("cs_test_", "pi_", 1);
    fake.take_seen();
    (opened, money)
}

fn fact(event: Option<Event>) -> Option<Fact> {
    let event = event?;
    assert_eq!(event.of, Subject::Payment(payment()));
    match event.news {
        News::Told { fact, .. } => Some(fact),
        News::Disputed => None,
    }
}

fn came() -> Fact {
    let Order {
        amount, currency, ..
    } = order();
    Fact::Paid { amount, currency }
}

#[tokio::test]
async fn opening_a_page_asks_for_exactly_what_is_due() {
    let (fake, stripe) = start().await;
    let opened = stripe.open(&order()).await.unwrap();
    assert_eq!(opened.reference, "cs_test_1");
    assert_eq!(opened.url, "https://checkout.stripe.com/c/pay/cs_test_1");
    let [seen] = &fake.take_seen()[..] else {
        panic!("one request");
    };
    assert_eq!(seen.call, "POST /v1/checkout/sessions");
    let key = format!("open:{}", payment());
    assert_eq!(seen.key.as_deref(), Some(key.as_str()));
    let payment = payment().to_string();
    let expires_at = (now().as_second() + 55 * 60).to_string();
    let reservation = order().reservation.to_string();
    for (name, value) in [
        ("mode", "payment"),
        ("line_items[0][quantity]", "1"),
        ("line_items[0][price_data][currency]", "thb"),
        ("line_items[0][price_data][unit_amount]", "250000"),
        (
            "line_items[0][price_data][product_data][name]",
            "Palmy — Live in Bangkok, 2 tickets",
        ),
        ("adaptive_pricing[enabled]", "false"),
        ("client_reference_id", &payment),
        ("metadata[payment_id]", &payment),
        ("metadata[reservation_id]", &reservation),
        ("payment_intent_data[metadata][payment_id]", &payment),
        ("customer_email", "som@example.com"),
        ("locale", "th"),
        ("success_url", &order().return_url),
        ("cancel_url", &order().cancel_url),
        ("expires_at", &expires_at),
    ] {
        assert_eq!(seen.field(name), Some(value), "{name}");
    }
    assert_eq!(seen.form.len(), 15);
}

#[tokio::test]
async fn opening_again_finds_the_page_also_when_the_hold_was_extended() {
    let (fake, stripe) = start().await;
    let first = stripe.open(&order()).await.unwrap();
    let later = Order {
        held_until: now() + SignedDuration::from_mins(19),
        ..order()
    };
    fake.set_now(now() + SignedDuration::from_mins(9));
    assert_eq!(stripe.open(&later).await, Ok(first));
    assert_eq!(fake.with(|account| account.sessions.len()), 1);
}

/// Half an hour from when the page is made is the least that Stripe takes, and a day the most.
#[tokio::test]
async fn a_page_lives_long_enough_for_stripe_however_long_a_hold_is() {
    for (hold_mins, later_mins) in [(1, 0), (1, 15), (10, 25), (120, 135), (30 * 24 * 60, 0)] {
        let fake = FakeStripe::start(now() + SignedDuration::from_mins(later_mins)).await;
        let settings = StripeSettings {
            secret_key: KEY.into(),
            webhook_secrets: vec![SECRET.into()],
            api_base: fake.base(),
            hold_time: Duration::from_mins(hold_mins),
            patience: StripeSettings::PATIENCE,
        };
        let opened = Stripe::new(&settings).unwrap().open(&order()).await;
        assert!(opened.is_ok(), "{hold_mins} {later_mins} {opened:?}");
    }
}

#[tokio::test]
async fn each_currency_is_asked_for_in_its_own_unit() {
    for (currency, amount, unit_amount) in [
        ("THB", "0.01", Some("1")),
        ("JPY", "500.00", Some("500")),
        ("JPY", "500.50", None),
        ("KWD", "5.12", Some("5120")),
        ("ISK", "5.00", Some("500")),
        ("ISK", "5.01", None),
        ("UGX", "5.00", None),
    ] {
        let (fake, stripe) = start().await;
        let order = Order {
            amount: amount.parse().unwrap(),
            currency: currency.parse().unwrap(),
            ..order()
        };
        let opened = stripe.open(&order).await;
        let seen = fake.take_seen();
        let asked = seen
            .first()
            .and_then(|it| it.field("line_items[0][price_data][unit_amount]"));
        assert_eq!(asked, unit_amount, "{amount} {currency}");
        match opened {
            Ok(opened) => {
                fake.with(|account| account.turn(&opened.reference, Page::Paid));
                let asked = stripe.ask(&payment(), &opened.reference).await.unwrap();
                let (amount, currency) = (order.amount, order.currency);
                assert_eq!(fact(asked), Some(Fact::Paid { amount, currency }));
            }
            Err(error) => assert!(matches!(error, ProviderError::Refused(_)), "{error}"),
        }
    }
}

#[tokio::test]
async fn an_address_that_stripe_does_not_take_is_left_to_the_buyer() {
    let (fake, stripe) = start().await;
    let order = Order {
        customer_email: "ส้ม@ตัวอย่าง.ไทย".into(),
        ..order()
    };
    let first = stripe.open(&order).await.unwrap();
    assert_eq!(stripe.open(&order).await, Ok(first));
    let seen = fake.take_seen();
    let has_email = |index: usize| seen[index].field("customer_email").is_some();
    assert_eq!(
        [0, 1, 2, 3].map(has_email),
        [true, false, true, false],
        "{seen:?}"
    );
    assert_eq!(fake.with(|account| account.sessions.len()), 1);
}

#[tokio::test]
async fn a_page_is_closed_whatever_became_of_it() {
    let (fake, stripe) = start().await;
    let opened = stripe.open(&order()).await.unwrap();
    let page = |fake: &FakeStripe| fake.with(|account| account.sessions["cs_test_1"].page);
    assert_eq!(stripe.close(&opened.reference).await, Ok(()));
    assert_eq!(page(&fake), Page::Expired);
    for state in [Page::Expired, Page::Paid, Page::Promised, Page::Broken] {
        fake.with(|account| account.turn(&opened.reference, state));
        assert_eq!(stripe.close(&opened.reference).await, Ok(()), "{state:?}");
        assert_eq!(page(&fake), state);
    }
    for (unknown, requests) in [("cs_test_9", 2), ("../refunds", 0), ("", 0), ("a?b", 0)] {
        fake.take_seen();
        let closed = stripe.close(unknown).await;
        assert!(
            matches!(closed, Err(ProviderError::Refused(_))),
            "{unknown}"
        );
        assert_eq!(fake.take_seen().len(), requests, "{unknown}");
    }
}

#[tokio::test]
async fn asking_tells_what_became_of_a_page() {
    let (fake, stripe) = start().await;
    let opened = stripe.open(&order()).await.unwrap();
    for (page, expected) in [
        (Page::Open, None),
        (Page::Promised, None),
        (Page::Paid, Some(("paid", came(), Some("pi_1")))),
        (Page::Broken, Some(("failed", Fact::Failed, None))),
        (Page::Expired, Some(("failed", Fact::Failed, None))),
    ] {
        fake.with(|account| account.turn(&opened.reference, page));
        let asked = stripe.ask(&payment(), &opened.reference).await.unwrap();
        // The same question has the same name for its answer.
        let again = stripe.ask(&payment(), &opened.reference).await.unwrap();
        assert_eq!(asked, again);
        let expected = expected.map(|(word, fact, money)| Event {
            id: format!("asked:cs_test_1:{word}"),
            of: Subject::Payment(payment()),
            news: News::Told {
                fact,
                money: money.map(str::to_owned),
            },
            words: None,
        });
        assert_eq!(asked, expected, "{page:?}");
    }
}

#[tokio::test]
async fn another_amount_is_told_as_it_came() {
    let (fake, stripe) = start().await;
    let (opened, _) = paid(&fake, &stripe).await;
    fake.with(|account| {
        let session = account.sessions.get_mut(&opened.reference).unwrap();
        (session.amount, session.currency) = (1_000, "usd".into());
    });
    let asked = stripe.ask(&payment(), &opened.reference).await.unwrap();
    let amount: Money = "10.00".parse().unwrap();
    let currency: Currency = "USD".parse().unwrap();
    assert_eq!(fact(asked), Some(Fact::Paid { amount, currency }));
}

#[tokio::test]
async fn a_page_of_another_payment_tells_nothing() {
    let (fake, stripe) = start().await;
    let (opened, _) = paid(&fake, &stripe).await;
    let other = PaymentId::new(now(), 99);
    let asked = stripe.ask(&other, &opened.reference).await;
    assert!(matches!(asked, Err(ProviderError::Refused(_))), "{asked:?}");
}
