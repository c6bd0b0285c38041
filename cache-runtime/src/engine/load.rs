//! The leader of a flight: ACQUIRE, run the body under the lease, FILL.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use super::{
    CacheValue, Context, Engine, Rules, Shape, View,
    lookup::{Call, Found, judge, judge_value},
    steps::spawn,
};
use crate::{
    ambient::{self, Deadline, Stopwatch, millis},
    codec::{self, Seal, Unstorable},
    domain::{
        entry::{Acquired, Lease, Lifetime, Millis, Seen, Stored, Token},
        key::Key,
        policy::{Ttl, jittered},
        verdict::Miss,
    },
    error::StoreError,
    flight::{Leader, Shared},
    store::Store as _,
};

/// A load on behalf of one call.
pub(super) struct Load<'a, S, T, C> {
    pub(super) call: &'a Call,
    pub(super) shape: S,
    pub(super) rules: &'a Rules<T, C>,
    /// What the look-up before it has seen.
    pub(super) seen: Seen,
    /// The look-up and the first ACQUIRE share one budget.
    pub(super) deadline: Deadline,
}

/// How it ended.
pub(super) enum Loaded<O> {
    /// Somebody else had stored a value meanwhile.
    Hit(O),
    Missed(Miss, O),
    /// Loaded, and not stored.
    Bypassed(&'static str, O),
}

/// What a flight hands on.
pub(super) enum Served<V> {
    Value(V),
    Negative,
    Failed(Shared),
}

/// What ACQUIRE led to.
enum Turn<V, O> {
    Granted(Token),
    /// A value, with the evidence that it is.
    Found(V, u32),
    /// An absence, as the function returns it.
    Negative(O, u32),
    Unstored(&'static str),
}

impl<S, T, C> Load<'_, S, T, C>
where
    S: Shape<Value: CacheValue>,
    T: Fn(&S::Value) -> Ttl,
    C: Fn(&S::Value) -> bool,
{
    /// Two round trips are behind us when the body starts (look-up, ACQUIRE), and one follows (FILL).
    pub(super) async fn lead<B>(self, leader: Leader<'_>, body: Pin<&mut B>) -> Loaded<S::Output>
    where
        B: Future<Output = S::Output>,
    {
        let (engine, key) = (&self.call.engine, &self.call.key);
        match self.turn(&leader).await {
            Turn::Granted(token) => {
                let miss = engine.miss(key);
                Loaded::Missed(miss, self.load(leader, token, body).await)
            }
            Turn::Found(value, good_for) => {
                leader.land(good_for, || Some(Arc::new(Served::Value(value.clone()))));
                Loaded::Hit(self.shape.hit(value))
            }
            Turn::Negative(output, good_for) => {
                leader.land(good_for, || Some(Arc::new(Served::<S::Value>::Negative)));
                Loaded::Hit(output)
            }
            Turn::Unstored(reason) => {
                // Who comes from now on could not take the result: they need not wait for it.
                let good_for = leader.send_for();
                leader.close();
                let output = self.run(&leader, body).await;
                leader.land(self.evidence(&output, good_for), || self.share(&output));
                Loaded::Bypassed(reason, output)
            }
        }
    }

    /// Asks for the lease until it is granted, or until it is clear that there will be none.
    async fn turn(&self, leader: &Leader<'_>) -> Turn<S::Value, S::Output> {
        let Call { engine, site, key, .. } = self.call;
        let mut seen = self.seen;
        let mut deadline = self.deadline;
        let mut waited = false;
        let mut dropped = false;
        loop {
            let token = ambient::token();
            let good_for = leader.send_for();
            let mut unsure = Unsure { context: Some(self.call.context()), key, token };
            let lease = millis(engine.config.lease);
            let answer = deadline.bound(engine.store.acquire(key, token, seen, lease)).await;
            let answer = answer.unwrap_or(Err(StoreError::Timeout));
            if !matches!(answer, Err(StoreError::Timeout | StoreError::Disconnected)) {
                // The server has answered: there is no lease that we do not know of.
                unsure.context = None;
            }
            let held = match answer {
                Ok(Acquired::Granted) => return Turn::Granted(token),
                Ok(Acquired::Fenced) => return Turn::Unstored("fenced"),
                Ok(Acquired::Busy(lease)) => lease,
                Ok(Acquired::Found(value)) => match judge_value::<S::Value>(engine, site, key, &value) {
                    Found::Value(value) => return Turn::Found(value, good_for),
                    Found::Negative(id) => match self.shape.negative() {
                        Some(output) => return Turn::Negative(output, good_for),
                        None if dropped => return Turn::Unstored("unreadable"),
                        None => {
                            (seen, dropped) = (Seen::Drop(id), true);
                            continue;
                        }
                    },
                    Found::Nothing(unusable) if !dropped => {
                        (seen, dropped) = (unusable, true);
                        continue;
                    }
                    Found::Nothing(_) | Found::Leased(_) | Found::Fenced => {
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

    /// Waits for the load of another process. `None`: it brought no value.
    async fn wait(&self, leader: &Leader<'_>, held: Lease) -> Option<Turn<S::Value, S::Output>> {
        let Call { engine, site, key, .. } = self.call;
        let waiting = Stopwatch::start();
        let mut pause = FIRST_POLL;
        loop {
            ambient::sleep(pause).await;
            pause = (pause * 3 / 2).min(SLOWEST_POLL);
            if waiting.elapsed() > engine.config.load_timeout {
                return Some(Turn::Unstored("load_timeout"));
            }
            let good_for = leader.send_for();
            let lookup = engine.store.read(key).await;
            let lease = lookup.as_ref().ok().and_then(crate::store::Lookup::lease);
            match lookup.map(|lookup| judge::<S::Value>(engine, site, key, lookup)) {
                Ok(Found::Value(value)) => return Some(Turn::Found(value, good_for)),
                Ok(Found::Leased(lease)) if lease.token == held.token => {}
                Ok(Found::Negative(_)) if let Some(output) = self.shape.negative() => {
                    return Some(Turn::Negative(output, good_for));
                }
                // The value that is to be dropped may stand beside the lease.
                Ok(Found::Nothing(Seen::Drop(_)) | Found::Negative(_))
                    if lease.is_some_and(|lease| lease.token == held.token) => {}
                Ok(Found::Nothing(_) | Found::Negative(_) | Found::Leased(_)) => return None,
                Ok(Found::Fenced) => return Some(Turn::Unstored("fenced")),
                Err(error) => {
                    engine.failed(site, &error);
                    return Some(Turn::Unstored(error.reason()));
                }
            }
        }
    }

    /// Runs the body under the lease, and stores what it brings.
    async fn load<B>(self, leader: Leader<'_>, token: Token, body: Pin<&mut B>) -> S::Output
    where
        B: Future<Output = S::Output>,
    {
        let Call { engine, key, .. } = self.call;
        let mut lease = Leased { context: Some(self.call.context()), key, token };
        let started = leader.send_for();
        let time = Stopwatch::start();
        let output =
            self.run(&leader, renewed(engine, key, token, Some(engine.config.load_timeout), body)).await;
        let deadline = Deadline::after(engine.config.budget);
        let good_for = match self.seal(&output, token, time.elapsed()) {
            Some(sealed) => {
                let stored = leader.send_for();
                let until = engine.store.now() + sealed.lifetime.total;
                match deadline.bound(engine.store.fill(key, token, &sealed)).await {
                    Some(Ok(Stored::Yes)) => {
                        lease.context = None;
                        self.call.site.emitter.stored(self.call.site.labels(), sealed.body.as_bytes().len());
                        engine.remember(key, until);
                        stored
                    }
                    // A write came between, or the answer did not: then the lease is given back, if it still stands.
                    Some(Ok(Stored::Lost)) => {
                        lease.context = None;
                        started
                    }
                    Some(Err(error)) => {
                        engine.failed(self.call.site, &error);
                        started
                    }
                    None => started,
                }
            }
            None => {
                lease.context = None;
                let released = deadline.bound(engine.store.release(key, token)).await;
                if !matches!(released, Some(Ok(()))) {
                    lease.context = Some(self.call.context());
                }
                started
            }
        };
        leader.land(self.evidence(&output, good_for), || self.share(&output));
        output
    }

    /// An error is no evidence about a value: everybody may take it, whenever he joined.
    fn evidence(&self, output: &S::Output, good_for: u32) -> u32 {
        match self.shape.view(output) {
            View::Failed => u32::MAX,
            View::Value(_) | View::Negative => good_for,
        }
    }

    async fn run<B: Future<Output = S::Output>>(&self, leader: &Leader<'_>, body: B) -> S::Output {
        let Call { engine, site, .. } = self.call;
        let time = Stopwatch::start();
        let output = leader.leading(body).await;
        site.emitter.load(site.labels(), time.elapsed());
        if matches!(self.shape.view(&output), View::Failed) {
            engine.stats(site).loads_failed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            site.emitter.load_failure(site.labels());
        }
        output
    }

    fn seal(&self, output: &S::Output, token: Token, load: Duration) -> Option<codec::Sealed> {
        let (value, ttl) = match self.shape.view(output) {
            View::Value(value) if (self.rules.cache_if)(value) => (Some(value), (self.rules.ttl)(value)),
            View::Negative => (None, self.call.site.config.negative_ttl?),
            View::Value(_) | View::Failed => return None,
        };
        seal(&self.call.context(), value, ttl, token, load)
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

/// While another process loads, the entry is looked at this often: at first, and at last.
const FIRST_POLL: Duration = Duration::from_millis(10);
const SLOWEST_POLL: Duration = Duration::from_millis(200);

/// Encodes a value with its lifetime. `None` where it is not to be stored: a TTL of zero, or a value that is unfit.
pub(super) fn seal<V: CacheValue>(
    context: &Context,
    value: Option<&V>,
    ttl: Ttl,
    token: Token,
    load: Duration,
) -> Option<codec::Sealed> {
    let Context { engine, site } = context;
    let ttl = engine.ttl(ttl).min(LONGEST_TTL);
    if ttl < Duration::from_millis(1) {
        return None;
    }
    let fresh = millis(jittered(ttl, site.config.jitter, ambient::random()));
    let seal = Seal {
        value,
        id: token,
        lifetime: Lifetime { fresh, total: fresh },
        load: millis(load),
        fingerprint: site.fingerprint::<V>(),
    };
    let unfit = match codec::seal(&seal, engine.config.max_value_size) {
        Ok(sealed) => return Some(sealed),
        Err(Unstorable::Absent) => return None,
        Err(unfit) => unfit,
    };
    let function = site.labels().function;
    let reason = match &unfit {
        Unstorable::TooLarge(_) => "too_large",
        Unstorable::Encode(_) | Unstorable::Absent => "encode",
    };
    site.emitter.unstorable(site.labels(), reason);
    site.warn_once(|| match unfit {
        Unstorable::TooLarge(size) => {
            let limit = engine.config.max_value_size;
            tracing::warn!(function, size, limit, "not stored: the value is larger than `max_value_size`");
        }
        Unstorable::Encode(error) => {
            tracing::warn!(function, %error, "not stored: the value cannot be serialised");
        }
        Unstorable::Absent => {}
    });
    None
}

/// Longer ones do not fit into what Redis takes for an expiry: 100 years.
const LONGEST_TTL: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Runs a future while the lease of its token, or its place in a fence, is renewed every third of its time.
///
/// A lease is renewed for `load_timeout` at most, since others do not wait for ever for a body that hangs; a fence as
/// long as its writer lives.
pub(super) async fn renewed<F: Future>(
    engine: &Engine,
    key: &Key,
    token: Token,
    at_most: Option<Duration>,
    future: F,
) -> F::Output {
    let renewals = async {
        let running = Stopwatch::start();
        while at_most.is_none_or(|at_most| running.elapsed() < at_most) {
            ambient::sleep(engine.config.lease / 3).await;
            let lease: Millis = millis(engine.config.lease);
            if matches!(engine.store.renew(key, token, lease).await, Ok(false)) {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let (future, renewals) = (pin!(future), pin!(renewals));
    match futures_util::future::select(future, renewals).await {
        futures_util::future::Either::Left((output, _)) => output,
        futures_util::future::Either::Right(_) => unreachable!("renewals never end by themselves"),
    }
}

/// The lease of a load that is under way: given back when the load goes away without a result.
struct Leased<'a> {
    context: Option<Context>,
    key: &'a Key,
    token: Token,
}

impl Drop for Leased<'_> {
    fn drop(&mut self) {
        release(&mut self.context, self.key, self.token);
    }
}

/// An ACQUIRE without an answer: it may have been executed, or will be, so its lease is given back.
struct Unsure<'a> {
    context: Option<Context>,
    key: &'a Key,
    token: Token,
}

impl Drop for Unsure<'_> {
    fn drop(&mut self) {
        release(&mut self.context, self.key, self.token);
    }
}

fn release(context: &mut Option<Context>, key: &Key, token: Token) {
    let Some(Context { engine, .. }) = context.take() else { return };
    let key = key.clone();
    spawn(async move {
        // Where this fails, too, the lease ends by itself.
        drop(engine.store.release(&key, token).await);
    });
}
