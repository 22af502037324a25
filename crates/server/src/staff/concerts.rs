//! Concerts: the list with its filters, one concert, and what becomes of it.

mod doubts;
mod edit;
mod poster;

use app::concerts::change::{self, ChangeError};
use app::concerts::{self, StaffFilter};
use app::{App, posters};
use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::{get, post};
use domain::concert::{Concert, ConcertStatus, parse_day};
use domain::id::ConcertId;
use domain::role::Permission;
use http::StatusCode;
use jiff::civil::Date;
use store::Acting;

use super::exports::{Takeaway, takeaway};
use super::frame::{Frame, done, refused};
use super::member::Member;
use super::runs::run_page;
use crate::api::cursor;
use crate::exports::Table;
use crate::http::page::{figure, show};
use crate::http::pairs;
use crate::http::path::Segment;
use crate::http::problem::Problem;
use crate::http::staff::{DeleteConcert, OpenConcerts, ReadConcerts};
use crate::http::web::Web;
use crate::i18n::number;
use crate::shop::{SaleState, paragraphs, price};

pub const PATH: &str = "/staff/concerts";
/// As the API's lists have.
const ROWS: u16 = 50;
/// Longer searches find nothing that shorter ones don't.
const SEARCH_MAX: usize = 100;

pub fn routes() -> Router<Web> {
    Router::new()
        .route(PATH, get(list))
        .route(
            "/staff/concerts/new",
            get(edit::show_new).post(edit::create),
        )
        .route("/staff/concerts/{id}", get(show_one))
        .route(
            "/staff/concerts/{id}/edit",
            get(edit::show_edit).post(edit::save),
        )
        .route("/staff/concerts/{id}/poster", post(poster::upload))
        .route("/staff/concerts/{id}/open", post(open))
        .route("/staff/concerts/{id}/close", post(close))
        .route("/staff/concerts/{id}/archive", post(archive))
        .route("/staff/concerts/{id}/delete", post(delete))
}

/// The address of one concert's page.
fn address(id: ConcertId) -> String {
    format!("{PATH}/{id}")
}

/// `GET /staff/concerts?q=&status=&venue=&from=&to=&deleted=&cursor=`
async fn list(
    State(app): State<App>,
    member: Member<ReadConcerts>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let wanted = Wanted::read(query.as_deref());
    let after = cursor::read(&wanted.cursor);
    let page = concerts::list_for_staff(&app, &wanted.filter(), (after, ROWS)).await?;
    let frame = member.frame;
    let title = frame.t("sc-title");
    let cancelled = concerts::find_cancelled_current(&app, &page.items).await?;
    let moment = (app.today(), &*cancelled);
    let rows = page.items.iter();
    let page = ListPage {
        rows: rows
            .map(|concert| Row::new(&frame, concert, moment, wanted.deleted))
            .collect(),
        statuses: statuses(&frame, &wanted.status),
        more: page
            .next
            .map(|next| wanted.address_after(&cursor::write(next))),
        is_first: after.is_none(),
        may_edit: frame.may(Permission::EditConcerts),
        takeaway: takeaway(&frame, Table::Concerts, &wanted.filters()),
        wanted,
        frame: frame.titled(&title),
    };
    Ok(show(StatusCode::OK, &page))
}

/// What the address asks for. A value that means nothing counts as none.
#[derive(Debug, Default)]
struct Wanted {
    q: String,
    status: String,
    venue: String,
    from: String,
    to: String,
    deleted: bool,
    cursor: String,
}

impl Wanted {
    fn read(query: Option<&str>) -> Self {
        let mut wanted = Self::default();
        for (name, value) in pairs::of_query(query) {
            // PostgreSQL's texts can't hold U+0000.
            let line = value.replace('\0', "").trim().to_owned();
            match name.as_str() {
                "q" => wanted.q = line.chars().take(SEARCH_MAX).collect(),
                "status" => wanted.status = line,
                "venue" => wanted.venue = line,
                "from" if parse_day(&line).is_some() => wanted.from = line,
                "to" if parse_day(&line).is_some() => wanted.to = line,
                "deleted" => wanted.deleted = line == "true",
                "cursor" => wanted.cursor = line,
                _ => {}
            }
        }
        wanted
    }

    /// Whether anything but the whole list is asked for.
    fn is_narrow(&self) -> bool {
        let typed = [&self.q, &self.status, &self.venue, &self.from, &self.to];
        self.deleted || typed.iter().any(|text| !text.is_empty())
    }

    fn filter(&self) -> StaffFilter {
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        StaffFilter {
            status: self.status.parse().ok(),
            from: parse_day(&self.from),
            until: parse_day(&self.to),
            venue: some(&self.venue),
            text: some(&self.q),
            is_deleted: self.deleted,
        }
    }

    fn address_after(&self, cursor: &str) -> String {
        format!("{PATH}?{}", self.query(&self.status, cursor))
    }

    /// The filters that mean something.
    fn filters(&self) -> String {
        let status = self.filter().status.map_or("", ConcertStatus::as_str);
        self.query(status, "")
    }

    fn query(&self, status: &str, cursor: &str) -> String {
        let pairs = [
            ("q", &*self.q),
            ("status", status),
            ("venue", &self.venue),
            ("from", &self.from),
            ("to", &self.to),
            ("deleted", if self.deleted { "true" } else { "" }),
            ("cursor", cursor),
        ];
        let set = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        let set: Vec<_> = set.collect();
        serde_urlencoded::to_string(set).unwrap_or_default()
    }
}

#[derive(Debug, Template)]
#[template(path = "staff/concerts.html")]
struct ListPage {
    frame: Frame,
    wanted: Wanted,
    statuses: Vec<(&'static str, String, bool)>,
    rows: Vec<Row>,
    more: Option<String>,
    is_first: bool,
    may_edit: bool,
    takeaway: Vec<Takeaway>,
}

fn statuses(frame: &Frame, wanted: &str) -> Vec<(&'static str, String, bool)> {
    let each = [
        ("", "sc-any"),
        ("open", "sc-open"),
        ("closed", "sc-closed"),
        ("archived", "sc-archived"),
    ];
    each.map(|(value, key)| (value, frame.t(key), value == wanted))
        .into()
}

/// One concert in the list.
#[derive(Debug)]
struct Row {
    /// A deleted one has no page.
    href: Option<String>,
    artist: String,
    name: String,
    venue: String,
    date: String,
    date_iso: String,
    state: &'static str,
    state_label: String,
    taken: i32,
    total: i32,
    figures: String,
}

impl Row {
    fn new(frame: &Frame, concert: &Concert, moment: Moment<'_>, is_deleted: bool) -> Self {
        let (state, state_label) = state(frame, concert, moment);
        let values = [figure(concert.taken()), figure(concert.total_tickets)];
        Self {
            href: (!is_deleted).then(|| address(concert.id)),
            artist: concert.artist.clone(),
            name: concert.name.clone(),
            venue: concert.venue.clone(),
            date: frame.lang().date_short(concert.date),
            date_iso: concert.date.to_string(),
            state,
            state_label,
            taken: concert.taken(),
            total: concert.total_tickets,
            figures: frame.lang().text_with(
                "staff-taken",
                &[("shown", &values[0]), ("total", &values[1])],
            ),
        }
    }
}

/// Today, and which of the concerts were cancelled.
type Moment<'a> = (Date, &'a [ConcertId]);

/// How the sale stands, as the shop says it; archived ones aren't in the shop.
fn state(
    frame: &Frame,
    concert: &Concert,
    (today, cancelled): Moment<'_>,
) -> (&'static str, String) {
    if concert.status == ConcertStatus::Archived {
        return ("closed", frame.t("sc-archived"));
    }
    let state = SaleState::of(concert, today, cancelled.contains(&concert.id));
    (state.name(), state.label(frame.lang()))
}

/// `GET /staff/concerts/{id}`
async fn show_one(
    State(app): State<App>,
    member: Member<ReadConcerts>,
    Segment(id): Segment<ConcertId>,
) -> Result<Response, Problem> {
    let page = OnePage::of(&app, member.frame, &member.acting, id).await?;
    Ok(show(StatusCode::OK, &page))
}

#[derive(Debug, Template)]
#[template(path = "staff/concert.html")]
struct OnePage {
    frame: Frame,
    errors: Vec<(&'static str, String)>,
    id: ConcertId,
    concert: Concert,
    date: String,
    price: String,
    state: &'static str,
    state_label: String,
    /// What cancelled it.
    run: Option<String>,
    /// Sold, held, left and all, as people write them.
    sold: String,
    held: String,
    left: String,
    total: String,
    /// The largest of an uploaded poster, or the one picture there is.
    poster: Option<String>,
    paragraphs: Vec<String>,
    in_shop: Option<String>,
    /// What its state and the role allow. Whoever sends a form is asked again.
    acts: Vec<Act>,
    wrong_poster: Option<String>,
}

impl OnePage {
    async fn of(app: &App, frame: Frame, by: &Acting, id: ConcertId) -> Result<Self, Problem> {
        let found = concerts::show_to_staff(app, id).await?;
        let concert = found.ok_or_else(Problem::not_found)?;
        let taken = concerts::count_taken(app, id, by).await?;
        let title = format!("{}: {}", concert.artist, concert.name);
        let run = concerts::find_cancellation(app, id, by).await?;
        let cancelled: Vec<_> = run.iter().map(|_| id).collect();
        let (state, state_label) = state(&frame, &concert, (app.today(), &cancelled));
        let mut acts = acts(&frame, &concert, (taken.reservations, app.today()));
        if run.is_some() {
            let has_left = taken.reservations > 0;
            acts.retain(|act| act.is_of_cancelled(has_left));
        }
        let is_over = concert.status == ConcertStatus::Archived;
        Ok(Self {
            errors: Vec::new(),
            id,
            date: frame.lang().date_long(concert.date),
            price: price(frame.lang(), concert.price, app.settings().currency),
            state,
            state_label,
            sold: number(taken.sold),
            held: number(taken.held),
            left: figure(concert.available_tickets),
            total: figure(concert.total_tickets),
            poster: shown_poster(&concert),
            paragraphs: paragraphs(concert.description.as_deref().unwrap_or_default()),
            in_shop: (!is_over).then(|| frame.layout.href(&format!("/concerts/{id}"))),
            acts,
            run: run.map(run_page),
            wrong_poster: None,
            concert,
            frame: frame.titled(&title),
        })
    }
}

/// What can be done to a concert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Watch,
    Edit,
    Duplicate,
    Upload,
    Open,
    Close,
    Cancel,
    Archive,
    Delete,
    SeeReservations,
}

impl Act {
    /// Whether it makes sense once the concert was cancelled, which is final. Cancelling once more has
    /// whoever the first time left out.
    const fn is_of_cancelled(self, has_left: bool) -> bool {
        match self {
            Self::Duplicate | Self::Archive | Self::SeeReservations => true,
            Self::Cancel => has_left,
            Self::Watch | Self::Edit | Self::Upload | Self::Open | Self::Close | Self::Delete => {
                false
            }
        }
    }
}

fn acts(frame: &Frame, concert: &Concert, (reservations, today): (i64, Date)) -> Vec<Act> {
    let is_live = concert.status != ConcertStatus::Archived;
    let is_open = concert.status == ConcertStatus::Open;
    let edits = frame.may(Permission::EditConcerts);
    let opens = frame.may(Permission::OpenConcerts) && is_live;
    let each = [
        (Act::Watch, true),
        (Act::Edit, edits && is_live),
        (Act::Duplicate, edits),
        (Act::Upload, frame.may(Permission::UploadPoster) && is_live),
        (Act::Open, opens && !is_open && concert.date >= today),
        (Act::Close, opens && is_open),
        (Act::Cancel, frame.may(Permission::CancelConcert)),
        (Act::Archive, opens),
        (
            Act::Delete,
            frame.may(Permission::DeleteConcert) && reservations == 0,
        ),
        (
            Act::SeeReservations,
            frame.may(Permission::ReadReservations),
        ),
    ];
    let possible = each.into_iter().filter(|(_, is_possible)| *is_possible);
    possible.map(|(act, _)| act).collect()
}

fn shown_poster(concert: &Concert) -> Option<String> {
    let path = concert.image_url.as_deref()?;
    let largest = posters::addresses(path).map(|[.., (_, address)]| address);
    Some(largest.unwrap_or_else(|| path.to_owned()))
}

/// `POST /staff/concerts/{id}/open`
async fn open(
    State(app): State<App>,
    member: Member<OpenConcerts>,
    Segment(id): Segment<ConcertId>,
) -> Result<Response, Problem> {
    let opened = change::set_status(&app, id, ConcertStatus::Open, member.acting).await;
    after(member.frame, id, (opened.map(drop), "concert-opened"))
}

/// `POST /staff/concerts/{id}/close`
async fn close(
    State(app): State<App>,
    member: Member<OpenConcerts>,
    Segment(id): Segment<ConcertId>,
) -> Result<Response, Problem> {
    let closed = change::set_status(&app, id, ConcertStatus::Closed, member.acting).await;
    after(member.frame, id, (closed.map(drop), "concert-closed"))
}

/// `POST /staff/concerts/{id}/archive`
async fn archive(
    State(app): State<App>,
    member: Member<OpenConcerts>,
    Segment(id): Segment<ConcertId>,
) -> Result<Response, Problem> {
    let archived = change::set_status(&app, id, ConcertStatus::Archived, member.acting).await;
    after(member.frame, id, (archived.map(drop), "concert-archived"))
}

/// `POST /staff/concerts/{id}/delete`
async fn delete(
    State(app): State<App>,
    member: Member<DeleteConcert>,
    Segment(id): Segment<ConcertId>,
) -> Result<Response, Problem> {
    match change::delete(&app, id, member.acting).await {
        Ok(()) => Ok(done(PATH, "concert-deleted")),
        refusal => after(member.frame, id, (refusal, "concert-deleted")),
    }
}

/// To the concert's page, or why it wasn't done.
fn after(
    frame: Frame,
    id: ConcertId,
    (outcome, said): (Result<(), ChangeError>, &str),
) -> Result<Response, Problem> {
    match outcome {
        Ok(()) => Ok(done(&address(id), said)),
        Err(error) => refusal(frame, id, error),
    }
}

/// A refusal as a page; whatever isn't about the concert is the problem's own.
fn refusal(frame: Frame, id: ConcertId, error: ChangeError) -> Result<Response, Problem> {
    let sentence = match error {
        ChangeError::Archived => frame.t("sc-is-archived"),
        ChangeError::Cancelled => frame.t("sc-is-cancelled"),
        ChangeError::DayOver => frame.t("sc-is-over"),
        ChangeError::KeptForRefunds => frame.t("sc-kept-for-refunds"),
        ChangeError::MoneyOpen => frame.t("sc-money-open"),
        ChangeError::HasReservations { reservations } => {
            frame.lang().count("sc-has-reservations", reservations)
        }
        error => return Err(error.into()),
    };
    Ok(refused(frame, StatusCode::CONFLICT, sentence, address(id)))
}
