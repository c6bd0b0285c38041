//! Callers who read and write all the time, and look at each answer.

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::{Duration, Instant},
};

use cache_runtime::{Cache, cached};
use serde::{Deserialize, Serialize};
use tokio::{task::JoinHandle, time::sleep};

use crate::support::DbError;

/// The truth, and what has been promised of it.
#[derive(Clone, Debug)]
pub(super) struct Database {
    rows: Arc<[Row]>,
    /// Bytes beside each number.
    payload: usize,
    /// How often a body read.
    pub(super) runs: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Row {
    committed: AtomicU64,
    /// As of the last write that has returned: nobody who comes later may read an older one.
    returned: AtomicU64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Found {
    version: u64,
    payload: String,
}

#[cached(ttl = "STANDARD", key = "row:<id>", skip = [database])]
async fn get_row(id: usize, database: &Database) -> Result<Found, DbError> {
    database.runs.fetch_add(1, Relaxed);
    Ok(database.found(database.rows[id].committed.load(SeqCst)))
}

#[cached(ttl = "STANDARD", key = "rows", skip = [database])]
async fn sum_rows(database: &Database) -> u64 {
    database.sum(|row| &row.committed)
}

#[cached(ttl = "STANDARD", key = "row:<id>", invalidates = [sum_rows()], skip = [database])]
async fn write_row(id: usize, database: &Database) -> Result<Found, DbError> {
    Ok(database.found(database.rows[id].committed.fetch_add(1, SeqCst) + 1))
}

#[cached(invalidates = [get_row(id), sum_rows()])]
async fn change_row(id: usize, database: &Database) -> u64 {
    database.rows[id].committed.fetch_add(1, SeqCst) + 1
}

impl Database {
    pub(super) fn new(rows: usize, payload: usize) -> Self {
        let rows = (0..rows).map(|_| Row::default()).collect();
        Self { rows, payload, runs: Arc::default() }
    }

    fn found(&self, version: u64) -> Found {
        Found { version, payload: "x".repeat(self.payload) }
    }

    fn sum(&self, version: impl Fn(&Row) -> &AtomicU64) -> u64 {
        self.rows.iter().map(|row| version(row).load(SeqCst)).sum()
    }

    pub(super) async fn check_read(&self, id: usize) {
        let oldest = self.rows[id].returned.load(SeqCst);
        let found = get_row(id, self).await.unwrap();
        let newest = self.rows[id].committed.load(SeqCst);
        let version = found.version;
        assert!((oldest..=newest).contains(&version), "row {id}: {version} of {oldest} to {newest}");
        assert_eq!(found.payload.len(), self.payload);
    }

    pub(super) async fn check_sum(&self) {
        let oldest = self.sum(|row| &row.returned);
        let sum = sum_rows(self).await;
        let newest = self.sum(|row| &row.committed);
        assert!((oldest..=newest).contains(&sum), "{sum} of {oldest} to {newest}");
    }

    /// A write that stores what it returns.
    pub(super) async fn check_write(&self, id: usize) {
        let written = write_row(id, self).await.unwrap();
        self.rows[id].returned.fetch_max(written.version, SeqCst);
    }

    /// A write that invalidates only.
    pub(super) async fn check_change(&self, id: usize) {
        let version = change_row(id, self).await;
        self.rows[id].returned.fetch_max(version, SeqCst);
    }

    /// When nobody writes any more.
    pub(super) async fn is_what_everybody_reads(&self) {
        for id in 0..self.rows.len() {
            self.check_read(id).await;
        }
        self.check_sum().await;
    }
}

/// Callers in the background.
pub(super) struct Load {
    shared: Arc<Shared>,
    callers: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    ends: AtomicBool,
    calls: AtomicU64,
    /// In microseconds.
    slowest: AtomicU64,
}

impl Load {
    pub(super) fn start(database: &Database, caches: &[&Cache], callers: usize, writes: bool) -> Self {
        let shared = Arc::<Shared>::default();
        let callers = (0..callers)
            .map(|caller| {
                let cache = caches[caller % caches.len()].clone();
                let (database, shared) = (database.clone(), Arc::clone(&shared));
                tokio::spawn(async move { cache.scope(shared.call(&database, caller, writes)).await })
            })
            .collect();
        Self { shared, callers }
    }

    /// How many calls have returned, each with the right answer.
    pub(super) fn calls(&self) -> u64 {
        self.shared.calls.load(SeqCst)
    }

    /// The slowest call since the last time somebody asked.
    pub(super) fn slowest(&self) -> Duration {
        Duration::from_micros(self.shared.slowest.swap(0, SeqCst))
    }

    /// Waits for the callers: one that has met a wrong answer has panicked. The slowest call.
    pub(super) async fn stop(mut self) -> Duration {
        self.shared.ends.store(true, SeqCst);
        for caller in std::mem::take(&mut self.callers) {
            caller.await.unwrap();
        }
        self.slowest()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // A test that has failed does not wait for them.
        self.callers.iter().for_each(JoinHandle::abort);
    }
}

impl Shared {
    async fn call(&self, database: &Database, caller: usize, writes: bool) {
        let mut turn = caller;
        while !self.ends.load(SeqCst) {
            turn += 1;
            let id = turn * 7 % database.rows.len();
            let started = Instant::now();
            match turn % 16 {
                3 if writes => database.check_write(id).await,
                8 if writes => database.check_change(id).await,
                13 => database.check_sum().await,
                _ => database.check_read(id).await,
            }
            let took = u64::try_from(started.elapsed().as_micros()).unwrap();
            self.slowest.fetch_max(took, SeqCst);
            self.calls.fetch_add(1, SeqCst);
            sleep(Duration::from_millis(2)).await;
        }
    }
}
