//! Holds values in the process while the wall clock is set (`tests/it/regression/clocks.rs`), and says what became of them.

use std::{
    env, fs,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use cache_runtime::{Cache, Remaining, cached};
use cache_tests::worker::say;

static RUNS: AtomicU64 = AtomicU64::new(0);

#[cached(ttl = "1h", jitter = 0.0, early_refresh = false, key = "held:<id>")]
async fn held(id: u64) -> u64 {
    RUNS.fetch_add(1, Ordering::Relaxed);
    id
}

#[cached(ttl = "1h", jitter = 0.0, early_refresh = false, local = "1h", key = "near:<id>")]
async fn near(id: u64) -> u64 {
    RUNS.fetch_add(1, Ordering::Relaxed);
    id
}

#[expect(clippy::disallowed_methods, reason = "it is this clock that is set")]
fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("later")
}

/// Puts the wall clock ahead by so much, or back.
fn set(seconds: i64) {
    fs::write(env::var("CLOCK_SHIFT").expect("set"), seconds.to_string()).expect("written");
}

async fn call_all() {
    held(1).await;
    // Once for the store, once for the level in front of it.
    near(1).await;
    near(1).await;
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let cache = Cache::in_memory();
    cache
        .scope(async {
            let began = wall();
            call_all().await;
            for seconds in [-86_400, 86_400] {
                set(seconds);
                call_all().await;
                let left = match held::entry(&1).ttl().await {
                    Remaining::For(left) => left.as_secs(),
                    _ => 0,
                };
                let moved = wall().as_secs_f64() - began.as_secs_f64();
                say(format_args!("moved {moved:.0} left {left} runs {}", RUNS.load(Ordering::Relaxed)));
            }
        })
        .await;
}
