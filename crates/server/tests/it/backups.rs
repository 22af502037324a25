//! Backups with a real pgBackRest: what was sold is restored, and what is damaged is told.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio_postgres::{Client, NoTls};

use crate::support::backup_lab::BackupLab;
use crate::support::program::{Program, Started};
use crate::support::wait::eventually;

mod faults;
mod keeping;
mod primary;
mod stopping;
mod watching;

/// Sales after the backup, which only the log has.
const SALES: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_a_mistake_is_in_the_copy_of_a_second_before() {
    let Some(lab) = BackupLab::start("restored").await else {
        return;
    };
    let made = lab.report(&["run", "--json"]).await;
    assert_eq!(made["ok"], true, "{made}");
    let run = &made["runs"][0];
    assert_eq!((&run["type"], &run["repo"]), (&json!("full"), &json!(1)));
    let listed = lab.report(&["list", "--json"]).await;
    assert_eq!(listed["backups"][0]["label"], run["label"], "{listed}");

    let mut shop = serve(&lab).await;
    let sold = sell(&lab, &shop).await;
    let drilled = lab.report(&["drill", "--json"]).await;
    assert_eq!(drilled["ok"], true, "{drilled}");
    let whole = drilled["seconds"].as_f64().unwrap();
    assert!(whole >= drilled["copied_seconds"].as_f64().unwrap());
    assert!(!fs::exists(lab.path("drill")).unwrap());
    are_figures_shown(&shop).await;
    shop.signal("TERM");
    shop.end(Duration::from_secs(20)).await;

    let postgres = lab.cluster.superuser().await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let before = moment(&lab, -1).await;
    postgres
        .batch_execute("DROP TABLE reservations CASCADE")
        .await
        .unwrap();
    lab.archive().await;

    let into = lab.path("copy");
    let restored = lab
        .report(&["restore", "--to", &before, "--into", text(&into), "--json"])
        .await;
    assert_eq!(restored["ok"], true, "{restored}");
    assert_eq!(restored["label"], run["label"]);
    let copy = Copy::start(&lab, &restored).await;
    let rows = copy
        .client
        .query("SELECT id FROM reservations", &[])
        .await
        .unwrap();
    let there: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(
        there, sold,
        "every reservation that was acknowledged, and no other"
    );
    drop(copy);
    let still = "SELECT to_regclass('reservations') IS NULL";
    let is_dropped: bool = postgres.query_one(still, &[]).await.unwrap().get(0);
    assert!(is_dropped, "the running system is untouched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_cannot_be_restored_is_told_why() {
    let Some(lab) = BackupLab::start("times").await else {
        return;
    };
    let into = lab.path("copy");
    let refused = async |time: &str, code: i32, said: &str| {
        let arguments = ["--to", time, "--into", text(&into)];
        is_refused(&lab, &arguments, code, said).await;
    };
    let early = moment(&lab, 0).await;
    refused(&early, 1, "no backup yet").await;
    lab.report(&["run", "--json"]).await;
    refused(&early, 1, "no backup is that old").await;
    refused("2026-11-22 13:00:00", 2, "time zone").await;
    refused(&moment(&lab, 3600).await, 2, "future").await;
    refused("2026-11-22", 2, "or `latest`").await;
    assert!(!into.exists(), "nothing was made for what is refused");
    // The backup's end is known to the second.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let late = moment(&lab, 0).await;
    // Nothing is written after it, and all log is archived.
    refused(&late, 1, "`--to latest` restores exactly that time").await;
    assert!(!into.exists(), "what was half restored is gone");
    fs::create_dir(&into).unwrap();
    lab.give(&into);
    refused(&late, 1, "the archived log ").await;
    let is_empty = fs::read_dir(&into).unwrap().next().is_none();
    assert!(is_empty, "and a folder that was there is as it was");

    let concert = plant(&lab).await;
    lab.archive().await;
    let arguments = ["restore", "--to", "latest", "--into", text(&into), "--json"];
    let restored = lab.report(&arguments).await;
    assert_eq!(restored["to"], "latest", "{restored}");
    let copy = Copy::start(&lab, &restored).await;
    let last = "SELECT max(id) FROM concerts WHERE id > 0";
    let last: i32 = copy.client.query_one(last, &[]).await.unwrap().get(0);
    assert_eq!(last, concert);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_overwrites_nothing_that_it_was_not_told_to() {
    let Some(lab) = BackupLab::start("refused").await else {
        return;
    };
    lab.report(&["run", "--json"]).await;
    // The backup's end is known to the second.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let time = moment(&lab, 0).await;
    plant(&lab).await;
    lab.archive().await;
    let into = lab.path("copy");
    let to = ["--to", time.as_str(), "--into", text(&into)];
    let restore = ["restore", "--json"];
    lab.report(&[&restore[..], &to].concat()).await;

    is_refused(&lab, &to, 1, "isn't empty").await;
    let replace = [&to[..], &["--replace"]].concat();
    // The copy has gone its own way, of which the archive knows nothing.
    is_refused(&lab, &replace, 1, "timeline 2").await;
    let other = lab.path("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("letters"), "kept").unwrap();
    let everything = [
        "--to",
        &time,
        "--replace",
        "--discard-newer-timeline",
        "--into",
    ];
    let over = |folder| [&everything[..], &[folder]].concat();
    is_refused(&lab, &over(text(&other)), 1, "isn't a data folder").await;
    let running = text(lab.cluster.0.data_folder());
    is_refused(&lab, &over(running), 1, "stop that PostgreSQL first").await;
    let within = lab.cluster.0.data_folder().join("copy");
    is_refused(&lab, &over(text(&within)), 1, "is inside of").await;
    assert_eq!(fs::read_to_string(other.join("letters")).unwrap(), "kept");
    assert!(lab.cluster.0.postmaster().unwrap().is_some());

    // PostgreSQL may be about to start: nobody but its operator removes this file.
    let stale = into.join("postmaster.pid");
    fs::write(&stale, "2147483646\n").unwrap();
    is_refused(&lab, &over(text(&into)), 1, "removed by hand").await;
    fs::remove_file(stale).unwrap();
    let (log, elsewhere) = (into.join("pg_wal"), lab.path("log-elsewhere"));
    fs::rename(&log, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &log).unwrap();
    is_refused(&lab, &over(text(&into)), 1, "by a link").await;
    fs::remove_file(&log).unwrap();
    fs::rename(&elsewhere, &log).unwrap();

    let done = lab
        .run(&[&["restore"][..], &over(text(&into))].concat())
        .await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stdout.contains("pg_ctl"), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_archive_has_and_another_clusters_data_are_not_replaced() {
    let Some(lab) = BackupLab::start("replaced").await else {
        return;
    };
    // From before a migration, which makes the copies no worse.
    let older = "DELETE FROM refinery_schema_history
                 WHERE version = (SELECT max(version) FROM refinery_schema_history)";
    let postgres = lab.cluster.superuser().await;
    postgres.batch_execute(older).await.unwrap();
    lab.report(&["run", "--json"]).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let time = moment(&lab, 0).await;
    plant(&lab).await;
    lab.archive().await;
    let another = lab.path("another");
    let mut initdb = lab.as_owner(lab.cluster.0.programs().path("initdb"));
    let made = initdb
        .args(["--no-sync", "-D", text(&another)])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let own = lab.path("own");
    let mut restore = lab.as_owner("pgbackrest");
    restore.arg(format!("--config={}", lab.config().display()));
    restore.arg(format!("--pg1-path={}", own.display()));
    fs::create_dir(&own).unwrap();
    lab.give(&own);
    let made = restore
        .args(["--stanza=stagedoor", "restore"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");

    let over = |folder| ["--to", time.as_str(), "--into", folder, "--replace"];
    let at_any_price = [&over(text(&another))[..], &["--discard-newer-timeline"]].concat();
    is_refused(&lab, &at_any_price, 1, "another cluster").await;
    // As a primary that has failed leaves it, on the timeline that the archive knows.
    let (label, away) = (own.join("backup_label"), lab.path("label"));
    fs::rename(&label, &away).unwrap();
    is_refused(&lab, &over(text(&own)), 1, "was not stopped cleanly").await;
    let waiting = own.join("pg_wal/archive_status/0000000100000000000000AA.ready");
    fs::write(&waiting, "").unwrap();
    is_refused(
        &lab,
        &over(text(&own)),
        1,
        "1 files of the log that were not",
    )
    .await;
    fs::remove_file(waiting).unwrap();
    fs::rename(&away, &label).unwrap();
    let replaced = [&["restore"][..], &over(text(&own)), &["--json"]].concat();
    let report = lab.report(&replaced).await;
    assert_eq!(report["ok"], true, "{report}");
    let mut findings = report["findings"].as_array().unwrap().iter();
    let schema = findings.find(|it| it["id"] == "schema").unwrap();
    assert_eq!(schema["severity"], "info", "{schema}");
    assert!(schema["mend"].to_string().contains("migrate"), "{schema}");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_and_wrong_passphrases_are_told_and_written_down() {
    let Some(lab) = BackupLab::start("damaged").await else {
        return;
    };
    let unprepared = lab
        .program(&["list"])
        .env("STAGEDOOR_BACKUP_STANZA", "other")
        .run()
        .await;
    assert_eq!(unprepared.code, 1, "{unprepared:?}");
    assert!(
        unprepared.stderr.contains("doesn't know this stanza"),
        "{unprepared:?}"
    );
    let unwritten = lab
        .program(&["run"])
        .env("STAGEDOOR_BACKUP_CONFIG", "/nowhere")
        .run()
        .await;
    assert!(
        unwritten.stderr.contains("configuration isn't there"),
        "{unwritten:?}"
    );
    lab.report(&["run", "--json"]).await;
    plant(&lab).await;
    lab.archive().await;
    plant(&lab).await;
    lab.archive().await;
    assert_eq!(lab.report(&["check", "--json"]).await["ok"], true);

    let bad = async |what: &str| {
        let done = lab.run(&["check", "--json"]).await;
        assert_eq!(done.code, 1, "{done:?}");
        let damage = done.json()["repositories"][0]["damage"].to_string();
        assert!(damage.contains(what), "{what:?}: {damage}");
    };
    let files = files(&lab.path("repo1"));
    let (file, whole) = spoil(&files);
    bad("status: invalid").await;
    fs::write(file, whole).unwrap();
    // The last but one: whatever comes before and after it is there.
    let mut log: Vec<&PathBuf> = files.iter().filter(|path| is_segment(path)).collect();
    log.sort();
    let segment = log[log.len() - 2];
    let whole = fs::read(segment).unwrap();
    fs::remove_file(segment).unwrap();
    bad("has a gap between").await;
    fs::write(segment, whole).unwrap();

    lab.write_config("another-passphrase");
    bad("passphrase").await;
    let done = lab.run(&["run"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    assert!(
        done.stderr.contains("can't be read with this passphrase"),
        "{done:?}"
    );
    assert!(!done.stderr.contains("another-passphrase"), "{done:?}");
    let postgres = lab.cluster.superuser().await;
    let runs = "SELECT string_agg(kind || ' ' || is_ok, ', ' ORDER BY id) FROM backup_runs
                WHERE kind <> 'known'";
    let runs: String = postgres.query_one(runs, &[]).await.unwrap().get(0);
    assert_eq!(
        runs,
        "full false, full true, check true, check false, check false, check false, full false"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn root_is_told_to_be_somebody_else_and_a_missing_login_is_a_warning() {
    let Some(lab) = BackupLab::start("unrecorded").await else {
        return;
    };
    let done = lab
        .program(&["run", "--type", "incr"])
        .env("DATABASE_BACKUP_URL", "")
        .run()
        .await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stderr.contains("DATABASE_BACKUP_URL"), "{done:?}");
    assert!(
        done.stdout.starts_with("full backup"),
        "the first one is whole: {done:?}"
    );
    let of_none = lab.run(&["run", "--repo", "7"]).await;
    let none = "no repository of this number";
    assert!(of_none.stderr.contains(none), "{of_none:?}");
    let runs = "SELECT count(*) FROM backup_runs";
    for command in ["run", "check", "drill"] {
        let done = lab.run(&[command, "--repo", "7"]).await;
        assert_eq!(done.code, 2, "{command}: {done:?}");
        assert!(done.stderr.contains(none), "{command}: {done:?}");
    }
    let postgres = lab.cluster.superuser().await;
    let written: i64 = postgres.query_one(runs, &[]).await.unwrap().get(0);
    assert_eq!(written, 0, "a mistyped number is no failure");
    if rustix::process::geteuid().is_root() {
        let done = Program::new(&["backup", "list"]).run().await;
        assert_eq!(done.code, 2, "{done:?}");
        assert!(done.stderr.contains("sudo -u postgres"), "{done:?}");
    }
}

async fn serve(lab: &BackupLab) -> Started {
    Program::new(&["serve"])
        .env("DATABASE_URL", &lab.cluster.url())
        .serving()
        .await
}

/// The ids of reservations that the server has acknowledged.
async fn sell(lab: &BackupLab, shop: &Started) -> BTreeSet<String> {
    let concert = plant(lab).await;
    let client = reqwest::Client::new();
    let mut sold = BTreeSet::new();
    for buyer in 0..SALES {
        let wish = json!({
            "concert_id": concert,
            "quantity": 1,
            "customer_name": "Ada",
            "customer_email": format!("ada{buyer}@example.com"),
        });
        let url = format!("{}/api/v1/reservations", shop.site());
        let request = client.post(url).json(&wish);
        let sent = request.header("idempotency-key", format!("sale-{buyer}"));
        let answer = sent.send().await.unwrap();
        assert_eq!(answer.status(), 201);
        let body: serde_json::Value = answer.json().await.unwrap();
        sold.insert(body["id"].as_str().unwrap().to_owned());
    }
    sold
}

/// A concert on sale with a hundred tickets; returns its number.
async fn plant(lab: &BackupLab) -> i32 {
    let insert = "
        INSERT INTO concerts (name, artist, date, venue, total_tickets, available_tickets, price,
                              status)
        VALUES ('Night Ferry', 'The Lanterns', CURRENT_DATE + 30, 'Hall', 100, 100, 1, 'open')
        RETURNING id";
    let postgres = lab.cluster.superuser().await;
    postgres.query_one(insert, &[]).await.unwrap().get(0)
}

/// A time so many seconds from now.
async fn moment(lab: &BackupLab, seconds: i32) -> String {
    let postgres = lab.cluster.superuser().await;
    let statement = format!(
        "SELECT to_char(clock_timestamp() + interval '{seconds} s', 'YYYY-MM-DD HH24:MI:SS.US\"+00\"')"
    );
    postgres.query_one(&statement, &[]).await.unwrap().get(0)
}

async fn is_refused(lab: &BackupLab, arguments: &[&str], code: i32, said: &str) {
    let done = lab.run(&[&["restore"][..], arguments].concat()).await;
    assert_eq!(done.code, code, "{arguments:?}: {done:?}");
    assert!(done.stderr.contains(said), "{said:?}: {done:?}");
}

/// The server shows what the commands wrote down.
async fn are_figures_shown(shop: &Started) {
    eventually("figures of backups", Duration::from_secs(30), async || {
        let answer = reqwest::get(shop.metrics()).await.unwrap();
        let shown = answer.text().await.unwrap();
        let figure = |series: &str| {
            let line = shown.lines().find_map(|line| line.strip_prefix(series));
            line.and_then(|value| value.trim().parse::<f64>().ok())
                .unwrap_or_default()
        };
        let last = "stagedoor_backup_last_success_timestamp_seconds";
        figure(&format!("{last}{{repo=\"1\",type=\"full\"}}")) > 1.0e9
            && figure(&format!("{last}{{repo=\"1\",type=\"drill\"}}")) > 1.0e9
            && figure("stagedoor_restore_drill_seconds") > 0.1
            && figure("stagedoor_wal_archive_age_seconds") < 300.0
    })
    .await;
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}

/// Damages one file of a backup; its path, and what it was.
fn spoil(files: &[PathBuf]) -> (&PathBuf, Vec<u8>) {
    let of_backup = |path: &&PathBuf| text(path).contains("/pg_data/base/");
    let file = files.iter().find(of_backup).unwrap();
    let whole = fs::read(file).unwrap();
    let mut damaged = whole.clone();
    damaged[20] ^= 0xFF;
    fs::write(file, damaged).unwrap();
    (file, whole)
}

fn is_segment(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.as_bytes().get(24) == Some(&b'-') && text(path).contains("/archive/")
}

/// The copy, started by the command that `restore` prints.
struct Copy<'a> {
    client: Client,
    lab: &'a BackupLab,
    data: PathBuf,
}

impl<'a> Copy<'a> {
    async fn start(lab: &'a BackupLab, restored: &serde_json::Value) -> Self {
        let shell = |line: &str| {
            let mut command = lab.as_owner("sh");
            command.args(["-c", line]).stdout(Stdio::null());
            assert!(command.status().unwrap().success(), "{line}");
        };
        let data = restored["folder"].as_str().unwrap();
        shell(restored["start"].as_str().unwrap());
        let connect = restored["connect"].as_str().unwrap();
        shell(&format!("{connect} -c 'TABLE concerts'"));
        let superuser = lab.cluster.0.superuser();
        let url = format!("host={data} port=5432 user={superuser} dbname=stagedoor");
        let (client, socket) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(socket);
        for (name, value) in [
            ("listen_addresses", ""),
            ("archive_mode", "off"),
            ("shared_preload_libraries", ""),
        ] {
            let row = client.query_one(&format!("SHOW {name}"), &[]).await;
            let shown: String = row.unwrap().get(0);
            assert_eq!(shown, value, "{name}");
        }
        Self {
            client,
            lab,
            data: data.into(),
        }
    }
}

impl Drop for Copy<'_> {
    fn drop(&mut self) {
        let mut stop = self
            .lab
            .as_owner(self.lab.cluster.0.programs().path("pg_ctl"));
        let _ = stop
            .args(["stop", "-m", "immediate", "-D", text(&self.data)])
            .output();
    }
}
