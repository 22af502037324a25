//! Importing what isn't there yet: for staff, who look first and may click twice.

use std::collections::HashMap;

use domain::concert::NewConcert;
use jiff::Timestamp;
use store::{Acting, Connection, Transaction, concerts};

use super::{Format, ImportError, RowError, RowReason, insert, read};
use crate::{App, task};

/// What [`import_new`] would make of a file now.
pub async fn preview(
    app: &App,
    (format, content): (Format, &str),
) -> Result<Vec<NewConcert>, ImportError> {
    let (new, _turn) = read(app, (format, content)).await?;
    let connection = app.writer().get().await?;
    check_new(&connection, &new).await?;
    Ok(new)
}

/// The same as [`super::import`] unless one of the concerts is there already: the same file sent twice, by
/// two clicks say, makes its concerts once. Returns how many.
///
/// INVARIANT: imports of this kind wait for each other, those of one process without a connection;
/// guarded by `a_file_that_is_sent_twice_at_once_makes_its_concerts_once` and
/// `imports_that_wait_for_each_other_hold_no_connections`.
pub async fn import_new(
    app: &App,
    by: Acting,
    (format, content): (Format, &str),
) -> Result<usize, ImportError> {
    let (new, turn) = read(app, (format, content)).await?;
    let app = app.clone();
    task::uninterrupted(async move {
        let _turn = turn;
        let transaction = task::begin(&app, &by).await?;
        let made = import_new_in(&transaction, &new, app.ctx().now()).await;
        task::end(transaction, made).await
    })
    .await
}

async fn import_new_in(
    transaction: &Transaction,
    new: &[NewConcert],
    now: Timestamp,
) -> Result<usize, ImportError> {
    concerts::lock_import(transaction).await?;
    check_new(transaction, new).await?;
    Ok(insert(transaction, new, now).await?.len())
}

async fn check_new(connection: &Connection, new: &[NewConcert]) -> Result<(), ImportError> {
    let existing = concerts::list_existing(connection, new).await?;
    if existing.len() == new.len() {
        return Err(ImportError::Done);
    }
    let wrong = |row, reason| RowError {
        row,
        column: None,
        reason,
    };
    let existing = existing.into_iter();
    let mut errors: Vec<_> = existing.map(|row| wrong(row, RowReason::Exists)).collect();
    let mut seen = HashMap::new();
    for (index, one) in new.iter().enumerate() {
        let same = (&one.name, &one.artist, one.date, &one.venue);
        let first = *seen.entry(same).or_insert(index + 1);
        if first != index + 1 {
            errors.push(wrong(index + 1, RowReason::Repeats(first)));
        }
    }
    errors.sort_by_key(|error| error.row);
    if errors.is_empty() {
        Ok(())
    } else {
        Err(ImportError::Rows(errors))
    }
}
