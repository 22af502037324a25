//! A concert that is cancelled, with the server killed in the middle: everybody who had tickets is
//! cancelled and has the money back once, and nobody is told twice.

use std::collections::BTreeMap;

use app::runs;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::house::{House, Network};
use super::*;
use crate::support::paid::plant_paid;

const TOKEN: [u8; 32] = [7; 32];

/// An admin with a session of this token.
async fn plant_admin(house: &House) {
    let plant = "
        INSERT INTO admin_users (username, password, email, role)
        VALUES ('nok', 'no hash', 'nok@example.com', 'admin');
        INSERT INTO admin_sessions (token_digest, admin_user_id, created_at, last_used_at,
                                    expires_at, address_digest)
        SELECT sha256(decode(repeat('07', 32), 'hex')), id, at, at, at + interval '12 hours',
               sha256('somewhere')
        FROM admin_users, (SELECT now() AT TIME ZONE 'utc') AS moment (at)";
    house.postgres.batch_execute(plant).await.unwrap();
}

async fn kill_in_the_middle(buyers: i64, limit: Duration) {
    let (house, server) = House::open(Network::Sandbox).await;
    plant_admin(&house).await;
    let plant = plant_paid(house.concert, 1_000_000, buyers);
    house.postgres.batch_execute(&plant).await.unwrap();
    let path = format!("/api/v1/admin/concerts/{}/cancel", house.concert);
    let ask = async |site: String| {
        let request = house.client.post(format!("{site}{path}"));
        let request = request.bearer_auth(URL_SAFE_NO_PAD.encode(TOKEN));
        request.send().await.unwrap().status()
    };
    assert_eq!(ask(server.site()).await, 200);
    let done = "SELECT count(*) FROM staff_run_rows WHERE outcome = 'done'";
    eventually("a third of it", limit, async || {
        house.count(done).await >= buyers / 3
    })
    .await;
    house.kill(server, []).await;
    let before = house.count(done).await;
    assert!(before < buyers, "it was killed in the middle: {before}");

    let server = house.serve().await;
    // Whoever isn't sure presses the button once more.
    assert_eq!(ask(server.site()).await, 200);
    let open = "SELECT count(*) FROM staff_runs WHERE finished_at IS NULL";
    eventually("the run's end", limit, async || {
        house.count(open).await == 0
    })
    .await;
    let waiting = "SELECT count(*) FROM jobs WHERE status = 'pending'";
    eventually("what follows", limit, async || {
        house.count(waiting).await == 0
    })
    .await;
    assert_told_once(&house, buyers).await;
}

async fn assert_told_once(house: &House, buyers: i64) {
    for (statement, wanted) in [
        ("SELECT count(*) FROM staff_runs", 1),
        // The one who only held tickets, too.
        (
            "SELECT count(*) FROM staff_run_rows WHERE outcome = 'done'",
            buyers + 1,
        ),
        ("SELECT count(*) FROM staff_run_rows", buyers + 1),
        (
            "SELECT count(*) FROM reservations WHERE status = 'cancelled'",
            buyers + 1,
        ),
        (
            "SELECT count(*) FROM payments p JOIN sandbox_orders o ON o.payment_id = p.id
             WHERE p.status = 'refunded' AND o.refunded_at IS NOT NULL
               AND p.refund_reason = 'concert_cancelled'",
            buyers,
        ),
        (
            "SELECT count(*) FROM payment_events WHERE consequence = 'refunded'",
            buyers,
        ),
        (
            "SELECT count(*) FROM mails WHERE kind = 'cancelled' AND status = 'sent'",
            buyers + 1,
        ),
        (
            "SELECT count(*) FROM mails WHERE kind = 'refunded' AND status = 'sent'",
            buyers,
        ),
        ("SELECT count(*) FROM mails", 2 * buyers + 1),
        ("SELECT count(*) FROM jobs WHERE status = 'dead'", 0),
        (
            "SELECT count(*) FROM concerts WHERE available_tickets = total_tickets AND status = 'closed'",
            1,
        ),
    ] {
        assert_eq!(house.count(statement).await, wanted, "{statement}");
    }
    let mut arrived: BTreeMap<String, usize> = BTreeMap::new();
    for mail in house.smtp.taken() {
        *arrived.entry(mail.message_id()).or_default() += 1;
    }
    assert_eq!(i64::try_from(arrived.len()).unwrap(), 2 * buyers + 1);
    // Those that were under way when the server was killed may come again under their name.
    let doubled = arrived.values().filter(|times| **times > 1).count();
    assert!(doubled <= 2, "{doubled} mails came twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_cancelling_a_concert_refunds_everybody_once() {
    kill_in_the_middle(120, LIMIT * 3).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes some minutes: cargo test -p stagedoor --test it five_thousand -- --ignored"]
async fn a_kill_in_the_middle_of_refunding_five_thousand_refunds_everybody_once() {
    kill_in_the_middle(5_000, Duration::from_mins(30)).await;
}

/// While thousands wait for their money there is nothing to ask the provider about it.
#[tokio::test(flavor = "multi_thread")]
async fn money_that_waits_to_be_sent_back_is_not_asked_about() {
    TestApp::run(async |app| {
        let worker = Worker::start(app);
        let buyer = Buyer::of(app, 10).await;
        let payment = buyer.begin().await;
        buyer.choose(&payment, "pay").await;
        assert_eq!(buyer.stands().await, confirmed());
        worker.stop().await;
        cancel_concert(app, buyer.concert).await;
        // A worker that sends no money back.
        let (stop, stopped) = watch::channel(false);
        let tasks = Tasks::default().with(runs::RUN, runs::work);
        let working = tokio::spawn(jobs::work(app.app.clone(), tasks, stopped));
        buyer.is(&payment, "refunding").await;
        stop.send_replace(true);
        working.await.unwrap();
        for _ in 0..3 {
            buyer.wait(Duration::from_mins(5)).await;
        }
        let asked =
            "SELECT count(*) FROM jobs WHERE task LIKE 'payment.ask%' AND status = 'pending'";
        assert_eq!(app.count(asked).await, 0);
        let worker = Worker::start(app);
        buyer.is(&payment, "refunded").await;
        worker.stop().await;
    })
    .await;
}

/// Money that comes when the hold is over finds tickets, but not those of a concert that isn't played.
#[tokio::test(flavor = "multi_thread")]
async fn late_money_for_a_cancelled_concert_goes_back() {
    for is_cancelled in [false, true] {
        TestApp::run(async |app| {
            let worker = Worker::start(app);
            let buyer = Buyer::of(app, 10).await;
            let payment = buyer.begin().await;
            buyer.choose(&payment, "late").await;
            buyer.run_out().await;
            assert_eq!(buyer.stands().await.0, "expired");
            if is_cancelled {
                cancel_concert(app, buyer.concert).await;
            }
            buyer.wait(Duration::from_mins(5)).await;
            // Without the cancellation the tickets are taken anew.
            let wanted = if is_cancelled {
                "refunded"
            } else {
                "completed"
            };
            buyer.is(&payment, wanted).await;
            worker.stop().await;
        })
        .await;
    }
}

async fn cancel_concert(app: &TestApp, concert: i32) {
    let token = app.plant_signed_in("nok", "admin").await;
    let path = format!("/api/v1/admin/concerts/{concert}/cancel");
    let request = app.request(Method::POST, &path).bearer_auth(token);
    assert_eq!(request.send().await.unwrap().status(), 200);
}

/// A hold that ran out has its tickets until it is swept, so its money could still buy them; it is
/// cancelled with the rest, whether it ran out before the concert was cancelled or before its turn came.
#[tokio::test(flavor = "multi_thread")]
async fn money_for_a_hold_that_is_not_swept_when_its_concert_is_cancelled_goes_back() {
    for (is_over_before, is_paid_before_its_turn) in
        [(false, false), (false, true), (true, false), (true, true)]
    {
        TestApp::run(async |app| {
            let worker = Worker::start(app);
            let buyer = Buyer::of(app, 10).await;
            let payment = buyer.begin().await;
            worker.stop().await;
            let over = Duration::from_secs(601);
            if is_over_before {
                app.pass(over).await;
            }
            cancel_concert(app, buyer.concert).await;
            if !is_over_before {
                app.pass(over).await;
            }
            let paid = if is_paid_before_its_turn {
                "pay"
            } else {
                "late"
            };
            buyer.choose(&payment, paid).await;
            if is_paid_before_its_turn {
                assert_eq!(buyer.payment_status(&payment).await, "refunding");
            }
            let worker = Worker::start(app);
            let done = "SELECT count(*) FROM staff_run_rows WHERE outcome = 'done'";
            eventually("its turn", LIMIT, async || app.count(done).await == 1).await;
            let waiting = "SELECT count(*) FROM jobs WHERE status = 'pending'";
            eventually("what follows", LIMIT, async || {
                app.count(waiting).await == 0
            })
            .await;
            if !is_paid_before_its_turn {
                buyer.wait(Duration::from_mins(15)).await;
            }
            buyer.is(&payment, "refunded").await;
            let back = ("cancelled".to_owned(), "refunded".to_owned());
            assert_eq!(buyer.stands().await, back);
            let mails = "SELECT count(*) FROM mails WHERE kind = 'confirmed'";
            assert_eq!(app.count(mails).await, 0);
            assert_eq!(app.available(buyer.concert).await, 10);
            worker.stop().await;
        })
        .await;
    }
}

/// Until its turn comes a hold of a cancelled concert still stands, but nobody is led to pay for it.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_begins_to_pay_for_a_cancelled_concert() {
    TestApp::run(async |app| {
        let buyer = Buyer::of(app, 10).await;
        cancel_concert(app, buyer.concert).await;
        assert_eq!(buyer.stands().await.0, "pending");
        let extend = app.with_token(Method::POST, &buyer.hold, "/extend");
        for refused in [buyer.post_payment().await, extend.send().await.unwrap()] {
            assert_eq!(refused.status(), 409);
            let problem: Value = refused.json().await.unwrap();
            assert_eq!(problem["code"], "invalid_state");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.starts_with("The concert was cancelled"), "{detail}");
        }
        assert_eq!(app.count("SELECT count(*) FROM payments").await, 0);
    })
    .await;
}

/// Before its turn and after, with money and without, whoever has the link reads it first.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_reservation_says_that_its_concert_is_cancelled() {
    TestApp::run(async |app| {
        let worker = Worker::start(app);
        let Buyer { concert, hold, .. } = Buyer::of(app, 10).await;
        let paid = Buyer { app, concert, hold };
        let hold = app.reserved(concert, 2, "nok").await;
        let waiting = Buyer { app, concert, hold };
        let payment = paid.begin().await;
        paid.choose(&payment, "pay").await;
        assert_eq!(paid.stands().await, confirmed());
        let page = paid.page().await;
        assert!(!page.contains("This concert is cancelled"), "{page}");
        worker.stop().await;
        cancel_concert(app, paid.concert).await;

        let gone = [
            "/pay\"",
            "/cancel\"",
            "class=\"pass\"",
            "data-until",
            "Book again",
        ];
        for buyer in [&paid, &waiting] {
            let page = buyer.page().await;
            assert!(
                page.contains("<h1>This concert is cancelled</h1>"),
                "{page}"
            );
            assert!(page.contains("are being cancelled"), "{page}");
            assert!(page.contains("See other concerts"), "{page}");
            for gone in gone {
                assert!(!page.contains(gone), "{gone}: {page}");
            }
        }
        let worker = Worker::start(app);
        paid.is(&payment, "refunded").await;
        eventually("its turn", LIMIT, async || {
            waiting.stands().await.0 == "cancelled"
        })
        .await;
        // Also once it is shown nowhere else.
        for status in ["closed", "archived"] {
            let update = format!("UPDATE concerts SET status = '{status}'");
            app.postgres.batch_execute(&update).await.unwrap();
            let page = paid.page().await;
            assert!(
                page.contains("The concert was cancelled, and your money went back"),
                "{page}"
            );
            for page in [page, waiting.page().await] {
                assert!(
                    page.contains("<h1>This concert is cancelled</h1>"),
                    "{page}"
                );
                assert!(page.contains("can&#39;t be used any more"), "{page}");
                assert!(!page.contains("on sale again"), "{page}");
            }
        }
        worker.stop().await;
    })
    .await;
}

/// What keeps a run from its concert is told by its job, and a run survives it.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_concert_stays_locked_says_so_and_goes_on_later() {
    TestApp::run(async |app| {
        let buyer = Buyer::of(app, 10).await;
        cancel_concert(app, buyer.concert).await;
        let holder = app.database.superuser().await;
        let lock = "BEGIN; SELECT FROM concerts FOR UPDATE";
        holder.batch_execute(lock).await.unwrap();
        let worker = Worker::start(app);
        let told = "SELECT count(*) FROM jobs
                    WHERE task = 'staff.run' AND status = 'pending' AND last_error LIKE '%locked%'";
        eventually("what it waits for", LIMIT, async || {
            app.count(told).await == 1
        })
        .await;
        // With all the attempts behind it that a lock may take, it begins anew.
        let often = "UPDATE jobs SET attempts = 20, run_at = '2026-11-21'
                     WHERE task = 'staff.run' AND status = 'pending'";
        app.postgres.batch_execute(often).await.unwrap();
        app.pass(Duration::from_mins(10)).await;
        jobs::wake(&app.app);
        let anew = "SELECT count(*) FROM jobs
                    WHERE task = 'staff.run' AND status = 'pending' AND attempts < 5";
        eventually("a new job", LIMIT, async || app.count(anew).await == 1).await;
        holder.batch_execute("ROLLBACK").await.unwrap();
        let done = "SELECT count(*) FROM staff_run_rows WHERE outcome = 'done'";
        eventually("its turn", LIMIT, async || {
            app.pass(Duration::from_mins(1)).await;
            jobs::wake(&app.app);
            app.count(done).await == 1
        })
        .await;
        worker.stop().await;
    })
    .await;
}
