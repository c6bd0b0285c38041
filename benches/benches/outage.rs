//! What a call costs while Redis is out: never there, and hung.

use std::{hint::black_box, net::TcpListener, time::Duration};

use cache_benches::{Arguments, Machine, Section, Spread, Stopwatch, film::LoadError, sleep};
use cache_runtime::{Cache, HealthState, cached, testing::server::RedisServer};

const ROUNDS: usize = 15;
const CALLS: u64 = 20_000;

#[cached(ttl = "STANDARD", key = "film:<id>")]
async fn film(id: u64) -> Result<u64, LoadError> {
    Ok(black_box(id))
}

fn main() {
    if !Arguments::of_process().want("outage") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("the runtime starts");
    runtime.block_on(measure());
}

async fn measure() {
    let mut section = Section::new("outage", &["Redis", "promise", "measured"]);
    let added = never_there().await;
    section.row(&[
        "never there".to_owned(),
        "no wait once the breaker is open".to_owned(),
        format!("**{:.0} ns** above the bare body ({added})", added.median),
    ]);
    let (slowest, back) = hung().await;
    section.row(&[
        "hung (SIGSTOP)".to_owned(),
        "100 ms before a body at most".to_owned(),
        format!("**{:.0} ms** for the slowest of the first calls", slowest.as_secs_f64() * 1e3),
    ]);
    section.row(&[
        "answering again".to_owned(),
        "in use within 3 s".to_owned(),
        format!("**{:.2} s** until the next hit", back.as_secs_f64()),
    ]);
    section.note(format!("The first row: medians of {ROUNDS} rounds of {CALLS} calls, one after another."));
    section.publish(&Machine::this().with_redis(), true);
}

/// Nanoseconds that a call takes longer than its body, with the breaker open.
async fn never_there() -> Spread {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let url = format!("redis://{}", listener.local_addr().expect("it is bound"));
    drop(listener);
    let cache = Cache::connect(&url).expect("the address is one of Redis");
    cache.connected().await;
    cache.scope(async { drop(film(1).await) }).await;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let watch = Stopwatch::start();
        for id in 0..CALLS {
            drop(black_box(film::uncached(id).await));
        }
        let bare = watch.elapsed();
        let cached = cache
            .scope(async {
                let watch = Stopwatch::start();
                for id in 0..CALLS {
                    drop(black_box(film(id).await));
                }
                watch.elapsed()
            })
            .await;
        rounds.push((cached.as_nanos() as f64 - bare.as_nanos() as f64) / CALLS as f64);
    }
    Spread::of(rounds)
}

/// The slowest call after the server hangs, and the time from its return to the next hit.
async fn hung() -> (Duration, Duration) {
    let server = RedisServer::start();
    sleep(Duration::from_millis(2_500)).await;
    let cache = Cache::connect(&server.url()).expect("the address is one of Redis");
    assert!(cache.connected().await, "Redis answers");
    cache
        .scope(async {
            drop(film(1).await);
            server.pause();
            let mut slowest = Duration::ZERO;
            while cache.health().state != HealthState::Disconnected {
                let watch = Stopwatch::start();
                drop(film(1).await);
                slowest = slowest.max(watch.elapsed());
            }
            server.resume();
            let watch = Stopwatch::start();
            while film::entry(&1).peek().await.is_none() {
                drop(film(1).await);
                sleep(Duration::from_millis(1)).await;
            }
            (slowest, watch.elapsed())
        })
        .await
}
