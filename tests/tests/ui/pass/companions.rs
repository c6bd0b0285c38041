//! What stands beside a function, and how to call it otherwise.

use std::time::Duration;

use cache_runtime::{Remaining, cached};

use super::{once, run, tick};

mod user {
    pub(super) const FACTOR: u64 = 1000;
}

#[cached(ttl = "5m", key = "user:<id>", companion = user_cache)]
async fn user(id: u64) -> u64 {
    (tick() + id) * user::FACTOR
}

mod plain {
    pub(super) const FACTOR: u64 = 1000;
}

#[cached(ttl = "5m", key = "plain:<id>", companion = false)]
async fn plain(id: u64) -> u64 {
    (tick() + id) * plain::FACTOR
}

mod inner {
    use cache_runtime::cached;

    use super::tick;

    #[cached(ttl = "5m", key = "exported:<id>")]
    pub(crate) async fn exported(id: u64) -> Option<u64> {
        Some(tick() + id)
    }

    pub(crate) mod deep {
        pub(crate) use super::exported as renamed;
    }
}
use inner::{deep::renamed, *};

mod far {
    #[super::cached(invalidates = [super::inner::deep::renamed(id), crate::companions::inner::exported(id)])]
    pub(crate) async fn by_path(id: u64) -> u64 {
        id
    }
}

#[cached(ttl = "5m", key = "order:<second>:<first>", skip = [third])]
async fn order(first: u64, second: &str, third: f64) -> (u64, String) {
    (tick() + first + u64::from(third > 1.0), second.to_owned())
}

#[tokio::test]
async fn an_entry_is_handled_by_its_companion() {
    run(async {
        let first = once!(exported(1));
        let entry = exported::entry(&1);
        assert_eq!(entry.key().to_string(), "exported:1");
        assert_eq!(entry.peek().await, Some(first));
        let Remaining::For(left) = entry.ttl().await else { panic!("it is stored") };
        assert!(left > Duration::from_secs(200) && left <= Duration::from_mins(5), "{left:?}");
        assert_ne!(exported::uncached(1).await, first);
        assert!(entry.invalidate().await);
        assert_eq!(entry.peek().await, None);
        assert_eq!(entry.ttl().await, Remaining::Missing);
        assert_eq!(entry.insert_with(|| async { Some(7) }).await, Some(7));
        assert_eq!(exported(1).await, Some(7));
    })
    .await;
}

#[tokio::test]
async fn a_companion_has_another_name_or_is_none() {
    run(async {
        let first = once!(user(1));
        assert_eq!(user_cache::entry(&1).peek().await, Some(first));
        assert_ne!(user_cache::uncached(1).await, first);
        once!(plain(1));
    })
    .await;
}

#[tokio::test]
async fn a_companion_comes_along_through_imports() {
    run(async {
        let first = once!(renamed(1));
        assert_eq!(renamed::entry(&1).peek().await, Some(first));
        far::by_path(1).await;
        assert_eq!(exported::entry(&1).peek().await, None);
    })
    .await;
}

#[tokio::test]
async fn an_entry_takes_the_arguments_in_the_order_of_the_function() {
    run(async {
        let first = once!(order(1, "a", 0.5));
        assert_eq!(order::entry(&1, "a").key().to_string(), "order:a:1");
        assert_eq!(order::entry(&1, "a").peek().await, Some(first));
    })
    .await;
}
