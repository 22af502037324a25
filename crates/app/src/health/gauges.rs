//! What was seen, as metrics.

use std::collections::{BTreeMap, BTreeSet};

use domain::health::{Database, Reading, Stock};

/// Every metric of these figures exists from the start, so that an absent one means an absent server.
const GAUGES: [&str; 13] = [
    "stagedoor_lock_waiting",
    "stagedoor_lock_wait_seconds",
    "stagedoor_database_bytes",
    "stagedoor_database_start_timestamp_seconds",
    "stagedoor_database_connections_max",
    "stagedoor_transaction_oldest_seconds",
    "stagedoor_snapshot_oldest_seconds",
    "stagedoor_standby_missing",
    "stagedoor_standbys",
    "stagedoor_sale_possible_timestamp_seconds",
    "stagedoor_jobs_dead",
    "stagedoor_invariant_failures",
    "stagedoor_analyze_last_timestamp_seconds",
];

/// What was shown last: of what counts up, and of what may be gone.
#[derive(Debug, Default)]
pub(super) struct Shown {
    scans: BTreeMap<String, u64>,
    deadlocks: Option<u64>,
    concerts: BTreeSet<i32>,
}

pub(super) fn register() {
    for name in GAUGES {
        metrics::gauge!(name).set(0.0);
    }
    metrics::counter!("stagedoor_deadlocks_total").absolute(0);
}

impl Shown {
    pub(super) fn show(&mut self, reading: &Reading) {
        for pool in &reading.pools {
            metrics::gauge!("stagedoor_connection_uptime_seconds", "pool" => pool.name)
                .set(pool.up.as_secs_f64());
        }
        if reading.selling.refusal.is_none() {
            metrics::gauge!("stagedoor_sale_possible_timestamp_seconds")
                .set(signed(reading.at.as_second()));
        }
        if let Some(stock) = &reading.stock {
            self.show_stock(stock);
        }
        if let Some(database) = &reading.database {
            self.show_database(database);
        }
    }

    fn show_stock(&mut self, stock: &Stock) {
        metrics::gauge!("stagedoor_jobs_dead").set(number(stock.dead_jobs));
        let broken = u64::try_from(stock.broken.len()).unwrap_or(u64::MAX);
        metrics::gauge!("stagedoor_invariant_failures").set(number(broken));
        let held: BTreeMap<i32, i64> = stock.held.iter().copied().collect();
        let mut gone = std::mem::take(&mut self.concerts);
        for (concert, left) in &stock.on_sale {
            let held = held.get(concert).copied().unwrap_or_default();
            show_concert(*concert, signed(*left), signed(held));
            gone.remove(concert);
            self.concerts.insert(*concert);
        }
        // Who is not on sale any more has no figure; a series can't be taken back.
        for concert in gone {
            show_concert(concert, f64::NAN, f64::NAN);
        }
    }

    fn show_database(&mut self, database: &Database) {
        for table in &database.tables {
            let name = || table.name.clone();
            metrics::gauge!("stagedoor_table_bytes", "table" => name()).set(number(table.bytes));
            metrics::gauge!("stagedoor_table_rows", "table" => name()).set(number(table.rows));
            metrics::gauge!("stagedoor_table_growth_bytes_per_day", "table" => name())
                .set(table.growth_per_day.unwrap_or_default());
            let was = self.scans.insert(table.name.clone(), table.scans);
            metrics::counter!("stagedoor_table_scans_total", "table" => name())
                .increment(more(table.scans, was));
        }
        for index in &database.indexes {
            metrics::gauge!("stagedoor_index_bytes", "index" => index.name.clone())
                .set(number(index.bytes));
        }
        let was = self.deadlocks.replace(database.deadlocks);
        metrics::counter!("stagedoor_deadlocks_total").increment(more(database.deadlocks, was));
        if let Some(disk) = &database.disk {
            metrics::gauge!("stagedoor_disk_free_bytes", "mount" => disk.mount.clone())
                .set(number(disk.free));
            metrics::gauge!("stagedoor_disk_size_bytes", "mount" => disk.mount.clone())
                .set(number(disk.size));
        }
        let connections = |state: &'static str| metrics::gauge!("stagedoor_database_connections", "state" => state);
        connections("active").set(number(database.active));
        connections("idle").set(number(database.idle));
        connections("idle_in_transaction").set(number(database.idle_in_transaction));
        let analyzed = database.analyzed_at.map(jiff::Timestamp::as_second);
        for (name, value) in [
            ("stagedoor_lock_waiting", number(database.lock_waiting)),
            (
                "stagedoor_lock_wait_seconds",
                database.lock_wait.as_secs_f64(),
            ),
            ("stagedoor_database_bytes", number(database.bytes)),
            (
                "stagedoor_database_start_timestamp_seconds",
                signed(database.started_at.as_second()),
            ),
            (
                "stagedoor_database_connections_max",
                number(database.connections_max),
            ),
            (
                "stagedoor_transaction_oldest_seconds",
                database.oldest_transaction.as_secs_f64(),
            ),
            (
                "stagedoor_snapshot_oldest_seconds",
                database.oldest_snapshot.as_secs_f64(),
            ),
            (
                "stagedoor_standby_missing",
                f64::from(u8::from(database.lacks_standby)),
            ),
            ("stagedoor_standbys", number(database.standbys)),
            (
                "stagedoor_analyze_last_timestamp_seconds",
                analyzed.map(signed).unwrap_or_default(),
            ),
        ] {
            metrics::gauge!(name).set(value);
        }
    }
}

fn show_concert(concert: i32, left: f64, held: f64) {
    let concert = concert.to_string();
    metrics::gauge!("stagedoor_tickets_available", "concert_id" => concert.clone()).set(left);
    metrics::gauge!("stagedoor_tickets_held", "concert_id" => concert).set(held);
}

/// What was added since the last look; all of it after the database began to count anew.
fn more(now: u64, was: Option<u64>) -> u64 {
    match was {
        None => 0,
        Some(was) if was > now => now,
        Some(was) => now - was,
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures to look at")]
const fn number(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "figures to look at")]
const fn signed(count: i64) -> f64 {
    count as f64
}
