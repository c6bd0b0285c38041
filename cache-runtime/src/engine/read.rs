//! A call of a function that reads: look up, else join or lead a flight.

use std::pin::pin;

use super::{
    CacheValue,
    load::{Load, Loaded, Served},
    lookup::{Call, Found, find},
    shape::Shape,
    site::Rules,
};
use crate::{
    ambient::{Deadline, Stopwatch},
    domain::{entry::Seen, policy::Ttl},
    flight::{self, Role, Shared},
    metrics::Outcome,
};

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
    if flight::leads(&engine.flights, key) {
        without("recursion");
        return body.await;
    }
    if engine.recovery.covers(key) {
        super::invalidate::resume(engine);
        without("recovery");
        return body.await;
    }
    let mut failures = 0;
    // Each round ends with a result, or because a flight had none for us.
    loop {
        let follower = match engine.flights.follow(key, failures > 0) {
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
                match engine.flights.lead_or_follow(key, failures > 0) {
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
        let landed = Deadline::after(engine.config.load_timeout).bound(follower.landed()).await;
        drop(waiting);
        match landed {
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
