//! Made-up concerts and reservations for measuring: plausible in numbers, spread and texts.
//!
//! Absent on purpose: receipts and tickets, for nobody ever asked for these reservations.

use std::time::Duration;

use domain::concert::ConcertStatus;
use domain::id::{ConcertId, ReservationId};
use domain::money::Money;
use domain::reservation::{PaymentStatus, Reservation, ReservationStatus};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use store::seed::{self as stored, MadeUpConcert, MadeUpReservation};
use store::{Acting, StoreError, Transaction};

use crate::App;

/// More than any installation lists.
pub const CONCERTS_MAX: u32 = 100_000;
/// Keeps a concert below the million tickets that one may have.
pub const RESERVATIONS_PER_CONCERT_MAX: u64 = 100_000;
/// Rows that are copied together: enough to make the statements around them cheap, and each well
/// within a statement's time limit.
const CHUNK: u64 = 50_000;
/// How long ago the first sale was.
const PAST: Duration = Duration::from_hours(24 * 365);
/// A concert is on sale for so many days.
const SALE_DAYS: i32 = 90;
/// One in so many reservations was made within the time of a hold, as in a rush.
const RECENT_ONE_IN: u64 = 100;

const FIRST_NAMES: [&str; 16] = [
    "Ada", "Anong", "Chai", "Dara", "Elif", "Femi", "Grace", "Hiro", "Ines", "Jomo", "Kanya",
    "Lars", "Malee", "Niran", "Olga", "Prem",
];
const LAST_NAMES: [&str; 16] = [
    "Abara",
    "Berg",
    "Costa",
    "Duarte",
    "Eriksen",
    "Fontaine",
    "Garcia",
    "Hoshino",
    "Intara",
    "Jaidee",
    "Keller",
    "Lindqvist",
    "Moreau",
    "Novak",
    "Okafor",
    "Phiri",
];
const DOMAINS: [&str; 4] = [
    "example.com",
    "mail.example.com",
    "post.example.com",
    "home.example.com",
];

/// How much is made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amounts {
    concerts: u32,
    reservations: u64,
}

/// Why amounts can't be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAmounts {
    #[error("the number of concerts must be 1 to {CONCERTS_MAX}")]
    Concerts,
    #[error(
        "{reservations} reservations need at least {concerts} concerts: \
         one has {RESERVATIONS_PER_CONCERT_MAX} at most"
    )]
    TooDense { reservations: u64, concerts: u64 },
}

impl Amounts {
    pub fn new(concerts: u32, reservations: u64) -> Result<Self, InvalidAmounts> {
        if !(1..=CONCERTS_MAX).contains(&concerts) {
            return Err(InvalidAmounts::Concerts);
        }
        let needed = reservations.div_ceil(RESERVATIONS_PER_CONCERT_MAX);
        if needed > u64::from(concerts) {
            return Err(InvalidAmounts::TooDense {
                reservations,
                concerts: needed,
            });
        }
        Ok(Self {
            concerts,
            reservations,
        })
    }
}

/// Makes concerts with reservations, all or nothing, and has the planner look at them.
///
/// `app` must be connected as the owner: only it may make temporary tables and analyse.
/// `progress` hears how many reservations are there so far.
pub async fn seed(
    app: &App,
    amounts: Amounts,
    mut progress: impl FnMut(u64),
) -> Result<(), StoreError> {
    let transaction = Transaction::begin(app.writer(), &Acting::cli(None)).await?;
    stored::pause_audit(&transaction).await?;
    let plan = Plan::new(app, amounts);
    let ids = stored::insert_concerts(&transaction, &plan.concerts, plan.now).await?;
    stored::begin_reservations(&transaction).await?;
    let mut done = 0;
    while done < amounts.reservations {
        let end = (done + CHUNK).min(amounts.reservations);
        let rows: Vec<_> = (done..end)
            .map(|index| plan.reservation(&ids, index))
            .collect();
        stored::insert_reservations(&transaction, &rows).await?;
        done = end;
        progress(done);
    }
    stored::settle_stock(&transaction, &ids).await?;
    stored::resume_audit(&transaction, amounts.concerts.into(), amounts.reservations).await?;
    transaction.commit().await?;
    let connection = app.writer().get().await?;
    stored::analyze(&connection).await
}

/// What is made up, before any of it is written.
struct Plan<'a> {
    app: &'a App,
    now: Timestamp,
    /// By date, the last at the end of the longest sale.
    concerts: Vec<MadeUpConcert>,
    reservations: u64,
}

impl<'a> Plan<'a> {
    fn new(app: &'a App, amounts: Amounts) -> Self {
        let today = app.today();
        let concerts = (0..amounts.concerts).rev().map(|to_last| {
            let days = days_before_last(to_last, amounts.concerts);
            concert(&mut Dice::roll(app), today, SALE_DAYS - days)
        });
        Self {
            app,
            now: app.ctx().now(),
            concerts: concerts.collect(),
            reservations: amounts.reservations,
        }
    }

    /// The reservation at a place in time's order, so that the indexes by time grow at their end,
    /// as in a real sale.
    fn reservation(&self, ids: &[ConcertId], index: u64) -> MadeUpReservation {
        let mut dice = Dice::roll(self.app);
        let at = self.instant(index);
        let chosen = self.concert_on_sale(at, &mut dice);
        let (concert, concert_id) = (&self.concerts[chosen], ids[chosen]);
        let quantity = 1 + i32::try_from(dice.pick(4)).unwrap_or(0);
        let ends = at + self.app.settings().hold_ttl;
        let (status, payment_status) = fate(ends > self.now, &mut dice);
        let (customer_name, customer_email) = customer(dice.pick(1 + self.reservations / 3));
        let reservation = Reservation {
            id: ReservationId::new(at, dice.pick(1 << 40)),
            concert_id,
            customer_name,
            customer_email,
            quantity,
            total_price: concert.price.times(quantity).unwrap_or(Money::MAX),
            status,
            payment_status,
            google_auth: dice.pick(3) == 0,
            reserved_at: at,
            expires_at: Some(ends),
            extensions: 0,
            created_at: at,
            updated_at: ends.min(self.now),
        };
        let client_ip = format!("198.51.100.{}", dice.pick(256));
        MadeUpReservation {
            reservation,
            client_ip,
        }
    }

    /// Evenly over the past; the last hundredth within the time of a hold.
    fn instant(&self, index: u64) -> Timestamp {
        let hold = self.app.settings().hold_ttl;
        let recent = (self.reservations / RECENT_ONE_IN).max(1);
        let older = self.reservations - recent.min(self.reservations);
        let (from, length, part, parts) = if index < older {
            (self.now - PAST, PAST.saturating_sub(hold), index, older)
        } else {
            (self.now - hold, hold, index - older, recent)
        };
        from + length.mul_f64(share(part, parts))
    }

    /// One whose day comes within the time that concerts are on sale.
    fn concert_on_sale(&self, at: Timestamp, dice: &mut Dice) -> usize {
        let day = at
            .to_zoned(self.app.settings().timezone.clone())
            .date()
            .saturating_add(i64::try_from(dice.pick(90)).unwrap_or(0).days());
        let at_or_after = self.concerts.partition_point(|concert| concert.date < day);
        at_or_after.min(self.concerts.len() - 1)
    }
}

/// So many days before the last concert is the one that comes so many before it in order.
fn days_before_last(to_last: u32, concerts: u32) -> i32 {
    let span = 365 + u64::try_from(SALE_DAYS).unwrap_or(0);
    i32::try_from(u64::from(to_last) * span / u64::from(concerts)).unwrap_or(0)
}

fn concert(dice: &mut Dice, today: Date, in_days: i32) -> MadeUpConcert {
    let artist = format!("{} {}", dice.choose(&FIRST_NAMES), dice.choose(&LAST_NAMES));
    let status = match in_days {
        ..-30 => ConcertStatus::Archived,
        -30..0 => ConcertStatus::Closed,
        0.. => ConcertStatus::Open,
    };
    let price_minor = i64::try_from(5 + dice.pick(60)).unwrap_or(0) * 10_000;
    MadeUpConcert {
        name: format!("Evening {} of {artist}", 1 + dice.pick(30)),
        date: today.saturating_add(in_days.days()),
        venue: format!("Hall {}", 1 + dice.pick(40)),
        price: Money::from_minor(price_minor).unwrap_or(Money::MAX),
        status,
        artist,
    }
}

/// Most are paid in the end; who may still pay mostly hasn't yet.
fn fate(is_within_hold: bool, dice: &mut Dice) -> (ReservationStatus, PaymentStatus) {
    match (is_within_hold, dice.pick(100)) {
        (true, 0..80) => (ReservationStatus::Pending, PaymentStatus::Pending),
        (true, _) | (false, 0..70) => (ReservationStatus::Confirmed, PaymentStatus::Completed),
        (false, 70..88) => (ReservationStatus::Expired, PaymentStatus::Pending),
        (false, 88..90) => (ReservationStatus::Expired, PaymentStatus::Failed),
        (false, 90..96) => (ReservationStatus::Cancelled, PaymentStatus::Refunded),
        (false, _) => (ReservationStatus::Cancelled, PaymentStatus::Pending),
    }
}

/// Name and address of a customer, the same each time he comes again.
fn customer(number: u64) -> (String, String) {
    let mut names = Dice(u128::from(number));
    let first = names.choose(&FIRST_NAMES);
    let last = names.choose(&LAST_NAMES);
    let domain = names.choose(&DOMAINS);
    let email = format!("{first}.{last}.{number}@{domain}").to_lowercase();
    (format!("{first} {last}"), email)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a place in time needs no more than 52 bits"
)]
fn share(part: u64, parts: u64) -> f64 {
    part as f64 / parts as f64
}

/// Choices out of one random number, each of which uses some of it up.
struct Dice(u128);

impl Dice {
    fn roll(app: &App) -> Self {
        Self(u128::from_le_bytes(app.ctx().random_bytes()))
    }

    /// A number below `sides`.
    fn pick(&mut self, sides: u64) -> u64 {
        let sides = u128::from(sides);
        let picked = self.0 % sides;
        self.0 /= sides;
        u64::try_from(picked).unwrap_or(0)
    }

    fn choose<'t>(&mut self, of: &[&'t str]) -> &'t str {
        let index = self.pick(of.len() as u64);
        of[usize::try_from(index).unwrap_or(0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_that_no_concert_could_have_are_refused() {
        assert!(Amounts::new(1, 100_000).is_ok());
        assert_eq!(Amounts::new(0, 0), Err(InvalidAmounts::Concerts));
        assert_eq!(Amounts::new(100_001, 0), Err(InvalidAmounts::Concerts));
        let refused = Amounts::new(1, 5_000_000).unwrap_err().to_string();
        assert!(refused.contains("at least 50 concerts"), "{refused}");
    }

    #[test]
    fn a_customer_who_comes_again_is_the_same() {
        assert_eq!(customer(17), customer(17));
        assert_ne!(customer(17).1, customer(18).1);
        assert!(customer(17).1.ends_with("example.com"));
    }

    #[test]
    fn concerts_lie_a_year_back_and_a_sale_ahead() {
        assert_eq!(days_before_last(0, 1), 0);
        assert_eq!(days_before_last(99, 100), 450);
    }
}
