//! The cases, each measured once in every round, one after the other.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, ensure};
use domain::id::ConcertId;
use stagedoor::load::{self, Crowd, Plan, Report};

use crate::cluster::{Ground, PLENTY};
use crate::figures::{Figures, Rounds};
use crate::server::{Server, Way};
use crate::{Extent, batches, pgbench};

/// What is measured; numbers are buyers at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Engine(usize),
    Plain(usize),
    Pgbench(usize),
    Batches,
    /// Two servers with the engine, half of the buyers at each.
    TwoServers(usize),
    /// `GET /healthz`: what server and client can do at most.
    Hello,
    SoldOut,
    SoldOutWithKeys,
}

/// In the order of a round: what is compared stands side by side.
pub(crate) const ALL: [Case; 16] = [
    Case::Engine(1),
    Case::Plain(1),
    Case::Engine(20),
    Case::Plain(20),
    Case::Pgbench(20),
    Case::Engine(64),
    Case::Plain(64),
    Case::Engine(256),
    Case::TwoServers(256),
    Case::Batches,
    Case::Plain(256),
    Case::Engine(1_024),
    Case::Plain(1_024),
    Case::Hello,
    Case::SoldOut,
    Case::SoldOutWithKeys,
];

/// At a database whose every COMMIT waits for a standby: what depends on how long that takes.
pub(crate) const MIRRORED: [Case; 4] = [
    Case::Engine(64),
    Case::Plain(64),
    Case::Engine(256),
    Case::Plain(256),
];

/// At once, where nothing is sold.
const CONNECTIONS: usize = 256;
/// Every server is warm before anything counts: connections made, statements prepared.
pub(crate) const WARM_UP: Duration = Duration::from_millis(500);

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine(buyers) => write!(f, "engine, {buyers} at once"),
            Self::Plain(buyers) => write!(f, "plain way, {buyers} at once"),
            Self::Pgbench(clients) => write!(f, "pgbench, {clients} clients"),
            Self::Batches => f.write_str("the database alone, one connection"),
            Self::TwoServers(buyers) => write!(f, "two servers with the engine, {buyers} at once"),
            Self::Hello => write!(f, "hello, {CONNECTIONS} at once"),
            Self::SoldOut => write!(
                f,
                "refused as sold out, without keys, {CONNECTIONS} at once"
            ),
            Self::SoldOutWithKeys => {
                write!(f, "refused as sold out, with keys, {CONNECTIONS} at once")
            }
        }
    }
}

/// All cases with their rounds.
#[derive(Clone, Debug)]
pub(crate) struct Measured(Vec<(Case, Rounds)>);

impl Measured {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(Case, Rounds)> {
        self.0.iter()
    }

    /// Whether every case was measured.
    pub(crate) fn is_whole(&self) -> bool {
        self.0.len() == ALL.len()
    }

    fn rounds(&mut self, case: Case) -> Option<&mut Rounds> {
        let found = self.0.iter_mut().find(|(other, _)| *other == case);
        found.map(|(_, rounds)| rounds)
    }

    pub(crate) fn median(&self, case: Case) -> Figures {
        let found = self.0.iter().find(|(other, _)| *other == case);
        found.map_or_else(Figures::default, |(_, rounds)| rounds.median())
    }
}

/// A database, and what is measured at it.
#[derive(Debug)]
pub(crate) struct Site {
    /// What is special about it, as in "with …".
    pub(crate) title: &'static str,
    pub(crate) ground: Ground,
    pub(crate) cases: Vec<Case>,
}

/// Those of the cases at a database that have `only` in their name.
pub(crate) fn chosen(title: &str, cases: &[Case], only: &str) -> Vec<Case> {
    let is_chosen = |case: &&Case| format!("{case}, with {title}").contains(only);
    cases.iter().filter(is_chosen).copied().collect()
}

struct Servers {
    engine: Server,
    second: Server,
    plain: Server,
}

impl Servers {
    /// Servers of this database alone, warm.
    async fn start(ground: &Ground) -> Result<Self> {
        let url = ground.url();
        let servers = Self {
            engine: Server::start(Way::Engine, &url).await?,
            second: Server::start(Way::Engine, &url).await?,
            plain: Server::start(Way::Plain, &url).await?,
        };
        for server in [&servers.engine, &servers.second, &servers.plain] {
            let concert = ground.plant(PLENTY).await?;
            sell(server, plan(server, concert, 64, WARM_UP)).await?;
        }
        Ok(servers)
    }
}

/// Measures every case of every database in every round; the databases take turns within a case. The
/// answers are in the databases' order.
pub(crate) async fn measure(sites: &[Site], extent: Extent) -> Result<Vec<Measured>> {
    let mut busy = Vec::new();
    for site in sites {
        let rounds = site.cases.iter().map(|case| (*case, Rounds::default()));
        let measured = Measured(rounds.collect());
        busy.push((site, Servers::start(&site.ground).await?, measured));
    }
    for site in sites {
        site.ground.checkpoint().await?;
    }
    for round in 1..=extent.rounds {
        for site in sites {
            site.ground.analyze().await?;
        }
        for case in ALL {
            for (site, servers, measured) in &mut busy {
                let Some(rounds) = measured.rounds(case) else {
                    continue;
                };
                let figures = once(case, &site.ground, servers, extent.slice).await?;
                println!("  round {round}: {case}: {figures}");
                rounds.push(figures);
            }
        }
    }
    Ok(busy.into_iter().map(|(.., measured)| measured).collect())
}

async fn once(case: Case, ground: &Ground, servers: &Servers, time: Duration) -> Result<Figures> {
    let engine = &servers.engine;
    match case {
        Case::Engine(buyers) => {
            let concert = ground.plant(PLENTY).await?;
            let figures = sell(engine, plan(engine, concert, buyers, time)).await?;
            with_batches(figures, ground, concert).await
        }
        Case::Plain(buyers) => {
            let (concert, plain) = (ground.plant(PLENTY).await?, &servers.plain);
            sell(plain, plan(plain, concert, buyers, time)).await
        }
        Case::Pgbench(clients) => {
            pgbench::run(ground, ground.plant(PLENTY).await?, clients, time).await
        }
        Case::Batches => batches::run(ground, ground.plant(PLENTY).await?, time).await,
        Case::TwoServers(buyers) => {
            let concert = ground.plant(PLENTY).await?;
            let figures = two_servers(servers, concert, buyers, time).await?;
            with_batches(figures, ground, concert).await
        }
        Case::Hello => {
            let request = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", engine.address);
            repeat(engine, request, 0, time).await
        }
        Case::SoldOut => {
            let concert = ground.plant(0).await?;
            // All of them are, and for this reason: the clients after this don't look.
            refuse(
                engine,
                Plan {
                    keys: false,
                    ..plan(engine, concert, 8, WARM_UP)
                },
            )
            .await?;
            repeat(engine, reservation(engine, concert), 1, time).await
        }
        Case::SoldOutWithKeys => {
            let concert = ground.plant(0).await?;
            refuse(engine, plan(engine, concert, CONNECTIONS, time)).await
        }
    }
}

/// One hot concert, a ticket for each buyer, everyone with a key and an address of their own.
pub(crate) fn plan(server: &Server, concert: ConcertId, buyers: usize, time: Duration) -> Plan {
    Plan {
        concurrency: buyers,
        duration: Some(time),
        ..Plan::new(
            server.address,
            concert.get(),
            load::BUYERS_MAX,
            format!("{}c{concert}", server.address.port()),
        )
    }
}

pub(crate) async fn sell(server: &Server, plan: Plan) -> Result<Figures> {
    let before = server.processor_us()?;
    let report = Crowd::send(plan)?.report().await?;
    let after = server.processor_us()?;
    ensure!(
        report.counts.admitted > 0,
        "nobody was admitted: {:?}",
        report.counts
    );
    Ok(admissions(&report, after - before))
}

fn admissions(report: &Report, processor_us: f64) -> Figures {
    let counts = &report.counts;
    let admitted = number(counts.admitted);
    Figures {
        per_second: admitted / report.elapsed.as_secs_f64(),
        p50_ms: report.admitted.quantile_ms(0.5),
        p99_ms: report.admitted.quantile_ms(0.99),
        server_us: processor_us / admitted,
        others: counts.refused + counts.overloaded + counts.broken_connections,
        ..Figures::default()
    }
}

async fn with_batches(figures: Figures, ground: &Ground, concert: ConcertId) -> Result<Figures> {
    let per_batch = ground.buyers_per_batch(concert).await?;
    Ok(Figures {
        per_batch,
        ..figures
    })
}

async fn two_servers(
    servers: &Servers,
    concert: ConcertId,
    buyers: usize,
    time: Duration,
) -> Result<Figures> {
    let (one, two) = (&servers.engine, &servers.second);
    let (one, two) = tokio::try_join!(
        sell(one, plan(one, concert, buyers / 2, time)),
        sell(two, plan(two, concert, buyers / 2, time)),
    )?;
    Ok(Figures {
        per_second: one.per_second + two.per_second,
        p50_ms: f64::midpoint(one.p50_ms, two.p50_ms),
        p99_ms: one.p99_ms.max(two.p99_ms),
        server_us: f64::midpoint(one.server_us, two.server_us),
        others: one.others + two.others,
        ..Figures::default()
    })
}

async fn refuse(server: &Server, plan: Plan) -> Result<Figures> {
    let before = server.processor_us()?;
    let report = Crowd::send(plan)?.report().await?;
    let used = server.processor_us()? - before;
    let sold_out = report
        .counts
        .refused_by
        .get("sold_out")
        .copied()
        .unwrap_or(0);
    ensure!(
        sold_out > 0 && report.counts.admitted == 0,
        "not sold out: {:?}",
        report.counts
    );
    Ok(Figures {
        per_second: number(sold_out) / report.elapsed.as_secs_f64(),
        p50_ms: report.refused.quantile_ms(0.5),
        p99_ms: report.refused.quantile_ms(0.99),
        server_us: used / number(sold_out),
        others: report.counts.refused - sold_out + report.counts.overloaded,
        ..Figures::default()
    })
}

/// The same request again and again; `failing` is the share of answers that aren't 2xx, 0 or 1.
async fn repeat(server: &Server, request: String, failing: u64, time: Duration) -> Result<Figures> {
    let (address, before) = (server.address, server.processor_us()?);
    let hammering = move || load::hammer(address, request.as_bytes(), CONNECTIONS, time);
    let hammered = tokio::task::spawn_blocking(hammering).await??;
    let used = server.processor_us()? - before;
    Ok(Figures {
        per_second: hammered.per_second(),
        p50_ms: hammered.times.quantile_ms(0.5),
        p99_ms: hammered.times.quantile_ms(0.99),
        server_us: used / number(hammered.answers),
        others: hammered.failures.abs_diff(failing * hammered.answers),
        ..Figures::default()
    })
}

fn reservation(server: &Server, concert: ConcertId) -> String {
    let body = format!(
        "{{\"concert_id\":{concert},\"quantity\":1,\"customer_name\":\"Rush buyer\",\
         \"customer_email\":\"late@example.com\"}}"
    );
    format!(
        "POST /api/v1/reservations HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        server.address,
        body.len()
    )
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}
