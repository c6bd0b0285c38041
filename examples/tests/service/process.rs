//! The start, the end, and what lies between two runs.

use std::{
    fs,
    process::{Command, Output},
    thread,
    time::Duration,
};

use serde_json::json;
use tempfile::TempDir;

use crate::kit::{self, Service, Store};

crate::on_both_stores!(
    a_signal_ends_it_in_order,
    a_restart_keeps_the_data_and_imports_nothing,
    the_banner_says_what_to_type,
    it_is_healthy,
);

fn a_signal_ends_it_in_order(service: &mut Service) {
    service.register("Ada");
    for signal in ["INT", "TERM"] {
        let status = service.stop(signal);
        assert_eq!(status.code(), Some(0), "{signal}: {status}\n{}", service.log());
        service.start_again();
        assert_eq!(service.get("/api/users/1").expect(200)["name"], "Ada");
    }
    assert!(!service.log().contains("panicked"), "{}", service.log());
}

fn a_restart_keeps_the_data_and_imports_nothing(service: &mut Service) {
    assert!(service.banner.contains("3200 films, imported just now"), "{}", service.banner);
    let user = service.register("Ada");
    service.rate(842, user, 7);
    let paths = ["/api/users/1", "/api/users/top", "/api/films/842", "/api/films/top", "/api/films?page=2"];
    let before = paths.map(|path| service.get(path).expect(200));

    // Both an orderly end and none at all.
    for signal in ["INT", "KILL"] {
        service.stop(signal);
        service.start_again();
        assert!(service.banner.contains("3200 films, imported earlier"), "{}", service.banner);
        assert_eq!(paths.map(|path| service.get(path).expect(200)), before);
    }
    service.put("/api/users/1", &json!({ "name": "Grace" })).expect(200);
    assert_eq!(service.get("/api/users/1").expect(200)["name"], "Grace");
}

fn the_banner_says_what_to_type(service: &mut Service) {
    let database = service.database();
    let expected = [service.address(), database.to_str().expect("text"), "#[cached]", "Ctrl-C"];
    for text in expected {
        assert!(service.banner.contains(text), "{text} is not in\n{}", service.banner);
    }
    let lines: Vec<&str> =
        service.banner.lines().map(str::trim).filter(|line| line.starts_with("curl ")).collect();
    assert_eq!(lines.len(), 3, "{}", service.banner);
    for line in lines {
        let output =
            Command::new("sh").args(["-c", &format!("{line} --silent --fail")]).output().expect("`sh` runs");
        assert!(output.status.success(), "{line}: {output:?}");
    }
}

fn it_is_healthy(service: &mut Service) {
    assert_eq!(service.get("/health").expect(200)["status"], "ok");
}

/// Runs the service to its end, which must be a failure.
fn failure(configure: impl FnOnce(&mut Command)) -> String {
    let dir = TempDir::new().expect("a temporary directory");
    let mut command = kit::command(&dir.path().join("films.sqlite"));
    configure(&mut command);
    let Output { status, stderr, .. } = command.output().expect("the service runs");
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("error: ") && stderr.contains("\nhelp: "), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}

#[test]
fn a_port_in_use_is_named_with_the_way_out() {
    let service = Service::start(Store::InProcess);
    let port = service.address().rsplit(':').next().expect("a port").to_owned();
    let message = failure(|command| {
        command.env("PORT", &port);
    });
    assert!(
        message.contains(&format!("port {port} is already in use")) && message.contains("PORT="),
        "{message}"
    );
    service.get("/health").expect(200);
}

#[test]
fn a_setting_that_makes_no_sense_is_named() {
    let cases = [("PORT", "http"), ("PORT", "65536"), ("DATABASE_PATH", "/no/such/folder/films.sqlite")];
    for (name, value) in cases {
        let message = failure(|command| {
            command.env(name, value);
        });
        assert!(message.contains(name) && message.contains(value), "{message}");
    }
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    let dir = TempDir::new().expect("a temporary directory");
    let path = dir.path().join("letter.txt");
    let letter = "Dear Ada, this is not a database. ".repeat(100);
    fs::write(&path, &letter).expect("it is written");
    let message = failure(|command| {
        command.env("DATABASE_PATH", &path);
    });
    assert!(message.contains("letter.txt"), "{message}");
    assert_eq!(fs::read_to_string(&path).expect("it is read"), letter);
}

#[test]
fn an_import_that_is_killed_leaves_nothing_half_done() {
    for delay in [5, 25, 50, 100, 150, 200, 250, 300] {
        let dir = TempDir::new().expect("a temporary directory");
        let database = dir.path().join("films.sqlite");
        let mut first = kit::Process::spawn(&mut kit::command(&database));
        thread::sleep(Duration::from_millis(delay));
        first.signal("KILL");
        first.wait();

        let service = Service::start_in(dir, Store::InProcess);
        assert!(service.banner.contains("(3200 films"), "after {delay} ms: {}", service.banner);
        assert_eq!(service.get("/api/films?page=160").expect(200)["total"], 3200);
    }
}

#[test]
fn two_first_starts_at_once_import_once() {
    let dir = TempDir::new().expect("a temporary directory");
    let mut other = kit::Process::spawn(&mut kit::command(&dir.path().join("films.sqlite")));
    let service = Service::start_in(dir, Store::InProcess);
    assert!(service.banner.contains("(3200 films"), "{}", service.banner);
    other.signal("INT");
    assert_eq!(other.wait().code(), Some(0), "the other one did not start");
}
