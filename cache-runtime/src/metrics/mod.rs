//! What the cache says of itself: `names` is every metric, `stats` the counters behind [`crate::Report`].
//!
//! Labels are the function, its template and its TTL class, never a key.

mod names;
pub(crate) mod report;
pub(crate) mod stats;

pub(crate) use self::{
    names::{Emitter, describe, gauge_recovery, local_hits},
    stats::{Labels, Outcome, StatsTable},
};
