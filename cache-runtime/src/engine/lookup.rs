//! READ, and what its answer is worth to one call.

use std::sync::{Arc, atomic::Ordering};

use super::{CacheValue, Context, Engine, EngineRef, site::Site};
use crate::{
    codec::{self, envelope::Body},
    domain::{
        entry::{Lease, Seen, Token, Value},
        key::Key,
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
        Lookup::Value(value, _) => judge_value(engine, site, key, &value),
    }
}

pub(super) fn judge_value<V: CacheValue>(
    engine: &Engine,
    site: &Site,
    key: &Key,
    value: &Value<Body>,
) -> Found<V> {
    let fingerprint = site.fingerprint::<V>();
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
