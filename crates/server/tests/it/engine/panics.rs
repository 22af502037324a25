//! A fault of our own inside a lane: its batch is unknown, and the lane sells on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use app::ctx::{Random, SeededRandom};
use stagedoor::http::problem::{Code, Problem};

use super::lost_commits::alone;
use crate::support::wait::{LIMIT, eventually, within_limit};
use crate::support::wishes::{keyed, put, wish};
use crate::support::{APP, NewConcert, TestApp, open_app_with};

/// Randomness for reservations' ids, which a lane draws in the middle of its transaction.
struct Stumbling {
    numbers: SeededRandom,
    stumbles_next: AtomicBool,
}

impl Random for Stumbling {
    fn fill(&self, bytes: &mut [u8]) {
        let stumbles = self.stumbles_next.swap(false, Ordering::SeqCst);
        assert!(!stumbles, "a panic that a test asked for");
        self.numbers.fill(bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_goes_on_selling_after_a_panic() {
    TestApp::run(async |app| {
        let random = Arc::new(Stumbling {
            numbers: SeededRandom::new(8),
            stumbles_next: AtomicBool::new(false),
        });
        let url = app.database.url(APP);
        let faulty = open_app_with(Arc::clone(&random) as _, &url, &app.clock, &alone());
        let concert = app.plant(NewConcert::default()).await;
        for round in 0..5 {
            let buyer = format!("b{round}");
            let request = || put(&faulty, keyed(&buyer, wish(concert, 1, &buyer)));
            random.stumbles_next.store(true, Ordering::SeqCst);
            let told = within_limit("an answer", request()).await.unwrap();
            let problem = Problem::from(told.unwrap_err());
            assert_eq!(problem.code, Code::DatabaseUnavailable);
            assert!(problem.retry_after.is_some());
            // The same lane, the same row, the same key.
            let again = within_limit("an answer", request()).await.unwrap();
            assert!(!again.unwrap().replayed);
        }
        assert_eq!(app.available(concert).await, 95);
        eventually("an empty queue", LIMIT, async || {
            faulty.waiting_requests() == 0
        })
        .await;
        let left = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND state ~ 'in transaction'";
        assert_eq!(app.count(left).await, 0, "no transaction is left open");
    })
    .await;
}
