//! Single-flight: callers of one key in one process share one load, and no caller gets evidence older than its call.
//!
//! A flight belongs to one key. Its leader looks, loads and stores; the others wait. The leader says when it is about
//! to send for a piece of evidence (a `GET`, an ACQUIRE, the start of the load, a FILL): a caller that had joined by then
//! may take what comes of it, one that joined later starts over (rule 3 of the protocol). A leader that goes away
//! without a result sends all its followers to start over, and the first of them leads the next flight.
//!
//! Flights that one load lands together (a batch) are one node of the graph in which a caller looks whether a flight waits,
//! directly or through others, for a load that the caller itself runs: without that, neither would ever end.

use std::{
    any::Any,
    collections::{HashMap, HashSet, hash_map::Entry},
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
    /// How many there are: most of the time none, and then no lock is taken.
    flying: AtomicUsize,
}

#[derive(Debug, Default)]
struct Flight {
    state: Mutex<State>,
    landed: Notify,
    /// The flight that stands for the load which lands this one, where that lands others, too.
    group: Option<Arc<Self>>,
    /// The loads that the load of this flight waits for, each with the number of its waits.
    waits_for: Mutex<HashMap<usize, (Arc<Self>, usize)>>,
}

#[derive(Debug, Default)]
struct State {
    /// How many pieces of evidence have been sent for.
    sent: u32,
    followers: usize,
    /// What this flight brings is not stored: a caller looks itself before it joins.
    unstored: bool,
    outcome: Option<Outcome>,
}

#[derive(Clone, Debug)]
enum Outcome {
    /// Valid for followers that joined before piece `good_for` of the evidence was sent for.
    Value { shared: Shared, good_for: u32 },
    /// It has failed, and its failure cannot be handed on.
    Failed,
    /// It has panicked.
    Panicked,
    /// It takes longer than others wait.
    TimedOut,
    /// Its leader has gone away.
    Gone,
}

/// How a flight ended for a follower.
#[derive(Clone, Debug)]
pub(crate) enum Landed {
    /// With a result.
    Shared(Shared),
    /// With an error that cannot be handed on.
    Failed,
    /// With a panic.
    Panicked,
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

/// A caller that looks and loads. Dropped without [`Leader::land`], its followers start over.
pub(crate) struct Leader(FlightRef);

/// The flight of a leader, in the hands of what watches over its load.
#[derive(Clone, Debug)]
pub(crate) struct FlightRef {
    flights: Arc<Flights>,
    key: Key,
    flight: Arc<Flight>,
}

/// A caller that waits for the leader.
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

    /// Joins the flight of a key, or starts it. `group`: a flight that will be landed by
    /// the same load.
    pub(crate) fn lead_or_follow(
        self: &Arc<Self>,
        key: &Key,
        again: bool,
        group: Option<&FlightRef>,
    ) -> Role {
        let mut shard = self.shard(key);
        if let Some(flight) = shard.get(key) {
            return Role::Follow(Follower::join(Arc::clone(flight), again));
        }
        Role::Lead(self.start(&mut shard, key, group, false))
    }

    /// The same for a caller that can use nothing of the store: it joins a flight only where that uses nothing of it either.
    /// Beside a flight that does it leads one of its own, which no other caller joins.
    pub(crate) fn lead_or_follow_unstored(
        self: &Arc<Self>,
        key: &Key,
        again: bool,
        group: Option<&FlightRef>,
    ) -> Role {
        let mut shard = self.shard(key);
        match shard.get(key) {
            Some(flight) if lock(&flight.state).unstored => {
                Role::Follow(Follower::join(Arc::clone(flight), again))
            }
            Some(_) => Role::Lead(self.lead_alone(key)),
            None => Role::Lead(self.start(&mut shard, key, group, true)),
        }
    }

    fn start(
        self: &Arc<Self>,
        shard: &mut HashMap<Key, Arc<Flight>>,
        key: &Key,
        group: Option<&FlightRef>,
        unstored: bool,
    ) -> Leader {
        let flight = Arc::new(Flight {
            state: Mutex::new(State { unstored, ..State::default() }),
            group: group.map(|first| Arc::clone(first.flight.load())),
            ..Flight::default()
        });
        shard.insert(key.clone(), Arc::clone(&flight));
        self.flying.fetch_add(1, Ordering::Release);
        Leader(FlightRef { flights: Arc::clone(self), key: key.clone(), flight })
    }

    /// Leads a flight that no other caller can join, such as a refresh, for which none waits.
    pub(crate) fn lead_alone(self: &Arc<Self>, key: &Key) -> Leader {
        Leader(FlightRef { flights: Arc::clone(self), key: key.clone(), flight: Arc::default() })
    }

    /// Announces that this task waits for a flight. `None`: its load, directly or through others, waits for one that
    /// this task runs, so that neither would ever end.
    pub(crate) fn wait_for(follower: &Follower) -> Option<Waiting> {
        let running = loads_here();
        let load = Arc::clone(follower.flight.load());
        if running.is_empty() {
            return Some(Waiting { running, load });
        }
        // One for all caches: a task may run loads of several.
        static WAITING: Mutex<()> = Mutex::new(());
        let _alone = lock(&WAITING);
        if reaches(&load, &running) {
            return None;
        }
        for run in &running {
            lock(&run.waits_for).entry(address(&load)).or_insert_with(|| (Arc::clone(&load), 0)).1 += 1;
        }
        Some(Waiting { running, load })
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

impl Flight {
    /// The flight that stands for the load of this one.
    fn load(self: &Arc<Self>) -> &Arc<Self> {
        self.group.as_ref().unwrap_or(self)
    }

    fn end(&self, outcome: Outcome) {
        lock(&self.state).outcome.get_or_insert(outcome);
        self.landed.notify_waiters();
    }
}

impl FlightRef {
    /// Lets no other caller join.
    fn close(&self) {
        let mut shard = self.flights.shard(&self.key);
        if shard.get(&self.key).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight)) {
            shard.remove(&self.key);
            self.flights.flying.fetch_sub(1, Ordering::Release);
        }
    }

    /// The load takes longer than others wait: they go on without it, and the next caller leads another flight.
    pub(crate) fn time_out(&self) {
        self.close();
        self.flight.end(Outcome::TimedOut);
    }

    /// The leader does not go on: its followers start over, and the first of them leads the next flight.
    pub(crate) fn give_up(&self) {
        self.close();
        self.flight.end(Outcome::Gone);
    }
}

impl Leader {
    /// The flight, for what watches over its load.
    pub(crate) fn flight(&self) -> FlightRef {
        self.0.clone()
    }

    /// Call before a piece of evidence is sent for. The answer is what [`Leader::land`] takes as `good_for`.
    pub(crate) fn send_for(&self) -> u32 {
        let mut state = lock(&self.0.flight.state);
        let before = state.sent;
        state.sent += 1;
        before
    }

    /// What this flight brings will not be stored. A caller that comes from now on looks itself before it joins: what keeps
    /// it from being stored may be over by then.
    pub(crate) fn unstored(&self) {
        lock(&self.0.flight.state).unstored = true;
    }

    /// Lets no other caller join: one that comes now could not take the result, and need not wait for it.
    pub(crate) fn close(&self) {
        self.0.close();
    }

    /// Ends the flight. `share` makes a copy for the followers, and is asked only where there are some.
    pub(crate) fn land(self, good_for: u32, share: impl FnOnce() -> Option<Shared>) {
        self.share(good_for, share);
    }

    /// The same for a leader that is dropped a little later.
    pub(crate) fn share(&self, good_for: u32, share: impl FnOnce() -> Option<Shared>) {
        self.close();
        if lock(&self.0.flight.state).followers > 0 {
            self.0.flight.end(share().map_or(Outcome::Failed, |shared| Outcome::Value { shared, good_for }));
        }
    }
}

/// Whether a load waits, directly or through others, for one of those.
fn reaches(load: &Arc<Flight>, those: &[Arc<Flight>]) -> bool {
    let mut seen = HashSet::new();
    let mut next = vec![Arc::clone(load)];
    while let Some(load) = next.pop() {
        if those.iter().any(|one| Arc::ptr_eq(one, &load)) {
            return true;
        }
        if seen.insert(address(&load)) {
            next.extend(lock(&load.waits_for).values().map(|(load, _)| Arc::clone(load)));
        }
    }
    false
}

fn address(load: &Arc<Flight>) -> usize {
    Arc::as_ptr(load).addr()
}

/// A wait of a task that runs loads; over when dropped.
#[must_use = "the wait is over when it is dropped"]
pub(crate) struct Waiting {
    running: Vec<Arc<Flight>>,
    load: Arc<Flight>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        for run in &self.running {
            if let Entry::Occupied(mut waits) = lock(&run.waits_for).entry(address(&self.load)) {
                waits.get_mut().1 -= 1;
                if waits.get().1 == 0 {
                    waits.remove();
                }
            }
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.close();
        self.0.flight.end(if std::thread::panicking() { Outcome::Panicked } else { Outcome::Gone });
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
                Some(Outcome::Panicked) => return Landed::Panicked,
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
    /// The loads that this task is running, innermost first.
    static LEADING: Arc<Led>;
}

#[derive(Debug)]
struct Led {
    /// Which cache: another one may use the same key.
    cache: usize,
    /// One, or those of a batch, sorted.
    keys: SmallVec<[Key; 1]>,
    /// The flight that stands for the load.
    load: Option<Arc<Flight>>,
    outer: Option<Arc<Self>>,
}

/// Whether this task is running the load of `key` right now: then waiting for it would be waiting for oneself.
pub(crate) fn leads(flights: &Flights, key: &Key) -> bool {
    let cache = std::ptr::from_ref(flights).addr();
    let leads = LEADING.try_with(|led| {
        std::iter::successors(Some(led), |led| led.outer.as_ref())
            .any(|led| led.cache == cache && led.keys.binary_search(key).is_ok())
    });
    leads.unwrap_or(false)
}

/// The loads that this task runs.
fn loads_here() -> Vec<Arc<Flight>> {
    let loads = LEADING.try_with(|led| {
        let chain = std::iter::successors(Some(led), |led| led.outer.as_ref());
        chain.filter_map(|led| led.load.clone()).collect()
    });
    loads.unwrap_or_default()
}

impl Leader {
    /// Runs the load of this flight.
    pub(crate) async fn leading<F: Future>(&self, load: F) -> F::Output {
        leading([self], load).await
    }
}

/// Runs the load of some flights of one cache, which are of one group.
pub(crate) async fn leading<'a, F: Future>(
    leaders: impl IntoIterator<Item = &'a Leader>,
    load: F,
) -> F::Output {
    let mut cache = 0;
    let mut keys = SmallVec::new();
    let mut stands = None;
    for Leader(led) in leaders {
        cache = Arc::as_ptr(&led.flights).addr();
        keys.push(led.key.clone());
        stands.get_or_insert_with(|| Arc::clone(led.flight.load()));
    }
    keys.sort_unstable();
    let outer = LEADING.try_with(Arc::clone).ok();
    LEADING.scope(Arc::new(Led { cache, keys, load: stands, outer }), load).await
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
        match flights.lead_or_follow(key, false, None) {
            Role::Lead(leader) => leader,
            Role::Follow(_) => panic!("somebody leads already"),
        }
    }

    fn value(follower: Follower) -> Option<u32> {
        match follower.landed().now_or_never().expect("the flight has landed") {
            Landed::Shared(shared) => shared.downcast_ref::<u32>().copied(),
            Landed::Failed | Landed::Panicked | Landed::TimedOut | Landed::Nothing => None,
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
        assert!(matches!(ended(|leader| leader.flight().time_out()), Landed::TimedOut));
        assert!(matches!(ended(|leader| leader.flight().give_up()), Landed::Nothing));
        let late = ended(|leader| {
            leader.flight().time_out();
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
        let Role::Follow(follower) = flights.lead_or_follow(&key("a"), false, None) else {
            panic!("led twice")
        };
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
