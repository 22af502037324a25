//! How well the house stands: figures, each green, amber or red.
//!
//! Absent on purpose: where figures come from, and the words for them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

mod judge;

pub use judge::judge;

/// How far back a figure looks that counts what happened.
pub const WINDOW: SignedDuration = SignedDuration::from_mins(5);

/// How much a figure wants somebody's eye.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    #[default]
    Green,
    /// Look when there is time.
    Amber,
    /// Buyers feel it, or will soon.
    Red,
}

impl Level {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Amber => "amber",
            Self::Red => "red",
        }
    }

    /// Red from `red` on, amber from `amber` on.
    fn from(value: f64, amber: f64, red: f64) -> Self {
        if value >= red {
            Self::Red
        } else if value >= amber {
            Self::Amber
        } else {
            Self::Green
        }
    }

    const fn red_if(is_bad: bool) -> Self {
        if is_bad { Self::Red } else { Self::Green }
    }

    const fn amber_if(is_odd: bool) -> Self {
        if is_odd { Self::Amber } else { Self::Green }
    }
}

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Count,
    Seconds,
    Milliseconds,
    Bytes,
    BytesPerDay,
    Percent,
    Days,
}

impl Unit {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Bytes => "bytes",
            Self::BytesPerDay => "bytes_per_day",
            Self::Percent => "percent",
            Self::Days => "days",
        }
    }
}

/// Figures that belong together, as they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    Sale,
    ConnectionPool,
    QueryPerformance,
    DataVolume,
    Availability,
}

impl Group {
    pub const ALL: [Self; 5] = [
        Self::Sale,
        Self::ConnectionPool,
        Self::QueryPerformance,
        Self::DataVolume,
        Self::Availability,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sale => "sale",
            Self::ConnectionPool => "connection_pool",
            Self::QueryPerformance => "query_performance",
            Self::DataVolume => "data_volume",
            Self::Availability => "availability",
        }
    }
}

/// A figure's name, the same wherever it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    CanSell,
    LastProbe,
    ReservationsFailed,
    QueueDepth,
    BrokenInvariants,
    JobsOldest,
    JobsDead,
    AuditUnsealed,
    PoolActive,
    PoolIdle,
    PoolWaiting,
    PoolWait,
    PoolErrors,
    QueryTime,
    SlowQueries,
    TableScans,
    LockWaiting,
    Deadlocks,
    OldestTransaction,
    DatabaseBytes,
    TableBytes,
    IndexBytes,
    Growth,
    DiskFree,
    DiskDays,
    Analyzed,
    Database,
    ConnectionUptime,
    DatabaseUptime,
    Connections,
    Standbys,
    ReplicaLag,
    Archiving,
    Backup,
    BackupFailures,
    RecoveryTime,
}

impl Name {
    pub const ALL: [Self; 36] = [
        Self::CanSell,
        Self::LastProbe,
        Self::ReservationsFailed,
        Self::QueueDepth,
        Self::BrokenInvariants,
        Self::JobsOldest,
        Self::JobsDead,
        Self::AuditUnsealed,
        Self::PoolActive,
        Self::PoolIdle,
        Self::PoolWaiting,
        Self::PoolWait,
        Self::PoolErrors,
        Self::QueryTime,
        Self::SlowQueries,
        Self::TableScans,
        Self::LockWaiting,
        Self::Deadlocks,
        Self::OldestTransaction,
        Self::DatabaseBytes,
        Self::TableBytes,
        Self::IndexBytes,
        Self::Growth,
        Self::DiskFree,
        Self::DiskDays,
        Self::Analyzed,
        Self::Database,
        Self::ConnectionUptime,
        Self::DatabaseUptime,
        Self::Connections,
        Self::Standbys,
        Self::ReplicaLag,
        Self::Archiving,
        Self::Backup,
        Self::BackupFailures,
        Self::RecoveryTime,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CanSell => "can_sell",
            Self::LastProbe => "last_probe",
            Self::ReservationsFailed => "reservations_failed",
            Self::QueueDepth => "queue_depth",
            Self::BrokenInvariants => "broken_invariants",
            Self::JobsOldest => "jobs_oldest",
            Self::JobsDead => "jobs_dead",
            Self::AuditUnsealed => "audit_unsealed",
            Self::PoolActive => "pool_active",
            Self::PoolIdle => "pool_idle",
            Self::PoolWaiting => "pool_waiting",
            Self::PoolWait => "pool_wait",
            Self::PoolErrors => "pool_errors",
            Self::QueryTime => "query_time",
            Self::SlowQueries => "slow_queries",
            Self::TableScans => "table_scans",
            Self::LockWaiting => "lock_waiting",
            Self::Deadlocks => "deadlocks",
            Self::OldestTransaction => "oldest_transaction",
            Self::DatabaseBytes => "database_bytes",
            Self::TableBytes => "table_bytes",
            Self::IndexBytes => "index_bytes",
            Self::Growth => "growth",
            Self::DiskFree => "disk_free",
            Self::DiskDays => "disk_days",
            Self::Analyzed => "analyzed",
            Self::Database => "database",
            Self::ConnectionUptime => "connection_uptime",
            Self::DatabaseUptime => "database_uptime",
            Self::Connections => "connections",
            Self::Standbys => "standbys",
            Self::ReplicaLag => "replica_lag",
            Self::Archiving => "archiving",
            Self::Backup => "backup",
            Self::BackupFailures => "backup_failures",
            Self::RecoveryTime => "recovery_time",
        }
    }

    pub const fn group(self) -> Group {
        match self {
            Self::CanSell
            | Self::LastProbe
            | Self::ReservationsFailed
            | Self::QueueDepth
            | Self::BrokenInvariants
            | Self::JobsOldest
            | Self::JobsDead
            | Self::AuditUnsealed => Group::Sale,
            Self::PoolActive
            | Self::PoolIdle
            | Self::PoolWaiting
            | Self::PoolWait
            | Self::PoolErrors => Group::ConnectionPool,
            Self::QueryTime
            | Self::SlowQueries
            | Self::TableScans
            | Self::LockWaiting
            | Self::Deadlocks
            | Self::OldestTransaction => Group::QueryPerformance,
            Self::DatabaseBytes
            | Self::TableBytes
            | Self::IndexBytes
            | Self::Growth
            | Self::DiskFree
            | Self::DiskDays
            | Self::Analyzed => Group::DataVolume,
            Self::Database
            | Self::ConnectionUptime
            | Self::DatabaseUptime
            | Self::Connections
            | Self::Standbys
            | Self::ReplicaLag
            | Self::Archiving
            | Self::Backup
            | Self::BackupFailures
            | Self::RecoveryTime => Group::Availability,
        }
    }

    pub const fn unit(self) -> Unit {
        match self {
            Self::JobsOldest
            | Self::AuditUnsealed
            | Self::OldestTransaction
            | Self::CanSell
            | Self::LastProbe
            | Self::ConnectionUptime
            | Self::DatabaseUptime
            | Self::ReplicaLag
            | Self::Archiving
            | Self::Backup
            | Self::RecoveryTime => Unit::Seconds,
            Self::ReservationsFailed | Self::DiskFree => Unit::Percent,
            Self::PoolWait | Self::QueryTime => Unit::Milliseconds,
            Self::DatabaseBytes | Self::TableBytes | Self::IndexBytes => Unit::Bytes,
            Self::Growth => Unit::BytesPerDay,
            Self::DiskDays | Self::Analyzed => Unit::Days,
            Self::QueueDepth
            | Self::BrokenInvariants
            | Self::JobsDead
            | Self::PoolActive
            | Self::PoolIdle
            | Self::PoolWaiting
            | Self::PoolErrors
            | Self::SlowQueries
            | Self::TableScans
            | Self::LockWaiting
            | Self::Deadlocks
            | Self::Database
            | Self::Connections
            | Self::Standbys
            | Self::BackupFailures => Unit::Count,
        }
    }
}

/// One figure, judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub name: Name,
    /// Which of several: a pool, a table, a replica, a repository.
    pub of: Option<String>,
    /// In the name's unit; `None` where nobody knows, or there is nothing of the kind.
    pub value: Option<f64>,
    pub level: Level,
    /// What else is to be said, by name.
    pub facts: Vec<(&'static str, String)>,
}

impl Figure {
    fn new(name: Name, value: impl Into<Option<f64>>, level: Level) -> Self {
        Self {
            name,
            of: None,
            value: value.into(),
            level,
            facts: Vec::new(),
        }
    }

    fn of(self, which: &str) -> Self {
        Self {
            of: Some(which.to_owned()),
            ..self
        }
    }

    fn with(mut self, name: &'static str, fact: &(impl ToString + ?Sized)) -> Self {
        self.facts.push((name, fact.to_string()));
        self
    }
}

/// Everything that was seen at one look. What counts up does so since the process or the database
/// began.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    pub at: Timestamp,
    pub pools: Vec<Pool>,
    pub queries: Queries,
    pub selling: Selling,
    /// `None` where it couldn't be read.
    pub stock: Option<Stock>,
    /// `None` where it didn't answer.
    pub database: Option<Database>,
    pub replicas: Vec<Replica>,
    /// `None` where it couldn't be read.
    pub backups: Option<Backups>,
}

#[derive(Clone, Debug, Default)]
pub struct Pool {
    pub name: &'static str,
    pub max: u32,
    pub active: u32,
    pub idle: u32,
    pub waiting: u32,
    pub errors: u64,
    /// How often a connection was asked for, and how long that took in all.
    pub asked: u64,
    pub waited: Duration,
    /// For how long its database has answered without a break.
    pub up: Duration,
}

#[derive(Clone, Debug, Default)]
pub struct Queries {
    pub count: u64,
    pub took: Duration,
    pub slow: u64,
    /// The slowest since the last look, over the limit.
    pub slowest: Option<(String, Duration)>,
}

#[derive(Clone, Debug, Default)]
pub struct Selling {
    pub answered: u64,
    /// Those of them that were our fault.
    pub failed: u64,
    pub waiting: u64,
    /// Why nothing can be sold; `None` while it can.
    pub refusal: Option<Refusal>,
    /// For how long that has been so.
    pub refused_for: Duration,
    /// How long ago a buyer or the write probe last could reserve; `None` where nobody tries.
    pub proven_ago: Option<Duration>,
}

/// Why the database takes no sales.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Away,
    /// Its schema isn't the one that the program needs.
    Schema,
    /// It is a standby.
    ReadOnly,
    /// No standby confirms, although one must.
    NoStandby,
    /// Nothing is known to be wrong, and yet nobody could reserve for too long.
    Unproven,
}

impl Refusal {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Schema => "schema",
            Self::ReadOnly => "read_only",
            Self::NoStandby => "no_standby",
            Self::Unproven => "unproven",
        }
    }
}

/// What concerts, jobs and the audit log tell.
#[derive(Clone, Debug, Default)]
pub struct Stock {
    /// Of what was looked at so far: concerts that don't add up.
    pub broken: Vec<i32>,
    /// The task that waits longest, and how long its oldest job has been due.
    pub oldest_job: Option<(String, Duration)>,
    pub dead_jobs: u64,
    /// `None` where nobody seals.
    pub unsealed: Option<Duration>,
    /// Concerts on sale, each with the tickets that are left.
    pub on_sale: Vec<(i32, i64)>,
    /// Concerts with the tickets that unpaid reservations hold.
    pub held: Vec<(i32, i64)>,
}

#[derive(Clone, Debug, Default)]
pub struct Database {
    pub started_at: Timestamp,
    /// Since then, by its own clock.
    pub up: Duration,
    pub active: u64,
    pub idle: u64,
    pub idle_in_transaction: u64,
    /// All of them, also those of which no more is seen.
    pub sessions: u64,
    pub connections_max: u64,
    pub oldest_transaction: Duration,
    pub oldest_snapshot: Duration,
    pub lock_waiting: u64,
    pub lock_wait: Duration,
    pub blocker: Option<Blocker>,
    pub deadlocks: u64,
    pub bytes: u64,
    pub tables: Vec<Table>,
    pub indexes: Vec<Index>,
    /// `None` where its files aren't on this machine, or the login may not know.
    pub disk: Option<Disk>,
    pub analyzed_at: Option<Timestamp>,
    /// Whether a COMMIT waits for a standby.
    pub needs_standby: bool,
    pub lacks_standby: bool,
    pub standbys: u64,
}

/// Whom others wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocker {
    pub pid: i32,
    pub application: String,
    pub username: String,
}

#[derive(Clone, Debug, Default)]
pub struct Table {
    pub name: String,
    /// With its indexes.
    pub bytes: u64,
    /// An estimate.
    pub rows: u64,
    pub scans: u64,
    /// `None` before there is an older measure.
    pub growth_per_day: Option<f64>,
}

#[derive(Clone, Debug, Default)]
pub struct Index {
    pub name: String,
    pub bytes: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Disk {
    pub mount: String,
    pub free: u64,
    pub size: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Replica {
    pub name: String,
    pub is_up: bool,
    pub lag: Duration,
    pub bytes: u64,
}

/// A backup, a check or a drill that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub kind: &'static str,
    pub at: Timestamp,
    /// In the words of the program that failed.
    pub detail: String,
}

#[derive(Clone, Debug, Default)]
pub struct Backups {
    /// Whether the house must have them: it sells for real.
    pub are_expected: bool,
    /// Each repository and how old its last backup is.
    pub ages: Vec<(i32, Option<Duration>)>,
    /// What failed and was not made good since.
    pub failures: Vec<Failure>,
    /// How old the oldest log may be that isn't kept; `None` where none is kept.
    pub archive_age: Option<Duration>,
    /// How long the last drill took, and how old it is.
    pub drill: Option<(Duration, Duration)>,
}
