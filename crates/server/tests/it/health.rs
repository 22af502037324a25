//! The figures of health: a test makes each thing happen, sees the colour change, and change back.

mod clusters;
mod night;

use std::time::Duration;

use domain::health::{Figure, Level, Name};
use serde_json::Value;
use tokio::time::sleep;

use crate::support::wait::{LIMIT, eventually};
use crate::support::{NewConcert, Options, TestApp};

/// Longer than a figure remembers.
const FORGOTTEN: Duration = Duration::from_mins(6);

/// Every figure after one more look.
async fn look(app: &TestApp) -> Vec<Figure> {
    app::health::look(&app.app).await;
    app::health::report(&app.app).await.figures
}

fn find(figures: &[Figure], name: Name) -> &Figure {
    let found = figures.iter().find(|figure| figure.name == name);
    found.unwrap_or_else(|| panic!("there is no {name:?}"))
}

async fn level(app: &TestApp, name: Name) -> Level {
    find(&look(app).await, name).level
}

fn fact<'a>(figure: &'a Figure, name: &str) -> Option<&'a str> {
    let mut facts = figure.facts.iter();
    let found = facts.find(|(known, _)| *known == name);
    found.map(|(_, fact)| fact.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_house_at_rest_is_green() {
    TestApp::run(async |app| {
        app.plant(NewConcert::default()).await;
        look(app).await;
        // The shared database may have been started a moment ago, and other tests lock what they like.
        let others = [Name::DatabaseUptime, Name::LockWaiting, Name::Deadlocks];
        let mut figures = look(app).await;
        figures.retain(|figure| !others.contains(&figure.name));
        let odd: Vec<_> = figures
            .iter()
            .filter(|figure| figure.level != Level::Green)
            .collect();
        assert!(odd.is_empty(), "{odd:?}");
        assert_eq!(find(&figures, Name::Database).value, Some(1.0));
        let reservations = figures
            .iter()
            .find(|figure| figure.of.as_deref() == Some("reservations"));
        assert!(reservations.unwrap().value > Some(0.0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exhausted_pool_is_told_and_forgotten() {
    let options = Options {
        pool_max: 3,
        ..Options::default()
    };
    TestApp::run_with(options, async |app| {
        look(app).await;
        let leases = app.leases(3).await;
        let waiting = app.app.clone();
        let waiter = tokio::spawn(async move {
            loop {
                let _ = waiting.writer().get().await;
            }
        });
        eventually("somebody waits", LIMIT, async || {
            app.app.writer().state().waiting > 0
        })
        .await;
        let figures = look(app).await;
        assert_eq!(find(&figures, Name::PoolActive).value, Some(3.0));
        assert_eq!(find(&figures, Name::PoolActive).level, Level::Amber);
        assert_eq!(find(&figures, Name::PoolWaiting).level, Level::Amber);
        // That nobody can be served now isn't the database's fault.
        assert_eq!(find(&figures, Name::Database).level, Level::Green);
        assert_eq!(find(&figures, Name::CanSell).level, Level::Green);
        for _ in 0..3 {
            look(app).await;
        }
        assert_eq!(level(app, Name::PoolWaiting).await, Level::Red);
        assert_ne!(level(app, Name::PoolErrors).await, Level::Green);
        waiter.abort();
        drop(leases);
        app.clock.advance(FORGOTTEN);
        look(app).await;
        let figures = look(app).await;
        for name in [Name::PoolActive, Name::PoolWaiting, Name::PoolErrors] {
            assert_eq!(find(&figures, name).level, Level::Green, "{name:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_statement_is_named_and_forgotten() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        look(app).await;
        let other = app.database.superuser().await;
        let lock = format!("BEGIN; SELECT 1 FROM concerts WHERE id = {concert} FOR UPDATE");
        other.batch_execute(&lock).await.unwrap();
        let reserving = app.reserve(concert, 1, "ann").send();
        let release = async {
            sleep(Duration::from_millis(300)).await;
            other.batch_execute("COMMIT").await.unwrap();
        };
        let (answer, ()) = tokio::join!(reserving, release);
        assert_eq!(answer.unwrap().status(), 201);
        let figures = look(app).await;
        let slow = find(&figures, Name::SlowQueries);
        assert_eq!(slow.level, Level::Amber);
        assert!(slow.value >= Some(1.0));
        let (statement, took) = (fact(slow, "statement"), fact(slow, "took"));
        assert!(statement.unwrap().contains('.'), "a statement's name");
        assert!(took.unwrap().parse::<u32>().unwrap() >= 150);
        app.clock.advance(FORGOTTEN);
        assert_eq!(level(app, Name::SlowQueries).await, Level::Green);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_big_table_that_is_read_whole_is_named_and_forgotten() {
    TestApp::run(async |app| {
        let plant = "
            INSERT INTO health_samples (series, step_minutes, at, value)
            SELECT 'planted', 1, timestamp '2020-01-01' + n * interval '1 minute', 0
            FROM generate_series(1, 120000) AS n;
            ANALYZE health_samples;";
        app.postgres.batch_execute(plant).await.unwrap();
        eventually("its rows are counted", LIMIT, async || {
            let statement = "SELECT coalesce(n_live_tup, 0) FROM pg_stat_user_tables
                             WHERE relname = 'health_samples'";
            app.count(statement).await > 100_000
        })
        .await;
        app.clock.advance(FORGOTTEN);
        assert_eq!(level(app, Name::TableScans).await, Level::Green);
        let scan = "SET enable_indexscan = off; SET enable_indexonlyscan = off;
                    SET enable_bitmapscan = off; SELECT count(*) FROM health_samples";
        let reader = app.database.superuser().await;
        reader.batch_execute(scan).await.unwrap();
        drop(reader);
        eventually("the scan is seen", LIMIT, async || {
            let figures = look(app).await;
            let scans = find(&figures, Name::TableScans);
            scans.level == Level::Amber && fact(scans, "table") == Some("health_samples")
        })
        .await;
        app.clock.advance(FORGOTTEN);
        look(app).await;
        assert_eq!(level(app, Name::TableScans).await, Level::Green);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_blocks_others_is_named_until_it_ends() {
    TestApp::run(async |app| {
        let holder = app.database.superuser().await;
        let waiter = app.database.superuser().await;
        let pid: i32 = holder
            .query_one("SELECT pg_backend_pid()", &[])
            .await
            .unwrap()
            .get(0);
        let planted = "INSERT INTO heartbeats (task, beat_at) VALUES ('blocked', now())";
        holder.batch_execute(planted).await.unwrap();
        let update = "BEGIN; UPDATE heartbeats SET beat_at = now() WHERE task = 'blocked'";
        holder.batch_execute(update).await.unwrap();
        let waiting = tokio::spawn(async move { waiter.batch_execute(update).await });
        eventually("the wait is seen", LIMIT, async || {
            let figures = look(app).await;
            let locks = find(&figures, Name::LockWaiting);
            locks.level == Level::Red && fact(locks, "pid") == Some(&*pid.to_string())
        })
        .await;
        assert_ne!(level(app, Name::OldestTransaction).await, Level::Red);
        holder.batch_execute("COMMIT").await.unwrap();
        waiting.await.unwrap().unwrap();
        eventually("nobody waits any more", LIMIT, async || {
            level(app, Name::LockWaiting).await == Level::Green
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_is_counted_and_forgotten() {
    TestApp::run(async |app| {
        look(app).await;
        let sessions = [
            app.database.superuser().await,
            app.database.superuser().await,
        ];
        let plant = "INSERT INTO heartbeats VALUES ('one', now()), ('two', now())";
        app.postgres.batch_execute(plant).await.unwrap();
        let take =
            |task: &str| format!("UPDATE heartbeats SET beat_at = now() WHERE task = '{task}'");
        for (session, task) in sessions.iter().zip(["one", "two"]) {
            let begin = format!("BEGIN; SET deadlock_timeout = '50ms'; {}", take(task));
            session.batch_execute(&begin).await.unwrap();
        }
        let (first, second) = (take("two"), take("one"));
        let ended = tokio::join!(
            sessions[0].batch_execute(&first),
            sessions[1].batch_execute(&second),
        );
        assert!(ended.0.is_err() || ended.1.is_err(), "one is given up");
        drop(sessions);
        eventually("it is seen", LIMIT, async || {
            level(app, Name::Deadlocks).await == Level::Amber
        })
        .await;
        app.clock.advance(FORGOTTEN);
        look(app).await;
        assert_eq!(level(app, Name::Deadlocks).await, Level::Green);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_growing_table_is_measured() {
    TestApp::run(async |app| {
        look(app).await;
        // Half as big two days ago.
        let plant = "
            DELETE FROM table_sizes;
            INSERT INTO table_sizes (day, table_name, bytes, measured_at)
            SELECT day - 2, 'reservations', pg_total_relation_size('reservations') / 2,
                   beat - interval '2 days'
            FROM (SELECT timestamp 'NOW_HERE' AS beat, date 'TODAY_HERE' AS day) AS clock";
        let now = app.app.ctx().now().to_string();
        let now = now.trim_end_matches('Z').replace('T', " ");
        let plant = plant
            .replace("NOW_HERE", &now)
            .replace("TODAY_HERE", &app.app.today().to_string());
        app.postgres.batch_execute(&plant).await.unwrap();
        let figures = look(app).await;
        let size = app
            .count("SELECT pg_total_relation_size('reservations')")
            .await;
        let growth = find(&figures, Name::Growth).value.unwrap();
        #[expect(clippy::cast_precision_loss, reason = "some pages")]
        let wanted = size as f64 / 4.0;
        assert!(
            (growth - wanted).abs() < 1.0,
            "{growth} instead of {wanted}"
        );
        let table = figures
            .iter()
            .find(|figure| figure.of.as_deref() == Some("reservations"));
        assert!(fact(table.unwrap(), "growth").is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_concert_that_does_not_add_up_is_named_until_it_is_mended() {
    TestApp::run(async |app| {
        let first = app.plant(NewConcert::default()).await;
        let broken = app.plant(NewConcert::default()).await;
        app.reserved(first, 2, "ann").await;
        assert_eq!(level(app, Name::BrokenInvariants).await, Level::Green);
        let change = |by: &str| {
            format!(
                "UPDATE concerts SET available_tickets = available_tickets {by} WHERE id = {broken}"
            )
        };
        app.postgres.batch_execute(&change("- 1")).await.unwrap();
        eventually("it is found", LIMIT, async || {
            let figures = look(app).await;
            let found = find(&figures, Name::BrokenInvariants);
            found.level == Level::Red && fact(found, "concert") == Some(&*broken.to_string())
        })
        .await;
        app.postgres.batch_execute(&change("+ 1")).await.unwrap();
        assert_eq!(level(app, Name::BrokenInvariants).await, Level::Green);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_backup_is_told_until_one_is_good() {
    TestApp::run(async |app| {
        assert_eq!(level(app, Name::BackupFailures).await, Level::Green);
        let now = app.app.ctx().now();
        let run = |is_ok: bool, ago: u32, detail: &str| {
            format!(
                "INSERT INTO backup_runs (kind, repo, is_ok, started_at, finished_at, detail)
                 VALUES ('full', 1, {is_ok}, timestamptz '{now}' AT TIME ZONE 'utc' - interval '{ago} min',
                         timestamptz '{now}' AT TIME ZONE 'utc' - interval '{ago} min', '{detail}')"
            )
        };
        app.postgres.batch_execute(&run(false, 9, "no room")).await.unwrap();
        let figures = look(app).await;
        let failures = find(&figures, Name::BackupFailures);
        assert_eq!(failures.level, Level::Red);
        assert!(fact(failures, "what").unwrap().contains("no room"));
        app.postgres.batch_execute(&run(true, 5, "")).await.unwrap();
        let figures = look(app).await;
        assert_eq!(find(&figures, Name::BackupFailures).level, Level::Green);
        assert_eq!(find(&figures, Name::Backup).level, Level::Green);
        app.clock.advance(Duration::from_hours(27));
        assert_eq!(level(app, Name::Backup).await, Level::Red);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_given_up_is_counted() {
    TestApp::run(async |app| {
        assert_eq!(level(app, Name::JobsDead).await, Level::Green);
        let plant = "INSERT INTO jobs (task, payload, run_at, attempts_max, status, finished_at)
                     VALUES ('mail.send', '{}', now(), 1, 'dead', now())";
        app.postgres.batch_execute(plant).await.unwrap();
        assert_eq!(level(app, Name::JobsDead).await, Level::Amber);
        app.postgres
            .batch_execute("DELETE FROM jobs")
            .await
            .unwrap();
        assert_eq!(level(app, Name::JobsDead).await, Level::Green);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_are_gathered_once_a_month() {
    TestApp::run(async |app| {
        let analyzed = "SELECT count(*) FROM pg_stat_user_tables
                        WHERE schemaname = 'public' AND last_analyze IS NULL";
        assert!(
            app.count(analyzed).await > 0,
            "nobody has analyzed anything"
        );
        app::health::analyze_when_due(&app.app).await.unwrap();
        eventually("every table is analyzed", LIMIT, async || {
            app.count(analyzed).await == 0
        })
        .await;
        let newest = "SELECT extract(epoch FROM max(last_analyze))::bigint
                      FROM pg_stat_user_tables WHERE relname = 'concerts'";
        let first = app.count(newest).await;
        sleep(Duration::from_millis(1_100)).await;
        app::health::analyze_when_due(&app.app).await.unwrap();
        assert_eq!(app.count(newest).await, first, "a month isn't over");
        app.clock.advance(Duration::from_hours(31 * 24));
        app::health::analyze_when_due(&app.app).await.unwrap();
        eventually("it is analyzed anew", LIMIT, async || {
            app.count(newest).await > first
        })
        .await;
        app.clock.advance(Duration::from_hours(36 * 24));
        assert_eq!(level(app, Name::Analyzed).await, Level::Amber);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_see_the_figures_by_the_api_and_on_a_page() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("mia", "moderator").await;
        let broken = app.plant(NewConcert::default()).await;
        let change = "UPDATE concerts SET available_tickets = available_tickets - 1 WHERE id > 0";
        app.postgres.batch_execute(change).await.unwrap();
        look(app).await;
        look(app).await;
        let answer = app.as_staff(&token, reqwest::Method::GET, "/health");
        let health: Value = answer.send().await.unwrap().json().await.unwrap();
        let groups = health["groups"].as_array().unwrap();
        let names: Vec<_> = groups
            .iter()
            .map(|group| group["name"].as_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "sale",
                "connection_pool",
                "query_performance",
                "data_volume",
                "availability"
            ]
        );
        let figures = groups
            .iter()
            .flat_map(|group| group["figures"].as_array().unwrap());
        let found = figures
            .filter(|figure| figure["name"] == "broken_invariants")
            .collect::<Vec<_>>();
        assert_eq!(found[0]["state"], "red");
        assert_eq!(found[0]["value"], 1.0);
        assert!(
            found[0]["mend"]
                .as_str()
                .unwrap()
                .contains("`stagedoor doctor`")
        );
        let detail = found[0]["detail"].as_str().unwrap();
        assert!(detail.contains(&broken.to_string()), "{detail}");
        let cookie = format!("stagedoor-staff={token}");
        let page = app.page_as(&cookie, "/staff/health?stretch=day").await;
        let page = page.text().await.unwrap();
        assert!(page.contains("stagedoor doctor"), "{page}");
        let mend = "UPDATE concerts SET available_tickets = available_tickets + 1 WHERE id > 0";
        app.postgres.batch_execute(mend).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn looks_are_kept_for_charts_as_the_highest_of_each_minute() {
    use app::health::history::{Stretch, list};
    TestApp::run(async |app| {
        app.clock.advance(Duration::from_mins(1));
        for minute in 0..3 {
            let leases = app.leases(2 * (minute + 1)).await;
            look(app).await;
            drop(leases);
            app.clock.advance(Duration::from_mins(1));
        }
        look(app).await;
        let (_, series) = list(&app.app, Stretch::Hour).await.unwrap();
        let active = series.iter().find(|one| one.name == "pool_active").unwrap();
        let seen: Vec<f64> = active.peaks.iter().copied().flatten().collect();
        assert_eq!(
            seen,
            [2.0, 4.0, 6.0],
            "the minute that is not over isn't there yet"
        );
        let last = active.peaks.iter().rposition(Option::is_some);
        assert_eq!(last, Some(active.peaks.len() - 2), "each in its own minute");
        for stretch in [Stretch::Day, Stretch::Month] {
            let (_, series) = list(&app.app, stretch).await.unwrap();
            let sizes = series
                .iter()
                .find(|one| one.name == "database_bytes")
                .unwrap();
            assert!(
                sizes
                    .peaks
                    .iter()
                    .flatten()
                    .any(|bytes| *bytes > 1_000_000.0)
            );
        }
        // A month later nothing of it is left.
        app.clock.advance(Duration::from_hours(40 * 24));
        look(app).await;
        let left = app.count("SELECT count(*) FROM health_samples").await;
        assert_eq!(left, 0);
    })
    .await;
}
