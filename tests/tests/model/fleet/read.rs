//! A read: local value, ticket, recovery queue, GET, ACQUIRE, load, FILL.

use super::{Caller, Link, Look, Read, Reader, Rule, Scene, Stored, TagVersion, Target, Turn, World};
use crate::{
    Version, Wire,
    explorer::{Broken, Event, Next},
};

pub(super) fn events(scene: &Scene, world: &World, at: usize, next: &mut Next<World>) {
    let mut step = |event, result| next.push((Event("reader", at, event), result));
    let after = || world.clone();
    match world.readers[at].read {
        Read::Done | Read::Follow { .. } => {}
        Read::NotCalled => step("called", after().call(scene, at)),
        Read::Started => step("looks into the recovery queue, or takes its ticket", after().go_on(scene, at)),
        Read::Get { look, tag } => get(scene, world, at, (look, tag), &mut step),
        Read::Insert { value, passed } => {
            let mut after = after();
            after.readers[at].ticket = passed;
            after.insert(scene, at, value);
            step("puts in what it has checked", after.serve(at, value));
        }
        Read::Acquire { turn: Some(turn), tag, good_for, token }
            if tag.is_some() || (turn == Turn::Granted && !scene.keeps(Rule::LoadAfterVersions)) =>
        {
            step("ACQUIRE and versions answered", after().acquired(scene, at, (token, turn, tag, good_for)));
        }
        Read::Acquire { turn, tag, good_for, token } => {
            if turn.is_none() {
                let mut after = after();
                let turn = Some(after.acquire(scene, scene.callers[at].key, token, world.readers[at].seen));
                after.readers[at].read = Read::Acquire { turn, tag, good_for, token };
                step("ACQUIRE executed", Ok(after));
            }
            if tag.is_none() {
                let mut after = after();
                let tag = Some(after.version(scene));
                after.readers[at].read = Read::Acquire { turn, tag, good_for, token };
                step("version created", Ok(after));
            }
        }
        Read::Load { token, tag, started } => {
            let mut after = after();
            let value = world.rows[scene.callers[at].key];
            after.readers[at].read = Read::Loaded { token, value, tag, started };
            step("loaded", Ok(after));
        }
        Read::Loaded { .. } => {
            let mut after = after();
            after.send_fill(scene, at);
            step("FILL sent", Ok(after));
        }
        Read::Bypass { good_for, .. } => {
            let value = world.rows[scene.callers[at].key];
            let mut after = after();
            if !scene.keeps(Rule::BypassesStayOut) {
                after.insert(scene, at, value);
            }
            step("loaded, not to be stored", after.land(scene, at, Some((value, good_for))));
        }
        Read::Fill { token, value, tag, started, filled, wire: Wire::Sent } => {
            let mut after = after();
            let tag = tag.unwrap_or_else(|| after.version(scene));
            let stored = after.fill(scene, scene.callers[at].key, token, Stored { value, tag });
            let wire = Wire::Executed(stored);
            after.readers[at].read = Read::Fill { token, value, tag: Some(tag), started, filled, wire };
            step("FILL executed", Ok(after));
        }
        Read::Fill { value, started, filled, wire: Wire::Executed(stored), .. } => {
            let confirms = stored && !(scene.tagged && scene.keeps(Rule::TagsAreNoEvidence));
            let good_for = if confirms { filled } else { started };
            let mut after = after();
            if stored && !scene.keeps(Rule::FillsStayOut) {
                after.insert(scene, at, value);
            }
            step("FILL answered", after.land(scene, at, Some((value, good_for))));
        }
    }
}

/// GET of the entry and of its tag: one command, or in a cluster two.
fn get(
    scene: &Scene,
    world: &World,
    at: usize,
    seen: (Option<Look>, Option<TagVersion>),
    step: &mut impl FnMut(&'static str, Result<World, Broken>),
) {
    let Caller { process, key, local } = scene.callers[at];
    let (look, tag) = match seen {
        (Some(look), Some(tag)) => {
            step("GET answered", world.clone().looked(scene, at, look, tag));
            return;
        }
        seen => seen,
    };
    let tracked = local && !scene.channel && scene.keeps(Rule::TrackedConnection);
    if tracked && world.processes[process].link == Link::Dead {
        let mut after = world.clone();
        let good_for = after.send_for(at);
        after.readers[at].read = Read::Bypass { good_for, fenced: false };
        step("GET finds nobody", Ok(after));
        return;
    }
    let mut execute = |event, both, entry| {
        let mut after = world.clone();
        let (mut look, mut tag) = (look, tag);
        if entry || both {
            look = Some(after.look(key));
        }
        if !entry || both {
            tag = Some(world.present(scene));
        }
        if tracked && (entry || both) {
            after.track(process, Target::Key(key));
        }
        if tracked && scene.tagged && (!entry || both) {
            after.track(process, Target::Tag);
        }
        after.readers[at].read = Read::Get { look, tag };
        step(event, Ok(after));
    };
    if !scene.cluster {
        execute("GET executed", true, true);
        return;
    }
    if look.is_none() {
        execute("GET of the entry executed", false, true);
    }
    if tag.is_none() {
        execute("GET of the tag executed", false, false);
    }
}

impl World {
    fn call(mut self, scene: &Scene, at: usize) -> Result<Self, Broken> {
        let Caller { process, key, local } = scene.callers[at];
        self.readers[at].floor = self.returned[key].max(self.processes[process].floor[key]);
        if local && self.look_local(scene, process, key)?.is_some() {
            self.readers[at].read = Read::Done;
            return Ok(self);
        }
        if !local || scene.outages == 0 {
            self.readers[at].ticket = local;
            self.begin_read(scene, at);
            return Ok(self);
        }
        if scene.keeps(Rule::TicketFirst) {
            self.readers[at].ticket = true;
            self.readers[at].read = Read::Started;
        } else {
            self.begin_read(scene, at);
            if matches!(self.readers[at].read, Read::Get { .. }) {
                self.readers[at].read = Read::Started;
            }
        }
        Ok(self)
    }

    fn go_on(mut self, scene: &Scene, at: usize) -> Result<Self, Broken> {
        if scene.keeps(Rule::TicketFirst) {
            self.begin_read(scene, at);
        } else {
            self.readers[at].ticket = true;
            self.readers[at].read = Read::Get { look: None, tag: None };
        }
        Ok(self)
    }

    /// The recovery queue, else a flight, else GET.
    fn begin_read(&mut self, scene: &Scene, at: usize) {
        let Caller { process, key, .. } = scene.callers[at];
        if self.processes[process].bypasses(scene, key) {
            let good_for = self.send_for(at);
            self.readers[at].read = Read::Bypass { good_for, fenced: false };
        } else if !self.follow(scene, at, false) {
            self.readers[at].read = Read::Get { look: None, tag: None };
        }
    }

    fn looked(mut self, scene: &Scene, at: usize, look: Look, tag: TagVersion) -> Result<Self, Broken> {
        let missing_is_fine = tag == 0 && !scene.keeps(Rule::MissingIsUnusable);
        match look {
            Look::Value(stored, _) if !scene.tagged || (stored.tag == tag && tag != 0) || missing_is_fine => {
                let Caller { local, .. } = scene.callers[at];
                if local && !scene.keeps(Rule::InsertInOneStep) {
                    let passed = self.readers[at].ticket;
                    self.readers[at].read = Read::Insert { value: stored.value, passed };
                    return Ok(self);
                }
                self.insert(scene, at, stored.value);
                return self.serve(at, stored.value);
            }
            Look::Value(_, id) => {
                self.readers[at].seen = Some(id);
                self.send_acquire(scene, at);
            }
            Look::Fenced => {
                if !self.follow(scene, at, true) {
                    let good_for = self.send_for(at);
                    self.readers[at].read = Read::Bypass { good_for, fenced: true };
                }
            }
            Look::Nothing => self.send_acquire(scene, at),
        }
        Ok(self)
    }

    fn insert(&mut self, scene: &Scene, at: usize, value: Version) {
        let Caller { process, key, local } = scene.callers[at];
        if local && (self.readers[at].ticket || !scene.keeps(Rule::Ticket)) {
            self.processes[process].local[key] = Some(value);
        }
    }

    fn acquired(
        mut self,
        scene: &Scene,
        at: usize,
        (token, turn, tag, good_for): (u8, Turn, Option<TagVersion>, u8),
    ) -> Result<Self, Broken> {
        match turn {
            Turn::Granted => {
                let started = self.send_for(at);
                self.readers[at].read = Read::Load { token, tag, started };
            }
            Turn::Found(stored, id) => {
                let alive = !scene.tagged || Some(stored.tag) == tag || !scene.keeps(Rule::JudgeFound);
                if alive {
                    return self.land(scene, at, Some((stored.value, good_for)));
                }
                if self.readers[at].dropped {
                    let good_for = self.send_for(at);
                    self.readers[at].read = Read::Bypass { good_for, fenced: false };
                } else {
                    (self.readers[at].dropped, self.readers[at].seen) = (true, Some(id));
                    self.ask(scene, at);
                }
            }
            Turn::Busy if !self.readers[at].waited => {
                // Whenever it looks again; once.
                self.readers[at].waited = true;
                self.ask(scene, at);
            }
            Turn::Busy | Turn::Fenced => {
                let good_for = self.send_for(at);
                self.readers[at].read = Read::Bypass { good_for, fenced: turn == Turn::Fenced };
            }
        }
        Ok(self)
    }

    fn send_acquire(&mut self, scene: &Scene, at: usize) {
        if !self.follow(scene, at, true) {
            self.ask(scene, at);
        }
    }

    fn ask(&mut self, scene: &Scene, at: usize) {
        let Reader { waited, dropped, .. } = self.readers[at];
        let number = u8::try_from(at).expect("few readers") * 3 + u8::from(waited) + u8::from(dropped);
        let good_for = self.send_for(at);
        self.readers[at].read =
            Read::Acquire { token: number, good_for, turn: None, tag: (!scene.tagged).then_some(0) };
    }

    fn send_fill(&mut self, scene: &Scene, at: usize) {
        let Read::Loaded { token, value, tag, started } = self.readers[at].read else { return };
        let filled = self.send_for(at);
        self.readers[at].read = Read::Fill { token, value, tag, started, filled, wire: Wire::Sent };
        if !scene.keeps(Rule::FillsStayOut) {
            self.readers[at].ticket = true;
        }
        if let (Some(tag), true) = (tag, scene.extends) {
            self.extensions.push(tag);
            self.extensions.sort_unstable();
        }
    }

    fn send_for(&mut self, at: usize) -> u8 {
        let sent = &mut self.readers[at].sent;
        *sent += 1;
        *sent - 1
    }

    /// Joins a flight of its process, if there is one. Who has `looked` may join one that stores nothing.
    fn follow(&mut self, scene: &Scene, at: usize, looked: bool) -> bool {
        let Caller { process, key, .. } = scene.callers[at];
        let leads = |other: &usize| {
            let caller = scene.callers[*other];
            let leads = match self.readers[*other].read {
                Read::Acquire { .. } | Read::Load { .. } | Read::Loaded { .. } | Read::Fill { .. } => true,
                Read::Bypass { fenced, .. } => fenced && looked,
                _ => false,
            };
            *other != at && caller.process == process && caller.key == key && leads
        };
        let Some(leader) = (0..self.readers.len()).find(leads) else { return false };
        let joined = if self.readers[at].again { 0 } else { self.readers[leader].sent };
        self.readers[at].read = Read::Follow { leader, joined };
        true
    }

    /// A leader ends its flight.
    fn land(mut self, scene: &Scene, at: usize, result: Option<(Version, u8)>) -> Result<Self, Broken> {
        // Before anybody starts over: the flight is closed.
        self.readers[at].read = Read::Done;
        for follower in 0..self.readers.len() {
            let Read::Follow { leader, joined } = self.readers[follower].read else { continue };
            if leader != at {
                continue;
            }
            match result {
                Some((value, good_for)) if joined <= good_for => self = self.serve(follower, value)?,
                _ => {
                    (self.readers[follower].again, self.readers[follower].seen) = (true, None);
                    if scene.keeps(Rule::LookAgain) {
                        self.begin_read(scene, follower);
                    } else {
                        self.readers[follower].ticket = scene.callers[follower].local;
                        self.readers[follower].read = Read::Get { look: None, tag: None };
                    }
                }
            }
        }
        match result {
            Some((value, _)) => self.serve(at, value),
            None => Ok(self),
        }
    }

    fn serve(mut self, at: usize, value: Version) -> Result<Self, Broken> {
        let floor = self.readers[at].floor;
        if value < floor {
            return Err(Broken(format!("reader {at} began after version {floor} and got {value}")));
        }
        self.readers[at].read = Read::Done;
        // Nothing of a call that has returned matters any more.
        (self.readers[at].ticket, self.readers[at].seen, self.readers[at].floor) = (false, None, 0);
        Ok(self)
    }
}
