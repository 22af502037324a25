//! Who looks at a page, as far as a page needs to know: language, theme, and what they hold.

use std::convert::Infallible;
use std::fmt;

use app::AccessKey;
use app::access::Holder;
use axum::extract::FromRequestParts;
use domain::id::ReservationId;
use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;
use http::request::Parts;

use crate::http::headers::cookie;
use crate::http::page::Theme;
use crate::http::web::Web;
use crate::i18n::Lang;

/// What a buyer holds stays in the browser: reservation ids with their access tokens.
const HOLDINGS_MAX: usize = 20;
/// 256 bits are 43 characters.
const TOKEN_LENGTH_MAX: usize = 64;
/// What the parts are called that aren't reservations.
const SESSION: &str = "s";
const PENDING: &str = "o";
const HOLDINGS_SECONDS: u32 = 90 * 24 * 60 * 60;

/// A visitor's language and theme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visitor {
    pub lang: Lang,
    pub theme: Theme,
}

impl Visitor {
    /// The path's language where it has one, else the cookie's or the browser's.
    pub fn of(path: &str, headers: &HeaderMap) -> Self {
        let first = path
            .trim_start_matches('/')
            .split('/')
            .next()
            .unwrap_or_default();
        let accepted = headers
            .get(ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok());
        let lang = first
            .parse()
            .unwrap_or_else(|_| Lang::negotiate(cookie(headers, "lang"), accepted));
        let theme = Theme::parse(cookie(headers, "theme").unwrap_or_default());
        Self { lang, theme }
    }
}

impl FromRequestParts<Web> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Web) -> Result<Self, Infallible> {
        Ok(Self::of(parts.uri.path(), &parts.headers))
    }
}

/// What one browser has of ours: the reservations whose tokens it has shown, newest first; its session
/// when its customer is signed in; and what proves that it began a sign-in at the provider.
#[derive(Clone, Default)]
pub struct Holdings {
    pairs: Vec<(ReservationId, String)>,
    session: Option<String>,
    pending: Option<String>,
    is_https: bool,
}

impl fmt::Debug for Holdings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&ReservationId> = self.pairs.iter().map(|(id, _)| id).collect();
        f.debug_struct("Holdings")
            .field("reservations", &ids)
            .finish_non_exhaustive()
    }
}

impl Holdings {
    fn of(headers: &HeaderMap, is_https: bool) -> Self {
        let parts = cookie(headers, Self::name(is_https)).unwrap_or_default();
        let parts = || parts.split('~').filter_map(|part| part.split_once('.'));
        let named = |wanted: &str| {
            let found = parts().find(|(name, token)| *name == wanted && is_token(token));
            found.map(|(_, token)| token.to_owned())
        };
        let pairs = parts()
            .filter_map(|(id, token)| Some((id.parse().ok()?, token.to_owned())))
            .take(HOLDINGS_MAX)
            .collect();
        Self {
            pairs,
            session: named(SESSION),
            pending: named(PENDING),
            is_https,
        }
    }

    /// The token of the session, whether it lives or not.
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// What this browser keeps of a sign-in that it began at the provider.
    pub fn pending(&self) -> Option<&str> {
        self.pending.as_deref()
    }

    pub fn set_pending(&mut self, token: Option<String>) {
        self.pending = token;
    }

    /// Of whoever signs in; whoever was signed in here before is so no more.
    pub fn set_session(&mut self, token: String) {
        self.session = Some(token);
    }

    /// The value of `Set-Cookie` that takes everything out of the browser.
    pub fn to_no_cookie(&self) -> String {
        self.set_cookie("", 0)
    }

    /// `__Host-` ties the cookie to this host and HTTPS (RFC 6265bis, 4.1.3.2).
    const fn name(is_https: bool) -> &'static str {
        if is_https {
            "__Host-stagedoor"
        } else {
            "stagedoor"
        }
    }

    /// Proof for a reservation, if this browser has its token.
    pub fn find(&self, key: &AccessKey, id: &ReservationId) -> Option<Holder> {
        let (_, token) = self.pairs.iter().find(|(held, _)| held == id)?;
        key.check(id, token)
    }

    /// Adds a token that was checked.
    pub fn add(&mut self, id: &ReservationId, token: &str) {
        self.pairs.retain(|(held, _)| held != id);
        self.pairs.insert(0, (id.clone(), token.to_owned()));
        self.pairs.truncate(HOLDINGS_MAX);
    }

    /// The value of `Set-Cookie`.
    pub fn to_cookie(&self) -> String {
        let named = [(SESSION, &self.session), (PENDING, &self.pending)];
        let named = named.into_iter().filter_map(|(name, token)| {
            let token = token.as_ref()?;
            Some(format!("{name}.{token}"))
        });
        let pairs = self.pairs.iter();
        let pairs = pairs.map(|(id, token)| format!("{id}.{token}"));
        let parts: Vec<String> = named.chain(pairs).collect();
        self.set_cookie(&parts.join("~"), HOLDINGS_SECONDS)
    }

    fn set_cookie(&self, value: &str, seconds: u32) -> String {
        let (name, secure) = (
            Self::name(self.is_https),
            if self.is_https { "; Secure" } else { "" },
        );
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
    }
}

/// Base64url: nothing else may get back into a header.
fn is_token(text: &str) -> bool {
    let is_of_tokens = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    text.len() <= TOKEN_LENGTH_MAX && text.bytes().all(is_of_tokens)
}

impl FromRequestParts<Web> for Holdings {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers, web.is_https()))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::COOKIE;

    use super::*;

    #[test]
    fn a_browser_keeps_its_newest_holdings() {
        let key = AccessKey::new(b"a secret of at least 32 characters");
        let id = |n: u64| ReservationId::new(jiff::Timestamp::UNIX_EPOCH, n);
        let mut holdings = Holdings::default();
        holdings.set_session("s".repeat(43));
        holdings.set_pending(Some("o".repeat(43)));
        for n in 0..25 {
            holdings.add(&id(n), &key.token(&id(n)));
        }
        let header = holdings.to_cookie();
        let sent = header.split(';').next().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_str(sent).unwrap());
        let read = Holdings::of(&headers, false);
        assert!(read.find(&key, &id(24)).is_some());
        assert!(read.find(&key, &id(4)).is_none());
        assert_eq!(read.session(), Some(&*"s".repeat(43)));
        assert_eq!(read.pending(), Some(&*"o".repeat(43)));
        assert!(sent.len() < 4096, "browsers keep cookies up to 4096 bytes");
    }

    #[test]
    fn the_paths_language_wins() {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_static("lang=en; theme=dark"));
        let visitor = Visitor::of("/th/concerts/1", &headers);
        assert_eq!(
            visitor,
            Visitor {
                lang: Lang::Th,
                theme: Theme::Dark
            }
        );
        assert_eq!(Visitor::of("/nonsense", &headers).lang, Lang::En);
    }
}
