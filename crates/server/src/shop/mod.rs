//! The pages for buyers. A handler translates between a request and a use case, and a view struct
//! holds what its template shows, ready to print.
//! No rule about selling is here, and no wording: those are in `domain` and `locales/`.

pub mod asked;
pub mod concert;
pub mod concerts;
mod event;
pub mod hold;
pub mod hold_form;
pub mod keep;
pub mod me;
pub mod my_data;
pub mod oidc;
pub mod pay;
pub mod reservation;
pub mod sign_in;
#[cfg(test)]
mod tests;
pub mod theme;
pub mod tickets;
pub mod visitor;

use app::posters;
use axum::response::{IntoResponse, Redirect};
use domain::concert::{Concert, ConcertStatus};
use domain::money::{Currency, Money};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::i18n::{Lang, money};
use visitor::Visitor;

/// `GET /`: to the concerts in the visitor's language.
pub async fn home(visitor: Visitor) -> impl IntoResponse {
    let target = format!("/{}/", visitor.lang.as_str());
    ([(VARY, "accept-language, cookie")], Redirect::to(&target))
}

/// `GET /{lang}`: the address of the list ends with a slash.
pub async fn home_in_language(asked: asked::Asked) -> Redirect {
    Redirect::to(&asked.layout.href("/"))
}

/// `GET /robots.txt`
pub async fn robots() -> impl IntoResponse {
    let head = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (CACHE_CONTROL, "max-age=86400"),
    ];
    (head, include_str!("../../assets/robots.txt"))
}

/// What a concert without a poster shows.
const POSTER_NONE: &str = "/assets/posters/house.svg";

/// From how few tickets on we say so: ten, or a fiftieth of a big house.
const FEW_LEFT: i32 = 10;
const FEW_LEFT_SHARE: i32 = 50;

/// How a concert's sale stands, as a buyer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaleState {
    OnSale,
    FewLeft {
        available: i32,
    },
    SoldOut,
    Closed,
    Past,
    /// The concert won't be played.
    Cancelled,
}

impl SaleState {
    /// Up to so many tickets of a concert are few.
    fn few_max(concert: &Concert) -> i32 {
        FEW_LEFT.max(concert.total_tickets / FEW_LEFT_SHARE)
    }

    pub fn of(concert: &Concert, today: Date, is_cancelled: bool) -> Self {
        let available = concert.available_tickets;
        if is_cancelled {
            Self::Cancelled
        } else if concert.date < today {
            Self::Past
        } else if concert.status != ConcertStatus::Open {
            Self::Closed
        } else if available <= 0 {
            Self::SoldOut
        } else if available <= Self::few_max(concert) {
            Self::FewLeft { available }
        } else {
            Self::OnSale
        }
    }

    /// The state in words; colour only repeats it.
    pub fn label(self, lang: Lang) -> String {
        match self {
            Self::OnSale => lang.text("state-on-sale"),
            Self::FewLeft { available } => lang.count("state-few-left", i64::from(available)),
            Self::SoldOut => lang.text("state-sold-out"),
            Self::Closed => lang.text("state-closed"),
            Self::Past => lang.text("state-past"),
            Self::Cancelled => lang.text("state-cancelled"),
        }
    }

    /// The value of `data-state`, which the style sheet colours.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OnSale => "on-sale",
            Self::FewLeft { .. } => "few-left",
            Self::SoldOut => "sold-out",
            Self::Closed => "closed",
            Self::Past => "past",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A price for people: `฿1,250`, or the word for free.
pub fn price(lang: Lang, amount: Money, currency: Currency) -> String {
    if amount.is_zero() {
        lang.text("free")
    } else {
        money(amount.minor(), currency.as_str())
    }
}

/// A sentence with a date and a time of that clock.
pub fn moment(lang: Lang, key: &str, (at, zone): (Timestamp, &TimeZone)) -> String {
    let date = lang.date_long(zone.to_datetime(at).date());
    let time = lang.time(at, zone);
    lang.text_with(key, &[("date", &date), ("time", &time)])
}

/// A text's paragraphs, which an empty line parts.
pub fn paragraphs(text: &str) -> Vec<String> {
    text.split("\n\n")
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The poster's addresses by width, for the browser to choose from; one that wasn't uploaded has one.
fn poster_set(concert: &Concert) -> Option<String> {
    let addresses = posters::addresses(concert.image_url.as_deref()?)?;
    let each = addresses.map(|(width, address)| format!("{address} {width}w"));
    Some(each.join(", "))
}

/// The poster's address, or that of the house's own.
fn poster(concert: &Concert) -> String {
    concert
        .image_url
        .clone()
        .unwrap_or_else(|| POSTER_NONE.to_owned())
}
