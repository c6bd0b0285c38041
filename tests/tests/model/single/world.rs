//! What the server does with a command, and how callers of a process share flights.

use super::{Cmd, Look, Read, Reader, Rule, Scene, Turn, World, Write};
use crate::{
    LIFETIME, LONG, Version, Wire,
    entry::{Acquired, Entry, Lease, Seen, Stored, Token},
    explorer::Broken,
    token,
};

impl World {
    pub(super) fn start(scene: &Scene) -> Self {
        let reader = Reader {
            read: Read::NotCalled,
            floor: 0,
            sent: 0,
            waited: false,
            again: false,
            seen: None,
            stale: None,
            background: false,
        };
        Self {
            entry: Entry::Missing,
            held: false,
            row: 0,
            returned: 0,
            readers: vec![reader; scene.readers],
            writers: vec![Write::NotCalled; scene.plain + scene.strict],
            late: Vec::new(),
            drops: scene.drops,
            resends: scene.resends,
            outages: scene.outages,
            recovery: None,
            snapshot: None,
            restarted: false,
        }
    }

    pub(super) fn now(&self) -> u64 {
        u64::from(self.restarted)
    }

    pub(super) fn server_start(&self, scene: &Scene) -> u64 {
        if scene.keeps(Rule::ServerStart) { self.now() } else { 0 }
    }

    pub(super) fn settled(&mut self, scene: &Scene) -> Entry<Version> {
        let (now, start) = (self.now(), self.server_start(scene));
        std::mem::take(&mut self.entry).settle(now, start)
    }

    pub(super) fn look(&mut self, scene: &Scene) -> Look {
        self.entry = self.settled(scene);
        match &self.entry {
            Entry::Value { value, .. } if self.now() < value.fresh_until => Look::Value(value.body),
            Entry::Value { value, .. } => Look::Stale(value.body, value.id.0[0] - 1),
            Entry::Fence { .. } => Look::Fenced,
            Entry::Missing | Entry::Lease { .. } => Look::Nothing,
        }
    }

    pub(super) fn acquire(&mut self, scene: &Scene, number: u8, seen: Option<u8>) -> Result<Turn, Broken> {
        let entry = self.settled(scene);
        let id = match &entry {
            Entry::Value { value, .. } => Some(value.id),
            _ => None,
        };
        let fresh = matches!(&entry, Entry::Value { value, .. } if self.now() < value.fresh_until);
        let told = match (seen, id) {
            (Some(_), Some(there)) if !scene.keeps(Rule::Seen) => Seen::Keep(there),
            (Some(seen), _) => Seen::Keep(token(seen)),
            (None, _) => Seen::Nothing,
        };
        let (entry, answer) = entry.acquire(self.now(), token(number), told, LONG);
        self.entry = entry;
        if answer == Acquired::Granted && fresh && seen.map(token) != id {
            return Err(Broken("the next value is there already, and is loaded once more".to_owned()));
        }
        if !scene.keeps(Rule::AcquireOnce) && self.drops > 0 {
            self.drops -= 1;
            self.later(Cmd::Acquire(number));
        }
        Ok(match answer {
            Acquired::Granted => Turn::Granted,
            Acquired::Busy(_) => Turn::Busy,
            Acquired::Found(value) => Turn::Found(value.body),
            Acquired::Fenced => Turn::Fenced,
        })
    }

    pub(super) fn fill(&mut self, scene: &Scene, number: u8, value: Version) -> bool {
        let (now, token) = (self.now(), token(number));
        let mut entry = self.settled(scene);
        if !scene.keeps(Rule::FillNeedsLease) && !matches!(entry, Entry::Fence { .. }) {
            entry = Entry::Lease { created: now, lease: Lease { token, until: now + LONG } };
        }
        let (entry, stored) = entry.fill(now, token, LIFETIME, value);
        self.entry = entry;
        stored == Stored::Yes
    }

    pub(super) fn execute(&mut self, scene: &Scene, cmd: Cmd) {
        match cmd {
            Cmd::Acquire(number) => {
                // Of a caller that is gone: it has seen nothing.
                drop(self.acquire(scene, number, None));
            }
            Cmd::Fill(number, value) => {
                self.fill(scene, number, value);
            }
            Cmd::Release(number) => self.entry = self.settled(scene).release(token(number)),
            Cmd::Hold(number) => {
                self.entry = self.settled(scene).hold(self.now(), token(number), LONG);
                self.held = true;
            }
            Cmd::Invalidate => {
                self.entry = match self.settled(scene) {
                    Entry::Value { lease: Some(lease), .. } | Entry::Lease { lease, .. }
                        if !scene.keeps(Rule::InvalidateEndsLease) =>
                    {
                        Entry::Lease { created: self.now(), lease }
                    }
                    fence @ Entry::Fence { .. } if !scene.keeps(Rule::InvalidateMarksFences) => fence,
                    entry => entry.invalidate(),
                }
            }
            Cmd::Begin(number) => {
                self.entry = self.settled(scene).begin(self.now(), token(number), LONG);
            }
            Cmd::End(number, value) => {
                let mut entry = self.settled(scene);
                if let Entry::Fence { shared, .. } = &mut entry
                    && !scene.keeps(Rule::SharedIsSticky)
                {
                    *shared = false;
                }
                if let Entry::Fence { writers, .. } = &mut entry
                    && !scene.keeps(Rule::FencesHoldTokens)
                    && let Some(first) = writers.first_mut()
                {
                    first.token = token(number);
                }
                if let Entry::Fence { writers, .. } = &mut entry
                    && !scene.keeps(Rule::HoldsStandAlone)
                {
                    writers.retain(|writer| writer.token != Token::HOLD);
                }
                let stored = (!scene.targets).then_some((LIFETIME, value));
                self.entry = entry.end(self.now(), token(number), stored).0;
            }
        }
    }

    pub(super) fn later(&mut self, cmd: Cmd) {
        self.late.push(cmd);
        self.late.sort_unstable();
    }

    /// Everybody who was called has returned.
    pub(super) fn has_finished(&self) -> bool {
        self.readers.iter().all(|reader| matches!(reader.read, Read::Done | Read::NotCalled))
            && self.writers.iter().all(|write| matches!(write, Write::Done | Write::NotCalled))
    }

    /// The caller of a read gets a value.
    pub(super) fn serve(mut self, reader: usize, value: Version) -> Result<Self, Broken> {
        let Reader { floor, background, .. } = self.readers[reader];
        if value < floor && !background {
            return Err(Broken(format!("reader {reader} began after version {floor} and got {value}")));
        }
        self.readers[reader].read = Read::Done;
        Ok(self)
    }

    /// A leader ends its flight. `None`: without a result.
    pub(super) fn land(
        mut self,
        scene: &Scene,
        leader: usize,
        result: Option<(Version, u8)>,
    ) -> Result<Self, Broken> {
        // Before anybody starts over: the flight is closed.
        self.readers[leader].read = Read::Done;
        for follower in 0..self.readers.len() {
            let Read::Follow { leader: of, joined } = self.readers[follower].read else { continue };
            if of != leader {
                continue;
            }
            match result {
                Some((value, good_for)) if joined <= good_for || !scene.keeps(Rule::Evidence) => {
                    self = self.serve(follower, value)?;
                }
                _ => {
                    self.readers[follower].again = true;
                    (self.readers[follower].seen, self.readers[follower].stale) = (None, None);
                    self.begin_read(scene, follower);
                }
            }
        }
        match result {
            Some((value, _)) => self.serve(leader, value),
            None => Ok(self),
        }
    }

    /// Joins a flight, if there is one. Who has `looked` may join one that stores nothing because of a fence.
    pub(super) fn follow(&mut self, scene: &Scene, reader: usize, looked: bool) -> bool {
        let leads = |other: &Reader| match other.read {
            Read::Acquire { .. } | Read::Load { .. } | Read::Fill { .. } => !other.background,
            Read::Bypass { fenced, .. } => fenced && looked,
            _ => false,
        };
        let leader = (0..self.readers.len())
            .find(|other| scene.one_process && *other != reader && leads(&self.readers[*other]));
        let Some(leader) = leader else { return false };
        let joined = if self.readers[reader].again { 0 } else { self.readers[leader].sent };
        self.readers[reader].read = Read::Follow { leader, joined };
        true
    }

    pub(super) fn begin_read(&mut self, scene: &Scene, reader: usize) {
        if self.recovery.is_some() && scene.keeps(Rule::Recovery) {
            let good_for = self.send_for(reader);
            self.readers[reader].read = Read::Bypass { good_for, fenced: false };
            return;
        }
        if !self.follow(scene, reader, false) {
            self.readers[reader].read = Read::Get(Wire::Sent);
        }
    }

    pub(super) fn send_acquire(&mut self, scene: &Scene, reader: usize) {
        let Reader { waited, background, .. } = self.readers[reader];
        if !waited && !background && self.follow(scene, reader, true) {
            return;
        }
        let number = u8::try_from(reader).expect("few readers") * 2 + u8::from(self.readers[reader].waited);
        let early = (!scene.keeps(Rule::LoadAfterGrant)).then_some(self.row);
        let good_for = self.send_for(reader);
        self.readers[reader].read = Read::Acquire { token: number, good_for, wire: Wire::Sent, early };
    }

    pub(super) fn send_for(&mut self, reader: usize) -> u8 {
        let sent = &mut self.readers[reader].sent;
        *sent += 1;
        *sent - 1
    }
}
