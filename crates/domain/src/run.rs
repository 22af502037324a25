//! Runs: one act of staff on many reservations. Which acts there are, what each needs, and why one of
//! the reservations may be left as it is.
//!
//! Absent on purpose: how a run goes on when a server dies in the middle, which is `app::runs`'.

use jiff::Timestamp;

use crate::mail::MailKind;
use crate::reservation::{Reservation, ReservationStatus, TransitionError};
use crate::role::Permission;
use crate::word::words;

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

    /// Whether money goes back by it.
    pub const fn gives_back(self) -> bool {
        match self {
            Self::Cancel | Self::Refund | Self::CancelConcert => true,
            Self::Resend => false,
        }
    }

    /// Whether it can be done to a reservation at `now`.
    pub fn check(
        self,
        reservation: &Reservation,
        money: MoneyBack,
        now: Timestamp,
    ) -> Result<(), RunRefusal> {
        match self {
            Self::Cancel => reservation.check_cancel(now).map_err(RunRefusal::from),
            Self::CancelConcert => reservation.check_end().map_err(RunRefusal::from),
            Self::Refund => match money {
                MoneyBack::Possible => Ok(()),
                MoneyBack::Owed => Err(RunRefusal::OwedByHand),
                MoneyBack::Nothing => Err(RunRefusal::NothingPaid),
            },
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

/// What of a reservation's money could go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoneyBack {
    Nothing,
    /// Only what staff must pay back by hand, one by one.
    Owed,
    Possible,
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
    /// Staff must pay it back by hand, and say so for each.
    OwedByHand,
    /// No mail tells of a reservation that stands so.
    NothingToTell,
    /// Whoever started the run may do so no longer.
    NotAllowed,
    /// Something is wrong with the row, and the server's log says what.
    Broken,
}

impl RunRefusal {
    pub const ALL: [Self; 8] = [
        Self::Gone,
        Self::Cancelled,
        Self::Expired,
        Self::NothingPaid,
        Self::OwedByHand,
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
            Self::OwedByHand => "owed_by_hand",
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

words! { UnknownWord: RunKind RunRefusal }

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
            let (one, now, possible) = (reservation(status), at(second), MoneyBack::Possible);
            assert_eq!(
                RunKind::Cancel.check(&one, possible, now),
                cancel,
                "{status}"
            );
            // A hold that ran out and isn't swept could still be paid.
            let ended = if status == Pending { Ok(()) } else { cancel };
            assert_eq!(RunKind::CancelConcert.check(&one, possible, now), ended);
            assert_eq!(
                RunKind::Resend.check(&one, possible, now),
                resend,
                "{status}"
            );
            for (money, refund) in [
                (possible, Ok(())),
                (MoneyBack::Owed, Err(RunRefusal::OwedByHand)),
                (MoneyBack::Nothing, Err(RunRefusal::NothingPaid)),
            ] {
                assert_eq!(RunKind::Refund.check(&one, money, now), refund);
            }
        }
    }
}
