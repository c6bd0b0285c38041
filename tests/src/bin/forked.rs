//! A service as pre-fork servers start it: the cache first, then a process by fork, then a runtime in each. Says the token of
//! each value that either process has stored.

use std::time::Duration;

use cache_runtime::{Cache, CacheBuilder, HealthState, cached};
use cache_tests::worker::say;
use fork::Fork;

/// How many values each process stores.
const VALUES: u64 = 8;

#[cached(ttl = "STANDARD", key = "<process>:<id>")]
async fn stored(process: u8, id: u64) -> u64 {
    u64::from(process) + id
}

fn main() {
    let builder = CacheBuilder::from_env().expect("fit").budget(Duration::from_secs(10));
    builder.build().and_then(Cache::install).expect("the first");
    match fork::fork().expect("a process") {
        Fork::Child => store(1),
        Fork::Parent(child) => {
            store(0);
            let ended = fork::waitpid(child).expect("it is ours");
            assert_eq!(ended, 0, "the forked process has failed");
            say("end");
        }
    }
}

fn store(process: u8) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        wait_for_redis().await;
        let client = redis::Client::open(std::env::var("REDIS_URL").expect("set")).expect("a URL");
        let mut server = client.get_multiplexed_async_connection().await.expect("a server");
        for id in 0..VALUES {
            stored(process, id).await;
            let key = stored::entry(&process, &id).key().to_string();
            let entry: Vec<u8> = redis::cmd("GET").arg(key).query_async(&mut server).await.expect("an entry");
            // Where `cache_runtime::codec::envelope` has the token that stored the value.
            let token: String = entry[56..72].iter().map(|byte| format!("{byte:02x}")).collect();
            say(format_args!("token {token}"));
        }
    });
}

#[expect(clippy::disallowed_methods, reason = "a process of its own waits for a real server")]
async fn wait_for_redis() {
    let cache = Cache::current();
    while cache.health().state != HealthState::Connected {
        cache.connected().await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
