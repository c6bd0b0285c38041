//! What the cache says of itself: `names` is every metric, `stats` the counters behind [`crate::Report`], `complaints` what
//! it says in the log of a function whose values are unfit.
//!
//! Labels are the function, its template and its TTL class, never a key.

mod complaints;
mod names;
pub(crate) mod report;
pub(crate) mod stats;

pub(crate) use self::{
    complaints::{Complaint, Complaints},
    names::{Emitter, describe, gauge_recovery, local_hits},
    stats::{Labels, Outcome, StatsTable},
};
