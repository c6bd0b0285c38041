//! Results: plain, optional, fallible, both, behind aliases, shared, with errors that know nothing of caches.

use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
    sync::Arc,
};

use cache_runtime::cached;
use serde::{Deserialize, Serialize};

use super::{once, run, tick};

/// Neither `Clone` nor serialisable.
#[derive(Debug, PartialEq)]
struct DbError(String);

/// Not even `Send`: a caller can only use it in its own task.
#[derive(Debug, PartialEq)]
struct LocalError(Rc<u64>);

type AppResult<T> = Result<T, DbError>;
type Found<T> = Option<T>;
type Looked = AppResult<Found<User>>;
type Nested<T> = AppResult<Option<T>>;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    tick: u64,
    tags: Vec<String>,
}

impl User {
    fn new(id: u64) -> Self {
        Self { id, tick: tick(), tags: vec!["a".to_owned()] }
    }
}

#[cached(ttl = "5m", key = "plain:<id>")]
async fn plain(id: u64) -> User {
    User::new(id)
}

#[cached(ttl = "5m", key = "optional:<id>")]
async fn optional(id: u64) -> Option<User> {
    (id > 0).then(|| User::new(id))
}

#[cached(ttl = "5m", key = "fallible:<id>")]
async fn fallible(id: u64) -> Result<User, DbError> {
    if id == 0 {
        return Err(DbError(format!("{}", tick())));
    }
    Ok(User::new(id))
}

#[cached(ttl = "5m", key = "fallible-optional:<id>")]
async fn fallible_optional(id: u64) -> Result<Option<User>, DbError> {
    match id {
        0 => Err(DbError(format!("{}", tick()))),
        1 => {
            tick();
            Ok(None)
        }
        _ => Ok(Some(User::new(id))),
    }
}

#[cached(ttl = "5m", key = "alias:<id>")]
async fn alias(id: u64) -> AppResult<User> {
    fallible(id).await.map(|user| User { tick: tick(), ..user })
}

#[cached(ttl = "5m", key = "alias-of-optional:<id>", negative_ttl = "REALTIME")]
async fn alias_of_optional(id: u64) -> Looked {
    Ok((id > 0).then(|| User::new(id)))
}

#[cached(ttl = "5m", key = "nested-alias:<id>", negative_ttl = "30s")]
async fn nested_alias(id: u64) -> Nested<u64> {
    Ok((id > 0).then(tick))
}

#[cached(ttl = "5m", key = "shared:<id>")]
async fn shared(id: u64) -> Arc<User> {
    Arc::new(User::new(id))
}

#[cached(ttl = "5m", key = "shared-result:<id>")]
async fn shared_result(id: u64) -> Result<Option<Arc<User>>, DbError> {
    Ok(Some(Arc::new(User::new(id))))
}

#[cached(ttl = "5m", key = "shared-text")]
async fn shared_text() -> Arc<str> {
    tick().to_string().into()
}

#[cached(ttl = "5m", key = "collections:<id>")]
async fn collections(id: u64) -> (Vec<User>, HashMap<String, u64>, BTreeMap<u64, Option<User>>) {
    (vec![User::new(id)], HashMap::from([("a".to_owned(), tick())]), BTreeMap::from([(id, None)]))
}

#[cached(ttl = "5m", key = "io:<id>")]
async fn io(id: u64) -> std::io::Result<u64> {
    if id == 0 { Err(std::io::Error::other("no")) } else { Ok(tick()) }
}

#[cached(ttl = "5m", key = "boxed:<id>")]
async fn boxed(id: u64) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    let parsed: u64 = if id == 0 { "x".parse()? } else { id };
    Ok(parsed + tick())
}

#[cached(ttl = "5m", key = "local:<id>")]
async fn local(id: u64) -> Result<u64, LocalError> {
    if id == 0 { Err(LocalError(Rc::new(tick()))) } else { Ok(tick()) }
}

#[cached(ttl = "5m", key = "checked:<id>")]
async fn checked(id: u64) -> Result<(), DbError> {
    if id == 0 { Err(DbError(tick().to_string())) } else { Ok(()) }
}

#[cached(ttl = "5m", key = "result-in-option:<id>")]
async fn result_in_option(id: u64) -> Option<Result<u64, String>> {
    Some(if id == 0 { Err(tick().to_string()) } else { Ok(tick()) })
}

#[tokio::test]
async fn values_are_cached() {
    run(async {
        assert_eq!(once!(plain(1)).id, 1);
        assert_ne!(once!(plain(1)), once!(plain(2)));
        assert!(once!(optional(1)).is_some());
        assert!(once!(fallible(1)).is_ok());
        assert!(once!(fallible_optional(2)).is_ok());
        assert!(once!(alias(1)).is_ok());
        assert!(once!(alias_of_optional(1)).is_ok());
        assert!(once!(nested_alias(1)).is_ok());
        assert_eq!(once!(shared(1)).id, 1);
        assert!(once!(shared_result(1)).is_ok());
        once!(shared_text());
        assert_eq!(once!(collections(1)).0[0].id, 1);
        assert_eq!(io(1).await.ok(), io(1).await.ok());
        assert_eq!(boxed(1).await.ok(), boxed(1).await.ok());
        assert_eq!(checked(1).await, Ok(()));
        assert!(once!(result_in_option(1)).is_some());
        assert!(
            once!(result_in_option(0)).is_some_and(|inner| inner.is_err()),
            "a plain value like any other"
        );
    })
    .await;
}

#[tokio::test]
async fn errors_come_back_and_are_never_cached() {
    run(async {
        assert_ne!(fallible(0).await.unwrap_err(), fallible(0).await.unwrap_err());
        assert_ne!(fallible_optional(0).await.unwrap_err(), fallible_optional(0).await.unwrap_err());
        assert_ne!(checked(0).await.unwrap_err(), checked(0).await.unwrap_err());
        assert_eq!(io(0).await.unwrap_err().to_string(), "no");
        assert!(boxed(0).await.unwrap_err().is::<std::num::ParseIntError>());
        assert_eq!(fallible::entry(&0).peek().await, None);
    })
    .await;
}

#[tokio::test]
async fn an_error_that_is_not_send() {
    cache_runtime::Cache::in_memory()
        .scope(async {
            assert!(once!(local(1)).is_ok());
            assert_ne!(local(0).await.unwrap_err(), local(0).await.unwrap_err());
        })
        .await;
}

#[tokio::test]
async fn none_is_cached_only_where_negative_ttl_says_so() {
    run(async {
        let before = tick();
        assert_eq!(optional(0).await, None);
        assert_eq!(fallible_optional(1).await, Ok(None));
        assert_eq!(fallible_optional(1).await, Ok(None));
        assert_eq!(alias_of_optional(0).await, Ok(None));
        assert_eq!(nested_alias(0).await, Ok(None));
        assert!(tick() >= before + 3, "`fallible_optional` runs each time");
        assert_eq!(alias_of_optional::entry(&0).peek().await, Some(None));
        assert_eq!(nested_alias::entry(&0).peek().await, Some(None));
        assert_eq!(fallible_optional::entry(&1).peek().await, None);
    })
    .await;
}
