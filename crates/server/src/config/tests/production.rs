//! What changes in production, and what production refuses.

use crate::config::{LogFormat, Severity, production_findings};

use super::Scene;

#[test]
fn production_changes_log_and_migrations() {
    let config = Scene::new()
        .variable("STAGEDOOR_ENV", "production")
        .load()
        .unwrap();
    assert!(!config.database.run_migrations);
    assert_eq!(
        (config.log.filter.as_str(), config.log.format),
        ("info", LogFormat::Json)
    );
    let chosen = Scene::new()
        .variable("STAGEDOOR_ENV", "production")
        .variable("STAGEDOOR_RUN_MIGRATIONS", "true")
        .variable("STAGEDOOR_LOG_FORMAT", "pretty")
        .load()
        .unwrap();
    assert!(chosen.database.run_migrations);
    assert_eq!(chosen.log.format, LogFormat::Pretty);
}

/// What production would say about a scene.
fn found(scene: &Scene) -> Vec<(&'static str, Severity)> {
    let findings = production_findings(&scene.load().unwrap());
    findings
        .iter()
        .map(|finding| (finding.id, finding.severity))
        .collect()
}

fn production() -> Scene {
    Scene::new().variable("STAGEDOOR_ENV", "production")
}

fn safe_production() -> Scene {
    production()
        .variable("DATABASE_URL", "postgresql://a:p@h/d?sslmode=verify-full")
        .variable("STAGEDOOR_SECRET_KEY", "0123456789abcdef0123456789abcdef")
        .variable("STAGEDOOR_ALLOW_SANDBOX", "true")
        .variable("STAGEDOOR_SMTP_URL", "smtps://mail.example.org")
        .variable("STAGEDOOR_BASE_URL", "https://tickets.example.org")
        .variable("STAGEDOOR_TRUSTED_PROXIES", "10.0.0.1")
}

#[test]
fn the_defaults_are_fine_for_development_only() {
    assert_eq!(found(&Scene::new()), []);
    let refused = [
        "database_url_missing",
        "secret_key_missing",
        "sandbox_provider",
        "smtp_url_missing",
        "base_url_http",
    ];
    assert_eq!(
        found(&production()),
        refused.map(|id| (id, Severity::Error))
    );
}

#[test]
fn production_names_everything_that_is_unsafe() {
    assert_eq!(found(&safe_production()), []);
    for (name, value, id, severity) in [
        (
            "DATABASE_URL",
            "postgresql://a:p@h/d",
            "database_tls",
            Severity::Error,
        ),
        (
            "DATABASE_OWNER_URL",
            "host=h sslmode=prefer",
            "database_tls",
            Severity::Error,
        ),
        (
            "DATABASE_OWNER_URL",
            "host=h sslmode=disable",
            "database_tls",
            Severity::Error,
        ),
        (
            "DATABASE_REPLICA_URLS",
            "host=h",
            "database_tls",
            Severity::Error,
        ),
        (
            "DATABASE_MONITOR_URL",
            "host=h",
            "database_tls",
            Severity::Error,
        ),
        (
            "DATABASE_URL",
            "host=h sslmode=require",
            "database_tls_unverified",
            Severity::Warning,
        ),
        (
            "STAGEDOOR_SECRET_KEY",
            "short",
            "secret_key_short",
            Severity::Error,
        ),
        (
            "STAGEDOOR_SECRET_KEY",
            &"change-me".repeat(4),
            "secret_key_default",
            Severity::Error,
        ),
        (
            "STAGEDOOR_TRUSTED_PROXIES",
            "",
            "trusted_proxies_empty",
            Severity::Warning,
        ),
        (
            "STAGEDOOR_RATE_LIMIT",
            "off",
            "rate_limit_off",
            Severity::Warning,
        ),
    ] {
        assert_eq!(
            found(&safe_production().variable(name, value)),
            [(id, severity)],
            "{name}"
        );
    }
}

#[test]
fn a_former_key_that_can_be_guessed_is_as_unsafe_as_one_in_use() {
    let keys = "0123456789abcdef0123456789abcdef";
    let list = |text: &str| safe_production().variable("STAGEDOOR_SECRET_KEY_PREVIOUS", text);
    assert_eq!(found(&list(keys)), []);
    let short = found(&list(&format!("{keys},short")));
    assert_eq!(short, [("secret_key_previous_short", Severity::Error)]);
}

#[test]
fn a_unix_socket_needs_no_tls() {
    let socket = safe_production().variable("DATABASE_URL", "host=/run/postgresql");
    assert_eq!(found(&socket), []);
}

#[test]
fn what_production_refuses_says_what_to_do_and_no_secret() {
    let scene = Scene::new()
        .variable("STAGEDOOR_ENV", "production")
        .variable("DATABASE_URL", "postgresql://app:hunter2@db/d")
        .variable("STAGEDOOR_SECRET_KEY", "hunter2");
    for finding in production_findings(&scene.load().unwrap()) {
        assert!(
            !finding.mend.is_empty() && !finding.detail.contains("hunter2"),
            "{finding:?}"
        );
    }
}
