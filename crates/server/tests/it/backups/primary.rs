//! A restored primary: its log goes on in the archive without a gap.

use std::fs;

use super::{files, is_refused, is_segment, plant, text};
use crate::support::backup_lab::BackupLab;
use crate::support::wait::{LIMIT, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_primary_archives_from_its_first_moment() {
    let Some(lab) = BackupLab::start("primary").await else {
        return;
    };
    lab.report(&["run", "--json"]).await;
    plant(&lab).await;
    lab.archive().await;
    let primary = lab.path("primary");
    let to = ["--to", "latest", "--as-primary", "--into", text(&primary)];
    is_refused(&lab, &to, 2, "PostgreSQL's own folder").await;
    let running = text(lab.cluster.0.data_folder());
    let over = [
        "--to",
        "latest",
        "--as-primary",
        "--replace",
        "--into",
        running,
    ];
    is_refused(&lab, &over, 1, "stop that PostgreSQL first").await;

    let config = fs::read_to_string(lab.config()).unwrap();
    fs::write(lab.config(), config.replace(running, text(&primary))).unwrap();
    let done = lab.run(&[&["restore"][..], &to].concat()).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stdout.contains("nothing is replayed yet"), "{done:?}");
    // What its postgresql.conf includes from beside it, as a system's has it in /etc.
    let settings = lab.cluster.0.data_folder().with_file_name("settings.conf");
    fs::copy(settings, lab.path("settings.conf")).unwrap();
    lab.give(&lab.path("settings.conf"));
    start_and_stop(&lab).await;
    let archived = files(&lab.path("repo1"));
    let of_second = archived.iter().filter(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("00000002")
    });
    let of_second: Vec<_> = of_second.collect();
    let log = fs::read_to_string(lab.path("primary.log")).unwrap();
    assert!(
        of_second
            .iter()
            .any(|path| text(path).ends_with(".history")),
        "{of_second:?} {log}"
    );
    assert!(
        of_second.iter().any(|path| is_segment(path)),
        "{of_second:?} {log}"
    );
    let done = lab.run(&["check", "--log"]).await;
    assert!(!done.stdout.contains("has a gap"), "{done:?}");
}

/// As a system would, until it has replayed the log; at its end `PostgreSQL` archives what it wrote.
async fn start_and_stop(lab: &BackupLab) {
    let primary = lab.path("primary");
    let folder = lab.path("");
    let options = format!(
        "-c listen_addresses='' -c unix_socket_directories='{}' -c hot_standby=off",
        text(&folder).trim_end_matches('/')
    );
    let log = lab.path("primary.log");
    let run = |arguments: &[&str]| {
        let mut command = lab.as_owner(lab.cluster.0.programs().path("pg_ctl"));
        command.args(arguments).args(["-D", text(&primary)]);
        let status = command.stdout(std::process::Stdio::null()).status();
        assert!(status.unwrap().success(), "{arguments:?}");
    };
    run(&["start", "-w", "-l", text(&log), "-o", &options]);
    // Without a hot standby it is `ready` when its recovery is over.
    eventually("a primary", LIMIT, async || {
        let state = fs::read_to_string(primary.join("postmaster.pid")).unwrap();
        state
            .lines()
            .nth(7)
            .is_some_and(|line| line.trim() == "ready")
    })
    .await;
    run(&["stop", "-m", "fast"]);
}
