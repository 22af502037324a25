//! The page that was asked for: its frame, from path, query and cookies, and how it is answered.

use askama::Template;
use axum::extract::FromRequestParts;
use axum::response::Response;
use http::header::{ACCEPT_LANGUAGE, CACHE_CONTROL, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::visitor::Visitor;
use crate::http::headers::cookie;
use crate::http::page::{self, Layout};
use crate::http::problem::Problem;
use crate::http::web::Web;
use crate::i18n::Lang;

const COOKIE_SECONDS: u32 = 365 * 24 * 60 * 60;

/// A page of the shop; 404 when the path begins with no language of ours.
#[derive(Debug)]
pub struct Asked {
    pub layout: Layout,
    pub answer: Answer,
}

/// What goes out with the page besides it.
#[derive(Debug)]
pub struct Answer {
    /// Remembers the language where `/` would otherwise lead to the other one.
    language: Option<HeaderValue>,
}

impl Answer {
    /// A page that everybody may see. Browsers may keep it, but ask each time whether it changed.
    pub fn public(self, status: StatusCode, page: &impl Template) -> Response {
        let mut response = self.private(status, page);
        response
            .headers_mut()
            .insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        response
    }

    /// A page for one person; nothing keeps it.
    pub fn private(self, status: StatusCode, page: &impl Template) -> Response {
        let mut response = page::show(status, page);
        if let Some(cookie) = self.language {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        response
    }
}

impl FromRequestParts<Web> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let path = parts.uri.path().trim_start_matches('/');
        let (code, rest) = path.split_once('/').unwrap_or((path, ""));
        let lang: Lang = code.parse().map_err(|_| Problem::not_found())?;
        let visitor = Visitor::of(parts.uri.path(), &parts.headers);
        let layout = Layout::new(&web.site, lang, visitor.theme, &format!("/{rest}"))
            .with_query(parts.uri.query());
        let language = remember(lang, &parts.headers, web.is_https());
        Ok(Self {
            layout,
            answer: Answer { language },
        })
    }
}

/// The cookie `lang`, unless the visitor would get this language anyway.
pub(crate) fn remember(lang: Lang, headers: &HeaderMap, is_https: bool) -> Option<HeaderValue> {
    let accepted = headers
        .get(ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    if Lang::negotiate(cookie(headers, "lang"), accepted) == lang {
        return None;
    }
    let (code, secure) = (lang.as_str(), if is_https { "; Secure" } else { "" });
    let cookie =
        format!("lang={code}; Path=/; Max-Age={COOKIE_SECONDS}; SameSite=Lax; HttpOnly{secure}");
    HeaderValue::from_str(&cookie).ok()
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;

    #[test]
    fn a_language_is_remembered_only_when_it_was_a_choice() {
        let mut headers = HeaderMap::new();
        assert!(remember(Lang::En, &headers, true).is_none());
        assert!(remember(Lang::Th, &headers, true).is_some());
        headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static("th"));
        assert!(remember(Lang::Th, &headers, true).is_none());
        headers.insert(COOKIE, HeaderValue::from_static("lang=en"));
        let set = remember(Lang::Th, &headers, false).unwrap();
        assert!(set.to_str().unwrap().starts_with("lang=th; Path=/;"));
        assert!(!set.to_str().unwrap().contains("Secure"));
    }
}
