//! Whether a server's memory stays flat while buyers go through it.

use anyhow::{Context as _, Result};
use stagedoor::load::{Crowd, Plan};

use crate::cluster::{Ground, PLENTY};
use crate::server::{Server, Way};

/// Buyers at once.
const CONCURRENCY: usize = 256;
/// How often so many buyers come. What the first crowd needs is kept for those after it, so that the
/// comparison begins behind it, with two halves of as many crowds.
pub(crate) const CROWDS: usize = 25;
/// A server that keeps nothing may still differ by what its allocator has not given back; the mean of
/// half of all crowds evens that out from look to look.
const GROWTH_MAX: f64 = 1.05;

/// What a server held before the first buyer and after each crowd, in MB.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    pub(crate) buyers: u32,
    pub(crate) before_mb: f64,
    pub(crate) after_mb: Vec<f64>,
}

impl Memory {
    /// Whether, of the crowds after the first, the later left the server as the earlier did.
    pub(crate) fn is_flat(&self) -> bool {
        let (_, warm) = self.after_mb.split_at(self.after_mb.len().min(1));
        let (earlier, later) = warm.split_at(warm.len() / 2);
        mean(later) <= mean(earlier) * GROWTH_MAX
    }

    pub(crate) fn describe(&self) -> String {
        let after: Vec<String> = self.after_mb.iter().map(|mb| format!("{mb:.1}")).collect();
        format!(
            "{:.1} MB at rest; after each of {} crowds of {} buyers {} MB",
            self.before_mb,
            after.len(),
            self.buyers,
            after.join(", "),
        )
    }
}

fn mean(values: &[f64]) -> f64 {
    let count = u32::try_from(values.len()).unwrap_or(u32::MAX).max(1);
    values.iter().sum::<f64>() / f64::from(count)
}

/// Sends crowds through a fresh server.
pub(crate) async fn watch(ground: &Ground, buyers: u32, crowds: usize) -> Result<Memory> {
    let server = Server::start(Way::Engine, &ground.url()).await?;
    let before_mb = server.resident_mb()?;
    let mut after_mb = Vec::new();
    for crowd in 0..crowds {
        let concert = ground.plant(PLENTY).await?;
        let plan = Plan {
            concurrency: CONCURRENCY,
            ..Plan::new(server.address, concert.get(), buyers, format!("m{crowd}"))
        };
        let report = Crowd::send(plan)?.report().await?;
        anyhow::ensure!(
            report.counts.admitted == u64::from(buyers),
            "{:?}",
            report.counts
        );
        let held_mb = server.resident_mb().context("the server's memory")?;
        println!("memory after crowd {}: {held_mb:.1} MB", crowd + 1);
        after_mb.push(held_mb);
    }
    let memory = Memory {
        buyers,
        before_mb,
        after_mb,
    };
    println!("\nmemory: {}", memory.describe());
    Ok(memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_grows_with_every_crowd_is_not_flat() {
        let memory = |after_mb: &[f64]| Memory {
            buyers: 1,
            before_mb: 10.0,
            after_mb: after_mb.to_vec(),
        };
        assert!(memory(&[30.0, 40.0, 44.0, 41.0, 43.0]).is_flat());
        assert!(!memory(&[39.0, 40.0, 43.0, 46.0, 49.0]).is_flat());
    }
}
