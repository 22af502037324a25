//! Importing concerts: a file is shown as what it would make, or with what is wrong in it, before it
//! makes anything.

mod sent;

use app::App;
use app::import::{
    self, COLUMNS, COLUMNS_MAX, Format, ImportError, NAME_CHARS_MAX, ROWS_MAX, RowError, RowReason,
};
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use domain::concert::{Capacity, ConcertStatus, NewConcert};
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

use super::form::sentence;
use super::frame::{Frame, done};
use super::member::Member;
use crate::http::fields::FieldReason;
use crate::http::page::{figure, show};
use crate::http::problem::{Code, Problem};
use crate::http::staff::EditConcerts;
use crate::http::web::Web;
use crate::i18n::{Lang, number};
use crate::shop::price;
use sent::{Fault, Sent};

pub use sent::BYTES_MAX;

const LIST: &str = "/staff/concerts";
/// More rows of a preview nobody reads; they are counted.
const SHOWN_MAX: usize = 200;
/// Who has so much wrong has one thing wrong with all of it.
const ERRORS_MAX: usize = 100;
/// Of what a reader says about a broken file, and of a column's name.
const DETAIL_MAX: usize = 200;
/// A longer text isn't shown again to be mended in place.
const SHOWN_TEXT_MAX: usize = 64 * 1024;

pub fn routes() -> Router<Web> {
    Router::new()
        .route("/staff/concerts/import", get(show_form).post(take))
        .route("/staff/concerts/import/template.csv", get(template))
}

/// `GET /staff/concerts/import`
async fn show_form(member: Member<EditConcerts>) -> Response {
    show(StatusCode::OK, &ImportPage::new(member.frame))
}

/// `GET /staff/concerts/import/template.csv`
async fn template(_member: Member<EditConcerts>) -> Response {
    let head = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"concerts.csv\""),
    ];
    (head, import::TEMPLATE).into_response()
}

/// `POST /staff/concerts/import`: a preview, or what was previewed is made.
async fn take(
    State(app): State<App>,
    member: Member<EditConcerts>,
    sent: Result<Sent, Problem>,
) -> Result<Response, Problem> {
    let read = match sent {
        Ok(sent) => sent.read(),
        Err(problem) if problem.code == Code::PayloadTooLarge => Err(Fault::TooManyBytes),
        Err(problem) => return Err(problem),
    };
    let file = match read {
        Ok(file) => file,
        Err(fault) => return Ok(ImportPage::new(member.frame).faulty(fault)),
    };
    let content = (Format::of(&file.content), &*file.content);
    let previewed = if file.is_previewed && file.is_confirmed {
        None
    } else {
        Some(import::preview(&app, content).await)
    };
    let outcome = match previewed {
        // What is over is asked once more.
        Some(Ok(new)) if !file.is_previewed || over(&app, &new) > 0 => Ok(Some(new)),
        Some(Err(error)) => Err(error),
        _ => import::import_new(&app, member.acting, content)
            .await
            .map(|_| None),
    };
    match outcome {
        Ok(None) => Ok(done(LIST, "concerts-imported")),
        Ok(Some(new)) => {
            let status = if file.is_previewed {
                StatusCode::UNPROCESSABLE_ENTITY
            } else {
                StatusCode::OK
            };
            let page = ImportPage::new(member.frame);
            Ok(show(status, &page.previewing(&app, &new, &file.content)))
        }
        Err(ImportError::Done) if file.is_previewed => Ok(done(LIST, "concerts-imported-before")),
        Err(ImportError::Done) => {
            let page = ImportPage::new(member.frame);
            Ok(page.faulty(Fault::Done))
        }
        Err(ImportError::Rows(errors)) => {
            let page = ImportPage::new(member.frame);
            Ok(page.wrong(&errors, file.content))
        }
        Err(ImportError::Crowded) => Err(Problem::overloaded()),
        Err(ImportError::Store(error)) => Err(error.into()),
    }
}

/// How many of them have a day that is over.
fn over(app: &App, new: &[NewConcert]) -> usize {
    let today = app.today();
    new.iter().filter(|one| one.date < today).count()
}

#[derive(Debug, Template)]
#[template(path = "staff/import.html")]
struct ImportPage {
    frame: Frame,
    title: String,
    errors: Vec<(&'static str, String)>,
    /// What is wrong with what was sent as a whole.
    fault: Option<String>,
    /// What is wrong in it: place, column, sentence.
    wrong: Vec<[String; 3]>,
    /// That more is wrong than is shown.
    wrong_first: Option<String>,
    text: String,
    preview: Option<Preview>,
}

#[derive(Debug)]
struct Preview {
    sentence: String,
    shown_first: Option<String>,
    /// That some have a day that is over, which is asked once more.
    over: Option<String>,
    submit: String,
    rows: Vec<Row>,
    content: String,
}

/// A concert that would be made.
#[derive(Debug)]
struct Row {
    number: String,
    artist: String,
    name: String,
    date: String,
    is_over: bool,
    venue: String,
    tickets: String,
    price: String,
    status: String,
}

impl ImportPage {
    fn new(frame: Frame) -> Self {
        let title = frame.t("si-title");
        Self {
            frame: frame.titled(&title),
            title,
            errors: Vec::new(),
            fault: None,
            wrong: Vec::new(),
            wrong_first: None,
            text: String::new(),
            preview: None,
        }
    }

    fn faulty(self, fault: Fault) -> Response {
        let sentence = self.frame.t(fault.key());
        let page = Self {
            errors: vec![("file", sentence.clone())],
            fault: Some(sentence),
            ..self
        };
        show(StatusCode::UNPROCESSABLE_ENTITY, &page)
    }

    fn wrong(self, errors: &[RowError], content: String) -> Response {
        let lang = self.frame.lang();
        let sentence = lang.count("si-wrong", count(errors.len()));
        let shown = errors.iter().take(ERRORS_MAX);
        let wrong = shown.map(|error| {
            let place = match error.row {
                0 => lang.text("si-whole"),
                row => number(count(row)),
            };
            let column = error.column.as_deref().unwrap_or("–");
            [place, shorten(column), reason(lang, &error.reason)]
        });
        let page = Self {
            errors: vec![("wrong", sentence)],
            wrong: wrong.collect(),
            wrong_first: (errors.len() > ERRORS_MAX)
                .then(|| first(lang, "si-wrong-first", ERRORS_MAX)),
            text: Some(content)
                .filter(|text| text.len() <= SHOWN_TEXT_MAX)
                .unwrap_or_default(),
            ..self
        };
        show(StatusCode::UNPROCESSABLE_ENTITY, &page)
    }

    fn previewing(self, app: &App, new: &[NewConcert], content: &str) -> Self {
        let lang = self.frame.lang();
        let currency = app.settings().currency;
        let over = over(app, new);
        let rows = new.iter().take(SHOWN_MAX).enumerate();
        let rows = rows.map(|(index, one)| Row {
            number: number(count(index + 1)),
            artist: one.artist.to_string(),
            name: one.name.to_string(),
            date: lang.date_short(one.date),
            is_over: one.date < app.today(),
            venue: one.venue.to_string(),
            tickets: figure(one.total_tickets.get()),
            price: price(lang, one.price, currency),
            status: lang.text(status_key(one.status)),
        });
        let preview = Preview {
            sentence: lang.count("si-would-make", count(new.len())),
            shown_first: (new.len() > SHOWN_MAX).then(|| first(lang, "si-shown-first", SHOWN_MAX)),
            over: (over > 0).then(|| lang.count("si-over", count(over))),
            submit: lang.count("si-submit", count(new.len())),
            rows: rows.collect(),
            content: sent::carry(content),
        };
        Self {
            preview: Some(preview),
            ..self
        }
    }
}

fn count(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn first(lang: Lang, key: &str, shown: usize) -> String {
    lang.text_with(key, &[("shown", &number(count(shown)))])
}

fn shorten(text: &str) -> String {
    text.chars().take(DETAIL_MAX).collect()
}

const fn status_key(status: ConcertStatus) -> &'static str {
    match status {
        ConcertStatus::Open => "sc-open",
        ConcertStatus::Closed => "sc-closed",
        ConcertStatus::Archived => "sc-archived",
    }
}

/// Why a row was refused, in the reader's language.
fn reason(lang: Lang, reason: &RowReason) -> String {
    let with = |key: &str, name: &'static str, value: &str| lang.text_with(key, &[(name, value)]);
    let max = |number: usize| figure(i32::try_from(number).unwrap_or(i32::MAX));
    match reason {
        RowReason::NoRows => lang.text("si-no-rows"),
        RowReason::TooManyRows { rows } => {
            let (shown, to) = (number(count(*rows)), max(ROWS_MAX));
            lang.text_with("si-many-rows", &[("shown", &shown), ("to", &to)])
        }
        RowReason::MissingColumn(name) => with("si-missing-column", "name", name),
        RowReason::TooManyColumns => with("si-many-columns", "to", &max(COLUMNS_MAX)),
        RowReason::NotCsv(detail) => with("si-csv", "name", &shorten(detail)),
        RowReason::NotJson(detail) => with("si-json", "name", &shorten(detail)),
        RowReason::Required => sentence(lang, FieldReason::Required),
        RowReason::NotADay => lang.text("si-day"),
        RowReason::NotACapacity => with("si-capacity", "to", &figure(Capacity::MAX)),
        RowReason::NotMoney => lang.text("si-money"),
        RowReason::NotAStatus => lang.text("si-status"),
        RowReason::Text(error) => sentence(lang, FieldReason::Text(*error)),
        RowReason::UnknownColumn { near: Some(name) } => with("si-near", "name", name),
        RowReason::UnknownColumn { near: None } => with("si-unknown", "name", &COLUMNS.join(", ")),
        RowReason::LongColumn => with("si-long-column", "to", &max(NAME_CHARS_MAX)),
        RowReason::Exists => lang.text("si-exists"),
        RowReason::Repeats(row) => with("si-repeats", "number", &number(count(*row))),
    }
}
