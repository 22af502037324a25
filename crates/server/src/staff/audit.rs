//! The audit log: who changed what, when and from where. Nothing here changes it.

use std::collections::BTreeSet;

use app::App;
use app::audit;
use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use serde_json::{Map, Value};
use store::audit_logs::Entry;

use super::choice;
use super::exports::{Takeaway, takeaway};
use super::form::{Field, summary};
use super::frame::Frame;
use super::member::Member;
use crate::api::admin::audit_logs::{ACTIONS, read_query};
use crate::api::cursor;
use crate::exports::Table;
use crate::http::fields::FieldError;
use crate::http::page::show;
use crate::http::pairs::{self, Pairs, value};
use crate::http::problem::Problem;
use crate::http::staff::ReadAuditLog;
use crate::http::web::Web;

const PATH: &str = "/staff/audit";
const SHOWN: u16 = 50;
/// What the log tells of: tables whose changes it has, and those of which functions of the database
/// tell.
const TABLES: [&str; 14] = [
    "concerts",
    "reservations",
    "payments",
    "tickets",
    "mails",
    "customers",
    "customer_identities",
    "admin_users",
    "admin_totp",
    "admin_recovery_codes",
    "sign_in_failures",
    "staff_runs",
    "audit_erasures",
    "audit_logs",
];

pub fn routes() -> Router<Web> {
    Router::new().route(PATH, get(list))
}

/// `GET /staff/audit?table_name=&record_id=&user_id=&action=&from=&to=&people=&cursor=`
async fn list(
    State(app): State<App>,
    member: Member<ReadAuditLog>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut asked = Asked::read(query.as_deref());
    let chain = chain(&app, &member.frame).await?;
    let account = choice::account(&app, &member.frame, asked.value(ACCOUNT)).await?;
    asked.replace(ACCOUNT, &account.number);
    let account = account.field;
    let read = read_query(&asked.to_query(), &app.settings().timezone);
    let (mut filter, behind, _) = match read {
        Ok(read) if account.error.is_none() => read,
        other => {
            let wrong = other.err().map_or_else(Vec::new, |problem| problem.errors);
            let page = AuditPage::new(member.frame, (chain, account), (asked, wrong));
            return Ok(show(StatusCode::UNPROCESSABLE_ENTITY, &page));
        }
    };
    filter.by_people = asked.is_by_people();
    // One more than is shown tells whether there is a next page.
    let wanted = (behind, i32::from(SHOWN) + 1);
    let entries = audit::list(&app, &member.acting, &filter, wanted).await?;
    let mut page = AuditPage::new(member.frame, (chain, account), (asked, Vec::new()));
    page.fill(&entries);
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

const ACCOUNT: &str = "user_id";
/// The page's own, which the API doesn't have.
const PEOPLE: &str = "people";
/// What can be looked for: the parameter, its input's type, if it has one, and its label.
const FILTERS: [(&str, &str, &str); 8] = [
    ("table_name", "", "audit-table"),
    ("action", "", "audit-action"),
    ("record_id", "search", "audit-record"),
    (ACCOUNT, "text", "audit-user"),
    ("from", "date", "audit-from"),
    ("to", "date", "audit-to"),
    (PEOPLE, "", "audit-people"),
    ("cursor", "", "sr-pages"),
];

/// What the address asks for, as it was typed.
#[derive(Debug)]
struct Asked(Pairs);

impl Asked {
    fn read(query: Option<&str>) -> Self {
        let pairs = pairs::of_query(query);
        let typed =
            FILTERS.map(|(name, ..)| (name.to_owned(), value(&pairs, name).trim().to_owned()));
        let given = typed.into_iter().filter(|(_, value)| !value.is_empty());
        Self(given.collect())
    }

    fn value(&self, name: &str) -> &str {
        value(&self.0, name)
    }

    /// The same with another value, or without one.
    fn replace(&mut self, name: &str, value: &str) {
        self.0.retain(|(other, _)| other != name);
        if !value.is_empty() {
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    fn is_by_people(&self) -> bool {
        self.value(PEOPLE) == "true"
    }

    /// What the API is asked by it.
    fn to_query(&self) -> String {
        let pairs = self.0.iter().filter(|(name, _)| name != PEOPLE);
        serde_urlencoded::to_string(pairs.collect::<Vec<_>>()).unwrap_or_default()
    }

    /// Whether anything but the whole log is asked for.
    fn is_narrow(&self) -> bool {
        self.0.iter().any(|(name, _)| name != "cursor")
    }

    /// The filters alone, for all pages of the list.
    fn filters(&self) -> Pairs {
        let kept = self.0.iter().filter(|(name, _)| name != "cursor");
        kept.cloned().collect()
    }

    /// The address of the page behind that place.
    fn after(&self, cursor: String) -> String {
        let mut pairs = self.filters();
        pairs.push(("cursor".to_owned(), cursor));
        let query = serde_urlencoded::to_string(pairs).unwrap_or_default();
        format!("{PATH}?{query}")
    }
}

#[derive(Debug, Template)]
#[template(path = "staff/audit.html")]
struct AuditPage {
    frame: Frame,
    chain: String,
    errors: Vec<(&'static str, String)>,
    /// The filters that are chosen.
    choices: [Choices; 2],
    /// Those that are typed.
    fields: Vec<Field>,
    lines: Vec<Line>,
    next: Option<String>,
    takeaway: Vec<Takeaway>,
    asked: Asked,
}

/// A filter that is chosen, not typed.
#[derive(Debug)]
struct Choices {
    field: Field,
    all: &'static [&'static str],
}

impl AuditPage {
    /// The filters as they were typed, and what is wrong with them.
    fn new(
        frame: Frame,
        (chain, account): (String, Field),
        (asked, wrong): (Asked, Vec<FieldError>),
    ) -> Self {
        let field = |(name, kind, label)| {
            let field = Field::new(name, kind, frame.t(label));
            let field = Field {
                is_required: false,
                ..field
            };
            field.filled(frame.lang(), asked.value(name).to_owned(), &wrong)
        };
        let fields = FILTERS.map(field).map(|field| match field.name {
            // Shown as it was typed, whatever it was found to mean.
            ACCOUNT => Field {
                error: account.error.clone().or(field.error),
                ..account.clone()
            },
            _ => field,
        });
        let errors = summary(&fields);
        let [table, action, record, user, from, to, ..] = fields;
        let filters = serde_urlencoded::to_string(asked.filters()).unwrap_or_default();
        let takeaway = if errors.is_empty() {
            takeaway(&frame, Table::AuditLogs, &filters)
        } else {
            Vec::new()
        };
        let title = frame.t("staff-audit");
        let choices = |field, all: &'static [&'static str]| Choices { field, all };
        Self {
            chain,
            errors,
            choices: [choices(table, &TABLES), choices(action, &ACTIONS)],
            fields: vec![record, user, from, to],
            lines: Vec::new(),
            next: None,
            takeaway,
            asked,
            frame: frame.titled(&title),
        }
    }

    fn fill(&mut self, entries: &[Entry]) {
        let shown = &entries[..entries.len().min(usize::from(SHOWN))];
        let last = shown.last().filter(|_| entries.len() > shown.len());
        let place = last.map(|last| cursor::write_moment(last.created_at, last.id));
        self.next = place.map(|place| self.asked.after(place));
        let lines = shown.iter().map(|entry| Line::new(&self.frame, entry));
        self.lines = lines.collect();
    }
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
            at: frame.exact_moment(entry.created_at),
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
