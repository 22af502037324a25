//! Whether the product can do its work, for readiness checks and `doctor`.

use store::StoreError;
use store::migrate::{self, SchemaState};
use store::monitor::{self, BrokenInventory, Login};

use crate::App;

/// Why the product is not ready.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    #[error("the database does not answer")]
    Database(#[from] StoreError),
    #[error("the database schema is not the one this program needs")]
    Schema(SchemaState),
}

/// Ready when the database answers and its schema is current.
pub async fn check_ready(app: &App) -> Result<(), NotReady> {
    match migrate::check_with(app.writer()).await? {
        SchemaState::Current { .. } => Ok(()),
        state => Err(NotReady::Schema(state)),
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
    let connection = app.writer().get().await?;
    monitor::list_broken_inventory(&connection, 100).await
}
