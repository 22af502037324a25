//! Kinds of jobs: however many there are of one, the others have room.

use app::{mails, payments, runs};

use super::*;

async fn enqueue_many(app: &TestApp, task: &'static str, jobs: usize) {
    let payload = json!({});
    for _ in 0..jobs {
        enqueue(&app.app, &jobs::new(task, &payload, app.app.ctx().now())).await;
    }
}

/// A task that waits for its turn, so that it keeps its place until then.
fn waiting(tasks: Tasks, name: &'static str, (ran, turns): (&Ran, &Arc<Semaphore>)) -> Tasks {
    let (ran, turns) = (Arc::clone(ran), Arc::clone(turns));
    tasks.with(name, move |_, attempt: Attempt<Value>| {
        ran.lock().unwrap().push((attempt.job_id, attempt.number));
        let turns = Arc::clone(&turns);
        async move {
            turns.acquire().await.unwrap().forget();
            Outcome::Done
        }
    })
}

async fn done(app: &TestApp, task: &str, jobs: i64) {
    let statement = format!("SELECT count(*) FROM jobs WHERE task = '{task}' AND status = 'done'");
    eventually(task, LIMIT, async || app.count(&statement).await == jobs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_refunds_keep_nobody_from_paying() {
    TestApp::run(async |app| {
        let (in_bulk, mailed) = (Ran::default(), Ran::default());
        let turns = Arc::new(Semaphore::new(0));
        let mut tasks = Tasks::of_product();
        for name in [payments::REFUND, payments::ASK_REFUND, runs::RUN] {
            tasks = waiting(tasks, name, (&in_bulk, &turns));
            enqueue_many(app, name, 20).await;
        }
        for name in [mails::SEND, mails::SEND_IN_BULK] {
            tasks = waiting(tasks, name, (&mailed, &turns));
            enqueue_many(app, name, 20).await;
        }
        for name in [payments::OPEN, payments::ASK] {
            tasks = tasks.with(name, async |_, _: Attempt<Value>| Outcome::Done);
        }
        let worker = Worker::start(&app.app, tasks);
        let both = || (in_bulk.lock().unwrap().len(), mailed.lock().unwrap().len());
        eventually("both kinds wait", LIMIT, async || both() == (2, 2)).await;
        enqueue_many(app, payments::OPEN, 5).await;
        enqueue_many(app, payments::ASK, 5).await;
        done(app, payments::OPEN, 5).await;
        done(app, payments::ASK, 5).await;
        assert_eq!(both(), (2, 2), "and no more than they may");
        turns.add_permits(1_000);
        worker.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_does_not_wait_behind_its_refunds() {
    TestApp::run(async |app| {
        let (refunds, slices) = (Ran::default(), Ran::default());
        let turns = Arc::new(Semaphore::new(0));
        let tasks = waiting(Tasks::of_product(), payments::REFUND, (&refunds, &turns));
        let tasks = waiting(tasks, runs::RUN, (&slices, &turns));
        enqueue_many(app, payments::REFUND, 20).await;
        let worker = Worker::start(&app.app, tasks);
        let both = || (refunds.lock().unwrap().len(), slices.lock().unwrap().len());
        eventually("both places", LIMIT, async || both() == (2, 0)).await;
        enqueue_many(app, runs::RUN, 2).await;
        turns.add_permits(1);
        eventually("the run", LIMIT, async || both() == (2, 1)).await;
        turns.add_permits(1);
        eventually("one each", LIMIT, async || both().0 + both().1 == 4).await;
        assert!(both().0 >= 2 && both().1 >= 1, "{:?}", both());
        turns.add_permits(1_000);
        done(app, payments::REFUND, 20).await;
        done(app, runs::RUN, 2).await;
        worker.stop().await;
    })
    .await;
}

/// Of what comes in bulk each task has its turn beside a run that goes on and on.
#[tokio::test(flavor = "multi_thread")]
async fn questions_about_refunds_have_turns_between_refunds() {
    TestApp::run(async |app| {
        let (refunds, questions) = (Ran::default(), Ran::default());
        let (slices, turns) = (Ran::default(), Arc::new(Semaphore::new(0)));
        let never = Arc::new(Semaphore::new(0));
        let tasks = waiting(Tasks::of_product(), runs::RUN, (&slices, &never));
        let tasks = waiting(tasks, payments::REFUND, (&refunds, &turns));
        let tasks = waiting(tasks, payments::ASK_REFUND, (&questions, &turns));
        for name in [runs::RUN, payments::REFUND, payments::ASK_REFUND] {
            enqueue_many(app, name, 20).await;
        }
        let worker = Worker::start(&app.app, tasks);
        let money = || {
            let refunds = refunds.lock().unwrap().len();
            (refunds, questions.lock().unwrap().len())
        };
        for wanted in [(1, 0), (1, 1), (2, 1), (2, 2)] {
            eventually("a turn", LIMIT, async || money() == wanted).await;
            assert_eq!(slices.lock().unwrap().len(), 1);
            turns.add_permits(1);
        }
        turns.add_permits(1_000);
        never.add_permits(1_000);
        worker.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_page_or_tickets_goes_before_who_is_written_to_with_thousands() {
    TestApp::run(async |app| {
        let told = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Tasks::of_product();
        for name in [mails::SEND_IN_BULK, mails::SEND, mails::SEND_SIGN_IN] {
            enqueue_many(app, name, 3).await;
            let told = Arc::clone(&told);
            tasks = tasks.with(name, move |_, _: Attempt<Value>| {
                told.lock().unwrap().push(name);
                async { Outcome::Done }
            });
        }
        let worker = Worker::start(&app.app, tasks);
        all_are(app, "done", 9).await;
        worker.stop().await;
        let told = told.lock().unwrap();
        let last = |name| told.iter().rposition(|one| *one == name).unwrap();
        assert!(last(mails::SEND_SIGN_IN) <= last(mails::SEND), "{told:?}");
        assert!(last(mails::SEND) < last(mails::SEND_IN_BULK), "{told:?}");
        assert!(told[..2].iter().all(|one| *one == mails::SEND_SIGN_IN));
        assert_eq!(told[told.len() - 1], mails::SEND_IN_BULK);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_goes_on_is_one_job_at_a_time_with_all_its_attempts() {
    TestApp::run(async |app| {
        let ran = Ran::default();
        let parts = Arc::clone(&ran);
        let tasks = Tasks::default().with(TASK, move |_, attempt: Attempt<Value>| {
            assert_eq!(attempt.payload, json!({ "run": 1 }));
            let mut parts = parts.lock().unwrap();
            parts.push((attempt.job_id, attempt.number));
            let outcome = match parts.len() {
                1 | 2 => Outcome::Again(Duration::ZERO),
                3 => Outcome::Again(Duration::from_secs(30)),
                _ => Outcome::Done,
            };
            async move { outcome }
        });
        let payload = json!({ "run": 1 });
        let keyed = NewJob {
            dedup_key: Some("1"),
            ..job(&app.app, &payload)
        };
        assert!(enqueue(&app.app, &keyed).await);
        let worker = Worker::start(&app.app, tasks);
        all_are(app, "done", 3).await;
        let waits = "SELECT count(*) FROM jobs WHERE status = 'pending' AND dedup_key = '1'
                     AND attempts = 0 AND attempts_max = 25";
        assert_eq!(app.count(waits).await, 1);
        assert!(!enqueue(&app.app, &keyed).await, "it has its key");
        app.clock.advance(Duration::from_secs(30));
        jobs::wake(&app.app);
        all_are(app, "done", 4).await;
        worker.stop().await;
        let ran = ran.lock().unwrap();
        assert!(ran.iter().all(|(_, number)| *number == 1), "{ran:?}");
        assert_eq!(ran.len(), 4);
    })
    .await;
}
