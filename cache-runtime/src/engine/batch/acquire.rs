//! The look-up of a batch, and the leases of what it has not found.

use futures_util::future::{join, join_all};

use super::{AT_ONCE, Item, Run, State, TURN};
use crate::{
    ambient::Deadline,
    domain::{
        entry::{Seen, Token},
        key::Key,
        policy::Ttl,
    },
    engine::{
        CacheValue,
        collection::BatchShape,
        invalidate,
        lease::{Asked, acquire},
        lookup::{Found, judge_value},
    },
    error::StoreError,
    flight::{self, Leader, Role},
    metrics::Outcome,
    store::Store as _,
};

impl<'a, S, T, C> Run<'a, S, T, C>
where
    S: BatchShape<Value: CacheValue>,
    T: Fn(&S::Value) -> Ttl,
    C: Fn(&S::Value) -> bool,
{
    /// The local level, flights of others, then one look-up for the rest.
    pub(super) async fn look(&mut self, deadline: Deadline) {
        let (engine, site, items) = (self.engine, self.site, self.items);
        let mut wanted = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let Item { key, tags, .. } = item;
            if flight::leads(&engine.flights, key) {
                self.states[index] = State::Unstored(None, "recursion");
            } else if let Some(value) = item.place().local(engine, site) {
                engine.stats(site).count(Outcome::HitLocal);
                self.states[index] = State::Done(value);
            } else if engine.recovery.covers(key, tags) {
                invalidate::resume(engine);
                self.fail(index, &StoreError::Covered);
                self.share_unstored(index);
            } else if let Some(follower) = engine.flights.follow(key, false) {
                self.states[index] = State::Following(follower);
            } else {
                wanted.push(index);
            }
            if index % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
        }
        let found = self.read(&wanted, deadline).await;
        wanted.iter().for_each(|index| self.share_unstored(*index));
        for (step, (index, found, _)) in found.into_iter().enumerate() {
            let (seen, fenced) = match found.known() {
                Ok(value) => {
                    self.done(index, value, Outcome::HitRemote);
                    continue;
                }
                Err(Found::Nothing(seen)) => (seen, false),
                Err(other) => (Seen::Nothing, matches!(other, Found::Fenced)),
            };
            self.states[index] = match self.lead_or_follow(index, false) {
                Role::Follow(follower) => State::Following(follower),
                Role::Lead(leader) if fenced => unstored(leader, "fenced"),
                Role::Lead(leader) => State::Led(leader, seen),
            };
            if step % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Asks for the leases of all flights that it leads, and beside it for the versions of their tags.
    pub(super) async fn acquire(&mut self, deadline: Deadline) {
        // Once more for a value that is there and is of no use.
        for last in [false, true] {
            let led = self.all(|state| matches!(state, State::Led(..)));
            if led.is_empty() {
                return;
            }
            let versions = self.tag_versions(&led, deadline);
            let (answers, versions) = join(self.leases(&led, deadline), versions).await;
            self.versions.extend(versions);
            for (index, (good_for, answer)) in led.into_iter().zip(answers) {
                self.acquired(index, good_for, answer, last);
            }
        }
    }

    /// ACQUIRE for each, in chunks. When one chunk had no answer the others are not asked.
    async fn leases(&self, led: &[usize], deadline: Deadline) -> Vec<(u32, Result<Asked<'a>, StoreError>)> {
        let mut answers = Vec::with_capacity(led.len());
        let mut out = false;
        for chunk in led.chunks(AT_ONCE) {
            let asked = chunk.iter().map(|&index| async move {
                let State::Led(leader, seen) = &self.states[index] else { unreachable!("it is led") };
                let good_for = leader.send_for();
                let answer = match out {
                    true => Err(StoreError::Timeout),
                    false => acquire(self.context(), &self.items[index].key, *seen, deadline).await,
                };
                (good_for, answer)
            });
            let asked = join_all(asked).await;
            out |= asked.iter().any(|(_, answer)| {
                matches!(answer, Err(StoreError::Timeout | StoreError::Disconnected | StoreError::Off))
            });
            answers.extend(asked);
            tokio::task::yield_now().await;
        }
        answers
    }

    /// The versions of the tags of some entries, before their load begins.
    async fn tag_versions(&self, indices: &[usize], deadline: Deadline) -> Vec<(&'a Key, Token)> {
        let mut tags: Vec<&'a Key> = indices.iter().flat_map(|index| &self.items[*index].tags).collect();
        tags.sort_unstable();
        tags.dedup();
        let needed = self.site.tags_needed(self.engine);
        let mut known = Vec::with_capacity(tags.len());
        for chunk in tags.chunks(AT_ONCE) {
            let names: Vec<Key> = chunk.iter().map(|tag| (*tag).clone()).collect();
            match deadline.bound(self.engine.store.versions(&names, needed)).await {
                Some(Ok(versions)) => known.extend(chunk.iter().copied().zip(versions)),
                // Without them nothing can be stored.
                Some(Err(_)) | None => break,
            }
        }
        known
    }

    fn acquired(&mut self, index: usize, good_for: u32, answer: Result<Asked<'a>, StoreError>, last: bool) {
        let (engine, site, key) = (self.engine, self.site, &self.items[index].key);
        let State::Led(leader, _) = std::mem::replace(&mut self.states[index], State::Open) else {
            unreachable!("it is led")
        };
        let versions = self.versions_of(index);
        self.states[index] = match (answer, versions) {
            (Ok(Asked::Granted(lease)), Some(_)) => State::Leased(leader, lease, engine.miss(key)),
            // Without the versions of its tags nothing can be stored: the lease is given back.
            (Ok(Asked::Granted(_)), None) => unstored(leader, "tags"),
            (Ok(Asked::Busy(lease)), _) => State::Elsewhere(leader, lease.token),
            (Ok(Asked::Fenced), _) => unstored(leader, "fenced"),
            (Ok(Asked::Found(value)), versions) => {
                let found = match &versions {
                    Some(versions) => judge_value::<S::Value>(engine, site, key, &value, versions),
                    None => Found::Nothing(Seen::Drop(value.id)),
                };
                match found.known() {
                    Ok(value) => return self.found(index, leader, good_for, value),
                    Err(Found::Nothing(seen)) if !last => State::Led(leader, seen),
                    Err(_) => unstored(leader, "unreadable"),
                }
            }
            (Err(error), _) => {
                engine.failed(site, &error);
                unstored(leader, error.reason())
            }
        };
    }
}

/// What is loaded is not stored. A flight all the same, for callers that have looked and know it.
fn unstored<'a, V>(leader: Leader, reason: &'static str) -> State<'a, V> {
    leader.unstored();
    State::Unstored(Some(leader), reason)
}
