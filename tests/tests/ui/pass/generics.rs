//! Generic functions: bounds, where clauses, type and const parameters in the key and in the result.

use std::{fmt::Debug, hash::Hash};

use cache_runtime::{CacheValue, KeyPart, cached};

use super::{once, run, tick};

trait Entity: CacheValue + Debug + PartialEq {
    const NAME: &'static str;

    fn load(id: u64) -> Self;
}

impl Entity for u64 {
    const NAME: &'static str = "number";

    fn load(id: u64) -> Self {
        tick() + id
    }
}

impl Entity for String {
    const NAME: &'static str = "text";

    fn load(id: u64) -> Self {
        format!("{id}-{}", tick())
    }
}

#[cached(ttl = "5m", key = "argument:<id>", skip = [I])]
async fn argument<I: KeyPart + Into<u64> + Send>(id: I) -> u64 {
    tick() + id.into()
}

#[cached(ttl = "5m", key = "where:<id>:<name>", skip = [I, N])]
async fn where_clause<I, N>(id: I, name: N) -> (u64, usize)
where
    I: KeyPart + Into<u64> + Send + Sync,
    N: AsRef<str> + KeyPart + Send + Clone,
    for<'a> &'a N: Send,
{
    (tick() + id.into(), name.as_ref().len())
}

#[cached(ttl = "5m", key = "row:<T>:<id>")]
async fn load<T: Entity>(id: u64) -> T {
    T::load(id)
}

#[cached(ttl = "5m", key = "rows:<T>:<id>")]
async fn load_all<T>(id: u64) -> Result<Option<Vec<T>>, String>
where
    T: Entity,
{
    Ok(Some(vec![T::load(id), T::load(id)]))
}

#[cached(ttl = "5m", key = "name:<T>", skip = [count])]
async fn only_in_the_body<T: Entity>(count: u64) -> (String, u64)
where
    u64: Hash,
{
    (T::NAME.to_owned(), tick() + count)
}

#[cached(ttl = "5m", key = "array:<N>:<id>")]
async fn array<const N: usize>(id: u64) -> Vec<u64> {
    vec![tick() + id; N]
}

#[cached(ttl = "5m", key = "flag:<FLAG>:<N>:<ids>")]
async fn flag<const FLAG: bool, const N: usize>(ids: [u64; N]) -> (bool, usize, u64) {
    (FLAG, ids.len(), tick())
}

#[cached(ttl = "5m", key = "lifetime:<name>:<T>:<id>:<values>:<I>", skip = [N])]
async fn everything<'a, T, I, const N: usize>(name: &'a str, id: I, values: &'a [u64; N]) -> (T, String)
where
    T: Entity,
    I: KeyPart + Send + Sync + 'a,
    'a: 'a,
{
    (T::load(values.len() as u64), name.to_owned() + std::any::type_name_of_val(&id))
}

#[cached(ttl = "5m", key = "row:<T>:<id>", invalidates = [load_all::<T>(id), argument(id), array::<3>(id)])]
async fn save<T: Entity>(id: u64) -> T {
    T::load(id)
}

#[tokio::test]
async fn generic_arguments() {
    run(async {
        assert_eq!(once!(argument(1_u32)), argument(1_u64).await, "one key, one entry");
        assert_eq!(argument::entry(&7_u8).key().to_string(), "argument:7");
        assert_ne!(argument::uncached(1_u32).await, argument::uncached::<u32>(1).await);
        once!(where_clause(1_u32, "a"));
        once!(where_clause::<u32, String>(1, "b".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn type_parameters_in_the_key() {
    run(async {
        let number = once!(load::<u64>(1));
        assert!(once!(load::<String>(1)).starts_with("1-"));
        assert_eq!(load::entry::<u64>(&1).peek().await, Some(number));
        assert_eq!(load::entry::<u64>(&1).key().to_string(), "row:u64:1");
        assert_ne!(load::uncached::<u64>(1).await, number);
        assert_eq!(once!(load_all::<u64>(1)).unwrap().unwrap().len(), 2);
        assert_eq!(once!(only_in_the_body::<u64>(1)).0, "number");
        assert_eq!(once!(only_in_the_body::<String>(1)).0, "text");
    })
    .await;
}

#[tokio::test]
async fn const_parameters() {
    run(async {
        assert_eq!(once!(array::<3>(1)).len(), 3);
        assert_eq!(once!(array::<4>(1)).len(), 4);
        assert_eq!(array::entry::<3>(&1).key().to_string(), "array:3:1");
        assert_ne!(once!(flag::<true, 2>([1, 2])), once!(flag::<false, 2>([1, 2])));
        once!(everything::<u64, _, 2>("a", 1_u8, &[1, 2]));
    })
    .await;
}

#[tokio::test]
async fn generic_targets() {
    run(async {
        let (all, one, three) = (load_all::<u64>(1).await, argument(1_u64).await, array::<3>(1).await);
        let text = load_all::<String>(1).await;
        let saved = save::<u64>(1).await;
        assert_eq!(load::<u64>(1).await, saved);
        assert_ne!(load_all::<u64>(1).await, all);
        assert_ne!(argument(1_u64).await, one);
        assert_ne!(array::<3>(1).await, three);
        assert_eq!(load_all::<String>(1).await, text, "of another type");
    })
    .await;
}
