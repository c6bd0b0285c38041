//! Inherent methods: with each visibility, by reference, shared, in generic types.

use std::sync::Arc;

use cache_runtime::{Cache, KeyPart, cached};

use super::{once, run, tick};

struct Users {
    tenant: String,
    cache: Cache,
}

impl Users {
    fn new(tenant: &str) -> Self {
        Self { tenant: tenant.to_owned(), cache: Cache::in_memory() }
    }

    #[cached(ttl = "5m", key = "find:<self.tenant>:<id>")]
    pub async fn find(&self, id: u64) -> u64 {
        tick() + id
    }

    #[cached(ttl = "5m", key = "scoped:<id>")]
    pub(self) async fn scoped(&self, id: u64) -> Option<u64> {
        Some(tick() + id)
    }

    #[cached(ttl = "5m", key = "private:<self.tenant>:<id>")]
    async fn private(&self, id: u64) -> Result<u64, String> {
        if id == 0 {
            return Err(self.tenant.clone());
        }
        Ok(tick() + id)
    }

    #[cached(ttl = "5m", key = "pattern:<a>:<b>")]
    pub(crate) async fn pattern(&self, (a, b): (u64, u64)) -> u64 {
        tick() + a + b + self.tenant.len() as u64
    }

    #[cached(ttl = "5m", key = "private-pattern:<a>:<b>:<c>")]
    async fn private_pattern(&self, (a, mut b): (u64, u64), mut c: u64, #[cache(skip)] _: f64) -> (u64, u64) {
        b += 1;
        c += 1;
        (tick(), a + b + c + self.tenant.len() as u64)
    }

    #[cached(ttl = "5m", key = "own:<id>", cache = self.cache)]
    pub async fn own_cache(&self, id: u64) -> u64 {
        tick() + id
    }

    #[cached(ttl = "5m", key = "own-private:<id>", cache = &self.cache)]
    async fn own_cache_private(&self, id: u64) -> u64 {
        tick() + id
    }

    #[cached(ttl = "5m", key = "shared:<id>")]
    pub async fn shared(self: Arc<Self>, id: u64) -> u64 {
        tick() + id + self.tenant.len() as u64
    }

    #[cached(ttl = "5m", key = "shared-private:<self.tenant>:<id>")]
    async fn shared_private(self: Arc<Self>, id: u64) -> u64 {
        tick() + id + self.tenant.len() as u64
    }

    #[cached(ttl = "5m", key = "static:<id>", companion = false)]
    pub async fn associated(id: u64) -> u64 {
        tick() + id
    }

    #[cached(ttl = "5m", key = "hello:<name>")]
    pub async fn borrowed(&self, name: &str) -> (String, u64) {
        (format!("{}{name}", self.tenant), tick())
    }

    #[cached(ttl = "5m", key = "renamed:<id>", companion = entries_of)]
    pub async fn renamed(&self, id: u64) -> u64 {
        tick() + id
    }

    #[cached(ttl = "5m", key = "without:<id>", companion = false)]
    pub async fn without(&self, id: u64) -> u64 {
        tick() + id
    }

    #[cached(ttl = "5m", key = "find:<self.tenant>:<id>", invalidates = [self.scoped(id)])]
    pub async fn update(&self, id: u64) -> u64 {
        tick() + id
    }

    #[cached(invalidates = [self.find(id), self.scoped(id), "private:<self.tenant>:<id>"])]
    pub async fn remove(&self, id: u64) {
        let _ = (id, &self.tenant);
    }

    #[cached(invalidates = [|made| self.scoped(*made), "find:<self.tenant>:<return>"])]
    async fn made(&self, id: u64) -> u64 {
        id
    }

    #[cached(ttl = "5m", key = "myself:<tenant>")]
    pub async fn new_cached(tenant: String) -> Option<(String, u64)> {
        let this = Self::new(&tenant);
        Some((this.tenant, tick()))
    }
}

struct Repository<T> {
    items: Vec<T>,
}

impl<T: KeyPart + Clone + Send + Sync> Repository<T> {
    #[cached(ttl = "5m", key = "count:<T>:<first>", skip = [rest])]
    pub async fn count(&self, first: T, rest: &[T]) -> (usize, u64)
    where
        T: 'static,
    {
        drop(first);
        (self.items.len() + rest.len(), tick())
    }

    #[cached(ttl = "5m", key = "private-count:<Self>:<first>")]
    async fn private_count(&self, first: &T) -> (usize, u64) {
        let _ = first.clone();
        (self.items.len(), tick())
    }
}

struct Borrowed<'a> {
    name: &'a str,
}

impl<'a> Borrowed<'a> {
    #[cached(ttl = "5m", key = "borrowed:<self.name>:<other>")]
    pub async fn join(&self, other: &'a str) -> (String, u64) {
        (format!("{}{other}", self.name), tick())
    }
}

#[tokio::test]
async fn methods_by_reference() {
    run(async {
        let (red, blue) = (Users::new("red"), Users::new("blue"));
        assert_ne!(once!(red.find(1)), once!(blue.find(1)));
        assert_ne!(once!(red.find(1)), once!(red.find(2)));
        assert!(once!(red.scoped(1)).is_some());
        assert!(once!(red.private(1)).is_ok());
        assert_eq!(red.private(0).await, Err("red".to_owned()));
        once!(red.pattern((1, 2)));
        assert_ne!(once!(red.pattern((1, 2))), once!(red.pattern((2, 1))));
        once!(red.borrowed("x"));
        once!(red.without(1));
        once!(Users::associated(1));
        once!(Users::new_cached("red".to_owned()));
        once!(red.private_pattern((1, 2), 3, 0.5));
    })
    .await;
}

#[tokio::test]
async fn methods_of_shared_values() {
    run(async {
        let users = Arc::new(Users::new("red"));
        once!(Arc::clone(&users).shared(1));
        once!(Arc::clone(&users).shared_private(1));
    })
    .await;
}

#[tokio::test]
async fn methods_have_companions() {
    run(async {
        let users = Users::new("red");
        let found = users.find(1).await;
        assert_eq!(users.find_entry(&1).key().to_string(), "find:red:1");
        assert_eq!(users.find_entry(&1).peek().await, Some(found));
        assert_ne!(users.find_uncached(1).await, found);
        users.find_entry(&1).invalidate().await;
        assert_ne!(users.find(1).await, found);
        once!(users.renamed(1));
        assert!(users.entries_of_entry(&1).peek().await.is_some());
        assert_ne!(users.entries_of_uncached(1).await, users.renamed(1).await);
        assert_eq!(users.pattern_entry(&(1, 2)).key().to_string(), "pattern:1:2");
    })
    .await;
}

#[tokio::test]
async fn methods_with_a_cache_of_their_own() {
    run(async {
        let (red, blue) = (Users::new("red"), Users::new("blue"));
        assert_ne!(once!(red.own_cache(1)), once!(blue.own_cache(1)));
        assert_ne!(once!(red.own_cache_private(1)), once!(blue.own_cache_private(1)));
        assert!(red.own_cache_entry(&1).peek().await.is_some());
        assert!(Cache::current().get::<u64>("own:1").await.is_none());
        assert!(red.cache.get::<u64>("own:1").await.is_some());
    })
    .await;
}

#[tokio::test]
async fn methods_that_write() {
    run(async {
        let users = Users::new("red");
        let (found, scoped) = (users.find(1).await, users.scoped(1).await);
        let updated = users.update(1).await;
        assert_ne!(updated, found);
        assert_eq!(users.find(1).await, updated);
        assert_ne!(users.scoped(1).await, scoped);
        let private = users.private(1).await;
        users.remove(1).await;
        assert_ne!(users.find(1).await, updated);
        assert_ne!(users.private(1).await, private);
        let (found, scoped) = (users.find(1).await, users.scoped(1).await);
        users.made(1).await;
        assert_ne!(users.find(1).await, found);
        assert_ne!(users.scoped(1).await, scoped);
    })
    .await;
}

#[tokio::test]
async fn methods_of_generic_types() {
    run(async {
        let repository = Repository { items: vec![1_u64, 2] };
        assert_eq!(once!(repository.count(1, &[3])).0, 3);
        assert_ne!(once!(repository.count(1, &[])), once!(repository.count(2, &[])));
        assert_eq!(once!(repository.private_count(&1)).0, 2);
        assert_eq!(once!(Borrowed { name: "a" }.join("b")).0, "ab");
    })
    .await;
}
