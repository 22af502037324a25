//! Requests of staff that meet in the middle wait for each other in a line, never in a circle: a
//! circle costs one of them a second and then its work.

use reqwest::{Method, RequestBuilder};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::support::TestApp;
use crate::support::staff::STAFF_PASSWORD;
use crate::support::wait::{LIMIT, eventually};

/// Waits until so many connections of this test wait for a lock.
async fn wait_for(app: &TestApp, waiters: i64) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let found = async || app.count(waiting).await == waiters;
    eventually("so many wait", LIMIT, found).await;
}

/// Somebody who did this and hasn't said yet whether it counts.
async fn somebody_with(app: &TestApp, statement: &str) -> Client {
    let somebody = app.database.superuser().await;
    somebody
        .batch_execute(&format!("BEGIN; {statement}"))
        .await
        .unwrap();
    somebody
}

/// The answer's status, once there is one.
fn status_of(request: RequestBuilder) -> JoinHandle<u16> {
    tokio::spawn(async move { request.send().await.unwrap().status().as_u16() })
}

#[tokio::test(flavor = "multi_thread")]
async fn who_ends_a_session_lets_what_is_under_way_in_it_end_first() {
    TestApp::run(async |app| {
        let ada = app.plant_staff("ada", "superadmin").await;
        let (ada_token, eve_token) = (
            app.plant_session(ada).await,
            app.plant_signed_in("eve", "superadmin").await,
        );
        // Ada's request has looked at her session, and waits for a name that may be taken.
        let insert = "INSERT INTO admin_users (username, password, email, role)
                      VALUES ('bob', 'x', 'other@example.com', 'admin')";
        let somebody = somebody_with(app, insert).await;
        let bob = json!({
            "username": "bob", "email": "bob@example.com", "role": "admin",
            "password": STAFF_PASSWORD,
        });
        let creates = app.as_staff(&ada_token, Method::POST, "/users").json(&bob);
        let creates = status_of(creates);
        wait_for(app, 1).await;
        // A new address of hers locks her account even against those who refer to it.
        let change = json!({ "email": "new@example.com", "role": "admin" });
        let changes = app.as_staff(&eve_token, Method::PATCH, &format!("/users/{ada}"));
        let changes = status_of(changes.json(&change));
        wait_for(app, 2).await;
        somebody.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!((creates.await.unwrap(), changes.await.unwrap()), (201, 200));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_ends_sessions_has_not_locked_failures_yet() {
    TestApp::run(async |app| {
        let ada = app.plant_staff("ada", "admin").await;
        let eve = app.plant_signed_in("eve", "superadmin").await;
        // So that there is something to forget.
        assert_eq!(app.sign_in("ada", "wrong horse").await.status(), 401);
        let own =
            json!({ "current_password": STAFF_PASSWORD, "new_password": "another horse battery" });
        let reset = json!({ "password": STAFF_PASSWORD });
        let user = format!("/users/{ada}");
        for (method, path, body, status) in [
            (Method::PATCH, user.as_str(), reset, 200),
            (Method::POST, "/password", own, 204),
        ] {
            let other = app.plant_session(ada).await;
            let token = match path {
                "/password" => app.plant_session(ada).await,
                _ => eve.clone(),
            };
            let somebody = somebody_with(app, &share(ada)).await;
            let ends = status_of(app.as_staff(&token, method, path).json(&body));
            wait_for(app, 1).await;
            // Counts as a failure in the session that is about to end.
            let password = json!({ "password": STAFF_PASSWORD });
            let asks = app.as_staff(&other, Method::POST, "/totp").json(&password);
            let asks = status_of(asks);
            wait_for(app, 2).await;
            somebody.batch_execute("ROLLBACK").await.unwrap();
            let statuses = (ends.await.unwrap(), asks.await.unwrap());
            assert_eq!(statuses, (status, 401), "{path}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_never_rests_is_disabled_all_the_same() {
    TestApp::run(async |app| {
        let ada = app.plant_staff("ada", "superadmin").await;
        let (ada_token, eve_token) = (
            app.plant_session(ada).await,
            app.plant_signed_in("eve", "superadmin").await,
        );
        let somebody = somebody_with(app, &share(ada)).await;
        let disable = format!("/users/{ada}/disable");
        let disables = status_of(app.as_staff(&eve_token, Method::POST, &disable));
        wait_for(app, 1).await;
        // What comes behind waits behind, and changes nothing; reading waits for nobody.
        let bob = json!({
            "username": "bob", "email": "bob@example.com", "role": "admin",
            "password": STAFF_PASSWORD,
        });
        let creates = app.as_staff(&ada_token, Method::POST, "/users").json(&bob);
        let creates = status_of(creates);
        wait_for(app, 2).await;
        for path in ["/reservations", "/audit-logs"] {
            let reads = app.as_staff(&ada_token, Method::GET, path);
            assert_eq!(status_of(reads).await.unwrap(), 200, "{path}");
        }
        somebody.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(
            (disables.await.unwrap(), creates.await.unwrap()),
            (200, 401)
        );
        let bobs = "SELECT count(*) FROM admin_users WHERE username = 'bob'";
        assert_eq!(app.count(bobs).await, 0);
    })
    .await;
}

/// What a request in one of the account's sessions holds until it ends.
fn share(account: i32) -> String {
    format!("SELECT pg_advisory_xact_lock_shared(7164911, {account})")
}
