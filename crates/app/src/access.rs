//! Who may see and change a reservation without an account: whoever has its access token.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::actor::Actor;
use domain::id::ReservationId;
use domain::text::EmailAddress;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use store::Acting;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use crate::ticket_key::TicketKey;

/// 128 bits of the HMAC: as hard to guess as a UUID, and 22 characters in a link.
const TOKEN_BYTES: usize = 16;
/// Keeps this use of the secret key apart from every other.
const PURPOSE: &[u8] = b"stagedoor access token v1\0";

/// The key that makes access tokens, and all that may have made them (HMAC-SHA-256, RFC 2104).
#[derive(Clone)]
pub struct AccessKey {
    current: Vec<u8>,
    previous: Vec<Vec<u8>>,
    lasts: bool,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey(…)")
    }
}

/// Proof that somebody showed a reservation's token, or is a customer who signed in: then the database
/// finds the reservation if it is theirs. Only [`AccessKey::check`], a session and the write probe make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    reservation_id: ReservationId,
    /// The address of a customer who signed in.
    customer: Option<EmailAddress>,
    origin: Origin,
}

/// Where a request came from, for the audit log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    pub address: Option<IpAddr>,
    pub request_id: Option<Uuid>,
}

impl Holder {
    pub(crate) const fn of_customer(
        reservation_id: ReservationId,
        email: EmailAddress,
        origin: Origin,
    ) -> Self {
        Self {
            reservation_id,
            customer: Some(email),
            origin,
        }
    }

    /// Of a reservation that the write probe has just made.
    pub(crate) const fn of_probe(reservation_id: ReservationId, origin: Origin) -> Self {
        Self {
            reservation_id,
            customer: None,
            origin,
        }
    }

    pub fn reservation_id(&self) -> &ReservationId {
        &self.reservation_id
    }

    /// The same, in a request from there.
    #[must_use]
    pub fn from(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    pub(crate) fn acting(&self) -> Acting {
        Acting {
            actor: match &self.customer {
                Some(email) => Actor::Customer(email.clone()),
                None => Actor::Holder(self.reservation_id.clone()),
            },
            address: self.origin.address,
            request_id: self.origin.request_id,
            authority: None,
        }
    }
}

impl AccessKey {
    pub fn new(secret: &[u8]) -> Self {
        Self {
            current: secret.to_vec(),
            previous: Vec::new(),
            lasts: true,
        }
    }

    /// The key that signs tickets, from the same secrets.
    pub(crate) fn ticket_key(&self) -> TicketKey {
        let previous = self.previous.iter().map(Vec::as_slice);
        TicketKey::new(&self.current).with_previous(previous)
    }

    /// A key that is gone when the process ends.
    pub fn of_process(secret: &[u8]) -> Self {
        Self {
            lasts: false,
            ..Self::new(secret)
        }
    }

    /// The same, which also takes what these keys made.
    #[must_use]
    pub fn with_previous<'a>(self, secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self {
            previous: secrets.into_iter().map(<[u8]>::to_vec).collect(),
            ..self
        }
    }

    /// Whether what is encrypted with it can be read after the next start.
    pub(crate) const fn lasts(&self) -> bool {
        self.lasts
    }

    /// A key of its own for another purpose, from which nobody gets back to this one.
    pub(crate) fn derive(&self, purpose: &[u8]) -> [u8; 32] {
        digest(&self.current, purpose, &[])
    }

    /// The same of each previous key, for what these made.
    pub(crate) fn derive_previous(&self, purpose: &[u8]) -> impl Iterator<Item = [u8; 32]> {
        self.previous.iter().map(|key| digest(key, purpose, &[]))
    }

    /// The token of a reservation, in base64url without padding.
    pub fn token(&self, id: &ReservationId) -> String {
        URL_SAFE_NO_PAD.encode(token_bytes(&self.current, id))
    }

    /// Compares in constant time. A token of the present key costs one comparison, any other one for
    /// each key.
    pub fn check(&self, id: &ReservationId, token: &str) -> Option<Holder> {
        let shown = URL_SAFE_NO_PAD.decode(token).ok()?;
        let is_of = |key: &Vec<u8>| bool::from(token_bytes(key, id).as_slice().ct_eq(&shown));
        let is_good = is_of(&self.current) || self.previous.iter().any(is_of);
        is_good.then(|| Holder {
            reservation_id: id.clone(),
            customer: None,
            origin: Origin::default(),
        })
    }
}

fn token_bytes(key: &[u8], id: &ReservationId) -> [u8; TOKEN_BYTES] {
    let mut bytes = [0; TOKEN_BYTES];
    bytes.copy_from_slice(&digest(key, PURPOSE, id.as_str().as_bytes())[..TOKEN_BYTES]);
    bytes
}

fn digest(key: &[u8], purpose: &[u8], of: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes any length");
    mac.update(purpose);
    mac.update(of);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_its_reservation_and_no_other() {
        let key = AccessKey::new(b"a secret of at least 32 characters");
        let id: ReservationId = "RES1764000000123-0A1B2C3D".parse().unwrap();
        let other: ReservationId = "RES1764000000123-0A1B2C3E".parse().unwrap();
        let token = key.token(&id);
        assert_eq!(token.len(), 22);
        assert!(key.check(&id, &token).is_some());
        assert!(key.check(&other, &token).is_none());
        assert!(AccessKey::new(b"another key").check(&id, &token).is_none());
        for wrong in ["", "x", &token[1..], &format!("{token}A"), "ก"] {
            assert!(key.check(&id, wrong).is_none(), "{wrong}");
        }
    }
    #[test]
    fn a_token_of_a_previous_key_opens_and_new_ones_are_of_the_present_key() {
        let old = AccessKey::new(b"old");
        let id: ReservationId = "RES1764000000123-0A1B2C3D".parse().unwrap();
        let new = AccessKey::new(b"new").with_previous([&b"older"[..], b"old"]);
        assert!(new.check(&id, &old.token(&id)).is_some());
        assert_eq!(new.token(&id), AccessKey::new(b"new").token(&id));
        assert!(old.check(&id, &new.token(&id)).is_none());
        let derived: Vec<_> = new.derive_previous(b"p").collect();
        assert_eq!(derived[1], old.derive(b"p"));
    }
}
