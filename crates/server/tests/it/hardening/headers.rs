//! What every answer says to a browser, whatever kind of answer it is.

use reqwest::header::HeaderMap;
use reqwest::{Method, Response};
use serde_json::json;

use crate::support::{NewConcert, Options, TestApp};

/// One of each kind of answer.
async fn every_kind(app: &TestApp) -> Vec<(&'static str, Response)> {
    let concert = app.plant(NewConcert::default()).await;
    let page = app.get("/en/").await;
    let html = app.get("/en/").await.text().await.unwrap();
    let style = html.split("href=\"").find_map(|rest| {
        let address = rest.split('"').next()?;
        address.starts_with("/assets/site").then_some(address)
    });
    let get = async |path: &str| app.get(path).await;
    let post = |path: &str| app.request(Method::POST, path);
    let form = |path: &str| post(path).header("content-type", "application/x-www-form-urlencoded");
    let cross = form("/theme").header("sec-fetch-site", "cross-site");
    let large = post("/api/v1/reservations")
        .header("content-type", "application/json")
        .body(vec![b' '; 70 * 1024]);
    vec![
        ("page", page),
        (
            "asset by its hash",
            get(style.expect("a style sheet")).await,
        ),
        ("asset", get("/assets/favicon.svg").await),
        ("no such asset", get("/assets/none.css").await),
        ("redirect", get("/").await),
        ("robots", get("/robots.txt").await),
        ("no such page", get("/en/none").await),
        ("list", get("/api/v1/concerts").await),
        (
            "stream",
            get(&format!("/api/v1/concerts/{concert}/live")).await,
        ),
        ("document", get("/api/v1/openapi.json").await),
        ("no such call", get("/api/v1/none").await),
        ("wrong method", send(post("/api/v1/concerts")).await),
        ("reserved", send(app.reserve(concert, 1, "som")).await),
        (
            "wrong field",
            send(post("/api/v1/reservations").json(&json!({}))).await,
        ),
        ("too large", send(large).await),
        ("other site", send(cross.body("theme=dark")).await),
        ("form", send(form("/theme").body("theme=dark")).await),
        (
            "wrong form",
            send(form(&format!("/en/concerts/{concert}/hold")).body("")).await,
        ),
        ("alive", get("/healthz").await),
        ("ready", get("/readyz").await),
        (
            "method nobody knows",
            send(app.request(Method::TRACE, "/en/")).await,
        ),
    ]
}

async fn send(request: reqwest::RequestBuilder) -> Response {
    request.send().await.unwrap()
}

const FIXED: [(&str, &str); 8] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("content-security-policy", "frame-ancestors 'none'"),
    ("content-security-policy", "default-src 'none'"),
    ("permissions-policy", "geolocation=()"),
];

fn assert_secure(kind: &str, headers: &HeaderMap) {
    let value = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let value = values
            .next()
            .map(|value| value.to_str().unwrap().to_owned());
        assert!(values.next().is_none(), "{kind}: {name} twice");
        value.unwrap_or_else(|| panic!("{kind}: no {name}"))
    };
    for (name, part) in FIXED {
        assert!(
            value(name).contains(part),
            "{kind}: {name}: {}",
            value(name)
        );
    }
    let policy = value("content-security-policy");
    for weak in ["unsafe", "data:", "http:", "https:", "*"] {
        assert!(!policy.contains(weak), "{kind}: {policy}");
    }
    let id: uuid::Uuid = value("x-request-id").parse().expect(kind);
    assert_ne!(id, uuid::Uuid::nil());
    value("cache-control");
    assert!(!headers.contains_key("server") && !headers.contains_key("x-powered-by"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_answer_has_the_security_headers_and_a_request_id_of_ours() {
    TestApp::run(async |app| {
        for (kind, answer) in every_kind(app).await {
            assert_secure(kind, answer.headers());
            let hsts = answer.headers().contains_key("strict-transport-security");
            assert!(!hsts, "{kind}: over plain HTTP");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_whose_address_is_https_asks_browsers_to_stay_with_it() {
    let options = Options {
        base_url: "https://tickets.example",
        ..Options::default()
    };
    TestApp::run_with(options, async |app| {
        for (kind, answer) in every_kind(app).await {
            let hsts = answer.headers().get("strict-transport-security");
            let hsts = hsts.map(|value| value.to_str().unwrap());
            assert_eq!(hsts, Some("max-age=31536000; includeSubDomains"), "{kind}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_of_the_clients_choice_is_never_taken() {
    TestApp::run(async |app| {
        let own = "11111111-2222-4333-8444-555555555555";
        for theirs in [own, "x\" forged=\"line", "a".repeat(5_000).as_str()] {
            let request = app.request(Method::GET, "/api/v1/none");
            let answer = send(request.header("x-request-id", theirs)).await;
            let ours = answer.headers()["x-request-id"]
                .to_str()
                .unwrap()
                .to_owned();
            assert_ne!(ours, theirs);
            let body = answer.text().await.unwrap();
            assert!(body.contains(&ours) && !body.contains(theirs), "{body}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_has_code_or_style_inside() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 1, "som").await;
        let id = held["id"].as_str().unwrap();
        let reservation = format!("/en/r/{id}?t={}", held["access_token"].as_str().unwrap());
        for path in [
            "/en/",
            "/th/",
            "/en/none",
            &format!("/en/concerts/{concert}"),
            &reservation,
        ] {
            let html = app.get(path).await.text().await.unwrap();
            for inside in [
                " style=\"",
                "<style",
                " onclick=",
                " onload=",
                " onsubmit=",
                "javascript:",
            ] {
                assert!(!html.contains(inside), "{path}: {inside}");
            }
            let scripts = html.split("<script").skip(1);
            for script in scripts {
                let is_ours = script.contains("src=\"/assets/");
                let is_data = script.contains("application/ld+json");
                assert!(is_ours || is_data, "{path}: <script{}", &script[..60]);
            }
        }
    })
    .await;
}
