//! The server itself: killed, hung, loading, failing over, back with what it had long ago.

use std::{
    thread,
    time::{Duration, Instant},
};

use cache_runtime::{Cache, cached, testing::server::RedisServer};
use tokio::time::sleep;

use super::{Effect, Fault, LEASE, MARGIN};
use crate::{
    proxy::Proxy,
    support::{Runs, eventually, wait_until_its_start_is_past},
};

#[test]
fn killed_and_back() {
    for server in [RedisServer::start(), RedisServer::builder().tcp().start()] {
        Fault::new("killed", Effect::Breaks, &server).check(|| server.kill(), || server.restart());
    }
}

#[test]
fn hung_and_back() {
    let server = RedisServer::start();
    Fault::new("hung", Effect::Breaks, &server).check(|| server.pause(), || server.resume());
}

#[test]
fn loading_its_data() {
    // Each key takes a millisecond, and others are listened to in between.
    let server = RedisServer::builder()
        .arg("--key-load-delay", "1000")
        .arg("--loading-process-events-interval-bytes", "1024")
        .start();
    let fill = "for i = 1, 2000 do redis.call('SET', 'other:' .. i, string.rep('x', 100)) end";
    server.cli(&["EVAL", fill, "0"]);
    server.cli(&["SAVE"]);
    thread::scope(|scope| {
        let mut loads = None;
        let fault = Fault::new("loading", Effect::Breaks, &server);
        let mut client = redis::Client::open(server.url()).unwrap();
        let begin = || {
            server.kill();
            loads = Some(scope.spawn(|| server.restart()));
            // Not before it answers, and says that it loads.
            let started = Instant::now();
            while redis::cmd("GET").arg("other:1").query::<String>(&mut client).map_err(|error| error.kind())
                != Err(redis::ErrorKind::Server(redis::ServerErrorKind::BusyLoading))
            {
                assert!(started.elapsed() < Duration::from_secs(10), "it never loads");
                thread::sleep(Duration::from_millis(1));
            }
        };
        fault.check(begin, || wait_until_loaded(&server));
        loads.unwrap().join().unwrap();
    });
    assert_eq!(server.cli(&["EXISTS", "other:2000"]), "1", "it has loaded");
}

/// What another client sees: the kit waits for it, too, and has its connection for itself until then.
fn wait_until_loaded(server: &RedisServer) {
    let client = redis::Client::open(server.url()).unwrap();
    let started = Instant::now();
    let loads = || match client.get_connection() {
        Ok(mut connection) => redis::cmd("GET").arg("other:1").query::<String>(&mut connection).is_err(),
        Err(_) => true,
    };
    while loads() {
        assert!(started.elapsed() < Duration::from_secs(20), "it loads for ever");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A server that follows `master`, and has all that it has.
fn replica_of(master: &RedisServer) -> RedisServer {
    let address = master.url().replace("redis://", "").replace([':', '/'], " ");
    let replica = RedisServer::builder().tcp().arg("--replicaof", address.trim()).start();
    let started = Instant::now();
    while !replica.cli(&["INFO", "replication"]).contains("master_link_status:up") {
        assert!(started.elapsed() < Duration::from_secs(10), "it follows nobody");
        thread::sleep(Duration::from_millis(10));
    }
    replica
}

fn master() -> RedisServer {
    RedisServer::builder().tcp().arg("--repl-diskless-sync-delay", "0").start()
}

#[test]
fn read_only_replica() {
    let master = master();
    let replica = replica_of(&master);
    let fault = Fault { from_the_start: true, ..Fault::new("read-only replica", Effect::Breaks, &replica) };
    fault.check(|| {}, || drop(replica.cli(&["REPLICAOF", "NO", "ONE"])));
}

/// The master dies, and the address leads to the replica a little later.
#[test]
fn failing_over() {
    let master = master();
    let replica = replica_of(&master);
    let proxy = Proxy::start(&master);
    // Replication is no promise: what was acknowledged a moment before the kill may be lost.
    let fault =
        Fault { url: proxy.url(), reads_only: true, ..Fault::new("failing over", Effect::Breaks, &replica) };
    let fault = Fault { lanes_at: Some(&master), ..fault };
    fault.check(
        || {
            assert_eq!(master.cli(&["WAIT", "1", "5000"]), "1");
            master.kill();
        },
        || {
            replica.cli(&["REPLICAOF", "NO", "ONE"]);
            proxy.lead_to(&replica);
            // Nobody listens where the connections lead to now.
            proxy.cut();
        },
    );
}

/// The master becomes a replica of its replica, and ends no connection: what tells is that it refuses writes.
#[test]
fn demoted() {
    let master = master();
    let replica = replica_of(&master);
    let proxy = Proxy::start(&master);
    let fault =
        Fault { url: proxy.url(), reads_only: true, ..Fault::new("demoted", Effect::Breaks, &replica) };
    let fault = Fault { lanes_at: Some(&master), ..fault };
    let port = replica.url().rsplit(':').next().unwrap().trim_end_matches('/').to_owned();
    fault.check(
        || {
            assert_eq!(master.cli(&["WAIT", "1", "5000"]), "1");
            replica.cli(&["REPLICAOF", "NO", "ONE"]);
            master.cli(&["REPLICAOF", "127.0.0.1", &port]);
        },
        || proxy.lead_to(&replica),
    );
}

/// A snapshot brings back what was invalidated after it was taken (rule 11).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_snapshot_brings_nothing_back() {
    #[cached(ttl = "STANDARD", key = "version", skip = [version])]
    async fn get(version: u64) -> u64 {
        version
    }
    let server = RedisServer::start();
    wait_until_its_start_is_past(&server);
    let cache = Cache::connect(&server.url()).unwrap();
    let other = Cache::connect(&server.url()).unwrap();
    cache
        .scope(async {
            eventually("the old value is stored", async || {
                get(1).await;
                get::entry().peek().await == Some(1)
            })
            .await;
            server.cli(&["SAVE"]);
            eventually("it is invalidated", async || get::entry().invalidate().await).await;
        })
        .await;
    server.restart();
    assert_eq!(server.cli(&["EXISTS", "version"]), "1", "the snapshot has brought it back");
    for cache in [&cache, &other] {
        cache
            .scope(async {
                eventually("a value is stored again", async || {
                    assert_eq!(get(2).await, 2, "the old value was served");
                    let found = get::entry().peek().await;
                    assert_ne!(found, Some(1));
                    found == Some(2)
                })
                .await;
            })
            .await;
    }
}

/// An invalidation that Redis has not acknowledged: the old value is not served, although Redis still has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_during_an_outage_is_not_followed_by_the_old_value() {
    #[cached(ttl = "STANDARD", key = "user:<id>", skip = [version])]
    async fn get(id: u64, version: u64) -> u64 {
        id + version
    }
    #[cached(ttl = "STANDARD", key = "user:<id>", invalidates = ["users"], skip = [version])]
    async fn put(id: u64, version: u64) -> u64 {
        id + version
    }
    let server = RedisServer::start();
    let cache = Cache::builder().redis(&server.url()).unwrap().trust_snapshots(true).build().unwrap();
    cache
        .scope(async {
            eventually("the old value is stored", async || {
                get(0, 1).await;
                get::entry(&0).peek().await.is_some()
            })
            .await;
            server.pause();
            put(0, 2).await;
            server.resume();
            // From here on Redis answers again, with the old value, until the invalidation is made good.
            for _ in 0..50 {
                assert_eq!(get(0, 2).await, 2, "the old value was served");
                assert_ne!(get::entry(&0).peek().await, Some(1));
            }
            eventually("the invalidation is made good", async || cache.health().recovery_queue == 0).await;
        })
        .await;
}

/// Leases that Redis grants when it goes on, to calls that have given up long ago.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_waits_for_a_call_that_has_given_up() {
    const KEYS: u64 = 20;
    #[cached(ttl = "STANDARD", key = "user:<id>", skip = [runs])]
    async fn get(id: u64, runs: &Runs) -> u64 {
        runs.one_more();
        id
    }
    let server = RedisServer::builder().tcp().start();
    let proxy = Proxy::start(&server);
    let cache = Cache::builder().redis(&proxy.url()).unwrap().trust_snapshots(true).build().unwrap();
    let runs = Runs::default();
    let calls = async |ids: std::ops::Range<u64>| {
        let calls = ids.map(|id| {
            let (cache, runs) = (cache.clone(), runs.clone());
            tokio::spawn(async move { assert_eq!(cache.scope(get(id, &runs)).await, id) })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap();
        }
    };
    eventually("the cache is in use", async || super::is_in_use(&cache).await).await;
    // All scripts are known to the server, so that what arrives late is executed.
    calls(1_000..1_001).await;

    // The look-ups are answered, and what asks for the leases arrives while the server hangs.
    proxy.hold_scripts(true);
    let hang = async {
        sleep(Duration::from_millis(50)).await;
        server.pause();
        proxy.hold_scripts(false);
    };
    tokio::join!(calls(0..KEYS), hang);
    assert_eq!(runs.get(), 1 + KEYS, "each call has run its body and gone");
    sleep(Duration::from_secs(3)).await;
    server.resume();
    let back = Instant::now();
    eventually("every key is stored", async || {
        calls(0..KEYS).await;
        let all = async {
            for id in 0..KEYS {
                if get::entry(&id).peek().await.is_none() {
                    return false;
                }
            }
            true
        };
        cache.scope(all).await
    })
    .await;
    assert!(back.elapsed() < MARGIN * LEASE, "{:?}", back.elapsed());
}
