//! Many ids at once: one look-up, one run of the body, and the same entries as single calls.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use cache_runtime::{Cache, cached, testing::server::RedisServer};
use tokio::sync::Semaphore;

use crate::{
    proxy::Proxy,
    support::{DbError, Runs, User, both, eventually, redis_builder, wait_until_its_start_is_past},
};

both! {
    the_body_runs_once_with_what_is_missing;
    entries_are_shared_with_single_calls_both_ways;
    each_kind_of_result_is_put_together;
    an_id_that_does_not_exist_is_remembered;
    an_error_is_the_callers_and_stores_nothing;
    single_calls_and_batches_load_an_id_once;
    batches_in_opposite_order_do_not_wait_for_each_other;
    a_caller_that_goes_away_leaves_nobody_waiting;
    a_write_during_the_body_wins;
    a_load_that_asks_for_its_own_ids_does_not_wait_for_itself;
    ten_thousand_ids;
    tags_are_those_of_each_id;
    a_local_level_serves_each_id;
    not_as_many_results_as_ids;
}

/// A database that notes what it was asked for.
#[derive(Clone, Default)]
struct Database(Arc<Mutex<Vec<Vec<u64>>>>);

impl Database {
    fn ask(&self, ids: &[u64]) {
        self.0.lock().unwrap().push(ids.to_vec());
    }

    fn asked(&self) -> Vec<Vec<u64>> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn user(id: u64) -> User {
    User::new(id, &format!("user {id}"))
}

#[cached(ttl = "5m", key = "user:<id>", skip = [database])]
async fn get_user(id: u64, database: &Database) -> Result<Option<User>, DbError> {
    database.ask(&[id]);
    Ok((id < 1_000_000).then(|| user(id)))
}

#[cached(batch, ttl = "5m", key = "user:<id>", each = "id in ids", skip = [database])]
async fn get_users(ids: &[u64], database: &Database) -> Result<HashMap<u64, User>, DbError> {
    database.ask(ids);
    Ok(ids.iter().filter(|id| **id < 1_000_000).map(|id| (*id, user(*id))).collect())
}

#[cached(batch, ttl = "5m", key = "user:<id>", each = "id in ids", negative_ttl = "1m", skip = [database])]
async fn find_users(ids: Vec<u64>, database: &Database) -> Vec<Option<User>> {
    database.ask(&ids);
    ids.into_iter().map(|id| (id < 1_000_000).then(|| user(id))).collect()
}

#[allow(clippy::ptr_arg, reason = "one of the forms that a batch takes")]
#[cached(batch, ttl = "5m", key = "user:<id>", each = "id in ids", skip = [database])]
async fn sorted_users(ids: &Vec<u64>, database: Database) -> BTreeMap<u64, User> {
    database.ask(ids);
    ids.iter().map(|id| (*id, user(*id))).collect()
}

#[cached(ttl = "5m", key = "user:<user.id>", value = "user")]
async fn save(user: &User) {
    let _ = user;
}

async fn the_body_runs_once_with_what_is_missing(_: Cache) {
    let database = Database::default();
    let found = get_users(&[3, 1, 2, 1], &database).await.unwrap();
    assert_eq!(found, [1, 2, 3].map(|id| (id, user(id))).into());
    assert_eq!(database.asked(), [vec![3, 1, 2]], "each id once, in the order of the caller");
    let found = get_users(&[2, 4, 5], &database).await.unwrap();
    assert_eq!((found.len(), database.asked()), (3, vec![vec![4, 5]]));
    assert_eq!(get_users(&[5, 1], &database).await.unwrap().len(), 2);
    assert_eq!(get_users(&[], &database).await.unwrap().len(), 0);
    assert!(database.asked().is_empty(), "nothing was missing");
}

async fn entries_are_shared_with_single_calls_both_ways(_: Cache) {
    let database = Database::default();
    get_user(1, &database).await.unwrap();
    get_users(&[1, 2], &database).await.unwrap();
    assert_eq!(get_user(2, &database).await, Ok(Some(user(2))));
    assert_eq!(database.asked(), [vec![1], vec![2]]);
    get_user::entry(&1).invalidate().await;
    save(&User::new(2, "another")).await;
    let found = get_users(&[1, 2], &database).await.unwrap();
    assert_eq!((found[&2].name.as_str(), database.asked()), ("another", vec![vec![1]]));
}

async fn each_kind_of_result_is_put_together(_: Cache) {
    let database = Database::default();
    for _ in 0..2 {
        let list = find_users(vec![7, 1_000_007, 7, 3], &database).await;
        assert_eq!(list, [Some(user(7)), None, Some(user(7)), Some(user(3))]);
        let sorted = sorted_users(&vec![9, 3, 7], database.clone()).await;
        assert_eq!(sorted.into_keys().collect::<Vec<_>>(), [3, 7, 9]);
    }
    assert_eq!(database.asked(), [vec![7, 1_000_007, 3], vec![9]]);
}

async fn an_id_that_does_not_exist_is_remembered(_: Cache) {
    let database = Database::default();
    assert_eq!(find_users(vec![1_000_001], &database).await, [None]);
    assert_eq!(find_users(vec![1_000_001, 1], &database).await, [None, Some(user(1))]);
    assert_eq!(get_user(1_000_001, &database).await, Ok(None), "the single call knows it, too");
    assert_eq!(database.asked(), [vec![1_000_001], vec![1]]);
    // Without a TTL for it, it is asked for again.
    get_users(&[1_000_002], &database).await.unwrap();
    get_users(&[1_000_002], &database).await.unwrap();
    assert_eq!(database.asked(), [vec![1_000_002], vec![1_000_002]]);
}

#[cached(batch, ttl = "5m", key = "flaky:<id>", each = "id in ids", skip = [runs])]
async fn flaky(ids: &[u64], runs: &Runs) -> Result<HashMap<u64, u64>, DbError> {
    if runs.one_more() == 1 { Err(DbError("away")) } else { Ok(ids.iter().map(|id| (*id, *id)).collect()) }
}

async fn an_error_is_the_callers_and_stores_nothing(_: Cache) {
    let runs = Runs::default();
    assert_eq!(flaky(&[1, 2], &runs).await, Err(DbError("away")));
    assert_eq!(flaky(&[2, 1], &runs).await.unwrap().len(), 2, "the leases were given back");
    flaky(&[1, 2], &runs).await.unwrap();
    assert_eq!(runs.get(), 2);
}

#[cached(ttl = "5m", key = "slow:<id>", skip = [gate, database])]
async fn slow(id: u64, gate: Arc<Semaphore>, database: Database) -> u64 {
    database.ask(&[id]);
    gate.acquire().await.unwrap().forget();
    id
}

#[cached(batch, ttl = "5m", key = "slow:<id>", each = "id in ids", skip = [gate, database])]
async fn slow_ones(ids: Vec<u64>, gate: Arc<Semaphore>, database: Database) -> HashMap<u64, u64> {
    database.ask(&ids);
    gate.acquire().await.unwrap().forget();
    ids.into_iter().map(|id| (id, id)).collect()
}

/// Calls at the same time, in tasks of their own, all in one cache.
fn at_once<T: Send + 'static>(
    cache: &Cache,
    call: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    let cache = cache.clone();
    tokio::spawn(async move { cache.scope(call).await })
}

async fn single_calls_and_batches_load_an_id_once(cache: Cache) {
    let (gate, database) = (Arc::new(Semaphore::new(0)), Database::default());
    let single = at_once(&cache, slow(1, Arc::clone(&gate), database.clone()));
    let asked = || database.0.lock().unwrap().len();
    eventually("the single call loads", async || asked() == 1).await;
    let batch = at_once(&cache, slow_ones(vec![1, 2, 3], Arc::clone(&gate), database.clone()));
    eventually("the batch loads", async || asked() == 2).await;
    let late = at_once(&cache, slow(3, Arc::clone(&gate), database.clone()));
    tokio::time::sleep(Duration::from_millis(50)).await;
    gate.add_permits(10);
    assert_eq!((single.await.unwrap(), late.await.unwrap()), (1, 3));
    assert_eq!(batch.await.unwrap(), [(1, 1), (2, 2), (3, 3)].into());
    assert_eq!(database.asked(), [vec![1], vec![2, 3]]);
}

async fn batches_in_opposite_order_do_not_wait_for_each_other(cache: Cache) {
    for round in 0..20 {
        let gate = Arc::new(Semaphore::new(1_000));
        let database = Database::default();
        let ids: Vec<u64> = (round * 100..round * 100 + 40).collect();
        let batches: Vec<_> = (0..6)
            .map(|number| {
                let mut ids = ids.clone();
                ids.rotate_left(number * 7);
                if number % 2 == 0 {
                    ids.reverse();
                }
                at_once(&cache, slow_ones(ids, Arc::clone(&gate), database.clone()))
            })
            .collect();
        for batch in batches {
            let done = tokio::time::timeout(Duration::from_secs(10), batch).await;
            assert_eq!(done.expect("it does not hang").unwrap().len(), 40);
        }
        let mut loaded: Vec<u64> = database.asked().concat();
        loaded.sort_unstable();
        assert_eq!(loaded, ids, "each id was loaded once");
    }
}

async fn a_caller_that_goes_away_leaves_nobody_waiting(cache: Cache) {
    let (gate, database) = (Arc::new(Semaphore::new(0)), Database::default());
    let batch = at_once(&cache, slow_ones(vec![1, 2], Arc::clone(&gate), database.clone()));
    eventually("it loads", async || database.0.lock().unwrap().len() == 1).await;
    let waiting = at_once(&cache, slow(2, Arc::clone(&gate), database.clone()));
    tokio::time::sleep(Duration::from_millis(50)).await;
    batch.abort();
    gate.add_permits(10);
    let waited = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    assert_eq!(waited.expect("it does not hang").unwrap(), 2);
    assert_eq!(slow_ones(vec![1, 2], gate, database.clone()).await.len(), 2);
    assert_eq!(database.asked(), [vec![1, 2], vec![2], vec![1]]);
}

async fn a_write_during_the_body_wins(cache: Cache) {
    let (gate, database) = (Arc::new(Semaphore::new(0)), Database::default());
    let batch = at_once(&cache, slow_ones(vec![1, 2], Arc::clone(&gate), database.clone()));
    eventually("it loads", async || database.0.lock().unwrap().len() == 1).await;
    assert!(cache.invalidate("slow:2").await);
    gate.add_permits(10);
    batch.await.unwrap();
    slow_ones(vec![1, 2], gate, database.clone()).await;
    assert_eq!(database.asked(), [vec![1, 2], vec![2]], "what was loaded before the write is not stored");
}

#[cached(batch, ttl = "5m", key = "nested:<id>", each = "id in ids", skip = [runs])]
async fn nested(ids: &[u64], runs: &Runs) -> HashMap<u64, u64> {
    let mut found = HashMap::new();
    if runs.one_more() == 1 {
        found = Box::pin(nested(&[2, 1], runs)).await;
    }
    found.extend(ids.iter().map(|id| (*id, *id)));
    found
}

async fn a_load_that_asks_for_its_own_ids_does_not_wait_for_itself(_: Cache) {
    let runs = Runs::default();
    let call = tokio::time::timeout(Duration::from_secs(10), nested(&[1, 2, 3], &runs)).await;
    assert_eq!((call.expect("it does not hang").len(), runs.get()), (3, 2));
}

async fn ten_thousand_ids(cache: Cache) {
    // All steps before the body share one budget, and so do those after it: a busy machine must not decide this test.
    let patient = || redis_builder().budget(Duration::from_secs(300)).build().unwrap();
    let cache = if cache.health().store.starts_with("redis") { patient() } else { cache };
    let database = Database::default();
    let ids: Vec<u64> = (0..10_000).collect();
    for _ in 0..2 {
        let found = cache.scope(get_users(&ids, &database)).await.unwrap();
        assert_eq!(found.len(), 10_000);
        assert!(found.iter().all(|(id, found)| *found == user(*id)));
    }
    assert!(database.asked() == std::slice::from_ref(&ids), "asked for once, all of them");
}

#[cached(batch, ttl = "5m", key = "member:<id>", each = "id in ids", tags = ["group:<id.0>", "members"], skip = [runs])]
async fn members(ids: &[(u32, u32)], runs: &Runs) -> HashMap<(u32, u32), u32> {
    runs.one_more();
    ids.iter().map(|id| (*id, id.1)).collect()
}

async fn tags_are_those_of_each_id(cache: Cache) {
    let runs = Runs::default();
    let ids = [(1, 1), (1, 2), (2, 3)];
    for _ in 0..2 {
        assert_eq!(members(&ids, &runs).await.len(), 3);
    }
    assert_eq!(runs.get(), 1);
    assert!(cache.invalidate_tag("group:1").await);
    members(&[(2, 3)], &runs).await;
    assert_eq!(runs.get(), 1, "of another group");
    members(&ids, &runs).await;
    members(&ids, &runs).await;
    assert_eq!(runs.get(), 2);
    assert!(cache.invalidate_tag("members").await);
    members(&[(2, 3)], &runs).await;
    assert_eq!(runs.get(), 3);
}

#[cached(batch, ttl = "5m", local = "1m", key = "near:<id>", each = "id in ids", skip = [runs])]
async fn near(ids: &[u64], runs: &Runs) -> Vec<Option<u64>> {
    runs.one_more();
    ids.iter().copied().map(Some).collect()
}

async fn a_local_level_serves_each_id(cache: Cache) {
    let runs = Runs::default();
    let hits = || cache.report().function("near").map_or(0, |row| row.calls.hits_local);
    eventually("it is served in the process", async || {
        assert_eq!(near(&[1, 2], &runs).await, [Some(1), Some(2)]);
        hits() >= 2
    })
    .await;
    assert!(cache.invalidate("near:2").await);
    near(&[1, 2], &runs).await;
    assert_eq!(runs.get(), 2, "a process reads its own writes");
}

#[cached(batch, ttl = "5m", key = "short:<id>", each = "id in ids", skip = [runs])]
async fn short(ids: &[u64], runs: &Runs) -> Vec<Option<u64>> {
    runs.one_more();
    ids.iter().skip(1).copied().map(Some).collect()
}

/// Whose is which nobody can tell: nothing is stored, and the caller gets what the function returns without a cache.
async fn not_as_many_results_as_ids(_: Cache) {
    let runs = Runs::default();
    for _ in 0..2 {
        assert_eq!(short(&[1, 2, 3], &runs).await, [Some(2), Some(3)]);
    }
    assert_eq!(runs.get(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_process_loads_is_waited_for() {
    let space = crate::support::namespace();
    let build = || redis_builder().namespace(&space).unwrap().build().unwrap();
    let (one, two) = (build(), build());
    let (gate, database) = (Arc::new(Semaphore::new(0)), Database::default());
    let first = at_once(&one, slow_ones(vec![1, 2, 3], Arc::clone(&gate), database.clone()));
    eventually("the first loads", async || database.0.lock().unwrap().len() == 1).await;
    let second = at_once(&two, slow_ones(vec![4, 3, 2, 1], Arc::clone(&gate), database.clone()));
    eventually("the second loads the rest", async || database.0.lock().unwrap().len() == 2).await;
    // Its own are stored before it waits for the others.
    gate.add_permits(1);
    gate.add_permits(1);
    assert_eq!((first.await.unwrap().len(), second.await.unwrap().len()), (3, 4));
    assert_eq!(database.asked(), [vec![1, 2, 3], vec![4]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_process_does_not_bring_is_loaded_in_one_second_run() {
    let space = crate::support::namespace();
    let build =
        || redis_builder().namespace(&space).unwrap().lease(Duration::from_millis(600)).build().unwrap();
    let (one, two) = (build(), build());
    let (never, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(10)));
    let database = Database::default();
    let first = at_once(&one, slow_ones(vec![1, 2, 3], never, database.clone()));
    eventually("the first loads", async || database.0.lock().unwrap().len() == 1).await;
    let second = at_once(&two, slow_ones(vec![1, 2, 3, 4], Arc::clone(&gate), database.clone()));
    eventually("the second loads the rest", async || database.0.lock().unwrap().len() == 2).await;
    first.abort();
    assert_eq!(second.await.unwrap().len(), 4);
    let asked = database.asked();
    assert_eq!((asked.len(), asked[2].len()), (3, 3), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_hits_are_one_command_and_nothing_costs_nothing() {
    let server = RedisServer::builder().tcp().start();
    wait_until_its_start_is_past(&server);
    let proxy = Proxy::start(&server);
    let builder = Cache::builder().redis(&proxy.url()).unwrap();
    let cache = builder.lanes(1).budget(Duration::from_secs(5)).build().unwrap();
    let database = Database::default();
    let ids: Vec<u64> = (0..100).collect();
    cache.scope(get_users(&ids, &database)).await.unwrap();
    for (ids, commands) in [(ids.as_slice(), 1), (&[], 0)] {
        server.reset_counts();
        let turns = proxy.turns();
        assert_eq!(cache.scope(get_users(ids, &database)).await.unwrap().len(), ids.len());
        let turns = proxy.turns() - turns;
        let mut counts = server.command_counts();
        counts.remove("time");
        let all: u64 = counts.values().sum();
        assert_eq!((counts.get("mget").copied().unwrap_or(0), all, turns), (commands, commands, commands));
    }
    assert_eq!(database.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_the_body_runs_once_for_all() {
    let cache = Cache::connect("redis://127.0.0.1:1").unwrap();
    let database = Database::default();
    let ids: Vec<u64> = (0..1_000).collect();
    for _ in 0..2 {
        assert_eq!(cache.scope(get_users(&ids, &database)).await.unwrap().len(), 1_000);
    }
    assert_eq!(database.asked(), [ids.clone(), ids]);
}
