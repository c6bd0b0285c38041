//! Which steps each command consists of, but for `test`, which has its own module, `parts`.

use std::ffi::OsStr;

use crate::command::Soak;
use crate::parts;
use crate::steps::{Failure, Step};
use crate::workspace;

/// `cargo xtask lint`.
pub(crate) fn of_lint() -> Result<Vec<Step>, Failure> {
    let mut steps = parts::lint()?;
    steps.extend(parts::docs()?);
    if Step::new("cargo-deny", "cargo deny --version").succeeds_silently() {
        steps.extend(parts::deny()?);
    } else {
        eprintln!(
            "xtask: cargo-deny is not installed, so licences and advisories are NOT checked; to have them checked:\n    \
             cargo install --locked cargo-deny"
        );
    }
    Ok(steps)
}

/// `cargo xtask soak`: what `test` does for seconds, for as long as asked.
pub(crate) fn soak(path: Option<&OsStr>, soak: &Soak) -> Vec<Step> {
    // The output of a test that passes says which seeds it ran.
    let mut histories =
        Step::new("histories", "cargo test -p cache-tests --all-features --test history -- --nocapture")
            .variable("CACHE_HISTORY_SECONDS", &soak.seconds.to_string())
            .path(path);
    if let Some(seed) = soak.seed {
        histories = histories.variable("CACHE_HISTORY_SEED", &seed.to_string());
        return vec![histories];
    }
    let model = Step::new("model", "cargo test --release -p cache-tests --all-features --test model")
        .variable("CACHE_MODEL", "deep")
        .path(path);
    vec![histories, model]
}

/// The manifests of the benchmarks, and how cargo finds them. Those beside other caches are no member of the workspace.
const BENCHMARKS: [(&str, &str); 2] = [
    ("benches/Cargo.toml", "cargo bench -p cache-benches"),
    ("benches/peers/Cargo.toml", "cargo bench --manifest-path benches/peers/Cargo.toml"),
];

/// `cargo xtask bench`.
pub(crate) fn bench(path: Option<&OsStr>, arguments: &[String]) -> Result<Vec<Step>, Failure> {
    let mut crates = Vec::new();
    for (manifest, line) in BENCHMARKS {
        crates.push((line, workspace::read(manifest)?));
    }
    let names = |(_, manifest): &(_, String)| names_one(&workspace::benchmarks(manifest), arguments);
    // What no name says, such as `/50`, may be part of any.
    let some = crates.iter().any(names);
    let wanted = crates.iter().filter(|one| !some || names(one));
    let step = |(line, _): &(&str, String)| {
        let step = Step::new("benchmarks", line).path(path);
        if arguments.is_empty() { step } else { step.arguments(["--"]).arguments(arguments) }
    };
    Ok(wanted.map(step).collect())
}

/// Whether a filter is meant for one of these benchmarks.
fn names_one(benchmarks: &[&str], arguments: &[String]) -> bool {
    let mut filters = arguments.iter().filter(|argument| !argument.starts_with('-'));
    filters.any(|filter| {
        let first = filter.split('/').next().unwrap_or_default();
        benchmarks.iter().any(|name| !first.is_empty() && name.contains(first))
    })
}

/// Without these, cargo's own message would come late and would not name both.
pub(crate) fn require_components() -> Result<(), Failure> {
    let present = |line| Step::new("component", line).succeeds_silently();
    if present("cargo fmt --version") && present("cargo clippy --version") {
        return Ok(());
    }
    Err(Failure("rustfmt or clippy is missing; type\n    rustup component add rustfmt clippy".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(steps: &[Step]) -> Vec<String> {
        steps.iter().map(Step::to_string).collect()
    }

    #[test]
    fn soak_runs_histories_and_model_and_a_seed_only_its_history() {
        let history = "cargo test -p cache-tests --all-features --test history -- --nocapture";
        let expected = [
            format!("CACHE_HISTORY_SECONDS=60 {history}"),
            "CACHE_MODEL=deep cargo test --release -p cache-tests --all-features --test model".to_owned(),
        ];
        assert_eq!(lines(&soak(None, &Soak { seconds: 60, seed: None })), expected);
        let expected = [format!("CACHE_HISTORY_SECONDS=60 CACHE_HISTORY_SEED=7 {history}")];
        assert_eq!(lines(&soak(None, &Soak { seconds: 60, seed: Some(7) })), expected);
    }

    #[test]
    fn bench_passes_its_filter_on_to_those_whom_it_names() {
        let bench = |words: &str| {
            let arguments: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
            lines(&bench(None, &arguments).unwrap())
        };
        let peers = "cargo bench --manifest-path benches/peers/Cargo.toml";
        assert_eq!(bench(""), ["cargo bench -p cache-benches", peers]);
        assert_eq!(bench("redis_hit/50"), ["cargo bench -p cache-benches -- redis_hit/50"]);
        assert_eq!(bench("local_hit"), [format!("{peers} -- local_hit")]);
        assert_eq!(bench("hit").len(), 2);
        assert_eq!(bench("/50").len(), 2);
    }
}
