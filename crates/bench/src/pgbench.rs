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

/// So many clients, prepared statements, for so long.
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
        .arg(format!("--time={}", duration.as_secs().max(1)))
        .arg(format!("--define=concert={concert}"))
        .arg(ground.url())
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
    read(&String::from_utf8_lossy(&output.stdout)).context("pgbench's report")
}

/// From `tps = 1234.5 (without …)` and `latency average = 12.3 ms`.
fn read(report: &str) -> Option<Figures> {
    let number = |name: &str| -> Option<f64> {
        let (_, rest) = report.split_once(name)?;
        rest.split_whitespace().next()?.parse().ok()
    };
    Some(Figures {
        per_second: number("tps = ")?,
        p50_ms: number("latency average = ")?,
        ..Figures::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_read() {
        let report = "number of clients: 20\nlatency average = 13.250 ms\n\
                      tps = 1509.433962 (without initial connection time)\n";
        let figures = read(report).unwrap();
        assert!((figures.per_second - 1_509.434).abs() < 0.01);
        assert!((figures.p50_ms - 13.25).abs() < 0.01);
        assert_eq!(read("pgbench: error"), None);
    }
}
