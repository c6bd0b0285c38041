//! Invalidations that were not acknowledged: repeated until they are.
//!
//! Until then this process does not serve those keys from the cache (rule 12). When there are more of them than
//! the queue holds, it serves nothing from the cache rather than forget one.

use std::{
    collections::HashSet,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use crate::domain::key::Key;

/// So many keys may wait.
const CAPACITY: usize = 100_000;

/// The keys that wait for their invalidation.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    waiting: Mutex<HashSet<Key>>,
    length: AtomicUsize,
    overflowed: AtomicBool,
    working: AtomicBool,
}

impl Recovery {
    /// Whether a key must not be served from the cache. One load where nothing waits.
    pub(crate) fn covers(&self, key: &Key) -> bool {
        self.length.load(Ordering::Acquire) != 0
            && (self.overflowed.load(Ordering::Acquire) || self.lock().contains(key))
    }

    /// Adds keys; true where the caller must start the worker.
    pub(crate) fn add(&self, keys: impl IntoIterator<Item = Key>) -> bool {
        let mut waiting = self.lock();
        for key in keys {
            if waiting.len() < CAPACITY || waiting.contains(&key) {
                waiting.insert(key);
            } else {
                self.overflowed.store(true, Ordering::Release);
            }
        }
        self.length.store(waiting.len(), Ordering::Release);
        !waiting.is_empty() && !self.working.swap(true, Ordering::AcqRel)
    }

    /// Some of the keys that wait; none ends the work.
    pub(crate) fn batch(&self, size: usize) -> Vec<Key> {
        let waiting = self.lock();
        if waiting.is_empty() {
            self.working.store(false, Ordering::Release);
        }
        waiting.iter().take(size).cloned().collect()
    }

    /// A key whose invalidation was acknowledged.
    pub(crate) fn done(&self, key: &Key) {
        let mut waiting = self.lock();
        waiting.remove(key);
        // Which keys did not fit is not known, so an overflow ends only with the process.
        let length =
            if self.overflowed.load(Ordering::Acquire) { waiting.len().max(1) } else { waiting.len() };
        self.length.store(length, Ordering::Release);
    }

    /// The worker is gone before its work was done.
    pub(crate) fn abandoned(&self) {
        self.working.store(false, Ordering::Release);
    }

    pub(crate) fn len(&self) -> usize {
        self.length.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn a_key_is_covered_until_it_is_done() {
        let recovery = Recovery::default();
        assert!(recovery.add([key(1), key(2)]), "the first to add starts the worker");
        assert!(!recovery.add([key(3)]));
        assert!(recovery.covers(&key(1)) && !recovery.covers(&key(4)));
        recovery.done(&key(1));
        assert!(!recovery.covers(&key(1)) && recovery.covers(&key(2)));
        recovery.done(&key(2));
        recovery.done(&key(3));
        assert_eq!((recovery.len(), recovery.batch(9).len()), (0, 0));
        assert!(recovery.add([key(1)]), "the worker has ended and is started again");
    }

    #[test]
    fn a_queue_that_is_full_covers_everything_for_ever() {
        let recovery = Recovery::default();
        recovery.add((0..=CAPACITY).map(key));
        assert!(recovery.covers(&key(CAPACITY + 7)));
        for number in 0..=CAPACITY {
            recovery.done(&key(number));
        }
        assert!(recovery.covers(&key(0)));
    }
}
