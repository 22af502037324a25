//! What can go wrong between us and Stripe, at each call: afterwards the money is where it would have
//! been without it.

use std::sync::Arc;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use super::*;
use crate::support::fake_stripe::Fault;

const SHORT: Duration = Duration::from_millis(300);

fn faults() -> [Fault; 13] {
    [
        Fault::Status(429),
        Fault::Status(500),
        Fault::Status(502),
        Fault::Status(503),
        Fault::Status(504),
        Fault::KeyInUse,
        Fault::Broken,
        Fault::DoneButBroken,
        Fault::DoneButSilent,
        Fault::Slow(3 * SHORT),
        Fault::Garbage,
        Fault::Endless,
        Fault::Status(409),
    ]
}

fn is_passing<T: std::fmt::Debug>(result: &Result<T, ProviderError>) -> bool {
    matches!(result, Err(ProviderError::Unavailable(_)))
}

#[tokio::test]
async fn a_page_is_opened_once_whatever_went_wrong_before() {
    for fault in faults() {
        let fake = FakeStripe::start(now()).await;
        let stripe = client(&fake, SHORT);
        fake.fail(&[fault]);
        let failed = stripe.open(&order()).await;
        assert!(is_passing(&failed), "{fault:?} {failed:?}");
        let opened = stripe.open(&order()).await.unwrap();
        assert_eq!(stripe.open(&order()).await.unwrap(), opened, "{fault:?}");
        // After a failure that Stripe remembers there is a second page, of the first of which nobody
        // has the address.
        let pages = fake.with(|account| account.sessions.len());
        let is_remembered = matches!(fault, Fault::DoneButBroken);
        assert_eq!(pages, 1 + usize::from(is_remembered), "{fault:?}");
    }
}

#[tokio::test]
async fn money_goes_back_once_whatever_went_wrong_before() {
    let amount = (order().amount, order().currency);
    for fault in faults() {
        for is_asking in [true, false] {
            let fake = FakeStripe::start(now()).await;
            let stripe = client(&fake, SHORT);
            let (_, money) = paid(&fake, &stripe).await;
            // A refund looks first, and asks then.
            if is_asking {
                fake.fail(&[Fault::Slow(Duration::ZERO), fault]);
            } else {
                fake.fail(&[fault]);
            }
            let failed = stripe.refund(&payment(), &money, amount).await;
            assert!(is_passing(&failed), "{fault:?} {failed:?}");
            for _ in 0..2 {
                let refund = stripe.refund(&payment(), &money, amount).await.unwrap();
                assert_eq!(fact(refund), Some(Fact::Refunded), "{fault:?}");
                fake.forget_keys();
            }
            let gone = fake.with(|account| (account.refunds.len(), account.gone(&money)));
            assert_eq!(gone, (1, 250_000), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn closing_and_asking_can_be_repeated_whatever_went_wrong_before() {
    for fault in faults() {
        let fake = FakeStripe::start(now()).await;
        let stripe = client(&fake, SHORT);
        let opened = stripe.open(&order()).await.unwrap();
        for _ in 0..2 {
            fake.fail(&[fault]);
            let asked = stripe.ask(&payment(), &opened.reference).await;
            assert!(is_passing(&asked), "{fault:?} {asked:?}");
        }
        fake.fail(&[fault]);
        let closed = stripe.close(&opened.reference).await;
        assert!(is_passing(&closed), "{fault:?} {closed:?}");
        assert_eq!(stripe.close(&opened.reference).await, Ok(()), "{fault:?}");
        let asked = stripe.ask(&payment(), &opened.reference).await.unwrap();
        assert_eq!(fact(asked), Some(Fact::Failed), "{fault:?}");
    }
}

/// A 500 under a key is repeated for a day, so an attempt after it takes the next key.
#[tokio::test]
async fn a_failure_that_stripe_remembers_does_not_last_a_day() {
    let (fake, stripe) = start().await;
    fake.fail(&[Fault::Broken]);
    assert!(is_passing(&stripe.open(&order()).await));
    fake.take_seen();
    stripe.open(&order()).await.unwrap();
    let keys: Vec<_> = fake.take_seen().into_iter().map(|it| it.key).collect();
    let key = format!("open:{}", payment());
    assert_eq!(keys, [Some(key.clone()), Some(format!("{key}:again"))]);
}

#[tokio::test]
async fn another_order_under_the_same_name_is_refused() {
    let (fake, stripe) = start().await;
    stripe.open(&order()).await.unwrap();
    let other = Order {
        amount: "1.00".parse().unwrap(),
        ..order()
    };
    let opened = stripe.open(&other).await;
    assert!(
        matches!(opened, Err(ProviderError::Refused(_))),
        "{opened:?}"
    );
    assert_eq!(fake.take_complaints().len(), 1);
    assert_eq!(fake.with(|account| account.sessions.len()), 1);
}

#[tokio::test]
async fn a_key_that_stripe_does_not_know_is_final_and_told_without_secrets() {
    let (fake, _) = start().await;
    let settings = StripeSettings {
        secret_key: "sk_test_somebodyelse".into(),
        webhook_secrets: vec![SECRET.into()],
        api_base: fake.base(),
        hold_time: Duration::from_mins(10),
        patience: SHORT,
    };
    let stripe = Stripe::new(&settings).unwrap();
    let Err(ProviderError::Refused(why)) = stripe.open(&order()).await else {
        panic!("refused");
    };
    assert_eq!(why, "400 invalid_request_error request req_fake1");
    for secret in ["somebodyelse", KEY, "som@example.com", "whsec"] {
        assert!(!why.contains(secret), "{why}");
        assert!(!format!("{stripe:?}").contains(secret));
    }
    assert_eq!(fake.take_complaints().len(), 1);
}

#[tokio::test]
async fn the_key_is_carried_to_no_other_address() {
    let (fake, stripe) = start().await;
    fake.fail(&[Fault::Redirect]);
    let opened = stripe.open(&order()).await;
    assert!(
        matches!(opened, Err(ProviderError::Refused(_))),
        "{opened:?}"
    );
    assert_eq!(fake.take_seen().len(), 1);
}

#[tokio::test]
async fn an_answer_that_never_comes_is_given_up() {
    let (fake, _) = start().await;
    let stripe = client(&fake, SHORT);
    fake.fail(&[Fault::DoneButSilent]);
    let began = tokio::time::Instant::now();
    let opened = stripe.open(&order()).await;
    assert!(is_passing(&opened), "{opened:?}");
    let took = began.elapsed();
    assert!(took >= SHORT && took < 20 * SHORT, "{took:?}");
}

#[tokio::test]
async fn nobody_at_the_address_and_somebody_silent_are_trouble_that_may_pass() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let settings = StripeSettings {
        secret_key: KEY.into(),
        webhook_secrets: vec![SECRET.into()],
        api_base: format!("http://127.0.0.1:{port}"),
        hold_time: Duration::from_mins(10),
        patience: SHORT,
    };
    let stripe = Stripe::new(&settings).unwrap();
    // Connections are taken by the kernel, and nobody reads.
    let silent = stripe.open(&order()).await;
    assert!(is_passing(&silent), "{silent:?}");
    drop(listener);
    let nobody = stripe.open(&order()).await;
    assert!(is_passing(&nobody), "{nobody:?}");
}

/// The key is sent to whoever has a certificate that this system trusts, and to nobody else.
#[tokio::test]
async fn somebody_else_with_stripes_address_never_sees_the_key() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let impostor = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(socket).await?;
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.map(|_| heard)
    });
    let settings = StripeSettings {
        secret_key: KEY.into(),
        webhook_secrets: vec![SECRET.into()],
        api_base: format!("https://localhost:{port}"),
        hold_time: Duration::from_mins(10),
        patience: StripeSettings::PATIENCE,
    };
    let opened = Stripe::new(&settings).unwrap().open(&order()).await;
    let Err(ProviderError::Unavailable(why)) = opened else {
        panic!("{opened:?}");
    };
    assert!(why.contains("certificate"), "{why}");
    let heard = impostor.await.unwrap();
    assert!(heard.is_err(), "{heard:?}");
}
