use super::*;

fn builder(variables: &[(&str, &str)]) -> Result<CacheBuilder, Error> {
    let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
    Environment::of(variables)?.builder()
}

#[test]
fn the_environment_sets_namespace_and_classes() {
    let builder = builder(&[("CACHE_NAMESPACE", "shop"), ("CACHE_TTL_STANDARD", "1h 30m")]).expect("fit");
    assert_eq!(builder.namespace.as_deref(), Some("shop"));
    assert_eq!(builder.ttls.resolve(TtlClass::Standard.into()), Duration::from_secs(5_400));
}

#[test]
fn a_malformed_variable_is_named() {
    let check = |name, value, expected: &str| {
        let error = builder(&[(name, value)]).expect_err("unfit").to_string();
        assert!(error.contains(name) && error.contains(expected), "{error}");
    };
    check("CACHE_TTL_STATIC", "7", "which is not a duration");
    check("CACHE_TTL_STATIC", "0s", "which is not a duration");
    check("CACHE_NAMESPACE", "a:b", "use letters");
    check("CACHE_NAMESPACE", "shop:", "use letters");
    check("REDIS_URL", "nonsense", "not a Redis URL");
    check("CACHE_LOCAL", "5", "which is not a duration");
    check("CACHE_LOCAL", "0s", "which is not a duration");
    for size in ["0", "64MB", "MiB", "-1", "1.5GiB", "20000000000GiB", "99999999999999999999"] {
        check("CACHE_LOCAL_MEMORY", size, "which is not a size");
    }
    check("CACHE_LOCAL", "yes", "which is not a duration");
    check("CACHE_COHERENCE", "redis", "write `tracking` or `channel`");
}

#[test]
fn the_environment_sets_the_local_level() {
    let set = |name, value| builder(&[(name, value)]).expect("fit");
    assert_eq!(set("CACHE_LOCAL", "1m 5s").local, Some(Duration::from_secs(65)));
    for (size, bytes) in [("67108864", 64 << 20), ("64MiB", 64 << 20), ("3 KiB", 3 << 10), ("1GiB", 1 << 30)]
    {
        assert_eq!(set("CACHE_LOCAL_MEMORY", size).local_memory, bytes, "{size}");
    }
    assert_eq!(set("CACHE_COHERENCE", "channel").coherence, Coherence::Channel);
    assert_eq!(set("CACHE_COHERENCE", "Tracking").coherence, Coherence::Tracking);
    for off in ["off", "No", "FALSE", "0"] {
        assert_eq!(set("CACHE_LOCAL", off).local, None);
    }
    let unset = builder(&[]).expect("fit");
    assert_eq!((unset.local, unset.local_memory, unset.coherence), (None, 64 << 20, Coherence::Tracking));
}

#[test]
fn a_cache_can_be_built_where_no_runtime_is() {
    let cache = Cache::connect("redis://127.0.0.1:1").expect("fit");
    assert_eq!(cache.health().state, crate::HealthState::Disconnected);
    assert_eq!(Cache::in_memory().health().state, crate::HealthState::Connected);
}

#[test]
fn redis_can_be_required() {
    let error = Cache::builder().require_redis().build().expect_err("there is none");
    assert!(error.to_string().contains("set REDIS_URL"), "{error}");
}

#[test]
fn white_space_around_a_value_does_not_count_and_an_empty_variable_is_not_set() {
    let builder = builder(&[
        ("CACHE_NAMESPACE", "shop\n"),
        ("CACHE_TTL_STATIC", " 7d\r\n"),
        ("CACHE_LOCAL", ""),
        ("REDIS_URL", "redis://cache\n"),
        ("REDIS_PASSWORD", "hunter2 \n"),
    ])
    .expect("fit");
    assert_eq!(builder.namespace.as_deref(), Some("shop"));
    assert_eq!(builder.ttls.resolve(TtlClass::Static.into()), Duration::from_secs(7 * 86_400));
    assert_eq!(builder.local, None);
    let redis = builder.redis.expect("set");
    assert_eq!(redis.to_string(), "cache:6379");
    assert_eq!(redis.info.redis_settings().password(), Some("hunter2 "));
}

#[test]
fn a_misspelled_variable_is_named_with_the_right_one() {
    let check = |name, right: &str| {
        let error = builder(&[(name, "5s")]).expect_err("misspelled").to_string();
        assert!(error.starts_with(name) && error.contains(&format!("write {right},")), "{error}");
    };
    check("CACHE_NAMESPCE", "CACHE_NAMESPACE");
    check("CACHE_TTL_STANDART", "CACHE_TTL_STANDARD");
    check("CACHE_TTL_STANDRAD", "CACHE_TTL_STANDARD");
    check("CACHE_LOCAL_MEM0RY", "CACHE_LOCAL_MEMORY");
    check("cache_local", "CACHE_LOCAL");
    check("CACHE-COHERENCE", "CACHE_COHERENCE");
}

#[test]
fn variables_of_others_are_left_alone() {
    let others = [
        ("CACHE_DIR", "/tmp"),
        ("CACHE_PORT", "tcp://10.96.0.11:6379"),
        ("CACHE_SERVICE_HOST", "10.96.0.11"),
        ("CACHE_TTL_SECONDS", "300"),
        ("REDIS_SERVICE_HOST", "10.96.0.11"),
        ("REDIS_PORT_6379_TCP_ADDR", "10.96.0.11"),
        ("REDIS_TTL", "300"),
        // Beside the right one it is not meant for it.
        ("CACHE_LOCALE", "de"),
        ("CACHE_LOCAL", "5s"),
    ];
    let builder = builder(&others).expect("fit");
    assert!(builder.redis.is_none() && builder.local == Some(Duration::from_secs(5)));
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_named() {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt as _};
    let variable = |name: &str| (name.into(), OsString::from_vec(vec![0xFF]));
    let error = Environment::of([variable("REDIS_URL")]).err().expect("unfit").to_string();
    assert!(error.contains("REDIS_URL is not valid UTF-8"), "{error}");
    assert!(Environment::of([variable("LESSCHARSET")]).is_ok());
}

#[test]
fn a_setting_of_zero_is_refused_and_others_are_brought_into_their_range() {
    type Set = fn(CacheBuilder) -> CacheBuilder;
    let zero: [(&str, Set); 7] = [
        ("budget", |builder| builder.budget(Duration::ZERO)),
        ("lease", |builder| builder.lease(Duration::ZERO)),
        ("load_timeout", |builder| builder.load_timeout(Duration::ZERO)),
        ("lanes", |builder| builder.lanes(0)),
        ("max_value_size", |builder| builder.max_value_size(0)),
        ("memory", |builder| builder.memory(0)),
        ("local_memory", |builder| builder.local_memory(0)),
    ];
    for (name, set) in zero {
        let error = set(Cache::builder()).build().expect_err("zero").to_string();
        assert!(error.starts_with(&format!("`{name}` is zero; write a")), "{error}");
    }
    let large = Cache::builder()
        .lease(Duration::MAX)
        .lanes(usize::MAX)
        .memory(u64::MAX)
        .in_range()
        .expect("not zero");
    assert_eq!((large.lease, large.lanes, large.memory), (Duration::from_secs(3_600), 64, 1 << 50));
    let small = Cache::builder().lease(Duration::from_nanos(1)).budget(Duration::from_micros(1)).memory(1);
    let small = small.local(Duration::ZERO).in_range().expect("not zero");
    assert_eq!((small.lease, small.budget), (Duration::from_millis(30), Duration::from_millis(1)));
    assert_eq!((small.memory, small.local), (64 << 10, None));
}
