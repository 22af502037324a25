//! Places that one client may take at one time, so that nobody alone takes all there are.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many places each client has taken. Bounded by the places themselves: who has none is
/// forgotten. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    each_max: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

impl Places {
    pub fn new(each_max: usize) -> Self {
        Self(Arc::new(Inner {
            each_max,
            taken: Mutex::default(),
        }))
    }

    /// A place until it is dropped; `None` when this client has as many as it may.
    pub fn take(&self, client: IpAddr) -> Option<Place> {
        let mut taken = self.0.lock();
        let count = taken.entry(client).or_default();
        if *count >= self.0.each_max {
            return None;
        }
        *count += 1;
        Some(Place {
            places: Arc::clone(&self.0),
            client,
        })
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place that is taken as long as this lives.
#[derive(Debug)]
pub struct Place {
    places: Arc<Inner>,
    client: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        if let Some(count) = taken.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own_places_and_gets_them_back() {
        let places = Places::new(2);
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap());
        let first = places.take(one);
        let second = places.take(one);
        assert!(first.is_some() && second.is_some() && places.take(one).is_none());
        assert!(places.take(other).is_some());
        drop(first);
        assert!(places.take(one).is_some());
        drop(second);
        assert!(places.0.lock().is_empty());
    }
}
