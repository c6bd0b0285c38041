use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

use cache_runtime::{Cache, HealthState, cached, testing::server::RedisServer};
use tokio::time::sleep;

use crate::{
    proxy::Proxy,
    support::{Runs, eventually, wait_until_its_start_is_past},
};

/// The caller's budget ended before the steps had noted that they were not acknowledged: the next read in the same
/// process got the old value, in 15 of 15 rounds.
async fn a_write_that_was_not_acknowledged_is_covered_when_it_returns() {
    static ROW: AtomicU64 = AtomicU64::new(0);
    #[cached(ttl = "STANDARD", key = "covered:<id>")]
    async fn get(id: u64) -> u64 {
        ROW.load(SeqCst) + id - id
    }
    #[cached(invalidates = [get(id)])]
    async fn put(id: u64) {
        ROW.fetch_add(1, SeqCst);
    }
    let server = RedisServer::builder().tcp().start();
    wait_until_its_start_is_past(&server);
    let proxy = Proxy::start(&server);
    let cache = Cache::connect(&proxy.url()).unwrap();
    let rounds = async {
        for id in 0..10 {
            proxy.hold_scripts(false);
            eventually("the cache is in use", async || {
                get(id).await;
                let health = cache.health();
                health.recovery_queue == 0
                    && health.state == HealthState::Connected
                    && get::entry(&id).peek().await.is_some()
            })
            .await;
            proxy.hold_scripts(true);
            put(id).await;
            assert_eq!(get(id).await, ROW.load(SeqCst), "round {id}");
            proxy.hold_scripts(false);
            sleep(Duration::from_millis(150)).await;
        }
    };
    cache.scope(rounds).await;
}

#[tokio::test]
async fn a_write_that_was_not_acknowledged_is_covered_on_one_thread() {
    a_write_that_was_not_acknowledged_is_covered_when_it_returns().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_was_not_acknowledged_is_covered_on_two_threads() {
    a_write_that_was_not_acknowledged_is_covered_when_it_returns().await;
}

/// A write that was dropped while it announced itself left its key fenced for three seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_never_began_leaves_no_fence() {
    #[cached(ttl = "5m", key = "announced", skip = [runs])]
    async fn get(runs: &Runs) -> u64 {
        runs.one_more()
    }
    #[cached(ttl = "5m", key = "announced", invalidates = ["announced:other"])]
    async fn put() -> u64 {
        sleep(Duration::from_secs(1)).await;
        1
    }
    let server = RedisServer::builder().tcp().start();
    wait_until_its_start_is_past(&server);
    let proxy = Proxy::start(&server);
    let cache = Cache::builder().redis(&proxy.url()).unwrap().lanes(1).build().unwrap();
    let runs = Runs::default();
    let is_stored = async || {
        get(&runs).await;
        get::entry().peek().await.is_some()
    };
    cache
        .scope(async {
            eventually("the cache is in use", is_stored).await;
            put().await;
            get::entry().invalidate().await;
            proxy.delay(Duration::from_millis(40));
            assert!(tokio::time::timeout(Duration::from_millis(20), put()).await.is_err());
            sleep(Duration::from_millis(300)).await;
            proxy.delay(Duration::ZERO);
            sleep(Duration::from_millis(300)).await;
            let started = Instant::now();
            eventually("it is stored again", is_stored).await;
            assert!(started.elapsed() < Duration::from_millis(1_000), "{:?}", started.elapsed());
        })
        .await;
}
