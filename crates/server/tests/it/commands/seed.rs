//! `seed`: made-up data that leave every promise true.

use serde_json::json;
use tokio_postgres::Client;

use crate::support::program::{Done, Program};
use crate::support::{APP, OWNER, TestDatabase};

async fn seed(database: &TestDatabase, arguments: &[&str]) -> Done {
    Program::on(database, &[&["seed"], arguments].concat())
        .env("DATABASE_OWNER_URL", &database.url(OWNER))
        .run()
        .await
}

async fn count(postgres: &Client, statement: &str) -> i64 {
    postgres.query_one(statement, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_sales_leave_the_inventory_true() {
    let database = TestDatabase::migrated().await;
    // Twice, and more than are copied together.
    let wanted = ["--concerts", "40", "--reservations", "60000", "--json"];
    let done = seed(&database, &wanted).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(done.json()["reservations"], json!(60_000));
    assert_eq!(
        done.stderr, "",
        "statements that are slow on purpose are no news"
    );
    let again = seed(&database, &["--concerts", "1", "--reservations", "0"]).await;
    assert_eq!(again.code, 0, "{again:?}");
    assert!(
        again
            .stdout
            .starts_with("made up 1 concerts and 0 reservations in")
    );

    let doctor = Program::on(&database, &["doctor"]).run().await;
    assert!(
        doctor.stdout.contains("every concert's tickets add up"),
        "{doctor:?}"
    );
    let postgres = database.superuser().await;
    assert_eq!(
        count(&postgres, "SELECT count(*) FROM concerts WHERE id > 0").await,
        41
    );
    let all = "SELECT count(*) FROM reservations";
    assert_eq!(count(&postgres, all).await, 60_000);
    for statement in [
        "SELECT count(DISTINCT status) = 4 FROM reservations",
        "SELECT count(DISTINCT payment_status) = 4 FROM reservations",
        "SELECT count(DISTINCT concert_id) = 40 FROM reservations",
        "SELECT count(DISTINCT status) = 3 FROM concerts WHERE id > 0",
        "SELECT bool_and(customer_email LIKE '%example.com') FROM reservations",
        "SELECT bool_and((status = 'pending') <= (expires_at > created_at)) FROM reservations",
        "SELECT bool_and(created_at <= now() AT TIME ZONE 'utc') FROM reservations",
        "SELECT min(created_at) < now() - interval '300 days' FROM reservations",
        "SELECT reltuples = 60000 FROM pg_class WHERE relname = 'reservations'",
    ] {
        let row = postgres.query_one(statement, &[]).await.unwrap();
        assert!(row.get::<_, bool>(0), "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_made_up_in_production() {
    let database = TestDatabase::migrated().await;
    let done = Program::on(
        &database,
        &["seed", "--concerts", "1", "--reservations", "1"],
    )
    .env("DATABASE_OWNER_URL", &database.url(OWNER))
    .env("STAGEDOOR_ENV", "production")
    .run()
    .await;
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.stderr.contains("a database of its own"), "{done:?}");
    let postgres = database.superuser().await;
    assert_eq!(
        count(&postgres, "SELECT count(*) FROM concerts WHERE id > 0").await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn amounts_and_logins_that_do_not_fit_are_told_what_would() {
    let database = TestDatabase::migrated().await;
    for (concerts, reservations, said) in [
        ("0", "1", "must be 1 to 100000"),
        ("1", "100001", "at least 2 concerts"),
        ("x", "1", "--concerts"),
    ] {
        let done = seed(
            &database,
            &["--concerts", concerts, "--reservations", reservations],
        )
        .await;
        assert_eq!(done.code, 2, "{done:?}");
        assert!(done.stderr.contains(said), "{done:?}");
    }
    let arguments = ["seed", "--concerts", "1", "--reservations", "1"];
    let without_owner = Program::on(&database, &arguments).run().await;
    assert_eq!(without_owner.code, 2, "{without_owner:?}");
    assert!(without_owner.stderr.contains("DATABASE_OWNER_URL"));
    let as_server = Program::on(&database, &arguments)
        .env("DATABASE_OWNER_URL", &database.url(APP))
        .run()
        .await;
    assert_eq!(as_server.code, 2, "{as_server:?}");
    assert!(
        as_server.stderr.contains("stagedoor_owner"),
        "{as_server:?}"
    );
}
