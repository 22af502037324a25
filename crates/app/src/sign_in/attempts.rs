//! Who may try to sign in now: failures are counted for the name, for the address, and for the name
//! at that address. Where an account's owner signed in lately only the last of these holds them up.
//!
//! An attempt is counted as failed before its password is looked at, and taken back when it wasn't:
//! so a thousand at once find the door as shut as a thousand in a row.

use std::net::IpAddr;
use std::time::Duration;

use domain::id::AdminUserId;
use domain::sign_in::{ADDRESS_KNOWN_FOR, Counted, FAILURES_KEPT_FOR, Failures};
use domain::text::Username;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use store::sign_in_failures::{self as stored, Digest};
use store::{Acting, Connection, StoreError, Transaction, admin_sessions};

use crate::{App, task};

/// What failures of an attempt are counted for.
#[derive(Clone, Debug)]
pub(crate) struct Subjects {
    /// `None` for what can't be anybody's name; it is counted all the same.
    pub(super) username: Option<Username>,
    pub(super) account: Digest,
    pub(super) address: Digest,
    account_there: Digest,
}

impl Subjects {
    pub(crate) fn new(typed: &str, address: Option<IpAddr>) -> Self {
        let username = Username::parse(typed).ok();
        let name = username.as_ref().map_or(typed, Username::as_str);
        let (account, address) = (account_digest(name), address_digest(address));
        Self {
            account_there: account_there_digest(&account, &address),
            account,
            address,
            username,
        }
    }

    fn all(&self) -> [&Digest; 3] {
        [&self.account, &self.address, &self.account_there]
    }
}

/// What an attempt found and left when it was counted as failed, by the order of [`Subjects::all`].
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    found: [Failures; 3],
    left: [Failures; 3],
}

/// Whether an attempt may go on, and what it was counted as then.
pub(super) enum Turnout {
    MayTry(Box<Mark>),
    MustWait(Duration),
}

impl Mark {
    /// The failures as they are now, without this attempt.
    fn take_from(&self, failures: [Failures; 3]) -> [Failures; 3] {
        std::array::from_fn(|which| failures[which].without(self.found[which], self.left[which]))
    }
}

/// What failures of a name are counted under; a digest, for people type passwords there.
pub(super) fn account_digest(name: &str) -> Digest {
    Sha256::digest(["account ", name].concat()).into()
}

/// What failures from an address are counted under. Of IPv6 a network of 64 bits is one place: who
/// has one address of it has all.
pub(super) fn address_digest(address: Option<IpAddr>) -> Digest {
    // IPv4 written as IPv6 is itself, not one of a network that all of them share.
    let place = match address.map(|address| address.to_canonical()) {
        None => "unknown".to_owned(),
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => format!("{:x?}", &address.segments()[..4]),
    };
    Sha256::digest(["address ", &place].concat()).into()
}

/// What failures of a name at one address are counted under.
pub(super) fn account_there_digest(account: &Digest, address: &Digest) -> Digest {
    let mut digest = Sha256::new_with_prefix("account there ");
    digest.update(account);
    digest.update(address);
    digest.finalize().into()
}

/// How long this attempt must wait; `None` when it may go on. Changes and locks nothing.
pub(crate) async fn wait(
    app: &App,
    connection: &Connection,
    subjects: &Subjects,
) -> Result<Option<Duration>, StoreError> {
    let failures = stored::find(connection, subjects.all()).await?;
    wait_of(app, connection, subjects, failures).await
}

/// Counts the attempt as failed, unless it must wait.
pub(super) async fn begin(
    app: &App,
    subjects: &Subjects,
    by: &Acting,
) -> Result<Turnout, StoreError> {
    let now = app.ctx().now();
    let transaction = task::begin(app, by).await?;
    let found = lock(&transaction, subjects, now).await?;
    if let Some(wait) = wait_of(app, &transaction, subjects, found).await? {
        transaction.rollback().await;
        return Ok(Turnout::MustWait(wait));
    }
    let left = with_one_more(found, now);
    write(&transaction, subjects, left, now).await?;
    transaction.commit().await?;
    Ok(Turnout::MayTry(Box::new(Mark { found, left })))
}

/// Counts an attempt as failed once its outcome is known, which is enough where the account's row is
/// locked: no other one is under way meanwhile.
pub(crate) async fn failed(
    transaction: &Transaction,
    subjects: &Subjects,
    now: Timestamp,
) -> Result<(), StoreError> {
    let failures = lock(transaction, subjects, now).await?;
    write(transaction, subjects, with_one_more(failures, now), now).await
}

/// The attempt has signed somebody in: their name is clean again, and the address as it was.
pub(super) async fn succeeded(
    transaction: &Transaction,
    (subjects, mark): (&Subjects, &Mark),
    now: Timestamp,
) -> Result<(), StoreError> {
    let [_, address, _] = mark.take_from(lock(transaction, subjects, now).await?);
    let clean = Failures {
        last_failed_at: Some(now),
        ..Failures::default()
    };
    let failures = [clean, address, clean];
    write(transaction, subjects, failures, now).await
}

/// The attempt was none: its password was right, and something is still wanted.
pub(super) async fn take_back(
    transaction: &Transaction,
    (subjects, mark): (&Subjects, &Mark),
    now: Timestamp,
) -> Result<(), StoreError> {
    let failures = mark.take_from(lock(transaction, subjects, now).await?);
    write(transaction, subjects, failures, now).await
}

/// The same, and forgets the failures of the account, which has a new password. All that either
/// touches is locked at once, or it would be in two orders.
pub(super) async fn take_back_and_forget(
    transaction: &Transaction,
    (subjects, mark): (&Subjects, &Mark),
    (id, now): (AdminUserId, Timestamp),
) -> Result<(), StoreError> {
    let forgotten = list_of_account(transaction, &subjects.account, (Some(id), now)).await?;
    let all: Vec<&Digest> = subjects.all().into_iter().chain(&forgotten).collect();
    stored::lock(transaction, &all, now).await?;
    take_back(transaction, (subjects, mark), now).await?;
    stored::delete(transaction, &forgotten).await?;
    Ok(())
}

async fn lock(
    transaction: &Transaction,
    subjects: &Subjects,
    now: Timestamp,
) -> Result<[Failures; 3], StoreError> {
    stored::lock(transaction, &subjects.all(), now).await?;
    stored::find(transaction, subjects.all()).await
}

fn with_one_more(
    [account, address, account_there]: [Failures; 3],
    now: Timestamp,
) -> [Failures; 3] {
    [
        account.and_one(Counted::Account, now),
        address.and_one(Counted::Address, now),
        account_there.and_one(Counted::AccountThere, now),
    ]
}

async fn write(
    transaction: &Transaction,
    subjects: &Subjects,
    failures: [Failures; 3],
    now: Timestamp,
) -> Result<(), StoreError> {
    for (subject, failures) in subjects.all().into_iter().zip(failures) {
        stored::update(transaction, subject, failures, now).await?;
    }
    Ok(())
}

/// The longer wait of name and address. Neither holds where the account's owner signed in lately, or
/// anybody could shut out anybody, and one who guesses a whole box office: there only failures of
/// this name at this address count.
async fn wait_of(
    app: &App,
    connection: &Connection,
    subjects: &Subjects,
    failures: [Failures; 3],
) -> Result<Option<Duration>, StoreError> {
    let now = app.ctx().now();
    let [account, address, account_there] = failures.map(|failures| failures.wait(now));
    let elsewhere = account.max(address);
    if elsewhere.is_none() && account_there.is_none() {
        return Ok(None);
    }
    let Some(username) = &subjects.username else {
        return Ok(elsewhere);
    };
    let (place, since) = (&subjects.address, now - ADDRESS_KNOWN_FOR);
    let is_known = admin_sessions::is_address_known(connection, username, place, since).await?;
    Ok(if is_known { account_there } else { elsewhere })
}

/// Lets the owner of an account in: forgets the failures of its name, everywhere and where they
/// signed in lately. Those of addresses stay.
pub(crate) async fn forget(
    transaction: &Transaction,
    username: &str,
    (id, now): (Option<AdminUserId>, Timestamp),
) -> Result<u64, StoreError> {
    let account = account_digest(username);
    let subjects = list_of_account(transaction, &account, (id, now)).await?;
    stored::delete(transaction, &subjects).await
}

/// What failures of an account are counted under: everywhere and where its owner signed in lately.
async fn list_of_account(
    transaction: &Transaction,
    account: &Digest,
    (id, now): (Option<AdminUserId>, Timestamp),
) -> Result<Vec<Digest>, StoreError> {
    let mut subjects = vec![*account];
    if let Some(id) = id {
        let since = now - ADDRESS_KNOWN_FOR;
        let places = admin_sessions::list_addresses(transaction, id, since).await?;
        let there = places
            .iter()
            .map(|place| account_there_digest(account, place));
        subjects.extend(there);
    }
    Ok(subjects)
}

/// Deletes failures and sessions that count no more, up to `limit` of each; returns how many.
pub(crate) async fn forget_old(
    app: &App,
    transaction: &Transaction,
    limit: i64,
) -> Result<u64, StoreError> {
    let now = app.ctx().now();
    // Long ended: a session lives for hours.
    let sessions = admin_sessions::delete_old(transaction, now - ADDRESS_KNOWN_FOR, limit).await?;
    let failures = stored::delete_old(transaction, now - FAILURES_KEPT_FOR, limit).await?;
    Ok(failures + sessions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_address_or_a_network_of_ipv6() {
        let place = |text: &str| address_digest(Some(text.parse().unwrap()));
        assert_ne!(place("192.0.2.1"), place("192.0.2.2"));
        assert_eq!(place("::ffff:192.0.2.1"), place("192.0.2.1"));
        assert_eq!(place("2001:db8::1"), place("2001:db8::ffff:1"));
        assert_ne!(place("2001:db8::1"), place("2001:db8:0:1::1"));
        assert_ne!(address_digest(None), account_digest("unknown"));
        let there = |name: &str, address: &str| {
            Subjects::new(name, Some(address.parse().unwrap())).account_there
        };
        assert_eq!(there("ada", "192.0.2.1"), there("Ada", "192.0.2.1"));
        assert_ne!(there("ada", "192.0.2.1"), there("ada", "192.0.2.2"));
        assert_ne!(there("ada", "192.0.2.1"), there("bob", "192.0.2.1"));
    }

    #[test]
    fn a_name_is_the_same_however_it_is_typed() {
        let account = |typed: &str| Subjects::new(typed, None).account;
        assert_eq!(account("Ada"), account(" ada "));
        assert_ne!(account("ada"), account("bob"));
        assert!(Subjects::new("no name", None).username.is_none());
    }
}
