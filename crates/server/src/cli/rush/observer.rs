//! What the private server tells of itself during a run: its memory, and how large its batches are.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::server::Server;
use crate::load::Connection;

const LOOK_EVERY: Duration = Duration::from_millis(250);
/// So many looks make a chart; from then on they are taken half as often, and so on.
const LOOKS_FINE: usize = 1_200;
/// Metrics are a few hundred lines of text.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
const BATCH_SIZE: &str = "stagedoor_admission_batch_size";

/// One look at the server.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Look {
    pub(super) at: Duration,
    pub(super) memory_bytes: u64,
    /// Batches decided since its start, and requests in them.
    pub(super) batches: f64,
    pub(super) batched: f64,
}

/// All that was seen of the server.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Observed {
    pub(super) looks: Vec<Look>,
    /// Quantiles of the size, or batches by their size, as the server publishes them.
    pub(super) batch_sizes: Vec<(String, f64)>,
}

impl Observed {
    pub(super) fn memory_start(&self) -> Option<u64> {
        self.looks.first().map(|look| look.memory_bytes)
    }

    pub(super) fn memory_end(&self) -> Option<u64> {
        self.looks.last().map(|look| look.memory_bytes)
    }

    /// Requests per batch, over the whole run.
    pub(super) fn batch_size_mean(&self) -> Option<f64> {
        let look = self.looks.last()?;
        (look.batches > 0.0).then(|| look.batched / look.batches)
    }
}

/// Looks at the server again and again until it is dropped.
pub(super) async fn observe(
    server: &Server,
    metrics: SocketAddr,
    started: Instant,
    observed: &mut Observed,
) -> Infallible {
    let (mut every, mut coarser_at) = (LOOK_EVERY, LOOKS_FINE);
    loop {
        look(server, metrics, started, observed).await;
        if observed.looks.len() >= coarser_at {
            every *= 2;
            coarser_at += LOOKS_FINE / 2;
        }
        tokio::time::sleep(every).await;
    }
}

/// One look; nothing is noted when the server has no memory any more, for it has ended.
pub(super) async fn look(
    server: &Server,
    metrics: SocketAddr,
    started: Instant,
    observed: &mut Observed,
) {
    let Some(memory_bytes) = server.memory_bytes() else {
        return;
    };
    let text = tokio::time::timeout(ANSWER_WITHIN, scrape(metrics)).await;
    let text = text.ok().flatten().unwrap_or_default();
    let figure = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim().parse().ok())
            .unwrap_or_default()
    };
    observed.looks.push(Look {
        at: started.elapsed(),
        memory_bytes,
        batches: figure(&format!("{BATCH_SIZE}_count ")),
        batched: figure(&format!("{BATCH_SIZE}_sum ")),
    });
    let sizes = batch_sizes(&text);
    if !sizes.is_empty() {
        observed.batch_sizes = sizes;
    }
}

async fn scrape(address: SocketAddr) -> Option<String> {
    let mut connection = Connection::open(address).await.ok()?;
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\n\r\n");
    let answer = connection.exchange(request.as_bytes()).await.ok()?;
    String::from_utf8(answer.body.to_vec()).ok()
}

/// `quantile="0.5"` lines as they are, or from `_bucket{le="16"}` lines how many batches had up to
/// that size and more than the one before.
fn batch_sizes(text: &str) -> Vec<(String, f64)> {
    let labelled = |mark: &'static str| {
        text.lines().filter_map(move |line| {
            let rest = line.strip_prefix(BATCH_SIZE)?.strip_prefix(mark)?;
            let (label, value) = rest.split_once("\"}")?;
            Some((label, value.trim().parse::<f64>().ok()?))
        })
    };
    let quantiles =
        labelled("{quantile=\"").map(|(share, size)| (format!("quantile {share}"), size));
    let mut below = 0.0;
    let buckets = labelled("_bucket{le=\"").map(|(most, count)| {
        let inside = count - below;
        below = count;
        let name = match most {
            "+Inf" => "batches of more".to_owned(),
            most => format!("batches of up to {most}"),
        };
        (name, inside)
    });
    quantiles.chain(buckets).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_sizes_are_read_from_summaries_and_from_histograms() {
        let summary = "# TYPE stagedoor_admission_batch_size summary\n\
            stagedoor_admission_batch_size{quantile=\"0.5\"} 12\n\
            stagedoor_admission_batch_size_sum 300\n";
        assert_eq!(batch_sizes(summary), [("quantile 0.5".to_owned(), 12.0)]);
        let histogram = "stagedoor_admission_batch_size_bucket{le=\"8\"} 30\n\
            stagedoor_admission_batch_size_bucket{le=\"16\"} 40\n\
            stagedoor_admission_batch_size_bucket{le=\"+Inf\"} 41\n";
        let expected = [
            ("batches of up to 8", 30.0),
            ("batches of up to 16", 10.0),
            ("batches of more", 1.0),
        ];
        let expected = expected.map(|(label, size)| (label.to_owned(), size));
        assert_eq!(batch_sizes(histogram), expected);
    }
}
