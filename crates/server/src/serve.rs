//! Assembles the product from its configuration and runs it until it is told to stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use app::customers::{Oidc, OidcSettings};
use app::jobs::{self, Tasks};
use app::mails::{self, Carrier, Post};
use app::payments::Till;
use app::posters::Files;
use app::providers::Provider;
use app::providers::sandbox::Sandbox;
use app::providers::stripe::{SettingsError, Stripe, StripeSettings};
use app::{AccessKey, App, Ctx, SealKey, Settings, health, probe, standing};
use domain::allotment::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use store::pool::InvalidUrl;
use store::{Pool, PoolSettings, Replicas};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{Config, PaymentProvider, RateLimit};
use crate::http::feed::Feeds;
use crate::http::listener::{self, Door};
use crate::http::page::Site;
use crate::http::rate::Budgets;
use crate::http::router;
use crate::http::tls::{Tls, TlsError};
use crate::http::web::{Parts, Web};
use crate::i18n::Lang;
use crate::mail;
use crate::mail::smtp::{self, Route, Smtp};
use crate::metrics;

/// Connections that wait to be accepted. When a sale opens everybody connects in the same moment, and
/// one too many is tried again by its system only a second later, then three, then seven. The kernel
/// lowers this to its own limit (`net.core.somaxconn`, 4096 by default).
const BACKLOG: u32 = 4_096;
/// How long requests and jobs under way may take once the server was told to stop.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// Longer than any answer is waited for: a request has five seconds, and so has a lock.
const SILENCE_MAX: Duration = Duration::from_secs(6);

/// Why the server didn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("can't listen on {address}")]
    Address {
        address: SocketAddr,
        #[source]
        error: io::Error,
    },
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Why the use cases can't be made ready.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("DATABASE_URL is {0}")]
    Url(#[from] InvalidUrl),
    #[error(transparent)]
    Stripe(#[from] SettingsError),
    #[error("sign-in at a provider: {0}")]
    Oidc(#[from] app::customers::SettingsError),
}

/// The use cases, ready to run, from the configuration.
///
/// `database_url` is given apart: commands run as the owner, the server as `stagedoor_app`.
pub fn open_app(config: &Config, database_url: &str) -> Result<App, OpenError> {
    open(config, database_url, pool_settings(config))
}

/// The same with its read replicas, for a process that shows lists to many.
pub fn open_reading_app(config: &Config, database_url: &str) -> Result<App, OpenError> {
    let monitor = open_monitor(config, database_url)?;
    let mut settings = pool_settings(config);
    if monitor.is_some() {
        // The process holds no more connections than it may.
        settings.max = settings.max.saturating_sub(1).max(1);
        settings.min = settings.min.min(settings.max);
    }
    let app = open(config, database_url, settings)?;
    let app = app.watching(monitor, config.environment.is_production());
    Ok(match open_replicas(config, &app)? {
        Some(replicas) => app.reading_from(replicas),
        None => app,
    })
}

/// A login of its own for what the server's may not see; `None` where the server's is to do.
fn open_monitor(config: &Config, database_url: &str) -> Result<Option<Pool>, InvalidUrl> {
    let url = config.database.monitor_url.as_ref();
    let Some(url) = url.filter(|url| url.reveal() != database_url) else {
        return Ok(None);
    };
    let settings = PoolSettings {
        name: "monitor",
        max: 1,
        min: 0,
        ..pool_settings(config)
    };
    // Its clock is the primary's, which others observe.
    Pool::open(url.reveal(), settings, Arc::new(|_| ())).map(Some)
}

/// The read replicas; `None` where there are none.
pub fn open_replicas(config: &Config, app: &App) -> Result<Option<Replicas>, InvalidUrl> {
    let urls = config.database.replica_urls.iter();
    let urls: Vec<String> = urls.map(|url| url.reveal().to_owned()).collect();
    if urls.is_empty() {
        return Ok(None);
    }
    Replicas::open(&urls, &pool_settings(config), app.writer()).map(Some)
}

/// The same for work on whole tables, whose statements may take their time.
pub fn open_patient_app(config: &Config, database_url: &str) -> Result<App, OpenError> {
    let patient = PoolSettings {
        silence_max: None,
        ..pool_settings(config)
    };
    open(config, database_url, patient)
}

fn open(config: &Config, database_url: &str, pool: PoolSettings) -> Result<App, OpenError> {
    let ctx = Ctx::system();
    let observer = ctx.clone();
    let pool = Pool::open(
        database_url,
        pool,
        Arc::new(move |primary| observer.observe(primary)),
    )?;
    let secret = config.secret_key.as_ref();
    let access_key = secret.map_or_else(
        // Without a key, links last as long as the process; production refuses that.
        || AccessKey::of_process(&ctx.random_bytes::<32>()),
        |secret| AccessKey::new(secret.reveal().as_bytes()),
    );
    let previous = config.secret_key_previous.iter();
    let previous = previous.map(|secret| secret.reveal().as_bytes());
    let access_key = access_key.with_previous(previous.clone());
    let till = till(config, &ctx, &pool)?;
    let oidc = oidc(config, &ctx)?;
    let app = App::new(ctx, settings(config), pool, access_key)
        .taking_money(till)
        .writing_to_people(post(config))
        .keeping_files(Files::new(&config.files));
    let app = match oidc {
        Some(oidc) => app.signing_in_at(oidc),
        None => app,
    };
    // Rows under a seal of a key that is gone could never be proven.
    Ok(match secret {
        Some(secret) => {
            let key = SealKey::new(secret.reveal().as_bytes());
            app.sealing_with(key.with_previous(previous))
        }
        None => app,
    })
}

/// Who takes the buyers' money.
fn till(config: &Config, ctx: &Ctx, pool: &Pool) -> Result<Till, SettingsError> {
    let base_url = base_url(config);
    if config.payment.provider == PaymentProvider::Stripe {
        return Ok(Till {
            provider: Arc::new(Stripe::new(&stripe_settings(config))?),
            sandbox: None,
            base_url,
        });
    }
    let secret = config.secret_key.as_ref();
    let sandbox = Arc::new(Sandbox {
        pool: pool.clone(),
        ctx: ctx.clone(),
        base_url: base_url.clone(),
        secret: secret.map_or_else(
            || ctx.random_bytes::<32>().to_vec(),
            |secret| secret.reveal().as_bytes().to_vec(),
        ),
    });
    Ok(Till {
        provider: Arc::clone(&sandbox) as Arc<dyn Provider>,
        sandbox: Some(sandbox),
        base_url,
    })
}

fn stripe_settings(config: &Config) -> StripeSettings {
    let payment = &config.payment;
    let key = payment.stripe_secret_key.as_ref();
    let secrets = payment.stripe_webhook_secrets.iter();
    StripeSettings {
        secret_key: key.map_or_else(String::new, |key| key.reveal().to_owned()),
        webhook_secrets: secrets.map(|one| one.reveal().to_owned()).collect(),
        api_base: payment.stripe_api_base.clone(),
        hold_time: config.sales.hold_ttl,
        patience: StripeSettings::PATIENCE,
    }
}

/// Where customers sign in besides by mail; `None` where no client of a provider is configured.
fn oidc(config: &Config, ctx: &Ctx) -> Result<Option<Oidc>, app::customers::SettingsError> {
    let Some(client) = &config.sign_in.google else {
        return Ok(None);
    };
    let settings = OidcSettings {
        issuer: config.sign_in.oidc_issuer.clone(),
        client_id: client.id.clone(),
        client_secret: client.secret.reveal().to_owned(),
        redirect_url: format!("{}/auth/oidc/callback", base_url(config)),
        patience: OidcSettings::PATIENCE,
    };
    Oidc::new(settings, ctx.clone()).map(Some)
}

/// How people are written to.
fn post(config: &Config) -> Post {
    let base_url = base_url(config);
    let is_production = config.environment.is_production();
    let carrier = config.mail.smtp_url.as_ref().map(|url| {
        Arc::new(Smtp::new(Route {
            url: url.reveal().to_owned(),
            from: config.mail.from.clone(),
            from_name: Lang::default().text("brand"),
            hello: mails::host_of(&base_url).to_owned(),
            must_encrypt: is_production && !smtp::is_this_machine(url.reveal()),
            roots: Vec::new(),
        })) as Arc<dyn Carrier>
    });
    Post {
        words: Arc::new(mail::Writer),
        carrier,
        base_url,
        is_open: !is_production,
    }
}

/// Where buyers reach the shop, without a slash at its end.
fn base_url(config: &Config) -> String {
    let url = config.web.base_url.to_string();
    url.trim_end_matches('/').to_owned()
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
        silence_max: Some(SILENCE_MAX),
    }
}

fn settings(config: &Config) -> Settings {
    let sales = &config.sales;
    let limit = |tickets: u32| i32::try_from(tickets).unwrap_or(i32::MAX);
    Settings {
        hold_ttl: sales.hold_ttl,
        cancel_until: sales.cancel_until,
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
        base_url: base_url(config),
        time_zone: config.sales.timezone.clone(),
        assets: router::asset_addresses(),
    };
    Web::new(Parts {
        app,
        site: Arc::new(site),
        trusted_proxies: config.web.trusted_proxies.clone().into(),
        feeds: Feeds::new(open_files_max(), config.web.rate_limit),
        budgets: Budgets::new(config.web.rate_limit),
        has_tls: config.web.tls.is_some(),
    })
}

/// More connections than watchers, and fewer than files: some are needed for the database and logs.
const CONNECTIONS_MAX: usize = 40_000;

fn door(config: &Config, tls: Option<Tls>) -> Door {
    let connections_max = CONNECTIONS_MAX.min(open_files_max() / 4 * 3);
    Door {
        connections_max,
        each_max: match config.web.rate_limit {
            // A school or a mobile network's shared address, and still not everything there is.
            RateLimit::On => Some(connections_max / 4),
            RateLimit::Off => None,
        },
        trusted_proxies: config.web.trusted_proxies.clone().into(),
        tls,
        ..Door::default()
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
    tls: Option<Tls>,
}

impl Listeners {
    /// Reads the certificate, if there is one, and takes both addresses; for port 0 the system
    /// chooses a free one.
    pub async fn bind(config: &Config) -> Result<Self, StartError> {
        let tls = config.web.tls.as_ref().map(Tls::load).transpose()?;
        let (wanted, metrics_wanted) = (config.web.listen, config.web.metrics_listen);
        let site = listen(wanted).await?;
        let metrics = listen(metrics_wanted).await?;
        Ok(Self {
            address: site.local_addr().unwrap_or(wanted),
            metrics_address: metrics.local_addr().unwrap_or(metrics_wanted),
            site,
            metrics,
            tls,
        })
    }
}

/// A server that answers.
#[derive(Debug)]
pub struct Running {
    pub address: SocketAddr,
    pub metrics_address: SocketAddr,
    work: Work,
    feeds: Feeds,
}

/// Answers on both addresses.
///
/// Without `jobs` the background work is left to other processes.
pub fn start(config: &Config, app: App, listeners: Listeners, jobs: Jobs) -> Running {
    let mut work = Work::start(&app, listeners.metrics);
    let probing = probe::keep_up(app.clone(), work.stopped());
    work.finishing.push(tokio::spawn(probing));
    if jobs == Jobs::Here {
        work.start_jobs(&app);
    }
    let web = web(config, app);
    let feeds = web.feeds.clone();
    let site = router::router(web);
    if let Some(tls) = listeners.tls.clone() {
        work.endless.push(tokio::spawn(tls.keep_up()));
    }
    let door = door(config, listeners.tls);
    let answering = listener::answer(listeners.site, site, door, work.stopped());
    work.finishing.push(answering);
    Running {
        address: listeners.address,
        metrics_address: listeners.metrics_address,
        work,
        feeds,
    }
}

/// Which process does the background work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jobs {
    Here,
    Elsewhere,
}

impl Running {
    /// Stops taking requests and jobs, and finishes those under way within ten seconds.
    pub async fn stop(self) {
        // Who watches a feed would never be done.
        self.feeds.close();
        self.work.stop().await;
    }
}

/// A process that only does background work.
#[derive(Debug)]
pub struct RunningWorker {
    pub metrics_address: SocketAddr,
    work: Work,
}

/// Does the background work, and answers nothing but `/metrics`.
pub async fn start_worker(config: &Config, app: &App) -> Result<RunningWorker, StartError> {
    let wanted = config.web.metrics_listen;
    let listener = listen(wanted).await?;
    let metrics_address = listener.local_addr().unwrap_or(wanted);
    let mut work = Work::start(app, listener);
    work.start_jobs(app);
    Ok(RunningWorker {
        metrics_address,
        work,
    })
}

impl RunningWorker {
    /// Takes no more jobs, and finishes those under way within ten seconds.
    pub async fn stop(self) {
        self.work.stop().await;
    }
}

/// What runs until it is told to stop.
#[derive(Debug)]
struct Work {
    stop: watch::Sender<bool>,
    /// May finish what is under way.
    finishing: Vec<JoinHandle<()>>,
    /// Has nothing to finish.
    endless: Vec<JoinHandle<()>>,
}

impl Work {
    /// What every process has: metrics.
    fn start(app: &App, listener: TcpListener) -> Self {
        let handle = metrics::install();
        let (stop, stopped) = watch::channel(false);
        let router = metrics::router(app.clone(), handle.clone());
        let measure = jobs::measure_oldest(app.clone(), Tasks::of_product(), stopped.clone());
        let measure_audit = jobs::measure_unsealed(app.clone(), stopped.clone());
        let measure_backups = jobs::measure_backups(app.clone(), stopped.clone());
        let stand = standing::keep_up(app.clone());
        let health = health::keep_up(app.clone());
        let endless = vec![
            listener::answer(listener, router, Door::default(), stopped),
            tokio::spawn(metrics::keep_up(handle)),
            tokio::spawn(measure),
            tokio::spawn(measure_audit),
            tokio::spawn(measure_backups),
            tokio::spawn(stand),
            tokio::spawn(health),
        ];
        Self {
            stop,
            finishing: Vec::new(),
            endless,
        }
    }

    fn stopped(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    fn start_jobs(&mut self, app: &App) {
        let started = jobs::start(app, Tasks::of_product(), &self.stopped());
        self.finishing.extend(started);
    }

    async fn stop(self) {
        let _ = self.stop.send(true);
        let finish = async {
            for task in self.finishing {
                // One that panicked has told so in the log.
                let _ = task.await;
            }
        };
        if tokio::time::timeout(STOP_WITHIN, finish).await.is_err() {
            tracing::warn!("work under way was cut off");
        }
        for task in self.endless {
            task.abort();
        }
    }
}

#[expect(
    clippy::unused_async,
    reason = "a socket can be made inside a runtime alone, which an async function makes sure of"
)]
async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    let bind = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // A restarted server gets its address back at once.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bind().map_err(|error| StartError::Address { address, error })
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    /// Less than a second: the time after which a connection that found no room is tried again.
    const AT_ONCE: Duration = Duration::from_millis(900);

    #[tokio::test]
    async fn a_thousand_visitors_can_knock_before_the_first_is_let_in() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        for visitor in 0..1_000 {
            let connecting = tokio::time::timeout(AT_ONCE, TcpStream::connect(address));
            let connected = connecting.await;
            assert!(connected.is_ok(), "no room for visitor {visitor}");
            waiting.push(connected.unwrap().unwrap());
        }
    }
}
