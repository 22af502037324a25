//! Paying: whatever the card network does, a buyer's money is for tickets that the buyer has, or goes
//! back.

mod cancelled_concert;
mod house;
mod kills;
mod late;
mod races;
mod settle;

use std::fmt::Write as _;
use std::time::Duration;

use app::jobs::{self, Tasks};
use app::{expire, payments};
use futures_util::future::join_all;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::wait::{LIMIT, eventually, within_limit};
use crate::support::{NewConcert, TestApp};

/// The worker of all tasks.
struct Worker {
    stop: watch::Sender<bool>,
    ended: JoinHandle<()>,
}

impl Worker {
    fn start(app: &TestApp) -> Self {
        let (stop, stopped) = watch::channel(false);
        let work = jobs::work(app.app.clone(), Tasks::of_product(), stopped);
        Self {
            stop,
            ended: tokio::spawn(work),
        }
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        within_limit("the worker's end", self.ended).await.unwrap();
    }
}

/// A concert, a hold of two tickets, a payment of it that is open at the sandbox.
struct Buyer<'a> {
    app: &'a TestApp,
    concert: i32,
    hold: Value,
}

impl<'a> Buyer<'a> {
    async fn of(app: &'a TestApp, tickets: i32) -> Self {
        let concert = NewConcert {
            tickets,
            ..NewConcert::default()
        };
        let concert = app.plant(concert).await;
        let hold = app.reserved(concert, 2, "som").await;
        Self { app, concert, hold }
    }

    /// Begins to pay and waits until the sandbox has the order; the payment's id.
    async fn begin(&self) -> String {
        let payment = self.post_payment().await;
        assert_eq!(payment.status(), 201);
        let payment: Value = payment.json().await.unwrap();
        let id = payment["id"].as_str().unwrap().to_owned();
        let opened =
            format!("SELECT count(*) FROM payments WHERE id = '{id}' AND redirect_url IS NOT NULL");
        eventually("the provider's page", LIMIT, async || {
            self.app.count(&opened).await == 1
        })
        .await;
        id
    }

    async fn post_payment(&self) -> Response {
        let request = self.app.with_token(Method::POST, &self.hold, "/payments");
        let request = request.json(&json!({ "method": "sandbox" }));
        request.send().await.unwrap()
    }

    /// What somebody chooses on the sandbox's page.
    async fn choose(&self, payment: &str, outcome: &str) -> Response {
        self.app
            .request(Method::POST, &format!("/sandbox/pay/{payment}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("outcome={outcome}"))
            .send()
            .await
            .unwrap()
    }

    async fn reservation(&self) -> Value {
        let request = self.app.with_token(Method::GET, &self.hold, "");
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Status and payment status of the reservation, as the API shows them.
    async fn stands(&self) -> (String, String) {
        let found = self.reservation().await;
        let text = |field: &str| found[field].as_str().unwrap().to_owned();
        (text("status"), text("payment_status"))
    }

    async fn payment_status(&self, payment: &str) -> String {
        let statement = "SELECT status FROM payments WHERE id = $1";
        let row = self.app.postgres.query_one(statement, &[&payment]).await;
        row.unwrap().get(0)
    }

    async fn is(&self, payment: &str, wanted: &str) {
        eventually(wanted, LIMIT, async || {
            self.payment_status(payment).await == wanted
        })
        .await;
    }

    /// The hold's time goes by, and the sweeper looks.
    async fn run_out(&self) {
        self.app.pass(Duration::from_secs(601)).await;
        expire::sweep(&self.app.app).await.unwrap();
    }

    /// So much time goes by; providers are asked about what is due then.
    async fn wait(&self, time: Duration) {
        self.app.pass(time).await;
        payments::list_due(&self.app.app).await.unwrap();
    }

    async fn page(&self) -> String {
        let id = self.hold["id"].as_str().unwrap();
        let token = self.hold["access_token"].as_str().unwrap();
        let moved = self.app.get(&format!("/en/r/{id}?t={token}")).await;
        let cookie = moved.headers()["set-cookie"].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let request = self.app.request(Method::GET, &format!("/en/r/{id}"));
        let page = request.header("cookie", cookie).send().await.unwrap();
        page.text().await.unwrap()
    }
}

fn confirmed() -> (String, String) {
    ("confirmed".to_owned(), "completed".to_owned())
}

#[tokio::test]
async fn who_pays_has_the_tickets() {
    TestApp::run(async |app| {
        let worker = Worker::start(app);
        let buyer = Buyer::of(app, 10).await;
        let payment = buyer.begin().await;
        // Pressing again is the same attempt.
        assert_eq!(buyer.begin().await, payment);
        assert!(buyer.page().await.contains("A payment is under way"));
        let back = buyer.choose(&payment, "pay").await;
        assert_eq!(back.status(), 303);
        let id = buyer.hold["id"].as_str().unwrap();
        let expected = format!("http://tickets.example/en/r/{id}/paid");
        assert_eq!(back.headers()["location"], expected.as_str());
        assert_eq!(buyer.stands().await, confirmed());
        assert_eq!(buyer.payment_status(&payment).await, "completed");
        assert_eq!(app.available(buyer.concert).await, 8);
        let again = buyer.post_payment().await;
        assert_eq!(again.status(), 409);
        // A second press on its page leads back, like the first, and nothing is paid again.
        assert_eq!(buyer.choose(&payment, "pay").await.status(), 303);
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_declined_card_leaves_the_hold_and_another_one_pays() {
    TestApp::run(async |app| {
        let worker = Worker::start(app);
        let buyer = Buyer::of(app, 10).await;
        let first = buyer.begin().await;
        buyer.choose(&first, "decline").await;
        let failed = ("pending".to_owned(), "failed".to_owned());
        assert_eq!(buyer.stands().await, failed);
        assert!(
            buyer
                .page()
                .await
                .contains("The payment didn&#39;t go through")
        );
        let second = buyer.begin().await;
        assert_ne!(second, first);
        assert_eq!(buyer.stands().await.1, "pending");
        buyer.choose(&second, "pay").await;
        assert_eq!(buyer.stands().await, confirmed());
        // The first page is still open in another window: that money goes back.
        buyer.choose(&first, "pay").await;
        buyer.is(&first, "refunded").await;
        assert_eq!(buyer.stands().await, confirmed());
        assert!(buyer.page().await.contains("A second payment came"));
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn late_money_takes_the_tickets_anew_while_there_are_some() {
    TestApp::run(async |app| {
        let worker = Worker::start(app);
        let buyer = Buyer::of(app, 2).await;
        let payment = buyer.begin().await;
        buyer.choose(&payment, "late").await;
        buyer.run_out().await;
        assert_eq!(buyer.stands().await.0, "expired");
        assert_eq!(app.available(buyer.concert).await, 2);
        buyer.wait(Duration::from_mins(5)).await;
        buyer.is(&payment, "completed").await;
        assert_eq!(buyer.stands().await, confirmed());
        assert_eq!(app.available(buyer.concert).await, 0);
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn late_money_goes_back_when_the_tickets_are_gone() {
    TestApp::run(async |app| {
        let worker = Worker::start(app);
        let buyer = Buyer::of(app, 2).await;
        let payment = buyer.begin().await;
        buyer.choose(&payment, "late").await;
        buyer.run_out().await;
        app.reserved(buyer.concert, 2, "nok").await;
        buyer.wait(Duration::from_mins(5)).await;
        buyer.is(&payment, "refunded").await;
        let refunded = ("expired".to_owned(), "refunded".to_owned());
        assert_eq!(buyer.stands().await, refunded);
        assert!(buyer.page().await.contains("Your money went back to you."));
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn news_that_comes_several_times_counts_once() {
    TestApp::run(async |app| {
        let worker = Worker::start(app);
        let buyer = Buyer::of(app, 10).await;
        let payment = buyer.begin().await;
        buyer.choose(&payment, "twice").await;
        assert_eq!(buyer.stands().await, confirmed());
        let events = "SELECT count(*) FROM payment_events WHERE consequence = 'confirmed'";
        assert_eq!(app.count(events).await, 1);
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn who_goes_away_loses_the_hold_and_no_money() {
    TestApp::run(async |app| {
        let worker = Worker::start(app);
        let buyer = Buyer::of(app, 10).await;
        let payment = buyer.begin().await;
        buyer.choose(&payment, "never").await;
        buyer.run_out().await;
        buyer.wait(Duration::from_mins(5)).await;
        buyer.is(&payment, "failed").await;
        assert_eq!(buyer.stands().await.0, "expired");
        // The provider's page is closed: nobody pays for what is gone.
        assert_eq!(buyer.choose(&payment, "pay").await.status(), 409);
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn who_cancels_gets_the_money_back_once() {
    TestApp::run(async |app| {
        let worker = Worker::start(app);
        let buyer = Buyer::of(app, 10).await;
        let payment = buyer.begin().await;
        buyer.choose(&payment, "pay").await;
        let cancel = app.with_token(Method::POST, &buyer.hold, "/cancel");
        assert_eq!(cancel.send().await.unwrap().status(), 200);
        assert_eq!(app.available(buyer.concert).await, 10);
        buyer.is(&payment, "refunded").await;
        let refunded = ("cancelled".to_owned(), "refunded".to_owned());
        assert_eq!(buyer.stands().await, refunded);
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn who_cancels_too_late_is_told_until_when_it_was_possible() {
    TestApp::run(async |app| {
        let worker = Worker::start(app);
        let concert = NewConcert {
            in_days: 2,
            ..NewConcert::default()
        };
        let concert = app.plant(concert).await;
        let hold = app.reserved(concert, 2, "som").await;
        let buyer = Buyer { app, concert, hold };
        let payment = buyer.begin().await;
        buyer.choose(&payment, "pay").await;
        let cancel = app.with_token(Method::POST, &buyer.hold, "/cancel");
        let refused = cancel.send().await.unwrap();
        assert_eq!(refused.status(), 409);
        let problem: Value = refused.json().await.unwrap();
        assert_eq!(problem["code"], "invalid_state");
        // Midnight in Bangkok, two days before the concert's.
        let until = "2026-11-21T17:00:00Z";
        assert!(
            problem["detail"].as_str().unwrap().contains(until),
            "{problem}"
        );
        assert_eq!(buyer.stands().await, confirmed());
        assert!(!buyer.page().await.contains("Give the tickets back"));
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_refund_that_fails_is_shown_and_not_hidden() {
    TestApp::run(async |app| {
        let worker = Worker::start(app);
        let buyer = Buyer::of(app, 10).await;
        let payment = buyer.begin().await;
        buyer.choose(&payment, "refund_fails").await;
        let cancel = app.with_token(Method::POST, &buyer.hold, "/cancel");
        assert_eq!(cancel.send().await.unwrap().status(), 200);
        let stuck = "SELECT count(*) FROM payments WHERE refund_error IS NOT NULL";
        eventually("a report", LIMIT, async || app.count(stuck).await == 1).await;
        assert_eq!(buyer.payment_status(&payment).await, "refunding");
        assert!(buyer.page().await.contains("needs somebody&#39;s help"));
        let counted = app::payments::count_stuck(&app.app).await.unwrap();
        assert_eq!(counted, 1, "doctor tells of it");
        worker.stop().await;
    })
    .await;
}

/// Signs as the sandbox does.
fn signed(secret: &[u8], at: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(format!("{at}.{body}").as_bytes());
    let mut signature = format!("t={at},v1=");
    for byte in mac.finalize().into_bytes() {
        write!(signature, "{byte:02x}").unwrap();
    }
    signature
}

const SECRET: &[u8] = b"a key that is only used for tests";

async fn deliver(app: &TestApp, signature: &str, body: &str) -> Response {
    app.request(Method::POST, "/webhooks/sandbox")
        .header("Stagedoor-Signature", signature)
        .body(body.to_owned())
        .send()
        .await
        .unwrap()
}

fn paid(payment: &str, amount: &str) -> String {
    json!({"id": "evt-1", "type": "payment.paid", "payment_id": payment, "amount": amount,
           "currency": "THB"})
    .to_string()
}

#[tokio::test]
async fn a_hundred_deliveries_of_one_event_act_once() {
    TestApp::run(async |app| {
        let worker = Worker::start(app);
        let buyer = Buyer::of(app, 10).await;
        let payment = buyer.begin().await;
        let body = paid(&payment, "2500.00");
        let signature = signed(SECRET, app.app.ctx().now().as_second(), &body);
        let answers = join_all((0..100).map(|_| deliver(app, &signature, &body))).await;
        let mut new = 0;
        for answer in answers {
            // Who came while all waited for the lock is asked to come again.
            assert!([200, 503].contains(&answer.status().as_u16()));
            if answer.status() == 200 {
                let answer: Value = answer.json().await.unwrap();
                new += i32::from(answer["known"] == false);
            }
        }
        assert_eq!(new, 1);
        assert_eq!(app.count("SELECT count(*) FROM payment_events").await, 1);
        assert_eq!(buyer.stands().await, confirmed());
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_not_signed_as_it_must_be_is_not_believed() {
    TestApp::run(async |app| {
        let worker = Worker::start(app);
        let buyer = Buyer::of(app, 10).await;
        let payment = buyer.begin().await;
        let (now, body) = (app.app.ctx().now().as_second(), paid(&payment, "2500.00"));
        for (signature, status) in [
            (String::new(), 401),
            ("t=,v1=".to_owned(), 401),
            (signed(b"another key", now, &body), 401),
            (signed(SECRET, now - 301, &body), 401),
            (signed(SECRET, now + 301, &body), 401),
            (signed(SECRET, now, &paid(&payment, "1.00")), 401),
        ] {
            let answer = deliver(app, &signature, &body).await;
            assert_eq!(answer.status(), status, "{signature}");
        }
        let nonsense = "{}";
        let answer = deliver(app, &signed(SECRET, now, nonsense), nonsense).await;
        assert_eq!(answer.status(), 400);
        let elsewhere = app.request(Method::POST, "/webhooks/nobody");
        assert_eq!(elsewhere.send().await.unwrap().status(), 404);
        assert_eq!(app.count("SELECT count(*) FROM payment_events").await, 0);
        assert_eq!(buyer.stands().await.0, "pending");
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn other_money_than_was_asked_for_goes_back() {
    TestApp::run(async |app| {
        let worker = Worker::start(app);
        let buyer = Buyer::of(app, 10).await;
        let payment = buyer.begin().await;
        let body = paid(&payment, "2499.99");
        let signature = signed(SECRET, app.app.ctx().now().as_second(), &body);
        assert_eq!(deliver(app, &signature, &body).await.status(), 200);
        buyer.is(&payment, "refunded").await;
        assert_eq!(buyer.stands().await.0, "pending");
        assert!(buyer.page().await.contains("isn&#39;t what was asked for"));
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn what_the_webhook_missed_is_asked_for() {
    TestApp::run(async |app| {
        let worker = Worker::start(app);
        let buyer = Buyer::of(app, 10).await;
        let payment = buyer.begin().await;
        // The money came, and its news was lost on the way.
        let books = format!(
            "UPDATE sandbox_orders SET outcome = 'pay', told_at = created_at
             WHERE payment_id = '{payment}'"
        );
        app.postgres.batch_execute(&books).await.unwrap();
        buyer.wait(Duration::from_secs(61)).await;
        buyer.is(&payment, "completed").await;
        assert_eq!(buyer.stands().await, confirmed());
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_payment_is_begun_only_by_its_holder_for_what_is_held() {
    TestApp::run(async |app| {
        let buyer = Buyer::of(app, 10).await;
        let id = buyer.hold["id"].as_str().unwrap();
        let path = format!("/api/v1/reservations/{id}/payments");
        let stranger = app.request(Method::POST, &path);
        let stranger = stranger.json(&json!({"method": "sandbox"})).send().await;
        assert_eq!(stranger.unwrap().status(), 404);
        let wrong = app.with_token(Method::POST, &buyer.hold, "/payments");
        let wrong = wrong.json(&json!({"method": "stripe"})).send().await;
        assert_eq!(wrong.unwrap().status(), 422);
        buyer.run_out().await;
        let late = buyer.post_payment().await;
        assert_eq!(late.status(), 409);
        let problem: Value = late.json().await.unwrap();
        assert_eq!(problem["code"], "reservation_expired");
    })
    .await;
}
