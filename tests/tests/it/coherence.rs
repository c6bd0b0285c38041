//! What others write is seen in the local level, however it is told; and where it is not told nothing is held.

use std::time::{Duration, Instant};

use cache_runtime::{Cache, Coherence, cached, testing::server::RedisServer};
use tokio::time::sleep;

use crate::{
    local::{Table, until_held},
    proxy::Proxy,
    support::{SERVER, eventually, namespace, wait_until_its_start_is_past},
    worker::Worker,
};

const BOTH: [Coherence; 2] = [Coherence::Tracking, Coherence::Channel];
/// Nothing that is told may take so long.
const SOON: Duration = Duration::from_secs(5);

#[cached(ttl = "STANDARD", key = "user:<id>", tags = ["team:<id>"], local = "5m", early_refresh = false, skip = [table])]
async fn user(id: u64, table: &Table) -> u64 {
    table.read(id)
}

/// A process of the fleet, as far as one can tell by its cache.
fn cache(url: &str, namespace: &str, coherence: Coherence) -> Cache {
    let builder = Cache::builder().redis(url).unwrap().coherence(coherence);
    builder.namespace(namespace).unwrap().budget(Duration::from_secs(5)).build().unwrap()
}

async fn hold(cache: &Cache, id: u64, table: &Table) {
    cache.scope(until_held(cache, "coherence::user", async || user(id, table).await)).await;
}

/// Writes the row beside the cache, does something, and waits until the new row is read.
async fn is_seen(what: &str, cache: &Cache, table: &Table, tell: impl AsyncFnOnce()) {
    hold(cache, 1, table).await;
    let written = table.write(1);
    assert_eq!(cache.scope(user(1, table)).await, written - 1, "{what}: it was not held");
    let started = Instant::now();
    tell().await;
    eventually(what, async || cache.scope(user(1, table)).await == written).await;
    assert!(started.elapsed() < SOON, "{what}: {:?}", started.elapsed());
}

/// Writes the row and does something that keeps nobody from holding what he has.
async fn is_not_for_us(what: &str, cache: &Cache, table: &Table, tell: impl AsyncFnOnce()) {
    hold(cache, 1, table).await;
    let written = table.write(1);
    tell().await;
    sleep(Duration::from_millis(50)).await;
    assert_eq!(cache.scope(user(1, table)).await, written - 1, "{what}");
    cache.scope(async { user::entry(&1).invalidate().await }).await;
}

fn three_processes(coherence: &str) {
    const ROUNDS: usize = 200;
    let namespace = namespace();
    let variables = [("CACHE_COHERENCE", coherence)];
    let start = || Worker::start(env!("CARGO_BIN_EXE_coherence"), &namespace, &[], &variables);
    let (mut writer, mut readers) = (start(), [start(), start()]);
    let mut delays = Vec::new();
    for round in 1..=ROUNDS {
        for reader in &mut readers {
            reader.tell("hold 42");
            assert_eq!(reader.next("held"), (round - 1).to_string());
            reader.tell(&format!("read-until 42 {round}"));
        }
        writer.tell("update 42");
        let updated = writer.next("updated");
        let (written, returned) = updated.split_once(' ').unwrap();
        assert_eq!(written, round.to_string());
        for reader in &mut readers {
            let seen = reader.next("seen");
            let (found, at) = seen.split_once(' ').unwrap();
            assert_eq!(found, written);
            let (at, returned): (u64, u64) = (at.parse().unwrap(), returned.parse().unwrap());
            delays.push(Duration::from_micros(at.saturating_sub(returned)));
        }
        // The writer reads its own.
        writer.tell("hold 42");
        assert_eq!(writer.next("held"), written);
    }
    delays.sort_unstable();
    let at = |percent: usize| delays[(delays.len() - 1) * percent / 100];
    eprintln!("{coherence}: others read a write after it returned: p50 {:?}, p99 {:?}", at(50), at(99));
    assert!(at(99) < SOON, "{delays:?}");
}

#[test]
fn what_one_process_writes_two_others_read_by_tracking() {
    three_processes("tracking");
}

#[test]
fn what_one_process_writes_two_others_read_by_the_channel() {
    three_processes("channel");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_see_each_kind_of_write() {
    for coherence in BOTH {
        let (namespace, table) = (namespace(), Table::default());
        let (reads, writes) =
            (cache(&SERVER.url(), &namespace, coherence), cache(&SERVER.url(), &namespace, coherence));
        let reads = &reads;
        is_seen("a key", reads, &table, async || {
            writes.invalidate("user:1").await;
        })
        .await;
        is_seen("a tag", reads, &table, async || {
            writes.invalidate_tag("team:1").await;
        })
        .await;
        is_seen("a pattern", reads, &table, async || {
            writes.invalidate_matching("user:*").await;
        })
        .await;
        let entry = async || {
            writes.scope(async { user::entry(&1).invalidate().await }).await;
        };
        is_seen("an entry", reads, &table, entry).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tracking_sees_what_anybody_does() {
    let (namespace, table) = (namespace(), Table::default());
    let server = RedisServer::start();
    wait_until_its_start_is_past(&server);
    let cache = cache(&server.url(), &namespace, Coherence::Tracking);
    let key = format!("{namespace}:user:1");
    let tag = server.cli(&["KEYS", "*"]);
    assert_eq!(tag, "");
    let by = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let server = &server;
        async move || drop(server.cli(&words.iter().map(String::as_str).collect::<Vec<_>>()))
    };
    is_seen("DEL", &cache, &table, by(&["DEL", &key])).await;
    is_seen("UNLINK", &cache, &table, by(&["UNLINK", &key])).await;
    is_seen("SET", &cache, &table, by(&["SET", &key, "foreign"])).await;
    is_seen("a list in its place", &cache, &table, async || {
        server.cli(&["DEL", &key]);
        server.cli(&["RPUSH", &key, "foreign"]);
    })
    .await;
    server.cli(&["DEL", &key]);
    is_seen("EXPIRE 0", &cache, &table, by(&["EXPIRE", &key, "0"])).await;
    is_seen("RENAME", &cache, &table, by(&["RENAME", &key, "elsewhere"])).await;
    is_seen("FLUSHALL", &cache, &table, by(&["FLUSHALL"])).await;
    is_seen("FLUSHDB", &cache, &table, by(&["FLUSHDB"])).await;
    is_seen("a tag", &cache, &table, async || {
        let tags = server.cli(&["KEYS", &format!("{namespace}:*team*")]);
        assert_eq!(server.cli(&["DEL", &tags]), "1", "{tags}");
    })
    .await;

    // It is told that the key expires later, reads it again, and is told when it has expired.
    hold(&cache, 1, &table).await;
    server.cli(&["PEXPIRE", &key, "1500"]);
    is_seen("expiry", &cache, &table, async || {
        let is_gone = async || server.cli(&["EXISTS", &key]) == "0";
        eventually("it has expired", is_gone).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tracking_sees_evictions() {
    let server =
        RedisServer::builder().arg("--maxmemory", "8mb").arg("--maxmemory-policy", "allkeys-lru").start();
    wait_until_its_start_is_past(&server);
    let (namespace, table) = (namespace(), Table::default());
    let cache = cache(&server.url(), &namespace, Coherence::Tracking);
    let key = format!("{namespace}:user:1");
    is_seen("eviction", &cache, &table, async || {
        let text = "x".repeat(10_000);
        let mut number = 0;
        while server.cli(&["EXISTS", &key]) == "1" {
            server.cli(&["SET", &format!("filler:{number}"), &text]);
            number += 1;
            assert!(number < 100_000, "nothing is evicted");
        }
    })
    .await;
}

/// As a service in another language, or somebody at a terminal, says it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_is_heard() {
    let (namespace, table) = (namespace(), Table::default());
    let cache = cache(&SERVER.url(), &namespace, Coherence::Channel);
    let key = format!("{namespace}:user:1");
    // As Redis has it by now.
    let say = |message: String| {
        let key = key.clone();
        async move || {
            SERVER.cli(&["DEL", &key]);
            SERVER.command::<u64>(&["PUBLISH", "cache:invalidate", &message]);
        }
    };
    let ns = &namespace;
    for message in [
        format!(r#"{{"keys":["{ns}:user:1"]}}"#),
        format!(r#" {{ "from" : "node", "keys" : [ 7, null, "{ns}:user:1" ], "unknown": {{}} }} "#),
        format!(r#"{{"keys":[],"tags":["{ns}:team:1"]}}"#),
        format!(r#"{{"prefix":"{ns}:us"}}"#),
        format!(r#"{{"patterns":["{ns}:*:1"]}}"#),
        format!(r#"{{"patterns":["x*","{ns}:user:1"]}}"#),
        // Too much of it: it may name anything.
        format!(r#"{{"patterns":[{}"x*"]}}"#, r#""q*","#.repeat(2_000)),
    ] {
        is_seen(&message[..message.len().min(80)], &cache, &table, say(message.clone())).await;
    }
    for message in [
        r#"{"keys":["user:1"]}"#.to_owned(),
        format!(r#"{{"keys":["{ns}x:user:1"]}}"#),
        format!(r#"{{"keys":"{ns}:user:1"}}"#),
        format!(r#"{{"tags":["team:1","{ns}:team:2","{ns}:user:1"]}}"#),
        format!(r#"{{"patterns":["user:*","{ns}:user:1?","{ns}:[user]:1"]}}"#),
        format!(r#"{{"prefix":"{ns}:user:12"}}"#),
        format!(r#"{{"prefix":["{ns}"]}}"#),
        format!(r#"["{ns}:user:1"]"#),
        format!(r#"{{"keys":["{ns}:user:1"]"#),
    ] {
        is_not_for_us(&message, &cache, &table, say(message.clone())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_make_no_sense_do_no_harm() {
    let (namespace, table) = (namespace(), Table::default());
    let cache = cache(&SERVER.url(), &namespace, Coherence::Channel);
    hold(&cache, 1, &table).await;
    let deep =
        |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000)).into_bytes();
    let messages: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"null".to_vec(),
        b"{\"keys\":".to_vec(),
        b"{\"keys\":[\"\xff\xfe\"]}".to_vec(),
        b"\xff\xfe\x00".to_vec(),
        br#"{"keys":{"a":1},"tags":7,"prefix":[],"patterns":"*","from":{}}"#.to_vec(),
        br#"{"keys":["\ud800","\u0000",""],"tags":[""],"patterns":["",""]}"#.to_vec(),
        br#"{"keys":[1e999]}"#.to_vec(),
        deep("[", "]"),
        deep("{\"keys\":[", "]}"),
        vec![b'x'; 2 << 20],
        format!(r#"{{"keys":[{}"x"]}}"#, r#""y","#.repeat(200_000)).into_bytes(),
        format!(r#"{{"keys":["{}"]}}"#, "k".repeat(2 << 20)).into_bytes(),
        format!(r#"{{"patterns":[{}"x"]}}"#, r#""*y*","#.repeat(150_000)).into_bytes(),
        format!(r#"{{"patterns":[{}"x"]}}"#, r#""","#.repeat(300_000)).into_bytes(),
        format!(r#"{{"patterns":["{namespace}:{}x"]}}"#, "*".repeat(1_000_000)).into_bytes(),
        format!(r#"{{"prefix":"{namespace}:{}x"}}"#, "*".repeat(1_000_000)).into_bytes(),
    ];
    // Something to compare patterns with.
    #[cached(ttl = "STANDARD", key = "many:<id>", local = "5m")]
    async fn many(id: u64) -> u64 {
        id
    }
    cache
        .scope(async {
            for id in (0..2_000).flat_map(|id| [id, id]) {
                many(id).await;
            }
        })
        .await;
    let started = Instant::now();
    for message in &messages {
        SERVER.command::<u64>(&[b"PUBLISH", &b"cache:invalidate"[..], message]);
        let key = format!("{namespace}:user:1");
        is_seen("the next message", &cache, &table, async || {
            SERVER.cli(&["DEL", &key]);
            SERVER.cli(&["PUBLISH", "cache:invalidate", &format!(r#"{{"keys":["{key}"]}}"#)]);
        })
        .await;
    }
    assert!(started.elapsed() < 4 * SOON, "{:?}", started.elapsed());
    assert!(cache.health().local.is_on);
}

/// Somebody in `redis-cli` ends connections: what is held goes, and comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_killed_comes_back() {
    let server = RedisServer::start();
    wait_until_its_start_is_past(&server);
    for coherence in BOTH {
        let (namespace, table) = (namespace(), Table::default());
        let cache = cache(&server.url(), &namespace, coherence);
        let key = format!("{namespace}:user:1");
        let by_id = || {
            let clients = server.cli(&["CLIENT", "LIST"]);
            let wanted = |line: &&str| match coherence {
                Coherence::Channel => line.contains(" sub=1 "),
                _ => line.contains(" flags=t"),
            };
            let client = clients.lines().find(wanted).unwrap_or_else(|| panic!("{clients}"));
            let id = client.split(' ').next().and_then(|word| word.strip_prefix("id=")).unwrap();
            server.cli(&["CLIENT", "KILL", "ID", id]);
        };
        let kinds: [(&str, &dyn Fn()); 3] = [
            ("normal", &|| drop(server.cli(&["CLIENT", "KILL", "TYPE", "normal"]))),
            ("pubsub", &|| drop(server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]))),
            ("by id", &by_id),
        ];
        for (kind, kill) in kinds {
            hold(&cache, 1, &table).await;
            let concerns_the_level =
                kind == "by id" || (kind == "pubsub") == (coherence == Coherence::Channel);
            kill();
            if concerns_the_level {
                let written = table.write(1);
                // Nobody tells of this one: the level is emptied because the connection is gone.
                server.cli(&["DEL", &key]);
                let is_new = async || cache.scope(user(1, &table)).await == written;
                eventually("what was held has gone", is_new).await;
            }
            let other = self::cache(&server.url(), &namespace, coherence);
            is_seen(kind, &cache, &table, async || {
                other.invalidate("user:1").await;
            })
            .await;
        }
    }
}

/// Cut off, with nobody to tell it of anything, a process serves nothing that it holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hears_nothing_serves_nothing_that_is_held() {
    let server = RedisServer::start();
    wait_until_its_start_is_past(&server);
    for coherence in BOTH {
        for silent in [false, true] {
            let proxy = Proxy::start(&server);
            let (namespace, table) = (namespace(), Table::default());
            let builder = Cache::builder().redis(&proxy.url()).unwrap().coherence(coherence);
            let cut_off = builder.namespace(&namespace).unwrap().build().unwrap();
            let other = cache(&server.url(), &namespace, coherence);
            hold(&cut_off, 1, &table).await;
            if silent {
                proxy.swallow(true);
            } else {
                proxy.refuse(true);
            }
            let written = table.write(1);
            assert!(other.invalidate("user:1").await);
            let started = Instant::now();
            let is_new = async || cut_off.scope(user(1, &table)).await == written;
            eventually("what was held is left", is_new).await;
            let left = started.elapsed();
            // Within the heartbeat of 3 s where nothing tells; at once where the connection ends.
            let at_most = Duration::from_secs(if silent { 3 } else { 1 });
            eprintln!("{coherence:?}, {}: left after {left:?}", if silent { "silent" } else { "cut" });
            assert!(left < 3 * at_most, "{coherence:?}, silent {silent}: {left:?}");
            assert!(!cut_off.health().local.is_on);
            proxy.swallow(false);
            proxy.refuse(false);
            is_seen("by itself", &cut_off, &table, async || {
                other.invalidate("user:1").await;
            })
            .await;
        }
    }
}

/// A server on which a user may not ask for tracking, and the URL of that user.
fn without_tracking() -> (RedisServer, String) {
    let server = RedisServer::builder().tcp().start();
    server.cli(&["ACL", "SETUSER", "service", "on", ">secret", "~*", "&*", "+@all", "-client|tracking"]);
    let url = server.url().replace("redis://", "redis://service:secret@");
    (server, url)
}

/// One that took to the channel by itself heard nothing of those that track, and they nothing of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_may_not_track_holds_nothing_and_says_so() {
    let (server, url) = without_tracking();
    let (namespace, table) = (namespace(), Table::default());
    let reads = cache(&url, &namespace, Coherence::Tracking);
    let writes = cache(&server.url(), &namespace, Coherence::Tracking);
    hold(&writes, 1, &table).await;
    let says_so = async || {
        reads.scope(user(1, &table)).await;
        reads.health().trouble.is_some_and(|trouble| trouble.contains("CACHE_COHERENCE=channel"))
    };
    eventually("it says so", says_so).await;
    for _ in 0..20 {
        reads.scope(user(1, &table)).await;
        let written = table.write(1);
        assert!(writes.invalidate("user:1").await);
        assert_eq!(reads.scope(user(1, &table)).await, written);
        let written = table.write(1);
        assert!(reads.invalidate("user:1").await);
        let is_seen = async || writes.scope(user(1, &table)).await == written;
        eventually("the one that tracks sees it", is_seen).await;
    }
    let local = reads.health().local;
    assert!(!local.is_on && local.values == 0, "{local:?}");
    assert_eq!(server.cli(&["PUBSUB", "CHANNELS"]), "", "it listens where it was told to");
}

/// Where it was told to use the channel, no tracking is missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_channel_needs_no_tracking() {
    let (_server, url) = without_tracking();
    let (namespace, table) = (namespace(), Table::default());
    let reads = cache(&url, &namespace, Coherence::Channel);
    let writes = cache(&url, &namespace, Coherence::Channel);
    // It only writes, and speaks all the same.
    assert!(writes.connected().await);
    is_seen("a key", &reads, &table, async || {
        writes.invalidate("user:1").await;
    })
    .await;
    is_seen("a tag", &reads, &table, async || {
        writes.invalidate_tag("team:1").await;
    })
    .await;
    assert_eq!(reads.health().trouble, None);
}

/// A fleet of both kinds is one in which some are told nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_listens_hears_of_one_that_says_nothing() {
    let server = RedisServer::start();
    let (ours, theirs, table) = (namespace(), namespace(), Table::default());
    let listens = cache(&server.url(), &ours, Coherence::Channel);
    hold(&listens, 1, &table).await;
    hold(&cache(&server.url(), &theirs, Coherence::Tracking), 1, &table).await;
    // What was said before it was heard before.
    is_seen("a message", &listens, &table, async || {
        server.cli(&["DEL", &format!("{ours}:user:1")]);
        let message = format!(r#"{{"keys":["{ours}:user:1"]}}"#);
        server.cli(&["PUBLISH", "cache:invalidate", &message]);
    })
    .await;
    assert_eq!(listens.health().trouble, None, "they share no namespace");
    let tracks = cache(&server.url(), &ours, Coherence::Tracking);
    hold(&tracks, 1, &table).await;
    let says_so = async || {
        listens.health().trouble.is_some_and(|trouble| trouble.contains("CACHE_COHERENCE=channel in all"))
    };
    eventually("it says so", says_so).await;
}

/// A server that has no room for one more client, for a moment, does track.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_room_for_a_moment_is_asked_again_to_track() {
    let server = RedisServer::start();
    wait_until_its_start_is_past(&server);
    let (namespace, table) = (namespace(), Table::default());
    let build = || cache(&server.url(), &namespace, Coherence::Tracking);
    let (reads, writes) = (build(), build());
    hold(&writes, 2, &table).await;
    assert!(reads.connected().await);
    let is_up = async || reads.health().state == cache_runtime::HealthState::Connected;
    eventually("its other connections are up", is_up).await;
    let clients = server.cli(&["CLIENT", "LIST"]).lines().count();
    server.cli(&["CONFIG", "SET", "maxclients", &clients.to_string()]);
    reads.scope(user(1, &table)).await;
    sleep(Duration::from_millis(500)).await;
    assert!(!reads.health().local.is_on);
    server.cli(&["CONFIG", "SET", "maxclients", "1000"]);
    is_seen("a key", &reads, &table, async || {
        writes.invalidate("user:1").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_starts_anew_is_heard_again() {
    for coherence in BOTH {
        let server = RedisServer::start();
        wait_until_its_start_is_past(&server);
        let (namespace, table) = (namespace(), Table::default());
        let (reads, writes) =
            (cache(&server.url(), &namespace, coherence), cache(&server.url(), &namespace, coherence));
        hold(&reads, 1, &table).await;
        let written = table.write(1);
        server.restart();
        let is_new = async || reads.scope(user(1, &table)).await == written;
        eventually("what was held has gone", is_new).await;
        is_seen("a key", &reads, &table, async || {
            eventually("it is acknowledged", async || writes.invalidate("user:1").await).await;
        })
        .await;
    }
}
