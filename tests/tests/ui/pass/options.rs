//! Each option that reading functions take.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use cache_runtime::{Cache, Remaining, Ttl, TtlClass, cached};
use serde::{Deserialize, Serialize};

use super::{once, run, tick};

const LIFE: Duration = Duration::from_secs(20);
const CLASS: Ttl = Ttl::Class(TtlClass::Realtime);
static READY: AtomicBool = AtomicBool::new(false);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    tick: u64,
}

impl User {
    fn new(id: u64) -> Self {
        Self { id, tick: tick() }
    }

    fn is_known(&self) -> bool {
        self.id < 100
    }
}

fn lifetime_of(id: u64) -> Duration {
    Duration::from_secs(id)
}

#[cached(ttl = LIFE, key = "const:<id>", jitter = 0)]
async fn of_const(id: u64) -> User {
    User::new(id)
}

#[cached(ttl = CLASS, key = "class:<id>", jitter = 0.0)]
async fn of_class(id: u64) -> Option<User> {
    Some(User::new(id))
}

#[cached(ttl = TtlClass::Reference, key = "class-name:<id>", jitter = 0)]
async fn of_class_name(id: u64) -> User {
    User::new(id)
}

#[cached(ttl = Duration::from_secs(2) * 5, key = "expression:<id>", jitter = 0)]
async fn of_expression(id: u64) -> Result<User, String> {
    Ok(User::new(id))
}

#[cached(ttl = lifetime_of(id), key = "argument:<id>", jitter = 0)]
async fn of_argument(id: u64) -> User {
    User::new(id)
}

#[cached(ttl = lifetime_of(*life), key = "skipped-argument:<id>", skip = [life], jitter = 0)]
async fn of_skipped_argument(id: u64, life: &u64) -> User {
    let _ = life;
    User::new(id)
}

#[cached(ttl = |user| Duration::from_secs(user.id), key = "value:<id>", jitter = 0)]
async fn of_value(id: u64) -> Result<Option<User>, String> {
    Ok(Some(User::new(id)))
}

#[cached(ttl = |user: &User| if user.id == 0 { Ttl::For(LIFE) } else { TtlClass::Static.into() }, key = "typed:<id>", jitter = 0)]
async fn of_typed_value(id: u64) -> User {
    User::new(id)
}

#[cached(ttl = |_| Duration::ZERO, key = "zero:<id>")]
async fn of_zero(id: u64) -> User {
    User::new(id)
}

#[cached(ttl = "1h 30m", key = "words:<id>", jitter = 0.5)]
async fn of_words(id: u64) -> User {
    User::new(id)
}

#[cached(ttl = "5m", key = "veto:<id>", cache_if = |user| user.id > 1)]
async fn veto(id: u64) -> User {
    User::new(id)
}

#[cached(ttl = "5m", key = "veto-by-method:<id>", cache_if = User::is_known)]
async fn veto_by_method(id: u64) -> Option<User> {
    Some(User::new(id))
}

#[cached(ttl = "5m", key = "veto-by-argument:<id>", skip = [keep], cache_if = |_| keep)]
async fn veto_by_argument(id: u64, keep: bool) -> Result<User, String> {
    Ok(User::new(id))
}

#[cached(ttl = "5m", key = "bypass:<id>", skip = [fresh], bypass_if = fresh)]
async fn bypass(id: u64, fresh: bool) -> User {
    User::new(id)
}

#[cached(ttl = "5m", key = "bypass-text:<name>:<a>", bypass_if = name.is_empty() || *a == 0 || READY.load(Ordering::Relaxed))]
async fn bypass_by_expression(name: String, (a, _): (u64, String)) -> (String, u64) {
    (name, a + tick())
}

#[cached(ttl = "5m", key = "cache:<id>", skip = [cache], cache = cache)]
async fn in_cache(id: u64, cache: &Cache) -> u64 {
    let _ = cache;
    tick() + id
}

#[cached(ttl = "5m", key = "cache-field:<id>", skip = [context], cache = context.cache)]
async fn in_cache_of_context(id: u64, context: Arc<Context>) -> u64 {
    drop(context);
    tick() + id
}

struct Context {
    cache: Cache,
}

fn seconds_left(ttl: Remaining) -> u64 {
    match ttl {
        // A little has passed since it was stored.
        Remaining::For(left) => (left + Duration::from_millis(999)).as_secs(),
        _ => 0,
    }
}

#[tokio::test]
async fn ttls() {
    run(async {
        macro_rules! check {
            ($function:ident($($argument:expr),*), $seconds:expr) => {
                assert!(once!($function($($argument),*)) == $function($($argument),*).await);
                assert_eq!(seconds_left($function::entry(&1).ttl().await), $seconds);
            };
        }
        check!(of_const(1), 20);
        check!(of_class(1), 10);
        check!(of_class_name(1), 86_400);
        check!(of_expression(1), 10);
        once!(of_argument(30));
        assert_eq!(seconds_left(of_argument::entry(&30).ttl().await), 30);
        once!(of_skipped_argument(1, &40));
        assert_eq!(seconds_left(of_skipped_argument::entry(&1, &0).ttl().await), 40);
        check!(of_value(1), 1);
        check!(of_typed_value(1), 604_800);
        once!(of_typed_value(0));
        assert_eq!(seconds_left(of_typed_value::entry(&0).ttl().await), 20);
        assert_ne!(of_zero(1).await, of_zero(1).await);
        once!(of_words(1));
        let left = seconds_left(of_words::entry(&1).ttl().await);
        assert!((2_700..=5_400).contains(&left), "{left}");
    })
    .await;
}

#[tokio::test]
async fn vetoes() {
    run(async {
        assert_ne!(veto(1).await, veto(1).await);
        once!(veto(2));
        once!(veto_by_method(1));
        assert_ne!(veto_by_method(100).await, veto_by_method(100).await);
        assert_ne!(veto_by_argument(1, false).await, veto_by_argument(1, false).await);
        assert!(once!(veto_by_argument(1, true)).is_ok());
    })
    .await;
}

#[tokio::test]
async fn bypasses() {
    run(async {
        let first = once!(bypass(1, false));
        assert_ne!(bypass(1, true).await, first);
        assert_eq!(bypass(1, false).await, first, "a bypass stores nothing");
        let call = |name: &str, a| bypass_by_expression(name.to_owned(), (a, String::new()));
        assert_eq!(call("a", 1).await, call("a", 1).await);
        assert_ne!(call("", 1).await, call("", 1).await);
        assert_ne!(call("a", 0).await, call("a", 0).await);
    })
    .await;
}

#[tokio::test]
async fn caches() {
    run(async {
        let (red, blue) = (Cache::in_memory(), Cache::in_memory());
        assert_ne!(once!(in_cache(1, &red)), once!(in_cache(1, &blue)));
        assert!(in_cache::entry(&1, &red).peek().await.is_some());
        let context = Arc::new(Context { cache: Cache::in_memory() });
        once!(in_cache_of_context(1, Arc::clone(&context)));
        assert!(in_cache_of_context::entry(&1, &context).peek().await.is_some());
        assert!(Cache::current().get::<u64>("cache:1").await.is_none());
    })
    .await;
}
