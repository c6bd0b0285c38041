//! The leader of a flight: ACQUIRE, run the body under the lease, FILL.

use std::{
    convert::Infallible,
    pin::{Pin, pin},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::{Either, join, select};

use super::{
    CacheValue, Context, Engine, Rules, Shape, View,
    lookup::{Call, Found, judge, judge_value},
    shape::Same,
    steps::spawn,
};
use crate::{
    ambient::{self, Deadline, Stopwatch, millis},
    codec::{self, Seal, Unstorable, envelope::Body},
    domain::{
        entry::{Acquired, Lease, Lifetime, Millis, Seen, Stored, Token},
        key::Key,
        policy::{Ttl, Usable, jittered},
    },
    error::StoreError,
    flight::{Leader, Shared},
    metrics::{Complaint, Outcome},
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
    /// Whether there is an old value, to be served where the load fails.
    pub(super) has_stale: bool,
    /// The look-up has seen that a write is under way.
    pub(super) fenced: bool,
}

/// What a flight hands on.
pub(super) enum Served<V> {
    Value(V),
    Negative,
    Failed(Shared),
}

/// What ACQUIRE led to.
enum Turn<V, O> {
    /// The lease, and the versions of the tags before the load.
    Granted(Token, Vec<Token>),
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
        let turn = if self.fenced { Turn::Unstored("fenced") } else { self.turn(&leader).await };
        match turn {
            Turn::Granted(token, tags) => {
                let miss = engine.miss(&self.call.key);
                match (self.load(leader, token, &tags, pin!(body)).await, stale) {
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
                if reason == "fenced" {
                    // A flight all the same: readers of a busy key do not run one body each while it is written.
                    leader.unstored();
                } else {
                    // Who comes from now on could not take the result: they need not wait for it.
                    leader.close();
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
        let token = ambient::token();
        let (acquired, tags) = self.acquire_tagged(token, self.seen, self.deadline).await;
        let result = match acquired {
            Ok(Acquired::Granted) => {
                let leader = engine.flights.lead_alone(key);
                match self.load(leader, token, &tags, pin!(body)).await {
                    Brought::Output(_) => "loaded",
                    Brought::Failure(_) => {
                        engine.refreshes.failed(key, engine.store.now());
                        "failed"
                    }
                }
            }
            Ok(Acquired::Busy(_) | Acquired::Found(_) | Acquired::Fenced) => "elsewhere",
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
        token: Token,
        seen: Seen,
        deadline: Deadline,
    ) -> (Result<Acquired<Body>, StoreError>, Vec<Token>) {
        let Call { engine, key, tags, .. } = &self.call;
        if tags.is_empty() {
            return (acquire(&self.call.context(), key, token, seen, deadline).await, Vec::new());
        }
        let versions = deadline.bound(engine.store.versions(tags, self.call.site.tags_needed(engine)));
        let (acquired, versions) =
            join(acquire(&self.call.context(), key, token, seen, deadline), versions).await;
        match versions.unwrap_or(Err(StoreError::Timeout)) {
            Ok(versions) => (acquired, versions),
            Err(error) => {
                // Without them nothing can be stored.
                drop(Leased { context: Some(self.call.context()), key, token });
                (Err(error), Vec::new())
            }
        }
    }

    /// Asks for the lease until it is granted, or until it is clear that there will be none.
    async fn turn(&self, leader: &Leader) -> Turn<S::Value, S::Output> {
        let Call { engine, site, key, .. } = &self.call;
        let mut seen = self.seen;
        let mut deadline = self.deadline;
        let mut waited = false;
        let mut dropped = false;
        loop {
            let token = ambient::token();
            let good_for = leader.send_for();
            let (acquired, tags) = self.acquire_tagged(token, seen, deadline).await;
            let held = match acquired {
                Ok(Acquired::Granted) => return Turn::Granted(token, tags),
                Ok(Acquired::Fenced) => return Turn::Unstored("fenced"),
                Ok(Acquired::Busy(lease)) => lease,
                Ok(Acquired::Found(value)) => match judge_value::<S::Value>(engine, site, key, &value, &tags)
                {
                    Found::Value(value, _) => return Turn::Found(value, good_for),
                    Found::Negative(held) => match self.shape.negative() {
                        Some(output) => return Turn::Negative(output, good_for),
                        None if dropped => return Turn::Unstored("unreadable"),
                        None => {
                            (seen, dropped) = (Seen::Drop(held.id), true);
                            continue;
                        }
                    },
                    Found::Nothing(unusable) if !dropped => {
                        (seen, dropped) = (unusable, true);
                        continue;
                    }
                    Found::Nothing(_) | Found::Leased | Found::Fenced => {
                        return Turn::Unstored("unreadable");
                    }
                },
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

    /// Waits for the load of somebody else. `None`: it brought no value.
    ///
    /// Woken when the entry changes, where the store can tell; by the end of the lease at the latest, and from time to
    /// time in any case.
    async fn wait(&self, leader: &Leader, held: Lease) -> Option<Turn<S::Value, S::Output>> {
        let Call { engine, site, key, tags, .. } = &self.call;
        let look = Look { key, tags, told: false };
        let waiting = Stopwatch::start();
        let waiter = engine.store.wakeups().register([key]);
        let mut pause = FIRST_POLL;
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
            let left = self.call.load_timeout().saturating_sub(waiting.elapsed());
            if left.is_zero() {
                return Some(Turn::Unstored("load_timeout"));
            }
            let ends = lease.map_or(0, |lease| lease.until.saturating_sub(engine.store.now()));
            let longest = if told { NET.min(Duration::from_millis(ends + 1)).max(FIRST_POLL) } else { pause };
            Deadline::after(longest.min(left)).bound(waiter.woken()).await;
            pause = (pause * 3 / 2).min(SLOWEST_POLL);
        }
    }

    /// Runs the body under the lease, and stores what it brings.
    async fn load<B>(
        &self,
        leader: Leader,
        token: Token,
        tags: &[Token],
        body: Pin<&mut B>,
    ) -> Brought<S::Output>
    where
        B: Future<Output = S::Output>,
    {
        let Call { engine, key, .. } = &self.call;
        let mut lease = Leased { context: Some(self.call.context()), key, token };
        let started = leader.send_for();
        let time = Stopwatch::start();
        let renewals = renewals(engine, key, token, Some(self.call.load_timeout()));
        // Boxed, or each layer around it would hold a copy of its size.
        let output = self.run(&leader, Box::pin(beside(body, renewals))).await;
        let deadline = Deadline::after(engine.config.budget);
        let sealed = self.seal(&output, token, tags, time.elapsed());
        let good_for = lease.end(&self.call.tags, sealed, (&leader, started), deadline).await;
        if !matches!(self.shape.view(&output), View::Failed) {
            leader.land(good_for, || self.share(&output));
            return Brought::Output(output);
        }
        if !self.has_stale {
            // An error is no evidence about a value: everybody may take it, whenever he joined.
            leader.land(u32::MAX, || self.share(&output));
        } else {
            // Before the flight ends: who waited starts over, and finds the old value and this.
            engine.refreshes.failed(key, engine.store.now());
        }
        Brought::Failure(output)
    }

    /// An error is no evidence about a value: everybody may take it, whenever he joined.
    fn evidence(&self, output: &S::Output, good_for: u32) -> u32 {
        match self.shape.view(output) {
            View::Failed => u32::MAX,
            View::Value(_) | View::Negative => good_for,
        }
    }

    async fn run<B: Future<Output = S::Output>>(&self, leader: &Leader, body: B) -> S::Output {
        let Call { engine, site, .. } = &self.call;
        let time = Stopwatch::start();
        let patience = async {
            ambient::sleep(self.call.load_timeout()).await;
            leader.time_out();
        };
        let output = leader.leading(beside(body, patience)).await;
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

/// While somebody else loads, the entry is looked at this often: at first, and at last.
pub(super) const FIRST_POLL: Duration = Duration::from_millis(10);
pub(super) const SLOWEST_POLL: Duration = Duration::from_millis(200);
/// And this often where its changes are told.
pub(super) const NET: Duration = Duration::from_secs(1);

/// Encodes a value with its lifetime. `None` where it is not to be stored: a TTL of zero, or a value that is unfit.
pub(super) fn seal<V: CacheValue>(
    context: &Context,
    value: Option<&V>,
    same: Same<V>,
    ttl: Ttl,
    (token, tags): (Token, &[Token]),
    load: Duration,
) -> Option<codec::Sealed> {
    let Context { engine, site } = context;
    let ttl = engine.ttl(ttl);
    if ttl.is_zero() {
        return None;
    }
    let fresh = millis(jittered(ttl, site.config.jitter, ambient::random()));
    let seal = Seal {
        value,
        id: token,
        lifetime: Lifetime { fresh, total: fresh.saturating_add(site.config.staleness().kept()) },
        load: millis(load),
        fingerprint: site.fingerprint::<V>(),
        tags,
    };
    let limit = engine.config.max_value_size;
    let reason = match site.proofs.seal(&seal, same, limit) {
        Ok((sealed, difference)) => {
            if let Some(difference) = difference {
                site.complain::<V>(Complaint::Different(&difference));
            }
            return Some(sealed);
        }
        Err(Unstorable::Absent) => {
            site.complain::<V>(Complaint::LikeNone);
            return None;
        }
        Err(Unstorable::TooLarge(size)) => {
            site.complain::<V>(Complaint::TooLarge { size, limit });
            "too_large"
        }
        Err(Unstorable::Encode(error)) => {
            site.complain::<V>(Complaint::Unserialisable(&error));
            "encode"
        }
        Err(Unstorable::Unreadable(error)) => {
            site.complain::<V>(Complaint::Unreadable(&error));
            "unreadable"
        }
    };
    engine.stats(site).unstorable.fetch_add(1, Ordering::Relaxed);
    site.emitter.unstorable(site.labels(), reason);
    None
}

/// ACQUIRE within a deadline. What had no answer may have been executed, or will be: its lease is given back.
pub(super) async fn acquire(
    context: &Context,
    key: &Key,
    token: Token,
    seen: Seen,
    deadline: Deadline,
) -> Result<Acquired<Body>, StoreError> {
    let Context { engine, .. } = context;
    let mut unsure = Leased { context: Some(context.clone()), key, token };
    let lease = millis(engine.config.lease);
    let answer = deadline.bound(engine.store.acquire(key, token, seen, lease)).await;
    let answer = answer.unwrap_or(Err(StoreError::Timeout));
    if !matches!(answer, Err(StoreError::Timeout | StoreError::Disconnected)) {
        // The server has answered: there is no lease that we do not know of.
        unsure.context = None;
    }
    answer
}

/// Sees to it that tags live as long as an entry that carries them. Where that fails the entry ends sooner.
pub(super) async fn prolong(engine: &Engine, tags: &[Key], total: Millis, deadline: Deadline) {
    if !tags.is_empty() {
        drop(deadline.bound(engine.store.versions(tags, total)).await);
    }
}

/// Runs a future, and another one beside it that is of no interest when the first has ended.
pub(super) async fn beside<F: Future>(future: F, background: impl Future<Output = ()>) -> F::Output {
    let background = async {
        background.await;
        std::future::pending::<Infallible>().await
    };
    match select(pin!(future), pin!(background)).await {
        Either::Left((output, _)) => output,
        Either::Right((never, _)) => match never {},
    }
}

/// Renews a lease, or a place in a fence, every third of its time.
///
/// A lease is renewed for `load_timeout` at most, since others do not wait for ever for a body that hangs; a fence as
/// long as its writer lives.
pub(super) async fn renewals(engine: &Engine, key: &Key, token: Token, at_most: Option<Duration>) {
    let running = Stopwatch::start();
    while at_most.is_none_or(|at_most| running.elapsed() < at_most) {
        ambient::sleep(engine.config.lease / 3).await;
        let lease: Millis = millis(engine.config.lease);
        if matches!(engine.store.renew(key, token, lease).await, Ok(false)) {
            break;
        }
    }
}

/// A lease that is, or may be, held: given back when it is dropped.
#[derive(Debug)]
pub(super) struct Leased<'a> {
    pub(super) context: Option<Context>,
    pub(super) key: &'a Key,
    pub(super) token: Token,
}

/// How long after the first attempt a RELEASE without an answer is sent again. A server that hung executes a late ACQUIRE
/// when it goes on; a lease of which it does not hear in this time ends by itself.
const RELEASES: [Duration; 6] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(2),
];
/// So many leases are given back at once with more than one attempt.
const MOST_RELEASES: usize = 256;

impl Leased<'_> {
    /// FILL, or RELEASE where nothing is to be stored; which piece of evidence the value is then. Where there was no answer,
    /// or a write came between, it is as old as the `started` load. What was not acknowledged is given back when this is
    /// dropped.
    pub(super) async fn end(
        &mut self,
        tags: &[Key],
        sealed: Option<codec::Sealed>,
        (leader, started): (&Leader, u32),
        deadline: Deadline,
    ) -> u32 {
        let (key, token) = (self.key, self.token);
        let Some(Context { engine, site }) = &self.context else { return started };
        let Some(sealed) = sealed else {
            if matches!(deadline.bound(engine.store.release(key, token)).await, Some(Ok(()))) {
                self.context = None;
            }
            return started;
        };
        let stored = leader.send_for();
        let fresh_until = engine.store.now() + sealed.lifetime.fresh;
        let prolonged = prolong(engine, tags, sealed.lifetime.total, deadline);
        match join(deadline.bound(engine.store.fill(key, token, &sealed)), prolonged).await.0 {
            Some(Ok(Stored::Yes)) => {
                site.emitter.stored(site.labels(), sealed.body.as_bytes().len());
                engine.remember(key, fresh_until);
                self.context = None;
                // That it was stored proves nothing about its tags.
                if tags.is_empty() { stored } else { started }
            }
            Some(Ok(Stored::Lost)) => {
                self.context = None;
                started
            }
            Some(Err(error)) => {
                engine.failed(site, &error);
                started
            }
            None => started,
        }
    }
}

impl Drop for Leased<'_> {
    fn drop(&mut self) {
        let Some(Context { engine, .. }) = self.context.take() else { return };
        let (key, token) = (self.key.clone(), self.token);
        spawn(async move {
            let many = engine.releases.fetch_add(1, Ordering::Relaxed) >= MOST_RELEASES;
            for pause in if many { &RELEASES[..1] } else { &RELEASES } {
                match engine.store.release(&key, token).await {
                    Err(StoreError::Timeout | StoreError::Disconnected) => ambient::sleep(*pause).await,
                    Ok(()) | Err(_) => break,
                }
            }
            engine.releases.fetch_sub(1, Ordering::Relaxed);
        });
    }
}
