//! Whether somebody knows the password of an account: at sign-in, and once more before they change what
//! they sign in with, for which a session that somebody left open isn't enough.
//!
//! Absent on purpose: second factors, and what follows from a right password.

use std::time::Duration;

use domain::sign_in::ADDRESS_KNOWN_FOR;
use jiff::Timestamp;
use store::admin_users::{self, Credentials, StaffMember};
use store::{Acting, Connection, StoreError, Transaction, admin_sessions};

use super::attempts::{self, Mark, Subjects, Turnout};
use crate::App;
use crate::passwords::{Comer, Crowded, Turn};

/// Why a password wasn't taken.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// It wasn't looked at.
    #[error("too many failures; wait {wait:?}")]
    Locked { wait: Duration },
    #[error("the password is wrong")]
    Wrong,
    #[error(transparent)]
    Crowded(#[from] Crowded),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A right password: whose, what the attempt was counted as until it is taken back, and the turn that
/// looked at it.
pub(super) struct Checked {
    pub(super) credentials: Credentials,
    pub(super) mark: Box<Mark>,
    pub(super) turn: Turn,
}

/// Counts the attempt as failed, and looks at the password when it needn't wait. Whoever takes the
/// attempt back must do so in a transaction of their own.
pub(super) async fn check(
    app: &App,
    subjects: &Subjects,
    password: &str,
    (comer, by): (Option<Comer>, &Acting),
) -> Result<Checked, PasswordError> {
    // Attempts that are locked out change nothing, so that they cost little.
    let connection = app.writer().get().await?;
    if let Some(wait) = attempts::wait(app, &connection, subjects).await? {
        return Err(PasswordError::Locked { wait });
    }
    let comer = match comer {
        Some(comer) => comer,
        None => comer_of(app, &connection, subjects).await?,
    };
    drop(connection);
    let turn = app.passwords().enter(comer).await?;
    let mark = match attempts::begin(app, subjects, by).await? {
        Turnout::MayTry(mark) => mark,
        Turnout::MustWait(wait) => return Err(PasswordError::Locked { wait }),
    };
    let connection = app.writer().get().await?;
    let credentials = find_credentials(&connection, subjects).await?;
    drop(connection);
    let hash = credentials
        .as_ref()
        .map(|known| known.password_hash.clone());
    let is_right = turn.check(password.to_owned(), hash).await;
    let credentials = credentials.filter(|known| is_right && known.may_sign_in);
    Ok(Checked {
        credentials: credentials.ok_or(PasswordError::Wrong)?,
        mark,
        turn,
    })
}

/// Who comes: a flood of strangers mustn't take the last places from those who work here.
async fn comer_of(
    app: &App,
    connection: &Connection,
    subjects: &Subjects,
) -> Result<Comer, StoreError> {
    let Some(username) = &subjects.username else {
        return Ok(Comer::Stranger);
    };
    let (place, since) = (&subjects.address, app.ctx().now() - ADDRESS_KNOWN_FOR);
    let is_known = admin_sessions::is_address_known(connection, username, place, since).await?;
    Ok(if is_known {
        Comer::Known
    } else {
        Comer::Stranger
    })
}

pub(super) async fn find_credentials(
    connection: &Connection,
    subjects: &Subjects,
) -> Result<Option<Credentials>, StoreError> {
    match &subjects.username {
        Some(username) => admin_users::find_credentials(connection, username).await,
        None => Ok(None),
    }
}

/// Somebody who is signed in has shown their password again.
pub(crate) struct Proof {
    subjects: Subjects,
    mark: Box<Mark>,
    credentials: Credentials,
}

/// Looks at the password that somebody who is signed in has typed again. Wrong ones count as those of
/// a sign-in do, or a stolen session could guess without end. A new password may be hashed in the
/// same turn.
pub(crate) async fn ask(
    app: &App,
    member: &StaffMember,
    password: &str,
    by: &Acting,
) -> Result<(Proof, Turn), PasswordError> {
    let subjects = Subjects::new(&member.username, by.address);
    let checked = check(app, &subjects, password, (Some(Comer::Known), by)).await?;
    let proof = Proof {
        subjects,
        mark: checked.mark,
        credentials: checked.credentials,
    };
    Ok((proof, checked.turn))
}

impl Proof {
    /// Locks the account and makes sure that the proof still holds: it may have been disabled, have
    /// got another password or lost the session meanwhile. That the attempt was no failure is said
    /// behind it, and behind the end of sessions.
    pub(crate) async fn hold(
        &self,
        transaction: &Transaction,
        by: &Acting,
    ) -> Result<(), PasswordError> {
        admin_users::lock(transaction, self.credentials.id).await?;
        by.confirm(transaction).await?;
        let current = find_credentials(transaction, &self.subjects).await?;
        if current.as_ref() != Some(&self.credentials) {
            return Err(PasswordError::Wrong);
        }
        Ok(())
    }

    /// The attempt was no failure.
    pub(crate) async fn take_back(
        &self,
        transaction: &Transaction,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        attempts::take_back(transaction, (&self.subjects, &self.mark), now).await
    }

    /// The same, and the account has a new password, so that older failures count no more.
    pub(crate) async fn forget_failures(
        &self,
        transaction: &Transaction,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let whose = (self.credentials.id, now);
        attempts::take_back_and_forget(transaction, (&self.subjects, &self.mark), whose).await
    }
}
