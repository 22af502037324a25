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

    /// The same for who reads from a replica.
    pub(crate) fn to_standby(url: &str) -> Result<Self, InvalidUrl> {
        Self::read(url, TargetSessionAttrs::ReadOnly)
    }

    fn read(url: &str, usual: TargetSessionAttrs) -> Result<Self, InvalidUrl> {
        let malformed = |error: &dyn std::error::Error| InvalidUrl::Malformed(with_causes(error));
        let url: DatabaseUrl = url.parse().map_err(|error| malformed(&error))?;
        if url.last("sslrootcert") == Some("system") && url.tls() < TlsMode::Verified {
            return Err(unknown("sslmode", "verify-full with sslrootcert=system"));
        }
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
            // PostgreSQL speaks no TLS on Unix sockets; an address is dialled instead of the host.
            let is_socket = config.get_hostaddrs().is_empty()
                && !config.get_hosts().is_empty()
                && config.get_hosts().iter().all(is_socket);
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

    /// Begins with the next host from now on; `false` where there is only one.
    pub(crate) fn look_elsewhere(&self) -> bool {
        let hosts = self.hosts.len();
        let next = (self.first.load(Ordering::Acquire) + 1) % hosts;
        self.first.store(next, Ordering::Release);
        hosts > 1
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Of each host: its TLS, and what it must be.
    fn modes(url: &str) -> Vec<(SslMode, TargetSessionAttrs)> {
        let endpoint = Endpoint::to_primary(url).unwrap();
        let of = |config: &Config| (config.get_ssl_mode(), config.get_target_session_attrs());
        endpoint.hosts.iter().map(of).collect()
    }

    #[test]
    fn an_address_is_no_socket_and_has_tls() {
        for url in [
            "postgresql:///d?hostaddr=10.0.0.5&sslmode=require",
            "hostaddr=10.0.0.5 sslmode=require",
            "host=/run/postgresql hostaddr=10.0.0.5 sslmode=require",
            "postgresql://db/d?hostaddr=10.0.0.5&sslmode=require",
        ] {
            assert_eq!(
                modes(url),
                [(SslMode::Require, TargetSessionAttrs::Any)],
                "{url}"
            );
        }
        let socket = modes("host=/run/postgresql sslmode=require");
        assert_eq!(socket, [(SslMode::Disable, TargetSessionAttrs::Any)]);
    }

    #[test]
    fn certificates_are_checked_against_an_address_that_is_all_there_is() {
        let endpoint = Endpoint::to_primary("hostaddr=10.0.0.5 sslmode=require").unwrap();
        let named = endpoint.hosts[0].get_hosts().to_vec();
        assert_eq!(
            named,
            [tokio_postgres::config::Host::Tcp("10.0.0.5".to_owned())]
        );
    }

    #[test]
    fn of_several_hosts_each_has_its_port_and_who_writes_wants_the_primary() {
        let url = "postgresql://u:p%27%5C@a,b:5433,[::1]:5434/d";
        assert_eq!(
            modes(url),
            [(SslMode::Prefer, TargetSessionAttrs::ReadWrite); 3]
        );
        let endpoint = Endpoint::to_primary(url).unwrap();
        let ports: Vec<_> = endpoint
            .hosts
            .iter()
            .map(|host| host.get_ports().to_vec())
            .collect();
        assert_eq!(ports, [vec![], vec![5433], vec![5434]]);
        let password = endpoint.hosts[2].get_password().unwrap();
        assert_eq!(password, b"p'\\");
        let standbys = Endpoint::to_standby(url).unwrap();
        assert_eq!(
            standbys.hosts[0].get_target_session_attrs(),
            TargetSessionAttrs::ReadOnly
        );
    }

    #[test]
    fn the_systems_authorities_go_with_the_full_check_alone() {
        for weak in ["disable", "prefer", "require", "verify-ca"] {
            let url = format!("postgresql://h/d?sslrootcert=system&sslmode={weak}");
            let error = Endpoint::to_primary(&url).unwrap_err().to_string();
            assert!(error.contains("verify-full"), "{weak}: {error}");
        }
        let url: DatabaseUrl = "postgresql://h/d?sslrootcert=system".parse().unwrap();
        assert_eq!(url.tls(), TlsMode::Verified);
    }

    #[test]
    fn what_is_not_known_is_refused_by_its_name() {
        for (url, name) in [
            ("postgresql://h/d?sslcert=a", "sslcert"),
            (
                "postgresql://h/d?target_session_attrs=prefer-standby",
                "target_session_attrs",
            ),
            (
                "postgresql://h/d?load_balance_hosts=maybe",
                "load_balance_hosts",
            ),
        ] {
            let error = Endpoint::to_primary(url).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
