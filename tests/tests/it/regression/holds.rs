use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use cache_runtime::{Cache, cached, testing::server::RedisServer};
use tokio::sync::Notify;

use crate::{
    proxy::Proxy,
    support::{eventually, wait_until_its_start_is_past},
};

/// The rows as loads see them, which is later than their writers go on.
static ROWS: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

#[cached(ttl = "5m", key = "held:<id>")]
async fn get(id: usize) -> u64 {
    ROWS[id].load(SeqCst)
}

#[cached(invalidates = [get(id)])]
async fn put_and_hang(id: usize, begun: &Notify) {
    begun.notify_one();
    std::future::pending::<()>().await;
    unreachable!("{id}");
}

#[cached(invalidates = [get(id)], settle = "2s")]
async fn put_for_a_replica(id: usize) -> usize {
    id
}

/// Loses the connection while `write` goes on, and lets its row be seen when its invalidation was repeated.
async fn what_is_read_before_the_row_is_seen_is_not_kept(id: usize, write: impl AsyncFnOnce(Cache, &Proxy)) {
    let server = RedisServer::builder().tcp().start();
    wait_until_its_start_is_past(&server);
    let proxy = Proxy::start(&server);
    let writes = Cache::builder().redis(&proxy.url()).unwrap().lanes(1).build().unwrap();
    let reads = Cache::builder().redis(&server.url()).unwrap().build().unwrap();
    assert!(writes.connected().await && reads.connected().await);
    let is_stored = async || {
        let look = async {
            get(id).await;
            get::entry(&id).peek().await.is_some()
        };
        reads.scope(look).await
    };
    eventually("the cache is in use", is_stored).await;
    let before = ROWS[id].load(SeqCst);

    write(writes.clone(), &proxy).await;
    eventually("the invalidation waits", async || writes.health().recovery_queue == 1).await;
    assert!(is_stored().await, "it was not sent");
    proxy.refuse(false);
    eventually("it is repeated", async || writes.health().recovery_queue == 0).await;
    assert_eq!(reads.scope(get(id)).await, before);
    ROWS[id].fetch_add(1, SeqCst);
    for cache in [&reads, &writes] {
        assert_eq!(cache.scope(get(id)).await, before + 1);
    }
}

/// Recovery repeated the hold of a write that was dropped as a plain invalidation: what was loaded before the write
/// landed, right after it, was kept for its whole TTL. Shown by `CLIENT KILL` in a history.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hold_of_a_dropped_write_is_repeated_as_one() {
    what_is_read_before_the_row_is_seen_is_not_kept(0, async |cache, proxy| {
        let begun = Arc::new(Notify::new());
        let call = tokio::spawn({
            let begun = Arc::clone(&begun);
            async move { cache.scope(put_and_hang(0, &begun)).await }
        });
        begun.notified().await;
        proxy.refuse(true);
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
    })
    .await;
}

/// The same of a write that settles.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_settles_is_repeated_as_a_hold() {
    what_is_read_before_the_row_is_seen_is_not_kept(1, async |cache, proxy| {
        proxy.refuse(true);
        assert_eq!(cache.scope(put_for_a_replica(1)).await, 1);
    })
    .await;
}
