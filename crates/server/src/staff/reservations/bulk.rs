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
use super::{came_from, page_of};
use crate::http::page::show;
use crate::http::pairs::{Pairs, value};
use crate::http::problem::Problem;
use crate::http::staff::ReadReservations;
use crate::http::web::Web;
use crate::i18n::{Lang, money, number};
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
    /// The list on which it was chosen.
    pub back: String,
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
        (!ids.is_empty() && kind != RunKind::CancelConcert).then(|| Self {
            kind,
            ids,
            back: came_from(value(pairs, "list")),
        })
    }
}

/// Nothing was chosen.
pub fn nothing_chosen(frame: Frame, pairs: &Pairs) -> Response {
    let sentence = frame.t("sr-none-chosen");
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    refused(frame, status, sentence, came_from(value(pairs, "list")))
}

/// `POST /staff/reservations/bulk`
async fn preview(
    State(app): State<App>,
    member: Member<ReadReservations>,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Problem> {
    let Some(chosen) = Chosen::read(&pairs) else {
        return Ok(nothing_chosen(member.frame, &pairs));
    };
    if !member.frame.may(chosen.kind.permission()) {
        return Err(Problem::not_allowed(member.frame.role));
    }
    let rows = runs::preview(&app, chosen.kind, &chosen.ids, &member.acting).await?;
    let page = PreviewPage::new(&app, member.frame, chosen, &rows);
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
    /// What would have to be paid back by hand.
    by_hand: Option<String>,
    /// What would go back by itself, in all; none for an act that moves no money.
    back: Option<String>,
    rows: Vec<Row>,
    ids: Vec<String>,
    list: String,
}

/// A sentence about money that doesn't go back by itself, where there is any.
fn by_hand(app: &App, lang: Lang, found: &[PreviewRow]) -> Option<String> {
    let count: i64 = found.iter().map(|row| row.by_hand).sum();
    let minor = found.iter().map(|row| row.hand_minor).sum();
    let amount = money(minor, app.settings().currency.as_str());
    let values = [("number", &*number(count)), ("amount", &*amount)];
    (count > 0).then(|| lang.text_with("sr-preview-by-hand", &values))
}

/// A sentence about money that does, for acts that move some.
fn back(app: &App, lang: Lang, (kind, found): (RunKind, &[PreviewRow])) -> Option<String> {
    if kind == RunKind::Resend {
        return None;
    }
    let count = found.iter().filter(|row| row.back_minor > 0).count();
    let minor = found.iter().map(|row| row.back_minor).sum();
    let count = number(i64::try_from(count).unwrap_or(i64::MAX));
    let amount = money(minor, app.settings().currency.as_str());
    let values = [("number", &*count), ("amount", &*amount)];
    Some(lang.text_with("sr-preview-back", &values))
}

#[derive(Debug)]
struct Row {
    id: String,
    href: String,
    name: String,
    status: String,
    /// What would go back, and what of it by hand.
    money: Option<String>,
    money_by_hand: Option<String>,
    /// Why it stays as it is; none for what would be done.
    refusal: Option<String>,
}

impl PreviewPage {
    fn new(app: &App, frame: Frame, chosen: Chosen, found: &[PreviewRow]) -> Self {
        let kind = chosen.kind;
        let currency = app.settings().currency;
        let some = |minor: i64| (minor > 0).then(|| money(minor, currency.as_str()));
        let rows: Vec<Row> = found
            .iter()
            .map(|row| Row {
                id: row.reservation.id.to_string(),
                href: page_of(&row.reservation.id),
                name: row.reservation.customer_name.clone(),
                status: frame.t(status_key(row.reservation.status)),
                money: some(row.back_minor),
                money_by_hand: some(row.hand_minor),
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
            by_hand: by_hand(app, frame.lang(), found),
            back: back(app, frame.lang(), (kind, found)),
            frame: frame.titled(&title),
            title,
            kind: kind.as_str(),
            key: runs::new_key(app),
            rows,
            ids,
            list: chosen.back,
        }
    }
}
