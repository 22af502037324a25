//! Runs over many reservations: starting one that was previewed, and how far it has come.

use app::App;
use app::runs::{self, NewBulk, Progress};
use askama::Template;
use axum::Router;
use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use domain::run::RunId;
use http::StatusCode;
use store::{Acting, Authority};

use super::frame::Frame;
use super::member::Member;
use super::reservations::bulk::{Chosen, nothing_chosen};
use super::reservations::page_of;
use super::reservations::words::{act_key, refusal_key};
use crate::http::page::show;
use crate::http::pairs::{Pairs, value};
use crate::http::path::Segment;
use crate::http::problem::Problem;
use crate::http::staff::ReadReservations;
use crate::http::web::Web;
use crate::i18n::number;

pub fn routes() -> Router<Web> {
    Router::new()
        .route("/staff/runs", post(start))
        .route("/staff/runs/{id}", get(show_run))
}

/// The address of a run's page.
pub(super) fn run_page(id: RunId) -> String {
    format!("/staff/runs/{id}")
}

/// `POST /staff/runs`
async fn start(
    State(app): State<App>,
    member: Member<ReadReservations>,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Problem> {
    let Some(chosen) = Chosen::read(&pairs) else {
        return Ok(nothing_chosen(member.frame));
    };
    let who = member.signed_in.member().id;
    let permission = Some(chosen.kind.permission());
    let authority = member.acting.authority;
    // What the run does is asked for, not only what its pages show.
    let by = Acting {
        authority: authority.map(|known| Authority {
            permission,
            ..known
        }),
        ..member.acting
    };
    let key = match value(&pairs, "key") {
        "" => runs::new_key(&app),
        sent => sent.to_owned(),
    };
    let bulk = NewBulk {
        kind: chosen.kind,
        ids: chosen.ids,
        key,
    };
    match runs::start(&app, who, bulk, by).await? {
        Some(run) => Ok(Redirect::to(&run_page(run)).into_response()),
        None => Ok(nothing_chosen(member.frame)),
    }
}

/// `GET /staff/runs/{id}`
async fn show_run(
    State(app): State<App>,
    member: Member<ReadReservations>,
    Segment(id): Segment<RunId>,
) -> Result<Response, Problem> {
    let found = runs::show(&app, id, &member.acting).await?;
    let progress = found.ok_or_else(Problem::not_found)?;
    let page = RunPage::new(member.frame, &progress);
    Ok(show(StatusCode::OK, &page))
}

#[derive(Debug, Template)]
#[template(path = "staff/run.html")]
struct RunPage {
    frame: Frame,
    title: String,
    /// Who started it, and when.
    begun: String,
    is_finished: bool,
    address: String,
    settled: i64,
    total: i64,
    sentence: String,
    figures: Vec<Figure>,
    troubles: Vec<Trouble>,
}

#[derive(Debug)]
struct Figure {
    label: String,
    value: String,
}

#[derive(Debug)]
struct Trouble {
    id: String,
    href: String,
    reason: String,
}

impl RunPage {
    fn new(frame: Frame, progress: &Progress) -> Self {
        let (run, counts, lang) = (&progress.run, progress.counts, frame.lang());
        let title = frame.t(act_key(run.kind));
        let begun_at = frame.moment(run.created_at);
        let settled = counts.done + counts.refused + counts.failed;
        let (shown, total) = (number(settled), number(counts.total));
        let figure = |key: &str, value: i64| Figure {
            label: frame.t(key),
            value: number(value),
        };
        let figures = vec![
            figure("sr-run-done", counts.done),
            figure("sr-run-refused", counts.refused),
            figure("sr-run-failed", counts.failed),
            figure("sr-run-refunds-back", counts.refunds_back),
            figure("sr-run-refunds-under-way", counts.refunds_under_way),
            figure("sr-run-refunds-stuck", counts.refunds_stuck),
            figure("sr-run-mails-sent", counts.mails_sent),
            figure("sr-run-mails-waiting", counts.mails_waiting),
            figure("sr-run-mails-dead", counts.mails_dead),
        ];
        let troubles = progress.troubles.iter().map(|one| Trouble {
            id: one.reservation.to_string(),
            href: page_of(&one.reservation),
            reason: frame.t(refusal_key(one.refusal)),
        });
        let values = [("name", &*run.username), ("time", &*begun_at)];
        Self {
            begun: lang.text_with("sr-run-begun", &values),
            // What follows from it, its refunds and mails, goes on behind it.
            is_finished: run.finished_at.is_some()
                && counts.refunds_under_way + counts.mails_waiting == 0,
            address: run_page(run.id),
            sentence: lang.text_with("sr-run-of", &[("shown", &shown), ("total", &total)]),
            settled,
            total: counts.total,
            troubles: troubles.collect(),
            figures,
            frame: frame.titled(&title),
            title,
        }
    }
}
