//! The commands as operators run them: the real program, its exit codes and its words.

use std::time::Duration;

use postgres_local::{Cluster, ClusterSpec, Lifetime};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_postgres::Client;

use crate::schema::rights::{documented, rights};
use crate::support::program::Program;
use crate::support::wait::eventually;
use crate::support::{APP, OWNER, PASSWORD, TestDatabase, cluster, connect};

mod concert;
mod demo;
mod logins;
mod seals;
mod seed;

/// `serve` finishes what is under way within ten seconds of a signal.
const STOPS_WITHIN: Duration = Duration::from_secs(12);

#[tokio::test(flavor = "multi_thread")]
async fn migrating_an_empty_cluster_makes_roles_schema_and_rights() {
    let folder = TempDir::new().unwrap();
    let own = own_cluster(&folder).await;
    let superuser = own.superuser_url("postgres");
    let app = own.url(APP, PASSWORD, "postgres");
    let migrate = |arguments: &[&str], owner: &str| {
        Program::new(arguments)
            .env("DATABASE_OWNER_URL", owner)
            .env("DATABASE_URL", &app)
            .run()
    };
    let check = migrate(&["migrate", "--check"], &superuser).await;
    assert_eq!(check.code, 1, "{check:?}");
    assert!(check.stdout.contains("stagedoor migrate"), "{check:?}");
    let check = migrate(&["migrate", "--check", "--json"], &superuser).await;
    assert_eq!((check.code, &check.json()["current"]), (1, &json!(false)));

    let done = migrate(&["migrate"], &superuser).await;
    assert_eq!(done.code, 0, "{done:?}");
    for said in [
        "created role stagedoor_owner",
        "created role stagedoor_app",
        "created role stagedoor_report",
        "created role stagedoor_monitor",
        "created role stagedoor_backup",
        "applied V1__create_specified_tables",
        "the schema is current",
    ] {
        assert!(done.stdout.contains(said), "{said}: {done:?}");
    }
    let check = migrate(&["migrate", "--check", "--json"], &superuser).await;
    assert_eq!((check.code, &check.json()["current"]), (0, &json!(true)));

    let postgres = connect(&superuser).await;
    assert_eq!(rights(&postgres).await, documented());
    let login = format!("ALTER ROLE {OWNER} LOGIN PASSWORD '{PASSWORD}'");
    postgres.batch_execute(&login).await.unwrap();
    let owner = own.url(OWNER, PASSWORD, "postgres");
    let again = migrate(&["migrate", "--json"], &owner).await;
    assert_eq!(again.json(), json!({ "migrations": [], "roles": [] }));
    assert_eq!(rights(&postgres).await, documented());
    let served = Program::new(&["serve"])
        .env("DATABASE_URL", &app)
        .env("STAGEDOOR_LISTEN", "127.0.0.1:0")
        .env("STAGEDOOR_METRICS_LISTEN", "127.0.0.1:0")
        .start("stagedoor listens on http://")
        .await;
    assert_eq!(status(&format!("{}/readyz", served.site())).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_refuses_a_login_that_owns_tables() {
    let database = TestDatabase::migrated().await;
    for (url, what) in [
        (database.url(OWNER), "owns tables"),
        (database.superuser_url(), "is a superuser"),
    ] {
        let done = Program::new(&["serve"])
            .env("DATABASE_URL", &url)
            .run()
            .await;
        assert_eq!(done.code, 2, "{done:?}");
        for said in [what, "stagedoor_app", "DATABASE_OWNER_URL"] {
            assert!(done.stderr.contains(said), "{said}: {done:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_setting_is_blamed_on_itself_and_not_on_the_database() {
    let database = TestDatabase::migrated().await;
    for command in ["serve", "doctor"] {
        let done = Program::on(&database, &[command])
            .env("STAGEDOOR_PAYMENT_PROVIDER", "stripe")
            .env("STAGEDOOR_STRIPE_SECRET_KEY", "x")
            .env("STAGEDOOR_STRIPE_WEBHOOK_SECRET", "whsec_y")
            .run()
            .await;
        assert_eq!(done.code, 2, "{done:?}");
        assert!(done.stderr.contains("API key must begin with"), "{done:?}");
        assert!(!done.stderr.contains("DATABASE_URL"), "{done:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_refuses_a_schema_that_is_not_its_own() {
    let behind = "DELETE FROM refinery_schema_history WHERE version > 1";
    let newer = "INSERT INTO refinery_schema_history (version, name) VALUES (99, 'tomorrow')";
    for (change, mend) in [
        (behind, "stagedoor migrate"),
        (newer, "install the newer stagedoor"),
    ] {
        let database = TestDatabase::migrated().await;
        let postgres = database.superuser().await;
        postgres.batch_execute(change).await.unwrap();
        let done = Program::on(&database, &["serve"]).run().await;
        assert_eq!(done.code, 2, "{done:?}");
        assert!(done.stderr.contains(mend), "{done:?}");
    }
    let empty = TestDatabase::empty().await;
    let done = Program::on(&empty, &["serve"]).run().await;
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.stderr.contains("stagedoor migrate"), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_migrates_first_when_it_is_given_the_owner() {
    let database = TestDatabase::empty().await;
    let owner = database.url(OWNER);
    let not_asked = Program::on(&database, &["serve"])
        .env("DATABASE_OWNER_URL", &owner)
        .env("STAGEDOOR_RUN_MIGRATIONS", "false");
    assert_eq!(not_asked.run().await.code, 2);
    let served = Program::on(&database, &["serve"])
        .env("DATABASE_OWNER_URL", &owner)
        .env("STAGEDOOR_LISTEN", "127.0.0.1:0")
        .env("STAGEDOOR_METRICS_LISTEN", "127.0.0.1:0")
        .start("stagedoor listens on http://")
        .await;
    assert_eq!(status(&format!("{}/readyz", served.site())).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_start_says_why() {
    let database = TestDatabase::migrated().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let good = database.url(APP);
    let wrong_password = good.replace(PASSWORD, "wrong-password");
    let away = good.replace(&format!(":{}/", cluster().port()), ":1/");
    let cases = [
        (good.as_str(), Some(taken.as_str()), 1, "can't listen on"),
        (&away, None, 1, "can't reach the database"),
        (&wrong_password, None, 1, "refuses the user or the password"),
        ("mysql://localhost/shop", None, 2, "DATABASE_URL"),
        ("", None, 2, "DATABASE_URL"),
    ];
    for (url, listen, code, said) in cases {
        let done = Program::new(&["serve"])
            .env("DATABASE_URL", url)
            .env("STAGEDOOR_LISTEN", listen.unwrap_or("127.0.0.1:0"))
            .env("STAGEDOOR_METRICS_LISTEN", "127.0.0.1:0")
            .env("STAGEDOOR_LOG", "error")
            .run()
            .await;
        assert_eq!(done.code, code, "{done:?}");
        assert!(done.stderr.starts_with("stagedoor: "), "{done:?}");
        assert!(done.stderr.contains(said), "{done:?}");
        assert!(!done.stderr.contains(PASSWORD), "{done:?}");
        assert!(!done.stderr.contains("wrong-password"), "{done:?}");
    }
    drop(listener);
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_answers_and_stops_cleanly_when_it_is_told_to() {
    let database = TestDatabase::migrated().await;
    for signal in ["TERM", "INT"] {
        let mut served = Program::serve(&database).await;
        // This connection stays open, as browsers' do.
        let client = reqwest::Client::new();
        let healthy = client.get(format!("{}/healthz", served.site())).send();
        assert_eq!(healthy.await.unwrap().status(), 200);
        served.signal(signal);
        let ended = served.end(STOPS_WITHIN).await;
        assert_eq!(ended.code(), Some(0), "SIG{signal}: {}", served.said());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_is_answered_before_the_server_stops() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let concert = plant(&postgres, "Night Ferry").await;
    let mut served = Program::serve(&database).await;
    let address = served.site().replace("http://", "");
    let body = json!({
        "concert_id": concert,
        "quantity": 1,
        "customer_name": "Som",
        "customer_email": "som@example.com",
    });
    let body = body.to_string();
    let (first, rest) = body.split_at(20);
    let mut socket = TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST /api/v1/reservations HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\
         content-type: application/json\r\n\r\n{first}",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    served.signal("TERM");
    let is_closed = async || TcpStream::connect(&address).await.is_err();
    eventually("no new connections", Duration::from_secs(5), is_closed).await;
    socket.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = socket.read_to_end(&mut answer);
    tokio::time::timeout(STOPS_WITHIN, read)
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 201 "));
    assert_eq!(served.end(STOPS_WITHIN).await.code(), Some(0));
    let sold = "SELECT count(*) FROM reservations WHERE concert_id > 0";
    assert_eq!(number(&postgres, sold).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_what_was_changed_by_hand() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let concert = plant(&postgres, "Night Ferry").await;
    let examine = || Program::on(&database, &["doctor", "--json"]).run();
    let good = examine().await;
    assert_eq!(good.code, 0, "{good:?}");
    let report = good.json();
    assert_eq!(report["ok"], true);
    for finding in report["findings"].as_array().unwrap() {
        let keys: Vec<&String> = finding.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["detail", "id", "mend", "severity"]);
        assert_ne!(finding["severity"], "error", "{finding}");
    }
    let change = "UPDATE concerts SET available_tickets = available_tickets - 3 WHERE id > 0";
    postgres.batch_execute(change).await.unwrap();
    let bad = examine().await;
    assert_eq!(bad.code, 1, "{bad:?}");
    let report = bad.json();
    assert_eq!(report["ok"], false);
    let errors: Vec<&Value> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["severity"] == "error")
        .collect();
    assert_eq!(errors.len(), 1, "{report}");
    assert_eq!(errors[0]["id"], "inventory");
    let detail = errors[0]["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("concert {concert}:")), "{detail}");
    assert_ne!(errors[0]["mend"], "");
    let plain = Program::on(&database, &["doctor"]).run().await;
    assert_eq!(plain.code, 1);
    assert!(plain.stdout.contains("inventory"), "{plain:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_reports_a_database_that_is_away() {
    let done = Program::new(&["doctor", "--json"])
        .env(
            "DATABASE_URL",
            "postgresql://stagedoor_app@127.0.0.1:1/stagedoor",
        )
        .run()
        .await;
    assert_eq!(done.code, 1, "{done:?}");
    let report = done.json();
    let findings = report["findings"].as_array().unwrap();
    let is_found = findings
        .iter()
        .any(|finding| finding["id"] == "database" && finding["severity"] == "error");
    assert!(is_found, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_exits_with_2() {
    for arguments in [
        &["serve", "--nonsense"][..],
        &["nonsense"],
        &[],
        &["concert", "export", "--format", "xml"],
        &["migrate", "--check", "extra"],
        &["serve", "--set", "no-value"],
    ] {
        let done = Program::new(arguments).run().await;
        assert_eq!(done.code, 2, "{arguments:?}: {done:?}");
        assert!(!done.stderr.is_empty(), "{arguments:?}");
    }
    for command in [
        &["migrate"][..],
        &["doctor"],
        &["concert", "list"],
        &["serve"],
    ] {
        let done = Program::new(command).run().await;
        assert_eq!(done.code, 2, "{command:?}: {done:?}");
        assert!(done.stderr.contains("DATABASE_"), "{command:?}: {done:?}");
    }
    let mistyped = Program::new(&["doctor"])
        .env("STAGEDOOR_HOLD_TLL", "1m")
        .run()
        .await;
    assert_eq!(mistyped.code, 2);
    assert!(
        mistyped.stderr.contains("STAGEDOOR_HOLD_TTL"),
        "{mistyped:?}"
    );
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["concert", "import", "--help"],
    ] {
        assert_eq!(Program::new(arguments).run().await.code, 0, "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn production_refuses_an_unsafe_configuration_with_everything_that_is_wrong() {
    let database = TestDatabase::migrated().await;
    let unsafe_as_it_is = Program::on(&database, &["serve"])
        .env("STAGEDOOR_ENV", "production")
        .env("STAGEDOOR_SECRET_KEY", "change-me");
    let done = unsafe_as_it_is.run().await;
    assert_eq!(done.code, 2, "{done:?}");
    for said in [
        "sslmode=verify-full",
        "STAGEDOOR_SECRET_KEY",
        "STAGEDOOR_PAYMENT_PROVIDER",
        "STAGEDOOR_SMTP_URL",
        "STAGEDOOR_BASE_URL",
    ] {
        assert!(done.stderr.contains(said), "{said}: {done:?}");
    }
    for secret in [PASSWORD, "change-me"] {
        assert!(!done.stderr.contains(secret), "{done:?}");
    }
    let nothing_set = Program::new(&["serve"]).env("STAGEDOOR_ENV", "production");
    let done = nothing_set.run().await;
    assert_eq!(done.code, 2);
    assert!(done.stderr.contains("DATABASE_URL is not set"), "{done:?}");
    let demo = Program::new(&["demo"]).env("STAGEDOOR_ENV", "production");
    assert_eq!(demo.run().await.code, 2);
}

/// A cluster on which nobody has made any role yet.
async fn own_cluster(folder: &TempDir) -> Cluster {
    let spec = ClusterSpec {
        folder: folder.path().join("postgres"),
        lifetime: Lifetime::Scratch,
        settings: vec![("fsync".into(), "off".into())],
        programs: None,
    };
    let opened = tokio::task::spawn_blocking(move || Cluster::open(&spec));
    opened.await.unwrap().unwrap()
}

async fn plant(postgres: &Client, name: &str) -> i32 {
    let insert = "
        INSERT INTO concerts (name, artist, date, venue, total_tickets, available_tickets, price,
                              status)
        VALUES ($1, 'The Lanterns', CURRENT_DATE + 30, 'Hall', 100, 100, 1, 'open') RETURNING id";
    postgres.query_one(insert, &[&name]).await.unwrap().get(0)
}

async fn number(postgres: &Client, statement: &str) -> i64 {
    postgres.query_one(statement, &[]).await.unwrap().get(0)
}

async fn status(url: &str) -> StatusCode {
    reqwest::get(url).await.unwrap().status()
}
