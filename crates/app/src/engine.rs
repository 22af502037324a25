//! The reservation engine: requests for one concert are decided together, at the engine's pace.
//!
//! ```text
//! handler ── bounded queue ──> lane ──(one transaction per batch)──> PostgreSQL
//!    ^                          │  lock rows · look up · decide · write · commit
//!    └──────── answer ──────────┘  the next batch gathers while this one commits
//! ```
//!
//! A concert belongs to one lane; a lane takes whatever has gathered, without waiting for more.
//! Absent on purpose: SQL (`store::admission`) and the decision itself (`domain::allotment`).

mod batch;
mod failure;
mod lane;
mod notes;
mod pace;
mod queue;
mod recovery;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use domain::id::ConcertId;
use store::admission::Key;
use store::{Pool, StoreError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::Settings;
use crate::ctx::Ctx;
use crate::live::Live;
use crate::probe::Proof;
use crate::rates::Rates;
use crate::reserve::{self, ReserveError, ReserveRequest, Reserved};
pub use notes::Notes;
use pace::{Pace, Place};

/// Commits of different concerts overlap in up to so many transactions.
const LANES: usize = 4;
/// Requests that may wait for one lane: about what it decides within [`WAIT_MAX`].
const QUEUE_MAX: usize = 16_384;
/// A longer batch takes longer than it saves: rows are written at a constant rate.
const BATCH_MAX: usize = 512;
/// Who has waited so long for a lane gives up, so that those behind get their turn in time.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Who has no answer by then gets one that says so: every request ends within five seconds.
const ANSWER_MAX: Duration = Duration::from_millis(4500);

/// What became of a request.
pub(crate) type Outcome = Result<Reserved, ReserveError>;

/// A request in a lane's queue.
#[derive(Debug)]
pub(crate) struct Waiting {
    request: ReserveRequest,
    key: Option<Key>,
    since: Instant,
    answer: oneshot::Sender<Outcome>,
    /// Whether the buyer was told that there is no answer in time, which was counted.
    is_told: Arc<AtomicBool>,
    rates: Arc<Rates>,
    _place: Place,
}

impl Waiting {
    /// Whether nobody waits for the answer any more: what hasn't begun needn't.
    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    /// Lets the answer leave. Where the buyer has hung up, nobody else counts it.
    fn answer(self, outcome: Outcome) {
        if let Err(outcome) = self.answer.send(outcome)
            && !self.is_told.load(Ordering::Acquire)
        {
            reserve::count(&outcome, self.request.concert_id, &self.rates);
        }
    }
}

/// What the lanes share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub ctx: Ctx,
    pub settings: Settings,
    pub pool: Pool,
    pub notes: Arc<Notes>,
    pub rates: Arc<Rates>,
    pub proof: Arc<Proof>,
    pub live: Live,
    /// Where mails are from.
    pub mail_host: String,
}

/// The way into a lane.
#[derive(Debug)]
struct Entrance {
    queue: mpsc::Sender<Waiting>,
    pace: Arc<Pace>,
}

/// The lanes of this process. They end when it is dropped.
#[derive(Debug)]
pub struct Engine {
    lanes: Vec<Entrance>,
    notes: Arc<Notes>,
    rates: Arc<Rates>,
}

impl Engine {
    /// Starts the lanes; must be called inside a Tokio runtime.
    pub(crate) fn start(shared: Shared) -> Self {
        let shared = Arc::new(shared);
        let lanes = (0..LANES).map(|_| {
            let (queue, waiting) = mpsc::channel(QUEUE_MAX);
            let pace = Arc::new(Pace::default());
            tokio::spawn(lane::run(
                Arc::clone(&shared),
                Arc::clone(&pace),
                queue.downgrade(),
                waiting,
            ));
            Entrance { queue, pace }
        });
        Self {
            lanes: lanes.collect(),
            notes: Arc::clone(&shared.notes),
            rates: Arc::clone(&shared.rates),
        }
    }

    /// What is remembered about sold-out concerts.
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Requests without an answer, in all lanes.
    pub fn waiting(&self) -> usize {
        self.lanes.iter().map(|lane| lane.pace.waiting()).sum()
    }

    /// Requests without an answer in the lane of one concert; others may share it.
    pub(crate) fn waiting_for(&self, concert: ConcertId) -> usize {
        self.lanes[lane_of(concert, self.lanes.len())]
            .pace
            .waiting()
    }

    /// Puts a request into its lane's queue and waits for its answer.
    pub(crate) async fn submit(&self, request: ReserveRequest, key: Option<Key>) -> Outcome {
        let lane = &self.lanes[lane_of(request.concert_id, self.lanes.len())];
        let digest = key.map(|key| key.key_digest);
        let (place, is_repeated) = lane.pace.enter(digest).ok_or(ReserveError::Overloaded)?;
        let (answer, mut answered) = oneshot::channel();
        let is_told = Arc::<AtomicBool>::default();
        let waiting = Waiting {
            request,
            key,
            since: Instant::now(),
            answer,
            is_told: Arc::clone(&is_told),
            rates: Arc::clone(&self.rates),
            _place: place,
        };
        if lane.queue.try_send(waiting).is_err() {
            return Err(ReserveError::Overloaded);
        }
        match timeout(ANSWER_MAX, &mut answered).await {
            Ok(Ok(outcome)) => return outcome,
            Ok(Err(_)) => {
                let cause = "whoever decided it is gone".to_owned();
                return Err(StoreError::OutcomeUnknown(cause).into());
            }
            Err(_) => is_told.store(true, Ordering::Release),
        }
        if is_repeated {
            return Err(ReserveError::InFlight);
        }
        let cause = "no answer in time".to_owned();
        Err(StoreError::OutcomeUnknown(cause).into())
    }
}

/// Spreads consecutive numbers evenly (Fibonacci hashing).
fn lane_of(concert: ConcertId, lanes: usize) -> usize {
    let hash = u64::from(concert.get().unsigned_abs()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    usize::try_from(hash >> 32).unwrap_or(0) % lanes
}
