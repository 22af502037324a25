//! Holds that nobody pays come back on sale.

use std::time::Duration;

use app::expire;
use reqwest::Method;
use serde_json::Value;

use crate::support::wait::{LIMIT, eventually};
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

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_a_concert_has_locked_no_reservation() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 1, "som").await;
        let cancel = app.with_token(Method::POST, &held, "/cancel");
        let status = behind_the_concert(app, concert, &held, async move {
            cancel.send().await.unwrap().status().as_u16()
        });
        assert_eq!(status.await, 200);

        let held = app.reserved(concert, 1, "dao").await;
        app.clock.advance(Duration::from_mins(10));
        let sweeping = app.app.clone();
        let swept = behind_the_concert(app, concert, &held, async move {
            expire::sweep(&sweeping).await.unwrap()
        });
        assert_eq!(swept.await, 1);
    })
    .await;
}

/// Runs `work` while somebody else has the concert's row, and looks whether it has locked the
/// reservation meanwhile: then the two could wait for each other.
async fn behind_the_concert<T: Send + 'static>(
    app: &TestApp,
    concert: i32,
    reservation: &Value,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    let somebody = app.database.superuser().await;
    let lock = format!("BEGIN; SELECT 1 FROM concerts WHERE id = {concert} FOR UPDATE");
    somebody.batch_execute(&lock).await.unwrap();
    let work = tokio::spawn(work);
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("somebody waits for the concert", LIMIT, async || {
        app.count(waiting).await == 1
    })
    .await;
    let free = "SELECT 1 FROM reservations WHERE id = $1 FOR UPDATE NOWAIT";
    let id = reservation["id"].as_str().unwrap();
    let found = app.postgres.query(free, &[&id]).await;
    somebody.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(found.expect("the reservation isn't locked").len(), 1);
    work.await.unwrap()
}
