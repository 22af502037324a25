//! Jobs across processes: workers that are killed, servers that leave the work to workers.

use std::process::Stdio;
use std::time::Duration;

use app::jobs::{Attempt, Outcome, Tasks};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::{Ran, TASK, Worker, all_are, enqueue, job, only, task};
use crate::support::program::Program;
use crate::support::wait::{LIMIT, eventually, within_limit};
use crate::support::{APP, NewConcert, OWNER, Options, TestApp, TestDatabase, clock, open_app};

/// Tells [`a_worker_to_be_killed`] its database.
const URL: &str = "STAGEDOOR_TEST_WORKER_URL";
const BEGUN: &str = "the job has begun";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the other half of the tests that kill it"]
async fn a_worker_to_be_killed() {
    let Ok(url) = std::env::var(URL) else { return };
    let app = open_app(&url, &clock(), &Options::default());
    let endless = Tasks::default().with(TASK, async |_, _: Attempt<Value>| {
        println!("{BEGUN}");
        std::future::pending().await
    });
    Worker::start(&app, endless).ended.await.unwrap();
}

/// This test program as a worker of its own, once it has begun the job.
async fn doomed_worker(app: &TestApp) -> Child {
    let this = std::env::current_exe().unwrap();
    let name = "jobs::processes::a_worker_to_be_killed";
    let mut child = Command::new(this)
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env(URL, app.database.url(APP))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let begun = async {
        while let Some(line) = said.next_line().await.unwrap() {
            if line.contains(BEGUN) {
                return;
            }
        }
        panic!("it ended");
    };
    within_limit(BEGUN, begun).await;
    child
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_worker_is_killed_runs_again_after_its_lease() {
    TestApp::run(async |app| {
        enqueue(&app.app, &job(&app.app, &json!({}))).await;
        let mut doomed = doomed_worker(app).await;
        doomed.kill().await.unwrap();
        assert_eq!(only(app).await.attempts, 1);

        let ran = Ran::default();
        let worker = Worker::start(&app.app, task(&ran, || Outcome::Done));
        app.clock
            .advance(app::jobs::LEASE.saturating_sub(Duration::from_secs(1)));
        app::jobs::wake(&app.app);
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(*ran.lock().unwrap(), [], "the dead may still be at it");
        app.clock.advance(Duration::from_secs(1));
        app::jobs::wake(&app.app);
        all_are(app, "done", 1).await;
        worker.stop().await;
        let attempts: Vec<i32> = ran.lock().unwrap().iter().map(|(_, n)| *n).collect();
        assert_eq!(attempts, [2]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_kills_its_workers_is_given_up() {
    TestApp::run(async |app| {
        let payload = json!({});
        let once = app::jobs::NewJob {
            attempts_max: 1,
            ..job(&app.app, &payload)
        };
        enqueue(&app.app, &once).await;
        doomed_worker(app).await.kill().await.unwrap();
        app.clock.advance(app::jobs::LEASE);
        let ran = Ran::default();
        let worker = Worker::start(&app.app, task(&ran, || Outcome::Done));
        all_are(app, "dead", 1).await;
        worker.stop().await;
        assert_eq!(*ran.lock().unwrap(), [], "it isn't tried once more");
        let error = only(app).await.error.unwrap();
        assert!(error.contains("died"), "{error}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_without_jobs_leaves_holds_to_the_worker() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        app.reserved(concert, 2, "som").await;
        let overdue = "UPDATE reservations SET expires_at = now() - interval '1 hour'";
        app.postgres.batch_execute(overdue).await.unwrap();
        let mut serve = Program::serve_with(&app.database, &["serve", "--no-jobs"]).await;
        // Where it sweeps, it does so as it starts and then every second.
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(app.available(concert).await, 98);

        let mut worker = Program::worker(&app.database).await;
        eventually("the hold is swept", LIMIT, async || {
            app.available(concert).await == 100
        })
        .await;
        let client = Client::new();
        let metrics = worker.metrics();
        // The tickets are back a moment before they are counted.
        eventually("the hold is counted", LIMIT, async || {
            let answer = client.get(&metrics).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            let text = answer.text().await.unwrap();
            text.contains("stagedoor_reservations_total{outcome=\"expired\"} 1")
        })
        .await;
        let site = metrics.replace("/metrics", "/en/");
        let answer = client.get(site).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "no shop");
        for program in [&mut worker, &mut serve] {
            program.signal("TERM");
            let status = program.end(Duration::from_secs(10)).await;
            assert_eq!(status.code(), Some(0), "{}", program.said());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_refuses_what_serve_refuses() {
    let database = TestDatabase::migrated().await;
    let done = Program::new(&["worker"])
        .env("DATABASE_URL", &database.url(OWNER))
        .run()
        .await;
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.stderr.contains("owns tables"), "{done:?}");

    let empty = TestDatabase::empty().await;
    let done = Program::on(&empty, &["worker"]).run().await;
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.stderr.contains("stagedoor migrate"), "{done:?}");

    let running = Program::worker(&database).await;
    let address = running.metrics().replace("/metrics", "");
    let address = address.trim_start_matches("http://");
    let done = Program::on(&database, &["worker", "--metrics-listen", address])
        .run()
        .await;
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stderr.contains("--metrics-listen"), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_one_line_in_the_log_and_ends_by_itself() {
    let database = TestDatabase::migrated().await;
    let elsewhere = TestDatabase::empty().await.superuser().await;
    let mut worker = Program::worker(&database).await;
    let name = &database.name;
    for away in [
        format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"),
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
    ] {
        elsewhere.batch_execute(&away).await.unwrap();
    }
    let begins = "sweeping holds fails";
    worker.wait_for(begins).await;
    // Long enough for two more tries.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let back = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true");
    elsewhere.batch_execute(&back).await.unwrap();
    worker.wait_for("sweeping holds works again").await;
    let said = worker.said();
    assert_eq!(said.matches(begins).count(), 1, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_counts_what_was_given_up() {
    let database = TestDatabase::migrated().await;
    let looked_at = async |id: &str| {
        let done = Program::on(&database, &["doctor", "--json"]).run().await;
        let report = done.json();
        assert_eq!(report["ok"], done.code == 0, "{done:?}");
        let findings = report["findings"].as_array().unwrap().clone();
        let found = findings.into_iter().find(|finding| finding["id"] == id);
        found.expect("a finding about it")
    };
    for id in ["jobs", "refunds"] {
        assert_eq!(looked_at(id).await["severity"], "info");
    }
    let plant = "INSERT INTO jobs (task, payload, status, run_at, attempts_max, finished_at)
                 VALUES ('t', '{}', 'dead', now(), 1, now())";
    let postgres = database.superuser().await;
    postgres.batch_execute(plant).await.unwrap();
    // Its reservation doesn't matter here.
    let refund = "SET session_replication_role = replica;
                  INSERT INTO payments (id, reservation_id, provider, amount, currency, status,
                                        language, refund_error)
                  VALUES ('PAY1-00000001', 'RES1-00000001', 'manual', 1, 'THB', 'refunding', 'en',
                          'closed account')";
    postgres.batch_execute(refund).await.unwrap();
    for id in ["jobs", "refunds"] {
        let finding = looked_at(id).await;
        assert_eq!(finding["severity"], "error");
        assert!(finding["detail"].as_str().unwrap().starts_with("1 "));
    }
}
