//! Values that serde writes in one way and reads in another: what is a hit, and what is said of the others.

use std::net::{IpAddr, Ipv4Addr};

use cache_runtime::{Cache, cached};
use serde::{Deserialize, Deserializer, Serialize};

use crate::support::{Runs, Warnings, both, in_memory, on_redis};

both! {
    types_that_need_the_readable_spelling_are_hits;
}

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Event {
    Login { ip: IpAddr },
    Logout,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    id: u64,
    #[serde(flatten)]
    event: Event,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Source {
    Address(IpAddr),
    Name(String),
}

async fn types_that_need_the_readable_spelling_are_hits(cache: Cache) {
    #[cached(ttl = "5m", key = "event:<id>", skip = [runs])]
    async fn event(id: u64, runs: &Runs) -> Event {
        runs.one_more();
        if id == 0 { Event::Logout } else { Event::Login { ip: ADDRESS } }
    }
    #[cached(ttl = "5m", key = "entry:<id>", skip = [runs])]
    async fn entry(id: u64, runs: &Runs) -> Option<Entry> {
        runs.one_more();
        Some(Entry { id, event: Event::Login { ip: ADDRESS } })
    }
    #[cached(ttl = "5m", key = "source:<id>", local = "1m", skip = [runs])]
    async fn source(id: u64, runs: &Runs) -> Source {
        runs.one_more();
        if id == 0 { Source::Name("x".to_owned()) } else { Source::Address(ADDRESS) }
    }
    let runs = Runs::default();
    for _ in 0..3 {
        // The first value of its function is of the other kind.
        assert_eq!(event(0, &runs).await, Event::Logout);
        assert_eq!(event(1, &runs).await, Event::Login { ip: ADDRESS });
        assert_eq!(entry(1, &runs).await, Some(Entry { id: 1, event: Event::Login { ip: ADDRESS } }));
        assert_eq!(source(0, &runs).await, Source::Name("x".to_owned()));
        assert_eq!(source(1, &runs).await, Source::Address(ADDRESS));
    }
    assert_eq!(runs.get(), 5, "{}", cache.report());
    assert_eq!(event::entry(&1).peek().await, Some(Event::Login { ip: ADDRESS }));
}

/// Runs it on both stores. A function says what is wrong once in a process, whatever the store.
async fn heard_on_both(calls: impl AsyncFn(Cache)) -> Warnings {
    let warnings = Warnings::default();
    let guard = tracing::subscriber::set_default(warnings.clone());
    for cache in [in_memory(), on_redis()] {
        cache.connected().await;
        cache.scope(calls(cache.clone())).await;
    }
    drop(guard);
    warnings
}

fn check(warnings: &Warnings, function: &str, texts: &[&str]) {
    let said = warnings.of(function);
    assert_eq!(said.len(), 1, "{said:?}");
    for text in texts {
        assert!(said[0].contains(text), "no `{text}` in {}", said[0]);
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Account {
    id: u64,
    #[serde(skip_serializing)]
    hash: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Profile {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    films: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Large {
    Number { number: u128 },
}

#[tokio::test]
async fn a_value_that_serde_does_not_read_back_is_not_stored_and_named_once() {
    #[cached(ttl = "5m", key = "account:<id>", skip = [runs])]
    async fn account(id: u64, runs: &Runs) -> Account {
        runs.one_more();
        Account { id, hash: "argon".to_owned() }
    }
    #[cached(ttl = "5m", key = "profile:<id>", skip = [runs])]
    async fn profile(id: u64, runs: &Runs) -> Profile {
        runs.one_more();
        Profile { name: None, films: (0..id).collect() }
    }
    #[cached(ttl = "5m", key = "large:<id>", skip = [runs])]
    async fn large(id: u64, runs: &Runs) -> Large {
        runs.one_more();
        Large::Number { number: u128::from(id) }
    }
    let calls = async |cache: Cache| {
        let runs = Runs::default();
        for _ in 0..2 {
            assert_eq!(account(1, &runs).await.hash, "argon");
            assert_eq!(large(1, &runs).await, Large::Number { number: 1 });
            assert_eq!(profile(0, &runs).await, Profile { name: None, films: vec![] });
            assert_eq!(profile(3, &runs).await, Profile { name: None, films: vec![0, 1, 2] });
        }
        assert_eq!(runs.get(), 2 + 2 + 2 + 1, "{}", cache.report());
        let report = cache.report();
        let row = report.function("account").unwrap();
        assert_eq!((row.unstorable, row.decode_failures, row.calls.hits), (2, 0, 0), "{report}");
    };
    let warnings = heard_on_both(calls).await;
    check(
        &warnings,
        "::account",
        &["not stored", "values::Account", "missing field `hash`", "#[serde(default)]"],
    );
    check(&warnings, "::profile", &["not stored", "values::Profile", "missing field `films`"]);
    check(&warnings, "::large", &["not stored", "values::Large", "u128"]);
}

#[tokio::test]
async fn a_value_that_comes_back_as_another_one_is_named_once() {
    fn doubled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        u64::deserialize(deserializer).map(|number| number * 2)
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Price {
        id: u64,
        #[serde(deserialize_with = "doubled")]
        cents: u64,
    }
    #[cached(ttl = "5m", key = "price:<id>")]
    async fn price(id: u64) -> Price {
        Price { id, cents: 5 }
    }
    #[cached(ttl = "5m", key = "prices:<id>")]
    async fn numbers(id: u64) -> std::collections::HashMap<u64, u64> {
        (0..id).map(|number| (number, number)).collect()
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct User {
        id: u64,
        #[serde(skip)]
        is_admin: bool,
    }
    #[cached(ttl = "5m", key = "user:<id>")]
    async fn user(id: u64) -> User {
        User { id, is_admin: true }
    }
    #[cached(ttl = "5m", key = "find:<id>")]
    async fn find_user(id: u64) -> Result<Option<User>, String> {
        Ok(Some(User { id, is_admin: id == 1 }))
    }
    let calls = async |_: Cache| {
        for id in 0..2 {
            for _ in 0..2 {
                price(id).await;
                numbers(id + 30).await;
                user(id).await;
                find_user(id).await.unwrap();
            }
        }
    };
    let warnings = heard_on_both(calls).await;
    check(&warnings, "::price", &["a hit differs", "Price", "field=cents"]);
    for function in ["::user", "::find_user"] {
        check(&warnings, function, &["a hit differs", "#[serde(skip)]"]);
    }
    assert_eq!(warnings.of("::numbers"), [""; 0], "the order of a map is no difference");
}

#[tokio::test]
async fn a_value_that_looks_like_none_is_named_once() {
    #[cached(ttl = "5m", key = "twice:<id>", negative_ttl = "1m", skip = [runs])]
    async fn twice(id: u64, runs: &Runs) -> Option<Option<u64>> {
        runs.one_more();
        (id > 0).then_some(None)
    }
    let calls = async |cache: Cache| {
        let runs = Runs::default();
        for _ in 0..3 {
            assert_eq!((twice(0, &runs).await, twice(1, &runs).await), (None, Some(None)));
        }
        assert_eq!(runs.get(), 1 + 3, "{}", cache.report());
    };
    check(&heard_on_both(calls).await, "::twice", &["not stored", "Some(None)", "negative_ttl"]);
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_is_named_once() {
    #[cached(ttl = "5m", key = "shared:<id>")]
    async fn film(id: u64) -> Source {
        Source::Name(id.to_string())
    }
    #[cached(ttl = "5m", key = "shared:<id>")]
    async fn actor(id: u64) -> Event {
        let _ = id;
        Event::Logout
    }
    let calls = async |cache: Cache| {
        for _ in 0..3 {
            film(1).await;
            actor(1).await;
        }
        let report = cache.report();
        assert_eq!(report.function("actor").unwrap().decode_failures, 3, "{report}");
        let text = report.to_string();
        assert!(
            ["undecoded", "cold", "invalidated", "load errors"].iter().all(|name| text.contains(name)),
            "{text}"
        );
    };
    let warnings = heard_on_both(calls).await;
    for function in ["::film", "::actor"] {
        check(&warnings, function, &["cannot be read", "it is of another type", "deployment"]);
    }
}
