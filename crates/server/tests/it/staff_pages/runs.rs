//! Many reservations at once, and a whole concert: what would happen, the act, how far it has come.

use app::jobs::{self, Tasks};
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

        // What a role may not do isn't done, whatever the form says.
        let refund = [("kind", "refund"), ("id", "RES1000-00000000"), ("key", key)];
        for path in ["/staff/reservations/bulk", "/staff/runs"] {
            assert_eq!(send(app, &moderator, path, &refund).await.0, 403, "{path}");
            let whole = [("kind", "cancel_concert"), ("id", "RES1000-00000000")];
            assert_eq!(send(app, &admin, path, &whole).await.0, 422, "{path}");
            assert_eq!(send(app, &admin, path, &[("kind", "cancel")]).await.0, 422);
        }
        assert_eq!(app.count("SELECT count(*) FROM staff_runs").await, 0);

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
    })
    .await;
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
        let open = "SELECT count(*) FROM concerts WHERE status = 'open'";
        assert_eq!(app.count(open).await, 1);
        let (status, run) = send(app, &admin, &path, &[("name", " night  FERRY ")]).await;
        assert_eq!(status, 303);
        assert_eq!(app.count(open).await, 0);
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
