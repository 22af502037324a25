//! The live view of one concert's sale: a page with the current figures, and a stream of them.

mod shown;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use app::on_sale::{self, Board};
use app::sessions::{self, SignedIn};
use app::{App, concerts};
use askama::Template;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use domain::id::ConcertId;
use domain::role::Permission;
use futures_util::stream;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use jiff::tz::TimeZone;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::frame::Frame;
use super::member::{Member, Watching};
use crate::http::feed::Feeds;
use crate::http::page::show;
use crate::http::path::Segment;
use crate::http::problem::Problem;
use crate::http::staff::ReadConcerts;
use crate::http::web::Web;
use shown::Shown;

/// How often somebody who watches is asked whether they still may.
const ASK_EVERY: Duration = Duration::from_secs(3);
/// So many times in a row it may stay unknown, as while the database fails over.
const UNKNOWN_MAX: u32 = 5;
/// When a stream ends, the browser comes back after it.
const RETRY_MS: u32 = 3_000;

pub fn routes() -> Router<Web> {
    Router::new()
        .route("/staff/concerts/{id}/live", get(show_page))
        .route("/staff/concerts/{id}/live/events", get(follow))
}

/// `GET /staff/concerts/{id}/live`
async fn show_page(
    State(web): State<Web>,
    member: Member<ReadConcerts>,
    Segment(id): Segment<ConcertId>,
) -> Result<Response, Problem> {
    let found = concerts::show_to_staff(&web.app, id).await?;
    let concert = found.ok_or_else(Problem::not_found)?;
    let board = on_sale::look(&web.app, id).await?;
    let board = board.ok_or_else(Problem::not_found)?;
    let frame = member.frame;
    let title = frame.t("sl-title");
    let page = LivePage {
        back: format!("/staff/concerts/{id}"),
        concert: format!("{}: {}", concert.artist, concert.name),
        shown: Shown::of(&board, &web.site.time_zone),
        frame: frame.titled(&format!("{title}, {}", concert.name)),
        title,
    };
    Ok(show(StatusCode::OK, &page))
}

#[derive(Debug, Template)]
#[template(path = "staff/live.html")]
struct LivePage {
    frame: Frame,
    title: String,
    concert: String,
    back: String,
    shown: Shown,
}

/// `GET /staff/concerts/{id}/live/events`: how it stands at once, and then every second.
async fn follow(
    State(web): State<Web>,
    Watching(member): Watching<ReadConcerts>,
    Segment(id): Segment<ConcertId>,
) -> Result<Response, Problem> {
    let place = web.feeds.take_staff_place()?;
    let boards = on_sale::watch(&web.app, id).await?;
    let boards = boards.ok_or_else(Problem::not_found)?;
    let mut asking = interval(ASK_EVERY);
    asking.set_missed_tick_behavior(MissedTickBehavior::Delay);
    asking.reset();
    let watcher = Watcher {
        app: web.app.clone(),
        feeds: web.feeds.clone(),
        zone: web.site.time_zone.clone(),
        signed_in: member.signed_in,
        boards,
        has_begun: false,
        asking,
        unknown: 0,
        _place: place,
    };
    let events = stream::unfold(watcher, async |mut watcher| {
        let event = watcher.next().await?;
        Some((Ok::<_, Infallible>(event), watcher))
    });
    let head = [
        (CONTENT_TYPE.as_str(), "text/event-stream"),
        (CACHE_CONTROL.as_str(), "no-store"),
        // nginx and its kin would gather events until a buffer is full.
        ("x-accel-buffering", "no"),
    ];
    Ok((head, Body::from_stream(events)).into_response())
}

/// Somebody of the staff who follows a sale.
struct Watcher {
    app: App,
    feeds: Feeds,
    zone: TimeZone,
    signed_in: SignedIn,
    boards: watch::Receiver<Arc<Board>>,
    has_begun: bool,
    asking: Interval,
    /// How often in a row nobody could say whether they still may.
    unknown: u32,
    _place: OwnedSemaphorePermit,
}

impl Watcher {
    /// The next event; `None` when there is nothing to watch, or no right to it any more.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.has_begun {
            self.has_begun = true;
            let event = self.event();
            return Some(Bytes::from(format!("retry: {RETRY_MS}\n{event}")));
        }
        loop {
            tokio::select! {
                () = self.feeds.closed() => return None,
                _ = self.asking.tick() => {
                    if !self.may_still().await {
                        return None;
                    }
                }
                changed = self.boards.changed() => {
                    changed.ok()?;
                    return Some(Bytes::from(self.event()));
                }
            }
        }
    }

    async fn may_still(&mut self) -> bool {
        let asked = sessions::may_still(&self.app, &self.signed_in, Permission::ReadConcerts).await;
        self.unknown = if asked.is_ok() { 0 } else { self.unknown + 1 };
        asked.unwrap_or(self.unknown < UNKNOWN_MAX)
    }

    fn event(&mut self) -> String {
        let board = Arc::clone(&self.boards.borrow_and_update());
        let data = Shown::of(&board, &self.zone).to_json();
        format!("event: sale\ndata: {data}\n\n")
    }
}
