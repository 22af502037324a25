//! The key that signs tickets, so that a code at the door is known to be ours before anything is
//! looked up, and nobody makes one up.
//!
//! Absent on purpose: whether a ticket is still good. That the database says.

use std::fmt;

use domain::ticket::{PayloadError, SignedClaims, TicketClaims};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::access::AccessKey;

/// Keeps this use of the secret key apart from every other.
const PURPOSE: &[u8] = b"stagedoor ticket key v1\0";

/// The key that signs tickets, and all whose tickets are good (Ed25519, RFC 8032).
///
/// A ticket's payload is the same whenever it is signed: Ed25519 needs no random bits.
pub struct TicketKey {
    current: Ed25519KeyPair,
    /// Public keys, the present one's first.
    accepted: Vec<UnparsedPublicKey<Vec<u8>>>,
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKey(…)")
    }
}

/// Why a text at the door is no ticket of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketFault {
    /// It hasn't the form of a payload.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// It has, and nobody with our key wrote it: forged, altered, or of another installation.
    #[error("the ticket's signature isn't ours")]
    Forged,
}

impl TicketKey {
    /// Derived from the installation's secret key, from which nobody gets back to it.
    pub fn new(secret: &[u8]) -> Self {
        let current = key_pair(secret);
        Self {
            accepted: vec![public_key(&current)],
            current,
        }
    }

    /// The same, which also takes the tickets that these keys signed.
    #[must_use]
    pub fn with_previous<'a>(self, secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let previous = secrets.into_iter().map(key_pair);
        let mut accepted = self.accepted;
        accepted.extend(previous.map(|pair| public_key(&pair)));
        Self { accepted, ..self }
    }

    /// The text of a ticket's QR code.
    pub fn sign(&self, claims: TicketClaims) -> String {
        let signed = self.current.sign(&claims.message());
        let mut signature = [0; domain::ticket::payload::SIGNATURE_BYTES];
        signature.copy_from_slice(signed.as_ref());
        SignedClaims { claims, signature }.to_text()
    }

    /// What a ticket claims, when it is one of ours.
    pub fn verify(&self, payload: &str) -> Result<TicketClaims, TicketFault> {
        let SignedClaims { claims, signature } = SignedClaims::parse(payload)?;
        let message = claims.message();
        let is_ours = |key: &UnparsedPublicKey<_>| key.verify(&message, &signature).is_ok();
        if self.accepted.iter().any(is_ours) {
            Ok(claims)
        } else {
            Err(TicketFault::Forged)
        }
    }
}

fn key_pair(secret: &[u8]) -> Ed25519KeyPair {
    let seed = AccessKey::new(secret).derive(PURPOSE);
    Ed25519KeyPair::from_seed_unchecked(&seed).expect("Ed25519 takes any 32 bytes")
}

fn public_key(pair: &Ed25519KeyPair) -> UnparsedPublicKey<Vec<u8>> {
    UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use domain::id::{ConcertId, TicketId};
    use proptest::prelude::*;

    use super::*;

    const SECRET: &[u8] = b"a secret of at least 32 characters";

    fn claims(ticket: i64, concert: i32) -> TicketClaims {
        TicketClaims {
            ticket_id: TicketId::new(ticket).unwrap(),
            concert_id: ConcertId::new(concert).unwrap(),
        }
    }

    #[test]
    fn a_ticket_says_what_was_signed_and_always_the_same() {
        let key = TicketKey::new(SECRET);
        let payload = key.sign(claims(7, 3));
        assert_eq!(key.verify(&payload), Ok(claims(7, 3)));
        assert_eq!(payload, TicketKey::new(SECRET).sign(claims(7, 3)));
        assert_ne!(payload, key.sign(claims(8, 3)));
        assert_eq!(format!("{key:?}"), "TicketKey(…)");
    }

    #[test]
    fn the_secret_key_of_tickets_is_none_of_its_other_keys() {
        let derived = AccessKey::new(SECRET).derive(PURPOSE);
        assert_ne!(derived.as_slice(), AccessKey::new(SECRET).derive(b"p"));
        assert_ne!(&derived[..], SECRET);
    }

    #[test]
    fn tickets_of_a_previous_key_stay_good_and_new_ones_are_of_the_present_key() {
        let old = TicketKey::new(b"old");
        let new = TicketKey::new(b"new").with_previous([&b"older"[..], b"old"]);
        assert_eq!(new.verify(&old.sign(claims(1, 1))), Ok(claims(1, 1)));
        assert_eq!(
            new.sign(claims(1, 1)),
            TicketKey::new(b"new").sign(claims(1, 1))
        );
        let forged = Err(TicketFault::Forged);
        assert_eq!(old.verify(&new.sign(claims(1, 1))), forged);
        assert_eq!(
            TicketKey::new(b"new").verify(&old.sign(claims(1, 1))),
            forged
        );
    }

    #[test]
    fn a_true_signature_on_another_ticket_is_forged() {
        let key = TicketKey::new(SECRET);
        let mut signed = SignedClaims::parse(&key.sign(claims(7, 3))).unwrap();
        for other in [claims(8, 3), claims(7, 4), claims(3, 7)] {
            signed.claims = other;
            assert_eq!(key.verify(&signed.to_text()), Err(TicketFault::Forged));
        }
        let unknown = TicketFault::Payload(PayloadError::UnknownVersion);
        let later = key.sign(claims(7, 3)).replacen("SD1:", "SD2:", 1);
        assert_eq!(key.verify(&later), Err(unknown));
        let other = key.verify("https://example.com");
        assert_eq!(other, Err(TicketFault::Payload(PayloadError::NotOurs)));
    }

    #[test]
    fn every_flipped_bit_of_a_signature_is_refused() {
        let key = TicketKey::new(SECRET);
        let good = SignedClaims::parse(&key.sign(claims(7, 3))).unwrap();
        for bit in 0..good.signature.len() * 8 {
            let mut altered = good;
            altered.signature[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                key.verify(&altered.to_text()),
                Err(TicketFault::Forged),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn every_other_letter_in_every_place_is_refused() {
        let key = TicketKey::new(SECRET);
        let good = key.sign(claims(123_456, 3));
        for place in 0..good.len() {
            for letter in "0123456789ABCDEFGHJKMNPQRSTVWXYZ:ILOUa ".chars() {
                let mut altered = good.clone();
                altered.replace_range(place..=place, &letter.to_string());
                let is_same = altered == good;
                assert_eq!(key.verify(&altered).is_ok(), is_same, "{letter} at {place}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_ticket_verifies_and_none_that_was_made_up(
            ticket in 1..=TicketId::MAX, concert in 1..=i32::MAX, noise: u64, place in 0_usize..64,
        ) {
            let key = TicketKey::new(SECRET);
            let payload = key.sign(claims(ticket, concert));
            prop_assert_eq!(key.verify(&payload), Ok(claims(ticket, concert)));
            let mut altered = SignedClaims::parse(&payload).unwrap();
            let byte = noise.to_le_bytes()[place % 8] | 1;
            altered.signature[place] ^= byte;
            prop_assert_eq!(key.verify(&altered.to_text()), Err(TicketFault::Forged));
        }
    }
}
