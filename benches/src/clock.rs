//! The clock that the benchmarks read.
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time, which nobody moves")]

use std::time::{Duration, Instant};

/// Time since its start.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts it.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Since the start.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Sleeps on the runtime.
pub async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}
