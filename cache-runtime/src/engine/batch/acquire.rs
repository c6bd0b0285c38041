//! The look-up of a batch, and the leases of what it has not found.

use futures_util::future::{join, join_all};

use super::{AT_ONCE, Item, Run, State};
use crate::{
    ambient::{self, Deadline},
    codec::envelope::Body,
    domain::{
        entry::{Acquired, Seen, Token},
        key::Key,
        policy::Ttl,
    },
    engine::{
        CacheValue,
        collection::BatchShape,
        invalidate,
        load::{Leased, acquire},
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
    pub(super) async fn look(&mut self) {
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
                self.states[index] = State::Unstored(None, "recovery");
            } else if let Some(follower) = engine.flights.follow(key, false) {
                self.states[index] = State::Following(follower);
            } else {
                wanted.push(index);
            }
        }
        for (index, found, _) in self.read(&wanted).await {
            let (seen, fenced) = match found.known() {
                Ok(value) => {
                    self.done(index, value, Outcome::HitRemote);
                    continue;
                }
                Err(Found::Nothing(seen)) => (seen, false),
                Err(other) => (Seen::Nothing, matches!(other, Found::Fenced)),
            };
            self.states[index] = match engine.flights.lead_or_follow(&items[index].key, false) {
                Role::Follow(follower) => State::Following(follower),
                Role::Lead(leader) if fenced => fenced_load(leader),
                Role::Lead(leader) => State::Led(leader, seen),
            };
        }
    }

    /// Asks for the leases of all flights that it leads, and beside it for the versions of their tags.
    pub(super) async fn acquire(&mut self) {
        // Once more for a value that is there and is of no use.
        for last in [false, true] {
            let led = self.all(|state| matches!(state, State::Led(..)));
            if led.is_empty() {
                return;
            }
            let versions = self.tag_versions(&led);
            let (answers, versions) = join(self.leases(&led), versions).await;
            self.versions.extend(versions);
            for (index, (token, good_for, answer)) in led.into_iter().zip(answers) {
                self.acquired(index, token, good_for, answer, last);
            }
        }
    }

    /// ACQUIRE for each, in chunks. When one chunk had no answer the others are not asked.
    async fn leases(&self, led: &[usize]) -> Vec<(Token, u32, Result<Acquired<Body>, StoreError>)> {
        let mut answers = Vec::with_capacity(led.len());
        let mut out = false;
        for chunk in led.chunks(AT_ONCE) {
            let deadline = Deadline::after(self.engine.config.budget);
            let asked = chunk.iter().map(|&index| async move {
                let token = ambient::token();
                let State::Led(leader, seen) = &self.states[index] else { unreachable!("it is led") };
                let good_for = leader.send_for();
                let answer = match out {
                    true => Err(StoreError::Disconnected),
                    false => acquire(&self.context(), &self.items[index].key, token, *seen, deadline).await,
                };
                (token, good_for, answer)
            });
            let asked = join_all(asked).await;
            out |= asked.iter().any(|(_, _, answer)| {
                matches!(answer, Err(StoreError::Timeout | StoreError::Disconnected | StoreError::Off))
            });
            answers.extend(asked);
        }
        answers
    }

    /// The versions of the tags of some entries, before their load begins.
    async fn tag_versions(&self, indices: &[usize]) -> Vec<(&'a Key, Token)> {
        let mut tags: Vec<&'a Key> = indices.iter().flat_map(|index| &self.items[*index].tags).collect();
        tags.sort_unstable();
        tags.dedup();
        let needed = self.site.tags_needed(self.engine);
        let mut known = Vec::with_capacity(tags.len());
        for chunk in tags.chunks(AT_ONCE) {
            let names: Vec<Key> = chunk.iter().map(|tag| (*tag).clone()).collect();
            let deadline = Deadline::after(self.engine.config.budget);
            match deadline.bound(self.engine.store.versions(&names, needed)).await {
                Some(Ok(versions)) => known.extend(chunk.iter().copied().zip(versions)),
                // Without them nothing can be stored.
                Some(Err(_)) | None => break,
            }
        }
        known
    }

    fn acquired(
        &mut self,
        index: usize,
        token: Token,
        good_for: u32,
        answer: Result<Acquired<Body>, StoreError>,
        last: bool,
    ) {
        let (engine, site, key) = (self.engine, self.site, &self.items[index].key);
        let State::Led(leader, _) = std::mem::replace(&mut self.states[index], State::Open) else {
            unreachable!("it is led")
        };
        let versions = self.versions_of(index);
        self.states[index] = match (answer, versions) {
            (Ok(Acquired::Granted), Some(_)) => State::Leased(leader, token, engine.miss(key)),
            (Ok(Acquired::Granted), None) => {
                drop(Leased { context: Some(self.context()), key, token });
                unstored(leader, "tags")
            }
            (Ok(Acquired::Busy(lease)), _) => State::Elsewhere(leader, lease.token),
            (Ok(Acquired::Fenced), _) => fenced_load(leader),
            (Ok(Acquired::Found(value)), versions) => {
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

/// A write is under way. A flight all the same, for those who have looked and know it.
fn fenced_load<V>(leader: Leader) -> State<V> {
    leader.unstored();
    State::Unstored(Some(leader), "fenced")
}

/// Who comes from now on could not take the result: they need not wait for it.
fn unstored<V>(leader: Leader, reason: &'static str) -> State<V> {
    leader.close();
    State::Unstored(Some(leader), reason)
}
