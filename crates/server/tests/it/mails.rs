//! Mails: each is wished for in the transaction that makes it necessary, and whatever a mail server does,
//! it arrives or is seen by staff.

mod attached;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use app::jobs::{self, LEASE, Tasks};
use app::mails::{Carrier, CarryError, Sealed};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, pending};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use stagedoor::mail::smtp::{Route, Smtp};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::support::smtp_server::{Mood, SmtpServer, Taken};
use crate::support::wait::{LIMIT, eventually, within_limit};
use crate::support::{NewConcert, Options, TestApp};

fn route_to(server: &SmtpServer) -> Route {
    Route {
        url: format!("smtp://localhost:{}", server.port),
        from: "tickets@tickets.example".to_owned(),
        from_name: "Stagedoor".to_owned(),
        hello: "tickets.example".to_owned(),
        must_encrypt: false,
        roots: vec![server.certificate.clone()],
    }
}

fn sending_by(carrier: impl Carrier + 'static) -> Options {
    Options {
        carrier: Some(Arc::new(carrier)),
        ..Options::default()
    }
}

fn sending_to(server: &SmtpServer) -> Options {
    sending_by(Smtp::new(route_to(server)))
}

fn work(app: &TestApp) -> (watch::Sender<bool>, JoinHandle<()>) {
    let (stop, stopped) = watch::channel(false);
    let work = jobs::work(app.app.clone(), Tasks::of_product(), stopped);
    (stop, tokio::spawn(work))
}

/// Pays for a new hold of two tickets; the reservation.
async fn buy(app: &TestApp, buyer: &str, language: &str) -> Value {
    let concert = app.plant(NewConcert::default()).await;
    let hold = app.reserved(concert, 2, buyer).await;
    pay(app, &hold, language, "pay").await;
    hold
}

async fn pay(app: &TestApp, hold: &Value, language: &str, outcome: &str) {
    let begun = app
        .with_token(Method::POST, hold, "/payments")
        .header("accept-language", language)
        .json(&json!({ "method": "sandbox" }))
        .send()
        .await
        .unwrap();
    assert_eq!(begun.status(), 201);
    let payment: Value = begun.json().await.unwrap();
    let id = payment["id"].as_str().unwrap();
    let opened =
        format!("SELECT count(*) FROM payments WHERE id = '{id}' AND redirect_url IS NOT NULL");
    eventually("the provider's page", LIMIT, async || {
        app.count(&opened).await == 1
    })
    .await;
    app.request(Method::POST, &format!("/sandbox/pay/{id}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("outcome={outcome}"))
        .send()
        .await
        .unwrap();
}

async fn arrived(server: &SmtpServer, mails: usize) -> Vec<Taken> {
    eventually("mails", LIMIT, async || server.taken().len() >= mails).await;
    let taken = server.taken();
    assert_eq!(taken.len(), mails);
    taken
}

async fn settled(app: &TestApp, status: &str, mails: i64) {
    let statement = format!("SELECT count(*) FROM mails WHERE status = '{status}'");
    eventually(status, LIMIT, async || app.count(&statement).await == mails).await;
}

/// What is true of a job's row while nobody runs it: its time isn't the end of a lease that began now.
fn at_rest(app: &TestApp) -> String {
    let end = app.app.ctx().now() + LEASE;
    format!("status = 'pending' AND run_at <> timestamptz '{end}' AT TIME ZONE 'utc'")
}

/// Lets jobs that wait for their next attempt be due.
async fn hurry(app: &TestApp) {
    let (now, at_rest) = (app.app.ctx().now(), at_rest(app));
    let due =
        format!("UPDATE jobs SET run_at = timestamptz '{now}' AT TIME ZONE 'utc' WHERE {at_rest}");
    app.postgres.batch_execute(&due).await.unwrap();
}

async fn ask_as(app: &TestApp, role: &str, method: Method, path: &str) -> Response {
    let token = app
        .plant_signed_in(&format!("{role}{}", path.len()), role)
        .await;
    let request = app.request(method.clone(), path).bearer_auth(token);
    let request = if method == Method::POST {
        request.json(&json!({}))
    } else {
        request
    };
    request.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thai_buyers_mail_arrives_by_tls_with_all_its_parts() {
    let server = SmtpServer::start().await;
    TestApp::run_with(sending_to(&server), async |app| {
        let (_stop, _worker) = work(app);
        let hold = buy(app, "som", "th").await;
        let taken = arrived(&server, 1).await.remove(0);
        assert!(taken.was_encrypted);
        assert_eq!(taken.from, "tickets@tickets.example");
        assert_eq!(taken.to, "som@example.com");
        let mail = taken.parse();
        assert_eq!(mail.subject(), Some("บัตรของคุณ: The Lanterns – Night Ferry"));
        let sender = mail.from().unwrap().first().unwrap();
        assert_eq!(sender.name(), Some("Stagedoor"));
        assert_eq!(sender.address(), Some("tickets@tickets.example"));
        let recipient = mail.to().unwrap().first().unwrap();
        assert_eq!(recipient.name(), Some("Som Chai"));
        let id = taken.message_id();
        assert!(
            id.starts_with("MAIL") && id.ends_with("@tickets.example"),
            "{id}"
        );
        let automatic = mail.header("Auto-Submitted").unwrap();
        assert_eq!(automatic.as_text(), Some("auto-generated"));
        assert_eq!(
            mail.date().unwrap().to_timestamp(),
            app.app.ctx().now().as_second()
        );
        let raw = String::from_utf8_lossy(&taken.bytes);
        assert!(raw.contains("multipart/alternative"), "{raw}");
        assert!(raw.is_ascii());
        let (text, html) = (mail.body_text(0).unwrap(), mail.body_html(0).unwrap());
        let link = format!(
            "http://tickets.example/th/r/{}?t={}",
            hold["id"].as_str().unwrap(),
            hold["access_token"].as_str().unwrap()
        );
        for part in [&text, &html] {
            assert!(part.contains(&link), "{part}");
            assert!(part.contains("สวัสดีคุณ Som Chai"), "{part}");
            assert!(part.contains("฿2,500"), "{part}");
            assert!(part.contains("Riverside Hall"), "{part}");
        }
        // The free way to give tickets back ends two days before the concert's day.
        assert!(text.contains("คุณคืนบัตรเหล่านี้ได้จนถึง"), "{text}");
        assert!(html.contains("lang=\"th\""), "{html}");
        for elsewhere in ["googleapis", "<script", "<link"] {
            assert!(!html.contains(elsewhere), "{html}");
        }
        let path = link.strip_prefix("http://tickets.example").unwrap();
        let page = app.get(path).await;
        assert_eq!(page.status(), 303, "the token is taken");
        settled(app, "sent", 1).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_while_the_mail_server_is_down_for_an_hour() {
    let server = SmtpServer::start().await;
    server.be(Mood::Down);
    TestApp::run_with(sending_to(&server), async |app| {
        let (_stop, _worker) = work(app);
        for buyer in ["anong", "boon", "chai"] {
            buy(app, buyer, "en").await;
        }
        for attempt in 1..=8 {
            let tried = format!(
                "SELECT count(*) FROM jobs
                 WHERE task = 'mail.send' AND attempts >= {attempt} AND {}",
                at_rest(app)
            );
            eventually("attempts", LIMIT, async || app.count(&tried).await == 3).await;
            app.pass(Duration::from_mins(8)).await;
            hurry(app).await;
        }
        settled(app, "pending", 3).await;
        let noted = "SELECT count(*) FROM mails WHERE last_error IS NOT NULL";
        assert_eq!(app.count(noted).await, 3);
        server.be(Mood::Taking);
        eventually("mails", LIMIT, async || {
            hurry(app).await;
            server.taken().len() == 3
        })
        .await;
        settled(app, "sent", 3).await;
        let mut recipients: Vec<String> = server.taken().into_iter().map(|one| one.to).collect();
        recipients.sort();
        let all = ["anong", "boon", "chai"].map(|buyer| format!("{buyer}@example.com"));
        assert_eq!(recipients, all);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_put_off_is_sent_later() {
    let server = SmtpServer::start().await;
    server.be(Mood::Saying("451 4.7.1 come back later"));
    TestApp::run_with(sending_to(&server), async |app| {
        let (_stop, _worker) = work(app);
        buy(app, "som", "en").await;
        let put_off =
            "SELECT count(*) FROM mails WHERE status = 'pending' AND last_error LIKE '%451%'";
        eventually("an attempt", LIMIT, async || app.count(put_off).await == 1).await;
        server.be(Mood::Taking);
        eventually("the mail", LIMIT, async || {
            hurry(app).await;
            server.taken().len() == 1
        })
        .await;
        settled(app, "sent", 1).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_mail_is_seen_by_staff_and_tried_again() {
    let server = SmtpServer::start().await;
    server.be(Mood::Saying("550 5.1.1 <som@example.com>: unknown here"));
    TestApp::run_with(sending_to(&server), async |app| {
        let (_stop, _worker) = work(app);
        let hold = buy(app, "som", "en").await;
        settled(app, "dead", 1).await;
        let path = "/api/v1/admin/mails?status=dead";
        let page = ask_as(app, "moderator", Method::GET, path).await;
        let page: Value = page.json().await.unwrap();
        let dead = &page["items"][0];
        assert_eq!(dead["recipient"], "som@example.com");
        assert_eq!(dead["reservation_id"], hold["id"]);
        assert_eq!(dead["kind"], "confirmed");
        assert!(dead["last_error"].as_str().unwrap().contains("550"));
        // The job's own words have nobody's address.
        let quoted = "SELECT count(*) FROM jobs WHERE last_error LIKE '%@%'";
        assert_eq!(app.count(quoted).await, 0);
        eventually("the dead job", LIMIT, async || {
            jobs::count_dead(&app.app).await.unwrap() == 1
        })
        .await;
        server.be(Mood::Taking);
        let retry = format!("/api/v1/admin/mails/{}/retry", dead["id"].as_str().unwrap());
        let tried = ask_as(app, "moderator", Method::POST, &retry).await;
        assert_eq!(tried.status(), 200);
        arrived(&server, 1).await;
        settled(app, "sent", 1).await;
        let again = ask_as(app, "admin", Method::POST, &retry).await;
        assert_eq!(again.status(), 409);
        let resend = format!(
            "/api/v1/admin/reservations/{}/resend",
            hold["id"].as_str().unwrap()
        );
        let anew = ask_as(app, "moderator", Method::POST, &resend).await;
        assert_eq!(anew.status(), 200);
        let taken = arrived(&server, 2).await;
        assert_ne!(taken[0].message_id(), taken[1].message_id());
    })
    .await;
}

/// A carrier whose first mail arrives, and whose worker dies before it hears of that.
#[derive(Debug)]
struct Dying {
    smtp: Smtp,
    was_there: AtomicBool,
    dead: Arc<Notify>,
}

impl Carrier for Dying {
    fn carry<'a>(&'a self, sealed: &'a Sealed) -> BoxFuture<'a, Result<(), CarryError>> {
        async {
            let carried = self.smtp.carry(sealed).await;
            if !self.was_there.swap(true, Ordering::SeqCst) {
                self.dead.notify_one();
                return pending().await;
            }
            carried
        }
        .boxed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_whose_worker_died_after_the_servers_answer_comes_again_with_its_message_id() {
    let server = SmtpServer::start().await;
    let dead = Arc::new(Notify::new());
    let dying = Dying {
        smtp: Smtp::new(route_to(&server)),
        was_there: AtomicBool::new(false),
        dead: Arc::clone(&dead),
    };
    TestApp::run_with(sending_by(dying), async |app| {
        let (_stop, worker) = work(app);
        buy(app, "som", "th").await;
        within_limit("the server's answer", dead.notified()).await;
        worker.abort();
        settled(app, "pending", 1).await;
        app.pass(LEASE + Duration::from_secs(1)).await;
        let (_stop, _worker) = work(app);
        let taken = arrived(&server, 2).await;
        assert_eq!(
            taken[0].bytes, taken[1].bytes,
            "the Message-ID and all else"
        );
        settled(app, "sent", 1).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_name_stays_a_name() {
    let server = SmtpServer::start().await;
    TestApp::run_with(sending_to(&server), async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let hold = app.reserved(concert, 1, "som").await;
        let name = "<b>Som</b> & \"Co\"\r\nBcc: thief@example.com\r\n\r\n{{ 7 }} <mj-raw>";
        let rename = "UPDATE reservations SET customer_name = $1";
        app.postgres.execute(rename, &[&name]).await.unwrap();
        let (_stop, _worker) = work(app);
        pay(app, &hold, "en", "pay").await;
        let taken = arrived(&server, 1).await.remove(0);
        assert_eq!(taken.to, "som@example.com");
        let mail = taken.parse();
        assert!(mail.bcc().is_none());
        assert_eq!(mail.to().unwrap().iter().count(), 1);
        let html = mail.body_html(0).unwrap();
        assert!(
            !html.contains("<b>Som") && !html.contains("<mj-raw>"),
            "{html}"
        );
        assert!(html.contains("Som"), "{html}");
        assert!(mail.body_text(0).unwrap().contains("<b>Som</b> & \"Co\""));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_said_in_the_clear_where_that_is_forbidden() {
    let server = SmtpServer::start_with(false).await;
    let route = Route {
        must_encrypt: true,
        ..route_to(&server)
    };
    TestApp::run_with(sending_by(Smtp::new(route)), async |app| {
        let (_stop, _worker) = work(app);
        buy(app, "som", "en").await;
        let failed =
            "SELECT count(*) FROM mails WHERE status = 'pending' AND last_error IS NOT NULL";
        eventually("an attempt", LIMIT, async || app.count(failed).await == 1).await;
        assert!(server.taken().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mail_server_mails_are_kept_to_be_looked_at() {
    TestApp::run(async |app| {
        let (_stop, _worker) = work(app);
        let concert = app.plant(NewConcert::default()).await;
        let hold = app.reserved(concert, 2, "som").await;
        pay(app, &hold, "en", "decline").await;
        settled(app, "kept", 1).await;
        app.clock.advance(Duration::from_secs(1));
        pay(app, &hold, "en", "pay").await;
        settled(app, "kept", 2).await;
        app.clock.advance(Duration::from_secs(1));
        let cancel = app.with_token(Method::POST, &hold, "/cancel");
        assert_eq!(cancel.send().await.unwrap().status(), 200);
        settled(app, "kept", 4).await;
        let other = app.reserved(concert, 1, "other").await;
        pay(app, &other, "en", "pay").await;
        settled(app, "kept", 5).await;
        let kept = app.get_json("/dev/mail?to=Som@example.com").await;
        let subjects: Vec<&str> = kept["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|mail| mail["subject"].as_str().unwrap())
            .collect();
        let expected = [
            "Your money went back: The Lanterns – Night Ferry",
            "Cancelled: The Lanterns – Night Ferry",
            "Your tickets: The Lanterns – Night Ferry",
            "Your payment didn't go through: The Lanterns – Night Ferry",
        ];
        let mut sorted = subjects.clone();
        sorted[..2].sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(sorted, expected);
        assert_eq!(kept["items"][0]["to"], "som@example.com");
        assert_eq!(kept["items"][0]["attachments"], json!([]));
        let all = app.get_json("/dev/mail").await;
        assert_eq!(all["items"].as_array().unwrap().len(), 5);
        let page = app
            .request(Method::GET, "/dev/mail")
            .header("accept", "text/html");
        let page = page.send().await.unwrap();
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
        assert!(page.text().await.unwrap().contains("Your tickets"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letting_a_hold_go_writes_to_nobody() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let hold = app.reserved(concert, 2, "som").await;
        let cancel = app.with_token(Method::POST, &hold, "/cancel");
        assert_eq!(cancel.send().await.unwrap().status(), 200);
        assert_eq!(app.count("SELECT count(*) FROM mails").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_other_peoples_mails_in_production() {
    let options = Options {
        shows_mails: false,
        ..Options::default()
    };
    TestApp::run_with(options, async |app| {
        assert_eq!(app.get("/dev/mail").await.status(), 404);
    })
    .await;
}
