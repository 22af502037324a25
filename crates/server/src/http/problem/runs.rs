//! What goes wrong with runs, as problems.

use app::runs::CancelConcertError;

use super::{Code, Problem};

impl From<CancelConcertError> for Problem {
    fn from(error: CancelConcertError) -> Self {
        match error {
            CancelConcertError::NotFound => Self::new(Code::NotFound, "There is no such concert."),
            CancelConcertError::Store(error) => error.into(),
        }
    }
}
