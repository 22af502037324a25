//! Second factors of staff: a code that changes every 30 seconds (RFC 6238), and recovery codes for
//! who has lost the device that makes them.
//!
//! Secrets are kept encrypted, so that whoever reads the database can't make codes. Asking for one
//! is `sign_in`'s; taking somebody else's away is `staff`'s.

use std::time::Duration;

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{Key, KeyInit as _, XChaCha20Poly1305, XNonce};
use domain::id::AdminUserId;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use store::admin_totp::{self, Totp as Stored};
use store::sign_in_failures::Digest;
use store::{Acting, StoreError, Transaction, admin_users};
use totp_rs::{Algorithm, Builder, Secret, Totp};

use crate::sessions::{self, SignedIn};
use crate::sign_in::attempts::{self, Subjects};
use crate::sign_in::proof::{self, PasswordError, Proof};
use crate::{App, task};

/// Keeps this use of the secret key apart from every other.
const PURPOSE: &[u8] = b"stagedoor staff second factor v1\0";
/// What authenticators show beside the account's name.
const ISSUER: &str = "stagedoor";
/// RFC 4226, section 4: at least 128 bits, better 160.
const SECRET_BYTES: usize = 20;
const NONCE_BYTES: usize = 24;
/// Plenty for whoever has the authenticator at hand; a secret that lies about for longer is there only
/// to be guessed at.
const CONFIRMED_WITHIN: Duration = Duration::from_mins(10);
/// Enough to last until somebody notices, few enough to print.
const RECOVERY_CODES: usize = 10;
/// 80 bits: nobody guesses one, not even with its digest at hand.
const RECOVERY_CHARACTERS: usize = 16;
/// Crockford's base 32, which survives being written down.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A secret on its way to an authenticator; it isn't shown again.
#[derive(Clone)]
#[allow(
    missing_debug_implementations,
    reason = "a secret has no place in a log"
)]
pub struct Enrolment {
    /// In base 32, as authenticators take it by hand.
    pub secret: String,
    pub otpauth_url: String,
}

#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The secret would be encrypted with a key that is gone at the server's next start, and its
    /// owner shut out.
    #[error("the secret key doesn't outlive this process")]
    NoLastingKey,
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error("a second factor is in use already")]
    AlreadyOn,
    #[error("no second factor was begun lately")]
    NotBegun,
    #[error("the code is wrong")]
    WrongCode,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a secret for the one who is signed in and has typed their password again; it counts once a
/// code of it was confirmed.
pub async fn begin(
    app: &App,
    who: &SignedIn,
    password: &str,
    by: &Acting,
) -> Result<Enrolment, EnrolError> {
    if !app.access_key().lasts() {
        return Err(EnrolError::NoLastingKey);
    }
    let (inner, by, password) = (app.clone(), by.clone(), password.to_owned());
    let secret: [u8; SECRET_BYTES] = app.ctx().random_bytes();
    let member = who.member().clone();
    let username = member.username.clone();
    let is_kept = task::uninterrupted(async move {
        let (proof, turn) = proof::ask(&inner, &member, &password, &by).await?;
        drop(turn);
        let transaction = task::begin_unconfirmed(&inner, &by).await?;
        let kept = begin_in(&inner, &transaction, (&proof, &by), (member.id, &secret)).await;
        task::end(transaction, kept).await
    })
    .await?;
    if !is_kept {
        return Err(EnrolError::AlreadyOn);
    }
    let secret = Secret::from(secret).to_base32();
    // A name needs no escaping: letters, digits, dots, hyphens and underscores.
    Ok(Enrolment {
        otpauth_url: format!(
            "otpauth://totp/{ISSUER}:{username}?secret={secret}&issuer={ISSUER}\
             &algorithm=SHA1&digits=6&period=30"
        ),
        secret,
    })
}

/// Whether the secret was kept; one that is in use stays.
async fn begin_in(
    app: &App,
    transaction: &Transaction,
    (proof, by): (&Proof, &Acting),
    (id, secret): (AdminUserId, &[u8]),
) -> Result<bool, EnrolError> {
    proof.hold(transaction, by).await?;
    let (encrypted, now) = (encrypt(app, id, secret), app.ctx().now());
    let is_kept = admin_totp::upsert_unconfirmed(transaction, id, &encrypted, now).await?;
    proof.take_back(transaction, now).await?;
    Ok(is_kept)
}

/// Puts the secret in use, given a code of it; returns the recovery codes, which aren't shown again.
/// Sessions that began without a second factor end, but for the one that asks. Wrong codes count as
/// wrong passwords do, or whoever finds an open session could guess until one is right.
pub async fn confirm(
    app: &App,
    who: &SignedIn,
    code: &str,
    by: &Acting,
) -> Result<Vec<String>, EnrolError> {
    let (app, by, code, who) = (app.clone(), by.clone(), code.to_owned(), who.clone());
    task::uninterrupted(async move {
        let transaction = task::begin_unconfirmed(&app, &by).await?;
        match confirm_in(&app, &transaction, (&who, &by), &code).await {
            // That it was wrong is kept.
            Err(EnrolError::WrongCode) => {
                transaction.commit().await?;
                Err(EnrolError::WrongCode)
            }
            codes => task::end(transaction, codes).await,
        }
    })
    .await
}

async fn confirm_in(
    app: &App,
    transaction: &Transaction,
    (who, by): (&SignedIn, &Acting),
    code: &str,
) -> Result<Vec<String>, EnrolError> {
    let (id, now) = (who.member().id, app.ctx().now());
    admin_users::lock(transaction, id).await?;
    by.confirm(transaction).await?;
    let stored = lock_unconfirmed(transaction, id, now).await?;
    let subjects = Subjects::new(&who.member().username, by.address);
    if let Some(wait) = attempts::wait(app, transaction, &subjects).await? {
        return Err(PasswordError::Locked { wait }.into());
    }
    let found = decrypt_or_tell(app, id, &stored.secret).and_then(|secret| {
        let step = matching_step(&secret.plain, &stored, code, now)?;
        Some((secret, step))
    });
    let Some((secret, step)) = found else {
        attempts::failed(transaction, &subjects, now).await?;
        return Err(EnrolError::WrongCode);
    };
    sessions::end_others(transaction, who, now).await?;
    admin_totp::update_confirmed(transaction, id, step, now).await?;
    renew(app, transaction, id, &secret).await?;
    let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| recovery_code(app)).collect();
    let digests: Vec<Digest> = codes.iter().filter_map(|code| code_digest(code)).collect();
    admin_totp::delete_recovery_codes(transaction, id).await?;
    admin_totp::insert_recovery_codes(transaction, id, &digests, now).await?;
    Ok(codes)
}

/// Turns the second factor off, for the one who is signed in and has typed their password again: with a
/// recovery code, maybe. Nothing happens where there is none, but that other sessions end.
pub async fn turn_off(
    app: &App,
    who: &SignedIn,
    password: &str,
    by: Acting,
) -> Result<(), EnrolError> {
    let (app, who, password) = (app.clone(), who.clone(), password.to_owned());
    task::uninterrupted(async move {
        let (proof, turn) = proof::ask(&app, who.member(), &password, &by).await?;
        drop(turn);
        let transaction = task::begin_unconfirmed(&app, &by).await?;
        let done = turn_off_in(&app, &transaction, (&who, &by), &proof).await;
        task::end(transaction, done).await
    })
    .await
}

async fn turn_off_in(
    app: &App,
    transaction: &Transaction,
    (who, by): (&SignedIn, &Acting),
    proof: &Proof,
) -> Result<(), EnrolError> {
    proof.hold(transaction, by).await?;
    let now = app.ctx().now();
    sessions::end_others(transaction, who, now).await?;
    admin_totp::delete(transaction, who.member().id).await?;
    proof.take_back(transaction, now).await?;
    Ok(())
}

/// A secret that was begun a short while ago and isn't in use yet.
async fn lock_unconfirmed(
    transaction: &Transaction,
    id: AdminUserId,
    now: Timestamp,
) -> Result<Stored, EnrolError> {
    let stored = admin_totp::lock(transaction, id).await?;
    let stored = stored.ok_or(EnrolError::NotBegun)?;
    if stored.is_confirmed {
        return Err(EnrolError::AlreadyOn);
    }
    if now >= stored.created_at + CONFIRMED_WITHIN {
        return Err(EnrolError::NotBegun);
    }
    Ok(stored)
}

/// What a sign-in still needs after its password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The code was right, or none is wanted.
    Passed,
    /// A code is wanted and wasn't given.
    Missing,
    Wrong,
}

/// Looks at a code, or a recovery code in its place, and spends it. The account's row is locked.
pub(crate) async fn check(
    app: &App,
    transaction: &Transaction,
    id: AdminUserId,
    code: Option<&str>,
) -> Result<Verdict, StoreError> {
    let stored = admin_totp::lock(transaction, id).await?;
    let Some(stored) = stored.filter(|stored| stored.is_confirmed) else {
        return Ok(Verdict::Passed);
    };
    let Some(code) = code else {
        return Ok(Verdict::Missing);
    };
    let now = app.ctx().now();
    if let Some(digest) = code_digest(code) {
        if !admin_totp::use_recovery_code(transaction, id, &digest, now).await? {
            return Ok(Verdict::Wrong);
        }
        // It opens without the secret; but whoever signed in needs the former key no more.
        if let Some(secret) = decrypt_or_tell(app, id, &stored.secret) {
            renew(app, transaction, id, &secret).await?;
        }
        return Ok(Verdict::Passed);
    }
    let Some(secret) = decrypt_or_tell(app, id, &stored.secret) else {
        return Ok(Verdict::Wrong);
    };
    match matching_step(&secret.plain, &stored, code, now) {
        Some(step) => {
            admin_totp::update_last_step(transaction, id, step).await?;
            renew(app, transaction, id, &secret).await?;
            Ok(Verdict::Passed)
        }
        None => Ok(Verdict::Wrong),
    }
}

/// The step whose code this is: the present one, or one before or after for clocks that are off.
/// A step counts once, and none before it any more (RFC 6238, section 5.2).
fn matching_step(secret: &[u8], stored: &Stored, code: &str, now: Timestamp) -> Option<i64> {
    let totp = totp(secret)?;
    let seconds = u64::try_from(now.as_second()).ok()?;
    let digits: String = code.chars().filter(|character| *character != ' ').collect();
    let step = i64::try_from(totp.check(&digits, seconds)?).ok()?;
    stored
        .last_step
        .is_none_or(|last| step > last)
        .then_some(step)
}

/// Every authenticator knows these, and many know nothing else.
fn totp(secret: &[u8]) -> Option<Totp> {
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_step_duration(30)
        .with_skew(1)
        .with_secret(secret.to_vec())
        .build()
        .ok()
}

fn cipher(key: [u8; 32]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&Key::from(key))
}

/// Nonce, encrypted secret and tag. The account's number is bound to it, so that nobody can give
/// one account another's secret.
fn encrypt(app: &App, id: AdminUserId, secret: &[u8]) -> Vec<u8> {
    let nonce: [u8; NONCE_BYTES] = app.ctx().random_bytes();
    let payload = Payload {
        msg: secret,
        aad: &id.get().to_be_bytes(),
    };
    let encrypted = cipher(app.access_key().derive(PURPOSE))
        .encrypt(&XNonce::from(nonce), payload)
        .expect("twenty bytes are no more than the cipher takes");
    [nonce.as_slice(), &encrypted].concat()
}

/// A secret as it is in an authenticator.
struct Decrypted {
    plain: Vec<u8>,
    /// It is kept under a key that goes out of use.
    is_of_previous_key: bool,
}

fn decrypt_or_tell(app: &App, id: AdminUserId, stored: &[u8]) -> Option<Decrypted> {
    let secret = decrypt(app, id, stored);
    if secret.is_none() {
        tracing::error!(
            account = id.get(),
            "a second factor can't be read: its key is neither STAGEDOOR_SECRET_KEY nor in \
             STAGEDOOR_SECRET_KEY_PREVIOUS; add it there, or let its owner begin anew by \
             `stagedoor admin reset-password --forget-totp`"
        );
    }
    secret
}

fn decrypt(app: &App, id: AdminUserId, stored: &[u8]) -> Option<Decrypted> {
    let (nonce, encrypted) = stored.split_first_chunk::<NONCE_BYTES>()?;
    let aad = id.get().to_be_bytes();
    let open = |key| {
        let payload = Payload {
            msg: encrypted,
            aad: &aad,
        };
        cipher(key).decrypt(&XNonce::from(*nonce), payload).ok()
    };
    let keys = app.access_key();
    let of_present = open(keys.derive(PURPOSE)).map(|plain| (plain, false));
    let (plain, is_of_previous_key) = of_present.or_else(|| {
        let plain = keys.derive_previous(PURPOSE).find_map(open)?;
        Some((plain, true))
    })?;
    Some(Decrypted {
        plain,
        is_of_previous_key,
    })
}

/// Keeps a secret under the present key that was kept under a previous one.
async fn renew(
    app: &App,
    transaction: &Transaction,
    id: AdminUserId,
    secret: &Decrypted,
) -> Result<(), StoreError> {
    if !secret.is_of_previous_key {
        return Ok(());
    }
    let encrypted = encrypt(app, id, &secret.plain);
    admin_totp::update_encrypted(transaction, id, &encrypted).await
}

/// Four groups of four characters.
fn recovery_code(app: &App) -> String {
    let random: [u8; RECOVERY_CHARACTERS] = app.ctx().random_bytes();
    let characters: Vec<char> = random
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect();
    let groups: Vec<String> = characters
        .chunks(4)
        .map(|group| group.iter().collect())
        .collect();
    groups.join("-")
}

/// `None` when it can't be a recovery code. Case, spaces and hyphens don't matter, and letters that
/// look like digits are read as these.
fn code_digest(code: &str) -> Option<Digest> {
    let plain: String = code
        .chars()
        .filter(|character| !matches!(character, '-' | ' '))
        .map(|character| match character.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect();
    let is_code =
        plain.len() == RECOVERY_CHARACTERS && plain.bytes().all(|byte| ALPHABET.contains(&byte));
    is_code.then(|| Sha256::digest(plain.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_code_is_read_however_it_was_written_down() {
        let digest = code_digest("0123-4567-89AB-CDEF").unwrap();
        for same in [
            "0123456789abcdef",
            " o1234567-89ab cdef",
            "OI23-4567-89AB-CDEF",
        ] {
            assert_eq!(code_digest(same), Some(digest), "{same}");
        }
        for other in ["", "123456", "0123-4567-89AB-CDEU", "0123-4567-89AB-CDEFG"] {
            assert_eq!(code_digest(other), None, "{other}");
        }
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238, appendix B, SHA1, its last six digits.
        let totp = totp(b"12345678901234567890").unwrap();
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(totp.check(code, seconds), Some(seconds / 30));
        }
    }
}
