//! Rows that nobody seals: the metric and `doctor` tell of them.

use std::time::Duration;

use crate::support::program::Program;
use crate::support::wait::eventually;
use crate::support::{TestDatabase, plant_ten_tickets};

const SECRET: &str = "only-for-tests-and-32-characters-long";

/// The oldest row's age in seconds, by the metric.
async fn unsealed(metrics: &str) -> f64 {
    let text = reqwest::get(metrics).await.unwrap().text().await.unwrap();
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("stagedoor_audit_unsealed "));
    line.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_waits_for_its_seal_is_told_until_it_has_one() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    plant_ten_tickets(&postgres).await;
    let old = "UPDATE audit_logs SET created_at = created_at - interval '5 min'";
    postgres.batch_execute(old).await.unwrap();
    let doctor = async || {
        let doctor = Program::on(&database, &["doctor", "--json"]);
        doctor.env("STAGEDOOR_SECRET_KEY", SECRET).run().await
    };
    let severity = |done: &crate::support::program::Done| {
        let findings = done.json()["findings"].as_array().unwrap().clone();
        let found = findings
            .iter()
            .find(|finding| finding["id"] == "audit_unsealed");
        found.unwrap()["severity"].as_str().unwrap().to_owned()
    };
    let done = doctor().await;
    assert_eq!(severity(&done), "error", "{done:?}");
    assert!(
        done.stdout.contains("rows wait for their seal since"),
        "{done:?}"
    );

    let idle = Program::on(&database, &["serve", "--no-jobs"]);
    let idle = idle.env("STAGEDOOR_SECRET_KEY", SECRET).serving().await;
    let is_told = async || (300.0..400.0).contains(&unsealed(&idle.metrics()).await);
    eventually("the age", Duration::from_secs(20), is_told).await;

    let sealing = Program::on(&database, &["serve"]).env("STAGEDOOR_SECRET_KEY", SECRET);
    let mut sealing = sealing.serving().await;
    sealing.wait_for("audit rows sealed").await;
    let is_gone = async || unsealed(&idle.metrics()).await < 0.5;
    eventually("no age", Duration::from_secs(20), is_gone).await;
    assert_eq!(severity(&doctor().await), "info");
}
