//! A buyer's own tickets: on the reservation's page, on one for the door, to print, for a calendar, and
//! by mail once more.
//!
//! The page for the door may be kept on the buyer's device by `assets/sw.js`, which nothing else may: its
//! header says until when, and without that header no copy is made and every older one is dropped.

use std::time::Duration;

use app::access::Holder;
use app::mails::{self, OwnResendError};
use app::tickets::{self, IssueError, Issued};
use app::{App, concerts};
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use domain::concert::Concert;
use domain::id::ReservationId;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::moment;
use super::reservation::{ConcertLine, MAIL_SENT, Own};
use crate::http::page::Layout;
use crate::http::problem::Problem;
use crate::http::web::Web;
use crate::i18n::Lang;
use crate::takeaway;

/// Until when a copy may be kept: milliseconds since 1970.
const KEEP_UNTIL: HeaderName = HeaderName::from_static("x-keep-until");
/// From midnight after the concert's day: the last encore is over by then.
const KEPT_AFTER_DAY: Duration = Duration::from_hours(6);
const WORKER: &str = include_str!("../../assets/sw.js");

/// `GET /{lang}/r/{id}/tickets`: what the door needs, and nothing else.
pub async fn show(State(app): State<App>, own: Own) -> Result<Response, Problem> {
    let Some(issued) = issue(&app, &own.holder).await? else {
        return Ok(back(&own));
    };
    let concert = concerts::show_current(&app, issued.reservation.concert_id).await?;
    let until = concert
        .as_ref()
        .and_then(|concert| kept_until(concert, &own.layout().site.time_zone))
        .filter(|until| *until > app.ctx().now());
    let page = DoorPage::new(&own, &issued, concert.as_ref(), (app.ctx().now(), until))?;
    let mut response = own.show(StatusCode::OK, &page);
    if let Some(until) = until {
        let until = HeaderValue::from(until.as_millisecond());
        response.headers_mut().insert(KEEP_UNTIL, until);
    }
    Ok(response)
}

/// `GET /{lang}/r/{id}/tickets.pdf`
pub async fn pdf(State(app): State<App>, own: Own) -> Result<Response, Problem> {
    let Some(issued) = issue(&app, &own.holder).await? else {
        return Ok(back(&own));
    };
    let name = takeaway::pdf_name(&issued.reservation.id);
    let bytes = takeaway::pdf(&app, issued, own.layout().lang).await?;
    Ok(takeaway::file(takeaway::PDF, &name, bytes))
}

/// `GET /{lang}/r/{id}/calendar.ics`
pub async fn calendar(State(web): State<Web>, own: Own) -> Result<Response, Problem> {
    let Some(issued) = issue(&web.app, &own.holder).await? else {
        return Ok(back(&own));
    };
    let name = takeaway::calendar_name(&issued.reservation.id);
    let (lang, base_url) = (own.layout().lang, &web.site.base_url);
    let text = takeaway::calendar(&web.app, &issued, lang, base_url).await?;
    Ok(takeaway::file(takeaway::CALENDAR, &name, text.into_bytes()))
}

/// `POST /{lang}/r/{id}/resend`: the mail with the tickets once more, now and then.
pub async fn resend(State(app): State<App>, own: Own) -> Result<Response, Problem> {
    let language = own.layout().lang.language();
    let Err(error) = mails::resend_own(&app, &own.holder, language).await else {
        let page = format!("{}?{MAIL_SENT}", own.address(""));
        return Ok(Redirect::to(&page).into_response());
    };
    let why_not = match &error {
        OwnResendError::TooSoon { .. } => "resend-soon",
        OwnResendError::TooOften { .. } => "resend-often",
        OwnResendError::NotConfirmed => "resend-not-possible",
        OwnResendError::NotFound | OwnResendError::Store(_) => return Err(error.into()),
    };
    own.explain(&app, error.into(), why_not).await
}

/// `GET /sw.js`: outside of `/assets`, because a worker answers for nothing above its own address.
pub async fn worker() -> Response {
    let headers = [
        (CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, WORKER).into_response()
}

/// To the reservation's page, which says how it stands.
fn back(own: &Own) -> Response {
    Redirect::to(&own.address("")).into_response()
}

/// The tickets, or `None` while they aren't the buyer's, or no longer.
pub(super) async fn issue(app: &App, holder: &Holder) -> Result<Option<Issued>, Problem> {
    match tickets::issue(app, holder).await {
        Ok(issued) => Ok(Some(issued)),
        Err(IssueError::Transition(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn kept_until(concert: &Concert, zone: &TimeZone) -> Option<Timestamp> {
    let midnight = concert.date.tomorrow().ok()?.to_zoned(zone.clone()).ok()?;
    midnight.timestamp().checked_add(KEPT_AFTER_DAY).ok()
}

/// The pages for the door in every language, with spaces between.
pub(super) fn door_pages(id: &ReservationId) -> String {
    Lang::ALL
        .map(|lang| format!("/{}/r/{id}/tickets", lang.as_str()))
        .join(" ")
}

/// One ticket as it is shown.
#[derive(Debug)]
pub struct Pass {
    pub number: i32,
    pub name: String,
    pub code: String,
    /// An SVG.
    pub qr: String,
    /// When its holder was let in, as a sentence; such a ticket has no code to scan.
    pub used: Option<String>,
}

pub(super) fn passes(layout: &Layout, issued: &Issued) -> Result<Vec<Pass>, Problem> {
    let total = issued.tickets.len().to_string();
    let zone = &layout.site.time_zone;
    let pass = |issue: &tickets::Issue| {
        let number = issue.ticket.number.to_string();
        let values = [("number", number.as_str()), ("total", total.as_str())];
        let title = layout.lang.text_with("pass-qr", &values);
        let used = issue
            .ticket
            .used_at
            .map(|at| moment(layout.lang, "pass-used", (at, zone)));
        Ok(Pass {
            number: issue.ticket.number,
            name: layout.lang.text_with("pass-name", &values),
            code: issue.ticket.code.to_string(),
            qr: takeaway::qr_code(&issue.payload, &title)?,
            used,
        })
    };
    issued.tickets.iter().map(pass).collect()
}

/// The ways to take tickets along.
#[derive(Debug)]
pub struct Take {
    pub door: String,
    pub pdf: String,
    pub calendar: String,
    pub resend: String,
}

impl Take {
    pub(super) fn new(layout: &Layout, id: &ReservationId) -> Self {
        let below = |step: &str| layout.href(&format!("/r/{id}/{step}"));
        Self {
            door: below("tickets"),
            pdf: below("tickets.pdf"),
            calendar: below("calendar.ics"),
            resend: below("resend"),
        }
    }
}

#[derive(Debug, Template)]
#[template(path = "tickets.html")]
struct DoorPage {
    layout: Layout,
    back: String,
    pages: String,
    /// Whether a copy may be kept.
    is_kept: bool,
    /// When the page was made, which only a copy says.
    saved: String,
    passes: Vec<Pass>,
    concert: Option<ConcertLine>,
    customer_name: String,
}

impl DoorPage {
    fn new(
        own: &Own,
        issued: &Issued,
        concert: Option<&Concert>,
        (now, until): (Timestamp, Option<Timestamp>),
    ) -> Result<Self, Problem> {
        let reservation = &issued.reservation;
        let mut layout = own.layout().clone();
        layout.path = format!("/r/{}/tickets", reservation.id);
        layout.query = String::new();
        let title = layout.t("door-title");
        Ok(Self {
            back: own.address(""),
            pages: door_pages(&reservation.id),
            is_kept: until.is_some(),
            saved: moment(layout.lang, "door-saved", (now, &layout.site.time_zone)),
            passes: passes(&layout, issued)?,
            concert: concert.map(|concert| ConcertLine::new(&layout, concert)),
            customer_name: reservation.customer_name.clone(),
            layout: layout.titled(&title),
        })
    }
}
