//! What others notice while 10,000 of 1,000,000 keys go by a pattern: the latency of their `GET`s.
//!
//! A second client, on a thread and a connection of its own, asks for one key after another, alone and beside it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use cache_benches::{Arguments, Machine, Section, Spread, Stopwatch, filled, film::Film, sleep};
use cache_runtime::{Cache, cached, testing::server::RedisServer};
use redis::AsyncCommands as _;

const KEYS: u64 = 1_000_000;
const GOING: u64 = 10_000;
const ROUNDS: usize = 5;
const ALONE: Duration = Duration::from_millis(500);

#[cached(ttl = "1h", key = "film:<id>:<page>")]
async fn film(id: u64, page: u64) -> Film {
    Film::of(id + page)
}

/// Milliseconds of the second client's calls in one round.
struct Latency {
    median: f64,
    ninety_ninth: f64,
    longest: f64,
}

struct Round {
    alone: Latency,
    beside: Latency,
    seconds: f64,
}

fn main() {
    if !Arguments::of_process().want("pattern") {
        return;
    }
    let server = RedisServer::builder().tcp().start();
    let runtime = tokio::runtime::Runtime::new().expect("the runtime starts");
    let rounds = runtime.block_on(measure(&server));
    publish(&rounds);
}

async fn measure(server: &RedisServer) -> Vec<Round> {
    let cache = Cache::connect(&server.url()).expect("the address is one of Redis");
    cache.clone().install().expect("it is the first");
    let client = redis::Client::open(server.url()).expect("the address is one of Redis");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis answers");
    // Values written in the second of the server's start, or the one after, are void.
    let _ = film(0, 0).await;
    sleep(Duration::from_millis(2_500)).await;
    let _ = film(0, 0).await;
    filled::copy(&mut connection, "film:0:0", "film:8:", KEYS - GOING).await;

    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        filled::copy(&mut connection, "film:0:0", "film:7:", GOING).await;
        let others = Others::start(server.url());
        sleep(ALONE).await;
        let alone = others.stop();

        let others = Others::start(server.url());
        let watch = Stopwatch::start();
        let gone = cache.invalidate_matching("film:7:*").await;
        let seconds = watch.elapsed().as_secs_f64();
        let beside = others.stop();
        assert_eq!((gone.entries, gone.acknowledged), (GOING, true), "they are gone");
        let left: u64 = redis::cmd("DBSIZE").query_async(&mut connection).await.expect("Redis answers");
        assert!((KEYS - GOING..KEYS).contains(&left), "the others stay: {left}");
        rounds.push(Round { alone, beside, seconds });
    }
    rounds
}

/// The second client.
struct Others {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Latency>,
}

impl Others {
    fn start(url: String) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("the runtime starts").block_on(ask(&url, &seen))
        });
        Self { stop, thread }
    }

    fn stop(self) -> Latency {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("Redis answers it, too")
    }
}

async fn ask(url: &str, stop: &AtomicBool) -> Latency {
    let client = redis::Client::open(url).expect("the address is one of Redis");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis answers");
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let watch = Stopwatch::start();
        let found: Option<Vec<u8>> =
            connection.get(format!("film:8:{}", times.len())).await.expect("Redis answers");
        times.push(watch.elapsed().as_secs_f64() * 1e3);
        assert!(found.is_some(), "it matches nothing that goes");
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    Latency { median: at(0.5), ninety_ninth: at(0.99), longest: at(1.0) }
}

fn publish(rounds: &[Round]) {
    let mut section = Section::new("pattern", &["others' `GET`s", "p50", "p99", "quartiles", "longest"]);
    let mut row = |when: &str, latency: fn(&Round) -> &Latency| {
        let over_rounds = |value: fn(&Latency) -> f64| Spread::of(rounds.iter().map(latency).map(value));
        let ninety_ninth = over_rounds(|latency| latency.ninety_ninth);
        section.row(&[
            when.to_owned(),
            format!("{:.2} ms", over_rounds(|latency| latency.median).median),
            format!("**{:.2} ms**", ninety_ninth.median),
            ninety_ninth.to_string(),
            format!("{:.1} ms", over_rounds(|latency| latency.longest).median),
        ]);
    };
    row("alone", |round| &round.alone);
    row("while 10,000 of 1,000,000 keys go", |round| &round.beside);
    let seconds = Spread::of(rounds.iter().map(|round| round.seconds));
    section.note(format!(
        "Medians of {ROUNDS} rounds; the pattern took {:.2} s ({seconds}). The target is a p99 below 5 ms.",
        seconds.median,
    ));
    section.publish(&Machine::this().with_redis(), true);
}
