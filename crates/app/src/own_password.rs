//! Staff change their own password: the current one is asked for, other sessions end.
//!
//! Absent on purpose: giving somebody else a new password, which is `staff`'s.

use domain::password::Password;
use store::{Acting, StoreError, Transaction, admin_users};

use crate::sessions::{self, SignedIn};
pub use crate::sign_in::proof::PasswordError;
use crate::sign_in::proof::{self, Proof};
use crate::strength::{self, Guessable};
use crate::{App, task};

/// Why a password stayed as it was.
#[derive(Debug, thiserror::Error)]
pub enum OwnPasswordError {
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error("the new password is the current one")]
    Same,
    #[error(transparent)]
    Guessable(#[from] Guessable),
    #[error("the password could not be hashed")]
    Hash,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Puts a new password in the place of the current one.
pub async fn change(
    app: &App,
    who: &SignedIn,
    (current, new): (String, Password),
    by: Acting,
) -> Result<(), OwnPasswordError> {
    // Before the current one is looked at, so that what is refused here is no failure.
    if new.reveal() == current {
        return Err(OwnPasswordError::Same);
    }
    strength::check(&new, &who.member().username, &who.member().email).await?;
    let (app, who) = (app.clone(), who.clone());
    task::uninterrupted(async move {
        let (proof, turn) = proof::ask(&app, who.member(), &current, &by).await?;
        let hash = turn.hash(&new).await.ok_or(OwnPasswordError::Hash)?;
        drop(turn);
        let transaction = task::begin_unconfirmed(&app, &by).await?;
        let changed = change_in(&app, &transaction, (&who, &by), (&proof, &hash)).await;
        task::end(transaction, changed).await
    })
    .await
}

async fn change_in(
    app: &App,
    transaction: &Transaction,
    (who, by): (&SignedIn, &Acting),
    (proof, hash): (&Proof, &str),
) -> Result<(), OwnPasswordError> {
    proof.hold(transaction, by).await?;
    let (id, now) = (who.member().id, app.ctx().now());
    sessions::end_others(transaction, who, now).await?;
    admin_users::update_password(transaction, id, hash, now).await?;
    proof.forget_failures(transaction, now).await?;
    Ok(())
}
