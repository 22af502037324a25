//! Mails that wait: for a server that is slow, and for a worker that is dead.

use std::time::{Duration, Instant};

use app::jobs;
use reqwest::Method;
use serde_json::Value;
use tokio::sync::watch;

use super::{ask_as, pay, sending_to, settled, work};
use crate::support::smtp_server::{Mood, SmtpServer};
use crate::support::wait::{LIMIT, eventually};
use crate::support::{NewConcert, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_stalls_keeps_no_other_job_waiting() {
    let server = SmtpServer::start().await;
    server.be(Mood::Stalling);
    TestApp::run_with(sending_to(&server), async |app| {
        let (_stop, _worker) = work(app);
        let since = Instant::now();
        let free = NewConcert {
            price: "0",
            ..NewConcert::default()
        };
        let free = app.plant(free).await;
        for buyer in ["a", "b", "c", "d", "e", "f"] {
            app.reserved(free, 1, buyer).await;
        }
        let begun = "SELECT count(*) FROM jobs WHERE task = 'mail.send' AND attempts > 0";
        eventually("mails under way", LIMIT, async || {
            app.count(begun).await >= 2
        })
        .await;
        let concert = app.plant(NewConcert::default()).await;
        let hold = app.reserved(concert, 2, "som").await;
        pay(app, &hold, "en", "pay").await;
        app.clock.advance(Duration::from_secs(1));
        let cancel = app.with_token(Method::POST, &hold, "/cancel");
        assert_eq!(cancel.send().await.unwrap().status(), 200);
        // All of it sooner than the mail server's half minute is over.
        let refunded = "SELECT count(*) FROM payments WHERE status = 'refunded'";
        eventually("the refund", LIMIT, async || app.count(refunded).await == 1).await;
        assert!(since.elapsed() < Duration::from_secs(25), "{since:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_whose_worker_died_in_the_last_attempt_is_seen_by_staff_and_tried_again() {
    let server = SmtpServer::start().await;
    TestApp::run_with(sending_to(&server), async |app| {
        let free = NewConcert {
            price: "0",
            ..NewConcert::default()
        };
        let concert = app.plant(free).await;
        app.reserved(concert, 1, "som").await;
        app.reserved(concert, 1, "waits").await;
        let died =
            "UPDATE jobs SET status = 'dead', attempts = 25, finished_at = now() AT TIME ZONE 'utc'
                    WHERE payload->>'mail' = (SELECT id FROM mails WHERE recipient LIKE 'som@%')";
        app.postgres.batch_execute(died).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let periodic = jobs::start(&app.app, jobs::Tasks::default(), &stopped);
        settled(app, "dead", 1).await;
        settled(app, "pending", 1).await;
        stop.send_replace(true);
        for work in periodic {
            work.await.unwrap();
        }
        let path = "/api/v1/admin/mails?status=dead";
        let page = ask_as(app, "moderator", Method::GET, path).await;
        let page: Value = page.json().await.unwrap();
        let dead = &page["items"][0];
        assert!(dead["last_error"].as_str().unwrap().contains("worker died"));
        let (_stop, _worker) = work(app);
        let retry = format!("/api/v1/admin/mails/{}/retry", dead["id"].as_str().unwrap());
        let tried = ask_as(app, "moderator", Method::POST, &retry).await;
        assert_eq!(tried.status(), 200);
        settled(app, "sent", 2).await;
    })
    .await;
}
