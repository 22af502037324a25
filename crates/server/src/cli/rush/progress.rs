//! How a rush goes on, for people who look on: a line that moves on a terminal, and a word when the
//! server falls silent, also into a log file.

use std::convert::Infallible;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;

use super::summary::figure;
use crate::load::{Plan, Progress};

/// A server under a rush answers somebody many times a second; an operator begins to wonder after
/// this.
const SILENCE_TOLD_FROM: Duration = Duration::from_secs(3);

/// Shows it until it is dropped.
pub(super) async fn show(plan: &Plan, mut progress: watch::Receiver<Progress>) -> Infallible {
    let bar = bar(plan);
    let mut silence = Silence::default();
    while progress.changed().await.is_ok() {
        let now = *progress.borrow();
        if let Some(line) = silence.tell(plan, now.silence) {
            bar.suspend(|| eprintln!("{line}"));
        }
        bar.set_position(share(plan, &now));
        let latest = now.latest;
        bar.set_message(format!(
            "{} admitted, {} refused, p99 {:.1} ms",
            figure(latest.admitted),
            figure(latest.refused),
            latest.p99_ms
        ));
    }
    bar.finish_and_clear();
    std::future::pending().await
}

fn bar(plan: &Plan) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = "{elapsed_precise} {wide_bar} {msg}";
    let style = ProgressStyle::with_template(style);
    ProgressBar::new(u64::from(plan.buyers))
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// How far it is, in buyers.
fn share(plan: &Plan, now: &Progress) -> u64 {
    let came = u64::from(now.buyers);
    let share = plan.duration.map_or(came, |duration| {
        let time = now.elapsed.as_secs_f64() / duration.as_secs_f64();
        part_of(plan.buyers, time).max(came)
    });
    share.min(u64::from(plan.buyers))
}

/// A share of all buyers, for a crowd that ends with its time.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share from 0 to 1 of ten million"
)]
fn part_of(buyers: u32, share: f64) -> u64 {
    (f64::from(buyers) * share.clamp(0.0, 1.0)) as u64
}

/// Whether it was told that the server is silent.
#[derive(Debug, Default)]
struct Silence {
    is_told: bool,
}

impl Silence {
    /// One line when it begins and one when it is over.
    fn tell(&mut self, plan: &Plan, silence: Duration) -> Option<String> {
        let is_silent = silence >= SILENCE_TOLD_FROM;
        if is_silent == self.is_told {
            return None;
        }
        self.is_told = is_silent;
        let host = &plan.host;
        Some(if is_silent {
            format!(
                "no answer from http://{host} for {} s; the buyers go on asking, each for up to {} s",
                silence.as_secs(),
                plan.patience.as_secs()
            )
        } else {
            format!("http://{host} answers again")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_told_once_when_it_begins_and_once_when_it_is_over() {
        let plan = Plan::new("127.0.0.1:8080".parse().unwrap(), 1, 10, "test");
        let mut silence = Silence::default();
        let seconds = [0, 2, 3, 4, 9, 0, 0, 3];
        let told = seconds.map(|seconds| silence.tell(&plan, Duration::from_secs(seconds)));
        let told: Vec<Option<&str>> = told.iter().map(Option::as_deref).collect();
        let begun = Some(
            "no answer from http://127.0.0.1:8080 for 3 s; the buyers go on asking, each for up to \
             60 s",
        );
        let over = Some("http://127.0.0.1:8080 answers again");
        assert_eq!(told, [None, None, begun, None, None, over, None, begun]);
    }
}
