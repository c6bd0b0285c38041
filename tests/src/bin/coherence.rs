//! One process of a fleet with a local level (`tests/it/coherence.rs`): it writes a user, or waits until it reads him.

use std::{
    env,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use cache_runtime::{Cache, cached};
use cache_tests::worker::{begin, commands, say};
use redis::aio::MultiplexedConnection;
use tokio::{runtime::Handle, sync::OnceCell};

/// The database: beside the cache, on the same server.
async fn database() -> MultiplexedConnection {
    static DATABASE: OnceCell<MultiplexedConnection> = OnceCell::const_new();
    let connected = DATABASE.get_or_init(|| async {
        let client = redis::Client::open(env::var("REDIS_URL").expect("set")).expect("a URL");
        client.get_multiplexed_async_connection().await.expect("a server")
    });
    connected.await.clone()
}

fn row(id: u64) -> String {
    format!("{}-row-{id}", env::var("CACHE_NAMESPACE").expect("set"))
}

#[cached(ttl = "STANDARD", key = "user:<id>", local = "1m", early_refresh = false)]
async fn user(id: u64) -> u64 {
    let found: Option<u64> =
        redis::cmd("GET").arg(row(id)).query_async(&mut database().await).await.expect("a number");
    found.unwrap_or(0)
}

#[cached(ttl = "STANDARD", key = "user:<id>", mode = "write-through")]
async fn update(id: u64) -> u64 {
    redis::cmd("INCR").arg(row(id)).query_async(&mut database().await).await.expect("a number")
}

/// By a clock that all processes share.
#[expect(clippy::disallowed_methods, reason = "the test judges real time")]
fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("later").as_micros()
}

fn local_hits() -> u64 {
    Cache::current().report().function("user").map_or(0, |row| row.calls.hits_local)
}

/// Reads until it finds at least this, on a thread of its own: nothing else waits for it.
fn read_until(id: u64, at_least: u64) {
    let runtime = Handle::current();
    std::thread::spawn(move || {
        let found = loop {
            let found = runtime.block_on(user(id));
            if found >= at_least {
                break found;
            }
            std::thread::sleep(Duration::from_micros(50));
        };
        say(format_args!("seen {found} {}", now()));
    });
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    begin(|builder| builder).await;
    let mut commands = commands();
    while let Some(command) = commands.recv().await {
        match &*command.iter().map(String::as_str).collect::<Vec<_>>() {
            // Until it is in the local level.
            ["hold", id] => {
                let before = local_hits();
                let id = id.parse().expect("a number");
                let mut found = user(id).await;
                while local_hits() == before {
                    found = user(id).await;
                    tokio::task::yield_now().await;
                }
                say(format_args!("held {found}"));
            }
            ["update", id] => {
                let written = update(id.parse().expect("a number")).await;
                say(format_args!("updated {written} {}", now()));
            }
            ["read-until", id, at_least] => {
                read_until(id.parse().expect("a number"), at_least.parse().expect("a number"));
            }
            other => panic!("no command {other:?}"),
        }
    }
}
