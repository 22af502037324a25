//! Who comes first, how much one buyer may take, and who has gone before his turn.

use app::reserve::ReserveError;
use domain::allotment::Refusal;

use crate::support::wait::{LIMIT, eventually, within_limit};
use crate::support::wishes::{Outcome, RowLock, answers, occupy, put, queue, wish};
use crate::support::{APP, NewConcert, Options, TestApp, TestDatabase, connect};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_to_come_get_the_tickets() {
    const BUYERS: usize = 60;
    const TICKETS: i32 = 25;
    TestApp::run(async |app| {
        let concert = tickets(app, TICKETS).await;
        let row = RowLock::take(&app.database, concert).await;
        let first = occupy(app, concert).await;
        // Behind the one that the lane waits with.
        let waiting: Vec<_> = (1..BUYERS)
            .map(|n| queue(&app.app, wish(concert, 1, &format!("b{n}"))))
            .collect();
        row.release().await;
        assert!(first.await.unwrap().is_ok());
        let admitted: Vec<bool> = answers(waiting).await.iter().map(Result::is_ok).collect();
        let expected: Vec<bool> = (1..BUYERS).map(|n| n < 25).collect();
        assert_eq!(admitted, expected);
    })
    .await;
}

/// What two servers that sell one concert do all the time: one waits for the other's lock.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_while_the_lock_is_waited_for_shares_its_transaction() {
    TestApp::run(async |app| {
        let concert = tickets(app, 100).await;
        let row = RowLock::take(&app.database, concert).await;
        let first = occupy(app, concert).await;
        let waiting: Vec<_> = (0..40)
            .map(|n| queue(&app.app, wish(concert, 1, &format!("b{n}"))))
            .collect();
        row.release().await;
        assert!(first.await.unwrap().is_ok());
        assert!(answers(waiting).await.iter().all(Result::is_ok));
        let transactions = "SELECT count(DISTINCT xmin::text) FROM reservations";
        assert_eq!(app.count(transactions).await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_that_does_not_fit_does_not_block_a_smaller_one_behind_it() {
    TestApp::run(async |app| {
        let concert = tickets(app, 4).await;
        let row = RowLock::take(&app.database, concert).await;
        let first = occupy(app, concert).await;
        let waiting = [
            (4, "too-many"),
            (2, "fits"),
            (2, "too-late"),
            (1, "fits-too"),
        ]
        .map(|(quantity, buyer)| queue(&app.app, wish(concert, quantity, buyer)));
        row.release().await;
        assert!(first.await.unwrap().is_ok());
        let shown: Vec<_> = answers(waiting).await.iter().map(refusal).collect();
        let not_enough = |available| Some(Refusal::NotEnoughTickets { available });
        assert_eq!(shown, [not_enough(3), None, not_enough(1), None]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_count_what_the_same_batch_gave() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let other = app.plant(NewConcert::default()).await;
        app.reserved(concert, 3, "greedy").await;
        let row = RowLock::take(&app.database, concert).await;
        let first = occupy(app, concert).await;
        let wishes = [
            (concert, 4, "greedy"),
            (concert, 4, "greedy"),
            (concert, 10, "modest"),
            (concert, 3, "GREEDY"),
            (concert, 1, "greedy"),
            (concert, 1, "modest"),
            (other, 10, "greedy"),
        ];
        let waiting = wishes
            .map(|(concert, quantity, buyer)| queue(&app.app, wish(concert, quantity, buyer)));
        row.release().await;
        assert!(first.await.unwrap().is_ok());
        let shown: Vec<_> = answers(waiting).await.iter().map(refusal).collect();
        let over = |held| Some(Refusal::OverCustomerLimit { limit: 10, held });
        assert_eq!(
            shown,
            [None, over(7), None, None, over(10), over(10), None],
            "however the address is written"
        );
        // One order's limit needs no look at anything.
        let too_many = put(&app.app, wish(concert, 11, "bulk")).await.unwrap();
        let over_order = Refusal::OverOrderLimit { limit: 10 };
        assert_eq!(refusal(&too_many), Some(over_order));
    })
    .await;
}

/// As on a new installation: no statistics yet, and a concert that has sold a lot. What a customer
/// holds must not be looked for among all that was sold.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_as_quick_after_forty_thousand_sales_without_statistics() {
    TestApp::run(async |app| {
        let never = "ALTER TABLE reservations SET (autovacuum_enabled = false)";
        app.postgres.batch_execute(never).await.unwrap();
        let concert = tickets(app, 100_000).await;
        let sell = format!(
            "INSERT INTO reservations (id, concert_id, customer_name, customer_email, quantity,
                                       total_price)
             SELECT 'RES' || n, {concert}, 'Som Chai', n || '@example.com', 1, 1250
             FROM generate_series(1, 40000) n;
             UPDATE concerts SET available_tickets = available_tickets - 40000 WHERE id > 0"
        );
        app.postgres.batch_execute(&sell).await.unwrap();
        let row = RowLock::take(&app.database, concert).await;
        let first = occupy(app, concert).await;
        let waiting: Vec<_> = (0..500)
            .map(|n| queue(&app.app, wish(concert, 1, &format!("b{n}"))))
            .collect();
        row.release().await;
        assert!(first.await.unwrap().is_ok());
        // The engine gives a batch 1.5 s; looked for in the wrong index, this one took several.
        for outcome in answers(waiting).await {
            outcome.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_gone_before_his_turn_is_not_booked() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let row = RowLock::take(&app.database, concert).await;
        let first = occupy(app, concert).await;
        let stays = queue(&app.app, wish(concert, 1, "stays"));
        for n in 0..50 {
            drop(queue(&app.app, wish(concert, 1, &format!("goes-{n}"))));
        }
        row.release().await;
        assert!(first.await.unwrap().is_ok());
        assert!(within_limit("an answer", stays).await.is_ok());
        assert_eq!(app.available(concert).await, 98);
        // The answers left before those who had gone were put aside.
        eventually("an empty queue", LIMIT, async || {
            app.app.waiting_requests() == 0
        })
        .await;
    })
    .await;
}

/// The lock and the look-up must be two statements: one statement's snapshot is older than its wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_customers_limit_holds_across_two_servers() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        assert_eq!(seen_behind_the_lock(app, concert, true).await, 0);
        assert_eq!(seen_behind_the_lock(app, concert, false).await, 10);

        let other = beside(app).await;
        for round in 0..20 {
            let buyer = format!("greedy-{round}");
            let row = RowLock::take(&app.database, concert).await;
            let waiting = [&app.app, &other.app].map(|app| put(app, wish(concert, 10, &buyer)));
            row.release().await;
            let mut admitted = 0;
            for outcome in waiting {
                let outcome = within_limit("an answer", outcome).await.unwrap();
                admitted += usize::from(outcome.is_ok());
            }
            assert_eq!(admitted, 1, "round {round}");
            let give_back = "UPDATE reservations SET status = 'cancelled';
                             UPDATE concerts SET available_tickets = total_tickets WHERE id > 0";
            app.postgres.batch_execute(give_back).await.unwrap();
        }
    })
    .await;
}

/// What a session sees of ten tickets that another took while it waited for the concert's row:
/// in the statement that locks, or in the next.
async fn seen_behind_the_lock(app: &TestApp, concert: i32, in_one_statement: bool) -> i64 {
    const WAITS: &str = "SELECT count(*) FROM pg_stat_activity
                         WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let (first, second) = (
        connect(&app.database.url(APP)).await,
        connect(&app.database.url(APP)).await,
    );
    for session in [&first, &second] {
        let declare = "SET stagedoor.actor_kind = 'system'";
        session.batch_execute(declare).await.unwrap();
    }
    let lock = format!("SELECT 1 FROM concerts WHERE id = {concert} FOR UPDATE");
    first.batch_execute("BEGIN").await.unwrap();
    first.batch_execute(&lock).await.unwrap();
    let held = format!(
        "SELECT coalesce(sum(quantity), 0) FROM reservations
         WHERE concert_id = {concert} AND customer_email = 'race@example.com'"
    );
    let looks = tokio::spawn(async move {
        second.batch_execute("BEGIN").await.unwrap();
        let seen = if in_one_statement {
            let both = lock.replace("SELECT 1", &format!("SELECT ({held})"));
            second.query_one(&both, &[]).await
        } else {
            second.batch_execute(&lock).await.unwrap();
            second.query_one(&held, &[]).await
        };
        let seen: i64 = seen.unwrap().get(0);
        second.batch_execute("ROLLBACK").await.unwrap();
        seen
    });
    let waits = async || app.count(WAITS).await == 1;
    eventually("the second waits", LIMIT, waits).await;
    let insert = format!(
        "INSERT INTO reservations (id, concert_id, customer_name, customer_email, quantity,
                                   total_price)
         VALUES ('race', {concert}, 'Race', 'race@example.com', 10, 1)"
    );
    first.batch_execute(&insert).await.unwrap();
    first.batch_execute("COMMIT").await.unwrap();
    let seen = within_limit("what the second sees", looks).await.unwrap();
    let forget = "DELETE FROM reservations WHERE id = 'race'";
    app.postgres.batch_execute(forget).await.unwrap();
    seen
}

/// Another server on the same database.
pub(super) async fn beside(app: &TestApp) -> TestApp {
    let same = TestDatabase {
        name: app.database.name.clone(),
    };
    let options = Options {
        random_seed: 8,
        ..Options::default()
    };
    TestApp::start(same, options).await
}

pub(super) async fn tickets(app: &TestApp, tickets: i32) -> i32 {
    let concert = NewConcert {
        tickets,
        ..NewConcert::default()
    };
    app.plant(concert).await
}

pub(super) fn refusal(outcome: &Outcome) -> Option<Refusal> {
    match outcome {
        Ok(_) => None,
        Err(ReserveError::Refused(refusal)) => Some(*refusal),
        Err(error) => panic!("{error:?}"),
    }
}
