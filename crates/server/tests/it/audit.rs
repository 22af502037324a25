//! The audit log: every change is in it, with who made it, and nobody alters it unnoticed.

#![allow(
    clippy::unwrap_used,
    reason = "also outside the test functions, this is a test"
)]

use std::net::IpAddr;
use std::time::{Duration, Instant};

use app::SealKey;
use app::audit::{self, Report, Wrong};
use app::reserve::ReserveRequest;
use reqwest::Method;
use serde_json::{Value, json};
use tokio_postgres::error::SqlState;

use uuid::Uuid;

use crate::support::program::Program;
use crate::support::wait::{LIMIT, eventually};
use crate::support::wishes::{RowLock, answers, keyed, occupy, queue, wish};
use crate::support::{APP, NewConcert, TestApp, TestDatabase, connect};

mod actors;
mod cut;
mod double_entry;
mod restored;
mod rotation;
mod waiting;

/// One row of the log, as far as a test looks at it.
#[derive(Debug, PartialEq)]
struct Row {
    action: String,
    table: String,
    record: Option<String>,
    old: Value,
    new: Value,
    address: Option<String>,
    kind: Option<String>,
    actor: Option<String>,
}

/// The log behind a row, in its own order.
async fn rows_after(app: &TestApp, id: i32) -> Vec<Row> {
    let select = "SELECT action, table_name, record_id, coalesce(old_values::text, 'null'),
                         coalesce(new_values::text, 'null'), ip_address, actor_kind, actor
                  FROM audit_logs WHERE id > $1 ORDER BY id";
    let rows = app.postgres.query(select, &[&id]).await.unwrap();
    let json = |text: &str| serde_json::from_str(text).unwrap();
    rows.iter()
        .map(|row| Row {
            action: row.get(0),
            table: row.get(1),
            record: row.get(2),
            old: json(row.get(3)),
            new: json(row.get(4)),
            address: row.get(5),
            kind: row.get(6),
            actor: row.get(7),
        })
        .collect()
}

async fn last_id(app: &TestApp) -> i32 {
    let last = "SELECT coalesce(max(id), 0) FROM audit_logs";
    app.postgres.query_one(last, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_and_its_cancelling_are_in_the_log_with_their_buyer() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let before = last_id(app).await;
        let held = app.reserved(concert, 2, "som").await;
        let id = held["id"].as_str().unwrap();
        let log = rows_after(app, before).await;
        assert_eq!(log.len(), 2, "{log:?}");
        let stock = Row {
            action: "UPDATE".to_owned(),
            table: "concerts".to_owned(),
            record: Some(concert.to_string()),
            old: json!({ "available_tickets": 100 }),
            new: json!({ "available_tickets": 98 }),
            address: None,
            kind: Some("system".to_owned()),
            actor: Some("engine".to_owned()),
        };
        assert_eq!(log[0], stock);
        let sale = &log[1];
        assert_eq!(
            (sale.action.as_str(), sale.record.as_deref()),
            ("CREATE", Some(id))
        );
        assert_eq!(sale.address.as_deref(), Some("127.0.0.1"));
        assert_eq!(
            (sale.kind.as_deref(), sale.actor.as_deref()),
            (Some("holder"), Some(id))
        );
        assert_eq!(sale.new["customer_email"], "som@example.com");
        assert_eq!(sale.new["quantity"], 2);
        assert_eq!(sale.new["status"], "pending");

        let before = last_id(app).await;
        let cancel = app
            .with_token(Method::POST, &held, "/cancel")
            .send()
            .await
            .unwrap();
        assert_eq!(cancel.status(), 200);
        let log = rows_after(app, before).await;
        assert_eq!(log.len(), 2, "{log:?}");
        for row in &log {
            assert_eq!(row.address.as_deref(), Some("127.0.0.1"));
            assert_eq!(
                (row.kind.as_deref(), row.actor.as_deref()),
                (Some("holder"), Some(id))
            );
        }
        assert_eq!(log[0].new, json!({ "status": "cancelled" }));
        assert_eq!(log[0].old, json!({ "status": "pending" }));
        assert_eq!(log[1].new, json!({ "available_tickets": 100 }));
        let request = "SELECT count(*) FROM audit_logs WHERE actor_kind = 'holder'
                       AND action = 'UPDATE' AND request_id IS NULL";
        assert_eq!(app.count(request).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_batch_each_row_has_its_own_buyers_address() {
    TestApp::run(async |app| {
        let concert = app
            .plant(NewConcert {
                tickets: 1_000,
                ..NewConcert::default()
            })
            .await;
        let before = last_id(app).await;
        let row = RowLock::take(&app.database, concert).await;
        let first = occupy(app, concert).await;
        let waiting: Vec<_> = (0..500u16)
            .map(|n| {
                let [high, low] = (n + 1).to_be_bytes();
                let address = IpAddr::from([10, 0, high, low]);
                let wish = ReserveRequest {
                    client_ip: Some(address),
                    request_id: Uuid::from_u128(u128::from(n)),
                    ..keyed(&format!("k{n}"), wish(concert, 1, &format!("b{n}")))
                };
                queue(&app.app, wish)
            })
            .collect();
        row.release().await;
        assert!(first.await.unwrap().is_ok());
        for outcome in answers(waiting).await {
            outcome.unwrap();
        }
        let log = rows_after(app, before).await;
        let stock = log.iter().filter(|row| row.table == "concerts").count();
        assert_eq!(stock, 1, "one batch for all");
        let requests = "SELECT count(DISTINCT request_id) FROM audit_logs
                        WHERE table_name = 'reservations'
                          AND new_values ->> 'customer_name' =
                              'b' || ('x' || right(request_id::text, 8))::bit(32)::int";
        assert_eq!(app.count(requests).await, 500, "each its own");
        let mut seen = 0;
        for row in log.iter().filter(|row| row.table == "reservations") {
            let Some(n) = row.new["customer_name"]
                .as_str()
                .and_then(|name| name[1..].parse().ok())
            else {
                continue;
            };
            let n: u16 = n;
            let [high, low] = (n + 1).to_be_bytes();
            let address = format!("10.0.{high}.{low}");
            assert_eq!(row.address.as_deref(), Some(address.as_str()));
            seen += 1;
        }
        assert_eq!(seen, 500);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_sql_is_in_the_log_with_its_login_and_secrets_are_not() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        app.reserved(concert, 1, "som").await;
        let before = last_id(app).await;
        let change = "
            UPDATE concerts SET venue = 'Elsewhere' WHERE id > 0;
            INSERT INTO admin_users (username, password, email, role)
            VALUES ('nok', 'a-hash', 'nok@example.com', 'admin');
            UPDATE admin_users SET password = 'another-hash' WHERE username = 'nok';
            UPDATE admin_users SET deleted_at = now() WHERE username = 'nok';
            DELETE FROM admin_users WHERE username = 'nok'";
        app.postgres.batch_execute(change).await.unwrap();
        let log = rows_after(app, before).await;
        let shape: Vec<_> = log
            .iter()
            .map(|row| (row.action.as_str(), row.table.as_str()))
            .collect();
        let users = "admin_users";
        let expected = [
            ("UPDATE", "concerts"),
            ("CREATE", users),
            ("UPDATE", users),
            ("DELETE", users),
            ("DELETE", users),
        ];
        assert_eq!(shape, expected);
        for row in &log {
            assert_eq!(row.kind.as_deref(), Some("sql"));
            assert_eq!(row.actor.as_deref(), Some("postgres"));
            assert_eq!(row.address.as_deref(), Some("127.0.0.1"));
        }
        assert_eq!(log[0].old, json!({ "venue": "Riverside Hall" }));
        assert_eq!(log[1].new["username"], "nok");
        assert_eq!(log[2].new, json!({ "password": "(secret)" }));
        assert_eq!(log[2].old, json!({ "password": "(secret)" }));
        assert_eq!(log[3].old, json!({ "deleted_at": null }));
        assert_eq!(log[4].old["email"], "nok@example.com");
        let hashes = "SELECT count(*) FROM audit_logs
                      WHERE concat(old_values, new_values) LIKE '%-hash%'";
        assert_eq!(app.count(hashes).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_changes_at_once_are_written_as_quickly_after_a_single_one() {
    TestApp::run(async |app| {
        let concert = app
            .plant(NewConcert {
                tickets: 5_000,
                ..NewConcert::default()
            })
            .await;
        app.plant_holds(concert, 5_000, Duration::from_mins(10))
            .await;
        let one = "UPDATE reservations SET extensions = 1 WHERE id = 'RES1-00000000'";
        app.postgres.batch_execute(one).await.unwrap();
        let began = Instant::now();
        let all = "UPDATE reservations SET extensions = 2";
        app.postgres.batch_execute(all).await.unwrap();
        // A third of a second; eleven when each is looked for among all.
        assert!(
            began.elapsed() < Duration::from_secs(4),
            "{:?}",
            began.elapsed()
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rolled_back_leaves_no_row_and_an_id_is_never_changed() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let before = last_id(app).await;
        let undone = "BEGIN; UPDATE concerts SET venue = 'Elsewhere' WHERE id > 0; ROLLBACK";
        app.postgres.batch_execute(undone).await.unwrap();
        assert_eq!(rows_after(app, before).await, []);
        let change = format!("UPDATE concerts SET id = id + 1 WHERE id = {concert}");
        let refused = app.postgres.batch_execute(&change).await.unwrap_err();
        assert!(
            refused
                .as_db_error()
                .unwrap()
                .message()
                .contains("never changed")
        );
        assert_eq!(rows_after(app, before).await, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_emptied_at_once_leaves_its_number_of_rows() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let refused = postgres.batch_execute("TRUNCATE admin_users CASCADE").await;
    let refused = refused.unwrap_err();
    let refused = refused.as_db_error().unwrap().message();
    assert_eq!(refused, "audit_logs is never emptied");
    let again = "INSERT INTO concerts (name, artist, date, venue, total_tickets, available_tickets,
                                       price, status)
                 VALUES ('a', 'b', CURRENT_DATE, 'c', 1, 1, 1, 'open');
                 TRUNCATE concerts CASCADE";
    postgres.batch_execute(again).await.unwrap();
    let last = "SELECT old_values ->> 'truncated_rows' FROM audit_logs
                WHERE table_name = 'concerts' AND action = 'DELETE'";
    let kept: String = postgres.query_one(last, &[]).await.unwrap().get(0);
    // The write probe's is one of them.
    assert_eq!(kept, "2");
}

fn key() -> SealKey {
    SealKey::new(b"a key that only the tests of seals have")
}

async fn seal(app: &TestApp, rows: usize) {
    seal_all(app, &key(), rows).await;
}

/// Seals so many rows; whatever other databases' transactions are under way delays it.
async fn seal_all(app: &TestApp, key: &SealKey, rows: usize) {
    let mut sealed = 0;
    eventually("all is sealed", LIMIT, async || {
        sealed += audit::seal(&app.app, key).await.unwrap().rows;
        sealed >= rows
    })
    .await;
    assert_eq!(sealed, rows);
}

async fn wrong(app: &TestApp) -> Option<Wrong> {
    audit::verify(&app.app, &key(), &[]).await.unwrap().wrong
}

/// What a superuser may do to a sealed log, and the row that it is found by.
const TAMPERING: &[(&str, Wrong)] = &[
    (
        "UPDATE audit_logs SET new_values = new_values || '{\"quantity\": 9}' WHERE id = 3",
        Wrong::Changed(3),
    ),
    (
        "UPDATE audit_logs SET ip_address = '10.9.9.9' WHERE id = 5",
        Wrong::Changed(5),
    ),
    (
        "UPDATE audit_logs SET created_at = created_at + interval '1 s' WHERE id = 2",
        Wrong::Changed(2),
    ),
    ("DELETE FROM audit_logs WHERE id = 4", Wrong::Removed(4)),
    (
        "INSERT INTO audit_logs (id, action, table_name, tx)
         SELECT -1, 'CREATE', 'concerts', tx FROM audit_logs WHERE id = 1",
        Wrong::Inserted(-1),
    ),
    (
        "UPDATE audit_logs SET actor = 'x' WHERE id = 1;
         UPDATE audit_seals
         SET digests = audit_digest((SELECT l FROM audit_logs l WHERE id = 1)) || substr(digests, 17)
         WHERE id = 1",
        Wrong::Seal {
            seal: 1,
            first_id: 1,
        },
    ),
];
const KEEP: &str = "CREATE TABLE kept AS TABLE audit_logs;
                    CREATE TABLE kept_seals AS TABLE audit_seals";
const PUT_BACK: &str = "DELETE FROM audit_logs; INSERT INTO audit_logs TABLE kept; DROP TABLE kept;
                        DELETE FROM audit_seals;
                        INSERT INTO audit_seals OVERRIDING SYSTEM VALUE TABLE kept_seals;
                        DROP TABLE kept_seals";

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_row_that_a_superuser_changes_removes_or_adds_is_found() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        for buyer in ["a", "b", "c", "d"] {
            app.reserved(concert, 1, buyer).await;
        }
        let all = usize::try_from(app.count("SELECT count(*) FROM audit_logs").await).unwrap();
        seal(app, all).await;
        app.reserved(concert, 1, "e").await;
        let last = last_id(app).await;
        let report = audit::verify(&app.app, &key(), &[]).await.unwrap();
        let expected = Report {
            sealed_to: Some(last - 2),
            last_id: Some(last),
            unsealed: 2,
            wrong: None,
            has_heads: true,
            erased: Vec::new(),
        };
        assert_eq!(report, expected);
        seal(app, 2).await;

        for (change, found) in TAMPERING {
            app.postgres.batch_execute(KEEP).await.unwrap();
            app.postgres.batch_execute(change).await.unwrap();
            assert_eq!(wrong(app).await, Some(*found), "{change}");
            app.postgres.batch_execute(PUT_BACK).await.unwrap();
            assert_eq!(wrong(app).await, None, "{change}");
        }
        app.postgres.batch_execute(KEEP).await.unwrap();
        let seal = "DELETE FROM audit_seals WHERE id = 1";
        app.postgres.batch_execute(seal).await.unwrap();
        let found = wrong(app).await;
        assert!(
            matches!(found, Some(Wrong::Seal { seal: 2, .. })),
            "the one behind it tells: {found:?}"
        );
        app.postgres.batch_execute(PUT_BACK).await.unwrap();
        let other = SealKey::new(b"a key that somebody made up, superuser or not");
        let report = audit::verify(&app.app, &other, &[]).await.unwrap();
        assert!(
            matches!(report.wrong, Some(Wrong::UnknownKey { seal: 1, .. })),
            "{report:?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_takes_long_is_sealed_when_it_is_over() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let other = app.plant(NewConcert::default()).await;
        seal(app, 2).await;
        let slow = app.database.superuser().await;
        let begin = format!("BEGIN; UPDATE concerts SET venue = 'Late' WHERE id = {other}");
        slow.batch_execute(&begin).await.unwrap();
        app.reserved(concert, 1, "som").await;
        // Its rows have higher ids and are there; the others may still come, with lower ones.
        assert_eq!(audit::seal(&app.app, &key()).await.unwrap().rows, 0);
        slow.batch_execute("COMMIT").await.unwrap();
        seal(app, 3).await;
        assert_eq!(wrong(app).await, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_copy_begins_a_chain_of_its_own() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        app.reserved(concert, 1, "som").await;
        seal(app, 3).await;
        app.reserved(concert, 1, "nok").await;
        // As in another cluster: its number is another, and so are the numbers of transactions.
        let move_away = "UPDATE audit_logs SET tx = (tx::text::bigint + 1000000)::text::xid8
                         WHERE id > (SELECT max(until_id) FROM audit_seals);
                         ALTER TABLE audit_seals DISABLE TRIGGER ALL;
                         UPDATE audit_seals SET cluster_id = cluster_id + 1";
        app.postgres.batch_execute(move_away).await.unwrap();
        seal(app, 2).await;
        assert_eq!(audit::seal(&app.app, &key()).await.unwrap().rows, 0);
        app.reserved(concert, 1, "mai").await;
        seal(app, 2).await;
        // The number was part of what the first seal covers, so that one doesn't fit now; all later.
        let report = audit::verify(&app.app, &key(), &[]).await.unwrap();
        assert!(
            matches!(report.wrong, Some(Wrong::Seal { seal: 1, .. })),
            "{report:?}"
        );
        assert_eq!(report.unsealed, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_follows_what_the_server_sealed() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let concert = crate::support::plant_ten_tickets(&postgres).await;
    let secret = "only-for-tests-and-32-characters-long";
    let server = Program::on(&database, &["serve"]).env("STAGEDOOR_SECRET_KEY", secret);
    let mut server = server.serving().await;
    let body = json!({ "concert_id": concert, "quantity": 1, "customer_name": "Som",
                       "customer_email": "som@example.com" });
    let url = format!("{}/api/v1/reservations", server.site());
    let answer = reqwest::Client::new()
        .post(url)
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 201);
    server.wait_for("audit rows sealed").await;
    let is_sealed = async || {
        let count = "SELECT coalesce(sum(cardinality(row_ids)), 0)::bigint FROM audit_seals";
        let sealed: i64 = postgres.query_one(count, &[]).await.unwrap().get(0);
        sealed >= 3
    };
    eventually("seals", LIMIT, is_sealed).await;
    let verify = async || {
        let program = Program::on(&database, &["audit", "verify", "--json"]);
        program.env("STAGEDOOR_SECRET_KEY", secret).run().await
    };
    let done = verify().await;
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(done.json()["ok"], true);
    assert_eq!(done.json()["first_bad_id"], Value::Null);
    let change = "UPDATE audit_logs SET actor = 'nobody' WHERE id = 2";
    postgres.batch_execute(change).await.unwrap();
    let done = verify().await;
    assert_eq!(done.code, 1, "{done:?}");
    assert_eq!(done.json()["first_bad_id"], 2);
    let without = Program::on(&database, &["audit", "verify"]).run().await;
    assert_eq!(without.code, 2, "{without:?}");
    let doctor = Program::on(&database, &["doctor", "--json"]);
    let doctor = doctor.env("STAGEDOOR_SECRET_KEY", secret).run().await;
    assert_eq!(doctor.code, 1);
    assert!(doctor.stdout.contains("row 2 was changed"), "{doctor:?}");
}

/// What the server's own login can do to the log, and to rows that aren't its actor's.
#[tokio::test(flavor = "multi_thread")]
async fn the_servers_login_sees_what_whoever_acts_may_see_and_nothing_without_one() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let som = app.reserved(concert, 1, "som").await;
        let nok = app.reserved(concert, 1, "nok").await;
        let psql = connect(&app.database.url(APP)).await;
        let seen = async |kind: &str, actor: &str| -> Vec<String> {
            let declare = format!(
                "BEGIN; SET LOCAL stagedoor.actor_kind = '{kind}';
                                   SET LOCAL stagedoor.actor = '{actor}'"
            );
            psql.batch_execute(&declare).await.unwrap();
            let all = "SELECT id FROM reservations ORDER BY customer_email DESC";
            let rows = psql.query(all, &[]).await.unwrap();
            psql.batch_execute("ROLLBACK").await.unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        };
        let ids = [&som, &nok].map(|held| held["id"].as_str().unwrap().to_owned());
        let never_set: i64 = psql
            .query_one("SELECT count(*) FROM reservations", &[])
            .await
            .unwrap()
            .get(0);
        assert_eq!(never_set, 0);
        assert_eq!(seen("", "").await, <[&str; 0]>::default());
        assert_eq!(
            seen("nobody", "som@example.com").await,
            <[&str; 0]>::default()
        );
        assert_eq!(seen("customer", "").await, <[&str; 0]>::default());
        assert_eq!(seen("customer", "som@example.com").await, [ids[0].as_str()]);
        assert_eq!(seen("holder", &ids[1]).await, [ids[1].as_str()]);
        assert_eq!(seen("staff", "").await, ids);
        let count = "SELECT count(*) FROM reservations";
        let after: i64 = psql.query_one(count, &[]).await.unwrap().get(0);
        assert_eq!(after, 0, "a setting ends with its transaction");

        let as_som = "BEGIN; SET LOCAL stagedoor.actor_kind = 'customer';
                      SET LOCAL stagedoor.actor = 'som@example.com'";
        psql.batch_execute(as_som).await.unwrap();
        let theft = format!(
            "UPDATE reservations SET customer_email = 'nok@example.com'
                             WHERE id = '{}'",
            ids[0]
        );
        let refused = psql.batch_execute(&theft).await.unwrap_err();
        assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
        psql.batch_execute("ROLLBACK").await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_sees_the_reservation_on_a_new_connection() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 1, "som").await;
        for _ in 0..3 {
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE datname = current_database() AND usename = 'stagedoor_app'";
            app.postgres.batch_execute(end).await.unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
            let shown = app.with_token(Method::GET, &held, "").send().await.unwrap();
            // The first may still get a connection that has just ended.
            if shown.status() == 503 {
                continue;
            }
            assert_eq!(shown.status(), 200);
            return;
        }
        panic!("never answered");
    })
    .await;
}
