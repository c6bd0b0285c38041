//! What a method's `impl` is generic over, in the key: by name, as `<Self>`, or skipped.

use std::{
    collections::{BTreeMap, BTreeSet},
    marker::PhantomData,
};

use cache_runtime::{KeyPart, cached};

use super::{once, run, tick};

trait Entity: Send + Sync + 'static {
    const NAME: &'static str;
}

struct User;
struct Order;

impl Entity for User {
    const NAME: &'static str = "user";
}

impl Entity for Order {
    const NAME: &'static str = "order";
}

struct Repository<E, const N: usize>(PhantomData<E>);

impl<E: Entity, const N: usize> Repository<E, N> {
    #[cached(ttl = "5m", key = "p:named:<E>:<N>:<id>")]
    pub async fn named(&self, id: u64) -> (String, usize, u64) {
        (E::NAME.to_owned(), N, tick() + id)
    }

    #[cached(ttl = "5m", key = "p:self:<Self>:<id>")]
    pub async fn by_self(&self, id: u64) -> (String, usize, u64) {
        (E::NAME.to_owned(), N, tick() + id)
    }

    #[cached(ttl = "5m", key = "p:private:<Self>:<id>")]
    async fn private(&self, id: u64) -> (String, usize, u64) {
        (E::NAME.to_owned(), N, tick() + id)
    }

    #[cached(ttl = "5m", key = "p:skipped:<id>", skip = [Self])]
    pub async fn skipped(&self, id: u64) -> u64 {
        tick() + id
    }

    #[cached(ttl = "5m", key = "p:associated:<E>:<N>:<id>", companion = false)]
    pub async fn associated(id: u64) -> (String, usize, u64) {
        (E::NAME.to_owned(), N, tick() + id)
    }

    #[cached(invalidates = [self.named(id), "p:self:<Self>:<id>", "p:private:<Self>:<id>"])]
    pub async fn remove(&self, id: u64) -> u64 {
        id
    }
}

trait Count {
    async fn count(&self, id: u64) -> (String, u64);

    #[cached(ttl = "5m", key = "p:default:<Self>:<id>")]
    async fn by_default(&self, id: u64) -> (String, u64) {
        let (name, _) = self.count(id).await;
        (name, tick())
    }
}

impl<E: Entity> Count for E {
    #[cached(ttl = "5m", key = "p:blanket:<E>:<id>")]
    async fn count(&self, id: u64) -> (String, u64) {
        (E::NAME.to_owned(), tick() + id)
    }
}

macro_rules! repository {
    ($name:ident, $method:ident, $key:literal) => {
        struct $name<E>(PhantomData<E>);

        impl<E: Entity> $name<E> {
            #[cached(ttl = "5m", key = $key)]
            pub(crate) async fn $method(&self, id: u64) -> (String, u64) {
                (E::NAME.to_owned(), tick() + id)
            }
        }
    };
}
repository!(Written, find, "p:written:<E>:<id>");
repository!(WrittenBySelf, find_by_self, "p:written-by-self:<Self>:<id>");

#[tokio::test]
async fn parameters_of_the_impl_tell_entries_apart() {
    run(async {
        let (users, orders) = (Repository::<User, 1>(PhantomData), Repository::<Order, 1>(PhantomData));
        assert_eq!(once!(users.named(1)).0, "user");
        assert_eq!(once!(orders.named(1)).0, "order");
        assert_eq!(once!(Repository::<User, 2>(PhantomData).named(1)).1, 2);
        assert_eq!(once!(users.by_self(1)).0, "user");
        assert_eq!(once!(orders.by_self(1)).0, "order");
        assert_eq!(once!(users.private(1)).0, "user");
        assert_eq!(once!(orders.private(1)).0, "order");
        assert_eq!(users.skipped(1).await, orders.skipped(1).await);
        assert_eq!(once!(Repository::<User, 1>::associated(1)).0, "user");
        assert_eq!(once!(Repository::<Order, 1>::associated(1)).0, "order");
        let named = users.named(1).await;
        let (own, private) = (users.by_self(1).await, users.private(1).await);
        orders.remove(1).await;
        assert_eq!(users.named(1).await, named, "of another type");
        assert_eq!(users.by_self(1).await, own, "of another type");
        users.remove(1).await;
        assert_ne!(users.named(1).await, named);
        assert_ne!(users.by_self(1).await, own);
        assert_ne!(users.private(1).await, private);
    })
    .await;
}

#[tokio::test]
async fn parameters_of_traits_and_macros_tell_entries_apart() {
    crate::Cache::in_memory()
        .scope(async {
            assert_eq!(once!(User.count(1)).0, "user");
            assert_eq!(once!(Order.count(1)).0, "order");
            assert_eq!(once!(User.by_default(1)).0, "user");
            assert_eq!(once!(Order.by_default(1)).0, "order");
            assert_eq!(once!(Written::<User>(PhantomData).find(1)).0, "user");
            assert_eq!(once!(Written::<Order>(PhantomData).find(1)).0, "order");
            assert_eq!(once!(WrittenBySelf::<User>(PhantomData).find_by_self(1)).0, "user");
            assert_eq!(once!(WrittenBySelf::<Order>(PhantomData).find_by_self(1)).0, "order");
        })
        .await;
}

struct Query {
    user: u64,
    page: u64,
}

#[derive(KeyPart)]
struct Id(u64);

#[cached(ttl = "5m", key = "p:half:<query.user>", skip = [query])]
async fn half(query: Query) -> u64 {
    tick() + query.user + query.page
}

#[cached(ttl = "5m", key = "p:whole:<id.0>:<pair.0>:<pair.1>:<both>")]
async fn whole(id: Id, pair: (u64, u64), both @ (first, second): (u64, u64)) -> u64 {
    tick() + id.0 + pair.0 + pair.1 + both.0 + first + second
}

#[cached(ttl = "5m", key = "{p:tag:<id>}:films")]
async fn hash_tag(id: u64) -> u64 {
    tick() + id
}

#[cached(ttl = "5m", key = "p:create:<id>", mode = "cache-aside")]
async fn create_page(id: u64) -> u64 {
    tick() + id
}

#[cached(ttl = "5m", key = "p:ordered:<filters>:<ids>")]
async fn ordered(filters: &BTreeMap<String, u64>, ids: BTreeSet<u64>) -> usize {
    filters.len() + ids.len() + usize::try_from(tick()).unwrap_or_default()
}

#[tokio::test]
async fn the_rest_of_an_argument_is_skipped_where_it_is_said() {
    run(async {
        let first = half(Query { user: 1, page: 1 }).await;
        assert_eq!(half(Query { user: 1, page: 2 }).await, first);
        assert_ne!(half(Query { user: 2, page: 1 }).await, first);
        assert_ne!(once!(whole(Id(1), (1, 2), (3, 4))), once!(whole(Id(1), (1, 2), (3, 5))));
        once!(hash_tag(1));
        assert_eq!(hash_tag::entry(&1).key().to_string(), "{p:tag:1}:films");
        once!(create_page(1));
        let filters = BTreeMap::from([("year".to_owned(), 2000)]);
        once!(ordered(&filters, BTreeSet::from([1, 2])));
    })
    .await;
}
