//! One URL with several hosts: the one that takes writes is found, also after it has changed.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use tokio::net::TcpListener;
use tokio::task::block_in_place;

use crate::support::own_cluster::OwnCluster;
use crate::support::wait::{LIMIT, eventually};
use crate::support::{NewConcert, Options, PASSWORD, connect};

#[tokio::test(flavor = "multi_thread")]
async fn of_several_hosts_the_primary_is_found_before_and_after_a_failover() {
    let mut cluster = OwnCluster::start("hosts").await;
    let standby = cluster.standby("hosts_one", &[]);
    // Takes connections and never answers, as a machine whose programs hang.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ports = [
        silent.local_addr().unwrap().port(),
        standby.port(),
        cluster.0.port(),
    ];
    let hosts = ports.map(|port| format!("127.0.0.1:{port}")).join(",");
    let url = format!("postgresql://stagedoor_app:{PASSWORD}@{hosts}/stagedoor?sslmode=disable");
    let options = Options {
        database_url: Some(url),
        ..Options::default()
    };
    let mut app = cluster.app(options).await;
    app.postgres = cluster.superuser().await;
    let concert = app.plant(NewConcert::default()).await;
    let begun = Instant::now();
    app.reserved(concert, 1, "before").await;
    eprintln!("first sale after {:?}", begun.elapsed());

    super::replayed_all(&cluster, &standby).await;
    block_in_place(|| cluster.0.kill()).unwrap();
    let promoted = connect(&standby.superuser_url("stagedoor")).await;
    promoted.batch_execute("SELECT pg_promote()").await.unwrap();
    let begun = Instant::now();
    let mut told = 0;
    eventually("a sale at the new primary", LIMIT, async || {
        let answer = app
            .reserve(concert, 1, "after")
            .header("Idempotency-Key", "k");
        let status = answer.send().await.unwrap().status();
        if status != StatusCode::CREATED {
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            told += 1;
        }
        status == StatusCode::CREATED
    })
    .await;
    eprintln!(
        "sold after {:?}, {told} buyers were told to come again",
        begun.elapsed()
    );
    assert!(begun.elapsed() < Duration::from_secs(50));
    app.postgres = promoted;
    let held = "SELECT count(*) FROM reservations";
    assert_eq!(app.count(held).await, 2);
    app.assert_inventory().await;
}
