//! How one concert's sale goes, for the staff who watch it: stock and payments as the primary has
//! them, and what this process answers to buyers.
//!
//! However many watch a concert, one reader asks the database for it, once a second at most and more
//! seldom the longer that takes. Absent on purpose: who may watch, and any decision.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::id::ConcertId;
use jiff::Timestamp;
use store::stock::{self, Sale};
use store::{Acting, StoreError, Transaction};
use tokio::sync::{Semaphore, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::App;
pub use crate::rates::{Answer, SECONDS, Second};

/// Nobody is shown more often how it stands.
const EVERY: Duration = Duration::from_secs(1);
/// Reading takes at most so much of one connection's time, in parts: what takes 100 ms, as with some
/// hundred thousand holds, is read every two seconds.
const REST: u32 = 20;
/// However long it takes, figures get no older.
const EVERY_MAX: Duration = Duration::from_secs(10);
/// Of the pool's connections, so many read for those who watch; the others sell.
const READERS_MAX: usize = 2;
/// Seconds over which a rate is told: one alone jumps, and more are late.
const RATE_OVER: usize = 5;

/// How a sale stands.
#[derive(Clone, Debug)]
pub struct Board {
    pub sale: Sale,
    /// When that was read.
    pub read_at: Timestamp,
    /// Whether the last reading succeeded.
    pub is_current: bool,
    /// When the rest of it was.
    pub at: Timestamp,
    /// Requests without an answer in the concert's lane of this process.
    pub waiting: usize,
    /// What this process answered in the last [`SECONDS`] whole seconds, the oldest first.
    pub seconds: Vec<Second>,
}

impl Board {
    /// Tickets that somebody has or holds.
    pub fn taken(&self) -> i64 {
        i64::from(self.sale.total_tickets - self.sale.available_tickets)
    }

    pub fn sold(&self) -> i64 {
        self.taken() - self.sale.held
    }

    /// How often this process gave an answer lately, in tenths a second.
    pub fn rate_tenths(&self, answer: Answer) -> u64 {
        let lately = &self.seconds[self.seconds.len().saturating_sub(RATE_OVER)..];
        let count: u64 = lately.iter().map(|second| second.count(answer)).sum();
        count * 10 / RATE_OVER as u64
    }
}

/// The concerts that are watched here.
#[derive(Debug)]
pub(crate) struct Boards {
    watched: Mutex<HashMap<ConcertId, watch::Sender<Arc<Board>>>>,
    /// Of several who come at once, one asks the database.
    first_look: tokio::sync::Mutex<()>,
    readers: Semaphore,
}

impl Default for Boards {
    fn default() -> Self {
        Self {
            watched: Mutex::default(),
            first_look: tokio::sync::Mutex::default(),
            readers: Semaphore::new(READERS_MAX),
        }
    }
}

impl Boards {
    fn lock(&self) -> MutexGuard<'_, HashMap<ConcertId, watch::Sender<Arc<Board>>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribe(&self, concert: ConcertId) -> Option<watch::Receiver<Arc<Board>>> {
        self.lock().get(&concert).map(watch::Sender::subscribe)
    }

    /// Forgets a concert that nobody watches; `false` when somebody came meanwhile.
    fn end_unwatched(&self, concert: ConcertId, board: &watch::Sender<Arc<Board>>) -> bool {
        let mut watched = self.lock();
        let is_unwatched = board.receiver_count() == 0;
        if is_unwatched {
            watched.remove(&concert);
        }
        is_unwatched
    }
}

/// How a sale stands now; `None` when there is no such concert.
pub async fn look(app: &App, concert: ConcertId) -> Result<Option<Arc<Board>>, StoreError> {
    if let Some(watched) = app.boards().subscribe(concert) {
        return Ok(Some(Arc::clone(&watched.borrow())));
    }
    let sale = read(app, concert).await?;
    let now = app.ctx().now();
    Ok(sale.map(|sale| Arc::new(board(app, concert, (sale, now, true)))))
}

/// Follows how a sale stands, second by second; `None` when there is no such concert. The sender's end
/// means the same.
pub async fn watch(
    app: &App,
    concert: ConcertId,
) -> Result<Option<watch::Receiver<Arc<Board>>>, StoreError> {
    let boards = app.boards();
    if let Some(receiver) = boards.subscribe(concert) {
        return Ok(Some(receiver));
    }
    let _first = boards.first_look.lock().await;
    if let Some(receiver) = boards.subscribe(concert) {
        return Ok(Some(receiver));
    }
    let Some(first) = look(app, concert).await? else {
        return Ok(None);
    };
    let (sender, receiver) = watch::channel(first);
    boards.lock().insert(concert, sender.clone());
    tokio::spawn(follow(app.clone(), concert, sender));
    Ok(Some(receiver))
}

/// Shows how it stands once a second, until nobody watches or the concert is gone.
async fn follow(app: App, concert: ConcertId, shown: watch::Sender<Arc<Board>>) {
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first comes at once, and somebody has just looked.
    tick.tick().await;
    let first = Arc::clone(&shown.borrow());
    let mut known = (first.sale, first.read_at, true);
    let mut read_from = Instant::now();
    loop {
        tokio::select! {
            () = shown.closed() => {
                if app.boards().end_unwatched(concert, &shown) {
                    return;
                }
                continue;
            }
            _ = tick.tick() => {}
        }
        let begun = Instant::now();
        if begun >= read_from {
            match read(&app, concert).await {
                Ok(Some(sale)) => known = (sale, app.ctx().now(), true),
                Ok(None) => {
                    app.boards().lock().remove(&concert);
                    return;
                }
                Err(error) => {
                    tracing::debug!(%error, "a sale that is watched was not read");
                    known.2 = false;
                }
            }
            read_from = begun + pause_after(begun.elapsed());
        }
        shown.send_replace(Arc::new(board(&app, concert, known)));
    }
}

/// A tick that is a little early counts.
fn pause_after(took: Duration) -> Duration {
    let pause = (took * REST).clamp(EVERY, EVERY_MAX);
    pause.saturating_sub(EVERY / 2)
}

/// As the product itself: what is read is everybody's who watches, and each of them is asked for their
/// right by whoever shows it.
async fn read(app: &App, concert: ConcertId) -> Result<Option<Sale>, StoreError> {
    let _place = app.boards().readers.acquire().await;
    let by = Acting::system("on_sale");
    let transaction = Transaction::begin_reading(app.writer(), &by).await?;
    let found = stock::find_sale(&transaction, concert).await;
    transaction.rollback().await;
    let found = found?;
    if let Some(sale) = &found {
        app.rates().note_left(concert, sale.available_tickets);
    }
    Ok(found)
}

fn board(
    app: &App,
    concert: ConcertId,
    (sale, read_at, is_current): (Sale, Timestamp, bool),
) -> Board {
    Board {
        sale,
        read_at,
        is_current,
        at: app.ctx().now(),
        waiting: app.waiting_for(concert),
        seconds: app.rates().recent(concert),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_takes_a_twentieth_of_the_time_at_most_unless_figures_would_get_too_old() {
        let pause = |ms| pause_after(Duration::from_millis(ms)).as_millis();
        assert_eq!([pause(1), pause(100), pause(4_000)], [500, 1_500, 9_500]);
    }

    #[test]
    fn a_rate_is_told_over_some_seconds() {
        let mut seconds = vec![Second::default(); 300];
        for second in &mut seconds[290..] {
            second.answers[Answer::Admitted as usize] = 7;
        }
        seconds[299].answers[Answer::SoldOut as usize] = 1;
        let board = Board {
            sale: Sale {
                total_tickets: 100,
                available_tickets: 60,
                held: 30,
                payments_undecided: 2,
            },
            read_at: Timestamp::UNIX_EPOCH,
            is_current: true,
            at: Timestamp::UNIX_EPOCH,
            waiting: 0,
            seconds,
        };
        assert_eq!(board.rate_tenths(Answer::Admitted), 70);
        assert_eq!(board.rate_tenths(Answer::SoldOut), 2);
        assert_eq!((board.taken(), board.sold()), (40, 10));
    }
}
