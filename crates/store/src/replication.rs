//! Where the primary's log is, whether a standby confirms it, and how far a standby has replayed it.

use crate::connection::Connection;
use crate::error::StoreError;
use crate::generated::queries::replication as statements;
use crate::pool::{Lease, Pool};

/// A position in the write-ahead log, in bytes since its beginning (PostgreSQL's `pg_lsn`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(i64);

impl Position {
    /// Behind everything: no standby ever gets there.
    pub const MAX: Self = Self(i64::MAX);

    pub const fn new(bytes: i64) -> Self {
        Self(bytes)
    }

    pub const fn bytes(self) -> i64 {
        self.0
    }
}

/// What the primary says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Primary {
    pub position: Position,
    /// Whether a COMMIT waits for a standby.
    pub needs_standby: bool,
    /// Whether as many standbys stream as COMMIT waits for. True where the server may not see them.
    pub is_confirmed: bool,
    /// Whether one of them may go.
    pub has_spare: bool,
}

impl Primary {
    /// Whether nothing that is committed now could survive the loss of this machine, although the
    /// installation asks for it.
    pub const fn lacks_standby(&self) -> bool {
        self.needs_standby && !self.is_confirmed
    }
}

/// A standby as the primary sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standby {
    pub name: String,
    /// `streaming` is good; `None` where the server may not see it.
    pub state: Option<String>,
    /// `sync`, `quorum`, `potential` or `async`.
    pub sync_state: Option<String>,
    /// Bytes of the log that it has not replayed yet.
    pub behind: Option<i64>,
}

/// Looks at the primary again and again. While half of the pool is lent it keeps its connection between
/// two looks: commits that wait for a standby may soon have all others, and this one must tell that they
/// wait in vain.
#[derive(Debug, Default)]
pub struct Watch(Option<Lease>);

impl Watch {
    /// `None` when the pool leads to a standby; that is told once.
    pub async fn look(&mut self, pool: &Pool) -> Result<Option<Primary>, StoreError> {
        let lease = match self.0.take().filter(|lease| lease.is_sound()) {
            Some(lease) => lease,
            None => pool.get().await?,
        };
        let primary = look_at_primary(&lease).await?;
        if primary.is_some() && pool.is_half_lent() {
            self.0 = Some(lease);
        }
        Ok(primary)
    }
}

/// `None` when the connection is to a standby.
pub async fn look_at_primary(connection: &Connection) -> Result<Option<Primary>, StoreError> {
    let row = statements::look_at_primary().bind(connection).one().await?;
    Ok(row.position.map(|position| Primary {
        position: Position(position),
        needs_standby: row.needs_standby,
        // Where states are hidden, only the absence of all standbys can be seen.
        is_confirmed: row.confirming >= row.needed || (row.hidden > 0 && row.senders > 0),
        has_spare: row.confirming > row.needed || row.hidden > 0,
    }))
}

/// Every standby that is connected to the primary.
pub async fn list_standbys(connection: &Connection) -> Result<Vec<Standby>, StoreError> {
    let rows = statements::list_standbys().bind(connection).all().await?;
    let read = |row: statements::ListStandbys| Standby {
        name: row.name,
        state: row.state,
        sync_state: row.sync_state,
        behind: row.behind,
    };
    Ok(rows.into_iter().map(read).collect())
}

/// How far a standby has replayed the log; `None` when the connection is to a primary.
pub async fn look_at_standby(connection: &Connection) -> Result<Option<Position>, StoreError> {
    let row = statements::look_at_standby().bind(connection).one().await?;
    Ok(row.is_standby.then_some(Position(row.replayed)))
}
