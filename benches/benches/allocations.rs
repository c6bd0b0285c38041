//! How often a call allocates: counted, not timed, so these numbers are exact.
//!
//! Apart from the others, because an allocator that counts is slower.

use std::{alloc::System, hint::black_box, sync::Arc};

use cache_benches::{
    Arguments, Machine, Section,
    film::{Film, LoadError},
    sleep,
};
use cache_runtime::{__private_0_1_0 as private, Cache, cached, testing::server::RedisServer};
use redis::AsyncCommands as _;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// So many calls are counted; what happens now and then in the background averages out.
const CALLS: u64 = 1_000;

#[cached(ttl = "STANDARD", key = "film:<id>")]
async fn film(id: u64) -> Result<Film, LoadError> {
    Ok(Film::of(id))
}

#[cached(ttl = "STANDARD", local = "1h", key = "local:<id>")]
async fn local(id: u64) -> Arc<Film> {
    Arc::new(Film::of(id))
}

#[cached(ttl = "STANDARD", local = "1h", key = "local:text:<name>", tags = ["local:<name>"])]
async fn local_text(name: &str) -> Arc<Film> {
    Arc::new(Film::of(name.len() as u64))
}

#[cached(ttl = "STANDARD", local = "1h", key = "local:string:<name>")]
async fn local_string(name: String) -> Arc<Film> {
    Arc::new(Film::of(name.len() as u64))
}

#[cached(ttl = "STANDARD", local = "1h", key = "local:tagged:<id>", skip = [studio], tags = ["studio:<studio>"])]
async fn local_tagged(id: u64, studio: &str) -> Arc<Film> {
    Arc::new(Film::of(id + studio.len() as u64))
}

fn main() {
    let names = ["key", "decode", "local_hit", "in_process_hit", "redis_hit", "by_hand"];
    let arguments = Arguments::of_process();
    if !names.iter().any(|name| arguments.want(&format!("allocations/{name}"))) {
        return;
    }
    // One thread, so that nothing else allocates meanwhile.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("the runtime starts");
    runtime.block_on(measure());
}

async fn measure() {
    let server = RedisServer::builder().tcp().start();
    let client = redis::Client::open(server.url()).expect("the address is one of Redis");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis answers");
    let bytes = Film::encode(&Film::of(42));
    let () = connection.set_ex("by-hand:film:42", &bytes, 3_600).await.expect("Redis stores");
    // Values written in the second of the server's start, or the one after, are void.
    sleep(std::time::Duration::from_millis(2_500)).await;
    let (on_redis, in_process) =
        (Cache::connect(&server.url()).expect("the address is one of Redis"), Cache::in_memory());

    let of_a_call = private::cache(&in_process);
    let mut section =
        Section::new("allocations", &["call", "allocations", "of them the value's or the argument's own"]);
    let decoding = count(async || drop(rmp_serde::from_slice::<Film>(&bytes))).await;
    let mut row = |call: &str, allocations: f64, value: f64| {
        section.row(&[call.to_owned(), format!("**{allocations:.0}**"), format!("{value:.0}")]);
    };
    let key = async || {
        let mut key = private::key(&of_a_call);
        private::namespace(&mut key, &of_a_call);
        <film>::__key(&mut key, &42);
        drop(black_box(key));
    };
    row("key `film:42`", count(key).await, 0.0);
    row("local hit that returns an `Arc`", on_redis.scope(count(async || drop(local(42).await))).await, 0.0);
    let hit = async || drop(local_text("ada lovelace").await);
    row("local hit, `&str`, with a tag", on_redis.scope(count(hit)).await, 0.0);
    let hit = async || drop(local_string("ada lovelace".to_owned()).await);
    row("local hit, `String`", on_redis.scope(count(hit)).await, 1.0);
    let hit = async || drop(local_tagged(42, "ufa").await);
    row("local hit, a tag of what is not in the key", on_redis.scope(count(hit)).await, 0.0);
    let hit = async || drop(film(42).await);
    row("hit in process", in_process.scope(count(hit)).await, decoding);
    row("hit on Redis through `#[cached]`", on_redis.scope(count(hit)).await, decoding);
    let by_hand = count(async || {
        let mut connection = connection.clone();
        let bytes: Option<Vec<u8>> =
            connection.get(format!("by-hand:film:{}", 42)).await.expect("Redis answers");
        drop(rmp_serde::from_slice::<Film>(&bytes.expect("it is stored")));
    });
    row("hit on Redis by hand", by_hand.await, decoding);
    section.note(format!("Counted over {CALLS} calls; those of redis-rs included."));
    section.publish(&Machine::this().with_redis(), true);
}

/// Allocations per call.
async fn count(call: impl AsyncFn()) -> f64 {
    for _ in 0..10 {
        call().await;
    }
    let region = Region::new(ALLOCATOR);
    for _ in 0..CALLS {
        call().await;
    }
    let change = region.change();
    (change.allocations + change.reallocations) as f64 / CALLS as f64
}
