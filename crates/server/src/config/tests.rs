//! Layers, errors, masking and limits of the configuration.

mod production;
mod values;

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::{
    Config, ConfigErrors, DEFAULT_FILE, Environment, Inputs, KEYS, LogFormat, Overrides,
    PaymentProvider, Secret, Severity, Source, findings,
};

/// Inputs of one test: an empty folder, and only the given variables and overrides.
struct Scene {
    folder: TempDir,
    environment: Vec<(String, String)>,
    set: Vec<(String, String)>,
}

impl Scene {
    fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            environment: Vec::new(),
            set: Vec::new(),
        }
    }

    fn file(self, text: &str) -> Self {
        fs::write(self.folder.path().join("stagedoor.toml"), text).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn set(mut self, key: &str, value: &str) -> Self {
        self.set.push((key.to_owned(), value.to_owned()));
        self
    }

    fn secret_file(&self, text: &str) -> String {
        let path = self.folder.path().join("secret");
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn load(&self) -> Result<Config, ConfigErrors> {
        let pairs = self.environment.iter().cloned();
        Config::from_inputs(&Inputs {
            overrides: Overrides {
                file: None,
                set: self.set.clone(),
            },
            environment: pairs
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            folder: self.folder.path().to_owned(),
        })
    }

    fn complaint(&self) -> String {
        self.load().unwrap_err().to_string()
    }
}

/// The published defaults, word for word; an empty text is "none" or "by environment".
const DEFAULTS: &[(&str, &str)] = &[
    ("DATABASE_URL", ""),
    ("DATABASE_REPLICA_URLS", ""),
    ("DATABASE_OWNER_URL", ""),
    ("DATABASE_MONITOR_URL", ""),
    ("DATABASE_BACKUP_URL", ""),
    ("STAGEDOOR_ENV", "development"),
    ("STAGEDOOR_ALLOW_SANDBOX", "false"),
    ("STAGEDOOR_RUN_MIGRATIONS", ""),
    ("STAGEDOOR_LISTEN", "127.0.0.1:8080"),
    ("STAGEDOOR_METRICS_LISTEN", "127.0.0.1:9464"),
    ("STAGEDOOR_TLS_CERT", ""),
    ("STAGEDOOR_TLS_KEY", ""),
    ("STAGEDOOR_BASE_URL", "http://localhost:8080"),
    ("STAGEDOOR_SECRET_KEY", ""),
    ("STAGEDOOR_SECRET_KEY_PREVIOUS", ""),
    ("STAGEDOOR_TIMEZONE", "Asia/Bangkok"),
    ("STAGEDOOR_POOL_MAX", "20"),
    ("STAGEDOOR_POOL_MIN", "2"),
    ("STAGEDOOR_POOL_IDLE_TIMEOUT", "30s"),
    ("STAGEDOOR_POOL_CONNECT_TIMEOUT", "2s"),
    ("STAGEDOOR_STATEMENT_TIMEOUT", "120s"),
    ("STAGEDOOR_HOLD_TTL", "10m"),
    ("STAGEDOOR_MAX_TICKETS_PER_ORDER", "10"),
    ("STAGEDOOR_MAX_TICKETS_PER_CUSTOMER", "10"),
    ("STAGEDOOR_CANCEL_UNTIL", "48h"),
    ("STAGEDOOR_CURRENCY", "THB"),
    ("STAGEDOOR_GOOGLE_CLIENT_ID", ""),
    ("STAGEDOOR_GOOGLE_CLIENT_SECRET", ""),
    ("STAGEDOOR_OIDC_ISSUER", "https://accounts.google.com"),
    ("STAGEDOOR_PAYMENT_PROVIDER", "sandbox"),
    ("STAGEDOOR_STRIPE_SECRET_KEY", ""),
    ("STAGEDOOR_STRIPE_WEBHOOK_SECRET", ""),
    ("STAGEDOOR_STRIPE_API_BASE", "https://api.stripe.com"),
    ("STAGEDOOR_SMTP_URL", ""),
    ("STAGEDOOR_MAIL_FROM", "tickets@localhost"),
    ("STAGEDOOR_ADMIN_USERNAME", ""),
    ("STAGEDOOR_ADMIN_EMAIL", ""),
    ("STAGEDOOR_ADMIN_PASSWORD_FILE", ""),
    ("STAGEDOOR_FILES", "./files"),
    ("STAGEDOOR_BACKUP_CONFIG", "/etc/pgbackrest/pgbackrest.conf"),
    ("STAGEDOOR_BACKUP_STANZA", "stagedoor"),
    ("STAGEDOOR_TRUSTED_PROXIES", ""),
    ("STAGEDOOR_RATE_LIMIT", "on"),
    ("STAGEDOOR_LOG", ""),
    ("STAGEDOOR_LOG_FORMAT", ""),
    ("STAGEDOOR_OTEL_ENDPOINT", ""),
];

#[test]
fn the_defaults_are_the_published_ones() {
    let config = Scene::new().load().unwrap();
    let found: Vec<(&str, &str)> = config
        .settings
        .iter()
        .map(|(key, setting)| {
            assert_eq!(setting.source, Source::Default);
            (key.environment, setting.shown())
        })
        .collect();
    assert_eq!(found, DEFAULTS);
}

#[test]
fn the_default_file_names_and_explains_every_key_and_no_other() {
    let table: toml::Table = DEFAULT_FILE.parse().unwrap();
    assert_eq!(table.len(), KEYS.len());
    for key in KEYS {
        assert!(table.contains_key(key.name), "{}", key.name);
        let documented = DEFAULT_FILE.lines().any(|line| {
            let secret = format!("# secret; environment: {0} or {0}_FILE", key.environment);
            let plain = format!("# environment: {}", key.environment);
            line == if key.secret { secret } else { plain }
        });
        assert!(documented, "{}", key.environment);
    }
}

#[test]
fn the_defaults_have_their_types() {
    let config = Scene::new().load().unwrap();
    assert_eq!(config.environment, Environment::Development);
    assert!(config.database.url.is_none() && config.database.monitor_url.is_none());
    assert!(config.database.run_migrations);
    assert_eq!(config.database.pool.connections_max, 20);
    assert_eq!(config.database.pool.connect_timeout, Duration::from_secs(2));
    assert_eq!(config.sales.timezone.iana_name(), Some("Asia/Bangkok"));
    assert_eq!(config.sales.cancel_until, Duration::from_hours(48));
    assert_eq!(config.sales.currency.as_str(), "THB");
    assert_eq!(config.web.base_url.as_str(), "http://localhost:8080");
    assert_eq!(config.payment.provider, PaymentProvider::Sandbox);
    assert_eq!(
        (config.log.filter.as_str(), config.log.chosen),
        ("debug", false)
    );
    assert_eq!(config.log.format, LogFormat::Pretty);
}

#[test]
fn command_line_wins_over_environment_over_file_over_default() {
    let hold = |scene: Scene| {
        let config = scene.load().unwrap();
        let source = config.settings.get("hold_ttl").unwrap().source.to_string();
        (config.sales.hold_ttl.as_secs(), source)
    };
    let file = || Scene::new().file("hold_ttl = \"2m\"\n");
    assert_eq!(hold(Scene::new()), (600, "default".to_owned()));
    let (seconds, source) = hold(file());
    assert_eq!(seconds, 120);
    assert!(
        source.starts_with("file /") && source.ends_with("/stagedoor.toml"),
        "{source}"
    );
    let environment = || file().variable("STAGEDOOR_HOLD_TTL", "3m");
    assert_eq!(
        hold(environment()),
        (180, "environment STAGEDOOR_HOLD_TTL".to_owned())
    );
    assert_eq!(
        hold(environment().set("hold_ttl", "4m")),
        (240, "command line".to_owned())
    );
}

#[test]
fn a_named_file_must_exist_and_the_command_line_names_it_first() {
    let scene = Scene::new();
    let path = scene.folder.path().join("other.toml");
    let named = scene.variable("STAGEDOOR_CONFIG", path.to_str().unwrap());
    assert!(
        named.complaint().contains("other.toml can't be read"),
        "{}",
        named.complaint()
    );
    fs::write(
        &path,
        "pool_max = 7\nrun_migrations = false\ntrusted_proxies = [\"10.0.0.0/8\"]\n",
    )
    .unwrap();
    let config = named.load().unwrap();
    assert_eq!(config.database.pool.connections_max, 7);
    assert!(!config.database.run_migrations);
    assert_eq!(config.web.trusted_proxies.len(), 1);
}

#[test]
fn an_unknown_key_names_the_nearest_one() {
    let file = Scene::new().file("hold_tl = \"2m\"\n").complaint();
    assert!(
        file.contains("hold_tl is no key; did you mean hold_ttl? (from file "),
        "{file}"
    );
    let table = Scene::new().file("[pool]\nmax = 3\n").complaint();
    assert!(
        table.contains("pool is no key; did you mean pool_m"),
        "{table}"
    );
    let set = Scene::new().set("curency", "USD").complaint();
    assert!(
        set.contains("did you mean currency? (from command line)"),
        "{set}"
    );
    for other in [
        Scene::new().set("foo", "1"),
        Scene::new().variable("STAGEDOOR_FOO", "1"),
    ] {
        let other = other.complaint();
        assert!(!other.contains("did you mean"), "{other}");
        assert!(other.contains("stagedoor config template"), "{other}");
    }
    let variable = Scene::new().variable("STAGEDOOR_LISTENS", "x").complaint();
    assert!(
        variable.contains("STAGEDOOR_LISTENS is no variable of stagedoor"),
        "{variable}"
    );
    assert!(
        variable.contains("did you mean STAGEDOOR_LISTEN?"),
        "{variable}"
    );
}

#[test]
fn variables_of_other_tools_are_left_alone() {
    let scene = Scene::new()
        .variable("STAGEDOOR_TEST_DATABASE", "x")
        .variable("STAGEDOOR_CONFIG", "")
        .variable("DATABASE_POOL", "x")
        .variable("HOME", "/nowhere");
    assert!(scene.load().is_ok());
}

#[test]
fn a_secret_can_come_from_a_file() {
    let scene = Scene::new();
    let path = scene.secret_file("s3cret\n");
    let config = scene
        .variable("STAGEDOOR_SECRET_KEY_FILE", &path)
        .load()
        .unwrap();
    assert_eq!(config.secret_key.unwrap().reveal(), "s3cret");
    let source = &config.settings.get("secret_key").unwrap().source;
    assert_eq!(source.to_string(), "environment STAGEDOOR_SECRET_KEY_FILE");
}

#[test]
fn previous_keys_are_a_list_beside_the_key() {
    let keys = "one, two,three";
    let scene = Scene::new().variable("STAGEDOOR_SECRET_KEY_PREVIOUS", keys);
    let complaint = scene.complaint();
    let mend = "secret_key must be set beside secret_key_previous";
    assert!(complaint.contains(mend), "{complaint}");
    assert!(!complaint.contains("two"), "{complaint}");
    let config = scene
        .variable("STAGEDOOR_SECRET_KEY", "four")
        .load()
        .unwrap();
    let previous: Vec<&str> = config
        .secret_key_previous
        .iter()
        .map(Secret::reveal)
        .collect();
    assert_eq!(previous, ["one", "two", "three"]);
    // Spaces at its ends are no part of a key, in either place.
    let spaced = Scene::new().variable("STAGEDOOR_SECRET_KEY", " two ");
    let spaced = spaced.load().unwrap().secret_key.unwrap();
    assert_eq!(spaced.reveal(), previous[1]);
    let many = vec!["key"; 33].join(",");
    let complaint = Scene::new()
        .variable("STAGEDOOR_SECRET_KEY", "four")
        .variable("STAGEDOOR_SECRET_KEY_PREVIOUS", &many)
        .complaint();
    assert!(complaint.contains("more than 32 keys"), "{complaint}");
}

#[test]
fn a_key_that_could_never_be_listed_as_a_previous_one_is_warned_of_in_time() {
    let told = |key: &str| {
        let config = Scene::new().variable("STAGEDOOR_SECRET_KEY", key).load();
        findings(&config.unwrap())
    };
    assert_eq!(told("one two"), []);
    let told = told("one,two");
    let found: Vec<_> = told.iter().map(|one| (one.id, one.severity)).collect();
    assert_eq!(found, [("secret_key_unlistable", Severity::Warning)]);
    assert!(!told[0].detail.contains("two"), "{told:?}");
    assert!(told[0].mend.contains("STAGEDOOR_SECRET_KEY_PREVIOUS"));
}

#[test]
fn whoever_wants_traces_of_a_program_without_them_is_told() {
    let scene = Scene::new().variable("STAGEDOOR_OTEL_ENDPOINT", "http://127.0.0.1:4318/");
    let config = scene.load().unwrap();
    let told = findings(&config);
    let expected: &[_] = if cfg!(feature = "otel") {
        &[]
    } else {
        &[("otel_left_out", Severity::Warning)]
    };
    let found: Vec<_> = told.iter().map(|one| (one.id, one.severity)).collect();
    assert_eq!(found, expected);
    assert_eq!(config.otel_endpoint.unwrap(), "http://127.0.0.1:4318");
}

#[test]
fn every_secret_and_nothing_else_has_a_file_form() {
    for key in KEYS {
        let scene = Scene::new().variable(&format!("{}_FILE", key.environment), "/nonexistent");
        let unread = scene
            .load()
            .is_err_and(|errors| errors.to_string().contains("can't be read"));
        assert_eq!(unread, key.secret, "{}", key.environment);
    }
}

#[test]
fn both_forms_of_a_secret_are_an_error_only_within_one_layer() {
    let scene = Scene::new();
    let path = scene.secret_file("from-a-file");
    let both = scene
        .variable("STAGEDOOR_SECRET_KEY", "direct")
        .variable("STAGEDOOR_SECRET_KEY_FILE", &path);
    let complaint = both.complaint();
    assert!(complaint.contains("secret_key is set twice"), "{complaint}");
    assert!(!complaint.contains("direct"), "{complaint}");

    let scene = Scene::new().file("secret_key = \"lower\"\n");
    let path = scene.secret_file("higher");
    let config = scene
        .variable("STAGEDOOR_SECRET_KEY", "")
        .variable("STAGEDOOR_SECRET_KEY_FILE", &path)
        .load()
        .unwrap();
    assert_eq!(config.secret_key.unwrap().reveal(), "higher");
}

#[test]
fn an_empty_variable_clears_what_the_file_says() {
    let scene = Scene::new().file("trusted_proxies = [\"10.0.0.0/8\"]\n");
    let config = scene
        .variable("STAGEDOOR_TRUSTED_PROXIES", "")
        .load()
        .unwrap();
    assert!(config.web.trusted_proxies.is_empty());
}

#[test]
fn secrets_are_shown_nowhere() {
    let mut scene = Scene::new();
    for key in KEYS.iter().filter(|key| key.secret) {
        let value = match key.name {
            name if name.starts_with("database_") => "postgresql://app:hunter2@db/stagedoor",
            "smtp_url" => "smtps://mail:hunter2@mail.example.org",
            _ => "hunter2",
        };
        scene = scene.variable(key.environment, value);
    }
    let scene = scene.variable("STAGEDOOR_GOOGLE_CLIENT_ID", "id");
    let config = scene.load().unwrap();
    assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
    for (key, setting) in config.settings.iter().filter(|(key, _)| key.secret) {
        assert_eq!(setting.shown(), "********", "{}", key.name);
    }
    let url = config.database.url.unwrap();
    assert_eq!(url.to_string(), "postgresql://app:********@db/stagedoor");
    let bad = Scene::new()
        .variable("DATABASE_URL", "mysql:hunter2")
        .complaint();
    assert!(
        bad.contains("not shown, it is secret") && !bad.contains("hunter2"),
        "{bad}"
    );
}

#[test]
fn all_errors_are_shown_together() {
    let scene = Scene::new()
        .file("hold_tl = \"1m\"\npool_max = 0\n")
        .variable("STAGEDOOR_CURRENCY", "baht")
        .set("env", "live");
    let errors = scene.load().unwrap_err();
    assert_eq!(errors.iter().count(), 4, "{errors}");
    assert!(
        errors
            .to_string()
            .starts_with("the configuration is wrong in 4 places:\n  ")
    );
}

#[test]
fn a_file_that_is_not_toml_names_the_line() {
    let complaint = Scene::new()
        .file("pool_max = 3\npool_min = = 4\n")
        .complaint();
    assert!(complaint.contains("is not TOML in line 2"), "{complaint}");
    let number = Scene::new().file("pool_max = 3.5\n").complaint();
    assert!(
        number.contains("pool_max must be a text, a number"),
        "{number}"
    );
}

#[test]
fn a_missing_database_url_says_how_to_set_it() {
    let config = Scene::new().load().unwrap();
    let text = config.require_database_url().unwrap_err().to_string();
    assert!(
        text.contains("DATABASE_URL") && text.contains("stagedoor demo"),
        "{text}"
    );
    assert!(config.require_owner_url().is_err());
    assert!(Path::new(&config.files).is_relative());
}
