//! That the cache is there, that it is right, and that it is not missed when it is gone.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::kit::{self, Process, Service, Store};

crate::on_both_stores!(
    a_second_read_is_a_hit,
    a_write_through_is_read_from_the_cache,
    a_write_invalidates_what_it_changes_and_nothing_else,
    invented_lists_leave_nothing_in_the_cache,
    the_banner_and_the_health_say_which_cache,
);

/// Hits and misses of a function, by its name.
fn calls(service: &Service, function: &str) -> (u64, u64) {
    let function = format!("::{function}\"");
    let count = |outcome| service.count("cache_requests_total", &[&function, outcome]);
    (count("outcome=\"hit"), count("outcome=\"miss"))
}

/// Every route that reads, with the function that answers.
const READS: [(&str, &str); 6] = [
    ("/api/users/1", "get_user"),
    ("/api/users/top", "top_users"),
    ("/api/films/842", "get_film"),
    ("/api/films/top", "top_films"),
    ("/api/films?genre=Drama&page=3", "film_page"),
    ("/api/films?genre=Drama&page=3", "genres"),
];

fn a_second_read_is_a_hit(service: &mut Service) {
    service.register("Ada");
    for (path, function) in READS {
        let (_, misses) = calls(service, function);
        let first = service.get(path).expect(200);
        let (hits, _) = calls(service, function);
        for _ in 0..2 {
            assert_eq!(service.get(path).expect(200), first);
        }
        let expected = if function == "genres" { (hits + 2, misses) } else { (hits + 2, misses + 1) };
        assert_eq!(calls(service, function), expected, "{path} by {function}");
    }

    // An absence is remembered as well.
    let absences =
        [("/api/films/99999", "unknown_film", "get_film"), ("/api/users/99999", "unknown_user", "get_user")];
    for (path, code, function) in absences {
        let (hits, misses) = calls(service, function);
        for _ in 0..3 {
            service.get(path).expect_error(404, code);
        }
        assert_eq!(calls(service, function), (hits + 2, misses + 1), "{path}");
    }
}

fn a_write_through_is_read_from_the_cache(service: &mut Service) {
    let id = service.register("Ada");
    let path = format!("/api/users/{id}");
    for round in 1..=3 {
        let name = format!("Ada {round}");
        service.put(&path, &json!({ "name": name })).expect(200);
        assert_eq!(service.get(&path).expect(200)["name"], *name);
        assert_eq!(calls(service, "get_user"), (round, 0));
    }
    assert_eq!(service.count("cache_writes_total", &["::rename_user\"", "result=\"stored\""]), 3);
}

fn a_write_invalidates_what_it_changes_and_nothing_else(service: &mut Service) {
    let id = service.register("Ada");
    let read_all = || -> Vec<Value> { READS.iter().map(|(path, _)| service.get(path).expect(200)).collect() };
    read_all();
    let before = READS.map(|(_, function)| calls(service, function).1);
    service.rate(842, id, 7);
    read_all();
    let after = READS.map(|(_, function)| calls(service, function).1);
    let reloaded: Vec<&str> = READS
        .iter()
        .zip(before.iter().zip(after))
        .filter(|(_, (before, after))| *before < after)
        .map(|((_, function), _)| *function)
        .collect();
    assert_eq!(reloaded, ["get_user", "top_users", "get_film", "top_films"]);
}

fn invented_lists_leave_nothing_in_the_cache(service: &mut Service) {
    for path in ["/api/films?genre=Noir", "/api/films?page=161", "/api/films?genre=drama&page=999"] {
        for _ in 0..2 {
            assert!((400..500).contains(&service.get(path).status));
        }
    }
    let stored = service.get("/metrics").text;
    let stored = stored.lines().filter(|line| line.starts_with("cache_stored_bytes_count"));
    let functions: Vec<&str> = stored.filter(|line| line.contains("film_page")).collect();
    assert!(functions.is_empty(), "{functions:?}");
}

fn the_banner_and_the_health_say_which_cache(service: &mut Service) {
    let expected = match service.store() {
        Store::InProcess => "in process",
        Store::Redis => "redis ",
    };
    let line = service.banner.lines().find(|line| line.trim_start().starts_with("cache "));
    assert!(line.is_some_and(|line| line.contains(expected)), "{}", service.banner);
    let health = service.get("/health").expect(200);
    assert!(health["cache"].as_str().is_some_and(|cache| cache.starts_with(expected)), "{health}");
}

#[test]
fn what_one_process_writes_the_other_reads() {
    let first = Service::start(Store::Redis);
    let second = first.start_beside();
    let id = first.register("Ada");
    let path = format!("/api/users/{id}");
    for round in 1..=10 {
        for (writer, reader) in [(&first, &second), (&second, &first)] {
            let name = format!("Ada {round} {}", writer.address());
            reader.get(&path).expect(200);
            reader.get("/api/films/842").expect(200);
            writer.put(&path, &json!({ "name": name })).expect(200);
            writer.rate(842, id, round);
            assert_eq!(reader.get(&path).expect(200)["name"], *name);
            assert_eq!(reader.get("/api/films/842").expect(200)["stars"]["average"], round as f64);
        }
    }
    let (hits, _) = calls(&second, "get_user");
    assert!(hits > 0, "the second process never used what the first one stored");
}

/// A Redis outlives a database file.
#[test]
fn another_database_on_the_same_redis_starts_empty() {
    let first = Service::start(Store::Redis);
    let id = first.register("Ada");
    first.rate(842, id, 3);
    for path in ["/api/users/1", "/api/users/top", "/api/films/842"] {
        first.get(path).expect(200);
    }
    let second = first.start_apart();
    second.get("/api/users/1").expect_error(404, "unknown_user");
    assert_eq!(second.get("/api/users/top").expect(200), json!([]));
    assert_eq!(second.get("/api/films/842").expect(200)["stars"]["ratings"], 0);
    assert_eq!(first.get("/api/users/1").expect(200)["name"], "Ada");
}

/// Writes and reads as a client would; each read must show the write before it.
fn write_and_read(service: &Service, id: i64, round: &str) {
    let path = format!("/api/users/{id}");
    for number in 0..3 {
        let name = format!("{round} {number}");
        service.put(&path, &json!({ "name": name })).expect(200);
        for _ in 0..2 {
            assert_eq!(service.get(&path).expect(200)["name"], *name);
        }
        service.rate(842, id, 1 + number);
        assert_eq!(service.get("/api/films/842").expect(200)["stars"]["average"], (1 + number) as f64);
    }
}

#[test]
fn a_redis_that_hangs_is_done_without_and_serves_nothing_old_afterwards() {
    let service = Service::start_on_own_redis();
    let id = service.register("Ada");
    write_and_read(&service, id, "before");

    service.redis().signal("STOP");
    write_and_read(&service, id, "while it hangs");
    service.redis().signal("CONT");

    // Redis still holds what was true before it hung.
    for _ in 0..50 {
        assert_eq!(service.get(&format!("/api/users/{id}")).expect(200)["name"], "while it hangs 2");
        assert_eq!(service.get("/api/films/842").expect(200)["stars"]["average"], 3.0);
    }
    write_and_read(&service, id, "afterwards");

    let (hits, _) = calls(&service, "get_user");
    kit::eventually("the cache is in use again", || {
        service.get(&format!("/api/users/{id}")).expect(200);
        calls(&service, "get_user").0 > hits
    });
}

#[test]
fn a_redis_that_dies_is_done_without() {
    let service = Service::start_on_own_redis();
    let id = service.register("Ada");
    write_and_read(&service, id, "before");
    service.redis().signal("KILL");
    write_and_read(&service, id, "after");
    kit::eventually("the health says so", || {
        let health = service.get("/health").expect(200);
        health["status"] == "ok"
            && health["cache"].as_str().is_some_and(|cache| cache.contains("disconnected"))
    });
}

/// Starts the service with this `REDIS_URL`.
fn start_with(url: &str) -> Result<(Process, String), String> {
    let dir = TempDir::new().expect("a temporary directory");
    let mut command = kit::command(&dir.path().join("films.sqlite"));
    kit::spawn(command.env("REDIS_URL", url), &dir.path().join("stderr"))
}

#[test]
fn a_redis_that_is_not_there_stops_no_start_and_its_password_stays_hidden() {
    // Nothing listens on port 1.
    let (_process, banner) = start_with("redis://me:hunter2@127.0.0.1:1/0").expect("it starts");
    assert!(banner.contains("redis 127.0.0.1:1") && banner.contains("does not answer"), "{banner}");
    assert!(!banner.contains("hunter2"), "{banner}");
}

#[test]
fn a_redis_url_that_is_none_is_named() {
    let message = start_with("http://me:hunter2@localhost").expect_err("it starts");
    assert!(message.starts_with("error: ") && message.contains("REDIS_URL"), "{message}");
    assert!(!message.contains("hunter2") && !message.contains("panicked"), "{message}");
}
