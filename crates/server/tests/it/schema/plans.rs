//! The specification's queries, word for word, on the indexes that it names for them.

use std::fmt::Write as _;
use std::time::Duration;

use tokio_postgres::{Client, SimpleQueryMessage};

use crate::support::wait::{LIMIT, eventually};
use crate::support::{APP, NewConcert, TestApp, TestDatabase, connect};

/// The specification's most common queries, word for word.
pub(super) const QUERY_1: &str = "SELECT * FROM concerts
WHERE status = 'open' AND date >= CURRENT_DATE
ORDER BY date ASC";
pub(super) const QUERY_2: &str = "SELECT * FROM reservations
WHERE customer_email = $1
ORDER BY created_at DESC";
pub(super) const QUERY_3: &str = "SELECT COUNT(*) FROM reservations
WHERE concert_id = $1 AND status = 'confirmed'";
pub(super) const QUERY_4: &str = "SELECT available_tickets FROM concerts WHERE id = $1 FOR UPDATE";

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

/// Statements of the pages for staff, as the server sends them, with parameters, and the index of each.
const OF_STAFF: [(&str, &str, &str); 19] = [
    ("concerts.list_near", "('2026-11-22', 100)", "idx_concerts_date"),
    ("concerts.list_names", "('{7,8}')", "concerts_pkey"),
    (
        "reports.list_sales",
        "('{2026-01-01,2026-01-02}', '2026-01-01', '2026-01-02', 'UTC', NULL, 'infinity', 500)",
        "idx_reservations_created",
    ),
    (
        "reports.list_sales",
        "('{2026-01-01,2026-01-02}', '2026-01-01', '2026-01-02', 'UTC', '{7}', 'infinity', 500)",
        "sales_sums_pkey",
    ),
    (
        "reports.list_sell_outs",
        "('UTC', '{7,8}', 'infinity')",
        "sales_sums_pkey",
    ),
    ("stock.find_sale", "(7)", "payments_reservation_id_pending_key"),
    ("staff_runs.count_of_concert", "(7)", "payments_by_hand_idx"),
    (
        "concerts.list_existing",
        "('{A}', '{B}', '{2026-01-01}', '{C}')",
        "idx_concerts_date",
    ),
    ("reservations.sum_made", "('2026-11-22')", "idx_reservations_created"),
    ("reservations.sum_pending", "('2026-11-22')", "idx_reservations_status"),
    ("payments.list_stuck", "(50)", "payments_refund_error_idx"),
    ("payments.count_stuck", "", "payments_refund_error_idx"),
    (
        "mails.list",
        "(NULL, NULL, NULL, 50)",
        "mails_created_at_idx",
    ),
    (
        "mails.list",
        "('dead', NULL, NULL, 50)",
        "mails_status_idx",
    ),
    (
        "reservations.list",
        "(NULL, NULL, NULL, NULL, 'now', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 50)",
        "idx_reservations_created",
    ),
    (
        "reservations.list",
        "(NULL, 8, NULL, NULL, 'now', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 50)",
        "idx_reservations_concert",
    ),
    (
        "reservations.list",
        "(NULL, NULL, 'customer77@example.com', NULL, 'now', NULL, NULL, NULL, NULL, NULL, NULL, NULL,
          NULL, 50)",
        "idx_reservations_email",
    ),
    (
        "reservations.list",
        "('RES77-00000000', NULL, NULL, NULL, 'now', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 50)",
        "reservations_pkey",
    ),
    (
        "reservations.list",
        "(NULL, NULL, NULL, NULL, 'now', '2026-11-01', '2026-11-02', '2026-11-01 12:00', 'RES', NULL,
          NULL, NULL, NULL, 50)",
        "idx_reservations_created",
    ),
];

/// What hangs on the reservations.
const PAYMENTS_AND_MAILS: &str = "
    INSERT INTO payments (id, reservation_id, provider, amount, currency, status, language, created_at)
    SELECT 'PAY' || substr(id, 4), id, CASE WHEN id LIKE '%99-%' THEN 'manual' ELSE 'sandbox' END, 100,
           'THB', CASE WHEN status = 'pending' AND id LIKE '%7-%' THEN 'pending' ELSE 'completed' END,
           'en', created_at
    FROM reservations;
    INSERT INTO mails (id, kind, language, recipient, reservation_id, message_id, status, created_at)
    SELECT 'MAIL' || substr(id, 4), 'confirmed', 'en', customer_email, id, id,
           CASE WHEN id LIKE '%99-%' THEN 'dead' ELSE 'sent' END, created_at
    FROM reservations;
    VACUUM ANALYZE payments;
    VACUUM ANALYZE mails;";

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_for_staff_read_no_whole_table() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    for statement in [YEARS_OF_DATA, PAYMENTS_AND_MAILS]
        .concat()
        .split_inclusive(';')
    {
        postgres.batch_execute(statement).await.unwrap();
    }
    let server = connect(&database.url(APP)).await;
    let declare = "SET stagedoor.actor_kind = 'staff'; SET stagedoor.user_id = '1'; SET jit = off";
    server.batch_execute(declare).await.unwrap();
    for (name, parameters, index) in OF_STAFF {
        let plan = explain(&server, &sent(name), parameters).await;
        assert!(plan.contains(index), "{name}{parameters}\n{plan}");
        for table in ["reservations", "payments", "mails", "concerts"] {
            let scan = format!("Seq Scan on {table}");
            assert!(!plan.contains(&scan), "{name}{parameters}\n{plan}");
        }
    }
}

/// Whoever looks for what people did to concerts finds it among what sales did.
#[tokio::test(flavor = "multi_thread")]
async fn what_people_did_to_concerts_is_found_by_an_index() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let plant =
        "INSERT INTO audit_logs (action, table_name, record_id, actor_kind, actor, created_at)
                 SELECT 'UPDATE', 'concerts', '7',
                        CASE WHEN n % 5000 = 0 THEN 'staff' ELSE 'system' END, 'engine',
                        timestamp '2026-01-01' + n * interval '1 second'
                 FROM generate_series(1, 60000) n";
    postgres.batch_execute(plant).await.unwrap();
    postgres.batch_execute("ANALYZE audit_logs").await.unwrap();
    let asked = "SELECT id FROM audit_logs
                 WHERE table_name = 'concerts' AND actor_kind NOT IN ('system', 'job')
                 ORDER BY created_at DESC, id DESC LIMIT 51";
    let plan = explain(&postgres, asked, "").await;
    assert!(plan.contains("audit_logs_concerts_idx"), "{plan}");
}

/// A statement as it is sent, by its name.
pub(super) fn sent(name: &str) -> String {
    const STATEMENTS: [&str; 7] = [
        include_str!("../../../../store/src/generated/queries/concerts.rs"),
        include_str!("../../../../store/src/generated/queries/mails.rs"),
        include_str!("../../../../store/src/generated/queries/payments.rs"),
        include_str!("../../../../store/src/generated/queries/reports.rs"),
        include_str!("../../../../store/src/generated/queries/reservations.rs"),
        include_str!("../../../../store/src/generated/queries/staff_runs.rs"),
        include_str!("../../../../store/src/generated/queries/stock.rs"),
    ];
    let begin = format!("/* {name} */ ");
    let text = STATEMENTS.iter().find_map(|text| text.split(&begin).nth(1));
    let text = text.unwrap_or_else(|| panic!("no statement {name}"));
    text.split('"').next().unwrap().to_owned()
}

/// How PostgreSQL would run a prepared statement.
pub(super) async fn explain(postgres: &Client, query: &str, parameters: &str) -> String {
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
