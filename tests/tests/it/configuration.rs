//! Which cache a function uses, and what the environment says.

use std::{collections::BTreeMap, process::Command};

use crate::support::SERVER;

/// Runs the probe (`src/bin/probe.rs`) in an environment of its own: what is installed belongs to a process.
fn probe(variables: &[(&str, &str)], arguments: &[&str]) -> BTreeMap<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_probe"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("the probe runs");
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn with_nothing_installed_it_caches_in_the_process_and_says_so_once() {
    let said = probe(&[], &[]);
    assert_eq!((&*said["loads"], &*said["health"]), ("1", "in process, connected"));
    assert_eq!((&*said["warnings"], &*said["errors"]), ("1", "0"));
}

#[test]
fn with_a_url_in_the_environment_it_caches_on_redis() {
    let url = SERVER.url();
    let said = probe(&[("REDIS_URL", &url), ("CACHE_NAMESPACE", "probed")], &[]);
    assert_eq!((&*said["loads"], &*said["key"]), ("1", "probed:probe:1"));
    assert!(
        said["health"].starts_with("redis ") && said["health"].ends_with("connected"),
        "{}",
        said["health"]
    );
    assert_eq!(said["errors"], "0");
    assert_eq!(SERVER.cli(&["EXISTS", "probed:probe:1"]), "1");
}

#[test]
fn a_malformed_environment_turns_the_cache_off_and_says_so_once() {
    for (name, value) in [
        ("REDIS_URL", "nonsense"),
        ("CACHE_TTL_STANDARD", "soon"),
        ("CACHE_TTL_STANDART", "1h"),
        ("CACHE_NAMESPCE", "shop"),
        ("REDIS_PORT", "1"),
    ] {
        let said = probe(&[(name, value)], &[]);
        assert_eq!((&*said["loads"], &*said["errors"]), ("3", "1"), "{name}");
        assert!(
            said["health"].starts_with("off, disconnected") && said["health"].contains(name),
            "{}",
            said["health"]
        );
    }
}

/// In a pod beside a service named `redis`, and with secrets that were read from files.
#[test]
fn the_environment_is_understood_as_it_is_written() {
    let url = SERVER.url();
    let (host, port) = url.trim_start_matches("redis://").split_once(':').unwrap();
    let address = format!("{host}:{port}\n");
    let link = ("REDIS_PORT", "tcp://10.96.0.11:6379");
    let said =
        probe(&[("REDIS_HOST", &address), link, ("REDIS_TLS", "FALSE"), ("CACHE_NAMESPACE", "pod\n")], &[]);
    assert_eq!((&*said["loads"], &*said["key"], &*said["errors"]), ("1", "pod:probe:1", "0"));
    assert!(said["health"].ends_with("connected"), "{}", said["health"]);
    assert_eq!(SERVER.cli(&["EXISTS", "pod:probe:1"]), "1");
    let said = probe(&[link, ("REDIS_SERVICE_HOST", "10.96.0.11")], &[]);
    assert_eq!((&*said["loads"], &*said["health"]), ("1", "in process, connected"));
}

#[test]
fn an_installed_cache_is_used_and_stays() {
    let said = probe(&[], &["install"]);
    assert_eq!((&*said["loads"], &*said["key"], &*said["warnings"]), ("1", "installed:probe:1", "0"));
    assert!(said["again"].contains("installed already"), "{}", said["again"]);
}

#[test]
fn the_environment_changes_the_classes() {
    let said = probe(&[("CACHE_TTL_STANDARD", "90s")], &[]);
    let left: u64 = said["ttl"].parse().unwrap();
    assert!((60..=90).contains(&left), "{left}");
}
