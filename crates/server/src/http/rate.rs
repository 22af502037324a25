//! How many requests one client may make: a budget for each kind of request, by the client's network.
//!
//! The numbers are for a crowd behind one address, such as a school or the shared address of a
//! mobile network; `docs/security.md` explains them. They keep one client from taking a small
//! server for itself. Who may buy how many tickets is decided elsewhere.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use governor::clock::{Clock as _, MonotonicClock};
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use http::Method;

use crate::config::RateLimit;
use crate::{setup, staff};

/// What a request counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A page or a reading call of the API.
    Read,
    /// A new reservation.
    Reserve,
    /// A stream of events that begins.
    Watch,
    /// Any other change.
    Write,
    /// An attempt to sign in.
    SignIn,
    /// A customer who begins to sign in: a mail is sent, or the provider asked.
    Link,
}

/// Addresses where somebody signs in: guessing has to be slow.
const SIGN_IN: [&str; 2] = ["/api/v1/admin/sessions", staff::SIGN_IN];
/// Where customers begin to. Nothing can be guessed there, but each costs a mail or a row.
const LINK: [&str; 2] = ["/api/v1/sessions/email", "/{lang}/sign-in"];
/// Each leaves a row of the audit log for good, and is work.
const OWN_DATA: [&str; 4] = [
    "/api/v1/me/export",
    "/{lang}/me/export",
    "/api/v1/me/erase",
    "/{lang}/me/erase",
];
const PROVIDER: &str = "/auth/oidc/start";
const RESERVE: [&str; 2] = ["/api/v1/reservations", "/{lang}/concerts/{id}/hold"];
const WEBHOOKS: &str = "/webhooks/{provider}";
const WATCH: &str = "/api/v1/concerts/{id}/live";
/// Answered from memory without any work; load balancers ask all the time.
const HEALTH: &str = "/healthz";
const ASSETS: &str = "/assets/";

impl Kind {
    /// `None` for what is free.
    fn of(method: &Method, route: &str) -> Option<Self> {
        if method == Method::POST {
            if RESERVE.contains(&route) {
                return Some(Self::Reserve);
            }
            if SIGN_IN.contains(&route) {
                return Some(Self::SignIn);
            }
            if LINK.contains(&route) {
                return Some(Self::Link);
            }
        }
        if route == PROVIDER || OWN_DATA.contains(&route) {
            return Some(Self::Link);
        }
        // Looking whether its token is right is an attempt too.
        if route == setup::PATH {
            return Some(Self::SignIn);
        }
        if route == WATCH {
            return Some(Self::Watch);
        }
        // One provider's few addresses speak for all buyers, and a signature is cheap to check.
        if route == WEBHOOKS {
            return Some(Self::Read);
        }
        let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
        if reads && (route == HEALTH || route.starts_with(ASSETS)) {
            return None;
        }
        Some(if reads { Self::Read } else { Self::Write })
    }

    /// How many at once, and after which time one more.
    const fn allowance(self) -> (u32, Duration) {
        match self {
            Self::Read => (20_000, Duration::from_millis(2)),
            Self::Reserve => (10_000, Duration::from_millis(5)),
            Self::Watch => (5_000, Duration::from_millis(10)),
            Self::Write => (5_000, Duration::from_millis(20)),
            Self::SignIn => (20, Duration::from_secs(6)),
            Self::Link => (200, Duration::from_secs(5)),
        }
    }
}

/// The budgets of all clients. Without a budget nothing of that kind is limited.
#[derive(Debug, Default)]
pub struct Budgets {
    read: Option<Budget>,
    reserve: Option<Budget>,
    watch: Option<Budget>,
    write: Option<Budget>,
    sign_in: Option<Budget>,
    link: Option<Budget>,
}

impl Budgets {
    /// The product's; without rate limits, sign-in keeps its own.
    pub fn new(rate_limit: RateLimit) -> Self {
        let sign_in = Self::default().with(Kind::SignIn);
        match rate_limit {
            RateLimit::Off => sign_in,
            RateLimit::On => {
                let kinds = [
                    Kind::Read,
                    Kind::Reserve,
                    Kind::Watch,
                    Kind::Write,
                    Kind::Link,
                ];
                kinds.into_iter().fold(sign_in, Self::with)
            }
        }
    }

    /// Limits this kind as well.
    #[must_use]
    pub fn with(mut self, kind: Kind) -> Self {
        let (burst, one_each) = kind.allowance();
        *self.budget_mut(kind) = Budget::new(burst, one_each);
        self
    }

    fn budget_mut(&mut self, kind: Kind) -> &mut Option<Budget> {
        match kind {
            Kind::Read => &mut self.read,
            Kind::Reserve => &mut self.reserve,
            Kind::Watch => &mut self.watch,
            Kind::Write => &mut self.write,
            Kind::SignIn => &mut self.sign_in,
            Kind::Link => &mut self.link,
        }
    }

    fn budget(&self, kind: Kind) -> Option<&Budget> {
        let budget = match kind {
            Kind::Read => &self.read,
            Kind::Reserve => &self.reserve,
            Kind::Watch => &self.watch,
            Kind::Write => &self.write,
            Kind::SignIn => &self.sign_in,
            Kind::Link => &self.link,
        };
        budget.as_ref()
    }

    /// Whether a request has to wait, and how long.
    pub(super) fn spend(
        &self,
        request: &Request,
        client: impl FnOnce() -> Option<IpAddr>,
    ) -> Option<Duration> {
        let route = request.extensions().get::<MatchedPath>();
        let route = route.map_or_else(|| request.uri().path(), MatchedPath::as_str);
        let kind = Kind::of(request.method(), route)?;
        let budget = self.budget(kind)?;
        budget.spend(client()?)
    }
}

/// One kind's budget for every client.
#[derive(Debug)]
struct Budget(RateLimiter<IpAddr, Recent<IpAddr>, MonotonicClock>);

impl Budget {
    fn new(burst: u32, one_each: Duration) -> Option<Self> {
        let quota = Quota::with_period(one_each)?.allow_burst(NonZeroU32::new(burst)?);
        let limiter = RateLimiter::new(quota, Recent::new(CLIENTS_MAX), MonotonicClock);
        Some(Self(limiter))
    }

    fn spend(&self, client: IpAddr) -> Option<Duration> {
        let refused = self.0.check_key(&client).err()?;
        Some(refused.wait_time_from(MonotonicClock.now()))
    }
}

/// Clients of one kind that are remembered: some 10 MB for all kinds together when it is full.
const CLIENTS_MAX: usize = 50_000;

/// What was spent, by client. Two halves: when the younger one is full, the older one is forgotten,
/// which gives back their budget to those who haven't come for longest.
#[derive(Debug)]
struct Recent<K> {
    half_max: usize,
    halves: Mutex<[HashMap<K, Nanos>; 2]>,
}

impl<K> Recent<K> {
    fn new(clients_max: usize) -> Self {
        Self {
            half_max: clients_max / 2,
            halves: Mutex::default(),
        }
    }
}

impl<K: Hash + Eq + Copy> StateStore for Recent<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        let [young, old] = &mut *halves;
        let before = young.get(key).or_else(|| old.get(key)).copied();
        let measured = measure(before);
        // Who is refused is remembered as well, or hammering would bring the budget back.
        let after = measured.as_ref().map_or(before, |(_, after)| Some(*after));
        if let Some(after) = after {
            if young.len() >= self.half_max && !young.contains_key(key) {
                *old = std::mem::take(young);
            }
            young.insert(*key, after);
        }
        measured.map(|(answer, _)| answer)
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;
    use governor::middleware::NoOpMiddleware;

    use super::*;

    #[test]
    fn requests_are_told_apart_by_method_and_route() {
        for (method, route, kind) in [
            (Method::GET, "/{lang}/", Some(Kind::Read)),
            (Method::HEAD, "/{lang}/concerts/{id}", Some(Kind::Read)),
            (Method::GET, "/readyz", Some(Kind::Read)),
            (Method::GET, "/en/none", Some(Kind::Read)),
            (Method::POST, "/api/v1/reservations", Some(Kind::Reserve)),
            (
                Method::POST,
                "/{lang}/concerts/{id}/hold",
                Some(Kind::Reserve),
            ),
            (Method::GET, "/api/v1/reservations", Some(Kind::Read)),
            (Method::GET, "/api/v1/concerts/{id}/live", Some(Kind::Watch)),
            (Method::POST, "/api/v1/admin/sessions", Some(Kind::SignIn)),
            (Method::POST, "/staff/setup", Some(Kind::SignIn)),
            (Method::GET, "/staff/setup", Some(Kind::SignIn)),
            (Method::POST, "/api/v1/sessions/email", Some(Kind::Link)),
            (Method::POST, "/{lang}/sign-in", Some(Kind::Link)),
            (Method::GET, "/{lang}/sign-in", Some(Kind::Read)),
            (Method::POST, "/{lang}/sign-in/{token}", Some(Kind::Write)),
            (Method::GET, "/auth/oidc/start", Some(Kind::Link)),
            (Method::POST, "/theme", Some(Kind::Write)),
            (Method::POST, "/none", Some(Kind::Write)),
            (Method::DELETE, "/api/v1/admin/sessions", Some(Kind::Write)),
            (Method::GET, "/healthz", None),
            (Method::GET, "/assets/{*path}", None),
            (Method::GET, "/assets", Some(Kind::Read)),
            (Method::GET, "/assetsx", Some(Kind::Read)),
            (Method::GET, "/healthz-x", Some(Kind::Read)),
            (Method::GET, "/healthz/x", Some(Kind::Read)),
            (Method::POST, "/healthz-x", Some(Kind::Write)),
            (Method::POST, "/healthz", Some(Kind::Write)),
            (Method::POST, "/assets/{*path}", Some(Kind::Write)),
        ] {
            assert_eq!(Kind::of(&method, route), kind, "{method} {route}");
        }
    }

    type Limiter = RateLimiter<u32, Recent<u32>, FakeRelativeClock, NoOpMiddleware<Nanos>>;

    fn limiter(clock: &FakeRelativeClock) -> Limiter {
        let quota = Quota::with_period(Duration::from_secs(6)).unwrap();
        let quota = quota.allow_burst(NonZeroU32::new(2).unwrap());
        RateLimiter::new(quota, Recent::new(4), clock.clone())
    }

    #[test]
    fn a_budget_is_each_clients_own_and_comes_back_with_time() {
        let clock = FakeRelativeClock::default();
        let limiter = limiter(&clock);
        let spends = |client: u32| limiter.check_key(&client).is_ok();
        assert!(spends(1) && spends(1) && !spends(1) && spends(2));
        clock.advance(Duration::from_secs(6));
        assert!(spends(1) && !spends(1));
    }

    #[test]
    fn memory_is_bounded_and_who_keeps_hammering_is_not_forgotten() {
        let clock = FakeRelativeClock::default();
        let limiter = limiter(&clock);
        let spends = |client: u32| limiter.check_key(&client).is_ok();
        assert!(spends(0) && spends(0));
        for other in 1..100 {
            assert!(spends(other));
            assert!(!spends(0), "after {other} others");
        }
        let halves = limiter.into_state_store();
        let kept: usize = halves.halves.lock().unwrap().iter().map(HashMap::len).sum();
        assert!(kept <= 4, "{kept}");
    }
}
