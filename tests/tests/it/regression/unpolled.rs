//! Loads whose caller holds their future and does not poll it: others waited for the whole `load_timeout` (30 seconds).

use std::{collections::HashMap, pin::Pin, sync::Arc, time::Duration};

use cache_runtime::{Cache, cached};
use tokio::{sync::Semaphore, time::timeout};

use crate::support::{Runs, both, eventually, namespace, redis_builder};

both! {
    another_task_drives_a_load_that_can_be_moved;
    the_same_task_waits_for_a_load_that_it_does_not_poll;
    a_load_that_cannot_be_moved_gives_its_flight_up;
    a_batch_gives_its_flights_up;
    a_write_that_is_not_polled_goes_on;
}

/// Far below the `load_timeout`, far above what a busy machine takes.
const SOON: Duration = Duration::from_secs(20);

/// A body that waits until it may go on.
#[derive(Clone)]
struct Gate(Arc<Semaphore>);

impl Gate {
    fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    fn open(&self) {
        self.0.add_permits(1_000);
    }

    async fn pass(&self) {
        self.0.acquire().await.expect("it is not closed").forget();
    }
}

#[cached(ttl = "5m", key = "moved:<id>", skip = [runs, gate])]
async fn moved(id: u64, runs: Runs, gate: Gate) -> u64 {
    runs.one_more();
    gate.pass().await;
    id
}

#[cached(ttl = "5m", key = "pinned:<id>", detach = false, skip = [runs, gate])]
async fn pinned(id: u64, runs: Runs, gate: Gate) -> u64 {
    runs.one_more();
    gate.pass().await;
    id
}

/// Polls a call until its body runs, and no further.
async fn until_it_runs<F: Future>(mut call: Pin<&mut F>, runs: &Runs) {
    tokio::select! {
        biased;
        _ = &mut call => panic!("the gate is closed"),
        () = eventually("the body runs", async || runs.get() == 1) => {}
    }
}

async fn another_task_drives_a_load_that_can_be_moved(cache: Cache) {
    let (runs, gate) = (Runs::default(), Gate::closed());
    let mut first = Box::pin(moved(1, runs.clone(), gate.clone()));
    until_it_runs(first.as_mut(), &runs).await;
    // From here on the load could go on, and is not polled.
    gate.open();
    let second = tokio::spawn({
        let (runs, gate) = (runs.clone(), gate.clone());
        async move { cache.scope(moved(1, runs, gate)).await }
    });
    assert_eq!(timeout(SOON, second).await.expect("it does not wait for the caller").unwrap(), 1);
    assert_eq!(timeout(SOON, first).await.expect("the caller gets the same"), 1);
    assert_eq!(runs.get(), 1, "one load for both");
}

async fn the_same_task_waits_for_a_load_that_it_does_not_poll(_: Cache) {
    let (runs, gate) = (Runs::default(), Gate::closed());
    let mut first = Box::pin(moved(2, runs.clone(), gate.clone()));
    until_it_runs(first.as_mut(), &runs).await;
    gate.open();
    let second = timeout(SOON, moved(2, runs.clone(), gate.clone()));
    assert_eq!(second.await.expect("it does not wait for itself"), 2);
    assert_eq!(runs.get(), 1);
}

async fn a_load_that_cannot_be_moved_gives_its_flight_up(_: Cache) {
    let (runs, gate) = (Runs::default(), Gate::closed());
    let mut first = Box::pin(pinned(3, runs.clone(), gate.clone()));
    until_it_runs(first.as_mut(), &runs).await;
    gate.open();
    let second = timeout(SOON, pinned(3, runs.clone(), gate.clone()));
    assert_eq!(second.await.expect("it loads itself"), 3);
    assert_eq!(first.await, 3, "the first goes on when it is polled again");
    assert_eq!(runs.get(), 2);
}

async fn a_batch_gives_its_flights_up(_: Cache) {
    #[cached(batch, ttl = "5m", key = "pinned:<id>", each = "id in ids", skip = [runs, gate])]
    async fn many(ids: &[u64], runs: Runs, gate: Gate) -> HashMap<u64, u64> {
        runs.one_more();
        gate.pass().await;
        ids.iter().map(|id| (*id, *id)).collect()
    }
    let (runs, gate) = (Runs::default(), Gate::closed());
    let ids: Vec<u64> = (10..20).collect();
    let mut first = Box::pin(many(&ids, runs.clone(), gate.clone()));
    until_it_runs(first.as_mut(), &runs).await;
    gate.open();
    let second = timeout(SOON, pinned(15, runs.clone(), gate.clone()));
    assert_eq!(second.await.expect("it loads itself"), 15);
    assert_eq!(first.await.len(), 10);
}

async fn a_write_that_is_not_polled_goes_on(_: Cache) {
    #[cached(ttl = "5m", key = "moved:<id>", invalidates = ["moved:list"], skip = [runs, gate])]
    async fn write(id: u64, runs: Runs, gate: Gate) -> u64 {
        runs.one_more();
        gate.pass().await;
        id
    }
    let (runs, gate) = (Runs::default(), Gate::closed());
    let mut first = Box::pin(write(4, runs.clone(), gate.clone()));
    until_it_runs(first.as_mut(), &runs).await;
    gate.open();
    eventually("its value is stored, and its fence is gone", async || {
        moved::entry(&4).peek().await == Some(4)
    })
    .await;
    assert_eq!(first.await, 4);
}

/// A foreign process waited for the lease of a load that was not polled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_does_not_wait_for_the_lease() {
    let namespace = namespace();
    let [ours, theirs] = [(); 2].map(|()| {
        let builder = redis_builder().namespace(&namespace).unwrap();
        // So that no lease ends by itself.
        builder.lease(Duration::from_secs(600)).load_timeout(Duration::from_secs(600)).build().unwrap()
    });
    let (runs, gate) = (Runs::default(), Gate::closed());
    let mut first = Box::pin(ours.scope(pinned(5, runs.clone(), gate.clone())));
    until_it_runs(first.as_mut(), &runs).await;
    gate.open();
    let second = timeout(SOON, theirs.scope(pinned(5, runs.clone(), gate.clone())));
    assert_eq!(second.await.expect("the lease is given back"), 5);
}

/// A stream of loads in which a later one is asked for while the stream is not polled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_buffered_stream_does_not_wait_for_itself() {
    use futures_util::{StreamExt as _, stream};
    #[cached(ttl = "5m", key = "stream:<id>")]
    async fn get(id: u64) -> u64 {
        tokio::time::sleep(Duration::from_millis(5 * id)).await;
        id
    }
    let walk = async {
        let mut all = Vec::new();
        let mut calls = stream::iter([1, 2, 3, 4]).map(get).buffered(4);
        while let Some(id) = calls.next().await {
            all.push(if id == 1 { get(3).await } else { id });
        }
        all
    };
    let all = timeout(SOON, crate::support::in_memory().scope(walk)).await;
    assert_eq!(all.expect("it does not wait for itself"), [3, 2, 3, 4]);
}

/// The edges of the wait graph were one for each id: a batch of batches took minutes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_of_batches_take_as_long_as_their_ids() {
    #[cached(batch, ttl = "5m", key = "inner:<id>", each = "id in ids", skip = [gate])]
    async fn inner(ids: &[u64], gate: Gate) -> HashMap<u64, u64> {
        gate.pass().await;
        ids.iter().map(|id| (*id, *id)).collect()
    }
    #[cached(batch, ttl = "5m", key = "middle:<id>", each = "id in ids", skip = [runs, gate])]
    async fn middle(ids: &[u64], runs: Runs, gate: Gate) -> HashMap<u64, u64> {
        runs.one_more();
        inner(ids, gate).await
    }
    #[cached(batch, ttl = "5m", key = "outer:<id>", each = "id in ids", skip = [runs, gate])]
    async fn outer(ids: &[u64], runs: Runs, gate: Gate) -> HashMap<u64, u64> {
        runs.one_more();
        middle(ids, runs.clone(), gate).await
    }
    let cache = crate::support::in_memory();
    let (runs, gate) = (Runs::default(), Gate::closed());
    let ids: Arc<[u64]> = (0..4_000).collect();
    let call = |level: u64| {
        let (cache, ids, runs, gate) = (cache.clone(), Arc::clone(&ids), runs.clone(), gate.clone());
        tokio::spawn(async move {
            let found = match level {
                0 => cache.scope(inner(&ids, gate)).await,
                1 => cache.scope(middle(&ids, runs, gate)).await,
                _ => cache.scope(outer(&ids, runs, gate)).await,
            };
            assert_eq!(found.len(), ids.len());
        })
    };
    // Each level waits for the flights of the one below.
    let first = call(0);
    let second = call(1);
    eventually("the second runs", async || runs.get() == 1).await;
    let third = call(2);
    eventually("the third runs", async || runs.get() == 2).await;
    gate.open();
    for call in [first, second, third] {
        timeout(Duration::from_secs(60), call).await.expect("it takes seconds").unwrap();
    }
}
