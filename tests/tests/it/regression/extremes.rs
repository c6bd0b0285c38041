//! Settings that mean "as long as possible", or "at once".

use std::time::Duration;

use cache_runtime::{Cache, CacheBuilder, TtlClass, cached};

use crate::support::{Runs, in_memory_builder, redis_builder};

#[cached(ttl = "STANDARD", key = "plain:<id>", early_refresh = false, skip = [runs])]
async fn plain(id: u64, runs: &Runs) -> u64 {
    runs.one_more();
    id
}

#[cached(
    ttl = "STANDARD", key = "tagged:<id>", tags = ["of:<id>"], stale_if_error = "36500d", early_refresh = false, skip = [runs]
)]
async fn tagged(id: u64, runs: &Runs) -> u64 {
    runs.one_more();
    id
}

#[cached(ttl = "STANDARD", key = "plain:<id>", invalidates = [tag("of:<id>"), "list:*"])]
async fn change(id: u64) -> u64 {
    id + 1
}

type Setting = (&'static str, bool, fn(CacheBuilder) -> CacheBuilder);

/// With each, whether what was loaded is served.
const SETTINGS: [Setting; 19] = [
    ("load_timeout of ever", true, |builder| builder.load_timeout(Duration::MAX)),
    ("load_timeout of nearly nothing", true, |builder| builder.load_timeout(Duration::from_nanos(1))),
    ("lease of ever", true, |builder| builder.lease(Duration::MAX)),
    // A slow machine loses its lease.
    ("lease of nearly nothing", false, |builder| builder.lease(Duration::from_micros(1))),
    ("budget of ever", true, |builder| builder.budget(Duration::MAX)),
    ("budget of nearly nothing", false, |builder| builder.budget(Duration::from_micros(1))),
    ("all lanes", true, |builder| builder.lanes(usize::MAX)),
    ("one lane", true, |builder| builder.lanes(1)),
    ("all memory", true, |builder| builder.memory(u64::MAX)),
    ("no memory", true, |builder| builder.memory(1)),
    ("values of any size", true, |builder| builder.max_value_size(usize::MAX)),
    ("values of no size", false, |builder| builder.max_value_size(1)),
    ("local for ever", true, |builder| builder.local(Duration::MAX)),
    ("local for nothing", true, |builder| builder.local(Duration::ZERO)),
    ("all memory local", true, |builder| builder.local(Duration::MAX).local_memory(u64::MAX)),
    ("no memory local", true, |builder| builder.local(Duration::MAX).local_memory(1)),
    ("a class for ever", true, |builder| builder.ttl_class(TtlClass::Standard, Duration::MAX)),
    ("a class of nearly nothing", false, |builder| {
        builder.ttl_class(TtlClass::Standard, Duration::from_nanos(1))
    }),
    ("a class of nothing", false, |builder| builder.ttl_class(TtlClass::Standard, Duration::ZERO)),
];

async fn check(builder: fn() -> CacheBuilder) {
    for (name, is_served, set) in SETTINGS {
        let cache = set(builder()).build().unwrap_or_else(|error| panic!("{name}: {error}"));
        cache.connected().await;
        let runs = Runs::default();
        cache.scope(calls(name, &runs)).await;
        let runs = runs.get();
        if is_served {
            assert_eq!(runs, 3, "{name}: {}", cache.report());
        }
        assert!((3..=11).contains(&runs), "{name}: {runs}");
        assert!(cache.shutdown(Duration::from_secs(20)).await, "{name}: {}", Cache::health(&cache));
    }
}

async fn calls(name: &str, runs: &Runs) {
    for _ in 0..5 {
        assert_eq!((plain(1, runs).await, tagged(1, runs).await), (1, 1), "{name}");
    }
    assert_eq!(change(1).await, 2, "{name}");
    assert_eq!(tagged(1, runs).await, 1, "{name}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn extreme_settings_in_memory() {
    check(in_memory_builder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn extreme_settings_on_redis() {
    check(redis_builder).await;
}
