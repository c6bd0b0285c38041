//! What stands beside a cached function.

use std::{sync::Arc, time::Duration};

use cache_runtime::{Cache, Remaining, cached};

use crate::support::{DbError, Runs, User, both};

both! {
    an_entry_has_the_exact_key;
    an_entry_can_be_looked_at;
    an_entry_can_be_invalidated;
    an_entry_can_be_inserted;
    an_insert_that_fails_stores_nothing;
    the_body_can_be_called_without_the_cache;
    methods_have_theirs;
    any_key_can_be_used_without_a_function;
    entries_follow_the_rules_of_their_function;
}

#[cached(ttl = "STANDARD", key = "user:<id>", skip = [runs])]
async fn get_user(id: u64, runs: &Runs) -> Result<User, DbError> {
    runs.one_more();
    Ok(User::new(id, "Ada"))
}

#[cached(ttl = "5m", key = "user:<org.0>:by-name:<name>", skip = [org])]
async fn by_name(name: String, org: (u32, u32)) -> Option<User> {
    Some(User::new(org.1.into(), &name))
}

async fn an_entry_has_the_exact_key(cache: Cache) {
    let key = get_user::entry(&42).key().to_string();
    let (namespace, rest) = key.split_once(':').unwrap();
    assert!(namespace.starts_with('t') && rest == "user:42", "{key}");
    let key = by_name::entry("Ada L", &(7, 8)).key().to_string();
    assert!(key.ends_with(":user:7:by-name:Ada%20L"), "{key}");
    drop(cache);
}

async fn an_entry_can_be_looked_at(_: Cache) {
    let runs = Runs::default();
    assert_eq!(get_user::entry(&42).peek().await, None);
    assert_eq!(get_user::entry(&42).ttl().await, Remaining::Missing);
    assert_eq!(runs.get(), 0);
    get_user(42, &runs).await.unwrap();
    assert_eq!(get_user::entry(&42).peek().await, Some(User::new(42, "Ada")));
    assert_eq!(get_user::entry(&43).peek().await, None);
    by_name("Ada".to_owned(), (1, 2)).await;
    assert_eq!(by_name::entry("Ada", &(1, 9)).peek().await, Some(Some(User::new(2, "Ada"))));
}

async fn an_entry_can_be_invalidated(_: Cache) {
    let runs = Runs::default();
    get_user(42, &runs).await.unwrap();
    assert!(get_user::entry(&42).invalidate().await);
    assert_eq!(get_user::entry(&42).peek().await, None);
    get_user(42, &runs).await.unwrap();
    assert_eq!(runs.get(), 2);
}

async fn an_entry_can_be_inserted(_: Cache) {
    let runs = Runs::default();
    let inserted = get_user::entry(&42).insert_with(|| async { Ok(User::new(42, "Grace")) }).await;
    assert_eq!(inserted, Ok(User::new(42, "Grace")));
    assert_eq!(get_user(42, &runs).await, Ok(User::new(42, "Grace")));
    assert_eq!(runs.get(), 0);
    let left = get_user::entry(&42).ttl().await;
    assert!(matches!(left, Remaining::For(left) if left > Duration::from_secs(3_200)), "{left:?}");
}

async fn an_insert_that_fails_stores_nothing(_: Cache) {
    let runs = Runs::default();
    get_user(42, &runs).await.unwrap();
    let failed = get_user::entry(&42).insert_with(|| async { Err(DbError("no")) }).await;
    assert_eq!(failed, Err(DbError("no")));
    assert_eq!(get_user::entry(&42).peek().await, None, "it may have written before it failed");
}

async fn the_body_can_be_called_without_the_cache(_: Cache) {
    let runs = Runs::default();
    get_user(42, &runs).await.unwrap();
    get_user::uncached(42, &runs).await.unwrap();
    assert_eq!(runs.get(), 2);
}

struct Users {
    tenant: u32,
    runs: Runs,
}

impl Users {
    #[cached(ttl = "5m", key = "<self.tenant>:user:<id>")]
    pub(crate) async fn find(&self, id: u64) -> Result<User, DbError> {
        self.runs.one_more();
        Ok(User::new(id, &self.tenant.to_string()))
    }

    #[cached(ttl = "5m", key = "<self.tenant>:user:<user.id>", invalidates = [self.find(user.id)])]
    pub(crate) async fn save(self: Arc<Self>, user: User) -> Result<User, DbError> {
        Ok(user)
    }

    #[cached(invalidates = [self.find(id)])]
    pub(crate) async fn forget(&self, id: u64) -> Result<(), DbError> {
        self.runs.one_more();
        self.find_uncached(id).await.map(|_| ())
    }
}

async fn methods_have_theirs(_: Cache) {
    let users = Arc::new(Users { tenant: 3, runs: Runs::default() });
    users.find(1).await.unwrap();
    users.find(1).await.unwrap();
    assert_eq!(users.runs.get(), 1);
    assert!(users.find_entry(&1).key().to_string().ends_with(":3:user:1"));
    assert_eq!(users.find_entry(&1).peek().await, Some(User::new(1, "3")));
    Arc::clone(&users).save(User::new(1, "Grace")).await.unwrap();
    assert_eq!(users.find(1).await, Ok(User::new(1, "Grace")), "written through: the same key and type");
    users.forget(1).await.unwrap();
    assert_eq!(users.find_entry(&1).peek().await, None);
}

async fn any_key_can_be_used_without_a_function(cache: Cache) {
    assert_eq!(cache.get::<u32>("answer").await, None);
    assert_eq!(cache.insert_with("answer", Duration::from_secs(60), || async { 42_u32 }).await, 42);
    assert_eq!(cache.get::<u32>("answer").await, Some(42));
    assert_eq!(cache.get::<String>("answer").await, None, "another type");
    assert!(cache.invalidate("answer").await);
    assert_eq!(cache.get::<u32>("answer").await, None);
    cache.insert_with("gone", Duration::ZERO, || async { 1_u8 }).await;
    assert_eq!(cache.get::<u8>("gone").await, None, "a TTL of zero: not stored");
}

async fn entries_follow_the_rules_of_their_function(_: Cache) {
    #[cached(
        ttl = |user: &User| Duration::from_secs(user.id),
        cache_if = |user| user.name != "secret",
        jitter = 0,
        key = "ruled:<id>"
    )]
    async fn ruled(id: u64) -> User {
        User::new(id, "Ada")
    }
    let insert = async |id, name| ruled::entry(&id).insert_with(|| async { User::new(id, name) }).await;
    insert(100, "Ada").await;
    assert!(
        matches!(ruled::entry(&100).ttl().await, Remaining::For(left) if left.as_secs() >= 90 && left.as_secs() <= 100)
    );
    insert(100, "secret").await;
    assert_eq!(ruled::entry(&100).peek().await, None);
    insert(0, "Ada").await;
    assert_eq!(ruled::entry(&0).peek().await, None);
}
