//! Staff accounts: so far only making the first superadmin.

use domain::id::AdminUserId;
use domain::role::Role;
use domain::text::{EmailAddress, Username};
use store::StoreError;
use store::admin_users::{self, NewAdminUser};

use crate::App;

/// bcrypt's work factor: about a quarter of a second on one core of 2026.
const BCRYPT_COST: u32 = 12;
/// bcrypt reads no further; a longer password would be cut silently.
const PASSWORD_BYTES_MAX: usize = 72;

#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    #[error("the password is longer than 72 bytes, more than bcrypt reads; choose a shorter one")]
    PasswordTooLong,
    #[error("the password could not be hashed")]
    Hash(#[from] bcrypt::BcryptError),
    #[error("an account with this name or e-mail address exists")]
    Exists,
    #[error(transparent)]
    Store(StoreError),
}

/// Makes an account; `app`'s database login must be the owner's until staff can sign in.
pub async fn create(
    app: &App,
    username: &Username,
    email: &EmailAddress,
    role: Role,
    password: String,
) -> Result<AdminUserId, CreateError> {
    let password_hash = hash(password).await?;
    let connection = app.writer().get().await.map_err(CreateError::Store)?;
    let new = NewAdminUser {
        username,
        email,
        role,
        password_hash: &password_hash,
    };
    admin_users::insert(&connection, &new, app.ctx().now())
        .await
        .map_err(|error| match error {
            StoreError::Constraint { name } if name.ends_with("_key") => CreateError::Exists,
            error => CreateError::Store(error),
        })
}

/// Makes an account while there is none at all; `None` when there is one.
pub async fn create_first(
    app: &App,
    (username, email): (&Username, &EmailAddress),
    role: Role,
    password: &str,
) -> Result<Option<AdminUserId>, CreateError> {
    let connection = app.writer().get().await.map_err(CreateError::Store)?;
    let is_empty = admin_users::is_empty(&connection)
        .await
        .map_err(CreateError::Store)?;
    drop(connection);
    if !is_empty {
        return Ok(None);
    }
    create(app, username, email, role, password.to_owned())
        .await
        .map(Some)
}

/// Gives an account another password; `false` when there is no such account.
pub async fn set_password(
    app: &App,
    username: &Username,
    password: &str,
) -> Result<bool, CreateError> {
    let password_hash = hash(password.to_owned()).await?;
    let connection = app.writer().get().await.map_err(CreateError::Store)?;
    admin_users::set_password(&connection, username, &password_hash, app.ctx().now())
        .await
        .map_err(CreateError::Store)
}

/// bcrypt, away from the threads that answer requests.
async fn hash(password: String) -> Result<String, CreateError> {
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(CreateError::PasswordTooLong);
    }
    match tokio::task::spawn_blocking(move || bcrypt::hash(password, BCRYPT_COST)).await {
        Ok(hash) => Ok(hash?),
        Err(failure) => std::panic::resume_unwind(failure.into_panic()),
    }
}
