//! What a write probe leaves, and what takes it away again.

use crate::connection::Connection;
use crate::error::StoreError;
use crate::generated::queries::write_probe as statements;

/// Deletes all reservations of the probe's concert, and gives their tickets back; how many there were.
pub async fn clear(connection: &Connection) -> Result<i64, StoreError> {
    Ok(statements::clear().bind(connection).one().await?)
}
