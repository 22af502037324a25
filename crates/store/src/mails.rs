//! Mails to buyers, and what became of each.

use domain::id::{MailId, ReservationId};
use domain::language::Language;
use domain::mail::{MailKind, MailStatus};
use jiff::Timestamp;

use crate::client::Params as _;
use crate::connection::Connection;
use crate::error::{StoreError, expect_rows};
use crate::generated::queries::mails as statements;
use crate::time::{from_column, to_column};

/// The columns take so many characters of an error.
pub const ERROR_LENGTH_MAX: usize = 500;

/// A mail as it is kept: what it is about and for whom, without its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    pub id: MailId,
    pub kind: MailKind,
    pub language: Language,
    pub recipient: String,
    pub reservation_id: Option<ReservationId>,
    /// With its angle brackets, the same in every attempt.
    pub message_id: String,
    pub status: MailStatus,
    pub sent_at: Option<Timestamp>,
    /// Why the last attempt failed; it may quote the recipient's address.
    pub last_error: Option<String>,
    pub created_at: Timestamp,
}

/// A place in the list, behind which the next page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub created_at: Timestamp,
    pub id: MailId,
}

/// Writes a mail that waits to be sent.
pub async fn insert(connection: &Connection, new: &Mail) -> Result<(), StoreError> {
    let parameters = statements::InsertParams {
        id: new.id.as_str(),
        kind: new.kind.as_str(),
        language: new.language.as_str(),
        recipient: new.recipient.as_str(),
        reservation_id: new.reservation_id.as_ref().map(ReservationId::as_str),
        message_id: new.message_id.as_str(),
        now: to_column(new.created_at),
    };
    let inserted = statements::insert().params(connection, &parameters).await?;
    expect_rows("mails.insert", inserted, 1)
}

pub async fn find(connection: &Connection, id: &MailId) -> Result<Option<Mail>, StoreError> {
    let found = statements::find()
        .bind(connection, &id.as_str())
        .opt()
        .await?;
    found.map(read).transpose()
}

pub async fn lock(connection: &Connection, id: &MailId) -> Result<Option<Mail>, StoreError> {
    let found = statements::lock()
        .bind(connection, &id.as_str())
        .opt()
        .await?;
    found.map(read).transpose()
}

/// A page, newest first, behind one of them; of one status or of all.
pub async fn list(
    connection: &Connection,
    status: Option<MailStatus>,
    behind: Option<&Position>,
    limit: i64,
) -> Result<Vec<Mail>, StoreError> {
    let parameters = statements::ListParams {
        of_status: status.map(MailStatus::as_str),
        before_at: behind.map(|place| to_column(place.created_at)),
        before_id: behind.map(|place| place.id.as_str()),
        limit,
    };
    let rows = statements::list()
        .params(connection, &parameters)
        .all()
        .await?;
    rows.into_iter().map(read).collect()
}

/// What was written about a reservation, the newest first.
pub async fn list_of_reservation(
    connection: &Connection,
    reservation: &ReservationId,
) -> Result<Vec<Mail>, StoreError> {
    let rows = statements::list_of_reservation()
        .bind(connection, &reservation.as_str())
        .all()
        .await?;
    rows.into_iter().map(read).collect()
}

/// The newest that left, or would have; to this address, or to all where it is empty.
pub async fn list_written(
    connection: &Connection,
    recipient: &str,
    limit: i64,
) -> Result<Vec<MailId>, StoreError> {
    let rows = statements::list_written()
        .bind(connection, &recipient, &limit)
        .all()
        .await?;
    rows.iter().map(|id| parse("id", id)).collect()
}

/// The language of the newest mail about a reservation.
pub async fn find_language(
    connection: &Connection,
    id: &ReservationId,
) -> Result<Option<Language>, StoreError> {
    let found = statements::find_language()
        .bind(connection, &id.as_str())
        .opt()
        .await?;
    found.map(|word| parse("language", &word)).transpose()
}

/// What was written about a reservation lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recent {
    pub mails: i64,
    pub oldest_at: Option<Timestamp>,
    pub newest_at: Option<Timestamp>,
}

/// Mails of a kind about a reservation since then.
pub async fn find_recent(
    connection: &Connection,
    id: &ReservationId,
    kind: MailKind,
    since: Timestamp,
) -> Result<Recent, StoreError> {
    let found = statements::find_recent()
        .bind(connection, &id.as_str(), &kind.as_str(), &to_column(since))
        .one()
        .await?;
    Ok(Recent {
        mails: found.mails,
        oldest_at: found.oldest_at.map(from_column),
        newest_at: found.newest_at.map(from_column),
    })
}

/// Gives up mails whose job is there no more; how many.
pub async fn update_orphaned(
    connection: &Connection,
    (error, now): (&str, Timestamp),
    limit: i64,
) -> Result<u64, StoreError> {
    let parameters = statements::UpdateOrphanedParams {
        last_error: error,
        now: to_column(now),
        limit,
    };
    let changed = statements::update_orphaned()
        .params(connection, &parameters)
        .await?;
    Ok(changed)
}

/// What became of a mail for good.
#[derive(Clone, Copy, Debug)]
pub enum Ended<'a> {
    Sent,
    Kept,
    Dead(&'a str),
}

/// `false` when somebody else has ended it.
pub async fn update_ended(
    connection: &Connection,
    id: &MailId,
    ended: Ended<'_>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (status, error) = match ended {
        Ended::Sent => (MailStatus::Sent, None),
        Ended::Kept => (MailStatus::Kept, None),
        Ended::Dead(error) => (MailStatus::Dead, Some(error)),
    };
    let now = to_column(now);
    let parameters = statements::UpdateEndedParams {
        status: status.as_str(),
        sent_at: (status == MailStatus::Sent).then_some(now),
        last_error: error,
        now,
        id: id.as_str(),
    };
    let changed = statements::update_ended()
        .params(connection, &parameters)
        .await?;
    Ok(changed == 1)
}

/// Notes why an attempt failed, after which there will be another one.
pub async fn update_error(
    connection: &Connection,
    id: &MailId,
    error: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    statements::update_error()
        .bind(connection, &error, &to_column(now), &id.as_str())
        .await?;
    Ok(())
}

/// One that was given up waits again.
pub async fn update_pending(
    connection: &Connection,
    id: &MailId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed = statements::update_pending()
        .bind(connection, &to_column(now), &id.as_str())
        .await?;
    expect_rows("mails.update_pending", changed, 1)
}

/// Deletes up to `limit` mails that were made so long ago and wait for nothing; returns how many.
pub async fn delete_old(
    connection: &Connection,
    made_before: Timestamp,
    limit: i64,
) -> Result<u64, StoreError> {
    Ok(statements::delete_old()
        .bind(connection, &to_column(made_before), &limit)
        .await?)
}

fn read(row: statements::Mail) -> Result<Mail, StoreError> {
    let reservation_id = row.reservation_id.as_deref();
    Ok(Mail {
        id: parse("id", &row.id)?,
        kind: parse("kind", &row.kind)?,
        language: parse("language", &row.language)?,
        recipient: row.recipient,
        reservation_id: reservation_id
            .map(|id| parse("reservation_id", id))
            .transpose()?,
        message_id: row.message_id,
        status: parse("status", &row.status)?,
        sent_at: row.sent_at.map(from_column),
        last_error: row.last_error,
        created_at: from_column(row.created_at),
    })
}

fn parse<T: std::str::FromStr>(column: &str, value: &str) -> Result<T, StoreError> {
    value.parse().map_err(|_| StoreError::Unreadable {
        table: "mails",
        detail: format!("{column} {value:?}"),
    })
}
