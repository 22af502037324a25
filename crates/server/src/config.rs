//! The configuration: command line, environment, `stagedoor.toml`, embedded defaults, in this order.
//!
//! Everything is parsed here, once, into types; every error is collected and shown together.
//! Absent on purpose: reading a variable anywhere else in the program.

mod build;
mod error;
mod findings;
mod key;
mod layer;
mod value;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use domain::money::Currency;
use ipnet::IpNet;
use jiff::tz::TimeZone;
pub use store::database_url::{DatabaseUrl, TlsMode};

pub use error::{ConfigError, ConfigErrors};
pub use findings::{Finding, Severity, findings, production_findings};
pub use key::{KEYS, Key};
pub use layer::{Inputs, Overrides, Setting, Settings, Source};
pub use value::{
    BaseUrl, Environment, LogFormat, PaymentProvider, RateLimit, Secret, parse_duration,
};

/// The lowest layer, which is the documentation of every key as well.
pub const DEFAULT_FILE: &str = include_str!("../config.default.toml");

/// The whole configuration, checked.
///
/// Fields are public: `demo` fills in what it makes itself (database URLs, secret key).
#[derive(Debug, Clone)]
pub struct Config {
    pub environment: Environment,
    /// Lets production run with the sandbox payment provider.
    pub allow_sandbox: bool,
    pub database: Database,
    pub web: Web,
    /// Signs links, access tokens and tickets; at least 32 bytes in production.
    pub secret_key: Option<Secret>,
    /// What `secret_key` was before, or will be: what these made is still taken.
    pub secret_key_previous: Vec<Secret>,
    pub sales: Sales,
    pub sign_in: SignIn,
    pub payment: Payment,
    pub mail: Mail,
    pub first_admin: Option<FirstAdmin>,
    /// Folder of the posters.
    pub files: PathBuf,
    pub backup: Backup,
    pub log: Log,
    pub otel_endpoint: Option<String>,
    /// What every key was set to, and by whom, for `config print`.
    pub settings: Settings,
}

/// Where the databases are and how connections to them behave.
#[derive(Debug, Clone)]
pub struct Database {
    /// The primary, as `stagedoor_app`; `None` is fine for `demo` alone.
    pub url: Option<DatabaseUrl>,
    pub replica_urls: Vec<DatabaseUrl>,
    /// `stagedoor_owner`, for `migrate` and `seed`.
    pub owner_url: Option<DatabaseUrl>,
    /// `stagedoor_monitor`; the primary's URL when it isn't set.
    pub monitor_url: Option<DatabaseUrl>,
    /// `stagedoor_backup`, which writes down how backups ended.
    pub backup_url: Option<DatabaseUrl>,
    /// Whether `serve` migrates first when there is an owner URL.
    pub run_migrations: bool,
    pub statement_timeout: Duration,
    pub pool: Pool,
}

/// The size and patience of one connection pool.
#[derive(Debug, Clone, Copy)]
pub struct Pool {
    pub connections_max: u32,
    pub connections_min: u32,
    pub idle_timeout: Duration,
    pub connect_timeout: Duration,
}

/// Addresses and everything between a client and the first handler.
#[derive(Debug, Clone)]
pub struct Web {
    pub listen: SocketAddr,
    pub metrics_listen: SocketAddr,
    pub tls: Option<TlsFiles>,
    pub base_url: BaseUrl,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    pub rate_limit: RateLimit,
}

impl Web {
    /// What we speak ourselves, whatever a proxy makes of it.
    pub const fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// Certificate chain and key for direct HTTPS, as PEM files.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// The rules of selling that an installation chooses.
#[derive(Debug, Clone)]
pub struct Sales {
    pub timezone: TimeZone,
    pub hold_ttl: Duration,
    pub tickets_per_order_max: u32,
    pub tickets_per_customer_max: u32,
    /// How long before the concert's day a customer may still cancel.
    pub cancel_until: Duration,
    pub currency: Currency,
}

/// Sign-in of customers through Google (or another OIDC issuer).
#[derive(Debug, Clone)]
pub struct SignIn {
    pub google: Option<GoogleClient>,
    pub oidc_issuer: String,
}

#[derive(Debug, Clone)]
pub struct GoogleClient {
    pub id: String,
    pub secret: Secret,
}

#[derive(Debug, Clone)]
pub struct Payment {
    pub provider: PaymentProvider,
    pub stripe_secret_key: Option<Secret>,
    /// Several during a rotation; a signature by any of them counts.
    pub stripe_webhook_secrets: Vec<Secret>,
    pub stripe_api_base: String,
}

#[derive(Debug, Clone)]
pub struct Mail {
    /// `None` keeps mails for `/dev/mail`.
    pub smtp_url: Option<Secret>,
    pub from: String,
}

/// The first superadmin, used only while there is none.
#[derive(Debug, Clone)]
pub struct FirstAdmin {
    pub username: String,
    pub email: String,
    pub password_file: PathBuf,
}

/// How pgBackRest is called.
#[derive(Debug, Clone)]
pub struct Backup {
    pub config: PathBuf,
    /// Its name of this database.
    pub stanza: String,
}

#[derive(Debug, Clone)]
pub struct Log {
    /// A level, or directives such as `info,store=debug`.
    pub filter: String,
    pub format: LogFormat,
    /// Whether somebody chose the filter; short commands are quiet otherwise.
    pub chosen: bool,
}

impl Config {
    /// Reads all layers of this process.
    ///
    /// # Errors
    /// Everything that is wrong, at once: unknown keys, bad values, keys that contradict each other.
    pub fn load(overrides: &Overrides) -> Result<Self, ConfigErrors> {
        Self::from_inputs(&Inputs::of_this_process(overrides))
    }

    /// The same from given inputs, so that a test needs no process environment.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_inputs(inputs: &Inputs) -> Result<Self, ConfigErrors> {
        let (settings, mut errors) = layer::merge(inputs);
        match build::config(settings, &mut errors) {
            Some(config) if errors.is_empty() => Ok(config),
            _ => Err(ConfigErrors::new(errors)),
        }
    }

    /// The primary's URL, which everything but `demo` needs.
    ///
    /// # Errors
    /// When it isn't set; the message says how to set it.
    pub fn require_database_url(&self) -> Result<&DatabaseUrl, ConfigError> {
        self.database.url.as_ref().ok_or_else(|| {
            ConfigError::missing(
                "database_url",
                "set DATABASE_URL (or DATABASE_URL_FILE), or run `stagedoor demo`, which starts a private PostgreSQL",
            )
        })
    }

    /// The owner's URL, which `migrate` and `seed` need.
    ///
    /// # Errors
    /// When it isn't set; the message says how to set it.
    pub fn require_owner_url(&self) -> Result<&DatabaseUrl, ConfigError> {
        self.database.owner_url.as_ref().ok_or_else(|| {
            ConfigError::missing(
                "database_owner_url",
                "set DATABASE_OWNER_URL (or DATABASE_OWNER_URL_FILE) to a login as stagedoor_owner",
            )
        })
    }
}
