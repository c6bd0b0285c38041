//! A call of a function that reads: look up, else join or lead a flight.

use super::{
    CacheValue,
    load::{Load, Served},
    lookup::{Call, Found, find},
    shape::Shape,
    site::Rules,
};
use crate::{
    ambient::{Deadline, Stopwatch},
    domain::{
        entry::Seen,
        policy::{Ttl, Usable},
    },
    flight::{self, Landed, Leader, Role, Shared},
    metrics::Outcome,
    resilience::refresh::Refreshing,
    store::Store as _,
};

/// Calls a cached function that reads. `body` makes its future; it is asked at most once, and only where the result is
/// needed. `lead` runs a load for a caller who waits for it; `refresh`, where that is possible, one in the background.
pub(super) async fn read<S, T, C, B, F, L, W, R>(
    call: Call,
    shape: S,
    rules: Rules<T, C>,
    body: B,
    lead: L,
    refresh: Option<R>,
) -> S::Output
where
    S: Shape<Value: CacheValue>,
    B: FnOnce() -> F,
    F: Future<Output = S::Output>,
    T: Fn(&S::Value) -> Ttl,
    C: Fn(&S::Value) -> bool,
    L: FnOnce(Load<S, T, C>, Leader, Option<S::Output>, F) -> W,
    W: Future<Output = S::Output>,
    R: FnOnce(Load<S, T, C>, F, Refreshing),
{
    let Call { engine, site, key, bypass } = &call;
    let without = |reason| engine.bypassed(site, reason);
    if *bypass {
        without("bypass_if");
        return body().await;
    }
    if flight::leads(&engine.flights, key) {
        without("recursion");
        return body().await;
    }
    if engine.recovery.covers(key) {
        super::invalidate::resume(engine);
        without("recovery");
        return body().await;
    }
    let mut failures = 0;
    let mut again = false;
    // Each round ends with a result, or because a flight had none for us.
    loop {
        let follower = match engine.flights.follow(key, again) {
            Some(follower) => follower,
            None => {
                let time = Stopwatch::start();
                let found = find::<S::Value>(engine, site, key).await;
                site.emitter.lookup(site.labels(), time.elapsed());
                let mut seen = Seen::Nothing;
                let mut fenced = false;
                let held = match found {
                    Ok(Found::Value(value, held)) => Some((shape.hit(value), held)),
                    Ok(Found::Negative(held)) => match shape.negative() {
                        Some(output) => Some((output, held)),
                        // Another function stores `None` under this key, and this one has no such result.
                        None => {
                            seen = Seen::Drop(held.id);
                            None
                        }
                    },
                    Ok(Found::Nothing(unusable)) => {
                        seen = unusable;
                        None
                    }
                    Ok(Found::Leased) => None,
                    Ok(Found::Fenced) => {
                        fenced = true;
                        None
                    }
                    Err(error) => {
                        engine.failed(site, &error);
                        without(error.reason());
                        return body().await;
                    }
                };
                let mut stale = None;
                if let Some((output, held)) = held {
                    match held.usable {
                        Usable::Fresh => {
                            engine.count(site, Outcome::HitRemote);
                            return output;
                        }
                        Usable::Early | Usable::Stale => {
                            let old = held.usable == Usable::Stale;
                            engine.count(site, if old { Outcome::Stale } else { Outcome::HitRemote });
                            if !held.leased
                                && let Some(refresh) = refresh
                                && let Some(refreshing) = engine.refreshes.begin(key, engine.store.now())
                            {
                                let deadline = Deadline::after(engine.config.budget);
                                let seen = Seen::Keep(held.id);
                                let load =
                                    Load { call, shape, rules, seen, deadline, has_stale: false, fenced };
                                refresh(load, body(), refreshing);
                            }
                            return output;
                        }
                        Usable::IfError if engine.refreshes.has_failed(key, engine.store.now()) => {
                            engine.count(site, Outcome::Stale);
                            return output;
                        }
                        Usable::IfError | Usable::No => {
                            stale = Some(output);
                            seen = Seen::Keep(held.id);
                        }
                    }
                }
                match engine.flights.lead_or_follow(key, again) {
                    Role::Follow(follower) => follower,
                    Role::Lead(leader) => {
                        let deadline = Deadline::of(time, engine.config.budget);
                        let has_stale = stale.is_some();
                        let load = Load { call, shape, rules, seen, deadline, has_stale, fenced };
                        return lead(load, leader, stale, body()).await;
                    }
                }
            }
        };
        let Some(waiting) = engine.flights.wait_for(&follower) else {
            without("recursion");
            return body().await;
        };
        let landed = Deadline::after(call.load_timeout()).bound(follower.landed()).await;
        drop(waiting);
        match landed.unwrap_or(Landed::TimedOut) {
            Landed::Shared(shared) => {
                if let Some(output) = take(shape, &shared) {
                    engine.count(site, Outcome::Coalesced);
                    return output;
                }
                failures += 1;
            }
            Landed::Failed => failures += 1,
            Landed::Nothing => {}
            Landed::TimedOut => {
                // An old value is better than one more load beside one that hangs.
                if site.config.staleness().kept() > 0
                    && let Some(output) = held(&call, shape).await
                {
                    engine.count(site, Outcome::Stale);
                    return output;
                }
                without("load_timeout");
                return body().await;
            }
        }
        // The next flight is younger than this call. When two have failed everybody gets an error of his own, all at once
        // instead of one after another.
        again = true;
        if failures > 1 {
            without("flights_failed");
            return body().await;
        }
    }
}

/// What the cache holds, fresh or as old as the function allows.
async fn held<S: Shape<Value: CacheValue>>(call: &Call, shape: S) -> Option<S::Output> {
    match find::<S::Value>(&call.engine, call.site, &call.key).await.ok()? {
        Found::Value(value, _) => Some(shape.hit(value)),
        Found::Negative(_) => shape.negative(),
        Found::Nothing(_) | Found::Leased | Found::Fenced => None,
    }
}

fn take<S: Shape<Value: CacheValue>>(shape: S, shared: &Shared) -> Option<S::Output> {
    match shared.downcast_ref::<Served<S::Value>>()? {
        Served::Value(value) => Some(shape.hit(value.clone())),
        Served::Negative => shape.negative(),
        Served::Failed(error) => shape.failure(error),
    }
}
