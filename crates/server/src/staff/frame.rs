//! The frame around every page for staff: where one can go, who one is, what was just done.

use app::payments;
use app::staff::StaffMember;
use askama::Template;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use domain::role::{Permission, Role};
use http::header::SET_COOKIE;
use http::{HeaderMap, Method, StatusCode, Uri};
use jiff::Timestamp;

use super::member;
use crate::http::page::{ErrorPage, Layout, show};
use crate::http::pairs::{self, Pairs, value};
use crate::http::problem::Problem;
use crate::http::web::Web;
use crate::i18n::Lang;
use crate::shop::asked::remember;
use crate::shop::visitor::Visitor;

pub const HOME: &str = "/staff";
/// Queries that say something about one answer, and aren't part of the page's address.
const SAID: &str = "said";
const LANG: &str = "lang";

/// Sections in the order of the navigation; who may not read one doesn't see it.
const SECTIONS: [Section; 9] = [
    Section {
        path: HOME,
        label: "staff-home",
        permission: None,
    },
    Section {
        path: "/staff/concerts",
        label: "sc-title",
        permission: Some(Permission::ReadConcerts),
    },
    Section {
        path: "/staff/reservations",
        label: "sr-title",
        permission: Some(Permission::ReadReservations),
    },
    Section {
        path: "/staff/reports",
        label: "rp-title",
        permission: Some(Permission::ReadReports),
    },
    Section {
        path: "/staff/mails",
        label: "staff-mails",
        permission: Some(Permission::ReadMails),
    },
    Section {
        path: "/staff/users",
        label: "staff-users",
        permission: Some(Permission::ReadUsers),
    },
    Section {
        path: "/staff/audit",
        label: "staff-audit",
        permission: Some(Permission::ReadAuditLog),
    },
    Section {
        path: "/staff/health",
        label: "health-title",
        permission: Some(Permission::ReadHealth),
    },
    Section {
        path: "/staff/account",
        label: "staff-account",
        permission: None,
    },
];

struct Section {
    path: &'static str,
    label: &'static str,
    permission: Option<Permission>,
}

/// Every page's struct has one in its field `frame`.
#[derive(Clone, Debug)]
pub struct Frame {
    pub layout: Layout,
    pub nav: Vec<NavItem>,
    pub username: String,
    pub role: Role,
    /// What was just done, when this page follows an act.
    pub said: Option<String>,
}

/// A link of the navigation.
#[derive(Clone, Debug)]
pub struct NavItem {
    pub href: &'static str,
    pub label: String,
    pub is_here: bool,
}

impl Frame {
    pub(super) fn of((uri, headers): (&Uri, &HeaderMap), web: &Web, member: &StaffMember) -> Self {
        let layout = layout_of(uri, headers, web);
        let path = layout.path.clone();
        let nav = SECTIONS
            .iter()
            .filter(|section| {
                section
                    .permission
                    .is_none_or(|wanted| member.role.may(wanted))
            })
            .map(|section| NavItem {
                href: section.path,
                label: layout.t(section.label),
                is_here: is_within(&path, section.path),
            })
            .collect();
        let pairs = pairs::of_query(uri.query());
        let said = said_sentence(layout.lang, value(&pairs, SAID));
        Self {
            layout,
            nav,
            username: member.username.clone(),
            role: member.role,
            said,
        }
    }

    /// For whoever isn't known here: nowhere to go, and nothing that they may.
    fn of_stranger(layout: Layout) -> Self {
        Self {
            layout,
            nav: Vec::new(),
            username: String::new(),
            role: Role::Moderator,
            said: None,
        }
    }

    #[must_use]
    pub fn titled(self, title: &str) -> Self {
        Self {
            layout: self.layout.titled(title),
            ..self
        }
    }

    pub const fn lang(&self) -> Lang {
        self.layout.lang
    }

    pub fn t(&self, key: &str) -> String {
        self.layout.t(key)
    }

    /// A day and a time by the concerts' clock.
    pub fn moment(&self, at: Timestamp) -> String {
        let zone = &self.layout.site.time_zone;
        let day = self.lang().date_short(zone.to_datetime(at).date());
        format!("{day} {}", self.lang().time(at, zone))
    }

    /// The same with seconds, for what happens at nearly one time.
    pub fn exact_moment(&self, at: Timestamp) -> String {
        let zone = &self.layout.site.time_zone;
        let day = self.lang().date_short(zone.to_datetime(at).date());
        format!("{day} {}", self.lang().time_exact(at, zone))
    }

    /// Where money came from: a provider by its name, or somebody's hand.
    pub fn provider(&self, name: &str) -> String {
        if name == payments::MANUAL {
            self.t("sr-by-hand")
        } else {
            name.to_owned()
        }
    }

    /// For what a page shows; every act asks anew.
    pub const fn may(&self, permission: Permission) -> bool {
        self.role.may(permission)
    }

    pub fn role_name(&self) -> String {
        self.t(role_key(self.role))
    }
}

/// The key of a role's name in the texts.
pub const fn role_key(role: Role) -> &'static str {
    match role {
        Role::Superadmin => "staff-role-superadmin",
        Role::Admin => "staff-role-admin",
        Role::Moderator => "staff-role-moderator",
    }
}

/// 303 to a page of ours, which then says the text `said-…`.
pub fn done(path: &str, said: &str) -> Response {
    let joint = if path.contains('?') { '&' } else { '?' };
    Redirect::to(&format!("{path}{joint}{SAID}={said}")).into_response()
}

/// The text of what was done; whatever else stands in an address says nothing.
fn said_sentence(lang: Lang, said: &str) -> Option<String> {
    let is_word = said
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let key = format!("said-{said}");
    let text = lang.text(&key);
    (is_word && text != key).then_some(text)
}

fn is_within(path: &str, section: &str) -> bool {
    path == section
        || (section != HOME
            && path
                .strip_prefix(section)
                .is_some_and(|rest| rest.starts_with('/')))
}

/// A page without its sections: for whoever isn't signed in.
pub(super) fn layout_of(uri: &Uri, headers: &HeaderMap, web: &Web) -> Layout {
    let visitor = Visitor::of(uri.path(), headers);
    let pairs = pairs::of_query(uri.query());
    let lang = asked_lang(&pairs).unwrap_or(visitor.lang);
    let kept = pairs.into_iter();
    let kept: Vec<_> = kept
        .filter(|(name, _)| name != SAID && name != LANG)
        .collect();
    let query = serde_urlencoded::to_string(kept).unwrap_or_default();
    Layout::new(&web.site, lang, visitor.theme, uri.path())
        .without_lang_path()
        .with_query(Some(&query))
}

fn asked_lang(pairs: &Pairs) -> Option<Lang> {
    value(pairs, LANG).parse().ok()
}

/// Pages have one address for both languages: `?lang=` chooses one, and is remembered.
pub(super) async fn remember_language(
    State(web): State<Web>,
    request: Request,
    next: Next,
) -> Response {
    let lang = asked_lang(&pairs::of_query(request.uri().query()));
    let cookie = lang.and_then(|lang| remember(lang, request.headers(), web.is_https()));
    let mut response = next.run(request).await;
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// The frame of a page about what couldn't be done. Who looks at it is asked only where the fault is
/// theirs: a database that is down or busy isn't asked for the sake of a navigation.
pub async fn frame_of_error(
    status: StatusCode,
    (uri, headers): (&Uri, &HeaderMap),
    web: &Web,
) -> Frame {
    let is_theirs = status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS;
    let found = if is_theirs {
        member::look(headers, web).await
    } else {
        None
    };
    match found {
        Some(signed_in) => Frame::of((uri, headers), web, signed_in.member()),
        None => Frame::of_stranger(layout_of(uri, headers, web)),
    }
}

/// What couldn't be done, in the words of the area and with a way back into it.
pub fn error_page(status: StatusCode, path: &str, frame: &Frame) -> ErrorPage {
    let page = ErrorPage::new(frame.layout.clone(), status);
    let poster_of = path.strip_suffix("/poster");
    match (status, poster_of) {
        (StatusCode::PAYLOAD_TOO_LARGE, Some(concert)) => ErrorPage {
            sentence: frame.t("sc-poster-bytes"),
            ..page.leading_to(concert, "staff-back")
        },
        (StatusCode::NOT_FOUND, _) => ErrorPage {
            sentence: frame.t("staff-error-404-sentence"),
            ..page.leading_to(HOME, "staff-error-next")
        },
        _ => page.leading_to(HOME, "staff-error-next"),
    }
}

/// Shows it in the frame.
pub fn show_error(frame: Frame, page: ErrorPage) -> Response {
    let status = StatusCode::from_u16(page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let frame = Frame {
        layout: page.layout.clone(),
        ..frame
    };
    show(status, &FramedError { frame, page })
}

#[derive(Debug, Template)]
#[template(path = "staff/error.html")]
struct FramedError {
    frame: Frame,
    page: ErrorPage,
}

/// An address that only takes forms answers some of them with a page, whose switches of language and
/// theme lead to the same address: whoever follows them gets the page on which the form stood.
pub(super) async fn show_where_form_stood(method: Method, uri: Uri) -> Result<Response, Problem> {
    if method != Method::GET {
        return Err(Problem::of_status(StatusCode::METHOD_NOT_ALLOWED));
    }
    Ok(Redirect::to(page_of_form(uri.path())).into_response())
}

fn page_of_form(path: &str) -> &str {
    let lists = ["/staff/account", "/staff/mails", "/staff/users"];
    let list = lists.into_iter().find(|list| is_within(path, list));
    let parent = path.rsplit_once('/').map_or(HOME, |(parent, _)| parent);
    list.unwrap_or(parent)
}

/// A page about an act that isn't possible, with what to do instead.
pub fn refused(frame: Frame, status: StatusCode, sentence: String, back: String) -> Response {
    let title = frame.t("staff-refused");
    let page = RefusedPage {
        frame: frame.titled(&title),
        sentence,
        back,
    };
    show(status, &page)
}

#[derive(Debug, Template)]
#[template(path = "staff/refused.html")]
struct RefusedPage {
    frame: Frame,
    sentence: String,
    back: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forms_address_leads_to_the_page_on_which_the_form_stood() {
        for (form, page) in [
            ("/staff/account/totp/confirm", "/staff/account"),
            ("/staff/concerts/7/poster", "/staff/concerts/7"),
            ("/staff/mails/7/retry", "/staff/mails"),
            ("/staff/reservations/bulk", "/staff/reservations"),
            ("/staff/sign-out", "/staff"),
            ("/staff/users/7/role", "/staff/users"),
        ] {
            assert_eq!(page_of_form(form), page);
        }
    }
}
