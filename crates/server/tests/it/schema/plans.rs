//! The specification's queries, word for word, on the indexes that it names for them.

use std::fmt::Write as _;
use std::time::Duration;

use tokio_postgres::{Client, SimpleQueryMessage};

use crate::support::wait::{LIMIT, eventually};
use crate::support::{NewConcert, TestApp, TestDatabase};

/// The specification's most common queries, word for word.
const QUERY_1: &str = "SELECT * FROM concerts
WHERE status = 'open' AND date >= CURRENT_DATE
ORDER BY date ASC";
const QUERY_2: &str = "SELECT * FROM reservations
WHERE customer_email = $1
ORDER BY created_at DESC";
const QUERY_3: &str = "SELECT COUNT(*) FROM reservations
WHERE concert_id = $1 AND status = 'confirmed'";
const QUERY_4: &str = "SELECT available_tickets FROM concerts WHERE id = $1 FOR UPDATE";

/// Ten years of concerts, most of them over; one of them with a fifth of all reservations.
const YEARS_OF_DATA: &str = "
    INSERT INTO concerts (name, artist, date, venue, total_tickets, available_tickets, price, status)
    SELECT 'Concert ' || n, 'Artist ' || n % 500, CURRENT_DATE + (n * 7919 % 3650 - 3500),
           'Venue ' || n % 40, 1000, 500, 100,
           CASE WHEN n * 7919 % 3650 < 3400 THEN 'archived' WHEN n % 5 = 0 THEN 'closed' ELSE 'open' END
    FROM generate_series(1, 20000) n;
    INSERT INTO reservations (id, concert_id, customer_name, customer_email, quantity, total_price,
                              status, payment_status, created_at)
    SELECT 'RES' || n || '-00000000', CASE WHEN n % 5 = 0 THEN 7 ELSE 1 + n * 31 % 20000 END,
           'Customer', 'customer' || n % 25000 || '@example.com', 1, 100,
           (ARRAY['confirmed', 'confirmed', 'confirmed', 'expired', 'cancelled', 'pending'])[1 + n % 6],
           'completed', now() - n * interval '1 minute'
    FROM generate_series(1, 60000) n;
    VACUUM ANALYZE concerts;
    VACUUM ANALYZE reservations;";

#[tokio::test(flavor = "multi_thread")]
async fn the_specifications_queries_run_on_its_indexes() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    for statement in YEARS_OF_DATA.split_inclusive(';') {
        postgres.batch_execute(statement).await.unwrap();
    }
    for mode in ["force_custom_plan", "force_generic_plan"] {
        let set = format!("SET plan_cache_mode = {mode}");
        postgres.batch_execute(&set).await.unwrap();
        let plan = explain(&postgres, QUERY_1, "").await;
        let is_indexed = ["idx_concerts_status", "idx_concerts_date"]
            .iter()
            .any(|index| plan.contains(index));
        assert!(is_indexed && !plan.contains("Seq Scan"), "{plan}");
        let plan = explain(&postgres, QUERY_2, "('customer77@example.com')").await;
        assert!(plan.contains("idx_reservations_email"), "{plan}");
        for concert in ["(7)", "(8)"] {
            let plan = explain(&postgres, QUERY_3, concert).await;
            let wanted = "Index Only Scan using idx_reservations_concert";
            assert!(plan.contains(wanted), "{plan}");
        }
        let plan = explain(&postgres, QUERY_4, "(7)").await;
        assert!(plan.contains("Index Scan using concerts_pkey"), "{plan}");
    }
    // On a table as small as this one, sorting a customer's few rows costs a percent less than
    // reading them in the index's order; on a large one it doesn't.
    let set = "SET enable_bitmapscan = off";
    postgres.batch_execute(set).await.unwrap();
    let plan = explain(&postgres, QUERY_2, "('customer77@example.com')").await;
    let wanted = "Index Scan using idx_reservations_email";
    assert!(plan.contains(wanted) && !plan.contains("Sort"), "{plan}");
}

/// What a rush finds on a new installation: nobody has analysed the tables, or somebody has while
/// they were empty.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_rush_reads_no_other_buyers_rows() {
    const BUYERS: i64 = 40;
    for before in ["", "ANALYZE"] {
        TestApp::run(async |app| {
            app.postgres.batch_execute(before).await.unwrap();
            let concert = app.plant(NewConcert::default()).await;
            for buyer in 0..BUYERS {
                app.reserved(concert, 1, &format!("buyer{buyer}")).await;
            }
            // PostgreSQL counts a connection's reads with its first statement after a second.
            tokio::time::sleep(Duration::from_millis(1_100)).await;
            app.reserved(concert, 1, "the-last").await;
            let by_email = "SELECT idx_scan FROM pg_stat_user_indexes
                            WHERE indexrelname = 'idx_reservations_email'";
            eventually(
                "the looking up shows in the statistics",
                LIMIT,
                async || app.count(by_email).await >= BUYERS,
            )
            .await;
            let read = "SELECT seq_tup_read + (SELECT idx_tup_read FROM pg_stat_user_indexes
                                               WHERE indexrelname = 'idx_reservations_concert')
                        FROM pg_stat_user_tables WHERE relname = 'reservations'";
            assert_eq!(app.count(read).await, 0, "after {before:?}");
        })
        .await;
    }
}

/// How PostgreSQL would run a prepared statement.
async fn explain(postgres: &Client, query: &str, parameters: &str) -> String {
    let prepare = format!("DEALLOCATE ALL; PREPARE it AS {query}");
    postgres.batch_execute(&prepare).await.unwrap();
    let explain = format!("EXPLAIN EXECUTE it {parameters}");
    let mut plan = format!("{query}\n");
    for message in postgres.simple_query(&explain).await.unwrap() {
        if let SimpleQueryMessage::Row(row) = message {
            let _ = writeln!(plan, "{}", row.get(0).unwrap_or_default());
        }
    }
    plan
}
