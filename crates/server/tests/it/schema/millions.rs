//! The specification's common queries, as it has them and as we ask them, and what looking after the
//! house costs, with 5 million reservations and 10,000 concerts; `docs/performance.md` has the figures.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::plans::{QUERY_1, QUERY_2, QUERY_3, QUERY_4, explain, sent};
use crate::support::own_cluster::OwnCluster;
use crate::support::program::Program;
use crate::support::{OWNER, Options, PASSWORD, TestApp};

/// The heading of its section in the document, which ends at the next one.
const HEADING: &str = "## Common queries with 5 million reservations";
const CONCERTS: u32 = 10_000;
const RESERVATIONS: u32 = 5_000_000;
const REPEATED: usize = 200;
/// Ten minutes of the watch.
const LOOKS: u32 = 40;
const LOOK_EVERY_S: f64 = 15.0;

/// A query: what it is for, its text, the parameters of a concert, and one of the indexes that it runs on.
struct Asked {
    what: &'static str,
    text: String,
    /// Names of values: `concert` and `email` are drawn anew each time.
    parameters: &'static [&'static str],
    indexes: &'static [&'static str],
}

fn asked() -> Vec<Asked> {
    let one = |what, text: String, parameters, indexes| Asked {
        what,
        text,
        parameters,
        indexes,
    };
    vec![
        one(
            "1, word for word",
            QUERY_1.to_owned(),
            &[],
            &["idx_concerts_status", "idx_concerts_date"],
        ),
        one(
            "1, as the shop asks: a page of what begins from today on",
            sent("concerts.list"),
            &[
                "'open'",
                "current_date",
                "NULL",
                "NULL",
                "NULL",
                "current_date",
                "0",
                "20",
            ],
            &["idx_concerts_status", "idx_concerts_date"],
        ),
        one(
            "2, word for word",
            QUERY_2.to_owned(),
            &["email"],
            &["idx_reservations_email"],
        ),
        one(
            "3, word for word",
            QUERY_3.to_owned(),
            &["concert"],
            &["idx_reservations_concert"],
        ),
        one(
            "3, word for word, of the concert with most sales",
            QUERY_3.to_owned(),
            &["fullest"],
            &["idx_reservations_concert"],
        ),
        one(
            "3, as we ask: what is sold is what is neither left nor held",
            sent("stock.find_sale"),
            &["fullest"],
            &["concerts_pkey"],
        ),
        one(
            "4, word for word",
            QUERY_4.to_owned(),
            &["concert"],
            &["concerts_pkey"],
        ),
    ]
}

impl Asked {
    /// The values of one execution, as `EXECUTE` has them.
    fn values(&self, sample: &Sample) -> String {
        let value = |name: &&str| match *name {
            "concert" => sample.concert.to_string(),
            "fullest" => sample.fullest.to_string(),
            "email" => format!("'{}'", sample.email),
            plain => plain.to_owned(),
        };
        let values: Vec<String> = self.parameters.iter().map(value).collect();
        if values.is_empty() {
            String::new()
        } else {
            format!("({})", values.join(", "))
        }
    }
}

/// Whose rows are asked for.
#[derive(Clone)]
struct Sample {
    concert: i32,
    fullest: i32,
    email: String,
}

async fn samples(postgres: &Client) -> Vec<Sample> {
    let fullest =
        "SELECT id FROM concerts ORDER BY total_tickets - available_tickets DESC, id LIMIT 1";
    let fullest = postgres.query_one(fullest, &[]).await.unwrap().get(0);
    let drawn =
        "SELECT concert_id, customer_email FROM reservations TABLESAMPLE system (0.1) LIMIT 20000";
    let rows = postgres.query(drawn, &[]).await.unwrap();
    let apart = (rows.len() / REPEATED).max(1);
    let rows = rows.iter().step_by(apart).take(REPEATED);
    rows.map(|row| Sample {
        concert: row.get(0),
        fullest,
        email: row.get(1),
    })
    .collect()
}

/// Median and 95th percentile, milliseconds.
struct Times(f64, f64);

impl Times {
    fn of(mut all: Vec<Duration>) -> Self {
        all.sort();
        let at = |percent: usize| {
            all[(all.len() * percent / 100).min(all.len() - 1)].as_secs_f64() * 1_000.0
        };
        Self(at(50), at(95))
    }
}

async fn measure(postgres: &Client, asked: &Asked, samples: &[Sample]) -> (Times, usize) {
    let prepare = format!("DEALLOCATE ALL; PREPARE it AS {}", asked.text);
    postgres.batch_execute(&prepare).await.unwrap();
    let mut times = Vec::new();
    let mut rows = 0;
    for sample in samples {
        let execute = format!("EXECUTE it {}", asked.values(sample));
        let begun = Instant::now();
        let messages = postgres.simple_query(&execute).await.unwrap();
        times.push(begun.elapsed());
        rows += messages.len().saturating_sub(2);
    }
    (Times::of(times), rows / samples.len())
}

/// Every query on its index, whichever way PostgreSQL plans it, with its figures.
async fn queries(postgres: &Client) -> String {
    let samples = samples(postgres).await;
    let mut table =
        String::from("| query | index | rows | median, ms | p95, ms |\n|---|---|--:|--:|--:|\n");
    for asked in asked() {
        let mut used = "";
        for mode in ["force_custom_plan", "force_generic_plan"] {
            let set = format!("SET plan_cache_mode = {mode}");
            postgres.batch_execute(&set).await.unwrap();
            let plan = explain(postgres, &asked.text, &asked.values(&samples[0])).await;
            let index = asked.indexes.iter().find(|index| plan.contains(**index));
            used = index.unwrap_or_else(|| panic!("{}: {plan}", asked.what));
            let is_whole =
                plan.contains("Seq Scan on reservations") || plan.contains("Seq Scan on concerts");
            assert!(!is_whole, "{}: {plan}", asked.what);
        }
        postgres
            .batch_execute("SET plan_cache_mode = auto")
            .await
            .unwrap();
        let (Times(median, p95), rows) = measure(postgres, &asked, &samples).await;
        let what = asked.what;
        writeln!(
            table,
            "| {what} | `{used}` | {rows} | {median:.2} | {p95:.2} |"
        )
        .unwrap();
    }
    table
}

/// What each specified index is for: the queries that run on it, which would read a whole table without.
const PURPOSES: [(&str, &str, &str); 8] = [
    (
        "idx_concerts_date",
        "what is on from a day on, of every status; dates of reports",
        "concerts",
    ),
    (
        "idx_concerts_status",
        "the shop's list: what is on sale, by date",
        "concerts",
    ),
    (
        "idx_reservations_email",
        "a buyer's reservations, the newest first; the limit of each buyer",
        "reservations",
    ),
    (
        "idx_reservations_concert",
        "a concert's reservations by state, and their count",
        "reservations",
    ),
    (
        "idx_reservations_status",
        "holds that have run out; all of one state",
        "reservations",
    ),
    (
        "idx_reservations_created",
        "the newest reservations of all; a day's sales",
        "reservations",
    ),
    ("idx_admin_users_username", "who signs in", "admin_users"),
    (
        "idx_audit_logs_created",
        "the audit log, the newest first",
        "audit_logs",
    ),
];

async fn purposes(postgres: &Client) -> String {
    let mut table = String::from("| index | on | what it is for | size, MB |\n|---|---|---|--:|\n");
    for (index, purpose, on) in PURPOSES {
        let size = format!("SELECT pg_relation_size('{index}') / 1048576");
        let size: i64 = postgres.query_one(&size, &[]).await.unwrap().get(0);
        writeln!(table, "| `{index}` | `{on}` | {purpose} | {size} |").unwrap();
    }
    table
}

/// Clock ticks, of which Linux has a hundred in a second, that a process has had of a core.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let words: Vec<&str> = rest.split_whitespace().collect();
    let tick = |at: usize| {
        words
            .get(at)
            .and_then(|word| word.parse::<u64>().ok())
            .unwrap_or_default()
    };
    // The user's and the system's share; the state is the first word here.
    tick(11) + tick(12)
}

async fn backends(postgres: &Client) -> Vec<u32> {
    let all =
        "SELECT pid FROM pg_stat_activity WHERE usename IN ('stagedoor_app', 'stagedoor_monitor')";
    let rows = postgres.query(all, &[]).await.unwrap();
    rows.iter()
        .map(|row| row.get::<_, i32>(0).unsigned_abs())
        .collect()
}

/// What the watch costs: its share of a core, server and database together, and its slowest statement.
async fn watch(app: &TestApp, postgres: &Client) -> String {
    // The first looks prepare statements, and read what nobody has read yet.
    for _ in 0..3 {
        app::health::look(&app.app).await;
        app.clock.advance(Duration::from_secs(15));
    }
    postgres
        .batch_execute("SELECT stats.pg_stat_statements_reset()")
        .await
        .unwrap();
    let processes = [vec![std::process::id()], backends(postgres).await].concat();
    let sum = || processes.iter().map(|pid| ticks(*pid)).sum::<u64>();
    let before = sum();
    for _ in 0..LOOKS {
        app::health::look(&app.app).await;
        app.clock.advance(Duration::from_secs(15));
    }
    #[expect(clippy::cast_precision_loss, reason = "some hundred ticks")]
    let seconds = (sum() - before) as f64 / 100.0;
    let share = 100.0 * seconds / (f64::from(LOOKS) * LOOK_EVERY_S);
    let slowest =
        "SELECT coalesce(substring(query FROM '/\\* (\\S+) \\*/'), left(query, 40)) AS name,
                          max_exec_time, calls, mean_exec_time
                   FROM stats.pg_stat_statements
                   JOIN pg_roles ON pg_roles.oid = userid AND rolname LIKE 'stagedoor%'
                   ORDER BY max_exec_time DESC LIMIT 5";
    let mut text = format!(
        "Looking after the house costs {share:.2} % of one core, server and database together \
         ({LOOKS} looks, one every {LOOK_EVERY_S} s). Its slowest statements:\n\n\
         | statement | calls | mean, ms | slowest, ms |\n|---|--:|--:|--:|\n"
    );
    for row in postgres.query(slowest, &[]).await.unwrap() {
        let (name, most): (String, f64) = (row.get(0), row.get(1));
        let (calls, mean): (i64, f64) = (row.get(2), row.get(3));
        writeln!(text, "| `{name}` | {calls} | {mean:.1} | {most:.1} |").unwrap();
        // Ten times the limit, for a machine that does much else.
        assert!(most < 500.0, "{name}: {most} ms");
    }
    assert!(share < 20.0, "{share} %");
    text
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "makes 5 million reservations up, which takes minutes: `make test-millions`"]
async fn five_million_reservations_keep_the_common_queries_on_their_indexes() {
    let settings = [("shared_preload_libraries", "pg_stat_statements")];
    let cluster = OwnCluster::start_with("millions", &settings).await;
    let owner = cluster.0.url(OWNER, PASSWORD, "stagedoor");
    let (concerts, reservations) = (CONCERTS.to_string(), RESERVATIONS.to_string());
    let words = [
        "seed",
        "--concerts",
        &concerts,
        "--reservations",
        &reservations,
    ];
    let mut seed = Program::new(&words)
        .env("DATABASE_OWNER_URL", &owner)
        .start("")
        .await;
    let status = seed.end(Duration::from_mins(30)).await;
    assert!(status.success(), "{}", seed.said());
    let postgres = cluster.superuser().await;
    postgres.batch_execute("VACUUM ANALYZE").await.unwrap();
    let statistics =
        "CREATE SCHEMA stats; CREATE EXTENSION pg_stat_statements SCHEMA stats; SET jit = off";
    postgres.batch_execute(statistics).await.unwrap();
    let queries = queries(&postgres).await;
    let purposes = purposes(&postgres).await;
    let app = cluster.app(Options::default()).await;
    let watch = watch(&app, &postgres).await;
    let section = format!(
        "{HEADING}\n\n\
         {CONCERTS} concerts, {RESERVATIONS} reservations (`stagedoor seed`), PostgreSQL with its own \
         settings, each query {REPEATED} times over one connection, each time for another concert or \
         buyer. Written by `make test-millions`, which fails where one of them reads a whole table, by \
         a custom plan or a generic one.\n\n{queries}\n\
         Query 3 counts every sale of its concert, so that it takes the longer the more are sold. Nobody \
         who waits asks it: how many tickets are sold is what is neither left nor held, in the one row \
         that selling keeps true anyway, and reports read sums that are kept by day.\n\n\
         The specified indexes:\n\n{purposes}\n{watch}"
    );
    println!("{section}");
    if std::env::var_os("STAGEDOOR_TEST_UPDATE").is_some() {
        write(&section);
    }
}

/// Puts the section into the document, in place of the one that was there.
fn write(section: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/performance.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(HEADING).unwrap_or((&text, ""));
    let behind = rest
        .split_once("\n## ")
        .map(|(_, behind)| format!("\n## {behind}"));
    let text = format!(
        "{}\n\n{}\n{}",
        before.trim_end(),
        section.trim_end(),
        behind.unwrap_or_default()
    );
    std::fs::write(path, text).unwrap();
}
