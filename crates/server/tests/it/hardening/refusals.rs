//! What a server in production refuses to start with, one thing at a time.

use crate::support::program::{Done, Program};

const SAFE: [(&str, &str); 7] = [
    ("STAGEDOOR_ENV", "production"),
    (
        "DATABASE_URL",
        "host=/nonexistent user=stagedoor_app dbname=stagedoor",
    ),
    ("STAGEDOOR_SECRET_KEY", "0123456789abcdef0123456789abcdef"),
    ("STAGEDOOR_ALLOW_SANDBOX", "true"),
    ("STAGEDOOR_SMTP_URL", "smtps://mail.example.org"),
    ("STAGEDOOR_BASE_URL", "https://tickets.example.org"),
    ("STAGEDOOR_TRUSTED_PROXIES", "10.0.0.1"),
];

async fn run(arguments: &[&str], changed: (&str, &str)) -> Done {
    SAFE.into_iter()
        .chain([changed])
        .fold(Program::new(arguments), |program, (name, value)| {
            program.env(name, value)
        })
        .run()
        .await
}

#[tokio::test]
async fn production_starts_with_nothing_unsafe_and_says_what_to_do() {
    for (changed, what, mend) in [
        (
            ("DATABASE_URL", "postgresql://a:p@db.example/d"),
            "goes without enforced TLS",
            "Unix socket",
        ),
        (
            ("STAGEDOOR_SECRET_KEY", ""),
            "STAGEDOOR_SECRET_KEY is not set",
            "openssl rand -hex 32",
        ),
        (
            ("STAGEDOOR_SECRET_KEY", "short"),
            "shorter than 32 bytes",
            "openssl rand -hex 32",
        ),
        (
            (
                "STAGEDOOR_SECRET_KEY",
                "change-me-change-me-change-me-change-me",
            ),
            "is a placeholder",
            "openssl rand -hex 32",
        ),
        (
            ("STAGEDOOR_ALLOW_SANDBOX", "false"),
            "sells tickets without money",
            "STAGEDOOR_PAYMENT_PROVIDER=stripe",
        ),
        (
            ("STAGEDOOR_SMTP_URL", ""),
            "no mail would leave",
            "set STAGEDOOR_SMTP_URL_FILE",
        ),
        (
            ("STAGEDOOR_BASE_URL", "http://tickets.example.org"),
            "in the clear",
            "public https URL",
        ),
    ] {
        for command in ["serve", "worker"] {
            let done = run(&[command], changed).await;
            assert_eq!(done.code, 2, "{command} {changed:?}: {done:?}");
            let is_told = done.stderr.contains(what) && done.stderr.contains(mend);
            assert!(is_told, "{command} {changed:?}: {done:?}");
        }
    }
}

#[tokio::test]
async fn production_warns_of_what_is_unwise_and_goes_on_to_the_database() {
    for (changed, what) in [
        (
            ("STAGEDOOR_RATE_LIMIT", "off"),
            "STAGEDOOR_RATE_LIMIT is off",
        ),
        (
            ("STAGEDOOR_TRUSTED_PROXIES", ""),
            "all visitors seem to be the proxy",
        ),
    ] {
        let done = run(&["serve"], changed).await;
        assert_eq!(done.code, 1, "{done:?}");
        assert!(done.stderr.contains(what), "{done:?}");
        assert!(done.stderr.contains("can't reach the database"), "{done:?}");
    }
}

#[tokio::test]
async fn sample_data_isn_t_made_in_production() {
    let seed = ["seed", "--concerts", "1", "--reservations", "1"];
    for arguments in [&["demo"][..], &seed] {
        let done = run(arguments, ("STAGEDOOR_LISTEN", "127.0.0.1:0")).await;
        assert_eq!(done.code, 2, "{done:?}");
        assert!(done.stderr.contains("production"), "{done:?}");
    }
}
