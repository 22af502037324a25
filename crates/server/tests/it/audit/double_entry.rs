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
                                         total_tickets = total_tickets - 1";
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
        ] = gaps.as_slice()
        else {
            panic!("{gaps:?}");
        };
        assert_eq!((table.as_str(), record), ("concerts", &concert.to_string()));
        assert_eq!(column, "available_tickets");
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
