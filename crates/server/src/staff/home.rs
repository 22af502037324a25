//! The first page: what is on sale, and what somebody must look after.

use app::concerts::{self, StaffFilter};
use app::{App, jobs, payments};
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use domain::concert::{Concert, ConcertStatus};
use domain::role::Permission;
use http::StatusCode;

use super::frame::{Frame, HOME};
use super::member::Member;
use crate::http::page::show;
use crate::http::problem::Problem;
use crate::http::staff::Anybody;
use crate::http::web::Web;
use crate::i18n::number;

/// Concerts that the first page shows: what a house has within weeks.
const CONCERTS_MAX: u16 = 20;

pub fn routes() -> Router<Web> {
    Router::new().route(HOME, get(show_home))
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
    let page = HomePage {
        needs: needs(&app, &frame).await?,
        concerts: open
            .items
            .iter()
            .map(|one| SaleLine::new(&frame, one))
            .collect(),
        frame: frame.titled(&title),
    };
    Ok(show(StatusCode::OK, &page))
}

/// What somebody must look after, as sentences; nothing where all is well.
async fn needs(app: &App, frame: &Frame) -> Result<Vec<String>, Problem> {
    let mut needs = Vec::new();
    let mut tell = |key, count| {
        if count > 0 {
            needs.push(frame.lang().count(key, count));
        }
    };
    if frame.may(Permission::Refund) {
        tell("staff-needs-refunds", payments::count_stuck(app).await?);
    }
    tell("staff-needs-jobs", jobs::count_dead(app).await?);
    Ok(needs)
}

#[derive(Debug, Template)]
#[template(path = "staff/home.html")]
struct HomePage {
    frame: Frame,
    needs: Vec<String>,
    concerts: Vec<SaleLine>,
}

/// How one concert's sale stands.
#[derive(Debug)]
struct SaleLine {
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
