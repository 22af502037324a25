//! Signing staff in: name, password and, where it is on, a second factor give a session.
//!
//! INVARIANT: unknown, disabled and deleted accounts get the answer of a wrong password, after the
//! same work; guarded by `nobody_learns_which_accounts_exist`.

use std::time::Duration;

use domain::actor::Actor;
use domain::sign_in::SESSION_LIFETIME;
use jiff::Timestamp;
use store::admin_sessions::{self, NewSession};
use store::admin_users::{self, Credentials, StaffMember};
use store::{Acting, StoreError, Transaction};

use crate::passwords::{self, Crowded};
use crate::second_factor::{self, Verdict};
use crate::{App, sessions, task};

pub(crate) mod attempts;
pub(crate) mod proof;
pub(crate) mod told;
pub mod unlock;

use attempts::{Mark, Subjects};
use proof::{Checked, PasswordError};

/// What somebody typed to sign in.
#[derive(Clone)]
#[allow(
    missing_debug_implementations,
    reason = "a password has no place in a log"
)]
pub struct Attempt {
    pub username: String,
    pub password: String,
    /// A code of the second factor, or a recovery code.
    pub totp: Option<String>,
}

/// A session that has begun, with its token, which isn't shown again.
#[derive(Clone)]
#[allow(
    missing_debug_implementations,
    reason = "a token has no place in a log"
)]
pub struct Begun {
    pub token: String,
    pub expires_at: Timestamp,
    pub member: StaffMember,
}

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Nothing was looked at.
    #[error("too many failures; wait {wait:?}")]
    Locked { wait: Duration },
    /// Of name, password and code something is wrong; nobody is told what.
    #[error("the name, the password or the code is wrong")]
    Wrong,
    /// Name and password are right; a code is wanted as well.
    #[error("a second factor is wanted")]
    CodeMissing,
    #[error(transparent)]
    Crowded(#[from] Crowded),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<PasswordError> for SignInError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Locked { wait } => Self::Locked { wait },
            PasswordError::Wrong => Self::Wrong,
            PasswordError::Crowded(crowded) => Self::Crowded(crowded),
            PasswordError::Store(error) => Self::Store(error),
        }
    }
}

/// Begins a session for whoever has the right password.
pub async fn sign_in(app: &App, attempt: Attempt, by: Acting) -> Result<Begun, SignInError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let subjects = Subjects::new(&attempt.username, by.address);
        let outcome = try_to(&app, &attempt, &subjects, &by).await;
        metrics::counter!("stagedoor_staff_sign_ins_total", "outcome" => outcome_name(&outcome))
            .increment(1);
        told::tell(&app, &outcome, (&subjects, &by)).await;
        outcome
    })
    .await
}

async fn try_to(
    app: &App,
    attempt: &Attempt,
    subjects: &Subjects,
    by: &Acting,
) -> Result<Begun, SignInError> {
    let Checked {
        credentials,
        mark,
        turn,
    } = proof::check(app, subjects, &attempt.password, (None, by)).await?;
    let stronger = match domain::password::Password::parse(&attempt.password) {
        Ok(password) if passwords::is_weak(&credentials.password_hash) => {
            turn.hash(&password).await
        }
        _ => None,
    };
    drop(turn);
    // They have proved who they are, so what follows is theirs.
    let by = Acting {
        actor: Actor::Staff(credentials.id),
        ..by.clone()
    };
    let transaction = task::begin(app, &by).await?;
    let known = Known {
        credentials,
        mark,
        stronger,
    };
    match finish(app, &transaction, (attempt, subjects, &by), &known).await {
        // That a code is wanted takes the failure back.
        Err(SignInError::CodeMissing) => {
            transaction.commit().await?;
            Err(SignInError::CodeMissing)
        }
        outcome => task::end(transaction, outcome).await,
    }
}

/// An account whose password was right a moment ago.
struct Known {
    credentials: Credentials,
    mark: Box<Mark>,
    /// A new hash of the same password, where the kept one was made with too little work.
    stronger: Option<String>,
}

/// Looks again behind the account's lock, for it may have been disabled or given another password
/// meanwhile, which ends sessions that are there and must keep this one from beginning.
async fn finish(
    app: &App,
    transaction: &Transaction,
    (attempt, subjects, by): (&Attempt, &Subjects, &Acting),
    known: &Known,
) -> Result<Begun, SignInError> {
    let (id, now) = (known.credentials.id, app.ctx().now());
    let member = admin_users::lock(transaction, id).await?;
    let member = member.ok_or(SignInError::Wrong)?;
    if proof::find_credentials(transaction, subjects)
        .await?
        .as_ref()
        != Some(&known.credentials)
    {
        return Err(SignInError::Wrong);
    }
    match second_factor::check(app, transaction, id, attempt.totp.as_deref()).await? {
        Verdict::Passed => {}
        Verdict::Wrong => return Err(SignInError::Wrong),
        Verdict::Missing => {
            attempts::take_back(transaction, (subjects, &known.mark), now).await?;
            return Err(SignInError::CodeMissing);
        }
    }
    let (token, token_digest) = sessions::new_token(app);
    let expires_at = now + SESSION_LIFETIME;
    let session = NewSession {
        token_digest: &token_digest,
        admin_user_id: id,
        now,
        expires_at,
        address: by.address,
        address_digest: &subjects.address,
    };
    admin_sessions::insert(transaction, &session).await?;
    if let Some(hash) = &known.stronger {
        admin_users::update_password(transaction, id, hash, now).await?;
    }
    admin_users::update_last_login(transaction, id, now).await?;
    attempts::succeeded(transaction, (subjects, &known.mark), now).await?;
    Ok(Begun {
        token,
        expires_at,
        member: StaffMember {
            last_login: Some(now),
            ..member
        },
    })
}

/// Every outcome that is counted.
pub const OUTCOMES: [&str; 6] = [
    "signed_in",
    "wrong",
    "code_missing",
    "locked",
    "crowded",
    "failed",
];

fn outcome_name(outcome: &Result<Begun, SignInError>) -> &'static str {
    match outcome {
        Ok(_) => "signed_in",
        Err(SignInError::Locked { .. }) => "locked",
        Err(SignInError::Wrong) => "wrong",
        Err(SignInError::CodeMissing) => "code_missing",
        Err(SignInError::Crowded(_)) => "crowded",
        Err(SignInError::Store(_)) => "failed",
    }
}
