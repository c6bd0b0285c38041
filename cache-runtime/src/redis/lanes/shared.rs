//! What the lanes to one server share: how they connect, and what the server has said.

use std::{
    sync::{
        Mutex, Once, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use bb8_redis::{
    bb8::{self, Pool},
    redis::{
        self, AsyncConnectionConfig, Client, Cmd, RedisError,
        aio::{AsyncPushSender, MultiplexedConnection},
    },
};

use super::{LanesConfig, handshake::Greeting, host::Hosts, lane::Starts};
use crate::{ambient::Clock, domain::entry::Millis, redis::tracked};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: LanesConfig,
    pub(super) address: String,
    pub(super) pool: Pool<Connector>,
    pub(super) connector: Connector,
    pub(super) hosts: Hosts,
    /// Said to others on each connection that is made, and from time to time.
    pub(super) says: Option<Cmd>,
    /// The server's clock less ours.
    offset: AtomicI64,
    /// The last round trips: a server that stops for a moment makes one of them long, a long way all of them.
    recent: Mutex<[Duration; 3]>,
    /// The shortest of them, in microseconds.
    round_trip: AtomicU64,
    no_report: Once,
    no_time: Once,
    is_heard: Once,
}

impl Shared {
    pub(super) fn new(config: LanesConfig, is_tracked: bool, says: Option<Cmd>) -> Result<Self, RedisError> {
        let info = config.redis.info.clone();
        // The name of the client goes with the greeting: set by the client it is a round trip of its own.
        let settings = info.redis_settings().clone().set_skip_set_lib_name();
        let settings = if is_tracked { tracked::resp3(settings) } else { settings };
        let connector = Connector {
            client: Client::open(info.set_redis_settings(settings))?,
            // The client's timers are those of the runtime that polls, which may have none: a lane has its own.
            config: AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None),
        };
        // Blocking commands take connections of their own out of the pool; lanes are beside it, since a checkout per
        // command costs two thirds of the throughput.
        let pool = Pool::builder()
            .max_size(u32::try_from(config.lanes).unwrap_or(u32::MAX).max(1))
            .test_on_check_out(false)
            // Either would start a task, and a cache can be built where no runtime is.
            .max_lifetime(None)
            .idle_timeout(None)
            .build_unchecked(connector.clone());
        Ok(Self {
            address: config.redis.to_string(),
            config,
            pool,
            connector,
            hosts: Hosts::default(),
            says,
            offset: AtomicI64::new(0),
            recent: Mutex::new([Duration::MAX; 3]),
            round_trip: AtomicU64::new(0),
            no_report: Once::new(),
            no_time: Once::new(),
            is_heard: Once::new(),
        })
    }

    /// The server's time, as far as it is known.
    pub(super) fn now(&self, clock: &Clock) -> Millis {
        clock.now().saturating_add_signed(self.offset.load(Ordering::Relaxed))
    }

    pub(super) fn set_time(&self, server: Millis) {
        let signed = |time: Millis| i64::try_from(time).unwrap_or(i64::MAX);
        let offset = signed(server).saturating_sub(signed(Clock::default().now()));
        self.offset.store(offset, Ordering::Relaxed);
    }

    pub(super) fn round_trip(&self) -> Duration {
        Duration::from_micros(self.round_trip.load(Ordering::Relaxed))
    }

    pub(super) fn note_round_trip(&self, round_trip: Duration) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.rotate_left(1);
        recent[2] = round_trip;
        let shortest = recent.iter().min().unwrap_or(&round_trip).as_micros();
        self.round_trip.store(u64::try_from(shortest).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Takes note of what a server has said, and warns of what it has not.
    pub(super) fn learn(&self, greeting: &Greeting) {
        let redis = &self.address;
        self.note_round_trip(greeting.round_trip);
        if let Some(now) = greeting.now() {
            self.set_time(now);
        }
        if greeting.report.is_none() && !self.config.trust_snapshots {
            self.no_report.call_once(|| {
                tracing::warn!(
                    redis,
                    "INFO is not allowed: entries that a restart brings back from a snapshot are believed"
                );
            });
        }
        if greeting.time.is_none() {
            self.no_time.call_once(|| {
                tracing::warn!(
                    redis,
                    "TIME is not allowed: entries end by the clock of this machine; keep those of all machines in step"
                );
            });
        }
        self.note_listeners(greeting.heard_by);
    }

    /// So many have heard that this process follows the server's own word.
    pub(super) fn note_listeners(&self, heard_by: u64) {
        if heard_by > 0 {
            self.is_heard.call_once(|| {
                tracing::warn!(
                    redis = self.address,
                    heard_by,
                    "others listen to `cache:invalidate`, where this process says nothing: where they share its \
                     namespace, set CACHE_COHERENCE=channel here, too"
                );
            });
        }
    }

    /// What is void on a connection that was greeted so.
    pub(super) fn starts(&self, greeting: &Greeting, was_cut_off: bool) -> Starts {
        let now = greeting.now().unwrap_or_else(|| self.now(&Clock::default()));
        let server = if self.config.trust_snapshots { 0 } else { greeting.server_start(now) };
        let values = if was_cut_off { server.max(now) } else { server };
        Starts { server, values, tells_time: greeting.time.is_some() }
    }
}

/// Makes connections.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    client: Client,
    config: AsyncConnectionConfig,
}

impl Connector {
    /// One whose connections hand on what the server says of its own accord.
    pub(super) fn telling(&self, tell: impl AsyncPushSender) -> Self {
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
