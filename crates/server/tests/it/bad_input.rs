//! Everything that can be wrong with a request: each gets its own problem, and nothing changes.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::wire::{Answer, Wire};
use crate::support::{NewConcert, TestApp};

mod many;
mod pages;

const RESERVATIONS: &str = "/api/v1/reservations";
const CONCERTS: &str = "/api/v1/concerts";

/// A request that must be refused, and how.
struct Case {
    name: String,
    request: Wire,
    status: u16,
    code: &'static str,
    /// `pointer code` of each of the problem's `errors`.
    errors: Vec<String>,
}

impl Case {
    fn new(name: impl Into<String>, request: Wire, (status, code): (u16, &'static str)) -> Self {
        Self {
            name: name.into(),
            request,
            status,
            code,
            errors: Vec::new(),
        }
    }

    fn naming(mut self, errors: &[&str]) -> Self {
        self.errors = errors.iter().map(|&error| error.to_owned()).collect();
        self
    }
}

const MALFORMED: (u16, &str) = (400, "malformed_request");
const FORBIDDEN: (u16, &str) = (403, "forbidden");
const NOT_FOUND: (u16, &str) = (404, "not_found");
const WRONG_METHOD: (u16, &str) = (405, "method_not_allowed");
const TOO_LARGE: (u16, &str) = (413, "payload_too_large");
const WRONG_MEDIA: (u16, &str) = (415, "unsupported_media_type");
const INVALID: (u16, &str) = (422, "validation_failed");

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_input_gets_the_right_problem_and_changes_nothing() {
    TestApp::run(async |app| {
        let open = app.plant(NewConcert::default()).await;
        let closed = NewConcert {
            status: "closed",
            ..NewConcert::default()
        };
        let closed = app.plant(closed).await;
        let before = everything(app).await;
        let mut cases = wrong_fields(open);
        cases.extend(wrong_concerts(open, closed));
        cases.extend(wrong_json(open));
        cases.extend(wrong_envelopes(open));
        cases.extend(wrong_addresses());
        cases.extend(wrong_keys(open));
        cases.extend(wrong_path_ids(app));
        cases.extend(wrong_lists());
        let mut failed = Vec::new();
        for case in &cases {
            let answer = case.request.send(app.address).await;
            let faults = faults(case, &answer);
            if !faults.is_empty() {
                failed.push(format!("{}: {}", case.name, faults.join("; ")));
            }
        }
        assert!(failed.is_empty(), "{}", failed.join("\n"));
        assert_eq!(everything(app).await, before);
        let good = post(&wish(open).to_string()).send(app.address).await;
        assert_eq!(
            good.status, 201,
            "what the cases vary is itself good: {good:?}"
        );
        assert_ne!(everything(app).await, before);
    })
    .await;
}

/// Everything in which an answer isn't the problem that it should be.
fn faults(case: &Case, answer: &Answer) -> Vec<String> {
    let is_problem = answer.header("content-type") == Some("application/problem+json");
    if answer.status != case.status || !is_problem {
        return vec![format!("{} {}", answer.status, answer.text())];
    }
    let problem = answer.json();
    let id = answer.header("x-request-id").unwrap_or_default();
    let expected = [
        ("type", json!("about:blank")),
        ("status", json!(case.status)),
        ("code", json!(case.code)),
        ("instance", json!(case.request.path())),
        ("request_id", json!(id)),
    ];
    let mut faults = Vec::new();
    for (member, value) in expected {
        if problem[member] != value {
            faults.push(format!("{member} is not {value}"));
        }
    }
    if id.len() != 36 {
        faults.push(format!("x-request-id is {id:?}"));
    }
    for member in ["title", "detail"] {
        let text = problem[member].as_str().unwrap_or_default();
        let inside = ["tokio", "postgres", ".rs", "panicked", "SELECT"];
        if text.is_empty() || inside.iter().any(|word| text.contains(word)) {
            faults.push(format!("{member} is {text:?}"));
        }
    }
    if named_errors(&problem) != case.errors {
        faults.push(format!("errors are not {:?}", case.errors));
    }
    if answer.status == 405 && answer.header("allow").is_none() {
        faults.push("no Allow".to_owned());
    }
    if !faults.is_empty() {
        faults.push(problem.to_string());
    }
    faults
}

/// `pointer code` of each field that a problem names; a field without a sentence has no code here.
fn named_errors(problem: &Value) -> Vec<String> {
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    let one = |error: &Value| {
        let text = |member: &str| error[member].as_str().unwrap_or_default().to_owned();
        let code = if text("detail").is_empty() {
            String::new()
        } else {
            text("code")
        };
        format!("{} {code}", text("pointer"))
    };
    errors.iter().map(one).collect()
}

/// Every row that a request could change.
async fn everything(app: &TestApp) -> String {
    let statement = "
        SELECT concat_ws(' ',
            (SELECT md5(string_agg(c::text, '|' ORDER BY id)) FROM concerts c),
            (SELECT md5(string_agg(r::text, '|' ORDER BY id)) FROM reservations r),
            (SELECT count(*) FROM admission_receipts),
            (SELECT count(*) FROM admin_users),
            (SELECT count(*) FROM audit_logs))";
    let row = app.postgres.query_one(statement, &[]).await.unwrap();
    row.get(0)
}

fn wish(concert: i32) -> Value {
    json!({
        "concert_id": concert,
        "quantity": 2,
        "customer_name": "Som Chai",
        "customer_email": "som@example.com",
    })
}

fn post(body: &str) -> Wire {
    Wire::new("POST", RESERVATIONS)
        .header("content-type", "application/json")
        .body(body)
}

/// The good wish with one field written otherwise, as JSON text.
fn with_field(concert: i32, field: &str, value: &str) -> Wire {
    let mut members = Vec::new();
    for (name, good) in wish(concert).as_object().unwrap() {
        let shown = if name == field {
            value.to_owned()
        } else {
            good.to_string()
        };
        members.push(format!("{}:{shown}", json!(name)));
    }
    post(&format!("{{{}}}", members.join(",")))
}

fn wrong_fields(concert: i32) -> Vec<Case> {
    let long_name = json!("ก".repeat(300)).to_string();
    let long_email = json!(format!("{}@example.com", "a".repeat(300))).to_string();
    let table = [
        ("quantity", "0", "out_of_range"),
        ("quantity", "-1", "out_of_range"),
        ("quantity", "1.5", "wrong_type"),
        ("quantity", "\"2\"", "wrong_type"),
        ("quantity", "1e12", "wrong_type"),
        ("quantity", "1000000000000", "out_of_range"),
        ("quantity", "null", "required"),
        ("quantity", "true", "wrong_type"),
        ("quantity", "[1]", "wrong_type"),
        ("quantity", "{}", "wrong_type"),
        ("customer_name", &long_name, "too_long"),
        ("customer_name", "\"\"", "required"),
        ("customer_name", "\" \\t \"", "required"),
        ("customer_name", "\"a\\u0000b\"", "control_character"),
        ("customer_name", "\"a\\nb\"", "control_character"),
        ("customer_name", "\"a\\u202eb\"", "control_character"),
        ("customer_name", "7", "wrong_type"),
        ("customer_name", "null", "required"),
        ("customer_email", "\"som\"", "not_an_email"),
        ("customer_email", "\"som@\"", "not_an_email"),
        ("customer_email", "\"som@localhost\"", "not_an_email"),
        ("customer_email", "\"som@chai@example.com\"", "not_an_email"),
        ("customer_email", &long_email, "too_long"),
        (
            "customer_email",
            "\"a\\u0000@example.com\"",
            "control_character",
        ),
        (
            "customer_email",
            "\"a@example.com\\r\\nBcc: b@c.co\"",
            "control_character",
        ),
        ("concert_id", "0", "out_of_range"),
        ("concert_id", "-1", "out_of_range"),
        ("concert_id", "2147483648", "out_of_range"),
        ("concert_id", "\"1\"", "wrong_type"),
        ("concert_id", "null", "required"),
    ];
    let one = |(field, value, code): (&str, &str, &str)| {
        let name: String = format!("{field}: {value}").chars().take(60).collect();
        let error = format!("/{field} {code}");
        Case::new(name, with_field(concert, field, value), INVALID).naming(&[&error])
    };
    table.into_iter().map(one).collect()
}

fn wrong_concerts(open: i32, closed: i32) -> Vec<Case> {
    let of = |concert: i32| post(&wish(concert).to_string());
    vec![
        Case::new("an unknown concert", of(999_999), NOT_FOUND),
        Case::new("a closed concert", of(closed), (409, "sale_closed")),
        Case::new(
            "more than one order may have",
            with_field(open, "quantity", "11"),
            (409, "purchase_limit"),
        ),
    ]
}

fn wrong_json(concert: i32) -> Vec<Case> {
    const ALL: [&str; 4] = [
        "/concert_id required",
        "/quantity required",
        "/customer_name required",
        "/customer_email required",
    ];
    let good = wish(concert).to_string();
    let with = |member: &str| format!("{},{member}}}", good.trim_end_matches('}'));
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000));
    let mut invalid_utf8 = good.clone().into_bytes();
    let place = invalid_utf8.windows(3).position(|three| three == b"Som");
    invalid_utf8[place.unwrap()] = 0xFF;
    let mut cases = vec![
        Case::new("an empty object", post("{}"), INVALID).naming(&ALL),
        Case::new("an unknown field", post(&with("\"colour\":1")), INVALID)
            .naming(&["/colour unknown_field"]),
        Case::new(
            "a field that its pointer must escape",
            post(&with("\"a/b~c\":1")),
            INVALID,
        )
        .naming(&["/a~1b~0c unknown_field"]),
        Case::new("a repeated field", post(&with("\"quantity\":1")), INVALID)
            .naming(&["/quantity repeated"]),
        Case::new(
            "invalid UTF-8",
            post("").body(invalid_utf8.clone()),
            MALFORMED,
        ),
    ];
    for body in ["[]", "[{}]", "\"text\"", "1", "1.5", "true", "null"] {
        let case = Case::new(format!("the JSON {body}"), post(body), INVALID);
        cases.push(case.naming(&[" wrong_type"]));
    }
    let nested = with(&format!("\"note\":{}", deep("[", "]")));
    for (name, body) in [
        ("an empty body", ""),
        ("no JSON", "nonsense"),
        ("half an object", "{\"concert_id\":1"),
        ("a single bracket", "{"),
        ("something after the object", &format!("{good}x")),
        ("two objects", &format!("{good}{good}")),
        ("half a surrogate pair", &with("\"note\":\"\\ud800\"")),
        ("10,000 opening brackets", &"[".repeat(10_000)),
        ("arrays 10,000 deep", &deep("[", "]")),
        ("objects 10,000 deep", &deep("{\"a\":", "}")),
        ("a field 10,000 deep", &nested),
    ] {
        cases.push(Case::new(name, post(body), MALFORMED));
    }
    cases
}

fn wrong_envelopes(concert: i32) -> Vec<Case> {
    let good = wish(concert).to_string();
    let plain = || Wire::new("POST", RESERVATIONS).body(&good);
    let large = post(&format!("{{\"note\":\"{}\"}}", "x".repeat(10_000_000)));
    let form = "concert_id=1&quantity=1&customer_name=Som&customer_email=som%40example.com";
    vec![
        Case::new("10 MB", large.clone(), TOO_LARGE),
        Case::new("10 MB in chunks", large.clone().chunked(), TOO_LARGE),
        Case::new("10 MB announced", large.expecting_continue(), TOO_LARGE),
        Case::new("a body that stalls", post(&good).stalling(), MALFORMED),
        Case::new("one byte over 64 KB", post(&" ".repeat(65_537)), TOO_LARGE),
        Case::new(
            "plain text",
            plain().header("content-type", "text/plain"),
            WRONG_MEDIA,
        ),
        Case::new("no media type", plain(), WRONG_MEDIA),
        Case::new(
            "nearly JSON",
            plain().header("content-type", "application/jsonp"),
            WRONG_MEDIA,
        ),
        Case::new(
            "JSON in UTF-16",
            plain().header("content-type", "application/json; charset=utf-16"),
            WRONG_MEDIA,
        ),
        Case::new("two hosts", post(&good).header("host", "other"), MALFORMED),
        Case::new(
            "a form",
            plain()
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form),
            WRONG_MEDIA,
        ),
        Case::new(
            "another site's page",
            post(&good).header("sec-fetch-site", "cross-site"),
            FORBIDDEN,
        ),
        Case::new(
            "a header section of 100 KB",
            post(&good).header("x-padding", "x".repeat(100_000)),
            MALFORMED,
        ),
        Case::new(
            "90 headers of 1 KB",
            (0..90).fold(Wire::get(CONCERTS), |request, n| {
                request.header(&format!("x-{n}"), "x".repeat(1_000))
            }),
            MALFORMED,
        ),
    ]
}

/// RFC 9112, section 3.2.
#[tokio::test(flavor = "multi_thread")]
async fn http_1_1_without_a_host_is_refused_and_http_1_0_is_not() {
    TestApp::run(async |app| {
        for (version, status) in [("1.1", "400"), ("1.0", "200")] {
            let request = format!("GET /healthz HTTP/{version}\r\nconnection: close\r\n\r\n");
            let mut socket = TcpStream::connect(app.address).await.unwrap();
            socket.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await.unwrap();
            let expected = format!("HTTP/{version} {status} ");
            assert!(answer.starts_with(&expected), "{answer}");
        }
    })
    .await;
}

fn wrong_addresses() -> Vec<Case> {
    let methods = [
        ("PUT", RESERVATIONS),
        ("DELETE", RESERVATIONS),
        ("GET", RESERVATIONS),
        ("BREW", RESERVATIONS),
        ("POST", CONCERTS),
        ("DELETE", "/api/v1/concerts/1"),
        ("PATCH", "/api/v1/reservations/RES1-00000000"),
        ("GET", "/api/v1/reservations/RES1-00000000/cancel"),
        ("POST", "/api/v1/openapi.json"),
    ];
    let paths = [
        "/api/v1/nothing",
        "/api/v1/",
        "/api/v2/concerts",
        "/api/v1/concerts/",
        "/api/v1/concerts/1/2",
        "/api/v1/reservations/RES1-00000000/pay",
        "/api/v1/%",
        "/api/v1//concerts",
    ];
    let method = |(method, path): (&str, &str)| {
        Case::new(
            format!("{method} {path}"),
            Wire::new(method, path),
            WRONG_METHOD,
        )
    };
    let path = |path: &str| Case::new(path, Wire::get(path), NOT_FOUND);
    methods
        .into_iter()
        .map(method)
        .chain(paths.into_iter().map(path))
        .collect()
}

fn wrong_keys(concert: i32) -> Vec<Case> {
    let good = || post(&wish(concert).to_string());
    let long = "k".repeat(256);
    let keys: [(&str, &[u8]); 6] = [
        ("an empty key", b""),
        ("a key with a space", b"a b"),
        ("a key with a tab", b"a\tb"),
        ("a key of 256 characters", long.as_bytes()),
        ("a key in UTF-8", "กุญแจ".as_bytes()),
        ("a key of bytes", b"\xff\xfe"),
    ];
    let one = |(name, key): (&str, &[u8])| {
        let request = good().header("idempotency-key", key);
        Case::new(name, request, INVALID).naming(&["/Idempotency-Key invalid"])
    };
    let twice = good()
        .header("idempotency-key", "a")
        .header("idempotency-key", "b");
    let twice = Case::new("two keys", twice, INVALID).naming(&["/Idempotency-Key invalid"]);
    keys.into_iter().map(one).chain([twice]).collect()
}

fn wrong_path_ids(app: &TestApp) -> Vec<Case> {
    let long = "9".repeat(8_000);
    let ids = [
        "%00",
        "1%00",
        "%ff",
        "..",
        "%2e%2e",
        "0",
        "-1",
        "+1",
        "1.0",
        "abc",
        "2147483648",
        "%EF%BC%91",
        "%27",
        "1%20",
        &long,
    ];
    let mut cases = Vec::new();
    let token = app
        .app
        .access_key()
        .token(&"RES1-00000000".parse().unwrap());
    let authorization = format!("Bearer {token}");
    for id in ids {
        let name: String = id.chars().take(20).collect();
        let concert = Wire::get(&format!("{CONCERTS}/{id}"));
        cases.push(Case::new(format!("concert {name}"), concert, NOT_FOUND));
        for (method, rest) in [("GET", ""), ("POST", "/cancel")] {
            let request = Wire::new(method, &format!("{RESERVATIONS}/{id}{rest}"))
                .header("authorization", &authorization);
            let name = format!("{method} reservation {name}");
            cases.push(Case::new(name, request, NOT_FOUND));
        }
    }
    let unknown = Wire::get(&format!("{RESERVATIONS}/RES1-00000000"));
    let unknown = unknown.header("authorization", &authorization);
    cases.push(Case::new(
        "a reservation with its token that isn't there",
        unknown,
        NOT_FOUND,
    ));
    cases
}

fn wrong_lists() -> Vec<Case> {
    // "2027-01-31" alone, a day before all calendars, and one beyond PostgreSQL's.
    let cursors = [
        "nonsense",
        "MjAyNy0wMS0zMQ",
        "LTAwOTk5OS0wMS0wMS8x",
        "MjAyNy0wMS0zMS85OTk5OTk5OTk5",
        "%00",
        "%ff",
    ];
    let days = [
        "-9999-01-01",
        "-009999-01-01",
        "0000-01-01",
        "10000-01-01",
        "2027-02-30",
        "2027-13-01",
        "2027-1-1",
        "31.12.2027",
        "2027-01-01T00:00:00Z",
        "tomorrow",
        "%00",
    ];
    let long = format!("q={}", "x".repeat(101));
    let mut table: Vec<(String, &str)> = vec![
        ("limit=0".into(), "/limit out_of_range"),
        ("limit=201".into(), "/limit out_of_range"),
        ("limit=-1".into(), "/limit out_of_range"),
        ("limit=abc".into(), "/limit out_of_range"),
        ("limit=99999999999999999999".into(), "/limit out_of_range"),
        ("status=archived".into(), "/status invalid"),
        ("status=OPEN".into(), "/status invalid"),
        ("colour=red".into(), "/colour unknown_field"),
        ("q=a%00b".into(), "/q control_character"),
        ("venue=%00".into(), "/venue control_character"),
        (long, "/q too_long"),
        ("limit=1&limit=2".into(), "/limit repeated"),
        ("q=a&q=a".into(), "/q repeated"),
    ];
    table.extend(cursors.map(|cursor| (format!("cursor={cursor}"), "/cursor invalid")));
    table.extend(days.map(|day| (format!("from={day}"), "/from invalid")));
    table.extend(days.map(|day| (format!("to={day}"), "/to invalid")));
    let one = |(query, error): (String, &str)| {
        let name: String = query.chars().take(40).collect();
        let request = Wire::get(&format!("{CONCERTS}?{query}"));
        Case::new(name, request, INVALID).naming(&[error])
    };
    table.into_iter().map(one).collect()
}
