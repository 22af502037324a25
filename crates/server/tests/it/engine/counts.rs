//! `stagedoor_reservations_total`: every request that was decided counts once, whoever hears of it.

use std::time::Duration;

use super::lost_commits::alone;
use crate::support::fault_proxy::{FaultProxy, Hold};
use crate::support::reported::Reported;
use crate::support::wait::{LIMIT, eventually, within_limit};
use crate::support::wishes::{RowLock, lane_waits, put, queue, wish};
use crate::support::{NewConcert, Options, TestApp, cluster};

#[tokio::test]
async fn buyers_who_hang_up_are_counted_once() {
    let reported = Reported::collect();
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let row = RowLock::take(&app.database, concert).await;
        // His request is being decided when he goes, so his tickets are held.
        let hangs_up = put(&app.app, wish(concert, 1, "hangs-up"));
        lane_waits(app).await;
        hangs_up.abort();
        // These go before their turn, and are not decided at all.
        for n in 0..5 {
            drop(queue(&app.app, wish(concert, 1, &format!("goes-{n}"))));
        }
        let stays = queue(&app.app, wish(concert, 1, "stays"));
        row.release().await;
        within_limit("an answer", stays).await.unwrap();
        assert_eq!(app.available(concert).await, 98);
        eventually("an empty queue", LIMIT, async || {
            app.app.waiting_requests() == 0
        })
        .await;
        assert_eq!(reported.outcomes(), [("admitted", 2)]);
    })
    .await;
}

/// Told after 4.5 s that the outcome isn't known; the engine finds out later, or gives up.
#[tokio::test]
async fn buyers_who_waited_too_long_are_counted_once() {
    let reported = Reported::collect();
    let proxy = FaultProxy::start(cluster().port()).await;
    let options = Options {
        database_port: Some(proxy.port),
        ..alone()
    };
    TestApp::run_with(options, async |app| {
        let concert = app.plant(NewConcert::default()).await;
        proxy.hold_command("COMMIT", Hold::Statement);
        let sale = put(&app.app, wish(concert, 1, "som"));
        within_limit("an answer", sale).await.unwrap().unwrap_err();
        proxy.let_go();
        eventually("an empty queue", LIMIT, async || {
            app.app.waiting_requests() == 0
        })
        .await;
        // As long as a look that has begun may take.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(reported.outcomes(), [("failed", 1)]);
    })
    .await;
}
