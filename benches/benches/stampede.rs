//! A stampede: 500 callers of one missing key whose body takes 20 ms, beside the body alone.
//!
//! The total is the time from before the first caller is spawned until the last one has his film. In each round the body
//! alone runs first, so that what the timer and the machine add to 20 ms is in both.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use cache_benches::{
    Arguments, Machine, Section, Spread, Stopwatch,
    film::{Film, LoadError},
    sleep,
};
use cache_runtime::{Cache, cached, testing::server::RedisServer};
use tokio::task::JoinSet;

const ROUNDS: u64 = 31;
const CALLERS: usize = 500;
const BODY: Duration = Duration::from_millis(20);

/// How often a body ran.
static LOADED: AtomicU64 = AtomicU64::new(0);

#[cached(ttl = "STANDARD", key = "film:<id>")]
async fn film(id: u64) -> Result<Film, LoadError> {
    LOADED.fetch_add(1, Ordering::Relaxed);
    sleep(BODY).await;
    Ok(Film::of(id))
}

/// The total in each round as a multiple of the body alone, and in milliseconds.
#[derive(Debug, Default)]
struct Totals {
    ratios: Vec<f64>,
    millis: Vec<f64>,
}

fn main() {
    if !Arguments::of_process().want("stampede") {
        return;
    }
    let server = RedisServer::builder().tcp().start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("the runtime starts");
    runtime.block_on(measure(&server));
}

async fn measure(server: &RedisServer) {
    // What is written in the second of the server's start, or the one after, is void.
    sleep(Duration::from_millis(2_500)).await;
    let on_redis = Cache::connect(&server.url()).expect("the address is one of Redis");
    assert!(on_redis.connected().await, "Redis answers");
    let caches = [Cache::in_memory(), on_redis];
    let mut totals = [(); 2].map(|()| Totals::default());
    for (cache, warm_up) in caches.iter().zip(1..) {
        stampede(cache, warm_up).await;
    }
    let mut alone = Vec::new();
    for round in 0..ROUNDS {
        let id = 10 + round;
        let watch = Stopwatch::start();
        drop(film::uncached(id).await);
        let body = watch.elapsed().as_secs_f64();
        alone.push(body * 1e3);
        for (cache, totals) in caches.iter().zip(&mut totals) {
            let total = stampede(cache, id).await.as_secs_f64();
            totals.ratios.push(total / body);
            totals.millis.push(total * 1e3);
        }
    }
    publish(totals, alone);
}

/// How long 500 calls take together.
async fn stampede(cache: &Cache, id: u64) -> Duration {
    let before = LOADED.load(Ordering::Relaxed);
    let watch = Stopwatch::start();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let cache = cache.clone();
        callers.spawn(async move { cache.scope(film(id)).await.expect("it never fails") });
    }
    let films = callers.join_all().await;
    let total = watch.elapsed();
    assert!(films.iter().all(|film| film.id == id) && films.len() == CALLERS, "everybody has the film");
    assert_eq!(LOADED.load(Ordering::Relaxed) - before, 1, "one run");
    total
}

fn publish(totals: [Totals; 2], alone: Vec<f64>) {
    let columns = ["cache", "total / body alone", "quartiles", "total", "body alone"];
    let mut section = Section::new("stampede", &columns);
    let alone = Spread::of(alone);
    for (place, Totals { ratios, millis }) in ["in process", "on Redis"].into_iter().zip(totals) {
        let ratio = Spread::of(ratios);
        section.row(&[
            place.to_owned(),
            format!("**{:.2}**", ratio.median),
            ratio.to_string(),
            format!("{:.1} ms", Spread::of(millis).median),
            format!("{:.1} ms", alone.median),
        ]);
    }
    section.note(format!(
        "{CALLERS} callers of one missing key, one run of its body; medians of {ROUNDS} rounds. The target is 1.15 at most."
    ));
    section.publish(&Machine::this().with_redis(), true);
}
