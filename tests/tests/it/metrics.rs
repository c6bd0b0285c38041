//! What the cache says of itself.

use std::collections::BTreeMap;

use cache_runtime::{Cache, cached, testing::TestClock};
use metrics_util::{
    MetricKind,
    debugging::{DebugValue, DebuggingRecorder},
};

use crate::support::{DbError, Runs};

#[cached(ttl = "STANDARD", key = "user:<id>", jitter = 0, skip = [runs])]
async fn get_user(id: u64, runs: &Runs) -> Result<u64, DbError> {
    runs.one_more();
    if id == 0 { Err(DbError("no")) } else { Ok(id) }
}

#[cached(ttl = "90s", key = "plain")]
async fn plain() -> u64 {
    1
}

#[cached(invalidates = [get_user(id)])]
async fn delete_user(id: u64) {}

/// All kinds of calls; the ids are recognisable.
async fn calls(clock: &TestClock) {
    let runs = Runs::default();
    get_user(424_242, &runs).await.unwrap();
    get_user(424_242, &runs).await.unwrap();
    get_user(424_242, &runs).await.unwrap();
    delete_user(424_242).await;
    get_user(424_242, &runs).await.unwrap();
    clock.advance(std::time::Duration::from_secs(4_000));
    get_user(424_242, &runs).await.unwrap();
    get_user(0, &runs).await.unwrap_err();
    plain().await;
}

#[tokio::test]
async fn the_report_counts_hits_and_the_reasons_of_misses() {
    let clock = TestClock::default();
    let cache = clock.in_memory();
    cache.scope(calls(&clock)).await;
    let report = cache.report();
    let row = report.function("metrics::get_user").expect("it was called");
    assert_eq!((row.template, row.ttl_class), ("user:<id>", "STANDARD"));
    let calls = row.calls;
    assert_eq!(
        (calls.hits, calls.misses_cold, calls.misses_invalidated, calls.misses_expired, calls.bypassed),
        (2, 2, 1, 1, 0)
    );
    assert_eq!(row.load_failures, 1);
    assert_eq!(calls.hit_rate(), Some(2.0 / 6.0));
    let classes: Vec<_> = report.ttl_classes.iter().map(|row| (row.ttl_class, row.calls.misses())).collect();
    assert_eq!(classes, [("STANDARD", 4), ("custom", 1)]);
    let text = report.to_string();
    assert!(text.contains("33.3 %") && text.contains("metrics::get_user"), "{text}");
}

#[test]
fn metrics_have_the_labels_of_a_function_and_never_a_key() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let clock = TestClock::default();
        runtime.block_on(clock.in_memory().scope(calls(&clock)));
    });
    let mut counters = BTreeMap::new();
    let mut histograms = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let (kind, key) = key.into_parts();
        let labels: BTreeMap<String, String> =
            key.labels().map(|label| (label.key().to_owned(), label.value().to_owned())).collect();
        for value in labels.values() {
            assert!(!value.contains("424242"), "a key in the label of {key}");
        }
        if !labels.get("function").is_some_and(|function| function.ends_with("metrics::get_user")) {
            continue;
        }
        assert_eq!((&*labels["template"], &*labels["ttl_class"]), ("user:<id>", "STANDARD"));
        match (kind, value) {
            (MetricKind::Counter, DebugValue::Counter(count)) => {
                let outcome = labels.get("outcome").map_or("", String::as_str).to_owned();
                counters.insert((key.name().to_owned(), outcome), count);
            }
            (MetricKind::Histogram, DebugValue::Histogram(values)) => {
                histograms.insert(key.name().to_owned(), values.len());
            }
            (kind, value) => panic!("{kind:?} {key} {value:?}"),
        }
    }
    let counted = |name: &str, outcome: &str| counters.get(&(name.to_owned(), outcome.to_owned())).copied();
    assert_eq!(counted("cache_requests_total", "hit_remote"), Some(2));
    assert_eq!(counted("cache_requests_total", "miss_cold"), Some(2));
    assert_eq!(counted("cache_requests_total", "miss_invalidated"), Some(1));
    assert_eq!(counted("cache_requests_total", "miss_expired"), Some(1));
    assert_eq!(counted("cache_load_failures_total", ""), Some(1));
    assert_eq!(histograms["cache_lookup_seconds"], 6);
    assert_eq!(histograms["cache_load_seconds"], 4);
    assert_eq!(histograms["cache_stored_bytes"], 3);
}

#[tokio::test]
async fn a_value_that_is_too_large_is_counted_and_not_stored() {
    #[cached(ttl = "5m", key = "large:<size>", skip = [runs])]
    async fn large(size: usize, runs: &Runs) -> String {
        runs.one_more();
        "x".repeat(size)
    }
    let cache = Cache::builder().max_value_size(1_000).build().unwrap();
    let runs = Runs::default();
    cache
        .scope(async {
            for _ in 0..2 {
                large(500, &runs).await;
                large(1_000, &runs).await;
            }
        })
        .await;
    assert_eq!(runs.get(), 3);
}
