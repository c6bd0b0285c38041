//! Sets of keys that were forgotten at once, remembered until each key has been compared with them.
//!
//! Forgetting costs the same however many keys there are: a value carries a mark, which says how many patterns there were
//! when it was asked for, and is compared with those that came since when it is looked at next.

use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use super::pattern::Pattern;
use crate::sync::Arc;

/// Number of patterns that are remembered. A value that was not looked at since more than so many is forgotten,
/// whatever its key is.
pub(crate) const REMEMBERED: usize = 256;

/// The patterns of one store or level.
#[derive(Debug, Default)]
pub(crate) struct Forgotten {
    /// The number of patterns so far: what a value whose mark is that need not be compared with anything.
    count: AtomicU64,
    recent: ArcSwap<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    count: u64,
    /// The last of them, the latest at the end. A value that was asked for before the first of them is forgotten.
    patterns: Vec<Arc<Pattern>>,
}

/// Fate of a key since a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Since {
    pub(crate) is_forgotten: bool,
    /// The mark up to which this holds.
    pub(crate) mark: u64,
}

impl Forgotten {
    /// The mark of what is asked for from now on.
    #[inline]
    pub(crate) fn mark(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Whether nothing was forgotten since that mark.
    #[inline]
    pub(crate) fn is_current(&self, mark: u64) -> bool {
        mark >= self.mark()
    }

    /// Forgets the keys that match. Returns the mark of what is asked for afterwards.
    pub(crate) fn add(&self, pattern: &Pattern) -> u64 {
        let pattern = Arc::new(pattern.clone());
        self.change(|recent| {
            let patterns = &recent.patterns;
            let kept = &patterns[patterns.len().saturating_sub(REMEMBERED - 1)..];
            kept.iter().chain([&pattern]).map(Arc::clone).collect()
        })
    }

    /// Forgets all keys. Returns the mark of what is asked for afterwards.
    pub(crate) fn add_all(&self) -> u64 {
        self.change(|_| Vec::new())
    }

    fn change(&self, patterns: impl Fn(&Recent) -> Vec<Arc<Pattern>>) -> u64 {
        let before = self.recent.rcu(|recent| Recent { count: recent.count + 1, patterns: patterns(recent) });
        let count = before.count + 1;
        // After the patterns: a thread that sees the count finds them.
        self.count.fetch_max(count, Ordering::Release);
        count
    }

    /// Compares a key with the patterns that came after a mark.
    pub(crate) fn since(&self, mark: u64, key: &[u8]) -> Since {
        if self.is_current(mark) {
            return Since { is_forgotten: false, mark };
        }
        let recent = self.recent.load();
        let new = usize::try_from(recent.count.saturating_sub(mark)).unwrap_or(usize::MAX);
        let is_forgotten = match recent.patterns.len().checked_sub(new) {
            Some(old) => recent.patterns[old..].iter().any(|pattern| pattern.matches(key)),
            None => true,
        };
        Since { is_forgotten, mark: recent.count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_compared_with_what_came_after_its_mark() {
        let forgotten = Forgotten::default();
        let first = forgotten.mark();
        let second = forgotten.add(&Pattern::new("user:1:*"));
        let third = forgotten.add(&Pattern::new("user:2:*"));
        let is_forgotten = |mark, key: &str| forgotten.since(mark, key.as_bytes()).is_forgotten;
        assert!(is_forgotten(first, "user:1:a") && is_forgotten(first, "user:2:a"));
        assert!(!is_forgotten(second, "user:1:a") && is_forgotten(second, "user:2:a"));
        assert!(!is_forgotten(third, "user:2:a") && !is_forgotten(first, "user:3:a"));
        assert_eq!(forgotten.since(first, b"user:3:a").mark, third, "it need not be compared again");
        forgotten.add_all();
        assert!(is_forgotten(third, "user:3:a") && !is_forgotten(forgotten.mark(), "user:3:a"));
    }

    #[test]
    fn what_was_not_compared_for_long_is_forgotten() {
        let forgotten = Forgotten::default();
        let mark = forgotten.mark();
        (0..REMEMBERED).for_each(|_| _ = forgotten.add(&Pattern::new("a:*")));
        assert!(!forgotten.since(mark, b"b:1").is_forgotten && forgotten.since(mark, b"a:1").is_forgotten);
        forgotten.add(&Pattern::new("a:*"));
        assert!(
            forgotten.since(mark, b"b:1").is_forgotten && !forgotten.since(mark + 1, b"b:1").is_forgotten
        );
    }

    /// A thread that has seen that a pattern was added finds it, also beside others that add.
    #[test]
    fn a_pattern_that_was_added_is_seen_by_all() {
        let forgotten = Forgotten::default();
        std::thread::scope(|scope| {
            for thread in 0..2 {
                let forgotten = &forgotten;
                scope.spawn(move || {
                    for number in 0..2_000 {
                        let mark = forgotten.mark();
                        let key = format!("{thread}:{number}");
                        forgotten.add(&Pattern::new(&key));
                        assert!(forgotten.since(mark, key.as_bytes()).is_forgotten);
                    }
                });
            }
        });
        assert_eq!(forgotten.mark(), 4_000);
    }
}
