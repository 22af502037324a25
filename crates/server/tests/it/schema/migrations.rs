//! Migrating: twice, two at once, and a schema that is newer than the program.

use store::migrate::{self, MigrateError, SchemaState};

use super::{count, dump};
use crate::support::program::Program;
use crate::support::{OWNER, TestDatabase, logins};

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
