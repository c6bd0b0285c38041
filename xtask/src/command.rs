//! The command line, parsed.

use crate::parts::{Part, Selection};

/// What `cargo xtask --help` says, before the parts.
const HELP: &str = "\
Usage: cargo xtask <command>

Commands:
  test [--fast] [--only PART]... [-- WORD..]
                    everything: format, lints, docs, each feature alone, both packages, tests and doc tests;
                    installs redis-server with the system's package manager if it is missing.
                    --fast leaves out what takes long; --only runs the parts that it names (see below);
                    words after `--` go to the test binaries: `test --only it -- stampede`
  lint              format, lints and docs, and cargo-deny where it is installed
  soak [--seconds N] [--seed S]
                    random histories of real processes for so long (600), then every order of events of the
                    model; with a seed, which a failing run prints, only that history, again and again
  bench [filter]..  the benchmarks of `benches/`; what follows is passed on to them

Options:
  -h, --help        this text

Parts of `test`:
";

/// What `cargo xtask --help` says.
pub(crate) fn help() -> String {
    HELP.to_owned() + &Part::help()
}

/// One thing to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Test(Test),
    Lint,
    Soak(Soak),
    Bench {
        /// Passed on to the benchmarks as they are.
        arguments: Vec<String>,
    },
}

/// What `test` is to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) selection: Selection,
    /// Passed on to the test binaries as they are.
    pub(crate) words: Vec<String>,
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
        let own = arguments.iter().take_while(|argument| *argument != "--");
        if is_help(&name) || own.into_iter().any(|argument| is_help(argument)) {
            return Ok(Self::Help);
        }
        match name.as_str() {
            "help" => Ok(Self::Help),
            "test" => Test::parse(&arguments).map(Self::Test),
            "lint" => without_arguments(&name, &arguments).map(|()| Self::Lint),
            "soak" => Soak::parse(&arguments).map(Self::Soak),
            "bench" => Ok(Self::Bench { arguments }),
            _ => Err(format!("xtask: unknown command `{name}`")),
        }
    }
}

impl Test {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let (own, words) = match arguments.iter().position(|argument| argument == "--") {
            Some(at) => (&arguments[..at], &arguments[at + 1..]),
            None => (arguments, &[][..]),
        };
        let mut fast = false;
        let mut only = Vec::new();
        let mut own = own.iter();
        while let Some(option) = own.next() {
            match option.as_str() {
                "--fast" => fast = true,
                "--only" => only.push(part(own.next())?),
                _ => return Err(format!("xtask: `test` takes `--fast` and `--only`, but got `{option}`")),
            }
        }
        let selection = match (fast, only.is_empty()) {
            (true, false) => return Err("xtask: `--fast` and `--only` exclude each other".to_owned()),
            (true, true) => Selection::Fast,
            (false, true) => Selection::Whole,
            (false, false) => Selection::Only(only),
        };
        Ok(Self { selection, words: words.to_vec() })
    }
}

fn part(name: Option<&String>) -> Result<&'static str, String> {
    let name = name.ok_or("xtask: `--only` needs the name of a part")?;
    let part = Part::find(name).ok_or_else(|| format!("xtask: `test` has no part `{name}`"))?;
    Ok(part.name)
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

    fn test(selection: Selection, words: &[&str]) -> Result<Command, &'static str> {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Ok(Command::Test(Test { selection, words }))
    }

    #[test]
    fn each_command_by_its_name() {
        check("test", test(Selection::Whole, &[]));
        check("lint", Ok(Command::Lint));
        check("bench", Ok(Command::Bench { arguments: vec![] }));
    }

    #[test]
    fn test_takes_parts_and_passes_words_on() {
        check("test --fast", test(Selection::Fast, &[]));
        check("test --only ui --only it", test(Selection::Only(vec!["ui", "it"]), &[]));
        check("test --only it -- --help", test(Selection::Only(vec!["it"]), &["--help"]));
        check("test --only", Err("xtask: `--only` needs the name of a part"));
        check("test --only iu", Err("xtask: `test` has no part `iu`"));
        check("test --fast --only ui", Err("xtask: `--fast` and `--only` exclude each other"));
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
        check("lint hit", Err("xtask: `lint` takes no argument, but got `hit`"));
        check("test hit", Err("xtask: `test` takes `--fast` and `--only`, but got `hit`"));
    }

    #[test]
    fn help_names_every_command_and_part() {
        let help = help();
        let parts = crate::parts::PARTS.iter().map(|part| part.name);
        for name in ["test", "lint", "soak", "bench"].into_iter().chain(parts) {
            assert!(help.contains(&format!("\n  {name} ")), "{name}");
        }
    }
}
