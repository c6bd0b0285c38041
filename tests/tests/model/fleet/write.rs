//! A write: commit, invalidation acknowledged, published, its own local value dropped, return.

use super::{Change, KEYS, Late, Rule, Scene, Stored, Target, World, Write};
use crate::{
    Version, Wire,
    entry::Entry,
    explorer::{Event, Next},
};

pub(super) fn events(scene: &Scene, world: &World, at: usize, next: &mut Next<World>) {
    let Change { process, target, strict, late } = scene.changes[at];
    let mut step = |event, change: &dyn Fn(&mut World) -> Write| {
        let mut after = world.clone();
        after.writers[at] = change(&mut after);
        next.push((Event("writer", at, event), Ok(after)));
    };
    let number = 100 + u8::try_from(at).expect("few writers");
    let key = if let Target::Key(key) = target { key } else { 0 };
    match world.writers[at] {
        Write::Done => {}
        Write::NotCalled if late => {
            step("called, and fails", &|_| Write::Late(None, Late::Invalidate(Wire::Sent)));
        }
        Write::NotCalled if strict => {
            step("called", &|_| Write::Begin { begun: false, tag: (!scene.tagged).then_some(0) });
        }
        Write::NotCalled => step("called", &|_| Write::Body(0)),
        Write::Begin { begun, tag } => {
            if !begun {
                step("BEGIN executed", &|after| {
                    after.begin(scene, key, number);
                    Write::Begin { begun: true, tag }
                });
            }
            if tag.is_none() && scene.keeps(Rule::VersionsBeforeBody) {
                step("version created", &|after| Write::Begin { begun, tag: Some(after.version(scene)) });
            }
            if begun && (tag.is_some() || !scene.keeps(Rule::VersionsBeforeBody)) {
                step("BEGIN answered", &|_| Write::Body(tag.unwrap_or(0)));
            }
        }
        Write::Body(tag) => step("committed", &|after| {
            after.commits += 1;
            let version = after.commits;
            for key in (0..KEYS).filter(|key| target.covers(*key)) {
                after.rows[key] = version;
            }
            if !scene.keeps(Rule::DropAfterAcknowledgement) {
                after.forget(scene, process, target);
            }
            match target {
                Target::Key(_) if strict => Write::End(version, tag, Wire::Sent),
                _ if scene.channel && !scene.keeps(Rule::PublishAfterAcknowledgement) => {
                    Write::Publish { version, hits: 0 }
                }
                _ => after.invalidation(target, version),
            }
        }),
        Write::Invalidate(version, Wire::Sent) => {
            step("invalidation executed", &|after| {
                after.invalidate(scene, target, version);
                Write::Invalidate(version, Wire::Executed(()))
            });
            fails(scene, world, at, version, next);
        }
        Write::Scan { version, at: place, whole, found, hits } => {
            scan(scene, world, at, (version, place, whole, found, hits), next);
            fails(scene, world, at, version, next);
        }
        Write::End(version, tag, Wire::Sent) => step("END executed", &|after| {
            let tag = if scene.keeps(Rule::VersionsBeforeBody) { tag } else { after.version(scene) };
            after.end(scene, key, number, Stored { value: version, tag });
            Write::End(version, tag, Wire::Executed(()))
        }),
        Write::Invalidate(version, Wire::Executed(())) | Write::End(version, _, Wire::Executed(())) => {
            step("acknowledged", &|_| acknowledged(scene, version, 0));
        }
        Write::Publish { version, hits } => {
            step("published", &|after| published(scene, after, at, version, hits));
            if scene.keeps(Rule::PublishAgain) {
                fails(scene, world, at, version, next);
            } else if world.outages > 0 {
                step("cannot publish", &|_| Write::Acknowledged { version, hits });
            }
        }
        Write::Acknowledged { version, hits } => {
            let matching = target == Target::Pattern && !scene.keeps(Rule::DropAllThatMatch);
            step("drops its local value", &|after| {
                if !scene.keeps(Rule::OwnDrop) || !scene.keeps(Rule::DropAfterAcknowledgement) {
                } else if matching {
                    for key in (0..KEYS).filter(|key| hits & (1 << key) != 0) {
                        after.forget(scene, process, Target::Key(key));
                    }
                } else {
                    after.drop_local(process, target);
                    if !scene.keeps(Rule::DropInOneStep) {
                        return Write::Dropped(version);
                    }
                    after.bump(scene, process, target);
                }
                after.return_from(at, scene, version)
            });
        }
        Write::Dropped(version) => step("bumps its generation, and returns", &|after| {
            after.bump(scene, process, target);
            after.return_from(at, scene, version)
        }),
        Write::Late(landed, step_of) => late_events(scene, world, at, (landed, step_of), next),
        Write::Failed(version) => step("returns without an acknowledgement", &|after| {
            if scene.keeps(Rule::QueueFirst) {
                after.forget(scene, process, target);
            } else {
                after.processes[process].recovery.push((target, version, Wire::Sent));
            }
            after.learn(process, target, version);
            Write::Done
        }),
    }
}

/// A write that failed: it invalidates, may land while its hold lasts, and invalidates again at the end of it.
fn late_events(
    scene: &Scene,
    world: &World,
    at: usize,
    (landed, late): (Option<Version>, Late),
    next: &mut Next<World>,
) {
    let Change { process, target, .. } = scene.changes[at];
    let version = landed.unwrap_or(0);
    let mut after = world.clone();
    let event = match late {
        Late::Invalidate(Wire::Sent) | Late::Again(Wire::Sent) => {
            after.invalidate(scene, target, version);
            let wire = Wire::Executed(());
            let late =
                if late == Late::Again(Wire::Sent) { Late::Again(wire) } else { Late::Invalidate(wire) };
            after.writers[at] = Write::Late(landed, late);
            "invalidation of a late write executed"
        }
        Late::Invalidate(Wire::Executed(())) => {
            after.forget(scene, process, target);
            after.writers[at] = Write::Late(landed, Late::Holding);
            "invalidation of a late write acknowledged"
        }
        Late::Holding if scene.keeps(Rule::RepeatAfterHold) => {
            after.writers[at] = Write::Late(landed, Late::Again(Wire::Sent));
            "its hold is over"
        }
        Late::Holding | Late::Again(Wire::Executed(())) => {
            after.forget(scene, process, target);
            after.writers[at] = after.return_from(at, scene, version);
            "counts as written from now on"
        }
    };
    next.push((Event("writer", at, event), Ok(after)));
    if landed.is_none() && !matches!(late, Late::Again(_)) {
        let mut after = world.clone();
        after.commits += 1;
        let version = after.commits;
        for key in (0..KEYS).filter(|key| target.covers(*key)) {
            after.rows[key] = version;
        }
        after.writers[at] = Write::Late(Some(version), late);
        next.push((Event("writer", at, "committed after all"), Ok(after)));
    }
}

fn published(scene: &Scene, after: &mut World, at: usize, version: Version, hits: u8) -> Write {
    let target = scene.changes[at].target;
    if target == Target::Pattern && !scene.keeps(Rule::PublishPatterns) {
        for key in (0..KEYS).filter(|key| hits & (1 << key) != 0) {
            after.publish(scene, Target::Key(key), version);
        }
    } else {
        after.publish(scene, target, version);
    }
    if scene.keeps(Rule::PublishAfterAcknowledgement) {
        Write::Acknowledged { version, hits }
    } else {
        after.invalidation(target, version)
    }
}

fn acknowledged(scene: &Scene, version: Version, hits: u8) -> Write {
    if scene.channel && scene.keeps(Rule::PublishAfterAcknowledgement) {
        Write::Publish { version, hits }
    } else {
        Write::Acknowledged { version, hits }
    }
}

/// Nobody answers: it is repeated, and its process does without the cache.
fn fails(scene: &Scene, world: &World, at: usize, version: Version, next: &mut Next<World>) {
    let Change { process, target, .. } = scene.changes[at];
    if world.outages == 0 || process != 0 {
        return;
    }
    let mut after = world.clone();
    after.outages -= 1;
    if scene.keeps(Rule::QueueFirst) {
        after.processes[process].recovery.push((target, version, Wire::Sent));
    } else {
        after.forget(scene, process, target);
    }
    after.writers[at] = Write::Failed(version);
    next.push((Event("writer", at, "gets no answer"), Ok(after)));
}

/// Key by key. One that was there all the time is found; of the others some are.
fn scan(
    scene: &Scene,
    world: &World,
    at: usize,
    (version, place, whole, found, hits): (Version, usize, u8, bool, u8),
    next: &mut Next<World>,
) {
    let mut step = |event, after: World| next.push((Event("writer", at, event), Ok(after)));
    if place == KEYS {
        let mut after = world.clone();
        after.writers[at] = acknowledged(scene, version, hits);
        step("scan and invalidations acknowledged", after);
        return;
    }
    let mut after = world.clone();
    if found {
        after.invalidate(scene, Target::Key(place), version);
        let Write::Scan { whole, .. } = after.writers[at] else { return };
        let hits = hits | (1 << place);
        after.writers[at] = Write::Scan { version, at: place + 1, whole, found: false, hits };
        step("invalidation of a key executed", after);
        return;
    }
    let is_lease = matches!(world.entries[place], Entry::Lease { .. });
    let there = world.exist() & (1 << place) != 0 && (!is_lease || scene.keeps(Rule::ScanFindsLeases));
    if there {
        after.writers[at] = Write::Scan { version, at: place, whole, found: true, hits };
        step("scan finds a key", after.clone());
    }
    if !there || whole & (1 << place) == 0 {
        after.writers[at] = Write::Scan { version, at: place + 1, whole, found: false, hits };
        step("scan finds no key", after);
    }
}

impl World {
    fn invalidation(&self, target: Target, version: Version) -> Write {
        if target == Target::Pattern {
            Write::Scan { version, at: 0, whole: self.exist(), found: false, hits: 0 }
        } else {
            Write::Invalidate(version, Wire::Sent)
        }
    }

    fn return_from(&mut self, at: usize, scene: &Scene, version: Version) -> Write {
        let Change { process, target, .. } = scene.changes[at];
        self.learn(process, target, version);
        self.returns(target, version);
        Write::Done
    }
}
