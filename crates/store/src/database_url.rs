//! A libpq connection string: read into its parameters, and shown without its password.
//!
//! tokio-postgres reads such strings too, but knows neither `sslrootcert` nor `sslmode=verify-full`.

use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::str::FromStr;

use crate::endpoint::{Endpoint, InvalidUrl};

/// How far a connection is protected, by libpq's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsMode {
    /// `disable`.
    Off,
    /// `allow`, `prefer` or nothing: an attacker can have it without TLS.
    NotEnforced,
    /// `require`: encrypted, but to anyone.
    Encrypted,
    /// `verify-ca`, or `require` with a root certificate: to anyone whom the authority knows.
    Issued,
    /// `verify-full`: to the host that the URL names, and to no other.
    Verified,
}

/// Whose certificates are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootCertificates {
    /// PEM, one or more; libpq's default is `~/.postgresql/root.crt`.
    File(PathBuf),
    /// `sslrootcert=system`: those of the operating system.
    System,
}

/// Where a database is. Its text shows no password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    whole: String,
    parameters: Parameters,
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
        &self.whole
    }

    pub fn tls(&self) -> TlsMode {
        self.tls
    }

    /// Whether every host is a folder with a Unix socket, which needs no TLS.
    pub fn is_unix_socket(&self) -> bool {
        self.hosts().all(is_socket_folder)
    }

    /// The database's name, where it is written.
    pub fn database(&self) -> Option<&str> {
        self.last("dbname")
    }

    /// Hosts with their ports, as far as they are named: what tells one database from another.
    pub fn places(&self) -> String {
        let list = |name| self.last(name).unwrap_or_default().split(',');
        let ports: Vec<&str> = list("port").collect();
        let hosts = self.hosts().enumerate().map(|(index, host)| {
            let port = ports
                .get(index)
                .or(ports.first().filter(|_| ports.len() == 1));
            match port {
                Some(port) if !port.is_empty() => format!("{host}:{port}"),
                _ => host.to_owned(),
            }
        });
        hosts.collect::<Vec<_>>().join(",")
    }

    /// Names and addresses, in the order in which they are tried.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        let named = |(key, _): &&(String, String)| key == "host" || key == "hostaddr";
        let lists = self.parameters.iter().filter(named);
        lists
            .flat_map(|(_, value)| value.split(','))
            .filter(|host| !host.is_empty())
    }

    /// Whose certificates are believed; `None` when none are looked at.
    pub(crate) fn root_certificates(&self) -> Option<RootCertificates> {
        if self.tls < TlsMode::Issued {
            return None;
        }
        Some(match self.last("sslrootcert") {
            Some("system") => RootCertificates::System,
            Some(path) if !path.is_empty() => RootCertificates::File(PathBuf::from(path)),
            _ => {
                // Without a home no file is there, which the error says.
                let home = std::env::var_os("HOME").unwrap_or_else(|| "/nonexistent".into());
                RootCertificates::File(PathBuf::from(home).join(".postgresql/root.crt"))
            }
        })
    }

    /// Whether connections could be made with it, as far as this machine can tell: its parameters
    /// are known, and its root certificates can be read.
    pub fn check(&self) -> Result<(), InvalidUrl> {
        Endpoint::to_standby(&self.whole).map(drop)
    }

    /// For each host in turn the connection string that names it alone, in the form and with the
    /// parameters that tokio-postgres knows.
    pub(crate) fn each_host(&self) -> Vec<String> {
        let lists = ["host", "hostaddr", "port"].map(|name| {
            (
                name,
                self.last(name)
                    .unwrap_or_default()
                    .split(',')
                    .collect::<Vec<_>>(),
            )
        });
        let hosts = lists
            .iter()
            .map(|(_, values)| values.len())
            .max()
            .unwrap_or(1);
        let one = |index: usize| {
            let mut words = String::new();
            for (name, values) in &lists {
                // One port may stand for all hosts.
                let value = values
                    .get(index)
                    .or(values.first().filter(|_| values.len() == 1));
                if let Some(value) = value.filter(|value| !value.is_empty()) {
                    push_word(&mut words, name, value);
                }
            }
            // Certificates are checked against what was named, if only by its address.
            let [(_, names), (_, addresses), _] = &lists;
            let is_named = names.get(index).is_some_and(|name| !name.is_empty());
            if let Some(address) = addresses.get(index).filter(|_| !is_named) {
                push_word(&mut words, "host", address);
            }
            for (name, value) in &self.parameters {
                if !OURS.contains(&name.as_str()) {
                    push_word(&mut words, name, value);
                }
            }
            words
        };
        (0..hosts).map(one).collect()
    }

    /// `target_session_attrs`, `load_balance_hosts` and the like; the last one counts.
    pub(crate) fn last(&self, name: &str) -> Option<&str> {
        let mut found = self.parameters.iter().rev();
        let found = found.find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Parameters that are read here, and are not the driver's business.
const OURS: [&str; 7] = [
    "host",
    "hostaddr",
    "port",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
    "load_balance_hosts",
];

pub(crate) fn is_socket_folder(host: &str) -> bool {
    host.starts_with(['/', '@'])
}

fn push_word(words: &mut String, name: &str, value: &str) {
    let value = value.replace('\\', "\\\\").replace('\'', "\\'");
    let _ = write!(words, "{name}='{value}' ");
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgresql://")?;
        if let Some(user) = self.last("user") {
            write!(f, "{user}:********@")?;
        }
        let hosts: Vec<&str> = self.hosts().collect();
        write!(f, "{}", hosts.join(","))?;
        match self.last("dbname") {
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
        let mut url = Self {
            whole: text.to_owned(),
            parameters: parameters.ok_or(InvalidDatabaseUrl)?,
            tls: TlsMode::NotEnforced,
        };
        url.tls = match url.last("sslmode") {
            // As libpq does: anybody has a certificate of some public authority.
            None if url.last("sslrootcert") == Some("system") => TlsMode::Verified,
            None | Some("allow" | "prefer") => TlsMode::NotEnforced,
            Some("disable") => TlsMode::Off,
            Some("require") if url.last("sslrootcert").is_some() => TlsMode::Issued,
            Some("require") => TlsMode::Encrypted,
            Some("verify-ca") => TlsMode::Issued,
            Some("verify-full") => TlsMode::Verified,
            Some(_) => return Err(InvalidDatabaseUrl),
        };
        if url.hosts().next().is_none() {
            return Err(InvalidDatabaseUrl);
        }
        Ok(url)
    }
}

type Parameters = Vec<(String, String)>;

/// Several connection strings in one text: a comma separates two where another begins behind it, for
/// the hosts of each are separated by commas too.
pub fn split_list(text: &str) -> Vec<&str> {
    let begins = |rest: &str| {
        let rest = rest.trim_start();
        ["postgresql://", "postgres://"].iter().any(|scheme| rest.starts_with(scheme))
            // A word, as in `host=a dbname=d`: in a list of hosts there is none.
            || rest.split(',').next().is_some_and(|item| {
                item.split_once('=').is_some_and(|(name, _)| name.trim().bytes().all(is_word))
            })
    };
    let mut items = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(',') {
        if begins(&text[at + 1..]) {
            items.push(text[start..at].trim());
            start = at + 1;
        }
    }
    items.push(text[start..].trim().trim_end_matches(','));
    items
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte == b'_'
}

/// `user:password@host:port,host:port/database?key=value&…`
fn uri_parameters(rest: &str) -> Option<Parameters> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let mut parameters = Parameters::new();
    for (name, value) in [("user", user), ("password", password), ("dbname", database)] {
        if !value.is_empty() {
            parameters.push((name.to_owned(), percent_decoded(value)?));
        }
    }
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for host in hosts.split(',') {
        let (name, port) = host_and_port(host)?;
        names.push(percent_decoded(name)?);
        ports.push(port);
    }
    // `postgresql:///d?host=…` names its hosts behind the question mark alone.
    for (name, values) in [("host", names.join(",")), ("port", ports.join(","))] {
        if values.contains(|character| character != ',') {
            parameters.push((name.to_owned(), values));
        }
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        parameters.push((percent_decoded(name)?, percent_decoded(value)?));
    }
    Some(parameters)
}

/// An empty port is PostgreSQL's own, 5432.
fn host_and_port(host: &str) -> Option<(&str, &str)> {
    let (name, port) = if host.starts_with('[') {
        let end = host.find(']')?;
        let behind = &host[end + 1..];
        let port = behind.strip_prefix(':');
        (
            &host[1..end],
            port.or(Some("").filter(|_| behind.is_empty()))?,
        )
    } else {
        host.split_once(':').unwrap_or((host, ""))
    };
    (port.is_empty() || port.parse::<u16>().is_ok()).then_some((name, port))
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

/// `host=… user=… password='it\'s'`: libpq's key and value words, quotes and backslashes included.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_split_where_another_connection_string_begins() {
        let (one, two) = (
            "postgresql://u@a,b:5433/d?sslmode=require",
            "postgres://u@c/d",
        );
        assert_eq!(split_list(one), [one]);
        assert_eq!(split_list(&format!("{one}, {two},")), [one, two]);
        assert_eq!(
            split_list("host=a,b dbname=d,host=c"),
            ["host=a,b dbname=d", "host=c"]
        );
    }

    #[test]
    fn what_tells_databases_apart_has_no_login() {
        let places = |text: &str| text.parse::<DatabaseUrl>().unwrap().places();
        assert_eq!(places("postgresql://u:p@a:1,b:2/d"), "a:1,b:2");
        assert_eq!(places("host=a,b port=5433"), "a:5433,b:5433");
        assert_eq!(places("host=/run/postgresql password=p"), "/run/postgresql");
    }
}
