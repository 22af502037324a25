//! XLSX: rows go to a temporary file as they come, by a thread of their own; what is sent is the file
//! made of it. So it takes a disk and no memory, and the first byte comes when the last row is there.

use std::fs;
use std::io::{self, Seek as _};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use jiff::Timestamp;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};
use tokio::fs::File as AsyncFile;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::rows::Pages;
use super::{Cell, ExportError, File, Row, Told};
use crate::App;

/// What one sheet can hold, less the line of names.
const SHEET_ROWS: u32 = 1_048_575;
/// What a cell can hold; longer texts, such as of the audit log, are cut. In CSV they are whole.
const CELL_CHARS_MAX: usize = 32_767;
/// Pages that wait to be written: the next is read meanwhile.
const WAITING: usize = 1;
/// What is sent at once.
const PART_BYTES: usize = 64 * 1024;

/// The file of all pages; the log is told before its first byte, of all its rows.
pub(super) fn write(app: &App, pages: Pages, told: Told) -> File {
    let made_at = app.ctx().now();
    let state = XlsxFile::Reading {
        pages: Box::new(pages),
        told,
        made_at,
    };
    let parts = stream::try_unfold(state, async |state| state.next().await);
    Box::pin(parts)
}

enum XlsxFile {
    Reading {
        pages: Box<Pages>,
        told: Told,
        made_at: Timestamp,
    },
    /// Its place is kept until the last byte was taken.
    Sending { file: AsyncFile, told: Told },
}

impl XlsxFile {
    async fn next(self) -> Result<Option<(Bytes, Self)>, ExportError> {
        let (mut file, told) = match self {
            Self::Sending { file, told } => (file, told),
            Self::Reading {
                mut pages,
                mut told,
                made_at,
            } => {
                let writing = Writing::begin(pages.columns(), made_at);
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
struct Writing {
    pages: mpsc::Sender<Page>,
    written: JoinHandle<Result<fs::File, ExportError>>,
}

enum Page {
    Rows(Vec<Row>),
    End,
}

impl Writing {
    fn begin(columns: &'static [&'static str], made_at: Timestamp) -> Self {
        let (pages, waiting) = mpsc::channel(WAITING);
        let written = tokio::task::spawn_blocking(move || write_all(columns, made_at, waiting));
        Self { pages, written }
    }

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
    made_at: Timestamp,
    mut pages: mpsc::Receiver<Page>,
) -> Result<fs::File, ExportError> {
    let mut workbook = Workbook::new();
    let made_at = ExcelDateTime::from_timestamp(made_at.as_second())?;
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&made_at));
    let money = Format::new().set_num_format("0.00");
    let mut sheet = begin_sheet(&mut workbook, columns)?;
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
            write_row(sheet, next, row, &money)?;
            next += 1;
        }
    }
    let mut file = tempfile::tempfile()?;
    workbook.save_to_writer(&mut file)?;
    file.rewind()?;
    Ok(file)
}

fn begin_sheet<'a>(
    workbook: &'a mut Workbook,
    columns: &[&str],
) -> Result<&'a mut Worksheet, XlsxError> {
    let sheet = workbook.add_worksheet_with_constant_memory()?;
    sheet.set_freeze_panes(1, 0)?;
    for (column, name) in (0..).zip(columns) {
        sheet.write_string(0, column, *name)?;
    }
    Ok(sheet)
}

fn write_row(
    sheet: &mut Worksheet,
    number: u32,
    row: Row,
    money: &Format,
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
                sheet.write_number_with_format(number, column, value, money)?;
            }
            Cell::Flag(flag) => {
                sheet.write_boolean(number, column, flag)?;
            }
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
    fn a_text_is_cut_to_what_a_cell_holds() {
        assert_eq!(cut("short".to_owned()), "short");
        assert_eq!(cut("x".repeat(40_000)).len(), CELL_CHARS_MAX);
        // Each of these counts twice.
        assert_eq!(cut("🎫".repeat(20_000)).chars().count(), CELL_CHARS_MAX / 2);
        assert_eq!(cut("ก".repeat(20_000)).chars().count(), 20_000);
    }
}
