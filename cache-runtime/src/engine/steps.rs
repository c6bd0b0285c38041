//! Steps that go on when their caller goes away.

use std::sync::{Arc, atomic::Ordering};

use tokio::runtime::Handle;

use super::Engine;
use crate::ambient;

/// Runs a task that no caller can cancel. Without a runtime (in the drop of a future, after its runtime) what can be
/// done at once is done: all of it, for the in-process store.
pub(super) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Option<tokio::task::JoinHandle<()>> {
    match Handle::try_current() {
        Ok(runtime) => Some(runtime.spawn(task)),
        Err(_) => {
            ambient::offline(|| futures_util::FutureExt::now_or_never(task));
            None
        }
    }
}

/// Runs steps that go on without the caller, and waits for them as long as the budget allows.
pub(super) async fn within_budget<T: Send + 'static>(
    engine: &Arc<Engine>,
    steps: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let (done, answer) = tokio::sync::oneshot::channel();
    let counted = Counted::new(engine);
    spawn(async move {
        let _counted = counted;
        // Nobody listens any more: the caller went away, or its budget is spent.
        drop(done.send(steps.await));
    });
    // The steps keep to the budget themselves, and have noted by then what was not acknowledged.
    answer.await.ok()
}

/// Steps that a shutdown waits for.
pub(super) struct Counted(Arc<Engine>);

impl Counted {
    pub(super) fn new(engine: &Arc<Engine>) -> Self {
        engine.steps.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(engine))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.steps.fetch_sub(1, Ordering::AcqRel);
    }
}
