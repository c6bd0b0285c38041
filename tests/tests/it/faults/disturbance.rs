//! Redis works, and somebody interferes all the time.

use std::{
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
    time::Duration,
};

use cache_runtime::{CacheBuilder, testing::server::RedisServer};

use super::{Database, Effect, Fault};

/// As long as the fault lasts: more than enough for every step of a call to be hit.
const LASTS: Duration = Duration::from_secs(1);

/// Does it again and again, while calls go on.
fn again_and_again(fault: Fault<'_>, disturb: impl Fn() + Sync) {
    let over = AtomicBool::new(false);
    let again = || {
        while !over.load(SeqCst) {
            disturb();
            thread::sleep(Duration::from_millis(3));
        }
    };
    thread::scope(|scope| {
        let begin = || {
            scope.spawn(again);
            thread::sleep(LASTS);
        };
        fault.check(begin, || over.store(true, SeqCst));
    });
}

/// Each invalidation is acknowledged, on a slow machine as well, so that another process reads nothing old.
fn patient(builder: CacheBuilder) -> CacheBuilder {
    builder.trust_snapshots(true).budget(Duration::from_secs(5))
}

fn with_two_processes<'a>(name: &'static str, server: &'a RedisServer) -> Fault<'a> {
    Fault { two_processes: true, builder: patient, callers: 8, ..Fault::new(name, Effect::Hinders, server) }
}

#[test]
fn scripts_are_flushed() {
    let server = RedisServer::start();
    again_and_again(with_two_processes("SCRIPT FLUSH", &server), || {
        server.cli(&["SCRIPT", "FLUSH"]);
    });
}

#[test]
fn everything_is_flushed() {
    let server = RedisServer::start();
    again_and_again(with_two_processes("FLUSHALL", &server), || {
        server.cli(&["FLUSHALL"]);
    });
}

#[test]
fn clients_are_killed() {
    let server = RedisServer::start();
    let fault = Fault { callers: 8, ..Fault::new("CLIENT KILL", Effect::Hinders, &server) };
    again_and_again(fault, || {
        server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    });
}

/// 2 MB, of which the server needs half for itself, for 8 MB of values.
#[test]
fn entries_are_evicted() {
    let server =
        RedisServer::builder().arg("--maxmemory", "2mb").arg("--maxmemory-policy", "allkeys-lru").start();
    let fault = with_two_processes("evicting", &server);
    let fault = Fault { database: Database::new(1_000, 8_000), callers: 50, ..fault };
    fault.check(|| thread::sleep(LASTS), || {});
    let stats = server.cli(&["INFO", "stats"]);
    let evicted = stats.lines().find_map(|line| line.strip_prefix("evicted_keys:")).unwrap();
    assert!(evicted.trim().parse::<u64>().unwrap() > 100, "{evicted} were evicted");
}
