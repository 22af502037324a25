//! The use cases: each opens its transaction, asks `domain`, writes through `store`, commits.
//!
//! Absent on purpose: HTTP, SQL text, and any clock or randomness but [`ctx::Ctx`]'s.

pub mod access;
pub mod audit;
pub mod backups;
pub mod cancel;
pub mod concerts;
pub mod confirm;
pub mod ctx;
pub mod customers;
pub mod engine;
pub mod expire;
pub mod exports;
pub mod extend;
pub mod first_setup;
pub mod health;
pub mod idempotency;
pub mod import;
pub mod jobs;
pub mod live;
pub mod mails;
pub mod on_sale;
pub mod overview;
pub mod own_password;
mod passwords;
pub mod payments;
pub mod personal_data;
pub mod posters;
pub mod probe;
pub mod providers;
mod rates;
pub mod reports;
pub mod reservations;
pub mod reserve;
pub mod runs;
pub mod rush;
pub mod sample;
pub mod second_factor;
pub mod seed;
pub mod sessions;
pub mod sign_in;
pub mod staff;
pub mod standing;
pub mod story;
mod strength;
mod task;
pub mod ticket_key;
pub mod tickets;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use customers::Oidc;
use domain::allotment::Limits;
use domain::id::ConcertId;
use domain::money::Currency;
use engine::{Engine, Notes};
use futures_util::future::BoxFuture;
use health::watch::Watch;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use live::Live;
use mails::Post;
use on_sale::Boards;
use passwords::Passwords;
use payments::Till;
use posters::Files;
use probe::Proof;
use rates::Rates;
use reserve::ReserveFn;
use sign_in::told::Lines;
use store::{Connection, Pool, Replicas, StoreError};
use tokio::sync::{Notify, Semaphore};

pub use access::AccessKey;
pub use audit::SealKey;
pub use ctx::Ctx;
pub use store::Seen;
pub use ticket_key::TicketKey;

/// Of the five seconds of a request, for one database; what is left tells that it took too long.
const SLOW_READ_WITHIN: Duration = Duration::from_millis(4500);

/// What an operator chooses about the sale.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long an unpaid reservation keeps its tickets.
    pub hold_ttl: Duration,
    /// How long before the concert's day a customer may still cancel what is confirmed.
    pub cancel_until: Duration,
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
    /// None where there are none: the primary then serves every read.
    replicas: Option<Replicas>,
    access_key: AccessKey,
    ticket_key: TicketKey,
    /// None where the secret key doesn't outlive the process.
    seal_key: Option<SealKey>,
    sealed_head: audit::Head,
    /// None where this process takes no money.
    till: Option<Till>,
    /// None where this process sends no mails.
    post: Option<Post>,
    /// None where customers sign in by mail alone.
    oidc: Option<Oidc>,
    /// None where this process keeps no files.
    files: Option<Files>,
    passwords: Passwords,
    sign_in_lines: Lines,
    is_alone: bool,
    notes: Arc<Notes>,
    rates: Arc<Rates>,
    proof: Arc<Proof>,
    boards: Boards,
    /// Started by who first needs them: commands that only read need neither.
    live: OnceLock<Live>,
    engine: OnceLock<Engine>,
    job_committed: Notify,
    watch: Watch,
    /// Exports that may be under way at once.
    exports: Arc<Semaphore>,
    /// One file of concerts at a time.
    imports: Arc<Semaphore>,
}

impl App {
    pub fn new(ctx: Ctx, settings: Settings, writer: Pool, access_key: AccessKey) -> Self {
        let ticket_key = access_key.ticket_key();
        Self {
            inner: Arc::new(Inner {
                ctx,
                settings,
                writer,
                replicas: None,
                access_key,
                ticket_key,
                seal_key: None,
                sealed_head: audit::Head::default(),
                till: None,
                post: None,
                oidc: None,
                files: None,
                passwords: Passwords::new(),
                sign_in_lines: Lines::default(),
                is_alone: false,
                notes: Arc::default(),
                rates: Arc::default(),
                proof: Arc::default(),
                boards: Boards::default(),
                live: OnceLock::new(),
                engine: OnceLock::new(),
                job_committed: Notify::new(),
                watch: Watch::default(),
                exports: Arc::new(Semaphore::new(exports::AT_ONCE_MAX)),
                imports: Arc::new(Semaphore::new(1)),
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

    /// The same with a key for the audit log's seals. To be said before anybody else has a clone.
    #[must_use]
    pub fn sealing_with(mut self, key: SealKey) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.seal_key = Some(key);
        }
        self
    }

    /// The same with read replicas. To be said before anybody else has a clone.
    #[must_use]
    pub fn reading_from(mut self, replicas: Replicas) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.replicas = Some(replicas);
        }
        self
    }

    /// The same with somebody who takes money. To be said before anybody else has a clone.
    #[must_use]
    pub fn taking_money(mut self, till: Till) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.till = Some(till);
        }
        self
    }

    /// The same with a way to write to people. To be said before anybody else has a clone.
    #[must_use]
    pub fn writing_to_people(mut self, post: Post) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.post = Some(post);
        }
        self
    }

    /// The same with a provider at which customers sign in. To be said before anybody else has a clone.
    #[must_use]
    pub fn signing_in_at(mut self, oidc: Oidc) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.oidc = Some(oidc);
        }
        self
    }

    /// The same with a folder for files. To be said before anybody else has a clone.
    #[must_use]
    pub fn keeping_files(mut self, files: Files) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.files = Some(files);
        }
        self
    }

    /// The same with a login that sees what the server's may not, and the word whether backups are to be
    /// there. To be said before anybody else has a clone.
    #[must_use]
    pub fn watching(mut self, monitor: Option<Pool>, are_backups_expected: bool) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.watch = Watch::new(monitor, are_backups_expected);
        }
        self
    }

    /// The same as the only process on its database: nothing is announced, and nobody is heard.
    /// To be said before anybody else has a clone.
    #[must_use]
    pub fn alone(mut self) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.is_alone = true;
        }
        self
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

    /// The read replicas, where there are any.
    pub fn replicas(&self) -> Option<&Replicas> {
        self.inner.replicas.as_ref()
    }

    /// Runs a read that may be some seconds old, but not older than what the reader has seen.
    /// `query` may run more than once.
    pub(crate) async fn read<T>(
        &self,
        seen: Seen,
        query: impl for<'a> Fn(&'a Connection) -> BoxFuture<'a, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        store::replicas::read(self.replicas(), self.writer(), seen, query).await
    }

    /// The same for whoever reads on behalf of staff what a request has all its time for.
    pub(crate) async fn read_slowly<T>(
        &self,
        seen: Seen,
        query: impl for<'a> Fn(&'a Connection) -> BoxFuture<'a, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let databases = (self.replicas(), self.writer());
        store::replicas::read_within(SLOW_READ_WITHIN, databases, seen, query).await
    }

    pub fn access_key(&self) -> &AccessKey {
        &self.inner.access_key
    }

    /// The key that signs tickets.
    pub fn ticket_key(&self) -> &TicketKey {
        &self.inner.ticket_key
    }

    /// The key of the audit log's seals, where there is one that lasts.
    pub fn seal_key(&self) -> Option<&SealKey> {
        self.inner.seal_key.as_ref()
    }

    /// How buyers' money is taken, where it is.
    pub fn till(&self) -> Option<&Till> {
        self.inner.till.as_ref()
    }

    /// How people are written to, where they are.
    pub fn post(&self) -> Option<&Post> {
        self.inner.post.as_ref()
    }

    /// Where customers sign in, if not by mail.
    pub fn oidc(&self) -> Option<&Oidc> {
        self.inner.oidc.as_ref()
    }

    /// Where files are kept, where they are.
    pub(crate) fn files(&self) -> Option<&Files> {
        self.inner.files.as_ref()
    }

    pub(crate) fn sealed_head(&self) -> &audit::Head {
        &self.inner.sealed_head
    }

    pub(crate) fn passwords(&self) -> &Passwords {
        &self.inner.passwords
    }

    pub(crate) fn sign_in_lines(&self) -> &Lines {
        &self.inner.sign_in_lines
    }

    /// How many passwords this process has checked or hashed, each a quarter of a second of work.
    pub fn passwords_worked(&self) -> u64 {
        self.inner.passwords.worked()
    }

    /// Stock as it changes.
    pub fn live(&self) -> &Live {
        let inner = &*self.inner;
        inner.live.get_or_init(|| {
            let process = (!inner.is_alone).then(|| inner.ctx.random_u64());
            Live::start(&inner.writer, &inner.notes, process)
        })
    }

    /// Tickets of a concert are on sale again; to be said after the commit.
    pub(crate) fn tickets_returned(&self, concert: ConcertId) {
        self.live().returned(concert);
    }

    pub(crate) fn engine(&self) -> &Engine {
        let inner = &*self.inner;
        inner.engine.get_or_init(|| {
            Engine::start(engine::Shared {
                ctx: inner.ctx.clone(),
                settings: inner.settings.clone(),
                pool: inner.writer.clone(),
                notes: Arc::clone(&inner.notes),
                rates: Arc::clone(&inner.rates),
                proof: Arc::clone(&inner.proof),
                live: self.live().clone(),
                mail_host: mails::host(self).to_owned(),
            })
        })
    }

    /// Requests to reserve that wait for their answer.
    pub fn waiting_requests(&self) -> usize {
        self.inner.engine.get().map_or(0, Engine::waiting)
    }

    /// Those of them that wait in the lane of this concert.
    pub(crate) fn waiting_for(&self, concert: ConcertId) -> usize {
        let engine = self.inner.engine.get();
        engine.map_or(0, |engine| engine.waiting_for(concert))
    }

    /// What this process answers to buyers.
    pub(crate) fn rates(&self) -> &Rates {
        &self.inner.rates
    }

    /// When somebody last could buy.
    pub(crate) fn proof(&self) -> &Proof {
        &self.inner.proof
    }

    pub(crate) fn watch(&self) -> &Watch {
        &self.inner.watch
    }

    pub(crate) fn boards(&self) -> &Boards {
        &self.inner.boards
    }

    /// Told by [`jobs::wake`], heard by this process' worker.
    pub(crate) fn job_committed(&self) -> &Notify {
        &self.inner.job_committed
    }

    pub(crate) fn exports(&self) -> &Arc<Semaphore> {
        &self.inner.exports
    }

    pub(crate) fn imports(&self) -> &Arc<Semaphore> {
        &self.inner.imports
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
