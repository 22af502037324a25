//! A ticket: what lets one person in, once. Its status, the code that a person can type, and the
//! rule of the door.
//!
//! What a scanner reads is in [`payload`]. Absent on purpose: signing, which is the use cases' matter.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use crate::id::{CROCKFORD, ConcertId, ReservationId, TicketId};
use crate::word::words;

pub mod payload;

pub use payload::{PayloadError, SignedClaims, TicketClaims};

/// A ticket as it stands in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub id: TicketId,
    pub reservation_id: ReservationId,
    pub concert_id: ConcertId,
    /// Which of its reservation's tickets it is: 1 and up.
    pub number: i32,
    pub code: TicketCode,
    pub status: TicketStatus,
    /// When its holder was let in; `None` until then.
    pub used_at: Option<Timestamp>,
}

impl Ticket {
    /// What the signed payload says about it.
    pub const fn claims(&self) -> TicketClaims {
        TicketClaims {
            ticket_id: self.id,
            concert_id: self.concert_id,
        }
    }

    /// Whether its holder may come in where `concert_id` is played.
    ///
    /// The wrong concert comes first: who stands at the wrong door must hear that, whatever became
    /// of the ticket.
    pub fn check_admission(&self, concert_id: ConcertId) -> Result<(), AdmissionRefusal> {
        if self.concert_id != concert_id {
            return Err(AdmissionRefusal::OtherConcert {
                concert_id: self.concert_id,
            });
        }
        match self.status {
            TicketStatus::Valid => Ok(()),
            TicketStatus::Used => Err(AdmissionRefusal::Used {
                used_at: self.used_at,
            }),
            TicketStatus::Cancelled => Err(AdmissionRefusal::Cancelled),
        }
    }
}

/// Why a real ticket doesn't let anybody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionRefusal {
    #[error("the ticket is for another concert")]
    OtherConcert { concert_id: ConcertId },
    #[error("the ticket was used already")]
    Used { used_at: Option<Timestamp> },
    #[error("the ticket was cancelled")]
    Cancelled,
}

/// `tickets.status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TicketStatus {
    Valid,
    /// Its holder is in.
    Used,
    /// Its reservation was cancelled or refunded; final.
    Cancelled,
}

impl TicketStatus {
    pub const ALL: [Self; 3] = [Self::Valid, Self::Used, Self::Cancelled];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Used => "used",
            Self::Cancelled => "cancelled",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a status of tickets")]
pub struct InvalidTicketStatus;

words! { InvalidTicketStatus: TicketStatus }

const CODE_CHARACTERS: usize = 12;
const GROUP_CHARACTERS: usize = 4;
/// Typed with a space or a hyphen after every character, a code is 24 long; more is something else.
const TYPED_LENGTH_MAX: usize = 40;

/// A ticket's code for typing: 60 random bits as 12 characters of Crockford's base 32.
///
/// Nobody finds one of a million tickets in fewer than 2^40 tries on average, and a slip of a finger
/// leads to a code that doesn't exist; so there is no check character.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TicketCode([u8; CODE_CHARACTERS]);

impl TicketCode {
    /// `random` brings its low 60 bits.
    pub fn new(random: u64) -> Self {
        let mut characters = [0; CODE_CHARACTERS];
        for (index, character) in characters.iter_mut().enumerate() {
            let shift = 5 * (CODE_CHARACTERS - 1 - index);
            *character = CROCKFORD[usize::from((random >> shift).to_le_bytes()[0] & 0b1_1111)];
        }
        Self(characters)
    }

    /// The 12 characters without hyphens, as `tickets.code` keeps them.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// In groups, as it is printed: `7Q2M-K8XD-0V5T`.
impl fmt::Display for TicketCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, character) in self.0.iter().copied().map(char::from).enumerate() {
            if index > 0 && index.is_multiple_of(GROUP_CHARACTERS) {
                f.write_str("-")?;
            }
            write!(f, "{character}")?;
        }
        Ok(())
    }
}

/// A code lets somebody in: it must not end in a log.
impl fmt::Debug for TicketCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketCode(…)")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a ticket's code, which has 12 letters and digits")]
pub struct InvalidTicketCode;

/// Takes what people type: small letters, spaces, any hyphen, O for 0, and I or L for 1.
impl FromStr for TicketCode {
    type Err = InvalidTicketCode;

    fn from_str(text: &str) -> Result<Self, InvalidTicketCode> {
        let mut characters = [0; CODE_CHARACTERS];
        let mut count = 0;
        for character in text.chars().take(TYPED_LENGTH_MAX + 1) {
            if is_separator(character) {
                continue;
            }
            let read = crockford(character).ok_or(InvalidTicketCode)?;
            *characters.get_mut(count).ok_or(InvalidTicketCode)? = read;
            count += 1;
        }
        let is_whole = count == CODE_CHARACTERS && text.chars().count() <= TYPED_LENGTH_MAX;
        is_whole
            .then_some(Self(characters))
            .ok_or(InvalidTicketCode)
    }
}

/// The hyphens and dashes that keyboards and phones put where somebody wants a hyphen.
fn is_separator(character: char) -> bool {
    character.is_whitespace() || matches!(character, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// The character of the alphabet that is meant.
fn crockford(character: char) -> Option<u8> {
    let upper = u8::try_from(character).ok()?.to_ascii_uppercase();
    let meant = match upper {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        other => other,
    };
    CROCKFORD.contains(&meant).then_some(meant)
}

#[cfg(test)]
mod tests;
