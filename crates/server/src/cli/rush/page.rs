//! The report as one self-contained page: it asks for nothing, and opens without a network.

use std::fs;
use std::path::Path;

use app::Ctx;
use askama::Template;

use super::super::CliError;
use super::chart::{Chart, Measured, Series, number};
use super::summary::{Summary, figure};
use super::verdict::Check;
use crate::load::Sample;

const MEBIBYTE: f64 = 1024.0 * 1024.0;

#[derive(Template)]
#[template(path = "rush.html")]
struct ReportPage<'a> {
    is_ok: bool,
    checks: &'a [Check],
    faults: &'a [String],
    tiles: Vec<(&'static str, String)>,
    figures: Vec<(&'static str, String)>,
    charts: Vec<Chart>,
    batch_sizes: Vec<(&'a String, String)>,
    settings: Vec<(&'static str, String)>,
    machine: Vec<(&'static str, String)>,
    written_at: String,
}

/// Makes sure that the file can be written, before anything is measured. An older report stays until
/// there is a new one.
pub(super) fn reserve(path: &Path) -> Result<(), CliError> {
    let mut options = fs::OpenOptions::new();
    let opened = options.append(true).create(true).open(path);
    opened.map(drop).map_err(|error| {
        CliError::Usage(format!("can't write --report {}: {error}", path.display()))
    })
}

pub(super) fn write(path: &Path, summary: &Summary<'_>) -> Result<(), CliError> {
    let checks = summary.verdict.checks();
    let batch_sizes = summary.observed.batch_sizes.iter();
    let page = ReportPage {
        is_ok: summary.verdict.is_ok(),
        checks: &checks,
        faults: &summary.verdict.faults,
        tiles: tiles(summary),
        figures: summary.lines(),
        charts: charts(summary),
        batch_sizes: batch_sizes
            .map(|(name, size)| (name, number(*size)))
            .collect(),
        settings: settings(summary),
        machine: machine(summary),
        written_at: Ctx::system()
            .now()
            .strftime("%Y-%m-%d %H:%M UTC")
            .to_string(),
    };
    let failed = |error: &(dyn std::error::Error + 'static)| {
        CliError::failed(format!("can't write {}", path.display()), error)
    };
    let html = page.render().map_err(|error| failed(&error))?;
    fs::write(path, html).map_err(|error| failed(&error))
}

fn tiles(summary: &Summary<'_>) -> Vec<(&'static str, String)> {
    let (counts, answers) = (&summary.report.counts, summary.answers());
    let millis = |time: f64| format!("{} ms", number(time));
    vec![
        ("admitted", figure(counts.admitted)),
        ("refused", figure(counts.refused)),
        ("answers a second", number(summary.per_second())),
        ("median answer", millis(answers.quantile_ms(0.5))),
        ("99 % of answers within", millis(answers.quantile_ms(0.99))),
        (
            "99 % of list pages within",
            millis(summary.report.pages.quantile_ms(0.99)),
        ),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn charts(summary: &Summary<'_>) -> Vec<Chart> {
    let samples = with_start(&summary.report.samples);
    let moments: Vec<f64> = samples
        .iter()
        .map(|sample| sample.at.as_secs_f64())
        .collect();
    let series = |name, value: &dyn Fn(&Sample) -> Option<f64>| Series {
        name,
        is_sparse: false,
        values: samples.iter().map(value).collect(),
    };
    let timed = |time: f64| (time > 0.0).then_some(time);
    let sold = Measured {
        title: "Sold over time",
        unit: "tickets and buyers",
        moments: moments.clone(),
        series: vec![
            series("tickets sold", &|sample| Some(sample.tickets as f64)),
            series("buyers refused", &|sample| Some(sample.refused as f64)),
        ],
    };
    let latency = Measured {
        title: "Waiting for an answer",
        unit: "milliseconds",
        moments,
        series: vec![
            series("99 % within", &|sample| timed(sample.p99_ms)),
            series("median", &|sample| timed(sample.p50_ms)),
            Series {
                is_sparse: true,
                ..series("list page, 99 %", &|sample| timed(sample.page_p99_ms))
            },
        ],
    };
    let mut measured = vec![sold, latency];
    measured.extend(server_charts(summary));
    measured.into_iter().filter_map(Measured::draw).collect()
}

/// The samples with the moment before everything.
fn with_start(samples: &[Sample]) -> Vec<Sample> {
    std::iter::once(Sample::default())
        .chain(samples.iter().copied())
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "memory far below 2^52 bytes")]
fn server_charts(summary: &Summary<'_>) -> [Measured; 2] {
    let looks = &summary.observed.looks;
    let moments: Vec<f64> = looks.iter().map(|look| look.at.as_secs_f64()).collect();
    let between = looks.windows(2).map(|pair| match pair {
        [before, after] if after.batches > before.batches => {
            Some((after.batched - before.batched) / (after.batches - before.batches))
        }
        _ => None,
    });
    let batches = Measured {
        title: "Requests decided together",
        unit: "requests in a batch, on average",
        moments: moments.clone(),
        series: vec![Series {
            name: "batch size",
            is_sparse: false,
            values: std::iter::once(None).chain(between).collect(),
        }],
    };
    let memory = looks
        .iter()
        .map(|look| Some(look.memory_bytes as f64 / MEBIBYTE));
    let memory = Measured {
        title: "The server's memory",
        unit: "MiB",
        moments,
        series: vec![Series {
            name: "in RAM",
            is_sparse: false,
            values: memory.collect(),
        }],
    };
    [batches, memory]
}

fn settings(summary: &Summary<'_>) -> Vec<(&'static str, String)> {
    let plan = summary.plan;
    let percent = |share: f64| format!("{} %", number(share * 100.0));
    let seconds = |time: std::time::Duration| format!("{} s", number(time.as_secs_f64()));
    let concerts: Vec<String> = plan.concerts.iter().map(ToString::to_string).collect();
    let quantity = match (plan.quantity.start(), plan.quantity.end()) {
        (least, most) if least == most => least.to_string(),
        (least, most) => format!("{least} to {most}"),
    };
    vec![
        ("run", plan.run.clone()),
        (
            "system",
            if summary.is_private {
                "private: PostgreSQL and server of the run's own, every commit on disk".to_owned()
            } else {
                format!("the server at http://{}", plan.host)
            },
        ),
        ("buyers who came", figure(summary.report.fates.len() as u64)),
        ("at once", figure(plan.concurrency as u64)),
        ("concerts", concerts.join(", ")),
        ("tickets a buyer wants", quantity),
        (
            "arrivals",
            plan.rate.map_or_else(
                || "the next when one is done".to_owned(),
                |rate| format!("{} a second, whatever the answers", number(rate)),
            ),
        ),
        ("thinking time", seconds(plan.think)),
        ("hang up for good", percent(plan.abandon)),
        ("send their request twice", percent(plan.repeat)),
        ("watchers of the live feed", figure(plan.watchers as u64)),
        ("patience", seconds(plan.patience)),
        ("seed", plan.seed.to_string()),
    ]
}

/// What it ran on; names and paths of the machine stay out.
fn machine(summary: &Summary<'_>) -> Vec<(&'static str, String)> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory_kibibytes = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    let gibibytes = memory_kibibytes.map(|size| format!("{} GiB", number(size / 1024.0 / 1024.0)));
    let unknown = || "unknown".to_owned();
    vec![
        ("cores", cores.to_string()),
        ("memory", gibibytes.unwrap_or_else(unknown)),
        ("kernel", kernel.trim().to_owned()),
        ("PostgreSQL", summary.postgres_version.clone()),
        ("stagedoor", env!("CARGO_PKG_VERSION").to_owned()),
    ]
}
