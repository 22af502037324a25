//! What can be wrong with a configuration, in one shape: which key, what, from where.

use std::fmt;

use super::layer::Source;

/// One thing that is wrong. Its text never holds a secret's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The key as it was written, or the file's path when the file itself is at fault.
    pub key: String,
    pub detail: String,
    /// Nothing when no layer set the key.
    pub source: Option<Source>,
}

impl ConfigError {
    pub(super) fn new(key: &str, detail: impl Into<String>, source: &Source) -> Self {
        Self {
            key: key.to_owned(),
            detail: detail.into(),
            source: Some(source.clone()),
        }
    }

    /// A value that has no default and that nobody set.
    pub fn missing(key: &str, mend: &str) -> Self {
        Self {
            key: key.to_owned(),
            detail: format!("is not set; {mend}"),
            source: None,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.detail)?;
        match &self.source {
            Some(source) => write!(f, " (from {source})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}

/// All errors of one configuration; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    pub(super) fn new(errors: Vec<ConfigError>) -> Self {
        Self(errors)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a ConfigErrors {
    type Item = &'a ConfigError;
    type IntoIter = std::slice::Iter<'a, ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.0.as_slice() {
            return write!(f, "the configuration is wrong: {only}");
        }
        write!(f, "the configuration is wrong in {} places:", self.0.len())?;
        for error in &self.0 {
            write!(f, "\n  {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
