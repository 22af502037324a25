//! What the server and `doctor` see of backups and of the log, and what must not deceive them.

use std::fs;
use std::os::unix::fs::FileExt as _;

use app::backups;
use jiff::{SignedDuration, Timestamp};

use crate::support::Options;
use crate::support::TestDatabase;
use crate::support::backup_lab::BackupLab;
use crate::support::own_cluster::OwnCluster;

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_never_archived_does_not_look_healthy() {
    let settings = [
        ("archive_mode", "on"),
        ("archive_command", ""),
        ("archive_timeout", "1s"),
    ];
    let cluster = OwnCluster::start_with("unarchived", &settings).await;
    let app = cluster.app(Options::default()).await;
    let postgres = cluster.superuser().await;
    let set = async |name: &str, value: &str| {
        let set = format!("ALTER SYSTEM SET {name} = '{value}'");
        postgres.batch_execute(&set).await.unwrap();
        postgres
            .batch_execute("SELECT pg_reload_conf(), pg_sleep(0.5)")
            .await
            .unwrap();
    };
    let none = backups::state(&app.app).await.unwrap();
    assert!(!none.archiving.is_on, "{none:?}");
    assert!(!none.archiving.is_position_known, "{none:?}");
    // An archiver that hangs neither succeeds nor fails.
    set("archive_command", "sleep 20").await;
    postgres.batch_execute("SELECT pg_sleep(3)").await.unwrap();
    let hung = backups::state(&app.app).await.unwrap();
    assert!(
        hung.archiving.is_on && !hung.archiving.is_failing,
        "{hung:?}"
    );
    assert!(hung.archive_age().as_secs() >= 3, "{hung:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_a_clock_that_is_far_ahead_hides_nothing() {
    let app =
        crate::support::TestApp::start(TestDatabase::migrated().await, Options::default()).await;
    let now = app.app.ctx().now();
    let insert = async |is_ok: bool, hours: i64| {
        let at: Timestamp = now + SignedDuration::from_hours(hours);
        let statement = format!(
            "INSERT INTO backup_runs (kind, repo, started_at, finished_at, is_ok)
             VALUES ('full', 1, timestamptz '{at}' AT TIME ZONE 'utc',
                     timestamptz '{at}' AT TIME ZONE 'utc', {is_ok})"
        );
        app.postgres.batch_execute(&statement).await.unwrap();
    };
    insert(true, 24 * 365).await;
    insert(true, -30).await;
    insert(false, -1).await;
    let state = backups::state(&app.app).await.unwrap();
    let last = state.last_backup(1).unwrap().finished_at;
    assert_eq!(now.duration_since(last).as_hours(), 30, "{state:?}");
    assert_eq!(state.failures().len(), 1, "{state:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_damaged_pages_is_no_good_one() {
    let Some(lab) = BackupLab::start("pages").await else {
        return;
    };
    let postgres = lab.cluster.superuser().await;
    let plant = "CREATE TABLE spoilt AS SELECT generate_series(1, 2000) AS number";
    for statement in [plant, "CHECKPOINT"] {
        postgres.batch_execute(statement).await.unwrap();
    }
    let path = "SELECT pg_relation_filepath('spoilt')";
    let path: String = postgres.query_one(path, &[]).await.unwrap().get(0);
    let file = lab.cluster.0.data_folder().join(path);
    let file = fs::OpenOptions::new().write(true).open(file).unwrap();
    file.write_all_at(b"damage", 8192 + 5000).unwrap();

    let done = lab.run(&["run", "--json"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    let run = done.json()["runs"][0].clone();
    assert_eq!(run["ok"], false, "{run}");
    let label = run["label"].as_str().unwrap();
    assert!(done.stderr.contains("invalid page checksum"), "{done:?}");
    let told = format!("backup {label} has pages whose checksum is wrong");
    assert!(done.stderr.contains(&told), "{done:?}");
    let checked = lab.run(&["check"]).await;
    assert_eq!(checked.code, 1, "{checked:?}");
    assert!(checked.stdout.contains(&told), "{checked:?}");
    let findings = lab.doctor().await;
    let failed = format!("the last backup of backup {label} failed");
    assert!(findings.contains(&failed), "{findings}");
}
