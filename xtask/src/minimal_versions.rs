//! Both crates with the oldest versions of their dependencies that their manifests allow.
//!
//! A manifest that says `1` and uses what came with `1.4` works here, where the lock file has something newer, and
//! breaks where another lock file has something older.

use std::fs;
use std::path::Path;

use crate::steps::{Failure, Step};
use crate::workspace;

/// Where the copy of both crates is made, below the root.
const COPY: &str = "target/minimal-versions";

/// Copies both crates into a workspace of their own, so that the lock file of this one stays as it is, and returns
/// the steps that resolve and check the copy.
pub(crate) fn steps() -> Result<Vec<Step>, Failure> {
    copy_crates().map_err(|error| Failure(format!("failed to copy the crates to {COPY}: {error}")))?;
    let manifest = format!("--manifest-path {COPY}/Cargo.toml");
    Ok(vec![
        // Cargo keeps this resolution for nightly compilers; the variable lifts that for cargo itself, and nothing is
        // compiled with it.
        Step::new("oldest versions", &format!("cargo update -Z direct-minimal-versions {manifest}"))
            .variable("RUSTC_BOOTSTRAP", "1"),
        Step::new("check with them", &format!("cargo check --workspace --all-features --locked {manifest}")),
    ])
}

fn copy_crates() -> std::io::Result<()> {
    let (root, copy) = (workspace::root(), workspace::root().join(COPY));
    fs::create_dir_all(&copy)?;
    fs::write(copy.join("Cargo.toml"), manifest(&fs::read_to_string(root.join("Cargo.toml"))?))?;
    fs::copy(root.join("rust-toolchain.toml"), copy.join("rust-toolchain.toml"))?;
    for name in ["cache-macros", "cache-runtime"] {
        let to = copy.join(name);
        if to.exists() {
            fs::remove_dir_all(&to)?;
        }
        copy_folder(&root.join(name), &to)?;
    }
    Ok(())
}

/// The manifest of the workspace with these two members.
fn manifest(root: &str) -> String {
    let lines = root.lines().map(|line| match line {
        line if line.starts_with("members = ") => {
            "members = [\"cache-macros\", \"cache-runtime\"]\n".to_owned()
        }
        line if line.starts_with("exclude = ") => String::new(),
        line => format!("{line}\n"),
    });
    lines.collect()
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_has_two_members_and_all_else() {
        let root = "[workspace]\nmembers = [\"a\", \"b\"]\nexclude = [\"c\"]\n\n[workspace.dependencies]\nd = \"1\"\n";
        let expected = "[workspace]\nmembers = [\"cache-macros\", \"cache-runtime\"]\n\n[workspace.dependencies]\nd = \"1\"\n";
        assert_eq!(manifest(root), expected);
    }

    #[test]
    fn the_lists_of_the_root_manifest_are_lines() {
        let root = fs::read_to_string(workspace::root().join("Cargo.toml")).unwrap();
        let manifest = manifest(&root);
        assert!(manifest.contains("members = [\"cache-macros\", \"cache-runtime\"]"), "{manifest}");
        assert!(!manifest.contains("exclude = "), "{manifest}");
    }
}
