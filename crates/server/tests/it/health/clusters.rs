//! What needs a database of its own: a restart, a replica that stops, and a disk that fills.

use domain::health::{Level, Name};
use tokio::task::block_in_place;

use super::{fact, find, level, look};
use crate::support::own_cluster::{OwnCluster, app_url};
use crate::support::small_disk::SmallDisk;
use crate::support::wait::{LIMIT, eventually};
use crate::support::{NewConcert, Options};

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_and_an_outage_are_told() {
    let mut cluster = OwnCluster::start("health-restart").await;
    let app = cluster.app(Options::default()).await;
    assert_eq!(level(&app, Name::Database).await, Level::Green);
    block_in_place(|| cluster.0.stop()).unwrap();
    eventually("the outage is told", LIMIT, async || {
        let figures = look(&app).await;
        find(&figures, Name::Database).level == Level::Red
            && find(&figures, Name::CanSell).level == Level::Red
    })
    .await;
    block_in_place(|| cluster.0.start()).unwrap();
    eventually("it is over, and the restart is told", LIMIT, async || {
        let figures = look(&app).await;
        find(&figures, Name::Database).level == Level::Green
            && find(&figures, Name::CanSell).level == Level::Green
            && find(&figures, Name::DatabaseUptime).level == Level::Amber
    })
    .await;
    let figures = look(&app).await;
    let up = find(&figures, Name::DatabaseUptime).value.unwrap();
    assert!(up < 120.0, "{up}");
    let reached = find(&figures, Name::ConnectionUptime).value.unwrap();
    assert!(reached <= up + 1.0, "{reached} of {up}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_stops_is_told_until_it_is_back() {
    let cluster = OwnCluster::start("health-primary").await;
    let mut standby = cluster.standby("health-standby", &[]);
    let options = Options {
        replica_urls: vec![app_url(&standby)],
        ..Options::default()
    };
    let app = cluster.app(options).await;
    tokio::spawn(app::standing::keep_up(app.app.clone()));
    eventually("it is followed", LIMIT, async || {
        level(&app, Name::ReplicaLag).await == Level::Green
    })
    .await;
    block_in_place(|| standby.stop()).unwrap();
    eventually("it is missed", LIMIT, async || {
        let figures = look(&app).await;
        let lag = find(&figures, Name::ReplicaLag);
        lag.level == Level::Red && fact(lag, "up") == Some("no")
    })
    .await;
    block_in_place(|| standby.start()).unwrap();
    eventually("it is back", LIMIT, async || {
        level(&app, Name::ReplicaLag).await == Level::Green
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_disk_is_told_with_the_days_that_are_left() {
    let name = "health-disk";
    let folder = std::env::temp_dir().join(format!("stagedoor-{name}-{}", std::process::id()));
    let Some(disk) = SmallDisk::mount(&folder, 600) else {
        return;
    };
    let settings = [("max_wal_size", "64MB"), ("min_wal_size", "32MB")];
    let cluster = OwnCluster::start_with(name, &settings).await;
    let options = Options {
        monitor_url: Some(cluster.superuser_url()),
        ..Options::default()
    };
    let app = cluster.app(options).await;
    app.plant(NewConcert::default()).await;
    let figures = look(&app).await;
    let free = find(&figures, Name::DiskFree);
    assert_eq!(free.level, Level::Green, "{free:?}");
    assert_eq!(fact(free, "mount"), Some(&*folder.display().to_string()));
    // A table that grows by more in a day than there will be room for.
    let now = app.app.ctx().now();
    let plant = format!(
        "DELETE FROM table_sizes;
         INSERT INTO table_sizes (day, table_name, bytes, measured_at)
         SELECT date '{today}' - 1, 'concerts', 0, timestamptz '{now}' AT TIME ZONE 'utc' - interval '13 hours';
         INSERT INTO concerts (name, artist, date, venue, total_tickets, available_tickets, price,
                               status, description)
         SELECT 'n', 'a', '2027-01-31', 'v', 1, 1, 0, 'closed', repeat(md5(n::text), 60)
         FROM generate_series(1, 8000) AS n",
        today = app.app.today(),
    );
    app.postgres.batch_execute(&plant).await.unwrap();
    disk.fill_but(12 * 1024 * 1024);
    let figures = look(&app).await;
    assert_eq!(find(&figures, Name::DiskFree).level, Level::Red);
    let days = find(&figures, Name::DiskDays);
    assert_eq!(days.level, Level::Red, "{days:?}");
    disk.free();
    let figures = look(&app).await;
    assert_eq!(find(&figures, Name::DiskFree).level, Level::Green);
    drop(app);
    drop(cluster);
}
