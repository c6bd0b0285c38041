//! The history checker: what real processes read and wrote, held against what was committed.
//!
//! `tests/history.rs` starts two or more processes (`bin/history.rs`) on one real Redis and one SQLite file, and
//! disturbs both by a [`plan`]. Each process notes what it does with the times of a clock that all of them share
//! ([`event`]). Afterwards [`check`] holds every read against the writes, and [`trace`] tells the story of a read that
//! was too old.
//!
//! # Which version a read must not be older than
//! The versions of a key are numbered by the database, so one number says it all. A read that begins at `t` must not
//! be older than any version whose write
//! - had returned before `t`, once its process had no invalidation left to repeat (P1). A call that returned while
//!   Redis was out of reach has only queued its invalidation: until that is acknowledged it binds its own process,
//!   which bypasses the key, and no other;
//! - had committed before `t` under an acknowledged fence (P5): reads of the key that a write-through function owns, and
//!   of every target of a strict write;
//! - was dropped, panicked or failed: the same, from the moment when its process had nothing under way, if it landed
//!   within the hold (1 s);
//! - or had landed before an `entry(..).invalidate()` that was acknowledged before `t`.
//!
//! A value may be served past its TTL, or instead of an error, but none of this holds any less for it: `feed` has a short
//! TTL and all that lets it be served longer.
//!
//! `replica` shows what the database was [`LAG`](truth::LAG) ago. There only the writes count that keep their keys fenced
//! for longer than that (`settle`), and each of them only from the moment when the replica has its version: nothing older
//! may have been stored meanwhile. A fence that was lost in between promises nothing.
//!
//! Cards fall with the tag of their group, and pages by a pattern; strict writes, and those that settle, name both by their
//! keys. Neither can be held: what lands there when its caller has gone binds nothing. Each key of a batch is a read of its
//! own.
//!
//! Functions with a local level (`held-..`) are bound by the same, but for fences: a write binds them when it is over. In
//! its own process it does so at once. In others it does when its message has come, for which a busy machine has 1.5 s;
//! where a silence (a partition, a process or a server that stands still) may have swallowed the message, 3 s later, when
//! the level is given up, or as long after as values are held at all, if that is shorter. A closed connection is no silence:
//! who loses it gives up what he holds at once. How far behind they really were is printed.
//!
//! And nothing comes from the future, from another key, or from a transaction that was never committed.
//!
//! Nothing is asked where the protocol promises nothing: a plain write whose process is killed before its invalidation
//! was acknowledged; a fence that was lost before the commit (FLUSHALL, a server that is killed, a lease without renewal),
//! or that may never have been acknowledged; a write that landed after its hold.

pub mod check;
pub mod event;
pub mod plan;
pub mod random;
pub mod trace;
pub mod truth;
