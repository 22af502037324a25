//! What reports say of reservations: how each counts, and what follows from the sums of them.
//!
//! Absent on purpose: the days and concerts by which they are summed, which statements do.

use std::ops::Add;

use crate::money::Total;
use crate::reservation::{PaymentStatus, ReservationStatus};

/// How a reservation stands, as far as money is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its tickets are the buyer's, and paid.
    Completed,
    /// Its tickets are somebody's and cost nothing.
    Free,
    /// Its tickets wait for money.
    Pending,
    /// It was paid, and the money is on its way back.
    Refunding,
    Refunded,
    /// It ran out or was cancelled without any money.
    Lapsed,
}

impl Outcome {
    pub const ALL: [Self; 6] = [
        Self::Completed,
        Self::Free,
        Self::Pending,
        Self::Refunding,
        Self::Refunded,
        Self::Lapsed,
    ];

    /// `status` as it reads now: a hold that ran out is expired.
    pub const fn of(status: ReservationStatus, payment: PaymentStatus, is_free: bool) -> Self {
        use ReservationStatus::{Cancelled, Confirmed, Expired, Pending};
        match (status, payment) {
            (_, PaymentStatus::Refunded) => Self::Refunded,
            (Confirmed, PaymentStatus::Completed) if is_free => Self::Free,
            (Confirmed, PaymentStatus::Completed) => Self::Completed,
            (_, PaymentStatus::Completed) if !is_free => Self::Refunding,
            (Pending | Confirmed, _) => Self::Pending,
            (Cancelled | Expired, _) => Self::Lapsed,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Free => "free",
            Self::Pending => "pending",
            Self::Refunding => "refunding",
            Self::Refunded => "refunded",
            Self::Lapsed => "lapsed",
        }
    }

    const fn place(self) -> usize {
        self as usize
    }
}

/// How many, and for how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub reservations: i64,
    pub tickets: i64,
    pub amount: Total,
}

impl Add for Sum {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            reservations: self.reservations + other.reservations,
            tickets: self.tickets + other.tickets,
            amount: self.amount + other.amount,
        }
    }
}

/// Reservations summed by how they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sales {
    sums: [Sum; Outcome::ALL.len()],
    /// Of those that lapsed, how many would have cost nothing.
    lapsed_free: i64,
}

impl Sales {
    pub fn count(&mut self, outcome: Outcome, is_free: bool, sum: Sum) {
        let place = &mut self.sums[outcome.place()];
        *place = *place + sum;
        if is_free && outcome == Outcome::Lapsed {
            self.lapsed_free += sum.reservations;
        }
    }

    pub const fn of(&self, outcome: Outcome) -> Sum {
        self.sums[outcome.place()]
    }

    /// All of them.
    pub fn all(&self) -> Sum {
        self.sums.iter().copied().fold(Sum::default(), Sum::add)
    }

    /// Whose tickets are somebody's, and what was paid for them.
    pub fn sold(&self) -> Sum {
        self.of(Outcome::Completed) + self.of(Outcome::Free)
    }

    /// Whose money went back or is about to.
    pub fn given_back(&self) -> Sum {
        self.of(Outcome::Refunding) + self.of(Outcome::Refunded)
    }

    /// Of the holds that cost something and came to an end, how many were paid, whatever became of
    /// them then.
    pub fn held_to_paid(&self) -> Share {
        let paid = self.of(Outcome::Completed).reservations + self.given_back().reservations;
        let lapsed = self.of(Outcome::Lapsed).reservations - self.lapsed_free;
        Share {
            part: paid,
            whole: paid + lapsed,
        }
    }
}

impl Add for Sales {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        for (sum, more) in self.sums.iter_mut().zip(other.sums) {
            *sum = *sum + more;
        }
        self.lapsed_free += other.lapsed_free;
        self
    }
}

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    pub part: i64,
    pub whole: i64,
}

impl Share {
    /// In tenths of a percent, rounded to the nearest; `None` of nothing.
    pub const fn permille(self) -> Option<i64> {
        if self.whole > 0 {
            Some((self.part * 1000 + self.whole / 2) / self.whole)
        } else {
            None
        }
    }

    /// In percent with one decimal: `87.5`.
    pub fn percent(self) -> Option<String> {
        let permille = self.permille()?;
        Some(format!("{}.{}", permille / 10, permille % 10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(reservations: i64, minor: i64) -> Sum {
        Sum {
            reservations,
            tickets: reservations * 2,
            amount: Total::from_minor(minor).unwrap(),
        }
    }

    #[test]
    fn each_reservation_counts_once_by_status_and_payment() {
        use PaymentStatus as P;
        use ReservationStatus as S;
        for (status, payment, is_free, outcome) in [
            (S::Confirmed, P::Completed, false, Outcome::Completed),
            (S::Confirmed, P::Completed, true, Outcome::Free),
            (S::Pending, P::Pending, false, Outcome::Pending),
            (S::Pending, P::Failed, false, Outcome::Pending),
            (S::Cancelled, P::Completed, false, Outcome::Refunding),
            (S::Expired, P::Completed, false, Outcome::Refunding),
            (S::Cancelled, P::Completed, true, Outcome::Lapsed),
            (S::Cancelled, P::Refunded, false, Outcome::Refunded),
            (S::Expired, P::Pending, false, Outcome::Lapsed),
            (S::Cancelled, P::Failed, false, Outcome::Lapsed),
        ] {
            assert_eq!(
                Outcome::of(status, payment, is_free),
                outcome,
                "{status:?} {payment:?}"
            );
        }
    }

    #[test]
    fn places_of_outcomes_are_their_order() {
        for (place, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome.place(), place);
        }
    }

    #[test]
    fn the_rate_counts_holds_that_ended_and_cost_something() {
        let mut sales = Sales::default();
        assert_eq!(sales.held_to_paid().percent(), None);
        sales.count(Outcome::Completed, false, sum(6, 600));
        sales.count(Outcome::Refunded, false, sum(1, 100));
        sales.count(Outcome::Lapsed, false, sum(1, 100));
        sales.count(Outcome::Pending, false, sum(9, 900));
        sales.count(Outcome::Free, true, sum(5, 0));
        sales.count(Outcome::Lapsed, true, sum(3, 0));
        assert_eq!(sales.held_to_paid(), Share { part: 7, whole: 8 });
        assert_eq!(sales.held_to_paid().percent().as_deref(), Some("87.5"));
        assert_eq!(
            (sales.sold().reservations, sales.all().reservations),
            (11, 25)
        );
        let twice = sales + sales;
        assert_eq!(
            twice.held_to_paid(),
            Share {
                part: 14,
                whole: 16
            }
        );
        assert_eq!(twice.all().amount.to_string(), "34.00");
    }

    #[test]
    fn percents_are_rounded_and_never_of_nothing() {
        let percent = |part, whole| Share { part, whole }.percent();
        assert_eq!(percent(2, 3).as_deref(), Some("66.7"));
        assert_eq!(percent(0, 3).as_deref(), Some("0.0"));
        assert_eq!(percent(3, 3).as_deref(), Some("100.0"));
        assert_eq!(percent(0, 0), None);
    }
}
