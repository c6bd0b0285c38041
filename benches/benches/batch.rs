//! A batch of ids that are all on Redis, beside the same ids one call after another, and beside the `MGET` that one would
//! write by hand.
//!
//! The contenders take turns within one run. By hand runs with the same codec, on a multiplexed connection of redis-rs.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use cache_benches::{Arguments, Machine, Section, Spread, Stopwatch, film::Film, sleep};
use cache_runtime::{Cache, cached, testing::server::RedisServer};
use redis::{AsyncCommands as _, aio::MultiplexedConnection};

const ROUNDS: usize = 31;
const SIZES: [u64; 3] = [10, 100, 1_000];

/// How often a body ran, or for how many ids.
static LOADED: AtomicU64 = AtomicU64::new(0);

fn load(id: u64) -> Film {
    LOADED.fetch_add(1, Ordering::Relaxed);
    Film::of(id)
}

#[cached(ttl = "1h", key = "film:<id>")]
async fn film(id: u64) -> Film {
    load(id)
}

#[cached(batch, ttl = "1h", key = "film:<id>", each = "id in ids")]
async fn films(ids: &[u64]) -> HashMap<u64, Film> {
    ids.iter().map(|id| (*id, load(*id))).collect()
}

fn by_hand_key(id: u64) -> String {
    format!("by-hand:film:{id}")
}

async fn films_by_hand(connection: &mut MultiplexedConnection, ids: &[u64]) -> HashMap<u64, Film> {
    let keys: Vec<String> = ids.iter().copied().map(by_hand_key).collect();
    let found: Vec<Option<Vec<u8>>> = connection.mget(keys).await.expect("Redis answers");
    let decode = |bytes: Vec<u8>| rmp_serde::from_slice(&bytes).expect("it is a film");
    ids.iter().zip(found).filter_map(|(id, bytes)| Some((*id, decode(bytes?)))).collect()
}

/// Microseconds of each contender in one round.
struct Round {
    batch: f64,
    single: f64,
    by_hand: f64,
}

fn main() {
    let arguments = Arguments::of_process();
    let sizes: Vec<u64> = SIZES.into_iter().filter(|size| arguments.want(&format!("batch/{size}"))).collect();
    if sizes.is_empty() {
        return;
    }
    let server = RedisServer::builder().tcp().start();
    let runtime = tokio::runtime::Runtime::new().expect("the runtime starts");
    let measured = runtime.block_on(measure(&server, &sizes));
    publish(&measured, sizes.len() == SIZES.len());
}

async fn measure(server: &RedisServer, sizes: &[u64]) -> Vec<(u64, Vec<Round>)> {
    let client = redis::Client::open(server.url()).expect("the address is one of Redis");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis answers");
    Cache::connect(&server.url()).expect("the address is one of Redis").install().expect("it is the first");
    let most: Vec<u64> = (0..SIZES[SIZES.len() - 1]).collect();
    for id in &most {
        let bytes = Film::encode(&Film::of(*id));
        let () = connection.set_ex(by_hand_key(*id), bytes, 3_600).await.expect("Redis stores");
    }
    // Values written in the second of the server's start, or the one after, are void.
    let _ = film(0).await;
    sleep(Duration::from_millis(2_500)).await;
    assert_eq!(films(&most).await.len(), most.len());
    let loaded = LOADED.load(Ordering::Relaxed);

    let mut measured: Vec<_> = sizes.iter().map(|size| (*size, Vec::new())).collect();
    for round in 0..ROUNDS {
        for (size, rounds) in &mut measured {
            let ids = &most[..*size as usize];
            let mut times = Round { batch: 0.0, single: 0.0, by_hand: 0.0 };
            for turn in 0..3 {
                let watch = Stopwatch::start();
                match (round + turn) % 3 {
                    0 => {
                        assert_eq!(films(ids).await.len(), ids.len());
                        times.batch = micros(watch);
                    }
                    1 => {
                        for id in ids {
                            assert_eq!(film(*id).await.id, *id);
                        }
                        times.single = micros(watch);
                    }
                    _ => {
                        assert_eq!(films_by_hand(&mut connection, ids).await.len(), ids.len());
                        times.by_hand = micros(watch);
                    }
                }
            }
            rounds.push(times);
        }
    }
    assert_eq!(LOADED.load(Ordering::Relaxed), loaded, "no body ran while it was measured");
    measured
}

fn micros(watch: Stopwatch) -> f64 {
    watch.elapsed().as_secs_f64() * 1e6
}

fn publish(measured: &[(u64, Vec<Round>)], complete: bool) {
    let mut section = Section::new(
        "batch",
        &[
            "ids",
            "one after another / batch",
            "quartiles",
            "batch / `MGET` by hand",
            "quartiles",
            "batch",
            "one after another",
        ],
    );
    for (size, rounds) in measured {
        let over_rounds = |value: fn(&Round) -> f64| Spread::of(rounds.iter().map(value));
        let single = over_rounds(|round| round.single / round.batch);
        let by_hand = over_rounds(|round| round.batch / round.by_hand);
        section.row(&[
            size.to_string(),
            format!("**{:.1}**", single.median),
            format!("{single:.1}"),
            format!("**{:.2}**", by_hand.median),
            by_hand.to_string(),
            format!("{:.0} µs", over_rounds(|round| round.batch).median),
            format!("{:.0} µs", over_rounds(|round| round.single).median),
        ]);
    }
    section.note(format!("Medians of {ROUNDS} rounds; all hits. The target for 100 ids is 10 at least."));
    section.publish(&Machine::this().with_redis(), complete);
}
