//! A call for many ids: one look-up, one run of the body for those whose lease was granted, then a wait for those that
//! others load, and at most one second run for what is missing then.
//!
//! No lease and no flight is held while it waits, so that two batches in opposite order never wait for each other.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::{join, join_all};

use super::{
    CacheValue, Context, Engine, EngineRef, Rules, Site,
    collection::{BatchShape, Opened},
    load::{FIRST_POLL, Leased, NET, SLOWEST_POLL, Served, acquire, beside, prolong, seal},
    lookup::{Found, Place, Probe, judge_value},
};
use crate::{
    ambient::{self, Deadline, Stopwatch, millis},
    codec::{Sealed, envelope::Body},
    domain::{
        entry::{Acquired, Lease, Millis, Seen, Stored, Token},
        key::{Key, KeyWriter},
        policy::Ttl,
        verdict::Miss,
    },
    error::StoreError,
    flight::{self, Follower, Landed, Leader, Role},
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
    /// Sorted, each once.
    tags: Vec<Key>,
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
                    let mut tags: Vec<Key> = tags(id).into_iter().map(KeyWriter::finish).collect();
                    tags.sort_unstable();
                    tags.dedup();
                    items.push(Item { key: key.clone(), hash, tags });
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

    /// The local level, flights of others, then one look-up for the rest.
    async fn look(&mut self) {
        let (engine, site, items) = (self.engine, self.site, self.items);
        let mut wanted = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let Item { key, tags, .. } = item;
            if flight::leads(&engine.flights, key) {
                self.states[index] = State::Unstored(None, "recursion");
            } else if let Some(value) = item.place().local(engine, site) {
                engine.stats(site).count(Outcome::HitLocal);
                self.states[index] = State::Done(value);
            } else if engine.recovery.covers(key, tags) {
                super::invalidate::resume(engine);
                self.states[index] = State::Unstored(None, "recovery");
            } else if let Some(follower) = engine.flights.follow(key, false) {
                self.states[index] = State::Following(follower);
            } else {
                wanted.push(index);
            }
        }
        for (index, found, _) in self.read(&wanted).await {
            let (seen, fenced) = match found {
                Found::Value(value, _) => {
                    self.done(index, Some(value), Outcome::HitRemote);
                    continue;
                }
                Found::Negative(_) => {
                    self.done(index, None, Outcome::HitRemote);
                    continue;
                }
                Found::Nothing(seen) => (seen, false),
                Found::Leased => (Seen::Nothing, false),
                Found::Fenced => (Seen::Nothing, true),
            };
            self.states[index] = match engine.flights.lead_or_follow(&items[index].key, false) {
                Role::Follow(follower) => State::Following(follower),
                Role::Lead(leader) if fenced => fenced_load(leader),
                Role::Lead(leader) => State::Led(leader, seen),
            };
        }
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
        site.emitter.lookup(site.labels(), time.elapsed());
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

    /// Asks for the leases of all flights that it leads, and beside it for the versions of their tags.
    async fn acquire(&mut self) {
        // Once more for a value that is there and is of no use.
        for last in [false, true] {
            let led = self.all(|state| matches!(state, State::Led(..)));
            if led.is_empty() {
                return;
            }
            let versions = self.tag_versions(&led);
            let (answers, versions) = join(self.leases(&led), versions).await;
            self.versions.extend(versions);
            for (index, (token, good_for, answer)) in led.into_iter().zip(answers) {
                self.acquired(index, token, good_for, answer, last);
            }
        }
    }

    /// ACQUIRE for each, in chunks. When one chunk had no answer the others are not asked.
    async fn leases(&self, led: &[usize]) -> Vec<(Token, u32, Result<Acquired<Body>, StoreError>)> {
        let mut answers = Vec::with_capacity(led.len());
        let mut out = false;
        for chunk in led.chunks(AT_ONCE) {
            let deadline = Deadline::after(self.engine.config.budget);
            let asked = chunk.iter().map(|&index| async move {
                let token = ambient::token();
                let State::Led(leader, seen) = &self.states[index] else { unreachable!("it is led") };
                let good_for = leader.send_for();
                let answer = match out {
                    true => Err(StoreError::Disconnected),
                    false => acquire(&self.context(), &self.items[index].key, token, *seen, deadline).await,
                };
                (token, good_for, answer)
            });
            let asked = join_all(asked).await;
            out |= asked.iter().any(|(_, _, answer)| {
                matches!(answer, Err(StoreError::Timeout | StoreError::Disconnected | StoreError::Off))
            });
            answers.extend(asked);
        }
        answers
    }

    /// The versions of the tags of some entries, before their load begins.
    async fn tag_versions(&self, indices: &[usize]) -> Vec<(&'a Key, Token)> {
        let mut tags: Vec<&'a Key> = indices.iter().flat_map(|index| &self.items[*index].tags).collect();
        tags.sort_unstable();
        tags.dedup();
        let load_timeout = load_timeout(self.engine, self.site);
        let needed = millis(load_timeout.saturating_add(self.engine.config.lease));
        let mut known = Vec::with_capacity(tags.len());
        for chunk in tags.chunks(AT_ONCE) {
            let names: Vec<Key> = chunk.iter().map(|tag| (*tag).clone()).collect();
            let deadline = Deadline::after(self.engine.config.budget);
            match deadline.bound(self.engine.store.versions(&names, needed)).await {
                Some(Ok(versions)) => known.extend(chunk.iter().copied().zip(versions)),
                // Without them nothing can be stored.
                Some(Err(_)) | None => break,
            }
        }
        known
    }

    /// The versions of the tags of one entry; `None` where one is not known.
    fn versions_of(&self, index: usize) -> Option<Vec<Token>> {
        self.items[index].tags.iter().map(|tag| self.versions.get(tag).copied()).collect()
    }

    fn acquired(
        &mut self,
        index: usize,
        token: Token,
        good_for: u32,
        answer: Result<Acquired<Body>, StoreError>,
        last: bool,
    ) {
        let (engine, site, key) = (self.engine, self.site, &self.items[index].key);
        let State::Led(leader, _) = std::mem::replace(&mut self.states[index], State::Open) else {
            unreachable!("it is led")
        };
        let versions = self.versions_of(index);
        self.states[index] = match (answer, versions) {
            (Ok(Acquired::Granted), Some(_)) => State::Leased(leader, token, engine.miss(key)),
            (Ok(Acquired::Granted), None) => {
                drop(Leased { context: Some(self.context()), key, token });
                unstored(leader, "tags")
            }
            (Ok(Acquired::Busy(lease)), _) => State::Elsewhere(leader, lease.token),
            (Ok(Acquired::Fenced), _) => fenced_load(leader),
            (Ok(Acquired::Found(value)), versions) => {
                let found = match &versions {
                    Some(versions) => judge_value::<S::Value>(engine, site, key, &value, versions),
                    None => Found::Nothing(Seen::Drop(value.id)),
                };
                match found {
                    Found::Value(value, _) => {
                        leader.land(good_for, || Some(Arc::new(Served::Value(value.clone()))));
                        self.done(index, Some(value), Outcome::HitRemote);
                        return;
                    }
                    Found::Negative(_) => {
                        leader.land(good_for, || Some(Arc::new(Served::<S::Value>::Negative)));
                        self.done(index, None, Outcome::HitRemote);
                        return;
                    }
                    Found::Nothing(seen) if !last => State::Led(leader, seen),
                    Found::Nothing(_) | Found::Leased | Found::Fenced => unstored(leader, "unreadable"),
                }
            }
            (Err(error), _) => {
                engine.failed(site, &error);
                unstored(leader, error.reason())
            }
        };
    }

    /// Runs the body for what nobody else loads, and stores what is under a lease.
    async fn load<B, F>(&mut self, unique: &[S::Id], body: &mut B) -> Result<(), Failed<S::Output>>
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
        let timeout = load_timeout(engine, site);
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

    fn context(&self) -> Context {
        Context { engine: Arc::clone(self.engine), site: self.site }
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
        seal(&self.context(), value, ttl, (token, &versions), load)
    }

    /// FILL, or RELEASE where nothing is to be stored. Whether there was an answer.
    async fn fill(
        &self,
        fill: Fill<'_, S::Value>,
        deadline: Deadline,
        out: bool,
    ) -> (usize, Option<S::Value>, bool) {
        let Fill { index, leader, started, value, mut lease, sealed } = fill;
        let (engine, site) = (self.engine, self.site);
        let Item { key, tags, .. } = &self.items[index];
        let mut good_for = started;
        let mut answered = false;
        if !out {
            answered = match sealed {
                Some(sealed) => {
                    let sent = leader.send_for();
                    let fresh_until = engine.store.now() + sealed.lifetime.fresh;
                    let prolonged = prolong(engine, tags, sealed.lifetime.total, deadline);
                    let stored = deadline.bound(engine.store.fill(key, lease.token, &sealed));
                    match join(stored, prolonged).await.0 {
                        Some(Ok(Stored::Yes)) => {
                            site.emitter.stored(site.labels(), sealed.body.as_bytes().len());
                            engine.remember(key, fresh_until);
                            // That it was stored proves nothing about its tags.
                            good_for = if tags.is_empty() { sent } else { started };
                            true
                        }
                        Some(Ok(Stored::Lost)) => true,
                        Some(Err(error)) => {
                            engine.failed(site, &error);
                            false
                        }
                        None => false,
                    }
                }
                None => matches!(deadline.bound(engine.store.release(key, lease.token)).await, Some(Ok(()))),
            };
        }
        if answered {
            lease.context = None;
        }
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

    /// Waits for what others load: first for other processes, as a flight that this batch leads keeps others waiting, then
    /// for the flights of this one.
    async fn wait(&mut self) {
        self.wait_elsewhere().await;
        self.wait_for_flights().await;
    }

    async fn wait_elsewhere(&mut self) {
        let (engine, items) = (self.engine, self.items);
        let mut pending: Vec<usize> = self.all(|state| matches!(state, State::Elsewhere(..)));
        if pending.is_empty() {
            return;
        }
        let waiting = Stopwatch::start();
        let waiter = engine.store.wakeups().register(pending.iter().map(|index| &items[*index].key));
        let mut pause = FIRST_POLL;
        loop {
            let mut leaders = HashMap::new();
            for &index in &pending {
                if let State::Elsewhere(leader, token) =
                    std::mem::replace(&mut self.states[index], State::Missing)
                {
                    leaders.insert(index, (leader.send_for(), leader, token));
                }
            }
            let mut told = true;
            let mut ends = Millis::MAX;
            let now = engine.store.now();
            for (index, found, seen) in self.read(&pending).await {
                let Some((good_for, leader, token)) = leaders.remove(&index) else { continue };
                match found {
                    Found::Value(value, _) => {
                        leader.land(good_for, || Some(Arc::new(Served::Value(value.clone()))));
                        self.done(index, Some(value), Outcome::HitRemote);
                    }
                    Found::Negative(_) => {
                        leader.land(good_for, || Some(Arc::new(Served::<S::Value>::Negative)));
                        self.done(index, None, Outcome::HitRemote);
                    }
                    Found::Nothing(_) | Found::Leased | Found::Fenced => {
                        if let Some(lease) = seen.lease.filter(|lease| lease.token == token) {
                            told &= seen.told;
                            ends = ends.min(lease.until.saturating_sub(now));
                            self.states[index] = State::Elsewhere(leader, token);
                        }
                    }
                }
            }
            pending = self.all(|state| matches!(state, State::Elsewhere(..)));
            let left = load_timeout(engine, self.site).saturating_sub(waiting.elapsed());
            if pending.is_empty() || left.is_zero() {
                break;
            }
            let longest = match told {
                true => NET.min(Duration::from_millis(ends.saturating_add(1))).max(FIRST_POLL),
                false => pause,
            };
            Deadline::after(longest.min(left)).bound(waiter.woken()).await;
            pause = (pause * 3 / 2).min(SLOWEST_POLL);
        }
        for index in pending {
            // Nobody waits for a flight whose leader waits himself.
            self.states[index] = State::Missing;
        }
    }

    async fn wait_for_flights(&mut self) {
        let engine = self.engine;
        let timeout = load_timeout(engine, self.site);
        let mut followers = Vec::new();
        for index in self.all(|state| matches!(state, State::Following(_))) {
            if let State::Following(follower) = std::mem::replace(&mut self.states[index], State::Missing) {
                followers.push((index, follower));
            }
        }
        let landings = followers.into_iter().map(|(index, follower)| async move {
            let Some(waiting) = engine.flights.wait_for(&follower) else { return (index, None) };
            let landed = Deadline::after(timeout).bound(follower.landed()).await;
            drop(waiting);
            (index, landed)
        });
        let mut again = Vec::new();
        for (index, landed) in join_all(landings).await {
            let shared = match landed {
                Some(Landed::Shared(shared)) => shared,
                // It takes too long, or waits for us.
                None | Some(Landed::TimedOut) => continue,
                Some(Landed::Failed | Landed::Nothing) => {
                    again.push(index);
                    continue;
                }
            };
            match shared.downcast_ref::<Served<S::Value>>() {
                Some(Served::Value(value)) => self.done(index, Some(value.clone()), Outcome::Coalesced),
                Some(Served::Negative) => self.done(index, None, Outcome::Coalesced),
                Some(Served::Failed(_)) => {}
                // A function with another type shares the entry.
                None => again.push(index),
            }
        }
        // What they brought may be there, though not for those who came late.
        for (index, found, _) in self.read(&again).await {
            match found {
                Found::Value(value, _) => self.done(index, Some(value), Outcome::HitRemote),
                Found::Negative(_) => self.done(index, None, Outcome::HitRemote),
                Found::Nothing(_) | Found::Leased | Found::Fenced => {}
            }
        }
    }
}

/// A value on its way into the store.
struct Fill<'a, V> {
    index: usize,
    leader: Leader,
    started: u32,
    value: Option<V>,
    lease: Leased<'a>,
    sealed: Option<Sealed>,
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

/// A write is under way. A flight all the same, for those who have looked and know it.
fn fenced_load<V>(leader: Leader) -> State<V> {
    leader.unstored();
    State::Unstored(Some(leader), "fenced")
}

/// Who comes from now on could not take the result: they need not wait for it.
fn unstored<V>(leader: Leader, reason: &'static str) -> State<V> {
    leader.close();
    State::Unstored(Some(leader), reason)
}

fn load_timeout(engine: &Engine, site: &Site) -> Duration {
    site.config.load_timeout.unwrap_or(engine.config.load_timeout)
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
