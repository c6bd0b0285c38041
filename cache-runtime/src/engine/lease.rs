//! Leases: who asks for one owns it from then on, until FILL or RELEASE is acknowledged.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{Context, keeper::Held};
use crate::{
    ambient::{self, Deadline, millis},
    codec::envelope::Body,
    domain::{
        entry::{Acquired, Lease, Seen, Token, Value},
        key::Key,
    },
    error::StoreError,
    store::Store as _,
};

/// A lease that is, or may be, held: given back when it is dropped.
#[derive(Debug)]
pub(super) struct Leased<'a> {
    pub(super) context: Context,
    pub(super) key: &'a Key,
    pub(super) token: Token,
    is_open: bool,
}

/// The answer to ACQUIRE.
#[derive(Debug)]
pub(super) enum Asked<'a> {
    Granted(Leased<'a>),
    Busy(Lease),
    Found(Value<Body>),
    Fenced,
}

/// ACQUIRE within a deadline.
///
/// # Cancel safety
/// A request without an answer may have been executed, or will be: its lease is given back, as is one that was granted.
pub(super) async fn acquire(
    context: Context,
    key: &Key,
    seen: Seen,
    deadline: Deadline,
) -> Result<Asked<'_>, StoreError> {
    let mut lease = Leased { context, key, token: ambient::token(), is_open: true };
    let engine = &lease.context.engine;
    let asked = engine.store.acquire(key, lease.token, seen, millis(engine.config.lease));
    let answer = match deadline.bound(asked).await.unwrap_or(Err(StoreError::Timeout)) {
        Ok(Acquired::Granted) => return Ok(Asked::Granted(lease)),
        Ok(Acquired::Busy(other)) => Ok(Asked::Busy(other)),
        Ok(Acquired::Found(value)) => Ok(Asked::Found(value)),
        Ok(Acquired::Fenced) => Ok(Asked::Fenced),
        Err(error @ (StoreError::Timeout | StoreError::Disconnected)) => return Err(error),
        Err(error) => Err(error),
    };
    // The server has answered: there is no lease that is not known of.
    lease.settled(true);
    answer
}

/// Pauses between a RELEASE without an answer and the next one. A server that hung executes a late ACQUIRE when it goes on;
/// a lease of which it does not hear in this time ends by itself.
const RELEASES: [Duration; 6] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(2),
];
/// Maximum number of leases that are given back at the same time with more than one attempt.
const MOST_RELEASES: usize = 256;

impl Leased<'_> {
    /// Whether there is nothing to give back any more.
    pub(super) fn settled(&mut self, settled: bool) {
        self.is_open = !settled;
    }

    /// RELEASE: whether it was acknowledged.
    pub(super) async fn give_back(mut self, deadline: Deadline) -> bool {
        let released = deadline.bound(self.context.engine.store.release(self.key, self.token)).await;
        self.settled(matches!(released, Some(Ok(()))));
        !self.is_open
    }

    /// What is renewed while its load runs.
    pub(super) fn held(&self) -> Held {
        Held { engine: Arc::clone(&self.context.engine), key: self.key.clone(), token: self.token }
    }
}

impl Drop for Leased<'_> {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        let Held { engine, key, token } = self.held();
        let tasks = engine.tasks.clone();
        tasks.spawn(async move {
            let many = engine.releases.fetch_add(1, Ordering::Relaxed) >= MOST_RELEASES;
            for pause in if many { &RELEASES[..1] } else { &RELEASES } {
                match engine.store.release(&key, token).await {
                    Err(StoreError::Timeout | StoreError::Disconnected) => ambient::sleep(*pause).await,
                    Ok(()) | Err(_) => break,
                }
            }
            engine.releases.fetch_sub(1, Ordering::Relaxed);
        });
    }
}
