//! The lists' section of the document: the table, and what its numbers explain.

use std::fmt::Write as _;

use crate::figures::median;
use crate::lists::{Figures, ListCase, Lists, Source, Visit};

const INTRODUCTION: &str = "\
64 visitors ask for the list again and again: the page in HTML, and `GET /api/v1/concerts` with its \
50 concerts. A rush is 2,000 buyers a second of one concert, in an open loop. Without replicas there \
are no standbys at all; two replicas are standbys that follow asynchronously, on this machine too, \
and share its cores with everything else. The last columns tell how many cores each part kept busy: \
the server, PostgreSQL's sessions at the primary and at the replicas, sending and replaying the log, \
and the load generator.
";

impl Lists {
    /// The table, and what it means when it is whole.
    pub(crate) fn section(&self) -> String {
        if self.cases.is_empty() {
            return String::new();
        }
        let explanation = if self.is_whole() {
            self.explanation()
        } else {
            String::new()
        };
        format!(
            "## Lists with two replicas and with none\n\n{INTRODUCTION}\n{}\n{explanation}",
            self.table(),
        )
    }

    fn table(&self) -> String {
        let mut text = "| case | per second | slowest and fastest round | p50 ms | p99 ms | sold a \
                        second | server | primary | replicas | replication | load | other answers |\n\
                        |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
            .to_owned();
        for (case, rounds) in &self.cases {
            let rates = rounds.iter().map(|round| round.per_second);
            let least = rates.clone().fold(f64::INFINITY, f64::min);
            let most = rates.fold(0.0, f64::max);
            let Figures {
                per_second,
                p50_ms,
                p99_ms,
                sold_per_second,
                cores,
                others,
                ..
            } = self.median(*case);
            let sold = if case.in_rush {
                format!("{sold_per_second:.0}")
            } else {
                "–".to_owned()
            };
            let _ = writeln!(
                text,
                "| {case} | {per_second:.0} | {least:.0}–{most:.0} | {p50_ms:.1} | {p99_ms:.1} | \
                 {sold} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {others} |",
                cores.server, cores.primary, cores.replicas, cores.replication, cores.load
            );
        }
        text
    }

    /// What the figures say about this machine, and about one each.
    fn explanation(&self) -> String {
        let mut text = String::new();
        for (visit, name) in [
            (Visit::Page, "the page"),
            (Visit::Api, "`GET /api/v1/concerts`"),
        ] {
            let _ = writeln!(text, "- {}", self.here(visit, name));
        }
        for (visit, name) in [
            (Visit::Page, "the page"),
            (Visit::Api, "`GET /api/v1/concerts`"),
        ] {
            let _ = writeln!(text, "- {}", self.elsewhere(visit, name));
        }
        let _ = writeln!(text, "- {}", self.replay());
        let _ = writeln!(text, "- {}", self.turns());
        text
    }

    fn of(&self, visit: Visit, in_rush: bool, source: Source) -> Figures {
        self.median(ListCase {
            visit,
            in_rush,
            source,
        })
    }

    fn here(&self, visit: Visit, name: &str) -> String {
        let (alone, with) = (
            self.of(visit, false, Source::Primary),
            self.of(visit, false, Source::Replicas),
        );
        let (server, primary) = (
            each_us(alone.cores.server, &alone),
            each_us(alone.cores.primary, &alone),
        );
        let whole = server + primary;
        let whole_with = each_us(with.cores.server, &with)
            + each_us(with.cores.primary + with.cores.replicas, &with);
        let busy = alone.cores.server + alone.cores.primary + alone.cores.load;
        let change = |in_rush| self.change(visit, in_rush, Source::Primary, Source::Replicas);
        format!(
            "On one machine two replicas change the rate of {name} by {} alone and by {} beside a \
             rush. A visit takes {server:.0} µs of processor time of the server and {primary:.0} µs \
             of PostgreSQL, which is {:.0} % of both together; alone they and the load generator keep \
             {busy:.1} cores busy. Replicas bring no cores along here, and a visit takes both \
             together {whole:.0} µs without them and {whole_with:.0} µs with them: where every core \
             is busy they change the rate of a quiet house by {:+.0} %, and in a rush the log is \
             replayed besides.",
            change(false),
            change(true),
            percent(primary, whole),
            percent(whole, whole_with) - 100.0,
        )
    }

    fn elsewhere(&self, visit: Visit, name: &str) -> String {
        let (alone, with) = (
            self.of(visit, false, Source::Primary),
            self.of(visit, false, Source::Replicas),
        );
        let (server, primary) = (
            each_us(alone.cores.server, &alone),
            each_us(alone.cores.primary, &alone),
        );
        let moved = primary - each_us(with.cores.primary, &with);
        let sold = self.sold_us();
        format!(
            "With a machine each: {name} takes {moved:.0} of its {primary:.0} µs off the primary, \
             which is {:.2} of its cores at 1,000 visits a second. A reservation in a rush takes the \
             primary {sold:.0} µs, so that each 1,000 visits a second that leave it make room for \
             {:.0} more reservations a second. By the same figures one core of a primary serves {:.0} \
             visits a second and one core of servers {:.0}: it takes {:.1} cores of servers to keep \
             one of the primary busy with them.",
            moved / 1_000.0,
            1_000.0 * moved / sold.max(f64::EPSILON),
            1_000_000.0 / primary.max(f64::EPSILON),
            1_000_000.0 / server.max(f64::EPSILON),
            server / primary.max(f64::EPSILON),
        )
    }

    /// The primary's processor time for each reservation, told where it serves no lists.
    fn sold_us(&self) -> f64 {
        let rush = self.of(Visit::Page, true, Source::Replicas);
        1_000_000.0 * rush.cores.primary / rush.sold_per_second.max(f64::EPSILON)
    }

    fn replay(&self) -> String {
        let rush = self.of(Visit::Page, true, Source::Replicas);
        format!(
            "Sending the log of a reservation to two replicas and replaying it there takes {:.0} µs \
             of all three together. Two replicas that serve nobody change the rate of the page beside \
             a rush by {}: that is what following costs; reading from them then changes it by {}.",
            1_000_000.0 * rush.cores.replication / rush.sold_per_second.max(f64::EPSILON),
            self.change(Visit::Page, true, Source::Primary, Source::Beside),
            self.change(Visit::Page, true, Source::Beside, Source::Replicas),
        )
    }

    /// By how much the rate differs within a round, in the middle and at most: what the machine does
    /// besides changes from round to round.
    fn change(&self, visit: Visit, in_rush: bool, from: Source, to: Source) -> String {
        let rounds = |source| {
            self.rounds(ListCase {
                visit,
                in_rush,
                source,
            })
        };
        let pairs = rounds(from).iter().zip(rounds(to));
        let changes = pairs.map(|(from, to)| percent(to.per_second, from.per_second) - 100.0);
        let changes: Vec<f64> = changes.collect();
        let least = changes.iter().copied().fold(f64::INFINITY, f64::min);
        let most = changes.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!(
            "{:+.0} % ({least:+.0} to {most:+.0} % from round to round)",
            median(changes)
        )
    }

    fn turns(&self) -> String {
        let visits: u64 = {
            let cases = self.cases.iter();
            let read = cases.filter(|(case, _)| case.source == Source::Replicas);
            read.map(|(case, _)| self.median(*case).visits).sum()
        };
        let spread: Vec<String> = self.spread.iter().map(ToString::to_string).collect();
        format!(
            "The replicas took turns: for {visits} visits they ran {} transactions (a visit of the \
             page is three statements, one of the API one; looks at each replica come besides).",
            spread.join(" and ")
        )
    }
}

/// Processor time for each visit, in microseconds.
fn each_us(cores: f64, figures: &Figures) -> f64 {
    1_000_000.0 * cores / figures.per_second.max(f64::EPSILON)
}

fn percent(of: f64, whole: f64) -> f64 {
    100.0 * of / whole.max(f64::EPSILON)
}
