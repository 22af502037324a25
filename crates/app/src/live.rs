//! Tickets left, as they change, for whoever watches a concert.
//!
//! One watched concert is read once a second, however many watch it, and nobody's is read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::concert::ConcertStatus;
use domain::id::ConcertId;
use store::StoreError;
use tokio::sync::watch;

use crate::{App, concerts};

/// How often a watched concert is read.
const READ_EVERY: Duration = Duration::from_secs(1);

/// How a concert's sale stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Availability {
    pub available_tickets: i32,
    pub status: ConcertStatus,
}

type Watched = HashMap<ConcertId, watch::Sender<Availability>>;

/// The watched concerts of this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hub(Arc<Mutex<Watched>>);

/// The live side of an [`App`].
#[derive(Debug)]
pub struct Live<'a> {
    pub(crate) app: &'a App,
    pub(crate) hub: &'a Hub,
}

impl Live<'_> {
    /// Follows a concert; `None` when it is unknown, deleted or archived. The channel closes when
    /// it becomes so.
    pub async fn watch(
        &self,
        concert: ConcertId,
    ) -> Result<Option<watch::Receiver<Availability>>, StoreError> {
        let Some(now) = read(self.app, concert).await? else {
            return Ok(None);
        };
        let mut watched = self.hub.lock();
        let sender = watched.entry(concert).or_insert_with(|| {
            let sender = watch::Sender::new(now);
            tokio::spawn(follow(self.app.clone(), self.hub.clone(), concert));
            sender
        });
        Ok(Some(sender.subscribe()))
    }
}

impl Hub {
    fn lock(&self) -> std::sync::MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a concert until nobody watches it, or it is gone.
async fn follow(app: App, hub: Hub, concert: ConcertId) {
    loop {
        tokio::time::sleep(READ_EVERY).await;
        let found = read(&app, concert).await;
        let mut watched = hub.lock();
        let is_watched = |sender: &watch::Sender<Availability>| sender.receiver_count() > 0;
        let Some(sender) = watched.get(&concert).filter(|sender| is_watched(sender)) else {
            watched.remove(&concert);
            return;
        };
        match found {
            Ok(Some(now)) => {
                sender.send_if_modified(|last| std::mem::replace(last, now) != now);
            }
            Ok(None) => {
                watched.remove(&concert);
                return;
            }
            Err(error) => tracing::debug!(%error, "a watched concert was not read"),
        }
    }
}

async fn read(app: &App, concert: ConcertId) -> Result<Option<Availability>, StoreError> {
    let found = concerts::show(app, concert).await?;
    Ok(found.map(|concert| Availability {
        available_tickets: concert.available_tickets,
        status: concert.status,
    }))
}
