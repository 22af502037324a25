//! What waits for a lane: in the order in which it came, but for concerts whose row somebody else
//! keeps locked, which rest aside so that others can go on.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use domain::id::ConcertId;
use store::admission::CONCERTS_MAX;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::lane::{Batch, Try};
use super::{BATCH_MAX, WAIT_MAX, Waiting};
use crate::reserve::ReserveError;

/// How long a concert rests whose row stayed locked by somebody else.
const PARKED_FOR: Duration = Duration::from_millis(200);

/// Requests for one locked concert that may rest: about what two seconds decide at its return.
const PARKED_MAX: usize = 8_192;

/// A lane's requests that aren't being decided.
pub(super) struct Queue {
    arriving: mpsc::Receiver<Waiting>,
    /// Taken from the channel, in order.
    gathered: VecDeque<Waiting>,
    parked: HashMap<ConcertId, Parked>,
}

struct Parked {
    until: Instant,
    waiting: VecDeque<Waiting>,
}

/// Why a wait for work ended.
pub(super) enum Woken {
    /// There is work.
    Work,
    /// There was none for as long as asked.
    Idle,
    /// There will never be any again.
    End,
}

impl Queue {
    pub(super) fn new(arriving: mpsc::Receiver<Waiting>) -> Self {
        Self {
            arriving,
            gathered: VecDeque::new(),
            parked: HashMap::new(),
        }
    }

    /// Waits for work, at most for `idle_max`, and takes what has arrived, without waiting for more.
    pub(super) async fn gather(&mut self, idle_max: Duration) -> Woken {
        let mut fresh = Vec::new();
        if self.gathered.is_empty() {
            let due = self.parked.values().map(|parked| parked.until).min();
            let rest = due.map_or(idle_max, |due| {
                due.saturating_duration_since(Instant::now())
            });
            match timeout(rest, self.arriving.recv_many(&mut fresh, BATCH_MAX)).await {
                Ok(0) => return Woken::End,
                Err(_) if due.is_none() => return Woken::Idle,
                // Something arrived, or what was parked is due.
                Ok(_) | Err(_) => {}
            }
        }
        while fresh.len() < BATCH_MAX
            && let Ok(waiting) = self.arriving.try_recv()
        {
            fresh.push(waiting);
        }
        self.gathered.extend(fresh);
        self.refuse_late_parked();
        Woken::Work
    }

    /// Who has rested too long is told so in time, however many rest behind them.
    fn refuse_late_parked(&mut self) {
        for parked in self.parked.values_mut() {
            while let Some(late) = parked
                .waiting
                .pop_front_if(|first| first.since.elapsed() > WAIT_MAX)
            {
                late.answer(Err(ReserveError::Overloaded));
            }
        }
        self.parked.retain(|_, parked| !parked.waiting.is_empty());
    }

    /// A concert that has rested, with as many of its requests as fit into one transaction.
    pub(super) fn next_parked(&mut self) -> Option<Batch> {
        let now = Instant::now();
        // The one that has rested longest, so that each gets its turn.
        let (id, parked) = self
            .parked
            .iter_mut()
            .filter(|(_, parked)| parked.until <= now)
            .min_by_key(|(_, parked)| parked.until)?;
        let size = parked.waiting.len().min(BATCH_MAX);
        let waiting: Vec<_> = parked.waiting.drain(..size).collect();
        if parked.waiting.is_empty() {
            let id = *id;
            self.parked.remove(&id);
        }
        Some(Batch {
            waiting,
            attempt: Try::Parked,
        })
    }

    /// The next requests that fit into one transaction, in order; the rest stays.
    pub(super) fn next_batch(&mut self) -> Option<Batch> {
        let mut concerts: Vec<ConcertId> = Vec::new();
        let mut batch = Vec::new();
        while let Some(next) = self.gathered.pop_front() {
            let id = next.request.concert_id;
            if next.since.elapsed() > WAIT_MAX {
                next.answer(Err(ReserveError::Overloaded));
                continue;
            }
            if let Some(parked) = self.parked.get_mut(&id) {
                if parked.waiting.len() < PARKED_MAX {
                    parked.waiting.push_back(next);
                } else {
                    next.answer(Err(ReserveError::Overloaded));
                }
                continue;
            }
            let is_new = !concerts.contains(&id);
            if batch.len() >= BATCH_MAX || (is_new && concerts.len() >= CONCERTS_MAX) {
                self.gathered.push_front(next);
                break;
            }
            if is_new {
                concerts.push(id);
            }
            batch.push(next);
        }
        (!batch.is_empty()).then_some(Batch {
            waiting: batch,
            attempt: Try::First,
        })
    }

    /// Whoever came meanwhile for concerts that a batch of `size` has locked, in order, if they are
    /// at least as many: looking them up apart costs a round trip, and saves a transaction.
    ///
    /// Two servers that sell one concert would otherwise decide batches of half the size, for each
    /// waits for the lock with those who were there when it began to wait.
    pub(super) fn take_joining(&mut self, locked: &[ConcertId], size: usize) -> Vec<Waiting> {
        let room = BATCH_MAX.saturating_sub(size);
        if room < size || self.gathered.len() + self.arriving.len() < size {
            return Vec::new();
        }
        while self.gathered.len() < BATCH_MAX
            && let Ok(waiting) = self.arriving.try_recv()
        {
            self.gathered.push_back(waiting);
        }
        let joins = |waiting: &Waiting| locked.contains(&waiting.request.concert_id);
        if self
            .gathered
            .iter()
            .filter(|waiting| joins(waiting))
            .count()
            < size
        {
            return Vec::new();
        }
        let mut joining = Vec::new();
        let mut staying = VecDeque::new();
        for waiting in self.gathered.drain(..) {
            if waiting.since.elapsed() > WAIT_MAX {
                waiting.answer(Err(ReserveError::Overloaded));
            } else if joining.len() < room && joins(&waiting) {
                joining.push(waiting);
            } else {
                staying.push_back(waiting);
            }
        }
        self.gathered = staying;
        joining.retain(|waiting| !waiting.is_abandoned());
        joining
    }

    /// Lets a concert rest; `waiting` came before whatever is parked of it already.
    pub(super) fn park(&mut self, id: ConcertId, waiting: Vec<Waiting>) {
        let (late, in_time): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|waiting| waiting.since.elapsed() > WAIT_MAX);
        for waiting in late {
            waiting.answer(Err(ReserveError::Overloaded));
        }
        if in_time.is_empty() && !self.parked.contains_key(&id) {
            return;
        }
        let parked = self.parked.entry(id).or_insert_with(|| Parked {
            until: Instant::now(),
            waiting: VecDeque::new(),
        });
        parked.until = Instant::now() + PARKED_FOR;
        for waiting in in_time.into_iter().rev() {
            parked.waiting.push_front(waiting);
        }
    }

    /// Everything that waits, in order as far as it has one.
    pub(super) fn take_all(&mut self) -> Vec<Waiting> {
        let mut all: Vec<_> = self.gathered.drain(..).collect();
        for (_, parked) in self.parked.drain() {
            all.extend(parked.waiting);
        }
        while let Ok(waiting) = self.arriving.try_recv() {
            all.push(waiting);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::language::Language;
    use domain::reservation::Quantity;
    use domain::text::{CustomerName, EmailAddress};
    use tokio::sync::oneshot;
    use uuid::Uuid;

    use super::*;
    use crate::engine::Outcome;
    use crate::engine::pace::Pace;
    use crate::idempotency::Caller;
    use crate::reserve::ReserveRequest;

    type Answered = oneshot::Receiver<Outcome>;

    fn concert(id: i32) -> ConcertId {
        ConcertId::new(id).unwrap()
    }

    /// Requests that have waited so long, and their answers.
    fn crowd(id: i32, size: usize, waited: Duration) -> (Vec<Waiting>, Vec<Answered>) {
        let pace = Arc::new(Pace::default());
        let since = Instant::now().checked_sub(waited).unwrap();
        let one = |_| {
            let (answer, answered) = oneshot::channel();
            let request = ReserveRequest {
                concert_id: concert(id),
                quantity: Quantity::new(1).unwrap(),
                customer_name: CustomerName::parse("Som Chai").unwrap(),
                customer_email: EmailAddress::parse("som@example.com").unwrap(),
                caller: Caller::Anonymous,
                language: Language::default(),
                key: None,
                client_ip: None,
                request_id: Uuid::nil(),
            };
            let waiting = Waiting {
                request,
                key: None,
                since,
                answer,
                is_told: Arc::default(),
                rates: Arc::default(),
                _place: pace.enter(None).unwrap().0,
            };
            (waiting, answered)
        };
        (0..size).map(one).unzip()
    }

    /// How many have been told that there are too many; nobody has been told anything else.
    fn refused(answered: &mut [Answered]) -> usize {
        let mut refused = 0;
        for answer in answered.iter_mut().filter_map(|one| one.try_recv().ok()) {
            assert!(matches!(answer, Err(ReserveError::Overloaded)));
            refused += 1;
        }
        refused
    }

    #[tokio::test]
    async fn more_than_may_rest_before_a_locked_row_are_refused_at_once() {
        const MORE: usize = 1000;
        let (arrive, arriving) = mpsc::channel(2 * PARKED_MAX);
        let mut queue = Queue::new(arriving);
        let (first, _answered) = crowd(1, 1, Duration::ZERO);
        queue.park(concert(1), first);
        let (late, mut answered) = crowd(1, PARKED_MAX + MORE, Duration::ZERO);
        let (others, mut answers_of_others) = crowd(2, 3, Duration::ZERO);
        for waiting in late.into_iter().chain(others) {
            arrive.try_send(waiting).unwrap();
        }
        let mut decided = 0;
        while arrive.capacity() < arrive.max_capacity() {
            queue.gather(Duration::ZERO).await;
            decided += queue.next_batch().map_or(0, |batch| batch.waiting.len());
        }
        assert_eq!(decided, 3, "the others go on");
        assert_eq!(refused(&mut answers_of_others), 0);
        assert_eq!(queue.parked[&concert(1)].waiting.len(), PARKED_MAX);
        // With the one that rested already, who came first keep their places.
        let (keep, lose) = answered.split_at_mut(PARKED_MAX - 1);
        assert_eq!((refused(keep), refused(lose)), (0, MORE + 1));
    }

    #[tokio::test]
    async fn only_a_crowd_as_large_as_the_batch_joins_it_and_in_its_order() {
        let (arrive, arriving) = mpsc::channel(BATCH_MAX);
        let mut queue = Queue::new(arriving);
        let mut crowds: Vec<_> = [(1, 2), (2, 3), (1, 2)]
            .map(|(id, size)| crowd(id, size, Duration::ZERO))
            .into();
        crowds.push(crowd(1, 1, WAIT_MAX + Duration::from_millis(1)));
        let (waiting, mut answered): (Vec<_>, Vec<_>) = crowds.into_iter().unzip();
        for waiting in waiting.into_iter().flatten() {
            arrive.try_send(waiting).unwrap();
        }
        let came = |joining: &[Waiting]| -> Vec<Instant> {
            joining.iter().map(|waiting| waiting.since).collect()
        };
        assert!(queue.take_joining(&[concert(1)], 6).is_empty());
        assert!(queue.take_joining(&[concert(3)], 1).is_empty());
        let joining = queue.take_joining(&[concert(1)], 4);
        assert_eq!(joining.len(), 4);
        assert!(came(&joining).is_sorted());
        assert_eq!(refused(&mut answered[3]), 1, "who waited too long is told");
        let rest = queue.next_batch().unwrap().waiting;
        assert_eq!(rest.len(), 3, "those for another concert stay");
        assert!(queue.next_batch().is_none());
    }

    #[tokio::test]
    async fn a_batch_never_grows_beyond_its_limit() {
        let (arrive, arriving) = mpsc::channel(BATCH_MAX);
        let mut queue = Queue::new(arriving);
        let (waiting, _answered) = crowd(1, BATCH_MAX, Duration::ZERO);
        for waiting in waiting {
            arrive.try_send(waiting).unwrap();
        }
        let size = BATCH_MAX / 2;
        assert!(queue.take_joining(&[concert(1)], size + 1).is_empty());
        assert_eq!(queue.take_joining(&[concert(1)], size).len(), size);
        assert_eq!(queue.next_batch().unwrap().waiting.len(), size);
    }

    #[tokio::test]
    async fn all_who_rested_too_long_are_told_at_the_next_look() {
        let (_arrive, arriving) = mpsc::channel(1);
        let mut queue = Queue::new(arriving);
        let soon = Duration::from_millis(500);
        let nearly = WAIT_MAX.saturating_sub(soon);
        let (late, mut told) = crowd(1, PARKED_MAX / 2, nearly);
        let (in_time, mut waiting) = crowd(1, PARKED_MAX / 2, Duration::ZERO);
        queue.park(concert(1), in_time);
        queue.park(concert(1), late);
        tokio::time::sleep(soon).await;
        queue.gather(Duration::ZERO).await;
        assert_eq!(refused(&mut told), PARKED_MAX / 2, "not batch by batch");
        assert_eq!(refused(&mut waiting), 0);
    }
}
