//! Reading the query of a list: every parameter that is wrong is named, not just the first.

use std::collections::BTreeSet;

use crate::http::fields::{FieldError, FieldReason};
use crate::http::problem::Problem;

/// A cursor that no page of ours gave.
pub const WRONG_CURSOR: FieldReason = FieldReason::Invalid {
    wanted: "the `next_cursor` of an earlier page",
};

/// Gives each parameter with a value to `read`; none may be repeated.
pub fn read(
    query: &str,
    mut read: impl FnMut(&str, &str) -> Result<(), FieldReason>,
) -> Result<(), Problem> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    let mut errors = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, value) in pairs {
        let outcome = if !seen.insert(name.clone()) {
            Err(FieldReason::Repeated)
        } else if value.is_empty() {
            Ok(())
        } else {
            read(&name, &value)
        };
        if let Err(reason) = outcome {
            errors.push(FieldError {
                field: name,
                reason,
            });
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Problem::validation(errors))
    }
}

/// How many items a page shall have, from 1 to `max`.
pub fn limit(value: &str, max: u16) -> Result<u16, FieldReason> {
    let limit = value.parse().ok();
    limit
        .filter(|limit| (1..=max).contains(limit))
        .ok_or(FieldReason::OutOfRange {
            min: 1,
            max: i64::from(max),
        })
}
