//! The way to the provider and back. What goes wrong is told on the sign-in page, with the other way
//! beside it; the cause is in the log alone.

use app::App;
use app::access::Origin;
use app::customers::{self, Answer, Failed, OidcError, Start};
use axum::extract::{FromRequestParts, RawQuery, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use domain::language::Language;
use http::StatusCode;
use http::header::{RETRY_AFTER, SET_COOKIE};
use http::request::Parts;

use super::sign_in::{SignInPage, return_path, sign_in_address, signed_in};
use super::visitor::{Holdings, Visitor};
use crate::http::client::origin;
use crate::http::page::{self, Layout};
use crate::http::pairs::{self, value};
use crate::http::problem::Problem;
use crate::http::web::Web;
use crate::i18n::Lang;

/// Who comes to these addresses, which have no language of their own.
#[derive(Debug)]
pub struct Asked {
    layout: Layout,
    holdings: Holdings,
    origin: Origin,
}

impl FromRequestParts<Web> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let visitor = Visitor::of("/auth", &parts.headers);
        let Ok(holdings) = Holdings::from_request_parts(parts, web).await;
        Ok(Self {
            layout: Layout::new(&web.site, visitor.lang, visitor.theme, "/sign-in"),
            holdings,
            origin: origin(parts, web).await,
        })
    }
}

/// `GET /auth/oidc/start?lang=&return_to=`: 303 to the provider.
pub async fn start(
    State(app): State<App>,
    asked: Asked,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let pairs = pairs::of_query(query.as_deref());
    let Asked {
        layout,
        mut holdings,
        origin,
    } = asked;
    let lang: Lang = value(&pairs, "lang").parse().unwrap_or(layout.lang);
    let layout = Layout { lang, ..layout };
    let return_to = return_path(value(&pairs, "return_to"), &layout);
    let wish = Start {
        language: lang.language(),
        return_to: return_to.clone(),
        origin,
    };
    match customers::begin_oidc(&app, wish).await {
        Ok(started) => {
            holdings.set_pending(Some(started.browser));
            let cookie = [(SET_COOKIE, holdings.to_cookie())];
            Ok((cookie, Redirect::to(&started.location)).into_response())
        }
        Err(error) => {
            let began = Some((lang.language(), return_to));
            failed(&app, layout, Failed { error, began })
        }
    }
}

/// `GET /auth/oidc/callback`: where the provider sends the browser back to.
pub async fn callback(
    State(app): State<App>,
    asked: Asked,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let pairs = pairs::of_query(query.as_deref());
    let given = |field: &str| Some(value(&pairs, field).to_owned()).filter(|it| !it.is_empty());
    let Asked {
        layout,
        holdings,
        origin,
    } = asked;
    let answer = Answer {
        code: given("code"),
        state: given("state"),
        error: given("error"),
        issuer: given("iss"),
        browser: holdings.pending().map(str::to_owned),
    };
    let before = holdings.session().map(str::to_owned);
    match customers::finish_oidc(&app, answer, before, origin).await {
        Ok(begun) => Ok(signed_in(holdings, begun)),
        Err(failure) => failed(&app, layout, failure),
    }
}

/// The sign-in page with what happened.
fn failed(app: &App, layout: Layout, failure: Failed) -> Result<Response, Problem> {
    let Failed { error, began } = failure;
    let lang = began
        .as_ref()
        .map_or(layout.lang, |(language, _): &(Language, _)| {
            Lang::of(*language)
        });
    let layout = Layout { lang, ..layout };
    let return_to = began.map_or_else(|| return_path("", &layout), |(_, path)| path);
    let (status, key) = match error {
        OidcError::Store(error) => return Err(error.into()),
        OidcError::NotConfigured => return Err(Problem::not_found()),
        OidcError::Cancelled => {
            let address = sign_in_address(&layout, return_to.as_str());
            return Ok(Redirect::to(&format!("{address}&said=cancelled")).into_response());
        }
        OidcError::Unknown => (StatusCode::BAD_REQUEST, "sign-in-unknown"),
        OidcError::Unverified => (StatusCode::FORBIDDEN, "sign-in-unverified"),
        OidcError::Refused(cause) => {
            tracing::warn!(cause, "a provider's sign-in was refused");
            (StatusCode::FORBIDDEN, "sign-in-refused")
        }
        OidcError::Away(cause) => {
            tracing::warn!(cause, "the provider of sign-ins is away");
            (StatusCode::SERVICE_UNAVAILABLE, "sign-in-away")
        }
    };
    let mut sign_in = SignInPage::new(app, layout, &return_to);
    sign_in.notice = Some(sign_in.layout.t(key));
    let mut response = page::show(status, &sign_in);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, 30.into());
    }
    Ok(response)
}
