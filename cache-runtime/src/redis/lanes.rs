//! Lanes: a few multiplexed connections that are kept alive in the background.
//!
//! Each thread sends on a lane of its own, or on the next one that is up; a command takes a clone of a connection and
//! waits for nobody. While a lane is down its supervisor reconnects, with exponential backoff and for ever, and calls
//! are refused at once where none is up: a lane that is down is the open state of the circuit breaker. A connection
//! that breaks goes down immediately; one that does not answer goes down after a few timeouts, and comes back when a
//! new connection answers. A server that serves nobody yet (it loads its data) or cannot be written to (a replica)
//! counts as one that is out: else every call would wait for its refusals.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use bb8_redis::{
    bb8::{self, Pool},
    redis::{
        self, AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError,
        aio::{AsyncPushSender, MultiplexedConnection},
    },
};
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    task::JoinHandle,
};

use super::{
    config::RedisConfig,
    listener::Listener,
    report::{Report, is_of_server},
    tracked,
};
use crate::{
    ambient::{self, Clock, Deadline, Stopwatch},
    domain::entry::Millis,
    error::StoreError,
};

/// How long a connect, with its handshake, may take.
const CONNECT: Duration = Duration::from_millis(250);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);
/// How often a silent lane is asked whether it is alive, and for the time.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// So many unanswered commands in a row take a lane down.
const TIMEOUTS: u32 = 3;

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
    config: LanesConfig,
    pool: Pool<Connector>,
    connector: Connector,
    lanes: Box<[Arc<Lane>]>,
    /// The server's clock less ours.
    offset: Arc<AtomicI64>,
    supervisors: Mutex<Vec<JoinHandle<()>>>,
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

/// One lane, up or down.
struct Lane {
    /// How long a call waits for the server.
    budget: Duration,
    /// Where the server tells of the changes of what is read on this lane.
    listener: Option<Arc<dyn Listener>>,
    live: ArcSwapOption<Live>,
    /// The server does not tell of changes, and will not.
    refused: AtomicBool,
    was_up: AtomicBool,
    /// Whether a connection is being tried.
    trying: AtomicBool,
    timeouts: AtomicU32,
    /// The supervisor is to look at the lane now.
    broken: Notify,
    /// Whether the first attempt to connect has ended, however it did.
    tried: watch::Sender<bool>,
    /// The last error of a connect, for `health()`.
    trouble: Mutex<Option<String>>,
}

/// A connection that answers.
#[derive(Clone, Debug)]
struct Live {
    /// No other connection has this number.
    number: u64,
    connection: MultiplexedConnection,
    /// What was written before is void (rule 11), and for a while what was written before a reconnect (rule 16).
    server_start: Millis,
}

impl Lanes {
    pub(crate) fn new(config: LanesConfig) -> Result<Self, RedisError> {
        let lanes = Self::with(config, None)?;
        lanes.ensure_supervised();
        Ok(lanes)
    }

    /// One lane on which the server tells `listener` of the changes of what is read. It is connected to at first use.
    pub(crate) fn tracked(config: LanesConfig, listener: &Arc<dyn Listener>) -> Result<Self, RedisError> {
        Self::with(LanesConfig { lanes: 1, ..config }, Some(listener))
    }

    fn with(config: LanesConfig, listener: Option<&Arc<dyn Listener>>) -> Result<Self, RedisError> {
        let info = match listener {
            Some(_) => tracked::resp3(config.redis.info.clone()),
            None => config.redis.info.clone(),
        };
        let connector = Connector {
            client: Client::open(info)?,
            config: AsyncConnectionConfig::new()
                .set_connection_timeout(Some(CONNECT))
                // The client's timers are those of the runtime that polls, which may have none: a lane has its own.
                .set_response_timeout(None),
        };
        // Blocking commands take connections of their own out of the pool; lanes are beside it, since a checkout per
        // command costs two thirds of the throughput.
        let pool = Pool::builder()
            .max_size(u32::try_from(config.lanes).unwrap_or(u32::MAX).max(1))
            .connection_timeout(CONNECT)
            .test_on_check_out(false)
            // Either would start a task, and a cache can be built where no runtime is.
            .max_lifetime(None)
            .idle_timeout(None)
            .build_unchecked(connector.clone());
        let lanes =
            (0..config.lanes.max(1)).map(|_| Arc::new(Lane::new(config.budget, listener.cloned()))).collect();
        Ok(Self { config, pool, connector, lanes, offset: Arc::default(), supervisors: Mutex::default() })
    }

    /// Sends the command that `make` returns for the server's start. Fails at once while no lane is up.
    pub(crate) async fn query<T: FromRedisValue>(
        &self,
        make: impl FnOnce(Millis) -> Cmd,
    ) -> Result<T, StoreError> {
        if let Some(picked) = self.pick_live() {
            return Self::send(picked, make).await;
        }
        // Only the very first connect is waited for, so that a service which has just started finds its cache, and
        // within the budget of the command. A lane that was lost later is never waited for.
        let deadline = Deadline::after(self.config.budget);
        self.wait_for_first_attempt(deadline).await;
        let picked = self.pick_live().ok_or(StoreError::Disconnected)?;
        deadline.bound(Self::send(picked, make)).await.unwrap_or(Err(StoreError::Timeout))
    }

    /// The same where a lane is up now; `None` where none is.
    pub(crate) async fn query_now<T: FromRedisValue>(
        &self,
        make: impl FnOnce(Millis) -> Cmd,
    ) -> Option<Result<T, StoreError>> {
        match self.pick_live() {
            Some(picked) => Some(Self::send(picked, make).await),
            None => {
                self.ensure_supervised();
                None
            }
        }
    }

    async fn send<T: FromRedisValue>(
        (lane, mut live): (&Lane, Live),
        make: impl FnOnce(Millis) -> Cmd,
    ) -> Result<T, StoreError> {
        let cmd = make(live.server_start);
        let answer = lane.timeout().bound(cmd.query_async(&mut live.connection)).await;
        lane.judge(live.number, answer)
    }

    /// The server's time, as far as it is known.
    pub(crate) fn now(&self, clock: &Clock) -> Millis {
        clock.now().saturating_add_signed(self.offset.load(Ordering::Relaxed))
    }

    /// Whether any lane was up before.
    pub(crate) fn was_up(&self) -> bool {
        self.lanes.iter().any(|lane| lane.was_up.load(Ordering::Acquire))
    }

    /// Whether the server has refused to tell of changes.
    pub(crate) fn is_refused(&self) -> bool {
        self.lanes.iter().any(|lane| lane.refused.load(Ordering::Acquire))
    }

    /// How many lanes are up, of how many.
    pub(crate) fn up(&self) -> (usize, usize) {
        (self.lanes.iter().filter(|lane| lane.live().is_some()).count(), self.lanes.len())
    }

    pub(crate) fn breaker(&self) -> BreakerState {
        if self.lanes.iter().any(|lane| lane.live.load().is_some()) {
            BreakerState::Closed
        } else if self.lanes.iter().any(|lane| lane.trying.load(Ordering::Relaxed)) {
            BreakerState::HalfOpen
        } else {
            BreakerState::Open
        }
    }

    /// Why a lane is down.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.lanes.iter().find_map(|lane| lock(&lane.trouble).clone())
    }

    /// Waits until the first attempt of every lane to connect has ended. Whether any is up.
    pub(crate) async fn connected(&self) -> bool {
        self.wait_for_first_attempt(Deadline::after(self.config.budget)).await;
        self.pick_live().is_some()
    }

    pub(crate) fn address(&self) -> &RedisConfig {
        &self.config.redis
    }

    async fn wait_for_first_attempt(&self, deadline: Deadline) {
        self.ensure_supervised();
        let all = self.lanes.iter().map(|lane| lane.first_attempt());
        deadline.bound(futures_util::future::join_all(all)).await;
    }

    fn pick_live(&self) -> Option<(&Lane, Live)> {
        // Each thread has its lane, so that what it asks for at the same time leaves in one write, and the counters
        // inside of a connection stay with one core.
        let first = ambient::thread();
        (0..self.lanes.len()).find_map(|step| {
            let lane = &*self.lanes[(first + step) % self.lanes.len()];
            lane.live().map(|live| (lane, live))
        })
    }

    /// Starts the supervisors, or starts them anew where the runtime that they ran on is gone.
    pub(crate) fn ensure_supervised(&self) {
        let Ok(runtime) = Handle::try_current() else { return };
        if self.is_refused() {
            return;
        }
        let mut supervisors = lock(&self.supervisors);
        if supervisors.iter().any(|supervisor| !supervisor.is_finished()) {
            return;
        }
        *supervisors = self
            .lanes
            .iter()
            .map(|lane| {
                let supervisor = Supervisor {
                    lane: Arc::clone(lane),
                    pool: self.pool.clone(),
                    connector: self.connector.clone(),
                    offset: Arc::clone(&self.offset),
                    address: self.config.redis.to_string(),
                    trust_snapshots: self.config.trust_snapshots,
                };
                runtime.spawn(supervisor.run())
            })
            .collect();
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        for supervisor in lock(&self.supervisors).drain(..) {
            supervisor.abort();
        }
    }
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lane({})", if self.live().is_some() { "up" } else { "down" })
    }
}

impl Lane {
    fn new(budget: Duration, listener: Option<Arc<dyn Listener>>) -> Self {
        Self {
            budget,
            listener,
            live: ArcSwapOption::empty(),
            refused: AtomicBool::new(false),
            was_up: AtomicBool::new(false),
            trying: AtomicBool::new(false),
            timeouts: AtomicU32::new(0),
            broken: Notify::new(),
            tried: watch::Sender::new(false),
            trouble: Mutex::default(),
        }
    }

    async fn first_attempt(&self) {
        // Fails only where the sender is gone, which lives in this lane.
        drop(self.tried.subscribe().wait_for(|tried| *tried).await);
    }

    /// A clone of the connection: nothing is held while a command is under way.
    fn live(&self) -> Option<Live> {
        self.live.load().as_deref().cloned()
    }

    fn set(&self, live: Live) {
        self.timeouts.store(0, Ordering::Relaxed);
        self.live.store(Some(Arc::new(live)));
        self.was_up.store(true, Ordering::Release);
    }

    /// Takes the lane down, if it still has this connection.
    fn take_down(&self, number: u64) {
        let before = self.live.rcu(|live| live.clone().filter(|live| live.number != number));
        if before.is_some_and(|live| live.number == number) {
            if let Some(listener) = &self.listener {
                listener.lost();
            }
            self.broken.notify_one();
        }
    }

    /// When a command that is sent now counts as unanswered: before the deadline of its call, so that the lane sees it.
    fn timeout(&self) -> Deadline {
        Deadline::after(self.budget.mul_f64(0.9))
    }

    fn judge<T>(&self, number: u64, answer: Option<Result<T, RedisError>>) -> Result<T, StoreError> {
        let error = match answer {
            None => {
                if self.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= TIMEOUTS {
                    self.take_down(number);
                }
                return Err(StoreError::Timeout);
            }
            Some(Ok(answer)) => {
                // A plain load first: a store for every command would be shared between all cores.
                if self.timeouts.load(Ordering::Relaxed) != 0 {
                    self.timeouts.store(0, Ordering::Relaxed);
                }
                return Ok(answer);
            }
            Some(Err(error)) => error,
        };
        if is_of_server(&error) {
            // The command was not executed, and none will be before the server is another.
            self.take_down(number);
            return Err(StoreError::Refused(error));
        }
        if error.is_io_error() || error.is_unrecoverable_error() {
            self.take_down(number);
            return Err(StoreError::Disconnected);
        }
        Err(StoreError::Refused(error))
    }
}

/// The background task that keeps one lane up.
struct Supervisor {
    lane: Arc<Lane>,
    pool: Pool<Connector>,
    connector: Connector,
    offset: Arc<AtomicI64>,
    address: String,
    trust_snapshots: bool,
}

impl Supervisor {
    async fn run(self) {
        let mut backoff = FIRST_BACKOFF;
        let mut reported = false;
        let tracked = self.lane.listener.is_some();
        loop {
            match self.try_to_connect().await {
                Ok(live) => {
                    let number = live.number;
                    *lock(&self.lane.trouble) = None;
                    self.lane.set(live);
                    self.lane.tried.send_replace(true);
                    tracing::info!(redis = self.address, tracked, "connected to Redis");
                    reported = false;
                    let up = Stopwatch::start();
                    self.watch(number).await;
                    *lock(&self.lane.trouble) = Some("the connection was lost".to_owned());
                    tracing::warn!(
                        redis = self.address,
                        tracked,
                        "lost a connection to Redis; going on without it"
                    );
                    if up.elapsed() >= LONGEST_BACKOFF {
                        backoff = FIRST_BACKOFF;
                        continue;
                    }
                    // One that breaks as soon as it is used is no better than one that is refused.
                }
                Err(error) => {
                    if self.lane.refused.load(Ordering::Acquire) {
                        tracing::warn!(redis = self.address, error, "no client tracking");
                        return;
                    }
                    if !reported {
                        tracing::warn!(
                            redis = self.address,
                            error,
                            tracked,
                            "no Redis; running without it, and trying again"
                        );
                        reported = true;
                    }
                    *lock(&self.lane.trouble) = Some(error);
                    self.lane.tried.send_replace(true);
                }
            }
            let jitter = ambient::random().mul_add(0.2, 0.8);
            ambient::sleep(backoff.mul_f64(jitter)).await;
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
        }
    }

    async fn try_to_connect(&self) -> Result<Live, String> {
        self.lane.trying.store(true, Ordering::Relaxed);
        let attempt = self.connect().await;
        self.lane.trying.store(false, Ordering::Relaxed);
        attempt
    }

    async fn connect(&self) -> Result<Live, String> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let connecting = async {
            let Some(listener) = &self.lane.listener else {
                let connection = self.pool.dedicated_connection().await.map_err(|error| error.to_string())?;
                return self.greet(connection, number).await;
            };
            let lane = Arc::downgrade(&self.lane);
            let gone = move || lane.upgrade().into_iter().for_each(|lane| lane.take_down(number));
            let connector = self.connector.telling(tracked::teller(Arc::clone(listener), gone));
            // Who has no tracking, or does not allow it, will not be asked again.
            let refused = |error: RedisError| {
                let refused = matches!(error.code(), Some("ERR" | "NOPROTO" | "NOPERM"));
                self.lane.refused.store(refused, Ordering::Release);
                error.to_string()
            };
            let connection = bb8::ManageConnection::connect(&connector).await.map_err(refused)?;
            let mut live = self.greet(connection, number).await?;
            tracked::begin(&mut live.connection).await.map_err(refused)?;
            listener.up();
            Ok(live)
        };
        let connected = Deadline::after(CONNECT).bound(connecting).await;
        connected.unwrap_or_else(|| Err(format!("no answer within {CONNECT:?}")))
    }

    /// Learns the server's state, start and clock before the first command of anybody else is sent.
    async fn greet(&self, mut connection: MultiplexedConnection, number: u64) -> Result<Live, String> {
        let report = self.report(&mut connection).await.map_err(|error| error.to_string())?;
        if let Some(report) = &report {
            report.fit()?;
        }
        // The time last: were it asked for first, a second that ticks in between would put the start too early.
        let now = time(&mut connection).await.map_err(|error| error.to_string())?;
        self.set_offset(now);
        // Both are whole seconds: one more is certainly not before the start.
        let start = |report: Report| (now.0.saturating_sub(report.uptime()) + 1) * 1_000;
        let server_start = report.filter(|_| !self.trust_snapshots).map_or(0, start);
        Ok(Live { connection, server_start, number })
    }

    /// What the server says of itself; `None` where it does not tell us.
    async fn report(&self, connection: &mut MultiplexedConnection) -> Result<Option<Report>, RedisError> {
        match redis::cmd("INFO").query_async(connection).await {
            Ok(report) => Ok(Some(Report::new(report))),
            Err(error) if error.code() == Some("NOPERM") => {
                if !self.trust_snapshots {
                    tracing::warn!(
                        redis = self.address,
                        "no permission for INFO: entries that a restart brings back from a snapshot are believed"
                    );
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns when the lane is down.
    async fn watch(&self, number: u64) {
        loop {
            let broken = Deadline::after(HEARTBEAT).bound(self.lane.broken.notified()).await;
            let Some(mut live) = self.lane.live().filter(|live| live.number == number) else { return };
            if broken.is_some() {
                // Of the connection before: this one is up.
                continue;
            }
            let sent = Stopwatch::start();
            let answer = self.lane.timeout().bound(time(&mut live.connection)).await;
            if let Ok(time) = self.lane.judge(number, answer) {
                self.set_offset(time);
                if let Some(listener) = &self.lane.listener {
                    listener.alive(sent);
                }
            }
        }
    }

    fn set_offset(&self, (seconds, micros): (u64, u64)) {
        let server = i64::try_from(seconds * 1_000 + micros / 1_000).unwrap_or(i64::MAX);
        let local = i64::try_from(Clock::default().now()).unwrap_or(i64::MAX);
        self.offset.store(server.saturating_sub(local), Ordering::Relaxed);
    }
}

async fn time(connection: &mut MultiplexedConnection) -> Result<(u64, u64), RedisError> {
    redis::cmd("TIME").query_async(connection).await
}

/// Makes connections with our deadlines.
#[derive(Clone, Debug)]
struct Connector {
    client: Client,
    config: AsyncConnectionConfig,
}

impl Connector {
    /// One whose connections hand on what the server says of its own accord.
    fn telling(&self, tell: impl AsyncPushSender) -> Self {
        Self { client: self.client.clone(), config: self.config.clone().set_push_sender(tell) }
    }
}

impl bb8::ManageConnection for Connector {
    type Connection = MultiplexedConnection;
    type Error = RedisError;

    async fn connect(&self) -> Result<Self::Connection, Self::Error> {
        self.client.get_multiplexed_async_connection_with_config(&self.config).await
    }

    async fn is_valid(&self, connection: &mut Self::Connection) -> Result<(), Self::Error> {
        redis::cmd("PING").query_async(connection).await
    }

    fn has_broken(&self, _: &mut Self::Connection) -> bool {
        false
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, unix, feature = "testing"))]
mod tests;
