//! Loads that go on without their caller, and those that cannot.

use std::{rc::Rc, sync::Arc, time::Duration};

use cache_runtime::{Cache, cached};
use tokio::{sync::Notify, time::timeout};

use crate::support::{Runs, User, both, eventually, in_memory};

both! {
    a_load_goes_on_when_its_caller_goes_away;
    who_waits_gets_the_load_of_a_caller_that_went_away;
    a_load_that_panics_without_its_caller_leaves_nobody_waiting;
    what_is_borrowed_is_cloned;
    a_method_can_be_detached;
    a_load_ends_with_its_caller_where_it_must;
    a_load_that_goes_on_keeps_to_the_cache_of_its_scope;
}

/// A body that tells when it has begun, and waits until it may end.
#[derive(Clone, Default)]
struct Gate(Arc<(Notify, Notify)>);

impl Gate {
    async fn pass(&self) {
        self.0.0.notify_one();
        self.0.1.notified().await;
    }

    async fn begun(&self) {
        self.0.0.notified().await;
    }

    fn open(&self) {
        self.0.1.notify_one();
    }
}

#[cached(ttl = "5m", key = "slow:<id>", skip = [runs, gate])]
async fn slow(id: u64, runs: &Runs, gate: &Gate) -> u64 {
    runs.one_more();
    gate.pass().await;
    id
}

/// Begins a load, and goes away in the middle of it.
async fn begin_and_go_away(cache: &Cache, runs: &Runs, gate: &Gate) {
    let leader = tokio::spawn({
        let (cache, runs, gate) = (cache.clone(), runs.clone(), gate.clone());
        async move { cache.scope(slow(1, &runs, &gate)).await }
    });
    gate.begun().await;
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
}

async fn a_load_goes_on_when_its_caller_goes_away(cache: Cache) {
    let (runs, gate) = (Runs::default(), Gate::default());
    begin_and_go_away(&cache, &runs, &gate).await;
    gate.open();
    eventually("what was loaded is stored", async || slow::entry(&1).peek().await == Some(1)).await;
    assert_eq!((slow(1, &runs, &gate).await, runs.get()), (1, 1));
}

async fn who_waits_gets_the_load_of_a_caller_that_went_away(cache: Cache) {
    let (runs, gate) = (Runs::default(), Gate::default());
    begin_and_go_away(&cache, &runs, &gate).await;
    let waiting = async { futures_join((0..100).map(|_| slow(1, &runs, &gate))).await };
    let open = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        gate.open();
    };
    let (results, ()) =
        timeout(Duration::from_secs(20), async { tokio::join!(waiting, open) }).await.unwrap();
    assert_eq!((results, runs.get()), (vec![1; 100], 1), "one run, and it is not the caller's");
}

async fn futures_join<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    let mut outputs = Vec::new();
    // All are polled at once: each is a caller of its own.
    std::future::poll_fn(|context| {
        futures.retain_mut(|future| match future.as_mut().poll(context) {
            std::task::Poll::Ready(output) => {
                outputs.push(output);
                false
            }
            std::task::Poll::Pending => true,
        });
        if futures.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    outputs
}

async fn a_load_that_panics_without_its_caller_leaves_nobody_waiting(cache: Cache) {
    #[cached(ttl = "5m", key = "panicking", skip = [runs, gate])]
    async fn panicking(runs: Runs, gate: Gate) -> u64 {
        if runs.one_more() == 1 {
            gate.pass().await;
            panic!("as the test wants");
        }
        7
    }
    let (runs, gate) = (Runs::default(), Gate::default());
    let leader = tokio::spawn({
        let (cache, runs, gate) = (cache.clone(), runs.clone(), gate.clone());
        async move { cache.scope(panicking(runs, gate)).await }
    });
    gate.begun().await;
    leader.abort();
    assert!(leader.await.is_err());
    let follower = tokio::spawn({
        let (cache, runs, gate) = (cache.clone(), runs.clone(), gate.clone());
        async move { cache.scope(panicking(runs, gate)).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    gate.open();
    assert_eq!(timeout(Duration::from_secs(20), follower).await.unwrap().unwrap(), 7);
    assert_eq!(runs.get(), 2);
}

async fn what_is_borrowed_is_cloned(cache: Cache) {
    #[cached(ttl = "5m", key = "sum:<name>", skip = [numbers, user, gate])]
    async fn sum(name: &str, numbers: &[u64], user: &User, gate: &Gate) -> u64 {
        gate.pass().await;
        numbers.iter().sum::<u64>() + user.id + name.len() as u64
    }
    let gate = Gate::default();
    let leader = tokio::spawn({
        let (cache, gate) = (cache.clone(), gate.clone());
        async move {
            let (name, numbers, user) = ("Ada".to_owned(), vec![1, 2, 3], User::new(10, "x"));
            cache.scope(sum(&name, &numbers, &user, &gate)).await
        }
    });
    gate.begun().await;
    leader.abort();
    // What it borrowed is gone.
    assert!(leader.await.is_err());
    gate.open();
    eventually("it went on with its own", async || sum::entry("Ada").peek().await == Some(19)).await;
}

async fn a_method_can_be_detached(cache: Cache) {
    #[derive(Clone)]
    struct Repo {
        gate: Gate,
    }
    impl Repo {
        #[cached(ttl = "5m", key = "repo:<id>", detach = true)]
        pub(crate) async fn find(&self, id: u64) -> u64 {
            self.gate.pass().await;
            id
        }

        #[cached(ttl = "5m", key = "shared:<id>", detach = true)]
        pub(crate) async fn shared(self: Arc<Self>, id: u64) -> u64 {
            self.gate.pass().await;
            id
        }
    }
    let repo = Repo { gate: Gate::default() };
    let leader = tokio::spawn({
        let (cache, repo) = (cache.clone(), repo.clone());
        async move { cache.scope(repo.find(1)).await }
    });
    repo.gate.begun().await;
    leader.abort();
    assert!(leader.await.is_err());
    repo.gate.open();
    eventually("the method went on", async || repo.find_entry(&1).peek().await == Some(1)).await;
    let leader = tokio::spawn({
        let (cache, repo) = (cache.clone(), Arc::new(repo.clone()));
        async move { cache.scope(repo.shared(2)).await }
    });
    repo.gate.begun().await;
    leader.abort();
    assert!(leader.await.is_err());
    repo.gate.open();
    eventually("this one, too", async || repo.shared_entry(&2).peek().await == Some(2)).await;
}

async fn a_load_ends_with_its_caller_where_it_must(cache: Cache) {
    struct NotClone;
    struct Ended(Runs);
    impl Drop for Ended {
        fn drop(&mut self) {
            self.0.one_more();
        }
    }
    #[cached(ttl = "5m", key = "asked", skip = [ended, gate], detach = false)]
    async fn asked(ended: &Runs, gate: &Gate) -> u64 {
        let _ended = Ended(ended.clone());
        gate.pass().await;
        1
    }
    #[cached(ttl = "5m", key = "borrowing", skip = [ended, gate, lock])]
    async fn borrowing(ended: &Runs, gate: &Gate, lock: &NotClone) -> u64 {
        let _ended = Ended(ended.clone());
        gate.pass().await;
        let NotClone = lock;
        1
    }
    #[cached(ttl = "5m", key = "deciding", skip = [ended, gate, least], cache_if = |value| *value >= least)]
    async fn deciding(ended: &Runs, gate: &Gate, least: u64) -> u64 {
        let _ended = Ended(ended.clone());
        gate.pass().await;
        1
    }
    let (ended, gate) = (Runs::default(), Gate::default());
    type Call = fn(Runs, Gate) -> std::pin::Pin<Box<dyn Future<Output = u64> + Send>>;
    let calls: [Call; 3] = [
        |ended, gate| Box::pin(async move { asked(&ended, &gate).await }),
        |ended, gate| Box::pin(async move { borrowing(&ended, &gate, &NotClone).await }),
        |ended, gate| Box::pin(async move { deciding(&ended, &gate, 0).await }),
    ];
    for (number, call) in calls.into_iter().enumerate() {
        let leader = tokio::spawn({
            let (cache, call) = (cache.clone(), call(ended.clone(), gate.clone()));
            async move { cache.scope(call).await }
        });
        gate.begun().await;
        leader.abort();
        assert!(leader.await.is_err());
        assert_eq!(ended.get(), number as u64 + 1, "the body has ended with its caller");
    }
}

async fn a_load_that_goes_on_keeps_to_the_cache_of_its_scope(cache: Cache) {
    #[cached(ttl = "5m", key = "inner")]
    async fn inner() -> u64 {
        7
    }
    #[cached(ttl = "5m", key = "outer", skip = [gate])]
    async fn outer(gate: Gate) -> u64 {
        gate.pass().await;
        inner().await
    }
    let gate = Gate::default();
    let leader = tokio::spawn({
        let (cache, gate) = (cache.clone(), gate.clone());
        async move { cache.scope(outer(gate)).await }
    });
    gate.begun().await;
    leader.abort();
    assert!(leader.await.is_err());
    gate.open();
    eventually("the outer one is stored", async || outer::entry().peek().await == Some(7)).await;
    assert_eq!(inner::entry().peek().await, Some(7), "and so is the inner one, in the same cache");
}

tokio::task_local! {
    static REQUEST: u64;
}

#[tokio::test]
async fn a_body_sees_the_task_locals_of_its_caller() {
    #[cached(ttl = "5m", key = "request")]
    async fn request() -> u64 {
        tokio::task::yield_now().await;
        REQUEST.get()
    }
    assert_eq!(REQUEST.scope(42, in_memory().scope(request())).await, 42);
}

#[tokio::test]
async fn a_body_that_cannot_be_sent_is_cached_all_the_same() {
    #[cached(ttl = "5m", key = "local:<id>", skip = [runs])]
    async fn local(id: u64, runs: &Runs) -> u64 {
        let shared = Rc::new(id);
        tokio::task::yield_now().await;
        runs.one_more();
        *shared
    }
    let runs = Runs::default();
    in_memory()
        .scope(async {
            assert_eq!((local(3, &runs).await, local(3, &runs).await, runs.get()), (3, 3, 1));
        })
        .await;
}
