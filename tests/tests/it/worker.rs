//! The test's end of a process of `src/bin`: one line in is a command, one line out is what came of it.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::Duration,
};

use crate::support::SERVER;

/// Longer than any of them takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process on [`SERVER`]; dropped, it is killed.
pub(crate) struct Worker {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    /// Read already, and not asked for yet.
    unread: VecDeque<String>,
}

impl Worker {
    /// Starts it and waits until its cache is in use.
    pub(crate) fn start(
        program: &str,
        namespace: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("REDIS_URL", SERVER.url())
            .env("CACHE_NAMESPACE", namespace)
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the worker runs");
        let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut worker = Self { child, input, lines, unread: VecDeque::new() };
        worker.next("ready");
        worker
    }

    pub(crate) fn tell(&mut self, command: &str) {
        writeln!(self.input, "{command}").expect("the worker listens");
    }

    /// The next line that begins with this word, without it; others wait until they are asked for.
    pub(crate) fn next(&mut self, word: &str) -> String {
        let rest = |line: &str| line.strip_prefix(word).map(|rest| rest.trim_start().to_owned());
        if let Some(at) = self.unread.iter().position(|line| rest(line).is_some()) {
            return self.unread.remove(at).as_deref().and_then(rest).expect("found");
        }
        loop {
            let line = match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => panic!("the worker hangs: no `{word}`"),
                Err(RecvTimeoutError::Disconnected) => panic!("the worker has ended: no `{word}`"),
            };
            match rest(&line) {
                Some(rest) => return rest,
                None => self.unread.push_back(line),
            }
        }
    }

    /// All lines with this word that came before what was asked for last.
    pub(crate) fn unread(&mut self, word: &str) -> Vec<String> {
        let (asked, others): (VecDeque<String>, _) =
            self.unread.drain(..).partition(|line| line.starts_with(word));
        self.unread = others;
        asked.iter().map(|line| line[word.len()..].trim_start().to_owned()).collect()
    }

    /// Ends it at once (SIGKILL).
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it is ours");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Where it has been killed already, there is nothing to do.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
