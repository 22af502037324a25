//! Many buyers at once: nobody gets a ticket that isn't there, and nobody stands in another's way.

#![allow(
    clippy::unwrap_used,
    reason = "also outside the test functions, this is a test"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio_postgres::Client as Postgres;

use crate::support::wait::{LIMIT, eventually, within_limit};
use crate::support::{APP, NewConcert, Options, TestApp, TestDatabase, connect};

/// Without it, only the row lock stands between the buyers and tickets that don't exist.
const DROP_LAST_GUARD: &str =
    "ALTER TABLE concerts DROP CONSTRAINT concerts_available_tickets_check";

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_parallel_buyers_get_exactly_the_last_ten_tickets() {
    TestApp::run(async |app| {
        app.postgres.batch_execute(DROP_LAST_GUARD).await.unwrap();
        let concert = app
            .plant(NewConcert {
                tickets: 10,
                ..NewConcert::default()
            })
            .await;
        let requests = (0..200).map(|buyer| {
            let buyer = format!("buyer-{buyer}");
            let request = app.reserve(concert, 1, &buyer);
            request.header("idempotency-key", buyer)
        });
        fill_pool(app).await;
        let answers = all_at_once(requests).await;
        assert_eq!(tally(&answers), [("201", 10), ("409 sold_out", 190)]);
        assert_eq!(app.available(concert).await, 0);
        assert_eq!(app.count("SELECT count(*) FROM reservations").await, 10);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_row_lock_the_same_statements_oversell() {
    // Not `TestApp::run`, for the inventory doesn't survive this.
    let app = TestApp::start(TestDatabase::migrated().await, Options::default()).await;
    app.postgres.batch_execute(DROP_LAST_GUARD).await.unwrap();
    let ten = NewConcert {
        tickets: 10,
        ..NewConcert::default()
    };
    let (guarded, unguarded) = (app.plant(ten).await, app.plant(ten).await);

    let sale = Sale::of(guarded);
    assert_eq!(sale.sold_to(24, &app.database).await, 10);
    assert_eq!(app.available(guarded).await, 0);

    let sale = Sale::of(unguarded).without_row_lock();
    let sold = sale.sold_to(24, &app.database).await;
    eprintln!("sold without the row lock: {sold} of 10");
    assert!(sold > 10, "the race that the lock prevents did not happen");
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_requests_never_exceed_a_customers_limit() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let requests = (0..50).map(|request| {
            app.reserve(concert, 1, "greedy")
                .header("idempotency-key", format!("request-{request}"))
        });
        fill_pool(app).await;
        let answers = all_at_once(requests).await;
        assert_eq!(tally(&answers), [("201", 10), ("409 purchase_limit", 40)]);
        assert_eq!(app.available(concert).await, 90);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buyers_who_cancel_and_reserve_at_once_never_deadlock() {
    // Each sends four requests at once: as many as the pool has connections, so that nobody is
    // refused for want of one.
    const BUYERS: usize = 5;
    const ROUNDS: usize = 20;
    TestApp::run(async |app| {
        let concerts = [
            app.plant(NewConcert::default()).await,
            app.plant(NewConcert::default()).await,
        ];
        fill_pool(app).await;
        let client = Client::new();
        let mut buyers = JoinSet::new();
        for buyer in 0..BUYERS {
            let name = format!("buyer-{buyer}");
            // Half of them go through the concerts in the other order.
            let mut wishes = concerts.map(|concert| app.reserve(concert, 1, &name));
            if buyer % 2 == 0 {
                wishes.reverse();
            }
            let (client, address) = (client.clone(), app.address);
            buyers.spawn(async move {
                for _ in 0..ROUNDS {
                    reserve_both_and_cancel_both_twice(&client, address, &wishes).await;
                }
            });
        }
        within_limit("all buyers done", async {
            while let Some(buyer) = buyers.join_next().await {
                buyer.unwrap();
            }
        })
        .await;
        let cancelled = "SELECT count(*) FROM reservations WHERE status = 'cancelled'";
        let expected = i64::try_from(2 * BUYERS * ROUNDS).unwrap();
        assert_eq!(app.count(cancelled).await, expected);
        assert_eq!(deadlocks(app).await, 0);
    })
    .await;
}

/// Each reservation is cancelled by two requests at the same time; one of them comes too late.
async fn reserve_both_and_cancel_both_twice(
    client: &Client,
    address: SocketAddr,
    wishes: &[RequestBuilder; 2],
) {
    let [first, second] = wishes.each_ref().map(|wish| wish.try_clone().unwrap());
    let (first, second) = tokio::join!(first.send(), second.send());
    let mut cancels = JoinSet::new();
    for answer in [first.unwrap(), second.unwrap()] {
        assert_eq!(answer.status(), 201);
        let reservation: Value = answer.json().await.unwrap();
        let id = reservation["id"].as_str().unwrap();
        let cancel = client
            .post(format!("http://{address}/api/v1/reservations/{id}/cancel"))
            .bearer_auth(reservation["access_token"].as_str().unwrap());
        for cancel in [cancel.try_clone().unwrap(), cancel] {
            cancels.spawn(async { outcome(cancel.send().await.unwrap()).await });
        }
    }
    let answers = cancels.join_all().await;
    assert_eq!(tally(&answers), [("200", 2), ("409 invalid_state", 2)]);
}

/// Sessions report what they have seen at their end at the latest.
async fn deadlocks(app: &TestApp) -> i64 {
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE datname = current_database() AND usename = 'stagedoor_app'";
    app.count(end).await;
    let sessions = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND usename = 'stagedoor_app'";
    eventually("no sessions", LIMIT, async || {
        app.count(sessions).await == 0
    })
    .await;
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    app.count(deadlocks).await
}

/// Has the pool make all its connections before the rush, which takes a busy machine a while.
async fn fill_pool(app: &TestApp) {
    drop(app.leases(20).await);
}

/// Sends all requests in parallel; gives their final answers.
///
/// A machine that is too busy for two hundred at once says so; such a request is repeated with
/// its key, as that answer asks.
async fn all_at_once(requests: impl Iterator<Item = RequestBuilder>) -> Vec<String> {
    let mut sends = JoinSet::new();
    for request in requests {
        sends.spawn(async move {
            loop {
                let again = request.try_clone().unwrap();
                let outcome = outcome(again.send().await.unwrap()).await;
                if outcome != "503 overloaded" {
                    return outcome;
                }
                eprintln!("overloaded; once more");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
    }
    within_limit("all answers", sends.join_all()).await
}

/// An answer in short, such as `201` or `409 sold_out`.
async fn outcome(answer: Response) -> String {
    let status = answer.status().as_u16().to_string();
    let body: Value = answer.json().await.unwrap();
    match body["code"].as_str() {
        Some(code) => format!("{status} {code}"),
        None => status,
    }
}

/// How often there was each answer.
fn tally(answers: &[String]) -> Vec<(&str, usize)> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        *counts.entry(answer.as_str()).or_default() += 1;
    }
    counts.into_iter().collect()
}

/// The product's own statements for selling one ticket of a concert, as plain text.
#[derive(Clone, Debug)]
struct Sale {
    lock: String,
    take_tickets: String,
    insert: String,
}

impl Sale {
    const CONCERTS: &str = include_str!("../../../store/queries/concerts.sql");
    const RESERVATIONS: &str = include_str!("../../../store/queries/reservations.sql");

    fn of(concert: i32) -> Self {
        let id = concert.to_string();
        let values = [(":id", id.as_str()), (":quantity", "1"), (":now", "now()")];
        Self {
            lock: bound(&statement(Self::CONCERTS, "lock"), &values),
            take_tickets: bound(&statement(Self::CONCERTS, "take_tickets"), &values),
            insert: bound(
                &statement(Self::RESERVATIONS, "insert"),
                &[
                    (":id", "gen_random_uuid()"),
                    (":concert_id", &id),
                    (":customer_name", "'Som Chai'"),
                    (":customer_email", "'som@example.com'"),
                    (":quantity", "1"),
                    (":total_price", "1250"),
                    (":status", "'pending'"),
                    (":google_auth", "false"),
                    (":payment_status", "'pending'"),
                    (":now", "now()"),
                    (":expires_at", "now()"),
                    (":client_ip", "NULL"),
                ],
            ),
        }
    }

    fn without_row_lock(mut self) -> Self {
        assert!(self.lock.contains("FOR UPDATE"), "{}", self.lock);
        self.lock = self.lock.replace("FOR UPDATE", "");
        self
    }

    /// How many of so many parallel buyers got a ticket.
    async fn sold_to(&self, buyers: usize, database: &TestDatabase) -> usize {
        let start = Arc::new(Barrier::new(buyers));
        let mut sales = JoinSet::new();
        for _ in 0..buyers {
            let client = connect(&database.url(APP)).await;
            sales.spawn(self.clone().sell(client, Arc::clone(&start)));
        }
        let sold = within_limit("all buyers served", sales.join_all()).await;
        sold.into_iter().filter(|sold| *sold).count()
    }

    async fn sell(self, client: Postgres, start: Arc<Barrier>) -> bool {
        start.wait().await;
        let begin = "BEGIN; SET LOCAL stagedoor.actor_kind = 'system'";
        client.batch_execute(begin).await.unwrap();
        let row = client.query_one(&self.lock, &[]).await.unwrap();
        let available: i32 = row.get("available_tickets");
        // The decision takes its time, so that others can read what it is based on.
        tokio::time::sleep(Duration::from_millis(100)).await;
        if available < 1 {
            client.batch_execute("ROLLBACK").await.unwrap();
            return false;
        }
        for statement in [&self.take_tickets, &self.insert] {
            assert_eq!(client.execute(statement, &[]).await.unwrap(), 1);
        }
        client.batch_execute("COMMIT").await.unwrap();
        true
    }
}

/// The text of a named statement, without its comments.
fn statement(file: &str, name: &str) -> String {
    let is_named = |line: &str| {
        let named = line.strip_prefix("--! ");
        named.and_then(|rest| rest.split(' ').next()) == Some(name)
    };
    let mut text = String::new();
    for line in file.lines().skip_while(|line| !is_named(line)).skip(1) {
        if !line.starts_with("--") {
            text.push_str(line);
            text.push('\n');
        }
        if line.ends_with(';') {
            return text;
        }
    }
    panic!("no statement {name}")
}

fn bound(statement: &str, values: &[(&str, &str)]) -> String {
    let text = statement.to_owned();
    values
        .iter()
        .fold(text, |text, (name, value)| text.replace(name, value))
}
