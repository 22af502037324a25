//! What a server in production refuses to start with, one thing at a time.

use tempfile::TempDir;
use tokio::net::{TcpStream, UnixListener};

use crate::support::program::{Done, Program};
use crate::support::{APP, PASSWORD, TestDatabase, cluster};

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

#[tokio::test(flavor = "multi_thread")]
async fn sample_concerts_are_never_sold_in_production() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let samples = include_str!("../../../sample/concerts.json");
    let samples: serde_json::Value = serde_json::from_str(samples).unwrap();
    let text = |field: &str| samples[0][field].as_str().unwrap().to_owned();
    let plant = "INSERT INTO concerts (name, artist, date, venue, total_tickets, available_tickets,
                                       price, status)
                 VALUES ($1, $2, current_date + 30, $3, 10, 10, 1250, 'closed')";
    let (name, artist, venue) = (text("name"), text("artist"), text("venue"));
    postgres
        .execute(plant, &[&name, &artist, &venue])
        .await
        .unwrap();
    let folder = TempDir::new().unwrap();
    let url = behind_socket(&folder, &database);
    let done = run(&["serve"], ("DATABASE_URL", &url)).await;
    assert_eq!(done.code, 2, "{done:?}");
    assert!(
        done.stderr.contains("is one of the sample concerts"),
        "{done:?}"
    );

    let archive = "UPDATE concerts SET status = 'archived' WHERE id > 0";
    postgres.batch_execute(archive).await.unwrap();
    let others = "INSERT INTO concerts (name, artist, date, venue, total_tickets,
                                        available_tickets, price, status)
                  VALUES ($1, $2, current_date + 30, 'Elsewhere', 10, 10, 1250, 'open')";
    postgres.execute(others, &[&name, &artist]).await.unwrap();
    let program = SAFE
        .into_iter()
        .fold(Program::new(&["serve"]), |program, (name, value)| {
            program.env(name, value)
        });
    drop(program.env("DATABASE_URL", &url).serving().await);
}

/// Production takes Unix sockets, which the tests' PostgreSQL has none of: this one leads to it.
fn behind_socket(folder: &TempDir, database: &TestDatabase) -> String {
    let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
    let port = cluster().port();
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut to = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
            });
        }
    });
    let (host, name) = (folder.path().display(), &database.name);
    format!("host={host} port=5432 user={APP} password={PASSWORD} dbname={name}")
}
