//! What production refuses although every value parses, what else is unwise, and what to do about
//! each.
//!
//! Absent on purpose: anything that needs the database.

use std::os::unix::fs::PermissionsExt as _;

use super::value::{PaymentProvider, RateLimit, Secret};
use super::{Config, DatabaseUrl, TlsMode};
use crate::http::tls::Tls;

/// RFC 2104 discourages HMAC keys that are shorter than the hash: 32 bytes for SHA-256.
const SECRET_KEY_BYTES_MIN: usize = 32;

/// Fewer different bytes than this is a placeholder such as `change-me-change-me-…`, not a key.
const SECRET_KEY_DIFFERENT_BYTES_MIN: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// `serve` refuses to start.
    Error,
    Warning,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One thing that production doesn't take, in the shape that `doctor` reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub id: &'static str,
    pub severity: Severity,
    pub detail: String,
    pub mend: String,
}

fn finding(id: &'static str, severity: Severity, detail: &str, mend: &str) -> Finding {
    Finding {
        id,
        severity,
        detail: detail.to_owned(),
        mend: mend.to_owned(),
    }
}

/// Everything that can be said about a configuration without a database.
pub fn findings(config: &Config) -> Vec<Finding> {
    let mut findings = production_findings(config);
    findings.extend(url_findings(config));
    findings.extend(listing_finding(config.secret_key.as_ref()));
    findings.extend(https_findings(config));
    findings.extend(traces_finding(config));
    findings
}

/// What is wrong with direct HTTPS, in any environment: a server that was told to encrypt never
/// answers without.
fn https_findings(config: &Config) -> Vec<Finding> {
    let web = &config.web;
    let Some(files) = &web.tls else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    if let Err(error) = Tls::load(files) {
        // The error itself says what to do.
        findings.push(finding(
            "tls_pair",
            Severity::Error,
            &error.to_string(),
            "then see with `stagedoor config check` whether they fit",
        ));
    }
    let key_mode = std::fs::metadata(&files.key).map(|file| file.permissions().mode());
    if key_mode.is_ok_and(|mode| mode & READABLE_BY_OTHERS != 0) {
        findings.push(finding(
            "tls_key_readable",
            Severity::Warning,
            "every user of this machine may read the file in STAGEDOOR_TLS_KEY",
            "chmod o-r that file",
        ));
    }
    if !web.base_url.is_https() && !config.environment.is_production() {
        findings.push(finding(
            "tls_base_url_http",
            Severity::Warning,
            "a certificate is set, but STAGEDOOR_BASE_URL is http: links lead to where nobody answers",
            "set STAGEDOOR_BASE_URL to the https URL",
        ));
    }
    findings
}

/// The bit of a file's mode.
const READABLE_BY_OTHERS: u32 = 0o004;

/// Whoever set it expects traces.
fn traces_finding(config: &Config) -> Option<Finding> {
    let is_left_out = config.otel_endpoint.is_some() && !cfg!(feature = "otel");
    is_left_out.then(|| {
        finding(
            "otel_left_out",
            Severity::Warning,
            "STAGEDOOR_OTEL_ENDPOINT is set, but this program was built without traces",
            "build it with --features otel, or unset STAGEDOOR_OTEL_ENDPOINT",
        )
    })
}

/// Everything that production refuses or warns of; empty in development.
pub fn production_findings(config: &Config) -> Vec<Finding> {
    if !config.environment.is_production() {
        return Vec::new();
    }
    let mut findings = database_findings(config);
    findings.extend(secret_key_finding(config.secret_key.as_ref()));
    findings.extend(previous_key_finding(&config.secret_key_previous));
    findings.extend(service_findings(config));
    findings
}

fn database_findings(config: &Config) -> Vec<Finding> {
    let database = &config.database;
    let mut findings = Vec::new();
    if database.url.is_none() {
        findings.push(finding(
            "database_url_missing",
            Severity::Error,
            "DATABASE_URL is not set",
            "set DATABASE_URL or DATABASE_URL_FILE to a login as stagedoor_app",
        ));
    }
    findings.extend(database_urls(config).filter_map(|(name, url)| tls_finding(name, url)));
    findings
}

/// Every database that is named, with what names it.
fn database_urls(config: &Config) -> impl Iterator<Item = (&'static str, &DatabaseUrl)> {
    let database = &config.database;
    // The monitor's URL is the primary's unless it was set: one finding is enough.
    let monitor_url = database.monitor_url.as_ref();
    let named = [
        ("DATABASE_URL", database.url.as_ref()),
        ("DATABASE_OWNER_URL", database.owner_url.as_ref()),
        (
            "DATABASE_MONITOR_URL",
            monitor_url.filter(|url| database.url.as_ref() != Some(url)),
        ),
        ("DATABASE_BACKUP_URL", database.backup_url.as_ref()),
    ];
    let replicas = database.replica_urls.iter();
    let singles = named.into_iter();
    let singles = singles.filter_map(|(name, url)| Some((name, url?)));
    singles.chain(replicas.map(|url| ("DATABASE_REPLICA_URLS", url)))
}

/// Databases to which no connection can be made, in any environment.
fn url_findings(config: &Config) -> impl Iterator<Item = Finding> {
    database_urls(config).filter_map(|(name, url)| {
        let error = url.check().err()?;
        Some(Finding {
            id: "database_url_unusable",
            severity: Severity::Error,
            detail: format!("{name} ({url}) is {error}"),
            mend: format!("correct {name}, then see with `stagedoor config check`"),
        })
    })
}

fn tls_finding(name: &str, url: &DatabaseUrl) -> Option<Finding> {
    if url.is_unix_socket() {
        return None;
    }
    let mend = format!(
        "add sslmode=verify-full and sslrootcert=FILE to {name}, the file being the certificate of \
         the authority that signed the database's; or connect through a Unix socket"
    );
    let (id, severity, what) = match url.tls() {
        TlsMode::Off | TlsMode::NotEnforced => {
            ("database_tls", Severity::Error, "goes without enforced TLS")
        }
        TlsMode::Encrypted => (
            "database_tls_unverified",
            Severity::Warning,
            "doesn't check the server's certificate",
        ),
        TlsMode::Issued => (
            "database_tls_any_name",
            Severity::Warning,
            "doesn't check whose certificate the server shows",
        ),
        TlsMode::Verified => return None,
    };
    Some(Finding {
        id,
        severity,
        detail: format!("{name} ({url}) {what}"),
        mend,
    })
}

fn secret_key_finding(key: Option<&Secret>) -> Option<Finding> {
    let mend = "set STAGEDOOR_SECRET_KEY_FILE to a file made with: openssl rand -hex 32";
    let error = |id, detail: &str| Some(finding(id, Severity::Error, detail, mend));
    let Some(key) = key else {
        return error("secret_key_missing", "STAGEDOOR_SECRET_KEY is not set");
    };
    let bytes = key.reveal().as_bytes();
    if bytes.len() < SECRET_KEY_BYTES_MIN {
        return error(
            "secret_key_short",
            "STAGEDOOR_SECRET_KEY is shorter than 32 bytes",
        );
    }
    let different: std::collections::BTreeSet<u8> = bytes.iter().copied().collect();
    if different.len() < SECRET_KEY_DIFFERENT_BYTES_MIN {
        return error(
            "secret_key_default",
            "STAGEDOOR_SECRET_KEY is a placeholder, not a key",
        );
    }
    None
}

/// A key that can be guessed opens as much as a guessed key in use.
fn previous_key_finding(keys: &[Secret]) -> Option<Finding> {
    let is_short = |key: &Secret| key.reveal().len() < SECRET_KEY_BYTES_MIN;
    keys.iter().any(is_short).then(|| {
        finding(
            "secret_key_previous_short",
            Severity::Error,
            "a key in STAGEDOOR_SECRET_KEY_PREVIOUS is shorter than 32 bytes, and opens all that it \
             ever signed",
            "leave it out; give it to `stagedoor audit verify` alone",
        )
    })
}

/// In any environment, for a key that is in use has made links, seals and second factors. Said while
/// few of them are out, not on the day on which it must be changed.
fn listing_finding(key: Option<&Secret>) -> Option<Finding> {
    key?.reveal().contains(',').then(|| {
        finding(
            "secret_key_unlistable",
            Severity::Warning,
            "STAGEDOOR_SECRET_KEY has a comma, so that it can't be named in \
             STAGEDOOR_SECRET_KEY_PREVIOUS, a list, once it is changed",
            "change it while few links are out, to one made with: openssl rand -hex 32. Links of \
             this one stop working then, and second factors begin anew with `stagedoor admin \
             reset-password --forget-totp`; `stagedoor audit verify` needs this one as \
             STAGEDOOR_SECRET_KEY and the new one in STAGEDOOR_SECRET_KEY_PREVIOUS",
        )
    })
}

fn service_findings(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if config.payment.provider == PaymentProvider::Sandbox && !config.allow_sandbox {
        findings.push(finding(
            "sandbox_provider",
            Severity::Error,
            "the sandbox payment provider sells tickets without money",
            "set STAGEDOOR_PAYMENT_PROVIDER=stripe, or STAGEDOOR_ALLOW_SANDBOX=true for a trial",
        ));
    }
    if config.mail.smtp_url.is_none() {
        findings.push(finding(
            "smtp_url_missing",
            Severity::Error,
            "STAGEDOOR_SMTP_URL is empty, so no mail would leave",
            "set STAGEDOOR_SMTP_URL_FILE to a file with smtps://user:password@host",
        ));
    }
    if !config.web.base_url.is_https() {
        findings.push(finding(
            "base_url_http",
            Severity::Error,
            "STAGEDOOR_BASE_URL is http: links and cookies would travel in the clear",
            "set STAGEDOOR_BASE_URL to the shop's public https URL",
        ));
    }
    // Whoever terminates TLS for us is who all visitors seem to be.
    let is_behind_proxy = config.web.tls.is_none() && config.web.base_url.is_https();
    if is_behind_proxy && config.web.trusted_proxies.is_empty() {
        findings.push(finding(
            "trusted_proxies_empty",
            Severity::Warning,
            "STAGEDOOR_TRUSTED_PROXIES is empty: all visitors seem to be the proxy, and share one \
             client's rate limits",
            "set STAGEDOOR_TRUSTED_PROXIES to the proxy's address, and let it set X-Forwarded-For",
        ));
    }
    if config.web.rate_limit == RateLimit::Off {
        findings.push(finding(
            "rate_limit_off",
            Severity::Warning,
            "STAGEDOOR_RATE_LIMIT is off, which is for load tests on a private system",
            "unset STAGEDOOR_RATE_LIMIT",
        ));
    }
    findings
}
