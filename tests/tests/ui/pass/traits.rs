//! Methods of trait impls: native `async fn`, `#[async_trait]`, `-> impl Future`.

use std::sync::Arc;

use async_trait::async_trait;
use cache_runtime::{Cache, cached};

use super::{once, run, tick};

#[derive(Clone)]
struct Store {
    tenant: String,
    cache: Cache,
}

impl Store {
    fn new(tenant: &str) -> Self {
        Self { tenant: tenant.to_owned(), cache: Cache::in_memory() }
    }
}

trait Native {
    fn find(&self, id: u64) -> impl Future<Output = Option<u64>> + Send;
    fn load(&self, pair: (u64, u64), name: &str) -> impl Future<Output = Result<u64, String>> + Send;
    fn save(&self, id: u64) -> impl Future<Output = u64> + Send;
}

impl Native for Store {
    #[cached(ttl = "5m", key = "native:<self.tenant>:<id>")]
    async fn find(&self, id: u64) -> Option<u64> {
        if id == 0 {
            return None;
        }
        Some(tick() + id)
    }

    #[cached(ttl = "5m", key = "native-load:<a>:<b>:<name>", cache = self.cache)]
    async fn load(&self, (a, mut b): (u64, u64), name: &str) -> Result<u64, String> {
        b += a + name.parse::<u64>().map_err(|error| error.to_string())?;
        Ok(tick() + b)
    }

    #[cached(invalidates = ["native:<self.tenant>:<id>"])]
    async fn save(&self, id: u64) -> u64 {
        tick() + id
    }
}

trait Future1 {
    fn find(&self, id: u64) -> impl Future<Output = u64> + Send;
    fn apart(&self, pair: (u64, u64), count: u64) -> impl Future<Output = u64> + Send;
    fn borrowed<'a>(
        &'a self,
        name: &'a str,
    ) -> impl Future<Output = Result<(String, u64), String>> + Send + 'a;
}

impl Future1 for Store {
    #[cached(ttl = "5m", key = "future:<self.tenant>:<id>")]
    fn find(&self, id: u64) -> impl Future<Output = u64> + Send {
        async move { tick() + id }
    }

    #[cached(ttl = "5m", key = "future-apart:<a>:<count>", tags = ["future:<b>"], skip = [b])]
    fn apart(&self, (a, b): (u64, u64), mut count: u64) -> impl Future<Output = u64> + Send {
        count += a;
        async move { tick() + b + count }
    }

    #[cached(ttl = "5m", key = "future-borrowed:<name>")]
    fn borrowed<'a>(
        &'a self,
        name: &'a str,
    ) -> impl Future<Output = Result<(String, u64), String>> + Send + 'a {
        let tenant = &self.tenant;
        async move {
            if name.is_empty() {
                return Err("empty".to_owned());
            }
            Ok((format!("{tenant}{name}"), tick()))
        }
    }
}

#[async_trait]
trait Boxed: Send + Sync {
    async fn find(&self, id: u64) -> u64;
    async fn load(&self, name: &str, mut count: u64) -> Result<(String, u64), String>;
    async fn list<'a>(&self, names: &'a [String]) -> Vec<u64>;
    async fn save(&self, id: u64) -> Result<u64, String>;
    async fn generic<T: Into<u64> + cache_runtime::KeyPart + Send + Sync + 'static>(&self, id: T) -> u64
    where
        Self: Sized;
    async fn skipped(&self, id: u64, pair: (u64, f64)) -> u64;
    async fn pair(&self, pair: (u64, u64)) -> u64;
}

#[async_trait]
impl Boxed for Store {
    #[cached(ttl = "5m", key = "boxed:<self.tenant>:<id>")]
    async fn find(&self, id: u64) -> u64 {
        tick() + id
    }

    #[cached(ttl = "5m", key = "boxed-load:<name>:<count>", cache = self.cache)]
    async fn load(&self, name: &str, mut count: u64) -> Result<(String, u64), String> {
        count += name.parse::<u64>().map_err(|error| error.to_string())?;
        if count == 0 {
            return Err("zero".to_owned());
        }
        Ok((format!("{}{count}", self.tenant), tick()))
    }

    #[cached(ttl = "5m", key = "boxed-list:<names>")]
    async fn list<'a>(&self, names: &'a [String]) -> Vec<u64> {
        names.iter().map(|_| tick()).collect()
    }

    #[cached(ttl = "5m", key = "boxed:<self.tenant>:<id>", invalidates = ["boxed-list:<return>"])]
    async fn save(&self, id: u64) -> Result<u64, String> {
        Ok(tick() + id)
    }

    #[cached(ttl = "5m", key = "boxed-generic:<id>", skip = [T])]
    async fn generic<T: Into<u64> + cache_runtime::KeyPart + Send + Sync + 'static>(&self, id: T) -> u64 {
        tick() + id.into()
    }

    #[cached(ttl = "5m", key = "boxed-skipped:<id>")]
    async fn skipped(&self, id: u64, #[cache(skip)] (first, _): (u64, f64)) -> u64 {
        tick() + id + first
    }

    #[cached(ttl = "5m", key = "boxed-pair:<pair.0>:<pair.1>", skip = [])]
    async fn pair(&self, pair: (u64, u64)) -> u64 {
        let (org, id) = pair;
        tick() + org + id
    }
}

#[async_trait(?Send)]
trait Local {
    async fn find(&self, id: u64) -> u64;
}

#[async_trait(?Send)]
impl Local for Store {
    #[cached(ttl = "5m", key = "local:<id>")]
    async fn find(&self, id: u64) -> u64 {
        tick() + id
    }
}

#[tokio::test]
async fn native_methods() {
    run(async {
        let (red, blue) = (Store::new("red"), Store::new("blue"));
        assert_ne!(once!(Native::find(&red, 1)), once!(Native::find(&blue, 1)));
        assert_eq!(Native::find(&red, 0).await, None);
        assert_ne!(once!(Native::load(&red, (1, 2), "3")), once!(Native::load(&blue, (1, 2), "3")));
        assert!(Native::load(&red, (1, 2), "x").await.is_err());
        let found = Native::find(&red, 1).await;
        Native::save(&red, 1).await;
        assert_ne!(Native::find(&red, 1).await, found);
    })
    .await;
}

#[tokio::test]
async fn methods_that_return_a_future() {
    run(async {
        let red = Store::new("red");
        assert_ne!(once!(Future1::find(&red, 1)), once!(Future1::find(&red, 2)));
        assert_ne!(once!(Future1::apart(&red, (1, 2), 3)), once!(Future1::apart(&red, (2, 2), 3)));
        assert!(once!(Future1::borrowed(&red, "a")).is_ok());
        assert_eq!(Future1::borrowed(&red, "").await, Err("empty".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn methods_under_async_trait() {
    run(async {
        let red = Store::new("red");
        let dynamic: Arc<dyn Boxed2> = Arc::new(red.clone());
        once!(dynamic.find(1));
        assert_ne!(once!(Boxed::find(&red, 1)), once!(Boxed::find(&Store::new("blue"), 1)));
        assert_eq!(once!(Boxed::load(&red, "1", 1)).unwrap().0, "red2");
        assert_eq!(Boxed::load(&red, "0", 0).await, Err("zero".to_owned()));
        assert!(Boxed::load(&red, "x", 0).await.is_err());
        assert_eq!(once!(Boxed::list(&red, &["a".to_owned()])).len(), 1);
        let saved = Boxed::save(&red, 1).await.unwrap();
        assert_eq!(Boxed::find(&red, 1).await, saved);
        once!(Boxed::generic(&red, 7_u32));
        assert_eq!(Boxed::skipped(&red, 1, (1, 0.5)).await, Boxed::skipped(&red, 1, (2, 0.7)).await);
        once!(Boxed::pair(&red, (1, 2)));
    })
    .await;
}

#[async_trait]
trait Boxed2: Send + Sync {
    async fn find(&self, id: u64) -> u64;
}

#[async_trait]
impl Boxed2 for Store {
    #[cached(ttl = "5m", key = "dynamic:<id>")]
    async fn find(&self, id: u64) -> u64 {
        Boxed::find(self, id).await + tick()
    }
}

#[tokio::test]
async fn methods_whose_future_is_not_send() {
    Cache::in_memory()
        .scope(async {
            once!(Local::find(&Store::new("red"), 1));
        })
        .await;
}
