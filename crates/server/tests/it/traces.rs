//! Traces: what the real program sends to a collector, and that it never waits for one.

mod collector;

use std::time::{Duration, Instant};

use reqwest::header::SET_COOKIE;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::support::program::{Program, Started};
use crate::support::wait::{LIMIT, eventually};
use crate::support::{TestDatabase, plant_ten_tickets};
use collector::{CLIENT, Collector, ERROR, Mood, SERVER, Span};

const NAME: &str = "QqNameQq";
const EMAIL: &str = "qqemailqq@example.com";
const COOKIE: &str = "qqCOOKIEqq";
const KEY: &str = "qqIDEMPOTENCYqq";
const SEARCHED: &str = "qqSEARCHqq";

/// A server that sends its traces there, every so many milliseconds.
async fn serve(database: &TestDatabase, endpoint: &str, every_ms: u32) -> Started {
    Program::on(database, &["serve"])
        .env("STAGEDOOR_OTEL_ENDPOINT", endpoint)
        .env("OTEL_BSP_SCHEDULE_DELAY", &every_ms.to_string())
        .serving()
        .await
}

/// Ends it as a service manager does; how long that takes.
async fn end(server: &mut Started) -> Duration {
    let begun = Instant::now();
    server.signal("TERM");
    let status = server.end(LIMIT).await;
    assert_eq!(status.code(), Some(0), "{}", server.said());
    begun.elapsed()
}

/// The span of the request that was answered so.
fn of_request<'a>(spans: &'a [Span], answer: &Response) -> &'a Span {
    let id = answer.headers()["x-request-id"].to_str().unwrap();
    let mut found = spans
        .iter()
        .filter(|span| span.attribute("request_id") == id);
    let span = found.next().expect("a span of the request");
    assert!(found.next().is_none(), "one span for each request");
    span
}

/// What a request told its trace: name, method, route and status.
fn told(span: &Span) -> [&str; 4] {
    [
        &span.name,
        span.attribute("http.request.method"),
        span.attribute("http.route"),
        span.attribute("http.response.status_code"),
    ]
}

/// Requests that a server was sent before its end, and what must not be known of them.
struct Visit {
    extended: Response,
    page: Response,
    nowhere: Response,
    secrets: Vec<String>,
}

async fn visit(site: &str, concert: i32) -> Visit {
    let client = Client::builder().redirect(Policy::none()).build().unwrap();
    let wish = json!({
        "concert_id": concert, "quantity": 1, "customer_name": NAME, "customer_email": EMAIL,
    });
    let reserve = client
        .post(format!("{site}/api/v1/reservations"))
        .header("idempotency-key", KEY)
        .json(&wish);
    let reserved: Value = reserve.send().await.unwrap().json().await.unwrap();
    let text = |field: &str| reserved[field].as_str().unwrap().to_owned();
    let (id, token) = (text("id"), text("access_token"));
    let extend = client
        .post(format!("{site}/api/v1/reservations/{id}/extend"))
        .bearer_auth(&token);
    let link = client.get(format!("{site}/en/r/{id}?t={token}"));
    let moved = link.send().await.unwrap();
    let cookie = moved.headers()[SET_COOKIE].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap();
    let page = client
        .get(format!("{site}/en/r/{id}"))
        .header("cookie", format!("{cookie}; other={COOKIE}"));
    let nowhere = client.get(format!("{site}/none/{SEARCHED}?q={SEARCHED}"));
    let sent = [NAME, EMAIL, COOKIE, KEY, SEARCHED, cookie, &id, &token];
    let secrets = sent.map(str::to_owned).to_vec();
    Visit {
        extended: extend.send().await.unwrap(),
        page: page.send().await.unwrap(),
        nowhere: nowhere.send().await.unwrap(),
        secrets,
    }
}

/// The statements of a request, each of which is in its trace.
fn statements<'a>(spans: &'a [Span], request: &Span) -> Vec<&'a Span> {
    let within = spans.iter().filter(|span| span.parent == request.id);
    let within: Vec<_> = within.collect();
    for statement in &within {
        assert_eq!(statement.trace, request.trace);
        assert_eq!(statement.kind, CLIENT);
        assert_eq!(statement.attribute("db.system.name"), "postgresql");
        assert_eq!(statement.attribute("db.query.summary"), statement.name);
    }
    within
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_a_trace_with_its_statements_and_without_secrets() {
    let database = TestDatabase::migrated().await;
    let concert = plant_ten_tickets(&database.superuser().await).await;
    let collector = Collector::start(Mood::Taking).await;
    // Nothing is sent before the end.
    let mut server = serve(&database, &collector.address, 3_600_000).await;
    let visit = visit(&server.site(), concert).await;
    assert_eq!(collector.taken().len(), 0);
    end(&mut server).await;

    let spans = collector.spans();
    let route = "/api/v1/reservations/{id}/extend";
    for (answer, method, route) in [
        (&visit.extended, "POST", route),
        (&visit.page, "GET", "/{lang}/r/{id}"),
    ] {
        let request = of_request(&spans, answer);
        let name = format!("{method} {route}");
        assert_eq!(told(request), [&*name, method, route, "200"]);
        assert_eq!((request.kind, request.status), (SERVER, 0));
        assert_eq!(request.parent, [0; 0]);
        assert_eq!(request.resource["service.name"], "stagedoor");
        assert!(!statements(&spans, request).is_empty(), "{name}");
    }
    let extended = statements(&spans, of_request(&spans, &visit.extended));
    assert!(extended.iter().any(|statement| statement.name == "BEGIN"));
    let nowhere = told(of_request(&spans, &visit.nowhere));
    assert_eq!(nowhere, ["GET", "GET", "", "404"]);
    // A background task's statements have no request, and are told of by the metrics.
    let mut others = spans.iter().filter(|span| span.kind != SERVER);
    assert!(others.all(|span| spans.iter().any(|one| one.id == span.parent)));
    let sent = collector.taken().concat();
    let sent = String::from_utf8_lossy(&sent);
    for secret in &visit.secrets {
        assert!(!sent.contains(secret), "{secret} is in {sent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_fails_at_is_an_error_in_its_trace_and_what_a_client_does_is_none() {
    let database = TestDatabase::migrated().await;
    let elsewhere = TestDatabase::empty().await.superuser().await;
    let collector = Collector::start(Mood::Taking).await;
    let mut server = serve(&database, &collector.address, 100).await;
    let client = Client::new();
    let get = async |path: &str| {
        let answer = client.get(format!("{}{path}", server.site())).send().await;
        answer.unwrap()
    };
    let wrong = get("/api/v1/concerts?limit=x").await;
    let name = &database.name;
    for away in [
        format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"),
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
    ] {
        elsewhere.batch_execute(&away).await.unwrap();
    }
    let mut failed = get("/readyz").await;
    eventually("the database is missed", LIMIT, async || {
        failed = get("/readyz").await;
        failed.status() == 503
    })
    .await;
    end(&mut server).await;
    let spans = collector.spans();
    let of_client = of_request(&spans, &wrong);
    assert_eq!(of_client.attribute("http.response.status_code"), "422");
    assert_eq!(
        (of_client.status, of_client.attribute("error.type")),
        (0, "")
    );
    let of_server = of_request(&spans, &failed);
    assert_eq!(
        (of_server.status, of_server.attribute("error.type")),
        (ERROR, "503")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_or_is_away_slows_nobody_and_is_one_line_in_the_log() {
    let database = TestDatabase::migrated().await;
    let hanging = Collector::start(Mood::Hanging).await;
    for (endpoint, is_away) in [
        (&*hanging.address, false),
        // Port 1 of this machine; nobody listens there.
        ("http://127.0.0.1:1", true),
    ] {
        let mut server = serve(&database, endpoint, 100).await;
        let (client, page) = (Client::new(), format!("{}/en/", server.site()));
        let mut slowest = Duration::ZERO;
        for _ in 0..50 {
            let begun = Instant::now();
            assert_eq!(client.get(&page).send().await.unwrap().status(), 200);
            slowest = slowest.max(begun.elapsed());
            // Several batches, of which each is one more try.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Far less than the collector is waited for.
        assert!(slowest < Duration::from_secs(2), "{slowest:?} {endpoint}");
        let took = end(&mut server).await;
        assert!(took < Duration::from_secs(15), "{took:?} {endpoint}");
        let said = server.said();
        let lost = said.matches("traces can't be sent").count();
        assert_eq!(lost, 1, "{said}");
        assert_eq!(said.contains("Connection refused"), is_away, "{said}");
    }
    assert!(!hanging.taken().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_none_is_refused_at_the_start() {
    let database = TestDatabase::migrated().await;
    for endpoint in ["127.0.0.1:4318", "grpc://127.0.0.1:4317"] {
        let done = Program::on(&database, &["serve"])
            .env("STAGEDOOR_OTEL_ENDPOINT", endpoint)
            .run()
            .await;
        assert_eq!(done.code, 2, "{done:?}");
        assert!(done.stderr.contains("an http or https URL"), "{done:?}");
    }
}
