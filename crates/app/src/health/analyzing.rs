//! Gathers the statistics of every table once a month, on top of what autovacuum does by itself: a table
//! that grows slowly would else be planned for as it was long ago.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use store::heartbeats::{self, Task};
use store::{Acting, StoreError, Transaction, health};

use crate::App;

const EVERY: SignedDuration = SignedDuration::from_hours(30 * 24);
const LOOK_EVERY: Duration = Duration::from_hours(1);

/// One table after the other when a month is over; the time until the next look.
///
/// Each in a transaction of its own: readers and writers don't wait for it, and it takes seconds, whatever
/// the table's size, because PostgreSQL reads a sample. Should another server begin the same between two
/// of them, both do it, which is only wasteful.
pub async fn analyze_when_due(app: &App) -> Result<Duration, StoreError> {
    let connection = app.writer().get().await?;
    let last = heartbeats::find(&connection, Task::Analyze).await?;
    let now = app.ctx().now();
    if last.is_some_and(|last| now.duration_since(last) < EVERY) {
        return Ok(LOOK_EVERY);
    }
    let (tables, _) = health::list_sizes(&connection).await?;
    drop(connection);
    for table in &tables {
        if !alone(app, last, async |alone| {
            health::analyze_table(alone, &table.name).await.map(drop)
        })
        .await?
        {
            return Ok(LOOK_EVERY);
        }
    }
    let beat = async |alone: &Transaction| heartbeats::beat(alone, Task::Analyze, now).await;
    if alone(app, last, beat).await? {
        let tables = tables.len();
        tracing::info!(tables, "statistics of all tables were gathered");
    }
    Ok(LOOK_EVERY)
}

/// Does `work` in a transaction; `false` where another server is about it, or has just been.
async fn alone(
    app: &App,
    last: Option<Timestamp>,
    work: impl AsyncFnOnce(&Transaction) -> Result<(), StoreError>,
) -> Result<bool, StoreError> {
    let transaction = Transaction::begin(app.writer(), &Acting::system("analyze")).await?;
    let done = async {
        if !heartbeats::try_lock(&transaction, Task::Analyze).await?
            || heartbeats::find(&transaction, Task::Analyze).await? != last
        {
            return Ok(false);
        }
        work(&transaction).await.map(|()| true)
    };
    match done.await {
        Ok(true) => transaction.commit().await.map(|()| true),
        other => {
            transaction.rollback().await;
            other
        }
    }
}
