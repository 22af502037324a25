//! The first page: what is on sale, and what somebody must look after.

use app::concerts::{self, StaffFilter};
use app::overview::{self, Overview};
use app::{App, jobs, payments};
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{Redirect, Response};
use axum::routing::get;
use domain::concert::{Concert, ConcertStatus};
use domain::role::Permission;
use http::StatusCode;

use super::frame::{Frame, HOME};
use super::member::Member;
use super::{concerts as concerts_page, refunds};
use crate::http::page::show;
use crate::http::problem::Problem;
use crate::http::staff::Anybody;
use crate::http::web::Web;
use crate::i18n::{money, number};

/// Concerts that the first page shows: what a house has within weeks.
const CONCERTS_MAX: u16 = 20;

pub fn routes() -> Router<Web> {
    let without_slash = get(async || Redirect::to(HOME));
    Router::new()
        .route(HOME, get(show_home))
        .route("/staff/", without_slash)
}

/// `GET /staff`
async fn show_home(State(app): State<App>, member: Member<Anybody>) -> Result<Response, Problem> {
    let frame = member.frame;
    let filter = StaffFilter {
        status: Some(ConcertStatus::Open),
        from: Some(app.today()),
        ..StaffFilter::default()
    };
    let open = concerts::list_for_staff(&app, &filter, (None, CONCERTS_MAX)).await?;
    let title = frame.t("staff-home");
    let figures = if frame.may(Permission::ReadReservations) {
        figures(&app, &frame, &overview::show(&app, &member.acting).await?)
    } else {
        Vec::new()
    };
    let page = HomePage {
        needs: needs(&app, &frame).await?,
        more: open.next.map(|_| more(&app, &frame, open.items.len())),
        sees_runs: frame.may(Permission::ReadReservations),
        figures,
        concerts: open
            .items
            .iter()
            .map(|one| SaleLine::new(&frame, one))
            .collect(),
        frame: frame.titled(&title),
    };
    Ok(show(StatusCode::OK, &page))
}

/// Today's sales and what is held, each with the list that it counts. Money is for those who may give
/// it back.
fn figures(app: &App, frame: &Frame, now: &Overview) -> Vec<Figure> {
    let today = app.today();
    let sold_today = format!("/staff/reservations?status=confirmed&from={today}");
    let figure = |key: &str, value: String, href: &str| Figure {
        label: frame.t(key),
        value,
        href: href.to_owned(),
    };
    let mut figures = vec![
        figure("staff-sold-today", number(now.sold.tickets), &sold_today),
        figure(
            "staff-held-now",
            number(now.held_tickets),
            "/staff/reservations?status=pending",
        ),
    ];
    if frame.may(Permission::Refund) {
        let money = money(now.sold.minor, app.settings().currency.as_str());
        figures.insert(1, figure("staff-money-today", money, &sold_today));
    }
    figures
}

/// That only so many are shown, and the list of all.
fn more(app: &App, frame: &Frame, shown: usize) -> (String, String) {
    let shown = number(i64::try_from(shown).unwrap_or(i64::MAX));
    let sentence = frame
        .lang()
        .text_with("staff-on-sale-cut", &[("shown", &shown)]);
    let path = concerts_page::PATH;
    (sentence, format!("{path}?status=open&from={}", app.today()))
}

/// What somebody must look after, with the page that helps where there is one; nothing where all is
/// well.
async fn needs(app: &App, frame: &Frame) -> Result<Vec<Need>, Problem> {
    let mut needs = Vec::new();
    let mut tell = |key, count, href| {
        if count > 0 {
            let sentence = frame.lang().count(key, count);
            needs.push(Need { sentence, href });
        }
    };
    if frame.may(Permission::Refund) {
        let stuck = payments::count_stuck(app).await?;
        tell("staff-needs-refunds", stuck, Some(refunds::PATH));
    }
    tell("staff-needs-jobs", jobs::count_dead(app).await?, None);
    Ok(needs)
}

#[derive(Debug, Template)]
#[template(path = "staff/home.html")]
struct HomePage {
    frame: Frame,
    needs: Vec<Need>,
    figures: Vec<Figure>,
    concerts: Vec<SaleLine>,
    /// That there are more of them, and where.
    more: Option<(String, String)>,
    sees_runs: bool,
}

#[derive(Debug)]
struct Need {
    sentence: String,
    href: Option<&'static str>,
}

/// A number with the list of what it counts.
#[derive(Debug)]
struct Figure {
    label: String,
    value: String,
    href: String,
}

/// How one concert's sale stands.
#[derive(Debug)]
struct SaleLine {
    href: String,
    artist: String,
    name: String,
    venue: String,
    date: String,
    date_iso: String,
    /// Tickets that are sold or held.
    taken: i32,
    total: i32,
    figures: String,
}

impl SaleLine {
    fn new(frame: &Frame, concert: &Concert) -> Self {
        let taken = concert.total_tickets - concert.available_tickets;
        let written = |count: i32| number(i64::from(count));
        let values = [written(taken), written(concert.total_tickets)];
        Self {
            href: format!("{}/{}", concerts_page::PATH, concert.id),
            artist: concert.artist.clone(),
            name: concert.name.clone(),
            venue: concert.venue.clone(),
            date: frame.lang().date_long(concert.date),
            date_iso: concert.date.to_string(),
            taken,
            total: concert.total_tickets,
            figures: frame.lang().text_with(
                "staff-taken",
                &[("shown", &values[0]), ("total", &values[1])],
            ),
        }
    }
}
