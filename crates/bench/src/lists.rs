//! Lists with two read replicas and with none, alone and beside a rush: how many, and whose processor
//! time they take. What it means is told in `lists_document.rs`.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use postgres_local::Cluster;
use stagedoor::load::{self, Crowd, Hammered, Plan};

use crate::Extent;
use crate::cases::{WARM_UP, number, plan, sell};
use crate::cluster::{self, Ground, PLENTY};
use crate::figures::median;
use crate::machine::{self, PostgresTime};
use crate::server::{Server, Way};

/// Visitors at once.
const CONNECTIONS: usize = 64;
/// Buyers a second, whatever the answers: enough to be a rush, and few enough to leave the lists half
/// of the machine, so that what is left to them can be compared.
const RUSH_PER_SECOND: f64 = 2_000.0;
/// Buyers at once at most: so many that they come as often as they should when each has to wait.
const BUYERS: usize = 256;
/// A fifth of them is on sale and to come: more than the first page of either list holds, so that the
/// concerts that rushes add make no visit longer.
const CONCERTS: u32 = 400;
const RESERVATIONS: u64 = 2_000;
const REPLICAS: [&str; 2] = ["replica-one", "replica-two"];

/// What visitors ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visit {
    Page,
    Api,
}

/// Where lists are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// On a primary without standbys.
    Primary,
    /// On a primary whose two standbys stand by.
    Beside,
    /// On these standbys by turns.
    Replicas,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListCase {
    pub(crate) visit: Visit,
    pub(crate) in_rush: bool,
    pub(crate) source: Source,
}

/// In the order of a round. Where nothing is written, standbys that nobody reads have nothing to do.
pub(crate) fn all() -> impl Iterator<Item = ListCase> {
    let cases = [Visit::Page, Visit::Api].into_iter().flat_map(|visit| {
        [false, true].into_iter().flat_map(move |in_rush| {
            let sources = [Source::Primary, Source::Beside, Source::Replicas];
            sources.map(|source| ListCase {
                visit,
                in_rush,
                source,
            })
        })
    });
    cases.filter(|case| case.in_rush || case.source != Source::Beside)
}

impl fmt::Display for ListCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.visit {
            Visit::Page => "list page",
            Visit::Api => "`GET /api/v1/concerts`",
        })?;
        f.write_str(match self.source {
            Source::Primary => ", no replicas",
            Source::Beside => ", two replicas that serve nobody",
            Source::Replicas => ", two replicas",
        })?;
        f.write_str(if self.in_rush { ", beside a rush" } else { "" })
    }
}

/// How many cores something kept busy.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cores {
    pub(crate) server: f64,
    pub(crate) primary: f64,
    /// Both replicas' sessions.
    pub(crate) replicas: f64,
    /// Sending the log, receiving and replaying it.
    pub(crate) replication: f64,
    /// Visitors and buyers.
    pub(crate) load: f64,
}

/// One case in one round.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) sold_per_second: f64,
    pub(crate) cores: Cores,
    /// Visits that weren't answered with 200.
    pub(crate) others: u64,
    pub(crate) visits: u64,
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    pub(crate) cases: Vec<(ListCase, Vec<Figures>)>,
    /// Transactions that each replica ran for the server.
    pub(crate) spread: Vec<i64>,
}

impl Lists {
    /// Whether every case was measured, so that they can be compared.
    pub(crate) fn is_whole(&self) -> bool {
        self.cases.len() == all().count()
    }

    pub(crate) fn rounds(&self, case: ListCase) -> &[Figures] {
        let found = self.cases.iter().find(|(other, _)| *other == case);
        let rounds = found.map(|(_, rounds)| rounds.as_slice());
        rounds.unwrap_or_default()
    }

    /// The medians; nothing where the case wasn't measured.
    pub(crate) fn median(&self, case: ListCase) -> Figures {
        let rounds = self.rounds(case);
        let of = |read: fn(&Figures) -> f64| median(rounds.iter().map(read).collect());
        Figures {
            per_second: of(|round| round.per_second),
            p50_ms: of(|round| round.p50_ms),
            p99_ms: of(|round| round.p99_ms),
            sold_per_second: of(|round| round.sold_per_second),
            cores: Cores {
                server: of(|round| round.cores.server),
                primary: of(|round| round.cores.primary),
                replicas: of(|round| round.cores.replicas),
                replication: of(|round| round.cores.replication),
                load: of(|round| round.cores.load),
            },
            others: rounds.iter().map(|round| round.others).sum(),
            visits: rounds.iter().map(|round| round.visits).sum(),
        }
    }
}

pub(crate) fn chosen(only: &str) -> Vec<ListCase> {
    all()
        .filter(|case| case.to_string().contains(only))
        .collect()
}

/// Measures the cases by turns in every round.
pub(crate) async fn measure(cases: &[ListCase], extent: Extent) -> Result<Lists> {
    let mut lists = Lists::default();
    if cases.is_empty() {
        return Ok(lists);
    }
    let house = House::open().await?;
    lists.cases = cases.iter().map(|case| (*case, Vec::new())).collect();
    let begun = transactions(&house.replicated).await?;
    for round in 1..=extent.rounds {
        for (case, rounds) in &mut lists.cases {
            let figures = house.once(*case, extent.slice).await?;
            println!(
                "  round {round}: {case}: {:.0}/s, p99 {:.1} ms, {:.0} sold/s, {:.2?}",
                figures.per_second, figures.p99_ms, figures.sold_per_second, figures.cores
            );
            rounds.push(figures);
        }
    }
    let ended = transactions(&house.replicated).await?;
    let pairs = begun.iter().zip(ended);
    lists.spread = pairs.map(|(begun, ended)| ended - begun).collect();
    for ground in [&house.alone, &house.replicated] {
        ground.check_inventory().await?;
    }
    Ok(lists)
}

/// The same programme on two primaries, of which one has replicas, and a server for each source.
struct House {
    primary: Server,
    beside: Server,
    replicas: Server,
    alone: Ground,
    replicated: Ground,
}

impl House {
    async fn open() -> Result<Self> {
        let alone = Ground::prepare("alone").await?;
        let mut replicated = Ground::prepare("replicated").await?;
        for ground in [&alone, &replicated] {
            ground.seed(CONCERTS, RESERVATIONS).await?;
            ground.analyze().await?;
        }
        for name in REPLICAS {
            replicated.add_standby(name)?;
        }
        let urls = replicated.standby_urls();
        let house = Self {
            primary: Server::start(Way::Engine, &alone.url()).await?,
            beside: Server::start(Way::Engine, &replicated.url()).await?,
            replicas: Server::start_reading(Way::Engine, &replicated.url(), &urls).await?,
            alone,
            replicated,
        };
        for source in [Source::Primary, Source::Beside, Source::Replicas] {
            let (server, ground) = house.of(source);
            let concert = ground.plant(PLENTY).await?;
            sell(server, plan(server, concert, CONNECTIONS, WARM_UP)).await?;
            for visit in [Visit::Page, Visit::Api] {
                hammer(server, visit, WARM_UP).await?;
            }
        }
        for ground in [&house.alone, &house.replicated] {
            ground.checkpoint().await?;
        }
        Ok(house)
    }

    fn of(&self, source: Source) -> (&Server, &Ground) {
        match source {
            Source::Primary => (&self.primary, &self.alone),
            Source::Beside => (&self.beside, &self.replicated),
            Source::Replicas => (&self.replicas, &self.replicated),
        }
    }

    async fn once(&self, case: ListCase, time: Duration) -> Result<Figures> {
        let (server, ground) = self.of(case.source);
        let before = Used::read(server, ground)?;
        let crowd = if case.in_rush {
            let concert = ground.plant(PLENTY).await?;
            Some(Crowd::send(Plan {
                rate: Some(RUSH_PER_SECOND),
                ..plan(server, concert, BUYERS, time)
            })?)
        } else {
            None
        };
        let hammered = hammer(server, case.visit, time).await?;
        let mut sold_per_second = 0.0;
        if let Some(crowd) = crowd {
            let report = crowd.report().await?;
            sold_per_second = number(report.counts.admitted) / report.elapsed.as_secs_f64();
            ensure!(sold_per_second > 0.0, "nobody was admitted");
        }
        let after = Used::read(server, ground)?;
        Ok(Figures {
            per_second: hammered.per_second(),
            p50_ms: hammered.times.quantile_ms(0.5),
            p99_ms: hammered.times.quantile_ms(0.99),
            sold_per_second,
            cores: after.cores_since(&before),
            others: hammered.failures,
            visits: hammered.answers,
        })
    }
}

async fn hammer(server: &Server, visit: Visit, time: Duration) -> Result<Hammered> {
    let path = match visit {
        Visit::Page => "/en/",
        Visit::Api => "/api/v1/concerts",
    };
    let address = server.address;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
    let hammering = move || load::hammer(address, request.as_bytes(), CONNECTIONS, time);
    Ok(tokio::task::spawn_blocking(hammering).await??)
}

/// Processor time used so far.
struct Used {
    read_at: Instant,
    server_us: f64,
    load_us: f64,
    primary: PostgresTime,
    replicas: PostgresTime,
}

impl Used {
    fn read(server: &Server, ground: &Ground) -> Result<Self> {
        let mut replicas = PostgresTime::default();
        for standby in ground.standbys() {
            let time = postgres_time(standby)?;
            replicas.sessions_us += time.sessions_us;
            replicas.replication_us += time.replication_us;
        }
        Ok(Self {
            read_at: Instant::now(),
            server_us: server.processor_us()?,
            load_us: machine::processor_us(std::process::id())?,
            primary: postgres_time(ground.cluster())?,
            replicas,
        })
    }

    fn cores_since(&self, before: &Self) -> Cores {
        let time = self.read_at.duration_since(before.read_at);
        let of = |read: fn(&Self) -> f64| {
            let used_us = read(self) - read(before);
            used_us / 1_000_000.0 / time.as_secs_f64()
        };
        Cores {
            server: of(|used| used.server_us),
            primary: of(|used| used.primary.sessions_us),
            replicas: of(|used| used.replicas.sessions_us),
            replication: of(|used| used.primary.replication_us + used.replicas.replication_us),
            load: of(|used| used.load_us),
        }
    }
}

fn postgres_time(cluster: &Cluster) -> Result<PostgresTime> {
    let postmaster = cluster.postmaster()?.context("PostgreSQL has ended")?;
    machine::postgres_time(postmaster)
}

/// Transactions that ended in each replica's database.
async fn transactions(ground: &Ground) -> Result<Vec<i64>> {
    let mut counts = Vec::new();
    for standby in ground.standbys() {
        let database = ground.database();
        let postgres = cluster::connect(&standby.superuser_url(database)).await?;
        // Sessions tell their figures when they end, and else many seconds late.
        let end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                   WHERE usename = 'stagedoor_app'";
        postgres.batch_execute(end).await?;
        let statement = "SELECT xact_commit + xact_rollback FROM pg_stat_database
                         WHERE datname = current_database()";
        counts.push(postgres.query_one(statement, &[]).await?.get(0));
    }
    Ok(counts)
}
