//! Texts that people type, parsed into types whose values fit their columns.
//!
//! A parsed text is trimmed, not empty, within its length and free of control characters.

use std::fmt;

/// Why a text was refused; the fronts turn it into a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    #[error("must not be empty")]
    Empty,
    #[error("must be at most {max} characters long")]
    TooLong { max: usize },
    #[error("must be at least {min} characters long")]
    TooShort { min: usize },
    /// Where a limit counts bytes; letters beyond ASCII take two to four.
    #[error("must be at most {max} bytes long; letters beyond a to z count more than one")]
    TooManyBytes { max: usize },
    #[error("must not contain control characters")]
    ControlCharacter,
    #[error("must be an e-mail address like name@example.com")]
    NotAnEmail,
    #[error("must be made of letters a to z, digits, dots, hyphens and underscores")]
    NotAUsername,
    #[error("must be the path of a poster on this site, like /assets/posters/name.svg")]
    NotALocalPath,
}

/// The specification's `VARCHAR(255)`, which counts characters.
pub const LINE_MAX: usize = 255;
/// Ours: a description is a `TEXT` column; 10,000 characters are five pages.
pub const DESCRIPTION_MAX: usize = 10_000;
/// Ours: how and when money went back is a sentence or two.
pub const REFUND_NOTE_MAX: usize = 500;
/// RFC 5321, section 4.5.3.1: a path of 256 octets with its brackets leaves 254.
pub const EMAIL_MAX: usize = 254;

/// Characters that hide or reorder text: controls, line separators, and the bidirectional
/// embeddings, overrides and isolates of UAX #9. Joiners stay, for scripts need them.
fn is_forbidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{2028}' | '\u{2029}' | '\u{FEFF}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn parse_line(text: &str, max: usize) -> Result<String, TextError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(TextError::Empty);
    }
    if text.chars().count() > max {
        return Err(TextError::TooLong { max });
    }
    if text.chars().any(is_forbidden) {
        return Err(TextError::ControlCharacter);
    }
    Ok(text.to_owned())
}

macro_rules! line_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            pub fn parse(text: &str) -> Result<Self, TextError> {
                parse_line(text, LINE_MAX).map(Self)
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

line_type! {
    /// One line of up to 255 characters about a concert: its name, artist or venue.
    Line
}
line_type! {
    /// What a buyer calls themselves, up to 255 characters; no rule about how many words.
    CustomerName
}

/// A staff account's name: 1 to 100 lower-case letters, digits, dots, hyphens and underscores.
///
/// 100 is the specification's column; the characters can't be mistaken for each other's accents or
/// other scripts' look-alikes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Username(String);

/// The specification's `VARCHAR(100)`.
pub const USERNAME_MAX: usize = 100;

impl Username {
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let text = parse_line(text, USERNAME_MAX)?.to_ascii_lowercase();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if text.bytes().all(is_plain) {
            Ok(Self(text))
        } else {
            Err(TextError::NotAUsername)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An e-mail address in lower case, so that equality is the database's plain `=`.
///
/// The form is the WHATWG's "valid e-mail address" (HTML, `input type=email`), plus a dot in the
/// domain, because mail to a bare host name never leaves a machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailAddress(String);

impl EmailAddress {
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let text = parse_line(text, EMAIL_MAX)?;
        let (local, host) = text.split_once('@').ok_or(TextError::NotAnEmail)?;
        let local_fits = !local.is_empty()
            && local.len() <= 64
            && local.bytes().all(|byte| {
                byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte)
            });
        if local_fits && host.contains('.') && host.split('.').all(is_host_label) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(TextError::NotAnEmail)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// RFC 1035, section 2.3.1, as relaxed by RFC 1123: letters, digits and inner hyphens, up to 63.
fn is_host_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= 63
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Paragraphs of plain text, where line breaks and tabs may stand.
fn parse_paragraphs(text: &str, max: usize) -> Result<String, TextError> {
    let text = text.replace("\r\n", "\n");
    let text = text.trim();
    if text.is_empty() {
        return Err(TextError::Empty);
    }
    if text.chars().count() > max {
        return Err(TextError::TooLong { max });
    }
    if text
        .chars()
        .any(|character| is_forbidden(character) && !matches!(character, '\n' | '\t'))
    {
        return Err(TextError::ControlCharacter);
    }
    Ok(text.to_owned())
}

/// A concert's description: paragraphs of plain text, where line breaks and tabs may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    pub fn parse(text: &str) -> Result<Self, TextError> {
        parse_paragraphs(text, DESCRIPTION_MAX).map(Self)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How and when staff paid money back that its provider couldn't send: up to 500 characters, which may
/// name people.
#[derive(Clone, PartialEq, Eq)]
pub struct RefundNote(String);

impl RefundNote {
    pub fn parse(text: &str) -> Result<Self, TextError> {
        parse_paragraphs(text, REFUND_NOTE_MAX).map(Self)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// It belongs into no log.
impl fmt::Debug for RefundNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefundNote(…)")
    }
}

/// Where a poster lies on this site: an absolute path, never another host.
///
/// Buyers' browsers load nothing from third parties, and a staff account can't make them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePath(String);

impl ImagePath {
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let text = parse_line(text, LINE_MAX)?;
        let local = text.starts_with('/')
            && !text.starts_with("//")
            && text.split('/').all(|part| part != ".." && part != ".")
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
        if local {
            Ok(Self(text))
        } else {
            Err(TextError::NotALocalPath)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_people_are_taken_as_they_are() {
        for name in ["สมชาย ใจดี", "Zoë O’Neill-García", "J", "  padded  ", "👩‍👩‍👧"]
        {
            assert_eq!(CustomerName::parse(name).unwrap().as_str(), name.trim());
        }
    }

    #[test]
    fn lengths_count_characters_as_the_column_does() {
        assert!(CustomerName::parse(&"ก".repeat(255)).is_ok());
        assert_eq!(
            CustomerName::parse(&"ก".repeat(256)),
            Err(TextError::TooLong { max: 255 })
        );
    }

    #[test]
    fn control_and_reordering_characters_are_refused() {
        for name in ["a\0b", "a\nb", "a\u{202E}b", "a\u{7f}b", "a\u{2028}b"] {
            assert_eq!(
                CustomerName::parse(name),
                Err(TextError::ControlCharacter),
                "{name:?}"
            );
        }
        assert_eq!(CustomerName::parse(" \t "), Err(TextError::Empty));
    }

    #[test]
    fn emails_are_lower_case_and_have_a_domain() {
        assert_eq!(
            EmailAddress::parse(" Som.Chai+x@Example.CO.th ")
                .unwrap()
                .as_str(),
            "som.chai+x@example.co.th"
        );
        for text in [
            "a",
            "a@",
            "@b.co",
            "a@b",
            "a@b..co",
            "a@-b.co",
            "a b@c.co",
            "a@b@c.co",
            "a@b.co.",
            "ก@b.co",
            &format!("{}@b.co", "a".repeat(65)),
        ] {
            assert_eq!(
                EmailAddress::parse(text),
                Err(TextError::NotAnEmail),
                "{text}"
            );
        }
        assert_eq!(
            EmailAddress::parse(&format!("a@{}.co", "b".repeat(260))),
            Err(TextError::TooLong { max: 254 })
        );
    }

    #[test]
    fn usernames_are_plain_and_lower_case() {
        assert_eq!(
            Username::parse("Box.Office-1").unwrap().as_str(),
            "box.office-1"
        );
        assert!(Username::parse(&"a".repeat(100)).is_ok());
        assert_eq!(
            Username::parse(&"a".repeat(101)),
            Err(TextError::TooLong { max: 100 })
        );
        for text in ["box office", "สมชาย", "a@b"] {
            assert_eq!(
                Username::parse(text),
                Err(TextError::NotAUsername),
                "{text}"
            );
        }
    }

    #[test]
    fn posters_are_paths_of_this_site() {
        assert!(ImagePath::parse("/assets/posters/a-1.svg").is_ok());
        for text in [
            "https://evil.example/a.png",
            "//evil.example/a.png",
            "a.png",
            "/a/../b",
            "/a?b",
            "/a\\b",
            "/a\"b",
        ] {
            assert_eq!(
                ImagePath::parse(text),
                Err(TextError::NotALocalPath),
                "{text}"
            );
        }
    }

    #[test]
    fn notes_have_their_own_limit_and_are_not_logged() {
        let note = RefundNote::parse(" to Som,\r\nin cash ").unwrap();
        assert_eq!(note.as_str(), "to Som,\nin cash");
        assert_eq!(format!("{note:?}"), "RefundNote(…)");
        assert!(RefundNote::parse(&"ก".repeat(500)).is_ok());
        let long = RefundNote::parse(&"ก".repeat(501));
        assert_eq!(long, Err(TextError::TooLong { max: 500 }));
        assert_eq!(RefundNote::parse(" \n"), Err(TextError::Empty));
    }

    #[test]
    fn descriptions_keep_their_paragraphs() {
        assert_eq!(
            Description::parse("one\r\n\r\ntwo\n").unwrap().as_str(),
            "one\n\ntwo"
        );
        assert_eq!(
            Description::parse("a\u{0}"),
            Err(TextError::ControlCharacter)
        );
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_is_idempotent(text in any::<String>()) {
            if let Ok(name) = CustomerName::parse(&text) {
                prop_assert_eq!(CustomerName::parse(name.as_str()).unwrap(), name);
            }
            if let Ok(email) = EmailAddress::parse(&text) {
                prop_assert_eq!(EmailAddress::parse(email.as_str()).unwrap(), email);
            }
        }
    }
}
