//! The use cases: each opens its transaction, asks `domain`, writes through `store`, commits.
//!
//! Absent on purpose: HTTP, SQL text, and any clock or randomness but [`ctx::Ctx`]'s.

pub mod access;
pub mod cancel;
pub mod concerts;
pub mod ctx;
pub mod engine;
pub mod expire;
pub mod health;
pub mod idempotency;
pub mod import;
pub mod reservations;
pub mod reserve;
pub mod sample;
pub mod seed;
pub mod staff;
mod task;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use domain::allotment::Limits;
use domain::money::Currency;
use engine::Engine;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use reserve::ReserveFn;
use store::Pool;

pub use access::AccessKey;
pub use ctx::Ctx;

/// What an operator chooses about the sale.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long an unpaid reservation keeps its tickets.
    pub hold_ttl: Duration,
    pub limits: Limits,
    pub currency: Currency,
    /// Where "today" is, and the day of a concert.
    pub timezone: TimeZone,
}

/// The product without its fronts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    inner: Arc<Inner>,
    reserver: Option<ReserveFn>,
}

#[derive(Debug)]
struct Inner {
    ctx: Ctx,
    settings: Settings,
    writer: Pool,
    access_key: AccessKey,
    /// Started by the first reservation: commands that only read need no lanes.
    engine: OnceLock<Engine>,
}

impl App {
    pub fn new(ctx: Ctx, settings: Settings, writer: Pool, access_key: AccessKey) -> Self {
        Self {
            inner: Arc::new(Inner {
                ctx,
                settings,
                writer,
                access_key,
                engine: OnceLock::new(),
            }),
            reserver: None,
        }
    }

    /// Lets something else than the engine decide: the benchmark measures the engine against the
    /// plain way, through the same server. The product never calls this.
    #[must_use]
    pub fn decided_by(self, reserver: ReserveFn) -> Self {
        Self {
            reserver: Some(reserver),
            ..self
        }
    }

    pub fn ctx(&self) -> &Ctx {
        &self.inner.ctx
    }

    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// The pool of the primary.
    pub fn writer(&self) -> &Pool {
        &self.inner.writer
    }

    pub fn access_key(&self) -> &AccessKey {
        &self.inner.access_key
    }

    pub(crate) fn engine(&self) -> &Engine {
        let Inner {
            ctx,
            settings,
            writer,
            engine,
            ..
        } = &*self.inner;
        engine.get_or_init(|| Engine::start(ctx, settings, writer))
    }

    /// The day it is now where the concerts are.
    pub fn today(&self) -> Date {
        self.inner
            .ctx
            .now()
            .to_zoned(self.inner.settings.timezone.clone())
            .date()
    }
}
