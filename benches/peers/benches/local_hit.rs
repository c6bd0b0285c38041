//! A hit in the local level of `#[cached]`, beside a bare look-up in quick_cache and in moka, and beside the macro of the
//! `cached` crate in each of its forms.
//!
//! All hold the same thousand values and give an `Arc` out, on one thread and on two. Ours is on Redis, with coherence by
//! client tracking, metrics and expiry on. The contenders take turns, and who begins changes from round to round.
//! quick_cache runs twice in each round; how much it differs from itself is the noise.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cache_benches::{Arguments, Contender, Ids, Machine, Section, Spread, film::Film, sleep};
use cache_peers::{cached_forms, version};
use cache_runtime::{Cache, cached, testing::server::RedisServer};
use tokio::runtime::Runtime;

const ROUNDS: usize = 13;
const FILMS: u64 = 1_000;
const CAPACITY: usize = 10_000;
const MINUTES: Duration = Duration::from_secs(300);

/// How often a body ran: once for each value and function, or something missed.
static LOADED: AtomicU64 = AtomicU64::new(0);

fn load(id: u64) -> Film {
    LOADED.fetch_add(1, Ordering::Relaxed);
    Film::of(id)
}

#[cached(ttl = "5m", local = "5m", jitter = 0.0, key = "film:<id>")]
async fn film(id: u64) -> Arc<Film> {
    Arc::new(load(id))
}

#[cached(ttl = "5m", local = "5m", jitter = 0.0, key = "film:copy:<id>")]
async fn film_copy(id: u64) -> Film {
    load(id)
}

#[cached(ttl = "5m", local = "5m", jitter = 0.0, key = "film:named:<name>")]
async fn film_named(name: &str) -> Arc<Film> {
    Arc::new(load(name.len() as u64))
}

/// What is measured, in the order of the columns.
const CASES: [(&str, usize, Ids); 3] = [
    ("local_hit/one", 1, Ids::One),
    ("local_hit/same", 2, Ids::One),
    ("local_hit/spread", 2, Ids::Spread(FILMS)),
];

const QUICK: &str = "bare quick_cache, `u64`";
const NOISE: &str = "the same again";
const OURS: &str = "**`#[cached(local = ..)]`, `<id>` a `u64`**";
const NAMED: &str = "**`#[cached(local = ..)]`, `<name>` a `&str`**";
const COPY: &str = "**`#[cached(local = ..)]` that returns a clone**";

type Figures = HashMap<(&'static str, usize), Vec<f64>>;

fn main() {
    let arguments = Arguments::of_process();
    let cases: Vec<usize> = (0..CASES.len()).filter(|case| arguments.want(CASES[*case].0)).collect();
    if cases.is_empty() {
        return;
    }
    let server = RedisServer::builder().tcp().start();
    let runtime = Runtime::new().expect("the runtime starts");
    let cache = {
        let _inside = runtime.enter();
        Cache::connect(&server.url()).expect("the address is one of Redis")
    };
    cache.clone().install().expect("it is the first");
    runtime.block_on(warm());
    let loaded = LOADED.load(Ordering::Relaxed);

    let contenders = contenders();
    let mut figures = Figures::new();
    for round in 0..ROUNDS {
        for place in 0..contenders.len() {
            let (name, contender) = &contenders[(place + round * 5) % contenders.len()];
            for case in &cases {
                let (_, threads, ids) = CASES[*case];
                figures
                    .entry((*name, *case))
                    .or_default()
                    .push(contender.measure(threads, ids).unwrap_or(f64::NAN));
            }
        }
    }
    assert_eq!(LOADED.load(Ordering::Relaxed), loaded, "no body ran while it was measured");
    let report = cache.report();
    for name in ["film", "film_copy", "film_named"] {
        let calls = report.function(name).expect("it was called").calls;
        assert!(calls.hits_local > 100 * calls.hits, "{name} was measured in the local level: {calls:?}");
    }
    publish(&figures, &cases);
}

async fn warm() {
    // Values written in the second of the server's start, or the one after, are void.
    let _ = film(0).await;
    sleep(Duration::from_millis(2_500)).await;
    // Once into Redis, once into the local level.
    for id in (0..FILMS).chain(0..FILMS) {
        assert_eq!((film(id).await.id, film_copy(id).await.id), (id, id));
        let _ = film_named(&named(id)).await;
    }
}

fn named(id: u64) -> String {
    format!("ada-lovelace-{id}")
}

fn contenders() -> Vec<(&'static str, Contender)> {
    let films = || (0..FILMS).map(|id| (id, Arc::new(Film::of(id))));
    let quick = || {
        let cache = quick_cache::sync::Cache::new(CAPACITY);
        films().for_each(|(id, film)| cache.insert(id, film));
        cache
    };
    let names: Vec<String> = (0..FILMS).map(named).collect();
    let by_name = quick_cache::sync::Cache::<String, Arc<Film>>::new(CAPACITY);
    films().for_each(|(id, film)| by_name.insert(named(id), film));
    let in_sync = moka::sync::Cache::builder().max_capacity(CAPACITY as u64).time_to_live(MINUTES).build();
    films().for_each(|(id, film)| in_sync.insert(id, film));
    let in_future =
        moka::future::Cache::builder().max_capacity(CAPACITY as u64).time_to_live(MINUTES).build();
    let filled = async {
        for (id, film) in films() {
            in_future.insert(id, film).await
        }
    };
    tokio::runtime::Builder::new_current_thread().build().expect("the runtime starts").block_on(filled);

    let (first, again, to_copy, strings) = (quick(), quick(), quick(), names.clone());
    let mut contenders = vec![
        (QUICK, Contender::new(async move |id| first.get(&id))),
        (NOISE, Contender::new(async move |id| again.get(&id))),
        (
            "bare quick_cache, `String`",
            Contender::new(async move |id: u64| by_name.get(names[id as usize].as_str())),
        ),
        (
            "bare quick_cache and a clone",
            Contender::new(async move |id| to_copy.get(&id).map(|film| Film::clone(&film))),
        ),
        (OURS, Contender::new(film)),
        (NAMED, Contender::new(async move |id: u64| film_named(&strings[id as usize]).await)),
        (COPY, Contender::new(film_copy)),
        ("moka, `sync`, with a TTL", Contender::new(async move |id| in_sync.get(&id))),
        ("moka, `future`, with a TTL", Contender::new(async move |id| in_future.get(&id).await)),
    ];
    contenders.extend(cached_forms());
    contenders
}

fn publish(figures: &Figures, cases: &[usize]) {
    let complete = cases.len() == CASES.len();
    let over = |name, case, other| {
        let of = |name| figures[&(name, case)].iter().copied();
        // Twice measured is half the noise.
        let others: Vec<f64> = match other {
            QUICK => of(QUICK).zip(of(NOISE)).map(|(one, again)| f64::midpoint(one, again)).collect(),
            other => of(other).collect(),
        };
        let others = if name == NOISE { of(QUICK).collect() } else { others };
        finite(of(name).zip(others).map(|(one, other)| one / other))
    };
    let mut heads = vec!["a hit"];
    for case in cases {
        heads.extend([["one thread", "two, one key", "two, 1,000 keys"][*case], "quartiles", "ns"]);
    }
    let mut section = Section::new("local_hit", &heads);
    let rows = contenders().into_iter().map(|(name, _)| name).filter(|name| *name != QUICK);
    for name in std::iter::once(QUICK).chain(rows) {
        let mut row = vec![name.to_owned()];
        for case in cases {
            let (ratio, time) = (over(name, *case, QUICK), finite(figures[&(name, *case)].iter().copied()));
            row.extend(ratio.map_or(["–".to_owned(), "–".to_owned()], |ratio| {
                [format!("**{:.2}**", ratio.median), ratio.to_string()]
            }));
            row.push(time.map_or("–".to_owned(), |time| format!("{:.0}", time.median)));
        }
        section.row(&row);
    }
    let peers = ["quick_cache", "moka", "cached"].map(version).join(", ");
    section.note(format!(
        "Time per call and thread / that of bare quick_cache in the same round; medians of {ROUNDS} rounds, {peers}."
    ));
    section.publish(&Machine::this().with_redis(), complete);
    if complete {
        targets(&over);
    }
}

/// What the table means for us.
fn targets(over: &dyn Fn(&'static str, usize, &'static str) -> Option<Spread>) {
    let mut section = Section::new("local_hit_targets", &["ratio", "target", "measured", "quartiles"]);
    let mut row = |what: &str, target: &str, ratio: Option<Spread>| {
        let (median, quartiles) =
            ratio.map_or(Default::default(), |ratio| (format!("**{:.2}**", ratio.median), ratio.to_string()));
        section.row(&[what.to_owned(), target.to_owned(), median, quartiles]);
    };
    row("`#[cached]` / bare quick_cache, one thread", "1.7 at most", over(OURS, 0, QUICK));
    row("`#[cached]` / bare quick_cache, two threads, one key", "1.0 at most", over(OURS, 1, QUICK));
    row("`#[cached]` / bare quick_cache, two threads, 1,000 keys", "1.0 at most", over(OURS, 2, QUICK));
    for (case, keys) in [(1, "one key"), (2, "1,000 keys")] {
        for (which, expires) in [("fastest form", false), ("fastest form that expires", true)] {
            let forms = cached_forms().into_iter().map(|(form, _)| form);
            let forms = forms.filter(|form| !expires || form.contains("ttl_secs") || form.contains("Ttl"));
            let ratios = forms.filter_map(|form| Some((form, over(form, case, OURS)?)));
            let fastest = ratios.min_by(|(_, one), (_, other)| one.median.total_cmp(&other.median));
            if let Some((form, ratio)) = fastest {
                let what =
                    format!("{which} of the `cached` crate, {form}, / `#[cached]`, two threads, {keys}");
                row(&what, "3 at least", Some(ratio));
            }
        }
    }
    row(
        "`#[cached]` that returns a clone / bare quick_cache and a clone, one thread",
        "",
        over(COPY, 0, "bare quick_cache and a clone"),
    );
    section.publish(&Machine::this().with_redis(), true);
}

fn finite(figures: impl Iterator<Item = f64>) -> Option<Spread> {
    let mut figures = figures.filter(|figure| figure.is_finite()).peekable();
    figures.peek()?;
    Some(Spread::of(figures))
}
