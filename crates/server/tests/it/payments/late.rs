//! Money that came too late, until it is back.

use super::*;

/// What the sales of these days are by state.
async fn states(app: &TestApp, token: &str) -> Value {
    let request = app.request(Method::GET, "/api/v1/admin/reports/sales");
    let answer = request.bearer_auth(token).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let report: Value = answer.json().await.unwrap();
    report["total"]["states"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn late_money_is_told_as_on_its_way_back_until_it_is_back() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("nok", "admin").await;
        let buyer = Buyer::of(app, 2).await;
        let worker = Worker::start(app);
        let payment = buyer.begin().await;
        worker.stop().await;
        buyer.choose(&payment, "late").await;
        buyer.run_out().await;
        app.reserved(buyer.concert, 2, "nok").await;
        // A worker that hears of the money, and sends none back.
        let (stop, stopped) = watch::channel(false);
        let tasks = Tasks::default().with(payments::ASK, payments::ask);
        let asking = tokio::spawn(jobs::work(app.app.clone(), tasks, stopped));
        buyer.wait(Duration::from_mins(5)).await;
        buyer.is(&payment, "refunding").await;
        stop.send_replace(true);
        asking.await.unwrap();
        let found = states(app, &token).await;
        assert_eq!(found["refunding"]["reservations"], 1, "{found}");
        assert_eq!(found["lapsed"]["reservations"], 0, "{found}");
        let paid = ("expired".to_owned(), "completed".to_owned());
        assert_eq!(buyer.stands().await, paid);
        let worker = Worker::start(app);
        buyer.is(&payment, "refunded").await;
        let found = states(app, &token).await;
        assert_eq!(found["refunded"]["reservations"], 1, "{found}");
        worker.stop().await;
    })
    .await;
}
