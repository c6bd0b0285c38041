//! The rules of the cache: no I/O, no async, no clock.
//!
//! `entry` is the transition table of the protocol, which the in-process store runs and the Redis scripts
//! are checked against; `key` makes keys that cannot collide, `pattern` finds them by their spelling, and
//! `forgotten` remembers by which of them values were dropped; `policy` says how long;
//! `verdict` judges what was found.

pub(crate) mod entry;
pub(crate) mod forgotten;
pub(crate) mod key;
pub(crate) mod pattern;
pub(crate) mod policy;
pub(crate) mod verdict;
