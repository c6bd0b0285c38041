//! A call of a function that writes: fence, body, then value and invalidations in steps that nobody can cancel.

use std::{future::poll_fn, pin::pin, sync::Arc, time::Duration};

use futures_util::future::{join, join_all};

use super::{
    CacheValue, Context, Engine, Rules, Shape, View,
    fill::{prolong, seal},
    invalidate::{End, Fence, Target, Walks, end},
    keeper::{Held, Watch},
    shape::Same,
};
use crate::{
    ambient::{self, Deadline, Stopwatch, millis},
    codec::Sealed,
    domain::{entry::Token, key::Key, policy::Ttl},
    store::Store as _,
};

/// One write. Dropped before [`Write::finish`] (the caller went away, the body panicked), it invalidates all the same.
#[derive(Debug)]
pub struct Write {
    engine: Arc<Engine>,
    site: &'static super::Site,
    own: Option<Fence>,
    /// Those of its own entry, and their versions before the body; `None` where they are not known.
    tags: Vec<Key>,
    versions: Option<Vec<Token>>,
    /// Of the targets of a strict write.
    fences: Vec<Fence>,
    targets: Vec<Target>,
    /// Whether the body has begun: then it may have written.
    begun: bool,
    /// The argument that is to be stored instead of the result.
    argument: Option<Sealed>,
    /// Whether nothing is stored, whatever the rules say.
    bypass: bool,
    /// Whether the body has failed before it changed anything.
    unchanged: bool,
    time: Stopwatch,
}

impl Write {
    /// Announces the write on its own key, if it has one, and on its targets where it is strict: BEGIN, one round trip.
    pub(crate) async fn begin(
        engine: &Arc<Engine>,
        site: &'static super::Site,
        own: Option<(Key, Vec<Key>)>,
        targets: Vec<Target>,
    ) -> Self {
        let (own, tags) = own.unzip();
        let own = own.map(|key| Fence::new(engine, key));
        let mut fences = Vec::<Fence>::new();
        for target in targets.iter().filter(|_| site.config.strict) {
            for key in &target.keys {
                // One fence for each key, or a writer would not be alone because of itself.
                if !own.iter().chain(&fences).any(|fence| fence.is_of(&target.engine, key)) {
                    fences.push(Fence::new(&target.engine, key.clone()));
                }
            }
        }
        let mut write = Self {
            engine: Arc::clone(engine),
            site,
            own,
            tags: tags.unwrap_or_default(),
            versions: None,
            fences,
            targets,
            begun: false,
            argument: None,
            bypass: false,
            unchanged: false,
            time: Stopwatch::start(),
        };
        let deadline = Deadline::after(engine.config.budget);
        let fences = write.own.iter_mut().chain(&mut write.fences);
        let announced = join_all(fences.map(|fence| announce(fence, site, deadline)));
        let versions = async {
            match write.tags.as_slice() {
                [] => Some(Vec::new()),
                tags => deadline.bound(engine.store.versions(tags, millis(NEEDED))).await?.ok(),
            }
        };
        write.versions = join(announced, versions).await.1;
        write
    }

    /// The body has failed, and its error says that it has changed nothing: nothing is invalidated.
    pub(crate) fn unchanged(&mut self, unchanged: bool) {
        self.unchanged = unchanged;
    }

    pub(crate) fn bypass(&mut self, bypass: bool) {
        self.bypass = bypass;
    }

    /// Takes the argument that is stored when the body succeeds, before the body consumes it.
    pub fn argument<V, T, C>(&mut self, value: &V, rules: &Rules<T, C>)
    where
        V: CacheValue,
        T: Fn(&V) -> Ttl,
        C: Fn(&V) -> bool,
    {
        self.argument = self.seal(Some(value), None, || (rules.cache_if)(value), || (rules.ttl)(value));
    }

    /// Where it goes on when its caller goes away.
    #[must_use]
    pub fn home(&self) -> WriteHome {
        WriteHome(Arc::clone(&self.engine))
    }

    /// Runs the body; the fence is renewed meanwhile.
    pub async fn run<B: Future>(&mut self, body: B) -> B::Output {
        self.begun = true;
        let standing = self.own.iter().chain(&self.fences).filter(|fence| fence.stands);
        let standing: Vec<Held> = standing.map(Fence::held).collect();
        if standing.is_empty() {
            return body.await;
        }
        let watch = Watch::new(&self.engine);
        watch.holds(standing);
        // A fence is not renewed for a body that its caller does not poll.
        let (mut body, mut relay) = (pin!(body), None);
        poll_fn(|context| watch.run().poll(body.as_mut(), &mut relay, context)).await
    }

    /// Ends the write: the argument is stored where there is one, `late` targets join the others.
    ///
    /// The steps go on if the caller goes away now, or if they take longer than the budget.
    pub async fn finish<S: Shape>(mut self, shape: S, output: S::Output, late: Vec<Target>) -> S::Output {
        self.targets.extend(late);
        let sealed = self.argument.take();
        let failed = matches!(shape.view(&output), View::Failed);
        Box::pin(self.end(sealed, failed)).await;
        output
    }

    /// Ends the write and stores its result.
    pub async fn finish_storing<S, T, C>(
        mut self,
        shape: S,
        rules: Rules<T, C>,
        output: S::Output,
        late: Vec<Target>,
    ) -> S::Output
    where
        S: Shape<Value: CacheValue>,
        T: Fn(&S::Value) -> Ttl,
        C: Fn(&S::Value) -> bool,
    {
        self.targets.extend(late);
        let mut failed = false;
        let sealed = match shape.view(&output) {
            View::Failed => {
                failed = true;
                None
            }
            View::Value(value) => {
                self.seal(Some(value), shape.same(), || (rules.cache_if)(value), || (rules.ttl)(value))
            }
            View::Negative => {
                let negative_ttl = self.site.config.negative_ttl;
                negative_ttl.and_then(|ttl| self.seal(None::<&S::Value>, None, || true, || ttl))
            }
        };
        Box::pin(self.end(sealed, failed)).await;
        output
    }

    fn seal<V: CacheValue>(
        &self,
        value: Option<&V>,
        same: Same<V>,
        cache_if: impl FnOnce() -> bool,
        ttl: impl FnOnce() -> Ttl,
    ) -> Option<Sealed> {
        let own = self.own.as_ref().filter(|own| own.stands)?;
        if self.bypass || !cache_if() {
            return None;
        }
        let context = Context { engine: Arc::clone(&self.engine), site: self.site };
        seal(&context, value, same, ttl(), (own.token, self.versions.as_ref()?), self.time.elapsed())
    }

    async fn end(mut self, sealed: Option<Sealed>, failed: bool) {
        let engine = Arc::clone(&self.engine);
        let steps = self.steps(sealed.map_or(End::Nothing, End::Store), failed);
        engine.tasks.run(steps).await;
    }

    /// Takes everything out, so that the drop that follows has nothing left to do. A write that has `failed` may have
    /// committed, or commit a little later (rule 15).
    fn steps(&mut self, end_of_own: End, failed: bool) -> impl Future<Output = ()> + Send + 'static {
        let (engine, site) = (Arc::clone(&self.engine), self.site);
        let settle = site.config.settle;
        let hold = match failed {
            true if self.unchanged => Duration::ZERO,
            true => engine.config.hold.max(settle),
            false => settle,
        };
        if self.unchanged {
            self.targets.clear();
        }
        let own = self.own.take().map(|own| (own, end_of_own));
        let fences = std::mem::take(&mut self.fences);
        let targets = std::mem::take(&mut self.targets);
        let tags = std::mem::take(&mut self.tags);
        self.begun = false;
        async move {
            let stores = own.is_some();
            let hold = Some(hold).filter(|hold| !hold.is_zero());
            let total = match &own {
                Some((_, End::Store(sealed))) => sealed.lifetime.total,
                _ => 0,
            };
            let budget = engine.config.budget;
            let prolonged =
                prolong(&engine, if total > 0 { &tags } else { &[] }, total, Deadline::after(budget));
            let ended = end(budget, Walks::WithinBudget, own, fences, &targets, hold);
            let (ended, ()) = join(ended, prolonged).await;
            site.emitter.invalidations(site.labels(), ended.invalidated, ended.failed);
            if let (true, Some(hold)) = (failed, hold) {
                repeat(&engine, &targets, hold);
            }
            if stores {
                let result = match ended.stored {
                    true => "stored",
                    false if failed => "failed",
                    false => "not_stored",
                };
                site.emitter.write(site.labels(), result);
            }
        }
    }
}

/// Invalidates tags and patterns once more at the end of a hold (rule 15): what the write commits until then may have been
/// loaded before, and stored since, under a version that was new at the time.
fn repeat(engine: &Arc<Engine>, targets: &[Target], hold: Duration) {
    let targets: Vec<Target> = targets.iter().filter_map(Target::without_keys).collect();
    if targets.is_empty() {
        return;
    }
    let budget = engine.config.budget;
    engine.tasks.spawn(async move {
        ambient::sleep(hold).await;
        // What is not acknowledged is noted by then.
        let _ended = end(budget, Walks::ToTheirEnd, None, Vec::new(), &targets, None).await;
    });
}

/// The cache in which a write goes on.
#[derive(Debug)]
pub struct WriteHome(pub(super) Arc<Engine>);

/// How long versions of tags are needed by a write under way: longer than it can stay fenced.
const NEEDED: Duration = Duration::from_secs(60);

/// BEGIN. Availability first: where it is not acknowledged the body runs as a plain write, whose invalidation is repeated
/// until it is.
async fn announce(fence: &mut Fence, site: &super::Site, deadline: Deadline) {
    let Fence { engine, key, token, .. } = &*fence;
    match deadline.bound(engine.store.begin(key, *token, millis(engine.config.lease))).await {
        Some(Ok(())) => {
            fence.stands = true;
            // From the commit on nobody is to be served the old value, in this process neither.
            fence.engine.local.forget(fence.key.as_bytes());
        }
        Some(Err(error)) => engine.failed(site, &error),
        None => {}
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        if self.begun {
            // It may have committed, or commit a little later.
            let steps = self.steps(End::Nothing, true);
            self.engine.tasks.spawn(steps);
        } else if self.own.is_some() || !self.fences.is_empty() {
            // Only announced: the fences are taken away again.
            let budget = self.engine.config.budget;
            let own = self.own.take().map(|own| (own, End::Nothing));
            let fences = std::mem::take(&mut self.fences);
            self.engine.tasks.spawn(async move {
                // What was not acknowledged is noted by then.
                let _ended = end(budget, Walks::WithinBudget, own, fences, &[], None).await;
            });
        }
    }
}
