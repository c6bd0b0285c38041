//! All that may happen next.

use super::{Cmd, Look, Read, Rule, Scene, Stale, Turn, World, Write};
use crate::{
    Version, Wire,
    entry::{Entry, Token, Value},
    explorer::{self, Event},
};

type Next = explorer::Next<World>;

impl explorer::World for World {
    type Scene = Scene;

    fn new(scene: &Scene) -> Self {
        Self::start(scene)
    }

    fn next(&self, scene: &Scene) -> Next {
        let mut next = Next::new();
        for reader in 0..self.readers.len() {
            read_events(scene, self, reader, &mut next);
        }
        for writer in 0..self.writers.len() {
            write_events(scene, self, writer, &mut next);
        }
        for (at, cmd) in self.late.iter().enumerate() {
            let mut after = self.clone();
            after.late.remove(at);
            after.execute(scene, *cmd);
            next.push((Event("late command", at, cmd.name()), Ok(after)));
        }
        surroundings(scene, self, &mut next);
        next
    }

    fn is_done(&self) -> bool {
        self.has_finished()
    }
}

impl Cmd {
    fn name(self) -> &'static str {
        match self {
            Self::Acquire(_) => "ACQUIRE executed",
            Self::Fill(..) => "FILL executed",
            Self::Release(_) => "RELEASE executed",
            Self::Hold(_) => "INVALIDATE with a hold executed",
            Self::Invalidate => "INVALIDATE executed",
            Self::Begin(_) => "BEGIN executed",
            Self::End(..) => "END executed",
        }
    }
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
    next.push((Event("reader", at, event), result));
    if let (Read::Load { token, .. }, true) = (reader.read, scene.errors) {
        let mut after = world.clone();
        after.later(Cmd::Release(token));
        let failed = after.land(scene, at, None);
        let served = failed.and_then(|after| match reader.stale {
            Some(stale) => after.serve(at, stale),
            None => Ok(after),
        });
        next.push((Event("reader", at, "its load failed"), served));
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
        next.push((Event("reader", at, "dropped"), after.land(scene, at, None)));
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
                next.push((Event("writer", at, "returned, and its INVALIDATE is repeated"), Ok(out)));
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
                next.push((Event("writer", at, "END executed, and sent again"), Ok(again)));
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
            if scene.keeps(Rule::Hold) && world.held {
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
        next.push((Event("writer", at, event), Ok(after)));
    }
    match world.writers[at] {
        Write::Body if world.drops > 0 => {
            let mut after = world.clone();
            after.drops -= 1;
            after.writers[at] = Write::Dropped { landed: None, wire: Wire::Sent };
            next.push((Event("writer", at, "dropped"), Ok(after)));
        }
        Write::Dropped { landed: None, wire }
            if wire == Wire::Sent || !scene.keeps(Rule::Hold) || world.held =>
        {
            let mut after = world.clone();
            after.row += 1;
            after.writers[at] = Write::Dropped { landed: Some(after.row), wire };
            next.push((Event("writer", at, "committed after all"), Ok(after)));
        }
        _ => {}
    }
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
        next.push((Event("server", 0, event), Ok(after)));
    }
    if world.held && scene.leases_end {
        let mut after = world.clone();
        after.held = false;
        if let Entry::Fence { writers, .. } = &mut after.entry {
            writers.retain(|writer| writer.token != Token::HOLD);
        }
        after.entry = after.settled(scene);
        next.push((Event("server", 0, "the time of the hold passes"), Ok(after)));
    }
    let mut change = |event, entry: Entry<Version>| {
        let mut after = world.clone();
        after.held &= entry != Entry::Missing;
        after.entry = entry;
        next.push((Event("server", 0, event), Ok(after)));
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
                    if writers.remove(place).token == Token::HOLD {
                        continue;
                    }
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
            next.push((Event("server", 0, "snapshot"), Ok(after)));
        }
        if let Some(snapshot) = &world.snapshot {
            let mut after = world.clone();
            after.entry = snapshot.clone();
            after.restarted = true;
            next.push((Event("server", 0, "restarted from the snapshot"), Ok(after)));
        }
    }
}
