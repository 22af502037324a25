//! bcrypt, away from the threads that answer requests, and so few at once that a flood of passwords
//! leaves the processor to buyers; and so that a flood of strangers leaves room for who is known.
//!
//! Absent on purpose: who may try again and when; that is `sign_in`'s.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use domain::password::{self, Password};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// bcrypt's work factor: about a quarter of a second on one core of 2026.
pub(crate) const COST: u32 = 12;
/// However big the machine, a flood gets no more of it.
const AT_ONCE_MAX: usize = 4;
/// Waiting and working together, for each that may work at once: on an idle machine whoever comes
/// last waits just under two seconds.
const PLACES_EACH: usize = 8;
/// The same for strangers, who have places of their own: those of who is known stay free however many
/// strangers come, and whoever of these comes last waits a second and a half.
const STRANGERS_PLACES_EACH: usize = 6;
/// On a busy one nobody waits longer, for a request has five seconds, its own work included.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// What is checked when there is no account: as much work, and no password fits, for nobody knows
/// the one that made it.
const NOBODYS: &str = "$2b$12$mLHqXAtmIOpAhTYOVHf8U.5UpqBzZcsMyVDq8v3lGHwCkMnOhQ5dm";

/// No place is free: too many passwords wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords wait to be checked")]
pub struct Crowded;

/// Who comes to the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comer {
    /// A name where it has signed in lately, or somebody who has shown already who they are. They
    /// can't be a flood: a name's failures at an address soon lock it there.
    Known,
    /// Whoever else; there may be as many as there are addresses.
    Stranger,
}

/// The door to bcrypt.
///
/// INVARIANT: whoever is known waits for at most one turn of a stranger, and for a place never;
/// guarded by `strangers_leave_a_place_and_the_next_turn_to_who_is_known`.
#[derive(Debug)]
pub(crate) struct Passwords {
    places: Arc<Semaphore>,
    strangers_places: Arc<Semaphore>,
    /// Passed before `at_once`, so that no more strangers than this work or stand in that line: one
    /// fewer than may work, and where only one may, the one who works.
    strangers_at_once: Arc<Semaphore>,
    at_once: Arc<Semaphore>,
    worked: Arc<AtomicU64>,
}

impl Passwords {
    /// Half of the cores, at least one.
    pub(crate) fn new() -> Self {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::of((cores / 2).clamp(1, AT_ONCE_MAX))
    }

    fn of(at_once: usize) -> Self {
        let strangers = (at_once - 1).max(1);
        Self {
            places: Arc::new(Semaphore::new(at_once * PLACES_EACH)),
            strangers_places: Arc::new(Semaphore::new(strangers * STRANGERS_PLACES_EACH)),
            strangers_at_once: Arc::new(Semaphore::new(strangers)),
            at_once: Arc::new(Semaphore::new(at_once)),
            worked: Arc::default(),
        }
    }

    /// Waits for its turn, or refuses when too many wait.
    pub(crate) async fn enter(&self, comer: Comer) -> Result<Turn, Crowded> {
        let places = match comer {
            Comer::Known => &self.places,
            Comer::Stranger => &self.strangers_places,
        };
        let place = Arc::clone(places).try_acquire_owned();
        let place = place.map_err(|_| Crowded)?;
        let entered = tokio::time::timeout(WAIT_MAX, async {
            let as_stranger = match comer {
                Comer::Known => None,
                Comer::Stranger => Some(Arc::clone(&self.strangers_at_once).acquire_owned().await?),
            };
            let working = Arc::clone(&self.at_once).acquire_owned().await?;
            Ok::<_, AcquireError>((working, as_stranger))
        });
        let (working, as_stranger) = entered.await.map_err(|_| Crowded)?.map_err(|_| Crowded)?;
        Ok(Turn {
            _working: working,
            _as_stranger: as_stranger,
            _place: place,
            worked: Arc::clone(&self.worked),
        })
    }

    /// How often bcrypt ran.
    pub(crate) fn worked(&self) -> u64 {
        self.worked.load(Ordering::Relaxed)
    }
}

/// Leave to work on passwords, one after the other; dropping it lets the next one in. Fields are
/// dropped in this order: who is known gets the turn before the next stranger stands in line for it.
#[derive(Debug)]
pub(crate) struct Turn {
    _working: OwnedSemaphorePermit,
    _as_stranger: Option<OwnedSemaphorePermit>,
    _place: OwnedSemaphorePermit,
    worked: Arc<AtomicU64>,
}

impl Turn {
    /// Whether the password is the one of `hash`. Without a hash it never is, after as much work.
    pub(crate) async fn check(&self, password: String, hash: Option<String>) -> bool {
        // bcrypt would read the first 72 bytes alone; nobody's password is longer.
        let fits = hash.is_some() && password.len() <= password::BYTES_MAX;
        let hash = hash.filter(|_| fits).unwrap_or_else(|| NOBODYS.to_owned());
        let is_right = self
            .work(move || match bcrypt::verify(&password, &hash) {
                Ok(is_right) => is_right,
                Err(error) => {
                    tracing::error!(%error, "a stored password hash is damaged; reset the password");
                    false
                }
            })
            .await;
        fits && is_right
    }

    /// `None` only when bcrypt itself fails, which it doesn't for a password that fits.
    pub(crate) async fn hash(&self, password: &Password) -> Option<String> {
        let password = password.reveal().to_owned();
        let hash = self.work(move || bcrypt::hash(password, COST)).await;
        hash.inspect_err(|error| tracing::error!(%error, "a password could not be hashed"))
            .ok()
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.worked.fetch_add(1, Ordering::Relaxed);
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(failure) => std::panic::resume_unwind(
                failure
                    .try_into_panic()
                    .unwrap_or_else(|_| Box::new("the runtime is shutting down")),
            ),
        }
    }
}

/// Whether a hash was made with less work than today's.
pub(crate) fn is_weak(hash: &str) -> bool {
    // $2b$12$…
    let cost = hash.split('$').nth(2).and_then(|cost| cost.parse().ok());
    cost.is_none_or(|cost: u32| cost < COST)
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;

    use super::*;

    #[tokio::test]
    async fn only_its_own_password_fits_a_hash_and_none_fits_nobodys() {
        let turn = Passwords::of(1).enter(Comer::Known).await.unwrap();
        let hash = bcrypt::hash("correct horse", 4).unwrap();
        let check = async |password: &str, hash: Option<&String>| {
            turn.check(password.to_owned(), hash.cloned()).await
        };
        assert!(check("correct horse", Some(&hash)).await);
        assert!(!check("wrong horse", Some(&hash)).await);
        assert!(!check("correct horse", None).await);
        assert!(!check("correct horse", Some(&"$2b$".to_owned())).await);
        let long = "x".repeat(72);
        let hash = bcrypt::hash(&long, 4).unwrap();
        assert!(check(&long, Some(&hash)).await);
        assert!(!check(&format!("{long}y"), Some(&hash)).await);
        assert_eq!(turn.worked.load(Ordering::Relaxed), 6);
    }

    #[test]
    fn nobodys_hash_is_as_much_work_as_a_new_one() {
        assert!(bcrypt::verify("x", NOBODYS).is_ok());
        assert!(!is_weak(NOBODYS));
        assert!(is_weak("$2b$11$x") && is_weak("$2a$04$x") && is_weak("plain"));
    }

    #[tokio::test]
    async fn nobody_waits_longer_than_two_seconds() {
        let passwords = Passwords::of(1);
        let _working = passwords.enter(Comer::Stranger).await.unwrap();
        let begun = std::time::Instant::now();
        let (known, stranger) = tokio::join!(
            passwords.enter(Comer::Known),
            passwords.enter(Comer::Stranger)
        );
        assert_eq!(known.unwrap_err(), Crowded);
        assert_eq!(stranger.unwrap_err(), Crowded);
        let waited = begun.elapsed();
        assert!(waited >= WAIT_MAX && waited < WAIT_MAX * 2, "{waited:?}");
    }

    #[tokio::test]
    async fn whoever_finds_no_place_is_refused_at_once() {
        for (comer, places) in [
            (Comer::Known, PLACES_EACH),
            (Comer::Stranger, STRANGERS_PLACES_EACH),
        ] {
            let passwords = Arc::new(Passwords::of(1));
            let working = passwords.enter(comer).await.unwrap();
            let waiting: Vec<_> = (1..places).map(|_| wait(&passwords, comer)).collect();
            tokio::task::yield_now().await;
            assert_eq!(passwords.enter(comer).await.unwrap_err(), Crowded);
            drop(working);
            for waiter in waiting {
                assert_eq!(waiter.await.unwrap(), Ok(()));
            }
            assert!(passwords.enter(comer).await.is_ok());
        }
    }

    /// Somebody who waits for a turn and gives it back at once.
    fn wait(passwords: &Arc<Passwords>, comer: Comer) -> JoinHandle<Result<(), Crowded>> {
        let passwords = Arc::clone(passwords);
        tokio::spawn(async move { passwords.enter(comer).await.map(drop) })
    }

    #[tokio::test]
    async fn strangers_leave_a_place_and_the_next_turn_to_who_is_known() {
        for at_once in 1..=AT_ONCE_MAX {
            let passwords = Arc::new(Passwords::of(at_once));
            let strangers = (at_once - 1).max(1);
            let mut working = Vec::new();
            for _ in 0..strangers {
                working.push(passwords.enter(Comer::Stranger).await.unwrap());
            }
            let waiting: Vec<_> = (strangers..strangers * STRANGERS_PLACES_EACH)
                .map(|_| wait(&passwords, Comer::Stranger))
                .collect();
            tokio::task::yield_now().await;
            let one_more = passwords.enter(Comer::Stranger).await;
            assert_eq!(one_more.unwrap_err(), Crowded);
            let known = {
                let passwords = Arc::clone(&passwords);
                tokio::spawn(async move { passwords.enter(Comer::Known).await })
            };
            tokio::task::yield_now().await;
            if at_once == 1 {
                // The one who works is waited for, and nobody else.
                assert!(!known.is_finished());
                working.clear();
            }
            let turn = known.await.unwrap();
            assert!(turn.is_ok(), "{at_once} at once");
            assert!(!waiting.iter().any(JoinHandle::is_finished));
        }
    }
}
