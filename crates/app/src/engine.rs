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
mod lane;
mod notes;
mod recovery;

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::id::ConcertId;
use store::Pool;
use store::admission::Key;
use tokio::sync::{mpsc, oneshot};

use crate::Settings;
use crate::ctx::Ctx;
use crate::reserve::{ReserveError, ReserveRequest, Reserved};
pub use notes::Notes;

/// Commits of different concerts overlap in up to so many transactions.
const LANES: usize = 4;
/// Requests that may wait for one lane: about what it decides within [`WAIT_MAX`].
const QUEUE_MAX: usize = 16_384;
/// A longer batch takes longer than it saves: rows are written at a constant rate.
const BATCH_MAX: usize = 512;
/// Who has waited so long for a lane gives up, so that those behind get their turn in time.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// What became of a request.
pub(crate) type Outcome = Result<Reserved, ReserveError>;

/// A request in a lane's queue.
#[derive(Debug)]
pub(crate) struct Waiting {
    request: ReserveRequest,
    key: Option<Key>,
    since: Instant,
    answer: oneshot::Sender<Outcome>,
}

impl Waiting {
    /// Lets the answer leave; nobody may be waiting for it any more.
    fn answer(self, outcome: Outcome) {
        drop(self.answer.send(outcome));
    }
}

/// What the lanes share.
#[derive(Debug)]
pub(crate) struct Shared {
    ctx: Ctx,
    settings: Settings,
    pool: Pool,
    notes: Arc<Notes>,
}

/// The lanes of this process. They end when it is dropped.
#[derive(Debug)]
pub struct Engine {
    lanes: Vec<mpsc::Sender<Waiting>>,
    notes: Arc<Notes>,
}

impl Engine {
    /// Starts the lanes; must be called inside a Tokio runtime.
    pub(crate) fn start(ctx: &Ctx, settings: &Settings, pool: &Pool) -> Self {
        let notes = Arc::new(Notes::default());
        let shared = Arc::new(Shared {
            ctx: ctx.clone(),
            settings: settings.clone(),
            pool: pool.clone(),
            notes: Arc::clone(&notes),
        });
        let lanes = (0..LANES).map(|_| {
            let (sender, queue) = mpsc::channel(QUEUE_MAX);
            tokio::spawn(lane::run(Arc::clone(&shared), queue));
            sender
        });
        Self {
            lanes: lanes.collect(),
            notes,
        }
    }

    /// What is remembered about sold-out concerts.
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Puts a request into its lane's queue and waits for its answer.
    pub(crate) async fn submit(&self, request: ReserveRequest, key: Option<Key>) -> Outcome {
        let lane = &self.lanes[lane_of(request.concert_id, self.lanes.len())];
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting {
            request,
            key,
            since: Instant::now(),
            answer,
        };
        if lane.try_send(waiting).is_err() {
            return Err(ReserveError::Overloaded);
        }
        answered.await.unwrap_or(Err(ReserveError::Overloaded))
    }
}

/// Spreads consecutive numbers evenly (Fibonacci hashing).
fn lane_of(concert: ConcertId, lanes: usize) -> usize {
    let hash = u64::from(concert.get().unsigned_abs()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    usize::try_from(hash >> 32).unwrap_or(0) % lanes
}
