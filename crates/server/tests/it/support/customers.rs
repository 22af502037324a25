//! Customers over HTTP who repeat what got no final answer, remember every answer, and can be held
//! against the database afterwards.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tokio_postgres::Client as Postgres;

/// Several times what the product promises. The port of a server that was killed may already be
/// somebody else's, who never answers.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A customer's wish under a key of its own, with all that was answered to it.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) key: String,
    pub(crate) concert: i32,
    pub(crate) quantity: i32,
    /// The reservation that a 201 promised.
    pub(crate) promised: Option<Value>,
    /// The last answer's status; `None` when there was none.
    pub(crate) last: Option<u16>,
    pub(crate) cancelled: Option<u16>,
}

/// An answer that came, how long it took, and what it says.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) took: Duration,
}

impl Order {
    pub(crate) fn new(key: String, concert: i32, quantity: i32) -> Self {
        Self {
            key,
            concert,
            quantity,
            promised: None,
            last: None,
            cancelled: None,
        }
    }

    /// Asks once; `None` when no answer came, as from a server that was killed.
    pub(crate) async fn ask(&mut self, client: &Client, site: &str) -> Option<Told> {
        let request = client
            .post(format!("{site}/api/v1/reservations"))
            .header("idempotency-key", &self.key)
            .json(&json!({
                "concert_id": self.concert,
                "quantity": self.quantity,
                "customer_name": self.key,
                "customer_email": format!("{}@example.com", self.key),
            }));
        let told = send(request).await;
        // Under way is no answer to the wish itself.
        let answered = |told: &&Told| told.body["code"] != "request_in_flight";
        self.last = told.as_ref().filter(answered).map(|told| told.status);
        if let Some(told) = &told
            && told.status == 201
        {
            if let Some(before) = &self.promised {
                assert_eq!(before["id"], told.body["id"], "two ids for one key");
            }
            self.promised = Some(told.body.clone());
        }
        told
    }

    /// Cancels what was promised.
    pub(crate) async fn cancel(&mut self, client: &Client, site: &str) -> Option<Told> {
        let told = send(self.about(client.post(self.url(site, "/cancel")))?).await;
        self.cancelled = told.as_ref().map(|told| told.status).or(Some(0));
        told
    }

    /// Reads what was promised.
    pub(crate) async fn read(&self, client: &Client, site: &str) -> Option<Told> {
        send(self.about(client.get(self.url(site, "")))?).await
    }

    fn url(&self, site: &str, rest: &str) -> String {
        let promised = self.promised.as_ref();
        let id = promised.and_then(|promised| promised["id"].as_str());
        format!(
            "{site}/api/v1/reservations/{}{rest}",
            id.unwrap_or_default()
        )
    }

    fn about(&self, request: RequestBuilder) -> Option<RequestBuilder> {
        let token = self.promised.as_ref()?["access_token"].as_str()?;
        Some(request.bearer_auth(token))
    }

    /// Whether there is nothing left to learn about the reservation.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.last, Some(201 | 409))
    }
}

async fn send(request: RequestBuilder) -> Option<Told> {
    let begun = Instant::now();
    let answer = request.timeout(ANSWER_WITHIN).send().await;
    if let Err(failure) = &answer
        && failure.is_timeout()
    {
        eprintln!("no answer within {ANSWER_WITHIN:?}: {failure}");
    }
    let answer = answer.ok()?;
    let status = answer.status().as_u16();
    if status == 503 {
        assert_eq!(answer.headers()["retry-after"], "1");
    }
    let body = answer.json().await.ok()?;
    Some(Told {
        status,
        body,
        took: begun.elapsed(),
    })
}

/// Holds every order against what the database has: what was promised is there, once; what was
/// refused is not.
pub(crate) async fn assert_all_true(postgres: &Postgres, orders: &[Order]) {
    let statement = "SELECT customer_name, id, quantity, concert_id, status FROM reservations";
    let mut found: HashMap<String, Vec<(String, i32, i32, String)>> = HashMap::new();
    for row in postgres.query(statement, &[]).await.expect("rows") {
        let rest = (row.get(1), row.get(2), row.get(3), row.get(4));
        found.entry(row.get(0)).or_default().push(rest);
    }
    for order in orders {
        let rows = found.get(&order.key).map_or(&[][..], Vec::as_slice);
        assert!(rows.len() <= 1, "doubled: {order:?} {rows:?}");
        if let Some(promised) = &order.promised {
            let row = rows.first().unwrap_or_else(|| panic!("lost: {order:?}"));
            assert_eq!(promised["id"], row.0, "{order:?}");
            assert_eq!((order.quantity, order.concert), (row.1, row.2), "{order:?}");
            if order.cancelled == Some(200) {
                assert_eq!(row.3, "cancelled", "{order:?}");
            }
            if order.cancelled.is_none() {
                assert_eq!(row.3, "pending", "{order:?}");
            }
        } else if order.last == Some(409) {
            assert!(rows.is_empty(), "refused, and booked: {order:?} {rows:?}");
        }
    }
}
