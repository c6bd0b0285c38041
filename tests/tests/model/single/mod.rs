//! One entry, and everything that may happen to it: crashes, late commands, eviction, expiry, snapshots.

mod events;
mod scenes;
mod world;

use crate::{Version, Wire, entry::Entry};

/// What keeps the promises. A run may do without one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// FILL stores only where the lease still stands (rule 13).
    FillNeedsLease,
    /// INVALIDATE ends the lease of a load that is under way (rule 13).
    InvalidateEndsLease,
    /// The loader starts after its lease was granted (rule 2).
    LoadAfterGrant,
    /// ACQUIRE is sent once (rule 1).
    AcquireOnce,
    /// Who joined a flight takes its result only as far as it is evidence (rule 3).
    Evidence,
    /// A write that was dropped holds its key (rule 14).
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
    /// A hold has a place of its own in the fence, which a writer that ends leaves standing (rule 14).
    HoldsStandAlone,
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
    /// The time of a hold has not passed; where the entry was evicted, it has.
    held: bool,
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
