//! Cache-aside: look up, on a miss run the body once, store.

use std::{sync::Arc, time::Duration};

use cache_runtime::{Cache, Remaining, cached, testing::TestClock};

use crate::support::{DbError, Runs, User, both};

both! {
    a_value_is_loaded_once;
    an_error_comes_back_and_is_not_stored;
    arguments_tell_entries_apart;
    none_is_not_stored_by_default;
    none_is_stored_with_a_negative_ttl;
    a_negative_entry_is_no_value_for_who_has_no_none;
    an_arc_is_shared_with_its_value;
    the_body_may_return_early;
}

#[cached(ttl = "STANDARD", key = "user:<id>", skip = [runs])]
async fn get_user(id: u64, runs: &Runs) -> Result<User, DbError> {
    runs.one_more();
    if id == 0 {
        return Err(DbError("no such user"));
    }
    Ok(User::new(id, "Ada"))
}

async fn a_value_is_loaded_once(_: Cache) {
    let runs = Runs::default();
    for _ in 0..3 {
        assert_eq!(get_user(42, &runs).await, Ok(User::new(42, "Ada")));
    }
    assert_eq!(runs.get(), 1);
    let left = get_user::entry(&42).ttl().await;
    let Remaining::For(left) = left else { panic!("{left:?}") };
    assert!(
        left <= Duration::from_secs(3_600) && left > Duration::from_secs(3_200),
        "jitter takes off a tenth: {left:?}"
    );
}

async fn an_error_comes_back_and_is_not_stored(_: Cache) {
    let runs = Runs::default();
    for run in 1..=3 {
        assert_eq!(get_user(0, &runs).await, Err(DbError("no such user")));
        assert_eq!(runs.get(), run);
    }
    assert_eq!(get_user::entry(&0).ttl().await, Remaining::Missing);
}

async fn arguments_tell_entries_apart(_: Cache) {
    #[cached(ttl = "5m", key = "page:<genre>:<page>", skip = [runs])]
    async fn page(genre: Option<&str>, page: u32, runs: &Runs) -> String {
        runs.one_more();
        format!("{genre:?} {page}")
    }
    let runs = Runs::default();
    for _ in 0..2 {
        assert_eq!(page(None, 1, &runs).await, "None 1");
        assert_eq!(page(Some("None"), 1, &runs).await, "Some(\"None\") 1");
        assert_eq!(page(Some("None:1"), 1, &runs).await, "Some(\"None:1\") 1");
        assert_eq!(page(Some("None"), 11, &runs).await, "Some(\"None\") 11");
    }
    assert_eq!(runs.get(), 4);
}

async fn none_is_not_stored_by_default(_: Cache) {
    #[cached(ttl = "5m", key = "perhaps:<id>", skip = [runs])]
    async fn perhaps(id: u64, runs: &Runs) -> Option<String> {
        runs.one_more();
        (id > 0).then(|| id.to_string())
    }
    let runs = Runs::default();
    assert_eq!(perhaps(0, &runs).await, None);
    assert_eq!(perhaps(0, &runs).await, None);
    assert_eq!(runs.get(), 2);
    assert_eq!(perhaps(1, &runs).await.as_deref(), Some("1"));
    assert_eq!(perhaps(1, &runs).await.as_deref(), Some("1"));
    assert_eq!(runs.get(), 3);
}

#[cached(ttl = "5m", key = "user:<id>", negative_ttl = "30s", skip = [runs])]
async fn find_user(id: u64, runs: &Runs) -> Result<Option<User>, DbError> {
    runs.one_more();
    Ok((id > 1).then(|| User::new(id, "Ada")))
}

async fn none_is_stored_with_a_negative_ttl(_: Cache) {
    let runs = Runs::default();
    assert_eq!(find_user(1, &runs).await, Ok(None));
    assert_eq!(find_user(1, &runs).await, Ok(None));
    assert_eq!(runs.get(), 1);
    assert_eq!(find_user::entry(&1).peek().await, Some(None), "held, as an absence");
    let left = find_user::entry(&1).ttl().await;
    assert!(matches!(left, Remaining::For(left) if left <= Duration::from_secs(30)), "{left:?}");
}

async fn a_negative_entry_is_no_value_for_who_has_no_none(_: Cache) {
    let runs = Runs::default();
    find_user(1, &runs).await.unwrap();
    assert_eq!(get_user(1, &runs).await, Ok(User::new(1, "Ada")), "the entry is shared, and replaced");
    assert_eq!(find_user(1, &runs).await, Ok(Some(User::new(1, "Ada"))));
    assert_eq!(runs.get(), 2);
}

async fn an_arc_is_shared_with_its_value(_: Cache) {
    #[cached(ttl = "5m", key = "user:<id>", skip = [runs])]
    async fn shared_user(id: u64, runs: &Runs) -> Arc<User> {
        runs.one_more();
        Arc::new(User::new(id, "Ada"))
    }
    let runs = Runs::default();
    shared_user(5, &runs).await;
    assert_eq!(get_user(5, &runs).await, Ok(User::new(5, "Ada")));
    assert_eq!(*shared_user(5, &runs).await, User::new(5, "Ada"));
    assert_eq!(runs.get(), 1);
}

async fn the_body_may_return_early(_: Cache) {
    #[cached(ttl = "5m", key = "sum:<numbers>", skip = [runs])]
    async fn sum(numbers: &[&str], runs: &Runs) -> Result<i64, std::num::ParseIntError> {
        runs.one_more();
        if numbers.is_empty() {
            return Ok(0);
        }
        let mut sum = 0;
        for number in numbers {
            sum += number.parse::<i64>()?;
        }
        Ok(sum)
    }
    let runs = Runs::default();
    for _ in 0..2 {
        assert_eq!(sum(&[], &runs).await, Ok(0));
        assert_eq!(sum(&["1", "2"], &runs).await, Ok(3));
        assert!(sum(&["1", "x"], &runs).await.is_err());
    }
    assert_eq!(runs.get(), 4);
}

#[tokio::test]
async fn a_value_ends_with_its_ttl() {
    #[cached(ttl = "REALTIME", key = "tick", jitter = 0, skip = [runs])]
    async fn tick(runs: &Runs) -> u64 {
        runs.one_more()
    }
    let (clock, runs) = (TestClock::default(), Runs::default());
    clock
        .in_memory()
        .scope(async {
            assert_eq!(tick(&runs).await, 1);
            clock.advance(Duration::from_millis(9_500));
            assert_eq!(tick(&runs).await, 1);
            clock.advance(Duration::from_millis(600));
            assert_eq!(tick(&runs).await, 2);
        })
        .await;
}
