//! Where a database is: one host or several, each tried for its share of the time, with TLS as the
//! URL asks for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::database_url::{DatabaseUrl, TlsMode, is_socket_folder};
use crate::error::with_causes;
use crate::tls::{RootsError, Trust};

/// For one of several hosts, so that one that doesn't answer leaves time for the others …
const HOST_TIMEOUT: Duration = Duration::from_millis(600);
/// … and for all of them: a little less than the time for connecting.
const HOSTS_TIMEOUT: Duration = Duration::from_millis(1800);
/// How long a dead peer may go unnoticed while data is under way.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(3);
/// How long nothing may be heard before a peer is asked whether it is there, and how often then.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);

/// A database URL that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidUrl {
    #[error("not a PostgreSQL URL: {0}")]
    Malformed(String),
    #[error("a URL whose certificates can't be checked: {0}")]
    Roots(#[from] RootsError),
}

/// Why a connection could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("{}", with_causes(.0))]
    Refused(#[from] tokio_postgres::Error),
    #[error(transparent)]
    Roots(#[from] RootsError),
    #[error("connecting took longer than allowed")]
    Timeout,
    #[error("this is the primary, not a standby")]
    NotStandby,
}

impl ConnectError {
    /// Whether a server said more than that it isn't there, or isn't the one that is wanted.
    fn is_telling(&self) -> bool {
        match self {
            Self::Refused(error) => error.as_db_error().is_some() || is_about_tls(error),
            Self::Roots(_) => true,
            Self::Timeout | Self::NotStandby => false,
        }
    }
}

/// The driver has no other name for it than its words.
pub fn is_about_tls(error: &tokio_postgres::Error) -> bool {
    error
        .to_string()
        .starts_with("error performing TLS handshake")
}

/// A client and its socket, which somebody has to drive.
pub(crate) type Opened = (
    Client,
    Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>,
);

/// Where connections go. The host that took the last one is tried first.
#[derive(Debug)]
pub(crate) struct Endpoint {
    hosts: Vec<Config>,
    trust: Trust,
    first: AtomicUsize,
    spreads: bool,
}

impl Endpoint {
    /// Reads a connection URL. Of several hosts without `target_session_attrs` whoever writes wants
    /// the one that takes writes.
    pub(crate) fn to_primary(url: &str) -> Result<Self, InvalidUrl> {
        Self::read(url, TargetSessionAttrs::ReadWrite)
    }

    /// The same for who only reads: any host will do.
    pub(crate) fn to_any(url: &str) -> Result<Self, InvalidUrl> {
        Self::read(url, TargetSessionAttrs::Any)
    }

    fn read(url: &str, usual: TargetSessionAttrs) -> Result<Self, InvalidUrl> {
        let malformed = |error: &dyn std::error::Error| InvalidUrl::Malformed(with_causes(error));
        let url: DatabaseUrl = url.parse().map_err(|error| malformed(&error))?;
        let spreads = match url.last("load_balance_hosts") {
            None | Some("disable") => false,
            Some("random") => true,
            Some(_) => return Err(unknown("load_balance_hosts", "disable or random")),
        };
        let texts = url.each_host();
        let attributes = match url.last("target_session_attrs") {
            // One host is whatever it is: a pool connects to a standby too, and says so.
            None if texts.len() == 1 => TargetSessionAttrs::Any,
            None => usual,
            Some("any") => TargetSessionAttrs::Any,
            Some("read-write" | "primary") => TargetSessionAttrs::ReadWrite,
            Some("read-only" | "standby") => TargetSessionAttrs::ReadOnly,
            Some(_) => {
                let allowed = "any, read-write, read-only, primary or standby";
                return Err(unknown("target_session_attrs", allowed));
            }
        };
        let mut hosts = Vec::with_capacity(texts.len());
        for text in &texts {
            let mut config: Config = text.parse().map_err(|error| malformed(&error))?;
            // PostgreSQL speaks no TLS on Unix sockets.
            let is_socket = config.get_hosts().iter().all(is_socket);
            config
                .ssl_mode(match url.tls() {
                    _ if is_socket => SslMode::Disable,
                    TlsMode::Off => SslMode::Disable,
                    TlsMode::NotEnforced => SslMode::Prefer,
                    TlsMode::Encrypted | TlsMode::Issued | TlsMode::Verified => SslMode::Require,
                })
                .target_session_attrs(attributes)
                .tcp_user_timeout(TCP_USER_TIMEOUT)
                .keepalives_idle(KEEPALIVE_IDLE)
                .keepalives_interval(KEEPALIVE_INTERVAL);
            hosts.push(config);
        }
        Ok(Self {
            hosts,
            trust: Trust::of(&url)?,
            first: AtomicUsize::new(0),
            spreads,
        })
    }

    /// The same with a name and options, in the form of libpq's `options`.
    pub(crate) fn named(mut self, application: &str, options: &str) -> Self {
        for config in &mut self.hosts {
            config.application_name(application).options(options);
        }
        self
    }

    /// Connects and logs in, at whichever host comes first; the caller limits the whole.
    pub(crate) async fn connect(&self) -> Result<Opened, ConnectError> {
        let connector = self.trust.connector()?;
        let first = if self.spreads {
            self.first.fetch_add(1, Ordering::AcqRel)
        } else {
            self.first.load(Ordering::Acquire)
        };
        let mut failure: Option<ConnectError> = None;
        for step in 0..self.hosts.len() {
            let index = (first + step) % self.hosts.len();
            match self.connect_to(index, &connector).await {
                Ok(opened) => {
                    if !self.spreads {
                        self.first.store(index, Ordering::Release);
                    }
                    return Ok(opened);
                }
                // A wrong password or certificate says more than that another host is away.
                Err(error) => {
                    if !failure.as_ref().is_some_and(ConnectError::is_telling) {
                        failure = Some(error);
                    }
                }
            }
        }
        Err(failure.unwrap_or(ConnectError::Timeout))
    }

    async fn connect_to(
        &self,
        index: usize,
        connector: &MakeRustlsConnect,
    ) -> Result<Opened, ConnectError> {
        let connecting = self.hosts[index].connect(connector.clone());
        if self.hosts.len() == 1 {
            return Ok(connecting.await?);
        }
        let hosts = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
        let share = HOST_TIMEOUT.min(HOSTS_TIMEOUT / hosts);
        match tokio::time::timeout(share, connecting).await {
            Ok(opened) => Ok(opened?),
            Err(_) => Err(ConnectError::Timeout),
        }
    }
}

fn is_socket(host: &tokio_postgres::config::Host) -> bool {
    match host {
        tokio_postgres::config::Host::Tcp(name) => is_socket_folder(name),
        tokio_postgres::config::Host::Unix(_) => true,
    }
}

fn unknown(name: &str, allowed: &str) -> InvalidUrl {
    InvalidUrl::Malformed(format!("{name} must be {allowed}"))
}
