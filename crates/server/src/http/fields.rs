//! Reading the fields of a request: every field that is wrong is named, not just the first.
//!
//! The same reading serves JSON bodies and forms, so that both have the same rules.

use std::collections::BTreeMap;

use domain::concert::{Capacity, Replacement};
use domain::id::ConcertId;
use domain::reservation::Quantity;
use domain::text::TextError;
use serde_json::{Number, Value};

/// As many errors of a request are told. No request of ours has half as many fields, and without an
/// end a small request of nothing but wrong ones would become a large answer.
pub const ERRORS_MAX: usize = 50;

/// Why a field was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldReason {
    Required,
    /// What it must be: `an integer`, `a string`.
    WrongType {
        wanted: &'static str,
    },
    OutOfRange {
        min: i64,
        max: i64,
    },
    /// A number that can't be the id of anything.
    NotAnId,
    Text(TextError),
    Unknown,
    /// It stands there twice, and nobody knows which one is meant.
    Repeated,
    /// Fewer tickets than somebody has already.
    BelowTaken {
        sold: i64,
        held: i64,
    },
    /// Somebody else has it already, and it can't be had twice.
    Taken,
    /// A new password that a program would guess soon.
    Guessable,
    /// `null` where something must stand.
    Null,
    /// Another rule, said by `wanted`: "must be …".
    Invalid {
        wanted: &'static str,
    },
}

impl FieldReason {
    /// The stable code in a problem's `errors`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Required | Self::Null | Self::Text(TextError::Empty) => "required",
            Self::WrongType { .. } => "wrong_type",
            Self::OutOfRange { .. } | Self::NotAnId | Self::BelowTaken { .. } => "out_of_range",
            Self::Text(TextError::TooLong { .. } | TextError::TooManyBytes { .. }) => "too_long",
            Self::Text(TextError::TooShort { .. }) => "too_short",
            Self::Text(TextError::ControlCharacter) => "control_character",
            Self::Text(TextError::NotAnEmail) => "not_an_email",
            Self::Text(TextError::NotALocalPath | TextError::NotAUsername)
            | Self::Guessable
            | Self::Invalid { .. } => "invalid",
            Self::Unknown => "unknown_field",
            Self::Repeated => "repeated",
            Self::Taken => "taken",
        }
    }

    /// The sentence in a problem's `errors`, without the field's name.
    pub fn detail(self) -> String {
        match self {
            Self::Required => "is required".to_owned(),
            Self::WrongType { wanted } | Self::Invalid { wanted } => format!("must be {wanted}"),
            Self::OutOfRange { min, max } => format!("must be from {min} to {max}"),
            Self::NotAnId => "must be an id that the API has given; they begin at 1".to_owned(),
            Self::BelowTaken { sold, held } => {
                let least = sold + held;
                format!("must be at least {least}: {sold} are sold and {held} held")
            }
            Self::Text(error) => error.to_string(),
            Self::Null => "can't be empty; leave it out to keep it as it is".to_owned(),
            Self::Guessable => "must be harder to guess: longer, such as four words that have \
                                nothing to do with each other, without the account's name or address"
                .to_owned(),
            Self::Unknown => "is not a field of this request".to_owned(),
            Self::Repeated => "must be given only once".to_owned(),
            Self::Taken => {
                "belongs to another account, maybe a deleted one; choose another".to_owned()
            }
        }
    }
}

/// One refused field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    pub field: String,
    pub reason: FieldReason,
}

/// The fields of a request while they are read.
#[derive(Debug)]
pub struct Fields {
    values: BTreeMap<String, Value>,
    /// In a form every value is a text, numbers too.
    numbers_are_text: bool,
    errors: FieldErrors,
}

/// The errors of a request: up to [`ERRORS_MAX`], and one more where there are more, which says so.
#[derive(Debug, Default)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Whether nothing that follows is told any more.
    pub const fn is_full(&self) -> bool {
        self.0.len() > ERRORS_MAX
    }

    pub fn push(&mut self, field: &str, reason: FieldReason) {
        if !self.is_full() {
            self.0.push(FieldError {
                field: field.to_owned(),
                reason,
            });
        }
    }

    /// For [`Problem::validation`](super::problem::Problem::validation).
    pub fn into_vec(self) -> Vec<FieldError> {
        self.0
    }
}

impl Fields {
    /// The members of a JSON object, none of which may be repeated (RFC 7493, section 2.3).
    pub fn from_json(members: impl IntoIterator<Item = (String, Value)>) -> Self {
        let mut fields = Self {
            values: BTreeMap::new(),
            numbers_are_text: false,
            errors: FieldErrors::default(),
        };
        for (name, value) in members {
            if fields.values.contains_key(&name) {
                let _ = fields.refuse::<()>(&name, FieldReason::Repeated);
            }
            fields.values.insert(name, value);
        }
        fields
    }

    /// A submitted form; of a repeated field the first counts.
    pub fn from_form(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut values = BTreeMap::new();
        for (name, value) in pairs {
            values.entry(name).or_insert(Value::String(value));
        }
        Self {
            values,
            numbers_are_text: true,
            errors: FieldErrors::default(),
        }
    }

    /// A required text, parsed by its type.
    pub fn text<T>(
        &mut self,
        field: &str,
        parse: impl FnOnce(&str) -> Result<T, TextError>,
    ) -> Option<T> {
        let text = match self.values.remove(field) {
            None | Some(Value::Null) => return self.refuse(field, FieldReason::Required),
            Some(Value::String(text)) => text,
            Some(_) => return self.refuse(field, FieldReason::WrongType { wanted: "a string" }),
        };
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => self.refuse(field, FieldReason::Text(error)),
        }
    }

    /// A text that may be missing or `null`.
    pub fn optional_text<T>(
        &mut self,
        field: &str,
        parse: impl FnOnce(&str) -> Result<T, TextError>,
    ) -> Option<T> {
        if self.is_absent(field) {
            return None;
        }
        self.text(field, parse)
    }

    /// A required text that is one of those that `parse` knows.
    pub fn choice<T>(
        &mut self,
        field: &str,
        wanted: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(field, |text| Ok(text.to_owned()))?;
        match parse(&text) {
            Some(value) => Some(value),
            None => self.refuse(field, FieldReason::Invalid { wanted }),
        }
    }

    /// A text that stays as it is when it is missing; `null` is refused.
    pub fn changed_text<T>(
        &mut self,
        field: &str,
        parse: impl FnOnce(&str) -> Result<T, TextError>,
    ) -> Option<T> {
        if self.is_unchanged(field) {
            return None;
        }
        self.text(field, parse)
    }

    /// The same of one of those that `parse` knows.
    pub fn changed_choice<T>(
        &mut self,
        field: &str,
        wanted: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        if self.is_unchanged(field) {
            return None;
        }
        self.choice(field, wanted, parse)
    }

    /// A text that may be missing, and that `null` takes away.
    pub fn replacement<T>(
        &mut self,
        field: &str,
        parse: impl FnOnce(&str) -> Result<T, TextError>,
    ) -> Replacement<T> {
        if !self.values.contains_key(field) {
            return Replacement::Keep;
        }
        if self.is_absent(field) {
            return Replacement::Clear;
        }
        // A refused text is among the errors, and nothing is done then.
        self.text(field, parse)
            .map_or(Replacement::Keep, Replacement::Set)
    }

    /// The same of `true` or `false`.
    pub fn changed_flag(&mut self, field: &str) -> Option<bool> {
        if self.is_unchanged(field) {
            return None;
        }
        match self.values.remove(field) {
            Some(Value::Bool(flag)) => Some(flag),
            _ => self.refuse(
                field,
                FieldReason::WrongType {
                    wanted: "true or false",
                },
            ),
        }
    }

    /// Whether a flag shall become `false`, which is all that can be asked for; `wanted` says why.
    pub fn cleared_flag(&mut self, field: &str, wanted: &'static str) -> bool {
        match self.changed_flag(field) {
            Some(true) => {
                let _ = self.refuse::<()>(field, FieldReason::Invalid { wanted });
                false
            }
            Some(false) => true,
            None => false,
        }
    }

    /// Whether a field is missing. One that is `null` is among the errors.
    fn is_unchanged(&mut self, field: &str) -> bool {
        match self.values.get(field) {
            None => true,
            Some(Value::Null) => {
                self.values.remove(field);
                self.refuse::<()>(field, FieldReason::Null).is_none()
            }
            Some(_) => false,
        }
    }

    fn is_absent(&mut self, field: &str) -> bool {
        let is_absent = self.values.get(field).is_none_or(Value::is_null);
        if is_absent {
            self.values.remove(field);
        }
        is_absent
    }

    /// How many tickets. More than `per_buyer` are taken here, for a request may repeat one from
    /// before the limit was lowered; it is told where a number can't be any order's.
    pub fn quantity(&mut self, field: &str, per_buyer: i32) -> Option<Quantity> {
        let (min, max) = (1, i64::from(per_buyer));
        self.integer(field, (1, i32::MAX), FieldReason::OutOfRange { min, max })
            .and_then(Quantity::new)
    }

    pub fn concert_id(&mut self, field: &str) -> Option<ConcertId> {
        self.integer(field, (1, i32::MAX), FieldReason::NotAnId)
            .and_then(ConcertId::new)
    }

    /// The same where it may be missing or `null`.
    pub fn optional_concert_id(&mut self, field: &str) -> Option<ConcertId> {
        if self.is_absent(field) {
            return None;
        }
        self.concert_id(field)
    }

    pub fn capacity(&mut self, field: &str) -> Option<Capacity> {
        let (min, max) = (0, i64::from(Capacity::MAX));
        self.integer(
            field,
            (0, Capacity::MAX),
            FieldReason::OutOfRange { min, max },
        )
        .and_then(Capacity::new)
    }

    /// The same where it stays as it is when it is missing; `null` is refused.
    pub fn changed_capacity(&mut self, field: &str) -> Option<Capacity> {
        if self.is_unchanged(field) {
            return None;
        }
        self.capacity(field)
    }

    /// The errors, those of fields that nobody asked for included.
    pub fn finish(mut self) -> Vec<FieldError> {
        for field in self.values.keys() {
            self.errors.push(field, FieldReason::Unknown);
        }
        self.errors.into_vec()
    }

    /// A required whole number; `beyond` tells what is wrong with one out of the range.
    fn integer(&mut self, field: &str, (min, max): (i32, i32), beyond: FieldReason) -> Option<i32> {
        const WANTED: FieldReason = FieldReason::WrongType {
            wanted: "an integer",
        };
        let number = match self.values.remove(field) {
            None | Some(Value::Null) => return self.refuse(field, FieldReason::Required),
            Some(Value::Number(number)) => number,
            Some(Value::String(text)) if self.numbers_are_text => {
                let text = text.trim();
                if text.is_empty() {
                    return self.refuse(field, FieldReason::Required);
                }
                match serde_json::from_str(text) {
                    Ok(Value::Number(number)) => number,
                    _ => return self.refuse(field, WANTED),
                }
            }
            Some(_) => return self.refuse(field, WANTED),
        };
        let whole = number.as_i64().or_else(|| whole(&number));
        if whole.is_none() && !number.is_u64() {
            return self.refuse(field, WANTED);
        }
        let fits = whole.and_then(|number| i32::try_from(number).ok());
        match fits {
            Some(number) if (min..=max).contains(&number) => Some(number),
            _ => self.refuse(field, beyond),
        }
    }

    fn refuse<T>(&mut self, field: &str, reason: FieldReason) -> Option<T> {
        self.errors.push(field, reason);
        None
    }
}

/// `2.0` is the integer 2 (JSON Schema, section 4.2.3), and some languages write it so. What is
/// beyond the range of the columns stays what it was, a number that nobody means as an integer.
fn whole(number: &Number) -> Option<i64> {
    let number = number.as_f64().filter(|number| number.fract() == 0.0)?;
    format!("{number:.0}").parse::<i32>().ok().map(i64::from)
}

#[cfg(test)]
mod tests {
    use domain::text::CustomerName;
    use serde_json::json;

    use super::*;

    fn quantity_code(value: Value) -> Option<&'static str> {
        let mut fields = Fields::from_json([("quantity".to_owned(), value)]);
        fields.quantity("quantity", 10);
        fields.finish().first().map(|error| error.reason.code())
    }

    #[test]
    fn numbers_are_integers_in_range() {
        assert_eq!(quantity_code(json!(1)), None);
        assert_eq!(quantity_code(json!(2.0)), None);
        assert_eq!(quantity_code(json!(i32::MAX)), None);
        for value in [
            json!(0),
            json!(-1),
            json!(1_000_000_000_000_i64),
            json!(u64::MAX),
        ] {
            assert_eq!(quantity_code(value), Some("out_of_range"));
        }
        for value in [
            json!(1.5),
            json!("2"),
            json!(true),
            json!([1]),
            json!(3e9),
            json!(1e300),
        ] {
            assert_eq!(quantity_code(value.clone()), Some("wrong_type"), "{value}");
        }
        assert_eq!(quantity_code(Value::Null), Some("required"));
    }

    #[test]
    fn a_number_out_of_range_is_told_the_rule_of_the_sale() {
        let members = [("quantity", json!(0)), ("concert_id", json!(-1))];
        let members = members.map(|(name, value)| (name.to_owned(), value));
        let mut fields = Fields::from_json(members);
        fields.quantity("quantity", 6);
        fields.concert_id("concert_id");
        let details = fields.finish().into_iter();
        let details: Vec<String> = details.map(|error| error.reason.detail()).collect();
        assert_eq!(details[0], "must be from 1 to 6");
        assert!(details[1].contains("begin at 1"), "{details:?}");
    }

    #[test]
    fn null_takes_away_and_a_missing_field_stays() {
        let replacement = |members: Vec<(&str, Value)>| {
            let members = members.into_iter();
            let mut fields =
                Fields::from_json(members.map(|(name, value)| (name.to_owned(), value)));
            let read = fields.replacement("name", CustomerName::parse);
            (read, fields.finish().len())
        };
        assert_eq!(replacement(vec![]), (Replacement::Keep, 0));
        let null = replacement(vec![("name", Value::Null)]);
        assert_eq!(null, (Replacement::Clear, 0));
        let som = Replacement::Set(CustomerName::parse("Som").unwrap());
        assert_eq!(replacement(vec![("name", json!("Som"))]), (som, 0));
        let wrong = replacement(vec![("name", json!(1))]);
        assert_eq!(wrong, (Replacement::Keep, 1));
    }

    #[test]
    fn every_wrong_field_is_named() {
        let members = [
            ("customer_name", json!("")),
            ("quanttiy", json!(1)),
            ("quanttiy", json!(2)),
        ];
        let members = members.map(|(name, value)| (name.to_owned(), value));
        let mut fields = Fields::from_json(members);
        fields.quantity("quantity", 10);
        fields.text("customer_name", CustomerName::parse);
        let errors = fields.finish();
        let named: Vec<_> = errors
            .iter()
            .map(|error| (error.field.as_str(), error.reason.code()))
            .collect();
        let expected = [
            ("quanttiy", "repeated"),
            ("quantity", "required"),
            ("customer_name", "required"),
            ("quanttiy", "unknown_field"),
        ];
        assert_eq!(named, expected);
    }

    #[test]
    fn so_many_errors_are_kept_and_one_more_that_says_there_are_more() {
        let count = |unknown: usize, repeated: usize| {
            let names = (0..unknown).map(|number| format!("unknown{number}"));
            let names = names.chain((0..repeated).map(|_| "quantity".to_owned()));
            let mut fields = Fields::from_json(names.map(|name| (name, json!(1))));
            fields.quantity("quantity", 10);
            fields.finish().len()
        };
        assert_eq!(count(ERRORS_MAX, 1), ERRORS_MAX);
        assert_eq!(count(ERRORS_MAX + 1, 1), ERRORS_MAX + 1);
        assert_eq!(count(10_000, 1), ERRORS_MAX + 1);
        assert_eq!(count(0, 10_000), ERRORS_MAX + 1);
    }

    #[test]
    fn forms_write_numbers_as_text() {
        let pairs = [("quantity", " 2 "), ("quantity", "9")];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut fields = Fields::from_form(pairs);
        assert_eq!(fields.quantity("quantity", 10).map(Quantity::get), Some(2));
        assert!(fields.finish().is_empty());
    }
}
