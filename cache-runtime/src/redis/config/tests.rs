use proptest::prelude::*;

use super::*;
use crate::codec::damage::Damage;

fn check(variables: &[(&str, &str)], expected: Result<Option<&str>, &str>) {
    let variable =
        |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let config = RedisConfig::from_env(&variable);
    match (config, expected) {
        (Ok(config), Ok(expected)) => {
            assert_eq!(config.map(|config| config.to_string()).as_deref(), expected, "{variables:?}");
        }
        (Err(error), Err(expected)) => {
            let text = error.to_string();
            assert!(text.contains(expected), "{variables:?}: {text}");
            assert!(!text.contains("hunter2"), "a password in a message: {text}");
        }
        (config, expected) => panic!("{variables:?}: {config:?} instead of {expected:?}"),
    }
}

#[test]
fn the_environment_says_where_redis_is() {
    check(&[], Ok(None));
    check(&[("REDIS_URL", "redis://10.1.2.3")], Ok(Some("10.1.2.3:6379")));
    check(&[("REDIS_URL", "redis://me:hunter2@cache:7000/3")], Ok(Some("cache:7000, database 3")));
    check(&[("REDIS_URL", "unix:///run/redis.sock")], Ok(Some("/run/redis.sock")));
    check(&[("REDIS_URL", "redis://a"), ("REDIS_HOST", "b")], Ok(Some("a:6379")));
    check(&[("REDIS_HOST", "b")], Ok(Some("b:6379")));
    check(
        &[("REDIS_HOST", "b"), ("REDIS_PORT", "7"), ("REDIS_DB", "2"), ("REDIS_PASSWORD", "hunter2")],
        Ok(Some("b:7, database 2")),
    );
}

/// The host, the port, the user, the password and the database.
fn login(variables: &[(&str, &str)]) -> String {
    let variable =
        |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let config = RedisConfig::from_env(&variable).expect("fit").expect("set");
    let settings = config.info.redis_settings();
    let text = |text: Option<&str>| text.unwrap_or("-").to_owned();
    format!(
        "{} {} {} {}",
        config.info.addr(),
        text(settings.username()),
        text(settings.password()),
        settings.db()
    )
}

#[test]
fn companions_complete_a_url_that_does_not_say_it() {
    let all =
        [("REDIS_PORT", "7"), ("REDIS_USERNAME", "me"), ("REDIS_PASSWORD", "hunter2"), ("REDIS_DB", "2")];
    let with = |name, url| login(&[&[(name, url)], &all[..]].concat());
    assert_eq!(with("REDIS_URL", "redis://a"), "a:7 me hunter2 2");
    assert_eq!(with("REDIS_URL", "redis://a/?protocol=resp3"), "a:7 me hunter2 2");
    assert_eq!(with("REDIS_URL", "redis://a:8/3"), "a:8 me hunter2 3");
    assert_eq!(with("REDIS_URL", "redis://you@a/0"), "a:7 you hunter2 0");
    assert_eq!(with("REDIS_URL", "redis://you:own@[::1]:8"), "::1:8 you own 2");
    assert_eq!(with("REDIS_URL", "redis://:p%3A%40@a"), "a:7 me p:@ 2");
    assert_eq!(with("REDIS_URL", "unix:///run/redis.sock"), "/run/redis.sock me hunter2 2");
    assert_eq!(with("REDIS_URL", "unix:///run/redis.sock?db=1&pass=own"), "/run/redis.sock me own 1");
    assert_eq!(with("REDIS_HOST", "redis://a:8/3"), "a:8 me hunter2 3");
    assert_eq!(with("REDIS_HOST", "a"), "a:7 me hunter2 2");
}

#[test]
fn a_host_may_name_its_port() {
    let host = |host| login(&[("REDIS_HOST", host)]);
    assert_eq!(host("localhost:6380"), "localhost:6380 - - 0");
    assert_eq!(host("::1"), "::1:6379 - - 0");
    assert_eq!(host("[::1]"), "::1:6379 - - 0");
    assert_eq!(host("[::1]:7"), "::1:7 - - 0");
    assert_eq!(login(&[("REDIS_HOST", "a:7"), ("REDIS_PORT", "7")]), "a:7 - - 0");
    check(&[("REDIS_HOST", "a:7"), ("REDIS_PORT", "8")], Err("keep one of them"));
    for unfit in ["a:", ":7", "a:b", "a:7:8", "a/0", "me:hunter2@a", "a:0", "[a]:7", "[::1]7", "[::1", "a b"]
    {
        check(&[("REDIS_HOST", unfit)], Err("REDIS_HOST is not a host name; write"));
    }
    check(&[("REDIS_HOST", "http://a")], Err("REDIS_HOST is not a Redis URL"));
}

#[test]
fn truth_is_spelled_in_any_way() {
    for off in ["false", "FALSE", "No", "off", "0"] {
        assert_eq!(login(&[("REDIS_HOST", "a"), ("REDIS_TLS", off)]), "a:6379 - - 0");
    }
    let origin = if cfg!(feature = "tls") { "REDIS_URL is without TLS" } else { "REDIS_URL" };
    for on in ["true", "TRUE", "Yes", "on", "1"] {
        assert_eq!(truth(on), Some(true));
        check(&[("REDIS_URL", "redis://a"), ("REDIS_TLS", on)], Err(origin));
    }
}

/// Kubernetes sets `REDIS_PORT=tcp://10.96.0.11:6379` in every pod beside a service named `redis`.
#[test]
fn a_service_link_is_not_taken_for_a_port() {
    let link = ("REDIS_PORT", "tcp://10.96.0.11:6379");
    check(&[link], Ok(None));
    check(&[link, ("REDIS_HOST", "redis")], Ok(Some("redis:6379")));
    check(&[link, ("REDIS_HOST", "redis:7000")], Ok(Some("redis:7000")));
    check(&[link, ("REDIS_URL", "redis://redis")], Ok(Some("redis:6379")));
    check(&[link, ("REDIS_DB", "1")], Err("REDIS_DB is set but REDIS_HOST is not"));
    let other = ("REDIS_PORT", "tcp://10.96.0.11:6380");
    check(&[other], Ok(None));
    check(&[other, ("REDIS_HOST", "redis")], Err("REDIS_PORT is `tcp://10.96.0.11:6380`, as Kubernetes"));
    check(&[other, ("REDIS_HOST", "redis:6380")], Ok(Some("redis:6380")));
}

#[test]
fn a_malformed_variable_is_named() {
    check(&[("REDIS_URL", "http://hunter2@x")], Err("REDIS_URL is not a Redis URL"));
    check(&[("REDIS_URL", "redis://x:hunter2@y:port")], Err("REDIS_URL is not a Redis URL"));
    check(&[("REDIS_URL", "redis+cluster://a,b")], Err("not supported yet"));
    check(&[("REDIS_HOST", "b"), ("REDIS_PORT", "x")], Err("REDIS_PORT is `x`"));
    check(&[("REDIS_HOST", "b"), ("REDIS_PORT", "70000")], Err("REDIS_PORT is `70000`"));
    check(&[("REDIS_HOST", "b"), ("REDIS_DB", "one")], Err("REDIS_DB is `one`"));
    check(&[("REDIS_HOST", "b"), ("REDIS_TLS", "perhaps")], Err("REDIS_TLS is `perhaps`"));
    check(&[("REDIS_HOST", "b"), ("REDIS_DB", "-1")], Err("REDIS_DB is `-1`"));
    check(&[("REDIS_HOST", "b"), ("REDIS_PORT", "0")], Err("REDIS_PORT is `0`"));
    check(&[("REDIS_PORT", "1")], Err("REDIS_HOST is not"));
}

/// The password must not be in it, and it must say what to write instead.
fn check_message(error: &Error) -> Result<(), TestCaseError> {
    let text = error.to_string();
    let fixes = ["write `redis://", "use `redis://", "cargo add"];
    prop_assert!(fixes.iter().any(|fix| text.contains(fix)), "{text}");
    prop_assert!(!text.contains("hunter2") && !format!("{error:?}").contains("hunter2"), "{error:?}");
    Ok(())
}

fn url() -> impl Strategy<Value = Vec<u8>> {
    let urls = [
        "redis://me:hunter2@cache.example:7000/3",
        "redis://:hunter2@[::1]:6379/0?protocol=resp3",
        "rediss://me:hunter2@10.1.2.3:6380/1",
        "unix:///run/redis.sock?db=2&user=me&pass=hunter2",
        "redis+unix:///run/redis.sock",
        "valkey://cache",
    ];
    prop::sample::select(urls.map(|url| url.as_bytes().to_vec()).to_vec())
}

#[test]
fn a_url_that_does_not_parse_is_not_quoted() {
    let check = |url, reason: &str| {
        let error = RedisConfig::from_url(url, "REDIS_URL").expect_err("unfit").to_string();
        assert!(error.contains(reason) && !error.contains("hunter2"), "{error}");
    };
    check("redis://a/?protocol=resp3redis://:hunter2", "it does not parse");
    check("redis://:hunter2@a/one", "Invalid database number");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_url_is_parsed_or_says_what_to_write(url in url(), damages in Damage::some()) {
        let damaged = Damage::all(&damages, url);
        let damaged = String::from_utf8_lossy(&damaged);
        if let Err(error) = RedisConfig::from_url(&damaged, "REDIS_URL") {
            prop_assert!(error.to_string().starts_with("REDIS_URL"), "{error}");
            check_message(&error)?;
        }
    }

    #[test]
    fn any_text_as_a_url_is_parsed_or_says_what_to_write(rest in any::<String>(), scheme in "(redis|rediss|unix|)") {
        if let Err(error) = RedisConfig::from_url(&format!("{scheme}://{rest}"), "REDIS_URL") {
            check_message(&error)?;
        }
    }

    #[test]
    fn any_text_as_a_variable_is_taken_or_the_variable_is_named(
        name in prop::sample::select(vec!["REDIS_HOST", "REDIS_PORT", "REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_DB", "REDIS_TLS"]),
        text in any::<String>(),
    ) {
        let variable = |asked: &str| match asked {
            _ if asked == name => Some(text.clone()),
            "REDIS_HOST" => Some("cache".to_owned()),
            _ => None,
        };
        match RedisConfig::from_env(&variable) {
            Ok(config) => prop_assert!(config.is_some()),
            Err(error) => prop_assert!(error.to_string().starts_with(name), "{error}"),
        }
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn tls_without_the_feature_says_how_to_get_it() {
    check(&[("REDIS_URL", "rediss://x")], Err("--features tls"));
    check(&[("REDIS_HOST", "b"), ("REDIS_TLS", "true")], Err("--features tls"));
}

#[cfg(feature = "tls")]
#[test]
fn tls_is_taken_from_the_scheme_or_the_variable() {
    check(&[("REDIS_URL", "rediss://x")], Ok(Some("x:6379")));
    check(&[("REDIS_HOST", "b"), ("REDIS_TLS", "true")], Ok(Some("b:6379")));
    check(&[("REDIS_URL", "rediss://x"), ("REDIS_TLS", "yes"), ("REDIS_PORT", "7")], Ok(Some("x:7")));
    check(&[("REDIS_URL", "rediss://x"), ("REDIS_TLS", "no")], Err("write `redis://"));
}
