//! Two versions of a service on one Redis: misses, never garbage.

use cache_runtime::{Cache, cached};
use serde::{Deserialize, Serialize};

use crate::support::{SERVER, both, on_redis};

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
