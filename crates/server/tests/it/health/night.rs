//! A simulated bad night: a real system, a real Prometheus with the rules as they are shipped, and faults
//! that come one on top of the other. What must be told of it is written in docs/operations.md, which this
//! test reads, and to which it adds the log.

mod house;
mod list;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use house::{House, TICKETS};
use list::{Fault, Foreseen, LOG, List, clock, document};
use watch::{EVERY_S, Log, Prometheus};

/// A machine that does much else may take so many times as long as is written.
const PATIENCE: u32 = 2;
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// All that a night came to.
struct Outcome {
    log: Log,
    mended: BTreeMap<Fault, Duration>,
    rush: Value,
    /// Of the buyers who come all night: told yes, told otherwise.
    evening: (u32, u32),
    /// Rows, tickets left, tickets taken.
    rows: (i64, i64, i64),
}

impl Outcome {
    /// From when on an alert has time to end.
    fn ends_from(&self, list: &List, foreseen: &Foreseen) -> Duration {
        if foreseen.ends_by_itself {
            list.begins(foreseen.of)
        } else {
            self.mended[&foreseen.of]
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a night of some 20 minutes, as root: `make test-night`"]
async fn a_bad_night_is_told_by_the_alerts_that_were_foreseen() {
    let list = List::read();
    let Some(house) = House::open().await else {
        return;
    };
    let outcome = spend(&list, house).await;
    let section = render(&list, &outcome);
    println!("{section}");
    judge(&list, &outcome);
    if std::env::var_os("STAGEDOOR_TEST_UPDATE").is_some() {
        write(&section);
    }
}

async fn spend(list: &List, mut house: House) -> Outcome {
    let prometheus = Prometheus::start(&house.server, &house.worker).await;
    let mut log = Log::begin();
    let mut mended = BTreeMap::new();
    for step in &list.steps {
        while log.now() < step.at {
            log.look(&prometheus).await;
            sleep(LOOK_EVERY).await;
        }
        log.note(format!("**{}**", step.text));
        house.begin(step.fault).await;
        if step.fault == Fault::Mended {
            for fault in list.faults() {
                house.mend(fault).await;
                mended.insert(fault, log.now());
                log.look(&prometheus).await;
            }
        }
    }
    let longest = list.alerts.iter().map(|foreseen| foreseen.ends).max();
    let until = log.now() + longest.unwrap_or_default() * PATIENCE;
    while !log.is_quiet() && log.now() < until {
        log.look(&prometheus).await;
        sleep(LOOK_EVERY).await;
    }
    let rush = house.rushed().await;
    let evening = house.evening.end().await;
    let rows = house.sold().await;
    log.note("the end".to_owned());
    Outcome {
        log,
        mended,
        rush,
        evening,
        rows,
    }
}

fn judge(list: &List, outcome: &Outcome) {
    let fired = outcome.log.fired();
    let told: BTreeSet<&str> = fired.iter().map(|(name, _)| *name).collect();
    let foreseen = list.alerts.iter().map(|foreseen| foreseen.alert.as_str());
    assert_eq!(told, foreseen.collect(), "exactly what was foreseen");
    let mut wrong = String::new();
    for (name, told) in &fired {
        let foreseen = list.find(name).unwrap();
        let begun = list.begins(foreseen.of);
        let fired = told.fired.unwrap();
        if told.urgency != foreseen.urgency || told.times != 1 {
            writeln!(wrong, "{name}: {told:?} instead of {foreseen:?}").unwrap();
        }
        if fired < begun || fired > begun + foreseen.told * PATIENCE {
            writeln!(wrong, "{name} was told at {}", clock(fired)).unwrap();
        }
        let from = outcome.ends_from(list, foreseen);
        let limit = from + foreseen.ends * PATIENCE;
        if told.ended.is_none_or(|ended| ended < from || ended > limit) {
            let ended = told.ended.map(clock);
            writeln!(wrong, "{name} has ended at {ended:?}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    let rush = &outcome.rush;
    assert_eq!(rush["ok"], true, "{rush}");
    for key in ["oversold", "lost", "doubled", "unanswered"] {
        assert_eq!(rush[key], 0, "{key}: {rush}");
    }
    let (sold, failed) = outcome.evening;
    let (rows, left, taken) = outcome.rows;
    assert_eq!(failed, 0, "of {sold} buyers");
    assert_eq!(rows, i64::from(sold), "a row for each yes");
    assert_eq!(left + taken, i64::from(TICKETS));
}

fn render(list: &List, outcome: &Outcome) -> String {
    let log = &outcome.log;
    let mut text = format!(
        "{LOG}\n\n\
         Written by `make test-night` on {}: PostgreSQL, its replica, a server, a worker and Prometheus, which \
         asks and evaluates every {EVERY_S} s; the database's disk is one in memory.\n\n\
         | minute | what happened |\n|--:|---|\n",
        machine()
    );
    for (at, what) in &log.lines {
        writeln!(text, "| {} | {what} |", clock(*at)).unwrap();
    }
    render_alerts(&mut text, list, outcome);
    render_sales(&mut text, outcome);
    text
}

/// Of each alert how long it took, beside what was foreseen.
fn render_alerts(text: &mut String, list: &List, outcome: &Outcome) {
    text.push_str(
        "\nThe alerts in order of urgency, with the time since their fault began or was mended:\n\n\
         | alert (urgency) | tells of | pending after | told after | foreseen | ended after | foreseen |\n\
         |---|---|--:|--:|--:|--:|--:|\n",
    );
    for (name, told) in outcome.log.fired() {
        let Some(foreseen) = list.find(name) else {
            writeln!(text, "| `{name}` ({}) | nobody foresaw it |", told.urgency).unwrap();
            continue;
        };
        let begun = list.begins(foreseen.of);
        let since = |at: Option<Duration>, from: Duration| {
            at.map_or("never".to_owned(), |at| clock(at.saturating_sub(from)))
        };
        let of: Vec<_> = told.of.iter().map(|of| format!(" `{of}`")).collect();
        writeln!(
            text,
            "| `{name}` ({}) | {}{} | {} | {} | {} | {} | {} |",
            told.urgency,
            format!("{:?}", foreseen.of).to_lowercase(),
            of.concat(),
            since(told.pending, begun),
            since(told.fired, begun),
            clock(foreseen.told),
            since(told.ended, outcome.ends_from(list, foreseen)),
            clock(foreseen.ends),
        )
        .unwrap();
    }
    let pending = outcome.log.told.iter();
    let pending = pending.filter(|(_, told)| told.fired.is_none());
    let pending: Vec<_> = pending.map(|(name, _)| format!("`{name}`")).collect();
    if !pending.is_empty() {
        let pending = pending.join(", ");
        writeln!(
            text,
            "\nPending for a while, and gone before their time: {pending}."
        )
        .unwrap();
    }
}

fn render_sales(text: &mut String, outcome: &Outcome) {
    let (sold, failed) = outcome.evening;
    let rush = &outcome.rush;
    writeln!(
        text,
        "\nOf the buyers who came all night {sold} were told yes and {failed} anything else; the database has \
         {} reservations of them. The rush: {} buyers got tickets, {} were refused because none were left, \
         {} a second; p50 {} ms, p99 {} ms; oversold {}, lost {}, doubled {}, without an answer {}.",
        outcome.rows.0,
        rush["admitted"],
        rush["refused"],
        rush["per_second"],
        rush["p50_ms"],
        rush["p99_ms"],
        rush["oversold"],
        rush["lost"],
        rush["doubled"],
        rush["unanswered"],
    )
    .unwrap();
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|kib| kib.trim().trim_end_matches(" kB").parse::<u64>().ok());
    let gib = kib.unwrap_or_default().div_ceil(1024 * 1024);
    format!("one machine of {cores} cores and {gib} GB")
}

/// Puts the log into the document, in place of the one that was there.
fn write(section: &str) {
    let path = document();
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(LOG).unwrap();
    let (_, behind) = rest.split_once("\n## ").unwrap();
    let text = format!("{before}{}\n\n## {behind}", section.trim_end());
    std::fs::write(path, text).unwrap();
}
