//! The product under test: real database, real socket, a clock that the test advances.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::app::ctx::{ManualClock, Random, SeededRandom};
use ::app::mails::{Carrier, Post};
use ::app::payments::Till;
use ::app::posters::Files;
use ::app::providers::sandbox::Sandbox;
use ::app::{AccessKey, App, Ctx, Settings};
use domain::allotment::Limits;
use domain::money::Currency;
use ipnet::IpNet;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use stagedoor::config::RateLimit;
use stagedoor::http::feed::Feeds;
use stagedoor::http::listener::{self, Door};
use stagedoor::http::page::Site;
use stagedoor::http::rate::Budgets;
use stagedoor::http::router;
use stagedoor::http::web::{Parts, Web};
use store::pool::Lease;
use store::{Pool, PoolSettings, Replicas};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_postgres::Client as Postgres;

use super::cluster::{APP, TestDatabase};
use super::wait::within_limit;

/// What a test may want otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) pool_max: u32,
    pub(crate) per_order: i32,
    pub(crate) pool_idle_timeout: Duration,
    /// Another way to the database, such as a fault proxy.
    pub(crate) database_port: Option<u16>,
    /// Another cluster than the shared one.
    pub(crate) database_url: Option<String>,
    /// Read replicas, each as the server's login.
    pub(crate) replica_urls: Vec<String>,
    /// A login that sees more than the server's.
    pub(crate) monitor_url: Option<String>,
    /// Without announcing and listening, where a test counts statements or connections.
    pub(crate) is_alone: bool,
    /// Two products on one database need different ones.
    pub(crate) random_seed: u64,
    /// The key, and those before it.
    pub(crate) secrets: &'static [&'static [u8]],
    /// Clients may send as many requests as they like, unless a test wants a budget.
    pub(crate) budgets: fn() -> Budgets,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) base_url: &'static str,
    /// Who takes mails; without, they are kept.
    pub(crate) carrier: Option<Arc<dyn Carrier>>,
    /// Whether whoever asks may read mails.
    pub(crate) shows_mails: bool,
    /// Where posters lie.
    pub(crate) files: Arc<TempDir>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pool_max: 20,
            per_order: 10,
            pool_idle_timeout: Duration::from_secs(30),
            database_port: None,
            database_url: None,
            replica_urls: Vec::new(),
            monitor_url: None,
            is_alone: false,
            random_seed: 7,
            secrets: &[b"a key that is only used for tests"],
            budgets: Budgets::default,
            trusted_proxies: Vec::new(),
            base_url: "http://tickets.example",
            carrier: None,
            shows_mails: true,
            files: Arc::new(TempDir::with_prefix("stagedoor-files-").expect("a folder")),
        }
    }
}

/// A running product on a database of its own.
pub(crate) struct TestApp {
    pub(crate) app: App,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) database: TestDatabase,
    /// A connection that may do everything, for looking and for planting.
    pub(crate) postgres: Postgres,
    pub(crate) address: SocketAddr,
    /// Goes with the test.
    pub(crate) files: Arc<TempDir>,
    client: Client,
    #[expect(
        dead_code,
        reason = "nobody tells the server to stop before the test is over"
    )]
    stop: watch::Sender<bool>,
}

/// A concert to be planted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewConcert<'a> {
    pub(crate) tickets: i32,
    pub(crate) price: &'a str,
    pub(crate) status: &'a str,
    /// Days from the test's today.
    pub(crate) in_days: i32,
    pub(crate) name: &'a str,
}

impl Default for NewConcert<'_> {
    fn default() -> Self {
        Self {
            tickets: 100,
            price: "1250.00",
            status: "open",
            in_days: 30,
            name: "Night Ferry",
        }
    }
}

impl TestApp {
    /// Runs a test, then asserts the promise about the inventory on what it left.
    pub(crate) async fn run(test: impl AsyncFnOnce(&TestApp)) {
        Self::run_with(Options::default(), test).await;
    }

    pub(crate) async fn run_with(options: Options, test: impl AsyncFnOnce(&TestApp)) {
        let database = TestDatabase::migrated().await;
        let app = Self::start(database, options).await;
        test(&app).await;
        app.assert_inventory().await;
    }

    pub(crate) async fn start(database: TestDatabase, options: Options) -> Self {
        let clock = clock();
        let app = open_app(&database_url(&database, &options), &clock, &options);
        let site = Site {
            base_url: options.base_url.to_owned(),
            time_zone: settings(&options).timezone,
            assets: router::asset_addresses(),
        };
        let web = Web::new(Parts {
            app: app.clone(),
            site: Arc::new(site),
            trusted_proxies: options.trusted_proxies.clone().into(),
            feeds: Feeds::new(1_000, RateLimit::Off),
            budgets: (options.budgets)(),
            has_tls: false,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let door = Door {
            // An open loop of requests that wait a second each needs some thousand.
            connections_max: 16_000,
            ..Door::default()
        };
        let (stop, stopped) = watch::channel(false);
        listener::answer(listener, router::router(web), door, stopped);
        let postgres = database.superuser().await;
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("an HTTP client");
        Self {
            app,
            clock,
            database,
            postgres,
            address,
            files: options.files,
            client,
            stop,
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path)
            .send()
            .await
            .expect("an answer")
    }

    pub(crate) async fn get_json(&self, path: &str) -> Value {
        self.get(path).await.json().await.expect("JSON")
    }

    /// `POST /api/v1/reservations` for one buyer.
    pub(crate) fn reserve(&self, concert: i32, quantity: i32, buyer: &str) -> RequestBuilder {
        self.request(Method::POST, "/api/v1/reservations")
            .json(&json!({
                "concert_id": concert,
                "quantity": quantity,
                "customer_name": "Som Chai",
                "customer_email": format!("{buyer}@example.com"),
            }))
    }

    /// Reserves, expecting 201.
    pub(crate) async fn reserved(&self, concert: i32, quantity: i32, buyer: &str) -> Value {
        let response = self
            .reserve(concert, quantity, buyer)
            .send()
            .await
            .expect("an answer");
        assert_eq!(response.status(), 201);
        response.json().await.expect("JSON")
    }

    /// A request about a reservation, with its token.
    pub(crate) fn with_token(
        &self,
        method: Method,
        reservation: &Value,
        rest: &str,
    ) -> RequestBuilder {
        let id = reservation["id"].as_str().expect("an id");
        let token = reservation["access_token"].as_str().expect("a token");
        self.request(method, &format!("/api/v1/reservations/{id}{rest}"))
            .bearer_auth(token)
    }

    /// Plants a concert with plain SQL.
    pub(crate) async fn plant(&self, concert: NewConcert<'_>) -> i32 {
        let date = self
            .app
            .today()
            .checked_add(concert.in_days.days())
            .expect("a day");
        let statement = format!(
            "INSERT INTO concerts (name, artist, date, venue, total_tickets, available_tickets,
                                   price, status)
             VALUES ($1, 'The Lanterns', '{date}', 'Riverside Hall', $2, $2, {}, $3)
             RETURNING id",
            concert.price
        );
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&concert.name, &concert.tickets, &concert.status];
        self.postgres
            .query_one(&statement, &parameters)
            .await
            .expect("a concert")
            .get(0)
    }

    /// Plants holds of one ticket with plain SQL, made now, that last for `time`.
    pub(crate) async fn plant_holds(&self, concert: i32, holds: i32, time: Duration) {
        let (now, end) = (self.app.ctx().now(), self.app.ctx().now() + time);
        let statement = format!(
            "INSERT INTO reservations (id, concert_id, customer_name, customer_email, quantity,
                                       total_price, reserved_at, created_at, updated_at, expires_at)
             SELECT 'RES' || n || '-00000000', {concert}, 'Som Chai', n || '@example.com', 1, 1250,
                    made, made, made, timestamptz '{end}' AT TIME ZONE 'utc'
             FROM generate_series(1, {holds}) n, (SELECT timestamptz '{now}' AT TIME ZONE 'utc') AS m (made);
             UPDATE concerts SET available_tickets = available_tickets - {holds} WHERE id = {concert};
             ANALYZE reservations"
        );
        self.postgres
            .batch_execute(&statement)
            .await
            .expect("holds");
    }

    pub(crate) async fn available(&self, concert: i32) -> i32 {
        let statement = "SELECT available_tickets FROM concerts WHERE id = $1";
        self.postgres
            .query_one(statement, &[&concert])
            .await
            .expect("a concert")
            .get(0)
    }

    /// Borrows so many connections, however long a busy machine takes to make them.
    pub(crate) async fn leases(&self, connections: usize) -> Vec<Lease> {
        within_limit("connections", async {
            let mut leases = Vec::new();
            while leases.len() < connections {
                leases.extend(self.app.writer().get().await.ok());
            }
            leases
        })
        .await
    }

    /// Lets time pass while a sweeper is awake.
    pub(crate) async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        let now = self.app.ctx().now();
        let beat =
            format!("UPDATE heartbeats SET beat_at = timestamptz '{now}' AT TIME ZONE 'utc'");
        self.postgres.batch_execute(&beat).await.expect("a beat");
    }

    /// A number from the database.
    pub(crate) async fn count(&self, statement: &str) -> i64 {
        self.postgres
            .query_one(statement, &[])
            .await
            .expect("a count")
            .get(0)
    }

    /// INVARIANT: `0 <= available <= total` and `available = total - pending and confirmed`.
    pub(crate) async fn assert_inventory(&self) {
        let statement = "
            SELECT c.id, c.total_tickets, c.available_tickets, coalesce(sum(r.quantity), 0)::bigint
            FROM concerts c
            LEFT JOIN reservations r
              ON r.concert_id = c.id AND r.status IN ('pending', 'confirmed')
            GROUP BY c.id";
        for row in self.postgres.query(statement, &[]).await.expect("concerts") {
            let (id, total, available): (i32, i32, i32) = (row.get(0), row.get(1), row.get(2));
            let held: i64 = row.get(3);
            assert!(
                (0..=total).contains(&available),
                "concert {id}: {available} of {total}"
            );
            assert_eq!(
                i64::from(available),
                i64::from(total) - held,
                "concert {id}"
            );
        }
        // Double entry: the audit log alone says the same.
        let differences = "
            SELECT format('%s: %s by the log, %s by the table', id, by_log, by_table)
            FROM (SELECT id::text, by_log, by_table FROM list_concert_entries(0, 2147483647)
                  UNION ALL SELECT * FROM list_reservation_entries('', 2147483647)) AS entries
            WHERE by_log <> by_table LIMIT 10";
        let rows = self.postgres.query(differences, &[]).await.expect("rows");
        let differences: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(differences, <[&str; 0]>::default());
    }
}

/// A clock that stands at the tests' beginning.
pub(crate) fn clock() -> Arc<ManualClock> {
    let start: Timestamp = "2026-11-22T05:00:00Z".parse().expect("an instant");
    Arc::new(ManualClock::new(start))
}

/// The product without its fronts, as one more process would have it.
pub(crate) fn open_app(url: &str, clock: &Arc<ManualClock>, options: &Options) -> App {
    let random = Arc::new(SeededRandom::new(options.random_seed));
    open_app_with(random, url, clock, options)
}

/// The same with randomness of the test's own.
pub(crate) fn open_app_with(
    random: Arc<dyn Random>,
    url: &str,
    clock: &Arc<ManualClock>,
    options: &Options,
) -> App {
    let ctx = Ctx::new(Arc::clone(clock) as _, random);
    let pool = Pool::open(url, pool_settings(options), Arc::new(|_| {})).expect("a pool");
    let (secret, previous) = options.secrets.split_first().expect("a key");
    let key = AccessKey::new(secret).with_previous(previous.iter().copied());
    let sandbox = Arc::new(Sandbox {
        pool: pool.clone(),
        ctx: ctx.clone(),
        base_url: options.base_url.to_owned(),
        secret: secret.to_vec(),
    });
    let till = Till {
        provider: Arc::clone(&sandbox) as _,
        sandbox: Some(sandbox),
        base_url: options.base_url.to_owned(),
    };
    let post = Post {
        words: Arc::new(stagedoor::mail::Writer),
        carrier: options.carrier.clone(),
        base_url: options.base_url.to_owned(),
        is_open: options.shows_mails,
    };
    let app = App::new(ctx, settings(options), pool, key)
        .taking_money(till)
        .writing_to_people(post)
        .keeping_files(Files::new(options.files.path()));
    let app = if options.is_alone { app.alone() } else { app };
    let monitor = options.monitor_url.as_ref().map(|url| {
        let settings = PoolSettings {
            name: "monitor",
            max: 1,
            min: 0,
            ..pool_settings(options)
        };
        Pool::open(url, settings, Arc::new(|_| {})).expect("a pool")
    });
    let app = app.watching(monitor, false);
    if options.replica_urls.is_empty() {
        return app;
    }
    let (urls, pool) = (&options.replica_urls, pool_settings(options));
    let replicas = Replicas::open(urls, &pool, app.writer()).expect("replicas");
    app.reading_from(replicas)
}

fn settings(options: &Options) -> Settings {
    Settings {
        hold_ttl: Duration::from_mins(10),
        cancel_until: Duration::from_hours(48),
        limits: Limits {
            per_order: options.per_order,
            per_customer: 10,
        },
        currency: Currency::THB,
        timezone: TimeZone::get("Asia/Bangkok").expect("a time zone"),
    }
}

fn pool_settings(options: &Options) -> PoolSettings {
    PoolSettings {
        name: "writer",
        max: options.pool_max,
        min: 2,
        idle_timeout: options.pool_idle_timeout,
        connect_timeout: Duration::from_secs(2),
        statement_timeout: Duration::from_mins(2),
        silence_max: Some(Duration::from_secs(6)),
    }
}

pub(crate) fn database_url(database: &TestDatabase, options: &Options) -> String {
    let url = options
        .database_url
        .clone()
        .unwrap_or_else(|| database.url(APP));
    match options.database_port {
        None => url,
        Some(port) => {
            let own = format!(":{}/", super::cluster().port());
            let url = url.replace(&own, &format!(":{port}/"));
            // Proxies that read what is said look for a conversation without the question for TLS.
            format!("{url}?sslmode=disable")
        }
    }
}
