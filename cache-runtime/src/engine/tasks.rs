//! The background work of one cache: steps that go on when their caller goes away.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use futures_util::FutureExt as _;

use crate::ambient::home;

/// Counts what is under way, so that a shutdown can wait for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks(Arc<AtomicUsize>);

/// One piece of background work, until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted(Tasks);

impl Tasks {
    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }

    pub(crate) fn count(&self) -> Counted {
        self.0.fetch_add(1, Ordering::AcqRel);
        Counted(self.clone())
    }

    /// Runs work that no caller can cancel: here as far as it goes at once (for the in-process store, to its end), the rest
    /// on the caller's runtime where that runs by itself, else on the cache's own thread.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut carried = Carried { work: Some(Box::pin(work)), counted: Some(self.count()) };
        if carried.poll_unpin(&mut Context::from_waker(Waker::noop())).is_pending()
            && let Some(runtime) = home::carrier()
        {
            runtime.spawn(carried);
        }
    }

    /// Runs such work and waits for it: work that waits for the store keeps to a deadline of its own.
    ///
    /// # Cancel safety
    /// The work goes on.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (done, answer) = tokio::sync::oneshot::channel();
        self.spawn(async move {
            // Refused where the caller has gone away.
            drop(done.send(work.await));
        });
        answer.await.ok()
    }
}

/// Work on the runtime of a caller: where that ends, it goes on on the cache's own thread.
struct Carried {
    work: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    counted: Option<Counted>,
}

impl Future for Carried {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // Taken out while it is polled: work that panics does not go on.
        let Some(mut work) = self.work.take() else { return Poll::Ready(()) };
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        if let (Some(work), Some(runtime)) = (self.work.take(), home::handle()) {
            let counted = self.counted.take();
            runtime.spawn(async move {
                let _counted = counted;
                work.await;
            });
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}
