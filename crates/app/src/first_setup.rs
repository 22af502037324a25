//! The first superadmin, made by whoever reads the server's log: a token that is shown there once, and
//! counts for an hour, until it is used, until another server starts, or until there is a superadmin.
//!
//! Absent on purpose: the superadmin that the configuration names; that is `staff::create_first`.

use std::time::Duration;

use domain::role::Role;
use store::{Acting, StoreError, Transaction, admin_setup, admin_users};

use crate::sessions;
use crate::staff::{self, NewStaffMember, StaffError, StaffMember};
use crate::{App, task};

/// As long as somebody needs who has just started the server; afterwards the line in the log is worth
/// nothing.
const OPEN_FOR: Duration = Duration::from_hours(1);

/// Why nobody was made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("the token was used, is too old, or there is a superadmin")]
    Closed,
    #[error(transparent)]
    Staff(#[from] StaffError),
}

impl From<StoreError> for SetupError {
    fn from(error: StoreError) -> Self {
        Self::Staff(error.into())
    }
}

/// A new token, in the place of the one before; `None` when there is a superadmin.
pub async fn open(app: &App) -> Result<Option<String>, StoreError> {
    if staff::has_superadmin(app).await? {
        return Ok(None);
    }
    let (token, digest) = sessions::new_token(app);
    let connection = app.writer().get().await?;
    let now = app.ctx().now();
    admin_setup::upsert(&connection, &digest, (now, now + OPEN_FOR)).await?;
    Ok(Some(token))
}

/// Whether this token still makes a superadmin.
pub async fn is_open(app: &App, token: &str) -> Result<bool, StoreError> {
    let Some(digest) = sessions::digest(token) else {
        return Ok(false);
    };
    let connection = app.writer().get().await?;
    admin_setup::is_open(&connection, &digest, app.ctx().now()).await
}

/// Makes the first superadmin and spends the token. A token that doesn't count costs no bcrypt.
pub async fn create(
    app: &App,
    token: &str,
    new: NewStaffMember,
    by: Acting,
) -> Result<StaffMember, SetupError> {
    if !is_open(app, token).await? {
        return Err(SetupError::Closed);
    }
    let (app, token) = (app.clone(), token.to_owned());
    let new = NewStaffMember {
        role: Role::Superadmin,
        ..new
    };
    task::uninterrupted(async move {
        let hash = staff::hash_first(&app, &new).await?;
        let transaction = task::begin(&app, &by).await?;
        let made = create_in(&app, &transaction, &token, (&new, &hash)).await;
        task::end(transaction, made).await
    })
    .await
}

/// Of two with the same token the second one waits for its row and finds it gone.
async fn create_in(
    app: &App,
    transaction: &Transaction,
    token: &str,
    (new, hash): (&NewStaffMember, &str),
) -> Result<StaffMember, SetupError> {
    let digest = sessions::digest(token).ok_or(SetupError::Closed)?;
    let is_spent = admin_setup::delete(transaction, &digest, app.ctx().now()).await?;
    if !is_spent || admin_users::exist_superadmins(transaction).await? {
        return Err(SetupError::Closed);
    }
    Ok(staff::create_in(app, transaction, new, hash).await?)
}
