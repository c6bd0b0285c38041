use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

use cache_runtime::{Cache, cached};
use tokio::time::sleep;

use crate::support::{Runs, both, namespace, redis_builder};

both! {
    callers_of_what_is_not_stored_share_the_next_flight;
}

/// Followers were judged by when they joined the next flight, although it had begun after their call: 500 runs.
async fn callers_of_what_is_not_stored_share_the_next_flight(cache: Cache) {
    #[cached(ttl = "5m", key = "absent", skip = [runs])]
    async fn absent(runs: Runs) -> Option<u64> {
        runs.one_more();
        sleep(Duration::from_millis(100)).await;
        None
    }
    let runs = Runs::default();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..500 {
        let (cache, runs) = (cache.clone(), runs.clone());
        tasks.spawn(async move { cache.scope(absent(runs)).await });
    }
    tasks.join_all().await;
    assert!(runs.get() < 20, "{} runs", runs.get());
}

/// A caller waited for the end of a foreign lease that had long been filled, with a value of another type.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_load_of_another_type_is_waited_for_once() {
    #[cached(ttl = "5m", key = "shared", companion = number_cache)]
    async fn number() -> u64 {
        sleep(Duration::from_millis(200)).await;
        1
    }
    #[cached(ttl = "5m", key = "shared", companion = text_cache)]
    async fn text() -> String {
        "text".to_owned()
    }
    let namespace = namespace();
    let [one, two] = [(); 2].map(|()| redis_builder().namespace(&namespace).unwrap().build().unwrap());
    assert!(one.connected().await && two.connected().await);
    let started = Instant::now();
    tokio::join!(one.scope(number()), async {
        sleep(Duration::from_millis(50)).await;
        two.scope(text()).await
    });
    assert!(started.elapsed() < Duration::from_millis(1_500), "{:?}", started.elapsed());
}

/// A load in one cache made its key look led in every cache.
#[tokio::test]
async fn a_load_in_one_cache_is_none_in_another() {
    #[cached(ttl = "5m", key = "levels:<id>", cache = cache, skip = [cache, runs])]
    async fn inner(id: u64, cache: &Cache, runs: &Runs) -> u64 {
        runs.one_more();
        id
    }
    #[cached(ttl = "5m", key = "levels:<id>", cache = near, skip = [near, far, runs])]
    async fn outer(id: u64, near: &Cache, far: &Cache, runs: &Runs) -> u64 {
        inner(id, far, runs).await
    }
    let (near, far, runs) = (Cache::in_memory(), Cache::in_memory(), Runs::default());
    outer(1, &near, &far, &runs).await;
    near.invalidate("levels:1").await;
    outer(1, &near, &far, &runs).await;
    assert_eq!(runs.get(), 1);
}

/// The fence was renewed for `load_timeout` only: a reader then stored the old value under a living writer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_lives_as_long_as_its_writer() {
    static ROW: AtomicU64 = AtomicU64::new(0);
    #[cached(ttl = "5m", key = "row")]
    async fn get() -> u64 {
        ROW.load(SeqCst)
    }
    #[cached(ttl = "5m", key = "row", invalidates = ["row:other"])]
    async fn put() -> u64 {
        sleep(Duration::from_millis(4_500)).await;
        ROW.store(1, SeqCst);
        sleep(Duration::from_millis(300)).await;
        1
    }
    let cache = Cache::builder().load_timeout(Duration::from_millis(500)).build().unwrap();
    let reads = async {
        sleep(Duration::from_millis(4_200)).await;
        get().await;
        while ROW.load(SeqCst) == 0 {
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(get().await, 1, "after the commit");
    };
    cache.scope(async { tokio::join!(put(), reads) }).await;
}
