//! What tasks share: from here, so that `tests/interleavings` can put others in its place, with which every order of
//! events is tried.

pub(crate) use std::sync::{Arc, Mutex, MutexGuard, PoisonError, atomic};

pub(crate) use tokio::sync::Notify;
