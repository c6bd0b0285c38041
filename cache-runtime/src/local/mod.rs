//! The local level: values of this process, decoded, in front of the store.
//!
//! A value goes in only where the store tells of its changes from then on, and only if no change was told since before it
//! was asked for. A change bumps a generation and drops the value in one step, and a value goes in together with the
//! check of the generation that its reader had taken before it asked (rule 8 of the protocol). Tags are not looked up when
//! they change: a value remembers the generations of its tags, and each hit compares them.

use std::{
    any::Any,
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter, sync::Cache};

use crate::{
    ambient::{Clock, Stopwatch, millis},
    domain::{entry::Millis, key::Key, pattern::Pattern},
};

/// How long values are served after the last proof that changes are told.
const PATIENCE: Duration = Duration::from_secs(3);
/// What a value costs beside its bytes and its key.
const OVERHEAD: usize = 200;
/// Keys share generations: a change keeps the reads of a few others that are under way from going in.
const STRIPES: usize = 256;
/// Tags share generations: a change drops a few others'.
const TAGS: usize = 4_096;

/// The local level of one cache. It takes up room from the first value on.
#[derive(Debug)]
pub(crate) struct Local {
    capacity: u64,
    /// The namespace and a colon, or nothing.
    prefix: String,
    clock: Clock,
    /// Values are served until then; 0: nothing is told, and nothing served.
    alive_until: AtomicU64,
    level: OnceLock<Level>,
}

#[derive(Debug)]
struct Level {
    values: Cache<Key, Slot, Bytes>,
    stripes: [Mutex<Generation>; STRIPES],
    tags: Box<[AtomicU64]>,
    hasher: RandomState,
}

type Generation = u64;

#[derive(Clone, Debug)]
struct Slot {
    weight: u64,
    held: Arc<dyn Any + Send + Sync>,
}

#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<Key, Slot> for Bytes {
    fn weight(&self, _: &Key, slot: &Slot) -> u64 {
        slot.weight
    }
}

/// A value, or the knowledge that there is none.
#[derive(Debug)]
struct Held<V> {
    value: Option<V>,
    since: Millis,
    until: Millis,
    tags: Box<[Mark]>,
    /// The function whose value it is; functions with tags do not share.
    owner: usize,
}

/// A tag, and its generation when the value was asked for.
#[derive(Clone, Debug)]
struct Mark {
    tag: Key,
    place: usize,
    generation: Generation,
}

/// What was known before a value was asked for.
#[derive(Debug)]
pub(crate) struct Ticket {
    stripe: usize,
    generation: Generation,
    tags: Box<[Mark]>,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    /// The function, by the address of its site.
    pub(crate) owner: usize,
    /// How old a value may be in this level.
    pub(crate) at_most: Millis,
    pub(crate) tags: Tags<'a>,
}

/// The tags of who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tags<'a> {
    /// The key says which they are, if there are any.
    ByKey { any: bool },
    /// These.
    These(&'a [Key]),
}

/// A value on its way in.
#[derive(Debug)]
pub(crate) struct Incoming<'a, V> {
    pub(crate) key: &'a Key,
    /// `None`: there is none, which is worth remembering, too.
    pub(crate) value: Option<V>,
    /// Of the value, encoded.
    pub(crate) bytes: usize,
    /// How long it may be served.
    pub(crate) left: Millis,
    pub(crate) owner: usize,
}

impl Local {
    /// At most `capacity` bytes. `told`: whether changes are told from the start and for ever, as those in this process.
    pub(crate) fn new(capacity: u64, prefix: &str, clock: Clock, told: bool) -> Self {
        let alive_until = AtomicU64::new(if told { Millis::MAX } else { 0 });
        Self { capacity, prefix: prefix.to_owned(), clock, alive_until, level: OnceLock::new() }
    }

    /// The value of a key: `Some(None)` where it is known that there is none.
    pub(crate) fn get<V: Clone + 'static>(&self, key: &Key, asker: Asker<'_>) -> Option<Option<V>> {
        let level = self.level.get()?;
        let now = self.clock.ticks();
        if now >= self.alive_until.load(Ordering::Acquire) {
            return None;
        }
        let slot = level.values.get(key)?;
        let held = slot.held.downcast_ref::<Held<V>>()?;
        let in_time = now < held.until && now.saturating_sub(held.since) < asker.at_most;
        (in_time && level.carries(held, asker)).then(|| held.value.clone())
    }

    /// Taken before a value is asked for, and before anything else that decides whether it is good. `None`: nothing is
    /// told at present.
    pub(crate) fn ticket(&self, key: &Key, tags: &[Key]) -> Option<Ticket> {
        if self.clock.ticks() >= self.alive_until.load(Ordering::Acquire) {
            return None;
        }
        let level = self.level.get_or_init(|| Level::new(self.capacity));
        let mark = |tag: &Key| {
            let place = level.place(tag.as_bytes());
            Mark { tag: tag.clone(), place, generation: level.tags[place].load(Ordering::Acquire) }
        };
        let tags = tags.iter().map(mark).collect();
        let stripe = level.stripe(key.as_bytes());
        let generation = *lock(&level.stripes[stripe]);
        Some(Ticket { stripe, generation, tags })
    }

    /// Puts a value in, unless something was told since the ticket was taken.
    pub(crate) fn insert<V: Send + Sync + 'static>(&self, ticket: Ticket, incoming: Incoming<'_, V>) {
        let Some(level) = self.level.get() else { return };
        let Incoming { key, value, bytes, left, owner } = incoming;
        let since = self.clock.ticks();
        let tags = ticket.tags.iter().map(|mark| mark.tag.as_bytes().len() + size_of::<Mark>());
        let weight = (key.as_bytes().len() + bytes + OVERHEAD + tags.sum::<usize>()) as u64;
        let held = Held { value, since, until: since.saturating_add(left), tags: ticket.tags, owner };
        let slot = Slot { weight, held: Arc::new(held) };
        let generation = lock(&level.stripes[ticket.stripe]);
        if *generation == ticket.generation {
            level.values.insert(key.clone(), slot);
        }
    }

    /// A key, or a tag, has changed.
    pub(crate) fn forget(&self, key: &[u8]) {
        let Some(level) = self.level.get() else { return };
        if Key::tag_name(key, &self.prefix).is_some() {
            level.tags[level.place(key)].fetch_add(1, Ordering::AcqRel);
            return;
        }
        let mut generation = lock(&level.stripes[level.stripe(key)]);
        *generation += 1;
        level.values.remove(key);
    }

    /// All keys that match have changed.
    pub(crate) fn forget_matching(&self, pattern: &Pattern) {
        let Some(level) = self.level.get() else { return };
        let _all = level.bump();
        level.values.retain(|key, _| !pattern.matches(key.as_bytes()));
    }

    /// Any key may have changed.
    pub(crate) fn forget_all(&self) {
        let Some(level) = self.level.get() else { return };
        let _all = level.bump();
        level.values.clear();
    }

    /// Changes are told from now on.
    pub(crate) fn up(&self) {
        self.forget_all();
        self.alive(Stopwatch::start());
    }

    /// All changes before that moment were told.
    pub(crate) fn alive(&self, since: Stopwatch) {
        let then = self.clock.ticks().saturating_sub(millis(since.elapsed()));
        self.alive_until.store(then + millis(PATIENCE), Ordering::Release);
    }

    /// Nothing is told any more.
    pub(crate) fn lost(&self) {
        self.alive_until.store(0, Ordering::Release);
        self.forget_all();
    }

    /// How many values there are, and how many bytes.
    pub(crate) fn size(&self) -> (usize, u64) {
        self.level.get().map_or((0, 0), |level| (level.values.len(), level.values.weight()))
    }

    /// Whether values are served.
    pub(crate) fn is_on(&self) -> bool {
        self.clock.ticks() < self.alive_until.load(Ordering::Acquire)
    }
}

impl Level {
    fn new(capacity: u64) -> Self {
        // Each shard has its share of the capacity; with few of them large values find room.
        let options = OptionsBuilder::new()
            .estimated_items_capacity(
                usize::try_from(capacity / 1_024).unwrap_or(usize::MAX).clamp(16, 1 << 16),
            )
            .weight_capacity(capacity)
            .shards(16)
            .build();
        let values = match options {
            Ok(options) => Cache::with_options(
                options,
                Bytes,
                DefaultHashBuilder::default(),
                quick_cache::sync::DefaultLifecycle::default(),
            ),
            // Only missing options are refused, and none is.
            Err(_) => Cache::with_weighter(1_024, capacity, Bytes),
        };
        Self {
            values,
            stripes: [const { Mutex::new(0) }; STRIPES],
            tags: (0..TAGS).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Whether the tags of a value are those of who asks, and as they were.
    fn carries<V>(&self, held: &Held<V>, asker: Asker<'_>) -> bool {
        let same = match asker.tags {
            Tags::ByKey { any: false } => held.tags.is_empty(),
            Tags::ByKey { any: true } => held.owner == asker.owner,
            Tags::These(tags) => tags.iter().eq(held.tags.iter().map(|mark| &mark.tag)),
        };
        same && held.tags.iter().all(|mark| self.tags[mark.place].load(Ordering::Acquire) == mark.generation)
    }

    /// Whoever has asked for a value puts it in no more; and nobody puts any in until the answer is dropped.
    fn bump(&self) -> Vec<MutexGuard<'_, Generation>> {
        let mut all: Vec<_> = self.stripes.iter().map(lock).collect();
        all.iter_mut().for_each(|generation| **generation += 1);
        all
    }

    fn stripe(&self, key: &[u8]) -> usize {
        self.hasher.hash_one(key) as usize % STRIPES
    }

    fn place(&self, tag: &[u8]) -> usize {
        self.hasher.hash_one(tag) as usize % TAGS
    }
}

fn lock(stripe: &Mutex<Generation>) -> MutexGuard<'_, Generation> {
    stripe.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
