//! The connection that the server tells of changes: who waits for somebody else's load is woken by it.
//!
//! Client tracking in its default mode (`CLIENT TRACKING ON`, Redis 6.0, RESP3): a key that was read on this connection
//! is named in a push message when it changes, once. It is opened when somebody waits for the first time; where the
//! server has no tracking, or does not allow it, who waits looks again from time to time.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bb8_redis::redis::{
    self, AsyncConnectionConfig, Client, IntoConnectionInfo as _, ProtocolVersion, PushInfo, PushKind,
    RedisError, Value, aio::MultiplexedConnection,
};
use tokio::runtime::Handle;

use super::config::RedisConfig;
use crate::ambient::Stopwatch;

/// After a connect that failed, or a connection that was lost, the next one is made no sooner than this.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const CONNECT: Duration = Duration::from_millis(250);

/// What is told: the key that has changed, or `None` where any may have.
type OnChange = Arc<dyn Fn(Option<&[u8]>) + Send + Sync>;

pub(crate) struct Tracked {
    config: RedisConfig,
    budget: Duration,
    on_change: OnChange,
    state: Arc<Mutex<State>>,
}

#[derive(Clone)]
enum State {
    Down(Option<Stopwatch>),
    Connecting,
    Up(MultiplexedConnection),
}

impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tracked({})", self.config)
    }
}

impl Tracked {
    pub(crate) fn new(
        config: RedisConfig,
        budget: Duration,
        on_change: impl Fn(Option<&[u8]>) + Send + Sync + 'static,
    ) -> Self {
        let state = Arc::new(Mutex::new(State::Down(None)));
        Self { config, budget, on_change: Arc::new(on_change), state }
    }

    /// Reads a key, so that its next change is told of. False where it will not be.
    pub(crate) async fn watch(&self, key: &[u8]) -> bool {
        let state = self.lock().clone();
        match state {
            State::Up(mut connection) => {
                let mut cmd = redis::cmd("STRLEN");
                let read: Result<Value, RedisError> = cmd.arg(key).query_async(&mut connection).await;
                let lost = matches!(&read, Err(error) if error.code().is_none());
                if lost {
                    *self.lock() = State::Down(Some(Stopwatch::start()));
                }
                // A key of another type is watched, too; one that may not be read is not.
                !lost && !matches!(&read, Err(error) if error.code() == Some("NOPERM"))
            }
            State::Connecting => false,
            State::Down(since) => {
                if since.is_none_or(|since| since.elapsed() >= RETRY_AFTER) {
                    self.connect();
                }
                false
            }
        }
    }

    fn connect(&self) {
        let Ok(runtime) = Handle::try_current() else { return };
        if matches!(std::mem::replace(&mut *self.lock(), State::Connecting), State::Connecting) {
            return;
        }
        let (config, budget) = (self.config.clone(), self.budget);
        let (on_change, state) = (Arc::clone(&self.on_change), Arc::clone(&self.state));
        // A runtime that goes away in the middle of it leaves no connect under way behind.
        let attempt = Attempt(state);
        runtime.spawn(async move {
            match connect(config, budget, on_change).await {
                Ok(connection) => *lock(&attempt.0) = State::Up(connection),
                Err(error) => {
                    tracing::debug!(%error, "no client tracking; looking from time to time instead")
                }
            }
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        lock(&self.state)
    }
}

struct Attempt(Arc<Mutex<State>>);

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        if matches!(*state, State::Connecting) {
            *state = State::Down(Some(Stopwatch::start()));
        }
    }
}

async fn connect(
    config: RedisConfig,
    budget: Duration,
    on_change: OnChange,
) -> Result<MultiplexedConnection, RedisError> {
    let info = config.info.into_connection_info()?;
    let resp3 = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let client = Client::open(info.set_redis_settings(resp3))?;
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(budget))
        .set_push_sender(move |push: PushInfo| -> Result<(), std::convert::Infallible> {
            tell(&push, &*on_change);
            Ok(())
        });
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    redis::cmd("CLIENT").arg("TRACKING").arg("ON").exec_async(&mut connection).await?;
    Ok(connection)
}

fn tell(push: &PushInfo, on_change: &(dyn Fn(Option<&[u8]>) + Send + Sync)) {
    match (&push.kind, push.data.as_slice()) {
        (PushKind::Invalidate, [Value::Array(keys)]) => {
            for key in keys {
                if let Value::BulkString(key) = key {
                    on_change(Some(key));
                }
            }
        }
        // `FLUSHALL`, or the connection is gone.
        (PushKind::Invalidate | PushKind::Disconnection, _) => on_change(None),
        _ => {}
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
