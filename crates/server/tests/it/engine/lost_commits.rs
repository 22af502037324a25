//! Connections that break at any moment of a sale: 201 exactly when it happened.

use std::time::{Duration, Instant};

use app::reserve::ReserveRequest;
use stagedoor::http::problem::{Code, Problem};

use super::turns::tickets;
use crate::support::fault_proxy::{FaultProxy, Hold};
use crate::support::own_cluster::OwnCluster;
use crate::support::wait::{LIMIT, eventually, within_limit};
use crate::support::wishes::{Outcome, keyed, put, wish};
use crate::support::{NewConcert, Options, TestApp, cluster};

/// More statements than one sale sends, preparing included.
const STATEMENTS_MAX: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_at_any_statement_never_makes_the_answer_a_lie() {
    through_proxy(async |app, proxy| {
        let concert = tickets(app, 1000).await;
        for hold in Hold::ALL {
            let (mut cuts, mut admitted) = (0, 0);
            while let Some(outcome) = cut_at(app, proxy, concert, (hold, cuts + 1)).await {
                cuts += 1;
                let booked = count_of(app, &buyer_of(hold, cuts)).await;
                assert_eq!(
                    booked,
                    i64::from(outcome.is_ok()),
                    "{hold:?} {cuts}: {outcome:?}"
                );
                match outcome {
                    Ok(_) => admitted += 1,
                    Err(error) => {
                        let code = Problem::from(error).code;
                        assert_eq!(code, Code::DatabaseUnavailable);
                    }
                }
            }
            eprintln!("{hold:?}: {cuts} cuts, {admitted} admitted all the same");
            // BEGIN with the lock, the look-ups, everything else with COMMIT.
            assert!((6..STATEMENTS_MAX).contains(&cuts), "{cuts}");
            // Before that nothing is lost, and the customer needn't know; cut among the last four,
            // taking, inserting, its receipt and COMMIT, it is looked up.
            assert!(admitted + 4 >= cuts, "{admitted} of {cuts}");
        }
    })
    .await;
}

fn buyer_of(hold: Hold, n: usize) -> String {
    format!("{hold:?}-{n}").to_lowercase()
}

/// A sale whose connection is cut at its `n`th statement; `None` when it has fewer.
async fn cut_at(
    app: &TestApp,
    proxy: &FaultProxy,
    concert: i32,
    (hold, n): (Hold, usize),
) -> Option<Outcome> {
    // The lane's connection is given back, so that it begins anew.
    eventually("a lane at rest", LIMIT, async || {
        app.app.writer().state().active == 0
    })
    .await;
    let buyer = buyer_of(hold, n);
    proxy.hold_at(n, hold);
    let mut sale = put(&app.app, keyed(&buyer, wish(concert, 1, &buyer)));
    let was_held = tokio::select! {
        () = proxy.held() => true,
        outcome = &mut sale => {
            outcome.unwrap().unwrap();
            false
        }
    };
    proxy.cut();
    if !was_held {
        return None;
    }
    Some(within_limit("an answer", sale).await.unwrap())
}

/// While a COMMIT is on its way, whoever just looks finds nothing, and is wrong a moment later.
/// The lock of the concert's row makes the look come after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_on_its_way_is_not_taken_for_one_that_never_came() {
    through_proxy(async |app, proxy| {
        let concert = app.plant(NewConcert::default()).await;
        proxy.hold_command("COMMIT", Hold::Statement);
        let sale = put(&app.app, keyed("k", wish(concert, 1, "som")));
        within_limit("COMMIT held", proxy.held()).await;
        assert_eq!(
            count_of(app, "som").await,
            0,
            "a plain look says: never happened"
        );
        proxy.let_go();
        within_limit("an answer", sale).await.unwrap().unwrap();
        assert_eq!(count_of(app, "som").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_at_any_command_is_answered_in_time_and_truly() {
    // Each has a product of its own: the other's is still looking up what came of its commit, and
    // that look ends with a COMMIT, too.
    for hold in Hold::ALL {
        through_proxy(async |app, proxy| meet_black_hole(app, proxy, hold).await).await;
    }
}

async fn meet_black_hole(app: &TestApp, proxy: &FaultProxy, hold: Hold) {
    let concert = app.plant(NewConcert::default()).await;
    proxy.hold_command("COMMIT", hold);
    let begun = Instant::now();
    let request = || keyed("k", wish(concert, 1, "som"));
    let sale = put(&app.app, request());
    within_limit("COMMIT held", proxy.held()).await;
    // Nothing gets through; the answer can only be that it isn't known.
    let outcome = within_limit("an answer", sale).await.unwrap();
    let took = begun.elapsed();
    eprintln!("{hold:?}: told after {took:?}");
    assert!(took < Duration::from_secs(50), "{took:?}");
    let code = Problem::from(outcome.unwrap_err()).code;
    assert_eq!(code, Code::DatabaseUnavailable);
    proxy.cut();
    // What was said to be unknown is told by the key, once the database is there again.
    assert_eq!(has_happened(app, &request()).await, hold == Hold::Answer);
    assert_eq!(count_of(app, "som").await, 1);
}

/// A standby that must confirm and doesn't: the row is not to be seen and yet will be there. A look
/// without the lock would say "never happened".
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_waits_for_its_standby_is_unknown_until_it_is_confirmed() {
    let cluster = OwnCluster::start("standby").await;
    let app = cluster.app(alone()).await;
    let concert = app.plant(NewConcert::default()).await;
    put(&app.app, wish(concert, 1, "before"))
        .await
        .unwrap()
        .unwrap();

    need_standby(&app, "nobody").await;
    let request = || keyed("k", wish(concert, 1, "som"));
    for _ in 0..2 {
        // A retry is no wiser, and not told anything else.
        let begun = Instant::now();
        let outcome = within_limit("an answer", put(&app.app, request())).await;
        let error = outcome.unwrap().unwrap_err();
        eprintln!("told after {:?}: {error}", begun.elapsed());
        let problem = Problem::from(error);
        assert!(problem.retry_after.is_some(), "{problem:?}");
        assert_eq!(
            count_of(&app, "som").await,
            0,
            "a plain look says: never happened"
        );
    }

    need_standby(&app, "").await;
    assert!(has_happened(&app, &request()).await);
    assert_eq!(count_of(&app, "som").await, 1);
    app.assert_inventory().await;
}

/// Somebody ends the wait for the standby: the row is there, and only here. Nobody is told 201.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_wait_for_the_standby_was_cut_short_is_not_confirmed() {
    let cluster = OwnCluster::start("alone").await;
    let app = cluster.app(alone()).await;
    let concert = app.plant(NewConcert::default()).await;
    put(&app.app, wish(concert, 1, "before"))
        .await
        .unwrap()
        .unwrap();

    need_standby(&app, "nobody").await;
    let request = || keyed("k", wish(concert, 1, "som"));
    let sale = put(&app.app, request());
    let cut_short = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity
                     WHERE wait_event = 'SyncRep' AND usename = 'stagedoor_app'";
    eventually("a commit waits", LIMIT, async || {
        app.count(cut_short).await > 0
    })
    .await;
    let error = within_limit("an answer", sale).await.unwrap().unwrap_err();
    assert_eq!(Problem::from(error).code, Code::DatabaseUnavailable);
    assert_eq!(
        count_of(&app, "som").await,
        1,
        "a plain look says: it happened"
    );

    // Nor when the request comes again: what it finds may still be lost with this machine.
    eventually("nobody waits any more", LIMIT, async || {
        app.count(cut_short).await == 0
    })
    .await;
    let repeated = within_limit("an answer", put(&app.app, request())).await;
    let error = repeated.unwrap().unwrap_err();
    assert_eq!(Problem::from(error).code, Code::DatabaseUnavailable);

    need_standby(&app, "").await;
    assert!(has_happened(&app, &request()).await);
    app.assert_inventory().await;
}

pub(super) fn alone() -> Options {
    Options {
        is_alone: true,
        ..Options::default()
    }
}

/// Commits wait for a standby of that name; for none without one.
pub(super) async fn need_standby(app: &TestApp, name: &str) {
    let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{name}'");
    // The command itself commits nothing that would wait.
    app.postgres.batch_execute(&set).await.unwrap();
    app.postgres
        .batch_execute("SELECT pg_reload_conf()")
        .await
        .unwrap();
    let shown = format!(
        "SELECT count(*) FROM pg_settings
         WHERE name = 'synchronous_standby_names' AND setting = '{name}'"
    );
    eventually("the setting", LIMIT, async || app.count(&shown).await == 1).await;
    // Other sessions read it when they next begin to commit, the checkpointer decides for all.
    tokio::time::sleep(Duration::from_millis(200)).await;
}

/// What a repeated request says: whether the first had happened. It asks until it is told.
pub(super) async fn has_happened(app: &TestApp, request: &ReserveRequest) -> bool {
    within_limit("the truth", async {
        loop {
            match put(&app.app, request.clone()).await.unwrap() {
                Ok(reserved) => return reserved.replayed,
                Err(error) => {
                    let problem = Problem::from(error);
                    assert!(problem.retry_after.is_some(), "{problem:?}");
                }
            }
        }
    })
    .await
}

async fn count_of(app: &TestApp, buyer: &str) -> i64 {
    let held =
        format!("SELECT count(*) FROM reservations WHERE customer_email = '{buyer}@example.com'");
    app.count(&held).await
}

/// A product whose pool reaches PostgreSQL through a fault proxy.
pub(super) async fn through_proxy(test: impl AsyncFnOnce(&TestApp, &FaultProxy)) {
    let proxy = FaultProxy::start(cluster().port()).await;
    let options = Options {
        database_port: Some(proxy.port),
        ..alone()
    };
    TestApp::run_with(options, async |app| test(app, &proxy).await).await;
}
