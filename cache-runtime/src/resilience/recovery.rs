//! Invalidations that were not acknowledged: repeated until they are.
//!
//! Until then this process does not serve those keys from the cache (rule 12). When there are more of them than
//! the queue holds, it serves nothing from the cache rather than forget one.

use std::collections::HashMap;

use crate::{
    domain::key::Key,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

/// So many keys may wait.
const CAPACITY: usize = 100_000;

/// The keys that wait for their invalidation.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    /// With a number that changes each time the key is added: an acknowledgement is of the invalidation that was sent
    /// before, not of one that has failed since.
    waiting: Mutex<HashMap<Key, u64>>,
    added: AtomicU64,
    length: AtomicUsize,
    overflowed: AtomicBool,
    working: AtomicBool,
}

impl Recovery {
    /// Whether a key must not be served from the cache. One load where nothing waits.
    pub(crate) fn covers(&self, key: &Key) -> bool {
        self.length.load(Ordering::Acquire) != 0
            && (self.overflowed.load(Ordering::Acquire) || self.lock().contains_key(key))
    }

    /// Adds keys; true where the caller must start the worker.
    pub(crate) fn add(&self, keys: impl IntoIterator<Item = Key>) {
        let mut waiting = self.lock();
        for key in keys {
            if waiting.len() < CAPACITY || waiting.contains_key(&key) {
                waiting.insert(key, self.added.fetch_add(1, Ordering::Relaxed));
            } else {
                self.overflowed.store(true, Ordering::Release);
            }
        }
        self.length.store(waiting.len(), Ordering::Release);
    }

    /// True where the caller must start the worker.
    pub(crate) fn start(&self) -> bool {
        !self.lock().is_empty() && !self.working.swap(true, Ordering::AcqRel)
    }

    /// Some of the keys that wait; none ends the work.
    pub(crate) fn batch(&self, size: usize) -> Vec<(Key, u64)> {
        let waiting = self.lock();
        if waiting.is_empty() {
            self.working.store(false, Ordering::Release);
        }
        waiting.iter().take(size).map(|(key, added)| (key.clone(), *added)).collect()
    }

    /// A key whose invalidation was acknowledged.
    pub(crate) fn done(&self, key: &Key, added: u64) {
        let mut waiting = self.lock();
        if waiting.get(key) == Some(&added) {
            waiting.remove(key);
        }
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

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, u64>> {
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

    /// The worker's part: everything that waits is acknowledged.
    fn acknowledge(recovery: &Recovery) {
        for (key, added) in recovery.batch(usize::MAX) {
            recovery.done(&key, added);
        }
    }

    #[test]
    fn a_key_is_covered_until_it_is_done() {
        let recovery = Recovery::default();
        recovery.add([key(1), key(2)]);
        assert!(recovery.start() && !recovery.start(), "one worker");
        assert!(recovery.covers(&key(1)) && !recovery.covers(&key(4)));
        let first = recovery.batch(1);
        recovery.done(&first[0].0, first[0].1);
        assert!(!recovery.covers(&first[0].0) && recovery.len() == 1);
        acknowledge(&recovery);
        assert_eq!((recovery.len(), recovery.batch(9).len()), (0, 0));
        recovery.add([key(1)]);
        assert!(recovery.start(), "the worker has ended and is started again");
        recovery.abandoned();
        assert!(recovery.start(), "its runtime has gone, and the work goes on elsewhere");
    }

    #[test]
    fn an_acknowledgement_is_not_of_a_later_failure() {
        let recovery = Recovery::default();
        recovery.add([key(1)]);
        let sent = recovery.batch(9);
        recovery.add([key(1)]);
        recovery.done(&sent[0].0, sent[0].1);
        assert!(recovery.covers(&key(1)));
        acknowledge(&recovery);
        assert!(!recovery.covers(&key(1)));
    }

    #[test]
    fn a_queue_that_is_full_covers_everything_for_ever() {
        let recovery = Recovery::default();
        recovery.add((0..=CAPACITY).map(key));
        assert!(recovery.covers(&key(CAPACITY + 7)));
        acknowledge(&recovery);
        assert!(recovery.covers(&key(0)));
    }
}
