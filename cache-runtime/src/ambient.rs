//! The system's clock, sleep and randomness: the only place that touches them, so that tests can move time.
#![expect(clippy::disallowed_methods, reason = "this is the module that the others are sent to")]

pub(crate) mod home;

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    convert::Infallible,
    future::poll_fn,
    hash::{BuildHasher as _, RandomState},
    pin::pin,
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::domain::entry::{Millis, Token};

/// The clock of an in-process store, and of what this process remembers.
///
/// It asks the wall clock once and counts from there: a wall clock that is set back or ahead afterwards neither prolongs
/// what is held nor ends it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    /// Milliseconds that a test has moved the clock ahead.
    ahead: Arc<AtomicU64>,
    /// Whether nothing but that moves it.
    #[cfg(any(test, feature = "testing"))]
    still: bool,
}

impl Clock {
    /// Milliseconds since the Unix epoch, about as servers agree on it.
    pub(crate) fn now(&self) -> Millis {
        /// Time of the wall clock when the other one began.
        static BEGAN: LazyLock<Millis> = LazyLock::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            millis(since).saturating_sub(counted())
        });
        self.moved(|| *BEGAN + counted())
    }

    /// Milliseconds since some moment, never 0, by a clock that is cheap to read, never goes back and is late by a few
    /// milliseconds.
    #[inline]
    pub(crate) fn ticks(&self) -> Millis {
        self.moved(coarse)
    }

    #[inline]
    fn moved(&self, real: impl FnOnce() -> Millis) -> Millis {
        #[cfg(any(test, feature = "testing"))]
        if self.still {
            return 1 + self.ahead.load(Ordering::Relaxed);
        }
        real() + self.ahead.load(Ordering::Relaxed)
    }

    /// One that a test moves, and nothing else.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn still() -> Self {
        Self { still: true, ..Self::default() }
    }

    #[cfg(feature = "testing")]
    pub(crate) fn advance(&self, by: Duration) {
        self.ahead.fetch_add(millis(by), Ordering::Relaxed);
    }
}

/// Milliseconds since the machine was started; sleep counts, too, as it does for whoever reads the values afterwards.
#[cfg(target_os = "linux")]
fn counted() -> Millis {
    of_timespec(rustix::time::clock_gettime(rustix::time::ClockId::Boottime))
}

/// `Instant::now` costs as much as the rest of a look-up in the process; this a tenth of it.
#[cfg(target_os = "linux")]
#[inline]
fn coarse() -> Millis {
    1 + of_timespec(rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse))
}

#[cfg(target_os = "linux")]
#[inline]
fn of_timespec(time: rustix::time::Timespec) -> Millis {
    time.tv_sec.unsigned_abs() * 1_000 + time.tv_nsec.unsigned_abs() / 1_000_000
}

#[cfg(not(target_os = "linux"))]
fn counted() -> Millis {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    millis(START.elapsed())
}

/// Milliseconds since some moment, as [`Clock::ticks`] that no test moves.
pub(crate) fn ticks() -> Millis {
    coarse()
}

#[cfg(not(target_os = "linux"))]
fn coarse() -> Millis {
    1 + counted()
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
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn after(budget: Duration) -> Self {
        Self::of(Stopwatch::start(), budget)
    }

    /// The same, counted from the start of a measurement.
    pub(crate) fn of(start: Stopwatch, budget: Duration) -> Self {
        // What no clock reaches is thirty years from now, as in tokio.
        Self(start.0.checked_add(budget).unwrap_or(start.0 + FAR))
    }

    /// `None` where the deadline passes before the future is ready.
    pub(crate) async fn bound<F: Future>(self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        // The in-process store answers at once: that needs no timer.
        if let Poll::Ready(output) = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
            return Some(output);
        }
        let Some(timer) = home::timer(self.0) else { return Some(future.await) };
        let mut timer = pin!(timer);
        poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => timer.as_mut().poll(context).map(|()| None),
        })
        .await
    }

    /// The same for one of several commands that are to leave in one write: its timer is set once the others have been sent,
    /// for setting it takes long enough for the connection to write what is there.
    pub(crate) async fn bound_together<F: Future>(self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut first = true;
        let sent = poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if first => {
                first = false;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending => Poll::Ready(None),
        });
        match sent.await {
            Some(output) => Some(output),
            None => self.bound(future).await,
        }
    }

    pub(crate) fn has_passed(self) -> bool {
        Instant::now() >= self.0
    }

    /// The time that is left.
    pub(crate) fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

pub(crate) async fn sleep(duration: Duration) {
    Deadline::after(duration).bound(std::future::pending::<Infallible>()).await;
}

/// The number of this thread, counted from 0: no thread that lives has the same, and those of threads that have ended are
/// given out again. Threads with their own counters and lanes do not share cache lines.
#[inline]
pub(crate) fn thread() -> usize {
    thread_local! {
        static MINE: ThreadNumber = ThreadNumber::take();
    }
    // A thread that is ending has none any more.
    MINE.try_with(|mine| mine.0).unwrap_or(MANY)
}

struct ThreadNumber(usize);

/// More threads than anybody counts apart.
const MANY: usize = 1 << 16;

/// Numbers that were given back, the smallest on top, and the next one that nobody had.
static NUMBERS: Mutex<(BinaryHeap<Reverse<usize>>, usize)> = Mutex::new((BinaryHeap::new(), 0));

impl ThreadNumber {
    fn take() -> Self {
        let mut numbers = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
        let (free, next) = &mut *numbers;
        Self(free.pop().map_or_else(
            || {
                *next += 1;
                *next - 1
            },
            |Reverse(number)| number,
        ))
    }
}

impl Drop for ThreadNumber {
    fn drop(&mut self) {
        NUMBERS.lock().unwrap_or_else(PoisonError::into_inner).0.push(Reverse(self.0));
    }
}

/// A number that was never drawn before, in this process or in another, also not in one that was forked off this one.
///
/// The system draws each: a generator in this process would be copied by a fork, and the copies would draw the same.
pub(crate) fn token() -> Token {
    let mut token = [0; 16];
    if getrandom::fill(&mut token).is_err() || token == Token::NONE.0 {
        // A sandbox without randomness: two processes that live have different numbers, and draws their own places.
        token = (drawn(u64::from(std::process::id())) | 1).to_be_bytes();
    }
    Token(token)
}

/// 64 bits that are not known outside of this process.
pub(crate) fn seed() -> u64 {
    drawn(0) as u64
}

/// From 0 up to 1.
pub(crate) fn random() -> f64 {
    f64::from(drawn(0) as u32) / (f64::from(u32::MAX) + 1.0)
}

/// SipHash of a counter under keys that the system drew for this process: the standard library's own randomness. It is
/// cheap, and the same in a fork.
fn drawn(salt: u64) -> u128 {
    static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);
    static DRAWN: AtomicU64 = AtomicU64::new(0);
    let number = (DRAWN.fetch_add(1, Ordering::Relaxed), salt);
    let [high, low] = [&KEYS[0], &KEYS[1]].map(|keys| u128::from(keys.hash_one(number)));
    high << 64 | low
}

pub(crate) fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_live_have_numbers_of_their_own_and_those_that_ended_give_theirs_back() {
        let ended: Vec<usize> =
            (0..500).map(|_| std::thread::spawn(thread).join().expect("it ends")).collect();
        // Other tests have threads, too.
        assert!(ended.iter().all(|number| *number < 400), "{ended:?}");
        let together = std::sync::Barrier::new(20);
        let mut numbers: Vec<usize> = std::thread::scope(|scope| {
            let live = || {
                let number = thread();
                together.wait();
                number
            };
            let threads: Vec<_> = (0..20).map(|_| scope.spawn(live)).collect();
            threads.into_iter().map(|thread| thread.join().expect("it ends")).collect()
        });
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 20);
    }
}
