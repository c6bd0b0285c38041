//! A crate that knows `cache-runtime` under another name only, and is strict about what it publishes.

#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, unnameable_types)]

use std::sync::atomic::{AtomicU64, Ordering};

pub use renamed::Cache;
use renamed::{KeyPart, cached};

/// A number that was never returned before.
fn tick() -> u64 {
    static TICKS: AtomicU64 = AtomicU64::new(1);
    TICKS.fetch_add(1, Ordering::Relaxed)
}

/// The number of a user.
#[derive(Clone, Copy, Debug, KeyPart)]
#[key_part(crate = ::renamed)]
pub struct UserId(pub u64);

/// Reads a user.
#[cached(crate = ::renamed, ttl = "STANDARD", key = "user:<id>:<name>", negative_ttl = "30s")]
pub async fn user(id: UserId, name: &str) -> Result<Option<u64>, String> {
    if name.is_empty() {
        return Err("no name".to_owned());
    }
    Ok(Some(tick() + id.0))
}

/// Reads a generic row.
#[cached(ttl = LIFE, key = "row:<T>:<id>", crate = renamed, cache_if = |row| *row > 0)]
pub async fn row<T: Sync>(id: u64) -> u64 {
    tick() + id
}

const LIFE: std::time::Duration = std::time::Duration::from_secs(60);

/// Writes a user.
#[cached(
    crate = ::renamed,
    ttl = "STANDARD",
    key = "user:<id>:<name>",
    invalidates = [row::<u64>(id.0), "row:<id>", |made| row::<u8>(made.unwrap_or(0))]
)]
pub async fn save(id: UserId, name: &str) -> Result<Option<Option<u64>>, String> {
    let _ = name;
    Ok(Some(Some(id.0)))
}

/// A service.
#[derive(Debug)]
pub struct Service {
    /// Its cache.
    pub cache: Cache,
}

impl Service {
    /// Finds something.
    #[cached(crate = ::renamed, ttl = "5m", key = "found:<id>", cache = self.cache)]
    pub async fn find(&self, id: u64) -> u64 {
        tick() + id
    }

    /// Removes it.
    #[cached(crate = ::renamed, invalidates = [self.find(id)])]
    pub async fn remove(&self, id: u64) {
        let _ = id;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_runtime_has_another_name() {
        let service = Service { cache: Cache::in_memory() };
        service
            .cache
            .scope(async {
                let first = user(UserId(1), "a").await;
                assert_eq!(user(UserId(1), "a").await, first);
                assert_eq!(user::entry(&UserId(1), "a").key().to_string(), "user:1:a");
                assert_eq!(user(UserId(1), "").await, Err("no name".to_owned()));
                let (number, byte) = (row::<u64>(1).await, row::<u8>(1).await);
                assert_eq!(row::<u64>(1).await, number);
                assert_eq!(save(UserId(1), "b").await, Ok(Some(Some(1))));
                assert_ne!(row::<u64>(1).await, number);
                assert_ne!(row::<u8>(1).await, byte);
                let found = service.find(1).await;
                assert_eq!(service.find(1).await, found);
                service.remove(1).await;
                assert_ne!(service.find(1).await, found);
            })
            .await;
    }
}
