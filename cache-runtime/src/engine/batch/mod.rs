//! A call for many ids: one look-up, one run of the body for those whose lease was granted, then a wait for those that
//! others load, and at most one second run for what is missing then.
//!
//! No lease and no flight is held while it waits, so that two batches in opposite order never wait for each other
//! (rule 18).

mod acquire;
mod load;
mod wait;

use std::{collections::HashMap, sync::Arc};

use super::{
    CacheValue, Context, Engine, EngineRef, Rules, Site,
    collection::BatchShape,
    load::Served,
    lookup::{Found, Place, Probe, finished},
};
use crate::{
    ambient::Stopwatch,
    domain::{
        entry::{Lease, Seen, Token},
        key::{Key, KeyWriter},
        policy::Ttl,
        verdict::Miss,
    },
    error::StoreError,
    flight::{Follower, Leader},
    metrics::Outcome,
    store::{Look, Store as _},
};

/// So many steps are sent at once. A batch of many thousand ids is not one long queue in front of everybody else.
const AT_ONCE: usize = 128;

/// One id.
#[derive(Debug)]
struct Item {
    key: Key,
    /// Of the arguments in the key.
    hash: u64,
    tags: Box<[Key]>,
}

impl Item {
    fn place(&self) -> Place<'_> {
        Place { key: &self.key, hash: self.hash, tags: &self.tags }
    }
}

/// What became of one id so far.
enum State<V> {
    /// Nobody has looked yet.
    Open,
    /// A result, or the knowledge that there is none.
    Done(Option<V>),
    /// This batch leads its flight, and is about to ask for the lease.
    Led(Leader, Seen),
    /// It has the lease.
    Leased(Leader, Token, Miss),
    /// It loads it without storing it, for this reason.
    Unstored(Option<Leader>, &'static str),
    /// Another call of this process loads it.
    Following(Follower),
    /// Another process loads it, under this token.
    Elsewhere(Leader, Token),
    /// Nobody else has brought it.
    Missing,
}

/// One call of a batch.
pub struct Batch<S: BatchShape> {
    pub(crate) engine: EngineRef,
    pub(crate) site: &'static Site,
    pub(crate) shape: S,
    pub(crate) ids: Vec<S::Id>,
    pub(crate) bypass: bool,
}

impl<S: BatchShape> std::fmt::Debug for Batch<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Batch({} of {})", self.ids.len(), self.site.labels().function)
    }
}

/// The ids of a batch, each once.
struct Run<'a, S: BatchShape, T, C> {
    engine: &'a Arc<Engine>,
    site: &'static Site,
    shape: S,
    rules: &'a Rules<T, C>,
    items: &'a [Item],
    states: Vec<State<S::Value>>,
    /// The versions of the tags before the load.
    versions: HashMap<&'a Key, Token>,
}

impl<S> Batch<S>
where
    S: BatchShape<Value: CacheValue>,
{
    /// Calls the function. `body` is asked once, or twice where others did not bring what they had begun to load; each id
    /// is given to it once.
    ///
    /// # Cancel safety
    /// A caller that goes away gives all its leases back; the others start over.
    ///
    /// # Consistency
    /// As a call for each id.
    pub async fn call<T, C, B, F>(
        self,
        key: impl Fn(&S::Id) -> KeyWriter,
        tags: impl Fn(&S::Id) -> Vec<KeyWriter>,
        rules: Rules<T, C>,
        mut body: B,
    ) -> S::Output
    where
        T: Fn(&S::Value) -> Ttl,
        C: Fn(&S::Value) -> bool,
        B: FnMut(Vec<S::Id>) -> F,
        F: Future<Output = S::Output>,
    {
        let Self { engine, site, shape, ids, bypass } = self;
        if ids.is_empty() {
            return shape.close(ids, Vec::new());
        }
        if bypass {
            ids.iter().for_each(|_| engine.bypassed(site, "bypass_if"));
            return body(ids).await;
        }
        // Each key once: `places` says which of them belongs to which id.
        let mut items = Vec::with_capacity(ids.len());
        let mut unique = Vec::with_capacity(ids.len());
        let mut known = HashMap::with_capacity(ids.len());
        let places: Vec<usize> = ids
            .iter()
            .map(|id| {
                let writer = key(id);
                let hash = writer.hash();
                *known.entry(writer.finish()).or_insert_with_key(|key| {
                    items.push(Item { key: key.clone(), hash, tags: finished(tags(id)) });
                    unique.push(shape.copy(id));
                    items.len() - 1
                })
            })
            .collect();
        let states = items.iter().map(|_| State::Open).collect();
        let rules = &rules;
        let (engine, versions) = (&*engine, HashMap::new());
        let mut run = Run { engine, site, shape, rules, items: &items, states, versions };
        run.look().await;
        run.acquire().await;
        if let Err(failed) = run.load(&unique, &mut body).await {
            return failed.unwrap_or(|| body(ids)).await;
        }
        run.wait().await;
        if let Err(failed) = run.load(&unique, &mut body).await {
            return failed.unwrap_or(|| body(ids)).await;
        }
        let values: Vec<Option<S::Value>> = run.states.into_iter().map(State::value).collect();
        let values = places.into_iter().map(|place| values[place].clone()).collect();
        shape.close(ids, values)
    }
}

/// The failure of a body; or none, where it has returned what belongs to no ids.
struct Failed<O>(Option<O>);

impl<O> Failed<O> {
    /// The failure, or what running the body for all ids gives, as if there were no cache.
    async fn unwrap_or<F: Future<Output = O>>(self, otherwise: impl FnOnce() -> F) -> O {
        match self.0 {
            Some(failure) => failure,
            None => otherwise().await,
        }
    }
}

impl<V> State<V> {
    fn value(self) -> Option<V> {
        match self {
            Self::Done(value) => value,
            _ => None,
        }
    }
}

impl<'a, S, T, C> Run<'a, S, T, C>
where
    S: BatchShape<Value: CacheValue>,
    T: Fn(&S::Value) -> Ttl,
    C: Fn(&S::Value) -> bool,
{
    fn all(&self, wanted: impl Fn(&State<S::Value>) -> bool) -> Vec<usize> {
        (0..self.states.len()).filter(|index| wanted(&self.states[*index])).collect()
    }

    fn bypassed(&self, reason: &'static str) {
        self.engine.bypassed(self.site, reason);
    }

    fn done(&mut self, index: usize, value: Option<S::Value>, outcome: Outcome) {
        self.engine.count(self.site, outcome);
        self.states[index] = State::Done(value);
    }

    /// A flight that this batch leads has found its value.
    fn found(&mut self, index: usize, leader: Leader, good_for: u32, value: Option<S::Value>) {
        land(leader, good_for, value.as_ref());
        self.done(index, value, Outcome::HitRemote);
    }

    /// Reads some entries; who leases each, and whether its changes will be told. What cannot be read is loaded, unstored.
    async fn read(&mut self, wanted: &[usize]) -> Vec<(usize, Found<S::Value>, Beside)> {
        let (engine, site, items) = (self.engine, self.site, self.items);
        let mut probes = Vec::with_capacity(wanted.len());
        for &index in wanted {
            match Probe::new(engine, site, items[index].place()) {
                Ok(probe) => probes.push((index, probe)),
                Err(error) => self.fail(index, &error),
            }
        }
        if probes.is_empty() {
            return Vec::new();
        }
        let looks: Vec<Look<'_>> = probes.iter().map(|(_, probe)| probe.look()).collect();
        let time = Stopwatch::start();
        let readings = engine.store.read_many(&looks).await;
        engine.looked_up(site, time.elapsed());
        match readings {
            Ok(readings) => probes
                .into_iter()
                .zip(readings)
                .map(|((index, probe), reading)| {
                    let seen = Beside { lease: reading.lookup.lease(), told: reading.told };
                    (index, probe.judge(engine, site, reading), seen)
                })
                .collect(),
            Err(error) => {
                probes.iter().for_each(|(index, _)| self.fail(*index, &error));
                Vec::new()
            }
        }
    }

    /// The cache cannot be asked for this one.
    fn fail(&mut self, index: usize, error: &StoreError) {
        self.engine.failed(self.site, error);
        self.states[index] = State::Unstored(None, error.reason());
    }

    /// The versions of the tags of one entry; `None` where one is not known.
    fn versions_of(&self, index: usize) -> Option<Vec<Token>> {
        self.items[index].tags.iter().map(|tag| self.versions.get(tag).copied()).collect()
    }

    fn context(&self) -> Context {
        Context { engine: Arc::clone(self.engine), site: self.site }
    }
}

/// What a look-up has seen beside the value.
struct Beside {
    lease: Option<Lease>,
    told: bool,
}

fn land<V: CacheValue>(leader: Leader, good_for: u32, value: Option<&V>) {
    leader.land(good_for, || {
        Some(Arc::new(match value {
            Some(value) => Served::Value(value.clone()),
            None => Served::Negative,
        }))
    });
}
