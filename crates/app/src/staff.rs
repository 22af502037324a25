//! Staff accounts: so far only making the first superadmin.

use domain::id::AdminUserId;
use domain::role::Role;
use domain::text::{EmailAddress, Line};
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
    username: &Line,
    email: &EmailAddress,
    role: Role,
    password: String,
) -> Result<AdminUserId, CreateError> {
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(CreateError::PasswordTooLong);
    }
    let hashing = tokio::task::spawn_blocking(move || bcrypt::hash(password, BCRYPT_COST));
    let password_hash = match hashing.await {
        Ok(hash) => hash?,
        Err(failure) => std::panic::resume_unwind(failure.into_panic()),
    };
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
    (username, email): (&Line, &EmailAddress),
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
