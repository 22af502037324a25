//! The statements on jobs, as they are written: their indexes, and the lock that keeps two workers
//! apart.

use tokio_postgres::{Client, SimpleQueryMessage};

use crate::support::TestDatabase;
use crate::support::wait::{LIMIT, eventually, within_limit};

const STATEMENTS: &str = include_str!("../../../../store/queries/jobs.sql");

/// A week of done jobs, some dead ones, an hour's backlog and a day of jobs for later.
const A_WEEK_OF_DATA: &str = "
    INSERT INTO jobs (task, payload, status, run_at, attempts, attempts_max, finished_at)
    SELECT 'send_mail', '{}', CASE WHEN n % 100 = 0 THEN 'dead' ELSE 'done' END, at, 1, 25, at
    FROM generate_series(1, 50000) n, LATERAL (SELECT '2026-11-22'::timestamp - n * interval '12 s') t (at);
    INSERT INTO jobs (task, payload, dedup_key, run_at, attempts_max)
    SELECT 'send_mail', '{}', n, '2026-11-22'::timestamp + n * interval '12 s', 25
    FROM generate_series(-300, 7200) n;";

#[tokio::test(flavor = "multi_thread")]
async fn statements_on_jobs_use_the_indexes_that_they_name() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    postgres.batch_execute(A_WEEK_OF_DATA).await.unwrap();
    postgres.batch_execute("ANALYZE jobs").await.unwrap();
    for name in ["take", "list_oldest", "delete_finished"] {
        let explain = format!("EXPLAIN {}", statement(name));
        let mut plan = String::new();
        for message in postgres.simple_query(&explain).await.unwrap() {
            if let SimpleQueryMessage::Row(row) = message {
                plan = plan + row.get(0).unwrap() + "\n";
            }
        }
        let is_indexed =
            plan.contains("jobs_task_run_at_idx") || plan.contains("jobs_finished_at_idx");
        assert!(is_indexed && !plan.contains("Seq Scan"), "{name}\n{plan}");
    }
}

/// Blocks that a statement reads where thousands of jobs of another task are due.
async fn blocks_beside_a_backlog(database: &TestDatabase, statement: &str) -> u64 {
    let postgres = database.superuser().await;
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {statement}");
    let messages = postgres.simple_query(&explain).await.unwrap();
    let lines = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    // The first line of its kind has the sum.
    let mut read = lines.filter_map(|line| line.trim().strip_prefix("Buffers: shared "));
    let read = read.next().expect("what was read");
    let counts = read.split(' ').filter_map(|part| part.split_once('='));
    counts
        .map(|(_, blocks)| blocks.parse::<u64>().unwrap())
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backlog_of_one_task_is_not_read_to_find_another() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let backlog = "INSERT INTO jobs (task, payload, dedup_key, run_at, attempts_max)
                   SELECT 'send_mail', '{}', n, '2026-11-21', 25 FROM generate_series(1, 20000) n";
    postgres.batch_execute(backlog).await.unwrap();
    postgres.batch_execute("VACUUM ANALYZE jobs").await.unwrap();
    let of_another = statement("take").replace("send_mail", "payment.open");
    let of_both = "ARRAY['payment.open', 'send_mail']";
    let oldest = statement("list_oldest").replace("ARRAY['send_mail']", of_both);
    for statement in [of_another, oldest] {
        let blocks = blocks_beside_a_backlog(&database, &statement).await;
        assert!(blocks < 30, "{blocks} blocks\n{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_lock_keeps_a_job_from_being_taken_twice() {
    let guarded = statement("take");
    let unguarded = guarded.replace("FOR UPDATE SKIP LOCKED", "");
    assert_ne!(unguarded, guarded);
    assert_eq!(taken_by_two(unguarded).await, [1, 1], "the guard is off");
    assert_eq!(taken_by_two(guarded).await, [1, 0]);
}

/// How many jobs each of two workers takes of one, the second before the first has committed.
async fn taken_by_two(take: String) -> [usize; 2] {
    let database = TestDatabase::migrated().await;
    let [first, second, watcher] = [
        database.superuser().await,
        database.superuser().await,
        database.superuser().await,
    ];
    let plant = "INSERT INTO jobs (task, payload, run_at, attempts_max)
                 VALUES ('send_mail', '{}', '2026-11-21', 25)";
    first.batch_execute(plant).await.unwrap();
    first.batch_execute("BEGIN").await.unwrap();
    let of_first = rows(&first, &take).await;
    let taking = tokio::spawn(async move { rows(&second, &take).await });
    let waiting = "SELECT 1 FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("the second waits or is done", LIMIT, async || {
        taking.is_finished() || !watcher.query(waiting, &[]).await.unwrap().is_empty()
    })
    .await;
    first.batch_execute("COMMIT").await.unwrap();
    let of_second = within_limit("the second", taking).await.unwrap();
    [of_first, of_second]
}

async fn rows(postgres: &Client, statement: &str) -> usize {
    let messages = postgres.simple_query(statement).await.unwrap();
    let is_row = |message: &&SimpleQueryMessage| matches!(message, SimpleQueryMessage::Row(_));
    messages.iter().filter(is_row).count()
}

/// A statement with values in place of its parameters.
fn statement(name: &str) -> String {
    let (_, text) = STATEMENTS
        .split_once(&format!("--! {name}"))
        .expect("a statement");
    let (text, _) = text.split_once(';').expect("its end");
    let (_, text) = text.split_once('\n').expect("its beginning");
    let now = "'2026-11-22'::timestamp";
    [
        (":tasks", "ARRAY['send_mail']"),
        (":now", now),
        (":leased_until", now),
        (":done_before", "'2026-11-16'::timestamp"),
        (":dead_before", "'2026-08-22'::timestamp"),
        (":limit", "4"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (parameter, value)| {
        text.replace(parameter, value)
    })
}
