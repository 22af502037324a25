//! Erasing a customer: what stands in the way of it, and what stands in their place afterwards.
//!
//! Absent on purpose: what is erased where, which the database does in one step.

use std::fmt;

use jiff::civil::Date;

use crate::id::ReservationId;
use crate::payment::PaymentState;
use crate::reservation::ReservationStatus;

/// What stands where a customer's e-mail address stood, and leads to nobody: `erased-…@invalid`.
///
/// Nobody can buy under it, because the host of an address has a dot; and mail never leaves to it
/// (RFC 2606 keeps `invalid` from everybody).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pseudonym(String);

const BEGINNING: &str = "erased-";
const END: &str = "@invalid";

impl Pseudonym {
    pub fn new(random: u128) -> Self {
        Self(format!("{BEGINNING}{random:032x}{END}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether this is no address of anybody any more.
pub fn is_pseudonym(address: &str) -> bool {
    address.starts_with(BEGINNING) && address.ends_with(END)
}

/// A reservation, as far as it may stand in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Business {
    pub id: ReservationId,
    /// As stored: an overdue hold keeps its tickets until it is swept.
    pub status: ReservationStatus,
    pub concert_on: Date,
}

/// A payment, as far as it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Money {
    pub reservation_id: ReservationId,
    pub state: PaymentState,
    /// The provider is still to be asked what became of it.
    pub is_asked: bool,
}

/// Why a customer isn't erased now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Tickets are held for them.
    Hold(ReservationId),
    /// They have tickets for a concert that isn't over.
    Tickets {
        reservation: ReservationId,
        concert_on: Date,
    },
    /// A payment is undecided, or its money is on the way back.
    Money(ReservationId),
}

impl Obstacle {
    pub const fn reservation_id(&self) -> &ReservationId {
        match self {
            Self::Hold(id) | Self::Money(id) => id,
            Self::Tickets { reservation, .. } => reservation,
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hold(id) => write!(
                f,
                "reservation {id} holds tickets: let it go first, or wait until its time is over"
            ),
            Self::Tickets {
                reservation,
                concert_on,
            } => write!(
                f,
                "reservation {reservation} has tickets for {concert_on}: cancel it first, or wait \
                 until that day is over"
            ),
            Self::Money(id) => write!(
                f,
                "money of reservation {id} is under way: wait until the payment is decided or the \
                 refund has arrived"
            ),
        }
    }
}

/// All that stands in the way on this day, by reservation; a reservation's tickets before its money.
pub fn find_obstacles(business: &[Business], money: &[Money], today: Date) -> Vec<Obstacle> {
    let business = business.iter().filter_map(|one| match one.status {
        ReservationStatus::Pending => Some(Obstacle::Hold(one.id.clone())),
        ReservationStatus::Confirmed if one.concert_on >= today => Some(Obstacle::Tickets {
            reservation: one.id.clone(),
            concert_on: one.concert_on,
        }),
        ReservationStatus::Confirmed
        | ReservationStatus::Cancelled
        | ReservationStatus::Expired => None,
    });
    let money = money.iter().filter(|one| {
        one.is_asked || matches!(one.state, PaymentState::Pending | PaymentState::Refunding)
    });
    business
        .chain(money.map(|one| Obstacle::Money(one.reservation_id.clone())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: Date = Date::constant(2026, 11, 22);

    fn id() -> ReservationId {
        "RES1764000000123-0A1B2C3D".parse().unwrap()
    }

    #[test]
    fn only_what_is_over_may_be_erased() {
        let yesterday = TODAY.yesterday().unwrap();
        for (status, concert_on, stands_in_the_way) in [
            (ReservationStatus::Pending, yesterday, true),
            (ReservationStatus::Confirmed, TODAY, true),
            (ReservationStatus::Confirmed, yesterday, false),
            (ReservationStatus::Cancelled, TODAY, false),
            (ReservationStatus::Expired, TODAY, false),
        ] {
            let id = id();
            let one = Business {
                id,
                status,
                concert_on,
            };
            let found = find_obstacles(&[one], &[], TODAY);
            assert_eq!(!found.is_empty(), stands_in_the_way, "{status:?} {found:?}");
        }
    }

    #[test]
    fn money_that_is_under_way_keeps_its_owner() {
        for state in PaymentState::ALL {
            for is_asked in [false, true] {
                let reservation_id = id();
                let one = Money {
                    reservation_id,
                    state,
                    is_asked,
                };
                let is_open = matches!(state, PaymentState::Pending | PaymentState::Refunding);
                let found = find_obstacles(&[], &[one], TODAY);
                assert_eq!(!found.is_empty(), is_asked || is_open, "{state}");
            }
        }
    }

    #[test]
    fn a_pseudonym_is_no_address_that_anybody_could_give() {
        let one = Pseudonym::new(0xab);
        assert_eq!(
            one.as_str(),
            "erased-000000000000000000000000000000ab@invalid"
        );
        assert!(is_pseudonym(one.as_str()));
        assert!(!is_pseudonym("som@example.com"));
        assert!(crate::text::EmailAddress::parse(one.as_str()).is_err());
    }
}
