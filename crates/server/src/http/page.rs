//! What every page has in common: its language, theme, addresses and head, and the error page.
//! Which error becomes which status is decided elsewhere; this file only words and shows it.

use std::sync::Arc;

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use jiff::tz::TimeZone;

use crate::i18n::{Lang, number};

/// What stays the same from start to end of the server and every page needs.
#[derive(Debug)]
pub struct Site {
    /// `https://tickets.example.com`, without a slash at the end.
    pub base_url: String,
    /// Where the concerts are: decides dates and times that people read.
    pub time_zone: TimeZone,
    pub assets: Assets,
}

/// The addresses of the files that every page loads, with their content's hash where there is one.
#[derive(Clone, Debug)]
pub struct Assets {
    pub css: String,
    pub js: String,
    /// What pages for staff load besides.
    pub staff_css: String,
    pub staff_js: String,
    /// For pages for staff that show how something goes on.
    pub htmx: String,
    /// For the page that follows a sale.
    pub staff_live: String,
    pub icon: String,
}

impl Assets {
    /// Asks `served_as` for the address of each file, given its path below `/assets`.
    pub fn new<'a>(served_as: impl Fn(&str) -> Option<&'a str>) -> Self {
        let address = |path: &str| format!("/assets{}", served_as(path).unwrap_or(path));
        Self {
            css: address("/site.css"),
            js: address("/site.js"),
            staff_css: address("/staff.css"),
            staff_js: address("/staff.js"),
            htmx: address("/vendor/htmx-4.0.1.min.js"),
            staff_live: address("/staff_live.js"),
            icon: address("/favicon.svg"),
        }
    }
}

/// Light or dark, by the visitor's choice; without one the device's setting decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    pub const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// The value in the form and in the cookie `theme`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Anything unknown, like no cookie at all, follows the device.
    pub fn parse(value: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|theme| theme.as_str() == value)
            .unwrap_or_default()
    }

    /// What the browser may use for its own parts: the value of `meta name=color-scheme`.
    pub const fn color_scheme(self) -> &'static str {
        match self {
            Self::System => "light dark",
            Self::Light | Self::Dark => self.as_str(),
        }
    }

    /// The key of its name in the texts.
    pub const fn key(self) -> &'static str {
        match self {
            Self::System => "theme-system",
            Self::Light => "theme-light",
            Self::Dark => "theme-dark",
        }
    }
}

/// The frame around a page's content. Every page's struct has one in its field `layout`.
#[derive(Clone, Debug)]
pub struct Layout {
    pub site: Arc<Site>,
    pub lang: Lang,
    pub theme: Theme,
    /// The page's path below its language: `/`, `/concerts/7`.
    pub path: String,
    /// `?q=…` where the address has one: kept when language or theme change, not canonical.
    pub query: String,
    /// Whether addresses begin with the language; else it is the query's `lang`, or the visitor's.
    pub has_lang_path: bool,
    /// What browsers tell of this page's address to what it loads and leads to.
    pub referrer: &'static str,
    pub title: String,
    pub description: String,
    /// Whether search engines may list the page. Only public pages say so.
    pub indexed: bool,
    /// Absolute address of a picture for link previews.
    pub picture: Option<String>,
}

impl Layout {
    /// A private page without title; `titled` and `public` complete it.
    pub fn new(site: &Arc<Site>, lang: Lang, theme: Theme, path: &str) -> Self {
        Self {
            site: Arc::clone(site),
            lang,
            theme,
            path: path.to_owned(),
            query: String::new(),
            has_lang_path: true,
            referrer: "same-origin",
            title: lang.text("brand"),
            description: String::new(),
            indexed: false,
            picture: None,
        }
    }

    /// Keeps the address's query (without its `?`) in the language and theme switches.
    #[must_use]
    pub fn with_query(mut self, query: Option<&str>) -> Self {
        self.query = query
            .filter(|text| !text.is_empty())
            .map(|text| format!("?{text}"))
            .unwrap_or_default();
        self
    }

    /// For a page that has one address for all languages.
    #[must_use]
    pub fn without_lang_path(self) -> Self {
        Self {
            has_lang_path: false,
            ..self
        }
    }

    /// For a page whose address is a secret. Its header says `no-referrer`, which would make browsers
    /// send its form without its origin, and over plain HTTP no form is taken without; of the address
    /// the origin alone tells as little.
    #[must_use]
    pub fn at_secret_address(self) -> Self {
        Self {
            referrer: "strict-origin",
            ..self
        }
    }

    #[must_use]
    pub fn titled(mut self, title: &str) -> Self {
        let site = self.lang.text("brand");
        self.title = self
            .lang
            .text_with("page-title", &[("title", title), ("site", &site)]);
        self
    }

    /// Opens the page to search engines, with the sentence they show.
    #[must_use]
    pub fn public(mut self, description: String) -> Self {
        self.indexed = true;
        self.description = description;
        self
    }

    /// The text of a key in the page's language.
    pub fn t(&self, key: &str) -> String {
        self.lang.text(key)
    }

    /// The address of a path of this site in the page's language: `/concerts/7` → `/en/concerts/7`.
    pub fn href(&self, path: &str) -> String {
        format!("/{}{path}", self.lang.as_str())
    }

    /// This page itself, with its query.
    pub fn here(&self) -> String {
        self.href_in(self.lang)
    }

    /// This page's one address for search engines.
    pub fn canonical(&self) -> String {
        self.canonical_in(self.lang)
    }

    /// Where search engines send people whose language isn't known.
    pub fn canonical_default(&self) -> String {
        self.canonical_in(Lang::default())
    }

    fn href_in(&self, lang: Lang) -> String {
        let (path, query, lang) = (&self.path, &self.query, lang.as_str());
        if self.has_lang_path {
            return format!("/{lang}{path}{query}");
        }
        let joint = if query.is_empty() { '?' } else { '&' };
        format!("{path}{query}{joint}lang={lang}")
    }

    fn canonical_in(&self, lang: Lang) -> String {
        format!("{}/{}{}", self.site.base_url, lang.as_str(), self.path)
    }

    /// The page in each language, for the switch and for search engines.
    pub fn languages(&self) -> [Edition; 2] {
        Lang::ALL.map(|lang| Edition {
            code: lang.as_str(),
            name: lang.native_name(),
            href: self.href_in(lang),
            canonical: self.canonical_in(lang),
            current: lang == self.lang,
        })
    }

    /// The choices of the theme switch.
    pub fn themes(&self) -> [Theme; 3] {
        Theme::ALL
    }

    pub fn has_theme(&self, theme: &Theme) -> bool {
        self.theme == *theme
    }
}

/// The same page in one of the languages.
#[derive(Debug)]
pub struct Edition {
    pub code: &'static str,
    pub name: &'static str,
    pub href: String,
    pub canonical: String,
    pub current: bool,
}

/// The page for whatever couldn't be done, in the same look as all others.
#[derive(Debug, Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    pub layout: Layout,
    pub status: u16,
    pub heading: String,
    pub sentence: String,
    /// Where it leads, and what the link says.
    pub next: (String, String),
    /// When to try again, as a sentence.
    pub retry: Option<String>,
    /// Finds the line in the log; worth showing when the fault is ours.
    pub request_id: Option<String>,
}

impl ErrorPage {
    pub fn new(layout: Layout, status: StatusCode) -> Self {
        let (heading, sentence) = wording(status);
        let (heading, sentence) = (layout.t(heading), layout.t(sentence));
        let next = (layout.href("/"), layout.t("error-next-home"));
        let layout = layout.titled(&heading);
        Self {
            layout,
            status: status.as_u16(),
            next,
            heading,
            sentence,
            retry: None,
            request_id: None,
        }
    }

    /// Leads to another place than the concerts.
    #[must_use]
    pub fn leading_to(mut self, href: &str, label: &str) -> Self {
        self.next = (href.to_owned(), self.layout.t(label));
        self
    }

    /// Says when to try again: seconds up to two minutes, then minutes, rounded up.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        let shown = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.retry = Some(if seconds <= 120 {
            self.layout
                .lang
                .count("retry-seconds", shown(seconds.max(1)))
        } else {
            self.layout
                .lang
                .count("retry-minutes", shown(seconds.div_ceil(60)))
        });
        self
    }

    #[must_use]
    pub fn with_request_id(mut self, id: &str) -> Self {
        self.request_id = Some(id.to_owned());
        self
    }

    pub fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        show(status, &self)
    }
}

/// The keys of heading and sentence for a status; statuses without words of their own borrow
/// those of the nearest one.
fn wording(status: StatusCode) -> (&'static str, &'static str) {
    match status.as_u16() {
        401 | 403 => ("error-403-title", "error-403-sentence"),
        404 => ("error-404-title", "error-404-sentence"),
        405 => ("error-405-title", "error-405-sentence"),
        410 => ("error-410-title", "error-410-sentence"),
        413 => ("error-413-title", "error-413-sentence"),
        422 => ("error-422-title", "error-422-sentence"),
        429 => ("error-429-title", "error-429-sentence"),
        503 | 504 => ("error-503-title", "error-503-sentence"),
        code if code < 500 => ("error-400-title", "error-400-sentence"),
        _ => ("error-500-title", "error-500-sentence"),
    }
}

/// Renders a page. A template that fails is a fault of ours without a page to show it on.
pub fn show(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A count as people write it.
pub fn figure(count: i32) -> String {
    number(i64::from(count))
}
