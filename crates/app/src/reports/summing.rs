//! Sums of days that are over, kept so that a report needn't read their reservations.
//!
//! A day of which anything changes later leaves a mark in the same transaction and is read anew until
//! it is summed again here: how late that is makes reports slower, never wrong.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use store::reports::{self as stored, Day, Summed};
use store::{StoreError, Transaction};

use super::{beginning, zone_name};
use crate::App;

/// So long a day has been over before it is summed. The triggers mark what changes half a day behind a
/// reservation's making, so that whatever changes in a summed day is marked, whichever clock is ahead.
const OVER_FOR: Duration = Duration::from_hours(24);
/// A turn's transaction is over in well under a second.
const TURN: Duration = Duration::from_millis(300);
const STALE_MAX: i64 = 31;

/// What a turn did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) changes: u64,
    pub(crate) has_more: bool,
}

/// Sums what is due, as far as a turn goes.
pub(crate) async fn sum_days(app: &App, transaction: &Transaction) -> Result<Turn, StoreError> {
    let begun = Instant::now();
    let (zone, now) = (zone_name(&app.settings().timezone), app.ctx().now());
    let summed = stored::find_summed(transaction, &zone).await?;
    let mut turn = Turn::default();
    if let Some(summed) = summed {
        let (stale, is_changed_before) = stored::list_stale(transaction, summed, STALE_MAX).await?;
        if summed.is_elsewhere || is_changed_before {
            stored::forget_all_sums(transaction, summed).await?;
            return Ok(Turn {
                changes: 1,
                has_more: true,
            });
        }
        for day in stale {
            stored::sum_day(transaction, (day, &zone), now).await?;
            turn.changes += 1;
            if begun.elapsed() > TURN {
                turn.has_more = true;
                return Ok(turn);
            }
        }
    }
    let Some(mut next) = next_day(app, transaction, summed).await? else {
        return Ok(turn);
    };
    while next.to <= now - OVER_FOR {
        if begun.elapsed() > TURN {
            turn.has_more = true;
            break;
        }
        stored::sum_day(transaction, (next, &zone), now).await?;
        turn.changes += 1;
        next = day_from(app, next.to);
    }
    Ok(turn)
}

/// The one behind the last that is summed, or that of the first sale.
async fn next_day(
    app: &App,
    transaction: &Transaction,
    summed: Option<Summed>,
) -> Result<Option<Day>, StoreError> {
    let from = match summed {
        Some(summed) => Some(summed.to),
        None => stored::find_first_sale(transaction).await?,
    };
    Ok(from.map(|from| day_from(app, from)))
}

/// The whole day that an instant is in.
fn day_from(app: &App, at: Timestamp) -> Day {
    let zone = &app.settings().timezone;
    let day = at.to_zoned(zone.clone()).date();
    let after = day.tomorrow().unwrap_or(jiff::civil::Date::MAX);
    Day {
        day,
        from: beginning(day, zone),
        to: beginning(after, zone),
    }
}
