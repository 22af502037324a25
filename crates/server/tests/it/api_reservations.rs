//! `/api/v1/reservations` as the contract has it: reserve, show, cancel, repeat.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{NewConcert, Options, TestApp, TestDatabase};

#[tokio::test(flavor = "multi_thread")]
async fn reserving_takes_tickets_and_cancelling_gives_them_back() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let response = app.reserve(concert, 2, "Som.Chai").send().await.unwrap();
        assert_eq!(response.status(), 201);
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let reservation: Value = response.json().await.unwrap();
        assert_eq!(
            location,
            format!(
                "/api/v1/reservations/{}",
                reservation["id"].as_str().unwrap()
            )
        );
        assert_eq!(reservation["status"], "pending");
        assert_eq!(reservation["payment_status"], "pending");
        assert_eq!(reservation["total_price"], "2500.00");
        assert_eq!(reservation["customer_email"], "som.chai@example.com");
        assert_eq!(reservation["reserved_at"], "2026-11-22T05:00:00Z");
        assert_eq!(reservation["expires_at"], "2026-11-22T05:10:00Z");
        assert_eq!(app.available(concert).await, 98);

        let cancel = app
            .with_token(Method::POST, &reservation, "/cancel")
            .send()
            .await
            .unwrap();
        assert_eq!(cancel.status(), 200);
        let cancelled: Value = cancel.json().await.unwrap();
        assert_eq!(cancelled["status"], "cancelled");
        assert_eq!(app.available(concert).await, 100);

        let again = app
            .with_token(Method::POST, &reservation, "/cancel")
            .send()
            .await
            .unwrap();
        assert_eq!(again.status(), 409);
        assert_eq!(
            again.json::<Value>().await.unwrap()["code"],
            "invalid_state"
        );
        assert_eq!(app.available(concert).await, 100);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_exists_only_for_who_has_its_token() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let mine = app.reserved(concert, 1, "mine").await;
        let other = app.reserved(concert, 1, "other").await;
        let shown = app.with_token(Method::GET, &mine, "").send().await.unwrap();
        assert_eq!(shown.status(), 200);
        let mut body: Value = shown.json().await.unwrap();
        body["access_token"] = mine["access_token"].clone();
        assert_eq!(body, mine, "what is shown is what was answered");

        let path = format!("/api/v1/reservations/{}", mine["id"].as_str().unwrap());
        let wrong = other["access_token"].as_str().unwrap();
        for request in [
            app.request(Method::GET, &path),
            app.request(Method::GET, &path).bearer_auth(wrong),
            app.request(Method::GET, &path).bearer_auth("nonsense"),
            app.request(Method::GET, &path)
                .header("authorization", "Basic YTpi"),
            app.request(Method::POST, &format!("{path}/cancel"))
                .bearer_auth(wrong),
            app.request(Method::GET, "/api/v1/reservations/RES1-00000000")
                .bearer_auth(wrong),
            app.request(Method::GET, "/api/v1/reservations/nonsense")
                .bearer_auth(wrong),
        ] {
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 404);
            assert_eq!(response.json::<Value>().await.unwrap()["code"], "not_found");
        }
        assert_eq!(app.available(concert).await, 98);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn free_concerts_confirm_at_once() {
    TestApp::run(async |app| {
        let concert = app
            .plant(NewConcert {
                price: "0",
                ..NewConcert::default()
            })
            .await;
        let reservation = app.reserved(concert, 3, "som").await;
        assert_eq!(reservation["status"], "confirmed");
        assert_eq!(reservation["payment_status"], "completed");
        assert_eq!(reservation["total_price"], "0.00");
        assert_eq!(reservation["expires_at"], json!(null));
        app.clock.advance(Duration::from_hours(1));
        let shown = app
            .with_token(Method::GET, &reservation, "")
            .send()
            .await
            .unwrap();
        assert_eq!(shown.json::<Value>().await.unwrap()["status"], "confirmed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_numbers_may_be_written_with_a_zero_fraction() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        for (quantity, status) in [("2.0", 201), ("2e0", 201), ("2.5", 422), ("1e300", 422)] {
            let body = format!(
                r#"{{"concert_id":{concert}.0,"quantity":{quantity},"customer_name":"Som",
                    "customer_email":"som@example.com"}}"#
            );
            let request = app
                .request(Method::POST, "/api/v1/reservations")
                .header("content-type", "application/json");
            let response = request.body(body).send().await.unwrap();
            assert_eq!(response.status(), status, "{quantity}");
        }
        assert_eq!(app.available(concert).await, 96);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_reads_expired_once_its_time_is_over() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let reservation = app.reserved(concert, 1, "som").await;
        app.clock.advance(Duration::from_mins(10));
        let shown = app
            .with_token(Method::GET, &reservation, "")
            .send()
            .await
            .unwrap();
        assert_eq!(shown.json::<Value>().await.unwrap()["status"], "expired");
        let cancel = app
            .with_token(Method::POST, &reservation, "/cancel")
            .send()
            .await
            .unwrap();
        assert_eq!(cancel.status(), 409);
        assert_eq!(
            cancel.json::<Value>().await.unwrap()["code"],
            "reservation_expired"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_which_rule_and_how_much_is_left() {
    TestApp::run(async |app| {
        let few = app
            .plant(NewConcert {
                tickets: 3,
                ..NewConcert::default()
            })
            .await;
        let many = app.plant(NewConcert::default()).await;
        let none = app
            .plant(NewConcert {
                tickets: 0,
                ..NewConcert::default()
            })
            .await;
        let closed = app
            .plant(NewConcert {
                status: "closed",
                ..NewConcert::default()
            })
            .await;
        let past = app
            .plant(NewConcert {
                in_days: -1,
                ..NewConcert::default()
            })
            .await;
        app.reserved(many, 8, "greedy").await;
        for (concert, quantity, code, extra) in [
            (few, 4, "not_enough_tickets", ("available", json!(3))),
            (many, 11, "purchase_limit", ("limit", json!(10))),
            (many, 3, "purchase_limit", ("limit", json!(10))),
            (none, 1, "sold_out", ("available", json!(null))),
            (closed, 1, "sale_closed", ("available", json!(null))),
            (past, 1, "sale_closed", ("available", json!(null))),
        ] {
            let response = app
                .reserve(concert, quantity, "greedy")
                .send()
                .await
                .unwrap();
            assert_eq!(response.status(), 409, "{code}");
            let problem: Value = response.json().await.unwrap();
            assert_eq!(problem["code"], code);
            assert_eq!(problem[extra.0], extra.1, "{code}");
        }
        let response = app.reserve(999_999, 1, "som").send().await.unwrap();
        assert_eq!(response.status(), 404);
        assert_eq!(app.count("SELECT count(*) FROM reservations").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_key_gives_the_first_answer_whatever_happened_since() {
    TestApp::run(async |app| {
        let concert = app
            .plant(NewConcert {
                tickets: 2,
                ..NewConcert::default()
            })
            .await;
        let send = async |quantity: i32, buyer: &str| {
            let request = app
                .reserve(concert, quantity, buyer)
                .header("idempotency-key", "k-1");
            request.send().await.unwrap()
        };
        let first = send(2, "som").await;
        assert_eq!(first.status(), 201);
        assert!(!first.headers().contains_key("idempotent-replayed"));
        let first: Value = first.json().await.unwrap();
        for minutes in [0, 1, 20] {
            app.clock.advance(Duration::from_mins(minutes));
            let replay = send(2, "SOM").await;
            assert_eq!(
                replay.status(),
                201,
                "sold out, cancelled or expired meanwhile"
            );
            assert_eq!(replay.headers()["idempotent-replayed"], "true");
            assert_eq!(replay.json::<Value>().await.unwrap(), first);
            if minutes == 1 {
                let cancel = app.with_token(Method::POST, &first, "/cancel").send().await;
                assert_eq!(cancel.unwrap().status(), 200);
            }
        }
        assert_eq!(app.count("SELECT count(*) FROM reservations").await, 1);
        let reused = send(1, "som").await;
        assert_eq!(reused.status(), 422);
        assert_eq!(
            reused.json::<Value>().await.unwrap()["code"],
            "idempotency_key_reused"
        );
        app.clock.advance(Duration::from_hours(24));
        let fresh = send(1, "som").await;
        assert_eq!(fresh.status(), 201, "a key is kept for 24 hours");
        assert_ne!(fresh.json::<Value>().await.unwrap()["id"], first["id"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_not_kept_under_their_key() {
    TestApp::run(async |app| {
        let concert = app
            .plant(NewConcert {
                tickets: 1,
                ..NewConcert::default()
            })
            .await;
        let first = app.reserved(concert, 1, "first").await;
        let second = || {
            app.reserve(concert, 1, "second")
                .header("idempotency-key", "second")
        };
        assert_eq!(second().send().await.unwrap().status(), 409);
        app.with_token(Method::POST, &first, "/cancel")
            .send()
            .await
            .unwrap();
        assert_eq!(second().send().await.unwrap().status(), 201);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn simultaneous_requests_with_one_key_make_one_reservation() {
    TestApp::run(async |app| {
        let concerts = [
            app.plant(NewConcert::default()).await,
            app.plant(NewConcert::default()).await,
        ];
        let sends = (0..40).map(|_| {
            let request = app
                .reserve(concerts[0], 1, "som")
                .header("idempotency-key", "same");
            tokio::spawn(async move {
                // A crowded machine may answer 503; a client then repeats, with the same key.
                for _ in 0..10 {
                    let again = request.try_clone().expect("a body that can be sent again");
                    let response = again.send().await.unwrap();
                    if response.status() == 201 {
                        return response.json::<Value>().await.unwrap();
                    }
                    assert_eq!(response.status(), 503);
                }
                panic!("no answer in ten tries");
            })
        });
        let mut ids = Vec::new();
        for send in sends.collect::<Vec<_>>() {
            ids.push(send.await.unwrap()["id"].clone());
        }
        ids.dedup();
        assert_eq!(ids.len(), 1, "{ids:?}");
        assert_eq!(app.count("SELECT count(*) FROM reservations").await, 1);
        assert_eq!(app.available(concerts[0]).await, 99);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_passes_a_limit_that_was_lowered_since() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let send = async |app: &TestApp, key: &str| {
            let request = app
                .reserve(concert, 8, "som")
                .header("idempotency-key", key);
            request.send().await.unwrap()
        };
        let first = send(app, "k-1").await;
        assert_eq!(first.status(), 201);
        let first: Value = first.json().await.unwrap();

        let name = app.database.name.clone();
        let options = Options {
            per_order: 4,
            ..Options::default()
        };
        let stricter = TestApp::start(TestDatabase { name }, options).await;
        let replay = send(&stricter, "k-1").await;
        assert_eq!(replay.status(), 201);
        assert_eq!(replay.json::<Value>().await.unwrap(), first);
        let fresh = send(&stricter, "k-2").await;
        assert_eq!(fresh.status(), 409);
        assert_eq!(
            fresh.json::<Value>().await.unwrap()["code"],
            "purchase_limit"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_reservation_was_removed_by_hand_is_used_up() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let ask = |key: &'static str| {
            let request = app.reserve(concert, 1, "som");
            request.header("idempotency-key", key)
        };
        assert_eq!(ask("first").send().await.unwrap().status(), 201);
        let remove = "DELETE FROM reservations;
                      UPDATE concerts SET available_tickets = total_tickets WHERE id > 0";
        app.postgres.batch_execute(remove).await.unwrap();
        for _ in 0..2 {
            let again = ask("first").send().await.unwrap();
            assert_eq!(again.status(), 422);
            let problem: Value = again.json().await.unwrap();
            assert_eq!(problem["code"], "idempotency_key_reused");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains("no longer there"), "{detail}");
        }
        assert_eq!(app.available(concert).await, 100);
        assert_eq!(ask("second").send().await.unwrap().status(), 201);
        assert_eq!(app.available(concert).await, 99);
    })
    .await;
}
