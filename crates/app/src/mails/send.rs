//! The job that sends one mail, and looking at what was written.
//!
//! INVARIANT: a mail is sent twice only when the worker dies between the mail server's answer and the
//! commit behind it, and then with one Message-ID; guarded by
//! `a_mail_whose_worker_died_after_the_servers_answer_comes_again_with_its_message_id`.

use std::sync::Arc;
use std::time::Duration;

use domain::actor::Actor;
use domain::concert::Concert;
use domain::id::MailId;
use domain::mail::{MailKind, MailStatus};
use domain::payment::PaymentState;
use domain::reservation::Reservation;
use jiff::Zoned;
use serde::Deserialize;
use store::mails::{self as stored, ERROR_LENGTH_MAX, Ended, Mail};
use store::{Acting, StoreError, Transaction, concerts, payments, reservations, staff_runs};

use super::{Carrier, CarryError, Letter, Post, Sealed, Story, sign_in};
use crate::jobs::{ATTEMPTS_MAX, Attempt, Outcome};
use crate::tickets::{self, Issue, IssueError};
use crate::{App, cancel, task};

/// Sends a mail.
pub const SEND: &str = "mail.send";
/// The same for a link that signs somebody in, who waits for it and has not long: these go first.
pub const SEND_SIGN_IN: &str = "mail.sign_in";
/// The same for what is written to thousands at once, as when a concert is cancelled: these go last, so
/// that who has just paid needn't wait for his tickets behind them.
pub const SEND_IN_BULK: &str = "mail.bulk";

pub(super) const ACTING: Acting = Acting::new(Actor::Job("mails"));
/// How often it is written down that a mail left, where the database doesn't take it: a short outage
/// should not send it twice. With the carrier's half minute it stays within a job's minute.
const NOTE_TRIES: u32 = 8;
const NOTE_AGAIN: Duration = Duration::from_secs(1);
/// So many mails are shown at once.
const SHOWN_MAX: i64 = 50;

/// Which mail a job is about.
#[derive(Clone, Debug, Deserialize)]
pub struct Named {
    mail: String,
}

/// Sends a mail, unless it was sent before.
pub async fn send(app: App, attempt: Attempt<Named>) -> Outcome {
    let Ok(id) = attempt.payload.mail.parse::<MailId>() else {
        return Outcome::GiveUp("the payload names no mail".to_owned());
    };
    let sent = send_in(&app, &id, attempt.number >= ATTEMPTS_MAX).await;
    sent.unwrap_or_else(|error| Outcome::Retry(error.to_string()))
}

async fn send_in(app: &App, id: &MailId, is_last: bool) -> Result<Outcome, StoreError> {
    let Some(post) = app.post() else {
        return Ok(Outcome::Retry("this process sends no mails".to_owned()));
    };
    let Some((mail, story)) = find(app, post, id).await? else {
        return Ok(Outcome::Done);
    };
    if mail.status != MailStatus::Pending {
        return Ok(Outcome::Done);
    }
    if mail.kind == MailKind::SignIn {
        return sign_in::send(app, post, &mail, is_last).await;
    }
    let Some(story) = story else {
        let gone = "its reservation is gone";
        end(app, id, Ended::Dead(gone)).await?;
        return Ok(Outcome::GiveUp(gone.to_owned()));
    };
    let Some(carrier) = post.carrier.as_deref() else {
        end(app, id, Ended::Kept).await?;
        return Ok(Outcome::Done);
    };
    let Some((story, letter)) = write(post, story).await else {
        return Ok(Outcome::Retry("its words were not written".to_owned()));
    };
    let name = story.reservation.customer_name;
    carry(app, carrier, (&mail, name, letter), is_last).await
}

/// Words and drawings, where they keep nobody else waiting; none where the process ends, or a fault of
/// ours, which the log then has.
async fn write(post: &Post, story: Story) -> Option<(Story, Letter)> {
    let words = Arc::clone(&post.words);
    let writing = tokio::task::spawn_blocking(move || {
        let letter = words.write(&story);
        (story, letter)
    });
    writing.await.ok()
}

/// Hands a letter to the mail server, to somebody of this name, and writes down what became of it.
pub(super) async fn carry(
    app: &App,
    carrier: &dyn Carrier,
    (mail, name, letter): (&Mail, String, Letter),
    is_last: bool,
) -> Result<Outcome, StoreError> {
    let sealed = Sealed {
        message_id: mail.message_id.clone(),
        name,
        address: mail.recipient.clone(),
        date: mail.created_at,
        letter,
    };
    let error = match carrier.carry(&sealed).await {
        Ok(()) => {
            note_sent(app, &mail.id).await?;
            return Ok(Outcome::Done);
        }
        Err(error) => error,
    };
    let reason = error.to_string();
    match error {
        CarryError::Later { words, .. } if !is_last => {
            let transaction = task::begin(app, &ACTING).await?;
            let now = app.ctx().now();
            let noted = stored::update_error(&transaction, &mail.id, &readable(&words), now).await;
            task::end(transaction, noted).await?;
            Ok(Outcome::Retry(reason))
        }
        CarryError::Later { words, .. } | CarryError::Never { words, .. } => {
            end(app, &mail.id, Ended::Dead(&readable(&words))).await?;
            Ok(Outcome::GiveUp(reason))
        }
    }
}

async fn note_sent(app: &App, id: &MailId) -> Result<(), StoreError> {
    for _ in 1..NOTE_TRIES {
        match end(app, id, Ended::Sent).await {
            Ok(()) => return Ok(()),
            Err(error) => tracing::debug!(%error, "it isn't written down yet that a mail left"),
        }
        tokio::time::sleep(NOTE_AGAIN).await;
    }
    end(app, id, Ended::Sent).await
}

pub(super) async fn end(app: &App, id: &MailId, ended: Ended<'_>) -> Result<(), StoreError> {
    let transaction = task::begin(app, &ACTING).await?;
    let now = app.ctx().now();
    let written = stored::update_ended(&transaction, id, ended, now).await;
    task::end(transaction, written).await.map(drop)
}

/// One line that fits its column.
fn readable(words: &str) -> String {
    let line = words.replace(char::is_control, " ");
    line.chars().take(ERROR_LENGTH_MAX).collect()
}

/// A mail with what it tells of, which is gone where the reservation was deleted.
async fn find(
    app: &App,
    post: &Post,
    id: &MailId,
) -> Result<Option<(Mail, Option<Story>)>, StoreError> {
    let transaction = Transaction::begin_reading(app.writer(), &ACTING).await?;
    let found = find_in(app, post, &transaction, id).await;
    transaction.rollback().await;
    let mut found = found?;
    if let Some((_, Some(story))) = &mut found
        && story.kind == MailKind::Confirmed
    {
        story.tickets = issued(app, &story.reservation).await?;
    }
    Ok(found)
}

/// The tickets of what is confirmed still; of what was cancelled meanwhile there are none.
async fn issued(app: &App, reservation: &Reservation) -> Result<Vec<Issue>, StoreError> {
    match tickets::issue_as(app, reservation.id.clone(), ACTING).await {
        Ok(issued) => Ok(issued.tickets),
        Err(IssueError::NotFound | IssueError::Transition(_)) => Ok(Vec::new()),
        Err(IssueError::Store(error)) => Err(error),
    }
}

async fn find_in(
    app: &App,
    post: &Post,
    transaction: &Transaction,
    id: &MailId,
) -> Result<Option<(Mail, Option<Story>)>, StoreError> {
    let Some(mail) = stored::find(transaction, id).await? else {
        return Ok(None);
    };
    let reservation = match &mail.reservation_id {
        Some(id) => reservations::find_even_deleted(transaction, id).await?,
        None => None,
    };
    let Some(reservation) = reservation else {
        return Ok(Some((mail, None)));
    };
    let token = app.access_key().token(&reservation.id);
    let concert = concerts::find(transaction, reservation.concert_id).await?;
    let story = Story {
        kind: mail.kind,
        language: mail.language,
        cancel_until: concert.as_ref().and_then(|one| cancel_until(app, one)),
        is_concert_cancelled: staff_runs::has_ended_reservation(transaction, &reservation.id)
            .await?,
        refund: find_refund(transaction, &mail, &reservation).await?,
        concert,
        tickets: Vec::new(),
        currency: app.settings().currency,
        base_url: post.base_url.clone(),
        link: format!(
            "{}/{}/r/{}?t={token}",
            post.base_url, mail.language, reservation.id
        ),
        reservation,
    };
    Ok(Some((mail, Some(story))))
}

/// Until when what is confirmed may be given back, while that isn't over.
fn cancel_until(app: &App, concert: &Concert) -> Option<Zoned> {
    let settings = app.settings();
    let last_at = cancel::last_own_cancel_at(settings, concert.date);
    (last_at > app.ctx().now()).then(|| last_at.to_zoned(settings.timezone.clone()))
}

/// The payment whose money went back last.
async fn find_refund(
    transaction: &Transaction,
    mail: &Mail,
    reservation: &Reservation,
) -> Result<Option<payments::Stored>, StoreError> {
    if mail.kind != MailKind::Refunded {
        return Ok(None);
    }
    let attempts = payments::list(transaction, &reservation.id).await?;
    let went_back = attempts
        .into_iter()
        .filter(|one| one.payment.state == PaymentState::Refunded);
    Ok(went_back.max_by_key(|one| one.updated_at))
}

/// A mail in words, as somebody gets it.
#[derive(Clone, Debug)]
pub struct Written {
    pub to: String,
    /// The link that it has.
    pub link: String,
    pub letter: Letter,
}

/// The newest mails that left, or would have, in the words of this moment: for development.
/// To this address, or to all where it is empty. `None` where nobody may look.
pub async fn list_written(app: &App, to: &str) -> Result<Option<Vec<Written>>, StoreError> {
    let Some(post) = app.post().filter(|post| post.is_open) else {
        return Ok(None);
    };
    let transaction = Transaction::begin_reading(app.writer(), &ACTING).await?;
    let ids = stored::list_written(&transaction, to, SHOWN_MAX).await;
    transaction.rollback().await;
    let mut written = Vec::new();
    for id in ids? {
        let Some((mail, story)) = find(app, post, &id).await? else {
            continue;
        };
        if mail.kind == MailKind::SignIn {
            if let Some(invitation) = sign_in::show(app, post, &mail).await? {
                written.push(Written {
                    letter: post.words.invite(&invitation),
                    link: invitation.link,
                    to: mail.recipient,
                });
            }
        } else if let Some(story) = story
            && let Some((story, letter)) = write(post, story).await
        {
            written.push(Written {
                to: mail.recipient,
                letter,
                link: story.link,
            });
        }
    }
    Ok(Some(written))
}

/// Mails that are older than this are deleted: long enough to answer what was sent to whom.
const KEPT_FOR: Duration = Duration::from_hours(90 * 24);

pub(crate) async fn forget_old(
    app: &App,
    transaction: &Transaction,
    limit: i64,
) -> Result<u64, StoreError> {
    stored::delete_old(transaction, app.ctx().now() - KEPT_FOR, limit).await
}

/// Gives up mails that wait and that no job sends any more: whatever was tried for the last time by a
/// worker that died.
pub(crate) async fn bury_orphans(
    app: &App,
    transaction: &Transaction,
    limit: i64,
) -> Result<u64, StoreError> {
    let why = "the worker died during the last attempt; it may have been sent";
    let now = app.ctx().now();
    stored::update_orphaned(transaction, (why, now), limit).await
}
