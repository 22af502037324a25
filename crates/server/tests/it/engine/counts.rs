//! `stagedoor_reservations_total`: every request that was decided counts once, whoever hears of it.

use crate::support::reported::Reported;
use crate::support::wait::{LIMIT, eventually, within_limit};
use crate::support::wishes::{RowLock, lane_waits, put, queue, wish};
use crate::support::{NewConcert, TestApp};

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
