//! The machine, as far as it explains a number: no name, no path.

use std::{fmt, process::Command};

/// What a table was measured on.
#[derive(Clone, Debug)]
pub struct Machine {
    cores: usize,
    rustc: String,
    redis: Option<String>,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn this() -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            rustc: version("rustc", 1).unwrap_or_default(),
            redis: None,
        }
    }

    /// With the Redis that took part.
    #[must_use]
    pub fn with_redis(self) -> Self {
        let redis = version("redis-server", 2).map(|word| word.trim_start_matches("v=").to_owned());
        Self { redis, ..self }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, rustc, redis } = self;
        match redis {
            Some(redis) => {
                write!(f, "{cores} cores shared by client and server; rustc {rustc}, Redis {redis}")
            }
            None => write!(f, "{cores} cores; rustc {rustc}"),
        }
    }
}

/// The word at `place` of what `program --version` prints.
fn version(program: &str, place: usize) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_whitespace().nth(place).map(str::to_owned)
}
