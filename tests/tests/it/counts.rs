//! What a call asks of Redis, to the command; and how often it waits for an answer.

use std::{collections::BTreeMap, time::Duration};

use cache_runtime::{Cache, cached, testing::server::RedisServer};

use crate::{
    proxy::Proxy,
    support::{Runs, wait_until_its_start_is_past},
};

#[cached(ttl = "STANDARD", key = "user:<id>", skip = [runs])]
async fn get_user(id: u64, runs: &Runs) -> u64 {
    runs.one_more();
    id
}

#[cached(ttl = "FREQUENT", key = "users:leaderboard")]
async fn top_users() -> Vec<u64> {
    vec![]
}

#[cached(ttl = "STANDARD", key = "user:<id>", invalidates = [top_users()])]
async fn update_user(id: u64) -> u64 {
    id + 1
}

#[cached(invalidates = [get_user(id)])]
async fn delete_user(id: u64) {}

/// The commands of a call without those that scripts run, and its round trips.
pub(crate) async fn cost<T>(
    server: &RedisServer,
    proxy: &Proxy,
    call: impl Future<Output = T>,
) -> (BTreeMap<String, u64>, u64) {
    // The heartbeat of the lane, every second, shall not fall into the measurement.
    server.reset_counts();
    let before = proxy.turns();
    call.await;
    let turns = proxy.turns() - before;
    let mut counts = server.command_counts();
    counts.remove("time");
    (counts, turns)
}

pub(crate) fn count(counts: &BTreeMap<String, u64>, command: &str) -> u64 {
    counts.get(command).copied().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_costs_what_the_documentation_says() {
    let server = RedisServer::builder().tcp().start();
    wait_until_its_start_is_past(&server);
    let proxy = Proxy::start(&server);
    let builder = Cache::builder().redis(&proxy.url()).unwrap();
    let cache = builder.lanes(1).budget(Duration::from_secs(5)).build().unwrap();
    cache
        .scope(async {
            let runs = Runs::default();
            // All scripts are known to the server from here on.
            get_user(1, &runs).await;
            update_user(1).await;
            delete_user(1).await;

            let (commands, turns) = cost(&server, &proxy, get_user(2, &runs)).await;
            assert_eq!(count(&commands, "evalsha"), 2, "a miss: ACQUIRE and FILL {commands:?}");
            assert_eq!(turns, 3, "two round trips before the body and one after it");

            let (commands, turns) = cost(&server, &proxy, get_user(2, &runs)).await;
            assert_eq!(commands, BTreeMap::from([("get".to_owned(), 1)]), "a hit: GET and nothing else");
            assert_eq!(turns, 1);

            let (commands, turns) = cost(&server, &proxy, delete_user(2)).await;
            assert_eq!(count(&commands, "evalsha"), 1, "a plain write: INVALIDATE {commands:?}");
            assert_eq!(turns, 1);

            let (commands, turns) = cost(&server, &proxy, update_user(2)).await;
            assert_eq!(count(&commands, "evalsha"), 3, "a fenced write: BEGIN, END, INVALIDATE {commands:?}");
            assert_eq!(turns, 2);

            let (commands, _) = cost(&server, &proxy, get_user::uncached(2, &runs)).await;
            assert_eq!(commands, BTreeMap::new());
        })
        .await;
}
