//! The steps of one call.

use super::{Caller, KEYS, Look, Phase, Rule, Scene, Slot, Step, Turn, World};
use crate::{
    Version, Wire,
    explorer::{Broken, Event, Next},
};

pub(super) fn events(scene: &Scene, world: &World, at: usize, next: &mut Next<World>) {
    let mut step = |event, result: Step| next.push((Event("call", at, event), result));
    let Caller(_, keys) = scene.callers[at];
    let call = world.calls[at];
    let after = || world.clone();
    match call.phase {
        Phase::Done => {}
        Phase::NotCalled => {
            let mut after = after();
            after.calls[at].phase = Phase::Look;
            after.calls[at].floor = world.returned;
            step("called", Ok(after));
        }
        Phase::Look => step("MGET executed", Ok(after().looked(at, keys))),
        Phase::Join => step("serves, leads or joins", after().join(scene, at, keys)),
        Phase::Ask { good_for } => {
            for &key in keys.iter().filter(|key| call.slots[**key] == Slot::Ask(None)) {
                let mut after = after();
                let turn = after.acquire(key, number(at, key));
                after.calls[at].slots[key] = Slot::Ask(Some(turn));
                step("ACQUIRE executed", Ok(after));
            }
            let early = !scene.keeps(Rule::LoadAfterGrants);
            if early && call.early.is_none() && call.slots.contains(&Slot::Ask(Some(Turn::Granted))) {
                step("loaded, with the first lease", Ok(after().load_early(at)));
            }
            if !call.slots.contains(&Slot::Ask(None)) {
                step("all ACQUIREs answered", after().asked(scene, at, good_for));
            }
        }
        Phase::Load { started } => step("loaded", after().loaded(at, started)),
        Phase::Fill { started, filled } => {
            let mut open = false;
            for key in 0..KEYS {
                if let Slot::Fill(value, Wire::Sent) = call.slots[key] {
                    open = true;
                    let mut after = after();
                    let stored = after.fill(scene, key, number(at, key), value);
                    after.calls[at].slots[key] = Slot::Fill(value, Wire::Executed(stored));
                    step("FILL executed", Ok(after));
                }
            }
            if !open {
                step("all FILLs answered", after().filled(scene, at, started, filled));
            }
        }
        Phase::Wait => wait(scene, world, at, keys, &mut step),
        Phase::Second { started } => step("loaded a second time", after().second(scene, at, started)),
    }
}

fn number(call: usize, key: usize) -> u8 {
    u8::try_from(call * KEYS + key).expect("few calls")
}

fn wait(scene: &Scene, world: &World, at: usize, keys: &[usize], step: &mut impl FnMut(&'static str, Step)) {
    let slots = world.calls[at].slots;
    let follows = |slot: &Slot| matches!(slot, Slot::Follow { .. });
    if !scene.keeps(Rule::WaitSideBySide) && slots.iter().any(follows) {
        return;
    }
    for &key in keys {
        match slots[key] {
            Slot::Busy(holder) => {
                // A wake-up is a hint; what counts is that this lease is gone.
                if world.entries[key] != world.entries[key].clone().release(holder) {
                    continue;
                }
                let mut after = world.clone();
                let good_for = after.send_for(at);
                after.calls[at].slots[key] = Slot::Again(good_for, None);
                step("sees that the lease is gone", Ok(after));
            }
            Slot::Again(good_for, None) => {
                let mut after = world.clone();
                after.calls[at].slots[key] = Slot::Again(good_for, Some(world.look(key)));
                step("GET executed", Ok(after));
            }
            Slot::Again(good_for, Some(look)) => {
                step("GET answered", world.clone().looked_again(scene, at, key, (look, good_for)));
            }
            Slot::NotAsked | Slot::Held | Slot::Still | Slot::Looked(_) | Slot::Follow { .. } => {}
            Slot::Ask(_) | Slot::Granted | Slot::Unstored | Slot::Fill(..) => {}
        }
    }
    let open = |slot: &Slot| matches!(slot, Slot::Busy(_) | Slot::Again(..) | Slot::Follow { .. });
    if !slots.iter().any(open) {
        let mut after = world.clone();
        after.after_waiting(at);
        step("has waited", Ok(after));
    }
}

impl World {
    fn looked(mut self, at: usize, keys: &[usize]) -> Self {
        for &key in keys {
            self.calls[at].slots[key] = Slot::Looked(self.look(key));
        }
        self.calls[at].phase = Phase::Join;
        self
    }

    /// The next key in the order of the call, which is that of its waits, too.
    fn join(mut self, scene: &Scene, at: usize, keys: &[usize]) -> Step {
        let looked = keys.iter().find_map(|&key| match self.calls[at].slots[key] {
            Slot::Looked(look) => Some((key, look)),
            _ => None,
        });
        let Some((key, look)) = looked else {
            let good_for = self.send_for(at);
            self.calls[at].phase = Phase::Ask { good_for };
            return Ok(self);
        };
        self.calls[at].slots[key] = match (look, self.flight(scene, at, key)) {
            (Look::Value(value), _) => return self.hold(at, key, value),
            (Look::Fenced | Look::Nothing, Some(leader)) => {
                Slot::Follow { leader, joined: self.calls[leader].sent }
            }
            (Look::Fenced, None) => Slot::Unstored,
            (Look::Nothing, None) => Slot::Ask(None),
        };
        Ok(self)
    }

    /// Who leads the flight of a key in the process of a call.
    fn flight(&self, scene: &Scene, at: usize, key: usize) -> Option<usize> {
        let leads = |other: &usize| {
            let slot = self.calls[*other].slots[key];
            let asks = matches!(slot, Slot::Ask(_) | Slot::Granted | Slot::Fill(..));
            let waits = matches!(slot, Slot::Unstored | Slot::Busy(_) | Slot::Again(..))
                || (slot == Slot::Still && !scene.keeps(Rule::LeaveFlights));
            *other != at && scene.callers[*other].0 == scene.callers[at].0 && (asks || waits)
        };
        (0..self.calls.len()).find(leads)
    }

    fn asked(mut self, scene: &Scene, at: usize, good_for: u8) -> Step {
        for key in 0..KEYS {
            let Slot::Ask(Some(turn)) = self.calls[at].slots[key] else { continue };
            self.calls[at].slots[key] = match turn {
                Turn::Granted => Slot::Granted,
                Turn::Fenced => Slot::Unstored,
                Turn::Busy(holder) => Slot::Busy(holder),
                Turn::Found(value) => {
                    self = self.land(scene, at, key, (value, good_for))?;
                    continue;
                }
            };
        }
        let waits = |slot: &Slot| matches!(slot, Slot::Busy(_) | Slot::Follow { .. });
        if !scene.keeps(Rule::FillBeforeWaiting) && self.calls[at].slots.iter().any(waits) {
            // With its leases in hand.
            self.calls[at].phase = Phase::Wait;
            return Ok(self);
        }
        self.run_or_wait(at);
        Ok(self)
    }

    fn run_or_wait(&mut self, at: usize) {
        let slots = self.calls[at].slots;
        if slots.iter().any(|slot| matches!(slot, Slot::Granted | Slot::Unstored)) {
            let started = self.send_for(at);
            self.calls[at].phase = Phase::Load { started };
        } else {
            self.calls[at].phase = Phase::Wait;
        }
    }

    /// Without its rule: the body runs for all keys as soon as there is one lease.
    fn load_early(mut self, at: usize) -> Self {
        self.calls[at].early = Some(self.rows);
        self
    }

    fn loaded(mut self, at: usize, started: u8) -> Step {
        for key in 0..KEYS {
            if matches!(self.calls[at].slots[key], Slot::Granted | Slot::Unstored) {
                let value = self.calls[at].early.unwrap_or(self.rows)[key];
                let wire = match self.calls[at].slots[key] {
                    Slot::Granted => Wire::Sent,
                    _ => Wire::Executed(false),
                };
                self.calls[at].slots[key] = Slot::Fill(value, wire);
            }
        }
        let filled = self.send_for(at);
        self.calls[at].phase = Phase::Fill { started, filled };
        Ok(self)
    }

    fn filled(mut self, scene: &Scene, at: usize, started: u8, filled: u8) -> Step {
        self.calls[at].phase = Phase::Wait;
        for key in 0..KEYS {
            if let Slot::Fill(value, Wire::Executed(stored)) = self.calls[at].slots[key] {
                self = self.land(scene, at, key, (value, if stored { filled } else { started }))?;
            }
        }
        Ok(self)
    }

    fn looked_again(mut self, scene: &Scene, at: usize, key: usize, (look, good_for): (Look, u8)) -> Step {
        match look {
            Look::Value(value) => self.land(scene, at, key, (value, good_for)),
            Look::Fenced | Look::Nothing => {
                self.calls[at].slots[key] = Slot::Still;
                if scene.keeps(Rule::LeaveFlights) {
                    for call in &mut self.calls {
                        if matches!(call.slots[key], Slot::Follow { leader, .. } if leader == at) {
                            call.slots[key] = Slot::Still;
                        }
                    }
                }
                Ok(self)
            }
        }
    }

    fn after_waiting(&mut self, at: usize) {
        let loads = |slot: &Slot| matches!(slot, Slot::Granted | Slot::Unstored);
        if self.calls[at].slots.iter().any(loads) {
            self.run_or_wait(at);
        } else if self.calls[at].slots.contains(&Slot::Still) {
            let started = self.send_for(at);
            self.calls[at].phase = Phase::Second { started };
        } else {
            self.calls[at].phase = Phase::Done;
        }
    }

    fn second(mut self, scene: &Scene, at: usize, started: u8) -> Step {
        self.calls[at].phase = Phase::Done;
        for key in 0..KEYS {
            if self.calls[at].slots[key] == Slot::Still {
                let value = self.rows[key];
                self = self.land(scene, at, key, (value, started))?;
            }
        }
        Ok(self)
    }

    /// The flight of one key ends.
    fn land(mut self, scene: &Scene, at: usize, key: usize, (value, good_for): (Version, u8)) -> Step {
        self.calls[at].slots[key] = Slot::Held;
        for follower in 0..self.calls.len() {
            let Slot::Follow { leader, joined } = self.calls[follower].slots[key] else { continue };
            if leader != at {
                continue;
            }
            if joined <= good_for || !scene.keeps(Rule::Evidence) {
                self = self.hold(follower, key, value)?;
            } else {
                self.calls[follower].slots[key] = Slot::Still;
            }
        }
        self.hold(at, key, value)
    }

    fn hold(mut self, at: usize, key: usize, value: Version) -> Step {
        let floor = self.calls[at].floor[key];
        if value < floor {
            return Err(Broken(format!(
                "call {at} began after version {floor} of key {key} and got {value}"
            )));
        }
        self.calls[at].slots[key] = Slot::Held;
        Ok(self)
    }

    fn send_for(&mut self, at: usize) -> u8 {
        let sent = &mut self.calls[at].sent;
        *sent += 1;
        *sent - 1
    }
}
