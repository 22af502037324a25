//! Concerts as staff make, edit, open, close, archive and delete them.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Member, answer, named, night_ferry, walk};
use crate::support::{NewConcert, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_concert_is_closed_until_it_is_opened_and_archived_for_good() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let made = admin.makes(&night_ferry()).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let id = made.body["id"].as_i64().unwrap();
        let path = format!("/concerts/{id}");
        assert_eq!(made.headers["location"], format!("/api/v1/admin{path}"));
        for (field, value) in night_ferry().as_object().unwrap() {
            assert_eq!(made.body[field], *value, "{field}");
        }
        assert_eq!(made.body["available_tickets"], 100);
        assert_eq!(made.body["status"], "closed");
        assert_eq!(admin.gets(&path).await.body, made.body);

        for (act, status) in [
            ("open", "open"),
            ("open", "open"),
            ("close", "closed"),
            ("close", "closed"),
            ("open", "open"),
            ("archive", "archived"),
            ("archive", "archived"),
        ] {
            let changed = admin.posts(&format!("{path}/{act}")).await;
            assert_eq!((changed.status, changed.etag()), (200, made.etag()));
            assert_eq!(changed.body["status"], status);
            let public = app.get(&format!("/api/v1{path}")).await.status();
            assert_eq!(public.is_success(), status != "archived", "{act}");
        }
        for act in ["open", "close"] {
            let refused = admin.posts(&format!("{path}/{act}")).await;
            assert_eq!((refused.status, refused.code()), (409, "invalid_state"));
        }
        let edit = admin.edits(id.try_into().unwrap(), "*", &json!({ "name": "Day Ferry" }));
        let refused = answer(edit).await;
        assert_eq!((refused.status, refused.code()), (409, "invalid_state"));
        assert_eq!(admin.gets(&path).await.body["status"], "archived");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_concert_whose_day_is_over_is_not_opened() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let over = NewConcert {
            status: "closed",
            in_days: -1,
            ..NewConcert::default()
        };
        let over = app.plant(over).await;
        let refused = admin.posts(&format!("/concerts/{over}/open")).await;
        assert_eq!((refused.status, refused.code()), (409, "sale_closed"));
        let today = json!({ "date": app.app.today().to_string() });
        assert_eq!(answer(admin.edits(over, "*", &today)).await.status, 200);
        let opened = admin.posts(&format!("/concerts/{over}/open")).await;
        assert_eq!(opened.status, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_field_of_a_concert_is_named_at_once() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let wrong = json!({
            "name": " ", "artist": 7, "date": "2027-02-30", "venue": "x".repeat(256),
            "total_tickets": 1_000_001, "price": 12.5, "image_url": "https://evil.example/a.png",
            "description": "a\u{0}b", "status": "open",
        });
        let expected = [
            "/name required",
            "/artist wrong_type",
            "/date invalid",
            "/venue too_long",
            "/total_tickets out_of_range",
            "/price wrong_type",
            "/image_url invalid",
            "/description control_character",
            "/status unknown_field",
        ];
        let refused = admin.makes(&wrong).await;
        assert_eq!((refused.status, refused.code()), (422, "validation_failed"));
        assert_eq!(named(&refused.body), expected);
        let refused = answer(admin.edits(concert, "*", &wrong)).await;
        assert_eq!(refused.status, 422);
        assert_eq!(named(&refused.body), expected);
        let missing = admin.makes(&json!({ "price": "12,50" })).await;
        let fields = ["name", "artist", "date", "venue", "total_tickets"];
        let mut expected: Vec<String> = fields
            .iter()
            .map(|field| format!("/{field} required"))
            .collect();
        expected.push("/price invalid".to_owned());
        assert_eq!(named(&missing.body), expected);
        assert_eq!(
            app.count("SELECT count(*) FROM concerts WHERE id > 0")
                .await,
            1
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_says_which_version_it_is_of_and_a_sale_makes_no_new_one() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let path = format!("/concerts/{concert}");
        let before = admin.gets(&path).await;
        let change = json!({ "description": "Bring a coat.", "price": "99.5" });
        let without = answer(admin.asks(Method::PATCH, &path).json(&change)).await;
        assert_eq!(
            (without.status, without.code()),
            (428, "precondition_required")
        );
        app.reserved(concert, 2, "som").await;
        let edited = answer(admin.edits(concert, before.etag(), &change)).await;
        assert_eq!(edited.status, 200, "{}", edited.body);
        assert_eq!(edited.body["description"], "Bring a coat.");
        assert_eq!(edited.body["price"], "99.50");
        assert_eq!(edited.body["available_tickets"], 98);
        assert_ne!(edited.etag(), before.etag());

        let clear = json!({ "description": null });
        let old = answer(admin.edits(concert, before.etag(), &clear)).await;
        assert_eq!((old.status, old.code()), (412, "precondition_failed"));
        assert_eq!(old.body["current"], edited.body);
        assert_eq!(old.body["current_etag"], edited.etag());
        assert_eq!(old.body["given_etags"], json!([before.etag()]));

        // As behind a proxy that compresses, and among others.
        let weak = format!("\"x\", W/{}", edited.etag());
        let cleared = answer(admin.edits(concert, &weak, &clear)).await;
        assert_eq!(
            (cleared.status, &cleared.body["description"]),
            (200, &Value::Null)
        );
        let nothing = answer(admin.edits(concert, cleared.etag(), &json!({}))).await;
        assert_eq!(nothing.body, cleared.body);
        for tag in ["", "nonsense", "\"*\""] {
            let refused = answer(admin.edits(concert, tag, &clear)).await;
            assert_eq!(refused.status, 412, "{tag}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn null_for_what_a_concert_must_have_is_refused() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let concert = app.plant(NewConcert::default()).await;
        for field in ["name", "artist", "date", "venue", "total_tickets", "price"] {
            let refused = answer(admin.edits(concert, "*", &json!({ field: null }))).await;
            assert_eq!(refused.status, 422, "{field}");
            assert_eq!(named(&refused.body), [format!("/{field} required")]);
            let detail = refused.body["errors"][0]["detail"].as_str().unwrap();
            assert!(detail.contains("leave it out"), "{detail}");
            assert_eq!(refused.body["errors"][0].get("sold"), None);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn capacity_never_falls_below_what_is_sold_and_held() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let few = NewConcert {
            tickets: 5,
            ..NewConcert::default()
        };
        let concert = app.plant(few).await;
        let held = app.reserved(concert, 2, "som").await;
        let confirm = format!("/reservations/{}/confirm", super::id_of(&held));
        assert_eq!(admin.posts(&confirm).await.status, 200);
        app.reserved(concert, 3, "dao").await;
        let refused = app.reserve(concert, 1, "mai").send().await.unwrap();
        assert_eq!(refused.status(), 409);

        let below = answer(admin.edits(concert, "*", &json!({ "total_tickets": 4 }))).await;
        assert_eq!(below.status, 422);
        assert_eq!(named(&below.body), ["/total_tickets out_of_range"]);
        let detail = "must be at least 5: 2 are sold and 3 held";
        assert_eq!(below.body["errors"][0]["detail"], detail);
        assert_eq!(below.body["errors"][0]["sold"], 2);
        assert_eq!(below.body["errors"][0]["held"], 3);
        let more = answer(admin.edits(concert, "*", &json!({ "total_tickets": 6 }))).await;
        assert_eq!(
            (more.status, &more.body["available_tickets"]),
            (200, &json!(1))
        );
        // At once, though a moment ago there was a note that it is sold out.
        app.reserved(concert, 1, "mai").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_concert_is_deleted_once_and_not_while_somebody_has_tickets() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let other = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 2, "som").await;
        app.reserved(other, 1, "som").await;
        let path = format!("/concerts/{concert}");
        let refused = admin.deletes(&path).await;
        assert_eq!((refused.status, refused.code()), (409, "invalid_state"));
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.starts_with("1 reservations"), "{detail}");
        let cancel = app.with_token(Method::POST, &held, "/cancel").send();
        assert_eq!(cancel.await.unwrap().status(), 200);
        assert_eq!(admin.deletes(&path).await.status, 204);
        for path in [path.clone(), format!("{path}/open")] {
            let method = if path.ends_with("open") {
                Method::POST
            } else {
                Method::DELETE
            };
            assert_eq!(answer(admin.asks(method, &path)).await.status, 404);
        }
        assert_eq!(admin.gets(&path).await.status, 404);
        let edit = answer(admin.edits(concert, "*", &json!({}))).await;
        assert_eq!(edit.status, 404);
        let buyer = app.reserve(concert, 1, "dao").send().await.unwrap();
        assert_eq!(buyer.status(), 404);
        assert_eq!(numbers(&walk(&admin, "/concerts?limit=1").await), [other]);
        let deleted = walk(&admin, "/concerts?deleted=true").await;
        assert_eq!(numbers(&deleted), [concert]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_list_concerts_of_every_status_and_day() {
    TestApp::run(async |app| {
        let moderator = Member::of(app, "moderator").await;
        let mut planted = Vec::new();
        for (in_days, status) in [(-5, "archived"), (-1, "open"), (3, "closed"), (4, "open")] {
            let concert = NewConcert {
                in_days,
                status,
                name: status,
                ..NewConcert::default()
            };
            planted.push(app.plant(concert).await);
        }
        for (query, expected) in [
            ("limit=2", &planted[..]),
            ("status=archived", &planted[..1]),
            ("status=open&limit=1", &[planted[1], planted[3]]),
            ("q=CLOSE", &planted[2..3]),
            ("from=2026-11-21&to=2026-11-25", &planted[1..3]),
            ("venue=Riverside%20Hall&deleted=false", &planted[..]),
            ("venue=Elsewhere", &[]),
        ] {
            let found = walk(&moderator, &format!("/concerts?{query}")).await;
            assert_eq!(numbers(&found), expected, "{query}");
        }
        let wrong = moderator
            .gets("/concerts?status=on&deleted=yes&from=x&limit=0&cursor=x&sort=name")
            .await;
        let expected = [
            "/status invalid",
            "/deleted invalid",
            "/from invalid",
            "/limit out_of_range",
            "/cursor invalid",
            "/sort unknown_field",
        ];
        assert_eq!(
            (wrong.status, named(&wrong.body)),
            (422, expected.map(str::to_owned).to_vec())
        );
    })
    .await;
}

fn numbers(items: &[Value]) -> Vec<i32> {
    let number = |item: &Value| i32::try_from(item["id"].as_i64().unwrap()).unwrap();
    items.iter().map(number).collect()
}
