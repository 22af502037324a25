//! Cancelling a whole concert: what it would do, and its name to be typed before it does.

use app::App;
use app::runs::{self, ConcertToCancel};
use askama::Template;
use axum::Router;
use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use domain::id::ConcertId;
use http::StatusCode;

use super::form::{Field, summary};
use super::frame::Frame;
use super::member::Member;
use super::runs::run_page;
use crate::http::page::show;
use crate::http::pairs::{Pairs, value};
use crate::http::path::Segment;
use crate::http::problem::Problem;
use crate::http::staff::CancelConcert;
use crate::http::web::Web;
use crate::i18n::{money, number};

pub fn routes() -> Router<Web> {
    let pages = get(show_extent).post(cancel);
    Router::new().route("/staff/concerts/{id}/cancel", pages)
}

/// `GET /staff/concerts/{id}/cancel`
async fn show_extent(
    State(app): State<App>,
    member: Member<CancelConcert>,
    Segment(id): Segment<ConcertId>,
) -> Result<Response, Problem> {
    let found = runs::preview_concert(&app, id, &member.acting).await?;
    let found = found.ok_or_else(Problem::not_found)?;
    let page = CancelPage::new(&app, member.frame, &found, None);
    Ok(show(StatusCode::OK, &page))
}

/// `POST /staff/concerts/{id}/cancel`
async fn cancel(
    State(app): State<App>,
    member: Member<CancelConcert>,
    Segment(id): Segment<ConcertId>,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Problem> {
    let found = runs::preview_concert(&app, id, &member.acting).await?;
    let found = found.ok_or_else(Problem::not_found)?;
    let typed = value(&pairs, "name").trim();
    if !is_name(typed, &found.concert.name) {
        let page = CancelPage::new(&app, member.frame, &found, Some(typed));
        return Ok(show(StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    let who = member.signed_in.member().id;
    let (_, run) = runs::cancel_concert(&app, who, id, member.acting).await?;
    Ok(Redirect::to(&run_page(run)).into_response())
}

/// Whether somebody means this concert, whatever they think of capitals and blanks.
fn is_name(typed: &str, name: &str) -> bool {
    let plain = |text: &str| {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        words.join(" ")
    };
    plain(typed) == plain(name)
}

#[derive(Debug, Template)]
#[template(path = "staff/cancel_concert.html")]
struct CancelPage {
    frame: Frame,
    errors: Vec<(&'static str, String)>,
    address: String,
    concert: String,
    date: String,
    figures: Vec<(String, String)>,
    /// The run that cancelled it before.
    run: Option<String>,
    /// Whether there is anything left to cancel.
    is_needed: bool,
    field: Field,
}

impl CancelPage {
    fn new(app: &App, frame: Frame, found: &ConcertToCancel, wrong: Option<&str>) -> Self {
        let (concert, extent, lang) = (&found.concert, found.extent, frame.lang());
        let currency = app.settings().currency;
        let payments = |count: i64, minor: i64| {
            let amount = money(minor, currency.as_str());
            format!("{} ({amount})", number(count))
        };
        let figures = vec![
            (frame.t("sr-cancel-confirmed"), number(extent.confirmed)),
            (frame.t("sr-cancel-held"), number(extent.held)),
            (frame.t("sr-cancel-tickets"), number(extent.tickets)),
            (
                frame.t("sr-cancel-by-provider"),
                payments(extent.by_provider, extent.provider_minor),
            ),
            (
                frame.t("sr-cancel-by-hand"),
                payments(extent.by_hand, extent.hand_minor),
            ),
            (
                frame.t("sr-cancel-mails"),
                number(extent.confirmed + extent.held + extent.by_provider),
            ),
        ];
        let hint = lang.text_with("sr-cancel-name-hint", &[("name", &concert.name)]);
        let mut field = Field::new("name", "text", frame.t("sr-cancel-name")).with_hint(hint);
        if let Some(typed) = wrong {
            typed.clone_into(&mut field.value);
            field.error = Some(frame.t("sr-cancel-name-wrong"));
        }
        let fields = [field];
        let errors = summary(&fields);
        let [field] = fields;
        let title = frame.t("sr-run-concert");
        Self {
            errors,
            address: format!("/staff/concerts/{}/cancel", concert.id),
            concert: format!("{} – {}", concert.artist, concert.name),
            date: lang.date_long(concert.date),
            figures,
            run: found.run.map(run_page),
            is_needed: found.run.is_none() || extent.confirmed + extent.held > 0,
            field,
            frame: frame.titled(&title),
        }
    }
}
