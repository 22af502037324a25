//! `kill -9` of the server and of PostgreSQL in the middle of a rush: what was promised is kept,
//! nothing is oversold, and the same key always tells the truth.
//!
//! `STAGEDOOR_TEST_KILLS=20` is the long run.

#![allow(
    clippy::unwrap_used,
    reason = "also outside the test functions, this is a test"
)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Client;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::sleep;
use tokio_postgres::Client as Postgres;

use crate::support::TestDatabase;
use crate::support::customers::{Order, assert_all_true};
use crate::support::dice::{self, Dice};
use crate::support::own_cluster::OwnCluster;
use crate::support::program::{Program, Started};
use crate::support::wait::{LIMIT, eventually, within_limit};

const SHORT_RUN_KILLS: usize = 2;
/// Selling goes on within 5 s of the restart; ten times that on a machine that does much else.
const SELLS_WITHIN: Duration = Duration::from_secs(50);
const CUSTOMERS: usize = 60;
/// Sold out within a second, so that kills meet it before, while and after it sells out.
const SMALL: i32 = 150;
const LARGE: i32 = 1_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_has_kept_what_it_promised() {
    let dice = Dice::new(dice::seed());
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let program = || Program::on(&database, &["serve"]);
    let mut server = serve(program()).await;
    let rush = Rush::start(&server, &postgres, &dice).await;
    for round in 0..dice::size("STAGEDOOR_TEST_KILLS").unwrap_or(SHORT_RUN_KILLS) {
        rush.open_small_concert(&postgres).await;
        rush.goes_on(LIMIT).await;
        sleep(dice.millis(0, 1500)).await;
        server.signal("KILL");
        server.end(LIMIT).await;
        sleep(dice.millis(0, 500)).await;
        let begun = Instant::now();
        server = serve(program()).await;
        rush.move_to(&server);
        rush.goes_on(SELLS_WITHIN).await;
        eprintln!(
            "server, round {round}: sells {:?} after its restart",
            begun.elapsed()
        );
    }
    rush.assert_kept(&postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_postgresql_has_kept_what_was_promised() {
    let dice = Dice::new(dice::seed());
    let mut cluster = OwnCluster::start("kills").await;
    let url = cluster.url();
    let server = serve(Program::new(&["serve"]).env("DATABASE_URL", &url)).await;
    let rush = Rush::start(&server, &cluster.superuser().await, &dice).await;
    for round in 0..dice::size("STAGEDOOR_TEST_KILLS").unwrap_or(SHORT_RUN_KILLS) {
        rush.open_small_concert(&cluster.superuser().await).await;
        rush.goes_on(LIMIT).await;
        sleep(dice.millis(0, 1500)).await;
        block_in_place(|| cluster.0.kill()).unwrap();
        sleep(dice.millis(0, 500)).await;
        block_in_place(|| cluster.0.start()).unwrap();
        assert_eq!(cluster.url(), url);
        let begun = Instant::now();
        rush.goes_on(SELLS_WITHIN).await;
        eprintln!(
            "PostgreSQL, round {round}: sells {:?} after its restart",
            begun.elapsed()
        );
    }
    rush.assert_kept(&cluster.superuser().await).await;
}

/// Starts a server whose tokens outlive it.
async fn serve(program: Program) -> Started {
    program
        .env(
            "STAGEDOOR_SECRET_KEY",
            "only-for-tests-and-32-characters-long",
        )
        .env("STAGEDOOR_LOG", "error")
        // A crowd from one address is one client.
        .env("STAGEDOOR_RATE_LIMIT", "off")
        .serving()
        .await
}

/// What the customers of a rush share.
#[derive(Debug, Default)]
struct Venue {
    site: Mutex<String>,
    concerts: Mutex<Vec<i32>>,
    admitted: AtomicUsize,
    /// Requests that were cut off without an answer.
    cut_off: AtomicUsize,
    is_over: AtomicBool,
}

impl Venue {
    fn site(&self) -> String {
        self.site.lock().unwrap().clone()
    }
}

/// Customers who go on buying, and repeat what got no final answer until it does.
struct Rush {
    venue: Arc<Venue>,
    customers: JoinSet<Vec<Order>>,
    client: Client,
}

impl Rush {
    async fn start(server: &Started, postgres: &Postgres, dice: &Dice) -> Self {
        let venue = Arc::<Venue>::default();
        let client = Client::new();
        let mut rush = Self {
            venue,
            customers: JoinSet::new(),
            client,
        };
        rush.move_to(server);
        rush.open(postgres, LARGE).await;
        for number in 0..CUSTOMERS {
            let (venue, client) = (Arc::clone(&rush.venue), rush.client.clone());
            let dice = dice.fork();
            rush.customers.spawn(buy(number, venue, client, dice));
        }
        rush
    }

    /// Customers ask there from now on.
    fn move_to(&self, server: &Started) {
        *self.venue.site.lock().unwrap() = server.site();
    }

    async fn open_small_concert(&self, postgres: &Postgres) {
        self.open(postgres, SMALL).await;
    }

    async fn open(&self, postgres: &Postgres, tickets: i32) {
        let plant = "INSERT INTO concerts (name, artist, date, venue, total_tickets,
                                           available_tickets, price, status)
                     VALUES ('Night Ferry', 'The Lanterns', CURRENT_DATE + 30, 'Riverside Hall',
                             $1, $1, 1250, 'open')
                     RETURNING id";
        let row = postgres.query_one(plant, &[&tickets]).await.unwrap();
        self.venue.concerts.lock().unwrap().push(row.get(0));
    }

    /// Waits until some more customers were admitted.
    async fn goes_on(&self, limit: Duration) {
        let before = self.venue.admitted.load(Ordering::SeqCst);
        eventually("more are admitted", limit, async || {
            self.venue.admitted.load(Ordering::SeqCst) > before + 5
        })
        .await;
    }

    /// Ends the rush and holds all that was answered against the database.
    async fn assert_kept(self, postgres: &Postgres) {
        self.venue.is_over.store(true, Ordering::SeqCst);
        let orders = within_limit("the last answers", self.customers.join_all()).await;
        let mut orders = orders.concat();
        let promised = orders
            .iter()
            .filter(|order| order.promised.is_some())
            .count();
        eprintln!(
            "{} orders, {promised} promised, {} requests cut off",
            orders.len(),
            self.venue.cut_off.load(Ordering::SeqCst)
        );
        assert!(orders.iter().all(Order::is_final));
        assert_all_true(postgres, &orders).await;
        assert_adds_up(postgres).await;
        // The small ones are sold out by now; who bought there is told the same again.
        let large = self.venue.concerts.lock().unwrap()[0];
        let site = self.venue.site();
        for order in &mut orders {
            if order.promised.is_some() && order.concert != large {
                let told = order.ask(&self.client, &site).await.unwrap();
                assert_eq!(told.status, 201, "{order:?}");
            }
        }
    }
}

async fn buy(number: usize, venue: Arc<Venue>, client: Client, dice: Dice) -> Vec<Order> {
    let mut orders = Vec::new();
    while !venue.is_over.load(Ordering::SeqCst) {
        let concert = *dice.pick(&venue.concerts.lock().unwrap());
        let key = format!("c{number}-{}", orders.len());
        let mut order = Order::new(key, concert, dice.quantity(3));
        loop {
            let told = order.ask(&client, &venue.site()).await;
            if told.is_none() {
                venue.cut_off.fetch_add(1, Ordering::SeqCst);
            }
            let status = told.map_or(503, |told| told.status);
            assert!(matches!(status, 201 | 409 | 503), "{status} to {order:?}");
            if order.is_final() {
                break;
            }
            sleep(dice.millis(20, 100)).await;
        }
        if order.promised.is_some() {
            venue.admitted.fetch_add(1, Ordering::SeqCst);
        }
        orders.push(order);
        sleep(dice.millis(0, 100)).await;
    }
    orders
}

async fn assert_adds_up(postgres: &Postgres) {
    let wrong = "
        SELECT count(*) FROM concerts c
        WHERE available_tickets < 0
           OR available_tickets <> total_tickets - (
               SELECT coalesce(sum(quantity), 0) FROM reservations r
               WHERE r.concert_id = c.id AND r.status IN ('pending', 'confirmed'))";
    let row = postgres.query_one(wrong, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 0, "oversold or lost tickets");
}
