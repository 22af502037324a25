//! `kill -9` of the server while money moves: afterwards everything has ended as if it hadn't happened.
//! Money moved once by the provider's books, whoever paid has one confirmation and one mail, and the
//! stock adds up.
//!
//! The windows are held open from outside: by a provider that doesn't answer, and by locks on the rows
//! that the server must write next. What waits for its time isn't waited for; its time is moved.

use super::house::{House, Network};
use super::*;
use crate::support::fake_stripe::Fault;
use crate::support::smtp_server::Mood;
use crate::support::wait::{LIMIT, eventually};

/// What a test keeps the server from writing.
const RESERVATION: &str = "SELECT FROM reservations WHERE concert_id > 0 FOR UPDATE";
const PAYMENT: &str = "SELECT FROM payments FOR UPDATE";
const MAIL: &str = "SELECT FROM mails FOR UPDATE";
const ORDER: &str = "SELECT FROM sandbox_orders FOR UPDATE";
const ORDERS: &str = "LOCK TABLE sandbox_orders IN EXCLUSIVE MODE";

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_the_payment_and_its_confirmation_loses_no_money() {
    for network in [Network::Stripe, Network::Sandbox] {
        let (house, server) = House::open(network).await;
        house.begin(&server).await;
        house.opened().await;
        house.kill(server, []).await;
        house.pay().await;
        let server = house.serve().await;
        house.ended("completed", &["confirmed"]).await;
        house.assert_mails(1);
        if network == Network::Stripe {
            // What Stripe tells afterwards is known.
            let told = house.webhook(&server).await.send().await.unwrap();
            assert_eq!(told.status(), 200);
            house.ended("completed", &["confirmed"]).await;
            house.assert_mails(1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_what_the_webhook_does_is_none_for_the_next_delivery() {
    let (house, server) = House::open(Network::Stripe).await;
    house.begin(&server).await;
    house.opened().await;
    house.pay().await;
    let keeper = house.lock(RESERVATION).await;
    let told = tokio::spawn(house.webhook(&server).await.send());
    house.waits().await;
    house.kill(server, [keeper]).await;
    // Without a 200 Stripe delivers again.
    let told = told.await.unwrap();
    assert!(told.is_err() || told.is_ok_and(|answer| answer.status() == 503));
    assert_eq!(house.count("SELECT count(*) FROM payment_events").await, 0);
    let server = house.serve().await;
    // And so often that the question which is due meets it.
    let told = join_all((0..5).map(|_| async {
        let request = house.webhook(&server).await;
        request.send().await.unwrap().status()
    }));
    for status in told.await {
        assert!([200, 503].contains(&status.as_u16()));
    }
    house.ended("completed", &["confirmed"]).await;
    house.assert_mails(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_what_the_sandbox_tells_loses_no_money() {
    let (house, server) = House::open(Network::Sandbox).await;
    let payment = house.begin(&server).await;
    house.opened().await;
    let keeper = house.lock(RESERVATION).await;
    let choose = house
        .client
        .post(format!("{}/sandbox/pay/{payment}", server.site()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("outcome=pay");
    let chosen = tokio::spawn(choose.send());
    house.waits().await;
    house.kill(server, [keeper]).await;
    // On a slow machine it was answered, and the news was lost for want of the lock.
    drop(chosen);
    let has_money = "SELECT count(*) FROM sandbox_orders WHERE outcome = 'pay'";
    assert_eq!(house.count(has_money).await, 1);
    let _server = house.serve().await;
    house.ended("completed", &["confirmed"]).await;
    house.assert_mails(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_the_confirmation_and_its_mail_loses_no_mail() {
    for network in [Network::Stripe, Network::Sandbox] {
        let (house, server) = House::open(network).await;
        house.smtp.be(Mood::Down);
        house.begin(&server).await;
        house.opened().await;
        house.pay().await;
        house.hurry().await;
        let confirmed = "SELECT count(*) FROM mails WHERE status = 'pending'";
        house.becomes(confirmed, 1).await;
        house.kill(server, []).await;
        assert!(house.smtp.taken().is_empty());
        house.smtp.be(Mood::Taking);
        let _server = house.serve().await;
        house.ended("completed", &["confirmed"]).await;
        house.assert_mails(1);
    }
}

/// The one window in which a mail is doubled.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_the_mail_servers_answer_and_our_commit_doubles_a_mail_under_one_name() {
    let (house, server) = House::open(Network::Stripe).await;
    house.smtp.be(Mood::Down);
    house.begin(&server).await;
    house.opened().await;
    house.pay().await;
    house.hurry().await;
    let tried = "SELECT count(*) FROM jobs
                 WHERE task = 'mail.send' AND status = 'pending' AND last_error IS NOT NULL";
    house.becomes(tried, 1).await;
    let keeper = house.lock(MAIL).await;
    house.smtp.be(Mood::Taking);
    house.hurry().await;
    eventually("the mail", LIMIT, async || house.smtp.taken().len() == 1).await;
    house.waits().await;
    house.kill(server, [keeper]).await;
    let _server = house.serve().await;
    house.ended("completed", &["confirmed"]).await;
    let taken = house.smtp.taken();
    assert_eq!(taken.len(), 2);
    assert_eq!(taken[0].message_id(), taken[1].message_id());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_during_a_refund_sends_the_money_back_once() {
    // Stripe has sent it and says nothing; and Stripe has not even begun.
    for fault in [Fault::DoneButSilent, Fault::Slow(Duration::from_hours(1))] {
        let (house, server) = House::open(Network::Stripe).await;
        house.buy(&server).await;
        // It is looked for before it is asked for.
        house.stripe.fail(&[Fault::Slow(Duration::ZERO), fault]);
        let cancelled = house.post(&server, "/cancel").send().await.unwrap();
        assert_eq!(cancelled.status(), 200);
        house.asked("POST /v1/refunds").await;
        let sent = usize::from(matches!(fault, Fault::DoneButSilent));
        eventually("Stripe's books", LIMIT, async || {
            house.stripe.with(|account| account.refunds.len()) == sent
        })
        .await;
        house.written(2).await;
        house.kill(server, []).await;
        // A day may go by.
        house.stripe.forget_keys();
        let _server = house.serve().await;
        let mails = ["cancelled", "confirmed", "refunded"];
        house.ended("refunded", &mails).await;
        house.assert_mails(3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_a_refund_and_our_commit_sends_the_money_back_once() {
    let (house, server) = House::open(Network::Stripe).await;
    house.buy(&server).await;
    house.stripe.fail(&[Fault::Slow(Duration::from_secs(5))]);
    let cancelled = house.post(&server, "/cancel").send().await.unwrap();
    assert_eq!(cancelled.status(), 200);
    // The job looks behind the payment's lock before it asks.
    let is_asked = async || house.stripe.faults_left() == 0;
    eventually("the question", LIMIT, is_asked).await;
    let keeper = house.lock(PAYMENT).await;
    house.written(2).await;
    house.waits().await;
    assert_eq!(house.stripe.with(|account| account.refunds.len()), 1);
    house.kill(server, [keeper]).await;
    let refunding = "SELECT count(*) FROM payments WHERE status = 'refunding'";
    assert_eq!(house.count(refunding).await, 1);
    let _server = house.serve().await;
    house
        .ended("refunded", &["cancelled", "confirmed", "refunded"])
        .await;
    house.assert_mails(3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_before_and_after_the_sandbox_sends_money_back_is_none() {
    for is_sent in [false, true] {
        let (house, server) = House::open(Network::Sandbox).await;
        house.buy(&server).await;
        let order = house.lock(ORDER).await;
        let cancelled = house.post(&server, "/cancel").send().await.unwrap();
        assert_eq!(cancelled.status(), 200);
        house.waits().await;
        house.written(2).await;
        let keeper = house.lock(PAYMENT).await;
        let sent = "SELECT count(*) FROM sandbox_orders WHERE refunded_at IS NOT NULL";
        if is_sent {
            order.batch_execute("ROLLBACK").await.unwrap();
            house.becomes(sent, 1).await;
            house.waits().await;
            house.kill(server, [keeper]).await;
        } else {
            house.kill(server, [order, keeper]).await;
            assert_eq!(house.count(sent).await, 0);
        }
        let _server = house.serve().await;
        house
            .ended("refunded", &["cancelled", "confirmed", "refunded"])
            .await;
        house.assert_mails(3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_a_page_is_opened_leaves_one_page_and_one_payment() {
    for (fault, has_key) in [
        (Fault::DoneButSilent, true),
        (Fault::Slow(Duration::from_hours(1)), true),
        // Without the guard: Stripe has forgotten the key, and there are two pages.
        (Fault::DoneButSilent, false),
    ] {
        let (house, server) = House::open(Network::Stripe).await;
        house.stripe.fail(&[fault]);
        house.begin(&server).await;
        house.asked("POST /v1/checkout/sessions").await;
        house.kill(server, []).await;
        if !has_key {
            house.stripe.forget_keys();
        }
        let server = house.serve().await;
        house.opened().await;
        let pages = house.stripe.with(|account| account.sessions.len());
        assert_eq!(pages, 1 + usize::from(!has_key));
        house.pay().await;
        let told = house.webhook(&server).await.send().await.unwrap();
        assert_eq!(told.status(), 200);
        house.ended("completed", &["confirmed"]).await;
        house.assert_mails(1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_the_sandbox_opens_a_page_leaves_one_payment() {
    let (house, server) = House::open(Network::Sandbox).await;
    let keeper = house.lock(ORDERS).await;
    house.begin(&server).await;
    house.waits().await;
    house.kill(server, [keeper]).await;
    let server = house.serve().await;
    house.opened().await;
    house.pay().await;
    house.hurry().await;
    house.ended("completed", &["confirmed"]).await;
    house.assert_mails(1);
    drop(server);
}

/// Stripe delivers an event until it hears 200, and sometimes also then.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_deliveries_of_one_of_stripes_events_confirm_once() {
    let (house, server) = House::open(Network::Stripe).await;
    house.begin(&server).await;
    house.opened().await;
    house.pay().await;
    let deliver = async || house.webhook(&server).await.send().await.unwrap().status();
    for status in join_all((0..100).map(|_| deliver())).await {
        assert!([200, 503].contains(&status.as_u16()));
    }
    for _ in 0..100 {
        assert_eq!(deliver().await, 200);
    }
    house.ended("completed", &["confirmed"]).await;
    house.assert_mails(1);
    assert_eq!(house.count("SELECT count(*) FROM payment_events").await, 1);
}
