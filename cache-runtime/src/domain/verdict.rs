//! What a value that was found is worth to the caller.

use crate::domain::entry::Millis;

/// 64 bits of the name of a value's type, without its paths: two types behind one template are misses to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint(pub(crate) u64);

impl Fingerprint {
    /// Of the name as `core::any::type_name` gives it.
    ///
    /// Paths are left out, so that a type may move between modules. `Arc` and `Option` are left out in front, so that
    /// `get_user -> Arc<User>` and `find_user -> Option<User>` share their entries.
    pub(crate) fn of(type_name: &str) -> Self {
        let mut name = type_name;
        while let Some((wrapper, inner)) = name.strip_suffix('>').and_then(|name| name.split_once('<')) {
            match wrapper.rsplit("::").next() {
                Some("Arc" | "Option") => name = inner,
                _ => break,
            }
        }
        // FNV-1a, spelled here because it must never change between two builds. At each `::` the hash goes back to
        // where the path began.
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let mut before_path = hash;
        let mut previous = 0;
        for &byte in name.as_bytes() {
            let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':' || byte >= 128;
            if word(byte) && !word(previous) {
                before_path = hash;
            }
            if byte == b':' && previous == b':' {
                hash = before_path;
            } else {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
            previous = byte;
        }
        Self(hash)
    }
}

/// Why the body ran although there is a cache. The labels of the metric `cache_misses_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Miss {
    /// Never seen by this process, as far as it remembers.
    Cold,
    /// Seen, and its time is over.
    Expired,
    /// Seen, and gone before its time: invalidated, evicted, or not readable any more.
    Invalidated,
}

/// The reason of a miss, from what this process remembers of the key: until when its value was to live.
pub(crate) fn reason(remembered: Option<Millis>, now: Millis) -> Miss {
    match remembered {
        None => Miss::Cold,
        Some(until) if until <= now => Miss::Expired,
        Some(_) => Miss::Invalidated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_of_the_name_without_paths() {
        let same = |left: &str, right: &str| Fingerprint::of(left) == Fingerprint::of(right);
        assert!(same("shop::model::User", "shop::User"));
        assert!(same("alloc::vec::Vec<shop::model::User>", "Vec<User>"));
        assert!(same("alloc::sync::Arc<shop::User>", "shop::User"));
        assert!(same("core::option::Option<alloc::sync::Arc<shop::User>>", "User"));
        assert!(same("(a::B, &c::D<e::F>)", "(B, &D<F>)"));
        assert!(!same("shop::User", "shop::Film"));
        assert!(!same("Vec<shop::User>", "shop::User"));
        assert!(!same("u32", "u64"));
    }

    #[test]
    fn the_reason_of_a_miss_is_what_is_remembered() {
        assert_eq!(reason(None, 10), Miss::Cold);
        assert_eq!(reason(Some(10), 10), Miss::Expired);
        assert_eq!(reason(Some(11), 10), Miss::Invalidated);
    }
}
