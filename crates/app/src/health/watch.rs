//! Looks at everything that the house keeps an eye on, and remembers what it saw for some minutes.
//!
//! Absent on purpose: what is good and what is bad, which `domain::health` says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::health::{self as figures, Figure, Reading, Refusal, WINDOW};
use jiff::{SignedDuration, Timestamp};
use store::health::{Index, Server, Table};
use store::heartbeats::{self, Task};
use store::{Acting, Pool, Replicas, StoreError, Transaction, health, jobs, replication};
use tokio::sync::Mutex as TurnMutex;

use super::{NotReady, check_ready_to_sell, disk, gauges, history, invariants};
use crate::jobs::Tasks;
use crate::{App, audit, backups};

/// As often as metrics are usually read.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(15);
/// A database that doesn't answer must not keep the others from being seen.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
/// Whose longest wait is shorter isn't asked for.
const BLOCKED_FOR: Duration = Duration::from_secs(1);
/// Growth is told over so many days.
const GROWTH_DAYS: i64 = 7;
/// Of a younger measure nothing can be told.
const GROWTH_AGE_MIN: SignedDuration = SignedDuration::from_hours(12);
/// Two series each; who sells more at once asks for figures of their own.
const ON_SALE_MAX: i64 = 500;

/// What this process saw.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// A login that may see what the server's may not.
    monitor: Option<Pool>,
    are_backups_expected: bool,
    readings: Mutex<VecDeque<Reading>>,
    /// One turn at a time.
    turn: TurnMutex<Turn>,
}

/// What one turn leaves to the next.
#[derive(Debug, Default)]
struct Turn {
    sizes: (Vec<Table>, Vec<Index>),
    invariants: invariants::Round,
    refusal: Option<Refusal>,
    refused_since: Option<Timestamp>,
    gauges: gauges::Shown,
    history: history::Peaks,
}

impl Watch {
    /// `monitor` is a login of its own, where there is one.
    pub(crate) fn new(monitor: Option<Pool>, are_backups_expected: bool) -> Self {
        Self {
            monitor,
            are_backups_expected,
            ..Self::default()
        }
    }

    /// Judges what was seen.
    pub(crate) fn figures(&self) -> Vec<Figure> {
        figures::judge(&self.readings())
    }

    pub(crate) fn last_at(&self) -> Option<Timestamp> {
        self.readings().back().map(|reading| reading.at)
    }

    fn readings(&self) -> std::sync::MutexGuard<'_, VecDeque<Reading>> {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, reading: Reading) {
        let mut readings = self.readings();
        let old = |of: &Reading| reading.at.duration_since(of.at) > WINDOW;
        while readings.front().is_some_and(old) {
            readings.pop_front();
        }
        readings.push_back(reading);
    }
}

/// One look at everything. What can't be seen is missing from it, and keeps nothing else out.
pub(crate) async fn look(app: &App) {
    let mut turn = app.watch().turn.lock().await;
    look_once(app, &mut turn).await;
}

/// The same, unless somebody has looked so shortly before.
pub(crate) async fn look_unless_seen(app: &App, since: Timestamp) {
    let mut turn = app.watch().turn.lock().await;
    if app.watch().last_at().is_none_or(|at| at < since) {
        look_once(app, &mut turn).await;
    }
}

async fn look_once(app: &App, turn: &mut Turn) {
    let started = std::time::Instant::now();
    let watch = app.watch();
    let mut reading = look_here(app);
    // One after the other: a pool at rest holds no more connections for our sake.
    let database = within(look_at_database(app, &mut turn.sizes)).await;
    let is_seen = database.is_some();
    // While none of its connections is free, nothing says that the database doesn't answer.
    let is_exhausted = app.writer().state().active >= app.writer().max();
    let last = || {
        watch
            .readings()
            .back()
            .and_then(|last| last.database.clone())
    };
    reading.database = database.or_else(|| last().filter(|_| is_exhausted));
    if let Some(seen) = within(look_at_sale(app, &mut turn.invariants)).await {
        reading.backups = Some(backed_up(app, &seen.backups, seen.now));
        reading.stock = Some(seen.stock);
    }
    look_at_refusal(app, turn, &mut reading).await;
    reading.replicas = app.replicas().map(replicas).unwrap_or_default();
    turn.gauges.show(&reading);
    if within(history::keep(app, &mut turn.history, reading.at))
        .await
        .is_none()
    {
        tracing::debug!("figures of health were not kept; they will be with the next ones");
    }
    turn.history.note(&reading);
    watch.keep(reading);
    // Of a look that saw nothing there is nothing to be timed, and its absence is an alert.
    if is_seen {
        metrics::histogram!("stagedoor_health_collect_seconds").record(started.elapsed());
    }
}

async fn within<T>(look: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
    match tokio::time::timeout(LOOK_WITHIN, look).await {
        Ok(Ok(seen)) => Some(seen),
        Ok(Err(error)) => {
            tracing::debug!(error = error.in_full(), "a figure of health was not had");
            None
        }
        Err(_) => None,
    }
}

/// What this process knows without asking.
fn look_here(app: &App) -> Reading {
    let writer = app.writer();
    let replicas = app.replicas();
    let (state, tally) = (writer.state(), writer.tally());
    let mut pools = vec![figures::Pool {
        name: writer.name(),
        max: writer.max(),
        active: state.active,
        idle: state.idle,
        waiting: state.waiting,
        errors: tally.errors,
        asked: tally.asked,
        waited: tally.waited,
        up: writer.up_for(),
    }];
    pools.extend(replicas.map(|replicas| {
        let (state, tally) = (replicas.pool_state(), replicas.tally());
        figures::Pool {
            name: "reader",
            max: replicas.max(),
            active: state.active,
            idle: state.idle,
            waiting: state.waiting,
            errors: tally.errors,
            asked: tally.asked,
            waited: tally.waited,
            up: replicas.up_for(),
        }
    }));
    let all = replicas.map_or(tally, |replicas| tally.plus(replicas.tally()));
    let slowest = [
        writer.take_slowest(),
        replicas.and_then(Replicas::take_slowest),
    ];
    let slowest = slowest.into_iter().flatten().max_by_key(|(_, took)| *took);
    let (answered, failed) = app.rates().sums();
    Reading {
        at: app.ctx().now(),
        pools,
        queries: figures::Queries {
            count: all.statements,
            took: all.took,
            slow: all.slow,
            slowest: slowest.map(|(name, took)| (name.to_owned(), took)),
        },
        selling: figures::Selling {
            answered,
            failed,
            waiting: app.waiting_requests() as u64,
            ..figures::Selling::default()
        },
        ..Reading::default()
    }
}

/// What the database tells of itself.
async fn look_at_database(
    app: &App,
    sizes: &mut (Vec<Table>, Vec<Index>),
) -> Result<figures::Database, StoreError> {
    let seen = match app.watch().monitor.as_ref() {
        Some(monitor) => match look_from_inside(monitor, sizes).await {
            Ok(seen) => seen,
            // A fault of its login is none of the database, which a plain login sees less of.
            Err(error) => {
                let error = error.in_full();
                tracing::warn!(error, "DATABASE_MONITOR_URL doesn't serve");
                look_from_inside(app.writer(), sizes).await?
            }
        },
        None => look_from_inside(app.writer(), sizes).await?,
    };
    let connection = app.writer().get().await?;
    let primary = replication::look_at_primary(&connection).await?;
    let standbys = replication::list_standbys(&connection).await?;
    let analyzed_at = heartbeats::find(&connection, Task::Analyze).await?;
    let since = app.today() - jiff::Span::new().days(GROWTH_DAYS);
    let old = health::list_table_sizes(&connection, since).await?;
    drop(connection);
    let growth = Growth::new(&old, app.ctx().now());
    let is_streaming = |standby: &&replication::Standby| {
        standby
            .state
            .as_deref()
            .is_none_or(|state| state == "streaming")
    };
    Ok(figures::Database {
        tables: sizes.0.iter().map(|table| growth.judged(table)).collect(),
        indexes: sizes.1.iter().map(index).collect(),
        blocker: seen.blocker.map(|blocker| figures::Blocker {
            pid: blocker.pid,
            application: blocker.application,
            username: blocker.username,
        }),
        disk: seen.directory.as_ref().and_then(disk::measure),
        analyzed_at,
        needs_standby: primary.is_some_and(|primary| primary.needs_standby),
        lacks_standby: primary.is_some_and(|primary| primary.lacks_standby()),
        standbys: standbys.iter().filter(is_streaming).count() as u64,
        ..database(&seen.server)
    })
}

/// What one login sees of the server.
struct Inside {
    server: Server,
    blocker: Option<health::Blocker>,
    directory: Option<health::DataDirectory>,
}

async fn look_from_inside(
    pool: &Pool,
    sizes: &mut (Vec<Table>, Vec<Index>),
) -> Result<Inside, StoreError> {
    let connection = pool.get().await?;
    let server = health::look_at_server(&connection).await?;
    let blocker = if server.lock_wait >= BLOCKED_FOR {
        health::find_blocker(&connection).await?
    } else {
        None
    };
    let directory = health::find_data_directory(&connection).await?;
    // Who locks a whole table keeps its size from being read; the last one will do.
    if let Ok(new) = health::list_sizes(&connection).await {
        *sizes = new;
    }
    Ok(Inside {
        server,
        blocker,
        directory,
    })
}

fn database(server: &Server) -> figures::Database {
    figures::Database {
        started_at: server.started_at,
        up: server.up,
        active: count(server.active),
        idle: count(server.idle),
        idle_in_transaction: count(server.idle_in_transaction),
        sessions: count(server.sessions),
        connections_max: count(server.connections_max.into()),
        oldest_transaction: server.oldest_transaction,
        oldest_snapshot: server.oldest_snapshot,
        lock_waiting: count(server.lock_waiting),
        lock_wait: server.lock_wait,
        deadlocks: count(server.deadlocks),
        bytes: count(server.bytes),
        ..figures::Database::default()
    }
}

fn index(index: &Index) -> figures::Index {
    figures::Index {
        name: index.name.clone(),
        bytes: count(index.bytes),
    }
}

/// How big tables were some days ago.
struct Growth<'a> {
    old: BTreeMap<&'a str, (i64, Timestamp)>,
    now: Timestamp,
}

impl<'a> Growth<'a> {
    fn new(old: &'a [health::OldSize], now: Timestamp) -> Self {
        let old = old.iter();
        let old = old.map(|size| (size.table.as_str(), (size.bytes, size.measured_at)));
        Self {
            old: old.collect(),
            now,
        }
    }

    fn judged(&self, table: &Table) -> figures::Table {
        figures::Table {
            name: table.name.clone(),
            bytes: count(table.bytes),
            rows: count(table.rows),
            scans: count(table.scans),
            growth_per_day: self.per_day(table),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
    fn per_day(&self, table: &Table) -> Option<f64> {
        let (bytes, measured_at) = self.old.get(table.name.as_str())?;
        let age = self.now.duration_since(*measured_at);
        let days = age.as_secs_f64() / 86_400.0;
        (age >= GROWTH_AGE_MIN).then(|| (table.bytes - bytes) as f64 / days)
    }
}

/// What our own tables tell.
struct Seen {
    stock: figures::Stock,
    backups: backups::State,
    now: Timestamp,
}

async fn look_at_sale(app: &App, round: &mut invariants::Round) -> Result<Seen, StoreError> {
    let now = app.ctx().now();
    let transaction = Transaction::begin_reading(app.writer(), &Acting::system("health")).await?;
    let read = async {
        let due = jobs::list_oldest(&transaction, &Tasks::of_product().names(), now).await?;
        let oldest = due.into_iter().min_by_key(|(_, due_at)| *due_at);
        let waited = |at: Timestamp| Duration::try_from(now.duration_since(at)).unwrap_or_default();
        let on_sale = health::list_on_sale(&transaction, app.today(), ON_SALE_MAX).await?;
        let on_sale = on_sale.into_iter();
        Ok::<_, StoreError>(figures::Stock {
            broken: round.check_some(&transaction).await?,
            oldest_job: oldest.map(|(task, due_at)| (task, waited(due_at))),
            dead_jobs: count(jobs::count_dead(&transaction).await?),
            unsealed: None,
            on_sale: on_sale.map(|(id, left)| (id, left.into())).collect(),
            held: health::list_held(&transaction).await?,
        })
    };
    let read = read.await;
    transaction.rollback().await;
    let mut stock = read?;
    if app.seal_key().is_some() {
        let unsealed = audit::unsealed(app).await?;
        stock.unsealed = Some(unsealed.map_or(Duration::ZERO, |row| row.age));
    }
    Ok(Seen {
        stock,
        backups: backups::state(app).await?,
        now,
    })
}

fn backed_up(app: &App, state: &backups::State, now: Timestamp) -> figures::Backups {
    let time = |from: Timestamp, to: Timestamp| {
        Duration::try_from(to.duration_since(from)).unwrap_or_default()
    };
    let age = |at: Timestamp| time(at, now);
    let ages = state.repositories().into_iter();
    let last = |repo| state.last_backup(repo).map(|run| age(run.finished_at));
    let failures = state.failures().into_iter();
    figures::Backups {
        are_expected: app.watch().are_backups_expected,
        ages: ages.map(|repo| (repo, last(repo))).collect(),
        failures: failures
            .map(|run| figures::Failure {
                kind: run.kind.as_str(),
                at: run.finished_at,
                detail: run.detail.clone(),
            })
            .collect(),
        archive_age: state.archiving.is_on.then(|| state.archive_age()),
        drill: state.last_drill().map(|run| {
            let took = time(run.started_at, run.finished_at);
            (took, age(run.finished_at))
        }),
    }
}

/// Whether tickets can be sold, and since when not.
async fn look_at_refusal(app: &App, turn: &mut Turn, reading: &mut Reading) {
    let checked = tokio::time::timeout(LOOK_WITHIN, check_ready_to_sell(app)).await;
    let refusal = match checked {
        Ok(Ok(())) => None,
        // That we are too slow for the crowd says nothing of the database.
        Ok(Err(NotReady::Database(StoreError::PoolExhausted))) => turn.refusal,
        Ok(Err(NotReady::Database(_))) | Err(_) => Some(Refusal::Away),
        Ok(Err(NotReady::Schema(_))) => Some(Refusal::Schema),
        Ok(Err(NotReady::ReadOnly)) => Some(Refusal::ReadOnly),
        Ok(Err(NotReady::NoStandby)) => Some(Refusal::NoStandby),
        Ok(Err(NotReady::Unproven(_))) => Some(Refusal::Unproven),
    };
    turn.refusal = refusal;
    turn.refused_since = match (&refusal, turn.refused_since) {
        (None, _) => None,
        (Some(_), since) => since.or(Some(reading.at)),
    };
    let since = turn
        .refused_since
        .map(|since| reading.at.duration_since(since));
    reading.selling.refused_for = since
        .and_then(|time| Duration::try_from(time).ok())
        .unwrap_or_default();
    reading.selling.refusal = refusal;
    reading.selling.proven_ago = app.proof().age(app.ctx().now());
}

fn replicas(replicas: &Replicas) -> Vec<figures::Replica> {
    let reports = replicas.reports().into_iter();
    let read = |report: store::replicas::Report| figures::Replica {
        name: report.name,
        is_up: report.standing != store::replicas::Standing::Away,
        lag: report.lag.time,
        bytes: count(report.lag.bytes),
    };
    reports.map(read).collect()
}

/// What counts is never negative.
fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
