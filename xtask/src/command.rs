//! The command line, parsed.

/// What `cargo xtask --help` says.
pub(crate) const HELP: &str = "\
Usage: cargo xtask <command>

Commands:
  test              everything: format, lints, docs, each feature alone, tests and doc tests;
                    installs redis-server with the system's package manager if it is missing
  lint              format, lints and docs, and cargo-deny where it is installed
  soak [--seconds N] [--seed S]
                    random histories of real processes for so long (600), then every order of events of the
                    model; with a seed, which a failing run prints, only that history, again and again
  bench [filter]..  the benchmarks of `benches/`; what follows is passed on to them

Options:
  -h, --help        this text
";

/// One thing to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Test,
    Lint,
    Soak(Soak),
    Bench {
        /// Passed on to the benchmarks as they are.
        arguments: Vec<String>,
    },
}

/// What `soak` is to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Soak {
    /// How long the histories take.
    pub(crate) seconds: u64,
    /// Only the history of this seed.
    pub(crate) seed: Option<u64>,
}

impl Command {
    /// Reads the words after `cargo xtask`. An `Err` says what is wrong with them.
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut words = words.into_iter();
        let name = words.next().ok_or("xtask: which command?")?;
        let arguments: Vec<String> = words.collect();
        if is_help(&name) || arguments.iter().any(|argument| is_help(argument)) {
            return Ok(Self::Help);
        }
        match name.as_str() {
            "help" => Ok(Self::Help),
            "test" => without_arguments(&name, &arguments).map(|()| Self::Test),
            "lint" => without_arguments(&name, &arguments).map(|()| Self::Lint),
            "soak" => Soak::parse(&arguments).map(Self::Soak),
            "bench" => Ok(Self::Bench { arguments }),
            _ => Err(format!("xtask: unknown command `{name}`")),
        }
    }
}

impl Soak {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut soak = Self { seconds: 600, seed: None };
        let mut arguments = arguments.iter();
        while let Some(option) = arguments.next() {
            let mut number = || {
                let value = arguments.next().ok_or_else(|| format!("xtask: `{option}` needs a number"))?;
                value.parse().map_err(|_| format!("xtask: `{option}` needs a number, but got `{value}`"))
            };
            match option.as_str() {
                "--seconds" => soak.seconds = number()?,
                "--seed" => soak.seed = Some(number()?),
                _ => {
                    return Err(format!("xtask: `soak` takes `--seconds` and `--seed`, but got `{option}`"));
                }
            }
        }
        Ok(soak)
    }
}

fn is_help(word: &str) -> bool {
    matches!(word, "-h" | "--help")
}

/// An argument that was silently dropped would look as if it had been heeded.
fn without_arguments(name: &str, arguments: &[String]) -> Result<(), String> {
    match arguments {
        [] => Ok(()),
        [first, ..] => Err(format!("xtask: `{name}` takes no argument, but got `{first}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Result<Command, &str>) {
        let words = line.split_whitespace().map(str::to_owned);
        assert_eq!(Command::parse(words), expected.map_err(str::to_owned), "cargo xtask {line}");
    }

    #[test]
    fn each_command_by_its_name() {
        check("test", Ok(Command::Test));
        check("lint", Ok(Command::Lint));
        check("bench", Ok(Command::Bench { arguments: vec![] }));
    }

    #[test]
    fn bench_passes_everything_on() {
        let arguments = vec!["hit".to_owned(), "--save-baseline".to_owned(), "main".to_owned()];
        check("bench hit --save-baseline main", Ok(Command::Bench { arguments }));
    }

    #[test]
    fn soak_takes_its_length_and_a_seed() {
        check("soak", Ok(Command::Soak(Soak { seconds: 600, seed: None })));
        let soak = Soak { seconds: 60, seed: Some(7) };
        check("soak --seed 7 --seconds 60", Ok(Command::Soak(soak)));
    }

    #[test]
    fn help_wherever_it_stands() {
        for line in ["--help", "-h", "help", "test --help", "bench -h"] {
            check(line, Ok(Command::Help));
        }
    }

    #[test]
    fn mistakes_are_named() {
        check("", Err("xtask: which command?"));
        check("tset", Err("xtask: unknown command `tset`"));
        check("soak --seconds", Err("xtask: `--seconds` needs a number"));
        check("soak --seed x7", Err("xtask: `--seed` needs a number, but got `x7`"));
        check("soak 60", Err("xtask: `soak` takes `--seconds` and `--seed`, but got `60`"));
        check("test hit", Err("xtask: `test` takes no argument, but got `hit`"));
    }

    #[test]
    fn help_names_every_command() {
        for name in ["test", "lint", "soak", "bench"] {
            assert!(HELP.contains(&format!("\n  {name} ")), "{name}");
        }
    }
}
