//! The loads and writes under way: their leases are renewed, and none of them keeps others waiting for ever.
//!
//! A load is polled by the caller that began it. A caller may hold its future without polling it (another arm of a
//! `select!`, an element of `buffered`): then a wake-up of the load waits for a poll that does not come. A load that can be
//! moved is driven by a task from then on; one that cannot gives its flight and its lease up, and the next caller loads. Both
//! are seen here, from a task beside them, and so are loads that take longer than others wait, and leases that are due to
//! be renewed, also while a body blocks its thread (rule 17).

use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    task::{Context as TaskContext, Poll, Wake, Waker},
    time::Duration,
};

use futures_util::future::join_all;

use super::Engine;
use crate::{
    ambient::{self, Stopwatch, home, millis, ticks},
    domain::{
        entry::{Millis, Token},
        key::Key,
    },
    flight::{FlightRef, Leader},
    store::Store as _,
};

/// How often it is looked after what is under way.
const ROUND: Duration = Duration::from_millis(50);
/// How long a wake-up may wait for a poll before a task drives the load.
const UNPOLLED: Millis = 100;
/// How long before a load that cannot be moved, or that its task does not poll either, gives up.
const ABANDONED: Millis = 500;
/// Number of rounds with nothing under way after which the keeper goes to rest.
const IDLE_ROUNDS: u32 = 20;
/// Maximum number of leases that are renewed at once.
const AT_ONCE: usize = 128;

/// What is under way in one cache.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    under_way: Mutex<HashMap<usize, Arc<Run>>>,
    /// The process in which the rounds go on; 0: they do not. A child that was forked has begun none.
    awake: AtomicU32,
}

/// A load that can be driven by a task.
pub(super) trait Drive: Send + Sync {
    /// Goes on in a task. `false`: it is being polled just now.
    fn take_over(self: Arc<Self>) -> bool;
}

/// One body under way, with all that others wait for meanwhile.
pub(super) struct Run {
    /// When its future was woken and has not been polled since; 0: it waits for nothing but its wake-up.
    woken: AtomicU64,
    polling: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    flights: Vec<FlightRef>,
    held: Vec<Held>,
    renewed: Option<Stopwatch>,
    /// When the body began, and how long others wait for it.
    body: Option<(Stopwatch, Duration)>,
    drive: Option<Weak<dyn Drive>>,
}

/// A lease, or a place in a fence, that is renewed.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) engine: Arc<Engine>,
    pub(super) key: Key,
    pub(super) token: Token,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("woken", &self.woken).finish_non_exhaustive()
    }
}

/// Keeps a run under watch until it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    engine: Arc<Engine>,
    run: Arc<Run>,
}

impl Watch {
    pub(super) fn new(engine: &Arc<Engine>) -> Self {
        let run = Arc::new(Run {
            woken: AtomicU64::new(0),
            polling: AtomicBool::new(false),
            state: Mutex::default(),
        });
        let keeper = &engine.keeper;
        keeper.lock().insert(Arc::as_ptr(&run).addr(), Arc::clone(&run));
        let process = std::process::id();
        if keeper.awake.swap(process, Ordering::AcqRel) != process {
            wake(engine, process);
        }
        Self { engine: Arc::clone(engine), run }
    }

    pub(super) fn run(&self) -> &Arc<Run> {
        &self.run
    }

    /// Others wait for this flight.
    pub(super) fn leads(&self, leader: &Leader) {
        self.run.lock().flights.push(leader.flight());
    }

    /// Renews a lease from now on.
    pub(super) fn holds(&self, held: impl IntoIterator<Item = Held>) {
        let mut state = self.run.lock();
        state.held.extend(held);
        state.renewed.get_or_insert_with(Stopwatch::start);
    }

    /// The body begins, for which others wait for that long.
    pub(super) fn begins(&self, at_most: Duration) {
        self.run.lock().body = Some((Stopwatch::start(), at_most));
    }

    /// The body has ended: nothing is renewed any more.
    pub(super) fn ends(&self) {
        let mut state = self.run.lock();
        state.body = None;
        state.held.clear();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.engine.keeper.lock().remove(&Arc::as_ptr(&self.run).addr());
    }
}

impl Run {
    pub(super) fn driven_by(&self, drive: Weak<dyn Drive>) {
        self.lock().drive = Some(drive);
    }

    /// A task is about to poll it.
    pub(super) fn moved(&self) {
        self.woken.store(ticks(), Ordering::Release);
    }

    /// Polls the future of the run, and notes when it is woken.
    pub(super) fn poll<F: Future + ?Sized>(
        self: &Arc<Self>,
        future: Pin<&mut F>,
        relay: &mut Option<Relay>,
        context: &TaskContext<'_>,
    ) -> Poll<F::Output> {
        let to = context.waker();
        if !relay.as_ref().is_some_and(|relay| relay.to.will_wake(to)) {
            *relay = Some(Relay::new(self, to));
        }
        let waker = relay.as_ref().map_or(to, |relay| &relay.waker);
        self.woken.store(0, Ordering::Release);
        self.polling.store(true, Ordering::Release);
        let _polling = Polling(&self.polling);
        future.poll(&mut TaskContext::from_waker(waker))
    }

    /// How long a wake-up has waited for a poll.
    fn unpolled(&self, now: Millis) -> Millis {
        match self.woken.load(Ordering::Acquire) {
            0 => 0,
            _ if self.polling.load(Ordering::Acquire) => 0,
            woken => now.saturating_sub(woken),
        }
    }

    /// Moves it into a task, or gives up what others wait for.
    fn rescue(&self, now: Millis) {
        let unpolled = self.unpolled(now);
        if unpolled < UNPOLLED {
            return;
        }
        let mut state = self.lock();
        if let Some(drive) = state.drive.take() {
            drop(state);
            if drive.upgrade().is_some_and(|drive| !drive.take_over()) {
                self.lock().drive = Some(drive);
            }
        } else if unpolled >= ABANDONED {
            let flights = std::mem::take(&mut state.flights);
            let held = std::mem::take(&mut state.held);
            drop(state);
            flights.iter().for_each(FlightRef::give_up);
            for Held { engine, key, token } in held {
                let tasks = engine.tasks.clone();
                // Where this is not acknowledged the lease ends by itself: it is not renewed any more.
                tasks.spawn(async move { drop(engine.store.release(&key, token).await) });
            }
        }
    }

    /// What is to be renewed now.
    fn due(&self, lease: Duration) -> Vec<Held> {
        let mut state = self.lock();
        if state.held.is_empty() || state.renewed.is_none_or(|renewed| renewed.elapsed() < lease / 3) {
            return Vec::new();
        }
        state.renewed = Some(Stopwatch::start());
        state.held.clone()
    }

    /// Others do not wait any longer, and need not see a lease that stands.
    fn time_out(&self) {
        let mut state = self.lock();
        if state.body.is_some_and(|(began, at_most)| began.elapsed() >= at_most) {
            state.body = None;
            state.held.clear();
            let flights = std::mem::take(&mut state.flights);
            drop(state);
            flights.iter().for_each(FlightRef::time_out);
        }
    }

    fn lost(&self, token: Token) {
        self.lock().held.retain(|held| held.token != token);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Polling<'a>(&'a AtomicBool);

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Hands wake-ups on to whatever polls the run, and notes when.
#[derive(Debug)]
pub(super) struct Relay {
    to: Waker,
    waker: Waker,
}

struct Note {
    run: Arc<Run>,
    to: Waker,
}

impl Relay {
    fn new(run: &Arc<Run>, to: &Waker) -> Self {
        let note = Note { run: Arc::clone(run), to: to.clone() };
        Self { to: to.clone(), waker: Arc::new(note).into() }
    }
}

impl Wake for Note {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // The first one counts.
        let _first = self.run.woken.compare_exchange(0, ticks(), Ordering::AcqRel, Ordering::Relaxed);
        self.to.wake_by_ref();
    }
}

impl Keeper {
    fn lock(&self) -> MutexGuard<'_, HashMap<usize, Arc<Run>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> Vec<Arc<Run>> {
        self.lock().values().cloned().collect()
    }
}

/// Begins the rounds, on the cache's own thread: whatever becomes of the callers' runtimes, they go on.
fn wake(engine: &Arc<Engine>, process: u32) {
    let Some(runtime) = home::handle() else { return };
    let pause = ROUND.min(engine.config.lease / 6).max(Duration::from_millis(1));
    let engine = Arc::downgrade(engine);
    runtime.spawn(async move {
        let mut idle = 0;
        loop {
            ambient::sleep(pause).await;
            let Some(engine) = engine.upgrade() else { return };
            let runs = engine.keeper.all();
            idle = if runs.is_empty() { idle + 1 } else { 0 };
            if idle >= IDLE_ROUNDS {
                engine.keeper.awake.store(0, Ordering::Release);
                // What has begun between the two would not be looked after.
                let is_empty = engine.keeper.lock().is_empty();
                if is_empty || engine.keeper.awake.swap(process, Ordering::AcqRel) == process {
                    return;
                }
            }
            round(&engine, &runs);
        }
    });
}

fn round(engine: &Engine, runs: &[Arc<Run>]) {
    let now = ticks();
    for run in runs {
        run.time_out();
        run.rescue(now);
        let due = run.due(engine.config.lease);
        if !due.is_empty() {
            let run = Arc::clone(run);
            engine.tasks.clone().spawn(async move { renew(&run, &due).await });
        }
    }
}

async fn renew(run: &Run, due: &[Held]) {
    for chunk in due.chunks(AT_ONCE) {
        let renewals = chunk.iter().map(|held| async move {
            let lease = millis(held.engine.config.lease);
            // One that does not stand any more is not asked for again.
            if matches!(held.engine.store.renew(&held.key, held.token, lease).await, Ok(false)) {
                run.lost(held.token);
            }
        });
        join_all(renewals).await;
    }
}
