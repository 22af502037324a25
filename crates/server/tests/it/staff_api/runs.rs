//! Runs over many reservations, and cancelling a whole concert.

use std::time::Duration;

use app::jobs::{self, Attempt, Outcome, Tasks};
use app::runs::{self, NewBulk};
use domain::actor::Actor;
use domain::id::{AdminUserId, RunId};
use domain::run::RunKind;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, from_value, json};
use store::Acting;
use tokio::sync::watch;

use super::{Member, answer, id_of};
use crate::support::paid::plant_paid;
use crate::support::wait::{LIMIT, eventually};
use crate::support::{NewConcert, TestApp};

/// A worker until it is dropped.
fn work(app: &TestApp) -> watch::Sender<bool> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(jobs::work(app.app.clone(), Tasks::of_product(), stopped));
    stop
}

async fn becomes(app: &TestApp, statement: &str, wanted: i64) {
    eventually(statement, LIMIT, async || {
        app.count(statement).await == wanted
    })
    .await;
}

/// Every run is over, and so is what followed from it.
async fn settled(app: &TestApp) {
    let open = "SELECT count(*) FROM staff_runs WHERE finished_at IS NULL";
    becomes(app, open, 0).await;
    becomes(app, "SELECT count(*) FROM jobs WHERE status = 'pending'", 0).await;
}

async fn outcomes(app: &TestApp) -> String {
    let statement = "
        SELECT coalesce(string_agg(told, ', ' ORDER BY told), '')
        FROM (SELECT concat_ws(' ', count(*), outcome, reason) AS told
              FROM staff_run_rows GROUP BY outcome, reason) AS counted";
    let row = app.postgres.query_one(statement, &[]).await.unwrap();
    row.get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_a_concert_closes_it_for_good_and_gives_everything_back() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 2, "held").await;
        let by_hand = app.reserved(concert, 3, "hand").await;
        let confirm = format!("/reservations/{}/confirm", id_of(&by_hand));
        assert_eq!(admin.posts(&confirm).await.status, 200);
        app.postgres
            .batch_execute(&plant_paid(concert, 1000, 2))
            .await
            .unwrap();
        let given_back = app.reserved(concert, 1, "gone").await;
        let path = format!("/reservations/{}/cancel", id_of(&given_back));
        assert_eq!(admin.posts(&path).await.status, 200);

        let path = format!("/concerts/{concert}/cancel");
        let cancelled = admin.posts(&path).await;
        assert_eq!(
            (cancelled.status, &cancelled.body["status"]),
            (200, &"closed".into())
        );
        assert!(cancelled.headers.contains_key("etag"));
        let refused = answer(app.reserve(concert, 1, "late")).await;
        assert_eq!((refused.status, refused.code()), (409, "sale_closed"));
        // Once more, before the run has begun.
        assert_eq!(admin.posts(&path).await.status, 200);

        let _worker = work(app);
        settled(app).await;
        assert_eq!(outcomes(app).await, "4 done");
        let left = "SELECT count(*) FROM reservations WHERE status <> 'cancelled'";
        assert_eq!(app.count(left).await, 0);
        let back = "SELECT count(*) FROM payments p JOIN sandbox_orders o ON o.payment_id = p.id
                    WHERE p.status = 'refunded' AND p.refund_reason = 'concert_cancelled'
                      AND o.refunded_at IS NOT NULL";
        assert_eq!(app.count(back).await, 2);
        let owed = "SELECT count(*) FROM payments
                    WHERE provider = 'manual' AND status = 'refunding'
                      AND refund_reason = 'concert_cancelled' AND refund_error IS NOT NULL";
        assert_eq!(app.count(owed).await, 1, "what staff had by hand");
        assert_eq!(app.available(concert).await, 102);
        let mails: Value = app.get_json("/dev/mail?to=paid1000@example.com").await;
        let texts = mails["items"].as_array().unwrap().iter();
        let mut texts: Vec<&str> = texts.map(|mail| mail["text"].as_str().unwrap()).collect();
        // They were written in the same moment of the test's clock.
        texts.sort_unstable();
        assert_eq!(texts.len(), 2);
        assert!(texts[0].contains("had to cancel this concert"), "{texts:?}");
        assert!(
            texts[1].contains("The concert was cancelled, and your money"),
            "{texts:?}"
        );
        let to_held: Value = app.get_json("/dev/mail?to=held@example.com").await;
        assert_eq!(to_held["items"].as_array().unwrap().len(), 1);

        let opened = admin.posts(&format!("/concerts/{concert}/open")).await;
        assert_eq!((opened.status, opened.code()), (409, "invalid_state"));
        assert_eq!(admin.posts(&path).await.status, 200);
        let runs = "SELECT count(*) FROM staff_runs";
        assert_eq!(app.count(runs).await, 1, "there was nothing left to cancel");
        let paid_back = format!("/reservations/{}/refund", id_of(&by_hand));
        assert_eq!(admin.posts(&paid_back).await.status, 200);
        assert_eq!(app.count(owed).await, 0);
        let log = "SELECT count(*) FROM audit_logs
                   WHERE table_name = 'reservations' AND actor_kind = 'staff'
                     AND new_values ->> 'status' = 'cancelled'";
        assert_eq!(app.count(log).await, 5, "by whoever cancelled the concert");
        drop(held);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expired_of_a_cancelled_concert_cannot_be_confirmed_by_hand() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 2, "som").await;
        app::expire::sweep(&app.app).await.unwrap();
        app.pass(Duration::from_mins(10)).await;
        app::expire::sweep(&app.app).await.unwrap();
        let expired = "SELECT count(*) FROM reservations WHERE status = 'expired'";
        assert_eq!(app.count(expired).await, 1);
        let path = format!("/concerts/{concert}/cancel");
        assert_eq!(admin.posts(&path).await.status, 200);
        let confirm = format!("/reservations/{}/confirm", id_of(&held));
        let refused = admin.posts(&confirm).await;
        assert_eq!((refused.status, refused.code()), (409, "invalid_state"));
        let _worker = work(app);
        settled(app).await;
        assert_eq!(outcomes(app).await, "");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_concert_that_is_cancelled_in_a_rush_keeps_no_buyer() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let _worker = work(app);
        let mut sold = 0;
        for round in 0..10 {
            let concert = app.plant(NewConcert::default()).await;
            let buyers =
                (0..8).map(|buyer| answer(app.reserve(concert, 1, &format!("r{round}-{buyer}"))));
            let path = format!("/concerts/{concert}/cancel");
            let (cancelled, buyers) = tokio::join!(admin.posts(&path), join_all(buyers));
            assert_eq!(cancelled.status, 200, "{}", cancelled.body);
            for buyer in buyers {
                assert!([201, 409].contains(&buyer.status), "{}", buyer.body);
                sold += i64::from(buyer.status == 201);
            }
        }
        settled(app).await;
        let left = "SELECT count(*) FROM reservations WHERE status IN ('pending', 'confirmed')";
        assert_eq!(app.count(left).await, 0);
        assert_eq!(app.count("SELECT count(*) FROM reservations").await, sold);
    })
    .await;
}

fn acting(admin: &Member<'_>) -> (AdminUserId, Acting) {
    let id = AdminUserId::new(admin.id).unwrap();
    (id, Acting::new(Actor::Staff(id)))
}

async fn start(admin: &Member<'_>, kind: RunKind, ids: &[&str], key: &str) -> Option<RunId> {
    let (who, by) = acting(admin);
    let bulk = NewBulk {
        kind,
        ids: ids.iter().map(|id| id.parse().unwrap()).collect(),
        key: key.to_owned(),
    };
    runs::start(&admin.app.app, who, bulk, by).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_sent_twice_is_one_run_and_each_row_tells_what_became_of_it() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let concert = app.plant(NewConcert::default()).await;
        app.postgres
            .batch_execute(&plant_paid(concert, 1000, 1))
            .await
            .unwrap();
        let held = app.reserved(concert, 1, "som").await;
        let gone = app.reserved(concert, 1, "gone").await;
        let path = format!("/reservations/{}/cancel", id_of(&gone));
        assert_eq!(admin.posts(&path).await.status, 200);
        let ids = [
            "RES1000-00000000",
            id_of(&held),
            id_of(&gone),
            "RES7-00000000",
        ];
        let starts = (0..4).map(|_| start(&admin, RunKind::Cancel, &ids, "one"));
        let started = join_all(starts).await;
        assert!(started[0].is_some());
        assert!(started.iter().all(|run| *run == started[0]), "{started:?}");
        assert_eq!(start(&admin, RunKind::Cancel, &[], "two").await, None);
        let _worker = work(app);
        settled(app).await;
        assert_eq!(outcomes(app).await, "1 refused cancelled, 2 done");

        let run = start(&admin, RunKind::Refund, &ids, "three").await;
        assert!(run.is_some() && run != started[0]);
        settled(app).await;
        assert_eq!(
            outcomes(app).await,
            "1 refused cancelled, 2 done, 3 refused nothing_paid"
        );
        start(&admin, RunKind::Resend, &[id_of(&gone)], "four").await;
        settled(app).await;
        let mails = format!(
            "SELECT count(*) FROM mails WHERE kind = 'cancelled' AND reservation_id = '{}'",
            id_of(&gone)
        );
        assert_eq!(app.count(&mails).await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_concert_delays_a_run_and_a_right_that_is_taken_away_ends_it() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let (first, second) = (
            app.plant(NewConcert::default()).await,
            app.plant(NewConcert::default()).await,
        );
        // In the order of their ids, which is that of the run.
        for (concert, number) in [(first, 1000), (second, 2000), (second, 3000)] {
            let plant = plant_paid(concert, number, 1);
            app.postgres.batch_execute(&plant).await.unwrap();
        }
        let keeper = app.database.superuser().await;
        let lock = format!("BEGIN; SELECT FROM concerts WHERE id = {second} FOR UPDATE");
        keeper.batch_execute(&lock).await.unwrap();
        let ids = ["RES1000-00000000", "RES2000-00000000", "RES3000-00000000"];
        start(&admin, RunKind::Cancel, &ids, "one").await;
        let _worker = work(app);
        let done = "SELECT count(*) FROM staff_run_rows WHERE outcome = 'done'";
        becomes(app, done, 1).await;
        // It has given the locked one up, and looks again later.
        let waits = "SELECT count(*) FROM jobs WHERE task = 'staff.run' AND status = 'pending'
                     AND attempts = 0";
        becomes(app, waits, 1).await;
        let demote = format!(
            "UPDATE admin_users SET role = 'moderator' WHERE id = {}",
            admin.id
        );
        app.postgres.batch_execute(&demote).await.unwrap();
        keeper.batch_execute("ROLLBACK").await.unwrap();
        app.pass(Duration::from_secs(2)).await;
        // A moderator may cancel reservations still.
        settled(app).await;
        assert_eq!(outcomes(app).await, "3 done");

        let refund = format!(
            "UPDATE admin_users SET role = 'admin' WHERE id = {}",
            admin.id
        );
        app.postgres.batch_execute(&refund).await.unwrap();
        let plant = plant_paid(second, 4000, 2);
        app.postgres.batch_execute(&plant).await.unwrap();
        keeper.batch_execute(&lock).await.unwrap();
        let ids = ["RES4000-00000000", "RES4001-00000000"];
        start(&admin, RunKind::Refund, &ids, "two").await;
        // Not one row could be settled, which is an attempt that failed.
        let failed = "SELECT count(*) FROM jobs WHERE task = 'staff.run' AND status = 'pending'
                      AND last_error LIKE '%keeps the concert locked%'";
        becomes(app, failed, 1).await;
        app.postgres.batch_execute(&demote).await.unwrap();
        keeper.batch_execute("ROLLBACK").await.unwrap();
        app.pass(Duration::from_mins(1)).await;
        settled(app).await;
        assert_eq!(outcomes(app).await, "2 refused not_allowed, 3 done");
        let kept = "SELECT count(*) FROM payments WHERE status = 'completed'";
        assert_eq!(app.count(kept).await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_disabled_ends_its_runs() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 1, "som").await;
        let path = format!("/concerts/{concert}/cancel");
        assert_eq!(admin.posts(&path).await.status, 200);
        let disable = "UPDATE admin_users SET is_active = false";
        app.postgres.batch_execute(disable).await.unwrap();
        let worker = work(app);
        settled(app).await;
        assert_eq!(outcomes(app).await, "1 refused not_allowed");
        // Somebody else takes it up again.
        let other = Member::of(app, "superadmin").await;
        assert_eq!(other.posts(&path).await.status, 200);
        settled(app).await;
        assert_eq!(outcomes(app).await, "1 done, 1 refused not_allowed");
        let again = answer(app.with_token(Method::GET, &held, "")).await;
        assert_eq!(again.body["status"], "cancelled");
        drop(worker);
    })
    .await;
}

/// Whoever dies after a slice and before that is written down leaves the job that begins anew, and no
/// second one beside it.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_server_died_has_one_job_still() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let plant = plant_paid(concert, 1000, 2);
        app.postgres.batch_execute(&plant).await.unwrap();
        let ids = ["RES1000-00000000", "RES1001-00000000"];
        let run = start(&admin, RunKind::Cancel, &ids, "one").await.unwrap();
        let keeper = app.database.superuser().await;
        let lock = format!("BEGIN; SELECT FROM concerts WHERE id = {concert} FOR UPDATE");
        keeper.batch_execute(&lock).await.unwrap();
        for number in 1..=2 {
            let attempt = Attempt {
                job_id: 1,
                number,
                payload: from_value(json!({ "run": run.get() })).unwrap(),
            };
            let outcome = runs::work(app.app.clone(), attempt).await;
            assert!(matches!(outcome, Outcome::Retry(_)), "{outcome:?}");
        }
        let jobs = "SELECT count(*) FROM jobs WHERE task = 'staff.run'";
        assert_eq!(app.count(jobs).await, 1);
        keeper.batch_execute("ROLLBACK").await.unwrap();
        let _worker = work(app);
        settled(app).await;
        assert_eq!(outcomes(app).await, "2 done");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_job_was_given_up_goes_on_when_it_is_wished_for_again() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let (first, second) = (
            app.reserved(concert, 1, "som").await,
            app.reserved(concert, 1, "nok").await,
        );
        let give_up = "UPDATE jobs SET status = 'dead', finished_at = now() AT TIME ZONE 'utc'
                       WHERE status = 'pending'";
        let path = format!("/concerts/{concert}/cancel");
        let ids = [id_of(&first)];
        let bulk = start(&admin, RunKind::Cancel, &ids, "one").await;
        assert_eq!(admin.posts(&path).await.status, 200);
        app.postgres.batch_execute(give_up).await.unwrap();
        assert_eq!(start(&admin, RunKind::Cancel, &ids, "one").await, bulk);
        assert_eq!(admin.posts(&path).await.status, 200);
        assert_eq!(admin.posts(&path).await.status, 200);
        let jobs = "SELECT count(*) FROM jobs WHERE status = 'pending' AND task = 'staff.run'";
        assert_eq!(app.count(jobs).await, 2, "one for each run");
        let _worker = work(app);
        settled(app).await;
        assert_eq!(app.count("SELECT count(*) FROM staff_runs").await, 2);
        let left = "SELECT count(*) FROM reservations WHERE status <> 'cancelled'";
        assert_eq!(app.count(left).await, 0);
        drop(second);
    })
    .await;
}
