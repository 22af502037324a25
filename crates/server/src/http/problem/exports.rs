//! Exports that can't begin.

use app::exports::ExportError;
use app::reports::InvalidDays;

use super::Problem;
use crate::http::fields::{FieldError, FieldReason};

impl From<ExportError> for Problem {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::TooMany | ExportError::TooLong => {
                tracing::warn!(%error, "overloaded");
                Self::overloaded()
            }
            ExportError::Store(error) => error.into(),
            ExportError::Write(_) | ExportError::Sheet(_) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "internal error");
                Self::internal()
            }
        }
    }
}

impl From<InvalidDays> for Problem {
    fn from(error: InvalidDays) -> Self {
        let (field, wanted) = match error {
            InvalidDays::Reversed => ("to", "`from` or a day after it"),
            InvalidDays::TooMany => ("from", "at most 366 days before the day behind `to`"),
        };
        let reason = FieldReason::Invalid { wanted };
        Self::validation(vec![FieldError {
            field: field.to_owned(),
            reason,
        }])
    }
}
