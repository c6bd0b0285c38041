//! Where entries live: one shape for each store, one method for each step of the protocol.
//!
//! What a step does is written down once, in `domain::entry`; `memory` runs it, `redis` sends its script, `off` refuses.
//! A step that fails may have been executed all the same: the engine counts on neither.

pub(crate) mod memory;
mod off;
pub(crate) mod redis;

use std::time::Duration;

pub(crate) use self::off::Off;
use self::{memory::MemoryStore, redis::RedisStore};
use crate::{
    Remaining,
    codec::{
        Sealed,
        envelope::{Body, Parsed},
    },
    domain::{
        entry::{Acquired, Entry, Lease, Millis, Seen, Stored, Token, Value},
        key::Key,
        pattern::Pattern,
    },
    error::StoreError,
    redis::{channel::Changes, lanes::BreakerState},
    resilience::wakeups::Wakeups,
};

/// What one look-up is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look<'a> {
    pub(crate) key: &'a Key,
    pub(crate) tags: &'a [Key],
    /// Its changes are to be told from now on.
    pub(crate) told: bool,
}

/// The answer to a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) lookup: Lookup,
    /// The versions of the tags.
    pub(crate) tags: Vec<Option<Token>>,
    /// Whether changes will be told.
    pub(crate) told: bool,
}

/// What a look-up found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    Empty,
    /// A load is under way, and there is no value beside it.
    Leased(Lease),
    /// A value, fresh or stale, and the lease of the load that will replace it.
    Value {
        value: Value<Body>,
        lease: Option<Lease>,
        now: Millis,
    },
    /// A value that cannot be read; its id lets ACQUIRE drop it.
    Damaged(Token),
    /// A write is under way.
    Fenced,
}

impl Lookup {
    /// The load that is under way.
    pub(crate) fn lease(&self) -> Option<Lease> {
        match self {
            Self::Leased(lease) => Some(*lease),
            Self::Value { lease, .. } => *lease,
            Self::Empty | Self::Damaged(_) | Self::Fenced => None,
        }
    }

    /// Of an entry that is not settled yet.
    pub(crate) fn of(parsed: Parsed, now: Millis, server_start: Millis) -> Self {
        let entry = match parsed {
            Parsed::Damaged(id) => return Self::Damaged(id),
            Parsed::Entry(entry) => entry.settle(now, server_start),
        };
        match entry {
            Entry::Missing => Self::Empty,
            Entry::Lease { lease, .. } => Self::Leased(lease),
            Entry::Value { value, lease } => Self::Value { value, lease, now },
            Entry::Fence { .. } => Self::Fenced,
        }
    }
}

type Answer<T> = Result<T, StoreError>;

/// The steps of the protocol on one key each, every one of them atomic. Durations are milliseconds.
///
/// # Cancel safety
/// A step whose future is dropped may be executed or not, now or a little later.
pub(crate) trait Store {
    /// READ: one plain look-up, and the versions of its tags with it.
    fn read(&self, look: Look<'_>) -> impl Future<Output = Answer<Reading>> + Send;
    /// READ of many keys in one round trip, as long as there are not too many for one.
    fn read_many(&self, looks: &[Look<'_>]) -> impl Future<Output = Answer<Vec<Reading>>> + Send;
    /// The versions of tags, created where there are none. They are kept at least for so long.
    fn versions(&self, tags: &[Key], needed: Millis) -> impl Future<Output = Answer<Vec<Token>>> + Send;
    /// INVALIDATE for a tag: its version goes.
    fn invalidate_tag(&self, tag: &Key) -> impl Future<Output = Answer<()>> + Send;
    /// ACQUIRE: asks for the right to load. Never sent twice with one token.
    fn acquire(
        &self,
        key: &Key,
        token: Token,
        seen: Seen,
        lease: Millis,
    ) -> impl Future<Output = Answer<Acquired<Body>>> + Send;
    /// FILL: stores what was loaded where the lease still stands.
    fn fill(&self, key: &Key, token: Token, sealed: &Sealed) -> impl Future<Output = Answer<Stored>> + Send;
    /// RELEASE: gives the lease back without a value.
    fn release(&self, key: &Key, token: Token) -> impl Future<Output = Answer<()>> + Send;
    /// RENEW: moves the deadline of a lease or fence; false where it does not stand any more.
    fn renew(&self, key: &Key, token: Token, lease: Millis) -> impl Future<Output = Answer<bool>> + Send;
    /// INVALIDATE: removes whatever is there but a fence.
    fn invalidate(&self, key: &Key) -> impl Future<Output = Answer<()>> + Send;
    /// INVALIDATE for every entry whose key matches; how many went. What is no entry of ours stays.
    fn invalidate_matching(&self, pattern: &Pattern) -> impl Future<Output = Answer<u64>> + Send;
    /// Tells other processes what has changed, where the store does not.
    fn announce(&self, changes: &Changes<'_>) -> impl Future<Output = Answer<()>> + Send;
    /// INVALIDATE or END with a hold: nobody stores for so long.
    fn hold(&self, key: &Key, token: Token, hold: Millis) -> impl Future<Output = Answer<()>> + Send;
    /// BEGIN: a writer announces itself. Never sent twice with one token.
    fn begin(&self, key: &Key, token: Token, lease: Millis) -> impl Future<Output = Answer<()>> + Send;
    /// END: the writer leaves; where it was alone its value is stored.
    fn end(
        &self,
        key: &Key,
        token: Token,
        sealed: Option<&Sealed>,
    ) -> impl Future<Output = Answer<Stored>> + Send;
    /// The time that a value has left.
    fn remaining(&self, key: &Key) -> impl Future<Output = Answer<Remaining>> + Send;
    /// Sees to it that changes are told, if not now then soon.
    fn listen(&self);
    /// Sees to it that who waits for this key in [`Wakeups`] is woken by the next change of its entry. False where that
    /// cannot be: then he looks again from time to time.
    fn watch(&self, key: &Key) -> impl Future<Output = bool> + Send;
    /// Who is woken.
    fn wakeups(&self) -> &Wakeups;
    /// The time by the store's clock, as well as this process knows it.
    fn now(&self) -> Millis;
    /// The time that an answer is on its way, at least.
    #[allow(dead_code, reason = "loads that skip what does not fit into the budget come next")]
    fn round_trip(&self) -> Duration {
        Duration::ZERO
    }
    /// Waits until the store is in use, not for long. Whether it is.
    fn connected(&self) -> impl Future<Output = bool> + Send;
    /// How it is.
    fn health(&self) -> StoreHealth;
}

/// How a store is.
#[derive(Clone, Debug)]
pub(crate) struct StoreHealth {
    /// Where entries live.
    pub(crate) store: String,
    /// How many of its connections are usable, of how many.
    pub(crate) lanes: (usize, usize),
    pub(crate) breaker: BreakerState,
    /// What is stored does not count yet.
    pub(crate) warms_up: bool,
    /// What is wrong.
    pub(crate) trouble: Option<String>,
}

/// The store of one cache.
#[derive(Debug)]
pub(crate) enum AnyStore {
    Memory(MemoryStore),
    Redis(Box<RedisStore>),
    Off(Off),
}

/// Calls nest, and each has its steps on the stack: those on Redis, which wait for it anyway, are on the heap. Only a plain
/// look-up is small.
macro_rules! each_boxed {
    ($self:ident, $store:ident => $step:expr) => {
        match $self {
            Self::Memory($store) => $step.await,
            Self::Redis($store) => Box::pin($step).await,
            Self::Off($store) => $step.await,
        }
    };
}

macro_rules! each {
    ($self:ident, $store:ident => $step:expr) => {
        match $self {
            Self::Memory($store) => $step,
            Self::Redis($store) => $step,
            Self::Off($store) => $step,
        }
    };
}

impl Store for AnyStore {
    async fn read(&self, look: Look<'_>) -> Answer<Reading> {
        each!(self, store => store.read(look).await)
    }

    async fn read_many(&self, looks: &[Look<'_>]) -> Answer<Vec<Reading>> {
        each_boxed!(self, store => store.read_many(looks))
    }

    async fn versions(&self, tags: &[Key], needed: Millis) -> Answer<Vec<Token>> {
        each_boxed!(self, store => store.versions(tags, needed))
    }

    async fn invalidate_tag(&self, tag: &Key) -> Answer<()> {
        each_boxed!(self, store => store.invalidate_tag(tag))
    }

    async fn acquire(&self, key: &Key, token: Token, seen: Seen, lease: Millis) -> Answer<Acquired<Body>> {
        each_boxed!(self, store => store.acquire(key, token, seen, lease))
    }

    async fn fill(&self, key: &Key, token: Token, sealed: &Sealed) -> Answer<Stored> {
        each_boxed!(self, store => store.fill(key, token, sealed))
    }

    async fn release(&self, key: &Key, token: Token) -> Answer<()> {
        each_boxed!(self, store => store.release(key, token))
    }

    async fn renew(&self, key: &Key, token: Token, lease: Millis) -> Answer<bool> {
        each_boxed!(self, store => store.renew(key, token, lease))
    }

    async fn invalidate(&self, key: &Key) -> Answer<()> {
        each_boxed!(self, store => store.invalidate(key))
    }

    async fn invalidate_matching(&self, pattern: &Pattern) -> Answer<u64> {
        each_boxed!(self, store => store.invalidate_matching(pattern))
    }

    async fn announce(&self, changes: &Changes<'_>) -> Answer<()> {
        each_boxed!(self, store => store.announce(changes))
    }

    async fn hold(&self, key: &Key, token: Token, hold: Millis) -> Answer<()> {
        each_boxed!(self, store => store.hold(key, token, hold))
    }

    async fn begin(&self, key: &Key, token: Token, lease: Millis) -> Answer<()> {
        each_boxed!(self, store => store.begin(key, token, lease))
    }

    async fn end(&self, key: &Key, token: Token, sealed: Option<&Sealed>) -> Answer<Stored> {
        each_boxed!(self, store => store.end(key, token, sealed))
    }

    async fn remaining(&self, key: &Key) -> Answer<Remaining> {
        each_boxed!(self, store => store.remaining(key))
    }

    fn listen(&self) {
        each!(self, store => store.listen());
    }

    async fn watch(&self, key: &Key) -> bool {
        each_boxed!(self, store => store.watch(key))
    }

    fn wakeups(&self) -> &Wakeups {
        each!(self, store => store.wakeups())
    }

    fn now(&self) -> Millis {
        each!(self, store => store.now())
    }

    fn round_trip(&self) -> Duration {
        each!(self, store => store.round_trip())
    }

    async fn connected(&self) -> bool {
        each_boxed!(self, store => store.connected())
    }

    fn health(&self) -> StoreHealth {
        each!(self, store => store.health())
    }
}

#[cfg(test)]
#[cfg(all(unix, feature = "testing"))]
mod conformance;
