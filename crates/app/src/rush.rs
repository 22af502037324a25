//! What a load test needs of the product: concerts of its own, and the rows that prove the answers.
//!
//! Absent on purpose: the verdict, which belongs to whoever heard the answers.

use domain::concert::{Capacity, ConcertStatus, NewConcert};
use domain::id::ConcertId;
use domain::money::Money;
use domain::text::{Description, Line, TextError};
use jiff::Span;
pub use store::proof::{Stock, StoredReservation};
use store::{Acting, StoreError, Transaction, concerts, monitor, proof};

use crate::App;

/// Customers read back at once: a statement of some milliseconds.
pub const PAGE: usize = 1_000;
/// Far enough that the sale doesn't end in the middle of any run.
const IN_DAYS: i32 = 365;
/// One hundred in any currency; free tickets would take another way.
const PRICE_MINOR: i64 = 10_000;

/// Why there are no concerts to sell.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the run's name can't stand in a concert's: {0}")]
    Name(TextError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Puts so many concerts on sale, with so many tickets each; returns their numbers.
pub async fn open_concerts(
    app: &App,
    run: &str,
    count: u32,
    tickets: Capacity,
) -> Result<Vec<ConcertId>, OpenError> {
    let now = app.ctx().now();
    let transaction = Transaction::begin(app.writer(), &Acting::cli(None)).await?;
    let mut ids = Vec::new();
    for number in 1..=count {
        let name = format!("Rush {run}, concert {number} of {count}");
        let concert = concert(app, &name, tickets).map_err(OpenError::Name)?;
        ids.push(concerts::insert(&transaction, &concert, now).await?);
    }
    transaction.commit().await?;
    Ok(ids)
}

fn concert(app: &App, name: &str, total_tickets: Capacity) -> Result<NewConcert, TextError> {
    let today = app.today();
    Ok(NewConcert {
        name: Line::parse(name)?,
        artist: Line::parse("The Load")?,
        // The calendar ends in the year 9999.
        date: today.saturating_add(Span::new().days(IN_DAYS)),
        venue: Line::parse("Test stage")?,
        total_tickets,
        price: Money::from_minor(PRICE_MINOR).unwrap_or(Money::MAX),
        status: ConcertStatus::Open,
        image_url: None,
        description: Some(Description::parse("Made by a load test.")?),
    })
}

/// A concert's stock and what is held of it; `None` when there is no such concert.
pub async fn stock(app: &App, concert_id: i32) -> Result<Option<Stock>, StoreError> {
    let transaction = Transaction::begin(app.writer(), &Acting::cli(None)).await?;
    let stock = proof::find_stock(&transaction, concert_id).await;
    transaction.rollback().await;
    stock
}

/// Every reservation of up to [`PAGE`] customers, also cancelled, expired and deleted ones.
pub async fn reservations_of(
    app: &App,
    emails: &[String],
) -> Result<Vec<StoredReservation>, StoreError> {
    let transaction = Transaction::begin(app.writer(), &Acting::cli(None)).await?;
    let found = proof::list_of_customers(&transaction, emails).await;
    transaction.rollback().await;
    found
}

/// PostgreSQL's version, for a report.
pub async fn server_version(app: &App) -> Result<String, StoreError> {
    let connection = app.writer().get().await?;
    Ok(monitor::find_login(&connection).await?.server_version)
}
