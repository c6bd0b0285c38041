//! The parts of `cargo xtask test`: one table, from which `--only`, `--fast` and the help text come.

use std::ffi::OsStr;

use crate::minimal_versions;
use crate::steps::{Failure, Step};
use crate::workspace;

/// One part of the tests, as `--only` names it.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    /// What it checks.
    pub(crate) about: &'static str,
    when: When,
    kind: Kind,
}

/// Which runs a part belongs to; `--only` can ask for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// Also those of `--fast`.
    Always,
    /// All but those of `--fast`.
    Whole,
    /// None: it needs something that a fresh machine does not have.
    Asked,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Makes its steps.
    Steps(fn() -> Result<Vec<Step>, Failure>),
    /// Test targets, as `cargo test` selects them.
    Tests(&'static str),
}

/// All parts, in the order in which they run: the quick ones first, and the tests last, so that the output ends with
/// theirs.
pub(crate) const PARTS: [Part; 20] = [
    Part::steps("lint", "rustfmt and clippy", When::Always, lint),
    Part::steps("docs", "rustdoc without warnings", When::Whole, docs),
    Part::steps("features", "each feature of the runtime alone, and the macros alone", When::Whole, features),
    Part::steps("msrv", "the oldest compiler that `rust-version` promises", When::Whole, msrv),
    Part::steps("package", "both crates, built from their packed files", When::Whole, package),
    Part::steps("deny", "licences and advisories (needs cargo-deny)", When::Asked, deny),
    Part::steps(
        "minimal-versions",
        "the oldest versions that the manifests allow (asks the registry)",
        When::Asked,
        minimal_versions::steps,
    ),
    Part::tests(
        "tidy",
        "the shape of the source: imports, rules, maps, public items",
        When::Always,
        "--test tidy",
    ),
    Part::tests("unit", "the tests beside the code", When::Always, "--lib --bins"),
    Part::tests("pass", "uses of the attribute that compile", When::Always, "--test pass"),
    Part::tests("hygiene", "the attribute among hostile names", When::Always, "--test hygiene"),
    Part::tests("lints", "expansions in a crate with strict lints", When::Always, "--test lints"),
    Part::tests("model", "every order of events of the protocol", When::Always, "--test model"),
    Part::tests("interleavings", "random orders of threads", When::Whole, "--test orders"),
    Part::tests("allocations", "how often a hit allocates", When::Whole, "--test allocations"),
    Part::tests("examples", "the example service", When::Whole, "--test service"),
    Part::tests("ui", "mistakes and their compile errors", When::Whole, "--test ui"),
    Part::tests("it", "every behaviour, on real servers", When::Whole, "--test it"),
    Part::tests(
        "history",
        "what processes read, held against what they wrote",
        When::Whole,
        "--test history",
    ),
    Part::tests("doctests", "the samples in the documentation", When::Whole, "--doc"),
];

/// Which parts are to run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All that a fresh machine can run.
    Whole,
    /// Those that together take less than two minutes.
    Fast,
    /// These, by their names.
    Only(Vec<&'static str>),
}

impl Part {
    const fn steps(
        name: &'static str,
        about: &'static str,
        when: When,
        steps: fn() -> Result<Vec<Step>, Failure>,
    ) -> Self {
        Self { name, about, when, kind: Kind::Steps(steps) }
    }

    const fn tests(name: &'static str, about: &'static str, when: When, targets: &'static str) -> Self {
        Self { name, about, when, kind: Kind::Tests(targets) }
    }

    /// The part of this name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        PARTS.iter().find(|part| part.name == name)
    }

    fn is_selected(&self, selection: &Selection) -> bool {
        match selection {
            Selection::Whole => self.when != When::Asked,
            Selection::Fast => self.when == When::Always,
            Selection::Only(names) => names.contains(&self.name),
        }
    }

    /// The lines of the help text that name every part.
    pub(crate) fn help() -> String {
        PARTS.iter().map(|part| format!("  {:<18}{}\n", part.name, part.about)).collect()
    }
}

/// Whether a selected part may start a `redis-server`. Nothing is installed for one that does not.
pub(crate) fn need_a_server(selection: &Selection) -> bool {
    let mut selected = PARTS.iter().filter(|part| part.is_selected(selection));
    selected.any(|part| matches!(part.kind, Kind::Tests(_)) && !["tidy", "ui", "model"].contains(&part.name))
}

/// The steps of the selected parts. `words` go to the test binaries, as what follows `--` does in `cargo test`.
pub(crate) fn steps_of(
    selection: &Selection,
    words: &[String],
    path: Option<&OsStr>,
) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::new();
    let mut tests: Vec<(&str, &str)> = Vec::new();
    for part in PARTS.iter().filter(|part| part.is_selected(selection)) {
        match part.kind {
            Kind::Steps(make) => steps.extend(make()?),
            Kind::Tests(targets) => tests.push((part.name, targets)),
        }
    }
    if *selection == Selection::Whole {
        // One run of cargo in place of one for each part. That of the source's shape comes first, on its own: its
        // checks are named in words, and take a second.
        tests = vec![("tidy", "--test tidy"), ("tests", "")];
    }
    let tests = tests.into_iter().map(|(name, targets)| {
        let step = Step::new(name, &format!("{TEST} {targets}")).path(path).of_tests();
        if words.is_empty() { step } else { step.arguments(["--"]).arguments(words) }
    });
    steps.extend(tests);
    Ok(steps)
}

/// The same packages and features in each part, so that none is compiled twice. One failure does not hide the rest.
const TEST: &str = "cargo test --workspace --all-features --no-fail-fast";

/// The crate whose features are checked one by one.
const RUNTIME: &str = "cache-runtime";

pub(crate) fn lint() -> Result<Vec<Step>, Failure> {
    Ok(vec![
        Step::new("format", "cargo fmt --all --check"),
        Step::new("clippy", "cargo clippy --workspace --all-targets --all-features -- -D warnings"),
    ])
}

pub(crate) fn docs() -> Result<Vec<Step>, Failure> {
    let step = Step::new("docs", "cargo doc --workspace --no-deps --all-features");
    Ok(vec![step.variable("RUSTDOCFLAGS", "-D warnings")])
}

fn features() -> Result<Vec<Step>, Failure> {
    let manifest = workspace::read("cache-runtime/Cargo.toml")?;
    let mut steps = each_feature_alone(&workspace::features(&manifest));
    steps.push(Step::new("macros alone", "cargo check -p cache-macros"));
    Ok(steps)
}

/// Unifying features hides that one of them leans on another; so each is built without the rest.
fn each_feature_alone(features: &[&str]) -> Vec<Step> {
    let line = format!("cargo check -p {RUNTIME} --no-default-features");
    let mut steps = vec![Step::new("no feature", &line)];
    for feature in features {
        steps.push(Step::new(format!("feature {feature}"), &line).arguments(["--features", feature]));
    }
    steps
}

fn msrv() -> Result<Vec<Step>, Failure> {
    let promised = workspace::setting(&workspace::read("Cargo.toml")?, "rust-version")?;
    let used = workspace::setting(&workspace::read("rust-toolchain.toml")?, "channel")?;
    Ok(vec![msrv_step(&promised, &used)])
}

/// Where the pinned compiler is the promised one, every other step has run on it, and nothing is compiled twice.
fn msrv_step(promised: &str, used: &str) -> Step {
    let name = format!("rust {promised}");
    if used == promised || used.starts_with(&format!("{promised}.")) {
        return Step::new(name, "cargo check -p cache-runtime -p cache-macros --all-features");
    }
    let line =
        format!("cargo +{promised} check -p cache-runtime -p cache-macros --all-features --target-dir");
    Step::new(name, &line).arguments(["target/msrv"])
}

/// Cargo builds the packed files of both: the runtime finds the macros among what was packed just now, not in the
/// registry, which does not have them.
fn package() -> Result<Vec<Step>, Failure> {
    Ok(vec![Step::new("package", "cargo package -p cache-macros -p cache-runtime --allow-dirty")])
}

pub(crate) fn deny() -> Result<Vec<Step>, Failure> {
    Ok(vec![Step::new("licences and advisories", "cargo deny check")])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(steps: &[Step]) -> Vec<String> {
        steps.iter().map(Step::to_string).collect()
    }

    #[test]
    fn each_feature_and_none() {
        let expected = [
            "cargo check -p cache-runtime --no-default-features",
            "cargo check -p cache-runtime --no-default-features --features testing",
            "cargo check -p cache-runtime --no-default-features --features tls",
        ];
        assert_eq!(lines(&each_feature_alone(&["testing", "tls"])), expected);
    }

    #[test]
    fn the_whole_begins_with_the_format_and_ends_with_the_tests() {
        let lines = lines(&steps_of(&Selection::Whole, &[], None).unwrap());
        assert_eq!(lines.first().unwrap(), "cargo fmt --all --check");
        assert_eq!(lines.last().unwrap(), "cargo test --workspace --all-features --no-fail-fast");
        assert!(!lines.iter().any(|line| line.contains("deny") || line.contains("minimal")), "{lines:?}");
    }

    #[test]
    fn one_part_is_one_part_and_its_words_go_on() {
        let only = Selection::Only(vec!["ui"]);
        let lines =
            lines(&steps_of(&only, &["mistakes".to_owned(), "trybuild=key".to_owned()], None).unwrap());
        assert_eq!(lines, [format!("{TEST} --test ui -- mistakes trybuild=key")]);
    }

    #[test]
    fn fast_leaves_out_what_takes_long() {
        let lines = lines(&steps_of(&Selection::Fast, &[], None).unwrap());
        assert!(lines.contains(&format!("{TEST} --test model")), "{lines:?}");
        assert!(!lines.contains(&format!("{TEST} --test ui")), "{lines:?}");
    }

    #[test]
    fn a_server_is_needed_for_behaviours_only() {
        assert!(need_a_server(&Selection::Whole) && need_a_server(&Selection::Fast));
        assert!(need_a_server(&Selection::Only(vec!["tidy", "it"])));
        assert!(!need_a_server(&Selection::Only(vec!["lint", "tidy", "ui", "deny"])));
    }

    #[test]
    fn the_promised_compiler_is_asked_for_where_it_is_not_the_pinned_one() {
        let line = |promised, used| msrv_step(promised, used).to_string();
        assert!(line("1.95", "1.95.0").starts_with("cargo check "));
        assert!(line("1.88", "1.95.0").starts_with("cargo +1.88 check "));
        assert!(line("1.9", "1.95.0").starts_with("cargo +1.9 check "));
    }

    /// A test target that no part names would run in the whole only, and could not be asked for.
    #[test]
    fn each_test_target_belongs_to_a_part() {
        let named: Vec<&str> = PARTS
            .iter()
            .filter_map(|part| match part.kind {
                Kind::Tests(targets) => targets.strip_prefix("--test "),
                Kind::Steps(_) => None,
            })
            .collect();
        let mut seen = 0;
        for folder in ["tests/tests", "tests/interleavings/tests", "examples/tests"] {
            for entry in std::fs::read_dir(workspace::root().join(folder)).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|extension| extension == "rs")
                    || path.join("main.rs").exists()
                {
                    let target = path.file_stem().unwrap().to_string_lossy().into_owned();
                    assert!(
                        named.contains(&target.as_str()),
                        "no part of PARTS runs the test target `{target}`"
                    );
                    seen += 1;
                }
            }
        }
        assert_eq!(seen, named.len(), "a part names a test target that is not there");
    }
}
