//! Starts and stops the processes, and talks to the service.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, OnceLock, mpsc},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::{Agent, http};

/// Machines are shared and slow: nothing here should take a second, and nothing fails before this.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the service keeps its cache.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Store {
    InProcess,
    Redis,
}

/// A process that does not outlive the test.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    /// Starts a process that nobody listens to.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("the process starts"))
    }

    /// Sends a signal by its name, as `kill` takes it.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status();
        assert!(status.expect("`kill` runs").success());
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        for _ in 0..PATIENCE.as_millis() / 10 {
            if let Some(status) = self.0.try_wait().expect("the process can be waited for") {
                return status;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("the process did not end in {PATIENCE:?}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A `redis-server`.
#[derive(Debug)]
pub(crate) struct RedisServer {
    process: Process,
    socket: PathBuf,
}

impl RedisServer {
    /// One for all cases that only use it: each database has its own namespace there.
    ///
    /// Nothing is dropped at the end of a test binary, and nothing runs when it is killed. So a shell holds the server,
    /// and ends it and removes its directory when its standard input closes, which happens however we end.
    fn shared() -> &'static Self {
        static SHARED: OnceLock<RedisServer> = OnceLock::new();
        SHARED.get_or_init(|| {
            let dir = TempDir::new().expect("a temporary directory").keep();
            let script = r#"dir=$1; shift; "$@" & server=$!; read -r _; kill $server; wait; rm -rf "$dir""#;
            let mut command = Command::new("sh");
            command.args(["-c", script, "sh"]).arg(&dir).arg("redis-server").stdin(Stdio::piped());
            Self::start(&mut command, &dir)
        })
    }

    /// One of this test's own, to be hurt.
    fn own(dir: &Path) -> Self {
        Self::start(&mut Command::new("redis-server"), dir)
    }

    fn start(command: &mut Command, dir: &Path) -> Self {
        check_installed();
        let socket = dir.join("redis.sock");
        let child = command
            // A socket in our own directory: a port could be somebody else's by the time it is taken.
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(dir)
            .stdout(Stdio::null())
            .spawn()
            .expect("`redis-server` starts");
        let server = Self { process: Process(child), socket };
        server.wait_until_trusted();
        server
    }

    /// Waits until it answers, and until what is stored in it counts.
    ///
    /// A cache does not believe what was written before its Redis started, and Redis tells its age in whole seconds: to
    /// be safe, what is stored in the first two is not believed either.
    fn wait_until_trusted(&self) {
        let age = |info: &str| info.split_once("uptime_in_seconds:")?.1.lines().next()?.parse::<u64>().ok();
        eventually("Redis is old enough to be believed", || {
            self.command("INFO server").is_ok_and(|info| age(&info).is_some_and(|seconds| seconds >= 2))
        });
    }

    /// Sends one line and reads what comes back at once.
    fn command(&self, line: &str) -> std::io::Result<String> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("{line}\r\n").as_bytes())?;
        let mut answer = vec![0; 64 * 1024];
        let length = stream.read(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Sends the server a signal: `STOP` makes it hang with all that it holds, `CONT` ends that, `KILL` ends it.
    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }
}

fn check_installed() {
    let version = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
    assert!(
        version.is_ok_and(|status| status.success()),
        "`redis-server` is missing; type `cargo xtask test`, which installs it, or `sudo apt-get install redis-server` \
         (macOS: `brew install redis`)"
    );
}

/// The binary, with nothing of this shell's environment that it would listen to.
pub(crate) fn command(database: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_films"));
    let ours = |name: &OsStr| {
        let name = name.to_string_lossy();
        name.starts_with("REDIS_") || name.starts_with("CACHE_")
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    command.env("PORT", "0").env("DATABASE_PATH", database);
    command
}

/// The Redis of a service.
#[derive(Debug, Clone)]
enum Redis {
    None,
    Shared,
    Own(Arc<RedisServer>),
}

impl Redis {
    fn server(&self) -> Option<&RedisServer> {
        match self {
            Self::None => None,
            Self::Shared => Some(RedisServer::shared()),
            Self::Own(server) => Some(server),
        }
    }
}

/// A running service.
///
/// The fields are dropped in this order: first the processes, then the directory with their files.
#[derive(Debug)]
pub(crate) struct Service {
    process: Process,
    redis: Redis,
    address: String,
    /// All that it printed until it was ready.
    pub(crate) banner: String,
    agent: Agent,
    dir: Arc<TempDir>,
}

impl Service {
    pub(crate) fn start(store: Store) -> Self {
        Self::start_in(TempDir::new().expect("a temporary directory"), store)
    }

    /// Starts it on the files that are there.
    pub(crate) fn start_in(dir: TempDir, store: Store) -> Self {
        let redis = match store {
            Store::InProcess => Redis::None,
            Store::Redis => Redis::Shared,
        };
        Self::start_on(Arc::new(dir), redis)
    }

    /// Starts it on a Redis that nobody else uses.
    pub(crate) fn start_on_own_redis() -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let redis = Redis::Own(Arc::new(RedisServer::own(dir.path())));
        Self::start_on(Arc::new(dir), redis)
    }

    /// Starts another process on the same database and the same Redis.
    pub(crate) fn start_beside(&self) -> Self {
        Self::start_on(Arc::clone(&self.dir), self.redis.clone())
    }

    /// Starts another process on a database of its own and the same Redis.
    pub(crate) fn start_apart(&self) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        Self::start_on(Arc::new(dir), self.redis.clone())
    }

    fn start_on(dir: Arc<TempDir>, redis: Redis) -> Self {
        let (process, banner) = spawn_in(dir.path(), redis.server());
        let config =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
        Self { process, redis, address: address(&banner), banner, agent: config.into(), dir }
    }

    /// Ends the process with a signal and returns how it ended.
    pub(crate) fn stop(&mut self, signal: &str) -> ExitStatus {
        self.process.signal(signal);
        self.process.wait()
    }

    /// Starts the process again after [`stop`](Self::stop), with the same files.
    pub(crate) fn start_again(&mut self) {
        (self.process, self.banner) = spawn_in(self.dir.path(), self.redis.server());
        self.address = address(&self.banner);
    }

    /// The Redis of this service, which has one.
    pub(crate) fn redis(&self) -> &RedisServer {
        self.redis.server().expect("this case runs on Redis")
    }

    pub(crate) fn store(&self) -> Store {
        if self.redis.server().is_some() { Store::Redis } else { Store::InProcess }
    }

    pub(crate) fn database(&self) -> PathBuf {
        database(self.dir.path())
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What the process said on standard error.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(log(self.dir.path())).expect("the log can be read")
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None, b"")
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, None, b"")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, Some("application/json"), body.to_string().as_bytes())
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, Some("application/json"), body.to_string().as_bytes())
    }

    pub(crate) fn send(&self, method: &str, path: &str, content_type: Option<&str>, body: &[u8]) -> Answer {
        let mut request =
            http::Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let result = if body.is_empty() {
            self.agent.run(request.body(()).expect("a request"))
        } else {
            self.agent.run(request.body(body).expect("a request"))
        };
        let mut response = result.unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", self.log()));
        let text = response.body_mut().read_to_string().expect("a body of text");
        let header =
            |name| response.headers().get(name).map(|value| value.to_str().expect("text").to_owned());
        Answer {
            request: format!("{method} {path}"),
            status: response.status().as_u16(),
            content_type: header("content-type"),
            location: header("location"),
            allow: header("allow"),
            text,
        }
    }

    /// Registers a user and returns the id.
    pub(crate) fn register(&self, name: &str) -> i64 {
        let user = self.post("/api/users", &json!({ "name": name })).expect(201);
        user["id"].as_i64().expect("an id")
    }

    /// Rates a film, which must succeed.
    pub(crate) fn rate(&self, film: i64, user: i64, stars: i64) {
        let answer =
            self.post(&format!("/api/films/{film}/ratings"), &json!({ "user_id": user, "stars": stars }));
        assert!([200, 201].contains(&answer.status), "{answer:?}");
    }

    /// What `/metrics` counts of a counter, over all series with these labels, such as `outcome="hit_remote"`.
    pub(crate) fn count(&self, counter: &str, labels: &[&str]) -> u64 {
        let metrics = self.get("/metrics").text;
        let series = metrics.lines().filter(|line| {
            line.starts_with(&format!("{counter}{{")) && labels.iter().all(|label| line.contains(label))
        });
        series.map(|line| value(line).unwrap_or_else(|| panic!("no number: {line}"))).sum()
    }
}

/// The number at the end of a line of `/metrics`.
fn value(line: &str) -> Option<u64> {
    line.rsplit(' ').next()?.parse().ok()
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    request: String,
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) allow: Option<String>,
    pub(crate) text: String,
}

impl Answer {
    /// The body, if this is the status.
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.request, self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// Checks that this is an error as the service promises them, and returns the message.
    pub(crate) fn expect_error(&self, status: u16, code: &str) -> String {
        let body = self.expect(status);
        assert_eq!(self.content_type.as_deref(), Some("application/json"), "{}", self.request);
        assert_eq!(body["error"]["code"], code, "{}: {body}", self.request);
        let message = body["error"]["message"].as_str().unwrap_or_default();
        assert!(!message.is_empty(), "{}: {body}", self.request);
        assert_eq!(body, json!({ "error": { "code": code, "message": message } }));
        message.to_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.request, self.text))
    }
}

fn database(dir: &Path) -> PathBuf {
    dir.join("films.sqlite")
}

fn log(dir: &Path) -> PathBuf {
    dir.join("stderr")
}

/// Starts the service on the files in a directory.
fn spawn_in(dir: &Path, redis: Option<&RedisServer>) -> (Process, String) {
    let mut command = command(&database(dir));
    if let Some(redis) = redis {
        command.env("REDIS_URL", redis.url());
    }
    spawn(&mut command, &log(dir)).unwrap_or_else(|log| panic!("the service did not start: {log}"))
}

/// Starts the service and waits until it listens.
///
/// # Errors
/// What it said on standard error, if it ended before that.
pub(crate) fn spawn(command: &mut Command, log: &Path) -> Result<(Process, String), String> {
    let stderr = File::options().create(true).append(true).open(log).expect("a file for the log");
    let mut child = command.stdout(Stdio::piped()).stderr(stderr).spawn().expect("the service starts");
    let stdout = child.stdout.take().expect("standard output is a pipe");
    let process = Process(child);
    match read_banner(stdout) {
        Some(banner) => Ok((process, banner)),
        None => Err(fs::read_to_string(log).unwrap_or_default()),
    }
}

/// Waits until something is true that happens in the background.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..PATIENCE.as_millis() / 10 {
        if holds() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("in {PATIENCE:?} it did not come about that {what}");
}

/// Reads to the last line of the banner. In a thread, which goes on reading, so that the service never waits for us.
fn read_banner(stdout: ChildStdout) -> Option<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // Nobody listens any more once the banner is complete.
            let _ = sender.send(line);
        }
    });
    let mut banner = String::new();
    loop {
        let line = receiver.recv_timeout(PATIENCE).ok()?;
        banner.push_str(&line);
        banner.push('\n');
        if line.contains("Ctrl-C") {
            return Some(banner);
        }
    }
}

fn address(banner: &str) -> String {
    let line = banner.lines().find(|line| line.contains("listening")).expect("the banner says where");
    line.split_once("http://").expect("an address").1.to_owned()
}
