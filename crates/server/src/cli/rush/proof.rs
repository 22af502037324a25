//! Reads the database back, in pages, for the verdict.

use std::time::Duration;

use app::{App, rush};
use store::StoreError;
use tokio::time::Instant;

use super::super::CliError;
use super::verdict::Verdict;
use crate::load::{Plan, Report};

/// A database that was killed under load recovers within seconds; production fails over in 25.
const RECOVERS_WITHIN: Duration = Duration::from_mins(1);
const TRY_EVERY: Duration = Duration::from_millis(500);

/// Compares everything that buyers were told with what the database holds.
pub(super) async fn judge(app: &App, plan: &Plan, report: &Report) -> Result<Verdict, CliError> {
    let unreadable = |error: &StoreError| CliError::failed("can't read the verdict back", error);
    let mut verdict = Verdict::default();
    verdict.hear(plan, &report.counts, &report.contradictions);
    for concert in &plan.concerts {
        let stock = patiently(|| rush::stock(app, *concert)).await;
        verdict.judge_stock(*concert, stock.map_err(|error| unreadable(&error))?);
    }
    let mut first = 0;
    for fates in report.fates.chunks(rush::PAGE) {
        let next = first + u32::try_from(fates.len()).unwrap_or(u32::MAX);
        let emails: Vec<String> = (first..next).map(|buyer| plan.email(buyer)).collect();
        let stored = patiently(|| rush::reservations_of(app, &emails)).await;
        let stored = stored.map_err(|error| unreadable(&error))?;
        verdict.judge_buyers(plan, first, fates, &stored);
        first = next;
    }
    Ok(verdict)
}

/// Tries again while the database is away.
async fn patiently<T>(
    mut read: impl AsyncFnMut() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let limit = Instant::now() + RECOVERS_WITHIN;
    loop {
        match read().await {
            Err(StoreError::Unavailable(_)) if Instant::now() < limit => {
                tokio::time::sleep(TRY_EVERY).await;
            }
            outcome => return outcome,
        }
    }
}

/// The server answers within 5 s; a request that was hung up on is decided by then.
const SETTLES_WITHIN: Duration = Duration::from_secs(6);

/// Waits until no request of a run can be under way any more.
pub(super) async fn let_settle(report: &Report) {
    let counts = &report.counts;
    if counts.abandoned + counts.unanswered + counts.unknown_resolved > 0 {
        tokio::time::sleep(SETTLES_WITHIN).await;
    }
}
