//! Every metric, with its unit and labels, through the `metrics` facade.

use std::{sync::OnceLock, time::Duration};

use metrics::{
    Counter, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, SharedString, Unit, with_recorder,
};

use super::{Labels, Outcome};

const REQUESTS: &str = "cache_requests_total";
const BYPASSES: &str = "cache_bypasses_total";
const LOOKUP: &str = "cache_lookup_seconds";
const LOAD: &str = "cache_load_seconds";
const STORED: &str = "cache_stored_bytes";
const DECODE_FAILURES: &str = "cache_decode_failures_total";
const LOAD_FAILURES: &str = "cache_load_failures_total";
const UNSTORABLE: &str = "cache_unstorable_total";
const REFRESHES: &str = "cache_refreshes_total";
const WRITES: &str = "cache_writes_total";
const INVALIDATIONS: &str = "cache_invalidations_total";
const INVALIDATION_FAILURES: &str = "cache_invalidation_failures_total";
const RECOVERY: &str = "cache_recovery_queue_length";

static METADATA: Metadata<'static> = Metadata::new("cache_runtime", Level::INFO, Some("cache_runtime"));

/// Tells the recorder what each metric is. Called when a cache is built.
pub(crate) fn describe() {
    with_recorder(|recorder| {
        let counter = |name: &'static str, text: &'static str| {
            recorder.describe_counter(KeyName::from_const_str(name), Some(Unit::Count), text.into());
        };
        counter(REQUESTS, "calls of cached functions, by outcome");
        counter(BYPASSES, "calls whose body ran without the cache, by reason");
        counter(DECODE_FAILURES, "stored values that could not be read and were replaced");
        counter(LOAD_FAILURES, "loads that returned an error");
        counter(REFRESHES, "loads in the background while an old value is served, by how they ended");
        counter(
            UNSTORABLE,
            "values that were not stored: too large, not serialisable, or not readable afterwards",
        );
        counter(WRITES, "calls of functions that write through, by what became of their value");
        counter(INVALIDATIONS, "keys invalidated");
        counter(INVALIDATION_FAILURES, "invalidations that were not acknowledged and will be repeated");
        let histogram = |name: &'static str, unit: Unit, text: &'static str| {
            recorder.describe_histogram(KeyName::from_const_str(name), Some(unit), text.into());
        };
        histogram(LOOKUP, Unit::Seconds, "time of a look-up in the store");
        histogram(LOAD, Unit::Seconds, "time of a load");
        histogram(STORED, Unit::Bytes, "size of stored values, header included");
        recorder.describe_gauge(
            KeyName::from_const_str(RECOVERY),
            Some(Unit::Count),
            "invalidations that wait to be repeated".into(),
        );
    });
}

/// How many invalidations wait to be repeated.
pub(crate) fn gauge_recovery(length: usize) {
    let key = Key::from_static_name(RECOVERY);
    with_recorder(|recorder| recorder.register_gauge(&key, &METADATA).set(length as f64));
}

/// The metrics of one function; the names with their labels are made once.
#[derive(Debug, Default)]
pub(crate) struct Emitter(OnceLock<Keys>);

#[derive(Debug)]
struct Keys {
    requests: [Key; Outcome::ALL.len()],
    lookup: Key,
    load: Key,
    stored: Key,
}

impl Emitter {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    pub(crate) fn request(&self, labels: Labels, outcome: Outcome) {
        self.requests(labels, outcome, 1);
    }

    pub(crate) fn requests(&self, labels: Labels, outcome: Outcome, number: u64) {
        let key = &self.keys(labels).requests[outcome.index()];
        with_recorder(|recorder| recorder.register_counter(key, &METADATA).increment(number));
    }

    pub(crate) fn bypass(&self, labels: Labels, reason: &'static str) {
        counter(&key_with(BYPASSES, labels, Some(("reason", reason)))).increment(1);
    }

    pub(crate) fn lookup(&self, labels: Labels, time: Duration) {
        with_recorder(|recorder| histogram(recorder, &self.keys(labels).lookup).record(time.as_secs_f64()));
    }

    pub(crate) fn load(&self, labels: Labels, time: Duration) {
        with_recorder(|recorder| histogram(recorder, &self.keys(labels).load).record(time.as_secs_f64()));
    }

    pub(crate) fn stored(&self, labels: Labels, bytes: usize) {
        with_recorder(|recorder| histogram(recorder, &self.keys(labels).stored).record(bytes as f64));
    }

    pub(crate) fn decode_failure(&self, labels: Labels) {
        counter(&key_with(DECODE_FAILURES, labels, None)).increment(1);
    }

    pub(crate) fn load_failure(&self, labels: Labels) {
        counter(&key_with(LOAD_FAILURES, labels, None)).increment(1);
    }

    pub(crate) fn unstorable(&self, labels: Labels, reason: &'static str) {
        counter(&key_with(UNSTORABLE, labels, Some(("reason", reason)))).increment(1);
    }

    pub(crate) fn refresh(&self, labels: Labels, result: &'static str) {
        counter(&key_with(REFRESHES, labels, Some(("result", result)))).increment(1);
    }

    pub(crate) fn write(&self, labels: Labels, result: &'static str) {
        counter(&key_with(WRITES, labels, Some(("result", result)))).increment(1);
    }

    pub(crate) fn invalidations(&self, labels: Labels, done: u64, failed: u64) {
        if done > 0 {
            counter(&key_with(INVALIDATIONS, labels, None)).increment(done);
        }
        if failed > 0 {
            counter(&key_with(INVALIDATION_FAILURES, labels, None)).increment(failed);
        }
    }

    fn keys(&self, labels: Labels) -> &Keys {
        self.0.get_or_init(|| Keys {
            requests: Outcome::ALL
                .map(|outcome| key_with(REQUESTS, labels, Some(("outcome", outcome.name())))),
            lookup: key_with(LOOKUP, labels, None),
            load: key_with(LOAD, labels, None),
            stored: key_with(STORED, labels, None),
        })
    }
}

/// Hits in the process that the recorder was not told of yet.
pub(crate) fn local_hits(labels: Labels, number: u64) {
    if number > 0 {
        let outcome = ("outcome", Outcome::HitLocal.name());
        counter(&key_with(REQUESTS, labels, Some(outcome))).increment(number);
    }
}

fn key_with(name: &'static str, labels: Labels, extra: Option<(&'static str, &'static str)>) -> Key {
    let label = |name: &'static str, value: &'static str| {
        Label::new(SharedString::const_str(name), SharedString::const_str(value))
    };
    let mut all = vec![
        label("function", labels.function),
        label("template", labels.template),
        label("ttl_class", labels.ttl_class),
    ];
    all.extend(extra.map(|(name, value)| label(name, value)));
    Key::from_parts(name, all)
}

fn counter(key: &Key) -> Counter {
    with_recorder(|recorder| recorder.register_counter(key, &METADATA))
}

fn histogram(recorder: &dyn Recorder, key: &Key) -> Histogram {
    recorder.register_histogram(key, &METADATA)
}
