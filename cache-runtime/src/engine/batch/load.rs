//! The body of a batch, and what becomes of its values.

use std::{pin::pin, sync::atomic::Ordering, time::Duration};

use futures_util::future::{join, join_all};

use super::{AT_ONCE, Failed, Run, State, land};
use crate::{
    ambient::{self, Deadline, Stopwatch, millis},
    codec::Sealed,
    domain::{
        entry::{Millis, Token},
        policy::Ttl,
    },
    engine::{
        CacheValue, Engine,
        collection::{BatchShape, Opened},
        load::{Leased, beside, seal},
    },
    flight::{self, Leader},
    metrics::Outcome,
    store::Store as _,
};

/// A value on its way into the store.
struct Fill<'a, V> {
    index: usize,
    leader: Leader,
    started: u32,
    value: Option<V>,
    lease: Leased<'a>,
    sealed: Option<Sealed>,
}

impl<'a, S, T, C> Run<'a, S, T, C>
where
    S: BatchShape<Value: CacheValue>,
    T: Fn(&S::Value) -> Ttl,
    C: Fn(&S::Value) -> bool,
{
    /// Runs the body for what nobody else loads, and stores what is under a lease.
    pub(super) async fn load<B, F>(&mut self, unique: &[S::Id], body: &mut B) -> Result<(), Failed<S::Output>>
    where
        B: FnMut(Vec<S::Id>) -> F,
        F: Future<Output = S::Output>,
    {
        let (engine, site) = (self.engine, self.site);
        let mine =
            self.all(|state| matches!(state, State::Leased(..) | State::Unstored(..) | State::Missing));
        if mine.is_empty() {
            return Ok(());
        }
        let copies = || mine.iter().map(|index| self.shape.copy(&unique[*index])).collect();
        let ids: Vec<S::Id> = copies();
        let started: Vec<u32> =
            mine.iter().map(|index| self.leader(*index).map_or(0, Leader::send_for)).collect();
        let leases: Vec<Leased<'_>> = mine.iter().filter_map(|index| self.lease(*index)).collect();
        let time = Stopwatch::start();
        let timeout = site.load_timeout(engine);
        let leaders = mine.iter().filter_map(|index| self.leader(*index));
        let patience = async {
            ambient::sleep(timeout).await;
            mine.iter().filter_map(|index| self.leader(*index)).for_each(Leader::time_out);
        };
        let kept = async {
            join(patience, renewals(engine, &leases, timeout)).await;
        };
        let output = flight::leading(leaders, beside(pin!(body(copies())), kept)).await;
        site.emitter.load(site.labels(), time.elapsed());
        let failure = match self.shape.open(output, &ids) {
            Opened::Values(values) => {
                self.store(mine, started, leases, values, time.elapsed()).await;
                return Ok(());
            }
            Opened::Failed(failure) => Some(failure),
            Opened::Unfit => {
                site.warn_once(|| {
                    let function = site.labels().function;
                    tracing::error!(function, "not as many results as ids; return one for each id");
                });
                None
            }
        };
        engine.stats(site).loads_failed.fetch_add(1, Ordering::Relaxed);
        site.emitter.load_failure(site.labels());
        self.release(leases).await;
        for index in mine {
            let state = std::mem::replace(&mut self.states[index], State::Missing);
            if let State::Leased(leader, ..) | State::Unstored(Some(leader), _) = state {
                // Who waits for one of them runs a load of his own, or joins that of another.
                leader.land(u32::MAX, || None);
            }
        }
        Err(Failed(failure))
    }

    fn leader(&self, index: usize) -> Option<&Leader> {
        match &self.states[index] {
            State::Leased(leader, ..) | State::Unstored(Some(leader), _) => Some(leader),
            _ => None,
        }
    }

    fn lease(&self, index: usize) -> Option<Leased<'a>> {
        match &self.states[index] {
            State::Leased(_, token, _) => {
                Some(Leased { context: Some(self.context()), key: &self.items[index].key, token: *token })
            }
            _ => None,
        }
    }

    /// Stores what was loaded under leases, and lands the flights.
    async fn store(
        &mut self,
        mine: Vec<usize>,
        started: Vec<u32>,
        leases: Vec<Leased<'a>>,
        values: Vec<Option<S::Value>>,
        load: Duration,
    ) {
        let (engine, site) = (self.engine, self.site);
        let mut leases = leases.into_iter();
        let mut fills = Vec::new();
        let mut rest = Vec::new();
        for ((index, started), value) in mine.into_iter().zip(started).zip(values) {
            match std::mem::replace(&mut self.states[index], State::Open) {
                State::Leased(leader, token, miss) => {
                    let lease = leases.next().unwrap_or_else(|| unreachable!("each has a lease"));
                    engine.count(site, Outcome::Miss(miss));
                    let sealed = self.seal(index, value.as_ref(), token, load);
                    fills.push(Fill { index, leader, started, value, lease, sealed });
                    continue;
                }
                State::Unstored(leader, reason) => {
                    self.bypassed(reason);
                    leader.into_iter().for_each(|leader| land(leader, started, value.as_ref()));
                }
                _ => self.bypassed("busy"),
            }
            rest.push((index, value));
        }
        let mut out = false;
        let mut fills = fills.into_iter().peekable();
        while fills.peek().is_some() {
            let deadline = Deadline::after(engine.config.budget);
            let chunk: Vec<Fill<'_, S::Value>> = fills.by_ref().take(AT_ONCE).collect();
            let filled = join_all(chunk.into_iter().map(|fill| self.fill(fill, deadline, out))).await;
            for (index, value, answered) in filled {
                out |= !answered;
                rest.push((index, value));
            }
        }
        for (index, value) in rest {
            self.states[index] = State::Done(value);
        }
    }

    fn seal(&self, index: usize, value: Option<&S::Value>, token: Token, load: Duration) -> Option<Sealed> {
        let versions = self.versions_of(index)?;
        let ttl = match value {
            Some(value) if (self.rules.cache_if)(value) => (self.rules.ttl)(value),
            Some(_) => return None,
            None => self.site.config.negative_ttl?,
        };
        seal(&self.context(), value, None, ttl, (token, &versions), load)
    }

    /// FILL, or RELEASE where nothing is to be stored. Whether there was an answer.
    async fn fill(
        &self,
        fill: Fill<'_, S::Value>,
        deadline: Deadline,
        out: bool,
    ) -> (usize, Option<S::Value>, bool) {
        let Fill { index, leader, started, value, mut lease, sealed } = fill;
        let good_for = match out {
            true => started,
            false => lease.end(&self.items[index].tags, sealed, (&leader, started), deadline).await,
        };
        // What was acknowledged is not given back.
        let answered = lease.context.is_none();
        land(leader, good_for, value.as_ref());
        (index, value, answered)
    }

    async fn release(&self, leases: Vec<Leased<'_>>) {
        let mut leases = leases.into_iter().peekable();
        while leases.peek().is_some() {
            let deadline = Deadline::after(self.engine.config.budget);
            let chunk: Vec<Leased<'_>> = leases.by_ref().take(AT_ONCE).collect();
            let released = chunk.into_iter().map(|mut lease| async move {
                let released = deadline.bound(self.engine.store.release(lease.key, lease.token)).await;
                if matches!(released, Some(Ok(()))) {
                    lease.context = None;
                }
                lease.context.is_none()
            });
            if join_all(released).await.contains(&false) {
                // The others are given back in the background.
                return;
            }
        }
    }
}

/// Renews leases every third of their time, as long as others wait for the load.
async fn renewals(engine: &Engine, leases: &[Leased<'_>], at_most: Duration) {
    let running = Stopwatch::start();
    let lease: Millis = millis(engine.config.lease);
    while running.elapsed() < at_most && !leases.is_empty() {
        ambient::sleep(engine.config.lease / 3).await;
        for chunk in leases.chunks(AT_ONCE) {
            // One that does not stand any more will not be filled either.
            join_all(chunk.iter().map(|held| engine.store.renew(held.key, held.token, lease))).await;
        }
    }
}
