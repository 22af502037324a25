//! Stock as it changes: shown live by this process, and told to the others.
//!
//! Who changes stock says so here after its commit. What is shown is read again from the primary, at
//! most once a second, so that no order of messages can make it wrong; a message that is lost costs
//! a delay. Absent on purpose: any decision. Nothing is sold from what is kept here.

mod announcer;
mod listener;
mod reader;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::id::ConcertId;
use store::{Pool, StoreError, stock};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::engine::Notes;
pub use store::stock::Availability;

/// Listening goes on for so long after the last reason for it.
const INTEREST: Duration = Duration::from_secs(10);
/// More concerts than are looked at at the same time; past it the oldest announcements are dropped,
/// and who missed them looks by itself.
const CONCERTS_MAX: usize = 10_000;

/// What is shown live. Cheap to clone; everything ends when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Live {
    hub: Arc<Hub>,
    /// They end with the last of their owners.
    _tasks: Arc<JoinSet<()>>,
}

#[derive(Debug)]
struct Hub {
    pool: Pool,
    notes: Arc<Notes>,
    /// Tells this process' announcements from those of others.
    process: u64,
    state: Mutex<State>,
    /// Something is to be announced.
    to_announce: Notify,
    /// Something that is watched may have changed.
    to_read: Notify,
    /// There is a reason to listen.
    to_hear: Notify,
    /// One reader at a time asks for what nobody watches yet.
    first_look: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    watched: HashMap<ConcertId, Watched>,
    /// What others must hear; `true` when tickets came back.
    unannounced: HashMap<ConcertId, bool>,
    last_reason: Option<Instant>,
}

#[derive(Debug)]
struct Watched {
    sender: watch::Sender<Availability>,
    may_have_changed: bool,
}

impl Live {
    /// Must be called inside a Tokio runtime.
    ///
    /// Without `process`, a number that no other has, this one neither announces nor listens.
    pub(crate) fn start(pool: &Pool, notes: &Arc<Notes>, process: Option<u64>) -> Self {
        let hub = Arc::new(Hub {
            pool: pool.clone(),
            notes: Arc::clone(notes),
            process: process.unwrap_or_default(),
            state: Mutex::new(State {
                watched: HashMap::new(),
                unannounced: HashMap::new(),
                last_reason: None,
            }),
            to_announce: Notify::new(),
            to_read: Notify::new(),
            to_hear: Notify::new(),
            first_look: tokio::sync::Mutex::new(()),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(reader::run(Arc::clone(&hub)));
        if process.is_some() {
            tasks.spawn(announcer::run(Arc::clone(&hub)));
            tasks.spawn(listener::run(Arc::clone(&hub)));
        }
        Self {
            hub,
            _tasks: Arc::new(tasks),
        }
    }

    /// Follows what is left of a concert; `None` for one that nobody may see. The sender's end
    /// means the same.
    pub async fn watch(
        &self,
        concert: ConcertId,
    ) -> Result<Option<watch::Receiver<Availability>>, StoreError> {
        if let Some(receiver) = self.hub.subscribe(concert) {
            return Ok(Some(receiver));
        }
        // Of a thousand who come at once, one asks the database.
        let _first = self.hub.first_look.lock().await;
        if let Some(receiver) = self.hub.subscribe(concert) {
            return Ok(Some(receiver));
        }
        let connection = self.hub.pool.get().await?;
        let found = stock::list_availability(&connection, &[concert]).await?;
        Ok(found
            .into_iter()
            .next()
            .map(|(_, availability)| self.hub.begin_watching(concert, availability)))
    }

    /// A concert's stock was changed by a commit of this process.
    pub(crate) fn changed(&self, concert: ConcertId) {
        self.hub.note_change(concert, false);
    }

    /// Tickets of a concert are on sale again, by a commit of this process.
    pub(crate) fn returned(&self, concert: ConcertId) {
        self.hub.notes.forget(concert);
        self.hub.note_change(concert, true);
    }

    /// This process sells, so it wants to hear when tickets return elsewhere.
    pub(crate) fn sells(&self) {
        self.hub.has_reason(&mut self.hub.state());
    }
}

impl Hub {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_reason(&self, state: &mut State) {
        let now = Instant::now();
        let is_new = state
            .last_reason
            .is_none_or(|last| now.duration_since(last) > INTEREST);
        state.last_reason = Some(now);
        if is_new {
            self.to_hear.notify_one();
        }
    }

    /// Whether there is still a reason to listen.
    fn wants_to_hear(&self) -> bool {
        let state = self.state();
        !state.watched.is_empty()
            || state
                .last_reason
                .is_some_and(|last| last.elapsed() <= INTEREST)
    }

    fn subscribe(&self, concert: ConcertId) -> Option<watch::Receiver<Availability>> {
        let state = self.state();
        state
            .watched
            .get(&concert)
            .map(|watched| watched.sender.subscribe())
    }

    fn begin_watching(
        &self,
        concert: ConcertId,
        availability: Availability,
    ) -> watch::Receiver<Availability> {
        let (sender, receiver) = watch::channel(availability);
        let mut state = self.state();
        let watched = Watched {
            sender,
            // A change between the look and this line is seen by the next look.
            may_have_changed: true,
        };
        state.watched.insert(concert, watched);
        self.has_reason(&mut state);
        drop(state);
        self.to_read.notify_one();
        receiver
    }

    fn note_change(&self, concert: ConcertId, is_return: bool) {
        if concert.is_probe() {
            return;
        }
        let mut state = self.state();
        self.has_reason(&mut state);
        if state.unannounced.len() < CONCERTS_MAX {
            *state.unannounced.entry(concert).or_default() |= is_return;
        }
        let is_watched = mark(&mut state, concert);
        drop(state);
        self.to_announce.notify_one();
        if is_watched {
            self.to_read.notify_one();
        }
    }

    /// Another process changed a concert's stock.
    fn heard_of(&self, concert: ConcertId, is_return: bool) {
        if is_return {
            self.notes.forget(concert);
        }
        if mark(&mut self.state(), concert) {
            self.to_read.notify_one();
        }
    }

    /// Whatever happened while nobody listened is looked at again.
    fn mark_all(&self) {
        let mut state = self.state();
        for watched in state.watched.values_mut() {
            watched.may_have_changed = true;
        }
        drop(state);
        self.to_read.notify_one();
    }
}

fn mark(state: &mut State, concert: ConcertId) -> bool {
    let watched = state.watched.get_mut(&concert);
    watched.is_some_and(|watched| {
        watched.may_have_changed = true;
        true
    })
}
