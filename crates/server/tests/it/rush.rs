//! `rush`: the load test sells, and its verdict names what the database doesn't bear out.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::task::block_in_place;
use tokio_postgres::Client;

use crate::support::TestDatabase;
use crate::support::own_cluster::OwnCluster;
use crate::support::program::{Done, Program, Started};
use crate::support::wait::{LIMIT, eventually};

/// The keys of the public contract; more may be added.
const KEYS: [&str; 10] = [
    "admitted",
    "refused",
    "unknown_resolved",
    "per_second",
    "p50_ms",
    "p99_ms",
    "oversold",
    "lost",
    "doubled",
    "ok",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_rush_on_a_private_system_sells_out_cleanly() {
    let arguments = "rush --buyers 300 --tickets 100 --concurrency 32 --repeat 20 --abandon 5 --watchers 9 --json";
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let done = Program::new(&arguments).run().await;
    assert_eq!(done.code, 0, "{done:?}");
    let report = done.json();
    for key in KEYS {
        assert!(report.get(key).is_some(), "{key} is missing: {report}");
    }
    let number = |key: &str| {
        report[key]
            .as_u64()
            .unwrap_or_else(|| panic!("{key}: {report}"))
    };
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(
        number("admitted") + number("refused") + number("abandoned"),
        300
    );
    // Who hung up may hold tickets as well.
    assert!((95..=100).contains(&number("admitted")), "{report}");
    for key in ["oversold", "lost", "doubled", "unanswered", "page_failures"] {
        assert_eq!(number(key), 0, "{key}: {report}");
    }
    assert!(number("replayed") > 0, "{report}");
    let watchers = &report["watchers"];
    assert_eq!(watchers["open_max"], 9, "{report}");
    assert!(watchers["events"].as_u64().unwrap() >= 9, "{report}");
    assert_eq!(watchers["wrong_events"], 0, "{report}");
    assert!(number("server_memory_end_bytes") > 1_000_000, "{report}");
    assert!(report["p50_ms"].as_f64().unwrap() <= report["p99_ms"].as_f64().unwrap());
    assert!(report["per_second"].as_f64().unwrap() > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_concerts_and_quantities_sell_at_a_given_rate() {
    let database = TestDatabase::migrated().await;
    let served = serve(&database).await;
    let arguments = "--concerts 2 --tickets 30 --quantity 1-3 --rate 200 --duration 1s --think 5ms";
    let done = rush(&database, &served, arguments).await;
    assert_eq!(done.code, 0, "{done:?}");
    let report = done.json();
    assert_eq!(report["concerts"].as_array().unwrap().len(), 2);
    let answered = report["admitted"].as_u64().unwrap() + report["refused"].as_u64().unwrap();
    assert_eq!(answered, 200, "{report}");
    assert!(
        (59..=60).contains(&report["tickets"].as_u64().unwrap()),
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_falsified_stock_is_named_and_exits_1() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let served = serve(&database).await;
    let concert = plant(&postgres, 40).await;
    let falsify = "UPDATE concerts SET available_tickets = available_tickets - 3 WHERE id > 0";
    postgres.batch_execute(falsify).await.unwrap();
    let arguments = format!("--buyers 60 --concert {concert}");
    let done = rush(&database, &served, &arguments).await;
    assert_eq!(done.code, 1, "{done:?}");
    let report = done.json();
    assert_eq!(
        (&report["ok"], &report["admitted"]),
        (&false.into(), &37.into())
    );
    assert_eq!(report["inventory_errors"], 1);
    assert!(told(&report).contains(&format!("concert {concert} says available_tickets = 0")));
    let plain = rush_plainly(&database, &served, &arguments).await;
    assert_eq!(plain.code, 1);
    assert!(plain.stdout.contains("NOT ok"), "{plain:?}");
    assert!(
        plain.stdout.contains("says available_tickets = 0"),
        "{plain:?}"
    );
    assert!(plain.stdout.contains("buyers' wait  p50 "), "{plain:?}");
    assert!(!plain.stdout.contains("for 0.0 s"), "{plain:?}");
    assert_eq!(columns(&plain.stdout), 1, "{plain:?}");
}

/// In how many different places the verdict's explanations begin.
fn columns(text: &str) -> usize {
    let (_, verdict) = text.split_once("by plain SQL:\n").unwrap();
    let checks = verdict.lines().take(7);
    let places = checks.map(|line| line.rfind("  ").unwrap());
    places.collect::<BTreeSet<_>>().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_beyond_the_total_are_oversold() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let served = serve(&database).await;
    let concert = plant(&postgres, 20).await;
    let hold = "
        INSERT INTO reservations (id, concert_id, customer_name, customer_email, quantity,
                                  total_price, status, payment_status)
        VALUES ('RES1-PLANTED0', $1, 'Som', 'som@example.com', 5, 5, 'confirmed', 'completed')";
    postgres.execute(hold, &[&concert]).await.unwrap();
    let done = rush(
        &database,
        &served,
        &format!("--buyers 30 --concert {concert}"),
    )
    .await;
    assert_eq!(done.code, 1, "{done:?}");
    let report = done.json();
    assert_eq!(report["oversold"], 5, "{report}");
    assert!(told(&report).contains("oversold by 5"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_exits_2_and_says_what_to_do() {
    let taken = TestDatabase::migrated().await;
    for (arguments, said) in [
        ("--concert 1", "--url"),
        ("--url https://tickets.example.org", "http://HOST:PORT"),
        ("--url http://127.0.0.1:1", "DATABASE_URL"),
        ("--abandon 60 --repeat 60", "100 percent"),
        ("--concurrency 90000", "lower --concurrency"),
        ("--duration soon", "30s"),
        ("--quantity 11", "1 to 10"),
        ("--report /nonexistent/rush.html", "can't write --report"),
    ] {
        let words = ["rush"].into_iter().chain(arguments.split(' '));
        let done = Program::new(&words.collect::<Vec<_>>()).run().await;
        assert_eq!(done.code, 2, "{arguments}: {done:?}");
        assert!(done.stderr.contains(said), "{arguments}: {done:?}");
    }
    let absent = ["rush", "--url", "http://127.0.0.1:1", "--concert", "7"];
    let done = Program::on(&taken, &absent).run().await;
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.stderr.contains("no concert 7"), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_gives_no_answer_is_told_at_once_and_nothing_is_put_on_sale() {
    let database = TestDatabase::migrated().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let rush = async || {
        let url = format!("http://{address}");
        let began = Instant::now();
        let done = Program::on(&database, &["rush", "--url", &url]).run().await;
        (done, began.elapsed())
    };
    let (silent, took) = rush().await;
    assert_eq!(silent.code, 1, "{silent:?}");
    let said = format!("no answer from {address}");
    assert!(silent.stderr.contains(&said), "{silent:?}");
    // Three seconds, and what a busy machine adds.
    assert!(took < Duration::from_secs(10), "{took:?}");
    drop(listener);
    let (closed, took) = rush().await;
    assert_eq!(closed.code, 1, "{closed:?}");
    let said = format!("nothing listens on {address}");
    assert!(closed.stderr.contains(&said), "{closed:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
    let postgres = database.superuser().await;
    let concerts = "SELECT count(*) FROM concerts WHERE id > 0";
    let concerts: i64 = postgres.query_one(concerts, &[]).await.unwrap().get(0);
    assert_eq!(concerts, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn buyers_outlive_a_server_that_is_killed_and_started_again() {
    let database = TestDatabase::migrated().await;
    let mut served = serve(&database).await;
    let address = served.site();
    let words =
        format!("rush --json --url {address} --buyers 12000 --tickets 9000 --concurrency 32");
    let words: Vec<&str> = words.split(' ').collect();
    let rushing = tokio::spawn(Program::on(&database, &words).run());
    let postgres = database.superuser().await;
    until_selling(&postgres).await;
    served.signal("KILL");
    served.end(Duration::from_secs(5)).await;
    let _again = serve_at(&database, &address.replace("http://", "")).await;
    let done = rushing.await.unwrap();
    assert_eq!(done.code, 0, "{done:?}");
    let report = done.json();
    assert_eq!(report["admitted"], 9000, "{report}");
    assert_eq!(report["refused"], 3000, "{report}");
    assert!(
        report["broken_connections"].as_u64().unwrap() > 0,
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn buyers_outlive_a_database_that_crashes() {
    let mut cluster = OwnCluster::start("rush").await;
    let url = cluster.url();
    let served = serving(
        Program::new(&["serve"]).env("DATABASE_URL", &url),
        "127.0.0.1:0",
    )
    .await;
    let site = served.site();
    let words = format!("rush --json --url {site} --buyers 12000 --tickets 9000 --concurrency 32");
    let words: Vec<&str> = words.split(' ').collect();
    let rushing = tokio::spawn(Program::new(&words).env("DATABASE_URL", &url).run());
    let postgres = cluster.superuser().await;
    until_selling(&postgres).await;
    drop(postgres);
    block_in_place(|| cluster.0.kill()).unwrap();
    assert!(!rushing.is_finished(), "the crash came after the rush");
    block_in_place(|| cluster.0.start()).unwrap();
    let done = rushing.await.unwrap();
    assert_eq!(done.code, 0, "{done:?}");
    let report = done.json();
    assert_eq!(report["admitted"], 9000, "{report}");
    // The engine itself may have found out what became of everything that was under way, so buyers
    // needn't have noticed.
    assert_eq!(report["refused"], 3000, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_or_killed_rush_leaves_nothing_behind() {
    for (signal, code) in [("INT", Some(1)), ("KILL", None)] {
        let folder = TempDir::new().unwrap();
        // PostgreSQL runs as another user when root runs the tests.
        let permissions = fs::Permissions::from_mode(0o711);
        fs::set_permissions(folder.path(), permissions).unwrap();
        let arguments = ["rush", "--buyers", "1000000", "--tickets", "10"];
        let mut rushing = Program::new(&arguments)
            .env("TMPDIR", folder.path().to_str().unwrap())
            .start("1,000,000 buyers rush")
            .await;
        assert!(is_lived_in(folder.path()));
        assert_ne!(fs::read_dir(folder.path()).unwrap().count(), 0);
        rushing.signal(signal);
        let ended = rushing.end(Duration::from_secs(30)).await;
        assert_eq!(ended.code(), code, "{}", rushing.said());
        let is_gone = async || {
            let is_empty = fs::read_dir(folder.path()).unwrap().count() == 0;
            is_empty && !is_lived_in(folder.path())
        };
        let gone = eventually("nothing left", Duration::from_secs(30), is_gone);
        gone.await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_is_one_page_that_asks_for_nothing() {
    let database = TestDatabase::migrated().await;
    let served = serve(&database).await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("rush.html");
    let arguments = format!(
        "--buyers 400 --tickets 50 --concurrency 8 --report {}",
        file.display()
    );
    let done = rush(&database, &served, &arguments).await;
    assert_eq!(done.code, 0, "{done:?}");
    let page = fs::read_to_string(&file).unwrap();
    for part in [
        "Every answer was true",
        "Sold over time",
        "Waiting for an answer",
        "<svg class=\"chart\"",
        "role=\"img\"",
        "15.",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }
    for request in ["<script", "src=", "@import", "url("] {
        assert!(!page.contains(request), "{request}");
    }
    let links: Vec<&str> = page.split("href=").skip(1).collect();
    assert!(
        links.iter().all(|link| link.starts_with("\"data:")),
        "{links:?}"
    );
}

/// Whether a process has this as its working folder, as the private server does.
fn is_lived_in(folder: &Path) -> bool {
    let folder = folder.canonicalize().unwrap();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|process| fs::read_link(process.path().join("cwd")).ok())
        .any(|lived_in| lived_in == folder)
}

async fn serve(database: &TestDatabase) -> Started {
    serve_at(database, "127.0.0.1:0").await
}

async fn serve_at(database: &TestDatabase, address: &str) -> Started {
    serving(Program::on(database, &["serve"]), address).await
}

async fn serving(server: Program, address: &str) -> Started {
    server
        .env("STAGEDOOR_LISTEN", address)
        .env("STAGEDOOR_METRICS_LISTEN", "127.0.0.1:0")
        .env("STAGEDOOR_LOG", "warn")
        .env("STAGEDOOR_RATE_LIMIT", "off")
        .start("stagedoor listens on http://")
        .await
}

/// Waits until a rush is well under way.
async fn until_selling(postgres: &Client) {
    let sold = "SELECT count(*) FROM reservations WHERE concert_id > 0";
    let is_selling = async || {
        let count: i64 = postgres.query_one(sold, &[]).await.unwrap().get(0);
        count > 200
    };
    eventually("sales", LIMIT, is_selling).await;
}

async fn rush(database: &TestDatabase, served: &Started, arguments: &str) -> Done {
    rush_plainly(database, served, &format!("{arguments} --json")).await
}

async fn rush_plainly(database: &TestDatabase, served: &Started, arguments: &str) -> Done {
    let site = served.site();
    let words = ["rush", "--url", &site]
        .into_iter()
        .chain(arguments.split(' '));
    Program::on(database, &words.collect::<Vec<_>>())
        .run()
        .await
}

/// What the verdict names, in one text.
fn told(report: &Value) -> String {
    let faults = report["faults"].as_array().unwrap();
    let faults = faults.iter().map(|fault| fault.as_str().unwrap());
    faults.collect::<Vec<_>>().join("\n")
}

async fn plant(postgres: &Client, tickets: i32) -> i32 {
    let insert = "
        INSERT INTO concerts (name, artist, date, venue, total_tickets, available_tickets, price,
                              status)
        VALUES ('Night Ferry', 'The Lanterns', CURRENT_DATE + 30, 'Hall', $1, $1, 1, 'open')
        RETURNING id";
    postgres
        .query_one(insert, &[&tickets])
        .await
        .unwrap()
        .get(0)
}
