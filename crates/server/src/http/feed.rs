//! Server-sent events about a concert's tickets (WHATWG HTML, 9.2), cheap for very many watchers.
//!
//! One task per watched concert makes each frame once and sets the pace; a watcher costs a
//! connection and a place in a channel, and no timer. Which events there are is `app::live`'s.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use app::App;
use app::live::Availability;
use axum::body::{Body, Bytes};
use domain::id::ConcertId;
use futures_util::stream;
use store::StoreError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::places::{Place, Places};
use crate::config::RateLimit;

/// A rush changes the stock hundreds of times a second; nobody reads faster than this.
const FRAME_EVERY: Duration = Duration::from_secs(1);
/// Proxies close what is silent for a minute or half of one.
const PING_EVERY: Duration = Duration::from_secs(20);
/// A comment, which browsers ignore.
const PING: Bytes = Bytes::from_static(b":\n\n");
/// A watcher needs some 20 KB with its connection: more than this take memory from those who buy.
const WATCHERS_MAX: usize = 20_000;
/// One client's share of them, be it a school.
const SHARE: usize = 4;
/// More than any house has; each is asked for their right every few seconds.
const STAFF_MAX: usize = 200;
/// When a server ends, its watchers come back spread over this time.
const RETRY_MS: (u64, u64) = (2_000, 6_000);

/// What the watchers of one concert see.
#[derive(Clone, Debug)]
struct Seen {
    frame: Bytes,
    /// Counts the frames, so that a watcher tells a new one from a ping.
    frames: u64,
    pings: u64,
}

impl Seen {
    fn first(now: Availability) -> Self {
        Self {
            frame: frame(now),
            frames: 0,
            pings: 0,
        }
    }
}

/// The watched concerts of this process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Feeds(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    feeds: Mutex<HashMap<ConcertId, Feed>>,
    places: Arc<Semaphore>,
    /// `None` where clients aren't limited.
    each: Option<Places>,
    /// For staff, whom no crowd of buyers keeps out.
    staff: Arc<Semaphore>,
    is_closed: watch::Sender<bool>,
}

#[derive(Debug)]
struct Feed {
    seen: watch::Sender<Seen>,
    task: AbortHandle,
}

/// Why a concert can't be watched.
#[derive(Debug)]
pub enum WatchError {
    UnknownConcert,
    /// Every place is taken, or the server is about to end.
    Full,
    Store(StoreError),
}

impl From<StoreError> for WatchError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Feeds {
    /// `open_files_max`: how many connections and files the process may have; watchers get half.
    pub fn new(open_files_max: usize, rate_limit: RateLimit) -> Self {
        let places = WATCHERS_MAX.min(open_files_max / 2);
        let each = (rate_limit == RateLimit::On).then(|| Places::new(places / SHARE));
        Self(Arc::new(Inner {
            feeds: Mutex::default(),
            places: Arc::new(Semaphore::new(places)),
            each,
            staff: Arc::new(Semaphore::new(STAFF_MAX)),
            is_closed: watch::Sender::new(false),
        }))
    }

    /// Ends all streams, so that a server that stops doesn't wait for them.
    pub fn close(&self) {
        self.0.is_closed.send_replace(true);
        for (_, feed) in self.lock().drain() {
            feed.task.abort();
        }
    }

    /// The stream of a concert's frames: how it stands at once, then every change.
    pub async fn watch(
        &self,
        app: &App,
        concert: ConcertId,
        client: Option<IpAddr>,
    ) -> Result<Body, WatchError> {
        let place = self.take_place(client)?;
        let found = self.lock().get(&concert).map(|feed| feed.seen.subscribe());
        let seen = match found {
            Some(seen) => seen,
            None => self.begin(app, concert).await?,
        };
        let (from, to) = RETRY_MS;
        let retry = from + app.ctx().random_u64() % (to - from);
        Ok(stream_of(seen, retry, place))
    }

    /// A place for somebody of the staff.
    pub fn take_staff_place(&self) -> Result<OwnedSemaphorePermit, WatchError> {
        let place = Arc::clone(&self.0.staff).try_acquire_owned();
        place.map_err(|_| WatchError::Full)
    }

    /// Waits until the server stops.
    pub async fn closed(&self) {
        let mut is_closed = self.0.is_closed.subscribe();
        let _ = is_closed.wait_for(|is_closed| *is_closed).await;
    }

    fn take_place(&self, client: Option<IpAddr>) -> Result<WatchingPlace, WatchError> {
        let each = match (&self.0.each, client) {
            (Some(each), Some(client)) => Some(each.take(client).ok_or(WatchError::Full)?),
            _ => None,
        };
        let all = Arc::clone(&self.0.places).try_acquire_owned();
        let all = all.map_err(|_| WatchError::Full)?;
        Ok(WatchingPlace {
            _all: all,
            _each: each,
        })
    }

    /// Begins to follow a concert that nobody here watches yet.
    async fn begin(
        &self,
        app: &App,
        concert: ConcertId,
    ) -> Result<watch::Receiver<Seen>, WatchError> {
        let source = app.live().watch(concert).await?;
        let mut source = source.ok_or(WatchError::UnknownConcert)?;
        let mut feeds = self.lock();
        // Asked under the lock, so that `close` finds every feed that was begun.
        if *self.0.is_closed.borrow() {
            return Err(WatchError::Full);
        }
        let feed = feeds.entry(concert).or_insert_with(|| {
            let shown = *source.borrow_and_update();
            let seen = watch::Sender::new(Seen::first(shown));
            let source = (source, shown);
            let task = tokio::spawn(follow(self.clone(), concert, source, seen.clone()));
            Feed {
                seen,
                task: task.abort_handle(),
            }
        });
        Ok(feed.seen.subscribe())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConcertId, Feed>> {
        self.0.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets a concert that nobody watches; `false` when somebody came meanwhile.
    fn end_unwatched(&self, concert: ConcertId, feed: &watch::Sender<Seen>) -> bool {
        let mut feeds = self.lock();
        let is_unwatched = feed.receiver_count() == 0;
        if is_unwatched {
            feeds.remove(&concert);
        }
        is_unwatched
    }
}

/// Passes a concert's changes on until nobody watches it, it is gone, or the server stops.
async fn follow(
    feeds: Feeds,
    concert: ConcertId,
    (mut source, mut shown): (watch::Receiver<Availability>, Availability),
    feed: watch::Sender<Seen>,
) {
    let mut ping_at = Instant::now() + PING_EVERY;
    loop {
        tokio::select! {
            () = feed.closed() => {
                if feeds.end_unwatched(concert, &feed) {
                    return;
                }
            }
            () = tokio::time::sleep_until(ping_at) => {
                feed.send_modify(|seen| seen.pings += 1);
                ping_at = Instant::now() + PING_EVERY;
            }
            changed = source.changed() => {
                if changed.is_err() {
                    feeds.lock().remove(&concert);
                    return;
                }
                let now = *source.borrow_and_update();
                if now != shown {
                    shown = now;
                    feed.send_modify(|seen| {
                        seen.frame = frame(now);
                        seen.frames += 1;
                    });
                    ping_at = Instant::now() + PING_EVERY;
                    tokio::time::sleep(FRAME_EVERY).await;
                }
            }
        }
    }
}

fn frame(now: Availability) -> Bytes {
    let (tickets, status) = (now.available_tickets, now.status);
    Bytes::from(format!(
        "event: availability\ndata: {{\"available_tickets\":{tickets},\"status\":\"{}\"}}\n\n",
        status.as_str()
    ))
}

struct Watcher {
    seen: watch::Receiver<Seen>,
    /// Frames that were shown; `None` before the first.
    frames: Option<u64>,
    retry_ms: u64,
    _place: WatchingPlace,
}

/// Given back when the stream is dropped.
struct WatchingPlace {
    _all: OwnedSemaphorePermit,
    _each: Option<Place>,
}

fn stream_of(seen: watch::Receiver<Seen>, retry_ms: u64, place: WatchingPlace) -> Body {
    let watcher = Watcher {
        seen,
        frames: None,
        retry_ms,
        _place: place,
    };
    Body::from_stream(stream::unfold(watcher, async |mut watcher| {
        let bytes = watcher.next().await?;
        Some((Ok::<_, Infallible>(bytes), watcher))
    }))
}

impl Watcher {
    /// What to send next; `None` when there is nothing to watch any more.
    async fn next(&mut self) -> Option<Bytes> {
        let Some(frames) = self.frames else {
            let seen = self.seen.borrow_and_update().clone();
            self.frames = Some(seen.frames);
            let retry = format!("retry: {}\n", self.retry_ms).into_bytes();
            return Some([&retry[..], &seen.frame[..]].concat().into());
        };
        self.seen.changed().await.ok()?;
        let seen = self.seen.borrow_and_update();
        if seen.frames == frames {
            return Some(PING);
        }
        self.frames = Some(seen.frames);
        Some(seen.frame.clone())
    }
}

#[cfg(test)]
mod tests {
    use domain::concert::ConcertStatus;

    use super::*;

    #[test]
    fn a_frame_is_one_event_with_one_line_of_json() {
        let now = Availability {
            available_tickets: 7,
            status: ConcertStatus::Open,
        };
        let wanted = "event: availability\ndata: {\"available_tickets\":7,\"status\":\"open\"}\n\n";
        assert_eq!(frame(now), wanted);
    }

    #[tokio::test]
    async fn one_client_can_take_a_quarter_of_the_places() {
        let feeds = Feeds::new(80, RateLimit::On);
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().ok());
        let mut taken: Vec<_> = (0..10).map(|_| feeds.take_place(one).ok()).collect();
        assert!(taken.iter().all(Option::is_some));
        assert!(feeds.take_place(one).is_err() && feeds.take_place(other).is_ok());
        taken.clear();
        assert!(feeds.take_place(one).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn changes_come_once_a_second_at_most_and_silence_is_filled_with_comments() {
        let feeds = Feeds::new(100, RateLimit::On);
        let concert = ConcertId::new(1).unwrap();
        let now = |available_tickets| Availability {
            available_tickets,
            status: ConcertStatus::Open,
        };
        let (changes, source) = watch::channel(now(100));
        let (feed, receiver) = watch::channel(Seen::first(now(100)));
        tokio::spawn(follow(feeds.clone(), concert, (source, now(100)), feed));
        let place = feeds.take_place(None).ok().unwrap();
        let mut watcher = Watcher {
            seen: receiver,
            frames: None,
            retry_ms: 2_000,
            _place: place,
        };
        let first = watcher.next().await.unwrap();
        assert!(first.starts_with(b"retry: 2000\nevent: availability\n"));
        let begun = Instant::now();
        let selling = tokio::spawn(async move {
            for left in (0..100).rev() {
                changes.send_replace(now(left));
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            changes
        });
        let mut frames = 0;
        loop {
            let next = watcher.next().await.unwrap();
            frames += 1;
            if next == frame(now(0)) {
                break;
            }
        }
        let took = begun.elapsed();
        assert!(frames <= took.as_secs() + 1, "{frames} frames in {took:?}");
        let changes = selling.await.unwrap();
        let begun = Instant::now();
        assert_eq!(watcher.next().await, Some(PING));
        assert!(begun.elapsed() <= PING_EVERY);
        drop(changes);
        assert_eq!(watcher.next().await, None);
    }
}
