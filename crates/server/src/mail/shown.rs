//! `GET /dev/mail?to=`: the mails that would have left, for development alone.

use app::App;
use app::mails::{self, Written};
use askama::Template;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::ACCEPT;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::http::page::{self, Layout};
use crate::http::problem::Problem;
use crate::http::web::Web;
use crate::shop::visitor::Visitor;

/// The newest first, as JSON, or as a page for a browser.
pub async fn list(
    State(web): State<Web>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mails = find(&web.app, &query.unwrap_or_default()).await?;
    let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    if !accepted.is_some_and(|accepted| accepted.contains("text/html")) {
        let items: Vec<Value> = mails.iter().map(shown).collect();
        return Ok(Json(json!({ "items": items })).into_response());
    }
    let visitor = Visitor::of("/dev/mail", &headers);
    let layout = Layout::new(&web.site, visitor.lang, visitor.theme, "/dev/mail");
    let layout = layout.without_lang_path();
    let title = layout.t("dev-mail-title");
    let page = MailsPage {
        layout: layout.titled(&title),
        mails,
    };
    Ok(page::show(StatusCode::OK, &page))
}

async fn find(app: &App, query: &str) -> Result<Vec<Written>, Problem> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    let to = pairs.into_iter().find(|(name, _)| name == "to");
    let to = to.map_or_else(String::new, |(_, to)| to.to_lowercase());
    // PostgreSQL's texts can't hold it.
    let to = to.replace('\0', "");
    let found = mails::list_written(app, &to).await?;
    found.ok_or_else(Problem::not_found)
}

fn shown(mail: &Written) -> Value {
    let attachments = mail.letter.attachments.iter().map(|file| {
        json!({
            "filename": file.filename,
            "content_type": file.content_type,
            "content_base64": STANDARD.encode(&file.content),
        })
    });
    json!({
        "to": mail.to,
        "subject": mail.letter.subject,
        "text": mail.letter.text,
        "html": mail.letter.html,
        "attachments": attachments.collect::<Vec<_>>(),
    })
}

#[derive(Debug, Template)]
#[template(path = "dev_mail.html")]
struct MailsPage {
    layout: Layout,
    mails: Vec<Written>,
}
