//! What is kept, and what goes: by pgBackRest itself, and by the configuration that is shipped.

use std::fs;
use std::time::Duration;

use super::{files, is_refused, is_segment, moment, plant, text};
use crate::support::backup_lab::BackupLab;

const SHIPPED: &str = include_str!("../../../../../ops/pgbackrest/pgbackrest.conf");

async fn labels(lab: &BackupLab) -> Vec<String> {
    let listed = lab.report(&["list", "--json"]).await;
    let backups = listed["backups"].as_array().unwrap().iter();
    let labels = backups.map(|it| it["label"].as_str().unwrap().to_owned());
    labels.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn old_sets_go_by_count_with_their_log_and_the_window_stays() {
    let Some(lab) = BackupLab::start("count").await else {
        return;
    };
    lab.configure("repo1-retention-full-type=count\nrepo1-retention-full=2");
    let mut made = Vec::new();
    let mut times = Vec::new();
    let mut first_log = Vec::new();
    for _ in 0..3 {
        let report = lab.report(&["run", "--json"]).await;
        made.push(report["runs"][0]["label"].as_str().unwrap().to_owned());
        // A backup's end is known to the second.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        times.push(moment(&lab, 0).await);
        plant(&lab).await;
        lab.archive().await;
        if first_log.is_empty() {
            first_log = files(&lab.path("repo1"));
            first_log.retain(|path| is_segment(path));
            first_log.sort();
        }
    }
    assert_eq!(labels(&lab).await, made[1..]);
    assert!(
        fs::exists(&first_log[0]).is_ok_and(|is_there| !is_there),
        "its log is gone too"
    );
    lab.report(&["check", "--json"]).await;
    let into = lab.path("copy");
    let within = [
        "restore",
        "--to",
        &times[1],
        "--into",
        text(&into),
        "--json",
    ];
    assert_eq!(lab.report(&within).await["label"], made[1].as_str());
    let other = lab.path("other");
    let before = ["--to", times[0].as_str(), "--into", text(&other)];
    is_refused(&lab, &before, 1, "no backup is that old").await;
}

/// What pgBackRest would remove if it were so many days later.
fn expire_in(lab: &BackupLab, days: u32) {
    let config = format!("--config={}", lab.config().display());
    let mut command = lab.as_owner("faketime");
    command.args(["-f", &format!("+{days}d"), "pgbackrest", &config]);
    command.args(["--stanza=stagedoor", "expire"]);
    let done = command
        .output()
        .expect("faketime; scripts/install-packages.sh test installs it");
    assert!(done.status.success(), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_thirty_days_need_never_goes() {
    let Some(lab) = BackupLab::start("days").await else {
        return;
    };
    lab.configure("repo1-retention-full-type=time\nrepo1-retention-full=30");
    for kind in ["full", "full", "incr", "full"] {
        lab.report(&["run", "--type", kind, "--json"]).await;
    }
    let made = labels(&lab).await;
    assert_eq!(made.len(), 4);
    expire_in(&lab, 29);
    assert_eq!(labels(&lab).await, made);
    // All are too old then, and still the newest: without it no time of the last 30 days could be
    // restored.
    expire_in(&lab, 40);
    assert_eq!(labels(&lab).await, made[3..]);
    let said = |report: &serde_json::Value| report["warnings"].to_string();
    let warnings = said(&lab.report(&["check", "--json"]).await);
    assert!(warnings.contains("only one repository"), "{warnings}");
    assert!(
        !warnings.contains("30 days") && !warnings.contains("encrypted"),
        "{warnings}"
    );
    lab.configure("repo1-retention-full=9");
    let warnings = said(&lab.report(&["check", "--log", "--json"]).await);
    assert!(
        warnings.contains("repository 1 isn't said to keep 30 days"),
        "{warnings}"
    );
}

/// The shipped file as an operator fills it in, with one way off-site or the other.
fn filled(lab: &BackupLab, is_azure: bool) -> String {
    let lines = SHIPPED.lines().filter_map(|line| {
        let is_s3 = line.starts_with("repo2-type=s3") || line.starts_with("repo2-s3-");
        let of_azure = line.strip_prefix('#').filter(|rest| {
            rest.starts_with("repo2-type=azure") || rest.starts_with("repo2-azure-")
        });
        match (is_azure, of_azure) {
            (true, Some(rest)) => Some(rest),
            (true, None) if is_s3 => None,
            _ => Some(line),
        }
    });
    let text: Vec<&str> = lines.collect();
    let own = |name: &str| lab.path(name).display().to_string();
    text.join("\n")
        .replace("azure-key=CHANGE-ME", "azure-key=Y2hhbmdlZA==")
        .replace("queue-max=CHANGE-ME", "queue-max=1GiB")
        .replace("CHANGE-ME", "changed")
        .replace("/var/lib/pgbackrest", &own("shipped"))
        .replace("/var/spool/pgbackrest", &own("spool"))
        // Nobody answers there.
        .replace("s3.eu-central-1.amazonaws.com", "127.0.0.1:1")
        + &format!("\nlock-path={}\nlog-path={}\n", own("lock"), own("log"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_configuration_encrypts_and_keeps_thirty_days_and_is_accepted() {
    for line in [
        "repo1-cipher-type=aes-256-cbc",
        "repo2-cipher-type=aes-256-cbc",
        "repo1-retention-full-type=time",
        "repo2-retention-full-type=time",
        "repo1-retention-full=30",
        "repo2-retention-full=30",
        "archive-async=y",
    ] {
        assert!(SHIPPED.lines().any(|it| it == line), "{line}");
    }
    let Some(lab) = BackupLab::start("shipped").await else {
        return;
    };
    for is_azure in [false, true] {
        let file = lab.path("shipped.conf");
        fs::write(&file, filled(&lab, is_azure)).unwrap();
        lab.give(&file);
        let mut command = lab.as_owner("pgbackrest");
        let config = format!("--config={}", file.display());
        // The near one alone is asked; every option is read and judged whichever is.
        let asked = command.args([&config, "--stanza=stagedoor", "--repo=1", "info"]);
        let done = asked.output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{said}");
        assert!(!said.contains("WARN"), "{said}");
    }
}
