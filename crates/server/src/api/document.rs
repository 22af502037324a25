//! The OpenAPI document: what the server answers, what is committed and what the CLI prints.

use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

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
        (name = "staff", description = "Who works here: signing in, second factors, accounts"),
    )
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
    document
}

/// The whole document as indented JSON with a newline at its end.
pub fn json() -> String {
    let mut text = crate::http::router::api_document()
        .to_pretty_json()
        .unwrap_or_default();
    text.push('\n');
    text
}
