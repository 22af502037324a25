//! An outage costs nobody a hold: its length is lent to those that were kept when it began.

#![allow(
    clippy::unwrap_used,
    reason = "also outside the test functions, this is a test"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use app::ctx::{Clock as _, PrimaryClock, SeededRandom};
use app::expire::{self, Swept};
use app::{AccessKey, App, Ctx};
use reqwest::Method;
use serde_json::Value;
use tokio::task::block_in_place;

use crate::outage;
use crate::support::fault_proxy::{FaultProxy, Hold};
use crate::support::own_cluster::OwnCluster;
use crate::support::program::Program;
use crate::support::wait::{LIMIT, eventually, within_limit};
use crate::support::{NewConcert, Options, TestApp, TestDatabase, plant_ten_tickets};

async fn sweep(app: &TestApp) -> Swept {
    expire::sweep(&app.app).await.unwrap()
}

/// Status and end of a hold, as its holder sees them.
async fn shown(app: &TestApp, reservation: &Value) -> (String, String) {
    let request = app.with_token(Method::GET, reservation, "");
    let shown: Value = request.send().await.unwrap().json().await.unwrap();
    let text = |field: &str| shown[field].as_str().unwrap().to_owned();
    (text("status"), text("expires_at"))
}

fn held_until(end: &str) -> (String, String) {
    ("pending".to_owned(), format!("2026-11-22T{end}Z"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweeper_beats_every_few_seconds_and_rests_until_something_is_due() {
    TestApp::run(async |app| {
        let beats = "SELECT count(*) FROM heartbeats WHERE task = 'sweep'
                     AND beat_at = timestamp '2026-11-22 05:00:00' + interval '1 second' * ";
        let beat_after = async |seconds: u32| app.count(&format!("{beats}{seconds}")).await == 1;
        assert_eq!(sweep(app).await.rest, Duration::from_secs(4));
        assert!(beat_after(0).await);
        for (seconds, beat) in [(1, 0), (3, 0), (4, 4), (7, 4), (8, 8)] {
            let now = app.app.ctx().now().as_second() - 1_795_323_600;
            let wait = seconds - u64::try_from(now).unwrap();
            app.clock.advance(Duration::from_secs(wait));
            let rest = sweep(app).await.rest;
            assert!(beat_after(beat).await, "{seconds} s after the first");
            let due = u64::from(beat) + 4 - seconds;
            assert_eq!(
                rest,
                Duration::from_secs(due),
                "{seconds} s after the first"
            );
        }
        let concert = app.plant(NewConcert::default()).await;
        app.plant_holds(concert, 1, Duration::from_millis(2_500))
            .await;
        assert_eq!(sweep(app).await.rest, Duration::from_millis(2_500));
        app.clock.advance(Duration::from_millis(2_400));
        assert_eq!(sweep(app).await.rest, Duration::from_millis(500));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_lends_its_length_before_anything_expires() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let overdue = app.reserved(concert, 1, "overdue").await;
        let held = app.reserved(concert, 1, "held").await;
        assert_eq!(sweep(app).await.lent, 0);
        let planted = "UPDATE reservations SET expires_at = '2026-11-22 04:59:59'
                       WHERE customer_email = 'overdue@example.com'";
        app.postgres.batch_execute(planted).await.unwrap();
        app.clock.advance(Duration::from_secs(3));
        let late = app.reserved(concert, 1, "late").await;
        // While no sweeper was there, but the database was.
        app.clock.advance(Duration::from_secs(57));
        let meanwhile = app.reserved(concert, 1, "meanwhile").await;
        app.clock.advance(Duration::from_mins(11));
        assert_eq!(shown(app, &held).await.0, "expired");

        let swept = sweep(app).await;
        assert_eq!((swept.lent, swept.expired), (2, 0));
        assert_eq!(swept.rest, Duration::ZERO);
        assert_eq!(shown(app, &held).await, held_until("05:22:00"));
        assert_eq!(shown(app, &late).await, held_until("05:22:03"));
        let swept = sweep(app).await;
        assert_eq!((swept.lent, swept.expired), (0, 2));
        for reservation in [&overdue, &meanwhile] {
            assert_eq!(shown(app, reservation).await.0, "expired");
        }
        assert_eq!(app.available(concert).await, 98);

        let cancel = app.with_token(Method::POST, &held, "/cancel");
        assert_eq!(cancel.send().await.unwrap().status(), 200);
        app.pass(Duration::from_mins(11)).await;
        assert_eq!(sweep(app).await.expired, 1);
        assert_eq!(app.available(concert).await, 100);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_of_up_to_ten_seconds_lends_nothing() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 1, "som").await;
        sweep(app).await;
        app.clock.advance(Duration::from_secs(10));
        assert_eq!(sweep(app).await.lent, 0);
        assert_eq!(shown(app, &held).await, held_until("05:10:00"));
        app.clock.advance(Duration::from_millis(10_001));
        assert_eq!(sweep(app).await.lent, 1);
        assert_eq!(shown(app, &held).await, held_until("05:10:10.001"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sweepers_after_an_outage_lend_its_length_once() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        app.plant_holds(concert, 50, Duration::from_mins(10)).await;
        sweep(app).await;
        app.clock.advance(Duration::from_mins(30));
        let sweeps = (0..8).map(|_| {
            let app = app.app.clone();
            tokio::spawn(async move { expire::sweep(&app).await.unwrap() })
        });
        let (mut lent, mut expired) = (0, 0);
        for sweep in sweeps.collect::<Vec<_>>() {
            let swept = sweep.await.unwrap();
            lent += swept.lent;
            expired += swept.expired;
        }
        assert_eq!((lent, expired), (50, 0));
        let moved = "SELECT count(*) FROM reservations WHERE expires_at = '2026-11-22 05:40:00'";
        assert_eq!(app.count(moved).await, 50);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn very_many_holds_are_lent_time_in_parts_and_each_once() {
    TestApp::run(async |app| {
        let many = NewConcert {
            tickets: 20_000,
            ..NewConcert::default()
        };
        let concert = app.plant(many).await;
        app.plant_holds(concert, 12_000, Duration::from_mins(10))
            .await;
        sweep(app).await;
        app.clock.advance(Duration::from_mins(30));
        for part in [5_000, 5_000, 2_000, 0] {
            let begun = Instant::now();
            let swept = sweep(app).await;
            eprintln!("{part} holds were lent time in {:?}", begun.elapsed());
            assert_eq!((swept.lent, swept.expired), (part, 0));
        }
        let moved = "SELECT count(*) FROM reservations WHERE expires_at = '2026-11-22 05:40:00'";
        assert_eq!(app.count(moved).await, 12_000);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_stopped_costs_nobody_a_hold() {
    let mut cluster = OwnCluster::start("lending").await;
    let app = cluster.app(Options::default()).await;
    let concert = app.plant(NewConcert::default()).await;
    let held = app.reserved(concert, 2, "som").await;
    sweep(&app).await;

    block_in_place(|| cluster.0.stop()).unwrap();
    for _ in 0..3 {
        app.clock.advance(Duration::from_mins(5));
        expire::sweep(&app.app).await.unwrap_err();
    }
    block_in_place(|| cluster.0.start()).unwrap();
    let lent = async || matches!(expire::sweep(&app.app).await, Ok(Swept { lent: 1, .. }));
    let looked = eventually("the database answers", LIMIT, lent).await;
    eprintln!("lent {looked:?} after the database was started");
    assert_eq!(shown(&app, &held).await, held_until("05:25:00"));
    // The connection from before ended with the database.
    let postgres = cluster.superuser().await;
    let available = "SELECT available_tickets FROM concerts WHERE id > 0";
    let row = postgres.query_one(available, &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 98);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweeper_that_was_stopped_in_the_middle_of_a_pass_expires_nothing() {
    let proxy = FaultProxy::start(crate::support::cluster().port()).await;
    let options = Options {
        database_port: Some(proxy.port),
        ..Options::default()
    };
    TestApp::run_with(options, async |app| {
        let concert = app.plant(NewConcert::default()).await;
        app.reserved(concert, 1, "overdue").await;
        sweep(app).await;
        app.pass(Duration::from_mins(10)).await;
        let held = app.reserved(concert, 1, "held").await;
        let begin = "BEGIN; SET LOCAL lock_timeout = 800";
        proxy.hold_command(begin, Hold::Statement);
        let sweeping = app.app.clone();
        let stopped = tokio::spawn(async move { expire::sweep(&sweeping).await.unwrap() });
        within_limit("a pass begun", proxy.held()).await;
        app.clock.advance(Duration::from_hours(1));
        proxy.let_go();
        let swept = stopped.await.unwrap();
        assert_eq!((swept.expired, swept.lent), (0, 0));
        assert_eq!(swept.rest, expire::LOOK_AGAIN);
        assert_eq!(sweep(app).await.lent, 1);
        assert_eq!(shown(app, &held).await, held_until("06:20:00"));
        assert_eq!(sweep(app).await.expired, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_gives_holds_back_their_time_soon_after_its_database_was_away() {
    let mut cluster = OwnCluster::start("away").await;
    let concert = outage::plant(&cluster).await;
    let served = Program::new(&["serve"])
        .env("DATABASE_URL", &cluster.url())
        .env("STAGEDOOR_HOLD_TTL", "12s")
        .serving()
        .await;
    let url = format!("{}/api/v1/reservations", served.site());
    let wish = serde_json::json!({
        "concert_id": concert, "quantity": 1,
        "customer_name": "Som", "customer_email": "som@example.com",
    });
    let client = reqwest::Client::new();
    let held = client.post(&url).json(&wish).send().await.unwrap();
    let held: Value = held.json().await.unwrap();
    let url = format!("{url}/{}", held["id"].as_str().unwrap());
    let status = async || {
        let request = client
            .get(&url)
            .bearer_auth(held["access_token"].as_str().unwrap());
        let shown: Value = request.send().await.unwrap().json().await.unwrap();
        shown["status"].as_str().unwrap_or_default().to_owned()
    };
    block_in_place(|| cluster.0.stop()).unwrap();
    // Longer than the hold, and than what counts as an outage.
    tokio::time::sleep(Duration::from_secs(13)).await;
    block_in_place(|| cluster.0.start()).unwrap();
    let (mut expired_since, begun) = (None, Instant::now());
    loop {
        match status().await.as_str() {
            "pending" => break,
            "expired" => _ = expired_since.get_or_insert_with(Instant::now),
            // A problem's status is a number, which is no text.
            away => assert_eq!(away, ""),
        }
        assert!(begun.elapsed() < LIMIT, "the hold is lost");
    }
    let window = expired_since
        .map(|since| since.elapsed())
        .unwrap_or_default();
    eprintln!(
        "held again {:?} after the start; it read expired for {window:?}",
        begun.elapsed()
    );
    assert!(window < Duration::from_secs(1), "{window:?}");
    assert!(
        served.said().contains("an outage is over"),
        "{}",
        served.said()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_restart_lends_its_time_and_warns_of_no_outage() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let concert = plant_ten_tickets(&postgres).await;
    let mut served = Program::serve(&database).await;
    let wish = serde_json::json!({
        "concert_id": concert, "quantity": 1,
        "customer_name": "Som", "customer_email": "som@example.com",
    });
    let url = format!("{}/api/v1/reservations", served.site());
    let held = reqwest::Client::new().post(&url).json(&wish).send().await;
    assert_eq!(held.unwrap().status(), 201);
    served.signal("TERM");
    served.end(LIMIT).await;
    // Twenty seconds pass, and nobody has to wait for them.
    let past = "UPDATE heartbeats SET beat_at = beat_at - interval '20 seconds';
                UPDATE reservations SET reserved_at = reserved_at - interval '20 seconds',
                    created_at = created_at - interval '20 seconds',
                    updated_at = updated_at - interval '20 seconds',
                    expires_at = expires_at - interval '20 seconds'";
    postgres.batch_execute(past).await.unwrap();
    let mut again = Program::serve(&database).await;
    again.wait_for("they were lent that time").await;
    let lent = "SELECT (expires_at - reserved_at)::text FROM reservations WHERE concert_id > 0";
    let lasts: String = postgres.query_one(lent, &[]).await.unwrap().get(0);
    let lasts = lasts.as_str();
    assert!(("00:10:20".."00:11:00").contains(&lasts), "{lasts}");
    assert!(!again.said().contains("an outage"), "{}", again.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_slept_sweeps_by_the_primarys_clock() {
    TestApp::run(async |app| {
        let clock = Arc::new(PrimaryClock::new());
        let ctx = Ctx::new(Arc::clone(&clock) as _, Arc::new(SeededRandom::new(1)));
        let key = AccessKey::new(b"a key that is only used for tests");
        let (settings, pool) = (app.app.settings().clone(), app.app.writer().clone());
        let woken = App::new(ctx, settings, pool, key);
        expire::sweep(&woken).await.unwrap();

        let concert = app.plant(NewConcert::default()).await;
        app.plant_holds(concert, 2, Duration::from_mins(10)).await;
        let ends = "UPDATE reservations SET reserved_at = now() AT TIME ZONE 'utc',
                        updated_at = now() AT TIME ZONE 'utc',
                        expires_at = now() AT TIME ZONE 'utc'
                            + CASE id WHEN 'RES1-00000000' THEN -1 ELSE 60 END * interval '1 second'";
        app.postgres.batch_execute(ends).await.unwrap();
        // By its own clock, both holds would last for an hour.
        let asleep = PrimaryClock::new();
        asleep.observe(clock.now() - Duration::from_hours(1));
        let ctx = Ctx::new(Arc::new(asleep), Arc::new(SeededRandom::new(2)));
        let key = AccessKey::new(b"a key that is only used for tests");
        let sleeper = App::new(ctx, app.app.settings().clone(), app.app.writer().clone(), key);
        let swept = expire::sweep(&sleeper).await.unwrap();
        assert_eq!((swept.expired, swept.lent), (1, 0));
        assert_eq!(app.available(concert).await, 99);
    })
    .await;
}
