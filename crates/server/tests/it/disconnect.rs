//! Clients that vanish and connections that break at any moment: every change is made whole or
//! not at all, and no connection serves anybody else in the middle of a transaction.

#![allow(
    clippy::unwrap_used,
    reason = "also outside the test functions, this is a test"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use store::client::GenericClient as _;
use store::{Pool, PoolSettings, StoreError, Transaction};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_postgres::Client as Postgres;

use crate::support::fault_proxy::{FaultProxy, Hold};
use crate::support::wait::{LIMIT, eventually, within_limit};
use crate::support::{APP, NewConcert, Options, TestApp, TestDatabase, cluster};

/// More statements than any use case sends.
const STATEMENTS_MAX: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_disconnects_leaves_nothing_half_made() {
    tokio::join!(
        vanish_at_every_statement(Ending::Close),
        vanish_at_every_statement(Ending::Reset),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_transaction_never_returns_to_the_pool() {
    let stage = Stage::set().await;
    for hold in Hold::ALL {
        for n in 1..=STATEMENTS_MAX {
            // A new pool each time, so that every statement is also dropped while it is prepared.
            let pool = stage.pool(1);
            let before = stage.warm(&pool).await;
            let at_commit = AtomicBool::new(false);
            stage.proxy.hold_at(n, hold);
            let was_held = tokio::select! {
                () = stage.proxy.held() => true,
                written = stage.write(&pool, "dropped", &at_commit) => {
                    written.unwrap();
                    false
                }
            };
            let is_committed = match (at_commit.into_inner(), hold) {
                (true, Hold::Statement) => {
                    // Otherwise the COMMIT would still arrive, as after a slow network.
                    stage.proxy.cut();
                    false
                }
                (is_at_commit, _) => is_at_commit,
            };
            stage.proxy.let_go();
            if !was_held {
                assert!(
                    n > 4,
                    "begin, prepare, execute and commit were not all held"
                );
                stage.forget("dropped").await;
                break;
            }
            stage.assert_next_borrower_is_alone(&pool, before).await;
            let written = i64::from(is_committed);
            assert_eq!(stage.count("dropped").await, written, "{hold:?} {n}");
            stage.forget("dropped").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_nobody_ends_never_returns_to_the_pool() {
    let stage = Stage::set().await;
    let pool = stage.pool(1);
    let before = stage.warm(&pool).await;
    let transaction = Transaction::begin(&pool, &store::Acting::system("test"))
        .await
        .unwrap();
    insert(&transaction, "forgotten").await.unwrap();
    drop(transaction);
    stage.assert_next_borrower_is_alone(&pool, before).await;
    assert_eq!(stage.count("forgotten").await, 0);
}

/// As after a failover: whoever waits for a connection is served as soon as there is one again.
#[tokio::test(flavor = "multi_thread")]
async fn a_borrower_waits_out_a_short_outage() {
    let stage = Stage::set().await;
    let pool = stage.pool(1);
    stage.proxy.refuse(true);
    let borrower = tokio::spawn(async move { pool.get().await.map(drop) });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!borrower.is_finished());
    stage.proxy.refuse(false);
    let outcome = within_limit("a connection", borrower).await.unwrap();
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_after_a_failed_statement_is_an_error() {
    let stage = Stage::set().await;
    let pool = stage.pool(1);
    let before = stage.warm(&pool).await;
    // One fails when it is run, the other when it is prepared.
    for wrong in ["SELECT 1 / (SELECT 0)", "SELECT nonsense"] {
        let transaction = Transaction::begin(&pool, &store::Acting::system("test"))
            .await
            .unwrap();
        insert(&transaction, "failed").await.unwrap();
        transaction.query(wrong, &[]).await.unwrap_err();
        let outcome = transaction.commit().await;
        assert!(
            matches!(outcome, Err(StoreError::FailedTransaction)),
            "{outcome:?}"
        );
        assert_eq!(stage.count("failed").await, 0);
        assert_eq!(
            stage.warm(&pool).await,
            before,
            "the connection is still good"
        );
        // What failed before doesn't count against the next transaction.
        let transaction = Transaction::begin(&pool, &store::Acting::system("test"))
            .await
            .unwrap();
        insert(&transaction, "next").await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(stage.count("next").await, 1);
        stage.forget("next").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_does_not_answer_is_unknown() {
    let stage = Stage::set().await;
    for (hold, is_terminated, written) in [
        (Hold::Statement, false, 0),
        (Hold::Answer, false, 1),
        // PostgreSQL says itself that it ends the session, and not what became of the COMMIT.
        (Hold::Statement, true, 0),
    ] {
        let pool = stage.pool(1);
        let before = stage.warm(&pool).await;
        let transaction = Transaction::begin(&pool, &store::Acting::system("test"))
            .await
            .unwrap();
        insert(&transaction, "unknown").await.unwrap();
        stage.proxy.hold_command("COMMIT", hold);
        let commit = tokio::spawn(transaction.commit());
        within_limit("COMMIT held", stage.proxy.held()).await;
        if is_terminated {
            stage.terminate(before).await;
            stage.proxy.let_go();
        } else {
            stage.proxy.cut();
        }
        let outcome = within_limit("an outcome", commit).await.unwrap();
        assert!(
            matches!(outcome, Err(StoreError::OutcomeUnknown(_))),
            "{outcome:?}"
        );
        stage.assert_next_borrower_is_alone(&pool, before).await;
        assert_eq!(stage.count("unknown").await, written, "{hold:?}");
        stage.forget("unknown").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_key_tells_what_became_of_a_commit_that_did_not_answer() {
    run_through_proxy(async |app, proxy| {
        let concert = app.plant(NewConcert::default()).await;
        for hold in Hold::ALL {
            let buyer = format!("{hold:?}");
            let request = || {
                let request = app.reserve(concert, 1, &buyer);
                request.header("idempotency-key", &buyer)
            };
            proxy.hold_command("COMMIT", hold);
            let sent = tokio::spawn(request().send());
            within_limit("COMMIT held", proxy.held()).await;
            proxy.cut();
            // The engine looks behind the lock: what happened is confirmed, the rest is refused.
            let answer = within_limit("an answer", sent).await.unwrap().unwrap();
            let email = format!("{buyer}@example.com").to_lowercase();
            let happened = count_of(app, &email).await == 1;
            // What didn't happen was tried again, unless the cut left nothing to try it with.
            if happened {
                assert_eq!(answer.status(), 201);
            } else {
                assert_eq!(answer.status(), 503);
                assert_eq!(answer.headers()["retry-after"], "1");
                let problem: Value = answer.json().await.unwrap();
                assert_eq!(problem["code"], "database_unavailable");
            }

            let truth = within_limit("the truth", async {
                loop {
                    // The other connections broke too; it may take a moment until that is known.
                    let answer = request().send().await.unwrap();
                    if answer.status() != 503 {
                        break answer;
                    }
                    eprintln!("still unavailable; once more");
                }
            })
            .await;
            assert_eq!(truth.status(), 201);
            let is_replay = truth.headers().contains_key("idempotent-replayed");
            assert_eq!(is_replay, happened, "{hold:?}");
            assert_eq!(count_of(app, &email).await, 1);
        }
    })
    .await;
}

/// How a client goes: with a FIN, or with an RST as after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Close,
    Reset,
}

async fn vanish_at_every_statement(ending: Ending) {
    run_through_proxy(async |app, proxy| {
        let concert = app.plant(NewConcert::default()).await;
        for hold in Hold::ALL {
            let held = vanish_while_reserving(app, proxy, concert, (hold, ending)).await;
            // BEGIN with the lock, the look-ups, everything else with COMMIT; more while preparing.
            assert!(held >= 6, "only {held} statements were held");
            let held = vanish_while_cancelling(app, proxy, concert, (hold, ending)).await;
            // BEGIN with who acts, find, lock, lock, update, return, COMMIT.
            assert!(held >= 7, "only {held} statements were held");
        }
    })
    .await;
}

/// A product whose pool reaches PostgreSQL through a fault proxy.
async fn run_through_proxy(test: impl AsyncFnOnce(&TestApp, &FaultProxy)) {
    let proxy = FaultProxy::start(cluster().port()).await;
    let options = Options {
        database_port: Some(proxy.port),
        // No connection ends but by a fault.
        pool_idle_timeout: Duration::from_mins(10),
        is_alone: true,
        ..Options::default()
    };
    TestApp::run_with(options, async |app| {
        // Three idle ones: none needs to be made when a request comes.
        drop(app.leases(3).await);
        eventually("three idle connections", LIMIT, async || {
            app.app.writer().state().idle >= 3
        })
        .await;
        test(app, &proxy).await;
    })
    .await;
}

/// Returns how many statements could be held.
async fn vanish_while_reserving(
    app: &TestApp,
    proxy: &FaultProxy,
    concert: i32,
    fault: (Hold, Ending),
) -> usize {
    for n in 1..=STATEMENTS_MAX {
        let email = format!("{:?}-{:?}-{n}@example.com", fault.0, fault.1).to_lowercase();
        let body = json!({
            "concert_id": concert,
            "quantity": 1,
            "customer_name": "Som Chai",
            "customer_email": email,
        });
        let request = post(app, "/api/v1/reservations", "", &body.to_string());
        let was_held = vanish(app, proxy, &request, (n, fault.0, fault.1)).await;
        assert_eq!(count_of(app, &email).await, 1, "{fault:?} {n}");
        if !was_held {
            return n - 1;
        }
    }
    panic!("a use case of more than {STATEMENTS_MAX} statements")
}

/// Returns how many statements could be held.
async fn vanish_while_cancelling(
    app: &TestApp,
    proxy: &FaultProxy,
    concert: i32,
    fault: (Hold, Ending),
) -> usize {
    for n in 1..=STATEMENTS_MAX {
        let reservation = app.reserved(concert, 1, &format!("cancels-{n}")).await;
        let id = reservation["id"].as_str().unwrap();
        let bearer = reservation["access_token"].as_str().unwrap();
        let header = format!("authorization: Bearer {bearer}\r\n");
        let request = post(
            app,
            &format!("/api/v1/reservations/{id}/cancel"),
            &header,
            "",
        );
        let was_held = vanish(app, proxy, &request, (n, fault.0, fault.1)).await;
        let shown = app.with_token(Method::GET, &reservation, "").send().await;
        let shown: Value = shown.unwrap().json().await.unwrap();
        assert_eq!(shown["status"], "cancelled", "{fault:?} {n}");
        if !was_held {
            return n - 1;
        }
    }
    panic!("a use case of more than {STATEMENTS_MAX} statements")
}

fn post(app: &TestApp, path: &str, header: &str, body: &str) -> String {
    let (address, length) = (app.address, body.len());
    format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n{header}\r\n{body}"
    )
}

/// Sends a request and goes while its `n`th statement is held, then asserts that all is in
/// order; `false` when it was answered before that.
async fn vanish(
    app: &TestApp,
    proxy: &FaultProxy,
    request: &str,
    (n, hold, ending): (usize, Hold, Ending),
) -> bool {
    let before = sessions(&app.postgres).await;
    proxy.hold_at(n, hold);
    let mut socket = TcpStream::connect(app.address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 1];
    let was_held = within_limit("a statement held or an answer", async {
        tokio::select! {
            () = proxy.held() => true,
            read = socket.read(&mut answer) => {
                assert_eq!(read.unwrap(), 1);
                false
            }
        }
    })
    .await;
    if ending == Ending::Reset {
        socket.set_zero_linger().unwrap();
    }
    drop(socket);
    // Time for the server to notice.
    tokio::time::sleep(Duration::from_millis(50)).await;
    proxy.let_go();
    eventually("no active connection", LIMIT, async || {
        app.app.writer().state().active == 0
    })
    .await;
    app.assert_inventory().await;
    let idle_in_transaction = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    assert_eq!(app.count(idle_in_transaction).await, 0);
    assert_eq!(app.get("/api/v1/concerts").await.status(), 200);
    let after = sessions(&app.postgres).await;
    assert_eq!(after, before, "a good connection was thrown away");
    was_held
}

/// How many reservations an e-mail address has.
async fn count_of(app: &TestApp, email: &str) -> i64 {
    let statement = "SELECT count(*) FROM reservations WHERE customer_email = $1";
    let row = app.postgres.query_one(statement, &[&email]).await;
    row.unwrap().get(0)
}

/// The process ids of the pool's sessions.
async fn sessions(postgres: &Postgres) -> BTreeSet<i32> {
    let statement = "SELECT pid FROM pg_stat_activity
                     WHERE datname = current_database() AND usename = 'stagedoor_app'";
    let rows = postgres.query(statement, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// A database behind a fault proxy, without the product before it.
struct Stage {
    database: TestDatabase,
    postgres: Postgres,
    proxy: FaultProxy,
}

impl Stage {
    async fn set() -> Self {
        let database = TestDatabase::migrated().await;
        let postgres = database.superuser().await;
        let proxy = FaultProxy::start(cluster().port()).await;
        Self {
            database,
            postgres,
            proxy,
        }
    }

    fn pool(&self, max: u32) -> Pool {
        let url = self.database.url(APP);
        let own = format!(":{}/", cluster().port());
        let url = url.replace(&own, &format!(":{}/", self.proxy.port));
        let url = format!("{url}?sslmode=disable");
        let settings = PoolSettings {
            name: "writer",
            max,
            min: 0,
            idle_timeout: Duration::from_mins(10),
            // Longer than the specified one, for how long a login takes is not the question here.
            connect_timeout: Duration::from_secs(20),
            statement_timeout: Duration::from_mins(2),
            silence_max: Some(Duration::from_secs(6)),
        };
        Pool::open(&url, settings, Arc::new(|_| {})).unwrap()
    }

    /// Has the pool make its connection; the process id of that session.
    async fn warm(&self, pool: &Pool) -> i32 {
        let lease = pool.get().await.unwrap();
        let row = lease.query_one("SELECT pg_backend_pid()", &[]).await;
        row.unwrap().get(0)
    }

    async fn write(
        &self,
        pool: &Pool,
        name: &str,
        at_commit: &AtomicBool,
    ) -> Result<(), StoreError> {
        let transaction = Transaction::begin(pool, &store::Acting::system("test")).await?;
        insert(&transaction, name).await?;
        at_commit.store(true, Ordering::SeqCst);
        transaction.commit().await
    }

    /// The next borrower has another session, outside of any transaction: what it writes is
    /// there at once. The old session is gone.
    async fn assert_next_borrower_is_alone(&self, pool: &Pool, before: i32) {
        let lease = within_limit("a connection", pool.get()).await.unwrap();
        let question = "SELECT pg_backend_pid(), pg_current_xact_id_if_assigned()::text";
        let row = lease.query_one(question, &[]).await.unwrap();
        assert_ne!(row.get::<_, i32>(0), before);
        assert_eq!(row.get::<_, Option<String>>(1), None);
        insert(&lease, "next").await.unwrap();
        assert_eq!(self.count("next").await, 1);
        self.forget("next").await;
        eventually("the old session gone", LIMIT, async || {
            !sessions(&self.postgres).await.contains(&before)
        })
        .await;
    }

    async fn terminate(&self, session: i32) {
        let statement = "SELECT pg_terminate_backend($1, 10000)";
        let row = self.postgres.query_one(statement, &[&session]).await;
        assert!(row.unwrap().get::<_, bool>(0));
    }

    async fn count(&self, name: &str) -> i64 {
        let statement = "SELECT count(*) FROM concerts WHERE name = $1";
        let row = self.postgres.query_one(statement, &[&name]).await;
        row.unwrap().get(0)
    }

    async fn forget(&self, name: &str) {
        let statement = "DELETE FROM concerts WHERE name = $1";
        self.postgres.execute(statement, &[&name]).await.unwrap();
    }
}

async fn insert(connection: &store::Connection, name: &str) -> Result<(), StoreError> {
    let statement = "INSERT INTO concerts (name, artist, date, venue, total_tickets,
                                           available_tickets, price, status)
                     VALUES ($1, 'The Lanterns', '2027-01-31', 'Riverside Hall', 1, 1, 1, 'open')";
    connection.execute(statement, &[&name]).await?;
    Ok(())
}
