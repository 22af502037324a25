//! A password as staff choose it. How it is hashed is `app`'s.

use std::fmt;

use crate::text::TextError;

/// NIST SP 800-63B, section 3.1.1.2: the least for a password that isn't the only thing between an
/// attacker and an account (here also lockout and, where chosen, a second factor).
pub const CHARACTERS_MIN: usize = 8;
/// bcrypt reads no further; a longer password would be cut silently.
pub const BYTES_MAX: usize = 72;

/// A password that may be set. It is taken as it is, spaces included, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    pub fn parse(text: &str) -> Result<Self, TextError> {
        if text.is_empty() {
            return Err(TextError::Empty);
        }
        if text.chars().count() < CHARACTERS_MIN {
            return Err(TextError::TooShort {
                min: CHARACTERS_MIN,
            });
        }
        if text.len() > BYTES_MAX {
            return Err(TextError::TooManyBytes { max: BYTES_MAX });
        }
        // Nobody can type them into the next form, and a NUL ends the password for other programs.
        if text.chars().any(char::is_control) {
            return Err(TextError::ControlCharacter);
        }
        Ok(Self(text.to_owned()))
    }

    /// The password itself, for hashing it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_bcrypt_and_is_never_shown() {
        let long = "ก".repeat(24);
        assert_eq!(long.len(), BYTES_MAX);
        for good in ["correct horse", "  spaces  ", "กขฃคฅฆงจ", &long] {
            let password = Password::parse(good).unwrap();
            assert_eq!(password.reveal(), good);
            assert_eq!(format!("{password:?}"), "Password(…)");
        }
        for (bad, error) in [
            ("", TextError::Empty),
            ("sieben7", TextError::TooShort { min: 8 }),
            (&"x".repeat(73), TextError::TooManyBytes { max: 72 }),
            (&"ก".repeat(25), TextError::TooManyBytes { max: 72 }),
            ("with\0a nul", TextError::ControlCharacter),
            ("two\nlines", TextError::ControlCharacter),
        ] {
            assert_eq!(Password::parse(bad).unwrap_err(), error, "{bad:?}");
        }
    }
}
