//! One attribute turns an async service function into a cached one, on Redis or in process.
//!
//! ```no_run
//! use cache_runtime::cached;
//! # use serde::{Serialize, Deserialize};
//! # #[derive(Clone, Serialize, Deserialize)] struct User { id: u64 }
//! # struct UserChange; struct DbError;
//!
//! #[cached(ttl = "STANDARD", key = "user:<id>")]
//! async fn get_user(id: u64) -> Result<User, DbError> {
//!     // SQL: runs on a miss only
//! #   Ok(User { id })
//! }
//!
//! #[cached(ttl = "STANDARD", key = "user:<id>", invalidates = ["users:leaderboard"])]
//! async fn update_user(id: u64, change: UserChange) -> Result<User, DbError> {
//!     // SQL: its result is stored under `user:<id>`, and the leaderboard is invalidated
//! #   Ok(User { id })
//! }
//! # #[cached(ttl = "FREQUENT", key = "users:leaderboard")]
//! # async fn top_users() -> Vec<User> { vec![] }
//! ```
//!
//! With no configuration it caches in the process; with `REDIS_URL` set, on Redis. See [`cached`] for the options,
//! [`Cache`] for the handle, [`Entry`] for what `get_user::entry(&42)` can do, [`registry::audit`] for a check that
//! belongs into the tests of every service.
//!
//! # Features
//! | feature | adds |
//! |---|---|
//! | `tls` | `rediss://` and `REDIS_TLS=true` |
//! | `uuid`, `chrono`, `time` | [`KeyPart`] for the types of these crates |
//! | `testing` | `testing`: a real `redis-server` and a clock that tests move |
//!
//! # Consistency
//! A read that begins after a write has returned never gets the older value, in any process, while the writer reaches
//! Redis. A write-through function fences its own key while its body runs, so a read that begins after the *commit*
//! gets the new value, too. Tags, patterns and batches are no exception. A function with `local` sees what *other* processes
//! write as soon as their message has come. What is not promised: a write that crashes between its commit and its invalidation leaves
//! the old value of its *targets* until their TTL ends; a loader that reads from a lagging replica can load old data.

/// The samples of the README, each a program of its own.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

mod ambient;
mod builder;
mod cache;
mod codec;
mod domain;
mod engine;
mod entry;
mod error;
mod flight;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzz;
mod local;
mod metrics;
mod redis;
pub mod registry;
mod resilience;
mod store;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;

#[doc(hidden)]
#[path = "__private.rs"]
pub mod __private_0_1_0;

pub use cache_macros::{KeyPart, cached};

pub use crate::{
    builder::CacheBuilder,
    cache::{Cache, Health, HealthState, LocalHealth},
    domain::{
        key::{Key, KeyPart, KeyWriter},
        policy::{Ttl, TtlClass},
    },
    engine::{CacheValue, Invalidated},
    entry::{Entry, PlainEntry, Remaining},
    error::{Error, ErrorKind},
    metrics::report::{Calls, FunctionReport, Report, TtlClassReport},
    redis::lanes::BreakerState,
    store::redis::Coherence,
};
