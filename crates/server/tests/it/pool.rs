//! The connection pool as PostgreSQL sees it: its size, its settings, and what it does not lend.

#![allow(
    clippy::unwrap_used,
    reason = "also outside the test functions, this is a test"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use domain::id::ConcertId;
use reqwest::Response;
use serde_json::Value;
use store::client::GenericClient as _;
use store::{Connection, Pool, PoolSettings, StoreError};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::wait::{LIMIT, eventually, within_limit};
use crate::support::{APP, NewConcert, Options, TestApp, connect};

/// The sessions of the product's login on a test's database.
const SESSIONS: &str = "FROM pg_stat_activity
                        WHERE datname = current_database() AND usename = 'stagedoor_app'";

#[tokio::test(flavor = "multi_thread")]
async fn the_pool_is_what_the_specification_says() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let sessions = format!("SELECT count(*) {SESSIONS}");
        eventually("two connections at rest", LIMIT, async || {
            app.count(&sessions).await == 2
        })
        .await;
        let named = format!("{sessions} AND application_name = 'concert-ticket-system'");
        assert_eq!(app.count(&named).await, 2);
        let idle = format!("{sessions} AND state = 'idle'");
        assert_eq!(app.count(&idle).await, 2);

        let most = most_sessions_in_a_burst(app, concert).await;
        assert!(most <= 20, "{most} connections");
        let all = app.leases(20).await;
        assert_eq!(app.count(&sessions).await, 20);
        drop(all);

        let rested = eventually(
            "two connections again",
            Duration::from_mins(1),
            async || app.count(&sessions).await == 2,
        )
        .await;
        eprintln!("back to two connections after {rested:?}");
        assert!(rested < Duration::from_secs(35), "{rested:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_has_the_specified_limits() {
    TestApp::run(async |app| {
        let pooled = &app.leases(1).await[0];
        for (question, expected) in [
            ("SHOW application_name", "concert-ticket-system"),
            ("SHOW statement_timeout", "2min"),
            ("SHOW timezone", "UTC"),
            ("SHOW lock_timeout", "5s"),
            ("SHOW idle_in_transaction_session_timeout", "10s"),
        ] {
            let row = pooled.query_one(question, &[]).await.unwrap();
            assert_eq!(row.get::<_, &str>(0), expected, "{question}");
        }
        // The login has the two that matter most even where our program doesn't set them.
        let plain = connect(&app.database.url(APP)).await;
        for (question, expected) in [("SHOW statement_timeout", "2min"), ("SHOW timezone", "UTC")] {
            let row = plain.query_one(question, &[]).await.unwrap();
            assert_eq!(row.get::<_, &str>(0), expected, "{question}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_is_exhausted_answers_overloaded_within_its_time() {
    let options = Options {
        pool_max: 2,
        ..Options::default()
    };
    TestApp::run_with(options, async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let busy = app.leases(2).await;
        for path in ["/api/v1/concerts", "/readyz"] {
            let begun = Instant::now();
            let answer = within_limit("an answer", app.get(path)).await;
            eprintln!("{path} refused after {:?}", begun.elapsed());
            assert_eq!(answer.status(), 503);
            assert_eq!(answer.headers()["retry-after"], "1");
        }
        let answer = app.reserve(concert, 1, "third").send();
        let answer = within_limit("an answer", answer).await.unwrap();
        assert_eq!(code(answer).await, "503 overloaded");
        drop(busy);
        app.reserved(concert, 1, "third").await;
        assert_eq!(app.available(concert).await, 99);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_terminated_is_not_lent_again() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        drop(app.leases(8).await);
        terminate_all(app).await;
        // Time for the word to arrive; nobody asks the server about an idle connection.
        tokio::time::sleep(Duration::from_millis(300)).await;
        for buyer in 0..20 {
            app.reserved(concert, 1, &format!("buyer-{buyer}")).await;
        }
        assert_eq!(app.available(concert).await, 80);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_terminated_while_it_works_is_not_lent_again() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        drop(app.leases(1).await);
        app.postgres.batch_execute("BEGIN").await.unwrap();
        let lock = "SELECT FROM concerts WHERE id = $1 FOR UPDATE";
        app.postgres.execute(lock, &[&concert]).await.unwrap();
        let reserve = tokio::spawn(app.reserve(concert, 1, "unlucky").send());
        let other = app.database.superuser().await;
        let waiting = format!("SELECT count(*) {SESSIONS} AND wait_event_type = 'Lock'");
        eventually("the buyer waits", LIMIT, async || {
            let row = other.query_one(&waiting, &[]).await.unwrap();
            row.get::<_, i64>(0) == 1
        })
        .await;
        terminate_all(app).await;
        app.postgres.batch_execute("ROLLBACK").await.unwrap();
        // The engine tries once more, perhaps on another connection that is gone.
        let answer = within_limit("an answer", reserve).await.unwrap().unwrap();
        if answer.status() != 201 {
            assert_eq!(code(answer).await, "503 database_unavailable");
            tokio::time::sleep(Duration::from_millis(300)).await;
            app.reserved(concert, 1, "unlucky").await;
        }
        assert_eq!(app.available(concert).await, 99);
    })
    .await;
}

/// As after a switchover, when a connection leads to what is now a standby.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_became_read_only_is_not_lent_again() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let demote = async |connection: &Connection| {
            let demote = "SET default_transaction_read_only = on";
            connection.execute(demote, &[]).await.unwrap();
        };
        let demoted = spoil_next(app, demote).await;
        // Nobody knows before the first write.
        assert_eq!(app.get("/api/v1/concerts").await.status(), 200);
        // The engine tries once more, on another connection.
        app.reserved(concert, 1, "som").await;
        gone(app, demoted).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_whose_statements_went_stale_is_not_lent_again() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let prepare = async |connection: &Connection| {
            let id = ConcertId::new(concert).unwrap();
            store::concerts::find(connection, id).await.unwrap();
        };
        let stale = spoil_next(app, prepare).await;
        let widen = "ALTER TABLE concerts ALTER COLUMN venue TYPE text";
        app.postgres.batch_execute(widen).await.unwrap();
        let path = format!("/api/v1/concerts/{concert}");
        // cached plan must not change result type (SQLSTATE 0A000)
        assert_eq!(code(app.get(&path).await).await, "503 database_unavailable");
        assert_eq!(app.get(&path).await.status(), 200);
        gone(app, stale).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_statement_does_not_hold_up_the_next_borrower() {
    TestApp::run(async |app| {
        let pool = app.app.writer();
        drop(app.leases(2).await);
        let lease = app.leases(1).await.remove(0);
        let slow = lease.query("SELECT pg_sleep(10)", &[]);
        let abandoned = tokio::time::timeout(Duration::from_millis(300), slow).await;
        assert!(abandoned.is_err());
        drop(lease);
        let begun = Instant::now();
        let lease = pool.get().await.unwrap();
        lease.query("SELECT 1", &[]).await.unwrap();
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(5), "{took:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_accepts_and_never_answers_costs_the_connect_timeout_and_no_more() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (accepted, given_up) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let counts = (Arc::clone(&accepted), Arc::clone(&given_up));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            counts.0.fetch_add(1, Ordering::SeqCst);
            let given_up = Arc::clone(&counts.1);
            tokio::spawn(async move {
                let mut ignored = Vec::new();
                let _ = socket.read_to_end(&mut ignored).await;
                given_up.fetch_add(1, Ordering::SeqCst);
            });
        }
    });
    let settings = PoolSettings {
        name: "writer",
        max: 20,
        min: 0,
        idle_timeout: Duration::from_secs(30),
        connect_timeout: Duration::from_secs(2),
        statement_timeout: Duration::from_mins(2),
        silence_max: Some(Duration::from_secs(6)),
    };
    let url = format!("postgresql://{APP}:any@127.0.0.1:{port}/any");
    let pool = Pool::open(&url, settings, Arc::new(|_| {})).unwrap();
    for _ in 0..2 {
        let begun = Instant::now();
        let outcome = within_limit("an error", pool.get()).await;
        let took = begun.elapsed();
        eprintln!("given up after {took:?}");
        assert!(
            matches!(outcome, Err(StoreError::Unavailable(_))),
            "{outcome:?}"
        );
        assert!(took < Duration::from_secs(4), "{took:?}");
    }
    assert!(accepted.load(Ordering::SeqCst) > 0);
    // Also when nobody waits for it any more.
    eventually("every socket closed", LIMIT, async || {
        given_up.load(Ordering::SeqCst) == accepted.load(Ordering::SeqCst)
    })
    .await;
}

/// The most sessions there were while 300 requests wanted the same locked row.
async fn most_sessions_in_a_burst(app: &TestApp, concert: i32) -> i64 {
    let watcher = app.database.superuser().await;
    let is_over = Arc::<AtomicBool>::default();
    let watch = {
        let is_over = Arc::clone(&is_over);
        tokio::spawn(async move {
            let mut most = 0;
            while !is_over.load(Ordering::SeqCst) {
                let sessions = format!("SELECT count(*) {SESSIONS}");
                let row = watcher.query_one(&sessions, &[]).await.unwrap();
                most = most.max(row.get::<_, i64>(0));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            most
        })
    };
    app.postgres.batch_execute("BEGIN").await.unwrap();
    let lock = "SELECT FROM concerts WHERE id = $1 FOR UPDATE";
    app.postgres.execute(lock, &[&concert]).await.unwrap();
    let mut requests = JoinSet::new();
    for buyer in 0..300 {
        let request = app.reserve(concert, 1, &format!("buyer-{buyer}"));
        requests.spawn(async { request.send().await.unwrap().status().as_u16() });
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    app.postgres.batch_execute("ROLLBACK").await.unwrap();
    let answers = within_limit("all answers", requests.join_all()).await;
    is_over.store(true, Ordering::SeqCst);
    let count = |status| answers.iter().filter(|answer| **answer == status).count();
    let (sold, refused, busy) = (count(201), count(409), count(503));
    eprintln!("sold {sold}, refused {refused}, overloaded {busy}");
    assert_eq!(sold + refused + busy, 300, "{answers:?}");
    watch.await.unwrap()
}

/// Does something to the one connection that is lent next; returns its session's process id.
async fn spoil_next(app: &TestApp, spoil: impl AsyncFnOnce(&Connection)) -> i32 {
    let [spoilt, other, third, fourth] = <[_; 4]>::try_from(app.leases(4).await).unwrap();
    drop((third, fourth));
    spoil(&spoilt).await;
    let row = spoilt.query_one("SELECT pg_backend_pid()", &[]).await;
    // What came back last is lent first; so those that serve instead must be there.
    eventually("two idle connections", LIMIT, async || {
        app.app.writer().state().idle >= 2
    })
    .await;
    drop(other);
    drop(spoilt);
    row.unwrap().get(0)
}

/// The process ids of the pool's sessions.
async fn sessions(app: &TestApp) -> BTreeSet<i32> {
    let statement = format!("SELECT pid {SESSIONS}");
    let rows = app.postgres.query(&statement, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// A connection that was closed is a session for a moment longer.
async fn gone(app: &TestApp, session: i32) {
    let is_gone = async || !sessions(app).await.contains(&session);
    eventually("the session is gone", LIMIT, is_gone).await;
}

async fn terminate_all(app: &TestApp) {
    let other = app.database.superuser().await;
    let terminate = format!("SELECT pg_terminate_backend(pid, 10000) {SESSIONS}");
    for row in other.query(&terminate, &[]).await.unwrap() {
        assert!(row.get::<_, bool>(0));
    }
}

async fn code(answer: Response) -> String {
    let status = answer.status().as_u16();
    let problem: Value = answer.json().await.unwrap();
    format!("{status} {}", problem["code"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stops_waiting_for_a_connection_is_not_counted_any_more() {
    let options = Options {
        pool_max: 2,
        ..Options::default()
    };
    TestApp::run_with(options, async |app| {
        let leases = app.leases(2).await;
        let pool = app.app.writer().clone();
        let waiting = async || app.app.writer().state().waiting;
        let waiter = tokio::spawn(async move { pool.get().await.map(drop) });
        eventually("one who waits", LIMIT, async || waiting().await == 1).await;
        waiter.abort();
        eventually("nobody who waits", LIMIT, async || waiting().await == 0).await;
        drop(leases);
    })
    .await;
}
