//! What `cache_runtime::sync` has, with a scheduler that decides who goes on.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

pub(crate) use shuttle::sync::{Arc, Mutex, MutexGuard, PoisonError, atomic};

use crate::Defect;

/// As tokio has it, as far as flights use it: a call of `notify_waiters` counts for who has asked before.
#[derive(Debug, Default)]
pub(crate) struct Notify(Mutex<Calls>);

#[derive(Debug, Default)]
struct Calls {
    count: u64,
    waiting: Vec<Waker>,
}

impl Notify {
    pub(crate) fn notify_waiters(&self) {
        let waiting = {
            let mut calls = self.calls();
            calls.count += 1;
            std::mem::take(&mut calls.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn notified(&self) -> Notified<'_> {
        let before = (!Defect::RegistersLate.is_planted()).then(|| self.calls().count);
        Notified { notify: self, before }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(crate) struct Notified<'a> {
    notify: &'a Notify,
    /// So many calls had been made when this one began to count.
    before: Option<u64>,
}

impl Notified<'_> {
    /// It counts from its making on, so there is nothing left to do.
    pub(crate) fn enable(self: Pin<&mut Self>) -> bool {
        false
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut calls = self.notify.calls();
        let count = calls.count;
        if self.before.is_some_and(|before| before < count) {
            return Poll::Ready(());
        }
        calls.waiting.push(context.waker().clone());
        drop(calls);
        self.before.get_or_insert(count);
        Poll::Pending
    }
}
