//! The in-process store: the transition table under the lock of a shard, bounded by bytes.
//!
//! An entry that is past its end takes up room until it is asked for or evicted. A pattern counts from the moment on at
//! which it is told: each look and each step compares its entry with the patterns that came since the one before. The walk
//! that follows only counts what goes, and makes room.

use std::mem;

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
        forgotten::{Forgotten, REMEMBERED},
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
    entries: Cache<Key, Held, Bytes>,
    /// The versions of tags. One that is evicted makes its entries unusable.
    tags: Cache<Key, Token, TagBytes>,
    forgotten: Forgotten,
    wakeups: Wakeups,
    clock: Clock,
}

/// An entry that was compared with the patterns up to a mark.
#[derive(Clone, Debug, Default)]
struct Held {
    entry: Entry<Body>,
    mark: u64,
}

impl Held {
    /// Compares it with those that came since.
    fn compared(self, forgotten: &Forgotten, key: &Key) -> Self {
        let Self { entry, mark } = self;
        let since = forgotten.since(mark, key.as_bytes());
        Self { entry: if since.is_forgotten { entry.invalidate() } else { entry }, mark: since.mark }
    }
}

#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<Key, Held> for Bytes {
    fn weight(&self, key: &Key, held: &Held) -> u64 {
        let value = match &held.entry {
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
        Self { entries, tags, forgotten: Forgotten::default(), wakeups: Wakeups::default(), clock }
    }

    /// Runs one step on the settled entry under its key.
    fn step<T>(&self, key: &Key, step: impl FnOnce(Entry<Body>, Millis) -> (Entry<Body>, T)) -> Answer<T> {
        let now = self.clock.now();
        let mut step = Some(step);
        let mut run = |held: Held| {
            let step = step.take().unwrap_or_else(|| unreachable!("a step runs once"));
            let Held { entry, mark } = held.compared(&self.forgotten, key);
            let (entry, answer) = step(entry.settle(now, 0), now);
            (Held { entry, mark }, answer)
        };
        let mut answer = None;
        let mut grown = None;
        let result = self.entries.entry(key, None, |_, slot| {
            let before = Bytes.weight(key, slot);
            let (next, given) = run(mem::take(slot));
            answer = Some(given);
            if next.entry == Entry::Missing {
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
                let new = Held { entry: Entry::Missing, mark: self.forgotten.mark() };
                let (next, given) = run(new);
                answer = Some(given);
                if next.entry != Entry::Missing {
                    drop(place.insert(next));
                }
            }
            (EntryResult::Replaced(place, _), Some(next)) => drop(place.insert(next)),
            _ => {}
        }
        self.wakeups.wake(key.as_bytes());
        Ok(answer.unwrap_or_else(|| unreachable!("a step answers")))
    }
}

/// How many entries a walk looks at before it lets others go on.
const STEP: usize = 256;

impl Store for MemoryStore {
    async fn read(&self, look: Look<'_>) -> Answer<Reading> {
        let held = self.entries.get(look.key).unwrap_or_default();
        let Held { entry, .. } = held.compared(&self.forgotten, look.key);
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
        let told = self.forgotten.add(pattern);
        let mut entries = self.entries.iter();
        let mut gone = 0;
        loop {
            let mut left = STEP;
            for (key, held) in entries.by_ref().take(STEP) {
                left -= 1;
                if held.mark < told && pattern.matches(key.as_bytes()) {
                    let entry = held.entry.settle(self.clock.now(), 0);
                    gone += u64::from(matches!(entry, Entry::Lease { .. } | Entry::Value { .. }));
                    self.step(&key, |entry, _| (entry, ()))?;
                } else if told.saturating_sub(held.mark) > REMEMBERED as u64 / 2 {
                    // It is compared before the patterns since are too many.
                    self.step(&key, |entry, _| (entry, ()))?;
                }
            }
            if left > 0 {
                return Ok(gone);
            }
            tokio::task::yield_now().await;
        }
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

    fn answer<T>(future: impl Future<Output = Answer<T>>) -> T {
        future.now_or_never().expect("at once").expect("an answer")
    }

    fn value_of(text: &str) -> Sealed {
        let lifetime = Lifetime { fresh: 60_000, total: 60_000 };
        let fingerprint = Fingerprint(0);
        let value =
            Seal { value: Some(&text), id: Token([1; 16]), lifetime, load: 0, fingerprint, tags: &[] };
        seal(&value, 1 << 20).expect("storable")
    }

    fn store_with(keys: &[Key]) -> MemoryStore {
        let store = MemoryStore::new(64 << 20, 1 << 17, Clock::still());
        for key in keys {
            put(&store, key);
        }
        store
    }

    fn put(store: &MemoryStore, key: &Key) {
        let token = Token([1; 16]);
        answer(store.acquire(key, token, Seen::Nothing, 60_000));
        assert_eq!(answer(store.fill(key, token, &value_of("x"))), Stored::Yes);
    }

    fn holds(store: &MemoryStore, key: &Key) -> bool {
        let reading = answer(store.read(Look { key, tags: &[], told: false }));
        matches!(reading.lookup, Lookup::Value { .. })
    }

    fn keys(names: &[&str], number: usize) -> Vec<Key> {
        let keys_of = |name| (0..number).map(move |number| Key::raw(&format!("{name}:{number}")));
        names.iter().flat_map(keys_of).collect()
    }

    /// No poll of a walk takes longer than a few hundred keys need, and it counts from its first poll on.
    #[test]
    fn a_walk_over_many_keys_lets_others_go_on() {
        let keys = keys(&["user", "film"], 5 * STEP);
        let store = store_with(&keys);
        let (pattern, new) = (Pattern::new("user:*"), Key::raw("user:new"));
        let mut walk = std::pin::pin!(store.invalidate_matching(&pattern));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let mut polls = 0;
        let gone = loop {
            polls += 1;
            if let std::task::Poll::Ready(gone) = walk.as_mut().poll(&mut context) {
                break gone.expect("an answer");
            }
            let held = keys.iter().filter(|key| holds(&store, key)).count();
            assert_eq!(held, 5 * STEP, "all that match are gone at once, and nothing else, at poll {polls}");
            // A value that is stored meanwhile is not of the time before.
            if !holds(&store, &new) {
                put(&store, &new);
            }
        };
        assert_eq!((polls, gone), (11, 5 * STEP as u64));
        assert!(holds(&store, &new));
        assert_eq!(store.entries.len(), 5 * STEP + 1, "the others gave their room back");
    }

    #[test]
    fn a_load_and_a_write_that_began_before_a_pattern_store_nothing() {
        let (load, write, other) = (Key::raw("user:1"), Key::raw("user:2"), Key::raw("film:1"));
        let store = store_with(&[]);
        let token = Token([1; 16]);
        for key in [&load, &other] {
            answer(store.acquire(key, token, Seen::Nothing, 60_000));
        }
        answer(store.begin(&write, token, 60_000));
        assert_eq!(answer(store.invalidate_matching(&Pattern::new("user:*"))), 1);
        assert_eq!(answer(store.fill(&load, token, &value_of("x"))), Stored::Lost);
        assert_eq!(answer(store.end(&write, token, Some(&value_of("x")))), Stored::Lost);
        assert_eq!(answer(store.fill(&other, token, &value_of("x"))), Stored::Yes);
    }

    /// However many patterns there were: what none of them has matched is still there.
    #[test]
    fn a_value_that_no_pattern_matches_outlives_them_all() {
        let keys = keys(&["user"], 10);
        let store = store_with(&keys);
        for number in 0..3 * REMEMBERED {
            answer(store.invalidate_matching(&Pattern::new(&format!("film:{number}:*"))));
        }
        assert!(keys.iter().all(|key| holds(&store, key)));
    }

    #[test]
    fn the_bound_in_bytes_holds_when_many_entries_grow_at_once() {
        let store = MemoryStore::new(1 << 20, 1 << 17, Clock::still());
        let token = Token([1; 16]);
        let sealed = value_of(&"x".repeat(50_000));
        let keys = keys(&["k"], 200);
        for key in &keys {
            answer(store.acquire(key, token, Seen::Nothing, 60_000));
        }
        for key in &keys {
            answer(store.fill(key, token, &sealed));
        }
        assert!(store.entries.weight() <= 1 << 20, "{} bytes", store.entries.weight());
        let held = keys.iter().filter(|key| store.entries.get(*key).is_some()).count();
        assert!(held > 5, "{held} are held");
    }
}
