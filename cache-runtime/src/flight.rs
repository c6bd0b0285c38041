//! Single-flight: callers of one key in one process share one load, and nobody gets evidence older than his call.
//!
//! A flight belongs to one key. Its leader looks, loads and stores; the others wait. The leader says when he is about
//! to send for a piece of evidence (a `GET`, an ACQUIRE, the start of the load, a FILL): whoever had joined by then
//! may take what comes of it, whoever joined later starts over (rule 3 of the protocol). A leader that goes away
//! without a result sends everybody to start over, and the first of them leads the next flight.

use std::{
    any::Any,
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    pin::pin,
};

use smallvec::SmallVec;

use crate::{
    domain::key::Key,
    sync::{
        Arc, Mutex, MutexGuard, Notify, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A result that flights hand on: the type is known to the callers of one key, and checked.
pub(crate) type Shared = Arc<dyn Any + Send + Sync>;

/// The flights of one cache.
#[derive(Debug)]
pub(crate) struct Flights {
    shards: [Mutex<HashMap<Key, Arc<Flight>>>; 16],
    hasher: RandomState,
    /// How many there are: most of the time none, and then nobody takes a lock.
    flying: AtomicUsize,
}

#[derive(Debug, Default)]
struct Flight {
    state: Mutex<State>,
    landed: Notify,
    /// The flights that the task which leads this one is waiting for.
    waits_for: Mutex<Vec<Arc<Self>>>,
}

#[derive(Debug, Default)]
struct State {
    /// How many pieces of evidence have been sent for.
    sent: u32,
    followers: usize,
    /// What this flight brings is not stored: who comes now looks himself before he joins.
    unstored: bool,
    outcome: Option<Outcome>,
}

#[derive(Clone, Debug)]
enum Outcome {
    /// For who joined when at most `good_for` pieces of evidence had been sent for.
    Value { shared: Shared, good_for: u32 },
    /// It has failed, and there is nothing of it that others may have.
    Failed,
    /// It takes longer than others wait.
    TimedOut,
    /// Its leader has gone away.
    Gone,
}

/// How a flight ended for who waited.
#[derive(Clone, Debug)]
pub(crate) enum Landed {
    /// With a result.
    Shared(Shared),
    /// With an error, or a panic, that cannot be handed on.
    Failed,
    /// Not within the time that others wait.
    TimedOut,
    /// Without a result, or with one that is older than the call: start over.
    Nothing,
}

/// What a caller is to do.
pub(crate) enum Role {
    Lead(Leader),
    Follow(Follower),
}

/// The caller who looks and loads. Dropped without [`Leader::land`], the others start over.
pub(crate) struct Leader {
    flights: Arc<Flights>,
    key: Key,
    flight: Arc<Flight>,
}

/// A caller who waits for the leader.
pub(crate) struct Follower {
    flight: Arc<Flight>,
    joined: u32,
}

impl Default for Flights {
    fn default() -> Self {
        Self { shards: Default::default(), hasher: RandomState::new(), flying: AtomicUsize::new(0) }
    }
}

impl Flights {
    /// Joins the flight of a key, if there is one.
    pub(crate) fn follow(&self, key: &Key, again: bool) -> Option<Follower> {
        if self.flying.load(Ordering::Acquire) == 0 {
            return None;
        }
        let flight = self.shard(key).get(key).cloned()?;
        let unstored = lock(&flight.state).unstored;
        (!unstored).then(|| Follower::join(flight, again))
    }

    /// Joins the flight of a key, or starts it.
    pub(crate) fn lead_or_follow(self: &Arc<Self>, key: &Key, again: bool) -> Role {
        let mut shard = self.shard(key);
        if let Some(flight) = shard.get(key) {
            return Role::Follow(Follower::join(Arc::clone(flight), again));
        }
        let flight = Arc::<Flight>::default();
        shard.insert(key.clone(), Arc::clone(&flight));
        self.flying.fetch_add(1, Ordering::Release);
        Role::Lead(Leader { flights: Arc::clone(self), key: key.clone(), flight })
    }

    /// Leads a flight that nobody can join: nobody waits for a refresh.
    pub(crate) fn lead_alone(self: &Arc<Self>, key: &Key) -> Leader {
        Leader { flights: Arc::clone(self), key: key.clone(), flight: Arc::default() }
    }

    /// Announces that this task waits for a flight. `None`: the flight, directly or through others, waits for one that
    /// this task leads, so that nobody would ever land.
    pub(crate) fn wait_for(&self, follower: &Follower) -> Option<Waiting> {
        let led = led_here();
        if led.is_empty() {
            return Some(Waiting { led, flight: None });
        }
        // One for all caches: a task may lead flights of several.
        static WAITING: Mutex<()> = Mutex::new(());
        let _alone = lock(&WAITING);
        if led.iter().any(|led| waits_for(&follower.flight, led)) {
            return None;
        }
        for led in &led {
            lock(&led.waits_for).push(Arc::clone(&follower.flight));
        }
        Some(Waiting { led, flight: Some(Arc::clone(&follower.flight)) })
    }

    /// How many flights are under way.
    pub(crate) fn len(&self) -> usize {
        self.flying.load(Ordering::Acquire)
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, HashMap<Key, Arc<Flight>>> {
        let shard = self.hasher.hash_one(key) as usize % self.shards.len();
        lock(&self.shards[shard])
    }
}

impl Leader {
    /// Call before a piece of evidence is sent for. The answer is what [`Leader::land`] takes as `good_for`.
    pub(crate) fn send_for(&self) -> u32 {
        let mut state = lock(&self.flight.state);
        let before = state.sent;
        state.sent += 1;
        before
    }

    /// What this flight brings will not be stored. Who comes from now on looks himself before he joins: what keeps it
    /// from being stored may be over by then.
    pub(crate) fn unstored(&self) {
        lock(&self.flight.state).unstored = true;
    }

    /// Lets nobody else join: who comes now could not take the result, and need not wait for it.
    pub(crate) fn close(&self) {
        let mut shard = self.flights.shard(&self.key);
        if shard.get(&self.key).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight)) {
            shard.remove(&self.key);
            self.flights.flying.fetch_sub(1, Ordering::Release);
        }
    }

    /// Ends the flight. `share` makes a copy for the others, and is asked only where there are some.
    pub(crate) fn land(self, good_for: u32, share: impl FnOnce() -> Option<Shared>) {
        self.close();
        if lock(&self.flight.state).followers == 0 {
            return;
        }
        let outcome = share().map_or(Outcome::Failed, |shared| Outcome::Value { shared, good_for });
        lock(&self.flight.state).outcome.get_or_insert(outcome);
    }

    /// The load takes longer than others wait: they go on without it, and who comes from now on leads another flight.
    pub(crate) fn time_out(&self) {
        self.close();
        lock(&self.flight.state).outcome.get_or_insert(Outcome::TimedOut);
        self.flight.landed.notify_waiters();
    }
}

/// Whether the leader of `flight` waits, directly or through others, for `other`.
fn waits_for(flight: &Arc<Flight>, other: &Arc<Flight>) -> bool {
    Arc::ptr_eq(flight, other) || lock(&flight.waits_for).iter().any(|next| waits_for(next, other))
}

/// A wait of somebody who leads; over when dropped.
#[must_use = "the wait is over when it is dropped"]
pub(crate) struct Waiting {
    led: Vec<Arc<Flight>>,
    flight: Option<Arc<Flight>>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(flight) = &self.flight else { return };
        for led in &self.led {
            let mut waits_for = lock(&led.waits_for);
            if let Some(at) = waits_for.iter().position(|next| Arc::ptr_eq(next, flight)) {
                waits_for.swap_remove(at);
            }
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.close();
        let outcome = if std::thread::panicking() { Outcome::Failed } else { Outcome::Gone };
        lock(&self.flight.state).outcome.get_or_insert(outcome);
        self.flight.landed.notify_waiters();
    }
}

impl Follower {
    /// `again`: another flight of this key has ended since the call began, so this one began after it, and all that it
    /// finds is evidence (rule 3: once is enough).
    fn join(flight: Arc<Flight>, again: bool) -> Self {
        let mut state = lock(&flight.state);
        let joined = if again { 0 } else { state.sent };
        state.followers += 1;
        drop(state);
        Self { flight, joined }
    }

    /// Waits for the leader.
    ///
    /// # Cancel safety
    /// Safe: a follower that goes away is missed by nobody.
    pub(crate) async fn landed(self) -> Landed {
        loop {
            // Registered before the outcome is looked at, so that no landing is slept through.
            let mut landed = pin!(self.flight.landed.notified());
            landed.as_mut().enable();
            let outcome = lock(&self.flight.state).outcome.clone();
            match outcome {
                Some(Outcome::Value { shared, good_for }) if self.joined <= good_for => {
                    return Landed::Shared(shared);
                }
                Some(Outcome::Failed) => return Landed::Failed,
                Some(Outcome::TimedOut) => return Landed::TimedOut,
                Some(Outcome::Value { .. } | Outcome::Gone) => return Landed::Nothing,
                None => landed.await,
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        lock(&self.flight.state).followers -= 1;
    }
}

tokio::task_local! {
    /// The keys whose load this task is running, innermost first.
    static LEADING: Arc<Led>;
}

#[derive(Debug)]
struct Led {
    /// Which cache: another one may use the same key.
    cache: usize,
    /// One, or those of a batch, sorted by key.
    flights: SmallVec<[(Key, Arc<Flight>); 1]>,
    outer: Option<Arc<Self>>,
}

/// Whether this task is running the load of `key` right now: then waiting for it would be waiting for oneself.
pub(crate) fn leads(flights: &Flights, key: &Key) -> bool {
    let cache = std::ptr::from_ref(flights).addr();
    let leads = LEADING.try_with(|led| {
        std::iter::successors(Some(led), |led| led.outer.as_ref())
            .any(|led| led.cache == cache && led.flights.binary_search_by(|(led, _)| led.cmp(key)).is_ok())
    });
    leads.unwrap_or(false)
}

/// The flights that this task leads.
fn led_here() -> Vec<Arc<Flight>> {
    let led = LEADING.try_with(|led| {
        let chain = std::iter::successors(Some(led), |led| led.outer.as_ref());
        chain.flat_map(|led| led.flights.iter().map(|(_, flight)| Arc::clone(flight))).collect()
    });
    led.unwrap_or_default()
}

impl Leader {
    /// Runs the load of this flight.
    pub(crate) async fn leading<F: Future>(&self, load: F) -> F::Output {
        leading([self], load).await
    }
}

/// Runs the load of some flights of one cache.
pub(crate) async fn leading<'a, F: Future>(
    leaders: impl IntoIterator<Item = &'a Leader>,
    load: F,
) -> F::Output {
    let mut cache = 0;
    let mut flights = SmallVec::new();
    for leader in leaders {
        cache = Arc::as_ptr(&leader.flights).addr();
        flights.push((leader.key.clone(), Arc::clone(&leader.flight)));
    }
    flights.sort_unstable_by(|(one, _): &(Key, _), (other, _)| one.cmp(other));
    let outer = LEADING.try_with(Arc::clone).ok();
    LEADING.scope(Arc::new(Led { cache, flights, outer }), load).await
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::domain::key::KeyWriter;

    fn key(text: &str) -> Key {
        KeyWriter::new(text).finish()
    }

    fn lead(flights: &Arc<Flights>, key: &Key) -> Leader {
        match flights.lead_or_follow(key, false) {
            Role::Lead(leader) => leader,
            Role::Follow(_) => panic!("somebody leads already"),
        }
    }

    fn value(follower: Follower) -> Option<u32> {
        match follower.landed().now_or_never().expect("the flight has landed") {
            Landed::Shared(shared) => shared.downcast_ref::<u32>().copied(),
            Landed::Failed | Landed::TimedOut | Landed::Nothing => None,
        }
    }

    #[test]
    fn who_joined_before_the_evidence_was_sent_for_takes_it() {
        let flights = Arc::<Flights>::default();
        let leader = lead(&flights, &key("a"));
        let early = flights.follow(&key("a"), false).expect("a flight");
        let good_for = leader.send_for();
        let late = flights.follow(&key("a"), false).expect("a flight");
        assert!(flights.follow(&key("b"), false).is_none());
        leader.land(good_for, || Some(Arc::new(7_u32)));
        assert_eq!((value(early), value(late)), (Some(7), None));
        assert_eq!(flights.len(), 0);
    }

    #[test]
    fn a_confirmed_store_is_evidence_for_who_joined_during_the_load() {
        let flights = Arc::<Flights>::default();
        let leader = lead(&flights, &key("a"));
        leader.send_for();
        let during_load = flights.follow(&key("a"), false).expect("a flight");
        let fill = leader.send_for();
        let during_fill = flights.follow(&key("a"), false).expect("a flight");
        leader.land(fill, || Some(Arc::new(7_u32)));
        assert_eq!((value(during_load), value(during_fill)), (Some(7), None));
    }

    #[test]
    fn a_leader_that_goes_away_sends_everybody_to_start_over() {
        let flights = Arc::<Flights>::default();
        let leader = lead(&flights, &key("a"));
        let follower = flights.follow(&key("a"), false).expect("a flight");
        drop(leader);
        assert_eq!(value(follower), None);
        lead(&flights, &key("a"));
    }

    #[test]
    fn a_closed_flight_is_joined_by_nobody_and_serves_who_waits() {
        let flights = Arc::<Flights>::default();
        let leader = lead(&flights, &key("a"));
        let follower = flights.follow(&key("a"), false).expect("a flight");
        let good_for = leader.send_for();
        leader.close();
        let next = lead(&flights, &key("a"));
        leader.land(good_for, || Some(Arc::new(7_u32)));
        assert_eq!(value(follower), Some(7));
        assert_eq!(flights.len(), 1, "the next flight is not touched");
        drop(next);
    }

    #[test]
    fn who_waits_learns_how_it_ended() {
        let ended = |end: fn(Leader)| {
            let flights = Arc::<Flights>::default();
            let leader = lead(&flights, &key("a"));
            let follower = flights.follow(&key("a"), false).expect("a flight");
            end(leader);
            follower.landed().now_or_never().expect("the flight has landed")
        };
        assert!(matches!(ended(|leader| leader.land(1, || None)), Landed::Failed));
        assert!(matches!(ended(drop), Landed::Nothing));
        assert!(matches!(ended(|leader| leader.time_out()), Landed::TimedOut));
        let late = ended(|leader| {
            leader.time_out();
            leader.land(1, || Some(Arc::new(7_u32)));
        });
        assert!(matches!(late, Landed::TimedOut), "{late:?}");
    }

    #[test]
    fn what_is_not_stored_is_joined_by_who_has_looked_only() {
        let flights = Arc::<Flights>::default();
        let leader = lead(&flights, &key("a"));
        leader.unstored();
        assert!(flights.follow(&key("a"), false).is_none());
        let Role::Follow(follower) = flights.lead_or_follow(&key("a"), false) else { panic!("led twice") };
        let good_for = leader.send_for();
        leader.land(good_for, || Some(Arc::new(7_u32)));
        assert_eq!(value(follower), Some(7));
    }

    #[test]
    fn a_flight_alone_is_joined_by_nobody() {
        let flights = Arc::<Flights>::default();
        let refresh = flights.lead_alone(&key("a"));
        let leader = lead(&flights, &key("a"));
        drop(refresh);
        assert!(flights.follow(&key("a"), false).is_some(), "it has not closed the other one");
        drop(leader);
        assert_eq!(flights.len(), 0);
    }

    #[test]
    fn nothing_is_copied_where_nobody_waits() {
        let flights = Arc::<Flights>::default();
        let leader = lead(&flights, &key("a"));
        let good_for = leader.send_for();
        leader.land(good_for, || panic!("nobody waits"));
    }
}
