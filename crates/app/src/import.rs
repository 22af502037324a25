//! Importing and exporting concerts as CSV or JSON.
//!
//! An import names row and column of everything that is wrong and changes nothing unless every
//! row is good. What `export` writes, `import` takes: columns that only the system sets are
//! skipped.

mod once;
mod reason;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::concert::{Capacity, Concert, ConcertStatus, NewConcert, parse_day};
use domain::id::ConcertId;
use domain::money::Money;
use domain::text::{Description, ImagePath, Line};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde_json::{Map, Value};
use store::{Acting, StoreError, Transaction, concerts};
use tokio::sync::OwnedSemaphorePermit;

use crate::App;
use crate::exports::{self, CONCERT_COLUMNS, Cell, concert_row, plain};
pub use once::{import_new, preview};
pub use reason::{RowError, RowReason};

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
/// The most columns that a file may have; names that nobody knows are told, but not for ever.
pub const COLUMNS_MAX: usize = 50;
/// The longest name of a column; the longest that anybody knows has seventeen.
pub const NAME_CHARS_MAX: usize = 64;
/// Whoever imports one file waits so long for another to be done with; thousands of rows take a few
/// seconds.
const TURN_WITHIN: Duration = Duration::from_secs(10);
/// Rows that are sent before the first is answered.
const PIPELINED: usize = 250;

/// The two forms of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Csv,
    Json,
}

impl Format {
    /// What a file seems to be by its content.
    pub fn of(content: &str) -> Self {
        if content
            .trim_start_matches('\u{FEFF}')
            .trim_start()
            .starts_with(['[', '{'])
        {
            Self::Json
        } else {
            Self::Csv
        }
    }
}

/// Why an import changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("{} problems in the file", .0.len())]
    Rows(Vec<RowError>),
    /// Where a file mustn't make a concert twice.
    #[error("all of these concerts are there already")]
    Done,
    #[error("other files are being imported")]
    Crowded,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads and inserts every concert of a file in one transaction; returns their numbers.
pub async fn import(
    app: &App,
    by: &Acting,
    (format, content): (Format, &str),
) -> Result<Vec<ConcertId>, ImportError> {
    let (concerts, _turn) = read(app, (format, content)).await?;
    let transaction = Transaction::begin(app.writer(), by).await?;
    let now = app.ctx().now();
    let ids = insert(&transaction, &concerts, now).await?;
    transaction.commit().await?;
    Ok(ids)
}

/// Reads a file beside whatever else this process does. One file at a time is read and imported, so that
/// those that wait hold neither memory nor a connection.
async fn read(
    app: &App,
    (format, content): (Format, &str),
) -> Result<(Vec<NewConcert>, OwnedSemaphorePermit), ImportError> {
    let turn = app.imports().clone().acquire_owned();
    let Ok(Ok(turn)) = tokio::time::timeout(TURN_WITHIN, turn).await else {
        return Err(ImportError::Crowded);
    };
    let content = content.to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        let concerts = parse(format, &content);
        // Kept until the end even when nobody waits for it any more.
        (concerts, turn)
    });
    match reading.await {
        Ok((concerts, turn)) => Ok((concerts.map_err(ImportError::Rows)?, turn)),
        Err(failure) => std::panic::resume_unwind(failure.into_panic()),
    }
}

async fn insert(
    transaction: &Transaction,
    new: &[NewConcert],
    now: Timestamp,
) -> Result<Vec<ConcertId>, StoreError> {
    let mut ids = Vec::with_capacity(new.len());
    for part in new.chunks(PIPELINED) {
        let part = part
            .iter()
            .map(|one| concerts::insert(transaction, one, now));
        ids.extend(try_join_all(part).await?);
    }
    Ok(ids)
}

/// Reads a file into concerts, or into everything that is wrong with it.
pub fn parse(format: Format, content: &str) -> Result<Vec<NewConcert>, Vec<RowError>> {
    let content = content.strip_prefix('\u{FEFF}').unwrap_or(content);
    let mut names = Names::default();
    let rows = match format {
        Format::Csv => read_csv(content, &mut names),
        Format::Json => read_json(content, &mut names),
    }
    .map_err(|error| vec![error])?;
    if rows.is_empty() {
        return Err(vec![RowError::file(RowReason::NoRows)]);
    }
    let mut concerts = Vec::with_capacity(rows.len());
    let mut errors = names.errors;
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

/// What one row has in columns that are known.
type Cells = BTreeMap<&'static str, String>;

/// The names of columns, each judged once however many rows have it.
#[derive(Default)]
struct Names {
    unknown: BTreeSet<String>,
    errors: Vec<RowError>,
}

impl Names {
    /// The column of that name; `None` for one that is skipped, or told as an error.
    fn find(&mut self, name: &str) -> Result<Option<&'static str>, RowError> {
        if let Some(known) = COLUMNS.into_iter().find(|known| *known == name) {
            return Ok(Some(known));
        }
        if SKIPPED.contains(&name) || self.unknown.contains(name) {
            return Ok(None);
        }
        if self.unknown.len() == COLUMNS_MAX {
            return Err(RowError::file(RowReason::TooManyColumns));
        }
        if name.chars().count() > NAME_CHARS_MAX {
            let begins: String = name.chars().take(NAME_CHARS_MAX).collect();
            return Err(RowError::column(begins, RowReason::LongColumn));
        }
        let is_near = |known: &&str| strsim::damerau_levenshtein(known, name) <= 2;
        let near = COLUMNS.into_iter().find(is_near);
        let error = RowError::column(name.to_owned(), RowReason::UnknownColumn { near });
        self.errors.push(error);
        self.unknown.insert(name.to_owned());
        Ok(None)
    }
}

fn read_csv(content: &str, names: &mut Names) -> Result<Vec<Cells>, RowError> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter(content))
        .trim(csv::Trim::Headers)
        .from_reader(content.as_bytes());
    let unreadable = |row: usize, error: &csv::Error| RowError {
        row,
        column: None,
        reason: RowReason::NotCsv(error.to_string()),
    };
    let header = reader.headers().map_err(|error| unreadable(0, &error))?;
    if let Some(missing) = COLUMNS[..REQUIRED]
        .iter()
        .find(|name| !header.iter().any(|h| h == **name))
    {
        return Err(RowError::file(RowReason::MissingColumn(missing)));
    }
    if header.len() > COLUMNS_MAX {
        return Err(RowError::file(RowReason::TooManyColumns));
    }
    let columns: Result<Vec<_>, _> = header.iter().map(|name| names.find(name)).collect();
    let columns = columns?;
    let mut rows = Vec::new();
    let mut count = 0;
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(|error| unreadable(index + 1, &error))?;
        count = index + 1;
        if count > ROWS_MAX {
            continue;
        }
        let cells = columns.iter().zip(&record);
        let cells = cells.filter_map(|(column, cell)| Some(((*column)?, plain(cell).to_owned())));
        rows.push(cells.collect());
    }
    few(count)?;
    Ok(rows)
}

/// What parts the columns' names: spreadsheets write semicolons where commas are decimal.
fn delimiter(content: &str) -> u8 {
    let header = content.lines().next().unwrap_or_default();
    if header.contains(';') && !header.contains(',') {
        b';'
    } else {
        b','
    }
}

fn few(rows: usize) -> Result<(), RowError> {
    if rows > ROWS_MAX {
        return Err(RowError::file(RowReason::TooManyRows { rows }));
    }
    Ok(())
}

fn read_json(content: &str, names: &mut Names) -> Result<Vec<Cells>, RowError> {
    let list: Vec<Map<String, Value>> = serde_json::from_str(content)
        .map_err(|error| RowError::file(RowReason::NotJson(error.to_string())))?;
    few(list.len())?;
    let text = |value: Value| match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let mut rows = Vec::with_capacity(list.len());
    for object in list {
        let mut cells = Cells::new();
        for (name, value) in object {
            if let Some(column) = names.find(&name)? {
                cells.insert(column, text(value));
            }
        }
        rows.push(cells);
    }
    Ok(rows)
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
        let date = self.required("date", |cell| parse_day(cell).ok_or(RowReason::NotADay));
        let venue = self.required("venue", line);
        let total_tickets = self.required("total_tickets", capacity);
        let price = self.required("price", |cell| {
            cell.parse::<Money>().map_err(|_| RowReason::NotMoney)
        });
        let status = self.optional("status", status);
        let image_url = self.optional("image_url", |cell| Ok(ImagePath::parse(cell)?));
        let description = self.optional("description", |cell| Ok(Description::parse(cell)?));
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
        read: impl FnOnce(&str) -> Result<T, RowReason>,
    ) -> Option<T> {
        let missing = self
            .cells
            .get(column)
            .is_none_or(|cell| cell.trim().is_empty());
        if missing {
            self.wrong(column, RowReason::Required);
        }
        self.optional(column, read)
    }

    fn optional<T>(
        &mut self,
        column: &str,
        read: impl FnOnce(&str) -> Result<T, RowReason>,
    ) -> Option<T> {
        let cell = self
            .cells
            .remove(column)
            .filter(|cell| !cell.trim().is_empty())?;
        read(cell.trim())
            .map_err(|reason| self.wrong(column, reason))
            .ok()
    }

    fn wrong(&mut self, column: &str, reason: RowReason) {
        let error = RowError {
            row: self.number,
            column: Some(column.to_owned()),
            reason,
        };
        self.errors.push(error);
    }
}

fn line(cell: &str) -> Result<Line, RowReason> {
    Ok(Line::parse(cell)?)
}

fn capacity(cell: &str) -> Result<Capacity, RowReason> {
    let number = cell.parse().ok().and_then(Capacity::new);
    number.ok_or(RowReason::NotACapacity)
}

fn status(cell: &str) -> Result<ConcertStatus, RowReason> {
    cell.parse().map_err(|_| RowReason::NotAStatus)
}

/// A file with the columns and one concert, for who makes one.
pub const TEMPLATE: &str = "\
name,artist,date,venue,total_tickets,price,status,image_url,description
Night Ferry,The Lanterns,2027-01-31,\"Riverside Hall, Bangkok\",800,1250.00,closed,,\"One night, one river.\"
";

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
    fn columns_may_be_parted_by_semicolons() {
        let row = "Night;Ones, Twos;2027-01-31;Hall, Bangkok;100;1250.00;;\n";
        let file = format!("{}{row}", HEADER.replace(',', ";"));
        let concerts = parse(Format::Csv, &file).unwrap();
        assert_eq!(concerts[0].artist.as_str(), "Ones, Twos");
        let errors = parse(Format::Csv, &file.replace("2027-01-31", "31.1.2027")).unwrap_err();
        assert_eq!(
            (errors[0].row, errors[0].column.as_deref()),
            (1, Some("date"))
        );
    }

    #[test]
    fn a_mistyped_column_gets_its_neighbours_name() {
        let errors = parse(Format::Json, r#"[{"name":"a","artist":"b","date":"2027-01-31","venue":"c","total_tickets":1,"price":"1","pirce":"2"}]"#).unwrap_err();
        let said = errors[0].reason.to_string();
        assert_eq!(said, "is not a column; did you mean price?");
        let errors = parse(Format::Csv, "name,artist\n").unwrap_err();
        assert!(
            errors[0].to_string().contains("date is missing"),
            "{}",
            errors[0]
        );
    }

    #[test]
    fn a_column_that_nobody_knows_is_told_once_however_many_rows_have_it() {
        let row = "Night,Ones,2027-01-31,Hall,100,1250.00,,,\n";
        let header = HEADER.replace("description", "descripton,colour");
        let file = format!("{header}{}", row.repeat(3));
        let object = r#"{"name":"a","artist":"b","date":"2027-01-31","venue":"c","total_tickets":1,
                         "price":"1","colour":"2","descripton":"3"}"#;
        let list = format!("[{object},{object},{object}]");
        for (format, file) in [(Format::Csv, file), (Format::Json, list)] {
            let errors = parse(format, &file).unwrap_err();
            let mut said: Vec<_> = errors.iter().map(ToString::to_string).collect();
            said.sort();
            assert_eq!(said.len(), 2, "{said:?}");
            assert!(said[0].starts_with("file, colour: is not a column; there are name"));
            assert_eq!(
                said[1],
                "file, descripton: is not a column; did you mean description?"
            );
        }
    }

    #[test]
    fn long_names_of_columns_are_refused_and_not_kept() {
        let long = "x".repeat(1_900_000);
        let rows = "a,b,2027-01-31,c,1,1,,,\n".repeat(3_000);
        let csv = format!("{},{long}\n{rows}", HEADER.trim_end());
        let json = format!(r#"[{{"{long}":1}}]"#);
        for (format, file) in [(Format::Csv, csv), (Format::Json, json)] {
            let errors = parse(format, &file).unwrap_err();
            let column = "x".repeat(NAME_CHARS_MAX);
            assert_eq!(errors, [RowError::column(column, RowReason::LongColumn)]);
        }
        let names = (0..=COLUMNS_MAX).map(|n| format!("\"x{n}\":1"));
        let wide = format!("[{{{}}}]", names.collect::<Vec<_>>().join(","));
        let errors = parse(Format::Json, &wide).unwrap_err();
        assert_eq!(errors, [RowError::file(RowReason::TooManyColumns)]);
    }

    #[test]
    fn the_template_can_be_imported() {
        let concerts = parse(Format::Csv, TEMPLATE).unwrap();
        assert_eq!(concerts.len(), 1);
        assert_eq!(concerts[0].venue.as_str(), "Riverside Hall, Bangkok");
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

    #[test]
    fn what_is_too_much_is_counted_and_not_read() {
        let many = format!(
            "{HEADER}{}",
            "a,b,2027-01-31,c,1,1,,\n".repeat(ROWS_MAX + 1)
        );
        let errors = parse(Format::Csv, &many).unwrap_err();
        let rows = ROWS_MAX + 1;
        assert_eq!(errors, [RowError::file(RowReason::TooManyRows { rows })]);
        let wide = format!("{}{HEADER}", "x,".repeat(COLUMNS_MAX));
        let errors = parse(Format::Csv, &wide).unwrap_err();
        assert_eq!(errors, [RowError::file(RowReason::TooManyColumns)]);
    }

    #[test]
    fn a_file_is_known_by_its_content() {
        let formats = ["\u{FEFF} [{}]", "{}", "name,artist", ""].map(Format::of);
        assert_eq!(
            formats,
            [Format::Json, Format::Json, Format::Csv, Format::Csv]
        );
    }
}
