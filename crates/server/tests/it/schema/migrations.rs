//! Migrating: twice, two at once, and a schema that is newer than the program.

use store::migrate::{self, MigrateError, SchemaState};

use super::{count, dump};
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
