//! Holds every read against the writes; the module above says by which rules.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use super::{
    event::{Event, Function, Item, Mode, Outcome, Time, WriteId},
    truth,
};

/// All that is known of a run.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The processes.
    pub processes: Vec<Process>,
    /// What happened to the server and to the processes.
    pub faults: Vec<Happened>,
    /// Every version that was committed.
    pub versions: Vec<Item>,
    /// How many items there are.
    pub keys: u64,
    /// For so long a fence stands without any renewal.
    pub lease: Time,
    /// For so long a value may be in the local level.
    pub local: Time,
}

/// What one process has noted.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// No other process of the run has this number.
    pub number: u64,
    /// In the order in which they were noted.
    pub events: Vec<Event>,
    /// When it was certainly gone, where it did not end by itself.
    pub killed: Option<Time>,
    /// It did not end when it was asked to.
    pub hung: bool,
}

/// A fault of the plan, as it came to be.
#[derive(Clone, Debug)]
pub struct Happened {
    /// Before it.
    pub start: Time,
    /// When it was over.
    pub end: Time,
    /// In words.
    pub what: String,
    /// Whether fences are lost by it.
    pub destructive: bool,
    /// Who hears nothing meanwhile, and does not notice it at once.
    pub silences: Silenced,
}

/// Whom a fault keeps from hearing what others write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silenced {
    /// Nobody. A connection that is closed is no silence: who loses it gives up what he holds.
    Nobody,
    /// One process.
    Process(u64),
    /// All processes.
    Everybody,
}

/// Why a read must not be older than a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The write had returned, and its invalidation was acknowledged.
    Returned,
    /// The write had returned in the process that reads.
    OwnWrite,
    /// The write was left by its caller, and all its steps were over.
    Left,
    /// The write had committed under a fence.
    Committed,
    /// The key was invalidated after the commit.
    Invalidated,
    /// The write had committed under fences on its targets.
    Strict,
    /// The write kept its targets fenced until the replica had its version.
    Settled,
    /// The write had returned in another process so long ago that the local level had heard of it, or was given up.
    Heard,
}

/// What is wrong with a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A read was older than it may be.
    Stale {
        /// Who read.
        process: u64,
        /// The read.
        read: Event,
        /// What it showed.
        got: Item,
        /// The oldest version that it may show.
        wanted: Item,
        /// Why.
        reason: Reason,
    },
    /// A read showed what nobody has committed, at least not yet, or the item of another key.
    Unknown {
        /// Who read.
        process: u64,
        /// The read.
        read: Event,
        /// What it showed.
        got: Item,
    },
    /// A process did not end, though it was asked to: one of its calls hangs.
    Hung {
        /// Which.
        process: u64,
    },
    /// A process ended with invalidations that were not acknowledged, though Redis was there.
    Unfinished {
        /// Which.
        process: u64,
    },
}

/// What was held against what: a history in which little happened proves little.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// Calls that read.
    pub reads: usize,
    /// Those of them that did not run the body.
    pub hits: usize,
    /// Versions.
    pub versions: usize,
    /// Reads that must show at least some version, by the reason that asks the most of them.
    pub judged: [usize; 8],
    /// Calls of `feed` that the cache served past the TTL, and loads of it that failed.
    pub stale: u64,
    /// The latter.
    pub failed: u64,
    /// Calls that the local level served.
    pub local: u64,
    /// Reads of functions with a local level.
    pub held: usize,
    /// How much older than the last write of another process those of them were that were older.
    pub lags: Vec<Time>,
}

impl Statistics {
    /// Both together.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.judged.iter_mut().zip(other.judged).for_each(|(sum, more)| *sum += more);
        self.lags.extend(other.lags);
        Self {
            reads: self.reads + other.reads,
            hits: self.hits + other.hits,
            versions: self.versions + other.versions,
            stale: self.stale + other.stale,
            failed: self.failed + other.failed,
            local: self.local + other.local,
            held: self.held + other.held,
            ..self
        }
    }

    /// The lag that so many of a hundred of the reads that were older did not exceed.
    #[must_use]
    pub fn lag(&self, percent: usize) -> Duration {
        let mut lags = self.lags.clone();
        lags.sort_unstable();
        let last = (lags.len() * percent).div_ceil(100).saturating_sub(1);
        Duration::from_nanos(lags.get(last).copied().unwrap_or(0))
    }

    /// How many reads this reason asked the most of.
    #[must_use]
    pub fn judged_by(&self, reason: Reason) -> usize {
        self.judged[reason as usize]
    }
}

/// After the caller has left, a write may land for so long: the hold of 1 s, less a margin for clocks of different
/// resolution.
const HOLD: Time = 900_000_000;

const LAG: Time = truth::LAG.as_nanos() as Time;

/// For so long a local level serves what it holds while it hears nothing.
const HEARTBEAT: Time = 3_000_000_000;
/// So long a message may take on a busy machine: far more than it does.
const MESSAGE: Time = 1_500_000_000;

/// What the reads of a function promise.
#[derive(Clone, Copy, Debug)]
struct Promise {
    /// How far behind its loads are.
    lag: Time,
    /// Which writes bind it when they are over.
    over: &'static [Mode],
    /// And when they have committed.
    fenced: &'static [Mode],
    /// Which of them can hold its entries. Tags and patterns cannot be held: a write that lands when its caller has gone
    /// promises nothing there.
    holds: &'static [Mode],
    /// Whether the history has invalidations of its entries.
    invalidated: bool,
    /// Whether it has a local level. Then other processes hear of writes when they are over, and a little later.
    local: bool,
}

const EVERY: &[Mode] = &[Mode::Through, Mode::Plain, Mode::Strict, Mode::Settling];
const ITEM: Promise = Promise {
    lag: 0,
    over: EVERY,
    fenced: &[Mode::Through, Mode::Strict],
    holds: EVERY,
    invalidated: true,
    local: false,
};
const SUMMARY: Promise = Promise { fenced: &[Mode::Strict], invalidated: false, ..ITEM };
const FEED: Promise = Promise { invalidated: true, ..SUMMARY };
const REPLICA: Promise = Promise { lag: LAG, over: &[Mode::Settling], fenced: &[], ..SUMMARY };
/// Strict writes, and those that settle, name the keys.
const GROUPED: Promise = Promise { holds: &[Mode::Strict, Mode::Settling], ..FEED };
const HELD_ITEM: Promise = Promise { fenced: &[], local: true, ..ITEM };
const HELD_GROUPED: Promise = Promise { fenced: &[], local: true, ..GROUPED };
const PROMISES: [Promise; 7] = [ITEM, SUMMARY, FEED, REPLICA, GROUPED, HELD_ITEM, HELD_GROUPED];

/// Where the promise of a function stands among them.
fn promise(function: Function) -> usize {
    match function {
        Function::Item(_) | Function::Several(_) => 0,
        Function::Summary => 1,
        Function::Feed(_) => 2,
        Function::Replica(_) => 3,
        Function::Card(_) | Function::Page(..) => 4,
        Function::HeldItem(_) => 5,
        Function::HeldCard(_) | Function::HeldPage(..) | Function::HeldSeveral(_) => 6,
    }
}

impl Promise {
    fn reason(self, reason: Reason) -> Reason {
        if self.lag > 0 { Reason::Settled } else { reason }
    }
}

/// A write, put together from its events.
#[derive(Clone, Debug)]
struct Write {
    mode: Mode,
    start: Time,
    fenced: bool,
    committing: Option<Time>,
    committed: Option<Time>,
    leaving: Option<Time>,
    ended: Option<(Time, Outcome)>,
    /// Where its process stands in the history.
    process: usize,
}

/// From some moment on, reads show at least this version.
#[derive(Clone, Copy, Debug)]
struct Bound {
    from: Time,
    version: u64,
    reason: Reason,
}

/// The bounds of one key for some of the reads.
#[derive(Debug, Default)]
struct Bounds(Vec<Bound>);

impl Bounds {
    fn add(&mut self, from: Time, version: u64, reason: Reason) {
        self.0.push(Bound { from, version, reason });
    }

    /// In the order of time, each as high as the highest before it.
    fn settle(&mut self) {
        self.0.sort_unstable_by_key(|bound| (bound.from, bound.version));
        let mut highest: Option<Bound> = None;
        for bound in &mut self.0 {
            match highest {
                Some(highest) if highest.version >= bound.version => {
                    (bound.version, bound.reason) = (highest.version, highest.reason);
                }
                _ => highest = Some(*bound),
            }
        }
    }

    /// What a read that begins then must at least show.
    fn at(&self, start: Time) -> Option<Bound> {
        let passed = self.0.partition_point(|bound| bound.from < start);
        passed.checked_sub(1).map(|last| self.0[last])
    }

    /// The same where each of them is heard of later: by a message, and after a silence when the level is given up.
    fn heard(&self, start: Time, given_up: Time, silenced: impl Fn(Time) -> bool) -> Option<Bound> {
        let passed = |late: Time| self.0.partition_point(|bound| bound.from + late < start);
        let (surely, at_best) = (passed(MESSAGE + given_up), passed(MESSAGE));
        let heard = (surely..at_best).rev().find(|place| !silenced(self.0[*place].from));
        heard.or(surely.checked_sub(1)).map(|last| Bound { reason: Reason::Heard, ..self.0[last] })
    }

    /// From when on reads that begin before that show a newer version, if they do.
    fn newer(&self, version: u64, start: Time) -> Option<Time> {
        let next = self.0.partition_point(|bound| bound.version <= version);
        self.0.get(next).map(|bound| bound.from).filter(|from| *from < start)
    }
}

/// Whether a process may not have heard what was said then.
fn is_silenced(history: &History, process: u64, said: Time) -> bool {
    history.faults.iter().any(|fault| {
        let concerns = match fault.silences {
            Silenced::Nobody => false,
            Silenced::Process(silenced) => silenced == process,
            Silenced::Everybody => true,
        };
        // What was lost is not heard later either: its connection has to be given up.
        concerns && fault.start <= said + MESSAGE && said <= fault.end + HEARTBEAT
    })
}

/// Everything that is wrong, in the order of the processes.
///
/// # Panics
/// Where a version has a writer that no process knows: then the history is not of this run.
#[must_use]
pub fn check(history: &History) -> (Vec<Violation>, Statistics) {
    let writes = writes(history);
    let versions = landings(history, &writes);
    let looks: Vec<_> = history.processes.iter().map(Looks::of).collect();
    let bounds = PROMISES.map(|promise| {
        settled(history.keys, |key, bounds| {
            any_read(history, promise, &looks, &writes, (&versions[&key], None), bounds);
            fenced_reads(history, promise, &writes, &versions[&key], bounds);
            if promise.invalidated {
                invalidations(&history.processes, key, &versions[&key], bounds);
            }
        })
    });

    let mut violations = Vec::new();
    let mut statistics = Statistics { versions: history.versions.len(), ..Statistics::default() };
    for (at, process) in history.processes.iter().enumerate() {
        let own_bounds = PROMISES.map(|promise| {
            settled(history.keys, |key, bounds| {
                own_writes(history, promise, &writes, at, &versions[&key], bounds);
                if promise.local {
                    any_read(history, promise, &looks, &writes, (&versions[&key], Some(at)), bounds);
                    invalidations(std::slice::from_ref(process), key, &versions[&key], bounds);
                }
            })
        });
        let number = process.number;
        if process.hung {
            violations.push(Violation::Hung { process: number });
        }
        for event in &process.events {
            let (start, end, function, loaded, items) = match event {
                Event::Unfinished { .. } => {
                    violations.push(Violation::Unfinished { process: number });
                    continue;
                }
                Event::Counted { stale, failed, local, .. } => {
                    statistics.local += local;
                    statistics.stale += stale;
                    statistics.failed += failed;
                    continue;
                }
                Event::Read { start, end, function, loaded, items } => {
                    (*start, *end, *function, *loaded, items)
                }
                _ => continue,
            };
            statistics.reads += 1;
            statistics.hits += usize::from(!loaded);
            let asked: Vec<u64> = match function.key() {
                Some(key) => vec![key],
                None => (0..history.keys).collect(),
            };
            let shown: Vec<u64> = items.iter().map(|item| item.key).collect();
            for item in items {
                let known = asked == shown && is_known(&versions[&item.key], &writes, *item, end);
                if !known {
                    violations.push(Violation::Unknown { process: number, read: event.clone(), got: *item });
                    continue;
                }
                let place = promise(function);
                let (of_any, of_own) = (&bounds[place][&item.key], &own_bounds[place][&item.key]);
                let of_any = if PROMISES[place].local {
                    statistics.held += 1;
                    let newer = of_any.newer(item.version, start);
                    statistics.lags.extend(newer.map(|from| start - from));
                    let silenced = |said| is_silenced(history, number, said);
                    of_any.heard(start, HEARTBEAT.min(history.local), silenced)
                } else {
                    of_any.at(start)
                };
                let bound = of_any.into_iter().chain(of_own.at(start)).max_by_key(|bound| bound.version);
                let Some(bound) = bound else { continue };
                statistics.judged[bound.reason as usize] += 1;
                if item.version < bound.version {
                    let index = usize::try_from(bound.version - 1).unwrap_or(usize::MAX);
                    violations.push(Violation::Stale {
                        process: number,
                        read: event.clone(),
                        got: *item,
                        wanted: versions[&item.key][index].item,
                        reason: bound.reason,
                    });
                }
            }
        }
    }
    (violations, statistics)
}

/// A version, and when it was certainly in the database.
#[derive(Clone, Copy, Debug)]
struct Version {
    item: Item,
    landed: Option<Time>,
}

fn writes(history: &History) -> HashMap<WriteId, Write> {
    let mut writes = HashMap::new();
    for (process, events) in history.processes.iter().map(|process| &process.events).enumerate() {
        for event in events {
            if let Event::Write { id, start, mode, .. } = *event {
                let write = Write {
                    mode,
                    start,
                    fenced: false,
                    committing: None,
                    committed: None,
                    leaving: None,
                    ended: None,
                    process,
                };
                writes.insert(id, write);
                continue;
            }
            let Some(write) = event.write().and_then(|id| writes.get_mut(&id)) else { continue };
            match *event {
                Event::Body { fenced, .. } => write.fenced = fenced,
                Event::Committing { at, .. } => write.committing = Some(at),
                Event::Committed { at, .. } => write.committed = Some(at),
                Event::Leaving { at, .. } => write.leaving = Some(at),
                Event::Written { end, outcome, .. } => write.ended = Some((end, outcome)),
                Event::Write { .. }
                | Event::Read { .. }
                | Event::Invalidated { .. }
                | Event::Clear { .. }
                | Event::Quiet { .. }
                | Event::Unfinished { .. }
                | Event::Counted { .. } => {}
            }
        }
    }
    writes
}

/// The versions of each key in their order; the one with the number `n` stands at `n - 1`.
fn landings(history: &History, writes: &HashMap<WriteId, Write>) -> BTreeMap<u64, Vec<Version>> {
    let mut versions: BTreeMap<u64, Vec<Version>> = (0..history.keys).map(|key| (key, Vec::new())).collect();
    for item in &history.versions {
        let write = writes.get(&item.writer).expect("somebody has noted the write of each version");
        // A process that is gone has nothing under way.
        let landed = write.committed.or(history.processes[write.process].killed);
        let of_key = versions.get_mut(&item.key).expect("a key of this run");
        assert_eq!(item.version, of_key.len() as u64 + 1, "the database numbers the versions of a key");
        of_key.push(Version { item: *item, landed });
    }
    // A version is there at the latest when the next one is.
    for of_key in versions.values_mut() {
        let mut next = None;
        for version in of_key.iter_mut().rev() {
            version.landed = version.landed.into_iter().chain(next).min();
            next = version.landed;
        }
    }
    versions
}

fn settled(keys: u64, mut fill: impl FnMut(u64, &mut Bounds)) -> BTreeMap<u64, Bounds> {
    (0..keys)
        .map(|key| {
            let mut bounds = Bounds::default();
            fill(key, &mut bounds);
            bounds.settle();
            (key, bounds)
        })
        .collect()
}

/// Whether what was read is what a write has made, and none that had not begun to commit.
fn is_known(versions: &[Version], writes: &HashMap<WriteId, Write>, item: Item, end: Time) -> bool {
    let Some(index) = item.version.checked_sub(1) else { return item.writer == 0 };
    let version = usize::try_from(index).ok().and_then(|index| versions.get(index));
    version.is_some_and(|version| version.item == item)
        && writes.get(&item.writer).and_then(|write| write.committing).is_some_and(|at| at <= end)
}

/// When loads of a function show a version that has landed, and whether the key was held until then where that was needed:
/// a write that its caller has left, or whose body has failed, lands behind its invalidation, and a replica shows what is
/// older.
fn shown(history: &History, promise: Promise, write: &Write, landed: Time) -> Option<Time> {
    let shown = landed + promise.lag;
    let held = match write.leaving {
        Some(leaving) if shown > leaving => {
            promise.holds.contains(&write.mode)
                && shown - leaving <= HOLD
                && !fences_were_lost(history, leaving, shown)
        }
        _ => true,
    };
    let settled = promise.lag == 0 || !fences_were_lost(history, write.start, shown);
    (held && settled).then_some(shown)
}

fn fences_were_lost(history: &History, start: Time, end: Time) -> bool {
    history.faults.iter().any(|fault| fault.destructive && fault.start <= end && start <= fault.end)
}

/// When a process had no invalidation to repeat, and when it had nothing under way at all: from when, until when.
#[derive(Debug)]
struct Looks {
    clear: Vec<(Time, Time)>,
    quiet: Vec<(Time, Time)>,
}

impl Looks {
    fn of(process: &Process) -> Self {
        let mut looks = Self { clear: Vec::new(), quiet: Vec::new() };
        for event in &process.events {
            match event {
                Event::Clear { start, end } => looks.clear.push((*start, *end)),
                Event::Quiet { start, end } => {
                    looks.clear.push((*start, *end));
                    looks.quiet.push((*start, *end));
                }
                _ => {}
            }
        }
        looks.clear.sort_unstable();
        looks.quiet.sort_unstable();
        looks
    }

    /// When the steps of a call that was over then were certainly acknowledged. The look must have begun later.
    fn first_after(&self, over: Time, outcome: Outcome) -> Option<Time> {
        let looks = if outcome == Outcome::Returned { &self.clear } else { &self.quiet };
        looks.get(looks.partition_point(|(start, _)| *start < over)).map(|(_, end)| *end)
    }
}

/// P1: for every reader, by the writes of all processes or of one.
fn any_read(
    history: &History,
    promise: Promise,
    looks: &[Looks],
    writes: &HashMap<WriteId, Write>,
    (versions, process): (&[Version], Option<usize>),
    bounds: &mut Bounds,
) {
    for version in versions {
        let write = &writes[&version.item.writer];
        let (Some(landed), Some((ended, outcome))) = (version.landed, write.ended) else { continue };
        if !promise.over.contains(&write.mode) || process.is_some_and(|process| process != write.process) {
            continue;
        }
        let Some(shown) = shown(history, promise, write, landed) else { continue };
        let Some(acknowledged) = looks[write.process].first_after(ended, outcome) else { continue };
        let reason = if outcome == Outcome::Left { Reason::Left } else { Reason::Returned };
        bounds.add(acknowledged.max(shown), version.item.version, promise.reason(reason));
    }
}

/// P1 within one process, acknowledged or not.
fn own_writes(
    history: &History,
    promise: Promise,
    writes: &HashMap<WriteId, Write>,
    process: usize,
    versions: &[Version],
    bounds: &mut Bounds,
) {
    for version in versions {
        let write = &writes[&version.item.writer];
        if write.process != process || !promise.over.contains(&write.mode) {
            continue;
        }
        if let (Some(landed), Some((ended, Outcome::Returned))) = (version.landed, write.ended)
            && let Some(shown) = shown(history, promise, write, landed)
        {
            bounds.add(ended.max(shown), version.item.version, promise.reason(Reason::OwnWrite));
        }
    }
}

/// P5: reads of the key that a write-through function owns, and of the targets of a strict write.
fn fenced_reads(
    history: &History,
    promise: Promise,
    writes: &HashMap<WriteId, Write>,
    versions: &[Version],
    bounds: &mut Bounds,
) {
    for version in versions {
        let write = &writes[&version.item.writer];
        let Some(landed) = version.landed else { continue };
        let stood = promise.fenced.contains(&write.mode)
            && write.fenced
            // Less a margin.
            && landed.saturating_sub(write.start) <= history.lease / 6 * 5
            && !fences_were_lost(history, write.start, landed)
            && shown(history, promise, write, landed).is_some();
        if stood {
            let reason = if write.mode == Mode::Strict { Reason::Strict } else { Reason::Committed };
            bounds.add(landed, version.item.version, reason);
        }
    }
}

/// Explicit ones, by these.
fn invalidations(processes: &[Process], invalidated: u64, versions: &[Version], bounds: &mut Bounds) {
    for event in processes.iter().flat_map(|process| &process.events) {
        let Event::Invalidated { start, end, key, acknowledged: true } = *event else { continue };
        if key != invalidated {
            continue;
        }
        let there = versions.iter().rfind(|version| version.landed.is_some_and(|landed| landed < start));
        if let Some(version) = there {
            bounds.add(end, version.item.version, Reason::Invalidated);
        }
    }
}

#[cfg(test)]
mod tests;
