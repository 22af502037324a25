//! What each figure's colour is, from the last readings.
//!
//! Limits are near those of the alerts, which look at longer stretches before they wake anybody.

use std::collections::VecDeque;
use std::time::Duration;

use super::{
    Backups, Database, Figure, Level, Name, Pool, Queries, Reading, Replica, Selling, Stock, Table,
    WINDOW,
};

/// Fewer rows are read faster from front to back than by any index.
pub(crate) const BIG_TABLE_ROWS: u64 = 100_000;
/// So many tables are shown by name.
const TABLES_SHOWN: usize = 8;
/// Looks in a row at which somebody waited for a connection: a minute.
const WAITING_LOOKS: usize = 4;
const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;
const DAY: f64 = 86_400.0;
/// One backup a day, and two hours for making it.
const BACKUP_AGE_MAX_S: f64 = 26.0 * HOUR;
/// One drill every night: three that nobody saw end well.
const DRILL_AGE_MAX_S: f64 = 74.0 * HOUR;
/// After a restart one looks whether everything came back.
const RESTARTED_FOR_S: f64 = 10.0 * MINUTE;

/// The figures of the last reading; the ones before it tell what happened meanwhile. Oldest first.
pub fn judge(readings: &VecDeque<Reading>) -> Vec<Figure> {
    let Some(now) = readings.back() else {
        return Vec::new();
    };
    let before = readings
        .iter()
        .find(|before| now.at.duration_since(before.at) <= WINDOW)
        .unwrap_or(now);
    let mut figures = sale(&now.selling, &before.selling);
    figures.extend(now.stock.iter().flat_map(stock));
    for pool in &now.pools {
        let was = before.pools.iter().find(|was| was.name == pool.name);
        let looks = readings.iter().rev().take(WAITING_LOOKS);
        let waited = looks.filter(|look| is_waiting(look, pool.name)).count();
        figures.extend(pool_figures(pool, was.unwrap_or(pool), waited));
    }
    let slowest = readings
        .iter()
        .filter(|look| now.at.duration_since(look.at) <= WINDOW)
        .filter_map(|look| look.queries.slowest.as_ref())
        .max_by_key(|(_, took)| *took);
    figures.extend(queries(&now.queries, &before.queries, slowest));
    match &now.database {
        Some(database) => {
            figures.push(Figure::new(Name::Database, 1.0, Level::Green));
            let was = before.database.as_ref().unwrap_or(database);
            figures.extend(traffic(database, was));
            figures.extend(volume(database, now));
            figures.extend(server(database));
        }
        None => figures.push(Figure::new(Name::Database, 0.0, Level::Red)),
    }
    figures.extend(now.replicas.iter().map(replica));
    figures.extend(now.backups.iter().flat_map(backups));
    figures
}

fn is_waiting(look: &Reading, pool: &str) -> bool {
    let pool = look.pools.iter().find(|one| one.name == pool);
    pool.is_some_and(|pool| pool.waiting > 0)
}

fn sale(now: &Selling, before: &Selling) -> Vec<Figure> {
    let answered = now.answered.saturating_sub(before.answered);
    let failed = now.failed.saturating_sub(before.failed);
    let percent = (answered > 0).then(|| 100.0 * number(failed) / number(answered));
    let can_sell = Figure::new(
        Name::CanSell,
        now.refused_for.as_secs_f64(),
        Level::red_if(now.refusal.is_some()),
    );
    let can_sell = match now.refusal {
        Some(why) => can_sell.with("why", why.as_str()),
        None => can_sell,
    };
    let proven = now.proven_ago.map(|ago| ago.as_secs_f64());
    vec![
        can_sell,
        // One sale in ten seconds is usual; red is what `/readyz?for=writes` refuses.
        Figure::new(
            Name::LastProbe,
            proven,
            proven.map_or(Level::Green, |ago| Level::from(ago, 20.0, 30.0)),
        ),
        // A rush that fails as a whole is told by more than a handful of answers.
        Figure::new(
            Name::ReservationsFailed,
            percent,
            percent.map_or(Level::Green, |percent| Level::from(percent, 0.1, 2.0)),
        )
        .with("failed", &failed),
        Figure::new(
            Name::QueueDepth,
            number(now.waiting),
            Level::from(number(now.waiting), 5_000.0, 10_000.0),
        ),
    ]
}

fn stock(now: &Stock) -> Vec<Figure> {
    let broken = Figure::new(
        Name::BrokenInvariants,
        number(u64::try_from(now.broken.len()).unwrap_or(u64::MAX)),
        Level::red_if(!now.broken.is_empty()),
    );
    let broken = match now.broken.first() {
        Some(concert) => broken.with("concert", concert),
        None => broken,
    };
    let oldest = now.oldest_job.as_ref();
    let waited = oldest.map_or(0.0, |(_, waited)| waited.as_secs_f64());
    let jobs = Figure::new(
        Name::JobsOldest,
        waited,
        Level::from(waited, 5.0 * MINUTE, HOUR),
    );
    let jobs = match oldest {
        Some((task, _)) => jobs.with("task", task),
        None => jobs,
    };
    let unsealed = now.unsealed.map(|age| age.as_secs_f64());
    vec![
        broken,
        jobs,
        Figure::new(
            Name::JobsDead,
            number(now.dead_jobs),
            Level::amber_if(now.dead_jobs > 0),
        ),
        Figure::new(
            Name::AuditUnsealed,
            unsealed,
            unsealed.map_or(Level::Green, |age| Level::from(age, 30.0, 5.0 * MINUTE)),
        ),
    ]
}

/// `waited`: at how many of the last looks somebody waited.
fn pool_figures(now: &Pool, before: &Pool, waited: usize) -> Vec<Figure> {
    let asked = now.asked.saturating_sub(before.asked);
    let waiting_time = now.waited.saturating_sub(before.waited);
    let wait = (asked > 0).then(|| 1_000.0 * waiting_time.as_secs_f64() / number(asked));
    let errors = number(now.errors.saturating_sub(before.errors));
    let (active, max) = (f64::from(now.active), f64::from(now.max));
    let waiting = match (now.waiting, waited) {
        (0, _) => Level::Green,
        (_, WAITING_LOOKS..) => Level::Red,
        _ => Level::Amber,
    };
    let figures = [
        Figure::new(
            Name::PoolActive,
            active,
            Level::amber_if(max > 0.0 && active >= 0.9 * max),
        )
        .with("max", &now.max),
        Figure::new(Name::PoolIdle, f64::from(now.idle), Level::Green),
        Figure::new(Name::PoolWaiting, f64::from(now.waiting), waiting),
        Figure::new(
            Name::PoolWait,
            wait,
            wait.map_or(Level::Green, |wait| Level::from(wait, 50.0, 500.0)),
        ),
        Figure::new(Name::PoolErrors, errors, Level::from(errors, 1.0, 20.0)),
        Figure::new(Name::ConnectionUptime, now.up.as_secs_f64(), Level::Green),
    ];
    figures.map(|figure| figure.of(now.name)).into()
}

fn queries(now: &Queries, before: &Queries, slowest: Option<&(String, Duration)>) -> Vec<Figure> {
    let count = now.count.saturating_sub(before.count);
    let took = now.took.saturating_sub(before.took);
    let mean = (count > 0).then(|| 1_000.0 * took.as_secs_f64() / number(count));
    let slow = number(now.slow.saturating_sub(before.slow));
    let slow = Figure::new(Name::SlowQueries, slow, Level::from(slow, 1.0, 100.0));
    let slow = match slowest {
        Some((statement, took)) => slow
            .with("statement", statement)
            .with("took", &took.as_millis()),
        None => slow,
    };
    vec![
        Figure::new(
            Name::QueryTime,
            mean,
            mean.map_or(Level::Green, |mean| Level::from(mean, 20.0, 100.0)),
        ),
        slow,
    ]
}

fn traffic(now: &Database, before: &Database) -> Vec<Figure> {
    let scanned = now.tables.iter().filter_map(|table| {
        let was = before.tables.iter().find(|was| was.name == table.name)?;
        let scans = table.scans.saturating_sub(was.scans);
        (table.rows >= BIG_TABLE_ROWS && scans > 0).then_some((scans, table))
    });
    let scanned: Vec<_> = scanned.collect();
    let scans = number(scanned.iter().map(|(scans, _)| scans).sum());
    let most = scanned.iter().max_by_key(|(scans, _)| *scans);
    let scans = Figure::new(Name::TableScans, scans, Level::from(scans, 1.0, 50.0));
    let wait = now.lock_wait.as_secs_f64();
    let is_waiting = now.lock_waiting > 0;
    let locks = Figure::new(
        Name::LockWaiting,
        number(now.lock_waiting),
        if is_waiting {
            Level::from(wait, 1.0, 3.0)
        } else {
            Level::Green
        },
    );
    let locks = match &now.blocker {
        Some(blocker) => locks
            .with("pid", &blocker.pid)
            .with("application", &blocker.application)
            .with("username", &blocker.username),
        None => locks,
    };
    let deadlocks = number(now.deadlocks.saturating_sub(before.deadlocks));
    let oldest = now.oldest_transaction.as_secs_f64();
    vec![
        match most {
            Some((_, table)) => scans.with("table", &table.name),
            None => scans,
        },
        locks.with("longest", &format!("{wait:.0}")),
        Figure::new(
            Name::Deadlocks,
            deadlocks,
            Level::from(deadlocks, 1.0, 10.0),
        ),
        Figure::new(
            Name::OldestTransaction,
            oldest,
            Level::from(oldest, 5.0 * MINUTE, HOUR),
        ),
    ]
}

fn volume(now: &Database, reading: &Reading) -> Vec<Figure> {
    let mut tables: Vec<&Table> = now.tables.iter().collect();
    tables.sort_by(|one, other| other.bytes.cmp(&one.bytes).then(one.name.cmp(&other.name)));
    let growth = now.tables.iter().filter_map(|table| table.growth_per_day);
    let growth = growth.fold(None, |sum: Option<f64>, one| Some(sum.unwrap_or(0.0) + one));
    let indexes = now.indexes.iter().map(|index| index.bytes).sum();
    let mut figures = vec![
        Figure::new(Name::DatabaseBytes, number(now.bytes), Level::Green),
        Figure::new(Name::IndexBytes, number(indexes), Level::Green),
    ];
    figures.extend(tables.into_iter().take(TABLES_SHOWN).map(|table| {
        let figure = Figure::new(Name::TableBytes, number(table.bytes), Level::Green);
        let figure = figure.with("rows", &table.rows).of(&table.name);
        match table.growth_per_day {
            Some(growth) => figure.with("growth", &format!("{growth:.0}")),
            None => figure,
        }
    }));
    let days = now.disk.as_ref().zip(growth).and_then(|(disk, growth)| {
        // Less than that is noise.
        (growth > 1_000.0).then(|| number(disk.free) / growth)
    });
    let fills = days.map_or(Level::Green, |days| match days {
        ..1.0 => Level::Red,
        ..30.0 => Level::Amber,
        _ => Level::Green,
    });
    // A table that grows is no trouble where there is room for it.
    figures.push(Figure::new(Name::Growth, growth, fills));
    if let Some(disk) = &now.disk {
        let free = 100.0 * number(disk.free) / number(disk.size.max(1));
        let level = match free {
            ..20.0 => Level::Red,
            ..30.0 => Level::Amber,
            _ => Level::Green,
        };
        figures.push(
            Figure::new(Name::DiskFree, free, level)
                .with("mount", &disk.mount)
                .with("free", &disk.free),
        );
    } else {
        figures.push(Figure::new(Name::DiskFree, None, Level::Green));
    }
    figures.push(Figure::new(Name::DiskDays, days, fills));
    let analyzed = now.analyzed_at.map(|at| {
        let age = reading.at.duration_since(at).as_secs_f64();
        age.max(0.0) / DAY
    });
    figures.push(Figure::new(
        Name::Analyzed,
        analyzed,
        analyzed.map_or(Level::Green, |days| Level::from(days, 35.0, 70.0)),
    ));
    figures
}

fn server(now: &Database) -> Vec<Figure> {
    let up = now.up.as_secs_f64();
    let share = 100.0 * number(now.sessions) / number(now.connections_max.max(1));
    let standbys = if now.lacks_standby {
        Level::Red
    } else {
        Level::amber_if(now.needs_standby && now.standbys < 2)
    };
    let mut figures = vec![
        Figure::new(
            Name::DatabaseUptime,
            up,
            Level::amber_if(up < RESTARTED_FOR_S),
        ),
        Figure::new(
            Name::Connections,
            number(now.sessions),
            Level::from(share, 80.0, 95.0),
        )
        .with("max", &now.connections_max),
    ];
    if now.needs_standby || now.standbys > 0 {
        figures.push(Figure::new(Name::Standbys, number(now.standbys), standbys));
    }
    figures
}

fn replica(replica: &Replica) -> Figure {
    let lag = replica.lag.as_secs_f64();
    let level = if replica.is_up {
        Level::from(lag, 10.0, MINUTE)
    } else {
        Level::Red
    };
    Figure::new(Name::ReplicaLag, lag, level)
        .of(&replica.name)
        .with("bytes", &replica.bytes)
        .with("up", if replica.is_up { "yes" } else { "no" })
}

fn backups(now: &Backups) -> Vec<Figure> {
    let expected = |level: Level| {
        if now.are_expected {
            level
        } else {
            Level::Green
        }
    };
    let archive = now.archive_age.map(|age| age.as_secs_f64());
    let archive_level = archive.map_or(expected(Level::Red), |age| {
        Level::from(age, 3.0 * MINUTE, 5.0 * MINUTE)
    });
    let mut figures = vec![Figure::new(Name::Archiving, archive, archive_level)];
    if now.ages.is_empty() {
        // The one that a beginner has not set up yet.
        figures.push(Figure::new(Name::Backup, None, expected(Level::Red)).of("1"));
    }
    figures.extend(now.ages.iter().map(|(repository, age)| {
        let age = age.map(|age| age.as_secs_f64());
        let level = age.map_or(Level::Red, |age| Level::red_if(age > BACKUP_AGE_MAX_S));
        Figure::new(Name::Backup, age, level).of(&repository.to_string())
    }));
    let failures = Figure::new(
        Name::BackupFailures,
        number(u64::try_from(now.failures.len()).unwrap_or(u64::MAX)),
        Level::red_if(!now.failures.is_empty()),
    );
    figures.push(match now.failures.first() {
        Some(first) => failures
            .with("kind", first.kind)
            .with("at", &first.at)
            .with("what", &first.detail),
        None => failures,
    });
    let (took, age) = now.drill.unzip();
    let level = match age {
        Some(age) => Level::amber_if(age.as_secs_f64() > DRILL_AGE_MAX_S),
        None => expected(Level::Amber),
    };
    figures.push(Figure::new(
        Name::RecoveryTime,
        took.map(|took| took.as_secs_f64()),
        level,
    ));
    figures
}

#[expect(clippy::cast_precision_loss, reason = "figures to look at")]
const fn number(count: u64) -> f64 {
    count as f64
}
