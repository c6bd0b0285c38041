//! Whether a load may outlive its caller.
//!
//! A detached load is polled by its caller as long as there is one, so that it sees the caller's task-locals and span
//! and costs no task of its own. When the caller goes away, it goes on in a task (rule 17).

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::runtime::Handle;
use tracing::Instrument as _;

use super::{CacheValue, Rules, Shape, load::Load, lookup::Call, read::read};
use crate::{ambient::Deadline, domain::policy::Ttl, resilience::refresh::Refreshing};

/// A load that goes on when it is dropped.
struct Alone<O: Send + 'static> {
    load: Option<Pin<Box<dyn Future<Output = O> + Send>>>,
    runtime: Option<Handle>,
    /// How long it goes on alone: after that nobody waits for it, and it could store nothing.
    at_most: Duration,
}

impl<O: Send + 'static> Future for Alone<O> {
    type Output = O;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<O> {
        // Taken out while it is polled: a load that panics does not go on.
        let Some(mut load) = self.load.take() else { unreachable!("polled after its end") };
        let polled = load.as_mut().poll(context);
        if polled.is_pending() {
            self.load = Some(load);
        }
        Poll::Ready(ready!(polled))
    }
}

impl<O: Send + 'static> Drop for Alone<O> {
    fn drop(&mut self) {
        if let (Some(load), Some(runtime)) = (self.load.take(), &self.runtime) {
            let at_most = self.at_most;
            let task = async move {
                drop(Deadline::after(at_most).bound(load).await);
            };
            runtime.spawn(task.in_current_span());
        }
    }
}

/// A load that ends with its caller.
#[derive(Clone, Copy, Debug)]
pub struct Attached;

/// A load that goes on without its caller, and can be made again in the background.
#[derive(Clone, Copy, Debug)]
pub struct Detached;

impl Attached {
    /// Calls a function that reads.
    ///
    /// # Cancel safety
    /// A caller that goes away while it leads a load gives its lease back; the others start over.
    ///
    /// # Consistency
    /// A call that begins after a write has returned does not get the older value.
    pub fn read<S, T, C, B, F>(
        self,
        call: Call,
        shape: S,
        rules: Rules<T, C>,
        body: B,
    ) -> impl Future<Output = S::Output>
    where
        S: Shape<Value: CacheValue>,
        B: FnOnce() -> F,
        F: Future<Output = S::Output>,
        T: Fn(&S::Value) -> Ttl,
        C: Fn(&S::Value) -> bool,
    {
        // Boxed, so that the state of a hit stays small.
        let lead = |load: Load<S, T, C>, leader, stale, body| Box::pin(load.lead(leader, stale, body));
        read(call, shape, rules, body, lead, None::<fn(Load<S, T, C>, F, Refreshing)>)
    }
}

impl Detached {
    /// Calls a function that reads.
    ///
    /// # Cancel safety
    /// A load goes on when its caller goes away, with its lease and its flight: the others get what it brings.
    ///
    /// # Consistency
    /// A call that begins after a write has returned does not get the older value.
    pub fn read<S, T, C, B, F>(
        self,
        call: Call,
        shape: S,
        rules: Rules<T, C>,
        body: B,
    ) -> impl Future<Output = S::Output>
    where
        S: Shape<Value: CacheValue, Output: Send> + 'static,
        B: FnOnce() -> F,
        F: Future<Output = S::Output> + Send + 'static,
        T: Fn(&S::Value) -> Ttl + Send + Sync + 'static,
        C: Fn(&S::Value) -> bool + Send + Sync + 'static,
    {
        let lead = |load: Load<S, T, C>, leader, stale, body| {
            let (runtime, at_most) = (Handle::try_current().ok(), load.call.load_timeout());
            Alone { load: Some(Box::pin(load.lead(leader, stale, body))), runtime, at_most }
        };
        let refresh = |load: Load<S, T, C>, body, refreshing| {
            let tasks = load.call.engine.tasks.clone();
            let task = async move {
                // After that its lease is not renewed, and it could store nothing.
                let at_most = Deadline::after(load.call.load_timeout());
                at_most.bound(load.refresh(body, refreshing)).await;
            };
            tasks.spawn(task.in_current_span());
        };
        read(call, shape, rules, body, lead, Some(refresh))
    }
}
