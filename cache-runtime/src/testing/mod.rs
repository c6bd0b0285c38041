//! For tests, yours and ours: a real `redis-server`, and a clock that can be moved, a cache that makes mistakes.
//!
//! Behind the feature `testing`.

#[cfg(unix)]
pub mod server;

use std::time::Duration;

use crate::{Cache, CacheBuilder, ambient::Clock};

/// The clock of an in-process cache, moved by hand, and by nothing else.
///
/// ```
/// use std::time::Duration;
/// use cache_runtime::{Cache, testing::TestClock};
///
/// let clock = TestClock::default();
/// let cache: Cache = clock.in_memory();
/// clock.advance(Duration::from_secs(3_600));
/// ```
#[derive(Clone, Debug)]
pub struct TestClock(Clock);

impl Default for TestClock {
    fn default() -> Self {
        Self(Clock::still())
    }
}

impl TestClock {
    /// A cache in this process that lives by this clock.
    #[must_use]
    pub fn in_memory(&self) -> Cache {
        self.build(Cache::builder())
    }

    /// The same, from a builder; where it names a Redis, that is left out: its clock is the server's.
    #[must_use]
    pub fn build(&self, builder: CacheBuilder) -> Cache {
        let mut builder = builder;
        builder.clock = self.0.clone();
        builder.build_in_memory()
    }

    /// Moves the clock ahead.
    pub fn advance(&self, by: Duration) {
        self.0.advance(by);
    }
}

/// On Redis, a cache that does what caches without fences do: a load stores what it brings whatever was written
/// meanwhile, and a write deletes. It serves stale values, and shows that a test can tell.
///
/// ```
/// use cache_runtime::{Cache, testing};
///
/// let builder = Cache::builder().redis("redis://127.0.0.1:6379")?;
/// let cache: Cache = testing::without_fencing(builder).build()?;
/// # Ok::<(), cache_runtime::Error>(())
/// ```
pub fn without_fencing(builder: CacheBuilder) -> CacheBuilder {
    let mut builder = builder;
    builder.unfenced = true;
    builder
}
