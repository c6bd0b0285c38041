//! Two processes after an outage: one is back before the other.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use cache_runtime::{BreakerState, cached, testing::server::RedisServer};

use super::patient;
use crate::{proxy::Proxy, support::eventually};

#[cached(ttl = "5m", key = "row", skip = [row])]
async fn get(row: &Arc<AtomicU64>) -> u64 {
    row.load(SeqCst)
}

#[cached(invalidates = [get()])]
async fn put(value: u64, row: &Arc<AtomicU64>) {
    row.store(value, SeqCst);
}

/// Its invalidation waits, and the reader found the old value in Redis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_is_back_before_the_writer_serves_nothing_from_before_the_outage() {
    let server = RedisServer::start();
    let (of_reader, of_writer) = (Proxy::start(&server), Proxy::start(&server));
    let (reader, writer) =
        (patient(&of_reader.url()).build().unwrap(), patient(&of_writer.url()).build().unwrap());
    let row = Arc::new(AtomicU64::new(0));
    assert!(writer.connected().await);
    for value in 1..=3 {
        reader.scope(get(&row)).await;
        let is_stored = async || {
            reader.scope(get(&row)).await;
            reader.scope(async { get::entry().peek().await.is_some() }).await
        };
        eventually("the old value is stored", is_stored).await;
        of_reader.refuse(true);
        of_writer.refuse(true);
        eventually("both are cut off", async || {
            [&reader, &writer].iter().all(|cache| cache.health().breaker != BreakerState::Closed)
        })
        .await;
        writer.scope(put(value, &row)).await;
        assert_eq!(writer.health().recovery_queue, 1);

        of_reader.refuse(false);
        eventually("the reader is back", async || {
            assert_eq!(reader.scope(get(&row)).await, value, "from before the outage");
            reader.health().breaker == BreakerState::Closed
        })
        .await;
        assert_eq!(reader.scope(get(&row)).await, value, "from before the outage");
        of_writer.refuse(false);
        eventually("the invalidation is made good", async || {
            assert_eq!(reader.scope(get(&row)).await, value, "from before the outage");
            writer.health().recovery_queue == 0
        })
        .await;
    }
}

/// A process to whose invalidations others listen does not wait for long before it tries again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidation_that_waits_makes_its_process_try_again_soon() {
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    let cache = patient(&proxy.url()).build().unwrap();
    assert!(cache.connected().await);
    proxy.refuse(true);
    eventually("it is cut off", async || cache.health().breaker != BreakerState::Closed).await;
    // Longer pauses follow than something that waits has time for.
    let tries = |more: u64| {
        let (before, proxy) = (proxy.accepted(), &proxy);
        async move || proxy.accepted() >= before + more
    };
    eventually("some attempts have failed", tries(10)).await;
    cache.scope(put(1, &Arc::new(AtomicU64::new(0)))).await;
    let started = std::time::Instant::now();
    eventually("it tries", tries(20)).await;
    // Two lanes, four times a second each: 2.5 s; 10 s where the pauses are of two seconds.
    assert!(started.elapsed().as_secs() < 6, "{:?}", started.elapsed());
}
