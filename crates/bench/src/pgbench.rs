//! The plain way's statements without a server: what PostgreSQL gives one transaction per buyer.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use domain::id::ConcertId;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::cluster::Ground;
use crate::figures::Figures;

const SCRIPT: &str = include_str!("pgbench.sql");

/// Connections and their caches are new each time; servers were warmed up too.
const WARM_UP_SECONDS: u64 = 1;

/// So many clients, prepared statements, for so long after warming up.
pub(crate) async fn run(
    ground: &Ground,
    concert: ConcertId,
    clients: usize,
    duration: Duration,
) -> Result<Figures> {
    let mut child = Command::new(ground.programs().path("pgbench"))
        .args(["--no-vacuum", "--protocol=prepared", "--file=-", "--jobs=2"])
        .arg(format!("--client={clients}"))
        // Whole seconds are all that pgbench knows.
        .arg(format!(
            "--time={}",
            WARM_UP_SECONDS + duration.as_secs().max(1)
        ))
        .arg("--progress=1")
        .arg(format!("--define=concert={concert}"))
        .envs(ground.environment())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("pgbench, which comes with PostgreSQL's server programs")?;
    let mut stdin = child.stdin.take().context("pgbench's stdin")?;
    stdin.write_all(SCRIPT.as_bytes()).await?;
    drop(stdin);
    let output = child.wait_with_output().await?;
    if !output.status.success() {
        bail!("pgbench: {}", String::from_utf8_lossy(&output.stderr));
    }
    read(&String::from_utf8_lossy(&output.stderr)).context("pgbench's progress")
}

/// From `progress: 2.0 s, 1234.5 tps, lat 13.2 ms stddev …`, one line a second.
fn read(progress: &str) -> Option<Figures> {
    let number = |line: &str, place: usize| line.split(' ').nth(place)?.parse::<f64>().ok();
    let seconds: Vec<(f64, f64)> = progress
        .lines()
        .filter(|line| line.starts_with("progress: "))
        .skip(usize::try_from(WARM_UP_SECONDS).ok()?)
        .filter_map(|line| Some((number(line, 3)?, number(line, 6)?)))
        .collect();
    let count = f64::from(
        u32::try_from(seconds.len())
            .ok()
            .filter(|count| *count > 0)?,
    );
    Some(Figures {
        per_second: seconds.iter().map(|(tps, _)| tps).sum::<f64>() / count,
        p50_ms: seconds.iter().map(|(_, latency)| latency).sum::<f64>() / count,
        ..Figures::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seconds_after_the_first_are_read() {
        let progress = "pgbench: warning\n\
            progress: 1.0 s, 100.0 tps, lat 150.0 ms stddev 50.0, 0 failed\n\
            progress: 2.0 s, 1500.0 tps, lat 13.5 ms stddev 2.0, 0 failed\n\
            progress: 3.0 s, 1600.0 tps, lat 12.5 ms stddev 2.0, 0 failed\n";
        let figures = read(progress).unwrap();
        assert!((figures.per_second - 1_550.0).abs() < 0.01);
        assert!((figures.p50_ms - 13.0).abs() < 0.01);
        assert_eq!(read("pgbench: error"), None);
    }
}
