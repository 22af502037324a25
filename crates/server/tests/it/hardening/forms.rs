//! Requests that another site makes a visitor's browser send.

use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use stagedoor::http::router;

use crate::support::{NewConcert, TestApp};

/// The addresses of forms; those of the API are in its document.
const FORMS: [&str; 16] = [
    "/staff/account/password",
    "/staff/account/totp/off",
    "/staff/concerts/{id}/archive",
    "/staff/concerts/{id}/cancel",
    "/staff/concerts/{id}/edit",
    "/staff/concerts/{id}/poster",
    "/staff/reservations/bulk",
    "/staff/reservations/{id}/cancel",
    "/staff/runs",
    "/staff/setup",
    "/staff/sign-in",
    "/theme",
    "/{lang}/concerts/{id}/hold",
    "/{lang}/r/{id}/cancel",
    "/{lang}/r/{id}/extend",
    "/none",
];

/// Every address that changes something.
fn changes() -> Vec<String> {
    let document = serde_json::to_value(router::api_document()).unwrap();
    let calls = document["paths"].as_object().unwrap().iter();
    let changing = calls.filter(|(_, calls)| {
        let methods = ["post", "put", "patch", "delete"];
        methods.iter().any(|method| calls.get(method).is_some())
    });
    let api = changing.map(|(path, _)| format!("/api/v1{path}"));
    FORMS.map(str::to_owned).into_iter().chain(api).collect()
}

/// What browsers say about a request that another site began.
const FOREIGN: [&[(&str, &str)]; 7] = [
    &[("sec-fetch-site", "cross-site")],
    &[("sec-fetch-site", "same-site")],
    &[("origin", "https://evil.example")],
    &[("origin", "null")],
    &[("origin", "http://tickets.example.evil.example")],
    &[
        ("origin", "https://tickets.example:8443"),
        ("sec-fetch-site", "same-site"),
    ],
    &[
        ("origin", "https://evil.example"),
        ("host", "tickets.example"),
    ],
];

#[tokio::test(flavor = "multi_thread")]
async fn no_change_is_made_for_another_site_whatever_cookies_the_browser_has() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 1, "som").await;
        let id = held["id"].as_str().unwrap();
        let cookie = format!("stagedoor={id}.{}", held["access_token"].as_str().unwrap());
        let path = |pattern: &str| {
            let id = if pattern.contains("concerts") {
                concert.to_string()
            } else {
                id.to_owned()
            };
            pattern.replace("{lang}", "en").replace("{id}", &id)
        };
        let with = |request: RequestBuilder, headers: &[(&str, &str)]| {
            headers.iter().fold(
                request.header("cookie", &cookie),
                |request, (name, value)| request.header(*name, *value),
            )
        };
        let changes = changes();
        assert!(changes.contains(&"/api/v1/reservations/{id}/cancel".to_owned()));
        for pattern in &changes {
            for foreign in FOREIGN {
                for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                    let request = with(app.request(method.clone(), &path(pattern)), foreign);
                    let answer = request.send().await.unwrap();
                    assert_eq!(answer.status(), 403, "{method} {pattern} {foreign:?}");
                    assert!(!answer.headers().contains_key("set-cookie"));
                }
            }
        }
        let mine = app.with_token(Method::GET, &held, "").send().await.unwrap();
        let mine: Value = mine.json().await.unwrap();
        assert_eq!(
            (&mine["status"], &mine["expires_at"]),
            (&held["status"], &held["expires_at"])
        );
        assert_eq!(app.count("SELECT count(*) FROM reservations").await, 1);

        // The same cancel from our own page is taken.
        let own = [("sec-fetch-site", "same-origin")];
        let cancel = with(
            app.request(Method::POST, &path("/{lang}/r/{id}/cancel")),
            &own,
        );
        assert_eq!(cancel.send().await.unwrap().status(), 303);
        assert_eq!(app.available(concert).await, 100);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_changes_nothing_and_cookies_aren_t_sent_along_by_other_sites() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 1, "som").await;
        let id = held["id"].as_str().unwrap();
        for action in ["cancel", "extend"] {
            let answer = app.get(&format!("/en/r/{id}/{action}")).await;
            assert_eq!(answer.status(), 405);
        }
        let token = held["access_token"].as_str().unwrap();
        let opened = app.get(&format!("/en/r/{id}?t={token}")).await;
        for cookie in opened.headers().get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            assert!(
                cookie.contains("SameSite=Lax") && cookie.contains("HttpOnly"),
                "{cookie}"
            );
        }
    })
    .await;
}
