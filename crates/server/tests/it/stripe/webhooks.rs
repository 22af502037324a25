//! What Stripe tells by itself, as the webhook's route hands it on.

use std::sync::{Arc, Mutex};

use app::providers::{Delivery, Disbelief};
use axum::Router;
use axum::body::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;

use super::*;
use crate::support::fake_stripe::{deliver, event, sign};

fn read(stripe: &Stripe, body: &str, signature: &str) -> Result<Delivery, Disbelief> {
    let mut headers = HeaderMap::new();
    headers.insert("stripe-signature", signature.parse().unwrap());
    stripe.read(&headers, body.as_bytes(), now())
}

fn told(stripe: &Stripe, kind: &str, object: &Value) -> Delivery {
    let body = event("evt_1", kind, object, now());
    read(stripe, &body, &sign(&body, &[SECRET], now())).unwrap()
}

fn of(delivery: Delivery) -> Option<(Subject, News)> {
    match delivery {
        Delivery::Event(event) => Some((event.of, event.news)),
        Delivery::Ignored { .. } => None,
    }
}

fn news(fact: Fact, money: Option<&str>) -> (Subject, News) {
    let money = money.map(str::to_owned);
    (Subject::Payment(payment()), News::Told { fact, money })
}

#[tokio::test]
async fn a_page_tells_by_itself_what_became_of_it() {
    let (fake, stripe) = start().await;
    let opened = stripe.open(&order()).await.unwrap();
    let paid = || news(came(), Some("pi_1"));
    for (page, kind, expected) in [
        (Page::Paid, "checkout.session.completed", Some(paid())),
        (Page::Promised, "checkout.session.completed", None),
        (
            Page::Paid,
            "checkout.session.async_payment_succeeded",
            Some(paid()),
        ),
        (
            Page::Broken,
            "checkout.session.async_payment_failed",
            Some(news(Fact::Failed, None)),
        ),
        (
            Page::Expired,
            "checkout.session.expired",
            Some(news(Fact::Failed, None)),
        ),
    ] {
        let object = fake.with(|account| {
            account.turn(&opened.reference, page);
            account.session(&opened.reference, false)
        });
        assert_eq!(of(told(&stripe, kind, &object)), expected, "{kind}");
    }
}

#[tokio::test]
async fn refunds_tell_by_themselves_where_they_ended() {
    let (fake, stripe) = start().await;
    let (opened, money) = paid(&fake, &stripe).await;
    let charge = || fake.with(|account| account.charge(&opened.reference));
    let refunded = || news(Fact::Refunded, Some("pi_1"));
    let part = fake.with(|account| account.refund_by_hand(&money, 100));
    // By somebody at Stripe's dashboard: how much of it all is back must be asked.
    let by_hand = (
        Subject::Money("pi_1".into()),
        News::Told {
            fact: Fact::RefundMoved,
            money: Some("pi_1".into()),
        },
    );
    assert_eq!(of(told(&stripe, "refund.created", &part)), Some(by_hand));
    assert_eq!(of(told(&stripe, "charge.refunded", &charge())), None);
    // At a bank that takes its time.
    fake.with(|account| (account.refund_status, account.method) = ("pending", "promptpay"));
    let amount = (order().amount, order().currency);
    assert_eq!(stripe.refund(&payment(), &money, amount).await, Ok(None));
    assert_eq!(of(told(&stripe, "charge.refunded", &charge())), None);
    let refund = |status| {
        fake.with(|account| {
            account.settle("re_2", status);
            account.refund("re_2")
        })
    };
    assert_eq!(
        of(told(&stripe, "refund.updated", &refund("pending"))),
        None
    );
    let ended = told(&stripe, "refund.updated", &refund("succeeded"));
    assert_eq!(of(ended), Some(refunded()));
    let failed = || news(Fact::RefundFailed, Some("pi_1"));
    for kind in ["refund.failed", "refund.updated", "charge.refund.updated"] {
        assert_eq!(
            of(told(&stripe, kind, &refund("failed"))),
            Some(failed()),
            "{kind}"
        );
    }
    // With a card it is done when it is made.
    fake.with(|account| (account.refund_status, account.method) = ("succeeded", "card"));
    fake.with(|account| account.refund_by_hand(&money, 249_900));
    assert_eq!(
        of(told(&stripe, "charge.refunded", &charge())),
        Some(refunded())
    );
}

#[tokio::test]
async fn one_event_has_one_name_however_often_it_is_delivered() {
    let (fake, stripe) = start().await;
    let (opened, _) = paid(&fake, &stripe).await;
    let object = fake.with(|account| account.session(&opened.reference, false));
    let body = event("evt_7", "checkout.session.completed", &object, now());
    let mut names = std::collections::HashSet::new();
    for second in 0..100 {
        // Each delivery is signed anew.
        let at = now() - SignedDuration::from_secs(second);
        let delivery = read(&stripe, &body, &sign(&body, &[SECRET], at)).unwrap();
        let Delivery::Event(event) = delivery else {
            panic!("an event");
        };
        names.insert(event.id);
    }
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["evt_7"]);
}

#[tokio::test]
async fn only_a_fresh_signature_by_a_known_secret_is_believed() {
    let (fake, stripe) = start().await;
    let (opened, _) = paid(&fake, &stripe).await;
    let object = fake.with(|account| account.session(&opened.reference, false));
    let body = event("evt_1", "checkout.session.completed", &object, now());
    let minutes = |minutes| now() + SignedDuration::from_mins(minutes);
    for (secrets, at, expected) in [
        (&[SECRET][..], now(), None),
        (&[OLD_SECRET], now(), None),
        (&["whsec_unknown", OLD_SECRET], minutes(-5), None),
        (&[SECRET], minutes(5), None),
        (&[SECRET], minutes(-6), Some(Disbelief::Stale)),
        (&[SECRET], minutes(6), Some(Disbelief::Stale)),
        (&["whsec_unknown"], now(), Some(Disbelief::Forged)),
        (&[KEY], now(), Some(Disbelief::Forged)),
        (&[""], now(), Some(Disbelief::Forged)),
        (&[], now(), Some(Disbelief::Unsigned)),
    ] {
        let read = read(&stripe, &body, &sign(&body, secrets, at));
        assert_eq!(read.as_ref().err(), expected.as_ref(), "{secrets:?} {at}");
    }
    let signature = sign(&body, &[SECRET], now());
    for touched in [body.replace("2026", "2027"), body.replace('\n', "\r\n")] {
        let read = read(&stripe, &touched, &signature);
        assert_eq!(read, Err(Disbelief::Forged));
    }
}

/// Over HTTP, where nothing may touch the body before it is checked.
#[tokio::test]
async fn a_delivery_is_believed_as_it_arrives() {
    let (fake, stripe) = start().await;
    let (opened, _) = paid(&fake, &stripe).await;
    let object = fake.with(|account| account.session(&opened.reference, false));
    let read = Arc::new(Mutex::new(Vec::new()));
    let (stripe, kept) = (Arc::new(stripe), Arc::clone(&read));
    let webhook = move |headers: HeaderMap, body: Bytes| async move {
        let delivery = stripe.read(&headers, &body, now());
        let is_believed = delivery.is_ok();
        kept.lock().unwrap().push(delivery);
        if is_believed {
            StatusCode::OK
        } else {
            StatusCode::BAD_REQUEST
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Router::new().route("/webhook", axum::routing::post(webhook));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let url = format!("http://127.0.0.1:{port}/webhook");
    let body = event("evt_3", "checkout.session.completed", &object, now());
    let answers = deliver(&url, &body, &sign(&body, &[SECRET], now()), 3).await;
    assert_eq!(answers, [200; 3]);
    let answers = deliver(&url, &body, &sign(&body, &["whsec_x"], now()), 1).await;
    assert_eq!(answers, [400]);
    let mut read = read.lock().unwrap().clone();
    assert_eq!(read.pop(), Some(Err(Disbelief::Forged)));
    let expected = news(came(), Some("pi_1"));
    for delivery in read {
        assert_eq!(of(delivery.unwrap()), Some(expected.clone()));
    }
}
