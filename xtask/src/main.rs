//! What a person types to work on this repository: `cargo xtask test`, `lint`, `soak`, `bench`.
//!
//! It is compiled before anything else on a fresh machine, so it depends on nothing but `std`. Its
//! own words go to stderr, as those of cargo do; stdout is left to the output of the tests and
//! benchmarks.

use std::process::ExitCode;

use command::Command;
use steps::Failure;

mod checks;
mod command;
mod minimal_versions;
mod parts;
mod redis_server;
mod steps;
mod workspace;

/// A mistake in the command line, as opposed to a step that failed (1).
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let command = match Command::parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(mistake) => {
            eprint!("{mistake}\n\n{}", command::help());
            return ExitCode::from(EXIT_USAGE);
        }
    };
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nxtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Help => print_help(),
        Command::Test(test) => {
            let path = if parts::need_a_server(&test.selection) { redis_server::ensure()? } else { None };
            checks::require_components()?;
            steps::run_all("test", &parts::steps_of(&test.selection, &test.words, path.as_deref())?)
        }
        Command::Lint => {
            checks::require_components()?;
            steps::run_all("lint", &checks::of_lint()?)
        }
        Command::Soak(soak) => {
            let path = redis_server::ensure()?;
            steps::run_all("soak", &checks::soak(path.as_deref(), &soak))
        }
        Command::Bench { arguments } => {
            let path = redis_server::ensure()?;
            steps::run_all("bench", &checks::bench(path.as_deref(), &arguments)?)
        }
    }
}

#[expect(clippy::print_stdout, reason = "help that was asked for is output, and may be piped into a pager")]
fn print_help() -> Result<(), Failure> {
    print!("{}", command::help());
    Ok(())
}
