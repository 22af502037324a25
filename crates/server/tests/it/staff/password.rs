//! Staff change their own password.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::staff::STAFF_PASSWORD;

const NEW: &str = "another horse battery";

async fn change(app: &TestApp, token: &str, body: &Value) -> (u16, Value) {
    let request = app.as_staff(token, Method::POST, "/password").json(body);
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_default())
}

fn wish(current: &str, new: &str) -> Value {
    json!({ "current_password": current, "new_password": new })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_takes_the_place_of_the_current_one_and_ends_other_sessions() {
    TestApp::run(async |app| {
        let ada = app.plant_staff("ada", "superadmin").await;
        let (token, other) = (app.plant_session(ada).await, app.plant_session(ada).await);
        let bob = app.plant_signed_in("bob", "superadmin").await;
        let (status, said) = change(app, &token, &wish(STAFF_PASSWORD, NEW)).await;
        assert_eq!(status, 204, "{said}");
        assert_eq!(app.status_with(&token).await, 200);
        assert_eq!(app.status_with(&other).await, 401);
        assert_eq!(app.status_with(&bob).await, 200);
        assert_eq!(app.sign_in("ada", STAFF_PASSWORD).await.status(), 401);
        assert_eq!(app.sign_in("ada", NEW).await.status(), 201);
        let logged = "SELECT count(*) FROM audit_logs
                      WHERE table_name = 'admin_users' AND action = 'UPDATE' AND user_id = $1
                        AND record_id = $1::text AND actor_kind = 'staff'
                        AND new_values = '{\"password\": \"(secret)\"}'";
        let row = app.postgres.query_one(logged, &[&ada]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_changes_its_own_password_and_nobody_without_the_current_one() {
    TestApp::run(async |app| {
        for role in ["superadmin", "admin", "moderator"] {
            let token = app.plant_signed_in(role, role).await;
            for (body, pointer, code) in [
                (wish("wrong horse", NEW), "/current_password", "invalid"),
                (wish(STAFF_PASSWORD, "short"), "/new_password", "too_short"),
                (wish(STAFF_PASSWORD, "password"), "/new_password", "invalid"),
                (
                    wish(STAFF_PASSWORD, STAFF_PASSWORD),
                    "/new_password",
                    "invalid",
                ),
                (
                    json!({ "new_password": NEW }),
                    "/current_password",
                    "required",
                ),
            ] {
                let (status, problem) = change(app, &token, &body).await;
                let error = &problem["errors"][0];
                let found = (status, &error["pointer"], &error["code"]);
                assert_eq!(found, (422, &json!(pointer), &json!(code)), "{body}");
            }
            assert_eq!(change(app, &token, &wish(STAFF_PASSWORD, NEW)).await.0, 204);
            assert_eq!(app.sign_in(role, NEW).await.status(), 201);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_changed_meanwhile_is_no_current_one() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("ada", "admin").await;
        let (first, second) = (
            wish(STAFF_PASSWORD, NEW),
            wish(STAFF_PASSWORD, "a third horse in the stable"),
        );
        let (one, other) = tokio::join!(change(app, &token, &first), change(app, &token, &second));
        let mut statuses = [one.0, other.0];
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 422]);
    })
    .await;
}

/// A session that was left open must not be enough to keep an account.
#[tokio::test(flavor = "multi_thread")]
async fn a_superadmin_cannot_change_their_own_password_as_somebody_elses() {
    TestApp::run(async |app| {
        let ada = app.plant_staff("ada", "superadmin").await;
        let (token, other) = (app.plant_session(ada).await, app.plant_session(ada).await);
        let worked = app.app.passwords_worked();
        let own = format!("/users/{ada}");
        let with_more = json!({ "email": "eve@example.com", "password": NEW });
        for body in [json!({ "password": NEW }), with_more] {
            let request = app.as_staff(&token, Method::PATCH, &own).json(&body);
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 422, "{body}");
            let problem: Value = answer.json().await.unwrap();
            let error = &problem["errors"][0];
            assert_eq!(error["pointer"], "/password");
            let detail = error["detail"].as_str().unwrap();
            assert!(detail.contains("POST /api/v1/admin/password"), "{detail}");
        }
        assert_eq!(app.app.passwords_worked(), worked, "nothing was hashed");
        assert_eq!(app.status_with(&other).await, 200, "nothing was changed");
        let renamed = "SELECT count(*) FROM admin_users WHERE email = 'eve@example.com'";
        assert_eq!(app.count(renamed).await, 0);
        assert_eq!(app.sign_in("ada", STAFF_PASSWORD).await.status(), 201);
        // What asks for nothing else may still be changed there, and so may other accounts.
        let bob = app.plant_staff("bob", "superadmin").await;
        for (whose, body) in [
            (ada, json!({ "email": "ada@example.net" })),
            (bob, json!({ "password": NEW })),
        ] {
            let request = app.as_staff(&token, Method::PATCH, &format!("/users/{whose}"));
            assert_eq!(request.json(&body).send().await.unwrap().status(), 200);
        }
    })
    .await;
}
