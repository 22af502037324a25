//! Whoever loses a right while a request of theirs is under way has lost it for that request too.

use app::staff::{self, NewStaffMember};
use app::{audit, sessions};
use domain::actor::Actor;
use domain::id::AdminUserId;
use domain::password::Password;
use domain::role::{Permission, Role};
use domain::text::{EmailAddress, Username};
use futures_util::future::join_all;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use store::{Acting, StoreError};
use tokio_postgres::Client;

use crate::support::staff::STAFF_PASSWORD;
use crate::support::wait::{LIMIT, eventually};
use crate::support::{NewConcert, TestApp};

const WAITING: &str = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";

fn bob() -> Value {
    json!({
        "username": "bob", "email": "bob@example.com", "role": "admin",
        "password": STAFF_PASSWORD,
    })
}

/// What an account is taken its rights by, as the product does it, but not committed yet. Changes wait
/// for it; reading is by the rights of its moment.
async fn begin_taking(app: &TestApp, id: i32, what: &str) -> Client {
    let taking = app.database.superuser().await;
    let statements = format!(
        "BEGIN;
         SELECT 1 FROM admin_users WHERE id = {id} FOR NO KEY UPDATE;
         SELECT pg_advisory_xact_lock(7164911, {id});
         UPDATE admin_users SET {what} WHERE id = {id};
         UPDATE admin_sessions SET revoked_at = now() WHERE admin_user_id = {id}"
    );
    taking.batch_execute(&statements).await.unwrap();
    taking
}

/// The answer to a request that is let in by the account's rights and met by their end.
async fn overtaken(
    app: &TestApp,
    (id, what): (i32, &str),
    call: (Method, &str, Value),
) -> Response {
    let token = app.plant_session(id).await;
    let taking = begin_taking(app, id, what).await;
    let (method, path, body) = call;
    let request = app.as_staff(&token, method, path).header("if-match", "*");
    let asking = tokio::spawn(request.json(&body).send());
    eventually("the request waits", LIMIT, async || {
        app.count(WAITING).await == 1
    })
    .await;
    taking.batch_execute("COMMIT").await.unwrap();
    asking.await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_looking_again_a_request_outlives_the_rights_that_let_it_in() {
    TestApp::run(async |app| {
        let ada = app.plant_staff("ada", "superadmin").await;
        let by = Acting::new(Actor::Staff(AdminUserId::new(ada).unwrap()));
        let taking = begin_taking(app, ada, "is_active = false").await;
        taking.batch_execute("COMMIT").await.unwrap();
        let new = NewStaffMember {
            username: Username::parse("bob").unwrap(),
            email: EmailAddress::parse("bob@example.com").unwrap(),
            role: Role::Superadmin,
            password: Password::parse(STAFF_PASSWORD).unwrap(),
        };
        assert!(staff::create(&app.app, new, by).await.is_ok());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_disabled_or_demoted_while_a_request_waits_changes_nothing() {
    TestApp::run(async |app| {
        // Somebody has to stay.
        app.plant_staff("eve", "superadmin").await;
        let concert = app.plant(NewConcert::default()).await;
        let (concert, cid) = (
            format!("/concerts/{concert}"),
            app.plant_staff("cid", "admin").await,
        );
        let held = app
            .reserved(app.plant(NewConcert::default()).await, 1, "som")
            .await;
        let held = format!("/reservations/{}", held["id"].as_str().unwrap());
        let new_concert = json!({
            "name": "Night Ferry", "artist": "The Lanterns", "date": "2026-12-12",
            "venue": "Riverside Hall", "total_tickets": 100, "price": "1250.00",
        });
        let user = format!("/users/{cid}");
        let calls = [
            (Method::POST, "/users".to_owned(), bob()),
            (
                Method::PATCH,
                user.clone(),
                json!({ "password": "a new horse" }),
            ),
            (Method::POST, format!("{user}/disable"), json!({})),
            (Method::DELETE, user, json!({})),
            (Method::POST, "/concerts".to_owned(), new_concert),
            (Method::PATCH, concert.clone(), json!({ "name": "Changed" })),
            (Method::POST, format!("{concert}/archive"), json!({})),
            (Method::DELETE, concert, json!({})),
            (Method::POST, format!("{held}/confirm"), json!({})),
            (Method::POST, format!("{held}/cancel"), json!({})),
        ];
        let before = "SELECT count(*) FROM audit_logs WHERE user_id IS NOT NULL";
        for (number, (method, path, body)) in calls.into_iter().enumerate() {
            for (what, status) in [("is_active = false", 401), ("role = 'moderator'", 403)] {
                let name = format!("ada{number}-{status}");
                let ada = app.plant_staff(&name, "superadmin").await;
                let call = (method.clone(), path.as_str(), body.clone());
                let answer = overtaken(app, (ada, what), call).await;
                // A moderator may cancel, but the session in which they asked is over.
                let status = if path.ends_with("/cancel") {
                    401
                } else {
                    status
                };
                assert_eq!(answer.status(), status, "{method} {path} {what}");
            }
        }
        assert_eq!(
            app.count(before).await,
            0,
            "nobody of the staff did anything"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_disabled_meanwhile_changes_nothing_of_their_own_account_either() {
    TestApp::run(async |app| {
        for (path, body) in [
            ("/totp", json!({ "password": STAFF_PASSWORD })),
            (
                "/password",
                json!({ "current_password": STAFF_PASSWORD, "new_password": "a new horse" }),
            ),
        ] {
            let ada = app.plant_staff(&path.replace('/', "ada"), "admin").await;
            let what = (ada, "is_active = false");
            let answer = overtaken(app, what, (Method::POST, path, body)).await;
            assert_eq!(answer.status(), 401, "{path}");
        }
        assert_eq!(app.count("SELECT count(*) FROM admin_totp").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_who_was_demoted_before_the_log_is_read_is_refused_and_nothing_breaks() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("ada", "admin").await;
        let signed_in = sessions::find(&app.app, &token).await.unwrap().unwrap();
        let by = Acting {
            authority: Some(signed_in.authority(Some(Permission::ReadAuditLog))),
            ..Acting::new(Actor::Staff(signed_in.member().id))
        };
        let filter = audit::Filter::default();
        assert!(
            audit::list(&app.app, &by, &filter, (None, 10))
                .await
                .is_ok()
        );
        // By plain SQL, so that the session goes on.
        let demote = "UPDATE admin_users SET role = 'moderator'";
        app.postgres.batch_execute(demote).await.unwrap();
        let refused = audit::list(&app.app, &by, &filter, (None, 10)).await;
        let role = Some(Role::Moderator);
        assert!(
            matches!(refused, Err(StoreError::NotAllowed { role: found }) if found == role),
            "{refused:?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn superadmins_who_change_accounts_at_once_do_not_wait_in_a_circle() {
    TestApp::run(async |app| {
        let names = ["ada", "bob", "cid", "dot"];
        let mut ids = Vec::new();
        for name in names {
            ids.push(app.plant_staff(name, "superadmin").await);
        }
        for round in 0..10 {
            let mut changes = Vec::new();
            for (number, id) in ids.iter().enumerate() {
                let token = app.plant_session(*id).await;
                // Each takes the next one's sessions away, and is about to lose their own.
                let next = ids[(number + 1) % ids.len()];
                let role = json!({ "role": "admin" });
                let request = app.as_staff(&token, Method::PATCH, &format!("/users/{next}"));
                changes.push(request.json(&role).send());
            }
            let mut statuses = Vec::new();
            for answer in join_all(changes).await {
                statuses.push(answer.unwrap().status().as_u16());
            }
            assert!(
                statuses
                    .iter()
                    .all(|status| [200, 401, 403].contains(status)),
                "round {round}: {statuses:?}"
            );
            assert!(statuses.contains(&200), "round {round}: {statuses:?}");
            let again = "UPDATE admin_users SET role = 'superadmin'";
            app.postgres.batch_execute(again).await.unwrap();
        }
    })
    .await;
}
