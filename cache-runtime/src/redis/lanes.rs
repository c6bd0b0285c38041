//! Lanes: a few multiplexed connections that are kept alive in the background.
//!
//! All calls share the lanes; a command takes a clone of a connection and waits for nobody. While a lane is down
//! its supervisor reconnects, with exponential backoff and for ever, and calls are refused at once: a lane that is
//! down is the open state of the circuit breaker. A connection that breaks goes down immediately; one that does not
//! answer goes down after a few timeouts, and comes back when a new connection answers.

use std::{
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bb8_redis::{
    bb8::{self, Pool},
    redis::{
        self, AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError, aio::MultiplexedConnection,
    },
};
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    task::JoinHandle,
};

use super::config::RedisConfig;
use crate::{
    ambient::{self, Clock, Deadline},
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
    lanes: Box<[Arc<Lane>]>,
    next: AtomicUsize,
    supervisors: Mutex<Vec<JoinHandle<()>>>,
}

/// One lane, up or down.
#[derive(Debug)]
struct Lane {
    live: RwLock<Option<Arc<Live>>>,
    timeouts: AtomicU32,
    /// The supervisor is to look at the lane now.
    broken: Notify,
    /// Whether the first attempt to connect has ended, however it did.
    tried: watch::Sender<bool>,
    /// The last error of a connect, for `health()`.
    trouble: Mutex<Option<String>>,
}

/// A connection that answers.
#[derive(Debug)]
struct Live {
    connection: MultiplexedConnection,
    /// What was written before is void.
    server_start: Millis,
    /// The server's clock less ours.
    offset: AtomicI64,
}

impl Lanes {
    pub(crate) fn new(config: LanesConfig) -> Result<Self, RedisError> {
        let connector = Connector {
            client: Client::open(config.redis.info.clone())?,
            config: AsyncConnectionConfig::new()
                .set_connection_timeout(Some(CONNECT))
                .set_response_timeout(Some(config.budget)),
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
            .build_unchecked(connector);
        let lanes = (0..config.lanes.max(1)).map(|_| Arc::new(Lane::new())).collect();
        let lanes = Self { config, pool, lanes, next: AtomicUsize::new(0), supervisors: Mutex::default() };
        lanes.ensure_supervised();
        Ok(lanes)
    }

    /// Sends the command that `make` returns for the server's start. Fails at once while no lane is up.
    pub(crate) async fn query<T: FromRedisValue>(
        &self,
        make: impl FnOnce(Millis) -> Cmd,
    ) -> Result<T, StoreError> {
        let (lane, live) = self.pick().await?;
        let cmd = make(live.server_start);
        let answer = cmd.query_async(&mut live.connection.clone()).await;
        lane.judge(&live, answer)
    }

    /// The server's time, as far as it is known.
    pub(crate) fn now(&self, clock: &Clock) -> Millis {
        let live = self.lanes.iter().find_map(|lane| lane.live());
        let offset = live.map_or(0, |live| live.offset.load(Ordering::Relaxed));
        clock.now().saturating_add_signed(offset)
    }

    /// How many lanes are up, of how many.
    pub(crate) fn up(&self) -> (usize, usize) {
        (self.lanes.iter().filter(|lane| lane.live().is_some()).count(), self.lanes.len())
    }

    /// Why a lane is down.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.lanes.iter().find_map(|lane| lock(&lane.trouble).clone())
    }

    /// Waits until the first attempt of every lane to connect has ended. Whether any is up.
    pub(crate) async fn connected(&self) -> bool {
        self.ensure_supervised();
        let deadline = Deadline::after(self.config.budget);
        for lane in &self.lanes {
            deadline.bound(lane.first_attempt()).await;
        }
        self.pick_live().is_some()
    }

    pub(crate) fn address(&self) -> &RedisConfig {
        &self.config.redis
    }

    async fn pick(&self) -> Result<(&Arc<Lane>, Arc<Live>), StoreError> {
        if let Some(picked) = self.pick_live() {
            return Ok(picked);
        }
        self.ensure_supervised();
        // Only the very first connect is waited for, so that a service which has just started finds its cache.
        // A lane that was lost later is never waited for.
        if !*self.lanes[0].tried.borrow() {
            Deadline::after(self.config.budget).bound(self.lanes[0].first_attempt()).await;
        }
        self.pick_live().ok_or(StoreError::Disconnected)
    }

    fn pick_live(&self) -> Option<(&Arc<Lane>, Arc<Live>)> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        (0..self.lanes.len()).find_map(|step| {
            let lane = &self.lanes[(first + step) % self.lanes.len()];
            lane.live().map(|live| (lane, live))
        })
    }

    /// Starts the supervisors, or starts them anew where the runtime that they ran on is gone.
    fn ensure_supervised(&self) {
        let Ok(runtime) = Handle::try_current() else { return };
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

impl Lane {
    fn new() -> Self {
        Self {
            live: RwLock::default(),
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

    fn live(&self) -> Option<Arc<Live>> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, live: Option<Arc<Live>>) {
        self.timeouts.store(0, Ordering::Relaxed);
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = live;
    }

    /// Takes the lane down, if it still has this connection.
    fn take_down(&self, broken: &Arc<Live>) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        if live.as_ref().is_some_and(|live| Arc::ptr_eq(live, broken)) {
            *live = None;
            self.broken.notify_one();
        }
    }

    fn judge<T>(&self, live: &Arc<Live>, answer: Result<T, RedisError>) -> Result<T, StoreError> {
        let error = match answer {
            Ok(answer) => {
                // A plain load first: a store for every command would be shared between all cores.
                if self.timeouts.load(Ordering::Relaxed) != 0 {
                    self.timeouts.store(0, Ordering::Relaxed);
                }
                return Ok(answer);
            }
            Err(error) => error,
        };
        if error.is_timeout() {
            if self.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= TIMEOUTS {
                self.take_down(live);
            }
            return Err(StoreError::Timeout);
        }
        if error.is_io_error() || error.is_unrecoverable_error() {
            self.take_down(live);
            return Err(StoreError::Disconnected);
        }
        Err(StoreError::Refused(error))
    }
}

/// The background task that keeps one lane up.
struct Supervisor {
    lane: Arc<Lane>,
    pool: Pool<Connector>,
    address: String,
    trust_snapshots: bool,
}

impl Supervisor {
    async fn run(self) {
        let mut backoff = FIRST_BACKOFF;
        let mut reported = false;
        loop {
            match self.connect().await {
                Ok(live) => {
                    let live = Arc::new(live);
                    *lock(&self.lane.trouble) = None;
                    self.lane.set(Some(Arc::clone(&live)));
                    self.lane.tried.send_replace(true);
                    tracing::info!(redis = self.address, "connected to Redis");
                    (backoff, reported) = (FIRST_BACKOFF, false);
                    self.watch(&live).await;
                    *lock(&self.lane.trouble) = Some("the connection was lost".to_owned());
                    tracing::warn!(redis = self.address, "lost the connection to Redis; running without it");
                }
                Err(error) => {
                    if !reported {
                        tracing::warn!(
                            redis = self.address,
                            error,
                            "no Redis; running without it, and trying again"
                        );
                        reported = true;
                    }
                    *lock(&self.lane.trouble) = Some(error);
                    self.lane.tried.send_replace(true);
                    let jitter = ambient::random().mul_add(0.2, 0.8);
                    ambient::sleep(backoff.mul_f64(jitter)).await;
                    backoff = (backoff * 2).min(LONGEST_BACKOFF);
                }
            }
        }
    }

    async fn connect(&self) -> Result<Live, String> {
        let connecting = async {
            let connection = self.pool.dedicated_connection().await?;
            self.greet(connection).await
        };
        match Deadline::after(CONNECT).bound(connecting).await {
            Some(Ok(live)) => Ok(live),
            Some(Err(error)) => Err(error.to_string()),
            None => Err(format!("no answer within {CONNECT:?}")),
        }
    }

    /// Learns the server's start and clock before the first command of anybody else is sent.
    async fn greet(&self, mut connection: MultiplexedConnection) -> Result<Live, RedisError> {
        // The time last: were it asked for first, a second that ticks in between would put the start too early.
        let uptime = self.uptime(&mut connection).await?;
        let (seconds, micros) = time(&mut connection).await?;
        // Both are whole seconds: one more is certainly not before the start.
        let server_start = uptime.map_or(0, |uptime| (seconds.saturating_sub(uptime) + 1) * 1_000);
        Ok(Live { connection, server_start, offset: AtomicI64::new(offset(seconds, micros)) })
    }

    /// Whole seconds since the server's start; `None` where what was written before it is believed.
    async fn uptime(&self, connection: &mut MultiplexedConnection) -> Result<Option<u64>, RedisError> {
        if self.trust_snapshots {
            return Ok(None);
        }
        let info: String = match redis::cmd("INFO").arg("server").query_async(connection).await {
            Err(error) if error.code() == Some("NOPERM") => {
                tracing::warn!(
                    redis = self.address,
                    "no permission for INFO: entries that a restart brings back from a snapshot are believed"
                );
                return Ok(None);
            }
            answer => answer?,
        };
        let uptime = info.lines().find_map(|line| line.strip_prefix("uptime_in_seconds:"));
        Ok(Some(uptime.and_then(|uptime| uptime.trim().parse().ok()).unwrap_or(0)))
    }

    /// Returns when the lane is down.
    async fn watch(&self, live: &Arc<Live>) {
        loop {
            let broken = Deadline::after(HEARTBEAT).bound(self.lane.broken.notified()).await;
            if broken.is_some() || !self.lane.live().is_some_and(|now| Arc::ptr_eq(&now, live)) {
                return;
            }
            let answer = time(&mut live.connection.clone()).await;
            if let Ok((seconds, micros)) = self.lane.judge(live, answer) {
                live.offset.store(offset(seconds, micros), Ordering::Relaxed);
            }
        }
    }
}

async fn time(connection: &mut MultiplexedConnection) -> Result<(u64, u64), RedisError> {
    redis::cmd("TIME").query_async(connection).await
}

fn offset(seconds: u64, micros: u64) -> i64 {
    let server = i64::try_from(seconds * 1_000 + micros / 1_000).unwrap_or(i64::MAX);
    let local = i64::try_from(Clock::default().now()).unwrap_or(i64::MAX);
    server.saturating_sub(local)
}

/// Makes connections with our deadlines.
#[derive(Debug)]
struct Connector {
    client: Client,
    config: AsyncConnectionConfig,
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
