//! Staff accounts: made, changed, disabled, deleted, and the last superadmin.

use app::staff::{self, Change, StaffError};
use domain::id::AdminUserId;
use reqwest::Method;
use serde_json::{Value, json};
use store::Acting;

use crate::support::TestApp;
use crate::support::staff::STAFF_PASSWORD;

fn wish(username: &str) -> Value {
    json!({
        "username": username,
        "email": format!("{username}@example.com"),
        "role": "moderator",
        "password": STAFF_PASSWORD,
    })
}

async fn ask(app: &TestApp, token: &str, call: (Method, &str), body: &Value) -> (u16, Value) {
    let request = app.as_staff(token, call.0, call.1).json(body);
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superadmin_makes_changes_and_deletes_accounts() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("ada", "superadmin").await;
        let create = (Method::POST, "/users");
        let (status, bob) = ask(app, &token, create.clone(), &wish("Bob")).await;
        assert_eq!(status, 201, "{bob}");
        assert_eq!(
            (&bob["username"], &bob["role"]),
            (&json!("bob"), &json!("moderator"))
        );
        assert_eq!(bob.get("password"), None);
        assert_eq!(app.sign_in("bob", STAFF_PASSWORD).await.status(), 201);

        let path = format!("/users/{}", bob["id"]);
        let change = json!({ "role": "admin", "email": "Robert@example.com" });
        let (status, changed) = ask(app, &token, (Method::PATCH, &path), &change).await;
        assert_eq!((status, &changed["role"]), (200, &json!("admin")));
        assert_eq!(changed["email"], "robert@example.com");
        let (status, same) = ask(app, &token, (Method::PATCH, &path), &json!({})).await;
        assert_eq!((status, &same["updated_at"]), (200, &changed["updated_at"]));

        for _ in 0..2 {
            let disable = format!("{path}/disable");
            let (status, disabled) = ask(app, &token, (Method::POST, &disable), &json!({})).await;
            assert_eq!((status, &disabled["is_active"]), (200, &json!(false)));
        }
        assert_eq!(app.sign_in("bob", STAFF_PASSWORD).await.status(), 401);
        let enable = json!({ "is_active": true });
        assert_eq!(
            ask(app, &token, (Method::PATCH, &path), &enable).await.0,
            200
        );
        assert_eq!(app.sign_in("bob", STAFF_PASSWORD).await.status(), 201);

        for status in [204, 404] {
            let (found, _) = ask(app, &token, (Method::DELETE, &path), &json!({})).await;
            assert_eq!(found, status);
        }
        assert_eq!(app.sign_in("bob", STAFF_PASSWORD).await.status(), 401);
        let kept = "SELECT count(*) FROM admin_users WHERE username = 'bob' AND NOT is_active";
        assert_eq!(app.count(kept).await, 1, "the audit log names it");
        let (status, problem) = ask(app, &token, create, &wish("bob")).await;
        assert_eq!(
            (status, &problem["errors"][0]["code"]),
            (422, &json!("taken"))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_listed_in_pages() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("ada", "superadmin").await;
        for name in ["bob", "cid", "dot"] {
            app.plant_staff(name, "moderator").await;
        }
        let deleted = "UPDATE admin_users SET deleted_at = now() WHERE username = 'cid'";
        app.postgres.batch_execute(deleted).await.unwrap();
        let page = async |query: &str| {
            let request = app.as_staff(&token, Method::GET, &format!("/users{query}"));
            request.send().await.unwrap().json::<Value>().await.unwrap()
        };
        let names = |page: &Value| -> Vec<String> {
            let items = page["items"].as_array().unwrap().iter();
            items
                .map(|item| item["username"].as_str().unwrap().to_owned())
                .collect()
        };
        let all = page("").await;
        assert_eq!(names(&all), ["ada", "bob", "dot"]);
        assert_eq!(all["next_cursor"], Value::Null);
        let first = page("?limit=2").await;
        assert_eq!(names(&first), ["ada", "bob"]);
        let cursor = first["next_cursor"].as_str().unwrap();
        let second = page(&format!("?limit=2&cursor={cursor}")).await;
        assert_eq!(
            (names(&second), &second["next_cursor"]),
            (vec!["dot".to_owned()], &Value::Null)
        );
        for wrong in ["?limit=0", "?limit=201", "?cursor=x", "?role=admin"] {
            assert_eq!(page(wrong).await["code"], "validation_failed", "{wrong}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_fields_of_an_account_are_each_named() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("ada", "superadmin").await;
        let long = "ก".repeat(25);
        for (field, value, code) in [
            ("username", json!("a b"), "invalid"),
            ("username", json!("ada"), "taken"),
            ("email", json!("ada@example.com"), "taken"),
            ("email", json!("nowhere"), "not_an_email"),
            ("role", json!("root"), "invalid"),
            ("role", json!(1), "wrong_type"),
            ("password", json!("short"), "too_short"),
            ("password", json!(long), "too_long"),
            ("password", Value::Null, "required"),
            ("password", json!("password"), "invalid"),
            ("password", json!(" ".repeat(8)), "invalid"),
            ("password", json!("bob@example.com"), "invalid"),
            ("is_active", json!(true), "unknown_field"),
        ] {
            let mut body = wish("bob");
            body[field] = value.clone();
            let (status, problem) = ask(app, &token, (Method::POST, "/users"), &body).await;
            assert_eq!(status, 422, "{field} {value}");
            let error = &problem["errors"][0];
            assert_eq!(error["pointer"], format!("/{field}"), "{value}");
            assert_eq!(error["code"], code, "{field} {value}");
            assert_ne!(error["detail"], "", "{field} {value}");
        }
        let bob = app.plant_staff("bob", "admin").await;
        let path = format!("/users/{bob}");
        for (body, code) in [
            (json!({ "email": "ada@example.com" }), "taken"),
            (json!({ "is_active": "no" }), "wrong_type"),
            (json!({ "username": "robert" }), "unknown_field"),
            (json!({ "email": null }), "required"),
            (json!({ "role": null }), "required"),
            (json!({ "is_active": null }), "required"),
            (json!({ "password": null }), "required"),
            (json!({ "password": "bob12345" }), "invalid"),
            (json!({ "totp": null }), "required"),
            (json!({ "totp": 0 }), "wrong_type"),
            (json!({ "totp": true }), "invalid"),
        ] {
            let (status, problem) = ask(app, &token, (Method::PATCH, &path), &body).await;
            assert_eq!((status, &problem["errors"][0]["code"]), (422, &json!(code)));
        }
        let unknown = (Method::PATCH, "/users/999999");
        assert_eq!(ask(app, &token, unknown, &json!({})).await.0, 404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_active_superadmin_stays() {
    TestApp::run(async |app| {
        let ada = app.plant_staff("ada", "superadmin").await;
        let token = app.plant_session(ada).await;
        let bob = app.plant_staff("bob", "superadmin").await;
        let path = format!("/users/{bob}/disable");
        assert_eq!(
            ask(app, &token, (Method::POST, &path), &json!({})).await.0,
            200
        );
        let own = format!("/users/{ada}");
        let disable = format!("{own}/disable");
        for (method, path, body) in [
            (Method::POST, &disable, json!({})),
            (Method::DELETE, &own, json!({})),
            (Method::PATCH, &own, json!({ "is_active": false })),
            (Method::PATCH, &own, json!({ "role": "admin" })),
            (
                Method::PATCH,
                &own,
                json!({ "role": "moderator", "email": "x@example.com" }),
            ),
        ] {
            let (status, problem) = ask(app, &token, (method, path), &body).await;
            assert_eq!(
                (status, &problem["code"]),
                (409, &json!("invalid_state")),
                "{body}"
            );
        }
        let same = json!({ "role": "superadmin", "is_active": true, "email": "new@example.com" });
        assert_eq!(ask(app, &token, (Method::PATCH, &own), &same).await.0, 200);
    })
    .await;
}

const SUPERADMINS: &str = "SELECT count(*) FROM admin_users WHERE role = 'superadmin' AND is_active AND deleted_at IS NULL";

/// Without the lock, both see the other and both go: the race that the product must not have.
#[tokio::test(flavor = "multi_thread")]
async fn two_superadmins_who_disable_each_other_without_the_lock_leave_none() {
    TestApp::run(async |app| {
        let ids = [
            app.plant_staff("ada", "superadmin").await,
            app.plant_staff("bob", "superadmin").await,
        ];
        let both = [
            app.database.superuser().await,
            app.database.superuser().await,
        ];
        for connection in &both {
            connection.batch_execute("BEGIN").await.unwrap();
            let seen: i64 = connection.query_one(SUPERADMINS, &[]).await.unwrap().get(0);
            assert_eq!(seen, 2);
        }
        for (connection, id) in both.iter().zip(ids) {
            let disable = "UPDATE admin_users SET is_active = false WHERE id = $1";
            connection.execute(disable, &[&id]).await.unwrap();
            connection.batch_execute("COMMIT").await.unwrap();
        }
        assert_eq!(app.count(SUPERADMINS).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_superadmins_who_disable_each_other_leave_one() {
    TestApp::run(async |app| {
        let ada = AdminUserId::new(app.plant_staff("ada", "superadmin").await).unwrap();
        let bob = AdminUserId::new(app.plant_staff("bob", "superadmin").await).unwrap();
        let away = |id: AdminUserId, round: usize| async move {
            let by = Acting::system("test");
            let change = match round % 2 {
                0 => Change {
                    is_active: Some(false),
                    ..Change::default()
                },
                _ => Change {
                    role: Some(domain::role::Role::Admin),
                    ..Change::default()
                },
            };
            staff::change(&app.app, id, change, by).await.map(drop)
        };
        for round in 0..20 {
            let (one, other) = tokio::join!(away(ada, round), away(bob, round));
            let outcomes = [&one, &other];
            let refused = |outcome: &&&Result<(), StaffError>| {
                matches!(outcome, Err(StaffError::LastSuperadmin))
            };
            assert_eq!(outcomes.iter().filter(refused).count(), 1, "{outcomes:?}");
            assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
            assert_eq!(app.count(SUPERADMINS).await, 1);
            let again = "UPDATE admin_users SET is_active = true, role = 'superadmin'";
            app.postgres.batch_execute(again).await.unwrap();
        }
    })
    .await;
}
