//! Identifiers, each of its own type, so that a concert's number never stands for a reservation's.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

/// A type for numbers of one kind, as the database counts them.
macro_rules! numbered_id {
    ($(#[$meta:meta])* $name:ident, $number:ty) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($number);

        impl $name {
            /// `None` below 1: no row can have such a number.
            pub const fn new(number: $number) -> Option<Self> {
                if number >= 1 {
                    Some(Self(number))
                } else {
                    None
                }
            }

            pub const fn get(self) -> $number {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            /// Digits alone: `parse` would take a sign as well.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
                let number = is_plain.then(|| text.parse().ok()).flatten();
                number.and_then(Self::new).ok_or(InvalidId)
            }
        }
    };
}

numbered_id! {
    /// A concert's number, as `concerts.id` (PostgreSQL `SERIAL`): 1 and up.
    ConcertId, i32
}

impl ConcertId {
    /// The hidden concert of the write probe. No text is read as it, so that nobody can ask for it.
    pub const PROBE: Self = Self(0);

    pub const fn is_probe(self) -> bool {
        self.0 == Self::PROBE.0
    }
}

numbered_id! {
    /// A customer's number, as `customers.id` (`BIGINT`): 1 and up.
    CustomerId, i64
}

numbered_id! {
    /// A staff account's number, as `admin_users.id`.
    AdminUserId, i32
}

numbered_id! {
    /// A run's number, as `staff_runs.id` (`BIGINT`): 1 and up.
    RunId, i64
}

/// A text that can't be an identifier of the kind that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier")]
pub struct InvalidId;

/// Crockford's base 32: no I, L, O or U, so that it survives being read aloud.
pub(crate) const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const RANDOM_CHARACTERS: usize = 8;
/// The columns are a `VARCHAR(50)`.
const LENGTH_MAX: usize = 50;

/// Prefix, milliseconds since 1970, `-`, 8 random characters from the low 40 bits.
///
/// It sorts by time, and its random bits keep it from being guessed.
/// The alphabet is Crockford's base 32 (no I, L, O, U), so that it survives being read aloud.
fn timed(prefix: &str, at: Timestamp, random: u64) -> String {
    let mut text = format!("{prefix}{}-", at.as_millisecond().max(0));
    for position in (0..RANDOM_CHARACTERS).rev() {
        let index = (random >> (5 * position)) & 0b1_1111;
        text.push(char::from(CROCKFORD[usize::try_from(index).unwrap_or(0)]));
    }
    text
}

fn is_timed(prefix: &str, text: &str) -> bool {
    let parts = text
        .strip_prefix(prefix)
        .and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(millis, random)| {
        text.len() <= LENGTH_MAX
            && !millis.is_empty()
            && millis.bytes().all(|byte| byte.is_ascii_digit())
            && random.len() == RANDOM_CHARACTERS
            && random.bytes().all(|byte| CROCKFORD.contains(&byte))
    })
}

/// A type for names of one kind, which begin with its prefix.
macro_rules! timed_id {
    ($(#[$meta:meta])* $name:ident, $prefix:literal) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Builds the id of one made at `at`; `random` brings its low 40 bits.
            pub fn new(at: Timestamp, random: u64) -> Self {
                Self(timed($prefix, at, random))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if is_timed($prefix, text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidId)
                }
            }
        }
    };
}

timed_id! {
    /// A reservation's name in the world: `RES`, milliseconds since 1970, `-`, 8 random characters.
    ReservationId, "RES"
}

timed_id! {
    /// A payment's, with `PAY`: what the provider is told, so that it never takes one twice.
    PaymentId, "PAY"
}

timed_id! {
    /// A mail's, with `MAIL`: also the local part of its Message-ID.
    MailId, "MAIL"
}

/// A ticket's number, as `tickets.id` (`BIGSERIAL`): 1 and up, below 2^40, which is what fits into
/// the code that its holder shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId(i64);

impl TicketId {
    pub const MAX: i64 = (1 << 40) - 1;

    pub const fn new(number: i64) -> Option<Self> {
        if number >= 1 && number <= Self::MAX {
            Some(Self(number))
        } else {
            None
        }
    }

    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).unwrap()
    }

    #[test]
    fn reservation_id_has_the_published_shape() {
        let id = ReservationId::new(at(1_764_000_000_123), u64::MAX);
        assert_eq!(id.as_str(), "RES1764000000123-ZZZZZZZZ");
        assert_eq!(ReservationId::new(at(1), 1).as_str(), "RES1-00000001");
        assert_eq!(id.as_str().parse::<ReservationId>(), Ok(id));
    }

    #[test]
    fn reservation_ids_sort_by_time() {
        assert!(
            ReservationId::new(at(1_764_000_000_123), 9)
                < ReservationId::new(at(1_764_000_000_124), 0)
        );
    }

    #[test]
    fn texts_that_are_no_reservation_ids_are_refused() {
        for text in [
            "",
            "RES",
            "RES1-",
            "RES-00000000",
            "RES1-0000000I",
            "RES1-000000000",
            "res1-00000000",
            "RES1x-00000000",
            &format!("RES{}-00000000", "1".repeat(60)),
        ] {
            assert_eq!(text.parse::<ReservationId>(), Err(InvalidId), "{text}");
        }
    }

    #[test]
    fn numbers_are_positive_and_fit_their_columns() {
        assert_eq!("1".parse::<ConcertId>().map(ConcertId::get), Ok(1));
        for text in ["", "0", "-1", "+1", "1.0", "2147483648", "abc", "１"] {
            assert_eq!(text.parse::<ConcertId>(), Err(InvalidId), "{text}");
        }
        let wider = "2147483648".parse::<RunId>().map(RunId::get);
        assert_eq!(wider, Ok(2_147_483_648));
        for text in ["0", "+1", "9223372036854775808"] {
            assert_eq!(text.parse::<RunId>(), Err(InvalidId), "{text}");
        }
    }
}
