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
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use store::{Acting, StoreError};

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
        // A page that looks again by itself says so; nothing else of ours is asked by htmx.
        if parts.headers.contains_key("hx-request") {
            let Watching(member) = Watching::from_request_parts(parts, web).await?;
            return Ok(member);
        }
        let found = find(&parts.headers, web).await?;
        let signed_in = found.ok_or_else(|| Redirect::to(&address_to(parts)).into_response())?;
        Self::admit(parts, web, signed_in).await
    }
}

impl<P: Needs> Member<P> {
    async fn admit(parts: &mut Parts, web: &Web, signed_in: SignedIn) -> Result<Self, Response> {
        let role = signed_in.member().role;
        if !P::PERMISSION.is_none_or(|wanted| role.may(wanted)) {
            return Err(Problem::not_allowed(role).into_response());
        }
        Ok(Self {
            acting: acting_as(parts, web, &signed_in, P::PERMISSION).await,
            frame: Frame::of((&parts.uri, &parts.headers), web, signed_in.member()),
            signed_in,
            permission: PhantomData,
        })
    }
}

/// The same where a page asks by itself, which is no use of the session: whoever went away is signed out
/// in time. The page then goes to the sign-in, for what it would show in its place isn't what it asked for.
#[derive(Debug)]
pub struct Watching<P>(pub Member<P>);

impl<P: Needs + Send> FromRequestParts<Web> for Watching<P> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        let found = match token_of(&parts.headers, web) {
            Some(token) => sessions::look(&web.app, token).await.map_err(refused)?,
            None => None,
        };
        let signed_in = found.ok_or_else(|| sign_in_again(parts))?;
        Member::admit(parts, web, signed_in).await.map(Self)
    }
}

/// Answered with a page, htmx would look for the part that it asked for there, and find none.
fn sign_in_again(parts: &Parts) -> Response {
    let place = address_to(parts);
    if parts.headers.contains_key("hx-request") {
        return (StatusCode::NO_CONTENT, [("hx-redirect", place)]).into_response();
    }
    Redirect::to(&place).into_response()
}

/// Who the browser's cookie says it is, while the session lives.
pub(super) async fn find(headers: &HeaderMap, web: &Web) -> Result<Option<SignedIn>, Response> {
    let Some(token) = token_of(headers, web) else {
        return Ok(None);
    };
    sessions::find(&web.app, token).await.map_err(refused)
}

/// The same for a page about something that went wrong, which is no use of the session.
pub(super) async fn look(headers: &HeaderMap, web: &Web) -> Option<SignedIn> {
    let token = token_of(headers, web)?;
    sessions::look(&web.app, token).await.ok().flatten()
}

fn token_of<'a>(headers: &'a HeaderMap, web: &Web) -> Option<&'a str> {
    cookie(headers, cookie_name(web.is_https()))
}

fn refused(error: StoreError) -> Response {
    Problem::from(error).into_response()
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
