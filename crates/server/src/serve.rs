//! Assembles the product from its configuration and runs it until it is told to stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use app::{AccessKey, App, Ctx, Settings};
use axum::Router;
use axum::serve::ListenerExt as _;
use domain::allotment::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use store::pool::InvalidUrl;
use store::{Pool, PoolSettings};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::http::feed::Feeds;
use crate::http::page::Site;
use crate::http::router;
use crate::http::web::Web;
use crate::metrics;

/// How long requests under way may take once the server was told to stop.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// How often the log says that the sweeper can't work; it tries much more often.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// How often keys that are too old to count are deleted.
const FORGET_EVERY: Duration = Duration::from_mins(10);

/// Why the server didn't start: an address can't be had.
#[derive(Debug)]
pub struct StartError {
    pub address: SocketAddr,
    pub error: io::Error,
}

/// The use cases, ready to run, from the configuration.
///
/// `database_url` is given apart: commands run as the owner, the server as `stagedoor_app`.
pub fn open_app(config: &Config, database_url: &str) -> Result<App, InvalidUrl> {
    let ctx = Ctx::system();
    let observer = ctx.clone();
    let pool = Pool::open(
        database_url,
        pool_settings(config),
        Arc::new(move |primary| observer.observe(primary)),
    )?;
    let secret = config.secret_key.as_ref().map_or_else(
        // Without a key, links last as long as the process; production refuses that.
        || ctx.random_bytes::<32>().to_vec(),
        |secret| secret.reveal().as_bytes().to_vec(),
    );
    Ok(App::new(
        ctx,
        settings(config),
        pool,
        AccessKey::new(&secret),
    ))
}

fn pool_settings(config: &Config) -> PoolSettings {
    let pool = config.database.pool;
    PoolSettings {
        name: "writer",
        max: pool.connections_max,
        min: pool.connections_min,
        idle_timeout: pool.idle_timeout,
        connect_timeout: pool.connect_timeout,
        statement_timeout: config.database.statement_timeout,
    }
}

fn settings(config: &Config) -> Settings {
    let sales = &config.sales;
    let limit = |tickets: u32| i32::try_from(tickets).unwrap_or(i32::MAX);
    Settings {
        hold_ttl: sales.hold_ttl,
        limits: Limits {
            per_order: limit(sales.tickets_per_order_max),
            per_customer: limit(sales.tickets_per_customer_max),
        },
        currency: sales.currency,
        timezone: sales.timezone.clone(),
    }
}

/// The state of the pages and the API.
pub fn web(config: &Config, app: App) -> Web {
    let site = Site {
        base_url: config
            .web
            .base_url
            .to_string()
            .trim_end_matches('/')
            .to_owned(),
        time_zone: config.sales.timezone.clone(),
        assets: router::asset_addresses(),
    };
    Web {
        app,
        site: Arc::new(site),
        trusted_proxies: config.web.trusted_proxies.clone().into(),
        feeds: Feeds::new(open_files_max()),
    }
}

/// How many connections and files this process may have: what the system allows at all, for many
/// systems begin every process with some thousand.
fn open_files_max() -> usize {
    /// More than any machine of ours serves.
    const ENOUGH: u64 = 65_536;
    let before = getrlimit(Resource::Nofile);
    let current = before.current.unwrap_or(ENOUGH);
    let wanted = before.maximum.unwrap_or(ENOUGH).min(ENOUGH).max(current);
    let raised = Rlimit {
        current: Some(wanted),
        ..before
    };
    let granted = setrlimit(Resource::Nofile, raised).map_or(current, |()| wanted);
    usize::try_from(granted).unwrap_or(usize::MAX)
}

/// Both addresses, taken: nobody else can have them, and early visitors wait instead of failing.
#[derive(Debug)]
pub struct Listeners {
    pub address: SocketAddr,
    pub metrics_address: SocketAddr,
    site: TcpListener,
    metrics: TcpListener,
}

impl Listeners {
    /// Takes both addresses; for port 0 the system chooses a free one.
    pub async fn bind(config: &Config) -> Result<Self, StartError> {
        let (wanted, metrics_wanted) = (config.web.listen, config.web.metrics_listen);
        let site = listen(wanted).await?;
        let metrics = listen(metrics_wanted).await?;
        Ok(Self {
            address: site.local_addr().unwrap_or(wanted),
            metrics_address: metrics.local_addr().unwrap_or(metrics_wanted),
            site,
            metrics,
        })
    }
}

/// A server that answers.
#[derive(Debug)]
pub struct Running {
    pub address: SocketAddr,
    pub metrics_address: SocketAddr,
    stop: watch::Sender<bool>,
    feeds: Feeds,
    site: JoinHandle<()>,
    background: Vec<JoinHandle<()>>,
}

/// Answers on both addresses.
///
/// Without `jobs` the background work is left to other processes.
pub fn start(config: &Config, app: App, listeners: Listeners, jobs: Jobs) -> Running {
    let handle = metrics::install();
    let (stop, stopped) = watch::channel(false);
    let web = web(config, app.clone());
    let feeds = web.feeds.clone();
    let site = router::router(web);
    let metrics = metrics::router(app.clone(), handle.clone());
    let mut background = vec![
        answer(listeners.metrics, metrics, stopped.clone()),
        tokio::spawn(metrics::keep_up(handle)),
    ];
    if jobs == Jobs::Here {
        background.push(tokio::spawn(forget_old_keys(app.clone())));
        background.push(tokio::spawn(sweep_holds(app)));
    }
    Running {
        address: listeners.address,
        metrics_address: listeners.metrics_address,
        stop,
        feeds,
        site: answer(listeners.site, site, stopped),
        background,
    }
}

/// Which process does the background work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jobs {
    Here,
    Elsewhere,
}

impl Running {
    /// Stops taking requests, and finishes those under way within ten seconds.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        self.feeds.close();
        if tokio::time::timeout(STOP_WITHIN, self.site).await.is_err() {
            tracing::warn!("requests under way were cut off");
        }
        for task in self.background {
            task.abort();
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| StartError { address, error })
}

fn answer(
    listener: TcpListener,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) -> JoinHandle<()> {
    let listener = listener.tap_io(|socket| {
        // Answers are small; waiting to fill a packet only delays them.
        let _ = socket.set_nodelay(true);
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move {
        let stop = async move {
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        if let Err(error) = axum::serve(listener, service)
            .with_graceful_shutdown(stop)
            .await
        {
            tracing::error!(%error, "the server stopped");
        }
    })
}

async fn forget_old_keys(app: App) {
    let mut tick = tokio::time::interval(FORGET_EVERY);
    loop {
        tick.tick().await;
        match app::reserve::forget_old_keys(&app).await {
            Ok(0) => {}
            Ok(forgotten) => tracing::info!(forgotten, "old idempotency keys deleted"),
            Err(error) => tracing::warn!(%error, "old idempotency keys not deleted"),
        }
    }
}

async fn sweep_holds(app: App) {
    let mut told: Option<Instant> = None;
    loop {
        let rest = match app::expire::sweep(&app).await {
            Ok(swept) => {
                if swept.expired > 0 {
                    tracing::info!(swept.expired, "holds ran out; their tickets are on sale");
                }
                told = None;
                swept.rest
            }
            Err(error) => {
                if told.is_none_or(|told| told.elapsed() > TELL_EVERY) {
                    told = Some(Instant::now());
                    tracing::warn!(%error, "holds not swept; looking again until it works");
                }
                app::expire::LOOK_AGAIN
            }
        };
        tokio::time::sleep(rest).await;
    }
}
