//! A process: its local level, and what it hears of changes.

use super::{KEYS, Link, Message, Process, Rule, Scene, Target, World};
use crate::{
    Version, Wire,
    explorer::{Broken, Event, Next},
};

impl Process {
    /// On its way; the same twice is once.
    pub(super) fn send(&mut self, message: Message) {
        if let Message::Changed(target, version) = message {
            let since = self.inbox.iter().rposition(|other| matches!(other, Message::Pong(_)));
            for other in &mut self.inbox[since.map_or(0, |pong| pong + 1)..] {
                if let Message::Changed(same, told) = other
                    && *same == target
                {
                    *told = version.max(*told);
                    return;
                }
            }
        }
        self.inbox.push(message);
    }

    /// Whether its local values are used.
    fn is_on(&self, scene: &Scene) -> bool {
        let told = match self.link {
            Link::Up | Link::Dead => true,
            Link::Lost | Link::Asked => !scene.keeps(Rule::OffWhenLost),
        };
        told && (self.fresh || !scene.keeps(Rule::Heartbeat))
    }

    fn is_under_way(&self, key: usize) -> bool {
        let about = |message: &Message| matches!(message, Message::Changed(target, _) if target.covers(key));
        self.link == Link::Dead || self.inbox.iter().any(about)
    }

    pub(super) fn bypasses(&self, scene: &Scene, key: usize) -> bool {
        scene.keeps(Rule::Recovery) && self.recovery.iter().any(|(target, ..)| target.covers(key))
    }
}

impl World {
    /// The local value, if there is one and the level is on.
    pub(super) fn look_local(&self, scene: &Scene, at: usize, key: usize) -> Result<Option<Version>, Broken> {
        let process = &self.processes[at];
        let Some(value) = process.local[key].filter(|_| process.is_on(scene)) else { return Ok(None) };
        let mut floor = process.floor[key].max(self.window[key]);
        if !process.is_under_way(key) {
            floor = floor.max(self.returned[key]);
        }
        if value < floor {
            return Err(Broken(format!("process {at} holds {value} after version {floor}")));
        }
        Ok(Some(value))
    }

    /// The bump: tickets end, and so do values that carry the tag.
    pub(super) fn bump(&mut self, scene: &Scene, process: usize, target: Target) {
        for (reader, caller) in self.readers.iter_mut().zip(scene.callers) {
            let is_meant = caller.process == process && target.covers(caller.key);
            if is_meant && (target != Target::Tag || scene.keeps(Rule::TagsFromTicket)) {
                reader.ticket = false;
            }
        }
        if target == Target::Tag {
            self.drop_local(process, target);
        }
    }

    pub(super) fn drop_local(&mut self, process: usize, target: Target) {
        for key in (0..KEYS).filter(|key| target.covers(*key)) {
            self.processes[process].local[key] = None;
        }
    }

    pub(super) fn forget(&mut self, scene: &Scene, process: usize, target: Target) {
        self.bump(scene, process, target);
        self.drop_local(process, target);
    }

    /// A process knows of a version from now on.
    pub(super) fn learn(&mut self, process: usize, target: Target, version: Version) {
        for key in (0..KEYS).filter(|key| target.covers(*key)) {
            let floor = &mut self.processes[process].floor[key];
            *floor = version.max(*floor);
        }
    }

    /// And so does everybody.
    pub(super) fn returns(&mut self, target: Target, version: Version) {
        for key in (0..KEYS).filter(|key| target.covers(*key)) {
            self.returned[key] = version.max(self.returned[key]);
        }
    }
}

/// Messages, heartbeats, lost connections, and the recovery queue.
pub(super) fn events(scene: &Scene, world: &World, at: usize, next: &mut Next<World>) {
    let process = &world.processes[at];
    let hears = scene.hears(at);
    let mut step = |event, change: &dyn Fn(&mut World)| {
        let mut after = world.clone();
        change(&mut after);
        next.push((Event("process", at, event), Ok(after)));
    };
    match process.inbox.first().copied() {
        Some(Message::Changed(target, version)) => step("is told of a change", &|after| {
            after.processes[at].inbox.remove(0);
            after.forget(scene, at, target);
            after.learn(at, target, version);
        }),
        Some(Message::Pong(recent)) => step("heartbeat answered", &|after| {
            after.processes[at].inbox.remove(0);
            after.processes[at].fresh |= recent || !scene.keeps(Rule::AgeFromSending);
        }),
        None => {}
    }
    let beats = process.inbox.iter().any(|message| matches!(message, Message::Pong(_)));
    match process.ping {
        None if scene.ticks > 0 && hears && !beats && process.link == Link::Up => {
            step("heartbeat sent", &|after| after.processes[at].ping = Some(true));
        }
        Some(recent) if process.link == Link::Up => step("heartbeat executed", &|after| {
            after.processes[at].ping = None;
            after.processes[at].send(Message::Pong(recent));
        }),
        _ => {}
    }
    match process.link {
        Link::Up if world.cuts > 0 && hears => step("connection cut", &|after| {
            after.cuts -= 1;
            after.cut(at);
        }),
        Link::Up => {}
        Link::Dead => step("has lost its connection, and connects", &|after| {
            let process = &mut after.processes[at];
            process.link = Link::Lost;
            if scene.keeps(Rule::OffWhenLost) {
                process.fresh = false;
                after.forget(scene, at, Target::Pattern);
            }
        }),
        Link::Lost => step("is told of changes again", &|after| after.processes[at].link = Link::Asked),
        Link::Asked => step("knows that it is told", &|after| {
            let process = &mut after.processes[at];
            process.link = Link::Up;
            // There is nothing to be too old: what goes in from now on is asked for from now on.
            process.fresh = true;
            if scene.keeps(Rule::FlushWhenOn) {
                after.forget(scene, at, Target::Pattern);
            }
        }),
    }
    for (place, &(target, version, wire)) in process.recovery.iter().enumerate() {
        match wire {
            Wire::Sent => step("the repeated invalidation executed", &|after| {
                after.invalidate(scene, target, version);
                after.processes[at].recovery[place].2 = Wire::Executed(());
            }),
            Wire::Executed(()) => step("the repeated invalidation acknowledged", &|after| {
                after.processes[at].recovery.remove(place);
                if scene.channel {
                    after.publish(scene, target, version);
                }
                after.returns(target, version);
            }),
        }
    }
}

impl World {
    /// What was sent before is too old from now on.
    pub(super) fn tick(&mut self) {
        self.ticks -= 1;
        self.window = self.returned;
        for process in &mut self.processes {
            process.fresh = false;
            process.ping = process.ping.map(|_| false);
            for message in &mut process.inbox {
                if let Message::Pong(recent) = message {
                    *recent = false;
                }
            }
        }
    }

    pub(super) fn cut(&mut self, at: usize) {
        let process = &mut self.processes[at];
        process.link = Link::Dead;
        process.inbox.clear();
        (process.ping, process.tracked) = (None, 0);
    }
}
