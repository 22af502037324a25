//! The languages that the product speaks to buyers in.

use std::fmt;
use std::str::FromStr;

/// A language, by its code in paths and columns (BCP 47).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    #[default]
    En,
    Th,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::En, Self::Th];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Th => "th",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a language of the product")]
pub struct UnknownLanguage;

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(text: &str) -> Result<Self, UnknownLanguage> {
        let mut all = Self::ALL.into_iter();
        all.find(|language| language.as_str() == text)
            .ok_or(UnknownLanguage)
    }
}
