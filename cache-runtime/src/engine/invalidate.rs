//! Invalidations: what is sent at the end of a write, and again until it is acknowledged.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;

use super::{Engine, keeper::Held};
use crate::{
    ambient::{self, Deadline, millis},
    codec::Sealed,
    domain::{
        entry::{Millis, Stored, Token},
        key::Key,
        pattern::Pattern,
    },
    error::StoreError,
    metrics,
    redis::channel::Changes,
    resilience::recovery::{Repeat, Waiting, Work},
    store::Store as _,
};

/// What a write makes unusable in one cache.
#[derive(Clone, Debug)]
pub struct Target {
    pub(crate) engine: Arc<Engine>,
    /// The key, and those of earlier versions of the function that it belongs to.
    pub(crate) keys: Vec<Key>,
    pub(crate) tags: Vec<Key>,
    pub(crate) patterns: Vec<Pattern>,
}

impl Target {
    pub(crate) fn keys(engine: &Arc<Engine>, keys: Vec<Key>) -> Self {
        Self { engine: Arc::clone(engine), keys, tags: Vec::new(), patterns: Vec::new() }
    }

    pub(crate) fn tag(engine: &Arc<Engine>, tag: Key) -> Self {
        Self { engine: Arc::clone(engine), keys: Vec::new(), tags: vec![tag], patterns: Vec::new() }
    }

    pub(crate) fn patterns(engine: &Arc<Engine>, patterns: Vec<Pattern>) -> Self {
        Self { engine: Arc::clone(engine), keys: Vec::new(), tags: Vec::new(), patterns }
    }

    /// The part that no hold can keep loads from storing.
    pub(super) fn without_keys(&self) -> Option<Self> {
        let rest = Self { keys: Vec::new(), ..self.clone() };
        (!rest.tags.is_empty() || !rest.patterns.is_empty()).then_some(rest)
    }
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

    /// What is renewed while the writer's body runs.
    pub(super) fn held(&self) -> Held {
        Held { engine: Arc::clone(&self.engine), key: self.key.clone(), token: self.token }
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

/// How long the end of a write waits for walks over all keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walks {
    /// As long as for every other step; a walk that takes longer is repeated in the background, and until it is over this
    /// process serves nothing that matches.
    WithinBudget,
    /// Until they are over: each of their steps keeps to the budget.
    ToTheirEnd,
}

/// Sends the steps at the end of a write, all at once: one round trip.
///
/// With a `hold` nothing is stored, and all keys stay fenced for that long.
pub(super) async fn end(
    budget: Duration,
    walks: Walks,
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
        let keys = target.keys.iter().filter(move |key| !is_fenced(key));
        keys.map(move |key| async move {
            let repeat = Repeat::Entry(hold);
            let answer = bounded(deadline, invalidate(&target.engine, key, repeat)).await;
            (&target.engine, Subject::Key(key.clone(), repeat), answer.map(|()| 1))
        })
    });
    let tags = targets.iter().flat_map(|target| {
        target.tags.iter().map(move |tag| async move {
            let answer = bounded(deadline, invalidate(&target.engine, tag, Repeat::Tag)).await;
            (&target.engine, Subject::Key(tag.clone(), Repeat::Tag), answer.map(|()| 1))
        })
    });
    let patterns = targets.iter().flat_map(|target| {
        target.patterns.iter().map(move |pattern| async move {
            let walk = target.engine.store.invalidate_matching(pattern);
            let answer = match walks {
                Walks::WithinBudget => bounded(deadline, walk).await,
                Walks::ToTheirEnd => walk.await,
            };
            (&target.engine, Subject::Pattern(pattern.clone()), answer)
        })
    });
    let (own, fences, others, tags, patterns) = futures_util::future::join5(
        own_step,
        join_all(fence_steps),
        join_all(others),
        join_all(tags),
        join_all(patterns),
    )
    .await;
    // A walk may have taken longer than that.
    let deadline = if walks == Walks::ToTheirEnd { Deadline::after(budget) } else { deadline };
    let mut settled = Settled::default();
    if let Some((fence, answer)) = own {
        ended.stored = matches!(answer, Ok(Stored::Yes));
        // It is no target, and not counted as one.
        settled.add(&fence.engine, Subject::Key(fence.key, Repeat::Entry(hold)), answer.map(|_| 0));
    }
    for (fence, answer) in fences {
        settled.add(&fence.engine, Subject::Key(fence.key, Repeat::Entry(hold)), answer.map(|_| 1));
    }
    for (engine, subject, answer) in others.into_iter().chain(tags).chain(patterns) {
        settled.add(engine, subject, answer);
    }
    settled.announce(deadline).await;
    ended.invalidated = settled.invalidated;
    ended.failed = settled.failed;
    ended
}

/// What was invalidated, or failed to be.
#[derive(Debug)]
enum Subject {
    Key(Key, Repeat),
    Pattern(Pattern),
}

/// Invalidations that have been answered: from each on this process serves nothing older.
#[derive(Default)]
struct Settled {
    acknowledged: Vec<(Arc<Engine>, Subject)>,
    invalidated: u64,
    failed: u64,
}

impl Settled {
    fn add(&mut self, engine: &Arc<Engine>, subject: Subject, answer: Result<u64, StoreError>) {
        match answer {
            Ok(gone) => {
                subject.forget(engine);
                self.invalidated += gone;
                self.acknowledged.push((Arc::clone(engine), subject));
            }
            Err(error) => {
                self.failed += 1;
                failed(engine, &subject, &error);
                subject.forget(engine);
            }
        }
    }

    /// Tells the others, where the store does not (rule 20).
    async fn announce(&mut self, deadline: Deadline) {
        while let Some((engine, subject)) = self.acknowledged.pop() {
            let mut same = vec![subject];
            let mut others = Vec::new();
            for (other, subject) in self.acknowledged.drain(..) {
                if Arc::ptr_eq(&engine, &other) {
                    same.push(subject);
                } else {
                    others.push((other, subject));
                }
            }
            self.acknowledged = others;
            if let Err(error) = bounded(deadline, announce(&engine, &same)).await {
                self.failed += same.len() as u64;
                same.iter().for_each(|subject| failed(&engine, subject, &error));
            }
        }
    }
}

impl Subject {
    /// Drops it from the local level of this process.
    fn forget(&self, engine: &Engine) {
        match self {
            Self::Key(key, _) => engine.local.forget(key.as_bytes()),
            Self::Pattern(pattern) => engine.local.forget_matching(pattern),
        }
    }
}

async fn announce(engine: &Engine, subjects: &[Subject]) -> Result<(), StoreError> {
    let mut changes = Changes::default();
    for subject in subjects {
        match subject {
            Subject::Key(key, Repeat::Entry(_)) => changes.keys.push(key),
            Subject::Key(tag, Repeat::Tag) => changes.tags.push(tag),
            Subject::Pattern(pattern) => changes.patterns.push(pattern),
        }
    }
    engine.store.announce(&changes).await
}

/// INVALIDATE of one key or tag, with its hold.
async fn invalidate(engine: &Engine, key: &Key, repeat: Repeat) -> Result<(), StoreError> {
    match repeat {
        Repeat::Entry(0) => engine.store.invalidate(key).await,
        Repeat::Entry(hold) => engine.store.hold(key, Token::NONE, hold).await,
        Repeat::Tag => engine.store.invalidate_tag(key).await,
    }
}

/// A step whose answer is waited for until the deadline. What has none by then is a failure before the caller returns:
/// else a read after it could still be served.
async fn bounded<T>(
    deadline: Deadline,
    step: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    deadline.bound_together(step).await.unwrap_or(Err(StoreError::Timeout))
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
fn failed(engine: &Arc<Engine>, subject: &Subject, error: &StoreError) {
    if matches!(error, StoreError::Off) {
        // There is no store that could serve the old value.
        return;
    }
    match subject {
        Subject::Key(key, repeat) => engine.recovery.add(key.clone(), *repeat),
        Subject::Pattern(pattern) => engine.recovery.add_pattern(pattern.clone()),
    }
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
        engine.tasks.spawn(worker.run());
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
                Work::Keys(keys) => self.repeat(keys).await,
                Work::Pattern(pattern, added) => {
                    let done = self.walk(&pattern).await;
                    if done {
                        engine.recovery.done_pattern(&pattern, added);
                    }
                    done
                }
                // Every load that began before is voided with it: its lease is an entry, too.
                Work::Everything(forgotten) => {
                    let swept = self.walk(&Pattern::of_prefix(&engine.config.prefix)).await;
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
    async fn repeat(&self, keys: Vec<(Key, Waiting)>) -> bool {
        let engine = &self.engine;
        let answers =
            join_all(keys.iter().map(|(key, waiting)| invalidate(engine, key, waiting.repeat))).await;
        let acknowledged = keys.into_iter().zip(answers).filter(|(_, answer)| answer.is_ok());
        let (subjects, waiting): (Vec<Subject>, Vec<Waiting>) =
            acknowledged.map(|((key, waiting), _)| (Subject::Key(key, waiting.repeat), waiting)).unzip();
        if subjects.is_empty() || announce(engine, &subjects).await.is_err() {
            return false;
        }
        for (subject, waiting) in subjects.iter().zip(waiting) {
            subject.forget(engine);
            if let Subject::Key(key, _) = subject {
                engine.recovery.done(key, waiting);
            }
        }
        true
    }

    /// Whether all that match are gone, and the others were told.
    async fn walk(&self, pattern: &Pattern) -> bool {
        let subject = Subject::Pattern(pattern.clone());
        let gone = self.engine.store.invalidate_matching(pattern).await.is_ok();
        subject.forget(&self.engine);
        gone && announce(&self.engine, &[subject]).await.is_ok()
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
    /// Invalidates on request: `Cache::invalidate` and the like. How many entries went, and whether all was acknowledged.
    pub(crate) async fn invalidate(self: &Arc<Self>, target: Target) -> Invalidated {
        let budget = self.config.budget;
        let steps = async move {
            let ended = end(budget, Walks::ToTheirEnd, None, Vec::new(), &[target], None).await;
            Invalidated { entries: ended.invalidated, acknowledged: ended.failed == 0 }
        };
        self.tasks.run(steps).await.unwrap_or(Invalidated { entries: 0, acknowledged: false })
    }
}

/// The answer of [`Cache::invalidate_matching`](crate::Cache::invalidate_matching).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Invalidated {
    /// How many entries went: values, and loads under way.
    pub entries: u64,
    /// `false`: Redis did not acknowledge all of it. Then it is repeated until it does, and this process does not serve
    /// those entries meanwhile.
    pub acknowledged: bool,
}
