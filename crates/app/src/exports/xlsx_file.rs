//! XLSX: rows go to a temporary file as they come, by a thread of their own; what is sent is the file
//! made of it. So it takes a disk and no memory, and the first byte comes when the last row is there.

use std::fs;
use std::io::{self, Seek as _};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};
use tokio::fs::File as AsyncFile;
use tokio::io::AsyncReadExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::rows::Pages;
use super::{Cell, ExportError, File, Row, Told};

/// What one sheet can hold, less the line of names.
const SHEET_ROWS: u32 = 1_048_575;
/// What a cell can hold; longer texts, such as of the audit log, are cut. In CSV they are whole.
const CELL_CHARS_MAX: usize = 32_767;
/// Pages that wait to be written: the next is read meanwhile.
const WAITING: usize = 1;
/// What is sent at once.
const PART_BYTES: usize = 64 * 1024;

/// Begins a file, with what it needs of the disk to begin.
pub(super) async fn begin(
    columns: &'static [&'static str],
    (made_at, zone): (Timestamp, TimeZone),
) -> Result<Writing, ExportError> {
    let (pages, waiting) = mpsc::channel(WAITING);
    let (begun, is_begun) = oneshot::channel();
    let written = tokio::task::spawn_blocking(move || {
        let formats = Formats::new(zone);
        write_all(columns, (made_at, &formats), (begun, waiting))
    });
    if is_begun.await.is_err() {
        let failed = written.await.map_err(io::Error::other)?;
        return Err(failed
            .err()
            .unwrap_or(ExportError::Write(io::ErrorKind::BrokenPipe.into())));
    }
    Ok(Writing { pages, written })
}

/// The file of all pages; the log is told before its first byte, of all its rows.
pub(super) fn write(writing: Writing, pages: Pages, told: Told) -> File {
    let state = XlsxFile::Reading {
        writing,
        pages: Box::new(pages),
        told,
    };
    let parts = stream::try_unfold(state, async |state| state.next().await);
    Box::pin(parts)
}

enum XlsxFile {
    Reading {
        writing: Writing,
        pages: Box<Pages>,
        told: Told,
    },
    /// Its place is kept until the last byte was taken.
    Sending { file: AsyncFile, told: Told },
}

impl XlsxFile {
    async fn next(self) -> Result<Option<(Bytes, Self)>, ExportError> {
        let (mut file, told) = match self {
            Self::Sending { file, told } => (file, told),
            Self::Reading {
                writing,
                mut pages,
                mut told,
            } => {
                let (file, rows) = writing.all(&mut pages).await?;
                told.sent(rows);
                told.tell().await?;
                (AsyncFile::from_std(file), told)
            }
        };
        let mut part = BytesMut::with_capacity(PART_BYTES);
        if file.read_buf(&mut part).await? == 0 {
            return Ok(None);
        }
        Ok(Some((part.freeze(), Self::Sending { file, told })))
    }
}

/// A thread that writes, and the way to it. It ends without a file when nobody says that all is there.
pub(super) struct Writing {
    pages: mpsc::Sender<Page>,
    written: JoinHandle<Result<fs::File, ExportError>>,
}

enum Page {
    Rows(Vec<Row>),
    End,
}

impl Writing {
    async fn all(self, pages: &mut Pages) -> Result<(fs::File, usize), ExportError> {
        let mut count = 0;
        while let Some(rows) = pages.next().await? {
            count += rows.len();
            if self.pages.send(Page::Rows(rows)).await.is_err() {
                break;
            }
        }
        // Who doesn't take it has failed, and says so.
        let _ = self.pages.send(Page::End).await;
        let written = self.written.await.map_err(io::Error::other)?;
        Ok((written?, count))
    }
}

fn write_all(
    columns: &[&str],
    (made_at, formats): (Timestamp, &Formats),
    (begun, mut pages): (oneshot::Sender<()>, mpsc::Receiver<Page>),
) -> Result<fs::File, ExportError> {
    let mut workbook = Workbook::new();
    let made_at = ExcelDateTime::from_timestamp(made_at.as_second())?;
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&made_at));
    let mut sheet = begin_sheet(&mut workbook, columns)?;
    let mut file = tempfile::tempfile()?;
    // Nobody may wait for it any more, which the pages tell as well.
    let _ = begun.send(());
    let mut next = 1;
    loop {
        let rows = match pages.blocking_recv() {
            Some(Page::Rows(rows)) => rows,
            Some(Page::End) => break,
            None => return Err(io::Error::from(io::ErrorKind::BrokenPipe).into()),
        };
        for row in rows {
            if next > SHEET_ROWS {
                sheet = begin_sheet(&mut workbook, columns)?;
                next = 1;
            }
            write_row(sheet, next, row, formats)?;
            next += 1;
        }
    }
    workbook.save_to_writer(&mut file)?;
    file.rewind()?;
    Ok(file)
}

/// How cells are shown that are no texts. A sheet knows no time zones, so its moments are by the
/// concerts' clock.
struct Formats {
    zone: TimeZone,
    money: Format,
    moment: Format,
    day: Format,
}

impl Formats {
    fn new(zone: TimeZone) -> Self {
        let format = |shown| Format::new().set_num_format(shown);
        Self {
            zone,
            money: format("0.00"),
            moment: format("yyyy-mm-dd hh:mm:ss"),
            day: format("yyyy-mm-dd"),
        }
    }

    fn moment_there(&self, at: Timestamp) -> Option<ExcelDateTime> {
        let there = self.zone.to_datetime(at);
        let millis = u32::try_from(there.subsec_nanosecond() / 1_000_000).ok()?;
        let seconds = f64::from(there.second()) + f64::from(millis) / 1000.0;
        let [hour, minute] = [there.hour(), there.minute()].map(u16::try_from);
        let day = excel_day(there.date())?;
        day.and_hms(hour.ok()?, minute.ok()?.try_into().ok()?, seconds)
            .ok()
    }
}

/// `None` for days that a sheet doesn't know: those before 1900.
fn excel_day(day: Date) -> Option<ExcelDateTime> {
    let year = u16::try_from(day.year()).ok()?;
    let [month, day] = [day.month(), day.day()].map(u8::try_from);
    ExcelDateTime::from_ymd(year, month.ok()?, day.ok()?).ok()
}

/// What a column is wide enough for; a date that doesn't fit is shown as `####`.
fn width(column: &str) -> Option<f64> {
    match column {
        "date" | "day" => Some(11.0),
        name if name.ends_with("_at") => Some(19.0),
        _ => None,
    }
}

fn begin_sheet<'a>(
    workbook: &'a mut Workbook,
    columns: &[&str],
) -> Result<&'a mut Worksheet, XlsxError> {
    let sheet = workbook.add_worksheet_with_constant_memory()?;
    sheet.set_freeze_panes(1, 0)?;
    for (column, name) in (0..).zip(columns) {
        sheet.write_string(0, column, *name)?;
        if let Some(width) = width(name) {
            sheet.set_column_width(column, width)?;
        }
    }
    Ok(sheet)
}

fn write_row(
    sheet: &mut Worksheet,
    number: u32,
    row: Row,
    formats: &Formats,
) -> Result<(), XlsxError> {
    for (column, cell) in (0..).zip(row) {
        match cell {
            Cell::Empty => {}
            Cell::Text(text) => {
                sheet.write_string(number, column, cut(text))?;
            }
            Cell::Number(value) => {
                sheet.write_number(number, column, to_float(value))?;
            }
            Cell::Money(amount) => {
                let value = to_float(amount.minor()) / 100.0;
                sheet.write_number_with_format(number, column, value, &formats.money)?;
            }
            Cell::Flag(flag) => {
                sheet.write_boolean(number, column, flag)?;
            }
            Cell::Moment(at) => match formats.moment_there(at) {
                Some(there) => {
                    sheet.write_datetime_with_format(number, column, &there, &formats.moment)?;
                }
                None => {
                    sheet.write_string(number, column, at.to_string())?;
                }
            },
            Cell::Day(day) => match excel_day(day) {
                Some(there) => {
                    sheet.write_datetime_with_format(number, column, &there, &formats.day)?;
                }
                None => {
                    sheet.write_string(number, column, day.to_string())?;
                }
            },
        }
    }
    Ok(())
}

fn cut(text: String) -> String {
    if text.len() <= CELL_CHARS_MAX {
        return text;
    }
    let mut units = 0;
    let fits = |character: &char| {
        units += character.len_utf16();
        units <= CELL_CHARS_MAX
    };
    text.chars().take_while(fits).collect()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a cell is a floating point number by its format, exact to 15 digits"
)]
fn to_float(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_concerts_clock_and_what_a_sheet_cannot_tell_is_a_text() {
        let formats = Formats::new(TimeZone::get("Asia/Bangkok").unwrap());
        let there = |at: &str| {
            let there = formats.moment_there(at.parse().unwrap());
            there.map(|there| there.to_excel())
        };
        // Half past midnight on 1 December 2026 in Bangkok, and 5.25 s.
        let seconds = there("2026-11-30T17:30:05.25Z").unwrap() - 46_357.0;
        assert!((seconds * 86_400.0 - 1_805.25).abs() < 0.001, "{seconds}");
        assert_eq!(there("1899-06-01T00:00:00Z"), None);
        assert!(excel_day(Date::constant(-44, 3, 15)).is_none());
    }

    #[test]
    fn a_text_is_cut_to_what_a_cell_holds() {
        assert_eq!(cut("short".to_owned()), "short");
        assert_eq!(cut("x".repeat(40_000)).len(), CELL_CHARS_MAX);
        // Each of these counts twice.
        assert_eq!(cut("🎫".repeat(20_000)).chars().count(), CELL_CHARS_MAX / 2);
        assert_eq!(cut("ก".repeat(20_000)).chars().count(), 20_000);
    }
}
