//! Holds that nobody pays come back on sale.

use std::time::{Duration, Instant};

use app::expire;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::program::Program;
use crate::support::wait::{LIMIT, eventually};
use crate::support::{NewConcert, TestApp, TestDatabase, plant_ten_tickets};

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
        let swept = expire::sweep(&app.app).await.unwrap();
        assert_eq!((swept.expired, swept.lent), (0, 0));

        app.pass(Duration::from_mins(5)).await;
        let sweeps = (0..8).map(|_| {
            let app = app.app.clone();
            tokio::spawn(async move { expire::sweep(&app).await.unwrap() })
        });
        let mut expired = 0;
        for sweep in sweeps.collect::<Vec<_>>() {
            expired += sweep.await.unwrap().expired;
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
    let test = TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 1, "som").await;
        for change in ["/extend", "/cancel"] {
            let change = app.with_token(Method::POST, &held, change);
            let status = behind_the_concert(app, concert, &held, async move {
                change.send().await.unwrap().status().as_u16()
            });
            assert_eq!(status.await, 200);
        }

        let bought = app.reserved(concert, 1, "mai").await;
        let confirm = "UPDATE reservations SET status = 'confirmed', payment_status = 'completed',
                                               expires_at = NULL
                       WHERE customer_email LIKE 'mai@%'";
        app.postgres.batch_execute(confirm).await.unwrap();
        let tickets = app.with_token(Method::GET, &bought, "/tickets");
        let issued = behind_the_concert(app, concert, &bought, async move {
            tickets.send().await.unwrap().status().as_u16()
        });
        assert_eq!(issued.await, 200);

        let held = app.reserved(concert, 1, "dao").await;
        app.clock.advance(Duration::from_mins(10));
        let sweeping = app.app.clone();
        let swept = Box::pin(behind_the_concert(app, concert, &held, async move {
            expire::sweep(&sweeping).await.unwrap()
        }));
        assert_eq!(swept.await.expired, 1);
    });
    // Large, for it has the whole of two conversations.
    Box::pin(test).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_refused_gets_the_tickets_the_moment_they_come_back() {
    TestApp::run(async |app| {
        let last = NewConcert {
            tickets: 1,
            ..NewConcert::default()
        };
        let concert = app.plant(last).await;
        for buyer in ["som", "dao"] {
            let held = app.reserved(concert, 1, buyer).await;
            let refused = app.reserve(concert, 1, "mai").send().await.unwrap();
            assert_eq!(refused.status(), 409);
            if buyer == "som" {
                let cancel = app.with_token(Method::POST, &held, "/cancel");
                assert_eq!(cancel.send().await.unwrap().status(), 200);
            } else {
                app.clock.advance(Duration::from_mins(10));
                let swept = expire::sweep(&app.app).await.unwrap();
                assert_eq!(swept.expired, 1);
            }
        }
        app.reserved(concert, 1, "mai").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_concert_that_stays_locked_holds_up_no_other() {
    TestApp::run(async |app| {
        let locked = app.plant(NewConcert::default()).await;
        let other = app.plant(NewConcert::default()).await;
        app.reserved(locked, 1, "som").await;
        app.reserved(other, 1, "som").await;
        expire::sweep(&app.app).await.unwrap();
        app.pass(Duration::from_mins(10)).await;
        app.postgres.batch_execute("BEGIN").await.unwrap();
        let lock = "SELECT FROM concerts WHERE id = $1 FOR UPDATE";
        app.postgres.execute(lock, &[&locked]).await.unwrap();

        let swept = expire::sweep(&app.app).await.unwrap();
        assert_eq!(swept.expired, 1);
        app.reserved(other, 10, "dao").await;

        app.postgres.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(app.available(other).await, 90);
        assert_eq!(expire::sweep(&app.app).await.unwrap().expired, 1);
        assert_eq!(app.available(locked).await, 100);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn very_many_holds_that_end_together_are_swept_without_a_rest() {
    TestApp::run(async |app| {
        let many = NewConcert {
            tickets: 20_000,
            ..NewConcert::default()
        };
        let concert = app.plant(many).await;
        app.plant_holds(concert, 10_000, Duration::from_mins(10))
            .await;
        app.clock.advance(Duration::from_mins(10));
        let (begun, mut expired) = (Instant::now(), 0);
        while expired < 10_000 {
            let swept = expire::sweep(&app.app).await.unwrap();
            assert!(swept.expired > 0);
            expired += swept.expired;
            // A slow machine takes several passes; only the last, which finds no more, rests.
            assert!(swept.rest.is_zero() || expired == 10_000);
        }
        eprintln!("10,000 holds swept in {:?}", begun.elapsed());
        assert_eq!(app.available(concert).await, 20_000);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_gives_back_what_is_not_paid_within_two_seconds_of_its_end() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let concert = plant_ten_tickets(&postgres).await;
    let served = Program::on(&database, &["serve"])
        .env("STAGEDOOR_LISTEN", "127.0.0.1:0")
        .env("STAGEDOOR_METRICS_LISTEN", "127.0.0.1:0")
        .env("STAGEDOOR_HOLD_TTL", "1s")
        .start("stagedoor listens on http://")
        .await;
    let url = format!("{}/api/v1/reservations", served.site());
    for buyer in 0..3 {
        let wish = json!({
            "concert_id": concert,
            "quantity": 10,
            "customer_name": "Som",
            "customer_email": format!("{buyer}@example.com"),
        });
        let sent = reqwest::Client::new().post(&url).json(&wish).send();
        assert_eq!(sent.await.unwrap().status(), 201);
        let late =
            "SELECT extract(epoch FROM (now() AT TIME ZONE 'utc') - max(expires_at))::float8,
                           (SELECT available_tickets FROM concerts WHERE id > 0)
                    FROM reservations";
        let returned = async || {
            let row = postgres.query_one(late, &[]).await.unwrap();
            let (late, available): (f64, i32) = (row.get(0), row.get(1));
            assert!(late < 2.0 || available == 10, "{late} s after the end");
            available == 10
        };
        let waited = eventually("the tickets are back", LIMIT, returned).await;
        eprintln!("back {waited:?} after the sale of a hold of one second");
    }
}

/// Runs `work` while somebody else has the concert's row, and looks whether it has locked the
/// reservation meanwhile: then the two could wait for each other.
pub(crate) async fn behind_the_concert<T: Send + 'static>(
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
