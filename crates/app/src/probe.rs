//! The write probe: every few seconds one server reserves a ticket and cancels it again, by the way that
//! buyers go, so that it is known when nobody can buy. A sale to a buyer proves as much, so that in a
//! rush nobody waits for the probe, nor the probe behind the crowd.
//!
//! Not here: what follows from it, which are readiness and health. Decision 19.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use domain::id::ConcertId;
use domain::language::Language;
use domain::reservation::Quantity;
use domain::text::{CustomerName, EmailAddress};
use jiff::{SignedDuration, Timestamp};
use store::admission::Key;
use store::heartbeats::{self, Task};
use store::{Acting, Connection, StoreError, Transaction, receipts, write_probe};
use tokio::sync::watch;

use crate::access::{Holder, Origin};
use crate::cancel::CancelError;
use crate::idempotency::{Caller, IdempotencyKey};
use crate::reserve::{ReserveError, ReserveRequest};
use crate::{App, cancel, reserve};

/// Somebody sells so often, or the probe does.
pub const EVERY: SignedDuration = SignedDuration::from_secs(10);
/// Without a sale for longer a server isn't ready: two probes were missed and the third is late.
pub const PROVEN_FOR: SignedDuration = SignedDuration::from_secs(30);
/// After a failure, and while another server tries: the first success is told soon.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Less than the database lets the transaction that keeps other servers from it rest, which are 10 s.
const TRY_WITHIN: Duration = Duration::from_secs(8);
/// One for the lock, one for the lane, one that cancels and one for buyers. Who has fewer doesn't try.
const CONNECTIONS_MIN: u32 = 4;

/// Clocks of servers and of a new primary differ by less.
const AHEAD_MAX: SignedDuration = SignedDuration::from_secs(5);

const PROBE: Acting = Acting::system("probe");
const SUCCESS_AT: &str = "stagedoor_write_probe_success_timestamp_seconds";
const SECONDS: &str = "stagedoor_write_probe_seconds";

/// What this process knows of sales.
#[derive(Debug, Default)]
pub(crate) struct Proof {
    /// When it began to try; never in a process that doesn't sell.
    begun_at: OnceLock<Timestamp>,
    /// Of the last sale, in microseconds since 1970.
    last_us: AtomicI64,
}

impl Proof {
    /// Somebody could reserve at an instant that isn't later than `now`. What a clock has written that was
    /// ahead then proves nothing, or nobody would try until it is caught up with.
    pub(crate) fn learn(&self, at: Timestamp, now: Timestamp) {
        let latest = (now + AHEAD_MAX).as_microsecond();
        let newer = |last: i64| {
            let at = at.as_microsecond();
            (at <= latest && (at > last || last > latest)).then_some(at)
        };
        // An error says that nothing is newer.
        let _ = self
            .last_us
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, newer);
    }

    fn last_at(&self, now: Timestamp) -> Option<Timestamp> {
        let last = self.last_us.load(Ordering::Acquire);
        let last = Timestamp::from_microsecond(last).ok().filter(|_| last > 0);
        last.filter(|last| *last <= now + AHEAD_MAX)
    }

    /// How long ago that was, or for how long it has been tried in vain; `None` where nobody tries.
    pub(crate) fn age(&self, now: Timestamp) -> Option<Duration> {
        let begun_at = *self.begun_at.get()?;
        let since = self
            .last_at(now)
            .map_or(begun_at, |last| last.max(begun_at));
        Some(Duration::try_from(now.duration_since(since)).unwrap_or_default())
    }
}

/// Why a try failed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("the probe's reservation was refused: {0}")]
    Reserve(#[from] ReserveError),
    #[error("the probe's reservation was not cancelled: {0}")]
    Cancel(#[from] CancelError),
    #[error("the probe took too long")]
    Late,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a turn found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// A ticket was reserved and given back.
    Tried,
    /// Somebody has sold so lately that the next try is due after this.
    Fresh(Duration),
    /// Another server is at it.
    Elsewhere,
}

/// Tries until `stopped`; a try under way is finished.
pub async fn keep_up(app: App, mut stopped: watch::Receiver<bool>) {
    if !begin(&app) {
        return;
    }
    let mut failing_since = None;
    loop {
        let turn = turn(&app).await;
        show(&app);
        let rest = match turn {
            Ok(Turn::Tried) => Duration::try_from(EVERY).unwrap_or(AGAIN_AFTER),
            Ok(Turn::Fresh(rest)) => rest,
            Ok(Turn::Elsewhere) | Err(_) => AGAIN_AFTER,
        };
        tell(turn, &mut failing_since);
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return,
            () = tokio::time::sleep(rest) => {}
        }
    }
}

/// From here on this process is only ready while somebody can buy; `false` where it can't try, and then
/// what is cheap to see must do.
pub fn begin(app: &App) -> bool {
    // The benchmark's plain way sells without the engine.
    if app.reserver.is_some() || app.writer().max() < CONNECTIONS_MIN {
        tracing::info!("this server doesn't try whether tickets can be sold");
        return false;
    }
    metrics::gauge!(SUCCESS_AT).set(0.0);
    let _ = metrics::histogram!(SECONDS);
    let _ = app.proof().begun_at.set(app.ctx().now());
    true
}

/// One turn. Of several servers one tries at a time, and the others find that it has.
pub async fn turn(app: &App) -> Result<Turn, ProbeError> {
    let alone = Transaction::begin(app.writer(), &PROBE).await?;
    let is_mine = heartbeats::try_lock(&alone, Task::WriteProbe).await?;
    let now = app.ctx().now();
    let told_at = heartbeats::find(&alone, Task::WriteProbe).await?;
    let told_at = told_at.filter(|told_at| *told_at <= now + AHEAD_MAX);
    if let Some(told_at) = told_at {
        app.proof().learn(told_at, now);
    }
    if !is_mine {
        alone.rollback().await;
        return Ok(Turn::Elsewhere);
    }
    if let Some(last_at) = app.proof().last_at(now) {
        let due_in = EVERY - now.duration_since(last_at);
        if due_in.is_positive() {
            tell_others(alone, last_at, told_at).await?;
            // Never longer, whatever a clock that is ahead has written.
            let rest = Duration::try_from(due_in.min(EVERY)).unwrap_or(AGAIN_AFTER);
            return Ok(Turn::Fresh(rest));
        }
    }
    let started = Instant::now();
    let sold = tokio::time::timeout(TRY_WITHIN, sell(app)).await;
    match sold.unwrap_or(Err(ProbeError::Late)) {
        Ok(key) => settle(app, alone, &key).await?,
        Err(error) => {
            alone.rollback().await;
            return Err(error);
        }
    }
    metrics::histogram!(SECONDS).record(started.elapsed());
    Ok(Turn::Tried)
}

/// For how long nobody could reserve, where that is too long.
pub(crate) async fn unproven_for(
    app: &App,
    connection: &Connection,
) -> Result<Option<SignedDuration>, StoreError> {
    let (proof, now) = (app.proof(), app.ctx().now());
    let stale = || {
        let age = SignedDuration::try_from(proof.age(now)?).ok()?;
        (age > PROVEN_FOR).then_some(age)
    };
    if stale().is_none() {
        return Ok(None);
    }
    // Another server may have sold since this one last looked.
    if let Some(told_at) = heartbeats::find(connection, Task::WriteProbe).await? {
        proof.learn(told_at, now);
    }
    Ok(stale())
}

/// A sale to a buyer of this process is as good as a probe, for all servers.
async fn tell_others(
    alone: Transaction,
    last_at: Timestamp,
    told_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    if told_at.is_some_and(|told_at| told_at >= last_at) {
        alone.rollback().await;
        return Ok(());
    }
    heartbeats::beat(&alone, Task::WriteProbe, last_at).await?;
    alone.commit().await
}

/// A reservation and its end; the key that it was asked for with.
async fn sell(app: &App) -> Result<Key, ProbeError> {
    clear_leftovers(app).await?;
    let origin = Origin {
        address: None,
        request_id: Some(app.ctx().random_uuid()),
    };
    let name = app.ctx().random_uuid().to_string();
    let key = IdempotencyKey::parse(&name).expect("a UUID is visible ASCII");
    let request = ReserveRequest {
        concert_id: ConcertId::PROBE,
        quantity: Quantity::new(1).expect("one is a quantity"),
        customer_name: CustomerName::parse("write probe").expect("a name"),
        // RFC 2606: nobody ever has it.
        customer_email: EmailAddress::parse("write-probe@stagedoor.invalid").expect("an address"),
        caller: Caller::Anonymous,
        language: Language::default(),
        key: Some(key.clone()),
        client_ip: None,
        request_id: origin.request_id.unwrap_or_default(),
    };
    let digests = reserve::digests(&request, &key);
    let reserved = reserve::reserve(app, request).await?;
    let holder = Holder::of_probe(reserved.reservation.id, origin);
    cancel::cancel(app, holder).await?;
    Ok(digests)
}

/// What a server left that died in the middle; its receipt is forgotten with the old ones. Also tickets
/// that are missing without a reservation are there again.
async fn clear_leftovers(app: &App) -> Result<(), StoreError> {
    let transaction = Transaction::begin_hurried(app.writer(), &PROBE).await?;
    let gone = write_probe::clear(&transaction).await?;
    transaction.commit().await?;
    if gone == 0 {
        return Ok(());
    }
    tracing::info!(gone, "what an earlier write probe left is cleared");
    Ok(())
}

/// Takes all traces away, and tells every server.
async fn settle(app: &App, alone: Transaction, key: &Key) -> Result<(), StoreError> {
    write_probe::clear(&alone).await?;
    receipts::delete(&alone, &key.key_digest).await?;
    let now = app.ctx().now();
    heartbeats::beat(&alone, Task::WriteProbe, now).await?;
    alone.commit().await?;
    app.proof().learn(now, now);
    Ok(())
}

/// Keeps the figure of the last sale true.
#[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
fn show(app: &App) {
    if let Some(last_at) = app.proof().last_at(app.ctx().now()) {
        metrics::gauge!(SUCCESS_AT).set(last_at.as_second() as f64);
    }
}

/// Says once that it fails, and once that it works again.
fn tell(turn: Result<Turn, ProbeError>, failing_since: &mut Option<Instant>) {
    match turn {
        Err(error) if failing_since.is_some() => {
            tracing::debug!(%error, "the write probe still fails");
        }
        Err(error) => {
            *failing_since = Some(Instant::now());
            let error = match &error {
                ProbeError::Reserve(ReserveError::Store(cause))
                | ProbeError::Cancel(CancelError::Store(cause))
                | ProbeError::Store(cause) => format!("{error}: {}", cause.in_full()),
                _ => error.to_string(),
            };
            tracing::warn!(
                error,
                "the write probe fails and is tried again until it works"
            );
        }
        // Another server that tries may fail as well.
        Ok(Turn::Elsewhere) => {}
        Ok(_) => {
            if let Some(since) = failing_since.take() {
                let seconds = since.elapsed().as_secs();
                tracing::info!(seconds, "the write probe works again");
            }
        }
    }
}
