//! Migrating: twice, two at once, and a schema that is newer than the program.

use std::time::{Duration, Instant};

use store::migrate::{self, MigrateError, SchemaState};

use super::{count, dump};
use crate::support::program::Program;
use crate::support::wait::{LIMIT, eventually};
use crate::support::{NewConcert, OWNER, TestApp, TestDatabase, logins};

const IS_SEARCHABLE: &str = "SELECT count(*) FROM pg_index
    WHERE indexrelid = to_regclass('public.reservations_search_idx') AND indisvalid";

#[tokio::test(flavor = "multi_thread")]
async fn migrating_twice_changes_nothing() {
    let database = TestDatabase::empty().await;
    let owner = database.url(OWNER);
    let first = migrate::migrate(&owner, &logins()).await.unwrap();
    let last = first.migrations.last().expect("a migration");
    let version = migrate::wanted_version();
    assert!(last.starts_with(&format!("V{version}__")), "{last}");
    let before = dump(&database);
    assert!(before.contains("CREATE TABLE public.concerts"), "{before}");
    assert!(before.contains("GRANT "), "{before}");
    let second = migrate::migrate(&owner, &logins()).await.unwrap();
    assert_eq!(second, migrate::Migrated::default());
    assert_eq!(dump(&database), before);
    let state = migrate::check(&owner).await.unwrap();
    assert_eq!(state, SchemaState::Current { version });
}

#[tokio::test(flavor = "multi_thread")]
async fn two_migrations_at_once_on_an_empty_database_both_succeed() {
    let database = TestDatabase::empty().await;
    let owner = database.url(OWNER);
    let logins = logins();
    let (one, other) = tokio::join!(
        migrate::migrate(&owner, &logins),
        migrate::migrate(&owner, &logins)
    );
    let mut applied = [
        one.unwrap().migrations.len(),
        other.unwrap().migrations.len(),
    ];
    applied.sort_unstable();
    let postgres = database.superuser().await;
    let all = count(&postgres, "SELECT count(*) FROM refinery_schema_history").await;
    let all = usize::try_from(all).unwrap();
    assert_eq!(applied, [0, all], "one waits for the other");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_left_alone() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let newer = "
        INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
        SELECT 99, 'from_tomorrow', applied_on, checksum FROM refinery_schema_history LIMIT 1";
    postgres.batch_execute(newer).await.unwrap();
    let before = dump(&database);
    let owner = database.url(OWNER);
    let refused = migrate::migrate(&owner, &logins()).await.unwrap_err();
    let MigrateError::Newer { version, wanted } = refused else {
        panic!("{refused}");
    };
    assert_eq!((version, wanted), (99, migrate::wanted_version()));
    let state = migrate::check(&owner).await.unwrap();
    assert_eq!(state, SchemaState::Newer { version, wanted });
    assert_eq!(dump(&database), before);
}

/// Servers are replaced one by one: whoever runs while a newer program migrates goes on, and nobody
/// starts on it any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_goes_on_when_a_newer_program_has_migrated() {
    let database = TestDatabase::migrated().await;
    let running = Program::serve(&database).await;
    let newer = "
        INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
        SELECT 99, 'from_tomorrow', applied_on, checksum FROM refinery_schema_history LIMIT 1";
    let postgres = database.superuser().await;
    postgres.batch_execute(newer).await.unwrap();
    for path in ["/readyz", "/readyz?for=writes"] {
        let answer = reqwest::get(format!("{}{path}", running.site())).await;
        assert_eq!(answer.unwrap().status(), 200, "{path}");
    }
    let late = Program::on(&database, &["serve"]).run().await;
    assert_eq!(late.code, 2, "{}", late.stderr);
    assert!(late.stderr.contains("newer"), "{}", late.stderr);
}

/// As `pg_stat_statements` is, which belongs to the superuser who installed it.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_extension_brought_into_the_schema_is_left_alone() {
    let database = TestDatabase::empty().await;
    let postgres = database.superuser().await;
    let extension = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public";
    postgres.batch_execute(extension).await.unwrap();
    let owner = database.url(OWNER);
    for _ in 0..2 {
        migrate::migrate(&owner, &logins()).await.unwrap();
    }
}

/// As on a managed PostgreSQL: the schema's name is taken, or the extension is somebody else's.
#[tokio::test(flavor = "multi_thread")]
async fn an_extension_that_is_there_already_is_used_where_it_is() {
    for before in [
        "CREATE SCHEMA extensions",
        "CREATE SCHEMA \"Exten sions\"; CREATE EXTENSION pg_trgm SCHEMA \"Exten sions\"",
        "CREATE EXTENSION pg_trgm SCHEMA public",
    ] {
        let database = TestDatabase::empty().await;
        let postgres = database.superuser().await;
        postgres.batch_execute(before).await.unwrap();
        let superuser = database.superuser_url();
        let migrated = migrate::migrate(&superuser, &logins()).await;
        migrated.unwrap_or_else(|error| panic!("{before}: {error}"));
        assert_eq!(count(&postgres, IS_SEARCHABLE).await, 1, "{before}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_whose_build_was_broken_off_is_built_anew() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let breaking = "UPDATE pg_index SET indisvalid = false
                    WHERE indexrelid = 'reservations_search_idx'::regclass";
    postgres.batch_execute(breaking).await.unwrap();
    assert_eq!(
        count(&postgres, "SELECT tidy_reservation_search()").await,
        0
    );
    let migrated = migrate::migrate(&database.url(OWNER), &logins()).await;
    assert_eq!(migrated.unwrap(), migrate::Migrated::default());
    assert_eq!(count(&postgres, IS_SEARCHABLE).await, 1);
}

/// The build waits for whoever was there before, and nobody waits for the build.
#[tokio::test(flavor = "multi_thread")]
async fn tickets_are_sold_while_the_searchs_index_is_built() {
    TestApp::run(async |app| {
        let large = NewConcert {
            tickets: 110_000,
            ..NewConcert::default()
        };
        let concert = app.plant(large).await;
        let time = Duration::from_mins(10);
        app.plant_holds(concert, 100_000, time).await;
        let drop_index = "DROP INDEX reservations_search_idx";
        app.postgres.batch_execute(drop_index).await.unwrap();
        let older = app.database.superuser().await;
        let begin = "BEGIN; UPDATE reservations SET customer_name = 'Nok'
                            WHERE id = 'RES7-00000000'";
        older.batch_execute(begin).await.unwrap();
        let owner = app.database.url(OWNER);
        let building =
            tokio::spawn(async move { migrate::migrate(&owner, &logins()).await.map(drop) });
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'
                         AND query LIKE '%CREATE INDEX CONCURRENTLY%'";
        eventually("a build that waits", LIMIT, async || {
            app.count(waiting).await > 0
        })
        .await;
        let (mut sold, mut slowest) = (0, Duration::ZERO);
        while !building.is_finished() {
            if sold == 5 {
                older.batch_execute("ROLLBACK").await.unwrap();
            }
            let asked = Instant::now();
            app.reserved(concert, 1, &format!("buyer-{sold}")).await;
            (sold, slowest) = (sold + 1, slowest.max(asked.elapsed()));
        }
        building.await.unwrap().unwrap();
        eprintln!("{sold} sold while the index was built, the slowest within {slowest:?}");
        assert!(sold > 5 && slowest < Duration::from_secs(2), "{slowest:?}");
        assert_eq!(app.count(IS_SEARCHABLE).await, 1);
    })
    .await;
}
