//! What a buyer takes along, in the buyer's language: the same for the API, the pages and mails.

use app::tickets::{Issue, Issued};
use app::{App, concerts};
use axum::response::{IntoResponse, Response};
use documents::{CalendarEntry, DocumentError, TicketPage, TicketSheet};
use domain::concert::Concert;
use domain::id::ReservationId;
use domain::money::{Currency, Money};
use domain::reservation::Reservation;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

use crate::http::problem::Problem;
use crate::i18n::Lang;
use crate::shop::price;

pub const PDF: &str = "application/pdf";
pub const CALENDAR: &str = "text/calendar; charset=utf-8";

pub fn pdf_name(id: &ReservationId) -> String {
    format!("tickets-{id}.pdf")
}

pub fn calendar_name(id: &ReservationId) -> String {
    format!("{id}.ics")
}

/// A file to keep. Names are made of ids, which need no quoting.
pub fn file(kind: &'static str, name: &str, bytes: Vec<u8>) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers = [
        (CONTENT_TYPE, kind.to_owned()),
        (CONTENT_DISPOSITION, disposition),
    ];
    (headers, bytes).into_response()
}

/// A ticket's QR code; `title` is read aloud.
pub fn qr_code(payload: &str, title: &str) -> Result<String, Problem> {
    Ok(documents::qr_svg(payload, title)?)
}

/// The tickets to print. Drawing takes a processor for a tenth of a second or two, so it is done aside.
pub async fn pdf(app: &App, issued: Issued, lang: Lang) -> Result<Vec<u8>, Problem> {
    let concert = find_concert(app, &issued).await?;
    let currency = app.settings().currency;
    let drawn = tokio::task::spawn_blocking(move || {
        draw(
            &concert,
            &issued.reservation,
            &issued.tickets,
            (lang, currency),
        )
    });
    Ok(drawn.await.map_err(|_| Problem::internal())??)
}

/// The same where it may take its time.
pub fn draw(
    concert: &Concert,
    reservation: &Reservation,
    tickets: &[Issue],
    (lang, currency): (Lang, Currency),
) -> Result<Vec<u8>, DocumentError> {
    let each = reservation.total_price.minor() / i64::from(reservation.quantity.max(1));
    let each = Money::from_minor(each).unwrap_or(Money::ZERO);
    let pages: Vec<TicketPage<'_>> = tickets
        .iter()
        .map(|issue| TicketPage {
            number: usize::try_from(issue.ticket.number).unwrap_or(1),
            code: &issue.ticket.code,
            payload: &issue.payload,
        })
        .collect();
    documents::tickets_pdf(&TicketSheet {
        language: lang.language(),
        concert: &concert.name,
        artist: &concert.artist,
        venue: &concert.venue,
        date: &lang.date_long(concert.date),
        holder: &reservation.customer_name,
        price: &price(lang, each, currency),
        reservation_id: &reservation.id,
        count: pages.len(),
        pages: &pages,
    })
}

/// The concert's day for a calendar.
pub async fn calendar(
    app: &App,
    issued: &Issued,
    lang: Lang,
    base_url: &str,
) -> Result<String, Problem> {
    let concert = find_concert(app, issued).await?;
    Ok(calendar_of(&concert, &issued.reservation, lang, base_url))
}

/// The same of what is at hand.
pub fn calendar_of(
    concert: &Concert,
    reservation: &Reservation,
    lang: Lang,
    base_url: &str,
) -> String {
    let url = format!("{base_url}/{}/r/{}", lang.as_str(), reservation.id);
    let host = base_url.split("//").nth(1).unwrap_or(base_url);
    documents::calendar_file(&CalendarEntry {
        language: lang.language(),
        concert: &concert.name,
        artist: &concert.artist,
        venue: &concert.venue,
        date: concert.date,
        reservation_id: &reservation.id,
        url: &url,
        host,
        changed_at: reservation.updated_at,
    })
}

async fn find_concert(app: &App, issued: &Issued) -> Result<Concert, Problem> {
    let found = concerts::show_current(app, issued.reservation.concert_id).await?;
    found.ok_or_else(Problem::not_found)
}

impl From<DocumentError> for Problem {
    fn from(error: DocumentError) -> Self {
        tracing::error!(%error, "a document couldn't be made");
        Self::internal()
    }
}
