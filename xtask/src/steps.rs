//! Runs commands one after the other, says how each can be typed, and ends with what failed.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::workspace;

/// Why xtask exits with 1; the text is shown as it is.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One command line, run in the root of the workspace.
#[derive(Debug)]
pub(crate) struct Step {
    name: String,
    variables: Vec<(&'static str, String)>,
    words: Vec<String>,
    path: Option<OsString>,
    /// Whether it is a run of `cargo test`, whose output names the tests that failed.
    of_tests: bool,
}

/// How a step failed: for the summary at the end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) reason: String,
    /// The tests that failed, by their names.
    tests: Vec<String>,
}

impl Step {
    /// `line` is split at its spaces; words that contain one are added by [`Step::arguments`].
    pub(crate) fn new(name: impl Into<String>, line: &str) -> Self {
        Self {
            name: name.into(),
            variables: Vec::new(),
            words: line.split_whitespace().map(str::to_owned).collect(),
            path: None,
            of_tests: false,
        }
    }

    /// Marks a run of `cargo test`: the tests that fail in it are named at the end.
    pub(crate) fn of_tests(mut self) -> Self {
        self.of_tests = true;
        self
    }

    /// Adds words as they are.
    pub(crate) fn arguments(mut self, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.words.extend(words.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    pub(crate) fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    /// Sets the `PATH`, which [`Display`](fmt::Display) leaves out for its length.
    pub(crate) fn path(mut self, path: Option<&OsStr>) -> Self {
        self.path = path.map(OsStr::to_owned);
        self
    }

    /// Whether the command exits with zero; its output is dropped.
    pub(crate) fn succeeds_silently(&self) -> bool {
        let status = self.command().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    /// Announces the command, runs it with our own stdin and output, and tells how it failed.
    pub(crate) fn run(&self) -> Result<(), Failed> {
        self.run_to(std::io::stdout())
    }

    /// The output of a run of tests goes to `output`.
    fn run_to(&self, output: impl Write) -> Result<(), Failed> {
        eprintln!("\n$ {self}");
        let mut command = self.command();
        if self.of_tests {
            command.stdout(Stdio::piped());
        }
        let not_started = |error| Failed {
            reason: format!("`{}` did not start: {error}", self.words[0]),
            tests: Vec::new(),
        };
        let mut child = command.spawn().map_err(not_started)?;
        let tests = match child.stdout.take() {
            Some(tests) => pass_on(tests, output),
            None => Vec::new(),
        };
        match child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Failed { reason: status.to_string(), tests }),
            Err(error) => Err(not_started(error)),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).current_dir(workspace::root());
        // What `cargo run` tells us about the package `xtask` is no business of a nested cargo:
        // build scripts that watch these variables (ring's does) would run again each time.
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(describes_package) {
                command.env_remove(name);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        command
    }
}

/// The line as one can type it.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.variables {
            write!(f, "{name}={} ", quoted(value))?;
        }
        let words: Vec<String> = self.words.iter().map(|word| quoted(word)).collect();
        f.write_str(&words.join(" "))
    }
}

fn describes_package(name: &str) -> bool {
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

/// As a shell wants it.
fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./=:,+@%".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Copies the output of a test run, and returns the names of the tests that failed in it.
fn pass_on(output: impl Read, mut to: impl Write) -> Vec<String> {
    let mut failed = Vec::new();
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    // An output that cannot be read, or written, any more ends with the command, whose status is what counts.
    while output.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        failed.extend(failed_test(&String::from_utf8_lossy(&line)));
        drop(to.write_all(&line));
        drop(to.flush());
        line.clear();
    }
    failed
}

/// The name in a line such as `test tags::a_tag ... FAILED`.
fn failed_test(line: &str) -> Option<String> {
    let name = line.trim_end().strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
    Some(name.to_owned())
}

/// A step that has run: how long it took, and how it failed if it did.
type Outcome = (Duration, Option<Failed>);

/// Runs all steps in their order: one that fails does not hide what the next would say. Ends with a summary.
pub(crate) fn run_all(command: &str, steps: &[Step]) -> Result<(), Failure> {
    let began = now();
    let mut outcomes: Vec<Outcome> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let place = format!("{}/{} {}", index + 1, steps.len(), step.name);
        eprint!("\n== {place}");
        let step_began = now();
        let failed = step.run().err();
        let mark = if failed.is_some() { ": FAILED after " } else { ": " };
        eprintln!("== {place}{mark}{}", seconds(step_began.elapsed()));
        outcomes.push((step_began.elapsed(), failed));
    }
    eprint!("{}", summary(steps, &outcomes));
    let failed: Vec<String> = steps
        .iter()
        .zip(&outcomes)
        .filter_map(|(step, (_, failed))| {
            let Failed { reason, .. } = failed.as_ref()?;
            Some(format!("    {step}    # {reason}"))
        })
        .collect();
    if failed.is_empty() {
        eprintln!("\nxtask: `cargo xtask {command}` passed in {}", seconds(began.elapsed()));
        return Ok(());
    }
    let count = format!("{} of {} steps", failed.len(), steps.len());
    Err(Failure(format!("`cargo xtask {command}` failed in {count}; alone they are\n{}", failed.join("\n"))))
}

/// One line for each step, and below a step of tests the names of those that failed.
fn summary(steps: &[Step], outcomes: &[Outcome]) -> String {
    let mut text = String::from("\n== summary\n");
    for (step, (duration, failed)) in steps.iter().zip(outcomes) {
        let outcome = if failed.is_some() { "FAILED" } else { "ok" };
        text.push_str(&format!("{outcome:<8}{:>9}  {}\n", seconds(*duration), step.name));
        for test in failed.iter().flat_map(|failed| &failed.tests) {
            text.push_str(&format!("{:19}failed: {test}\n", ""));
        }
    }
    text
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[expect(clippy::disallowed_methods, reason = "measures real work of this machine; no test moves this clock")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_shows_what_one_can_type() {
        let step = Step::new("docs", "cargo doc --no-deps").variable("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(step.to_string(), "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps");
        let step = Step::new("bench", "cargo bench --").arguments(["a|b", "it's", ""]);
        assert_eq!(step.to_string(), r"cargo bench -- 'a|b' 'it'\''s' ''");
    }

    #[test]
    fn a_step_reports_how_it_failed() {
        assert_eq!(Step::new("true", "true").run(), Ok(()));
        let failed = Step::new("three", "sh -c").arguments(["exit 3"]).run().unwrap_err();
        assert!(failed.reason.contains('3'), "{failed:?}");
        let failed = Step::new("absent", "no-such-program-anywhere").run().unwrap_err();
        assert!(failed.reason.starts_with("`no-such-program-anywhere` did not start: "), "{failed:?}");
    }

    #[test]
    fn the_output_of_tests_is_copied_and_names_those_that_failed() {
        let output = "running 3 tests\ntest a::one ... ok\ntest a::two ... FAILED\n\
                      test src/lib.rs - x (line 3) ... FAILED\ntest c ... ignored\n";
        let mut copied = Vec::new();
        let failed = pass_on(output.as_bytes(), &mut copied);
        assert_eq!(failed, ["a::two", "src/lib.rs - x (line 3)"]);
        assert_eq!(String::from_utf8(copied).unwrap(), output);
        let step = Step::new("tests", "sh -c").arguments(["echo 'test b ... FAILED'; exit 1"]).of_tests();
        assert_eq!(step.run_to(Vec::new()).unwrap_err().tests, ["b"]);
    }

    #[test]
    fn a_failure_does_not_hide_the_next() {
        let steps = [Step::new("one", "false"), Step::new("two", "true"), Step::new("three", "false")];
        let failure = run_all("test", &steps).unwrap_err();
        assert!(failure.0.starts_with("`cargo xtask test` failed in 2 of 3 steps; "), "{failure}");
        assert_eq!(failure.0.matches("\n    false    # ").count(), 2, "{failure}");
        assert!(run_all("test", &steps[1..2]).is_ok());
    }

    #[test]
    fn the_summary_has_a_line_for_each_step_and_each_failed_test() {
        let steps = [Step::new("one", "true"), Step::new("two", "false")];
        let failed = Failed { reason: "exit status: 1".to_owned(), tests: vec!["a::b".to_owned()] };
        let outcomes = [(Duration::from_millis(1240), None), (Duration::from_secs(61), Some(failed))];
        let expected =
            "\n== summary\nok          1.2 s  one\nFAILED     61.0 s  two\n                   failed: a::b\n";
        assert_eq!(summary(&steps, &outcomes), expected);
    }

    #[test]
    fn the_package_of_xtask_is_kept_from_a_nested_cargo() {
        assert!(describes_package("CARGO_PKG_NAME") && describes_package("CARGO_MANIFEST_DIR"));
        assert!(!describes_package("CARGO_TARGET_DIR") && !describes_package("CARGO_HOME"));
    }
}
