//! A Stripe of our own: it takes only what Stripe publishes that it takes, answers in Stripe's words,
//! remembers keys as Stripe does, and fails in every way that a test asks for.
//!
//! Absent on purpose: everything that the product doesn't use. What it believes of Stripe is written
//! down in `published`, with the sources.

mod account;
mod events;
mod published;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use account::Account;
pub(crate) use account::Page;
pub(crate) use events::{deliver, event, sign};

pub(crate) const KEY: &str = "sk_test_51ThisIsTheKeyOfTheFake";
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What goes wrong with the next request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Refused at the door, nothing done and nothing remembered.
    Status(u16),
    /// Another request with the key is under way.
    KeyInUse,
    /// Nothing was done, and the key remembers the failure.
    Broken,
    /// It was done, and the key remembers a failure.
    DoneButBroken,
    /// It was done, and the answer never comes.
    DoneButSilent,
    /// The answer takes so long.
    Slow(Duration),
    /// Not Stripe's words, as from a proxy on the way.
    Garbage,
    /// More than anybody should read.
    Endless,
    /// To somewhere else.
    Redirect,
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) call: String,
    pub(crate) form: Vec<(String, String)>,
    pub(crate) key: Option<String>,
}

impl Seen {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.form.iter();
        fields
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

#[derive(Clone)]
struct Answer {
    status: u16,
    body: Value,
}

struct Remembered {
    request: Seen,
    answer: Answer,
}

#[derive(Default)]
struct Inner {
    account: Account,
    keys: HashMap<String, Remembered>,
    faults: VecDeque<Fault>,
    seen: Vec<Seen>,
    complaints: Vec<String>,
}

/// A running one. Its clock stands until it is set.
pub(crate) struct FakeStripe {
    port: u16,
    inner: Arc<Mutex<Inner>>,
}

impl FakeStripe {
    pub(crate) async fn start(now: Timestamp) -> Self {
        let inner = Arc::new(Mutex::new(Inner::default()));
        inner.lock().unwrap().account.now = now;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { port, inner }
    }

    /// `STAGEDOOR_STRIPE_API_BASE`
    pub(crate) fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The next requests fail so, one each, in this order.
    pub(crate) fn fail(&self, faults: &[Fault]) {
        self.lock().faults.extend(faults);
    }

    /// Requests that still have a fault before them.
    pub(crate) fn faults_left(&self) -> usize {
        self.lock().faults.len()
    }

    pub(crate) fn set_now(&self, now: Timestamp) {
        self.lock().account.now = now;
    }

    /// As Stripe does after a day.
    pub(crate) fn forget_keys(&self) {
        self.lock().keys.clear();
    }

    /// Every request since the last call, also those that failed.
    pub(crate) fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.lock().seen)
    }

    /// What was wrong with requests since the last call. Left alone, it fails the test at its end.
    pub(crate) fn take_complaints(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().complaints)
    }

    /// What there is, to be looked at or changed as by a buyer, a bank or somebody at the dashboard.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Account) -> T) -> T {
        act(&mut self.lock().account)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

impl Drop for FakeStripe {
    fn drop(&mut self) {
        let complaints = self.take_complaints();
        if !std::thread::panicking() {
            assert_eq!(complaints, <[&str; 0]>::default(), "Stripe would refuse");
        }
    }
}

async fn answer(State(inner): State<Arc<Mutex<Inner>>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.unwrap();
    let path = parts.uri.path();
    let is_post = parts.method == Method::POST;
    let encoded = parts.uri.query().unwrap_or_default().as_bytes();
    let form = serde_urlencoded::from_bytes(if is_post { &body[..] } else { encoded }).unwrap();
    let key = parts.headers.get("idempotency-key");
    let key = key.map(|value| value.to_str().unwrap().to_owned());
    let call = format!("{} {path}", parts.method);
    let seen = Seen { call, form, key };
    let fault = {
        let mut inner = inner.lock().unwrap();
        inner.seen.push(seen.clone());
        let is_misplaced = if is_post {
            parts.uri.query().is_some()
        } else {
            !body.is_empty()
        };
        if is_misplaced {
            let complaint = format!("{}: fields are in the wrong place", seen.call);
            inner.complaints.push(complaint);
        }
        if let Some(complaint) = wrong_header(is_post, &parts.headers, &seen) {
            inner.complaints.push(format!("{}: {complaint}", seen.call));
            return error(400, "invalid_request_error", "", "");
        }
        inner.faults.pop_front()
    };
    act(&inner, &seen, fault).await
}

fn wrong_header(is_post: bool, headers: &HeaderMap, seen: &Seen) -> Option<&'static str> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let form = Some("application/x-www-form-urlencoded");
    let is_key = |key: &String| (1..=255).contains(&key.len());
    if header("authorization") != Some(&format!("Bearer {KEY}")) {
        Some("the key isn't the account's")
    } else if header("stripe-version") != Some(published::VERSION) {
        Some("another version of the API")
    } else if header("content-type") != form.filter(|_| is_post) {
        Some("the wrong type of content")
    } else if !seen.key.iter().all(is_key) {
        Some("the key has no length that Stripe takes")
    } else if !is_post && seen.key.is_some() {
        Some("reading needs no key")
    } else if header("user-agent").is_none_or(str::is_empty) {
        Some("nobody says who asks")
    } else {
        None
    }
}

async fn act(inner: &Mutex<Inner>, seen: &Seen, fault: Option<Fault>) -> Response {
    match fault {
        None => carry_out(inner, seen),
        Some(Fault::Status(status)) => {
            let kind = if status == 429 {
                "invalid_request_error"
            } else {
                "api_error"
            };
            let code = if status == 429 { "rate_limit" } else { "" };
            error(status, kind, code, "")
        }
        Some(Fault::KeyInUse) => {
            let kind = "invalid_request_error";
            let mut response = error(409, kind, "idempotency_key_in_use", "");
            let headers = response.headers_mut();
            headers.insert("stripe-should-retry", "true".parse().unwrap());
            response
        }
        Some(Fault::Broken) => {
            remember_failure(inner, seen);
            broken()
        }
        Some(Fault::DoneButBroken) => {
            carry_out(inner, seen);
            remember_failure(inner, seen);
            broken()
        }
        Some(Fault::DoneButSilent) => {
            carry_out(inner, seen);
            std::future::pending().await
        }
        Some(Fault::Slow(delay)) => {
            tokio::time::sleep(delay).await;
            carry_out(inner, seen)
        }
        Some(Fault::Garbage) => "<html>Welcome to the hotel's network".into_response(),
        Some(Fault::Endless) => " ".repeat(3 * 1024 * 1024).into_response(),
        Some(Fault::Redirect) => {
            (StatusCode::FOUND, [("location", "/v1/elsewhere")]).into_response()
        }
    }
}

/// <https://docs.stripe.com/api/idempotent_requests>
fn carry_out(inner: &Mutex<Inner>, seen: &Seen) -> Response {
    let mut inner = inner.lock().unwrap();
    let Some(key) = seen.key.clone() else {
        return respond(&perform(&mut inner, seen).0);
    };
    if let Some(known) = inner.keys.get(&key) {
        if known.request != *seen {
            let complaint = format!("{}: the key {key} was another request's", seen.call);
            inner.complaints.push(complaint);
            return error(400, "idempotency_error", "", "");
        }
        let mut response = respond(&known.answer);
        let headers = response.headers_mut();
        headers.insert("idempotent-replayed", "true".parse().unwrap());
        return response;
    }
    let (answer, is_begun) = perform(&mut inner, seen);
    if is_begun {
        let request = seen.clone();
        let answer = answer.clone();
        inner.keys.insert(key, Remembered { request, answer });
    }
    respond(&answer)
}

/// The answer, and whether it is one of the call's own, which a key remembers.
fn perform(inner: &mut Inner, seen: &Seen) -> (Answer, bool) {
    match inner.account.perform(&seen.call, &seen.form) {
        Ok(body) => (Answer { status: 200, body }, true),
        Err(account::Refusal::Invalid { param, why }) => {
            let complaint = format!("{}: {param} {why}", seen.call);
            // An address that isn't one is a buyer's mistake and none of the client's.
            if param != "customer_email" {
                inner.complaints.push(complaint);
            }
            let body = error_body("invalid_request_error", "parameter_invalid", &param);
            (Answer { status: 400, body }, false)
        }
        Err(account::Refusal::Told { status, code }) => {
            let body = error_body("invalid_request_error", code, "");
            (Answer { status, body }, true)
        }
    }
}

fn remember_failure(inner: &Mutex<Inner>, seen: &Seen) {
    if let Some(key) = seen.key.clone() {
        let answer = Answer {
            status: 500,
            body: error_body("api_error", "", ""),
        };
        let request = seen.clone();
        let mut inner = inner.lock().unwrap();
        inner.keys.insert(key, Remembered { request, answer });
    }
}

fn broken() -> Response {
    let mut response = error(500, "api_error", "", "");
    let headers = response.headers_mut();
    headers.insert("stripe-should-retry", "false".parse().unwrap());
    response
}

fn error(status: u16, kind: &str, code: &str, param: &str) -> Response {
    let body = error_body(kind, code, param);
    respond(&Answer { status, body })
}

/// <https://docs.stripe.com/api/errors>; the message has what a log must not.
fn error_body(kind: &str, code: &str, param: &str) -> Value {
    let mut error = json!({"type": kind, "message": format!("{KEY} of som@example.com")});
    for (name, value) in [("code", code), ("param", param)] {
        if !value.is_empty() {
            error[name] = value.into();
        }
    }
    json!({ "error": error })
}

fn respond(answer: &Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap();
    let headers = [
        ("content-type", "application/json"),
        ("request-id", "req_fake1"),
        ("stripe-version", published::VERSION),
    ];
    (status, headers, answer.body.to_string()).into_response()
}
