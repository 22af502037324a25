//! `rush`: a load test and its proof in one. A crowd buys, and then the database is read back: was
//! anything oversold, lost or doubled?
//!
//! The crowd itself is in `crate::load`.

use std::convert::Infallible;
use std::net::SocketAddr;

use app::{App, Ctx, rush as rushing};
use domain::concert::Capacity;
use domain::id::ConcertId;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::Instant;

use super::{CliError, login, print, print_json, serve as serve_command};
use crate::config::Config;
use crate::load::{Crowd, Plan, Report};

mod args;
mod chart;
mod knock;
mod observer;
mod page;
mod private;
mod progress;
mod proof;
mod server;
mod summary;
mod verdict;

pub use args::RushArgs;
use args::Target;
use observer::Observed;
use private::Private;
use summary::Summary;

/// Where the crowd goes.
#[derive(Clone, Debug)]
struct Place {
    address: SocketAddr,
    /// The `Host` header.
    host: String,
    concerts: Vec<i32>,
}

/// The system that is rushed at. Without a private one it is somebody else's and stays as it is.
struct System {
    app: App,
    private: Option<Private>,
}

pub async fn run(config: Config, args: RushArgs) -> Result<(), CliError> {
    args.check()?;
    raise_file_limit(args.files())?;
    tokio::select! {
        done = rush(&config, &args) => done,
        // All that was started is stopped and removed by being dropped.
        stopped = serve_command::wait_for_stop() => stopped.and(Err(CliError::Failed(
            "stopped before the end, so there is no verdict".to_owned(),
        ))),
    }
}

async fn rush(config: &Config, args: &RushArgs) -> Result<(), CliError> {
    // First of all, so that a report that can't be written costs no run.
    if let Some(path) = &args.report {
        page::reserve(path)?;
    }
    let (system, place) = open(config, args).await?;
    let run = format!("{:08x}", Ctx::system().random_u64() & 0xFFFF_FFFF);
    if let Some(concert) = args.concert {
        require_concert(&system.app, concert).await?;
    }
    if system.private.is_none() {
        knock::knock(&place).await?;
    }
    let place = with_concerts(&system.app, args, place, &run).await?;
    let plan = args.plan(place, run);
    if !args.output.json {
        eprintln!(
            "{}",
            summary::announce(&plan, args, system.private.is_some())
        );
    }
    let (report, observed) = crowd(&plan, &system).await?;
    let System { app, mut private } = system;
    if let Some(private) = &mut private {
        // Nothing is under way any more when the database is read.
        private.server.stop();
    } else {
        proof::let_settle(&report).await;
    }
    let verdict = proof::judge(&app, &plan, &report).await?;
    let postgres_version = rushing::server_version(&app).await.unwrap_or_default();
    let summary = Summary {
        plan: &plan,
        report: &report,
        observed: &observed,
        verdict: &verdict,
        postgres_version,
        is_private: private.is_some(),
    };
    if let Some(path) = &args.report {
        page::write(path, &summary)?;
    }
    if args.output.json {
        print_json(&summary.to_json())?;
    } else {
        print(summary.to_text().as_bytes())?;
    }
    if verdict.is_ok() {
        return Ok(());
    }
    if let Some(private) = &private {
        eprintln!("the server's log ended with:\n{}", private.server.said());
    }
    Err(CliError::CheckFailed)
}

/// The private system, or the one at `--url` with the database that `DATABASE_URL` names.
async fn open(config: &Config, args: &RushArgs) -> Result<(System, Place), CliError> {
    let place = |address, host| Place {
        address,
        host,
        concerts: Vec::new(),
    };
    let Some(target) = &args.url else {
        let private = Private::start(config).await?;
        let place = place(private.address, private.address.to_string());
        let system = System {
            app: private.app.clone(),
            private: Some(private),
        };
        return Ok((system, place));
    };
    config.require_database_url().map_err(|error| {
        CliError::Usage(format!(
            "{error}; with --url the verdict is read from that server's database"
        ))
    })?;
    let app = login::open_patient_app(config).await?;
    let place = place(resolve(target).await?, target.authority());
    Ok((System { app, private: None }, place))
}

async fn resolve(target: &Target) -> Result<SocketAddr, CliError> {
    let host = target.host.trim_matches(['[', ']']);
    let found = tokio::net::lookup_host((host, target.port)).await;
    let mut addresses = found.map_err(|error| {
        CliError::failed(format!("can't find the host {host} of --url"), &error)
    })?;
    addresses
        .next()
        .ok_or_else(|| CliError::Failed(format!("the host {host} of --url has no address")))
}

async fn require_concert(app: &App, concert: i32) -> Result<(), CliError> {
    let stock = rushing::stock(app, concert).await.map_err(|error| {
        CliError::failed("can't read the database that DATABASE_URL names", &error)
    })?;
    match stock {
        Some(_) => Ok(()),
        None => Err(CliError::Usage(format!(
            "there is no concert {concert} in the database that DATABASE_URL names; \
             `stagedoor concert list` shows those that are"
        ))),
    }
}

/// Names the concert of `--concert`, or opens concerts for the run.
async fn with_concerts(
    app: &App,
    args: &RushArgs,
    place: Place,
    run: &str,
) -> Result<Place, CliError> {
    let concerts = if let Some(concert) = args.concert {
        vec![concert]
    } else {
        let tickets = Capacity::new(args.tickets())
            .ok_or_else(|| CliError::Usage("--tickets is too large".to_owned()))?;
        let opened = rushing::open_concerts(app, run, args.concerts, tickets).await;
        let opened =
            opened.map_err(|error| CliError::failed("can't put concerts on sale", &error))?;
        opened.into_iter().map(ConcertId::get).collect()
    };
    Ok(Place { concerts, ..place })
}

/// Lets the crowd loose and watches it, and the private server, until its end.
async fn crowd(plan: &Plan, system: &System) -> Result<(Report, Observed), CliError> {
    let failed = |error| CliError::failed("can't send the buyers", &error);
    let started = Instant::now();
    let mut observed = Observed::default();
    let crowd = Crowd::send(plan.clone()).map_err(failed)?;
    let progress = crowd.progress();
    let watching = async {
        match &system.private {
            Some(private) => {
                let (server, metrics) = (&private.server, private.metrics_address);
                observer::observe(server, metrics, started, &mut observed).await
            }
            None => std::future::pending::<Infallible>().await,
        }
    };
    let report = tokio::select! {
        report = crowd.report() => report.map_err(failed)?,
        never = watching => match never {},
        never = progress::show(plan, progress) => match never {},
    };
    if let Some(private) = &system.private {
        let (server, metrics) = (&private.server, private.metrics_address);
        observer::look(server, metrics, started, &mut observed).await;
    }
    Ok((report, observed))
}

/// Lets this process, and the server that it starts, open as many files as the system allows.
fn raise_file_limit(needed: u64) -> Result<(), CliError> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Where it can't be raised, what there is may do.
    let _ = setrlimit(Resource::Nofile, raised);
    match getrlimit(Resource::Nofile).current {
        Some(allowed) if allowed < needed => Err(CliError::Usage(format!(
            "{needed} open files are needed for that many connections, and the system allows \
             {allowed}: lower --concurrency or --watchers, or raise the hard limit (ulimit -Hn)"
        ))),
        _ => Ok(()),
    }
}
