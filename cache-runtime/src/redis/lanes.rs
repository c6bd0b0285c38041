//! Lanes: a few multiplexed connections that are kept alive in the background.
//!
//! Each thread sends on a lane of its own, or on the next one that is usable; a command takes a clone of a connection and
//! waits for nothing else. While a lane is down its supervisor reconnects, with exponential backoff and for ever, and calls
//! are refused at once where none is usable: that is the open state of the circuit breaker. A connection that breaks goes
//! down immediately. One on which nothing is heard is silent: calls do not wait for it, a heartbeat goes on asking, and it
//! goes down when nothing comes for long. A server that serves nobody yet (it loads its data) or cannot be written to (a
//! replica) counts as one that is out: else every call would wait for its refusals.
//!
//! `lane` is one of them, `supervisor` keeps it up, `handshake` is how a connection begins, `host` says which runtime
//! carries it.

mod handshake;
mod host;
mod lane;
mod shared;
mod supervisor;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bb8_redis::redis::{Cmd, FromRedisValue, RedisError};
use tokio::runtime::Handle;

pub(crate) use self::lane::Starts;
use self::{
    lane::{Lane, Picked},
    shared::Shared,
    supervisor::Supervisor,
};
use super::{config::RedisConfig, listener::Listener};
use crate::{
    ambient::{self, Clock, Deadline, home::Residents},
    domain::entry::{Millis, Token},
    error::StoreError,
};

/// How lanes are made.
#[derive(Clone, Debug)]
pub(crate) struct LanesConfig {
    pub(crate) redis: RedisConfig,
    pub(crate) lanes: usize,
    /// How long one command may take.
    pub(crate) budget: Duration,
    /// Whether values that were written before the server's start are believed.
    pub(crate) trust_snapshots: bool,
}

/// Connections to one Redis server.
#[derive(Debug)]
pub(crate) struct Lanes {
    shared: Arc<Shared>,
    lanes: Box<[Arc<Lane>]>,
    supervisors: Residents,
}

/// Which connection a command takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    /// The lane of a token, else that of this thread, comes first.
    token: Option<Token>,
    /// One that is silent will do: it carries out what it finds there when it goes on.
    though_silent: bool,
    /// Others wait for what it does, and it will be repeated until it is done.
    must_arrive: bool,
}

impl Route {
    /// Any that is usable.
    pub(crate) const ANY: Self = Self { token: None, though_silent: false, must_arrive: false };
    /// For what makes others' values void.
    pub(crate) const ANYHOW: Self = Self { token: None, though_silent: true, must_arrive: true };

    /// The first step of a token.
    pub(crate) fn of(token: Token) -> Self {
        Self { token: Some(token), ..Self::ANY }
    }

    /// Whether it may be one of several that are sent at once.
    fn is_step(self) -> bool {
        self.token.is_some() || self.must_arrive
    }

    /// A later step of a token: on the connection of the first it cannot overtake it.
    pub(crate) fn after(token: Token) -> Self {
        Self { though_silent: true, ..Self::of(token) }
    }
}

/// The circuit breaker in front of Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BreakerState {
    /// A connection is up: calls go to the server.
    Closed,
    /// None is up, and one is being tried in the background. Bodies run without the cache.
    HalfOpen,
    /// None is up. Bodies run without the cache.
    Open,
}

impl Lanes {
    pub(crate) fn new(config: LanesConfig) -> Result<Self, RedisError> {
        let lanes = Self::with(config, None, None)?;
        // Where no runtime is yet, the one of the first call is to carry them.
        if Handle::try_current().is_ok() {
            lanes.ensure_supervised();
        }
        Ok(lanes)
    }

    /// One lane that is connected to at first use.
    pub(crate) fn apart(config: LanesConfig) -> Result<Self, RedisError> {
        Self::with(LanesConfig { lanes: 1, ..config }, None, None)
    }

    /// One lane on which the server tells `listener` of the changes of what is read, and others are told of that with
    /// `says`. It is connected to at first use.
    pub(crate) fn tracked(
        config: LanesConfig,
        listener: &Arc<dyn Listener>,
        says: Option<Cmd>,
    ) -> Result<Self, RedisError> {
        Self::with(LanesConfig { lanes: 1, ..config }, Some(listener), says)
    }

    fn with(
        config: LanesConfig,
        listener: Option<&Arc<dyn Listener>>,
        says: Option<Cmd>,
    ) -> Result<Self, RedisError> {
        let lanes = (0..config.lanes.max(1)).map(|_| Arc::new(Lane::new(config.budget, listener.cloned())));
        let lanes = lanes.collect();
        let shared = Arc::new(Shared::new(config, listener.is_some(), says)?);
        Ok(Self { shared, lanes, supervisors: Residents::default() })
    }

    /// Sends the command that `make` returns for what is void there. Fails at once while no lane is usable.
    pub(crate) async fn query<T: FromRedisValue>(
        &self,
        route: Route,
        make: impl FnOnce(Starts) -> Cmd,
    ) -> Result<T, StoreError> {
        let deadline = self.deadline();
        let mut picked = self.pick(route);
        if picked.is_none() {
            // Only the first attempt is waited for, so that a service which has just started finds its cache, and within the
            // budget of the command. A lane that was lost later is never waited for.
            let deadline = Deadline::after(self.shared.config.budget);
            Box::pin(self.wait_for_first_attempt(deadline)).await;
            picked = self.pick(route);
        }
        let answer = match picked {
            Some(picked) => {
                let cmd = make(picked.starts);
                picked.send(cmd, deadline, route.is_step()).await
            }
            None => Err(StoreError::Disconnected),
        };
        if route.must_arrive && matches!(answer, Err(StoreError::Disconnected | StoreError::Timeout)) {
            self.hurry();
        }
        answer
    }

    /// The same where a lane is usable now; `None` where none is.
    pub(crate) async fn query_now<T: FromRedisValue>(
        &self,
        make: impl FnOnce(Starts) -> Cmd,
    ) -> Option<Result<T, StoreError>> {
        let deadline = self.deadline();
        match self.pick(Route::ANY) {
            Some(picked) => {
                let cmd = make(picked.starts);
                Some(picked.send(cmd, deadline, false).await)
            }
            None => {
                self.ensure_supervised();
                None
            }
        }
    }

    /// When a command that is sent now counts as unanswered.
    fn deadline(&self) -> Deadline {
        Deadline::after(self.lanes[0].timeout)
    }

    /// The server's time, as far as it is known.
    pub(crate) fn now(&self, clock: &Clock) -> Millis {
        self.shared.now(clock)
    }

    /// How long the way to the server and back takes: the shortest of the last heartbeats.
    #[allow(dead_code, reason = "loads that skip what does not fit into the budget come next")]
    pub(crate) fn round_trip(&self) -> Duration {
        self.shared.round_trip()
    }

    /// Whether the server has refused to tell of changes.
    pub(crate) fn is_refused(&self) -> bool {
        self.lanes.iter().any(|lane| lane.refused.load(Ordering::Acquire))
    }

    /// Whether one is usable now; else it is seen to that one will be.
    pub(crate) fn is_usable(&self) -> bool {
        let is_usable = self.up().0 > 0;
        if !is_usable {
            self.ensure_supervised();
        }
        is_usable
    }

    /// How many lanes are usable, of how many.
    pub(crate) fn up(&self) -> (usize, usize) {
        (self.lanes.iter().filter(|lane| lane.is_usable()).count(), self.lanes.len())
    }

    pub(crate) fn breaker(&self) -> BreakerState {
        let is_asked = |lane: &Arc<Lane>| lane.is_open() || lane.trying.load(Ordering::Relaxed);
        if self.lanes.iter().any(|lane| lane.is_usable()) {
            BreakerState::Closed
        } else if self.lanes.iter().any(is_asked) {
            BreakerState::HalfOpen
        } else {
            BreakerState::Open
        }
    }

    /// Why a lane is down.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.lanes.iter().find_map(|lane| lane.trouble())
    }

    /// The time until what is stored counts: a server that has just started may have been brought back what is void.
    pub(crate) fn warms_up_for(&self, clock: &Clock) -> Duration {
        let start = self.lanes.iter().filter_map(|lane| lane.start()).max();
        Duration::from_millis(start.map_or(0, |start| start.saturating_sub(self.now(clock))))
    }

    /// Waits within the budget until the first attempt of every lane to connect has ended, and what is stored counts.
    /// Whether it does.
    pub(crate) async fn connected(&self, clock: &Clock) -> bool {
        let deadline = Deadline::after(self.shared.config.budget);
        self.wait_for_first_attempt(deadline).await;
        let warming = self.warms_up_for(clock);
        if !warming.is_zero() {
            ambient::sleep(warming.min(deadline.left())).await;
        }
        self.up().0 > 0 && self.warms_up_for(clock).is_zero()
    }

    pub(crate) fn address(&self) -> &str {
        &self.shared.address
    }

    /// Something waits for the connection: the next attempt comes soon, until one succeeds.
    fn hurry(&self) {
        self.ensure_supervised();
        for lane in self.lanes.iter().filter(|lane| !lane.is_usable()) {
            lane.hurried.store(true, Ordering::Release);
            lane.wake.notify_one();
        }
    }

    async fn wait_for_first_attempt(&self, deadline: Deadline) {
        self.ensure_supervised();
        let all = self.lanes.iter().map(|lane| lane.first_attempt());
        deadline.bound(futures_util::future::join_all(all)).await;
    }

    fn pick(&self, route: Route) -> Option<Picked<'_>> {
        if !self.supervisors.are_here() {
            return None;
        }
        // Each thread has its lane, so that what it asks for at the same time leaves in one write, and the counters
        // inside of a connection stay with one core.
        let first = route.token.map_or_else(ambient::thread, |token| usize::from(token.0[15]));
        let lane = |step: usize| &*self.lanes[(first + step) % self.lanes.len()];
        let pick = |though_silent| (0..self.lanes.len()).find_map(|step| lane(step).pick(though_silent));
        match route {
            Route { token: Some(_), though_silent: true, .. } => pick(true),
            Route { though_silent: true, .. } => pick(false).or_else(|| pick(true)),
            Route { though_silent: false, .. } => pick(false),
        }
    }

    /// Starts the supervisors, unless they have been in this process.
    pub(crate) fn ensure_supervised(&self) {
        if self.is_refused() {
            return;
        }
        self.shared.hosts.offer();
        self.supervisors.ensure(|home| {
            self.shared.hosts.begin();
            let start = |lane: &Arc<Lane>| {
                lane.leave_to_parent();
                let supervisor = Supervisor { lane: Arc::clone(lane), shared: Arc::clone(&self.shared) };
                home.spawn(supervisor.run()).abort_handle()
            };
            self.lanes.iter().map(start).collect()
        });
    }
}

#[cfg(all(test, unix, feature = "testing"))]
mod tests;
