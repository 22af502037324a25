//! The benchmark: the reservation engine against the plain way through the same server, against
//! pgbench and against the database alone, in one run on one machine. Not shipped.
//!
//! Every way is measured in turn, again and again, so that whatever else a machine does hits all
//! alike; the document has the medians.

mod batches;
mod cases;
mod cluster;
mod document;
mod figures;
mod machine;
mod memory;
mod pgbench;
mod plain;
mod server;
mod targets;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use app::Ctx;
use cases::Case;
use clap::{Parser, Subcommand};
use cluster::Ground;
use document::{Document, Stage};
use server::Way;

#[derive(Debug, Parser)]
#[command(
    name = "bench",
    about = "Measures the reservation engine; see docs/performance.md"
)]
struct Arguments {
    /// About a minute: few and short rounds, for a first impression
    #[arg(long)]
    quick: bool,

    /// Everything also in a database with 5 million reservations, by turns
    #[arg(long)]
    long: bool,

    /// Only the cases with this in their name, such as "20 at once"; writes no document
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
    let (measured_at, load) = (Ctx::system().now(), machine::load());
    let ground = Ground::prepare().await?;
    println!("{}", ground.describe());
    if let Some(crowds) = arguments.crowds {
        memory::watch(&ground, extent.memory_buyers, crowds).await?;
        return Ok(());
    }
    let unlogged = ground.beside("stagedoor_unlogged").await?;
    unlogged.stop_audit().await?;
    let mut grounds = vec![
        ("an empty table", &ground, None),
        ("the audit log off", &unlogged, Some(AUDITED)),
    ];
    let full;
    if arguments.long {
        full = ground.beside("stagedoor_full").await?;
        let took = full.seed(LONG_CONCERTS, LONG_RESERVATIONS).await?;
        println!("seeded {LONG_RESERVATIONS} reservations in {took:.0?}");
        grounds.push(("5 million reservations in the table", &full, None));
    }
    let stages = stages(&grounds, extent, arguments.only.as_deref().unwrap_or("")).await?;
    if arguments.only.is_some() {
        for Stage { title, measured } in &stages {
            println!("\nWith {title}:\n\n{}", document::table_of_cases(measured));
        }
        return Ok(());
    }
    let memory = memory::watch(&ground, extent.memory_buyers, memory::CROWDS).await?;
    let document = Document {
        measured_at,
        load,
        command: command(arguments),
        extent,
        ground: &ground,
        stages: &stages,
        memory: &memory,
    };
    let text = document.render();
    println!("\n{text}");
    if let Some(path) = &arguments.output {
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

/// Every database with what was measured at it; a benchmark that oversold is none.
async fn stages(
    grounds: &[(&'static str, &Ground, Option<Case>)],
    extent: Extent,
    only: &str,
) -> Result<Vec<Stage>> {
    let databases: Vec<_> = grounds
        .iter()
        .map(|(_, ground, case)| (*ground, *case))
        .collect();
    let measured = cases::measure(&databases, extent, only).await?;
    let mut stages = Vec::new();
    for ((title, ground, _), measured) in grounds.iter().zip(measured) {
        ground.check_inventory().await?;
        stages.push(Stage { title, measured });
    }
    Ok(stages)
}
