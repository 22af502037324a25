//! A lane: takes what has gathered in its queue, decides it in one transaction, answers, and again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::id::ConcertId;
use store::StoreError;
use store::admission::{CONCERTS_MAX, Desk, Patience, Writes};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::batch::{self, Decided};
use super::pace::Pace;
use super::{BATCH_MAX, Shared, WAIT_MAX, Waiting, recovery};
use crate::reserve::ReserveError;

/// How long a lane without work keeps its connection.
const LINGER: Duration = Duration::from_millis(100);
/// How long a concert rests whose row stayed locked by somebody else.
const PARKED_FOR: Duration = Duration::from_millis(200);
/// A connection that breaks while it is made ready says nothing about the next; one after which so
/// much time is gone is the last that is tried, for the crowd waits.
const OPEN_AGAIN_WITHIN: Duration = Duration::from_secs(1);
/// Connections that are tried for one batch.
const OPEN_TRIES: usize = 4;
/// A connection that doesn't answer before its COMMIT was sent is given up; nothing happened.
const ANSWER_WITHIN: Duration = Duration::from_millis(1500);
/// So many parts of one batch may fail before the rest is given up. Finding a bad row among 512
/// takes nine halvings, so this finds seven; when all rows are bad, a thousand attempts, one after
/// the other, would hold up everybody behind.
const FAILED_PARTS_MAX: usize = 64;
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
    pace: Arc<Pace>,
    queue: mpsc::Receiver<Waiting>,
    /// Taken from the queue, not yet decided.
    gathered: VecDeque<Waiting>,
    parked: HashMap<ConcertId, Parked>,
    /// Concerts whose rows were not to be had: whoever else is in the lane doesn't wait as long for
    /// them again.
    found_locked: HashSet<ConcertId>,
    desk: Option<Desk>,
}

/// Serves a queue until every sender is gone.
pub(super) async fn run(shared: Arc<Shared>, queue: mpsc::Receiver<Waiting>, pace: Arc<Pace>) {
    let mut lane = Lane {
        shared,
        pace,
        queue,
        gathered: VecDeque::new(),
        parked: HashMap::new(),
        found_locked: HashSet::new(),
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
        if self.gathered.is_empty() && self.parked.is_empty() {
            self.found_locked.clear();
        }
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
        let (mut parts, mut failed) = (vec![batch], 0);
        while let Some(part) = parts.pop() {
            if part.waiting.is_empty() {
                continue;
            }
            if let Err((waiting, failure)) = self.attempt(part.waiting).await {
                failed += 1;
                if failed > FAILED_PARTS_MAX && failure.is_about_rows() {
                    give_up(waiting, &failure);
                } else {
                    parts.extend(self.after_failure(waiting, part.is_second_try, failure));
                }
            }
        }
    }

    /// One transaction. On failure nothing happened, and the requests come back.
    async fn attempt(
        &mut self,
        mut waiting: Vec<Waiting>,
    ) -> Result<(), (Vec<Waiting>, StoreError)> {
        waiting.retain(|waiting| !waiting.is_abandoned());
        if waiting.is_empty() {
            return Ok(());
        }
        let desk = match self.desk.take().filter(Desk::is_sound) {
            Some(desk) => desk,
            None => match self.open_desk().await {
                Ok(desk) => desk,
                Err(error) => {
                    self.close(waiting, &error);
                    return Ok(());
                }
            },
        };
        let (size, started) = (waiting.len(), Instant::now());
        let outcome = self.transact(desk, waiting).await;
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

    async fn transact(
        &mut self,
        desk: Desk,
        waiting: Vec<Waiting>,
    ) -> Result<(), (Vec<Waiting>, StoreError)> {
        measure(&waiting);
        let (decided, returns) = match timeout(ANSWER_WITHIN, self.decide(&desk, &waiting)).await {
            Ok(Ok(decided)) => decided,
            Ok(Err(error)) => {
                self.undo(desk).await;
                return Err((waiting, error));
            }
            Err(_) => return Err((waiting, unanswered())),
        };
        if decided.admissions.is_empty() {
            // Nothing was written, so the answers needn't wait for the end of the transaction.
            self.finish(waiting, decided, &returns);
            self.undo(desk).await;
            return Ok(());
        }
        let started = Instant::now();
        let committed = timeout(COMMIT_WITHIN, desk.commit(&decided.writes())).await;
        metrics::histogram!("stagedoor_admission_commit_seconds").record(started.elapsed());
        match committed {
            Ok(Ok(())) => {
                self.finish(waiting, decided, &returns);
                self.desk = Some(desk);
            }
            Ok(Err(StoreError::OutcomeUnknown(_))) | Err(_) => {
                tokio::spawn(recovery::resolve(
                    Arc::clone(&self.shared),
                    waiting,
                    decided,
                ));
            }
            Ok(Err(error)) => {
                // Its COMMIT rolled back, so the connection is free again.
                self.desk = Some(desk);
                return Err((waiting, error));
            }
        }
        Ok(())
    }

    /// Ends a transaction that has written nothing; a connection that can't is given up.
    async fn undo(&mut self, desk: Desk) {
        if timeout(ANSWER_WITHIN, desk.rollback()).await.is_ok() && desk.is_sound() {
            self.desk = Some(desk);
        }
    }

    /// Locks, looks up and decides; also how often tickets had come back before.
    async fn decide(
        &mut self,
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
        let patience = if concerts.iter().any(|id| self.found_locked.contains(id)) {
            Patience::Brief
        } else {
            Patience::Full
        };
        let locked = desk.lock(&concerts, patience).await?;
        self.found_locked.retain(|id| !concerts.contains(id));
        let answers = desk.ask(&batch::questions(waiting)).await?;
        Ok((
            batch::decide(&self.shared, waiting, &locked, &answers),
            returns,
        ))
    }

    /// Notes what is left, and lets the answers leave.
    fn finish(&self, waiting: Vec<Waiting>, decided: Decided, returns: &HashMap<ConcertId, u64>) {
        self.shared.live.sells();
        for (id, left) in &decided.left {
            let returns = returns.get(id).copied().unwrap_or(0);
            self.shared.notes.make(*id, *left, returns);
        }
        for (id, _) in &decided.taken {
            self.shared.live.changed(*id);
        }
        for (waiting, outcome) in waiting.into_iter().zip(decided.into_outcomes()) {
            waiting.answer(outcome);
        }
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
                once_more(waiting, &failure)
            }
            StoreError::Constraint { ref name } if name.ends_with("_pkey") && !is_second_try => {
                once_more(waiting, &failure)
            }
            failure if failure.is_about_rows() => halve(waiting, failure),
            failure => {
                give_up(waiting, &failure);
                Vec::new()
            }
        }
    }

    /// No connection could be had for as long as anybody may wait for one: that is the answer for
    /// all who came meanwhile, too. The next to come finds out anew.
    fn close(&mut self, waiting: Vec<Waiting>, failure: &StoreError) {
        let mut behind = Vec::from(std::mem::take(&mut self.gathered));
        while let Ok(waiting) = self.queue.try_recv() {
            behind.push(waiting);
        }
        let all = waiting.len() + behind.len();
        tracing::warn!(error = %failure, requests = all, "nothing can be decided");
        for waiting in waiting.into_iter().chain(behind) {
            waiting.answer(Err(same(failure)));
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
        self.found_locked
            .extend(by_concert.iter().map(|(id, _)| *id));
        if let [(id, _)] = by_concert[..] {
            let waiting = by_concert
                .pop()
                .map(|(_, waiting)| waiting)
                .unwrap_or_default();
            tracing::warn!(
                concert_id = id.get(),
                "the concert's row stays locked by somebody else"
            );
            // Another part of the same batch may have been parked before.
            let parked = self.parked.entry(id).or_insert_with(|| Parked {
                until: Instant::now() + PARKED_FOR,
                waiting: Vec::new(),
            });
            parked.waiting.extend(waiting);
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

fn give_up(waiting: Vec<Waiting>, failure: &StoreError) {
    tracing::warn!(error = %failure, requests = waiting.len(), "a batch was not decided");
    for waiting in waiting {
        waiting.answer(Err(same(failure)));
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

/// The same requests, tried for the second and last time; who has waited too long for that goes.
fn once_more(waiting: Vec<Waiting>, failure: &StoreError) -> Vec<Batch> {
    let (in_time, late): (Vec<_>, Vec<_>) = waiting
        .into_iter()
        .partition(|waiting| waiting.since.elapsed() < WAIT_MAX);
    for waiting in late {
        waiting.answer(Err(same(failure)));
    }
    vec![Batch {
        waiting: in_time,
        is_second_try: true,
    }]
}

/// A failure that is everybody's, for one request of the batch.
fn same(failure: &StoreError) -> ReserveError {
    match failure {
        StoreError::PoolExhausted => ReserveError::Overloaded,
        StoreError::Unavailable(text) => StoreError::Unavailable(text.clone()).into(),
        StoreError::Conflict => StoreError::Conflict.into(),
        _ => StoreError::FailedTransaction.into(),
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
