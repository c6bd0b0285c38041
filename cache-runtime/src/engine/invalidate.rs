//! Invalidations: what is sent at the end of a write, and again until it is acknowledged.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;

use super::{
    Engine,
    steps::{spawn, within_budget},
};
use crate::{
    ambient::{self, Deadline, millis},
    codec::Sealed,
    domain::{
        entry::{Millis, Stored, Token},
        key::Key,
    },
    error::StoreError,
    metrics,
    store::Store as _,
};

/// Keys of one cache that a write makes unusable.
#[derive(Clone, Debug)]
pub struct Target {
    pub(crate) engine: Arc<Engine>,
    /// The key, and those of earlier versions of the function that it belongs to.
    pub(crate) keys: Vec<Key>,
}

/// The last step on the key that a write-through function owns.
#[derive(Debug)]
pub(super) enum End {
    /// Store the result, if this writer was alone.
    Store(Sealed),
    /// Leave; there is nothing to store.
    Nothing,
    /// The write may land later: keep the key fenced.
    Hold,
}

/// The key that a write-through function owns, and the token of this write.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub(super) key: Key,
    pub(super) token: Token,
    /// Whether the fence was acknowledged.
    pub(super) fenced: bool,
}

/// How the steps at the end of a write went.
#[derive(Debug, Default)]
pub(super) struct Ended {
    pub(super) stored: bool,
    pub(super) invalidated: u64,
    pub(super) failed: u64,
}

/// Sends the steps at the end of a write, all at once: one round trip.
pub(super) async fn end(
    engine: &Arc<Engine>,
    own: Option<(Own, End)>,
    targets: &[Target],
    hold: bool,
) -> Ended {
    let hold = hold.then(|| millis(engine.config.hold));
    let mut ended = Ended::default();
    let deadline = Deadline::after(engine.config.budget);
    // A function may name its own key among its targets: END has the last word there.
    let own_key = own.as_ref().map(|(own, _)| own.key.clone());
    let own_key = own_key.as_ref();
    let own_step = async {
        match own {
            Some((own, end)) => {
                let answer = bounded(deadline, end_own(engine, &own, end)).await;
                Some((own.key, answer))
            }
            None => None,
        }
    };
    let others = targets.iter().flat_map(|target| {
        let others = target
            .keys
            .iter()
            .filter(move |key| own_key != Some(key) || !Arc::ptr_eq(&target.engine, engine));
        others.map(move |key| async move {
            let answer = match hold {
                Some(hold) => bounded(deadline, target.engine.store.hold(key, ambient::token(), hold)).await,
                None => bounded(deadline, target.engine.store.invalidate(key)).await,
            };
            (&target.engine, key, answer)
        })
    });
    let (own, others) = futures_util::future::join(own_step, join_all(others)).await;
    match own {
        Some((_, Ok(stored))) => ended.stored = stored == Stored::Yes,
        Some((key, Err(error))) => {
            failed(engine, key, &error);
            ended.failed += 1;
        }
        None => {}
    }
    for (engine, key, answer) in others {
        match answer {
            Ok(()) => ended.invalidated += 1,
            Err(error) => {
                failed(engine, key.clone(), &error);
                ended.failed += 1;
            }
        }
    }
    ended
}

/// A step whose answer is waited for until the deadline. What has none by then is a failure before the caller returns:
/// else a read after it could still be served.
async fn bounded<T>(
    deadline: Deadline,
    step: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    deadline.bound(step).await.unwrap_or(Err(StoreError::Timeout))
}

async fn end_own(engine: &Engine, own: &Own, end: End) -> Result<Stored, StoreError> {
    let Own { key, token, fenced } = own;
    let hold: Millis = millis(engine.config.hold);
    match end {
        End::Hold => engine.store.hold(key, *token, hold).await.map(|()| Stored::Lost),
        End::Store(sealed) if *fenced => {
            let stored = engine.store.end(key, *token, Some(&sealed)).await;
            if matches!(stored, Ok(Stored::Yes)) {
                engine.remember(key, engine.store.now() + sealed.lifetime.total);
            }
            stored
        }
        End::Nothing if *fenced => engine.store.end(key, *token, None).await,
        // The fence was not acknowledged, so nothing may be stored; if it exists it goes.
        End::Store(_) | End::Nothing => engine.store.end(key, *token, None).await,
    }
}

/// An invalidation that was not acknowledged: from now on this process does not serve the key, until it is.
fn failed(engine: &Arc<Engine>, key: Key, error: &StoreError) {
    if matches!(error, StoreError::Off) {
        // There is no store that could serve the old value.
        return;
    }
    engine.recovery.add([key]);
    metrics::gauge_recovery(engine.recovery.len());
    if resume(engine) {
        // Once for each outage, not for each key.
        tracing::warn!(
            reason = error.reason(),
            "invalidations are not acknowledged; they are repeated until they are"
        );
    }
}

/// Starts the worker where something waits and none is there: also after its runtime has gone.
pub(super) fn resume(engine: &Arc<Engine>) -> bool {
    let start = engine.recovery.start();
    if start {
        let worker = Worker(Arc::clone(engine));
        if spawn(worker.run()).is_none() {
            engine.recovery.abandoned();
        }
    }
    start
}

/// Repeats invalidations until none is left.
struct Worker(Arc<Engine>);

/// How many are sent at once, and how long the worker waits after a failure.
const BATCH: usize = 64;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Worker {
    async fn run(self) {
        let engine = &self.0;
        let mut pause = FIRST_PAUSE;
        loop {
            let batch = engine.recovery.batch(BATCH);
            if batch.is_empty() {
                return;
            }
            let answers = join_all(batch.iter().map(|(key, _)| engine.store.invalidate(key))).await;
            let mut acknowledged = false;
            for ((key, added), answer) in batch.iter().zip(answers) {
                if answer.is_ok() {
                    engine.recovery.done(key, *added);
                    acknowledged = true;
                }
            }
            metrics::gauge_recovery(engine.recovery.len());
            if acknowledged {
                pause = FIRST_PAUSE;
            } else {
                ambient::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.recovery.abandoned();
    }
}

impl Engine {
    /// Invalidates keys on request: `Cache::invalidate` and `entry(..).invalidate()`.
    pub(crate) async fn invalidate(self: &Arc<Self>, keys: Vec<Key>) -> bool {
        let engine = Arc::clone(self);
        let target = Target { engine: Arc::clone(self), keys };
        let steps = async move { end(&engine, None, &[target], false).await.failed == 0 };
        within_budget(self, steps).await.unwrap_or(false)
    }
}
