//! Staff accounts: made, changed, disabled, deleted. Whoever calls has made sure that they may.
//!
//! INVARIANT: there is always an active superadmin once there was one; guarded by
//! `two_superadmins_who_disable_each_other_leave_one`.

use domain::actor::Actor;
use domain::id::AdminUserId;
use domain::password::Password;
use domain::role::Role;
use domain::text::{EmailAddress, Username};
use jiff::Timestamp;
pub use store::admin_users::StaffMember;
use store::admin_users::{self, NewAdminUser};
use store::{Acting, StoreError, Transaction, admin_sessions, admin_totp};

use crate::passwords::{Comer, Crowded};
use crate::sign_in::attempts;
pub use crate::strength::Guessable;
use crate::{App, strength, task};

/// Why an account wasn't made or changed.
#[derive(Debug, thiserror::Error)]
pub enum StaffError {
    #[error("there is no such account")]
    NotFound,
    /// Names of deleted accounts stay taken: the audit log speaks of them.
    #[error("another account has this name, maybe a deleted one")]
    NameTaken,
    #[error("another account has this e-mail address, maybe a deleted one")]
    EmailTaken,
    #[error("this is the last active superadmin, without whom nobody could make accounts")]
    LastSuperadmin,
    /// One's own password is `own_password`'s, which asks for the current one.
    #[error("one's own password isn't changed here")]
    OwnPassword,
    /// One's own second factor is `second_factor`'s, which asks for the password.
    #[error("one's own second factor isn't taken away here")]
    OwnTotp,
    #[error(transparent)]
    Guessable(#[from] Guessable),
    #[error("the password could not be hashed")]
    Hash,
    #[error(transparent)]
    Crowded(#[from] Crowded),
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for StaffError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Constraint { name } if name == "admin_users_username_key" => {
                Self::NameTaken
            }
            StoreError::Constraint { name } if name == "admin_users_email_key" => Self::EmailTaken,
            error => Self::Store(error),
        }
    }
}

/// An account to be made.
#[derive(Clone, Debug)]
pub struct NewStaffMember {
    pub username: Username,
    pub email: EmailAddress,
    pub role: Role,
    pub password: Password,
}

/// What shall be otherwise; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub email: Option<EmailAddress>,
    pub role: Option<Role>,
    pub is_active: Option<bool>,
    pub password: Option<Password>,
    /// Takes the second factor away, for who has lost it and the recovery codes.
    pub forget_totp: bool,
}

/// Up to `limit` accounts by number, above `after`; deleted ones aren't shown.
pub async fn list(app: &App, after: i32, limit: i64) -> Result<Vec<StaffMember>, StoreError> {
    let connection = app.writer().get().await?;
    admin_users::list(&connection, after, limit).await
}

pub async fn find_by_username(
    app: &App,
    username: &Username,
) -> Result<Option<StaffMember>, StoreError> {
    let connection = app.writer().get().await?;
    admin_users::find_by_username(&connection, username).await
}

/// Whether there is anybody who can make accounts.
pub async fn has_superadmin(app: &App) -> Result<bool, StoreError> {
    let connection = app.writer().get().await?;
    admin_users::exist_superadmins(&connection).await
}

/// Makes an account.
pub async fn create(app: &App, new: NewStaffMember, by: Acting) -> Result<StaffMember, StaffError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let password_hash = hash_first(&app, &new).await?;
        let transaction = task::begin(&app, &by).await?;
        let made = create_in(&app, &transaction, &new, &password_hash).await;
        task::end(transaction, made).await
    })
    .await
}

pub(crate) async fn create_in(
    app: &App,
    transaction: &Transaction,
    new: &NewStaffMember,
    password_hash: &str,
) -> Result<StaffMember, StaffError> {
    let row = NewAdminUser {
        username: &new.username,
        email: &new.email,
        role: new.role,
        password_hash,
    };
    let id = admin_users::insert(transaction, &row, app.ctx().now()).await?;
    let made = admin_users::find(transaction, id).await?;
    made.ok_or(StaffError::NotFound)
}

/// Makes a superadmin while there is none; `None` when there is one.
pub async fn create_first(
    app: &App,
    new: NewStaffMember,
    by: Acting,
) -> Result<Option<StaffMember>, StaffError> {
    if has_superadmin(app).await? {
        return Ok(None);
    }
    let new = NewStaffMember {
        role: Role::Superadmin,
        ..new
    };
    match create(app, new, by).await {
        // Another process did it in the same moment.
        Err(StaffError::NameTaken | StaffError::EmailTaken) if has_superadmin(app).await? => {
            Ok(None)
        }
        created => created.map(Some),
    }
}

/// Changes an account. Where that takes rights away or changes what it signs in with, all of its
/// sessions end. Whoever is signed in can't give themselves a new password this way, or a session
/// that was left open would be enough for it; whoever has the server's command line can.
pub async fn change(
    app: &App,
    id: AdminUserId,
    change: Change,
    by: Acting,
) -> Result<StaffMember, StaffError> {
    if by.actor == Actor::Staff(id) && change.password.is_some() {
        return Err(StaffError::OwnPassword);
    }
    // A session that was left open would be enough for it.
    if by.actor == Actor::Staff(id) && change.forget_totp {
        return Err(StaffError::OwnTotp);
    }
    let app = app.clone();
    task::uninterrupted(async move {
        let new_hash = match &change.password {
            Some(password) => Some(hash_new(&app, id, password).await?),
            None => None,
        };
        let transaction = task::begin_unconfirmed(&app, &by).await?;
        let change = (&change, new_hash.as_deref());
        let changed = change_in(&app, &transaction, (id, &by), change).await;
        task::end(transaction, changed).await
    })
    .await
}

async fn change_in(
    app: &App,
    transaction: &Transaction,
    (id, by): (AdminUserId, &Acting),
    (change, new_hash): (&Change, Option<&str>),
) -> Result<StaffMember, StaffError> {
    let now = app.ctx().now();
    let (before, superadmins) = lock(transaction, id, by).await?;
    let email = change.email.as_ref();
    let after = StaffMember {
        email: email.map_or_else(|| before.email.clone(), |email| email.as_str().to_owned()),
        role: change.role.unwrap_or(before.role),
        is_active: change.is_active.unwrap_or(before.is_active),
        ..before.clone()
    };
    let stays_superadmin = after.role == Role::Superadmin && after.is_active;
    if superadmins == [id] && !stays_superadmin {
        return Err(StaffError::LastSuperadmin);
    }
    let ends_sessions =
        after.role != before.role || !after.is_active || new_hash.is_some() || change.forget_totp;
    if ends_sessions {
        // First of all: a request in one of them may be about to write to the audit log, which
        // refers to the account.
        admin_sessions::revoke_all(transaction, id, now).await?;
    }
    let mut is_changed = after != before;
    if is_changed {
        admin_users::update(transaction, &after, now).await?;
    }
    if let Some(hash) = new_hash {
        set_password(transaction, &after, hash, now).await?;
        is_changed = true;
    }
    if change.forget_totp {
        admin_totp::delete(transaction, id).await?;
    }
    let updated_at = if is_changed { now } else { before.updated_at };
    Ok(StaffMember {
        has_totp: before.has_totp && !change.forget_totp,
        updated_at,
        ..after
    })
}

/// A new password lets its owner in at once from wherever nobody is guessing at other accounts.
async fn set_password(
    transaction: &Transaction,
    member: &StaffMember,
    hash: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    admin_users::update_password(transaction, member.id, hash, now).await?;
    attempts::forget(transaction, &member.username, (Some(member.id), now)).await?;
    Ok(())
}

/// Deletes an account softly: its sessions end, its name stays taken.
pub async fn delete(app: &App, id: AdminUserId, by: Acting) -> Result<(), StaffError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = task::begin_unconfirmed(&app, &by).await?;
        let deleted = delete_in(&app, &transaction, id, &by).await;
        task::end(transaction, deleted).await
    })
    .await
}

async fn delete_in(
    app: &App,
    transaction: &Transaction,
    id: AdminUserId,
    by: &Acting,
) -> Result<(), StaffError> {
    let now = app.ctx().now();
    let (_, superadmins) = lock(transaction, id, by).await?;
    if superadmins == [id] {
        return Err(StaffError::LastSuperadmin);
    }
    admin_sessions::revoke_all(transaction, id, now).await?;
    admin_users::delete(transaction, id, now).await?;
    admin_totp::delete(transaction, id).await?;
    Ok(())
}

/// Ends every session of an account; of one's own all but the one in which that is asked for.
pub async fn end_sessions(app: &App, id: AdminUserId, by: Acting) -> Result<(), StaffError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = task::begin_unconfirmed(&app, &by).await?;
        let ended = end_sessions_in(&app, &transaction, id, &by).await;
        task::end(transaction, ended).await
    })
    .await
}

async fn end_sessions_in(
    app: &App,
    transaction: &Transaction,
    id: AdminUserId,
    by: &Acting,
) -> Result<(), StaffError> {
    let now = app.ctx().now();
    lock(transaction, id, by).await?;
    match by.authority.filter(|authority| authority.account == id) {
        Some(own) => {
            admin_sessions::revoke_others(transaction, id, &own.token_digest, now).await?;
        }
        None => admin_sessions::revoke_all(transaction, id, now).await?,
    }
    Ok(())
}

/// An account and all active superadmins, locked. Superadmins come first, in the same order for
/// everybody, so that two who would take each other away wait for each other: the second finds
/// itself alone. Behind them, whether whoever changes something still may.
async fn lock(
    transaction: &Transaction,
    id: AdminUserId,
    by: &Acting,
) -> Result<(StaffMember, Vec<AdminUserId>), StaffError> {
    let superadmins = admin_users::lock_superadmins(transaction).await?;
    let member = admin_users::lock(transaction, id).await?;
    by.confirm(transaction).await?;
    Ok((member.ok_or(StaffError::NotFound)?, superadmins))
}

/// The hash of a password for an account that is being made.
pub(crate) async fn hash_first(app: &App, new: &NewStaffMember) -> Result<String, StaffError> {
    let (username, email) = (new.username.as_str(), new.email.as_str());
    strength::check(&new.password, username, email).await?;
    hash(app, &new.password).await
}

/// The hash of another password for an account.
async fn hash_new(app: &App, id: AdminUserId, password: &Password) -> Result<String, StaffError> {
    let connection = app.writer().get().await?;
    let member = admin_users::find(&connection, id).await?;
    drop(connection);
    let member = member.ok_or(StaffError::NotFound)?;
    strength::check(password, &member.username, &member.email).await?;
    hash(app, password).await
}

/// Whoever gives a password to an account has shown that they may.
async fn hash(app: &App, password: &Password) -> Result<String, StaffError> {
    let turn = app.passwords().enter(Comer::Known).await?;
    turn.hash(password).await.ok_or(StaffError::Hash)
}
