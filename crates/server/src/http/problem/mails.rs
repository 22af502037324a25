//! What goes wrong with mails, as problems.

use std::time::Duration;

use app::mails::{OwnResendError, ResendError, RetryError};

use super::{Code, Problem};

impl From<RetryError> for Problem {
    fn from(error: RetryError) -> Self {
        match error {
            RetryError::NotFound => Self::not_found(),
            RetryError::NotDead(status) => Self::new(
                Code::InvalidState,
                format!("The mail is {status}; only one that was given up is tried again."),
            ),
            RetryError::Store(error) => error.into(),
        }
    }
}

impl From<ResendError> for Problem {
    fn from(error: ResendError) -> Self {
        match error {
            ResendError::NotFound => Self::not_found(),
            ResendError::NothingToTell => Self::new(
                Code::InvalidState,
                "The reservation is held, or its hold ran out: no mail tells of that.",
            ),
            ResendError::Store(error) => error.into(),
        }
    }
}

impl From<OwnResendError> for Problem {
    fn from(error: OwnResendError) -> Self {
        match error {
            OwnResendError::NotFound => Self::not_found(),
            OwnResendError::NotConfirmed => Self::new(
                Code::InvalidState,
                "The reservation isn't confirmed: there are no tickets to send.",
            ),
            OwnResendError::TooSoon { wait } | OwnResendError::TooOften { wait } => Self {
                // Rounded up: whoever comes back then is served.
                retry_after: Some(Duration::from_secs(wait.as_secs() + 1)),
                ..Self::new(
                    Code::RateLimited,
                    "A mail left lately. Try again after the time given.",
                )
            },
            OwnResendError::Store(error) => error.into(),
        }
    }
}
