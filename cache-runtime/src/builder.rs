//! `CacheBuilder`: everything that can be set, and the one place that names concrete stores.
//!
//! `environment` reads the variables, `range` knows what each setting may be.

mod environment;
mod range;

use std::{sync::Arc, time::Duration};

use self::environment::Environment;
#[cfg(feature = "testing")]
use crate::redis::scripts;
use crate::{
    Cache, Error, TtlClass,
    ambient::{Clock, millis},
    domain::policy::TtlTable,
    engine::{Engine, EngineConfig, Told},
    local::Local,
    metrics,
    redis::{config::RedisConfig, lanes::LanesConfig},
    resilience::wakeups::Wakeups,
    store::{
        AnyStore, Off,
        memory::MemoryStore,
        redis::{Coherence, RedisStore, StoreConfig},
    },
};

/// Sets up a [`Cache`].
///
/// A setting outside of its range is brought into it, and one of zero is refused by [`build`](Self::build), where nothing
/// else is said.
///
/// ```
/// use std::time::Duration;
/// use cache_runtime::{Cache, TtlClass};
///
/// let cache = Cache::builder()
///     .namespace("shop")?
///     .ttl_class(TtlClass::Standard, Duration::from_secs(30 * 60))
///     .build()?;
/// # Ok::<(), cache_runtime::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct CacheBuilder {
    redis: Option<RedisConfig>,
    require_redis: bool,
    namespace: Option<String>,
    ttls: TtlTable,
    budget: Duration,
    lease: Duration,
    load_timeout: Duration,
    lanes: usize,
    max_value_size: usize,
    memory: u64,
    local: Option<Duration>,
    local_memory: u64,
    coherence: Coherence,
    trust_snapshots: bool,
    pub(crate) clock: Clock,
    #[cfg(feature = "testing")]
    pub(crate) unfenced: bool,
}

impl Default for CacheBuilder {
    fn default() -> Self {
        Self {
            redis: None,
            require_redis: false,
            namespace: None,
            ttls: TtlTable::default(),
            budget: Duration::from_millis(100),
            lease: Duration::from_secs(3),
            load_timeout: Duration::from_secs(30),
            lanes: 2,
            max_value_size: 1 << 20,
            memory: 64 << 20,
            local: None,
            local_memory: 64 << 20,
            coherence: Coherence::default(),
            trust_snapshots: false,
            clock: Clock::default(),
            #[cfg(feature = "testing")]
            unfenced: false,
        }
    }
}

impl CacheBuilder {
    /// Begins with what the environment says; see [`Cache::from_env`].
    ///
    /// # Errors
    /// Where a variable cannot be parsed or is misspelled; the error names it.
    pub fn from_env() -> Result<Self, Error> {
        Environment::of_process()?.builder()
    }

    /// Uses the Redis at `url`; see [`Cache::connect`].
    ///
    /// # Errors
    /// Where the URL cannot be parsed.
    pub fn redis(mut self, url: &str) -> Result<Self, Error> {
        self.redis = Some(RedisConfig::from_url(url, "the URL")?);
        Ok(self)
    }

    /// Refuses to build a cache that lives in this process only. Off by default.
    pub fn require_redis(mut self) -> Self {
        self.require_redis = true;
        self
    }

    /// Puts `namespace:` before every key, so that services can share a Redis. None by default.
    ///
    /// # Errors
    /// Where it holds white space or a character with a meaning in keys or globs.
    pub fn namespace(self, namespace: &str) -> Result<Self, Error> {
        self.set_namespace(namespace, "the namespace")
    }

    fn set_namespace(mut self, namespace: &str, origin: &str) -> Result<Self, Error> {
        let fit = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
        if namespace.is_empty() || !namespace.chars().all(fit) {
            return Err(Error::config(format!(
                "{origin} is `{namespace}`; use letters, digits, `-`, `_` and `.`, such as `shop`"
            )));
        }
        self.namespace = Some(namespace.to_owned());
        Ok(self)
    }

    /// Gives a TTL class another length: zero for "not stored", else 1 millisecond to 100 years.
    pub fn ttl_class(mut self, class: TtlClass, length: Duration) -> Self {
        self.ttls.set(class, length);
        self
    }

    /// How long a call waits for Redis before its body, and again after it. 100 milliseconds by default; 1 millisecond to 1
    /// minute.
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }

    /// How long others wait for a load. 30 seconds by default; 1 millisecond to 1 day.
    pub fn load_timeout(mut self, timeout: Duration) -> Self {
        self.load_timeout = timeout;
        self
    }

    /// How long the right to load a key, or to write it, outlives a process that has crashed; it is renewed every third of
    /// this. 3 seconds by default; 30 milliseconds to 1 hour. The same in all processes, or the shortest counts.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// How many connections to Redis all calls share. 2 by default; 1 to 64.
    pub fn lanes(mut self, lanes: usize) -> Self {
        self.lanes = lanes;
        self
    }

    /// Values that are larger, in bytes, are not stored. 1 MiB by default; 1 byte to 511 MiB, which is the most that Redis
    /// takes. In process a value takes up half of [`memory`](Self::memory) at most.
    pub fn max_value_size(mut self, bytes: usize) -> Self {
        self.max_value_size = bytes;
        self
    }

    /// How many bytes a cache in this process may take. 64 MiB by default; 64 KiB to 1 PiB.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// How long values of functions that do not say it themselves may be in the local level: decoded, in this process, for
    /// tens of nanoseconds a hit. Not at all by default, and where it is zero. `CACHE_LOCAL=5s` says the same;
    /// `local = false` at a function keeps it out.
    ///
    /// # Consistency
    /// What another process writes is seen as soon as its message has come, which takes about a millisecond; at the latest
    /// after `at_most`, and after 3 seconds where the network has swallowed the message. This process reads its own writes.
    pub fn local(mut self, at_most: Duration) -> Self {
        self.local = Some(at_most);
        self
    }

    /// How many bytes the local level may take, of all functions together. 64 MiB by default; 64 KiB to 1 PiB.
    /// `CACHE_LOCAL_MEMORY=256MiB` says the same.
    pub fn local_memory(mut self, bytes: u64) -> Self {
        self.local_memory = bytes;
        self
    }

    /// How the local level hears what others write. [`Coherence::Tracking`] by default;
    /// `CACHE_COHERENCE=channel` says the other.
    pub fn coherence(mut self, coherence: Coherence) -> Self {
        self.coherence = coherence;
        self
    }

    /// Believes entries that Redis brings back from a snapshot. Off by default: a snapshot also brings back what was
    /// invalidated after it was taken.
    pub fn trust_snapshots(mut self, trust: bool) -> Self {
        self.trust_snapshots = trust;
        self
    }

    /// Builds the cache. Does not wait for a connection.
    ///
    /// # Errors
    /// Where Redis is [required](Self::require_redis) and no URL is known, and where a setting is zero that cannot be; the
    /// error says which, and what to write.
    pub fn build(self) -> Result<Cache, Error> {
        self.in_range()?.build_in_range()
    }

    /// The same with every setting in its range.
    fn in_range(self) -> Result<Self, Error> {
        Ok(Self {
            budget: range::BUDGET.fit(self.budget)?,
            lease: range::LEASE.fit(self.lease)?,
            load_timeout: range::LOAD_TIMEOUT.fit(self.load_timeout)?,
            lanes: range::LANES.fit(self.lanes)?,
            max_value_size: range::MAX_VALUE_SIZE.fit(self.max_value_size)?,
            memory: range::MEMORY.fit(self.memory)?,
            local_memory: range::LOCAL_MEMORY.fit(self.local_memory)?,
            local: self.local.filter(|local| !local.is_zero()),
            ..self
        })
    }

    fn build_in_range(self) -> Result<Cache, Error> {
        let Some(redis) = self.redis.clone() else {
            if self.require_redis {
                return Err(Error::config("no Redis is configured, but required; set REDIS_URL"));
            }
            return Ok(self.build_in_memory());
        };
        let config = LanesConfig {
            redis,
            lanes: self.lanes,
            budget: self.budget,
            trust_snapshots: self.trust_snapshots,
        };
        let local = self.local_level(false);
        let wakeups = Wakeups::default();
        let told = Arc::new(Told { wakeups: wakeups.clone(), local: Some(Arc::clone(&local)) });
        let woken = Arc::new(Told { wakeups: wakeups.clone(), local: None });
        let store = RedisStore::new(
            config,
            StoreConfig { coherence: self.coherence, prefix: self.prefix(), clock: self.clock.clone() },
            wakeups,
            told,
            woken,
        );
        let store =
            store.map_err(|error| Error::config("the Redis client cannot be set up").with_source(error))?;
        #[cfg(feature = "testing")]
        let store = if self.unfenced { store.with_steps(&scripts::UNFENCED) } else { store };
        Ok(self.finish(AnyStore::Redis(Box::new(store)), local))
    }

    pub(crate) fn build_in_memory(mut self) -> Cache {
        // A larger value finds no room in it, and is to be warned of.
        self.max_value_size = self.max_value_size.min(usize::try_from(self.memory / 2).unwrap_or(usize::MAX));
        let store = MemoryStore::new(self.memory, self.max_value_size, self.clock.clone());
        let local = self.local_level(true);
        self.finish(AnyStore::Memory(store), local)
    }

    pub(crate) fn build_off(self, reason: String) -> Cache {
        let local = self.local_level(false);
        self.finish(AnyStore::Off(Off::new(reason)), local)
    }

    /// `told`: whether all changes are made in this process.
    fn local_level(&self, told: bool) -> Arc<Local> {
        Arc::new(Local::new(self.local_memory, self.clock.clone(), told))
    }

    /// Before every key: empty, or the namespace and a colon.
    fn prefix(&self) -> String {
        self.namespace.as_ref().map(|namespace| format!("{namespace}:")).unwrap_or_default()
    }

    fn finish(self, store: AnyStore, local: Arc<Local>) -> Cache {
        metrics::describe();
        let config = EngineConfig {
            budget: self.budget,
            lease: self.lease,
            load_timeout: self.load_timeout,
            hold: Duration::from_secs(1),
            max_value_size: self.max_value_size,
            prefix: self.prefix(),
            ttls: self.ttls,
            local: self.local.map(millis),
        };
        Cache::from_engine(Engine::new(config, store, local))
    }
}

#[cfg(test)]
mod tests;
