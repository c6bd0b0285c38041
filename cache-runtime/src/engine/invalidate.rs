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
    resilience::recovery::{Waiting, Work},
    store::Store as _,
};

/// Keys of one cache that a write makes unusable.
#[derive(Clone, Debug)]
pub struct Target {
    pub(crate) engine: Arc<Engine>,
    /// The key, and those of earlier versions of the function that it belongs to.
    pub(crate) keys: Vec<Key>,
}

/// The last step on a key that a write has fenced.
#[derive(Debug)]
pub(super) enum End {
    /// Store the result, if this writer was alone.
    Store(Sealed),
    /// Leave; there is nothing to store.
    Nothing,
}

/// A key that a write announces itself on, and the token that it does it with.
#[derive(Clone, Debug)]
pub(super) struct Fence {
    pub(super) engine: Arc<Engine>,
    pub(super) key: Key,
    pub(super) token: Token,
    /// Whether BEGIN was acknowledged.
    pub(super) stands: bool,
}

impl Fence {
    pub(super) fn new(engine: &Arc<Engine>, key: Key) -> Self {
        Self { engine: Arc::clone(engine), key, token: ambient::token(), stands: false }
    }

    pub(super) fn is_of(&self, engine: &Arc<Engine>, key: &Key) -> bool {
        self.key == *key && Arc::ptr_eq(&self.engine, engine)
    }
}

/// How the steps at the end of a write went.
#[derive(Debug, Default)]
pub(super) struct Ended {
    pub(super) stored: bool,
    pub(super) invalidated: u64,
    pub(super) failed: u64,
}

/// Sends the steps at the end of a write, all at once: one round trip.
///
/// With a `hold` nothing is stored, and all keys stay fenced for so long.
pub(super) async fn end(
    budget: Duration,
    own: Option<(Fence, End)>,
    fences: Vec<Fence>,
    targets: &[Target],
    hold: Option<Duration>,
) -> Ended {
    let hold = hold.map_or(0, millis);
    let mut ended = Ended::default();
    let deadline = Deadline::after(budget);
    // A function may name its own key among its targets: END has the last word there. So it has where a target was fenced.
    let fenced: Vec<(Arc<Engine>, Key)> = own
        .iter()
        .map(|(own, _)| own)
        .chain(&fences)
        .map(|fence| (Arc::clone(&fence.engine), fence.key.clone()))
        .collect();
    let own_step = async {
        match own {
            Some((fence, end)) => {
                let answer = bounded(deadline, leave(&fence, end, hold)).await;
                Some((fence, answer))
            }
            None => None,
        }
    };
    let fence_steps = fences.into_iter().map(|fence| async move {
        let answer = bounded(deadline, leave(&fence, End::Nothing, hold)).await;
        (fence, answer)
    });
    let others = targets.iter().flat_map(|target| {
        let is_fenced = |key: &Key| {
            fenced.iter().any(|(engine, fenced)| fenced == key && Arc::ptr_eq(engine, &target.engine))
        };
        let others = target.keys.iter().filter(move |key| !is_fenced(key));
        others.map(move |key| async move {
            let answer = match hold {
                0 => bounded(deadline, target.engine.store.invalidate(key)).await,
                hold => bounded(deadline, target.engine.store.hold(key, ambient::token(), hold)).await,
            };
            (&target.engine, key, answer)
        })
    });
    let (own, fences, others) =
        futures_util::future::join3(own_step, join_all(fence_steps), join_all(others)).await;
    match own {
        Some((_, Ok(stored))) => ended.stored = stored == Stored::Yes,
        Some((fence, Err(error))) => {
            failed(&fence.engine, fence.key, hold, &error);
            ended.failed += 1;
        }
        None => {}
    }
    let fences = fences.into_iter().map(|(fence, answer)| (fence.engine, fence.key, answer.map(drop)));
    let others = others.into_iter().map(|(engine, key, answer)| (Arc::clone(engine), key.clone(), answer));
    for (engine, key, answer) in fences.chain(others) {
        match answer {
            Ok(()) => ended.invalidated += 1,
            Err(error) => {
                failed(&engine, key, hold, &error);
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

/// END, with a value, without one, or with a hold.
async fn leave(fence: &Fence, end: End, hold: Millis) -> Result<Stored, StoreError> {
    let Fence { engine, key, token, stands } = fence;
    if hold > 0 {
        return engine.store.hold(key, *token, hold).await.map(|()| Stored::Lost);
    }
    match end {
        End::Store(sealed) if *stands => {
            let stored = engine.store.end(key, *token, Some(&sealed)).await;
            if matches!(stored, Ok(Stored::Yes)) {
                engine.remember(key, engine.store.now() + sealed.lifetime.fresh);
            }
            stored
        }
        // Where the fence was not acknowledged nothing may be stored; if it exists it goes.
        End::Store(_) | End::Nothing => engine.store.end(key, *token, None).await,
    }
}

/// An invalidation that was not acknowledged: from now on this process does not serve the key, until it is.
fn failed(engine: &Arc<Engine>, key: Key, hold: Millis, error: &StoreError) {
    if matches!(error, StoreError::Off) {
        // There is no store that could serve the old value.
        return;
    }
    engine.recovery.add(key, hold);
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
        let worker = Worker { engine: Arc::clone(engine), ended: false };
        if spawn(worker.run()).is_none() {
            engine.recovery.abandoned();
        }
    }
    start
}

/// Repeats invalidations until none is left.
struct Worker {
    engine: Arc<Engine>,
    /// It has found nothing left to do: from then on another one may be at work.
    ended: bool,
}

/// How many are sent at once, and how long the worker waits after a failure.
const BATCH: usize = 256;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Worker {
    async fn run(mut self) {
        let engine = Arc::clone(&self.engine);
        let mut pause = FIRST_PAUSE;
        loop {
            let acknowledged = match engine.recovery.work(BATCH) {
                Work::Nothing => {
                    self.ended = true;
                    return;
                }
                Work::Keys(keys) => self.repeat(&keys).await,
                // Every load that began before is voided with it: its lease is an entry, too.
                Work::Everything(forgotten) => {
                    let swept = engine.store.invalidate_all(&engine.config.prefix).await.is_ok();
                    if swept {
                        engine.recovery.swept(forgotten);
                    }
                    swept
                }
            };
            metrics::gauge_recovery(engine.recovery.len());
            if acknowledged {
                pause = FIRST_PAUSE;
            } else {
                ambient::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Whether any was acknowledged.
    async fn repeat(&self, keys: &[(Key, Waiting)]) -> bool {
        let engine = &self.engine;
        let answers = join_all(keys.iter().map(|(key, waiting)| repeat(engine, key, waiting.hold))).await;
        let mut acknowledged = false;
        for ((key, waiting), answer) in keys.iter().zip(answers) {
            if answer.is_ok() {
                engine.recovery.done(key, *waiting);
                acknowledged = true;
            }
        }
        acknowledged
    }
}

async fn repeat(engine: &Engine, key: &Key, hold: Millis) -> Result<(), StoreError> {
    match hold {
        0 => engine.store.invalidate(key).await,
        hold => engine.store.hold(key, ambient::token(), hold).await,
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.ended {
            self.engine.recovery.abandoned();
        }
    }
}

impl Engine {
    /// Invalidates keys on request: `Cache::invalidate` and `entry(..).invalidate()`.
    pub(crate) async fn invalidate(self: &Arc<Self>, keys: Vec<Key>) -> bool {
        let budget = self.config.budget;
        let target = Target { engine: Arc::clone(self), keys };
        let steps = async move { end(budget, None, Vec::new(), &[target], None).await.failed == 0 };
        within_budget(self, steps).await.unwrap_or(false)
    }
}
