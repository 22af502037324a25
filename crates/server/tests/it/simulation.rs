//! A long life in short: random operations, crashes and restarts included, on the real system and on
//! a model, which are compared after each step.
//!
//! `STAGEDOOR_TEST_STEPS=5000` is the long run; `STAGEDOOR_TEST_SEED` repeats one.

#![allow(
    clippy::unwrap_used,
    reason = "also outside the test functions, this is a test"
)]

mod model;
mod server;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use app::cancel::CancelError;
use app::ctx::Clock as _;
use app::ctx::ManualClock;
use app::reserve::{ReserveError, ReserveRequest};
use domain::reservation::TransitionError;
use domain::text::CustomerName;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use tokio::time::sleep;
use tokio_postgres::Client as Postgres;

use crate::support::TestDatabase;
use crate::support::dice::{self, Dice};
use crate::support::wait::{LIMIT, eventually, within_limit};
use crate::support::wishes::{Outcome, keyed, wish};
use model::{Concert, Expected, Model, Status};
use server::Server;

const SHORT_RUN_STEPS: usize = 200;
const CONCERTS: usize = 5;
const BUYERS: usize = 12;
/// A refusal from memory may be so old after tickets came back; ten times the product's own figure.
const STALE_FOR: Duration = Duration::from_millis(2500);

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_the_system_is_as_the_model_says() {
    let dice = Dice::new(dice::seed());
    let steps = dice::size("STAGEDOOR_TEST_STEPS").unwrap_or(SHORT_RUN_STEPS);
    let mut world = World::new(dice).await;
    for step in 0..steps {
        world.step(step).await;
        world.compare().await;
    }
    let model = &world.model;
    let with = |status| {
        let of = model
            .reservations
            .values()
            .filter(|one| one.status == status);
        of.count()
    };
    eprintln!(
        "{steps} steps, {} crashes: {} pending, {} confirmed, {} cancelled, {} expired; \
         {} outcomes were unknown",
        world.crashes,
        with(Status::Pending),
        with(Status::Confirmed),
        with(Status::Cancelled),
        with(Status::Expired),
        world.unknown,
    );
}

struct World {
    dice: Dice,
    database: TestDatabase,
    postgres: Postgres,
    clock: Arc<ManualClock>,
    servers: Vec<Server>,
    model: Model,
    /// Wishes with keys, to be repeated.
    keyed: Vec<ReserveRequest>,
    wishes: usize,
    /// When the model last got tickets back, or a concert was opened or closed.
    changed_at: Instant,
    crashes: usize,
    unknown: usize,
}

impl World {
    async fn new(dice: Dice) -> Self {
        let database = TestDatabase::migrated().await;
        let postgres = database.superuser().await;
        let start: Timestamp = "2026-11-22T05:00:00Z".parse().unwrap();
        let mut world = Self {
            dice,
            database,
            postgres,
            clock: Arc::new(ManualClock::new(start)),
            servers: Vec::new(),
            model: Model::default(),
            keyed: Vec::new(),
            wishes: 0,
            changed_at: Instant::now(),
            crashes: 0,
            unknown: 0,
        };
        for _ in 0..CONCERTS {
            let total = world.dice.quantity(60);
            let plant = "INSERT INTO concerts (name, artist, date, venue, total_tickets,
                                               available_tickets, price, status)
                         VALUES ('Night Ferry', 'The Lanterns', '2099-01-01', 'Riverside Hall',
                                 $1, $1, 1250, 'open')
                         RETURNING id";
            let row = world.postgres.query_one(plant, &[&total]).await.unwrap();
            let concert = Concert {
                total,
                is_open: true,
            };
            world.model.concerts.insert(row.get(0), concert);
        }
        world.start_servers().await;
        world
    }

    async fn start_servers(&mut self) {
        for _ in 0..=self.dice.below(2) {
            let seed = u64::try_from(self.dice.below(1 << 40)).unwrap();
            let server = Server::start(&self.database.name, seed, &self.clock).await;
            self.servers.push(server);
        }
    }

    /// One operation. Extending a hold belongs here as soon as it exists.
    async fn step(&mut self, step: usize) {
        let chance = self.dice.below(100);
        eprintln!("step {step}: {chance}");
        match chance {
            0..45 => {
                let wish = self.new_wish();
                self.reserve_alone(wish).await;
            }
            45..60 => self.burst(Burst::Plain).await,
            60..72 => self.cancel_alone().await,
            72..78 => self.pass_time().await,
            78..83 => self.change_capacity().await,
            83..87 => self.pay().await,
            87..90 => self.open_or_close().await,
            90..94 => self.burst(Burst::WithReturns).await,
            94..98 => self.burst(Burst::Crash).await,
            98 => self.restart().await,
            _ => self.pass_a_day().await,
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn any_server(&self) -> &Server {
        self.dice.pick(&self.servers)
    }

    fn any_concert(&self) -> i32 {
        let ids: Vec<i32> = self.model.concerts.keys().copied().collect();
        *self.dice.pick(&ids)
    }

    /// A wish of any customer for any concert.
    fn new_wish(&mut self) -> ReserveRequest {
        self.new_wish_among(self.any_concert(), BUYERS)
    }

    /// A wish whose customer's name is no other's, so that its row can be found.
    fn new_wish_among(&mut self, concert: i32, buyers: usize) -> ReserveRequest {
        if !self.keyed.is_empty() && self.dice.percent(15) {
            return self.dice.pick(&self.keyed).clone();
        }
        self.wishes += 1;
        let buyer = format!("b{}", self.dice.below(buyers));
        let plain = wish(concert, self.dice.quantity(6), &buyer);
        let plain = ReserveRequest {
            customer_name: CustomerName::parse(&format!("wish-{}", self.wishes)).unwrap(),
            ..plain
        };
        if self.dice.percent(30) {
            return plain;
        }
        if !self.keyed.is_empty() && self.dice.percent(7) {
            let key = self.dice.pick(&self.keyed).key.clone();
            return ReserveRequest { key, ..plain };
        }
        let wish = keyed(&format!("k{}", self.wishes), plain);
        self.keyed.push(wish.clone());
        wish
    }

    /// A wish that nobody disturbs gets exactly what the model says.
    async fn reserve_alone(&mut self, wish: ReserveRequest) {
        let begun = Instant::now();
        loop {
            let expected = self.model.expect(&wish, self.now());
            let outcome = self.any_server().reserve(wish.clone());
            let outcome = within_limit("an answer", outcome).await.unwrap();
            match (&outcome, &expected) {
                (Ok(reserved), Expected::Admitted) if !reserved.replayed => {}
                (Ok(reserved), Expected::Replayed { id }) if reserved.replayed => {
                    assert_eq!(reserved.reservation.id.as_str(), id);
                }
                (Err(ReserveError::KeyReused), Expected::KeyReused)
                | (Err(ReserveError::SaleClosed), Expected::SaleClosed) => {}
                (Err(ReserveError::Refused(refusal)), Expected::Refused(expected))
                    if refusal == expected => {}
                // From memory, for a moment after tickets came back.
                (Err(ReserveError::Refused(_)), _)
                    if wish.key.is_none() && self.changed_at.elapsed() < STALE_FOR =>
                {
                    assert!(begun.elapsed() < LIMIT);
                    sleep(Duration::from_millis(20)).await;
                    continue;
                }
                (Err(error), _) if is_unknown(error) => {}
                _ => panic!("{outcome:?} instead of {expected:?} to {wish:?}"),
            }
            self.settle(vec![(wish, Some(outcome))], Burst::Plain).await;
            return;
        }
    }

    /// Many at once.
    async fn burst(&mut self, kind: Burst) {
        let size = 2 + self.dice.below(40);
        let mut under_way = Vec::new();
        // Now and then all at one concert, and few of them, so that each is near his limit.
        let (concert, is_narrow) = (self.any_concert(), self.dice.percent(50));
        for _ in 0..size {
            let wish = if is_narrow {
                self.new_wish_among(concert, 4)
            } else {
                self.new_wish()
            };
            under_way.push((wish.clone(), self.any_server().reserve(wish)));
        }
        let mut cancels = BTreeMap::new();
        if kind != Burst::Plain {
            for _ in 0..self.dice.below(10) {
                if let Some(id) = self.any_reservation()
                    && !cancels.contains_key(&id)
                {
                    let cancel = self.any_server().cancel(&id);
                    cancels.insert(id, cancel);
                }
            }
        }
        if kind == Burst::Crash {
            sleep(self.dice.millis(0, 30)).await;
            self.crash().await;
        }
        for (id, cancel) in cancels {
            // A panic and a crash both end a task; only the crash is wanted.
            let outcome = match within_limit("an answer", cancel).await {
                Ok(outcome) => Some(outcome),
                Err(ended) => {
                    assert!(ended.is_cancelled());
                    None
                }
            };
            self.settle_cancel(&id, outcome).await;
        }
        let mut outcomes = Vec::new();
        for (wish, outcome) in under_way {
            let outcome = match within_limit("an answer", outcome).await {
                Ok(outcome) => Some(outcome),
                Err(ended) => {
                    assert!(ended.is_cancelled());
                    None
                }
            };
            outcomes.push((wish, outcome));
        }
        let unanswered = self.settle(outcomes, kind).await;
        // Whoever got no answer asks again, and is told the truth.
        for wish in unanswered {
            if wish.key.is_some() {
                self.reserve_alone(wish).await;
            }
        }
    }

    /// Takes into the model what was answered, and what happened without an answer; gives the
    /// wishes that got none.
    async fn settle(
        &mut self,
        outcomes: Vec<(ReserveRequest, Option<Outcome>)>,
        kind: Burst,
    ) -> Vec<ReserveRequest> {
        let now = self.now();
        let (mut unanswered, mut replayed, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for (wish, outcome) in outcomes {
            match outcome {
                None => unanswered.push(wish),
                Some(Err(error)) if is_unknown(&error) => unanswered.push(wish),
                Some(Ok(made)) if !made.replayed => {
                    self.model.admit(&wish, made.reservation.id.as_str(), now);
                }
                Some(Ok(made)) => replayed.push((wish, made.reservation.id)),
                Some(Err(error)) => refused.push((wish, error)),
            }
        }
        self.unknown += unanswered.len();
        self.adopt(&unanswered).await;
        for (wish, id) in replayed {
            self.model.assert_replayed(&wish, id.as_str());
        }
        let may_be_stale = self.changed_at.elapsed() < STALE_FOR;
        for (wish, error) in refused {
            if kind == Burst::Plain && !(wish.key.is_none() && may_be_stale) {
                self.model.assert_refused_rightly(&wish, &error);
            }
        }
        unanswered
    }

    /// What happened without an answer is in the database, once nobody works there any more.
    async fn adopt(&mut self, unanswered: &[ReserveRequest]) {
        if unanswered.is_empty() {
            return;
        }
        let busy = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND usename = 'stagedoor_app'
                      AND state <> 'idle'";
        eventually("quiet", LIMIT, async || {
            let row = self.postgres.query_one(busy, &[]).await.unwrap();
            row.get::<_, i64>(0) == 0
        })
        .await;
        for wish in unanswered {
            let find = "SELECT id FROM reservations WHERE customer_name = $1";
            let name = wish.customer_name.as_str();
            let rows = self.postgres.query(find, &[&name]).await.unwrap();
            for row in rows {
                let id: String = row.get(0);
                if !self.model.reservations.contains_key(&id) {
                    self.model.admit(wish, &id, self.now());
                }
            }
        }
    }

    async fn crash(&mut self) {
        self.crashes += 1;
        self.servers.clear();
        let sessions = "SELECT count(*) FROM pg_stat_activity
                        WHERE datname = current_database() AND usename = 'stagedoor_app'";
        eventually("all sessions gone", LIMIT, async || {
            let row = self.postgres.query_one(sessions, &[]).await.unwrap();
            row.get::<_, i64>(0) == 0
        })
        .await;
        self.start_servers().await;
    }

    async fn restart(&mut self) {
        self.crash().await;
    }

    fn any_reservation(&self) -> Option<String> {
        let ids: Vec<&String> = self.model.reservations.keys().collect();
        if ids.is_empty() {
            return None;
        }
        // The latest are those that may still change.
        let from = ids.len().saturating_sub(40);
        Some((*self.dice.pick(&ids[from..])).clone())
    }

    async fn cancel_alone(&mut self) {
        let Some(id) = self.any_reservation() else {
            return;
        };
        let cancel = self.any_server().cancel(&id);
        let outcome = within_limit("an answer", cancel).await.unwrap();
        self.settle_cancel(&id, Some(outcome)).await;
    }

    async fn settle_cancel(
        &mut self,
        id: &str,
        outcome: Option<Result<domain::reservation::Reservation, CancelError>>,
    ) {
        let is_overdue = self.model.is_overdue(id, self.now());
        let one = self.model.reservations.get_mut(id).unwrap();
        let may_be = matches!(one.status, Status::Pending | Status::Confirmed) && !is_overdue;
        let happened = match outcome {
            Some(Ok(_)) => true,
            Some(Err(CancelError::Transition(error))) => {
                assert!(!may_be, "{error:?} to cancelling {one:?}");
                let expired = is_overdue || one.status == Status::Expired;
                assert_eq!(error == TransitionError::Expired, expired, "{one:?}");
                false
            }
            Some(Err(CancelError::NotFound)) => panic!("{id} isn't found"),
            None | Some(Err(CancelError::Store(_))) => {
                let find = "SELECT status FROM reservations WHERE id = $1";
                let row = self.postgres.query_one(find, &[&id]).await.unwrap();
                row.get::<_, &str>(0) == "cancelled" && one.status != Status::Cancelled
            }
        };
        if happened {
            assert!(may_be, "cancelled: {one:?}");
            one.status = Status::Cancelled;
            self.changed_at = Instant::now();
        }
    }

    /// Holds run out, and are swept or not yet.
    async fn pass_time(&mut self) {
        self.clock.advance(self.dice.millis(1, 400_000));
        self.beat().await;
        if self.dice.percent(80) {
            self.sweep().await;
        }
    }

    /// A sweeper was awake all the while: otherwise the time that passed would be an outage.
    async fn beat(&self) {
        let now = self.now();
        let beat =
            format!("UPDATE heartbeats SET beat_at = timestamptz '{now}' AT TIME ZONE 'utc'");
        self.postgres.batch_execute(&beat).await.unwrap();
    }

    async fn sweep(&mut self) {
        let expected = self.model.sweep(self.now());
        let swept = within_limit("a sweep", self.any_server().sweep()).await;
        assert_eq!(swept.unwrap(), expected);
        self.changed_at = Instant::now();
    }

    /// Keys are forgotten after a day, swept or not.
    async fn pass_a_day(&mut self) {
        self.clock.advance(Duration::from_hours(23));
        self.clock.advance(self.dice.millis(0, 2 * 3_600_000));
        self.beat().await;
        self.sweep().await;
        if self.dice.percent(50) {
            let forgotten = self.any_server().forget_old_keys();
            within_limit("old keys forgotten", forgotten).await.unwrap();
        }
    }

    async fn change_capacity(&mut self) {
        let id = self.any_concert();
        let available = self.model.available(id);
        let by = self.dice.quantity(30) - 1 - available.min(self.dice.quantity(30));
        let change = "UPDATE concerts SET total_tickets = total_tickets + $2,
                                          available_tickets = available_tickets + $2
                      WHERE id = $1";
        let changed = self.postgres.execute(change, &[&id, &by]).await.unwrap();
        assert_eq!(changed, 1);
        self.model.concerts.get_mut(&id).unwrap().total += by;
        self.changed_at = Instant::now();
    }

    /// A stand-in for paying, which doesn't exist yet.
    async fn pay(&mut self) {
        let Some(id) = self.any_reservation() else {
            return;
        };
        let is_overdue = self.model.is_overdue(&id, self.now());
        let one = self.model.reservations.get_mut(&id).unwrap();
        if one.status == Status::Pending && !is_overdue {
            one.status = Status::Confirmed;
            let pay = "UPDATE reservations SET status = 'confirmed', payment_status = 'completed'
                       WHERE id = $1";
            assert_eq!(self.postgres.execute(pay, &[&id]).await.unwrap(), 1);
        }
    }

    async fn open_or_close(&mut self) {
        let id = self.any_concert();
        let concert = self.model.concerts.get_mut(&id).unwrap();
        concert.is_open = !concert.is_open;
        let status = if concert.is_open { "open" } else { "closed" };
        let set = "UPDATE concerts SET status = $2 WHERE id = $1";
        self.postgres.execute(set, &[&id, &status]).await.unwrap();
        self.changed_at = Instant::now();
    }

    /// The database has exactly what the model has.
    async fn compare(&self) {
        let statement = "SELECT id, total_tickets, available_tickets FROM concerts WHERE id > 0";
        for row in self.postgres.query(statement, &[]).await.unwrap() {
            let (id, total, available): (i32, i32, i32) = (row.get(0), row.get(1), row.get(2));
            let expected = (self.model.concerts[&id].total, self.model.available(id));
            assert_eq!((total, available), expected, "concert {id}");
        }
        let statement = "SELECT id, concert_id, customer_email, quantity, status, expires_at
                         FROM reservations";
        let rows = self.postgres.query(statement, &[]).await.unwrap();
        assert_eq!(rows.len(), self.model.reservations.len());
        for row in rows {
            let id: &str = row.get(0);
            let one = &self.model.reservations[id];
            let found: (i32, &str, i32, &str) = (row.get(1), row.get(2), row.get(3), row.get(4));
            let expected = (
                one.concert,
                one.email.as_str(),
                one.quantity,
                one.status.as_str(),
            );
            assert_eq!(found, expected, "{id}");
            let ends_at = one.ends_at.to_zoned(TimeZone::UTC).datetime();
            assert_eq!(row.get::<_, DateTime>(5), ends_at, "{id}");
        }
    }
}

/// What else happens while many reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Burst {
    Plain,
    /// Some cancel, so a refusal may have been right a moment before.
    WithReturns,
    /// All servers crash in the middle of it.
    Crash,
}

/// Whether an error leaves open what became of the wish, or says only that nobody had time.
fn is_unknown(error: &ReserveError) -> bool {
    matches!(
        error,
        ReserveError::Overloaded | ReserveError::InFlight | ReserveError::Store(_)
    )
}
