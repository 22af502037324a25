//! What `doctor` finds at the server that runs on this machine, by asking its metrics address: whether
//! requests pile up in it.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Finding, Severity};
use crate::config::Config;

const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// Some hundred series are a hundredth of it.
const ANSWER_MAX: u64 = 16 * 1024 * 1024;
/// A queue that is still full a moment later is no burst.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Waiting requests that a buyer feels, and that are more than a server works off in time; the health page
/// has the same.
const WAITING_MANY: f64 = 5_000.0;
const WAITING_TOO_MANY: f64 = 10_000.0;

/// What piles up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Queues {
    admission: f64,
    writer: f64,
    reader: f64,
}

impl Queues {
    fn read(metrics: &str) -> Self {
        let value = |series: &str| {
            let lines = metrics.lines();
            let mut values =
                lines.filter_map(|line| line.strip_prefix(series)?.trim().parse().ok());
            values.next().unwrap_or_default()
        };
        Self {
            admission: value("stagedoor_admission_queue_depth "),
            writer: value("stagedoor_pool_waiting{pool=\"writer\"} "),
            reader: value("stagedoor_pool_waiting{pool=\"reader\"} "),
        }
    }

    /// What stood in both looks.
    fn least(self, later: Self) -> Self {
        Self {
            admission: self.admission.min(later.admission),
            writer: self.writer.min(later.writer),
            reader: self.reader.min(later.reader),
        }
    }

    const fn are_empty(self) -> bool {
        self.admission < WAITING_MANY && self.writer < 1.0 && self.reader < 1.0
    }
}

pub(super) async fn findings(config: &Config) -> Vec<Finding> {
    let address = config.web.metrics_listen;
    if is_nobody_there(address).await {
        let detail = format!("no server runs at {address}, so that nobody waits in it");
        return vec![Finding::good("queues", detail)];
    }
    let Some(queues) = look(address).await else {
        let detail =
            format!("{address} shows no metrics of ours, so that queues can't be looked at");
        let mend = "set STAGEDOOR_METRICS_LISTEN to where the server's metrics are; restart a \
                    server that hangs";
        return vec![Finding::unchecked("queues", detail, mend)];
    };
    judge(queues)
}

async fn is_nobody_there(address: SocketAddr) -> bool {
    let connected = tokio::time::timeout(ANSWERS_WITHIN, TcpStream::connect(address)).await;
    matches!(connected, Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused)
}

async fn look(address: SocketAddr) -> Option<Queues> {
    let first = Queues::read(&read_metrics(address).await?);
    if first.are_empty() {
        return Some(first);
    }
    tokio::time::sleep(LOOK_AGAIN_AFTER).await;
    let again = read_metrics(address).await?;
    Some(first.least(Queues::read(&again)))
}

async fn read_metrics(address: SocketAddr) -> Option<String> {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        // By HTTP/1.0 the answer ends with the connection.
        let request = format!("GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.take(ANSWER_MAX).read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(ANSWERS_WITHIN, asked)
        .await
        .ok()?
        .ok()?;
    // Whatever else listens there is no server of ours.
    answer.contains("\nstagedoor_").then_some(answer)
}

fn judge(queues: Queues) -> Vec<Finding> {
    let mut findings = Vec::new();
    if queues.admission >= WAITING_MANY {
        let severity = if queues.admission >= WAITING_TOO_MANY {
            Severity::Error
        } else {
            Severity::Warning
        };
        let detail = format!(
            "{} requests to reserve wait for an answer",
            queues.admission
        );
        let mend = "see who holds a row: psql \"$DATABASE_OWNER_URL\" -c \"SELECT pid, state, query FROM \
                    pg_stat_activity WHERE pid = ANY (SELECT unnest(pg_blocking_pids(pid)) FROM \
                    pg_stat_activity)\"; with nobody in the way it is a rush, and is worked off";
        findings.push(Finding::new("queues", severity, detail, mend));
    }
    for (pool, waiting) in [("writer", queues.writer), ("reader", queues.reader)] {
        if waiting >= 1.0 {
            let detail = format!("{waiting} requests wait for a connection of the pool {pool}");
            let mend = "see what its connections do: psql \"$DATABASE_OWNER_URL\" -c \"SELECT pid, state, \
                        wait_event, query FROM pg_stat_activity WHERE usename = 'stagedoor_app'\"";
            findings.push(Finding::new("queues", Severity::Error, detail, mend));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::good(
            "queues",
            "nobody waits long in the server of this machine",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_both_looks_is_told() {
        let text = |depth: u32, waiting: u32| {
            format!(
                "# TYPE stagedoor_pool_waiting gauge\nstagedoor_pool_waiting{{pool=\"writer\"}} {waiting}\n\
                 stagedoor_admission_queue_depth {depth}\n"
            )
        };
        let read = |depth, waiting| Queues::read(&text(depth, waiting));
        let severities = |queues| -> Vec<Severity> {
            judge(queues)
                .iter()
                .map(|finding| finding.severity)
                .collect()
        };
        assert!(read(4_999, 0).are_empty() && !read(0, 1).are_empty());
        assert_eq!(severities(read(0, 0)), [Severity::Info]);
        assert_eq!(severities(read(6_000, 0)), [Severity::Warning]);
        assert_eq!(severities(read(12_000, 3)), [Severity::Error; 2]);
        assert_eq!(
            severities(read(12_000, 3).least(read(10, 0))),
            [Severity::Info]
        );
    }
}
