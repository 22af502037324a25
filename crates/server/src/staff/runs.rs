//! Runs over many reservations: starting one that was previewed, and how far it has come.

use app::App;
use app::runs::{self, NewBulk, Progress, ROWS_SHOWN, RecentRun, RowOutcome, RunRow};
use askama::Template;
use axum::Router;
use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use domain::id::RunId;
use domain::role::Permission;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use store::{Acting, Authority};

use super::concerts as concerts_page;
use super::frame::Frame;
use super::member::Member;
use super::refunds;
use super::reservations::bulk::{Chosen, nothing_chosen};
use super::reservations::words::{act_key, refusal_key};
use super::reservations::{self, page_of};
use crate::http::page::show;
use crate::http::pairs::{Pairs, value};
use crate::http::path::Segment;
use crate::http::problem::Problem;
use crate::http::staff::ReadReservations;
use crate::http::web::Web;
use crate::i18n::number;

/// How often a run's page looks while rows are done, and how often, and until when, for what follows from
/// them: a bank may take days for its refunds, and each look counts them all.
const LOOK_EVERY: &str = "every 2s";
const LOOK_LATER: &str = "every 15s";
const FOLLOWED_FOR: SignedDuration = SignedDuration::from_hours(1);

const PATH: &str = "/staff/runs";

pub fn routes() -> Router<Web> {
    Router::new()
        .route(PATH, get(list).post(start))
        .route("/staff/runs/{id}", get(show_run))
}

/// The address of a run's page.
pub(super) fn run_page(id: RunId) -> String {
    format!("{PATH}/{id}")
}

/// `GET /staff/runs`
async fn list(
    State(app): State<App>,
    member: Member<ReadReservations>,
) -> Result<Response, Problem> {
    let runs = runs::list_newest(&app, &member.acting).await?;
    let frame = member.frame;
    let title = frame.t("sr-runs-title");
    let page = ListPage {
        runs: runs.iter().map(|run| RunLine::new(&frame, run)).collect(),
        frame: frame.titled(&title),
    };
    Ok(show(StatusCode::OK, &page))
}

#[derive(Debug, Template)]
#[template(path = "staff/runs.html")]
struct ListPage {
    frame: Frame,
    runs: Vec<RunLine>,
}

#[derive(Debug)]
struct RunLine {
    href: String,
    what: String,
    concert: Option<String>,
    who: String,
    at: String,
    state: String,
}

impl RunLine {
    fn new(frame: &Frame, run: &RecentRun) -> Self {
        let state = if run.finished_at.is_some() {
            "sr-run-over"
        } else {
            "sr-run-going-on"
        };
        let title = run.title.as_ref();
        Self {
            href: run_page(run.id),
            what: frame.t(act_key(run.kind)),
            concert: title.map(|(artist, name)| format!("{artist} – {name}")),
            who: run.username.clone(),
            at: frame.moment(run.created_at),
            state: frame.t(state),
        }
    }
}

/// `POST /staff/runs`
async fn start(
    State(app): State<App>,
    member: Member<ReadReservations>,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Problem> {
    let Some(chosen) = Chosen::read(&pairs) else {
        return Ok(nothing_chosen(member.frame, &pairs));
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
        None => Ok(nothing_chosen(member.frame, &pairs)),
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
    let page = RunPage::new(member.frame, &progress, app.ctx().now());
    Ok(show(StatusCode::OK, &page))
}

#[derive(Debug, Template)]
#[template(path = "staff/run.html")]
struct RunPage {
    frame: Frame,
    title: String,
    /// Who started it, and when.
    begun: String,
    /// How it stands.
    heading: String,
    /// How often the page looks again, by itself.
    look: Option<&'static str>,
    /// Nothing of it changes any more.
    is_over: bool,
    address: String,
    settled: i64,
    total: i64,
    sentence: String,
    figures: Vec<Figure>,
    troubles: Vec<Trouble>,
    /// The concert that is cancelled: its name, its page, its reservations.
    concert: Option<(String, String, String)>,
    rows: Vec<Line>,
    /// That there are more rows than are listed.
    cut: Option<String>,
}

#[derive(Debug)]
struct Figure {
    label: String,
    value: String,
    href: Option<&'static str>,
}

/// A reservation, and what came of it.
#[derive(Debug)]
struct Line {
    id: String,
    href: String,
    outcome: String,
}

impl Line {
    fn new(frame: &Frame, row: &RunRow) -> Self {
        let key = match row.outcome {
            None => "sr-run-waits",
            Some(RowOutcome::Done) => "sr-run-done",
            Some(RowOutcome::Refused(refusal)) => refusal_key(refusal),
            Some(RowOutcome::Failed) => "sr-run-failed",
        };
        Self {
            id: row.reservation.to_string(),
            href: page_of(&row.reservation),
            outcome: frame.t(key),
        }
    }
}

#[derive(Debug)]
struct Trouble {
    id: String,
    href: String,
    reason: String,
}

impl RunPage {
    fn new(frame: Frame, progress: &Progress, now: Timestamp) -> Self {
        let (run, counts, lang) = (&progress.run, progress.counts, frame.lang());
        let title = frame.t(act_key(run.kind));
        let begun_at = frame.moment(run.created_at);
        let settled = counts.done + counts.refused + counts.failed;
        let (shown, total) = (number(settled), number(counts.total));
        let figure = |key: &str, value: i64| Figure {
            label: frame.t(key),
            value: number(value),
            href: None,
        };
        let may_refund = frame.may(Permission::Refund);
        let needs_help = may_refund && counts.refunds_stuck > 0;
        let figures = vec![
            figure("sr-run-done", counts.done),
            figure("sr-run-refused", counts.refused),
            figure("sr-run-failed", counts.failed),
            figure("sr-run-refunds-back", counts.refunds_back),
            figure("sr-run-refunds-under-way", counts.refunds_under_way),
            Figure {
                href: needs_help.then_some(refunds::PATH),
                ..figure("sr-run-refunds-stuck", counts.refunds_stuck)
            },
            figure("sr-run-mails-sent", counts.mails_sent),
            figure("sr-run-mails-waiting", counts.mails_waiting),
            figure("sr-run-mails-dead", counts.mails_dead),
        ];
        let troubles = progress.troubles.iter().map(|one| Trouble {
            id: one.reservation.to_string(),
            href: page_of(&one.reservation),
            reason: frame.t(refusal_key(one.refusal)),
        });
        let has_more = counts.refunds_under_way + counts.mails_waiting > 0;
        let (heading, look) = match run.finished_at {
            None => ("sr-run-going-on", Some(LOOK_EVERY)),
            Some(_) if !has_more => ("sr-run-over", None),
            Some(at) => (
                "sr-run-followed",
                (now.duration_since(at) < FOLLOWED_FOR).then_some(LOOK_LATER),
            ),
        };
        let values = [("name", &*run.username), ("time", &*begun_at)];
        Self {
            begun: lang.text_with("sr-run-begun", &values),
            heading: frame.t(heading),
            look,
            is_over: run.finished_at.is_some() && !has_more,
            address: run_page(run.id),
            sentence: lang.text_with("sr-run-of", &[("shown", &shown), ("total", &total)]),
            settled,
            total: counts.total,
            troubles: troubles.collect(),
            concert: concert_of(progress),
            rows: progress
                .rows
                .iter()
                .map(|row| Line::new(&frame, row))
                .collect(),
            cut: (counts.total > ROWS_SHOWN).then(|| {
                let values = [("shown", &*number(ROWS_SHOWN)), ("total", &total)];
                lang.text_with("sr-run-rows-cut", &values)
            }),
            figures,
            frame: frame.titled(&title),
            title,
        }
    }
}

/// The name of the concert that a run cancels, the address of its page and of its reservations.
fn concert_of(progress: &Progress) -> Option<(String, String, String)> {
    let concert = progress.concert.as_ref()?;
    let id = concert.id;
    Some((
        format!("{} – {}", concert.artist, concert.name),
        format!("{}/{id}", concerts_page::PATH),
        format!("{}?concert_id={id}", reservations::PATH),
    ))
}
