//! When a task was last awake, and the lock that lets one server at a time do its work.

use jiff::Timestamp;

use crate::connection::Connection;
use crate::error::{StoreError, expect_rows};
use crate::generated::queries::heartbeats as statements;
use crate::time::{from_column, to_column};

/// A task that must not rest for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Giving back the tickets of holds that ran out.
    Sweep,
    /// Gathering the tables' statistics.
    Analyze,
    /// Trying whether tickets can be sold; its beats are sales, the probe's and buyers'.
    WriteProbe,
}

impl Task {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Sweep => "sweep",
            Self::Analyze => "analyze",
            Self::WriteProbe => "write_probe",
        }
    }

    /// Any number that no other advisory lock of ours has: the name in ASCII.
    const fn lock_key(self) -> i64 {
        match self {
            Self::Sweep => 0x73_7765_6570,
            Self::Analyze => 0x61_6e61_6c79_7a65,
            // "probe": the whole name is longer than a number.
            Self::WriteProbe => 0x70_726f_6265,
        }
    }
}

/// Takes the task's lock until the transaction ends; `false` when another server has it.
pub async fn try_lock(connection: &Connection, task: Task) -> Result<bool, StoreError> {
    Ok(statements::try_lock()
        .bind(connection, &task.lock_key())
        .one()
        .await?)
}

/// When the task was last awake; `None` when it never was.
pub async fn find(connection: &Connection, task: Task) -> Result<Option<Timestamp>, StoreError> {
    let found = statements::find()
        .bind(connection, &task.as_str())
        .opt()
        .await?;
    Ok(found.map(from_column))
}

/// The same, and locks it until the transaction ends.
pub async fn lock(connection: &Connection, task: Task) -> Result<Option<Timestamp>, StoreError> {
    let found = statements::lock()
        .bind(connection, &task.as_str())
        .opt()
        .await?;
    Ok(found.map(from_column))
}

/// Notes that the task is awake at `now`.
pub async fn beat(connection: &Connection, task: Task, now: Timestamp) -> Result<(), StoreError> {
    let changed = statements::beat()
        .bind(connection, &task.as_str(), &to_column(now))
        .await?;
    expect_rows("heartbeats.beat", changed, 1)
}
