//! Writes that go on, land late, or have changed nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use cache_runtime::{Cache, cached};
use tokio::{sync::Semaphore, time::timeout};

use crate::support::{Runs, both, eventually};

both! {
    a_write_goes_on_without_its_caller;
    a_late_write_is_seen_by_readers_of_its_tag;
    a_failed_write_that_lands_is_seen_by_readers_of_its_tag;
    a_refused_write_invalidates_nothing;
}

/// A row, and a gate in front of its commit.
#[derive(Clone)]
struct Database {
    row: Arc<AtomicU64>,
    gate: Arc<Semaphore>,
    begun: Runs,
}

impl Database {
    fn new() -> Self {
        Self { row: Arc::default(), gate: Arc::new(Semaphore::new(0)), begun: Runs::default() }
    }

    /// As databases do with a statement whose client has gone: it is carried out.
    async fn commit(&self, value: u64) {
        let Self { row, gate, begun } = self.clone();
        begun.one_more();
        let statement = async move {
            gate.acquire().await.expect("it is not closed").forget();
            row.store(value, SeqCst);
        };
        tokio::spawn(statement).await.expect("it is carried out");
    }
}

#[cached(ttl = "1h", key = "tagged:<id>", tags = ["row:<id>"], skip = [database])]
async fn tagged(id: u64, database: &Database) -> u64 {
    id + database.row.load(SeqCst)
}

/// Calls a write and goes away when its body has begun.
async fn go_away(write: impl Future, database: &Database) {
    tokio::select! {
        biased;
        _ = write => panic!("the gate is closed"),
        () = eventually("the body has begun", async || database.begun.get() == 1) => {}
    }
}

async fn a_write_goes_on_without_its_caller(cache: Cache) {
    #[cached(invalidates = [tag("row:<id>")])]
    async fn put(id: u64, value: u64, database: Database, ended: Runs) {
        let _ = id;
        database.commit(value).await;
        ended.one_more();
    }
    let (database, ended) = (Database::new(), Runs::default());
    assert_eq!(tagged(1, &database).await, 1);
    go_away(put(1, 7, database.clone(), ended.clone()), &database).await;
    assert_eq!(tagged(1, &database).await, 1, "it has not committed yet");
    database.gate.add_permits(1);
    eventually("the body has ended", async || ended.get() == 1).await;
    assert!(cache.shutdown(Duration::from_secs(60)).await, "and what follows is done");
    assert_eq!(tagged(1, &database).await, 8);
}

/// The tag was dropped once, with the caller; what was loaded between that and the commit stayed for an hour.
async fn a_late_write_is_seen_by_readers_of_its_tag(_: Cache) {
    #[cached(detach = false, invalidates = [tag("row:<id>")])]
    async fn put(id: u64, value: u64, database: Database) {
        let _ = id;
        database.commit(value).await;
    }
    let database = Database::new();
    assert_eq!(tagged(2, &database).await, 2);
    go_away(put(2, 7, database.clone()), &database).await;
    eventually("the old value is stored once more", async || {
        tagged(2, &database).await;
        tagged::entry(&2).peek().await == Some(2)
    })
    .await;
    database.gate.add_permits(1);
    eventually("readers see the commit", async || tagged(2, &database).await == 9).await;
}

async fn a_failed_write_that_lands_is_seen_by_readers_of_its_tag(_: Cache) {
    #[cached(invalidates = [tag("row:<id>")])]
    async fn put(id: u64, value: u64, database: Database) -> Result<(), String> {
        let _ = id;
        let commit = database.commit(value);
        timeout(Duration::from_millis(1), commit).await.map_err(|_| "the connection was lost".to_owned())
    }
    let database = Database::new();
    assert_eq!(tagged(3, &database).await, 3);
    put(3, 7, database.clone()).await.unwrap_err();
    eventually("the old value is stored once more", async || {
        tagged(3, &database).await;
        tagged::entry(&3).peek().await == Some(3)
    })
    .await;
    database.gate.add_permits(1);
    eventually("readers see the commit", async || tagged(3, &database).await == 10).await;
}

/// Each refused write dropped all its targets: one client could keep a popular tag cold.
async fn a_refused_write_invalidates_nothing(_: Cache) {
    #[derive(Debug)]
    enum PutError {
        Forbidden,
        Timeout,
    }
    #[cached(ttl = "1h", key = "own:<id>", tags = ["popular"], skip = [runs])]
    async fn get(id: u64, runs: Runs) -> Result<u64, String> {
        runs.one_more();
        Ok(id)
    }
    #[cached(
        ttl = "1h",
        key = "other:<id>",
        invalidates = [tag("popular"), get(id)],
        unchanged_if = |error| matches!(error, PutError::Forbidden)
    )]
    async fn put(id: u64, allowed: bool) -> Result<u64, PutError> {
        let _ = id;
        Err(if allowed { PutError::Timeout } else { PutError::Forbidden })
    }
    let runs = Runs::default();
    let read = || get(1, runs.clone());
    read().await.unwrap();
    for _ in 0..3 {
        assert!(matches!(put(1, false).await, Err(PutError::Forbidden)));
        read().await.unwrap();
    }
    assert_eq!(runs.get(), 1, "nothing was invalidated");
    assert!(matches!(put(1, true).await, Err(PutError::Timeout)));
    read().await.unwrap();
    assert_eq!(runs.get(), 2, "another error may come after a commit");
}
