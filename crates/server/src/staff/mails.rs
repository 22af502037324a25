//! Mails to buyers and what became of them; those that were given up are tried again from here.

use app::App;
use app::mails::{self, RetryError};
use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::{get, post};
use domain::id::MailId;
use domain::mail::{MailKind, MailStatus};
use domain::role::Permission;
use http::StatusCode;
use store::mails::{Mail, Position};

use super::frame::{Frame, done, refused};
use super::member::Member;
use crate::api::{cursor, query};
use crate::http::fields::FieldReason;
use crate::http::page::show;
use crate::http::path::Segment;
use crate::http::problem::Problem;
use crate::http::staff::{ReadMails, RetryMails};
use crate::http::web::Web;

const PATH: &str = "/staff/mails";
const SHOWN: u16 = 50;
const STATUSES: [MailStatus; 4] = [
    MailStatus::Dead,
    MailStatus::Pending,
    MailStatus::Sent,
    MailStatus::Kept,
];

pub fn routes() -> Router<Web> {
    Router::new()
        .route(PATH, get(list))
        .route("/staff/mails/{id}/retry", post(retry))
}

/// `GET /staff/mails?status=&cursor=`
async fn list(
    State(app): State<App>,
    member: Member<ReadMails>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (status, behind) = read(query.as_deref().unwrap_or_default())?;
    let page = mails::list(&app, status, (behind, SHOWN), &member.acting).await?;
    let frame = member.frame;
    let title = frame.t("staff-mails");
    let next = page.next.map(|next| {
        let mut pairs = vec![("cursor", cursor::write_moment(next.created_at, next.id))];
        pairs.extend(status.map(|status| ("status", status.as_str().to_owned())));
        format!(
            "{PATH}?{}",
            serde_urlencoded::to_string(pairs).unwrap_or_default()
        )
    });
    let page = MailsPage {
        choices: STATUSES.map(|one| StatusChoice {
            value: one.as_str(),
            name: frame.t(status_key(one)),
            is_chosen: status == Some(one),
        }),
        mails: page
            .items
            .into_iter()
            .map(|mail| Line::new(&frame, mail))
            .collect(),
        next,
        frame: frame.titled(&title),
    };
    Ok(show(StatusCode::OK, &page))
}

type Asked = (Option<MailStatus>, Option<Position>);

fn read(text: &str) -> Result<Asked, Problem> {
    let (mut status, mut behind) = (None, None);
    query::read(text, |name, value| {
        match name {
            "status" => {
                let read = query::choice(value, "a status", |text| text.parse().ok());
                status = Some(read?);
            }
            "cursor" => {
                let place = cursor::read_moment::<MailId>(value);
                let (created_at, id) = place.ok_or(query::WRONG_CURSOR)?;
                behind = Some(Position { created_at, id });
            }
            "lang" | "said" => {}
            _ => return Err(FieldReason::Unknown),
        }
        Ok(())
    })?;
    Ok((status, behind))
}

/// `POST /staff/mails/{id}/retry`
async fn retry(
    State(app): State<App>,
    member: Member<RetryMails>,
    Segment(id): Segment<MailId>,
) -> Result<Response, Problem> {
    match mails::retry(&app, id, member.acting).await {
        Ok(_) => Ok(done(PATH, "mail-retried")),
        Err(RetryError::NotDead(_)) => {
            let sentence = member.frame.t("mail-not-dead");
            let back = PATH.to_owned();
            Ok(refused(member.frame, StatusCode::CONFLICT, sentence, back))
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) const fn status_key(status: MailStatus) -> &'static str {
    match status {
        MailStatus::Pending => "mail-status-pending",
        MailStatus::Sent => "mail-status-sent",
        MailStatus::Kept => "mail-status-kept",
        MailStatus::Dead => "mail-status-dead",
    }
}

pub(super) const fn kind_key(kind: MailKind) -> &'static str {
    match kind {
        MailKind::Confirmed => "mail-kind-confirmed",
        MailKind::Cancelled => "mail-kind-cancelled",
        MailKind::Refunded => "mail-kind-refunded",
        MailKind::PaymentFailed => "mail-kind-payment-failed",
        MailKind::SignIn => "mail-kind-sign-in",
    }
}

#[derive(Debug, Template)]
#[template(path = "staff/mails.html")]
struct MailsPage {
    frame: Frame,
    choices: [StatusChoice; 4],
    mails: Vec<Line>,
    next: Option<String>,
}

#[derive(Debug)]
struct StatusChoice {
    value: &'static str,
    name: String,
    is_chosen: bool,
}

#[derive(Debug)]
struct Line {
    id: String,
    kind: String,
    recipient: String,
    reservation: Option<String>,
    status: String,
    at: String,
    /// What the mail server said last.
    error: Option<String>,
    can_retry: bool,
}

impl Line {
    fn new(frame: &Frame, mail: Mail) -> Self {
        Self {
            kind: frame.t(kind_key(mail.kind)),
            status: frame.t(status_key(mail.status)),
            at: frame.moment(mail.sent_at.unwrap_or(mail.created_at)),
            error: mail.last_error.filter(|_| mail.status != MailStatus::Sent),
            can_retry: mail.status == MailStatus::Dead && frame.may(Permission::RetryMails),
            recipient: mail.recipient,
            reservation: mail.reservation_id.map(|id| id.to_string()),
            id: mail.id.to_string(),
        }
    }
}
