//! A server that has just started.

use cache_runtime::{HealthState, testing::server::RedisServer};

use super::{get, patient};
use crate::support::{Runs, eventually};

/// The first thing that is done with a cache: nothing was served for a second, and nothing said so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_began_empty_is_used_at_once() {
    let server = RedisServer::start();
    let (cache, runs) = (patient(&server.url()).build().unwrap(), Runs::default());
    assert!(cache.connected().await);
    cache.scope(get(1, &runs)).await;
    cache.scope(get(1, &runs)).await;
    assert_eq!(runs.get(), 1, "{}", cache.health());
}

/// One that keeps a log of commands may have brought anything back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_may_have_brought_something_back_says_that_it_warms_up() {
    let server = RedisServer::builder().arg("--appendonly", "yes").start();
    let build = |budget| patient(&server.url()).budget(budget).build().unwrap();
    let (hasty, cache) = (build(std::time::Duration::from_millis(100)), build(super::PATIENCE));
    // Not on a machine so slow that a second has passed already.
    let uptime = || server.cli(&["INFO", "server"]).contains("uptime_in_seconds:0");
    let was_young = uptime();
    let was_connected = hasty.connected().await;
    let health = hasty.health();
    if was_young && uptime() {
        assert!(!was_connected, "{health}");
        assert_eq!(health.state, HealthState::Degraded, "{health}");
        assert!(health.to_string().contains("warming up"), "{health}");
    }
    assert!(cache.connected().await, "{}", cache.health());
    let runs = Runs::default();
    cache.scope(get(1, &runs)).await;
    cache.scope(get(1, &runs)).await;
    assert_eq!(runs.get(), 1);
    eventually("it is over", async || hasty.health().state == HealthState::Connected).await;
    assert_eq!(hasty.health().trouble, None);
}
