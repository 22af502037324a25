//! Commands that are stopped, or refuse before they begin: nothing is left, and it is written down.

use std::fs;
use std::time::Duration;

use crate::support::backup_lab::BackupLab;
use crate::support::small_disk::SmallDisk;
use crate::support::wait::{LIMIT, eventually};

/// Processes of pgBackRest's that make a backup with the lab's configuration.
fn running(lab: &BackupLab) -> usize {
    let config = lab.config().display().to_string();
    let of_lab = |entry: fs::DirEntry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        let words: Vec<&str> = line.split('\0').collect();
        // The path of the configuration may say anything; `backup:local` is a helper.
        let is_backup = |word: &&str| word.split(':').next() == Some("backup");
        words[0] == "pgbackrest"
            && words.iter().any(|word| word.contains(&config))
            && words.iter().any(is_backup)
    };
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|entry| of_lab(entry).then_some(()))
        .count()
}

async fn last_run(lab: &BackupLab) -> (String, Option<i32>, Option<String>, String) {
    let last = "SELECT kind::text, repo, label::text, detail::text FROM backup_runs
                WHERE NOT is_ok ORDER BY id DESC LIMIT 1";
    let postgres = lab.cluster.superuser().await;
    let row = postgres.query_one(last, &[]).await.unwrap();
    (row.get(0), row.get(1), row.get(2), row.get(3))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_told_to_stop_leaves_no_process_and_says_so() {
    let Some(lab) = BackupLab::start("stopped").await else {
        return;
    };
    // It waits for the log, which never comes.
    let postgres = lab.cluster.superuser().await;
    let never = "ALTER SYSTEM SET archive_command = 'false # pgbackrest archive-push'";
    for statement in [never, "SELECT pg_reload_conf()"] {
        postgres.batch_execute(statement).await.unwrap();
    }
    for signal in ["TERM", "INT"] {
        let mut started = lab.program(&["run"]).start("").await;
        eventually("a backup under way", LIMIT, async || running(&lab) > 0).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        started.signal(signal);
        let status = started.end(Duration::from_secs(20)).await;
        assert_eq!(status.code(), Some(1), "{}", started.said());
        assert!(
            started.said().contains("stopped before it was done"),
            "{}",
            started.said()
        );
        assert_eq!(running(&lab), 0);
        let (kind, repo, _, detail) = last_run(&lab).await;
        assert_eq!((kind.as_str(), repo), ("full", Some(1)));
        assert!(detail.contains("stopped"), "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_that_is_stopped_or_has_no_room_is_a_failed_one() {
    let Some(lab) = BackupLab::start("drilled").await else {
        return;
    };
    let made = lab.report(&["run", "--json"]).await;
    let label = made["runs"][0]["label"].as_str().unwrap();
    let scratch = lab.path("scratch");
    fs::create_dir(&scratch).unwrap();
    lab.give(&scratch);
    let is_empty = || fs::read_dir(&scratch).unwrap().next().is_none();
    let options = ["drill", "--scratch", scratch.to_str().unwrap()];
    let mut started = lab.program(&options).start("").await;
    eventually("a scratch folder", LIMIT, async || !is_empty()).await;
    started.signal("TERM");
    let status = started.end(Duration::from_secs(30)).await;
    assert_eq!(status.code(), Some(1), "{}", started.said());
    assert!(is_empty(), "nothing is left");
    let (kind, repo, of, detail) = last_run(&lab).await;
    assert_eq!(
        (kind.as_str(), repo, of.as_deref()),
        ("drill", Some(1), Some(label))
    );
    assert!(detail.contains("stopped"), "{detail}");
    let findings = lab.doctor().await;
    assert!(findings.contains("the last drill of backup"), "{findings}");

    let into = scratch.join("copy");
    let into = into.to_str().unwrap();
    let mut started = lab
        .program(&["restore", "--to", "latest", "--into", into])
        .start("")
        .await;
    eventually("a half restored folder", LIMIT, async || !is_empty()).await;
    started.signal("TERM");
    let status = started.end(Duration::from_secs(30)).await;
    assert_eq!(status.code(), Some(1), "{}", started.said());
    assert!(is_empty(), "it can be repeated: {}", started.said());

    let Some(_disk) = SmallDisk::mount(&scratch, 8) else {
        return;
    };
    // Something big that the restore would not overwrite, as the live data folder is.
    let beside = scratch.join("beside");
    let big = fs::File::create(&beside).unwrap();
    big.set_len(1 << 40).unwrap();
    let done = lab.run(&options).await;
    assert_eq!(done.code, 1, "{done:?}");
    assert!(
        done.stderr
            .contains("too little room: the restored files need"),
        "{done:?}"
    );
    let to = super::moment(&lab, 0).await;
    let restore = ["--to", to.as_str(), "--into", into];
    super::is_refused(&lab, &restore, 1, "too little room").await;
    fs::remove_file(beside).unwrap();
    assert!(is_empty(), "nothing was copied");
    let (_, _, of, detail) = last_run(&lab).await;
    assert_eq!(of.as_deref(), Some(label));
    assert!(detail.contains("too little room"), "{detail}");
}
