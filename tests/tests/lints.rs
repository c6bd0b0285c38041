//! Expansions raise no lint in a user's crate, however strict it is: clippy's pedantic and restriction groups, and all
//! that rustc has. `cargo clippy` checks this file; the tests run what it holds.

#![deny(warnings, unused, nonstandard_style, future_incompatible, let_underscore)]
#![deny(unused_qualifications, unused_lifetimes, unused_results, unit_bindings, variant_size_differences)]
#![deny(clippy::all, clippy::pedantic, clippy::restriction, clippy::nursery)]
// Of the code in this file, each of them.
#![allow(
    clippy::absolute_paths,
    clippy::arbitrary_source_item_ordering,
    clippy::arithmetic_side_effects,
    clippy::blanket_clippy_restriction_lints,
    clippy::implicit_return,
    clippy::large_futures,
    clippy::missing_docs_in_private_items,
    clippy::min_ident_chars,
    clippy::question_mark_used,
    clippy::separated_literal_suffix,
    clippy::single_call_fn,
    clippy::single_char_lifetime_names,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::str_to_string,
    clippy::tests_outside_test_module,
    reason = "a matter of taste, and of the code that is written here"
)]

use std::{collections::BTreeMap, io::Error, sync::Arc, time::Duration};

use cache_runtime::{Cache, KeyPart, cached};

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct User {
    id: u64,
    org: u64,
}

#[derive(KeyPart)]
struct UserId(u64);

#[derive(KeyPart)]
struct Page {
    number: u64,
    size: u64,
}

#[derive(KeyPart)]
enum Order {
    First,
    Last,
}

#[cached(ttl = "STANDARD", key = "user:<id>")]
async fn get_user(id: u64) -> Result<User, Error> {
    Ok(User { id, org: 1 })
}

#[cached(
    ttl = |user| Duration::from_secs(user.id),
    negative_ttl = "30s",
    key = "member:<org>:<id>:<name>",
    tags = ["org:<org>"],
    local = "5s",
    cache_if = |user| user.id > 0,
    bypass_if = name.is_empty(),
    stale_if_error = "1m"
)]
async fn get_member((org, id): (u64, UserId), name: &str) -> Result<Option<Arc<User>>, Error> {
    Ok((name != "none").then(|| Arc::new(User { id: id.0, org })))
}

#[cached(ttl = Duration::from_secs(seconds), key = "page:<page>:<order>:<seconds>", cache = *cache, skip = [cache])]
async fn list(page: Page, order: Order, seconds: u64, cache: &Cache) -> Vec<u64> {
    drop(cache.health());
    let last = matches!(order, Order::Last);
    vec![page.number, page.size, u64::from(last), u64::from(matches!(order, Order::First)), seconds]
}

#[cached(ttl = "5m", key = "generic:<T>:<id>:<N>")]
async fn generic<T: Default + Into<u64> + Send + 'static, const N: usize>(id: u64) -> Vec<u64> {
    vec![T::default().into() + id; N]
}

#[cached(batch, ttl = "5m", key = "user:<id>", each = "id in ids", skip = [org])]
async fn get_users(ids: &[u64], (org, _): (u64, u64)) -> Result<BTreeMap<u64, User>, Error> {
    Ok(ids.iter().map(|id| (*id, User { id: *id, org })).collect())
}

#[cached(
    ttl = "STANDARD",
    key = "user:<id>",
    invalidates = [
        "users:<return.org>",
        tag("org:<org>"),
        "member:<org>:*",
        get_user(id),
        |user| get_user(user.id + 1),
    ]
)]
async fn save_user(id: u64, org: u64) -> Result<User, Error> {
    Ok(User { id, org })
}

#[cached(ttl = "5m", key = "user:<user.id>", value = "user")]
async fn store_user(user: User) -> Result<(), Error> {
    if user.id == 0 { Err(Error::other("no id")) } else { Ok(()) }
}

#[cached(invalidates = [get_user(id)])]
async fn remove_user(id: u64) {
    drop(get_user::uncached(id).await);
}

#[derive(Clone)]
struct Service<T> {
    org: T,
}

impl<T: KeyPart + Clone + Send + Sync> Service<T> {
    #[cached(ttl = "5m", key = "find:<T>:<self.org>:<id>", tags = ["find:<id>"])]
    pub(crate) async fn find(&self, id: u64) -> Option<u64> {
        drop(self.org.clone());
        Some(id)
    }

    #[cached(ttl = "5m", key = "own:<Self>:<id>")]
    async fn own(&self, id: u64) -> u64 {
        drop(self.org.clone());
        id
    }

    #[cached(invalidates = [self.find(id), "own:<Self>:<id>"])]
    pub(crate) async fn remove(&self, id: u64) -> Option<u64> {
        self.find(self.own(id).await).await
    }
}

#[tokio::test]
async fn strict_crates_can_use_every_option() {
    let cache = Cache::in_memory();
    let inner = cache.clone();
    cache
        .scope(async move {
            assert_eq!(get_user(1).await.ok(), Some(User { id: 1, org: 1 }));
            assert!(get_member((1, UserId(2)), "Ada").await.is_ok_and(|member| member.is_some()));
            assert_eq!(list(Page { number: 1, size: 2 }, Order::First, 60, &inner).await.len(), 5);
            assert_eq!(list(Page { number: 1, size: 2 }, Order::Last, 60, &inner).await.len(), 5);
            assert_eq!(generic::<u8, 3>(4).await, [4, 4, 4]);
            assert_eq!(get_users(&[1, 2], (1, 2)).await.map(|users| users.len()).ok(), Some(2));
            assert!(save_user(1, 1).await.is_ok() && store_user(User { id: 3, org: 1 }).await.is_ok());
            remove_user(1).await;
            let service = Service { org: 7_u64 };
            assert_eq!(service.find(1).await, service.remove(1).await);
            assert_eq!(service.find_entry(&1).key().to_string(), "find:u64:7:1");
        })
        .await;
}
