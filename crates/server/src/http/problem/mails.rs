//! What goes wrong with mails, as problems.

use app::mails::{ResendError, RetryError};

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
