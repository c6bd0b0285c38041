//! The leader of a flight: ACQUIRE, run the body under the lease, FILL.

use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::join;

use super::{
    CacheValue, Rules, Shape, View,
    fill::seal,
    keeper::Watch,
    lease::{Asked, Leased, acquire},
    lookup::{Call, Found, judge, judge_value},
    poll::Pauses,
};
use crate::{
    ambient::{Deadline, Stopwatch},
    codec,
    domain::{
        entry::{Lease, Seen, Token},
        policy::{Ttl, Usable},
        verdict::Miss,
    },
    error::StoreError,
    flight::{Leader, Shared},
    metrics::Outcome,
    resilience::refresh::Refreshing,
    store::{Look, Store as _},
};

/// A load on behalf of one call.
pub(super) struct Load<S, T, C> {
    pub(super) call: Call,
    pub(super) shape: S,
    pub(super) rules: Rules<T, C>,
    /// What the look-up before it has seen.
    pub(super) seen: Seen,
    /// The look-up and the first ACQUIRE share one budget.
    pub(super) deadline: Deadline,
    /// All that the call waits for others.
    pub(super) patience: Deadline,
    /// Whether there is an old value, to be served where the load fails.
    pub(super) has_stale: bool,
    /// Why nothing can be stored, where that is known already: a write is under way, or the store does not answer.
    pub(super) unstored: Option<&'static str>,
    /// What others wait for meanwhile.
    pub(super) watch: Watch,
}

/// What a flight hands on.
pub(super) enum Served<V> {
    Value(V),
    Negative,
    Failed(Shared),
}

/// What ACQUIRE led to.
enum Turn<'a, V> {
    /// The lease, and the versions of the tags before the load.
    Granted(Leased<'a>, Vec<Token>),
    /// A value, or the knowledge that there is none, and which piece of evidence that is.
    Known(Option<V>, u32),
    Unstored(&'static str),
}

/// What a body runs under.
enum Under<'a> {
    /// The lease, the versions of the tags, and why the caller has missed; a refresh has no caller.
    Lease(Leased<'a>, Vec<Token>, Option<Miss>),
    Nothing(&'static str),
}

/// A body that has ended.
struct Ran<O> {
    output: O,
    /// Which piece of evidence its start was.
    started: u32,
    time: Duration,
}

/// Makes a future on the heap, and nowhere else before: the frames of a load are on the stack while a body runs, and a body
/// may call cached functions, whose bodies do.
#[inline(never)]
fn boxed<F>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::pin(make())
}

impl<S, T, C> Load<S, T, C>
where
    S: Shape<Value: CacheValue>,
    T: Fn(&S::Value) -> Ttl,
    C: Fn(&S::Value) -> bool,
{
    /// Two round trips are behind it when the body starts (look-up, ACQUIRE), and one follows (FILL).
    pub(super) async fn lead<B>(self, leader: Leader, stale: Option<S::Output>, body: B) -> S::Output
    where
        B: Future<Output = S::Output>,
    {
        self.watch.leads(&leader);
        let turn = match self.unstored {
            Some(reason) => Turn::Unstored(reason),
            None => boxed(|| self.turn(&leader)).await,
        };
        let (under, stale) = match self.begin(turn, &leader, stale) {
            Ok(begun) => begun,
            Err(output) => return output,
        };
        let ran = self.run(&leader, body).await;
        boxed(|| self.finish(leader, under, ran, stale)).await
    }

    /// What the body runs under; or the output, where no body is needed.
    fn begin<'a>(
        &'a self,
        turn: Turn<'a, S::Value>,
        leader: &Leader,
        stale: Option<S::Output>,
    ) -> Result<(Under<'a>, Option<S::Output>), S::Output> {
        let Call { engine, site, key, .. } = &self.call;
        match turn {
            Turn::Granted(lease, tags) => {
                self.watch.holds([lease.held()]);
                Ok((Under::Lease(lease, tags, Some(engine.miss(key))), stale))
            }
            Turn::Known(value, good_for) => {
                let output =
                    value.clone().map(|value| self.shape.hit(value)).or_else(|| self.shape.negative());
                let Some(output) = output else { return Ok((Under::Nothing("unreadable"), stale)) };
                leader.share(good_for, || Some(served(value)));
                engine.count(site, Outcome::HitRemote);
                Err(output)
            }
            Turn::Unstored(reason) => {
                let stale = match stale {
                    Some(stale) if reason == "load_timeout" => return Err(self.serve_stale(stale)),
                    stale => stale,
                };
                if matches!(reason, "busy" | "load_timeout" | "unreadable") {
                    // A caller that comes from now on could not take the result, and need not wait for it.
                    leader.close();
                } else {
                    // A flight all the same: while a key is written, or the store is out, not each call runs its body.
                    leader.unstored();
                }
                Ok((Under::Nothing(reason), stale))
            }
        }
    }

    async fn run<B: Future<Output = S::Output>>(&self, leader: &Leader, body: B) -> Ran<S::Output> {
        let time = Stopwatch::start();
        let started = leader.send_for();
        self.watch.begins(self.call.load_timeout());
        let output = leader.leading(body).await;
        self.watch.ends();
        Ran { output, started, time: time.elapsed() }
    }

    /// Stores what the body has brought, where it ran under a lease, and lands the flight.
    async fn finish(
        &self,
        leader: Leader,
        under: Under<'_>,
        ran: Ran<S::Output>,
        stale: Option<S::Output>,
    ) -> S::Output {
        let Call { engine, site, key, tags, .. } = &self.call;
        let Ran { output, started, time } = ran;
        site.emitter.load(site.labels(), time);
        let has_failed = matches!(self.shape.view(&output), View::Failed);
        if has_failed {
            engine.stats(site).loads_failed.fetch_add(1, Ordering::Relaxed);
            site.emitter.load_failure(site.labels());
        }
        let (good_for, counts) = match under {
            Under::Lease(lease, versions, miss) => {
                let sealed = self.seal(&output, lease.token, &versions, time);
                let deadline = Deadline::after(engine.config.budget);
                (lease.end(tags, sealed, (&leader, started), deadline).await.0, Ok(miss))
            }
            Under::Nothing(reason) => (started, Err(reason)),
        };
        if has_failed && self.has_stale {
            // Before the flight ends: its followers start over, and find the old value and this.
            engine.refreshes.failed(key, engine.store.now());
            if let Some(stale) = stale {
                return self.serve_stale(stale);
            }
        } else {
            // An error is no evidence about a value: every follower may take it, whenever it joined.
            let good_for = if has_failed { u32::MAX } else { good_for };
            leader.share(good_for, || self.share(&output));
        }
        match counts {
            Ok(Some(miss)) => engine.count(site, Outcome::Miss(miss)),
            Ok(None) => {}
            Err(reason) => engine.bypassed(site, reason),
        }
        output
    }

    /// The load has failed, and there is an old value.
    fn serve_stale(&self, stale: S::Output) -> S::Output {
        let Call { engine, site, key, .. } = &self.call;
        engine.refreshes.failed(key, engine.store.now());
        engine.count(site, Outcome::Stale);
        stale
    }

    /// Loads anew what is still served, if no other process does: one in the fleet.
    pub(super) async fn refresh<B>(self, body: B, refreshing: Refreshing)
    where
        B: Future<Output = S::Output>,
    {
        let Call { engine, site, key, .. } = &self.call;
        let result = match self.acquire_tagged(self.seen, self.deadline).await {
            Ok((Asked::Granted(lease), tags)) => {
                let leader = engine.flights.lead_alone(key);
                self.watch.holds([lease.held()]);
                let under = Under::Lease(lease, tags, None);
                let ran = self.run(&leader, body).await;
                match self.shape.view(&self.finish(leader, under, ran, None).await) {
                    View::Failed => "failed",
                    View::Value(_) | View::Negative => "loaded",
                }
            }
            Ok(_) => "elsewhere",
            Err(error) => {
                engine.failed(site, &error);
                error.reason()
            }
        };
        drop(refreshing);
        site.emitter.refresh(site.labels(), result);
    }

    /// ACQUIRE, and beside it the versions of the tags, which count from then on: both are there before the body starts.
    async fn acquire_tagged(
        &self,
        seen: Seen,
        deadline: Deadline,
    ) -> Result<(Asked<'_>, Vec<Token>), StoreError> {
        let Call { engine, site, key, tags, .. } = &self.call;
        let asked = acquire(self.call.context(), key, seen, deadline);
        if tags.is_empty() {
            return Ok((asked.await?, Vec::new()));
        }
        let versions = deadline.bound(engine.store.versions(tags, site.tags_needed(engine)));
        let (asked, versions) = join(asked, versions).await;
        // Without them nothing can be stored: then a lease that was granted is given back.
        Ok((asked?, versions.unwrap_or(Err(StoreError::Timeout))?))
    }

    /// Asks for the lease until it is granted, or until it is clear that there will be none.
    async fn turn(&self, leader: &Leader) -> Turn<'_, S::Value> {
        let Call { engine, site, key, .. } = &self.call;
        let mut seen = self.seen;
        let mut deadline = self.deadline;
        let mut waited = false;
        let mut dropped = false;
        loop {
            let good_for = leader.send_for();
            let held = match self.acquire_tagged(seen, deadline).await {
                Ok((Asked::Granted(lease), tags)) => return Turn::Granted(lease, tags),
                Ok((Asked::Fenced, _)) => return Turn::Unstored("fenced"),
                Ok((Asked::Busy(lease), _)) => lease,
                Ok((Asked::Found(value), tags)) => {
                    let found = judge_value::<S::Value>(engine, site, key, &value, &tags);
                    match self.fit(found).known() {
                        Ok(value) => return Turn::Known(value, good_for),
                        Err(Found::Nothing(unusable)) if !dropped => (seen, dropped) = (unusable, true),
                        Err(_) => return Turn::Unstored("unreadable"),
                    }
                    continue;
                }
                Err(error) => {
                    engine.failed(site, &error);
                    return Turn::Unstored(error.reason());
                }
            };
            if waited {
                return Turn::Unstored("busy");
            }
            waited = true;
            match self.wait(leader, held).await {
                Some(turn) => return turn,
                None => {
                    seen = Seen::Nothing;
                    deadline = Deadline::after(engine.config.budget);
                }
            }
        }
    }

    /// Another function may store `None` under this key, where this one has no such result.
    fn fit(&self, found: Found<S::Value>) -> Found<S::Value> {
        match found {
            Found::Negative(held) if self.shape.negative().is_none() => Found::Nothing(Seen::Drop(held.id)),
            found => found,
        }
    }

    /// Waits for the load of another process. `None`: it brought no value.
    ///
    /// Woken when the entry changes, where the store can tell; by the end of the lease at the latest, and from time to
    /// time in any case.
    async fn wait(&self, leader: &Leader, held: Lease) -> Option<Turn<'_, S::Value>> {
        let Call { engine, site, key, tags, .. } = &self.call;
        let look = Look { key, tags, told: false };
        let waiter = engine.store.wakeups().register([key]);
        let mut pauses = Pauses::NEW;
        loop {
            // Before it looks, so that no change is slept through.
            let told = engine.store.watch(key).await;
            let good_for = leader.send_for();
            let reading = match engine.store.read(look).await {
                Ok(reading) => reading,
                Err(error) => {
                    engine.failed(site, &error);
                    return Some(Turn::Unstored(error.reason()));
                }
            };
            let lease = reading.lookup.lease();
            let same = lease.is_some_and(|lease| lease.token == held.token);
            let found = judge::<S::Value>(engine, site, key, reading);
            let is_old = found.usable() == Some(Usable::IfError);
            match self.fit(found).known() {
                Ok(value) if !is_old => return Some(Turn::Known(value, good_for)),
                Err(Found::Fenced) => return Some(Turn::Unstored("fenced")),
                // What is there is of no use, and is being replaced.
                _ if same => {}
                _ => return None,
            }
            let left = self.patience.left();
            if left.is_zero() {
                return Some(Turn::Unstored("load_timeout"));
            }
            let ends = lease.map_or(0, |lease| lease.until.saturating_sub(engine.store.now()));
            Deadline::after(pauses.next(told, ends).min(left)).bound(waiter.woken()).await;
        }
    }

    fn seal(
        &self,
        output: &S::Output,
        token: Token,
        tags: &[Token],
        load: Duration,
    ) -> Option<codec::Sealed> {
        let (value, ttl) = match self.shape.view(output) {
            View::Value(value) if (self.rules.cache_if)(value) => (Some(value), (self.rules.ttl)(value)),
            View::Negative => (None, self.call.site.config.negative_ttl?),
            View::Value(_) | View::Failed => return None,
        };
        seal(&self.call.context(), value, self.shape.same(), ttl, (token, tags), load)
    }

    fn share(&self, output: &S::Output) -> Option<Shared> {
        let served = match self.shape.view(output) {
            View::Value(value) => Served::Value(value.clone()),
            View::Negative => Served::Negative,
            View::Failed => Served::Failed(self.shape.share_failure(output)?),
        };
        Some(Arc::new(served))
    }
}

/// What a flight hands on where its value is known.
pub(super) fn served<V: CacheValue>(value: Option<V>) -> Shared {
    Arc::new(value.map_or(Served::Negative, Served::Value))
}
