//! What goes wrong with payments and the tickets that they buy, as problems.

use app::payments::{BeginError, RefundError};
use app::tickets::{CheckError, IssueError};
use domain::ticket::AdmissionRefusal;

use super::{Code, Problem};

impl From<BeginError> for Problem {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::NotFound => Self::not_found(),
            BeginError::Transition(error) => error.into(),
            BeginError::NoProvider => Self::internal(),
            BeginError::Store(error) => error.into(),
        }
    }
}

impl From<RefundError> for Problem {
    fn from(error: RefundError) -> Self {
        match error {
            RefundError::NotFound => Self::not_found(),
            RefundError::NothingPaid => Self::new(
                Code::InvalidState,
                "Nothing was paid for this reservation that could go back.",
            ),
            RefundError::Store(error) => error.into(),
        }
    }
}

impl From<IssueError> for Problem {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::NotFound => Self::not_found(),
            IssueError::Transition(error) => error.into(),
            IssueError::Store(error) => error.into(),
        }
    }
}

impl From<CheckError> for Problem {
    fn from(error: CheckError) -> Self {
        let refused = |reason, detail: String| Self {
            reason: Some(reason),
            ..Self::new(Code::InvalidState, detail)
        };
        match error {
            CheckError::Forged => refused(
                "forged",
                "This is no ticket of ours. Let nobody in by it.".to_owned(),
            ),
            CheckError::Refused(AdmissionRefusal::Used { used_at }) => {
                let at = used_at.map_or_else(String::new, |at| format!(" at {at}"));
                refused("used", format!("Somebody came in by this ticket{at}."))
            }
            CheckError::Refused(AdmissionRefusal::Cancelled) => refused(
                "cancelled",
                "The reservation of this ticket was cancelled.".to_owned(),
            ),
            CheckError::Refused(AdmissionRefusal::OtherConcert { concert_id }) => refused(
                "other_concert",
                format!("This ticket is for the concert {concert_id}."),
            ),
            CheckError::Store(error) => error.into(),
        }
    }
}
