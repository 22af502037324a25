//! The metrics of a real server: where they are, their form, and that they tell what happens.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::json;

use crate::support::TestDatabase;
use crate::support::program::{Program, Started};
use crate::support::wait::{LIMIT, eventually};

/// Every series of this stage, by what it has to have in it.
const FROM_THE_START: &[&str] = &[
    "stagedoor_pool_connections{pool=\"writer\",state=\"active\"}",
    "stagedoor_pool_connections{pool=\"writer\",state=\"idle\"}",
    "stagedoor_pool_waiting{pool=\"writer\"}",
    "stagedoor_pool_wait_seconds_bucket{le=\"+Inf\",pool=\"writer\"}",
    "stagedoor_pool_wait_seconds_count{pool=\"writer\"}",
    "stagedoor_pool_wait_seconds_sum{pool=\"writer\"}",
    "stagedoor_pool_errors_total{kind=\"broken\",pool=\"writer\"}",
    "stagedoor_pool_errors_total{kind=\"connect\",pool=\"writer\"}",
    "stagedoor_pool_errors_total{kind=\"timeout\",pool=\"writer\"}",
    "stagedoor_query_duration_seconds_count{statement=\"concerts.lock\"}",
    "stagedoor_slow_queries_total{statement=\"concerts.lock\"}",
    "stagedoor_reservations_total{outcome=\"admitted\"}",
    "stagedoor_reservations_total{outcome=\"replayed\"}",
    "stagedoor_reservations_total{outcome=\"cancelled\"}",
    "stagedoor_reservations_total{outcome=\"sold_out\"}",
    "stagedoor_reservations_total{outcome=\"not_enough_tickets\"}",
    "stagedoor_reservations_total{outcome=\"purchase_limit\"}",
    "stagedoor_reservations_total{outcome=\"sale_closed\"}",
    "stagedoor_reservations_total{outcome=\"failed\"}",
    "stagedoor_staff_sign_ins_total{outcome=\"signed_in\"}",
    "stagedoor_staff_sign_ins_total{outcome=\"locked\"}",
    "stagedoor_audit_unsealed{}",
    "stagedoor_write_probe_success_timestamp_seconds{}",
    "stagedoor_backup_last_success_timestamp_seconds{repo=\"1\",type=\"full\"}",
    "stagedoor_backup_last_success_timestamp_seconds{repo=\"1\",type=\"drill\"}",
    "stagedoor_backup_last_failure_timestamp_seconds{repo=\"1\",type=\"full\"}",
    "stagedoor_wal_archive_age_seconds{}",
    "stagedoor_wal_archive_waiting_bytes{}",
    "stagedoor_restore_drill_seconds{}",
];

/// A server with one concert of three tickets.
struct Shop {
    served: Started,
    database: TestDatabase,
    postgres: tokio_postgres::Client,
    client: Client,
    concert: i32,
}

impl Shop {
    async fn open() -> Self {
        let database = TestDatabase::migrated().await;
        let postgres = database.superuser().await;
        let insert = "
            INSERT INTO concerts (name, artist, date, venue, total_tickets, available_tickets,
                                  price, status)
            VALUES ('Night Ferry', 'The Lanterns', CURRENT_DATE + 30, 'Hall', 3, 3, 1, 'open')
            RETURNING id";
        let concert = postgres.query_one(insert, &[]).await.unwrap().get(0);
        Self {
            // The sweeper's statements would be counted too.
            served: Program::serve_with(&database, &["serve", "--no-jobs"]).await,
            database,
            postgres,
            client: Client::new(),
            concert,
        }
    }

    async fn metrics(&self) -> BTreeMap<String, f64> {
        let response = self.client.get(self.served.metrics()).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let media_type = response.headers()["content-type"].to_str().unwrap();
        assert!(
            media_type.starts_with("text/plain; version=0.0.4"),
            "{media_type}"
        );
        parse(&response.text().await.unwrap())
    }

    async fn get(&self, path: &str) -> StatusCode {
        let url = format!("{}{path}", self.served.site());
        self.client.get(url).send().await.unwrap().status()
    }

    async fn reserve(&self, concert: i32, quantity: i32, key: &str) -> StatusCode {
        let url = format!("{}/api/v1/reservations", self.served.site());
        let wish = json!({
            "concert_id": concert,
            "quantity": quantity,
            "customer_name": "Mrs Secret",
            "customer_email": "secret@example.com",
        });
        let request = self.client.post(url).json(&wish);
        let sent = request.header("idempotency-key", key).send();
        sent.await.unwrap().status()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_series_is_there_from_the_start_on_its_own_address() {
    let shop = Shop::open().await;
    // Which repositories there are is known after a first look.
    let known = "stagedoor_backup_last_failure_timestamp_seconds{repo=\"1\",type=\"full\"}";
    eventually("a first look", LIMIT, async || {
        shop.metrics().await.contains_key(known)
    })
    .await;
    let metrics = shop.metrics().await;
    for series in FROM_THE_START {
        assert!(metrics.contains_key(*series), "{series} in {metrics:#?}");
    }
    let is_there = |family: &str| metrics.keys().any(|series| series.starts_with(family));
    assert!(is_there("stagedoor_http_request_duration_seconds_bucket{"));
    assert_eq!(
        shop.get("/metrics").await,
        404,
        "the shop doesn't show them"
    );
    let elsewhere = shop.served.metrics().replace("/metrics", "/en/");
    let elsewhere = shop.client.get(elsewhere).send().await.unwrap();
    assert_eq!(elsewhere.status(), 404, "and they don't show the shop");
}

/// An alert on a series that nobody shows would never fire; Debian's Prometheus reads them all, and takes
/// every rule and every dashboard's query.
#[tokio::test(flavor = "multi_thread")]
async fn every_series_of_the_alert_rules_is_shown() {
    let shop = Shop::open().await;
    let insert = "
        INSERT INTO backup_runs (kind, repo, started_at, finished_at, is_ok, detail)
        SELECT kind, 1, statement_timestamp(), statement_timestamp(), is_ok, 'x'
        FROM unnest(ARRAY['full', 'check', 'drill']) AS kind, unnest(ARRAY[true, false]) AS is_ok";
    shop.postgres.batch_execute(insert).await.unwrap();
    let checked = "stagedoor_backup_last_success_timestamp_seconds{repo=\"1\",type=\"check\"}";
    eventually("the runs are seen", LIMIT, async || {
        shop.metrics().await.contains_key(checked)
    })
    .await;
    // Here are no replicas, and the login may not know where the disk is.
    let metrics = shop.served.metrics();
    let mut arguments = vec![&*metrics];
    for lacks in ["stagedoor_replica_*", "stagedoor_disk_*"] {
        arguments.extend(["--may-lack", lacks]);
    }
    eventually("every series", LIMIT, async || {
        let checked = run_script("check-metrics.py", arguments.iter().copied()).await;
        checked.is_ok()
    })
    .await;
    let tried = run_script("smoke-prometheus.sh", [&*metrics]).await;
    assert!(tried.is_ok(), "{tried:?}");
}

/// What one of the project's scripts says, or what is wrong.
async fn run_script<'a>(
    name: &str,
    arguments: impl IntoIterator<Item = &'a str>,
) -> Result<String, String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/");
    let mut command = tokio::process::Command::new(format!("{script}{name}"));
    let output = command.args(arguments).output().await.expect(name);
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        Ok(said.into_owned())
    } else {
        Err(said.into_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_move_as_requests_come() {
    let shop = Shop::open().await;
    let probes = "stagedoor_write_probe_seconds_count{}";
    eventually("a first probe", LIMIT, async || {
        shop.metrics().await.contains_key(probes)
    })
    .await;
    let before = shop.metrics().await;
    assert_eq!(shop.get("/api/v1/concerts").await, 200);
    assert_eq!(shop.get("/en/").await, 200);
    assert_eq!(shop.reserve(shop.concert, 2, "one").await, 201);
    assert_eq!(shop.reserve(shop.concert, 2, "one").await, 201);
    assert_eq!(shop.reserve(shop.concert, 1, "one").await, 422);
    assert_eq!(shop.reserve(shop.concert, 2, "two").await, 409);
    assert_eq!(shop.reserve(shop.concert, 11, "three").await, 409);
    assert_eq!(shop.reserve(shop.concert, 1, "four").await, 201);
    assert_eq!(shop.reserve(shop.concert, 1, "five").await, 409);
    assert_eq!(shop.reserve(999_999, 1, "six").await, 404);
    let after = shop.metrics().await;
    let moved = |series: &str| {
        let value = |metrics: &BTreeMap<String, f64>| metrics.get(series).copied();
        value(&after).unwrap_or_else(|| panic!("{series} in {after:#?}"))
            - value(&before).unwrap_or_default()
    };
    for (outcome, count) in [
        ("admitted", 2.0),
        ("replayed", 1.0),
        ("key_reused", 1.0),
        ("not_enough_tickets", 1.0),
        ("purchase_limit", 1.0),
        ("sold_out", 1.0),
        ("invalid", 1.0),
        ("failed", 0.0),
    ] {
        let series = format!("stagedoor_reservations_total{{outcome=\"{outcome}\"}}");
        assert_near(moved(&series), count, &series);
    }
    for (method, route, status, count) in [
        ("GET", "/api/v1/concerts", 200, 1.0),
        ("GET", "/{lang}/", 200, 1.0),
        ("POST", "/api/v1/reservations", 201, 3.0),
        ("POST", "/api/v1/reservations", 409, 3.0),
        ("POST", "/api/v1/reservations", 422, 1.0),
        ("POST", "/api/v1/reservations", 404, 1.0),
    ] {
        let series = format!(
            "stagedoor_http_request_duration_seconds_count\
             {{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}"
        );
        assert_near(moved(&series), count, &series);
    }
    // A replay is committed too: what it was read from must be durable.
    // The one over the order's limit asks the database too: its key may be from before the limit.
    let statement =
        |name: &str| format!("stagedoor_query_duration_seconds_count{{statement=\"{name}\"}}");
    // Each probe asks, too, and no figure of sales has it.
    let asked = statement("admission.lock_concerts");
    assert_near(moved(&asked), 8.0 + moved(probes), &asked);
    // Figures of health are kept meanwhile, too.
    assert!(moved(&statement("COMMIT")) >= 3.0);
    assert!(moved("stagedoor_pool_wait_seconds_count{pool=\"writer\"}") >= 3.0);
    check_labels(&after);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_statements_and_lost_connections_are_counted() {
    let shop = Shop::open().await;
    let slow = "stagedoor_slow_queries_total{statement=\"admission.lock_concerts\"}";
    assert!(shop.metrics().await[slow] < 0.5);
    let other = shop.database.superuser().await;
    other
        .batch_execute("BEGIN; SELECT 1 FROM concerts FOR UPDATE")
        .await
        .unwrap();
    let active = "stagedoor_pool_connections{pool=\"writer\",state=\"active\"}";
    let release = async {
        let is_waiting = async || shop.metrics().await[active] >= 1.0;
        eventually("a busy connection", Duration::from_secs(4), is_waiting).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        other.batch_execute("COMMIT").await.unwrap();
    };
    let (status, ()) = tokio::join!(shop.reserve(shop.concert, 1, "slow"), release);
    assert_eq!(status, 201);
    assert!(shop.metrics().await[slow] >= 1.0, "{slow}");
    let is_idle = async || {
        let metrics = shop.metrics().await;
        let idle = metrics["stagedoor_pool_connections{pool=\"writer\",state=\"idle\"}"];
        metrics[active] < 0.5 && idle >= 1.0
    };
    // Who has sold listens to others for a while.
    eventually("an idle pool", Duration::from_mins(1), is_idle).await;
    let cut = "
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND usename = 'stagedoor_app'";
    shop.postgres.query_one(cut, &[]).await.unwrap();
    let is_counted = async || {
        // One that is under way as its connection is cut may fail.
        shop.get("/api/v1/concerts").await;
        shop.metrics().await["stagedoor_pool_errors_total{kind=\"broken\",pool=\"writer\"}"] >= 1.0
    };
    eventually("a broken connection", Duration::from_secs(10), is_counted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_and_methods_make_no_series() {
    let shop = Shop::open().await;
    let ask = async |n: usize| {
        let method = format!("BREW{n}").parse().unwrap();
        let url = format!("{}/api/v1/concerts", shop.served.site());
        shop.client.request(method, url).send().await.unwrap();
        for path in [
            format!("/nothing-{n}"),
            format!("/api/v1/nothing-{n}"),
            format!("/en/concerts/{}", 1_000_000 + n),
            format!("/assets/nothing-{n}"),
            format!("/en/r/RES{n}-00000000?t=token-{n}"),
            format!("/x{n}/"),
        ] {
            assert_eq!(shop.get(&path).await, 404, "{path}");
        }
    };
    ask(0).await;
    let about_requests = |metrics: &BTreeMap<String, f64>| -> BTreeSet<String> {
        let series = metrics
            .keys()
            .filter(|series| series.starts_with("stagedoor_http_"));
        series.cloned().collect()
    };
    let first = about_requests(&shop.metrics().await);
    for n in 1..20 {
        ask(n).await;
    }
    let metrics = shop.metrics().await;
    check_labels(&metrics);
    let later = about_requests(&metrics);
    let new: Vec<&String> = later.difference(&first).collect();
    assert!(new.is_empty(), "{new:?}");
    assert!(
        later
            .iter()
            .any(|series| series.contains("route=\"(unknown)\""))
    );
    assert!(
        later
            .iter()
            .any(|series| series.contains("method=\"(other)\""))
    );
}

/// No label says who somebody is or what only they know.
fn check_labels(metrics: &BTreeMap<String, f64>) {
    // Names of our own indexes say nothing about anybody.
    let names = metrics.keys();
    for series in names.filter(|series| !series.starts_with("stagedoor_index_bytes")) {
        for private in ["@", "ecret", "RES", "token", "BREW", "nothing"] {
            assert!(!series.contains(private), "{series}");
        }
    }
}

fn assert_near(actual: f64, expected: f64, what: &str) {
    assert!(
        (actual - expected).abs() < 0.01,
        "{what}: {actual}, not {expected}"
    );
}

/// Prometheus' text format, version 0.0.4: each sample under its name with sorted labels.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let (mut helped, mut kinds) = (BTreeSet::new(), BTreeMap::new());
    let mut samples = BTreeMap::new();
    assert!(text.ends_with('\n'));
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, sentence) = rest.split_once(' ').expect("a sentence");
            assert!(is_name(name) && !sentence.is_empty(), "{line}");
            assert!(helped.insert(name.to_owned()), "twice: {line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            let is_new = kinds.insert(name.to_owned(), kind.to_owned()).is_none();
            assert!(is_new, "twice: {line}");
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = parse_series(series);
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| name.strip_suffix(suffix))
                .filter(|family| kinds.get(*family).is_some_and(|kind| kind == "histogram"))
                .unwrap_or(&name);
            assert!(family.starts_with("stagedoor_"), "{line}");
            assert!(kinds.contains_key(family), "no type before {line}");
            assert!(helped.contains(family), "no help before {line}");
            let is_counter = kinds[family] == "counter";
            assert_eq!(is_counter, family.ends_with("_total"), "{line}");
            let value: f64 = value.parse().expect("a number");
            let shown: Vec<String> = labels
                .iter()
                .map(|(label, value)| format!("{label}=\"{value}\""))
                .collect();
            let key = format!("{name}{{{}}}", shown.join(","));
            assert!(samples.insert(key, value).is_none(), "twice: {line}");
        }
    }
    check_histograms(&samples);
    samples
}

fn is_name(text: &str) -> bool {
    let is_good = |(place, byte): (usize, u8)| {
        byte.is_ascii_alphabetic() || byte == b'_' || (place > 0 && byte.is_ascii_digit())
    };
    !text.is_empty() && text.bytes().enumerate().all(is_good)
}

fn parse_series(series: &str) -> (String, BTreeMap<String, String>) {
    let (name, rest) = series.split_once('{').unwrap_or((series, "}"));
    assert!(is_name(name), "{series}");
    let mut rest = rest.strip_suffix('}').expect("a closing brace");
    let mut labels = BTreeMap::new();
    while !rest.is_empty() {
        let (label, value) = rest.split_once("=\"").expect("a label's value");
        assert!(is_name(label), "{series}");
        // No value of ours has a quote or a backslash in it.
        let (value, more) = value.split_once('"').expect("the end of a value");
        assert!(!value.contains('\\'), "{series}");
        let is_new = labels.insert(label.to_owned(), value.to_owned()).is_none();
        assert!(is_new, "twice {label}: {series}");
        rest = more.strip_prefix(',').unwrap_or(more);
    }
    (name.to_owned(), labels)
}

/// The bucket without an end counts as much as the histogram does.
fn check_histograms(samples: &BTreeMap<String, f64>) {
    for (series, count) in samples {
        let Some((name, labels)) = series.split_once("_count{") else {
            continue;
        };
        let bucket = samples.iter().find(|(other, _)| {
            other.split_once("_bucket{").is_some_and(|(family, rest)| {
                let forms = ["le=\"+Inf\",", ",le=\"+Inf\"", "le=\"+Inf\""];
                let rest = forms
                    .iter()
                    .fold(rest.to_owned(), |rest, le| rest.replace(le, ""));
                family == name && rest == labels && other.contains("le=\"+Inf\"")
            })
        });
        let (_, all) = bucket.unwrap_or_else(|| panic!("no last bucket of {series}"));
        assert_near(*all, *count, series);
    }
}
