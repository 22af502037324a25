//! A concert whose row somebody else keeps: it rests, and the others of its lane sell on.

use std::time::{Duration, Instant};

use app::reserve::{ReserveError, reserve};
use futures_util::future::join_all;
use stagedoor::http::problem::{Code, Problem};

use super::turns::tickets;
use crate::support::wait::within_limit;
use crate::support::wishes::{RowLock, answers, occupy, put, queue, wish};
use crate::support::{NewConcert, TestApp};

/// So many concerts that every lane has several of them.
const CONCERTS: usize = 24;
const SELLS_FOR: Duration = Duration::from_secs(4);
/// More than usual, and less than a lane waits for a lock at first.
const STALL: Duration = Duration::from_millis(500);
/// How long an answer may take behind a locked row, on a machine that does much else: the product's
/// own limit is 5 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_concert_does_not_stop_the_others_of_its_lane() {
    TestApp::run(async |app| {
        let locked = app.plant(NewConcert::default()).await;
        let mut others = Vec::new();
        for _ in 1..CONCERTS {
            others.push(tickets(app, 1_000_000).await);
        }
        let mut usual = Duration::ZERO;
        for round in 0..5 {
            usual = usual.max(sell_to(app, &others, &format!("early-{round}")).await);
        }
        let row = RowLock::take(&app.database, locked).await;
        let begun = Instant::now();
        let (mut hopeless, mut rounds, mut stalled) = (Vec::new(), 0, Duration::ZERO);
        while begun.elapsed() < SELLS_FOR {
            let buyer = format!("b{rounds}");
            hopeless.push(put(&app.app, wish(locked, 1, &buyer)));
            let took = sell_to(app, &others, &buyer).await;
            rounds += 1;
            if took > STALL + 2 * usual {
                stalled += took;
            }
        }
        eprintln!("beside a locked concert: {rounds} rounds, stalled for {stalled:?}");
        for outcome in hopeless {
            let outcome = within_limit("an answer", outcome).await.unwrap();
            let error = outcome.unwrap_err();
            assert_eq!(Problem::from(error).code, Code::Overloaded);
        }
        // Once a lane finds out, by waiting for the lock; then it knows.
        assert!(stalled * 2 < SELLS_FOR, "stalled for {stalled:?}");
        row.release().await;
        app.reserved(locked, 1, "afterwards").await;
    })
    .await;
}

/// One ticket of each concert; how long it took until the last was sold.
async fn sell_to(app: &TestApp, concerts: &[i32], buyer: &str) -> Duration {
    let begun = Instant::now();
    let waiting: Vec<_> = concerts
        .iter()
        .map(|concert| put(&app.app, wish(*concert, 1, buyer)))
        .collect();
    for outcome in waiting {
        within_limit("an answer", outcome).await.unwrap().unwrap();
    }
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_concerts_requests_are_served_in_their_order_when_the_lock_goes() {
    TestApp::run(async |app| {
        let concert = tickets(app, 10).await;
        let row = RowLock::take(&app.database, concert).await;
        let first = occupy(app, concert).await;
        let early: Vec<_> = (0..8)
            .map(|n| queue(&app.app, wish(concert, 1, &format!("early-{n}"))))
            .collect();
        // Longer than a lane waits for a lock, so the concert is parked; then others come.
        tokio::time::sleep(Duration::from_millis(900)).await;
        let late: Vec<_> = (0..5)
            .map(|n| queue(&app.app, wish(concert, 1, &format!("late-{n}"))))
            .collect();
        row.release().await;
        let all = early.into_iter().chain(late);
        let outcomes = answers(all).await;
        assert!(first.await.unwrap().is_ok());
        let admitted: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
        let expected: Vec<bool> = (0..13).map(|n| n < 9).collect();
        assert_eq!(admitted, expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_a_row_that_stays_locked_is_told_in_time() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let row = RowLock::take(&app.database, concert).await;
        let first = occupy(app, concert).await;
        let begun = Instant::now();
        let waiting: Vec<_> = (0..700)
            .map(|n| queue(&app.app, wish(concert, 1, &format!("b{n}"))))
            .collect();
        for outcome in answers(waiting).await {
            assert!(
                matches!(outcome, Err(ReserveError::Overloaded)),
                "{outcome:?}"
            );
        }
        drop(first.await.unwrap());
        let took = begun.elapsed();
        eprintln!("told after {took:?} that the row stays locked");
        assert!(took < ANSWER_WITHIN, "{took:?}");
        row.release().await;
        assert_eq!(app.available(concert).await, 100);
    })
    .await;
}

/// As many as a lane's queue takes, all for one concert whose row stays locked: the greater part may
/// rest, the others are refused at once, and of those who rest nobody waits for the batches of all
/// before them.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_before_a_locked_row_is_told_in_time() {
    const CROWD: usize = 16_000;
    /// So many may rest, with those that the lane was trying meanwhile.
    const RESTING: usize = 8_192 + 2 * 512;
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let row = RowLock::take(&app.database, concert).await;
        let first = occupy(app, concert).await;
        let begun = Instant::now();
        let waiting = (0..CROWD).map(|n| {
            // On a busy machine some come so late that they are refused at the door.
            let wish = wish(concert, 1, &format!("b{n}"));
            async move { (reserve(&app.app, wish).await, begun.elapsed()) }
        });
        let told = within_limit("all answers", join_all(waiting.collect::<Vec<_>>())).await;
        for (outcome, _) in &told {
            // Whoever isn't told within 4.5 s would hear that the outcome is unknown.
            let is_told = matches!(outcome, Err(ReserveError::Overloaded));
            assert!(is_told, "{outcome:?}");
        }
        assert!(first.await.unwrap().is_err());
        let mut times: Vec<Duration> = told.into_iter().map(|(_, took)| took).collect();
        times.sort_unstable();
        let (early, late) = times.split_at(CROWD - RESTING);
        eprintln!(
            "refused by {:?}, the last by {:?}",
            early.last(),
            late.last()
        );
        row.release().await;
        app.reserved(concert, 1, "afterwards").await;
    })
    .await;
}

/// Every lane's work waits for the table, and nothing is left behind when it is free again.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_table_is_told_in_time_and_sold_from_afterwards() {
    TestApp::run(async |app| {
        let mut concerts = Vec::new();
        for _ in 0..CONCERTS {
            concerts.push(app.plant(NewConcert::default()).await);
        }
        let somebody = app.database.superuser().await;
        let lock = "BEGIN; LOCK TABLE concerts IN ACCESS EXCLUSIVE MODE";
        somebody.batch_execute(lock).await.unwrap();
        let begun = Instant::now();
        let waiting: Vec<_> = (0..240)
            .map(|n| {
                let concert = concerts[n % CONCERTS];
                queue(&app.app, wish(concert, 1, &format!("b{n}")))
            })
            .collect();
        for outcome in answers(waiting).await {
            let code = Problem::from(outcome.unwrap_err()).code;
            let is_told = matches!(code, Code::Overloaded | Code::DatabaseUnavailable);
            assert!(is_told, "{code:?}");
        }
        let took = begun.elapsed();
        eprintln!("told after {took:?} that the table stays locked");
        assert!(took < ANSWER_WITHIN, "{took:?}");
        somebody.batch_execute("ROLLBACK").await.unwrap();
        let begun = Instant::now();
        for concert in concerts {
            app.reserved(concert, 1, "afterwards").await;
        }
        eprintln!("all concerts sell again after {:?}", begun.elapsed());
    })
    .await;
}
