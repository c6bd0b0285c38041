//! Which values are large, as far as this process has seen.

use std::{
    hash::BuildHasher as _,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use foldhash::fast::FixedState;

/// From so many bytes on a value keeps others waiting that follow it on its connection.
const LARGE: usize = 32 << 10;
/// What is shorter may be a lease or a fence, and says nothing of the value.
const TELLING: usize = 128;

/// One bit for many keys: those that share one go the same way, which does no harm.
#[derive(Debug)]
pub(crate) struct Sizes {
    /// Most caches have none.
    any: AtomicBool,
    bits: Box<[AtomicU64; WORDS]>,
}

const WORDS: usize = 256;

impl Default for Sizes {
    fn default() -> Self {
        Self { any: AtomicBool::new(false), bits: Box::new([const { AtomicU64::new(0) }; WORDS]) }
    }
}

impl Sizes {
    /// Whether the value of this key was large when it was last seen.
    pub(crate) fn is_large(&self, key: &[u8]) -> bool {
        if !self.any.load(Ordering::Relaxed) {
            return false;
        }
        let (word, bit) = self.place(key);
        word.load(Ordering::Relaxed) & bit != 0
    }

    /// Takes note of the size of a value that was seen; whether it is large.
    pub(crate) fn note(&self, key: &[u8], bytes: usize) -> bool {
        let is_large = bytes >= LARGE;
        if bytes >= TELLING && is_large != self.is_large(key) {
            let (word, bit) = self.place(key);
            if is_large {
                self.any.store(true, Ordering::Relaxed);
                word.fetch_or(bit, Ordering::Relaxed);
            } else {
                word.fetch_and(!bit, Ordering::Relaxed);
            }
        }
        is_large
    }

    fn place(&self, key: &[u8]) -> (&AtomicU64, u64) {
        let hash = FixedState::default().hash_one(key).to_le_bytes();
        (&self.bits[usize::from(hash[0])], 1 << (hash[1] % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_as_large_as_its_value_was_when_it_was_last_seen() {
        let sizes = Sizes::default();
        let check = |bytes, expected| {
            sizes.note(b"page:1", bytes);
            assert_eq!(sizes.is_large(b"page:1"), expected, "{bytes} bytes");
        };
        check(LARGE - 1, false);
        check(LARGE, true);
        check(TELLING - 1, true);
        check(TELLING, false);
    }

    #[test]
    fn large_keys_leave_most_others_alone() {
        let sizes = Sizes::default();
        for id in 0..1_000 {
            assert!(sizes.note(format!("page:{id}").as_bytes(), LARGE));
        }
        assert!((0..1_000).all(|id| sizes.is_large(format!("page:{id}").as_bytes())));
        let shared = (0..1_000).filter(|id| sizes.is_large(format!("user:{id}").as_bytes())).count();
        assert!(shared < 150, "{shared}");
    }
}
