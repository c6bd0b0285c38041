//! Calls one cached function three times and says what came of it. For tests that need a process of their own.
#![expect(clippy::print_stdout, reason = "its output is what the tests read")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cache_runtime::{Cache, HealthState, Remaining, cached};
use tracing::{Level, Metadata, Subscriber, span};

static LOADS: AtomicU64 = AtomicU64::new(0);

#[cached(ttl = "STANDARD", key = "probe:<id>")]
async fn probe(id: u64) -> u64 {
    LOADS.fetch_add(1, Ordering::Relaxed);
    id
}

/// Counts what the cache says.
#[derive(Clone, Default)]
struct Events(Arc<[AtomicU64; 2]>);

impl Subscriber for Events {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        self.0[usize::from(*event.metadata().level() == Level::ERROR)].fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// A machine may be too slow for the budget of a call, within which a first connect is waited for.
#[expect(clippy::disallowed_methods, reason = "a process of its own waits for a real server")]
async fn wait_for_redis() {
    let cache = Cache::current();
    for _ in 0..1_000 {
        if cache.health().state == HealthState::Connected {
            return;
        }
        cache.connected().await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn main() {
    let events = Events::default();
    tracing::subscriber::set_global_default(events.clone()).expect("the first");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        if std::env::args().nth(1).as_deref() == Some("install") {
            let cache = || Cache::builder().namespace("installed").and_then(|builder| builder.build());
            cache().and_then(Cache::install).expect("the first");
            let again = cache().and_then(Cache::install).expect_err("the second");
            println!("again={again}");
        }
        if std::env::var_os("REDIS_URL").is_some_and(|url| url.as_encoded_bytes().starts_with(b"redis")) {
            wait_for_redis().await;
        }
        for _ in 0..3 {
            probe(1).await;
        }
        let left = match probe::entry(&1).ttl().await {
            Remaining::For(left) => left + Duration::from_millis(999),
            _ => Duration::ZERO,
        };
        println!("ttl={}", left.as_secs());
        println!("key={}", probe::entry(&1).key());
        println!("health={}", Cache::current().health());
    });
    println!("loads={}", LOADS.load(Ordering::Relaxed));
    let [warnings, errors] = [0, 1].map(|level: usize| events.0[level].load(Ordering::Relaxed));
    println!("warnings={warnings}\nerrors={errors}");
}
