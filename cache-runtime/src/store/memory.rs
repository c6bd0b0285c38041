//! The in-process store: the transition table under the lock of a shard, bounded by bytes.
//!
//! An entry that is past its end takes up room until it is asked for or evicted.

use std::{
    mem,
    sync::{PoisonError, RwLock},
};

use futures_util::future::try_join_all;
use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle, EntryAction, EntryResult},
};

use super::{Answer, Look, Lookup, Reading, Store, StoreHealth};
use crate::{
    Remaining,
    ambient::{self, Clock},
    codec::{
        Sealed,
        envelope::{Body, Parsed},
    },
    domain::{
        entry::{Acquired, Entry, Millis, Seen, Stored, Token},
        key::Key,
        pattern::Pattern,
    },
    redis::{channel::Changes, lanes::BreakerState},
    resilience::wakeups::Wakeups,
};

/// What an entry costs beside its key and its value.
const OVERHEAD: usize = 160;

/// Entries of this process, for as long as it lives.
#[derive(Debug)]
pub(crate) struct MemoryStore {
    entries: Cache<Key, Entry<Body>, Bytes>,
    /// The versions of tags. One that is evicted makes its entries unusable.
    tags: Cache<Key, Token, TagBytes>,
    /// A walk over all keys keeps steps from beginning: one that is under way hides its entry for a moment, or moves it.
    walks: RwLock<()>,
    wakeups: Wakeups,
    clock: Clock,
}

#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<Key, Entry<Body>> for Bytes {
    fn weight(&self, key: &Key, entry: &Entry<Body>) -> u64 {
        let value = match entry {
            Entry::Value { value, .. } => value.body.as_bytes().len(),
            Entry::Fence { writers, .. } => size_of_val(writers.as_slice()),
            Entry::Missing | Entry::Lease { .. } => 0,
        };
        (key.as_bytes().len() + value + OVERHEAD) as u64
    }
}

/// Tags have an eighth of the memory.
const SHARE_OF_TAGS: u64 = 8;

#[derive(Clone, Debug)]
struct TagBytes;

impl Weighter<Key, Token> for TagBytes {
    fn weight(&self, key: &Key, _: &Token) -> u64 {
        (key.as_bytes().len() + OVERHEAD) as u64
    }
}

impl MemoryStore {
    /// At most `capacity` bytes, in which a value of `largest` bytes finds room.
    pub(crate) fn new(capacity: u64, largest: usize, clock: Clock) -> Self {
        // Each shard has its share of the capacity, and must hold the largest value a few times over.
        let shards = (capacity / (4 * largest.max(1) as u64)).clamp(1, 64);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(
                usize::try_from(capacity / 512).unwrap_or(usize::MAX).clamp(16, 1 << 20),
            )
            .weight_capacity(capacity)
            .shards(usize::try_from(shards).unwrap_or(1))
            .build();
        let entries = match options {
            Ok(options) => Cache::with_options(
                options,
                Bytes,
                DefaultHashBuilder::default(),
                DefaultLifecycle::default(),
            ),
            // Only missing options are refused, and none is.
            Err(_) => Cache::with_weighter(1_024, capacity, Bytes),
        };
        let tags = Cache::with_weighter(1_024, (capacity / SHARE_OF_TAGS).max(1 << 16), TagBytes);
        Self { entries, tags, walks: RwLock::default(), wakeups: Wakeups::default(), clock }
    }

    /// Runs one step on the settled entry under its key.
    fn step<T>(&self, key: &Key, step: impl FnOnce(Entry<Body>, Millis) -> (Entry<Body>, T)) -> Answer<T> {
        let no_walk = self.walks.read().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let mut step = Some(step);
        let mut run = |entry: Entry<Body>| {
            let step = step.take().unwrap_or_else(|| unreachable!("a step runs once"));
            step(entry.settle(now, 0), now)
        };
        let mut answer = None;
        let mut grown = None;
        let result = self.entries.entry(key, None, |_, slot| {
            let before = Bytes.weight(key, slot);
            let (next, given) = run(mem::take(slot));
            answer = Some(given);
            if next == Entry::Missing {
                return EntryAction::Remove;
            }
            if Bytes.weight(key, &next) > before {
                // What has grown is inserted anew: only an insertion makes room for it.
                grown = Some(next);
                return EntryAction::ReplaceWithGuard;
            }
            *slot = next;
            EntryAction::Retain(())
        });
        // An insertion is refused only where the entry does not fit: an eviction, which the protocol allows at any moment.
        match (result, grown) {
            (EntryResult::Vacant(place), _) => {
                let (next, given) = run(Entry::Missing);
                answer = Some(given);
                if next != Entry::Missing {
                    drop(place.insert(next));
                }
            }
            (EntryResult::Replaced(place, _), Some(next)) => drop(place.insert(next)),
            _ => {}
        }
        drop(no_walk);
        self.wakeups.wake(key.as_bytes());
        Ok(answer.unwrap_or_else(|| unreachable!("a step answers")))
    }
}

impl Store for MemoryStore {
    async fn read(&self, look: Look<'_>) -> Answer<Reading> {
        let entry = self.entries.get(look.key).unwrap_or_default();
        let tags = look.tags.iter().map(|tag| self.tags.get(tag)).collect();
        let lookup = Lookup::of(Parsed::Entry(entry), self.clock.now(), 0);
        // All changes are made by this cache.
        Ok(Reading { lookup, tags, told: look.told })
    }

    async fn read_many(&self, looks: &[Look<'_>]) -> Answer<Vec<Reading>> {
        try_join_all(looks.iter().map(|look| self.read(*look))).await
    }

    async fn versions(&self, tags: &[Key], _: Millis) -> Answer<Vec<Token>> {
        let version = |tag: &Key| {
            let created =
                self.tags.get_or_insert_with(tag, || Ok::<_, std::convert::Infallible>(ambient::token()));
            created.unwrap_or_else(|never| match never {})
        };
        Ok(tags.iter().map(version).collect())
    }

    async fn invalidate_tag(&self, tag: &Key) -> Answer<()> {
        self.tags.remove(tag);
        Ok(())
    }

    async fn acquire(&self, key: &Key, token: Token, seen: Seen, lease: Millis) -> Answer<Acquired<Body>> {
        self.step(key, |entry, now| entry.acquire(now, token, seen, lease))
    }

    async fn fill(&self, key: &Key, token: Token, sealed: &Sealed) -> Answer<Stored> {
        self.step(key, |entry, now| entry.fill(now, token, sealed.lifetime, sealed.body.clone()))
    }

    async fn release(&self, key: &Key, token: Token) -> Answer<()> {
        self.step(key, |entry, _| (entry.release(token), ()))
    }

    async fn renew(&self, key: &Key, token: Token, lease: Millis) -> Answer<bool> {
        self.step(key, |entry, now| entry.renew(now, token, lease))
    }

    async fn invalidate(&self, key: &Key) -> Answer<()> {
        self.step(key, |entry, _| (entry.invalidate(), ()))
    }

    async fn invalidate_matching(&self, pattern: &Pattern) -> Answer<u64> {
        let walk = self.walks.write().unwrap_or_else(PoisonError::into_inner);
        let keys = self.entries.iter().map(|(key, _)| key);
        let keys: Vec<Key> = keys.filter(|key| pattern.matches(key.as_bytes())).collect();
        drop(walk);
        let mut gone = 0;
        for key in &keys {
            gone += self.step(key, |entry, _| {
                let goes = matches!(entry, Entry::Lease { .. } | Entry::Value { .. });
                (entry.invalidate(), u64::from(goes))
            })?;
        }
        Ok(gone)
    }

    async fn announce(&self, _: &Changes<'_>) -> Answer<()> {
        Ok(())
    }

    async fn hold(&self, key: &Key, token: Token, hold: Millis) -> Answer<()> {
        self.step(key, |entry, now| (entry.hold(now, token, hold), ()))
    }

    async fn begin(&self, key: &Key, token: Token, lease: Millis) -> Answer<()> {
        self.step(key, |entry, now| (entry.begin(now, token, lease), ()))
    }

    async fn end(&self, key: &Key, token: Token, sealed: Option<&Sealed>) -> Answer<Stored> {
        let stored = sealed.map(|sealed| (sealed.lifetime, sealed.body.clone()));
        self.step(key, |entry, now| entry.end(now, token, stored))
    }

    async fn remaining(&self, key: &Key) -> Answer<Remaining> {
        Ok(match self.read(Look { key, tags: &[], told: false }).await?.lookup {
            Lookup::Value { value, now, .. } => Remaining::until(value.until, now),
            Lookup::Empty | Lookup::Leased(_) | Lookup::Damaged(_) | Lookup::Fenced => Remaining::Missing,
        })
    }

    fn listen(&self) {}

    async fn watch(&self, _: &Key) -> bool {
        true
    }

    fn wakeups(&self) -> &Wakeups {
        &self.wakeups
    }

    fn now(&self) -> Millis {
        self.clock.now()
    }

    async fn connected(&self) -> bool {
        true
    }

    fn health(&self) -> StoreHealth {
        let breaker = BreakerState::Closed;
        StoreHealth { store: "in process".to_owned(), lanes: (1, 1), breaker, warms_up: false, trouble: None }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::{
        codec::{Seal, seal},
        domain::{entry::Lifetime, verdict::Fingerprint},
    };

    #[test]
    fn the_bound_in_bytes_holds_when_many_entries_grow_at_once() {
        let store = MemoryStore::new(1 << 20, 1 << 17, Clock::default());
        let token = Token([1; 16]);
        let lifetime = Lifetime { fresh: 60_000, total: 60_000 };
        let text = "x".repeat(50_000);
        let value =
            Seal { value: Some(&text), id: token, lifetime, load: 0, fingerprint: Fingerprint(0), tags: &[] };
        let sealed = seal(&value, 1 << 20).expect("storable");
        let keys: Vec<Key> = (0..200).map(|number| Key::raw(&format!("k{number}"))).collect();
        for key in &keys {
            store
                .acquire(key, token, Seen::Nothing, 60_000)
                .now_or_never()
                .expect("at once")
                .expect("an answer");
        }
        for key in &keys {
            store.fill(key, token, &sealed).now_or_never().expect("at once").expect("an answer");
        }
        assert!(store.entries.weight() <= 1 << 20, "{} bytes", store.entries.weight());
        let held = keys.iter().filter(|key| store.entries.get(*key).is_some()).count();
        assert!(held > 5, "{held} are held");
    }
}
