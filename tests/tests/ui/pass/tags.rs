//! Tags, patterns and the local level, in every place where a function can stand.

use std::sync::Arc;

use async_trait::async_trait;
use cache_runtime::{Cache, KeyPart, cached};

use super::{once, run, tick};

#[derive(Clone, Debug, KeyPart)]
struct Org {
    id: u64,
    name: String,
}

impl Org {
    fn new(id: u64) -> Self {
        Self { id, name: format!("org {id}") }
    }

    fn slug(&self) -> String {
        self.name.replace(' ', "-")
    }
}

#[cached(ttl = "5m", key = "t:constant:<id>", tags = ["t:films"])]
async fn constant(id: u64) -> u64 {
    tick() + id
}

#[cached(ttl = "5m", key = "t:several:<org>:<id>", tags = ["t:films", "t:org:<org>", "t:pair:<org>:<id>"], local = "5s")]
async fn several(org: &str, id: u64) -> Result<u64, String> {
    if org.is_empty() {
        return Err("no organisation".to_owned());
    }
    Ok(tick() + id)
}

/// What only a tag uses is passed to the entry, too.
#[cached(ttl = "5m", key = "t:skipped:<id>", tags = ["t:org:<org>"], skip = [org])]
async fn skipped(id: u64, org: String) -> Option<u64> {
    Some(tick() + id)
}

#[cached(ttl = "5m", key = "t:parts:<org.id>:<pair.1>", tags = ["t:slug:<org.slug()>", "t:pair:<pair.0>"], local = "5m", skip = [org, pair])]
async fn parts(org: Org, mut pair: (u64, u64)) -> u64 {
    pair.0 += 1;
    drop(org);
    tick() + pair.0
}

#[cached(ttl = "5m", key = "t:pattern:<a>:<b>", tags = ["t:<<a>>:<a>:<b>"], local = false)]
async fn pattern((a, mut b): (u64, u64)) -> u64 {
    b += 1;
    tick() + a + b
}

#[cached(ttl = "5m", key = "t:generic:<id>:<N>", tags = ["t:type:<T>", "t:generic:<id>"], skip = [T, I])]
async fn generic<T: Send + 'static, I: KeyPart + Clone + Send + Sync + 'static, const N: usize>(
    id: I,
) -> usize {
    drop(id);
    usize::try_from(tick()).unwrap_or(N) + size_of::<T>()
}

#[cached(ttl = "5m", key = "t:inline:<a>:<b>", tags = ["t:inline:<a>", "t:films"], companion = false)]
async fn inline((a, b): (u64, u64)) -> u64 {
    tick() + a + b
}

#[cached(ttl = "5m", key = "t:many:<id>:<page>", version = 2)]
async fn many(id: &str, page: u64) -> u64 {
    tick() + page + id.len() as u64
}

/// A write through stores under its tags.
#[cached(ttl = "5m", key = "t:skipped:<id>", tags = ["t:org:<org.id>"], mode = "write-through")]
async fn save(id: u64, org: Org) -> Option<u64> {
    drop(org);
    Some(tick() + id)
}

#[cached(ttl = "5m", key = "t:valued:<id>", tags = ["t:value:<value>"], skip = [value])]
async fn valued(id: u64, value: u64) -> u64 {
    tick() + id + value
}

#[cached(ttl = "5m", key = "t:valued:<id>", tags = ["t:value:<value>"], value = "value")]
async fn store(id: u64, value: u64) {
    let _ = (id, value);
}

#[cached(invalidates = [tag("t:films")])]
async fn drop_films() {}

#[cached(invalidates = [tag("t:org:<org>"), tag("t:pair:<first>")])]
async fn drop_org(org: String, (first, _): (u64, u64)) {
    drop((org, first));
}

#[cached(invalidates = [tag("t:slug:<org.slug()>")])]
async fn drop_slug(org: Org) {
    drop(org);
}

#[cached(invalidates = [tag("t:org:<return.id>"), |_| tag("t:slug:<slug>")])]
async fn create(slug: &str, id: u64) -> Result<Org, String> {
    if slug.is_empty() {
        return Err("no slug".to_owned());
    }
    Ok(Org::new(id))
}

#[cached(invalidates = [tag("t:value:<value>")])]
async fn drop_value(value: u64) {
    let _ = value;
}

#[cached(invalidates = [tag("t:type:<T>"), tag("t:generic:<id>")])]
async fn drop_generic<T: Send>(id: u64) {
    let _ = id;
}

#[cached(invalidates = ["t:many:<id>:*"])]
async fn drop_many(id: String) {
    drop(id);
}

#[cached(invalidates = ["t:m*:<return>:1", |_| "t:constant:*"])]
async fn drop_made() -> String {
    "made".to_owned()
}

#[cached(invalidates = ["*"])]
async fn drop_all() {}

/// A cached function may have the name, and is a target by its path.
mod named {
    use cache_runtime::cached;

    #[cached(ttl = "5m", key = "t:named:<id>")]
    pub(super) async fn tag(id: u64) -> u64 {
        super::tick() + id
    }

    #[cached(invalidates = [self::tag(id)])]
    pub(super) async fn untag(id: u64) {
        let _ = id;
    }
}

macro_rules! tagged {
    ($name:ident, $tag:literal, $local:expr) => {
        #[cached(ttl = "5m", key = "t:macro:<id>", tags = [$tag], local = $local)]
        async fn $name(id: u64) -> u64 {
            tick() + id
        }

        mod drops {
            use cache_runtime::cached;

            #[cached(invalidates = [tag($tag)])]
            pub(super) async fn $name(id: u64) {
                let _ = id;
            }
        }
    };
}
tagged!(by_macro, "t:macro:<id>", "5s");

struct Films {
    tenant: String,
    cache: Cache,
}

impl Films {
    fn new(tenant: &str) -> Self {
        Self { tenant: tenant.to_owned(), cache: Cache::in_memory() }
    }

    #[cached(ttl = "5m", key = "t:find:<self.tenant>:<id>", tags = ["t:tenant:<self.tenant>"], local = "5s")]
    pub async fn find(&self, id: u64) -> u64 {
        tick() + id
    }

    #[cached(ttl = "5m", key = "t:private:<self.tenant>:<id>", tags = ["t:tenant:<self.tenant>", "t:id:<id>"])]
    async fn private(&self, id: u64) -> Option<u64> {
        Some(tick() + id + self.tenant.len() as u64)
    }

    #[cached(ttl = "5m", key = "t:own:<id>", tags = ["t:tenant:<self.tenant>"], cache = self.cache)]
    pub async fn own(&self, id: u64) -> u64 {
        tick() + id
    }

    #[cached(ttl = "5m", key = "t:shared:<id>", tags = ["t:tenant:<self.tenant>"])]
    pub async fn shared(self: Arc<Self>, id: u64) -> u64 {
        tick() + id + self.tenant.len() as u64
    }

    #[cached(invalidates = [tag("t:tenant:<self.tenant>")])]
    pub async fn clear(&self) {
        drop(self.tenant.clone());
    }

    #[cached(invalidates = [tag("t:tenant:<self.tenant>")], cache = self.cache)]
    pub async fn clear_own(&self) {
        drop(self.tenant.clone());
    }

    #[cached(invalidates = ["t:find:<self.tenant>:*"])]
    async fn clear_found(&self) {
        drop(self.tenant.clone());
    }
}

trait Native {
    fn load(&self, pair: (u64, u64)) -> impl Future<Output = u64> + Send;
    fn future(&self, id: u64) -> impl Future<Output = Result<u64, String>> + Send;
}

impl Native for Films {
    #[cached(ttl = "5m", key = "t:native:<a>:<b>", tags = ["t:tenant:<self.tenant>", "t:a:<a>"], local = "5s")]
    async fn load(&self, (a, mut b): (u64, u64)) -> u64 {
        b += 1;
        tick() + a + b
    }

    #[cached(ttl = "5m", key = "t:future:<id>", tags = ["t:tenant:<self.tenant>"], local = "5s")]
    fn future(&self, id: u64) -> impl Future<Output = Result<u64, String>> + Send {
        async move { Ok(tick() + id) }
    }
}

#[async_trait]
trait Boxed {
    async fn boxed(&self, id: u64) -> u64;
    async fn clear_boxed(&self) -> Result<u64, String>;
}

#[async_trait]
impl Boxed for Films {
    #[cached(ttl = "5m", key = "t:boxed:<id>", tags = ["t:tenant:<self.tenant>", "t:id:<id>"], local = "5s")]
    async fn boxed(&self, id: u64) -> u64 {
        tick() + id
    }

    #[cached(invalidates = [tag("t:tenant:<self.tenant>"), tag("t:id:<return>")])]
    async fn clear_boxed(&self) -> Result<u64, String> {
        Ok(1)
    }
}

/// What calls return before and after a write.
macro_rules! changes {
    ($write:expr => $($read:expr),+) => {{
        let before = ($(once!($read),)+);
        let _ = $write.await;
        (before, ($(once!($read),)+))
    }};
}

#[tokio::test]
async fn a_tag_drops_its_entries() {
    run(async {
        let (before, after) =
            changes!(drop_films() => constant(1), several("red", 1), inline((1, 2)), pattern((1, 2)));
        assert_ne!(before.0, after.0);
        assert_ne!(before.1, after.1);
        assert_ne!(before.2, after.2);
        assert_eq!(before.3, after.3);

        let (before, after) = changes!(
            drop_org("red".to_owned(), (7, 8)) =>
            several("red", 1), several("blue", 1), skipped(1, "red".to_owned()), parts(Org::new(1), (7, 1)),
            parts(Org::new(1), (8, 2)), constant(1)
        );
        assert_ne!(before.0, after.0);
        assert_eq!(before.1, after.1);
        assert_ne!(before.2, after.2);
        assert_ne!(before.3, after.3);
        assert_eq!(before.4, after.4);
        assert_eq!(before.5, after.5);

        let (before, after) =
            changes!(drop_slug(Org::new(1)) => parts(Org::new(1), (7, 1)), parts(Org::new(2), (7, 1)));
        assert_ne!(before.0, after.0);
        assert_eq!(before.1, after.1);
        let (before, after) = changes!(drops::by_macro(1) => by_macro(1), by_macro(2));
        assert_ne!(before.0, after.0);
        assert_eq!(before.1, after.1);
        let (before, after) = changes!(named::untag(1) => named::tag(1), named::tag(2));
        assert_ne!(before.0, after.0);
        assert_eq!(before.1, after.1);
        assert_eq!(several("", 1).await, Err("no organisation".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn tags_of_type_parameters() {
    run(async {
        let (before, after) =
            changes!(drop_generic::<u8>(9) => generic::<u8, u64, 1>(1), generic::<u8, u64, 2>(2), pattern((1, 2)));
        assert_ne!(before.0, after.0);
        assert_ne!(before.1, after.1);
        assert_eq!(before.2, after.2);
        let (before, after) = changes!(drop_generic::<u16>(1) => generic::<u32, u64, 1>(1), generic::<u32, u64, 2>(2));
        assert_ne!(before.0, after.0);
        assert_eq!(before.1, after.1);
        let found = generic::<u8, u64, 3>(3).await;
        assert_eq!(generic::entry::<u8, u64, 3>(&3).peek().await, Some(found));
    })
    .await;
}

#[tokio::test]
async fn tags_that_need_the_result() {
    run(async {
        let reads = || (skipped(1, "5".to_owned()), parts(Org { id: 1, name: "green".to_owned() }, (1, 1)));
        let (before, after) = changes!(create("green", 5) => reads().0, reads().1, constant(1));
        assert_ne!(before.0, after.0);
        assert_ne!(before.1, after.1);
        assert_eq!(before.2, after.2);
        let (before, after) = changes!(create("", 5) => reads().0, reads().1);
        assert_eq!(before, after, "after success only");
    })
    .await;
}

#[tokio::test]
async fn a_write_stores_under_its_tags() {
    run(async {
        let saved = save(1, Org::new(3)).await;
        assert_eq!(skipped(1, "3".to_owned()).await, saved);
        assert_eq!(skipped::entry(&1, "3").peek().await, Some(saved));
        assert_eq!(skipped::entry(&1, "4").peek().await, None, "it carries another tag");
        drop_org("3".to_owned(), (0, 0)).await;
        assert_ne!(skipped(1, "3".to_owned()).await, saved);

        store(1, 77).await;
        assert_eq!(valued(1, 77).await, 77);
        drop_value(77).await;
        assert_ne!(valued(1, 77).await, 77);
    })
    .await;
}

#[tokio::test]
async fn a_pattern_drops_the_keys_that_look_like_it() {
    run(async {
        let (before, after) = changes!(drop_many("a".to_owned()) => many("a", 1), many("a", 2), many("b", 1));
        assert_ne!(before.0, after.0);
        assert_ne!(before.1, after.1);
        assert_eq!(before.2, after.2);
        let (before, after) = changes!(drop_many("*".to_owned()) => many("a", 1), many("*", 1));
        assert_eq!(before.0, after.0, "an argument matches itself only");
        assert_ne!(before.1, after.1);
        let (before, after) = changes!(drop_made() => many("made", 1), many("made", 2), constant(4));
        assert_ne!(before.0, after.0);
        assert_eq!(before.1, after.1);
        assert_ne!(before.2, after.2);
        let (before, after) = changes!(drop_all() => many("a", 1), pattern((5, 6)));
        assert_ne!(before.0, after.0);
        assert_ne!(before.1, after.1);
    })
    .await;
}

#[tokio::test]
async fn tags_of_methods() {
    run(async {
        let (red, blue) = (Arc::new(Films::new("red")), Films::new("blue"));
        let (before, after) = changes!(
            red.clear() =>
            red.find(1), red.private(1), Arc::clone(&red).shared(1), red.load((1, 2)), red.future(1), red.boxed(1), blue.find(1)
        );
        assert_ne!(before.0, after.0);
        assert_ne!(before.1, after.1);
        assert_ne!(before.2, after.2);
        assert_ne!(before.3, after.3);
        assert_ne!(before.4, after.4);
        assert_ne!(before.5, after.5);
        assert_eq!(before.6, after.6);
        let (before, after) = changes!(red.clear_boxed() => red.find(1), blue.private(1), blue.private(2), blue.find(1));
        assert_ne!(before.0, after.0);
        assert_ne!(before.1, after.1);
        assert_eq!(before.2, after.2);
        assert_eq!(before.3, after.3);
        let (before, after) = changes!(blue.clear_found() => red.find(1), blue.find(1), blue.find(2));
        assert_eq!(before.0, after.0);
        assert_ne!(before.1, after.1);
        assert_ne!(before.2, after.2);
        let (before, after) = changes!(red.clear_own() => red.own(1), red.find(1));
        assert_ne!(before.0, after.0);
        assert_eq!(before.1, after.1);
        assert_eq!(red.find_entry(&1).peek().await, Some(before.1));
    })
    .await;
}
