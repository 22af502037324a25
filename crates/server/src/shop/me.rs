//! What a customer has: first what is still to come, then the rest; and the way out.

use app::App;
use app::customers::{self, BOOKING_PAGES_MAX, Bookings};
use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use domain::reservation::ReservationStatus;
use http::StatusCode;
use http::header::SET_COOKIE;
use jiff::Timestamp;
use store::customers::Booking;

use super::asked::Asked;
use super::sign_in::sign_in_address;
use super::visitor::Holdings;
use super::{POSTER_NONE, price};
use crate::http::customer::MaybeCustomer;
use crate::http::headers::FORGET_COPIES;
use crate::http::page::Layout;
use crate::http::pairs::{self, value};
use crate::http::problem::Problem;

/// `GET /{lang}/me?page=`: to the sign-in for whoever isn't.
pub async fn show(
    State(app): State<App>,
    Asked { layout, answer }: Asked,
    MaybeCustomer(customer): MaybeCustomer,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let Some(customer) = customer else {
        let here = layout.here();
        return Ok(Redirect::to(&sign_in_address(&layout, &here)).into_response());
    };
    let number = read_page(query.as_deref());
    let bookings = customers::list_bookings(&app, &customer, number).await?;
    let page = MePage::new(&app, layout, &bookings, (number, customer.email().as_str()));
    Ok(answer.private(StatusCode::OK, &page))
}

/// `POST /{lang}/sign-out`: the session ends here and on the server. What the browser holds goes with
/// it, and so do the tickets that were kept for doors without a net: somebody else may be next.
pub async fn sign_out(
    State(app): State<App>,
    Asked { layout, .. }: Asked,
    MaybeCustomer(customer): MaybeCustomer,
    holdings: Holdings,
) -> Result<Response, Problem> {
    if let Some(customer) = customer {
        customers::sign_out(&app, &customer).await?;
    }
    let cookie = [(SET_COOKIE, holdings.to_no_cookie())];
    Ok((FORGET_COPIES, cookie, Redirect::to(&layout.href("/"))).into_response())
}

fn read_page(query: Option<&str>) -> u16 {
    let number = value(&pairs::of_query(query), "page").parse();
    number.unwrap_or(1).clamp(1, BOOKING_PAGES_MAX)
}

#[derive(Debug, Template)]
#[template(path = "me.html")]
struct MePage {
    layout: Layout,
    signed_in_as: String,
    upcoming: Vec<Line>,
    past: Vec<Line>,
    /// Links to the pages before and after this one.
    previous: Option<String>,
    next: Option<String>,
    sign_out: String,
}

/// A reservation in the list.
#[derive(Debug)]
struct Line {
    href: String,
    artist: String,
    concert: String,
    venue: String,
    date: String,
    date_iso: String,
    poster: String,
    tickets: String,
    total: String,
    /// The value of `data-state`, and the same in words.
    state: &'static str,
    label: String,
    /// What is to be done next.
    next: Option<String>,
}

impl MePage {
    fn new(app: &App, layout: Layout, bookings: &Bookings, (number, email): (u16, &str)) -> Self {
        let (now, currency) = (app.ctx().now(), app.settings().currency);
        let lines = |upcoming: bool| {
            let wanted = bookings.items.iter();
            let wanted = wanted.filter(move |booking| booking.is_upcoming == upcoming);
            let line = |booking: &Booking| Line::new(&layout, booking, (now, currency));
            wanted.map(line).collect::<Vec<_>>()
        };
        let at = |number: u16| layout.href(&format!("/me?page={number}"));
        let has_next = bookings.has_more && number < BOOKING_PAGES_MAX;
        let title = layout.t("me-title");
        Self {
            signed_in_as: layout.lang.text_with("me-signed-in", &[("email", email)]),
            upcoming: lines(true),
            past: lines(false),
            previous: (number > 1).then(|| at(number - 1)),
            next: has_next.then(|| at(number + 1)),
            sign_out: layout.href("/sign-out"),
            layout: layout.titled(&title),
        }
    }

    fn is_empty(&self) -> bool {
        self.upcoming.is_empty() && self.past.is_empty()
    }
}

impl Line {
    fn new(
        layout: &Layout,
        booking: &Booking,
        (now, currency): (Timestamp, domain::money::Currency),
    ) -> Self {
        let (lang, reservation) = (layout.lang, &booking.reservation);
        let time = reservation.expires_at;
        let time = time.map(|at| lang.time(at, &layout.site.time_zone));
        let time = time.unwrap_or_default();
        let (state, label, next) = match reservation.status_at(now) {
            ReservationStatus::Pending => ("held", "me-held", Some("me-next-pay")),
            ReservationStatus::Confirmed => (
                "confirmed",
                "confirmed-label",
                booking.is_upcoming.then_some("me-next-tickets"),
            ),
            ReservationStatus::Cancelled => ("cancelled", "cancelled-label", None),
            ReservationStatus::Expired => ("expired", "expired-label", None),
        };
        Self {
            href: layout.href(&format!("/r/{}", reservation.id)),
            artist: booking.artist.clone(),
            concert: booking.concert.clone(),
            venue: booking.venue.clone(),
            date: lang.date_long(booking.date),
            date_iso: booking.date.to_string(),
            poster: booking
                .image_url
                .clone()
                .unwrap_or_else(|| POSTER_NONE.to_owned()),
            tickets: lang.count("tickets", i64::from(reservation.quantity)),
            total: price(lang, reservation.total_price, currency),
            state,
            label: lang.text_with(label, &[("time", &time)]),
            next: next.map(|key| lang.text(key)),
        }
    }
}
