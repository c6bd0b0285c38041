//! The local level: what a hit costs, how long a value stays, and that a process reads its own writes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use cache_runtime::{Cache, Coherence, cached, testing::TestClock, testing::server::RedisServer};
use cache_tests::history::random::Random;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use serde::{Deserialize, Serialize};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    counts::cost,
    proxy::Proxy,
    support::{
        DbError, Runs, both, eventually, in_memory, namespace, on_redis, redis_builder,
        wait_until_its_start_is_past,
    },
};

both! {
    a_hit_clones_a_pointer_only;
    absence_is_held_too;
    a_function_that_wants_none_has_none;
    a_process_reads_each_kind_of_its_own_writes;
    a_process_reads_its_own_writes_whoever_writes_beside_it;
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Film {
    title: String,
    pub(crate) year: u64,
}

/// What bodies read, and writes change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    rows: Arc<[AtomicU64; 16]>,
    runs: Runs,
}

impl Table {
    fn row(&self, id: u64) -> &AtomicU64 {
        &self.rows[usize::try_from(id).unwrap()]
    }

    pub(crate) fn read(&self, id: u64) -> u64 {
        self.runs.one_more();
        self.row(id).load(SeqCst)
    }

    /// The number of this write.
    pub(crate) fn write(&self, id: u64) -> u64 {
        self.row(id).fetch_add(1, SeqCst) + 1
    }

    /// How often it was read.
    pub(crate) fn runs(&self) -> u64 {
        self.runs.get()
    }
}

/// Calls until the answer comes from the local level.
pub(crate) async fn until_held<T>(cache: &Cache, function: &str, mut call: impl AsyncFnMut() -> T) {
    let hits = || cache.report().function(function).map_or(0, |row| row.calls.hits_local);
    let before = hits();
    let is_held = async || {
        call().await;
        hits() > before
    };
    eventually("it is held in the process", is_held).await;
}

#[cached(ttl = "STANDARD", key = "local:film:<id>", local = "30s", skip = [table])]
async fn film(id: u64, table: &Table) -> Arc<Film> {
    Arc::new(Film { title: format!("film {id}"), year: table.read(id) })
}

async fn a_hit_clones_a_pointer_only(cache: Cache) {
    #[cached(ttl = "STANDARD", key = "local:result:<id>", local = "30s", skip = [table])]
    async fn result(id: u64, table: &Table) -> Result<Option<Arc<Film>>, DbError> {
        Ok(Some(film::uncached(id, table).await))
    }
    let table = Table::default();
    until_held(&cache, "local::film", async || film(1, &table).await).await;
    let (first, second) = (film(1, &table).await, film(1, &table).await);
    assert!(Arc::ptr_eq(&first, &second) && first.year == 0);
    assert_eq!(table.runs(), 1);
    assert!(!Arc::ptr_eq(&first, &film(2, &table).await));

    until_held(&cache, "result", async || result(1, &table).await).await;
    let (first, second) = (result(1, &table).await.unwrap(), result(1, &table).await.unwrap());
    assert!(Arc::ptr_eq(&first.unwrap(), &second.unwrap()));

    let local = cache.health().local;
    assert!(local.is_on && local.values >= 2 && local.bytes > 200, "{local:?}");
    let report = cache.report();
    let calls = report.function("local::film").unwrap().calls;
    assert!(calls.hits_local >= 3 && calls.hit_rate() > Some(0.4), "{report}");
    assert!(report.to_string().contains("local"), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hit_asks_redis_nothing() {
    #[cached(ttl = "STANDARD", key = "local:tagged:<id>", tags = ["local:<id>"], local = "30s", skip = [table])]
    async fn tagged(id: u64, table: &Table) -> u64 {
        table.read(id)
    }
    #[cached(ttl = "STANDARD", key = "local:skips:<id>", tags = ["local:<org>"], local = "30s", skip = [table, org])]
    async fn of_an_org(id: u64, org: u64, table: &Table) -> u64 {
        table.read(id) + org
    }
    for coherence in [Coherence::Tracking, Coherence::Channel] {
        let server = RedisServer::builder().tcp().start();
        wait_until_its_start_is_past(&server);
        let proxy = Proxy::start(&server);
        let builder = Cache::builder().redis(&proxy.url()).unwrap().coherence(coherence);
        let cache = builder.lanes(1).budget(Duration::from_secs(5)).build().unwrap();
        let table = Table::default();
        let calls = async {
            for _ in 0..100 {
                film(1, &table).await;
                tagged(1, &table).await;
                of_an_org(1, 7, &table).await;
            }
        };
        cache
            .scope(async {
                until_held(&cache, "local::film", async || film(1, &table).await).await;
                until_held(&cache, "tagged", async || tagged(1, &table).await).await;
                until_held(&cache, "of_an_org", async || of_an_org(1, 7, &table).await).await;
                let (mut commands, turns) = cost(&server, &proxy, calls).await;
                // The heartbeat of the channel.
                commands.remove("ping");
                assert!(commands.is_empty() && turns <= 1, "{coherence:?}: {commands:?}, {turns} turns");
            })
            .await;
        assert_eq!(table.runs(), 3, "{coherence:?}");
    }
}

#[test]
fn hits_are_counted_by_the_metrics() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let table = Table::default();
        let cache = in_memory();
        runtime.block_on(cache.scope(async {
            for _ in 0..5 {
                film(3, &table).await;
            }
        }));
        // A recorder costs more than a hit: it is told later, by calls that go on to the store, or by this.
        let _report = cache.report();
    });
    let hits = snapshotter.snapshot().into_vec().into_iter().find_map(|(key, _, _, value)| {
        let key = key.key();
        let is = |name: &str, expected: &str| {
            key.labels().any(|label| label.key() == name && label.value().ends_with(expected))
        };
        let wanted = key.name() == "cache_requests_total" && is("outcome", "hit_local");
        (wanted && is("function", "local::film")).then_some(value)
    });
    // One loads, one asks the store.
    assert_eq!(hits, Some(DebugValue::Counter(3)));
}

async fn absence_is_held_too(cache: Cache) {
    #[cached(ttl = "STANDARD", key = "local:absent:<id>", negative_ttl = "1m", local = "30s", skip = [table])]
    async fn absent(id: u64, table: &Table) -> Result<Option<u64>, DbError> {
        Ok(Some(table.read(id)).filter(|row| *row > 0))
    }
    #[cached(invalidates = [absent(id)])]
    async fn create(id: u64, table: &Table) -> u64 {
        table.write(id)
    }
    let table = Table::default();
    until_held(&cache, "absent", async || absent(1, &table).await).await;
    assert_eq!((absent(1, &table).await, table.runs()), (Ok(None), 1));
    create(1, &table).await;
    assert_eq!(absent(1, &table).await, Ok(Some(1)));
}

async fn a_function_that_wants_none_has_none(cache: Cache) {
    #[cached(ttl = "STANDARD", key = "local:none:<id>", local = false, skip = [table])]
    async fn without(id: u64, table: &Table) -> u64 {
        table.read(id)
    }
    let table = Table::default();
    for _ in 0..20 {
        without(1, &table).await;
    }
    let calls = cache.report().function("without").unwrap().calls;
    assert_eq!((calls.hits_local, calls.hits, cache.health().local.values), (0, 19, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_builder_says_it_for_functions_that_say_nothing() {
    #[cached(ttl = "STANDARD", key = "local:silent:<id>", skip = [table])]
    async fn silent(id: u64, table: &Table) -> u64 {
        table.read(id)
    }
    #[cached(ttl = "STANDARD", key = "local:never:<id>", local = false, skip = [table])]
    async fn never(id: u64, table: &Table) -> u64 {
        table.read(id)
    }
    let at_most = Duration::from_secs(30);
    for cache in
        [Cache::builder().local(at_most).build().unwrap(), redis_builder().local(at_most).build().unwrap()]
    {
        let table = Table::default();
        cache
            .scope(async {
                until_held(&cache, "silent", async || silent(1, &table).await).await;
                for _ in 0..5 {
                    never(1, &table).await;
                }
            })
            .await;
        assert_eq!(cache.report().function("never").unwrap().calls.hits_local, 0);
        assert_eq!(cache.health().local.values, 1);
    }
    let cache = in_memory();
    let table = Table::default();
    cache
        .scope(async {
            for _ in 0..5 {
                silent(1, &table).await;
            }
        })
        .await;
    assert_eq!(cache.report().function("silent").unwrap().calls.hits_local, 0, "none by default");
}

/// A second, as long as the function that is asked likes.
#[cached(ttl = |_| Duration::from_secs(1), key = "local:short:<id>", jitter = 0, early_refresh = false, local = "30s", skip = [table])]
async fn short(id: u64, table: &Table) -> u64 {
    table.read(id)
}

#[tokio::test]
async fn a_value_stays_no_longer_than_its_function_says() {
    #[cached(ttl = "STANDARD", key = "local:shared:<id>", jitter = 0, local = "5s", skip = [table])]
    async fn hasty(id: u64, table: &Table) -> u64 {
        table.read(id)
    }
    #[cached(ttl = "STANDARD", key = "local:shared:<id>", jitter = 0, local = "30s", skip = [table])]
    async fn patient(id: u64, table: &Table) -> u64 {
        table.read(id)
    }
    let clock = TestClock::default();
    let cache = clock.in_memory();
    let table = Table::default();
    let hits = |function: &str| {
        let calls = cache.report().function(function).unwrap().calls;
        (calls.hits_local, calls.hits)
    };
    cache
        .scope(async {
            hasty(1, &table).await;
            hasty(1, &table).await;
            assert_eq!(hits("hasty"), (0, 1), "what was loaded goes in when it is read");
            clock.advance(Duration::from_millis(4_500));
            hasty(1, &table).await;
            assert_eq!(hits("hasty"), (1, 1));
            clock.advance(Duration::from_millis(600));
            patient(1, &table).await;
            assert_eq!(hits("patient"), (1, 0), "each function says it for itself");
            hasty(1, &table).await;
            hasty(1, &table).await;
            assert_eq!(hits("hasty"), (2, 2));
            clock.advance(Duration::from_secs(31));
            patient(1, &table).await;
            assert_eq!(hits("patient"), (1, 1));
            assert_eq!(table.runs(), 1);

            short(1, &table).await;
            short(1, &table).await;
            clock.advance(Duration::from_millis(900));
            short(1, &table).await;
            assert_eq!((hits("local::short"), table.runs()), ((1, 1), 2));
            clock.advance(Duration::from_millis(200));
            short(1, &table).await;
            assert_eq!(table.runs(), 3, "the entry has ended");
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_ends_with_its_entry_on_redis() {
    let cache = on_redis();
    let table = Table::default();
    cache
        .scope(async {
            let mut before = 0;
            until_held(&cache, "local::short", async || before = short(1, &table).await).await;
            table.write(1);
            eventually("the entry has ended", async || short(1, &table).await > before).await;
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bound_in_bytes_holds() {
    #[cached(ttl = "STANDARD", key = "local:page:<number>", local = "30s")]
    async fn page(number: u64) -> String {
        format!("{number}{}", "x".repeat(5_000))
    }
    const MOST: u64 = 1 << 20;
    for cache in [
        Cache::builder().local_memory(MOST).build().unwrap(),
        redis_builder().local_memory(MOST).build().unwrap(),
    ] {
        cache
            .scope(async {
                until_held(&cache, "page", async || page(0).await).await;
                for number in 0..600 {
                    page(number).await;
                    page(number).await;
                    let local = cache.health().local;
                    assert!(local.bytes <= MOST, "{local:?}");
                }
                let local = cache.health().local;
                assert!(local.bytes > MOST / 2 && local.values > 80, "{local:?}");
            })
            .await;
    }
}

/// An entry with a tag, and all that can be done to it.
#[cached(ttl = "STANDARD", key = "own:<id>:row", tags = ["own:<id>"], local = "30s", early_refresh = false, skip = [table])]
async fn row(id: u64, table: &Table) -> u64 {
    let row = table.read(id);
    // Whoever writes meanwhile is to be noticed.
    tokio::task::yield_now().await;
    row
}

#[cached(ttl = "STANDARD", key = "own:<id>:row", tags = ["own:<id>"], mode = "write-through", skip = [table])]
async fn write_through(id: u64, table: &Table) -> u64 {
    table.write(id)
}

#[cached(invalidates = [row(id)])]
async fn by_function(id: u64, table: &Table) -> u64 {
    table.write(id)
}

#[cached(invalidates = ["own:<id>:row"])]
async fn by_key(id: u64, table: &Table) -> u64 {
    table.write(id)
}

#[cached(invalidates = [tag("own:<id>")])]
async fn by_tag(id: u64, table: &Table) -> u64 {
    table.write(id)
}

#[cached(invalidates = ["own:<id>:*"])]
async fn by_pattern(id: u64, table: &Table) -> u64 {
    table.write(id)
}

#[cached(invalidates = ["own:<id>:row"])]
async fn fails(id: u64, table: &Table) -> Result<(), u64> {
    Err(table.write(id))
}

#[cached(ttl = "STANDARD", key = "own:<id>:row", tags = ["own:<id>"], mode = "write-through", skip = [table])]
async fn write_through_fails(id: u64, table: &Table) -> Result<u64, u64> {
    Err(table.write(id))
}

#[cached(invalidates = ["own:<id>:row"], detach = false)]
async fn hangs(id: u64, table: &Table) {
    table.write(id);
    std::future::pending::<()>().await;
}

const WRITES: [&str; 12] = [
    "write_through",
    "by_function",
    "by_key",
    "by_tag",
    "by_pattern",
    "fails",
    "write_through_fails",
    "entry().invalidate",
    "entry().insert_with",
    "invalidate",
    "invalidate_tag",
    "invalidate_matching",
];

/// Writes a row in some way; its number.
async fn write(cache: &Cache, way: &str, id: u64, table: &Table) -> u64 {
    let entry = || row::entry(&id);
    match way {
        "write_through" => write_through(id, table).await,
        "by_function" => by_function(id, table).await,
        "by_key" => by_key(id, table).await,
        "by_tag" => by_tag(id, table).await,
        "by_pattern" => by_pattern(id, table).await,
        "fails" => fails(id, table).await.unwrap_err(),
        "write_through_fails" => write_through_fails(id, table).await.unwrap_err(),
        "entry().insert_with" => entry().insert_with(|| async { table.write(id) }).await,
        by_hand => {
            let number = table.write(id);
            match by_hand {
                "entry().invalidate" => drop(entry().invalidate().await),
                "invalidate" => drop(cache.invalidate(&format!("own:{id}:row")).await),
                "invalidate_tag" => drop(cache.invalidate_tag(&format!("own:{id}")).await),
                "invalidate_matching" => drop(cache.invalidate_matching(&format!("own:{id}:*")).await),
                other => panic!("no such write: {other}"),
            }
            number
        }
    }
}

async fn a_process_reads_each_kind_of_its_own_writes(cache: Cache) {
    let table = Table::default();
    for way in WRITES {
        until_held(&cache, "local::row", async || row(1, &table).await).await;
        let number = write(&cache, way, 1, &table).await;
        assert_eq!(row(1, &table).await, number, "{way}");
        assert_eq!(row(1, &table).await, number, "{way}");
    }
    until_held(&cache, "local::row", async || row(1, &table).await).await;
    let hung = timeout(Duration::from_millis(20), hangs(1, &table)).await;
    hung.expect_err("it hangs");
    let written = table.row(1).load(SeqCst);
    eventually("the write that was dropped", async || row(1, &table).await == written).await;
}

/// Eight tasks that read and write; each reads at least what had been written before. Writes that fail or are dropped keep
/// the rows out of the cache for a second: only where `hold` says so.
async fn read_and_write(cache: &Cache, table: &Table, seed: u64, rounds: usize, hold: bool) {
    let written: Arc<[AtomicU64; 16]> = Arc::default();
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let (cache, table, written) = (cache.clone(), table.clone(), Arc::clone(&written));
        let mut random = Random::new(seed * 8 + task);
        tasks.spawn(async move {
            let calls = async {
                for round in 0..rounds {
                    let id = random.below(3);
                    let floor = &written[usize::try_from(id).unwrap()];
                    if random.percent(10) {
                        let mut way = *random.pick(&WRITES);
                        while !hold && way.contains("fails") {
                            way = *random.pick(&WRITES);
                        }
                        let number = write(&cache, way, id, &table).await;
                        floor.fetch_max(number, SeqCst);
                    } else if hold && random.percent(3) {
                        // Dropped at any moment.
                        drop(timeout(random.up_to_millis(2), hangs(id, &table)).await);
                    } else {
                        let before = floor.load(SeqCst);
                        let found = row(id, &table).await;
                        assert!(
                            found >= before,
                            "seed {seed}, task {task}, round {round}: {found} < {before}"
                        );
                    }
                    if random.percent(10) {
                        sleep(random.up_to_millis(3)).await;
                    }
                }
            };
            cache.scope(calls).await;
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
}

async fn a_process_reads_its_own_writes_whoever_writes_beside_it(cache: Cache) {
    let table = Table::default();
    until_held(&cache, "local::row", async || row(0, &table).await).await;
    for seed in 1..=6 {
        read_and_write(&cache, &table, seed, 300, seed % 3 == 0).await;
    }
    let calls = cache.report().function("local::row").unwrap().calls;
    assert!(calls.hits_local > 100, "{calls:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_reads_its_own_writes_whatever_becomes_of_the_way_to_redis() {
    for coherence in [Coherence::Tracking, Coherence::Channel] {
        let server = RedisServer::builder().tcp().start();
        wait_until_its_start_is_past(&server);
        let proxy = Proxy::start(&server);
        let builder = Cache::builder().redis(&proxy.url()).unwrap().coherence(coherence);
        let cache = builder.namespace(&namespace()).unwrap().build().unwrap();
        let table = Table::default();
        let is_held = async || {
            until_held(&cache, "local::row", async || row(0, &table).await).await;
        };
        cache.scope(is_held()).await;
        let disturb = async {
            for round in 0..4 {
                sleep(Duration::from_millis(200)).await;
                match round {
                    0 => proxy.cut(),
                    1 => proxy.refuse(true),
                    2 => proxy.swallow(true),
                    _ => drop(server.cli(&["CLIENT", "KILL", "TYPE", "normal"])),
                }
                sleep(Duration::from_millis(400)).await;
                proxy.swallow(false);
                proxy.refuse(false);
            }
        };
        let calls = async {
            for seed in 10..16 {
                read_and_write(&cache, &table, seed, 60, seed % 3 == 0).await;
            }
        };
        tokio::join!(disturb, calls);
        cache.scope(is_held()).await;
    }
}

/// With Redis out nothing old is served: the body runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_while_redis_is_out_is_read_from_the_body() {
    for coherence in [Coherence::Tracking, Coherence::Channel] {
        let server = RedisServer::builder().tcp().start();
        wait_until_its_start_is_past(&server);
        let builder = Cache::builder().redis(&server.url()).unwrap().coherence(coherence);
        let cache = builder.build().unwrap();
        let table = Table::default();
        cache
            .scope(async {
                for way in WRITES {
                    until_held(&cache, "local::row", async || row(1, &table).await).await;
                    server.pause();
                    assert!(cache.health().local.is_on);
                    let number = write(&cache, way, 1, &table).await;
                    let (runs, found) = (table.runs(), row(1, &table).await);
                    server.resume();
                    assert_eq!((found, table.runs()), (number, runs + 1), "{coherence:?} {way}");
                    let caught_up = async || cache.health().recovery_queue == 0;
                    eventually("the invalidation is repeated", caught_up).await;
                    assert_eq!(row(1, &table).await, number, "{coherence:?} {way}");
                }
            })
            .await;
    }
}

/// A read is on its way back while its value is invalidated: it is served, for it began before, and not held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_invalidated_while_it_was_read_does_not_go_in() {
    #[derive(Clone, Copy, Debug)]
    enum By {
        Own,
        OwnTag,
        OwnPattern,
        Other,
        OtherTag,
        OtherPattern,
    }
    let server = RedisServer::builder().tcp().start();
    wait_until_its_start_is_past(&server);
    let proxy = Proxy::start(&server);
    for coherence in [Coherence::Tracking, Coherence::Channel] {
        for by in [By::Own, By::OwnTag, By::OwnPattern, By::Other, By::OtherTag, By::OtherPattern] {
            if coherence == Coherence::Channel && matches!(by, By::Own | By::OwnTag | By::OwnPattern) {
                // Its answer would wait behind the one that is held.
                continue;
            }
            let namespace = namespace();
            let build = |url: &str| {
                let builder = Cache::builder().redis(url).unwrap().coherence(coherence).lanes(1);
                builder.budget(Duration::from_secs(20)).namespace(&namespace).unwrap().build().unwrap()
            };
            let (cache, other) = (build(&proxy.url()), build(&server.url()));
            let table = Table::default();
            #[cached(ttl = "STANDARD", key = "held:<id>:title", tags = ["held:<id>"], local = "30s", skip = [table])]
            async fn title(id: u64, table: &Table) -> String {
                format!("title-{}", table.read(id))
            }
            // Another key brings the level up.
            let warm = async || title(2, &table).await;
            cache.scope(until_held(&cache, "title", warm)).await;
            cache.scope(title(1, &table)).await;

            let held = proxy.held();
            proxy.hold_replies(Some(b"title-0"));
            let reading = tokio::spawn({
                let (cache, table) = (cache.clone(), table.clone());
                async move { cache.scope(title(1, &table)).await }
            });
            eventually("the reply is on its way", async || proxy.held() > held).await;
            table.write(1);
            let ok = match by {
                By::Own => cache.invalidate("held:1:title").await,
                By::OwnTag => cache.invalidate_tag("held:1").await,
                By::OwnPattern => cache.invalidate_matching("held:1:*").await.acknowledged,
                By::Other => other.invalidate("held:1:title").await,
                By::OtherTag => other.invalidate_tag("held:1").await,
                By::OtherPattern => other.invalidate_matching("held:1:*").await.acknowledged,
            };
            assert!(ok, "{coherence:?} {by:?}");
            // The message of the others has come where it does not wait behind the reply.
            sleep(Duration::from_millis(100)).await;
            proxy.hold_replies(None);
            assert_eq!(reading.await.unwrap(), "title-0");
            let is_new = async || cache.scope(title(1, &table)).await == "title-1";
            if coherence == Coherence::Tracking && matches!(by, By::Other | By::OtherTag | By::OtherPattern) {
                // The message comes behind the reply.
                eventually("the message has come", is_new).await;
            } else {
                assert!(is_new().await, "{coherence:?} {by:?}");
            }
        }
    }
}
