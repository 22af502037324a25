//! The connection pool: the specification's size and times, and what it takes to keep them true.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::time::MissedTickBehavior;

use crate::connection::Connection;
use crate::endpoint::Endpoint;
pub use crate::endpoint::{ConnectError, InvalidUrl};
use crate::error::StoreError;
use crate::replication::{Position, Primary};
use crate::shared::Shared;
use crate::tally::{Slowest, Tally};
use crate::{generated, time};

/// What PostgreSQL shows in `pg_stat_activity`.
pub const APPLICATION_NAME: &str = "concert-ticket-system";
/// How often idle connections are looked at; idle ones are gone within 30 s + this.
const REAPER_RATE: Duration = Duration::from_secs(2);
/// How often the minimum is looked at.
const MINIMUM_RATE: Duration = Duration::from_millis(250);
/// Looks without an answer, each a second or two, after which the primary counts as away.
const SILENT_LOOKS_MAX: u32 = 2;
/// The name of the replicas' pools.
pub(crate) const READER: &str = "reader";
/// Between two looks at a node that should be a standby and is the primary.
const NOT_STANDBY_PAUSE: Duration = Duration::from_secs(5);
/// The specification names no age; half an hour lets connections follow a moved address.
const LIFETIME_MAX: Duration = Duration::from_mins(30);
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Sizes and times of a pool; the defaults of the configuration are the specification's.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// The pool's name in metrics: `writer` or `reader`.
    pub name: &'static str,
    pub max: u32,
    pub min: u32,
    pub idle_timeout: Duration,
    /// For waiting, connecting, TLS and login together.
    pub connect_timeout: Duration,
    pub statement_timeout: Duration,
    /// How long PostgreSQL may owe an answer before the connection is given up; `None` where
    /// nobody waits for the answer in a browser.
    pub silence_max: Option<Duration>,
}

/// Learns the primary's clock at each new connection.
pub type ClockObserver = Arc<dyn Fn(Timestamp) + Send + Sync>;

/// A pool of connections to one database.
#[derive(Clone)]
pub struct Pool {
    inner: bb8::Pool<Manager>,
    settings: PoolSettings,
    waiting: Arc<AtomicU32>,
    shared: Arc<Shared>,
    endpoint: Arc<Endpoint>,
}

/// One request that waits for a connection, counted until it has one or is given up.
struct Waiter<'a>(&'a AtomicU32);

impl<'a> Waiter<'a> {
    fn new(waiting: &'a AtomicU32) -> Self {
        waiting.fetch_add(1, Ordering::AcqRel);
        Self(waiting)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// A borrowed connection; it goes back to the pool when dropped, if it is sound.
pub type Lease = bb8::PooledConnection<'static, Manager>;

/// What a pool is doing right now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolState {
    pub active: u32,
    pub idle: u32,
    /// Requests that wait for a connection.
    pub waiting: u32,
}

impl Pool {
    /// Prepares a pool; connections are made in the background, so it works while the database
    /// is away. Must be called inside a Tokio runtime.
    pub fn open(
        url: &str,
        settings: PoolSettings,
        observer: ClockObserver,
    ) -> Result<Self, InvalidUrl> {
        let manager = Manager {
            endpoint: Arc::new(
                Endpoint::to_primary(url)?.named(APPLICATION_NAME, &options(&settings)),
            ),
            connect_timeout: settings.connect_timeout,
            silence_max: settings.silence_max,
            pool: settings.name,
            login: Login::Primary(observer),
            shared: Arc::default(),
        };
        Ok(Self::start(manager, settings))
    }

    /// The same for a read replica: only connections to a standby are kept, and its clock is nobody's.
    pub(crate) fn open_replica(url: &str, settings: PoolSettings) -> Result<Self, InvalidUrl> {
        let manager = Manager {
            endpoint: Arc::new(
                Endpoint::to_standby(url)?.named(APPLICATION_NAME, &options(&settings)),
            ),
            connect_timeout: settings.connect_timeout,
            silence_max: settings.silence_max,
            pool: settings.name,
            login: Login::Standby,
            shared: Arc::default(),
        };
        Ok(Self::start(manager, settings))
    }

    fn start(manager: Manager, settings: PoolSettings) -> Self {
        let (shared, endpoint) = (Arc::clone(&manager.shared), Arc::clone(&manager.endpoint));
        let inner = bb8::Pool::builder()
            .max_size(settings.max)
            .idle_timeout(settings.idle_timeout)
            .max_lifetime(LIFETIME_MAX)
            .reaper_rate(REAPER_RATE)
            .connection_timeout(settings.connect_timeout)
            // Who waits keeps trying, in growing steps: a short outage is waited out, and a long
            // one isn't met by a connection attempt for each request.
            .retry_connection(true)
            .test_on_check_out(false)
            .queue_strategy(bb8::QueueStrategy::Lifo)
            .error_sink(Box::new(LogErrors(settings.name, Arc::clone(&shared))))
            .build_unchecked(manager);
        let pool = Self {
            inner,
            settings,
            waiting: Arc::default(),
            shared,
            endpoint,
        };
        tokio::spawn(keep_minimum(
            pool.inner.clone(),
            pool.settings.clone(),
            Arc::clone(&pool.shared),
            Arc::downgrade(&pool.waiting),
        ));
        pool
    }

    /// A sound connection, or an error after the connect timeout at most.
    ///
    /// Connections that died while they were idle are dropped on the way, without asking the
    /// server: the socket's end is known here.
    pub async fn get(&self) -> Result<Lease, StoreError> {
        let started = Instant::now();
        let _waiter = Waiter::new(&self.waiting);
        let wait = async {
            loop {
                let lease = self
                    .inner
                    .get_owned()
                    .await
                    .map_err(|_| bb8::RunError::TimedOut)?;
                if lease.is_sound() {
                    return Ok::<_, bb8::RunError<ConnectError>>(lease);
                }
            }
        };
        let outcome = tokio::time::timeout(self.settings.connect_timeout, wait).await;
        let waited = started.elapsed();
        metrics::histogram!("stagedoor_pool_wait_seconds", "pool" => self.settings.name)
            .record(waited);
        self.shared.counting.note_wait(waited);
        if let Ok(Ok(lease)) = outcome {
            return Ok(lease);
        }
        count_error(self.settings.name, "timeout", &self.shared);
        // While others have connections the database is there, and we are too slow for the crowd;
        // unless they only wait for one that has fallen silent.
        if self.state().active > 0 && self.shared.silent_looks() == 0 {
            Err(StoreError::PoolExhausted)
        } else {
            Err(StoreError::Unavailable(
                "no connection could be made in time".to_owned(),
            ))
        }
    }

    pub fn state(&self) -> PoolState {
        let state = self.inner.state();
        PoolState {
            active: state.connections.saturating_sub(state.idle_connections),
            idle: state.idle_connections,
            waiting: self.waiting.load(Ordering::Acquire),
        }
    }

    /// The connections that it may have.
    pub fn max(&self) -> u32 {
        self.settings.max
    }

    /// What it counted since it was opened.
    pub fn tally(&self) -> Tally {
        self.shared.counting.sums()
    }

    /// The slowest slow statement since somebody asked last.
    pub fn take_slowest(&self) -> Option<Slowest> {
        self.shared.counting.take_slowest()
    }

    /// For how long connections could be made without a break.
    pub fn up_for(&self) -> Duration {
        self.shared.counting.up_for()
    }

    /// Whether half of all connections that it may have are lent.
    pub(crate) fn is_half_lent(&self) -> bool {
        self.state().active >= self.settings.max / 2
    }

    pub fn name(&self) -> &'static str {
        self.settings.name
    }

    /// An error while nothing is committed because no standby would confirm it.
    pub fn check_standby(&self) -> Result<(), StoreError> {
        self.shared.check_standby()
    }

    /// A connection for a statement that changes something by itself, without a transaction.
    pub async fn get_to_write(&self) -> Result<Lease, StoreError> {
        self.check_standby()?;
        self.get().await
    }

    /// An error while the primary has been silent for so long that nobody should wait for it.
    pub fn check_primary(&self) -> Result<(), StoreError> {
        self.check_standby()?;
        if self.shared.silent_looks() < SILENT_LOOKS_MAX {
            return Ok(());
        }
        Err(StoreError::Unavailable(
            "the primary has not answered for some seconds".to_owned(),
        ))
    }

    /// The primary did not answer a look.
    pub fn learn_silence(&self) {
        self.shared.note_look(false);
    }

    /// What the primary said of itself: commits are held back while it lacks a standby.
    pub fn learn(&self, primary: &Primary) {
        self.shared.note_look(true);
        let lacks = primary.lacks_standby();
        if lacks && self.endpoint.look_elsewhere() {
            // A primary that nobody follows may be one that was replaced and doesn't know it.
            self.retire();
        }
        if !self.shared.set_lacks_standby(lacks) {
            return;
        }
        if lacks {
            tracing::error!("no synchronous standby streams: nothing is sold until one does");
        } else {
            tracing::warn!("a synchronous standby streams again: selling goes on");
        }
    }

    /// Lends none of its connections any more: new ones are made.
    pub fn retire(&self) {
        self.shared.retire();
    }

    /// Whether the last connection that was made for reading led to the primary.
    pub(crate) fn found_primary(&self) -> bool {
        self.shared.found_primary()
    }

    /// From now on the log's position is asked behind each COMMIT.
    pub(crate) fn follow_writes(&self) {
        self.shared.follow();
    }

    /// Where the log was behind the last commit of this process, or further; `None` before the first,
    /// and where there are no replicas to compare with.
    pub fn written_to(&self) -> Option<Position> {
        self.shared.last()
    }
}

/// Keeps `min` connections there, lent ones included, for as long as the pool is used.
///
/// bb8's own minimum counts only those that aren't lent: each single borrower would make it open
/// another one, and a pool at rest would hold one more than it should.
async fn keep_minimum(
    pool: bb8::Pool<Manager>,
    settings: PoolSettings,
    shared: Arc<Shared>,
    in_use: Weak<AtomicU32>,
) {
    let mut tick = tokio::time::interval(MINIMUM_RATE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if in_use.strong_count() == 0 {
            return;
        }
        while pool.state().connections < settings.min {
            match pool.dedicated_connection().await {
                Ok(connection) => {
                    if pool.add(connection).is_err() {
                        break;
                    }
                }
                // The node that a replica's URL names is the primary now; it may be a standby again.
                Err(ConnectError::NotStandby) => {
                    tokio::time::sleep(NOT_STANDBY_PAUSE).await;
                    break;
                }
                Err(error) => {
                    count_error(settings.name, "connect", &shared);
                    shared.counting.note_connect(false);
                    tracing::debug!(pool = settings.name, %error, "database connection failed");
                    break;
                }
            }
        }
    }
}

fn count_error(pool: &'static str, kind: &'static str, shared: &Shared) {
    shared.counting.note_error();
    metrics::counter!("stagedoor_pool_errors_total", "pool" => pool, "kind" => kind).increment(1);
}

#[derive(Debug)]
struct LogErrors(&'static str, Arc<Shared>);

impl bb8::ErrorSink<ConnectError> for LogErrors {
    fn sink(&self, error: ConnectError) {
        if matches!(error, ConnectError::NotStandby) {
            return;
        }
        count_error(self.0, "connect", &self.1);
        self.1.counting.note_connect(false);
        if self.0 == READER {
            // Tried once a second; that it is away is told once.
            tracing::debug!(pool = self.0, %error, "database connection failed");
        } else {
            tracing::warn!(pool = self.0, %error, "database connection failed");
        }
    }

    fn boxed_clone(&self) -> Box<dyn bb8::ErrorSink<ConnectError>> {
        Box::new(Self(self.0, Arc::clone(&self.1)))
    }
}

/// Makes connections for bb8 and judges them when they come back.
#[allow(missing_debug_implementations, reason = "its URL has a password")]
pub struct Manager {
    endpoint: Arc<Endpoint>,
    connect_timeout: Duration,
    silence_max: Option<Duration>,
    pool: &'static str,
    login: Login,
    shared: Arc<Shared>,
}

/// What a new connection is asked before it is used.
enum Login {
    /// What time it is.
    Primary(ClockObserver),
    /// Whether it is one.
    Standby,
}

impl Manager {
    async fn login(&self) -> Result<Connection, ConnectError> {
        self.shared.set_found_primary(false);
        let (client, socket) = self.endpoint.connect().await?;
        let shared = Arc::clone(&self.shared);
        let connection = Connection::start(client, socket, self.silence_max, shared);
        match &self.login {
            Login::Primary(observer) => {
                let clock = generated::queries::monitor::primary_clock();
                observer(time::from_column(clock.bind(&connection).one().await?));
            }
            Login::Standby => {
                let look = generated::queries::replication::look_at_standby();
                let is_standby = look.bind(&connection).one().await?.is_standby;
                self.shared.set_found_primary(!is_standby);
                if !is_standby {
                    return Err(ConnectError::NotStandby);
                }
            }
        }
        self.shared.counting.note_connect(true);
        Ok(connection)
    }
}

impl bb8::ManageConnection for Manager {
    type Connection = Connection;
    type Error = ConnectError;

    async fn connect(&self) -> Result<Connection, ConnectError> {
        // tokio-postgres' own limit covers the TCP connect alone, so this one covers it all.
        tokio::time::timeout(self.connect_timeout, self.login())
            .await
            .unwrap_or(Err(ConnectError::Timeout))
    }

    async fn is_valid(&self, _connection: &mut Connection) -> Result<(), ConnectError> {
        Ok(())
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        let broken = !connection.is_sound();
        if broken {
            count_error(self.pool, "broken", &self.shared);
        }
        broken
    }
}

/// What each connection is opened with. Compiling a statement costs more than the longest of ours gains.
fn options(settings: &PoolSettings) -> String {
    format!(
        "-c timezone=UTC -c jit=off -c statement_timeout={} -c lock_timeout={} \
         -c idle_in_transaction_session_timeout={}",
        settings.statement_timeout.as_millis(),
        LOCK_TIMEOUT.as_millis(),
        IDLE_IN_TRANSACTION_TIMEOUT.as_millis(),
    )
}
