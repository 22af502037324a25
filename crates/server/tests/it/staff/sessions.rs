//! Signing in and out, and when a session ends.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::staff::{STAFF_PASSWORD, WEAK_HASH};

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_gives_a_token_that_the_database_does_not_have() {
    TestApp::run(async |app| {
        let id = app.plant_staff("ada", "superadmin").await;
        let answer = app.sign_in(" Ada ", STAFF_PASSWORD).await;
        assert_eq!(answer.status(), 201);
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let session: Value = answer.json().await.unwrap();
        let token = session["token"].as_str().unwrap();
        assert_eq!(token.len(), 43, "256 bits");
        assert_eq!(session["expires_at"], "2026-11-22T17:00:00Z");
        let expected = json!({
            "id": id, "username": "ada", "email": "ada@example.com", "role": "superadmin",
            "is_active": true, "last_login": "2026-11-22T05:00:00Z",
        });
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(session["admin"][field], *value, "{field}");
        }
        assert_eq!(app.status_with(token).await, 200);
        let kept = "SELECT string_agg(s::text, ' ') FROM admin_sessions s";
        let kept: String = app.postgres.query_one(kept, &[]).await.unwrap().get(0);
        assert!(!kept.contains(token), "{kept}");
        let digest = "
            SELECT count(*) FROM admin_sessions
            WHERE token_digest = sha256(decode(translate($1, '-_', '+/') || '=', 'base64'))
              AND ip_address = '127.0.0.1'";
        let row = app.postgres.query_one(digest, &[&token]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superadmin_ends_all_sessions_of_an_account_and_of_their_own_the_others() {
    TestApp::run(async |app| {
        let (ada, bob) = (
            app.plant_staff("ada", "superadmin").await,
            app.plant_staff("bob", "superadmin").await,
        );
        let (token, other) = (app.plant_session(ada).await, app.plant_session(ada).await);
        let bobs = [app.plant_session(bob).await, app.plant_session(bob).await];
        let end = async |id: i32| {
            let path = format!("/users/{id}/sessions");
            let ended = app.as_staff(&token, Method::DELETE, &path).send().await;
            ended.unwrap().status().as_u16()
        };
        assert_eq!(end(bob).await, 204);
        for ended in &bobs {
            assert_eq!(app.status_with(ended).await, 401);
        }
        assert_eq!(app.status_with(&other).await, 200);
        let again = app.sign_in("bob", STAFF_PASSWORD).await;
        assert_eq!(again.status(), 201, "the account is as it was");
        assert_eq!(end(ada).await, 204);
        assert_eq!(app.status_with(&token).await, 200);
        assert_eq!(app.status_with(&other).await, 401);
        assert_eq!(end(999_999).await, 404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_after_half_an_hour_of_rest_or_twelve_hours() {
    TestApp::run(async |app| {
        let ada = app.plant_staff("ada", "superadmin").await;
        let minutes = |minutes: u64| Duration::from_mins(minutes);
        let idle = app.plant_session(ada).await;
        app.clock.advance(minutes(29));
        assert_eq!(app.status_with(&idle).await, 200);
        app.clock.advance(minutes(29));
        assert_eq!(app.status_with(&idle).await, 200, "each use counts");
        app.clock.advance(minutes(30));
        assert_eq!(app.status_with(&idle).await, 401);

        let busy = app.plant_session(ada).await;
        for _ in 0..47 {
            app.clock.advance(minutes(15));
            assert_eq!(app.status_with(&busy).await, 200);
        }
        app.clock.advance(minutes(15));
        assert_eq!(app.status_with(&busy).await, 401, "twelve hours are over");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_this_session_and_no_other() {
    TestApp::run(async |app| {
        let ada = app.plant_staff("ada", "superadmin").await;
        let (one, other) = (app.plant_session(ada).await, app.plant_session(ada).await);
        let current = "/sessions/current";
        let signed_out = app.as_staff(&one, Method::DELETE, current).send().await;
        let signed_out = signed_out.unwrap();
        assert_eq!(signed_out.status(), 204);
        assert_eq!(signed_out.text().await.unwrap(), "");
        assert_eq!(app.status_with(&one).await, 401);
        assert_eq!(app.status_with(&other).await, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_rights_away_ends_all_sessions_of_the_account_and_no_others() {
    TestApp::run(async |app| {
        let ada = app.plant_signed_in("ada", "superadmin").await;
        let changes = [
            (
                Method::PATCH,
                "",
                Some(json!({ "role": "superadmin", "email": "b@example.com" })),
                200,
            ),
            (Method::PATCH, "", Some(json!({ "role": "admin" })), 401),
            (
                Method::PATCH,
                "",
                Some(json!({ "password": "another horse battery" })),
                401,
            ),
            (Method::PATCH, "", Some(json!({ "is_active": false })), 401),
            (Method::POST, "/disable", None, 401),
            (Method::DELETE, "", None, 401),
        ];
        for (number, (method, rest, body, status)) in changes.into_iter().enumerate() {
            let bob = app.plant_staff(&format!("bob{number}"), "superadmin").await;
            let sessions = [app.plant_session(bob).await, app.plant_session(bob).await];
            let request = app.as_staff(&ada, method, &format!("/users/{bob}{rest}"));
            let request = match &body {
                Some(body) => request.json(body),
                None => request,
            };
            let answer = request.send().await.unwrap();
            assert!(answer.status().is_success(), "{number}: {answer:?}");
            for session in &sessions {
                assert_eq!(app.status_with(session).await, status, "{number}: {body:?}");
            }
            assert_eq!(app.status_with(&ada).await, 200, "{number}");
        }
    })
    .await;
}

/// An answer without what differs between any two requests, and how often bcrypt ran for it.
async fn told(answer: Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    let mut problem: Value = answer.json().await.unwrap();
    problem["request_id"] = Value::Null;
    (status, problem)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_learns_which_accounts_exist() {
    TestApp::run(async |app| {
        for name in ["ada", "disabled", "deleted"] {
            app.plant_staff(name, "admin").await;
        }
        let end = "
            UPDATE admin_users SET is_active = false WHERE username = 'disabled';
            UPDATE admin_users SET deleted_at = now() WHERE username = 'deleted'";
        app.postgres.batch_execute(end).await.unwrap();
        let long = format!("{STAFF_PASSWORD}{}", "x".repeat(80));
        let mut answers = Vec::new();
        for (username, password) in [
            ("ada", "wrong horse battery"),
            ("ada", "x"),
            ("ada", long.as_str()),
            ("nobody", STAFF_PASSWORD),
            ("no name at all", STAFF_PASSWORD),
            ("disabled", STAFF_PASSWORD),
            ("deleted", STAFF_PASSWORD),
            ("disabled", "wrong horse battery"),
        ] {
            let before = app.app.passwords_worked();
            let answer = told(app.sign_in(username, password).await).await;
            let worked = app.app.passwords_worked() - before;
            assert_eq!(worked, 1, "{username} {password}");
            answers.push(answer);
        }
        assert_eq!(answers[0].0, 401);
        assert_eq!(answers[0].1["code"], "unauthenticated");
        assert!(
            answers.iter().all(|answer| *answer == answers[0]),
            "{answers:#?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_of_too_little_work_is_made_anew_at_the_next_sign_in() {
    TestApp::run(async |app| {
        app.plant_staff("ada", "admin").await;
        let weaken = "UPDATE admin_users SET password = $1";
        app.postgres.execute(weaken, &[&WEAK_HASH]).await.unwrap();
        for _ in 0..2 {
            assert_eq!(app.sign_in("ada", STAFF_PASSWORD).await.status(), 201);
            let hash = "SELECT password FROM admin_users";
            let hash: String = app.postgres.query_one(hash, &[]).await.unwrap().get(0);
            assert!(hash.starts_with("$2b$12$"), "{hash}");
        }
        assert_eq!(app.app.passwords_worked(), 3, "it is made once");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_to_sign_in_are_told_what_is_wrong() {
    TestApp::run(async |app| {
        for (body, errors) in [
            (json!({}), vec!["/username required", "/password required"]),
            (
                json!({ "username": 1, "password": "x" }),
                vec!["/username wrong_type"],
            ),
            (
                json!({ "username": "a", "password": "b", "totp": 1 }),
                vec!["/totp wrong_type"],
            ),
            (
                json!({ "username": "a", "password": "b", "otp": "1" }),
                vec!["/otp unknown_field"],
            ),
        ] {
            let answer = app.sign_in_with(&body).await;
            assert_eq!(answer.status(), 422, "{body}");
            let problem: Value = answer.json().await.unwrap();
            let named: Vec<String> = problem["errors"]
                .as_array()
                .unwrap()
                .iter()
                .map(|error| {
                    format!(
                        "{} {}",
                        error["pointer"].as_str().unwrap(),
                        error["code"].as_str().unwrap()
                    )
                })
                .collect();
            assert_eq!(named, errors, "{body}");
        }
        assert_eq!(app.app.passwords_worked(), 0);
    })
    .await;
}
