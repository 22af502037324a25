//! The forms of texts, as the document tells them to programs.
//!
//! What is taken is decided by the parsers in `domain` and `query`; these patterns say the same,
//! but for the blanks around a text, which the parsers throw away.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    KnownFormat, ObjectBuilder, OneOfBuilder, Schema, SchemaFormat, Type,
};
use utoipa::{PartialSchema, ToSchema};

/// One line that isn't empty, without characters that hide or reorder text.
pub const LINE: &str = "^[^\\u0000-\\u001F\\u007F-\\u009F\\u2028-\\u202E\\u2066-\\u2069\\uFEFF]*\
     [^\\s\\u0000-\\u001F\\u007F-\\u009F\\u2028-\\u202E\\u2066-\\u2069\\uFEFF]\
     [^\\u0000-\\u001F\\u007F-\\u009F\\u2028-\\u202E\\u2066-\\u2069\\uFEFF]*$";
/// The same where tabs and line breaks may stand.
pub const PARAGRAPHS: &str = "^([^\\u0000-\\u0008\\u000B-\\u001F\\u007F-\\u009F\\u2028-\\u202E\\u2066-\\u2069\\uFEFF]|\\r\\n)*\
     [^\\s\\u0000-\\u001F\\u007F-\\u009F\\u2028-\\u202E\\u2066-\\u2069\\uFEFF]\
     ([^\\u0000-\\u0008\\u000B-\\u001F\\u007F-\\u009F\\u2028-\\u202E\\u2066-\\u2069\\uFEFF]|\\r\\n)*$";
/// WHATWG's "valid e-mail address" with a dot in its domain.
const EMAIL: &str = "^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@\
     [A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+$";
/// A path whose parts are neither `.` nor `..`.
const IMAGE_PATH: &str = "^/((\\.{0,2}[A-Za-z0-9_-]|\\.{3})[A-Za-z0-9._-]*\
     (/((\\.{0,2}[A-Za-z0-9_-]|\\.{3})[A-Za-z0-9._-]*)?)*)?$";
/// No control character, so that it can be typed again.
const PASSWORD: &str = "^[^\\u0000-\\u001F\\u007F-\\u009F]*$";
const MAIL_ID: &str = "^MAIL[0-9]{1,37}-[0-9A-HJKMNP-TV-Z]{8}$";
const RESERVATION_ID: &str = "^RES[0-9]{1,38}-[0-9A-HJKMNP-TV-Z]{8}$";
/// Base 64 for addresses; what is in it is ours.
const CURSOR: &str = "^[A-Za-z0-9_-]*$";

/// A form with a name of its own in the document.
macro_rules! forms {
    ($($name:ident $description:literal $schema:expr;)*) => {$(
        #[doc = $description]
        #[derive(Debug)]
        pub enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let schema: ObjectBuilder = $schema;
                schema.description(Some($description)).into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

forms! {
    Line "A line without control characters; blanks around it don't count."
        text(1, 255, LINE);
    Paragraphs "Paragraphs of plain text; blanks around them don't count."
        text(1, 10_000, PARAGRAPHS);
    EmailAddress "An e-mail address; it is kept in lower case."
        text(5, 254, EMAIL);
    ImagePath "A path of this site."
        text(1, 255, IMAGE_PATH);
    Password "At least 8 characters, at most 72 bytes of UTF-8."
        text(8, 72, PASSWORD);
    ReservationId "`RES`, milliseconds since 1970, `-`, 8 characters of Crockford's base 32."
        text(13, 50, RESERVATION_ID);
    MailId "`MAIL`, milliseconds since 1970, `-`, 8 characters of Crockford's base 32."
        text(14, 50, MAIL_ID);
    False "`false` alone."
        ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([false]));
    Cursor "Opaque: only what a page gave as `next_cursor` is taken."
        ObjectBuilder::new().schema_type(Type::String).pattern(Some(CURSOR));
}

fn text(min: usize, max: usize, pattern: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(min))
        .max_length(Some(max))
        .pattern(Some(pattern))
}

/// Values in a query, where an empty one counts as none.
macro_rules! parameters {
    ($($name:ident $description:literal [$($form:expr),+];)*) => {$(
        #[doc = $description]
        #[derive(Debug)]
        pub enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let forms = OneOfBuilder::new()$(.item($form))+;
                let empty = ObjectBuilder::new().schema_type(Type::String).max_length(Some(0));
                forms.item(empty).description(Some($description)).into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

parameters! {
    Day "A day; empty: any." [text_as(KnownFormat::Date)];
    DayOrInstant "A day or an instant; empty: any."
        [text_as(KnownFormat::Date), text_as(KnownFormat::DateTime)];
    Number "The number of a row; empty: any." [integer(i32::MAX)];
    Limit "How many at most; empty: 50." [integer(200)];
    Flag "`true` or `false`; empty: `false`." [ObjectBuilder::new().schema_type(Type::Boolean)];
    EmailFilter "An e-mail address; empty: any."
        [text(5, 254, EMAIL)];
}

fn text_as(format: KnownFormat) -> ObjectBuilder {
    let format = SchemaFormat::KnownFormat(format);
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(format))
}

fn integer(max: i32) -> ObjectBuilder {
    let integer = ObjectBuilder::new().schema_type(Type::Integer);
    integer.minimum(Some(1)).maximum(Some(max))
}

#[cfg(test)]
mod tests {
    use domain::text;
    use regex::Regex;

    use super::*;

    /// Compares a pattern with a parser on texts without blanks around them.
    fn compare(pattern: &str, parses: impl Fn(&str) -> bool, texts: &[&str]) {
        let pattern = Regex::new(pattern).unwrap();
        let mut answers = [false; 2];
        for text in texts {
            let parses = parses(text);
            assert_eq!(pattern.is_match(text), parses, "{text:?}");
            answers[usize::from(parses)] = true;
        }
        assert_eq!(answers, [true; 2], "both answers must be among the texts");
    }

    #[test]
    fn patterns_say_what_the_parsers_do() {
        let lines = [
            "a",
            "ก ข",
            "👩‍👩‍👧",
            "",
            "a\nb",
            "a\u{0}",
            "\u{202E}a",
            "a\u{2069}",
            "a\u{9f}",
            "\u{FEFF}",
        ];
        compare(LINE, |line| text::Line::parse(line).is_ok(), &lines);
        let paragraphs = [
            "a\n\n\tb",
            "a\r\nb",
            "ก",
            "",
            "a\rb",
            "a\u{0}b",
            "a\u{2028}b",
        ];
        let parses = |it: &str| text::Description::parse(it).is_ok();
        compare(PARAGRAPHS, parses, &paragraphs);
        let emails = [
            "a@b.co",
            "a..b@c-d.co",
            "|!@0.x",
            "a",
            "a@b",
            "@b.co",
            "a@-b.co",
            "a@b.co.",
            "ก@b.co",
            "a@b.c",
        ];
        compare(EMAIL, |it| text::EmailAddress::parse(it).is_ok(), &emails);
        let paths = [
            "/", "/a", "/a/", "/a//b", "/...", "/.a/..b", "a", "//a", "/.", "/a/..", "/a/../b",
            "/a?",
        ];
        compare(IMAGE_PATH, |it| text::ImagePath::parse(it).is_ok(), &paths);
        let passwords = [
            "12345678",
            "  spaces ",
            "ก23456789",
            "1234\u{0}5678",
            "\u{85}12345678",
        ];
        let parses = |it: &str| domain::password::Password::parse(it).is_ok();
        compare(PASSWORD, parses, &passwords);
        let ids = [
            "RES1-00000001",
            "RES1764000000123-ZZZZZZZZ",
            "RES-00000001",
            "RES1-0000000I",
            "res1-00000001",
        ];
        let parses = |it: &str| it.parse::<domain::id::ReservationId>().is_ok();
        compare(RESERVATION_ID, parses, &ids);
    }
}
