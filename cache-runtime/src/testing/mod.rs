//! For tests, yours and ours: a real `redis-server`, and a clock that can be moved.
//!
//! Behind the feature `testing`.

#[cfg(unix)]
pub mod server;

use std::time::Duration;

use crate::{Cache, CacheBuilder, ambient::Clock};

/// The clock of an in-process cache, moved by hand.
///
/// ```
/// use std::time::Duration;
/// use cache_runtime::{Cache, testing::TestClock};
///
/// let clock = TestClock::default();
/// let cache: Cache = clock.in_memory();
/// clock.advance(Duration::from_secs(3_600));
/// ```
#[derive(Clone, Debug, Default)]
pub struct TestClock(Clock);

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
