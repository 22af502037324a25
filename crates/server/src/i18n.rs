//! The two languages of every page: which one is wanted, its texts, and how it writes dates,
//! times, numbers and money.
//! Texts live in `locales/*.ftl`; there is no visible wording here but the names of days and months.

use std::borrow::Cow;
use std::collections::HashMap;
use std::str::FromStr;

use domain::language::Language;
use fluent_templates::fluent_bundle::FluentValue;
use fluent_templates::{LanguageIdentifier, langid, static_loader};

mod calendar;
mod figures;
mod negotiate;
#[cfg(test)]
mod tests;

pub use figures::{money, number, sign};

static_loader! {
    static LOCALES = {
        locales: "./locales",
        fallback_language: "en",
        // Isolation marks guard mixed writing directions; both our languages run left to right.
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

static ENGLISH: LanguageIdentifier = langid!("en");
static THAI: LanguageIdentifier = langid!("th");

/// A language in which every page exists; its code is the first segment of the page's path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lang {
    #[default]
    En,
    Th,
}

impl Lang {
    pub const ALL: [Self; 2] = [Self::En, Self::Th];

    /// The language code for paths, `lang`, `hreflang` and the cookie (BCP 47).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Th => "th",
        }
    }

    /// The same language in the words of the use cases.
    pub const fn language(self) -> Language {
        match self {
            Self::En => Language::En,
            Self::Th => Language::Th,
        }
    }

    /// The language of the use cases, for what is shown in it.
    pub const fn of(language: Language) -> Self {
        match language {
            Language::En => Self::En,
            Language::Th => Self::Th,
        }
    }

    /// The language's name in itself, so that whoever needs it can read it.
    pub const fn native_name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::Th => "ไทย",
        }
    }

    /// The locale for Open Graph, which wants a territory.
    pub const fn open_graph(self) -> &'static str {
        match self {
            Self::En => "en_GB",
            Self::Th => "th_TH",
        }
    }

    fn locale(self) -> &'static LanguageIdentifier {
        match self {
            Self::En => &ENGLISH,
            Self::Th => &THAI,
        }
    }

    /// The text of a key without arguments.
    pub fn text(self, key: &str) -> String {
        self.find(key, None)
    }

    /// The text of a key with its named arguments.
    pub fn text_with(self, key: &str, arguments: &[(&'static str, &str)]) -> String {
        let arguments = arguments
            .iter()
            .map(|(name, value)| (Cow::Borrowed(*name), FluentValue::from(*value)))
            .collect();
        self.find(key, Some(&arguments))
    }

    /// The same where there is such a text and all that it needs is given; else `None`.
    pub fn text_if_known(self, key: &str, arguments: &[(&'static str, &str)]) -> Option<String> {
        let text = self.text_with(key, arguments);
        // Fluent writes what is missing as its own name.
        (text != key && !text.contains("{$")).then_some(text)
    }

    /// The text of a key about a number: `$count` picks the plural form, `$shown` is the number
    /// as people write it.
    pub fn count(self, key: &str, count: i64) -> String {
        let arguments = HashMap::from([
            (Cow::Borrowed("count"), FluentValue::from(count)),
            (Cow::Borrowed("shown"), FluentValue::from(number(count))),
        ]);
        self.find(key, Some(&arguments))
    }

    /// A missing key shows as itself. `every_key_that_is_used_exists` keeps that from happening.
    fn find(
        self,
        key: &str,
        arguments: Option<&HashMap<Cow<'static, str>, FluentValue<'_>>>,
    ) -> String {
        LOCALES
            .lookup_single_language(self.locale(), key, arguments)
            .unwrap_or_else(|_| key.to_owned())
    }
}

/// A text that is no language of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownLang;

impl FromStr for Lang {
    type Err = UnknownLang;

    fn from_str(code: &str) -> Result<Self, UnknownLang> {
        Self::ALL
            .into_iter()
            .find(|lang| lang.as_str() == code)
            .ok_or(UnknownLang)
    }
}
