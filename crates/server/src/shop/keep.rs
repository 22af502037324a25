//! Keeping a hold: the countdown to its end, more time, and the question shortly before it.
//!
//! Without JavaScript the page has the time of the end and the button; the rest is comfort.

use app::{App, extend as extending};
use axum::extract::State;
use axum::response::Response;
use domain::reservation::{EXTENSIONS_MAX, Reservation};
use jiff::Timestamp;

use super::reservation::Own;
use crate::http::page::Layout;
use crate::http::problem::Problem;

/// The question comes a minute before the end, or for short holds when a quarter is left.
const WARN_SECONDS_MAX: i64 = 60;
const WARN_SHARE: i64 = 4;
/// Nobody reads a question and answers it in less.
const WARN_SECONDS_MIN: i64 = 10;

/// `POST /{lang}/r/{id}/extend`
pub async fn extend(State(app): State<App>, own: Own) -> Result<Response, Problem> {
    let outcome = extending::extend(&app, own.holder.clone()).await;
    own.answer(&app, outcome, "extend-not-possible").await
}

/// What a page shows of a hold that lives.
#[derive(Debug)]
pub struct Keep {
    /// The end of the hold and the server's time, RFC 3339: the visitor's clock may be wrong.
    pub until: String,
    pub now: String,
    /// How many seconds before the end the question comes, unless the hold is too short for it.
    pub warn: Option<i64>,
    /// What is left, as a sentence with `#` for minutes and seconds.
    pub left: String,
    /// What is said aloud when five, two and one minutes are left.
    pub say: [Said; 3],
    /// The heading of the question.
    pub question: String,
    /// The action of the form for more time; `None` when there is no more.
    pub more: Option<String>,
    pub more_hint: String,
    pub cancel: String,
}

/// A sentence for those who can't see the countdown.
#[derive(Debug)]
pub struct Said {
    pub minutes: i64,
    pub sentence: String,
}

impl Keep {
    pub fn new(layout: &Layout, reservation: &Reservation, now: Timestamp) -> Option<Self> {
        let until = reservation.expires_at?;
        let lang = layout.lang;
        let at = |step| layout.href(&format!("/r/{}/{step}", reservation.id));
        let may_extend = reservation.check_extend(now).is_ok();
        let more_hint = if may_extend {
            let left = EXTENSIONS_MAX - reservation.extensions;
            lang.count("held-more-hint", i64::from(left))
        } else {
            layout.t("held-more-none")
        };
        let time = lang.time(until, &layout.site.time_zone);
        let whole = until.duration_since(reservation.updated_at);
        Some(Self {
            until: until.to_string(),
            now: now.to_string(),
            warn: warn_seconds(whole.as_secs()),
            left: lang.text_with("held-left", &[("time", "#")]),
            say: [5, 2, 1].map(|minutes| Said {
                minutes,
                sentence: lang.count("held-minutes", minutes),
            }),
            question: lang.text_with("held-soon-title", &[("time", &time)]),
            more: may_extend.then(|| at("extend")),
            more_hint,
            cancel: at("cancel"),
        })
    }
}

/// When the question comes, for a hold of so many seconds.
fn warn_seconds(whole: i64) -> Option<i64> {
    let warn = (whole / WARN_SHARE).min(WARN_SECONDS_MAX);
    (warn >= WARN_SECONDS_MIN).then_some(warn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_comes_a_minute_before_the_end_or_earlier_in_the_life_of_a_short_hold() {
        for (whole, warn) in [
            (48 * 60 * 60, Some(60)),
            (600, Some(60)),
            (240, Some(60)),
            (120, Some(30)),
            (60, Some(15)),
            (40, Some(10)),
            (39, None),
            (1, None),
        ] {
            assert_eq!(warn_seconds(whole), warn, "{whole} s");
        }
    }
}
