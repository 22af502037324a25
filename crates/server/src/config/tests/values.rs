//! The limits of single values, and of values beside each other.

use crate::config::{DatabaseUrl, KEYS, RateLimit, TlsMode, parse_duration};

use super::Scene;

#[test]
fn every_bad_value_is_refused_with_key_value_rule_and_source() {
    for (name, value, rule) in [
        ("STAGEDOOR_ENV", "staging", "development or production"),
        ("STAGEDOOR_ALLOW_SANDBOX", "yes", "true or false"),
        ("STAGEDOOR_RUN_MIGRATIONS", "1", "true or false"),
        ("STAGEDOOR_LISTEN", "localhost", "an IP address and port"),
        ("STAGEDOOR_METRICS_LISTEN", "", "an IP address and port"),
        (
            "STAGEDOOR_BASE_URL",
            "https://a.example/shop",
            "without a path",
        ),
        ("STAGEDOOR_BASE_URL", "ftp://a.example", "http or https"),
        ("STAGEDOOR_TIMEZONE", "Asia/Bangkock", "IANA"),
        ("STAGEDOOR_POOL_MAX", "0", "1 to 1000"),
        ("STAGEDOOR_POOL_MAX", "1001", "1 to 1000"),
        ("STAGEDOOR_POOL_MIN", "-1", "0 to 1000"),
        ("STAGEDOOR_POOL_IDLE_TIMEOUT", "30", "a duration"),
        ("STAGEDOOR_POOL_CONNECT_TIMEOUT", "0s", "at least 1s"),
        ("STAGEDOOR_STATEMENT_TIMEOUT", "soon", "a duration"),
        ("STAGEDOOR_HOLD_TTL", "0s", "at least 1s"),
        ("STAGEDOOR_MAX_TICKETS_PER_ORDER", "0", "from 1"),
        ("STAGEDOOR_MAX_TICKETS_PER_CUSTOMER", "ten", "from 1"),
        ("STAGEDOOR_CANCEL_UNTIL", "48 h", "a duration"),
        ("STAGEDOOR_CURRENCY", "thb", "upper-case"),
        ("STAGEDOOR_OIDC_ISSUER", "http://idp.example", "https"),
        ("STAGEDOOR_PAYMENT_PROVIDER", "cash", "sandbox or stripe"),
        ("STAGEDOOR_STRIPE_API_BASE", "stripe", "http or https"),
        ("STAGEDOOR_MAIL_FROM", "tickets", "a mail address"),
        ("STAGEDOOR_TRUSTED_PROXIES", "10.0.0.0/33", "networks"),
        ("STAGEDOOR_RATE_LIMIT", "true", "on or off"),
        ("STAGEDOOR_LOG", "verbose", "trace, debug"),
        ("STAGEDOOR_LOG_FORMAT", "xml", "pretty or json"),
        ("STAGEDOOR_OTEL_ENDPOINT", "collector", "http or https"),
        ("STAGEDOOR_OTEL_ENDPOINT", "http://a:b@host", "password"),
        ("STAGEDOOR_OTEL_ENDPOINT", "http://host?key=1", "query"),
        ("STAGEDOOR_FILES", "", "a folder"),
    ] {
        let complaint = Scene::new().variable(name, value).complaint();
        let key = KEYS
            .iter()
            .find(|key| key.environment == name)
            .unwrap()
            .name;
        assert!(
            complaint.contains(&format!("wrong: {key} is ")),
            "{complaint}"
        );
        let shown = if value.is_empty() {
            "is empty".to_owned()
        } else {
            format!("{value:?}")
        };
        assert!(complaint.contains(&shown), "{complaint}");
        assert!(complaint.contains(rule), "{complaint} lacks {rule}");
        assert!(
            complaint.ends_with(&format!("(from environment {name})")),
            "{complaint}"
        );
    }
}

#[test]
fn keys_that_contradict_each_other_are_refused() {
    for (pairs, complaint_part) in [
        (
            &[("pool_max", "3"), ("pool_min", "4")][..],
            "pool_min must not be over pool_max",
        ),
        (
            &[("tls_cert", "a.pem")],
            "tls_key must be set beside tls_cert",
        ),
        (
            &[("tls_key", "a.pem")],
            "tls_cert must be set beside tls_key",
        ),
        (
            &[("google_client_id", "a")],
            "google_client_secret must be set",
        ),
        (
            &[("google_client_secret", "a")],
            "google_client_id must be set",
        ),
        (
            &[("payment_provider", "stripe")],
            "stripe_webhook_secret must be set when",
        ),
        (&[("admin_username", "root")], "admin_email must be set too"),
        (&[("admin_email", "a@b")], "admin_username must be set too"),
        (
            &[("statement_timeout", "25d")],
            "statement_timeout must be at most 24d",
        ),
        (
            &[("env", "production"), ("oidc_issuer", "http://localhost")],
            "oidc_issuer is ",
        ),
    ] {
        let scene = pairs
            .iter()
            .fold(Scene::new(), |scene, (key, value)| scene.set(key, value));
        let complaint = scene.complaint();
        assert!(complaint.contains(complaint_part), "{complaint}");
    }
}

#[test]
fn good_values_of_every_kind_are_taken() {
    let config = Scene::new()
        .variable("STAGEDOOR_TRUSTED_PROXIES", "10.0.0.0/8, ::1,192.0.2.7")
        .variable("STAGEDOOR_BASE_URL", "https://Tickets.example.org/")
        .variable("STAGEDOOR_OIDC_ISSUER", "http://127.0.0.1:9000")
        .variable("STAGEDOOR_CANCEL_UNTIL", "0s")
        .variable("STAGEDOOR_LOG", "info,store=debug")
        .variable("STAGEDOOR_RATE_LIMIT", "off")
        .variable("STAGEDOOR_PAYMENT_PROVIDER", "stripe")
        .variable("STAGEDOOR_STRIPE_SECRET_KEY", "sk")
        .variable("STAGEDOOR_STRIPE_WEBHOOK_SECRET", "old, new")
        .load()
        .unwrap();
    assert_eq!(config.web.trusted_proxies.len(), 3);
    assert_eq!(config.web.base_url.as_str(), "https://tickets.example.org");
    assert!(config.web.base_url.is_https());
    assert_eq!(config.web.rate_limit, RateLimit::Off);
    assert_eq!(config.payment.stripe_webhook_secrets.len(), 2);
    assert!(config.log.chosen);
}

#[test]
fn durations_are_a_whole_number_and_a_unit() {
    let seconds = |text| parse_duration(text).map(|duration| duration.as_secs());
    assert_eq!(seconds("1s"), Some(1));
    assert_eq!(seconds("10m"), Some(600));
    assert_eq!(seconds("48h"), seconds("2d"));
    for bad in [
        "",
        "s",
        "10",
        "1.5h",
        "+1s",
        "-1s",
        "1w",
        "1 s",
        "99999d",
        "18446744073709551615h",
    ] {
        assert_eq!(parse_duration(bad), None, "{bad}");
    }
}

#[test]
fn database_urls_tell_hosts_and_tls() {
    let read = |text: &str| {
        let url: DatabaseUrl = text.parse().unwrap();
        (url.is_unix_socket(), url.tls())
    };
    for (text, unix, tls) in [
        ("postgresql://a:p@h/d", false, TlsMode::NotEnforced),
        (
            "postgres://a:p%40@h:5432,[::1]:5433/d?sslmode=prefer",
            false,
            TlsMode::NotEnforced,
        ),
        (
            "postgresql://a@h/d?sslmode=require",
            false,
            TlsMode::Encrypted,
        ),
        (
            "postgresql://h/d?sslmode=verify-full&application_name=x",
            false,
            TlsMode::Verified,
        ),
        (
            "postgresql:///d?host=/run/postgresql",
            true,
            TlsMode::NotEnforced,
        ),
        (
            "postgresql://%2Frun%2Fpostgresql/d",
            true,
            TlsMode::NotEnforced,
        ),
        ("postgresql://h,%2Frun/d", false, TlsMode::NotEnforced),
        ("host=/run/postgresql user=a", true, TlsMode::NotEnforced),
        (
            "host = h password = 'it\\'s a' sslmode=verify-ca",
            false,
            TlsMode::Issued,
        ),
    ] {
        assert_eq!(read(text), (unix, tls), "{text}");
    }
    for bad in [
        "",
        "stagedoor",
        "mysql://h/d",
        "postgresql:///d",
        "postgresql://h:port/d",
        "postgresql://h/d?sslmode=full",
        "host='h",
        "user=a",
        "postgresql://h%2/d",
    ] {
        assert!(bad.parse::<DatabaseUrl>().is_err(), "{bad}");
    }
}
