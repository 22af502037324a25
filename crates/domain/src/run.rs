//! Runs: one act of staff on many reservations. Which acts there are, what each needs, and why one of
//! the reservations may be left as it is.
//!
//! Absent on purpose: how a run goes on when a server dies in the middle, which is `app::runs`'.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use crate::id::InvalidId;
use crate::mail::MailKind;
use crate::reservation::{Reservation, ReservationStatus, TransitionError};
use crate::role::Permission;

/// A run's number, as `staff_runs.id` (`BIGINT`): 1 and up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(i64);

impl RunId {
    /// `None` below 1: no row can have such a number.
    pub const fn new(number: i64) -> Option<Self> {
        if number >= 1 {
            Some(Self(number))
        } else {
            None
        }
    }

    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_plain.then(|| text.parse().ok()).flatten();
        number.and_then(Self::new).ok_or(InvalidId)
    }
}

/// What a run does to each of its reservations: `staff_runs.kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunKind {
    Cancel,
    Refund,
    Resend,
    /// The same as cancelling each, because the concert is.
    CancelConcert,
}

impl RunKind {
    pub const ALL: [Self; 4] = [
        Self::Cancel,
        Self::Refund,
        Self::Resend,
        Self::CancelConcert,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Refund => "refund",
            Self::Resend => "resend",
            Self::CancelConcert => "cancel_concert",
        }
    }

    /// What whoever starts one must be allowed, from its beginning to its end.
    pub const fn permission(self) -> Permission {
        match self {
            Self::Cancel => Permission::CancelReservation,
            Self::Refund => Permission::Refund,
            Self::Resend => Permission::ResendTickets,
            Self::CancelConcert => Permission::CancelConcert,
        }
    }

    /// Whether it can be done to a reservation at `now`, of which money can go back or can't.
    pub fn check(
        self,
        reservation: &Reservation,
        is_refundable: bool,
        now: Timestamp,
    ) -> Result<(), RunRefusal> {
        match self {
            Self::Cancel | Self::CancelConcert => {
                reservation.check_cancel(now).map_err(RunRefusal::from)
            }
            Self::Refund if is_refundable => Ok(()),
            Self::Refund => Err(RunRefusal::NothingPaid),
            Self::Resend => {
                let shown = Reservation {
                    status: reservation.status_at(now),
                    ..reservation.clone()
                };
                let kind = MailKind::about(&shown);
                kind.map(drop).ok_or(RunRefusal::NothingToTell)
            }
        }
    }
}

/// Why a reservation of a run was left as it is: `staff_run_rows.reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunRefusal {
    /// It was deleted meanwhile.
    Gone,
    Cancelled,
    /// Its hold ran out, and the tickets are back by that.
    Expired,
    /// Nothing was paid that could go back.
    NothingPaid,
    /// No mail tells of a reservation that stands so.
    NothingToTell,
    /// Whoever started the run may do so no longer.
    NotAllowed,
    /// Something is wrong with the row, and the server's log says what.
    Broken,
}

impl RunRefusal {
    pub const ALL: [Self; 7] = [
        Self::Gone,
        Self::Cancelled,
        Self::Expired,
        Self::NothingPaid,
        Self::NothingToTell,
        Self::NotAllowed,
        Self::Broken,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::NothingPaid => "nothing_paid",
            Self::NothingToTell => "nothing_to_tell",
            Self::NotAllowed => "not_allowed",
            Self::Broken => "broken",
        }
    }
}

impl From<TransitionError> for RunRefusal {
    fn from(error: TransitionError) -> Self {
        match error {
            TransitionError::Expired | TransitionError::NotSwept => Self::Expired,
            TransitionError::InvalidState {
                status: ReservationStatus::Cancelled,
            } => Self::Cancelled,
            // Of none of the acts of a run.
            TransitionError::InvalidState { .. }
            | TransitionError::NoMoreExtensions
            | TransitionError::TicketsGone { .. }
            | TransitionError::TooLate { .. }
            | TransitionError::Used => Self::Broken,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a word of runs")]
pub struct UnknownWord;

macro_rules! words {
    ($($name:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                let mut all = Self::ALL.into_iter();
                all.find(|one| one.as_str() == text).ok_or(UnknownWord)
            }
        }
    )*};
}

words! { RunKind RunRefusal }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ConcertId, ReservationId};
    use crate::money::Money;
    use crate::reservation::PaymentStatus;

    #[test]
    fn words_are_written_as_in_the_database() {
        for kind in RunKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        for refusal in RunRefusal::ALL {
            assert_eq!(refusal.as_str().parse(), Ok(refusal));
        }
        assert_eq!("".parse::<RunKind>(), Err(UnknownWord));
        assert_eq!("12".parse::<RunId>().map(RunId::get), Ok(12));
        for text in ["", "0", "-1", "+1", "x", "9223372036854775808"] {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
    }

    #[test]
    fn each_act_is_for_the_reservations_that_it_can_change() {
        use ReservationStatus::{Cancelled, Confirmed, Expired, Pending};
        let at = |second| Timestamp::from_second(second).unwrap();
        let reservation = |status| Reservation {
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
        };
        for (status, second, cancel, resend) in [
            (Pending, 1, Ok(()), Err(RunRefusal::NothingToTell)),
            (
                Pending,
                600,
                Err(RunRefusal::Expired),
                Err(RunRefusal::NothingToTell),
            ),
            (Confirmed, 600, Ok(()), Ok(())),
            (Cancelled, 1, Err(RunRefusal::Cancelled), Ok(())),
            (
                Expired,
                1,
                Err(RunRefusal::Expired),
                Err(RunRefusal::NothingToTell),
            ),
        ] {
            let (one, now) = (reservation(status), at(second));
            for kind in [RunKind::Cancel, RunKind::CancelConcert] {
                assert_eq!(kind.check(&one, true, now), cancel, "{status} {second}");
            }
            assert_eq!(RunKind::Resend.check(&one, true, now), resend, "{status}");
            assert_eq!(RunKind::Refund.check(&one, true, now), Ok(()));
            let unpaid = RunKind::Refund.check(&one, false, now);
            assert_eq!(unpaid, Err(RunRefusal::NothingPaid));
        }
    }
}
