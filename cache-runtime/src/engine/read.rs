//! A call of a function that reads: look up, else join or lead a flight.

use super::{
    CacheValue,
    load::{Load, Served},
    lookup::{Call, Found},
    shape::Shape,
    site::Rules,
};
use crate::{
    ambient::{Deadline, Stopwatch},
    domain::{
        entry::{Seen, Token},
        policy::{Ttl, Usable},
    },
    error::StoreError,
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
    let Call { engine, site, key, tags, bypass, .. } = &call;
    let without = |reason| engine.bypassed(site, reason);
    if *bypass {
        without("bypass_if");
        return body().await;
    }
    if flight::leads(&engine.flights, key) {
        without("recursion");
        return body().await;
    }
    if engine.recovery.covers(key, tags) {
        super::invalidate::resume(engine);
        without("recovery");
        return body().await;
    }
    if let Some(hit) = call.local_by_tags(shape) {
        return hit;
    }
    let mut failures = 0;
    let mut again = false;
    // Each round ends with a result, or because a flight had none for us.
    loop {
        let follower = match engine.flights.follow(key, again) {
            Some(follower) => follower,
            None => {
                let time = Stopwatch::start();
                let found = call.find::<S::Value>().await;
                engine.looked_up(site, time.elapsed());
                let (seen, stale, fenced) = match judge(&call, shape, found) {
                    Looked::Served(output) => return output,
                    Looked::Old(output, id) => {
                        if let Some(refresh) = refresh
                            && let Some(refreshing) = engine.refreshes.begin(key, engine.store.now())
                        {
                            let deadline = Deadline::after(engine.config.budget);
                            let (seen, has_stale, fenced) = (Seen::Keep(id), false, false);
                            let load = Load { call, shape, rules, seen, deadline, has_stale, fenced };
                            refresh(load, body(), refreshing);
                        }
                        return output;
                    }
                    Looked::Unusable { seen, stale, fenced } => (seen, stale, fenced),
                    Looked::Failed(reason) => {
                        without(reason);
                        return body().await;
                    }
                };
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

/// What a look-up means for a call.
enum Looked<O> {
    /// There it is.
    Served(O),
    /// There it is, and it is time for somebody to load the next one in place of this.
    Old(O, Token),
    /// It has to be loaded.
    Unusable {
        seen: Seen,
        /// Served where the load fails.
        stale: Option<O>,
        /// A write is under way.
        fenced: bool,
    },
    /// The store does not answer.
    Failed(&'static str),
}

fn judge<S: Shape>(call: &Call, shape: S, found: Result<Found<S::Value>, StoreError>) -> Looked<S::Output> {
    let Call { engine, site, key, .. } = call;
    let unusable = |seen, fenced| Looked::Unusable { seen, stale: None, fenced };
    let (output, held) = match found {
        Ok(Found::Value(value, held)) => (shape.hit(value), held),
        Ok(Found::Negative(held)) => match shape.negative() {
            Some(output) => (output, held),
            // Another function stores `None` under this key, and this one has no such result.
            None => return unusable(Seen::Drop(held.id), false),
        },
        Ok(Found::Nothing(seen)) => return unusable(seen, false),
        Ok(Found::Leased) => return unusable(Seen::Nothing, false),
        Ok(Found::Fenced) => return unusable(Seen::Nothing, true),
        Err(error) => {
            engine.failed(site, &error);
            return Looked::Failed(error.reason());
        }
    };
    let has_failed = || engine.refreshes.has_failed(key, engine.store.now());
    let (outcome, next) = match held.usable {
        Usable::Fresh => (Outcome::HitRemote, None),
        Usable::Early => (Outcome::HitRemote, Some(held.id)),
        Usable::Stale => (Outcome::Stale, Some(held.id)),
        Usable::IfError if has_failed() => (Outcome::Stale, None),
        Usable::IfError | Usable::No => {
            return Looked::Unusable { seen: Seen::Keep(held.id), stale: Some(output), fenced: false };
        }
    };
    engine.count(site, outcome);
    match next {
        Some(id) if !held.leased => Looked::Old(output, id),
        _ => Looked::Served(output),
    }
}

/// What the cache holds, fresh or as old as the function allows.
async fn held<S: Shape<Value: CacheValue>>(call: &Call, shape: S) -> Option<S::Output> {
    match call.find::<S::Value>().await.ok()? {
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
