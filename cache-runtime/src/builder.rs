//! `CacheBuilder`: everything that can be set, and the one place that names concrete stores.

use std::{sync::Arc, time::Duration};

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
    /// Where a variable cannot be parsed; the error names it.
    pub fn from_env() -> Result<Self, Error> {
        // Empty is not set: compose files write `REDIS_URL=${REDIS_URL:-}`.
        Self::from_variables(&|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn from_variables(variable: &impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let mut builder = Self { redis: RedisConfig::from_env(variable)?, ..Self::default() };
        if let Some(namespace) = variable("CACHE_NAMESPACE") {
            builder = builder.set_namespace(&namespace, "CACHE_NAMESPACE")?;
        }
        for class in TtlClass::ALL {
            let name = format!("CACHE_TTL_{class}");
            let Some(text) = variable(&name) else { continue };
            builder.ttls.set(class, duration(&name, &text)?);
        }
        if let Some(text) = variable("CACHE_LOCAL") {
            builder.local = Some(duration("CACHE_LOCAL", &text)?);
        }
        if let Some(text) = variable("CACHE_LOCAL_MEMORY") {
            builder.local_memory = bytes("CACHE_LOCAL_MEMORY", &text)?;
        }
        if let Some(text) = variable("CACHE_COHERENCE") {
            builder.coherence = match text.as_str() {
                "tracking" => Coherence::Tracking,
                "channel" => Coherence::Channel,
                _ => {
                    let wrong = format!("CACHE_COHERENCE is `{text}`; write `tracking` or `channel`");
                    return Err(Error::config(wrong));
                }
            };
        }
        Ok(builder)
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

    /// Gives a TTL class another length.
    pub fn ttl_class(mut self, class: TtlClass, length: Duration) -> Self {
        self.ttls.set(class, length);
        self
    }

    /// How long a call waits for Redis before its body, and again after it. 100 milliseconds by default.
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }

    /// How long others wait for a load. 30 seconds by default.
    pub fn load_timeout(mut self, timeout: Duration) -> Self {
        self.load_timeout = timeout;
        self
    }

    /// How long the right to load a key, or to write it, outlives a process that has crashed; it is renewed every third of
    /// this. 3 seconds by default, at least 30 milliseconds. The same in all processes, or the shortest counts.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(Duration::from_millis(30));
        self
    }

    /// How many connections to Redis all calls share. 2 by default.
    pub fn lanes(mut self, lanes: usize) -> Self {
        self.lanes = lanes;
        self
    }

    /// Values that are larger, in bytes, are not stored. 1 MiB by default.
    pub fn max_value_size(mut self, bytes: usize) -> Self {
        self.max_value_size = bytes;
        self
    }

    /// How many bytes a cache in this process may take. 64 MiB by default.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// How long values of functions that do not say it themselves may be in the local level: decoded, in this process, for
    /// tens of nanoseconds a hit. Not at all by default. `CACHE_LOCAL=5s` says the same; `local = false` at a function
    /// keeps it out.
    ///
    /// # Consistency
    /// What another process writes is seen as soon as its message has come, which takes about a millisecond; at the latest
    /// after `at_most`, and after 3 seconds where the network has swallowed the message. This process reads its own writes.
    pub fn local(mut self, at_most: Duration) -> Self {
        self.local = Some(at_most);
        self
    }

    /// How many bytes the local level may take, of all functions together. 64 MiB by default;
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
    /// Where Redis is [required](Self::require_redis) and no URL is known.
    pub fn build(self) -> Result<Cache, Error> {
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

    pub(crate) fn build_in_memory(self) -> Cache {
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

fn duration(name: &str, text: &str) -> Result<Duration, Error> {
    let length = humantime::parse_duration(text).ok().filter(|length| !length.is_zero());
    length.ok_or_else(|| {
        Error::config(format!("{name} is `{text}`, which is not a duration; write `90s`, `30m` or `1h 30m`"))
    })
}

/// A number of bytes, or of `KiB`, `MiB` or `GiB`.
fn bytes(name: &str, text: &str) -> Result<u64, Error> {
    let digits = text.trim_end_matches(|character: char| !character.is_ascii_digit());
    let shift = match text[digits.len()..].trim() {
        "" | "B" => Some(0),
        "KiB" => Some(10),
        "MiB" => Some(20),
        "GiB" => Some(30),
        _ => None,
    };
    let number = digits.parse::<u64>().ok().filter(|number| *number > 0);
    let bytes = number.zip(shift).and_then(|(number, shift)| number.checked_mul(1 << shift));
    bytes.ok_or_else(|| {
        Error::config(format!("{name} is `{text}`, which is not a size; write `67108864`, `64MiB` or `1GiB`"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder(variables: &[(&str, &str)]) -> Result<CacheBuilder, Error> {
        CacheBuilder::from_variables(&|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_sets_namespace_and_classes() {
        let builder = builder(&[("CACHE_NAMESPACE", "shop"), ("CACHE_TTL_STANDARD", "1h 30m")]).expect("fit");
        assert_eq!(builder.namespace.as_deref(), Some("shop"));
        assert_eq!(builder.ttls.resolve(TtlClass::Standard.into()), Duration::from_secs(5_400));
    }

    #[test]
    fn a_malformed_variable_is_named() {
        let check = |name, value, expected: &str| {
            let error = builder(&[(name, value)]).expect_err("unfit").to_string();
            assert!(error.contains(name) && error.contains(expected), "{error}");
        };
        check("CACHE_TTL_STATIC", "7", "which is not a duration");
        check("CACHE_TTL_STATIC", "0s", "which is not a duration");
        check("CACHE_NAMESPACE", "a:b", "use letters");
        check("CACHE_NAMESPACE", "", "use letters");
        check("REDIS_URL", "nonsense", "not a Redis URL");
        check("CACHE_LOCAL", "5", "which is not a duration");
        check("CACHE_LOCAL", "0s", "which is not a duration");
        for size in ["0", "64MB", "MiB", "-1", "1.5GiB", "20000000000GiB", "99999999999999999999"] {
            check("CACHE_LOCAL_MEMORY", size, "which is not a size");
        }
        check("CACHE_COHERENCE", "Tracking", "write `tracking` or `channel`");
    }

    #[test]
    fn the_environment_sets_the_local_level() {
        let set = |name, value| builder(&[(name, value)]).expect("fit");
        assert_eq!(set("CACHE_LOCAL", "1m 5s").local, Some(Duration::from_secs(65)));
        for (size, bytes) in
            [("67108864", 64 << 20), ("64MiB", 64 << 20), ("3 KiB", 3 << 10), ("1GiB", 1 << 30)]
        {
            assert_eq!(set("CACHE_LOCAL_MEMORY", size).local_memory, bytes, "{size}");
        }
        assert_eq!(set("CACHE_COHERENCE", "channel").coherence, Coherence::Channel);
        assert_eq!(set("CACHE_COHERENCE", "tracking").coherence, Coherence::Tracking);
        let unset = builder(&[]).expect("fit");
        assert_eq!((unset.local, unset.local_memory, unset.coherence), (None, 64 << 20, Coherence::Tracking));
    }

    #[test]
    fn a_cache_can_be_built_where_no_runtime_is() {
        let cache = Cache::connect("redis://127.0.0.1:1").expect("fit");
        assert_eq!(cache.health().state, crate::HealthState::Disconnected);
        assert_eq!(Cache::in_memory().health().state, crate::HealthState::Connected);
    }

    #[test]
    fn redis_can_be_required() {
        let error = Cache::builder().require_redis().build().expect_err("there is none");
        assert!(error.to_string().contains("set REDIS_URL"), "{error}");
    }
}
