//! Read-your-writes: whoever has changed something sees it on the next page, whichever database serves
//! it. A cookie carries where the primary's log was; replicas that aren't there yet are passed by.

use std::convert::Infallible;

use app::App;
use axum::extract::{FromRef, FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::SET_COOKIE;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use store::replication::Position;

use super::headers::cookie;
use super::web::Web;

/// Replicas that are 10 s behind serve nobody, so that after this time every one that serves has it.
const SECONDS: u32 = 30;

/// What this visitor has changed or seen, from the cookie. One that is forged or broken asks for
/// nothing, or for the primary, which is slower and no less right.
#[derive(Clone, Copy, Debug)]
pub struct Seen(pub app::Seen);

impl<S: Send + Sync> FromRequestParts<S> for Seen
where
    Web: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let web = Web::from_ref(state);
        let value = cookie(&parts.headers, name(web.is_https()));
        let position = value.and_then(|value| i64::from_str_radix(value, 16).ok());
        Ok(Self(app::Seen(position.map(Position::new))))
    }
}

/// Gives the cookie to whoever may have changed something: also where the answer failed, for what was
/// committed may be behind it.
pub async fn remember(State(web): State<Web>, request: Request, next: Next) -> Response {
    let changes = !request.method().is_safe();
    let mut response = next.run(request).await;
    if changes && response.status() != StatusCode::METHOD_NOT_ALLOWED {
        let cookie = to_cookie(&web.app, web.is_https());
        if let Some(cookie) = cookie.and_then(|text| HeaderValue::try_from(text).ok()) {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    response
}

/// `None` where there are no replicas, or nothing was written yet.
fn to_cookie(app: &App, is_https: bool) -> Option<String> {
    app.replicas()?;
    let position = app.writer().written_to()?.bytes();
    let (name, secure) = (name(is_https), if is_https { "; Secure" } else { "" });
    Some(format!(
        "{name}={position:x}; Path=/; Max-Age={SECONDS}; SameSite=Lax; HttpOnly{secure}"
    ))
}

/// `__Host-` ties the cookie to this host and HTTPS (RFC 6265bis, 4.1.3.2).
const fn name(is_https: bool) -> &'static str {
    if is_https {
        "__Host-stagedoor-seen"
    } else {
        "stagedoor-seen"
    }
}
