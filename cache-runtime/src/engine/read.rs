//! A call of a function that reads: look up, else join or lead a flight.

use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering},
};

use super::{
    CacheValue, Context, Engine,
    load::{Load, Loaded},
    shape::Shape,
    site::{Rules, Site},
};
use crate::{
    ambient::{Deadline, Stopwatch},
    codec::{self, envelope::Body},
    domain::{
        entry::{Lease, Seen, Token, Value},
        key::Key,
        policy::Ttl,
        verdict::Fingerprint,
    },
    flight::{self, Role, Shared},
    metrics::Outcome,
    store::{Lookup, Store as _, StoreError},
};

/// One call: which entry of which function in which cache.
#[derive(Debug)]
pub struct Call {
    pub(crate) engine: Arc<Engine>,
    pub(crate) site: &'static Site,
    pub(crate) key: Key,
    /// The function asked for its body.
    pub(crate) bypass: bool,
}

impl Call {
    pub(crate) fn context(&self) -> Context {
        Context { engine: Arc::clone(&self.engine), site: self.site }
    }
}

/// What a look-up is worth to a caller who wants a `V`.
#[derive(Debug)]
pub(crate) enum Found<V> {
    Value(V),
    /// There is certainly none; the id of the entry that says so.
    Negative(Token),
    /// Nothing usable. The id, where there is a value that ACQUIRE is to drop.
    Nothing(Seen),
    Leased(Lease),
    Fenced,
}

/// What a flight hands on.
pub(super) enum Served<V> {
    Value(V),
    Negative,
    Failed(Shared),
}

/// Calls a cached function that reads.
///
/// `body` is the function itself; it is polled only where its result is needed, and then once.
///
/// # Cancel safety
/// A caller that goes away while it leads a load gives its lease back; the others start over.
///
/// # Consistency
/// A call that begins after a write has returned does not get the older value.
pub async fn read<S, B, T, C>(call: Call, shape: S, rules: Rules<T, C>, body: B) -> S::Output
where
    S: Shape<Value: CacheValue>,
    B: Future<Output = S::Output>,
    T: Fn(&S::Value) -> Ttl,
    C: Fn(&S::Value) -> bool,
{
    let Call { engine, site, key, bypass } = &call;
    let without = |reason| engine.bypassed(site, reason);
    if *bypass {
        without("bypass_if");
        return body.await;
    }
    if flight::leads(key) {
        without("recursion");
        return body.await;
    }
    if engine.recovery.covers(key) {
        without("recovery");
        return body.await;
    }
    let mut failures = 0;
    // Each round ends with a result, or because a flight had none for us.
    loop {
        let follower = match engine.flights.follow(key) {
            Some(follower) => follower,
            None => {
                let time = Stopwatch::start();
                let found = find::<S::Value>(engine, site, key).await;
                site.emitter.lookup(site.labels(), time.elapsed());
                let seen = match found {
                    Ok(Found::Nothing(seen)) => seen,
                    Ok(Found::Leased(_)) => Seen::Nothing,
                    Ok(Found::Fenced) => {
                        without("fenced");
                        return body.await;
                    }
                    Ok(Found::Value(value)) => {
                        engine.count(site, Outcome::HitRemote);
                        return shape.hit(value);
                    }
                    Ok(Found::Negative(id)) => match shape.negative() {
                        Some(output) => {
                            engine.count(site, Outcome::HitRemote);
                            return output;
                        }
                        // Another function stores `None` under this key, and this one has no such result.
                        None => Seen::Drop(id),
                    },
                    Err(error) => {
                        engine.failed(site, &error);
                        without(error.reason());
                        return body.await;
                    }
                };
                match engine.flights.lead_or_follow(key) {
                    Role::Follow(follower) => follower,
                    Role::Lead(leader) => {
                        let deadline = Deadline::of(time, engine.config.budget);
                        let load = Load { call: &call, shape, rules: &rules, seen, deadline };
                        // Boxed, so that the state of a hit stays small.
                        return match Box::pin(load.lead(leader, pin!(body))).await {
                            Loaded::Hit(output) => {
                                engine.count(site, Outcome::HitRemote);
                                output
                            }
                            Loaded::Missed(miss, output) => {
                                engine.count(site, Outcome::Miss(miss));
                                output
                            }
                            Loaded::Bypassed(reason, output) => {
                                without(reason);
                                output
                            }
                        };
                    }
                }
            }
        };
        let Some(waiting) = engine.flights.wait_for(&follower) else {
            without("recursion");
            return body.await;
        };
        let _waiting = waiting;
        match Deadline::after(engine.config.load_timeout).bound(follower.landed()).await {
            Some(Some(shared)) => {
                if let Some(output) = take(shape, &shared) {
                    engine.count(site, Outcome::Coalesced);
                    return output;
                }
            }
            Some(None) => {}
            None => {
                without("load_timeout");
                return body.await;
            }
        }
        // A flight without a result, or with one that is older than this call: the next one is younger. Two in a row
        // have failed: then everybody gets an error of his own, all at once instead of one after another.
        failures += 1;
        if failures > 2 {
            without("flights_failed");
            return body.await;
        }
    }
}

fn take<S: Shape<Value: CacheValue>>(shape: S, shared: &Shared) -> Option<S::Output> {
    match shared.downcast_ref::<Served<S::Value>>()? {
        Served::Value(value) => Some(shape.hit(value.clone())),
        Served::Negative => shape.negative(),
        Served::Failed(error) => shape.failure(error),
    }
}

/// READ, and what its answer is worth.
pub(crate) async fn find<V: CacheValue>(
    engine: &Engine,
    site: &Site,
    key: &Key,
) -> Result<Found<V>, StoreError> {
    Ok(judge(engine, site, key, engine.store.read(key).await?))
}

pub(super) fn judge<V: CacheValue>(engine: &Engine, site: &Site, key: &Key, lookup: Lookup) -> Found<V> {
    match lookup {
        Lookup::Empty => Found::Nothing(Seen::Nothing),
        Lookup::Leased(lease) => Found::Leased(lease),
        Lookup::Fenced => Found::Fenced,
        Lookup::Damaged(id) => unreadable(engine, site, id),
        Lookup::Value(value) => judge_value(engine, site, key, &value),
    }
}

pub(super) fn judge_value<V: CacheValue>(
    engine: &Engine,
    site: &Site,
    key: &Key,
    value: &Value<Body>,
) -> Found<V> {
    if engine.store.now() >= value.fresh_until {
        return Found::Nothing(Seen::Nothing);
    }
    let fingerprint = Fingerprint::of(std::any::type_name::<V>());
    let header = value.body.header();
    let found =
        if header.fingerprint != fingerprint || value.body.as_bytes().len() > engine.config.max_value_size {
            None
        } else if header.negative {
            Some(Found::Negative(value.id))
        } else {
            codec::open(&value.body).map(Found::Value)
        };
    match found {
        Some(found) => {
            engine.remember(key, value.until);
            found
        }
        None => unreadable(engine, site, value.id),
    }
}

/// A value that is not one of this type: another version of the service, another function, damage.
fn unreadable<V>(engine: &Engine, site: &Site, id: Token) -> Found<V> {
    engine.stats(site).decode_failures.fetch_add(1, Ordering::Relaxed);
    site.emitter.decode_failure(site.labels());
    Found::Nothing(Seen::Drop(id))
}
