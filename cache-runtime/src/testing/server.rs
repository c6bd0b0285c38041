//! A real `redis-server` of a test's own.
//!
//! What a cache must survive (a server that hangs, dies, comes back empty, runs out of memory) is
//! not worth imitating: a mock fails in the ways its author thought of. So a test starts the real
//! thing, on a Unix socket in a folder of its own, and pauses, kills and restarts it.
//!
//! No process and no folder outlives the test: dropping the [`RedisServer`] removes both, and where
//! nothing is dropped (a `static`, an abort, a test runner that kills) a watchdog does, a shell
//! that waits for this process to end.
//!
//! Every method blocks the thread; that is right for a test and wrong for a service.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::{FromRedisValue, IntoConnectionInfo, RedisResult, ToRedisArgs, Value};

use process::{Process, create_folder};

mod process;
#[cfg(test)]
mod tests;

/// How long a start, a stop or the reply to one command may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long one look at a server that is starting may take.
const PROBE: Duration = Duration::from_millis(500);

/// How often something is looked at again that takes a few milliseconds.
const POLL: Duration = Duration::from_millis(2);

/// What every server is started with; options of the builder come later and win.
const DEFAULTS: [&str; 8] =
    ["--save", "", "--appendonly", "no", "--loglevel", "warning", "--unixsocketperm", "700"];

/// A running `redis-server`; dropping it kills the process and removes its files.
///
/// ```
/// # use cache_runtime::testing::server::RedisServer;
/// let server = RedisServer::start();
/// server.cli(&["SET", "user:42", "Ada"]);
/// assert_eq!(server.cli(&["GET", "user:42"]), "Ada");
/// server.restart();
/// assert_eq!(server.cli(&["GET", "user:42"]), "");
/// ```
pub struct RedisServer {
    address: Address,
    /// Name and value of each option, in their order.
    options: Vec<(String, String)>,
    program: PathBuf,
    folder: PathBuf,
    /// Apart from `connection`, so that one thread can resume the server on which another waits.
    process: Mutex<Process>,
    /// Kept open: one that is made for each command would show up in
    /// [`command_counts`](Self::command_counts).
    connection: Mutex<Option<redis::Connection>>,
}

/// How a [`RedisServer`] is to be started.
#[derive(Debug, Clone, Default)]
#[must_use = "a builder starts nothing until `start` is called"]
pub struct RedisServerBuilder {
    tcp: bool,
    options: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
enum Address {
    Unix(PathBuf),
    Tcp(u16),
}

/// Why a server did not come up.
enum StartError {
    /// Somebody else has taken the port.
    AddressInUse,
    /// Anything else, with the log of the server.
    Other(String),
}

impl RedisServerBuilder {
    /// Listens on a free port of 127.0.0.1 instead of a Unix socket.
    pub fn tcp(mut self) -> Self {
        self.tcp = true;
        self
    }

    /// Adds an option of `redis.conf`, as in `arg("--maxmemory", "2mb")`; it wins over what the
    /// test kit sets itself.
    pub fn arg(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.push((name.into(), value.into()));
        self
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Panics
    ///
    /// If `redis-server` is not installed (the message says what to type), if it exits (the message
    /// shows its log), or if it does not answer within 10 seconds.
    #[must_use = "dropping the server kills it"]
    pub fn start(self) -> RedisServer {
        RedisServer::launch(self)
    }
}

impl RedisServer {
    /// Starts a server on a Unix socket; the same as `RedisServer::builder().start()`.
    ///
    /// # Panics
    ///
    /// As [`RedisServerBuilder::start`] does.
    #[must_use = "dropping the server kills it"]
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// For a server on a TCP port, or one with options of its own.
    pub fn builder() -> RedisServerBuilder {
        RedisServerBuilder::default()
    }

    fn launch(builder: RedisServerBuilder) -> Self {
        let program = find_program();
        let folder = create_folder();
        let address =
            if builder.tcp { Address::Tcp(free_port()) } else { Address::Unix(folder.join("redis.sock")) };
        let process = Process::new(&folder);
        let mut server = Self {
            address,
            options: builder.options,
            program,
            folder,
            process: Mutex::new(process),
            connection: Mutex::new(None),
        };
        let deadline = now() + PATIENCE;
        // Between our finding a free port and the server's binding it, somebody else may take it.
        while let Err(error) = server.spawn() {
            server.give_up_unless_in_use(error, deadline);
            server.address = Address::Tcp(free_port());
        }
        server
    }

    /// The address in the form that `redis::Client::open` takes: `redis+unix:///tmp/…` or
    /// `redis://127.0.0.1:…/`.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.address {
            Address::Unix(socket) => format!("redis+unix://{}", socket.display()),
            Address::Tcp(port) => format!("redis://127.0.0.1:{port}/"),
        }
    }

    /// The process id, or `None` while the server is killed or shut down.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        lock(&self.process).id()
    }

    /// What the server has logged since it was first started; little, at the level `warning`.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Sends one command and returns the reply as `redis-cli` prints it into a pipe: nil is empty,
    /// an array has an element per line.
    ///
    /// ```
    /// # let server = cache_runtime::testing::server::RedisServer::start();
    /// assert_eq!(server.cli(&["EXISTS", "user:42"]), "0");
    /// ```
    ///
    /// # Panics
    ///
    /// If the reply is an error, or does not come within 10 seconds.
    pub fn cli(&self, words: &[&str]) -> String {
        printed(&self.command(words))
    }

    /// Sends one command and converts the reply.
    ///
    /// ```
    /// # let server = cache_runtime::testing::server::RedisServer::start();
    /// let seconds: i64 = server.command(&["TTL", "user:42"]);
    /// ```
    ///
    /// # Panics
    ///
    /// If the reply is an error or does not convert, or does not come within 10 seconds.
    pub fn command<T: FromRedisValue>(&self, words: &[impl ToRedisArgs]) -> T {
        self.try_command(words).unwrap_or_else(|error| panic!("the command failed: {error}"))
    }

    /// Sends one command and converts the reply, for tests in which it may fail.
    ///
    /// # Errors
    ///
    /// That of the server, that of the conversion, or that of the connection when the reply does
    /// not come within 10 seconds. The next command makes a new connection if it has to.
    pub fn try_command<T: FromRedisValue>(&self, words: &[impl ToRedisArgs]) -> RedisResult<T> {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word);
        }
        let mut slot = lock(&self.connection);
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let result = command.query::<Value>(&mut connection);
        // After a reply that came late or in part, whatever is read next would be the answer to
        // another question.
        if result.as_ref().err().is_none_or(|error| !is_of_connection(error)) {
            *slot = Some(connection);
        }
        drop(slot);
        Ok(redis::from_redis_value(result?)?)
    }

    /// How often each command ran since the start or the last [`reset_counts`](Self::reset_counts),
    /// by its name in lower case, `config|get` for a subcommand (up to Redis 6.2, `config`).
    ///
    /// Includes what scripts call and what [`command`](Self::command) sends, except `info` and
    /// `config resetstat`, with which this kit counts.
    ///
    /// # Panics
    ///
    /// If the server does not answer within 10 seconds.
    #[must_use]
    pub fn command_counts(&self) -> BTreeMap<String, u64> {
        let report: String = self.command(&["INFO", "commandstats"]);
        let mut counts = parse_counts(&report);
        // Our own: the reset counts itself, and each report counts in the next one.
        counts.remove("info");
        counts.remove("config|resetstat");
        if let Some(count) = counts.get_mut("config") {
            *count -= 1; // Redis 6.2 does not tell subcommands apart.
        }
        counts.retain(|_, count| *count > 0);
        counts
    }

    /// Starts [`command_counts`](Self::command_counts) again at zero.
    ///
    /// # Panics
    ///
    /// If the server does not answer within 10 seconds.
    pub fn reset_counts(&self) {
        self.command::<()>(&["CONFIG", "RESETSTAT"]);
    }

    /// Stops the process without ending it (SIGSTOP): connections stay open, and nothing is
    /// answered.
    ///
    /// # Panics
    ///
    /// If the server is not running.
    pub fn pause(&self) {
        let process = lock(&self.process);
        process.signal("STOP");
        // The signal takes effect a moment later; until then one more command might be answered.
        let deadline = now() + PATIENCE;
        while process.is_stopped() == Some(false) {
            assert!(now() < deadline, "redis-server does not stop");
            std::thread::sleep(POLL);
        }
    }

    /// Lets a paused process go on (SIGCONT); it answers what has piled up.
    ///
    /// # Panics
    ///
    /// If the server is not running.
    pub fn resume(&self) {
        lock(&self.process).signal("CONT");
    }

    /// Ends the process at once (SIGKILL), paused or not, and waits until it is gone; connections
    /// break.
    ///
    /// Nothing happens if it is not running.
    pub fn kill(&self) {
        lock(&self.process).kill();
        *lock(&self.connection) = None;
    }

    /// Ends the process in an orderly way (`SHUTDOWN NOSAVE`), and waits until it is gone.
    ///
    /// Nothing happens if it is not running.
    ///
    /// # Panics
    ///
    /// If it is still there after 10 seconds.
    pub fn shutdown_nosave(&self) {
        if self.pid().is_none() {
            return;
        }
        // What comes back is no reply but the end of the connection.
        let outcome = self.try_command::<Value>(&["SHUTDOWN", "NOSAVE"]);
        *lock(&self.connection) = None;
        let deadline = now() + PATIENCE;
        while self.has_ended().is_none() {
            assert!(now() < deadline, "redis-server did not shut down: {outcome:?}\n{}", self.log());
            std::thread::sleep(POLL);
        }
        self.kill();
    }

    /// Starts the process again with the same address and options, and waits until it answers; one
    /// that runs is killed first. It comes back empty, unless an option makes it persistent.
    ///
    /// # Panics
    ///
    /// If it exits or does not answer within 10 seconds.
    pub fn restart(&self) {
        self.kill();
        let deadline = now() + PATIENCE;
        while let Err(error) = self.spawn() {
            self.give_up_unless_in_use(error, deadline);
            std::thread::sleep(POLL);
        }
    }

    /// One attempt; after an error no process is left.
    fn spawn(&self) -> Result<(), StartError> {
        let log_length = self.log().len();
        let spawned = lock(&self.process).spawn(&self.program, &self.arguments(), &self.log_path());
        let result = match spawned {
            Ok(()) => self.wait_until_ready(),
            Err(error) => Err(StartError::Other(format!("failed to run it: {error}"))),
        };
        result.map_err(|error| {
            self.kill();
            let log = self.log();
            let news = log.get(log_length..).unwrap_or(&log);
            match error {
                StartError::Other(_) if news.contains("Address already in use") => StartError::AddressInUse,
                StartError::Other(reason) => StartError::Other(format!("{reason}; its log:\n{news}")),
                StartError::AddressInUse => StartError::AddressInUse,
            }
        })
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = DEFAULTS.map(str::to_owned).into();
        let mut add = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        add("--dir", self.folder.display().to_string());
        match &self.address {
            Address::Unix(socket) => {
                add("--port", "0".to_owned());
                add("--unixsocket", socket.display().to_string());
            }
            Address::Tcp(port) => {
                add("--bind", Ipv4Addr::LOCALHOST.to_string());
                add("--port", port.to_string());
            }
        }
        for (name, value) in &self.options {
            add(name, value.clone());
        }
        arguments
    }

    fn wait_until_ready(&self) -> Result<(), StartError> {
        let deadline = now() + PATIENCE;
        let (connection, report) = loop {
            if let Some(status) = self.has_ended() {
                return Err(StartError::Other(format!("it has ended ({status})")));
            }
            match self.probe() {
                Ok(found) => break found,
                Err(error) if now() >= deadline => {
                    return Err(StartError::Other(format!(
                        "it does not answer after {PATIENCE:?} ({error})"
                    )));
                }
                Err(_) => std::thread::sleep(POLL),
            }
        };
        // Whoever took our port may be a Redis as well: that of the test next to us.
        let own = format!("process_id:{}", self.pid().unwrap_or_default());
        if !report.lines().any(|line| line == own) {
            return Err(StartError::AddressInUse);
        }
        *lock(&self.connection) = Some(connection);
        self.reset_counts();
        Ok(())
    }

    /// A connection on which PING is answered, and what the server says of itself.
    fn probe(&self) -> RedisResult<(redis::Connection, String)> {
        let mut connection = self.connect()?;
        // Whatever else listens on our port may never answer.
        connection.set_read_timeout(Some(PROBE))?;
        redis::cmd("PING").query::<()>(&mut connection)?;
        let report = redis::cmd("INFO").arg("server").query(&mut connection)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        Ok((connection, report))
    }

    /// How the process ended, if it did so by itself.
    fn has_ended(&self) -> Option<String> {
        match lock(&self.process).exit_status() {
            Ok(status) => status.map(|status| status.to_string()),
            Err(error) => Some(error.to_string()),
        }
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn connect(&self) -> RedisResult<redis::Connection> {
        let info = self.url().into_connection_info()?;
        // Without it each connection of ours would count as two of `client|setinfo`.
        let settings = info.redis_settings().clone().set_skip_set_lib_name();
        let client = redis::Client::open(info.set_redis_settings(settings))?;
        let connection = client.get_connection_with_timeout(PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        Ok(connection)
    }

    #[track_caller]
    fn give_up_unless_in_use(&self, error: StartError, deadline: Instant) {
        match error {
            StartError::AddressInUse => {
                assert!(now() < deadline, "the address of redis-server stays in use: {}", self.url());
            }
            StartError::Other(reason) => panic!("redis-server did not start: {reason}"),
        }
    }
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisServer")
            .field("url", &self.url())
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}

/// The first `redis-server` on the `PATH`.
fn find_program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_executable = |program: &PathBuf| {
        program
            .metadata()
            .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(&path)
        .map(|folder| folder.join("redis-server"))
        .find(is_executable)
        .unwrap_or_else(|| panic!("{MISSING}"))
}

const MISSING: &str = "`redis-server` is not on the PATH, and this test needs a real one.
In the repository of cache-runtime, type
    cargo xtask test
which installs it; elsewhere one of
    apt-get install redis-server
    dnf install redis
    brew install redis";

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("127.0.0.1 has a free port")
        .port()
}

fn is_of_connection(error: &redis::RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
}

fn parse_counts(report: &str) -> BTreeMap<String, u64> {
    report
        .lines()
        .filter_map(|line| {
            let (name, fields) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let (calls, _) = fields.split_once(',')?;
            Some((name.to_owned(), calls.parse().ok()?))
        })
        .collect()
}

fn printed(value: &Value) -> String {
    match value {
        Value::Nil => String::new(),
        Value::Int(number) => number.to_string(),
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        Value::Okay => "OK".to_owned(),
        Value::Array(values) => values.iter().map(printed).collect::<Vec<_>>().join("\n"),
        other => format!("{other:?}"),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A test that panicked with the lock held must still be able to kill its server.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(
    clippy::disallowed_methods,
    reason = "waits for a real process, for which no test can move the time"
)]
fn now() -> Instant {
    Instant::now()
}
