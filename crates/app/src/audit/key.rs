//! The keys of the seals: the one that makes them, and those that made earlier ones.
//!
//! Absent on purpose: the secret key's other uses, access tokens and second factors, which know each
//! other's keys neither way.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use store::audit_erasures::Erasure;
use store::audit_seals::{Covered, KeyId, Mac, Signature};
use subtle::ConstantTimeEq as _;

/// Keeps this use of the secret key apart from every other.
const PURPOSE: &[u8] = b"stagedoor audit seal v1\0";
/// The same of what was lawfully blanked.
const ERASURE_PURPOSE: &[u8] = b"stagedoor audit erasure v1\0";
/// And what tells the keys apart from what they sign.
const ID_PURPOSE: &[u8] = b"stagedoor audit seal key id v1\0";

/// The key that makes seals, and all that may have made them (HMAC-SHA-256, RFC 2104).
#[derive(Clone)]
pub struct SealKey {
    current: Key,
    previous: Vec<Key>,
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(…)")
    }
}

/// Why a seal isn't believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// No key of ours made it like that.
    Forged,
    /// It says that a key made it which isn't among ours.
    UnknownKey(KeyId),
}

impl SealKey {
    pub fn new(secret: &[u8]) -> Self {
        Self {
            current: Key::new(secret),
            previous: Vec::new(),
        }
    }

    /// The same, which also knows the seals of these keys.
    #[must_use]
    pub fn with_previous<'a>(self, secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self {
            previous: secrets.into_iter().map(Key::new).collect(),
            ..self
        }
    }

    /// What makes a seal, behind the one before it.
    pub(super) fn sign(&self, before: Option<&Mac>, covered: &Covered) -> Signature {
        Signature {
            key_id: Some(self.current.id),
            mac: self.current.mac(before, covered),
        }
    }

    /// Whether a seal is what one of our keys made, behind the one before it. What the seal says of
    /// its key is believed only where a key of ours agrees.
    pub(super) fn check(
        &self,
        before: Option<&Mac>,
        covered: &Covered,
        signature: &Signature,
    ) -> Result<(), Misfit> {
        self.check_by(signature, |key| key.mac(before, covered))
    }

    /// What makes an erasure one of ours.
    pub(crate) fn sign_erasure(&self, erasure: &Erasure) -> Signature {
        Signature {
            key_id: Some(self.current.id),
            mac: self.current.erasure_mac(erasure),
        }
    }

    /// Whether one of our keys signed an erasure.
    pub(super) fn check_erasure(
        &self,
        erasure: &Erasure,
        signature: &Signature,
    ) -> Result<(), Misfit> {
        self.check_by(signature, |key| key.erasure_mac(erasure))
    }

    fn check_by(&self, signature: &Signature, mac: impl Fn(&Key) -> Mac) -> Result<(), Misfit> {
        let fits = |key: &Key| bool::from(mac(key).ct_eq(&signature.mac));
        let mut all = std::iter::once(&self.current).chain(&self.previous);
        let Some(id) = signature.key_id else {
            return all.any(fits).then_some(()).ok_or(Misfit::Forged);
        };
        if let Some(key) = all.clone().find(|key| key.id == id) {
            return fits(key).then_some(()).ok_or(Misfit::Forged);
        }
        Err(if all.any(fits) {
            Misfit::Forged
        } else {
            Misfit::UnknownKey(id)
        })
    }
}

#[derive(Clone)]
struct Key {
    secret: Vec<u8>,
    id: KeyId,
}

impl Key {
    fn new(secret: &[u8]) -> Self {
        let secret = secret.to_vec();
        let mut mac = started(&secret);
        mac.update(ID_PURPOSE);
        let digest = mac.finalize().into_bytes();
        let mut id = KeyId::default();
        id.copy_from_slice(&digest[..size_of::<KeyId>()]);
        Self { secret, id }
    }

    /// The MAC of what a seal covers, behind the one before it.
    fn mac(&self, before: Option<&Mac>, covered: &Covered) -> Mac {
        let mut mac = started(&self.secret);
        mac.update(PURPOSE);
        mac.update(before.unwrap_or(&[0; 32]));
        mac.update(&covered.cluster_id.to_be_bytes());
        mac.update(&covered.until.tx.to_be_bytes());
        mac.update(&covered.until.id.to_be_bytes());
        mac.update(&(covered.row_ids.len() as u64).to_be_bytes());
        for id in &covered.row_ids {
            mac.update(&id.to_be_bytes());
        }
        mac.update(&covered.digests);
        mac.finalize().into_bytes().into()
    }

    /// The MAC of an erasure, whose digests have a length that follows from its rows.
    fn erasure_mac(&self, erasure: &Erasure) -> Mac {
        let mut mac = started(&self.secret);
        mac.update(ERASURE_PURPOSE);
        mac.update(&erasure.id.to_be_bytes());
        mac.update(&erasure.log_id.to_be_bytes());
        mac.update(&(erasure.pseudonym.len() as u64).to_be_bytes());
        mac.update(erasure.pseudonym.as_bytes());
        mac.update(&(erasure.row_ids.len() as u64).to_be_bytes());
        for id in &erasure.row_ids {
            mac.update(&id.to_be_bytes());
        }
        mac.update(&erasure.befores);
        mac.update(&erasure.afters);
        mac.finalize().into_bytes().into()
    }
}

fn started(secret: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret).expect("HMAC takes any length")
}

#[cfg(test)]
mod tests {
    use store::audit_logs::Position;

    use super::*;

    fn covered() -> Covered {
        Covered {
            cluster_id: 1,
            until: Position { tx: 9, id: 2 },
            row_ids: vec![1, 2],
            digests: vec![7; 32],
        }
    }

    #[test]
    fn a_seal_is_known_by_its_own_key_wherever_that_stands_in_the_list() {
        let old = SealKey::new(b"old");
        let older = old.sign(None, &covered());
        let new = SealKey::new(b"new");
        let newer = new.sign(Some(&older.mac), &covered());
        assert_ne!(older.key_id, newer.key_id);
        let both = new.clone().with_previous([&b"oldest"[..], b"old"]);
        assert_eq!(both.check(None, &covered(), &older), Ok(()));
        assert_eq!(both.check(Some(&older.mac), &covered(), &newer), Ok(()));
        let of_old = older.key_id.unwrap();
        let unknown = Err(Misfit::UnknownKey(of_old));
        assert_eq!(new.check(None, &covered(), &older), unknown);
        // One from before keys were told apart is tried with all of them.
        let unlabelled = Signature {
            key_id: None,
            ..older
        };
        assert_eq!(both.check(None, &covered(), &unlabelled), Ok(()));
        let forged = Err(Misfit::Forged);
        assert_eq!(new.check(None, &covered(), &unlabelled), forged);
    }

    #[test]
    fn what_a_seal_says_of_its_key_is_no_way_around_the_keys() {
        let key = SealKey::new(b"new").with_previous([&b"old"[..]]);
        let good = key.sign(None, &covered());
        let other = SealKey::new(b"old").sign(None, &covered());
        for key_id in [other.key_id, Some([0; 8])] {
            let relabelled = Signature { key_id, ..good };
            let forged = Err(Misfit::Forged);
            assert_eq!(key.check(None, &covered(), &relabelled), forged);
        }
        let changed = Covered {
            row_ids: vec![1, 3],
            ..covered()
        };
        assert_eq!(key.check(None, &changed, &good), Err(Misfit::Forged));
    }
}
