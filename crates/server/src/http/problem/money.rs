//! What goes wrong with payments and the tickets that they buy, as problems.

use app::payments::{BeginError, RefundError, SettleError};
use app::tickets::{CheckError, IssueError};
use domain::ticket::AdmissionRefusal;

use super::{Code, Problem};

impl From<BeginError> for Problem {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::NotFound => Self::not_found(),
            BeginError::Transition(error) => error.into(),
            BeginError::ConcertCancelled => Self::new(
                Code::InvalidState,
                "The concert was cancelled, so there is nothing to pay.",
            ),
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

impl From<SettleError> for Problem {
    fn from(error: SettleError) -> Self {
        let refused = |detail| Self::new(Code::InvalidState, detail);
        match error {
            SettleError::NotFound => Self::not_found(),
            SettleError::NotStuck => {
                refused("This payment's money isn't stuck on its way back, or is back already.")
            }
            SettleError::ByHand => {
                refused("It was paid by hand, so that no provider can send it back.")
            }
            SettleError::BeingSent => refused(
                "Its provider is being asked for the money at this moment. Look at its answer first.",
            ),
            SettleError::Store(error) => error.into(),
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
