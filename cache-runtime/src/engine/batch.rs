//! A call for many ids: one look-up, one run of the body for those whose lease was granted, then a wait for those that
//! others load, and at most one second run for what is missing then.
//!
//! No lease and no flight is held while it waits, so that two batches in opposite order never wait for each other
//! (rule 18).

mod acquire;
mod load;
mod wait;

use std::{collections::HashMap, sync::Arc};

use futures_util::future::join_all;

use super::{
    CacheValue, Context, Engine, EngineRef, Rules, Site,
    collection::BatchShape,
    drive::Pinned,
    keeper::Watch,
    lease::Leased,
    load::served,
    lookup::{Found, Place, Probe, finished},
};
use crate::{
    ambient::{Deadline, Stopwatch},
    domain::{
        entry::{Lease, Seen, Token},
        key::{Key, KeyWriter},
        policy::Ttl,
        verdict::Miss,
    },
    error::StoreError,
    flight::{FlightRef, Follower, Leader, Role},
    metrics::Outcome,
    store::{Look, Reading, Store as _},
};

/// Maximum number of steps that are sent at once: a batch of many thousand ids is not one long queue in front of other calls.
const AT_ONCE: usize = 128;
/// Number of keys that one look-up asks for, and number of look-ups that are under way at once.
const LOOKED_UP_AT_ONCE: usize = 512;
const LOOK_UPS: usize = 4;
/// Number of ids after which other tasks of the thread get a turn.
const TURN: usize = 256;

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
enum State<'a, V> {
    /// It was not looked for yet.
    Open,
    /// A result, or the knowledge that there is none.
    Done(Option<V>),
    /// This batch leads its flight, and is about to ask for the lease.
    Led(Leader, Seen),
    /// It has the lease.
    Leased(Leader, Leased<'a>, Miss),
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
    states: Vec<State<'a, S::Value>>,
    /// The versions of the tags before the load.
    versions: HashMap<&'a Key, Token>,
    /// What others wait for meanwhile.
    watch: Watch,
    /// The first flight that it leads: it stands for all of them.
    group: Option<FlightRef>,
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
        let (engine, versions, watch) = (&*engine, HashMap::new(), Watch::new(&engine));
        let watched = Arc::clone(watch.run());
        let items = &items;
        let mut run = Run { engine, site, shape, rules, items, states, versions, watch, group: None };
        let (unique, body_of) = (&unique, &mut body);
        let rest = async move {
            let deadline = Deadline::after(engine.config.budget);
            run.look(deadline).await;
            run.acquire(deadline).await;
            run.load(unique, &mut *body_of).await?;
            run.wait().await;
            run.load(unique, &mut *body_of).await?;
            Ok(run.states.into_iter().map(State::value).collect::<Vec<_>>())
        };
        match Pinned::new(rest, &watched).await {
            Ok(values) => {
                let values = places.into_iter().map(|place| values[place].clone()).collect();
                shape.close(ids, values)
            }
            Err(Failed(Some(failure))) => failure,
            // As if there were no cache.
            Err(Failed(None)) => body(ids).await,
        }
    }
}

/// The failure of a body; or none, where it has returned what belongs to no ids.
struct Failed<O>(Option<O>);

impl<V> State<'_, V> {
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
    fn all(&self, wanted: impl Fn(&State<'_, S::Value>) -> bool) -> Vec<usize> {
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

    /// Leads a flight from now on, or follows that of another call.
    fn lead_or_follow(&mut self, index: usize, unstored: bool) -> Role {
        let key = &self.items[index].key;
        let role = match unstored {
            true => self.engine.flights.lead_or_follow_unstored(key, false, self.group.as_ref()),
            false => self.engine.flights.lead_or_follow(key, false, self.group.as_ref()),
        };
        if let Role::Lead(leader) = &role {
            self.watch.leads(leader);
            self.group.get_or_insert_with(|| leader.flight());
        }
        role
    }

    /// Reads some entries; who leases each, and whether its changes will be told. One that cannot be read is loaded, unstored.
    async fn read(&mut self, wanted: &[usize], deadline: Deadline) -> Vec<(usize, Found<S::Value>, Beside)> {
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
        let time = Stopwatch::start();
        let mut readings = Vec::new();
        for probes in probes.chunks(LOOK_UPS * LOOKED_UP_AT_ONCE) {
            let looks: Vec<Look<'_>> = probes.iter().map(|(_, probe)| probe.look()).collect();
            let chunks = looks.chunks(LOOKED_UP_AT_ONCE);
            readings.extend(join_all(chunks.map(|looks| look_up(engine, looks, deadline))).await);
        }
        engine.looked_up(site, time.elapsed());
        let mut found = Vec::with_capacity(probes.len());
        let mut probes = probes.into_iter();
        for readings in readings {
            let probes = probes.by_ref().take(LOOKED_UP_AT_ONCE);
            match readings {
                Ok(readings) => found.extend(probes.zip(readings).map(|((index, probe), reading)| {
                    let seen = Beside { lease: reading.lookup.lease(), told: reading.told };
                    (index, probe.judge(engine, site, reading), seen)
                })),
                Err(error) => probes.for_each(|(index, _)| self.fail(index, &error)),
            }
            tokio::task::yield_now().await;
        }
        found
    }

    /// The cache cannot be asked for this one.
    fn fail(&mut self, index: usize, error: &StoreError) {
        self.engine.failed(self.site, error);
        self.states[index] = State::Unstored(None, error.reason());
    }

    /// What cannot be read is loaded once for all calls of this process. Not after a wait: a flight that is joined then is
    /// not waited for any more.
    fn share_unstored(&mut self, index: usize) {
        if let State::Unstored(None, reason) = self.states[index] {
            self.states[index] = match self.lead_or_follow(index, true) {
                Role::Lead(leader) => State::Unstored(Some(leader), reason),
                Role::Follow(follower) => State::Following(follower),
            };
        }
    }

    /// The versions of the tags of one entry; `None` where one is not known.
    fn versions_of(&self, index: usize) -> Option<Vec<Token>> {
        self.items[index].tags.iter().map(|tag| self.versions.get(tag).copied()).collect()
    }

    fn context(&self) -> Context {
        Context { engine: Arc::clone(self.engine), site: self.site }
    }
}

async fn look_up(
    engine: &Engine,
    looks: &[Look<'_>],
    deadline: Deadline,
) -> Result<Vec<Reading>, StoreError> {
    deadline.bound(engine.store.read_many(looks)).await.unwrap_or(Err(StoreError::Timeout))
}

/// What a look-up has seen beside the value.
struct Beside {
    lease: Option<Lease>,
    told: bool,
}

fn land<V: CacheValue>(leader: Leader, good_for: u32, value: Option<&V>) {
    leader.land(good_for, || Some(served(value.cloned())));
}
