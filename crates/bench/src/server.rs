//! The server under test: this program again, so that its memory and processor time are its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;

use anyhow::{Context as _, Result};
use app::reserve::ReserveFn;
use stagedoor::config::{Config, ConfigErrors, Inputs, Overrides};
use stagedoor::serve::{self, Jobs, Listeners};
use stagedoor::telemetry::{self, Verbosity};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use crate::machine;
use crate::plain;

/// How requests are decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Engine,
    Plain,
}

/// As in production, but for what would come in between: holds outlast the run, so that no sweep
/// falls into a round.
const SETTINGS: [(&str, &str); 7] = [
    // With one that lasts the audit log is sealed.
    (
        "secret_key",
        "only-for-the-benchmark-and-32-characters-long",
    ),
    ("listen", "127.0.0.1:0"),
    ("metrics_listen", "127.0.0.1:0"),
    ("hold_ttl", "24h"),
    ("rate_limit", "off"),
    ("log", "info"),
    ("log_format", "json"),
];

/// Where the server under test reads lists, besides `DATABASE_URL`.
const REPLICAS: &str = "DATABASE_REPLICA_URLS";

/// Serves until nobody holds the other end of stdin any more; says its address on stdout.
pub(crate) async fn serve(way: Way) -> Result<()> {
    let url = std::env::var("DATABASE_URL").context("DATABASE_URL")?;
    let replicas = std::env::var(REPLICAS).unwrap_or_default();
    let config = configuration(&[("database_url", &url), ("database_replica_urls", &replicas)])?;
    telemetry::init(&config.log, Verbosity::Configured);
    let app = serve::open_reading_app(&config, &url)?;
    let app = match way {
        Way::Engine => app,
        Way::Plain => app.decided_by(ReserveFn::new(plain::reserve)),
    };
    let listeners = Listeners::bind(&config).await?;
    let running = serve::start(&config, app, listeners, Jobs::Here);
    println!("{}", running.address);
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    running.stop().await;
    Ok(())
}

/// The configuration of everything here; no `stagedoor.toml` of whoever measures comes in.
pub(crate) fn configuration(besides: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let set = SETTINGS.iter().chain(besides);
    let set = set.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Config::from_inputs(&Inputs {
        overrides: Overrides {
            file: None,
            set: set.collect(),
        },
        environment: BTreeMap::new(),
        folder: "/nonexistent".into(),
    })
}

/// A server that runs; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
    #[expect(dead_code, reason = "the server ends when it is closed")]
    stdin: ChildStdin,
}

impl Server {
    pub(crate) async fn start(way: Way, database_url: &str) -> Result<Self> {
        Self::start_reading(way, database_url, &[]).await
    }

    /// One that reads lists from replicas.
    pub(crate) async fn start_reading(
        way: Way,
        database_url: &str,
        replica_urls: &[String],
    ) -> Result<Self> {
        let part = match way {
            Way::Engine => "serve-engine",
            Way::Plain => "serve-plain",
        };
        let mut child = Command::new(std::env::current_exe()?)
            .arg(part)
            .env_clear()
            .env("DATABASE_URL", database_url)
            .env(REPLICAS, replica_urls.join(","))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Written like any log, read by nobody.
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let stdin = child.stdin.take().context("the server's stdin")?;
        let stdout = child.stdout.take().context("the server's stdout")?;
        let mut lines = BufReader::new(stdout).lines();
        let address = lines
            .next_line()
            .await?
            .context("the server didn't start")?;
        Ok(Self {
            address: address.parse()?,
            child,
            stdin,
        })
    }

    pub(crate) fn resident_mb(&self) -> Result<f64> {
        machine::resident_mb(self.pid()?)
    }

    pub(crate) fn processor_us(&self) -> Result<f64> {
        machine::processor_us(self.pid()?)
    }

    fn pid(&self) -> Result<u32> {
        self.child.id().context("the server ended")
    }
}
