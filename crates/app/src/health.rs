//! Whether the product can do its work, for readiness checks and `doctor`.

use jiff::SignedDuration;
use store::migrate::{self, SchemaState};
use store::monitor::{self, BrokenInventory, Login};
use store::{Acting, Seen, StoreError, Transaction, replication};

use crate::{App, Ctx};

/// Why the product is not ready.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    #[error("the database does not answer")]
    Database(#[from] StoreError),
    #[error("the database schema is not the one this program needs")]
    Schema(SchemaState),
    #[error("the database is a read-only standby")]
    ReadOnly,
    #[error(
        "no synchronous standby streams, so that a sale would be lost with the primary; selling goes \
         on by itself once one does"
    )]
    NoStandby,
}

/// Ready when a database answers, the primary or a replica, and its schema is current.
pub async fn check_ready(app: &App) -> Result<(), NotReady> {
    let state = app.read(Seen::default(), |connection| {
        Box::pin(migrate::find_state(connection))
    });
    fit(state.await?)
}

fn fit(state: SchemaState) -> Result<(), NotReady> {
    match state {
        SchemaState::Current { .. } => Ok(()),
        state => Err(NotReady::Schema(state)),
    }
}

/// Ready, and the primary takes writes that will last.
pub async fn check_ready_to_sell(app: &App) -> Result<(), NotReady> {
    fit(schema_state(app).await?)?;
    let connection = app.writer().get().await?;
    if monitor::is_read_only(&connection).await? {
        return Err(NotReady::ReadOnly);
    }
    match replication::look_at_primary(&connection).await? {
        Some(primary) if primary.lacks_standby() => Err(NotReady::NoStandby),
        Some(_) => Ok(()),
        None => Err(NotReady::ReadOnly),
    }
}

/// What the schema is, without judging it.
pub async fn schema_state(app: &App) -> Result<SchemaState, StoreError> {
    migrate::check_with(app.writer()).await
}

/// Who the server is to the database.
pub async fn login(app: &App) -> Result<Login, StoreError> {
    let connection = app.writer().get().await?;
    monitor::find_login(&connection).await
}

/// Concerts whose stock doesn't add up; at most a hundred. Empty is good.
pub async fn broken_inventory(app: &App) -> Result<Vec<BrokenInventory>, StoreError> {
    let transaction = Transaction::begin(app.writer(), &Acting::system("health")).await?;
    let broken = monitor::list_broken_inventory(&transaction, 100).await;
    transaction.rollback().await;
    broken
}

/// How far this machine's clock is from the primary's; positive when it is ahead.
pub async fn clock_offset(app: &App) -> Result<SignedDuration, StoreError> {
    let connection = app.writer().get().await?;
    let primary = monitor::primary_clock(&connection).await?;
    // A context without connections shows this machine's own clock.
    Ok(Ctx::system().now().duration_since(primary))
}
