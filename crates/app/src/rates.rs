//! What this process answered to the buyers of a concert, second by second, for the last minutes.
//!
//! Counting costs an answer some atomic additions and no wait for another: only a concert's first
//! answer takes the lock alone. Absent on purpose: any decision, and other servers' answers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use domain::allotment::Refusal;
use domain::id::ConcertId;

use crate::reserve::{ReserveError, Reserved};

/// So many whole seconds can be asked for.
pub const SECONDS: u64 = 300;
/// A little more, so that a second isn't counted anew while it is read.
const RING: u64 = SECONDS + 20;
/// Concerts that are counted at the same time, each in 15 KB. Past it, those are forgotten that nobody
/// has asked for tickets for as long as is remembered.
const CONCERTS_MAX: usize = 256;
/// The lower half of a cell is its figure, the upper one the second that it belongs to.
const HALF: u32 = 32;
const FIGURE: u64 = (1 << HALF) - 1;

/// What a buyer was told, as far as it says how a sale goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Admitted,
    SoldOut,
    OverLimit,
    Overloaded,
    Failed,
}

impl Answer {
    pub const ALL: [Self; 5] = [
        Self::Admitted,
        Self::SoldOut,
        Self::OverLimit,
        Self::Overloaded,
        Self::Failed,
    ];

    /// `None` for what says nothing about the sale: an answer given again, a request that is wrong.
    fn of(outcome: &Result<Reserved, ReserveError>) -> Option<Self> {
        match outcome {
            Ok(reserved) => (!reserved.replayed).then_some(Self::Admitted),
            Err(ReserveError::Refused(Refusal::SoldOut | Refusal::NotEnoughTickets { .. })) => {
                Some(Self::SoldOut)
            }
            Err(ReserveError::Refused(_)) => Some(Self::OverLimit),
            Err(ReserveError::Overloaded) => Some(Self::Overloaded),
            Err(ReserveError::Store(_)) => Some(Self::Failed),
            Err(_) => None,
        }
    }

    /// Whether it proves that there is such a concert; numbers that somebody makes up are not counted.
    const fn begins(self) -> bool {
        matches!(self, Self::Admitted | Self::SoldOut)
    }
}

/// One second of a concert's sale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Second {
    /// How often each answer was given, in the order of [`Answer::ALL`].
    pub answers: [u64; 5],
    /// Tickets left, if anybody looked.
    pub left: Option<u64>,
}

impl Second {
    pub const fn count(&self, answer: Answer) -> u64 {
        self.answers[answer as usize]
    }
}

/// What is remembered of all concerts.
#[derive(Debug)]
pub(crate) struct Rates {
    begun: Instant,
    concerts: RwLock<HashMap<ConcertId, Arc<Ring>>>,
    answered: AtomicU64,
    failed: AtomicU64,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            concerts: RwLock::default(),
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }
}

impl Rates {
    pub(crate) fn count(&self, concert: ConcertId, outcome: &Result<Reserved, ReserveError>) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        let Some(answer) = Answer::of(outcome) else {
            return;
        };
        if matches!(answer, Answer::Overloaded | Answer::Failed) {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(ring) = self.ring(concert, answer.begins()) {
            ring.count(self.now(), answer);
        }
    }

    /// Somebody has seen how many tickets are left.
    pub(crate) fn note_left(&self, concert: ConcertId, left: i32) {
        if concert.is_probe() {
            return;
        }
        if let (Some(ring), Ok(left)) = (self.ring(concert, true), u64::try_from(left)) {
            ring.note_left(self.now(), left);
        }
    }

    /// All answers of all concerts since the start, and those of them that were our fault.
    pub(crate) fn sums(&self) -> (u64, u64) {
        let read = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        (read(&self.answered), read(&self.failed))
    }

    /// The last [`SECONDS`] whole seconds, the oldest first.
    pub(crate) fn recent(&self, concert: ConcertId) -> Vec<Second> {
        let now = self.now();
        match self.ring(concert, false) {
            Some(ring) => (now - SECONDS..now)
                .map(|second| ring.read(second))
                .collect(),
            None => (0..SECONDS).map(|_| Second::default()).collect(),
        }
    }

    /// Seconds since a while before the start, so that the past of the first has a number, too.
    fn now(&self) -> u64 {
        self.begun.elapsed().as_secs() + RING
    }

    fn ring(&self, concert: ConcertId, begins: bool) -> Option<Arc<Ring>> {
        let known = self.concerts.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(ring) = known.get(&concert) {
            return Some(Arc::clone(ring));
        }
        drop(known);
        begins.then(|| self.begin(concert)).flatten()
    }

    fn begin(&self, concert: ConcertId) -> Option<Arc<Ring>> {
        let now = self.now();
        let mut known = self
            .concerts
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CONCERTS_MAX && !known.contains_key(&concert) {
            known.retain(|_, ring| ring.is_recent(now));
            if known.len() >= CONCERTS_MAX {
                return None;
            }
        }
        Some(Arc::clone(known.entry(concert).or_default()))
    }
}

/// One concert's seconds, each at its number modulo the size.
#[derive(Debug)]
struct Ring {
    answers: [Box<[AtomicU64]>; 5],
    left: Box<[AtomicU64]>,
    /// When anything was last written.
    touched: AtomicU64,
}

impl Default for Ring {
    fn default() -> Self {
        let cells = || (0..RING).map(|_| AtomicU64::new(0)).collect();
        Self {
            answers: [(); 5].map(|()| cells()),
            left: cells(),
            touched: AtomicU64::new(u64::MAX),
        }
    }
}

impl Ring {
    fn count(&self, now: u64, answer: Answer) {
        let cell = &self.answers[answer as usize][place(now)];
        // A cell of another second begins anew in the same step, so that nothing is lost between two.
        let counted = |old: u64| {
            let figure = if old >> HALF == now { old & FIGURE } else { 0 };
            Some((now << HALF) | (figure + 1).min(FIGURE))
        };
        let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, counted);
        self.touched.store(now, Ordering::Relaxed);
    }

    fn note_left(&self, now: u64, left: u64) {
        let cell = &self.left[place(now)];
        cell.store((now << HALF) | left.min(FIGURE), Ordering::Relaxed);
        self.touched.store(now, Ordering::Relaxed);
    }

    fn read(&self, second: u64) -> Second {
        let figure = |cells: &[AtomicU64]| {
            let cell = cells[place(second)].load(Ordering::Relaxed);
            (cell >> HALF == second).then_some(cell & FIGURE)
        };
        Second {
            answers: Answer::ALL.map(|one| figure(&self.answers[one as usize]).unwrap_or(0)),
            left: figure(&self.left),
        }
    }

    /// Whether anything of it could still be shown; what has just begun could be.
    fn is_recent(&self, now: u64) -> bool {
        let touched = self.touched.load(Ordering::Relaxed);
        touched.saturating_add(SECONDS) >= now
    }
}

fn place(second: u64) -> usize {
    usize::try_from(second % RING).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn concert(id: i32) -> ConcertId {
        ConcertId::new(id).unwrap()
    }

    #[test]
    fn each_second_has_its_own_count_and_loses_none_to_threads() {
        let ring = Ring::default();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for second in 1_000..1_010 {
                        for _ in 0..500 {
                            ring.count(second, Answer::Admitted);
                        }
                    }
                });
            }
        });
        // Threads may be apart by seconds here, and each second of the ring is its own cell.
        for second in 1_000..1_010 {
            assert_eq!(ring.read(second).count(Answer::Admitted), 2_000);
        }
        assert_eq!(ring.read(999), Second::default());
    }

    #[test]
    fn what_is_old_is_not_read_as_new() {
        let ring = Ring::default();
        ring.count(1_000, Answer::SoldOut);
        ring.note_left(1_000, 7);
        assert_eq!(ring.read(1_000).count(Answer::SoldOut), 1);
        assert_eq!(ring.read(1_000).left, Some(7));
        assert_eq!(ring.read(1_000 + RING), Second::default());
        ring.count(1_000 + RING, Answer::SoldOut);
        assert_eq!(ring.read(1_000 + RING).count(Answer::SoldOut), 1);
        assert_eq!(ring.read(1_000 + RING).left, None);
    }

    #[test]
    fn only_a_bounded_number_of_concerts_is_counted_and_made_up_ones_are_not() {
        let rates = Rates::default();
        rates.count(concert(1), &Err(ReserveError::Overloaded));
        rates.count(concert(1), &Err(ReserveError::UnknownConcert));
        assert!(rates.concerts.read().unwrap().is_empty());
        for id in 1..=i32::try_from(CONCERTS_MAX).unwrap() + 50 {
            rates.count(concert(id), &Err(ReserveError::Refused(Refusal::SoldOut)));
        }
        assert_eq!(rates.concerts.read().unwrap().len(), CONCERTS_MAX);
        assert_eq!(rates.recent(concert(1)).len() as u64, SECONDS);
    }

    #[test]
    fn concerts_that_nobody_asks_for_any_more_make_room() {
        let ring = Ring::default();
        assert!(ring.is_recent(5_000), "it has just begun");
        ring.count(5_000, Answer::Admitted);
        assert!(ring.is_recent(5_000 + SECONDS) && !ring.is_recent(5_001 + SECONDS));
    }
}
