//! The limits of customers' sign-in, and where it leads back to.
//!
//! Absent on purpose: passwords, which customers don't have.

use std::fmt;
use std::time::Duration;

/// How long a link by mail works: long enough for a slow mail, too short to be found later.
pub const LINK_LIFETIME: Duration = Duration::from_mins(15);
/// Links that one address gets within [`LINKS_COUNTED_FOR`]: nobody's post is flooded from here, and
/// whoever loses a mail may ask again.
pub const LINKS_MAX: i64 = 5;
pub const LINKS_COUNTED_FOR: Duration = Duration::from_hours(1);
/// Used or not, a link is forgotten then.
pub const LINKS_KEPT_FOR: Duration = Duration::from_hours(24);
/// How long the way through a provider may take: signing in there may need a second factor.
pub const PROVIDER_LIFETIME: Duration = Duration::from_mins(10);
/// A session ends then, however busy it is: people look at their tickets for weeks before a concert.
pub const SESSION_LIFETIME: Duration = Duration::from_hours(30 * 24);

/// The longest path that is led back to; the columns take as many characters.
const PATH_LENGTH_MAX: usize = 255;

/// A path of this site, maybe with a query: anything else could send somebody elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnPath(String);

impl ReturnPath {
    /// `None` for what is no path of this site.
    pub fn parse(text: &str) -> Option<Self> {
        // Browsers read a backslash as a slash, and two slashes as another host.
        let is_plain = text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        let is_local = text.starts_with('/') && !text.starts_with("//");
        (is_plain && is_local && text.len() <= PATH_LENGTH_MAX).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReturnPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_to_another_site() {
        for text in [
            "",
            "en",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\r\nb",
            "/ก",
            &format!("/{}", "a".repeat(255)),
        ] {
            assert_eq!(ReturnPath::parse(text), None, "{text:?}");
        }
        let path = ReturnPath::parse("/th/concerts/7?q=a%20b").unwrap();
        assert_eq!(path.as_str(), "/th/concerts/7?q=a%20b");
    }
}
