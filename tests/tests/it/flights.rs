//! One load for many callers.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use cache_runtime::{Cache, cached};
use tokio::{
    sync::{Notify, oneshot},
    task::JoinSet,
    time::timeout,
};

use crate::support::{Runs, both, eventually, redis_builder};

both! {
    five_hundred_callers_run_one_body;
    an_error_that_can_be_cloned_reaches_everybody;
    an_error_reaches_who_joined_after_its_load_began;
    an_error_that_cannot_be_cloned_costs_few_rounds;
    a_leader_that_goes_away_is_followed_by_another;
    a_leader_that_panics_is_followed_by_another;
    a_call_for_the_key_that_it_loads_does_not_wait_for_itself;
    recursion_works;
    loads_that_call_each_other_do_not_wait_for_ever;
}

/// Runs `call` so often at once, and returns what came of it.
async fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    cache: &Cache,
    callers: usize,
    call: impl Fn() -> F,
) -> Vec<T> {
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let (cache, call) = (cache.clone(), call());
        tasks.spawn(async move { cache.scope(call).await });
    }
    tasks.join_all().await
}

#[cached(ttl = "5m", key = "slow:<id>", skip = [runs])]
async fn slow(id: u64, runs: Runs) -> u64 {
    runs.one_more();
    tokio::time::sleep(Duration::from_millis(100)).await;
    id
}

async fn five_hundred_callers_run_one_body(cache: Cache) {
    let runs = Runs::default();
    let results = at_once(&cache, 500, || slow(7, runs.clone())).await;
    assert_eq!((results, runs.get()), (vec![7; 500], 1));
}

async fn an_error_that_can_be_cloned_reaches_everybody(cache: Cache) {
    #[cached(ttl = "5m", key = "failing", skip = [runs])]
    async fn failing(runs: Runs) -> Result<u64, String> {
        runs.one_more();
        tokio::time::sleep(Duration::from_millis(100)).await;
        Err("no".to_owned())
    }
    let runs = Runs::default();
    let results = at_once(&cache, 500, || failing(runs.clone())).await;
    assert!(results.iter().all(|result| result.as_ref().is_err_and(|error| error == "no")));
    assert!(runs.get() <= 2, "{} runs", runs.get());
}

/// An error is no evidence about a value, so it does not matter when one joined.
async fn an_error_reaches_who_joined_after_its_load_began(cache: Cache) {
    #[cached(ttl = "5m", key = "refused", skip = [runs, gate])]
    async fn refused(runs: &Runs, gate: &Notify) -> Result<u64, String> {
        runs.one_more();
        gate.notified().await;
        Err("no".to_owned())
    }
    let (runs, gate) = (Runs::default(), Arc::new(Notify::new()));
    let leader = tokio::spawn({
        let (cache, runs, gate) = (cache.clone(), runs.clone(), Arc::clone(&gate));
        async move { cache.scope(async { refused(&runs, &gate).await }).await }
    });
    eventually("the load has begun", async || runs.get() == 1).await;
    let mut followers: Vec<_> = (0..10).map(|_| Box::pin(refused(&runs, &gate))).collect();
    for follower in &mut followers {
        assert!(timeout(Duration::ZERO, follower).await.is_err(), "it waits");
    }
    gate.notify_one();
    for follower in followers {
        assert_eq!(timeout(Duration::from_secs(20), follower).await, Ok(Err("no".to_owned())));
    }
    assert_eq!((leader.await.unwrap(), runs.get()), (Err("no".to_owned()), 1));
}

async fn an_error_that_cannot_be_cloned_costs_few_rounds(cache: Cache) {
    #[derive(Debug)]
    struct Unique;
    #[cached(ttl = "5m", key = "unique", skip = [runs])]
    async fn failing(runs: Runs) -> Result<u64, Unique> {
        runs.one_more();
        tokio::time::sleep(Duration::from_millis(100)).await;
        Err(Unique)
    }
    let runs = Runs::default();
    let started = std::time::Instant::now();
    let results = at_once(&cache, 100, || failing(runs.clone())).await;
    assert!(results.iter().all(Result::is_err));
    // One after another they would take ten seconds.
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

async fn a_leader_that_goes_away_is_followed_by_another(cache: Cache) {
    #[cached(ttl = "5m", key = "led", skip = [runs, begun], detach = false)]
    async fn led(runs: Runs, begun: Option<oneshot::Sender<()>>) -> u64 {
        let run = runs.one_more();
        if let Some(begun) = begun {
            begun.send(()).unwrap();
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        run
    }
    let runs = Runs::default();
    let (begun, has_begun) = oneshot::channel();
    let leader = tokio::spawn({
        let (cache, runs) = (cache.clone(), runs.clone());
        async move { cache.scope(led(runs, Some(begun))).await }
    });
    has_begun.await.unwrap();
    let followers = tokio::spawn({
        let (cache, runs) = (cache.clone(), runs.clone());
        async move { at_once(&cache, 100, || led(runs.clone(), None)).await }
    });
    tokio::time::sleep(Duration::from_millis(30)).await;
    leader.abort();
    assert_eq!(followers.await.unwrap(), vec![2; 100]);
    assert_eq!(runs.get(), 2, "one more run");
}

async fn a_leader_that_panics_is_followed_by_another(cache: Cache) {
    #[cached(ttl = "5m", key = "panicking", skip = [runs])]
    async fn panicking(runs: Runs) -> u64 {
        let run = runs.one_more();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(run > 1, "as the test wants");
        run
    }
    let runs = Runs::default();
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let (cache, runs) = (cache.clone(), runs.clone());
        tasks.spawn(async move { cache.scope(panicking(runs)).await });
    }
    let mut values = Vec::new();
    while let Some(result) = tasks.join_next().await {
        values.extend(result.ok());
    }
    assert_eq!(values, vec![2; 49]);
    assert_eq!(runs.get(), 2);
}

async fn a_call_for_the_key_that_it_loads_does_not_wait_for_itself(_: Cache) {
    #[cached(ttl = "5m", key = "own", skip = [depth, runs])]
    async fn own(depth: u32, runs: &Runs) -> u32 {
        runs.one_more();
        if depth == 0 { 0 } else { Box::pin(own(depth - 1, runs)).await + 1 }
    }
    let runs = Runs::default();
    let result = timeout(Duration::from_secs(10), own(3, &runs)).await;
    assert_eq!((result.expect("it waits for itself"), runs.get()), (3, 4));
    assert_eq!((own(9, &runs).await, runs.get()), (3, 4), "the outermost is stored");
}

async fn recursion_works(_: Cache) {
    #[cached(ttl = "5m", key = "fibonacci:<n>", skip = [runs])]
    fn fibonacci(n: u64, runs: Runs) -> Pin<Box<dyn Future<Output = u64> + Send>> {
        Box::pin(async move {
            runs.one_more();
            if n < 2 {
                return n;
            }
            fibonacci(n - 1, runs.clone()).await + fibonacci(n - 2, runs).await
        })
    }
    let runs = Runs::default();
    assert_eq!(fibonacci(20, runs.clone()).await, 6_765);
    assert_eq!(runs.get(), 21);
}

/// One task loads `even` and calls `odd`, another loads `odd` and calls `even`: each would wait for the other.
async fn loads_that_call_each_other_do_not_wait_for_ever(cache: Cache) {
    #[cached(ttl = "5m", key = "even", skip = [ask])]
    fn even(ask: bool) -> Pin<Box<dyn Future<Output = u32> + Send>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if ask { odd(false).await + 1 } else { 0 }
        })
    }
    #[cached(ttl = "5m", key = "odd", skip = [ask])]
    fn odd(ask: bool) -> Pin<Box<dyn Future<Output = u32> + Send>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if ask { even(false).await + 1 } else { 0 }
        })
    }
    let both = async { tokio::join!(at_once(&cache, 1, || even(true)), at_once(&cache, 1, || odd(true))) };
    let (even, odd) = timeout(Duration::from_secs(10), both).await.expect("they wait for each other");
    assert!(even[0] + odd[0] >= 2, "{even:?} {odd:?}");
}

/// Two caches on one Redis are to each other what two processes are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_body_runs_in_the_fleet() {
    let one = redis_builder().namespace("fleet").unwrap().build().unwrap();
    let two = redis_builder().namespace("fleet").unwrap().build().unwrap();
    let runs = Runs::default();
    let (first, second) = tokio::join!(
        at_once(&one, 100, || slow(7, runs.clone())),
        at_once(&two, 100, || slow(7, runs.clone()))
    );
    assert_eq!((first, second, runs.get()), (vec![7; 100], vec![7; 100], 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_longer_than_its_lease_runs_once() {
    #[cached(ttl = "5m", key = "long", skip = [runs])]
    async fn long(runs: Runs) -> u64 {
        runs.one_more();
        tokio::time::sleep(Duration::from_millis(4_500)).await;
        1
    }
    let one = redis_builder().namespace("renewed").unwrap().build().unwrap();
    let two = redis_builder().namespace("renewed").unwrap().build().unwrap();
    let runs = Runs::default();
    tokio::join!(one.scope(long(runs.clone())), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        two.scope(long(runs.clone())).await
    });
    assert_eq!(runs.get(), 1, "the lease of 3 s is renewed");
}

/// A lease whose holder is gone without a word: the others wait for its end, and no longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_load_gives_its_lease_back() {
    // So that no lease ends by itself.
    let builder = redis_builder().lease(Duration::from_secs(600)).load_timeout(Duration::from_secs(600));
    let cache = builder.build().unwrap();
    let runs = Runs::default();
    for _ in 0..3 {
        let call = cache.scope(slow(9, runs.clone()));
        assert!(timeout(Duration::from_millis(30), call).await.is_err());
    }
    let next = timeout(Duration::from_secs(60), cache.scope(slow(9, runs.clone())));
    next.await.expect("the leases were given back");
}
