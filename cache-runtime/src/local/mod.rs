//! The local level: values of this process, decoded, in front of the store.
//!
//! A value goes in only where the store tells of its changes from then on, and only if no change was told since before it
//! was asked for (rule 8 of the protocol). Nothing is looked up when a key or a tag changes: each has a generation, which a
//! change raises; a value remembers those that its reader had taken before it asked, and each hit compares them. Patterns,
//! and losing the connection, are counted (`domain::forgotten`); a value remembers the count, and is compared with what
//! came since. A value that was on its way when a change was told is in that way as dead as one that was there.
//!
//! Each value that goes in looks at a few others in passing and drops those that are dead, or too many: no call walks over
//! all.
//!
//! A hit takes no lock and allocates nothing: the table is read without one, threads share the counters of nothing.

use std::{
    any::Any,
    collections::VecDeque,
    fmt,
    hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState},
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use papaya::{Equivalent, Guard as _, HashMap};
use smallvec::SmallVec;

use crate::{
    ambient::{Clock, Stopwatch, millis},
    domain::{entry::Millis, forgotten::Forgotten, key::Key, pattern::Pattern},
};

/// How long values are served after the last proof that changes are told (rule 21).
const PATIENCE: Duration = Duration::from_secs(3);
/// What a value costs beside its bytes and its key.
const OVERHEAD: usize = 320;
/// Keys and tags share generations: a change also drops one in so many of the others.
const GENERATIONS: usize = 1 << 16;
/// How many values are looked at in passing by each that goes in, whether they are still of use: always, and as long as
/// not all were looked at since a pattern was forgotten, or everything.
const SWEPT: usize = 2;
const SWEPT_AFTER_MANY: usize = 16;
/// Number of values that are of use and are spared in one go while others have to make room. Those that come after them
/// go, whether they are of use or not.
const SPARED: usize = 16;

/// The local level of one cache. It takes up room from the first value on.
#[derive(Debug)]
pub(crate) struct Local {
    capacity: u64,
    clock: Clock,
    /// Values are served until then; 0: nothing is told, and nothing served.
    alive_until: AtomicU64,
    level: OnceLock<Level>,
}

#[derive(Debug)]
struct Level {
    values: HashMap<Name, Slot, BuildHasherDefault<AsItIs>>,
    generations: Box<[AtomicU32]>,
    forgotten: Forgotten,
    /// Changed by those who put in and take out, one after another.
    queue: Mutex<Queue>,
    hasher: RandomState,
}

/// The values in the order in which they came in, each once.
#[derive(Debug, Default)]
struct Queue {
    names: VecDeque<Name>,
    bytes: u64,
    /// How many of the first are to be looked at, since they may have been forgotten.
    owed: usize,
    /// Values that were asked for before that mark were forgotten as a whole; and how many of those are still here.
    whole: u64,
    ghosts: (usize, u64),
    #[cfg(test)]
    looked: usize,
}

/// A key, found by the hash of the arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    hash: u64,
    key: Key,
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// The same without a copy of the key.
struct Wanted<'a> {
    hash: u64,
    key: &'a [u8],
}

impl Hash for Wanted<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Equivalent<Name> for Wanted<'_> {
    #[inline]
    fn equivalent(&self, name: &Name) -> bool {
        // Never by the hash alone: one user would be served what is another's.
        self.hash == name.hash && *self.key == *name.key.as_bytes()
    }
}

/// What was hashed already.
#[derive(Clone, Copy, Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("names are hashed by their hash");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// A value, or the knowledge that there is none: an `Option<V>`.
struct Slot {
    value: Box<dyn Any + Send + Sync>,
    since: Millis,
    until: Millis,
    marks: Marks,
    /// Of what was forgotten: it was compared with everything before.
    mark: AtomicU64,
    tags: Box<[Key]>,
    /// The function whose value it is; functions with tags do not share.
    owner: usize,
    bytes: u64,
    /// Whether it was of use since it was looked at in passing.
    used: AtomicBool,
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("until", &self.until).field("tags", &self.tags).finish_non_exhaustive()
    }
}

/// The generations of a key and of its tags when the value was asked for.
type Marks = SmallVec<[Mark; 3]>;

#[derive(Clone, Copy, Debug)]
struct Mark {
    place: u32,
    generation: u32,
}

/// What was known before a value was asked for.
#[derive(Debug)]
pub(crate) struct Ticket {
    marks: Marks,
    /// Of what was forgotten.
    mark: u64,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    pub(crate) key: &'a [u8],
    /// Of the arguments that the key was made of.
    pub(crate) hash: u64,
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
    pub(crate) hash: u64,
    pub(crate) tags: &'a [Key],
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
    pub(crate) fn new(capacity: u64, clock: Clock, told: bool) -> Self {
        let alive_until = AtomicU64::new(if told { Millis::MAX } else { 0 });
        Self { capacity, clock, alive_until, level: OnceLock::new() }
    }

    /// The value of a key: `Some(None)` where it is known that there is none.
    #[inline]
    pub(crate) fn get<V: Clone + 'static>(&self, asker: Asker<'_>) -> Option<Option<V>> {
        let level = self.level.get()?;
        let now = self.clock.ticks();
        if now >= self.alive_until.load(Ordering::Acquire) {
            return None;
        }
        let values = level.values.pin();
        let slot = values.get(&Wanted { hash: asker.hash, key: asker.key })?;
        let in_time = now < slot.until && now.saturating_sub(slot.since) < asker.at_most;
        if !in_time || !slot.carries(asker) || !level.stands(slot, asker.key) {
            return None;
        }
        let value = slot.value.downcast_ref::<Option<V>>()?.clone();
        // A plain load first: hits on one key do not fight for it.
        if !slot.used.load(Ordering::Relaxed) {
            slot.used.store(true, Ordering::Relaxed);
        }
        Some(value)
    }

    /// Taken before a value is asked for, and before anything else that decides whether it is good. `None`: nothing is
    /// told at present.
    pub(crate) fn ticket(&self, key: &Key, tags: &[Key]) -> Option<Ticket> {
        if self.clock.ticks() >= self.alive_until.load(Ordering::Acquire) {
            return None;
        }
        let level = self.level.get_or_init(Level::new);
        let mark = level.forgotten.mark();
        let marks = std::iter::once(key).chain(tags).map(|name| level.mark(name.as_bytes())).collect();
        Some(Ticket { marks, mark })
    }

    /// Puts a value in, unless something was told since the ticket was taken.
    pub(crate) fn insert<V: Send + Sync + 'static>(&self, ticket: Ticket, incoming: Incoming<'_, V>) {
        let Some(level) = self.level.get() else { return };
        let Incoming { key, hash, tags, value, bytes, left, owner } = incoming;
        let since = self.clock.ticks();
        let names = std::iter::once(key).chain(tags).map(|name| name.as_bytes().len() + size_of::<Key>());
        let bytes = (bytes + size_of::<V>() + OVERHEAD + names.sum::<usize>()) as u64;
        let slot = Slot {
            value: Box::new(value),
            since,
            until: since.saturating_add(left),
            marks: ticket.marks,
            mark: AtomicU64::new(ticket.mark),
            tags: tags.into(),
            owner,
            bytes,
            used: AtomicBool::new(false),
        };
        if bytes <= self.capacity {
            let name = Name { hash, key: key.clone() };
            level.insert(name, slot, Bounds { capacity: self.capacity, now: since });
        }
    }

    /// A key, or a tag, has changed.
    pub(crate) fn forget(&self, name: &[u8]) {
        if let Some(level) = self.level.get() {
            level.generations[level.place(name)].fetch_add(1, Ordering::AcqRel);
        }
    }

    /// All keys that match have changed.
    pub(crate) fn forget_matching(&self, pattern: &Pattern) {
        if let Some(level) = self.level.get() {
            level.forgotten.add(pattern);
            let mut queue = level.lock();
            queue.owed = queue.names.len();
        }
    }

    /// Any key may have changed.
    pub(crate) fn forget_all(&self) {
        if let Some(level) = self.level.get() {
            let mut queue = level.lock();
            queue.whole = level.forgotten.add_all();
            queue.owed = queue.names.len();
            queue.ghosts = (queue.names.len(), queue.bytes);
        }
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

    /// How many values there are, those included that are of no use any more but were not forgotten as a whole, and how
    /// many bytes.
    pub(crate) fn size(&self) -> (usize, u64) {
        self.level.get().map_or((0, 0), |level| {
            let Queue { names, bytes, ghosts, .. } = &*level.lock();
            (names.len() - ghosts.0, bytes - ghosts.1)
        })
    }

    /// Whether values are served.
    pub(crate) fn is_on(&self) -> bool {
        self.clock.ticks() < self.alive_until.load(Ordering::Acquire)
    }
}

#[derive(Clone, Copy)]
struct Bounds {
    capacity: u64,
    now: Millis,
}

impl Slot {
    /// Whether its tags are those of who asks.
    #[inline]
    fn carries(&self, asker: Asker<'_>) -> bool {
        match asker.tags {
            Tags::ByKey { any: false } => self.tags.is_empty(),
            Tags::ByKey { any: true } => self.owner == asker.owner,
            Tags::These(tags) => *tags == *self.tags,
        }
    }
}

impl Queue {
    /// That value goes, or another one takes its place.
    fn gone(&mut self, slot: &Slot) {
        self.bytes -= slot.bytes;
        // A value that was forgotten as a whole has kept its mark.
        if slot.mark.load(Ordering::Relaxed) < self.whole {
            self.ghosts = (self.ghosts.0 - 1, self.ghosts.1 - slot.bytes);
        }
    }
}

impl Level {
    fn new() -> Self {
        Self {
            values: HashMap::with_hasher(BuildHasherDefault::default()),
            generations: (0..GENERATIONS).map(|_| AtomicU32::new(0)).collect(),
            forgotten: Forgotten::default(),
            queue: Mutex::default(),
            hasher: RandomState::new(),
        }
    }

    /// Whether nothing that it depends on has changed since it was asked for.
    #[inline]
    fn stands(&self, slot: &Slot, key: &[u8]) -> bool {
        let stands =
            |mark: &Mark| self.generations[mark.place as usize].load(Ordering::Acquire) == mark.generation;
        slot.marks.iter().all(stands) && self.is_remembered(slot, key)
    }

    /// Whether no pattern matches that came since it was asked for.
    #[inline]
    fn is_remembered(&self, slot: &Slot, key: &[u8]) -> bool {
        let mark = slot.mark.load(Ordering::Relaxed);
        self.forgotten.is_current(mark) || self.compare(slot, mark, key)
    }

    #[cold]
    fn compare(&self, slot: &Slot, mark: u64, key: &[u8]) -> bool {
        let since = self.forgotten.since(mark, key);
        if !since.is_forgotten {
            // Another hit may put an earlier one there: then it is compared again.
            slot.mark.store(since.mark, Ordering::Relaxed);
        }
        !since.is_forgotten
    }

    fn insert(&self, name: Name, slot: Slot, bounds: Bounds) {
        let mut queue = self.lock();
        if !self.is_remembered(&slot, name.key.as_bytes()) {
            return;
        }
        let guard = self.values.guard();
        queue.bytes += slot.bytes;
        match self.values.insert(name.clone(), slot, &guard) {
            Some(before) => queue.gone(before),
            None => queue.names.push_back(name),
        }
        // Second chance: what was of use since it was last looked at goes to the end.
        let swept = if queue.owed > 0 { SWEPT_AFTER_MANY } else { SWEPT }.min(queue.names.len());
        let (mut looked, mut spared, mut removed) = (0, 0, false);
        while looked < swept || queue.bytes > bounds.capacity {
            let Some(name) = queue.names.pop_front() else { break };
            looked += 1;
            let Some(slot) = self.values.get(&name, &guard) else { continue };
            let dead = bounds.now >= slot.until || !self.stands(slot, name.key.as_bytes());
            let evicted = !dead && queue.bytes > bounds.capacity && {
                let of_use = slot.used.swap(false, Ordering::Relaxed) && spared < SPARED;
                spared += usize::from(of_use);
                !of_use
            };
            if dead || evicted {
                queue.gone(slot);
                self.values.remove(&name, &guard);
                removed = true;
            } else {
                queue.names.push_back(name);
            }
        }
        queue.owed = queue.owed.saturating_sub(looked);
        #[cfg(test)]
        {
            queue.looked = looked;
        }
        if removed {
            // Else the memory of some values would be given back much later.
            guard.flush();
        }
    }

    fn mark(&self, name: &[u8]) -> Mark {
        let place = self.place(name);
        Mark { place: place as u32, generation: self.generations[place].load(Ordering::Acquire) }
    }

    fn place(&self, name: &[u8]) -> usize {
        self.hasher.hash_one(name) as usize % GENERATIONS
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
