//! A hit in this process through `#[cached]`, beside the bare decoding of the same bytes, which is a part of it.

use std::{hint::black_box, time::Duration};

use cache_benches::{
    Arguments, Machine, Section, Stopwatch,
    criterion_run::CriterionRun,
    film::{Film, LoadError},
};
use cache_runtime::{Cache, cached};
use criterion::Criterion;
use tokio::runtime::Runtime;

#[cached(ttl = "STANDARD", key = "film:<id>")]
async fn film(id: u64) -> Result<Film, LoadError> {
    Ok(Film::of(id))
}

#[cached(ttl = "STANDARD", key = "votes:<id>")]
async fn votes(id: u64) -> Result<u64, LoadError> {
    Ok(70_000 + id)
}

/// Hit and decoding of the same value.
const PAIRS: [(&str, &str, &str); 2] = [
    ("a film: 12 fields, 292 bytes", "in_process_hit/film", "in_process_hit/decode_film"),
    ("a number", "in_process_hit/number", "in_process_hit/decode_number"),
];

fn main() {
    if !Arguments::of_process().is_bench() {
        return;
    }
    let run = CriterionRun::begin(PAIRS.iter().flat_map(|(_, hit, decode)| [*hit, *decode]));
    let runtime = Runtime::new().expect("the runtime starts");
    Cache::in_memory().install().expect("it is the first");
    let mut criterion = run.criterion();
    measure(&mut criterion, &runtime);
    publish(&run);
}

fn measure(criterion: &mut Criterion, runtime: &Runtime) {
    let mut group = criterion.benchmark_group("in_process_hit");
    group.measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
    // Inside of one task: entering a runtime takes longer than a hit.
    group.bench_function("film", |bencher| {
        bencher.iter_custom(|calls| {
            runtime.block_on(async {
                drop(film(42).await);
                let watch = Stopwatch::start();
                for _ in 0..calls {
                    drop(black_box(film(black_box(42)).await));
                }
                watch.elapsed()
            })
        });
    });
    let bytes = Film::encode(&Film::of(42));
    group.bench_function("decode_film", |bencher| {
        bencher.iter(|| rmp_serde::from_slice::<Film>(black_box(&bytes)));
    });
    group.bench_function("number", |bencher| {
        bencher.iter_custom(|calls| {
            runtime.block_on(async {
                drop(votes(42).await);
                let watch = Stopwatch::start();
                for _ in 0..calls {
                    drop(black_box(votes(black_box(42)).await));
                }
                watch.elapsed()
            })
        });
    });
    let bytes = Film::encode(&70_042_u64);
    group.bench_function("decode_number", |bencher| {
        bencher.iter(|| rmp_serde::from_slice::<u64>(black_box(&bytes)));
    });
    group.finish();
}

fn publish(run: &CriterionRun) {
    let mut section =
        Section::new("in_process_hit", &["value", "hit / bare decoding", "hit", "95 %", "bare decoding"]);
    let mut complete = true;
    for (value, hit, decode) in PAIRS {
        let (Some(hit), Some(decode)) = (run.estimate(hit), run.estimate(decode)) else {
            complete = false;
            continue;
        };
        section.row(&[
            value.to_owned(),
            format!("**{:.1}**", hit.median / decode.median),
            format!("{:.0} ns", hit.median),
            format!("{:.0} – {:.0} ns", hit.lower, hit.upper),
            format!("{:.0} ns", decode.median),
        ]);
    }
    section.note("Medians; one task, one entry.");
    section.publish(&Machine::this(), complete);
}
