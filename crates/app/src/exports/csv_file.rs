//! CSV (RFC 4180) in UTF-8, a page of rows at a time.
//!
//! A cell that a spreadsheet would run as a formula gets an apostrophe in front (OWASP, "CSV
//! injection").

use std::borrow::Cow;
use std::io;

use bytes::Bytes;
use futures_util::stream;

use super::rows::Pages;
use super::{Cell, ExportError, File, Told};

const BOM: &[u8] = "\u{FEFF}".as_bytes();

/// The file of all pages; the log is told before its end.
pub(super) fn write(pages: Pages, told: Told, has_bom: bool) -> File {
    let state = CsvFile {
        pages,
        told,
        has_begun: false,
        has_bom,
    };
    let parts = stream::try_unfold(state, async |mut state| {
        let part = state.next().await?;
        Ok::<_, ExportError>(part.map(|part| (part, state)))
    });
    Box::pin(parts)
}

#[derive(Debug)]
struct CsvFile {
    pages: Pages,
    told: Told,
    has_begun: bool,
    has_bom: bool,
}

impl CsvFile {
    async fn next(&mut self) -> Result<Option<Bytes>, ExportError> {
        let mut bytes = Vec::new();
        if !self.has_begun {
            self.has_begun = true;
            if self.has_bom {
                bytes.extend_from_slice(BOM);
            }
            let columns = self.pages.columns().iter();
            let columns: Vec<Cell> = columns.map(|name| Cell::text(*name)).collect();
            write_rows(&mut bytes, [columns])?;
            return Ok(Some(bytes.into()));
        }
        let Some(rows) = self.pages.next().await? else {
            self.told.tell().await?;
            return Ok(None);
        };
        self.told.sent(rows.len());
        write_rows(&mut bytes, rows)?;
        Ok(Some(bytes.into()))
    }
}

fn write_rows(
    bytes: &mut Vec<u8>,
    rows: impl IntoIterator<Item = Vec<Cell>>,
) -> Result<(), io::Error> {
    let mut writer = csv::Writer::from_writer(bytes);
    for row in rows {
        write_record(&mut writer, &row).map_err(io::Error::other)?;
    }
    writer.flush()
}

pub(crate) fn write_record<W: io::Write>(
    writer: &mut csv::Writer<W>,
    row: &[Cell],
) -> Result<(), csv::Error> {
    for cell in row {
        match cell {
            Cell::Text(text) => writer.write_field(&*neutralise(text))?,
            other => writer.write_field(other.to_string())?,
        }
    }
    writer.write_record(None::<&[u8]>)
}

pub(crate) fn neutralise(text: &str) -> Cow<'_, str> {
    if is_formula(text.trim_start_matches('\'')) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Takes away what [`neutralise`] puts in front, so that what is exported reads back.
pub(crate) fn plain(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if is_formula(rest.trim_start_matches('\'')) => rest,
        _ => cell,
    }
}

fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

#[cfg(test)]
mod tests {
    use domain::money::Total;

    use super::*;

    #[test]
    fn formulas_are_neutralised_and_nothing_else_is() {
        let row = [
            "=1+1",
            "+66 2 123",
            "-1",
            "@home",
            "\tx",
            "\rx",
            "'=1",
            "Night, Day",
            "\"q\"",
            "ราตรี",
        ];
        let mut cells: Vec<Cell> = row.into_iter().map(Cell::from).collect();
        cells.extend([
            Cell::Empty,
            Cell::Number(-7),
            Cell::Flag(true),
            Cell::Money(Total::from_minor(125_050).unwrap()),
        ]);
        let mut bytes = Vec::new();
        write_rows(&mut bytes, [cells]).unwrap();
        let written = String::from_utf8(bytes).unwrap();
        let expected = "'=1+1,'+66 2 123,'-1,'@home,'\tx,\"'\rx\",''=1,\"Night, Day\",\"\"\"q\"\"\",\
                        ราตรี,,-7,true,1250.50\n";
        assert_eq!(written, expected);
    }

    #[test]
    fn what_is_neutralised_reads_back() {
        for text in [
            "=1+1",
            "'=1+1",
            "''@home",
            "-",
            "Night",
            "'Round Midnight",
            "'",
            "",
        ] {
            assert_eq!(plain(&neutralise(text)), text);
        }
        assert_eq!(plain("'Round Midnight"), "'Round Midnight");
    }
}
