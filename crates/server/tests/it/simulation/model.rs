//! What must be so, as plain as it can be said: maps, sums, and no thought of speed.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use app::reserve::{ReserveError, ReserveRequest};
use domain::allotment::Refusal;
use jiff::Timestamp;

/// One customer's limit for a concert, as the product under test is set.
const PER_CUSTOMER: i32 = 10;
const HOLD: Duration = Duration::from_mins(10);
const KEYS_KEPT: Duration = Duration::from_hours(24);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Pending,
    Confirmed,
    Cancelled,
    Expired,
}

impl Status {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reservation {
    pub(super) concert: i32,
    pub(super) email: String,
    pub(super) quantity: i32,
    pub(super) status: Status,
    pub(super) ends_at: Timestamp,
}

impl Reservation {
    fn holds(&self) -> bool {
        matches!(self.status, Status::Pending | Status::Confirmed)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Concert {
    pub(super) total: i32,
    pub(super) is_open: bool,
}

/// What a key stands for.
#[derive(Clone, Debug)]
struct Key {
    wish: String,
    id: String,
    made_at: Timestamp,
}

/// What a wish must get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Admitted,
    Replayed { id: String },
    KeyReused,
    SaleClosed,
    Refused(Refusal),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) concerts: BTreeMap<i32, Concert>,
    pub(super) reservations: BTreeMap<String, Reservation>,
    keys: HashMap<String, Key>,
}

impl Model {
    pub(super) fn available(&self, concert: i32) -> i32 {
        let held = self.reservations.values().filter(|one| one.holds());
        let held = held.filter(|one| one.concert == concert);
        self.concerts[&concert].total - held.map(|one| one.quantity).sum::<i32>()
    }

    pub(super) fn held_by(&self, email: &str, concert: i32) -> i32 {
        let held = self.reservations.values().filter(|one| one.holds());
        let held = held.filter(|one| one.concert == concert && one.email == email);
        held.map(|one| one.quantity).sum()
    }

    /// What a wish gets when it is alone.
    pub(super) fn expect(&self, wish: &ReserveRequest, now: Timestamp) -> Expected {
        if let Some(key) = self
            .key_of(wish)
            .filter(|key| now < key.made_at + KEYS_KEPT)
        {
            return if key.wish == values(wish) {
                Expected::Replayed { id: key.id.clone() }
            } else {
                Expected::KeyReused
            };
        }
        let (concert, quantity) = (wish.concert_id.get(), wish.quantity.get());
        let available = self.available(concert);
        let held = self.held_by(wish.customer_email.as_str(), concert);
        if !self.concerts[&concert].is_open {
            Expected::SaleClosed
        } else if available == 0 {
            Expected::Refused(Refusal::SoldOut)
        } else if quantity > available {
            Expected::Refused(Refusal::NotEnoughTickets { available })
        } else if held + quantity > PER_CUSTOMER {
            let limit = PER_CUSTOMER;
            Expected::Refused(Refusal::OverCustomerLimit { limit, held })
        } else {
            Expected::Admitted
        }
    }

    /// Asserts that a refusal was right at some moment of a burst in which nothing was given back,
    /// given what the burst left.
    pub(super) fn assert_refused_rightly(&self, wish: &ReserveRequest, error: &ReserveError) {
        let (concert, quantity) = (wish.concert_id.get(), wish.quantity.get());
        let left = self.available(concert);
        let held_now = self.held_by(wish.customer_email.as_str(), concert);
        let is_right = match error {
            ReserveError::Refused(Refusal::SoldOut) => left == 0,
            ReserveError::Refused(Refusal::NotEnoughTickets { available }) => {
                quantity > *available && *available >= left
            }
            ReserveError::Refused(Refusal::OverCustomerLimit { held, .. }) => {
                held + quantity > PER_CUSTOMER && *held <= held_now
            }
            ReserveError::KeyReused => {
                let key = self.key_of(wish);
                key.is_some_and(|key| key.wish != values(wish))
            }
            ReserveError::SaleClosed => !self.concerts[&concert].is_open,
            _ => false,
        };
        assert!(
            is_right,
            "{error:?} to {wish:?}; {left} left, {held_now} held"
        );
    }

    /// A wish was admitted.
    pub(super) fn admit(&mut self, wish: &ReserveRequest, id: &str, now: Timestamp) {
        let reservation = Reservation {
            concert: wish.concert_id.get(),
            email: wish.customer_email.as_str().to_owned(),
            quantity: wish.quantity.get(),
            status: Status::Pending,
            ends_at: now + HOLD,
        };
        let before = self.reservations.insert(id.to_owned(), reservation);
        assert!(before.is_none(), "{id} was given twice");
        assert!(self.concerts[&wish.concert_id.get()].is_open);
        assert!(
            self.available(wish.concert_id.get()) >= 0,
            "oversold by {id}"
        );
        let held = self.held_by(wish.customer_email.as_str(), wish.concert_id.get());
        assert!(held <= PER_CUSTOMER, "{held} held with {id}");
        if let Some(key) = &wish.key {
            let entry = Key {
                wish: values(wish),
                id: id.to_owned(),
                made_at: now,
            };
            let before = self.keys.insert(format!("{key:?}"), entry);
            let is_free = before.is_none_or(|before| now >= before.made_at + KEYS_KEPT);
            assert!(is_free, "{key:?} was admitted twice");
        }
    }

    /// Asserts that a replay gave what its key stands for.
    pub(super) fn assert_replayed(&self, wish: &ReserveRequest, id: &str) {
        let key = self.key_of(wish).expect("a key that was admitted");
        assert_eq!((key.id.as_str(), &key.wish), (id, &values(wish)));
    }

    /// Whether a hold has run out, swept or not.
    pub(super) fn is_overdue(&self, id: &str, now: Timestamp) -> bool {
        let one = &self.reservations[id];
        one.status == Status::Pending && one.ends_at <= now
    }

    /// Everything that ran out is swept; how many.
    pub(super) fn sweep(&mut self, now: Timestamp) -> usize {
        let mut swept = 0;
        for one in self.reservations.values_mut() {
            if one.status == Status::Pending && one.ends_at <= now {
                one.status = Status::Expired;
                swept += 1;
            }
        }
        swept
    }

    fn key_of(&self, wish: &ReserveRequest) -> Option<&Key> {
        self.keys.get(&format!("{:?}", wish.key.as_ref()?))
    }
}

/// What a key is bound to.
fn values(wish: &ReserveRequest) -> String {
    format!(
        "{} {} {} {}",
        wish.concert_id,
        wish.quantity.get(),
        wish.customer_name.as_str(),
        wish.customer_email
    )
}
