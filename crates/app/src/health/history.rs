//! The peaks that the charts of the last hour, day and month draw, and the sizes that tell growth.
//!
//! Every server writes into the same rows, and the highest stands: a chart shows the worst of all.

use std::collections::BTreeMap;

use domain::health::Reading;
use jiff::{SignedDuration, Span, Timestamp};
use store::health::{self, Step};
use store::{Acting, StoreError, Transaction};

use crate::App;

/// Series that are drawn, in their order.
pub const SERIES: [&str; 9] = [
    "pool_active",
    "pool_waiting",
    "query_time",
    "slow_queries",
    "lock_waiting",
    "replica_lag",
    "database_bytes",
    "disk_used",
    "queue_depth",
];

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;
/// A day of minutes and a month of hours, with some more at the end that a chart begins in.
const MINUTES_KEPT: SignedDuration = SignedDuration::from_hours(25);
const HOURS_KEPT: SignedDuration = SignedDuration::from_hours(32 * 24);
const SIZES_KEPT_DAYS: i64 = 400;

/// The highest of each series since it was last written.
#[derive(Debug, Default)]
pub(super) struct Peaks {
    /// In which they began; `None` while there are none.
    minute: Option<i64>,
    highest: BTreeMap<&'static str, f64>,
    last: Option<Last>,
    forgotten_hour: Option<i64>,
    tables: Vec<(String, i64)>,
}

/// Of what counts up.
#[derive(Debug, Clone, Copy)]
struct Last {
    statements: u64,
    took_s: f64,
    slow: u64,
}

impl Peaks {
    pub(super) fn note(&mut self, reading: &Reading) {
        self.minute.get_or_insert(minute_of(reading.at));
        let queries = &reading.queries;
        let now = Last {
            statements: queries.count,
            took_s: queries.took.as_secs_f64(),
            slow: queries.slow,
        };
        let was = self.last.replace(now).unwrap_or(now);
        let statements = now.statements.saturating_sub(was.statements);
        let mean = if statements == 0 {
            0.0
        } else {
            1_000.0 * (now.took_s - was.took_s).max(0.0) / number(statements)
        };
        let sum = |of: fn(&domain::health::Pool) -> u32| {
            reading.pools.iter().map(|pool| f64::from(of(pool))).sum()
        };
        let lag = reading.replicas.iter().map(|one| one.lag.as_secs_f64());
        self.raise("pool_active", sum(|pool| pool.active));
        self.raise("pool_waiting", sum(|pool| pool.waiting));
        self.raise("query_time", mean);
        self.raise("slow_queries", number(now.slow.saturating_sub(was.slow)));
        self.raise("queue_depth", number(reading.selling.waiting));
        self.raise("replica_lag", lag.fold(0.0, f64::max));
        if let Some(database) = &reading.database {
            self.raise("lock_waiting", number(database.lock_waiting));
            self.raise("database_bytes", number(database.bytes));
            if let Some(disk) = &database.disk {
                let used = disk.size.saturating_sub(disk.free);
                self.raise("disk_used", 100.0 * number(used) / number(disk.size.max(1)));
            }
            let size = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
            let tables = database.tables.iter();
            let tables = tables.map(|table| (table.name.clone(), size(table.bytes)));
            self.tables = tables.collect();
        }
    }

    fn raise(&mut self, series: &'static str, value: f64) {
        let peak = self.highest.entry(series).or_default();
        *peak = peak.max(value);
    }
}

/// When a minute is over: what was highest in it.
pub(super) async fn keep(app: &App, peaks: &mut Peaks, now: Timestamp) -> Result<(), StoreError> {
    let Some(minute) = peaks.minute.filter(|minute| *minute != minute_of(now)) else {
        return Ok(());
    };
    let transaction = Transaction::begin(app.writer(), &Acting::system("health")).await?;
    let highest: Vec<(&str, f64)> = peaks
        .highest
        .iter()
        .map(|(name, peak)| (*name, *peak))
        .collect();
    let second = minute * MINUTE;
    for (step, length) in [(Step::Minute, MINUTE), (Step::Hour, HOUR)] {
        let at = Timestamp::from_second(second.div_euclid(length) * length).unwrap_or(now);
        health::keep_samples(&transaction, (step, at), &highest).await?;
    }
    if !peaks.tables.is_empty() {
        health::keep_table_sizes(&transaction, (app.today(), now), &peaks.tables).await?;
    }
    let hour = now.as_second().div_euclid(HOUR);
    if peaks.forgotten_hour != Some(hour) {
        let sizes = app.today() - Span::new().days(SIZES_KEPT_DAYS);
        let old = (now - MINUTES_KEPT, now - HOURS_KEPT, sizes);
        health::forget(&transaction, old).await?;
    }
    transaction.commit().await?;
    peaks.minute = None;
    peaks.forgotten_hour = Some(hour);
    peaks.highest.clear();
    Ok(())
}

fn minute_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(MINUTE)
}

/// How much of the past a chart shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stretch {
    Hour,
    Day,
    Month,
}

impl Stretch {
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Month];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// What is drawn as one bar, in seconds, and how many there are.
    pub const fn bars(self) -> (i64, i64) {
        match self {
            Self::Hour => (MINUTE, 60),
            Self::Day => (20 * MINUTE, 72),
            Self::Month => (12 * HOUR, 60),
        }
    }

    const fn step(self) -> Step {
        match self {
            Self::Hour | Self::Day => Step::Minute,
            Self::Month => Step::Hour,
        }
    }
}

/// One series: the peak of each bar, the oldest first; `None` where nobody looked.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub name: &'static str,
    pub peaks: Vec<Option<f64>>,
}

/// What a stretch's charts draw, up to now.
pub async fn list(app: &App, stretch: Stretch) -> Result<(Timestamp, Vec<Series>), StoreError> {
    let (length, bars) = stretch.bars();
    let end = (app.ctx().now().as_second().div_euclid(length) + 1) * length;
    let since = Timestamp::from_second(end - length * bars).unwrap_or_default();
    let connection = app.writer().get().await?;
    let samples = health::list_samples(&connection, &SERIES, (stretch.step(), since)).await?;
    drop(connection);
    let series = SERIES.iter().map(|name| {
        let mut peaks = vec![None; usize::try_from(bars).unwrap_or_default()];
        for sample in samples.iter().filter(|sample| sample.series == *name) {
            let place = (sample.at.as_second() - since.as_second()).div_euclid(length);
            let bar = usize::try_from(place)
                .ok()
                .and_then(|place| peaks.get_mut(place));
            if let Some(bar) = bar {
                *bar = Some(bar.map_or(sample.value, |peak: f64| peak.max(sample.value)));
            }
        }
        Series { name, peaks }
    });
    Ok((since, series.collect()))
}

#[expect(clippy::cast_precision_loss, reason = "figures to look at")]
const fn number(count: u64) -> f64 {
    count as f64
}
