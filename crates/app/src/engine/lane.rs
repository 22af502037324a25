//! A lane: takes what has gathered in its queue, decides it in one transaction, answers, and again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::id::ConcertId;
use store::StoreError;
use store::admission::{CONCERTS_MAX, Desk, Writes};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::batch::{self, Decided};
use super::{BATCH_MAX, Shared, WAIT_MAX, Waiting, recovery};
use crate::reserve::ReserveError;

/// How long a lane without work keeps its connection.
const LINGER: Duration = Duration::from_millis(100);
/// How long a concert rests whose row stayed locked by somebody else.
const PARKED_FOR: Duration = Duration::from_millis(200);
/// A connection that doesn't answer before its COMMIT was sent is given up; nothing happened.
const ANSWER_WITHIN: Duration = Duration::from_millis(1500);
/// A COMMIT that doesn't answer within it is unknown.
const COMMIT_WITHIN: Duration = Duration::from_secs(2);

/// Requests that are decided together, and whether they were tried before.
struct Batch {
    waiting: Vec<Waiting>,
    is_second_try: bool,
}

/// Requests for a concert whose row somebody else keeps locked.
struct Parked {
    until: Instant,
    waiting: Vec<Waiting>,
}

struct Lane {
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Waiting>,
    /// Taken from the queue, not yet decided.
    gathered: VecDeque<Waiting>,
    parked: HashMap<ConcertId, Parked>,
    desk: Option<Desk>,
}

/// Serves a queue until every sender is gone.
pub(super) async fn run(shared: Arc<Shared>, queue: mpsc::Receiver<Waiting>) {
    let (gathered, parked) = (VecDeque::new(), HashMap::new());
    let mut lane = Lane {
        shared,
        queue,
        gathered,
        parked,
        desk: None,
    };
    while lane.gather().await {
        let waiting = lane.next_batch();
        lane.serve(Batch {
            waiting,
            is_second_try: false,
        })
        .await;
    }
}

impl Lane {
    /// Waits for work; `false` when there will never be any again.
    async fn gather(&mut self) -> bool {
        let mut fresh = Vec::new();
        while self.gathered.is_empty() && fresh.is_empty() {
            let due = self.parked.values().map(|parked| parked.until).min();
            let rest = due.map_or(LINGER, |due| due.saturating_duration_since(Instant::now()));
            let wait = if self.desk.is_none() && due.is_none() {
                Duration::MAX
            } else {
                rest
            };
            match timeout(wait, self.queue.recv_many(&mut fresh, BATCH_MAX)).await {
                Ok(0) => return false,
                Ok(_) => {}
                Err(_) if due.is_some() => break,
                Err(_) => self.desk = None,
            }
        }
        while fresh.len() < BATCH_MAX
            && let Ok(waiting) = self.queue.try_recv()
        {
            fresh.push(waiting);
        }
        self.unpark();
        self.gathered.extend(fresh);
        self.refuse_late();
        true
    }

    /// Concerts that have rested go to the front: their requests were here before.
    fn unpark(&mut self) {
        let now = Instant::now();
        let due: Vec<ConcertId> = self
            .parked
            .iter()
            .filter(|(_, parked)| parked.until <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            let waiting = self
                .parked
                .remove(&id)
                .map(|parked| parked.waiting)
                .unwrap_or_default();
            for waiting in waiting.into_iter().rev() {
                self.gathered.push_front(waiting);
            }
        }
    }

    fn refuse_late(&mut self) {
        let gathered = std::mem::take(&mut self.gathered);
        for waiting in gathered {
            if waiting.since.elapsed() > WAIT_MAX {
                waiting.answer(Err(ReserveError::Overloaded));
            } else if let Some(parked) = self.parked.get_mut(&waiting.request.concert_id) {
                parked.waiting.push(waiting);
            } else {
                self.gathered.push_back(waiting);
            }
        }
    }

    /// The next requests that fit into one transaction, in order; the rest stays.
    fn next_batch(&mut self) -> Vec<Waiting> {
        let mut concerts: Vec<ConcertId> = Vec::new();
        let mut batch = Vec::new();
        while let Some(next) = self.gathered.front() {
            let id = next.request.concert_id;
            let is_new = !concerts.contains(&id);
            if batch.len() >= BATCH_MAX || (is_new && concerts.len() >= CONCERTS_MAX) {
                break;
            }
            if is_new {
                concerts.push(id);
            }
            batch.extend(self.gathered.pop_front());
        }
        batch
    }

    /// Decides a batch, in parts where the whole can't be.
    async fn serve(&mut self, batch: Batch) {
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            if part.waiting.is_empty() {
                continue;
            }
            if let Err((waiting, failure)) = self.attempt(part.waiting).await {
                parts.extend(self.after_failure(waiting, part.is_second_try, failure));
            }
        }
    }

    /// One transaction. On failure nothing happened, and the requests come back.
    async fn attempt(&mut self, waiting: Vec<Waiting>) -> Result<(), (Vec<Waiting>, StoreError)> {
        metrics::histogram!("stagedoor_admission_batch_size").record(size(&waiting));
        let started = Instant::now();
        for request in &waiting {
            metrics::histogram!("stagedoor_admission_wait_seconds")
                .record(started.duration_since(request.since));
        }
        let desk = match self.desk.take().filter(Desk::is_sound) {
            Some(desk) => desk,
            None => match Desk::open(&self.shared.pool).await {
                Ok(desk) => desk,
                Err(error) => return Err((waiting, error)),
            },
        };
        let (decided, returns) = match timeout(ANSWER_WITHIN, self.decide(&desk, &waiting)).await {
            Ok(Ok(decided)) => decided,
            Ok(Err(error)) => {
                desk.rollback_if_sound().await;
                self.desk = Some(desk);
                return Err((waiting, error));
            }
            Err(_) => return Err((waiting, unanswered())),
        };
        if decided.admissions.is_empty() {
            desk.rollback().await;
            self.finish(desk, waiting, decided, &returns);
            return Ok(());
        }
        let committed = timeout(COMMIT_WITHIN, desk.commit(&decided.writes())).await;
        metrics::histogram!("stagedoor_admission_commit_seconds").record(started.elapsed());
        match committed {
            Ok(Ok(())) => self.finish(desk, waiting, decided, &returns),
            Ok(Err(StoreError::OutcomeUnknown(_))) | Err(_) => {
                tokio::spawn(recovery::resolve(
                    Arc::clone(&self.shared),
                    waiting,
                    decided,
                ));
            }
            Ok(Err(error)) => {
                self.desk = Some(desk);
                return Err((waiting, error));
            }
        }
        Ok(())
    }

    /// Locks, looks up and decides; also how often tickets had come back before.
    async fn decide(
        &self,
        desk: &Desk,
        waiting: &[Waiting],
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
        let locked = desk.lock(&concerts).await?;
        let answers = desk.ask(&batch::questions(waiting)).await?;
        Ok((
            batch::decide(&self.shared, waiting, &locked, &answers),
            returns,
        ))
    }

    /// Notes what is left, and lets the answers leave.
    fn finish(
        &mut self,
        desk: Desk,
        waiting: Vec<Waiting>,
        decided: Decided,
        returns: &HashMap<ConcertId, u64>,
    ) {
        for (id, left) in &decided.left {
            let returns = returns.get(id).copied().unwrap_or(0);
            self.shared.notes.make(*id, *left, returns);
        }
        for (waiting, outcome) in waiting.into_iter().zip(decided.into_outcomes()) {
            waiting.answer(outcome);
        }
        self.desk = Some(desk);
    }

    /// What to try next with requests whose transaction failed.
    fn after_failure(
        &mut self,
        waiting: Vec<Waiting>,
        is_second_try: bool,
        failure: StoreError,
    ) -> Vec<Batch> {
        match failure {
            StoreError::LockTimeout => self.park_or_split(waiting),
            // Somebody else was faster with a key or an id, or the connection was gone: the second
            // try sees what the first could not.
            StoreError::Conflict | StoreError::Unavailable(_) if !is_second_try => {
                vec![Batch {
                    waiting,
                    is_second_try: true,
                }]
            }
            StoreError::Constraint { ref name } if name.ends_with("_pkey") && !is_second_try => {
                vec![Batch {
                    waiting,
                    is_second_try: true,
                }]
            }
            StoreError::Unavailable(_) | StoreError::PoolExhausted => {
                tracing::warn!(error = %failure, requests = waiting.len(), "a batch was not decided");
                for waiting in waiting {
                    waiting.answer(Err(again(&failure)));
                }
                Vec::new()
            }
            failure => halve(waiting, failure),
        }
    }

    /// Several concerts are tried one by one; a single one rests until its row may be free.
    fn park_or_split(&mut self, waiting: Vec<Waiting>) -> Vec<Batch> {
        let mut by_concert: Vec<(ConcertId, Vec<Waiting>)> = Vec::new();
        for waiting in waiting {
            let id = waiting.request.concert_id;
            match by_concert.iter_mut().find(|(concert, _)| *concert == id) {
                Some((_, together)) => together.push(waiting),
                None => by_concert.push((id, vec![waiting])),
            }
        }
        if let [(id, _)] = by_concert[..] {
            let waiting = by_concert
                .pop()
                .map(|(_, waiting)| waiting)
                .unwrap_or_default();
            tracing::warn!(
                concert_id = id.get(),
                "the concert's row stays locked by somebody else"
            );
            self.parked.insert(
                id,
                Parked {
                    until: Instant::now() + PARKED_FOR,
                    waiting,
                },
            );
            return Vec::new();
        }
        let parts = by_concert.into_iter().rev();
        parts
            .map(|(_, waiting)| Batch {
                waiting,
                is_second_try: false,
            })
            .collect()
    }
}

/// One bad row must not spoil its batch: halves are tried until the culprit is alone.
fn halve(mut waiting: Vec<Waiting>, failure: StoreError) -> Vec<Batch> {
    if waiting.len() == 1 {
        tracing::error!(error = %failure, "a request can't be written");
        if let Some(culprit) = waiting.pop() {
            culprit.answer(Err(ReserveError::Store(failure)));
        }
        return Vec::new();
    }
    let second = waiting.split_off(waiting.len() / 2);
    // The last one is tried first.
    [second, waiting]
        .map(|waiting| Batch {
            waiting,
            is_second_try: false,
        })
        .into()
}

impl Decided {
    fn writes(&self) -> Writes<'_> {
        Writes {
            admissions: &self.admissions,
            taken: &self.taken,
            stale_keys: &self.stale_keys,
            now: self.now,
            expires_at: self.expires_at,
        }
    }
}

/// The same failure for another request of the batch.
fn again(failure: &StoreError) -> ReserveError {
    match failure {
        StoreError::PoolExhausted => ReserveError::Overloaded,
        failure => ReserveError::Store(StoreError::Unavailable(failure.to_string())),
    }
}

fn unanswered() -> StoreError {
    StoreError::Unavailable("the database did not answer in time".to_owned())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a batch has at most some hundred requests"
)]
fn size(waiting: &[Waiting]) -> f64 {
    waiting.len() as f64
}
