//! What a call allocates: on the way to the store, nothing of ours.
//!
//! A binary of its own: counting needs the global allocator.
#![expect(clippy::unwrap_used, reason = "these are tests, also where they are not marked as such")]

use std::{pin::pin, sync::Arc};

use cache_runtime::{Cache, cached, testing::server::RedisServer};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct User {
    id: u64,
    age: u8,
}

#[cached(ttl = "STANDARD", key = "user:<id>:of:<org>")]
async fn get_user(id: u64, org: &str) -> User {
    User { id, age: org.len() as u8 }
}

/// The fewest allocations of several tries: tasks in the background may allocate during some.
fn fewest(mut call: impl FnMut()) -> u64 {
    (0..20).map(|_| allocation_counter::measure(&mut call).count_total).min().unwrap_or(u64::MAX)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_hit_in_process_allocates_nothing() {
    let runtime = runtime();
    let cache = Cache::in_memory();
    runtime.block_on(cache.scope(get_user(42, "acme")));
    // Pinned here: tokio boxes futures over a certain size.
    let hit = fewest(|| {
        runtime.block_on(pin!(cache.scope(get_user(42, "acme"))));
    });
    assert_eq!(hit, 0, "neither the key, nor the look-up, nor decoding a value without strings");
}

#[cached(ttl = "STANDARD", local = "1h", key = "page:<id>:of:<org>", tags = ["org:<org>"])]
async fn get_page(id: u64, org: &str) -> Arc<String> {
    Arc::new(format!("{id} {org}"))
}

#[test]
fn a_hit_in_the_local_level_allocates_nothing_whatever_the_value_and_the_arguments() {
    let runtime = runtime();
    let cache = Cache::in_memory();
    let org = "an-organisation-with-a-rather-long-na";
    let pages: Vec<Arc<String>> = (0..4).map(|_| runtime.block_on(cache.scope(get_page(42, org)))).collect();
    assert!(Arc::ptr_eq(&pages[2], &pages[3]), "a pointer is cloned");
    let hit = fewest(|| {
        runtime.block_on(pin!(cache.scope(get_page(42, org))));
    });
    let calls = cache.report().function("get_page").unwrap().calls;
    assert!(calls.hits_local >= 20 && calls.hits <= 1, "{calls:?}");
    assert_eq!(hit, 0);
}

#[cached(ttl = "STANDARD", key = "name:<id>")]
async fn get_name(id: u64) -> String {
    format!("the name of {id}")
}

#[test]
fn a_hit_without_a_local_level_allocates_its_value_once() {
    let runtime = runtime();
    let cache = Cache::in_memory();
    runtime.block_on(cache.scope(get_name(42)));
    let hit = fewest(|| {
        runtime.block_on(pin!(cache.scope(get_name(42))));
    });
    assert_eq!(hit, 1);
}

#[test]
fn a_key_is_built_without_allocating() {
    let cache = Cache::in_memory();
    let runtime = runtime();
    runtime.block_on(cache.scope(async {
        let built = fewest(|| drop(get_user::entry(&42, "acme")));
        assert_eq!(built, 0);
    }));
}

#[test]
fn a_hit_on_redis_allocates_no_more_than_the_client_does() {
    let server = RedisServer::start();
    let runtime = runtime();
    let cache =
        Cache::builder().redis(&server.url()).unwrap().lanes(1).trust_snapshots(true).build().unwrap();
    let (mut connection, key) = runtime.block_on(async {
        let client = redis::Client::open(server.url()).unwrap();
        let connection = client.get_multiplexed_async_connection().await.unwrap();
        assert!(cache.connected().await);
        cache.scope(get_user(42, "acme")).await;
        let key = cache.scope(async { get_user::entry(&42, "acme").key().to_string() }).await;
        (connection, key)
    });
    let ours = fewest(|| {
        runtime.block_on(pin!(cache.scope(get_user(42, "acme"))));
    });
    let by_hand = fewest(|| {
        runtime.block_on(async {
            let mut command = redis::cmd("GET");
            command.arg(&key);
            let bytes: Vec<u8> = command.query_async(&mut connection).await.unwrap();
            // The header is skipped, as a hand that knows it would.
            let user: User = rmp_serde::from_slice(&bytes[94..]).unwrap();
            assert_eq!(user.id, 42);
        });
    });
    assert!(ours <= by_hand, "{ours} allocations, and {by_hand} by hand");
}

/// The state of a call is moved about by its callers; the rare path is kept out of it.
#[test]
fn a_call_is_small() {
    let size = size_of_val(&get_user(42, "acme"));
    assert!(size < 2_000, "{size} bytes");
}
