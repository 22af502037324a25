//! Read replicas: a pool for each, how far each is behind the primary, and which may serve a read.
//!
//! Absent on purpose: which reads may come from a replica at all; that is the use cases' to say.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, join_all};
use tokio::sync::Semaphore;
use tokio_postgres::error::SqlState;

use crate::connection::Connection;
use crate::database_url::DatabaseUrl;
use crate::error::StoreError;
use crate::lag::{Lag, Trail};
use crate::pool::{InvalidUrl, Lease, Pool, PoolSettings, PoolState, READER};
use crate::replication::{self, Position};
use crate::tally::{Slowest, Tally};

/// A replica further behind serves nobody while the primary answers.
const LAG_MAX: Duration = Duration::from_secs(10);
/// A replica that takes longer to say how far it is serves nobody until it does.
const LOOK_WITHIN: Duration = Duration::from_secs(2);

/// A replica that keeps a reader waiting for longer, for a connection or for the answer, is passed by.
const LEND_WITHIN: Duration = Duration::from_millis(500);
const ANSWER_WITHIN: Duration = Duration::from_millis(1500);
/// Reads at once that busy replicas may leave to the primary.
const SPILL_MAX: usize = 4;
/// Looks that are left out at a node that is the primary: it may be a standby again, in a while.
const RESTS: u8 = 4;

/// What a reader has changed before: a replica serves it only when it has replayed that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen(pub Option<Position>);

/// All replicas of one process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Replicas(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    replicas: Vec<Replica>,
    /// Whose turn it is.
    next: AtomicUsize,
    trail: Mutex<Trail>,
    /// Reads that may go to the primary because the replicas that could serve them are busy: its
    /// connections are for selling.
    spill: Semaphore,
}

#[derive(Debug)]
struct Replica {
    /// Hosts and database, without login.
    name: String,
    pool: Pool,
    state: Mutex<State>,
}

/// What was last seen of a replica.
#[derive(Clone, Copy, Debug)]
struct State {
    standing: Standing,
    /// How far it had replayed the log when it last said so.
    replayed: Position,
    lag: Lag,
    /// When it last answered, or was first asked.
    heard: Instant,
    /// It was never looked at.
    is_new: bool,
    /// Looks that are left out, so that a primary isn't asked all the time whether it is a standby.
    rests: u8,
}

impl State {
    fn new() -> Self {
        Self {
            standing: Standing::Away,
            replayed: Position::default(),
            lag: Lag::default(),
            heard: Instant::now(),
            is_new: true,
            rests: 0,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It answers, and is a standby.
    Standby,
    /// The node that the URL names is the primary now.
    Primary,
    /// It doesn't answer.
    Away,
}

/// A replica as metrics and `doctor` show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub name: String,
    pub standing: Standing,
    /// Of one that is away at least the time since it was heard of.
    pub lag: Lag,
}

impl Replicas {
    /// Prepares the pools; `settings` are those of all replicas together. Must be called inside a
    /// Tokio runtime. The writer's commits tell from now on how far a replica must be.
    pub fn open(
        urls: &[String],
        settings: &PoolSettings,
        writer: &Pool,
    ) -> Result<Self, InvalidUrl> {
        let share = u32::try_from(urls.len()).unwrap_or(1).max(1);
        let settings = PoolSettings {
            name: READER,
            max: settings.max.div_ceil(share),
            min: settings.min.min(settings.max.div_ceil(share)),
            // What is given up here is given up there, too.
            statement_timeout: ANSWER_WITHIN,
            ..settings.clone()
        };
        let mut replicas = Vec::with_capacity(urls.len());
        for url in urls {
            let shown: DatabaseUrl = url
                .parse()
                .map_err(|_| InvalidUrl::Malformed("it has no host".to_owned()))?;
            replicas.push(Replica {
                name: shown.places(),
                pool: Pool::open_replica(url, settings.clone())?,
                state: Mutex::new(State::new()),
            });
        }
        writer.follow_writes();
        Ok(Self(Arc::new(Inner {
            replicas,
            next: AtomicUsize::new(0),
            trail: Mutex::default(),
            spill: Semaphore::new(SPILL_MAX),
        })))
    }

    /// The primary's log was here a moment ago, or it did not answer: while it doesn't, nobody falls
    /// further behind it.
    pub fn learn(&self, primary: Option<Position>) {
        let mut trail = lock(&self.0.trail);
        match primary {
            Some(position) => trail.push(position),
            None => trail.miss(),
        }
    }

    /// Asks every replica how far it is.
    pub async fn look(&self) {
        join_all((0..self.0.replicas.len()).map(|index| self.look_at(index))).await;
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.replicas.len()
    }

    /// Asks one of them how far it is.
    pub async fn look_at(&self, index: usize) {
        let Some(replica) = self.0.replicas.get(index) else {
            return;
        };
        if replica.rests() {
            return;
        }
        let (standing, replayed) = replica.look().await;
        replica.stands(standing);
        let mut state = lock(&replica.state);
        state.rests = if standing == Standing::Primary {
            RESTS
        } else {
            0
        };
        if let Some(replayed) = replayed {
            let lag = lock(&self.0.trail).lag(replayed);
            (state.replayed, state.lag, state.heard) = (replayed, lag, Instant::now());
        }
    }

    /// A connection to a replica that has all that the reader has seen, and is close enough to the
    /// primary if that is wanted; `None` when there is none.
    ///
    /// They take turns. `tried` are those that were of no use to this reader.
    async fn get(
        &self,
        seen: Seen,
        is_close: bool,
        tried: &mut Tried,
    ) -> Option<(&Replica, Lease)> {
        let count = self.0.replicas.len();
        let first = self.0.next.fetch_add(1, Ordering::Relaxed);
        for step in 0..count {
            let index = (first % count + step) % count;
            let replica = &self.0.replicas[index];
            if !replica.is_fit(is_close) || tried.replicas.contains(&index) {
                continue;
            }
            tried.replicas.push(index);
            match replica.get(seen).await {
                Got::Lease(lease) => return Some((replica, *lease)),
                Got::Busy => tried.is_busy = true,
                Got::Nothing => {}
            }
        }
        None
    }

    /// What metrics show of all pools together.
    pub fn pool_state(&self) -> PoolState {
        let states = self.0.replicas.iter().map(|replica| replica.pool.state());
        states.fold(PoolState::default(), |sum, state| PoolState {
            active: sum.active + state.active,
            idle: sum.idle + state.idle,
            waiting: sum.waiting + state.waiting,
        })
    }

    /// The connections that they may have together.
    pub fn max(&self) -> u32 {
        self.0
            .replicas
            .iter()
            .map(|replica| replica.pool.max())
            .sum()
    }

    /// What all pools counted together.
    pub fn tally(&self) -> Tally {
        let tallies = self.0.replicas.iter().map(|replica| replica.pool.tally());
        tallies.fold(Tally::default(), Tally::plus)
    }

    /// The slowest slow statement on any of them since somebody asked last.
    pub fn take_slowest(&self) -> Option<Slowest> {
        let replicas = self.0.replicas.iter();
        let slowest = replicas.filter_map(|replica| replica.pool.take_slowest());
        slowest.max_by_key(|(_, took)| *took)
    }

    /// For how long the one that answers longest has done so.
    pub fn up_for(&self) -> Duration {
        let replicas = self.0.replicas.iter();
        let times = replicas.map(|replica| replica.pool.up_for());
        times.max().unwrap_or_default()
    }

    pub fn reports(&self) -> Vec<Report> {
        let end = lock(&self.0.trail).end();
        let report = |replica: &Replica| {
            let state = replica.state();
            let lag = match state.standing {
                Standing::Standby => state.lag,
                Standing::Primary => Lag::default(),
                Standing::Away => Lag {
                    time: state.lag.time + state.heard.elapsed(),
                    bytes: end.bytes().saturating_sub(state.replayed.bytes()).max(0),
                    is_known: false,
                },
            };
            Report {
                name: replica.name.clone(),
                standing: state.standing,
                lag,
            }
        };
        self.0.replicas.iter().map(report).collect()
    }
}

impl Replica {
    fn state(&self) -> State {
        *lock(&self.state)
    }

    fn rests(&self) -> bool {
        let mut state = lock(&self.state);
        let rests = state.rests > 0;
        state.rests = state.rests.saturating_sub(1);
        rests
    }

    /// It did not serve a read. One that says nothing at all is away until it does.
    fn failed(&self, error: &StoreError) {
        tracing::debug!(
            replica = self.name,
            error = error.in_full(),
            "a replica did not serve"
        );
        if matches!(error, StoreError::Unavailable(_)) {
            self.stands(Standing::Away);
        }
    }

    /// Notes how it stands, and says so if that is new.
    fn stands(&self, standing: Standing) {
        let mut state = lock(&self.state);
        let is_news = state.standing != standing || state.is_new;
        (state.standing, state.is_new) = (standing, false);
        drop(state);
        if is_news {
            self.tell(standing);
        }
    }

    fn tell(&self, standing: Standing) {
        let replica = &self.name;
        match standing {
            Standing::Standby => tracing::info!(replica, "a read replica serves"),
            Standing::Primary => tracing::info!(replica, "this replica is the primary now"),
            Standing::Away => {
                tracing::warn!(
                    replica,
                    "a read replica doesn't answer; the others and the primary serve"
                );
            }
        }
    }

    async fn look(&self) -> (Standing, Option<Position>) {
        let look = async {
            let lease = self.pool.get().await?;
            replication::look_at_standby(&lease).await
        };
        match tokio::time::timeout(LOOK_WITHIN, look).await {
            Ok(Ok(Some(replayed))) => (Standing::Standby, Some(replayed)),
            Ok(Ok(None)) => {
                // Nothing of this pool may stay at the primary.
                self.pool.retire();
                (Standing::Primary, None)
            }
            Ok(Err(_)) | Err(_) if self.pool.found_primary() => (Standing::Primary, None),
            Ok(Err(_)) | Err(_) => (Standing::Away, None),
        }
    }

    fn is_fit(&self, is_close: bool) -> bool {
        let state = self.state();
        let is_late = !state.lag.is_known || state.lag.time >= LAG_MAX;
        state.standing == Standing::Standby && !(is_close && is_late)
    }

    /// A connection that has replayed what was seen. A replica that makes none is away until the next
    /// look, so that few readers wait for it.
    async fn get(&self, seen: Seen) -> Got {
        let got = tokio::time::timeout(LEND_WITHIN, self.pool.get()).await;
        let Ok(Ok(lease)) = got else {
            if self.pool.state().active > 0 {
                return Got::Busy;
            }
            self.stands(Standing::Away);
            return Got::Nothing;
        };
        let Some(needed) = seen.0 else {
            return Got::Lease(Box::new(lease));
        };
        // Behind one address there may be several standbys, so this very connection is asked.
        match tokio::time::timeout(LEND_WITHIN, has_replayed(&lease, needed)).await {
            Ok(true) => Got::Lease(Box::new(lease)),
            Ok(false) | Err(_) => Got::Nothing,
        }
    }
}

enum Got {
    Lease(Box<Lease>),
    /// It is there, and all its connections are lent.
    Busy,
    /// It is away, or lacks what was seen.
    Nothing,
}

/// What one reader has found out about replicas.
#[derive(Default)]
struct Tried {
    replicas: Vec<usize>,
    /// One that would have served was busy.
    is_busy: bool,
}

/// Runs a read that may be a little old: on a replica that is fit for it, else on the primary; and
/// while that doesn't answer, on whatever replica does.
///
/// `query` may run more than once.
pub async fn read<T>(
    replicas: Option<&Replicas>,
    writer: &Pool,
    seen: Seen,
    query: impl for<'a> Fn(&'a Connection) -> BoxFuture<'a, Result<T, StoreError>>,
) -> Result<T, StoreError> {
    read_within(ANSWER_WITHIN, (replicas, writer), seen, query).await
}

/// The same where each database may take so long to answer.
pub async fn read_within<T>(
    within: Duration,
    (replicas, writer): (Option<&Replicas>, &Pool),
    seen: Seen,
    query: impl for<'a> Fn(&'a Connection) -> BoxFuture<'a, Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let Some(replicas) = replicas else {
        return query(&*writer.get().await?).await;
    };
    let mut tried = Tried::default();
    while let Some((replica, lease)) = replicas.get(seen, true, &mut tried).await {
        match answered(within, &lease, &query).await {
            Err(error) if may_ask_another(&error) => replica.failed(&error),
            outcome => return outcome,
        }
    }
    let spill = &replicas.0.spill;
    let _permit = if tried.is_busy {
        Some(spill.try_acquire().map_err(|_| StoreError::PoolExhausted)?)
    } else {
        None
    };
    let failure = match writer.get().await {
        Ok(lease) => match answered(within, &lease, &query).await {
            Err(error @ (StoreError::Unavailable(_) | StoreError::PoolExhausted)) => error,
            outcome => return outcome,
        },
        Err(error) => error,
    };
    let mut tried = Tried::default();
    while let Some((replica, lease)) = replicas.get(seen, false, &mut tried).await {
        match answered(within, &lease, &query).await {
            Ok(found) => return Ok(found),
            Err(error @ StoreError::TooSlow) => return Err(error),
            Err(error) => replica.failed(&error),
        }
    }
    Err(failure)
}

/// Readers have five seconds for all of their reads, so that each of two databases that hang, and the
/// third, must be tried well within.
async fn answered<T>(
    within: Duration,
    lease: &Lease,
    query: &impl for<'a> Fn(&'a Connection) -> BoxFuture<'a, Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let late = || StoreError::Unavailable("a database did not answer in time".to_owned());
    let answer = tokio::time::timeout(within, query(lease)).await;
    answer.unwrap_or_else(|_| Err(late()))
}

async fn has_replayed(connection: &Connection, needed: Position) -> bool {
    let looked = replication::look_at_standby(connection).await;
    // A standby that was promoted meanwhile has everything.
    looked.is_ok_and(|replayed| replayed.is_none_or(|replayed| replayed >= needed))
}

/// Whether the fault lies with the replica that was asked, so that another may do better.
fn may_ask_another(error: &StoreError) -> bool {
    match error {
        // A standby gives a reader up that is in the way of what it replays (40001).
        StoreError::Unavailable(_) | StoreError::PoolExhausted | StoreError::Conflict => true,
        // One that is a migration behind lacks a column or a table (class 42), and one that is slow
        // gives up by its own limit (57014).
        StoreError::Unexpected(error) => error
            .code()
            .is_some_and(|code| code.code().starts_with("42") || *code == SqlState::QUERY_CANCELED),
        _ => false,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
