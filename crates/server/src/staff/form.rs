//! Fields of a form and what is wrong with them, in the reader's language.

use domain::text::TextError;

use crate::http::fields::{FieldError, FieldReason};
use crate::i18n::Lang;

/// One field, ready to print: `staff/field.html` shows it.
#[derive(Clone, Debug, Default)]
pub struct Field {
    pub name: &'static str,
    /// The input's type.
    pub kind: &'static str,
    pub label: String,
    pub hint: Option<String>,
    pub value: String,
    pub error: Option<String>,
    pub is_required: bool,
    pub autocomplete: &'static str,
    /// What a browser offers to complete it with.
    pub options: Vec<String>,
}

impl Field {
    /// A field that must be filled in.
    pub fn new(name: &'static str, kind: &'static str, label: String) -> Self {
        Self {
            name,
            kind,
            label,
            is_required: true,
            autocomplete: "off",
            ..Self::default()
        }
    }

    #[must_use]
    pub fn with_hint(self, hint: String) -> Self {
        Self {
            hint: Some(hint),
            ..self
        }
    }

    #[must_use]
    pub fn completed_as(self, autocomplete: &'static str) -> Self {
        Self {
            autocomplete,
            ..self
        }
    }

    /// The places of the hint and of what is wrong, for who listens to the page.
    pub fn described_by(&self) -> Option<String> {
        let error = self.error.as_ref().map(|_| format!("{}-error", self.name));
        let hint = self.hint.as_ref().map(|_| format!("{}-hint", self.name));
        let both: Vec<String> = error.into_iter().chain(hint).collect();
        (!both.is_empty()).then(|| both.join(" "))
    }

    /// With what was typed and what is wrong with it.
    #[must_use]
    pub fn filled(self, lang: Lang, value: String, errors: &[FieldError]) -> Self {
        let wrong = errors.iter().find(|error| error.field == self.name);
        Self {
            value,
            error: wrong.map(|error| sentence(lang, error.reason)),
            ..self
        }
    }
}

/// The fields that are wrong, each with its place and a sentence that names it.
pub fn summary(fields: &[Field]) -> Vec<(&'static str, String)> {
    let wrong = |field: &Field| {
        let error = field.error.as_ref()?;
        Some((field.name, format!("{}: {error}", field.label)))
    };
    fields.iter().filter_map(wrong).collect()
}

/// Why a field was refused.
pub fn sentence(lang: Lang, reason: FieldReason) -> String {
    match reason {
        FieldReason::Required | FieldReason::Null | FieldReason::Text(TextError::Empty) => {
            lang.text("field-required")
        }
        FieldReason::OutOfRange { min, max } => {
            let (min, max) = (min.to_string(), max.to_string());
            lang.text_with("field-range", &[("from", &min), ("to", &max)])
        }
        FieldReason::BelowTaken { sold, held } => {
            let (least, sold, held) = (
                (sold + held).to_string(),
                sold.to_string(),
                held.to_string(),
            );
            let values = [("least", &*least), ("sold", &*sold), ("held", &*held)];
            lang.text_with("field-below-taken", &values)
        }
        FieldReason::Text(TextError::TooLong { .. } | TextError::TooManyBytes { .. }) => {
            lang.text("field-long")
        }
        FieldReason::Text(TextError::TooShort { .. }) => lang.text("field-short"),
        FieldReason::Text(TextError::ControlCharacter) => lang.text("field-characters"),
        FieldReason::Text(TextError::NotAnEmail) => lang.text("error-email"),
        FieldReason::Text(TextError::NotAUsername) => lang.text("error-username"),
        FieldReason::Text(TextError::NotALocalPath) => lang.text("field-path"),
        FieldReason::Taken => lang.text("error-taken"),
        FieldReason::Guessable => lang.text("error-password-weak"),
        FieldReason::WrongType { .. }
        | FieldReason::NotAnId
        | FieldReason::Unknown
        | FieldReason::Repeated
        | FieldReason::Invalid { .. } => lang.text("field-invalid"),
    }
}
