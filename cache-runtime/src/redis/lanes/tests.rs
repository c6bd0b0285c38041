use bb8_redis::redis;

use super::*;
use crate::{ambient::Stopwatch, testing::server::RedisServer};

fn lanes(server: &RedisServer) -> Lanes {
    let config = LanesConfig {
        redis: RedisConfig::from_url(&server.url(), "the server").expect("a URL"),
        lanes: 2,
        budget: Duration::from_millis(100),
        trust_snapshots: true,
    };
    Lanes::new(config).expect("a client")
}

async fn ping(lanes: &Lanes) -> Result<String, StoreError> {
    lanes.query(Route::ANY, |_| redis::cmd("PING")).await
}

async fn eventually(lanes: &Lanes, expected: BreakerState) {
    let started = Stopwatch::start();
    while lanes.breaker() != expected {
        assert!(started.elapsed() < Duration::from_secs(20), "never {expected:?}, but {lanes:?}");
        ambient::sleep(Duration::from_millis(1)).await;
    }
}

/// A server that hangs takes the connect, so that its state of being tried can be seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_breaker_opens_half_opens_and_closes() {
    let server = RedisServer::start();
    let lanes = lanes(&server);
    eventually(&lanes, BreakerState::Closed).await;
    ping(&lanes).await.expect("it answers");

    server.pause();
    eventually(&lanes, BreakerState::HalfOpen).await;
    eventually(&lanes, BreakerState::Open).await;
    assert!(matches!(ping(&lanes).await, Err(StoreError::Disconnected)));
    eventually(&lanes, BreakerState::HalfOpen).await;
    assert!(matches!(ping(&lanes).await, Err(StoreError::Disconnected)), "nobody waits for the attempt");

    server.resume();
    eventually(&lanes, BreakerState::Closed).await;
    ping(&lanes).await.expect("it answers again");
}

/// The end of a connection that was noticed twice is not the end of the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_connection_is_not_of_the_next_one() {
    let server = RedisServer::start();
    let lanes = lanes(&server);
    assert!(lanes.connected(&Clock::default()).await);
    let numbers = || lanes.lanes.iter().filter_map(|lane| lane.number()).collect::<Vec<_>>();
    let before = numbers();
    assert_eq!(before.len(), 2);
    lanes.lanes.iter().for_each(|lane| lane.wake.notify_one());
    ambient::sleep(Duration::from_millis(500)).await;
    assert_eq!(numbers(), before);
}

#[test]
fn the_breaker_is_open_where_nothing_is_tried() {
    let server = RedisServer::start();
    assert_eq!(lanes(&server).breaker(), BreakerState::Open);
}

/// On another one RELEASE came before its ACQUIRE, and the lease stood until its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_steps_of_a_token_take_one_connection() {
    let server = RedisServer::start();
    let lanes = lanes(&server);
    eventually_all_up(&lanes).await;
    let connection = async |route| {
        let asked = lanes.query::<u64>(route, |_| {
            let mut cmd = redis::cmd("CLIENT");
            cmd.arg("ID");
            cmd
        });
        asked.await.expect("an answer")
    };
    let mut used = std::collections::BTreeSet::new();
    for _ in 0..64 {
        let token = ambient::token();
        let first = connection(Route::of(token)).await;
        assert_eq!(connection(Route::after(token)).await, first);
        used.insert(first);
    }
    assert_eq!(used.len(), 2, "each has some tokens");
}

async fn eventually_all_up(lanes: &Lanes) {
    let started = Stopwatch::start();
    while lanes.up() != (2, 2) {
        lanes.ensure_supervised();
        assert!(started.elapsed() < Duration::from_secs(20), "never up: {lanes:?}");
        ambient::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_to_the_server_is_measured() {
    let server = RedisServer::start();
    let lanes = lanes(&server);
    eventually_all_up(&lanes).await;
    let round_trip = lanes.round_trip();
    assert!(!round_trip.is_zero() && round_trip < Duration::from_secs(1), "{round_trip:?}");
}
