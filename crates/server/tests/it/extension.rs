//! More time for a hold: how often, until when, and for whom.

use std::time::Duration;

use app::expire;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::{NewConcert, TestApp};

async fn extend(app: &TestApp, reservation: &Value) -> Response {
    let request = app.with_token(Method::POST, reservation, "/extend");
    request.send().await.unwrap()
}

/// The code of the problem that the answer is.
async fn code(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let problem: Value = response.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().len() > 20, "{problem}");
    (status, problem["code"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_extended_ten_times_and_not_an_eleventh_time() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 2, "som").await;
        assert_eq!(held["expires_at"], "2026-11-22T05:10:00Z");
        for n in 1..=10 {
            app.clock.advance(Duration::from_mins(1));
            let extended = extend(app, &held).await;
            assert_eq!(extended.status(), 200);
            let extended: Value = extended.json().await.unwrap();
            assert_eq!(
                extended["expires_at"],
                json!(format!("2026-11-22T05:{}:00Z", 10 + n))
            );
            assert_eq!(extended["status"], "pending");
            let shown = app.with_token(Method::GET, &held, "").send().await.unwrap();
            assert_eq!(shown.json::<Value>().await.unwrap(), extended);
        }
        let eleventh = extend(app, &held).await;
        assert_eq!(code(eleventh).await, (409, json!("invalid_state")));
        let kept = "SELECT count(*) FROM reservations
                    WHERE extensions = 10 AND expires_at = '2026-11-22 05:20:00'";
        assert_eq!(app.count(kept).await, 1);
        assert_eq!(app.available(concert).await, 98);

        app.clock.advance(Duration::from_mins(10));
        assert_eq!(expire::sweep(&app.app).await.unwrap().expired, 1);
        assert_eq!(app.available(concert).await, 100);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_hold_that_lives_can_be_extended_and_only_with_its_token() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let free = NewConcert {
            price: "0",
            ..NewConcert::default()
        };
        let free = app.plant(free).await;
        let confirmed = app.reserved(free, 1, "som").await;
        let refused = code(extend(app, &confirmed).await).await;
        assert_eq!(refused, (409, json!("invalid_state")));

        let cancelled = app.reserved(concert, 1, "som").await;
        let cancel = app.with_token(Method::POST, &cancelled, "/cancel");
        assert_eq!(cancel.send().await.unwrap().status(), 200);
        let refused = code(extend(app, &cancelled).await).await;
        assert_eq!(refused, (409, json!("invalid_state")));

        let overdue = app.reserved(concert, 1, "som").await;
        app.clock.advance(Duration::from_mins(10));
        for _ in 0..2 {
            let refused = code(extend(app, &overdue).await).await;
            assert_eq!(refused, (409, json!("reservation_expired")));
            expire::sweep(&app.app).await.unwrap();
        }

        let held = app.reserved(concert, 1, "som").await;
        let own = format!(
            "/api/v1/reservations/{}/extend",
            held["id"].as_str().unwrap()
        );
        for path in [own.as_str(), "/api/v1/reservations/RES1-00000000/extend"] {
            let request = app.request(Method::POST, path);
            let request = request.bearer_auth(overdue["access_token"].as_str().unwrap());
            let refused = code(request.send().await.unwrap()).await;
            assert_eq!(refused, (404, json!("not_found")));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_answer_stays_the_same_when_its_hold_was_extended() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let send = async || {
            let request = app.reserve(concert, 1, "som");
            let answer = request.header("idempotency-key", "k").send().await.unwrap();
            assert_eq!(answer.status(), 201);
            answer.json::<Value>().await.unwrap()
        };
        let first = send().await;
        app.clock.advance(Duration::from_mins(5));
        assert_eq!(extend(app, &first).await.status(), 200);
        assert_eq!(send().await, first);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn extending_beside_the_sweeper_keeps_the_hold_or_says_that_it_ended() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let mut held = Vec::new();
        for buyer in 0..20 {
            held.push(app.reserved(concert, 1, &format!("b{buyer}")).await);
        }
        expire::sweep(&app.app).await.unwrap();
        app.pass(Duration::from_mins(10) - Duration::from_millis(1))
            .await;
        let sweeping = app.app.clone();
        let clock = app.clock.clone();
        let sweep = tokio::spawn(async move {
            for _ in 0..20 {
                clock.advance(Duration::from_micros(100));
                expire::sweep(&sweeping).await.unwrap();
            }
        });
        let mut kept = 0;
        for reservation in &held {
            let answer = extend(app, reservation).await;
            match answer.status().as_u16() {
                200 => kept += 1,
                status => assert_eq!(
                    (status, code(answer).await.1),
                    (409, json!("reservation_expired"))
                ),
            }
        }
        sweep.await.unwrap();
        expire::sweep(&app.app).await.unwrap();
        assert_eq!(app.available(concert).await, 100 - kept);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_form_extends_the_visitors_own_hold_and_nobody_elses() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 1, "som").await;
        let text = |field: &str| held[field].as_str().unwrap();
        let (id, token) = (text("id"), text("access_token"));
        let path = format!("/th/r/{id}/extend");
        let post = async |cookie: &str, site: &str| {
            let request = app.request(Method::POST, &path).header("cookie", cookie);
            request.header("sec-fetch-site", site).send().await.unwrap()
        };
        let own = format!("stagedoor={id}.{token}");
        app.clock.advance(Duration::from_mins(1));
        assert_eq!(post(&own, "cross-site").await.status(), 403);
        assert_eq!(post("", "same-origin").await.status(), 404);
        let forged = format!("stagedoor={id}.{}", &token[1..]);
        assert_eq!(post(&forged, "same-origin").await.status(), 404);
        let untouched = "SELECT count(*) FROM reservations WHERE extensions IS NULL";
        assert_eq!(app.count(untouched).await, 1);

        let extended = post(&own, "same-origin").await;
        assert_eq!(extended.status(), 303);
        assert_eq!(extended.headers()["location"], format!("/th/r/{id}"));
        let moved = "SELECT count(*) FROM reservations
                     WHERE extensions = 1 AND expires_at = '2026-11-22 05:11:00'";
        assert_eq!(app.count(moved).await, 1);

        app.clock.advance(Duration::from_mins(10));
        let refused = post(&own, "same-origin").await;
        assert_eq!(refused.status(), 409);
        let page = refused.text().await.unwrap();
        assert!(page.contains("data-state=\"expired\"") && page.contains("id=\"errors\""));
    })
    .await;
}
