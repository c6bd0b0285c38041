//! How a load is polled: by its caller as long as there is one, so that it sees the caller's task-locals and span and costs
//! no task of its own.
//!
//! A load that can be moved goes on in a task when its caller goes away, or when the caller has it and does not poll it. One
//! that cannot be moved ends with its caller.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::runtime::Handle;
use tracing::{Instrument as _, Span};

use super::keeper::{Drive, Relay, Run};
use crate::ambient::{Deadline, home};

/// A load that ends with its caller.
pub(super) struct Pinned<F> {
    load: Pin<Box<F>>,
    run: Arc<Run>,
    relay: Option<Relay>,
}

impl<F: Future> Pinned<F> {
    pub(super) fn new(load: F, run: &Arc<Run>) -> Self {
        Self { load: Box::pin(load), run: Arc::clone(run), relay: None }
    }
}

impl<F: Future> Future for Pinned<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Self { load, run, relay } = &mut *self;
        run.poll(load.as_mut(), relay, context)
    }
}

/// A load that goes on without its caller.
pub(super) struct Movable<O: Send + 'static>(Arc<Shared<O>>);

struct Shared<O> {
    state: Mutex<State<O>>,
    run: Arc<Run>,
    runtime: Option<Handle>,
    /// How long it goes on alone: after that no other caller waits for it, and it could store nothing.
    at_most: Duration,
    span: Span,
}

struct State<O> {
    load: Load<O>,
    relay: Option<Relay>,
    /// The caller waits for what a task brings.
    caller: Option<Waker>,
}

enum Load<O> {
    Caller(Pin<Box<dyn Future<Output = O> + Send>>),
    Task(Pin<Box<dyn Future<Output = O> + Send>>),
    Ended(O),
    Panicked(Box<dyn Any + Send>),
    /// It is being polled, or what it brought was taken.
    Taken,
}

impl<O: Send + 'static> Movable<O> {
    pub(super) fn new(
        load: impl Future<Output = O> + Send + 'static,
        run: &Arc<Run>,
        at_most: Duration,
    ) -> Self {
        let state = State { load: Load::Caller(Box::pin(load)), relay: None, caller: None };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            run: Arc::clone(run),
            runtime: Handle::try_current().ok(),
            at_most,
            span: Span::current(),
        });
        let drive: Arc<dyn Drive> = Arc::<Shared<O>>::clone(&shared);
        run.driven_by(Arc::downgrade(&drive));
        Self(shared)
    }
}

impl<O: Send + 'static> Future for Movable<O> {
    type Output = O;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<O> {
        let mut state = self.0.lock();
        // Taken out while it is polled: a load that panics does not go on.
        match std::mem::replace(&mut state.load, Load::Taken) {
            Load::Caller(mut load) => {
                let polled = self.0.run.poll(load.as_mut(), &mut state.relay, context);
                if polled.is_pending() {
                    state.load = Load::Caller(load);
                }
                polled
            }
            Load::Task(load) => {
                state.load = Load::Task(load);
                state.caller = Some(context.waker().clone());
                Poll::Pending
            }
            Load::Ended(output) => Poll::Ready(output),
            Load::Panicked(panic) => {
                drop(state);
                resume_unwind(panic)
            }
            Load::Taken => unreachable!("polled after its end"),
        }
    }
}

impl<O: Send + 'static> Drop for Movable<O> {
    fn drop(&mut self) {
        // Where it is locked a task polls it already.
        Arc::clone(&self.0).take_over();
    }
}

impl<O> Shared<O> {
    fn lock(&self) -> MutexGuard<'_, State<O>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O: Send + 'static> Drive for Shared<O> {
    fn take_over(self: Arc<Self>) -> bool {
        let Some(runtime) = self.runtime.clone().or_else(home::handle) else { return false };
        // Locked while it is polled: then nothing is to be done.
        let Ok(mut state) = self.state.try_lock() else { return false };
        match std::mem::replace(&mut state.load, Load::Taken) {
            Load::Caller(load) => state.load = Load::Task(load),
            other => {
                state.load = other;
                return true;
            }
        }
        state.relay = None;
        drop(state);
        let (at_most, span) = (self.at_most, self.span.clone());
        self.run.moved();
        let task = async move {
            let shared = Abandoned(self);
            Deadline::after(at_most)
                .bound(std::future::poll_fn(|context| shared.0.poll_in_task(context)))
                .await;
        };
        runtime.spawn(task.instrument(span));
        true
    }
}

/// A load in a task; dropped with it: the runtime has ended, or it has taken too long.
struct Abandoned<O: Send + 'static>(Arc<Shared<O>>);

impl<O: Send + 'static> Drop for Abandoned<O> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if matches!(state.load, Load::Task(_)) {
            // A caller that is still there polls it itself again.
            if let Load::Task(load) = std::mem::replace(&mut state.load, Load::Taken)
                && let Some(caller) = state.caller.take()
            {
                state.load = Load::Caller(load);
                caller.wake();
            }
        }
    }
}

impl<O: Send + 'static> Shared<O> {
    fn poll_in_task(self: &Arc<Self>, context: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        let Load::Task(mut load) = std::mem::replace(&mut state.load, Load::Taken) else {
            return Poll::Ready(());
        };
        let polled =
            catch_unwind(AssertUnwindSafe(|| self.run.poll(load.as_mut(), &mut state.relay, context)));
        state.load = match polled {
            Ok(Poll::Pending) => {
                state.load = Load::Task(load);
                return Poll::Pending;
            }
            Ok(Poll::Ready(output)) => Load::Ended(output),
            Err(panic) => Load::Panicked(panic),
        };
        if let Some(caller) = state.caller.take() {
            caller.wake();
        }
        Poll::Ready(())
    }
}
