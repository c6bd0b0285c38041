//! The start, all that may happen next, and what nobody here has asked for.

use super::{
    KEYS, Link, Process, Read, Reader, Rule, Scene, Stored, Target, World, Write, process, read, write,
};
use crate::{
    LONG, Wire,
    entry::{Entry, Value},
    explorer::{self, Event, Next},
    token,
};

impl explorer::World for World {
    type Scene = Scene;

    fn new(scene: &Scene) -> Self {
        let reader = Reader {
            read: Read::NotCalled,
            floor: 0,
            ticket: false,
            sent: 0,
            waited: false,
            dropped: false,
            again: false,
            seen: None,
        };
        let process = Process {
            local: [None; KEYS],
            link: Link::Up,
            fresh: true,
            ping: None,
            inbox: Vec::new(),
            tracked: 0,
            recovery: Vec::new(),
            floor: [0; KEYS],
        };
        let tag = u8::from(scene.tagged && scene.warm);
        let body = Stored { value: 0, tag };
        let value = Value { id: token(90), created: 0, fresh_until: LONG, until: LONG, body };
        let warm = Entry::Value { value, lease: None };
        let mut world = Self {
            entries: std::array::from_fn(|_| if scene.warm { warm.clone() } else { Entry::Missing }),
            tag,
            tag_is_old: false,
            tags: tag,
            rows: [0; KEYS],
            commits: 0,
            returned: [0; KEYS],
            window: [0; KEYS],
            processes: [process.clone(), process],
            readers: vec![reader; scene.callers.len()],
            writers: vec![Write::NotCalled; scene.changes.len()],
            extensions: Vec::new(),
            evictions: scene.evictions,
            cuts: scene.cuts,
            outages: scene.outages,
            ticks: scene.ticks,
            snapshot: None,
            restarted: false,
            start: 0,
        };
        if scene.failed {
            world.processes[0].recovery.push((Target::Key(0), 0, Wire::Sent));
        }
        if scene.held {
            for (_, process) in world.processes.iter_mut().enumerate().filter(|(at, _)| scene.hears(*at)) {
                process.local = [Some(0); KEYS];
                process.tracked = if scene.channel { 0 } else { u8::MAX };
            }
        }
        world
    }

    fn next(&self, scene: &Scene) -> Next<Self> {
        let mut next = Next::new();
        for reader in 0..self.readers.len() {
            read::events(scene, self, reader, &mut next);
        }
        for writer in 0..self.writers.len() {
            write::events(scene, self, writer, &mut next);
        }
        for process in 0..self.processes.len() {
            process::events(scene, self, process, &mut next);
        }
        server(scene, self, &mut next);
        next
    }

    fn is_done(&self) -> bool {
        self.readers.iter().all(|reader| matches!(reader.read, Read::Done | Read::NotCalled))
            && self.writers.iter().all(|write| matches!(write, Write::Done | Write::NotCalled))
    }
}

/// Time, eviction, snapshots, and commands that nobody waits for.
fn server(scene: &Scene, world: &World, next: &mut Next<World>) {
    let mut step = |event, change: &dyn Fn(&mut World)| {
        let mut after = world.clone();
        change(&mut after);
        next.push((Event("server", 0, event), Ok(after)));
    };
    for (key, entry) in world.entries.iter().enumerate() {
        if world.evictions > 0 && *entry != Entry::Missing {
            step("an entry is evicted", &|after| {
                after.evictions -= 1;
                after.put(scene, key, Entry::Missing, 0);
            });
        }
        match entry {
            Entry::Lease { .. } | Entry::Fence { .. } if scene.leases_end => {
                step("the leases end", &|after| after.put(scene, key, Entry::Missing, 0));
            }
            _ => {}
        }
    }
    if world.evictions > 0 && world.tag != 0 {
        step("the tag is evicted", &|after| {
            after.evictions -= 1;
            after.put_tag(scene, 0, 0);
        });
    }
    for (at, &held) in world.extensions.iter().enumerate() {
        step("the tag's life is extended", &|after| {
            after.extensions.remove(at);
            if scene.keeps(Rule::VersionsAreNew) {
                after.version(scene);
            } else if after.tag == 0 {
                after.put_tag(scene, held, 0);
            }
        });
    }
    if world.ticks > 0 {
        step("the longest time between heartbeats passes", &World::tick);
    }
    if scene.snapshot && !world.restarted {
        if world.snapshot.is_none() {
            step("takes a snapshot", &|after| after.snapshot = Some((world.entries.clone(), world.tag)));
        }
        if let Some((entries, tag)) = &world.snapshot {
            step("restarts from its snapshot", &|after| {
                (after.tag, after.tag_is_old) = (*tag, true);
                (after.snapshot, after.restarted) = (None, true);
                for process in (0..after.processes.len()).filter(|at| scene.hears(*at)) {
                    after.cut(process);
                }
                if !scene.cluster {
                    (after.entries, after.start) = (entries.clone(), 1);
                }
            });
        }
    }
}
