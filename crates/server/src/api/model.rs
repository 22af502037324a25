//! The shapes of the API's answers. They are stable: names and types are the public contract.

use domain::concert::Concert;
use domain::money::Currency;
use domain::reservation::Reservation;
use serde::{Deserialize, Serialize};
use store::payments::Stored;
use utoipa::ToSchema;

use super::shape;

/// A concert as everybody may see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Concert)]
pub struct ConcertBody {
    #[schema(example = 1, minimum = 1)]
    id: i32,
    name: String,
    artist: String,
    /// The concert's day, and the last day of its sale.
    #[schema(format = Date, example = "2026-12-12")]
    date: String,
    venue: String,
    #[schema(minimum = 0)]
    total_tickets: i32,
    /// Tickets that nobody holds or has bought.
    #[schema(minimum = 0)]
    available_tickets: i32,
    /// For one ticket, all-in, with two decimals.
    #[schema(pattern = r"^[0-9]+\.[0-9]{2}$", example = "1250.00")]
    price: String,
    /// ISO 4217.
    #[schema(example = "THB")]
    currency: String,
    /// Archived concerts are shown to staff alone.
    #[schema(pattern = "^(open|closed|archived)$")]
    status: &'static str,
    /// A path of this site.
    #[schema(required)]
    image_url: Option<String>,
    #[schema(required)]
    description: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

impl ConcertBody {
    pub fn new(concert: Concert, currency: Currency) -> Self {
        Self {
            id: concert.id.get(),
            date: concert.date.to_string(),
            total_tickets: concert.total_tickets,
            available_tickets: concert.available_tickets,
            price: concert.price.to_string(),
            currency: currency.to_string(),
            status: concert.status.as_str(),
            created_at: concert.created_at.to_string(),
            updated_at: concert.updated_at.to_string(),
            name: concert.name,
            artist: concert.artist,
            venue: concert.venue,
            image_url: concert.image_url,
            description: concert.description,
        }
    }
}

/// A page of concerts in chronological order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConcertPage)]
pub struct ConcertPageBody {
    pub items: Vec<ConcertBody>,
    /// Give it as `cursor` to get the next page; `null` on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// A reservation as its holder sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reservation)]
pub struct ReservationBody {
    #[schema(value_type = shape::ReservationId, example = "RES1764000000123-0A1B2C3D")]
    id: String,
    concert_id: i32,
    customer_name: String,
    #[schema(value_type = shape::EmailAddress)]
    customer_email: String,
    #[schema(minimum = 1)]
    quantity: i32,
    #[schema(pattern = r"^[0-9]+\.[0-9]{2}$", example = "2500.00")]
    total_price: String,
    #[schema(example = "THB")]
    currency: String,
    #[schema(pattern = "^(pending|confirmed|cancelled|expired)$")]
    status: &'static str,
    #[schema(pattern = "^(pending|completed|failed|refunded)$")]
    payment_status: &'static str,
    google_auth: bool,
    #[schema(format = DateTime)]
    reserved_at: String,
    /// When the hold ends; `null` for a free reservation.
    #[schema(format = DateTime, required)]
    expires_at: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

impl ReservationBody {
    pub fn new(reservation: Reservation, currency: Currency) -> Self {
        Self {
            id: reservation.id.to_string(),
            concert_id: reservation.concert_id.get(),
            quantity: reservation.quantity,
            total_price: reservation.total_price.to_string(),
            currency: currency.to_string(),
            status: reservation.status.as_str(),
            payment_status: reservation.payment_status.as_str(),
            google_auth: reservation.google_auth,
            reserved_at: reservation.reserved_at.to_string(),
            expires_at: reservation.expires_at.map(|end| end.to_string()),
            created_at: reservation.created_at.to_string(),
            updated_at: reservation.updated_at.to_string(),
            customer_name: reservation.customer_name,
            customer_email: reservation.customer_email,
        }
    }
}

/// A page of reservations, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReservationPage)]
pub struct ReservationPageBody {
    pub items: Vec<ReservationBody>,
    /// Give it as `cursor` to get the next page; `null` on the last one. With `q` a page may have few
    /// items, or none, before the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// A new reservation with the token that opens it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NewReservation)]
pub struct NewReservationBody {
    #[serde(flatten)]
    pub reservation: ReservationBody,
    /// Show it as `Authorization: Bearer …` to see or change the reservation. Keep it secret.
    pub access_token: String,
}

/// An attempt to pay.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Payment)]
pub struct PaymentBody {
    #[schema(example = "PAY1764000000123-8Z0M4K7Q")]
    id: String,
    /// `refunding`: the money came and is on its way back.
    #[schema(pattern = "^(pending|completed|failed|refunding|refunded)$")]
    status: &'static str,
    /// Where the buyer's browser goes next: a page of this site, which leads on to the provider.
    redirect_url: String,
}

impl PaymentBody {
    /// `token`: the reservation's, which opens its pages to the buyer's browser.
    pub fn new(stored: &Stored, base_url: &str, token: &str) -> Self {
        let (payment, language) = (&stored.payment, stored.language);
        Self {
            id: payment.id.to_string(),
            status: payment.state.as_str(),
            redirect_url: format!(
                "{base_url}/{language}/r/{}/pay?t={token}",
                payment.reservation_id
            ),
        }
    }
}

/// What a payment is begun with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PaymentRequest)]
#[expect(dead_code, reason = "documents the field that the handler reads")]
pub struct PaymentRequestBody {
    /// By what this installation takes money: `sandbox` or `stripe`.
    #[schema(pattern = "^(sandbox|stripe)$")]
    method: String,
}

/// The customer who is signed in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Me)]
pub struct MeBody {
    #[schema(value_type = shape::EmailAddress)]
    pub email: String,
    /// As the provider tells it, or as the customer last booked.
    #[schema(required)]
    pub name: Option<String>,
    /// Whether this session began at the provider.
    pub google_auth: bool,
}

/// Whom a sign-in link is for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LinkRequest)]
#[expect(dead_code, reason = "documents the field that the handler reads")]
pub struct LinkRequestBody {
    #[schema(value_type = shape::EmailAddress)]
    email: String,
}

/// What a reservation is asked for with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReservationRequest)]
#[expect(
    dead_code,
    reason = "documents the fields that the handler reads one by one"
)]
pub struct ReservationRequestBody {
    #[schema(minimum = 1)]
    concert_id: i32,
    #[schema(minimum = 1, example = 2)]
    quantity: i32,
    #[schema(value_type = shape::Line)]
    customer_name: String,
    #[schema(value_type = shape::EmailAddress)]
    customer_email: String,
}
