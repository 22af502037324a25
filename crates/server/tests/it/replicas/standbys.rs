//! Standbys that must confirm what is sold, and a primary that goes away.

use std::time::{Duration, Instant};

use postgres_local::Cluster;
use reqwest::StatusCode;
use serde_json::Value;
use tokio::task::block_in_place;

use super::reading_from;
use crate::support::own_cluster::OwnCluster;
use crate::support::program::Program;
use crate::support::wait::{LIMIT, eventually};
use crate::support::{NewConcert, TestApp};

/// Commits of all but this session's own wait for one of these.
async fn must_confirm(app: &TestApp, names: &str) {
    let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'");
    app.postgres
        .batch_execute("SET synchronous_commit = local")
        .await
        .unwrap();
    app.postgres.batch_execute(&set).await.unwrap();
    let reload = "SELECT pg_reload_conf(), pg_sleep(0.3)";
    app.postgres.batch_execute(reload).await.unwrap();
}

async fn reason(app: &TestApp) -> Option<String> {
    let answer = app.get("/readyz?for=writes").await;
    if answer.status() == StatusCode::OK {
        return None;
    }
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let said: Value = answer.json().await.unwrap();
    Some(said["reason"].as_str().unwrap().to_owned())
}

/// One buyer's answer: the status, and the code of a refusal.
async fn buy(app: &TestApp, concert: i32, buyer: &str) -> (StatusCode, String) {
    let answer = app.reserve(concert, 1, buyer).send().await.unwrap();
    let (status, again) = (
        answer.status(),
        answer.headers().contains_key("retry-after"),
    );
    let body: Value = answer.json().await.unwrap();
    assert_eq!(status == StatusCode::SERVICE_UNAVAILABLE, again, "{body}");
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

async fn find_in_doctor(cluster: &OwnCluster, id: &str) -> (i32, Value) {
    let doctor = Program::new(&["doctor", "--json"]).env("DATABASE_URL", &cluster.url());
    let done = doctor.run().await;
    let report = done.json();
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["id"] == id);
    (done.code, found.cloned().unwrap_or_default())
}

fn stop(standby: &mut Cluster) {
    block_in_place(|| standby.stop()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_standby_nothing_is_sold_and_everybody_is_told_why() {
    let cluster = OwnCluster::start("quorum").await;
    let mut one = cluster.standby("quorum_one", &[]);
    let mut two = cluster.standby("quorum_two", &[]);
    let app = reading_from(&cluster, &[&one, &two]).await;
    let concert = app.plant(NewConcert::default()).await;
    must_confirm(&app, "ANY 1 (quorum_one, quorum_two)").await;
    assert_eq!(buy(&app, concert, "first").await.0, StatusCode::CREATED);
    assert_eq!(reason(&app).await, None);
    let (_, good) = find_in_doctor(&cluster, "standbys").await;
    assert_eq!(good["severity"], "info", "{good}");

    stop(&mut one);
    assert_eq!(
        buy(&app, concert, "second").await.0,
        StatusCode::CREATED,
        "one is enough"
    );

    stop(&mut two);
    let seen = eventually("the reason", LIMIT, async || reason(&app).await.is_some());
    seen.await;
    let said = reason(&app).await.unwrap();
    assert!(said.contains("no synchronous standby"), "{said}");
    let (code, told) = find_in_doctor(&cluster, "standbys").await;
    assert_eq!(
        (code, &told["severity"]),
        (1, &Value::from("error")),
        "{told}"
    );
    // Once it is known, nobody waits for a commit that can't be confirmed.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let begun = Instant::now();
    for buyer in 0..50 {
        let told = buy(&app, concert, &format!("refused-{buyer}")).await;
        let expected = (
            StatusCode::SERVICE_UNAVAILABLE,
            "database_unavailable".to_owned(),
        );
        assert_eq!(told, expected);
    }
    let took = begun.elapsed();
    eprintln!("50 refusals in {took:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
    let written = "SELECT count(*) FROM reservations WHERE customer_email LIKE 'refused-%'";
    assert_eq!(app.count(written).await, 0);
    assert_eq!(app.get("/en/").await.status(), StatusCode::OK);
    assert_eq!(app.get("/readyz").await.status(), StatusCode::OK);

    block_in_place(|| one.start()).unwrap();
    let begun = Instant::now();
    eventually("a sale", LIMIT, async || {
        buy(&app, concert, "after").await.0 == StatusCode::CREATED
    })
    .await;
    let took = begun.elapsed();
    eprintln!("sold {took:?} after the standby's return");
    assert!(took < Duration::from_secs(100), "{took:?}");
    assert_eq!(reason(&app).await, None);
    app.assert_inventory().await;
}

/// Where no standby is left Patroni lets any client confirm; one that only stores the log, and could
/// never take over, doesn't count.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_only_stores_the_log_is_no_standby() {
    let cluster = OwnCluster::start("receivewal").await;
    let app = reading_from(&cluster, &[]).await;
    let concert = app.plant(NewConcert::default()).await;
    let folder = tempfile::TempDir::new().unwrap();
    let program = cluster.0.programs().path("pg_receivewal");
    let mut storing = tokio::process::Command::new(program)
        .args([
            "-h",
            "127.0.0.1",
            "-U",
            "postgres",
            "--no-password",
            "--synchronous",
        ])
        .args(["-p", &cluster.0.port().to_string()])
        .arg("-D")
        .arg(folder.path())
        .env("PGPASSWORD", cluster.0.superuser_password())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let streams = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
    eventually("pg_receivewal", LIMIT, async || {
        app.count(streams).await == 1
    })
    .await;
    must_confirm(&app, "*").await;
    eventually("the reason", LIMIT, async || reason(&app).await.is_some()).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let told = buy(&app, concert, "som").await;
    assert_eq!(told.0, StatusCode::SERVICE_UNAVAILABLE, "{told:?}");
    storing.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_primary_standbys_show_concerts_and_nothing_is_sold() {
    let mut cluster = OwnCluster::start("gone").await;
    let standby = cluster.standby("gone_one", &[]);
    let app = reading_from(&cluster, &[&standby]).await;
    let concert = app.plant(NewConcert::default()).await;
    assert_eq!(buy(&app, concert, "som").await.0, StatusCode::CREATED);
    super::replayed_all(&cluster, &standby).await;
    block_in_place(|| cluster.0.kill()).unwrap();

    let pages = ["/en/".to_owned(), format!("/th/concerts/{concert}")];
    let api = [
        "/api/v1/concerts".to_owned(),
        format!("/api/v1/concerts/{concert}"),
    ];
    for path in pages.iter().chain(&api).chain(&["/readyz".to_owned()]) {
        let begun = Instant::now();
        let status = app.get(path).await.status();
        assert_eq!(status, StatusCode::OK, "{path}");
        eprintln!("{path}: {:?}", begun.elapsed());
    }
    assert!(reason(&app).await.is_some());
    let told = buy(&app, concert, "later").await;
    assert_eq!(told.1, "database_unavailable", "{told:?}");
    // Longer than the lag that replicas may have.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let begun = Instant::now();
    assert_eq!(app.get("/en/").await.status(), StatusCode::OK);
    eprintln!("after a while: {:?}", begun.elapsed());
    block_in_place(|| cluster.0.start()).unwrap();
}
