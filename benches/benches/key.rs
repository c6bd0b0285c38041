//! Building the key `user:42`, beside `format!`.

use std::{hint::black_box, time::Duration};

use cache_benches::{
    Arguments, Machine, Section,
    criterion_run::CriterionRun,
    film::{Film, LoadError},
};
use cache_runtime::{__private_0_1_0 as private, Cache, KeyWriter, cached};
use criterion::Criterion;

/// What the issue allows for `user:42`.
const TARGET_NANOSECONDS: f64 = 15.0;

#[cached(ttl = "STANDARD", key = "user:<id>")]
async fn get_user(id: u64) -> Result<Film, LoadError> {
    Ok(Film::of(id))
}

#[cached(ttl = "STANDARD", key = "user:<name>:films:<page>")]
async fn films_of(name: String, page: u32) -> Result<Film, LoadError> {
    Ok(Film { title: name, ..Film::of(page.into()) })
}

/// Name in the table, the key of `#[cached]`, and `format!`.
const PAIRS: [(&str, &str, &str); 2] = [
    ("`user:42`", "key/number", "key/format_number"),
    ("`user:ada-lovelace:films:3`", "key/text", "key/format_text"),
];

fn main() {
    if !Arguments::of_process().is_bench() {
        return;
    }
    let run = CriterionRun::begin(PAIRS.iter().flat_map(|(_, key, format)| [*key, *format]));
    let mut criterion = run.criterion();
    measure(&mut criterion);
    publish(&run);
}

/// A key where it stays, as a call makes it.
fn written(cache: &private::Cache, write: impl FnOnce(&mut KeyWriter)) {
    let mut key = private::key(black_box(cache));
    private::namespace(&mut key, cache);
    write(&mut key);
    black_box(&key);
}

fn measure(criterion: &mut Criterion) {
    let cache = private::cache(&Cache::in_memory());
    let mut group = criterion.benchmark_group("key");
    group.measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_secs(1));
    group.bench_function("number", |bencher| {
        bencher.iter(|| written(&cache, |key| <get_user>::__key(key, black_box(&42))));
    });
    group.bench_function("format_number", |bencher| {
        bencher.iter(|| format!("user:{}", black_box(42_u64)));
    });
    group.bench_function("text", |bencher| {
        bencher.iter(|| {
            written(&cache, |key| <films_of>::__key(key, black_box("ada-lovelace"), black_box(&3)));
        });
    });
    group.bench_function("format_text", |bencher| {
        bencher.iter(|| format!("user:{}:films:{}", black_box("ada-lovelace"), black_box(3_u32)));
    });
    group.finish();
}

fn publish(run: &CriterionRun) {
    let mut section =
        Section::new("key", &["key", "`#[cached]` / `format!`", "`#[cached]`", "95 %", "`format!`"]);
    let mut complete = true;
    for (key, ours, format) in PAIRS {
        let (Some(ours), Some(format)) = (run.estimate(ours), run.estimate(format)) else {
            complete = false;
            continue;
        };
        section.row(&[
            key.to_owned(),
            format!("**{:.2}**", ours.median / format.median),
            format!("{:.1} ns", ours.median),
            format!("{:.1} – {:.1} ns", ours.lower, ours.upper),
            format!("{:.1} ns", format.median),
        ]);
    }
    section.note(format!("Medians; the target for `user:42` is {TARGET_NANOSECONDS:.0} ns."));
    section.publish(&Machine::this(), complete);
}
