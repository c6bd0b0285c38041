//! One suite for both stores: the table of the protocol, and random walks in which they must answer alike.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};

use super::{
    Look, Lookup, Store,
    memory::MemoryStore,
    redis::{Coherence, RedisStore, StoreConfig},
};
use crate::{
    Remaining,
    ambient::Clock,
    codec::{Seal, Sealed, open, seal},
    domain::{
        entry::{Acquired, Lifetime, Millis, Seen, Stored, Token},
        key::Key,
        pattern::Pattern,
        verdict::Fingerprint,
    },
    engine::Told,
    redis::{config::RedisConfig, lanes::LanesConfig},
    resilience::wakeups::Wakeups,
    testing::server::RedisServer,
};

static SERVER: LazyLock<RedisServer> = LazyLock::new(RedisServer::start);

fn redis(server: &RedisServer, trust_snapshots: bool) -> RedisStore {
    let config = LanesConfig {
        redis: RedisConfig::from_url(&server.url(), "the server").expect("a URL"),
        lanes: 2,
        budget: Duration::from_secs(5),
        trust_snapshots,
    };
    let wakeups = Wakeups::default();
    let told = Arc::new(Told { wakeups: wakeups.clone(), local: None });
    let store =
        StoreConfig { coherence: Coherence::default(), prefix: String::new(), clock: Clock::default() };
    RedisStore::new(config, store, wakeups, Arc::clone(&told) as _, told).expect("a client")
}

async fn look(store: &impl Store, key: &Key) -> Lookup {
    store.read(Look { key, tags: &[], told: false }).await.expect("an answer").lookup
}

fn memory() -> MemoryStore {
    MemoryStore::new(64 << 20, 1 << 20, Clock::default())
}

/// A key of this test's own.
fn key() -> Key {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    Key::raw(&format!("conformance:{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

const A: Token = Token([1; 16]);
const B: Token = Token([2; 16]);
const LEASE: Millis = 60_000;
const TTL: Millis = 60_000;

fn sealed(id: Token, number: u32, ttl: Millis) -> Sealed {
    let lifetime = Lifetime { fresh: ttl, total: ttl };
    let seal_of =
        Seal { value: Some(&number), id, lifetime, load: 1, fingerprint: Fingerprint(5), tags: &[] };
    seal(&seal_of, 1 << 20).expect("storable")
}

fn number(lookup: &Lookup) -> Option<u32> {
    match lookup {
        Lookup::Value { value, .. } => open(&value.body),
        Lookup::Empty | Lookup::Leased(_) | Lookup::Damaged(_) | Lookup::Fenced => None,
    }
}

/// Runs a scenario on both stores.
macro_rules! both {
    ($($(#[$attribute:meta])* $name:ident;)*) => {$(
        mod $name {
            #[tokio::test]
            async fn in_memory() {
                super::$name(&super::memory()).await;
            }

            #[tokio::test]
            async fn on_redis() {
                super::$name(&super::redis(&super::SERVER, true)).await;
            }
        }
    )*};
}

both! {
    a_lease_is_filled_once;
    an_invalidated_lease_has_lost;
    a_second_load_is_told_of_the_first;
    a_value_that_was_seen_gives_way;
    a_lease_is_given_back;
    a_lone_writer_stores;
    two_writers_store_nothing;
    an_invalidation_keeps_a_fence;
    a_hold_keeps_everybody_out;
    a_value_ends;
    a_lease_ends;
    a_lease_is_renewed;
    a_value_takes_megabytes;
    a_stale_value_stays_beside_the_lease_of_its_refresh;
    all_entries_of_a_namespace_can_be_invalidated;
    a_tag_has_one_version_until_it_is_invalidated;
    many_keys_are_read_at_once_each_with_its_tags;
    a_pattern_takes_what_matches_and_counts_it;
}

async fn a_tag_has_one_version_until_it_is_invalidated(store: &impl Store) {
    let tags = [Key::tag("", &key().to_string()), Key::tag("", &key().to_string())];
    let entry = key();
    let seen = async || store.read(Look { key: &entry, tags: &tags, told: false }).await.unwrap().tags;
    assert_eq!(seen().await, [None, None]);
    let first = store.versions(&tags, TTL).await.unwrap();
    assert_ne!(first[0], first[1]);
    assert_eq!(store.versions(&tags, TTL).await.unwrap(), first);
    assert_eq!(seen().await, [Some(first[0]), Some(first[1])]);
    store.invalidate_tag(&tags[0]).await.unwrap();
    assert_eq!(seen().await, [None, Some(first[1])]);
    let second = store.versions(&tags, TTL).await.unwrap();
    assert!(second[0] != first[0] && second[1] == first[1], "a version never comes back");
}

async fn many_keys_are_read_at_once_each_with_its_tags(store: &impl Store) {
    const MANY: usize = 1_300;
    let keys: Vec<Key> = (0..MANY).map(|_| key()).collect();
    let tags = [Key::tag("", &key().to_string()), Key::tag("", &key().to_string())];
    let versions = store.versions(&tags, TTL).await.unwrap();
    for (index, key) in keys.iter().enumerate().step_by(100) {
        store.acquire(key, A, Seen::Nothing, LEASE).await.unwrap();
        store.fill(key, A, &sealed(A, index.try_into().unwrap(), TTL)).await.unwrap();
    }
    let look = |index: usize| Look { key: &keys[index], tags: &tags[..index % 3], told: false };
    let looks: Vec<Look<'_>> = (0..MANY).map(look).collect();
    let readings = store.read_many(&looks).await.unwrap();
    assert_eq!(readings.len(), MANY);
    for (index, reading) in readings.iter().enumerate() {
        let expected = (index % 100 == 0).then_some(index as u32);
        assert_eq!(number(&reading.lookup), expected, "{index}");
        let expected: Vec<_> = versions[..index % 3].iter().copied().map(Some).collect();
        assert_eq!(reading.tags, expected, "{index}");
    }
    assert!(store.read_many(&[]).await.unwrap().is_empty());
}

async fn a_pattern_takes_what_matches_and_counts_it(store: &impl Store) {
    let space = key().to_string();
    let inside = |name: &str| Key::raw(&format!("{space}:{name}"));
    let (one, two, other) = (inside("a:1:x"), inside("a:[2]:x"), inside("a:1:y"));
    for key in [&one, &two, &other] {
        store.acquire(key, A, Seen::Nothing, LEASE).await.unwrap();
    }
    for key in [&one, &other] {
        store.fill(key, A, &sealed(A, 7, TTL)).await.unwrap();
    }
    let gone = async |pattern: &str| {
        store.invalidate_matching(&Pattern::new(&format!("{space}:{pattern}"))).await.unwrap()
    };
    assert_eq!(gone("a:[12]:x").await, 0, "brackets have no meaning");
    assert_eq!(gone("a:?:x").await, 0);
    assert_eq!(gone("a:*:x").await, 2);
    assert_eq!(store.fill(&two, A, &sealed(A, 8, TTL)).await.unwrap(), Stored::Lost, "a load has lost");
    assert_eq!((look(store, &one).await, number(&look(store, &other).await)), (Lookup::Empty, Some(7)));
    assert_eq!(gone("*").await, 1);
}

async fn a_stale_value_stays_beside_the_lease_of_its_refresh(store: &impl Store) {
    let key = key();
    let id = |lookup: &Lookup| match lookup {
        Lookup::Value { value, lease, now } if *now >= value.fresh_until => {
            Some((value.id, lease.map(|lease| lease.token)))
        }
        _ => None,
    };
    let short = Lifetime { fresh: 1, total: TTL };
    let stale =
        Seal { value: Some(&7), id: A, lifetime: short, load: 1, fingerprint: Fingerprint(5), tags: &[] };
    store.acquire(&key, A, Seen::Nothing, LEASE).await.unwrap();
    store.fill(&key, A, &seal(&stale, 1 << 20).unwrap()).await.unwrap();
    crate::ambient::sleep(Duration::from_millis(20)).await;
    assert_eq!(id(&look(store, &key).await), Some((A, None)));
    assert_eq!(store.acquire(&key, B, Seen::Keep(A), LEASE).await.unwrap(), Acquired::Granted);
    assert_eq!(id(&look(store, &key).await), Some((A, Some(B))), "served while it is loaded anew");
    for seen in [Seen::Keep(A), Seen::Drop(A), Seen::Nothing] {
        let answer = store.acquire(&key, Token([3; 16]), seen, LEASE).await.unwrap();
        assert!(matches!(answer, Acquired::Busy(lease) if lease.token == B), "{seen:?}: {answer:?}");
    }
    store.release(&key, B).await.unwrap();
    assert_eq!(id(&look(store, &key).await), Some((A, None)), "it is still there");
    assert_eq!(store.acquire(&key, B, Seen::Nothing, LEASE).await.unwrap(), Acquired::Granted);
    assert_eq!(store.fill(&key, B, &sealed(B, 8, TTL)).await.unwrap(), Stored::Yes);
    assert_eq!(number(&look(store, &key).await), Some(8));
    let answer = store.acquire(&key, A, Seen::Keep(A), LEASE).await.unwrap();
    assert!(matches!(answer, Acquired::Found(value) if value.id == B), "it is not refreshed twice");
}

async fn all_entries_of_a_namespace_can_be_invalidated(store: &impl Store) {
    let space = key().to_string();
    let inside = |name: &str| Key::raw(&format!("{space}:{name}"));
    let neighbour = Key::raw(&format!("{space}1:value"));
    let (value, lease, fence) = (inside("value"), inside("lease"), inside("fence"));
    for key in [&value, &neighbour] {
        store.acquire(key, A, Seen::Nothing, LEASE).await.unwrap();
        store.fill(key, A, &sealed(A, 7, TTL)).await.unwrap();
    }
    store.acquire(&lease, A, Seen::Nothing, LEASE).await.unwrap();
    store.begin(&fence, A, LEASE).await.unwrap();
    let space = Pattern::of_prefix(&format!("{space}:"));
    assert_eq!(store.invalidate_matching(&space).await.unwrap(), 2);
    assert_eq!(look(store, &value).await, Lookup::Empty);
    assert_eq!(store.fill(&lease, A, &sealed(A, 8, TTL)).await.unwrap(), Stored::Lost);
    assert_eq!(look(store, &fence).await, Lookup::Fenced);
    assert_eq!(store.end(&fence, A, Some(&sealed(A, 9, TTL))).await.unwrap(), Stored::Lost);
    assert_eq!(number(&look(store, &neighbour).await), Some(7));
}

async fn a_lease_is_filled_once(store: &impl Store) {
    let key = key();
    assert_eq!(look(store, &key).await, Lookup::Empty);
    assert_eq!(store.acquire(&key, A, Seen::Nothing, LEASE).await.unwrap(), Acquired::Granted);
    assert!(matches!(look(store, &key).await, Lookup::Leased(lease) if lease.token == A));
    assert_eq!(store.remaining(&key).await.unwrap(), Remaining::Missing);
    assert_eq!(store.fill(&key, A, &sealed(A, 7, TTL)).await.unwrap(), Stored::Yes);
    let found = look(store, &key).await;
    assert_eq!(number(&found), Some(7));
    assert!(
        matches!(found, Lookup::Value { value, .. } if value.id == A && value.until - value.created == TTL)
    );
    assert_eq!(store.fill(&key, A, &sealed(A, 8, TTL)).await.unwrap(), Stored::Lost);
    assert_eq!(number(&look(store, &key).await), Some(7));
    let left = store.remaining(&key).await.unwrap();
    assert!(matches!(left, Remaining::For(left) if left > Duration::from_secs(50)), "{left:?}");
}

async fn an_invalidated_lease_has_lost(store: &impl Store) {
    let key = key();
    store.acquire(&key, A, Seen::Nothing, LEASE).await.unwrap();
    store.invalidate(&key).await.unwrap();
    assert_eq!(store.fill(&key, A, &sealed(A, 7, TTL)).await.unwrap(), Stored::Lost);
    assert_eq!(look(store, &key).await, Lookup::Empty);
}

async fn a_second_load_is_told_of_the_first(store: &impl Store) {
    let key = key();
    store.acquire(&key, A, Seen::Nothing, LEASE).await.unwrap();
    let busy = store.acquire(&key, B, Seen::Nothing, LEASE).await.unwrap();
    let Acquired::Busy(lease) = busy else { panic!("{busy:?}") };
    let left = lease.until.saturating_sub(store.now());
    assert!(lease.token == A && left > LEASE - 10_000 && left < LEASE + 1_000, "{left}");
    store.fill(&key, A, &sealed(A, 7, TTL)).await.unwrap();
    let found = store.acquire(&key, B, Seen::Nothing, LEASE).await.unwrap();
    assert!(matches!(&found, Acquired::Found(value) if open::<u32>(&value.body) == Some(7)), "{found:?}");
}

async fn a_value_that_was_seen_gives_way(store: &impl Store) {
    let key = key();
    store.acquire(&key, A, Seen::Nothing, LEASE).await.unwrap();
    store.fill(&key, A, &sealed(A, 7, TTL)).await.unwrap();
    assert_eq!(store.acquire(&key, B, Seen::Keep(A), LEASE).await.unwrap(), Acquired::Granted);
    assert_eq!(number(&look(store, &key).await), Some(7), "kept beside the lease");
    store.release(&key, B).await.unwrap();
    assert_eq!(number(&look(store, &key).await), Some(7));
    assert_eq!(store.acquire(&key, B, Seen::Drop(A), LEASE).await.unwrap(), Acquired::Granted);
    assert!(matches!(look(store, &key).await, Lookup::Leased(_)));
    assert_eq!(store.fill(&key, B, &sealed(B, 8, TTL)).await.unwrap(), Stored::Yes);
    assert_eq!(number(&look(store, &key).await), Some(8));
}

async fn a_lease_is_given_back(store: &impl Store) {
    let key = key();
    store.acquire(&key, A, Seen::Nothing, LEASE).await.unwrap();
    store.release(&key, B).await.unwrap();
    assert!(matches!(look(store, &key).await, Lookup::Leased(_)), "not B's to give back");
    store.release(&key, A).await.unwrap();
    assert_eq!(look(store, &key).await, Lookup::Empty);
}

async fn a_lone_writer_stores(store: &impl Store) {
    let key = key();
    store.acquire(&key, B, Seen::Nothing, LEASE).await.unwrap();
    store.begin(&key, A, LEASE).await.unwrap();
    assert_eq!(look(store, &key).await, Lookup::Fenced);
    assert_eq!(store.acquire(&key, B, Seen::Nothing, LEASE).await.unwrap(), Acquired::Fenced);
    assert_eq!(store.fill(&key, B, &sealed(B, 1, TTL)).await.unwrap(), Stored::Lost);
    assert!(store.renew(&key, A, LEASE).await.unwrap());
    assert_eq!(store.end(&key, A, Some(&sealed(A, 7, TTL))).await.unwrap(), Stored::Yes);
    assert_eq!(number(&look(store, &key).await), Some(7));
    assert_eq!(store.end(&key, A, Some(&sealed(A, 8, TTL))).await.unwrap(), Stored::Lost);
    assert_eq!(look(store, &key).await, Lookup::Empty, "a late END invalidates");
}

async fn two_writers_store_nothing(store: &impl Store) {
    let key = key();
    store.begin(&key, A, LEASE).await.unwrap();
    store.begin(&key, B, LEASE).await.unwrap();
    assert_eq!(store.end(&key, A, Some(&sealed(A, 7, TTL))).await.unwrap(), Stored::Lost);
    assert_eq!(look(store, &key).await, Lookup::Fenced);
    assert_eq!(store.end(&key, B, Some(&sealed(B, 8, TTL))).await.unwrap(), Stored::Lost);
    assert_eq!(look(store, &key).await, Lookup::Empty);
}

async fn an_invalidation_keeps_a_fence(store: &impl Store) {
    let key = key();
    store.begin(&key, A, LEASE).await.unwrap();
    store.invalidate(&key).await.unwrap();
    assert_eq!(look(store, &key).await, Lookup::Fenced);
    assert_eq!(store.end(&key, A, Some(&sealed(A, 7, TTL))).await.unwrap(), Stored::Lost);
    assert_eq!(look(store, &key).await, Lookup::Empty);
}

async fn a_hold_keeps_everybody_out(store: &impl Store) {
    let key = key();
    store.begin(&key, A, LEASE).await.unwrap();
    store.hold(&key, A, 400).await.unwrap();
    assert_eq!(look(store, &key).await, Lookup::Fenced);
    assert_eq!(store.acquire(&key, B, Seen::Nothing, LEASE).await.unwrap(), Acquired::Fenced);
    wait_for(Duration::from_millis(450)).await;
    assert_eq!(look(store, &key).await, Lookup::Empty);
}

async fn a_value_ends(store: &impl Store) {
    let key = key();
    store.acquire(&key, A, Seen::Nothing, LEASE).await.unwrap();
    store.fill(&key, A, &sealed(A, 7, 300)).await.unwrap();
    assert_eq!(number(&look(store, &key).await), Some(7));
    wait_for(Duration::from_millis(350)).await;
    assert_eq!(look(store, &key).await, Lookup::Empty);
    assert_eq!(store.remaining(&key).await.unwrap(), Remaining::Missing);
}

async fn a_lease_ends(store: &impl Store) {
    let key = key();
    store.acquire(&key, A, Seen::Nothing, 200).await.unwrap();
    wait_for(Duration::from_millis(250)).await;
    assert_eq!(store.acquire(&key, B, Seen::Nothing, LEASE).await.unwrap(), Acquired::Granted);
    assert_eq!(store.fill(&key, A, &sealed(A, 7, TTL)).await.unwrap(), Stored::Lost);
}

async fn a_lease_is_renewed(store: &impl Store) {
    let key = key();
    store.acquire(&key, A, Seen::Nothing, 300).await.unwrap();
    assert!(store.renew(&key, A, LEASE).await.unwrap());
    assert!(!store.renew(&key, B, LEASE).await.unwrap());
    wait_for(Duration::from_millis(350)).await;
    assert_eq!(store.fill(&key, A, &sealed(A, 7, TTL)).await.unwrap(), Stored::Yes);
}

async fn a_value_takes_megabytes(store: &impl Store) {
    let key = key();
    let text = "x".repeat((1 << 20) - 200);
    let lifetime = Lifetime { fresh: TTL, total: TTL };
    let seal_of =
        Seal { value: Some(&text), id: A, lifetime, load: 1, fingerprint: Fingerprint(5), tags: &[] };
    let sealed = seal(&seal_of, 1 << 20).expect("storable");
    store.acquire(&key, A, Seen::Nothing, LEASE).await.unwrap();
    assert_eq!(store.fill(&key, A, &sealed).await.unwrap(), Stored::Yes);
    let found = look(store, &key).await;
    assert!(
        matches!(found, Lookup::Value { value, .. } if open::<String>(&value.body).as_deref() == Some(&*text))
    );
}

/// Both stores take their time from a wall clock that no test can move for Redis.
async fn wait_for(time: Duration) {
    crate::ambient::sleep(time).await;
}

/// One step of a random walk.
#[derive(Clone, Copy, Debug)]
enum Move {
    Acquire(Token, Seen),
    Fill(Token),
    Release(Token),
    Renew(Token),
    Invalidate,
    Hold(Token),
    Begin(Token),
    End(Token, bool),
}

/// What a step answered, with everything that differs between two clocks left out.
async fn answer(store: &impl Store, key: &Key, step: Move) -> String {
    match step {
        Move::Acquire(token, seen) => match store.acquire(key, token, seen, LEASE).await.unwrap() {
            Acquired::Busy(lease) => format!("busy {:?}", lease.token),
            Acquired::Found(value) => format!("found {:?} {:?}", value.id, open::<u32>(&value.body)),
            other @ (Acquired::Granted | Acquired::Fenced) => format!("{other:?}"),
        },
        Move::Fill(token) => format!("{:?}", store.fill(key, token, &sealed(token, 7, TTL)).await.unwrap()),
        Move::Release(token) => format!("{:?}", store.release(key, token).await.unwrap()),
        Move::Renew(token) => format!("{:?}", store.renew(key, token, LEASE).await.unwrap()),
        Move::Invalidate => format!("{:?}", store.invalidate(key).await.unwrap()),
        Move::Hold(token) => format!("{:?}", store.hold(key, token, LEASE).await.unwrap()),
        Move::Begin(token) => format!("{:?}", store.begin(key, token, LEASE).await.unwrap()),
        Move::End(token, stores) => {
            let sealed = stores.then(|| sealed(token, 8, TTL));
            format!("{:?}", store.end(key, token, sealed.as_ref()).await.unwrap())
        }
    }
}

fn state(lookup: &Lookup) -> String {
    match lookup {
        Lookup::Leased(lease) => format!("leased {:?}", lease.token),
        Lookup::Value { value, .. } => format!("value {:?} {:?}", value.id, open::<u32>(&value.body)),
        other @ (Lookup::Empty | Lookup::Damaged(_) | Lookup::Fenced) => format!("{other:?}"),
    }
}

#[tokio::test]
async fn the_stores_answer_alike_on_random_walks() {
    let (memory, redis) = (memory(), redis(&SERVER, true));
    let token = || prop::sample::select((1..=4).map(|byte| Token([byte; 16])).collect::<Vec<_>>());
    let seen = prop_oneof![Just(Seen::Nothing), token().prop_map(Seen::Drop), token().prop_map(Seen::Keep),];
    let step = prop_oneof![
        4 => (token(), seen).prop_map(|(token, seen)| Move::Acquire(token, seen)),
        4 => token().prop_map(Move::Fill),
        1 => token().prop_map(Move::Release),
        1 => token().prop_map(Move::Renew),
        1 => Just(Move::Invalidate),
        1 => token().prop_map(Move::Hold),
        2 => token().prop_map(Move::Begin),
        3 => (token(), any::<bool>()).prop_map(|(token, stores)| Move::End(token, stores)),
    ];
    let walks = proptest::collection::vec(step, 1..40);
    let mut runner = TestRunner::default();
    for _ in 0..150 {
        let walk = walks.new_tree(&mut runner).expect("a walk").current();
        let key = key();
        for (at, &step) in walk.iter().enumerate() {
            let answers = (answer(&memory, &key, step).await, answer(&redis, &key, step).await);
            let found = (look(&memory, &key).await, look(&redis, &key).await);
            assert_eq!(
                (&answers.0, state(&found.0)),
                (&answers.1, state(&found.1)),
                "in memory and on Redis, at step {at} of {walk:?}"
            );
        }
    }
}

#[tokio::test]
async fn every_key_has_a_ttl() {
    let store = redis(&SERVER, true);
    let ttl = |key: &Key| SERVER.command::<i64>(&[b"PTTL".as_slice(), key.as_bytes()]);
    let key = key();
    store.acquire(&key, A, Seen::Nothing, LEASE).await.unwrap();
    assert!((LEASE as i64 - 5_000..=LEASE as i64).contains(&ttl(&key)));
    store.fill(&key, A, &sealed(A, 7, 3 * TTL)).await.unwrap();
    assert!((2 * TTL as i64..=3 * TTL as i64).contains(&ttl(&key)), "the value's");
    store.acquire(&key, B, Seen::Keep(A), 5 * TTL).await.unwrap();
    assert!(ttl(&key) > 4 * TTL as i64, "the later of the two");
    store.release(&key, B).await.unwrap();
    assert!(ttl(&key) <= 3 * TTL as i64);
    store.begin(&key, A, LEASE).await.unwrap();
    assert!((1..=LEASE as i64).contains(&ttl(&key)));
    store.hold(&key, B, 2 * LEASE).await.unwrap();
    assert!(ttl(&key) > LEASE as i64, "the hold's");
    store.hold(&key, B, LEASE / 2).await.unwrap();
    assert!(ttl(&key) > LEASE as i64, "the latest hold's");
}

#[tokio::test]
async fn a_sweep_leaves_foreign_keys_alone() {
    let store = redis(&SERVER, true);
    let space = key().to_string();
    let (text, list) = (format!("{space}:text"), format!("{space}:list"));
    SERVER.cli(&["SET", &text, "hello"]);
    SERVER.cli(&["RPUSH", &list, "a"]);
    let space = Pattern::of_prefix(&format!("{space}:"));
    assert_eq!(store.invalidate_matching(&space).await.unwrap(), 0);
    assert_eq!(SERVER.cli(&["GET", &text]), "hello");
    assert_eq!(SERVER.cli(&["LLEN", &list]), "1");
}

#[tokio::test]
async fn foreign_values_are_misses_and_are_replaced() {
    let store = redis(&SERVER, true);
    let foreign: [&[&str]; 5] = [
        &["SET", "KEY", "hello"],
        &["SET", "KEY", ""],
        &["RPUSH", "KEY", "a"],
        &["HSET", "KEY", "a", "b"],
        &[
            "SET",
            "KEY",
            "{\"json\": [1, 2, 3], \"long\": \"0123456789012345678901234567890123456789012345678901\"}",
        ],
    ];
    for command in foreign {
        let key = key();
        let text = key.to_string();
        let words: Vec<&str> =
            command.iter().map(|word| if *word == "KEY" { &*text } else { *word }).collect();
        SERVER.cli(&words);
        assert_eq!(look(&store, &key).await, Lookup::Empty, "{command:?}");
        assert_eq!(store.acquire(&key, A, Seen::Nothing, LEASE).await.unwrap(), Acquired::Granted);
        assert_eq!(store.fill(&key, A, &sealed(A, 7, TTL)).await.unwrap(), Stored::Yes);
        assert_eq!(number(&look(&store, &key).await), Some(7), "{command:?}");
        SERVER.cli(&["DEL", &text]);
        SERVER.cli(&words);
        store.invalidate(&key).await.unwrap();
        assert_eq!(look(&store, &key).await, Lookup::Empty);
    }
}

#[tokio::test]
async fn a_damaged_value_is_a_miss_and_is_replaced() {
    let store = redis(&SERVER, true);
    let key = key();
    store.acquire(&key, A, Seen::Nothing, LEASE).await.unwrap();
    store.fill(&key, A, &sealed(A, 7, TTL)).await.unwrap();
    SERVER.command::<()>(&[b"SETRANGE".as_slice(), key.as_bytes(), b"94", b"\x09"]);
    let Lookup::Damaged(id) = look(&store, &key).await else { panic!("it has a checksum") };
    assert_eq!(store.acquire(&key, B, Seen::Drop(id), LEASE).await.unwrap(), Acquired::Granted);
    assert_eq!(store.fill(&key, B, &sealed(B, 8, TTL)).await.unwrap(), Stored::Yes);
    assert_eq!(number(&look(&store, &key).await), Some(8));
}

#[tokio::test]
async fn the_scripts_come_back_after_a_flush() {
    let store = redis(&SERVER, true);
    let key = key();
    SERVER.cli(&["SCRIPT", "FLUSH"]);
    assert_eq!(store.acquire(&key, A, Seen::Nothing, LEASE).await.unwrap(), Acquired::Granted);
    SERVER.cli(&["SCRIPT", "FLUSH"]);
    assert_eq!(store.fill(&key, A, &sealed(A, 7, TTL)).await.unwrap(), Stored::Yes);
}

/// Rule 11: a restart from a snapshot brings back what had been invalidated.
#[tokio::test]
async fn a_value_from_before_the_restart_is_void() {
    let server = RedisServer::start();
    let key = key();
    {
        let store = redis(&server, true);
        store.acquire(&key, A, Seen::Nothing, LEASE).await.unwrap();
        store.fill(&key, A, &sealed(A, 7, 10 * TTL)).await.unwrap();
    }
    server.cli(&["SAVE"]);
    // Whole seconds is how exactly the start of a server is known.
    wait_for(Duration::from_millis(1_100)).await;
    server.kill();
    server.restart();
    let trusting = redis(&server, true);
    assert_eq!(number(&look(&trusting, &key).await), Some(7), "the snapshot has it");
    let store = redis(&server, false);
    assert_eq!(look(&store, &key).await, Lookup::Empty);
    assert_eq!(store.acquire(&key, B, Seen::Nothing, LEASE).await.unwrap(), Acquired::Granted);
}

/// The same of a tag: what was invalidated comes back with it.
#[tokio::test]
async fn a_tag_from_before_the_restart_is_void() {
    let server = RedisServer::start();
    let (entry, tags) = (key(), [Key::tag("", "org:1")]);
    let seen = async |store: &RedisStore| {
        store.read(Look { key: &entry, tags: &tags, told: false }).await.unwrap().tags
    };
    let first = redis(&server, true).versions(&tags, 10 * TTL).await.unwrap();
    server.cli(&["SAVE"]);
    wait_for(Duration::from_millis(1_100)).await;
    server.kill();
    server.restart();
    assert_eq!(seen(&redis(&server, true)).await, [Some(first[0])], "the snapshot has it");
    let store = redis(&server, false);
    assert_eq!(seen(&store).await, [None]);
    assert_ne!(store.versions(&tags, TTL).await.unwrap(), first);
}

/// Every step over bytes that somebody has damaged: none fails, and each does what the table says of what is left.
mod damaged {
    use super::*;
    use crate::{
        codec::{
            damage::Damage,
            envelope::{Body, Parsed, parse},
        },
        domain::entry::Entry,
        error::StoreError,
    };

    const C: Token = Token([3; 16]);

    const STEPS: [Move; 13] = [
        Move::Acquire(C, Seen::Nothing),
        Move::Acquire(A, Seen::Nothing),
        Move::Acquire(C, Seen::Drop(A)),
        Move::Acquire(C, Seen::Keep(A)),
        Move::Fill(A),
        Move::Fill(B),
        Move::Release(B),
        Move::Renew(A),
        Move::Invalidate,
        Move::Hold(C),
        Move::Begin(C),
        Move::End(A, true),
        Move::End(B, false),
    ];

    /// Bytes of each state, as the scripts have written them.
    async fn originals(store: &RedisStore) -> Vec<Vec<u8>> {
        let [leased, stored, both, fenced, shared] = [(); 5].map(|()| key());
        for key in [&leased, &stored, &both] {
            store.acquire(key, A, Seen::Nothing, LEASE).await.unwrap();
        }
        for key in [&stored, &both] {
            store.fill(key, A, &sealed(A, 7, TTL)).await.unwrap();
        }
        store.acquire(&both, B, Seen::Keep(A), LEASE).await.unwrap();
        for (key, token) in [(&fenced, A), (&shared, A), (&shared, B)] {
            store.begin(key, token, LEASE).await.unwrap();
        }
        let bytes = |key: Key| SERVER.command(&[b"GET".as_slice(), key.as_bytes()]);
        [leased, stored, both, fenced, shared].map(bytes).into()
    }

    /// What the table says of a step, in the words of [`answer`], and the state afterwards.
    fn expected(entry: Entry<Body>, step: Move, now: Millis) -> (String, Entry<Body>) {
        let body = |token, number| {
            let sealed = sealed(token, number, TTL);
            (sealed.lifetime, sealed.body)
        };
        match step {
            Move::Acquire(token, seen) => {
                let (entry, answer) = entry.acquire(now, token, seen, LEASE);
                let answer = match answer {
                    Acquired::Busy(lease) => format!("busy {:?}", lease.token),
                    Acquired::Found(value) => format!("found {:?} {:?}", value.id, open::<u32>(&value.body)),
                    other @ (Acquired::Granted | Acquired::Fenced) => format!("{other:?}"),
                };
                (answer, entry)
            }
            Move::Fill(token) => {
                let (lifetime, body) = body(token, 7);
                let (entry, stored) = entry.fill(now, token, lifetime, body);
                (format!("{stored:?}"), entry)
            }
            Move::Release(token) => ("()".to_owned(), entry.release(token)),
            Move::Renew(token) => {
                let (entry, standing) = entry.renew(now, token, LEASE);
                (format!("{standing:?}"), entry)
            }
            Move::Invalidate => ("()".to_owned(), entry.invalidate()),
            Move::Hold(token) => ("()".to_owned(), entry.hold(now, token, LEASE)),
            Move::Begin(token) => ("()".to_owned(), entry.begin(now, token, LEASE)),
            Move::End(token, stores) => {
                let (entry, stored) = entry.end(now, token, stores.then(|| body(token, 8)));
                (format!("{stored:?}"), entry)
            }
        }
    }

    #[tokio::test]
    async fn bytes_are_to_every_script_what_they_are_to_the_table() {
        let store = redis(&SERVER, true);
        let originals = originals(&store).await;
        let mut runner = TestRunner::default();
        for round in 0..500 {
            let damages = Damage::some().new_tree(&mut runner).expect("some").current();
            let mut bytes = originals[round % originals.len()].clone();
            if round % 4 == 0 {
                // It is written twice, so nothing else gets past the first look.
                let (at, bit) = (0_usize..8, 0_u8..8).new_tree(&mut runner).expect("one").current();
                bytes[2 + at] ^= 1 << bit;
                bytes[10 + at] ^= 1 << bit;
            }
            let bytes = Damage::all(&damages, bytes);
            check(&store, &bytes).await;
        }
    }

    async fn check(store: &RedisStore, bytes: &[u8]) {
        for step in STEPS {
            let key = key();
            SERVER.command::<()>(&[b"SET".as_slice(), key.as_bytes(), bytes, b"PX", b"60000"]);
            let parsed = parse(bytes.to_vec());
            if let (Parsed::Damaged(_), Move::Acquire(token, seen)) = (&parsed, step) {
                // The scripts do not check the body of a value: whoever reads it does.
                let answer = store.acquire(&key, token, seen, LEASE).await;
                let refused = matches!(answer, Err(StoreError::Damaged));
                assert!(
                    refused || !matches!(answer.unwrap(), Acquired::Found(_)),
                    "{step:?} over {bytes:02x?}"
                );
                continue;
            }
            // Fails where the script does.
            let answered = answer(store, &key, step).await;
            let found = state(&look(store, &key).await);
            let Parsed::Entry(entry) = parsed else {
                let ours = matches!(step, Move::Fill(_) | Move::End(_, true)) && answered == "Yes";
                assert!(ours || !found.contains("Some"), "{step:?} over {bytes:02x?}: {found}");
                continue;
            };
            let now = store.now();
            let (answer, entry) = expected(entry.settle(now, 0), step, now);
            let state = state(&Lookup::of(Parsed::Entry(entry), now, 0));
            assert_eq!((answered, found), (answer, state), "{step:?} over {bytes:02x?}");
        }
    }
}
