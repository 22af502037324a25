//! Exports over HTTP, for the API and for the pages: what an address asks for, and the file that answers.

use std::str::FromStr;

use app::exports::{self, ExportError, File, Format, Request, Wanted};
use app::reservations::ListRequest;
use app::{App, Seen, audit, concerts};
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, StreamExt as _};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use jiff::tz::TimeZone;
use store::Acting;

use crate::api::admin::{audit_logs, concerts as concert_list, reservations as reservation_list};
use crate::api::query;
use crate::http::fields::FieldReason;
use crate::http::problem::Problem;

/// The tables that staff may take away, as addresses name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    Reservations,
    Concerts,
    AuditLogs,
}

impl Table {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reservations => "reservations",
            Self::Concerts => "concerts",
            Self::AuditLogs => "audit-logs",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let all = [Self::Reservations, Self::Concerts, Self::AuditLogs];
        all.into_iter().find(|table| table.as_str() == text)
    }
}

/// The kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Csv,
    Xlsx,
}

impl Ending {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => XLSX,
        }
    }
}

pub const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// `reservations.csv`: a file's name and its kind.
pub fn name_and_ending(file: &str) -> Option<(&str, Ending)> {
    let (name, ending) = file.rsplit_once('.')?;
    let both = [Ending::Csv, Ending::Xlsx];
    let ending = both.into_iter().find(|one| one.as_str() == ending)?;
    Some((name, ending))
}

/// A table as a file, as the last part of an address names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableFile(pub Table, pub Ending);

impl FromStr for TableFile {
    type Err = UnknownFile;

    fn from_str(file: &str) -> Result<Self, UnknownFile> {
        let (name, ending) = name_and_ending(file).ok_or(UnknownFile)?;
        Ok(Self(Table::parse(name).ok_or(UnknownFile)?, ending))
    }
}

/// A name that is no file's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownFile;

/// The filters that an address has, by whose rules: a page's list may have some of its own.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    Api(Option<&'a str>),
    Page(Option<&'a str>),
}

/// Makes the file that a table's filters ask for.
pub async fn table(
    app: &App,
    file: TableFile,
    asked: Asked<'_>,
    reader: (Seen, &Acting),
) -> Result<Response, Problem> {
    let TableFile(table, ending) = file;
    let zone = &app.settings().timezone;
    let request = read(file, asked, zone)?;
    answer(app, request, (table.as_str(), ending), reader).await
}

/// Reads the filters of a table's list, and `bom` of a CSV.
fn read(
    TableFile(table, ending): TableFile,
    from: Asked<'_>,
    zone: &TimeZone,
) -> Result<Request, Problem> {
    let (query, is_of_page) = match from {
        Asked::Api(query) => (query, false),
        Asked::Page(query) => (query, true),
    };
    let mut has_bom = false;
    let mut asked = Vec::new();
    let mut wanted = match table {
        Table::Reservations => Wanted::Reservations(ListRequest::default()),
        Table::Concerts => Wanted::Concerts(concerts::StaffFilter::default()),
        Table::AuditLogs => Wanted::AuditLogs(audit::Filter::default()),
    };
    query::read(query.unwrap_or_default(), |name, value| {
        if name == "bom" && ending == Ending::Csv {
            has_bom = read_bom(value)?;
            return Ok(());
        }
        match &mut wanted {
            Wanted::Reservations(request) => {
                reservation_list::read_filter(request, (name, value), zone)?;
            }
            Wanted::Concerts(filter) => concert_list::read_filter(filter, (name, value))?,
            Wanted::AuditLogs(filter) if is_of_page && name == "people" => {
                filter.by_people = query::choice(value, "true or false", |text| text.parse().ok())?;
            }
            Wanted::AuditLogs(filter) => audit_logs::read_filter(filter, (name, value), zone)?,
            Wanted::Report(_) => return Err(FieldReason::Unknown),
        }
        asked.push((name.to_owned(), value.to_owned()));
        Ok(())
    })?;
    Ok(Request {
        wanted,
        format: format(ending, has_bom),
        asked,
    })
}

pub fn read_bom(value: &str) -> Result<bool, FieldReason> {
    query::choice(value, "true or false", |text| text.parse().ok())
}

pub const fn format(ending: Ending, has_bom: bool) -> Format {
    match ending {
        Ending::Csv => Format::Csv { has_bom },
        Ending::Xlsx => Format::Xlsx,
    }
}

/// The file, from its first rows on; its name tells the day on which it was made.
pub async fn answer(
    app: &App,
    request: Request,
    (name, ending): (&str, Ending),
    reader: (Seen, &Acting),
) -> Result<Response, Problem> {
    let file = exports::begin(app, request, reader).await?;
    let name = format!("{name}-{}.{}", app.today(), ending.as_str());
    Ok(sent(file, &name, ending))
}

fn sent(file: File, name: &str, ending: Ending) -> Response {
    let headers = [
        (CONTENT_TYPE, ending.media_type().to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    (headers, Body::from_stream(logged(file))).into_response()
}

/// Whoever fetches a file learns only that it broke off.
fn logged(file: File) -> impl Stream<Item = Result<Bytes, ExportError>> {
    file.inspect(|part| {
        if let Err(error) = part {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(%error, cause, "an export broke off");
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_their_names() {
        let csv = TableFile(Table::Reservations, Ending::Csv);
        assert_eq!("reservations.csv".parse(), Ok(csv));
        let xlsx = TableFile(Table::AuditLogs, Ending::Xlsx);
        assert_eq!("audit-logs.xlsx".parse(), Ok(xlsx));
        for unknown in ["reservations", "users.csv", "concerts.pdf", ".csv", ""] {
            assert_eq!(unknown.parse::<TableFile>(), Err(UnknownFile), "{unknown}");
        }
    }
}
