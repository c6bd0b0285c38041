//! Refreshes that are under way in this process, and those that have failed and are not tried again at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::domain::{entry::Millis, key::Key};

/// How long a key is not refreshed again after a load that failed: who may serve the old value serves it.
const RETRY_AFTER: Millis = 1_000;
/// So many failures are remembered. Above it the next one is tried again at once.
const CAPACITY: usize = 10_000;

/// The refreshes of one cache.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refreshes(Arc<Mutex<HashMap<Key, Refresh>>>);

#[derive(Clone, Copy, Debug)]
enum Refresh {
    UnderWay,
    FailedUntil(Millis),
}

/// A refresh; over when dropped, and failed where that is because of a panic.
#[derive(Debug)]
pub(crate) struct Refreshing {
    refreshes: Refreshes,
    key: Key,
    begun: Millis,
}

impl Refreshes {
    /// `None`: somebody else in this process does it, or it has failed a moment ago.
    pub(crate) fn begin(&self, key: &Key, now: Millis) -> Option<Refreshing> {
        let mut refreshes = self.lock();
        match refreshes.get(key) {
            Some(Refresh::UnderWay) => return None,
            Some(Refresh::FailedUntil(until)) if now < *until => return None,
            Some(Refresh::FailedUntil(_)) | None => {}
        }
        refreshes.insert(key.clone(), Refresh::UnderWay);
        Some(Refreshing { refreshes: self.clone(), key: key.clone(), begun: now })
    }

    /// A load of this key has failed, and there is an old value to serve.
    pub(crate) fn failed(&self, key: &Key, now: Millis) {
        let mut refreshes = self.lock();
        if refreshes.len() >= CAPACITY {
            refreshes.retain(|_, refresh| match refresh {
                Refresh::UnderWay => true,
                Refresh::FailedUntil(until) => now < *until,
            });
        }
        if refreshes.len() < CAPACITY {
            refreshes.insert(key.clone(), Refresh::FailedUntil(now + RETRY_AFTER));
        }
    }

    /// Whether a load of this key has failed a moment ago.
    pub(crate) fn has_failed(&self, key: &Key, now: Millis) -> bool {
        matches!(self.lock().get(key), Some(Refresh::FailedUntil(until)) if now < *until)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Refresh>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Refreshing {
    fn drop(&mut self) {
        let mut refreshes = self.refreshes.lock();
        if !matches!(refreshes.get(&self.key), Some(Refresh::UnderWay)) {
            return;
        }
        if std::thread::panicking() {
            refreshes.insert(self.key.clone(), Refresh::FailedUntil(self.begun + RETRY_AFTER));
        } else {
            refreshes.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::key::KeyWriter;

    fn key(number: usize) -> Key {
        let mut key = KeyWriter::new("k");
        key.integer(number);
        key.finish()
    }

    #[test]
    fn one_refresh_at_a_time_and_none_right_after_a_failure() {
        let refreshes = Refreshes::default();
        let first = refreshes.begin(&key(1), 0).expect("the first");
        assert!(refreshes.begin(&key(1), 0).is_none() && refreshes.begin(&key(2), 0).is_some());
        drop(first);
        let second = refreshes.begin(&key(1), 0).expect("the first is over");
        refreshes.failed(&key(1), 0);
        drop(second);
        assert!(
            refreshes.has_failed(&key(1), RETRY_AFTER - 1) && !refreshes.has_failed(&key(1), RETRY_AFTER)
        );
        assert!(refreshes.begin(&key(1), RETRY_AFTER - 1).is_none());
        assert!(refreshes.begin(&key(1), RETRY_AFTER).is_some());
        assert!(refreshes.lock().is_empty(), "nothing is kept of what is over");
    }

    #[test]
    fn failures_that_are_remembered_are_bounded() {
        let refreshes = Refreshes::default();
        (0..CAPACITY + 5).for_each(|number| refreshes.failed(&key(number), 0));
        assert_eq!(refreshes.lock().len(), CAPACITY);
        refreshes.failed(&key(CAPACITY + 7), RETRY_AFTER);
        assert_eq!(refreshes.lock().len(), 1, "those that are over make room");
    }
}
