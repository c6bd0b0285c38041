//! What a hit in this process is measured beside: the `cached` crate's macro in each of its forms, and what the peers are.

use std::{sync::Arc, time::Duration};

use cache_benches::{Contender, film::Film};
use cached::{
    TtlSortedCache,
    macros::{cached, concurrent_cached},
};

fn five_minutes() -> TtlSortedCache<u64, Arc<Film>> {
    let store = TtlSortedCache::builder().ttl(Duration::from_secs(300)).build();
    store.expect("it has a TTL")
}

/// One form of the macro: a function, and a row of the table.
macro_rules! forms {
    ($($form:literal => #[$($attribute:tt)*] $name:ident;)*) => {
        $(
            #[$($attribute)*]
            async fn $name(id: u64) -> Arc<Film> {
                Arc::new(Film::of(id))
            }
        )*

        /// Each form of the macro on an async function that returns an `Arc`.
        #[must_use]
        pub fn cached_forms() -> Vec<(&'static str, Contender)> {
            vec![$(($form, Contender::new($name))),*]
        }
    };
}

forms! {
    "`#[cached]`" => #[cached(sync_writes = false)] unbounded;
    "`#[cached(unsync_reads)]`" => #[cached(unsync_reads = true)] unbounded_reads;
    "`#[cached(max_size)]`" => #[cached(max_size = 10_000)] sized;
    "`#[cached(ttl_secs)]`" => #[cached(ttl_secs = 300)] timed;
    "`#[cached]` on a `TtlSortedCache`, `unsync_reads`" => #[cached(ty = "TtlSortedCache<u64, Arc<Film>>", create = { five_minutes() }, unsync_reads = true)] timed_reads;
    "`#[cached(max_size, ttl_secs)]`" => #[cached(max_size = 10_000, ttl_secs = 300)] sized_timed;
    "`#[concurrent_cached]`" => #[concurrent_cached] sharded;
    "`#[concurrent_cached(max_size)]`" => #[concurrent_cached(max_size = 10_000)] sharded_sized;
    "`#[concurrent_cached(ttl_secs)]`" => #[concurrent_cached(ttl_secs = 300)] sharded_timed;
    "`#[concurrent_cached(max_size, ttl_secs)]`" => #[concurrent_cached(max_size = 10_000, ttl_secs = 300)] sharded_sized_timed;
}

/// A crate with its version, as the lock file has it.
#[must_use]
pub fn version(name: &str) -> String {
    let lock = include_str!("../Cargo.lock");
    let package = lock.split("[[package]]").find(|package| package.contains(&format!("name = \"{name}\"\n")));
    let version = package.and_then(|package| package.split_once("version = \"")?.1.split_once('"'));
    format!("{name} {}", version.map_or("?", |(version, _)| version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_peer_has_a_version() {
        for name in ["quick_cache", "moka", "cached"] {
            let version = version(name);
            assert!(version.starts_with(&format!("{name} ")) && !version.ends_with('?'), "{version}");
        }
    }
}
