//! What the processes note, and how it is written to a file.

use std::{
    fmt,
    fs::File,
    io::{self, Write as _},
    path::Path,
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// Nanoseconds of the monotonic clock, which all processes of a machine share.
pub type Time = u64;

/// The time.
#[must_use]
pub fn now() -> Time {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let nanos = now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs();
    // Times that are equal on a coarse clock would be no order.
    nanos.max(1)
}

/// A write of one run: the number of its process in the upper half.
pub type WriteId = u64;

/// What a read returns: which write it shows, and of which key, so that nothing can be taken for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The key.
    pub key: u64,
    /// How often it was written.
    pub version: u64,
    /// The write that made this version; 0 for what was there before all of them.
    pub writer: WriteId,
}

/// The functions that read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// The item of this key, which a write-through function owns.
    Item(u64),
    /// All items: a target of every write, and of nothing else.
    Summary,
    /// The item of this key, for a short time, and past that while it is loaded anew or where that fails.
    Feed(u64),
    /// The item of this key as it was a while ago.
    Replica(u64),
    /// The item of this key, under the tag of its group.
    Card(u64),
    /// The item of this key, in one of several entries that a pattern takes.
    Page(u64, u64),
    /// The item of this key, one of those that a batch has asked for; in the same entry as [`Item`](Self::Item).
    Several(u64),
    /// The same entry as [`Item`](Self::Item), held in the process.
    HeldItem(u64),
    /// The same entry as [`Card`](Self::Card), held in the process.
    HeldCard(u64),
    /// The same entry as [`Page`](Self::Page), held in the process.
    HeldPage(u64, u64),
    /// The same entry as [`Card`](Self::Card), held in the process, by a batch.
    HeldSeveral(u64),
}

/// So many keys in a row share a tag.
pub const GROUP: u64 = 2;

/// So many pages has an item.
pub const PAGES: u64 = 3;

/// The functions that write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Write-through on the key of the item: fenced.
    Through,
    /// Only invalidates.
    Plain,
    /// The same, and its targets are fenced.
    Strict,
    /// Invalidates, and keeps its targets fenced for a while.
    Settling,
}

impl Mode {
    /// All of them, with their names in files.
    pub const ALL: [(Self, &str); 4] = [
        (Self::Through, "through"),
        (Self::Plain, "plain"),
        (Self::Strict, "strict"),
        (Self::Settling, "settling"),
    ];

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

impl Function {
    /// Its name, in files and elsewhere.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Item(_) => "item",
            Self::Summary => "summary",
            Self::Feed(_) => "feed",
            Self::Replica(_) => "replica",
            Self::Card(_) => "card",
            Self::Page(..) => "page",
            Self::Several(_) => "several",
            Self::HeldItem(_) => "held-item",
            Self::HeldCard(_) => "held-card",
            Self::HeldPage(..) => "held-page",
            Self::HeldSeveral(_) => "held-several",
        }
    }

    /// The item that it is asked for; `None`: all.
    #[must_use]
    pub fn key(self) -> Option<u64> {
        match self {
            Self::Summary => None,
            Self::Item(key)
            | Self::Feed(key)
            | Self::Replica(key)
            | Self::Card(key)
            | Self::Page(key, _)
            | Self::Several(key)
            | Self::HeldItem(key)
            | Self::HeldCard(key)
            | Self::HeldPage(key, _)
            | Self::HeldSeveral(key) => Some(key),
        }
    }
}

/// As it is written: the name, and behind colons the key and the page.
impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        self.key().map_or(Ok(()), |key| write!(f, ":{key}"))?;
        match self {
            Self::Page(_, page) | Self::HeldPage(_, page) => write!(f, ":{page}"),
            _ => Ok(()),
        }
    }
}

impl FromStr for Function {
    type Err = Malformed;

    fn from_str(word: &str) -> Result<Self, Malformed> {
        let mut words = word.split(':');
        let name = words.next().unwrap_or_default();
        let numbers: Result<Vec<u64>, _> = words.map(str::parse).collect();
        Ok(match (name, &*numbers.map_err(|_| Malformed)?) {
            ("summary", []) => Self::Summary,
            ("item", &[key]) => Self::Item(key),
            ("feed", &[key]) => Self::Feed(key),
            ("replica", &[key]) => Self::Replica(key),
            ("card", &[key]) => Self::Card(key),
            ("page", &[key, page]) => Self::Page(key, page),
            ("several", &[key]) => Self::Several(key),
            ("held-item", &[key]) => Self::HeldItem(key),
            ("held-card", &[key]) => Self::HeldCard(key),
            ("held-page", &[key, page]) => Self::HeldPage(key, page),
            ("held-several", &[key]) => Self::HeldSeveral(key),
            _ => return Err(Malformed),
        })
    }
}

/// How a call that writes ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With a value or an error: all its steps are over.
    Returned,
    /// It was dropped or it panicked: its steps go on without it.
    Left,
}

/// One thing that happened in a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A call that read, from before it began until after it returned.
    Read {
        /// Before the call.
        start: Time,
        /// After it.
        end: Time,
        /// Which.
        function: Function,
        /// Whether this call ran the body.
        loaded: bool,
        /// What it returned.
        items: Vec<Item>,
    },
    /// A call that writes is about to begin.
    Write {
        /// Which.
        id: WriteId,
        /// Before the call.
        start: Time,
        /// The function.
        mode: Mode,
        /// The key.
        key: u64,
    },
    /// Its body begins.
    Body {
        /// Which.
        id: WriteId,
        /// When.
        at: Time,
        /// Whether its fence, if it has one, was certainly acknowledged.
        fenced: bool,
    },
    /// Its transaction is about to begin.
    Committing {
        /// Which.
        id: WriteId,
        /// Before it.
        at: Time,
    },
    /// `COMMIT` was answered.
    Committed {
        /// Which.
        id: WriteId,
        /// After it.
        at: Time,
    },
    /// The write is about to be dropped, to panic or to fail; its commit may land later.
    Leaving {
        /// Which.
        id: WriteId,
        /// Before that.
        at: Time,
    },
    /// The call is over.
    Written {
        /// Which.
        id: WriteId,
        /// After that.
        end: Time,
        /// How.
        outcome: Outcome,
    },
    /// `entry(..).invalidate()` of an item, and of what `feed` keeps of it; the tag of its group; the pattern of its pages.
    Invalidated {
        /// Before the call.
        start: Time,
        /// After it.
        end: Time,
        /// The key.
        key: u64,
        /// Whether Redis has acknowledged all of it.
        acknowledged: bool,
    },
    /// No invalidation waited to be repeated, at some moment in between.
    Clear {
        /// Before the look.
        start: Time,
        /// After it.
        end: Time,
    },
    /// Nothing was under way in the cache, at some moment in between.
    Quiet {
        /// From then on nobody called.
        start: Time,
        /// After the look.
        end: Time,
    },
    /// The cache was not done when the process was to end, with Redis in reach.
    Unfinished {
        /// When the process gave up.
        at: Time,
    },
    /// What the cache has counted, at the end.
    Counted {
        /// When.
        at: Time,
        /// How many calls of `feed` it has served past the TTL.
        stale: u64,
        /// How many loads of `feed` have failed.
        failed: u64,
        /// How many calls of any function were served by the local level.
        local: u64,
    },
}

impl Event {
    /// The write that this is about.
    #[must_use]
    pub fn write(&self) -> Option<WriteId> {
        match self {
            Self::Write { id, .. }
            | Self::Body { id, .. }
            | Self::Committing { id, .. }
            | Self::Committed { id, .. }
            | Self::Leaving { id, .. }
            | Self::Written { id, .. } => Some(*id),
            Self::Read { .. }
            | Self::Invalidated { .. }
            | Self::Clear { .. }
            | Self::Quiet { .. }
            | Self::Unfinished { .. }
            | Self::Counted { .. } => None,
        }
    }

    /// From when to when it may have taken place.
    #[must_use]
    pub fn span(&self) -> (Time, Time) {
        match *self {
            Self::Read { start, end, .. }
            | Self::Invalidated { start, end, .. }
            | Self::Clear { start, end }
            | Self::Quiet { start, end } => (start, end),
            Self::Write { start: at, .. }
            | Self::Body { at, .. }
            | Self::Committing { at, .. }
            | Self::Committed { at, .. }
            | Self::Leaving { at, .. }
            | Self::Written { end: at, .. }
            | Self::Unfinished { at }
            | Self::Counted { at, .. } => (at, at),
        }
    }
}

/// A line of the file.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { start, end, function, loaded, items } => {
                write!(f, "read {start} {end} {function} {}", u8::from(*loaded))?;
                items.iter().try_for_each(|item| write!(f, " {} {} {}", item.key, item.version, item.writer))
            }
            Self::Write { id, start, mode, key } => {
                write!(f, "write {id} {start} {} {key}", mode.name())
            }
            Self::Body { id, at, fenced } => write!(f, "body {id} {at} {}", u8::from(*fenced)),
            Self::Committing { id, at } => write!(f, "committing {id} {at}"),
            Self::Committed { id, at } => write!(f, "committed {id} {at}"),
            Self::Leaving { id, at } => write!(f, "leaving {id} {at}"),
            Self::Written { id, end, outcome } => {
                write!(f, "written {id} {end} {}", u8::from(*outcome == Outcome::Returned))
            }
            Self::Invalidated { start, end, key, acknowledged } => {
                write!(f, "invalidated {start} {end} {key} {}", u8::from(*acknowledged))
            }
            Self::Clear { start, end } => write!(f, "clear {start} {end}"),
            Self::Quiet { start, end } => write!(f, "quiet {start} {end}"),
            Self::Unfinished { at } => write!(f, "unfinished {at}"),
            Self::Counted { at, stale, failed, local } => write!(f, "counted {at} {stale} {failed} {local}"),
        }
    }
}

/// A line that is none.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

impl FromStr for Event {
    type Err = Malformed;

    fn from_str(line: &str) -> Result<Self, Malformed> {
        let mut words = line.split(' ');
        let kind = words.next().ok_or(Malformed)?;
        let mut word = || words.next().ok_or(Malformed);
        let number = |word: &str| word.parse::<u64>().map_err(|_| Malformed);
        let flag = |word: &str| number(word).map(|flag| flag == 1);
        let mode = |word: &str| {
            let found = Mode::ALL.into_iter().find(|(_, name)| *name == word);
            found.map(|(mode, _)| mode).ok_or(Malformed)
        };
        let event = match kind {
            "read" => {
                let (start, end) = (number(word()?)?, number(word()?)?);
                let function = word()?.parse()?;
                let loaded = flag(word()?)?;
                let mut items = Vec::new();
                while let Ok(key) = word() {
                    items.push(Item {
                        key: number(key)?,
                        version: number(word()?)?,
                        writer: number(word()?)?,
                    });
                }
                Self::Read { start, end, function, loaded, items }
            }
            "write" => Self::Write {
                id: number(word()?)?,
                start: number(word()?)?,
                mode: mode(word()?)?,
                key: number(word()?)?,
            },
            "body" => Self::Body { id: number(word()?)?, at: number(word()?)?, fenced: flag(word()?)? },
            "committing" => Self::Committing { id: number(word()?)?, at: number(word()?)? },
            "committed" => Self::Committed { id: number(word()?)?, at: number(word()?)? },
            "leaving" => Self::Leaving { id: number(word()?)?, at: number(word()?)? },
            "written" => Self::Written {
                id: number(word()?)?,
                end: number(word()?)?,
                outcome: if flag(word()?)? { Outcome::Returned } else { Outcome::Left },
            },
            "invalidated" => Self::Invalidated {
                start: number(word()?)?,
                end: number(word()?)?,
                key: number(word()?)?,
                acknowledged: flag(word()?)?,
            },
            "clear" => Self::Clear { start: number(word()?)?, end: number(word()?)? },
            "quiet" => Self::Quiet { start: number(word()?)?, end: number(word()?)? },
            "unfinished" => Self::Unfinished { at: number(word()?)? },
            "counted" => Self::Counted {
                at: number(word()?)?,
                stale: number(word()?)?,
                failed: number(word()?)?,
                local: number(word()?)?,
            },
            _ => return Err(Malformed),
        };
        Ok(event)
    }
}

/// The file of one process. Each event is one `write` of its own: what was noted survives SIGKILL.
#[derive(Debug)]
pub struct Recorder(File);

impl Recorder {
    /// Makes the file.
    ///
    /// # Errors
    /// Where it exists already or cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        File::options().append(true).create_new(true).open(path).map(Self)
    }

    /// Notes an event.
    ///
    /// # Panics
    /// Where the file cannot be written: a history with holes proves nothing.
    pub fn note(&self, event: &Event) {
        (&self.0).write_all(format!("{event}\n").as_bytes()).expect("the history is written");
    }
}

/// What a process has noted. Its last line may be cut off, where it was killed.
///
/// # Errors
/// Where the file cannot be read.
///
/// # Panics
/// Where another line than the last makes no sense.
pub fn read(path: &Path) -> io::Result<Vec<Event>> {
    let text = std::fs::read_to_string(path)?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    Ok(whole.lines().map(|line| line.parse().unwrap_or_else(|_| panic!("not an event: {line}"))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_comes_back_as_it_was_written() {
        let items = [Item { key: 1, version: 2, writer: 3 }, Item { key: 4, version: u64::MAX, writer: 0 }];
        let functions = [
            Function::Summary,
            Function::Item(7),
            Function::Feed(7),
            Function::Replica(7),
            Function::Card(7),
            Function::Page(7, 8),
            Function::Several(7),
            Function::HeldItem(7),
            Function::HeldCard(7),
            Function::HeldPage(7, 8),
            Function::HeldSeveral(7),
        ];
        let reads = functions.map(|function| {
            let loaded = function == Function::Summary;
            Event::Read { start: 1, end: 2, function, loaded, items: items.to_vec() }
        });
        let events = [
            Event::Body { id: 1, at: 2, fenced: true },
            Event::Committing { id: 1, at: 2 },
            Event::Committed { id: 1, at: 2 },
            Event::Leaving { id: 1, at: 2 },
            Event::Written { id: 1, end: 2, outcome: Outcome::Returned },
            Event::Written { id: 1, end: 2, outcome: Outcome::Left },
            Event::Invalidated { start: 1, end: 2, key: 3, acknowledged: true },
            Event::Clear { start: 1, end: 2 },
            Event::Quiet { start: 1, end: 2 },
            Event::Unfinished { at: 1 },
            Event::Counted { at: 1, stale: 2, failed: 3, local: 4 },
        ];
        let writes = Mode::ALL.map(|(mode, _)| Event::Write { id: 1, start: 2, mode, key: 3 });
        for event in events.into_iter().chain(writes).chain(reads) {
            assert_eq!(event.to_string().parse(), Ok(event));
        }
        for line in [
            "",
            "read 1",
            "read 1 2 3 0",
            "read 1 2 item:3 0 4 5",
            "read 1 2 page:3 0",
            "write 1 2 other 3",
            "wrote 1 2",
        ] {
            assert_eq!(line.parse::<Event>(), Err(Malformed), "{line}");
        }
    }

    #[test]
    fn the_clock_goes_on() {
        let before = now();
        assert!(before <= now());
    }
}
