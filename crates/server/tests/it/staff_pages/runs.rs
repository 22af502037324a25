//! Many reservations at once, and a whole concert: what would happen, the act, how far it has come.

use std::time::Duration;

use app::jobs::{self, Tasks};
use app::runs;
use tokio::sync::watch;

use crate::support::paid::plant_paid;
use crate::support::wait::{LIMIT, eventually};
use crate::support::{NewConcert, TestApp};

async fn send(app: &TestApp, cookie: &str, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
    let answer = app.form_as(cookie, path, fields).send().await.unwrap();
    let status = answer.status().as_u16();
    let place = answer.headers().get("location");
    let place = place.map(|value| value.to_str().unwrap().to_owned());
    let body = answer.text().await.unwrap();
    (status, place.unwrap_or(body))
}

async fn text(app: &TestApp, cookie: &str, path: &str) -> String {
    let answer = app.page_as(cookie, path).await;
    assert_eq!(answer.status(), 200, "{path}");
    answer.text().await.unwrap()
}

fn work(app: &TestApp) -> watch::Sender<bool> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(jobs::work(app.app.clone(), Tasks::of_product(), stopped));
    stop
}

async fn settled(app: &TestApp) {
    let open = "SELECT (SELECT count(*) FROM staff_runs WHERE finished_at IS NULL)
                     + (SELECT count(*) FROM jobs WHERE status = 'pending')";
    eventually(open, LIMIT, async || app.count(open).await == 0).await;
}

/// The figure behind a label.
fn figure(page: &str, label: &str) -> String {
    let (_, rest) = page
        .split_once(&format!("<dt>{label}</dt><dd>"))
        .unwrap_or_else(|| panic!("{label}: {page}"));
    rest.split('<').next().unwrap().to_owned()
}

/// A run is found without its address.
async fn assert_is_listed(app: &TestApp, cookie: &str, run: &str) {
    let list = text(app, cookie, "/staff/runs").await;
    assert!(
        list.contains(&format!("<a href=\"{run}\">Cancel reservations</a>")),
        "{list}"
    );
    for linking in ["/staff", "/staff/reservations"] {
        let page = text(app, cookie, linking).await;
        assert!(page.contains("href=\"/staff/runs\""), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_are_looked_at_first_and_then_cancelled() {
    TestApp::run(async |app| {
        let admin = app.as_member("admin").await;
        let moderator = app.as_member("moderator").await;
        let concert = app.plant(NewConcert::default()).await;
        let plant = plant_paid(concert, 1000, 2);
        app.postgres.batch_execute(&plant).await.unwrap();
        let gone = app.reserved(concert, 1, "gone").await;
        let gone = gone["id"].as_str().unwrap();
        let path = format!("/staff/reservations/{gone}/cancel");
        assert_eq!(send(app, &admin, &path, &[]).await.0, 303);
        let chosen = [
            ("kind", "cancel"),
            ("id", "RES1000-00000000"),
            ("id", "RES1001-00000000"),
            ("id", gone),
            ("id", "nonsense"),
        ];
        let (status, page) = send(app, &moderator, "/staff/reservations/bulk", &chosen).await;
        assert_eq!(status, 200);
        assert!(page.contains("This can be done to 2 of 3."), "{page}");
        assert!(page.contains("It is cancelled already."), "{page}");
        assert_eq!(page.matches("type=\"hidden\" name=\"id\"").count(), 2);
        let cancelled = "SELECT count(*) FROM reservations WHERE status = 'cancelled'";
        assert_eq!(app.count(cancelled).await, 1, "nothing has happened yet");
        let (_, key) = page.split_once("name=\"key\" value=\"").unwrap();
        let key = key.split('"').next().unwrap();

        let mut form = vec![("key", key)];
        form.extend(&chosen[..3]);
        let (status, place) = send(app, &moderator, "/staff/runs", &form).await;
        assert_eq!(status, 303);
        let again = send(app, &moderator, "/staff/runs", &form).await;
        assert_eq!(again, (303, place.clone()), "a second click");
        let page = text(app, &moderator, &place).await;
        assert!(
            page.contains("Under way") && page.contains("0 of 2"),
            "{page}"
        );
        assert!(page.contains("hx-trigger"), "{page}");
        let _worker = work(app);
        settled(app).await;
        let page = text(app, &moderator, &place).await;
        assert!(
            page.contains("Finished") && !page.contains("hx-trigger"),
            "{page}"
        );
        let row = "RES1000-00000000</a></th><td data-label=\"What came of it\">Done</td>";
        assert!(page.contains(row), "{page}");
        assert_is_listed(app, &moderator, &place).await;
        for (label, wanted) in [
            ("Done", "2"),
            ("Left as they were", "0"),
            ("Refunds that are back", "2"),
            ("Refunds on their way", "0"),
            ("Mails that left", "4"),
            ("Mails that wait", "0"),
        ] {
            assert_eq!(figure(&page, label), wanted, "{label}");
        }
        assert_eq!(app.count(cancelled).await, 3);
        let forgotten = "SELECT count(*) FROM staff_runs
                         WHERE finished_at IS NOT NULL AND address IS NULL";
        assert_eq!(app.count(forgotten).await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_role_may_not_do_to_several_is_not_done_whatever_the_form_says() {
    TestApp::run(async |app| {
        let admin = app.as_member("admin").await;
        let moderator = app.as_member("moderator").await;
        let concert = app.plant(NewConcert::default()).await;
        let plant = plant_paid(concert, 1000, 1);
        app.postgres.batch_execute(&plant).await.unwrap();
        let refund = [("kind", "refund"), ("id", "RES1000-00000000"), ("key", "k")];
        for path in ["/staff/reservations/bulk", "/staff/runs"] {
            assert_eq!(send(app, &moderator, path, &refund).await.0, 403, "{path}");
            let whole = [("kind", "cancel_concert"), ("id", "RES1000-00000000")];
            assert_eq!(send(app, &admin, path, &whole).await.0, 422, "{path}");
            assert_eq!(send(app, &admin, path, &[("kind", "cancel")]).await.0, 422);
        }
        assert_eq!(app.count("SELECT count(*) FROM staff_runs").await, 0);
    })
    .await;
}

/// The shop's pages and the one for staff.
async fn assert_says_cancelled(app: &TestApp, admin: &str, concert: i32) {
    for (address, said) in [
        (
            format!("/en/concerts/{concert}"),
            "This concert is cancelled",
        ),
        (format!("/th/concerts/{concert}"), "คอนเสิร์ตนี้ยกเลิกแล้ว"),
        ("/en/?status=closed".to_owned(), ">Cancelled<"),
    ] {
        let shown = app.get(&address).await.text().await.unwrap();
        assert!(shown.contains(said), "{address}: {shown}");
        assert!(!shown.contains("name=\"quantity\""), "{address}");
    }
    let page = text(app, admin, &format!("/staff/concerts/{concert}")).await;
    assert!(page.contains(">Cancelled<"), "{page}");
    assert!(
        !page.contains(&format!("/staff/concerts/{concert}/open")),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_concert_is_cancelled_by_whoever_types_its_name() {
    TestApp::run(async |app| {
        let admin = app.as_member("admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let plant = plant_paid(concert, 1000, 3);
        app.postgres.batch_execute(&plant).await.unwrap();
        app.reserved(concert, 2, "som").await;
        let path = format!("/staff/concerts/{concert}/cancel");
        let page = text(app, &admin, &path).await;
        for (label, wanted) in [
            ("Confirmed reservations", "3"),
            ("Held reservations", "1"),
            ("Tickets", "5"),
            ("Refunds by the provider", "3 (฿3,750)"),
            ("To be paid back by hand", "0 (฿0)"),
            ("Mails", "7"),
        ] {
            assert_eq!(figure(&page, label), wanted, "{label}");
        }
        for typed in ["", "Night", "night ferries"] {
            let (status, page) = send(app, &admin, &path, &[("name", typed)]).await;
            assert_eq!(status, 422, "{typed}");
            assert!(page.contains("That isn’t its name."), "{page}");
        }
        let open = "SELECT count(*) FROM concerts WHERE status = 'open' AND id > 0";
        assert_eq!(app.count(open).await, 1);
        let (status, run) = send(app, &admin, &path, &[("name", " night  FERRY ")]).await;
        assert_eq!(status, 303);
        assert_eq!(app.count(open).await, 0);
        assert_says_cancelled(app, &admin, concert).await;
        let _worker = work(app);
        settled(app).await;
        let page = text(app, &admin, &run).await;
        for (label, statement) in [
            (
                "Done",
                "SELECT count(*) FROM reservations WHERE status = 'cancelled'",
            ),
            (
                "Refunds that are back",
                "SELECT count(*) FROM payments WHERE status = 'refunded'",
            ),
            (
                "Mails that left",
                "SELECT count(*) FROM mails WHERE status <> 'pending'",
            ),
        ] {
            let counted = app.count(statement).await;
            assert!(counted > 0, "{statement}");
            assert_eq!(figure(&page, label), counted.to_string(), "{label}");
        }
        let page = text(app, &admin, &path).await;
        assert!(
            page.contains("was cancelled before") && page.contains(&run),
            "{page}"
        );
        assert!(!page.contains("name=\"name\""), "nothing is left to cancel");
        let (status, place) = send(app, &admin, &path, &[("name", "Night Ferry")]).await;
        assert_eq!((status, place), (303, run));
        let thai = text(app, &admin, &format!("{path}?lang=th")).await;
        assert!(thai.contains("คอนเสิร์ตนี้ถูกยกเลิกไปแล้ว"), "{thai}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_tells_what_it_left_as_it_was_and_why() {
    TestApp::run(async |app| {
        let admin = app.as_member("admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 1, "som").await;
        let id = held["id"].as_str().unwrap();
        let form = [("kind", "refund"), ("id", id), ("key", "k")];
        let (status, run) = send(app, &admin, "/staff/runs", &form).await;
        assert_eq!(status, 303);
        let _worker = work(app);
        settled(app).await;
        let page = text(app, &admin, &run).await;
        assert_eq!(figure(&page, "Left as they were"), "1");
        assert!(
            page.contains("Nothing was paid that could go back"),
            "{page}"
        );
        assert!(
            page.contains(&format!("/staff/reservations/{id}")),
            "{page}"
        );
    })
    .await;
}

/// So many reservations that staff have confirmed by hand.
async fn confirmed_by_hand(
    app: &TestApp,
    cookie: &str,
    concert: i32,
    buyers: usize,
) -> Vec<String> {
    let mut ids = Vec::new();
    for buyer in 0..buyers {
        let held = app.reserved(concert, 1, &format!("hand{buyer}")).await;
        let id = held["id"].as_str().unwrap().to_owned();
        let path = format!("/staff/reservations/{id}/confirm");
        assert_eq!(send(app, cookie, &path, &[]).await.0, 303);
        ids.push(id);
    }
    ids
}

fn form<'a>(kind: &'a str, ids: &'a [String]) -> Vec<(&'a str, &'a str)> {
    let ids = ids.iter().map(|id| ("id", id.as_str()));
    [("kind", kind)].into_iter().chain(ids).collect()
}

/// Nobody has paid back hundreds at the box office by pressing one button.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_paid_by_hand_is_owed_until_staff_say_of_each_that_it_is_paid_back() {
    TestApp::run(async |app| {
        let admin = app.as_member("admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let plant = plant_paid(concert, 1000, 1);
        app.postgres.batch_execute(&plant).await.unwrap();
        let by_hand = confirmed_by_hand(app, &admin, concert, 3).await;
        let provided = "RES1000-00000000".to_owned();
        let to_cancel = [by_hand[0].clone(), by_hand[1].clone(), provided];
        let _worker = work(app);
        for (form, told) in [
            (form("cancel", &to_cancel), "Paid by hand: 2 (฿2,500)"),
            (form("refund", &by_hand[2..]), "Paid by hand: 1 (฿1,250)"),
        ] {
            let (status, page) = send(app, &admin, "/staff/reservations/bulk", &form).await;
            assert_eq!(status, 200);
            assert!(page.contains(told), "{page}");
            assert!(page.contains("฿1,250 <small>by hand</small>"), "{page}");
            assert_eq!(send(app, &admin, "/staff/runs", &form).await.0, 303);
            settled(app).await;
        }
        let cancelled = "SELECT count(*) FROM reservations WHERE status = 'cancelled'";
        assert_eq!(app.count(cancelled).await, 4);
        let owed = "SELECT count(*) FROM payments WHERE provider = 'manual'
                    AND status = 'refunding' AND refund_error IS NOT NULL";
        assert_eq!(app.count(owed).await, 3);
        let refunds = text(app, &admin, "/staff/refunds").await;
        for id in &by_hand {
            assert!(refunds.contains(id.as_str()), "{refunds}");
        }

        // What is owed isn't paid back by trying again whatever is stuck.
        let form = form("refund", &by_hand);
        let (_, page) = send(app, &admin, "/staff/reservations/bulk", &form).await;
        assert!(page.contains("This can be done to 0 of 3."), "{page}");
        assert!(page.contains("It was paid by hand"), "{page}");
        let (_, run) = send(app, &admin, "/staff/runs", &form).await;
        settled(app).await;
        let page = text(app, &admin, &run).await;
        assert_eq!(figure(&page, "Left as they were"), "3");
        assert!(page.contains("It was paid by hand"), "{page}");
        assert_eq!(app.count(owed).await, 3);
        let path = format!("/staff/reservations/{}/refund", by_hand[0]);
        assert_eq!(send(app, &admin, &path, &[]).await.0, 303);
        assert_eq!(app.count(owed).await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runs_figures_are_its_own_and_its_page_stops_looking() {
    TestApp::run(async |app| {
        let admin = app.as_member("admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let plant = plant_paid(concert, 1000, 2);
        app.postgres.batch_execute(&plant).await.unwrap();
        // Long before, other money of one went back, and of the other it is still to come back.
        let before = "
            INSERT INTO payments (id, reservation_id, provider, amount, currency, status, language,
                                  provider_money, refund_reason, updated_at)
            SELECT 'PAY' || n || '-1111111' || n % 10, 'RES' || n || '-00000000', 'sandbox', 1250, 'THB',
                   CASE n WHEN 1000 THEN 'refunded' ELSE 'refunding' END, 'en', 'old' || n, 'twice',
                   '2026-01-01'
            FROM generate_series(1000, 1001) n";
        app.postgres.batch_execute(before).await.unwrap();
        let ids = ["RES1000-00000000".to_owned(), "RES1001-00000000".to_owned()];
        let worker = work(app);
        for (kind, back, mails) in [("resend", "0", "2"), ("cancel", "2", "4")] {
            app.pass(Duration::from_mins(1)).await;
            let (_, run) = send(app, &admin, "/staff/runs", &form(kind, &ids)).await;
            settled(app).await;
            // Somebody else has to do with that money while buyers are written to, and that isn't the run's.
            let at = if kind == "resend" { "2030" } else { "2026" };
            let touch = format!(
                "UPDATE payments SET updated_at = '{at}-01-01' WHERE provider_money LIKE 'old%'"
            );
            app.postgres.batch_execute(&touch).await.unwrap();
            let page = text(app, &admin, &run).await;
            assert_eq!(figure(&page, "Refunds that are back"), back, "{kind}");
            assert_eq!(figure(&page, "Refunds on their way"), "0", "{kind}");
            assert_eq!(figure(&page, "Mails that left"), mails, "{kind}");
            assert!(page.contains("Finished") && !page.contains("hx-get"), "{page}");
        }
        worker.send_replace(true);

        let plant = plant_paid(concert, 3000, 1);
        app.postgres.batch_execute(&plant).await.unwrap();
        let tasks = Tasks::default().with(runs::RUN, runs::work);
        let (_stop, stopped) = watch::channel(false);
        tokio::spawn(jobs::work(app.app.clone(), tasks, stopped));
        let ids = ["RES3000-00000000".to_owned()];
        let (_, run) = send(app, &admin, "/staff/runs", &form("refund", &ids)).await;
        let open = "SELECT count(*) FROM staff_runs WHERE finished_at IS NULL";
        eventually(open, LIMIT, async || app.count(open).await == 0).await;
        let page = text(app, &admin, &run).await;
        assert_eq!(figure(&page, "Refunds on their way"), "1");
        assert!(page.contains("are still on their way</h2>"), "{page}");
        assert!(page.contains("hx-trigger=\"every 15s\""), "{page}");
        app.pass(Duration::from_mins(61)).await;
        let admin = app.as_member("superadmin").await;
        let page = text(app, &admin, &run).await;
        assert!(!page.contains("hx-trigger") && page.contains("Look again"), "{page}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_concert_is_kept_and_offers_nothing_that_makes_no_sense() {
    TestApp::run(async |app| {
        let admin = app.as_member("admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let plant = plant_paid(concert, 1000, 2);
        app.postgres.batch_execute(&plant).await.unwrap();
        let page = format!("/staff/concerts/{concert}");
        let form = [("name", "Night Ferry")];
        let (_, run) = send(app, &admin, &format!("{page}/cancel"), &form).await;
        let _worker = work(app);
        settled(app).await;
        let (status, refused) = send(app, &admin, &format!("{page}/delete"), &[]).await;
        assert_eq!(status, 409);
        assert!(refused.contains("must stay to be found"), "{refused}");
        let shown = text(app, &admin, &page).await;
        for gone in ["edit", "live", "poster", "open", "cancel", "delete"] {
            let link = format!("\"{page}/{gone}\"");
            assert!(!shown.contains(&link), "{gone}: {shown}");
        }
        for left in [format!("{page}/archive"), format!("new?from={concert}")] {
            assert!(shown.contains(&left), "{left}: {shown}");
        }

        let shown = text(app, &admin, &run).await;
        for link in [page, format!("/staff/reservations?concert_id={concert}")] {
            assert!(shown.contains(&format!("href=\"{link}\"")), "{shown}");
        }
        assert!(shown.contains("The Lanterns – Night Ferry"), "{shown}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_concert_is_kept_while_money_of_it_is_under_way() {
    TestApp::run(async |app| {
        let admin = app.as_member("admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let plant = plant_paid(concert, 1000, 1);
        app.postgres.batch_execute(&plant).await.unwrap();
        let cancel = "/staff/reservations/RES1000-00000000/cancel";
        assert_eq!(send(app, &admin, cancel, &[]).await.0, 303);
        let delete = format!("/staff/concerts/{concert}/delete");
        let (status, refused) = send(app, &admin, &delete, &[]).await;
        assert_eq!(status, 409);
        assert!(refused.contains("is still under way"), "{refused}");
        let _worker = work(app);
        settled(app).await;
        assert_eq!(send(app, &admin, &delete, &[]).await.0, 303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_of_a_run_that_need_somebody_are_linked_to_them() {
    TestApp::run(async |app| {
        let admin = app.as_member("admin").await;
        let moderator = app.as_member("moderator").await;
        let concert = app.plant(NewConcert::default()).await;
        let ids = confirmed_by_hand(app, &admin, concert, 1).await;
        let (_, run) = send(app, &admin, "/staff/runs", &form("cancel", &ids)).await;
        let _worker = work(app);
        settled(app).await;
        let link = "<dd><a href=\"/staff/refunds\">1</a></dd>";
        assert!(text(app, &admin, &run).await.contains(link));
        assert!(!text(app, &moderator, &run).await.contains(link));
    })
    .await;
}
