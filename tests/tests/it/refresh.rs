//! Old values that are served while, or because, a new one cannot be had at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use cache_runtime::{
    Cache, cached,
    testing::{TestClock, server::RedisServer},
};
use tokio::task::JoinSet;

use crate::support::{Runs, both, eventually, redis_builder, wait_until_its_start_is_past};

both! {
    a_stale_value_is_served_at_once_while_one_caller_loads_the_next;
    a_value_is_served_where_its_load_fails;
    a_write_ends_what_is_stale;
    a_refresh_that_raced_a_write_is_not_stored;
    a_refresh_that_fails_is_not_repeated_at_once;
    a_value_is_refreshed_before_its_end;
    an_absence_can_be_stale;
}

/// A database that can fail, and takes its time.
#[derive(Clone, Default)]
struct Database {
    runs: Runs,
    fails: Arc<AtomicBool>,
}

impl Database {
    async fn ask(&self) -> Result<u64, &'static str> {
        let run = self.runs.one_more();
        tokio::time::sleep(Duration::from_millis(30)).await;
        if self.fails.load(Ordering::SeqCst) { Err("down") } else { Ok(run) }
    }

    fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }
}

const TTL: Duration = Duration::from_millis(400);

async fn the_ttl_passes() {
    tokio::time::sleep(TTL + Duration::from_millis(100)).await;
}

#[cached(ttl = "400ms", jitter = 0, key = "swr:<id>", stale_while_revalidate = "1h", early_refresh = false, skip = [database])]
async fn revalidated(id: u64, database: &Database) -> Result<u64, &'static str> {
    let _ = id;
    database.ask().await
}

#[cached(ttl = "400ms", jitter = 0, key = "sie:<id>", stale_if_error = "1h", early_refresh = false, skip = [database])]
async fn forgiving(id: u64, database: &Database) -> Result<u64, &'static str> {
    let _ = id;
    database.ask().await
}

/// So many callers at once.
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

async fn a_stale_value_is_served_at_once_while_one_caller_loads_the_next(cache: Cache) {
    let database = Database::default();
    assert_eq!(revalidated(1, &database).await, Ok(1));
    the_ttl_passes().await;
    let served = at_once(&cache, 100, || {
        let database = database.clone();
        async move { revalidated(1, &database).await }
    });
    let served = served.await;
    assert!(served.iter().all(|value| matches!(value, Ok(1 | 2))) && served.contains(&Ok(1)), "{served:?}");
    eventually("the next value is there", async || revalidated(1, &database).await == Ok(2)).await;
    assert_eq!(database.runs.get(), 2, "one refresh for all of them");
    let report = cache.report();
    let calls = report.function("revalidated").unwrap().calls;
    assert!(calls.stale >= 1 && calls.misses() == 1 && calls.bypassed == 0, "{report}");
}

async fn a_value_is_served_where_its_load_fails(cache: Cache) {
    let database = Database::default();
    assert_eq!(forgiving(1, &database).await, Ok(1));
    database.fail(true);
    assert_eq!(forgiving(1, &database).await, Ok(1), "a fresh one needs no load");
    the_ttl_passes().await;
    let served = at_once(&cache, 100, || {
        let database = database.clone();
        async move { forgiving(1, &database).await }
    });
    assert_eq!(served.await, vec![Ok(1); 100]);
    assert!(database.runs.get() <= 3, "a load that fails is not repeated by each: {}", database.runs.get());
    database.fail(false);
    // Tried again after a second; what is loaded then is fresh.
    let before = database.runs.get();
    eventually("it is tried again", async || forgiving(1, &database).await == Ok(before + 1)).await;
}

async fn a_write_ends_what_is_stale(_: Cache) {
    let database = Database::default();
    assert_eq!(revalidated(1, &database).await, Ok(1));
    assert_eq!(forgiving(1, &database).await, Ok(2));
    the_ttl_passes().await;
    revalidated::entry(&1).invalidate().await;
    forgiving::entry(&1).invalidate().await;
    assert_eq!(revalidated(1, &database).await, Ok(3), "old is one thing, wrong another");
    database.fail(true);
    assert_eq!(forgiving(1, &database).await, Err("down"), "nothing is left that could be served");
}

async fn a_refresh_that_raced_a_write_is_not_stored(_: Cache) {
    let database = Database::default();
    assert_eq!(revalidated(1, &database).await, Ok(1));
    the_ttl_passes().await;
    assert_eq!(revalidated(1, &database).await, Ok(1));
    eventually("its refresh is under way", async || database.runs.get() == 2).await;
    revalidated::entry(&1).invalidate().await;
    // Longer than the refresh takes.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(revalidated::entry(&1).peek().await, None);
    assert_eq!(revalidated(1, &database).await, Ok(3));
}

async fn a_refresh_that_fails_is_not_repeated_at_once(_: Cache) {
    let database = Database::default();
    assert_eq!(revalidated(1, &database).await, Ok(1));
    database.fail(true);
    the_ttl_passes().await;
    let started = Instant::now();
    let mut calls = 0;
    while calls < 20 || started.elapsed() < Duration::from_millis(300) {
        assert_eq!(revalidated(1, &database).await, Ok(1));
        tokio::time::sleep(Duration::from_millis(10)).await;
        calls += 1;
    }
    let seconds = started.elapsed().as_secs();
    assert!(database.runs.get() <= 3 + seconds, "{} loads in {seconds} s", database.runs.get());
    database.fail(false);
    eventually("it is tried again", async || revalidated(1, &database).await != Ok(1)).await;
}

async fn a_value_is_refreshed_before_its_end(_: Cache) {
    // A load of 30 ms, times a thousand: half a minute before its end one call in three refreshes it.
    #[cached(ttl = "1m", key = "early", early_refresh = 1000.0, skip = [database])]
    async fn early(database: &Database) -> Result<u64, &'static str> {
        database.ask().await
    }
    #[cached(ttl = "1m", key = "late", early_refresh = false, skip = [database])]
    async fn late(database: &Database) -> Result<u64, &'static str> {
        database.ask().await
    }
    let (database, other) = (Database::default(), Database::default());
    assert_eq!(early(&database).await, Ok(1));
    assert_eq!(late(&other).await, Ok(1));
    eventually("it is refreshed", async || early(&database).await == Ok(2)).await;
    for _ in 0..200 {
        assert_eq!(late(&other).await, Ok(1));
    }
    assert_eq!(other.runs.get(), 1);
}

async fn an_absence_can_be_stale(_: Cache) {
    #[cached(ttl = "1h", negative_ttl = "400ms", jitter = 0, key = "absent", stale_while_revalidate = "1h", skip = [runs])]
    async fn absent(runs: &Runs) -> Option<u64> {
        let run = runs.one_more();
        tokio::time::sleep(Duration::from_millis(30)).await;
        (run > 1).then_some(run)
    }
    let runs = Runs::default();
    assert_eq!(absent(&runs).await, None);
    the_ttl_passes().await;
    assert_eq!(absent(&runs).await, None, "at once");
    eventually("it is there now", async || absent(&runs).await == Some(2)).await;
}

#[tokio::test]
async fn what_is_too_old_is_not_served() {
    #[cached(ttl = "1m", jitter = 0, key = "old", stale_while_revalidate = "2m", stale_if_error = "5m", skip = [database])]
    async fn old(database: &Database) -> Result<u64, &'static str> {
        database.ask().await
    }
    let clock = TestClock::default();
    let cache = clock.in_memory();
    cache
        .scope(async {
            let database = Database::default();
            assert_eq!(old(&database).await, Ok(1));
            database.fail(true);
            clock.advance(Duration::from_secs(60 + 119));
            assert_eq!(old(&database).await, Ok(1), "while a refresh fails in the background");
            eventually("it has failed", async || {
                database.runs.get() == 2 && cache.shutdown(Duration::ZERO).await
            })
            .await;
            clock.advance(Duration::from_secs(2));
            assert_eq!(old(&database).await, Ok(1), "because the load fails");
            assert_eq!(database.runs.get(), 3, "which was tried");
            assert_eq!(old(&database).await, Ok(1));
            assert_eq!(database.runs.get(), 3, "and is not tried again at once");
            assert_eq!(old::entry().peek().await, None, "a look-up alone does not count as a failure");
            clock.advance(Duration::from_secs(300));
            assert_eq!(old(&database).await, Err("down"));
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_refresh_in_the_fleet() {
    let (one, two) = (redis_builder(), redis_builder());
    let one = one.namespace("refreshing").unwrap().build().unwrap();
    let two = two.namespace("refreshing").unwrap().build().unwrap();
    let database = Database::default();
    assert_eq!(one.scope(revalidated(1, &database)).await, Ok(1));
    the_ttl_passes().await;
    let call = || {
        let database = database.clone();
        async move { revalidated(1, &database).await }
    };
    let (first, second) = tokio::join!(at_once(&one, 50, call), at_once(&two, 50, call));
    assert!(first.iter().chain(&second).all(|value| matches!(value, Ok(1 | 2))), "{first:?} {second:?}");
    eventually("the next value is there", async || two.scope(revalidated(1, &database)).await == Ok(2)).await;
    assert_eq!(database.runs.get(), 2);
}

/// A body that hangs in another process, and a value that may still be served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_value_is_better_than_waiting_too_long() {
    #[cached(ttl = "400ms", jitter = 0, key = "hanging", stale_if_error = "1h", load_timeout = "300ms", skip = [runs])]
    async fn hanging(runs: &Runs) -> Result<u64, &'static str> {
        if runs.one_more() > 1 {
            std::future::pending::<()>().await;
        }
        Ok(1)
    }
    let builder = || redis_builder().namespace("hanging").unwrap();
    let (one, two) = (builder().build().unwrap(), builder().build().unwrap());
    let runs = Runs::default();
    assert_eq!(one.scope(hanging(&runs)).await, Ok(1));
    the_ttl_passes().await;
    let hangs = tokio::spawn({
        let (one, runs) = (one.clone(), runs.clone());
        async move { one.scope(hanging(&runs)).await }
    });
    eventually("it hangs", async || runs.get() == 2).await;
    assert_eq!(two.scope(hanging(&runs)).await, Ok(1), "in another process");
    assert_eq!(one.scope(hanging(&runs)).await, Ok(1), "in the same");
    assert_eq!(runs.get(), 2);
    hangs.abort();
}

/// A fleet-wide wait is woken by the server: it does not ask again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_another_process_is_told() {
    #[cached(ttl = "5m", key = "told:<id>", skip = [runs])]
    async fn told(id: u64, runs: &Runs) -> u64 {
        runs.one_more();
        tokio::time::sleep(Duration::from_millis(900)).await;
        id
    }
    let server = RedisServer::start();
    wait_until_its_start_is_past(&server);
    let build =
        || Cache::builder().redis(&server.url()).unwrap().budget(Duration::from_secs(5)).build().unwrap();
    let (one, two) = (build(), build());
    let runs = Runs::default();
    let both = |id| {
        let (one, two, runs) = (one.clone(), two.clone(), runs.clone());
        async move {
            let first = tokio::spawn({
                let (one, runs) = (one.clone(), runs.clone());
                async move { one.scope(told(id, &runs)).await }
            });
            eventually("the first loads", async || runs.get() == id).await;
            let second = two.scope(told(id, &runs)).await;
            (first.await.unwrap(), second)
        }
    };
    // The connection that is told is made by the first wait.
    assert_eq!(both(1).await, (1, 1));
    server.reset_counts();
    assert_eq!(both(2).await, (2, 2));
    let counts = server.command_counts();
    let count = |command: &str| counts.get(command).copied().unwrap_or(0);
    // Each script begins with a GET of its own. The two look-ups remain, and two looks of who waits: at first, and when
    // the value is there. Between them a slow machine may have looked once more.
    let looks = count("get") - count("evalsha") + count("strlen");
    assert!(looks <= 2 + 2 * 3, "{counts:?}");
    assert_eq!(runs.get(), 2);
}
