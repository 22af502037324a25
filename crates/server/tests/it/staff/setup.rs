//! The first superadmin, made at an address that the log shows once.

use std::time::Duration;

use app::first_setup;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::json;
use stagedoor::config::RateLimit;
use stagedoor::http::rate::Budgets;

use crate::support::program::{Program, Started};
use crate::support::staff::STAFF_PASSWORD;
use crate::support::{Options, TestApp, TestDatabase};

/// What somebody types into the form.
fn typed<'a>(token: &'a str, username: &'a str, password: &'a str) -> [(&'static str, &'a str); 4] {
    [
        ("t", token),
        ("username", username),
        ("email", "ada@example.com"),
        ("password", password),
    ]
}

/// A form as browsers send it.
fn filled(request: RequestBuilder, form: &[(&str, &str)]) -> RequestBuilder {
    let body = serde_urlencoded::to_string(form).unwrap();
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    request.body(body)
}

async fn send(app: &TestApp, form: &[(&str, &str)]) -> (u16, String) {
    let request = app.request(Method::POST, "/staff/setup");
    read(filled(request, form).send().await.unwrap()).await
}

async fn look(app: &TestApp, token: &str) -> (u16, String) {
    read(app.get(&format!("/staff/setup?t={token}")).await).await
}

/// Status and page; no page with a token in its address may tell of it or be kept.
async fn read(answer: Response) -> (u16, String) {
    let headers = answer.headers();
    assert_eq!(headers["referrer-policy"], "no-referrer");
    assert_eq!(headers["cache-control"], "no-store");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(!policy.contains("unsafe"), "{policy}");
    let status = answer.status().as_u16();
    let page = answer.text().await.unwrap();
    let referrer = "name=\"referrer\" content=\"strict-origin\"";
    assert!(page.contains(referrer), "{page}");
    (status, page)
}

async fn open(app: &TestApp) -> String {
    first_setup::open(&app.app).await.unwrap().unwrap()
}

const SUPERADMINS: &str = "SELECT count(*) FROM admin_users WHERE role = 'superadmin'";

#[tokio::test(flavor = "multi_thread")]
async fn the_address_makes_one_superadmin_who_can_sign_in() {
    TestApp::run(async |app| {
        let token = open(app).await;
        let (status, page) = look(app, &token).await;
        assert_eq!(status, 200);
        assert!(page.contains("Make the first superadmin"), "{page}");
        assert!(
            page.contains("name=\"robots\" content=\"noindex\""),
            "{page}"
        );
        let (status, page) = send(app, &typed(&token, "Ada", STAFF_PASSWORD)).await;
        assert_eq!(status, 201);
        assert!(page.contains("The superadmin ada has been made"), "{page}");
        assert!(page.contains("href=\"/staff/sign-in\""), "{page}");
        assert_eq!(app.sign_in("ada", STAFF_PASSWORD).await.status(), 201);
        let logged = "SELECT count(*) FROM audit_logs WHERE table_name = 'admin_users'
                      AND action = 'CREATE' AND actor_kind = 'system' AND actor = 'setup'
                      AND ip_address = '127.0.0.1' AND request_id IS NOT NULL";
        assert_eq!(app.count(logged).await, 1);
        assert_eq!(first_setup::open(&app.app).await.unwrap(), None);
        for (status, page) in [
            look(app, &token).await,
            send(app, &typed(&token, "eve", STAFF_PASSWORD)).await,
        ] {
            assert_eq!(status, 404);
            assert!(page.contains("This address no longer works"), "{page}");
        }
        assert_eq!(app.count(SUPERADMINS).await, 1);
        let kept = "SELECT count(*) FROM admin_setup";
        assert_eq!(app.count(kept).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_wrong_old_or_replaced_makes_nobody() {
    TestApp::run(async |app| {
        let (nobodys, first) = ("A".repeat(43), open(app).await);
        let old = open(app).await;
        let kept = "SELECT encode(token_digest, 'hex') FROM admin_setup";
        let row = app.postgres.query_one(kept, &[]).await.unwrap();
        assert_eq!(row.get::<_, String>(0).len(), 64, "one row, with a digest");
        let worked = app.app.passwords_worked();
        for token in ["", "x", "\"><b>", &nobodys, &first] {
            let answers = [
                look(app, &token.replace(['"', '<', '>'], "%22")).await,
                send(app, &typed(token, "ada", STAFF_PASSWORD)).await,
                send(app, &typed(token, "a b", "short")).await,
            ];
            for (status, page) in answers {
                assert_eq!(status, 404, "{token}");
                assert!(page.contains("This address no longer works"), "{page}");
            }
        }
        assert_eq!(look(app, &old).await.0, 200);
        app.clock.advance(Duration::from_hours(1));
        assert_eq!(look(app, &old).await.0, 404);
        assert_eq!(send(app, &typed(&old, "ada", STAFF_PASSWORD)).await.0, 404);
        let closed = open(app).await;
        app.plant_staff("bob", "superadmin").await;
        assert_eq!(look(app, &closed).await.0, 404);
        let sent = send(app, &typed(&closed, "ada", STAFF_PASSWORD)).await;
        assert_eq!(sent.0, 404);
        assert_eq!(app.count(SUPERADMINS).await, 1);
        assert_eq!(
            app.app.passwords_worked(),
            worked,
            "a wrong token costs nothing"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_stands_at_its_field_and_the_password_is_not_sent_back() {
    TestApp::run(async |app| {
        app.plant_staff("bob", "admin").await;
        let token = open(app).await;
        let form = [
            ("t", token.as_str()),
            ("username", "a b"),
            ("password", "short"),
        ];
        let (status, page) = send(app, &form).await;
        assert_eq!(status, 422);
        for shown in [
            "3 things need your attention",
            "id=\"username-error\"",
            "id=\"email-error\"",
            "id=\"password-error\"",
            "value=\"a b\"",
            "aria-invalid=\"true\" aria-describedby=\"password-error password-hint\"",
        ] {
            assert!(page.contains(shown), "{shown}: {page}");
        }
        assert!(!page.contains("value=\"short\""), "{page}");
        let (status, page) = send(app, &typed(&token, "bob", STAFF_PASSWORD)).await;
        assert_eq!(status, 422);
        assert!(page.contains("Another account has this already"), "{page}");
        assert!(!page.contains(STAFF_PASSWORD), "{page}");
        // The token isn't spent by a form that was refused.
        assert_eq!(
            send(app, &typed(&token, "ada", STAFF_PASSWORD)).await.0,
            201
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_send_the_form_at_once_one_becomes_superadmin() {
    TestApp::run(async |app| {
        let token = open(app).await;
        let (ada, mut eve) = (
            typed(&token, "ada", STAFF_PASSWORD),
            typed(&token, "eve", STAFF_PASSWORD),
        );
        eve[2].1 = "eve@example.com";
        let (one, other) = tokio::join!(send(app, &ada), send(app, &eve));
        let mut statuses = [one.0, other.0];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 404]);
        assert_eq!(app.count(SUPERADMINS).await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_speaks_both_languages_and_keeps_its_token() {
    TestApp::run(async |app| {
        let token = open(app).await;
        let thai = app.request(Method::GET, &format!("/staff/setup?t={token}"));
        let thai = thai.header("cookie", "lang=th").send().await.unwrap();
        let (status, page) = read(thai).await;
        assert_eq!(status, 200);
        assert!(page.contains("<html lang=\"th\""), "{page}");
        let other = format!("/staff/setup?t={token}&#38;lang=en");
        assert!(page.contains(&other), "{other}: {page}");
        let (_, page) = look(app, &format!("{token}&lang=th")).await;
        assert!(page.contains("<html lang=\"th\""), "{page}");
        let mut form = typed(&token, "", "").to_vec();
        form.push(("lang", "th"));
        let (status, page) = send(app, &form).await;
        assert_eq!(status, 422);
        assert!(page.contains("<html lang=\"th\""), "{page}");
        let (_, page) = send(app, &typed(&token, "ada", "ada12345")).await;
        assert!(page.contains("This password is easy to guess"), "{page}");
        let mut form = typed(&token, "ada", "password").to_vec();
        form.push(("lang", "th"));
        let (status, page) = send(app, &form).await;
        assert_eq!(status, 422);
        assert!(page.contains("รหัสผ่านนี้เดาได้ง่าย"), "{page}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_for_the_address_is_slowed_like_guessing_a_password() {
    let options = Options {
        budgets: || Budgets::new(RateLimit::Off),
        ..Options::default()
    };
    TestApp::run_with(options, async |app| {
        let mut statuses = Vec::new();
        for number in 0..24 {
            let path = format!("/staff/setup?t={}", "A".repeat(number));
            statuses.push(read(app.get(&path).await).await.0);
        }
        assert_eq!(statuses[..20], [404; 20]);
        // One more comes back each six seconds.
        assert!(statuses[21..].contains(&429), "{statuses:?}");
        let sign_in = app.sign_in("ada", STAFF_PASSWORD).await.status();
        assert!([401, 429].contains(&sign_in.as_u16()));
    })
    .await;
}

fn address(served: &Started) -> String {
    let said = served.said();
    let (_, rest) = said.split_once("/staff/setup?t=").expect("the address");
    rest[..43].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_start_of_a_server_shows_an_address_once_and_the_last_one_counts() {
    let database = TestDatabase::migrated().await;
    let first = Program::on(&database, &["serve"])
        .env("STAGEDOOR_LOG", "trace,hyper=info")
        .serving()
        .await;
    let second = Program::serve(&database).await;
    let (old, token) = (address(&first), address(&second));
    assert_ne!(old, token);
    assert!(
        second
            .said()
            .contains("http://localhost:8080/staff/setup?t=")
    );
    let client = Client::new();
    let url = format!("{}/staff/setup", first.site());
    let get = async |token: &str| {
        let asked = client.get(format!("{url}?t={token}")).send().await.unwrap();
        asked.status().as_u16()
    };
    assert_eq!((get(&old).await, get(&token).await), (404, 200));
    let form = typed(&token, "ada", STAFF_PASSWORD);
    let sent = filled(client.post(&url), &form).send().await.unwrap();
    assert_eq!(sent.status(), 201);
    let who = json!({ "username": "ada", "password": STAFF_PASSWORD });
    let sessions = format!("{}/api/v1/admin/sessions", second.site());
    let signed_in = client.post(sessions).json(&who).send().await.unwrap();
    assert_eq!(signed_in.status(), 201);
    let said = first.said();
    assert_eq!(said.matches(&old).count(), 1, "{said}");
    for hidden in [token.as_str(), STAFF_PASSWORD, "ada@example.com"] {
        assert!(!said.contains(hidden), "{hidden}: {said}");
    }
    assert_eq!(second.said().matches(&token).count(), 1);
    let third = Program::serve(&database).await;
    assert!(!third.said().contains("/staff/setup"), "{}", third.said());
}
