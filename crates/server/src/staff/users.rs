//! Accounts of staff: who may do what.

use app::App;
use app::staff::{self, Change, NewStaffMember, StaffError, StaffMember};
use askama::Template;
use axum::Router;
use axum::extract::{Form, State};
use axum::response::Response;
use axum::routing::{get, post};
use domain::id::AdminUserId;
use domain::password::Password;
use domain::role::{Permission, Role};
use domain::text::{EmailAddress, Username};
use http::StatusCode;

use super::form::{Field, sentence, summary};
use super::frame::{Frame, done, refused, role_key};
use super::member::Member;
use crate::http::fields::{FieldError, FieldReason, Fields};
use crate::http::page::show;
use crate::http::pairs::{Pairs, value};
use crate::http::path::Segment;
use crate::http::problem::Problem;
use crate::http::staff::{ManageUsers, ReadUsers};
use crate::http::web::Web;

const PATH: &str = "/staff/users";
/// A house has some dozens.
const SHOWN_MAX: i64 = 500;

pub fn routes() -> Router<Web> {
    Router::new()
        .route(PATH, get(list).post(create))
        .route("/staff/users/{id}/role", post(change_role))
        .route("/staff/users/{id}/password", post(give_password))
        .route("/staff/users/{id}/factor", post(forget_factor))
        .route("/staff/users/{id}/disable", post(disable))
        .route("/staff/users/{id}/enable", post(enable))
        .route("/staff/users/{id}/sessions", post(end_sessions))
        .route("/staff/users/{id}/delete", post(delete))
}

/// `GET /staff/users`
async fn list(State(app): State<App>, member: Member<ReadUsers>) -> Result<Response, Problem> {
    let form = NewForm::empty(&member.frame);
    Ok(show(
        StatusCode::OK,
        &page_of(&app, member.frame, form).await?,
    ))
}

/// `POST /staff/users`: makes an account, or shows the form with what is wrong.
async fn create(
    State(app): State<App>,
    member: Member<ManageUsers>,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Problem> {
    let typed = pairs.clone();
    let errors = match read(pairs) {
        Ok(new) => match staff::create(&app, new, member.acting).await {
            Ok(_) => return Ok(done(PATH, "account-made")),
            Err(error) => vec![wrong(error)?],
        },
        Err(errors) => errors,
    };
    let form = NewForm::typed(&member.frame, &typed, &errors);
    let page = page_of(&app, member.frame, form).await?;
    Ok(show(StatusCode::UNPROCESSABLE_ENTITY, &page))
}

fn read(pairs: Pairs) -> Result<NewStaffMember, Vec<FieldError>> {
    let mut fields = Fields::from_form(pairs);
    let username = fields.text("username", Username::parse);
    let email = fields.text("email", EmailAddress::parse);
    let role = fields.choice("role", "a role", |text| text.parse().ok());
    let password = fields.text("password", Password::parse);
    let errors = fields.finish();
    match (username, email, role, password) {
        (Some(username), Some(email), Some(role), Some(password)) if errors.is_empty() => {
            Ok(NewStaffMember {
                username,
                email,
                role,
                password,
            })
        }
        _ => Err(errors),
    }
}

/// Which field of a new account is at fault, where one is.
fn wrong(error: StaffError) -> Result<FieldError, Problem> {
    let (field, reason) = match error {
        StaffError::NameTaken => ("username", FieldReason::Taken),
        StaffError::EmailTaken => ("email", FieldReason::Taken),
        StaffError::Guessable(_) => ("password", FieldReason::Guessable),
        error => return Err(error.into()),
    };
    Ok(FieldError {
        field: field.to_owned(),
        reason,
    })
}

/// `POST /staff/users/{id}/role` with `role`
async fn change_role(
    State(app): State<App>,
    member: Member<ManageUsers>,
    Segment(id): Segment<AdminUserId>,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Problem> {
    let wanted = value(&pairs, "role").parse().ok();
    let Some(role) = wanted else {
        return Ok(refuse(member.frame, "account-choose-role"));
    };
    let change = Change {
        role: Some(role),
        ..Change::default()
    };
    changed(&app, member, id, (change, "account-role")).await
}

/// `POST /staff/users/{id}/password` with `password`: a new one for somebody who has forgotten theirs.
async fn give_password(
    State(app): State<App>,
    member: Member<ManageUsers>,
    Segment(id): Segment<AdminUserId>,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Problem> {
    let password = match Password::parse(value(&pairs, "password")) {
        Ok(password) => password,
        Err(error) => {
            let why = sentence(member.frame.lang(), FieldReason::Text(error));
            let why = format!("{}: {why}", member.frame.t("account-new"));
            return Ok(refuse_with(member.frame, why));
        }
    };
    let change = Change {
        password: Some(password),
        ..Change::default()
    };
    changed(&app, member, id, (change, "account-password")).await
}

/// `POST /staff/users/{id}/factor`: for somebody who has lost it.
async fn forget_factor(
    State(app): State<App>,
    member: Member<ManageUsers>,
    Segment(id): Segment<AdminUserId>,
) -> Result<Response, Problem> {
    let change = Change {
        forget_totp: true,
        ..Change::default()
    };
    changed(&app, member, id, (change, "account-factor")).await
}

/// `POST /staff/users/{id}/disable`
async fn disable(
    State(app): State<App>,
    member: Member<ManageUsers>,
    Segment(id): Segment<AdminUserId>,
) -> Result<Response, Problem> {
    changed(&app, member, id, (activity(false), "account-disabled")).await
}

/// `POST /staff/users/{id}/enable`
async fn enable(
    State(app): State<App>,
    member: Member<ManageUsers>,
    Segment(id): Segment<AdminUserId>,
) -> Result<Response, Problem> {
    changed(&app, member, id, (activity(true), "account-enabled")).await
}

fn activity(is_active: bool) -> Change {
    Change {
        is_active: Some(is_active),
        ..Change::default()
    }
}

/// `POST /staff/users/{id}/sessions`: ends them, of one's own account all but this one.
async fn end_sessions(
    State(app): State<App>,
    member: Member<ManageUsers>,
    Segment(id): Segment<AdminUserId>,
) -> Result<Response, Problem> {
    let ended = staff::end_sessions(&app, id, member.acting).await;
    answer(member.frame, ended, "account-sessions")
}

/// `POST /staff/users/{id}/delete`
async fn delete(
    State(app): State<App>,
    member: Member<ManageUsers>,
    Segment(id): Segment<AdminUserId>,
) -> Result<Response, Problem> {
    let deleted = staff::delete(&app, id, member.acting).await;
    answer(member.frame, deleted, "account-deleted")
}

async fn changed(
    app: &App,
    member: Member<ManageUsers>,
    id: AdminUserId,
    (change, said): (Change, &str),
) -> Result<Response, Problem> {
    let changed = staff::change(app, id, change, member.acting).await;
    answer(member.frame, changed, said)
}

fn answer<T>(
    frame: Frame,
    outcome: Result<T, StaffError>,
    said: &str,
) -> Result<Response, Problem> {
    let key = match outcome {
        Ok(_) => return Ok(done(PATH, said)),
        Err(StaffError::LastSuperadmin) => "account-last",
        Err(StaffError::OwnPassword | StaffError::OwnTotp) => "account-own",
        Err(StaffError::Guessable(_)) => "error-password-weak",
        Err(error) => return Err(error.into()),
    };
    Ok(refuse(frame, key))
}

fn refuse(frame: Frame, key: &str) -> Response {
    let why = frame.t(key);
    refuse_with(frame, why)
}

fn refuse_with(frame: Frame, why: String) -> Response {
    refused(frame, StatusCode::CONFLICT, why, PATH.to_owned())
}

async fn page_of(app: &App, frame: Frame, form: NewForm) -> Result<UsersPage, Problem> {
    let members = staff::list(app, 0, SHOWN_MAX).await?;
    let title = frame.t("staff-users");
    Ok(UsersPage {
        errors: summary(&form.fields),
        members: members.iter().map(|one| Line::new(&frame, one)).collect(),
        can_manage: frame.may(Permission::ManageUsers),
        form,
        frame: frame.titled(&title),
    })
}

#[derive(Debug, Template)]
#[template(path = "staff/users.html")]
struct UsersPage {
    frame: Frame,
    errors: Vec<(&'static str, String)>,
    members: Vec<Line>,
    can_manage: bool,
    form: NewForm,
}

/// The form of a new account.
#[derive(Debug)]
struct NewForm {
    fields: [Field; 3],
    roles: [RoleChoice; 3],
}

#[derive(Debug)]
struct RoleChoice {
    value: &'static str,
    name: String,
    is_chosen: bool,
}

impl NewForm {
    fn empty(frame: &Frame) -> Self {
        Self::typed(frame, &Vec::new(), &[])
    }

    fn typed(frame: &Frame, typed: &Pairs, errors: &[FieldError]) -> Self {
        let field = |name, kind, label: &str| {
            // A password is never sent back.
            let shown = if kind == "password" {
                ""
            } else {
                value(typed, name)
            };
            Field::new(name, kind, frame.t(label)).filled(frame.lang(), shown.to_owned(), errors)
        };
        let chosen = value(typed, "role").parse().unwrap_or(Role::Moderator);
        Self {
            fields: [
                field("username", "text", "setup-username")
                    .with_hint(frame.t("setup-username-hint")),
                field("email", "email", "setup-email"),
                field("password", "password", "setup-password")
                    .with_hint(frame.t("setup-password-hint"))
                    .completed_as("new-password"),
            ],
            roles: choices(frame, chosen),
        }
    }
}

fn choices(frame: &Frame, chosen: Role) -> [RoleChoice; 3] {
    let roles = [Role::Moderator, Role::Admin, Role::Superadmin];
    roles.map(|role| RoleChoice {
        value: role.as_str(),
        name: frame.t(role_key(role)),
        is_chosen: role == chosen,
    })
}

/// One account.
#[derive(Debug)]
struct Line {
    id: i32,
    username: String,
    /// What the fold with its acts says.
    change: String,
    email: String,
    role: String,
    roles: [RoleChoice; 3],
    is_active: bool,
    is_me: bool,
    has_factor: bool,
    /// When they signed in last.
    last_login: Option<String>,
}

impl Line {
    fn new(frame: &Frame, member: &StaffMember) -> Self {
        Self {
            id: member.id.get(),
            change: frame
                .lang()
                .text_with("account-change", &[("name", &member.username)]),
            username: member.username.clone(),
            email: member.email.clone(),
            role: frame.t(role_key(member.role)),
            roles: choices(frame, member.role),
            is_active: member.is_active,
            is_me: member.username == frame.username,
            has_factor: member.has_totp,
            last_login: member.last_login.map(|at| frame.moment(at)),
        }
    }
}
