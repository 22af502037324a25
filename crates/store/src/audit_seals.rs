//! The seals over the audit log, each chained to the one before it.

use jiff::Timestamp;

use crate::audit_logs::{Position, Proof};
use crate::connection::Connection;
use crate::error::StoreError;
use crate::generated::queries::audit_seals as statements;
use crate::receipts::Digest;
use crate::time::to_column;

/// HMAC-SHA-256.
pub type Mac = [u8; 32];

/// Tells keys apart without telling anything of them.
pub type KeyId = [u8; 8];

/// What makes a seal of what it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// `None` in seals from before keys were told apart.
    pub key_id: Option<KeyId>,
    pub mac: Mac,
}

/// What a seal covers: everything of it but its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// The PostgreSQL cluster whose transactions are counted.
    pub cluster_id: i64,
    /// The last row.
    pub until: Position,
    pub row_ids: Vec<i32>,
    /// 16 bytes for each row.
    pub digests: Vec<u8>,
}

/// What until's transaction has more while the beginning is sealed in the order of ids; numbers of
/// transactions never get there.
const BY_ID: u64 = 1 << 62;

/// A seal as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    pub id: i64,
    pub covered: Covered,
    pub signature: Signature,
}

impl Covered {
    /// What covers these rows; `None` of nothing.
    pub fn of(cluster_id: i64, rows: &[(Proof, Timestamp)]) -> Option<Self> {
        let (last, _) = rows.last()?;
        Some(Self {
            cluster_id,
            until: last.position,
            row_ids: rows.iter().map(|(row, _)| row.position.id).collect(),
            digests: rows.iter().flat_map(|(row, _)| row.digest).collect(),
        })
    }

    /// The last row, unless what a cluster begins with isn't sealed to its end: rows that the cluster
    /// didn't write itself are in no order until then.
    pub fn in_order_until(&self) -> Option<Position> {
        (self.until.tx < BY_ID).then_some(self.until)
    }

    /// Each row with its digest.
    pub fn rows(&self) -> impl Iterator<Item = (i32, Digest)> {
        let (digests, _) = self.digests.as_chunks::<16>();
        self.row_ids.iter().copied().zip(digests.iter().copied())
    }
}

/// Whether this transaction is the only one that seals now.
pub async fn try_lock(connection: &Connection) -> Result<bool, StoreError> {
    Ok(statements::try_lock().bind(connection).one().await?)
}

/// The number of the cluster that answers.
pub async fn find_cluster(connection: &Connection) -> Result<i64, StoreError> {
    Ok(statements::cluster().bind(connection).one().await?)
}

/// The number of the cluster's next transaction.
pub async fn find_next_tx(connection: &Connection) -> Result<u64, StoreError> {
    let tx = statements::find_next_tx().bind(connection).one().await?;
    let unreadable = || StoreError::Unreadable {
        table: "pg_current_snapshot",
        detail: format!("the number {tx}"),
    };
    tx.parse().map_err(|_| unreadable())
}

/// What the next seal is chained to.
pub async fn find_last_mac(connection: &Connection) -> Result<Option<Mac>, StoreError> {
    let last = statements::find_last_mac().bind(connection).opt().await?;
    last.map(|row| read_mac(row.id, &row.mac)).transpose()
}

/// The signature of one seal; `None` where there is no such seal.
pub async fn find_mac(connection: &Connection, id: i64) -> Result<Option<Mac>, StoreError> {
    let found = statements::find_mac().bind(connection, &id).opt().await?;
    found.map(|row| read_mac(row.id, &row.mac)).transpose()
}

pub async fn insert(
    connection: &Connection,
    covered: &Covered,
    signature: &Signature,
    now: Timestamp,
) -> Result<i64, StoreError> {
    let id = statements::insert()
        .bind(
            connection,
            &covered.cluster_id,
            &covered.until.tx.to_string(),
            &covered.until.id,
            &covered.row_ids,
            &covered.digests,
            &signature.mac.as_slice(),
            &to_column(now),
            &signature.key_id.as_ref().map(KeyId::as_slice),
        )
        .one()
        .await?;
    Ok(id)
}

/// The seals in order, behind one of them.
pub async fn list(
    connection: &Connection,
    after_id: i64,
    rows_max: i64,
) -> Result<Vec<Seal>, StoreError> {
    let list = statements::list();
    let rows = list.bind(connection, &after_id, &rows_max).all().await?;
    rows.into_iter()
        .map(|row| {
            let tx = row.until_tx.parse().map_err(|_| unreadable(row.id))?;
            let until = Position {
                tx,
                id: row.until_id,
            };
            let key_id = row.key_id.map(|id| KeyId::try_from(id.as_slice()));
            Ok(Seal {
                id: row.id,
                signature: Signature {
                    key_id: key_id.transpose().map_err(|_| unreadable(row.id))?,
                    mac: read_mac(row.id, &row.mac)?,
                },
                covered: Covered {
                    cluster_id: row.cluster_id,
                    until,
                    row_ids: row.row_ids,
                    digests: row.digests,
                },
            })
        })
        .collect()
}

fn read_mac(id: i64, mac: &[u8]) -> Result<Mac, StoreError> {
    mac.try_into().map_err(|_| unreadable(id))
}

fn unreadable(id: i64) -> StoreError {
    StoreError::Unreadable {
        table: "audit_seals",
        detail: format!("seal {id}"),
    }
}
