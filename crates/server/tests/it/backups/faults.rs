//! What breaks while tickets are sold: it is told by exit code, `doctor` and metrics, and sales go on.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use reqwest::Client;
use rustix::fs::{FlockOperation, flock};
use serde_json::json;

use super::{files, is_segment, plant, serve, spoil};
use crate::support::backup_lab::BackupLab;
use crate::support::program::Started;
use crate::support::small_disk::SmallDisk;
use crate::support::wait::{LIMIT, eventually};

/// A server that sells beside a fault.
struct Shop {
    served: Started,
    concert: i32,
    client: Client,
}

impl Shop {
    async fn open(lab: &BackupLab) -> Self {
        Self {
            served: serve(lab).await,
            concert: plant(lab).await,
            client: Client::new(),
        }
    }

    async fn sell(&self, key: &str) {
        let wish = json!({
            "concert_id": self.concert,
            "quantity": 1,
            "customer_name": "Ada",
            "customer_email": format!("{key}@example.com"),
        });
        let url = format!("{}/api/v1/reservations", self.served.site());
        let request = self.client.post(url).json(&wish);
        let answer = request.header("idempotency-key", key).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{key}");
    }

    async fn figure(&self, series: &str) -> Option<f64> {
        let answer = self.client.get(self.served.metrics()).send().await.unwrap();
        let shown = answer.text().await.unwrap();
        let line = shown.lines().find_map(|line| line.strip_prefix(series));
        line.and_then(|value| value.trim().parse().ok())
    }

    async fn until(&self, series: &str, is_so: impl Fn(f64) -> bool) {
        eventually(series, LIMIT, async || {
            self.figure(series).await.is_some_and(&is_so)
        })
        .await;
    }
}

fn failed(kind: &str, repo: i32) -> String {
    format!("stagedoor_backup_last_failure_timestamp_seconds{{repo=\"{repo}\",type=\"{kind}\"}}")
}

/// What every push and every asynchronous get of the running system waits for.
async fn hold_lock_of_archive(lab: &BackupLab) -> fs::File {
    let path = lab.path("lock/stagedoor-archive-1.lock");
    let mut held = None;
    eventually("the lock of the archive", LIMIT, async || {
        let mut options = fs::File::options();
        let Ok(file) = options.write(true).create(true).truncate(false).open(&path) else {
            return false;
        };
        // Who lets it go removes the file, and whoever is quick has one that nobody sees.
        let is_held = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
        let is_there =
            fs::metadata(&path).is_ok_and(|it| it.ino() == file.metadata().unwrap().ino());
        if is_held && is_there {
            lab.give(&path);
            held = Some(file);
        }
        held.is_some()
    })
    .await;
    held.unwrap()
}

fn last_archived(lab: &BackupLab) -> String {
    let all = files(&lab.path("repo1"));
    let segments = all.iter().filter(|path| is_segment(path));
    let names = segments.map(|path| path.file_name().unwrap().to_str().unwrap()[..24].to_owned());
    names.max().unwrap()
}

async fn is_told(lab: &BackupLab, words: &[&str]) {
    let findings = lab.doctor().await;
    for word in words {
        assert!(findings.contains(word), "{word:?}: {findings}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_and_a_withheld_log_are_told_while_tickets_are_sold() {
    let Some(lab) = BackupLab::start("faults").await else {
        return;
    };
    let shop = Shop::open(&lab).await;
    lab.report(&["run", "--json"]).await;
    for sale in 0..3 {
        shop.sell(&format!("sale-{sale}")).await;
        lab.archive().await;
    }
    let all = files(&lab.path("repo1"));
    let (file, whole) = spoil(&all);
    let done = lab.run(&["check"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stdout.contains("make a full backup now"), "{done:?}");
    is_told(
        &lab,
        &[
            "\"error\" \"repository 1: the last check failed",
            "status: invalid",
        ],
    )
    .await;
    shop.until(&failed("check", 1), |at| at > 1.0e9).await;
    shop.sell("beside-damage").await;
    // The log alone is well, which makes the damage no better.
    lab.report(&["check", "--log", "--json"]).await;
    is_told(&lab, &["status: invalid"]).await;
    fs::write(file, whole).unwrap();

    let mut log: Vec<_> = all.iter().filter(|path| is_segment(path)).collect();
    log.sort();
    let segment = log[log.len() - 2];
    let away = lab.path("withheld");
    fs::rename(segment, &away).unwrap();
    let done = lab.run(&["check", "--log"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stdout.contains("has a gap between"), "{done:?}");
    assert!(done.stdout.contains("from which on every time"), "{done:?}");
    is_told(
        &lab,
        &[
            "\"error\"",
            "has a gap between",
            "stagedoor backup check --log --repo 1",
        ],
    )
    .await;
    shop.sell("beside-a-gap").await;
    shop.until(&failed("log", 1), |at| at > 1.0e9).await;
    // PostgreSQL takes the gap for the end of the log.
    let name = |path: &std::path::Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name[..24].to_owned()
    };
    let done = lab.run(&["drill"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    let (before, last) = (name(log[log.len() - 3]), last_archived(&lab));
    assert!(done.stderr.contains(&before), "{before}: {done:?}");
    assert!(done.stderr.contains(&last), "{last}: {done:?}");
    assert!(done.stderr.contains("backup check --repo 1"), "{done:?}");
    let into = lab.path("copy");
    let to = super::moment(&lab, 0).await;
    let restore = ["--to", to.as_str(), "--into", into.to_str().unwrap()];
    super::is_refused(&lab, &restore, 1, &last).await;
    fs::rename(&away, segment).unwrap();
    // The next look makes good what one has found, and a whole check what a whole one has.
    lab.report(&["check", "--log", "--json"]).await;
    shop.until(&failed("log", 1), |at| at == 0.0).await;
    assert!(shop.figure(&failed("check", 1)).await.unwrap() > 1.0e9);
    lab.report(&["check", "--json"]).await;
    shop.until(&failed("check", 1), |at| at == 0.0).await;
    let findings = lab.doctor().await;
    assert!(!findings.contains("check failed"), "{findings}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_passphrase_stops_backups_and_no_sale() {
    let Some(lab) = BackupLab::start("passphrase").await else {
        return;
    };
    let shop = Shop::open(&lab).await;
    lab.report(&["run", "--json"]).await;
    lab.write_config("another-passphrase");
    let done = lab.run(&["run"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    assert!(
        done.stderr.contains("correct the repository's cipher-pass"),
        "{done:?}"
    );
    shop.sell("beside-a-passphrase").await;
    lab.close_log().await;
    shop.until(&failed("full", 1), |at| at > 1.0e9).await;
    eventually("archiving fails", LIMIT, async || {
        lab.doctor().await.contains("and the next one fails")
    })
    .await;
    is_told(
        &lab,
        &[
            "\"warning\" \"repository 1: the last backup failed",
            "passphrase",
        ],
    )
    .await;
    lab.restore_config();
    lab.archive().await;
    lab.report(&["run", "--json"]).await;
    lab.report(&["check", "--json"]).await;
    shop.until(&failed("full", 1), |at| at == 0.0).await;
    shop.sell("after-a-passphrase").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_repository_stops_backups_and_archiving_and_loses_nothing() {
    let Some(lab) = BackupLab::start("full").await else {
        return;
    };
    let Some(disk) = SmallDisk::mount(&lab.path("repo1"), 64) else {
        return;
    };
    lab.give(&lab.path("repo1"));
    lab.create_stanza();
    let shop = Shop::open(&lab).await;
    lab.report(&["run", "--json"]).await;
    lab.archive().await;
    // The log still goes in, and the files don't.
    disk.fill_but(1_200_000);
    let done = lab.run(&["run"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    // Which of the two it is depends on the file that didn't fit: pgBackRest has the system's word for
    // some of its writes alone.
    let causes = [
        "a disk is full: free or grow that disk",
        "a file can't be written: free or grow its disk, which is full",
    ];
    let told = causes.iter().find(|cause| done.stderr.contains(*cause));
    let told = told.unwrap_or_else(|| panic!("{done:?}"));
    shop.sell("beside-a-full-disk").await;
    shop.until(&failed("full", 1), |at| at > 1.0e9).await;
    let said = ["\"warning\" \"repository 1: the last backup failed", *told];
    is_told(&lab, &said).await;

    disk.fill_but(0);
    for sale in 0..3 {
        shop.sell(&format!("not-archived-{sale}")).await;
        lab.close_log().await;
    }
    let age = "stagedoor_wal_archive_age_seconds";
    shop.until("stagedoor_wal_archive_waiting_bytes", |bytes| {
        bytes >= 48.0e6
    })
    .await;
    shop.until(age, |seconds| seconds > 5.0).await;
    is_told(
        &lab,
        &[
            "\"error\" \"the last file of the log",
            "and the next one fails",
        ],
    )
    .await;

    disk.free();
    lab.archive().await;
    lab.report(&["run", "--json"]).await;
    assert_eq!(
        lab.report(&["check", "--json"]).await["ok"],
        true,
        "no file was lost"
    );
    shop.until(&failed("full", 1), |at| at == 0.0).await;
    let findings = lab.doctor().await;
    assert!(!findings.contains("fails"), "{findings}");
    shop.sell("after-a-full-disk").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_repository_shows_beside_a_fresh_one_and_keeps_no_log_from_it() {
    let Some(lab) = BackupLab::start("dead").await else {
        return;
    };
    let second = lab.path("repo2");
    let lines = format!(
        "archive-async=y\nrepo1-retention-full=9\nrepo2-retention-full=9\nrepo2-path={}",
        second.display()
    );
    lab.configure(&lines);
    lab.create_stanza();
    let shop = Shop::open(&lab).await;
    let both = lab.report(&["run", "--json"]).await;
    assert_eq!(both["runs"].as_array().unwrap().len(), 2, "{both}");
    let away = lab.path("away");
    fs::rename(&second, &away).unwrap();
    fs::write(&second, "").unwrap();

    let done = lab.run(&["run", "--json"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    let runs = done.json()["runs"].clone();
    assert_eq!(
        (&runs[0]["repo"], &runs[0]["ok"]),
        (&json!(1), &json!(true)),
        "{runs}"
    );
    assert_eq!(
        (&runs[1]["repo"], &runs[1]["ok"]),
        (&json!(2), &json!(false)),
        "{runs}"
    );
    assert!(done.stderr.contains("repository 2: "), "{done:?}");
    shop.until(&failed("full", 2), |at| at > 1.0e9).await;
    assert_eq!(shop.figure(&failed("full", 1)).await, Some(0.0));
    is_told(
        &lab,
        &["\"warning\" \"repository 2: the last backup failed"],
    )
    .await;
    shop.sell("beside-a-dead-one").await;
    lab.close_log().await;
    let done = lab.run(&["check", "--json"]).await;
    let judged = done.json()["repositories"].clone();
    assert_eq!(judged[0]["ok"], true, "{judged}");
    assert_eq!(judged[1]["ok"], false, "{judged}");
    lab.report(&["check", "--repo", "1", "--log", "--json"])
        .await;
    // As a push that waits for the dead repository holds it, all the time.
    let lock = hold_lock_of_archive(&lab).await;
    let drilled = lab.report(&["drill", "--repo", "1", "--json"]).await;
    assert_eq!(drilled["ok"], true, "{drilled}");
    drop(lock);
    fs::remove_file(&second).unwrap();
    fs::rename(&away, &second).unwrap();
    lab.archive().await;
    lab.report(&["check", "--json"]).await;
    // Taken out, it is missed by nobody.
    lab.configure("archive-async=y\nrepo1-retention-full=9");
    lab.report(&["run", "--json"]).await;
    shop.until(&failed("full", 2), f64::is_nan).await;
    let findings = lab.doctor().await;
    assert!(!findings.contains("repository 2"), "{findings}");
}

#[tokio::test(flavor = "multi_thread")]
async fn log_that_is_given_up_looks_healthy_to_postgresql_and_not_to_a_check() {
    let Some(lab) = BackupLab::start("given-up").await else {
        return;
    };
    lab.configure("archive-async=y\narchive-push-queue-max=40MiB\nrepo1-retention-full=9");
    let shop = Shop::open(&lab).await;
    lab.report(&["run", "--json"]).await;
    let (there, away) = (lab.path("repo1"), lab.path("away"));
    fs::rename(&there, &away).unwrap();
    fs::write(&there, "").unwrap();
    let postgres = lab.cluster.superuser().await;
    let healthy =
        "SELECT coalesce(last_archived_time > last_failed_time, false) FROM pg_stat_archiver";
    let mut sales = 0;
    eventually("PostgreSQL believes all is well", LIMIT, async || {
        sales += 1;
        shop.sell(&format!("given-up-{sales}")).await;
        // Each one wakes the archiver, which gives up when enough waits.
        lab.close_log().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        postgres.query_one(healthy, &[]).await.unwrap().get(0)
    })
    .await;
    fs::remove_file(&there).unwrap();
    fs::rename(&away, &there).unwrap();
    shop.sell("kept-again").await;
    lab.archive().await;
    let done = lab.run(&["check", "--log"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stdout.contains("has a gap between"), "{done:?}");
    is_told(
        &lab,
        &["\"error\" \"repository 1: the last check of the log failed"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_no_age_of_the_archive_and_a_failure_is() {
    let Some(lab) = BackupLab::start("idle").await else {
        return;
    };
    let postgres = lab.cluster.superuser().await;
    for statement in [
        "ALTER SYSTEM SET archive_timeout = '2s'",
        "SELECT pg_reload_conf()",
    ] {
        postgres.batch_execute(statement).await.unwrap();
    }
    plant(&lab).await;
    lab.archive().await;
    tokio::time::sleep(Duration::from_secs(12)).await;
    let findings = lab.doctor().await;
    assert!(!findings.contains("the last file of the log"), "{findings}");
    let idle = serve(&lab).await;
    let shop = Shop {
        concert: plant(&lab).await,
        served: idle,
        client: Client::new(),
    };
    let age = "stagedoor_wal_archive_age_seconds";
    shop.until(age, |seconds| seconds < 5.0).await;
    lab.write_config("another-passphrase");
    shop.sell("not-archived").await;
    shop.until(age, |seconds| seconds > 15.0 && seconds.is_finite())
        .await;
    lab.restore_config();
    shop.until(age, |seconds| seconds < 5.0).await;
}
