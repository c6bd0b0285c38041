//! A cache outlives runtimes, and needs none.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake},
    thread::{self, Thread},
};

use cache_runtime::{Cache, HealthState, testing::server::RedisServer};
use tokio::runtime::{Builder, Runtime};

use super::{get, patient};
use crate::support::{Runs, eventually};

/// As an executor does that knows nothing of tokio.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

fn many() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// One that wakes nothing by itself: no timers, no sockets.
fn bare() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

fn one() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Each in a row of calls is served from Redis, however the one before it ran.
fn each_call_is_served(what: &str, mut call: impl FnMut(&Cache, &Runs)) {
    let server = RedisServer::start();
    let (cache, runs) = (patient(&server.url()).build().unwrap(), Runs::default());
    for round in 0..6 {
        call(&cache, &runs);
        assert_eq!(runs.get(), 1, "{what}, round {round}: {}", cache.health());
    }
    assert_eq!(cache.report().functions[0].calls.hits, 5, "{what}");
}

#[test]
fn no_runtime_is_needed() {
    each_call_is_served("no runtime", |cache, runs| {
        assert_eq!(block_on(cache.scope(get(1, runs))), 1);
    });
}

/// As a facade for callers that are not async, or one test after another, has it.
#[test]
fn runtimes_may_come_and_go() {
    type Kind = (&'static str, fn() -> Runtime);
    let kinds: [Kind; 3] = [("many threads", many), ("one", one), ("bare", bare)];
    for (kind, runtime) in kinds {
        each_call_is_served(kind, |cache, runs| {
            runtime().block_on(cache.scope(get(1, runs)));
        });
    }
    let mut each = kinds.iter().cycle();
    each_call_is_served("each in turn", |cache, runs| {
        let (_, runtime) = each.next().unwrap();
        runtime().block_on(cache.scope(get(1, runs)));
    });
}

/// Connections whose runtime is not driven answer nothing to calls from another one.
#[test]
fn a_runtime_that_is_not_driven_holds_nothing_up() {
    let first = one();
    each_call_is_served("not driven", |cache, runs| {
        first.block_on(async { assert!(cache.connected().await) });
        many().block_on(cache.scope(get(1, runs)));
    });
}

/// The server is asked whether it is alive by a thread that no test drives.
#[test]
fn a_connection_is_kept_while_its_runtime_is_not_driven() {
    let server = RedisServer::start();
    let (cache, runs, runtime) = (patient(&server.url()).build().unwrap(), Runs::default(), one());
    runtime.block_on(cache.scope(get(1, &runs)));
    let before = super::connections(&server);
    let asked = || server.command_counts().get("time").copied().unwrap_or(0);
    let then = asked();
    block_on(eventually_without_timers("heartbeats", || asked() > then + 4));
    runtime.block_on(cache.scope(get(1, &runs)));
    assert_eq!(runs.get(), 1);
    assert_eq!(super::connections(&server), before);
}

async fn eventually_without_timers(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if is_so() {
            return;
        }
        thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("never: {what}");
}

/// A connection on a runtime that has many threads is left at once when that ends.
#[test]
fn the_end_of_a_runtime_is_noticed_at_once() {
    let server = RedisServer::start();
    let (cache, runs) = (patient(&server.url()).build().unwrap(), Runs::default());
    let first = many();
    first.block_on(cache.scope(get(1, &runs)));
    drop(first);
    many().block_on(cache.scope(async {
        get(1, &runs).await;
        assert_eq!(runs.get(), 1, "{}", cache.health());
        eventually("all lanes are up", async || cache.health().state == HealthState::Connected).await;
    }));
}
