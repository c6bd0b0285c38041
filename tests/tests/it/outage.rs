//! The night when Redis misbehaves: every call returns what its body returns, and soon.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use cache_runtime::{Cache, HealthState, cached, testing::server::RedisServer};

use crate::support::{DbError, Runs, User, eventually, wait_until_its_start_is_past};

#[cached(ttl = "STANDARD", key = "user:<id>", skip = [runs])]
async fn get_user(id: u64, runs: &Runs) -> Result<User, DbError> {
    runs.one_more();
    Ok(User::new(id, "Ada"))
}

#[cached(ttl = "STANDARD", key = "user:<id>", invalidates = ["users:leaderboard"])]
async fn update_user(id: u64, name: &str) -> Result<User, DbError> {
    Ok(User::new(id, name))
}

/// The promise is 100 ms before the body and 100 ms after it; machines are slow, so three times that.
const MARGIN: u32 = 3;
const BUDGET: Duration = Duration::from_millis(100);

/// The longest of some calls, each of which must succeed.
async fn slowest_read(calls: u64) -> Duration {
    let runs = Runs::default();
    let mut slowest = Duration::ZERO;
    for id in 0..calls {
        let started = Instant::now();
        assert_eq!(get_user(id, &runs).await, Ok(User::new(id, "Ada")));
        slowest = slowest.max(started.elapsed());
    }
    assert_eq!(runs.get(), calls, "each ran its body");
    slowest
}

async fn is_in_use() -> bool {
    let runs = Runs::default();
    get_user(77, &runs).await.unwrap();
    get_user(77, &runs).await.unwrap();
    get_user::entry(&77).invalidate().await;
    runs.get() < 2
}

async fn comes_back_within_three_seconds() {
    let back = Instant::now();
    eventually("the cache is in use again", is_in_use).await;
    assert!(back.elapsed() < MARGIN * Duration::from_secs(3), "{:?}", back.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn absent_at_start_then_there() {
    // A port that nobody listens on, as far as one can know.
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    drop(listener);
    let cache = Cache::connect(&url).unwrap();
    cache
        .scope(async {
            assert!(slowest_read(1).await < MARGIN * BUDGET);
            assert!(
                slowest_read(200).await < MARGIN * Duration::from_millis(10),
                "nobody waits for it any more"
            );
            assert_eq!(update_user(1, "Grace").await, Ok(User::new(1, "Grace")));
            let health = cache.health();
            assert_eq!(health.state, HealthState::Disconnected);
            assert!(health.trouble.is_some() && health.to_string().contains("disconnected"), "{health}");
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_back() {
    let server = RedisServer::start();
    wait_until_its_start_is_past(&server);
    let cache = Cache::connect(&server.url()).unwrap();
    cache
        .scope(async {
            eventually("the cache is in use", is_in_use).await;
            server.kill();
            assert!(slowest_read(300).await < 2 * MARGIN * BUDGET);
            assert_eq!(update_user(1, "Grace").await, Ok(User::new(1, "Grace")));
            eventually("it is noticed", async || cache.health().state == HealthState::Disconnected).await;
            assert!(slowest_read(300).await < MARGIN * Duration::from_millis(10));
            assert!(cache.health().recovery_queue > 0, "the invalidations wait");
            server.restart();
            wait_until_its_start_is_past(&server);
            comes_back_within_three_seconds().await;
            eventually("the invalidations are made good", async || cache.health().recovery_queue == 0).await;
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hung_and_back() {
    let server = RedisServer::start();
    wait_until_its_start_is_past(&server);
    let cache = Cache::connect(&server.url()).unwrap();
    cache
        .scope(async {
            eventually("the cache is in use", is_in_use).await;
            server.pause();
            assert!(slowest_read(20).await < 2 * MARGIN * BUDGET);
            eventually("it is noticed", async || cache.health().state == HealthState::Disconnected).await;
            assert!(slowest_read(300).await < MARGIN * Duration::from_millis(10), "the breaker is open");
            let started = Instant::now();
            assert_eq!(update_user(1, "Grace").await, Ok(User::new(1, "Grace")));
            assert!(started.elapsed() < 2 * MARGIN * BUDGET);
            server.resume();
            comes_back_within_three_seconds().await;
        })
        .await;
}

/// An invalidation that Redis has not acknowledged: the old value is not served, although Redis still has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_during_an_outage_is_not_followed_by_the_old_value() {
    let server = RedisServer::start();
    wait_until_its_start_is_past(&server);
    let cache = Cache::connect(&server.url()).unwrap();
    cache
        .scope(async {
            let runs = Runs::default();
            eventually("the cache is in use", is_in_use).await;
            eventually("the old value is stored", async || {
                get_user(1, &runs).await.unwrap();
                get_user::entry(&1).peek().await.is_some()
            })
            .await;
            let before = runs.get();
            server.pause();
            update_user(1, "Grace").await.unwrap();
            server.resume();
            // From here on Redis answers again, with the old value, until the invalidation is made good.
            for _ in 0..50 {
                let user = get_user(1, &runs).await.unwrap();
                assert!(user.name == "Grace" || runs.get() > before, "the old value was served");
                assert!(get_user::entry(&1).peek().await.is_none_or(|_| runs.get() > before));
            }
            eventually("the invalidation is made good", async || cache.health().recovery_queue == 0).await;
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusing_everything() {
    let refusals: [&[(&str, &str)]; 2] =
        [&[("--maxmemory", "1"), ("--maxmemory-policy", "noeviction")], &[("--replicaof", "127.0.0.1 1")]];
    for options in refusals {
        let builder =
            options.iter().fold(RedisServer::builder(), |builder, (name, value)| builder.arg(*name, *value));
        let server = builder.start();
        let cache = Cache::connect(&server.url()).unwrap();
        cache
            .scope(async {
                assert!(slowest_read(50).await < MARGIN * BUDGET, "{options:?}");
                assert_eq!(update_user(1, "Grace").await, Ok(User::new(1, "Grace")), "{options:?}");
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_password() {
    let server = RedisServer::builder().tcp().start();
    let url = server.url().replace("redis://", "redis://somebody:wrong@");
    let cache = Cache::connect(&url).unwrap();
    cache
        .scope(async {
            assert!(slowest_read(50).await < MARGIN * BUDGET);
            let health = cache.health().to_string();
            assert!(!health.contains("wrong@") && health.contains("disconnected"), "{health}");
        })
        .await;
}

/// Threads prefer a lane each; while it is down they take another.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_connection_is_enough() {
    let server = RedisServer::start();
    wait_until_its_start_is_past(&server);
    let client = redis::Client::open(server.url()).unwrap();
    let mut admin = client.get_multiplexed_async_connection().await.unwrap();
    let mut ask = async |words: &str| {
        let mut cmd = redis::Cmd::new();
        words.split(' ').for_each(|word| {
            cmd.arg(word);
        });
        cmd.query_async::<redis::Value>(&mut admin).await.unwrap()
    };
    let ids = |clients: redis::Value| -> Vec<u64> {
        let clients: String = redis::from_redis_value(clients).unwrap();
        let ids = clients.lines().filter_map(|line| line.strip_prefix("id=")?.split(' ').next());
        ids.map(|id| id.parse().unwrap()).collect()
    };
    let before = ids(ask("CLIENT LIST").await);
    let builder = Cache::builder().redis(&server.url()).unwrap().lanes(2).budget(Duration::from_secs(5));
    let cache = builder.build().unwrap();
    eventually("both are up", async || cache.health().state == HealthState::Connected).await;
    let clients = ids(ask("CLIENT LIST").await);
    let lanes: Vec<_> = clients.iter().filter(|id| !before.contains(id)).collect();
    assert_eq!(lanes.len(), 2);
    // No room for the one that is killed to come back.
    ask(&format!("CONFIG SET maxclients {}", clients.len() - 1)).await;
    ask(&format!("CLIENT KILL ID {}", lanes[0])).await;
    eventually("it is noticed", async || cache.health().state == HealthState::Degraded).await;

    let runs = Runs::default();
    cache.scope(async { get_user(1, &runs).await.unwrap() }).await;
    let callers = (0..100).map(|_| {
        let (cache, runs) = (cache.clone(), runs.clone());
        tokio::spawn(async move { cache.scope(async { get_user(1, &runs).await.unwrap() }).await })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    assert_eq!(runs.get(), 1, "all others are hits");
    assert_eq!(cache.health().state, HealthState::Degraded);
    ask("CONFIG SET maxclients 100").await;
    eventually("it comes back", async || cache.health().state == HealthState::Connected).await;
}
