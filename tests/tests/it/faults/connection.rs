//! The way to the server: it is not there, refuses, is silent, slow, breaks off, or lets somebody else in.

use std::time::{Duration, Instant};

use cache_runtime::{Cache, HealthState, cached, testing::server::RedisServer};

use super::{Effect, Fault};
use crate::{
    proxy::{Proxy, Spoil},
    support::{Runs, eventually},
};

#[test]
fn absent_at_start() {
    let server = RedisServer::builder().tcp().start();
    server.kill();
    let fault = Fault { from_the_start: true, ..Fault::new("absent at start", Effect::Breaks, &server) };
    fault.check(|| {}, || server.restart());
}

#[test]
fn accepted_and_ended_at_once() {
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    let fault = Fault { url: proxy.url(), ..Fault::new("ended at once", Effect::Breaks, &server) };
    fault.check(|| proxy.refuse(true), || proxy.refuse(false));
}

#[test]
fn no_room_for_another_client() {
    let server = RedisServer::start();
    let fault = Fault::new("no room", Effect::Breaks, &server);
    fault.check(
        || {
            server.cli(&["CONFIG", "SET", "maxclients", "1"]);
            server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
        },
        || drop(server.cli(&["CONFIG", "SET", "maxclients", "100"])),
    );
}

#[test]
fn silent() {
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    let fault = Fault { url: proxy.url(), ..Fault::new("silent", Effect::Breaks, &server) };
    fault.check(|| proxy.swallow(true), || proxy.swallow(false));
}

fn slow(name: &'static str, delay: u64, effect: Effect) {
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    let fault = Fault { url: proxy.url(), ..Fault::new(name, effect, &server) };
    fault.check(|| proxy.delay(Duration::from_millis(delay)), || proxy.delay(Duration::ZERO));
}

/// Within the budget, look-up and lease together.
#[test]
fn slow_by_20_ms() {
    slow("slow by 20 ms", 20, Effect::Nothing);
}

/// A look-up is within the budget, the lease after it is not.
#[test]
fn slow_by_60_ms() {
    slow("slow by 60 ms", 60, Effect::Hinders);
}

#[test]
fn slow_by_300_ms() {
    slow("slow by 300 ms", 300, Effect::Breaks);
}

#[test]
fn slow_by_2_s() {
    slow("slow by 2 s", 2_000, Effect::Breaks);
}

fn spoilt(name: &'static str, spoil: Spoil, after: u64, effect: Effect) {
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    let fault = Fault { url: proxy.url(), ..Fault::new(name, effect, &server) };
    fault.check(
        || proxy.spoil(Some((spoil, after))),
        || {
            proxy.spoil(None);
            // What is half way through a reply now would go on in the middle.
            proxy.cut();
        },
    );
}

/// Each connection ends in the middle of its first reply.
#[test]
fn cut_in_the_handshake() {
    spoilt("cut in the handshake", Spoil::Cut, 3, Effect::Breaks);
}

/// The handshake, with what the server says of itself, is some 5,000 bytes long.
#[test]
fn cut_in_the_middle_of_a_reply() {
    spoilt("cut in a reply", Spoil::Cut, 8_003, Effect::Hinders);
}

#[test]
fn garbage() {
    spoilt("garbage", Spoil::Garble, 8_003, Effect::Hinders);
}

/// A server that is well until it is asked something was connected to again without a pause, for ever.
#[test]
fn what_breaks_again_and_again_is_not_hammered() {
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    // An invalidation that waits would shorten the pauses.
    let fault =
        Fault { url: proxy.url(), reads_only: true, ..Fault::new("hammered", Effect::Hinders, &server) };
    fault.check(
        || {
            proxy.spoil(Some((Spoil::Garble, 8_003)));
            std::thread::sleep(Duration::from_secs(2));
            // Two lanes and the one that is told of changes, each at once and after 100, 200, 400, 800 ms, less a fifth.
            assert!((4..=21).contains(&proxy.accepted()), "{} connections", proxy.accepted());
        },
        || {
            proxy.spoil(None);
            proxy.cut();
        },
    );
}

#[test]
fn wrong_password() {
    let server = RedisServer::builder().tcp().start();
    server.cli(&["ACL", "SETUSER", "somebody", "on", ">right", "~*", "+@all"]);
    let url = server.url().replace("redis://", "redis://somebody:wrong@");
    let fault = Fault { url, from_the_start: true, ..Fault::new("wrong password", Effect::Breaks, &server) };
    fault.check(|| {}, || drop(server.cli(&["ACL", "SETUSER", "somebody", ">wrong"])));
}

#[tokio::test]
async fn a_wrong_password_is_not_shown() {
    let server = RedisServer::builder().tcp().start();
    let cache = Cache::connect(&server.url().replace("redis://", "redis://somebody:secret@")).unwrap();
    eventually("it was refused", async || cache.health().trouble.is_some()).await;
    let health = cache.health();
    assert_eq!(health.state, HealthState::Disconnected);
    assert!(!format!("{health} {cache:?} {health:?}").contains("secret"), "{health}");
}

#[test]
fn wrong_database() {
    let few = RedisServer::start();
    let many = RedisServer::builder().arg("--databases", "100").start();
    let proxy = Proxy::start(&few);
    let url = format!("{}/99", proxy.url());
    let fault = Fault { url, from_the_start: true, ..Fault::new("wrong database", Effect::Breaks, &many) };
    fault.check(|| {}, || proxy.lead_to(&many));
}

/// Threads prefer a lane each; while it is down they take another.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_connection_is_enough() {
    #[cached(ttl = "STANDARD", key = "user:<id>", skip = [runs])]
    async fn get_user(id: u64, runs: &Runs) -> u64 {
        runs.one_more();
        id
    }
    let server = RedisServer::start();
    let ids = || -> Vec<String> {
        let clients = server.cli(&["CLIENT", "LIST"]);
        clients
            .lines()
            .map(|line| line.split(' ').next().unwrap().trim_start_matches("id=").to_owned())
            .collect()
    };
    let before = ids();
    let builder = Cache::builder().redis(&server.url()).unwrap().lanes(2).trust_snapshots(true);
    let cache = builder.budget(Duration::from_secs(5)).build().unwrap();
    eventually("both are up", async || cache.health().state == HealthState::Connected).await;
    let clients = ids();
    let lanes: Vec<_> = clients.iter().filter(|id| !before.contains(id)).collect();
    assert_eq!(lanes.len(), 2);
    // No room for the one that is killed to come back.
    server.cli(&["CONFIG", "SET", "maxclients", &(clients.len() - 1).to_string()]);
    server.cli(&["CLIENT", "KILL", "ID", lanes[0]]);
    eventually("it is noticed", async || cache.health().state == HealthState::Degraded).await;

    let runs = Runs::default();
    cache.scope(async { get_user(1, &runs).await }).await;
    let callers = (0..100).map(|_| {
        let (cache, runs) = (cache.clone(), runs.clone());
        tokio::spawn(async move { cache.scope(async { get_user(1, &runs).await }).await })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    assert_eq!(runs.get(), 1, "all others are hits");
    assert_eq!(cache.health().state, HealthState::Degraded);
    server.cli(&["CONFIG", "SET", "maxclients", "100"]);
    let started = Instant::now();
    eventually("it comes back", async || cache.health().state == HealthState::Connected).await;
    assert!(started.elapsed() < super::MARGIN * super::BACK);
}
