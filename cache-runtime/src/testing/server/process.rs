//! The process behind a `RedisServer`, its folder, and the watchdog that outlives the test.

use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

/// Waits for a word and becomes the server (`"$@"`), so that nothing runs before the watchdog knows
/// its process id.
const LAUNCHER: &str = r#"read -r word && exec "$@""#;

/// Reads process ids until the test process closes the pipe or dies; then kills the last of them
/// and removes the folder. An empty line stands for no process.
const WATCHDOG: &str = r#"
trap '' HUP INT TERM
guarded=
while read -r line; do guarded=$line; done
[ -n "$guarded" ] && kill -KILL "$guarded"
rm -rf -- "$1"
"#;

/// A server that may run, and the watchdog over it.
#[derive(Debug)]
pub(super) struct Process {
    /// `None` once it was killed.
    server: Option<Child>,
    watchdog: Watchdog,
}

#[derive(Debug)]
struct Watchdog {
    shell: Child,
    /// `None` only while the watchdog is being dropped.
    pipe: Option<ChildStdin>,
}

impl Process {
    /// None yet; the folder is removed when this is dropped, or when the test process dies.
    pub(super) fn new(folder: &Path) -> Self {
        Self { server: None, watchdog: Watchdog::start(folder) }
    }

    /// Starts `program`, which appends its output to `log`.
    pub(super) fn spawn(&mut self, program: &Path, arguments: &[String], log: &Path) -> io::Result<()> {
        let log = File::options().create(true).append(true).open(log)?;
        let mut child = Command::new("sh")
            .args(["-c", LAUNCHER, "sh"])
            .arg(program)
            .args(arguments)
            // A locale that the machine does not have ends Redis 7 at once.
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.watchdog.guard(Some(child.id()));
        let launcher = child.stdin.take();
        self.server = Some(child);
        launcher.map_or(Ok(()), |mut launcher| launcher.write_all(b"go\n"))
    }

    /// The process id, until it was killed.
    pub(super) fn id(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    /// `Some` once the process has ended by itself.
    pub(super) fn exit_status(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = match &mut self.server {
            Some(server) => server.try_wait()?,
            None => None,
        };
        if status.is_some() {
            self.watchdog.guard(None);
        }
        Ok(status)
    }

    /// Ends the process, if there is one, and waits until it is gone.
    pub(super) fn kill(&mut self) {
        let Some(mut server) = self.server.take() else {
            return;
        };
        // An error means that it has ended already.
        let _ = server.kill();
        // Before `wait` gives the process id back to the system, which may hand it to another
        // process.
        self.watchdog.guard(None);
        let _ = server.wait();
    }

    /// Sends a signal through the shell's own `kill`: the program of that name is missing in small
    /// containers.
    pub(super) fn signal(&self, name: &str) {
        let id = self.id().expect("the server is running").to_string();
        let status = Command::new("sh")
            .args(["-c", r#"kill -s "$1" "$2""#, "sh", name, &id])
            .status()
            .expect("there is a shell");
        assert!(status.success(), "SIG{name} did not reach redis-server ({id})");
    }

    /// Whether SIGSTOP has taken effect; `None` where the system does not tell.
    pub(super) fn is_stopped(&self) -> Option<bool> {
        let status = std::fs::read_to_string(format!("/proc/{}/stat", self.id()?)).ok()?;
        // The state follows the name of the program, which stands in parentheses.
        let (_, rest) = status.rsplit_once(')')?;
        Some(rest.trim_start().starts_with('T'))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        // The watchdog goes next, as a field, and removes the folder.
    }
}

impl Watchdog {
    fn start(folder: &Path) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", WATCHDOG, "sh"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Whoever kills the whole group of this process must not kill the watchdog with it.
            .process_group(0)
            .spawn()
            .expect("there is a shell");
        let pipe = shell.stdin.take();
        Self { shell, pipe }
    }

    fn guard(&mut self, id: Option<u32>) {
        let line = id.map_or_else(|| "\n".to_owned(), |id| format!("{id}\n"));
        if let Some(pipe) = &mut self.pipe {
            // Fails only if somebody killed the watchdog; the test is none the worse for it.
            let _ = pipe.write_all(line.as_bytes());
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // The end of the pipe makes it remove the folder and end.
        self.pipe = None;
        let _ = self.shell.wait();
    }
}

/// A new folder that nobody else can read.
pub(super) fn create_folder() -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let parent = temporary_folder(std::env::temp_dir());
    loop {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("cache-redis-{}-{number}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return folder,
            // Of a process that had our id once.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => panic!("failed to create {}: {error}", folder.display()),
        }
    }
}

/// The path of a socket has at most 103 bytes on macOS, and stands in a URL: a folder that does not
/// fit gives way to `/tmp`.
pub(super) fn temporary_folder(preferred: PathBuf) -> PathBuf {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "/._-".contains(character);
    let fits = preferred.is_absolute()
        && preferred.to_str().is_some_and(|text| text.len() <= 60 && text.chars().all(is_plain));
    if fits { preferred } else { PathBuf::from("/tmp") }
}
