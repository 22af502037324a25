//! Three times as many requests as can be served: those that are taken keep their latency, the rest
//! is told at once, and nothing is left over.
//!
//! `STAGEDOOR_TEST_OVERLOAD=30` is the long run, so many seconds and over HTTP; it means something
//! with `--release` on a machine that does nothing else.

#![allow(
    clippy::unwrap_used,
    reason = "also outside the test functions, this is a test"
)]

use std::time::Duration;

use app::App;
use reqwest::Client;
use serde_json::{Value, json};
use stagedoor::http::problem::{Code, Problem};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::support::wait::{LIMIT, eventually, within_limit};
use crate::support::wishes::{put, wish};
use crate::support::{NewConcert, Options, TestApp, cluster, dice, slow_proxy};

/// A batch of 512 takes two round trips: with this delay each way, and what PostgreSQL does in
/// between, they take half a second.
const DELAY: Duration = Duration::from_millis(115);
/// What that leaves of the engine's speed, in requests a second.
const CAPACITY: u32 = 1000;
const WARM_UP: usize = 3;
const SHORT_RUN: Duration = Duration::from_secs(5);
/// How often new requests begin.
const TICK: Duration = Duration::from_millis(10);
/// A short run asserts ten times the promised times, of refusals for half of them, and bears some
/// requests that the database was too slow for: it may share a busy machine.
const SHORT_RUN_FACTOR: u32 = 10;
const ACCEPTED_WITHIN: Duration = Duration::from_millis(2500);
const REFUSED_WITHIN: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_served_in_time_is_refused_at_once() {
    let long_run = dice::size("STAGEDOOR_TEST_OVERLOAD");
    let seconds = long_run.and_then(|seconds| u64::try_from(seconds).ok());
    let time = seconds.map_or(SHORT_RUN, Duration::from_secs);
    let options = Options {
        database_port: Some(slow_proxy::start(cluster().port(), DELAY).await),
        ..Options::default()
    };
    TestApp::run_with(options, async |app| {
        let plenty = NewConcert {
            tickets: 10_000_000,
            ..NewConcert::default()
        };
        let concert = app.plant(plenty).await;
        drop(app.leases(4).await);
        // A server that has just started knows nothing of its speed; one that sells does.
        for n in 0..WARM_UP {
            let outcome = put(&app.app, wish(concert, 1, &format!("early-{n}"))).await;
            outcome.unwrap().unwrap();
        }
        let way = match long_run {
            Some(_) => Way::Http(Client::new(), app.address.to_string()),
            None => Way::UseCase(app.app.clone()),
        };
        let answers = load(&way, concert, time).await;
        let (accepted, refused) = (
            times(&answers, Kind::Accepted),
            times(&answers, Kind::Refused),
        );
        report("accepted", &accepted, time);
        report("refused", &refused, time);
        assert_eq!(
            accepted.len() + refused.len(),
            answers.len(),
            "nothing else"
        );

        let (factor, percent) = long_run.map_or((SHORT_RUN_FACTOR, 50), |_| (1, 99));
        assert!(at(&accepted, 99) < ACCEPTED_WITHIN * factor);
        assert!(at(&refused, percent) < REFUSED_WITHIN * factor);
        // Being told is cheap, however long the accepted wait.
        assert!(at(&refused, 50) * 5 < at(&accepted, 50));
        assert!(refused.len() > accepted.len(), "not overloaded");
        assert_nothing_left(app, WARM_UP + accepted.len()).await;
    })
    .await;
}

async fn assert_nothing_left(app: &TestApp, accepted: usize) {
    assert_eq!(app.app.waiting_requests(), 0);
    let sold = app.count("SELECT count(*) FROM reservations").await;
    assert_eq!(sold, i64::try_from(accepted).unwrap());
    let in_transaction = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    eventually("no open transaction", LIMIT, async || {
        app.count(in_transaction).await == 0
    })
    .await;
    let concert = app.plant(NewConcert::default()).await;
    let begun = Instant::now();
    app.reserved(concert, 1, "afterwards").await;
    eprintln!("alone afterwards: {:?}", begun.elapsed());
}

/// How the requests get to the engine.
#[derive(Clone)]
enum Way {
    Http(Client, String),
    /// Without HTTP a debug build can make requests fast enough.
    UseCase(App),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Accepted,
    Refused,
    Other,
}

#[derive(Debug)]
struct Answer {
    kind: Kind,
    took: Duration,
}

/// Begins requests at three times the capacity, however many are unanswered.
async fn load(way: &Way, concert: i32, time: Duration) -> Vec<Answer> {
    let each_tick = 3 * CAPACITY / 100;
    let mut tick = interval(TICK);
    // What a busy machine misses is made up for: the load doesn't wait for the product.
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut requests, begun, mut buyer) = (JoinSet::new(), Instant::now(), 0_u32);
    while begun.elapsed() < time {
        let due = tick.tick().await;
        for _ in 0..each_tick {
            buyer += 1;
            let (way, name) = (way.clone(), format!("b{buyer}"));
            requests.spawn(async move {
                let kind = way.ask(concert, &name).await;
                let took = due.elapsed();
                Answer { kind, took }
            });
        }
    }
    within_limit("all answers", requests.join_all()).await
}

impl Way {
    async fn ask(&self, concert: i32, buyer: &str) -> Kind {
        match self {
            Self::Http(client, address) => {
                let request = client
                    .post(format!("http://{address}/api/v1/reservations"))
                    .json(&json!({
                        "concert_id": concert,
                        "quantity": 1,
                        "customer_name": buyer,
                        "customer_email": format!("{buyer}@example.com"),
                    }));
                let answer = request.send().await.unwrap();
                let status = answer.status().as_u16();
                let may_retry = answer.headers().contains_key("retry-after");
                let body: Value = answer.json().await.unwrap();
                match (status, body["code"].as_str()) {
                    (201, None) => Kind::Accepted,
                    (503, Some("overloaded")) if may_retry => Kind::Refused,
                    _ => Kind::Other,
                }
            }
            Self::UseCase(app) => match put(app, wish(concert, 1, buyer)).await.unwrap() {
                Ok(_) => Kind::Accepted,
                Err(error) => match Problem::from(error) {
                    problem
                        if problem.code == Code::Overloaded && problem.retry_after.is_some() =>
                    {
                        Kind::Refused
                    }
                    _ => Kind::Other,
                },
            },
        }
    }
}

/// How long the answers of a kind took, sorted.
fn times(answers: &[Answer], kind: Kind) -> Vec<Duration> {
    let of_kind = answers.iter().filter(|answer| answer.kind == kind);
    let mut times: Vec<Duration> = of_kind.map(|answer| answer.took).collect();
    times.sort_unstable();
    times
}

fn at(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() - 1) * percent / 100]
}

fn report(what: &str, sorted: &[Duration], time: Duration) {
    let per_second = sorted.len() as u64 / time.as_secs();
    eprintln!(
        "{what}: {} ({per_second}/s), p50 {:?}, p90 {:?}, p99 {:?}, slowest {:?}",
        sorted.len(),
        at(sorted, 50),
        at(sorted, 90),
        at(sorted, 99),
        at(sorted, 100),
    );
}
