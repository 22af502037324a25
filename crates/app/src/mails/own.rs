//! A buyer asks for the mail with the tickets once more: not so often that somebody else's mailbox
//! could be filled by it.

use std::time::Duration;

use domain::id::ReservationId;
use domain::language::Language;
use domain::mail::MailKind;
use domain::reservation::ReservationStatus;
use jiff::Timestamp;
use store::mails::{self as stored, Mail};
use store::{Acting, StoreError, Transaction, reservations};

use super::{SEND, enqueue_mail};
use crate::access::Holder;
use crate::{App, jobs, task};

/// Most mails arrive within it.
const SOON: Duration = Duration::from_mins(1);
/// So many in a day, the first one counted: whoever has lost that many looks at the page instead.
const DAILY_MAX: i64 = 5;
const DAY: Duration = Duration::from_hours(24);

/// Why no mail leaves.
#[derive(Debug, thiserror::Error)]
pub enum OwnResendError {
    #[error("there is no such reservation")]
    NotFound,
    #[error("the tickets aren't the buyer's")]
    NotConfirmed,
    #[error("a mail was written a moment ago")]
    TooSoon { wait: Duration },
    #[error("many mails were written within a day")]
    TooOften { wait: Duration },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes the mail with the tickets anew, in the language of whoever asks.
pub async fn resend_own(
    app: &App,
    holder: &Holder,
    language: Language,
) -> Result<Mail, OwnResendError> {
    let (app, holder) = (app.clone(), holder.clone());
    task::uninterrupted(async move {
        // The log keeps no address here: mails are forgotten long before their customer may be erased,
        // and nothing would lead from the customer to this row any more.
        let by = Acting {
            address: None,
            ..holder.acting()
        };
        let transaction = task::begin(&app, &by).await?;
        let id = holder.reservation_id();
        let written = resend_in(&app, &transaction, id, language).await;
        let written = task::end(transaction, written).await?;
        jobs::wake(&app);
        Ok(written)
    })
    .await
}

async fn resend_in(
    app: &App,
    transaction: &Transaction,
    id: &ReservationId,
    language: Language,
) -> Result<Mail, OwnResendError> {
    // Whoever asks twice at once waits here, and is counted.
    let locked = reservations::lock(transaction, id).await?;
    let reservation = locked.ok_or(OwnResendError::NotFound)?;
    if reservation.status != ReservationStatus::Confirmed {
        return Err(OwnResendError::NotConfirmed);
    }
    let (kind, now) = (MailKind::Confirmed, app.ctx().now());
    let recent = stored::find_recent(transaction, id, kind, now - DAY).await?;
    let wait = |since: Option<Timestamp>, pause: Duration| {
        let end = since.map_or(now, |since| since + pause);
        Duration::try_from(end.duration_since(now)).unwrap_or_default()
    };
    let soon = wait(recent.newest_at, SOON);
    if !soon.is_zero() {
        return Err(OwnResendError::TooSoon { wait: soon });
    }
    if recent.mails >= DAILY_MAX {
        return Err(OwnResendError::TooOften {
            wait: wait(recent.oldest_at, DAY),
        });
    }
    let written = enqueue_mail(app, transaction, (kind, language, SEND), id).await?;
    written.ok_or(OwnResendError::NotFound)
}
