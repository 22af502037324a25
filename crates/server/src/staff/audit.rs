//! The audit log: who changed what, when and from where. Nothing here changes it.

use std::collections::BTreeSet;

use app::App;
use app::audit::{self, Filter};
use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use store::audit_logs::Entry;

use super::exports::{Takeaway, takeaway};
use super::frame::Frame;
use super::member::Member;
use crate::api::admin::audit_logs::read_filter;
use crate::api::{cursor, query};
use crate::exports::Table;
use crate::http::page::show;
use crate::http::pairs::{Pairs, value};
use crate::http::problem::Problem;
use crate::http::staff::ReadAuditLog;
use crate::http::web::Web;

const PATH: &str = "/staff/audit";
const SHOWN: u16 = 50;
const ACTIONS: [&str; 4] = ["CREATE", "UPDATE", "DELETE", "EXPORT"];
const TABLES: [&str; 10] = [
    "concerts",
    "reservations",
    "payments",
    "tickets",
    "mails",
    "customers",
    "admin_users",
    "admin_totp",
    "admin_recovery_codes",
    "staff_runs",
];

pub fn routes() -> Router<Web> {
    Router::new().route(PATH, get(list))
}

/// `GET /staff/audit?table_name=&record_id=&user_id=&action=&from=&to=&cursor=`
async fn list(
    State(app): State<App>,
    member: Member<ReadAuditLog>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let zone = &app.settings().timezone;
    let asked = Asked::read(query.as_deref().unwrap_or_default(), zone)?;
    // One more than is shown tells whether there is a next page.
    let wanted = (asked.behind, i32::from(SHOWN) + 1);
    let mut entries = audit::list(&app, &member.acting, &asked.filter, wanted).await?;
    let has_more = entries.len() > usize::from(SHOWN);
    entries.truncate(usize::from(SHOWN));
    let next = entries.last().filter(|_| has_more);
    let next = next.map(|last| asked.after(cursor::write_moment(last.created_at, last.id)));
    let frame = member.frame;
    let title = frame.t("staff-audit");
    let page = AuditPage {
        chain: chain(&app, &frame).await?,
        takeaway: takeaway(&frame, Table::AuditLogs, &asked.to_query()),
        lines: entries
            .iter()
            .map(|entry| Line::new(&frame, entry))
            .collect(),
        asked,
        tables: TABLES,
        actions: ACTIONS,
        next,
        frame: frame.titled(&title),
    };
    Ok(show(StatusCode::OK, &page))
}

/// How far the log is sealed, in a sentence.
async fn chain(app: &App, frame: &Frame) -> Result<String, Problem> {
    if !audit::has_seals(app).await? {
        return Ok(frame.t("audit-no-seals"));
    }
    let waiting = audit::unsealed(app).await?;
    let Some(waiting) = waiting else {
        return Ok(frame.t("audit-sealed"));
    };
    let seconds = i64::try_from(waiting.age.as_secs()).unwrap_or(i64::MAX);
    Ok(frame.lang().count("audit-unsealed", seconds))
}

/// What is looked for, as it stands in the address.
#[derive(Debug, Default)]
struct Asked {
    filter: Filter,
    behind: Option<(Timestamp, i32)>,
    /// As it was typed.
    typed: Pairs,
}

impl Asked {
    fn read(text: &str, zone: &TimeZone) -> Result<Self, Problem> {
        let mut asked = Self::default();
        query::read(text, |name, value| {
            match name {
                "cursor" => {
                    let place = cursor::read_moment(value).ok_or(query::WRONG_CURSOR)?;
                    asked.behind = Some(place);
                    return Ok(());
                }
                "lang" | "said" => return Ok(()),
                _ => read_filter(&mut asked.filter, (name, value), zone)?,
            }
            asked.typed.push((name.to_owned(), value.to_owned()));
            Ok(())
        })?;
        Ok(asked)
    }

    /// What stands in a field of the filters.
    fn value(&self, field: &str) -> &str {
        value(&self.typed, field)
    }

    /// The filters alone, as a query.
    fn to_query(&self) -> String {
        serde_urlencoded::to_string(&self.typed).unwrap_or_default()
    }

    /// The address of the next page.
    fn after(&self, cursor: String) -> String {
        let mut pairs = self.typed.clone();
        pairs.push(("cursor".to_owned(), cursor));
        format!(
            "{PATH}?{}",
            serde_urlencoded::to_string(pairs).unwrap_or_default()
        )
    }
}

#[derive(Debug, Template)]
#[template(path = "staff/audit.html")]
struct AuditPage {
    frame: Frame,
    chain: String,
    asked: Asked,
    tables: [&'static str; 10],
    actions: [&'static str; 4],
    lines: Vec<Line>,
    next: Option<String>,
    takeaway: Vec<Takeaway>,
}

/// One change.
#[derive(Debug)]
struct Line {
    at: String,
    who: String,
    action: String,
    table: String,
    record: String,
    address: Option<String>,
    request: Option<String>,
    /// How many fields changed, in words.
    count: String,
    changes: Vec<FieldChange>,
}

/// A field that was changed: what stood there, and what stands there since.
#[derive(Debug)]
struct FieldChange {
    name: String,
    before: String,
    after: String,
}

impl Line {
    fn new(frame: &Frame, entry: &Entry) -> Self {
        let kind = entry.actor_kind.as_deref().unwrap_or_default();
        let actor = entry.actor.as_deref().unwrap_or_default();
        let who = entry.username.clone();
        let changes = changes(entry.old_values.as_deref(), entry.new_values.as_deref());
        let count = i64::try_from(changes.len()).unwrap_or(i64::MAX);
        Self {
            count: frame.lang().count("audit-fields", count),
            changes,
            at: frame.moment(entry.created_at),
            who: who.unwrap_or_else(|| format!("{kind} {actor}").trim().to_owned()),
            action: entry.action.clone(),
            table: entry.table_name.clone(),
            record: entry.record_id.clone().unwrap_or_default(),
            address: entry.ip_address.clone(),
            request: entry.request_id.map(|id| id.to_string()),
        }
    }
}

/// The fields that differ, by name; of what was made or deleted all.
fn changes(old: Option<&str>, new: Option<&str>) -> Vec<FieldChange> {
    let (old, new) = (members(old), members(new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let change = |name: &String| {
        let (before, after) = (old.get(name), new.get(name));
        (before != after).then(|| FieldChange {
            name: name.clone(),
            before: written(before),
            after: written(after),
        })
    };
    names.into_iter().filter_map(change).collect()
}

fn members(json: Option<&str>) -> Map<String, Value> {
    let read = json.and_then(|text| serde_json::from_str(text).ok());
    read.unwrap_or_default()
}

fn written(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "–".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_shown() {
        let old = r#"{"status": "open", "price": "10.00", "image_url": null}"#;
        let new = r#"{"status": "closed", "price": "10.00", "image_url": "/a.svg"}"#;
        let shown = |old, new| {
            let changes = changes(old, new).into_iter();
            let shown = changes.map(|one| format!("{} {} {}", one.name, one.before, one.after));
            shown.collect::<Vec<_>>()
        };
        let both = shown(Some(old), Some(new));
        assert_eq!(both, ["image_url – /a.svg", "status open closed"]);
        assert_eq!(shown(None, Some(r#"{"a": 1}"#)), ["a – 1"]);
        assert_eq!(shown(Some(r#"{"a": 1}"#), None), ["a 1 –"]);
        assert!(shown(Some("not JSON"), None).is_empty());
    }
}
