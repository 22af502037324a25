//! Signing in and out with a browser. The same rules as in the API decide, and the same answers hide
//! which accounts exist.

use app::sessions::sign_out;
use app::sign_in::{self, Attempt, SignInError};
use askama::Template;
use axum::Router;
use axum::extract::{Form, Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use domain::customer::ReturnPath;
use http::header::{RETRY_AFTER, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, StatusCode, Uri};

use super::frame::{HOME, layout_of};
use super::has_page;
use super::member::{self, Member};
use crate::http::page::{Layout, show};
use crate::http::pairs::{self, Pairs, value};
use crate::http::problem::Problem;
use crate::http::staff::{Anybody, SigningIn};
use crate::http::web::Web;

pub const PATH: &str = "/staff/sign-in";
const OUT: &str = "/staff/sign-out";
const RETURN_TO: &str = "return_to";

pub fn routes() -> Router<Web> {
    Router::new()
        .route(PATH, get(show_form).post(enter))
        .route(OUT, post(leave))
}

/// The page to sign in at, which leads back to what was asked for; after an act, to the home page.
pub(super) fn address_to(parts: &Parts) -> String {
    if parts.method != http::Method::GET {
        return PATH.to_owned();
    }
    let wanted = parts
        .uri
        .path_and_query()
        .map_or(HOME, |both| both.as_str());
    if wanted == HOME {
        return PATH.to_owned();
    }
    let query = serde_urlencoded::to_string([(RETURN_TO, wanted)]);
    format!("{PATH}?{}", query.unwrap_or_default())
}

/// `GET /staff/sign-in`: the form; whoever is signed in already goes on.
async fn show_form(State(web): State<Web>, request: Request) -> Result<Response, Response> {
    let (uri, headers) = (request.uri(), request.headers());
    let pairs = pairs::of_query(uri.query());
    let return_to = return_path(value(&pairs, RETURN_TO));
    if member::find(headers, &web).await?.is_some() {
        return Ok(Redirect::to(&return_to).into_response());
    }
    let page = SignInPage::new(layout_of(uri, headers, &web), return_to);
    Ok(show(StatusCode::OK, &page))
}

/// `POST /staff/sign-in`: 303 to where they wanted to go, or the form with what is wrong.
async fn enter(
    State(web): State<Web>,
    uri: Uri,
    headers: HeaderMap,
    SigningIn(acting): SigningIn,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Problem> {
    let typed = |name| value(&pairs, name).to_owned();
    let return_to = return_path(value(&pairs, RETURN_TO));
    let code: String = value(&pairs, "totp").split_whitespace().collect();
    let attempt = Attempt {
        username: typed("username").trim().to_owned(),
        password: typed("password"),
        totp: (!code.is_empty()).then_some(code),
    };
    let username = attempt.username.clone();
    let error = match sign_in::sign_in(&web.app, attempt, acting).await {
        Ok(begun) => {
            let cookie = member::to_cookie(&begun.token, web.is_https());
            return Ok(([(SET_COOKIE, cookie)], Redirect::to(&return_to)).into_response());
        }
        Err(error) => error,
    };
    let page = SignInPage {
        username,
        ..SignInPage::new(layout_of(&uri, &headers, &web), return_to)
    };
    page.answer(error)
}

/// `POST /staff/sign-out`: 303 to the form; the session has ended, wherever else its cookie may be.
async fn leave(State(web): State<Web>, member: Member<Anybody>) -> Result<Response, Problem> {
    sign_out(&web.app, &member.signed_in).await?;
    let cookie = member::to_no_cookie(web.is_https());
    Ok(([(SET_COOKIE, cookie)], Redirect::to(PATH)).into_response())
}

/// Only a page of the staff area is followed: anything else could send somebody elsewhere.
fn return_path(wanted: &str) -> String {
    let is_ours = |path: &str| {
        let is_step = path == PATH || path == OUT || path.contains("..");
        has_page(path) && !is_step
    };
    ReturnPath::parse(wanted)
        .filter(|wanted| is_ours(wanted.as_str().split('?').next().unwrap_or_default()))
        .map_or_else(|| HOME.to_owned(), |wanted| wanted.to_string())
}

#[derive(Debug, Template)]
#[template(path = "staff/sign_in.html")]
struct SignInPage {
    layout: Layout,
    return_to: String,
    username: String,
    /// What is wrong, and of which field.
    error: Option<(&'static str, String)>,
}

impl SignInPage {
    fn new(layout: Layout, return_to: String) -> Self {
        let title = layout.t("staff-sign-in-title");
        Self {
            layout: layout.titled(&title),
            return_to,
            username: String::new(),
            error: None,
        }
    }

    fn answer(mut self, error: SignInError) -> Result<Response, Problem> {
        let (field, key, status) = match &error {
            SignInError::CodeMissing => ("totp", "staff-code-missing", StatusCode::UNAUTHORIZED),
            SignInError::Wrong => ("username", "staff-sign-in-wrong", StatusCode::UNAUTHORIZED),
            SignInError::Locked { .. } => (
                "username",
                "staff-sign-in-locked",
                StatusCode::TOO_MANY_REQUESTS,
            ),
            SignInError::Crowded(_) | SignInError::Store(_) => return Err(error.into()),
        };
        self.error = Some((field, self.layout.t(key)));
        let SignInError::Locked { wait } = error else {
            return Ok(show(status, &self));
        };
        let seconds = wait.as_secs().max(1);
        let shown = i64::try_from(seconds.div_ceil(60)).unwrap_or(i64::MAX);
        let again = self.layout.lang.count("retry-minutes", shown);
        self.error = Some((field, format!("{} {again}", self.layout.t(key))));
        let mut response = show(status, &self);
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
        Ok(response)
    }

    fn is_wrong(&self, field: &str) -> bool {
        self.error
            .as_ref()
            .is_some_and(|(wrong, _)| *wrong == field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_a_page_for_staff_and_nowhere_else() {
        for path in [
            "/staff",
            "/staff/concerts?q=a%20b",
            "/staff/reservations/RES1-2",
        ] {
            assert_eq!(return_path(path), path);
        }
        for path in [
            "",
            "/",
            "/en/",
            "//evil.example/staff/",
            "/staff/../theme",
            "/staff/\\evil.example",
            "/staff/a\r\nb",
            "https://evil.example/staff/",
            "/staffroom",
            "/staff/sign-in?return_to=/staff",
            "/staff/sign-out",
        ] {
            assert_eq!(return_path(path), HOME, "{path:?}");
        }
    }
}
