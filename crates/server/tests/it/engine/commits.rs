//! What COMMIT says and doesn't: refused, written wrongly, confirmed with a warning, or stuck.

use std::time::{Duration, Instant};

use stagedoor::http::problem::{Code, Problem};
use tokio::time::sleep;

use super::bad_rows::{attempts, decided_together, refuse_rows};
use super::lost_commits::{alone, need_standby};
use crate::support::fault_proxy::FaultProxy;
use crate::support::own_cluster::OwnCluster;
use crate::support::reported::Reported;
use crate::support::wait::within_limit;
use crate::support::wishes::{put, wish};
use crate::support::{NewConcert, Options, TestApp, TestDatabase, cluster};

/// A refused statement proves that the COMMIT behind it did nothing: nobody has to look.
#[tokio::test]
async fn what_postgresql_refused_to_write_is_known_without_a_look() {
    let reported = Reported::collect();
    TestApp::run(async |app| {
        let first_only = "WHEN (NEW.customer_name = 'unlucky')";
        // A serialisation failure, at the first two attempts.
        refuse_rows(app, first_only, "40001").await;
        let concert = app.plant(NewConcert::default()).await;
        let unlucky = put(&app.app, wish(concert, 1, "unlucky")).await.unwrap();
        assert_eq!(Problem::from(unlucky.unwrap_err()).code, Code::Overloaded);
        assert_eq!(attempts(app).await, 2, "once more, and no more");
        put(&app.app, wish(concert, 1, "som"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(reported.look_ups(), 0);
    })
    .await;
}

/// What was committed can be neither confirmed nor taken back: nobody is told 201, it is not tried
/// again, and an operator hears of it.
#[tokio::test]
async fn a_batch_of_which_other_rows_were_written_than_must_be_is_never_confirmed() {
    let reported = Reported::collect();
    let app = TestApp::start(TestDatabase::migrated().await, Options::default()).await;
    let lose = "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN RETURN NULL; END $$;
                CREATE TRIGGER lose BEFORE INSERT ON reservations
                    FOR EACH ROW WHEN (NEW.customer_name = 'lost') EXECUTE FUNCTION lose()";
    app.postgres.batch_execute(lose).await.unwrap();
    let concert = app.plant(NewConcert::default()).await;
    let buyers = ["one", "lost", "two"].map(str::to_owned);
    for outcome in decided_together(&app, concert, buyers.into_iter()).await {
        let problem = Problem::from(outcome.unwrap_err());
        assert_eq!(problem.code, Code::DatabaseUnavailable);
        assert!(problem.retry_after.is_some());
    }
    // The one that the lane waited with is in the same batch.
    assert_eq!(app.available(concert).await, 96, "written once");
    let written = "SELECT count(*) FROM reservations";
    assert_eq!(app.count(written).await, 3);
    // Nothing of this one's reservation is there, and its ticket is gone: once, too.
    let alone = put(&app.app, wish(concert, 1, "lost")).await.unwrap();
    let problem = Problem::from(alone.unwrap_err());
    assert_eq!(problem.code, Code::DatabaseUnavailable);
    assert_eq!(app.available(concert).await, 95, "not tried again");
    let log = reported.log();
    let line = log.lines().find(|line| line.contains("written wrongly"));
    let line = line.unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("ERROR"), "{line}");
    assert!(line.contains("changed 3 rows instead of 4"), "{line}");
    assert_eq!(reported.look_ups(), 0, "it is known what happened");

    let mend = "DROP TRIGGER lose ON reservations;
                UPDATE concerts SET available_tickets = 97 WHERE id > 0";
    app.postgres.batch_execute(mend).await.unwrap();
    app.reserved(concert, 1, "later").await;
    app.assert_inventory().await;
}

/// As from a server that speaks German. A deferred trigger runs inside COMMIT, as the wait for the
/// standby does.
#[tokio::test]
async fn a_warning_at_commit_makes_its_outcome_unknown_in_any_language() {
    let reported = Reported::collect();
    let proxy = FaultProxy::start(cluster().port()).await;
    proxy.rewrite(b"SWARNING\0", b"SWARNUNG\0");
    let options = Options {
        database_port: Some(proxy.port),
        ..alone()
    };
    TestApp::run_with(options, async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let at_commit = "
            CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
            CREATE CONSTRAINT TRIGGER say AFTER INSERT ON reservations
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION say()";
        app.postgres.batch_execute(at_commit).await.unwrap();
        for (level, look_ups) in [("NOTICE", 0), ("WARNING", 1), ("NOTICE", 1)] {
            let say = format!(
                "CREATE OR REPLACE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS
                     $$ BEGIN RAISE {level} 'das kann noch dauern'; RETURN NULL; END $$"
            );
            app.postgres.batch_execute(&say).await.unwrap();
            let sale = put(&app.app, wish(concert, 1, "som"));
            // What was looked up behind the lock is there, and without a warning.
            within_limit("an answer", sale).await.unwrap().unwrap();
            assert_eq!(reported.look_ups(), look_ups, "{level}");
        }
        let log = reported.log();
        assert!(log.contains("PostgreSQL warns"), "{log}");
    })
    .await;
}

/// Every lane's COMMIT waits for a standby that isn't there. PostgreSQL goes on with each of them
/// although the engine has given it up, so until PostgreSQL answers their places aren't lent to
/// others.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_whose_commit_is_stuck_keeps_its_place_in_the_pool() {
    const POOL_MAX: u32 = 6;
    /// The engine gives a COMMIT up after 2 s, and what became of it after 2.5 s more; everybody has
    /// had an answer for long, and nobody is let in instead.
    const STUCK_FOR: Duration = Duration::from_secs(9);
    let cluster = OwnCluster::start("stuck").await;
    let options = Options {
        pool_max: POOL_MAX,
        ..alone()
    };
    let app = cluster.app(options).await;
    let mut concerts = Vec::new();
    for _ in 0..24 {
        concerts.push(app.plant(NewConcert::default()).await);
    }
    need_standby(&app, "nobody").await;
    let sales: Vec<_> = concerts
        .iter()
        .map(|concert| put(&app.app, wish(*concert, 1, "som")))
        .collect();
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'stagedoor_app'";
    let stuck = format!("{sessions} AND wait_event = 'SyncRep'");
    let (begun, mut most, mut most_stuck) = (Instant::now(), 0, 0);
    while begun.elapsed() < STUCK_FOR {
        most = most.max(app.count(sessions).await);
        most_stuck = most_stuck.max(app.count(&stuck).await);
        sleep(Duration::from_millis(10)).await;
    }
    need_standby(&app, "").await;
    eprintln!("at most {most} sessions, {most_stuck} of them in COMMIT");
    assert!(most_stuck >= 4, "{most_stuck}");
    assert!(most <= i64::from(POOL_MAX), "{most} sessions");
    for sale in sales {
        match within_limit("an answer", sale).await.unwrap() {
            Ok(_) => {}
            Err(error) => assert!(Problem::from(error).retry_after.is_some()),
        }
    }
    drop(app.leases(POOL_MAX as usize).await);
    app.assert_inventory().await;
}
