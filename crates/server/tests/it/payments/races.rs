//! Several who want something else with the same money at the same time, and news that overtakes other
//! news.

use super::*;

pub(super) async fn staff(app: &TestApp, token: &str, hold: &Value, action: &str) -> (u16, Value) {
    let id = hold["id"].as_str().unwrap();
    let path = format!("/api/v1/admin/reservations/{id}/{action}");
    let request = app.request(Method::POST, &path).bearer_auth(token);
    let answer = request.json(&json!({})).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

pub(super) async fn cancel(buyer: &Buyer<'_>) {
    let cancel = buyer.app.with_token(Method::POST, &buyer.hold, "/cancel");
    let answer = cancel.send().await.unwrap();
    let status = answer.status();
    assert_eq!(status, 200, "{}", answer.text().await.unwrap());
}

/// A buyer who has given the tickets back, and whose money can't go back by itself.
pub(super) async fn stuck(app: &TestApp) -> (Worker, Buyer<'_>, String) {
    let worker = Worker::start(app);
    let buyer = Buyer::of(app, 10).await;
    let payment = buyer.begin().await;
    buyer.choose(&payment, "refund_fails").await;
    cancel(&buyer).await;
    reported(app).await;
    (worker, buyer, payment)
}

/// From now on the provider sends the money back that it couldn't.
pub(super) async fn mend(app: &TestApp) {
    let mended = "UPDATE sandbox_orders SET outcome = 'pay'";
    app.postgres.batch_execute(mended).await.unwrap();
}

pub(super) async fn reported(app: &TestApp) {
    let stuck = "SELECT count(*) FROM payments WHERE refund_error IS NOT NULL";
    eventually("a report", LIMIT, async || app.count(stuck).await == 1).await;
}

#[tokio::test]
async fn the_providers_page_is_closed_as_soon_as_nothing_is_to_be_paid() {
    TestApp::run(async |app| {
        let worker = Worker::start(app);
        let admin = app.plant_signed_in("admin1", "admin").await;
        for by_staff in [true, false] {
            let buyer = Buyer::of(app, 10).await;
            let payment = buyer.begin().await;
            if by_staff {
                assert_eq!(staff(app, &admin, &buyer.hold, "confirm").await.0, 200);
            } else {
                cancel(&buyer).await;
            }
            // Without any time going by.
            buyer.is(&payment, "failed").await;
            assert_eq!(buyer.choose(&payment, "pay").await.status(), 409);
            let status = if by_staff { "confirmed" } else { "cancelled" };
            assert_eq!(buyer.stands().await.0, status);
        }
        worker.stop().await;
    })
    .await;
}

/// Whoever pays in the moment before the page is closed.
#[tokio::test]
async fn money_that_overtakes_the_closing_of_its_page_goes_back() {
    TestApp::run(async |app| {
        let admin = app.plant_signed_in("admin1", "admin").await;
        let worker = Worker::start(app);
        let buyer = Buyer::of(app, 10).await;
        let payment = buyer.begin().await;
        worker.stop().await;
        assert_eq!(staff(app, &admin, &buyer.hold, "confirm").await.0, 200);
        assert_eq!(buyer.choose(&payment, "pay").await.status(), 303);
        let worker = Worker::start(app);
        buyer.is(&payment, "refunded").await;
        assert_eq!(buyer.stands().await, confirmed());
        assert_eq!(app.available(buyer.concert).await, 8);
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_page_is_closed_when_its_hold_ends_however_seldom_it_was_asked_about() {
    TestApp::run(async |app| {
        let worker = Worker::start(app);
        let buyer = Buyer::of(app, 10).await;
        let payment = buyer.begin().await;
        let mut gone = Duration::ZERO;
        // Undecided for 6 minutes it would be asked about again after 12.
        for until in [61, 190, 385, 586, 601].map(Duration::from_secs) {
            let asked = "SELECT count(*) FROM jobs WHERE task = 'payment.ask' AND status = 'done'";
            let before = app.count(asked).await;
            buyer.wait(until.saturating_sub(gone)).await;
            gone = until;
            eventually("an answer", LIMIT, async || {
                app.count(asked).await == before + 1
            })
            .await;
        }
        assert_eq!(buyer.payment_status(&payment).await, "failed");
        assert_eq!(buyer.choose(&payment, "pay").await.status(), 409);
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn who_begins_several_times_at_once_has_begun_once() {
    TestApp::run(async |app| {
        let buyer = Buyer::of(app, 10).await;
        let answers = join_all((0..8).map(|_| buyer.post_payment())).await;
        for answer in answers {
            assert!([201, 503].contains(&answer.status().as_u16()));
        }
        assert_eq!(app.count("SELECT count(*) FROM payments").await, 1);
        let opens = "SELECT count(*) FROM jobs WHERE task = 'payment.open'";
        assert_eq!(app.count(opens).await, 1);
    })
    .await;
}

#[tokio::test]
async fn staff_who_refund_at_once_with_the_buyer_refund_once() {
    TestApp::run(async |app| {
        let admin = app.plant_signed_in("admin1", "admin").await;
        let worker = Worker::start(app);
        let buyer = Buyer::of(app, 10).await;
        let payment = buyer.begin().await;
        buyer.choose(&payment, "pay").await;
        buyer.is(&payment, "completed").await;
        let refunds = join_all((0..4).map(|_| staff(app, &admin, &buyer.hold, "refund")));
        let cancel = app.with_token(Method::POST, &buyer.hold, "/cancel").send();
        let (refunds, cancelled) = tokio::join!(refunds, cancel);
        let mut done = u16::from(cancelled.unwrap().status() == 200);
        for (status, body) in refunds {
            assert!([200, 409, 503].contains(&status), "{body}");
            done += u16::from(status == 200);
        }
        assert_eq!(done, 1);
        // A job that met a lock comes again later.
        eventually("refunded", LIMIT, async || {
            buyer.wait(Duration::from_secs(5)).await;
            buyer.payment_status(&payment).await == "refunded"
        })
        .await;
        let sent = "SELECT count(*) FROM jobs WHERE task = 'payment.refund'";
        assert_eq!(app.count(sent).await, 1);
        assert_eq!(app.available(buyer.concert).await, 10);
        worker.stop().await;
    })
    .await;
}

/// The webhook several times, and the answers to questions of two servers.
#[tokio::test]
async fn all_who_hear_of_the_money_at_once_confirm_once() {
    TestApp::run(async |app| {
        let worker = Worker::start(app);
        let other = Worker::start(app);
        let buyer = Buyer::of(app, 10).await;
        let payment = buyer.begin().await;
        let books = format!(
            "UPDATE sandbox_orders SET outcome = 'pay', told_at = created_at
             WHERE payment_id = '{payment}'"
        );
        app.postgres.batch_execute(&books).await.unwrap();
        app.pass(Duration::from_secs(61)).await;
        let body = paid(&payment, "2500.00");
        let signature = signed(SECRET, app.app.ctx().now().as_second(), &body);
        let (told, asked, again) = tokio::join!(
            join_all((0..10).map(|_| deliver(app, &signature, &body))),
            payments::list_due(&app.app),
            payments::list_due(&app.app),
        );
        asked.unwrap();
        again.unwrap();
        for answer in told {
            assert!([200, 503].contains(&answer.status().as_u16()));
        }
        buyer.is(&payment, "completed").await;
        let acted = "SELECT count(*) FROM payment_events WHERE consequence = 'confirmed'";
        assert_eq!(app.count(acted).await, 1);
        let mails = "SELECT count(*) FROM mails WHERE kind = 'confirmed'";
        assert_eq!(app.count(mails).await, 1);
        worker.stop().await;
        other.stop().await;
    })
    .await;
}

#[tokio::test]
async fn what_staff_had_by_hand_is_owed_until_they_say_that_it_went_back() {
    TestApp::run(async |app| {
        let admin = app.plant_signed_in("admin1", "admin").await;
        let worker = Worker::start(app);
        let buyer = Buyer::of(app, 10).await;
        assert_eq!(staff(app, &admin, &buyer.hold, "confirm").await.0, 200);
        cancel(&buyer).await;
        let owed = ("cancelled".to_owned(), "completed".to_owned());
        assert_eq!(buyer.stands().await, owed);
        reported(app).await;
        assert!(buyer.page().await.contains("needs somebody&#39;s help"));
        let (status, body) = staff(app, &admin, &buyer.hold, "refund").await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["payment_status"], "refunded");
        let (status, _) = staff(app, &admin, &buyer.hold, "refund").await;
        assert_eq!(status, 409);
        assert_eq!(app.available(buyer.concert).await, 10);
        worker.stop().await;
    })
    .await;
}

/// Who may cancel needn't have handed out anything.
#[tokio::test]
async fn what_staff_had_by_hand_is_owed_when_they_cancel() {
    TestApp::run(async |app| {
        let admin = app.plant_signed_in("admin1", "admin").await;
        let buyer = Buyer::of(app, 10).await;
        assert_eq!(staff(app, &admin, &buyer.hold, "confirm").await.0, 200);
        let (status, body) = staff(app, &admin, &buyer.hold, "cancel").await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["status"], "cancelled");
        assert_eq!(body["payment_status"], "completed");
        reported(app).await;
        let (status, body) = staff(app, &admin, &buyer.hold, "refund").await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["payment_status"], "refunded");
        assert_eq!(app.available(buyer.concert).await, 10);
    })
    .await;
}

#[tokio::test]
async fn a_refund_that_failed_is_tried_again_when_staff_say_so() {
    TestApp::run(async |app| {
        let admin = app.plant_signed_in("admin1", "admin").await;
        let (worker, buyer, payment) = stuck(app).await;
        mend(app).await;
        assert_eq!(staff(app, &admin, &buyer.hold, "refund").await.0, 200);
        buyer.is(&payment, "refunded").await;
        let refunded = ("cancelled".to_owned(), "refunded".to_owned());
        assert_eq!(buyer.stands().await, refunded);
        assert_eq!(app.available(buyer.concert).await, 10);
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_refund_that_is_tried_again_is_asked_about_when_nobody_tells() {
    TestApp::run(async |app| {
        let admin = app.plant_signed_in("admin1", "admin").await;
        let (worker, buyer, payment) = stuck(app).await;
        worker.stop().await;
        mend(app).await;
        assert_eq!(staff(app, &admin, &buyer.hold, "refund").await.0, 200);
        let lost = "UPDATE jobs SET status = 'dead', finished_at = created_at
                    WHERE task = 'payment.refund' AND status <> 'done'";
        app.postgres.batch_execute(lost).await.unwrap();
        let worker = Worker::start(app);
        buyer.wait(Duration::from_secs(121)).await;
        buyer.is(&payment, "refunded").await;
        worker.stop().await;
    })
    .await;
}

/// The money that came second is stuck on its way back, and the tickets are those of the first.
#[tokio::test]
async fn trying_a_stuck_refund_again_leaves_good_tickets_alone() {
    TestApp::run(async |app| {
        let admin = app.plant_signed_in("admin1", "admin").await;
        let worker = Worker::start(app);
        let buyer = Buyer::of(app, 10).await;
        let payment = buyer.begin().await;
        worker.stop().await;
        assert_eq!(staff(app, &admin, &buyer.hold, "confirm").await.0, 200);
        assert_eq!(buyer.choose(&payment, "refund_fails").await.status(), 303);
        let worker = Worker::start(app);
        reported(app).await;
        mend(app).await;
        assert_eq!(staff(app, &admin, &buyer.hold, "refund").await.0, 200);
        buyer.is(&payment, "refunded").await;
        assert_eq!(buyer.stands().await, confirmed());
        assert_eq!(app.available(buyer.concert).await, 8);
        worker.stop().await;
    })
    .await;
}

/// What holds nothing may be deleted; the buyer's money still has to go back.
#[tokio::test]
async fn money_of_a_deleted_reservation_goes_back_when_staff_say_so() {
    TestApp::run(async |app| {
        let admin = app.plant_signed_in("admin1", "admin").await;
        let (worker, buyer, payment) = stuck(app).await;
        let id = buyer.hold["id"].as_str().unwrap();
        let deleted = app.as_staff(&admin, Method::DELETE, &format!("/reservations/{id}"));
        assert_eq!(deleted.send().await.unwrap().status(), 204);
        mend(app).await;
        let (status, body) = staff(app, &admin, &buyer.hold, "refund").await;
        assert_eq!(status, 200, "{body}");
        buyer.is(&payment, "refunded").await;
        let (status, _) = staff(app, &admin, &buyer.hold, "refund").await;
        assert_eq!(status, 404, "there is nothing more to do");
        worker.stop().await;
    })
    .await;
}

/// The bank sent it back, and that it had been sent is told afterwards.
#[tokio::test]
async fn old_news_of_a_refund_does_not_hide_that_it_failed() {
    TestApp::run(async |app| {
        let (worker, buyer, payment) = stuck(app).await;
        let body = json!({"id": "evt-old", "type": "payment.refunded", "payment_id": payment});
        let body = body.to_string();
        let signature = signed(SECRET, app.app.ctx().now().as_second(), &body);
        assert_eq!(deliver(app, &signature, &body).await.status(), 200);
        let asked =
            "SELECT count(*) FROM jobs WHERE task = 'payment.ask_refund' AND status = 'done'";
        let before = app.count(asked).await;
        buyer.wait(Duration::from_secs(1)).await;
        eventually("an answer", LIMIT, async || {
            app.count(asked).await == before + 1
        })
        .await;
        assert_eq!(buyer.payment_status(&payment).await, "refunding");
        reported(app).await;
        assert!(buyer.page().await.contains("needs somebody&#39;s help"));
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn money_whose_sending_was_given_up_is_sent_by_whoever_asks_about_it() {
    TestApp::run(async |app| {
        let worker = Worker::start(app);
        let buyer = Buyer::of(app, 10).await;
        let payment = buyer.begin().await;
        buyer.choose(&payment, "pay").await;
        worker.stop().await;
        cancel(&buyer).await;
        let given_up = "UPDATE jobs SET status = 'dead', finished_at = created_at
                        WHERE task = 'payment.refund'";
        app.postgres.batch_execute(given_up).await.unwrap();
        let worker = Worker::start(app);
        buyer.wait(Duration::from_secs(121)).await;
        buyer.is(&payment, "refunded").await;
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn tickets_are_given_back_until_the_very_second() {
    TestApp::run(async |app| {
        let worker = Worker::start(app);
        let concert = NewConcert {
            in_days: 3,
            ..NewConcert::default()
        };
        let concert = app.plant(concert).await;
        let mut holds = Vec::new();
        for name in ["som", "nok"] {
            let hold = app.reserved(concert, 2, name).await;
            let buyer = Buyer { app, concert, hold };
            let payment = buyer.begin().await;
            buyer.choose(&payment, "pay").await;
            holds.push((buyer, payment));
        }
        let (first, payment) = &holds[0];
        // Noon in Bangkok; the concert's day begins in 60 hours, of which 48 are too late.
        app.pass(Duration::from_hours(12)).await;
        cancel(first).await;
        first.is(payment, "refunded").await;
        app.pass(Duration::from_secs(1)).await;
        let late = app.with_token(Method::POST, &holds[1].0.hold, "/cancel");
        assert_eq!(late.send().await.unwrap().status(), 409);
        assert_eq!(holds[1].0.stands().await, confirmed());
        worker.stop().await;
    })
    .await;
}
