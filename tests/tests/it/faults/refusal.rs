//! The server answers, and says no: no memory, no permission.

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use cache_runtime::{Cache, CacheBuilder, cached, testing::server::RedisServer};
use tokio::time::sleep;

use super::{Effect, Fault};
use crate::support::{Runs, Warnings, eventually};

/// Others fill the server until it refuses.
fn fill(server: &RedisServer) {
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    server.cli(&["CONFIG", "SET", "maxmemory", "8mb"]);
    let others = "x".repeat(100_000);
    for other in 0.. {
        match server.try_command::<()>(&["SET", &format!("other:{other}"), &others]) {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error.code(), Some("OOM"), "{error}");
                break;
            }
        }
    }
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
}

fn make_room(server: &RedisServer) {
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
}

/// Calls wait for the answers, on a slow machine as well: each invalidation is acknowledged.
fn patient(builder: CacheBuilder) -> CacheBuilder {
    builder.trust_snapshots(true).budget(Duration::from_secs(5))
}

/// What was cached before and is invalidated now is served to nobody, in another process either.
#[test]
fn out_of_memory() {
    let server = RedisServer::start();
    let fault = Fault {
        two_processes: true,
        builder: patient,
        ..Fault::new("out of memory", Effect::Hinders, &server)
    };
    fault.check(|| fill(&server), || make_room(&server));
}

/// Every way in which a write leaves a key, on a server that takes no more: none leaves the old value, and none has to
/// be repeated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_memory_a_write_still_takes_the_old_value_away() {
    static VERSION: AtomicU64 = AtomicU64::new(0);
    #[cached(ttl = "STANDARD", key = "row:<id>")]
    async fn get(id: u64) -> u64 {
        id - id + VERSION.load(SeqCst)
    }
    #[cached(invalidates = [get(id)])]
    async fn change(id: u64) {
        VERSION.fetch_add(1, SeqCst);
    }
    #[cached(invalidates = [get(id)])]
    async fn fail(id: u64) -> Result<(), u64> {
        Err(VERSION.fetch_add(1, SeqCst))
    }
    #[cached(ttl = "STANDARD", key = "row:<id>", invalidates = ["rows"])]
    async fn write(id: u64, takes: Duration) -> u64 {
        sleep(takes).await;
        id - id + VERSION.fetch_add(1, SeqCst) + 1
    }
    let server = RedisServer::start();
    let cache = || patient(Cache::builder().redis(&server.url()).unwrap()).build().unwrap();
    let (cache, other) = (cache(), cache());
    let no_old_value = async |id: u64| {
        for cache in [&cache, &other] {
            assert_eq!(cache.health().recovery_queue, 0, "{id}: all was acknowledged");
            let found = cache.scope(async { get::entry(&id).peek().await }).await;
            assert!(found.is_none_or(|found| found == VERSION.load(SeqCst)), "{id}: {found:?}");
            assert_eq!(cache.scope(get(id)).await, VERSION.load(SeqCst), "{id}");
        }
    };
    let steps = async {
        for id in 0..4 {
            get(id).await;
            assert!(get::entry(&id).peek().await.is_some());
        }
        fill(&server);
        change(0).await;
        no_old_value(0).await;
        fail(1).await.unwrap_err();
        no_old_value(1).await;
        write(2, Duration::ZERO).await;
        no_old_value(2).await;
        // Announced before the memory was gone; and somebody else writes the same key meanwhile.
        make_room(&server);
        let slow = write(3, Duration::from_millis(300));
        let meanwhile = async {
            sleep(Duration::from_millis(100)).await;
            fill(&server);
            other.scope(change(3)).await;
            assert_eq!(other.health().recovery_queue, 0, "it was acknowledged");
            make_room(&server);
        };
        tokio::join!(slow, meanwhile);
        no_old_value(3).await;
    };
    cache.scope(steps).await;
}

#[test]
fn no_permission_for_scripts() {
    let server = RedisServer::start();
    let fault = Fault::new("no permission", Effect::Hinders, &server);
    fault.check(
        || drop(server.cli(&["ACL", "SETUSER", "default", "-@scripting"])),
        || drop(server.cli(&["ACL", "SETUSER", "default", "+@scripting"])),
    );
}

/// How often Redis has refused a script.
fn refused(server: &RedisServer) -> u64 {
    let counts = server.cli(&["INFO", "commandstats"]);
    let line = counts.lines().find(|line| line.starts_with("cmdstat_evalsha:"));
    let count = line.and_then(|line| line.split("rejected_calls=").nth(1)?.split(',').next()?.parse().ok());
    count.unwrap_or(0)
}

#[tokio::test]
async fn a_refusal_is_counted_told_once_and_not_repeated_all_the_time() {
    #[cached(ttl = "STANDARD", key = "refused:<id>", skip = [runs])]
    async fn get(id: u64, runs: &Runs) -> u64 {
        runs.one_more();
        id
    }
    #[cached(ttl = "STANDARD", key = "refused")]
    async fn top() -> u64 {
        1
    }
    #[cached(invalidates = [get(id)])]
    async fn change(id: u64) {}
    let server = RedisServer::start();
    let cache = patient(Cache::builder().redis(&server.url()).unwrap()).build().unwrap();
    assert!(cache.connected().await);
    server.cli(&["ACL", "SETUSER", "default", "-@scripting"]);
    let warnings = Warnings::default();
    let guard = tracing::subscriber::set_default(warnings.clone());
    let runs = Runs::default();
    let calls = async {
        for id in 0..20 {
            get(id, &runs).await;
            top().await;
        }
        assert_eq!(refused(&server), 40, "each miss asks once");
        for id in 0..3 {
            change(id).await;
        }
        assert_eq!(cache.health().recovery_queue, 3);
        let before = refused(&server);
        sleep(Duration::from_secs(1)).await;
        // Three keys, after 0, 50, 150, 350, 750 ms.
        let repeated = refused(&server) - before;
        assert!((3..=3 * 6).contains(&repeated), "{repeated} repetitions");
    };
    cache.scope(calls).await;
    drop(guard);
    assert_eq!(runs.get(), 20);
    let report = cache.report();
    let row = report.functions.iter().find(|row| row.template == "refused:<id>").unwrap();
    assert_eq!((row.calls.bypassed, row.calls.hits), (20, 0));
    for function in ["::get", "::top"] {
        assert_eq!(warnings.of(function).len(), 1, "{:?}", warnings.of(function));
    }
    server.cli(&["ACL", "SETUSER", "default", "+@scripting"]);
    eventually("the invalidations are made good", async || cache.health().recovery_queue == 0).await;
}
