//! The database goes away and comes back: the product says so, answers everybody, loses nothing
//! that it promised, and needs nobody to heal.

#![allow(
    clippy::unwrap_used,
    reason = "also outside the test functions, this is a test"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::task::{JoinSet, block_in_place};

use crate::support::own_cluster::OwnCluster;
use crate::support::wait::{LIMIT, eventually, within_limit};
use crate::support::{Options, TestApp};

/// What the specification's figures become on a machine that does much else at the same time.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const HEAL_WITHIN: Duration = Duration::from_secs(50);

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_database_is_503_and_heals_by_itself() {
    let mut cluster = OwnCluster::start("outage").await;
    let concert = plant(&cluster).await;
    let app = cluster.app(Options::default()).await;
    for kind in [Outage::Stop, Outage::Crash] {
        eventually("everything answers", LIMIT, async || {
            all_is_well(&app).await
        })
        .await;
        let crowd = Crowd::start(app.address, concert);
        eventually("a few are served", LIMIT, async || crowd.admitted() > 10).await;

        let port = cluster.0.port();
        block_in_place(|| match kind {
            Outage::Stop => cluster.0.stop(),
            Outage::Crash => cluster.0.kill(),
        })
        .unwrap();
        assert_everything_is_refused(&app, concert, kind).await;

        block_in_place(|| cluster.0.start()).unwrap();
        assert_eq!(cluster.0.port(), port);
        let healed = eventually("everything answers again", HEAL_WITHIN, async || {
            all_is_well(&app).await
        })
        .await;
        eprintln!("{kind:?}: healed {healed:?} after the start");
        let admitted = crowd.admitted();
        eventually("more are served", LIMIT, async || {
            crowd.admitted() > admitted + 10
        })
        .await;
        let promised = crowd.end().await;
        assert_kept(&cluster, &promised).await;
    }
}

/// How the database goes away.
#[derive(Clone, Copy, Debug)]
enum Outage {
    Stop,
    Crash,
}

/// One concert, whose number is returned.
pub(crate) async fn plant(cluster: &OwnCluster) -> i32 {
    let plant = "INSERT INTO concerts (name, artist, date, venue, total_tickets,
                                       available_tickets, price, status)
                 VALUES ('Night Ferry', 'The Lanterns', '2026-12-22', 'Riverside Hall', 1000000,
                         1000000, 1250, 'open')
                 RETURNING id";
    let postgres = cluster.superuser().await;
    postgres.query_one(plant, &[]).await.unwrap().get(0)
}

async fn all_is_well(app: &TestApp) -> bool {
    for path in ["/readyz", "/en/", "/api/v1/concerts"] {
        if app.get(path).await.status() != StatusCode::OK {
            return false;
        }
    }
    true
}

/// Everybody is told at once and to come back, by page and by API; only the process is well.
async fn assert_everything_is_refused(app: &TestApp, concert: i32, kind: Outage) {
    let mut requests = JoinSet::new();
    for n in 0..50 {
        let form = format!("/en/concerts/{concert}/hold");
        let request = match n % 4 {
            0 => app.request(reqwest::Method::GET, "/en/"),
            1 => app.request(reqwest::Method::GET, "/api/v1/concerts"),
            2 => app.reserve(concert, 1, "unlucky"),
            _ => app
                .request(reqwest::Method::POST, &form)
                .header("content-type", "application/x-www-form-urlencoded")
                .body("quantity=1&customer_name=Som&customer_email=som%40example.com"),
        };
        requests.spawn(async move {
            let begun = Instant::now();
            let answer = request.send().await.unwrap();
            let took = begun.elapsed();
            assert_eq!(answer.status(), 503);
            assert_eq!(answer.headers()["retry-after"], "1");
            let kind = answer.headers()["content-type"]
                .to_str()
                .unwrap()
                .to_owned();
            if n % 4 == 0 || n % 4 == 3 {
                assert!(kind.starts_with("text/html"), "{kind}");
            } else {
                let problem: Value = answer.json().await.unwrap();
                assert_eq!(problem["code"], "database_unavailable");
            }
            (n % 4 == 3, took)
        });
    }
    let times = within_limit("all answers", requests.join_all()).await;
    let longest_of = |is_form| {
        let of_kind = times.iter().filter(|(form, _)| *form == is_form);
        of_kind.map(|(_, took)| *took).max().unwrap()
    };
    let (longest, form) = (longest_of(false), longest_of(true));
    eprintln!("{kind:?}: the form after {form:?}");
    assert!(
        form * 2 < longest * 3,
        "the form asks the database again: {form:?}"
    );
    eprintln!("{kind:?}: refused within {longest:?}");
    assert!(longest <= ANSWER_WITHIN, "{longest:?}");
    let begun = Instant::now();
    let ready = app.get("/readyz").await;
    eprintln!("{kind:?}: /readyz after {:?}", begun.elapsed());
    assert_eq!(ready.status(), 503);
    assert_eq!(ready.headers()["retry-after"], "1");
    assert_eq!(app.get("/healthz").await.status(), 200);
}

/// Every reservation that was answered with 201 is there, and the tickets add up.
async fn assert_kept(cluster: &OwnCluster, promised: &[String]) {
    let postgres = cluster.superuser().await;
    let kept = "SELECT count(*) FROM reservations WHERE id = ANY($1)";
    let row = postgres.query_one(kept, &[&promised]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), i64::try_from(promised.len()).unwrap());
    let adds_up = "SELECT total_tickets - available_tickets = (SELECT count(*) FROM reservations WHERE concert_id > 0)
                   FROM concerts WHERE id > 0";
    let row = postgres.query_one(adds_up, &[]).await.unwrap();
    assert!(row.get::<_, bool>(0), "tickets and reservations differ");
}

/// Buyers who go on buying, whatever happens.
struct Crowd {
    admitted: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    /// Each gives the reservations that it was promised.
    buyers: JoinSet<Vec<String>>,
}

impl Crowd {
    fn start(address: SocketAddr, concert: i32) -> Self {
        let mut crowd = Self {
            admitted: Arc::default(),
            is_over: Arc::default(),
            buyers: JoinSet::new(),
        };
        let client = Client::new();
        for buyer in 0..8 {
            let (client, admitted) = (client.clone(), Arc::clone(&crowd.admitted));
            let is_over = Arc::clone(&crowd.is_over);
            crowd.buyers.spawn(async move {
                let mut promised = Vec::new();
                while !is_over.load(Ordering::SeqCst) {
                    let wish = json!({
                        "concert_id": concert,
                        "quantity": 1,
                        "customer_name": "Som Chai",
                        "customer_email": format!("{buyer}-{}@example.com", promised.len()),
                    });
                    let request = client
                        .post(format!("http://{address}/api/v1/reservations"))
                        .json(&wish);
                    let answer = within_limit("an answer", request.send()).await.unwrap();
                    if answer.status() == 201 {
                        let reservation: Value = answer.json().await.unwrap();
                        promised.push(reservation["id"].as_str().unwrap().to_owned());
                        admitted.fetch_add(1, Ordering::SeqCst);
                    } else {
                        assert_eq!(answer.status(), 503);
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                promised
            });
        }
        crowd
    }

    fn admitted(&self) -> usize {
        self.admitted.load(Ordering::SeqCst)
    }

    async fn end(self) -> Vec<String> {
        self.is_over.store(true, Ordering::SeqCst);
        let promised = within_limit("the last answers", self.buyers.join_all()).await;
        promised.concat()
    }
}
