//! The command line, parsed.

/// What `cargo xtask --help` says.
pub(crate) const HELP: &str = "\
Usage: cargo xtask <command>

Commands:
  test              everything: format, lints, docs, each feature alone, tests and doc tests;
                    installs redis-server with the system's package manager if it is missing
  lint              format, lints and docs, and cargo-deny where it is installed
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
    Bench {
        /// Passed on to the benchmarks as they are.
        arguments: Vec<String>,
    },
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
            "bench" => Ok(Self::Bench { arguments }),
            _ => Err(format!("xtask: unknown command `{name}`")),
        }
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
    fn help_wherever_it_stands() {
        for line in ["--help", "-h", "help", "test --help", "bench -h"] {
            check(line, Ok(Command::Help));
        }
    }

    #[test]
    fn mistakes_are_named() {
        check("", Err("xtask: which command?"));
        check("tset", Err("xtask: unknown command `tset`"));
        check("test hit", Err("xtask: `test` takes no argument, but got `hit`"));
    }

    #[test]
    fn help_names_every_command() {
        for name in ["test", "lint", "bench"] {
            assert!(HELP.contains(&format!("\n  {name} ")), "{name}");
        }
    }
}
