//! Short stretches of calls, on one thread or on several at once.
//!
//! What a call costs on two threads shows only while both really run. On a machine with other work they often do not, and
//! then each looks as fast as alone. So calls are timed in slices of a tenth of a millisecond, which all threads begin
//! together; a slice in which a thread waited for a core, or began late, is left out.

use std::{
    hint::black_box,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use crate::{Spread, Stopwatch};

/// How long a slice is, looked at after so many calls.
const SLICE: Duration = Duration::from_micros(100);
const CALLS: u64 = 50;
/// Slices in one go; the first of them warm up.
const SLICES: usize = 24;
const WARM_UP: usize = 4;
/// So many slices are enough, and after so long what there is has to do.
const ENOUGH: usize = 10;
const PATIENCE: Duration = Duration::from_millis(150);

/// Which ids the calls ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// All the same.
    One,
    /// So many in turn; each thread begins elsewhere.
    Spread(u64),
}

impl Ids {
    fn of(self, thread: usize, call: u64) -> u64 {
        match self {
            Self::One => 42,
            // 7,919 is prime: neighbours in time are no neighbours in memory.
            Self::Spread(ids) => (call * 7_919 + thread as u64 * (ids / 2 + 1)) % ids,
        }
    }
}

/// What can be called by a number.
#[expect(missing_debug_implementations, reason = "holds a closure")]
pub struct Contender(Arc<Run>);

type Run = dyn Fn(&Gate, usize, Ids) -> Vec<Slice> + Send + Sync;

/// One slice of one thread.
#[derive(Clone, Copy)]
struct Slice {
    begin: Duration,
    end: Duration,
    calls: u64,
    /// For a core.
    waited: Duration,
}

impl Contender {
    /// A call is polled to its end inside of one task; nothing is spawned for it.
    #[must_use]
    pub fn new<R>(call: impl AsyncFn(u64) -> R + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |gate, thread, ids| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("the runtime starts").block_on(async {
                let mut slices = Vec::with_capacity(SLICES);
                let mut calls = 0..;
                for _ in 0..SLICES {
                    gate.pass();
                    let (queued, begin, first) = (queued(), gate.origin.elapsed(), calls.start);
                    let end = loop {
                        for place in calls.by_ref().take(CALLS as usize) {
                            drop(black_box(call(black_box(ids.of(thread, place))).await));
                        }
                        let now = gate.origin.elapsed();
                        if now - begin >= SLICE {
                            break now;
                        }
                    };
                    let waited = self::queued().saturating_sub(queued);
                    slices.push(Slice { begin, end, calls: calls.start - first, waited });
                }
                slices
            })
        }))
    }

    /// Nanoseconds per call and thread, the median of the slices that count. `None` where the machine had no slice for us.
    #[must_use]
    pub fn measure(&self, threads: usize, ids: Ids) -> Option<f64> {
        let mut counted = Vec::new();
        let watch = Stopwatch::start();
        while counted.len() < ENOUGH && watch.elapsed() < PATIENCE {
            let slices = self.go(threads, ids);
            for place in WARM_UP..SLICES {
                let slice: Vec<Slice> = slices.iter().map(|thread| thread[place]).collect();
                counted.extend(per_call(&slice));
            }
        }
        (!counted.is_empty()).then(|| Spread::of(counted).median)
    }

    /// The slices of each thread.
    fn go(&self, threads: usize, ids: Ids) -> Vec<Vec<Slice>> {
        let gate = Arc::new(Gate { threads, passed: AtomicUsize::new(0), origin: Stopwatch::start() });
        let answers: Vec<_> = (0..threads)
            .map(|thread| {
                let (run, gate) = (Arc::clone(&self.0), Arc::clone(&gate));
                let (sender, answer) = mpsc::channel();
                worker(thread, Box::new(move || drop(sender.send(run(&gate, thread, ids)))));
                answer
            })
            .collect();
        answers.into_iter().map(|answer| answer.recv().expect("no call fails")).collect()
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// Gives a job to a thread, which stays, as those of a runtime do: what a cache has for each thread is not built anew.
fn worker(thread: usize, job: Job) {
    static WORKERS: Mutex<Vec<mpsc::Sender<Job>>> = Mutex::new(Vec::new());
    let mut workers = WORKERS.lock().expect("nobody panics while he holds it");
    while workers.len() <= thread {
        let (sender, jobs) = mpsc::channel::<Job>();
        thread::spawn(move || jobs.into_iter().for_each(|job| job()));
        workers.push(sender);
    }
    workers[thread].send(job).expect("the thread is there");
}

/// Nanoseconds per call in a slice of all threads, if it counts.
fn per_call(threads: &[Slice]) -> Option<f64> {
    let took = |slice: &Slice| slice.end - slice.begin;
    let longest = threads.iter().map(took).max()?;
    let together = threads
        .iter()
        .map(|slice| slice.end)
        .min()?
        .saturating_sub(threads.iter().map(|slice| slice.begin).max()?);
    let undisturbed = threads.iter().all(|slice| slice.waited < took(slice) / 30);
    if !undisturbed || together * 3 < longest * 2 {
        return None;
    }
    let all: Duration = threads.iter().map(took).sum();
    Some(all.as_nanos() as f64 / threads.iter().map(|slice| slice.calls).sum::<u64>() as f64)
}

/// Where the threads wait for each other.
struct Gate {
    threads: usize,
    passed: AtomicUsize,
    origin: Stopwatch,
}

impl Gate {
    fn pass(&self) {
        let place = self.passed.fetch_add(1, Ordering::AcqRel);
        let all = (place / self.threads + 1) * self.threads;
        let mut spins = 0;
        while self.passed.load(Ordering::Acquire) < all {
            spins += 1;
            // Who is waited for may need this core.
            if spins % 10_000 == 0 { thread::yield_now() } else { std::hint::spin_loop() }
        }
    }
}

/// How long this thread has waited for a core so far; zero where the system does not say.
fn queued() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(begin: u64, end: u64, waited: u64) -> Slice {
        let [begin, end, waited] = [begin, end, waited].map(Duration::from_micros);
        Slice { begin, end, calls: 1_000, waited }
    }

    #[track_caller]
    fn check(threads: &[Slice], expected: Option<f64>) {
        assert_eq!(per_call(threads), expected);
    }

    #[test]
    fn a_slice_counts_where_all_ran_together_and_nobody_waited() {
        check(&[slice(0, 100, 0)], Some(100.0));
        check(&[slice(0, 100, 0), slice(10, 130, 0)], Some(110.0));
        check(&[slice(0, 100, 50)], None);
        check(&[slice(0, 100, 0), slice(90, 190, 0)], None);
    }

    #[test]
    fn threads_ask_for_all_ids_and_begin_elsewhere() {
        let ids = Ids::Spread(1_000);
        let mut asked: Vec<u64> = (0..1_000).map(|call| ids.of(1, call)).collect();
        asked.sort_unstable();
        assert!(asked.into_iter().eq(0..1_000));
        assert_ne!(ids.of(0, 0), ids.of(1, 0));
    }

    #[test]
    fn what_takes_longer_measures_longer() {
        let [short, long] = [10_u64, 1_000].map(|steps| {
            Contender::new(async move |id: u64| (0..steps).fold(id, |sum, step| black_box(sum ^ step)))
        });
        let [short, long] = [short, long]
            .map(|contender| contender.measure(1, Ids::One).expect("a core is free now and then"));
        assert!(long > 3.0 * short, "{long} {short}");
    }
}
