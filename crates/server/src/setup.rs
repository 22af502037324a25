//! The page that makes the first superadmin, at the address that the server's log shows once.
//!
//! Absent on purpose: when the address counts, which is `app::first_setup`'s.

use app::App;
use app::first_setup::{self, SetupError};
use app::staff::{NewStaffMember, StaffError, StaffMember};
use askama::Template;
use axum::extract::{Form, FromRequestParts, RawQuery, State};
use axum::response::Response;
use domain::password::Password;
use domain::role::Role;
use domain::text::{EmailAddress, TextError, Username};
use http::StatusCode;
use http::request::Parts;
use store::Acting;

use crate::http::fields::{FieldError, FieldReason, Fields};
use crate::http::page::{self, ErrorPage, Layout};
use crate::http::pairs::{self, Pairs, value};
use crate::http::problem::Problem;
use crate::http::staff::SigningIn;
use crate::http::web::Web;
use crate::i18n::Lang;
use crate::shop::visitor::Visitor;

pub const PATH: &str = "/staff/setup";

/// `GET /staff/setup?t=…`: the form, or that the address counts no more.
pub async fn show(
    State(app): State<App>,
    asked: Asked,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let asked = asked.read(&pairs::of_query(query.as_deref()));
    if !first_setup::is_open(&app, &asked.token).await? {
        return Ok(closed(&asked.layout));
    }
    let form = SetupPage::new(asked, Typed::default(), &[]);
    Ok(page::show(StatusCode::OK, &form))
}

/// `POST /staff/setup`: who was made and what comes next, or the form again.
pub async fn create(
    State(app): State<App>,
    asked: Asked,
    SigningIn(acting): SigningIn,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Problem> {
    let asked = asked.read(&pairs);
    let typed = Typed::of(&pairs);
    let new = match read(pairs) {
        Ok(new) => new,
        Err(errors) => return again(&app, asked, typed, &errors).await,
    };
    let by = Acting {
        actor: domain::actor::Actor::System("setup"),
        ..acting
    };
    match first_setup::create(&app, &asked.token, new, by).await {
        Ok(made) => Ok(done(&asked.layout, &made)),
        Err(SetupError::Closed) => Ok(closed(&asked.layout)),
        Err(SetupError::Staff(error)) => {
            let (field, reason) = match error {
                StaffError::NameTaken => ("username", FieldReason::Taken),
                StaffError::EmailTaken => ("email", FieldReason::Taken),
                StaffError::Guessable(_) => ("password", FieldReason::Guessable),
                error => return Err(error.into()),
            };
            let refused = FieldError {
                field: field.to_owned(),
                reason,
            };
            again(&app, asked, typed, &[refused]).await
        }
    }
}

/// What was asked for: the page's frame and the token.
#[derive(Debug)]
pub struct Asked {
    layout: Layout,
    token: String,
}

impl FromRequestParts<Web> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let visitor = Visitor::of(PATH, &parts.headers);
        let layout = Layout::new(&web.site, visitor.lang, visitor.theme, PATH);
        Ok(Self {
            layout: layout.without_lang_path().at_secret_address(),
            token: String::new(),
        })
    }
}

impl Asked {
    /// Token and language from the query or the form.
    fn read(self, pairs: &Pairs) -> Self {
        let token = value(pairs, "t");
        let lang = value(pairs, "lang").parse().unwrap_or(self.layout.lang);
        let plain = token
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        // What is no token isn't carried along in the page's links either.
        let token = if plain { token } else { "" };
        let query = format!("t={token}");
        let title = lang.text("setup-title");
        Self {
            layout: Layout {
                lang,
                ..self.layout
            }
            .with_query(Some(&query))
            .titled(&title),
            token: token.to_owned(),
        }
    }
}

fn read(pairs: Pairs) -> Result<NewStaffMember, Vec<FieldError>> {
    let mut fields = Fields::from_form(pairs);
    let username = fields.text("username", Username::parse);
    let email = fields.text("email", EmailAddress::parse);
    let password = fields.text("password", Password::parse);
    if let (Some(username), Some(email), Some(password)) = (username, email, password) {
        return Ok(NewStaffMember {
            username,
            email,
            role: Role::Superadmin,
            password,
        });
    }
    // The token and what else stands in the form isn't judged here.
    let mut errors = fields.finish();
    errors.retain(|error| error.reason != FieldReason::Unknown);
    Err(errors)
}

/// The form as it was typed, but for the password, which is never sent back.
#[derive(Clone, Debug, Default)]
struct Typed {
    username: String,
    email: String,
}

impl Typed {
    fn of(pairs: &Pairs) -> Self {
        Self {
            username: value(pairs, "username").to_owned(),
            email: value(pairs, "email").to_owned(),
        }
    }
}

async fn again(
    app: &App,
    asked: Asked,
    typed: Typed,
    errors: &[FieldError],
) -> Result<Response, Problem> {
    // Whoever has no token learns nothing from the form.
    if !first_setup::is_open(app, &asked.token).await? {
        return Ok(closed(&asked.layout));
    }
    let form = SetupPage::new(asked, typed, errors);
    Ok(page::show(StatusCode::UNPROCESSABLE_ENTITY, &form))
}

fn closed(layout: &Layout) -> Response {
    let mut page = ErrorPage::new(elsewhere(layout), StatusCode::NOT_FOUND);
    page.heading = layout.t("setup-closed-title");
    page.sentence = layout.t("setup-closed-sentence");
    page.layout = page.layout.titled(&page.heading);
    page.into_response()
}

/// The frame of a page that can't be asked for again, so that its links lead to the concerts.
fn elsewhere(layout: &Layout) -> Layout {
    Layout::new(&layout.site, layout.lang, layout.theme, "/").at_secret_address()
}

fn done(layout: &Layout, made: &StaffMember) -> Response {
    let page = DonePage {
        layout: elsewhere(layout).titled(&layout.t("setup-done-title")),
        sentence: layout
            .lang
            .text_with("setup-done-sentence", &[("name", &made.username)]),
    };
    page::show(StatusCode::CREATED, &page)
}

#[derive(Debug, Template)]
#[template(path = "setup.html")]
struct SetupPage {
    layout: Layout,
    token: String,
    fields: [Field; 3],
}

#[derive(Debug, Template)]
#[template(path = "setup_done.html")]
struct DonePage {
    layout: Layout,
    sentence: String,
}

/// A field of the form, which is required.
#[derive(Debug)]
struct Field {
    name: &'static str,
    kind: &'static str,
    autocomplete: &'static str,
    label: String,
    hint: String,
    value: String,
    error: Option<String>,
}

impl SetupPage {
    fn new(asked: Asked, typed: Typed, errors: &[FieldError]) -> Self {
        let lang = asked.layout.lang;
        let field = |name, (kind, autocomplete), value| Field {
            name,
            kind,
            autocomplete,
            label: lang.text(label_of(name)),
            hint: lang.text(hint_of(name)),
            value,
            error: error_of(lang, name, errors),
        };
        let fields = [
            field("username", ("text", "username"), typed.username),
            field("email", ("email", "email"), typed.email),
            field("password", ("password", "new-password"), String::new()),
        ];
        Self {
            layout: asked.layout,
            token: asked.token,
            fields,
        }
    }

    fn problem_count(&self) -> i64 {
        let wrong = self.fields.iter().filter(|field| field.error.is_some());
        i64::try_from(wrong.count()).unwrap_or(i64::MAX)
    }
}

fn label_of(field: &str) -> &'static str {
    match field {
        "username" => "setup-username",
        "email" => "setup-email",
        _ => "setup-password",
    }
}

fn hint_of(field: &str) -> &'static str {
    match field {
        "username" => "setup-username-hint",
        "email" => "setup-email-hint",
        _ => "setup-password-hint",
    }
}

/// What is wrong with a field, as a sentence.
fn error_of(lang: Lang, field: &str, errors: &[FieldError]) -> Option<String> {
    let error = errors.iter().find(|error| error.field == field)?;
    let key = match (field, error.reason) {
        (_, FieldReason::Taken) => "error-taken",
        (_, FieldReason::Guessable) => "error-password-weak",
        ("username", _) => "error-username",
        ("email", _) => "error-email",
        (_, FieldReason::Text(TextError::TooManyBytes { .. })) => "error-password-long",
        (_, FieldReason::Text(TextError::ControlCharacter)) => "error-password-characters",
        _ => "error-password-short",
    };
    Some(lang.text(key))
}
