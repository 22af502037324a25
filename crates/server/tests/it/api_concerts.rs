//! `/api/v1/concerts` as the contract has it.

use reqwest::Method;
use serde_json::json;

use crate::support::{NewConcert, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn the_list_shows_open_concerts_from_today_on_by_date() {
    TestApp::run(async |app| {
        let later = app
            .plant(NewConcert {
                in_days: 40,
                ..NewConcert::default()
            })
            .await;
        let today = app
            .plant(NewConcert {
                in_days: 0,
                ..NewConcert::default()
            })
            .await;
        app.plant(NewConcert {
            in_days: -1,
            ..NewConcert::default()
        })
        .await;
        let closed = app
            .plant(NewConcert {
                status: "closed",
                ..NewConcert::default()
            })
            .await;
        app.plant(NewConcert {
            status: "archived",
            ..NewConcert::default()
        })
        .await;
        let list = app.get_json("/api/v1/concerts").await;
        assert_eq!(ids(&list), [today, later]);
        assert_eq!(list["next_cursor"], json!(null));
        let list = app.get_json("/api/v1/concerts?status=closed").await;
        assert_eq!(ids(&list), [closed]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_narrow_the_list_and_cursors_walk_it() {
    TestApp::run(async |app| {
        let mut planted = Vec::new();
        for in_days in 1..=5 {
            planted.push(
                app.plant(NewConcert {
                    in_days,
                    ..NewConcert::default()
                })
                .await,
            );
        }
        let odd = NewConcert {
            name: "100% สด_live",
            in_days: 6,
            ..NewConcert::default()
        };
        let odd = app.plant(odd).await;
        let found = app
            .get_json("/api/v1/concerts?q=0%25%20%E0%B8%AA%E0%B8%94_L")
            .await;
        assert_eq!(
            ids(&found),
            [odd],
            "wildcards stand for themselves, in any case"
        );
        let first_day = app.get_json("/api/v1/concerts?to=2026-11-24").await;
        assert_eq!(ids(&first_day), planted[..2]);
        let rest = app
            .get_json("/api/v1/concerts?from=2026-11-25&venue=Riverside%20Hall")
            .await;
        assert_eq!(ids(&rest).len(), 4);
        let mut walked = Vec::new();
        let mut path = "/api/v1/concerts?limit=2".to_owned();
        loop {
            let page = app.get_json(&path).await;
            walked.extend(ids(&page));
            let Some(cursor) = page["next_cursor"].as_str() else {
                break;
            };
            path = format!("/api/v1/concerts?limit=2&cursor={cursor}");
        }
        planted.push(odd);
        assert_eq!(walked, planted);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_concert_has_the_published_shape_and_an_etag() {
    TestApp::run(async |app| {
        let id = app.plant(NewConcert::default()).await;
        let path = format!("/api/v1/concerts/{id}");
        let response = app.get(&path).await;
        let etag = response.headers()["etag"].to_str().unwrap().to_owned();
        let concert: serde_json::Value = response.json().await.unwrap();
        let keys: Vec<&String> = concert.as_object().unwrap().keys().collect();
        let mut expected = vec![
            "id",
            "name",
            "artist",
            "date",
            "venue",
            "total_tickets",
            "available_tickets",
            "price",
            "currency",
            "status",
            "image_url",
            "description",
            "created_at",
            "updated_at",
        ];
        expected.sort_unstable();
        let mut keys: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
        keys.sort_unstable();
        assert_eq!(keys, expected);
        assert_eq!(concert["price"], "1250.00");
        assert_eq!(concert["currency"], "THB");
        let again = app
            .request(Method::GET, &path)
            .header("if-none-match", &etag)
            .send()
            .await;
        assert_eq!(again.unwrap().status(), 304);
        app.reserved(id, 1, "som").await;
        let changed = app
            .request(Method::GET, &path)
            .header("if-none-match", &etag)
            .send()
            .await;
        assert_eq!(changed.unwrap().status(), 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_and_archived_concerts_are_not_found() {
    TestApp::run(async |app| {
        let archived = app
            .plant(NewConcert {
                status: "archived",
                ..NewConcert::default()
            })
            .await;
        let deleted = app.plant(NewConcert::default()).await;
        let delete = "UPDATE concerts SET deleted_at = now() WHERE id = $1";
        app.postgres.execute(delete, &[&deleted]).await.unwrap();
        for id in [archived, deleted, 999_999] {
            assert_eq!(
                app.get(&format!("/api/v1/concerts/{id}")).await.status(),
                404
            );
        }
    })
    .await;
}

fn ids(list: &serde_json::Value) -> Vec<i32> {
    let items = list["items"].as_array().expect("items");
    items
        .iter()
        .map(|item| i32::try_from(item["id"].as_i64().unwrap()).unwrap())
        .collect()
}
