//! What the server does with a command, and whom it tells.

use super::{KEYS, Link, Look, Message, Rule, Scene, Stored, TagVersion, Target, Turn, World, Write};
use crate::{
    LIFETIME, LONG, Version,
    entry::{Acquired, Entry, Seen, Stored as Filled},
    token,
};

impl World {
    fn take(&self, key: usize) -> Entry<Stored> {
        self.entries[key].clone().settle(self.start, self.start)
    }

    /// The entry is another one from now on. `told`: the version of which a message about it tells.
    pub(super) fn put(&mut self, scene: &Scene, key: usize, entry: Entry<Stored>, told: Version) {
        if entry == self.entries[key] {
            return;
        }
        if entry == Entry::Missing {
            for write in &mut self.writers {
                if let Write::Scan { whole, .. } = write {
                    *whole &= !(1 << key);
                }
            }
        }
        self.entries[key] = entry;
        self.tell(scene, Target::Key(key), told);
    }

    pub(super) fn put_tag(&mut self, scene: &Scene, tag: TagVersion, told: Version) {
        if tag != self.tag {
            (self.tag, self.tag_is_old) = (tag, false);
            self.tell(scene, Target::Tag, told);
        }
    }

    /// Tracking: once, and then not again before it was read again.
    fn tell(&mut self, scene: &Scene, target: Target, version: Version) {
        let bit = bit(target);
        if scene.channel {
            return;
        }
        for process in &mut self.processes {
            if process.tracked & bit != 0 {
                process.tracked &= !bit;
                process.send(Message::Changed(target, version));
            }
        }
    }

    pub(super) fn publish(&mut self, scene: &Scene, target: Target, version: Version) {
        for (at, process) in self.processes.iter_mut().enumerate() {
            if scene.hears(at) && matches!(process.link, Link::Up | Link::Asked) {
                process.send(Message::Changed(target, version));
            }
        }
    }

    pub(super) fn look(&self, key: usize) -> Look {
        match self.take(key) {
            Entry::Value { value, .. } => Look::Value(value.body, value.id.0[0] - 1),
            Entry::Fence { .. } => Look::Fenced,
            Entry::Missing | Entry::Lease { .. } => Look::Nothing,
        }
    }

    pub(super) fn track(&mut self, process: usize, target: Target) {
        let process = &mut self.processes[process];
        if matches!(process.link, Link::Up | Link::Asked) {
            process.tracked |= bit(target);
        }
    }

    pub(super) fn acquire(&mut self, scene: &Scene, key: usize, number: u8, seen: Option<u8>) -> Turn {
        let seen = seen.map_or(Seen::Nothing, |number| Seen::Drop(token(number)));
        let (entry, answer) = self.take(key).acquire(self.start, token(number), seen, LONG);
        self.put(scene, key, entry, 0);
        match answer {
            Acquired::Granted => Turn::Granted,
            Acquired::Busy(_) => Turn::Busy,
            Acquired::Found(value) => Turn::Found(value.body, value.id.0[0] - 1),
            Acquired::Fenced => Turn::Fenced,
        }
    }

    /// The version of the tag; 0: there is none.
    pub(super) fn present(&self, scene: &Scene) -> TagVersion {
        if self.tag_is_old && scene.keeps(Rule::TagStart) { 0 } else { self.tag }
    }

    /// "Create if missing, and get".
    pub(super) fn version(&mut self, scene: &Scene) -> TagVersion {
        if scene.tagged && self.present(scene) == 0 {
            self.tags += 1;
            let tag = if scene.keeps(Rule::VersionsAreNew) { self.tags } else { 1 };
            self.put_tag(scene, tag, 0);
        }
        self.tag
    }

    pub(super) fn fill(&mut self, scene: &Scene, key: usize, number: u8, stored: Stored) -> bool {
        let entry = self.take(key);
        let (entry, filled) = entry.fill(self.start, token(number), LIFETIME, stored);
        self.put(scene, key, entry, stored.value);
        filled == Filled::Yes
    }

    pub(super) fn begin(&mut self, scene: &Scene, key: usize, number: u8) {
        let entry = self.take(key).begin(self.start, token(number), LONG);
        self.put(scene, key, entry, 0);
    }

    pub(super) fn end(&mut self, scene: &Scene, key: usize, number: u8, stored: Stored) {
        let entry = self.take(key);
        let (entry, _) = entry.end(self.start, token(number), Some((LIFETIME, stored)));
        self.put(scene, key, entry, stored.value);
    }

    pub(super) fn invalidate(&mut self, scene: &Scene, target: Target, version: Version) {
        if target == Target::Tag {
            self.put_tag(scene, 0, version);
            return;
        }
        for key in (0..KEYS).filter(|key| target.covers(*key)) {
            let entry = self.take(key).invalidate();
            self.put(scene, key, entry, version);
        }
    }

    pub(super) fn exist(&self) -> u8 {
        (0..KEYS).filter(|key| self.entries[*key] != Entry::Missing).map(|key| 1 << key).sum()
    }
}

fn bit(target: Target) -> u8 {
    match target {
        Target::Key(key) => 1 << key,
        Target::Tag => 1 << KEYS,
        // No command reads one.
        Target::Pattern => 0,
    }
}
