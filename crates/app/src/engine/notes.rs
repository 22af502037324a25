//! What is remembered of concerts that are sold out, so that refusing is cheap.
//!
//! A note says how many tickets were left when it was made. It can only be too low, never too high,
//! and never for longer than [`KEPT_FOR`]: a lost notification can't keep tickets unsold.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use domain::allotment::Refusal;
use domain::id::ConcertId;
use domain::reservation::Quantity;

/// How long a note counts without being made again.
const KEPT_FOR: Duration = Duration::from_millis(250);
/// More concerts than sell out at the same time; past it, what no longer counts is forgotten.
const NOTES_MAX: usize = 10_000;

#[derive(Clone, Copy, Debug)]
struct Note {
    /// Tickets left; `None` while nothing is known.
    left: Option<i32>,
    made: Instant,
    /// How often tickets came back.
    returns: u64,
}

/// The notes of this process.
#[derive(Debug, Default)]
pub struct Notes(RwLock<HashMap<ConcertId, Note>>);

impl Notes {
    /// A refusal that is certain without asking the database.
    pub fn refuse(&self, concert: ConcertId, quantity: Quantity) -> Option<Refusal> {
        let notes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let note = notes
            .get(&concert)
            .filter(|note| note.made.elapsed() < KEPT_FOR)?;
        match note.left? {
            0 => Some(Refusal::SoldOut),
            available if quantity.get() > available => {
                Some(Refusal::NotEnoughTickets { available })
            }
            _ => None,
        }
    }

    /// Tickets of a concert came back: nothing is known until the next decision.
    pub fn forget(&self, concert: ConcertId) {
        let mut notes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let note = notes.entry(concert).or_insert(Note {
            left: None,
            made: Instant::now(),
            returns: 0,
        });
        note.left = None;
        note.made = Instant::now();
        note.returns += 1;
    }

    /// How often tickets came back so far; read before the row lock, given to [`Notes::make`].
    pub(crate) fn returns(&self, concert: ConcertId) -> u64 {
        let notes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        notes.get(&concert).map_or(0, |note| note.returns)
    }

    /// Notes what a batch left, unless tickets came back since `returns` was read.
    pub(crate) fn make(&self, concert: ConcertId, left: i32, returns: u64) {
        let mut notes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if notes.len() >= NOTES_MAX && !notes.contains_key(&concert) {
            notes.retain(|_, note| note.made.elapsed() < KEPT_FOR);
        }
        let now = Instant::now();
        let note = notes.entry(concert).or_insert(Note {
            left: None,
            made: now,
            returns: 0,
        });
        if note.returns == returns {
            note.left = Some(left);
            note.made = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(tickets: i32) -> Quantity {
        Quantity::new(tickets).unwrap()
    }

    #[test]
    fn a_note_refuses_only_what_it_knows() {
        let (notes, concert) = (Notes::default(), ConcertId::new(1).unwrap());
        assert_eq!(notes.refuse(concert, quantity(1)), None);
        notes.make(concert, 2, notes.returns(concert));
        assert_eq!(notes.refuse(concert, quantity(2)), None);
        let refusal = notes.refuse(concert, quantity(3));
        assert_eq!(refusal, Some(Refusal::NotEnoughTickets { available: 2 }));
        notes.make(concert, 0, notes.returns(concert));
        assert_eq!(notes.refuse(concert, quantity(1)), Some(Refusal::SoldOut));
    }

    #[test]
    fn tickets_that_came_back_meanwhile_win_over_the_note() {
        let (notes, concert) = (Notes::default(), ConcertId::new(1).unwrap());
        let returns = notes.returns(concert);
        notes.forget(concert);
        notes.make(concert, 0, returns);
        assert_eq!(notes.refuse(concert, quantity(1)), None);
    }
}
