//! What a run has come to, in words and as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::args::RushArgs;
use super::observer::Observed;
use super::verdict::{Check, Verdict};
use crate::load::{Plan, Report, Times};

/// A finished run.
pub(super) struct Summary<'a> {
    pub(super) plan: &'a Plan,
    pub(super) report: &'a Report,
    pub(super) observed: &'a Observed,
    pub(super) verdict: &'a Verdict,
    pub(super) postgres_version: String,
    pub(super) is_private: bool,
}

/// What is about to happen.
pub(super) fn announce(plan: &Plan, args: &RushArgs, is_private: bool) -> String {
    let place = if is_private {
        "a private server".to_owned()
    } else {
        format!("the server at http://{}", plan.host)
    };
    let buyers = match (args.buyers, plan.duration) {
        (None, Some(duration)) => format!("buyers for {} s", duration.as_secs_f64()),
        (_, _) => format!("{} buyers", figure(u64::from(plan.buyers))),
    };
    let wanted = match args.concert {
        Some(concert) => format!("the tickets of concert {concert}"),
        None => format!(
            "{} tickets of {}",
            figure(u64::try_from(args.tickets()).unwrap_or_default()),
            match plan.concerts.len() {
                1 => "one concert".to_owned(),
                many => format!("each of {many} concerts"),
            }
        ),
    };
    let at_once = figure(plan.concurrency as u64);
    format!("{buyers} rush at {place} for {wanted}, {at_once} at once")
}

/// Digits in groups of three.
pub(super) fn figure(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A number that was measured, whole.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates and times are positive and far below 2^52"
)]
fn whole(number: f64) -> String {
    figure(number.round() as u64)
}

/// The same to a tenth.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times are positive and far below 2^52"
)]
fn decimal(number: f64) -> String {
    let tenths = (number * 10.0).round() as u64;
    format!("{}.{}", figure(tenths / 10), tenths % 10)
}

/// A run's length, also of one that was over at once.
fn length(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", whole((time.as_secs_f64() * 1000.0).max(1.0)))
    } else {
        format!("{} s", decimal(time.as_secs_f64()))
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn rate(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds.max(0.001)
}

/// To a tenth, as a JSON number that reads well.
fn tenth(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// To the microsecond.
fn micro(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

impl Summary<'_> {
    /// Buyers with a final answer, each second.
    pub(super) fn per_second(&self) -> f64 {
        let counts = &self.report.counts;
        rate(counts.answered(), self.report.elapsed.as_secs_f64())
    }

    /// Buyers with a reservation, each second until the last of them.
    pub(super) fn admitted_per_second(&self) -> f64 {
        let seconds = self.report.last_admitted_at.as_secs_f64();
        rate(self.report.counts.admitted, seconds)
    }

    /// From a buyer's first click to the final answer, whatever that was.
    pub(super) fn answers(&self) -> Times {
        let mut times = self.report.admitted.clone();
        times.add(&self.report.refused);
        times
    }

    pub(super) fn to_json(&self) -> Value {
        let Self {
            report, observed, ..
        } = self;
        let (counts, watched, answers) = (&report.counts, &report.watched, self.answers());
        let quantile = |times: &Times, share: f64| micro(times.quantile_ms(share));
        let mut json = json!({
            "admitted": counts.admitted,
            "refused": counts.refused,
            "unknown_resolved": counts.unknown_resolved,
            "per_second": tenth(self.per_second()),
            "p50_ms": quantile(&answers, 0.5),
            "p95_ms": quantile(&answers, 0.95),
            "p99_ms": quantile(&answers, 0.99),
            "p999_ms": quantile(&answers, 0.999),
            "max_ms": micro(answers.max_ms()),
            "admitted_per_second": tenth(self.admitted_per_second()),
            "admitted_p50_ms": quantile(&report.admitted, 0.5),
            "admitted_p99_ms": quantile(&report.admitted, 0.99),
            "refused_p99_ms": quantile(&report.refused, 0.99),
            "buyer_p99_ms": quantile(&report.waits, 0.99),
            "page_p99_ms": quantile(&report.pages, 0.99),
            "page_failures": report.page_failures,
            "tickets": report.tickets,
            "refused_by": counts.refused_by,
            "abandoned": counts.abandoned,
            "overloaded": counts.overloaded,
            "replayed": counts.replayed,
            "requests": counts.requests,
            "broken_connections": counts.broken_connections,
            "seconds": micro(report.elapsed.as_secs_f64()),
            "concerts": self.plan.concerts,
            "run": self.plan.run,
            "postgresql": self.postgres_version,
            "server_memory_start_bytes": observed.memory_start(),
            "server_memory_end_bytes": observed.memory_end(),
            "batch_size_mean": observed.batch_size_mean().map(tenth),
            "watchers": {
                "open_max": watched.open_max,
                "events": watched.events,
                "wrong_events": watched.wrong_events,
                "broken": watched.broken,
                "refused_with": watched.refused_with,
            },
        });
        if let (Value::Object(all), Value::Object(verdict)) = (&mut json, self.verdict.to_json()) {
            all.extend(verdict);
        }
        json
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.lines() {
            // Writing into a string doesn't fail.
            let _ = writeln!(text, "{name:13} {value}");
        }
        text.push_str("\nCompared with the database, by plain SQL:\n");
        let checks = self.verdict.checks();
        let width = checks.iter().map(|check| check.name.len()).max();
        let width = width.unwrap_or_default();
        for Check {
            name, found, how, ..
        } in checks
        {
            let _ = writeln!(text, "  {name:width$}  {found:8}  {how}");
        }
        for fault in &self.verdict.faults {
            let _ = writeln!(text, "  - {fault}");
        }
        text.push_str(if self.verdict.is_ok() {
            "\nok: every answer was true\n"
        } else {
            "\nNOT ok: see above\n"
        });
        if !self.is_private {
            let _ = writeln!(
                text,
                "The reservations of run {} stay in the database, with customer_email like \
                 'rush-{}-%'.",
                self.plan.run, self.plan.run
            );
        }
        text
    }

    /// The figures, each with its name.
    pub(super) fn lines(&self) -> Vec<(&'static str, String)> {
        let (report, answers) = (self.report, self.answers());
        let counts = &report.counts;
        let latency = |times: &Times| {
            format!(
                "p50 {} ms, p99 {} ms, p99.9 {} ms, longest {} ms",
                decimal(times.quantile_ms(0.5)),
                decimal(times.quantile_ms(0.99)),
                decimal(times.quantile_ms(0.999)),
                decimal(times.max_ms())
            )
        };
        let reasons: Vec<String> = counts
            .refused_by
            .iter()
            .map(|(code, count)| format!("{code} {}", figure(*count)))
            .collect();
        let reasons = if reasons.is_empty() {
            String::new()
        } else {
            format!(" ({})", reasons.join(", "))
        };
        let mut lines = vec![
            (
                "throughput",
                format!(
                    "{} buyers answered each second for {}; {} admitted each second until the last",
                    whole(self.per_second()),
                    length(report.elapsed),
                    whole(self.admitted_per_second())
                ),
            ),
            ("latency", latency(&answers)),
            ("admissions", latency(&report.admitted)),
            ("buyers' wait", latency(&report.waits)),
            (
                "buyers",
                format!(
                    "{} admitted with {} tickets, {} refused{reasons}",
                    figure(counts.admitted),
                    figure(report.tickets),
                    figure(counts.refused)
                ),
            ),
            (
                "list page",
                format!(
                    "p99 {} ms of {} visits; {} more failed",
                    decimal(report.pages.quantile_ms(0.99)),
                    figure(report.pages.count()),
                    figure(report.page_failures)
                ),
            ),
        ];
        lines.extend(self.troubles());
        lines.extend(self.server_lines());
        lines
    }

    /// Retries and their causes, if there were any.
    fn troubles(&self) -> Vec<(&'static str, String)> {
        let counts = &self.report.counts;
        let mut lines = Vec::new();
        if counts.unknown_resolved + counts.overloaded + counts.broken_connections > 0 {
            lines.push((
                "troubles",
                format!(
                    "{} outcomes unknown at first and resolved by asking again, {} told to come \
                     later, {} broken connections",
                    figure(counts.unknown_resolved),
                    figure(counts.overloaded),
                    figure(counts.broken_connections)
                ),
            ));
        }
        if counts.repeated + counts.abandoned > 0 {
            lines.push((
                "manners",
                format!(
                    "{} sent their request twice, {} answers were replays, {} hung up for good",
                    figure(counts.repeated),
                    figure(counts.replayed),
                    figure(counts.abandoned)
                ),
            ));
        }
        lines
    }

    /// What watchers and the server itself have shown.
    fn server_lines(&self) -> Vec<(&'static str, String)> {
        let (watched, observed) = (&self.report.watched, self.observed);
        let mut lines = Vec::new();
        if self.plan.watchers > 0 {
            let refused = watched
                .refused_with
                .map(|status| format!("; the feed answered {status}"));
            lines.push((
                "live feed",
                format!(
                    "{} of {} watchers, {} events, {} unreadable, {} times broken{}",
                    figure(watched.open_max),
                    figure(self.plan.watchers as u64),
                    figure(watched.events),
                    figure(watched.wrong_events),
                    figure(watched.broken),
                    refused.unwrap_or_default()
                ),
            ));
        }
        if let (Some(start), Some(end)) = (observed.memory_start(), observed.memory_end()) {
            let mebibytes = |bytes: u64| bytes / (1024 * 1024);
            lines.push((
                "server memory",
                format!(
                    "{} MiB before, {} MiB after",
                    figure(mebibytes(start)),
                    figure(mebibytes(end))
                ),
            ));
        }
        if let Some(mean) = observed.batch_size_mean() {
            lines.push((
                "batches",
                format!("{} requests each, on average", decimal(mean)),
            ));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measured_numbers_are_grouped_and_a_short_run_has_a_length() {
        assert_eq!(whole(12_345.6), "12,346");
        assert_eq!(decimal(12_345.67), "12,345.7");
        assert_eq!(decimal(0.04), "0.0");
        for (millis, text) in [
            (0, "1 ms"),
            (42, "42 ms"),
            (999, "999 ms"),
            (61_250, "61.3 s"),
        ] {
            assert_eq!(length(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn figures_are_grouped_by_thousands() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(figure(number), text);
        }
    }
}
