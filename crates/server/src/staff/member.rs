//! Who of the staff looks at a page, and whether their role may: by the cookie of their session.
//!
//! The API takes tokens in a header and no cookies, pages take the cookie and no header: a page of
//! another site can't act for somebody who is signed in here.
//! INVARIANT: a page gets an [`Acting`] for staff only by naming a permission, as the API does; guarded
//! by `every_staff_page_answers_each_caller_as_its_permission_says`.

use std::marker::PhantomData;

use app::sessions::{self, SignedIn};
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::HeaderMap;
use http::request::Parts;
use store::Acting;

use super::frame::Frame;
use super::sign_in::address_to;
use crate::http::headers::cookie;
use crate::http::problem::Problem;
use crate::http::staff::{Needs, acting_as};
use crate::http::web::Web;

/// A member of staff who may do what `P` names, with the frame of the page they asked for.
#[derive(Debug)]
pub struct Member<P> {
    pub signed_in: SignedIn,
    pub acting: Acting,
    pub frame: Frame,
    permission: PhantomData<P>,
}

impl<P: Needs + Send> FromRequestParts<Web> for Member<P> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        let Some(signed_in) = find(&parts.headers, web).await? else {
            return Err(Redirect::to(&address_to(parts)).into_response());
        };
        let role = signed_in.member().role;
        if !P::PERMISSION.is_none_or(|wanted| role.may(wanted)) {
            return Err(Problem::not_allowed(role).into_response());
        }
        Ok(Self {
            acting: acting_as(parts, web, &signed_in, P::PERMISSION).await,
            frame: Frame::of(parts, web, signed_in.member()),
            signed_in,
            permission: PhantomData,
        })
    }
}

/// Who the browser's cookie says it is, while the session lives.
pub(super) async fn find(headers: &HeaderMap, web: &Web) -> Result<Option<SignedIn>, Response> {
    let Some(token) = cookie(headers, cookie_name(web.is_https())) else {
        return Ok(None);
    };
    sessions::find(&web.app, token)
        .await
        .map_err(|error| Problem::from(error).into_response())
}

/// `__Host-` ties the cookie to this host and HTTPS (RFC 6265bis, 4.1.3.2).
const fn cookie_name(is_https: bool) -> &'static str {
    if is_https {
        "__Host-stagedoor-staff"
    } else {
        "stagedoor-staff"
    }
}

/// The value of `Set-Cookie` for a session that begins: it ends with the browser, and before that when
/// the session does.
pub(super) fn to_cookie(token: &str, is_https: bool) -> String {
    let (name, secure) = (cookie_name(is_https), secure(is_https));
    format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax{secure}")
}

/// The one that takes it out of the browser.
pub(super) fn to_no_cookie(is_https: bool) -> String {
    let (name, secure) = (cookie_name(is_https), secure(is_https));
    format!("{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{secure}")
}

const fn secure(is_https: bool) -> &'static str {
    if is_https { "; Secure" } else { "" }
}
