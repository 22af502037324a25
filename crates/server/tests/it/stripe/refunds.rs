//! Money goes back once, whoever asks for it, and how often.

use super::*;

const AMOUNT: (Money, Currency) = match Money::from_minor(250_000) {
    Some(money) => (money, Currency::THB),
    None => (Money::ZERO, Currency::THB),
};

#[tokio::test]
async fn all_the_money_goes_back_once() {
    let (fake, stripe) = start().await;
    let (_, money) = paid(&fake, &stripe).await;
    let first = stripe.refund(&payment(), &money, AMOUNT).await.unwrap();
    let expected = Event {
        id: "asked:re_1:succeeded".into(),
        of: Subject::Payment(payment()),
        news: News::Told {
            fact: Fact::Refunded,
            money: Some(money.clone()),
        },
        words: None,
    };
    assert_eq!(first.as_ref(), Some(&expected));
    let seen = fake.take_seen();
    let calls: Vec<_> = seen.iter().map(|it| it.call.as_str()).collect();
    assert_eq!(calls, ["GET /v1/refunds", "POST /v1/refunds"]);
    let payment_text = payment().to_string();
    let form = [
        ("payment_intent", money.as_str()),
        ("metadata[payment_id]", &payment_text),
    ];
    let form = form.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(seen[1].form, form);
    assert_eq!(seen[1].key, Some(format!("refund:{payment_text}")));
    for _ in 0..3 {
        // Also after the day for which Stripe knows the key.
        fake.forget_keys();
        let again = stripe.refund(&payment(), &money, AMOUNT).await.unwrap();
        assert_eq!(again, first);
        let asked = stripe.ask_refund(&payment(), &money, AMOUNT).await.unwrap();
        assert_eq!(asked, first);
    }
    let refunds = fake.with(|account| (account.refunds.len(), account.gone(&money)));
    assert_eq!(refunds, (1, 250_000));
}

/// Stripe keeps its answer to a key for a day, a refusal too.
#[tokio::test]
async fn a_refusal_whose_reason_was_mended_is_not_told_again() {
    let (fake, stripe) = start().await;
    let (opened, money) = paid(&fake, &stripe).await;
    fake.with(|account| account.turn(&opened.reference, Page::Open));
    for _ in 0..2 {
        let refused = stripe.refund(&payment(), &money, AMOUNT).await;
        assert!(
            matches!(refused, Err(ProviderError::Refused(_))),
            "{refused:?}"
        );
    }
    fake.with(|account| account.turn(&opened.reference, Page::Paid));
    let sent = stripe.refund(&payment(), &money, AMOUNT).await.unwrap();
    assert_eq!(fact(sent), Some(Fact::Refunded));
    let again = stripe.refund(&payment(), &money, AMOUNT).await.unwrap();
    assert_eq!(fact(again), Some(Fact::Refunded));
    let refunds = fake.with(|account| (account.refunds.len(), account.gone(&money)));
    assert_eq!(refunds, (1, 250_000));
}

#[tokio::test]
async fn a_refund_is_told_when_it_has_ended() {
    for (begins, ends, expected) in [
        ("pending", "succeeded", Fact::Refunded),
        ("requires_action", "succeeded", Fact::Refunded),
        ("requires_action", "canceled", Fact::RefundFailed),
        ("pending", "failed", Fact::RefundFailed),
    ] {
        let (fake, stripe) = start().await;
        let (_, money) = paid(&fake, &stripe).await;
        fake.with(|account| account.refund_status = begins);
        let begun = stripe.refund(&payment(), &money, AMOUNT).await;
        assert_eq!(begun, Ok(None), "{begins}");
        assert_eq!(
            stripe.ask_refund(&payment(), &money, AMOUNT).await,
            Ok(None)
        );
        fake.with(|account| account.settle("re_1", ends));
        let asked = stripe.ask_refund(&payment(), &money, AMOUNT).await.unwrap();
        assert_eq!(fact(asked), Some(expected), "{begins} {ends}");
        // Asking for it again begins no second one, also when the first has failed.
        let again = stripe.refund(&payment(), &money, AMOUNT).await.unwrap();
        assert_eq!(fact(again), Some(expected));
        assert_eq!(fake.with(|account| account.refunds.len()), 1);
    }
}

/// Also by a method such as `PromptPay`, whose refunds arrive later and tell of no sum.
#[tokio::test]
async fn what_people_sent_back_by_hand_counts_when_it_is_all() {
    let (fake, stripe) = start().await;
    let (_, money) = paid(&fake, &stripe).await;
    let asked = async || fact(stripe.ask_refund(&payment(), &money, AMOUNT).await.unwrap());
    // Ours failed.
    fake.with(|account| account.refund_status = "pending");
    stripe.refund(&payment(), &money, AMOUNT).await.unwrap();
    fake.with(|account| account.settle("re_1", "failed"));
    assert_eq!(asked().await, Some(Fact::RefundFailed));
    fake.with(|account| account.refund_by_hand(&money, 100_000));
    assert_eq!(asked().await, None);
    fake.with(|account| account.settle("re_2", "succeeded"));
    assert_eq!(asked().await, Some(Fact::RefundFailed), "a part isn't all");
    fake.with(|account| account.refund_by_hand(&money, 150_000));
    assert_eq!(asked().await, None);
    fake.with(|account| account.settle("re_3", "succeeded"));
    assert_eq!(asked().await, Some(Fact::Refunded));
    // Staff who say it once more send nothing again.
    let again = stripe.refund(&payment(), &money, AMOUNT).await.unwrap();
    assert_eq!(fact(again), Some(Fact::Refunded));
    assert_eq!(fake.with(|account| account.gone(&money)), 250_000);
}

#[tokio::test]
async fn a_refund_that_nobody_asked_for_is_open() {
    let (fake, stripe) = start().await;
    let (_, money) = paid(&fake, &stripe).await;
    assert_eq!(
        stripe.ask_refund(&payment(), &money, AMOUNT).await,
        Ok(None)
    );
}

#[tokio::test]
async fn what_was_sent_back_by_hand_is_not_sent_again() {
    let (fake, stripe) = start().await;
    let (_, money) = paid(&fake, &stripe).await;
    fake.with(|account| account.refund_by_hand(&money, 250_000));
    let refund = stripe.refund(&payment(), &money, AMOUNT).await.unwrap();
    let id = refund.as_ref().map(|event| event.id.clone());
    assert_eq!(id.as_deref(), Some("asked:pi_1:refunded"));
    assert_eq!(fact(refund), Some(Fact::Refunded));
    assert_eq!(fake.with(|account| account.gone(&money)), 250_000);
}

#[tokio::test]
async fn after_a_part_by_hand_the_rest_goes_back() {
    let (fake, stripe) = start().await;
    let (_, money) = paid(&fake, &stripe).await;
    fake.with(|account| account.refund_by_hand(&money, 100_000));
    let refund = stripe.refund(&payment(), &money, AMOUNT).await.unwrap();
    assert_eq!(fact(refund), Some(Fact::Refunded));
    let amounts = fake.with(|account| {
        let refunds = account.refunds.iter();
        refunds.map(|(_, it)| it.amount).collect::<Vec<_>>()
    });
    assert_eq!(amounts, [100_000, 150_000]);
}

#[tokio::test]
async fn money_that_never_came_cannot_go_back() {
    for money in ["pi_1", "pi_9", "", "pi_1&limit=1"] {
        let (fake, stripe) = start().await;
        stripe.open(&order()).await.unwrap();
        let refund = stripe.refund(&payment(), money, AMOUNT).await;
        assert!(matches!(refund, Err(ProviderError::Refused(_))), "{money}");
        assert_eq!(fake.with(|account| account.refunds.len()), 0);
    }
}
