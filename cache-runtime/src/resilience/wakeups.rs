//! Callers that wait for somebody else's load: woken when the entry may have changed.
//!
//! A wake-up is a hint (rule 10): who is woken looks again.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::Notify;

use crate::domain::key::Key;

/// Who waits for which key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wakeups(Arc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    keys: Mutex<HashMap<Key, Vec<Arc<Notify>>>>,
    /// How many wait: most of the time nobody, and then nobody takes the lock.
    count: AtomicUsize,
}

/// Somebody who waits, until it is dropped.
#[derive(Debug)]
pub(crate) struct Waiter {
    waiting: Arc<Waiting>,
    keys: Vec<Key>,
    woken: Arc<Notify>,
}

impl Wakeups {
    /// From now on each [`Wakeups::wake`] of one of the keys ends one [`Waiter::woken`], also one that is called later.
    pub(crate) fn register<'a>(&self, keys: impl IntoIterator<Item = &'a Key>) -> Waiter {
        let woken = Arc::<Notify>::default();
        let keys: Vec<Key> = keys.into_iter().cloned().collect();
        let mut waiting = self.0.lock();
        for key in &keys {
            waiting.entry(key.clone()).or_default().push(Arc::clone(&woken));
        }
        drop(waiting);
        self.0.count.fetch_add(1, Ordering::Release);
        Waiter { waiting: Arc::clone(&self.0), keys, woken }
    }

    pub(crate) fn wake(&self, key: &[u8]) {
        if self.0.count.load(Ordering::Acquire) == 0 {
            return;
        }
        for woken in self.0.lock().get(key).into_iter().flatten() {
            woken.notify_one();
        }
    }

    /// The hints were lost: everybody looks again.
    pub(crate) fn wake_all(&self) {
        for woken in self.0.lock().values().flatten() {
            woken.notify_one();
        }
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Vec<Arc<Notify>>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    /// # Cancel safety
    /// Safe: a wake-up that was not taken stays.
    pub(crate) async fn woken(&self) {
        self.woken.notified().await;
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock();
        for key in &self.keys {
            if let Some(waiters) = waiting.get_mut(key) {
                waiters.retain(|woken| !Arc::ptr_eq(woken, &self.woken));
                if waiters.is_empty() {
                    waiting.remove(key);
                }
            }
        }
        drop(waiting);
        self.waiting.count.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::domain::key::KeyWriter;

    #[test]
    fn who_waits_is_woken_by_its_key_also_before_it_listens() {
        let wakeups = Wakeups::default();
        let (a, b) = (KeyWriter::new("a").finish(), KeyWriter::new("b").finish());
        wakeups.wake(b"a");
        let (first, second, other) =
            (wakeups.register([&a]), wakeups.register([&a, &b]), wakeups.register([&b]));
        assert!(first.woken().now_or_never().is_none(), "what happened before is not kept");
        wakeups.wake(b"a");
        assert!(first.woken().now_or_never().is_some() && second.woken().now_or_never().is_some());
        assert!(other.woken().now_or_never().is_none());
        wakeups.wake_all();
        assert!(other.woken().now_or_never().is_some());
        drop((first, second, other));
        assert!(wakeups.0.lock().is_empty() && wakeups.0.count.load(Ordering::Relaxed) == 0);
    }
}
