//! A system of the run's own: PostgreSQL as durable as in production, and the server as a process of
//! its own, so that its memory and files are its own. Nothing of it is left afterwards.

use std::env;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use app::{App, Ctx};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postgres_local::{Cluster, ClusterSpec, Lifetime};
use store::bootstrap;
use store::migrate::{self, Login};

use super::super::CliError;
use super::server::Server;
use crate::config::Config;
use crate::serve;

const DATABASE: &str = "stagedoor";
/// What production has: every commit is on disk before it counts.
const POSTGRES_SETTINGS: [(&str, &str); 7] = [
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("shared_buffers", "256MB"),
    ("max_wal_size", "2GB"),
    ("track_io_timing", "on"),
    ("log_parameter_max_length", "0"),
];
/// Longer than any run, so that tickets don't return in its middle.
const HOLD_TTL: &str = "7d";
/// Where the child finds no configuration of somebody else's.
const NO_CONFIGURATION: &str = "/dev/null";

/// The running system. Its server ends before its database.
#[derive(Debug)]
pub(super) struct Private {
    pub(super) server: Server,
    pub(super) app: App,
    pub(super) address: SocketAddr,
    pub(super) metrics_address: SocketAddr,
    #[expect(dead_code, reason = "it runs as long as this lives")]
    cluster: Cluster,
}

impl Private {
    pub(super) async fn start(config: &Config) -> Result<Self, CliError> {
        let ctx = Ctx::system();
        let secret = || URL_SAFE_NO_PAD.encode(ctx.random_bytes::<32>());
        // Scratch clusters are removed by themselves, even when this process is killed.
        let name = format!("stagedoor-rush-{:016x}", ctx.random_u64());
        let spec = ClusterSpec {
            folder: env::temp_dir().join(name),
            lifetime: Lifetime::Scratch,
            settings: POSTGRES_SETTINGS
                .map(|(key, value)| (key.into(), value.into()))
                .to_vec(),
            programs: None,
        };
        let cluster = tokio::task::spawn_blocking(move || Cluster::open(&spec))
            .await
            .map_err(|error| CliError::failed("starting PostgreSQL broke off", &error))?
            .map_err(|error| CliError::failed("can't start a private PostgreSQL", &error))?;
        let logins = ["stagedoor_owner", "stagedoor_app"].map(|role| Login {
            role: role.to_owned(),
            password: Some(secret()),
        });
        let [owner_url, app_url] = prepare(&cluster, &logins).await?;
        migrate::migrate(&owner_url, &logins)
            .await
            .map_err(|error| CliError::failed("can't migrate the private database", &error))?;
        let [address, metrics_address] = free_addresses()?;
        let environment = [
            ("DATABASE_URL", app_url.clone()),
            ("STAGEDOOR_CONFIG", NO_CONFIGURATION.to_owned()),
            ("STAGEDOOR_LISTEN", address.to_string()),
            ("STAGEDOOR_METRICS_LISTEN", metrics_address.to_string()),
            ("STAGEDOOR_BASE_URL", format!("http://{address}")),
            ("STAGEDOOR_SECRET_KEY", secret()),
            ("STAGEDOOR_HOLD_TTL", HOLD_TTL.to_owned()),
            ("STAGEDOOR_RATE_LIMIT", "off".to_owned()),
            ("STAGEDOOR_LOG", "warn".to_owned()),
        ];
        let server = Server::start(&environment, address).await?;
        let app = serve::open_patient_app(config, &app_url)
            .map_err(|error| CliError::failed("can't use the private database", &error))?;
        Ok(Self {
            server,
            app,
            address,
            metrics_address,
            cluster,
        })
    }
}

/// Makes roles and database; the URLs of these two logins.
async fn prepare(cluster: &Cluster, logins: &[Login; 2]) -> Result<[String; 2], CliError> {
    bootstrap::prepare(&cluster.superuser_url("postgres"), DATABASE, logins)
        .await
        .map_err(|error| CliError::failed("can't prepare the private PostgreSQL", &error))?;
    Ok(logins.each_ref().map(|login| {
        let password = login.password.as_deref().unwrap_or_default();
        cluster.url(&login.role, password, DATABASE)
    }))
}

/// Two free addresses of the system's choice. The server takes them a moment later; that somebody
/// else does in between is told by its failing to start.
fn free_addresses() -> Result<[SocketAddr; 2], CliError> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let taken = bind().and_then(|site| Ok([site, bind()?]));
    let addresses =
        taken.and_then(|[site, metrics]| Ok([site.local_addr()?, metrics.local_addr()?]));
    addresses.map_err(|error| CliError::failed("can't get a free port", &error))
}

/// The longest that a private server may take to be ready.
pub(super) const READY_WITHIN: Duration = Duration::from_secs(30);
