//! Invalidations that were not acknowledged: repeated until they are.
//!
//! Until then this process does not serve those keys from the cache (rule 12). When there are more of them than
//! the queue holds, it serves nothing from the cache rather than forget one; when the queue has been worked off, all
//! entries of the namespace are invalidated in place of those that are not known, and the cache is in use again.

use std::collections::HashMap;

use crate::{
    domain::{entry::Millis, key::Key, pattern::Pattern},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// So many keys may wait.
const CAPACITY: usize = 100_000;
/// And so many patterns, each of which every look-up is compared with.
const PATTERNS: usize = 256;

/// The keys that wait for their invalidation.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    queue: Mutex<Queue>,
    /// How many wait; at least one where some found no room.
    length: AtomicUsize,
    /// Whether some found no room.
    full: AtomicBool,
    working: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: HashMap<Key, Waiting>,
    patterns: HashMap<Pattern, u64>,
    /// How often something was added.
    added: u64,
    /// How many found no room, and how many of them have been made good.
    forgotten: u64,
    swept: u64,
}

/// What is to be sent for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// The invalidation of an entry, which is to be fenced for so long from its acknowledgement on; 0: not at all.
    Entry(Millis),
    /// That of a tag.
    Tag,
}

/// An invalidation that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Changes each time the key is added: an acknowledgement is of the invalidation that was sent before, not of one
    /// that has failed since.
    added: u64,
    pub(crate) repeat: Repeat,
}

/// What the worker is to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Nothing is left: it ends.
    Nothing,
    /// Invalidate these.
    Keys(Vec<(Key, Waiting)>),
    /// Invalidate all that match, as it was added then.
    Pattern(Pattern, u64),
    /// Invalidate everything, in place of so many keys that found no room.
    Everything(u64),
}

impl Recovery {
    /// Whether a key with these tags must not be served from the cache. One load where nothing waits.
    pub(crate) fn covers(&self, key: &Key, tags: &[Key]) -> bool {
        if self.length.load(Ordering::Acquire) == 0 {
            return false;
        }
        let queue = self.lock();
        self.full.load(Ordering::Acquire)
            || queue.waiting.contains_key(key)
            || tags.iter().any(|tag| queue.waiting.contains_key(tag))
            || queue.patterns.keys().any(|pattern| pattern.matches(key.as_bytes()))
    }

    /// Adds a key.
    pub(crate) fn add(&self, key: Key, repeat: Repeat) {
        let mut queue = self.lock();
        let before = queue.waiting.get(&key).map(|waiting| waiting.repeat);
        if before.is_some() || queue.waiting.len() < CAPACITY {
            queue.added += 1;
            let repeat = match (before, repeat) {
                (Some(Repeat::Entry(before)), Repeat::Entry(hold)) => Repeat::Entry(before.max(hold)),
                (_, repeat) => repeat,
            };
            let waiting = Waiting { added: queue.added, repeat };
            queue.waiting.insert(key, waiting);
        } else {
            queue.forgotten += 1;
        }
        self.publish(&queue);
    }

    /// Adds all keys that match.
    pub(crate) fn add_pattern(&self, pattern: Pattern) {
        let mut queue = self.lock();
        if queue.patterns.contains_key(&pattern) || queue.patterns.len() < PATTERNS {
            queue.added += 1;
            let added = queue.added;
            queue.patterns.insert(pattern, added);
        } else {
            queue.forgotten += 1;
        }
        self.publish(&queue);
    }

    /// True where the caller must start the worker.
    pub(crate) fn start(&self) -> bool {
        self.len() > 0 && !self.working.swap(true, Ordering::AcqRel)
    }

    /// What is to be done, up to so many keys at once.
    pub(crate) fn work(&self, size: usize) -> Work {
        let queue = self.lock();
        if !queue.waiting.is_empty() {
            let keys = queue.waiting.iter().take(size);
            return Work::Keys(keys.map(|(key, waiting)| (key.clone(), *waiting)).collect());
        }
        if let Some((pattern, added)) = queue.patterns.iter().next() {
            return Work::Pattern(pattern.clone(), *added);
        }
        if queue.forgotten > queue.swept {
            return Work::Everything(queue.forgotten);
        }
        // Under the lock: what is added from now on starts the worker anew.
        self.working.store(false, Ordering::Release);
        Work::Nothing
    }

    /// A key whose invalidation was acknowledged.
    pub(crate) fn done(&self, key: &Key, acknowledged: Waiting) {
        let mut queue = self.lock();
        if queue.waiting.get(key).is_some_and(|waiting| waiting.added == acknowledged.added) {
            queue.waiting.remove(key);
        }
        self.publish(&queue);
    }

    /// A pattern all of whose keys were invalidated since it was added.
    pub(crate) fn done_pattern(&self, pattern: &Pattern, acknowledged: u64) {
        let mut queue = self.lock();
        if queue.patterns.get(pattern) == Some(&acknowledged) {
            queue.patterns.remove(pattern);
        }
        self.publish(&queue);
    }

    /// Everything was invalidated since so many had found no room.
    pub(crate) fn swept(&self, forgotten: u64) {
        let mut queue = self.lock();
        queue.swept = queue.swept.max(forgotten);
        self.publish(&queue);
    }

    /// The worker is gone before its work was done.
    pub(crate) fn abandoned(&self) {
        self.working.store(false, Ordering::Release);
    }

    pub(crate) fn len(&self) -> usize {
        self.length.load(Ordering::Acquire)
    }

    /// Whether more invalidations have failed than can wait, so that nothing is served from the cache.
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    fn publish(&self, queue: &Queue) {
        let full = queue.forgotten > queue.swept;
        let waiting = queue.waiting.len() + queue.patterns.len();
        self.full.store(full, Ordering::Release);
        self.length.store(waiting.max(usize::from(full)), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn waiting(recovery: &Recovery) -> Vec<(Key, Waiting)> {
        match recovery.work(usize::MAX) {
            Work::Keys(keys) => keys,
            Work::Nothing | Work::Pattern(..) | Work::Everything(_) => Vec::new(),
        }
    }

    /// The worker's part: everything that waits is acknowledged.
    fn acknowledge(recovery: &Recovery) {
        for (key, added) in waiting(recovery) {
            recovery.done(&key, added);
        }
    }

    #[test]
    fn a_key_is_covered_until_it_is_done() {
        let recovery = Recovery::default();
        recovery.add(key(1), Repeat::Entry(0));
        recovery.add(key(2), Repeat::Entry(0));
        assert!(recovery.start() && !recovery.start(), "one worker");
        assert!(recovery.covers(&key(1), &[]) && !recovery.covers(&key(4), &[]));
        let first = waiting(&recovery).remove(0);
        recovery.done(&first.0, first.1);
        assert!(!recovery.covers(&first.0, &[]) && recovery.len() == 1);
        acknowledge(&recovery);
        assert_eq!((recovery.len(), recovery.work(9)), (0, Work::Nothing));
        recovery.add(key(1), Repeat::Entry(0));
        assert!(recovery.start(), "the worker has ended and is started again");
        recovery.abandoned();
        assert!(recovery.start(), "its runtime has gone, and the work goes on elsewhere");
    }

    #[test]
    fn an_acknowledgement_is_not_of_a_later_failure() {
        let recovery = Recovery::default();
        recovery.add(key(1), Repeat::Entry(0));
        let sent = waiting(&recovery);
        recovery.add(key(1), Repeat::Entry(0));
        recovery.done(&sent[0].0, sent[0].1);
        assert!(recovery.covers(&key(1), &[]));
        acknowledge(&recovery);
        assert!(!recovery.covers(&key(1), &[]));
    }

    #[test]
    fn the_longest_hold_of_a_key_is_kept() {
        let recovery = Recovery::default();
        recovery.add(key(1), Repeat::Entry(500));
        recovery.add(key(1), Repeat::Entry(0));
        assert_eq!(waiting(&recovery)[0].1.repeat, Repeat::Entry(500));
    }

    #[test]
    fn a_queue_that_is_full_covers_everything_until_everything_was_invalidated() {
        let recovery = Recovery::default();
        (0..=CAPACITY).for_each(|number| recovery.add(key(number), Repeat::Entry(0)));
        assert!(recovery.covers(&key(CAPACITY + 7), &[]) && recovery.is_full());
        acknowledge(&recovery);
        assert!(recovery.covers(&key(0), &[]) && recovery.len() == 1);
        assert_eq!(recovery.work(9), Work::Everything(1));
        recovery.swept(1);
        assert!(!recovery.covers(&key(0), &[]) && recovery.work(9) == Work::Nothing);
    }

    #[test]
    fn what_finds_no_room_during_a_sweep_waits_for_the_next() {
        let recovery = Recovery::default();
        (0..=CAPACITY).for_each(|number| recovery.add(key(number), Repeat::Entry(0)));
        acknowledge(&recovery);
        let Work::Everything(forgotten) = recovery.work(9) else { panic!("nothing is to be swept") };
        (0..=CAPACITY).for_each(|number| recovery.add(key(number), Repeat::Entry(0)));
        recovery.swept(forgotten);
        assert!(recovery.is_full());
    }

    #[test]
    fn a_tag_covers_the_keys_that_carry_it_and_a_pattern_those_that_match() {
        let recovery = Recovery::default();
        let tag = Key::tag("", "org:1");
        recovery.add(tag.clone(), Repeat::Tag);
        assert!(recovery.covers(&key(1), std::slice::from_ref(&tag)) && !recovery.covers(&key(1), &[]));
        acknowledge(&recovery);
        let pattern = Pattern::new("k4*");
        recovery.add_pattern(pattern.clone());
        assert!(recovery.covers(&key(42), &[]) && !recovery.covers(&key(5), &[tag]));
        let Work::Pattern(sent, first) = recovery.work(9) else { panic!("no pattern waits") };
        recovery.add_pattern(pattern.clone());
        recovery.done_pattern(&sent, first);
        assert!(recovery.covers(&key(42), &[]), "it has failed again meanwhile");
        recovery.done_pattern(&pattern, first + 1);
        assert!(!recovery.covers(&key(42), &[]) && recovery.work(9) == Work::Nothing);
    }
}
