//! What a crowd of buyers is to do.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// How many buyers come, what they want and how they behave.
#[derive(Clone, Debug)]
pub struct Plan {
    pub address: SocketAddr,
    /// The `Host` header.
    pub host: String,
    /// Where requests are posted: `/api/v1/reservations` unless something else is measured.
    pub path: String,
    /// Buyer `n` wants the concert at `n` modulo their number; never empty.
    pub concerts: Vec<i32>,
    /// The crowd ends after so many buyers, at most [`BUYERS_MAX`], …
    pub buyers: u32,
    /// … or after this time, whichever is first.
    pub duration: Option<Duration>,
    /// How many buyers are busy at once, each on a connection of its own.
    pub concurrency: usize,
    /// Buyers per second, whatever the answers (open loop); without it the next comes when one is
    /// done (closed loop).
    pub rate: Option<f64>,
    /// A buyer thinks for 50 to 150 % of this before the request is sent.
    pub think: Duration,
    /// Tickets a buyer wants, drawn evenly.
    pub quantity: RangeInclusive<i32>,
    /// Share of buyers, 0 to 1, who hang up while they wait and never come back.
    pub abandon: f64,
    /// Share of buyers, 0 to 1, who send the same request with the same key again: after the answer,
    /// at the same time on a second connection, or after hanging up.
    pub repeat: f64,
    /// With a key each, so that an unknown outcome can be asked for again.
    pub keys: bool,
    /// How long a buyer goes on asking for a final answer.
    pub patience: Duration,
    /// Open connections to the live feed of the concerts.
    pub watchers: usize,
    /// A page that is asked for ten times a second all the while.
    pub page: Option<String>,
    /// Tells this run's e-mail addresses and keys from every other's: letters, digits and hyphens.
    pub run: String,
    /// The same seed makes buyers behave alike.
    pub seed: u64,
}

/// What is remembered of each buyer takes some 50 bytes: half a gigabyte.
pub const BUYERS_MAX: u32 = 10_000_000;

impl Plan {
    /// A plain rush: `buyers` that each want one ticket of `concert`, with keys, 256 at once.
    pub fn new(address: SocketAddr, concert: i32, buyers: u32, run: impl Into<String>) -> Self {
        Self {
            address,
            host: address.to_string(),
            path: "/api/v1/reservations".to_owned(),
            concerts: vec![concert],
            buyers,
            duration: None,
            concurrency: 256,
            rate: None,
            think: Duration::ZERO,
            quantity: 1..=1,
            abandon: 0.0,
            repeat: 0.0,
            keys: true,
            patience: Duration::from_mins(1),
            watchers: 0,
            page: None,
            run: run.into(),
            seed: 0,
        }
    }

    /// The concert that a buyer wants.
    pub fn concert(&self, buyer: u32) -> i32 {
        let place = buyer as usize % self.concerts.len().max(1);
        self.concerts.get(place).copied().unwrap_or_default()
    }

    /// A buyer's e-mail address, in the form in which it is stored.
    pub fn email(&self, buyer: u32) -> String {
        format!("rush-{}-{buyer}@example.com", self.run)
    }

    /// A buyer's `Idempotency-Key`.
    pub fn key(&self, buyer: u32) -> String {
        format!("rush-{}-{buyer}", self.run)
    }
}
