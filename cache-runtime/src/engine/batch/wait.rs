//! What others load for a batch: first other processes, then other calls of this one.

use std::collections::HashMap;

use super::{Run, State, TURN};
use crate::{
    ambient::Deadline,
    domain::{entry::Millis, policy::Ttl},
    engine::{CacheValue, collection::BatchShape, load::Served, poll::Pauses},
    flight::{Flights, Landed},
    metrics::Outcome,
    store::Store as _,
};

impl<'a, S, T, C> Run<'a, S, T, C>
where
    S: BatchShape<Value: CacheValue>,
    T: Fn(&S::Value) -> Ttl,
    C: Fn(&S::Value) -> bool,
{
    /// Waits for what others load: first for other processes, as a flight that this batch leads keeps others waiting, then
    /// for the flights of this one.
    pub(super) async fn wait(&mut self) {
        self.wait_elsewhere().await;
        self.wait_for_flights().await;
    }

    async fn wait_elsewhere(&mut self) {
        let (engine, items) = (self.engine, self.items);
        let mut pending: Vec<usize> = self.all(|state| matches!(state, State::Elsewhere(..)));
        if pending.is_empty() {
            return;
        }
        let patience = Deadline::after(self.site.load_timeout(engine));
        let waiter = engine.store.wakeups().register(pending.iter().map(|index| &items[*index].key));
        let mut pauses = Pauses::NEW;
        loop {
            let mut leaders = HashMap::new();
            for &index in &pending {
                if let State::Elsewhere(leader, token) =
                    std::mem::replace(&mut self.states[index], State::Missing)
                {
                    leaders.insert(index, (leader.send_for(), leader, token));
                }
            }
            let mut told = true;
            let mut ends = Millis::MAX;
            let now = engine.store.now();
            let deadline = Deadline::after(engine.config.budget);
            for (index, found, seen) in self.read(&pending, deadline).await {
                let Some((good_for, leader, token)) = leaders.remove(&index) else { continue };
                if let Ok(value) = found.known() {
                    self.found(index, leader, good_for, value);
                } else if let Some(lease) = seen.lease.filter(|lease| lease.token == token) {
                    told &= seen.told;
                    ends = ends.min(lease.until.saturating_sub(now));
                    self.states[index] = State::Elsewhere(leader, token);
                }
            }
            pending = self.all(|state| matches!(state, State::Elsewhere(..)));
            let left = patience.left();
            if pending.is_empty() || left.is_zero() {
                break;
            }
            Deadline::after(pauses.next(told, ends).min(left)).bound(waiter.woken()).await;
        }
        for index in pending {
            // A flight ends before its leader waits for another one (rule 18).
            self.states[index] = State::Missing;
        }
    }

    async fn wait_for_flights(&mut self) {
        let engine = self.engine;
        let timeout = self.site.load_timeout(engine);
        let mut followers = Vec::new();
        for index in self.all(|state| matches!(state, State::Following(_))) {
            if let State::Following(follower) = std::mem::replace(&mut self.states[index], State::Missing) {
                followers.push((index, follower));
            }
        }
        let patience = Deadline::after(timeout);
        let mut again = Vec::new();
        for (step, (index, follower)) in followers.into_iter().enumerate() {
            // One after the other: it waits for all of them in any case.
            let Some(waiting) = Flights::wait_for(&follower) else { continue };
            let landed = patience.bound(follower.landed()).await;
            drop(waiting);
            if step % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
            let shared = match landed {
                Some(Landed::Shared(shared)) => shared,
                // It takes too long, or waits for us.
                None | Some(Landed::TimedOut) => continue,
                Some(Landed::Failed | Landed::Panicked | Landed::Nothing) => {
                    again.push(index);
                    continue;
                }
            };
            match shared.downcast_ref::<Served<S::Value>>() {
                Some(Served::Value(value)) => self.done(index, Some(value.clone()), Outcome::Coalesced),
                Some(Served::Negative) => self.done(index, None, Outcome::Coalesced),
                Some(Served::Failed(_)) => {}
                // A function with another type shares the entry.
                None => again.push(index),
            }
        }
        // What they brought may be there, though not for those who came late.
        let deadline = Deadline::after(engine.config.budget);
        for (index, found, _) in self.read(&again, deadline).await {
            if let Ok(value) = found.known() {
                self.done(index, value, Outcome::HitRemote);
            }
        }
    }
}
