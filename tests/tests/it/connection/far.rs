//! Servers that are far away, or that may not be asked everything.

use std::time::{Duration, Instant};

use cache_runtime::testing::server::RedisServer;

use super::{PATIENCE, get, patient};
use crate::{
    proxy::Proxy,
    support::{Runs, eventually},
};

/// Connecting had a quarter of a second, whatever the budget was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_reached_within_the_budget_however_far_it_is() {
    let server = RedisServer::start();
    for milliseconds in [70, 300] {
        let proxy = Proxy::start(&server);
        proxy.delay(Duration::from_millis(milliseconds));
        let cache = patient(&proxy.url()).build().unwrap();
        let runs = Runs::default();
        let started = Instant::now();
        assert!(cache.connected().await, "{milliseconds} ms: {}", cache.health());
        assert!(started.elapsed() < PATIENCE);
        for _ in 0..3 {
            cache.scope(get(milliseconds, &runs)).await;
        }
        assert_eq!(runs.get(), 1, "{milliseconds} ms: {}", cache.health());
    }
}

/// A budget that is too short for the way: calls do not wait, and the reason is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_too_far_says_so() {
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    proxy.delay(Duration::from_millis(250));
    let cache = cache_runtime::Cache::builder().redis(&proxy.url()).unwrap().build().unwrap();
    let says = |text: &str| cache.health().trouble.is_some_and(|trouble| trouble.contains(text));
    eventually("it is told", async || says("Redis answers after")).await;
    let runs = Runs::default();
    cache.scope(get(1, &runs)).await;
    assert_eq!(cache.report().functions[0].calls.bypassed, 1);
    proxy.delay(Duration::ZERO);
    eventually("it is in use", async || {
        let before = runs.get();
        cache.scope(get(1, &runs)).await;
        runs.get() == before
    })
    .await;
    eventually("all is well", async || cache.health().trouble.is_none()).await;
}

/// What is not told is done without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_tell_everything_is_used() {
    let check = async |what: &str, server: &RedisServer, user: bool| {
        let url = server.url();
        let url = if user { url.replace("redis://", "redis://service:secret@") } else { url };
        let (cache, runs) = (patient(&url).build().unwrap(), Runs::default());
        assert!(cache.connected().await, "{what}: {}", cache.health());
        for _ in 0..3 {
            cache.scope(get(1, &runs)).await;
        }
        assert_eq!(runs.get(), 1, "{what}: {}", cache.health());
        cache.scope(async { get::entry(&1).invalidate().await }).await;
        cache.scope(get(1, &runs)).await;
        assert_eq!(runs.get(), 2, "{what}: {}", cache.health());
    };
    for forbidden in [&["-info"][..], &["-time"], &["-info", "-time"]] {
        let server = RedisServer::builder().tcp().start();
        let rules =
            [&["ACL", "SETUSER", "service", "on", ">secret", "~*", "&*", "+@all"], forbidden].concat();
        server.cli(&rules);
        check(&forbidden.concat(), &server, true).await;
    }
}
