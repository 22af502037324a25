//! Changing concerts, as staff do: made, edited, opened, closed, archived, deleted.
//!
//! Whoever calls has made sure that they may. What may become of a concert is `domain::concert`'s
//! rule; cancelling a whole concert, with its reservations, is `runs`'.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::concert::{Concert, ConcertEdit, ConcertRefusal, ConcertStatus, NewConcert};
use domain::id::ConcertId;
use domain::money::Currency;
use sha2::{Digest as _, Sha256};
use store::{
    Acting, StoreError, Transaction, concerts as stored, payments, reservations, staff_runs,
};

use crate::concerts::is_cancelled;
use crate::{App, task};

/// 128 bits of a digest: two states of a concert never share them by chance.
const VERSION_BYTES: usize = 16;

/// Why a concert wasn't changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("there is no such concert")]
    NotFound,
    #[error("the concert is archived, which is final")]
    Archived,
    #[error("the concert was cancelled, which is final")]
    Cancelled,
    #[error("the concert's day is over")]
    DayOver,
    #[error("{sold} tickets are sold and {held} held, which is more")]
    BelowTaken { sold: i64, held: i64 },
    #[error("{reservations} reservations have tickets of it")]
    HasReservations { reservations: i64 },
    /// Whoever had tickets of it asks for the money, and finds it by its concert.
    #[error("the concert was cancelled, so its reservations must be found")]
    KeptForRefunds,
    #[error("money of the concert may still come or go back")]
    MoneyOpen,
    /// Somebody else has edited it since it was read.
    #[error("the concert was edited meanwhile")]
    Edited(Box<Current>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A concert as it is instead of how somebody believed it to be.
#[derive(Clone, Debug)]
pub struct Current {
    pub concert: Concert,
    pub currency: Currency,
    /// The versions that would have been right to edit.
    pub expected: Expected,
}

/// Which version of a concert somebody wants to edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever it is.
    Any,
    OneOf(Vec<String>),
}

impl Expected {
    fn fits(&self, concert: &Concert) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(versions) => versions.contains(&version(concert)),
        }
    }
}

/// Names what staff can edit of a concert as it stands: a sale doesn't change it, and the same
/// content has the same version again.
pub fn version(concert: &Concert) -> String {
    let mut digest = Sha256::new();
    let (total, price) = (concert.total_tickets.to_string(), concert.price.to_string());
    let fields = [
        Some(concert.name.as_str()),
        Some(&concert.artist),
        Some(&concert.date.to_string()),
        Some(&concert.venue),
        Some(&total),
        Some(&price),
        concert.image_url.as_deref(),
        concert.description.as_deref(),
    ];
    for field in fields {
        // Each with its length, so that nothing moves from one to the next unseen.
        let length = field.map_or(u64::MAX, |field| field.len() as u64);
        digest.update(length.to_be_bytes());
        digest.update(field.unwrap_or_default());
    }
    URL_SAFE_NO_PAD.encode(&digest.finalize()[..VERSION_BYTES])
}

/// Makes a concert.
pub async fn create(app: &App, new: NewConcert, by: Acting) -> Result<Concert, ChangeError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = task::begin(&app, &by).await?;
        let id = stored::insert(&transaction, &new, app.ctx().now()).await?;
        let made = stored::find(&transaction, id).await?;
        transaction.commit().await?;
        made.ok_or(ChangeError::NotFound)
    })
    .await
}

/// Edits a concert that is still as `expected`. One that was cancelled stays as its buyers knew it.
pub async fn edit(
    app: &App,
    id: ConcertId,
    (edit, expected): (ConcertEdit, Expected),
    by: Acting,
) -> Result<Concert, ChangeError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = Transaction::begin_hurried(app.writer(), &by).await?;
        let edited = edit_in(&app, &transaction, id, (edit, expected)).await;
        let (before, edited) = task::end(transaction, edited).await?;
        if edited.available_tickets > before.available_tickets {
            // Whoever was told "sold out" from memory is told the truth from now on.
            app.tickets_returned(id);
        } else {
            app.live().changed(id);
        }
        Ok(edited)
    })
    .await
}

/// The concert before and after.
async fn edit_in(
    app: &App,
    transaction: &Transaction,
    id: ConcertId,
    (edit, expected): (ConcertEdit, Expected),
) -> Result<(Concert, Concert), ChangeError> {
    let before = lock(transaction, id).await?;
    // None that was cancelled is open, so that an edit during a sale needn't ask.
    if before.status == ConcertStatus::Closed && is_cancelled(transaction, id).await? {
        return Err(ChangeError::Cancelled);
    }
    if !expected.fits(&before) {
        return Err(ChangeError::Edited(Box::new(Current {
            concert: before,
            currency: app.settings().currency,
            expected,
        })));
    }
    let edited = match before.clone().edited(edit) {
        Ok(edited) => edited,
        Err(refusal) => return Err(refused(transaction, id, refusal).await?),
    };
    if edited == before {
        return Ok((before, edited));
    }
    let now = app.ctx().now();
    stored::update_details(transaction, &edited, now).await?;
    let edited = Concert {
        updated_at: now,
        ..edited
    };
    Ok((before, edited))
}

/// Opens, closes or archives a concert; nothing happens when it is so already.
pub async fn set_status(
    app: &App,
    id: ConcertId,
    status: ConcertStatus,
    by: Acting,
) -> Result<Concert, ChangeError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = Transaction::begin_hurried(app.writer(), &by).await?;
        let changed = set_status_in(&app, &transaction, id, status).await;
        let changed = task::end(transaction, changed).await?;
        app.live().changed(id);
        Ok(changed)
    })
    .await
}

async fn set_status_in(
    app: &App,
    transaction: &Transaction,
    id: ConcertId,
    status: ConcertStatus,
) -> Result<Concert, ChangeError> {
    let before = lock(transaction, id).await?;
    if let Err(refusal) = before.check_status(status, app.today()) {
        return Err(refused(transaction, id, refusal).await?);
    }
    if before.status == status {
        return Ok(before);
    }
    if status == ConcertStatus::Open
        && staff_runs::find_of_concert(transaction, id)
            .await?
            .is_some()
    {
        return Err(ChangeError::Cancelled);
    }
    let now = app.ctx().now();
    stored::update_status(transaction, id, status, now).await?;
    Ok(Concert {
        status,
        updated_at: now,
        ..before
    })
}

/// Deletes a concert softly, unless a reservation has tickets of it, or buyers may still ask for their
/// money: it was cancelled, or a payment or refund of it is under way.
///
/// INVARIANT: whoever reserves meanwhile waits for the concert's row and finds it deleted; guarded
/// by `a_concert_that_is_deleted_in_a_rush_has_either_buyers_or_none`.
pub async fn delete(app: &App, id: ConcertId, by: Acting) -> Result<(), ChangeError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = Transaction::begin_hurried(app.writer(), &by).await?;
        let deleted = delete_in(&app, &transaction, id).await;
        task::end(transaction, deleted).await?;
        app.live().changed(id);
        Ok(())
    })
    .await
}

async fn delete_in(app: &App, transaction: &Transaction, id: ConcertId) -> Result<(), ChangeError> {
    lock(transaction, id).await?;
    let reservations = reservations::count_taken(transaction, id)
        .await?
        .reservations;
    if reservations > 0 {
        return Err(ChangeError::HasReservations { reservations });
    }
    let cancelled_by = staff_runs::find_of_concert(transaction, id).await?;
    if cancelled_by.is_some() {
        return Err(ChangeError::KeptForRefunds);
    }
    if payments::has_open_of_concert(transaction, id).await? {
        return Err(ChangeError::MoneyOpen);
    }
    Ok(stored::delete(transaction, id, app.ctx().now()).await?)
}

async fn lock(transaction: &Transaction, id: ConcertId) -> Result<Concert, ChangeError> {
    let locked = stored::lock_whole(transaction, id).await?;
    locked.ok_or(ChangeError::NotFound)
}

/// The refusal with its figures. They are counted under the lock, so that they are those that were
/// decided by: two hundred thousand reservations keep a sale waiting for a tenth of a second.
async fn refused(
    transaction: &Transaction,
    id: ConcertId,
    refusal: ConcertRefusal,
) -> Result<ChangeError, StoreError> {
    Ok(match refusal {
        ConcertRefusal::Archived => ChangeError::Archived,
        ConcertRefusal::DayOver => ChangeError::DayOver,
        ConcertRefusal::BelowTaken => {
            let taken = reservations::count_taken(transaction, id).await?;
            ChangeError::BelowTaken {
                sold: taken.sold,
                held: taken.held,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use domain::money::Money;
    use jiff::Timestamp;
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_version_changes_with_every_editable_field_and_with_no_other() {
        let concert = Concert {
            id: ConcertId::new(1).unwrap(),
            name: "Night Ferry".into(),
            artist: "The Lanterns".into(),
            date: date(2026, 12, 12),
            venue: "Riverside Hall".into(),
            total_tickets: 100,
            available_tickets: 30,
            price: Money::ZERO,
            status: ConcertStatus::Open,
            image_url: None,
            description: None,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        };
        let first = version(&concert);
        let sold = Concert {
            available_tickets: 29,
            status: ConcertStatus::Closed,
            updated_at: Timestamp::MAX,
            ..concert.clone()
        };
        assert_eq!(version(&sold), first);
        let changes: [fn(&mut Concert); 9] = [
            |concert| concert.name.push('s'),
            |concert| concert.artist.push('s'),
            |concert| concert.date = date(2026, 12, 13),
            |concert| concert.venue.push('s'),
            |concert| concert.total_tickets += 1,
            |concert| concert.price = Money::MAX,
            |concert| concert.image_url = Some(String::new()),
            |concert| concert.description = Some(String::new()),
            |concert| {
                let last = concert.name.pop();
                concert.artist.insert(0, last.unwrap());
            },
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut after = concert.clone();
            change(&mut after);
            assert_ne!(version(&after), first, "{number}");
        }
    }
}
