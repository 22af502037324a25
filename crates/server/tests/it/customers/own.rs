//! What is a customer's: reservations by session, on pages and by the API.

use reqwest::Method;
use serde_json::{Value, json};

use super::{cookie_of, link, work};
use crate::support::{NewConcert, TestApp};

/// The hold form, as a browser with this cookie sends it; the reservation's id and the new cookie.
async fn hold(app: &TestApp, cookie: &str, concert: i32, email: &str) -> (String, String) {
    let form = [
        ("quantity", "2"),
        ("customer_name", "Som Chai"),
        ("customer_email", email),
        ("idempotency_key", &app.app.ctx().random_uuid().to_string()),
    ];
    let path = format!("/en/concerts/{concert}/hold");
    let held = app.form_as(cookie, &path, &form).send();
    let held = held.await.unwrap();
    assert_eq!(held.status(), 303);
    let to = held.headers()["location"].to_str().unwrap();
    let id = to.split(['/', '?']).nth(3).unwrap().to_owned();
    (id, cookie_of(&held))
}

async fn read(app: &TestApp, cookie: &str, id: &str) -> (u16, Value) {
    let path = format!("/api/v1/reservations/{id}");
    let found = app.get_as(cookie, &path).await;
    (found.status().as_u16(), found.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_survives_the_sign_in_and_is_then_the_customers() {
    TestApp::run(async |app| {
        let _work = work(app);
        let concert = app.plant(NewConcert::default()).await;
        let (id, cookie) = hold(app, "", concert, "som@example.com").await;
        assert_eq!(
            read(app, &cookie, &id).await.0,
            404,
            "the API knows no holdings"
        );
        let page = app.get_as(&cookie, &format!("/en/r/{id}")).await;
        let page = page.text().await.unwrap();
        let sign_in = format!("/en/sign-in?return_to=/en/r/{id}");
        assert!(page.contains(&sign_in), "{page}");
        let link = link(app, "som@example.com").await;
        let entered = app
            .as_browser(&cookie, Method::POST, &link)
            .send()
            .await
            .unwrap();
        let both = cookie_of(&entered);
        assert!(both.contains("s.") && both.contains(&id), "{both}");
        assert_eq!(
            app.get_as(&both, &format!("/en/r/{id}")).await.status(),
            200
        );
        // The session alone opens it too, on another device.
        let session = both.split('~').next().unwrap();
        let page = app.get_as(session, &format!("/th/r/{id}")).await;
        assert_eq!(page.status(), 200);
        assert!(!page.text().await.unwrap().contains("/sign-in?"));
        let (status, found) = read(app, session, &id).await;
        assert_eq!((status, &found["google_auth"]), (200, &json!(false)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_pays_extends_and_cancels_by_session_and_nobody_else_can() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 1, "som").await;
        let id = held["id"].as_str().unwrap();
        let som = app.plant_customer("som@example.com", false).await;
        let dao = app.plant_customer("dao@example.com", false).await;
        let ask = async |cookie: &str, step: &str| {
            let path = format!("/api/v1/reservations/{id}{step}");
            let request = app.as_browser(cookie, Method::POST, &path);
            let request = request.json(&json!({ "method": "sandbox" }));
            request.send().await.unwrap().status().as_u16()
        };
        for step in ["/payments", "/extend", "/cancel"] {
            assert_eq!(ask(&dao, step).await, 404, "{step}");
            assert_eq!(ask("", step).await, 404, "{step}");
        }
        assert_eq!(read(app, &dao, id).await.0, 404);
        assert_eq!(app.get_as(&dao, &format!("/en/r/{id}")).await.status(), 404);
        assert_eq!(ask(&som, "/payments").await, 201);
        assert_eq!(ask(&som, "/extend").await, 200);
        let page = app.as_browser(&som, Method::POST, &format!("/en/r/{id}/cancel"));
        assert_eq!(page.send().await.unwrap().status(), 303);
        assert_eq!(read(app, &som, id).await.1["status"], "cancelled");
        let logged = "SELECT count(*) FROM audit_logs
                      WHERE table_name IN ('reservations', 'payments') AND actor_kind = 'customer'
                        AND actor IS NULL";
        assert!(app.count(logged).await >= 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_booked_with_the_address_that_google_verified_says_so() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let google = app.plant_customer("som@example.com", true).await;
        let by_mail = app.plant_customer("dao@example.com", false).await;
        for (cookie, email, expected) in [
            (&google, "som@example.com", true),
            (&google, "friend@example.com", false),
            (&by_mail, "dao@example.com", false),
        ] {
            let (id, _) = hold(app, cookie, concert, email).await;
            let found = format!("SELECT google_auth FROM reservations WHERE id = '{id}'");
            let found = app.postgres.query_one(&found, &[]).await.unwrap();
            assert_eq!(found.get::<_, bool>(0), expected, "{email}");
        }
        let form = app
            .get_as(&google, &format!("/en/concerts/{concert}"))
            .await;
        assert_eq!(form.headers()["cache-control"], "no-store");
        let form = form.text().await.unwrap();
        assert!(form.contains("value=\"som@example.com\"") && form.contains("value=\"Som Chai\""));
        let form = app.get(&format!("/en/concerts/{concert}")).await;
        assert!(!form.text().await.unwrap().contains("Som Chai"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_a_signed_in_customers_own() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let som = app.plant_customer("som@example.com", false).await;
        let dao = app.plant_customer("dao@example.com", false).await;
        let reserve = async |cookie: &str| {
            let request = app
                .as_browser(cookie, Method::POST, "/api/v1/reservations")
                .header("idempotency-key", "k")
                .json(
                    &json!({ "concert_id": concert, "quantity": 1, "customer_name": "Som",
                               "customer_email": "friend@example.com" }),
                );
            let answer: Value = request.send().await.unwrap().json().await.unwrap();
            answer["id"].as_str().unwrap().to_owned()
        };
        let ids = [reserve("").await, reserve(&som).await, reserve(&dao).await];
        assert!(
            ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2],
            "{ids:?}"
        );
        assert_eq!(reserve(&som).await, ids[1]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customers_list_has_all_of_theirs_in_pages_newest_first() {
    TestApp::run(async |app| {
        let concert = app
            .plant(NewConcert {
                tickets: 500,
                ..NewConcert::default()
            })
            .await;
        let mut expected = Vec::new();
        for _ in 0..5 {
            app.clock.advance(std::time::Duration::from_secs(1));
            let held = app.reserved(concert, 1, "som").await;
            expected.insert(0, held["id"].as_str().unwrap().to_owned());
            app.reserved(concert, 1, "dao").await;
        }
        let som = app.plant_customer("som@example.com", false).await;
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/v1/me/reservations?limit=2&cursor={cursor}");
            let page: Value = app.get_as(&som, &path).await.json().await.unwrap();
            let items = page["items"].as_array().unwrap().iter();
            found.extend(items.map(|item| item["id"].as_str().unwrap().to_owned()));
            match page["next_cursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => break,
            }
        }
        assert_eq!(found, expected);
        for wrong in ["limit=0", "cursor=x", "email=dao@example.com"] {
            let path = format!("/api/v1/me/reservations?{wrong}");
            assert_eq!(app.get_as(&som, &path).await.status(), 422, "{wrong}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_has_what_is_to_come_first() {
    TestApp::run(async |app| {
        let som = app.plant_customer("som@example.com", false).await;
        let empty = app.get_as(&som, "/en/me").await.text().await.unwrap();
        assert!(empty.contains("Nothing here yet"), "{empty}");
        let soon = app
            .plant(NewConcert {
                name: "Soon",
                in_days: 3,
                price: "0",
                ..NewConcert::default()
            })
            .await;
        let late = app
            .plant(NewConcert {
                name: "Late",
                in_days: 90,
                ..NewConcert::default()
            })
            .await;
        let over = app
            .plant(NewConcert {
                name: "Over",
                in_days: 3,
                ..NewConcert::default()
            })
            .await;
        app.reserved(late, 1, "som").await;
        app.reserved(soon, 1, "som").await;
        let gone = app.reserved(soon, 1, "som").await;
        let cancelled = app.with_token(Method::POST, &gone, "/cancel").send();
        assert_eq!(cancelled.await.unwrap().status(), 200);
        app.reserved(over, 1, "som").await;
        let past = format!("UPDATE concerts SET date = date - 30 WHERE id = {over}");
        app.postgres.batch_execute(&past).await.unwrap();
        let page = app.get_as(&som, "/en/me").await;
        assert_eq!(page.headers()["cache-control"], "no-store");
        let page = page.text().await.unwrap();
        let places = [
            "som@example.com",
            "Coming up",
            "Soon",
            "Held until",
            "Late",
            "Earlier",
            "Cancelled",
        ];
        let places = places.map(|text| page.find(text).unwrap_or_else(|| panic!("{text}: {page}")));
        assert!(places.is_sorted(), "{places:?}");
        assert!(page.contains("Over") && page.contains("noindex"), "{page}");
        assert!(!page.contains("rel=\"next\""));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_turns_when_there_is_much() {
    TestApp::run(async |app| {
        let som = app.plant_customer("som@example.com", false).await;
        let concert = app.plant(NewConcert::default()).await;
        for _ in 0..25 {
            app.clock.advance(std::time::Duration::from_secs(1));
            let held = app.reserved(concert, 1, "som").await;
            app.with_token(Method::POST, &held, "/cancel")
                .send()
                .await
                .unwrap();
        }
        let first = app.get_as(&som, "/th/me").await.text().await.unwrap();
        assert!(
            first.contains("href=\"/th/me?page=2\" rel=\"next\""),
            "{first}"
        );
        let second = app
            .get_as(&som, "/th/me?page=2")
            .await
            .text()
            .await
            .unwrap();
        assert!(second.contains("rel=\"prev\"") && !second.contains("rel=\"next\""));
        for nonsense in ["0", "x", "-1", "99999999"] {
            let page = app.get_as(&som, &format!("/en/me?page={nonsense}")).await;
            assert_eq!(page.status(), 200, "{nonsense}");
        }
    })
    .await;
}
