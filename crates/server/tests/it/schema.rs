//! The database as it must be: here what its rows may hold, below the specification's tables, the
//! migrations, who may do what, and the plans of hot statements.

use std::collections::BTreeSet;
use std::process::Command;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use self::refused::REFUSED;
use crate::support::{TestDatabase, cluster};

mod migrations;
mod millions;
mod plans;
mod refused;
pub(crate) mod rights;
mod specification;

#[tokio::test(flavor = "multi_thread")]
async fn default_instants_are_utc_whatever_the_sessions_time_zone_is() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let set = "SET TimeZone = 'Asia/Bangkok'";
    postgres.batch_execute(set).await.unwrap();
    // A heartbeat has no instant that the database chooses.
    let tables = GOOD_ROWS.iter();
    for table in tables.filter(|table| !WITHOUT_CREATED_AT.contains(&table.name)) {
        let statement = format!(
            "{} RETURNING extract(epoch FROM created_at)::bigint",
            table.insert(None)
        );
        let stored: i64 = postgres.query_one(&statement, &[]).await.unwrap().get(0);
        let now: i64 = postgres
            .query_one("SELECT extract(epoch FROM now())::bigint", &[])
            .await
            .unwrap()
            .get(0);
        assert!(
            (now - stored).abs() < 60,
            "{}: {stored} at {now}",
            table.name
        );
    }
    let others = "
        SELECT count(*) FROM reservations, admin_users
        WHERE reserved_at = reservations.created_at
          AND reservations.updated_at = reservations.created_at
          AND admin_users.updated_at = admin_users.created_at";
    assert_eq!(count(&postgres, others).await, 1);
}

/// A table with a row that it takes.
#[derive(Clone, Copy)]
struct GoodRow {
    name: &'static str,
    row: &'static [(&'static str, &'static str)],
}

impl GoodRow {
    /// The statement that inserts the row, with columns written otherwise.
    fn insert(self, otherwise: Option<(&str, &str)>) -> String {
        let mut row: Vec<(&str, &str)> = self.row.to_vec();
        if let Some((column, value)) = otherwise {
            row.retain(|(name, _)| *name != column);
            row.push((column, value));
        }
        let (columns, values): (Vec<_>, Vec<_>) = row.into_iter().unzip();
        format!(
            "INSERT INTO {} ({}) VALUES ({})",
            self.name,
            columns.join(", "),
            values.join(", ")
        )
    }
}

const GOOD_ROWS: [GoodRow; 32] = [
    GoodRow {
        name: "concerts",
        row: &[
            ("name", "'n'"),
            ("artist", "'a'"),
            ("date", "'2027-01-31'"),
            ("venue", "'v'"),
            ("total_tickets", "10"),
            ("available_tickets", "10"),
            ("price", "0"),
            ("status", "'open'"),
        ],
    },
    GoodRow {
        name: "reservations",
        row: &[
            ("id", "'RES1-00000000'"),
            ("concert_id", "(SELECT min(id) FROM concerts WHERE id > 0)"),
            ("customer_name", "'n'"),
            ("customer_email", "'n@example.com'"),
            ("quantity", "1"),
            ("total_price", "0"),
        ],
    },
    GoodRow {
        name: "admin_users",
        row: &[
            ("username", "'u'"),
            ("password", "'p'"),
            ("email", "'u@example.com'"),
            ("role", "'admin'"),
        ],
    },
    GoodRow {
        name: "audit_logs",
        row: &[("action", "'CREATE'"), ("table_name", "'concerts'")],
    },
    GoodRow {
        name: "admission_receipts",
        row: &[
            ("key_digest", "decode(repeat('00', 16), 'hex')"),
            ("values_digest", "decode(repeat('00', 16), 'hex')"),
            ("reservation_id", "'RES1-00000000'"),
            ("request_id", "gen_random_uuid()"),
        ],
    },
    GoodRow {
        name: "heartbeats",
        row: &[("task", "'sweep'"), ("beat_at", "now()")],
    },
    GoodRow {
        name: "jobs",
        row: &[
            ("task", "'t'"),
            ("payload", "'{}'"),
            ("run_at", "'2027-01-31'"),
            ("attempts_max", "1"),
        ],
    },
    GoodRow {
        name: "mails",
        row: &[
            ("id", "'MAIL1-00000000'"),
            ("kind", "'confirmed'"),
            ("language", "'en'"),
            ("recipient", "'n@example.com'"),
            ("message_id", "'<MAIL1-00000000@localhost>'"),
        ],
    },
    GoodRow {
        name: "audit_erasures",
        row: &[
            (
                "pseudonym",
                "'erased-' || md5(random()::text) || '@invalid'",
            ),
            ("log_id", "1"),
            ("row_ids", "'{1}'"),
            ("befores", "decode(repeat('00', 16), 'hex')"),
            ("afters", "decode(repeat('00', 16), 'hex')"),
            ("erased_at", "now()"),
        ],
    },
    GoodRow {
        name: "audit_seals",
        row: &[
            ("cluster_id", "1"),
            ("until_tx", "'1'"),
            ("until_id", "1"),
            ("row_ids", "'{1}'"),
            ("digests", "decode(repeat('00', 16), 'hex')"),
            ("mac", "decode(repeat('00', 32), 'hex')"),
            ("sealed_at", "now()"),
        ],
    },
    GoodRow {
        name: "admin_sessions",
        row: &[
            ("token_digest", "decode(repeat('00', 32), 'hex')"),
            ("admin_user_id", "(SELECT min(id) FROM admin_users)"),
            ("last_used_at", "'2027-01-31'"),
            ("expires_at", "'infinity'"),
            ("address_digest", "decode(repeat('00', 32), 'hex')"),
        ],
    },
    GoodRow {
        name: "admin_totp",
        row: &[
            ("admin_user_id", "(SELECT min(id) FROM admin_users)"),
            ("secret", "decode(repeat('00', 60), 'hex')"),
        ],
    },
    GoodRow {
        name: "admin_recovery_codes",
        row: &[
            ("admin_user_id", "(SELECT min(id) FROM admin_users)"),
            ("code_digest", "decode(repeat('00', 32), 'hex')"),
        ],
    },
    GoodRow {
        name: "admin_setup",
        row: &[
            ("token_digest", "decode(repeat('00', 32), 'hex')"),
            ("expires_at", "'2027-01-31'"),
        ],
    },
    GoodRow {
        name: "backup_runs",
        row: &[
            ("kind", "'full'"),
            ("started_at", "'2027-01-31'"),
            ("finished_at", "'2027-01-31'"),
            ("is_ok", "true"),
        ],
    },
    GoodRow {
        name: "payments",
        row: &[
            ("id", "'PAY1-00000000'"),
            ("reservation_id", "(SELECT min(id) FROM reservations)"),
            ("provider", "'sandbox'"),
            ("amount", "1"),
            ("currency", "'THB'"),
            ("language", "'en'"),
        ],
    },
    GoodRow {
        name: "payment_events",
        row: &[
            ("provider", "'sandbox'"),
            ("event_id", "'1'"),
            ("news", "'paid'"),
            ("consequence", "'confirmed'"),
            ("received_at", "'2027-01-31'"),
        ],
    },
    GoodRow {
        name: "sandbox_orders",
        row: &[
            ("payment_id", "'PAY1-00000000'"),
            ("amount", "1"),
            ("currency", "'THB'"),
            ("title", "'2 tickets'"),
            ("return_url", "'/'"),
            ("held_until", "'2027-01-31'"),
        ],
    },
    GoodRow {
        name: "staff_runs",
        row: &[
            ("kind", "'cancel'"),
            ("started_by", "(SELECT min(id) FROM admin_users)"),
            ("key", "md5(random()::text)"),
        ],
    },
    GoodRow {
        name: "staff_run_rows",
        row: &[
            ("run_id", "(SELECT min(id) FROM staff_runs)"),
            ("number", "1"),
            ("reservation_id", "(SELECT min(id) FROM reservations)"),
        ],
    },
    GoodRow {
        name: "sales_days",
        row: &[
            ("day", "'2026-01-02'"),
            ("zone", "'UTC'"),
            ("from_at", "'2026-01-02'"),
            ("to_at", "'2026-01-03'"),
        ],
    },
    GoodRow {
        name: "sales_sums",
        row: &[
            ("concert_id", "1"),
            ("day", "'2026-01-02'"),
            ("standing", "11"),
            ("is_free", "false"),
            ("reservations", "1"),
            ("tickets", "2"),
            ("minor", "300"),
            ("first_at", "'2026-01-02'"),
            ("last_at", "'2026-01-02'"),
        ],
    },
    GoodRow {
        name: "sales_changes",
        row: &[("created_at", "'2026-01-02'")],
    },
    GoodRow {
        name: "tickets",
        row: &[
            ("reservation_id", "(SELECT min(id) FROM reservations)"),
            ("concert_id", "(SELECT min(id) FROM concerts WHERE id > 0)"),
            ("number", "1"),
            ("code", "'0123456789AB'"),
        ],
    },
    GoodRow {
        name: "customers",
        row: &[("email", "'som@example.com'")],
    },
    GoodRow {
        name: "customer_identities",
        row: &[
            ("customer_id", "(SELECT min(id) FROM customers)"),
            ("issuer", "'https://accounts.example'"),
            ("subject", "'1'"),
        ],
    },
    GoodRow {
        name: "customer_sessions",
        row: &[
            ("token_digest", "decode(repeat('00', 32), 'hex')"),
            ("customer_id", "(SELECT min(id) FROM customers)"),
            ("is_google", "false"),
            ("expires_at", "'infinity'"),
        ],
    },
    GoodRow {
        name: "customer_links",
        row: &[
            ("mail_id", "(SELECT min(id) FROM mails)"),
            ("token_digest", "decode(repeat('00', 32), 'hex')"),
            ("email", "'som@example.com'"),
            ("return_to", "'/'"),
            ("expires_at", "'infinity'"),
        ],
    },
    GoodRow {
        name: "customer_sign_ins",
        row: &[
            ("state_digest", "decode(repeat('00', 32), 'hex')"),
            ("browser_digest", "decode(repeat('00', 32), 'hex')"),
            ("nonce", "'n'"),
            ("pkce_verifier", "'v'"),
            ("return_to", "'/'"),
            ("language", "'en'"),
            ("expires_at", "'infinity'"),
        ],
    },
    GoodRow {
        name: "health_samples",
        row: &[
            ("series", "'s'"),
            ("step_minutes", "1"),
            ("at", "'2027-01-31'"),
            ("value", "1"),
        ],
    },
    GoodRow {
        name: "table_sizes",
        row: &[
            ("day", "'2027-01-31'"),
            ("table_name", "'t'"),
            ("bytes", "1"),
            ("measured_at", "'2027-01-31'"),
        ],
    },
    GoodRow {
        name: "sign_in_failures",
        row: &[
            ("subject_digest", "decode(repeat('00', 32), 'hex')"),
            ("failures", "1"),
            ("last_failed_at", "'2027-01-31'"),
        ],
    },
];

/// Tables without an instant that the database chooses.
const WITHOUT_CREATED_AT: [&str; 11] = [
    "health_samples",
    "table_sizes",
    "heartbeats",
    "audit_erasures",
    "audit_seals",
    "payment_events",
    "sales_changes",
    "sales_days",
    "sales_sums",
    "sign_in_failures",
    "staff_run_rows",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_named_check_refuses_its_row() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let mut tried = BTreeSet::new();
    for table in GOOD_ROWS {
        let own = REFUSED
            .iter()
            .filter(|(_, _, constraint)| constraint.starts_with(&format!("{}_", table.name)));
        for &(column, value, constraint) in own {
            let statement = table.insert(Some((column, value)));
            let error = postgres.batch_execute(&statement).await.unwrap_err();
            let refusal = error.as_db_error().expect("a refusal");
            assert_eq!(refusal.code(), &SqlState::CHECK_VIOLATION, "{statement}");
            assert_eq!(refusal.constraint(), Some(constraint), "{statement}");
            tried.insert(constraint.to_owned());
        }
        let good = table.insert(None);
        postgres.batch_execute(&good).await.expect("a good row");
    }
    for (statement, constraint) in [
        (
            "UPDATE concerts SET total_tickets = 9 WHERE id > 0",
            "concerts_available_tickets_check",
        ),
        (
            "ALTER TABLE concerts DROP CONSTRAINT concerts_available_tickets_check;
             UPDATE concerts SET total_tickets = -1 WHERE id > 0",
            "concerts_total_tickets_check",
        ),
    ] {
        // Several statements at once are one transaction, which the last one undoes.
        let error = postgres.batch_execute(statement).await.unwrap_err();
        let refusal = error.as_db_error().expect("a refusal");
        assert_eq!(refusal.constraint(), Some(constraint));
    }
    let all = "
        SELECT conname::text FROM pg_constraint
        WHERE contype = 'c' AND connamespace = 'public'::regnamespace ORDER BY 1";
    let mut all = lines(&postgres, all).await;
    // No total below zero gets past `available_tickets BETWEEN 0 AND total_tickets`, whose name
    // comes first.
    all.retain(|name| name != "concerts_total_tickets_check");
    let tried: Vec<String> = tried.into_iter().collect();
    assert_eq!(all, tried, "every check of the database is tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_constraint_has_a_name_by_the_rule() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let constraints = "
        SELECT conrelid::regclass::text, conname::text, contype::text,
               (SELECT array_agg(attname::text ORDER BY array_position(conkey, attnum))
                FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey))
        FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
          AND conrelid <> 'refinery_schema_history'::regclass";
    let rows = postgres.query(constraints, &[]).await.unwrap();
    assert!(rows.len() > 20, "{} constraints", rows.len());
    for row in rows {
        let (table, name, kind): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        let columns: Vec<String> = row.get(3);
        let joined = columns.join("_");
        let allowed: Vec<String> = match kind.as_str() {
            "p" => vec![format!("{table}_pkey")],
            "u" => vec![format!("{table}_{joined}_key")],
            "f" => vec![format!("{table}_{joined}_fkey")],
            // A check that compares columns may be named after the one that it is about.
            "c" => columns
                .iter()
                .chain([&joined])
                .map(|column| format!("{table}_{column}_check"))
                .collect(),
            other => panic!("{name} is of the unknown kind {other}"),
        };
        assert!(
            allowed.contains(&name),
            "{name} should be one of {allowed:?}"
        );
    }
}

async fn lines(postgres: &Client, statement: &str) -> Vec<String> {
    let rows = postgres.query(statement, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn count(postgres: &Client, statement: &str) -> i64 {
    postgres.query_one(statement, &[]).await.unwrap().get(0)
}

/// Everything in a database, its rights and rows included.
fn dump(database: &TestDatabase) -> String {
    let output = Command::new(cluster().programs().path("pg_dump"))
        .args(["--create", "--dbname", &database.superuser_url()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // Newer versions put a random word around their output.
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .filter(|line| !line.starts_with('\\'))
        .fold(String::new(), |text, line| text + line + "\n")
}
