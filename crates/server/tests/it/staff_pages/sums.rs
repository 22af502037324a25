//! Sums that are kept for reports: used where they are right, made anew where something changed.

use app::jobs::{self, Tasks};
use tokio::sync::watch;

use super::reports::{SETTLE_STOCK, by_hand, figures, plant_sales, report, zeros};
use crate::support::wait::{LIMIT, eventually, within_limit};
use crate::support::{NewConcert, TestApp};

const SUMMED: &str = "SELECT count(*) FROM sales_days";
const CHANGES: &str = "SELECT count(*) FROM sales_changes
                       WHERE created_at < (SELECT max(to_at) FROM sales_days)";

/// Lets the periodic work go on until `is_done`.
async fn work_until(app: &TestApp, what: &str, is_done: impl AsyncFn() -> bool) {
    let (stop, stopped) = watch::channel(false);
    let working = jobs::start(&app.app, Tasks::of_product(), &stopped);
    eventually(what, LIMIT, is_done).await;
    stop.send_replace(true);
    for one in working {
        within_limit("the work's end", one).await.unwrap();
    }
}

async fn sum(app: &TestApp, days: i64) {
    work_until(app, "all days are summed", async || {
        app.count(SUMMED).await == days && app.count(CHANGES).await == 0
    })
    .await;
}

/// From the first reservation's day to the last that is over for a day; Bangkok's days.
async fn summable(app: &TestApp) -> i64 {
    let days = "SELECT '2026-11-20'::date - (min(created_at) + interval '7 hours')::date + 1
                FROM reservations";
    let days: i32 = app.postgres.query_one(days, &[]).await.unwrap().get(0);
    assert!(days > 100, "{days}");
    days.into()
}

/// The API says what plain SQL says, of all and of one concert.
async fn assert_true(app: &TestApp, token: &str, concert: i32) {
    for (query, and) in [
        (String::new(), String::new()),
        (
            format!("?from=2026-10-24&to=2026-11-22&concert_id={concert}"),
            format!("AND concert_id = {concert}"),
        ),
    ] {
        let found = report(app, token, &query).await;
        let days = by_hand(app, "day", &and).await;
        for item in found["items"].as_array().unwrap() {
            let day = item["day"].as_str().unwrap();
            let expected = days.get(day).cloned().unwrap_or_else(zeros);
            assert_eq!(figures(&item["sales"]), expected, "{day} {query}");
        }
        assert_eq!(
            figures(&found["total"]),
            by_hand(app, "true", &and).await["true"]
        );
    }
    let found = report(app, token, "?group_by=concert").await;
    let expected = by_hand(app, "concert_id", "").await;
    for item in found["items"].as_array().unwrap() {
        let id = item["concert_id"].to_string();
        assert_eq!(figures(&item["sales"]), expected[&id], "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_read_sums_of_old_days_and_whatever_changed_since() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("nok", "admin").await;
        let [first, second, sold_out] = plant_sales(app).await;
        let days = summable(app).await;
        sum(app, days).await;
        assert_true(app, &token, first).await;

        // They are read indeed: a wrong one shows, and what the report has of it is all that changes.
        let told = report(app, &token, "").await["total"]["tickets_sold"].as_i64();
        let spoil = "UPDATE sales_sums SET tickets = tickets + 1000 WHERE (concert_id, day) = (
                         SELECT concert_id, day FROM sales_sums
                         WHERE standing = sales_standing('confirmed', 'completed') AND NOT is_free
                           AND day > '2026-11-05'
                         ORDER BY day LIMIT 1)
                       AND standing = sales_standing('confirmed', 'completed') AND NOT is_free
                     RETURNING day::text";
        let spoiled_day: String = app.postgres.query_one(spoil, &[]).await.unwrap().get(0);
        let spoiled = report(app, &token, "").await["total"]["tickets_sold"].as_i64();
        assert_eq!(spoiled, told.map(|told| told + 1000));

        // Whatever becomes of an old reservation is told at once, and mends the day's sums.
        for change in [
            &format!(
                "UPDATE reservations SET status = 'cancelled', payment_status = 'refunded'
                 WHERE id = (SELECT min(id) FROM reservations WHERE status = 'confirmed'
                             AND (created_at + interval '7 hours')::date = '{spoiled_day}')"
            ),
            &format!(
                "UPDATE reservations SET concert_id = {second} WHERE concert_id = {first}
                      AND (created_at + interval '7 hours')::date = '2026-11-01'"
            ),
            "UPDATE reservations SET deleted_at = now() WHERE id LIKE 'RES3%'",
            "UPDATE reservations SET created_at = '2026-11-05' WHERE id LIKE 'RES17%'",
            &format!(
                "INSERT INTO reservations (id, concert_id, customer_name, customer_email, quantity,
                                                total_price, created_at, status, payment_status)
                      VALUES ('RES-old-one', {sold_out}, 'Late', 'late@example.com', 3, 30.00,
                              '2026-11-03 17:00', 'confirmed', 'completed')"
            ),
            "UPDATE reservations SET status = 'cancelled' WHERE id = 'RES-old-one'",
            "DELETE FROM reservations WHERE id = 'RES-old-one'",
        ] {
            assert!(
                app.postgres.execute(change, &[]).await.unwrap() > 0,
                "{change}"
            );
            assert!(app.count(CHANGES).await > 0, "{change}");
            assert_true(app, &token, first).await;
        }
        sum(app, days).await;
        assert_true(app, &token, first).await;

        app.postgres.batch_execute(SETTLE_STOCK).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_than_all_sums_and_days_of_elsewhere_are_summed_anew() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("nok", "admin").await;
        let [first, ..] = plant_sales(app).await;
        let days = summable(app).await;
        sum(app, days).await;
        let old = format!(
            "INSERT INTO reservations (id, concert_id, customer_name, customer_email, quantity,
                                       total_price, created_at)
             SELECT 'RES-first', {first}, 'First', 'first@example.com', 1, 1,
                    min(created_at) - interval '2 days' FROM reservations"
        );
        app.postgres.batch_execute(&old).await.unwrap();
        sum(app, days + 2).await;
        let elsewhere =
            "UPDATE sales_days SET zone = 'Europe/Berlin'; UPDATE sales_sums SET tickets = 0";
        app.postgres.batch_execute(elsewhere).await.unwrap();
        assert_true(app, &token, first).await;
        let foreign = "SELECT count(*) FROM sales_days WHERE zone <> 'Asia/Bangkok'";
        work_until(app, "days are Bangkok's again", async || {
            app.count(foreign).await == 0 && app.count(SUMMED).await == days + 2
        })
        .await;
        assert_true(app, &token, first).await;
        app.postgres.batch_execute(SETTLE_STOCK).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_leaves_no_marks() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        // The test's own clock stands; the triggers go by the database's, as sales do.
        let buy = format!(
            "INSERT INTO reservations (id, concert_id, customer_name, customer_email, quantity,
                                       total_price)
             VALUES ('RES1', {concert}, 'Som', 'som@example.com', 1, 1);
             UPDATE reservations SET status = 'confirmed', payment_status = 'completed';
             UPDATE concerts SET available_tickets = available_tickets - 1 WHERE id > 0"
        );
        app.postgres.batch_execute(&buy).await.unwrap();
        assert_eq!(app.count("SELECT count(*) FROM sales_changes").await, 0);
    })
    .await;
}
