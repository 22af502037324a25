//! Events as Stripe writes them, and bodies that are none.

use domain::id::PaymentId;
use domain::money::{Currency, Money};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn payment() -> PaymentId {
    PaymentId::new(Timestamp::from_second(1_790_000_000).unwrap(), 7)
}

fn delivered(kind: &str, object: &Value) -> Result<Delivery, Disbelief> {
    let event = json!({
        "id": "evt_1", "object": "event", "api_version": "2026-08-26.dahlia",
        "created": 1_790_000_000, "livemode": false, "pending_webhooks": 1,
        "request": {"id": null, "idempotency_key": null},
        "type": kind, "data": {"object": object},
    });
    read(event.to_string().as_bytes(), false)
}

fn event(of: Subject, news: News) -> Delivery {
    let id = "evt_1".into();
    let words = None;
    Delivery::Event(Event {
        id,
        of,
        news,
        words,
    })
}

fn ignored() -> Delivery {
    Delivery::Ignored { id: "evt_1".into() }
}

fn ours() -> Subject {
    Subject::Payment(payment())
}

fn money() -> Subject {
    Subject::Money("pi_1".into())
}

fn session(status: &str, payment_status: &str) -> Value {
    json!({
        "id": "cs_test_1", "object": "checkout.session", "mode": "payment", "status": status,
        "payment_status": payment_status, "amount_total": 250_000, "currency": "thb",
        "client_reference_id": payment().as_str(), "payment_intent": "pi_1", "url": null,
        "metadata": {"payment_id": payment().as_str()},
    })
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

#[test]
fn a_session_tells_whether_its_money_came() {
    let paid = || {
        let fact = Fact::Paid {
            amount: Money::from_minor(250_000).unwrap(),
            currency: Currency::THB,
        };
        event(ours(), told(fact, Some("pi_1".into())))
    };
    let failed = || event(ours(), told(Fact::Failed, None));
    for (kind, status, payment_status, expected) in [
        ("completed", "complete", "paid", paid()),
        ("completed", "complete", "no_payment_required", paid()),
        ("completed", "complete", "unpaid", ignored()),
        ("completed", "complete", "something_new", ignored()),
        ("async_payment_succeeded", "complete", "paid", paid()),
        ("async_payment_failed", "complete", "unpaid", failed()),
        ("expired", "expired", "unpaid", failed()),
        ("something_new", "complete", "paid", ignored()),
    ] {
        let kind = format!("checkout.session.{kind}");
        let told = delivered(&kind, &session(status, payment_status));
        assert_eq!(told, Ok(expected), "{kind} {payment_status}");
    }
}

#[test]
fn a_session_of_somebody_else_is_ignored() {
    for (name, value) in [
        ("client_reference_id", Value::Null),
        ("client_reference_id", json!("order-17")),
        ("mode", json!("subscription")),
    ] {
        let other = with(session("complete", "paid"), name, value);
        assert_eq!(
            delivered("checkout.session.completed", &other),
            Ok(ignored()),
            "{name}"
        );
        assert_eq!(
            delivered("checkout.session.expired", &other),
            Ok(ignored()),
            "{name}"
        );
    }
}

#[test]
fn money_of_ours_that_cannot_be_written_down_is_no_event() {
    for (name, value) in [
        ("amount_total", Value::Null),
        ("amount_total", json!(-1)),
        ("amount_total", json!(1.5)),
        ("currency", json!("ugx")),
        ("currency", Value::Null),
        ("payment_status", Value::Null),
    ] {
        let odd = with(session("complete", "paid"), name, value);
        let told = delivered("checkout.session.completed", &odd);
        assert_eq!(told, Err(Disbelief::Unreadable), "{name}");
    }
}

fn charge(refunded: i64, method: &str) -> Value {
    json!({
        "id": "ch_1", "object": "charge", "amount": 250_000, "amount_refunded": refunded,
        "currency": "thb", "payment_intent": "pi_1", "refunded": refunded == 250_000,
        "metadata": {"payment_id": payment().as_str()},
        "payment_method_details": {"type": method},
    })
}

#[test]
fn a_charge_is_refunded_when_all_of_it_has_gone_back() {
    let refunded = |of| event(of, told(Fact::Refunded, Some("pi_1".into())));
    let named = |charge| with(charge, "metadata", json!({}));
    let unnamed = |charge| with(named(charge), "payment_intent", Value::Null);
    for (charge, expected) in [
        (charge(250_000, "card"), refunded(ours())),
        (named(charge(250_000, "card")), refunded(money())),
        (
            with(charge(250_000, "x"), "payment_method_details", Value::Null),
            refunded(ours()),
        ),
        (charge(1, "card"), ignored()),
        (charge(249_999, "card"), ignored()),
        // It is on its way, or waits for the buyer; the refund's own events tell more.
        (charge(250_000, "promptpay"), ignored()),
        (unnamed(charge(250_000, "card")), ignored()),
    ] {
        assert_eq!(
            delivered("charge.refunded", &charge),
            Ok(expected),
            "{charge}"
        );
    }
}

fn refund_object(status: &str, metadata: &Value) -> Value {
    json!({
        "id": "re_1", "object": "refund", "amount": 250_000, "currency": "thb", "charge": "ch_1",
        "payment_intent": "pi_1", "status": status, "metadata": metadata,
    })
}

#[test]
fn a_refund_tells_where_it_ended() {
    let mine = json!({"payment_id": payment().as_str()});
    let hand_made = json!({});
    let came = event(ours(), told(Fact::Refunded, Some("pi_1".into())));
    let failed = |of| event(of, told(Fact::RefundFailed, Some("pi_1".into())));
    // How much of it all went back by it, or is still to, must be asked.
    let moved = event(money(), told(Fact::RefundMoved, Some("pi_1".into())));
    for kind in ["refund.created", "refund.updated", "charge.refund.updated"] {
        for (status, metadata, expected) in [
            ("succeeded", &mine, came.clone()),
            ("succeeded", &hand_made, moved.clone()),
            ("pending", &mine, ignored()),
            ("requires_action", &mine, ignored()),
            ("something_new", &mine, ignored()),
            ("failed", &mine, failed(ours())),
            ("canceled", &mine, failed(ours())),
            ("failed", &hand_made, moved.clone()),
        ] {
            let told = delivered(kind, &refund_object(status, metadata));
            assert_eq!(told, Ok(expected), "{kind} {status}");
        }
    }
    let told = delivered("refund.failed", &refund_object("failed", &mine));
    assert_eq!(told, Ok(failed(ours())));
}

#[test]
fn a_refund_that_failed_says_why() {
    let refund = refund_object("failed", &json!({"payment_id": payment().as_str()}));
    let refund = with(refund, "failure_reason", json!("expired_or_canceled_card"));
    let told = delivered("refund.failed", &refund);
    let Ok(Delivery::Event(event)) = told else {
        panic!("{told:?}");
    };
    assert_eq!(event.words.as_deref(), Some("expired_or_canceled_card"));
}

#[test]
fn a_dispute_is_of_the_money() {
    let dispute = json!({"id": "dp_1", "object": "dispute", "payment_intent": "pi_1"});
    let told = delivered("charge.dispute.created", &dispute);
    assert_eq!(told, Ok(event(money(), News::Disputed)));
    let unnamed = with(dispute, "payment_intent", Value::Null);
    assert_eq!(delivered("charge.dispute.created", &unnamed), Ok(ignored()));
}

#[test]
fn an_event_of_the_other_mode_is_ignored() {
    let event = |live: bool| {
        let object = session("complete", "paid");
        let kind = "checkout.session.completed";
        json!({
            "id": "evt_1", "object": "event", "livemode": live, "type": kind,
            "data": {"object": object},
        })
    };
    for (event_is_live, key_is_live) in [(true, false), (false, true)] {
        let body = event(event_is_live).to_string();
        assert_eq!(read(body.as_bytes(), key_is_live), Ok(ignored()));
    }
    let live = read(event(true).to_string().as_bytes(), true);
    assert!(matches!(live, Ok(Delivery::Event(_))));
}

#[test]
fn what_is_no_event_is_unreadable() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for body in [
        "",
        "null",
        "[]",
        "{}",
        "{\"id\":",
        "\u{feff}{}",
        &deep,
        r#"{"id":"evt_1","object":"v2.core.event","type":"x","livemode":false,"data":{"object":{}}}"#,
        r#"{"id":"","object":"event","type":"x","livemode":false,"data":{"object":{}}}"#,
        r#"{"id":"e v","object":"event","type":"x","livemode":false,"data":{"object":{}}}"#,
        r#"{"id":"evt_1","object":"event","type":"x","livemode":"no","data":{"object":{}}}"#,
        r#"{"id":"evt_1","object":"event","type":"x","livemode":false,"data":{}}"#,
        r#"{"id":"evt_1","object":"event","type":"charge.refunded","livemode":false,"data":{"object":{}}}"#,
        r#"{"id":"evt_1","object":"event","type":"refund.failed","livemode":false,"data":{"object":[]}}"#,
    ] {
        assert_eq!(
            read(body.as_bytes(), false),
            Err(Disbelief::Unreadable),
            "{body:.80}"
        );
    }
}

/// Any JSON, so that what stands where something else was expected is met as well.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,8}", inner, 0..4)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_body_makes_reading_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&body, false);
    }

    #[test]
    fn no_value_in_any_place_makes_reading_panic(
        which in 0..10usize,
        place in 0..8usize,
        value in anything(),
    ) {
        let kind = [
            "checkout.session.completed", "checkout.session.async_payment_succeeded",
            "checkout.session.async_payment_failed", "checkout.session.expired",
            "charge.refunded", "refund.created", "refund.updated", "charge.refund.updated",
            "refund.failed", "charge.dispute.created",
        ][which];
        let object = match which {
            0..4 => session("complete", "paid"),
            4 => charge(250_000, "card"),
            _ => refund_object("succeeded", &json!({"payment_id": payment().as_str()})),
        };
        let name = [
            "id", "mode", "status", "payment_status", "amount_total", "payment_intent",
            "metadata", "amount_refunded",
        ][place];
        let _ = delivered(kind, &with(object, name, value));
    }
}
