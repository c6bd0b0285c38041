//! Batches: each form of the list, each result, in every place where a function can stand.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use cache_runtime::{Cache, KeyPart, cached};

use super::{once, run, tick};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, KeyPart)]
struct UserId {
    org: u64,
    id: u64,
}

impl UserId {
    fn slug(&self) -> String {
        format!("{}-{}", self.org, self.id)
    }
}

fn ticks<K: Clone + Eq + std::hash::Hash>(ids: &[K]) -> HashMap<K, u64> {
    ids.iter().map(|id| (id.clone(), tick())).collect()
}

#[cached(ttl = "5m", key = "b:user:<id>")]
async fn one(id: u64) -> u64 {
    tick() + id
}

#[cached(batch, ttl = "5m", key = "b:user:<id>", each = "id in ids")]
async fn many(ids: &[u64]) -> HashMap<u64, u64> {
    ticks(ids)
}

/// How many it was asked for.
#[cached(batch, ttl = "5m", key = "b:size:<id>", each = "id in ids")]
async fn sizes(ids: &[u64]) -> HashMap<u64, usize> {
    ids.iter().map(|id| (*id, ids.len())).collect()
}

#[cached(batch = true, each = "id in ids", key = "b:failing:<id>", ttl = "STANDARD", negative_ttl = "30s")]
async fn failing(ids: &[u64]) -> Result<HashMap<u64, u64>, String> {
    if ids.contains(&0) {
        return Err("no id".to_owned());
    }
    let odd: Vec<u64> = ids.iter().copied().filter(|id| id % 2 == 1).collect();
    Ok(ticks(&odd))
}

#[cached(batch, ttl = "5m", key = "b:ordered:<id>", each = "id in ids")]
#[expect(clippy::ptr_arg, reason = "a list may be borrowed so, too")]
async fn ordered(ids: &Vec<u64>) -> BTreeMap<u64, u64> {
    ids.iter().map(|id| (*id, tick())).collect()
}

#[cached(batch, ttl = "5m", key = "b:listed:<name>", each = "name in names")]
async fn listed(mut names: Vec<String>) -> Vec<Option<u64>> {
    names.retain(|name| name != "never");
    names.iter().map(|name| (!name.is_empty()).then(|| tick() * 10 + name.len() as u64)).collect()
}

#[cached(batch, ttl = "5m", key = "b:parts:<id.org>:<id.slug()>", each = "id in ids", skip = [id], tags = ["b:org:<id.org>", "b:all"], local = "5s")]
async fn parts(ids: &[UserId]) -> HashMap<UserId, u64> {
    ticks(ids)
}

#[cached(
    batch,
    each = "id in ids",
    key = "b:others:<org>:<first>:<name>:<id>",
    tags = ["b:others:<first>:<second>"],
    skip = [pool, second],
    ttl = |value| Duration::from_secs(*value),
    cache_if = |value| *value > 0,
    bypass_if = ids.is_empty() || name == "bypass",
    version = 3,
    jitter = 0.2,
    load_timeout = "1s"
)]
async fn others(
    org: &str,
    (first, mut second): (u64, u64),
    mut name: String,
    ids: &[u64],
    pool: &[String],
) -> HashMap<u64, u64> {
    second += first;
    name.push_str(org);
    assert!(pool.is_empty() && second > 0 && !name.is_empty());
    ticks(ids)
}

#[cached(batch, ttl = life(seconds), key = "b:life:<seconds>:<id>", each = "id in ids")]
async fn lives(ids: Vec<u64>, seconds: u64) -> Result<BTreeMap<u64, u64>, String> {
    Ok(ids.into_iter().map(|id| (id, tick() + seconds)).collect())
}

fn life(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[cached(batch, ttl = "5m", key = "b:generic:<T>:<id>", each = "id in ids", skip = [K])]
async fn generic<T, K>(ids: &[K]) -> HashMap<K, (u64, Option<T>)>
where
    T: Clone + Send + Sync + serde::Serialize + serde::de::DeserializeOwned + 'static,
    K: KeyPart + Clone + Eq + std::hash::Hash + Ord + Send + Sync,
{
    ids.iter().map(|id| (id.clone(), (tick(), None))).collect()
}

#[cached(batch, ttl = "5m", key = "b:borrowed:<name>", each = "name in names")]
async fn borrowed<'a>(names: &[&'a str]) -> HashMap<&'a str, u64> {
    ticks(names)
}

#[cached(batch, ttl = "5m", key = "b:inline:<a>:<id>", each = "id in ids", skip = [b, c], companion = false)]
async fn inline(
    mut ids: Vec<u64>,
    (a, mut b): (u64, u64),
    mut c: String,
) -> Result<HashMap<u64, u64>, String> {
    b += a;
    c.push('c');
    ids.push(b);
    if c == "errorc" {
        Err(c.clone())?;
    }
    Ok(ticks(&ids))
}

struct Users {
    tenant: String,
    cache: Cache,
}

impl Users {
    fn new(tenant: &str) -> Self {
        Self { tenant: tenant.to_owned(), cache: Cache::in_memory() }
    }

    #[cached(batch, ttl = "5m", key = "b:find:<self.tenant>:<id>", each = "id in ids", tags = ["b:tenant:<self.tenant>"])]
    pub async fn find(&self, ids: &[u64]) -> HashMap<u64, u64> {
        let _ = self.tenant.len();
        ticks(ids)
    }

    #[cached(batch, ttl = "5m", key = "b:private:<self.tenant>:<id>", each = "id in ids")]
    async fn private(&self, ids: &[u64]) -> Result<HashMap<u64, u64>, String> {
        if self.tenant.is_empty() {
            return Err("no tenant".to_owned());
        }
        Ok(ticks(ids))
    }

    #[cached(batch, ttl = "5m", key = "b:shared:<self.tenant>:<id>:<name>", each = "id in ids", cache = self.cache)]
    pub async fn shared(self: Arc<Self>, name: String, ids: Vec<u64>) -> HashMap<u64, u64> {
        drop((self, name));
        ticks(&ids)
    }

    #[cached(batch, ttl = "5m", key = "b:associated:<id>", each = "id in ids", companion = false)]
    pub async fn associated(ids: &[u64]) -> HashMap<u64, u64> {
        ticks(ids)
    }

    #[cached(invalidates = [tag("b:tenant:<self.tenant>")])]
    async fn clear(&self) {
        let _ = self.tenant.len();
    }
}

trait Native {
    fn load(&self, pair: (u64, u64), ids: &[u64]) -> impl Future<Output = HashMap<u64, u64>> + Send;
    fn future(&self, ids: &[u64]) -> impl Future<Output = Result<HashMap<u64, u64>, String>> + Send;
}

impl Native for Users {
    #[cached(batch, ttl = "5m", key = "b:native:<a>:<b>:<id>", each = "id in ids", tags = ["b:tenant:<self.tenant>"])]
    async fn load(&self, (a, mut b): (u64, u64), ids: &[u64]) -> HashMap<u64, u64> {
        b += 1;
        assert!(a + b > 0);
        ticks(ids)
    }

    #[cached(batch, ttl = "5m", key = "b:future:<self.tenant>:<id>", each = "id in ids")]
    fn future(&self, ids: &[u64]) -> impl Future<Output = Result<HashMap<u64, u64>, String>> + Send {
        let found = ticks(ids);
        async move { Ok(found) }
    }
}

#[async_trait]
trait Boxed {
    async fn boxed(&self, ids: &[u64], name: String) -> HashMap<u64, u64>;
    async fn hidden(&self, ids: Vec<u64>, pair: (u64, f64)) -> Result<Vec<Option<u64>>, String>;
}

#[async_trait]
impl Boxed for Users {
    #[cached(batch, ttl = "5m", key = "b:boxed:<self.tenant>:<id>:<name>", each = "id in ids")]
    async fn boxed(&self, ids: &[u64], mut name: String) -> HashMap<u64, u64> {
        name.push_str(&self.tenant);
        ticks(ids)
    }

    #[cached(batch, ttl = "5m", key = "b:hidden:<id>", each = "id in ids")]
    async fn hidden(
        &self,
        mut ids: Vec<u64>,
        #[cache(skip)] (first, _): (u64, f64),
    ) -> Result<Vec<Option<u64>>, String> {
        ids.retain(|id| *id != first);
        Ok(ids.iter().map(|_| Some(tick())).collect())
    }
}

#[cached(invalidates = [tag("b:org:<org>")])]
async fn drop_org(org: u64) {
    let _ = org;
}

#[cached(invalidates = ["b:user:<id>"])]
async fn drop_one(id: u64) {
    let _ = id;
}

#[tokio::test]
async fn the_body_gets_what_is_missing() {
    run(async {
        let first = one(1).await;
        let found = once!(many(&[1, 2]));
        assert_eq!(found[&1], first, "entries are shared");
        assert_eq!(one(2).await, found[&2], "both ways");
        drop_one(2).await;
        let again = many(&[1, 2, 3]).await;
        assert_eq!(again[&1], first);
        assert_ne!(again[&2], found[&2]);
        assert_eq!(sizes(&[1, 2]).await, HashMap::from([(1, 2), (2, 2)]));
        assert_eq!(sizes(&[1, 2, 3]).await, HashMap::from([(1, 2), (2, 2), (3, 1)]));
        assert!(many(&[]).await.is_empty());
        assert_ne!(many::uncached(&[1]).await[&1], first);
    })
    .await;
}

#[tokio::test]
async fn each_result() {
    run(async {
        let found = failing(&[1, 2, 3]).await.expect("ids");
        assert_eq!(found.keys().len(), 2);
        assert_eq!(failing(&[1]).await.expect("ids")[&1], found[&1]);
        assert_eq!(failing(&[1, 0]).await, Err("no id".to_owned()));
        once!(ordered(&vec![3, 1, 2]));
        let names = || ["a", "bb"].map(str::to_owned).to_vec();
        once!(listed(names()));
        let found = listed(names()).await;
        assert_eq!(
            found.iter().map(|found| found.map(|found| found % 10)).collect::<Vec<_>>(),
            [Some(1), Some(2)]
        );
        let more = listed(["bb", "", "a"].map(str::to_owned).to_vec()).await;
        assert_eq!(more, [found[1], None, found[0]]);
        once!(lives(vec![1, 2], 60)).expect("numbers");
        assert_ne!(lives(vec![1], 0).await, lives(vec![1], 0).await, "no life, no entry");
    })
    .await;
}

#[tokio::test]
async fn keys_and_tags_of_one_of_the_list() {
    run(async {
        let id = |org, id| UserId { org, id };
        let before = once!(parts(&[id(1, 2), id(1, 3), id(2, 2)]));
        drop_org(1).await;
        let after = parts(&[id(1, 2), id(1, 3), id(2, 2)]).await;
        assert_ne!(before[&id(1, 2)], after[&id(1, 2)]);
        assert_ne!(before[&id(1, 3)], after[&id(1, 3)]);
        assert_eq!(before[&id(2, 2)], after[&id(2, 2)]);

        let call = |org, name: &str| {
            let name = name.to_owned();
            async move { others(org, (1, 2), name, &[1, 2], &[]).await }
        };
        assert_ne!(once!(call("red", "a")), once!(call("blue", "a")));
        assert_ne!(call("red", "a").await, once!(call("red", "b")));
        assert_ne!(call("red", "bypass").await, call("red", "bypass").await);
        once!(generic::<u8, u64>(&[1, 2]));
        once!(generic::<u8, String>(&["a".to_owned()]));
        once!(borrowed(&["a", "b"]));
        once!(inline(vec![1, 2], (1, 2), "a".to_owned())).expect("numbers");
        assert!(inline(vec![7], (1, 2), "error".to_owned()).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn methods() {
    run(async {
        let (red, blue) = (Arc::new(Users::new("red")), Arc::new(Users::new("blue")));
        assert_ne!(once!(red.find(&[1])), once!(blue.find(&[1])));
        let (found, private) = (red.find(&[1]).await, once!(red.private(&[1])));
        assert!(Users::new("").private(&[1]).await.is_err());
        let loaded = once!(red.load((1, 2), &[1]));
        red.clear().await;
        assert_ne!(red.find(&[1]).await, found);
        assert_ne!(red.load((1, 2), &[1]).await, loaded);
        assert_eq!(red.private(&[1]).await, private);
        assert_ne!(red.find_uncached(&[1]).await, red.find(&[1]).await);
        once!(Arc::clone(&red).shared("a".to_owned(), vec![1, 2]));
        once!(Users::associated(&[1, 2]));
        once!(red.future(&[1, 2])).expect("numbers");
        assert_ne!(once!(red.boxed(&[1, 2], "a".to_owned())), red.boxed(&[1, 2], "b".to_owned()).await);
        once!(red.hidden(vec![1, 2], (9, 0.5))).expect("numbers");
    })
    .await;
}
