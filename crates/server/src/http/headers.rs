//! Headers that every answer carries, and cookies.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::web::Web;
use crate::setup;

/// Nothing is loaded, framed or sent anywhere but from and to this site, and no code or style
/// stands inside a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";
/// What no page of ours uses, and nothing inside one may.
const FEATURES: &str = "camera=(), microphone=(), geolocation=(), payment=(), usb=(), \
                        browsing-topics=()";
/// Browsers that have been here by HTTPS come by nothing else for a year.
const HTTPS_ONLY: &str = "max-age=31536000; includeSubDomains";
const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCES: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Takes from the browser what our pages keep in it beside cookies: tickets for doors without a net
/// (<https://www.w3.org/TR/clear-site-data/>).
pub const FORGET_COPIES: [(HeaderName, &str); 1] =
    [(HeaderName::from_static("clear-site-data"), "\"storage\"")];

/// Sets the security headers; answers that say nothing about caching aren't stored.
pub async fn secure(State(web): State<Web>, request: Request, next: Next) -> Response {
    let has_secret_address = request.uri().path() == setup::PATH;
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // Links may carry an access token; no other site learns our addresses, and of one nobody.
        (
            REFERRER_POLICY,
            if has_secret_address {
                "no-referrer"
            } else {
                "same-origin"
            },
        ),
        (PERMISSIONS, FEATURES),
        (OPENER, "same-origin"),
        // Other sites can't read or embed anything of ours, pictures included.
        (RESOURCES, "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Over plain HTTP browsers must ignore it (RFC 6797, 7.2).
    if web.is_https() {
        headers.insert(
            STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static(HTTPS_ONLY),
        );
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The value of a cookie, as it was sent.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// The token of `Authorization: Bearer …` (RFC 6750).
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("lang=th; theme=dark"));
        headers.append(COOKIE, HeaderValue::from_static("a=b=c"));
        assert_eq!(cookie(&headers, "theme"), Some("dark"));
        assert_eq!(cookie(&headers, "a"), Some("b=c"));
        assert_eq!(cookie(&headers, "the"), None);
    }
}
