//! The leader of a flight: ACQUIRE, run the body under the lease, FILL.

use std::{
    pin::{Pin, pin},
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
enum Turn<'a, V, O> {
    /// The lease, and the versions of the tags before the load.
    Granted(Leased<'a>, Vec<Token>),
    /// A value, with the evidence that it is.
    Found(V, u32),
    /// An absence, as the function returns it.
    Negative(O, u32),
    Unstored(&'static str),
}

/// Whether a load under a lease brought something.
enum Brought<O> {
    Output(O),
    Failure(O),
}

impl<S, T, C> Load<S, T, C>
where
    S: Shape<Value: CacheValue>,
    T: Fn(&S::Value) -> Ttl,
    C: Fn(&S::Value) -> bool,
{
    /// Two round trips are behind us when the body starts (look-up, ACQUIRE), and one follows (FILL).
    pub(super) async fn lead<B>(self, leader: Leader, stale: Option<S::Output>, body: B) -> S::Output
    where
        B: Future<Output = S::Output>,
    {
        let (engine, site) = (self.call.engine.clone(), self.call.site);
        self.watch.leads(&leader);
        let turn = match self.unstored {
            Some(reason) => Turn::Unstored(reason),
            None => self.turn(&leader).await,
        };
        match turn {
            Turn::Granted(lease, tags) => {
                let miss = engine.miss(&self.call.key);
                match (self.load(leader, lease, &tags, pin!(body)).await, stale) {
                    // The others start over, and find the same old value.
                    (Brought::Failure(_), Some(stale)) => self.serve_stale(stale),
                    (Brought::Failure(output) | Brought::Output(output), _) => {
                        engine.count(site, Outcome::Miss(miss));
                        output
                    }
                }
            }
            Turn::Found(value, good_for) => {
                leader.land(good_for, || Some(Arc::new(Served::Value(value.clone()))));
                engine.count(site, Outcome::HitRemote);
                self.shape.hit(value)
            }
            Turn::Negative(output, good_for) => {
                leader.land(good_for, || Some(Arc::new(Served::<S::Value>::Negative)));
                engine.count(site, Outcome::HitRemote);
                output
            }
            Turn::Unstored(reason) => {
                let stale = match stale {
                    Some(stale) if reason == "load_timeout" => return self.serve_stale(stale),
                    stale => stale,
                };
                let good_for = leader.send_for();
                if matches!(reason, "busy" | "load_timeout" | "unreadable") {
                    // A caller that comes from now on could not take the result, and need not wait for it.
                    leader.close();
                } else {
                    // A flight all the same: while a key is written, or the store is out, not each call runs its body.
                    leader.unstored();
                }
                let output = self.run(&leader, body).await;
                if let (View::Failed, Some(stale)) = (self.shape.view(&output), stale) {
                    return self.serve_stale(stale);
                }
                leader.land(self.evidence(&output, good_for), || self.share(&output));
                engine.bypassed(site, reason);
                output
            }
        }
    }

    /// The load has failed, and there is an old value.
    fn serve_stale(&self, stale: S::Output) -> S::Output {
        let Call { engine, site, key, .. } = &self.call;
        engine.refreshes.failed(key, engine.store.now());
        engine.count(site, Outcome::Stale);
        stale
    }

    /// Loads anew what is still served, if nobody else does: one in the fleet.
    pub(super) async fn refresh<B>(self, body: B, refreshing: Refreshing)
    where
        B: Future<Output = S::Output>,
    {
        let Call { engine, site, key, .. } = &self.call;
        let result = match self.acquire_tagged(self.seen, self.deadline).await {
            Ok((Asked::Granted(lease), tags)) => {
                let leader = engine.flights.lead_alone(key);
                match self.load(leader, lease, &tags, pin!(body)).await {
                    Brought::Output(_) => "loaded",
                    Brought::Failure(_) => {
                        engine.refreshes.failed(key, engine.store.now());
                        "failed"
                    }
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
    async fn turn(&self, leader: &Leader) -> Turn<'_, S::Value, S::Output> {
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
                    match judge_value::<S::Value>(engine, site, key, &value, &tags) {
                        Found::Value(value, _) => return Turn::Found(value, good_for),
                        Found::Negative(held) => match self.shape.negative() {
                            Some(output) => return Turn::Negative(output, good_for),
                            None if dropped => return Turn::Unstored("unreadable"),
                            None => (seen, dropped) = (Seen::Drop(held.id), true),
                        },
                        Found::Nothing(unusable) if !dropped => (seen, dropped) = (unusable, true),
                        Found::Nothing(_) | Found::Leased | Found::Fenced => {
                            return Turn::Unstored("unreadable");
                        }
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

    /// Waits for the load of another process. `None`: it brought no value.
    ///
    /// Woken when the entry changes, where the store can tell; by the end of the lease at the latest, and from time to
    /// time in any case.
    async fn wait(&self, leader: &Leader, held: Lease) -> Option<Turn<'_, S::Value, S::Output>> {
        let Call { engine, site, key, tags, .. } = &self.call;
        let look = Look { key, tags, told: false };
        let waiter = engine.store.wakeups().register([key]);
        let mut pauses = Pauses::NEW;
        loop {
            // Before it looks, so that no change is slept through.
            let told = engine.store.watch(key).await;
            let good_for = leader.send_for();
            let reading = engine.store.read(look).await;
            let lease = reading.as_ref().ok().and_then(|reading| reading.lookup.lease());
            let same = lease.is_some_and(|lease| lease.token == held.token);
            match reading.map(|reading| judge::<S::Value>(engine, site, key, reading)) {
                Ok(Found::Value(value, found)) if found.usable != Usable::IfError => {
                    return Some(Turn::Found(value, good_for));
                }
                Ok(Found::Negative(found))
                    if found.usable != Usable::IfError
                        && let Some(output) = self.shape.negative() =>
                {
                    return Some(Turn::Negative(output, good_for));
                }
                Ok(Found::Fenced) => return Some(Turn::Unstored("fenced")),
                // What is there is of no use, and is being replaced.
                Ok(_) if same => {}
                Ok(_) => return None,
                Err(error) => {
                    engine.failed(site, &error);
                    return Some(Turn::Unstored(error.reason()));
                }
            }
            let left = self.patience.left();
            if left.is_zero() {
                return Some(Turn::Unstored("load_timeout"));
            }
            let ends = lease.map_or(0, |lease| lease.until.saturating_sub(engine.store.now()));
            Deadline::after(pauses.next(told, ends).min(left)).bound(waiter.woken()).await;
        }
    }

    /// Runs the body under the lease, and stores what it brings.
    async fn load<B>(
        &self,
        leader: Leader,
        lease: Leased<'_>,
        tags: &[Token],
        body: Pin<&mut B>,
    ) -> Brought<S::Output>
    where
        B: Future<Output = S::Output>,
    {
        let Call { engine, key, .. } = &self.call;
        let started = leader.send_for();
        let time = Stopwatch::start();
        self.watch.holds([lease.held()]);
        let output = self.run(&leader, body).await;
        let deadline = Deadline::after(engine.config.budget);
        let sealed = self.seal(&output, lease.token, tags, time.elapsed());
        let (good_for, _) = lease.end(&self.call.tags, sealed, (&leader, started), deadline).await;
        if !matches!(self.shape.view(&output), View::Failed) {
            leader.land(good_for, || self.share(&output));
            return Brought::Output(output);
        }
        if !self.has_stale {
            // An error is no evidence about a value: every follower may take it, whenever it joined.
            leader.land(u32::MAX, || self.share(&output));
        } else {
            // Before the flight ends: its followers start over, and find the old value and this.
            engine.refreshes.failed(key, engine.store.now());
        }
        Brought::Failure(output)
    }

    /// An error is no evidence about a value: every follower may take it, whenever it joined.
    fn evidence(&self, output: &S::Output, good_for: u32) -> u32 {
        match self.shape.view(output) {
            View::Failed => u32::MAX,
            View::Value(_) | View::Negative => good_for,
        }
    }

    async fn run<B: Future<Output = S::Output>>(&self, leader: &Leader, body: B) -> S::Output {
        let Call { engine, site, .. } = &self.call;
        let time = Stopwatch::start();
        self.watch.begins(self.call.load_timeout());
        let output = leader.leading(body).await;
        self.watch.ends();
        site.emitter.load(site.labels(), time.elapsed());
        if matches!(self.shape.view(&output), View::Failed) {
            engine.stats(site).loads_failed.fetch_add(1, Ordering::Relaxed);
            site.emitter.load_failure(site.labels());
        }
        output
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
        seal(&self.call.context(), value, ttl, (token, tags), load)
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
