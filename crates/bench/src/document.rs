//! `docs/performance.md`: what was measured, how, and what was promised.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::Extent;
use crate::cases::Measured;
use crate::cluster::Ground;
use crate::figures::Rounds;
use crate::lists::Lists;
use crate::memory::Memory;
use crate::mirror::RoundTrip;
use crate::targets::{self, Target};

/// What is special about each database.
pub(crate) const EMPTY: &str = "an empty table";
pub(crate) const UNLOGGED: &str = "the audit log off";
pub(crate) const MIRRORED: &str = "a synchronous standby behind a round trip of 2 ms";
pub(crate) const FULL: &str = "5 million reservations in the table";

/// All cases on a table in one state.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) title: &'static str,
    pub(crate) measured: Measured,
}

/// Everything that the document tells.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    pub(crate) measured_at: Timestamp,
    /// What others kept the machine busy with when it began.
    pub(crate) load: f64,
    pub(crate) command: String,
    pub(crate) extent: Extent,
    pub(crate) ground: &'a Ground,
    pub(crate) stages: &'a [Stage],
    pub(crate) round_trip: Option<&'a RoundTrip>,
    pub(crate) lists: &'a Lists,
    pub(crate) memory: &'a Memory,
    /// The sections that other commands write, as they were.
    pub(crate) others: Vec<String>,
}

/// What other commands write: `make test-cluster` and `make test-millions`.
const OTHERS: [&str; 2] = [
    "## Failover\n",
    "## Common queries with 5 million reservations\n",
];

/// The sections of other commands in a document that is about to be written anew.
pub(crate) fn others_of(document: &str) -> Vec<String> {
    let section = |heading: &&str| {
        let from = document.find(heading)?;
        let section = &document[from..];
        let until = section[heading.len()..].find("\n## ");
        let until = until.map_or(section.len(), |at| heading.len() + at);
        Some(section[..until].trim_end().to_owned())
    };
    OTHERS.iter().filter_map(section).collect()
}

const METHOD: &str = "\
## Method

- One concert is hot: every buyer wants one ticket of it, with an e-mail address and an \
`Idempotency-Key` of their own, over keep-alive HTTP/1.1 on loopback; it never sells out within a \
case, unless the case is about that.
- *Engine* is the server as it is. *Plain way* is the same server, in whose engine's place each \
buyer gets a transaction: lock the concert, look up key and limit, take the ticket, write \
reservation and receipt, commit; what doesn't depend on each other is sent together. It exists in \
the benchmark alone.
- *pgbench* sends the plain way's statements without any server, prepared. *The database alone* \
sends the engine's batches, 512 buyers each, on one connection without HTTP, queue and decision.
- *Two servers* share the database; each gets half of the buyers. *Hello* is `GET /healthz`; it and \
refusals without keys repeat one request, refusals with keys send a new key each time.
- *The audit log off* is a database whose triggers are disabled. Everywhere else row-level security, \
the audit log and its sealing are on, as they are in the product.
- *A synchronous standby* is a second PostgreSQL on this machine, as durable as the first, whose \
log comes through a proxy of the benchmark that holds back each way by 1 ms and nothing else. A \
COMMIT waits until the standby has it on its disk.
- Servers are processes of their own, and so is PostgreSQL; they and the load generator share all \
cores of the machine, so that the figures are lower than with the buyers elsewhere.
- All cases take turns within a round, and the databases within a case. A figure is the median of \
all rounds; a latency is the median of the rounds' percentiles, right to one percent.
- A checkpoint is made before the first round and none after it, as on a server that makes one in \
half an hour: after it PostgreSQL writes every page whole that is changed for the first time, which \
the first round pays for. Before each round the tables are analysed.
- Durations count from the first buyer to the last answer. At the end the inventory was checked: \
nothing was oversold.
";

impl Document<'_> {
    pub(crate) fn render(&self) -> String {
        let mut text = format!(
            "# Performance\n\n\
             Written by `make bench`, and its last section by `make test-cluster`; not edited by \
             hand.\n\n\
             - Measured at {:.0} with `{}`: {} rounds, {} s for each case in each; \
             the machine's load before was {:.1}.\n{}\n\n\
             ## Targets\n\n{}",
            self.measured_at,
            self.command,
            self.extent.rounds,
            self.extent.slice.as_secs_f64(),
            self.load,
            self.ground.describe(),
            self.targets(),
        );
        for stage in self.stages {
            let _ = write!(
                text,
                "\n## With {}\n\n{}",
                stage.title,
                table_of_cases(&stage.measured)
            );
            if let Some(round_trip) = self.round_trip.filter(|_| stage.title == MIRRORED) {
                let _ = writeln!(text, "\nThe standby: {round_trip}.");
            }
        }
        let _ = write!(text, "\n{}", self.lists.section());
        let _ = write!(
            text,
            "\n## Memory\n\nThe server's process with the engine, 256 at once: {}.\n\n{METHOD}",
            self.memory.describe()
        );
        for section in &self.others {
            let _ = writeln!(text, "\n{section}");
        }
        text
    }

    fn targets(&self) -> String {
        let mut text = String::new();
        let whole = self.stages.iter().filter(|stage| stage.measured.is_whole());
        for stage in whole {
            let _ = write!(text, "With {}:\n\n", stage.title);
            text.push_str(&table(&targets::of_stage(&stage.measured)));
            text.push('\n');
        }
        let mut besides = vec![targets::of_memory(self.memory)];
        let of = |title| {
            let mut stages = self.stages.iter();
            let found = stages.find(|stage| stage.title == title);
            found.map(|stage| &stage.measured)
        };
        if let Some(mirrored) = of(MIRRORED) {
            besides.push(targets::of_mirror(mirrored));
        }
        if let Some(empty) = of(EMPTY) {
            besides.extend(of(UNLOGGED).map(|unlogged| targets::of_audit(empty, unlogged)));
            besides.extend(of(FULL).map(|full| targets::of_size(empty, full)));
        }
        let _ = write!(text, "Besides:\n\n{}", table(&besides));
        text
    }
}

fn table(targets: &[Target]) -> String {
    let mut text = "| what | target | measured | |\n|---|---|---|---|\n".to_owned();
    for target in targets {
        let verdict = if target.is_met { "met" } else { "**missed**" };
        let Target {
            what,
            wanted,
            measured,
            ..
        } = target;
        let _ = writeln!(text, "| {what} | {wanted} | {measured} | {verdict} |");
    }
    text
}

pub(crate) fn table_of_cases(measured: &Measured) -> String {
    let mut text = "| case | per second | slowest and fastest round | p50 ms | p99 ms | server's \
                    processor time each, µs | buyers in a batch | other answers |\n\
                    |---|--:|--:|--:|--:|--:|--:|--:|\n"
        .to_owned();
    for (case, rounds) in measured.iter() {
        let _ = writeln!(text, "| {case} | {} |", figures(rounds));
    }
    text
}

fn figures(rounds: &Rounds) -> String {
    let (median, (least, most)) = (rounds.median(), rounds.range());
    let or_dash = |value: f64, digits: usize| {
        if value > 0.0 {
            format!("{value:.digits$}")
        } else {
            "–".to_owned()
        }
    };
    [
        format!("{:.0}", median.per_second),
        format!("{least:.0}–{most:.0}"),
        or_dash(median.p50_ms, 1),
        or_dash(median.p99_ms, 1),
        or_dash(median.server_us, 0),
        or_dash(median.per_batch, 0),
        median.others.to_string(),
    ]
    .join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_commands_sections_are_kept() {
        let queries = "## Common queries with 5 million reservations\n\nfast";
        for (document, sections) in [
            ("# P\n\n## Method\n\nso\n".to_owned(), vec![]),
            (
                "# P\n\n## Failover\n\nso\n".to_owned(),
                vec!["## Failover\n\nso"],
            ),
            (
                format!("{queries}\n\n## Failover\n\nso\n\n## More\n"),
                vec!["## Failover\n\nso", queries],
            ),
        ] {
            assert_eq!(others_of(&document), sections, "{document}");
        }
    }
}
