//! Chance that can be repeated: a seed that a failed test prints, and sizes from the environment.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use app::Ctx;
use app::ctx::{ManualClock, SeededRandom};
use jiff::Timestamp;

/// The seed of this run: from `STAGEDOOR_TEST_SEED`, or a new one each time.
pub(crate) fn seed() -> u64 {
    let seed = std::env::var("STAGEDOOR_TEST_SEED").ok();
    let seed = seed.map(|text| text.parse().expect("STAGEDOOR_TEST_SEED is a number"));
    let seed = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    eprintln!("STAGEDOOR_TEST_SEED={seed}");
    seed
}

/// How large a run is: `None` for the short one that everybody runs.
pub(crate) fn size(name: &str) -> Option<usize> {
    let text = std::env::var(name).ok()?;
    let size = text.parse();
    Some(size.unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

/// Random numbers from a seed. Cheap to fork, so that each task has a sequence of its own.
#[derive(Clone, Debug)]
pub(crate) struct Dice(Ctx);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        Self(Ctx::new(clock, Arc::new(SeededRandom::new(seed))))
    }

    pub(crate) fn fork(&self) -> Self {
        Self::new(self.0.random_u64())
    }

    /// From 0 to less than `end`.
    pub(crate) fn below(&self, end: usize) -> usize {
        let end = u64::try_from(end).expect("a number");
        usize::try_from(self.0.random_u64() % end).expect("a number")
    }

    pub(crate) fn percent(&self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn pick<'a, T>(&self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    pub(crate) fn quantity(&self, most: usize) -> i32 {
        i32::try_from(1 + self.below(most)).expect("a quantity")
    }

    pub(crate) fn millis(&self, least: usize, most: usize) -> Duration {
        let span = self.below(most - least + 1) + least;
        Duration::from_millis(u64::try_from(span).expect("a time"))
    }
}
