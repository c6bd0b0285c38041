//! The options of the attribute.

use std::time::Duration;

use cache_runtime::{Cache, Remaining, Ttl, TtlClass, cached, testing::TestClock};

use crate::support::{DbError, Runs, User, both, in_memory};

both! {
    a_ttl_takes_every_form;
    a_ttl_comes_from_the_value;
    only_what_passes_cache_if_is_stored;
    a_call_can_bypass_the_cache;
    a_version_is_part_of_the_key;
    a_cache_can_be_named;
    jitter_spreads_and_only_shortens;
}

const HALF_AN_HOUR: Duration = Duration::from_secs(1_800);

/// Whether an entry has this much time left, or up to ten seconds less.
fn about(left: Remaining, seconds: u64) -> bool {
    matches!(left, Remaining::For(left) if left.as_secs() <= seconds && left.as_secs() + 10 >= seconds)
}

async fn a_ttl_takes_every_form(_: Cache) {
    #[cached(ttl = "REFERENCE", key = "ttl:class", jitter = 0)]
    async fn class() -> u8 {
        1
    }
    #[cached(ttl = "1h 30m", key = "ttl:words", jitter = 0)]
    async fn words() -> u8 {
        1
    }
    #[cached(ttl = HALF_AN_HOUR, key = "ttl:path", jitter = 0)]
    async fn path() -> u8 {
        1
    }
    #[cached(ttl = Ttl::from(TtlClass::Frequent), key = "ttl:expression", jitter = 0)]
    async fn expression() -> u8 {
        1
    }
    #[cached(ttl = Duration::from_secs(minutes * 60), key = "ttl:argument:<minutes>", jitter = 0)]
    async fn argument(minutes: u64) -> u8 {
        u8::try_from(minutes).unwrap_or(0)
    }
    class().await;
    words().await;
    path().await;
    expression().await;
    argument(7).await;
    assert!(about(class::entry().ttl().await, 86_400));
    assert!(about(words::entry().ttl().await, 5_400));
    assert!(about(path::entry().ttl().await, 1_800));
    assert!(about(expression::entry().ttl().await, 300));
    assert!(about(argument::entry(&7).ttl().await, 420));
}

async fn a_ttl_comes_from_the_value(_: Cache) {
    #[cached(ttl = |user| Duration::from_secs(user.id), key = "user:<id>", jitter = 0, skip = [runs])]
    async fn get_user(id: u64, runs: &Runs) -> Result<User, DbError> {
        runs.one_more();
        Ok(User::new(id, "Ada"))
    }
    let runs = Runs::default();
    get_user(500, &runs).await.unwrap();
    assert!(about(get_user::entry(&500).ttl().await, 500));
    get_user(0, &runs).await.unwrap();
    get_user(0, &runs).await.unwrap();
    assert_eq!(runs.get(), 3, "zero: not stored");
}

async fn only_what_passes_cache_if_is_stored(_: Cache) {
    fn is_even(number: &u64) -> bool {
        number.is_multiple_of(2)
    }
    #[cached(ttl = "5m", key = "closure:<number>", cache_if = |number| *number > 1, skip = [runs])]
    async fn closure(number: u64, runs: &Runs) -> u64 {
        runs.one_more();
        number
    }
    #[cached(ttl = "5m", key = "path:<number>", cache_if = is_even, skip = [runs])]
    async fn path(number: u64, runs: &Runs) -> Option<u64> {
        runs.one_more();
        Some(number)
    }
    let runs = Runs::default();
    for _ in 0..2 {
        closure(1, &runs).await;
        closure(2, &runs).await;
    }
    assert_eq!(runs.get(), 3);
    for _ in 0..2 {
        path(1, &runs).await;
        path(2, &runs).await;
    }
    assert_eq!(runs.get(), 6);
}

async fn a_call_can_bypass_the_cache(_: Cache) {
    #[cached(ttl = "5m", key = "user:<id>", bypass_if = fresh, skip = [fresh, runs])]
    async fn get_user(id: u64, fresh: bool, runs: &Runs) -> User {
        User::new(id, &runs.one_more().to_string())
    }
    let runs = Runs::default();
    assert_eq!(get_user(1, true, &runs).await.name, "1");
    assert_eq!(get_user(1, false, &runs).await.name, "2");
    assert_eq!(get_user(1, true, &runs).await.name, "3", "asked for the body");
    assert_eq!(get_user(1, false, &runs).await.name, "2", "and stored nothing");
}

async fn a_version_is_part_of_the_key(_: Cache) {
    #[cached(ttl = "5m", key = "versioned:<id>", skip = [runs], companion = first)]
    async fn get_first(id: u64, runs: &Runs) -> User {
        runs.one_more();
        User::new(id, "first")
    }
    #[cached(ttl = "5m", key = "versioned:<id>", version = 2, skip = [runs])]
    async fn get_second(id: u64, runs: &Runs) -> User {
        runs.one_more();
        User::new(id, "second")
    }
    #[cached(invalidates = ["versioned:<id>"])]
    async fn by_text(id: u64) {}
    #[cached(invalidates = [get_second(id)])]
    async fn by_call(id: u64) {}
    #[cached(ttl = "5m", key = "versioned:<id>", version = 2, invalidates = ["unrelated"])]
    async fn write(id: u64) -> User {
        User::new(id, "written")
    }
    let runs = Runs::default();
    assert!(get_second::entry(&1).key().to_string().ends_with(":v2:versioned:1"));
    let fill = async || {
        get_first(1, &runs).await;
        get_second(1, &runs).await;
    };
    let held =
        async || (first::entry(&1).peek().await.is_some(), get_second::entry(&1).peek().await.is_some());
    fill().await;
    assert_eq!(held().await, (true, true), "each has its own");
    by_text(1).await;
    assert_eq!(held().await, (false, false), "a text is resolved to all versions that exist");
    fill().await;
    by_call(1).await;
    assert_eq!(held().await, (false, false), "a version invalidates the one before");
    fill().await;
    write(1).await;
    assert_eq!(held().await, (false, true));
    assert_eq!(get_second(1, &runs).await.name, "written");
    fill().await;
    get_second::entry(&1).invalidate().await;
    assert_eq!(held().await, (false, false));
    fill().await;
    Cache::current().invalidate("versioned:1").await;
    assert_eq!(held().await, (false, false));
}

async fn a_cache_can_be_named(scoped: Cache) {
    #[cached(ttl = "5m", key = "named:<id>", cache = cache, skip = [cache, runs])]
    async fn get(id: u64, cache: &Cache, runs: &Runs) -> u64 {
        runs.one_more();
        id
    }
    #[cached(invalidates = [get(id, cache)])]
    async fn drop_it(id: u64, cache: &Cache) {}
    let (other, runs) = (in_memory(), Runs::default());
    get(1, &other, &runs).await;
    get(1, &other, &runs).await;
    assert_eq!(runs.get(), 1);
    get(1, &scoped, &runs).await;
    assert_eq!(runs.get(), 2, "another cache");
    drop_it(1, &other).await;
    assert_eq!(get::entry(&1, &other).peek().await, None);
    assert_eq!(get::entry(&1, &scoped).peek().await, Some(1));
}

async fn jitter_spreads_and_only_shortens(_: Cache) {
    #[cached(ttl = "1000s", key = "spread:<id>", jitter = 0.5)]
    async fn spread(id: u64) -> u64 {
        id
    }
    let mut left = Vec::new();
    for id in 0..40 {
        spread(id).await;
        let Remaining::For(time) = spread::entry(&id).ttl().await else { panic!("it was stored") };
        left.push(time.as_secs());
    }
    assert!(left.iter().all(|left| (480..=1_000).contains(left)), "{left:?}");
    let (least, most) = (left.iter().min().unwrap(), left.iter().max().unwrap());
    assert!(most - least > 100, "{left:?}");
}

#[tokio::test]
async fn classes_are_what_the_builder_says() {
    #[cached(ttl = "STANDARD", key = "class", jitter = 0, skip = [runs])]
    async fn class(runs: &Runs) -> u64 {
        runs.one_more()
    }
    let (clock, runs) = (TestClock::default(), Runs::default());
    let cache = clock.build(Cache::builder().ttl_class(TtlClass::Standard, Duration::from_secs(60)));
    cache
        .scope(async {
            class(&runs).await;
            clock.advance(Duration::from_secs(59));
            assert_eq!(class(&runs).await, 1);
            clock.advance(Duration::from_secs(2));
            assert_eq!(class(&runs).await, 2);
        })
        .await;
}
