//! Importing and exporting concerts as CSV or JSON.
//!
//! An import names row and column of everything that is wrong and changes nothing unless every
//! row is good. What `export` writes, `import` takes: columns that only the system sets are
//! skipped.

use std::collections::BTreeMap;

use domain::concert::{Capacity, Concert, ConcertStatus, NewConcert, parse_day};
use domain::id::ConcertId;
use domain::text::{Description, ImagePath, Line, TextError};
use serde_json::{Map, Value};
use store::{Acting, StoreError, Transaction, concerts};

use crate::App;
use crate::exports::{self, CONCERT_COLUMNS, Cell, concert_row, plain};

/// The columns of an import file; the first six are required.
pub const COLUMNS: [&str; 9] = [
    "name",
    "artist",
    "date",
    "venue",
    "total_tickets",
    "price",
    "status",
    "image_url",
    "description",
];
const REQUIRED: usize = 6;
/// Columns of an export that an import skips, because only the system sets them.
const SKIPPED: [&str; 5] = [
    "id",
    "available_tickets",
    "currency",
    "created_at",
    "updated_at",
];
/// The most rows that one file may have; more belong into several.
pub const ROWS_MAX: usize = 10_000;

/// The two forms of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Csv,
    Json,
}

/// Something wrong with an import file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {message}", self.place(), self.column.as_deref().map(|c| format!(", {c}")).unwrap_or_default())]
pub struct RowError {
    /// 1 is the first concert; 0 the file as a whole.
    pub row: usize,
    pub column: Option<String>,
    pub message: String,
}

impl RowError {
    fn place(&self) -> String {
        if self.row == 0 {
            "file".to_owned()
        } else {
            format!("row {}", self.row)
        }
    }

    fn file(message: impl Into<String>) -> Self {
        Self {
            row: 0,
            column: None,
            message: message.into(),
        }
    }
}

/// Why an import changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("{} problems in the file", .0.len())]
    Rows(Vec<RowError>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads and inserts every concert of a file in one transaction; returns their numbers.
pub async fn import(
    app: &App,
    by: &Acting,
    (format, content): (Format, &str),
) -> Result<Vec<ConcertId>, ImportError> {
    let concerts = parse(format, content).map_err(ImportError::Rows)?;
    let transaction = Transaction::begin(app.writer(), by).await?;
    let now = app.ctx().now();
    let mut ids = Vec::with_capacity(concerts.len());
    for concert in &concerts {
        ids.push(concerts::insert(&transaction, concert, now).await?);
    }
    transaction.commit().await?;
    Ok(ids)
}

/// Reads a file into concerts, or into everything that is wrong with it.
pub fn parse(format: Format, content: &str) -> Result<Vec<NewConcert>, Vec<RowError>> {
    let content = content.strip_prefix('\u{FEFF}').unwrap_or(content);
    let rows = match format {
        Format::Csv => read_csv(content),
        Format::Json => read_json(content),
    }
    .map_err(|error| vec![error])?;
    if rows.is_empty() {
        return Err(vec![RowError::file("no concerts in it; each needs a row")]);
    }
    if rows.len() > ROWS_MAX {
        let message = format!(
            "{} concerts; split it into files of up to {ROWS_MAX}",
            rows.len()
        );
        return Err(vec![RowError::file(message)]);
    }
    let mut concerts = Vec::with_capacity(rows.len());
    let mut errors = Vec::new();
    for (index, cells) in rows.into_iter().enumerate() {
        match Row::new(index + 1, cells).read() {
            Ok(concert) => concerts.push(concert),
            Err(wrong) => errors.extend(wrong),
        }
    }
    if errors.is_empty() {
        Ok(concerts)
    } else {
        Err(errors)
    }
}

type Cells = BTreeMap<String, String>;

fn read_csv(content: &str) -> Result<Vec<Cells>, RowError> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::Headers)
        .from_reader(content.as_bytes());
    let unreadable = |row: usize, error: &csv::Error| RowError {
        row,
        column: None,
        message: format!("not readable as CSV: {error}"),
    };
    let header = reader
        .headers()
        .map_err(|error| unreadable(0, &error))?
        .clone();
    if let Some(missing) = COLUMNS[..REQUIRED]
        .iter()
        .find(|name| !header.iter().any(|h| h == **name))
    {
        let message = format!("the first line must name the columns, and {missing} is missing");
        return Err(RowError::file(message));
    }
    let mut rows = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(|error| unreadable(index + 1, &error))?;
        let cells = header
            .iter()
            .zip(&record)
            .map(|(name, cell)| (name.to_owned(), plain(cell).to_owned()));
        rows.push(cells.collect());
    }
    Ok(rows)
}

fn read_json(content: &str) -> Result<Vec<Cells>, RowError> {
    let list: Vec<Map<String, Value>> = serde_json::from_str(content)
        .map_err(|error| RowError::file(format!("not a JSON array of objects: {error}")))?;
    let text = |value: Value| match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    };
    Ok(list
        .into_iter()
        .map(|object| {
            object
                .into_iter()
                .map(|(name, value)| (name, text(value)))
                .collect()
        })
        .collect())
}

/// One row while it is read: what is left of its cells, and what was wrong so far.
struct Row {
    number: usize,
    cells: Cells,
    errors: Vec<RowError>,
}

impl Row {
    fn new(number: usize, cells: Cells) -> Self {
        Self {
            number,
            cells,
            errors: Vec::new(),
        }
    }

    fn read(mut self) -> Result<NewConcert, Vec<RowError>> {
        let name = self.required("name", line);
        let artist = self.required("artist", line);
        let date = self.required("date", |cell| {
            parse_day(cell).ok_or_else(|| "must be a day like 2027-01-31".to_owned())
        });
        let venue = self.required("venue", line);
        let total_tickets = self.required("total_tickets", capacity);
        let price = self.required("price", |cell| {
            cell.parse().map_err(|error| format!("is {error}"))
        });
        let status = self.optional("status", status);
        let image_url = self.optional("image_url", |cell| ImagePath::parse(cell).map_err(sentence));
        let description = self.optional("description", |cell| {
            Description::parse(cell).map_err(sentence)
        });
        self.refuse_unknown();
        let (
            Some(name),
            Some(artist),
            Some(date),
            Some(venue),
            Some(total_tickets),
            Some(price),
            true,
        ) = (
            name,
            artist,
            date,
            venue,
            total_tickets,
            price,
            self.errors.is_empty(),
        )
        else {
            return Err(self.errors);
        };
        let status = status.unwrap_or(ConcertStatus::Closed);
        Ok(NewConcert {
            name,
            artist,
            date,
            venue,
            total_tickets,
            price,
            status,
            image_url,
            description,
        })
    }

    fn required<T>(
        &mut self,
        column: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let missing = self
            .cells
            .get(column)
            .is_none_or(|cell| cell.trim().is_empty());
        if missing {
            self.wrong(column, "must not be empty");
        }
        self.optional(column, read)
    }

    fn optional<T>(
        &mut self,
        column: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let cell = self
            .cells
            .remove(column)
            .filter(|cell| !cell.trim().is_empty())?;
        read(cell.trim())
            .map_err(|message| self.wrong(column, message))
            .ok()
    }

    fn refuse_unknown(&mut self) {
        for column in std::mem::take(&mut self.cells).into_keys() {
            if SKIPPED.contains(&column.as_str()) {
                continue;
            }
            let near = |known: &&&str| strsim::damerau_levenshtein(known, &column) <= 2;
            let message = COLUMNS.iter().find(near).map_or_else(
                || format!("is not a column; there are {}", COLUMNS.join(", ")),
                |known| format!("is not a column; did you mean {known}?"),
            );
            self.wrong(&column, message);
        }
    }

    fn wrong(&mut self, column: &str, message: impl Into<String>) {
        let error = RowError {
            row: self.number,
            column: Some(column.to_owned()),
            message: message.into(),
        };
        self.errors.push(error);
    }
}

fn sentence(error: TextError) -> String {
    error.to_string()
}

fn line(cell: &str) -> Result<Line, String> {
    Line::parse(cell).map_err(sentence)
}

fn capacity(cell: &str) -> Result<Capacity, String> {
    cell.parse()
        .ok()
        .and_then(Capacity::new)
        .ok_or_else(|| format!("must be a whole number from 0 to {}", Capacity::MAX))
}

fn status(cell: &str) -> Result<ConcertStatus, String> {
    cell.parse().map_err(|error| format!("is {error}"))
}

/// Concerts as CSV with a header, by the rules of every export.
pub fn write_csv(concerts: &[Concert], currency: &str) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(CONCERT_COLUMNS)?;
    for concert in concerts {
        exports::write_record(&mut writer, &concert_row(concert, currency))?;
    }
    let bytes = writer
        .into_inner()
        .map_err(csv::IntoInnerError::into_error)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Concerts as a JSON array of the objects that the API shows.
pub fn write_json(concerts: &[Concert], currency: &str) -> Value {
    let object = |concert: &Concert| {
        let cells = concert_row(concert, currency)
            .into_iter()
            .map(Cell::into_json);
        let names = CONCERT_COLUMNS.iter().map(|name| (*name).to_owned());
        Value::Object(names.zip(cells).collect())
    };
    concerts.iter().map(object).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "name,artist,date,venue,total_tickets,price,description,image_url\n";

    #[test]
    fn every_error_names_its_row_and_column() {
        let file = format!(
            "{HEADER}Night,Ones,2027-01-31,Hall,100,1250.00,,\n,Ones,31.1.2027,Hall,-1,1e3,,http://x.example/a.png\n"
        );
        let errors = parse(Format::Csv, &file).unwrap_err();
        let places: Vec<_> = errors
            .iter()
            .map(|e| (e.row, e.column.as_deref().unwrap()))
            .collect();
        let expected =
            ["name", "date", "total_tickets", "price", "image_url"].map(|column| (2, column));
        assert_eq!(places, expected);
        assert_eq!(errors[0].to_string(), "row 2, name: must not be empty");
    }

    #[test]
    fn a_mistyped_column_gets_its_neighbours_name() {
        let errors = parse(Format::Json, r#"[{"name":"a","artist":"b","date":"2027-01-31","venue":"c","total_tickets":1,"price":"1","pirce":"2"}]"#).unwrap_err();
        assert_eq!(errors[0].message, "is not a column; did you mean price?");
        let errors = parse(Format::Csv, "name,artist\n").unwrap_err();
        assert!(
            errors[0].message.contains("date is missing"),
            "{}",
            errors[0]
        );
    }

    #[test]
    fn numbers_may_be_numbers_in_json() {
        let concerts = parse(Format::Json, r#"[{"name":"a","artist":"b","date":"2027-01-31","venue":"c","total_tickets":10,"price":99.5}]"#).unwrap();
        assert_eq!(concerts[0].price.minor(), 9950);
        assert_eq!(concerts[0].status, ConcertStatus::Closed);
    }

    #[test]
    fn empty_and_broken_files_say_so() {
        for (format, file) in [
            (Format::Csv, ""),
            (Format::Csv, HEADER),
            (Format::Json, "[]"),
            (Format::Json, "{}"),
            (Format::Json, "nonsense"),
        ] {
            let errors = parse(format, file).unwrap_err();
            assert_eq!((errors.len(), errors[0].row), (1, 0), "{file}");
        }
    }
}
