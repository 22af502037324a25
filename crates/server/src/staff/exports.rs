//! What a list shows, to take away: the links, and the files that they lead to.

use app::App;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use domain::role::Permission;

use super::frame::Frame;
use super::member::Member;
use crate::exports::{self, Ending, Table, TableFile};
use crate::http::path::Segment;
use crate::http::problem::Problem;
use crate::http::seen::Seen;
use crate::http::staff::Export;
use crate::http::web::Web;

pub fn routes() -> Router<Web> {
    Router::new().route("/staff/exports/{id}", get(send))
}

/// `GET /staff/exports/{reservations|concerts|audit-logs}.{csv|xlsx}` with the filters of the list
async fn send(
    State(app): State<App>,
    member: Member<Export>,
    Seen(seen): Seen,
    Segment(file): Segment<TableFile>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let asked = exports::Asked::Page(query.as_deref());
    exports::table(&app, file, asked, (seen, &member.acting)).await
}

/// A link to a file.
#[derive(Debug)]
pub struct Takeaway {
    pub href: String,
    pub label: String,
}

/// Links to a list's rows as files; none for who may not take them away.
pub(super) fn takeaway(frame: &Frame, table: Table, query: &str) -> Vec<Takeaway> {
    if frame.may(Permission::Export) {
        links(frame, &format!("/staff/exports/{}", table.as_str()), query)
    } else {
        Vec::new()
    }
}

/// Spreadsheets read Thai in a CSV only behind a byte order mark.
pub(super) fn links(frame: &Frame, path: &str, query: &str) -> Vec<Takeaway> {
    let link = |(ending, key, format): (Ending, &str, &str)| {
        let parts: Vec<_> = [query, format]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect();
        let joint = if parts.is_empty() { "" } else { "?" };
        Takeaway {
            href: format!("{path}.{}{joint}{}", ending.as_str(), parts.join("&")),
            label: frame.t(key),
        }
    };
    let both = [
        (Ending::Csv, "ex-csv", "bom=true"),
        (Ending::Xlsx, "ex-xlsx", ""),
    ];
    both.map(link).into()
}
