//! READ, and what its answer is worth to one call.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{CacheValue, Context, Engine, EngineRef, site::Site};
use crate::{
    ambient,
    codec::{self, envelope::Body},
    domain::{
        entry::{Seen, Token, Value},
        key::Key,
        policy::{Age, Usable},
    },
    error::StoreError,
    store::{Lookup, Store as _},
};

/// One call: which entry of which function in which cache.
#[derive(Debug)]
pub struct Call {
    pub(crate) engine: EngineRef,
    pub(crate) site: &'static Site,
    pub(crate) key: Key,
    /// The function asked for its body.
    pub(crate) bypass: bool,
}

impl Call {
    pub(crate) fn context(&self) -> Context {
        Context { engine: Arc::clone(&self.engine), site: self.site }
    }

    /// How long others wait for a load.
    pub(super) fn load_timeout(&self) -> Duration {
        self.site.config.load_timeout.unwrap_or(self.engine.config.load_timeout)
    }
}

/// What a look-up is worth to a caller who wants a `V`.
#[derive(Debug)]
pub(crate) enum Found<V> {
    Value(V, Held),
    /// There is certainly none.
    Negative(Held),
    /// Nothing usable. The id, where there is a value that ACQUIRE is to drop.
    Nothing(Seen),
    /// Somebody loads, and there is nothing usable beside his lease.
    Leased,
    Fenced,
}

/// What is known of a value that was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) id: Token,
    pub(crate) usable: Usable,
    /// Somebody loads the next one.
    pub(crate) leased: bool,
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
    let (value, lease, now) = match lookup {
        Lookup::Empty => return Found::Nothing(Seen::Nothing),
        Lookup::Leased(_) => return Found::Leased,
        Lookup::Fenced => return Found::Fenced,
        Lookup::Damaged(id) => return unreadable(engine, site, id),
        Lookup::Value { value, lease, now } => (value, lease, now),
    };
    let age = Age { now, fresh_until: value.fresh_until, load: value.body.header().load };
    match (site.config.staleness().judge(age, ambient::random), lease) {
        // ACQUIRE grants the lease beside it.
        (Usable::No, None) => Found::Nothing(Seen::Nothing),
        (Usable::No, Some(_)) => Found::Leased,
        (usable, lease) => {
            open(engine, site, key, &value, Held { id: value.id, usable, leased: lease.is_some() })
        }
    }
}

/// Of a value that ACQUIRE has found, which is a fresh one.
pub(super) fn judge_value<V: CacheValue>(
    engine: &Engine,
    site: &Site,
    key: &Key,
    value: &Value<Body>,
) -> Found<V> {
    open(engine, site, key, value, Held { id: value.id, usable: Usable::Fresh, leased: false })
}

fn open<V: CacheValue>(engine: &Engine, site: &Site, key: &Key, value: &Value<Body>, held: Held) -> Found<V> {
    let fingerprint = site.fingerprint::<V>();
    let header = value.body.header();
    let found =
        if header.fingerprint != fingerprint || value.body.as_bytes().len() > engine.config.max_value_size {
            None
        } else if header.negative {
            Some(Found::Negative(held))
        } else {
            codec::open(&value.body).map(|value| Found::Value(value, held))
        };
    match found {
        Some(found) => {
            engine.remember(key, value.fresh_until);
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
