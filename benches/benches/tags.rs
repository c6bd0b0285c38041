//! What a tag costs: a hit with one beside a hit without, in the local level and on Redis, and the invalidation of a tag
//! that few entries carry beside one that a million carry.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cache_benches::{
    Arguments, Contender, Ids, Machine, Section, Spread, Stopwatch, filled, film::Film, sleep,
};
use cache_runtime::{Cache, cached, testing::server::RedisServer};
use tokio::runtime::Runtime;

/// How often a body ran.
static LOADED: AtomicU64 = AtomicU64::new(0);

fn load(id: u64) -> Film {
    LOADED.fetch_add(1, Ordering::Relaxed);
    Film::of(id)
}

#[cached(ttl = "1h", local = "1h", key = "local:<id>")]
async fn local(id: u64) -> Arc<Film> {
    Arc::new(load(id))
}

#[cached(ttl = "1h", local = "1h", key = "local:tagged:<id>", tags = ["film:<id>"])]
async fn local_tagged(id: u64) -> Arc<Film> {
    Arc::new(load(id))
}

#[cached(ttl = "1h", local = "1h", key = "local:elsewhere:<id>", skip = [studio], tags = ["studio:<studio>"])]
async fn local_elsewhere(id: u64, studio: u64) -> Arc<Film> {
    Arc::new(load(id + studio))
}

#[cached(ttl = "1h", key = "redis:<id>")]
async fn remote(id: u64) -> Film {
    load(id)
}

#[cached(ttl = "1h", key = "redis:tagged:<id>", tags = ["film:<id>"])]
async fn remote_tagged(id: u64) -> Film {
    load(id)
}

/// With many tags, each of which all entries carry: one invalidation alone says little on a machine with other work.
#[cached(
    ttl = "1h",
    key = "sized:<size>:<id>",
    tags = [
        "size:<size>:0", "size:<size>:1", "size:<size>:2", "size:<size>:3", "size:<size>:4",
        "size:<size>:5", "size:<size>:6", "size:<size>:7", "size:<size>:8", "size:<size>:9",
    ]
)]
async fn sized(size: u64, id: u64) -> Film {
    load(size + id)
}

const HITS: [&str; 3] = ["tagged_hit/local", "tagged_hit/elsewhere", "tagged_hit/redis"];
const HIT_ROUNDS: usize = 21;
const REDIS_CALLS: u32 = 500;

const SIZES: [u64; 4] = [10, 1_000, 100_000, 1_000_000];
const ROUNDS: usize = 7;
/// Tags that each entry carries.
const TAGS: usize = 10;

fn main() {
    let arguments = Arguments::of_process();
    let hits = HITS.iter().all(|name| arguments.want(name));
    let invalidation = arguments.want("tag_invalidation");
    if !hits && !invalidation {
        return;
    }
    let server = RedisServer::builder().tcp().start();
    let runtime = Runtime::new().expect("the runtime starts");
    let cache = {
        let _inside = runtime.enter();
        Cache::connect(&server.url()).expect("the address is one of Redis")
    };
    cache.clone().install().expect("it is the first");
    // Values written in the second of the server's start, or the one after, are void.
    runtime.block_on(async {
        let _ = remote(0).await;
        sleep(Duration::from_millis(2_500)).await;
    });
    if hits {
        publish_hits(&measure_hits(&runtime));
    }
    if invalidation {
        publish_invalidation(&runtime.block_on(measure_invalidation(&server, &cache)));
    }
}

/// Time with a tag / time without, for each of [`HITS`].
type Hits = [Vec<f64>; 3];

fn measure_hits(runtime: &Runtime) -> Hits {
    runtime.block_on(async {
        for _ in 0..2 {
            let _ = (local(42).await, local_tagged(42).await, local_elsewhere(42, 7).await);
            let _ = (remote(42).await, remote_tagged(42).await);
        }
    });
    let loaded = LOADED.load(Ordering::Relaxed);
    let plain = Contender::new(local);
    let tagged = Contender::new(local_tagged);
    let elsewhere = Contender::new(async |id| local_elsewhere(id, 7).await);
    let mut hits = Hits::default();
    for round in 0..HIT_ROUNDS {
        let measure = |contender: &Contender| contender.measure(1, Ids::One);
        let before = measure(&plain);
        let [first, second] = if round % 2 == 0 { [&tagged, &elsewhere] } else { [&elsewhere, &tagged] };
        let (first, second) = (measure(first), measure(second));
        let (with, other) = if round % 2 == 0 { (first, second) } else { (second, first) };
        if let (Some(before), Some(after), Some(with), Some(other)) = (before, measure(&plain), with, other) {
            let plain = f64::midpoint(before, after);
            hits[0].push(with / plain);
            hits[1].push(other / plain);
        }
        let (plain, tagged) = runtime.block_on(async {
            if round % 2 == 0 {
                let plain = time(async || remote(42).await).await;
                (plain, time(async || remote_tagged(42).await).await)
            } else {
                let tagged = time(async || remote_tagged(42).await).await;
                (time(async || remote(42).await).await, tagged)
            }
        });
        hits[2].push(tagged / plain);
    }
    assert_eq!(LOADED.load(Ordering::Relaxed), loaded, "no body ran while it was measured");
    hits
}

async fn time<R>(call: impl AsyncFn() -> R) -> f64 {
    let watch = Stopwatch::start();
    for _ in 0..REDIS_CALLS {
        drop(call().await);
    }
    watch.elapsed().as_secs_f64()
}

fn publish_hits(hits: &Hits) {
    let mut section = Section::new("tagged_hit", &["hit", "with a tag / without", "quartiles"]);
    let rows = [
        "local level, `tags = [\"film:<id>\"]`",
        "local level, a tag of what is not in the key",
        "Redis, one caller",
    ];
    for (row, ratios) in rows.into_iter().zip(hits) {
        let ratio = Spread::of(ratios.iter().copied());
        section.row(&[row.to_owned(), format!("**{:.2}**", ratio.median), ratio.to_string()]);
    }
    section.note(format!("Medians of {HIT_ROUNDS} rounds. The target is 1.5 at most."));
    section.publish(&Machine::this().with_redis(), true);
}

/// Microseconds of an invalidation in each round, for each of [`SIZES`], and of one of a tag that nothing carries.
type Invalidations = [Vec<(f64, f64)>; 4];

async fn measure_invalidation(server: &RedisServer, cache: &Cache) -> Invalidations {
    let client = redis::Client::open(server.url()).expect("the address is one of Redis");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis answers");
    let mut invalidations = Invalidations::default();
    for round in 0..ROUNDS {
        for place in 0..SIZES.len() {
            let place = (place + round) % SIZES.len();
            let size = SIZES[place];
            let _ = sized(size, 0).await;
            filled::copy(&mut connection, &format!("sized:{size}:0"), &format!("sized:{size}:"), size).await;
            let (last, loaded) = (size - 1, LOADED.load(Ordering::Relaxed));
            let _ = sized(size, last).await;
            assert_eq!(LOADED.load(Ordering::Relaxed), loaded, "all {size} carry the tag");

            // After so many writes neither server nor client has at hand what it needs: so before, some that nothing carries.
            let none = invalidate(cache, "none").await;
            invalidations[place].push((invalidate(cache, &format!("size:{size}")).await, none));
            let _ = sized(size, last).await;
            assert_eq!(LOADED.load(Ordering::Relaxed), loaded + 1, "all {size} are gone");
        }
    }
    invalidations
}

/// The median, in microseconds, of the invalidations of all tags that begin with this.
async fn invalidate(cache: &Cache, tags: &str) -> f64 {
    let mut times = Vec::new();
    for tag in 0..TAGS {
        let watch = Stopwatch::start();
        assert!(cache.invalidate_tag(&format!("{tags}:{tag}")).await, "Redis acknowledges it");
        times.push(watch.elapsed().as_secs_f64() * 1e6);
    }
    Spread::of(times).median
}

fn publish_invalidation(invalidations: &Invalidations) {
    let mut section = Section::new(
        "tag_invalidation",
        &[
            "entries that carry the tag",
            "its invalidation / with 10 entries",
            "quartiles",
            "its invalidation",
            "of a tag that no entry carries",
        ],
    );
    for (size, rounds) in SIZES.into_iter().zip(invalidations) {
        let ratio = Spread::of(rounds.iter().zip(&invalidations[0]).map(|(this, few)| this.0 / few.0));
        let over_rounds = |value: fn(&(f64, f64)) -> f64| Spread::of(rounds.iter().map(value)).median;
        section.row(&[
            size.to_string(),
            format!("**{:.2}**", ratio.median),
            ratio.to_string(),
            format!("{:.0} µs", over_rounds(|times| times.0)),
            format!("{:.0} µs", over_rounds(|times| times.1)),
        ]);
    }
    section.note(format!("Medians of {ROUNDS} rounds, in each the median of {TAGS} tags that all entries carry. The target is a constant."));
    section.publish(&Machine::this().with_redis(), true);
}
