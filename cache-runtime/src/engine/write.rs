//! A call of a function that writes: fence, body, then value and invalidations in steps that nobody can cancel.

use std::sync::Arc;

use super::{
    CacheValue, Context, Engine, Rules, Shape, View,
    invalidate::{End, Own, Target, end},
    load::{renewed, seal},
    steps::{Counted, spawn, within_budget},
};
use crate::{
    ambient::{self, Deadline, Stopwatch, millis},
    codec::Sealed,
    domain::{key::Key, policy::Ttl},
    store::Store as _,
};

/// One write. Dropped before [`Write::finish`] (the caller went away, the body panicked), it invalidates all the same.
#[derive(Debug)]
pub struct Write {
    engine: Arc<Engine>,
    site: &'static super::Site,
    own: Option<Own>,
    targets: Vec<Target>,
    /// Whether the body has begun: then it may have written.
    begun: bool,
    /// The argument that is to be stored instead of the result.
    argument: Option<Sealed>,
    /// Whether nothing is stored, whatever the rules say.
    bypass: bool,
    time: Stopwatch,
}

impl Write {
    /// Announces the write on its own key, if it has one: BEGIN, one round trip.
    pub(crate) async fn begin(
        engine: &Arc<Engine>,
        site: &'static super::Site,
        own: Option<Key>,
        targets: Vec<Target>,
    ) -> Self {
        let own = own.map(|key| Own { key, token: ambient::token(), fenced: false });
        let mut write = Self {
            engine: Arc::clone(engine),
            site,
            own,
            targets,
            begun: false,
            argument: None,
            bypass: false,
            time: Stopwatch::start(),
        };
        if let Some(own) = &mut write.own {
            let deadline = Deadline::after(engine.config.budget);
            let begin = engine.store.begin(&own.key, own.token, millis(engine.config.lease));
            match deadline.bound(begin).await {
                Some(Ok(())) => own.fenced = true,
                // Availability first: the body runs as a plain write, whose invalidation is repeated until acknowledged.
                Some(Err(error)) => engine.failed(site, &error),
                None => {}
            }
        }
        write
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
        self.argument = self.seal(Some(value), || (rules.cache_if)(value), || (rules.ttl)(value));
    }

    /// Runs the body; the fence is renewed meanwhile.
    pub async fn run<B: Future>(&mut self, body: B) -> B::Output {
        self.begun = true;
        match &self.own {
            Some(own) if own.fenced => renewed(&self.engine, &own.key, own.token, None, body).await,
            _ => body.await,
        }
    }

    /// Ends the write: the argument is stored where there is one, `late` targets join the others.
    ///
    /// The steps go on if the caller goes away now, or if they take longer than the budget.
    pub async fn finish<S: Shape>(mut self, shape: S, output: S::Output, late: Vec<Target>) -> S::Output {
        self.targets.extend(late);
        let end = match (shape.view(&output), self.argument.take()) {
            (View::Failed, _) => End::Hold,
            (View::Value(_) | View::Negative, Some(sealed)) => End::Store(sealed),
            (View::Value(_) | View::Negative, None) => End::Nothing,
        };
        self.end(end).await;
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
        let sealed = match shape.view(&output) {
            View::Failed => {
                self.end(End::Hold).await;
                return output;
            }
            View::Value(value) => self.seal(Some(value), || (rules.cache_if)(value), || (rules.ttl)(value)),
            View::Negative => {
                let negative_ttl = self.site.config.negative_ttl;
                negative_ttl.and_then(|ttl| self.seal(None::<&S::Value>, || true, || ttl))
            }
        };
        self.end(sealed.map_or(End::Nothing, End::Store)).await;
        output
    }

    fn seal<V: CacheValue>(
        &self,
        value: Option<&V>,
        cache_if: impl FnOnce() -> bool,
        ttl: impl FnOnce() -> Ttl,
    ) -> Option<Sealed> {
        let own = self.own.as_ref().filter(|own| own.fenced)?;
        if self.bypass || !cache_if() {
            return None;
        }
        let context = Context { engine: Arc::clone(&self.engine), site: self.site };
        seal(&context, value, ttl(), own.token, self.time.elapsed())
    }

    async fn end(mut self, end: End) {
        let engine = Arc::clone(&self.engine);
        let steps = self.steps(end);
        within_budget(&engine, steps).await;
    }

    /// Takes everything out, so that the drop that follows has nothing left to do.
    fn steps(&mut self, end_of_own: End) -> impl Future<Output = ()> + Send + 'static {
        let (engine, site) = (Arc::clone(&self.engine), self.site);
        let hold = matches!(end_of_own, End::Hold);
        let own = self.own.take().map(|own| (own, end_of_own));
        let targets = std::mem::take(&mut self.targets);
        self.begun = false;
        async move {
            let stores = own.is_some();
            let ended = end(&engine, own, &targets, hold).await;
            site.emitter.invalidations(site.labels(), ended.invalidated, ended.failed);
            if stores {
                let result = match ended.stored {
                    true => "stored",
                    false if hold => "failed",
                    false => "not_stored",
                };
                site.emitter.write(site.labels(), result);
            }
        }
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        if self.begun {
            // It may have committed, or commit a little later.
            let memory = |engine: &Engine| matches!(engine.store, crate::store::AnyStore::Memory(_));
            let in_process = memory(&self.engine) && self.targets.iter().all(|target| memory(&target.engine));
            let steps = self.steps(End::Hold);
            let counted = Counted::new(&self.engine);
            let mut steps = Box::pin(async move {
                let _counted = counted;
                steps.await;
            });
            // In process it is done at once, also while the runtime goes away.
            if !in_process || futures_util::FutureExt::now_or_never(&mut steps).is_none() {
                spawn(steps);
            }
        } else if self.own.is_some() {
            // Only announced: the fence is taken away again.
            self.targets.clear();
            spawn(self.steps(End::Nothing));
        }
    }
}
