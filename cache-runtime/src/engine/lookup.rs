//! READ, and what its answer is worth to one call.

use std::{
    fmt::Display,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{CacheValue, Context, Engine, EngineRef, Shape, invalidate, site::Site};
use crate::{
    ambient,
    codec::{self, envelope::Body},
    domain::{
        entry::{Seen, Token, Value},
        key::{Key, KeyWriter},
        policy::{Age, Usable},
    },
    error::StoreError,
    local::{Asker, Incoming, Tags, Ticket},
    metrics::{Complaint, Outcome},
    store::{Look, Lookup, Reading, Store as _},
};

/// One call: which entry of which function in which cache.
#[derive(Debug)]
pub struct Call {
    pub(crate) engine: EngineRef,
    pub(crate) site: &'static Site,
    pub(crate) key: Key,
    /// Of the arguments in the key.
    pub(crate) hash: u64,
    /// Sorted, each once.
    pub(crate) tags: Box<[Key]>,
    /// The function asked for its body.
    pub(crate) bypass: bool,
}

impl Call {
    /// The same call, of an entry with these tags.
    #[must_use]
    pub fn tagged(mut self, tags: Vec<KeyWriter>) -> Self {
        self.tags = finished(tags);
        self
    }

    /// What the local level holds, where that has to wait for the tags.
    pub(super) fn local_by_tags<S>(&self, shape: S) -> Option<S::Output>
    where
        S: Shape<Value: CacheValue>,
    {
        let config = &self.site.config;
        if config.tags.is_empty() || config.tags_in_key {
            return None;
        }
        let value = Place::of(self).local(&self.engine, self.site)?;
        hit(&self.engine, self.site, shape, value)
    }

    pub(crate) fn context(&self) -> Context {
        Context { engine: Arc::clone(&self.engine), site: self.site }
    }

    /// How long others wait for a load.
    pub(super) fn load_timeout(&self) -> Duration {
        self.site.load_timeout(&self.engine)
    }

    /// Whether two round trips do not fit into the budget: then a look-up would leave no time for ACQUIRE, which finds a
    /// fresh value as well. What may be served stale, or goes into the local level, must be looked up.
    pub(super) fn is_far(&self) -> bool {
        let Self { engine, site, .. } = self;
        let far = engine.store.round_trip().saturating_mul(2) > engine.config.budget;
        far && site.config.staleness().kept() == 0 && site.local_ttl(engine).is_none()
    }

    /// READ, and what its answer is worth. A fresh value goes into the local level, where there is one.
    pub(crate) async fn find<V: CacheValue>(&self) -> Result<Found<V>, StoreError> {
        let Self { engine, site, .. } = self;
        let probe = Probe::new(engine, site, Place::of(self))?;
        let reading = engine.store.read(probe.look()).await?;
        Ok(probe.judge(engine, site, reading))
    }
}

/// Tags as entries keep them: sorted, each once.
pub(super) fn finished(tags: Vec<KeyWriter>) -> Box<[Key]> {
    let mut tags: Vec<Key> = tags.into_iter().map(KeyWriter::finish).collect();
    tags.sort_unstable();
    tags.dedup();
    tags.into()
}

/// What the local level holds, before anything else is done for a call.
#[inline]
pub(crate) fn local<S>(
    engine: &EngineRef,
    site: &'static Site,
    key: &KeyWriter,
    shape: S,
) -> Option<S::Output>
where
    S: Shape<Value: CacheValue>,
{
    let at_most = site.local_ttl(engine)?;
    let config = &site.config;
    if !(config.tags.is_empty() || config.tags_in_key) {
        return None;
    }
    let tags = Tags::ByKey { any: !config.tags.is_empty() };
    let asker = Asker { key: key.as_bytes(), hash: key.hash(), owner: site.address(), at_most, tags };
    hit(engine, site, shape, engine.local.get::<S::Value>(asker)?)
}

#[inline]
fn hit<S: Shape>(engine: &EngineRef, site: &Site, shape: S, value: Option<S::Value>) -> Option<S::Output> {
    let output = match value {
        Some(value) => shape.hit(value),
        None => shape.negative()?,
    };
    site.stats(engine).count(Outcome::HitLocal);
    Some(output)
}

/// Where an entry is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) key: &'a Key,
    /// Of the arguments in the key.
    pub(super) hash: u64,
    pub(super) tags: &'a [Key],
}

impl<'a> Place<'a> {
    fn of(call: &'a Call) -> Self {
        Self { key: &call.key, hash: call.hash, tags: &call.tags }
    }

    /// What the local level holds for a function: `Some(None)` where it is known that there is none.
    pub(super) fn local<V: Clone + 'static>(self, engine: &Engine, site: &'static Site) -> Option<Option<V>> {
        let at_most = site.local_ttl(engine)?;
        let Self { key, hash, tags } = self;
        let (owner, tags) = (site.address(), Tags::These(tags));
        engine.local.get(Asker { key: key.as_bytes(), hash, owner, at_most, tags })
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

impl<V> Found<V> {
    /// What a value that was found may be used for.
    pub(super) fn usable(&self) -> Option<Usable> {
        match self {
            Self::Value(_, held) | Self::Negative(held) => Some(held.usable),
            Self::Nothing(_) | Self::Leased | Self::Fenced => None,
        }
    }

    /// The value, or the knowledge that there is none; itself where nothing is known.
    pub(super) fn known(self) -> Result<Option<V>, Self> {
        match self {
            Self::Value(value, _) => Ok(Some(value)),
            Self::Negative(_) => Ok(None),
            other => Err(other),
        }
    }
}

impl Held {
    fn is_fresh(&self) -> bool {
        matches!(self.usable, Usable::Fresh | Usable::Early)
    }
}

/// A look-up on its way.
#[derive(Debug)]
pub(super) struct Probe<'a> {
    place: Place<'a>,
    ticket: Option<Ticket>,
}

impl<'a> Probe<'a> {
    /// Fails where the cache must not be asked.
    pub(super) fn new(
        engine: &Arc<Engine>,
        site: &'static Site,
        place: Place<'a>,
    ) -> Result<Self, StoreError> {
        let Place { key, tags, .. } = place;
        // The ticket first: an invalidation that fails from now on voids it, one that has failed is seen below.
        let ticket = site.local_ttl(engine).and_then(|_| engine.local_ticket(key, tags));
        if engine.recovery.covers(key, tags) {
            invalidate::resume(engine);
            return Err(StoreError::Covered);
        }
        Ok(Self { place, ticket })
    }

    pub(super) fn look(&self) -> Look<'a> {
        Look { key: self.place.key, tags: self.place.tags, told: self.ticket.is_some() }
    }

    pub(super) fn judge<V: CacheValue>(
        self,
        engine: &Engine,
        site: &'static Site,
        reading: Reading,
    ) -> Found<V> {
        let fresh = match &reading.lookup {
            Lookup::Value { value, now, .. } if reading.told => {
                Some((value.body.as_bytes().len(), value.fresh_until.saturating_sub(*now)))
            }
            _ => None,
        };
        let Place { key, hash, tags } = self.place;
        let found = judge::<V>(engine, site, key, reading);
        if let (Some(ticket), Some((bytes, left))) = (self.ticket, fresh) {
            let value = match &found {
                Found::Value(value, held) if held.is_fresh() => Some(value.clone()),
                Found::Negative(held) if held.is_fresh() => None,
                _ => return found,
            };
            let incoming = Incoming { key, hash, tags, value, bytes, left, owner: site.address() };
            engine.local.insert(ticket, incoming);
        }
        found
    }
}

pub(super) fn judge<V: CacheValue>(engine: &Engine, site: &Site, key: &Key, reading: Reading) -> Found<V> {
    let Reading { lookup, tags, .. } = reading;
    let (value, lease, now) = match lookup {
        Lookup::Empty => return Found::Nothing(Seen::Nothing),
        Lookup::Leased(_) => return Found::Leased,
        Lookup::Fenced => return Found::Fenced,
        Lookup::Damaged(id) => {
            return unreadable::<V>(
                engine,
                site,
                id,
                &"it is damaged, or of another version of this library",
            );
        }
        Lookup::Value { value, lease, now } => (value, lease, now),
    };
    if !value.body.tags().map(Some).eq(tags) {
        // One of them was invalidated, or it is of a function with other tags.
        return Found::Nothing(Seen::Drop(value.id));
    }
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

/// Of a value that ACQUIRE has found, which is a fresh one, and of the versions that its tags have.
pub(super) fn judge_value<V: CacheValue>(
    engine: &Engine,
    site: &Site,
    key: &Key,
    value: &Value<Body>,
    tags: &[Token],
) -> Found<V> {
    if !value.body.tags().eq(tags.iter().copied()) {
        return Found::Nothing(Seen::Drop(value.id));
    }
    open(engine, site, key, value, Held { id: value.id, usable: Usable::Fresh, leased: false })
}

fn open<V: CacheValue>(engine: &Engine, site: &Site, key: &Key, value: &Value<Body>, held: Held) -> Found<V> {
    let header = value.body.header();
    if header.fingerprint != site.fingerprint::<V>() {
        return unreadable::<V>(engine, site, value.id, &"it is of another type");
    }
    if value.body.as_bytes().len() > engine.config.max_value_size {
        return unreadable::<V>(engine, site, value.id, &"it is larger than `max_value_size`");
    }
    let found = if header.negative {
        Found::Negative(held)
    } else {
        match codec::decode(&value.body) {
            Ok(value) => Found::Value(value, held),
            Err(error) => {
                site.proofs.doubt::<V>();
                return unreadable::<V>(engine, site, value.id, &error);
            }
        }
    };
    engine.remember(key, value.fresh_until);
    found
}

/// A value that is not one of this type: another version of the service, another function, damage.
fn unreadable<V>(engine: &Engine, site: &Site, id: Token, reason: &dyn Display) -> Found<V> {
    site.complain::<V>(Complaint::Undecodable(reason));
    engine.stats(site).decode_failures.fetch_add(1, Ordering::Relaxed);
    site.emitter.decode_failure(site.labels());
    Found::Nothing(Seen::Drop(id))
}
