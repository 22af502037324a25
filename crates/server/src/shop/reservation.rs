//! One reservation in each of its states, each with the one thing to do next.
//! Paying is not here yet.

use app::access::Holder;
use app::{App, cancel as cancelling, concerts, reservations};
use askama::Template;
use axum::extract::{FromRequestParts, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use domain::concert::Concert;
use domain::id::ReservationId;
use domain::money::Currency;
use domain::reservation::{Reservation, ReservationStatus};
use http::StatusCode;
use http::header::SET_COOKIE;
use http::request::Parts;
use jiff::Timestamp;

use super::asked::Asked;
use super::keep::Keep;
use super::visitor::Holdings;
use super::{poster, price};
use crate::http::client::origin;
use crate::http::page::Layout;
use crate::http::path::Segment;
use crate::http::problem::{Code, Problem};
use crate::http::web::Web;

/// `GET /{lang}/r/{id}?t=`: the token moves into the cookie, out of the address and the history.
pub async fn show(
    State(app): State<App>,
    asked: Asked,
    Segment(id): Segment<ReservationId>,
    mut holdings: Holdings,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let pairs: Vec<(String, String)> =
        serde_urlencoded::from_str(query.as_deref().unwrap_or_default()).unwrap_or_default();
    let token = pairs
        .iter()
        .find(|(name, _)| name == "t")
        .map(|(_, token)| token);
    if let Some(token) = token.filter(|token| app.access_key().check(&id, token).is_some()) {
        holdings.add(&id, token);
        let target = asked.layout.href(&format!("/r/{id}"));
        return Ok(([(SET_COOKIE, holdings.to_cookie())], Redirect::to(&target)).into_response());
    }
    let holder = holdings
        .find(app.access_key(), &id)
        .ok_or_else(Problem::not_found)?;
    let Asked { layout, answer } = asked;
    let layout = Layout {
        query: String::new(),
        ..layout
    };
    let page = find_page(&app, layout, &holder).await?;
    Ok(answer.private(StatusCode::OK, &page))
}

/// `POST /{lang}/r/{id}/cancel`
pub async fn cancel(State(app): State<App>, own: Own) -> Result<Response, Problem> {
    let outcome = cancelling::cancel(&app, own.holder.clone()).await;
    own.answer(&app, outcome, "cancel-not-possible").await
}

/// A reservation that the visitor wants to change, and has the token of.
#[derive(Debug)]
pub struct Own {
    asked: Asked,
    pub holder: Holder,
}

impl Own {
    /// 303 back to the reservation, or its page with the sentence why not.
    pub async fn answer(
        self,
        app: &App,
        outcome: Result<Reservation, impl Into<Problem>>,
        why_not: &str,
    ) -> Result<Response, Problem> {
        let Asked { layout, answer } = self.asked;
        let Err(error) = outcome else {
            return Ok(Redirect::to(&layout.here()).into_response());
        };
        let problem = error.into();
        if !matches!(problem.code, Code::InvalidState | Code::ReservationExpired) {
            return Err(problem);
        }
        let mut page = find_page(app, layout, &self.holder).await?;
        page.notice = Some(page.layout.t(why_not));
        Ok(answer.private(problem.code.status(), &page))
    }
}

impl FromRequestParts<Web> for Own {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let mut asked = Asked::from_request_parts(parts, web).await?;
        let Segment(id) = Segment::<ReservationId>::from_request_parts(parts, web).await?;
        let Ok(holdings) = Holdings::from_request_parts(parts, web).await;
        let holder = holdings
            .find(web.app.access_key(), &id)
            .ok_or_else(Problem::not_found)?
            .from(origin(parts, web).await);
        // Whatever is answered stands for the reservation's page, also in the other language.
        asked.layout.path = format!("/r/{id}");
        Ok(Self { asked, holder })
    }
}

/// The reservation's page as it stands now.
async fn find_page(app: &App, layout: Layout, holder: &Holder) -> Result<ReservationPage, Problem> {
    let found = reservations::show(app, holder).await?;
    let reservation = found.ok_or_else(Problem::not_found)?;
    // An archived concert is shown nowhere, but its reservations are.
    let concert = concerts::show_current(app, reservation.concert_id).await?;
    let pair = (&reservation, concert.as_ref());
    Ok(ReservationPage::new(
        layout,
        pair,
        app.settings().currency,
        app.ctx().now(),
    ))
}

#[derive(Debug, Template)]
#[template(path = "reservation.html")]
pub struct ReservationPage {
    pub layout: Layout,
    /// The value of `data-state`: `held`, `confirmed`, `cancelled` or `expired`.
    pub state: &'static str,
    pub label: String,
    pub heading: String,
    pub sentence: String,
    /// A second sentence, about what to do.
    pub hint: Option<String>,
    /// What just failed, when the page answers a request that couldn't be met.
    pub notice: Option<String>,
    /// While the tickets are held.
    pub keep: Option<Keep>,
    pub id: String,
    pub customer_name: String,
    pub customer_email: String,
    pub concert: Option<ConcertLine>,
    pub tickets: String,
    pub total: String,
    pub action: Option<Action>,
    pub cancel: Option<Cancel>,
}

/// The concert that the tickets are for.
#[derive(Debug)]
pub struct ConcertLine {
    pub artist: String,
    pub name: String,
    pub venue: String,
    pub date: String,
    pub date_iso: String,
    pub poster: String,
}

/// A link to the next step.
#[derive(Debug)]
pub struct Action {
    pub label: String,
    pub href: String,
}

/// The way to give the tickets back: a question first, then the form.
#[derive(Debug)]
pub struct Cancel {
    pub label: String,
    pub action: String,
}

impl ReservationPage {
    pub fn new(
        layout: Layout,
        (reservation, concert): (&Reservation, Option<&Concert>),
        currency: Currency,
        now: Timestamp,
    ) -> Self {
        let may_cancel = reservation.check_cancel(now).is_ok();
        let lang = layout.lang;
        let status = reservation.status_at(now);
        let until = reservation
            .expires_at
            .map(|at| lang.time(at, &layout.site.time_zone));
        let words = Words::new(&layout, status, until.as_deref().unwrap_or_default());
        let title = layout.t("reservation-title");
        let held = status == ReservationStatus::Pending;
        Self {
            state: words.state,
            label: words.label,
            heading: words.heading,
            sentence: words.sentence,
            hint: until
                .as_deref()
                .filter(|_| held)
                .map(|time| lang.text_with("held-next", &[("time", time)])),
            notice: None,
            keep: Keep::new(&layout, reservation, now).filter(|_| held),
            id: reservation.id.to_string(),
            customer_name: reservation.customer_name.clone(),
            customer_email: reservation.customer_email.clone(),
            concert: concert.map(|concert| ConcertLine::new(&layout, concert)),
            tickets: lang.count("tickets", i64::from(reservation.quantity)),
            total: price(lang, reservation.total_price, currency),
            action: action(&layout, status, concert),
            cancel: may_cancel.then(|| give_back(&layout, reservation, held)),
            layout: layout.titled(&title),
        }
    }
}

impl ConcertLine {
    fn new(layout: &Layout, concert: &Concert) -> Self {
        Self {
            artist: concert.artist.clone(),
            name: concert.name.clone(),
            venue: concert.venue.clone(),
            date: layout.lang.date_long(concert.date),
            date_iso: concert.date.to_string(),
            poster: poster(concert),
        }
    }
}

struct Words {
    state: &'static str,
    label: String,
    heading: String,
    sentence: String,
}

impl Words {
    fn new(layout: &Layout, status: ReservationStatus, until: &str) -> Self {
        let (state, label, heading, sentence) = match status {
            ReservationStatus::Pending => ("held", "held-label", "held-title", "held-sentence"),
            ReservationStatus::Confirmed => (
                "confirmed",
                "confirmed-label",
                "confirmed-title",
                "confirmed-sentence",
            ),
            ReservationStatus::Cancelled => (
                "cancelled",
                "cancelled-label",
                "cancelled-title",
                "cancelled-sentence",
            ),
            ReservationStatus::Expired => (
                "expired",
                "expired-label",
                "expired-title",
                "expired-sentence",
            ),
        };
        let say = |key| layout.lang.text_with(key, &[("time", until)]);
        Self {
            state,
            label: say(label),
            heading: say(heading),
            sentence: say(sentence),
        }
    }
}

fn action(layout: &Layout, status: ReservationStatus, concert: Option<&Concert>) -> Option<Action> {
    let key = match status {
        ReservationStatus::Pending => return None,
        ReservationStatus::Confirmed => "concert-action",
        ReservationStatus::Cancelled | ReservationStatus::Expired => "again-action",
    };
    let (key, path) = match concert {
        Some(concert) => (key, format!("/concerts/{}", concert.id)),
        None => ("error-next-home", "/".to_owned()),
    };
    Some(Action {
        label: layout.t(key),
        href: layout.href(&path),
    })
}

fn give_back(layout: &Layout, reservation: &Reservation, held: bool) -> Cancel {
    let label = if held {
        "cancel-held"
    } else {
        "cancel-confirmed"
    };
    let action = layout.href(&format!("/r/{}/cancel", reservation.id));
    Cancel {
        label: layout.t(label),
        action,
    }
}
