//! `Idempotency-Key`: what a key is bound to, so that a retry is told from a second wish.

use std::fmt;
use std::time::Duration;

use domain::id::AdminUserId;
use domain::text::EmailAddress;
use sha2::{Digest as _, Sha256};
use store::receipts::Digest;

/// How long a key is remembered.
pub const KEPT_FOR: Duration = Duration::from_hours(24);
const LENGTH_MAX: usize = 255;

/// A client's key: 1–255 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 255 visible ASCII characters")]
pub struct InvalidKey;

impl IdempotencyKey {
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let fits = (1..=LENGTH_MAX).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidKey)
        }
    }
}

/// Whose key it is. Anonymous callers share one scope: a change of network is no second order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    Anonymous,
    /// Who signed in, and whether at the provider.
    Customer {
        email: EmailAddress,
        is_google: bool,
    },
    Staff(AdminUserId),
}

impl Caller {
    /// Whether this buyer signed in at the provider with this very address.
    pub fn proved_by_google(&self, address: &EmailAddress) -> bool {
        matches!(self, Self::Customer { email, is_google: true } if email == address)
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::Customer { email, .. } => write!(f, "customer {email}"),
            Self::Staff(id) => write!(f, "staff {}", id.get()),
        }
    }
}

/// The digest under which a key is kept: route, caller and key together.
pub fn key_digest(route: &str, caller: &Caller, key: &IdempotencyKey) -> Digest {
    digest(&[route, &caller.to_string(), &key.0])
}

/// A digest of parsed values, so that `" a "` and `"a"` are the same wish.
pub fn values_digest(values: &[&str]) -> Digest {
    digest(values)
}

/// The first 16 bytes of SHA-256 over the parts, each with its length before it.
fn digest(parts: &[&str]) -> Digest {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut short = Digest::default();
    short.copy_from_slice(&hash.finalize()[..16]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_visible_ascii_of_limited_length() {
        assert!(IdempotencyKey::parse("a").is_ok());
        assert!(IdempotencyKey::parse(&"k".repeat(255)).is_ok());
        for text in ["", "a b", "ก", "a\n", &"k".repeat(256)] {
            assert_eq!(IdempotencyKey::parse(text), Err(InvalidKey));
        }
    }

    #[test]
    fn digests_tell_scopes_and_splits_apart() {
        let key = IdempotencyKey::parse("k").unwrap();
        let anonymous = key_digest("reserve", &Caller::Anonymous, &key);
        let email = EmailAddress::parse("a@example.com").unwrap();
        let of = |is_google| Caller::Customer {
            email: email.clone(),
            is_google,
        };
        assert_ne!(anonymous, key_digest("reserve", &of(true), &key));
        let both = [true, false].map(|way| key_digest("reserve", &of(way), &key));
        assert_eq!(both[0], both[1], "one customer, however signed in");
        assert_ne!(anonymous, key_digest("pay", &Caller::Anonymous, &key));
        assert_ne!(values_digest(&["ab", "c"]), values_digest(&["a", "bc"]));
    }
}
