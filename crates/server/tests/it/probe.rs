//! The write probe: it sells as buyers are sold to, leaves nothing behind, and stops readiness when it
//! can't; what a buyer gets proves as much.

mod hidden;
mod processes;

use std::time::Duration;

use app::App;
use app::probe::{self, Turn};
use serde_json::Value;

use crate::support::wait::{LIMIT, eventually};
use crate::support::{NewConcert, Options, TestApp, TestDatabase, database_url, open_app};

/// Longer than a sale counts.
const TOO_LONG: Duration = Duration::from_secs(31);
/// Everything that a probe may write to, and the tickets left that it must put back.
const TRACES: &str = "
    SELECT (SELECT count(*) FROM reservations) + (SELECT count(*) FROM admission_receipts)
         + (SELECT count(*) FROM audit_logs) + (SELECT count(*) FROM jobs)
         + (SELECT count(*) FROM mails) + (SELECT count(*) FROM payments)
         + (SELECT count(*) FROM tickets) + (SELECT count(*) FROM sales_changes)
         + (SELECT total_tickets - available_tickets FROM concerts WHERE id = 0)";

/// What `/readyz?for=writes` says against it.
async fn reason(app: &TestApp) -> Option<String> {
    let answer = app.get("/readyz?for=writes").await;
    let status = answer.status();
    let said: Value = answer.json().await.unwrap();
    match status.as_u16() {
        200 => None,
        503 => Some(said["reason"].as_str().unwrap().to_owned()),
        _ => panic!("{status}: {said}"),
    }
}

async fn tried(app: &App) {
    assert_eq!(probe::turn(app).await.unwrap(), Turn::Tried);
}

/// A server that has tried, as one that has just started has.
async fn begun(app: &TestApp) {
    assert!(probe::begin(&app.app));
    tried(&app.app).await;
    assert_eq!(reason(app).await, None);
}

/// Tries in vain until a sale is too long ago, then mends it: readiness ends and comes back.
async fn stops_and_comes_back(app: &TestApp, mend: impl AsyncFnOnce()) {
    for _ in 0..3 {
        app.clock.advance(Duration::from_secs(10));
        assert!(probe::turn(&app.app).await.is_err());
    }
    assert_eq!(reason(app).await, None, "half a minute is given");
    app.clock.advance(Duration::from_secs(1));
    let why = reason(app).await.expect("a reason");
    assert!(why.contains("for 31 s nobody could reserve"), "{why}");
    assert_eq!(app.get("/readyz").await.status(), 200, "reading goes on");
    mend().await;
    tried(&app.app).await;
    assert_eq!(reason(app).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_leaves_nothing_behind() {
    TestApp::run(async |app| {
        let before = app.count(TRACES).await;
        begun(app).await;
        assert_eq!(app.count(TRACES).await, before);
        let turn = probe::turn(&app.app).await.unwrap();
        assert_eq!(turn, Turn::Fresh(Duration::from_secs(10)));
        for _ in 0..20 {
            app.clock.advance(Duration::from_secs(10));
            tried(&app.app).await;
        }
        assert_eq!(app.count(TRACES).await, before);
    })
    .await;
}

/// What it finds there is what a server left that was killed in the middle.
#[tokio::test(flavor = "multi_thread")]
async fn leftovers_are_cleared_by_the_next_probe() {
    TestApp::run(async |app| {
        let before = app.count(TRACES).await;
        hidden::leave_behind(app, 12).await;
        assert!(app.count(TRACES).await > before);
        begun(app).await;
        assert_eq!(app.count(TRACES).await, before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_probe_row_stops_readiness_until_it_is_free() {
    TestApp::run(async |app| {
        begun(app).await;
        let other = app.database.superuser().await;
        let lock = "BEGIN; SELECT 1 FROM concerts WHERE id = 0 FOR UPDATE";
        other.batch_execute(lock).await.unwrap();
        stops_and_comes_back(app, async || {
            other.batch_execute("COMMIT").await.unwrap();
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_right_stops_readiness_until_it_is_back() {
    for (take, give) in [
        (
            "REVOKE INSERT ON reservations FROM stagedoor_app",
            "GRANT INSERT ON reservations TO stagedoor_app",
        ),
        (
            "REVOKE EXECUTE ON FUNCTION clear_write_probe() FROM stagedoor_app",
            "GRANT EXECUTE ON FUNCTION clear_write_probe() TO stagedoor_app",
        ),
        (
            "REVOKE INSERT ON admission_receipts FROM stagedoor_app",
            "GRANT INSERT ON admission_receipts TO stagedoor_app",
        ),
    ] {
        TestApp::run(async |app| {
            begun(app).await;
            app.postgres.batch_execute(take).await.unwrap();
            stops_and_comes_back(app, async || {
                app.postgres.batch_execute(give).await.unwrap();
            })
            .await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_database_stops_readiness_at_once() {
    TestApp::run(async |app| {
        begun(app).await;
        let name = &app.database.name;
        let end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                   WHERE datname = current_database() AND usename = 'stagedoor_app'";
        let set = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
        app.postgres.batch_execute(&set).await.unwrap();
        app.postgres.batch_execute(end).await.unwrap();
        // The first to take a connection that was cut may only learn that.
        eventually("a refusal", LIMIT, async || {
            let why = reason(app).await;
            why.is_some_and(|why| why.contains("read-only"))
        })
        .await;
        app.clock.advance(TOO_LONG);
        assert!(probe::turn(&app.app).await.is_err());
        let reset = format!(
            "SET default_transaction_read_only = off;
             ALTER DATABASE {name} RESET default_transaction_read_only"
        );
        app.postgres.batch_execute(&reset).await.unwrap();
        app.postgres.batch_execute(end).await.unwrap();
        eventually("a sale", LIMIT, async || {
            probe::turn(&app.app).await.is_ok()
        })
        .await;
        assert_eq!(reason(app).await, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_just_started_goes_by_what_is_cheap_to_see() {
    TestApp::run(async |app| {
        let set = "INSERT INTO heartbeats (task, beat_at) VALUES ('write_probe', '2026-11-01')";
        app.postgres.batch_execute(set).await.unwrap();
        assert_eq!(reason(app).await, None, "who doesn't try doesn't judge");
        assert!(probe::begin(&app.app));
        assert_eq!(reason(app).await, None);
        app.clock.advance(TOO_LONG);
        assert!(reason(app).await.is_some(), "nobody has tried");
        tried(&app.app).await;
        assert_eq!(reason(app).await, None);
    })
    .await;
}

/// Of several servers one tries, and all of them know.
#[tokio::test(flavor = "multi_thread")]
async fn two_servers_probe_once() {
    TestApp::run(async |app| {
        let options = Options {
            random_seed: 8,
            ..Options::default()
        };
        let other = open_app(&database_url(&app.database, &options), &app.clock, &options);
        assert!(probe::begin(&app.app) && probe::begin(&other));
        for _ in 0..5 {
            let (one, two) = tokio::join!(probe::turn(&app.app), probe::turn(&other));
            let turns = [one.unwrap(), two.unwrap()];
            let tried = turns.iter().filter(|turn| **turn == Turn::Tried).count();
            assert_eq!(tried, 1, "{turns:?}");
            app.clock.advance(Duration::from_secs(10));
        }
        for _ in 0..3 {
            tried(&other).await;
            app.clock.advance(Duration::from_secs(15));
        }
        assert_eq!(
            reason(app).await,
            None,
            "the other one's probes are known here"
        );
    })
    .await;
}

/// In a rush nobody waits for the probe, and nobody leaves the load balancer for want of one.
#[tokio::test(flavor = "multi_thread")]
async fn a_sale_is_as_good_as_a_probe_on_every_server() {
    TestApp::run(async |app| {
        begun(app).await;
        let concert = app.plant(NewConcert::default()).await;
        let options = Options::default();
        let other = TestApp::start(
            TestDatabase::migrated().await,
            Options {
                database_url: Some(database_url(&app.database, &options)),
                random_seed: 9,
                ..Options::default()
            },
        )
        .await;
        assert!(probe::begin(&other.app));
        let locker = app.database.superuser().await;
        let lock = "BEGIN; SELECT 1 FROM concerts WHERE id = 0 FOR UPDATE";
        locker.batch_execute(lock).await.unwrap();
        for buyer in 0..4 {
            app.clock.advance(Duration::from_secs(25));
            other.clock.advance(Duration::from_secs(25));
            app.reserved(concert, 1, &format!("buyer{buyer}")).await;
            let turn = probe::turn(&app.app).await.unwrap();
            assert!(matches!(turn, Turn::Fresh(_)), "{turn:?}");
            assert_eq!(reason(app).await, None);
            assert_eq!(reason(&other).await, None, "the other one was told");
        }
        app.clock.advance(TOO_LONG);
        assert!(probe::turn(&app.app).await.is_err());
        assert!(reason(app).await.is_some(), "nobody sells any more");
        locker.batch_execute("COMMIT").await.unwrap();
        tried(&app.app).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_few_connections_leaves_them_to_buyers() {
    let options = Options {
        pool_max: 3,
        ..Options::default()
    };
    TestApp::run_with(options, async |app| {
        assert!(!probe::begin(&app.app));
        app.clock.advance(TOO_LONG);
        assert_eq!(reason(app).await, None);
    })
    .await;
}
