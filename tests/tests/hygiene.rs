//! The expansion names nothing but absolute paths: it works without a prelude, and beside the user's own `Result`,
//! `Ok`, `String`, `core` and `cache_runtime`.

#![deny(warnings)]

#[no_implicit_prelude]
#[allow(dead_code, reason = "nobody uses the shadows")]
mod bare {
    // Shadows of everything that an expansion could be tempted to name.
    pub(crate) mod core {}
    pub(crate) mod std {}
    pub(crate) mod alloc {}
    pub(crate) mod cache_runtime {}
    pub(crate) mod inventory {}

    pub(crate) struct Option;
    pub(crate) struct Result;
    pub(crate) struct Box;
    pub(crate) struct Vec;
    pub(crate) struct String;
    pub(crate) struct Cache;
    pub(crate) struct Entry;
    pub(crate) struct Ttl;
    pub(crate) struct Duration;
    pub(crate) trait Into {}
    pub(crate) trait Clone {}
    pub(crate) trait Send {}
    pub(crate) trait Future {}
    pub(crate) trait KeyPart {}
    #[expect(non_camel_case_types, reason = "the shadow of a primitive type")]
    pub(crate) struct bool;
    #[expect(non_camel_case_types, reason = "the shadow of a primitive type")]
    pub(crate) struct str;

    #[expect(non_snake_case, reason = "the shadow of a variant")]
    pub(crate) fn Some() {}
    #[expect(non_snake_case, reason = "the shadow of a variant")]
    pub(crate) fn Ok() {}
    #[expect(non_snake_case, reason = "the shadow of a variant")]
    pub(crate) fn Err() {}
    #[expect(non_upper_case_globals, reason = "the shadow of a variant")]
    pub(crate) const None: u8 = 0;

    #[allow(unused_macros, unused_imports, reason = "nobody may use them")]
    mod macros {
        macro_rules! shadowed {
            ($($name:ident)*) => {$(
                macro_rules! $name {
                    () => { compile_error!("a macro of the user") };
                }
                pub(crate) use $name;
            )*};
        }
        shadowed!(concat module_path unreachable vec format stringify matches);
    }
    #[allow(unused_imports, reason = "nobody may use them")]
    use macros::*;

    type Text = ::std::string::String;
    type Found<T> = ::core::option::Option<T>;
    type Fallible<T> = ::core::result::Result<T, Text>;

    #[::cache_runtime::cached(ttl = "5m", key = "plain:<id>:<name>")]
    pub(crate) async fn plain(id: u64, name: &::core::primitive::str) -> u64 {
        super::tick() + id + ::core::primitive::str::len(name) as u64
    }

    #[::cache_runtime::cached(
        ttl = |value| ::core::time::Duration::from_secs(*value),
        negative_ttl = "30s",
        key = "found:<T>:<id>",
        cache_if = |value| *value > 0,
        bypass_if = id == 0,
        version = 2,
        jitter = 0.5
    )]
    pub(crate) async fn found<T: ::core::marker::Send + 'static>(id: u64) -> Fallible<Found<u64>> {
        ::core::result::Result::Ok(::core::option::Option::Some(super::tick() + id))
    }

    #[::cache_runtime::cached(ttl = ::core::time::Duration::from_secs(seconds), key = "life:<a>:<b>:<seconds>", cache = *cache, skip = [cache])]
    pub(crate) async fn life((a, b): (u64, u64), seconds: u64, cache: &::cache_runtime::Cache) -> Found<u64> {
        let _ = cache;
        ::core::option::Option::Some(super::tick() + a + b + seconds)
    }

    #[::cache_runtime::cached(
        ttl = "REALTIME",
        key = "plain:<id>:<name>",
        invalidates = [
            found::<u64>(id),
            "found:<id>",
            "made:<return>",
            |made| plain(*made, name),
        ]
    )]
    pub(crate) async fn save(id: u64, name: &::core::primitive::str) -> u64 {
        let _ = name;
        super::tick() + id
    }

    #[::cache_runtime::cached(ttl = "5m", key = "plain:<id>:<name>", value = "value")]
    pub(crate) async fn store(id: u64, name: Text, value: u64) -> Fallible<()> {
        let _ = (id, name, value);
        ::core::result::Result::Ok(())
    }

    #[::cache_runtime::cached(invalidates = [plain(id, name)])]
    pub(crate) async fn remove(id: u64, name: &::core::primitive::str) {
        let _ = (id, name);
    }

    #[::cache_runtime::cached(
        ttl = "5m",
        key = "tagged:<a>:<b>:<T>",
        tags = ["bare", "bare:<a>", "bare:<T>:<name>"],
        local = "5s",
        skip = [name]
    )]
    pub(crate) async fn tagged<T: ::core::marker::Send + 'static>(
        (a, b): (u64, u64),
        name: Text,
    ) -> Found<u64> {
        let _ = name;
        ::core::option::Option::Some(super::tick() + a + b)
    }

    #[::cache_runtime::cached(
        batch,
        ttl = "5m",
        key = "batch:<a>:<name>:<T>:<id>",
        each = "id in ids",
        tags = ["bare:<id>", "bare:<b>"],
        skip = [b],
        cache_if = |value| *value > 0,
        bypass_if = false
    )]
    pub(crate) async fn batch<T: ::core::marker::Send>(
        ids: &[u64],
        (a, b): (u64, u64),
        name: Text,
    ) -> Fallible<::std::collections::BTreeMap<u64, u64>> {
        let _ = (a, b, name);
        ::core::result::Result::Ok(super::ticks(ids))
    }

    #[::cache_runtime::cached(
        ttl = "5m",
        key = "saved:<id>",
        tags = ["bare:<id>"],
        invalidates = [tag("bare:<id>"), "saved:*", tag("bare:<return>"), |_| tag("bare"), |_| "tagged:<id>:*"]
    )]
    pub(crate) async fn untag(id: u64) -> u64 {
        id
    }

    #[derive(::cache_runtime::KeyPart)]
    pub(crate) struct Id(pub(crate) u64);

    #[derive(::cache_runtime::KeyPart)]
    pub(crate) enum Kind {
        One,
    }

    #[derive(::cache_runtime::KeyPart)]
    pub(crate) struct Both<T> {
        pub(crate) id: Id,
        pub(crate) kind: T,
    }

    pub(crate) struct Service;

    impl Service {
        #[::cache_runtime::cached(ttl = "5m", key = "method:<both>", tags = ["both:<both.id>"], local = false)]
        pub(crate) async fn method(&self, both: Both<Kind>) -> Fallible<u64> {
            let _ = both;
            ::core::result::Result::Ok(super::tick())
        }

        #[::cache_runtime::cached(ttl = "5m", key = "private:<both>", tags = ["bare"], local = "1m")]
        async fn private(&self, both: Both<Kind>) -> Fallible<u64> {
            let _ = both;
            ::core::result::Result::Ok(super::tick())
        }

        pub(crate) async fn call(&self, both: Both<Kind>) -> Fallible<u64> {
            self.private(both).await
        }
    }

    pub(crate) trait Load {
        fn load(
            &self,
            ids: ::std::vec::Vec<u64>,
            name: Text,
        ) -> impl ::core::future::Future<Output = ::std::collections::BTreeMap<u64, u64>> + ::core::marker::Send;
    }

    impl Load for Service {
        #[::cache_runtime::cached(batch, ttl = "5m", key = "load:<name>:<id>", each = "id in ids")]
        async fn load(
            &self,
            ids: ::std::vec::Vec<u64>,
            mut name: Text,
        ) -> ::std::collections::BTreeMap<u64, u64> {
            ::std::string::String::clear(&mut name);
            super::ticks(&ids)
        }
    }

    pub(crate) trait Find {
        fn find(&self, id: u64) -> impl ::core::future::Future<Output = u64> + ::core::marker::Send;
    }

    impl Find for Service {
        #[::cache_runtime::cached(ttl = "5m", key = "future:<id>", tags = ["bare:<id>"])]
        fn find(&self, id: u64) -> impl ::core::future::Future<Output = u64> + ::core::marker::Send {
            async move { super::tick() + id }
        }
    }

    pub(crate) trait Boxed {
        fn boxed(
            &self,
            id: u64,
        ) -> ::core::pin::Pin<
            ::std::boxed::Box<dyn ::core::future::Future<Output = u64> + ::core::marker::Send + '_>,
        >;
    }

    impl Boxed for Service {
        #[::cache_runtime::cached(ttl = "5m", key = "boxed:<id>", tags = ["bare:<id>"])]
        fn boxed(
            &self,
            id: u64,
        ) -> ::core::pin::Pin<
            ::std::boxed::Box<dyn ::core::future::Future<Output = u64> + ::core::marker::Send + '_>,
        > {
            ::std::boxed::Box::pin(async move { super::tick() + id })
        }
    }
}

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use bare::{Boxed as _, Find as _, Load as _};
use cache_runtime::Cache;

/// A number that was never returned before.
fn tick() -> u64 {
    static TICKS: AtomicU64 = AtomicU64::new(1);
    TICKS.fetch_add(1, Ordering::Relaxed)
}

fn ticks(ids: &[u64]) -> BTreeMap<u64, u64> {
    ids.iter().map(|id| (*id, tick())).collect()
}

#[tokio::test]
async fn expansions_need_no_prelude_and_do_not_mind_shadows() {
    let cache = Cache::in_memory();
    let both = || bare::Both { id: bare::Id(1), kind: bare::Kind::One };
    cache
        .scope(async {
            let first = bare::plain(1, "a").await;
            assert_eq!(bare::plain(1, "a").await, first);
            assert_eq!(bare::plain::entry(&1, "a").peek().await, Some(first));
            let found = bare::found::<u64>(1).await;
            assert_eq!(bare::found::<u64>(1).await, found);
            assert_eq!(bare::found::entry::<u64>(&1).key().to_string(), "v2:found:u64:1");
            assert_eq!(bare::life((1, 2), 60, &cache).await, bare::life((1, 2), 60, &cache).await);
            assert!(bare::life::entry(&(1, 2), &60, &cache).peek().await.is_some());
            let saved = bare::save(1, "a").await;
            assert_eq!(bare::plain(1, "a").await, saved);
            assert_ne!(bare::found::<u64>(1).await, found);
            assert_eq!(bare::store(1, "a".to_owned(), 7).await, Ok(()));
            assert_eq!(bare::plain(1, "a").await, 7);
            bare::remove(1, "a").await;
            assert_ne!(bare::plain(1, "a").await, 7);
            let tagged = bare::tagged::<u8>((3, 4), "a".to_owned()).await;
            assert_eq!(bare::tagged::<u8>((3, 4), "a".to_owned()).await, tagged);
            assert_eq!(bare::tagged::entry::<u8>(&(3, 4), &"a".to_owned()).peek().await, Some(tagged));
            assert_eq!(bare::untag(3).await, 3);
            assert_ne!(bare::tagged::<u8>((3, 4), "a".to_owned()).await, tagged);
            let batch = bare::batch::<u8>(&[1, 2], (3, 4), "a".to_owned()).await;
            assert_eq!(bare::batch::<u8>(&[1, 2], (3, 4), "a".to_owned()).await, batch);
            let service = bare::Service;
            assert_eq!(
                service.load(vec![1], "a".to_owned()).await,
                service.load(vec![1], "a".to_owned()).await
            );
            assert_eq!(service.method(both()).await, service.method(both()).await);
            assert_eq!(service.method_entry(&both()).key().to_string(), "method:1,One,");
            assert_eq!(service.call(both()).await, service.call(both()).await);
            assert_eq!(service.find(1).await, service.find(1).await);
            assert_eq!(service.boxed(1).await, service.boxed(1).await);
        })
        .await;
}
