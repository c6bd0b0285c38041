//! The system's clock, sleep and randomness: the only place that touches them, so that tests can move time.
#![expect(clippy::disallowed_methods, reason = "this is the module that the others are sent to")]

use std::{
    cell::Cell,
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::domain::entry::{Millis, Token};

/// The clock of an in-process store, and of what this process remembers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    /// Milliseconds that a test has moved the clock ahead.
    ahead: Arc<AtomicU64>,
}

impl Clock {
    /// Wall-clock time, as servers agree on it.
    pub(crate) fn now(&self) -> Millis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        millis(since) + self.ahead.load(Ordering::Relaxed)
    }

    /// Milliseconds since some moment, never 0, by a clock that is cheap to read, never goes back and is late by a few
    /// milliseconds.
    #[inline]
    pub(crate) fn ticks(&self) -> Millis {
        coarse() + self.ahead.load(Ordering::Relaxed)
    }

    #[cfg(feature = "testing")]
    pub(crate) fn advance(&self, by: Duration) {
        self.ahead.fetch_add(millis(by), Ordering::Relaxed);
    }
}

/// `Instant::now` costs as much as the rest of a look-up in the process; this a tenth of it.
#[cfg(target_os = "linux")]
#[inline]
fn coarse() -> Millis {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    1 + time.tv_sec.unsigned_abs() * 1_000 + time.tv_nsec.unsigned_abs() / 1_000_000
}

#[cfg(not(target_os = "linux"))]
fn coarse() -> Millis {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    1 + millis(START.elapsed())
}

/// A point in monotonic time from which durations are measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The moment up to which all that a call asks of the store must be answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(tokio::time::Instant);

impl Deadline {
    pub(crate) fn after(budget: Duration) -> Self {
        let now = tokio::time::Instant::now();
        // What no clock reaches is thirty years from now, as in tokio.
        Self(now.checked_add(budget).unwrap_or(now + FAR))
    }

    /// The same, counted from the start of a measurement.
    pub(crate) fn of(start: Stopwatch, budget: Duration) -> Self {
        Self(start.0.checked_add(budget).unwrap_or(start.0 + FAR).into())
    }

    /// `None` where the deadline passes before the future is ready.
    pub(crate) async fn bound<F: Future>(self, future: F) -> Option<F::Output> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Some(future.await);
        }
        tokio::time::timeout_at(self.0, future).await.ok()
    }

    pub(crate) fn has_passed(self) -> bool {
        tokio::time::Instant::now() >= self.0
    }
}

pub(crate) async fn sleep(duration: Duration) {
    if tokio::runtime::Handle::try_current().is_err() {
        return std::future::pending().await;
    }
    tokio::time::sleep(duration).await;
}

thread_local! {
    static OFFLINE: Cell<bool> = const { Cell::new(false) };
}

/// Polls something where no runtime is: in the drop of a future, after its runtime.
pub(crate) fn offline<T>(poll: impl FnOnce() -> T) -> T {
    let before = OFFLINE.replace(true);
    let answer = poll();
    OFFLINE.set(before);
    answer
}

/// Whether connections are of no use here: they need a runtime with its timers.
pub(crate) fn is_offline() -> bool {
    OFFLINE.get()
}

/// The number of this thread, counted from 0: threads with their own counters and lanes do not share cache lines.
#[inline]
pub(crate) fn thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    MINE.with(|mine| *mine)
}

/// A number that was never drawn before, in this process or in another.
///
/// SipHash of a counter under keys that the system drew for this process: the standard library's own randomness.
pub(crate) fn token() -> Token {
    static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);
    static DRAWN: AtomicU64 = AtomicU64::new(0);
    let drawn = DRAWN.fetch_add(1, Ordering::Relaxed);
    let [high, low] = [&KEYS[0], &KEYS[1]].map(|keys| u128::from(keys.hash_one(drawn)));
    Token((high << 64 | low).max(1).to_be_bytes())
}

/// 64 bits that nobody knows.
pub(crate) fn seed() -> u64 {
    let [.., a, b, c, d, e, f, g, h] = token().0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// From 0 up to 1.
pub(crate) fn random() -> f64 {
    let [.., a, b, c, d] = token().0;
    f64::from(u32::from_be_bytes([a, b, c, d])) / (f64::from(u32::MAX) + 1.0)
}

pub(crate) fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}
