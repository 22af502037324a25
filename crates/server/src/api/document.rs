//! The OpenAPI document: what the server answers, what is committed and what the CLI prints.

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, PathItem};
use utoipa::openapi::schema::{Object, Schema, SchemaType, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Header, Ref, RefOr, Response};
use utoipa::{OpenApi, ToSchema as _};

use super::shape;
use crate::http::problem_render::ProblemBody;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "stagedoor",
        description = "Concert tickets. Money is a string with two decimals, instants are RFC 3339 \
                       in UTC, dates are YYYY-MM-DD. Errors are problems of RFC 9457 whose `code` \
                       is stable.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/api/v1")),
    tags(
        (name = "concerts", description = "What is on"),
        (name = "reservations", description = "Tickets held and bought"),
        (name = "customers", description = "Who has signed in: their reservations, signing in and out"),
        (name = "staff", description = "Who works here: signing in, second factors, accounts"),
    ),
    components(schemas(
        shape::Cursor, shape::Day, shape::DayOrInstant, shape::EmailFilter, shape::Flag,
        shape::Limit, shape::MailId, shape::Number, shape::ReservationId,
    ))
)]
struct Base;

/// The document without its paths, which the router adds.
pub fn base() -> utoipa::openapi::OpenApi {
    let mut document = Base::openapi();
    let schemes = &mut document.components.get_or_insert_default().security_schemes;
    for (name, description) in [
        ("access_token", "A reservation's `access_token`"),
        ("staff_session", "The `token` of a session of staff"),
    ] {
        let token = Http::builder()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(description))
            .build();
        schemes.insert(name.to_owned(), SecurityScheme::Http(token).into());
    }
    let session = ApiKeyValue::with_description(
        "__Host-stagedoor",
        "What signing in on the pages gave the browser; over plain HTTP the name has no prefix",
    );
    let session = SecurityScheme::ApiKey(ApiKey::Cookie(session));
    schemes.insert("customer_session".to_owned(), session.into());
    document
}

/// What the layers around every handler may answer, where the handler's own words aren't enough.
const ANYWHERE: [(&str, &str); 5] = [
    (
        "400",
        "`malformed_request`: a head over 32 KB, or a body that didn't arrive",
    ),
    ("413", "The body is larger than 64 KB"),
    ("429", "`rate_limited`; try again after the time given"),
    (
        "500",
        "`internal`: a fault of ours; the log tells more under `request_id`",
    ),
    ("503", "`overloaded`, `database_unavailable`; try again"),
];
const FOREIGN: (&str, &str) = ("403", "`forbidden`: a browser asks for another site");

/// Adds to each call what every call has.
pub fn complete(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    for item in document.paths.paths.values_mut() {
        let PathItem {
            get,
            put,
            post,
            delete,
            patch,
            ..
        } = item;
        for operation in get.iter_mut() {
            complete_operation(operation, &ANYWHERE);
        }
        for operation in [put, post, delete, patch].into_iter().flatten() {
            complete_operation(operation, &ANYWHERE);
            complete_operation(operation, &[FOREIGN]);
        }
    }
    document
}

fn complete_operation(operation: &mut Operation, answers: &[(&str, &str)]) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter {
            forbid_null(parameter);
        }
    }
    let responses = &mut operation.responses.responses;
    for (status, description) in answers {
        let problem = || RefOr::T(problem(description));
        responses
            .entry((*status).to_owned())
            .or_insert_with(problem);
    }
    for (status, response) in responses {
        if let RefOr::T(response) = response {
            add_headers(status, response);
        }
    }
}

/// There is no `null` in an address or a header; an optional one is left out.
fn forbid_null(parameter: &mut Parameter) {
    if let Some(RefOr::T(Schema::Object(object))) = &mut parameter.schema
        && let SchemaType::Array(types) = &object.schema_type
        && let Some(kind) = types.iter().find(|kind| **kind != Type::Null)
    {
        object.schema_type = SchemaType::Type(kind.clone());
    }
}

fn problem(description: &str) -> Response {
    let mut response = Response::new(description);
    let body = Ref::from_schema_name(ProblemBody::name());
    let content = ContentBuilder::new().schema(Some(body)).build();
    let media_type = "application/problem+json".to_owned();
    response.content.insert(media_type, content.into());
    response
}

fn add_headers(status: &str, response: &mut Response) {
    let mut add = |name: &str, kind: Type, description: &str| {
        let schema: RefOr<Schema> = Object::with_type(kind).into();
        let header = HeaderBuilder::new().schema(Some(schema));
        let header: Header = header.description(Some(description)).build();
        response
            .headers
            .entry(name.to_owned())
            .or_insert(header.into());
    };
    add(
        "x-request-id",
        Type::String,
        "Finds the line in the server's log",
    );
    match status {
        "401" => add("WWW-Authenticate", Type::String, "`Bearer`"),
        "429" | "503" => add("Retry-After", Type::Integer, "Seconds to wait"),
        _ => {}
    }
}

/// The whole document as indented JSON with a newline at its end.
pub fn json() -> String {
    let mut text = crate::http::router::api_document()
        .to_pretty_json()
        .unwrap_or_default();
    text.push('\n');
    text
}
