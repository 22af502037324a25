//! A synchronous standby that is a distance away, as in another hall: every COMMIT waits for it.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use postgres_local::Cluster;
use tokio::time::sleep;
use tokio_postgres::Client;

use crate::cluster::{self, Ground};
use crate::distance;
use crate::figures::median;

/// How the primary knows it.
const NAME: &str = "mirror";
const EACH_WAY: Duration = Duration::from_millis(1);
/// PostgreSQL looks for its primary anew every five seconds.
const STREAMS_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Small commits by which the round trip is told; each takes some milliseconds.
const COMMITS: usize = 100;
/// What a clock or a median may be off by.
const ROUND_TRIP_MS_MIN: f64 = 1.9;

/// What a COMMIT waits for, in medians.
#[derive(Clone, Debug)]
pub(crate) struct RoundTrip {
    standby: String,
    /// A word to PostgreSQL and back, through the distance.
    word_ms: f64,
    commit_ms: f64,
    /// The same without waiting for the standby.
    local_ms: f64,
    /// What PostgreSQL itself tells in `pg_stat_replication`.
    flush_lag_ms: f64,
}

impl fmt::Display for RoundTrip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            standby,
            word_ms,
            commit_ms,
            local_ms,
            flush_lag_ms,
        } = self;
        let round_trip_ms = commit_ms - local_ms;
        write!(
            f,
            "{standby}, behind {} ms each way, where a word to PostgreSQL and back takes \
             {word_ms:.1} ms; the smallest COMMIT takes {commit_ms:.1} ms, and {local_ms:.1} ms \
             without waiting for the standby, so that its flush round trip is {round_trip_ms:.1} ms \
             (medians of {COMMITS}); `pg_stat_replication` says {flush_lag_ms:.1} ms",
            EACH_WAY.as_millis(),
        )
    }
}

/// A database on a cluster of its own, with such a standby, and how far away that is.
pub(crate) async fn prepare() -> Result<(Ground, RoundTrip)> {
    let mut ground = Ground::prepare("mirrored").await?;
    let primary_port = ground.cluster().port();
    let standby = ground.add_standby(NAME)?;
    let port = distance::before(primary_port, EACH_WAY)?;
    lead_through(standby, primary_port, port).await?;
    let superuser = ground.superuser();
    superuser
        .batch_execute(&format!(
            "ALTER SYSTEM SET synchronous_standby_names = '{NAME}'"
        ))
        .await?;
    superuser.batch_execute("SELECT pg_reload_conf()").await?;
    let streams = format!(
        "SELECT EXISTS (SELECT FROM pg_stat_replication
                        WHERE application_name = '{NAME}' AND state = 'streaming'
                          AND sync_state = 'sync')"
    );
    wait_until(superuser, &streams).await?;
    let round_trip = measure(&ground, port).await?;
    Ok((ground, round_trip))
}

/// Sends what the standby and its primary tell each other through the distance.
async fn lead_through(standby: &Cluster, primary_port: u16, port: u16) -> Result<()> {
    let postgres = cluster::connect(&standby.superuser_url("postgres")).await?;
    let direct: String = postgres
        .query_one("SHOW primary_conninfo", &[])
        .await?
        .get(0);
    let detour = direct.replace(&format!("port={primary_port}"), &format!("port={port}"));
    ensure!(detour != direct, "the primary's port isn't where it was");
    // Quotes in it are doubled for ALTER SYSTEM, which takes no parameters.
    let detour = detour.replace('\'', "''");
    let lead = format!("ALTER SYSTEM SET primary_conninfo = '{detour}'");
    postgres.batch_execute(&lead).await?;
    postgres.batch_execute("SELECT pg_reload_conf()").await?;
    let streams = format!(
        "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver
                        WHERE status = 'streaming' AND sender_port = {port})"
    );
    wait_until(&postgres, &streams).await
}

async fn wait_until(postgres: &Client, question: &str) -> Result<()> {
    let begun = Instant::now();
    loop {
        if postgres.query_one(question, &[]).await?.get(0) {
            return Ok(());
        }
        ensure!(begun.elapsed() < STREAMS_WITHIN, "still not: {question}");
        sleep(LOOK_EVERY).await;
    }
}

async fn measure(ground: &Ground, port: u16) -> Result<RoundTrip> {
    let superuser = ground.superuser();
    let commit_ms = commits(superuser, "on").await?;
    let local_ms = commits(superuser, "local").await?;
    let (standby, flush_lag_ms) = look(superuser).await?;
    ensure!(
        commit_ms - local_ms >= ROUND_TRIP_MS_MIN,
        "a COMMIT of {commit_ms} ms, {local_ms} ms of them here, didn't wait for the standby"
    );
    Ok(RoundTrip {
        standby,
        word_ms: words(ground, port).await?,
        commit_ms,
        local_ms,
        flush_lag_ms,
    })
}

/// How long the smallest question takes through the distance.
async fn words(ground: &Ground, port: u16) -> Result<f64> {
    let cluster = ground.cluster();
    let direct = cluster.superuser_url("postgres");
    let detour = direct.replace(&format!(":{}/", cluster.port()), &format!(":{port}/"));
    let postgres = cluster::connect(&detour).await?;
    let mut times = Vec::with_capacity(COMMITS);
    for _ in 0..COMMITS {
        let begun = Instant::now();
        postgres.batch_execute("").await?;
        times.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(median(times))
}

/// How long a COMMIT that writes hardly anything takes.
async fn commits(superuser: &Client, synchronous: &str) -> Result<f64> {
    let set = format!("SET synchronous_commit = '{synchronous}'");
    superuser.batch_execute(&set).await?;
    let mut times = Vec::with_capacity(COMMITS);
    for _ in 0..COMMITS {
        superuser.batch_execute("BEGIN").await?;
        superuser
            .batch_execute("SELECT pg_logical_emit_message(true, 'bench', '')")
            .await?;
        let begun = Instant::now();
        superuser.batch_execute("COMMIT").await?;
        times.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    superuser.batch_execute("RESET synchronous_commit").await?;
    Ok(median(times))
}

/// How the standby confirms, and the flush lag that the primary tells.
async fn look(superuser: &Client) -> Result<(String, f64)> {
    let statement = "SELECT format('`synchronous_standby_names = %s`, `sync_state = %s`',
                                   current_setting('synchronous_standby_names'), sync_state),
                            extract(epoch FROM flush_lag)::float8 * 1000
                     FROM pg_stat_replication WHERE sync_state = 'sync'";
    // It is told a moment after commits, and forgotten when there are none.
    let begun = Instant::now();
    while begun.elapsed() < STREAMS_WITHIN {
        commits(superuser, "on").await?;
        let row = superuser.query_opt(statement, &[]).await?;
        let row = row.context("the standby has gone")?;
        if let Some(flush_lag_ms) = row.get(1) {
            return Ok((row.get(0), flush_lag_ms));
        }
    }
    anyhow::bail!("the primary doesn't tell the standby's lag")
}
