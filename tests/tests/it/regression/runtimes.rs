use std::{future::pending, time::Duration};

use cache_runtime::{Cache, cached, testing::server::RedisServer};
use tokio::{
    runtime::{Builder, Runtime},
    time::{sleep, timeout},
};

use crate::support::{Runs, eventually, on_redis, wait_until_its_start_is_past};

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// The task that repeats invalidations died with its runtime, and was never started again.
#[test]
fn invalidations_are_repeated_in_the_next_runtime() {
    #[cached(ttl = "5m", key = "resumed", skip = [runs])]
    async fn get(runs: &Runs) -> u64 {
        runs.one_more()
    }
    #[cached(invalidates = [get()])]
    async fn put() {}
    let server = RedisServer::start();
    wait_until_its_start_is_past(&server);
    let (cache, runs) = (Cache::connect(&server.url()).unwrap(), Runs::default());
    let first = runtime();
    first.block_on(cache.scope(eventually("the cache is in use", async || {
        get(&runs).await;
        get::entry().peek().await.is_some()
    })));
    server.kill();
    first.block_on(cache.scope(put()));
    assert_eq!(cache.health().recovery_queue, 1);
    drop(first);
    server.restart();
    wait_until_its_start_is_past(&server);
    runtime().block_on(cache.scope(eventually("the invalidation is made good", async || {
        get(&runs).await;
        cache.health().recovery_queue == 0
    })));
}

/// A write that a runtime drops when it goes away did not invalidate a cache that outlives the runtime.
#[test]
fn a_write_that_its_runtime_drops_invalidates_in_process() {
    #[cached(ttl = "5m", key = "outlived")]
    async fn get() -> u64 {
        1
    }
    #[cached(invalidates = [get()])]
    async fn put() {
        pending::<()>().await;
    }
    let cache = Cache::in_memory();
    let first = runtime();
    first.block_on(cache.scope(get()));
    let write = cache.clone();
    first.spawn(async move { write.scope(put()).await });
    std::thread::sleep(Duration::from_millis(100));
    drop(first);
    assert_eq!(runtime().block_on(cache.scope(async { get::entry().peek().await })), None);
}

/// Dropping a write where no runtime is panicked: the client's timers need one.
#[test]
fn a_write_on_redis_may_be_dropped_outside_of_a_runtime() {
    #[cached(invalidates = ["outside"])]
    async fn put() {
        pending::<()>().await;
    }
    let cache = on_redis();
    for ends_first in [true, false] {
        let runtime = runtime();
        let mut write = Box::pin(cache.scope(put()));
        runtime.block_on(async {
            cache.connected().await;
            assert!(timeout(Duration::from_millis(50), &mut write).await.is_err());
        });
        if ends_first {
            drop(runtime);
        }
        drop(write);
    }
}

/// `now + Duration::MAX` panicked.
#[tokio::test]
async fn durations_may_be_endless() {
    #[cached(ttl = "5m", key = "endless")]
    async fn get() -> u64 {
        sleep(Duration::from_millis(20)).await;
        1
    }
    let builder = Cache::builder().load_timeout(Duration::MAX).budget(Duration::MAX);
    let cache = builder.build().unwrap();
    cache.scope(async { tokio::join!(get(), get()) }).await;
    assert!(cache.shutdown(Duration::MAX).await);
}
