//! A concert that is cancelled, with the server killed in the middle: everybody who had tickets is
//! cancelled and has the money back once, and nobody is told twice.

use std::collections::BTreeMap;

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
                let token = app.plant_signed_in("nok", "admin").await;
                let path = format!("/api/v1/admin/concerts/{}/cancel", buyer.concert);
                let request = app.request(Method::POST, &path).bearer_auth(token);
                assert_eq!(request.send().await.unwrap().status(), 200);
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
