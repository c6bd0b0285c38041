//! Processes with a local level in front of one server: tracking or a channel, tags, and patterns.
//!
//! Generations are not numbers here: a ticket is alive until its key, or its tag, is bumped. Replies and messages may
//! overtake each other, but for a heartbeat's answer, which comes after all messages that were sent before it.

mod local;

mod patterns;
mod process;
mod read;
mod server;
mod surroundings;
mod tags;

mod write;

use crate::{Version, Wire, entry::Entry};

/// What keeps the promises: rules 3, 5, 8, 9, 11, 12, 19, 20 and 21. A run may do without one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Only what nothing was told about since its ticket goes in.
    Ticket,
    /// The ticket is older than the look into the recovery queue.
    TicketFirst,
    /// Who starts over looks into the queue again; without its rule only the ticket is a new one.
    LookAgain,
    /// The generation is checked, and the value goes in, in one step.
    InsertInOneStep,
    /// The generation is bumped, and the value dropped, in one step; in two it is dropped first.
    DropInOneStep,
    /// A writer drops its targets in its own process before it returns.
    OwnDrop,
    /// It does so after the acknowledgement.
    DropAfterAcknowledgement,
    /// An invalidation that failed waits in the recovery queue before the local value goes.
    QueueFirst,
    /// While it waits there, its keys are not read from the cache.
    Recovery,
    /// A value goes in from the connection that is told of its changes.
    TrackedConnection,
    /// What this process has filled itself does not go in.
    FillsStayOut,
    /// What was loaded without a lease does not go in.
    BypassesStayOut,
    /// A lost connection turns the level off.
    OffWhenLost,
    /// Once told of changes again, the level begins empty, and all tickets have ended.
    FlushWhenOn,
    /// The level is used as long as commands are answered.
    Heartbeat,
    /// The age of an answer counts from when its command was sent.
    AgeFromSending,
    /// A writer publishes after its invalidation was acknowledged.
    PublishAfterAcknowledgement,
    /// What could not be published is repeated, as an invalidation that failed.
    PublishAgain,
    /// A pattern is published, not only the keys that were found.
    PublishPatterns,
    /// The loader starts after the versions of its tags are known.
    LoadAfterVersions,
    /// A value that ACQUIRE returns is judged by its tags, too.
    JudgeFound,
    /// With tags, whoever joined after the load has started starts over.
    TagsAreNoEvidence,
    /// A version of a tag never comes back.
    VersionsAreNew,
    /// A value is unusable where its tag is missing.
    MissingIsUnusable,
    /// A strict writer knows the versions before its body runs.
    VersionsBeforeBody,
    /// A local value carries the generations of its tags from its ticket.
    TagsFromTicket,
    /// A version from before the start of its tag's server is void (rule 11).
    TagStart,
    /// Loads in progress match a pattern, too.
    ScanFindsLeases,
    /// A pattern drops all local values that match, not only those of the keys that were found.
    DropAllThatMatch,
    /// A write that failed, and may land later, invalidates its tag again at the end of its hold (rule 15).
    RepeatAfterHold,
}

/// What a write is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Target {
    Key(usize),
    /// The one tag, which all keys carry where the scene has tags.
    Tag,
    /// All keys match.
    Pattern,
}

impl Target {
    fn covers(self, key: usize) -> bool {
        match self {
            Self::Key(one) => one == key,
            Self::Tag | Self::Pattern => true,
        }
    }
}

/// A read.
#[derive(Clone, Copy, Debug)]
struct Caller {
    process: usize,
    key: usize,
    /// Its function has a local level.
    local: bool,
}

/// A write.
#[derive(Clone, Copy, Debug)]
struct Change {
    process: usize,
    target: Target,
    /// A write-through: of a key.
    strict: bool,
    /// It has failed or was dropped, and may land until its hold is over. Of a tag: keys are fenced meanwhile.
    late: bool,
}

/// Who takes part, and what may happen.
#[derive(Clone, Copy, Debug)]
struct Scene {
    callers: &'static [Caller],
    changes: &'static [Change],
    /// The entries carry the tag.
    tagged: bool,
    /// The entry and its tag are on different servers: they are read one after the other.
    cluster: bool,
    /// Changes are published by writers, instead of told by the server.
    channel: bool,
    /// The server holds values at the start.
    warm: bool,
    /// And so do the processes.
    held: bool,
    /// So many keys and tags may be evicted, or deleted by others.
    evictions: u8,
    /// So many connections may be cut, with all that is on its way to the process.
    cuts: u8,
    /// So many invalidations of the first process may find nobody.
    outages: u8,
    /// One of them waits in its recovery queue from the start.
    failed: bool,
    /// So often the longest time between two heartbeats may pass.
    ticks: u8,
    leases_end: bool,
    /// A tag may be created anew while a load extends its life.
    extends: bool,
    /// The server may come back from a snapshot; in a cluster that of the tag.
    snapshot: bool,
    without: Option<Rule>,
}

/// A read in the first process.
const HERE: Caller = Caller { process: 0, key: 0, local: true };
const ELSEWHERE: Caller = Caller { process: 1, key: 0, local: true };
/// Of a function without a local level.
const BARE: Caller = Caller { local: false, ..HERE };
const BARE_ELSEWHERE: Caller = Caller { process: 1, ..BARE };
/// A plain write in the first process.
const WRITE: Change = Change { process: 0, target: Target::Key(0), strict: false, late: false };
const FAR_WRITE: Change = Change { process: 1, ..WRITE };
const TAG_WRITE: Change = Change { target: Target::Tag, ..WRITE };
const FAR_TAG_WRITE: Change = Change { process: 1, ..TAG_WRITE };
const PATTERN_WRITE: Change = Change { target: Target::Pattern, ..WRITE };
const LATE_TAG_WRITE: Change = Change { late: true, ..TAG_WRITE };
const THROUGH: Change = Change { strict: true, ..WRITE };

const SCENE: Scene = Scene {
    callers: &[HERE, HERE],
    changes: &[WRITE],
    tagged: false,
    cluster: false,
    channel: false,
    warm: true,
    held: true,
    evictions: 0,
    cuts: 0,
    outages: 0,
    failed: false,
    ticks: 0,
    leases_end: false,
    extends: false,
    snapshot: false,
    without: None,
};

impl Scene {
    fn keeps(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    /// A process that never reads its local level need not hear of changes.
    fn hears(&self, process: usize) -> bool {
        self.callers.iter().any(|caller| caller.local && caller.process == process)
    }
}

const KEYS: usize = 2;
const PROCESSES: usize = 2;

/// 0: there is none.
type TagVersion = u8;

/// What an entry holds: a value, and the version of its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Stored {
    value: Version,
    tag: TagVersion,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Look {
    /// With the number of its token.
    Value(Stored, u8),
    Fenced,
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Turn {
    Granted,
    Busy,
    Found(Stored, u8),
    Fenced,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Read {
    NotCalled,
    /// Before the look into the recovery queue, or (without its rule) after it and before the ticket.
    Started,
    /// `None`: not executed.
    Get {
        look: Option<Look>,
        tag: Option<TagVersion>,
    },
    /// Without its rule: the generation has been checked.
    Insert {
        value: Version,
        passed: bool,
    },
    Acquire {
        token: u8,
        good_for: u8,
        turn: Option<Turn>,
        tag: Option<TagVersion>,
    },
    /// With its lease. The tag is `None` where its version is asked for too late.
    Load {
        token: u8,
        tag: Option<TagVersion>,
        started: u8,
    },
    /// The database has answered, and FILL is next.
    Loaded {
        token: u8,
        value: Version,
        tag: Option<TagVersion>,
        started: u8,
    },
    /// Without one: nothing is stored.
    Bypass {
        good_for: u8,
        fenced: bool,
    },
    Fill {
        token: u8,
        value: Version,
        tag: Option<TagVersion>,
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
    /// Nothing was told since it was taken.
    ticket: bool,
    /// Pieces of evidence sent for, as a leader.
    sent: u8,
    /// Has waited for somebody else's load.
    waited: bool,
    /// Has found a value with other tags, and asked once more.
    dropped: bool,
    /// A flight has ended since the call began.
    again: bool,
    /// The token of the value whose tags differ.
    seen: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Write {
    NotCalled,
    Begin {
        begun: bool,
        tag: Option<TagVersion>,
    },
    Body(TagVersion),
    /// INVALIDATE of a key, UNLINK of a tag.
    Invalidate(Version, Wire<()>),
    /// SCAN: where it is, which keys were there all the time, and whether the present one was found.
    Scan {
        version: Version,
        at: usize,
        whole: u8,
        found: bool,
        /// All that was found so far.
        hits: u8,
    },
    End(Version, TagVersion, Wire<()>),
    Publish {
        version: Version,
        hits: u8,
    },
    /// Acknowledged, published: the local value is next.
    Acknowledged {
        version: Version,
        hits: u8,
    },
    /// Not acknowledged: one of the two steps before the return is done.
    Failed(Version),
    /// Without its rule: the local value is gone, and the generation is next.
    Dropped(Version),
    /// Of a late write: what it has committed, and where it is.
    Late(Option<Version>, Late),
    Done,
}

/// The steps of a write that failed or was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Late {
    Invalidate(Wire<()>),
    Holding,
    Again(Wire<()>),
}

/// What comes to a process unasked, and what comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Message {
    /// With the version whose write it tells of.
    Changed(Target, Version),
    /// Whether the heartbeat was sent within the present period.
    Pong(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Link {
    Up,
    /// And the process does not know.
    Dead,
    Lost,
    /// Told of changes again, and the process does not know.
    Asked,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Process {
    local: [Option<Version>; KEYS],
    link: Link,
    /// A command sent within the present period has been answered.
    fresh: bool,
    /// A heartbeat not yet executed, and whether it was sent within the present period.
    ping: Option<bool>,
    inbox: Vec<Message>,
    /// What the server will tell of: a bit for each key, and one for the tag.
    tracked: u8,
    recovery: Vec<(Target, Version, Wire<()>)>,
    /// What it has written, and what it has been told of.
    floor: [Version; KEYS],
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    entries: [Entry<Stored>; KEYS],
    tag: TagVersion,
    /// It was created before its server's present start.
    tag_is_old: bool,
    /// The newest version of a tag that there was.
    tags: TagVersion,
    rows: [Version; KEYS],
    commits: Version,
    /// The newest version that a read must see that begins now, in any process.
    returned: [Version; KEYS],
    /// The same at the end of the last period.
    window: [Version; KEYS],
    processes: [Process; PROCESSES],
    readers: Vec<Reader>,
    writers: Vec<Write>,
    /// Versions that loads hold while they extend the life of the tag: executed at any moment, or never.
    extensions: Vec<TagVersion>,
    evictions: u8,
    cuts: u8,
    outages: u8,
    ticks: u8,
    snapshot: Option<([Entry<Stored>; KEYS], TagVersion)>,
    restarted: bool,
    /// Of the server that holds the entries.
    start: u64,
}
