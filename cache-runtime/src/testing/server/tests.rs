use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use super::process::temporary_folder;
use super::*;

#[test]
fn answers_on_a_socket_of_its_own() {
    let server = RedisServer::start();
    assert!(server.url().starts_with("redis+unix:///"), "{}", server.url());
    assert_eq!(server.cli(&["SET", "user:42", "Ada"]), "OK");
    assert_eq!(server.cli(&["GET", "user:42"]), "Ada");
    assert_eq!(server.cli(&["GET", "user:43"]), "");
    assert_eq!(server.cli(&["MGET", "user:42", "user:42"]), "Ada\nAda");
    assert_eq!(server.command::<i64>(&["EXISTS", "user:42"]), 1);

    // Nobody else's: neither a second server of this process, nor the network.
    let other = RedisServer::start();
    assert_ne!(server.url(), other.url());
    assert_eq!(other.cli(&["DBSIZE"]), "0");
    assert_eq!(server.cli(&["CONFIG", "GET", "port"]), "port\n0");
}

#[test]
fn the_url_opens_a_client() {
    for server in [RedisServer::start(), RedisServer::builder().tcp().start()] {
        let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
        assert_eq!(redis::cmd("PING").query::<String>(&mut connection).unwrap(), "PONG", "{server:?}");
    }
}

#[tokio::test]
async fn the_url_opens_an_async_client() {
    let server = RedisServer::start();
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    assert_eq!(redis::cmd("PING").query_async::<String>(&mut connection).await.unwrap(), "PONG");
}

#[test]
fn options_reach_the_server_and_win() {
    let server = RedisServer::builder().arg("--maxmemory", "2mb").arg("--appendonly", "yes").start();
    assert_eq!(server.cli(&["CONFIG", "GET", "maxmemory"]), "maxmemory\n2097152");
    server.cli(&["SET", "user:42", "Ada"]);
    server.shutdown_nosave();
    assert_eq!(server.pid(), None);
    server.restart();
    assert_eq!(server.cli(&["GET", "user:42"]), "Ada", "appendonly keeps it");
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let error = server.try_command::<()>(&["SET", "user:43", "Bob"]).unwrap_err();
    assert_eq!(error.code(), Some("OOM"), "{error}");
}

#[test]
#[should_panic(expected = "no-such-option")]
fn a_server_that_ends_shows_its_log() {
    let _server = RedisServer::builder().arg("--no-such-option", "1").start();
}

#[test]
fn restarts_empty_at_the_same_address() {
    for server in [RedisServer::start(), RedisServer::builder().tcp().start()] {
        let (url, pid) = (server.url(), server.pid());
        server.cli(&["SET", "user:42", "Ada"]);
        server.restart();
        assert_eq!(server.url(), url);
        assert_ne!(server.pid(), pid);
        assert_eq!(server.cli(&["GET", "user:42"]), "");
    }
}

#[test]
fn a_port_that_is_taken_for_a_moment_delays_a_restart() {
    let server = RedisServer::builder().tcp().start();
    server.kill();
    let thief = TcpListener::bind((Ipv4Addr::LOCALHOST, port(&server))).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            drop(thief);
        });
        server.restart();
    });
    assert_eq!(server.cli(&["PING"]), "PONG");
}

#[test]
fn the_server_of_somebody_else_is_not_taken_for_ours() {
    let other = RedisServer::builder().tcp().start();
    let mut server = RedisServer::builder().tcp().start();
    server.kill();
    server.address = Address::Tcp(port(&other));
    assert!(matches!(server.spawn(), Err(StartError::AddressInUse)));
    assert_eq!(server.pid(), None);
    assert_eq!(other.cli(&["PING"]), "PONG");
}

#[test]
fn a_killed_server_refuses_until_it_is_restarted() {
    let server = RedisServer::start();
    server.cli(&["PING"]);
    server.kill();
    server.kill();
    assert_eq!(server.pid(), None);
    assert!(server.try_command::<()>(&["PING"]).unwrap_err().is_io_error());
    server.restart();
    assert_eq!(server.cli(&["PING"]), "PONG");
}

#[test]
fn a_paused_server_is_silent_until_it_is_resumed() {
    let server = RedisServer::start();
    let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    server.pause();
    connection.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(redis::cmd("PING").query::<String>(&mut connection).unwrap_err().is_timeout());

    // One thread waits for the reply; another can still resume the server.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| server.cli(&["PING"]));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!waiting.is_finished());
        server.resume();
        assert_eq!(waiting.join().unwrap(), "PONG");
    });
}

#[test]
fn counts_what_clients_send_and_not_what_the_kit_does() {
    let server = RedisServer::start();
    assert_eq!(server.command_counts(), BTreeMap::new());
    server.cli(&["SET", "user:42", "Ada"]);
    server.cli(&["GET", "user:42"]);
    server.cli(&["GET", "user:42"]);
    let expected = BTreeMap::from([("get".to_owned(), 2), ("set".to_owned(), 1)]);
    assert_eq!(server.command_counts(), expected);
    assert_eq!(server.command_counts(), expected, "counting does not count");
    server.reset_counts();
    assert_eq!(server.command_counts(), BTreeMap::new());
    server.restart();
    assert_eq!(server.command_counts(), BTreeMap::new());
}

#[test]
fn dropping_leaves_neither_process_nor_folder() {
    for pause in [false, true] {
        let server = RedisServer::builder().tcp().start();
        let (folder, address) = (server.folder.clone(), (Ipv4Addr::LOCALHOST, port(&server)));
        assert!(folder.is_dir() && TcpStream::connect(address).is_ok());
        if pause {
            server.pause();
        }
        drop(server);
        assert!(!folder.exists() && TcpStream::connect(address).is_err(), "paused: {pause}");
    }
}

/// Runs itself a second time, as the process that is killed.
#[test]
fn a_killed_test_process_leaves_neither_process_nor_folder() {
    const REPORT: &str = "CACHE_TEST_KILLED_PROCESS";
    if let Some(report) = std::env::var_os(REPORT) {
        let server = RedisServer::builder().tcp().start();
        server.pause();
        let text = format!("{} {}\n", port(&server), server.folder.display());
        std::fs::write(report, text).unwrap();
        std::thread::sleep(3 * PATIENCE);
        return;
    }

    let folder = create_folder();
    let report = folder.join("report");
    let name = std::thread::current().name().unwrap().to_owned();
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name])
        .env(REPORT, &report)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let text = wait_for(|| std::fs::read_to_string(&report).ok().filter(|text| text.ends_with('\n')));
    let (port, left) = text.trim().split_once(' ').unwrap();
    process.kill().unwrap();
    process.wait().unwrap();

    let address = (Ipv4Addr::LOCALHOST, port.parse::<u16>().unwrap());
    wait_for(|| (!Path::new(left).exists()).then_some(()));
    // SIGKILL has been sent by then, and closes the port a moment later.
    wait_for(|| TcpStream::connect(address).is_err().then_some(()));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_temporary_folder_that_fits_no_socket_gives_way() {
    let check = |preferred: &str, expected: &str| {
        assert_eq!(temporary_folder(preferred.into()), Path::new(expected), "{preferred}");
    };
    check("/tmp", "/tmp");
    check(
        "/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T/",
        "/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T/",
    );
    check("/home/Ada Lovelace/tmp", "/tmp");
    check("/home/ada%20/tmp", "/tmp");
    check("relative", "/tmp");
    check(&format!("/{}", "long".repeat(20)), "/tmp");
}

fn port(server: &RedisServer) -> u16 {
    match server.address {
        Address::Tcp(port) => port,
        Address::Unix(_) => panic!("{server:?} has no port"),
    }
}

fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(now() < deadline, "waited for {PATIENCE:?}");
        std::thread::sleep(POLL);
    }
}
