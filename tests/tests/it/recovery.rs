//! More failed invalidations than can wait.

use std::time::Duration;

use cache_runtime::{BreakerState, Cache, HealthState, cached, testing::server::RedisServer};

use crate::support::{Runs, eventually, wait_until_its_start_is_past};

#[cached(ttl = "5m", key = "user:<id>", skip = [runs])]
async fn get_user(id: u64, runs: &Runs) -> u64 {
    let _ = id;
    runs.one_more()
}

/// So many can wait.
const CAPACITY: u64 = 100_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_full_serves_nothing_until_everything_was_invalidated() {
    let server = RedisServer::start();
    wait_until_its_start_is_past(&server);
    let builder = || Cache::builder().redis(&server.url()).unwrap().namespace("shop").unwrap();
    let (cache, other) = (builder().build().unwrap(), builder().build().unwrap());
    let runs = Runs::default();
    let forgotten = CAPACITY + 7;
    server.cli(&["SET", "elsewhere", "not ours"]);
    for id in [1, forgotten] {
        eventually("it is cached", async || {
            let twice = async { get_user(id, &runs).await == get_user(id, &runs).await };
            cache.scope(twice).await
        })
        .await;
    }
    let old = other.scope(get_user(forgotten, &runs)).await;

    server.pause();
    eventually("the breaker is open", async || {
        cache.invalidate("user:0").await;
        cache.health().breaker != BreakerState::Closed
    })
    .await;
    for id in 0..=forgotten {
        assert!(!cache.invalidate(&format!("user:{id}")).await);
    }
    let health = cache.health();
    assert_eq!((health.recovery_queue, health.state), (CAPACITY as usize, HealthState::Disconnected));
    server.resume();
    eventually("Redis is back", async || cache.health().breaker == BreakerState::Closed).await;
    if cache.health().recovery_queue > 0 {
        let before = runs.get();
        cache.scope(get_user(77_777_777, &runs)).await;
        cache.scope(get_user(77_777_777, &runs)).await;
        let health = cache.health();
        // Unless it was made good this very moment.
        assert!(runs.get() == before + 2 || health.recovery_queue == 0, "{health}");
    }
    eventually("everything was made good", async || cache.health().recovery_queue == 0).await;
    assert_eq!(cache.health().state, HealthState::Connected);
    let new = other.scope(get_user(forgotten, &runs)).await;
    assert_ne!(new, old, "also what had found no room");
    assert_eq!(other.scope(get_user(forgotten, &runs)).await, new, "and the cache is in use again");
    assert_eq!(server.cli(&["GET", "elsewhere"]), "not ours");
    assert!(cache.shutdown(Duration::from_secs(5)).await);
}
