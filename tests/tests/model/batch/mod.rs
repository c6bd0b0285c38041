//! Calls for several keys: one look-up, a lease for each, one body for those granted, and only then a wait for others.
//!
//! A call for one key is a batch of one. A wait ends when its lease is gone, never by itself: two calls that wait for each
//! other are found as a state from which nobody can finish.

mod call;
mod scenes;

use crate::{
    LIFETIME, LONG, Version, Wire,
    entry::{Acquired, Entry, Lease, Seen, Stored, Token},
    explorer::{self, Broken, Event, Next},
    token,
};

/// What keeps the promises: rules 3, 13 and 18. A run may do without one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// The body starts after each of its leases was granted.
    LoadAfterGrants,
    /// No lease is held while a call waits.
    FillBeforeWaiting,
    /// A call waits for leases and for flights at once, not first for the flights that others lead.
    WaitSideBySide,
    /// A flight whose wait brought nothing ends before its leader waits for anything else.
    LeaveFlights,
    /// Who joined a flight takes its result only as far as it is evidence.
    Evidence,
    /// FILL stores only where the lease still stands.
    FillNeedsLease,
}

/// A call: its process, and its keys in their order.
#[derive(Clone, Copy, Debug)]
struct Caller(usize, &'static [usize]);

#[derive(Clone, Copy, Debug)]
struct Scene {
    callers: &'static [Caller],
    /// Plain writes, by their keys.
    plain: &'static [usize],
    /// Write-throughs, by their keys.
    strict: &'static [usize],
    /// The keys are leased at the start, by nobody who is here.
    leased: bool,
    evictions: bool,
    leases_end: bool,
    without: Option<Rule>,
}

const SCENE: Scene = Scene {
    callers: &[Caller(0, &[0, 1]), Caller(1, &[1, 0])],
    plain: &[0],
    strict: &[],
    leased: false,
    evictions: false,
    leases_end: false,
    without: None,
};

impl Scene {
    fn keeps(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}

const KEYS: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Look {
    Value(Version),
    Fenced,
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Turn {
    Granted,
    Busy(Token),
    Found(Version),
    Fenced,
}

/// One key of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Slot {
    NotAsked,
    Looked(Look),
    /// This call leads the flight: ACQUIRE, and its answer.
    Ask(Option<Turn>),
    Granted,
    /// To be loaded, and not stored.
    Unstored,
    Fill(Version, Wire<bool>),
    /// Somebody else's lease.
    Busy(Token),
    /// The lease is gone: GET, and its answer.
    Again(u8, Option<Look>),
    Follow {
        leader: usize,
        joined: u8,
    },
    /// For the second run.
    Still,
    Held,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    NotCalled,
    Look,
    /// Leads or joins a flight, key by key.
    Join,
    Ask {
        good_for: u8,
    },
    Load {
        started: u8,
    },
    Fill {
        started: u8,
        filled: u8,
    },
    Wait,
    Second {
        started: u8,
    },
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Call {
    phase: Phase,
    slots: [Slot; KEYS],
    floor: [Version; KEYS],
    /// Pieces of evidence sent for, as a leader.
    sent: u8,
    /// What a body that did not wait for all its leases has read.
    early: Option<[Version; KEYS]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Write {
    NotCalled,
    Body,
    Finish(Version, Wire<()>),
    Done,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    entries: [Entry<Version>; KEYS],
    rows: [Version; KEYS],
    returned: [Version; KEYS],
    calls: Vec<Call>,
    writes: Vec<Write>,
}

impl explorer::World for World {
    type Scene = Scene;

    fn new(scene: &Scene) -> Self {
        let call = Call {
            phase: Phase::NotCalled,
            slots: [Slot::NotAsked; KEYS],
            floor: [0; KEYS],
            sent: 0,
            early: None,
        };
        let lease = Lease { token: token(99), until: LONG };
        let entry = if scene.leased { Entry::Lease { created: 0, lease } } else { Entry::Missing };
        Self {
            entries: [entry.clone(), entry],
            rows: [0; KEYS],
            returned: [0; KEYS],
            calls: vec![call; scene.callers.len()],
            writes: vec![Write::NotCalled; scene.plain.len() + scene.strict.len()],
        }
    }

    fn next(&self, scene: &Scene) -> Next<Self> {
        let mut next = Next::new();
        for call in 0..self.calls.len() {
            call::events(scene, self, call, &mut next);
        }
        for write in 0..self.writes.len() {
            self.write_events(scene, write, &mut next);
        }
        for (key, entry) in self.entries.iter().enumerate() {
            let ends = match entry {
                Entry::Missing => false,
                Entry::Lease { .. } | Entry::Fence { .. } => scene.leases_end,
                Entry::Value { .. } => scene.evictions,
            };
            if ends {
                let mut after = self.clone();
                after.entries[key] = Entry::Missing;
                next.push((Event("entry", key, "ends"), Ok(after)));
            }
        }
        next
    }

    fn is_done(&self) -> bool {
        self.calls.iter().all(|call| matches!(call.phase, Phase::Done | Phase::NotCalled))
            && self.writes.iter().all(|write| matches!(write, Write::Done | Write::NotCalled))
    }
}

impl World {
    fn take(&mut self, key: usize) -> Entry<Version> {
        std::mem::take(&mut self.entries[key]).settle(0, 0)
    }

    fn look(&self, key: usize) -> Look {
        match &self.entries[key] {
            Entry::Value { value, .. } => Look::Value(value.body),
            Entry::Fence { .. } => Look::Fenced,
            Entry::Missing | Entry::Lease { .. } => Look::Nothing,
        }
    }

    fn acquire(&mut self, key: usize, number: u8) -> Turn {
        let (entry, answer) = self.take(key).acquire(0, token(number), Seen::Nothing, LONG);
        self.entries[key] = entry;
        match answer {
            Acquired::Granted => Turn::Granted,
            Acquired::Busy(lease) => Turn::Busy(lease.token),
            Acquired::Found(value) => Turn::Found(value.body),
            Acquired::Fenced => Turn::Fenced,
        }
    }

    fn fill(&mut self, scene: &Scene, key: usize, number: u8, value: Version) -> bool {
        let mut entry = self.take(key);
        if !scene.keeps(Rule::FillNeedsLease) && !matches!(entry, Entry::Fence { .. }) {
            entry = Entry::Missing;
            entry = entry.acquire(0, token(number), Seen::Nothing, LONG).0;
        }
        let (entry, stored) = entry.fill(0, token(number), LIFETIME, value);
        self.entries[key] = entry;
        stored == Stored::Yes
    }

    fn write_events(&self, scene: &Scene, at: usize, next: &mut Next<Self>) {
        let strict = at.checked_sub(scene.plain.len());
        let key = strict.map_or_else(|| scene.plain[at], |strict| scene.strict[strict]);
        let number = 100 + u8::try_from(at).expect("few writers");
        let mut after = self.clone();
        let event = match self.writes[at] {
            Write::Done => return,
            Write::NotCalled => {
                if strict.is_some() {
                    after.entries[key] = after.take(key).begin(0, token(number), LONG);
                }
                after.writes[at] = Write::Body;
                "called"
            }
            Write::Body => {
                after.rows[key] += 1;
                after.writes[at] = Write::Finish(after.rows[key], Wire::Sent);
                "committed"
            }
            Write::Finish(version, Wire::Sent) => {
                let entry = after.take(key);
                after.entries[key] = if strict.is_some() {
                    entry.end(0, token(number), Some((LIFETIME, version))).0
                } else {
                    entry.invalidate()
                };
                after.writes[at] = Write::Finish(version, Wire::Executed(()));
                "INVALIDATE or END executed"
            }
            Write::Finish(version, Wire::Executed(())) => {
                after.returned[key] = after.returned[key].max(version);
                after.writes[at] = Write::Done;
                "returned"
            }
        };
        next.push((Event("writer", at, event), Ok(after)));
    }
}

type Step = Result<World, Broken>;
