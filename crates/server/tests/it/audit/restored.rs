//! Restored copies: what came with them is sealed, in pages, and numbers of another cluster's
//! transactions are taken for what they are.

use std::process::{Command, Stdio};

use app::audit::{self, Wrong};
use tokio::task::block_in_place;
use tokio_postgres::Client;

use super::{KEEP, PUT_BACK, TAMPERING, key, seal, wrong};
use crate::support::own_cluster::OwnCluster;
use crate::support::wait::{LIMIT, eventually};
use crate::support::{NewConcert, Options, TestApp, cluster};

/// As in another cluster: what this one sealed was sealed by one whose number is another, and whose
/// transactions' numbers are far ahead.
const BECOME_A_COPY: &str = "
    UPDATE audit_logs SET tx = (tx::text::bigint + 100000000)::text::xid8;
    UPDATE audit_seals SET cluster_id = cluster_id + 1,
                           until_tx = (until_tx::text::bigint + 100000000)::text::xid8";
/// The same once more, from a cluster whose numbers are behind.
const BECOME_A_COPYS_COPY: &str = "
    UPDATE audit_seals SET cluster_id = cluster_id + 2
    WHERE cluster_id = (SELECT system_identifier FROM pg_control_system())";

/// A seal over two rows at most, as far as the next one looks at it.
const SEAL_TWO: &str = "
    INSERT INTO audit_seals (cluster_id, until_tx, until_id, row_ids, digests, mac, sealed_at)
    SELECT (SELECT system_identifier FROM pg_control_system()),
           (array_agg(page.tx ORDER BY page.n DESC))[1],
           (array_agg(page.id ORDER BY page.n DESC))[1], array_agg(page.id ORDER BY page.n),
           string_agg(page.digest, '\\x'::bytea ORDER BY page.n), sha256(''), now()
    FROM list_unsealed_audit_logs(2) WITH ORDINALITY AS page (id, tx, digest, written_at, n)
    HAVING count(*) > 0 RETURNING row_ids";

/// How often rows were covered that had a seal.
const TWICE: &str = "
    SELECT count(*) - count(DISTINCT covered) FROM audit_seals, unnest(row_ids) AS covered";

/// What one such seal covers; nothing if there is nothing to seal.
async fn seal_two(postgres: &Client) -> Vec<i32> {
    let sealed = postgres.query_opt(SEAL_TWO, &[]).await.unwrap();
    sealed.map_or_else(Vec::new, |row| row.get(0))
}

/// Rows that no seal covers, by looking at all of both.
async fn uncovered(postgres: &Client) -> Vec<i32> {
    let select = "SELECT id FROM audit_logs WHERE NOT EXISTS
                      (SELECT FROM audit_seals WHERE audit_logs.id = ANY (row_ids)) ORDER BY id";
    let rows = postgres.query(select, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn verified(app: &TestApp) -> (u64, bool) {
    let report = audit::verify(&app.app, &key(), &[]).await.unwrap();
    // What the first seal covers says which cluster made it, and so that one doesn't fit here.
    let is_first_seal = matches!(report.wrong, Some(audit::Wrong::Seal { seal: 1, .. }));
    (report.unsealed, is_first_seal)
}

/// Until nothing is told to wait; transactions of other databases that are under way delay it.
async fn seal_whatever_waits(app: &TestApp) {
    eventually("all is sealed", LIMIT, async || {
        audit::seal(&app.app, &key()).await.unwrap();
        verified(app).await == (0, true) && audit::unsealed(&app.app).await.unwrap().is_none()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_restored_copy_rows_wait_or_are_sealed_whatever_its_transactions_count() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        app.reserved(concert, 1, "som").await;
        seal(app, 3).await;
        app.reserved(concert, 1, "nok").await;
        app.postgres.batch_execute(BECOME_A_COPY).await.unwrap();
        app.reserved(concert, 1, "mai").await;
        // Its own rows have lower numbers than those that were sealed, and came after them.
        assert_eq!(verified(app).await, (4, true));
        assert!(audit::unsealed(&app.app).await.unwrap().is_some());
        seal_whatever_waits(app).await;
        app.reserved(concert, 1, "ton").await;
        assert_eq!(verified(app).await, (2, true));
        assert!(audit::unsealed(&app.app).await.unwrap().is_some());
        seal_whatever_waits(app).await;

        // Of what the first cluster had sealed no row is sealed again, though all have higher numbers.
        let copy = BECOME_A_COPYS_COPY;
        app.postgres.batch_execute(copy).await.unwrap();
        assert_eq!(audit::unsealed(&app.app).await.unwrap(), None);
        app.reserved(concert, 1, "eve").await;
        assert_eq!(verified(app).await, (2, true));
        seal_whatever_waits(app).await;
        let again = "SELECT count(*) FROM audit_seals WHERE 1 = ANY (row_ids)";
        assert_eq!(app.count(again).await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_copy_begins_with_is_sealed_in_pages_that_leave_nothing_out() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let other = app.plant(NewConcert::default()).await;
        app.reserved(concert, 1, "som").await;
        seal(app, 4).await;
        for buyer in ["nok", "mai", "ton"] {
            app.reserved(concert, 1, buyer).await;
        }
        app.postgres.batch_execute(BECOME_A_COPY).await.unwrap();
        // One that began before the first page and is over between two of them.
        let slow = app.database.superuser().await;
        let begin = format!("BEGIN; UPDATE concerts SET venue = 'Late' WHERE id = {other}");
        slow.batch_execute(&begin).await.unwrap();
        app.reserved(concert, 1, "eve").await;
        let waiting = uncovered(&app.postgres).await;
        assert_eq!(waiting.len(), 8);
        let (came, since) = waiting.split_at(6);
        for page in came.chunks(2) {
            assert_eq!(seal_two(&app.postgres).await, page);
            let left = uncovered(&app.postgres).await.len();
            assert_eq!(verified(app).await.0, left as u64);
        }
        assert_eq!(seal_two(&app.postgres).await, [0; 0]);
        assert_eq!(uncovered(&app.postgres).await, since);
        slow.batch_execute("COMMIT").await.unwrap();
        app.reserved(concert, 1, "dao").await;
        eventually("all is sealed", LIMIT, async || {
            seal_two(&app.postgres).await;
            let is_told = audit::unsealed(&app.app).await.unwrap().is_some();
            uncovered(&app.postgres).await.is_empty() && !is_told
        })
        .await;
        assert_eq!(app.count(TWICE).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_what_was_never_sealed_is_sealed_to_its_end() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        for buyer in ["som", "nok"] {
            app.reserved(concert, 1, buyer).await;
        }
        // Numbers of transactions that this cluster won't reach for years.
        app.postgres.batch_execute(BECOME_A_COPY).await.unwrap();
        let waiting = uncovered(&app.postgres).await;
        assert!(audit::unsealed(&app.app).await.unwrap().is_some());
        for page in waiting.chunks(2) {
            assert_eq!(seal_two(&app.postgres).await, page);
        }
        app.reserved(concert, 1, "mai").await;
        eventually("all is sealed", LIMIT, async || {
            seal_two(&app.postgres).await;
            let is_told = audit::unsealed(&app.app).await.unwrap().is_some();
            uncovered(&app.postgres).await.is_empty() && !is_told
        })
        .await;
        assert_eq!(app.count(TWICE).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_clusters_own_rows_begin_is_told_by_the_last_seal_from_elsewhere() {
    TestApp::run(async |app| {
        let floor = async |cluster: i64| -> i32 {
            let select = "SELECT find_audit_floor($1)";
            let row = app.postgres.query_one(select, &[&cluster]).await.unwrap();
            row.get(0)
        };
        assert_eq!(floor(1).await, i32::MIN);
        // A dump that came back to the cluster it was once taken from.
        for (cluster, rows, floors) in [
            (1, "{1,2}", [i32::MIN, 2, 2]),
            (2, "{3,5,4}", [5, 2, 5]),
            (1, "{6}", [5, 6, 6]),
            (1, "{8,7}", [5, 8, 8]),
        ] {
            let insert = format!(
                "INSERT INTO audit_seals (cluster_id, until_tx, until_id, row_ids, digests, mac,
                                          sealed_at)
                 SELECT {cluster}, '9', 9, rows, decode(repeat('00', 16 * cardinality(rows)), 'hex'),
                        sha256(''), now()
                 FROM CAST('{rows}' AS integer[]) AS rows"
            );
            app.postgres.batch_execute(&insert).await.unwrap();
            let told = [floor(1).await, floor(2).await, floor(3).await];
            assert_eq!(told, floors, "{cluster} {rows}");
        }
    })
    .await;
}

/// As `pg_dump` of one cluster and `psql` into another do it.
fn restore(from: &str, to: &str) {
    let programs = cluster().programs();
    let mut dump = Command::new(programs.path("pg_dump"))
        .args(["--clean", "--if-exists", from])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let restored = Command::new(programs.path("psql"))
        .args(["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", to])
        .stdin(dump.stdout.take().unwrap())
        .stdout(Stdio::null())
        .status();
    assert!(dump.wait().unwrap().success());
    assert!(restored.unwrap().success());
}

/// Does what a superuser may to a sealed log, and looks whether it is found.
async fn is_proof(app: &TestApp, tampering: &[(&str, Wrong)]) {
    assert_eq!(wrong(app).await, None);
    for (change, found) in tampering {
        app.postgres.batch_execute(KEEP).await.unwrap();
        app.postgres.batch_execute(change).await.unwrap();
        assert_eq!(wrong(app).await, Some(*found), "{change}");
        app.postgres.batch_execute(PUT_BACK).await.unwrap();
        assert_eq!(wrong(app).await, None, "{change}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_in_another_cluster_is_proof_at_once_and_sealed_on() {
    TestApp::run(async |app| {
        // The other cluster's transactions are far ahead.
        let burn = "DO $$ BEGIN FOR i IN 1..20000 LOOP
                        PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$";
        app.postgres.batch_execute(burn).await.unwrap();
        let concert = app.plant(NewConcert::default()).await;
        for buyer in ["som", "nok", "mai", "ton"] {
            app.reserved(concert, 1, buyer).await;
        }
        seal(app, 9).await;
        app.reserved(concert, 1, "eve").await;

        let other = OwnCluster::start("restored").await;
        let (from, to) = (app.database.superuser_url(), other.superuser_url());
        block_in_place(|| restore(&from, &to));
        let copy = other.app(Options::default()).await;
        let ahead = "SELECT count(*) FROM audit_logs
                     WHERE tx > pg_snapshot_xmax(pg_current_snapshot())";
        assert_eq!(copy.count(ahead).await, 11);
        copy.reserved(concert, 1, "dao").await;
        let unsealed = async || {
            audit::verify(&copy.app, &key(), &[])
                .await
                .unwrap()
                .unsealed
        };
        assert_eq!(unsealed().await, 4, "two came with it, and two since");
        // All but a whole seal that is gone, which nothing tells until the next one.
        let (all_but_one, _) = TAMPERING.split_at(5);
        is_proof(&copy, all_but_one).await;

        let seal_all = async |rows: usize| {
            seal(&copy, rows).await;
            assert_eq!(unsealed().await, 0);
            assert_eq!(audit::unsealed(&copy.app).await.unwrap(), None);
        };
        seal_all(4).await;
        is_proof(&copy, TAMPERING).await;
        copy.reserved(concert, 1, "pim").await;
        assert_eq!(unsealed().await, 2);
        seal_all(2).await;
        is_proof(&copy, TAMPERING).await;
        let since: &[(&str, Wrong)] = &[
            (
                "UPDATE audit_logs SET actor = 'x' WHERE id = 11",
                Wrong::Changed(11),
            ),
            ("DELETE FROM audit_logs WHERE id = 15", Wrong::Removed(15)),
            (
                "UPDATE audit_logs SET id = -id, tx = '999999999' WHERE id = 10",
                Wrong::Inserted(-10),
            ),
        ];
        is_proof(&copy, since).await;
    })
    .await;
}
