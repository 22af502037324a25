//! What stands in a cell, before it is known in which kind of file.

use std::fmt;

use domain::money::{Money, Total};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    Empty,
    Text(String),
    Number(i64),
    Money(Total),
    Flag(bool),
    Moment(Timestamp),
    Day(Date),
}

pub type Row = Vec<Cell>;

impl Cell {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// As the API writes it.
    pub(crate) fn into_json(self) -> Value {
        match self {
            Self::Empty => Value::Null,
            Self::Text(text) => Value::String(text),
            Self::Number(number) => Value::from(number),
            Self::Flag(flag) => Value::Bool(flag),
            Self::Money(_) | Self::Moment(_) | Self::Day(_) => Value::String(self.to_string()),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => Ok(()),
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Money(amount) => amount.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
            // As the API writes them, so that no program takes them for those of its own zone.
            Self::Moment(at) => at.fmt(f),
            Self::Day(day) => day.fmt(f),
        }
    }
}

impl From<i32> for Cell {
    fn from(number: i32) -> Self {
        Self::Number(number.into())
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Cell {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<Money> for Cell {
    fn from(amount: Money) -> Self {
        Self::Money(amount.into())
    }
}

impl From<Total> for Cell {
    fn from(amount: Total) -> Self {
        Self::Money(amount)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Timestamp> for Cell {
    fn from(at: Timestamp) -> Self {
        Self::Moment(at)
    }
}

impl From<Date> for Cell {
    fn from(day: Date) -> Self {
        Self::Day(day)
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}
