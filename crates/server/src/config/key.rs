//! The table of all keys: their name in the file, their environment variable, whether they are secret.
//!
//! Defaults are not here but in `config.default.toml`; types and limits are in `build`.

/// One configuration key.
#[derive(Debug)]
pub struct Key {
    /// Its name in `stagedoor.toml` and for `--set`.
    pub name: &'static str,
    /// Its environment variable.
    pub environment: &'static str,
    /// Secret keys are masked, and have a `…_file` form.
    pub secret: bool,
}

const fn plain(name: &'static str, environment: &'static str) -> Key {
    Key {
        name,
        environment,
        secret: false,
    }
}

const fn secret(name: &'static str, environment: &'static str) -> Key {
    Key {
        name,
        environment,
        secret: true,
    }
}

/// Every key, in the order in which `config print` shows them.
pub static KEYS: &[Key] = &[
    secret("database_url", "DATABASE_URL"),
    secret("database_replica_urls", "DATABASE_REPLICA_URLS"),
    secret("database_owner_url", "DATABASE_OWNER_URL"),
    secret("database_monitor_url", "DATABASE_MONITOR_URL"),
    secret("database_backup_url", "DATABASE_BACKUP_URL"),
    plain("env", "STAGEDOOR_ENV"),
    plain("allow_sandbox", "STAGEDOOR_ALLOW_SANDBOX"),
    plain("run_migrations", "STAGEDOOR_RUN_MIGRATIONS"),
    plain("listen", "STAGEDOOR_LISTEN"),
    plain("metrics_listen", "STAGEDOOR_METRICS_LISTEN"),
    plain("tls_cert", "STAGEDOOR_TLS_CERT"),
    plain("tls_key", "STAGEDOOR_TLS_KEY"),
    plain("base_url", "STAGEDOOR_BASE_URL"),
    secret("secret_key", "STAGEDOOR_SECRET_KEY"),
    secret("secret_key_previous", "STAGEDOOR_SECRET_KEY_PREVIOUS"),
    plain("timezone", "STAGEDOOR_TIMEZONE"),
    plain("pool_max", "STAGEDOOR_POOL_MAX"),
    plain("pool_min", "STAGEDOOR_POOL_MIN"),
    plain("pool_idle_timeout", "STAGEDOOR_POOL_IDLE_TIMEOUT"),
    plain("pool_connect_timeout", "STAGEDOOR_POOL_CONNECT_TIMEOUT"),
    plain("statement_timeout", "STAGEDOOR_STATEMENT_TIMEOUT"),
    plain("hold_ttl", "STAGEDOOR_HOLD_TTL"),
    plain("max_tickets_per_order", "STAGEDOOR_MAX_TICKETS_PER_ORDER"),
    plain(
        "max_tickets_per_customer",
        "STAGEDOOR_MAX_TICKETS_PER_CUSTOMER",
    ),
    plain("cancel_until", "STAGEDOOR_CANCEL_UNTIL"),
    plain("currency", "STAGEDOOR_CURRENCY"),
    plain("google_client_id", "STAGEDOOR_GOOGLE_CLIENT_ID"),
    secret("google_client_secret", "STAGEDOOR_GOOGLE_CLIENT_SECRET"),
    plain("oidc_issuer", "STAGEDOOR_OIDC_ISSUER"),
    plain("payment_provider", "STAGEDOOR_PAYMENT_PROVIDER"),
    secret("stripe_secret_key", "STAGEDOOR_STRIPE_SECRET_KEY"),
    secret("stripe_webhook_secret", "STAGEDOOR_STRIPE_WEBHOOK_SECRET"),
    plain("stripe_api_base", "STAGEDOOR_STRIPE_API_BASE"),
    secret("smtp_url", "STAGEDOOR_SMTP_URL"),
    plain("mail_from", "STAGEDOOR_MAIL_FROM"),
    plain("admin_username", "STAGEDOOR_ADMIN_USERNAME"),
    plain("admin_email", "STAGEDOOR_ADMIN_EMAIL"),
    plain("admin_password_file", "STAGEDOOR_ADMIN_PASSWORD_FILE"),
    plain("files", "STAGEDOOR_FILES"),
    plain("backup_config", "STAGEDOOR_BACKUP_CONFIG"),
    plain("backup_stanza", "STAGEDOOR_BACKUP_STANZA"),
    plain("trusted_proxies", "STAGEDOOR_TRUSTED_PROXIES"),
    plain("rate_limit", "STAGEDOOR_RATE_LIMIT"),
    plain("log", "STAGEDOOR_LOG"),
    plain("log_format", "STAGEDOOR_LOG_FORMAT"),
    plain("otel_endpoint", "STAGEDOOR_OTEL_ENDPOINT"),
];

/// `STAGEDOOR_…` variables that are not keys and are no error: the file's own name.
const OTHER_VARIABLES: &[&str] = &["STAGEDOOR_CONFIG"];

/// Variables with this prefix steer the project's tests.
const TEST_PREFIX: &str = "STAGEDOOR_TEST_";

/// Whether a variable is ours to judge: unknown ones with our prefix are mistakes.
pub(super) fn is_ours(variable: &str) -> bool {
    variable.starts_with("STAGEDOOR_")
        && !variable.starts_with(TEST_PREFIX)
        && !OTHER_VARIABLES.contains(&variable)
}

/// A key as somebody wrote it: the value itself or the file that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Value,
    /// `database_url_file`, `DATABASE_URL_FILE`.
    File,
}

/// Finds a key by its name in the file, in either form.
pub(super) fn by_name(name: &str) -> Option<(&'static Key, Form)> {
    find(name, "_file", |key| key.name)
}

/// Finds a key by its environment variable, in either form.
pub(super) fn by_variable(variable: &str) -> Option<(&'static Key, Form)> {
    find(variable, "_FILE", |key| key.environment)
}

fn find(
    text: &str,
    suffix: &str,
    spelling: fn(&Key) -> &'static str,
) -> Option<(&'static Key, Form)> {
    if let Some(key) = KEYS.iter().find(|key| spelling(key) == text) {
        return Some((key, Form::Value));
    }
    let stem = text.strip_suffix(suffix)?;
    let key = KEYS
        .iter()
        .find(|key| key.secret && spelling(key) == stem)?;
    Some((key, Form::File))
}

/// A mistyped letter or two, or the beginning of a key; what has less in common was meant otherwise.
const LIKENESS_MIN: f64 = 0.8;

/// What to do about a name that is no key's.
pub(super) fn advice_for_name(name: &str) -> String {
    advice(name, KEYS.iter().map(|key| key.name))
}

/// The same of a variable.
pub(super) fn advice_for_variable(variable: &str) -> String {
    advice(variable, KEYS.iter().map(|key| key.environment))
}

/// The known one that is most like it, where one is like it.
fn advice(text: &str, known: impl Iterator<Item = &'static str>) -> String {
    // What all of them begin with makes none of them alike.
    let own = |text: &'_ str| text.trim_start_matches("STAGEDOOR_").to_owned();
    let text = own(text);
    let likeness = |known: &str| strsim::jaro_winkler(&text, &own(known));
    let nearest = known
        .map(|known| (likeness(known), known))
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    match nearest {
        Some((likeness, known)) if likeness >= LIKENESS_MIN => format!("did you mean {known}?"),
        _ => "`stagedoor config template` lists them all".to_owned(),
    }
}
