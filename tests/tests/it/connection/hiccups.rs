//! A server, or a large answer, that keeps others waiting for a moment.

use std::{thread, time::Duration};

use cache_runtime::{BreakerState, Cache, cached, testing::server::RedisServer};

use super::{connections, patient};
use crate::{
    proxy::Proxy,
    support::{Runs, eventually},
};

#[cached(ttl = "5m", key = "held:<id>", local = "60s", early_refresh = false)]
async fn held(id: u64) -> u64 {
    id
}

/// A fork for a snapshot takes as long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_for_a_moment_loses_no_connection_and_nothing_that_is_held() {
    let server = RedisServer::start();
    let cache = Cache::builder().redis(&server.url()).unwrap().build().unwrap();
    let read = |ids: std::ops::Range<u64>| {
        let calls = ids.map(|id| {
            let cache = cache.clone();
            tokio::spawn(async move { assert_eq!(cache.scope(held(id)).await, id) })
        });
        futures(calls.collect())
    };
    eventually("all is held", async || {
        read(0..100).await;
        cache.health().local.values == 100
    })
    .await;
    eventually("all lanes are up", async || connections(&server).len() == 3).await;
    let before = connections(&server);
    for pause in [130, 300] {
        server.pause();
        let calls = tokio::spawn(read(1_000..1_008));
        thread::sleep(Duration::from_millis(pause));
        server.resume();
        calls.await.unwrap();
        let is_back = async || cache.health().breaker == BreakerState::Closed;
        eventually("calls go to the server", is_back).await;
        assert_eq!(connections(&server), before, "after {pause} ms");
        let local = cache.health().local;
        assert!(local.is_on && local.values >= 100, "after {pause} ms: {local:?}");
    }
}

async fn futures(calls: Vec<tokio::task::JoinHandle<()>>) {
    for call in calls {
        call.await.unwrap();
    }
}

/// The answers to large look-ups stand still on their way: small ones come on other connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_answers_do_not_keep_small_ones_waiting() {
    #[cached(ttl = "5m", key = "large:<id>", skip = [runs])]
    async fn large(id: u64, runs: &Runs) -> String {
        runs.one_more();
        format!("{id}{}", "large".repeat(20_000))
    }
    #[cached(ttl = "5m", key = "small:<id>", skip = [runs])]
    async fn small(id: u64, runs: &Runs) -> u64 {
        runs.one_more();
        id
    }
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    let cache = patient(&proxy.url()).build().unwrap();
    let runs = Runs::default();
    cache
        .scope(async {
            for id in 0..20 {
                large(id, &runs).await;
                small(id, &runs).await;
            }
        })
        .await;
    eventually("the connection of large values is up", async || {
        cache.scope(large(0, &runs)).await;
        connections(&server).len() == 3
    })
    .await;
    let filled = runs.get();

    proxy.hold_replies(Some(b"largelarge"));
    let calls = (0..20).map(|id| {
        let (cache, runs) = (cache.clone(), runs.clone());
        tokio::spawn(async move { cache.scope(large(id, &runs)).await })
    });
    let calls: Vec<_> = calls.collect();
    eventually("a large answer stands still", async || proxy.held() > 0).await;
    cache
        .scope(async {
            for id in 0..20 {
                small(id, &runs).await;
            }
        })
        .await;
    assert_eq!(runs.get(), filled, "each small value was there");
    assert!(calls.iter().any(|call| !call.is_finished()));
    proxy.hold_replies(None);
    for call in calls {
        call.await.unwrap();
    }
}
