//! Sold out: refusing is cheap, and tickets that come back are on sale at once.

use std::time::{Duration, Instant};

use app::expire;
use domain::allotment::Refusal;
use reqwest::Method;
use serde_json::Value;

use super::turns::{beside, refusal, tickets};
use crate::support::fault_proxy::FaultProxy;
use crate::support::wait::{LIMIT, eventually};
use crate::support::wishes::{keyed, put, wish};
use crate::support::{NewConcert, Options, TestApp, cluster};

/// How long a note is believed; the product's own figure, which is part of its promise.
const NOTE_LASTS: Duration = Duration::from_millis(250);
/// On a machine that does much else.
const BACK_WITHIN: Duration = Duration::from_millis(2500);

#[tokio::test(flavor = "multi_thread")]
async fn refusing_without_a_key_hardly_ever_asks_the_database() {
    let proxy = FaultProxy::start(cluster().port()).await;
    let options = Options {
        database_port: Some(proxy.port),
        is_alone: true,
        ..Options::default()
    };
    TestApp::run_with(options, async |app| {
        let concert = tickets(app, 1).await;
        put(&app.app, wish(concert, 1, "lucky"))
            .await
            .unwrap()
            .unwrap();
        let (before, begun) = (proxy.statements(), Instant::now());
        let mut refused = 0_u32;
        while begun.elapsed() < Duration::from_secs(1) {
            let outcome = put(&app.app, wish(concert, 1, "late")).await.unwrap();
            assert_eq!(refusal(&outcome), Some(Refusal::SoldOut));
            refused += 1;
        }
        let statements = proxy.statements() - before;
        let looks = begun.elapsed().as_millis() / NOTE_LASTS.as_millis() + 1;
        eprintln!("{refused} refusals, {statements} statements, at most {looks} looks");
        // A look is BEGIN, the lock, two look-ups and ROLLBACK; a new connection prepares more.
        let most = 5 * usize::try_from(looks).unwrap() + 40;
        assert!(
            statements <= most,
            "{statements} statements, {most} at most"
        );
        assert!(refused > 200, "{refused}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_that_is_too_large_for_what_is_left_is_refused_from_memory_too() {
    TestApp::run(async |app| {
        let concert = tickets(app, 5).await;
        put(&app.app, wish(concert, 3, "first"))
            .await
            .unwrap()
            .unwrap();
        let large = put(&app.app, wish(concert, 3, "large")).await.unwrap();
        let left = Refusal::NotEnoughTickets { available: 2 };
        assert_eq!(refusal(&large), Some(left));
        put(&app.app, wish(concert, 2, "fits"))
            .await
            .unwrap()
            .unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_tickets_are_on_sale_when_the_answer_is_there() {
    TestApp::run(async |app| {
        let concert = tickets(app, 1).await;
        let mut held = app.reserved(concert, 1, "first").await;
        for round in 0..20 {
            let late = put(&app.app, wish(concert, 1, "late")).await.unwrap();
            assert_eq!(refusal(&late), Some(Refusal::SoldOut));
            cancel(app, &held).await;
            // At once: not when the note has run out.
            held = app.reserved(concert, 1, &format!("next-{round}")).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_of_holds_that_ran_out_are_on_sale_again() {
    TestApp::run(async |app| {
        let concert = tickets(app, 1).await;
        app.reserved(concert, 1, "idle").await;
        let late = put(&app.app, wish(concert, 1, "late")).await.unwrap();
        assert_eq!(refusal(&late), Some(Refusal::SoldOut));
        app.clock.advance(Duration::from_mins(10));
        expire::sweep(&app.app).await.unwrap();
        let took = on_sale_again(app, concert, "next").await;
        eprintln!("on sale {took:?} after the sweep");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_that_return_at_one_server_are_soon_on_sale_at_another() {
    TestApp::run(async |app| {
        let other = beside(app).await;
        let concert = tickets(app, 1).await;
        let mut held = app.reserved(concert, 1, "first").await;
        for round in 0..6 {
            if round == 3 {
                cut_listeners(app).await;
            }
            keep_refusing(&other, concert).await;
            cancel(app, &held).await;
            let took = on_sale_again(&other, concert, &format!("other-{round}")).await;
            eprintln!("round {round}: on sale at the other server after {took:?}");
            assert!(took < BACK_WITHIN, "{took:?}");
            let give_back = format!(
                "UPDATE reservations SET status = 'cancelled' WHERE concert_id = {concert};
                 UPDATE concerts SET available_tickets = total_tickets WHERE id = {concert}"
            );
            app.postgres.batch_execute(&give_back).await.unwrap();
            let begun = Instant::now();
            held = loop {
                let buyer = format!("again-{round}");
                let answer = app.reserve(concert, 1, &buyer).send().await.unwrap();
                if answer.status() == 201 {
                    break answer.json().await.unwrap();
                }
                assert!(begun.elapsed() < BACK_WITHIN);
            };
        }
    })
    .await;
}

/// Plain SQL announces nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_raised_capacity_is_on_sale_soon() {
    TestApp::run(async |app| {
        let concert = tickets(app, 1).await;
        put(&app.app, wish(concert, 1, "lucky"))
            .await
            .unwrap()
            .unwrap();
        keep_refusing(app, concert).await;
        let raise = "UPDATE concerts SET total_tickets = 2, available_tickets = 1 WHERE id > 0";
        app.postgres.batch_execute(raise).await.unwrap();
        let took = on_sale_again(app, concert, "next").await;
        eprintln!("on sale {took:?} after the capacity was raised");
        assert!(took < BACK_WITHIN, "{took:?}");
    })
    .await;
}

/// A closed or unknown concert is neither sold out nor remembered as such.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_on_sale_is_not_remembered_as_sold_out() {
    TestApp::run(async |app| {
        let closed = NewConcert {
            status: "closed",
            tickets: 0,
            ..NewConcert::default()
        };
        let closed = app.plant(closed).await;
        for concert in [closed, closed + 1] {
            for _ in 0..2 {
                let answer = app.reserve(concert, 1, "som").send().await.unwrap();
                let problem: Value = answer.json().await.unwrap();
                let code = if concert == closed {
                    "sale_closed"
                } else {
                    "not_found"
                };
                assert_eq!(problem["code"], code);
            }
        }
        let open = format!(
            "UPDATE concerts SET status = 'open', total_tickets = 1, available_tickets = 1
             WHERE id = {closed}"
        );
        app.postgres.batch_execute(&open).await.unwrap();
        let keyed = keyed("k", wish(closed, 1, "som"));
        put(&app.app, keyed).await.unwrap().unwrap();
    })
    .await;
}

async fn cancel(app: &TestApp, held: &Value) {
    let cancel = app.with_token(Method::POST, held, "/cancel");
    assert_eq!(cancel.send().await.unwrap().status(), 200);
}

/// Refusals for as long as a note lasts, so that the last came from memory and the note is fresh.
async fn keep_refusing(app: &TestApp, concert: i32) {
    let begun = Instant::now();
    while begun.elapsed() < 2 * NOTE_LASTS {
        let late = put(&app.app, wish(concert, 1, "late")).await.unwrap();
        assert_eq!(refusal(&late), Some(Refusal::SoldOut));
    }
}

/// How long it took until a ticket could be had.
async fn on_sale_again(app: &TestApp, concert: i32, buyer: &str) -> Duration {
    eventually("a ticket is to be had", LIMIT, async || {
        let outcome = put(&app.app, wish(concert, 1, buyer)).await.unwrap();
        refusal(&outcome).is_none()
    })
    .await
}

/// Ends every session that listens; what they asked last is whether they are still heard.
async fn cut_listeners(app: &TestApp) {
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE datname = current_database() AND usename = 'stagedoor_app'
                 AND query ~ '^LISTEN|is_read_only'";
    let cut = app.count(end).await;
    eprintln!("{cut} listeners cut");
    assert!(cut > 0, "nobody listened");
}
