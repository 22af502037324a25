//! A libpq connection string: kept whole as a secret, read only as far as our own rules need.
//!
//! Connecting is the store's business; here we must know hosts and TLS to refuse what is unsafe.

use std::fmt;
use std::str::FromStr;

use super::value::Secret;

/// How far a connection is protected, by libpq's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsMode {
    /// `disable`, `allow`, `prefer` or nothing: an attacker can have it without TLS.
    NotEnforced,
    /// `require`: encrypted, but to anyone.
    Encrypted,
    /// `verify-ca`, `verify-full`.
    Verified,
}

/// Where a database is. Its text shows no password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    whole: Secret,
    hosts: Vec<String>,
    user: Option<String>,
    database: Option<String>,
    tls: TlsMode,
}

/// Not a connection string, or one without a host, or with an unknown `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidDatabaseUrl;

impl fmt::Display for InvalidDatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a PostgreSQL connection string with a host")
    }
}

impl std::error::Error for InvalidDatabaseUrl {}

impl DatabaseUrl {
    /// The whole connection string, password included.
    pub fn reveal(&self) -> &str {
        self.whole.reveal()
    }

    pub fn tls(&self) -> TlsMode {
        self.tls
    }

    /// Whether every host is a folder with a Unix socket, which needs no TLS.
    pub fn is_unix_socket(&self) -> bool {
        self.hosts.iter().all(|host| host.starts_with(['/', '@']))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgresql://")?;
        if let Some(user) = &self.user {
            write!(f, "{user}:********@")?;
        }
        write!(f, "{}", self.hosts.join(","))?;
        match &self.database {
            Some(database) => write!(f, "/{database}"),
            None => Ok(()),
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(text: &str) -> Result<Self, InvalidDatabaseUrl> {
        let scheme = ["postgresql://", "postgres://"];
        let parameters = match scheme.iter().find_map(|scheme| text.strip_prefix(scheme)) {
            Some(rest) => uri_parameters(rest),
            None => word_parameters(text),
        };
        Self::from_parameters(text, &parameters.ok_or(InvalidDatabaseUrl)?)
    }
}

type Parameters = Vec<(String, String)>;

impl DatabaseUrl {
    fn from_parameters(text: &str, parameters: &Parameters) -> Result<Self, InvalidDatabaseUrl> {
        let last = |name: &str| {
            parameters
                .iter()
                .rev()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.clone())
        };
        let hosts: Vec<String> = parameters
            .iter()
            .filter(|(key, _)| key == "host" || key == "hostaddr")
            .flat_map(|(_, value)| value.split(','))
            .filter(|host| !host.is_empty())
            .map(str::to_owned)
            .collect();
        let tls = match last("sslmode").as_deref() {
            None | Some("disable" | "allow" | "prefer") => TlsMode::NotEnforced,
            Some("require") => TlsMode::Encrypted,
            Some("verify-ca" | "verify-full") => TlsMode::Verified,
            Some(_) => return Err(InvalidDatabaseUrl),
        };
        if hosts.is_empty() {
            return Err(InvalidDatabaseUrl);
        }
        let (user, database) = (last("user"), last("dbname"));
        Ok(Self {
            whole: Secret::new(text),
            hosts,
            user,
            database,
            tls,
        })
    }
}

/// `user:password@host:port,host:port/database?key=value&…`
fn uri_parameters(rest: &str) -> Option<Parameters> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let user = login.split_once(':').map_or(login, |(user, _)| user);
    let mut parameters = Parameters::new();
    for (name, value) in [("user", user), ("dbname", database)] {
        if !value.is_empty() {
            parameters.push((name.to_owned(), percent_decoded(value)?));
        }
    }
    for host in hosts.split(',') {
        parameters.push(("host".to_owned(), percent_decoded(without_port(host)?)?));
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        parameters.push((percent_decoded(name)?, percent_decoded(value)?));
    }
    Some(parameters)
}

fn without_port(host: &str) -> Option<&str> {
    if host.starts_with('[') {
        let end = host.find(']')?;
        return port_is_good(host[end + 1..].strip_prefix(':')).then_some(&host[1..end]);
    }
    let (name, port) = host
        .split_once(':')
        .map_or((host, None), |(name, port)| (name, Some(port)));
    port_is_good(port).then_some(name)
}

fn port_is_good(port: Option<&str>) -> bool {
    port.is_none_or(|port| port.is_empty() || port.parse::<u16>().is_ok())
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(first);
        }
    }
    String::from_utf8(bytes).ok()
}

/// `host=… user=… password='it''s'`: libpq's key and value words, quotes and backslashes included.
fn word_parameters(text: &str) -> Option<Parameters> {
    let mut parameters = Parameters::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = word_value(after.trim_start())?;
        parameters.push((name.trim_end().to_owned(), value));
        rest = after.trim_start();
    }
    Some(parameters)
}

fn word_value(text: &str) -> Option<(String, &str)> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut characters = text[usize::from(quoted)..].char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.push(characters.next()?.1),
            '\'' if quoted => return Some((value, &text[at + 2..])),
            space if space.is_whitespace() && !quoted => return Some((value, &text[at..])),
            other => value.push(other),
        }
    }
    // Only an unquoted value may end with the text.
    (!quoted).then_some((value, ""))
}
