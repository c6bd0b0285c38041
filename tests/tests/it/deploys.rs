//! Two versions of a service on one Redis: misses, never garbage.

use std::collections::BTreeMap;

use cache_runtime::{Cache, cached};
use serde::{Deserialize, Serialize};

use crate::{
    support::{SERVER, both, namespace, on_redis},
    worker::Worker,
};

/// One version of a service: its own `User`, under the same key.
macro_rules! service {
    ($module:ident { $($field:ident: $ty:ty = $value:expr),* }) => {
        mod $module {
            use super::*;

            #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
            pub(super) struct User { $(pub(super) $field: $ty),* }

            impl User {
                pub(super) fn sample() -> Self {
                    Self { $($field: $value),* }
                }
            }

            #[cached(ttl = "5m", key = "deployed")]
            pub(super) async fn get() -> User {
                User::sample()
            }
        }
    };
}

service!(old { first: String = "Ada".into(), last: String = "Lovelace".into(), age: u8 = 36 });
service!(swapped { age: u8 = 1, last: String = "x".into(), first: String = "y".into() });
service!(added {
    first: String = "x".into(),
    last: String = "y".into(),
    age: u8 = 1,
    city: String = "z".into()
});
service!(removed { first: String = "x".into(), age: u8 = 1 });
service!(retyped { first: u64 = 7, last: String = "y".into(), age: u8 = 1 });
service!(renamed { first_name: String = "x".into(), last: String = "y".into(), age: u8 = 1 });

both! {
    fields_may_be_swapped_added_removed_and_retyped;
    two_types_behind_one_template_never_meet;
}

async fn fields_may_be_swapped_added_removed_and_retyped(cache: Cache) {
    let fill = async || {
        cache.invalidate("deployed").await;
        old::get().await;
    };
    fill().await;
    let right = swapped::User { age: 36, last: "Lovelace".into(), first: "Ada".into() };
    assert_eq!(swapped::get().await, right, "read by name");
    fill().await;
    assert_eq!(removed::get().await, removed::User { first: "Ada".into(), age: 36 });
    fill().await;
    assert_eq!(added::get().await, added::User::sample(), "a miss, and replaced");
    assert_eq!(old::get().await, old::User { first: "x".into(), last: "y".into(), age: 1 }, "by the new one");
    fill().await;
    assert_eq!(retyped::get().await, retyped::User::sample());
    fill().await;
    assert_eq!(renamed::get().await, renamed::User::sample());
    assert_eq!(old::get().await, old::User::sample());
    let report = cache.report();
    let failures = |function| report.function(function).map(|row| row.decode_failures);
    assert_eq!(failures("added::get"), Some(1));
    assert_eq!(failures("retyped::get"), Some(1));
    assert_eq!(failures("swapped::get"), Some(0));
}

async fn two_types_behind_one_template_never_meet(_: Cache) {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Film {
        id: u64,
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Actor {
        id: u64,
    }
    #[cached(ttl = "5m", key = "thing:<id>")]
    async fn film(id: u64) -> Film {
        Film { id }
    }
    #[cached(ttl = "5m", key = "thing:<id>")]
    async fn actor(id: u64) -> Actor {
        Actor { id: id + 100 }
    }
    for _ in 0..2 {
        assert_eq!(film(1).await, Film { id: 1 });
        assert_eq!(actor(1).await, Actor { id: 101 });
    }
}

/// What another program, another version of the envelope or a careless hand leaves under a key.
#[tokio::test]
async fn foreign_values_are_misses() {
    #[cached(ttl = "5m", key = "foreign")]
    async fn get() -> u64 {
        7
    }
    let cache = on_redis();
    cache
        .scope(async {
            let key = get::entry().key().to_string();
            get().await;
            let ours: Vec<u8> = SERVER.command(&["GET", &key]);
            let mut another_version = ours.clone();
            another_version[0] = 0xC2;
            let mut another_codec = ours.clone();
            another_codec[46] = 9;
            let mut flipped = ours.clone();
            *flipped.last_mut().unwrap() ^= 1;
            for foreign in
                [another_version, another_codec, flipped, ours[..60].to_vec(), b"hello".to_vec(), vec![]]
            {
                SERVER.command::<()>(&[b"SET".as_slice(), key.as_bytes(), &foreign]);
                assert_eq!(get().await, 7, "{foreign:?}");
                assert_eq!(get::entry().peek().await, Some(7), "replaced: {foreign:?}");
            }
        })
        .await;
    assert!(cache.report().function("get").is_some_and(|row| row.decode_failures >= 2));
}

/// Two binaries on one Redis: `src/bin/deploy_*.rs`.
struct Deploy {
    old: Worker,
    new: Worker,
}

impl Deploy {
    fn start(new: &str) -> Self {
        let namespace = namespace();
        let start = |program| Worker::start(program, &namespace, &[], &[]);
        Self { old: start(env!("CARGO_BIN_EXE_deploy_old")), new: start(new) }
    }
}

fn get(worker: &mut Worker, function: &str) -> String {
    worker.tell(&format!("get {function}"));
    worker.next("got")
}

fn write(worker: &mut Worker, function: &str) {
    worker.tell(&format!("write {function}"));
    assert_eq!(worker.next("wrote"), "true");
}

/// What each binary may see behind a function: its own value, and the other's where it reads right by the names.
const SEEN: [(&str, &[&str], &[&str]); 7] = [
    (
        "added",
        &["Added { first: \"old\" }", "Added { first: \"new\" }"],
        &["Added { first: \"new\", city: \"new\" }"],
    ),
    (
        "removed",
        &["Removed { first: \"old\", age: 1 }"],
        &["Removed { first: \"new\" }", "Removed { first: \"old\" }"],
    ),
    (
        "renamed",
        &["Renamed { first: \"old\", last: \"old\" }"],
        &["Renamed { given: \"new\", last: \"new\" }"],
    ),
    ("retyped", &["Retyped { first: \"old\", age: 1 }"], &["Retyped { first: \"new\", age: \"2\" }"]),
    (
        "reordered",
        &[
            "Reordered { first: \"old first\", last: \"old last\" }",
            "Reordered { first: \"new first\", last: \"new last\" }",
        ],
        &[
            "Reordered { last: \"new last\", first: \"new first\" }",
            "Reordered { last: \"old last\", first: \"old first\" }",
        ],
    ),
    ("reshaped", &["Reshaped { first: \"old\" }"], &["Named { first: \"new\" }"]),
    ("versioned", &["Wait { length: 30 }"], &["Wait { length: 30000 }"]),
];

/// By turns, so that each finds what the other has written: the other's value where it reads right, else a miss.
#[test]
fn two_binaries_by_turns_read_right_or_miss() {
    let Deploy { mut old, mut new } = Deploy::start(env!("CARGO_BIN_EXE_deploy_new"));
    for (function, seen_by_old, seen_by_new) in SEEN {
        // Of the other's value, if it can be read: `removed` can by the new one, `added` by the old one.
        let after_other = |seen: &[&str]| match seen {
            [own] if function == "versioned" => format!("hit {own}"),
            [own] => format!("ran {own}"),
            [_, others, ..] => format!("hit {others}"),
            [] => unreachable!("each sees its own"),
        };
        assert_eq!(get(&mut old, function), format!("ran {}", seen_by_old[0]));
        assert_eq!(get(&mut old, function), format!("hit {}", seen_by_old[0]));
        if function == "versioned" {
            assert_eq!(get(&mut new, function), format!("ran {}", seen_by_new[0]));
        }
        assert_eq!(get(&mut new, function), after_other(seen_by_new));
        write(&mut new, function);
        assert_eq!(get(&mut new, function), format!("ran {}", seen_by_new[0]));
        // The write of the newer version has dropped that of the one before it, too.
        let expected = if function == "versioned" {
            format!("ran {}", seen_by_old[0])
        } else {
            after_other(seen_by_old)
        };
        assert_eq!(get(&mut old, function), expected);
    }
}

#[test]
fn two_binaries_at_the_same_time_read_right_or_miss() {
    let mut deploy = Deploy::start(env!("CARGO_BIN_EXE_deploy_new"));
    let (mut old, mut new) = storm(&mut deploy);
    for (function, seen_by_old, seen_by_new) in SEEN {
        for (seen, may_be_seen) in [(&mut old, seen_by_old), (&mut new, seen_by_new)] {
            let seen = seen.remove(function).expect("it was called");
            assert!(seen.iter().all(|value| may_be_seen.contains(&&**value)), "{seen:?}");
        }
    }
}

/// Lets both call all that they have for a while; what each function returned.
fn storm(deploy: &mut Deploy) -> (Seen, Seen) {
    let mut workers = [&mut deploy.old, &mut deploy.new];
    for worker in &mut workers {
        worker.tell("storm 2000");
    }
    let [old, new] = workers.map(|worker| {
        worker.next("over");
        let mut seen = Seen::new();
        for line in worker.unread("saw") {
            let [function, _times, value] =
                line.splitn(3, ' ').collect::<Vec<_>>().try_into().expect("three");
            seen.entry(function.to_owned()).or_default().push(value.to_owned());
        }
        seen
    });
    (old, new)
}

type Seen = BTreeMap<String, Vec<String>>;

/// A stand-in for a version to come, whose entries differ from ours in the first byte only.
#[test]
fn another_version_of_the_envelope_by_turns_is_a_miss() {
    let Deploy { mut old, mut new } = Deploy::start(env!("CARGO_BIN_EXE_deploy_envelope"));
    for _ in 0..3 {
        assert_eq!(get(&mut old, "added"), "ran Added { first: \"old\" }");
        assert_eq!(get(&mut old, "added"), "hit Added { first: \"old\" }");
        assert_eq!(get(&mut new, "added"), "ran its own");
        assert_eq!(get(&mut new, "added"), "hit its own");
    }
    write(&mut old, "added");
    assert_eq!(get(&mut new, "added"), "ran its own", "a write drops it whoever has stored it");
}

#[test]
fn another_version_of_the_envelope_at_the_same_time_is_a_miss() {
    let mut deploy = Deploy::start(env!("CARGO_BIN_EXE_deploy_envelope"));
    let (old, new) = storm(&mut deploy);
    assert_eq!(old["added"], ["Added { first: \"old\" }"]);
    assert!(new["added"].iter().all(|value| value.starts_with("its own")), "{new:?}");
}
