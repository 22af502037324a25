//! A reservation and its state machine: every change that may happen, and none besides.

use std::time::Duration;

use jiff::Timestamp;

use crate::id::{ConcertId, ReservationId};
use crate::money::Money;
use crate::word::words;

/// How many tickets somebody wants: 1 and up. The limits of an order are the allotment's matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(i32);

impl Quantity {
    pub const fn new(tickets: i32) -> Option<Self> {
        if tickets >= 1 {
            Some(Self(tickets))
        } else {
            None
        }
    }

    pub const fn get(self) -> i32 {
        self.0
    }
}

/// How often a hold may be extended: whoever still needs more time after eleven holds keeps the
/// tickets from somebody who would pay.
pub const EXTENSIONS_MAX: i32 = 10;

/// A reservation as it stands in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    pub id: ReservationId,
    pub concert_id: ConcertId,
    pub customer_name: String,
    /// Lower case.
    pub customer_email: String,
    pub quantity: i32,
    pub total_price: Money,
    /// As stored: what a buyer is shown is [`Reservation::status_at`].
    pub status: ReservationStatus,
    pub payment_status: PaymentStatus,
    pub google_auth: bool,
    pub reserved_at: Timestamp,
    /// The end of the hold; `None` for a free reservation, which never waited for money.
    pub expires_at: Option<Timestamp>,
    /// How often the hold was extended, up to [`EXTENSIONS_MAX`].
    pub extensions: i32,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Reservation {
    /// The status at `now`: a hold that has run out counts as expired at once, before it is swept.
    pub fn status_at(&self, now: Timestamp) -> ReservationStatus {
        let overdue = self.expires_at.is_some_and(|end| end <= now);
        match self.status {
            ReservationStatus::Pending if overdue => ReservationStatus::Expired,
            status => status,
        }
    }

    /// Whether it may be cancelled at `now`; cancelling gives `quantity` tickets back.
    pub fn check_cancel(&self, now: Timestamp) -> Result<(), TransitionError> {
        match self.status_at(now) {
            ReservationStatus::Pending | ReservationStatus::Confirmed => Ok(()),
            ReservationStatus::Expired => Err(TransitionError::Expired),
            status @ ReservationStatus::Cancelled => Err(TransitionError::InvalidState { status }),
        }
    }

    /// Whether it is cancelled with its concert: whatever has tickets, and that has a hold which ran out
    /// until it is swept.
    pub const fn check_end(&self) -> Result<(), TransitionError> {
        match self.status {
            ReservationStatus::Pending | ReservationStatus::Confirmed => Ok(()),
            ReservationStatus::Expired => Err(TransitionError::Expired),
            status @ ReservationStatus::Cancelled => Err(TransitionError::InvalidState { status }),
        }
    }

    /// Whether it may be paid for at `now`.
    pub fn check_pay(&self, now: Timestamp) -> Result<(), TransitionError> {
        match self.status_at(now) {
            ReservationStatus::Pending => Ok(()),
            ReservationStatus::Expired => Err(TransitionError::Expired),
            status @ (ReservationStatus::Confirmed | ReservationStatus::Cancelled) => {
                Err(TransitionError::InvalidState { status })
            }
        }
    }

    /// Whether its customer may cancel it at `now`: what is held at any time, what is confirmed until
    /// `last_at`.
    pub fn check_own_cancel(
        &self,
        now: Timestamp,
        last_at: Timestamp,
    ) -> Result<(), TransitionError> {
        self.check_cancel(now)?;
        if self.status == ReservationStatus::Confirmed && now > last_at {
            return Err(TransitionError::TooLate { last_at });
        }
        Ok(())
    }

    /// Whether staff may confirm it by hand where so many tickets are available, and how many must
    /// be taken for it. A hold that ran out and isn't swept yet still has its own.
    pub const fn check_confirm(&self, available: i32) -> Result<i32, TransitionError> {
        match self.status {
            ReservationStatus::Pending => Ok(0),
            ReservationStatus::Expired if self.quantity <= available => Ok(self.quantity),
            ReservationStatus::Expired => Err(TransitionError::TicketsGone { available }),
            status @ (ReservationStatus::Confirmed | ReservationStatus::Cancelled) => {
                Err(TransitionError::InvalidState { status })
            }
        }
    }

    /// Whether it may be deleted at `now`: only what keeps no tickets.
    pub fn check_delete(&self, now: Timestamp) -> Result<(), TransitionError> {
        match self.status {
            ReservationStatus::Cancelled | ReservationStatus::Expired => Ok(()),
            ReservationStatus::Pending if self.status_at(now) == ReservationStatus::Expired => {
                Err(TransitionError::NotSwept)
            }
            status => Err(TransitionError::InvalidState { status }),
        }
    }

    /// Whether the hold may be extended at `now`.
    pub fn check_extend(&self, now: Timestamp) -> Result<(), TransitionError> {
        match self.status_at(now) {
            ReservationStatus::Pending if self.extensions < EXTENSIONS_MAX => Ok(()),
            ReservationStatus::Pending => Err(TransitionError::NoMoreExtensions),
            ReservationStatus::Expired => Err(TransitionError::Expired),
            status @ (ReservationStatus::Confirmed | ReservationStatus::Cancelled) => {
                Err(TransitionError::InvalidState { status })
            }
        }
    }

    /// The same hold for another `hold_ttl` from `now` on. It never ends earlier than before, which
    /// it could after an outage whose time was lent to it.
    pub fn extend(self, now: Timestamp, hold_ttl: Duration) -> Result<Self, TransitionError> {
        self.check_extend(now)?;
        Ok(Self {
            expires_at: self.expires_at.max(Some(now + hold_ttl)),
            extensions: self.extensions + 1,
            updated_at: now,
            ..self
        })
    }
}

/// What a new reservation begins as: held until paid, or, when it costs nothing, confirmed.
pub const fn initial_status(total: Money) -> (ReservationStatus, PaymentStatus) {
    if total.is_zero() {
        (ReservationStatus::Confirmed, PaymentStatus::Completed)
    } else {
        (ReservationStatus::Pending, PaymentStatus::Pending)
    }
}

/// Why a reservation can't change as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    #[error("the hold has run out")]
    Expired,
    #[error("the hold was extended {EXTENSIONS_MAX} times already")]
    NoMoreExtensions,
    #[error("it has expired and only {available} tickets are left")]
    TicketsGone { available: i32 },
    #[error("the hold has run out and its tickets aren't back yet")]
    NotSwept,
    #[error("it could be cancelled until {last_at}")]
    TooLate { last_at: Timestamp },
    #[error("one of its tickets has been used")]
    Used,
    #[error("not possible while the reservation is {status}")]
    InvalidState { status: ReservationStatus },
}

/// `reservations.status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReservationStatus {
    /// Tickets are held until `expires_at`.
    Pending,
    Confirmed,
    Cancelled,
    Expired,
}

impl ReservationStatus {
    pub const ALL: [Self; 4] = [
        Self::Pending,
        Self::Confirmed,
        Self::Cancelled,
        Self::Expired,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Whether a reservation in this status keeps tickets from others.
    pub const fn holds_tickets(self) -> bool {
        matches!(self, Self::Pending | Self::Confirmed)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a status of reservations or payments")]
pub struct InvalidStatus;

/// `reservations.payment_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PaymentStatus {
    Pending,
    Completed,
    Failed,
    Refunded,
}

impl PaymentStatus {
    pub const ALL: [Self; 4] = [Self::Pending, Self::Completed, Self::Failed, Self::Refunded];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Refunded => "refunded",
        }
    }
}

words! { InvalidStatus: ReservationStatus PaymentStatus }

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn reservation(status: ReservationStatus) -> Reservation {
        Reservation {
            id: ReservationId::new(at(0), 0),
            concert_id: ConcertId::new(1).unwrap(),
            customer_name: "Som".into(),
            customer_email: "som@example.com".into(),
            quantity: 2,
            total_price: Money::from_minor(200).unwrap(),
            status,
            payment_status: PaymentStatus::Pending,
            google_auth: false,
            reserved_at: at(0),
            expires_at: Some(at(600)),
            extensions: 0,
            created_at: at(0),
            updated_at: at(0),
        }
    }

    #[test]
    fn a_hold_reads_expired_from_its_very_end() {
        let held = reservation(ReservationStatus::Pending);
        assert_eq!(held.status_at(at(599)), ReservationStatus::Pending);
        assert_eq!(held.status_at(at(600)), ReservationStatus::Expired);
        let confirmed = reservation(ReservationStatus::Confirmed);
        assert_eq!(confirmed.status_at(at(600)), ReservationStatus::Confirmed);
    }

    #[test]
    fn only_what_holds_tickets_can_be_cancelled() {
        for status in ReservationStatus::ALL {
            let allowed = reservation(status).check_cancel(at(1)).is_ok();
            assert_eq!(allowed, status.holds_tickets(), "{status}");
        }
        let overdue = reservation(ReservationStatus::Pending).check_cancel(at(601));
        assert_eq!(overdue, Err(TransitionError::Expired));
    }

    #[test]
    fn customers_cancel_what_is_confirmed_until_a_time_and_what_is_held_always() {
        let confirmed = reservation(ReservationStatus::Confirmed);
        assert_eq!(confirmed.check_own_cancel(at(100), at(100)), Ok(()));
        let late = confirmed.check_own_cancel(at(101), at(100));
        assert_eq!(late, Err(TransitionError::TooLate { last_at: at(100) }));
        let held = reservation(ReservationStatus::Pending);
        assert_eq!(held.check_own_cancel(at(101), at(100)), Ok(()));
    }

    #[test]
    fn a_hold_is_extended_ten_times_from_the_moment_it_is_asked_for() {
        let ttl = Duration::from_mins(10);
        let mut held = reservation(ReservationStatus::Pending);
        for n in 1..=10 {
            held = held.extend(at(60 * n), ttl).unwrap();
            assert_eq!(held.expires_at, Some(at(60 * n + 600)));
            assert_eq!(i64::from(held.extensions), n);
            assert_eq!(held.updated_at, at(60 * n));
        }
        let eleventh = held.clone().extend(at(601), ttl);
        assert_eq!(eleventh, Err(TransitionError::NoMoreExtensions));
        let overdue = held.extend(at(1200), ttl);
        assert_eq!(overdue, Err(TransitionError::Expired));
    }

    #[test]
    fn only_a_hold_that_lives_is_extended_and_never_shortened() {
        let ttl = Duration::from_mins(10);
        for status in ReservationStatus::ALL {
            let extended = reservation(status).extend(at(1), ttl);
            let refused = match status {
                ReservationStatus::Pending => None,
                ReservationStatus::Expired => Some(TransitionError::Expired),
                _ => Some(TransitionError::InvalidState { status }),
            };
            assert_eq!(extended.err(), refused, "{status}");
        }
        let short = reservation(ReservationStatus::Pending).extend(at(1), Duration::from_secs(1));
        assert_eq!(short.unwrap().expires_at, Some(at(600)));
    }

    #[test]
    fn confirming_takes_tickets_only_for_what_gave_them_back() {
        for (status, available, expected) in [
            (ReservationStatus::Pending, 0, Ok(0)),
            (ReservationStatus::Expired, 2, Ok(2)),
            (
                ReservationStatus::Expired,
                1,
                Err(TransitionError::TicketsGone { available: 1 }),
            ),
        ] {
            let found = reservation(status).check_confirm(available);
            assert_eq!(found, expected, "{status} of {available}");
        }
        for status in [ReservationStatus::Confirmed, ReservationStatus::Cancelled] {
            let refused = Err(TransitionError::InvalidState { status });
            assert_eq!(reservation(status).check_confirm(9), refused);
        }
    }

    #[test]
    fn only_what_keeps_no_tickets_is_deleted() {
        for status in ReservationStatus::ALL {
            let allowed = reservation(status).check_delete(at(1)).is_ok();
            assert_eq!(allowed, !status.holds_tickets(), "{status}");
        }
        let overdue = reservation(ReservationStatus::Pending).check_delete(at(600));
        assert_eq!(overdue, Err(TransitionError::NotSwept));
    }

    #[test]
    fn free_reservations_are_confirmed_at_once() {
        let free = (ReservationStatus::Confirmed, PaymentStatus::Completed);
        assert_eq!(initial_status(Money::ZERO), free);
        let paid = (ReservationStatus::Pending, PaymentStatus::Pending);
        assert_eq!(initial_status(Money::from_minor(1).unwrap()), paid);
    }

    #[test]
    fn statuses_read_back() {
        for status in ReservationStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        for status in PaymentStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
    }
}
