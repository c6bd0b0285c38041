//! Write-through, and functions that only invalidate.

use std::time::Duration;

use cache_runtime::{Cache, cached};
use tokio::sync::oneshot;

use crate::support::{DbError, Runs, User, both, eventually};

both! {
    a_write_stores_its_result_and_invalidates;
    a_write_stores_an_argument;
    a_target_may_need_the_result;
    a_function_that_only_invalidates_stores_nothing;
    a_write_that_fails_invalidates;
    a_write_that_panics_invalidates;
    a_write_that_is_dropped_invalidates;
    a_write_that_was_never_polled_changes_nothing;
    readers_go_to_the_database_while_a_write_is_under_way;
    a_load_that_raced_a_write_is_not_stored;
    a_write_that_stores_nothing_still_invalidates;
    no_read_after_a_write_is_older;
}

#[cached(ttl = "STANDARD", key = "user:<id>", skip = [runs])]
async fn get_user(id: u64, runs: &Runs) -> Result<User, DbError> {
    Ok(User::new(id, &format!("loaded {}", runs.one_more())))
}

#[cached(ttl = "FREQUENT", key = "users:leaderboard", skip = [runs])]
async fn top_users(runs: &Runs) -> Result<Vec<User>, DbError> {
    runs.one_more();
    Ok(vec![])
}

#[cached(ttl = "STANDARD", key = "user:<id>", invalidates = ["users:leaderboard"])]
async fn update_user(id: u64, name: String) -> Result<User, DbError> {
    if name.is_empty() {
        return Err(DbError("a name is needed"));
    }
    Ok(User::new(id, &name))
}

async fn fill(runs: &Runs) {
    get_user(1, runs).await.unwrap();
    top_users(runs).await.unwrap();
}

async fn held() -> (Option<User>, bool) {
    (get_user::entry(&1).peek().await, top_users::entry().peek().await.is_some())
}

async fn a_write_stores_its_result_and_invalidates(_: Cache) {
    let runs = Runs::default();
    fill(&runs).await;
    assert_eq!(update_user(1, "Grace".to_owned()).await, Ok(User::new(1, "Grace")));
    assert_eq!(held().await, (Some(User::new(1, "Grace")), false));
    assert_eq!(get_user(1, &runs).await, Ok(User::new(1, "Grace")));
    assert_eq!(runs.get(), 2);
}

async fn a_write_stores_an_argument(_: Cache) {
    #[cached(ttl = "5m", key = "user:<user.id>", value = "user", invalidates = [top_users()])]
    async fn by_value(user: User, ok: bool) -> Result<(), DbError> {
        drop(user);
        ok.then_some(()).ok_or(DbError("no"))
    }
    #[cached(ttl = "5m", key = "user:<user.id>", value = "user")]
    async fn by_reference(user: &User) {
        assert!(user.id > 0);
    }
    by_value(User::new(1, "Grace"), true).await.unwrap();
    assert_eq!(get_user::entry(&1).peek().await, Some(User::new(1, "Grace")));
    by_reference(&User::new(1, "Ada")).await;
    assert_eq!(get_user::entry(&1).peek().await, Some(User::new(1, "Ada")));
    by_value(User::new(1, "Grace"), false).await.unwrap_err();
    assert_eq!(get_user::entry(&1).peek().await, None);
}

async fn a_target_may_need_the_result(_: Cache) {
    #[cached(invalidates = [|made: &User| get_user(made.id)])]
    async fn by_call(id: u64, fails: bool) -> Result<User, DbError> {
        if fails { Err(DbError("no")) } else { Ok(User::new(id + 1, "Ada")) }
    }
    #[cached(invalidates = ["user:<return.id>"])]
    async fn by_text(id: u64) -> Option<User> {
        (id > 0).then(|| User::new(id + 1, "Ada"))
    }
    #[cached(invalidates = [|_made| "users:leaderboard", |made| get_user(made.0)])]
    async fn of_a_pair(id: u64) -> (u64, u64) {
        (id, id)
    }
    let runs = Runs::default();
    fill(&runs).await;
    by_call(0, true).await.unwrap_err();
    assert!(held().await.0.is_some(), "there is no result, so no target");
    by_call(7, false).await.unwrap();
    assert!(held().await.0.is_some(), "another user");
    by_call(0, false).await.unwrap();
    assert_eq!(held().await.0, None);
    get_user(1, &runs).await.unwrap();
    by_text(0).await;
    of_a_pair(1).await;
    assert_eq!(held().await, (None, false));
}

async fn a_function_that_only_invalidates_stores_nothing(_: Cache) {
    #[cached(invalidates = [get_user(id), "users:leaderboard"])]
    async fn delete_user(id: u64) -> Result<(), DbError> {
        Ok(())
    }
    let runs = Runs::default();
    fill(&runs).await;
    delete_user(1).await.unwrap();
    assert_eq!(held().await, (None, false));
}

async fn a_write_that_fails_invalidates(_: Cache) {
    let runs = Runs::default();
    fill(&runs).await;
    assert_eq!(update_user(1, String::new()).await, Err(DbError("a name is needed")));
    assert_eq!(held().await, (None, false), "it may have committed before it failed");
    get_user(1, &runs).await.unwrap();
    assert_eq!(held().await.0, None, "and may commit a little later: nothing is stored for a while");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    get_user(1, &runs).await.unwrap();
    assert!(held().await.0.is_some());
}

async fn a_write_that_panics_invalidates(cache: Cache) {
    #[cached(ttl = "STANDARD", key = "user:<id>", invalidates = [top_users()])]
    async fn panicking(id: u64) -> User {
        assert_eq!(id, 0, "as the test wants");
        User::new(id, "never")
    }
    let runs = Runs::default();
    fill(&runs).await;
    let write = tokio::spawn({
        let cache = cache.clone();
        async move { cache.scope(panicking(1)).await }
    });
    assert!(write.await.unwrap_err().is_panic());
    eventually("the write that panicked has invalidated", async || held().await == (None, false)).await;
    assert!(cache.shutdown(Duration::from_secs(5)).await);
}

async fn a_write_that_is_dropped_invalidates(cache: Cache) {
    #[cached(ttl = "STANDARD", key = "user:<id>", invalidates = [top_users()], detach = false)]
    async fn hanging(id: u64, begun: oneshot::Sender<()>) -> User {
        begun.send(()).unwrap();
        std::future::pending::<()>().await;
        User::new(id, "never")
    }
    let runs = Runs::default();
    fill(&runs).await;
    let (begun, has_begun) = oneshot::channel();
    let write = tokio::spawn({
        let cache = cache.clone();
        async move { cache.scope(hanging(1, begun)).await }
    });
    has_begun.await.unwrap();
    write.abort();
    eventually("the write that was dropped has invalidated", async || held().await == (None, false)).await;
}

async fn a_write_that_was_never_polled_changes_nothing(_: Cache) {
    let runs = Runs::default();
    fill(&runs).await;
    drop(update_user(1, "Grace".to_owned()));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(held().await, (Some(User::new(1, "loaded 1")), true));
}

async fn readers_go_to_the_database_while_a_write_is_under_way(cache: Cache) {
    #[cached(ttl = "STANDARD", key = "user:<id>", invalidates = [top_users()])]
    async fn slow(id: u64, begun: oneshot::Sender<()>, goes_on: oneshot::Receiver<()>) -> User {
        begun.send(()).unwrap();
        goes_on.await.unwrap();
        User::new(id, "written")
    }
    let runs = Runs::default();
    fill(&runs).await;
    let ((begun, has_begun), (go_on, goes_on)) = (oneshot::channel(), oneshot::channel());
    let write = tokio::spawn({
        let cache = cache.clone();
        async move { cache.scope(slow(1, begun, goes_on)).await }
    });
    has_begun.await.unwrap();
    assert_eq!(get_user(1, &runs).await.unwrap().name, "loaded 3", "never the old value after the commit");
    assert_eq!(get_user(1, &runs).await.unwrap().name, "loaded 4");
    // Longer than a fence lasts without being renewed.
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    assert_eq!(get_user(1, &runs).await.unwrap().name, "loaded 5", "the fence is renewed");
    go_on.send(()).unwrap();
    write.await.unwrap();
    assert_eq!(get_user(1, &runs).await.unwrap().name, "written");
}

/// The race that every peer loses: a load reads the old row, a write commits and invalidates, the load stores.
async fn a_load_that_raced_a_write_is_not_stored(cache: Cache) {
    #[cached(ttl = "STANDARD", key = "user:<id>", skip = [begun, goes_on])]
    async fn slow_read(id: u64, begun: oneshot::Sender<()>, goes_on: oneshot::Receiver<()>) -> User {
        begun.send(()).unwrap();
        goes_on.await.unwrap();
        User::new(id, "old")
    }
    #[cached(invalidates = ["user:<id>"])]
    async fn plain_write(id: u64) {}
    for plain in [true, false] {
        let ((begun, has_begun), (go_on, goes_on)) = (oneshot::channel(), oneshot::channel());
        get_user::entry(&1).invalidate().await;
        let read = tokio::spawn({
            let cache = cache.clone();
            async move { cache.scope(slow_read(1, begun, goes_on)).await }
        });
        has_begun.await.unwrap();
        if plain {
            plain_write(1).await;
        } else {
            update_user(1, "new".to_owned()).await.unwrap();
        }
        go_on.send(()).unwrap();
        assert_eq!(read.await.unwrap().name, "old", "it began before the write returned");
        let held = get_user::entry(&1).peek().await;
        assert_eq!(held.map(|user| user.name), (!plain).then(|| "new".to_owned()));
    }
}

async fn a_write_that_stores_nothing_still_invalidates(_: Cache) {
    #[cached(
        ttl = "STANDARD", key = "user:<id>", invalidates = [top_users()],
        cache_if = |user| user.name != "secret", bypass_if = name == "bypassed"
    )]
    async fn choosy(id: u64, name: &str) -> User {
        User::new(id, name)
    }
    let runs = Runs::default();
    for name in ["secret", "bypassed"] {
        fill(&runs).await;
        choosy(1, name).await;
        assert_eq!(held().await, (None, false), "{name}");
    }
}

/// Readers and writers of one key at once: what a read returns is never older than the last write before it began.
async fn no_read_after_a_write_is_older(cache: Cache) {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    };
    #[derive(Default)]
    struct Row {
        committed: AtomicU64,
        /// The newest value whose write has returned.
        returned: AtomicU64,
    }
    #[cached(ttl = "STANDARD", key = "row", skip = [row])]
    async fn read(row: &Row) -> u64 {
        let value = row.committed.load(SeqCst);
        tokio::task::yield_now().await;
        value
    }
    #[cached(ttl = "STANDARD", key = "row", invalidates = ["unrelated"])]
    async fn strict(row: &Row) -> u64 {
        tokio::task::yield_now().await;
        row.committed.fetch_add(1, SeqCst) + 1
    }
    #[cached(invalidates = ["row"])]
    async fn plain(row: &Row) -> u64 {
        tokio::task::yield_now().await;
        row.committed.fetch_add(1, SeqCst) + 1
    }
    let row = Arc::new(Row::default());
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..12 {
        let (cache, row) = (cache.clone(), Arc::clone(&row));
        tasks.spawn(async move {
            let rounds = async {
                for round in 0..150 {
                    if task < 2 && round % 10 == 0 {
                        let written = if task == 0 { strict(&row).await } else { plain(&row).await };
                        row.returned.fetch_max(written, SeqCst);
                    } else {
                        let before = row.returned.load(SeqCst);
                        let seen = read(&row).await;
                        assert!(seen >= before, "read {seen} after the write of {before} had returned");
                    }
                }
            };
            cache.scope(rounds).await;
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
}
