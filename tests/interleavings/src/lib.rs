//! The parts of the runtime whose tasks share memory, with a scheduler that decides who goes on: each run is another
//! order of events, by a seed. A run in which nobody can go on is a failure, so nobody hangs.
#![expect(clippy::missing_panics_doc, reason = "a scene panics where a promise is broken")]

#[expect(dead_code, reason = "a scene does not need all of it")]
#[path = "../../../cache-runtime/src/flight.rs"]
mod flight;
#[cfg_attr(not(test), expect(dead_code, reason = "a scene does not fill the queue"))]
#[path = "../../../cache-runtime/src/resilience/recovery.rs"]
mod recovery;
mod sync;

/// Keys, as far as these parts know them.
mod domain {
    pub(crate) mod entry {
        pub(crate) type Millis = u64;
    }

    pub(crate) mod key {
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) struct Key(pub(crate) u8);

        impl Key {
            pub(crate) fn as_bytes(&self) -> &[u8] {
                std::slice::from_ref(&self.0)
            }

            #[cfg(test)]
            pub(crate) fn tag(_: &str, name: &str) -> Self {
                KeyWriter::new(name).finish()
            }
        }

        /// For the unit tests of the files: clippy compiles them here, too, and they run in cache-runtime.
        #[cfg(test)]
        pub(crate) struct KeyWriter(u8);

        #[cfg(test)]
        impl KeyWriter {
            pub(crate) fn new(text: &str) -> Self {
                Self(text.bytes().next().unwrap_or(0))
            }

            pub(crate) fn integer(&mut self, integer: usize) {
                self.0 = integer as u8;
            }

            pub(crate) fn finish(self) -> Key {
                Key(self.0)
            }
        }
    }

    pub(crate) mod pattern {
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub(crate) struct Pattern(Vec<u8>);

        impl Pattern {
            #[cfg(test)]
            pub(crate) fn new(text: &str) -> Self {
                Self(text.as_bytes().to_vec())
            }

            pub(crate) fn matches(&self, key: &[u8]) -> bool {
                self.0 == key
            }
        }
    }
}

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::atomic::{AtomicU8, Ordering::Relaxed},
};

use domain::key::Key;
use flight::{Flights, Landed, Leader, Role};
use recovery::{Recovery, Repeat, Work};
use shuttle::{
    future::{JoinHandle, block_on, spawn, yield_now},
    thread,
};
use sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
};

/// What is wrong on purpose: a scene must notice it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Defect {
    /// Nothing.
    None,
    /// A follower registers for the landing after he has looked for the outcome.
    RegistersLate,
    /// A leader asks for its evidence after it has been read.
    SendsForLate,
    /// The worker that repeats invalidations acknowledges what has failed since.
    ForgetsFailures,
}

static PLANTED: AtomicU8 = AtomicU8::new(0);

impl Defect {
    /// For all scenes of this process from now on.
    pub fn plant(self) {
        PLANTED.store(self as u8, Relaxed);
    }

    fn is_planted(self) -> bool {
        PLANTED.load(Relaxed) == self as u8
    }
}

/// What becomes of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It lands with a value.
    Lands,
    /// It lands with nothing that others may have.
    Fails,
    /// Its caller goes away.
    Dropped,
    /// It panics.
    Panics,
    /// Its flight is closed first, as for a load that is not stored.
    Closed,
}

const KEY: Key = Key(1);

#[derive(Debug, Default)]
struct World {
    flights: Arc<Flights>,
    /// The version of the row in the database.
    row: AtomicU64,
    /// Who may be joined.
    leaders: AtomicUsize,
}

/// Readers of one key while a writer changes the row; the first load has this fate, the others land.
pub fn flight(readers: usize, fate: Fate) {
    let world = Arc::new(World::default());
    let first = Arc::new(AtomicBool::new(true));
    let reading: Vec<JoinHandle<()>> = (0..readers)
        .map(|_| {
            let (world, first) = (Arc::clone(&world), Arc::clone(&first));
            spawn(async move {
                let written = world.row.load(SeqCst);
                let read = world.read(&first, fate).await;
                assert!(read.is_none_or(|read| read >= written), "older than the call");
            })
        })
        .collect();
    let writing = {
        let world = Arc::clone(&world);
        thread::spawn(move || {
            for _ in 0..2 {
                world.row.fetch_add(1, SeqCst);
            }
        })
    };
    for reader in reading {
        block_on(reader).expect("it ends");
    }
    writing.join().expect("it ends");
    assert_eq!(world.flights.len(), 0, "no flight is left behind");
}

impl World {
    /// As `engine::read` does it, without a store. `None`: the caller has gone away.
    async fn read(&self, first: &AtomicBool, fate: Fate) -> Option<u64> {
        let mut failures = 0;
        loop {
            let follower = match self.flights.follow(&KEY, failures > 0) {
                Some(follower) => follower,
                None => match self.flights.lead_or_follow(&KEY, failures > 0, None) {
                    Role::Follow(follower) => follower,
                    Role::Lead(leader) => {
                        let fate = if first.swap(false, SeqCst) { fate } else { Fate::Lands };
                        return self.load(leader, fate).await;
                    }
                },
            };
            match follower.landed().await {
                Landed::Shared(shared) => return shared.downcast_ref::<u64>().copied(),
                Landed::Failed | Landed::Panicked | Landed::TimedOut | Landed::Nothing => failures += 1,
            }
        }
    }

    async fn load(&self, leader: Leader, fate: Fate) -> Option<u64> {
        assert_eq!(self.leaders.fetch_add(1, SeqCst), 0, "two lead at once");
        let late = Defect::SendsForLate.is_planted();
        let before = if late { 0 } else { leader.send_for() };
        let read = self.row.load(SeqCst);
        yield_now().await;
        let good_for = if late { leader.send_for() + 1 } else { before };
        self.leaders.fetch_sub(1, SeqCst);
        match fate {
            Fate::Dropped => {
                drop(leader);
                return None;
            }
            Fate::Panics => {
                let panicked = catch_unwind(AssertUnwindSafe(move || {
                    let _leader = leader;
                    // A panic that prints nothing.
                    resume_unwind(Box::new("as the test wants"));
                }));
                drop(panicked.expect_err("it panics"));
                return None;
            }
            Fate::Fails => leader.land(good_for, || None),
            Fate::Closed => {
                leader.close();
                yield_now().await;
                leader.land(good_for, || Some(Arc::new(read)));
            }
            Fate::Lands => leader.land(good_for, || Some(Arc::new(read))),
        }
        Some(read)
    }
}

const KEYS: usize = 2;

#[derive(Debug, Default)]
struct Server {
    recovery: Recovery,
    /// For each key: so many writes there have been.
    written: [AtomicU64; KEYS],
    /// For each key: so many of them had been made when it was last invalidated.
    invalidated: [AtomicU64; KEYS],
    workers: AtomicUsize,
}

/// Writers whose invalidations have failed, the worker that repeats them and is interrupted once, and a reader.
pub fn recovery(writers: usize, interrupted: bool) {
    let server = Arc::new(Server::default());
    let interrupt = Arc::new(AtomicBool::new(interrupted));
    let mut threads: Vec<_> = (0..writers)
        .map(|writer| {
            let (server, interrupt) = (Arc::clone(&server), Arc::clone(&interrupt));
            thread::spawn(move || {
                for key in [writer % KEYS, 0] {
                    let written = server.written[key].fetch_add(1, SeqCst) + 1;
                    server.recovery.add(key_of(key), Repeat::Entry(0));
                    server.check(key, written);
                    Server::resume(&server, &interrupt);
                }
            })
        })
        .collect();
    let reader = Arc::clone(&server);
    threads.push(thread::spawn(move || {
        for key in 0..KEYS {
            // What is written but not yet added is not over.
            let _ = reader.recovery.covers(&key_of(key), &[]);
        }
    }));
    for thread in threads {
        thread.join().expect("it ends");
    }
    while server.recovery.len() > 0 {
        if server.recovery.start() {
            // Where a worker has just ended, nothing waits any more; one that was interrupted is started by the next call.
            let forgotten = server.workers.load(SeqCst) == 0 && server.recovery.work(KEYS) != Work::Nothing;
            assert!(interrupted || !forgotten, "something waits, and no worker runs");
            Server::spawn(&server, &interrupt);
        }
        thread::yield_now();
    }
    for key in 0..KEYS {
        server.check(key, server.written[key].load(SeqCst));
    }
}

fn key_of(key: usize) -> Key {
    Key(key as u8)
}

impl Server {
    /// A key that is not covered has been invalidated since this write of it.
    fn check(&self, key: usize, written: u64) {
        if !self.recovery.covers(&key_of(key), &[]) {
            assert!(self.invalidated[key].load(SeqCst) >= written, "key {key} is forgotten");
        }
    }

    fn resume(server: &Arc<Self>, interrupt: &Arc<AtomicBool>) {
        if server.recovery.start() {
            Self::spawn(server, interrupt);
        }
    }

    fn spawn(server: &Arc<Self>, interrupt: &Arc<AtomicBool>) {
        server.workers.fetch_add(1, SeqCst);
        let (server, interrupt) = (Arc::clone(server), Arc::clone(interrupt));
        thread::spawn(move || {
            // As the engine's worker does when it is dropped before its end.
            if !server.work(&interrupt) {
                server.recovery.abandoned();
            }
            server.workers.fetch_sub(1, SeqCst);
        });
    }

    /// False where it was interrupted.
    fn work(&self, interrupt: &AtomicBool) -> bool {
        loop {
            let Work::Keys(batch) = self.recovery.work(1) else { return true };
            if interrupt.swap(false, SeqCst) {
                return false;
            }
            for (key, added) in batch {
                let written = self.written[usize::from(key.0)].load(SeqCst);
                self.invalidated[usize::from(key.0)].fetch_max(written, SeqCst);
                if Defect::ForgetsFailures.is_planted() {
                    // What waits now, instead of what waited when the invalidation was sent.
                    let Work::Keys(waiting) = self.recovery.work(KEYS) else { continue };
                    for (key, waiting) in waiting {
                        self.recovery.done(&key, waiting);
                    }
                } else {
                    self.recovery.done(&key, added);
                }
            }
        }
    }
}
