//! Second factors: begun, confirmed, asked for, and lost.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret, Totp};

use crate::support::staff::STAFF_PASSWORD;
use crate::support::{Options, TestApp, TestDatabase};

/// An authenticator that somebody has the secret in.
struct Authenticator(Totp);

impl Authenticator {
    fn new(secret: &str) -> Self {
        let secret = Secret::try_from_base32(secret).unwrap();
        Self(Builder::new().with_secret(secret).build().unwrap())
    }

    /// What it shows now, by the test's clock.
    fn code(&self, app: &TestApp) -> String {
        let seconds = u64::try_from(app.app.ctx().now().as_second()).unwrap();
        self.0.generate(seconds).to_string()
    }
}

async fn post(app: &TestApp, token: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let request = app.as_staff(token, Method::POST, path);
    let request = match body {
        Some(body) => request.json(body),
        None => request,
    };
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["cache-control"], "no-store");
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Turns a second factor on; gives the authenticator and the recovery codes.
async fn enrol(app: &TestApp, token: &str) -> (Authenticator, Vec<String>) {
    let (status, begun) = post(app, token, "/totp", None).await;
    assert_eq!(status, 200, "{begun}");
    let secret = begun["secret"].as_str().unwrap();
    let url = begun["otpauth_url"].as_str().unwrap();
    assert!(url.starts_with("otpauth://totp/stagedoor:ada?"), "{url}");
    assert!(
        url.contains(&format!("secret={secret}&issuer=stagedoor")),
        "{url}"
    );
    let authenticator = Authenticator::new(secret);
    let body = json!({ "totp": authenticator.code(app) });
    let (status, confirmed) = post(app, token, "/totp/confirm", Some(&body)).await;
    assert_eq!(status, 200, "{confirmed}");
    let codes = confirmed["recovery_codes"].as_array().unwrap();
    let codes = codes.iter().map(|code| code.as_str().unwrap().to_owned());
    (authenticator, codes.collect())
}

/// Signs in with a code; the status and the problem or session.
async fn sign_in(app: &TestApp, code: Option<&str>) -> (u16, Value) {
    let body = json!({ "username": "ada", "password": STAFF_PASSWORD, "totp": code });
    let answer = app.sign_in_with(&body).await;
    (answer.status().as_u16(), answer.json().await.unwrap())
}

const STEP: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_second_factor_is_asked_for_and_each_code_counts_once() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("ada", "admin").await;
        let (_, unused) = post(app, &token, "/totp", None).await;
        assert_eq!(sign_in(app, None).await.0, 201, "not confirmed yet");
        let (authenticator, _) = enrol(app, &token).await;
        assert_ne!(unused["secret"], "", "beginning again replaces it");

        let (status, problem) = sign_in(app, None).await;
        assert_eq!((status, &problem["code"]), (401, &json!("unauthenticated")));
        assert_eq!(problem["errors"][0]["pointer"], "/totp");
        let spent = authenticator.code(app);
        assert_eq!(
            sign_in(app, Some(&spent)).await.0,
            401,
            "confirming spent it"
        );
        app.clock.advance(STEP);
        let code = authenticator.code(app);
        assert_eq!(sign_in(app, Some(&code)).await.0, 201);
        let (status, replayed) = sign_in(app, Some(&code)).await;
        assert_eq!((status, &replayed["errors"]), (401, &Value::Null));
        app.clock.advance(STEP);
        // The code of the step before is still taken, but only if no later one was.
        app.clock.advance(STEP);
        let next = authenticator.code(app);
        app.clock.advance(STEP);
        let spaced = format!("{} {}", &next[..3], &next[3..]);
        assert_eq!(
            sign_in(app, Some(&spaced)).await.0,
            201,
            "as authenticators show it"
        );
        app.clock.advance(STEP * 10);
        assert_eq!(sign_in(app, Some(&next)).await.0, 401, "long over");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_for_the_code_is_no_failure_but_a_wrong_code_is() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("ada", "admin").await;
        enrol(app, &token).await;
        for _ in 0..12 {
            assert_eq!(sign_in(app, None).await.0, 401);
        }
        for _ in 0..6 {
            assert_eq!(sign_in(app, Some("000000")).await.0, 401);
        }
        assert_eq!(sign_in(app, Some("000000")).await.0, 429);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_opens_the_account_once() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("ada", "admin").await;
        let (_, codes) = enrol(app, &token).await;
        assert_eq!(codes.len(), 10);
        let written = codes[0].to_lowercase().replace('-', " ");
        assert_eq!(sign_in(app, Some(&written)).await.0, 201);
        assert_eq!(sign_in(app, Some(&codes[0])).await.0, 401, "it is spent");
        assert_eq!(sign_in(app, Some(&codes[9])).await.0, 201);
        assert_eq!(sign_in(app, Some("ZZZZ-ZZZZ-ZZZZ-ZZZZ")).await.0, 401);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_recovery_code_used_twice_at_once_opens_once() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("ada", "admin").await;
        let (authenticator, codes) = enrol(app, &token).await;
        app.clock.advance(STEP);
        let code = authenticator.code(app);
        for code in [codes[0].as_str(), code.as_str()] {
            let (one, other) = tokio::join!(sign_in(app, Some(code)), sign_in(app, Some(code)));
            let mut statuses = [one.0, other.0];
            statuses.sort_unstable();
            assert_eq!(statuses, [201, 401]);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_in_use_stays_until_an_operator_takes_it_away() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("ada", "admin").await;
        let code = json!({ "totp": "000000" });
        let (status, problem) = post(app, &token, "/totp/confirm", Some(&code)).await;
        assert_eq!((status, &problem["code"]), (409, &json!("invalid_state")));
        post(app, &token, "/totp", None).await;
        let (status, problem) = post(app, &token, "/totp/confirm", Some(&code)).await;
        assert_eq!(
            (status, &problem["errors"][0]["pointer"]),
            (422, &json!("/totp"))
        );
        enrol(app, &token).await;
        for (path, body) in [("/totp", None), ("/totp/confirm", Some(&code))] {
            let (status, problem) = post(app, &token, path, body).await;
            assert_eq!((status, &problem["code"]), (409, &json!("invalid_state")));
        }
        let kept = "SELECT encode(secret, 'escape') FROM admin_totp";
        let before: String = app.postgres.query_one(kept, &[]).await.unwrap().get(0);
        // Another account's secret is of no use: it is bound to its own.
        let eve = app.plant_staff("eve", "admin").await;
        let steal = "INSERT INTO admin_totp (admin_user_id, secret, confirmed_at)
                     SELECT $1, secret, confirmed_at FROM admin_totp";
        app.postgres.execute(steal, &[&eve]).await.unwrap();
        let body = json!({ "username": "eve", "password": STAFF_PASSWORD, "totp": "123456" });
        assert_eq!(app.sign_in_with(&body).await.status(), 401);
        assert!(!before.is_empty());
    })
    .await;
}

/// The same accounts behind a server with these keys, a little later.
async fn with_keys(app: &TestApp, secrets: &'static [&'static [u8]], later: Duration) -> TestApp {
    let database = TestDatabase {
        name: app.database.name.clone(),
    };
    let options = Options {
        random_seed: 8,
        secrets,
        ..Options::default()
    };
    let app = TestApp::start(database, options).await;
    app.clock.advance(later);
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_outlives_its_key_and_moves_to_the_new_one_when_it_is_used() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("ada", "admin").await;
        let (authenticator, _) = enrol(app, &token).await;
        let without = with_keys(app, &[b"new"], STEP).await;
        let code = authenticator.code(&without);
        assert_eq!(sign_in(&without, Some(&code)).await.0, 401);
        let former: &[u8] = b"a key that is only used for tests";
        let both: &[&[u8]] = Box::leak(Box::new([b"new", former]));
        let changed = with_keys(app, both, STEP).await;
        assert_eq!(sign_in(&changed, Some(&code)).await.0, 201);
        let later = with_keys(app, &[b"new"], STEP * 2).await;
        let code = authenticator.code(&later);
        assert_eq!(
            sign_in(&later, Some(&code)).await.0,
            201,
            "it is the new key's"
        );
    })
    .await;
}
