//! What the tests share: a Redis, caches on both stores, counters.

use std::{
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use cache_runtime::{Cache, CacheBuilder, testing::server::RedisServer};
use serde::{Deserialize, Serialize};

/// The Redis of this test binary.
pub(crate) static SERVER: LazyLock<RedisServer> = LazyLock::new(|| {
    let server = RedisServer::start();
    wait_until_its_start_is_past(&server);
    server
});

/// The start of a server is known in whole seconds, and what was written before is void.
pub(crate) fn wait_until_its_start_is_past(server: &RedisServer) {
    let uptime = || {
        let info = server.cli(&["INFO", "server"]);
        let line = info.lines().find_map(|line| line.strip_prefix("uptime_in_seconds:").map(str::to_owned));
        line.and_then(|uptime| uptime.trim().parse::<u64>().ok()).unwrap_or(0)
    };
    while uptime() < 2 {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A namespace of a test's own.
pub(crate) fn namespace() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A cache on [`SERVER`]. Machines are slow at times: the budget is generous, so that no call gives up on Redis.
pub(crate) fn on_redis() -> Cache {
    redis_builder().build().expect("a cache")
}

pub(crate) fn redis_builder() -> CacheBuilder {
    Cache::builder()
        .redis(&SERVER.url())
        .and_then(|builder| builder.namespace(&namespace()))
        .expect("fit")
        .budget(Duration::from_secs(5))
}

pub(crate) fn in_memory() -> Cache {
    in_memory_builder().build().expect("a cache")
}

pub(crate) fn in_memory_builder() -> CacheBuilder {
    Cache::builder().namespace(&namespace()).expect("fit")
}

/// Runs a scenario on both stores.
macro_rules! both {
    ($($name:ident;)*) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_memory() {
                let cache = $crate::support::in_memory();
                cache.scope(super::$name(cache.clone())).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_redis() {
                let cache = $crate::support::on_redis();
                cache.scope(super::$name(cache.clone())).await;
            }
        }
    )*};
}
pub(crate) use both;

/// How often a body ran.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs(Arc<AtomicU64>);

impl Runs {
    pub(crate) fn one_more(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) name: String,
}

impl User {
    pub(crate) fn new(id: u64, name: &str) -> Self {
        Self { id, name: name.to_owned() }
    }
}

/// An error that knows nothing of caches.
#[derive(Debug, PartialEq)]
pub(crate) struct DbError(pub(crate) &'static str);

/// The warnings of this thread, each with its fields: `message=.. function=..`.
#[derive(Clone, Default)]
pub(crate) struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    /// Those of one function, by the end of its path.
    pub(crate) fn of(&self, function: &str) -> Vec<String> {
        let all = self.0.lock().unwrap();
        let of = format!("{function}\" ");
        all.iter().filter(|text| text.contains("function=") && text.contains(&of)).cloned().collect()
    }
}

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::Id {
        tracing::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::Id, _: &tracing::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = Fields::default();
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &tracing::Id) {}

    fn exit(&self, _: &tracing::Id) {}
}

#[derive(Default)]
struct Fields(String);

impl tracing::field::Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0 += &format!("{field}={value:?} ");
    }
}

/// Looks at something until it is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < Duration::from_secs(20), "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
