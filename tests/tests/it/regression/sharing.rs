//! What calls share where nothing is stored, and what a load costs those around it.

use std::{sync::Arc, time::Duration};

use cache_runtime::{Cache, cached, testing::server::RedisServer};
use tokio::{
    sync::{Barrier, Semaphore},
    task::JoinSet,
    time::timeout,
};

use crate::support::{Runs, eventually, in_memory, redis_builder};

/// With Redis out each of 500 callers ran its own body.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_redis_out_calls_of_one_process_share_their_loads() {
    #[cached(ttl = "5m", key = "outage", skip = [runs])]
    async fn get(runs: Runs) -> u64 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        runs.one_more()
    }
    let server = RedisServer::start();
    let cache = Cache::connect(&server.url()).unwrap();
    server.kill();
    eventually("it is out", async || cache.health().breaker != cache_runtime::BreakerState::Closed).await;
    let runs = Runs::default();
    let mut calls = JoinSet::new();
    for _ in 0..500 {
        let (cache, runs) = (cache.clone(), runs.clone());
        calls.spawn(async move { cache.scope(get(runs)).await });
    }
    calls.join_all().await;
    assert!(runs.get() < 50, "{} runs", runs.get());
}

/// An error that cannot be cloned made followers load one after another: three body times for twenty callers.
#[tokio::test]
async fn after_an_error_that_cannot_be_cloned_the_others_load_together() {
    struct Opaque;
    #[cached(ttl = "5m", key = "opaque", skip = [runs, gate, together])]
    async fn get(runs: Runs, gate: Arc<Semaphore>, together: Arc<Barrier>) -> Result<u64, Opaque> {
        if runs.one_more() == 1 {
            gate.acquire().await.expect("it is not closed").forget();
        } else {
            // Is reached by all the others, or never left.
            together.wait().await;
        }
        Err(Opaque)
    }
    let cache = in_memory();
    let (runs, gate, together) = (Runs::default(), Arc::new(Semaphore::new(0)), Arc::new(Barrier::new(19)));
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let (cache, runs, gate, together) = (cache.clone(), runs.clone(), gate.clone(), together.clone());
        calls.spawn(async move { cache.scope(get(runs, gate, together)).await.is_err() });
    }
    // On one thread each call goes as far as it can: the others wait for the first.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    gate.add_permits(1);
    let ended = timeout(Duration::from_secs(20), calls.join_all()).await.expect("at once, together");
    assert!(ended.into_iter().all(|failed| failed));
    assert_eq!(runs.get(), 20);
}

/// A panic of a refresh was not throttled: each hit of the stale value began another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_that_panics_is_not_tried_again_at_once() {
    #[cached(ttl = "1h", key = "panics", stale_while_revalidate = "10h", jitter = 0.0, early_refresh = false, skip = [runs])]
    async fn get(runs: Runs) -> u64 {
        let run = runs.one_more();
        assert_eq!(run, 1, "as the test wants");
        run
    }
    let clock = cache_runtime::testing::TestClock::default();
    let cache = clock.in_memory();
    let runs = Runs::default();
    let read = || cache.scope(get(runs.clone()));
    assert_eq!(read().await, 1);
    clock.advance(Duration::from_secs(2 * 3_600));
    assert_eq!(read().await, 1, "stale, and refreshed in the background");
    eventually("the refresh has panicked", async || runs.get() == 2).await;
    assert!(cache.shutdown(Duration::from_secs(60)).await);
    for _ in 0..20 {
        assert_eq!(read().await, 1);
    }
    assert!(cache.shutdown(Duration::from_secs(60)).await);
    assert_eq!(runs.get(), 2, "not again within a second of the store's clock");
}

/// A follower without `stale_if_error` handed its error to one that has it, although an old value was there.
#[tokio::test]
async fn an_old_value_is_served_also_where_another_function_has_led_the_load() {
    #[cached(ttl = "1h", key = "mixed", jitter = 0.0, stale_if_error = "10h", companion = patient_cache, skip = [fails])]
    async fn patient(fails: bool) -> Result<u64, String> {
        if fails { Err("out".to_owned()) } else { Ok(1) }
    }
    #[cached(ttl = "1h", key = "mixed", jitter = 0.0, companion = strict_cache, skip = [gate])]
    async fn strict(gate: Arc<Semaphore>) -> Result<u64, String> {
        gate.acquire().await.expect("it is not closed").forget();
        Err("out".to_owned())
    }
    let clock = cache_runtime::testing::TestClock::default();
    let cache = clock.in_memory();
    cache
        .scope(async {
            assert_eq!(patient(false).await, Ok(1));
            clock.advance(Duration::from_secs(2 * 3_600));
            let gate = Arc::new(Semaphore::new(0));
            let (first, second, ()) = tokio::join!(strict(Arc::clone(&gate)), patient(true), async {
                tokio::task::yield_now().await;
                gate.add_permits(1);
            });
            assert_eq!((first, second), (Err("out".to_owned()), Ok(1)));
        })
        .await;
}

/// A batch that was dropped between two of its chunks left the leases of the first behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_dropped_gives_all_its_leases_back() {
    use std::collections::HashMap;
    #[cached(batch, ttl = "5m", key = "leased:<id>", each = "id in ids", skip = [runs])]
    async fn many(ids: &[u64], runs: Runs) -> HashMap<u64, u64> {
        runs.one_more();
        std::future::pending::<()>().await;
        ids.iter().map(|id| (*id, *id)).collect()
    }
    let server = RedisServer::start();
    let cache =
        redis_builder().redis(&server.url()).unwrap().lease(Duration::from_secs(600)).build().unwrap();
    let leases = || server.cli(&["DBSIZE"]).trim().parse::<u64>().expect("a number");
    let (runs, ids) = (Runs::default(), (0..1_000).collect::<Vec<u64>>());
    for asked_for in [1, 300, 1_000] {
        let mut call = Box::pin(cache.scope(many(&ids, runs.clone())));
        tokio::select! {
            biased;
            _ = &mut call => panic!("it does not end"),
            () = eventually("it has some leases", async || leases() >= asked_for) => {}
        }
        drop(call);
        eventually("all leases are given back", async || leases() == 0).await;
        assert!(cache.shutdown(Duration::from_secs(60)).await);
    }
}

/// Recursion through cached functions took 85 kB of stack for each level, and ended the process at 24 of them.
#[test]
fn calls_that_are_nested_take_little_stack() {
    #[cached(ttl = "5m", key = "chain:<n>", companion = false)]
    async fn chain(n: u64) -> u64 {
        if n == 0 { 0 } else { 1 + Box::pin(chain(n - 1)).await }
    }
    let nested = || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(in_memory().scope(chain(64))), 64);
    };
    // 32 kB for each level, in a build without optimisation.
    std::thread::Builder::new().stack_size(2 << 20).spawn(nested).unwrap().join().unwrap();
}
