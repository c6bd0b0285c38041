//! Explorers of the protocol: every order of events, driven by the same pure functions as the runtime.
//!
//! A command is three events: sent, executed, answered. Between any two of them everybody else may act, callers may
//! be dropped, deadlines may pass, entries may be evicted and the server may come back from a snapshot. Each rule is
//! a switch (`Rule`); with any one of them off the explorer must find a broken promise, so that the model can fail.
//!
//! Three worlds, each as small as its question allows: `single` is one entry with everything that happens to it, `fleet`
//! is processes with a local level, tags and patterns, `batch` is calls for several keys.
#![expect(clippy::print_stdout, reason = "shown with --nocapture: how much was searched, and the traces")]

#[expect(dead_code, reason = "the explorer does not encode entries")]
#[path = "../../../cache-runtime/src/domain/entry.rs"]
mod entry;

mod batch;
mod explorer;
mod fleet;
mod single;

use entry::{Lifetime, Token};

/// Versions of what is in the database; the entry's value is the version that was read.
type Version = u8;

/// Long enough: deadlines pass by an event of their own.
const LONG: u64 = 1_000;
const LIFETIME: Lifetime = Lifetime { fresh: LONG, total: LONG };

fn token(number: u8) -> Token {
    Token([number + 1; 16])
}

/// A command under way: not yet executed, or executed with its answer on the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Wire<T> {
    Sent,
    Executed(T),
}
