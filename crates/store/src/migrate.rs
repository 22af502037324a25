//! Brings a database's schema, roles and grants up to date, or says how far behind they are.
//!
//! Migrations are forward only; a running older server must survive each of them.

use std::cmp::Ordering;
use std::time::{Duration, Instant};

use refinery::{Migration, Runner};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::connection::Connection;
use crate::endpoint::{ConnectError, Endpoint, InvalidUrl};
use crate::error::{StoreError, with_causes};
use crate::generated::queries::monitor;
use crate::pool::{self, Pool};
use crate::roles;
pub use crate::roles::Login;

/// Every migration: its number and name, and its text.
const MIGRATIONS: &[(&str, &str)] = &[
    (
        "V1__create_specified_tables",
        include_str!("../migrations/0001_create_specified_tables.sql"),
    ),
    (
        "V2__create_admission_receipts",
        include_str!("../migrations/0002_create_admission_receipts.sql"),
    ),
    (
        "V3__add_hold_keeping",
        include_str!("../migrations/0003_add_hold_keeping.sql"),
    ),
    (
        "V4__create_jobs",
        include_str!("../migrations/0004_create_jobs.sql"),
    ),
    (
        "V5__guard_and_audit_rows",
        include_str!("../migrations/0005_guard_and_audit_rows.sql"),
    ),
    (
        "V6__add_staff_sign_in",
        include_str!("../migrations/0006_add_staff_sign_in.sql"),
    ),
    (
        "V7__follow_audit_changes",
        include_str!("../migrations/0007_follow_audit_changes.sql"),
    ),
    (
        "V8__audit_second_factors_and_open_setup",
        include_str!("../migrations/0008_audit_second_factors_and_open_setup.sql"),
    ),
    (
        "V9__tell_the_request_of_a_sale",
        include_str!("../migrations/0009_tell_the_request_of_a_sale.sql"),
    ),
    (
        "V10__follow_audit_past_a_restore",
        include_str!("../migrations/0010_follow_audit_past_a_restore.sql"),
    ),
    (
        "V11__show_standbys_to_the_server",
        include_str!("../migrations/0011_show_standbys_to_the_server.sql"),
    ),
    (
        "V12__create_backup_runs",
        include_str!("../migrations/0012_create_backup_runs.sql"),
    ),
    (
        "V13__tell_looks_at_the_log_apart",
        include_str!("../migrations/0013_tell_looks_at_the_log_apart.sql"),
    ),
    (
        "V14__create_payments",
        include_str!("../migrations/0014_create_payments.sql"),
    ),
    (
        "V15__create_tickets",
        include_str!("../migrations/0015_create_tickets.sql"),
    ),
    (
        "V16__create_mails",
        include_str!("../migrations/0016_create_mails.sql"),
    ),
    (
        "V17__create_customer_sign_in",
        include_str!("../migrations/0017_create_customer_sign_in.sql"),
    ),
    (
        "V18__create_audit_erasures",
        include_str!("../migrations/0018_create_audit_erasures.sql"),
    ),
    (
        "V19__find_stuck_refunds",
        include_str!("../migrations/0019_find_stuck_refunds.sql"),
    ),
    (
        "V20__create_staff_runs",
        include_str!("../migrations/0020_create_staff_runs.sql"),
    ),
    (
        "V21__search_reservations",
        include_str!("../migrations/0021_search_reservations.sql"),
    ),
    (
        "V22__erase_what_was_searched_for",
        include_str!("../migrations/0022_erase_what_was_searched_for.sql"),
    ),
    (
        "V23__tell_cancelled_concerts",
        include_str!("../migrations/0023_tell_cancelled_concerts.sql"),
    ),
    (
        "V24__sum_sales_by_day",
        include_str!("../migrations/0024_sum_sales_by_day.sql"),
    ),
    (
        "V25__find_jobs_by_task",
        include_str!("../migrations/0025_find_jobs_by_task.sql"),
    ),
    (
        "V26__keep_health_figures",
        include_str!("../migrations/0026_keep_health_figures.sql"),
    ),
    (
        "V27__list_acts_of_people",
        include_str!("../migrations/0027_list_acts_of_people.sql"),
    ),
    (
        "V28__settle_stuck_refunds",
        include_str!("../migrations/0028_settle_stuck_refunds.sql"),
    ),
    (
        "V29__create_write_probe",
        include_str!("../migrations/0029_create_write_probe.sql"),
    ),
];

/// Taken for the whole run, so that two `migrate` commands on one database wait for each other.
const ADVISORY_LOCK: i64 = 0x7374_6167_6564_6f6f;

const OPTIONS: &str = "-c timezone=UTC -c client_min_messages=warning";
/// Whoever waits for another `migrate` gives up after a minute, and asks so often until then.
const TURN_WITHIN: Duration = Duration::from_mins(1);
const TURN_EVERY: Duration = Duration::from_millis(200);
/// Every sale would queue behind a migration that queues behind a long reader, so it gives up soon.
const TABLE_LOCK_TIMEOUT: &str = "SET lock_timeout = '5s'";
/// What is done after the migrations waits for transactions that are older, and nobody waits for it.
const LASTING_LOCK_TIMEOUT: &str = "SET lock_timeout = '30min'";
/// Statements that may run in no transaction, each to be sent alone.
const AFTER_MIGRATIONS: &str = include_str!("../after_migrations.sql");
/// Those of its indexes whose build was broken off: such a one is kept up, and serves no query.
const BROKEN_INDEXES: &str = "
    SELECT 'DROP INDEX CONCURRENTLY IF EXISTS ' || indexrelid::regclass FROM pg_index
    WHERE NOT indisvalid
      AND indexrelid IN (to_regclass('public.reservations_search_idx'),
                         to_regclass('public.payments_by_hand_idx'),
                         to_regclass('public.audit_logs_concerts_idx'))";
/// A migration's login may take as long as an operator is ready to wait.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How a database's schema compares with the one this binary was built for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaState {
    Current {
        version: i32,
    },
    /// Run `stagedoor migrate`. Version 0: nothing was ever migrated.
    Behind {
        version: i32,
        wanted: i32,
    },
    /// A newer binary migrated it; this one must not touch it.
    Newer {
        version: i32,
        wanted: i32,
    },
}

/// What a run of [`migrate`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Migrated {
    pub migrations: Vec<String>,
    pub roles: Vec<&'static str>,
}

#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error(transparent)]
    Url(#[from] InvalidUrl),
    #[error("the database can't be reached: {0}")]
    Connect(#[from] ConnectError),
    #[error("the database refused: {}", with_causes(.0))]
    Database(#[from] tokio_postgres::Error),
    #[error("a migration failed and was rolled back: {}", with_causes(.0))]
    Migration(#[from] refinery::Error),
    #[error(
        "another `stagedoor migrate` is under way on this database; run this one when it is done"
    )]
    Crowded,
    #[error(
        "the schema is current, but what is done behind the migrations isn't: {}; \
         run `stagedoor migrate` again",
        with_causes(.0)
    )]
    AfterMigrations(#[source] tokio_postgres::Error),
    #[error(
        "the schema is at version {version}, newer than this program's {wanted}; install the newer stagedoor"
    )]
    Newer { version: i32, wanted: i32 },
    #[error(
        "this login may not create the database roles ({detail}); \
         let a superuser run `stagedoor migrate` once, or give it CREATEROLE"
    )]
    Roles { detail: String },
}

/// The version this binary was built for: the number of the last migration.
pub fn wanted_version() -> i32 {
    MIGRATIONS
        .last()
        .and_then(|(name, _)| name[1..].split_once("__")?.0.parse().ok())
        .unwrap_or(0)
}

/// Creates roles, migrates and grants, under an advisory lock. Safe to run again.
///
/// `owner_url` names `stagedoor_owner`, or a superuser, who then acts as `stagedoor_owner`.
pub async fn migrate(owner_url: &str, logins: &[Login]) -> Result<Migrated, MigrateError> {
    let mut client = connect(owner_url).await?;
    take_turn(&client).await?;
    client.batch_execute(TABLE_LOCK_TIMEOUT).await?;
    let roles = roles::create_missing(&client, logins)
        .await
        .map_err(role_error)?;
    become_owner(&client).await?;
    let version = read_version(&client).await?;
    if let SchemaState::Newer { version, wanted } = compare(version) {
        return Err(MigrateError::Newer { version, wanted });
    }
    let report = Runner::new(&migrations()?).run_async(&mut client).await?;
    roles::apply_grants(&client).await?;
    let finished = finish(&client).await;
    finished.map_err(MigrateError::AfterMigrations)?;
    let names = report
        .applied_migrations()
        .iter()
        .map(ToString::to_string)
        .collect();
    Ok(Migrated {
        migrations: names,
        roles,
    })
}

/// Waits without waiting in the database: that would keep a snapshot, for whose end the other one's
/// build of an index would wait in turn.
async fn take_turn(client: &Client) -> Result<(), MigrateError> {
    let until = Instant::now() + TURN_WITHIN;
    loop {
        let ask = "SELECT pg_try_advisory_lock($1)";
        if client.query_one(ask, &[&ADVISORY_LOCK]).await?.get(0) {
            return Ok(());
        }
        if Instant::now() >= until {
            return Err(MigrateError::Crowded);
        }
        tokio::time::sleep(TURN_EVERY).await;
    }
}

async fn finish(client: &Client) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(LASTING_LOCK_TIMEOUT).await?;
    for drop in client.query(BROKEN_INDEXES, &[]).await? {
        client.batch_execute(drop.get(0)).await?;
    }
    for statement in AFTER_MIGRATIONS.split(";\n") {
        client.batch_execute(statement).await?;
    }
    Ok(())
}

/// Compares the schema without changing anything.
pub async fn check(url: &str) -> Result<SchemaState, MigrateError> {
    let client = connect(url).await?;
    Ok(compare(read_version(&client).await?))
}

/// The same through a pool, for a server at its start and whenever it is asked.
pub async fn check_with(pool: &Pool) -> Result<SchemaState, StoreError> {
    find_state(&*pool.get().await?).await
}

/// The same on a connection, to a replica as well.
pub async fn find_state(connection: &Connection) -> Result<SchemaState, StoreError> {
    let has_history = monitor::has_history().bind(connection).one().await?;
    let version = if has_history {
        monitor::schema_version().bind(connection).one().await?
    } else {
        0
    };
    Ok(compare(version))
}

fn migrations() -> Result<Vec<Migration>, refinery::Error> {
    MIGRATIONS
        .iter()
        .map(|(name, sql)| Migration::unapplied(name, sql))
        .collect()
}

fn role_error(error: tokio_postgres::Error) -> MigrateError {
    if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) {
        MigrateError::Roles {
            detail: with_causes(&error),
        }
    } else {
        MigrateError::Database(error)
    }
}

fn compare(version: i32) -> SchemaState {
    let wanted = wanted_version();
    match version.cmp(&wanted) {
        Ordering::Equal => SchemaState::Current { version },
        Ordering::Less => SchemaState::Behind { version, wanted },
        Ordering::Greater => SchemaState::Newer { version, wanted },
    }
}

async fn read_version(client: &Client) -> Result<i32, tokio_postgres::Error> {
    let history = "SELECT to_regclass('public.refinery_schema_history') IS NOT NULL";
    if !client.query_one(history, &[]).await?.get::<_, bool>(0) {
        return Ok(0);
    }
    let version = "SELECT coalesce(max(version), 0)::int FROM refinery_schema_history";
    Ok(client.query_one(version, &[]).await?.get(0))
}

/// A superuser hands the database to `stagedoor_owner`, who alone can say who may use it, and acts
/// as it; the owner goes on as itself.
async fn become_owner(client: &Client) -> Result<(), tokio_postgres::Error> {
    let who = "SELECT current_user = $1, rolsuper FROM pg_roles WHERE rolname = current_user";
    let row = client.query_one(who, &[&roles::OWNER]).await?;
    if row.get::<_, bool>(0) {
        return Ok(());
    }
    if row.get::<_, bool>(1) {
        let owner = roles::OWNER;
        let hand_over = format!(
            "DO $$ BEGIN
                 EXECUTE format('ALTER DATABASE %I OWNER TO {owner}', current_database());
                 EXECUTE coalesce((
                     SELECT format('GRANT USAGE ON SCHEMA %I TO {owner}', n.nspname)
                     FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                     WHERE e.extname = 'pg_trgm'
                       AND NOT has_schema_privilege('{owner}', n.oid, 'USAGE')), 'SELECT 1');
             END $$;
             ALTER SCHEMA public OWNER TO {owner}"
        );
        client.batch_execute(&hand_over).await?;
    }
    client
        .batch_execute(&format!("SET ROLE {}", roles::OWNER))
        .await
}

async fn connect(url: &str) -> Result<Client, MigrateError> {
    let endpoint = Endpoint::to_primary(url)?.named(pool::APPLICATION_NAME, OPTIONS);
    let connecting = tokio::time::timeout(CONNECT_TIMEOUT, endpoint.connect());
    let (client, socket) = connecting.await.unwrap_or(Err(ConnectError::Timeout))?;
    tokio::spawn(async move {
        if let Err(error) = socket.await {
            tracing::debug!(%error, "owner's connection ended");
        }
    });
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_file_is_listed_in_order() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let listed: Vec<String> = MIGRATIONS
            .iter()
            .map(|(name, _)| {
                let (number, name) = name[1..].split_once("__").unwrap();
                format!("{number:0>4}_{name}.sql")
            })
            .collect();
        assert_eq!(files, listed);
        let last = files.last().unwrap();
        assert!(last.starts_with(&format!("{:0>4}_", wanted_version())));
    }
}
