//! Reservations: the list with its filters in the address, from which several are chosen at once.

pub mod bulk;
pub mod detail;
pub mod words;

use app::App;
use app::reservations::{self, ListRequest, PAGE_MAX, Page};
use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use domain::concert::Concert;
use domain::id::ConcertId;
use domain::reservation::{Reservation, ReservationStatus};
use domain::run::RunKind;
use http::StatusCode;

use self::words::{choose_key, status_key};
use super::choice;
use super::exports::{Takeaway, takeaway};
use super::form::{Field, sentence};
use super::frame::Frame;
use super::member::Member;
use crate::api::admin::reservations::read_query;
use crate::api::cursor;
use crate::exports::Table;
use crate::http::page::show;
use crate::http::pairs::{self, value};
use crate::http::problem::Problem;
use crate::http::staff::ReadReservations;
use crate::http::web::Web;
use crate::i18n::number;
use crate::shop::price;

pub(super) const PATH: &str = "/staff/reservations";
/// Rows of one page: as many as can be looked through before something is done to all of them.
const ROWS: u16 = 100;
const _: () = assert!(ROWS <= PAGE_MAX, "the list gives so many");

pub fn routes() -> Router<Web> {
    Router::new()
        .route(PATH, get(show_list))
        .merge(bulk::routes())
        .merge(detail::routes())
}

/// The address of a reservation's page.
pub(super) fn page_of(id: &impl std::fmt::Display) -> String {
    format!("{PATH}/{id}")
}

/// `GET /staff/reservations?q=&status=&concert_id=&email=&from=&to=&cursor=&all=`
async fn show_list(
    State(app): State<App>,
    member: Member<ReadReservations>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut asked = Asked::read(query.as_deref());
    let concert = choice::concert(&app, &member.frame, asked.value(CONCERT)).await?;
    asked.replace(CONCERT, &concert.number);
    let mut errors: Vec<_> = concert.error().into_iter().collect();
    let read = read_query(&asked.to_query(), &app.settings().timezone);
    if let Err(problem) = &read {
        errors.extend(wrong_filters(&member.frame, problem));
    }
    let (Ok(request), true) = (read, errors.is_empty()) else {
        let page = ListPage::new(member.frame, (asked, concert.field), errors);
        return Ok(show(StatusCode::UNPROCESSABLE_ENTITY, &page));
    };
    let wanted = ListRequest {
        limit: ROWS,
        ..request
    };
    let found = reservations::list(&app, wanted, &member.acting).await?;
    let concerts = reservations::concerts_of(&app, &found.items).await?;
    let mut page = ListPage::new(member.frame, (asked, concert.field), Vec::new());
    page.fill(&app, &found, &concerts);
    let pairs = pairs::of_query(query.as_deref());
    page.is_all_chosen = !value(&pairs, ALL).is_empty();
    Ok(show(StatusCode::OK, &page))
}

/// The filters that are wrong, each with a sentence that names it.
fn wrong_filters(frame: &Frame, problem: &Problem) -> Vec<(&'static str, String)> {
    let errors = problem.errors.iter().filter_map(|error| {
        let name = FILTERS.into_iter().find(|name| *name == error.field)?;
        let label = frame.t(label_key(name));
        let why = sentence(frame.lang(), error.reason);
        Some((name, format!("{label}: {why}")))
    });
    errors.collect()
}

const CONCERT: &str = "concert_id";
/// Asks for a page whose rows are all chosen.
const ALL: &str = "all";
const FILTERS: [&str; 7] = ["q", "status", CONCERT, "email", "from", "to", "cursor"];

fn label_key(filter: &str) -> &'static str {
    match filter {
        "q" => "sr-search",
        "status" => "sr-status",
        CONCERT => "sr-concert-number",
        "email" => "sr-email",
        "from" => "sr-from",
        "to" => "sr-to",
        _ => "sr-pages",
    }
}

/// What the address asks for, as it was typed.
#[derive(Debug, Default)]
struct Asked(Vec<(&'static str, String)>);

impl Asked {
    fn read(query: Option<&str>) -> Self {
        let pairs = pairs::of_query(query);
        let typed = FILTERS.map(|name| (name, value(&pairs, name).trim().to_owned()));
        let given = typed.into_iter().filter(|(_, value)| !value.is_empty());
        Self(given.collect())
    }

    fn value(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(other, _)| *other == name);
        found.map_or("", |(_, value)| value)
    }

    /// The same with another value, or without one.
    fn replace(&mut self, name: &'static str, value: &str) {
        self.0.retain(|(other, _)| *other != name);
        if !value.is_empty() {
            self.0.push((name, value.to_owned()));
        }
    }

    fn to_query(&self) -> String {
        serde_urlencoded::to_string(&self.0).unwrap_or_default()
    }

    /// The filters alone, for all pages of the list.
    fn filters(&self) -> String {
        let kept = self.0.iter().filter(|(name, _)| *name != "cursor");
        serde_urlencoded::to_string(kept.collect::<Vec<_>>()).unwrap_or_default()
    }

    /// The same list from its newest on.
    fn first_page(&self) -> String {
        address_of(&self.filters())
    }

    /// This page of it.
    fn here(&self) -> String {
        address_of(&self.to_query())
    }

    /// The same with all of its rows chosen, without a script.
    fn here_with_all(&self) -> String {
        let joint = if self.0.is_empty() { "" } else { "&" };
        address_of(&format!("{}{joint}{ALL}=1", self.to_query()))
    }

    /// Whether anything but the plain list is asked for.
    fn is_narrow(&self) -> bool {
        self.0.iter().any(|(name, _)| *name != "cursor")
    }

    /// The same list behind that place.
    fn address_after(&self, cursor: &str) -> String {
        let kept = self.0.iter().filter(|(name, _)| *name != "cursor");
        let mut pairs: Vec<(&str, &str)> = kept.map(|(name, value)| (*name, &**value)).collect();
        pairs.push(("cursor", cursor));
        let query = serde_urlencoded::to_string(pairs).unwrap_or_default();
        format!("{PATH}?{query}")
    }
}

fn address_of(query: &str) -> String {
    if query.is_empty() {
        PATH.to_owned()
    } else {
        format!("{PATH}?{query}")
    }
}

/// The page of the list that a form came from, by the query that it carries; of that, what filters.
fn came_from(query: &str) -> String {
    address_of(&Asked::read(Some(query)).to_query())
}

#[derive(Debug, Template)]
#[template(path = "staff/reservations.html")]
struct ListPage {
    frame: Frame,
    errors: Vec<(&'static str, String)>,
    asked: Asked,
    concert: Field,
    statuses: Vec<Choice>,
    rows: Vec<Row>,
    next: Option<String>,
    /// Each row of this page is ticked.
    is_all_chosen: bool,
    /// What can be done to several at once, by the role.
    acts: Vec<Act>,
    takeaway: Vec<Takeaway>,
}

/// An option of a select.
#[derive(Debug)]
struct Choice {
    value: &'static str,
    label: String,
    is_chosen: bool,
}

/// A button for those that were chosen.
#[derive(Debug)]
struct Act {
    kind: &'static str,
    label: String,
}

#[derive(Debug)]
struct Row {
    id: String,
    href: String,
    name: String,
    email: String,
    artist: String,
    concert: String,
    concert_id: ConcertId,
    tickets: String,
    total: String,
    status: String,
    state: &'static str,
    at: String,
    choose: String,
}

impl ListPage {
    fn new(
        frame: Frame,
        (asked, concert): (Asked, Field),
        errors: Vec<(&'static str, String)>,
    ) -> Self {
        let chosen = asked.value("status");
        let statuses = ReservationStatus::ALL.into_iter().map(|status| Choice {
            value: status.as_str(),
            label: frame.t(status_key(status)),
            is_chosen: status.as_str() == chosen,
        });
        let all = Choice {
            value: "",
            label: frame.t("sr-status-any"),
            is_chosen: chosen.is_empty(),
        };
        let acts = [RunKind::Cancel, RunKind::Refund, RunKind::Resend];
        let acts = acts
            .into_iter()
            .filter(|kind| frame.may(kind.permission()))
            .map(|kind| Act {
                kind: kind.as_str(),
                label: frame.t(choose_key(kind)),
            });
        let title = frame.t("sr-title");
        let takeaway = if errors.is_empty() {
            takeaway(&frame, Table::Reservations, &asked.filters())
        } else {
            Vec::new()
        };
        Self {
            takeaway,
            statuses: [all].into_iter().chain(statuses).collect(),
            acts: acts.collect(),
            errors,
            asked,
            concert,
            rows: Vec::new(),
            next: None,
            is_all_chosen: false,
            frame: frame.titled(&title),
        }
    }

    fn fill(&mut self, app: &App, found: &Page, concerts: &[Concert]) {
        let rows = found.items.iter().map(|item| self.row(app, item, concerts));
        self.rows = rows.collect();
        self.next = found.next.as_ref().map(|next| {
            let place = cursor::write_moment(next.created_at, &next.id);
            self.asked.address_after(&place)
        });
    }

    fn row(&self, app: &App, item: &Reservation, concerts: &[Concert]) -> Row {
        let (lang, settings) = (self.frame.lang(), app.settings());
        let concert = concerts.iter().find(|one| one.id == item.concert_id);
        Row {
            id: item.id.to_string(),
            href: page_of(&item.id),
            name: item.customer_name.clone(),
            email: item.customer_email.clone(),
            artist: concert.map_or_else(String::new, |one| one.artist.clone()),
            concert: concert.map_or_else(String::new, |one| one.name.clone()),
            concert_id: item.concert_id,
            tickets: number(i64::from(item.quantity)),
            total: price(lang, item.total_price, settings.currency),
            status: self.frame.t(status_key(item.status)),
            state: item.status.as_str(),
            at: self.frame.moment(item.created_at),
            choose: lang.text_with("sr-choose", &[("id", item.id.as_str())]),
        }
    }
}
