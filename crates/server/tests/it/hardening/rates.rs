//! Each client's budget: what is counted together, who is one client, and what a refusal says.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use stagedoor::config::RateLimit;
use stagedoor::http::rate::{Budgets, Kind};

use crate::support::{NewConcert, Options, TestApp};

/// The smallest budget of all; its numbers are the product's.
fn sign_in_alone() -> Options {
    Options {
        budgets: || Budgets::new(RateLimit::Off),
        trusted_proxies: vec!["127.0.0.1/32".parse().unwrap()],
        ..Options::default()
    }
}

async fn sign_in(app: &TestApp, forwarded_for: &str) -> reqwest::Response {
    app.request(Method::POST, "/api/v1/admin/sessions")
        .header("x-forwarded-for", forwarded_for)
        // No attempt to sign in, whose failures are counted elsewhere, but a request all the same.
        .json(&json!({}))
        .send()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_passwords_is_refused_with_the_time_to_come_back_even_without_rate_limits() {
    TestApp::run_with(sign_in_alone(), async |app| {
        for attempt in 1..=20 {
            let answer = sign_in(app, "203.0.113.1").await;
            assert_ne!(answer.status(), 429, "attempt {attempt}");
        }
        let refused = sign_in(app, "203.0.113.1").await;
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        let wait: u64 = refused.headers()["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=6).contains(&wait), "{wait}");
        assert_eq!(
            refused.headers()["content-type"],
            "application/problem+json"
        );
        let problem: Value = refused.json().await.unwrap();
        assert_eq!(problem["code"], "rate_limited");

        // Whatever a client writes before the address that the proxy saw changes nothing.
        for forged in ["198.51.100.7, 203.0.113.1", "x, 203.0.113.1"] {
            assert_eq!(sign_in(app, forged).await.status(), 429, "{forged}");
        }
        assert_ne!(sign_in(app, "203.0.113.2").await.status(), 429);
        // Everything else goes on.
        let concerts = app.request(Method::GET, "/api/v1/concerts");
        let concerts = concerts.header("x-forwarded-for", "203.0.113.1");
        assert_eq!(concerts.send().await.unwrap().status(), 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_many_ipv6_addresses_has_one_budget() {
    TestApp::run_with(sign_in_alone(), async |app| {
        for host in 1..=20 {
            let answer = sign_in(app, &format!("2001:db8:1:2:{host}::1")).await;
            assert_ne!(answer.status(), 429);
        }
        assert_eq!(sign_in(app, "2001:db8:1:2:ffff::1").await.status(), 429);
        assert_ne!(sign_in(app, "2001:db8:1:3::1").await.status(), 429);
    })
    .await;
}

/// So many kinds have budgets of their own that using up one leaves the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_school_in_a_rush_stays_below_every_budget_and_a_flood_does_not() {
    let options = Options {
        budgets: || Budgets::default().with(Kind::Write),
        ..Options::default()
    };
    TestApp::run_with(options, async |app| {
        let concert = app.plant(NewConcert::default()).await;
        // A form with a wrong theme costs the server nothing but the request. Until one is refused:
        // the budget grows meanwhile, and the next may be taken again.
        let flood = async || {
            for _ in 0..10_000 {
                let answer = app.request(Method::POST, "/theme").send().await.unwrap();
                if answer.status() == 429 {
                    return Some(answer.text().await.unwrap());
                }
            }
            None
        };
        let (a, b, c, d) = tokio::join!(flood(), flood(), flood(), flood());
        let html = a.or(b).or(c).or(d);
        let html = html.expect("five thousand changes and some more at once are a flood");
        assert!(html.contains("A little slower, please"), "{html}");
        app.reserved(concert, 1, "som").await;
        assert_eq!(app.get("/en/").await.status(), 200);
    })
    .await;
}
