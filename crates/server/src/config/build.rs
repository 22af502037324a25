//! From merged text to typed values: the types, limits and mutual rules of all keys.
//!
//! Each group reads all of its keys before it gives up, so that every error is shown at once.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use domain::money::Currency;
use ipnet::IpNet;
use jiff::tz::TimeZone;
use store::database_url::split_list;

use super::error::ConfigError;
use super::layer::{Setting, Settings};
use super::value::{self, BaseUrl, Environment, LogFormat, PaymentProvider, RateLimit, Secret};
use super::{
    Backup, Config, Database, DatabaseUrl, FirstAdmin, GoogleClient, Log, Mail, Payment, Pool,
    Sales, SignIn, TlsFiles, Web,
};

/// `PostgreSQL` keeps its timeouts as 32-bit milliseconds: just under 25 days.
const STATEMENT_TIMEOUT_DAYS_MAX: u64 = 24;

/// `PostgreSQL`'s own default is 100 connections; nobody's pool needs ten times that.
const POOL_CONNECTIONS_MAX: u32 = 1000;

/// A typing error rather than a wish; `quantity` is a 32-bit integer far above it.
const TICKETS_MAX: u32 = 1_000_000;

/// A key a year for a career; each is tried on a token that none of the others made.
const PREVIOUS_KEYS_MAX: usize = 32;

const DATABASE_URL_FORM: &str = "a connection string with a host such as \
     postgresql://stagedoor_app:password@host:5432/stagedoor, with ports up to 65535, sslmode (if any) \
     disable, allow, prefer, require, verify-ca or verify-full, and special characters of the \
     password as %XX";

/// Marks a value whose error is already noted.
struct Noted;

type Read<T> = Result<T, Noted>;

/// Builds the configuration; every error is added to `errors`.
pub(super) fn config(settings: Settings, errors: &mut Vec<ConfigError>) -> Option<Config> {
    let mut reader = Reader {
        settings: &settings,
        errors,
    };
    let environment = reader.choice(
        "env",
        &[
            ("development", Environment::Development),
            ("production", Environment::Production),
        ],
    );
    // A wrong environment is one error; the rest is read as in development.
    let assumed = environment
        .as_ref()
        .map_or(Environment::Development, |known| *known);
    let database = database(&mut reader, assumed);
    let web = web(&mut reader);
    let keys = secret_keys(&mut reader);
    let sales = sales(&mut reader);
    let sign_in = sign_in(&mut reader, assumed);
    let payment = payment(&mut reader);
    let mail = mail(&mut reader);
    let first_admin = first_admin(&mut reader);
    let allow_sandbox = reader.flag("allow_sandbox");
    let files = reader.read("files", "a folder", some_path);
    let backup = backup(&mut reader);
    let log = log(&mut reader, assumed);
    let otel_endpoint = reader.optional("otel_endpoint", COLLECTOR, collector);
    // Giving up only now, when all groups have been read and every error is noted.
    let built = || -> Read<Config> {
        let (secret_key, secret_key_previous) = keys?;
        Ok(Config {
            environment: environment?,
            allow_sandbox: allow_sandbox?,
            database: database?,
            web: web?,
            secret_key,
            secret_key_previous,
            sales: sales?,
            sign_in: sign_in?,
            payment: payment?,
            mail: mail?,
            first_admin: first_admin?,
            files: files?,
            backup: backup?,
            log: log?,
            otel_endpoint: otel_endpoint?,
            settings: Settings::default(),
        })
    };
    let built = built().ok();
    built.map(|config| Config { settings, ..config })
}

fn database(reader: &mut Reader<'_>, environment: Environment) -> Read<Database> {
    let url = reader.optional("database_url", DATABASE_URL_FORM, database_url);
    let replica_urls = reader.optional("database_replica_urls", DATABASE_URL_FORM, |text| {
        let urls = split_list(text).into_iter();
        urls.map(database_url).collect::<Option<Vec<_>>>()
    });
    let replica_urls = replica_urls.map(Option::unwrap_or_default);
    let owner_url = reader.optional("database_owner_url", DATABASE_URL_FORM, database_url);
    let monitor_url = reader.optional("database_monitor_url", DATABASE_URL_FORM, database_url);
    let backup_url = reader.optional("database_backup_url", DATABASE_URL_FORM, database_url);
    let run_migrations = reader.by_environment("run_migrations", Reader::flag);
    let one_second = Duration::from_secs(1);
    let statement_timeout = reader.duration("statement_timeout", one_second);
    let pool = pool(reader);
    let timeout_max = Duration::from_secs(STATEMENT_TIMEOUT_DAYS_MAX * 86_400);
    if statement_timeout
        .as_ref()
        .is_ok_and(|timeout| *timeout > timeout_max)
    {
        reader.note(
            "statement_timeout",
            "must be at most 24d, PostgreSQL's limit",
        );
    }
    let url = url?;
    Ok(Database {
        monitor_url: monitor_url?.or_else(|| url.clone()),
        url,
        backup_url: backup_url?,
        replica_urls: replica_urls?,
        owner_url: owner_url?,
        run_migrations: run_migrations?.unwrap_or(!environment.is_production()),
        statement_timeout: statement_timeout?,
        pool: pool?,
    })
}

fn backup(reader: &mut Reader<'_>) -> Read<Backup> {
    let config = reader.read("backup_config", "a file", some_path);
    // It becomes the name of folders, in repositories as well.
    let stanza = reader.read(
        "backup_stanza",
        "lower-case letters, digits, - and _",
        |text| {
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
            some_text(text).filter(|text| text.chars().all(fits) && !text.starts_with('-'))
        },
    );
    Ok(Backup {
        config: config?,
        stanza: stanza?,
    })
}

fn pool(reader: &mut Reader<'_>) -> Read<Pool> {
    let connections_max = reader.number("pool_max", 1, POOL_CONNECTIONS_MAX);
    let connections_min = reader.number("pool_min", 0, POOL_CONNECTIONS_MAX);
    let idle_timeout = reader.duration("pool_idle_timeout", Duration::from_secs(1));
    let connect_timeout = reader.duration("pool_connect_timeout", Duration::from_secs(1));
    if let (Ok(max), Ok(min)) = (&connections_max, &connections_min)
        && min > max
    {
        reader.note(
            "pool_min",
            &format!("must not be over pool_max, which is {max}"),
        );
    }
    Ok(Pool {
        connections_max: connections_max?,
        connections_min: connections_min?,
        idle_timeout: idle_timeout?,
        connect_timeout: connect_timeout?,
    })
}

fn web(reader: &mut Reader<'_>) -> Read<Web> {
    let address = "an IP address and port such as 127.0.0.1:8080 or [::]:8080";
    let listen = reader.read("listen", address, parsed::<SocketAddr>);
    let metrics_listen = reader.read("metrics_listen", address, parsed::<SocketAddr>);
    let tls = tls(reader);
    let base_url = reader.read(
        "base_url",
        "an http or https URL without a path, such as https://tickets.example.org",
        BaseUrl::parse,
    );
    let trusted_proxies = reader.list(
        "trusted_proxies",
        "a list of networks such as 10.0.0.0/8, 192.0.2.7",
        network,
    );
    let rate_limit = reader.choice(
        "rate_limit",
        &[("on", RateLimit::On), ("off", RateLimit::Off)],
    );
    Ok(Web {
        listen: listen?,
        metrics_listen: metrics_listen?,
        tls: tls?,
        base_url: base_url?,
        trusted_proxies: trusted_proxies?,
        rate_limit: rate_limit?,
    })
}

fn tls(reader: &mut Reader<'_>) -> Read<Option<TlsFiles>> {
    let cert = reader.optional("tls_cert", "a PEM file", some_path)?;
    let key = reader.optional("tls_key", "a PEM file", some_path)?;
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(reader.note("tls_key", "must be set beside tls_cert")),
        (None, Some(_)) => Err(reader.note("tls_cert", "must be set beside tls_key")),
    }
}

/// The key in use, and those that are taken besides.
fn secret_keys(reader: &mut Reader<'_>) -> Read<(Option<Secret>, Vec<Secret>)> {
    let current = reader.optional_secret("secret_key");
    let previous = reader.list("secret_key_previous", "a list of keys", |text| {
        some_text(text).map(|text| Secret::new(&text))
    });
    let (current, previous) = (current?, previous?);
    if current.is_none() && !previous.is_empty() {
        return Err(reader.note("secret_key", "must be set beside secret_key_previous"));
    }
    if previous.len() > PREVIOUS_KEYS_MAX {
        let detail = format!("has more than {PREVIOUS_KEYS_MAX} keys; leave the oldest out");
        return Err(reader.note("secret_key_previous", &detail));
    }
    Ok((current, previous))
}

fn sales(reader: &mut Reader<'_>) -> Read<Sales> {
    let timezone = reader.read(
        "timezone",
        "an IANA time zone such as Asia/Bangkok",
        |name| TimeZone::get(name).ok(),
    );
    let hold_ttl = reader.duration("hold_ttl", Duration::from_secs(1));
    let tickets_per_order_max = reader.number("max_tickets_per_order", 1, TICKETS_MAX);
    let tickets_per_customer_max = reader.number("max_tickets_per_customer", 1, TICKETS_MAX);
    let cancel_until = reader.duration("cancel_until", Duration::ZERO);
    let currency = reader.read(
        "currency",
        "an ISO 4217 code: three upper-case letters",
        |text| text.parse::<Currency>().ok(),
    );
    Ok(Sales {
        timezone: timezone?,
        hold_ttl: hold_ttl?,
        tickets_per_order_max: tickets_per_order_max?,
        tickets_per_customer_max: tickets_per_customer_max?,
        cancel_until: cancel_until?,
        currency: currency?,
    })
}

fn sign_in(reader: &mut Reader<'_>, environment: Environment) -> Read<SignIn> {
    let oidc_issuer = reader.read(
        "oidc_issuer",
        "an https URL (http only on this machine, in development)",
        |text| {
            let (https, uri) = value::web_url(text)?;
            let local = value::is_loopback(&uri) && !environment.is_production();
            (https || local).then(|| text.to_owned())
        },
    );
    let id = reader.optional("google_client_id", "a text", some_text)?;
    let secret = reader.optional_secret("google_client_secret")?;
    let google = match (id, secret) {
        (Some(id), Some(secret)) => Some(GoogleClient { id, secret }),
        (None, None) => None,
        (Some(_), None) => {
            return Err(reader.note(
                "google_client_secret",
                "must be set beside google_client_id",
            ));
        }
        (None, Some(_)) => {
            return Err(reader.note(
                "google_client_id",
                "must be set beside google_client_secret",
            ));
        }
    };
    Ok(SignIn {
        google,
        oidc_issuer: oidc_issuer?,
    })
}

fn payment(reader: &mut Reader<'_>) -> Read<Payment> {
    let provider = reader.choice(
        "payment_provider",
        &[
            ("sandbox", PaymentProvider::Sandbox),
            ("stripe", PaymentProvider::Stripe),
        ],
    );
    let stripe_secret_key = reader.optional_secret("stripe_secret_key");
    let stripe_webhook_secrets =
        reader.list("stripe_webhook_secret", "a list of secrets", |text| {
            Some(Secret::new(text))
        });
    let stripe_api_base = reader.read("stripe_api_base", "an http or https URL", web_address);
    if matches!(provider, Ok(PaymentProvider::Stripe)) {
        let mend = "must be set when payment_provider is stripe";
        if matches!(stripe_secret_key, Ok(None)) {
            reader.note("stripe_secret_key", mend);
        }
        if stripe_webhook_secrets.as_ref().is_ok_and(Vec::is_empty) {
            reader.note("stripe_webhook_secret", mend);
        }
    }
    Ok(Payment {
        provider: provider?,
        stripe_secret_key: stripe_secret_key?,
        stripe_webhook_secrets: stripe_webhook_secrets?,
        stripe_api_base: stripe_api_base?,
    })
}

fn mail(reader: &mut Reader<'_>) -> Read<Mail> {
    let smtp_url = reader.optional("smtp_url", "a URL of smtp:// or smtps://", |text| {
        let url = url::Url::parse(text).ok()?;
        let is_smtp = matches!(url.scheme(), "smtp" | "smtps");
        (is_smtp && url.host_str().is_some_and(|host| !host.is_empty())).then(|| Secret::new(text))
    });
    let from = reader.read("mail_from", "a mail address", value::parse_mail_address);
    Ok(Mail {
        smtp_url: smtp_url?,
        from: from?,
    })
}

fn first_admin(reader: &mut Reader<'_>) -> Read<Option<FirstAdmin>> {
    let username = reader.optional("admin_username", "a text", some_text);
    let email = reader.optional("admin_email", "a mail address", value::parse_mail_address);
    let password_file = reader.optional("admin_password_file", "a file", some_path);
    match (username?, email?, password_file?) {
        (Some(username), Some(email), Some(password_file)) => Ok(Some(FirstAdmin {
            username,
            email,
            password_file,
        })),
        (None, None, None) => Ok(None),
        (username, email, _) => {
            let absent = match (username, email) {
                (None, _) => "admin_username",
                (_, None) => "admin_email",
                _ => "admin_password_file",
            };
            let mend = "must be set too: the first superadmin has a name, an address and a \
                        password file";
            Err(reader.note(absent, mend))
        }
    }
}

fn log(reader: &mut Reader<'_>, environment: Environment) -> Read<Log> {
    let filter = reader.optional(
        "log",
        "trace, debug, info, warn, error, off, or directives such as info,store=debug",
        |text| crate::telemetry::filter(text).ok().map(|_| text.to_owned()),
    );
    let format = reader.by_environment("log_format", |reader, key| {
        reader.choice(
            key,
            &[("pretty", LogFormat::Pretty), ("json", LogFormat::Json)],
        )
    });
    let (usual_filter, usual_format) = match environment {
        Environment::Development => ("debug", LogFormat::Pretty),
        Environment::Production => ("info", LogFormat::Json),
    };
    let filter = filter?;
    Ok(Log {
        chosen: filter.is_some(),
        filter: filter.unwrap_or_else(|| usual_filter.to_owned()),
        format: format?.unwrap_or(usual_format),
    })
}

/// Reads keys one by one and notes what is wrong with each.
struct Reader<'a> {
    settings: &'a Settings,
    errors: &'a mut Vec<ConfigError>,
}

impl Reader<'_> {
    /// A key's setting. Every key is in the embedded file, which a test guards.
    fn setting(&mut self, key: &str) -> Read<Setting> {
        let Some(setting) = self.settings.get(key) else {
            self.errors
                .push(ConfigError::missing(key, "the embedded defaults lack it"));
            return Err(Noted);
        };
        Ok(setting.clone())
    }

    fn note(&mut self, key: &str, detail: &str) -> Noted {
        self.errors.push(match self.settings.get(key) {
            Some(setting) => ConfigError::new(key, detail, &setting.source),
            None => ConfigError::missing(key, detail),
        });
        Noted
    }

    fn read<T>(
        &mut self,
        key: &str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Read<T> {
        let setting = self.setting(key)?;
        parse(setting.text.trim()).ok_or_else(|| self.refuse(key, &setting, allowed))
    }

    fn refuse(&mut self, key: &str, setting: &Setting, allowed: &str) -> Noted {
        let value = match (setting.secret, setting.text.is_empty()) {
            (_, true) => "is empty".to_owned(),
            (true, false) => "has a value that isn't allowed (not shown, it is secret)".to_owned(),
            (false, false) => format!("is {:?}", setting.text),
        };
        self.note(key, &format!("{value}; it must be {allowed}"))
    }

    /// An empty value means none.
    fn optional<T>(
        &mut self,
        key: &str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Read<Option<T>> {
        if self.setting(key)?.text.trim().is_empty() {
            return Ok(None);
        }
        self.read(key, allowed, parse).map(Some)
    }

    fn optional_secret(&mut self, key: &str) -> Read<Option<Secret>> {
        self.optional(key, "a text", |text| Some(Secret::new(text)))
    }

    /// An empty value means: as usual in this environment.
    fn by_environment<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&mut Self, &str) -> Read<T>,
    ) -> Read<Option<T>> {
        if self.setting(key)?.text.trim().is_empty() {
            return Ok(None);
        }
        read(self, key).map(Some)
    }

    /// Comma-separated items; an empty value is an empty list.
    fn list<T>(
        &mut self,
        key: &str,
        allowed: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Read<Vec<T>> {
        let items = self.optional(key, allowed, |text| {
            text.split(',')
                .map(|item| parse(item.trim()))
                .collect::<Option<Vec<T>>>()
        });
        items.map(Option::unwrap_or_default)
    }

    fn flag(&mut self, key: &str) -> Read<bool> {
        self.choice(key, &[("true", true), ("false", false)])
    }

    fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Read<T> {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        self.read(key, &names.join(" or "), |text| {
            choices
                .iter()
                .find(|(name, _)| *name == text)
                .map(|(_, value)| *value)
        })
    }

    fn number(&mut self, key: &str, min: u32, max: u32) -> Read<u32> {
        self.read(
            key,
            &format!("a whole number from {min} to {max}"),
            |text| parsed::<u32>(text).filter(|number| (min..=max).contains(number)),
        )
    }

    fn duration(&mut self, key: &str, min: Duration) -> Read<Duration> {
        let allowed = format!(
            "a duration of at least {}s and at most 3650d such as 30s, 10m, 48h or 2d",
            min.as_secs()
        );
        self.read(key, &allowed, |text| {
            value::parse_duration(text).filter(|duration| *duration >= min)
        })
    }
}

fn parsed<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn database_url(text: &str) -> Option<DatabaseUrl> {
    parsed(text)
}

/// A network in CIDR notation, or one address.
fn network(text: &str) -> Option<IpNet> {
    parsed::<IpNet>(text).or_else(|| parsed::<std::net::IpAddr>(text).map(IpNet::from))
}

fn some_text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn some_path(text: &str) -> Option<PathBuf> {
    some_text(text).map(PathBuf::from)
}

const COLLECTOR: &str = "an http or https URL without a name, a password and a query";

/// A web address to whose path something is added, and which is shown.
fn collector(text: &str) -> Option<String> {
    let (_, uri) = value::web_url(text)?;
    let is_plain = uri.query().is_none() && !uri.authority()?.as_str().contains('@');
    web_address(text).filter(|_| is_plain)
}

/// A web address as it was written, without a closing slash.
fn web_address(text: &str) -> Option<String> {
    value::web_url(text).map(|_| text.trim_end_matches('/').to_owned())
}
