//! The attribute on real functions, on both stores.
#![expect(clippy::unwrap_used, reason = "these are tests, also where they are not marked as such")]
#![expect(
    clippy::disallowed_methods,
    reason = "a real Redis keeps real time, so some of it has to pass here"
)]

mod batches;
mod caching;
mod coherence;
mod companion;
mod configuration;
mod connection;
mod counts;
mod deploys;
mod detach;
mod faults;
mod fences;
mod fleet;
mod flights;
mod local;
mod metrics;
mod options;
mod patterns;
mod proxy;
mod recovery;
mod refresh;
mod regression;
mod support;
mod tags;
mod values;
mod worker;
mod writes;
