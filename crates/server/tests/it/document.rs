//! The OpenAPI document: current, well formed, and what the server really answers.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Map, Value, json};

use crate::support::program::Program;
use crate::support::{NewConcert, TestApp};

mod calls;
mod staff;

use calls::*;

/// With this variable the committed document is written anew instead of compared.
const UPDATE: &str = "STAGEDOOR_TEST_UPDATE";

const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

fn committed() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json")
}

async fn printed() -> String {
    let done = Program::new(&["openapi"]).run().await;
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    done.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn the_committed_document_is_what_the_program_prints_and_the_server_answers() {
    let printed = printed().await;
    if std::env::var_os(UPDATE).is_some() {
        fs::write(committed(), &printed).unwrap();
    }
    let committed = fs::read_to_string(committed()).unwrap_or_default();
    assert!(
        committed == printed,
        "docs/openapi.json is stale: run this test with {UPDATE}=1"
    );
    TestApp::run(async |app| {
        let response = app.get("/api/v1/openapi.json").await;
        assert_eq!(response.headers()["content-type"], "application/json");
        let answered: Value = response.json().await.unwrap();
        let printed: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(answered, printed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_well_formed() {
    let document: Value = serde_json::from_str(&printed().await).unwrap();
    let version = document["openapi"].as_str().unwrap();
    assert!(version.starts_with("3.1."), "{version}");
    for required in ["title", "version"] {
        assert_ne!(document["info"][required], "");
    }
    assert_eq!(document["servers"][0]["url"], "/api/v1");
    check_references(&document, &document);
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let name = format!("{method} {path}");
        let id = operation["operationId"].as_str().unwrap().to_owned();
        assert!(ids.insert(id), "{name}: its operationId isn't its own");
        assert!(!text(&operation["summary"]).is_empty(), "{name}");
        check_parameters(&name, &path, &operation);
        for (status, response) in members(&operation["responses"]) {
            let name = format!("{name} {status}");
            assert!(status.parse::<u16>().is_ok(), "{name}");
            // The one member that a response must have (OpenAPI 3.1, 4.8.17).
            assert!(
                !text(&response["description"]).is_empty(),
                "{name}: no description"
            );
            let media_type = match status.as_str() {
                "200" | "201" => good_media_type(&path),
                _ => "application/problem+json",
            };
            let content = members(&response["content"]);
            let is_typed = content.iter().all(|(key, _)| key == media_type);
            let is_empty = ["202", "204", "304"].contains(&status.as_str());
            assert!(
                is_typed && content.len() == usize::from(!is_empty),
                "{name}"
            );
        }
        for tag in operation["tags"].as_array().unwrap() {
            let tags = document["tags"].as_array().unwrap();
            assert!(
                tags.iter().any(|known| known["name"] == *tag),
                "{name}: {tag}"
            );
        }
        for scheme in operation["security"].as_array().into_iter().flatten() {
            for (key, _) in members(scheme) {
                let known = &document["components"]["securitySchemes"][&key];
                assert!(known.is_object(), "{name}: {key}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_tells_what_the_layers_around_it_may_answer() {
    let document: Value = serde_json::from_str(&printed().await).unwrap();
    for (method, path, operation) in operations(&document) {
        let foreign = (method != "get").then_some("403");
        for status in ["400", "413", "429", "500", "503"]
            .into_iter()
            .chain(foreign)
        {
            let response = &operation["responses"][status];
            assert!(response.is_object(), "{method} {path} {status}");
        }
        for (status, response) in members(&operation["responses"]) {
            let headers = match status.as_str() {
                "401" => vec!["x-request-id", "WWW-Authenticate"],
                "429" | "503" => vec!["x-request-id", "Retry-After"],
                _ => vec!["x-request-id"],
            };
            for header in headers {
                let header = &response["headers"][header];
                assert!(header.is_object(), "{method} {path} {status}");
            }
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let kind = &parameter["schema"]["type"];
            assert!(!kind.is_array(), "{method} {path}: nobody can send null");
        }
    }
}

fn good_media_type(path: &str) -> &'static str {
    match path.rsplit(['/', '.']).next() {
        Some("live") => "text/event-stream",
        Some("pdf") => "application/pdf",
        Some("ics") => "text/calendar",
        Some("csv") => "text/csv",
        Some("xlsx") => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        _ => "application/json",
    }
}

fn check_parameters(name: &str, path: &str, operation: &Value) {
    let in_path: BTreeSet<String> = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(str::to_owned)
        .collect();
    let mut declared = BTreeSet::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let place = text(&parameter["in"]);
        assert!(
            ["query", "path", "header", "cookie"].contains(&place),
            "{name}"
        );
        assert!(parameter["schema"].is_object(), "{name}");
        if place == "path" {
            assert_eq!(parameter["required"], true, "{name}");
            declared.insert(text(&parameter["name"]).to_owned());
        }
    }
    assert_eq!(declared, in_path, "{name}");
}

fn check_references(document: &Value, part: &Value) {
    match part {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get("$ref") {
                assert!(resolve(document, reference).is_object(), "{reference}");
            }
            for value in map.values() {
                check_references(document, value);
            }
        }
        Value::Array(list) => {
            for value in list {
                check_references(document, value);
            }
        }
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_calls_are_the_routers() {
    let document: Value = serde_json::from_str(&printed().await).unwrap();
    let mut documented: Vec<(String, String)> = operations(&document)
        .into_iter()
        .map(|(method, path, _)| (method, path))
        .collect();
    documented.sort();
    let calls = CALLS.map(|(method, path)| (method.to_owned(), path.to_owned()));
    assert_eq!(documented, calls);
    TestApp::run(async |app| {
        let paths: BTreeSet<&str> = CALLS.iter().map(|(_, path)| *path).collect();
        for path in paths {
            let address = format!("/api/v1{}", path.replace("{id}", "1"));
            let refused = app.request(Method::PUT, &address).send().await.unwrap();
            assert_eq!(refused.status(), 405, "{path}");
            let allowed: BTreeSet<String> = refused.headers()["allow"]
                .to_str()
                .unwrap()
                .split(',')
                .map(|method| method.trim().to_ascii_lowercase())
                .filter(|method| method != "head")
                .collect();
            let own = CALLS.iter().filter(|(_, known)| *known == path);
            let own: BTreeSet<String> = own.map(|(method, _)| (*method).to_owned()).collect();
            assert_eq!(allowed, own, "{path}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_answers_fit_the_document() {
    let document: Value = serde_json::from_str(&printed().await).unwrap();
    let check = async |call: Call, response: Response, status: u16| {
        check_answer(&document, call, response, status).await
    };
    TestApp::run(async |app| {
        let paid = app.plant(NewConcert::default()).await;
        let free = NewConcert {
            price: "0",
            ..NewConcert::default()
        };
        let free = app.plant(free).await;
        let list = app.get("/api/v1/concerts?limit=1").await;
        let list = check(LIST, list, 200).await;
        assert!(list["next_cursor"].is_string(), "{list}");
        let show = app.get(&format!("/api/v1/concerts/{paid}")).await;
        check(SHOW, show, 200).await;
        let reserve = async |concert: i32, key: &str| {
            let request = app
                .reserve(concert, 1, "som")
                .header("idempotency-key", key);
            check(RESERVE, request.send().await.unwrap(), 201).await
        };
        let held = reserve(paid, "paid").await;
        assert_eq!(reserve(paid, "paid").await, held);
        let confirmed = reserve(free, "free").await;
        for reservation in [&held, &confirmed] {
            let found = app.with_token(Method::GET, reservation, "").send().await;
            check(FIND, found.unwrap(), 200).await;
        }
        for (reservation, status) in [(&held, 409), (&confirmed, 200)] {
            let tickets = app.with_token(Method::GET, reservation, "/tickets").send();
            check(TICKETS, tickets.await.unwrap(), status).await;
        }
        for (reservation, status) in [(&held, 201), (&confirmed, 409)] {
            let pay = app.with_token(Method::POST, reservation, "/payments");
            let pay = pay.json(&json!({ "method": "sandbox" })).send().await;
            check(PAY, pay.unwrap(), status).await;
        }
        for (reservation, status) in [(&held, 200), (&confirmed, 409)] {
            let extended = app.with_token(Method::POST, reservation, "/extend").send();
            check(EXTEND, extended.await.unwrap(), status).await;
        }
        let link = app.request(Method::POST, "/api/v1/sessions/email");
        let asked = link.json(&json!({ "email": "som@example.com" })).send();
        assert_eq!(asked.await.unwrap().status(), 202);
        let cookie = app.plant_customer("som@example.com", false).await;
        check(ME, app.get_as(&cookie, "/api/v1/me").await, 200).await;
        let mine = app.get_as(&cookie, "/api/v1/me/reservations?limit=1").await;
        let mine = check(MINE, mine, 200).await;
        assert!(mine["next_cursor"].is_string(), "{mine}");
        for status in [200, 409] {
            let cancelled = app.with_token(Method::POST, &held, "/cancel").send().await;
            check(CANCEL, cancelled.unwrap(), status).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_fit_the_document() {
    let document: Value = serde_json::from_str(&printed().await).unwrap();
    let check = async |call: Call, response: Response, status: u16| {
        check_answer(&document, call, response, status).await
    };
    TestApp::run(async |app| {
        let few = NewConcert {
            tickets: 1,
            ..NewConcert::default()
        };
        let few = app.plant(few).await;
        check(LIST, app.get("/api/v1/concerts?limit=0").await, 422).await;
        check(SHOW, app.get("/api/v1/concerts/999999").await, 404).await;
        check(ME, app.get("/api/v1/me").await, 401).await;
        check(MINE, app.get("/api/v1/me/reservations").await, 401).await;
        let out = app.request(Method::DELETE, "/api/v1/sessions/current");
        check(CUSTOMER_OUT, out.send().await.unwrap(), 401).await;
        let link = app.request(Method::POST, "/api/v1/sessions/email");
        let link = link.json(&json!({ "email": "som" })).send().await.unwrap();
        check(ASK_FOR_LINK, link, 422).await;
        let unknown = "/api/v1/concerts/999999/live";
        check(WATCH, app.get(unknown).await, 404).await;
        let unknown = "/api/v1/reservations/RES1-00000000";
        check(FIND, app.get(unknown).await, 404).await;
        let cancel = app.request(Method::POST, &format!("{unknown}/cancel"));
        check(CANCEL, cancel.send().await.unwrap(), 404).await;
        let extend = app.request(Method::POST, &format!("{unknown}/extend"));
        check(EXTEND, extend.send().await.unwrap(), 404).await;
        // Not enough of them, over the limit, and no such concert.
        for (concert, quantity, status) in [(few, 2, 409), (few, 11, 409), (999_999, 1, 404)] {
            let refused = app.reserve(concert, quantity, "som").send().await;
            check(RESERVE, refused.unwrap(), status).await;
        }
        for (media_type, body, status) in [
            ("text/plain", "{}".to_owned(), 415),
            ("application/json", "{}".to_owned(), 422),
            ("application/json", "{".to_owned(), 400),
            ("application/json", " ".repeat(70_000), 413),
        ] {
            let request = app
                .request(Method::POST, "/api/v1/reservations")
                .header("content-type", media_type)
                .body(body);
            check(RESERVE, request.send().await.unwrap(), status).await;
        }
    })
    .await;
}

/// Each client has a budget of each kind of request, so that every call can be one too many.
#[tokio::test(flavor = "multi_thread")]
async fn every_call_says_that_it_may_come_too_soon_and_those_on_accounts_when_it_may_come_again() {
    let document: Value = serde_json::from_str(&printed().await).unwrap();
    for (method, path, operation) in operations(&document) {
        let too_soon = &operation["responses"]["429"];
        assert!(too_soon.is_object(), "{method} {path}");
        let on_accounts = ["/sessions", "/totp", "/password", "/users"];
        let is_on_accounts = path
            .strip_prefix("/admin")
            .is_some_and(|rest| on_accounts.iter().any(|one| rest.starts_with(one)));
        let header = &too_soon["headers"]["Retry-After"];
        assert!(
            !is_on_accounts || header.is_object(),
            "{method} {path}: {too_soon}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_staff_about_concerts_and_reservations_fit_the_document() {
    let test = TestApp::run(async |app| {
        let staff = StaffCalls::of(app).await;
        let ask = |call: Call, id: &str| staff.ask(call, id);
        let check = async |call: Call, request: RequestBuilder, status: u16| {
            staff.check(call, request, status).await
        };
        let concert = json!({
            "name": "Night Ferry", "artist": "The Lanterns", "date": "2026-12-12",
            "venue": "Riverside Hall", "total_tickets": 100, "price": "1250.00",
        });
        let made = check(CREATE, ask(CREATE, "").json(&concert), 201).await;
        let id = made["id"].to_string();
        check(LIST_ALL, ask(LIST_ALL, ""), 200).await;
        check(SHOW_ANY, ask(SHOW_ANY, &id), 200).await;
        let edit = || ask(CHANGE, &id).json(&json!({ "venue": "Elsewhere" }));
        check(CHANGE, edit(), 428).await;
        check(CHANGE, edit().header("if-match", "\"x\""), 412).await;
        check(CHANGE, edit().header("if-match", "*"), 200).await;
        check(OPEN, ask(OPEN, &id), 200).await;
        let held = app.reserved(id.parse().unwrap(), 1, "som").await;
        check(CLOSE, ask(CLOSE, &id), 200).await;
        check(DELETE, ask(DELETE, &id), 409).await;
        check(ARCHIVE, ask(ARCHIVE, &id), 200).await;
        check(OPEN, ask(OPEN, &id), 409).await;

        let id = text(&held["id"]);
        check(LIST_RESERVATIONS, ask(LIST_RESERVATIONS, ""), 200).await;
        check(FIND_ANY, ask(FIND_ANY, id), 200).await;
        check(RESEND, ask(RESEND, id), 409).await;
        for (call, status) in [
            (CONFIRM, 200),
            (CONFIRM, 409),
            (RESEND, 200),
            (CANCEL_ANY, 200),
        ] {
            check(call, ask(call, id), status).await;
        }
        let mails = check(LIST_MAILS, ask(LIST_MAILS, ""), 200).await;
        let mail = text(&mails["items"][0]["id"]);
        check(RETRY_MAIL, ask(RETRY_MAIL, mail), 409).await;
        check(RETRY_MAIL, ask(RETRY_MAIL, id), 404).await;
        let deleted = ask(DELETE_RESERVATION, id).send().await.unwrap();
        assert_eq!(deleted.status(), 204);
        for call in [DELETE_RESERVATION, FIND_ANY, CONFIRM, CANCEL_ANY, RESEND] {
            check(call, ask(call, id), 404).await;
        }
        let log = check(LIST_AUDIT, ask(LIST_AUDIT, ""), 200).await;
        assert!(log["items"].as_array().unwrap().len() > 9, "{log}");
    });
    // Large, for it has the whole of many conversations.
    Box::pin(test).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_staff_about_themselves_and_reports_fit_the_document() {
    let test = TestApp::run(async |app| {
        let staff = StaffCalls::of(app).await;
        let ask = |call: Call, id: &str| staff.ask(call, id);
        let check = async |call: Call, request: RequestBuilder, status: u16| {
            staff.check(call, request, status).await
        };
        let own = json!({ "current_password": "wrong", "new_password": "a new horse" });
        for status in [422, 422, 422, 422, 422, 422, 429] {
            check(OWN_PASSWORD, ask(OWN_PASSWORD, "").json(&own), status).await;
        }
        let own = json!({ "password": "wrong" });
        check(BEGIN_TOTP, ask(BEGIN_TOTP, "").json(&own), 429).await;
        check(HEALTH, ask(HEALTH, ""), 200).await;
        check(REPORT, ask(REPORT, ""), 200).await;
        let by_concert = app.as_staff(&staff.token, Method::GET, "/reports/sales?group_by=concert");
        check(REPORT, by_concert, 200).await;
        check(
            LIST_AUDIT,
            app.as_staff(&staff.token, Method::GET, "/audit-logs?limit=0"),
            422,
        )
        .await;
    });
    // Large, for it has the whole of many conversations.
    Box::pin(test).await;
}

/// What a superadmin asks, and what the document says of it.
struct StaffCalls<'a> {
    app: &'a TestApp,
    token: String,
    document: Value,
}

impl<'a> StaffCalls<'a> {
    async fn of(app: &'a TestApp) -> Self {
        Self {
            token: app.plant_signed_in("ada", "superadmin").await,
            document: serde_json::from_str(&printed().await).unwrap(),
            app,
        }
    }

    fn ask(&self, (method, path): Call, id: &str) -> RequestBuilder {
        let method: Method = method.to_ascii_uppercase().parse().unwrap();
        let path = path.replace("{id}", id);
        let path = path.strip_prefix("/admin").unwrap();
        self.app.as_staff(&self.token, method, path)
    }

    async fn check(&self, call: Call, request: RequestBuilder, status: u16) -> Value {
        let answer = request.send().await.unwrap();
        check_answer(&self.document, call, answer, status).await
    }
}

/// Compares an answer with what the document says of its call and status; gives back its body.
async fn check_answer(
    document: &Value,
    (method, path): Call,
    response: Response,
    status: u16,
) -> Value {
    let name = format!("{method} {path} {status}");
    assert_eq!(response.status(), status, "{name}");
    let documented = &document["paths"][path][method]["responses"][status.to_string()];
    assert!(documented.is_object(), "{name} isn't documented");
    let media_type = response.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    let schema = &documented["content"][&media_type]["schema"];
    assert!(schema.is_object(), "{name}: {media_type} isn't documented");
    for (header, _) in members(&documented["headers"]) {
        // The only one that some answers of this status don't have.
        let is_there = response.headers().contains_key(header.to_ascii_lowercase());
        assert!(
            is_there || header == "Idempotent-Replayed",
            "{name}: {header}"
        );
    }
    let body: Value = response.json().await.unwrap();
    let mut faults = Vec::new();
    check_value(document, schema, &body, &mut ("$".to_owned(), &mut faults));
    assert!(faults.is_empty(), "{name}: {faults:#?} in {body:#}");
    body
}

/// The parts of JSON Schema that the document uses, and one rule more: no undocumented member.
fn check_value(
    document: &Value,
    schema: &Value,
    value: &Value,
    (place, faults): &mut (String, &mut Vec<String>),
) {
    let schema = flatten(document, schema);
    let kinds = match &schema["type"] {
        Value::String(kind) => vec![kind.as_str()],
        Value::Array(kinds) => kinds.iter().map(text).collect(),
        _ => Vec::new(),
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !kinds.contains(&kind) {
        faults.push(format!("{place} is of type {kind}, not {kinds:?}"));
        return;
    }
    if let (Some(number), Some(least)) = (value.as_i64(), schema["minimum"].as_i64())
        && number < least
    {
        faults.push(format!("{place} is below {least}"));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        let place = format!("{place}[{index}]");
        check_value(document, &schema["items"], item, &mut (place, faults));
    }
    let Some(object) = value.as_object() else {
        return;
    };
    if schema["additionalProperties"].is_object() {
        // Members of any name and kind, as the columns of a row.
        return;
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        if !object.contains_key(text(required)) {
            faults.push(format!("{place} has no {required}"));
        }
    }
    for (name, member) in object {
        let place = format!("{place}.{name}");
        match schema["properties"].get(name) {
            Some(schema) => check_value(document, schema, member, &mut (place, faults)),
            None => faults.push(format!("{place} isn't documented")),
        }
    }
}

/// A schema without references and with the parts of `allOf` put together.
fn flatten(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return flatten(document, resolve(document, reference));
    }
    let Some(parts) = schema["allOf"].as_array() else {
        return schema.clone();
    };
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for part in parts {
        let part = flatten(document, part);
        properties.extend(members(&part["properties"]));
        required.extend(part["required"].as_array().cloned().unwrap_or_default());
    }
    json!({ "type": "object", "properties": properties, "required": required })
}

fn resolve<'a>(document: &'a Value, reference: &str) -> &'a Value {
    let pointer = reference
        .strip_prefix('#')
        .expect("a reference within the document");
    document.pointer(pointer).unwrap_or(&Value::Null)
}

/// Every operation with its method and path.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut operations = Vec::new();
    for (path, item) in members(&document["paths"]) {
        assert!(path.starts_with('/'), "{path}");
        for (method, operation) in members(&item) {
            assert!(METHODS.contains(&method.as_str()), "{path}: {method}");
            operations.push((method, path.clone(), operation));
        }
    }
    operations
}

fn members(value: &Value) -> Vec<(String, Value)> {
    let members = value.as_object().into_iter().flatten();
    members
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
