//! Tags: what they take away, whoever interferes, and what they cost.

use std::time::{Duration, Instant};

use cache_runtime::{Cache, Coherence, cached, testing::server::RedisServer};
use tokio::{sync::oneshot, task::JoinSet};

use crate::{
    counts::{cost, count},
    local::{Table, until_held},
    proxy::Proxy,
    support::{Runs, both, namespace, redis_builder, wait_until_its_start_is_past},
};

both! {
    a_tag_takes_all_its_entries_away;
    each_of_several_tags_does;
    a_tag_of_an_argument_that_is_not_in_the_key;
    a_tag_that_comes_from_the_result;
    a_tag_invalidated_during_a_load_leaves_nothing_usable;
    who_joins_after_a_tag_was_invalidated_does_not_get_the_older_load;
    a_tag_invalidated_during_a_write_through_leaves_nothing_usable;
    with_the_local_level;
    one_function_with_tags_beside_one_without;
}

#[cached(ttl = "STANDARD", key = "film:<id>", tags = ["genre:<genre>"], early_refresh = false, skip = [genre, table])]
async fn film(id: u64, genre: &str, table: &Table) -> u64 {
    let _ = genre;
    table.read(id)
}

#[cached(invalidates = [tag("genre:<genre>")])]
async fn change_genre(genre: &str) {}

async fn a_tag_takes_all_its_entries_away(cache: Cache) {
    let table = Table::default();
    let read = async || {
        for id in 0..8 {
            film(id, if id < 6 { "drama" } else { "comedy" }, &table).await;
        }
        table.runs()
    };
    assert_eq!((read().await, read().await), (8, 8));
    change_genre("drama").await;
    assert_eq!((read().await, read().await), (14, 14));
    assert!(cache.invalidate_tag("genre:comedy").await);
    assert_eq!((read().await, read().await), (16, 16));
    change_genre("drama:").await;
    change_genre("*").await;
    cache.invalidate_tag("genre:*").await;
    cache.invalidate_tag("").await;
    assert_eq!(read().await, 16, "a tag is a name, not a pattern");
}

async fn each_of_several_tags_does(_: Cache) {
    #[cached(ttl = "STANDARD", key = "several:<id>", tags = ["films", "org:<org>", "pair:<org>:<id>"], skip = [org, table])]
    async fn several(id: u64, org: u64, table: &Table) -> u64 {
        table.read(id) + org
    }
    let table = Table::default();
    let runs = async || {
        several(1, 7, &table).await;
        table.runs()
    };
    assert_eq!((runs().await, runs().await), (1, 1));
    let cache = Cache::current();
    for (at, tag) in ["films", "org:7", "pair:7:1"].into_iter().enumerate() {
        cache.invalidate_tag(tag).await;
        assert_eq!(runs().await, at as u64 + 2, "{tag}");
        assert_eq!(runs().await, at as u64 + 2, "{tag}");
    }
    for tag in ["org:8", "pair:7:2", "pair:7", "film", "films:"] {
        cache.invalidate_tag(tag).await;
        assert_eq!(runs().await, 4, "{tag}");
    }
}

/// Who asks for the same key with another tag does not get what carries the first.
async fn a_tag_of_an_argument_that_is_not_in_the_key(cache: Cache) {
    let table = Table::default();
    film(1, "drama", &table).await;
    table.write(1);
    assert_eq!(film(1, "comedy", &table).await, 1);
    assert_eq!(film(1, "comedy", &table).await, 1);
    table.write(1);
    change_genre("drama").await;
    assert_eq!(film(1, "comedy", &table).await, 1, "it does not carry that tag any more");
    change_genre("comedy").await;
    assert_eq!(film(1, "comedy", &table).await, 2);
    drop(cache);
}

async fn a_tag_that_comes_from_the_result(_: Cache) {
    struct Made {
        org: u64,
    }
    #[cached(ttl = "STANDARD", key = "of-org:<org>", tags = ["org:<org>"], skip = [table])]
    async fn of_org(org: u64, table: &Table) -> u64 {
        table.read(org)
    }
    #[cached(invalidates = [tag("org:<return.org>")])]
    async fn make(org: u64) -> Result<Made, String> {
        if org == 0 { Err("no".to_owned()) } else { Ok(Made { org }) }
    }
    let table = Table::default();
    of_org(1, &table).await;
    of_org(2, &table).await;
    assert_eq!(make(1).await.unwrap().org, 1);
    assert!(make(0).await.is_err());
    of_org(2, &table).await;
    assert_eq!(table.runs(), 2);
    of_org(1, &table).await;
    assert_eq!(table.runs(), 3);
}

type Gate = std::sync::Arc<std::sync::Mutex<Option<(oneshot::Sender<()>, oneshot::Receiver<()>)>>>;

/// A load that says when it has read, and waits.
#[cached(ttl = "STANDARD", key = "gated:<id>", tags = ["gated"], skip = [table, gate])]
async fn gated(id: u64, table: &Table, gate: &Gate) -> u64 {
    let row = table.read(id);
    let wait = gate.lock().unwrap().take();
    if let Some((begun, goes_on)) = wait {
        begun.send(()).unwrap();
        goes_on.await.unwrap();
    }
    row
}

/// Starts a load, which has read the row and waits; what lets it go on, and its result.
async fn under_way(
    cache: &Cache,
    table: &Table,
    gate: &Gate,
) -> (oneshot::Sender<()>, tokio::task::JoinHandle<u64>) {
    let ((begun, has_begun), (go_on, goes_on)) = (oneshot::channel(), oneshot::channel());
    *gate.lock().unwrap() = Some((begun, goes_on));
    let (cache, table, gate) = (cache.clone(), table.clone(), gate.clone());
    let load = tokio::spawn(async move { cache.scope(gated(1, &table, &gate)).await });
    has_begun.await.unwrap();
    (go_on, load)
}

async fn a_tag_invalidated_during_a_load_leaves_nothing_usable(cache: Cache) {
    let (table, gate) = (Table::default(), Gate::default());
    // With the tag there already, and without it.
    for round in 0..3 {
        let (go_on, load) = under_way(&cache, &table, &gate).await;
        table.write(1);
        assert!(cache.invalidate_tag("gated").await);
        go_on.send(()).unwrap();
        assert_eq!(load.await.unwrap(), round, "its own call began before");
        assert_eq!(gated(1, &table, &gate).await, round + 1);
        assert_eq!(gated(1, &table, &gate).await, round + 1);
        cache.invalidate_tag("gated").await;
    }
}

async fn who_joins_after_a_tag_was_invalidated_does_not_get_the_older_load(cache: Cache) {
    let (table, gate) = (Table::default(), Gate::default());
    let (go_on, load) = under_way(&cache, &table, &gate).await;
    let mut before = JoinSet::new();
    let join = |calls: &mut JoinSet<u64>| {
        for _ in 0..20 {
            let (cache, table, gate) = (cache.clone(), table.clone(), gate.clone());
            calls.spawn(async move { cache.scope(gated(1, &table, &gate)).await });
        }
    };
    join(&mut before);
    tokio::time::sleep(Duration::from_millis(50)).await;
    table.write(1);
    cache.invalidate_tag("gated").await;
    let mut after = JoinSet::new();
    join(&mut after);
    tokio::time::sleep(Duration::from_millis(50)).await;
    go_on.send(()).unwrap();
    assert_eq!(load.await.unwrap(), 0);
    for found in after.join_all().await {
        assert_eq!(found, 1);
    }
    for found in before.join_all().await {
        assert!(found <= 1);
    }
    assert!(table.runs() <= 4, "{} runs", table.runs());
}

async fn a_tag_invalidated_during_a_write_through_leaves_nothing_usable(cache: Cache) {
    #[cached(ttl = "STANDARD", key = "through:<id>", tags = ["through"], skip = [table])]
    async fn through(id: u64, table: &Table) -> u64 {
        table.read(id)
    }
    #[cached(ttl = "STANDARD", key = "through:<id>", tags = ["through"], mode = "write-through", skip = [table, during])]
    async fn put(id: u64, table: &Table, during: Option<&Cache>) -> u64 {
        let row = table.write(id);
        if let Some(cache) = during {
            table.write(id);
            cache.invalidate_tag("through").await;
        }
        row
    }
    let table = Table::default();
    assert_eq!(put(1, &table, None).await, 1);
    assert_eq!((through(1, &table).await, table.runs()), (1, 0), "it was stored with its tag");
    cache.invalidate_tag("through").await;
    assert_eq!((through(1, &table).await, table.runs()), (1, 1));
    assert_eq!(put(1, &table, Some(&cache)).await, 2);
    assert_eq!(through(1, &table).await, 3);
}

async fn with_the_local_level(cache: Cache) {
    #[cached(ttl = "STANDARD", key = "held-tag:<id>", tags = ["held:<id>", "held"], local = "1m", skip = [table])]
    async fn by_key(id: u64, table: &Table) -> u64 {
        table.read(id)
    }
    #[cached(ttl = "STANDARD", key = "held-tag:skip:<id>", tags = ["held:<org>"], local = "1m", skip = [org, table])]
    async fn by_argument(id: u64, org: u64, table: &Table) -> u64 {
        table.read(id) + org * 100
    }
    let table = Table::default();
    for tag in ["held:1", "held", "held:1"] {
        until_held(&cache, "by_key", async || by_key(1, &table).await).await;
        let row = table.write(1);
        cache.invalidate_tag("held:2").await;
        assert_eq!(by_key(1, &table).await, row - 1, "another tag");
        cache.invalidate_tag(tag).await;
        assert_eq!(by_key(1, &table).await, row, "{tag}");
    }
    until_held(&cache, "by_argument", async || by_argument(2, 1, &table).await).await;
    assert_eq!(by_argument(2, 1, &table).await, 100);
    assert_eq!(by_argument(2, 2, &table).await, 200, "what carries another tag is no hit");
    until_held(&cache, "by_argument", async || by_argument(2, 2, &table).await).await;
    let row = table.write(2);
    cache.invalidate_tag("held:1").await;
    assert_eq!(by_argument(2, 2, &table).await, 200);
    cache.invalidate_tag("held:2").await;
    assert_eq!(by_argument(2, 2, &table).await, 200 + row);
}

/// Neither serves what the other has stored; each is right all the same.
async fn one_function_with_tags_beside_one_without(cache: Cache) {
    #[cached(ttl = "STANDARD", key = "beside:<id>", tags = ["beside"], local = "1m", skip = [table])]
    async fn tagged(id: u64, table: &Table) -> u64 {
        table.read(id)
    }
    #[cached(ttl = "STANDARD", key = "beside:<id>", local = "1m", skip = [table])]
    async fn untagged(id: u64, table: &Table) -> u64 {
        table.read(id)
    }
    let table = Table::default();
    for _ in 0..5 {
        until_held(&cache, "untagged", async || untagged(1, &table).await).await;
        until_held(&cache, "tags::tagged", async || tagged(1, &table).await).await;
        let row = table.write(1);
        cache.invalidate_tag("beside").await;
        assert_eq!(tagged(1, &table).await, row);
        table.write(1);
        cache.invalidate("beside:1").await;
        assert_eq!(untagged(1, &table).await, row + 1);
        assert_eq!(tagged(1, &table).await, row + 1);
    }
}

/// Somebody in `redis-cli`, or memory that is short, takes a tag away, or puts something else there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_is_taken_away_by_hand_takes_its_entries() {
    let server = RedisServer::start();
    wait_until_its_start_is_past(&server);
    let (namespace, table) = (namespace(), Table::default());
    let builder = Cache::builder().redis(&server.url()).unwrap().namespace(&namespace).unwrap();
    let cache = builder.budget(Duration::from_secs(5)).build().unwrap();
    cache
        .scope(async {
            film(1, "drama", &table).await;
            let tag = server.cli(&["KEYS", "*drama*"]);
            assert!(tag.starts_with(&format!("{namespace}:")), "{tag}");
            for words in [
                vec!["DEL", &tag],
                vec!["UNLINK", &tag],
                vec!["PEXPIRE", &tag, "0"],
                vec!["SET", &tag, "foreign"],
                vec!["SET", &tag, "sixteen bytes...", "PX", "100000"],
                vec!["FLUSHALL"],
            ] {
                film(1, "drama", &table).await;
                let row = table.write(1);
                assert_eq!(film(1, "drama", &table).await, row - 1);
                server.cli(&words);
                assert_eq!(film(1, "drama", &table).await, row, "{words:?}");
                assert_eq!(film(1, "drama", &table).await, row, "{words:?}");
            }
            server.cli(&["DEL", &tag]);
            server.cli(&["RPUSH", &tag, "a list"]);
            let row = table.write(1);
            assert_eq!(film(1, "drama", &table).await, row);
            let runs = table.runs();
            film(1, "drama", &table).await;
            assert_eq!(table.runs(), runs, "what cannot be a version is replaced");
        })
        .await;
}

/// A tag lives at least as long as what carries it, whoever has made it before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_lives_as_long_as_its_longest_entry() {
    #[cached(ttl = "1s", key = "brief:<id>", tags = ["prolonged"], local = false)]
    async fn brief(id: u64) -> u64 {
        id
    }
    #[cached(ttl = "STATIC", key = "lasting:<id>", tags = ["prolonged"], local = false)]
    async fn lasting(id: u64) -> u64 {
        id
    }
    #[cached(ttl = "STATIC", key = "lasting-write:<id>", tags = ["written"], mode = "write-through")]
    async fn lasting_write(id: u64) -> u64 {
        id
    }
    let server = RedisServer::start();
    wait_until_its_start_is_past(&server);
    let builder = Cache::builder().redis(&server.url()).unwrap().budget(Duration::from_secs(5));
    let cache = builder.build().unwrap();
    let left = |pattern: &str| -> i64 {
        let key = server.cli(&["KEYS", pattern]);
        server.command(&["PTTL", &key])
    };
    cache
        .scope(async {
            brief(1).await;
            let first = left("*prolonged");
            assert!(first > 1_000 && first < 24 * 3_600_000, "{first}: not longer than it may be needed");
            lasting(1).await;
            assert!(
                left("*prolonged") >= left("lasting:1"),
                "{} < {}",
                left("*prolonged"),
                left("lasting:1")
            );
            let lasting_left = left("*prolonged");
            brief(2).await;
            assert!(left("*prolonged") >= lasting_left - 60_000, "a shorter one does not shorten it");
            lasting_write(1).await;
            assert!(left("*written") >= left("lasting-write:1"));
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_tags_cost() {
    #[cached(ttl = "STANDARD", key = "cost:<id>", tags = ["cost:<id>", "cost"], local = false, early_refresh = false, skip = [runs])]
    async fn costs(id: u64, runs: &Runs) -> u64 {
        runs.one_more() + id
    }
    for coherence in [Coherence::Tracking, Coherence::Channel] {
        let server = RedisServer::builder().tcp().start();
        wait_until_its_start_is_past(&server);
        let proxy = Proxy::start(&server);
        let builder = Cache::builder().redis(&proxy.url()).unwrap().coherence(coherence).lanes(1);
        let cache = builder.budget(Duration::from_secs(5)).build().unwrap();
        cache
            .scope(async {
                let runs = Runs::default();
                // All scripts are known to the server from here on.
                costs(0, &runs).await;
                cache.invalidate_tag("cost:0").await;
                let (commands, turns) = cost(&server, &proxy, costs(1, &runs)).await;
                assert_eq!(count(&commands, "mget"), 1, "{commands:?}");
                // ACQUIRE and a TAG each, then FILL and a TAG each; sent together, answered one by one.
                assert_eq!(count(&commands, "evalsha"), 6, "{commands:?}");
                assert!((3..=7).contains(&turns), "{turns}");
                let (commands, turns) = cost(&server, &proxy, costs(1, &runs)).await;
                assert_eq!(commands.into_iter().collect::<Vec<_>>(), [("mget".to_owned(), 1)]);
                assert_eq!(turns, 1);

                let late = Duration::from_millis(100);
                proxy.delay(late);
                let started = Instant::now();
                costs(2, &runs).await;
                let waited = started.elapsed();
                proxy.delay(Duration::ZERO);
                assert!(waited >= 3 * late && waited < 6 * late, "three round trips: {waited:?}");

                let mut costs_of = Vec::new();
                for (tag, entries) in [("cost:1", 1), ("cost", 10), ("cost", 3_000)] {
                    for id in 0..entries {
                        costs(id, &runs).await;
                    }
                    let (commands, turns) = cost(&server, &proxy, cache.invalidate_tag(tag)).await;
                    assert_eq!(count(&commands, "unlink"), 1, "{commands:?}");
                    costs_of.push((commands, turns));
                }
                assert!(costs_of.iter().all(|cost| *cost == costs_of[0]), "{costs_of:?}");
                assert!(costs_of[0].1 <= 2 && costs_of[0].0.values().sum::<u64>() <= 2, "{costs_of:?}");
            })
            .await;
    }
}

/// A tag is forgotten by a memory that is full: a miss, and no old value.
#[tokio::test]
async fn tags_are_evicted_in_process_without_harm() {
    let cache = Cache::builder().memory(1 << 20).build().unwrap();
    let table = Table::default();
    cache
        .scope(async {
            for round in 0..5 {
                film(1, "drama", &table).await;
                table.write(1);
                change_genre("drama").await;
                for other in 0..2_000 {
                    film(2, &format!("genre-{round}-{other}"), &table).await;
                }
                assert_eq!(film(1, "drama", &table).await, round + 1);
            }
        })
        .await;
}

/// Nobody is told of a tag that is only held for others: two processes, one of which invalidates while the other loads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_found_after_the_lease_is_held_against_the_tags_of_now() {
    let namespace = namespace();
    let build = || redis_builder().namespace(&namespace).unwrap().build().unwrap();
    let (one, other) = (build(), build());
    let (table, gate) = (Table::default(), Gate::default());
    for _ in 0..20 {
        let row = table.write(1);
        one.invalidate_tag("gated").await;
        // Both find nothing: one gets the lease, the other waits for it, and finds what it has stored.
        let (go_on, load) = under_way(&one, &table, &gate).await;
        let waits = tokio::spawn({
            let (other, table, gate) = (other.clone(), table.clone(), gate.clone());
            async move { other.scope(gated(1, &table, &gate)).await }
        });
        tokio::time::sleep(Duration::from_millis(5)).await;
        table.write(1);
        other.invalidate_tag("gated").await;
        go_on.send(()).unwrap();
        assert_eq!(load.await.unwrap(), row);
        assert!(waits.await.unwrap() >= row);
        for cache in [&one, &other] {
            assert_eq!(cache.scope(gated(1, &table, &gate)).await, row + 1);
        }
    }
}
