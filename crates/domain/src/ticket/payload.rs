//! What a ticket's QR code says: which ticket for which concert, and a signature over that.
//!
//! The text is `SD1:` and 117 characters of base 32: capital letters, digits and a colon are what a QR
//! code packs most densely (alphanumeric mode, ISO/IEC 18004, 7.4.4), and no keyboard layout, URL or
//! form changes them. With 121 of 122 possible characters it fits version 5, 37 × 37 modules.
//! Nobody's name is in it.

use crate::id::{CROCKFORD, ConcertId, TicketId};

/// The mark of the product and of this form of the payload.
const PREFIX: &str = "SD1:";
/// Keeps signatures of tickets apart from signatures over anything else.
const PURPOSE: &[u8] = b"stagedoor ticket v1\0";
const TICKET_BYTES: usize = 5;
const CLAIMS_BYTES: usize = TICKET_BYTES + 4;
/// Ed25519's, RFC 8032.
pub const SIGNATURE_BYTES: usize = 64;
const SIGNED_BYTES: usize = CLAIMS_BYTES + SIGNATURE_BYTES;
const CHARACTERS: usize = (SIGNED_BYTES * 8).div_ceil(5);
/// The bits of the last character that nothing is left for; they must be zero.
const SPARE_BITS: usize = CHARACTERS * 5 - SIGNED_BYTES * 8;

/// What a ticket claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TicketClaims {
    pub ticket_id: TicketId,
    pub concert_id: ConcertId,
}

impl TicketClaims {
    /// The bytes that are signed: the purpose with the version, the ticket's number in 5 bytes and the
    /// concert's in 4, the highest first.
    pub fn message(self) -> Vec<u8> {
        [PURPOSE, &self.to_bytes()].concat()
    }

    fn to_bytes(self) -> [u8; CLAIMS_BYTES] {
        let mut bytes = [0; CLAIMS_BYTES];
        let ticket = self.ticket_id.get().to_be_bytes();
        bytes[..TICKET_BYTES].copy_from_slice(&ticket[ticket.len() - TICKET_BYTES..]);
        bytes[TICKET_BYTES..].copy_from_slice(&self.concert_id.get().to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (ticket, concert) = bytes.split_at_checked(TICKET_BYTES)?;
        let number = ticket
            .iter()
            .fold(0, |sum, byte| sum << 8 | i64::from(*byte));
        Some(Self {
            ticket_id: TicketId::new(number)?,
            concert_id: ConcertId::new(i32::from_be_bytes(concert.try_into().ok()?))?,
        })
    }
}

/// A payload that has the right form. Whether it is true, only the signature's check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedClaims {
    /// Not to be believed before the signature was checked.
    pub claims: TicketClaims,
    pub signature: [u8; SIGNATURE_BYTES],
}

/// Why a text isn't a payload of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    #[error("not a ticket of this system")]
    NotOurs,
    #[error("a ticket of a version that isn't known here")]
    UnknownVersion,
    #[error("a ticket's code that was damaged or made up")]
    Malformed,
}

impl SignedClaims {
    /// The text for the QR code.
    pub fn to_text(&self) -> String {
        let mut bytes = [0; SIGNED_BYTES];
        bytes[..CLAIMS_BYTES].copy_from_slice(&self.claims.to_bytes());
        bytes[CLAIMS_BYTES..].copy_from_slice(&self.signature);
        let mut text = String::with_capacity(PREFIX.len() + CHARACTERS);
        text.push_str(PREFIX);
        text.extend((0..CHARACTERS).map(|index| character(&bytes, index)));
        text
    }

    /// Reads a payload to the letter: a claim has one text, so a changed one is another claim.
    /// White space around it, which scanners add, is no part of it.
    pub fn parse(text: &str) -> Result<Self, PayloadError> {
        let text = text.trim();
        let Some(encoded) = text.strip_prefix(PREFIX) else {
            return Err(if has_other_version(text) {
                PayloadError::UnknownVersion
            } else {
                PayloadError::NotOurs
            });
        };
        let bytes = decode(encoded.as_bytes()).ok_or(PayloadError::Malformed)?;
        let (claims, signature) = bytes.split_at(CLAIMS_BYTES);
        Ok(Self {
            claims: TicketClaims::from_bytes(claims).ok_or(PayloadError::Malformed)?,
            signature: signature.try_into().map_err(|_| PayloadError::Malformed)?,
        })
    }
}

/// `SD`, a number, `:` and something behind it: what a later version of the product will write.
fn has_other_version(text: &str) -> bool {
    text.strip_prefix("SD")
        .and_then(|rest| rest.split_once(':'))
        .is_some_and(|(version, _)| {
            (1..=3).contains(&version.len()) && version.bytes().all(|byte| byte.is_ascii_digit())
        })
}

/// The character of five bits, counted from the first byte's highest.
fn character(bytes: &[u8; SIGNED_BYTES], index: usize) -> char {
    let first_bit = index * 5;
    let high = bytes[first_bit / 8];
    let low = bytes.get(first_bit / 8 + 1).copied().unwrap_or(0);
    let shifted = u16::from_be_bytes([high, low]) << (first_bit % 8) >> 11;
    char::from(CROCKFORD[usize::from(shifted)])
}

fn decode(characters: &[u8]) -> Option<[u8; SIGNED_BYTES]> {
    if characters.len() != CHARACTERS {
        return None;
    }
    let mut bytes = [0; SIGNED_BYTES];
    let (mut gathered, mut bits, mut filled) = (0_u16, 0, 0);
    for character in characters {
        let value = CROCKFORD.iter().position(|known| known == character)?;
        gathered = gathered << 5 | u16::try_from(value).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            *bytes.get_mut(filled)? = (gathered >> bits).to_le_bytes()[0];
            gathered &= (1 << bits) - 1;
            filled += 1;
        }
    }
    (bits == SPARE_BITS && gathered == 0).then_some(bytes)
}
