//! Periodic work: everything that happens because time passes.
//!
//! | work | when | who |
//! |---|---|---|
//! | give back holds that ran out | when the next one ends, at least every few seconds | one server at a time |
//! | forget old idempotency keys | every ten minutes | one server at a time |
//! | delete finished jobs and old mails | every hour | one server at a time |
//! | give up mails that no job sends any more | every minute | one server at a time |
//! | put the index of the staff's search in order | every five seconds | one server at a time |
//! | sum the sales of old days for reports | every ten seconds | one server at a time |
//! | gather the tables' statistics | once a month | one server at a time |
//! | seal the audit log | every five seconds, in a rush as `audit::pace` says | one server at a time |
//! | forget old sessions, links and failed sign-ins | every hour | one server at a time |
//! | ask payment providers about what is undecided | every five seconds, for what is due | each server for itself |
//! | measure how long jobs and unsealed audit rows wait | every five seconds | each server for itself |
//! | measure how old backups are | every quarter of a minute | each server for itself |
//!
//! "One at a time" is a lock that lives as long as the transaction; whoever doesn't get it rests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use store::reports::SUM_LOCK;
use store::{Acting, StoreError, Transaction, jobs, reservations};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Tasks;
use super::outage::Outage;
use crate::health;
use crate::reports::summing;
use crate::sign_in::attempts;
use crate::{App, audit, backups, customers, expire, mails, payments, reserve};

const FORGET_EVERY: Duration = Duration::from_mins(10);
const DELETE_EVERY: Duration = Duration::from_hours(1);
/// Soon enough for somebody who asks staff where a mail is.
const BURY_EVERY: Duration = Duration::from_mins(1);
/// Well below the quarter of a minute at which metrics are usually read.
const MEASURE_EVERY: Duration = Duration::from_secs(5);
/// In a rush the unordered part grows by some megabytes a second, all of which each search reads.
const TIDY_EVERY: Duration = Duration::from_secs(5);
/// What is judged in minutes and hours.
const MEASURE_BACKUPS_EVERY: Duration = Duration::from_secs(15);
/// A day of which something changed is read anew meanwhile.
const SUM_EVERY: Duration = Duration::from_secs(10);
/// Before the rest of a deletion that met its limit, or of the sums, so that sales come between.
const GO_ON_AFTER: Duration = Duration::from_secs(1);

/// Rows in one transaction: few enough that it is over in well under a second.
const DELETED_MAX: i64 = 10_000;
/// Long enough to answer "was the mail sent?".
const DONE_KEPT_FOR: Duration = Duration::from_hours(7 * 24);
/// Long enough for somebody to see it and to mend the cause.
const DEAD_KEPT_FOR: Duration = Duration::from_hours(90 * 24);

/// "forget" and "delete" in ASCII, as the one below: numbers that no other lock of ours has.
const FORGET_LOCK: i64 = 0x666f_7267_6574;
const DELETE_LOCK: i64 = 0x6465_6c65_7465;
/// "orphan".
const ORPHAN_LOCK: i64 = 0x6f72_7068_616e;
/// "search".
const SEARCH_LOCK: i64 = 0x7365_6172_6368;
/// "staff".
const STAFF_LOCK: i64 = 0x73_7461_6666;

/// Starts all of it but the measuring.
pub(super) fn start(app: &App, stopped: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
    let (app, stopped) = (|| app.clone(), || stopped.clone());
    let was_awake = Arc::new(AtomicBool::new(false));
    vec![
        tokio::spawn(repeat(
            Outage::of_urgent("sweeping holds", expire::LOOK_AGAIN),
            app(),
            stopped(),
            move |app| sweep_holds(app, Arc::clone(&was_awake)),
        )),
        tokio::spawn(repeat(
            Outage::none("forgetting old keys"),
            app(),
            stopped(),
            forget_keys,
        )),
        tokio::spawn(repeat(
            Outage::none("deleting old jobs"),
            app(),
            stopped(),
            delete_jobs,
        )),
        tokio::spawn(repeat(
            Outage::none("giving up mails"),
            app(),
            stopped(),
            bury_mails,
        )),
        tokio::spawn(repeat(
            Outage::none("tidying the search"),
            app(),
            stopped(),
            tidy_search,
        )),
        tokio::spawn(repeat(
            Outage::none("summing sales"),
            app(),
            stopped(),
            sum_sales,
        )),
        tokio::spawn(repeat(
            Outage::none("gathering statistics"),
            app(),
            stopped(),
            async |app| health::analyze_when_due(&app).await,
        )),
        tokio::spawn(repeat(
            Outage::none("sealing the audit log"),
            app(),
            stopped(),
            seal_audit_log,
        )),
        tokio::spawn(repeat(
            Outage::none("forgetting old sign-ins"),
            app(),
            stopped(),
            forget_sign_ins,
        )),
        tokio::spawn(repeat(
            Outage::none("asking about payments"),
            app(),
            stopped(),
            async |app| payments::list_due(&app).await,
        )),
    ]
}

/// Keeps `stagedoor_jobs_oldest_seconds` true, also where no worker runs: that none does is what
/// the figure tells. Its series are there as soon as this returns.
pub fn measure_oldest(
    app: App,
    tasks: Tasks,
    stopped: watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send {
    for task in tasks.names() {
        oldest_seconds(task, 0.0);
    }
    async move {
        if !tasks.is_empty() {
            let turn = |app| measure(app, tasks.clone());
            repeat(Outage::none("measuring the jobs"), app, stopped, turn).await;
        }
    }
}

/// Keeps `stagedoor_audit_unsealed` true, also where nobody seals: that is what the figure tells.
/// Its series is there as soon as this returns.
pub fn measure_unsealed(
    app: App,
    stopped: watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send {
    unsealed_seconds(Duration::ZERO);
    let outage = Outage::none("measuring the audit log");
    repeat(outage, app, stopped, measure_audit_log)
}

/// Keeps the figures of backups, of the log's archive and of drills true. Their series are there as
/// soon as this returns.
pub fn measure_backups(
    app: App,
    stopped: watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send {
    backups::register();
    let outage = Outage::none("measuring backups");
    repeat(outage, app, stopped, measure_backup_runs)
}

/// Turns, with the rest that each asks for, until `stopped`. A turn under way is finished.
async fn repeat<F: Future<Output = Result<Duration, StoreError>> + Send>(
    mut outage: Outage,
    app: App,
    mut stopped: watch::Receiver<bool>,
    turn: impl Fn(App) -> F + Send,
) {
    loop {
        let rest = match turn(app.clone()).await {
            Ok(rest) => {
                outage.worked();
                rest
            }
            Err(error) => outage.failed(&error),
        };
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return,
            () = tokio::time::sleep(rest) => {}
        }
    }
}

/// `was_awake`: whether this process has looked before and found no silence behind it.
async fn sweep_holds(app: App, was_awake: Arc<AtomicBool>) -> Result<Duration, StoreError> {
    let swept = expire::sweep(&app).await?;
    match swept.silence {
        Some(silence) => tell_silence(silence, swept.lent, was_awake.load(Ordering::Relaxed)),
        None => was_awake.store(true, Ordering::Relaxed),
    }
    if swept.expired > 0 {
        tracing::info!(swept.expired, "holds ran out; their tickets are on sale");
    }
    Ok(swept.rest)
}

/// A silence that began while this process was awake is an outage. One that it finds at its start
/// may be no more than the time between somebody's stop and start.
fn tell_silence(silence: SignedDuration, lent: u64, was_awake: bool) {
    let silence = silence.as_secs();
    if was_awake {
        tracing::warn!(silence, lent, "an outage is over; holds were lent its time");
    } else {
        tracing::info!(
            silence,
            lent,
            "no server had given holds back before this one started; they were lent that time"
        );
    }
}

async fn forget_keys(app: App) -> Result<Duration, StoreError> {
    let Some(transaction) = begin_alone(&app, FORGET_LOCK).await? else {
        return Ok(FORGET_EVERY);
    };
    let forgotten = reserve::forget_old_keys(&app, &transaction, DELETED_MAX).await?;
    end(transaction, forgotten).await?;
    Ok(rest_after_deleting(
        forgotten,
        "idempotency keys",
        FORGET_EVERY,
    ))
}

async fn delete_jobs(app: App) -> Result<Duration, StoreError> {
    let Some(transaction) = begin_alone(&app, DELETE_LOCK).await? else {
        return Ok(DELETE_EVERY);
    };
    let now = app.ctx().now();
    let (done, dead) = (now - DONE_KEPT_FOR, now - DEAD_KEPT_FOR);
    let deleted = jobs::delete_finished(&transaction, done, dead, DELETED_MAX).await?;
    let forgotten = mails::forget_old(&app, &transaction, DELETED_MAX).await?;
    end(transaction, deleted + forgotten).await?;
    let rest = rest_after_deleting(deleted, "finished jobs", DELETE_EVERY);
    Ok(rest.min(rest_after_deleting(forgotten, "mails", DELETE_EVERY)))
}

async fn bury_mails(app: App) -> Result<Duration, StoreError> {
    let Some(transaction) = begin_alone(&app, ORPHAN_LOCK).await? else {
        return Ok(BURY_EVERY);
    };
    let buried = mails::bury_orphans(&app, &transaction, DELETED_MAX).await?;
    end(transaction, buried).await?;
    if buried > 0 {
        tracing::error!(buried, "mails were given up: their workers died");
    }
    Ok(BURY_EVERY)
}

async fn tidy_search(app: App) -> Result<Duration, StoreError> {
    if let Some(transaction) = begin_alone(&app, SEARCH_LOCK).await? {
        reservations::tidy_search(&transaction).await?;
        transaction.rollback().await;
    }
    Ok(TIDY_EVERY)
}

async fn sum_sales(app: App) -> Result<Duration, StoreError> {
    let Some(transaction) = begin_alone(&app, SUM_LOCK).await? else {
        return Ok(SUM_EVERY);
    };
    let turn = summing::sum_days(&app, &transaction).await?;
    end(transaction, turn.changes).await?;
    Ok(if turn.has_more {
        GO_ON_AFTER
    } else {
        SUM_EVERY
    })
}

async fn seal_audit_log(app: App) -> Result<Duration, StoreError> {
    let Some(key) = app.seal_key() else {
        return Ok(Duration::MAX);
    };
    Ok(audit::seal(&app, key).await?.rest())
}

async fn forget_sign_ins(app: App) -> Result<Duration, StoreError> {
    let Some(transaction) = begin_alone(&app, STAFF_LOCK).await? else {
        return Ok(DELETE_EVERY);
    };
    let of_staff = attempts::forget_old(&app, &transaction, DELETED_MAX).await?;
    let of_customers = customers::forget_old(&app, &transaction, DELETED_MAX).await?;
    let forgotten = of_staff + of_customers;
    end(transaction, forgotten).await?;
    Ok(rest_after_deleting(forgotten, "old sign-ins", DELETE_EVERY))
}

/// A transaction that has a lock, or `None` while another server has it.
async fn begin_alone(app: &App, lock: i64) -> Result<Option<Transaction>, StoreError> {
    let transaction = Transaction::begin(app.writer(), &Acting::system("periodic")).await?;
    if jobs::try_lock(&transaction, lock).await? {
        Ok(Some(transaction))
    } else {
        transaction.rollback().await;
        Ok(None)
    }
}

/// Commits what was deleted; a turn that found nothing leaves no trace.
async fn end(transaction: Transaction, deleted: u64) -> Result<(), StoreError> {
    if deleted > 0 {
        transaction.commit().await
    } else {
        transaction.rollback().await;
        Ok(())
    }
}

fn rest_after_deleting(deleted: u64, what: &'static str, usual: Duration) -> Duration {
    if deleted > 0 {
        tracing::info!(deleted, "old {what} deleted");
    }
    if deleted < DELETED_MAX.unsigned_abs() {
        usual
    } else {
        GO_ON_AFTER
    }
}

async fn measure(app: App, tasks: Tasks) -> Result<Duration, StoreError> {
    let now = app.ctx().now();
    let connection = app.writer().get().await?;
    let oldest = jobs::list_oldest(&connection, &tasks.names(), now).await?;
    for task in tasks.names() {
        let due = oldest.iter().find(|(of, _)| of == task);
        let waited = due.map_or(0.0, |(_, at)| now.duration_since(*at).as_secs_f64());
        oldest_seconds(task, waited);
    }
    Ok(MEASURE_EVERY)
}

fn oldest_seconds(task: &'static str, seconds: f64) {
    metrics::gauge!("stagedoor_jobs_oldest_seconds", "task" => task).set(seconds);
}

async fn measure_audit_log(app: App) -> Result<Duration, StoreError> {
    let unsealed = audit::unsealed(&app).await?;
    unsealed_seconds(unsealed.map_or(Duration::ZERO, |row| row.age));
    Ok(MEASURE_EVERY)
}

async fn measure_backup_runs(app: App) -> Result<Duration, StoreError> {
    backups::measure(&backups::state(&app).await?);
    Ok(MEASURE_BACKUPS_EVERY)
}

fn unsealed_seconds(age: Duration) {
    metrics::gauge!("stagedoor_audit_unsealed").set(age.as_secs_f64());
}
