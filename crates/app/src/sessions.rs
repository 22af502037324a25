//! Sessions of staff: who is signed in, and signing out. How one begins is `sign_in`'s.
//!
//! A token is 256 random bits, shown once; the database has its digest alone.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::role::Permission;
use domain::sign_in::SESSION_IDLE_MAX;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use store::admin_sessions::{self, Session};
use store::admin_users::StaffMember;
use store::sign_in_failures::Digest;
use store::{Authority, StoreError, Transaction};

use crate::App;

/// Use is noted to the minute: a busy session isn't a write for each of its requests.
const NOTED_EVERY: Duration = Duration::from_mins(1);
const TOKEN_BYTES: usize = 32;

/// A member of staff with a living session; only [`find`] and [`look`] make one.
#[derive(Clone, Debug)]
pub struct SignedIn {
    member: StaffMember,
    token_digest: Digest,
    expires_at: Timestamp,
}

impl SignedIn {
    pub fn member(&self) -> &StaffMember {
        &self.member
    }

    /// What they act by who do what needs this permission.
    pub fn authority(&self, permission: Option<Permission>) -> Authority {
        Authority {
            account: self.member.id,
            token_digest: self.token_digest,
            permission,
            expires_at: self.expires_at,
        }
    }
}

/// Who shows this token; `None` when its session has ended or never was.
pub async fn find(app: &App, token: &str) -> Result<Option<SignedIn>, StoreError> {
    find_by(app, token, true).await
}

/// The same where a page asks by itself: that keeps nobody signed in who has gone away.
pub async fn look(app: &App, token: &str) -> Result<Option<SignedIn>, StoreError> {
    find_by(app, token, false).await
}

async fn find_by(app: &App, token: &str, is_use: bool) -> Result<Option<SignedIn>, StoreError> {
    let Some(token_digest) = digest(token) else {
        return Ok(None);
    };
    let connection = app.writer().get().await?;
    let Some(session) = admin_sessions::find(&connection, &token_digest).await? else {
        return Ok(None);
    };
    let now = app.ctx().now();
    if !is_alive(&session, now) {
        return Ok(None);
    }
    let is_due = is_use && now >= session.last_used_at + NOTED_EVERY;
    // Reading goes on while nothing can be written.
    if is_due && app.writer().check_standby().is_ok() {
        admin_sessions::update_last_used(&connection, &token_digest, now).await?;
    }
    Ok(Some(SignedIn {
        member: session.member,
        token_digest,
        expires_at: session.expires_at,
    }))
}

/// Whether a session still lives and its role still may. It doesn't count as use: a page that asks by
/// itself keeps nobody signed in who has gone away.
pub async fn may_still(
    app: &App,
    signed_in: &SignedIn,
    permission: Permission,
) -> Result<bool, StoreError> {
    let connection = app.writer().get().await?;
    let session = admin_sessions::find(&connection, &signed_in.token_digest).await?;
    let now = app.ctx().now();
    Ok(session
        .is_some_and(|session| is_alive(&session, now) && session.member.role.may(permission)))
}

/// Ends this session and no other.
pub async fn sign_out(app: &App, signed_in: &SignedIn) -> Result<(), StoreError> {
    let connection = app.writer().get_to_write().await?;
    admin_sessions::revoke(&connection, &signed_in.token_digest, app.ctx().now()).await
}

/// Ends every session of the one who is signed in but this one.
pub(crate) async fn end_others(
    transaction: &Transaction,
    signed_in: &SignedIn,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (id, kept) = (signed_in.member.id, &signed_in.token_digest);
    admin_sessions::revoke_others(transaction, id, kept, now).await
}

/// A new token and what is kept of it.
pub(crate) fn new_token(app: &App) -> (String, Digest) {
    let token: [u8; TOKEN_BYTES] = app.ctx().random_bytes();
    (URL_SAFE_NO_PAD.encode(token), Sha256::digest(token).into())
}

pub(crate) fn digest(token: &str) -> Option<Digest> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    (bytes.len() == TOKEN_BYTES).then(|| Sha256::digest(bytes).into())
}

fn is_alive(session: &Session, now: Timestamp) -> bool {
    now < session.expires_at && now < session.last_used_at + SESSION_IDLE_MAX
}
