//! The benchmark: the reservation engine against the plain way through the same server, against
//! pgbench and against the database alone, in one run on one machine. Not shipped.
//!
//! Every way is measured in turn, again and again, so that whatever else a machine does hits all
//! alike; the document has the medians.

mod batches;
mod cases;
mod cluster;
mod distance;
mod document;
mod figures;
mod lists;
mod lists_document;
mod machine;
mod memory;
mod mirror;
mod pgbench;
mod plain;
mod server;
mod targets;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use app::Ctx;
use cases::{Case, Site};
use clap::{Parser, Subcommand};
use cluster::Ground;
use document::{Document, Stage};
use mirror::RoundTrip;
use server::Way;

#[derive(Debug, Parser)]
#[command(
    name = "bench",
    about = "Measures the reservation engine; see docs/performance.md"
)]
struct Arguments {
    /// Some minutes: few and short rounds, for a first impression
    #[arg(long)]
    quick: bool,

    /// Everything also in a database with 5 million reservations, by turns
    #[arg(long)]
    long: bool,

    /// Only the cases with this in their name, such as "20 at once", "synchronous standby"
    /// or "list page"; writes no document
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,

    /// Only the memory of a server through so many crowds of buyers; writes no document
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["long", "only", "output"])]
    crowds: Option<usize>,

    /// Where the document goes; nowhere without it
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(subcommand)]
    part: Option<Part>,
}

/// What this program starts itself again as.
#[derive(Clone, Copy, Debug, Subcommand)]
enum Part {
    /// The server as it is
    #[command(hide = true)]
    ServeEngine,
    /// The same server with the plain way in the engine's place
    #[command(hide = true)]
    ServePlain,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Extent {
    rounds: usize,
    /// For each case in each round.
    slice: Duration,
    /// Buyers between two looks at a server's memory.
    memory_buyers: u32,
}

const QUICK: Extent = Extent {
    rounds: 2,
    slice: Duration::from_millis(1_200),
    memory_buyers: 20_000,
};
const FULL: Extent = Extent {
    rounds: 5,
    slice: Duration::from_secs(4),
    memory_buyers: 100_000,
};
/// More reservations than a large hall sells in ten years.
const LONG_RESERVATIONS: u64 = 5_000_000;
const LONG_CONCERTS: u32 = 1_000;
/// What the audit log's cost is measured by.
const AUDITED: Case = Case::Engine(256);

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.part {
        Some(Part::ServeEngine) => server::serve(Way::Engine).await,
        Some(Part::ServePlain) => server::serve(Way::Plain).await,
        None => measure(&arguments).await,
    }
}

async fn measure(arguments: &Arguments) -> Result<()> {
    let extent = if arguments.quick { QUICK } else { FULL };
    let only = arguments.only.as_deref().unwrap_or("");
    let (measured_at, load) = (Ctx::system().now(), machine::load());
    let ground = Ground::prepare("primary").await?;
    println!("{}", ground.describe());
    if let Some(crowds) = arguments.crowds {
        memory::watch(&ground, extent.memory_buyers, crowds).await?;
        return Ok(());
    }
    let (sites, round_trip) = sites(&ground, arguments.long, only).await?;
    let list_cases = lists::chosen(only);
    ensure!(
        !sites.is_empty() || !list_cases.is_empty(),
        "no case has {only:?} in its name"
    );
    let stages = stages(sites, extent).await?;
    let lists = lists::measure(&list_cases, extent).await?;
    if arguments.only.is_some() {
        for Stage { title, measured } in &stages {
            println!("\nWith {title}:\n\n{}", document::table_of_cases(measured));
        }
        println!("\n{}", lists.section());
        return Ok(());
    }
    let memory = memory::watch(&ground, extent.memory_buyers, memory::CROWDS).await?;
    let output = arguments.output.as_deref();
    // A document that isn't there yet has no section of others.
    let kept = output.and_then(|path| std::fs::read_to_string(path).ok());
    let document = Document {
        measured_at,
        load,
        command: command(arguments),
        extent,
        ground: &ground,
        stages: &stages,
        round_trip: round_trip.as_ref(),
        lists: &lists,
        memory: &memory,
        others: kept.as_deref().map(document::others_of).unwrap_or_default(),
    };
    let text = document.render();
    println!("\n{text}");
    if let Some(path) = output {
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

/// What to type to measure the same again.
fn command(arguments: &Arguments) -> String {
    let flags = [(arguments.quick, "--quick"), (arguments.long, "--long")];
    let given: Vec<&str> = flags
        .into_iter()
        .filter_map(|(is_given, flag)| is_given.then_some(flag))
        .collect();
    if given.is_empty() {
        "make bench".to_owned()
    } else {
        format!("make bench ARGS='{}'", given.join(" "))
    }
}

/// Every database at which something was chosen, and how far away the standby of one of them is.
async fn sites(
    ground: &Ground,
    is_long: bool,
    only: &str,
) -> Result<(Vec<Site>, Option<RoundTrip>)> {
    let (mut sites, mut round_trip) = (Vec::new(), None);
    let site = |title, ground, cases| Site {
        title,
        ground,
        cases,
    };
    let cases = cases::chosen(document::EMPTY, &cases::ALL, only);
    if !cases.is_empty() {
        let empty = ground.beside("stagedoor_empty").await?;
        sites.push(site(document::EMPTY, empty, cases));
    }
    let cases = cases::chosen(document::UNLOGGED, &[AUDITED], only);
    if !cases.is_empty() {
        let unlogged = ground.beside("stagedoor_unlogged").await?;
        unlogged.stop_audit().await?;
        sites.push(site(document::UNLOGGED, unlogged, cases));
    }
    let cases = cases::chosen(document::MIRRORED, &cases::MIRRORED, only);
    if !cases.is_empty() {
        let (mirrored, measured) = mirror::prepare().await?;
        println!("- Standby: {measured}.");
        sites.push(site(document::MIRRORED, mirrored, cases));
        round_trip = Some(measured);
    }
    let cases = cases::chosen(document::FULL, &cases::ALL, only);
    if is_long && !cases.is_empty() {
        let full = ground.beside("stagedoor_full").await?;
        let took = full.seed(LONG_CONCERTS, LONG_RESERVATIONS).await?;
        println!("seeded {LONG_RESERVATIONS} reservations in {took:.0?}");
        sites.push(site(document::FULL, full, cases));
    }
    Ok((sites, round_trip))
}

/// What was measured at every database; a benchmark that oversold is none.
async fn stages(sites: Vec<Site>, extent: Extent) -> Result<Vec<Stage>> {
    let measured = cases::measure(&sites, extent).await?;
    let mut stages = Vec::new();
    for (site, measured) in sites.iter().zip(measured) {
        site.ground.check_inventory().await?;
        let title = site.title;
        stages.push(Stage { title, measured });
    }
    Ok(stages)
}
