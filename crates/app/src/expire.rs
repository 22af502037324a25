//! Giving back what unpaid holds kept: a hold that ran out is swept, and its tickets are on sale.
//! An outage costs nobody a hold: those that were kept when it began are lent its length first.
//!
//! The sweeper is awake at least every [`BEAT_EVERY`], on whichever server, and writes that down;
//! a longer silence means that the database or every sweeper was away.
//!
//! Not here: reading as expired, which happens at once (`domain::reservation`).

use std::time::{Duration, Instant};

use domain::actor::Actor;
use domain::id::ConcertId;
use jiff::{SignedDuration, Timestamp};
use store::heartbeats::{self, Task};
use store::reservations::{self, Look, Outage};
use store::{Acting, StoreError, Transaction, concerts};

use crate::{App, task};

/// Seldom enough to cost nothing, often enough that two beats fit into [`OUTAGE_FROM`].
const BEAT_EVERY: SignedDuration = SignedDuration::from_secs(4);
/// A busy database may delay a beat; so long a silence is an outage.
const OUTAGE_FROM: SignedDuration = SignedDuration::from_secs(10);
/// Holds that end one after the other are swept together; two seconds are promised.
const REST_MIN: Duration = Duration::from_millis(500);
/// After a failure: the database may be back, and until a pass has lent what an outage took, holds
/// that ended within it read as expired.
pub const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// A database that takes longer for a step counts as away. Twice as long is less than an outage, so
/// that a concert which somebody else keeps locked doesn't make one.
const STEP_WITHIN: Duration = Duration::from_secs(4);
/// Holds in one transaction: few enough that a sale never waits long behind it.
const EXPIRE_MAX: i64 = 500;
/// A pass ends after it, so that the next beat comes in time.
const PASS_MAX: Duration = Duration::from_secs(2);
/// Holds that are lent time in one transaction: a buyer who changes one of them waits for it.
const LEND_MAX: i64 = 5_000;

/// Who expires holds.
const SWEEPER: Acting = Acting::new(Actor::Job("sweeper"));

/// What a pass of the sweeper did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// How many holds ran out.
    pub expired: usize,
    /// How many holds were lent the length of an outage.
    pub lent: u64,
    /// How long nobody had been awake, where that was long enough to be lent.
    pub silence: Option<SignedDuration>,
    /// How long the sweeper may rest now.
    pub rest: Duration,
}

impl Swept {
    const fn nothing(rest: Duration) -> Self {
        Self {
            expired: 0,
            lent: 0,
            silence: None,
            rest,
        }
    }
}

/// One pass: looks, lends what an outage took, gives back what ran out.
///
/// Of several servers one does each of it at a time; the others find it done. Without a database
/// nothing happens.
pub async fn sweep(app: &App) -> Result<Swept, StoreError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let look = in_time(look(app.clone())).await?;
        let now = app.ctx().now();
        let mut awake_at = look.beat_at;
        if is_beat_due(look.beat_at, now) {
            match in_time(wake(app.clone())).await? {
                Woken::Lent { lent, silence } => {
                    // Their ends have moved; whether there are more shows at the next look.
                    return Ok(Swept {
                        lent,
                        silence: Some(silence),
                        ..Swept::nothing(Duration::ZERO)
                    });
                }
                Woken::At(at) => awake_at = Some(at),
            }
        }
        if look.end_at.is_none_or(|end| end > now) {
            return Ok(Swept::nothing(rest(&app, awake_at, look.end_at)));
        }
        expire(&app).await
    })
    .await
}

/// The future's output, or a database that counts as away.
async fn in_time<T: Send + 'static>(
    step: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    let late = || StoreError::Unavailable("the database did not answer in time".to_owned());
    let done = task::within(STEP_WITHIN, step).await;
    done.unwrap_or_else(|| Err(late()))
}

/// Reads what there is to do, and the primary's clock: a machine that slept has the time again.
async fn look(app: App) -> Result<Look, StoreError> {
    let transaction = Transaction::begin(app.writer(), &SWEEPER).await?;
    let look = reservations::look(&transaction, Task::Sweep).await?;
    transaction.rollback().await;
    app.ctx().observe(look.primary_now);
    Ok(look)
}

fn is_beat_due(beat_at: Option<Timestamp>, now: Timestamp) -> bool {
    beat_at.is_none_or(|at| now.duration_since(at) >= BEAT_EVERY)
}

/// Whether holds may have ended while nobody could use them.
fn is_outage(beat_at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(beat_at) > OUTAGE_FROM
}

/// Until the next hold ends or a beat is due, and never longer than a new hold lasts.
fn rest(app: &App, awake_at: Option<Timestamp>, end_at: Option<Timestamp>) -> Duration {
    let now = app.ctx().now();
    let beat_due = awake_at.map(|at| at + BEAT_EVERY);
    let next = [beat_due, end_at].into_iter().flatten().min();
    let until = next.map_or(SignedDuration::ZERO, |next| next.duration_since(now));
    Duration::try_from(until)
        .unwrap_or_default()
        .min(app.settings().hold_ttl)
        .max(REST_MIN)
}

enum Woken {
    /// There was no outage, or another server has already lent its length.
    At(Timestamp),
    /// So many holds were lent the length of an outage.
    Lent { lent: u64, silence: SignedDuration },
}

/// Writes down that the sweeper is awake, and first lends the length of an outage.
///
/// INVARIANT: between the end of an outage and this nothing is expired; guarded by
/// `an_outage_lends_its_length_before_anything_expires`. The beat of an outage with very many holds
/// is written with the last of them, so that a crash in between forgets none.
async fn wake(app: App) -> Result<Woken, StoreError> {
    let transaction = Transaction::begin(app.writer(), &SWEEPER).await?;
    let beat_at = heartbeats::lock(&transaction, Task::Sweep).await?;
    let now = app.ctx().now();
    if let Some(at) = beat_at.filter(|at| !is_beat_due(Some(*at), now)) {
        transaction.rollback().await;
        return Ok(Woken::At(at));
    }
    let outage = beat_at.filter(|at| is_outage(*at, now));
    let lent = match outage {
        Some(since) => lend(&transaction, since, now).await?,
        None => 0,
    };
    let is_all = lent < LEND_MAX.unsigned_abs();
    if is_all {
        heartbeats::beat(&transaction, Task::Sweep, now).await?;
    }
    transaction.commit().await?;
    Ok(match outage {
        Some(since) => Woken::Lent {
            lent,
            silence: now.duration_since(since),
        },
        None => Woken::At(now),
    })
}

async fn lend(
    transaction: &Transaction,
    since: Timestamp,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let outage = Outage {
        since,
        // At the last beat it hadn't begun; it had when the next two were overdue.
        began_by: since + OUTAGE_FROM,
        until: now,
    };
    reservations::lend(transaction, outage, LEND_MAX).await
}

/// Expires what ran out, one concert after the other. A concert whose row stays locked by somebody
/// else is passed over, so that it holds up neither the others nor who buys theirs.
async fn expire(app: &App) -> Result<Swept, StoreError> {
    let mut swept = Swept::nothing(Duration::ZERO);
    let mut passed_over = Vec::new();
    let began = Instant::now();
    while began.elapsed() < PASS_MAX {
        match in_time(expire_next(app.clone(), passed_over.clone())).await? {
            Turn::Expired(concert, holds) => {
                app.tickets_returned(concert);
                metrics::counter!("stagedoor_reservations_total", "outcome" => "expired")
                    .increment(holds as u64);
                swept.expired += holds;
            }
            Turn::Locked(concert) => passed_over.push(concert),
            Turn::Nothing => {
                swept.rest = REST_MIN;
                break;
            }
            Turn::NotOurs => {
                swept.rest = LOOK_AGAIN;
                break;
            }
        }
    }
    Ok(swept)
}

/// What there was to do for one transaction.
enum Turn {
    /// So many holds of the concert.
    Expired(ConcertId, usize),
    /// Somebody else keeps the concert's row.
    Locked(ConcertId),
    Nothing,
    /// Another server sweeps, or an outage's time must be lent first.
    NotOurs,
}

async fn expire_next(app: App, passed_over: Vec<ConcertId>) -> Result<Turn, StoreError> {
    let transaction = Transaction::begin_hurried(app.writer(), &SWEEPER).await?;
    match expire_in(&app, &transaction, &passed_over).await {
        Ok(turn @ Turn::Expired(..)) => {
            transaction.commit().await?;
            Ok(turn)
        }
        outcome => {
            transaction.rollback().await;
            outcome
        }
    }
}

/// INVARIANT: the concert is locked before its reservations, as everywhere; guarded by
/// `whoever_waits_for_a_concert_has_locked_no_reservation`.
async fn expire_in(
    app: &App,
    transaction: &Transaction,
    passed_over: &[ConcertId],
) -> Result<Turn, StoreError> {
    if !heartbeats::try_lock(transaction, Task::Sweep).await? {
        return Ok(Turn::NotOurs);
    }
    // In this order: a process that is stopped between the two finds the beat too old.
    let now = app.ctx().now();
    let beat_at = heartbeats::find(transaction, Task::Sweep).await?;
    if beat_at.is_none_or(|at| is_outage(at, now)) {
        return Ok(Turn::NotOurs);
    }
    let overdue = reservations::list_overdue(transaction, now, passed_over, EXPIRE_MAX).await?;
    let Some(concert) = overdue.first().map(|(_, concert)| *concert) else {
        return Ok(Turn::Nothing);
    };
    match concerts::lock_stock(transaction, concert).await {
        Err(StoreError::LockTimeout) => return Ok(Turn::Locked(concert)),
        outcome => _ = outcome?,
    }
    let of_concert = overdue.into_iter().filter(|(_, of)| *of == concert);
    let ids: Vec<String> = of_concert.map(|(id, _)| id).collect();
    let locked = reservations::lock_overdue(transaction, &ids, now).await?;
    reservations::expire(transaction, &locked, now).await?;
    let tickets = locked.iter().map(|hold| hold.quantity).sum();
    concerts::return_tickets(transaction, concert, tickets, now).await?;
    Ok(Turn::Expired(concert, locked.len()))
}
