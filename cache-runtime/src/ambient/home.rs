//! The cache's own thread: a runtime with timers and I/O, for work that no runtime of a caller can be relied on to carry.
//!
//! A caller may have no runtime at all, one without timers, one that is driven only now and then (a current-thread runtime
//! between two calls of `block_on`), or one that ends while the cache goes on. The thread is started by the first use,
//! serves all caches of the process, and lives as long as the process.

use std::{
    process,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Instant,
};

use arc_swap::ArcSwapOption;
use tokio::{
    runtime::{Builder, Handle},
    task::AbortHandle,
    time::Sleep,
};

#[derive(Debug)]
struct Home {
    /// A child that was forked has no threads but the one that forked it.
    process: u32,
    handle: Handle,
}

static HOME: ArcSwapOption<Home> = ArcSwapOption::const_empty();
/// The process of the home, to be read without a count.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// Tasks of one owner that live on the thread. A forked child has none of them, and begins them anew.
#[derive(Debug, Default)]
pub(crate) struct Residents {
    process: AtomicU32,
    tasks: Mutex<Vec<AbortHandle>>,
}

impl Residents {
    /// Whether they have begun in this process, as far as the last timer knows: to ask the system each time would cost as much
    /// as the rest of a look-up, so that the first command of a forked child goes unanswered.
    pub(crate) fn are_here(&self) -> bool {
        self.process.load(Ordering::Acquire) == PROCESS.load(Ordering::Relaxed)
    }

    /// Begins them, unless they have begun in this process.
    pub(crate) fn ensure(&self, begin: impl FnOnce(&Handle) -> Vec<AbortHandle>) {
        let Some(home) = handle() else { return };
        if self.are_here() {
            return;
        }
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.are_here() {
            *tasks = begin(&home);
            self.process.store(PROCESS.load(Ordering::Relaxed), Ordering::Release);
        }
    }
}

impl Drop for Residents {
    fn drop(&mut self) {
        // A child leaves those of its parent alone.
        if self.are_here() {
            self.tasks.get_mut().unwrap_or_else(PoisonError::into_inner).iter().for_each(AbortHandle::abort);
        }
    }
}

/// The runtime of the thread; `None` where the system refuses a thread or a runtime.
pub(crate) fn handle() -> Option<Handle> {
    let process = process::id();
    running(process).or_else(|| start(process))
}

/// A timer that fires wherever it is polled; `None` where there is no thread to fire it.
pub(super) fn timer(at: Instant) -> Option<Sleep> {
    let process = process::id();
    let home = HOME.load();
    let started;
    let handle = match home.as_deref() {
        Some(home) if home.process == process => &home.handle,
        _ => {
            started = start(process)?;
            &started
        }
    };
    let _context = handle.enter();
    Some(tokio::time::sleep_until(at.into()))
}

fn running(process: u32) -> Option<Handle> {
    HOME.load().as_deref().filter(|home| home.process == process).map(|home| home.handle.clone())
}

fn start(process: u32) -> Option<Handle> {
    static STARTING: Mutex<()> = Mutex::new(());
    let _one = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = running(process) {
        return Some(handle);
    }
    let runtime = Builder::new_current_thread().enable_all().build().ok()?;
    let handle = runtime.handle().clone();
    let serve = move || runtime.block_on(std::future::pending::<()>());
    thread::Builder::new().name("cache-runtime".to_owned()).spawn(serve).ok()?;
    HOME.store(Some(Arc::new(Home { process, handle: handle.clone() })));
    PROCESS.store(process, Ordering::Release);
    Some(handle)
}

#[cfg(test)]
mod tests {
    use std::{
        task::{Context, Wake},
        time::Duration,
    };

    use super::*;

    #[test]
    fn a_timer_fires_where_no_runtime_is() {
        struct Unpark(thread::Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Arc::new(Unpark(thread::current())).into();
        let mut timer = Box::pin(timer(Instant::now() + Duration::from_millis(1)).expect("a thread"));
        // Without a wake-up this would wait for ever.
        while timer.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            thread::park();
        }
    }
}
