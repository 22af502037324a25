//! The types that configuration values are parsed into, each with its one parser.
//!
//! A parser says only yes or no; the sentence about what is allowed stands in `build`.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// Durations over ten years are typing errors, and would overflow instants.
const DURATION_SECONDS_MAX: u64 = 3650 * 86_400;

/// A text that no log, error or debug output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(********)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

/// What an installation is for: defaults and refusals depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    Development,
    Production,
}

impl Environment {
    pub fn is_production(self) -> bool {
        self == Self::Production
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Coloured lines for people.
    Pretty,
    /// One object a line for machines.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentProvider {
    Sandbox,
    Stripe,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateLimit {
    On,
    Off,
}

/// Where the public reaches the shop: scheme, host and port, without a path or a closing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    text: String,
    https: bool,
}

impl BaseUrl {
    /// Nothing when it isn't an `http` or `https` URL that is all origin.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let (https, uri) = web_url(text)?;
        // The parsed path of an origin alone is "/"; `?`, `#` and user names have no place in links.
        let is_origin = uri.path() == "/" && uri.query().is_none() && !text.contains(['#', '@']);
        is_origin.then(|| Self {
            text: text.to_ascii_lowercase(),
            https,
        })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn is_https(&self) -> bool {
        self.https
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// An `http` or `https` URL with a host, and whether it is `https`.
pub(super) fn web_url(text: &str) -> Option<(bool, http::Uri)> {
    let uri: http::Uri = text.parse().ok()?;
    let https = match uri.scheme_str()? {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    (!uri.host()?.is_empty()).then_some((https, uri))
}

/// Whether a URL's host is this machine itself.
pub(super) fn is_loopback(uri: &http::Uri) -> bool {
    let Some(host) = uri.host() else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// A whole number and one of `s`, `m`, `h`, `d`: `1s`, `10m`, `48h`, `2d`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (unit_at, unit) = text.char_indices().next_back()?;
    let seconds_per_unit = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let number = &text[..unit_at];
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = number.parse::<u64>().ok()?.checked_mul(seconds_per_unit)?;
    (seconds <= DURATION_SECONDS_MAX).then(|| Duration::from_secs(seconds))
}

/// A mail address: one `@` with something on both sides, no white space or control characters.
pub(super) fn parse_mail_address(text: &str) -> Option<String> {
    let (local, domain) = text.split_once('@')?;
    let good = !local.is_empty()
        && !domain.is_empty()
        && !domain.contains('@')
        && !text.contains(|character: char| character.is_whitespace() || character.is_control());
    good.then(|| text.to_owned())
}
