//! How often sign-ins failed, by digests of names and addresses.
//!
//! What the figures mean, and how long they lock, is `domain::sign_in`'s.

use domain::sign_in::Failures;
use jiff::Timestamp;

use crate::connection::Connection;
use crate::error::{StoreError, expect_rows};
use crate::generated::queries::sign_in_failures as statements;
use crate::time::{from_column, to_column};

/// A SHA-256.
pub type Digest = [u8; 32];

/// The failures of all subjects, in their order.
pub async fn find<const N: usize>(
    connection: &Connection,
    subjects: [&Digest; N],
) -> Result<[Failures; N], StoreError> {
    let wanted = subjects.map(<[u8; 32]>::as_slice);
    let rows = statements::find()
        .bind(connection, &wanted.as_slice())
        .all()
        .await?;
    Ok(in_order(subjects, &rows))
}

/// Locks these subjects until the transaction ends; rows that weren't there are made. Whoever needs
/// several names all of them at once: a second call would take them in another order.
pub async fn lock(
    connection: &Connection,
    subjects: &[&Digest],
    now: Timestamp,
) -> Result<(), StoreError> {
    let subjects: Vec<&[u8]> = subjects.iter().map(|subject| subject.as_slice()).collect();
    statements::lock()
        .bind(connection, &to_column(now), &subjects)
        .await?;
    Ok(())
}

/// Writes the failures of a subject whose row is locked.
pub async fn update(
    connection: &Connection,
    subject: &Digest,
    failures: Failures,
    now: Timestamp,
) -> Result<(), StoreError> {
    let count = i32::try_from(failures.count).unwrap_or(i32::MAX);
    let changed = statements::update()
        .bind(
            connection,
            &count,
            &to_column(failures.last_failed_at.unwrap_or(now)),
            &failures.locked_until.map(to_column),
            &subject.as_slice(),
        )
        .await?;
    expect_rows("sign_in_failures.update", changed, 1)
}

/// Forgets the failures of these subjects; returns of how many there were any.
pub async fn delete(connection: &Connection, subjects: &[Digest]) -> Result<u64, StoreError> {
    let subjects: Vec<&[u8]> = subjects.iter().map(<[u8; 32]>::as_slice).collect();
    let deleted = statements::delete().bind(connection, &subjects).await?;
    Ok(deleted)
}

/// Forgets all failures; returns of how many subjects.
pub async fn delete_all(connection: &Connection) -> Result<u64, StoreError> {
    Ok(statements::delete_all().bind(connection).await?)
}

/// Deletes up to `limit` rows whose last failure was before; returns how many.
pub async fn delete_old(
    connection: &Connection,
    before: Timestamp,
    limit: i64,
) -> Result<u64, StoreError> {
    Ok(statements::delete_old()
        .bind(connection, &to_column(before), &limit)
        .await?)
}

fn in_order<const N: usize>(
    subjects: [&Digest; N],
    rows: &[statements::Failures],
) -> [Failures; N] {
    subjects.map(|subject| {
        let row = rows.iter().find(|row| row.subject_digest == *subject);
        row.map_or_else(Failures::default, |row| Failures {
            count: u32::try_from(row.failures).unwrap_or(0),
            last_failed_at: Some(from_column(row.last_failed_at)),
            locked_until: row.locked_until.map(from_column),
        })
    })
}
