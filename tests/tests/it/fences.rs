//! Strict writes, keys that settle, and readers while a write is under way.

use std::time::{Duration, Instant};

use cache_runtime::{Cache, cached, testing::server::RedisServer};
use tokio::{sync::oneshot, task::JoinSet};

use crate::support::{Runs, both, eventually, wait_until_its_start_is_past};

both! {
    a_strict_write_fences_its_targets;
    strict_writers_that_overlap_store_nothing;
    a_strict_write_may_name_its_own_key;
    a_key_settles_after_a_write;
    readers_under_a_fence_share_a_load;
    a_strict_write_that_was_never_polled_leaves_no_fence;
}

#[cached(ttl = "5m", key = "total:<id>", skip = [runs])]
async fn total(id: u64, runs: &Runs) -> u64 {
    let _ = id;
    runs.one_more()
}

#[cached(invalidates = [total(id), "other:<id>"], strict = true)]
async fn strict(id: u64, begun: oneshot::Sender<()>, goes_on: oneshot::Receiver<()>) {
    begun.send(()).unwrap();
    goes_on.await.unwrap();
}

#[cached(invalidates = [total(id)])]
async fn plain(id: u64, begun: oneshot::Sender<()>, goes_on: oneshot::Receiver<()>) {
    begun.send(()).unwrap();
    goes_on.await.unwrap();
}

/// A write in the middle of its body.
struct UnderWay {
    write: tokio::task::JoinHandle<()>,
    go_on: oneshot::Sender<()>,
}

impl UnderWay {
    async fn begin<F: Future<Output = ()> + Send + 'static>(
        cache: &Cache,
        write: impl FnOnce(oneshot::Sender<()>, oneshot::Receiver<()>) -> F,
    ) -> Self {
        let ((begun, has_begun), (go_on, goes_on)) = (oneshot::channel(), oneshot::channel());
        let (cache, write) = (cache.clone(), write(begun, goes_on));
        let write = tokio::spawn(async move { cache.scope(write).await });
        has_begun.await.unwrap();
        Self { write, go_on }
    }

    async fn end(self) {
        self.go_on.send(()).unwrap();
        self.write.await.unwrap();
    }
}

async fn a_strict_write_fences_its_targets(cache: Cache) {
    let runs = Runs::default();
    assert_eq!(total(1, &runs).await, 1);
    let write = UnderWay::begin(&cache, |begun, goes_on| plain(1, begun, goes_on)).await;
    assert_eq!(total(1, &runs).await, 1, "a plain write: old until it returns");
    write.end().await;
    assert_eq!(total(1, &runs).await, 2);
    let write = UnderWay::begin(&cache, |begun, goes_on| strict(1, begun, goes_on)).await;
    assert_eq!(total(1, &runs).await, 3, "it may have committed by now");
    assert_eq!(total(1, &runs).await, 4, "and nothing is stored meanwhile");
    write.end().await;
    assert_eq!((total(1, &runs).await, total(1, &runs).await), (5, 5), "cached again");
}

async fn strict_writers_that_overlap_store_nothing(cache: Cache) {
    let runs = Runs::default();
    let first = UnderWay::begin(&cache, |begun, goes_on| strict(1, begun, goes_on)).await;
    let second = UnderWay::begin(&cache, |begun, goes_on| strict(1, begun, goes_on)).await;
    first.end().await;
    assert_eq!((total(1, &runs).await, total(1, &runs).await), (1, 2), "the second one is still at it");
    second.end().await;
    assert_eq!((total(1, &runs).await, total(1, &runs).await), (3, 3));
}

async fn a_strict_write_may_name_its_own_key(_: Cache) {
    #[cached(ttl = "5m", key = "total:<id>", invalidates = ["total:<id>", total(id)], strict = true)]
    async fn set(id: u64, value: u64) -> u64 {
        value
    }
    let runs = Runs::default();
    assert_eq!(set(1, 77).await, 77);
    assert_eq!((total(1, &runs).await, runs.get()), (77, 0), "it is alone, so its result is stored");
}

async fn a_key_settles_after_a_write(_: Cache) {
    #[cached(ttl = "5m", key = "total:<id>", invalidates = ["settled:<id>"], settle = "900ms")]
    async fn settling(id: u64) -> u64 {
        id
    }
    #[cached(ttl = "5m", key = "settled:<id>", skip = [runs])]
    async fn settled(id: u64, runs: &Runs) -> u64 {
        let _ = id;
        runs.one_more()
    }
    let (runs, others) = (Runs::default(), Runs::default());
    let written = Instant::now();
    settling(1).await;
    for _ in 0..3 {
        total(1, &runs).await;
        settled(1, &others).await;
    }
    // On a machine so slow that it has settled by now nothing can be said.
    if written.elapsed() < Duration::from_millis(700) {
        assert_eq!((runs.get(), others.get()), (3, 3), "loaded from who knows which replica: not stored");
    }
    eventually("both are cached again", async || {
        let before = (runs.get(), others.get());
        total(1, &runs).await;
        settled(1, &others).await;
        (runs.get(), others.get()) == before
    })
    .await;
    assert!(written.elapsed() >= Duration::from_millis(890), "{:?}", written.elapsed());
}

async fn readers_under_a_fence_share_a_load(cache: Cache) {
    #[cached(ttl = "5m", key = "total:<id>", skip = [runs])]
    async fn slow(id: u64, runs: Runs) -> u64 {
        let _ = id;
        let run = runs.one_more();
        tokio::time::sleep(Duration::from_millis(150)).await;
        run
    }
    let write = UnderWay::begin(&cache, |begun, goes_on| strict(1, begun, goes_on)).await;
    let runs = Runs::default();
    let mut readers = JoinSet::new();
    for _ in 0..200 {
        let (cache, runs) = (cache.clone(), runs.clone());
        readers.spawn(async move { cache.scope(slow(1, runs)).await });
    }
    readers.join_all().await;
    // Who comes when a load has begun takes the next one; on a slow machine they do not all come during the first.
    assert!(runs.get() <= 6, "{} loads for 200 readers", runs.get());
    write.end().await;
}

async fn a_strict_write_that_was_never_polled_leaves_no_fence(cache: Cache) {
    let runs = Runs::default();
    let ((begun, _has_begun), (_go_on, goes_on)) = (oneshot::channel(), oneshot::channel());
    drop(cache.scope(strict(1, begun, goes_on)));
    assert_eq!((total(1, &runs).await, total(1, &runs).await), (1, 1));
}

/// BEGIN for all keys leaves in one round trip, and so does END.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strict_write_costs_a_begin_and_an_end_for_each_key() {
    let server = RedisServer::start();
    wait_until_its_start_is_past(&server);
    let cache =
        Cache::builder().redis(&server.url()).unwrap().budget(Duration::from_secs(5)).build().unwrap();
    cache.connected().await;
    let warm = UnderWay::begin(&cache, |begun, goes_on| strict(1, begun, goes_on)).await;
    warm.end().await;
    server.reset_counts();
    let write = UnderWay::begin(&cache, |begun, goes_on| strict(2, begun, goes_on)).await;
    assert_eq!(server.command_counts().get("evalsha"), Some(&2), "BEGIN for both targets");
    write.end().await;
    assert_eq!(server.command_counts().get("evalsha"), Some(&4), "END for both, and no INVALIDATE beside it");
}
