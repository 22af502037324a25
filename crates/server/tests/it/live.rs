//! Tickets left, live: who watches sees every change soon, and costs next to nothing.

#![allow(
    clippy::unwrap_used,
    reason = "also outside the test functions, this is a test"
)]

use std::time::{Duration, Instant};

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::support::program::Program;
use crate::support::wait::{LIMIT, eventually, within_limit};
use crate::support::{NewConcert, TestApp, TestDatabase, plant_ten_tickets};

/// How many may watch at once in a test, which is half of what `TestApp` may open.
const PLACES: usize = 500;

/// A stream of events.
struct Events {
    response: Response,
    rest: String,
}

impl Events {
    fn new(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        let rest = String::new();
        Self { response, rest }
    }

    /// The data of the next event; `None` when the stream ended.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.rest.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.rest = rest;
                let line = |name: &str| {
                    let mut lines = event.lines();
                    lines
                        .find_map(|line| line.strip_prefix(name))
                        .map(str::trim)
                };
                let Some(data) = line("data:") else { continue };
                assert_eq!(line("event:"), Some("availability"));
                return Some(serde_json::from_str(data).unwrap());
            }
            let chunk = within_limit("an event", self.response.chunk()).await;
            let chunk = chunk.unwrap()?;
            self.rest.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

async fn watch(app: &TestApp, concert: i32) -> Response {
    app.get(&format!("/api/v1/concerts/{concert}/live")).await
}

fn left(tickets: i32, status: &str) -> Value {
    json!({ "available_tickets": tickets, "status": status })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_sees_at_once_how_it_stands_and_then_every_change() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let path = format!("/api/v1/concerts/{concert}/live");
        let request = app.request(Method::GET, &path);
        let request = request.header("accept-encoding", "br, gzip");
        let response = request.send().await.unwrap();
        let header = |name: &str| {
            response
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap())
        };
        assert_eq!(header("content-type"), Some("text/event-stream"));
        assert_eq!(header("cache-control"), Some("no-store"));
        assert_eq!(header("x-accel-buffering"), Some("no"));
        assert_eq!(header("content-encoding"), None);
        let begun = Instant::now();
        let mut events = Events::new(response);
        assert_eq!(events.next().await, Some(left(100, "open")));
        assert!(events.rest.is_empty());
        let held = app.reserved(concert, 3, "som").await;
        assert_eq!(events.next().await, Some(left(97, "open")));
        // Longer than any other request may take.
        tokio::time::sleep(Duration::from_secs(6).saturating_sub(begun.elapsed())).await;
        let cancel = app.with_token(Method::POST, &held, "/cancel");
        assert_eq!(cancel.send().await.unwrap().status(), 200);
        assert_eq!(events.next().await, Some(left(100, "open")));
        let close = "UPDATE concerts SET status = 'closed' WHERE id > 0";
        app.postgres.batch_execute(close).await.unwrap();
        assert_eq!(events.next().await, Some(left(100, "closed")));
        let archive = "UPDATE concerts SET status = 'archived' WHERE id > 0";
        app.postgres.batch_execute(archive).await.unwrap();
        assert_eq!(events.next().await, None, "the concert is gone");
        for unknown in [concert, 999_999] {
            let refused = watch(app, unknown).await;
            assert_eq!(refused.status(), 404);
            let problem: Value = refused.json().await.unwrap();
            assert_eq!(problem["code"], "not_found");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_sees_what_staff_do_until_the_concert_is_archived() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("ada", "admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let mut events = Events::new(watch(app, concert).await);
        assert_eq!(events.next().await, Some(left(100, "open")));
        let act = async |method: Method, rest: &str| {
            let request = app.as_staff(&token, method, &format!("/concerts/{concert}{rest}"));
            let request = request.header("if-match", "*");
            let done = request.json(&json!({ "total_tickets": 120 })).send().await;
            assert_eq!(done.unwrap().status(), 200, "{rest}");
        };
        act(Method::PATCH, "").await;
        assert_eq!(events.next().await, Some(left(120, "open")));
        act(Method::POST, "/close").await;
        assert_eq!(events.next().await, Some(left(120, "closed")));
        act(Method::POST, "/archive").await;
        assert_eq!(events.next().await, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_watch_at_once_and_more_than_there_are_places_for_are_refused() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let mut watchers = Vec::new();
        for _ in 0..PLACES {
            let mut events = Events::new(watch(app, concert).await);
            assert_eq!(events.next().await, Some(left(100, "open")));
            watchers.push(events);
        }
        let refused = watch(app, concert).await;
        assert_eq!(refused.status(), 503);
        assert_eq!(refused.headers()["retry-after"], "1");
        let problem: Value = refused.json().await.unwrap();
        assert_eq!(problem["code"], "overloaded");

        app.reserved(concert, 1, "som").await;
        let begun = Instant::now();
        for events in &mut watchers {
            assert_eq!(events.next().await, Some(left(99, "open")));
        }
        eprintln!(
            "{PLACES} watchers saw the change within {:?}",
            begun.elapsed()
        );
        watchers.pop();
        eventually("a place is free again", LIMIT, async || {
            watch(app, concert).await.status() == 200
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_does_not_wait_for_its_watchers() {
    let database = TestDatabase::migrated().await;
    let concert = plant_ten_tickets(&database.superuser().await).await;
    let mut served = Program::serve(&database).await;
    let url = format!("{}/api/v1/concerts/{concert}/live", served.site());
    let mut watchers = Vec::new();
    for _ in 0..10 {
        let mut events = Events::new(Client::new().get(&url).send().await.unwrap());
        assert_eq!(events.next().await, Some(left(10, "open")));
        watchers.push(events);
    }
    let begun = Instant::now();
    served.signal("TERM");
    for events in &mut watchers {
        assert_eq!(events.next().await, None);
    }
    assert!(served.end(LIMIT).await.success());
    let took = begun.elapsed();
    eprintln!("stopped within {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}
