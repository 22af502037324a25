//! Who looks at a page, as far as a page needs to know: language, theme, and what they hold.

use std::convert::Infallible;

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

/// The reservations whose tokens this browser has shown, newest first.
#[derive(Clone, Debug, Default)]
pub struct Holdings {
    pairs: Vec<(ReservationId, String)>,
    is_https: bool,
}

impl Holdings {
    fn of(headers: &HeaderMap, is_https: bool) -> Self {
        let pairs = cookie(headers, Self::name(is_https))
            .unwrap_or_default()
            .split('~')
            .filter_map(|pair| pair.split_once('.'))
            .filter_map(|(id, token)| Some((id.parse().ok()?, token.to_owned())))
            .take(HOLDINGS_MAX)
            .collect();
        Self { pairs, is_https }
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
        let pairs: Vec<String> = self
            .pairs
            .iter()
            .map(|(id, token)| format!("{id}.{token}"))
            .collect();
        let (name, secure) = (
            Self::name(self.is_https),
            if self.is_https { "; Secure" } else { "" },
        );
        format!(
            "{name}={}; Path=/; Max-Age={HOLDINGS_SECONDS}; HttpOnly; SameSite=Lax{secure}",
            pairs.join("~")
        )
    }
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
