//! What goes wrong with accounts of staff, as problems.

use std::time::Duration;

use app::own_password::{OwnPasswordError, PasswordError};
use app::second_factor::EnrolError;
use app::sign_in::SignInError;
use app::staff::StaffError;

use super::super::fields::FieldReason;
use super::{Code, Problem};

impl Problem {
    /// Too many passwords were wrong.
    fn locked_out(wait: Duration) -> Self {
        let detail = "Too many sign-ins failed. Try again after the time given.";
        Self {
            // Rounded up: whoever comes back then is let in.
            retry_after: Some(whole_seconds(wait)),
            ..Self::new(Code::RateLimited, detail)
        }
    }

    /// Somebody who is signed in typed their password again, in this field.
    fn wrong_password(error: PasswordError, field: &str) -> Self {
        match error {
            PasswordError::Locked { wait } => Self::locked_out(wait),
            PasswordError::Wrong => Self::must_be(field, "the password that you signed in with"),
            PasswordError::Crowded(_) => Self::overloaded(),
            PasswordError::Store(error) => error.into(),
        }
    }
}

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Locked { wait } => Self::locked_out(wait),
            SignInError::Wrong => Self::new(
                Code::Unauthenticated,
                "The name, the password or the code is wrong, or the account is disabled.",
            ),
            SignInError::CodeMissing => Self {
                code: Code::Unauthenticated,
                detail: "This account has a second factor. Send its code as `totp`.".to_owned(),
                ..Self::wrong_field("totp", FieldReason::Required)
            },
            SignInError::Crowded(_) => Self::overloaded(),
            SignInError::Store(error) => error.into(),
        }
    }
}

/// A wait in whole seconds, rounded up, as `Retry-After` has it.
fn whole_seconds(wait: Duration) -> Duration {
    let begun = u64::from(wait.subsec_nanos() > 0);
    Duration::from_secs(wait.as_secs() + begun)
}

impl From<StaffError> for Problem {
    fn from(error: StaffError) -> Self {
        match error {
            StaffError::NotFound => Self::new(Code::NotFound, "There is no such account."),
            StaffError::NameTaken => Self::wrong_field("username", FieldReason::Taken),
            StaffError::EmailTaken => Self::wrong_field("email", FieldReason::Taken),
            StaffError::LastSuperadmin => Self::new(
                Code::InvalidState,
                "This is the last active superadmin, without whom nobody could make accounts. \
                 Make another one first.",
            ),
            StaffError::OwnPassword => Self::must_be(
                "password",
                "changed with `POST /api/v1/admin/password`, which asks for the current one",
            ),
            StaffError::Guessable(_) => Self::wrong_field("password", FieldReason::Guessable),
            StaffError::OwnTotp => Self::must_be(
                "totp",
                "left out for your own account: `DELETE /api/v1/admin/totp` turns it \
                             off, and asks for your password",
            ),
            StaffError::Hash => Self::internal(),
            StaffError::Crowded(_) => Self::overloaded(),
            StaffError::Store(error) => error.into(),
        }
    }
}

impl From<OwnPasswordError> for Problem {
    fn from(error: OwnPasswordError) -> Self {
        match error {
            OwnPasswordError::Password(error) => Self::wrong_password(error, "current_password"),
            OwnPasswordError::Same => Self::must_be("new_password", "another than the current one"),
            OwnPasswordError::Guessable(_) => {
                Self::wrong_field("new_password", FieldReason::Guessable)
            }
            OwnPasswordError::Hash => Self::internal(),
            OwnPasswordError::Store(error) => error.into(),
        }
    }
}

impl From<EnrolError> for Problem {
    fn from(error: EnrolError) -> Self {
        match error {
            EnrolError::NoLastingKey => Self::new(
                Code::InvalidState,
                "This server has no secret key of its own, so a second factor would be lost with \
                 its next start and shut you out. Let its operator set STAGEDOOR_SECRET_KEY first.",
            ),
            EnrolError::Password(error) => Self::wrong_password(error, "password"),
            EnrolError::AlreadyOn => Self::new(
                Code::InvalidState,
                "This account has a second factor. Turn it off first, with your password and \
                 `DELETE /api/v1/admin/totp`.",
            ),
            EnrolError::NotBegun => Self::new(
                Code::InvalidState,
                "There is no second factor to confirm: none was begun in the last ten minutes. \
                 Begin with `POST /api/v1/admin/totp`.",
            ),
            EnrolError::WrongCode => {
                Self::must_be("totp", "the code that the authenticator shows now")
            }
            EnrolError::Store(error) => error.into(),
        }
    }
}
