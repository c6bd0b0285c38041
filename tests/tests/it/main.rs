//! The attribute on real functions, on both stores.

mod caching;
mod companion;
mod configuration;
mod counts;
mod deploys;
mod flights;
mod metrics;
mod options;
mod outage;
mod support;
mod writes;
