//! Reports: what was sold by day and by concert, each figure as a chart, as a table and as files.

mod figures;

use std::str::FromStr;

use app::reports::tables::Figure;
use app::reports::{self, DAYS_MAX, Days, InvalidDays, Report, Request};
use app::{App, exports as app_exports};
use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use domain::role::Permission;
use http::StatusCode;
use jiff::civil::Date;

use self::figures::{Fact, Part, facts, parts};
use super::choice;
use super::form::{Field, sentence};
use super::frame::Frame;
use super::member::Member;
use crate::api::query;
use crate::exports::{self, Ending, UnknownFile, name_and_ending};
use crate::http::fields::FieldReason;
use crate::http::page::show;
use crate::http::pairs::{self, value};
use crate::http::path::Segment;
use crate::http::problem::Problem;
use crate::http::seen::Seen;
use crate::http::staff::{Export, ReadReports};
use crate::http::web::Web;

const PATH: &str = "/staff/reports";

pub fn routes() -> Router<Web> {
    Router::new()
        .route(PATH, get(show_report))
        .route("/staff/reports/{id}", get(send))
}

/// `GET /staff/reports?from=&to=&concert_id=`
async fn show_report(
    State(app): State<App>,
    member: Member<ReadReports>,
    Seen(seen): Seen,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut asked = Asked::read(query.as_deref());
    let concert = choice::concert(&app, &member.frame, &asked.concert_id).await?;
    asked.concert_id.clone_from(&concert.number);
    let mut errors: Errors = concert.error().into_iter().collect();
    let read = asked.request(&member.frame, app.today());
    let request = match read {
        Ok(request) if errors.is_empty() => request,
        other => {
            errors.extend(other.err().unwrap_or_default());
            let page = ReportPage::wrong(member.frame, (asked, concert.field), errors);
            return Ok(show(StatusCode::UNPROCESSABLE_ENTITY, &page));
        }
    };
    let report = reports::sales(&app, request, (seen, &member.acting)).await?;
    let filters = (asked, concert.field);
    let page = ReportPage::new(&app, member.frame, (filters, request), &report);
    Ok(show(StatusCode::OK, &page))
}

/// A figure as a file.
#[derive(Clone, Copy, Debug)]
struct FigureFile(Figure, Ending);

impl FromStr for FigureFile {
    type Err = UnknownFile;

    fn from_str(file: &str) -> Result<Self, UnknownFile> {
        let (name, ending) = name_and_ending(file).ok_or(UnknownFile)?;
        Ok(Self(Figure::parse(name).ok_or(UnknownFile)?, ending))
    }
}

/// `GET /staff/reports/{figure}.{csv|xlsx}` with the filters of the page
async fn send(
    State(app): State<App>,
    member: Member<Export>,
    Seen(seen): Seen,
    Segment(FigureFile(figure, ending)): Segment<FigureFile>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let asked = Asked::read(query.as_deref());
    let wrong = |_| Problem::of_status(StatusCode::UNPROCESSABLE_ENTITY);
    let request = asked.request(&member.frame, app.today()).map_err(wrong)?;
    let reader = (seen, &member.acting);
    let report = reports::sales(&app, request, reader).await?;
    let pairs = pairs::of_query(query.as_deref());
    let file = app_exports::Request {
        wanted: app_exports::Wanted::Report(report.table(figure, app.settings().currency.as_str())),
        format: exports::format(ending, value(&pairs, "bom") == "true"),
        asked: told(figure, request),
    };
    exports::answer(&app, file, (figure.as_str(), ending), reader).await
}

/// What the audit log keeps of the question.
fn told(figure: Figure, request: Request) -> Vec<(String, String)> {
    let concert = request.concert.map(|id| ("concert_id", id.to_string()));
    let days = request.days;
    let always = [
        ("report", figure.as_str().to_owned()),
        ("from", days.from().to_string()),
        ("to", days.to().to_string()),
    ];
    let all = always.into_iter().chain(concert);
    all.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What the address asks for, as it was typed.
#[derive(Debug)]
struct Asked {
    from: String,
    to: String,
    concert_id: String,
}

type Errors = Vec<(&'static str, String)>;

impl Asked {
    fn read(query: Option<&str>) -> Self {
        let pairs = pairs::of_query(query);
        let typed = |name| value(&pairs, name).trim().to_owned();
        Self {
            from: typed("from"),
            to: typed("to"),
            concert_id: typed("concert_id"),
        }
    }

    fn request(&self, frame: &Frame, today: Date) -> Result<Request, Errors> {
        let mut errors = Errors::new();
        let wrong = |key, reason| format!("{}: {}", frame.t(key), sentence(frame.lang(), reason));
        let mut day = |name, key, text: &str| {
            let day = Some(text).filter(|text| !text.is_empty()).map(query::day);
            day.transpose().unwrap_or_else(|reason| {
                errors.push((name, wrong(key, reason)));
                None
            })
        };
        let from = day("from", "rp-from", &self.from);
        let to = day("to", "rp-to", &self.to);
        let concert = match &*self.concert_id {
            "" => None,
            text => {
                let id = text.parse().ok();
                if id.is_none() {
                    let error = wrong("sr-concert-number", FieldReason::NotAnId);
                    errors.push(("concert_id", error));
                }
                id
            }
        };
        if !errors.is_empty() {
            return Err(errors);
        }
        let days = Days::new(from, to, today).map_err(|error| vec![days_error(frame, error)])?;
        Ok(Request { days, concert })
    }
}

fn days_error(frame: &Frame, error: InvalidDays) -> (&'static str, String) {
    match error {
        InvalidDays::Reversed => ("to", frame.t("rp-days-reversed")),
        InvalidDays::TooMany => {
            let most = DAYS_MAX.to_string();
            let values = [("days", &*most)];
            ("from", frame.lang().text_with("rp-days-many", &values))
        }
    }
}

#[derive(Debug, Template)]
#[template(path = "staff/reports.html")]
struct ReportPage {
    frame: Frame,
    errors: Errors,
    asked: Asked,
    concert: Field,
    facts: Vec<Fact>,
    parts: Vec<Part>,
    /// Some concerts were left out.
    is_cut: bool,
}

impl ReportPage {
    fn wrong(frame: Frame, (asked, concert): (Asked, Field), errors: Errors) -> Self {
        let title = frame.t("rp-title");
        Self {
            frame: frame.titled(&title),
            errors,
            asked,
            concert,
            facts: Vec::new(),
            parts: Vec::new(),
            is_cut: false,
        }
    }

    fn new(
        app: &App,
        frame: Frame,
        (filters, request): ((Asked, Field), Request),
        report: &Report,
    ) -> Self {
        let currency = app.settings().currency;
        let query = if frame.may(Permission::Export) {
            serde_urlencoded::to_string(&told(Figure::Sales, request)[1..]).ok()
        } else {
            None
        };
        let days = request.days;
        let page = Self::wrong(frame, filters, Errors::new());
        Self {
            facts: facts(&page.frame, report, currency),
            parts: parts(&page.frame, report, (currency, query.as_deref())),
            is_cut: report.has_more_concerts,
            asked: Asked {
                from: days.from().to_string(),
                to: days.to().to_string(),
                ..page.asked
            },
            ..page
        }
    }
}
