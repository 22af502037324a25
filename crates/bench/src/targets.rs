//! What the engine promises, beside what was measured. A miss is told as one.

use crate::cases::{Case, Measured};
use crate::memory::Memory;

/// One promise.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) wanted: String,
    pub(crate) measured: String,
    pub(crate) is_met: bool,
}

impl Target {
    fn at_least(what: impl Into<String>, wanted: f64, measured: f64, unit: &str) -> Self {
        Self {
            what: what.into(),
            wanted: format!("at least {wanted}{unit}"),
            measured: format!("{measured:.1}{unit}"),
            is_met: measured >= wanted,
        }
    }

    fn below_ms(what: impl Into<String>, wanted: f64, measured: f64) -> Self {
        Self {
            what: what.into(),
            wanted: format!("under {wanted} ms"),
            measured: format!("{measured:.1} ms"),
            is_met: measured < wanted,
        }
    }
}

/// The promises that one stage can be held to.
pub(crate) fn of_stage(measured: &Measured) -> Vec<Target> {
    let rate = |case| measured.median(case).per_second;
    let percent = |of: f64, whole: f64| 100.0 * of / whole.max(f64::EPSILON);
    let mut targets = vec![Target::at_least(
        "the plain way against pgbench, 20 at once: the reference is honest",
        80.0,
        percent(rate(Case::Plain(20)), rate(Case::Pgbench(20))),
        " %",
    )];
    for (buyers, times) in [(20, 6.0), (64, 10.0), (256, 15.0), (1_024, 15.0)] {
        let measured = rate(Case::Engine(buyers)) / rate(Case::Plain(buyers)).max(f64::EPSILON);
        let what = format!("engine against the plain way, {buyers} at once");
        targets.push(Target::at_least(what, times, measured, " times"));
    }
    let rates = [20, 64, 256, 1_024].map(|buyers| rate(Case::Engine(buyers)));
    let best = rates.into_iter().fold(0.0, f64::max);
    targets.push(Target::at_least(
        "engine, 1,024 at once, against its best crowd",
        90.0,
        percent(rate(Case::Engine(1_024)), best),
        " %",
    ));
    targets.push(Target::at_least(
        "engine, 256 at once, against the database alone",
        50.0,
        percent(rate(Case::Engine(256)), rate(Case::Batches)),
        " %",
    ));
    for (buyers, limit) in [(64, 25.0), (256, 60.0), (1_024, 200.0)] {
        let what = format!("p99 of an admitted request, {buyers} at once");
        let p99 = measured.median(Case::Engine(buyers)).p99_ms;
        targets.push(Target::below_ms(what, limit, p99));
    }
    targets.push(Target::at_least(
        "two servers against one, 256 at once at the same concert",
        80.0,
        percent(rate(Case::TwoServers(256)), rate(Case::Engine(256))),
        " %",
    ));
    targets.push(Target::at_least(
        "a single buyer, engine against the plain way",
        100.0,
        percent(rate(Case::Engine(1)), rate(Case::Plain(1))),
        " %",
    ));
    targets.push(Target::at_least(
        "refusals once sold out, without keys, against hello",
        70.0,
        percent(rate(Case::SoldOut), rate(Case::Hello)),
        " %",
    ));
    targets
}

/// With a full table against an empty one: the time per reservation must not depend on it.
pub(crate) fn of_size(empty: &Measured, full: &Measured) -> Target {
    let rate = |of: &Measured| of.median(Case::Engine(256)).per_second;
    Target {
        wanted: "no difference (at least 90 %)".to_owned(),
        ..Target::at_least(
            "engine, 256 at once, full table against the empty one",
            90.0,
            100.0 * rate(full) / rate(empty).max(f64::EPSILON),
            " %",
        )
    }
}

/// With a synchronous standby, where each COMMIT takes longer: what deciding together is for.
pub(crate) fn of_mirror(mirrored: &Measured) -> Target {
    let rate = |case| mirrored.median(case).per_second;
    Target::at_least(
        "engine against the plain way, 256 at once, with a synchronous standby behind 2 ms",
        30.0,
        rate(Case::Engine(256)) / rate(Case::Plain(256)).max(f64::EPSILON),
        " times",
    )
}

/// With the audit log against without it: what it may cost.
pub(crate) fn of_audit(on: &Measured, off: &Measured) -> Target {
    let rate = |of: &Measured| of.median(Case::Engine(256)).per_second;
    Target::at_least(
        "engine, 256 at once, with the audit log against without",
        60.0,
        100.0 * rate(on) / rate(off).max(f64::EPSILON),
        " %",
    )
}

pub(crate) fn of_memory(memory: &Memory) -> Target {
    Target {
        what: "the server's memory".to_owned(),
        wanted: "flat after the first crowd".to_owned(),
        measured: memory.describe(),
        is_met: memory.is_flat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_miss_is_told() {
        assert!(!Target::at_least("x", 6.0, 5.99, " times").is_met);
        assert!(Target::at_least("x", 6.0, 6.0, " times").is_met);
        assert!(!Target::below_ms("x", 25.0, 25.0).is_met);
    }
}
