//! `Cache`: the handle that users hold, and which one is current.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::future::Either;

use crate::{
    BreakerState, CacheBuilder, Entry, Error, ErrorKind, Report, Ttl,
    ambient::{self, Deadline},
    domain::{key::Key, pattern::Pattern},
    engine::{Call, Engine, EngineRef, LocalTtl, Site, SiteConfig, Target},
    entry::EntryRules,
    registry,
    store::{AnyStore, Store as _, StoreHealth},
};

/// A cache: a handle that is cheap to clone.
///
/// Cached functions use the cache of the surrounding [`scope`](Cache::scope), else the one that was
/// [installed](Cache::install), else one made [from the environment](Cache::from_env) at the first call.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use cache_runtime::{Cache, cached};
///
/// #[cached(ttl = "STANDARD", key = "square:<number>")]
/// async fn square(number: u64) -> u64 {
///     number * number
/// }
///
/// let cache = Cache::in_memory();
/// cache.scope(async {
///     assert_eq!(square(7).await, 49);
///     assert_eq!(square::entry(&7).peek().await, Some(49));
/// }).await;
/// # });
/// ```
#[derive(Clone)]
pub struct Cache(Arc<Engine>);

static INSTALLED: OnceLock<Cache> = OnceLock::new();

tokio::task_local! {
    static SCOPED: Cache;
}

impl Cache {
    /// A cache as the environment says: on Redis where `REDIS_URL` or `REDIS_HOST` is set, else in this process.
    ///
    /// Does not wait for a connection: a Redis that is out of reach is joined when it appears.
    ///
    /// | variable | meaning | example | where it is not set |
    /// |---|---|---|---|
    /// | `REDIS_URL` | where Redis is, and how to log in | `redis://user:password@host:6379/0`, `rediss://…` (TLS), `unix:///path` | `REDIS_HOST` |
    /// | `REDIS_HOST` | the host alone, with its port, or a URL | `cache`, `cache:6379`, `[::1]:6379` | in this process |
    /// | `REDIS_PORT` | its port; what Kubernetes sets for a service named `redis` (`tcp://…:6379`) counts as 6379 | `6379` | 6379 |
    /// | `REDIS_USERNAME` | the user, where the URL names none | `shop` | the default user |
    /// | `REDIS_PASSWORD` | the password, where the URL has none | | none |
    /// | `REDIS_DB` | the database, where the URL names none | `3` | 0 |
    /// | `REDIS_TLS` | whether to use TLS, for `REDIS_HOST`; `true`, `yes`, `on`, `1` or their opposites, in any case | `true` | no |
    /// | `CACHE_NAMESPACE` | goes before every key, with a colon | `shop` | none |
    /// | `CACHE_TTL_REALTIME` | length of that class | `5s` | 10 seconds |
    /// | `CACHE_TTL_FREQUENT` | length of that class | `2m` | 5 minutes |
    /// | `CACHE_TTL_STANDARD` | length of that class | `30m`, `1h 30m` | 1 hour |
    /// | `CACHE_TTL_REFERENCE` | length of that class | `12h` | 24 hours |
    /// | `CACHE_TTL_STATIC` | length of that class | `30d` | 7 days |
    /// | `CACHE_LOCAL` | how long values may be in the local level, see [`CacheBuilder::local`] | `5s`, `off` | not at all |
    /// | `CACHE_LOCAL_MEMORY` | how large the local level may become | `256MiB` | 64 MiB |
    /// | `CACHE_COHERENCE` | how it hears of changes, see [`CacheBuilder::coherence`] | `tracking`, `channel` | `tracking` |
    ///
    /// White space around a value does not count (of a user and a password: newlines at the end), and an empty variable is
    /// not set.
    ///
    /// # Errors
    /// Where a variable cannot be parsed, contradicts another one, or has a name that is nearly one of those; the error
    /// names it and says what to write.
    pub fn from_env() -> Result<Self, Error> {
        CacheBuilder::from_env()?.build()
    }

    /// A cache on the Redis at `url`: `redis://user:password@host:6379/0`, `rediss://…`, `unix:///path`.
    ///
    /// Does not wait for the connection.
    ///
    /// # Errors
    /// Where the URL cannot be parsed.
    pub fn connect(url: &str) -> Result<Self, Error> {
        Self::builder().redis(url)?.build()
    }

    /// A cache in this process, of at most 64 MiB.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::builder().build_in_memory()
    }

    /// For everything that can be set.
    pub fn builder() -> CacheBuilder {
        CacheBuilder::default()
    }

    pub(crate) fn from_engine(engine: Engine) -> Self {
        Self(Arc::new(engine))
    }

    /// Makes this the cache of the whole process. Belongs to the start of `main`.
    ///
    /// # Errors
    /// Where one is installed already, also by a cached function that was called before.
    pub fn install(self) -> Result<(), Error> {
        INSTALLED.set(self).map_err(|_| {
            Error::new(
                ErrorKind::AlreadyInstalled,
                "a cache is installed already; call `install` once, before the first call of a cached function",
            )
        })
    }

    /// Runs a future whose cached functions use this cache instead of the installed one.
    ///
    /// For tests that run side by side. Tasks that the future spawns do not inherit it; loads that go on without their
    /// caller do.
    pub async fn scope<F: Future>(&self, future: F) -> F::Output {
        SCOPED.scope(self.clone(), future).await
    }

    /// A future that uses the cache of this scope wherever it is polled.
    pub(crate) fn carried<F: Future>(future: F) -> impl Future<Output = F::Output> {
        match SCOPED.try_with(Self::clone) {
            Ok(cache) => Either::Left(SCOPED.scope(cache, future)),
            Err(_) => Either::Right(future),
        }
    }

    /// The cache that a cached function uses here.
    #[must_use]
    pub fn current() -> Self {
        Self(Arc::clone(&Self::current_engine()))
    }

    /// Without a count on the installed cache, which never goes away.
    #[inline]
    pub(crate) fn current_engine() -> EngineRef {
        let scoped = SCOPED.try_with(|cache| EngineRef::Own(Arc::clone(&cache.0)));
        scoped.unwrap_or_else(|_| EngineRef::Installed(&INSTALLED.get_or_init(Self::by_default).0))
    }

    fn by_default() -> Self {
        match Self::from_env() {
            Ok(cache) => {
                if matches!(cache.0.store, AnyStore::Memory(_)) {
                    tracing::warn!(
                        "no cache is installed and REDIS_URL is not set: caching in this process only; \
                         call `Cache::in_memory().install()` at start if that is what you want"
                    );
                }
                cache
            }
            Err(error) => {
                tracing::error!(%error, "the cache is off: its configuration is wrong");
                CacheBuilder::default().build_off(error.to_string())
            }
        }
    }

    /// What each function did since this cache was built: hits, misses with their reasons, hit rates.
    ///
    /// Tells the recorder of metrics, too, of those hits in the process that it does not know yet: else it learns of them
    /// when a call of the same function goes on to the store.
    #[must_use]
    pub fn report(&self) -> Report {
        self.0.tell_all_local_hits();
        Report::of(&self.0.stats)
    }

    /// Whether the cache is in use, and what is wrong if it is not.
    #[must_use]
    pub fn health(&self) -> Health {
        let engine = &self.0;
        let StoreHealth { store, lanes: (up, all), breaker, warms_up, trouble } = engine.store.health();
        let recovery_queue = engine.recovery.len();
        let state = if up == 0 {
            HealthState::Disconnected
        } else if up == all && !warms_up && recovery_queue == 0 {
            HealthState::Connected
        } else {
            HealthState::Degraded
        };
        let full = || {
            let text =
                "more invalidations have failed than can wait; nothing is served until they are made good";
            engine.recovery.is_full().then(|| text.to_owned())
        };
        let (values, bytes) = engine.local.size();
        let local = LocalHealth { is_on: engine.local.is_on(), values, bytes };
        Health { state, store, breaker, recovery_queue, local, trouble: trouble.or_else(full) }
    }

    /// Waits for the first connection to Redis, at most for the budget of a call (100 ms).
    ///
    /// Nobody has to call it: a call that comes before the connection waits by itself.
    ///
    /// `true`: the cache is in use.
    pub async fn connected(&self) -> bool {
        self.0.store.connected().await
    }

    /// Waits until what is under way is done (loads, the steps after writes, repeated invalidations), at most until
    /// the deadline. `true`: everything was done.
    pub async fn shutdown(&self, deadline: Duration) -> bool {
        let deadline = Deadline::after(deadline);
        self.0.tell_all_local_hits();
        loop {
            if self.0.is_idle() {
                return true;
            }
            if deadline.has_passed() {
                return false;
            }
            ambient::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.0
    }

    /// The entries of a key as it is written in a string target: under each version that a function gives it.
    pub(crate) fn target(engine: &Arc<Engine>, key: &str) -> Target {
        let keys = registry::keys(&engine.config.prefix, key);
        Target::keys(engine, keys.iter().map(|key| Key::raw(key)).collect())
    }

    /// The entries whose keys match, under each version that a function gives them.
    pub(crate) fn pattern_target(engine: &Arc<Engine>, pattern: &str) -> Target {
        let patterns = registry::patterns(&engine.config.prefix, pattern);
        Target::patterns(engine, patterns.iter().map(|pattern| Pattern::new(pattern)).collect())
    }

    pub(crate) fn untyped(&self, key: &str, ttl: Ttl) -> Entry<()> {
        static UNTYPED: Site = Site::new(SiteConfig {
            function: "cache_runtime::Cache",
            ttl_class: "custom",
            jitter: 0.0,
            local: LocalTtl::Off,
            ..SiteConfig::NEW
        });
        let key = Key::raw(&format!("{}{key}", self.0.config.prefix));
        let engine = EngineRef::Own(Arc::clone(&self.0));
        let call = Call { engine, site: &UNTYPED, key, hash: 0, tags: Box::default(), bypass: false };
        Entry::new(call, EntryRules::Fixed(ttl))
    }
}

impl AsRef<Self> for Cache {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cache({})", self.health())
    }
}

/// Whether the cache is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HealthState {
    /// Fully.
    Connected,
    /// In part: some connections to Redis are down, or the keys of invalidations that were not acknowledged are not
    /// served.
    Degraded,
    /// Bodies run without the cache.
    Disconnected,
}

/// The answer of [`Cache::health`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Health {
    /// Whether the cache is in use.
    pub state: HealthState,
    /// Where entries live: `in process`, `redis` with its address (no password), or `off`.
    pub store: String,
    /// Whether calls go to Redis at all. Always closed in process.
    pub breaker: BreakerState,
    /// Invalidations that Redis has not acknowledged yet.
    pub recovery_queue: usize,
    /// The local level.
    pub local: LocalHealth,
    /// What is wrong.
    pub trouble: Option<String>,
}

/// How the local level is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalHealth {
    /// Whether it serves what it holds: whether changes are told at present. False also before the first call that wants
    /// it.
    pub is_on: bool,
    /// How many values it holds.
    pub values: usize,
    /// How many bytes they take.
    pub bytes: u64,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            HealthState::Connected => "connected",
            HealthState::Degraded => "degraded",
            HealthState::Disconnected => "disconnected",
        };
        write!(f, "{}, {state}", self.store)?;
        match self.breaker {
            BreakerState::Closed => {}
            BreakerState::HalfOpen => f.write_str(", breaker half-open")?,
            BreakerState::Open => f.write_str(", breaker open")?,
        }
        if self.recovery_queue > 0 {
            write!(f, ", {} invalidations to repeat", self.recovery_queue)?;
        }
        match &self.trouble {
            Some(trouble) => write!(f, " ({trouble})"),
            None => Ok(()),
        }
    }
}
