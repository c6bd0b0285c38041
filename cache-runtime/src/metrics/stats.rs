//! Counters per function, in one cache: what `report()` reads.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use crate::{ambient, domain::verdict::Miss};

/// How a call of a cached function ended, as far as the cache is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Found in the local level.
    HitLocal,
    /// Found in the store.
    HitRemote,
    /// An old value, while a new one is loaded or because that has failed.
    Stale,
    /// Another call of this process loaded it for this one.
    Coalesced,
    Miss(Miss),
    /// The body ran without the cache.
    Bypass,
}

impl Outcome {
    pub(crate) const ALL: [Self; 8] = [
        Self::HitLocal,
        Self::HitRemote,
        Self::Stale,
        Self::Coalesced,
        Self::Miss(Miss::Cold),
        Self::Miss(Miss::Expired),
        Self::Miss(Miss::Invalidated),
        Self::Bypass,
    ];

    pub(crate) const fn index(self) -> usize {
        match self {
            Self::HitLocal => 0,
            Self::HitRemote => 1,
            Self::Stale => 2,
            Self::Coalesced => 3,
            Self::Miss(Miss::Cold) => 4,
            Self::Miss(Miss::Expired) => 5,
            Self::Miss(Miss::Invalidated) => 6,
            Self::Bypass => 7,
        }
    }

    /// The label in metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::HitLocal => "hit_local",
            Self::HitRemote => "hit_remote",
            Self::Stale => "stale",
            Self::Coalesced => "coalesced",
            Self::Miss(Miss::Cold) => "miss_cold",
            Self::Miss(Miss::Expired) => "miss_expired",
            Self::Miss(Miss::Invalidated) => "miss_invalidated",
            Self::Bypass => "bypass",
        }
    }
}

/// The labels of one cached function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels {
    pub(crate) function: &'static str,
    pub(crate) template: &'static str,
    pub(crate) ttl_class: &'static str,
}

/// So many threads have counters of their own, which nobody else writes to: a locked instruction costs as much as half a
/// look-up in the process. The others share one.
const OWN: usize = 31;

/// As large as what cores hand to each other.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard([AtomicU64; Outcome::ALL.len()]);

/// The counters of one function.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    labels: OnceLock<Labels>,
    outcomes: [Shard; OWN + 1],
    /// How many hits in the process the recorder of metrics knows of.
    told: AtomicU64,
    pub(crate) decode_failures: AtomicU64,
    pub(crate) loads_failed: AtomicU64,
    pub(crate) unstorable: AtomicU64,
}

impl Stats {
    #[inline]
    pub(crate) fn count(&self, outcome: Outcome) {
        let thread = ambient::thread();
        let counter = &self.outcomes[thread.min(OWN)].0[outcome.index()];
        if thread < OWN {
            // No other thread has this number.
            counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        } else {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many hits in the process there were since this was asked for the last time.
    pub(crate) fn untold(&self) -> u64 {
        let hits = self.get(Outcome::HitLocal);
        hits.saturating_sub(self.told.fetch_max(hits, Ordering::Relaxed))
    }

    pub(crate) fn get(&self, outcome: Outcome) -> u64 {
        self.outcomes.iter().map(|shard| shard.0[outcome.index()].load(Ordering::Relaxed)).sum()
    }
}

/// The place of a function in every [`StatsTable`], given out at its first call.
#[derive(Debug)]
pub(crate) struct Place(OnceLock<usize>);

impl Place {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    fn get(&self) -> usize {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        *self.0.get_or_init(|| NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The first block has this many places, and each further one twice as many as the one before.
const FIRST_BLOCK: usize = 64;

/// The counters of all functions in one cache: blocks that never move, so that reading takes no lock.
#[derive(Debug, Default)]
pub(crate) struct StatsTable {
    blocks: [OnceLock<Box<[Stats]>>; 20],
}

impl StatsTable {
    pub(crate) fn of(&self, place: &Place, labels: Labels) -> &Stats {
        // Place 0..64 is block 0, 64..192 block 1, 192..448 block 2.
        let place = place.get() + FIRST_BLOCK;
        let block = (place / FIRST_BLOCK).ilog2() as usize;
        let length = FIRST_BLOCK << block;
        let stats = self.blocks[block].get_or_init(|| (0..length).map(|_| Stats::default()).collect());
        let stats = &stats[place - length];
        stats.labels.get_or_init(|| labels);
        stats
    }

    /// All functions that were called.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Labels, &Stats)> {
        let blocks = self.blocks.iter().filter_map(OnceLock::get);
        blocks.flatten().filter_map(|stats| Some((*stats.labels.get()?, stats)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_has_a_place_of_its_own() {
        let table = StatsTable::default();
        let places: Vec<Place> = (0..1_000).map(|_| Place::new()).collect();
        let labels = Labels { function: "f", template: "t", ttl_class: "STANDARD" };
        for place in &places {
            table.of(place, labels).count(Outcome::HitRemote);
        }
        assert_eq!(table.all().count(), 1_000);
        assert!(table.all().all(|(_, stats)| stats.get(Outcome::HitRemote) == 1));
    }

    #[test]
    fn no_count_is_lost_however_many_threads_there_are() {
        let stats = Stats::default();
        std::thread::scope(|scope| {
            for _ in 0..3 * OWN {
                scope.spawn(|| (0..1_000).for_each(|_| stats.count(Outcome::Bypass)));
            }
        });
        assert_eq!(stats.get(Outcome::Bypass), 3 * OWN as u64 * 1_000);
    }
}
