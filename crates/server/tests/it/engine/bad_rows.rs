//! Rows that PostgreSQL refuses: they spoil nobody else's, and cost a bounded number of attempts.

use std::time::{Duration, Instant};

use app::reserve::ReserveError;
use serde_json::Value;
use stagedoor::http::problem::{Code, Problem};

use crate::support::wishes::{Outcome, RowLock, answers, occupy, queue, wish};
use crate::support::{NewConcert, TestApp};

/// Counts attempts to write, also those that are rolled back: a sequence never goes back.
const COUNT_ATTEMPTS: &str = "
    CREATE SEQUENCE attempts;
    CREATE FUNCTION count_attempt() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
        $$ BEGIN PERFORM nextval('attempts'); RETURN NULL; END $$;
    CREATE TRIGGER count_attempt BEFORE INSERT ON reservations
        FOR EACH STATEMENT EXECUTE FUNCTION count_attempt();";

/// A batch of so many is far below the engine's most, and takes a thousand attempts one by one.
const CROWD: usize = 500;

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_can_not_be_written_does_not_spoil_its_batch() {
    TestApp::run(async |app| {
        refuse_rows(app, "WHEN (NEW.customer_name = 'Nobody')", "P0001").await;
        let plenty = NewConcert {
            tickets: 1000,
            ..NewConcert::default()
        };
        let concert = app.plant(plenty).await;
        let wishes = (0..=CROWD).map(|n| match n {
            250 => "Nobody".to_owned(),
            n => format!("b{n}"),
        });
        let outcomes = decided_together(app, concert, wishes).await;
        for (n, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(_) => assert_ne!(n, 250),
                Err(error) => assert_eq!((n, code_of(error)), (250, Code::Internal)),
            }
        }
        let attempts = attempts(app).await;
        eprintln!("{attempts} attempts for {CROWD} good rows and a bad one");
        // Halving finds one of 501 after 9 failures, with as many good halves; some came alone.
        assert!(attempts <= 40, "{attempts} attempts");

        let request = app.reserve(concert, 1, "culprit").json(&serde_json::json!({
            "concert_id": concert,
            "quantity": 1,
            "customer_name": "Nobody",
            "customer_email": "nobody@example.com",
        }));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 500);
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], "internal");
        assert!(!problem.to_string().contains("refused by a test"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_all_bad_are_answered_after_a_bounded_number_of_attempts() {
    TestApp::run(async |app| {
        refuse_rows(app, "", "P0001").await;
        let took = assert_all_fail(app).await;
        let attempts = attempts(app).await;
        eprintln!("{attempts} attempts for {CROWD} bad rows, {took:?}");
        // One by one it would be 999.
        assert!(attempts <= 200, "{attempts} attempts");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_is_nobodys_row_is_answered_without_splitting() {
    TestApp::run(async |app| {
        // What a statement that took too long gets.
        refuse_rows(app, "", "57014").await;
        assert_all_fail(app).await;
        let attempts = attempts(app).await;
        assert!(attempts <= 3, "{attempts} attempts");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_right_is_answered_without_splitting() {
    TestApp::run(async |app| {
        app.postgres.batch_execute(COUNT_ATTEMPTS).await.unwrap();
        let revoke = "REVOKE INSERT ON admission_receipts, reservations FROM stagedoor_app";
        app.postgres.batch_execute(revoke).await.unwrap();
        let took = assert_all_fail(app).await;
        eprintln!("answered without the right within {took:?}");
        let grant = "GRANT INSERT ON admission_receipts, reservations TO stagedoor_app";
        app.postgres.batch_execute(grant).await.unwrap();
        // Nobody has to restart anything.
        let concert = app.plant(NewConcert::default()).await;
        app.reserved(concert, 1, "later").await;
    })
    .await;
}

/// Five hundred requests in one batch, none of which can be admitted; how long their answers took.
async fn assert_all_fail(app: &TestApp) -> Duration {
    let concert = app.plant(NewConcert::default()).await;
    let wishes = (0..CROWD).map(|n| format!("b{n}"));
    let begun = Instant::now();
    for outcome in decided_together(app, concert, wishes).await {
        match outcome {
            // Those past the hundredth, once a part of the batch was given up.
            Err(ReserveError::Refused(_)) => {}
            Err(error) => assert_eq!(code_of(error), Code::Internal),
            Ok(reserved) => panic!("{reserved:?}"),
        }
    }
    assert_eq!(app.available(concert).await, 100);
    begun.elapsed()
}

/// One request for each buyer, all in one batch, with the one that the lane waited with.
pub(super) async fn decided_together(
    app: &TestApp,
    concert: i32,
    buyers: impl Iterator<Item = String>,
) -> Vec<Outcome> {
    let row = RowLock::take(&app.database, concert).await;
    let first = occupy(app, concert).await;
    let waiting: Vec<_> = buyers
        .map(|buyer| queue(&app.app, wish(concert, 1, &buyer)))
        .collect();
    row.release().await;
    let outcomes = answers(waiting).await;
    drop(first.await.unwrap());
    outcomes
}

/// A trigger that refuses rows with an error of the given class.
pub(super) async fn refuse_rows(app: &TestApp, when: &str, sqlstate: &str) {
    let statement = format!(
        "{COUNT_ATTEMPTS}
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE 'refused by a test' USING ERRCODE = '{sqlstate}'; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON reservations
             FOR EACH ROW {when} EXECUTE FUNCTION refuse();"
    );
    app.postgres.batch_execute(&statement).await.unwrap();
}

pub(super) async fn attempts(app: &TestApp) -> i64 {
    app.count("SELECT last_value FROM attempts").await
}

fn code_of(error: ReserveError) -> Code {
    Problem::from(error).code
}
