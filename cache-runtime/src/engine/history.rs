//! A bounded memory of the keys whose values this process has seen, and of their ends.
//!
//! One slot per hash, overwritten by whoever comes later: what it does not remember counts as never seen.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::domain::{entry::Millis, key::Key};

/// So many keys are remembered at most.
const SLOTS: usize = 16_384;

#[derive(Debug)]
pub(super) struct History {
    /// The upper bits are of the key's hash, the lower ones the end in seconds: one word, so that a slot is never torn.
    slots: Box<[AtomicU64]>,
    hasher: RandomState,
}

const SECONDS: u32 = 36;

impl Default for History {
    fn default() -> Self {
        Self { slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(), hasher: RandomState::new() }
    }
}

impl History {
    pub(super) fn insert(&self, key: &Key, until: Millis) {
        let (slot, mark) = self.place(key);
        let word = mark | seconds(until);
        // A plain load first: hits on one key do not fight for its slot.
        if slot.load(Ordering::Relaxed) != word {
            slot.store(word, Ordering::Relaxed);
        }
    }

    /// When the value that was seen was to end, to the second.
    pub(super) fn get(&self, key: &Key) -> Option<Millis> {
        let (slot, mark) = self.place(key);
        let word = slot.load(Ordering::Relaxed);
        let seconds = word & ((1 << SECONDS) - 1);
        (word >> SECONDS == mark >> SECONDS && seconds > 0).then_some(seconds * 1_000)
    }

    fn place(&self, key: &Key) -> (&AtomicU64, u64) {
        let hash = self.hasher.hash_one(key);
        let slot = usize::try_from(hash % SLOTS as u64).unwrap_or(0);
        (&self.slots[slot], hash >> SECONDS << SECONDS)
    }
}

fn seconds(until: Millis) -> u64 {
    (until / 1_000).clamp(1, (1 << SECONDS) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_remembered_to_the_second() {
        let history = History::default();
        let (one, two) = (Key::raw("user:1"), Key::raw("user:2"));
        assert_eq!(history.get(&one), None);
        history.insert(&one, 1_790_000_000_999);
        assert_eq!((history.get(&one), history.get(&two)), (Some(1_790_000_000_000), None));
        history.insert(&one, Millis::MAX);
        assert_eq!(history.get(&one), Some(((1 << SECONDS) - 1) * 1_000));
    }

    #[test]
    fn a_key_is_not_taken_for_another() {
        let history = History::default();
        for number in 0..SLOTS {
            history.insert(&Key::raw(&format!("a{number}")), 5_000);
        }
        // Eight bits of the mark are independent of the slot, and twenty more of the place in it.
        let mistaken =
            (0..SLOTS).filter(|number| history.get(&Key::raw(&format!("b{number}"))).is_some()).count();
        assert!(mistaken < 10, "{mistaken} keys that were never seen");
    }
}
