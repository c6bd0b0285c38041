//! A call of a function that reads: look up, else join or lead a flight.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use tracing::Instrument as _;

use super::{
    CacheValue,
    drive::{Movable, Pinned},
    keeper::Watch,
    load::{Load, Served},
    lookup::{Call, Found},
    shape::Shape,
    site::Rules,
    write::WriteHome,
};
use crate::{
    ambient::{Deadline, Stopwatch},
    domain::{
        entry::{Seen, Token},
        policy::{Ttl, Usable},
    },
    error::StoreError,
    flight::{self, Flights, Landed, Leader, Role, Shared},
    metrics::Outcome,
    resilience::refresh::Refreshing,
    store::Store as _,
};

/// A load that ends with its caller.
#[derive(Clone, Copy, Debug)]
pub struct Attached;

/// A load that goes on without its caller, and can be made again in the background.
#[derive(Clone, Copy, Debug)]
pub struct Detached;

impl Attached {
    /// Calls a function that reads.
    ///
    /// # Cancel safety
    /// A caller that goes away while it leads a load gives its lease back; the others start over. So they do when the caller
    /// does not poll the load for half a second although it could go on.
    ///
    /// # Consistency
    /// A call that begins after a write has returned does not get the older value.
    pub fn read<S, T, C, B, F>(
        self,
        call: Call,
        shape: S,
        rules: Rules<T, C>,
        body: B,
    ) -> impl Future<Output = S::Output>
    where
        S: Shape<Value: CacheValue>,
        B: FnOnce() -> F,
        F: Future<Output = S::Output>,
        T: Fn(&S::Value) -> Ttl,
        C: Fn(&S::Value) -> bool,
    {
        let lead = |load: Load<S, T, C>, leader, stale, body| {
            let run = Arc::clone(load.watch.run());
            Pinned::new(load.lead(leader, stale, body), &run)
        };
        let refresh = None::<fn(Load<S, T, C>, F, Refreshing)>;
        read(call, shape, rules, body, lead, refresh).then(Step::finish)
    }

    /// Runs a write, from its body on.
    ///
    /// # Cancel safety
    /// A write whose caller goes away may have committed: it invalidates, and holds its keys for a second.
    pub fn write<F: Future>(self, _: WriteHome, write: F) -> impl Future<Output = F::Output> {
        write
    }
}

impl Detached {
    /// Calls a function that reads.
    ///
    /// # Cancel safety
    /// A load goes on when its caller goes away, with its lease and its flight: the others get what it brings. So it does when
    /// the caller does not poll it for a tenth of a second although it could go on.
    ///
    /// # Consistency
    /// A call that begins after a write has returned does not get the older value.
    pub fn read<S, T, C, B, F>(
        self,
        call: Call,
        shape: S,
        rules: Rules<T, C>,
        body: B,
    ) -> impl Future<Output = S::Output>
    where
        S: Shape<Value: CacheValue, Output: Send> + 'static,
        B: FnOnce() -> F,
        F: Future<Output = S::Output> + Send + 'static,
        T: Fn(&S::Value) -> Ttl + Send + Sync + 'static,
        C: Fn(&S::Value) -> bool + Send + Sync + 'static,
    {
        let lead = |load: Load<S, T, C>, leader, stale, body| {
            let (run, at_most) = (Arc::clone(load.watch.run()), load.call.load_timeout());
            Movable::new(load.lead(leader, stale, body), &run, at_most)
        };
        let refresh = |load: Load<S, T, C>, body, refreshing| {
            let tasks = load.call.engine.tasks.clone();
            let task = async move {
                // After that its lease is not renewed, and it could store nothing.
                let at_most = Deadline::after(load.call.load_timeout());
                at_most.bound(load.refresh(body, refreshing)).await;
            };
            tasks.detach(task.in_current_span());
        };
        read(call, shape, rules, body, lead, Some(refresh)).then(Step::finish)
    }

    /// Runs a write, from its body on.
    ///
    /// # Cancel safety
    /// A write goes on when its caller goes away, for as long as others would wait for a load; after that it is dropped.
    pub fn write<F>(self, home: WriteHome, write: F) -> impl Future<Output = F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let WriteHome(engine) = home;
        let watch = Watch::new(&engine);
        let run = Arc::clone(watch.run());
        let watched = async move {
            let _watch = watch;
            write.await
        };
        Movable::new(watched, &run, engine.config.load_timeout)
    }
}

/// What is left of a call once it is known whether a body runs.
enum Step<O, W, F> {
    Done(O),
    /// A load that others may share.
    Load(W),
    /// The body alone.
    Body(F),
}

impl<O, W: Future<Output = O>, F: Future<Output = O>> Step<O, W, F> {
    /// The rest of a call. The frame of the look-up is not on the stack any more while a body runs.
    async fn finish(self) -> O {
        match self {
            Self::Done(output) => output,
            Self::Load(load) => load.await,
            Self::Body(body) => body.await,
        }
    }
}

/// The call of a cached function that reads, up to the point where a body runs. `body` makes its future; it is asked at most
/// once, and only where the result is needed. `lead` runs a load for a caller that waits for it; `refresh`, where that is possible, one in the background.
async fn read<S, T, C, B, F, L, W, R>(
    call: Call,
    shape: S,
    rules: Rules<T, C>,
    body: B,
    lead: L,
    refresh: Option<R>,
) -> Step<S::Output, W, F>
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
        return Step::Body(body());
    }
    if flight::leads(&engine.flights, key) {
        without("recursion");
        return Step::Body(body());
    }
    let mut again = false;
    let mut patience = None;
    // Each round ends with a result, or because a flight had none for this call.
    loop {
        // What others have found may be what an invalidation that waits in this process is to take away.
        let covered = engine.recovery.covers(key, tags);
        if !covered && let Some(hit) = call.local_by_tags(shape) {
            return Step::Done(hit);
        }
        let follower = match if covered { None } else { engine.flights.follow(key, again) } {
            Some(follower) => follower,
            None => {
                let time = Stopwatch::start();
                let found = match call.is_far() && !covered {
                    true => Ok(Found::Nothing(Seen::Nothing)),
                    false => call.find::<S::Value>().await,
                };
                engine.looked_up(site, time.elapsed());
                let (seen, stale, unstored) = match judge(&call, shape, found) {
                    Looked::Served(output) => return Step::Done(output),
                    Looked::Old(output, id) => {
                        if let Some(refresh) = refresh
                            && let Some(refreshing) = engine.refreshes.begin(key, engine.store.now())
                        {
                            let deadline = Deadline::after(engine.config.budget);
                            let patience = Deadline::after(call.load_timeout());
                            let watch = Watch::new(engine);
                            let (seen, unstored, has_stale) = (Seen::Keep(id), None, true);
                            let load = Load {
                                call,
                                shape,
                                rules,
                                seen,
                                deadline,
                                patience,
                                has_stale,
                                unstored,
                                watch,
                            };
                            refresh(load, body(), refreshing);
                        }
                        return Step::Done(output);
                    }
                    Looked::Unusable { seen, stale, fenced } => (seen, stale, fenced.then_some("fenced")),
                    Looked::Failed("off") => {
                        without("off");
                        return Step::Body(body());
                    }
                    Looked::Failed(reason) => (Seen::Nothing, None, Some(reason)),
                };
                let role = match unstored {
                    None | Some("fenced") => engine.flights.lead_or_follow(key, again, None),
                    Some(_) => engine.flights.lead_or_follow_unstored(key, again, None),
                };
                match role {
                    Role::Follow(follower) => follower,
                    Role::Lead(leader) => {
                        let deadline = Deadline::of(time, engine.config.budget);
                        let patience = patience.unwrap_or_else(|| Deadline::after(call.load_timeout()));
                        let (has_stale, watch) = (stale.is_some(), Watch::new(engine));
                        let load =
                            Load { call, shape, rules, seen, deadline, patience, has_stale, unstored, watch };
                        return Step::Load(lead(load, leader, stale, body()));
                    }
                }
            }
        };
        let Some(waiting) = Flights::wait_for(&follower) else {
            without("recursion");
            return Step::Body(body());
        };
        let patience = *patience.get_or_insert_with(|| Deadline::after(call.load_timeout()));
        // Waits are boxed, so that the future of a call stays small: it lies on the stack of whatever makes it.
        let landed = Box::pin(patience.bound(follower.landed())).await;
        drop(waiting);
        match landed.unwrap_or(Landed::TimedOut) {
            Landed::Shared(shared) => match take(shape, &shared) {
                Some(Taken::Value(output)) => {
                    engine.count(site, Outcome::Coalesced);
                    return Step::Done(output);
                }
                Some(Taken::Failure(output)) => {
                    // The function that has led the flight may serve nothing past its end.
                    if site.config.stale_if_error > Duration::ZERO
                        && let Some(output) = Box::pin(held(&call, shape)).await
                    {
                        engine.refreshes.failed(key, engine.store.now());
                        engine.count(site, Outcome::Stale);
                        return Step::Done(output);
                    }
                    engine.count(site, Outcome::Coalesced);
                    return Step::Done(output);
                }
                None => {
                    without("flights_failed");
                    return Step::Body(body());
                }
            },
            // An error that cannot be handed on: every follower gets one of its own, all at once instead of one after
            // another.
            Landed::Failed => {
                if again || site.config.staleness().kept() == 0 {
                    without("flights_failed");
                    return Step::Body(body());
                }
            }
            Landed::Panicked if again => {
                without("flights_failed");
                return Step::Body(body());
            }
            Landed::Panicked | Landed::Nothing => {}
            Landed::TimedOut => {
                // An old value is better than one more load beside one that hangs.
                if site.config.staleness().kept() > 0
                    && let Some(output) = Box::pin(held(&call, shape)).await
                {
                    engine.count(site, Outcome::Stale);
                    return Step::Done(output);
                }
                without("load_timeout");
                return Step::Body(body());
            }
        }
        // The next flight is younger than this call.
        again = true;
    }
}

/// What a look-up means for a call.
enum Looked<O> {
    /// There it is.
    Served(O),
    /// There it is, and it is time to load the next one in place of this.
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

/// What a flight has handed on.
enum Taken<O> {
    Value(O),
    Failure(O),
}

fn take<S: Shape<Value: CacheValue>>(shape: S, shared: &Shared) -> Option<Taken<S::Output>> {
    match shared.downcast_ref::<Served<S::Value>>()? {
        Served::Value(value) => Some(Taken::Value(shape.hit(value.clone()))),
        Served::Negative => shape.negative().map(Taken::Value),
        Served::Failed(error) => shape.failure(error).map(Taken::Failure),
    }
}
