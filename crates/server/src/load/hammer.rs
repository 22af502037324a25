//! The same request over and over: what a server and this generator can do at most.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use tokio::task::{JoinSet, LocalSet};
use tokio::time::Instant;

use super::connection::Connection;
use super::tally::Times;

/// What came back.
#[derive(Clone, Debug)]
pub struct Hammered {
    pub answers: u64,
    /// Answers of another class than 2xx.
    pub failures: u64,
    pub elapsed: Duration,
    pub times: Times,
}

impl Hammered {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    pub fn per_second(&self) -> f64 {
        self.answers as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
}

/// Sends one request again and again on so many connections for so long, on a thread of its own.
///
/// Any error on any connection ends it: this measures, it doesn't survive.
pub fn hammer(
    address: SocketAddr,
    request: &[u8],
    connections: usize,
    duration: Duration,
) -> io::Result<Hammered> {
    let work = || -> io::Result<Hammered> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(LocalSet::new().run_until(run(address, request, connections, duration)))
    };
    let joined = thread::scope(|scope| scope.spawn(work).join());
    joined.unwrap_or_else(|_| Err(io::Error::other("the measuring thread ended early")))
}

async fn run(
    address: SocketAddr,
    request: &[u8],
    connections: usize,
    duration: Duration,
) -> io::Result<Hammered> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let started = Instant::now();
    let until = started + duration;
    let mut tasks = JoinSet::new();
    for connection in open {
        tasks.spawn_local(repeat(connection, request.to_vec(), until));
    }
    let mut sum = Hammered {
        answers: 0,
        failures: 0,
        elapsed: Duration::ZERO,
        times: Times::default(),
    };
    while let Some(ended) = tasks.join_next().await {
        let (times, failures) = ended.map_err(io::Error::other)??;
        sum.answers += times.count();
        sum.failures += failures;
        sum.times.add(&times);
    }
    sum.elapsed = started.elapsed();
    Ok(sum)
}

async fn repeat(
    mut connection: Connection,
    request: Vec<u8>,
    until: Instant,
) -> io::Result<(Times, u64)> {
    let (mut times, mut failures) = (Times::default(), 0);
    let mut now = Instant::now();
    while now < until {
        let answer = connection.exchange(&request).await?;
        failures += u64::from(!(200..300).contains(&answer.status));
        let ended = Instant::now();
        times.record(ended - now);
        now = ended;
    }
    Ok((times, failures))
}
