//! What is wrong with an import file, as a value, so that each front can say it in its own words.

use domain::concert::{Capacity, InvalidConcertStatus};
use domain::money::InvalidMoney;
use domain::text::TextError;

use super::{COLUMNS, COLUMNS_MAX, NAME_CHARS_MAX, ROWS_MAX};

/// Something wrong with an import file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {reason}", self.place(), self.column.as_deref().map(|c| format!(", {c}")).unwrap_or_default())]
pub struct RowError {
    /// 1 is the first concert; 0 the file as a whole.
    pub row: usize,
    pub column: Option<String>,
    pub reason: RowReason,
}

/// What is wrong with a file, a row or a cell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowReason {
    #[error("no concerts in it; each needs a row")]
    NoRows,
    #[error("{rows} concerts; split it into files of up to {ROWS_MAX}")]
    TooManyRows { rows: usize },
    #[error("the first line must name the columns, and {0} is missing")]
    MissingColumn(&'static str),
    #[error("more than {COLUMNS_MAX} columns")]
    TooManyColumns,
    #[error("not readable as CSV: {0}")]
    NotCsv(String),
    #[error("not a JSON array of objects: {0}")]
    NotJson(String),
    #[error("must not be empty")]
    Required,
    #[error("must be a day like 2027-01-31")]
    NotADay,
    #[error("must be a whole number from 0 to {}", Capacity::MAX)]
    NotACapacity,
    #[error("is {}", InvalidMoney)]
    NotMoney,
    #[error("is {}", InvalidConcertStatus)]
    NotAStatus,
    #[error(transparent)]
    Text(#[from] TextError),
    #[error("is not a column; {}", advice(*near))]
    UnknownColumn { near: Option<&'static str> },
    #[error("is too long for a column's name, which has at most {NAME_CHARS_MAX} characters")]
    LongColumn,
    /// Only where a file mustn't make a concert twice.
    #[error("there is such a concert already")]
    Exists,
    #[error("the same concert as in row {0}")]
    Repeats(usize),
}

fn advice(near: Option<&str>) -> String {
    near.map_or_else(
        || format!("there are {}", COLUMNS.join(", ")),
        |near| format!("did you mean {near}?"),
    )
}

impl RowError {
    fn place(&self) -> String {
        if self.row == 0 {
            "file".to_owned()
        } else {
            format!("row {}", self.row)
        }
    }

    /// Of a column in all rows.
    pub(super) const fn column(name: String, reason: RowReason) -> Self {
        Self {
            row: 0,
            column: Some(name),
            reason,
        }
    }

    pub(super) fn file(reason: RowReason) -> Self {
        Self {
            row: 0,
            column: None,
            reason,
        }
    }
}
