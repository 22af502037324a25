//! What outlives a killed server: its database, the providers with their books, a mail server, and a buyer.

use std::fmt::Write as _;

use app::Ctx;
use reqwest::Client;
use tokio_postgres::Client as Postgres;

use super::*;
use crate::support::TestDatabase;
use crate::support::fake_stripe::{self, FakeStripe, Page, event, sign};
use crate::support::program::{Program, Started};
use crate::support::smtp_server::{SmtpServer, Taken};

const WEBHOOK_SECRET: &str = "whsec_of_the_tests";
const TICKETS: i32 = 10;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    Sandbox,
    Stripe,
}

impl Network {
    const fn name(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Stripe => "stripe",
        }
    }
}

/// Everything that outlives the server, and one buyer of two tickets.
pub(super) struct House {
    pub(super) network: Network,
    pub(super) database: TestDatabase,
    pub(super) postgres: Postgres,
    pub(super) stripe: FakeStripe,
    pub(super) smtp: SmtpServer,
    pub(super) client: Client,
    pub(super) concert: i32,
    pub(super) hold: Value,
}

impl House {
    /// With a server, in which somebody holds two tickets.
    pub(super) async fn open(network: Network) -> (Self, Started) {
        let database = TestDatabase::migrated().await;
        let postgres = database.superuser().await;
        let plant = format!(
            "INSERT INTO concerts (name, artist, date, venue, total_tickets, available_tickets,
                                   price, status)
             VALUES ('Night Ferry', 'The Lanterns', CURRENT_DATE + 30, 'Riverside Hall', {TICKETS},
                     {TICKETS}, 1250, 'open')
             RETURNING id"
        );
        let concert = postgres.query_one(&plant, &[]).await.unwrap().get(0);
        let mut house = Self {
            network,
            database,
            postgres,
            stripe: FakeStripe::start(Ctx::system().now()).await,
            smtp: SmtpServer::start_with(false).await,
            client: Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
            concert,
            hold: Value::Null,
        };
        let server = house.serve().await;
        let wish = json!({"concert_id": concert, "quantity": 2, "customer_name": "Som Chai",
                          "customer_email": "som@example.com"});
        let path = format!("{}/api/v1/reservations", server.site());
        let held = house.client.post(path).json(&wish).send().await.unwrap();
        assert_eq!(held.status(), 201);
        house.hold = held.json().await.unwrap();
        (house, server)
    }

    pub(super) async fn serve(&self) -> Started {
        let mail_server = format!("smtp://localhost:{}", self.smtp.port);
        let key = "only-for-tests-and-32-characters-long";
        Program::on(&self.database, &["serve"])
            .env("STAGEDOOR_SECRET_KEY", key)
            .env("STAGEDOOR_LOG", "error")
            .env("STAGEDOOR_RATE_LIMIT", "off")
            .env("STAGEDOOR_SMTP_URL", &mail_server)
            .env("STAGEDOOR_PAYMENT_PROVIDER", self.network.name())
            .env("STAGEDOOR_STRIPE_SECRET_KEY", fake_stripe::KEY)
            .env("STAGEDOOR_STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET)
            .env("STAGEDOOR_STRIPE_API_BASE", &self.stripe.base())
            .serving()
            .await
    }

    /// Kills it, lets locks go that kept a window open, and lets be due what waits: leases that nobody
    /// has any more, and questions.
    pub(super) async fn kill<const N: usize>(&self, mut server: Started, keepers: [Postgres; N]) {
        server.signal("KILL");
        server.end(LIMIT).await;
        for keeper in keepers {
            keeper.batch_execute("ROLLBACK").await.unwrap();
        }
        self.hurry().await;
    }

    pub(super) async fn hurry(&self) {
        let due = "UPDATE jobs SET run_at = now() AT TIME ZONE 'utc' WHERE status = 'pending';
                   UPDATE payments SET ask_at = now() AT TIME ZONE 'utc'
                   WHERE ask_at IS NOT NULL";
        self.postgres.batch_execute(due).await.unwrap();
    }

    pub(super) fn post(&self, server: &Started, rest: &str) -> reqwest::RequestBuilder {
        let id = self.hold["id"].as_str().unwrap();
        let path = format!("{}/api/v1/reservations/{id}{rest}", server.site());
        let token = self.hold["access_token"].as_str().unwrap();
        self.client.post(path).bearer_auth(token)
    }

    /// The payment's id, also before the provider has heard of it.
    pub(super) async fn begin(&self, server: &Started) -> String {
        let method = json!({ "method": self.network.name() });
        let begun = self.post(server, "/payments").json(&method).send().await;
        let begun = begun.unwrap();
        assert_eq!(begun.status(), 201);
        let payment: Value = begun.json().await.unwrap();
        payment["id"].as_str().unwrap().to_owned()
    }

    pub(super) async fn opened(&self) {
        let opened = "SELECT count(*) FROM payments WHERE redirect_url IS NOT NULL";
        self.becomes(opened, 1).await;
    }

    /// The buyer pays at the provider, which has the money then and tells nobody.
    pub(super) async fn pay(&self) {
        if self.network == Network::Stripe {
            let page = self.reference().await;
            self.stripe.with(|account| account.turn(&page, Page::Paid));
            return;
        }
        let pay = "UPDATE sandbox_orders SET outcome = 'pay', told_at = now() AT TIME ZONE 'utc'";
        self.postgres.batch_execute(pay).await.unwrap();
    }

    pub(super) async fn reference(&self) -> String {
        let statement = "SELECT provider_ref FROM payments";
        let row = self.postgres.query_one(statement, &[]).await.unwrap();
        row.get(0)
    }

    /// A buyer who has paid, been confirmed and written to.
    pub(super) async fn buy(&self, server: &Started) {
        self.begin(server).await;
        self.opened().await;
        self.pay().await;
        self.hurry().await;
        self.ended("completed", &["confirmed"]).await;
        self.stripe.take_seen();
    }

    /// What Stripe sends when a page was paid: the same each time, but for the signature.
    pub(super) async fn webhook(&self, server: &Started) -> reqwest::RequestBuilder {
        let page = self.reference().await;
        let object = self.stripe.with(|account| account.session(&page, false));
        let now = Ctx::system().now();
        let body = event("evt_1", "checkout.session.completed", &object, now);
        let signature = sign(&body, &[WEBHOOK_SECRET], now);
        let path = format!("{}/webhooks/stripe", server.site());
        let request = self.client.post(path).body(body);
        request.header("stripe-signature", signature)
    }

    pub(super) async fn lock(&self, statement: &str) -> Postgres {
        let keeper = self.database.superuser().await;
        let locked = format!("BEGIN; {statement}");
        keeper.batch_execute(&locked).await.unwrap();
        keeper
    }

    /// Somebody waits for a lock.
    pub(super) async fn waits(&self) {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        eventually(waiting, LIMIT, async || self.count(waiting).await > 0).await;
    }

    pub(super) async fn count(&self, statement: &str) -> i64 {
        let row = self.postgres.query_one(statement, &[]).await.unwrap();
        row.get(0)
    }

    pub(super) async fn becomes(&self, statement: &str, wanted: i64) {
        eventually(statement, LIMIT, async || {
            self.count(statement).await == wanted
        })
        .await;
    }

    /// Stripe has seen the call.
    pub(super) async fn asked(&self, call: &str) {
        let mut seen = Vec::new();
        eventually(call, LIMIT, async || {
            seen.extend(self.stripe.take_seen());
            seen.iter().any(|one| one.call == call)
        })
        .await;
    }

    /// The payment is so, those mails and no others were sent, nothing is left to do, and nothing more
    /// happens.
    pub(super) async fn ended(&self, status: &str, mails: &[&str]) {
        let payments = format!("SELECT count(*) FROM payments WHERE status = '{status}'");
        self.becomes(&payments, 1).await;
        self.written(i64::try_from(mails.len()).unwrap()).await;
        let waiting = "SELECT count(*) FROM jobs WHERE status = 'pending'";
        self.becomes(waiting, 0).await;
        let mut kinds = String::new();
        for kind in mails {
            write!(kinds, "{kind} ").unwrap();
        }
        let written = "SELECT coalesce(string_agg(kind, ' ' ORDER BY kind) || ' ', '') FROM mails";
        let row = self.postgres.query_one(written, &[]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), kinds);
        assert_eq!(self.count("SELECT count(*) FROM payments").await, 1);
        let dead = "SELECT count(*) FROM jobs WHERE status = 'dead'";
        assert_eq!(self.count(dead).await, 0);
        let confirmations = "SELECT count(*) FROM payment_events WHERE consequence = 'confirmed'";
        assert_eq!(self.count(confirmations).await, 1);
        let left = if status == "completed" {
            TICKETS - 2
        } else {
            TICKETS
        };
        let available = "SELECT available_tickets FROM concerts WHERE id = $1";
        let row = self.postgres.query_one(available, &[&self.concert]).await;
        assert_eq!(row.unwrap().get::<_, i32>(0), left);
        self.assert_books(status);
    }

    /// So many mails have left, and none is on its way.
    pub(super) async fn written(&self, mails: i64) {
        let sent = "SELECT count(*) FROM mails WHERE status = 'sent'";
        self.becomes(sent, mails).await;
    }

    /// Each mail arrived once.
    pub(super) fn assert_mails(&self, number: usize) {
        let mut names: Vec<String> = self.smtp.taken().iter().map(Taken::message_id).collect();
        assert_eq!(names.len(), number);
        names.sort();
        names.dedup();
        assert_eq!(names.len(), number, "each is another one");
    }

    /// By the provider's books the money came once, and went back once if at all.
    pub(super) fn assert_books(&self, status: &str) {
        if self.network == Network::Sandbox {
            return;
        }
        self.stripe.with(|account| {
            let paid = account.sessions.values();
            assert_eq!(paid.filter(|it| it.page == Page::Paid).count(), 1);
            let went_back: Vec<_> = account.refunds.iter().map(|(_, it)| it.amount).collect();
            let expected = if status == "refunded" {
                &[250_000][..]
            } else {
                &[]
            };
            assert_eq!(went_back, expected);
        });
    }
}
