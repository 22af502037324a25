//! What staff do is in the audit log, and whoever may reads it there.

use domain::role::{Permission, Role};
use reqwest::Method;
use serde_json::{Value, json};
use tokio_postgres::error::SqlState;

use super::{Answer, Member, answer, id_of, named, night_ferry, walk};
use crate::support::{NewConcert, TestApp};

/// The newest entries about a record.
async fn entries(reader: &Member<'_>, table: &str, record: &str) -> Vec<Value> {
    let path = format!("/audit-logs?table_name={table}&record_id={record}");
    let page = reader.gets(&path).await;
    assert_eq!(page.status, 200, "{}", page.body);
    page.body["items"].as_array().unwrap().clone()
}

/// That the newest entry about a record is what `answer` was given to, by `member`.
async fn assert_written(
    (member, answer): (&Member<'_>, &Answer),
    (table, record): (&str, &str),
    (action, old, new): (&str, Value, Value),
) {
    let written = entries(member, table, record).await;
    let entry = &written[0];
    let request_id = answer.headers["x-request-id"].to_str().unwrap();
    let expected = json!({
        "action": action, "table_name": table, "record_id": record, "user_id": member.id,
        "username": "admin", "actor_kind": "staff", "ip_address": "127.0.0.1",
        "request_id": request_id,
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(entry[field], *value, "{field} of {entry:#}");
    }
    assert_eq!((&entry["old_values"], &entry["new_values"]), (&old, &new));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_act_on_a_concert_leaves_who_from_where_before_and_after() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let made = admin.makes(&night_ferry()).await;
        let id = made.body["id"].to_string();
        let record = ("concerts", id.as_str());
        let first = entries(&admin, "concerts", &id).await;
        let new = &first[0]["new_values"];
        assert_eq!(new["name"], "Night Ferry");
        let created = ("CREATE", Value::Null, new.clone());
        assert_written((&admin, &made), record, created).await;

        let change = json!({ "total_tickets": 120, "venue": "Elsewhere" });
        let edited = answer(admin.edits(id.parse().unwrap(), made.etag(), &change)).await;
        let old =
            json!({ "total_tickets": 100, "available_tickets": 100, "venue": "Riverside Hall" });
        let new = json!({ "total_tickets": 120, "available_tickets": 120, "venue": "Elsewhere" });
        assert_written((&admin, &edited), record, ("UPDATE", old, new)).await;

        for (act, before, after) in [
            ("open", "closed", "open"),
            ("close", "open", "closed"),
            ("archive", "closed", "archived"),
        ] {
            let done = admin.posts(&format!("/concerts/{id}/{act}")).await;
            let (old, new) = (json!({ "status": before }), json!({ "status": after }));
            assert_written((&admin, &done), record, ("UPDATE", old, new)).await;
        }
        let again = admin.posts(&format!("/concerts/{id}/archive")).await;
        assert_eq!(again.status, 200);
        assert_eq!(
            entries(&admin, "concerts", &id).await.len(),
            5,
            "what isn't done isn't logged"
        );
        let deleted = admin.deletes(&format!("/concerts/{id}")).await;
        let written = entries(&admin, "concerts", &id).await;
        let new = written[0]["new_values"].clone();
        assert!(new["deleted_at"].is_string(), "{new}");
        let old = json!({ "deleted_at": null });
        assert_written((&admin, &deleted), record, ("DELETE", old, new)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_act_on_a_reservation_leaves_who_from_where_before_and_after() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 1, "som").await;
        let id = id_of(&held);
        let record = ("reservations", id);
        let path = format!("/reservations/{id}");
        let confirmed = admin.posts(&format!("{path}/confirm")).await;
        let old = json!({ "status": "pending", "payment_status": "pending" });
        let new = json!({ "status": "confirmed", "payment_status": "completed" });
        assert_written((&admin, &confirmed), record, ("UPDATE", old, new)).await;
        let cancelled = admin.posts(&format!("{path}/cancel")).await;
        let (old, new) = (
            json!({ "status": "confirmed" }),
            json!({ "status": "cancelled" }),
        );
        assert_written((&admin, &cancelled), record, ("UPDATE", old, new)).await;
        let stock = ("concerts", &*concert.to_string());
        let (old, new) = (
            json!({ "available_tickets": 99 }),
            json!({ "available_tickets": 100 }),
        );
        assert_written((&admin, &cancelled), stock, ("UPDATE", old, new)).await;
        let deleted = admin.deletes(&path).await;
        let new = entries(&admin, "reservations", id).await[0]["new_values"].clone();
        let old = json!({ "deleted_at": null });
        assert_written((&admin, &deleted), record, ("DELETE", old, new)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_read_newest_first_by_everything_it_says() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 1, "som").await;
        let made = admin.makes(&night_ferry()).await;
        assert_eq!(made.status, 201);
        let all = app.count("SELECT count(*) FROM audit_logs").await;
        let walked = walk(&admin, "/audit-logs?limit=2").await;
        let ids: Vec<i64> = walked
            .iter()
            .map(|entry| entry["id"].as_i64().unwrap())
            .collect();
        assert_eq!(i64::try_from(ids.len()).unwrap(), all);
        assert!(ids.is_sorted_by(|newer, older| newer > older), "{ids:?}");
        let id = id_of(&held);
        for (query, expected) in [
            (format!("record_id={id}"), 1),
            (format!("user_id={}", admin.id), 1),
            (format!("user_id={}&action=DELETE", admin.id), 0),
            ("action=UPDATE".to_owned(), 1),
            ("table_name=concerts".to_owned(), 3),
            ("table_name=admin_users".to_owned(), 1),
            ("to=2020-01-01".to_owned(), 0),
        ] {
            let found = walk(&admin, &format!("/audit-logs?{query}&limit=1")).await;
            assert_eq!(found.len(), expected, "{query}");
        }
        let wrong = admin
            .gets("/audit-logs?user_id=x&action=DROP&from=x&limit=201&cursor=x&record_id=%00")
            .await;
        let expected = [
            "/user_id invalid",
            "/action invalid",
            "/from invalid",
            "/limit out_of_range",
            "/cursor invalid",
            "/record_id control_character",
        ];
        assert_eq!(wrong.status, 422);
        assert_eq!(named(&wrong.body), expected);
        let change = answer(admin.asks(Method::DELETE, "/audit-logs")).await;
        assert_eq!(change.status, 405);
    })
    .await;
}

/// The database doesn't believe the program who may read the log, and has roles of its own for it.
#[tokio::test(flavor = "multi_thread")]
async fn the_database_lets_those_roles_read_the_log_that_may() {
    TestApp::run(async |app| {
        let mut answers = Vec::new();
        for role in Role::ALL {
            let id = app.plant_staff(role.as_str(), role.as_str()).await;
            let read = format!(
                "BEGIN;
                 SELECT set_config('stagedoor.user_id', '{id}', true);
                 SELECT * FROM list_audit_logs(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1)"
            );
            let read = app.postgres.batch_execute(&read).await;
            let refused = read.err().and_then(|error| error.code().cloned());
            app.postgres.batch_execute("ROLLBACK").await.unwrap();
            let is_allowed = match refused.as_ref().map(SqlState::code) {
                None => true,
                Some("42501") => false,
                Some(other) => panic!("{role}: {other}"),
            };
            assert_eq!(is_allowed, role.may(Permission::ReadAuditLog), "{role}");
            answers.push(is_allowed);
        }
        assert!(answers.contains(&true) && answers.contains(&false));
    })
    .await;
}
