//! Second factors: begun, confirmed, asked for, and lost.

use std::time::Duration;

use app::audit;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::staff::{Authenticator, STAFF_PASSWORD};
use crate::support::{Options, TestApp, TestDatabase};

async fn post(app: &TestApp, token: &str, path: &str, body: &Value) -> (u16, Value) {
    let request = app.as_staff(token, Method::POST, path).json(body);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["cache-control"], "no-store");
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Begins a second factor with the right password.
async fn begin(app: &TestApp, token: &str) -> (u16, Value) {
    let body = json!({ "password": STAFF_PASSWORD });
    post(app, token, "/totp", &body).await
}

/// Turns a second factor on; gives the authenticator and the recovery codes.
async fn enrol(app: &TestApp, token: &str) -> (Authenticator, Vec<String>) {
    let (status, begun) = begin(app, token).await;
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
    let (status, confirmed) = post(app, token, "/totp/confirm", &body).await;
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
        let (_, unused) = begin(app, &token).await;
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
        let (status, problem) = post(app, &token, "/totp/confirm", &code).await;
        assert_eq!((status, &problem["code"]), (409, &json!("invalid_state")));
        begin(app, &token).await;
        let (status, problem) = post(app, &token, "/totp/confirm", &code).await;
        assert_eq!(
            (status, &problem["errors"][0]["pointer"]),
            (422, &json!("/totp"))
        );
        enrol(app, &token).await;
        let password = json!({ "password": STAFF_PASSWORD });
        for (path, body) in [("/totp", &password), ("/totp/confirm", &code)] {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_superadmin_takes_a_lost_second_factor_away_but_not_their_own() {
    TestApp::run(async |app| {
        let ada = app.plant_staff("ada", "superadmin").await;
        let token = app.plant_session(ada).await;
        enrol(app, &token).await;
        let bob = app.plant_staff("bob", "superadmin").await;
        let bob_token = app.plant_session(bob).await;
        let patch = async |token: &str, id: i32| {
            let request = app.as_staff(token, Method::PATCH, &format!("/users/{id}"));
            let answer = request
                .json(&json!({ "totp": false }))
                .send()
                .await
                .unwrap();
            (
                answer.status().as_u16(),
                answer.json::<Value>().await.unwrap(),
            )
        };
        let (status, problem) = patch(&token, ada).await;
        assert_eq!(status, 422);
        let error = &problem["errors"][0];
        assert_eq!(
            (&error["pointer"], &error["code"]),
            (&json!("/totp"), &json!("invalid"))
        );
        let detail = error["detail"].as_str().unwrap();
        assert!(detail.contains("DELETE /api/v1/admin/totp"), "{detail}");
        let shown = app.as_staff(&bob_token, Method::GET, "/users").send().await;
        let shown: Value = shown.unwrap().json().await.unwrap();
        assert_eq!(shown["items"][0]["totp"], true);
        assert_eq!(shown["items"][1]["totp"], false);

        let (status, changed) = patch(&bob_token, ada).await;
        assert_eq!(
            (status, &changed["totp"]),
            (200, &json!(false)),
            "{changed}"
        );
        assert_eq!(app.status_with(&token).await, 401, "its sessions end");
        let (status, session) = sign_in(app, None).await;
        assert_eq!((status, &session["admin"]["totp"]), (201, &json!(false)));
        let logged = format!(
            "SELECT count(*) FROM audit_logs WHERE table_name = 'admin_totp'
             AND action = 'DELETE' AND record_id = '{ada}' AND user_id = {bob}"
        );
        assert_eq!(app.count(&logged).await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_came_in_by_a_recovery_code_begins_anew_with_their_password() {
    TestApp::run(async |app| {
        let first = app.plant_signed_in("ada", "moderator").await;
        let (_, codes) = enrol(app, &first).await;
        let (status, session) = sign_in(app, Some(&codes[0])).await;
        assert_eq!((status, &session["admin"]["totp"]), (201, &json!(true)));
        let token = session["token"].as_str().unwrap();
        let turn_off = async |password: &str| {
            let body = json!({ "password": password });
            let request = app.as_staff(token, Method::DELETE, "/totp").json(&body);
            request.send().await.unwrap().status().as_u16()
        };
        assert_eq!(turn_off("wrong horse battery").await, 422);
        assert_eq!(turn_off(STAFF_PASSWORD).await, 204);
        let status_of = async |token: &str| {
            let request = app.as_staff(token, Method::GET, "/concerts");
            request.send().await.unwrap().status().as_u16()
        };
        assert_eq!(
            (status_of(token).await, status_of(&first).await),
            (200, 401)
        );
        assert_eq!(sign_in(app, None).await.0, 201);
        let codes = "SELECT count(*) FROM admin_recovery_codes";
        assert_eq!(app.count(codes).await, 0);
        enrol(app, token).await;
        // Wrong ones count like wrong passwords of a sign-in.
        let mut last = 0;
        for _ in 0..7 {
            last = turn_off("wrong horse battery").await;
        }
        assert_eq!(last, 429);
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

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_moves_a_second_factor_to_the_new_key_too() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("ada", "admin").await;
        let (authenticator, codes) = enrol(app, &token).await;
        let both: &[&[u8]] = &[b"new", b"a key that is only used for tests"];
        let changed = with_keys(app, both, STEP).await;
        assert_eq!(sign_in(&changed, Some(&codes[0])).await.0, 201);
        let later = with_keys(app, &[b"new"], STEP * 2).await;
        let code = authenticator.code(&later);
        assert_eq!(sign_in(&later, Some(&code)).await.0, 201);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_that_nobody_confirmed_within_ten_minutes_must_be_begun_again() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("ada", "admin").await;
        let confirm = async |secret: &str| {
            let code = json!({ "totp": Authenticator::new(secret).code(app) });
            post(app, &token, "/totp/confirm", &code).await
        };
        let (_, begun) = begin(app, &token).await;
        app.clock.advance(Duration::from_mins(10));
        let (status, problem) = confirm(begun["secret"].as_str().unwrap()).await;
        assert_eq!((status, &problem["code"]), (409, &json!("invalid_state")));
        let (_, begun) = begin(app, &token).await;
        app.clock
            .advance(Duration::from_mins(10) - Duration::from_secs(1));
        let (status, confirmed) = confirm(begun["secret"].as_str().unwrap()).await;
        assert_eq!(status, 200, "{confirmed}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_the_code_that_confirms_a_second_factor_is_locked_like_a_sign_in() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("ada", "admin").await;
        let (_, begun) = begin(app, &token).await;
        let authenticator = Authenticator::new(begun["secret"].as_str().unwrap());
        let wrong = json!({ "totp": "000000" });
        for _ in 0..6 {
            assert_eq!(post(app, &token, "/totp/confirm", &wrong).await.0, 422);
        }
        let right = json!({ "totp": authenticator.code(app) });
        let locked = app.as_staff(&token, Method::POST, "/totp/confirm");
        let locked = locked.json(&right).send().await.unwrap();
        assert_eq!(locked.status(), 429, "even the right one");
        assert_eq!(locked.headers()["retry-after"], "1");
        assert_eq!(
            app.sign_in("ada", STAFF_PASSWORD).await.status(),
            429,
            "they count for all that the account is asked"
        );
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(post(app, &token, "/totp/confirm", &right).await.0, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_without_the_password_begins_no_second_factor() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("ada", "admin").await;
        for (body, code) in [
            (json!({}), "required"),
            (json!({ "password": 1 }), "wrong_type"),
            (json!({ "password": "wrong horse battery" }), "invalid"),
        ] {
            let (status, problem) = post(app, &token, "/totp", &body).await;
            let error = &problem["errors"][0];
            let found = (status, &error["pointer"], &error["code"]);
            assert_eq!(found, (422, &json!("/password"), &json!(code)), "{body}");
        }
        assert_eq!(app.count("SELECT count(*) FROM admin_totp").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_password_is_no_failure_and_guessing_it_in_a_session_is_locked_like_a_sign_in() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("ada", "admin").await;
        for _ in 0..7 {
            assert_eq!(begin(app, &token).await.0, 200);
        }
        let wrong = json!({ "password": "wrong horse battery" });
        for _ in 0..6 {
            assert_eq!(post(app, &token, "/totp", &wrong).await.0, 422);
        }
        let before = app.app.passwords_worked();
        let locked = app.as_staff(&token, Method::POST, "/totp").json(&wrong);
        let locked = locked.send().await.unwrap();
        assert_eq!(locked.status(), 429);
        assert_eq!(locked.headers()["retry-after"], "1");
        assert_eq!(begin(app, &token).await.0, 429, "even the right one");
        assert_eq!(app.app.passwords_worked(), before);
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(begin(app, &token).await.0, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn turning_a_second_factor_on_ends_the_other_sessions_of_the_account_alone() {
    TestApp::run(async |app| {
        let ada = app.plant_staff("ada", "superadmin").await;
        let (token, other) = (app.plant_session(ada).await, app.plant_session(ada).await);
        let bob = app.plant_signed_in("bob", "superadmin").await;
        begin(app, &token).await;
        assert_eq!(app.status_with(&other).await, 200, "nothing is on yet");
        enrol(app, &token).await;
        assert_eq!(app.status_with(&token).await, 200);
        assert_eq!(app.status_with(&other).await, 401);
        assert_eq!(app.status_with(&bob).await, 200);
    })
    .await;
}

/// What the log has of a table, without the secrets that must not be there.
async fn logged(app: &TestApp, table: &str) -> Vec<(String, String, Value, Value)> {
    let select = "SELECT action, record_id, coalesce(old_values::text, 'null'),
                         coalesce(new_values::text, 'null')
                  FROM audit_logs WHERE table_name = $1 ORDER BY id";
    let rows = app.postgres.query(select, &[&table]).await.unwrap();
    let json = |text: &str| serde_json::from_str(text).unwrap();
    rows.iter()
        .map(|row| (row.get(0), row.get(1), json(row.get(2)), json(row.get(3))))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_of_a_second_factor_is_in_the_audit_log_without_its_secrets() {
    TestApp::run(async |app| {
        let ada = app.plant_staff("ada", "admin").await;
        let token = app.plant_session(ada).await;
        let (_, codes) = enrol(app, &token).await;
        begin(app, &token).await;
        assert_eq!(sign_in(app, Some(&codes[0])).await.0, 201);
        assert_eq!(sign_in(app, Some(&codes[1])).await.0, 201);
        let differences = audit::differences(&app.app, audit::PAGE_ROWS).await;
        assert!(differences.unwrap().is_empty());
        let id = ada.to_string();

        let log = logged(app, "admin_totp").await;
        assert_eq!(log.len(), 2, "{log:?}");
        assert_eq!((log[0].0.as_str(), &log[0].1), ("CREATE", &id));
        assert_eq!(log[0].3["confirmed_at"], Value::Null);
        assert_eq!(log[1].0, "UPDATE");
        assert!(log[1].3["confirmed_at"].is_string(), "{log:?}");

        let log = logged(app, "admin_recovery_codes").await;
        assert_eq!(log.len(), 12, "{log:?}");
        assert_eq!((log[10].0.as_str(), &log[10].1), ("UPDATE", &id));
        assert!(log[10].3["used_at"].is_string(), "{log:?}");

        let replace = "UPDATE admin_totp SET secret = decode(repeat('ab', 60), 'hex');
                       UPDATE admin_recovery_codes SET code_digest = sha256(code_digest)
                       WHERE used_at IS NOT NULL;
                       DELETE FROM admin_totp; DELETE FROM admin_recovery_codes";
        app.postgres.batch_execute(replace).await.unwrap();
        let log = logged(app, "admin_totp").await;
        let hidden = json!({ "secret": "(secret)" });
        assert_eq!(log[2], ("UPDATE".to_owned(), id, hidden.clone(), hidden));
        assert_eq!(log[3].0, "DELETE");
        let log = logged(app, "admin_recovery_codes").await;
        assert_eq!(log[12].3, json!({ "code_digest": "(secret)" }));
        assert_eq!(log.iter().filter(|row| row.0 == "DELETE").count(), 10);
        let bare = "SELECT count(*) FROM audit_logs
                    WHERE table_name IN ('admin_totp', 'admin_recovery_codes')
                      AND (coalesce(old_values ->> 'secret', new_values ->> 'secret',
                                    old_values ->> 'code_digest', new_values ->> 'code_digest')
                             <> '(secret)'
                           OR strpos(concat(old_values, new_values), '\\x') > 0)";
        assert_eq!(app.count(bare).await, 0);
        let staff = "SELECT count(*) FROM audit_logs WHERE table_name = 'admin_totp'
                     AND user_id IS NOT NULL AND actor_kind = 'staff' AND request_id IS NOT NULL";
        assert_eq!(app.count(staff).await, 2, "who did it, but for plain SQL");
    })
    .await;
}
