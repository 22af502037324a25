//! The API of staff for concerts, reservations and the audit log.

#![allow(
    clippy::unwrap_used,
    reason = "also outside the test functions, this is a test"
)]

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::TestApp;

mod audit_log;
mod concerts;
mod exports;
mod permissions;
mod races;
mod reservations;
mod runs;

/// An answer that has come whole.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    /// `null` where there is none.
    body: Value,
}

impl Answer {
    fn etag(&self) -> &str {
        self.headers["etag"].to_str().unwrap()
    }

    /// The problem's code.
    fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.bytes().await.unwrap();
    Answer {
        status,
        headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    }
}

/// A member of staff with a session.
struct Member<'a> {
    app: &'a TestApp,
    id: i32,
    token: String,
}

impl<'a> Member<'a> {
    async fn of(app: &'a TestApp, role: &str) -> Self {
        let id = app.plant_staff(role, role).await;
        let token = app.plant_session(id).await;
        Self { app, id, token }
    }

    fn asks(&self, method: Method, path: &str) -> RequestBuilder {
        self.app.as_staff(&self.token, method, path)
    }

    async fn gets(&self, path: &str) -> Answer {
        answer(self.asks(Method::GET, path)).await
    }

    async fn posts(&self, path: &str) -> Answer {
        answer(self.asks(Method::POST, path)).await
    }

    async fn deletes(&self, path: &str) -> Answer {
        answer(self.asks(Method::DELETE, path)).await
    }

    async fn makes(&self, concert: &Value) -> Answer {
        answer(self.asks(Method::POST, "/concerts").json(concert)).await
    }

    fn edits(&self, concert: i32, etag: &str, change: &Value) -> RequestBuilder {
        let request = self.asks(Method::PATCH, &format!("/concerts/{concert}"));
        request.header("if-match", etag).json(change)
    }
}

/// What makes a concert.
fn night_ferry() -> Value {
    json!({
        "name": "Night Ferry", "artist": "The Lanterns", "date": "2026-12-12",
        "venue": "Riverside Hall", "total_tickets": 100, "price": "1250.00",
    })
}

fn id_of(reservation: &Value) -> &str {
    reservation["id"].as_str().unwrap()
}

/// `pointer code` of each of a problem's errors.
fn named(problem: &Value) -> Vec<String> {
    let errors = problem["errors"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    errors
        .map(|error| format!("{} {}", text(&error["pointer"]), text(&error["code"])))
        .collect()
}

/// The whole list, page after page.
async fn walk(member: &Member<'_>, path: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut next = path.to_owned();
    loop {
        let page = member.gets(&next).await;
        assert_eq!(page.status, 200, "{next}: {}", page.body);
        items.extend(page.body["items"].as_array().unwrap().clone());
        let Some(cursor) = page.body["next_cursor"].as_str() else {
            return items;
        };
        next = format!("{path}&cursor={cursor}");
    }
}
