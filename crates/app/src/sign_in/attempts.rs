//! Who may try to sign in now: failures are counted for the name and for the address.
//!
//! An attempt is counted as failed before its password is looked at, and taken back when it wasn't:
//! so a thousand at once find the door as shut as a thousand in a row.

use std::net::IpAddr;
use std::time::Duration;

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
}

impl Subjects {
    pub(super) fn new(typed: &str, address: Option<IpAddr>) -> Self {
        let username = Username::parse(typed).ok();
        let name = username.as_ref().map_or(typed, Username::as_str);
        Self {
            account: account_digest(name),
            address: address_digest(address),
            username,
        }
    }

    fn both(&self) -> [&Digest; 2] {
        [&self.account, &self.address]
    }
}

/// What failures of a name are counted under; a digest, for people type passwords there.
pub(crate) fn account_digest(name: &str) -> Digest {
    Sha256::digest(["account ", name].concat()).into()
}

/// What failures from an address are counted under. Of IPv6 a network of 64 bits is one place: who
/// has one address of it has all.
fn address_digest(address: Option<IpAddr>) -> Digest {
    let place = match address {
        None => "unknown".to_owned(),
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => format!("{:x?}", &address.segments()[..4]),
    };
    Sha256::digest(["address ", &place].concat()).into()
}

/// How long this attempt must wait; `None` when it may go on. Changes nothing, so that attempts
/// that are locked out cost little.
pub(super) async fn wait(app: &App, subjects: &Subjects) -> Result<Option<Duration>, StoreError> {
    let connection = app.writer().get().await?;
    let failures = stored::find(&connection, subjects.both()).await?;
    wait_of(app, &connection, subjects, failures).await
}

/// Counts the attempt as failed, unless it must wait.
pub(super) async fn begin(
    app: &App,
    subjects: &Subjects,
    by: &Acting,
) -> Result<Option<Duration>, StoreError> {
    let now = app.ctx().now();
    let transaction = task::begin(app, by).await?;
    let failures = stored::lock(&transaction, subjects.both(), now).await?;
    let wait = wait_of(app, &transaction, subjects, failures).await?;
    if wait.is_some() {
        transaction.rollback().await;
        return Ok(wait);
    }
    let [account, address] = failures;
    let account = account.and_one(Counted::Account, now);
    let address = address.and_one(Counted::Address, now);
    write(&transaction, subjects, [account, address], now).await?;
    transaction.commit().await?;
    Ok(None)
}

/// The attempt has signed somebody in: their name is clean again, and the address as it was.
pub(super) async fn succeeded(
    transaction: &Transaction,
    subjects: &Subjects,
    now: Timestamp,
) -> Result<(), StoreError> {
    let [_, address] = stored::lock(transaction, subjects.both(), now).await?;
    let clean = Failures {
        last_failed_at: Some(now),
        ..Failures::default()
    };
    write(transaction, subjects, [clean, address.less_one()], now).await
}

/// The attempt was none: its password was right, and something is still wanted.
pub(super) async fn take_back(
    transaction: &Transaction,
    subjects: &Subjects,
    now: Timestamp,
) -> Result<(), StoreError> {
    let failures = stored::lock(transaction, subjects.both(), now).await?;
    write(transaction, subjects, failures.map(Failures::less_one), now).await
}

async fn write(
    transaction: &Transaction,
    subjects: &Subjects,
    [account, address]: [Failures; 2],
    now: Timestamp,
) -> Result<(), StoreError> {
    stored::upsert(transaction, &subjects.account, account, now).await?;
    stored::upsert(transaction, &subjects.address, address, now).await
}

/// The longer wait of both. A lock on the account doesn't hold where its owner signed in lately, or
/// anybody could shut out anybody: there only the address' own failures count.
async fn wait_of(
    app: &App,
    connection: &Connection,
    subjects: &Subjects,
    [account, address]: [Failures; 2],
) -> Result<Option<Duration>, StoreError> {
    let now = app.ctx().now();
    let of_account = match (account.wait(now), &subjects.username) {
        (Some(wait), Some(username)) => {
            let since = now - ADDRESS_KNOWN_FOR;
            let place = &subjects.address;
            let is_known =
                admin_sessions::is_address_known(connection, username, place, since).await?;
            (!is_known).then_some(wait)
        }
        (wait, _) => wait,
    };
    Ok(of_account.max(address.wait(now)))
}

/// Deletes failures and sessions that count no more, up to `limit` of each; returns how many.
pub(crate) async fn forget_old(
    app: &App,
    transaction: &Transaction,
    limit: i64,
) -> Result<u64, StoreError> {
    let now = app.ctx().now();
    let failures = stored::delete_old(transaction, now - FAILURES_KEPT_FOR, limit).await?;
    // Long ended: a session lives for hours.
    let sessions = admin_sessions::delete_old(transaction, now - ADDRESS_KNOWN_FOR, limit).await?;
    Ok(failures + sessions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_address_or_a_network_of_ipv6() {
        let place = |text: &str| address_digest(Some(text.parse().unwrap()));
        assert_ne!(place("192.0.2.1"), place("192.0.2.2"));
        assert_eq!(place("2001:db8::1"), place("2001:db8::ffff:1"));
        assert_ne!(place("2001:db8::1"), place("2001:db8:0:1::1"));
        assert_ne!(address_digest(None), account_digest("unknown"));
    }

    #[test]
    fn a_name_is_the_same_however_it_is_typed() {
        let account = |typed: &str| Subjects::new(typed, None).account;
        assert_eq!(account("Ada"), account(" ada "));
        assert_ne!(account("ada"), account("bob"));
        assert!(Subjects::new("no name", None).username.is_none());
    }
}
