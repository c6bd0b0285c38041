//! Patterns: what they take away and what not, and that nothing keeps them from doing so.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cache_runtime::{Cache, Coherence, cached, testing::server::RedisServer};
use cache_tests::history::random::Random;
use tokio::sync::oneshot;

use crate::{
    local::{Table, until_held},
    support::{both, eventually, in_memory, namespace, wait_until_its_start_is_past},
};

both! {
    arguments_match_only_themselves;
    how_many_went_is_reported;
    versions_are_found;
    loads_in_progress_lose;
    fences_stay;
    with_the_local_level;
}

#[cached(ttl = "STANDARD", key = "pattern:<id>:row", local = "30s", skip = [table])]
async fn row(id: u64, table: &Table) -> u64 {
    table.read(id)
}

/// What is in the cache of these.
#[cached(ttl = "STANDARD", key = "file:<folder>:<name>", local = false)]
async fn file(folder: &str, name: &str) -> u64 {
    (folder.len() + name.len()) as u64
}

#[cached(invalidates = ["file:<folder>:*"])]
async fn clear(folder: &str) {}

async fn arguments_match_only_themselves(_: Cache) {
    let long = "a".repeat(200);
    let other_long = format!("{}b", "a".repeat(199));
    let folders = [
        "*",
        "**",
        "?",
        "[a]",
        "[^a]",
        "[a-z]",
        "a",
        "ab",
        "\\",
        "\\*",
        "a*",
        "*a",
        "",
        ":",
        "a:b",
        "%2A",
        "%",
        "{a}",
        "é",
        "\n",
        " ",
        &long,
        &other_long,
    ];
    let stored = async || {
        let mut stored = BTreeSet::new();
        for folder in folders {
            if file::entry(folder, "x").peek().await.is_some() {
                stored.insert(folder);
            }
        }
        stored
    };
    for cleared in folders {
        for folder in folders {
            file(folder, "x").await;
        }
        assert_eq!(stored().await.len(), folders.len());
        clear(cleared).await;
        let mut expected = BTreeSet::from(folders);
        expected.remove(cleared);
        assert_eq!(stored().await, expected, "{cleared:?}");
    }
}

async fn how_many_went_is_reported(cache: Cache) {
    for number in 0..2_500 {
        file("many", &number.to_string()).await;
    }
    file("few", "1").await;
    let gone = async |pattern: &str| {
        let gone = cache.invalidate_matching(pattern).await;
        assert!(gone.acknowledged);
        gone.entries
    };
    assert_eq!(gone("file:none:*").await, 0);
    assert_eq!(gone("file:many:1").await, 1, "without a star it is a key");
    assert_eq!(gone("file:many:?").await, 0, "a question mark is one");
    assert_eq!(gone("file:many:[0-9]*").await, 0);
    assert_eq!(gone("file:*:22*").await, 111);
    assert_eq!(gone("file:many:*").await, 2_500 - 112);
    assert_eq!(gone("*").await, 1);
    assert_eq!(gone("*").await, 0);
}

async fn versions_are_found(cache: Cache) {
    #[cached(ttl = "STANDARD", key = "versioned:<id>", version = 2)]
    async fn second(id: u64) -> u64 {
        id
    }
    #[cached(invalidates = ["versioned:*"])]
    async fn clear_all() {}
    second(1).await;
    second(2).await;
    // As the release before has stored it.
    cache.insert_with("versioned:3", Duration::from_secs(60), async || 3_u64).await;
    clear_all().await;
    assert_eq!((second::entry(&1).peek().await, second::entry(&2).peek().await), (None, None));
    assert_eq!(cache.get::<u64>("versioned:3").await, None);
    second(1).await;
    assert_eq!(cache.invalidate_matching("version*").await.entries, 1);
}

#[cached(ttl = "STANDARD", key = "load:<id>", local = false, skip = [table, begun, goes_on])]
async fn slow_load(
    id: u64,
    table: &Table,
    begun: oneshot::Sender<()>,
    goes_on: oneshot::Receiver<()>,
) -> u64 {
    let row = table.read(id);
    begun.send(()).unwrap();
    goes_on.await.unwrap();
    row
}

#[cached(ttl = "STANDARD", key = "load:<id>", local = false, skip = [table])]
async fn quick_load(id: u64, table: &Table) -> u64 {
    table.read(id)
}

async fn loads_in_progress_lose(cache: Cache) {
    let table = Table::default();
    let ((begun, has_begun), (go_on, goes_on)) = (oneshot::channel(), oneshot::channel());
    let load = tokio::spawn({
        let (cache, table) = (cache.clone(), table.clone());
        async move { cache.scope(slow_load(1, &table, begun, goes_on)).await }
    });
    has_begun.await.unwrap();
    table.write(1);
    assert_eq!(cache.invalidate_matching("load:*").await.entries, 1, "the load");
    go_on.send(()).unwrap();
    assert_eq!(load.await.unwrap(), 0);
    assert_eq!(quick_load(1, &table).await, 1);
    assert_eq!(quick_load(1, &table).await, 1);
}

/// A write under way stays fenced, and stores nothing afterwards.
async fn fences_stay(cache: Cache) {
    #[cached(ttl = "STANDARD", key = "load:<id>", mode = "write-through", skip = [table, begun, goes_on])]
    async fn put(id: u64, table: &Table, begun: oneshot::Sender<()>, goes_on: oneshot::Receiver<()>) -> u64 {
        let row = table.write(id);
        begun.send(()).unwrap();
        goes_on.await.unwrap();
        row
    }
    let table = Table::default();
    let ((begun, has_begun), (go_on, goes_on)) = (oneshot::channel(), oneshot::channel());
    let write = tokio::spawn({
        let (cache, table) = (cache.clone(), table.clone());
        async move { cache.scope(put(2, &table, begun, goes_on)).await }
    });
    has_begun.await.unwrap();
    assert_eq!(cache.invalidate_matching("load:*").await.entries, 0, "a fence is no entry that goes");
    let runs = table.runs();
    for _ in 0..3 {
        assert_eq!(quick_load(2, &table).await, 1);
    }
    assert_eq!(table.runs(), runs + 3, "who reads meanwhile stores nothing");
    table.write(2);
    assert!(cache.invalidate_matching("load:*").await.acknowledged);
    go_on.send(()).unwrap();
    assert_eq!(write.await.unwrap(), 1);
    assert_eq!(quick_load(2, &table).await, 2, "what was written is not stored either");
}

async fn with_the_local_level(cache: Cache) {
    let table = Table::default();
    for pattern in ["pattern:*", "pattern:1:*", "*:row", "*", "p*n:1:r*w"] {
        until_held(&cache, "patterns::row", async || row(1, &table).await).await;
        let written = table.write(1);
        cache.invalidate_matching("pattern:2:*").await;
        assert_eq!(row(1, &table).await, written - 1);
        cache.invalidate_matching(pattern).await;
        assert_eq!(row(1, &table).await, written, "{pattern}");
    }
}

/// Neither other namespaces nor what other programs keep in the same database is touched, and `KEYS` is never sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_else_in_the_database_is_touched() {
    let server = RedisServer::start();
    wait_until_its_start_is_past(&server);
    let build = |namespace: &str| {
        let builder = Cache::builder().redis(&server.url()).unwrap().namespace(namespace).unwrap();
        builder.budget(Duration::from_secs(5)).build().unwrap()
    };
    let (shop, other, bare) = (build("shop"), build("shop2"), {
        let builder = Cache::builder().redis(&server.url()).unwrap();
        builder.budget(Duration::from_secs(5)).build().unwrap()
    });
    for cache in [&shop, &other, &bare] {
        cache.scope(file("a", "b")).await;
    }
    let foreign: [&[&str]; 7] = [
        &["SET", "shop:file:foreign", "of another program"],
        &["SET", "shop:file:empty", ""],
        &["SET", "shop:file:number", "7"],
        &["RPUSH", "shop:file:list", "1"],
        &["HSET", "shop:file:hash", "1", "2"],
        &["XADD", "shop:file:stream", "*", "1", "2"],
        &["SETBIT", "shop:file:bits", "7", "1"],
    ];
    for words in foreign {
        server.cli(words);
    }
    server.reset_counts();
    assert_eq!(shop.invalidate_matching("*").await.entries, 1);
    assert_eq!(shop.invalidate_matching("file:*").await.entries, 0);
    let counts = server.command_counts();
    assert!(counts.contains_key("scan") && !counts.contains_key("keys"), "{counts:?}");
    assert!(!counts.contains_key("flushdb") && !counts.contains_key("flushall"), "{counts:?}");
    for words in foreign {
        assert_eq!(server.cli(&["EXISTS", words[1]]), "1", "{words:?}");
    }
    for cache in [&other, &bare] {
        assert!(cache.scope(async { file::entry("a", "b").peek().await }).await.is_some());
    }
}

/// A walk that Redis does not acknowledge is repeated until it does, and what matches is not served meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_acknowledged_is_repeated() {
    let server = RedisServer::builder().tcp().start();
    wait_until_its_start_is_past(&server);
    for coherence in [Coherence::Tracking, Coherence::Channel] {
        let builder = Cache::builder().redis(&server.url()).unwrap().coherence(coherence);
        let cache = builder.namespace(&namespace()).unwrap().build().unwrap();
        let table = Table::default();
        cache
            .scope(async {
                until_held(&cache, "patterns::row", async || row(1, &table).await).await;
                server.pause();
                let written = table.write(1);
                let gone = cache.invalidate_matching("pattern:*").await;
                let health = cache.health();
                let runs = table.runs();
                let (first, second) = (row(1, &table).await, row(1, &table).await);
                server.resume();
                assert!(!gone.acknowledged && health.recovery_queue == 1, "{gone:?} {health}");
                assert_eq!((first, second, table.runs()), (written, written, runs + 2), "the body runs");
                eventually("it is repeated", async || cache.health().recovery_queue == 0).await;
                until_held(&cache, "patterns::row", async || row(1, &table).await).await;
                assert_eq!(row(1, &table).await, written);
            })
            .await;
    }
}

/// Who has asked for it goes away at its first await.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_goes_on_when_its_caller_goes_away() {
    let server = RedisServer::builder().tcp().start();
    wait_until_its_start_is_past(&server);
    let builder = Cache::builder().redis(&server.url()).unwrap().budget(Duration::from_secs(5));
    let cache = builder.build().unwrap();
    cache
        .scope(async {
            for number in 0..3_000 {
                file("many", &number.to_string()).await;
            }
        })
        .await;
    let walk = cache.invalidate_matching("file:many:*");
    tokio::time::timeout(Duration::from_millis(1), walk).await.expect_err("it takes longer");
    let left = || server.cli(&["DBSIZE"]).parse::<u64>().unwrap();
    assert!(left() > 0, "it was done before it could be dropped");
    eventually("all have gone", async || left() == 0).await;
}

/// The walk takes longer than the budget, as that of a million keys does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_walk_is_announced_on_the_channel() {
    let server = RedisServer::builder().tcp().arg("--enable-debug-command", "yes").start();
    wait_until_its_start_is_past(&server);
    server.cli(&["DEBUG", "POPULATE", "300000", "other", "10"]);
    let builder = Cache::builder().redis(&server.url()).unwrap().coherence(Coherence::Channel);
    let cache = builder.build().unwrap();
    let table = Table::default();
    cache
        .scope(async {
            until_held(&cache, "patterns::row", async || row(1, &table).await).await;
            let started = Instant::now();
            let gone = cache.invalidate_matching("pattern:*").await;
            assert!(started.elapsed() > Duration::from_millis(100), "too fast to show anything");
            assert!(gone.acknowledged && gone.entries == 1, "{gone:?}");
        })
        .await;
}

/// A pattern meets an entry in the middle of its FILL.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_pattern_meets_what_is_being_stored_in_process() {
    static ROW: AtomicU64 = AtomicU64::new(0);
    #[cached(ttl = "STANDARD", key = "walk:<id>", local = false, early_refresh = false)]
    async fn walked(id: u64) -> (u64, String) {
        let _ = id;
        (ROW.load(SeqCst), "x".repeat(100))
    }
    let cache = in_memory();
    let ends = Arc::new(AtomicBool::new(false));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (cache, ends) = (cache.clone(), Arc::clone(&ends));
        tasks.spawn(async move {
            cache
                .scope(async {
                    while !ends.load(SeqCst) {
                        walked(1).await;
                        tokio::task::yield_now().await;
                    }
                })
                .await;
        });
    }
    let mut stale = 0;
    let started = Instant::now();
    let mut rounds = 0;
    let mut random = Random::new(1);
    while started.elapsed() < Duration::from_secs(2) {
        rounds += 1;
        let row = ROW.fetch_add(1, SeqCst) + 1;
        cache.invalidate_matching("walk:*").await;
        stale += u64::from(cache.scope(walked(1)).await.0 < row);
        // The others load again, at some moment of the next round.
        cache.invalidate_matching("walk:*").await;
        for _ in 0..random.below(300) {
            std::hint::spin_loop();
        }
        tokio::task::yield_now().await;
    }
    ends.store(true, SeqCst);
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    assert_eq!(stale, 0, "of {rounds}");
}

/// What is written by its key is dropped by its key, also beside a function of another version.
#[tokio::test]
async fn what_was_inserted_by_key_is_invalidated_by_key() {
    #[cached(ttl = "STANDARD", key = "version:<id>", version = 4)]
    async fn versioned(id: u64) -> u64 {
        id
    }
    let cache = in_memory();
    cache.scope(versioned(1)).await;
    for by_pattern in [false, true] {
        cache.insert_with("version:1", Duration::from_secs(60), async || 7_u64).await;
        if by_pattern {
            cache.invalidate_matching("version:*").await;
        } else {
            cache.invalidate("version:1").await;
        }
        assert_eq!(cache.get::<u64>("version:1").await, None, "by pattern: {by_pattern}");
    }
}
