//! Exports: rows that leave the building as CSV or XLSX, page by page, so that memory stays flat and no
//! snapshot is held however slowly they are fetched. Each leaves an audit row that says what was asked
//! for and how many rows went, also when whoever asked went away in between.
//!
//! Every row is in an export once at most. Those that are made while it runs aren't, and those that
//! change meanwhile are as they were or as they are: it is no snapshot.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use domain::text::EmailAddress;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use store::{Acting, Seen, StoreError};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::{App, audit, concerts, task};

pub mod cell;
mod csv_file;
mod rows;
mod xlsx_file;

pub use cell::{Cell, Row};
pub(crate) use csv_file::{plain, write_record};
use rows::Pages;
pub(crate) use rows::{CONCERT_COLUMNS, concert_row};

/// Exports of one process at once: each reads and writes all the time, and has a place in the pool for
/// much of it.
pub const AT_ONCE_MAX: usize = 4;

/// A million rows take a minute or two, and a slow line some more; whoever takes less than that away
/// keeps a place from others.
pub const WITHIN: Duration = Duration::from_mins(30);

/// What is exported.
#[derive(Clone, Debug)]
pub enum Wanted {
    Reservations(crate::reservations::ListRequest),
    Concerts(concerts::StaffFilter),
    AuditLogs(audit::Filter),
    /// Rows that are there already, made of reservations.
    Report(Table),
}

/// A table that is small enough to be held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub columns: &'static [&'static str],
    pub rows: Vec<Row>,
}

/// The two kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Csv {
        /// Excel takes a file without a byte order mark for one in its country's old character set.
        has_bom: bool,
    },
    Xlsx,
}

impl Format {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv { .. } => "csv",
            Self::Xlsx => "xlsx",
        }
    }
}

/// An export with what the audit log shall keep of the question.
#[derive(Clone, Debug)]
pub struct Request {
    pub wanted: Wanted,
    pub format: Format,
    /// Names and values, as they were asked.
    pub asked: Vec<(String, String)>,
}

/// The file's bytes, in parts as they are made. An error in between ends it: what came isn't whole.
pub type File = BoxStream<'static, Result<Bytes, ExportError>>;

/// Why there is no export, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("as many exports are under way as may be at once")]
    TooMany,
    #[error("it took longer than {} minutes", WITHIN.as_secs() / 60)]
    TooLong,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the file can't be written")]
    Write(#[from] io::Error),
    #[error("the sheet can't be written")]
    Sheet(#[from] rust_xlsxwriter::XlsxError),
}

/// Begins an export for staff who may, as soon as its first rows are there.
pub async fn begin(
    app: &App,
    request: Request,
    (seen, by): (Seen, &Acting),
) -> Result<File, ExportError> {
    let places = app.exports().clone();
    let place = places
        .try_acquire_owned()
        .map_err(|_| ExportError::TooMany)?;
    let told = Told::new(app, &request, by, place);
    let mut pages = Pages::new(app, request.wanted, (seen, by.clone()));
    let first = pages.next().await;
    // What can't begin hasn't exported anything.
    let first = match first {
        Ok(first) => first.unwrap_or_default(),
        Err(error) => {
            told.forget();
            return Err(error);
        }
    };
    let pages = pages.beginning_with(first);
    let file = match request.format {
        Format::Csv { has_bom } => csv_file::write(pages, told, has_bom),
        Format::Xlsx => match xlsx_file::begin(pages.columns(), made(app)).await {
            Ok(writing) => xlsx_file::write(writing, pages, told),
            Err(error) => {
                told.forget();
                return Err(error);
            }
        },
    };
    Ok(in_time(app, file))
}

/// When a file is made, and by which clock its moments are told.
fn made(app: &App) -> (Timestamp, TimeZone) {
    (app.ctx().now(), app.settings().timezone.clone())
}

/// Keeps a place until what is returned goes, and no longer than that: an export whose reader takes
/// nothing isn't asked for its next part, and so can't give its place up by itself.
fn keep(place: OwnedSemaphorePermit, within: Duration) -> oneshot::Sender<Infallible> {
    let (kept, is_gone) = oneshot::channel();
    tokio::spawn(async move {
        let _ = tokio::time::timeout(within, is_gone).await;
        drop(place);
    });
    kept
}

/// Breaks off what isn't taken in time.
fn in_time(app: &App, file: File) -> File {
    let app = app.clone();
    let until = app.ctx().now() + WITHIN;
    let parts = file.map(move |part| {
        if app.ctx().now() < until {
            part
        } else {
            Err(ExportError::TooLong)
        }
    });
    Box::pin(parts)
}

/// How many rows went, which the audit log is told at the end, whichever end that is.
struct Told {
    app: App,
    by: Acting,
    table: &'static str,
    asked: Map<String, Value>,
    rows: u64,
    is_over: bool,
    /// Others may begin when this goes.
    _place: oneshot::Sender<Infallible>,
}

impl Told {
    fn new(app: &App, request: &Request, by: &Acting, place: OwnedSemaphorePermit) -> Self {
        let mut asked = Map::new();
        asked.insert("format".to_owned(), json!(request.format.as_str()));
        for (name, value) in &request.asked {
            let value: String = value.chars().take(ASKED_CHARS_MAX).collect();
            // By this name an erasure finds whom it was about.
            if matches!(&**name, "email" | "q")
                && let Ok(email) = EmailAddress::parse(&value)
            {
                asked.insert("customer_email".to_owned(), json!(email.as_str()));
            }
            asked.insert(name.clone(), Value::String(value));
        }
        Self {
            app: app.clone(),
            // What was done is told also of somebody who may do no more meanwhile.
            by: Acting {
                authority: None,
                ..by.clone()
            },
            table: request.wanted.table(),
            asked,
            rows: 0,
            is_over: false,
            _place: keep(place, WITHIN),
        }
    }

    fn sent(&mut self, rows: usize) {
        self.rows += rows as u64;
    }

    /// Nothing left, so that there is nothing to tell.
    fn forget(mut self) {
        self.is_over = true;
    }

    /// INVARIANT: an export is whole only when the log tells of it; guarded by
    /// `an_export_that_the_log_cannot_tell_of_breaks_off`.
    async fn tell(&mut self) -> Result<(), StoreError> {
        self.is_over = true;
        task::uninterrupted(self.telling()).await
    }

    fn telling(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let mut asked = std::mem::take(&mut self.asked);
        asked.insert("rows".to_owned(), json!(self.rows));
        let (app, by, table) = (self.app.clone(), self.by.clone(), self.table);
        async move { audit::log_export(&app, &by, table, &Value::Object(asked)).await }
    }
}

/// Longer values than any filter takes that finds something; the log takes 2000 characters in all.
const ASKED_CHARS_MAX: usize = 255;

impl Drop for Told {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let telling = self.telling();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = telling.await {
                    tracing::error!(%error, "the audit log wasn't told of an export");
                }
            });
        }
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Told({} rows of {})", self.rows, self.table)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn a_place_is_free_when_its_export_goes_or_its_time_is_over() {
        let places = Arc::new(Semaphore::new(1));
        let kept = keep(
            Arc::clone(&places).acquire_owned().await.unwrap(),
            Duration::from_hours(1),
        );
        assert!(places.try_acquire().is_err());
        drop(kept);
        let place = Arc::clone(&places).acquire_owned().await.unwrap();
        let _kept = keep(place, Duration::from_millis(10));
        let free = tokio::time::timeout(Duration::from_secs(10), places.acquire());
        assert!(free.await.is_ok());
    }
}
