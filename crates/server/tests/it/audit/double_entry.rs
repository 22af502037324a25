//! Double entry: the log by itself tells how every record got where it stands.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use app::audit::{self, Difference};
use reqwest::Method;

use crate::support::{NewConcert, TestApp};

/// Page sizes that cut a handful of rows everywhere, and the one that is used.
const PAGES: [i32; 4] = [1, 2, 3, audit::PAGE_ROWS];

/// What somebody does who may switch triggers off.
async fn unseen(app: &TestApp, change: &str) {
    let change = format!("BEGIN; SET LOCAL session_replication_role = replica; {change}; COMMIT");
    app.postgres.batch_execute(&change).await.unwrap();
}

/// What is found, the same in pages of every size.
async fn found(app: &TestApp) -> Vec<Difference> {
    let mut all = Vec::new();
    for page_rows in PAGES {
        all.push(audit::differences(&app.app, page_rows).await.unwrap());
    }
    let first = all.swap_remove(0);
    assert!(all.iter().all(|other| *other == first), "{first:?} {all:?}");
    first
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_changed_past_the_log_stands_otherwise_than_the_log_says() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 2, "som").await;
        app.reserved(concert, 1, "nok").await;
        assert_eq!(found(app).await, []);
        let id = held["id"].as_str().unwrap();
        unseen(
            app,
            &format!("UPDATE reservations SET status = 'confirmed' WHERE id = '{id}'"),
        )
        .await;
        unseen(
            app,
            &format!("UPDATE concerts SET available_tickets = 96 WHERE id = {concert}"),
        )
        .await;
        let told: Vec<String> = found(app).await.iter().map(ToString::to_string).collect();
        let expected = [
            format!("concerts {concert}: 97 by the log, 96 by the table"),
            format!("reservations {id}: pending by the log, confirmed by the table"),
        ];
        assert_eq!(told, expected);
        unseen(app, "UPDATE reservations SET status = 'pending'").await;
        unseen(
            app,
            &format!("UPDATE concerts SET available_tickets = 97 WHERE id = {concert}"),
        )
        .await;
        assert_eq!(found(app).await, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_past_the_log_is_found_although_the_last_value_is_right() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        app.reserved(concert, 2, "som").await;
        let fewer = "UPDATE concerts SET available_tickets = available_tickets - 1,
                                         total_tickets = total_tickets - 1 WHERE id > 0";
        unseen(app, fewer).await;
        app.reserved(concert, 1, "nok").await;
        app.reserved(concert, 1, "mai").await;
        let gaps = found(app).await;
        let [
            Difference::Gap {
                table,
                record,
                id,
                column,
            },
            Difference::Changed { column: total, .. },
        ] = gaps.as_slice()
        else {
            panic!("{gaps:?}");
        };
        assert_eq!((table.as_str(), record), ("concerts", &concert.to_string()));
        assert_eq!(
            (column.as_str(), total.as_str()),
            ("available_tickets", "total_tickets")
        );
        let found =
            format!("SELECT old_values ->> 'available_tickets' FROM audit_logs WHERE id = {id}");
        let found: String = app.postgres.query_one(&found, &[]).await.unwrap().get(0);
        assert_eq!(found, "97", "98 were left");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_gone_from_the_middle_of_a_records_log_leaves_a_gap() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        for buyer in ["som", "nok", "mai"] {
            app.reserved(concert, 1, buyer).await;
        }
        let middle = "DELETE FROM audit_logs WHERE table_name = 'concerts'
                      AND old_values ->> 'available_tickets' = '99'";
        app.postgres.batch_execute(middle).await.unwrap();
        let gaps = found(app).await;
        let is_gap = matches!(gaps.as_slice(), [Difference::Gap { column, .. }]
                              if column == "available_tickets");
        assert!(is_gap, "{gaps:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_concert_that_was_edited_and_then_deleted_for_good_leaves_no_gap() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let edit = format!(
            "UPDATE concerts SET venue = 'Elsewhere', updated_at = updated_at + interval '1 h'
             WHERE id = {concert}"
        );
        app.postgres.batch_execute(&edit).await.unwrap();
        assert_eq!(found(app).await, []);
        let delete = format!("DELETE FROM concerts WHERE id = {concert}");
        app.postgres.batch_execute(&delete).await.unwrap();
        assert_eq!(found(app).await, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_went_past_the_log_is_lost() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let other = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 2, "som").await;
        let cancel = app.with_token(Method::POST, &held, "/cancel");
        assert_eq!(cancel.send().await.unwrap().status(), 200);
        assert_eq!(found(app).await, []);
        let id = held["id"].as_str().unwrap();
        let theft = format!(
            "DELETE FROM reservations WHERE id = '{id}'; DELETE FROM concerts WHERE id = {other}"
        );
        unseen(app, &theft).await;
        let told: Vec<String> = found(app).await.iter().map(ToString::to_string).collect();
        let gone = |record: &str| {
            let told_of = format!("{record}: gone from its table");
            told.iter().any(|line| line.starts_with(&told_of))
        };
        assert!(
            told.len() == 2
                && gone(&format!("concerts {other}"))
                && gone(&format!("reservations {id}")),
            "{told:?}"
        );
        // Which is told by the log, though not of each record.
        let empty = "TRUNCATE reservations, concerts, admission_receipts CASCADE";
        app.postgres.batch_execute(empty).await.unwrap();
        assert_eq!(found(app).await, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_changed_past_the_log_is_found_column_by_column() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 2, "som").await;
        let id = held["id"].as_str().unwrap();
        let ada = app.plant_staff("ada", "moderator").await;
        // What is told by the log is no difference.
        let told = "UPDATE concerts SET venue = 'Elsewhere', price = 9 WHERE id > 0; UPDATE admin_users SET email = 'a@example.com'";
        app.postgres.batch_execute(told).await.unwrap();
        assert_eq!(found(app).await, []);
        unseen(app, "UPDATE concerts SET price = 0 WHERE id > 0").await;
        unseen(app, "UPDATE reservations SET customer_email = 'eve@example.com'").await;
        unseen(app, "UPDATE admin_users SET role = 'superadmin'").await;
        let eve = "INSERT INTO admin_users (username, password, email, role)
                   VALUES ('eve', 'x', 'eve@example.com', 'superadmin')";
        unseen(app, eve).await;
        let eve = "SELECT id::bigint FROM admin_users WHERE username = 'eve'";
        let eve = app.count(eve).await;
        let mut told: Vec<String> = found(app).await.iter().map(ToString::to_string).collect();
        told.sort();
        let expected = [
            format!("admin_users {ada}: its role is another"),
            format!("admin_users {eve}: no audit row tells who made this account"),
            format!("concerts {concert}: its price is another"),
            format!("reservations {id}: its customer_email is another"),
        ];
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (told, expected) in told.iter().zip(&expected) {
            assert!(told.starts_with(expected), "{told}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_for_values_are_others_with_another_seed() {
    TestApp::run(async |app| {
        app.plant(NewConcert::default()).await;
        let numbers = async |seed: i64| -> Vec<i64> {
            let select = "SELECT new_hashes FROM list_audit_changes('', 0, $1, 1)";
            let row = app.postgres.query_one(select, &[&seed]).await.unwrap();
            row.get(0)
        };
        let (one, two) = (numbers(1).await, numbers(2).await);
        assert!(
            one.iter().all(|number| !two.contains(number)),
            "{one:?} {two:?}"
        );
        assert_eq!(one, numbers(1).await);
    })
    .await;
}

/// A page that ends with the account's change misses the concert's, which has a lower id and is not
/// over yet, while the next page finds the one behind it.
#[tokio::test(flavor = "multi_thread")]
async fn records_of_two_tables_with_one_number_are_followed_while_both_change() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        app.plant_staff("ada", "admin").await;
        let renumber = format!("UPDATE admin_users SET id = {concert}");
        unseen(app, &renumber).await;
        let forget = format!("DELETE FROM audit_logs WHERE record_id <> '{concert}'");
        app.postgres.batch_execute(&forget).await.unwrap();
        let (first, second) = (
            app.database.superuser().await,
            app.database.superuser().await,
        );
        let is_over = AtomicBool::new(false);
        let change = async {
            let mut changes = 0;
            while !is_over.load(Ordering::Relaxed) {
                let begin = "BEGIN; UPDATE concerts SET venue = venue || 'a' WHERE id > 0";
                first.batch_execute(begin).await.unwrap();
                let beside = "UPDATE admin_users SET email = email || 'a'";
                second.batch_execute(beside).await.unwrap();
                tokio::time::sleep(Duration::from_millis(2)).await;
                let end = "UPDATE concerts SET venue = 'b' WHERE id > 0; COMMIT";
                first.batch_execute(end).await.unwrap();
                second
                    .batch_execute("UPDATE admin_users SET email = 'ada@example.com'")
                    .await
                    .unwrap();
                changes += 1;
            }
            changes
        };
        let look = async {
            let until = tokio::time::Instant::now() + Duration::from_secs(5);
            while tokio::time::Instant::now() < until {
                let seen = audit::differences(&app.app, audit::PAGE_ROWS).await;
                assert_eq!(seen.unwrap(), []);
            }
            is_over.store(true, Ordering::Relaxed);
        };
        let (changes, ()) = tokio::join!(change, look);
        assert!(changes > 50, "{changes}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_that_goes_on_meanwhile_is_no_difference() {
    TestApp::run(async |app| {
        let concert = app
            .plant(NewConcert {
                tickets: 100_000,
                ..NewConcert::default()
            })
            .await;
        let is_over = AtomicBool::new(false);
        let sell = async |crowd: usize| {
            let mut sold = 0;
            while !is_over.load(Ordering::Relaxed) {
                let held = app.reserved(concert, 1, &format!("c{crowd}-{sold}")).await;
                if sold % 3 == 0 {
                    let cancel = app.with_token(Method::POST, &held, "/cancel");
                    assert_eq!(cancel.send().await.unwrap().status(), 200);
                }
                sold += 1;
            }
            sold
        };
        let look = async {
            let mut looks = 0;
            let until = tokio::time::Instant::now() + Duration::from_secs(3);
            while tokio::time::Instant::now() < until {
                for page_rows in [5, 64] {
                    let seen = audit::differences(&app.app, page_rows).await.unwrap();
                    assert_eq!(seen, []);
                    looks += 1;
                }
            }
            is_over.store(true, Ordering::Relaxed);
            looks
        };
        let crowd = futures_util::future::join_all((0..16).map(sell));
        let (sold, looks) = tokio::join!(crowd, look);
        let sold: usize = sold.into_iter().sum();
        assert!(sold > 50 && looks > 1, "{sold} sold, {looks} looks");
    })
    .await;
}
