//! Read replicas: what they serve, how old it may be, and what happens when they or the primary go.

mod hosts;
mod standbys;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use app::standing;
use postgres_local::Cluster;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use store::client::GenericClient as _;
use store::replicas::Standing;
use store::transaction::read_as;
use store::{Acting, Seen, StoreError};
use tokio::task::block_in_place;

use crate::support::own_cluster::{OwnCluster, app_url};
use crate::support::program::Program;
use crate::support::wait::{LIMIT, eventually};
use crate::support::{NewConcert, Options, TestApp, connect};

/// The product on a primary with these standbys, after a first look at them.
async fn reading_from(cluster: &OwnCluster, standbys: &[&Cluster]) -> TestApp {
    reading_from_urls(
        cluster,
        standbys.iter().map(|standby| app_url(standby)).collect(),
    )
    .await
}

async fn reading_from_urls(cluster: &OwnCluster, replica_urls: Vec<String>) -> TestApp {
    let options = Options {
        replica_urls,
        ..Options::default()
    };
    let app = cluster.app(options).await;
    tokio::spawn(standing::keep_up(app.app.clone()));
    eventually("a look at the replicas", LIMIT, async || {
        let reports = app.app.replicas().map(store::Replicas::reports);
        let mut reports = reports.unwrap_or_default().into_iter();
        reports.all(|replica| replica.standing != Standing::Away)
    })
    .await;
    app
}

/// Transactions that ended in a database of a cluster, by whoever.
async fn transactions(cluster: &Cluster) -> i64 {
    let postgres = connect(&cluster.superuser_url("stagedoor")).await;
    // Sessions tell their figures when they end, and else many seconds late.
    let end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
               WHERE usename = 'stagedoor_app'";
    postgres.batch_execute(end).await.unwrap();
    let statement = "SELECT xact_commit + xact_rollback FROM pg_stat_database
                     WHERE datname = current_database()";
    postgres.query_one(statement, &[]).await.unwrap().get(0)
}

async fn replayed_all(cluster: &OwnCluster, standby: &Cluster) {
    let position = "SELECT pg_current_wal_lsn()::text";
    let position: String = (cluster.superuser().await)
        .query_one(position, &[])
        .await
        .unwrap()
        .get(0);
    let postgres = connect(&standby.superuser_url("stagedoor")).await;
    let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{position}'");
    eventually("a standby that has replayed all", LIMIT, async || {
        postgres.query_one(&replayed, &[]).await.unwrap().get(0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_concert_pages_are_read_from_replicas_by_turns() {
    const VISITS: usize = 200;
    let cluster = OwnCluster::start("turns").await;
    let (one, two) = (
        cluster.standby("turns-one", &[]),
        cluster.standby("turns-two", &[]),
    );
    let app = reading_from(&cluster, &[&one, &two]).await;
    let concert = app.plant(NewConcert::default()).await;
    replayed_all(&cluster, &one).await;
    replayed_all(&cluster, &two).await;
    eventually("replicas that serve", LIMIT, async || {
        let reports = app.app.replicas().unwrap().reports();
        reports.iter().all(|replica| replica.lag.is_known)
    })
    .await;
    let count = async || {
        [
            transactions(&cluster.0).await,
            transactions(&one).await,
            transactions(&two).await,
        ]
    };
    let before = count().await;
    for visit in 0..VISITS {
        let path = match visit % 4 {
            0 => "/en/".to_owned(),
            1 => format!("/th/concerts/{concert}"),
            2 => "/api/v1/concerts".to_owned(),
            _ => format!("/api/v1/concerts/{concert}"),
        };
        assert_eq!(app.get(&path).await.status(), StatusCode::OK, "{path}");
    }
    let after = count().await;
    let [primary, one, two] = [0, 1, 2].map(|place| after[place] - before[place]);
    eprintln!("primary {primary}, replicas {one} and {two}");
    let visits = i64::try_from(VISITS).unwrap();
    assert!(
        primary < visits / 4,
        "only looks reach the primary: {primary}"
    );
    assert!(one > visits / 4 && two > visits / 4, "{one} and {two}");
}

/// A replica that replays late still serves those who have changed nothing; who has reserved sees it
/// at once, everywhere.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_reserved_sees_it_on_the_next_page_although_replicas_lag() {
    let cluster = OwnCluster::start("own-writes").await;
    let setup = cluster.app(Options::default()).await;
    let concert = setup.plant(NewConcert::default()).await;
    let late = cluster.standby("own-writes-late", &[("recovery_min_apply_delay", "20s")]);
    let app = reading_from(&cluster, &[&late]).await;
    let address = format!("/api/v1/concerts/{concert}");
    let left = async |cookie: &str| {
        let request = app
            .request(reqwest::Method::GET, &address)
            .header(COOKIE, cookie);
        let concert: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
        concert["available_tickets"].as_i64().unwrap()
    };
    // Whatever was written before is replayed, and it serves.
    let lag = || app.app.replicas().unwrap().reports()[0].lag;
    eventually("a replica that serves", LIMIT, async || lag().is_known).await;
    eventually("a concert that is shown", LIMIT, async || {
        app.get(&address).await.status() == StatusCode::OK
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;

    let (cookies, page) = hold_two(&app, concert).await;
    assert!(cookies.contains("stagedoor-seen="), "{cookies}");
    // The token in it is in the cookie as well.
    let (page, _) = page.split_once('?').unwrap();
    let page = app
        .request(reqwest::Method::GET, page)
        .header(COOKIE, &cookies);
    assert_eq!(page.send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(
        left(&cookies).await,
        98,
        "on the primary, for the replica isn't there yet"
    );
    assert_eq!(left("").await, 100, "a stranger is served by the replica");
    eventually("a replica that is seen to be late", LIMIT, async || {
        lag().time > Duration::ZERO
    })
    .await;
}

/// The cookies that a buyer of two tickets has then, and the address of the next page.
async fn hold_two(app: &TestApp, concert: i32) -> (String, String) {
    let form = [
        ("quantity", "2"),
        ("customer_name", "Som Chai"),
        ("customer_email", "som@example.com"),
        ("idempotency_key", "a-key-of-this-test"),
    ];
    let address = format!("/en/concerts/{concert}/hold");
    let answer = app
        .request(reqwest::Method::POST, &address)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(serde_urlencoded::to_string(form).unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap().to_owned();
    let cookies = answer.headers().get_all(SET_COOKIE).iter().map(text);
    let pairs = cookies.map(|cookie| cookie.split(';').next().unwrap().to_owned());
    let pairs = pairs.collect::<Vec<_>>().join("; ");
    (pairs, text(&answer.headers()["location"]))
}

/// A forged or broken cookie gets nothing but the primary's answer.
#[tokio::test(flavor = "multi_thread")]
async fn nonsense_in_the_cookie_is_no_error() {
    let cluster = OwnCluster::start("nonsense").await;
    let standby = cluster.standby("nonsense-one", &[]);
    let app = reading_from(&cluster, &[&standby]).await;
    for value in [
        "",
        "x",
        "-1",
        "7fffffffffffffff",
        "ffffffffffffffffff",
        "%00",
    ] {
        let request = app.request(reqwest::Method::GET, "/en/");
        let request = request.header(COOKIE, format!("stagedoor-seen={value}"));
        assert_eq!(
            request.send().await.unwrap().status(),
            StatusCode::OK,
            "{value}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_far_behind_serves_nobody_and_doctor_says_so() {
    let cluster = OwnCluster::start("late").await;
    let late = cluster.standby("late-one", &[("recovery_min_apply_delay", "10min")]);
    let setup = cluster.app(Options::default()).await;
    let concert = setup.plant(NewConcert::default()).await;
    // As a server that starts beside a replica that has been late for long.
    let app = reading_from(&cluster, &[&late]).await;
    let address = format!("/en/concerts/{concert}");
    for _ in 0..50 {
        assert_eq!(app.get(&address).await.status(), StatusCode::OK);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let lag = || app.app.replicas().unwrap().reports()[0].lag;
    assert!(!lag().is_known && lag().bytes > 0, "{:?}", lag());

    let doctor = Program::new(&["doctor", "--json"]).env("DATABASE_URL", &cluster.url());
    let doctor = doctor
        .env("DATABASE_REPLICA_URLS", &app_url(&late))
        .run()
        .await;
    let findings = doctor.json()["findings"].as_array().unwrap().clone();
    let found = findings
        .iter()
        .find(|finding| finding["id"] == "replica")
        .unwrap();
    assert_eq!(found["severity"], "warning", "{found}");
    assert!(
        found["detail"].as_str().unwrap().contains("lacks"),
        "{found}"
    );
    assert_eq!(doctor.code, 0, "the primary serves: {}", doctor.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_die_or_freeze_are_passed_by_without_an_error_and_come_back() {
    let cluster = OwnCluster::start("dying").await;
    let (mut dying, frozen) = (
        cluster.standby("dying-one", &[]),
        cluster.standby("dying-two", &[]),
    );
    let app = reading_from(&cluster, &[&dying, &frozen]).await;
    let url = app_url(&dying);
    visit_for(&app, Duration::from_secs(1)).await;
    let standing = |place: usize| app.app.replicas().unwrap().reports()[place].standing;
    let backends = "SELECT pid FROM pg_stat_activity WHERE usename = 'stagedoor_app'";
    let stopped: Vec<i32> = (connect(&frozen.superuser_url("stagedoor")).await)
        .query(backends, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    let postmaster = block_in_place(|| frozen.postmaster()).unwrap().unwrap();
    let mut stopped: Vec<u32> = stopped.iter().map(|pid| pid.unsigned_abs()).collect();
    stopped.push(postmaster);
    signal_all("STOP", &stopped);
    block_in_place(|| dying.kill()).unwrap();
    visit_for(&app, Duration::from_secs(4)).await;
    assert_eq!((standing(0), standing(1)), (Standing::Away, Standing::Away));
    signal_all("CONT", &stopped);
    eventually("the one that was frozen", LIMIT, async || {
        standing(1) == Standing::Standby
    })
    .await;
    block_in_place(|| dying.start()).unwrap();
    // It may have another port now, which no URL follows.
    if app_url(&dying) == url {
        eventually("the one that was dead", LIMIT, async || {
            standing(0) == Standing::Standby
        })
        .await;
    }
}

/// What takes too long on one database would on each: it is asked of one, which goes on serving.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_takes_too_long_is_given_up_and_no_replica_is_away_for_it() {
    let cluster = OwnCluster::start("slow").await;
    let (one, two) = (
        cluster.standby("slow-one", &[]),
        cluster.standby("slow-two", &[]),
    );
    let app = reading_from(&cluster, &[&one, &two]).await;
    let replicas = app.app.replicas().unwrap();
    eventually("replicas that serve", LIMIT, async || {
        let reports = replicas.reports();
        reports.iter().all(|replica| replica.lag.is_known)
    })
    .await;
    for statements in TOO_SLOW {
        let asked = AtomicUsize::new(0);
        let databases = (Some(replicas), app.app.writer());
        let within = Duration::from_millis(4500);
        let outcome = store::replicas::read_within(within, databases, Seen(None), |connection| {
            asked.fetch_add(1, Ordering::Relaxed);
            Box::pin(read_as(connection, &READER, async move {
                for statement in statements {
                    connection.query(statement, &[]).await?;
                }
                Ok(())
            }))
        });
        let outcome = outcome.await;
        assert!(matches!(outcome, Err(StoreError::TooSlow)), "{outcome:?}");
        assert_eq!(asked.into_inner(), 1);
        let standing = replicas.reports().into_iter().map(|one| one.standing);
        assert!(standing.into_iter().all(|one| one == Standing::Standby));
    }
    assert_eq!(app.get("/en/").await.status(), StatusCode::OK);
}

static READER: Acting = Acting::system("test");
/// One statement, and several together.
const TOO_SLOW: [&[&str]; 2] = [&["SELECT pg_sleep(60)"], &["SELECT pg_sleep(3)"; 3]];

fn signal_all(name: &str, processes: &[u32]) {
    for process in processes {
        let id = process.to_string();
        let sent = std::process::Command::new("/bin/sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name, &id])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "SIG{name}");
    }
}

/// Visits, of which none may fail; the server itself gives each less than five seconds.
async fn visit_for(app: &TestApp, time: Duration) {
    let (begun, mut slowest) = (Instant::now(), Duration::ZERO);
    while begun.elapsed() < time {
        let asked = Instant::now();
        assert_eq!(app.get("/en/").await.status(), StatusCode::OK);
        slowest = slowest.max(asked.elapsed());
    }
    eprintln!("the slowest visit took {slowest:?}");
}

/// Patroni moves the primary about, so that every node is named as a replica: the one that is the
/// primary serves no reads as a replica, and keeps no connections of that kind.
#[tokio::test(flavor = "multi_thread")]
async fn a_replicas_url_that_leads_to_the_primary_costs_it_no_connections() {
    let cluster = OwnCluster::start("roles").await;
    let standby = cluster.standby("roles-one", &[]);
    let app = reading_from_urls(&cluster, vec![cluster.url(), app_url(&standby)]).await;
    let standing = |place: usize| app.app.replicas().unwrap().reports()[place].standing;
    assert_eq!(
        (standing(0), standing(1)),
        (Standing::Primary, Standing::Standby)
    );
    // One of the twenty may belong to whoever looks at the primary.
    drop(app.leases(19).await);
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'stagedoor_app'";
    let mut most = 0;
    for _ in 0..100 {
        app.get("/en/").await;
        most = most.max(app.count(sessions).await);
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    // Each look at it, seconds apart, is a connection for a moment.
    assert!(most <= 22, "{most}");
    let kept = "SELECT count(*) FROM pg_stat_activity
                WHERE usename = 'stagedoor_app' AND query LIKE '%look_at_standby%'
                  AND backend_start < now() - interval '2 seconds'";
    assert_eq!(app.count(kept).await, 0);

    // The standby becomes a primary: it is nobody's replica any more.
    let promoted = connect(&standby.superuser_url("stagedoor")).await;
    promoted.batch_execute("SELECT pg_promote()").await.unwrap();
    eventually("a promoted replica", LIMIT, async || {
        standing(1) == Standing::Primary
    })
    .await;
    assert_eq!(app.get("/en/").await.status(), StatusCode::OK);
}
