//! Where the workspace is, and what xtask needs to know of it.

use std::path::PathBuf;

use crate::steps::Failure;

/// The folder of the root `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    // Cargo says at run time where the package is; what was compiled in may be another checkout
    // with the same target.
    let package = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.parent().map(PathBuf::from).unwrap_or(package)
}

/// A file of the workspace, named from its root.
pub(crate) fn read(name: &str) -> Result<String, Failure> {
    let path = root().join(name);
    std::fs::read_to_string(&path)
        .map_err(|error| Failure(format!("failed to read {}: {error}", path.display())))
}

/// The text that a line of a manifest gives to `name`.
pub(crate) fn setting(manifest: &str, name: &str) -> Result<String, Failure> {
    let value = manifest.lines().filter_map(|line| line.split_once(" = ")).find(|(left, _)| *left == name);
    let value = value.map(|(_, value)| value.trim_matches('"').to_owned());
    value.ok_or_else(|| Failure(format!("no line of the manifest begins with `{name} = `")))
}

/// The names in the `[features]` table of a `Cargo.toml`, without `default`.
///
/// A line reader suffices for our own manifest and spares every fresh machine a TOML or JSON
/// parser.
pub(crate) fn features(manifest: &str) -> Vec<&str> {
    manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[features]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        // Within an array of several lines each line starts with a quote or a bracket.
        .filter(|line| line.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim())
        .filter(|name| *name != "default")
        .collect()
}

/// The names of the benchmarks in a `Cargo.toml`.
pub(crate) fn benchmarks(manifest: &str) -> Vec<&str> {
    let tables = manifest.split("[[bench]]").skip(1);
    tables
        .filter_map(|table| table.split_once("name = \"")?.1.split_once('"'))
        .map(|(name, _)| name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn benchmarks_of_a_manifest() {
        let manifest = r#"
            [package]
            name = "cache-benches"

            [[bench]]
            name = "redis_hit"
            harness = false

            [[bench]]
            name = "key"
        "#;
        assert_eq!(benchmarks(manifest), ["redis_hit", "key"]);
    }

    #[test]
    fn features_of_a_manifest() {
        let manifest = r#"
            [package]
            name = "x"

            [features]
            default = ["testing"]
            # A comment = of no interest.
            testing = []
            tls = [
                "redis/tls",
                # why = because
            ]
            write-behind=["tls"]

            [dependencies]
            redis = "1"
        "#;
        assert_eq!(features(manifest), ["testing", "tls", "write-behind"]);
        assert_eq!(features("[package]\nname = \"x\"\n"), [""; 0]);
    }

    #[test]
    fn a_setting_is_found_by_its_whole_name() {
        let manifest = "[x]\nrust-version = \"1.95\"\nversion = \"0.1.0\"\n";
        assert_eq!(setting(manifest, "version").unwrap(), "0.1.0");
        assert_eq!(setting(manifest, "rust-version").unwrap(), "1.95");
        assert!(setting(manifest, "edition").is_err());
    }

    #[test]
    fn the_runtime_has_the_feature_of_the_tests() {
        let manifest = std::fs::read_to_string(root().join("cache-runtime/Cargo.toml")).unwrap();
        assert!(features(&manifest).contains(&"testing"));
    }
}
