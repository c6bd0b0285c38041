//! Runs commands one after the other, says how each can be typed, and stops at the first that
//! fails.

use std::ffi::{OsStr, OsString};
use std::fmt;
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
}

impl Step {
    /// `line` is split at its spaces; words that contain one are added by [`Step::arguments`].
    pub(crate) fn new(name: impl Into<String>, line: &str) -> Self {
        Self {
            name: name.into(),
            variables: Vec::new(),
            words: line.split_whitespace().map(str::to_owned).collect(),
            path: None,
        }
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
    pub(crate) fn run(&self) -> Result<(), String> {
        eprintln!("\n$ {self}");
        match self.command().status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(status.to_string()),
            Err(error) => Err(format!("`{}` did not start: {error}", self.words[0])),
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

/// Runs the steps in their order up to the first that fails, and ends with a summary.
pub(crate) fn run_all(command: &str, steps: &[Step]) -> Result<(), Failure> {
    let began = now();
    let mut durations = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let place = format!("{}/{} {}", index + 1, steps.len(), step.name);
        eprint!("\n== {place}");
        let step_began = now();
        let result = step.run();
        durations.push(step_began.elapsed());
        eprintln!("== {place}: {}", seconds(step_began.elapsed()));
        if let Err(reason) = result {
            eprint!("{}", summary(steps, &durations, true));
            return Err(Failure(format!(
                "`cargo xtask {command}` failed at step {place} ({reason}); that step alone is\n    {step}"
            )));
        }
    }
    eprint!("{}", summary(steps, &durations, false));
    eprintln!("\nxtask: `cargo xtask {command}` passed in {}", seconds(began.elapsed()));
    Ok(())
}

/// One line for each step; the last that has a duration is the one that failed, if any did.
fn summary(steps: &[Step], durations: &[Duration], failed: bool) -> String {
    let mut text = String::from("\n== summary\n");
    for (index, step) in steps.iter().enumerate() {
        let outcome = match durations.get(index) {
            None => "not run",
            Some(_) if failed && index + 1 == durations.len() => "FAILED",
            Some(_) => "ok",
        };
        let duration = durations.get(index).map(|duration| seconds(*duration)).unwrap_or_default();
        text.push_str(&format!("{outcome:<8}{duration:>9}  {}\n", step.name));
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
        let reason = Step::new("three", "sh -c").arguments(["exit 3"]).run().unwrap_err();
        assert!(reason.contains('3'), "{reason}");
        let reason = Step::new("absent", "no-such-program-anywhere").run().unwrap_err();
        assert!(reason.starts_with("`no-such-program-anywhere` did not start: "), "{reason}");
    }

    #[test]
    fn nothing_runs_after_a_failure() {
        let steps = [Step::new("one", "true"), Step::new("two", "false"), Step::new("three", "true")];
        let failure = run_all("test", &steps).unwrap_err();
        assert!(failure.0.starts_with("`cargo xtask test` failed at step 2/3 two ("), "{failure}");
        assert!(failure.0.ends_with("that step alone is\n    false"), "{failure}");
    }

    #[test]
    fn the_summary_has_a_line_for_each_step() {
        let steps = [Step::new("one", "true"), Step::new("two", "false"), Step::new("three", "true")];
        let durations = [Duration::from_millis(1240), Duration::from_secs(61)];
        let expected =
            "\n== summary\nok          1.2 s  one\nFAILED     61.0 s  two\nnot run            three\n";
        assert_eq!(summary(&steps, &durations, true), expected);
        assert!(summary(&steps[..2], &durations, false).ends_with("ok         61.0 s  two\n"));
    }

    #[test]
    fn the_package_of_xtask_is_kept_from_a_nested_cargo() {
        assert!(describes_package("CARGO_PKG_NAME") && describes_package("CARGO_MANIFEST_DIR"));
        assert!(!describes_package("CARGO_TARGET_DIR") && !describes_package("CARGO_HOME"));
    }
}
