//! An explorer of the protocol of an entry: every order of events, driven by the same pure functions as the runtime.
//!
//! A command is three events: sent, executed, answered. Between any two of them everybody else may act, callers may
//! be dropped, deadlines may pass, entries may be evicted and the server may come back from a snapshot. Each rule is
//! a switch ([`Rule`]); with any one of them off the explorer must find a broken promise, so that the model can fail.
#![expect(clippy::print_stdout, reason = "shown with --nocapture: how much was searched, and the traces")]

#[expect(dead_code, reason = "the explorer does not encode entries")]
#[path = "../../cache-runtime/src/domain/entry.rs"]
mod entry;

use std::collections::{HashMap, VecDeque};

use entry::{Acquired, Entry, Lease, Lifetime, Seen, Stored, Token, Value};

/// Versions of the one row in the database; the entry's value is the version that was read.
type Version = u8;

/// What keeps the promises. A run may do without one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// FILL stores only where the lease still stands.
    FillNeedsLease,
    /// INVALIDATE ends the lease of a load that is under way.
    InvalidateEndsLease,
    /// The loader starts after its lease was granted (rule 2).
    LoadAfterGrant,
    /// ACQUIRE is sent once (rule 1).
    AcquireOnce,
    /// Who joined a flight takes its result only as far as it is evidence (rule 3).
    Evidence,
    /// A write that was dropped holds its key (rule 5).
    Hold,
    /// A strict writer announces itself before it commits (rule 5).
    Begin,
    /// Of writers that overlap nobody stores (rule 6).
    SharedIsSticky,
    /// INVALIDATE marks a fence, so that its writer does not store (rule 7).
    InvalidateMarksFences,
    /// What was written before the server's start is void (rule 11).
    ServerStart,
    /// ACQUIRE is told which value was seen (rule 4).
    Seen,
    /// Each place in a fence has the token of its writer (rule 6).
    FencesHoldTokens,
    /// Until an invalidation is acknowledged its process does not read the key from the cache (rule 12).
    Recovery,
}

/// What becomes of a value past its soft deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stale {
    /// It is loaded anew.
    Loaded,
    /// It is served, and refreshed in the background.
    Revalidated,
    /// It is served where the load fails.
    IfError,
}

/// Who takes part, and what may happen.
#[derive(Clone, Copy, Debug)]
struct Scene {
    readers: usize,
    plain: usize,
    strict: usize,
    /// The readers share flights.
    one_process: bool,
    /// So many callers may be dropped.
    drops: u8,
    /// So many ENDs may be sent again.
    resends: u8,
    /// So many INVALIDATEs may find nobody, in the process that reads.
    outages: u8,
    /// Leases and places in a fence may end at any moment.
    leases_end: bool,
    /// The entry may be evicted or deleted at any moment.
    evictions: bool,
    /// The server may take a snapshot, and come back from it.
    snapshot: bool,
    /// P5 instead of P1: a strict write counts from its commit on.
    from_commit: bool,
    /// Values may pass their soft deadline at any moment, and then this is done with them.
    stale: Stale,
    /// Loads may fail.
    errors: bool,
    /// Strict writers fence a target, and store nothing in it.
    targets: bool,
    without: Option<Rule>,
}

const SCENE: Scene = Scene {
    readers: 2,
    plain: 1,
    strict: 0,
    one_process: false,
    drops: 0,
    resends: 0,
    outages: 0,
    leases_end: true,
    evictions: true,
    snapshot: false,
    from_commit: false,
    stale: Stale::Loaded,
    errors: false,
    targets: false,
    without: None,
};

impl Scene {
    fn keeps(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Cmd {
    Acquire(u8),
    Fill(u8, Version),
    Release(u8),
    Hold(u8),
    Invalidate,
    Begin(u8),
    End(u8, Version),
}

/// A command under way: not yet executed, or executed with its answer on the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Wire<T> {
    Sent,
    Executed(T),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Look {
    Value(Version),
    /// Past its soft deadline; with the number of its token.
    Stale(Version, u8),
    Fenced,
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Turn {
    Granted,
    Busy,
    Found(Version),
    Fenced,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Read {
    NotCalled,
    Get(Wire<Look>),
    /// `early`: what a loader that did not wait for its lease has read.
    Acquire {
        token: u8,
        good_for: u8,
        wire: Wire<Turn>,
        early: Option<Version>,
    },
    /// With its lease.
    Load {
        token: u8,
        started: u8,
    },
    /// Without one: nothing is stored. Under a fence others may join who have looked; else nobody.
    Bypass {
        good_for: u8,
        fenced: bool,
    },
    Fill {
        token: u8,
        value: Version,
        started: u8,
        filled: u8,
        wire: Wire<bool>,
    },
    Follow {
        leader: usize,
        joined: u8,
    },
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Reader {
    read: Read,
    /// The newest version whose write had returned when the call began.
    floor: Version,
    /// Pieces of evidence sent for, as a leader.
    sent: u8,
    /// Has waited for somebody else's load.
    waited: bool,
    /// A flight has ended since the call began.
    again: bool,
    /// The token of the value that was seen past its soft deadline, and that value where it may be served.
    seen: Option<u8>,
    stale: Option<Version>,
    /// The caller has been served; what goes on is a refresh that nobody waits for.
    background: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Write {
    NotCalled,
    Begin(Wire<()>),
    Body,
    Invalidate(Version, Wire<()>),
    End(Version, Wire<()>),
    /// Dropped: the commit may still land.
    Dropped {
        landed: Option<Version>,
        wire: Wire<()>,
    },
    Done,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    entry: Entry<Version>,
    row: Version,
    /// The newest version that every read which begins now must see.
    returned: Version,
    readers: Vec<Reader>,
    writers: Vec<Write>,
    /// Commands of callers that are gone: executed at any moment, or never.
    late: Vec<Cmd>,
    drops: u8,
    resends: u8,
    outages: u8,
    /// An invalidation that is repeated until it is acknowledged.
    recovery: Option<Wire<()>>,
    snapshot: Option<Entry<Version>>,
    restarted: bool,
}

/// Long enough: deadlines pass by an event of their own.
const LONG: u64 = 1_000;
const LIFETIME: Lifetime = Lifetime { fresh: LONG, total: LONG };

fn token(number: u8) -> Token {
    Token([number + 1; 16])
}

/// A read that returned what it must not, or a load that there must not be.
#[derive(Debug)]
struct Broken(String);

type Next = Vec<(String, Result<World, Broken>)>;

impl World {
    fn new(scene: &Scene) -> Self {
        let reader = Reader {
            read: Read::NotCalled,
            floor: 0,
            sent: 0,
            waited: false,
            again: false,
            seen: None,
            stale: None,
            background: false,
        };
        Self {
            entry: Entry::Missing,
            row: 0,
            returned: 0,
            readers: vec![reader; scene.readers],
            writers: vec![Write::NotCalled; scene.plain + scene.strict],
            late: Vec::new(),
            drops: scene.drops,
            resends: scene.resends,
            outages: scene.outages,
            recovery: None,
            snapshot: None,
            restarted: false,
        }
    }

    fn now(&self) -> u64 {
        u64::from(self.restarted)
    }

    fn server_start(&self, scene: &Scene) -> u64 {
        if scene.keeps(Rule::ServerStart) { self.now() } else { 0 }
    }

    fn settled(&mut self, scene: &Scene) -> Entry<Version> {
        let (now, start) = (self.now(), self.server_start(scene));
        std::mem::take(&mut self.entry).settle(now, start)
    }

    fn look(&mut self, scene: &Scene) -> Look {
        self.entry = self.settled(scene);
        match &self.entry {
            Entry::Value { value, .. } if self.now() < value.fresh_until => Look::Value(value.body),
            Entry::Value { value, .. } => Look::Stale(value.body, value.id.0[0] - 1),
            Entry::Fence { .. } => Look::Fenced,
            Entry::Missing | Entry::Lease { .. } => Look::Nothing,
        }
    }

    fn acquire(&mut self, scene: &Scene, number: u8, seen: Option<u8>) -> Result<Turn, Broken> {
        let entry = self.settled(scene);
        let id = match &entry {
            Entry::Value { value, .. } => Some(value.id),
            _ => None,
        };
        let fresh = matches!(&entry, Entry::Value { value, .. } if self.now() < value.fresh_until);
        let told = match (seen, id) {
            (Some(_), Some(there)) if !scene.keeps(Rule::Seen) => Seen::Keep(there),
            (Some(seen), _) => Seen::Keep(token(seen)),
            (None, _) => Seen::Nothing,
        };
        let (entry, answer) = entry.acquire(self.now(), token(number), told, LONG);
        self.entry = entry;
        if answer == Acquired::Granted && fresh && seen.map(token) != id {
            return Err(Broken("the next value is there already, and is loaded once more".to_owned()));
        }
        if !scene.keeps(Rule::AcquireOnce) && self.drops > 0 {
            self.drops -= 1;
            self.later(Cmd::Acquire(number));
        }
        Ok(match answer {
            Acquired::Granted => Turn::Granted,
            Acquired::Busy(_) => Turn::Busy,
            Acquired::Found(value) => Turn::Found(value.body),
            Acquired::Fenced => Turn::Fenced,
        })
    }

    fn fill(&mut self, scene: &Scene, number: u8, value: Version) -> bool {
        let (now, token) = (self.now(), token(number));
        let mut entry = self.settled(scene);
        if !scene.keeps(Rule::FillNeedsLease) && !matches!(entry, Entry::Fence { .. }) {
            entry = Entry::Lease { created: now, lease: Lease { token, until: now + LONG } };
        }
        let (entry, stored) = entry.fill(now, token, LIFETIME, value);
        self.entry = entry;
        stored == Stored::Yes
    }

    fn execute(&mut self, scene: &Scene, cmd: Cmd) {
        match cmd {
            Cmd::Acquire(number) => {
                // Of a caller that is gone: it has seen nothing.
                drop(self.acquire(scene, number, None));
            }
            Cmd::Fill(number, value) => {
                self.fill(scene, number, value);
            }
            Cmd::Release(number) => self.entry = self.settled(scene).release(token(number)),
            Cmd::Hold(number) => {
                self.entry = self.settled(scene).hold(self.now(), token(number), LONG);
            }
            Cmd::Invalidate => {
                self.entry = match self.settled(scene) {
                    Entry::Value { lease: Some(lease), .. } | Entry::Lease { lease, .. }
                        if !scene.keeps(Rule::InvalidateEndsLease) =>
                    {
                        Entry::Lease { created: self.now(), lease }
                    }
                    fence @ Entry::Fence { .. } if !scene.keeps(Rule::InvalidateMarksFences) => fence,
                    entry => entry.invalidate(),
                }
            }
            Cmd::Begin(number) => {
                self.entry = self.settled(scene).begin(self.now(), token(number), LONG);
            }
            Cmd::End(number, value) => {
                let mut entry = self.settled(scene);
                if let Entry::Fence { shared, .. } = &mut entry
                    && !scene.keeps(Rule::SharedIsSticky)
                {
                    *shared = false;
                }
                if let Entry::Fence { writers, .. } = &mut entry
                    && !scene.keeps(Rule::FencesHoldTokens)
                    && let Some(first) = writers.first_mut()
                {
                    first.token = token(number);
                }
                let stored = (!scene.targets).then_some((LIFETIME, value));
                self.entry = entry.end(self.now(), token(number), stored).0;
            }
        }
    }

    fn later(&mut self, cmd: Cmd) {
        self.late.push(cmd);
        self.late.sort_unstable();
    }

    /// Everybody who was called has returned.
    fn is_done(&self) -> bool {
        self.readers.iter().all(|reader| matches!(reader.read, Read::Done | Read::NotCalled))
            && self.writers.iter().all(|write| matches!(write, Write::Done | Write::NotCalled))
    }

    /// The caller of a read gets a value.
    fn serve(mut self, reader: usize, value: Version) -> Result<Self, Broken> {
        let Reader { floor, background, .. } = self.readers[reader];
        if value < floor && !background {
            return Err(Broken(format!("reader {reader} began after version {floor} and got {value}")));
        }
        self.readers[reader].read = Read::Done;
        Ok(self)
    }

    /// A leader ends its flight. `None`: without a result.
    fn land(mut self, scene: &Scene, leader: usize, result: Option<(Version, u8)>) -> Result<Self, Broken> {
        // Before anybody starts over: the flight is closed.
        self.readers[leader].read = Read::Done;
        for follower in 0..self.readers.len() {
            let Read::Follow { leader: of, joined } = self.readers[follower].read else { continue };
            if of != leader {
                continue;
            }
            match result {
                Some((value, good_for)) if joined <= good_for || !scene.keeps(Rule::Evidence) => {
                    self = self.serve(follower, value)?;
                }
                _ => {
                    self.readers[follower].again = true;
                    (self.readers[follower].seen, self.readers[follower].stale) = (None, None);
                    self.begin_read(scene, follower);
                }
            }
        }
        match result {
            Some((value, _)) => self.serve(leader, value),
            None => Ok(self),
        }
    }

    /// Joins a flight, if there is one. Who has `looked` may join one that stores nothing because of a fence.
    fn follow(&mut self, scene: &Scene, reader: usize, looked: bool) -> bool {
        let leads = |other: &Reader| match other.read {
            Read::Acquire { .. } | Read::Load { .. } | Read::Fill { .. } => !other.background,
            Read::Bypass { fenced, .. } => fenced && looked,
            _ => false,
        };
        let leader = (0..self.readers.len())
            .find(|other| scene.one_process && *other != reader && leads(&self.readers[*other]));
        let Some(leader) = leader else { return false };
        let joined = if self.readers[reader].again { 0 } else { self.readers[leader].sent };
        self.readers[reader].read = Read::Follow { leader, joined };
        true
    }

    fn begin_read(&mut self, scene: &Scene, reader: usize) {
        if self.recovery.is_some() && scene.keeps(Rule::Recovery) {
            let good_for = self.send_for(reader);
            self.readers[reader].read = Read::Bypass { good_for, fenced: false };
            return;
        }
        if !self.follow(scene, reader, false) {
            self.readers[reader].read = Read::Get(Wire::Sent);
        }
    }

    fn send_acquire(&mut self, scene: &Scene, reader: usize) {
        let Reader { waited, background, .. } = self.readers[reader];
        if !waited && !background && self.follow(scene, reader, true) {
            return;
        }
        let number = u8::try_from(reader).expect("few readers") * 2 + u8::from(self.readers[reader].waited);
        let early = (!scene.keeps(Rule::LoadAfterGrant)).then_some(self.row);
        let good_for = self.send_for(reader);
        self.readers[reader].read = Read::Acquire { token: number, good_for, wire: Wire::Sent, early };
    }

    fn send_for(&mut self, reader: usize) -> u8 {
        let sent = &mut self.readers[reader].sent;
        *sent += 1;
        *sent - 1
    }
}

/// All that may happen next.
fn next(scene: &Scene, world: &World) -> Next {
    let mut next = Next::new();
    for reader in 0..world.readers.len() {
        read_events(scene, world, reader, &mut next);
    }
    for writer in 0..world.writers.len() {
        write_events(scene, world, writer, &mut next);
    }
    for (at, cmd) in world.late.iter().enumerate() {
        let mut after = world.clone();
        after.late.remove(at);
        after.execute(scene, *cmd);
        next.push((format!("late {cmd:?} executed"), Ok(after)));
    }
    surroundings(scene, world, &mut next);
    next
}

fn read_events(scene: &Scene, world: &World, at: usize, next: &mut Next) {
    let mut after = world.clone();
    let reader = world.readers[at];
    let (event, result) = match reader.read {
        Read::Done | Read::Follow { .. } => return,
        Read::NotCalled => {
            after.readers[at].floor = world.returned;
            after.begin_read(scene, at);
            ("called", Ok(after))
        }
        Read::Get(Wire::Sent) => {
            after.readers[at].read = Read::Get(Wire::Executed(after.look(scene)));
            ("GET executed", Ok(after))
        }
        Read::Get(Wire::Executed(look)) => {
            let result = match look {
                Look::Value(value) => after.serve(at, value),
                Look::Fenced => {
                    if !after.follow(scene, at, true) {
                        let good_for = after.send_for(at);
                        after.readers[at].read = Read::Bypass { good_for, fenced: true };
                    }
                    Ok(after)
                }
                Look::Stale(value, id) => match scene.stale {
                    Stale::Loaded => {
                        after.send_acquire(scene, at);
                        Ok(after)
                    }
                    Stale::IfError => {
                        (after.readers[at].seen, after.readers[at].stale) = (Some(id), Some(value));
                        after.send_acquire(scene, at);
                        Ok(after)
                    }
                    Stale::Revalidated => after.serve(at, value).map(|mut after| {
                        (after.readers[at].seen, after.readers[at].background) = (Some(id), true);
                        after.send_acquire(scene, at);
                        after
                    }),
                },
                Look::Nothing => {
                    after.send_acquire(scene, at);
                    Ok(after)
                }
            };
            ("GET answered", result)
        }
        Read::Acquire { token, good_for, wire: Wire::Sent, early } => {
            let result = after.acquire(scene, token, reader.seen).map(|turn| {
                let wire = Wire::Executed(turn);
                after.readers[at].read = Read::Acquire { token, good_for, wire, early };
                after
            });
            ("ACQUIRE executed", result)
        }
        Read::Acquire { token, good_for, wire: Wire::Executed(turn), early } => {
            let result = match turn {
                Turn::Granted => {
                    let started = after.send_for(at);
                    after.readers[at].read = match early {
                        None => Read::Load { token, started },
                        Some(value) => {
                            let filled = after.send_for(at);
                            Read::Fill { token, value, started, filled, wire: Wire::Sent }
                        }
                    };
                    Ok(after)
                }
                Turn::Found(value) => after.land(scene, at, Some((value, good_for))),
                Turn::Busy | Turn::Fenced if reader.background => after.land(scene, at, None),
                Turn::Busy if !reader.waited => {
                    // Whenever it looks again; once.
                    after.readers[at].waited = true;
                    after.readers[at].seen = None;
                    after.send_acquire(scene, at);
                    Ok(after)
                }
                Turn::Busy | Turn::Fenced => {
                    let good_for = after.send_for(at);
                    after.readers[at].read = Read::Bypass { good_for, fenced: turn == Turn::Fenced };
                    Ok(after)
                }
            };
            ("ACQUIRE answered", result)
        }
        Read::Load { token, started } => {
            let filled = after.send_for(at);
            after.readers[at].read =
                Read::Fill { token, value: world.row, started, filled, wire: Wire::Sent };
            ("loaded", Ok(after))
        }
        Read::Bypass { good_for, .. } => ("loaded", after.land(scene, at, Some((world.row, good_for)))),
        Read::Fill { token, value, started, filled, wire: Wire::Sent } => {
            let wire = Wire::Executed(after.fill(scene, token, value));
            after.readers[at].read = Read::Fill { token, value, started, filled, wire };
            ("FILL executed", Ok(after))
        }
        Read::Fill { value, started, filled, wire: Wire::Executed(stored), .. } => {
            let good_for = if stored { filled } else { started };
            ("FILL answered", after.land(scene, at, Some((value, good_for))))
        }
    };
    next.push((format!("reader {at}: {event}"), result));
    if let (Read::Load { token, .. }, true) = (reader.read, scene.errors) {
        let mut after = world.clone();
        after.later(Cmd::Release(token));
        let failed = after.land(scene, at, None);
        let served = failed.and_then(|after| match reader.stale {
            Some(stale) => after.serve(at, stale),
            None => Ok(after),
        });
        next.push((format!("reader {at}: its load failed"), served));
    }
    if world.drops > 0 {
        let mut after = world.clone();
        after.drops -= 1;
        match reader.read {
            Read::Acquire { token, wire, .. } => {
                if wire == Wire::Sent {
                    after.later(Cmd::Acquire(token));
                }
                after.later(Cmd::Release(token));
            }
            Read::Load { token, .. } => after.later(Cmd::Release(token)),
            Read::Fill { token, value, wire: Wire::Sent, .. } => {
                after.later(Cmd::Fill(token, value));
                after.later(Cmd::Release(token));
            }
            _ => return,
        }
        next.push((format!("reader {at}: dropped"), after.land(scene, at, None)));
    }
}

fn write_events(scene: &Scene, world: &World, at: usize, next: &mut Next) {
    let mut after = world.clone();
    let number = 100 + u8::try_from(at).expect("few writers");
    let strict = at >= scene.plain;
    let event = match world.writers[at] {
        Write::Done => return,
        Write::NotCalled if strict && scene.keeps(Rule::Begin) => {
            after.writers[at] = Write::Begin(Wire::Sent);
            "called"
        }
        Write::NotCalled => {
            after.writers[at] = Write::Body;
            "called"
        }
        Write::Begin(Wire::Sent) => {
            after.execute(scene, Cmd::Begin(number));
            after.writers[at] = Write::Begin(Wire::Executed(()));
            "BEGIN executed"
        }
        Write::Begin(Wire::Executed(())) => {
            after.writers[at] = Write::Body;
            "BEGIN answered"
        }
        Write::Body => {
            after.row += 1;
            let version = after.row;
            if strict && scene.from_commit {
                after.returned = version;
            }
            after.writers[at] =
                if strict { Write::End(version, Wire::Sent) } else { Write::Invalidate(version, Wire::Sent) };
            "committed"
        }
        Write::Invalidate(version, Wire::Sent) => {
            if world.outages > 0 {
                let mut out = after.clone();
                out.outages -= 1;
                out.recovery = Some(Wire::Sent);
                out.returned = out.returned.max(version);
                out.writers[at] = Write::Done;
                next.push((format!("writer {at}: returned, and its INVALIDATE is repeated"), Ok(out)));
            }
            after.execute(scene, Cmd::Invalidate);
            after.writers[at] = Write::Invalidate(version, Wire::Executed(()));
            "INVALIDATE executed"
        }
        Write::End(version, Wire::Sent) => {
            after.execute(scene, Cmd::End(number, version));
            after.writers[at] = Write::End(version, Wire::Executed(()));
            if world.resends > 0 {
                let mut again = after.clone();
                again.resends -= 1;
                again.later(Cmd::End(number, version));
                next.push((format!("writer {at}: END executed, and sent again"), Ok(again)));
            }
            "END executed"
        }
        Write::Invalidate(version, Wire::Executed(())) | Write::End(version, Wire::Executed(())) => {
            after.returned = after.returned.max(version);
            after.writers[at] = Write::Done;
            "returned"
        }
        Write::Dropped { landed, wire: Wire::Sent } => {
            after.execute(scene, if scene.keeps(Rule::Hold) { Cmd::Hold(number) } else { Cmd::Invalidate });
            after.writers[at] = Write::Dropped { landed, wire: Wire::Executed(()) };
            "the step after a drop executed"
        }
        Write::Dropped { landed, wire: Wire::Executed(()) } => {
            if scene.keeps(Rule::Hold) && is_fenced(world, number) {
                ""
            } else {
                // What has landed within the hold counts as written from its end on.
                after.returned = after.returned.max(landed.unwrap_or(0));
                after.writers[at] = Write::Done;
                "the hold is over"
            }
        }
    };
    if !event.is_empty() {
        next.push((format!("writer {at}: {event}"), Ok(after)));
    }
    match world.writers[at] {
        Write::Body if world.drops > 0 => {
            let mut after = world.clone();
            after.drops -= 1;
            after.writers[at] = Write::Dropped { landed: None, wire: Wire::Sent };
            next.push((format!("writer {at}: dropped"), Ok(after)));
        }
        Write::Dropped { landed: None, wire }
            if wire == Wire::Sent || !scene.keeps(Rule::Hold) || is_fenced(world, number) =>
        {
            let mut after = world.clone();
            after.row += 1;
            after.writers[at] = Write::Dropped { landed: Some(after.row), wire };
            next.push((format!("writer {at}: committed after all"), Ok(after)));
        }
        _ => {}
    }
}

fn is_fenced(world: &World, number: u8) -> bool {
    let writer = token(number);
    matches!(&world.entry, Entry::Fence { writers, .. }
        if writers.iter().any(|lease| lease.token == writer && lease.until > world.now()))
}

/// Deadlines, eviction, snapshots, and what is repeated in the background.
fn surroundings(scene: &Scene, world: &World, next: &mut Next) {
    if let Some(wire) = world.recovery {
        let mut after = world.clone();
        let event = match wire {
            Wire::Sent => {
                after.execute(scene, Cmd::Invalidate);
                after.recovery = Some(Wire::Executed(()));
                "the repeated INVALIDATE executed"
            }
            Wire::Executed(()) => {
                after.recovery = None;
                "the repeated INVALIDATE acknowledged"
            }
        };
        next.push((event.to_owned(), Ok(after)));
    }
    let mut change = |event: &str, entry: Entry<Version>| {
        let mut after = world.clone();
        after.entry = entry;
        next.push((event.to_owned(), Ok(after)));
    };
    if scene.leases_end {
        match &world.entry {
            Entry::Lease { .. } => change("the lease ends", Entry::Missing),
            Entry::Value { value, lease: Some(_) } => {
                change("the lease ends", Entry::Value { value: value.clone(), lease: None });
            }
            Entry::Fence { created, writers, shared } => {
                for place in 0..writers.len() {
                    let mut writers = writers.clone();
                    writers.remove(place);
                    let fence = Entry::Fence { created: *created, writers, shared: *shared };
                    change("a place in the fence ends", fence.settle(world.now(), 0));
                }
            }
            Entry::Missing | Entry::Value { .. } => {}
        }
    }
    if scene.stale != Stale::Loaded
        && let Entry::Value { value, lease } = &world.entry
        && world.now() < value.fresh_until
    {
        let value = Value { fresh_until: world.now(), ..value.clone() };
        change("past its soft deadline", Entry::Value { value, lease: *lease });
    }
    if scene.evictions && world.entry != Entry::Missing {
        change("evicted", Entry::Missing);
    }
    if scene.snapshot && !world.restarted {
        if world.snapshot.is_none() && world.entry != Entry::Missing {
            let mut after = world.clone();
            after.snapshot = Some(world.entry.clone());
            next.push(("snapshot".to_owned(), Ok(after)));
        }
        if let Some(snapshot) = &world.snapshot {
            let mut after = world.clone();
            after.entry = snapshot.clone();
            after.restarted = true;
            next.push(("restarted from the snapshot".to_owned(), Ok(after)));
        }
    }
}

/// What an exploration has found.
struct Explored {
    states: usize,
    /// The way to the first stale read.
    stale: Option<Vec<String>>,
    /// A state from which some living caller can never finish.
    stuck: Option<Vec<String>>,
}

/// Visits every state that can be reached, nearest first.
fn explore(scene: &Scene) -> Explored {
    let first = World::new(scene);
    let mut numbers = HashMap::from([(first.clone(), 0_usize)]);
    let mut ways: Vec<(usize, String)> = vec![(0, String::new())];
    let mut before: Vec<Vec<usize>> = vec![Vec::new()];
    let mut done = vec![true];
    let mut queue = VecDeque::from([(0, first)]);
    let way = |ways: &[(usize, String)], mut at: usize| {
        let mut events = Vec::new();
        while at != 0 {
            events.push(ways[at].1.clone());
            at = ways[at].0;
        }
        events.reverse();
        events
    };
    while let Some((from, world)) = queue.pop_front() {
        for (event, result) in next(scene, &world) {
            let after = match result {
                Ok(after) => after,
                Err(Broken(what)) => {
                    let mut events = way(&ways, from);
                    events.extend([event, what]);
                    return Explored { states: ways.len(), stale: Some(events), stuck: None };
                }
            };
            if let Some(known) = numbers.get(&after) {
                before[*known].push(from);
                continue;
            }
            let number = ways.len();
            numbers.insert(after.clone(), number);
            ways.push((from, event));
            before.push(vec![from]);
            done.push(after.is_done());
            queue.push_back((number, after));
        }
    }
    // P4, backwards from where everybody has returned.
    let mut can: Vec<bool> = done.clone();
    let mut open: Vec<usize> = (0..can.len()).filter(|at| can[*at]).collect();
    while let Some(at) = open.pop() {
        for &from in &before[at] {
            if !std::mem::replace(&mut can[from], true) {
                open.push(from);
            }
        }
    }
    let stuck = can.iter().position(|can| !can).map(|at| way(&ways, at));
    Explored { states: ways.len(), stale: None, stuck }
}

#[track_caller]
fn holds(scene: Scene) {
    let explored = explore(&scene);
    println!("{} states: {scene:?}", explored.states);
    assert_eq!(explored.stale, None, "a stale read");
    assert_eq!(explored.stuck, None, "somebody can never finish");
    assert!(explored.states > 500, "the scene is too small to say anything");
}

/// The same scene holds with the rule, and breaks without it.
#[track_caller]
fn needs(rule: Rule, scene: Scene) {
    holds(scene);
    let explored = explore(&Scene { without: Some(rule), ..scene });
    let events = explored.stale.unwrap_or_else(|| panic!("nothing breaks without {rule:?}"));
    println!("without {rule:?}: {events:#?}");
}

#[test]
fn a_fill_needs_its_lease() {
    needs(Rule::FillNeedsLease, SCENE);
}

#[test]
fn an_invalidation_ends_leases() {
    needs(Rule::InvalidateEndsLease, SCENE);
}

#[test]
fn a_load_starts_after_its_lease_was_granted() {
    needs(Rule::LoadAfterGrant, SCENE);
}

#[test]
fn an_acquire_is_sent_once() {
    needs(Rule::AcquireOnce, Scene { drops: 1, ..SCENE });
}

#[test]
fn a_follower_takes_evidence_only() {
    needs(Rule::Evidence, Scene { one_process: true, ..SCENE });
}

#[test]
fn followers_go_on_when_their_leader_is_dropped() {
    holds(Scene { one_process: true, drops: 1, ..SCENE });
}

#[test]
fn a_dropped_write_holds_its_key() {
    needs(Rule::Hold, Scene { drops: 1, evictions: false, ..SCENE });
}

#[test]
fn strict_writes_count_from_their_commit_on() {
    let scene =
        Scene { plain: 0, strict: 1, leases_end: false, evictions: false, from_commit: true, ..SCENE };
    needs(Rule::Begin, scene);
}

#[test]
fn of_writers_that_overlap_nobody_stores() {
    needs(Rule::SharedIsSticky, Scene { readers: 1, plain: 0, strict: 2, ..SCENE });
}

#[test]
fn an_invalidation_marks_fences() {
    needs(Rule::InvalidateMarksFences, Scene { readers: 1, plain: 1, strict: 1, ..SCENE });
}

#[test]
fn a_snapshot_brings_nothing_back() {
    needs(Rule::ServerStart, Scene { evictions: false, leases_end: false, snapshot: true, ..SCENE });
}

#[test]
fn a_refresh_is_of_the_value_that_was_seen() {
    let scene = Scene { stale: Stale::Revalidated, leases_end: false, evictions: false, readers: 3, ..SCENE };
    needs(Rule::Seen, Scene { plain: 0, ..scene });
}

#[test]
fn what_is_stale_is_never_older_than_a_write() {
    holds(Scene { stale: Stale::Revalidated, ..SCENE });
    holds(Scene { stale: Stale::IfError, errors: true, ..SCENE });
    holds(Scene { stale: Stale::Revalidated, one_process: true, evictions: false, ..SCENE });
    holds(Scene { stale: Stale::IfError, errors: true, one_process: true, evictions: false, ..SCENE });
    needs(Rule::InvalidateEndsLease, Scene { stale: Stale::Revalidated, evictions: false, ..SCENE });
    needs(
        Rule::ServerStart,
        Scene { stale: Stale::Revalidated, evictions: false, leases_end: false, snapshot: true, ..SCENE },
    );
}

#[test]
fn places_in_a_fence_have_tokens() {
    let scene = Scene { readers: 1, plain: 0, strict: 2, resends: 1, evictions: false, ..SCENE };
    needs(Rule::FencesHoldTokens, Scene { leases_end: false, from_commit: true, ..scene });
}

#[test]
fn a_strict_write_fences_its_target() {
    let scene = Scene { plain: 0, strict: 1, targets: true, from_commit: true, ..SCENE };
    let scene = Scene { leases_end: false, evictions: false, ..scene };
    needs(Rule::Begin, scene);
    holds(Scene { one_process: true, ..scene });
}

#[test]
fn readers_under_a_fence_share_evidence_only() {
    let scene = Scene { readers: 3, plain: 0, strict: 1, one_process: true, evictions: false, ..SCENE };
    needs(Rule::Evidence, Scene { leases_end: false, from_commit: true, ..scene });
}

#[test]
fn an_invalidation_is_repeated_until_it_is_acknowledged() {
    let scene = Scene { one_process: true, outages: 1, ..SCENE };
    needs(Rule::Recovery, scene);
    holds(Scene { plain: 2, evictions: false, ..scene });
}

#[test]
fn followers_go_on_when_a_load_fails() {
    holds(Scene { one_process: true, errors: true, ..SCENE });
}

#[test]
fn everybody_at_once() {
    holds(Scene { readers: 3, one_process: true, ..SCENE });
    holds(Scene { readers: 2, plain: 1, strict: 1, drops: 1, evictions: false, ..SCENE });
    holds(Scene { readers: 2, plain: 0, strict: 2, ..SCENE });
    holds(Scene { readers: 2, plain: 2, drops: 1, evictions: false, ..SCENE });
    if !std::env::var("CACHE_MODEL").is_ok_and(|depth| depth == "deep") {
        return;
    }
    // Minutes, and gigabytes: `cargo xtask soak`.
    let stale = [Stale::Loaded, Stale::Revalidated, Stale::IfError];
    for stale in stale {
        holds(Scene { readers: 3, one_process: true, drops: 1, errors: true, stale, ..SCENE });
        holds(Scene { readers: 2, plain: 1, strict: 1, stale, errors: true, evictions: false, ..SCENE });
    }
    holds(Scene { readers: 3, plain: 1, strict: 1, one_process: true, ..SCENE });
    holds(Scene { readers: 2, plain: 1, strict: 1, drops: 1, snapshot: true, ..SCENE });
    holds(Scene { readers: 1, plain: 0, strict: 3, resends: 1, ..SCENE });
}
