//! Jobs: written with what makes them necessary, run at least once, tried again, given up.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use app::App;
use app::jobs::{self, Attempt, NewJob, Outcome, Tasks};
use jiff::Timestamp;
use serde_json::{Value, json};
use store::jobs::{Lease, Wanted};
use store::{Transaction, jobs as rows};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::support::wait::{LIMIT, eventually, within_limit};
use crate::support::{APP, Options, TestApp, open_app};

mod kinds;
mod plans;
mod processes;

/// The task of these tests.
const TASK: &str = "send_mail";
/// Longer than any pause between attempts.
const PAUSE_MAX: Duration = Duration::from_hours(1);

/// A worker of this process.
struct Worker {
    stop: watch::Sender<bool>,
    ended: JoinHandle<()>,
}

impl Worker {
    fn start(app: &App, tasks: Tasks) -> Self {
        let (stop, stopped) = watch::channel(false);
        let ended = tokio::spawn(jobs::work(app.clone(), tasks, stopped));
        Self { stop, ended }
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        within_limit("the worker's end", self.ended).await.unwrap();
    }
}

/// What ran: each job's number with that of the attempt.
type Ran = Arc<Mutex<Vec<(i64, i32)>>>;

/// A task that remembers its runs and has `outcome`.
fn task(ran: &Ran, outcome: impl Fn() -> Outcome + Clone + Send + Sync + 'static) -> Tasks {
    let ran = Arc::clone(ran);
    Tasks::default().with(TASK, move |_, attempt: Attempt<Value>| {
        ran.lock().unwrap().push((attempt.job_id, attempt.number));
        let outcome = outcome.clone();
        async move { outcome() }
    })
}

/// Enqueues, commits and wakes the worker.
async fn enqueue(app: &App, job: &NewJob<'_>) -> bool {
    let transaction = Transaction::begin(app.writer(), &store::Acting::system("test"))
        .await
        .unwrap();
    let is_new = jobs::enqueue(&transaction, job).await.unwrap();
    transaction.commit().await.unwrap();
    jobs::wake(app);
    is_new
}

/// A job of the only task, due now.
fn job<'a>(app: &App, payload: &'a Value) -> NewJob<'a> {
    jobs::new(TASK, payload, app.ctx().now())
}

/// The only job as it is now.
#[derive(Debug)]
struct Row {
    status: String,
    attempts: i32,
    error: Option<String>,
    /// Until it is due.
    wait: Duration,
}

async fn only(app: &TestApp) -> Row {
    let statement = "SELECT status, attempts, last_error, run_at::text FROM jobs";
    let row = app.postgres.query_one(statement, &[]).await.unwrap();
    let run_at: String = row.get(3);
    let run_at: Timestamp = format!("{run_at}Z").parse().unwrap();
    let wait = run_at.duration_since(app.app.ctx().now());
    Row {
        status: row.get(0),
        attempts: row.get(1),
        error: row.get(2),
        wait: wait.try_into().unwrap_or_default(),
    }
}

async fn all_are(app: &TestApp, status: &str, jobs: i64) {
    let statement = format!("SELECT count(*) FROM jobs WHERE status = '{status}'");
    let what = format!("{jobs} jobs are {status}");
    eventually(&what, LIMIT, async || app.count(&statement).await == jobs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_exactly_when_its_transaction_is_committed() {
    TestApp::run(async |app| {
        let ran = Ran::default();
        let worker = Worker::start(&app.app, task(&ran, || Outcome::Done));
        let payload = json!({});
        let transaction = Transaction::begin(app.app.writer(), &store::Acting::system("test"))
            .await
            .unwrap();
        let undone = job(&app.app, &payload);
        assert!(jobs::enqueue(&transaction, &undone).await.unwrap());
        jobs::wake(&app.app);
        transaction.rollback().await;
        jobs::wake(&app.app);

        enqueue(&app.app, &job(&app.app, &payload)).await;
        all_are(app, "done", 1).await;
        worker.stop().await;
        assert_eq!(ran.lock().unwrap().len(), 1, "and none of the undone one");
        assert_eq!(app.count("SELECT count(*) FROM jobs").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_run_each_job_once() {
    const JOBS: usize = 100;
    TestApp::run(async |app| {
        let ran = Ran::default();
        let url = app.database.url(APP);
        let payload = json!({});
        for _ in 0..JOBS {
            enqueue(&app.app, &job(&app.app, &payload)).await;
        }
        let workers = [(); 2].map(|()| {
            let process = open_app(&url, &app.clock, &Options::default());
            Worker::start(&process, task(&ran, || Outcome::Done))
        });
        all_are(app, "done", 100).await;
        for worker in workers {
            worker.stop().await;
        }
        let mut ran = ran.lock().unwrap().clone();
        assert_eq!(ran.len(), JOBS);
        assert!(ran.iter().all(|(_, attempt)| *attempt == 1));
        ran.sort_unstable();
        ran.dedup();
        assert_eq!(ran.len(), JOBS, "each of them");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_this_process_is_run_at_once() {
    TestApp::run(async |app| {
        let ran = Ran::default();
        let worker = Worker::start(&app.app, task(&ran, || Outcome::Done));
        let mut fastest = Duration::MAX;
        for jobs in 1..=5 {
            let begun = Instant::now();
            enqueue(&app.app, &job(&app.app, &json!({}))).await;
            all_are(app, "done", jobs).await;
            fastest = fastest.min(begun.elapsed());
        }
        worker.stop().await;
        assert!(fastest < Duration::from_millis(500), "{fastest:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_job_waits_ever_longer_and_is_dead_with_its_error() {
    TestApp::run(async |app| {
        let ran = Ran::default();
        let refused = || Outcome::Retry("the mail server\nsaid 451".to_owned());
        let worker = Worker::start(&app.app, task(&ran, refused));
        let payload = json!({ "reservation": "RES1" });
        let few = NewJob {
            attempts_max: 4,
            ..job(&app.app, &payload)
        };
        enqueue(&app.app, &few).await;
        for (attempt, limit) in [(1, 10), (2, 20), (3, 40)] {
            let failed = async || {
                let row = only(app).await;
                row.attempts == attempt && row.error.is_some() && row.wait < jobs::LEASE
            };
            eventually("the attempt failed", LIMIT, failed).await;
            let row = only(app).await;
            assert_eq!(row.status, "pending");
            let limits = Duration::from_secs(1)..=Duration::from_secs(limit);
            assert!(limits.contains(&row.wait), "{attempt}: {:?}", row.wait);
            app.clock
                .advance(row.wait.saturating_sub(Duration::from_millis(1)));
            jobs::wake(&app.app);
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert_eq!(only(app).await.attempts, attempt, "not before its time");
            app.clock.advance(Duration::from_millis(1));
            jobs::wake(&app.app);
        }
        all_are(app, "dead", 1).await;
        app.clock.advance(PAUSE_MAX);
        worker.stop().await;
        assert_eq!(ran.lock().unwrap().len(), 4);
        let error = only(app).await.error;
        assert_eq!(error.as_deref(), Some("the mail server said 451"));
        assert_eq!(jobs::count_dead(&app.app).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_given_up_is_never_tried_again() {
    TestApp::run(async |app| {
        let ran = Ran::default();
        let long = || Outcome::GiveUp("no such mailbox ".repeat(100));
        let worker = Worker::start(&app.app, task(&ran, long));
        enqueue(&app.app, &job(&app.app, &json!({}))).await;
        all_are(app, "dead", 1).await;
        app.clock.advance(PAUSE_MAX);
        enqueue(&app.app, &job(&app.app, &json!({}))).await;
        all_are(app, "dead", 2).await;
        worker.stop().await;
        assert_eq!(ran.lock().unwrap().len(), 2, "each once");
        let longest = "SELECT max(length(last_error))::bigint FROM jobs";
        assert_eq!(app.count(longest).await, 500);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_failed_attempt_and_the_worker_goes_on() {
    TestApp::run(async |app| {
        let panicking = Tasks::default().with(TASK, async |_, attempt: Attempt<String>| {
            assert!(attempt.number > 1, "the key is {}", attempt.payload);
            Outcome::Done
        });
        let worker = Worker::start(&app.app, panicking);
        enqueue(&app.app, &job(&app.app, &json!("sesame"))).await;
        let failed = async || only(app).await.error.is_some();
        eventually("the attempt failed", LIMIT, failed).await;
        let row = only(app).await;
        let error = row.error.unwrap();
        assert!(error.contains("panicked"), "{error}");
        assert!(!error.contains("sesame"), "{error}");
        app.clock.advance(PAUSE_MAX);
        jobs::wake(&app.app);
        all_are(app, "done", 1).await;
        worker.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_unknown_tasks_are_left_to_other_workers() {
    TestApp::run(async |app| {
        let newer = jobs::new("task_of_tomorrow", &Value::Null, app.app.ctx().now());
        enqueue(&app.app, &newer).await;
        let ran = Ran::default();
        let worker = Worker::start(&app.app, task(&ran, || Outcome::Done));
        enqueue(&app.app, &job(&app.app, &json!({}))).await;
        all_are(app, "done", 1).await;
        worker.stop().await;
        let untouched = "SELECT count(*) FROM jobs
                         WHERE task = 'task_of_tomorrow' AND status = 'pending' AND attempts = 0";
        assert_eq!(app.count(untouched).await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_payload_waits_for_a_newer_worker_and_is_not_quoted() {
    TestApp::run(async |app| {
        let numbers = async |_, _: Attempt<u32>| Outcome::Done;
        let worker = Worker::start(&app.app, Tasks::default().with(TASK, numbers));
        enqueue(&app.app, &job(&app.app, &json!("sesame"))).await;
        let failed = async || only(app).await.error.is_some();
        eventually("the attempt failed", LIMIT, failed).await;
        worker.stop().await;
        let row = only(app).await;
        assert_eq!(row.status, "pending");
        assert!(!row.error.unwrap().contains("sesame"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_is_one_job_until_that_is_done() {
    TestApp::run(async |app| {
        let payload = json!({});
        let keyed = NewJob {
            dedup_key: Some("RES1"),
            ..job(&app.app, &payload)
        };
        assert!(enqueue(&app.app, &keyed).await);
        assert!(!enqueue(&app.app, &keyed).await);
        let other = jobs::new("other_task", &payload, app.app.ctx().now());
        let other = NewJob {
            dedup_key: Some("RES1"),
            ..other
        };
        assert!(enqueue(&app.app, &other).await, "a key is its task's");
        let ran = Ran::default();
        let worker = Worker::start(&app.app, task(&ran, || Outcome::Done));
        all_are(app, "done", 1).await;
        assert!(enqueue(&app.app, &keyed).await);
        all_are(app, "done", 2).await;
        worker.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_lost_the_lease_has_no_say() {
    TestApp::run(async |app| {
        enqueue(&app.app, &job(&app.app, &json!({}))).await;
        let connection = app.app.writer().get().await.unwrap();
        let take = async || {
            let now = app.app.ctx().now();
            let wanted = Wanted {
                tasks: &[TASK],
                limit: 1,
                now,
                leased_until: now + jobs::LEASE,
            };
            let taken = rows::take(&connection, &wanted).await.unwrap();
            taken.first().map(|job| job.lease)
        };
        let first = take().await.unwrap();
        app.clock
            .advance(jobs::LEASE.saturating_sub(Duration::from_millis(1)));
        assert_eq!(take().await, None, "it is leased");
        app.clock.advance(Duration::from_millis(1));
        let second = take().await.unwrap();
        let Lease { id, attempt } = first;
        let next = attempt + 1;
        assert_eq!(second, Lease { id, attempt: next });
        let now = app.app.ctx().now();
        for lost in [
            rows::update_done(&connection, first, now).await,
            rows::update_retry(&connection, first, now, "late").await,
            rows::update_dead(&connection, first, now, "late").await,
        ] {
            assert!(!lost.unwrap());
        }
        assert!(rows::update_done(&connection, second, now).await.unwrap());
        assert!(!rows::update_done(&connection, second, now).await.unwrap());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_stopped_finishes_what_runs_and_takes_no_more() {
    TestApp::run(async |app| {
        let gate = Arc::new(Semaphore::new(0));
        let ran = Ran::default();
        let (waits, runs) = (Arc::clone(&gate), Arc::clone(&ran));
        let slow = Tasks::default().with(TASK, move |_, attempt: Attempt<Value>| {
            runs.lock().unwrap().push((attempt.job_id, attempt.number));
            let waits = Arc::clone(&waits);
            async move {
                let _turn = waits.acquire().await;
                Outcome::Done
            }
        });
        let payload = json!({});
        for _ in 0..10 {
            enqueue(&app.app, &job(&app.app, &payload)).await;
        }
        let worker = Worker::start(&app.app, slow);
        let run = || ran.lock().unwrap().len();
        eventually("jobs run", LIMIT, async || run() == 6).await;
        worker.stop.send_replace(true);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!worker.ended.is_finished());
        gate.add_permits(6);
        worker.stop().await;
        assert_eq!(run(), 6, "so many at one time, and none after the stop");
        all_are(app, "done", 6).await;
        all_are(app, "pending", 4).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_wait_of_a_task_is_measured_from_the_start() {
    TestApp::run(async |app| {
        let tasks = || Tasks::default().with("waiting", async |_, _: Attempt<()>| Outcome::Done);
        let handle = stagedoor::metrics::install();
        let says = async |seconds: &str| {
            let series = format!("stagedoor_jobs_oldest_seconds{{task=\"waiting\"}} {seconds}\n");
            let (stop, stopped) = watch::channel(false);
            let measuring = jobs::measure_oldest(app.app.clone(), tasks(), stopped);
            let measuring = tokio::spawn(measuring);
            eventually(&series, LIMIT, async || handle.render().contains(&series)).await;
            stop.send_replace(true);
            within_limit("its end", measuring).await.unwrap();
        };
        says("0").await;
        for _ in 0..2 {
            let waiting = jobs::new("waiting", &Value::Null, app.app.ctx().now());
            enqueue(&app.app, &waiting).await;
            app.clock.advance(Duration::from_mins(1));
        }
        says("120").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_ended_long_ago_are_deleted() {
    TestApp::run(async |app| {
        let plant = "
            INSERT INTO jobs (task, payload, status, run_at, attempts_max, finished_at)
            SELECT task, '{}', status, now(), 1, '2026-11-22 05:00'::timestamp - age
            FROM (VALUES ('kept', 'done', interval '6 days'), ('gone', 'done', '8 days'),
                         ('kept', 'dead', '89 days'), ('gone', 'dead', '91 days'))
                 AS ended (task, status, age);
            INSERT INTO jobs (task, payload, run_at, attempts_max)
            VALUES ('kept', '{}', '2020-01-01', 1)";
        app.postgres.batch_execute(plant).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let started = jobs::start(&app.app, Tasks::default(), &stopped);
        let all = "SELECT count(*) FROM jobs";
        eventually("old jobs are gone", LIMIT, async || {
            app.count(all).await == 3
        })
        .await;
        stop.send_replace(true);
        for work in started {
            within_limit("its end", work).await.unwrap();
        }
        let kept = "SELECT count(*) FROM jobs WHERE task = 'kept'";
        assert_eq!(app.count(kept).await, 3);
    })
    .await;
}
