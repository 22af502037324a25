//! The probe of real servers: killed in the middle, beside `doctor` and `audit verify`, and on a database
//! that sold before there was one.

use std::time::Duration;

use store::migrate;

use crate::support::program::Program;
use crate::support::wait::{LIMIT, eventually};
use crate::support::{NewConcert, OWNER, TestApp, TestDatabase, logins};

const LEFT: &str = "SELECT count(*) FROM reservations WHERE concert_id = 0";
const BEATS: &str = "SELECT count(*) FROM heartbeats WHERE task = 'write_probe'";
const SECRET: &str = "only-for-tests-and-32-characters-long";

async fn count(postgres: &tokio_postgres::Client, statement: &str) -> i64 {
    postgres.query_one(statement, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_server_left_is_cleared_by_the_next() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let hang = "
        CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_sleep(3); RETURN NEW; END';
        CREATE TRIGGER hang BEFORE UPDATE OF status ON reservations
            FOR EACH ROW EXECUTE FUNCTION hang()";
    postgres.batch_execute(hang).await.unwrap();
    let mut server = Program::serve(&database).await;
    eventually("a probe between its two halves", LIMIT, async || {
        count(&postgres, LEFT).await == 1
    })
    .await;
    server.signal("KILL");
    server.end(LIMIT).await;
    // What was under way when it died ends first.
    let cut = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
               WHERE datname = current_database() AND usename = 'stagedoor_app'";
    postgres.batch_execute(cut).await.unwrap();
    let mend = "DROP TRIGGER hang ON reservations; DROP FUNCTION hang()";
    postgres.batch_execute(mend).await.unwrap();
    assert_eq!(count(&postgres, LEFT).await, 1);
    assert_eq!(count(&postgres, BEATS).await, 0);
    let server = Program::serve(&database).await;
    eventually("a whole probe", LIMIT, async || {
        count(&postgres, BEATS).await == 1
    })
    .await;
    assert_eq!(count(&postgres, LEFT).await, 0);
    let whole = "SELECT (total_tickets - available_tickets)::bigint FROM concerts WHERE id = 0";
    assert_eq!(count(&postgres, whole).await, 0);
    let ready = format!("{}/readyz?for=writes", server.site());
    assert_eq!(reqwest::get(ready).await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_and_the_log_hold_while_servers_probe() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let serve = async || {
        let program = Program::on(&database, &["serve"]);
        program.env("STAGEDOOR_SECRET_KEY", SECRET).serving().await
    };
    let servers = [serve().await, serve().await];
    let third = "SELECT count(*) FROM heartbeats WHERE task = 'write_probe'
                 AND beat_at > $1::text::timestamp + interval '19 seconds'";
    let first = async || -> Option<String> {
        let beat = "SELECT beat_at::text FROM heartbeats WHERE task = 'write_probe'";
        let row = postgres.query_opt(beat, &[]).await.unwrap();
        row.map(|row| row.get(0))
    };
    eventually("a probe", LIMIT, async || first().await.is_some()).await;
    let first = first().await.unwrap();
    eventually("the third probe", LIMIT, async || {
        let row = postgres.query_one(third, &[&first]).await.unwrap();
        row.get::<_, i64>(0) == 1
    })
    .await;
    let mut probes = 0.0;
    for server in &servers {
        let metrics = reqwest::get(server.metrics()).await.unwrap();
        let metrics = metrics.text().await.unwrap();
        let value = |name: &str| -> f64 {
            let line = metrics.lines().find(|line| line.starts_with(name));
            let number = line.and_then(|line| line.rsplit(' ').next());
            number.map_or(0.0, |number| number.parse().unwrap())
        };
        probes += value("stagedoor_write_probe_seconds_count");
        assert!(value("stagedoor_write_probe_success_timestamp_seconds ") > 0.0);
        for outcome in ["admitted", "cancelled", "failed"] {
            let name = format!("stagedoor_reservations_total{{outcome=\"{outcome}\"}}");
            assert!(value(&name) < 0.5, "{name}");
        }
    }
    assert!((3.0..4.5).contains(&probes), "{probes} of both together");
    let verify = Program::on(&database, &["audit", "verify", "--json"]);
    let verified = verify.env("STAGEDOOR_SECRET_KEY", SECRET).run().await;
    assert_eq!(verified.code, 0, "{verified:?}");
    let doctor = Program::on(&database, &["doctor", "--json"]);
    let report = doctor
        .env("STAGEDOOR_SECRET_KEY", SECRET)
        .run()
        .await
        .json();
    let findings = report["findings"].as_array().unwrap();
    let stock = findings.iter().find(|finding| finding["id"] == "inventory");
    assert_eq!(stock.unwrap()["severity"], "info", "{report}");
    let log = "SELECT count(*) FROM audit_logs";
    assert_eq!(count(&postgres, log).await, 0, "nothing was done");
}

/// The concert comes by a migration, to whatever was sold before.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_sold_before_gets_the_probes_concert() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        app.reserved(concert, 2, "som").await;
        let without = "
            DROP TRIGGER reservations_keep_probe ON reservations;
            DROP FUNCTION refuse_probe_move(), clear_write_probe();
            SET session_replication_role = replica;
            DELETE FROM concerts WHERE id = 0;
            RESET session_replication_role;
            DELETE FROM refinery_schema_history WHERE version = 29";
        app.postgres.batch_execute(without).await.unwrap();
        let log = "SELECT count(*) FROM audit_logs";
        let before = app.count(log).await;
        let migrated = migrate::migrate(&app.database.url(OWNER), &logins()).await;
        assert_eq!(migrated.unwrap().migrations, ["V29__create_write_probe"]);
        assert_eq!(app.count(log).await, before, "nobody is told of it");
        // Whoever makes the next concert gets the next number.
        assert_eq!(app.plant(NewConcert::default()).await, concert + 1);
        app.clock.advance(Duration::from_secs(10));
        super::begun(app).await;
        assert_eq!(app.available(concert).await, 98);
        app.clock.advance(Duration::from_secs(10));
        super::tried(&app.app).await;
    })
    .await;
}
