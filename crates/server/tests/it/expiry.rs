//! Holds that nobody pays come back on sale.

use std::time::Duration;

use app::expire;
use reqwest::Method;
use serde_json::Value;

use crate::support::{NewConcert, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_given_back_once_its_time_is_over() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let free = NewConcert {
            price: "0",
            ..NewConcert::default()
        };
        let free = app.plant(free).await;
        let held = app.reserved(concert, 10, "som").await;
        app.reserved(free, 2, "som").await;
        app.clock.advance(Duration::from_mins(5));
        app.reserved(concert, 1, "dao").await;
        assert_eq!(expire::sweep(&app.app).await.unwrap(), 0);

        app.clock.advance(Duration::from_mins(5));
        let sweeps = (0..8).map(|_| {
            let app = app.app.clone();
            tokio::spawn(async move { expire::sweep(&app).await.unwrap() })
        });
        let mut expired = 0;
        for sweep in sweeps.collect::<Vec<_>>() {
            expired += sweep.await.unwrap();
        }
        assert_eq!(expired, 1, "once, however many sweep");
        assert_eq!(app.available(concert).await, 99);
        assert_eq!(app.available(free).await, 98);
        let shown = app.with_token(Method::GET, &held, "").send().await.unwrap();
        assert_eq!(shown.json::<Value>().await.unwrap()["status"], "expired");
        app.reserved(concert, 10, "som").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sweeping_beside_buyers_who_cancel_never_gives_tickets_back_twice() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let mut held = Vec::new();
        for buyer in 0..20 {
            held.push(app.reserved(concert, 1, &format!("b{buyer}")).await);
        }
        app.clock.advance(Duration::from_mins(10));
        let sweeping = app.app.clone();
        let sweep = tokio::spawn(async move {
            for _ in 0..10 {
                expire::sweep(&sweeping).await.unwrap();
            }
        });
        for reservation in &held {
            let cancel = app.with_token(Method::POST, reservation, "/cancel");
            assert_eq!(cancel.send().await.unwrap().status(), 409);
        }
        sweep.await.unwrap();
        assert_eq!(app.available(concert).await, 100);
    })
    .await;
}
