//! Sample concerts for a demonstration, on days that follow today, and whether any are left.

use domain::concert::{Capacity, Concert, ConcertStatus, NewConcert};
use domain::id::{ConcertId, ReservationId};
use domain::money::Money;
use domain::reservation::{PaymentStatus, Quantity, Reservation, ReservationStatus};
use domain::text::{Description, ImagePath, Line};
use jiff::{Span, Timestamp};
use serde::Deserialize;
use store::{Acting, StoreError, Transaction, concerts, reservations};

use crate::App;

/// Why the samples could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    #[error("the sample file is damaged: {0}")]
    Damaged(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Debug, Deserialize)]
struct Sample {
    poster: String,
    name: String,
    artist: String,
    in_days: i32,
    venue: String,
    total_tickets: i32,
    sold: i32,
    price: String,
    status: String,
    description: String,
}

/// Loads the samples unless there ever was a concert; returns how many were loaded.
///
/// What a sample has sold is one confirmed reservation of the box office, so that the promise
/// about the inventory holds from the first row on.
pub async fn load(app: &App, content: &str) -> Result<usize, SampleError> {
    let samples = parse(content)?;
    let transaction = Transaction::begin(app.writer(), &Acting::system("sample data")).await?;
    if !concerts::is_empty(&transaction).await? {
        transaction.rollback().await;
        return Ok(0);
    }
    let now = app.ctx().now();
    for sample in &samples {
        let new = read(app, sample)
            .ok_or_else(|| SampleError::Damaged(format!("concert {:?}", sample.name)))?;
        let id = concerts::insert(&transaction, &new, now).await?;
        if let Some(sold) = Quantity::new(sample.sold) {
            concerts::take_tickets(&transaction, id, sold, now).await?;
            let sale = advance_sale(app, (id, new.price), sold, now);
            reservations::insert(&transaction, &sale, None).await?;
        }
    }
    transaction.commit().await?;
    Ok(samples.len())
}

/// A sample concert that visitors may still see; production must have none.
///
/// Samples are loaded before any other concert, so that the first page of all has those there are.
pub async fn find_shown(app: &App, content: &str) -> Result<Option<ConcertId>, SampleError> {
    let samples = parse(content)?;
    let is_sample = |concert: &Concert| {
        let named = |sample: &Sample| {
            (&sample.name, &sample.artist, &sample.venue)
                == (&concert.name, &concert.artist, &concert.venue)
        };
        concert.status != ConcertStatus::Archived && samples.iter().any(named)
    };
    let first = crate::concerts::list_all(app, None).await?;
    Ok(first
        .iter()
        .find(|concert| is_sample(concert))
        .map(|concert| concert.id))
}

fn parse(content: &str) -> Result<Vec<Sample>, SampleError> {
    serde_json::from_str(content).map_err(|error| SampleError::Damaged(error.to_string()))
}

fn read(app: &App, sample: &Sample) -> Option<NewConcert> {
    let date = app
        .today()
        .checked_add(Span::new().days(sample.in_days))
        .ok()?;
    Some(NewConcert {
        name: Line::parse(&sample.name).ok()?,
        artist: Line::parse(&sample.artist).ok()?,
        date,
        venue: Line::parse(&sample.venue).ok()?,
        total_tickets: Capacity::new(sample.total_tickets)?,
        price: sample.price.parse().ok()?,
        status: sample.status.parse::<ConcertStatus>().ok()?,
        image_url: Some(ImagePath::parse(&format!("/assets/posters/{}", sample.poster)).ok()?),
        description: Some(Description::parse(&sample.description).ok()?),
    })
}

fn advance_sale(
    app: &App,
    (concert_id, price): (ConcertId, Money),
    sold: Quantity,
    now: Timestamp,
) -> Reservation {
    Reservation {
        id: ReservationId::new(now, app.ctx().random_u64()),
        concert_id,
        customer_name: "Box office".to_owned(),
        customer_email: "box-office@example.com".to_owned(),
        quantity: sold.get(),
        total_price: price.times(sold.get()).unwrap_or(Money::MAX),
        status: ReservationStatus::Confirmed,
        payment_status: PaymentStatus::Completed,
        google_auth: false,
        reserved_at: now,
        expires_at: None,
        extensions: 0,
        created_at: now,
        updated_at: now,
    }
}
