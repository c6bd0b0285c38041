//! What `#[cached]` adds to `cargo check`: a hundred annotated functions beside the same functions without it.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use cache_benches::{Arguments, Machine, Section, Spread, Stopwatch, target_folder};

const FUNCTIONS: usize = 100;
const ROUNDS: usize = 11;
/// What the issue allows, in seconds.
const TARGET: f64 = 0.3;

/// The two crates: without the attribute, and with it.
const CRATES: [&str; 2] = ["plain", "annotated"];

fn main() {
    if !Arguments::of_process().want("compile_time") {
        return;
    }
    let workspace = Workspace::generate();
    let mut section = Section::new(
        "compile_time",
        &["check", "added by the attribute", "quartiles", "with it", "without it"],
    );
    for (name, incremental) in [("file touched", "1"), ("without incremental compilation", "0")] {
        let [plain, annotated] = workspace.measure(incremental);
        let added = Spread::of(annotated.iter().zip(&plain).map(|(annotated, plain)| annotated - plain));
        section.row(&[
            name.to_owned(),
            format!("**{:+.2} s**", added.median),
            added.to_string(),
            format!("{:.2} s", Spread::of(annotated).median),
            format!("{:.2} s", Spread::of(plain).median),
        ]);
    }
    section.note(format!(
        "{FUNCTIONS} functions, 70 of which read and 30 write through; medians of {ROUNDS} alternating rounds of \
         `cargo check`, dependencies built. The target is {TARGET:+.1} s after a touch."
    ));
    section.publish(&Machine::this(), true);
}

/// A generated workspace of the two crates.
struct Workspace {
    folder: PathBuf,
}

impl Workspace {
    fn generate() -> Self {
        let folder = target_folder().join("compile_time");
        let benches = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = benches.parent().unwrap_or(benches);
        let members = CRATES.map(|name| format!("{name:?}")).join(", ");
        write(
            &folder.join("Cargo.toml"),
            &format!("[workspace]\nresolver = \"3\"\nmembers = [{members}]\n\n[profile.dev]\ndebug = 0\n"),
        );
        // The same versions as in the workspace, and no look at the registry.
        let lock = std::fs::read_to_string(root.join("Cargo.lock")).unwrap_or_default();
        write(&folder.join("Cargo.lock"), &lock);
        for name in CRATES {
            let runtime = root.join("cache-runtime");
            let manifest = format!(
                "[package]\nname = {name:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n\
                 cache-runtime = {{ path = {runtime:?} }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\n"
            );
            write(&folder.join(name).join("Cargo.toml"), &manifest);
            write(&folder.join(name).join("src/lib.rs"), &source(name == "annotated"));
        }
        Self { folder }
    }

    /// Seconds of each round, per crate.
    fn measure(&self, incremental: &str) -> [Vec<f64>; 2] {
        let mut seconds = [Vec::new(), Vec::new()];
        for round in 0..=ROUNDS {
            // Who begins changes from round to round.
            for place in 0..CRATES.len() {
                let index = (round + place) % CRATES.len();
                let time = self.check(CRATES[index], incremental);
                // The first round builds the dependencies.
                if round > 0 {
                    seconds[index].push(time);
                }
            }
        }
        seconds
    }

    /// Seconds of one `cargo check` of a touched crate.
    fn check(&self, name: &str, incremental: &str) -> f64 {
        let source = self.folder.join(name).join("src/lib.rs");
        let text = std::fs::read_to_string(&source).expect("the source was generated");
        write(&source, &text);
        let mut cargo = Command::new("cargo");
        cargo
            .args(["check", "--quiet", "--offline", "--package", name])
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", self.folder.join("target"))
            .env("CARGO_INCREMENTAL", incremental);
        let watch = Stopwatch::start();
        let status = cargo.status().expect("cargo runs");
        let elapsed = watch.elapsed();
        assert!(status.success(), "the generated crate `{name}` does not compile");
        elapsed.as_secs_f64()
    }
}

fn write(file: &Path, text: &str) {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).expect("the folder can be made");
    }
    std::fs::write(file, text).expect("the file can be written");
}

/// Functions as services have them; the two crates differ in the attribute only.
fn source(annotated: bool) -> String {
    let mut source = String::from(
        "#![allow(dead_code, unused_variables)]\n\
         #[derive(Clone, Debug)]\npub struct DbError;\n\
         #[derive(Clone, serde::Serialize, serde::Deserialize)]\n\
         pub struct User { id: u64, name: String, mail: Option<String>, films: Vec<u64> }\n",
    );
    let mut function = |attribute: &str, text: &str| {
        if annotated {
            writeln!(source, "#[cache_runtime::cached({attribute})]").unwrap_or_default();
        }
        writeln!(source, "{text}").unwrap_or_default();
    };
    for number in 0..FUNCTIONS {
        let user = "Ok(User { id, name: id.to_string(), mail: None, films: Vec::new() })";
        match number % 10 {
            0..=3 => function(
                &format!("ttl = \"STANDARD\", key = \"user{number}:<id>\""),
                &format!("pub async fn get_{number}(id: u64) -> Result<User, DbError> {{ {user} }}"),
            ),
            4 | 5 => function(
                &format!("ttl = \"5m\", negative_ttl = \"30s\", key = \"found{number}:<tenant>:<id>\""),
                &format!(
                    "pub async fn find_{number}(tenant: &str, id: u64) -> Result<Option<User>, DbError> {{ {user}.map(Some) }}"
                ),
            ),
            6 => function(
                &format!("ttl = \"FREQUENT\", key = \"top{number}\", skip = [pool]"),
                &format!("pub async fn top_{number}(pool: &str) -> Vec<User> {{ Vec::new() }}"),
            ),
            _ => function(
                &format!(
                    "ttl = \"STANDARD\", key = \"user{other}:<id>\", invalidates = [\"top{top}\", find_{found}(\"t\", id)]",
                    other = number - number % 10,
                    top = number - number % 10 + 6,
                    found = number - number % 10 + 4,
                ),
                &format!(
                    "pub async fn put_{number}(id: u64, name: String) -> Result<User, DbError> {{ {user} }}"
                ),
            ),
        }
    }
    source
}
