//! A lane: takes what has gathered in its queue, decides it in one transaction, answers, and again.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::id::ConcertId;
use futures_util::FutureExt as _;
use store::StoreError;
use store::admission::{Desk, LockWait};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::batch::{self, Decided};
use super::failure::{Next, next_step, same};
use super::pace::Pace;
use super::queue::{Queue, Woken};
use super::{Shared, Waiting, recovery};
use crate::task;

/// How long a lane without work keeps its connection.
const LINGER: Duration = Duration::from_millis(100);
/// A connection that breaks while it is made ready says nothing about the next; one after which so
/// much time is gone is the last that is tried, for the crowd waits.
const OPEN_AGAIN_WITHIN: Duration = Duration::from_secs(1);
/// Connections that are tried for one batch.
const OPEN_TRIES: usize = 4;
/// A connection that doesn't answer before its COMMIT was sent is given up; nothing happened.
const ANSWER_WITHIN: Duration = Duration::from_millis(1500);
/// A COMMIT that doesn't answer within it is unknown.
const COMMIT_WITHIN: Duration = Duration::from_secs(2);
/// So many parts of one batch may fail by their rows before the rest is given up: finding one bad
/// row among 512 takes ten, and a thousand attempts would hold up everybody behind.
const FAILED_PARTS_MAX: usize = 64;

/// Requests that are decided together.
pub(super) struct Batch {
    pub waiting: Vec<Waiting>,
    pub attempt: Try,
}

/// What was tried before with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Try {
    First,
    /// The connection or another transaction was in the way of the first.
    Second,
    /// The concert's row was locked by somebody else, and may still be.
    Parked,
}

struct Lane {
    shared: Arc<Shared>,
    pace: Arc<Pace>,
    /// The way back in.
    entrance: mpsc::WeakSender<Waiting>,
    queue: Queue,
    desk: Option<Desk>,
}

/// Serves a queue until every sender is gone.
pub(super) async fn run(
    shared: Arc<Shared>,
    pace: Arc<Pace>,
    entrance: mpsc::WeakSender<Waiting>,
    arriving: mpsc::Receiver<Waiting>,
) {
    let mut lane = Lane {
        shared,
        pace,
        entrance,
        queue: Queue::new(arriving),
        desk: None,
    };
    loop {
        let idle_max = if lane.desk.is_some() {
            LINGER
        } else {
            Duration::MAX
        };
        match lane.queue.gather(idle_max).await {
            Woken::Work => {}
            Woken::Idle => {
                lane.desk = None;
                continue;
            }
            Woken::End => return,
        }
        if let Some(parked) = lane.queue.next_parked() {
            lane.serve_safely(parked).await;
        }
        if let Some(batch) = lane.queue.next_batch() {
            lane.serve_safely(batch).await;
        }
    }
}

impl Lane {
    /// A panic is a fault of ours, and no reason to sell nothing any more: its requests are told
    /// that their outcome isn't known, and the lane goes on with another connection.
    async fn serve_safely(&mut self, batch: Batch) {
        if AssertUnwindSafe(self.serve(batch))
            .catch_unwind()
            .await
            .is_err()
        {
            tracing::error!("a batch panicked; its outcome is told by its keys");
            self.desk = None;
        }
    }

    /// Decides a batch, in parts where the whole can't be.
    async fn serve(&mut self, batch: Batch) {
        let mut parts = vec![batch];
        let mut failed = 0;
        while let Some(mut part) = parts.pop() {
            part.waiting.retain(|waiting| !waiting.is_abandoned());
            if part.waiting.is_empty() {
                continue;
            }
            let tried = part.attempt;
            // Behind a failed part others wait that came earlier than whoever might join.
            let may_grow = failed == 0 && tried == Try::First;
            let Err((waiting, failure)) = self.attempt(part, may_grow).await else {
                continue;
            };
            failed += 1;
            if failed > FAILED_PARTS_MAX && failure.is_about_rows() {
                tracing::error!(
                    error = failure.in_full(),
                    "too many requests of a batch can't be written"
                );
                answer_all(waiting, &failure);
                continue;
            }
            match next_step(waiting, tried, failure) {
                Next::Try(batches) => parts.extend(batches),
                Next::Park(id, waiting) => self.queue.park(id, waiting),
                Next::Answered => {}
            }
        }
    }

    /// One transaction. On failure nothing happened, and the requests come back.
    async fn attempt(
        &mut self,
        batch: Batch,
        may_grow: bool,
    ) -> Result<(), (Vec<Waiting>, StoreError)> {
        if let Err(refusal) = self.shared.pool.check_standby() {
            return Err((batch.waiting, refusal));
        }
        let desk = match self.desk.take().filter(Desk::is_sound) {
            Some(desk) => desk,
            None => match self.open_desk().await {
                Ok(desk) => desk,
                Err(error) => {
                    self.close(batch.waiting, &error);
                    return Ok(());
                }
            },
        };
        let (attempt, mut waiting) = (batch.attempt, batch.waiting);
        let started = Instant::now();
        let decide = self.decide(&desk, attempt, may_grow, &mut waiting);
        let decided = timeout(ANSWER_WITHIN, decide).await;
        measure(&waiting);
        let size = waiting.len();
        let outcome = match decided {
            Ok(Ok((decided, returns))) => self.write(desk, waiting, decided, &returns).await,
            Ok(Err(error)) => {
                self.undo(desk).await;
                Err((waiting, error))
            }
            Err(_) => Err((waiting, unanswered())),
        };
        self.pace.learn(size, started.elapsed());
        outcome
    }

    /// A connection that is ready for a batch.
    async fn open_desk(&self) -> Result<Desk, StoreError> {
        let started = Instant::now();
        for _ in 1..OPEN_TRIES {
            match Desk::open(&self.shared.pool).await {
                Err(StoreError::Unavailable(_)) if started.elapsed() < OPEN_AGAIN_WITHIN => {}
                outcome => return outcome,
            }
        }
        Desk::open(&self.shared.pool).await
    }

    /// Locks, looks up and decides; also how often tickets had come back before. Whoever came for
    /// the same concerts while the lock was waited for joins `waiting` if it may grow.
    async fn decide(
        &mut self,
        desk: &Desk,
        attempt: Try,
        may_grow: bool,
        waiting: &mut Vec<Waiting>,
    ) -> Result<(Decided, HashMap<ConcertId, u64>), StoreError> {
        let mut concerts: Vec<ConcertId> = waiting
            .iter()
            .map(|waiting| waiting.request.concert_id)
            .collect();
        concerts.sort_unstable();
        concerts.dedup();
        let returns = concerts
            .iter()
            .map(|id| (*id, self.shared.notes.returns(*id)))
            .collect();
        let lock_wait = if attempt == Try::Parked {
            LockWait::Short
        } else {
            LockWait::Full
        };
        let questions = batch::questions(waiting);
        let (locked, mut answers) = desk.lock(&concerts, lock_wait, &questions).await?;
        let joining = if may_grow {
            self.queue.take_joining(&concerts, waiting.len())
        } else {
            Vec::new()
        };
        if !joining.is_empty() {
            let questions = batch::questions(&joining);
            // First, so that nobody is lost if there is no answer.
            waiting.extend(joining);
            answers.add(desk.look_up(&questions).await?);
        }
        Ok((
            batch::decide(&self.shared, waiting, &locked, &answers),
            returns,
        ))
    }

    /// Writes what was decided, and answers.
    async fn write(
        &mut self,
        desk: Desk,
        waiting: Vec<Waiting>,
        decided: Decided,
        returns: &HashMap<ConcertId, u64>,
    ) -> Result<(), (Vec<Waiting>, StoreError)> {
        if decided.changes.admissions.is_empty() {
            self.finish_unwritten(desk, waiting, decided, returns).await;
            return Ok(());
        }
        let started = Instant::now();
        let changes = Arc::clone(&decided.changes);
        let committing = async move {
            let committed = desk.commit(&changes.writes()).await;
            (desk, committed)
        };
        let committed = task::within(COMMIT_WITHIN, committing).await;
        metrics::histogram!("stagedoor_admission_commit_seconds").record(started.elapsed());
        let Some((desk, committed)) = committed else {
            self.resolve(waiting, decided);
            return Ok(());
        };
        match committed {
            Ok(()) => {
                self.finish(waiting, decided, returns);
                self.desk = Some(desk);
            }
            Err(StoreError::OutcomeUnknown(_)) => self.resolve(waiting, decided),
            Err(error @ StoreError::RowCount { .. }) => {
                // Committed, and not as it must be: nobody can be told that it is, or is not.
                tracing::error!(error = %error, "a batch was written wrongly; see `stagedoor doctor`");
                for waiting in waiting {
                    waiting.answer(Err(StoreError::OutcomeUnknown(error.to_string()).into()));
                }
            }
            Err(error) => {
                // Its COMMIT rolled back, so the connection is free again.
                self.desk = Some(desk);
                return Err((waiting, error));
            }
        }
        Ok(())
    }

    /// Finds out in the background what became of a commit.
    fn resolve(&self, waiting: Vec<Waiting>, decided: Decided) {
        let shared = Arc::clone(&self.shared);
        let found = recovery::resolve(shared, self.entrance.clone(), waiting, decided);
        tokio::spawn(found);
    }

    /// Ends a batch that admits nobody. Only an earlier answer that is given again waits: what it
    /// was read from may be on the primary alone, and leaves when a commit behind it is durable.
    async fn finish_unwritten(
        &mut self,
        desk: Desk,
        waiting: Vec<Waiting>,
        decided: Decided,
        returns: &HashMap<ConcertId, u64>,
    ) {
        if !decided.has_replays() {
            self.finish(waiting, decided, returns);
            self.undo(desk).await;
            return;
        }
        let committing = async move {
            let committed = desk.commit_nothing().await;
            committed.map(|()| desk)
        };
        if let Some(Ok(desk)) = task::within(COMMIT_WITHIN, committing).await {
            self.finish(waiting, decided, returns);
            self.desk = Some(desk);
        } else {
            self.finish(waiting, decided.without_replays(), returns);
        }
    }

    /// Ends a transaction that has written nothing; a connection that can't is given up.
    async fn undo(&mut self, desk: Desk) {
        if timeout(ANSWER_WITHIN, desk.rollback()).await.is_ok() && desk.is_sound() {
            self.desk = Some(desk);
        }
    }

    /// Notes what is left, and lets the answers leave.
    fn finish(&self, waiting: Vec<Waiting>, decided: Decided, returns: &HashMap<ConcertId, u64>) {
        let is_of_buyers = |id: &ConcertId| !id.is_probe();
        let mut requests = waiting.iter().map(|waiting| waiting.request.concert_id);
        if requests.any(|id| is_of_buyers(&id)) {
            self.shared.live.sells();
        }
        if decided.changes.taken.iter().any(|(id, _)| is_of_buyers(id)) {
            let now = decided.changes.now;
            self.shared.proof.learn(now, now);
        }
        for (id, left) in &decided.left {
            let returns = returns.get(id).copied().unwrap_or(0);
            self.shared.notes.make(*id, *left, returns);
            self.shared.rates.note_left(*id, *left);
        }
        for (id, _) in &decided.changes.taken {
            self.shared.live.changed(*id);
        }
        for (waiting, outcome) in waiting.into_iter().zip(decided.into_outcomes()) {
            waiting.answer(outcome);
        }
    }

    /// No connection could be had for as long as anybody may wait for one: that is the answer for
    /// all who came meanwhile, too. The next to come finds out anew.
    fn close(&mut self, waiting: Vec<Waiting>, failure: &StoreError) {
        let behind = self.queue.take_all();
        let requests = waiting.len() + behind.len();
        tracing::warn!(
            error = failure.in_full(),
            requests,
            "nothing can be decided"
        );
        answer_all(waiting, failure);
        answer_all(behind, failure);
    }
}

fn answer_all(waiting: Vec<Waiting>, failure: &StoreError) {
    for waiting in waiting {
        waiting.answer(Err(same(failure)));
    }
}

fn unanswered() -> StoreError {
    StoreError::Unavailable("the database did not answer in time".to_owned())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a batch has at most some hundred requests"
)]
fn measure(waiting: &[Waiting]) {
    metrics::histogram!("stagedoor_admission_batch_size").record(waiting.len() as f64);
    let wait = metrics::histogram!("stagedoor_admission_wait_seconds");
    for request in waiting {
        wait.record(request.since.elapsed());
    }
}
