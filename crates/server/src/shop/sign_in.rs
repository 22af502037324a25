//! Signing in: the page with both ways, and the link that a mail brings.
//!
//! The link's page only asks; the button signs in. So a program that checks mails and follows what is in
//! them doesn't use it up.

use app::App;
use app::customers::{self, Begun, LinkError, Wish};
use askama::Template;
use axum::extract::{Form, FromRequestParts, RawPathParams, RawQuery, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use domain::customer::ReturnPath;
use domain::text::EmailAddress;
use http::StatusCode;
use http::header::SET_COOKIE;
use http::request::Parts;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::asked::Asked;
use super::visitor::Holdings;
use crate::http::client::origin;
use crate::http::page::Layout;
use crate::http::pairs::{self, Pairs, value};
use crate::http::problem::Problem;
use crate::http::web::Web;

/// What a query's value can't have as it is.
const IN_QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'<')
    .add(b'>')
    .add(b'?');

/// `GET /{lang}/sign-in?return_to=`
pub async fn show(
    State(app): State<App>,
    Asked { layout, answer }: Asked,
    RawQuery(query): RawQuery,
) -> Response {
    let pairs = pairs::of_query(query.as_deref());
    let return_to = return_path(value(&pairs, "return_to"), &layout);
    let mut page = SignInPage::new(&app, layout, &return_to);
    if value(&pairs, "said") == "cancelled" {
        page.notice = Some(page.layout.t("sign-in-cancelled"));
    }
    answer.private(StatusCode::OK, &page)
}

/// `POST /{lang}/sign-in`: the same page for every address, whether we know it or not.
pub async fn ask(
    State(app): State<App>,
    asking: Asking,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Problem> {
    let Asking { asked, origin } = asking;
    let Asked { layout, answer } = asked;
    let return_to = return_path(value(&pairs, "return_to"), &layout);
    let typed = value(&pairs, "email");
    let Ok(email) = EmailAddress::parse(typed) else {
        let mut page = SignInPage::new(&app, layout, &return_to);
        typed.clone_into(&mut page.email);
        page.error = Some(page.layout.t("error-email"));
        return Ok(answer.private(StatusCode::UNPROCESSABLE_ENTITY, &page));
    };
    let wish = Wish {
        email: email.clone(),
        language: layout.lang.language(),
        return_to: return_to.clone(),
        origin,
    };
    customers::ask_for_link(&app, wish).await?;
    let note = NotePage {
        heading: layout.t("sign-in-sent-title"),
        sentences: vec![
            layout
                .lang
                .text_with("sign-in-sent-sentence", &[("email", email.as_str())]),
            layout.t("sign-in-sent-hint"),
        ],
        form: None,
        action: Some((
            layout.t("sign-in-again"),
            sign_in_address(&layout, return_to.as_str()),
        )),
        layout: titled(layout, "sign-in-sent-title"),
    };
    Ok(answer.private(StatusCode::OK, &note))
}

/// `GET /{lang}/sign-in/{token}`: whose link it is, and a button.
pub async fn look(
    State(app): State<App>,
    Asked { layout, answer }: Asked,
    Token(token): Token,
) -> Result<Response, Problem> {
    let Some(email) = customers::look_at_link(&app, &token).await? else {
        return Ok(answer.private(StatusCode::GONE, &over(layout)));
    };
    let sentence = layout
        .lang
        .text_with("sign-in-link-sentence", &[("email", email.as_str())]);
    let page = NotePage {
        heading: layout.t("sign-in-link-title"),
        sentences: vec![sentence],
        form: Some((
            layout.t("sign-in-link-submit"),
            layout.href(&format!("/sign-in/{token}")),
        )),
        action: None,
        layout: titled(layout, "sign-in-link-title"),
    };
    Ok(answer.private(StatusCode::OK, &page))
}

/// `POST /{lang}/sign-in/{token}`: 303 to where they wanted to go, signed in.
pub async fn enter(
    State(app): State<App>,
    asking: Asking,
    holdings: Holdings,
    Token(token): Token,
) -> Result<Response, Problem> {
    let Asking { asked, origin } = asking;
    let before = holdings.session().map(str::to_owned);
    match customers::use_link(&app, &token, before, origin).await {
        Ok(begun) => Ok(signed_in(holdings, begun)),
        Err(LinkError::Over) => {
            let Asked { layout, answer } = asked;
            Ok(answer.private(StatusCode::GONE, &over(layout)))
        }
        Err(LinkError::Store(error)) => Err(error.into()),
    }
}

/// To where they wanted to go, with the session in the cookie beside what the browser holds.
pub(super) fn signed_in(mut holdings: Holdings, begun: Begun) -> Response {
    holdings.set_session(begun.token);
    holdings.set_pending(None);
    let cookie = [(SET_COOKIE, holdings.to_cookie())];
    (cookie, Redirect::to(begun.return_to.as_str())).into_response()
}

/// A link that was used, is over or never was: which of them nobody is told.
fn over(layout: Layout) -> NotePage {
    // Nobody comes back to this address.
    let layout = Layout {
        path: "/sign-in".to_owned(),
        query: String::new(),
        ..layout
    };
    NotePage {
        heading: layout.t("sign-in-over-title"),
        sentences: vec![layout.t("sign-in-over-sentence")],
        form: None,
        action: Some((layout.t("sign-in-over-action"), layout.href("/sign-in"))),
        layout: titled(layout, "sign-in-over-title"),
    }
}

/// The page of a form, and where its sender is.
#[derive(Debug)]
pub struct Asking {
    asked: Asked,
    origin: app::access::Origin,
}

impl FromRequestParts<Web> for Asking {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        Ok(Self {
            asked: Asked::from_request_parts(parts, web).await?,
            origin: origin(parts, web).await,
        })
    }
}

/// The segment `{token}`; what can't be one isn't looked up.
#[derive(Debug)]
pub struct Token(String);

impl FromRequestParts<Web> for Token {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let parameters = RawPathParams::from_request_parts(parts, web)
            .await
            .map_err(|_| Problem::not_found())?;
        let token = parameters.iter().find(|(name, _)| *name == "token");
        let is_of_tokens = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        token
            .filter(|(_, token)| token.bytes().all(is_of_tokens))
            .map(|(_, token)| Self(token.to_owned()))
            .ok_or_else(Problem::not_found)
    }
}

/// The address of the sign-in page that leads back to a path of this site.
pub fn sign_in_address(layout: &Layout, return_to: &str) -> String {
    let return_to = utf8_percent_encode(return_to, IN_QUERY);
    layout.href(&format!("/sign-in?return_to={return_to}"))
}

/// Where somebody wants to go who signs in; without a wish to their reservations.
pub(super) fn return_path(text: &str, layout: &Layout) -> ReturnPath {
    let own = || ReturnPath::parse(&layout.href("/me"));
    let home = || ReturnPath::parse("/").expect("a path");
    ReturnPath::parse(text).or_else(own).unwrap_or_else(home)
}

fn titled(layout: Layout, key: &str) -> Layout {
    let title = layout.t(key);
    layout.titled(&title)
}

/// Both ways to sign in.
#[derive(Debug, Template)]
#[template(path = "sign_in.html")]
pub struct SignInPage {
    pub layout: Layout,
    /// What just failed.
    pub notice: Option<String>,
    /// The way to the provider, where there is one: what it says and where it leads.
    provider: Option<(String, String)>,
    action: String,
    return_to: String,
    email: String,
    error: Option<String>,
}

impl SignInPage {
    pub fn new(app: &App, layout: Layout, return_to: &ReturnPath) -> Self {
        let return_to = return_to.as_str();
        let query = utf8_percent_encode(return_to, IN_QUERY);
        let layout = Layout {
            path: "/sign-in".to_owned(),
            query: format!("?return_to={query}"),
            ..titled(layout, "sign-in-title")
        };
        let provider = app.oidc().map(|oidc| {
            let key = if oidc.is_google() {
                "sign-in-google"
            } else {
                "sign-in-provider"
            };
            let lang = layout.lang.as_str();
            let href = format!("/auth/oidc/start?lang={lang}&return_to={query}");
            (layout.t(key), href)
        });
        Self {
            notice: None,
            provider,
            action: layout.href("/sign-in"),
            return_to: return_to.to_owned(),
            email: String::new(),
            error: None,
            layout,
        }
    }
}

/// A heading, what is to be said, and one thing to do.
#[derive(Debug, Template)]
#[template(path = "sign_in_note.html")]
pub(super) struct NotePage {
    pub layout: Layout,
    pub heading: String,
    pub sentences: Vec<String>,
    /// What a button says and where it sends.
    pub form: Option<(String, String)>,
    /// What a link says and where it leads.
    pub action: Option<(String, String)>,
}
