//! What all buyers of a crowd share. They live on one thread, so nothing here is locked.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use tokio::time::Instant;

use super::plan::{BUYERS_MAX, Plan};
use super::story::{Contradiction, Fate, Story};
use super::tally::Tally;
use super::watch::Watched;

#[derive(Debug)]
pub(super) struct World {
    pub(super) plan: Plan,
    /// When the first buyer may come; moved once the watchers are there.
    pub(super) started: Cell<Instant>,
    pub(super) tally: RefCell<Tally>,
    pub(super) watched: RefCell<Watched>,
    /// By the buyer's number.
    pub(super) fates: RefCell<Vec<Fate>>,
    /// At most three a buyer.
    pub(super) contradictions: RefCell<Vec<Contradiction>>,
    next: Cell<u32>,
    /// Buyers who have asked and weren't answered yet.
    waiting: Cell<usize>,
    /// The last answer to anybody; before the first, and after a time when nobody waited, the
    /// moment when somebody began to.
    heard_at: Cell<Instant>,
}

/// A buyer who waits for an answer, until it is dropped.
#[derive(Debug)]
pub(super) struct Waiting<'a>(&'a World);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.update(|waiting| waiting - 1);
    }
}

impl World {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan,
            started: Cell::new(Instant::now()),
            tally: RefCell::default(),
            watched: RefCell::default(),
            fates: RefCell::default(),
            contradictions: RefCell::default(),
            next: Cell::new(0),
            waiting: Cell::new(0),
            heard_at: Cell::new(Instant::now()),
        }
    }

    /// The next buyer, with the moment to come in an open loop; `None` when the crowd is at its end.
    pub(super) fn next_buyer(&self) -> Option<(u32, Option<Instant>)> {
        let (buyer, started) = (self.next.get(), self.started.get());
        let come_at = self.plan.rate.map(|rate| {
            let after = Duration::from_secs_f64(f64::from(buyer) / rate);
            started + after
        });
        let at = come_at.unwrap_or_else(Instant::now);
        let is_over = self
            .plan
            .duration
            .is_some_and(|duration| at.duration_since(started) >= duration);
        if buyer >= self.plan.buyers.min(BUYERS_MAX) || is_over {
            return None;
        }
        self.next.set(buyer + 1);
        self.fates.borrow_mut().push(Fate::Unknown);
        Some((buyer, come_at))
    }

    pub(super) fn started_buyers(&self) -> u32 {
        self.next.get()
    }

    /// Begins to wait for an answer of the server.
    pub(super) fn wait_for_answer(&self) -> Waiting<'_> {
        if self.waiting.get() == 0 {
            self.heard();
        }
        self.waiting.update(|waiting| waiting + 1);
        Waiting(self)
    }

    /// There was an answer, whatever it said.
    pub(super) fn heard(&self) {
        self.heard_at.set(Instant::now());
    }

    /// For how long nobody was answered, while somebody waited.
    pub(super) fn silence(&self) -> Duration {
        if self.waiting.get() == 0 {
            Duration::ZERO
        } else {
            self.heard_at.get().elapsed()
        }
    }

    /// Writes down what became of a buyer.
    pub(super) fn close(&self, buyer: u32, quantity: i32, story: Story) {
        let mut tally = self.tally.borrow_mut();
        let counts = &mut tally.counts;
        counts.unanswered += u64::from(story.unanswered);
        let is_final = story.id.is_some() || story.refusal.is_some();
        counts.unknown_resolved += u64::from(story.was_unknown && is_final);
        counts.abandoned += u64::from(!is_final && !story.unanswered);
        let fate = match (story.id, story.refusal) {
            (Some(id), _) => {
                counts.admitted += 1;
                tally.tickets += u64::try_from(quantity).unwrap_or_default();
                tally.last_admitted_at = self.started.get().elapsed();
                Fate::Admitted(id)
            }
            // One of two requests may still be under way.
            (None, Some(_)) if story.unanswered => Fate::Unknown,
            (None, Some(code)) => {
                tally.count_refusal(&code);
                Fate::Refused
            }
            (None, None) => Fate::Unknown,
        };
        if let Some(place) = self.fates.borrow_mut().get_mut(buyer as usize) {
            *place = fate;
        }
        let contradictions = story.contradictions.into_iter();
        self.contradictions
            .borrow_mut()
            .extend(contradictions.map(|(kind, detail)| Contradiction {
                buyer,
                kind,
                detail,
            }));
    }
}
