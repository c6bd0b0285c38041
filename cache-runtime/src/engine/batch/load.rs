//! The body of a batch, and what becomes of its values.

use std::{sync::atomic::Ordering, time::Duration};

use futures_util::future::join_all;

use super::{AT_ONCE, Failed, Run, State, land};
use crate::{
    ambient::{Deadline, Stopwatch},
    codec::Sealed,
    domain::{entry::Token, policy::Ttl},
    engine::{
        CacheValue,
        collection::{BatchShape, Opened},
        fill::seal,
        lease::Leased,
    },
    flight::{self, Leader},
    metrics::Outcome,
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
        self.watch.holds(mine.iter().filter_map(|index| match &self.states[*index] {
            State::Leased(_, lease, _) => Some(lease.held()),
            _ => None,
        }));
        let time = Stopwatch::start();
        self.watch.begins(site.load_timeout(engine));
        let leaders = mine.iter().filter_map(|index| self.leader(*index));
        let output = flight::leading(leaders, body(copies())).await;
        self.watch.ends();
        site.emitter.load(site.labels(), time.elapsed());
        let failure = match self.shape.open(output, &ids) {
            Opened::Values(values) => {
                self.store(mine, started, values, time.elapsed()).await;
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
        let mut leases = Vec::new();
        for index in mine {
            match std::mem::replace(&mut self.states[index], State::Missing) {
                // Followers of one of them run a load of their own, or join that of another.
                State::Leased(leader, lease, _) => {
                    leader.land(u32::MAX, || None);
                    leases.push(lease);
                }
                State::Unstored(Some(leader), _) => leader.land(u32::MAX, || None),
                _ => {}
            }
        }
        self.release(leases).await;
        Err(Failed(failure))
    }

    fn leader(&self, index: usize) -> Option<&Leader> {
        match &self.states[index] {
            State::Leased(leader, ..) | State::Unstored(Some(leader), _) => Some(leader),
            _ => None,
        }
    }

    /// Stores what was loaded under leases, and lands the flights.
    async fn store(
        &mut self,
        mine: Vec<usize>,
        started: Vec<u32>,
        values: Vec<Option<S::Value>>,
        load: Duration,
    ) {
        let (engine, site) = (self.engine, self.site);
        let mut fills = Vec::new();
        let mut rest = Vec::new();
        for ((index, started), value) in mine.into_iter().zip(started).zip(values) {
            match std::mem::replace(&mut self.states[index], State::Open) {
                State::Leased(leader, lease, miss) => {
                    engine.count(site, Outcome::Miss(miss));
                    let sealed = self.seal(index, value.as_ref(), lease.token, load);
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
        let deadline = Deadline::after(engine.config.budget);
        let mut out = false;
        let mut fills = fills.into_iter().peekable();
        while fills.peek().is_some() {
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
        let Fill { index, leader, started, value, lease, sealed } = fill;
        let (good_for, answered) = match out {
            true => (started, false),
            false => lease.end(&self.items[index].tags, sealed, (&leader, started), deadline).await,
        };
        land(leader, good_for, value.as_ref());
        (index, value, answered)
    }

    /// Gives leases back, in chunks. Where one chunk has no answer, the others are given back in the background.
    async fn release(&self, leases: Vec<Leased<'_>>) {
        let deadline = Deadline::after(self.engine.config.budget);
        let mut leases = leases.into_iter().peekable();
        while leases.peek().is_some() {
            let chunk: Vec<Leased<'_>> = leases.by_ref().take(AT_ONCE).collect();
            let released = chunk.into_iter().map(|lease| lease.give_back(deadline));
            if join_all(released).await.contains(&false) {
                return;
            }
        }
    }
}
