//! Several reservations at once: what would become of each, before anything does.

use app::App;
use app::runs::{self, PreviewRow, ROWS_MAX};
use askama::Template;
use axum::Router;
use axum::extract::{Form, State};
use axum::response::Response;
use axum::routing::post;
use domain::id::ReservationId;
use domain::run::RunKind;
use http::StatusCode;

use super::words::{act_key, refusal_key, status_key};
use super::{PATH, page_of};
use crate::http::page::show;
use crate::http::pairs::{Pairs, value};
use crate::http::problem::Problem;
use crate::http::staff::ReadReservations;
use crate::http::web::Web;
use crate::staff::frame::{Frame, refused};
use crate::staff::member::Member;

pub fn routes() -> Router<Web> {
    Router::new().route("/staff/reservations/bulk", post(preview))
}

/// What was chosen on the list, or is sent from the preview.
#[derive(Debug)]
pub struct Chosen {
    pub kind: RunKind,
    pub ids: Vec<ReservationId>,
}

impl Chosen {
    /// `None` where nothing was chosen that could be done.
    pub fn read(pairs: &Pairs) -> Option<Self> {
        let kind: RunKind = value(pairs, "kind").parse().ok()?;
        let mut ids: Vec<ReservationId> = pairs
            .iter()
            .filter(|(name, _)| name == "id")
            .filter_map(|(_, id)| id.parse().ok())
            .take(ROWS_MAX)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        (!ids.is_empty() && kind != RunKind::CancelConcert).then_some(Self { kind, ids })
    }
}

/// Nothing was chosen.
pub fn nothing_chosen(frame: Frame) -> Response {
    let sentence = frame.t("sr-none-chosen");
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    refused(frame, status, sentence, PATH.to_owned())
}

/// `POST /staff/reservations/bulk`
async fn preview(
    State(app): State<App>,
    member: Member<ReadReservations>,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Problem> {
    let Some(chosen) = Chosen::read(&pairs) else {
        return Ok(nothing_chosen(member.frame));
    };
    if !member.frame.may(chosen.kind.permission()) {
        return Err(Problem::not_allowed(member.frame.role));
    }
    let rows = runs::preview(&app, chosen.kind, &chosen.ids, &member.acting).await?;
    let page = PreviewPage::new(member.frame, chosen.kind, &rows, runs::new_key(&app));
    Ok(show(StatusCode::OK, &page))
}

#[derive(Debug, Template)]
#[template(path = "staff/reservations_bulk.html")]
struct PreviewPage {
    frame: Frame,
    title: String,
    kind: &'static str,
    /// A second click on the button starts no second run.
    key: String,
    /// How many of how many.
    sentence: String,
    rows: Vec<Row>,
    ids: Vec<String>,
}

#[derive(Debug)]
struct Row {
    id: String,
    href: String,
    name: String,
    status: String,
    /// Why it stays as it is; none for what would be done.
    refusal: Option<String>,
}

impl PreviewPage {
    fn new(frame: Frame, kind: RunKind, found: &[PreviewRow], key: String) -> Self {
        let rows: Vec<Row> = found
            .iter()
            .map(|row| Row {
                id: row.reservation.id.to_string(),
                href: page_of(&row.reservation.id),
                name: row.reservation.customer_name.clone(),
                status: frame.t(status_key(row.reservation.status)),
                refusal: row.verdict.err().map(|why| frame.t(refusal_key(why))),
            })
            .collect();
        let possible = rows.iter().filter(|row| row.refusal.is_none());
        let ids: Vec<String> = possible.map(|row| row.id.clone()).collect();
        let title = frame.t(act_key(kind));
        let (shown, total) = (ids.len().to_string(), rows.len().to_string());
        let values = [("shown", &*shown), ("total", &*total)];
        Self {
            sentence: frame.lang().text_with("sr-preview", &values),
            frame: frame.titled(&title),
            title,
            kind: kind.as_str(),
            key,
            rows,
            ids,
        }
    }
}
