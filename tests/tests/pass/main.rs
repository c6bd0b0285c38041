//! Everything that the attribute takes, compiled with the strictest lints and run: `../ui/pass/`.
//!
//! Each body returns a number that nothing else returns ([`tick`]), so two equal results are one run of the body.

#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, unused_qualifications)]
#![deny(
    clippy::all,
    clippy::pedantic,
    clippy::use_self,
    clippy::needless_pass_by_value,
    clippy::redundant_clone
)]

use std::sync::atomic::{AtomicU64, Ordering};

use cache_runtime::Cache;

#[path = "../ui/pass/arguments.rs"]
mod arguments;
#[path = "../ui/pass/attributes.rs"]
mod attributes;
#[path = "../ui/pass/batches.rs"]
mod batches;
#[path = "../ui/pass/bodies.rs"]
mod bodies;
#[path = "../ui/pass/companions.rs"]
mod companions;
#[path = "../ui/pass/generics.rs"]
mod generics;
#[path = "../ui/pass/keys.rs"]
mod keys;
#[path = "../ui/pass/methods.rs"]
mod methods;
#[path = "../ui/pass/options.rs"]
mod options;
#[path = "../ui/pass/parameters.rs"]
mod parameters;
#[path = "../ui/pass/results.rs"]
mod results;
#[path = "../ui/pass/spawned.rs"]
mod spawned;
#[path = "../ui/pass/tags.rs"]
mod tags;
#[path = "../ui/pass/traits.rs"]
mod traits;
#[path = "../ui/pass/writes.rs"]
mod writes;

/// A number that was never returned before.
fn tick() -> u64 {
    static TICKS: AtomicU64 = AtomicU64::new(1);
    TICKS.fetch_add(1, Ordering::Relaxed)
}

/// Runs a test on a cache of its own. Spawned, so that whatever it calls must be `Send`.
async fn run(test: impl Future<Output = ()> + Send + 'static) {
    let cache = Cache::in_memory();
    tokio::spawn(async move { cache.scope(test).await }).await.expect("the test has not panicked");
}

/// The result of a call that is made twice and runs the body once.
macro_rules! once {
    ($call:expr) => {{
        let first = $call.await;
        assert_eq!(first, $call.await, "the body has run twice");
        first
    }};
}
use once;
