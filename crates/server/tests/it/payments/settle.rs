//! A refund that stands open is settled by staff who paid it back another way: once, behind the same locks,
//! and whatever the provider says meanwhile or later.

use super::races::{cancel, mend, reported, staff, stuck};
use super::*;

const NOTE: &str = "In cash at the box office, 22 November";

/// Status, address and page of an answer.
async fn send(
    app: &TestApp,
    cookie: &str,
    path: &str,
    fields: &[(&str, &str)],
) -> (u16, String, String) {
    let cookie = format!("{cookie}; lang=en");
    let answer = app.form_as(&cookie, path, fields).send().await.unwrap();
    let status = answer.status().as_u16();
    let place = answer.headers().get("location");
    let place = place.map_or("", |value| value.to_str().unwrap()).to_owned();
    (status, place, answer.text().await.unwrap())
}

async fn settle(app: &TestApp, cookie: &str, payment: &str, note: &str) -> (u16, String, String) {
    let path = format!("/staff/refunds/{payment}/settle");
    send(app, cookie, &path, &[("note", note), ("confirmed", "1")]).await
}

async fn text(app: &TestApp, cookie: &str, path: &str) -> String {
    let answer = app.page_as(&format!("{cookie}; lang=en"), path).await;
    assert_eq!(answer.status(), 200, "{path}");
    answer.text().await.unwrap()
}

/// Whether the payment is settled, with no trace of what was wrong, and the provider isn't asked any more.
async fn assert_settled(app: &TestApp, payment: &str, note: &str) {
    let settled = format!(
        "SELECT count(*) FROM payments
         WHERE id = '{payment}' AND status = 'refunded' AND refund_note = '{note}'
           AND refund_error IS NULL AND ask_at IS NULL"
    );
    assert_eq!(app.count(&settled).await, 1);
}

async fn assert_untouched(app: &TestApp) {
    let stuck = "SELECT count(*) FROM payments
                 WHERE status = 'refunding' AND refund_error IS NOT NULL AND refund_note IS NULL";
    assert_eq!(app.count(stuck).await, 1);
}

async fn tell(app: &TestApp, id: &str, kind: &str, payment: &str) {
    let body = json!({"id": id, "type": kind, "payment_id": payment}).to_string();
    let signature = signed(SECRET, app.app.ctx().now().as_second(), &body);
    assert_eq!(deliver(app, &signature, &body).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_paid_it_back_another_way_says_so_and_presses_twice() {
    TestApp::run(async |app| {
        let (worker, buyer, payment) = stuck(app).await;
        let admin = app.as_member("admin").await;
        let page = format!("/staff/refunds/{payment}");
        let list = text(app, &admin, "/staff/refunds").await;
        assert!(list.contains(&format!("href=\"{page}\"")), "{list}");
        let shown = text(app, &admin, &page).await;
        for told in [
            "฿2,500",
            "som@example.com",
            "sandbox",
            "The Lanterns – Night Ferry",
            "The buyer gave the tickets back.",
            "the provider could not send the money back",
            "<q class=\"lines\">the card was closed</q>",
            buyer.hold["id"].as_str().unwrap(),
            &format!("action=\"{page}/ask\""),
            &format!("action=\"{page}/settle\""),
        ] {
            assert!(shown.contains(told), "{told}: {shown}");
        }

        let path = format!("{page}/settle");
        let note = [("note", NOTE)];
        let (status, _, question) = send(app, &admin, &path, &note).await;
        assert_eq!(status, 200);
        assert!(question.contains(NOTE) && question.contains("name=\"confirmed\""));
        assert!(question.contains("has ฿2,500 back"), "{question}");
        let change = [("note", NOTE), ("change", "1")];
        let (status, _, form) = send(app, &admin, &path, &change).await;
        assert_eq!(status, 200);
        assert!(form.contains(&format!(">\n{NOTE}</textarea>")), "{form}");
        assert_untouched(app).await;

        let (status, place, _) = settle(app, &admin, &payment, NOTE).await;
        assert_eq!((status, place), (303, format!("{page}?said=refund-settled")));
        assert_settled(app, &payment, NOTE).await;
        let refunded = ("cancelled".to_owned(), "refunded".to_owned());
        assert_eq!(buyer.stands().await, refunded);
        let mails = "SELECT count(*) FROM mails WHERE kind = 'refunded'";
        assert_eq!(app.count(mails).await, 1);
        let audited = format!(
            "SELECT count(*) FROM audit_logs l JOIN admin_users u ON u.id = l.user_id
             WHERE l.table_name = 'payments' AND l.record_id = '{payment}' AND l.action = 'UPDATE'
               AND u.username = 'a-admin' AND l.new_values ->> 'refund_note' = '{NOTE}'
               AND l.new_values ->> 'status' = 'refunded' AND l.new_values -> 'refund_error' = 'null'"
        );
        assert_eq!(app.count(&audited).await, 1);
        assert_told(app, &admin, &buyer, &payment).await;
        worker.stop().await;
    })
    .await;
}

/// Where the note stands, and where it doesn't.
async fn assert_told(app: &TestApp, admin: &str, buyer: &Buyer<'_>, payment: &str) {
    let shown = text(app, admin, &format!("/staff/refunds/{payment}")).await;
    assert!(
        shown.contains(NOTE) && !shown.contains("<textarea"),
        "{shown}"
    );
    assert!(!shown.contains("/ask\""), "{shown}");
    let id = buyer.hold["id"].as_str().unwrap();
    let path = format!("/staff/reservations/{id}");
    let shown = text(app, admin, &path).await;
    assert_eq!(shown.matches(NOTE).count(), 2, "{shown}");
    let deed = "a-admin noted that the money was paid back another way.";
    assert_eq!(shown.matches(deed).count(), 1, "{shown}");
    let moderator = app.as_member("moderator").await;
    let shown = text(app, &moderator, &path).await;
    assert!(
        shown.contains(NOTE) && !shown.contains("a-admin"),
        "{shown}"
    );
    let list = text(app, admin, "/staff/refunds").await;
    assert!(list.contains("No refund stands open."), "{list}");
    let page = buyer.page().await;
    assert!(page.contains("another way than it came"), "{page}");
    assert!(!page.contains(NOTE), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_is_needed_has_a_limit_and_is_kept_when_it_is_wrong() {
    TestApp::run(async |app| {
        let (worker, _buyer, payment) = stuck(app).await;
        let admin = app.as_member("admin").await;
        let (long, longer) = ("ก".repeat(501), "x".repeat(520));
        for (note, said) in [
            ("", "Write how and when you paid it back."),
            (" \r\n ", "Write how and when you paid it back."),
            (
                &long,
                "The note is one character too long. Shorten it to 500.",
            ),
            (&longer, "The note is 20 characters too long."),
            ("in ca\u{7}sh", "characters that can&#39;t be shown"),
        ] {
            let (status, _, form) = settle(app, &admin, &payment, note).await;
            assert_eq!(status, 422, "{note}");
            assert!(
                form.contains(said) && form.contains("href=\"#note\""),
                "{form}"
            );
            assert!(form.contains("aria-invalid=\"true\""), "{form}");
            assert!(form.contains(&format!(">\n{note}</textarea>")), "{form}");
        }
        assert_untouched(app).await;
        let longest = "ก".repeat(500);
        assert_eq!(settle(app, &admin, &payment, &longest).await.0, 303);
        assert_settled(app, &payment, &longest).await;
        worker.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_refund_settles_and_only_what_is_stuck() {
    TestApp::run(async |app| {
        let worker = Worker::start(app);
        let admin = app.as_member("admin").await;
        let moderator = app.as_member("moderator").await;
        let buyer = Buyer::of(app, 10).await;
        let payment = buyer.begin().await;
        let (page, ask) = (
            format!("/staff/refunds/{payment}"),
            format!("/staff/refunds/{payment}/ask"),
        );
        let refused = async |what: &str| {
            for (status, _, body) in [
                settle(app, &admin, &payment, NOTE).await,
                send(app, &admin, &ask, &[]).await,
            ] {
                assert_eq!(status, 409, "{what}");
                assert!(body.contains("This refund isn’t stuck"), "{what}: {body}");
            }
            let shown = text(app, &admin, &page).await;
            assert!(
                !shown.contains("<textarea") && !shown.contains("/ask\""),
                "{what}"
            );
        };
        refused("undecided").await;
        buyer.choose(&payment, "refund_fails").await;
        buyer.is(&payment, "completed").await;
        refused("paid").await;
        cancel(&buyer).await;
        reported(app).await;
        assert_eq!(settle(app, &moderator, &payment, NOTE).await.0, 403);
        assert_eq!(send(app, &moderator, &ask, &[]).await.0, 403);
        assert_eq!(app.page_as(&moderator, &page).await.status(), 403);
        let nobody = "PAY1792000000000-00000009";
        assert_eq!(settle(app, &admin, nobody, NOTE).await.0, 404);
        assert_eq!(settle(app, &admin, "PAY", NOTE).await.0, 404);
        assert_untouched(app).await;
        assert_eq!(settle(app, &admin, &payment, NOTE).await.0, 303);
        refused("settled").await;
        assert_settled(app, &payment, NOTE).await;
        worker.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_who_settle_at_once_settle_once() {
    TestApp::run(async |app| {
        let (worker, _buyer, payment) = stuck(app).await;
        let admin = app.as_member("admin").await;
        let all = join_all((0..6).map(|_| settle(app, &admin, &payment, NOTE))).await;
        let done = all.iter().filter(|(status, ..)| *status == 303).count();
        assert_eq!(done, 1);
        for (status, _, body) in all {
            assert!([303, 409, 503].contains(&status), "{body}");
        }
        assert_settled(app, &payment, NOTE).await;
        for (of, wanted) in [
            ("mails WHERE kind = 'refunded'", 1),
            ("payment_events WHERE news = 'settled'", 1),
            (
                "audit_logs WHERE new_values ->> 'refund_note' IS NOT NULL",
                1,
            ),
        ] {
            let count = app.count(&format!("SELECT count(*) FROM {of}")).await;
            assert_eq!(count, wanted, "{of}");
        }
        worker.stop().await;
    })
    .await;
}

/// A job that has begun may be sending the money at this moment.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_settles_what_is_being_sent() {
    TestApp::run(async |app| {
        let (worker, _buyer, payment) = stuck(app).await;
        worker.stop().await;
        let admin = app.as_member("admin").await;
        let asked = send(app, &admin, &format!("/staff/refunds/{payment}/ask"), &[]).await;
        assert_eq!(asked.0, 303);
        let now = app.app.ctx().now().strftime("%F %T").to_string();
        let leased = format!(
            "UPDATE jobs SET attempts = 1, run_at = timestamp '{now}' + interval '80 seconds'
             WHERE task = 'payment.refund' AND status = 'pending'"
        );
        app.postgres.batch_execute(&leased).await.unwrap();
        let (status, _, body) = settle(app, &admin, &payment, NOTE).await;
        assert_eq!(status, 409);
        assert!(
            body.contains("is being asked for this money right now"),
            "{body}"
        );
        assert_untouched(app).await;
        // Its server has died; whoever takes the job next looks first.
        app.pass(Duration::from_secs(81)).await;
        assert_eq!(settle(app, &admin, &payment, NOTE).await.0, 303);
        mend(app).await;
        let worker = Worker::start(app);
        let done = "SELECT count(*) FROM jobs WHERE task LIKE 'payment.%' AND status = 'pending'";
        eventually("the job's end", LIMIT, async || app.count(done).await == 0).await;
        assert_settled(app, &payment, NOTE).await;
        let sent = "SELECT count(*) FROM sandbox_orders WHERE refunded_at IS NOT NULL";
        assert_eq!(app.count(sent).await, 0);
        worker.stop().await;
    })
    .await;
}

/// The job begins while somebody settles, and waits for what becomes of that.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_begins_while_somebody_settles_sends_nothing() {
    TestApp::run(async |app| {
        let (worker, buyer, payment) = stuck(app).await;
        worker.stop().await;
        mend(app).await;
        let settling = app.database.superuser().await;
        let settle = format!(
            "BEGIN; UPDATE payments SET status = 'refunded', refund_note = '{NOTE}', refund_error = NULL,
                                        ask_at = NULL
                    WHERE id = '{payment}'"
        );
        let admin = app.plant_signed_in("admin1", "admin").await;
        assert_eq!(staff(app, &admin, &buyer.hold, "refund").await.0, 200);
        settling.batch_execute(&settle).await.unwrap();
        let worker = Worker::start(app);
        let waits = "SELECT count(*) FROM pg_stat_activity
                     WHERE datname = current_database() AND wait_event_type = 'Lock'";
        eventually("the job waits", LIMIT, async || app.count(waits).await > 0).await;
        settling.batch_execute("COMMIT").await.unwrap();
        let left = "SELECT count(*) FROM jobs WHERE task = 'payment.refund' AND status = 'pending'";
        eventually("the job's end", LIMIT, async || {
            app.pass(Duration::from_secs(20)).await;
            jobs::wake(&app.app);
            app.count(left).await == 0
        })
        .await;
        let sent = "SELECT count(*) FROM sandbox_orders WHERE refunded_at IS NOT NULL";
        assert_eq!(app.count(sent).await, 0);
        assert_settled(app, &payment, NOTE).await;
        worker.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_sends_all_the_same_is_told_and_changes_nothing() {
    TestApp::run(async |app| {
        let (worker, buyer, payment) = stuck(app).await;
        let admin = app.as_member("admin").await;
        assert_eq!(settle(app, &admin, &payment, NOTE).await.0, 303);
        let page = format!("/staff/refunds/{payment}");
        let warning = "It may have been paid back twice";
        assert!(!text(app, &admin, &page).await.contains(warning));
        tell(app, "evt-late-1", "payment.refunded", &payment).await;
        assert_settled(app, &payment, NOTE).await;
        let shown = text(app, &admin, &page).await;
        assert!(shown.contains(warning), "{shown}");
        let id = buyer.hold["id"].as_str().unwrap();
        let story = text(app, &admin, &format!("/staff/reservations/{id}")).await;
        assert!(
            story.contains("The provider sent the money back as well"),
            "{story}"
        );
        // It came back from there: the buyer has the one that staff paid.
        tell(app, "evt-late-2", "payment.refund_failed", &payment).await;
        assert_settled(app, &payment, NOTE).await;
        let refunded = ("cancelled".to_owned(), "refunded".to_owned());
        assert_eq!(buyer.stands().await, refunded);
        let mails = "SELECT count(*) FROM mails WHERE kind = 'refunded'";
        assert_eq!(app.count(mails).await, 1);
        worker.stop().await;
    })
    .await;
}

/// Each try has its line, with the provider's words, also where it says the same again.
#[tokio::test(flavor = "multi_thread")]
async fn each_try_is_told_with_what_the_provider_said() {
    TestApp::run(async |app| {
        let (worker, buyer, payment) = stuck(app).await;
        let admin = app.as_member("admin").await;
        let page = format!("/staff/refunds/{payment}");
        let tried = async |words: &str, wanted: usize| {
            let asked = send(app, &admin, &format!("{page}/ask"), &[]).await;
            assert_eq!(asked.1, format!("{page}?said=refund-asked"));
            eventually("another line", LIMIT, async || {
                text(app, &admin, &page).await.matches(words).count() == wanted
            })
            .await;
        };
        let closed = "<q class=\"lines\">the card was closed</q>";
        tried(closed, 2).await;
        tried(closed, 3).await;
        let lost = "DELETE FROM sandbox_orders";
        app.postgres.batch_execute(lost).await.unwrap();
        tried("<q class=\"lines\">no such order</q>", 1).await;
        let shown = text(app, &admin, &page).await;
        assert!(shown.contains("The provider refused to send"), "{shown}");
        assert_eq!(buyer.payment_status(&payment).await, "refunding");
        assert_untouched(app).await;
        worker.stop().await;
    })
    .await;
}

/// The money that came second is stuck; the tickets are those of the first.
#[tokio::test(flavor = "multi_thread")]
async fn settling_one_payment_leaves_the_others_and_their_tickets_alone() {
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
        let cookie = format!("stagedoor-staff={admin}");
        assert_eq!(settle(app, &cookie, &payment, NOTE).await.0, 303);
        assert_settled(app, &payment, NOTE).await;
        // Whoever has an old page open presses on.
        let ask = format!("/staff/refunds/{payment}/ask");
        assert_eq!(send(app, &cookie, &ask, &[]).await.0, 409);
        assert_eq!(buyer.stands().await, confirmed());
        assert_eq!(app.available(buyer.concert).await, 8);
        worker.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_paid_by_hand_is_settled_and_no_provider_asked() {
    TestApp::run(async |app| {
        let admin = app.plant_signed_in("admin1", "admin").await;
        let buyer = Buyer::of(app, 10).await;
        assert_eq!(staff(app, &admin, &buyer.hold, "confirm").await.0, 200);
        cancel(&buyer).await;
        reported(app).await;
        let row = app.postgres.query_one("SELECT id FROM payments", &[]).await;
        let payment: String = row.unwrap().get(0);
        let cookie = format!("stagedoor-staff={admin}");
        let page = format!("/staff/refunds/{payment}");
        assert!(!text(app, &cookie, &page).await.contains("/ask\""));
        let (status, _, body) = send(app, &cookie, &format!("{page}/ask"), &[]).await;
        assert_eq!(status, 409);
        assert!(body.contains("there is no provider to ask"), "{body}");
        assert_eq!(settle(app, &cookie, &payment, NOTE).await.0, 303);
        assert_settled(app, &payment, NOTE).await;
        let refunded = ("cancelled".to_owned(), "refunded".to_owned());
        assert_eq!(buyer.stands().await, refunded);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_of_a_deleted_reservation_is_settled_and_nobody_written_to() {
    TestApp::run(async |app| {
        let (worker, buyer, payment) = stuck(app).await;
        let admin = app.plant_signed_in("admin1", "admin").await;
        let id = buyer.hold["id"].as_str().unwrap();
        let deleted = app.as_staff(&admin, Method::DELETE, &format!("/reservations/{id}"));
        assert_eq!(deleted.send().await.unwrap().status(), 204);
        let cookie = format!("stagedoor-staff={admin}");
        let shown = text(app, &cookie, &format!("/staff/refunds/{payment}")).await;
        assert!(shown.contains(id), "{shown}");
        assert!(
            !shown.contains(&format!("/staff/reservations/{id}")),
            "{shown}"
        );
        assert_eq!(settle(app, &cookie, &payment, NOTE).await.0, 303);
        assert_settled(app, &payment, NOTE).await;
        let mails = "SELECT count(*) FROM mails WHERE kind = 'refunded'";
        assert_eq!(app.count(mails).await, 0);
        worker.stop().await;
    })
    .await;
}
