//! The socket's side of a connection: hears what PostgreSQL says unasked, and gives a silent
//! server up.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_postgres::AsyncMessage;
use tokio_postgres::error::{DbError, Severity};

/// How often silence is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// PostgreSQL goes on with a COMMIT that waits for a standby, whether or not anybody still listens: as
/// long as a failover may take, its connection is not replaced by another one.
const COMMIT_SILENCE_MAX: Duration = Duration::from_secs(30);
/// The same for work on whole tables, whose COMMIT may have much to write.
const LARGE_COMMIT_SILENCE_MAX: Duration = Duration::from_mins(5);
/// The same for one statement that reads much of a table; longer than a statement may take at all.
const LONG_STATEMENT_SILENCE_MAX: Duration = Duration::from_mins(5);
/// Notifications that may wait to be read; whoever is further behind loses the connection, and
/// with it the belief to know everything.
const HEARD_MAX: usize = 1024;

/// What a connection and the task that drives its socket tell each other.
#[derive(Debug)]
pub(super) struct Link {
    opened: Instant,
    /// Requests without an answer yet. One whose future is dropped stays counted: the next
    /// borrower would wait behind it.
    in_flight: AtomicUsize,
    /// Milliseconds after `opened` when something was last asked or answered.
    moved_ms: AtomicU64,
    /// PostgreSQL warned of something.
    was_warned: AtomicBool,
    /// A COMMIT is under way.
    is_committing: AtomicBool,
    /// A statement is under way that may take long.
    is_patient: AtomicBool,
}

impl Link {
    pub(super) fn new() -> Self {
        Self {
            opened: Instant::now(),
            in_flight: AtomicUsize::new(0),
            moved_ms: AtomicU64::new(0),
            was_warned: AtomicBool::new(false),
            is_committing: AtomicBool::new(false),
            is_patient: AtomicBool::new(false),
        }
    }

    /// Waits for the answer to a request.
    pub(super) async fn answer<T>(&self, request: impl Future<Output = T>) -> T {
        if self.in_flight.fetch_add(1, Ordering::AcqRel) == 0 {
            self.moved();
        }
        let outcome = request.await;
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
        self.moved();
        outcome
    }

    /// Whether a request was sent and its answer never read.
    pub(super) fn owes_answers(&self) -> bool {
        self.in_flight.load(Ordering::Acquire) > 0
    }

    /// A COMMIT begins, or has been answered. One that is given up stays under way.
    pub(super) fn commits(&self, is_committing: bool) {
        self.is_committing.store(is_committing, Ordering::Release);
    }

    /// A statement begins that may take long, or has been answered.
    pub(super) fn waits_patiently(&self, is_patient: bool) {
        self.is_patient.store(is_patient, Ordering::Release);
    }

    /// Whether the server owes an answer for longer than anybody waits for it.
    fn is_silent(&self, silence_max: Option<Duration>) -> bool {
        let is_committing = self.is_committing.load(Ordering::Acquire);
        let is_patient = self.is_patient.load(Ordering::Acquire);
        let silence_max = silence_max.map(|most| {
            if is_patient {
                most.max(LONG_STATEMENT_SILENCE_MAX)
            } else {
                most
            }
        });
        let most = match (silence_max, is_committing) {
            (Some(most), false) => most,
            (Some(most), true) => most.max(COMMIT_SILENCE_MAX),
            (None, true) => LARGE_COMMIT_SILENCE_MAX,
            (None, false) => return false,
        };
        self.silence() > most
    }

    /// Whether there was a warning since the last call.
    pub(super) fn take_warning(&self) -> bool {
        self.was_warned.swap(false, Ordering::AcqRel)
    }

    fn moved(&self) {
        self.moved_ms.store(self.elapsed_ms(), Ordering::Release);
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn silence(&self) -> Duration {
        if !self.owes_answers() {
            return Duration::ZERO;
        }
        let moved = self.moved_ms.load(Ordering::Acquire);
        Duration::from_millis(self.elapsed_ms().saturating_sub(moved))
    }

    fn hear(&self, notice: &DbError) {
        let message = notice.message();
        // The severity in this form isn't translated, as the message may be.
        if notice.parsed_severity() == Some(Severity::Warning) {
            tracing::warn!(message, "PostgreSQL warns");
            self.was_warned.store(true, Ordering::Release);
        } else {
            tracing::debug!(message, "PostgreSQL says");
        }
    }
}

/// Drives the socket until it ends, nobody reads what was notified, or PostgreSQL owes an answer
/// for longer than `silence_max`. Dropping the socket fails everything that still waits on it.
pub(super) async fn drive<S, T>(
    mut socket: tokio_postgres::Connection<S, T>,
    link: Arc<Link>,
    heard: mpsc::Sender<String>,
    silence_max: Option<Duration>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            biased;
            message = poll_fn(|context| socket.poll_message(context)) => message,
            _ = look.tick() => {
                if link.is_silent(silence_max) {
                    tracing::warn!("PostgreSQL has not answered for too long; the connection is given up");
                    return;
                }
                continue;
            }
        };
        match message {
            Some(Ok(AsyncMessage::Notice(notice))) => link.hear(&notice),
            Some(Ok(AsyncMessage::Notification(note))) => {
                if heard.try_send(note.payload().to_owned()).is_err() {
                    return;
                }
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::debug!(%error, "database connection ended");
                return;
            }
            None => return,
        }
    }
}

/// The two ends of what a connection is notified of.
pub(super) fn ear() -> (mpsc::Sender<String>, mpsc::Receiver<String>) {
    mpsc::channel(HEARD_MAX)
}
